"""A host on this machine: static files as Netlify and Cloudflare serve them, and the real handler behind /api."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from magnetgen.forms import aws, runtime, tokens
from magnetgen.forms import site as sites
from magnetgen.forms.http import Request
from magnetgen.forms.mail import Sent
from magnetgen.forms.store.sqlite import SqliteStore
from magnetgen.forms.webhooks import Hook

Answer = tuple[int, dict[str, str], bytes]
Meddler = Callable[[str, str, Answer], Answer]
"""(method, path, what would be answered) → what is answered."""


class Live(ThreadingHTTPServer):
    """`keys`: the handler's; `mails`: what it sent; `outcome`: what its mail provider says; `meddle`: faults of a host."""

    daemon_threads = True

    def __init__(self, root: Path, port: int) -> None:
        self.root, self.out = root, root / "public"
        self.env = tokens.make_secrets()
        self.seen: list[tuple[str, str]] = []
        super().__init__(("127.0.0.1", port), _Handler)
        self._runtime: runtime.Runtime | None = None
        self.begin()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def begin(self, **env: str) -> None:
        """A handler with an empty store, as the last build declares it."""
        if self._runtime:
            self._runtime.close()
        for old in self.root.glob("live*.sqlite3*"):
            old.unlink()
        self.mails: list[EmailMessage] = []
        self.hooked: list[bytes] = []
        self.seen.clear()
        self.outcome = Sent(True, "200")
        self.meddle: Meddler = lambda method, path, answer: answer
        site = sites.load((self.root / ".magnetgen" / "forms.json").read_bytes())
        store = SqliteStore(self.root / "live.sqlite3")
        keys = tokens.parse_keys({**self.env, **env})
        hooks = {name: Hook("https://crm.example/", b"secret") for name in site.destinations}
        self._runtime = runtime.build(self.root, site, keys, store, self, self, hooks, env, "Lab <lab@site.example>")

    @property
    def runtime(self) -> runtime.Runtime:
        assert self._runtime
        return self._runtime

    def rows(self, table: str) -> list[Any]:
        return list(self.runtime.store.dump()[table])

    # What the handler sends with

    def send(self, message: EmailMessage) -> Sent:
        if self.outcome.ok:
            self.mails.append(message)
        return self.outcome

    def post(self, url: str, headers: Mapping[str, str], body: bytes, method: str = "POST") -> Sent:
        self.hooked.append(body)
        return Sent(True, "200")

    def close(self) -> None: ...

    # What is served

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        plain, _, query = path.partition("?")
        if plain.startswith("/api/"):
            return self._handle(Request(method, plain, headers, body, query, "127.0.0.1", "r1"))
        file = self.out / plain.lstrip("/")
        file = file / "index.html" if file.is_dir() else file
        if not file.is_file():
            return 404, {**self._headers(), "content-type": "text/html"}, (self.out / "404.html").read_bytes()
        return 200, {**self._headers(), "content-type": "text/html"}, file.read_bytes()

    def _handle(self, request: Request) -> Answer:
        response = self.runtime.answer(request)
        if request.method == "POST":
            for started in self.runtime.deliverer.start():
                started.result(10)
        result = aws.as_result(response, aws._reader(self.runtime), request.method)
        body = result["body"]
        return (
            result["statusCode"],
            result["headers"],
            base64.b64decode(body) if result["isBase64Encoded"] else body.encode(),
        )

    def _headers(self) -> dict[str, str]:
        lines = (self.out / "_headers").read_text().splitlines() if (self.out / "_headers").is_file() else []
        found, rule = {}, ""
        for line in lines:
            if line[:1] not in (" ", "#", ""):
                rule = line
            elif rule == "/*" and ":" in line:
                name, _, value = line.strip().partition(":")
                found[name] = value.strip()
        return found

    def server_close(self) -> None:
        super().server_close()
        self.runtime.close()


class _Handler(BaseHTTPRequestHandler):
    server: Live

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.seen.append((self.command, self.path))
        headers = {name.lower(): value for name, value in self.headers.items()}
        made = self.server.answer(self.command, self.path, headers, body)
        status, sent, raw = self.server.meddle(self.command, self.path, made)
        self.send_response_only(status)
        for name, value in {**sent, "content-length": str(len(raw))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = do_OPTIONS = do_HEAD = _answer  # noqa: N815

    def log_message(self, *args: Any) -> None: ...


@contextmanager
def serving(root: Path, port: int) -> Iterator[Live]:
    live = Live(root, port)
    thread = threading.Thread(target=live.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield live
    finally:
        live.shutdown()
        live.server_close()
        thread.join()
