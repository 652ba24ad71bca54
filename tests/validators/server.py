"""A static host for a built site, as strict as a deployed one: security headers, hashes of what is inline, no more."""

from __future__ import annotations

import base64
import gzip
import hashlib
import mimetypes
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.validators.sites import Built

_INLINE = re.compile(r"<(script|style)(?P<attrs>[^>]*)>(?P<text>.*?)</\1>", re.S)
MESSAGES = "/-messages/"
"""Where the handler's own pages are shown."""


@dataclass
class Host:
    """A site being served. posts: path and fields of every form that came in; csp: whether to send the policy."""

    site: Built
    origin: str = ""
    csp: bool = True
    posts: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)

    def url(self, path: str) -> str:
        """Of a page, by its path below the base."""
        return self.origin + (path if path.startswith("/") else self.site.prefix + path)


def policy(html: str) -> str:
    """The Content-Security-Policy of a page: nothing inline but what has its hash in it."""
    hashes: dict[str, set[str]] = {"script": set(), "style": set()}
    for match in _INLINE.finditer(html):
        if "ld+json" not in match["attrs"]:
            digest = hashlib.sha256(match["text"].encode()).digest()
            hashes[match[1]].add(f"'sha256-{base64.b64encode(digest).decode()}'")
    return (
        "default-src 'none'; img-src 'self' data:; media-src 'self'; connect-src 'self'; form-action 'self' https:; "
        f"script-src {' '.join(sorted(hashes['script'])) or chr(39) + 'none' + chr(39)}; "
        f"style-src {' '.join(sorted(hashes['style'])) or chr(39) + 'none' + chr(39)}; "
        "base-uri 'none'; frame-ancestors 'none'; object-src 'none'"
    )


@contextmanager
def hosting(site: Built) -> Iterator[Host]:
    host = Host(site)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def reply(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind + ("; charset=utf-8" if kind.startswith("text/") else ""))
            if kind == "text/html" and host.csp:
                self.send_header("Content-Security-Policy", policy(body.decode()))
            if kind.startswith("text/") and "gzip" in self.headers.get("Accept-Encoding", ""):
                body = gzip.compress(body, 6, mtime=0)
                self.send_header("Content-Encoding", "gzip")
            if not kind.startswith("text/"):
                self.send_header("Cache-Control", "public, max-age=31536000, immutable")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Referrer-Policy", "strict-origin-when-cross-origin")
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            if path.startswith(MESSAGES):
                return self.reply(200, site.messages[path.removeprefix(MESSAGES)].encode(), "text/html")
            below = path.removeprefix(site.prefix) if path.startswith(site.prefix) else "\0"
            file = site.out / (below + "index.html" if below == "" or below.endswith("/") else below)
            if "\0" in below or not file.is_file():
                return self.reply(404, (site.out / "404.html").read_bytes(), "text/html")
            return self.reply(200, file.read_bytes(), mimetypes.guess_type(file.name)[0] or "application/octet-stream")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            host.posts.append((self.path, parse_qsl(body, keep_blank_values=True, strict_parsing=True)))
            self.reply(200, b"<!doctype html><html lang=en><title>Taken</title><h1>Taken</h1>", "text/html")

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    host.origin = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
