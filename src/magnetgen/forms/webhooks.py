"""Webhooks by Standard Webhooks, and HTTP to others: 15 seconds, no redirects followed."""

from __future__ import annotations

import base64
import binascii
import http.client
import io
import json
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

from magnetgen.forms import tokens
from magnetgen.forms.mail import Sent, tls
from magnetgen.forms.records import Delivery, Lead
from magnetgen.forms.site import SiteFault

TIMEOUT = 15
"""Seconds for the whole exchange."""
RETRY_AFTER_MAX = 86_400
ANSWER_MAX = 65_536
"""Bytes of an answer that are read."""
_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)

FindLead = Callable[[str], Lead | None]


class Poster(Protocol):
    """Something that sends a request."""

    def post(self, url: str, headers: Mapping[str, str], body: bytes, method: str = "POST") -> Sent: ...


class Ready(Protocol):
    """A destination with all that it needs to be told something."""

    def send(self, poster: Poster, delivery: Delivery, find_lead: FindLead, now: float) -> Sent: ...


@dataclass(frozen=True)
class Hook:
    """A webhook's address and secret."""

    url: str
    secret: bytes

    def send(self, poster: Poster, delivery: Delivery, find_lead: FindLead, now: float) -> Sent:
        return poster.post(self.url, headers(self, delivery, now), body_of(delivery))


def open_hook(name: str, url: str, secret: str) -> Hook:
    """A destination's settings from its environment. Raises SiteFault that names no value."""
    return Hook(address(f"the address of the destination {name}", url), secret_key(name, secret))


def address(what: str, url: str) -> str:
    """An absolute address that holds nothing strange. Raises SiteFault that does not show it."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or not re.fullmatch("[!-~]+", url):
        raise SiteFault(f"{what} is to be https://…")
    return url


def secret_key(name: str, text: str) -> bytes:
    """`whsec_` and base64, as the standard has it; any other text is the key itself."""
    if not text.startswith("whsec_"):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise SiteFault(f"the secret of the destination {name} is not base64 after whsec_") from None


def body_of(delivery: Delivery) -> bytes:
    """The same bytes at every attempt."""
    return json.dumps(dict(delivery.body), ensure_ascii=False, separators=(",", ":")).encode()


def headers(hook: Hook, delivery: Delivery, now: float) -> dict[str, str]:
    """Content type, id (the same over retries), time of this attempt, and the signature if there is a secret."""
    id, stamp = f"msg_{delivery.id}", str(int(now))
    made = {
        "content-type": "application/json",
        "user-agent": "magnetgen",
        "webhook-id": id,
        "webhook-timestamp": stamp,
    }
    if hook.secret:
        signed = f"{id}.{stamp}.".encode() + body_of(delivery)
        made["webhook-signature"] = "v1," + base64.b64encode(tokens.mac(hook.secret, signed)).decode()
    return made


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """All requests that are made inside share this time."""
    token = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


class HttpPoster:
    """http.client, with one deadline for connecting, sending and reading."""

    def post(self, url: str, headers: Mapping[str, str], body: bytes, method: str = "POST") -> Sent:
        deadline = _deadline.get() or time.monotonic() + TIMEOUT
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection = _connection(url, _left(deadline))
        except TimeoutError:
            return Sent(False, "TimeoutError")
        try:
            connection.connect()
            connection.sock = cast("socket.socket", _Timed(connection.sock, deadline))
            connection.request(method, path, body or None, dict(headers))
            answer = connection.getresponse()
            sent = judge(answer.status, answer.getheader("retry-after") or "")
            return replace(sent, body=_beginning(answer))
        except (OSError, http.client.HTTPException) as exc:
            return Sent(False, type(exc).__name__)
        finally:
            connection.close()


def _connection(url: str, seconds: float) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https":
        return http.client.HTTPSConnection(host, parts.port, timeout=seconds, context=tls())
    return http.client.HTTPConnection(host, parts.port, timeout=seconds)


def _beginning(answer: http.client.HTTPResponse) -> str:
    """What an answer in JSON begins with. The status has come: what is wrong with the rest changes nothing."""
    if "json" not in (answer.getheader("content-type") or ""):
        return ""
    try:
        return answer.read(ANSWER_MAX).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return ""


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Timed:
    """A socket whose every wait ends at one deadline: a server that drips its answer gains nothing."""

    def __init__(self, sock: Any, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline

    def sendall(self, data: Any) -> None:
        self._sock.settimeout(_left(self._deadline))
        self._sock.sendall(data)

    def makefile(self, *args: Any, **options: Any) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock, self._deadline))

    def close(self) -> None:
        self._sock.close()


class _Reader(io.RawIOBase):
    def __init__(self, sock: Any, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline
        # It keeps the socket open where the connection is closed before all is read.
        self._file = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(_left(self._deadline))
        return int(self._file.readinto(buffer))

    def close(self) -> None:
        self._file.close()
        super().close()


def judge(status: int, retry_after: str = "") -> Sent:
    """2xx is success and nothing else is; 410: the destination is gone for good."""
    if 200 <= status < 300:
        return Sent(True, str(status))
    gone, item = status == 410, status in (400, 413, 422)
    return Sent(False, str(status), permanent=gone, gone=gone, retry_after=_seconds(retry_after), item=item)


def _seconds(text: str) -> int:
    """Retry-After: seconds or a date → seconds from now, within a day."""
    if re.fullmatch(r"[0-9]{1,9}", text):
        return min(int(text), RETRY_AFTER_MAX)
    try:
        wait = parsedate_to_datetime(text) - datetime.now(UTC)
        return max(0, min(int(wait.total_seconds()), RETRY_AFTER_MAX))
    except (ValueError, TypeError, OverflowError):
        return 0
