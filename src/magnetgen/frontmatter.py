"""The shapes of front matter: of forms, mails and pages. The one source of checks, docs and JSON Schema."""

from __future__ import annotations

import re
import warnings
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from magnetgen.forms import contract
from magnetgen.schema import (
    Author,
    Language,
    Moment,
    NameOrOff,
    Permalink,
    Strict,
    TextList,
    Title,
    one_or_list,
    refuse,
)
from magnetgen.text import did_you_mean, listing

# --- forms -------------------------------------------------------------------------------------------------


def _field(value: Any) -> Any:
    """`email`, `first_name?` or a mapping → a mapping with what is known of that name filled in."""
    if isinstance(value, str):
        name, optional = (value[:-1], True) if value.endswith("?") else (value, False)
        if name not in contract.SHORTHANDS:
            hint = did_you_mean(name, contract.SHORTHANDS) + f"Known: {listing(contract.SHORTHANDS)}"
            raise refuse("form-unknown-field", f'no field is known as "{name}"', hint)
        return {"name": name, "required": not optional}
    if isinstance(value, dict) and isinstance(value.get("type"), str) and value["type"] not in contract.TYPES:
        kind = value["type"]
        hint = did_you_mean(kind, contract.TYPES) + f"Types: {listing(contract.TYPES)}"
        raise refuse("form-unknown-field-type", f'unknown field type "{kind}"', hint, at="type")
    return value


def _field_name(value: Any) -> Any:
    if isinstance(value, str) and not contract.FIELD_NAME.fullmatch(value):
        raise refuse(
            "form-field-name",
            f'"{value}" cannot be a field\'s name',
            "small letters, digits and _, beginning with a letter; the label may say anything",
        )
    return value


_READ_OTHERWISE = re.compile(r"\{,|&&|--|~~|\|\||!!|##|\$\$|%%|\*\*|\+\+|,,|::|;;|<<|==|>>|@@|\^\^|``")
"""What the `v` flag of HTML's patterns takes for set operations or refuses, and Python does not."""


def _pattern(value: Any) -> Any:
    """Only what HTML, Python and JavaScript read alike, and none of them slowly."""
    if isinstance(value, str):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # what it warns of is refused below
                re.compile(value)
        except re.error as exc:
            raise refuse("form-pattern", f"not a valid pattern: {exc}", "test it without the field first") from None
        if (
            "(?" in value
            or re.search(r"\\[1-9kpPbBAZN]|[*+}]\)[*+{]|\)[*+{]", value)
            or len(value) > 200
            or _READ_OTHERWISE.search(value)
        ):
            raise refuse(
                "form-pattern",
                "this pattern is not read alike, or not quickly, everywhere",
                "leave out (?…), \\1, and repeated groups",
            )
    return value


FieldName = Annotated[str, BeforeValidator(_field_name)]
DEFAULT_BUTTON = "Send it to me"


class FieldMeta(Strict):
    """One thing that the form asks for."""

    name: FieldName
    """Small letters, digits and `_`; the key in every lead."""
    type: (
        Literal["text", "email", "tel", "url", "number", "select", "radio", "checkbox", "textarea", "hidden"] | None
    ) = None
    """Without it, what is known of the name, else `text`."""
    label: str = ""
    """Without it, what is known of the name, else the name itself."""
    required: bool = False
    """Whether the form can be sent without it."""
    max: Annotated[int, Field(ge=1, le=contract.VALUE_MAX)] | None = None
    """Longest value, in characters."""
    pattern: Annotated[str, BeforeValidator(_pattern)] = ""
    """Regular expression that the whole value must match."""
    options: TextList = []
    """Choices of a select, radio or checkbox field."""
    autocomplete: str = ""
    """What the browser may fill in, such as `postal-code`."""
    placeholder: str = ""
    """Example inside the empty field."""
    help: str = ""
    """A sentence below the field."""
    value: str = ""
    """Value of a hidden field."""

    @model_validator(mode="after")
    def _choices(self) -> FieldMeta:
        kind = self.spec().type
        if kind in ("select", "radio") and len(self.options) < 2:
            raise refuse("form-options", f'"{self.name}" offers no choice', "give at least two `options`")
        if self.options and kind not in ("select", "radio", "checkbox"):
            raise refuse("form-options", f"a {kind} field takes no options", "make it a select, radio or checkbox")
        if self.pattern and kind not in ("text", "tel", "url", "number", "email"):
            raise refuse("form-pattern", f"a {kind} field takes no pattern", "make it a text field", at="pattern")
        if len(set(self.options)) != len(self.options):
            raise refuse("form-options", "two options are the same", "give each option once")
        return self

    def spec(self) -> contract.Field:
        known = contract.SHORTHANDS.get(self.name)
        kind = self.type or (known.type if known else "text")
        return contract.Field(
            name=self.name,
            type=kind,
            label=self.label or (known.label if known else self.name.replace("_", " ").capitalize()),
            required=self.required,
            max=self.max or contract.TYPES[kind],
            pattern=self.pattern,
            options=tuple(self.options),
            autocomplete=self.autocomplete or (known.autocomplete if known else ""),
            placeholder=self.placeholder,
            help=self.help,
            value=self.value,
        )


