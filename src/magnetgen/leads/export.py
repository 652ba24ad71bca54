"""`leads export`: every lead, page by page, as CSV, JSON or one JSON object a line."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from magnetgen.leads import files, times
from magnetgen.leads.client import Row
from magnetgen.leads.listing import answers, joined

FIXED = ("id", "form", "status", "email", "created_at", "confirmed_at", "unsubscribed_at", "downloaded_at")
CODE = "code"
CODE_COLUMN = "single_use_code"
"""Only where a lead has one of a magnet's single-use codes, and the last: nothing else moves or is renamed for it."""
CONSENT = ("", "_text", "_at", "_confirmed_at")
"""Endings of a consent's columns: given or not, the wording, when it was sent, when it was confirmed."""
_TRIGGERS = "=+-@＝＋－＠"
_NEGATIVE = re.compile(r"-[0-9]{1,15}(?:[.,][0-9]{1,15})?")
_INVISIBLE = "\ufeff\u200b\u200c\u200d\u2060"


def export(leads: Iterable[Row], style: str, target: Path | None, excel: bool) -> int:
    """Write all leads → how many. Raises LeadsFault; then no file is left, and an old one is as it was."""
    writers: dict[str, Callable[[Iterable[Row], TextIO], int]] = {
        "csv": _write_csv,
        "json": _write_json,
        "jsonl": _write_lines,
    }
    with files.opened(target, "utf-8-sig" if excel else "utf-8") as stream:
        return writers[style](leads, stream)


def is_formula(text: str) -> bool:
    """Whether a spreadsheet might compute a cell (OWASP, CSV injection), or read the mark below as its own."""
    if not text:
        return False
    if text[0] in "\t\r\n":
        return True
    if text[0] == "'":
        return is_formula(text[1:])
    rest = text.lstrip().lstrip(_INVISIBLE).lstrip()
    return rest[:1] in _TRIGGERS and bool(rest) and not _NEGATIVE.fullmatch(text)


def guarded(text: str) -> str:
    """With a ' before what a spreadsheet might compute."""
    return f"'{text}" if is_formula(text) else text


def unguarded(text: str) -> str:
    """What `guarded` was given."""
    return text[1:] if text[:1] == "'" and is_formula(text[1:]) else text


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _write_lines(leads: Iterable[Row], stream: TextIO) -> int:
    number = 0
    for lead in leads:
        stream.write(_dumps(lead) + "\n")
        number += 1
    return number


def _write_json(leads: Iterable[Row], stream: TextIO) -> int:
    number = 0
    stream.write("[")
    for lead in leads:
        stream.write((",\n" if number else "\n") + _dumps(lead))
        number += 1
    stream.write("\n]\n")
    return number


def _write_csv(leads: Iterable[Row], stream: TextIO) -> int:
    """The columns are known only when all leads are: meanwhile they wait in a file."""
    fields, consents, number = set[str](), set[str](), 0
    has_codes = False
    with files.spool() as waiting:
        for lead in leads:
            number += 1
            fields |= answers(lead.get("data")).keys()
            consents |= _records(lead).keys()
            has_codes |= bool(lead.get(CODE))
            waiting.write(json.dumps(lead) + "\n")
        waiting.seek(0)
        header = columns(fields, consents, has_codes)
        writer = csv.writer(stream, lineterminator="\r\n")
        writer.writerow(map(guarded, header))
        for line in waiting:
            lead = json.loads(line)
            codes = (joined(lead.get(CODE)),) if has_codes else ()
            writer.writerow(map(guarded, (*_cells(lead, sorted(fields), sorted(consents)), *codes)))
    return number


def columns(fields: Iterable[str], consents: Iterable[str], has_codes: bool = False) -> list[str]:
    """The header: always the same for the same forms, but for the column of codes at its end.

    A field that has the name of another column is `field_NAME`; the column of codes makes way for a field.
    """
    agreed = [f"consent_{name}{ending}" for name in sorted(consents) for ending in CONSENT]
    header, taken = list(FIXED), {*FIXED, *agreed, *fields}
    for name in sorted(fields):
        own = name
        while own in (*FIXED, *agreed) or (own != name and own in taken):
            own = f"field_{own}"
        taken.add(own)
        header.append(own)
    header += agreed
    if has_codes:
        name = CODE_COLUMN
        while name in header:
            name = f"magnet_{name}"
        header.append(name)
    return header


def _cells(lead: Row, fields: list[str], consents: list[str]) -> Iterator[str]:
    for name in FIXED:
        value = lead.get(name)
        yield times.iso(value) if name.endswith("_at") else joined(value)
    given = answers(lead.get("data"))
    yield from (given.get(name, "") for name in fields)
    records = _records(lead)
    for name in consents:
        record = records.get(name)
        if record is None:
            yield from ("",) * len(CONSENT)
        else:
            yield "yes" if record.get("given") else "no"
            yield from (joined(record.get(key)) for key in ("text", "submitted_at", "confirmed_at"))


def _records(lead: Row) -> dict[str, Row]:
    found = lead.get("consent")
    records = [record for record in found if isinstance(record, dict)] if isinstance(found, list) else []
    return {str(record.get("name", "")): record for record in records}
