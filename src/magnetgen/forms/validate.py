"""Pairs → a submission: cleaning, faults by field, the address's rules, fingerprint and attribution. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from magnetgen.forms import contract
from magnetgen.forms.contract import Field, FormSpec
from magnetgen.forms.decode import DecodeError, Pairs, json_value

Value = str | list[str]
Values = dict[str, Value]

TRIM = "\t\n\f\r "
GIVEN = "yes"
"""What a ticked consent, or a lone box without an option of its own, is kept as."""
SOURCE_MAX = 1024
TOUCH_VALUE_MAX = 256

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_BUT_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LAST_LABEL = re.compile(r"[a-z]+|xn--[a-z0-9-]+")
_NUMBER = re.compile(r"-?[0-9]+(?:[.,][0-9]+)?")
_URL = re.compile(r"https?://[^\s/?#]+(?:[/?#]\S*)?", re.I)
_TICKED = {"yes": True, "on": True, "true": True, "1": True, "": False, "no": False, "false": False, "0": False}
_TOUCH_KEYS = re.compile(r"utm_[a-z_]{1,32}|gclid|fbclid|msclkid|ttclid|li_fat_id|referrer|landing|page")

RESERVED = (
    contract.IDEMPOTENCY,
    contract.HONEYPOT,
    contract.TIMER,
    contract.SCHEMA_VERSION,
    contract.SOURCE,
)


@dataclass(frozen=True)
class FieldFault:
    """What is wrong with one field; never its value."""

    field: str
    code: str


@dataclass(frozen=True)
class Cleaned:
    """What was sent of a form, before it is judged: declared names, and the reserved ones apart."""

    given: Mapping[str, list[str]]
    reserved: Mapping[str, str]


@dataclass(frozen=True)
class Checked:
    """A judged submission. `values`: fields that hold something; `consent`: every purpose, ticked or not."""

    values: Values
    consent: Mapping[str, bool]
    faults: tuple[FieldFault, ...]

    @property
    def email(self) -> str:
        value = self.values.get("email", "")
        return value if isinstance(value, str) else ""


def clean(spec: FormSpec, pairs: Pairs, challenge_field: str = "") -> Cleaned:
    """Declared and reserved names only, trimmed, with newlines as LF. The first of a reserved name counts."""
    names = {field.name for field in spec.fields} | {consent.name for consent in spec.consent}
    special = {*RESERVED, challenge_field} - {""}
    given: dict[str, list[str]] = {}
    reserved: dict[str, str] = {}
    for name, value in pairs:
        text = value.replace("\r\n", "\n").strip(TRIM)
        if name in names:
            given.setdefault(name, []).append(text)
        elif name in special:
            reserved.setdefault(name, text)
    return Cleaned(given, reserved)


def too_long(spec: FormSpec, cleaned: Cleaned) -> tuple[FieldFault, ...]:
    """Fields longer than they say of themselves, in code points."""
    return tuple(
        FieldFault(field.name, "too_long")
        for field in spec.fields
        if any(len(value) > min(field.max, contract.VALUE_MAX) for value in cleaned.given.get(field.name, ()))
    )


def check(spec: FormSpec, cleaned: Cleaned) -> Checked:
    """Judge every field and consent; all faults, in the form's order."""
    values: Values = {}
    faults: list[FieldFault] = []
    for field in spec.fields:
        value, code = _field(field, cleaned.given.get(field.name, []))
        if code:
            faults.append(FieldFault(field.name, code))
        elif value:
            values[field.name] = value
    consent = {}
    for purpose in spec.consent:
        given = cleaned.given.get(purpose.name, [])
        ticked = _TICKED.get(given[0].lower() if given else "")
        code = "duplicate_field" if len(given) > 1 else "option" if ticked is None else ""
        consent[purpose.name] = bool(ticked)
        if code or (purpose.required and not ticked):
            faults.append(FieldFault(purpose.name, code or "required"))
    return Checked(values, consent, tuple(faults))


def is_multiple(field: Field) -> bool:
    return field.type == "checkbox" and len(field.options) > 1