class ConsentMeta(Strict):
    """One purpose, one box. The text is recorded word for word with every lead."""

    name: FieldName
    """Small letters, digits and `_`; the key in every lead."""
    text: Annotated[str, Field(min_length=1)]
    """The exact wording."""
    required: bool = False
    """Whether the form can be sent without it."""


CHALLENGES = (contract.PROOF_OF_WORK, contract.TURNSTILE)
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _challenge(value: Any) -> Any:
    """`proof-of-work`, or a mapping with its `kind`."""
    given = {"kind": value} if isinstance(value, str) else value
    if not isinstance(given, dict):
        return given
    kind = given.get("kind")
    hint = "challenge: proof-of-work, or challenge: {kind: turnstile, sitekey: …, secret_env: TURNSTILE_SECRET}"
    if kind is None:
        raise refuse("form-challenge", "a challenge needs its `kind`", hint)
    if kind not in CHALLENGES:
        # The mapping's key, or the value itself where there is no mapping.
        at = "kind" if given is value else ""
        hint = did_you_mean(str(kind), CHALLENGES) + f"Kinds: {listing(CHALLENGES)}"
        raise refuse("form-challenge", f'there is no challenge "{kind}"', hint, at=at)
    return given


class ChallengeMeta(Strict):
    """What the form asks of the visitor's browser, so that sending it costs a bot something."""

    kind: Literal["proof-of-work", "turnstile"]
    """`proof-of-work`: the browser calculates, nobody else is asked. `turnstile`: Cloudflare judges."""
    bits: Annotated[int, Field(ge=8, le=24)] | None = None
    """How hard a proof of work is; one more doubles the work. Without it, 17."""
    sitekey: str = ""
    """Public key of the Turnstile widget."""
    secret_env: str = ""
    """Environment variable of the handler with Turnstile's secret."""

    @model_validator(mode="after")
    def _whole(self) -> ChallengeMeta:
        if self.kind == contract.PROOF_OF_WORK:
            foreign = next((key for key in ("sitekey", "secret_env") if getattr(self, key)), None)
            if foreign:
                hint = "delete it, or write `kind: turnstile`"
                raise refuse("form-challenge", f"a proof of work takes no `{foreign}`", hint, at=foreign)
            return self
        if self.bits is not None:
            raise refuse("form-challenge", "Turnstile takes no `bits`", "delete it", at="bits")
        missing = next((key for key in ("sitekey", "secret_env") if not getattr(self, key)), None)
        if missing:
            hint = "challenge: {kind: turnstile, sitekey: …, secret_env: TURNSTILE_SECRET}"
            raise refuse("form-challenge", f"Turnstile needs a `{missing}`", hint)
        if not _ENV_NAME.fullmatch(self.secret_env):
            hint = "write the variable's name, such as TURNSTILE_SECRET; the secret itself stands in no file"
            message = "`secret_env` is the name of an environment variable"
            raise refuse("form-challenge", message, hint, at="secret_env")
        return self

    def spec(self) -> contract.Challenge:
        return contract.Challenge(self.kind, self.bits or contract.PROOF_BITS, self.sitekey, self.secret_env)


