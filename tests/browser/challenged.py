"""A built site whose forms have challenges, and the real handler of these forms, on one origin as in production."""

from __future__ import annotations

import mimetypes
import socket
import threading
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from magnetgen.forms import runtime
from magnetgen.forms.asgi import App, Receive, Send
from tests.conftest import Site, page
from tests.validators.server import policy

SECRETS = {"MAGNETGEN_SECRETS": "k1:" + "0a" * 32, "MAGNETGEN_EMAIL_KEY": "0b" * 32, "TURNSTILE_SECRET": "hush"}
TURNSTILE_ORIGIN = "https://challenges.cloudflare.com"
PROOF, TURNSTILE = "proof-of-work", "{kind: turnstile, sitekey: 1x00AA, secret_env: TURNSTILE_SECRET}"


@dataclass(frozen=True)
class Served:
    """What is served: `origin`, the site, and the handler behind it."""

    origin: str
    site: Site
    runtime: runtime.Runtime

    def rows(self, table: str) -> list[Any]:
        return list(self.runtime.store.dump()[table])


def declare(site: Site, challenge: str = PROOF, name: str = "guide", more: str = "") -> None:
    """A form with a challenge (none: empty), and its page."""
    asked = f"challenge: {challenge}\n" if challenge else ""
    text = f"---\ntitle: Get the guide\nfields: [email, first_name?]\nbutton: Send me the guide\nmin_seconds: 0\n{asked}{more}---\nIt is on its way.\n"
    site.write(f"content/forms/{name}.md", text)


@contextmanager
def serving(root: Path, challenge: str = PROOF, env: dict[str, str] | None = None, more: str = "") -> Iterator[Served]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    site, origin = Site(root), f"http://127.0.0.1:{port}"
    site.write("magnetgen.yaml", f"title: Lead Lab\nbase_url: {origin}/\ndescription: {'Notes on leads. ' * 6}\n")
    declare(site, challenge, more=more)
    site.write("content/plain.md", page("Words.", title="Without a form", description="y" * 80))
    site.write(
        "content/twice.md",
        page("![](form:guide)\n\nAnd again:\n\n![](form:guide)", title="Twice", description="x" * 80),
    )
    site.ok()
    handler = App(runtime.from_env(root, {**SECRETS, **(env or {})}))

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith("/api/"):
            await _static(root / "public", scope["path"], send)
        else:
            await handler(scope, receive, send)

    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", access_log=False, proxy_headers=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield Served(origin, site, handler.runtime)
    finally:
        server.should_exit = True
        thread.join(20)


async def _static(out: Path, path: str, send: Send) -> None:
    file = out / (path.lstrip("/") + ("index.html" if path.endswith("/") else ""))
    found = file.is_file()
    body = (file if found else out / "404.html").read_bytes()
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    headers = [(b"content-type", f"{kind}; charset=utf-8".encode())]
    if kind == "text/html":
        text = policy(body.decode())
        if TURNSTILE_ORIGIN in body.decode():
            text = text.replace("script-src", f"frame-src {TURNSTILE_ORIGIN}; script-src {TURNSTILE_ORIGIN}")
        headers.append((b"content-security-policy", text.encode()))
    await send({"type": "http.response.start", "status": 200 if found else 404, "headers": headers})
    await send({"type": "http.response.body", "body": body})
