"""Requests as data: how a service of others is told something, in JSON that handlers of several languages read alike.

`data/destinations/KIND.json` says how leads get to a service, `data/mail/PROVIDER.json` how mails do. This docstring is
the format's specification; an unknown key is a fault.

A destination has
- `settings`: name → {`required`, `pattern`, `what`}. Its values come from the environment variables that forms.json
  names (`url_env`, `key_env`, `list_env`, `secret_env`). A value must match the whole of `pattern`; `what` says, in
  words, what it is. Without a pattern a `key` is visible ASCII, a `list` letters, digits, `-` and `_`; a `url` is an
  absolute http(s) address. The secrets of `webhook`, which has nothing else, are its own affair.
- `base`: the service's address; the setting `url` stands in for it, less any `/` at its end.
- `events`: event → {`do`, `status`, `consent`}. `do` names a list of steps. `status`: nothing is sent unless the lead
  has it, in the event and, if the lead is still stored, now. `consent`: nothing is sent if the form asked for any
  consent and none was given. An event that is not listed is not sent. What is not sent is finished, with the code
  `skipped` or `no_consent`.
- `steps`: name → list of steps, of which each is one request.

A mail provider has `settings` and `base` likewise, `headers` (those of the mail that it takes), `add` (headers that it
gets besides) and `send`, a list of steps.

A step has
- `method`, and `url`, which begins with `{{url}}`.
- `auth`: {`bearer`: text}, {`basic`: text `user:password`} or {`header`: [name, text]}; `headers`: name → text.
- `json`: the body. Without it there is none.
- `next`, `done`, `retry`, `permanent`: lists of answers, each a status or "STATUS WORDS", which also asks that the
  first 64 KiB of the answer hold the words. The first list that has the answer decides: go on to the next step;
  finished; try again later; never try again. Otherwise 2xx is finished, 400, 413 and 422 are never tried again
  (unless `permanent` is given, which replaces them), 410 disables the destination, and everything else, no answer too,
  is tried again later. Then all steps run again, so each must bear repetition.
- `take`: hole → path in the answer's JSON, before the next step. What is taken is a whole number or matches
  `[A-Za-z0-9_-]{1,64}`. A path that leads to an item that a list does not have: there is nobody, finished with the
  code `absent`. Any other that leads nowhere is an answer that cannot be read, and tried again.

A hole is `{{name}}` or `{{name|filter}}`. All are filled in one pass, so that a value with braces in it stays what it
is. Filters: `integer` (decimal digits → a number), `region` (what follows the last `-`), `slack` (`&`, `<` and `>` as
`&amp;`, `&lt;`, `&gt;`). An absent value, an empty text, list or object is no value.
- In a URL every byte of a value's UTF-8 other than ASCII letters, digits, `-`, `.`, `_`, `~` becomes %XX. `{{url}}`
  alone is put in as it is. No value: the delivery fails for good, with the code `no_value`.
- In a header a value is visible ASCII and spaces, or the delivery fails in the same way.
- In JSON a text that is one hole becomes the value with its type; in any other text values are put in as text, and a
  text of which a hole has no value is no value. An object's key and a list's item without value are left out; an object
  or list that loses all it had is no value; a body without value fails as a URL does. {`$lines`: [texts]} is the texts that have a value, joined by line feeds.
  Keys hold no holes. It is written as UTF-8 with nothing escaped but what JSON demands, no spaces, keys in the order of
  the template; `content-type` is `application/json`.
Every request also has `accept: application/json` and `user-agent: magnetgen`.

Pure, and of the standard library only.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

DATA = Path(__file__).parent / "data"
PERMANENT = (400, 413, 422)
PATTERNS = {"key": "[!-~]{1,500}", "list": "[A-Za-z0-9_-]{1,64}"}
KEYS = {
    "destination": {"settings", "base", "events", "steps"},
    "mail": {"settings", "base", "headers", "add", "send"},
    "step": {"method", "url", "auth", "headers", "json", "next", "done", "retry", "permanent", "take"},
    "event": {"do", "status", "consent"},
    "setting": {"required", "pattern", "what"},
}
_HOLE = re.compile(r"\{\{([a-z0-9_]+)(?:\|([a-z]+))?\}\}")
_TAKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HEADER = re.compile(r"[ -~]*")

Recipe = Mapping[str, Any]
Step = Mapping[str, Any]
Holes = Mapping[str, Any]


class NoValue(Exception):
    """A place that needs a value has none, or one that it cannot hold."""


class Absent(Exception):
    """The service knows nobody of whom more could be said."""


class Unreadable(Exception):
    """An answer that is not what the service's documentation promises."""


