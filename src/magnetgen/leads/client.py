"""What the owner asks of a handler: the admin routes of the contract, wherever the handler is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

CONTENT, USAGE, BROKEN = 1, 2, 3
"""Exit codes: there is no such thing; the command was wrong; the other end or this machine fails."""
PAGE = 200
"""Rows that one request brings: the most that a handler gives."""
PREFIX_MIN = 6
"""Letters of an id that are enough to name it, if they name one only."""

Row = dict[str, Any]
_ID = re.compile(r"[0-9a-f]{32}")
_PREFIX = re.compile(rf"[0-9a-f]{{{PREFIX_MIN},32}}")


class LeadsFault(Exception):
    """A sentence for the owner, with the command's exit code."""

    def __init__(self, message: str, exit_code: int = BROKEN) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Refused(LeadsFault):
    """The handler answered with a fault. `status`: of HTTP."""

    def __init__(self, status: int, message: str, exit_code: int = BROKEN) -> None:
        super().__init__(message, exit_code)
        self.status = status


class Transport(Protocol):
    """Carries a request to a handler and its answer back. Raises LeadsFault.

    `empty`: why there is nothing at all, or empty; `sends`: how what is due gets sent without `--send`.
    """

    empty: str
    sends: str

    def send(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """(status, body) of the answer to a request for a path below /admin/."""

    def close(self) -> None: ...


@dataclass(frozen=True)
class Wish:
    """Which rows: of a form, with a status, not older than `since` (milliseconds)."""

    form: str = ""
    status: str = ""
    since: int | None = None

    def query(self) -> dict[str, str]:
        since = None if self.since is None else str(max(self.since, 0))
        found = {"form": self.form, "status": self.status, "since": since}
        return {name: value for name, value in found.items() if value}


@dataclass(frozen=True)
class Client:
    """The admin routes as functions. All raise LeadsFault."""

    transport: Transport
    options: str = ""
    """By which another command reaches the same handler, with a space before them."""

    def leads(self, wish: Wish, limit: int | None = None) -> Iterator[Row]:
        """Newest first, page by page."""
        return self._rows("leads", wish, limit)

    def submissions(self, wish: Wish, limit: int | None = None) -> Iterator[Row]:
        return self._rows("submissions", wish, limit)

    def person(self, email: str) -> dict[str, Any]:
        """{leads, submissions, deliveries, suppressed} of an address."""
        found = self._ask("POST", "leads/search", body={"email": email})
        return {**found, **{name: _listed(found, name) for name in ("leads", "submissions", "deliveries")}}

    def erase(self, email: str) -> int:
        found = self._ask("POST", "leads/erase", body={"email": email}).get("erased")
        return found if isinstance(found, int) else 0

    def release(self, id: str) -> None:
        self._ask("POST", f"submissions/{id}/release")

    def deliveries(self, state: str = "") -> list[Row]:
        """The newest ones. A handler that cannot select answers with all states: what is not asked for is left out."""
        try:
            found = self._ask("GET", "outbox", {"state": state, "limit": str(PAGE)} if state else {})
        except Refused as exc:
            if exc.status != 400 or not state:
                raise
            found = self._ask("GET", "outbox")
        return [row for row in _listed(found, "deliveries") if not state or row.get("state") == state]

    def retry(self, id: str) -> None:
        self._ask("POST", f"outbox/{id}/retry")

    def drain(self) -> tuple[int, int]:
        """Send what is due → (sent, failed)."""
        found = self._ask("POST", "drain")
        sent, failed = (found.get(name) for name in ("sent", "failed"))
        return sent if isinstance(sent, int) else 0, failed if isinstance(failed, int) else 0

    def _rows(self, kind: str, wish: Wish, limit: int | None) -> Iterator[Row]:
        after, left = "", limit
        while left is None or left > 0:
            size = PAGE if left is None else min(left, PAGE)
            query = {**wish.query(), "limit": str(size), **({"after": after} if after else {})}
            found = self._ask("GET", kind, query)
            rows = _listed(found, kind)
            yield from rows
            left = None if left is None else left - len(rows)
            following = found.get("next")
            if following is None:
                return
            if not isinstance(following, str) or following == after or not rows:
                raise LeadsFault("the handler's pages do not come to an end: is it another version?")
            after = following

    def _ask(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        sent = json.dumps(body).encode() if body else b""
        status, text = self.transport.send(method, path, query or {}, sent)
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if not 200 <= status < 300:
            raise _refused(status, answer)
        if not isinstance(answer, dict):
            raise LeadsFault("the answer is not that of a form handler (it is not JSON): check the address", USAGE)
        return answer


def _listed(answer: Mapping[str, Any], name: str) -> list[Row]:
    rows = answer.get(name)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise LeadsFault(f"the answer is not that of a form handler (no {name} in it): check the address", USAGE)
    return rows


def _refused(status: int, answer: Any) -> Refused:
    code = answer.get("code") if isinstance(answer, dict) else None
    given = answer.get("request_id") if isinstance(answer, dict) else None
    request = f" (request {given})" if isinstance(given, str) and re.fullmatch(r"[\w-]{1,64}", given) else ""
    if status == 401:
        return Refused(status, "the handler refuses this token: it is not its MAGNETGEN_ADMIN_TOKEN", USAGE)
    if status == 404:
        return Refused(
            status,
            "there is nothing at this address: either it is not the handler's (such as https://example.com/api), "
            "or the handler has no MAGNETGEN_ADMIN_TOKEN, or it is of an older magnetgen",
            USAGE,
        )
    if status == 422:
        said = "this is not an email address" if code == "validation" else "the handler refuses this"
        return Refused(status, said, USAGE)
    if status == 503:
        return Refused(status, f"the store cannot be reached at the moment: try again in a moment{request}")
    if status in (400, 405, 415):
        return Refused(status, f"the handler does not understand this command: is it another version?{request}")
    return Refused(status, f"the handler answered with status {status}{request}")


def is_id(text: str) -> bool:
    """An id, or enough of its beginning."""
    return _PREFIX.fullmatch(text) is not None


def named(text: str, rows: Iterator[Row]) -> Row | None:
    """The one row whose id begins with `text`. Raises LeadsFault where there are several."""
    found: Row | None = None
    for row in rows:
        if not str(row.get("id", "")).startswith(text):
            continue
        if _ID.fullmatch(text):
            return row
        if found is not None and found.get("id") != row.get("id"):
            raise LeadsFault(f"{text} is the beginning of several ids: give more of it", USAGE)
        found = row
    return found
