"""The shapes of what people write: front matter of pages and forms. The one source of checks, docs and JSON Schema.

All scalars arrive as text (see yamldoc) and get their types here. A value may be refused with a code of its own:
`PydanticCustomError(code, message, {"hint": …})`.
"""

from __future__ import annotations

import os
import re
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

# Looking for plugins would read every installed package's metadata at each start.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from magnetgen.diagnostics import Diagnostic, error
from magnetgen.forms import contract
from magnetgen.text import did_you_mean, listing
from magnetgen.yamldoc import Document


class Strict(BaseModel):
    """A mapping without unknown keys, in which an empty value counts as absent."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, data: Any) -> Any:
        if isinstance(data, dict) and None in data.values():
            return {key: value for key, value in data.items() if value is not None or key == "title"}
        return data


def refuse(code: str, message: str, hint: str = "") -> PydanticCustomError:
    # Pydantic fills {braces} in a message from the context: text from a file goes in as values.
    return PydanticCustomError("custom", "{message}", {"code": code, "message": message, "hint": hint})


_DATE = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[Tt ]\s*(\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)\s*([Zz]|[+-]\d{2}:?\d{2})?)?"
)
_DATE_HINT = "write it as 2025-05-08, or with a time as 2025-05-08 14:30"


def parse_date(value: Any) -> datetime:
    """`2025-05-08`, `2025-05-08 14:30`, ISO 8601 with or without offset → datetime, naive without offset."""
    match = _DATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise refuse("date-invalid", f'"{value}" is not a date', _DATE_HINT)
    day, time, offset = match.groups()
    time = (time or "00:00").rjust(5, "0") if not time or time.index(":") == 2 else "0" + time
    try:
        return datetime.fromisoformat(f"{day}T{time}{(offset or '').upper()}")
    except ValueError:
        raise refuse("date-invalid", f'"{value}" is not a date that exists', _DATE_HINT) from None


def _title(value: Any) -> Any:
    if value is None or (isinstance(value, str) and not value.strip()):
        raise refuse("title-empty", "the title is empty", 'give the page a title: `title: "…"`')
    return value


def _one_or_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _name_or_off(value: Any) -> Any:
    return "" if value in ("false", False) else value


def person(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _permalink(value: Any) -> Any:
    if isinstance(value, str):
        if ".." in value.split("/") or "\\" in value:
            raise refuse(
                "permalink-invalid", f'"{value}" leaves the site', "write a path from the site's root: /offer/"
            )
        if "?" in value or "#" in value or "//" in value:
            raise refuse("permalink-invalid", f'"{value}" is not a path', "write a path from the site's root: /offer/")
    return value


Moment = Annotated[
    datetime,
    BeforeValidator(parse_date),
    WithJsonSchema(
        {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}", "examples": ["2025-05-08", "2025-05-08 14:30"]}
    ),
]
Title = Annotated[str, BeforeValidator(_title)]
TextList = Annotated[
    list[str],
    BeforeValidator(_one_or_list),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
Permalink = Annotated[str, BeforeValidator(_permalink)]
Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
_NameOrOff = WithJsonSchema({"anyOf": [{"type": "string"}, {"const": False}]})


class Person(Strict):
    name: str
    url: str = ""


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
        raise PydanticCustomError(
            "custom",
            "{message}",
            {
                "code": "form-unknown-field-type",
                "message": f'unknown field type "{kind}"',
                "hint": hint,
                "at": "type",
            },
        )
    return value


def _field_name(value: Any) -> Any:
    if isinstance(value, str) and not contract.FIELD_NAME.fullmatch(value):
        raise refuse(
            "form-field-name",
            f'"{value}" cannot be a field\'s name',
            "small letters, digits and _, beginning with a letter; the label may say anything",
        )
    return value


def _pattern(value: Any) -> Any:
    """Only what HTML, Python and JavaScript read alike, and none of them slowly."""
    if isinstance(value, str):
        try:
            re.compile(value)
        except re.error as exc:
            raise refuse("form-pattern", f"not a valid pattern: {exc}", "test it without the field first") from None
        if "(?" in value or re.search(r"\\[1-9kpPbBAZ]|[*+}]\)[*+{]|\)[*+{]", value) or len(value) > 200:
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
    type: (
        Literal["text", "email", "tel", "url", "number", "select", "radio", "checkbox", "textarea", "hidden"] | None
    ) = None
    label: str = ""
    required: bool = False
    max: Annotated[int, Field(ge=1, le=contract.VALUE_MAX)] | None = None
    """Longest value, in characters."""
    pattern: Annotated[str, BeforeValidator(_pattern)] = ""
    options: TextList = []
    """Choices of a select, radio or checkbox field."""
    autocomplete: str = ""
    placeholder: str = ""
    help: str = ""
    value: str = ""
    """Value of a hidden field."""

    @model_validator(mode="after")
    def _choices(self) -> FieldMeta:
        kind = self.spec().type
        if kind in ("select", "radio") and len(self.options) < 2:
            raise refuse("form-options", f'"{self.name}" offers no choice', "give at least two `options`")
        if self.options and kind not in ("select", "radio", "checkbox"):
            raise refuse("form-options", f"a {kind} field takes no options", "make it a select, radio or checkbox")
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
    text: Annotated[str, Field(min_length=1)]
    required: bool = False


class FormMeta(Strict):
    """Front matter of content/forms/NAME.md; the body is the thank-you text."""

    title: Title
    fields: Annotated[list[Annotated[FieldMeta, BeforeValidator(_field)]], Field(min_length=1, max_length=50)]
    consent: list[ConsentMeta] = []
    button: str = DEFAULT_BUTTON
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

    @model_validator(mode="after")
    def _whole(self) -> FormMeta:
        emails = [f for f in self.fields if f.spec().type == "email"]
        if len(emails) != 1 or not emails[0].required:
            raise PydanticCustomError(
                "custom",
                "{message}",
                {
                    "code": "form-email",
                    "message": "a form needs exactly one email field, and it must be required",
                    "hint": "fields: [email]",
                    "at": "fields",
                },
            )
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
        )


# --- pages -------------------------------------------------------------------------------------------------


def _form_branch(value: Any) -> str:
    return "Inline" if isinstance(value, dict | FormMeta) else "Name"


FormChoice = Annotated[
    Annotated[str, BeforeValidator(_name_or_off), Tag("Name")] | Annotated[FormMeta, Tag("Inline")],
    Discriminator(_form_branch),
]


class PageMeta(Strict):
    """Front matter of a page, and `values` of `defaults`."""

    title: Title
    description: str = ""
    """For search results: 70 to 160 characters. Without it, taken from the first paragraph."""
    date: Moment | None = None
    updated: Moment | None = None
    draft: bool = False
    expires: Moment | None = None
    """From then on the page is no longer published."""
    layout: Literal["home", "post", "page", "landing"] | None = None
    slug: str = ""
    """Replaces the last part of the URL."""
    permalink: Permalink = ""
    """The whole URL, from the site's root."""
    aliases: Annotated[list[Permalink], BeforeValidator(_one_or_list)] = []
    """Former URLs, which lead here."""
    tags: TextList = []
    image: str = ""
    image_alt: str = ""
    author: Annotated[Person, BeforeValidator(person)] | None = None
    form: FormChoice | None = None
    """Name of the form that ends the page, `false` for none, or a form of its own."""
    cta: Annotated[str, BeforeValidator(_name_or_off), _NameOrOff] | None = None
    """Name of the call to action, `false` for none."""
    inline_cta: bool = False
    """Show the call to action after the first third, too."""
    noindex: bool = False
    weight: int = 0
    """Pages of a list stand by weight, then by date."""
    lang: Language | None = None
    translation_key: str = ""
    """Pages with the same key are translations of each other."""
    toc: bool = False
    extra: dict[str, Any] = {}
    """Free, for your own templates."""