@dataclass(frozen=True)
class Call:
    """A request, ready to be sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


def names(folder: str) -> tuple[str, ...]:
    """What there is in `destinations` or `mail`."""
    return tuple(sorted(path.stem for path in (DATA / folder).glob("*.json")))


@cache
def load(folder: str, name: str) -> Recipe:
    """A recipe by its name, which must be one of `names`."""
    data: Recipe = json.loads((DATA / folder / f"{name}.json").read_text("utf-8"))
    return data


def env_keys(kind: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Keys of a destination in magnetgen.yaml: those that its kind needs, and those that it may have."""
    settings = load("destinations", kind)["settings"]
    needed = tuple(f"{name}_env" for name, each in settings.items() if each.get("required"))
    return needed, tuple(f"{name}_env" for name, each in settings.items() if not each.get("required"))


def fits(name: str, setting: Mapping[str, Any], value: str) -> bool:
    """A setting's value is of the form that it must have; an address is not judged here."""
    pattern = setting.get("pattern") or PATTERNS.get(name)
    return pattern is None or re.fullmatch(pattern, value) is not None


def base_of(recipe: Recipe, settings: Mapping[str, str]) -> str:
    """Where the service is: the setting `url`, or its own address."""
    return settings.get("url", "").rstrip("/") or str(fill(recipe["base"], settings))


def make(step: Step, holes: Holes) -> Call:
    """The request of a step. Raises NoValue."""
    headers = {"accept": "application/json", "user-agent": "magnetgen"}
    headers |= {name: _header(text, holes) for name, text in step.get("headers", {}).items()}
    headers |= _credentials(step.get("auth", {}), holes)
    body = b""
    if "json" in step:
        headers["content-type"] = "application/json"
        filled = fill(step["json"], holes)
        if filled is None:
            raise NoValue
        body = json.dumps(filled, ensure_ascii=False, separators=(",", ":")).encode()
    return Call(step["method"], _url(step["url"], holes), headers, body)


def fill(template: Any, holes: Holes) -> Any:
    """A template with its holes filled; None where nothing is left of it."""
    if isinstance(template, str):
        return _text(template, holes)
    if isinstance(template, dict):
        if template.keys() == {"$lines"}:
            return "\n".join(str(line) for line in fill(template["$lines"], holes) or ()) or None
        pairs = {key: fill(value, holes) for key, value in template.items()}
        kept = {key: value for key, value in pairs.items() if value is not None}
        return kept if kept or not template else None
    if isinstance(template, list):
        items = [value for item in template if (value := fill(item, holes)) is not None]
        return items if items or not template else None
    return template


def says(rules: Iterable[int | str], status: int, body: str) -> bool:
    """An answer is among the rules: `404`, or `400 some words`."""
    found = (str(rule).partition(" ") for rule in rules)
    return any(int(code) == status and words in body for code, _, words in found)


def take(paths: Mapping[str, Sequence[str | int]], body: str) -> dict[str, str]:
    """Values out of an answer. Raises Absent, Unreadable."""
    try:
        found = json.loads(body) if paths else None
        return {name: _taken(found, path) for name, path in paths.items()}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Unreadable from None


def _taken(found: Any, path: Sequence[str | int]) -> str:
    for part in path:
        if isinstance(found, list) and isinstance(part, int) and part >= len(found):
            raise Absent
        found = found[part]
    if isinstance(found, bool) or not isinstance(found, str | int) or not _TAKEN.fullmatch(str(found)):
        raise Unreadable
    return str(found)


def _url(template: str, holes: Holes) -> str:
    def put(match: re.Match[str]) -> str:
        value = _needed(match, holes)
        return value if match[1] == "url" else quote(value, safe="")

    return _HOLE.sub(put, template)


def _header(template: str, holes: Holes) -> str:
    text = _HOLE.sub(lambda match: _needed(match, holes), template)
    if not _HEADER.fullmatch(text):
        raise NoValue
    return text


def _credentials(auth: Mapping[str, Any], holes: Holes) -> dict[str, str]:
    if "bearer" in auth:
        return {"authorization": f"Bearer {_header(auth['bearer'], holes)}"}
    if "basic" in auth:
        pair = _header(auth["basic"], holes).encode()
        return {"authorization": f"Basic {base64.b64encode(pair).decode()}"}
    if "header" in auth:
        name, text = auth["header"]
        return {name: _header(text, holes)}
    return {}


def _needed(match: re.Match[str], holes: Holes) -> str:
    value = _value(match, holes)
    if not isinstance(value, str | int):
        raise NoValue
    return str(value)


def _text(template: str, holes: Holes) -> Any:
    whole = _HOLE.fullmatch(template)
    if whole:
        return _value(whole, holes)
    values = [_value(match, holes) for match in _HOLE.finditer(template)]
    if any(value is None for value in values):
        return None
    given = iter(values)
    return _HOLE.sub(lambda _: str(next(given)), template)


def _value(match: re.Match[str], holes: Holes) -> Any:
    value = holes.get(match[1])
    if value is None or value in ("", [], {}):
        return None
    return FILTERS[match[2]](str(value)) if match[2] else value


def _slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


FILTERS: Mapping[str, Callable[[str], str | int]] = {
    "integer": int,
    "region": lambda text: text.rpartition("-")[2],
    "slack": _slack,
}
