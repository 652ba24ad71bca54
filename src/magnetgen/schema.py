"""How what people write is checked: types of values, strict mappings, and faults with their places.

All scalars arrive as text (see yamldoc) and get their types here. The models: frontmatter, config, themefile.
"""

from __future__ import annotations

import os
import re
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo

# Looking for plugins would read every installed package's metadata at each start.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from magnetgen.diagnostics import Diagnostic, error
from magnetgen.text import did_you_mean, listing, unquote_path
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


def refuse(code: str, message: str, hint: str = "", at: str = "") -> PydanticCustomError:
    """A fault with a code of its own; `at`: the key below the refused value that is to blame."""
    # Pydantic fills {braces} in a message from the context: text from a file goes in as values.
    context = {"code": code, "message": message, "hint": hint, "at": at}
    return PydanticCustomError("custom", "{message}", context)


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


def one_or_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def name_or_off(value: Any) -> Any:
    return "" if value in ("false", False) else value


def person(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _permalink(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    path, hint = unquote_path(value), "write a path from the site's root: /offer/"
    parts = path.strip("/").split("/")
    if ".." in parts or "\\" in path:
        raise refuse("permalink-invalid", f'"{value}" leaves the site', hint)
    if "?" in path or "#" in path or "//" in path or any(c < " " or c == "\x7f" for c in path):
        raise refuse("permalink-invalid", f'"{value}" is not a path', hint)
    if "." in parts or parts[0].startswith(".magnetgen"):
        raise refuse("permalink-invalid", f'"{value}" is a name that files cannot have here', hint)
    return value


Moment = Annotated[
    datetime,
    BeforeValidator(parse_date),
    WithJsonSchema(
        {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}", "examples": ["2025-05-08", "2025-05-08 14:30"]}
    ),
]
Title = Annotated[str, BeforeValidator(_title)]
TextList = Annotated[list[str], BeforeValidator(one_or_list, json_schema_input_type=str | list[str])]
NameOrOff = Annotated[str, BeforeValidator(name_or_off, json_schema_input_type=str | Literal[False])]
Permalink = Annotated[str, BeforeValidator(_permalink)]


def _color(value: Any) -> Any:
    if not isinstance(value, str) or not re.fullmatch(r"#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})", value):
        raise refuse("theme-brand", f'"{value}" is not a colour', 'write it as "#0a5" or "#00aa55", in quotes')
    return value


def _timezone(value: Any) -> Any:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, TypeError, OSError):
        raise refuse("timezone", f'unknown time zone "{value}"', "use a name such as UTC or Europe/Berlin") from None
    return value


TimeZone = Annotated[str, BeforeValidator(_timezone)]
Color = Annotated[
    str, BeforeValidator(_color), WithJsonSchema({"type": "string", "pattern": "^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"})
]
Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]


class Person(Strict):
    name: str
    """As it is shown."""
    url: str = ""
    """A page about the person."""


