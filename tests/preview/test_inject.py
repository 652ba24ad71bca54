"""What is added to a page, and what its own policy then says."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest

from magnetgen.preview import inject

HASH = inject.script_hash()


def test_a_page_gets_the_client_at_its_end() -> None:
    text = "<!doctype html><html><body><p>&lt;/body></p></body></html>"
    made = inject.into(text, {"source": 'a"<b>.md'})
    before, _, after = made.partition("<magnetgen-preview ")
    assert before == "<!doctype html><html><body><p>&lt;/body></p>"
    assert after.endswith("</script></body></html>")
    state = re.search(r'data-state="([^"]*)"', made)
    assert state
    assert json.loads(unescape(state[1])) == {"source": 'a"<b>.md'}


def test_a_page_without_an_end_gets_it_too() -> None:
    assert inject.into("<p>Words", {}).startswith("<p>Words<magnetgen-preview ")


def test_the_client_cannot_end_its_own_element() -> None:
    assert "</script" not in inject.script().lower()
    assert "<!--" not in inject.script()
    assert "@css@" not in inject.script()
    assert "innerHTML" not in inject.script()


def test_pages_that_differ_in_looks_only_have_one_shape() -> None:
    plain, red = "<style>a{}</style><p>x", "<style>a{color:red}</style><p>x"
    assert inject.shape(plain) == inject.shape(red)
    assert inject.digest(plain) != inject.digest(red)
    assert inject.shape(plain) != inject.shape("<style>a{}</style><p>y")
    assert inject.shape(plain) != inject.shape('<style media="print">a{}</style><p>x')


@pytest.mark.parametrize(
    ("policy", "widened"),
    [
        ("default-src 'self'", f"default-src 'self'; script-src 'self' {HASH}; connect-src 'self'"),
        ("default-src 'none'", f"default-src 'none'; script-src {HASH}; connect-src 'self'"),
        ("script-src 'sha256-x'; connect-src 'none'", f"script-src 'sha256-x' {HASH}; connect-src 'self'"),
        ("script-src 'self' 'unsafe-inline'", "script-src 'self' 'unsafe-inline'"),
        ("script-src 'unsafe-inline' 'nonce-x'", f"script-src 'unsafe-inline' 'nonce-x' {HASH}"),
        ("Script-Src-Elem 'none'; script-src 'none'", f"script-src-elem {HASH}; script-src {HASH}"),
        ("img-src 'self'; IMG-SRC *", "img-src 'self'"),
        ("", ""),
    ],
)
def test_policies_are_widened_by_just_the_client(policy: str, widened: str) -> None:
    assert inject.widened(policy) == widened


def test_a_pages_own_policy_is_found_however_it_is_written() -> None:
    for meta in (
        """<meta http-equiv="Content-Security-Policy" content="script-src 'none'">""",
        """<META CONTENT="script-src 'none'" HTTP-EQUIV=content-security-policy>""",
        """<meta http-equiv='content-security-policy' content="script-src &#39;none&#39;"/>""",
    ):
        made = inject.into(f"<head>{meta}</head>", {})
        assert HASH in unescape(made.partition("</head>")[0]), meta
    other = '<meta name="description" content="script-src">'
    assert other in inject.into(other, {})
