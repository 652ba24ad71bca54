"""Events as calendars take them: the file read back by two parsers, the addresses, the words."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import icalendar
import pytest
from dateutil import tz  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from magnetgen.magnets.calendar import Event, changes, google_url, ics, outlook_url, spoken_time

ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca")
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def event(start: datetime = datetime(2026, 12, 4, 15, tzinfo=UTC), zone: str = "Europe/Berlin", **more: Any) -> Event:
    values: dict[str, Any] = {
        "uid": "launch-talk@example.com", "title": "The launch", "description": "What is new.", "start": start,
        "end": start + timedelta(minutes=45), "timezone": zone, "url": "https://example.com/launch/",
        "organizer": "Lead Lab",
    }  # fmt: skip
    return Event(**values | more)


def read(data: bytes) -> Any:
    """The event in a file, by the library that wrote it."""
    (found,) = icalendar.Calendar.from_ical(data).walk("VEVENT")
    return found


def unfolded(data: bytes) -> list[str]:
    return data.decode().replace("\r\n ", "").split("\r\n")


def by_its_own_zone(data: bytes, name: str) -> datetime:
    """The instant of DTSTART or DTEND by another parser, which knows no zone but the one that the file describes."""
    lines = unfolded(data)
    (line,) = [line for line in lines[lines.index("BEGIN:VEVENT") :] if line.startswith(name)]
    settings, _, value = line.partition(":")
    if value.endswith("Z"):
        return datetime.strptime(value, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    zone = tz.tzical(io.StringIO(data.decode())).get(settings.partition("TZID=")[2])
    assert zone is not None
    return datetime.strptime(value, "%Y%m%dT%H%M%S").replace(tzinfo=zone).astimezone(UTC)


def test_the_file_says_what_the_event_is() -> None:
    lines = unfolded(ics(event(location="Online")))
    assert lines[0] == "BEGIN:VCALENDAR"
    for line in (
        "METHOD:PUBLISH", "VERSION:2.0", "UID:launch-talk@example.com", "SUMMARY:The launch", "DESCRIPTION:What is new.",
        "DTSTART;TZID=Europe/Berlin:20261204T160000", "DTEND;TZID=Europe/Berlin:20261204T164500", "LOCATION:Online",
        "URL:https://example.com/launch/", "STATUS:CONFIRMED", "ORGANIZER;CN=Lead Lab:https://example.com/launch/",
        "DTSTAMP:20000101T000000Z", "TRIGGER:-PT15M", "ACTION:DISPLAY", "TZID:Europe/Berlin",
    ):  # fmt: skip
        assert line in lines or line.replace("CN=Lead Lab", 'CN="Lead Lab"') in lines, (line, lines)
    assert lines.index("BEGIN:VTIMEZONE") < lines.index("BEGIN:VEVENT")


def test_the_same_event_gives_the_same_bytes_and_a_stamp_is_told() -> None:
    assert ics(event()) == ics(event())
    stamped = ics(event(stamp=datetime(2026, 10, 1, 2, tzinfo=ZoneInfo("Europe/Berlin"))))
    assert b"DTSTAMP:20261001T000000Z" in stamped


AROUND_CHANGES = [
    (zone, moment + timedelta(minutes=minutes))
    for zone, moment in [
        ("Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 10, 25, 1, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 3, 8, 7, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, tzinfo=UTC)),
        ("Asia/Kolkata", datetime(2026, 3, 29, 1, tzinfo=UTC)),
        ("Africa/Casablanca", datetime(2026, 2, 15, 2, tzinfo=UTC)),
        ("UTC", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ]
    for minutes in (-24 * 60, -90, -45, -20, -1, 0, 1, 20, 45, 90, 24 * 60, 120 * 24 * 60)
]


@pytest.mark.parametrize(("zone", "start"), AROUND_CHANGES)
def test_both_parsers_find_the_instant_around_every_change_of_the_clock(zone: str, start: datetime) -> None:
    wanted = event(start, zone)
    data = ics(wanted)
    found = read(data)
    assert found["DTSTART"].dt.astimezone(UTC) == wanted.start
    assert found["DTEND"].dt.astimezone(UTC) == wanted.end
    assert by_its_own_zone(data, "DTSTART") == wanted.start
    assert by_its_own_zone(data, "DTEND") == wanted.end
    assert (b"VTIMEZONE" in data) == (zone != "UTC")


def test_the_clock_before_the_change_tells_when_it_comes() -> None:
    """RFC 5545, 3.6.5: the onset is a local time by TZOFFSETFROM."""
    text = ics(event(datetime(2026, 6, 1, 12, tzinfo=UTC))).decode()
    parts = re.findall(r"BEGIN:(DAYLIGHT|STANDARD)\r\n(.*?)END:", text, re.S)
    found = {(kind, *sorted(lines.split())) for kind, lines in parts}
    assert ("DAYLIGHT", "DTSTART:20260329T020000", "TZNAME:CEST", "TZOFFSETFROM:+0100", "TZOFFSETTO:+0200") in found
    assert ("STANDARD", "DTSTART:20261025T030000", "TZNAME:CET", "TZOFFSETFROM:+0200", "TZOFFSETTO:+0100") in found


@settings(deadline=None)  # a machine may be busy
@given(
    zone=st.sampled_from(ZONES),
    start=st.datetimes(datetime(2020, 1, 1), datetime(2036, 1, 1)).map(lambda d: d.replace(microsecond=0, tzinfo=UTC)),
)
def test_any_instant_comes_back(zone: str, start: datetime) -> None:
    data = ics(event(start, zone))
    assert by_its_own_zone(data, "DTSTART") == start
    assert read(data)["DTSTART"].dt.astimezone(UTC) == start


def test_every_change_of_a_zone_is_found_once() -> None:
    found = list(changes(ZoneInfo("Europe/Berlin"), datetime(2025, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)))
    assert [change.local for change in found[1:]] == [
        datetime(2025, 3, 30, 2), datetime(2025, 10, 26, 3), datetime(2026, 3, 29, 2), datetime(2026, 10, 25, 3),
    ]  # fmt: skip


def test_an_event_in_utc_needs_no_zone() -> None:
    assert "DTSTART:20261204T150000Z" in unfolded(ics(event(zone="UTC")))


HARD = "Commas, semicolons; back\\slashes: “quotes”\nlines\r\nand \x07 bells\n\n" + "🎉 Ümläut " * 20


def test_hard_texts_come_back() -> None:
    data = ics(event(title=HARD, description=HARD, location=HARD, organizer='Ana "the; lead", Ruiz'))
    found = read(data)
    plain = HARD.replace("\r\n", "\n").replace("\x07", "").strip()
    assert str(found["DESCRIPTION"]) == plain
    assert str(found["SUMMARY"]) == str(found["LOCATION"]) == " ".join(plain.split())
    assert found["ORGANIZER"].params["CN"] == "Ana 'the; lead', Ruiz"


def test_lines_are_short_and_end_as_the_standard_wants() -> None:
    data = ics(event(title=HARD, description=HARD * 3, url="https://example.com/" + "a" * 200))
    assert data.endswith(b"END:VCALENDAR\r\n")
    lines = data.removesuffix(b"\r\n").split(b"\r\n")
    assert max(map(len, lines)) <= 75
    assert all(line.decode() for line in lines)  # no character is cut in two, and no line is empty
    assert not any(b"\n" in line or b"\r" in line for line in lines)


@settings(deadline=None)  # a machine may be busy
@given(text=st.text(max_size=120))
def test_any_text_is_one_property(text: str) -> None:
    data = ics(event(title=text, description=text, location=text, organizer=text))
    lines = unfolded(data)
    assert len([line for line in lines if line.startswith("BEGIN:VEVENT")]) == 1
    assert read(data)["UID"] == "launch-talk@example.com"


def test_what_cannot_be_an_event_is_said() -> None:
    with pytest.raises(ValueError, match="ends before"):
        ics(event(end=datetime(2026, 12, 4, 15, tzinfo=UTC)))
    for zone in ("Europe/Nowhere", "", "../secret"):
        with pytest.raises(ValueError, match="no time zone"):
            ics(event(zone=zone))


def test_google_is_given_the_event() -> None:
    made = urlsplit(google_url(event(title="A & B = 100 % + c", description="One.\nTwo.", location="Online")))
    assert (made.scheme, made.netloc, made.path) == ("https", "calendar.google.com", "/calendar/render")
    assert parse_qs(made.query) == {
        "action": ["TEMPLATE"], "text": ["A & B = 100 % + c"], "dates": ["20261204T150000Z/20261204T154500Z"],
        "ctz": ["Europe/Berlin"], "details": ["One.\nTwo.\n\nhttps://example.com/launch/"], "location": ["Online"],
    }  # fmt: skip


def test_outlook_is_given_the_event_with_its_text_as_html() -> None:
    made = outlook_url(event(title="A + B", description="a < b\nc"))
    assert "+" not in made
    assert " " not in made
    assert parse_qs(urlsplit(made).query) == {
        "path": ["/calendar/action/compose"], "rru": ["addevent"], "subject": ["A + B"],
        "startdt": ["2026-12-04T15:00:00Z"], "enddt": ["2026-12-04T15:45:00Z"],
        "body": ["a &lt; b<br>c<br><br>https://example.com/launch/"],
    }  # fmt: skip


def test_addresses_stay_short_enough() -> None:
    assert len(google_url(event(description="ä" * 9000))) < 8000


@pytest.mark.parametrize(
    ("start", "zone", "said"),
    [
        (datetime(2026, 12, 4, 15, tzinfo=UTC), "Europe/Berlin", "Friday, 4 December 2026, 16:00 CET"),
        (datetime(2026, 7, 1, 22, 5, tzinfo=UTC), "Europe/Berlin", "Thursday, 2 July 2026, 00:05 CEST"),
        (datetime(2026, 12, 4, 15, tzinfo=UTC), "UTC", "Friday, 4 December 2026, 15:00 UTC"),
        (datetime(2026, 12, 4, 15, tzinfo=UTC), "Asia/Kolkata", "Friday, 4 December 2026, 20:30 IST"),
        (datetime(2026, 6, 4, 15, tzinfo=UTC), "Australia/Lord_Howe", "Friday, 5 June 2026, 01:30 UTC+10:30"),
        (datetime(2026, 6, 4, 15, tzinfo=UTC), "America/Sao_Paulo", "Thursday, 4 June 2026, 12:00 UTC-03:00"),
    ],
)
def test_the_time_in_words(start: datetime, zone: str, said: str) -> None:
    def date(iso: str) -> str:
        year, month, day = map(int, iso.split("-"))
        return f"{day} {MONTHS[month - 1]} {year}"

    assert spoken_time(event(start, zone), date, WEEKDAYS) == said
    assert spoken_time(event(start, zone), date) == said.partition(", ")[2]
