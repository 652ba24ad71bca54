"""The format of recipes, rule by rule."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magnetgen.forms import recipes
from magnetgen.forms.recipes import Absent, NoValue, Unreadable, fill, make, says, take

HOLES: dict[str, Any] = {
    "a": "x",
    "n": "07",
    "e": "",
    "none": None,
    "l": ["p", "q"],
    "o": {"k": "v"},
    "zero": 0,
    "h": "{{a}}",
}


@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        ("{{a}}", "x"), ("-{{a}}-{{a}}", "-x-x"), ("{{n|integer}}", 7), ("{{l}}", ["p", "q"]), ("{{o}}", {"k": "v"}),
        ("{{zero}}", 0), ("no hole", "no hole"), ("{{h}}", "{{a}}"), ("{{h}} {{a}}", "{{a}} x"), ("{ {a} }", "{ {a} }"),
        ("{{e}}", None), ("{{none}}", None), ("{{unknown}}", None), ("{{e|integer}}", None), ("say {{e}}", None),
        ({"k": "{{a}}", "gone": "{{e}}"}, {"k": "x"}), ({"k": {"gone": "{{e}}"}}, None), ({}, {}), ([], []),
        (["{{e}}", "{{a}}", 1], ["x", 1]), (["{{e}}"], None), ({"k": True, "n": 1, "f": False}, {"k": True, "n": 1, "f": False}),
        ({"$lines": ["1 {{a}}", "2 {{e}}", "3"]}, "1 x\n3"), ({"t": {"$lines": ["{{e}}"]}}, None),
    ],
)  # fmt: skip
def test_templates(template: Any, wanted: Any) -> None:
    found = fill(template, HOLES)
    assert found == wanted and type(found) is type(wanted)


def step(**more: Any) -> dict[str, Any]:
    return {"method": "POST", "url": "{{url}}/a/{{v}}?q={{v}}", **more}


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_value_in_an_address_is_a_piece_of_it(value: str) -> None:
    url = make(step(), {"url": "https://x.example/b", "v": value}).url
    head, path, query = (
        url.partition("?")[0].rpartition("/")[0],
        url.partition("?")[0].rpartition("/")[2],
        url.partition("?")[2],
    )
    assert head == "https://x.example/b/a" and unquote(path) == value and unquote(query.removeprefix("q=")) == value
    assert path.isascii() and not set(path) & set("/?#&=+ '\"!()*")


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_value_in_a_body_is_a_text(value: str) -> None:
    body = make(step(json={"k": "{{w}}", "j": "a{{w}}b"}), {"url": "u", "v": "v", "w": value}).body
    assert json.loads(body) == {"k": value, "j": f"a{value}b"}


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nb", "ü", "a\x00", "\x7f"])
@pytest.mark.parametrize(
    "part", [{"headers": {"x": "{{w}}"}}, {"auth": {"bearer": "{{w}}"}}, {"auth": {"header": ["k", "{{w}}"]}}, {"auth": {"basic": "u:{{w}}"}}]
)  # fmt: skip
def test_a_value_that_a_header_cannot_hold_is_refused(value: str, part: dict[str, Any]) -> None:
    with pytest.raises(NoValue):
        make(step(**part), {"url": "u", "v": "v", "w": value})


@pytest.mark.parametrize(
    "part", [{}, {"json": {"k": "{{e}}"}, "url": "{{url}}"}, {"headers": {"x": "{{e}}"}, "url": "{{url}}"}]
)
def test_a_place_that_needs_a_value_and_has_none_is_a_failure(part: dict[str, Any]) -> None:
    with pytest.raises(NoValue):
        make(step(**part), {"url": "https://x.example"})


def test_credentials_and_headers() -> None:
    holes = {"url": "u", "v": "v", "key": "k:ey"}
    assert make(step(auth={"bearer": "{{key}}"}), holes).headers["authorization"] == "Bearer k:ey"
    assert make(step(auth={"basic": "{{key}}"}), holes).headers["authorization"] == "Basic azpleQ=="
    assert make(step(auth={"header": ["x-k", "{{key}}"]}), holes).headers["x-k"] == "k:ey"
    plain = make(step(), holes)
    assert plain.headers == {"accept": "application/json", "user-agent": "magnetgen"} and plain.body == b""
    with_body = make(step(json={"é": "\u2028\t"}), holes)
    assert with_body.body == '{"é":"\u2028\\t"}'.encode() and with_body.headers["content-type"] == "application/json"


def test_answers_in_lists() -> None:
    assert says([404, 409], 409, "") and not says([404], 409, "")
    assert says(["400 Some Words"], 400, '{"title":"Some Words"}')
    assert not says(["400 Some Words"], 400, "some words") and not says(["400 Some Words"], 422, "Some Words")
    assert not says([], 200, "")


def test_values_out_of_answers() -> None:
    assert take({}, "rubbish") == {}
    assert take({"id": ["a", 0, "id"]}, '{"a":[{"id":5}]}') == {"id": "5"}
    assert take({"id": ["id"]}, '{"id":"a_B-9"}') == {"id": "a_B-9"}
    with pytest.raises(Absent):
        take({"id": ["a", 0, "id"]}, '{"a":[]}')
    for body in ("", "{}", "null", '{"a":{"id":5}}', '{"a":[5]}', '{"a":[{"id":1.5}]}', '{"a":[{"id":"a b"}]}'):
        with pytest.raises(Unreadable):
            take({"id": ["a", 0, "id"]}, body)


def test_what_a_kind_needs() -> None:
    assert recipes.env_keys("webhook") == (("url_env",), ("secret_env",))
    assert recipes.env_keys("listmonk") == (("url_env", "key_env", "list_env"), ())
    assert recipes.env_keys("mailchimp") == (("key_env", "list_env"), ("url_env",))