# --- from pydantic's errors to diagnostics -------------------------------------------------------------------

_HINTS = {
    "bool_parsing": "write true or false",
    "bool_type": "write true or false",
    "int_parsing": "write a whole number",
    "int_type": "write a whole number",
    "list_type": "write a list: [one, two], or one `- item` a line",
    "dict_type": "write `key: value` lines below it",
    "string_type": "write plain text",
}
_EXPECTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "list_type": "a list",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "string_type": "text",
}


M = TypeVar("M", bound=BaseModel)


def validate(model: type[M], doc: Document, data: dict[str, Any] | None = None) -> M | list[Diagnostic]:
    """The model, or every fault with its place. `data`: the document's, unless it was merged with defaults."""
    try:
        return model.model_validate(doc.data if data is None else data)
    except ValidationError as exc:
        return faults(model, doc, exc)


def faults(
    model: type[BaseModel], doc: Document, exc: ValidationError, prefix: tuple[str | int, ...] = ()
) -> list[Diagnostic]:
    found = [_diagnostic(model, doc, details, prefix) for details in exc.errors(include_url=False)]
    # A union reports one fault a branch: the first of each place is the telling one.
    return list({(d.span, d.code): d for d in reversed(found)}.values())[::-1]


def _diagnostic(
    model: type[BaseModel], doc: Document, details: ErrorDetails, prefix: tuple[str | int, ...]
) -> Diagnostic:
    kind = details["type"]
    context = details.get("ctx", {})
    loc = prefix + tuple(step for step in details["loc"] if not _is_branch(step))
    name = ".".join(str(step) for step in loc if isinstance(step, str))
    if kind == "custom":
        at = (context["at"],) if "at" in context else ()
        return error(context["code"], context["message"], doc.path, doc.span(loc + at), context["hint"])
    if kind == "extra_forbidden":
        known = _fields_at(model, loc[len(prefix) : -1])
        hint = did_you_mean(str(loc[-1]), known) + f"Known keys: {listing(sorted(known), 40)}"
        return error("unknown-key", f'unknown key "{loc[-1]}"', doc.path, doc.span(loc, key=True), hint)
    if kind == "missing":
        example = "add `title: …` between the --- lines at the top" if loc[-1:] == ("title",) else f"add `{loc[-1]}: …`"
        return error("missing-key", f'"{loc[-1]}" is missing', doc.path, doc.span(loc[:-1]), example)
    if kind == "literal_error":
        allowed = [word.strip("'") for word in re.split(r", | or ", str(context["expected"]))]
        value = str(details["input"])
        hint = did_you_mean(value, allowed) + f"Known: {listing(allowed)}"
        return error("wrong-value", f'"{name}" cannot be "{value}"', doc.path, doc.span(loc), hint)
    if kind in _EXPECTED:
        message = f'"{name}" must be {_EXPECTED[kind]}'
        return error("wrong-type", message, doc.path, doc.span(loc), _HINTS.get(kind, ""))
    message = f'"{name}": {details["msg"][:1].lower()}{details["msg"][1:]}'
    return error("wrong-value", message, doc.path, doc.span(loc))


