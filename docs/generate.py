"""Writes docs/reference.md from the models of what people write and from the commands' help.

`python docs/generate.py` writes the file, `--check` compares it, `--missing` lists the keys without a docstring.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from magnetgen.cli import cli
from magnetgen.config import SiteConfig
from magnetgen.frontmatter import FormMeta, MailMeta, PageMeta
from magnetgen.magnetmeta import MagnetMeta
from magnetgen.schema import Strict, json_schema

TARGET = Path(__file__).parent / "reference.md"
WIDTH = 100
"""Columns of the help texts, whatever the terminal has."""

INTRO = """# Reference

<!-- Written by docs/generate.py: change the docstrings in src/magnetgen, then run `python docs/generate.py`. -->

Every key and every command. For what they are good for, begin with the [guides](README.md).
"""

PARTS: tuple[tuple[str, str, type[Strict]], ...] = (
    ("magnetgen.yaml", "The settings of the site.", SiteConfig),
    ("Front matter of a page", "Between the `---` lines of `content/**/*.md`, and `values` of `defaults`.", PageMeta),
    ("Front matter of a form", "Between the `---` lines of `content/forms/NAME.md`, and `form:` of a page.", FormMeta),
    ("Front matter of a mail", "Between the `---` lines of `content/emails/NAME.md`.", MailMeta),
    ("Front matter of a magnet", "Between the `---` lines of `content/magnets/NAME.md`.", MagnetMeta),
)

Schema = dict[str, Any]


def reference() -> str:
    """The whole file."""
    parts = [INTRO]
    described: set[str] = set()
    for title, about, model in PARTS:
        parts.append(f"## {title}\n\n{about}\n")
        schema = json_schema(model)
        parts.append(_table(schema))
        parts += _nested(schema, described)
    parts.append("## Commands\n")
    parts += [f"### {name}\n\n```text\n{text}\n```\n" for name, text in helps(cli, "magnetgen")]
    return "\n".join(parts)


def helps(command: click.Command, name: str) -> Iterator[tuple[str, str]]:
    """(name, help text) of a command and those below it."""
    context = click.Context(command, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH)
    context.help_option_names = ["-h", "--help"]
    yield name, command.get_help(context)
    if isinstance(command, click.Group):
        for word, inner in sorted(command.commands.items()):
            yield from helps(inner, f"{name} {word}")


def missing() -> Iterator[str]:
    """Keys without a docstring, as `Model.key`."""
    seen: set[str] = set()
    for _, _, model in PARTS:
        schema = json_schema(model)
        for name, part in {model.__name__: schema, **schema.get("$defs", {})}.items():
            for key, value in part.get("properties", {}).items():
                if "description" not in value and f"{name}.{key}" not in seen:
                    seen.add(f"{name}.{key}")
                    yield f"{name}.{key}"


def _nested(schema: Schema, described: set[str]) -> Iterator[str]:
    """The groups of keys below a model's own, each once in the file, in the order in which they are met."""
    definitions: dict[str, Schema] = schema.get("$defs", {})
    waiting = list(_refs(schema.get("properties", {})))
    while waiting:
        name = waiting.pop(0)
        if name in described or name in ("FormMeta",):
            continue
        described.add(name)
        part = definitions[name]
        about = part.get("description", "")
        yield f"### {name}\n" + (f"\n{about}\n" if about else "") + "\n" + _table(part)
        waiting += _refs(part.get("properties", {}))


def _refs(value: Any) -> Iterator[str]:
    """Names of the groups that a piece of schema leads to."""
    if isinstance(value, dict):
        if "$ref" in value:
            yield _name(value["$ref"])
        for inner in value.values():
            yield from _refs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _refs(inner)


def _table(schema: Schema) -> str:
    required = schema.get("required", [])
    rows = ["| Key | Type | Default | Meaning |", "|-|-|-|-|"]
    for key, value in schema.get("properties", {}).items():
        default = "required" if key in required else _default(value.get("default"))
        rows.append(f"| `{key}` | {_type(value)} | {default} | {_cell(value.get('description', ''))} |")
    return "\n".join(rows) + "\n"


def _type(value: Schema) -> str:
    """A type in words."""
    if "$ref" in value:
        return _link(_name(value["$ref"]))
    if "const" in value:
        return f"`{json.dumps(value['const'])}`"
    if "enum" in value:
        return ", ".join(f"`{word}`" for word in value["enum"])
    choices = value.get("anyOf") or value.get("oneOf")
    if choices:
        words = (_type(choice) for choice in choices if choice.get("type") != "null")
        return " or ".join(dict.fromkeys(words))
    kind = value.get("type")
    if kind == "array":
        return f"list of {_type(value.get('items', {}))}"
    if kind == "object":
        inner = value.get("additionalProperties")
        return f"names, each with {_type(inner)}" if isinstance(inner, dict) else "keys and values"
    if kind == "integer":
        low, high = value.get("minimum"), value.get("maximum")
        return f"whole number, {low} to {high}" if low is not None and high is not None else "whole number"
    if kind == "boolean":
        return "true or false"
    if value.get("pattern", "").startswith(r"^\d+\s"):
        return "length of time"
    return "date" if "examples" in value and "pattern" in value else "text" if kind == "string" else "anything"


def _link(name: str) -> str:
    return "[Form](#front-matter-of-a-form)" if name == "FormMeta" else f"[{name}](#{name.lower()})"


def _name(ref: str) -> str:
    return ref.rsplit("/", 1)[1]


def _default(value: Any) -> str:
    if value in (None, "", [], {}):
        return ""
    if isinstance(value, dict):
        return "see there"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main(arguments: list[str]) -> int:
    if "--missing" in arguments:
        print("\n".join(missing()))
        return 0
    if "--check" in arguments:
        fine = TARGET.is_file() and TARGET.read_text("utf-8") == reference()
        print("docs/reference.md is up to date" if fine else "docs/reference.md is old: run python docs/generate.py")
        return 0 if fine else 1
    TARGET.write_text(reference(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
