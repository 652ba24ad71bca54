"""`leads stats`: which pages and which sources bring leads, and what became of them.

People are counted, each once a form: where they came from is said by their first submission, or by their last. Whoever
was held counts as submitted; what a bot sent does not count.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from magnetgen.leads.client import Client, Row, Wish
from magnetgen.leads.export import guarded
from magnetgen.leads.listing import HELD
from magnetgen.leads.terminal import Column, table, visible

CLICK_IDS = {
    "gclid": "google ads",
    "fbclid": "facebook",
    "msclkid": "microsoft ads",
    "ttclid": "tiktok",
    "li_fat_id": "linkedin",
}
"""The networks that add a click id to their links."""
DIRECT, UNKNOWN = "direct", "(unknown)"
FIRST, LAST = "first", "last"
GROUPS = {"": ("page", "source"), "page": ("page",), "source": ("source",), "form": ("form",)}
_LEAST = 12


@dataclass
class Count:
    """People of one group. `confirmed` and `downloaded` are parts of `submitted`."""

    group: tuple[str, ...]
    submitted: int = 0
    confirmed: int = 0
    downloaded: int = 0


@dataclass
class _Tally:
    """Groups by number, and each lead's group: an id in 16 bytes and a small number is all that is kept of a lead."""

    numbers: dict[tuple[str, ...], int] = field(default_factory=dict)
    counts: list[Count] = field(default_factory=list)
    leads: dict[bytes, int] = field(default_factory=dict)

    def number(self, group: tuple[str, ...]) -> int:
        if group not in self.numbers:
            self.numbers[group] = len(self.counts)
            self.counts.append(Count(group))
        return self.numbers[group]


def counted(client: Client, wish: Wish, by: str, touch: str) -> list[Count]:
    """Most submitted first."""
    tally = _Tally()
    for sent in client.submissions(wish):
        _count_submission(tally, sent, by, touch)
    for lead in client.leads(wish):
        _count_lead(tally, lead, by)
    found = [count for count in tally.counts if count.submitted]
    return sorted(found, key=lambda count: (-count.submitted, -count.confirmed, count.group))


def _count_submission(tally: _Tally, sent: Row, by: str, touch: str) -> None:
    """Held ones count at once; of a lead's the one that decides is remembered. They come newest first."""
    lead = sent.get("lead")
    if not lead:
        if sent.get("status") == HELD:
            tally.counts[tally.number(group_of(sent, by, touch))].submitted += 1
        return
    key = _key(lead)
    if touch == FIRST or key not in tally.leads:
        tally.leads[key] = tally.number(group_of(sent, by, touch))


def _count_lead(tally: _Tally, lead: Row, by: str) -> None:
    number = tally.leads.get(_key(lead.get("id")))
    if number is None:  # its submission came while the pages were read
        group = (str(lead.get("form", "")),) if by == "form" else tuple(UNKNOWN for _ in GROUPS[by])
        number = tally.number(group)
    count = tally.counts[number]
    count.submitted += 1
    # A link to unsubscribe is sent to confirmed people only.
    count.confirmed += lead.get("status") in ("confirmed", "unsubscribed")
    count.downloaded += lead.get("downloaded_at") is not None


def _key(id: Any) -> bytes:
    try:
        return bytes.fromhex(str(id))
    except ValueError:
        return str(id).encode("utf-8", "replace")


def group_of(sent: Row, by: str, touch: str) -> tuple[str, ...]:
    parts = {"page": lambda: page_of(sent), "source": lambda: source_of(sent, touch), "form": lambda: _form(sent)}
    return tuple(parts[name]() for name in GROUPS[by])


def _form(sent: Row) -> str:
    return str(sent.get("form", ""))


def _touch(sent: Row, name: str) -> Mapping[str, str]:
    source = sent.get("source")
    touch = source.get(name) if isinstance(source, dict) else None
    return {key: value for key, value in touch.items() if isinstance(value, str)} if isinstance(touch, dict) else {}


def page_of(sent: Row) -> str:
    """The path of the page that was sent from: as its script says, or the record of consent."""
    page = _touch(sent, LAST).get("page", "")
    records = sent.get("consent")
    for record in records if isinstance(records, list) and not page else []:
        page = page or (str(record.get("page") or "") if isinstance(record, dict) else "")
    try:
        return urlsplit(page).path or UNKNOWN
    except ValueError:
        return UNKNOWN


def source_of(sent: Row, touch: str) -> str:
    """utm_source, else whose click id it is, else the referrer's host, else direct."""
    found = _touch(sent, touch)
    if source := found.get("utm_source"):
        return source
    for name, network in CLICK_IDS.items():
        if found.get(name):
            return network
    try:
        return (urlsplit(found.get("referrer", "")).hostname or DIRECT).removeprefix("www.")
    except ValueError:
        return DIRECT


def _rate(part: int, whole: int) -> str:
    return f"{part:,} ({round(100 * part / whole)}%)" if whole else str(part)


def _total(counts: Sequence[Count], groups: tuple[str, ...]) -> Count:
    total = Count(("All", *("" for _ in groups[1:])))
    for count in counts:
        total.submitted += count.submitted
        total.confirmed += count.confirmed
        total.downloaded += count.downloaded
    return total


def render(counts: Sequence[Count], by: str, total: int | None, colour: bool) -> Iterator[str]:
    if not counts:
        yield "Nobody has sent a form in this time."
        return
    heads = [Column(name.capitalize(), _LEAST) for name in GROUPS[by]]
    heads += [Column(name, right=True) for name in ("Submitted", "Confirmed", "Downloaded")]
    rows = [_cells(count) for count in counts]
    if len(counts) > 1:
        rows.append(_cells(_total(counts, GROUPS[by])))
    yield from table(heads, rows, total, colour)


def _cells(count: Count) -> list[str]:
    rates = (_rate(part, count.submitted) for part in (count.confirmed, count.downloaded))
    return [*map(visible, count.group), f"{count.submitted:,}", *rates]


def _plain(count: Count, by: str) -> dict[str, Any]:
    numbers = {name: value for name, value in asdict(count).items() if name != "group"}
    return {**dict(zip(GROUPS[by], count.group, strict=True)), **numbers}


def as_json(counts: Sequence[Count], by: str, touch: str) -> str:
    rows = [_plain(count, by) for count in counts]
    return json.dumps({"by": list(GROUPS[by]), "touch": touch, "rows": rows}, ensure_ascii=False, indent=2)


def as_csv(counts: Sequence[Count], by: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([*GROUPS[by], "submitted", "confirmed", "downloaded"])
    writer.writerows([guarded(str(value)) for value in _plain(count, by).values()] for count in counts)
    return text.getvalue()
