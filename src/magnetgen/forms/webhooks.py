"""Webhooks by Standard Webhooks: signed, 15 seconds, no redirects followed."""

from __future__ import annotations

import base64
import binascii
import http.client
import json
import re
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol
from urllib.parse import urlsplit

from magnetgen.forms import tokens
from magnetgen.forms.mail import Sent
from magnetgen.forms.records import Delivery
from magnetgen.forms.site import SiteFault

TIMEOUT = 15
"""Seconds for the whole exchange."""
RETRY_AFTER_MAX = 86_400


class Poster(Protocol):
    """Something that sends a signed body."""

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Sent: ...


@dataclass(frozen=True)
class Hook:
    """A webhook's address and secret."""

    url: str
    secret: bytes


def open_hook(name: str, url: str, secret: str) -> Hook:
    """A destination's settings from its environment. Raises SiteFault that names no value."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or re.search(r"[\x00-\x20\x7f]", url):
        raise SiteFault(f"the address of the destination {name} is to be https://…")
    return Hook(url, secret_key(name, secret))


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


class HttpPoster:
    """http.client, with one deadline for connecting, sending and reading."""

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Sent:
        deadline = time.monotonic() + TIMEOUT
        connection = self._connection(url)
        try:
            connection.connect()
            _limit(connection, deadline)
            parts = urlsplit(url)
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", path, body, dict(headers))
            _limit(connection, deadline)
            answer = connection.getresponse()
            return judge(answer.status, answer.getheader("retry-after") or "")
        except (OSError, http.client.HTTPException) as exc:
            return Sent(False, type(exc).__name__)
        finally:
            connection.close()

    def _connection(self, url: str) -> http.client.HTTPConnection:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            return http.client.HTTPSConnection(host, parts.port, timeout=TIMEOUT, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT)


def _limit(connection: http.client.HTTPConnection, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    assert isinstance(connection.sock, socket.socket)
    connection.sock.settimeout(left)


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