def _field(field: Field, given: list[str]) -> tuple[Value, str]:
    """A field's value, or a fault's code."""
    if len(given) > 1 and not is_multiple(field):
        return "", "duplicate_field"
    several = [value for value in given if value]
    control = _CONTROL_BUT_TEXT if field.type == "textarea" else _CONTROL
    if any(control.search(value) for value in several):
        return "", "characters"
    if is_multiple(field):
        chosen = list(dict.fromkeys(several))
        code = (
            "option" if not set(chosen) <= set(field.options) else "required" if field.required and not chosen else ""
        )
        return chosen, code
    value = several[0] if several else ""
    if field.type == "checkbox":
        value = _box(field, value)
    if not value:
        return "", "required" if field.required else ""
    if field.type == "email":
        return email(value)
    return value, _fault(field, value)


def _box(field: Field, value: str) -> str:
    """A lone checkbox: its one option (or `yes`), nothing, or what is no choice of it."""
    own = field.options[0] if field.options else GIVEN
    if value == own:
        return own
    ticked = _TICKED.get(value.lower())
    return value if ticked is None else own if ticked else ""


def _fault(field: Field, value: str) -> str:
    if field.type in ("select", "radio"):
        return "" if value in field.options else "option"
    if field.type == "checkbox":
        return "" if value == (field.options[0] if field.options else GIVEN) else "option"
    if field.type == "number" and not field.pattern:
        return "" if _NUMBER.fullmatch(value) else "pattern"
    if field.type == "url" and not _URL.fullmatch(value):
        return "pattern"
    # An HTML pattern does not apply to a textarea: nobody was told of it. Digits and letters are those of ASCII, as in
    # browsers: what else Python takes for them changes with its version.
    if field.pattern and field.type != "textarea" and not re.fullmatch(field.pattern, value, re.ASCII):
        return "pattern"
    return ""


def email(value: str) -> tuple[str, str]:
    """A trimmed address with its domain in lower case, or a fault's code."""
    if len(value) > contract.EMAIL_MAX:
        return "", "too_long"
    local, at, domain = value.partition("@")
    if not at or "@" in domain or len(local) > 64 or not _LOCAL.fullmatch(local):
        return "", "email"
    if not domain.isascii():
        return "", "email_domain"
    domain = domain.lower()
    labels = domain.split(".")
    if len(labels) < 2 or not all(map(_LABEL.fullmatch, labels)) or not _LAST_LABEL.fullmatch(labels[-1]):
        return "", "email"
    return f"{local}@{domain}", ""


def fingerprint(checked: Checked) -> str:
    """SHA-256, in hex, of the sorted, cleaned, declared fields and consents."""
    pairs: list[list[object]] = [[name, value] for name, value in checked.values.items()]
    pairs += [[name, GIVEN] for name, ticked in checked.consent.items() if ticked]
    text = json.dumps(sorted(pairs, key=lambda pair: str(pair[0])), ensure_ascii=False, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def attribution(raw: str) -> dict[str, dict[str, str]]:
    """`_mg_src` → {first, last}; known keys with sound texts only. What is malformed is dropped, never refused."""
    if not raw or len(raw.encode()) > SOURCE_MAX:
        return {}
    try:
        data = json_value(raw.encode())
    except DecodeError:
        return {}
    if not isinstance(data, dict):
        return {}
    touches = {name: _touch(data.get(name)) for name in ("first", "last")}
    return {name: touch for name, touch in touches.items() if touch}


def _touch(data: object) -> dict[str, str]:
    if not isinstance(data, dict):
        return {}
    return {
        key: value
        for key, value in sorted(data.items())
        if _TOUCH_KEYS.fullmatch(key) and isinstance(value, str) and _is_sound(value)
    }


def _is_sound(value: str) -> bool:
    if not value or len(value) > TOUCH_VALUE_MAX or _CONTROL.search(value):
        return False
    return not any("\ud800" <= char <= "\udfff" for char in value)


def timer(raw: str) -> int | None:
    """`_mg_t` in milliseconds; None where there is none. What is no number was not set by the page's script: -1."""
    if not raw:
        return None
    return int(raw) if re.fullmatch(r"[0-9]{1,15}", raw) else -1