def _is_branch(step: str | int) -> bool:
    """Pydantic puts the branch of a union into the path: names of types and validators, which no key looks like."""
    return isinstance(step, str) and (step[:1].isupper() or step in ("str",) or "[" in step)


def _fields_at(model: type[BaseModel], loc: tuple[str | int, ...]) -> set[str]:
    """The keys that the model allows at a place, following nested models."""
    current: type[BaseModel] = model
    for step in loc:
        if isinstance(step, int) or step not in current.model_fields:
            continue
        inner = _models_in(current.model_fields[step].annotation)
        if inner:
            current = inner[0]
    return set(current.model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    args = getattr(annotation, "__args__", ())
    return [found for arg in args for found in _models_in(arg)]


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of what people write, the fields' docstrings as descriptions."""
    schema = model.model_json_schema(mode="validation")
    for name, part in {model.__name__: schema, **schema.get("$defs", {})}.items():
        docs = _field_docs(model).get(name, {})
        for field, described in part.get("properties", {}).items():
            if field in docs:
                described["description"] = docs[field]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _field_docs(model: type[BaseModel]) -> dict[str, dict[str, str]]:
    """class → field → the docstring below it. Read from the source only here: at import it would cost every build."""
    import ast
    import inspect
    import sys

    found: dict[str, dict[str, str]] = {}
    for module in (sys.modules[model.__module__], sys.modules[__name__]):
        for node in ast.parse(inspect.getsource(module)).body:
            if isinstance(node, ast.ClassDef):
                pairs = zip(node.body, node.body[1:], strict=False)
                found[node.name] = {
                    field.target.id: doc.value.value
                    for field, doc in pairs
                    if isinstance(field, ast.AnnAssign)
                    and isinstance(field.target, ast.Name)
                    and isinstance(doc, ast.Expr)
                    and isinstance(doc.value, ast.Constant)
                    and isinstance(doc.value.value, str)
                }
    return found
