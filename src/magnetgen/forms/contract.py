"""What a capture form is: the one declaration behind the HTML attributes, `forms.json` and the handler's rules.

Pure, and of the standard library only: this file is deployed with the handler.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

VERSION = 1
"""`v` of forms.json; rises with every incompatible change."""

FORM_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
FIELD_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")

HONEYPOT = "_mg_hp"
TIMER = "_mg_t"
SOURCE = "_mg_src"
SCHEMA_VERSION = "_mg_v"
IDEMPOTENCY = "_mg_idem"
PROOF = "_mg_pow"
TURNSTILE_ANSWER = "_mg_turnstile"

PROOF_OF_WORK, TURNSTILE = "proof-of-work", "turnstile"
PROOF_BITS = 17
"""Zero bits that a proof of work needs unless the form says otherwise: 131,072 tries on average."""
PER_HOUR = 600
"""Submissions that a form takes in an hour before the rest is held; 0: as many as come."""

EMAIL_MAX = 254
"""Code points of an address: RFC 5321's path limit less the angle brackets."""

TYPES: dict[str, int] = {
    "email": EMAIL_MAX,
    "text": 200,
    "tel": 40,
    "url": 2048,
    "number": 40,
    "select": 200,
    "radio": 200,
    "checkbox": 200,
    "textarea": 5000,
    "hidden": 512,
}
"""Field types and the code points a value of each may have, unless the field says otherwise."""

VALUE_MAX = 8192
"""No value is longer, whatever the field says (CONTRACT: value 8 KiB)."""


@dataclass(frozen=True)
class Field:
    """One thing that is asked. `max` is in code points; `options` are the values of select, radio and checkbox."""

    name: str
    type: str = "text"
    label: str = ""
    required: bool = False
    max: int = 200
    pattern: str = ""
    options: tuple[str, ...] = ()
    autocomplete: str = ""
    placeholder: str = ""
    help: str = ""
    value: str = ""


@dataclass(frozen=True)
class Consent:
    """One purpose that a visitor agrees to by ticking; the text is recorded as it stood."""

    name: str
    text: str
    required: bool = False


@dataclass(frozen=True)
class Challenge:
    """What a form asks of a visitor's browser besides. `bits`: of a proof of work; the rest: of Turnstile."""

    kind: str
    bits: int = PROOF_BITS
    sitekey: str = ""
    secret_env: str = ""

    @property
    def field(self) -> str:
        """The name under which the page sends the answer."""
        return PROOF if self.kind == PROOF_OF_WORK else TURNSTILE_ANSWER

    def action(self, form: str) -> str:
        """What an answer says that it is for. Turnstile takes 32 characters."""
        return form if self.kind == PROOF_OF_WORK else form[:32]


@dataclass(frozen=True)
class FormSpec:
    """A capture form as declared. `thanks`: the site's own thank-you page, or empty for the generated one."""

    name: str
    title: str
    fields: tuple[Field, ...]
    consent: tuple[Consent, ...] = ()
    button: str = ""
    double_opt_in: bool = False
    magnet: str = ""
    min_seconds: int = 2
    notify: tuple[str, ...] = ()
    thanks: str = ""
    challenge: Challenge | None = None
    per_hour: int = PER_HOUR


_KNOWN = (
    Field("email", "email", "Email address", autocomplete="email"),
    Field("first_name", "text", "First name", autocomplete="given-name"),
    Field("last_name", "text", "Last name", autocomplete="family-name"),
    Field("name", "text", "Name", autocomplete="name"),
    Field("company", "text", "Company", autocomplete="organization"),
    Field("job_title", "text", "Job title", autocomplete="organization-title"),
    Field("phone", "tel", "Phone number", autocomplete="tel"),
    Field("website", "url", "Website", autocomplete="url"),
    Field("country", "text", "Country", autocomplete="country-name"),
    Field("message", "textarea", "Message"),
)
SHORTHANDS: dict[str, Field] = {field.name: field for field in _KNOWN}

