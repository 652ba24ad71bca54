"""Asking a live site: one request, no redirect followed, every failure a sentence."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import quote, urlsplit

from magnetgen import __version__
from magnetgen.deploy.steps import BROKEN, DeployFault

SECONDS = 30.0
BODY_MAX = 64 << 20
_SAFE = "".join(map(chr, range(0x21, 0x7F)))


class Unreachable(DeployFault):
    """Nobody answers there, or not in HTTP."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "check the address and the network, then run this again with --verify-only", BROKEN)


@dataclass(frozen=True)
class Answer:
    """`headers` have lower-case names; several of one name are joined by `, `. `sha256`: of the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    sha256: str
    size: int


def ask(
    method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b"", seconds: float = SECONDS
) -> Answer:
    """Send a request. Raises Unreachable. Of a large body only the digest is kept."""
    parts = urlsplit(url)
    host = parts.netloc
    target = quote(parts.path or "/", safe=_SAFE) + (f"?{parts.query}" if parts.query else "")
    sent = {"User-Agent": f"magnetgen/{__version__}", "Accept": "*/*", "Cache-Control": "no-cache", **(headers or {})}
    connection = _connect(parts.scheme, parts.hostname or "", parts.port, seconds)
    try:
        connection.request(method, target, body or (b"" if method == "POST" else None), sent)
        answer = connection.getresponse()
        digest, kept, size = sha256(), b"", 0
        while chunk := answer.read(1 << 16):
            digest.update(chunk)
            size += len(chunk)
            kept = kept + chunk if size <= BODY_MAX else kept
        named: dict[str, str] = {}
        for name, value in answer.getheaders():
            key = name.lower()
            named[key] = f"{named[key]}, {value}" if key in named else value
        return Answer(answer.status, named, kept, digest.hexdigest(), size)
    except ssl.SSLCertVerificationError as exc:
        raise Unreachable(f"the certificate of {host} is not valid: {exc.verify_message}") from None
    except ssl.SSLError:
        raise Unreachable(f"{host} does not speak TLS as it should") from None
    except TimeoutError:
        raise Unreachable(f"{host} does not answer") from None
    except ConnectionRefusedError:
        raise Unreachable(f"nothing listens at {host}") from None
    except socket.gaierror:
        raise Unreachable(f"there is no host {parts.hostname}, or no network") from None
    except (OSError, http.client.HTTPException) as exc:
        raise Unreachable(f"the connection to {host} failed ({type(exc).__name__})") from None
    finally:
        connection.close()


def _connect(scheme: str, host: str, port: int | None, seconds: float) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=seconds)
    return http.client.HTTPSConnection(host, port, timeout=seconds, context=ssl.create_default_context())
