"""Cleaning and judging fields, addresses, fingerprints and attribution."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetgen.forms import site, validate
from magnetgen.forms.validate import FieldFault
from tests.forms.data import EVERYTHING, document, form

SITE = site.from_data(EVERYTHING)


def checked(name: str, *pairs: tuple[str, str]) -> validate.Checked:
    spec = SITE.forms[name].spec
    return validate.check(spec, validate.clean(spec, list(pairs)))


def codes(name: str, *pairs: tuple[str, str]) -> dict[str, str]:
    return {fault.field: fault.code for fault in checked(name, ("email", "a@b.co"), *pairs).faults}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("ana@example.com", "ana@example.com"), ("  Ana.Ruiz@EXAMPLE.Com \n", "Ana.Ruiz@example.com"),
        ("a!#$%&'*+/=?^_`{|}~-b@x.co", "a!#$%&'*+/=?^_`{|}~-b@x.co"), ("a@x.xn--p1ai", "a@x.xn--p1ai"),
        ("a@1.2.co", "a@1.2.co"), ("a" * 64 + "@x.co", "a" * 64 + "@x.co"), ("a@" + "b" * 63 + ".co", "a@" + "b" * 63 + ".co"),
    ],
)  # fmt: skip
def test_addresses(given: str, kept: str) -> None:
    assert checked("plain", ("email", given)).email == kept


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("", "required"), ("a", "email"), ("@x.co", "email"), ("a@", "email"), ("a@b@c.co", "email"), ("a@x", "email"),
        (".a@x.co", "email"), ("a.@x.co", "email"), ("a..b@x.co", "email"), ('"a b"@x.co', "email"),
        ("a(c)@x.co", "email"), ("a b@x.co", "email"), ("a" * 65 + "@x.co", "email"), ("é@x.co", "email"),
        ("a@é.co", "email_domain"), ("a@x.c0", "email"), ("a@-x.co", "email"), ("a@x-.co", "email"), ("a@x..co", "email"),
        ("a@x.co.", "email"), ("a@[127.0.0.1]", "email"), ("a@127.0.0.1", "email"), ("a@x_y.co", "email"),
        ("a@" + "b" * 64 + ".co", "email"), ("a\r\nBcc: b@x.co", "characters"), ("a@x.co\nb", "characters"),
        ("a@x.co\0", "characters"), ("a@x.xn--", "email"),
    ],
)  # fmt: skip
def test_faulty_addresses(given: str, code: str) -> None:
    assert checked("plain", ("email", given)).faults == (FieldFault("email", code),)


@pytest.mark.parametrize(
    ("pairs", "found"),
    [
        ([("message", "a\n\tb\r\nc")], {}),
        ([("message", "a\rb")], {"message": "characters"}),
        ([("message", "a\x1bb")], {"message": "characters"}),
        ([("message", "a\x85b")], {"message": "characters"}),
        ([("code", "AB\tC")], {"code": "characters"}),
        ([("size", "S"), ("colour", "red")], {}),
        ([("size", "M"), ("colour", "")], {"size": "option"}),
        ([("tags", "a"), ("tags", "b")], {}),
        ([("tags", "a"), ("tags", "x")], {"tags": "option"}),
        ([("size", "S"), ("size", "S")], {"size": "duplicate_field"}),
        ([("agree", "true")], {}),
        ([("agree", "perhaps")], {"agree": "option"}),
        ([("site", "https://x.example/a?b")], {}),
        ([("site", "javascript:alert(1)")], {"site": "pattern"}),
        ([("site", "https:///x")], {"site": "pattern"}),
        ([("budget", "-1,5")], {}),
        ([("budget", "1e3")], {"budget": "pattern"}),
        ([("code", "ABC")], {}),
        ([("code", "ABCD")], {"code": "pattern"}),
        ([("unknown", "x"), ("__proto__", "x"), ("constructor", "x")], {}),
    ],
)
def test_fields(pairs: list[tuple[str, str]], found: dict[str, str]) -> None:
    assert codes("all", *pairs) == found


@pytest.mark.parametrize(
    ("pattern", "value", "fits"),
    [(r"\d{4}", "1234", True), (r"\d{4}", "١٢٣٤", False), (r"\w+", "Ana_1", True), (r"\w+", "Äna", False)],
)
def test_a_patterns_digits_and_letters_are_those_of_ascii_as_in_browsers(pattern: str, value: str, fits: bool) -> None:
    field = {"name": "code", "type": "text", "pattern": pattern, "max": 20}
    spec = site.from_data(document({"x": form(name="x", fields=[field])})).forms["x"].spec
    found = validate.check(spec, validate.clean(spec, [("code", value)]))
    assert [fault.code for fault in found.faults] == ([] if fits else ["pattern"])


def test_values_are_cleaned_and_undeclared_names_dropped() -> None:
    found = checked(
        "all",
        ("email", "a@b.co"),
        ("message", "\f x\r\ny "),
        ("tags", "a"),
        ("tags", "a"),
        ("agree", "on"),
        ("z", "1"),
        ("size", ""),
    )
    assert found.values == {"email": "a@b.co", "message": "x\ny", "tags": ["a"], "agree": "yes"}


def test_no_break_spaces_are_not_trimmed_and_nothing_is_normalised() -> None:
    assert (
        checked("plain", ("email", "a@b.co"), ("first_name", "\u00a0e\u0301")).values["first_name"] == "\u00a0e\u0301"
    )


def test_required_consent() -> None:
    assert codes("news") == {"letters": "required"}
    assert codes("news", ("letters", "no")) == {"letters": "required"}
    assert codes("news", ("letters", "yes"), ("letters", "yes")) == {"letters": "duplicate_field"}
    assert codes("news", ("letters", "maybe")) == {"letters": "option"}
    assert checked("news", ("email", "a@b.co"), ("letters", "on")).consent == {"letters": True}


def test_lengths_are_code_points_after_trimming() -> None:
    spec = SITE.forms["plain"].spec
    assert validate.too_long(spec, validate.clean(spec, [("first_name", " " + "😀" * 20 + " ")])) == ()
    found = validate.too_long(spec, validate.clean(spec, [("first_name", "x" * 21)]))
    assert found == (FieldFault("first_name", "too_long"),)


def test_the_fingerprint_is_of_clean_declared_values_in_any_order() -> None:
    one = validate.fingerprint(checked("plain", ("email", "a@B.co "), ("first_name", "é"), ("x", "1")))
    two = validate.fingerprint(checked("plain", ("first_name", " é"), ("email", "a@b.co")))
    other = validate.fingerprint(checked("plain", ("first_name", "e"), ("email", "a@b.co")))
    assert one == two != other


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("", {}), ("x", {}), ("[]", {}), ("1", {}), ('{"first":1}', {}), ('{"first":{"utm_source":1}}', {}),
        ('{"first":{"utm_source":"a","evil":"b"},"last":{"page":"/x/"}}', {"first": {"utm_source": "a"}, "last": {"page": "/x/"}}),
        ('{"first":{"utm_source":"a\\u0000"},"last":{"referrer":"https://x.example/"}}', {"last": {"referrer": "https://x.example/"}}),
        ('{"first":{"gclid":"\\ud800"}}', {}), (json.dumps({"first": {"gclid": "x" * 1024}}), {}), ("[" * 1000, {}),
        ('{"first":{"page":"' + "x" * 257 + '"}}', {}),
    ],
)  # fmt: skip
def test_attribution_is_kept_or_dropped(raw: str, kept: dict[str, Any]) -> None:
    assert validate.attribution(raw) == kept


@given(st.text())
def test_attribution_never_raises(raw: str) -> None:
    try:
        raw.encode()
    except UnicodeEncodeError:
        return
    validate.attribution(raw)


@given(st.text())
def test_an_accepted_address_is_ascii_without_space(value: str) -> None:
    address, code = validate.email(value)
    assert bool(address) != bool(code)
    assert address.isascii() and not any(char.isspace() for char in address)


@pytest.mark.parametrize(
    ("raw", "value"), [("", None), ("0", 0), ("2500", 2500), ("-5", -1), ("x", -1), ("1" * 16, -1)]
)
def test_timer(raw: str, value: int | None) -> None:
    assert validate.timer(raw) == value


def test_forms_json_is_loaded_and_versioned() -> None:
    assert SITE.prefix == "/api" and SITE.secure and SITE.own_origin == "https://site.example"
    other = site.from_data(document({"news": form(title="Another")})).forms["news"]
    assert other.version != SITE.forms["news"].version
    assert (
        site.from_data(document({"a": form(fields=[{"name": "email", "type": "email"}])})).forms["a"].spec.fields[0].max
        == 254
    )


@pytest.mark.parametrize("text", ["", "{}", '{"v":2}', '{"v":1}', "[]", json.dumps(document({"A b": form()}))])
def test_a_forms_json_that_cannot_be_used_says_so(text: str) -> None:
    with pytest.raises(site.SiteFault, match="build the site"):
        site.load(text)


def test_every_page_word_and_hole_of_the_build_is_one_the_handler_knows() -> None:
    from magnetgen import bundle
    from magnetgen.forms import http

    assert set(bundle._HANDLER_WORDS) <= {*http.MESSAGES, *http.TITLES, *(f"button_{name}" for name in http.BUTTONS)}
    from magnetgen.render import _MESSAGES

    assert set(_MESSAGES) == set(http._PLAIN)


def test_a_redirect_is_ascii_and_an_address_that_is_stays_as_it_is() -> None:
    from magnetgen.forms.http import redirect

    assert redirect("https://x.example/größe/#a.b-c_d").headers[0][1] == "https://x.example/gr%C3%B6%C3%9Fe/#a.b-c_d"
    assert redirect("https://x.example/%41?a=b&c=%20'()~!*").headers[0][1] == "https://x.example/%41?a=b&c=%20'()~!*"
