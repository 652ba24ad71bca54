"""A deployed handler, over HTTPS with a bearer token."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import SplitResult, urlencode, urlsplit

from magnetgen import __version__
from magnetgen.leads.client import USAGE, LeadsFault

SECONDS = 30.0
"""Patience with one step of a connection."""
DRAIN_SECONDS = 600.0
"""A drain answers when everything is sent."""
ANSWER_MAX = 64 << 20
_STALE = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)


class Remote:
    """One connection, kept for all pages. No redirect is followed: the token goes to the address that was given."""

    empty = ""
    sends = "the handler sends it within seconds, or when its schedule next drains the outbox"

    def __init__(self, url: str, token: str, seconds: float = SECONDS) -> None:
        self._parts = address(url)
        self._base = self._parts.path.rstrip("/")
        self._seconds = seconds
        self._headers = {
            "Authorization": f"Bearer {_sound(token)}",
            "Accept": "application/json",
            "User-Agent": f"magnetgen/{__version__}",
        }
        self._connection: http.client.HTTPConnection | None = None

    @property
    def _host(self) -> str:
        return self._parts.netloc

    def send(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        target = f"{self._base}/admin/{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            return self._send(method, target, body, DRAIN_SECONDS if path == "drain" else self._seconds)
        except ssl.SSLCertVerificationError as exc:
            raise LeadsFault(f"the certificate of {self._host} is not valid: {exc.verify_message}") from None
        except ssl.SSLError:
            raise LeadsFault(f"{self._host} does not speak TLS as it should") from None
        except TimeoutError:
            raise LeadsFault(f"{self._host} does not answer") from None
        except ConnectionRefusedError:
            raise LeadsFault(f"nothing listens at {self._host}") from None
        except socket.gaierror:
            raise LeadsFault(f"there is no host {self._parts.hostname}") from None
        except (OSError, http.client.HTTPException) as exc:
            raise LeadsFault(f"the connection to {self._host} failed ({type(exc).__name__})") from None

    def _send(self, method: str, target: str, body: bytes, seconds: float) -> tuple[int, bytes]:
        kept = self._connection is not None
        try:
            return self._once(method, target, body, seconds)
        except _STALE:
            self.close()
            # Only a kept connection may have gone without a fault of anybody; only reading can safely be done again.
            if not kept or method != "GET":
                raise
            return self._once(method, target, body, seconds)
        except BaseException:
            self.close()
            raise

    def _once(self, method: str, target: str, body: bytes, seconds: float) -> tuple[int, bytes]:
        connection = self._connection = self._connection or self._connect()
        if connection.sock is None:
            connection.connect()
        connection.sock.settimeout(seconds)
        extra = {"Content-Type": "application/json"} if body else {}
        connection.request(method, target, body or (b"" if method == "POST" else None), {**self._headers, **extra})
        answer = connection.getresponse()
        if 300 <= answer.status < 400:
            raise LeadsFault(f"{self._host} answers with a redirect: give --url the address that it leads to", USAGE)
        text = answer.read(ANSWER_MAX + 1)
        if len(text) > ANSWER_MAX:
            raise LeadsFault(f"{self._host} answers with more than a handler would: check the address")
        if answer.will_close:
            self.close()
        return answer.status, text

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=self._seconds)
        return http.client.HTTPSConnection(host, port, timeout=self._seconds, context=ssl.create_default_context())

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def address(url: str) -> SplitResult:
    """A handler's base address, fit to be sent a token. Raises LeadsFault."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise LeadsFault("--url is not an address: it is to be like https://example.com/api", USAGE) from None
    if parts.scheme not in ("http", "https") or not host or not url.isascii() or not url.isprintable() or " " in url:
        raise LeadsFault("--url is to be like https://example.com/api", USAGE)
    if parts.username is not None or parts.query or parts.fragment:
        raise LeadsFault("--url is the handler's address alone: no user, no query, no fragment", USAGE)
    if parts.scheme == "http" and not _is_loopback(host):
        raise LeadsFault("a token is sent over https:// only, or over http:// to this machine", USAGE)
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _sound(token: str) -> str:
    if not token.isascii() or not token.isprintable() or " " in token:
        raise LeadsFault("the token has characters that no token has: was it copied whole?", USAGE)
    return token