NEWSLETTER = FormSpec(
    name="newsletter",
    title="Get new posts by email",
    fields=(Field("email", "email", "Email address", True, EMAIL_MAX, autocomplete="email"),),
    consent=(Consent("newsletter", "Send me new posts by email. I can unsubscribe at any time.", required=True),),
    button="Keep me posted",
)
"""The form of a site that declares none."""

_INPUT_MODES = {"email": "email", "tel": "tel", "url": "url", "number": "decimal"}


def attributes(field: Field) -> dict[str, str | bool]:
    """The HTML attributes of a field's control, in order; the same rules that the handler checks.

    For select, radio and checkbox groups only the name and `required` apply to the control itself.
    """
    attrs: dict[str, str | bool] = {"name": field.name}
    if field.type in ("select", "radio", "checkbox"):
        if field.type != "select":
            attrs["type"] = field.type
        if field.type == "checkbox" and len(field.options) <= 1:
            attrs["value"] = field.options[0] if field.options else "yes"
        # A group of boxes has no `required` of its own in HTML: the handler asks for at least one.
        if field.required and not (field.type == "checkbox" and len(field.options) > 1):
            attrs["required"] = True
        if field.type == "select" and field.autocomplete:
            attrs["autocomplete"] = field.autocomplete
        return attrs
    if field.type == "hidden":
        return {**attrs, "type": "hidden", "value": field.value}
    if field.type != "textarea":
        # A number field of HTML loses what it cannot read: text with a numeric keyboard keeps it.
        attrs["type"] = "text" if field.type == "number" else field.type
    if field.type in _INPUT_MODES:
        attrs["inputmode"] = _INPUT_MODES[field.type]
    if field.autocomplete:
        attrs["autocomplete"] = field.autocomplete
    if field.type == "email":
        attrs["autocapitalize"] = "none"
        attrs["spellcheck"] = "false"
    attrs["maxlength"] = str(field.max)
    pattern = field.pattern or (r"-?[0-9]+([.,][0-9]+)?" if field.type == "number" else "")
    if pattern and field.type != "textarea":
        attrs["pattern"] = pattern
    if field.placeholder:
        attrs["placeholder"] = field.placeholder
    if field.required:
        attrs["required"] = True
    return attrs


def compile_form(spec: FormSpec, next_url: str, confirmed_url: str, back_url: str) -> dict[str, Any]:
    """A form's entry in forms.json. URLs are absolute and fixed here: a client can choose none."""
    compiled = {
        "title": spec.title,
        "fields": [_without_defaults(asdict(field)) for field in spec.fields],
        "consent": [asdict(consent) for consent in spec.consent],
        "next": next_url,
        "confirmed": confirmed_url,
        "back": back_url,
        "double_opt_in": spec.double_opt_in,
        "min_seconds": spec.min_seconds,
        "magnet": spec.magnet or None,
        "notify": list(spec.notify),
    }
    if spec.per_hour != PER_HOUR:
        compiled["per_hour"] = spec.per_hour
    if spec.challenge:
        compiled["challenge"] = _compile_challenge(spec.challenge, spec.name, hostname(back_url))
    return compiled


def hostname(url: str) -> str:
    """The host of the site's address, as challenges name it: small letters, without a port."""
    return urlsplit(url).hostname or ""


def puzzle(challenge: Challenge, form: str, host: str) -> str:
    """What the page's script begins its puzzles with (see proof.py)."""
    return f"mg1/{challenge.bits}/{challenge.action(form)}/{host}/"


def _compile_challenge(challenge: Challenge, form: str, host: str) -> dict[str, Any]:
    own: dict[str, Any] = (
        {"bits": challenge.bits} if challenge.kind == PROOF_OF_WORK else {"secret_env": challenge.secret_env}
    )
    common = {"kind": challenge.kind, "field": challenge.field, "hostname": host, "action": challenge.action(form)}
    return common | own


def _without_defaults(field: dict[str, Any]) -> dict[str, Any]:
    """Name, type, label, required and max always; the rest where it says something."""
    always = ("name", "type", "label", "required", "max")
    return {key: value for key, value in field.items() if key in always or value}
