"""A request's body → pairs of text, by rules of its own that hold in every language alike.

The standard libraries differ (Python's `parse_qsl` raises on bytes that Node's `formData()` mangles), so none of them
is asked: `urlencoded` is the URL standard's parser with strict UTF-8, `json_object` is JSON less what JavaScript and
Python read differently. Nothing here raises anything but DecodeError.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

BODY_MAX = 64 * 1024
"""Bytes of a body, counted as they are read."""
PAIRS_MAX = 100
NAME_MAX = 64
"""Bytes of a field's name in UTF-8."""
VALUE_MAX = 8192
"""Bytes of a value in UTF-8, whatever its field says."""
SAFE_INTEGER = 2**53 - 1

FORM, JSON = "application/x-www-form-urlencoded", "application/json"

Pairs = list[tuple[str, str]]

_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_TYPE = re.compile(r"[\t ]*([!#$%&'*+.^_`|~0-9a-z-]+/[!#$%&'*+.^_`|~0-9a-z-]+)[\t ]*((?:;.*)?)", re.S)
_PARAMETER = re.compile(r';[\t ]*(?:([!#$%&\'*+.^_`|~0-9a-z-]+)=("[^"\\]*"|[!#$%&\'*+.^_`|~0-9a-z-]+))?[\t ]*')
_NUMBER = re.compile(r"[0-9]+")


class DecodeError(Exception):
    """A body that is not to be read. `status`: 400, 413 or 415; `code`: the contract's word for it."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


def malformed() -> DecodeError:
    return DecodeError(400, "malformed")


def too_large() -> DecodeError:
    return DecodeError(413, "size")


def check_length(header: str | None, read: int) -> None:
    """The length a client claims (400 if it is no number), and what was really read (413)."""
    if header is not None:
        if not _NUMBER.fullmatch(header):
            raise malformed()
        # The digits are counted first: reading a very long number takes long, and Python refuses it.
        digits = header.lstrip("0") or "0"
        if len(digits) > 9 or int(digits) > BODY_MAX:
            raise too_large()
    if read > BODY_MAX:
        raise too_large()


def media_type(content_type: str | None, encoding: str | None) -> str:
    """FORM or JSON; any other type, another charset and every Content-Encoding are 415."""
    match = _TYPE.fullmatch((content_type or "").lower())
    if not match or encoding is not None or match[1] not in (FORM, JSON):
        raise DecodeError(415, "type")
    rest, at = match[2], 0
    while at < len(rest):
        parameter = _PARAMETER.match(rest, at)
        if not parameter or (parameter[1] == "charset" and parameter[2].strip('"') != "utf-8"):
            raise DecodeError(415, "type")
        at = parameter.end()
    return match[1]


def decode(body: bytes, kind: str) -> Pairs:
    """The pairs of a body of the given media type, in order, within the limits."""
    pairs = json_object(body) if kind == JSON else urlencoded(body)
    if len(pairs) > PAIRS_MAX:
        raise too_large()
    for name, value in pairs:
        if len(name.encode()) > NAME_MAX or len(value.encode()) > VALUE_MAX:
            raise too_large()
    return pairs


def urlencoded(body: bytes) -> Pairs:
    """The URL standard's application/x-www-form-urlencoded parser; what is not UTF-8 is malformed."""
    pieces = [piece for piece in body.split(b"&") if piece]
    if len(pieces) > PAIRS_MAX:
        raise too_large()
    pairs = []
    for piece in pieces:
        name, _, value = piece.partition(b"=")
        pairs.append((_text(name), _text(value)))
    return pairs


def _text(raw: bytes) -> str:
    """`+` is a space; a percent sign without two hex digits stands for itself."""
    try:
        return _PERCENT.sub(lambda m: bytes((int(m[1], 16),)), raw.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        raise malformed() from None


def json_object(body: bytes) -> Pairs:
    """One flat object. An array is its name repeated; `true` is `true`, an integer its digits."""
    data = json_value(body, _flat)
    if not isinstance(data, dict):
        raise malformed()
    return [(_sound(name), text) for name, texts in data.items() for text in texts]


def _flat(pairs: list[tuple[str, object]]) -> dict[str, list[str]]:
    """An object's names with their texts. What is nested is refused, even where the same name is given again."""
    return {name: _texts(value) for name, value in pairs}


def json_value(body: bytes, of_object: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """JSON text → a value, with only those numbers that every language reads alike. `of_object`: what pairs become."""
    try:
        return json.loads(
            body.decode(),
            parse_constant=_refuse,
            parse_float=_integer,
            parse_int=_integer,
            object_pairs_hook=of_object,
        )
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise malformed() from None


def _refuse(_: str) -> int:
    raise malformed()


def _integer(digits: str) -> int:
    """A number's value as JavaScript has it, if that is a safe integer."""
    number = float(digits)
    if abs(number) > SAFE_INTEGER or not number.is_integer():
        raise malformed()
    return int(number)


def _texts(value: object) -> list[str]:
    if isinstance(value, list):
        if not all(isinstance(item, str) for item in value):
            raise malformed()
        return [_sound(item) for item in value]
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, int):
        return [str(value)]
    if isinstance(value, str):
        return [_sound(value)]
    raise malformed()


def _sound(text: str) -> str:
    """Text without half a surrogate pair, which is no character and has no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise malformed() from None
    return text
