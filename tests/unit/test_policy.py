"""What pages need, and the policy that allows just that."""

from __future__ import annotations

import base64
import hashlib

import pytest

from magnetgen import policy

OWN = "https://lead-lab.com"


def sha(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@pytest.mark.parametrize(
    ("html", "directive", "sources"),
    [
        ("<script>a()</script>", "script-src", (sha("a()"),)),
        ("<script type=module>\r\na()</script>", "script-src", (sha("\na()"),)),
        ('<script>if (a<b) c("</p>")</script>', "script-src", (sha('if (a<b) c("</p>")'),)),
        ("<script><!--\na()\n//--></script>", "script-src", (sha("<!--\na()\n//-->"),)),
        ('<script>"<style>"</script><!-- > --><p title="a > b" style=x>', "style-src", (sha("x"), "'unsafe-hashes'")),
        ('<SCRIPT SRC="https://a.example.net/x.js?b&amp;c"></SCRIPT>', "script-src", ("https://a.example.net",)),
        ('<script src="/media/x.js"></script>', "script-src", ("'self'",)),
        (f'<script src="{OWN}/media/x.js"></script>', "script-src", ("'self'",)),
        ('<script src="https://a.example.net/x.js"></script>', "connect-src", ("https://a.example.net",)),
        ("<style>p{}</style>", "style-src", (sha("p{}"),)),
        ("<style>p{background:url(//i.example.net/a.png)}</style>", "img-src", ("https://i.example.net",)),
        ('<link rel="stylesheet" href="https://f.example.net/a.css">', "style-src", ("https://f.example.net",)),
        ('<link rel="icon" href="data:,">', "img-src", ("data:",)),
        ("<p style='color:red'>", "style-src", (sha("color:red"), "'unsafe-hashes'")),
        ('<img src="http://i.example.net:8080/a.png">', "img-src", ("http://i.example.net:8080",)),
        ('<img srcset="/a.png 1x, https://i.example.net/b.png 2x">', "img-src", ("'self'", "https://i.example.net")),
        ('<video poster="//i.example.net/p.jpg" src="https://v.example.net/v.mp4">', "media-src", ("https://v.example.net",)),
        ('<iframe src="https://www.youtube-nocookie.com/embed/x"></iframe>', "frame-src", ("https://www.youtube-nocookie.com",)),
        ('<form action="https://leads.example.net/api/forms/a">', "form-action", ("https://leads.example.net",)),
        ('<form action="https://leads.example.net/api/forms/a">', "connect-src", ("https://leads.example.net",)),
        ('<button onclick="a()">', policy.BLOCKED, ("onclick",)),
        ('<button onClick="a()">', policy.BLOCKED, ("onclick",)),
        ("<p STYLE='color:red'>", "style-src", (sha("color:red"), "'unsafe-hashes'")),
        ('<a href=" JavaScript:a()">', policy.BLOCKED, ("href",)),
    ],
)  # fmt: skip
def test_what_a_piece_of_html_needs(html: str, directive: str, sources: tuple[str, ...]) -> None:
    assert policy.needs(html, OWN).get(directive) == tuple(sorted(sources))


@pytest.mark.parametrize(
    "html",
    [
        '<script type="application/ld+json">{"@context": "https://schema.org"}</script>',
        '<a href="https://elsewhere.example.net/">x</a>',
        "<!-- <script>a()</script> -->",
        "<textarea><script>a()</script></textarea>",
        '<link rel="canonical" href="https://elsewhere.example.net/">',
        '<form method="post">',
        '<img src="">',
    ],
)
def test_what_needs_nothing(html: str) -> None:
    assert policy.needs(html, OWN) == {}


def test_turnstile_needs_its_frame() -> None:
    found = policy.needs(f'<script src="{policy.TURNSTILE}/turnstile/v0/api.js" async></script>', OWN)
    assert found["frame-src"] == found["script-src"] == (policy.TURNSTILE,)


def test_a_policy_is_the_union_and_has_no_unsafe_inline() -> None:
    pages = [policy.needs(html, OWN) for html in ("<script>a()</script>", "<script>b()</script>", '<p onclick="c()">')]
    text = policy.text(policy.union(pages))
    assert f"script-src {' '.join(sorted((sha('a()'), sha('b()'))))};" in text
    assert text.startswith("default-src 'none'; ")
    for part in ("form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"):
        assert part in text
    assert "unsafe" not in text
    assert policy.BLOCKED not in text


def test_a_page_carries_its_policy_before_what_it_is_about() -> None:
    html = '<!doctype html><html><head>\n<meta charset="utf-8">\n<style>p{}</style></head><body></body></html>'
    made = policy.into_page(html, OWN, {"form-action": ("https://b.example.net",)})
    assert made.index("Content-Security-Policy") < made.index("<style>")
    assert made.index("charset") < made.index("Content-Security-Policy")
    assert sha("p{}") in made
    assert "form-action 'self' https://b.example.net" in made
    assert "frame-ancestors" not in made


def test_two_policies_as_one_allow_what_either_does() -> None:
    one = policy.text({"script-src": ("'sha256-a='",), "img-src": ("data:",)})
    other = policy.text({"script-src": ("'sha256-b='", "https://x.example"), "frame-src": ("https://y.example",)})
    both = policy.joined(one, other)
    assert "script-src 'sha256-a=' 'sha256-b=' https://x.example;" in both and "img-src 'self' data:;" in both
    assert "frame-src https://y.example;" in both and "default-src 'none';" in both
    assert policy.joined(one, one) == one and policy.joined("", other) == other
