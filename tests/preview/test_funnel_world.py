"""A built site with the preview's funnel behind a real server, for the tests beside this file."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from magnetgen.build import build
from magnetgen.preview.funnel import Funnel
from magnetgen.state import Options
from tests.conftest import SETTINGS, Site, page

HANDLER = """handler:
  destinations:
    - {name: crm, kind: webhook, url_env: CRM_URL, secret_env: CRM_SECRET}
    - {name: team, kind: slack, url_env: TEAM_URL}
"""
FORMS = {
    "letters": "title: Letters\nfields: [email, first_name?, message?]\n"
    "consent: [{name: letters, text: Send me letters., required: true}]\nmin_seconds: 2\n",
    "guide": "title: Get the guide\nfields: [email, first_name?]\ndouble_opt_in: true\nmagnet: guide\n"
    'notify: [crm, "email:sales@example.com"]\n',
}
GUIDE = b"The guide itself.\n"


def write_site(root: Path, settings: str = SETTINGS + HANDLER, forms: Mapping[str, str] = FORMS) -> Site:
    """A site with a page for each form, and a lead magnet."""
    site = Site(root)
    site.write("magnetgen.yaml", settings)
    for name, front in forms.items():
        site.write(f"content/forms/{name}.md", f"---\n{front}---\n\nThank you.\n")
        site.write(f"content/{name}-page.md", page(title=f"All about {name}", form=name, layout="landing"))
    site.write("content/magnets/guide.txt", GUIDE)
    return site


def compiled(root: Path, base_url: str) -> bytes:
    """Build for the preview's address; its forms.json."""
    result = build(root, Options(base_url=base_url, jobs=1))
    assert not result.failed, result.diagnostics
    return (root / ".magnetgen" / "forms.json").read_bytes()


class Answer:
    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self.body = answer.read()

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def location(self) -> str:
        return self.headers["location"]


class World:
    """What a browser or a script may ask of the served preview. `origin`: its scheme and host."""

    def __init__(self, site: Site, funnel: Funnel, port: int) -> None:
        self.site = site
        self.funnel = funnel
        self.port = port
        self.origin = f"http://127.0.0.1:{port}"

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path: str) -> str:
        found = self.ask("GET", path)
        assert found.status == 200, (path, found.status, found.text[:500])
        return found.text

    def submit(self, form: str, **fields: str) -> Answer:
        """What a page's form sends, half a minute after loading."""
        body = urlencode({"_mg_t": "30000", **fields})
        kind = {"content_type": "application/x-www-form-urlencoded", "origin": self.origin}
        return self.ask("POST", f"{self.funnel.prefix}/forms/{form}", body, accept="text/html", **kind)

    def press(self, path: str, **fields: str) -> Answer:
        """A button of the inbox."""
        kind = {"content_type": "application/x-www-form-urlencoded", "origin": self.origin}
        return self.ask("POST", f"/_magnetgen{path}", urlencode(fields), **kind)

    def post(self, url: str) -> Answer:
        """The button of a page behind a mail's link."""
        return self.ask("POST", urlsplit(url).path, "", origin=self.origin)

    def mails(self, kind: str = "") -> list[str]:
        """Sources of captured mails, newest first, whose subject or body has these words."""
        folder = self.site.root / ".magnetgen" / "preview-mail"
        files = sorted(folder.glob("*.eml"), reverse=True)
        return [text for text in (file.read_text("utf-8") for file in files) if kind in text]

    def link(self, kind: str) -> str:
        """The newest captured link to confirm, download or unsubscribe."""
        pattern = re.compile(rf"http://\S+?/{kind}/[\w.-]+")
        # Long lines are broken in transport.
        found = self.until(lambda: [m for text in self.mails() for m in pattern.findall(text.replace("=\n", ""))])
        return str(found[0])

    def person(self, email: str) -> dict[str, Any]:
        """The lead with this address, by way of the inbox's list."""
        text = self.get("/_magnetgen/leads")
        found = re.search(rf'/leads/([0-9a-f]{{32}})"><bdi>{re.escape(email)}<', text)
        assert found, text
        return {"id": found[1], "page": f"/_magnetgen/leads/{found[1]}"}

    def until(self, look: Callable[[], Any], what: str = "it") -> Any:
        """What `look` finds, as soon as that is something."""
        ends = time.monotonic() + 20
        while time.monotonic() < ends:
            if found := look():
                return found
            time.sleep(0.02)
        raise AssertionError(f"{what} did not come")

    def settled(self) -> None:
        """Wait until nothing is to be sent any more at once."""
        self.until(lambda: "Waiting" not in (t := self.get("/_magnetgen/deliveries")) and "On its way" not in t)


def application(funnel: Funnel, files: Path) -> Any:
    """What the preview's server makes of a funnel, without all else that it does."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await funnel.start()
        yield
        await funnel.stop()

    static = Mount(funnel.prefix.removesuffix("/api") or "/", StaticFiles(directory=files, html=True))
    inner = Starlette(routes=[*funnel.routes(), static], lifespan=lifespan)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and funnel.prefix and scope["path"].startswith(f"{funnel.prefix}/"):
            await funnel.api(scope, receive, send)
        else:
            await inner(scope, receive, send)

    return app


@contextmanager
def served(site: Site, path: str = "/") -> Iterator[World]:
    """The site's funnel behind uvicorn. `path`: of the preview's base_url."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        base_url = f"http://127.0.0.1:{port}{path}"
        funnel = Funnel(site.root, base_url)
        funnel.use(compiled(site.root, base_url))
        with running(application(funnel, site.root / "public"), listening):
            yield World(site, funnel, port)


@contextmanager
def running(app: Any, listening: socket.socket) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        thread.join(20)


def request(headers: Mapping[str, str], path: str, method: str = "POST") -> dict[str, Any]:
    """An ASGI scope."""
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": method, "path": path, "query_string": b"", "headers": raw,
            "client": ("127.0.0.1", 1), "scheme": "http"}  # fmt: skip


async def call(app: Any, scope: dict[str, Any], *bodies: bytes, before_last: Callable[[], None] | None = None) -> Any:
    """One request in this process: (status, headers, body). `before_last`: done while the body is still coming."""
    left, sent = list(bodies) or [b""], list[Any]()

    async def receive() -> dict[str, Any]:
        if len(left) == 1 and before_last:
            before_last()
        body = left.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:])


def form_headers(origin: str) -> dict[str, str]:
    return {"content-type": "application/x-www-form-urlencoded", "origin": origin, "accept": "text/html"}


def loads(text: str) -> Any:
    return json.loads(text)
