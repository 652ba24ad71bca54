"""Bodies: what is read, what is refused, and that nothing else ever happens."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetgen.forms import decode
from magnetgen.forms.decode import FORM, JSON, DecodeError


def refused(body: bytes, kind: str) -> tuple[int, str]:
    with pytest.raises(DecodeError) as caught:
        decode.decode(body, kind)
    return caught.value.status, caught.value.code


@pytest.mark.parametrize(
    ("body", "pairs"),
    [
        (b"", []),
        (b"a=1&b=2", [("a", "1"), ("b", "2")]),
        (b"a=1&a=2", [("a", "1"), ("a", "2")]),
        (b"&&a=1&&", [("a", "1")]),
        (b"a", [("a", "")]),
        (b"=x", [("", "x")]),
        (b"a=b=c", [("a", "b=c")]),
        (b"a=b+c%2Bd", [("a", "b c+d")]),
        (b"a=%zz%4", [("a", "%zz%4")]),
        (b"?a=1", [("?a", "1")]),
        ("a=é€😀".encode(), [("a", "é€😀")]),
        (b"a=%C3%A9", [("a", "é")]),
        (b"__proto__=1&constructor=2", [("__proto__", "1"), ("constructor", "2")]),
        (b"a=%00", [("a", "\0")]),
        (b"\xef\xbb\xbfa=1", [("\ufeffa", "1")]),
    ],
)
def test_urlencoded(body: bytes, pairs: list[tuple[str, str]]) -> None:
    assert decode.decode(body, FORM) == pairs


@pytest.mark.parametrize("body", [b"a=%FF", b"a=\xff", b"%C3=1", b"a=%ED%A0%80", b"a=%C0%AF", b"a=%F4%90%80%80"])
def test_what_is_not_utf8_is_malformed(body: bytes) -> None:
    assert refused(body, FORM) == (400, "malformed")


@pytest.mark.parametrize(
    ("body", "pairs"),
    [
        (b"{}", []),
        (b' {"a":"x","b":["y","z"],"c":[]}\n', [("a", "x"), ("b", "y"), ("b", "z")]),
        (b'{"a":true,"b":false}', [("a", "true"), ("b", "false")]),
        (b'{"a":1,"b":1.0,"c":1e2,"d":-0,"e":-0.0}', [("a", "1"), ("b", "1"), ("c", "100"), ("d", "0"), ("e", "0")]),
        (b'{"a":9007199254740991}', [("a", "9007199254740991")]),
        (b'{"a":"1","a":"2"}', [("a", "2")]),
        (b'{"a":"\\ud83d\\ude00"}', [("a", "😀")]),
        (b'{"__proto__":"x"}', [("__proto__", "x")]),
    ],
)
def test_json(body: bytes, pairs: list[tuple[str, str]]) -> None:
    assert decode.decode(body, JSON) == pairs


@pytest.mark.parametrize(
    "body",
    [
        b"", b"x", b"[]", b'"a"', b"1", b"null", b'{"a":null}', b'{"a":{}}', b'{"a":[1]}', b'{"a":[["x"]]}',
        b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}', b'{"a":1.5}', b'{"a":9007199254740992}', b'{"a":1e400}',
        b'{"a":' + b"9" * 6000 + b"}", b'{"a":"\\ud800"}', b'{"\\udc00":"x"}', b'{"a":["\\ud800"]}', b'{"a":"\xff"}',
        b'{"a":{},"a":"x"}', b'{"a":[1],"a":"x"}', b'{"a":' + b"[" * 300 + b"]" * 300 + b',"a":"x"}', b'{"a":"\\ud800","a":"x"}',
        b'\xef\xbb\xbf{"a":"x"}', b'{"a":"x"}{}', b'{"a":"x",}', b"{'a':'x'}", b'{"a":"\n"}', b"[" * 60_000,
        b'{"a":' * 12_000,
    ],
)  # fmt: skip
def test_json_that_languages_read_differently_is_malformed(body: bytes) -> None:
    assert refused(body, JSON) == (400, "malformed")


@pytest.mark.parametrize(
    "pairs",
    [[("n" * 65, "")], [("é" * 33, "")], [("a", "x" * 8193)], [("a", "é" * 4097)], [("a", "1")] * 101],
)
def test_limits(pairs: list[tuple[str, str]]) -> None:
    body = "&".join(f"{name}={value}" for name, value in pairs).encode()
    assert refused(body, FORM) == (413, "size")
    if len(pairs) == 1:
        assert refused(json.dumps(dict(pairs)).encode(), JSON) == (413, "size")


def test_the_limits_themselves_are_within() -> None:
    body = "&".join(["é" * 32 + "=" + "x" * 600] * 100).encode()
    assert len(decode.decode(body, FORM)) == 100
    assert decode.decode(b"a=" + b"x" * 8192, FORM) == [("a", "x" * 8192)]
    assert refused(json.dumps({"a": ["x"] * 101}).encode(), JSON) == (413, "size")


@pytest.mark.parametrize(
    ("header", "read", "status"),
    [
        (None, 0, 0), ("0", 0, 0), ("65536", 65536, 0), ("000000000000000000065536", 1, 0), (None, 65537, 413),
        ("65537", 0, 413), ("10", 65537, 413), ("9" * 5000, 0, 413), ("0" * 5000, 0, 0), ("", 0, 400), ("-1", 0, 400), ("+1", 0, 400),
        ("1e3", 0, 400), ("1 ", 0, 400), ("0x10", 0, 400), ("1, 1", 0, 400), ("١", 0, 400), ("1\n", 0, 400),
    ],
)  # fmt: skip
def test_lengths(header: str | None, read: int, status: int) -> None:
    try:
        decode.check_length(header, read)
        found = 0
    except DecodeError as exc:
        found = exc.status
    assert found == status


@pytest.mark.parametrize(
    ("content_type", "encoding", "kind"),
    [
        ("application/x-www-form-urlencoded", None, FORM), ("APPLICATION/JSON", None, JSON),
        ("application/json; charset=utf-8", None, JSON), ('application/json;charset="UTF-8"', None, JSON),
        ("application/json;", None, JSON), ("application/json; profile=x; charset=utf-8", None, JSON),
        ("application/json; charset=latin1", None, ""), ("application/json; charset=", None, ""),
        ("application/json; charset=utf8", None, ""), ("multipart/form-data; boundary=x", None, ""),
        ("text/plain", None, ""), (None, None, ""), ("", None, ""), ("application/json, application/json", None, ""),
        ("application/json", "gzip", ""), ("application/json", "identity", ""), ("application/jsonx", None, ""),
    ],
)  # fmt: skip
def test_types(content_type: str | None, encoding: str | None, kind: str) -> None:
    if kind:
        assert decode.media_type(content_type, encoding) == kind
    else:
        with pytest.raises(DecodeError) as caught:
            decode.media_type(content_type, encoding)
        assert (caught.value.status, caught.value.code) == (415, "type")


@given(st.binary(max_size=2000), st.sampled_from([FORM, JSON]))
def test_any_bytes_are_read_or_refused(body: bytes, kind: str) -> None:
    try:
        pairs = decode.decode(body, kind)
    except DecodeError:
        return
    for name, value in pairs:
        (name + value).encode()


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=9), JSONISH, max_size=5))
def test_any_json_is_read_or_refused(data: dict[str, object]) -> None:
    with contextlib.suppress(DecodeError):
        decode.decode(json.dumps(data).encode(), JSON)


@given(st.text(alphabet=st.characters(codec="ascii")))
def test_any_content_type_is_judged(text: str) -> None:
    with contextlib.suppress(DecodeError):
        assert decode.media_type(text, None) in (FORM, JSON)