Author = Annotated[Person, BeforeValidator(person, json_schema_input_type=str | Person)]


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
_BOUNDS = {
    "greater_than_equal": "at least",
    "less_than_equal": "at most",
    "string_too_short": "longer than nothing, at least",
    "too_short": "a list of at least",
    "too_long": "a list of at most",
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
    return list(dict.fromkeys(found))


def _diagnostic(
    model: type[BaseModel], doc: Document, details: ErrorDetails, prefix: tuple[str | int, ...]
) -> Diagnostic:
    kind = details["type"]
    context = details.get("ctx", {})
    loc = prefix + tuple(step for step in details["loc"] if not _is_branch(step))
    name = ".".join(str(step) for step in loc if isinstance(step, str))
    if kind == "custom":
        at = (context["at"],) if context["at"] else ()
        return error(context["code"], context["message"], doc.path, doc.span(loc + at), context["hint"])
    if kind == "extra_forbidden":
        known = _fields_at(model, loc[len(prefix) : -1])
        hint = did_you_mean(str(loc[-1]), known) + f"Known keys: {listing(sorted(known), 40)}"
        return error("unknown-key", f'unknown key "{loc[-1]}"', doc.path, doc.span(loc, key=True), hint)
    if kind == "missing":
        in_page = loc == ("title",) and doc.path.startswith("content/")
        example = f"add `{loc[-1]}: …`" + (" between the --- lines at the top" if in_page else "")
        return error("missing-key", f'"{loc[-1]}" is missing', doc.path, doc.span(loc[:-1]), example)
    if kind == "literal_error":
        allowed = [word.strip("'") for word in re.split(r", | or ", str(context["expected"]))]
        value = str(details["input"])
        hint = did_you_mean(value, allowed) + f"Known: {listing(allowed)}"
        return error("wrong-value", f'"{name}" cannot be "{value}"', doc.path, doc.span(loc), hint)
    if kind in _EXPECTED:
        message = f'"{name}" must be {_EXPECTED[kind]}'
        return error("wrong-type", message, doc.path, doc.span(loc), _HINTS.get(kind, ""))
    message, hint = (
        f'"{name}": {details["msg"][:1].lower()}{details["msg"][1:]}',
        "docs/reference.md says what it may be",
    )
    if kind in _BOUNDS:
        bound = next(value for key, value in context.items() if key in ("ge", "le", "min_length", "max_length"))
        message, hint = f'"{name}" must be {_BOUNDS[kind]} {bound}', "see docs/reference.md"
    elif kind == "string_pattern_mismatch":
        message = f'"{name}" cannot be "{details["input"]}"'
        hint = (
            "a language code: en, de, pt-BR" if loc[-1] in ("lang", "language") else "small letters, digits and - only"
        )
    return error("wrong-value", message, doc.path, doc.span(loc), hint)


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
    return {field.alias or name for name, field in current.model_fields.items()}


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    args = getattr(annotation, "__args__", ())
    return [found for arg in args for found in _models_in(arg)]


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of what people write: any optional key may be empty, docstrings describe."""
    schema = model.model_json_schema(mode="validation")
    docs = _field_docs()
    for name, part in {model.__name__: schema, **schema.get("$defs", {})}.items():
        required = part.get("required", ())
        for field, described in part.get("properties", {}).items():
            doc = docs.get(name, {}).get(field)
            if field not in required:
                described = part["properties"][field] = _or_empty(described)
            if doc:
                described["description"] = doc
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _or_empty(described: dict[str, Any]) -> dict[str, Any]:
    """The schema of a value that may also be left out after the colon."""
    outside: dict[str, Any] = {
        key: described.pop(key) for key in ("title", "default", "description") if key in described
    }
    kinds = described.pop("anyOf") if set(described) == {"anyOf"} else [described]
    return {**outside, "anyOf": [*(kind for kind in kinds if kind != {"type": "null"}), {"type": "null"}]}


def _field_docs() -> dict[str, dict[str, str]]:
    """class → field → the docstring below it. Read from the source only here: at import it would cost every build."""
    import ast
    import inspect
    import sys

    found: dict[str, dict[str, str]] = {}
    for name in ("schema", "frontmatter", "magnetmeta", "config", "themefile"):
        module = sys.modules.get(f"magnetgen.{name}")
        for node in ast.parse(inspect.getsource(module)).body if module else ():
            if isinstance(node, ast.ClassDef):
                found[node.name] = {
                    field.target.id.removesuffix("_"): doc.value.value  # `from_`: a key that Python has for itself
                    for field, doc in zip(node.body, node.body[1:], strict=False)
                    if isinstance(field, ast.AnnAssign)
                    and isinstance(field.target, ast.Name)
                    and isinstance(doc, ast.Expr)
                    and isinstance(doc.value, ast.Constant)
                    and isinstance(doc.value.value, str)
                }
    return found
