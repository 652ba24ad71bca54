"""An event as calendars take it: an iCalendar file (RFC 5545), addresses that add it, and its time in words.

The link to join is in none of them: whoever takes part gets it by mail.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from msgspec import Struct

from magnetgen.magnets.xmltext import clean
from magnetgen.text import truncate

if TYPE_CHECKING:
    from icalendar import Calendar, Timezone

REMINDER = timedelta(minutes=15)
NO_STAMP = datetime(2000, 1, 1, tzinfo=UTC)
"""When an event was written down, if nobody says so: the time of the build would make other bytes each time."""
MOST_IN_ADDRESS = 1000
"""Characters of a description: an address that is too long is refused by servers on its way."""

_AROUND = timedelta(days=400)
"""A file's time zone is described so far before and after the event: over a year, so every change of it is in."""
_UTC_NAMES = ("UTC", "Etc/UTC", "Etc/UCT", "Etc/Universal", "Etc/Zulu", "UCT", "Universal", "Zulu")


class Event(Struct, frozen=True):
    """A webinar or another event. uid: the same for ever, unique in the world; start, end: aware; timezone: as the IANA
    names it (`Europe/Berlin`); url: its page, absolute; organizer: a name; location: a text such as `Online`, or empty;
    stamp: when it was last written to, aware, or None. A later one replaces an earlier one in calendars.
    """

    uid: str
    title: str
    description: str
    start: datetime
    end: datetime
    timezone: str
    url: str
    organizer: str
    location: str = ""
    stamp: datetime | None = None


class Change(Struct, frozen=True):
    """A moment from which on a zone has another offset or name. local: the clock's time by the offset before."""

    local: datetime
    before: timedelta
    after: timedelta
    name: str
    summer: bool


def ics(event: Event) -> bytes:
    """The event as a file. Raises ValueError if it does not end after its start."""
    from icalendar import Alarm, vCalAddress
    from icalendar import Event as Component

    if event.end <= event.start:
        raise ValueError("the event ends before it begins")
    zone, calendar, item = _zone(event), _calendar(), Component()
    item.add("uid", _line(event.uid))
    item.add("dtstamp", (event.stamp or NO_STAMP).astimezone(UTC))
    item.add("summary", _line(event.title))
    item.add("dtstart", _local(event.start, zone))
    item.add("dtend", _local(event.end, zone))
    if event.description.strip():
        item.add("description", _text(event.description))
    if event.location.strip():
        item.add("location", _line(event.location))
    item.add("url", event.url)
    organizer = vCalAddress(event.url)  # PUBLISH wants one, and a mail address is none of the public's business
    organizer.params["CN"] = _line(event.organizer).replace('"', "'")
    item.add("organizer", organizer)
    item.add("status", "CONFIRMED")
    item.add("transp", "OPAQUE")
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", _line(event.title))
    alarm.add("trigger", -REMINDER)
    item.add_component(alarm)
    if zone is not UTC:
        calendar.add_component(_described(event, zone))
    calendar.add_component(item)
    return bytes(calendar.to_ical())


def google_url(event: Event) -> str:
    """The address at which Google Calendar offers to add the event."""
    when = "/".join(f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}" for moment in (event.start, event.end))
    return _address(
        "https://calendar.google.com/calendar/render",
        action="TEMPLATE", text=_line(event.title), dates=when, ctz=event.timezone, details=_details(event),
        location=_line(event.location),
    )  # fmt: skip


def outlook_url(event: Event) -> str:
    """The address at which Outlook on the web offers to add the event. It reads the text as HTML."""
    start, end = (f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for moment in (event.start, event.end))
    return _address(
        "https://outlook.live.com/calendar/0/deeplink/compose",
        path="/calendar/action/compose", rru="addevent", subject=_line(event.title), startdt=start, enddt=end,
        body=html.escape(_details(event)).replace("\n", "<br>"), location=_line(event.location),
    )  # fmt: skip


