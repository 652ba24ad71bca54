"""Who may ask: the preview shows drafts and leads, so a page from elsewhere must not reach it through the browser.

Another site can point its own name at 127.0.0.1 (DNS rebinding) and then reads as if it were us: so the Host header is
checked. And any page can send requests here without reading the answer: so Origin and Sec-Fetch-Site are, too.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

OWN = "/_magnetgen"
"""Below it is what belongs to the preview and not to the site."""

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
WILDCARD = frozenset({"0.0.0.0", "::", ""})

RawHeaders = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Refusal:
    """status: 421 for a name that is not ours, 403 for a sender that is not."""

    status: int
    sentence: str


@dataclass(frozen=True)
class Guard:
    """host, port: where the server listens; with a wildcard address, every address and name of this machine is ours."""

    host: str
    port: int

    @property
    def wide(self) -> bool:
        """Whether others than this machine can reach the server."""
        return not is_loopback(self.host) and self.host != "localhost"

    def refusal(self, method: str, path: str, headers: RawHeaders) -> Refusal | None:
        """Why this request is not answered, or None."""
        host = _values(headers, b"host")
        if len(host) != 1 or not self.is_ours(host[0]):
            sentence = (
                f"This is a magnetgen site on its writer's machine. It answers to {self.names()}, and to no other name."
            )
            return Refusal(421, sentence)
        own = path == OWN or path.startswith(f"{OWN}/")
        if not own:
            return None  # pages are for anyone who may reach us; the form handler has rules of its own
        if any(site not in ("same-origin", "none") for site in _values(headers, b"sec-fetch-site")):
            return Refusal(403, "This page can only be opened from the pages beside it.")
        origins = _values(headers, b"origin")
        wanted = f"http://{host[0].lower()}"
        if any(origin.lower() != wanted for origin in origins) or (method not in ("GET", "HEAD") and not origins):
            return Refusal(403, "Only the pages beside it may ask for that.")
        return None

    def is_ours(self, given: str) -> bool:
        """Whether a Host header names this server. A port is only compared where nobody else can forward one to us."""
        name, port = split_host(given)
        if self.host in WILDCARD:
            return is_address(name) or name in LOOPBACK or name in machine_names()
        return name in LOOPBACK | {self.host.lower()} and port == self.port

    def names(self) -> str:
        return f"http://{bracketed(self.host if self.host not in WILDCARD else '127.0.0.1')}:{self.port}/"


def split_host(given: str) -> tuple[str, int | None]:
    """(name, port) of a Host header; ("", None) of what is none. An IPv6 address comes without its brackets."""
    text = given.strip().lower()
    if text.startswith("["):
        name, closed, rest = text[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            return "", None
        port = rest[1:]
    else:
        name, _, port = text.partition(":")
    if port and not (port.isascii() and port.isdigit() and len(port) < 6):
        return "", None
    return name, int(port) if port else 80


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def is_address(name: str) -> bool:
    """A number cannot be rebound: whoever is reached by it is who was asked for."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)


def machine_names() -> frozenset[str]:
    name = socket.gethostname().lower()
    return frozenset({name, f"{name.partition('.')[0]}.local"}) - {""}


def secured(headers: Sequence[tuple[bytes, bytes]], own: bool) -> list[tuple[bytes, bytes]]:
    """The headers of an answer, with those added that keep it to this origin. What the answer says itself stays."""
    has = {name.lower() for name, _ in headers}
    policy = b" ".join(value for name, value in headers if name.lower() == b"content-security-policy")
    wanted = {
        b"x-content-type-options": b"nosniff",
        b"cross-origin-resource-policy": b"same-origin",
        b"cache-control": b"no-store",
        b"referrer-policy": b"no-referrer" if own else b"strict-origin-when-cross-origin",
    }
    if b"frame-ancestors" not in policy:
        wanted[b"x-frame-options"] = b"DENY" if own else b"SAMEORIGIN"
    if own:
        wanted[b"content-security-policy"] = b"default-src 'none'; base-uri 'none'; frame-ancestors 'none'"
    return [*headers, *((name, value) for name, value in wanted.items() if name not in has)]


def _values(headers: RawHeaders, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in headers if name.lower() == wanted]
