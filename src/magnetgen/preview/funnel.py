"""The preview's funnel: the real form handler over a store of its own. Nothing that it sends leaves the machine."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import MutableMapping, Sequence
from dataclasses import replace
from email.utils import formataddr
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from magnetgen import config, yamldoc
from magnetgen.forms import files, runtime, settings, site, tokens
from magnetgen.forms.asgi import App
from magnetgen.forms.records import Count
from magnetgen.forms.runtime import Runtime
from magnetgen.forms.site import Site
from magnetgen.forms.store.connection import Connection
from magnetgen.forms.store.sqlite import SqliteStore
from magnetgen.forms.tokens import Keys
from magnetgen.preview import deliveries, inbox, mailbox
from magnetgen.preview.deliveries import Rehearsal, Stage
from magnetgen.preview.inbox import Desk

SENDER = "leads@preview.invalid"


class PreviewStore(SqliteStore):
    """The store of a rehearsal: nobody is counted."""

    def rate(self, counts: Sequence[Count], now: int) -> list[int]:
        # Who tries a form sends it more than five times a minute.
        return [0] * len(counts)

    def counts(self) -> dict[str, int]:
        """Leads, held submissions, dead deliveries."""
        found: dict[str, int] = self._read(_counts)
        return found


def _counts(connection: Connection) -> dict[str, int]:
    queries = {
        "leads": "SELECT count(*) FROM lead",
        "held": "SELECT count(*) FROM submission WHERE status='held'",
        "dead": "SELECT count(*) FROM outbox WHERE state='dead' AND last_code NOT IN ('cancelled','erased')",
    }
    return {name: connection.execute(query).fetchone()[0] for name, query in queries.items()}


class Funnel:
    """The real handler under /api with its leads, captured mails and deliveries.

    `base_url`: the preview's own address, path included. `api` takes whole request paths; `prefix` is where it is to be
    mounted, empty before the first good build and where the site's forms go elsewhere.
    """

    def __init__(self, root: Path, base_url: str) -> None:
        """Opens the store. Raises SiteFault, OSError."""
        self._root = root
        self._base_url = base_url
        self._origins = _origins(base_url)
        self._keys = _keys(root)
        self._store = PreviewStore(files.path(root, files.PREVIEW.store))
        self._stage = Stage(mailbox.mails(root), mailbox.requests(root), time.time)
        self._elsewhere = ""
        self._lifespan: asyncio.Task[None] | None = None
        self._events: asyncio.Queue[str] = asyncio.Queue()
        empty = Site(base_url, base_url.rstrip("/"), self._origins)
        built = self._build(empty)
        self._deliverer = Rehearsal.of(built.deliverer)
        self._app = App(replace(built, deliverer=self._deliverer))
        self.prefix = ""
        self.api: ASGIApp = self._answer
        self._desk = Desk(
            store=self._store,
            site=lambda: self._app.runtime.site,
            mails=self._stage.mails,
            requests=self._stage.requests,
            stage=self._stage,
            deliverer=lambda: self._deliverer,
            elsewhere=lambda: self._elsewhere,
            counts=self.counts,
            home=base_url,
        )

    def routes(self) -> list[BaseRoute]:
        """The pages' routes, by their whole paths: `/_magnetgen/leads`, `/mail`, `/deliveries`, `/inbox` for their files."""
        return inbox.routes(self._desk)

    def counts(self) -> dict[str, int]:
        """How many leads, captured mails, held submissions and dead deliveries there are."""
        return {**self._store.counts(), "mails": len(self._stage.mails.names())}

    def use(self, forms: bytes) -> None:
        """Go on with a new forms.json; requests under way end with the old one. Raises SiteFault, and keeps the old."""
        if not forms:
            return
        given = site.load(forms)
        built = self._build(self._rehearsed(given))
        self._deliverer.adopt(built.deliverer)
        self._app.runtime = replace(built, deliverer=self._deliverer)
        self._elsewhere = self._where(given)
        self.prefix = "" if self._elsewhere else given.prefix

    async def start(self) -> None:
        """Begin to deliver in the background."""
        started = asyncio.Event()
        self._events = asyncio.Queue()
        self._lifespan = asyncio.create_task(self._live(started))
        self._events.put_nowait("lifespan.startup")
        await started.wait()

    async def stop(self) -> None:
        """End what is under way, and close the store."""
        if self._lifespan:
            self._events.put_nowait("lifespan.shutdown")
            await self._lifespan
            self._lifespan = None
        else:
            await asyncio.to_thread(self._app.runtime.close)

    async def _live(self, started: asyncio.Event) -> None:
        async def receive() -> MutableMapping[str, Any]:
            return {"type": await self._events.get()}

        async def send(message: MutableMapping[str, Any]) -> None:
            started.set()

        await self._app({"type": "lifespan"}, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, from its beginning to its end with the same runtime."""
        if scope["type"] != "http":
            return
        await App(self._app.runtime, background=False)(scope, receive, send)
        if scope["method"] == "POST":
            self._app.kick()

    def _build(self, known: Site) -> Runtime:
        sender = formataddr((" ".join(known.title.split()) or "Preview", SENDER))
        hooks, stage, no_env = deliveries.hooks(known), self._stage, dict[str, str]()
        return runtime.build(self._root, known, self._keys, self._store, stage, stage, hooks, no_env, sender)

    def _rehearsed(self, given: Site) -> Site:
        """The site as it is tried out: from this machine's names, and without asking a third party about visitors."""
        forms = {name: replace(form, challenge=None) for name, form in given.forms.items()}
        return replace(given, origins=given.origins | self._origins, forms=forms)

    def _where(self, given: Site) -> str:
        """Where the forms go, if not here: the provider's name, or an address."""
        provider, url = _handler(self._root)
        if provider == "netlify-forms":
            return "Netlify Forms"
        if provider == "external":
            return url
        return "" if given.own_origin in self._origins else given.public_url


def _origins(base_url: str) -> frozenset[str]:
    """The names that a browser on this machine may have the preview under."""
    parts = urlsplit(base_url)
    port = f":{parts.port}" if parts.port else ""
    names = ("127.0.0.1", "localhost", "[::1]")
    return frozenset({site.origin(base_url), *(f"{parts.scheme}://{name}{port}" for name in names)})


def _handler(root: Path) -> tuple[str, str]:
    """The handler's provider and address, as magnetgen.yaml has them."""
    try:
        found = config.load(root)[0].handler
    except (yamldoc.Fault, OSError):
        return "magnetgen", ""  # forms.json is what counts
    return found.provider, found.url


def _keys(root: Path) -> Keys:
    """The preview's own keys, made once."""
    ignore = root / ".magnetgen" / ".gitignore"
    if not ignore.is_file():
        ignore.parent.mkdir(parents=True, exist_ok=True)
        ignore.write_bytes(b"*\n")
    with contextlib.suppress(FileExistsError):
        settings.save(root, settings.as_lines(tokens.make_secrets()), files.PREVIEW)
    return tokens.parse_keys(settings.missing(root, {}, files.PREVIEW))
