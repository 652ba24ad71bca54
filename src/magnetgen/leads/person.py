"""`leads show`: everything that is kept of a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from magnetgen.leads import times
from magnetgen.leads.client import CONTENT, USAGE, Client, LeadsFault, Row, Wish, is_id, named
from magnetgen.leads.listing import HELD, QUARANTINED, joined
from magnetgen.leads.terminal import tinted, visible

Person = dict[str, Any]
_TOUCHES = (("first", "First visit"), ("last", "Last visit"))


def known(client: Client, wanted: str) -> Person:
    """By an address, or by the id of a lead or submission. Raises LeadsFault where there is nobody."""
    if "@" in wanted:
        found = client.person(wanted)
        if not (found["leads"] or found["submissions"]):
            check_key(client)
            raise LeadsFault("nothing is kept of this address", CONTENT)
        return found
    if not is_id(wanted):
        raise LeadsFault("give an email address, or the first letters of an id", USAGE)
    row = named(wanted, client.leads(Wish()))
    row = row or named(wanted, client.submissions(Wish()))
    if row is None:
        raise LeadsFault("there is no lead and no submission with this id", CONTENT)
    email = row.get("email")
    # What a bot sent may lack an address: it is all that there is.
    return client.person(email) if email else {"leads": [], "submissions": [row], "deliveries": [], "suppressed": ""}


def check_key(client: Client) -> None:
    """Nothing was found: make sure that this is not for want of the key that addresses are found by."""
    newest = next(client.leads(Wish(), 1), None)
    email = newest.get("email") if newest else None
    if isinstance(email, str) and not client.person(email)["leads"] and next(client.leads(Wish(), 1), None) == newest:
        raise LeadsFault("MAGNETGEN_EMAIL_KEY is not the one that this store was written with: no address is found")


def render(person: Person, colour: bool) -> Iterator[str]:
    rows = [*person["leads"], *person["submissions"]]
    yield visible(next((row["email"] for row in rows if row.get("email")), "(no address)"))
    if reason := person.get("suppressed"):
        yield f"No mail is sent to this address: {visible(reason)}"
    for lead in person["leads"]:
        yield from _lead(person, lead, colour)
    for sent in person["submissions"]:
        if sent.get("status") in (HELD, QUARANTINED):
            yield ""
            yield from _submission(sent, colour)
    others = [row for row in person["deliveries"] if _lead_of(row) not in {lead["id"] for lead in person["leads"]}]
    yield from _deliveries(others, colour)


def _lead_of(row: Row) -> Any:
    """Handlers call it by the column's name or by what it is."""
    return row.get("lead_id", row.get("lead"))


def _lead(person: Person, lead: Row, colour: bool) -> Iterator[str]:
    status = visible(lead.get("status", ""))
    yield ""
    yield f"{visible(lead.get('form', ''))}: {tinted(status, status, colour)}"
    yield f"  id            {visible(lead.get('id', ''))}"
    for name in ("created", "confirmed", "unsubscribed", "downloaded"):
        if at := times.local(lead.get(f"{name}_at")):
            yield f"  {name:13} {at}"
    if lead.get("code"):
        yield f"  code          {visible(lead['code'])}"
    yield from _answers(lead.get("data"), "  ")
    yield from _consent(lead.get("consent"), "  ")
    for sent in person["submissions"]:
        if _lead_of(sent) == lead["id"]:
            yield from ("  " + line for line in _submission(sent, colour))
    yield from _deliveries([row for row in person["deliveries"] if _lead_of(row) == lead["id"]], colour)


def _submission(sent: Row, colour: bool) -> Iterator[str]:
    status = visible(sent.get("status", ""))
    waits = "" if sent.get("applied_at") or status in (HELD, QUARANTINED) else ", waits for confirmation"
    reason = f" ({visible(sent['reason'])})" if sent.get("reason") else ""
    yield f"Submission of {times.local(sent.get('created_at'))}: {tinted(status, status, colour)}{reason}{waits}"
    yield f"  id            {visible(sent.get('id', ''))}"
    yield f"  form          {visible(sent.get('form', ''))}"
    yield from _answers(sent.get("fields"), "  ")
    yield from _source(sent.get("source"))


def _answers(data: Any, indent: str) -> Iterator[str]:
    given = data if isinstance(data, dict) else {}
    for name, value in given.items():
        first, *rest = visible(joined(value), newlines=True).split("\n")
        yield f"{indent}{visible(name):13} {first}"
        yield from (f"{indent}{'':13} {line}" for line in rest)


def _consent(records: Any, indent: str) -> Iterator[str]:
    for record in records if isinstance(records, list) else []:
        if isinstance(record, dict):
            given = "given" if record.get("given") else "not given"
            yield f"{indent}Consent {visible(record.get('name', ''))}: {given}"
            yield f"{indent}  wording       {visible(record.get('text') or '')}"
            for name in ("version", "text_sha256", "page", "submitted_at", "confirmed_at"):
                if record.get(name):
                    yield f"{indent}  {name:13} {visible(record[name])}"


def _source(source: Any) -> Iterator[str]:
    for key, title in _TOUCHES:
        touch = source.get(key) if isinstance(source, dict) else None
        if isinstance(touch, dict) and touch:
            yield f"  {title}"
            yield from (f"    {visible(name):13} {visible(value)}" for name, value in touch.items())


def _deliveries(rows: list[Row], colour: bool) -> Iterator[str]:
    if rows:
        yield "  Deliveries"
    for row in rows:
        state = visible(row.get("state", ""))
        yield f"    {times.local(row.get('created_at'))}  {tinted(f'{state:6}', state, colour)}  {delivery(row)}"


def delivery(row: Row) -> str:
    """What goes where, and how that went."""
    attempts = row.get("attempts") or 0
    tries = f", {attempts} attempt{'' if attempts == 1 else 's'}" if attempts else ""
    code = f", last answer {visible(row['last_code'])}" if row.get("last_code") else ""
    return f"{visible(row.get('kind', ''))} to {visible(row.get('dest', ''))}{tries}{code}"
