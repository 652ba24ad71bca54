"""Holes in the text of a mail: found, judged by its kind and its forms, and carried through Markdown unharmed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from magnetgen.diagnostics import Diagnostic, Span, error, warning
from magnetgen.forms.contract import FormSpec
from magnetgen.forms.holes import ADDRESSES, HOLE, HOLES, WITH_FIELDS
from magnetgen.text import did_you_mean, listing

Spot = Callable[[int, int], tuple[str, Span]]
"""(offset, length) in code points of a text → its place in the writer's files."""

_BRACES = re.compile(r"\{\{[^{}\n]*(?:\}\}?)?")
_TAG = re.compile(r"<[a-zA-Z/][^<>]*>")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_IN_ADDRESS = (*ADDRESSES, "email", "lead_id", "submission_id")
"""Holes that can stand in a link's target: what magnetgen makes or has checked, and needs no encoding."""


class Scope(Struct, frozen=True):
    """What a mail may be filled with. `forms`: those that it is for; `others`: all of the site's."""

    kind: str
    forms: tuple[FormSpec, ...]
    others: tuple[FormSpec, ...]
    fields_known: bool = True
    """False where a form could not be read: then nothing is said of fields."""

    def faults(self, text: str, spot: Spot) -> Iterator[Diagnostic]:
        """Every hole of a text that is none, or that this mail does not have."""
        for match in _BRACES.finditer(text):
            hole = HOLE.match(match[0])
            if hole is not None and hole[1] in HOLES[self.kind]:
                continue
            place = spot(match.start(), len(match[0]))  # reads the file again: only for a fault
            if hole is None:
                yield error("mail-hole-syntax", f"{match[0]} is not a hole", *place, _syntax_hint(match[0]))
            else:
                yield from self._judge(hole[1], place)

    def _judge(self, name: str, place: tuple[str, Span]) -> Iterator[Diagnostic]:
        """A name that is no hole of the kind's own."""
        asked = _fields(self.others)
        if self.kind in WITH_FIELDS and (not self.fields_known or name in _fields(self.forms)):
            yield from self._always_empty(name, place)
        elif name in asked and self.kind not in WITH_FIELDS:
            yield error("mail-hole-kind", f'a "{self.kind}" mail has no answers of a visitor', *place, self._without())
        elif name in asked:
            message = f'no form that this mail is for asks for "{name}"'
            names = " and ".join(sorted(form.name for form in self.others if name in _fields([form])))
            yield error("mail-hole-kind", message, *place, f"it is a field of {names}: {self._known(name)}")
        elif elsewhere := [kind for kind, holes in HOLES.items() if name in holes]:
            message = f'a "{self.kind}" mail has no hole "{name}"'
            yield error("mail-hole-kind", message, *place, f"{listing(elsewhere)} has it. {self._known(name)}")
        elif self.fields_known or self.kind not in WITH_FIELDS:
            yield error("mail-hole-unknown", f'unknown hole "{name}"', *place, self._known(name))

    def _always_empty(self, name: str, place: tuple[str, Span]) -> Iterator[Diagnostic]:
        asking = [form for form in self.forms if name in _fields([form])]
        if asking and not any(form.double_opt_in for form in asking):
            names = listing(sorted(form.name for form in asking))
            hint = f"answers are mailed to confirmed addresses only: set `double_opt_in: true` in {names}"
            yield warning("mail-hole-empty", f"{{{{{name}}}}} always stays empty", *place, hint)

    def _without(self) -> str:
        if self.kind == "confirm":
            return "before the confirmation the address may be a stranger's: use it in deliver or welcome"
        if self.kind == "notify":
            return "{{answers}} has them all"
        return "what was typed stays with the held submission"

    def _known(self, name: str) -> str:
        known = [*HOLES[self.kind], *(_fields(self.forms) if self.kind in WITH_FIELDS else ())]
        return did_you_mean(name, known) + f"Holes: {listing(dict.fromkeys(known), 40)}"


class Tokens:
    """Holes as words that no Markdown changes, and back. Made for one text."""

    def __init__(self, text: str) -> None:
        self._mark = "0mgh"
        while self._mark in text:
            self._mark += "x"
        self._token = re.compile(rf"{self._mark}(\d+)q")
        self._holes: list[tuple[str, int, int]] = []
        text = HOLE.sub(self._put, text)
        self.text = re.sub(rf"<({self._token.pattern})>", self._link, text)

    def _put(self, match: re.Match[str]) -> str:
        self._holes.append((match[1], match.start(), match.end() - match.start()))
        return f"{self._mark}{len(self._holes) - 1}q"

    def _link(self, match: re.Match[str]) -> str:
        """`<{{confirm_url}}>`, as an address stands in Markdown."""
        return f"[{match[1]}]({match[1]})" if self._holes[int(match[2])][0] in ADDRESSES else match[0]

    def filled(self, markup: str) -> str:
        """The markup with the holes in their places; an id has none, and an address in the text is a link."""
        markup = re.sub(r'\sid="[^"]*"', lambda m: self._token.sub("", m[0]), markup)
        return self._token.sub(lambda m: f"{{{{{self._holes[int(m[1])][0]}}}}}", self._linked(markup))

    def _linked(self, markup: str) -> str:
        out, depth = [], 0
        for piece in re.split(r"(<[^>]*>)", markup):
            if piece.startswith("<"):
                opens, closes = re.match(r"<(a|title)\b", piece), re.match(r"</(a|title)\b", piece)
                depth += bool(opens) - bool(closes)
                out.append(piece)
            else:
                out.append(piece if depth else self._token.sub(self._anchor, piece))
        return "".join(out)

    def _anchor(self, match: re.Match[str]) -> str:
        name = self._holes[int(match[1])][0]
        return f'<a href="{match[0]}">{match[0]}</a>' if name in ADDRESSES else match[0]

    def in_target(self, target: str) -> bool:
        """Whether a link's target has holes."""
        return bool(self._token.search(target))

    def target_faults(self, target: str, spot: Spot) -> Iterator[Diagnostic]:
        """A hole where it would make an address that is none, or anybody's."""
        for match in self._token.finditer(target):
            name, offset, length = self._holes[int(match[1])]
            whole = match[0] == target
            if name not in _IN_ADDRESS or whole != (name in ADDRESSES) or (match.start() == 0 and not whole):
                message = f"{{{{{name}}}}} cannot stand there in a link"
                hint = f"{listing(ADDRESSES)} are whole links; email, lead_id and submission_id can be a part of one"
                yield error("mail-hole-link", message, *spot(offset, length), hint)

    def tag_faults(self, markup: str, spot: Spot) -> Iterator[Diagnostic]:
        """A hole in a tag of the writer's own HTML where its value could become more than a value."""
        for tag in _TAG.finditer(markup):
            for match in self._token.finditer(_QUOTED.sub("", tag[0])):
                name, offset, length = self._holes[int(match[1])]
                hint = 'only a value in quotation marks can have a hole: title="{{site_title}}"'
                yield error(
                    "mail-hole-link", f"{{{{{name}}}}} cannot stand there in a tag", *spot(offset, length), hint
                )


def _fields(forms: Iterable[FormSpec]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(field.name for form in forms for field in form.fields))


def _syntax_hint(written: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "_", written.lower()).strip("_").lstrip("0123456789_")
    example = f"{{{{{name}}}}}" if name else "{{site_title}}"
    return f"write {example}: a name in small letters, digits and _ between two braces on each side"
