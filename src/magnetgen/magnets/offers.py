"""Magnets that are no books: private files, addresses, codes, and what a webinar's calendar says."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from magnetgen import places, yamldoc
from magnetgen.diagnostics import Diagnostic, Report, Span, error
from magnetgen.links import Links
from magnetgen.model import Asset, Gift, Magnet, MediaFile
from magnetgen.pages import resolve_file
from magnetgen.plan import Plan, is_magnet
from magnetgen.theme import Theme

if TYPE_CHECKING:
    from magnetgen.magnets.calendar import Event

CODES_MAX = 10_000
CODE_LENGTH = 64
FAULTS_SHOWN = 10
"""Of one list of codes: whoever takes the wrong file has a fault in each line."""


def gift(plan: Plan, links: Links, magnet: Magnet, report: Report) -> Gift:
    """What a discount, a trial, a link or a file comes to."""
    if magnet.codes:
        return Gift(codes=_codes(plan, links, magnet, report))
    if magnet.kind == "file":
        file = _private(plan, links, magnet, "file", magnet.file, report)
        return Gift(assets=(_given(plan, magnet, file),)) if file else Gift()
    return Gift()


def _given(plan: Plan, magnet: Magnet, file: MediaFile) -> Asset:
    digest = sha256((plan.root / file.source).read_bytes()).hexdigest()
    return Asset(magnet.name, file.source, file.source.rsplit("/", 1)[1], file.size, digest)


def _private(plan: Plan, links: Links, magnet: Magnet, key: str, address: str, report: Report) -> MediaFile | None:
    """A file that lies in content/magnets/, where nothing is published."""
    name = resolve_file(magnet.source, address)
    file = plan.media.get(name)
    if file is not None and is_magnet(name):
        return file
    span = places.document(plan.root, magnet.source).span((key,))
    if file is not None:
        message = f'"{address}" is public: anybody can have it without the form'
        hint = "move it into content/magnets/"
        report.add(error("magnet-public", message, magnet.source, span, hint))
        return None
    near = links.nearest_file(magnet.source, address)
    hint = f"did you mean {near}?" if near.startswith(".") or ("/" not in near and near) else "put it beside this file"
    report.add(error("magnet-file", f'there is no file "{address}"', magnet.source, span, hint))
    return None


def _codes(plan: Plan, links: Links, magnet: Magnet, report: Report) -> tuple[str, ...]:
    """Single-use codes, in the file's order."""
    file = _private(plan, links, magnet, "codes", magnet.codes, report)
    if file is None:
        return ()
    try:
        text = yamldoc.decode((plan.root / file.source).read_bytes(), file.source)
    except yamldoc.Fault as fault:
        report.extend(fault.diagnostics)
        return ()
    codes: dict[str, int] = {}
    faults: list[Diagnostic] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        code = line.strip()
        if code:
            faults += _code_faults(file.source, number, code, codes)
            codes.setdefault(code, number)
    report.extend(faults[:FAULTS_SHOWN])
    if not codes:
        report.add(
            error("magnet-codes", "there is no code in this file", file.source, Span(1), "write one code a line")
        )
    elif len(codes) > CODES_MAX:
        message = f"{len(codes):,} codes are more than the {CODES_MAX:,} that a magnet can have"
        report.add(error("magnet-codes", message, file.source, Span(CODES_MAX + 1), "put the rest into another magnet"))
    return tuple(codes)


def twice(plan: Plan, gifts: Mapping[str, Gift]) -> Iterator[Diagnostic]:
    """Codes of several magnets, which each would give away; and files that would be each other's formats."""
    first: dict[str, str] = {}
    ids: dict[str, str] = {}
    for name, gift in gifts.items():
        magnet = plan.magnets[name]
        place = places.document(plan.root, magnet.source)
        others = {first[code] for code in gift.codes if code in first}
        for other in sorted(others):
            message = f"codes of this list are also given by {other}"
            hint = "each code is for one lead: give each magnet a list of its own"
            yield error("magnet-codes", message, magnet.source, place.span(("codes",)), hint)
        first.update(dict.fromkeys(gift.codes, name))
        for asset in gift.assets:
            if asset.id in ids:
                message = f'"{asset.id}" is the name of this file, and of a format of {ids[asset.id]}'
                yield error("magnet-name", message, magnet.source, Span(1), "rename the file")
            ids.setdefault(asset.id, name)


def _code_faults(source: str, number: int, code: str, known: dict[str, int]) -> Iterable[Diagnostic]:
    """Never with the code itself: diagnostics stand in logs."""
    if code in known:
        message = f"this code is also in line {known[code]}"
        yield error("magnet-codes", message, source, Span(number), "each code is for one lead: delete one of them")
    elif len(code) > CODE_LENGTH:
        message = f"a code has at most {CODE_LENGTH} characters, this one has {len(code)}"
        yield error("magnet-codes", message, source, Span(number), "write one code a line, and nothing else")
    elif "," in code or ";" in code or any(unicodedata.category(letter) in ("Cc", "Cf") for letter in code):
        yield error(
            "magnet-codes", "this is not one code", source, Span(number), "write one code a line, and nothing else"
        )


# --- webinars ----------------------------------------------------------------------------------------------------


def event(plan: Plan, magnet: Magnet) -> Event:
    """A webinar as calendars know it: with the landing page's address, never with the one to join."""
    from magnetgen.magnets.calendar import Event

    zone = ZoneInfo(magnet.timezone)
    return Event(
        uid=f"{magnet.name}@{plan.config.origin.partition('://')[2]}",
        title=magnet.title,
        description=magnet.description or magnet.subtitle,
        start=datetime.fromisoformat(magnet.start).astimezone(zone),
        end=datetime.fromisoformat(magnet.end).astimezone(zone),
        timezone=magnet.timezone,
        url=plan.absolute(page_path(plan, magnet)),
        organizer=magnet.author or plan.config.publisher,
        location="",
        stamp=datetime.fromisoformat(magnet.date).replace(tzinfo=UTC) if magnet.date else None,
    )


def page_path(plan: Plan, magnet: Magnet) -> str:
    """Where the form that gives a magnet stands."""
    homes = [form.home for _, form in sorted(plan.forms.items()) if form.spec.magnet == magnet.name]
    return homes[0] if homes else "/"


def spoken_time(plan: Plan, theme: Theme, magnet: Magnet) -> str:
    """`4 December 2026, 16:00 CET`: in the webinar's own time zone, as its page and its mail say it."""
    from magnetgen.magnets import calendar

    return calendar.spoken_time(event(plan, magnet), theme.date)