def spoken_time(event: Event, date: Callable[[str], str], weekdays: Sequence[str] = ()) -> str:
    """`Friday, 4 December 2026, 16:00 CET`, in the event's own zone.

    date: a day for people from an ISO date, as `Theme.date`; weekdays: seven names from Monday on, or none.
    """
    local = event.start.astimezone(_zone(event))
    name = local.tzname() or ""
    if not name[:1].isalpha():  # zones without a name of their own have their offset there
        name = f"UTC{local.isoformat()[-6:]}" if local.utcoffset() else "UTC"
    day = [weekdays[local.weekday()]] if weekdays else []
    return ", ".join([*day, date(local.date().isoformat()), f"{local:%H:%M} {name}"])


def changes(zone: tzinfo, first: datetime, last: datetime) -> Iterator[Change]:
    """How a zone's clock runs between two aware moments: as it does at the first, and every change from there on."""
    at = first.astimezone(UTC).replace(microsecond=0)
    yield _change(zone, at, at)
    while at < last:
        later = at + timedelta(days=1)
        if _clock(zone, later) != _clock(zone, at):
            before, after = at, later
            while after - before > timedelta(seconds=1):
                middle = before + (after - before) // 2
                middle = middle.replace(microsecond=0)
                before, after = (middle, after) if _clock(zone, middle) == _clock(zone, at) else (before, middle)
            yield _change(zone, at, after)
        at = later


def _clock(zone: tzinfo, moment: datetime) -> tuple[timedelta, str, bool]:
    local = moment.astimezone(zone)
    return local.utcoffset() or timedelta(), local.tzname() or "", bool(local.dst())


def _change(zone: tzinfo, earlier: datetime, moment: datetime) -> Change:
    before, _, _ = _clock(zone, earlier)
    after, name, summer = _clock(zone, moment)
    return Change((moment + before).replace(tzinfo=None), before, after, name, summer)


def _described(event: Event, zone: ZoneInfo) -> Timezone:
    """The zone as the file explains it. Of our own: the library gives the start of summer time by the clock after it,
    where the standard wants the clock before.
    """
    from icalendar import Timezone, TimezoneDaylight, TimezoneStandard

    made = Timezone()
    made.add("tzid", event.timezone)
    for change in changes(zone, event.start - _AROUND, event.end + _AROUND):
        part: Any = TimezoneDaylight() if change.summer else TimezoneStandard()
        part.add("dtstart", change.local)
        part.add("tzoffsetfrom", change.before)
        part.add("tzoffsetto", change.after)
        part.add("tzname", change.name)
        made.add_component(part)
    return made


def _calendar() -> Calendar:
    from icalendar import Calendar

    calendar = Calendar()
    calendar.add("prodid", "-//magnetgen//magnetgen//EN")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", "PUBLISH")
    return calendar


def _zone(event: Event) -> Any:
    """The event's zone. Raises ValueError if there is none of that name."""
    if event.timezone in _UTC_NAMES:
        return UTC
    try:
        return ZoneInfo(event.timezone)
    except (KeyError, ValueError, OSError):
        raise ValueError(f'there is no time zone "{event.timezone}"') from None


def _local(moment: datetime, zone: tzinfo) -> datetime:
    """The moment by the clock of its zone; where that clock shows the hour for the second time, by UTC, as the
    standard lets a clock's time mean the first.
    """
    local = moment.astimezone(zone)
    return moment.astimezone(UTC) if local.fold else local


def _details(event: Event) -> str:
    description = _text(event.description)
    if len(description) > MOST_IN_ADDRESS:
        description = truncate(description, MOST_IN_ADDRESS)
    return "\n\n".join(filter(None, (description, event.url)))


def _address(base: str, **query: str) -> str:
    """Spaces as %20: Outlook shows a plus as one."""
    return f"{base}?{urlencode({k: v for k, v in query.items() if v}, quote_via=quote, safe='')}"


def _text(value: str) -> str:
    return clean(value.replace("\r\n", "\n").replace("\r", "\n")).strip()


def _line(value: str) -> str:
    return " ".join(clean(value).split())