class FormMeta(Strict):
    """Front matter of content/forms/NAME.md; the body is the thank-you text."""

    title: Title
    """Heading of the form."""
    fields: Annotated[
        list[Annotated[FieldMeta, BeforeValidator(_field, json_schema_input_type=str | FieldMeta)]],
        Field(min_length=1, max_length=50),
    ]
    """What is asked: names that are known (`email`, `first_name?`) or whole fields."""
    consent: list[ConsentMeta] = []
    """What the visitor agrees to, one box each."""
    button: str = DEFAULT_BUTTON
    """Text of the button; say what the visitor gets."""
    double_opt_in: bool = False
    """Ask by mail before a lead counts."""
    magnet: str = ""
    """What the lead receives: a name in content/magnets/."""
    min_seconds: Annotated[int, Field(ge=0, le=60)] = 2
    """Sent faster than this, a submission is held for review."""
    notify: list[str] = []
    """Destinations by name, or `email:someone@example.com`."""
    thanks: str = ""
    """A page of the site instead of the generated thank-you page."""
    challenge: (
        Annotated[ChallengeMeta, BeforeValidator(_challenge, json_schema_input_type=str | ChallengeMeta)] | None
    ) = None
    """What it takes to send the form: `proof-of-work`, or a whole challenge."""
    per_hour: Annotated[int, Field(ge=0, le=1_000_000)] = contract.PER_HOUR
    """Submissions that are taken in an hour; the rest is held for review. 0: no limit."""

    @model_validator(mode="after")
    def _whole(self) -> FormMeta:
        emails = [f for f in self.fields if f.spec().type == "email"]
        if len(emails) != 1 or not emails[0].required:
            message = "a form needs exactly one email field, and it must be required"
            raise refuse("form-email", message, "fields: [email]", at="fields")
        names = [f.name for f in self.fields] + [c.name for c in self.consent]
        double = next((name for name in names if names.count(name) > 1), None)
        if double:
            raise refuse("form-field-name", f'two fields are called "{double}"', "give each its own name")
        return self

    def spec(self, name: str) -> contract.FormSpec:
        return contract.FormSpec(
            name=name,
            title=self.title,
            fields=tuple(field.spec() for field in self.fields),
            consent=tuple(contract.Consent(c.name, c.text, c.required) for c in self.consent),
            button=self.button,
            double_opt_in=self.double_opt_in,
            magnet=self.magnet,
            min_seconds=self.min_seconds,
            notify=tuple(self.notify),
            thanks=self.thanks,
            challenge=self.challenge.spec() if self.challenge else None,
            per_hour=self.per_hour,
        )


# --- mails -------------------------------------------------------------------------------------------------


def _sender(value: Any) -> Any:
    """As the handler will read it."""
    if not isinstance(value, str) or not value:
        return value
    from magnetgen.forms import mail, validate

    hint = "write it as Ana Ruiz <ana@example.com>; a name with a comma or a dot in quotation marks"
    try:
        address = mail.address(value)
    except (ValueError, IndexError):
        raise refuse("mail-from", f'"{value}" is no address to send from', hint) from None
    if validate.email(address.addr_spec)[1] or "{{" in value:
        raise refuse("mail-from", f'"{value}" is no address to send from', hint)
    return value


class MailMeta(Strict):
    """Front matter of content/emails/NAME.md; the body is the mail."""

    subject: str = ""
    """May have holes; without it, the default's."""
    from_: Annotated[str, Field(alias="from"), BeforeValidator(_sender)] = ""
    """Address to send from, also as `Name <address>`; without it, `MAGNETGEN_MAIL_FROM`."""
    form: str = ""
    """Name of the form whose mail it is; without it, the mail of all forms."""


# --- pages -------------------------------------------------------------------------------------------------


def _form_branch(value: Any) -> str:
    return "Inline" if isinstance(value, dict | FormMeta) else "Name"


FormChoice = Annotated[
    Annotated[NameOrOff, Tag("Name")] | Annotated[FormMeta, Tag("Inline")],
    Discriminator(_form_branch),
]


class PageMeta(Strict):
    """Front matter of a page, and `values` of `defaults`."""

    title: Title
    """The page's heading, and its title in search results."""
    description: str = ""
    """For search results: 70 to 160 characters. Without it, taken from the first paragraph."""
    date: Moment | None = None
    """When it was published; a date to come holds the page back until then."""
    updated: Moment | None = None
    """When it last changed."""
    draft: bool = False
    """Not published yet."""
    expires: Moment | None = None
    """From then on the page is no longer published."""
    layout: Literal["home", "post", "page", "landing"] | None = None
    """Without it, `home` for index.md, else `page`; `defaults` may say otherwise."""
    slug: str = ""
    """Replaces the last part of the URL."""
    permalink: Permalink = ""
    """The whole URL, from the site's root."""
    aliases: Annotated[list[Permalink], BeforeValidator(one_or_list, json_schema_input_type=str | list[str])] = []
    """Former URLs, which lead here."""
    tags: TextList = []
    """One or several; one that names the page's own folder is not shown."""
    image: str = ""
    """Picture at the top, in lists and on social networks."""
    image_alt: str = ""
    """What the picture shows."""
    author: Author | None = None
    """Name, or `{name, url}`; without it, the site's."""
    form: FormChoice | None = None
    """Name of the form that ends the page, `false` for none, or a form of its own."""
    cta: NameOrOff | None = None
    """Name of the call to action, `false` for none."""
    inline_cta: bool = False
    """Show the call to action after the first third, too."""
    noindex: bool = False
    """Ask search engines not to list the page."""
    weight: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] = 0
    """Pages of a list stand by weight, then by date."""
    lang: Language | None = None
    """Without it, the site's language."""
    translation_key: str = ""
    """Pages with the same key are translations of each other."""
    toc: bool = False
    """Show a table of contents."""
    extra: dict[str, Any] = {}
    """Free, for your own templates."""
