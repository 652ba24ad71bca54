"""The lead inbox: what its pages show and what their buttons do, over the preview's store or a real one."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from magnetgen.forms import files, http, rules, site
from magnetgen.forms.http import Context
from magnetgen.forms.outbox import Deliverer
from magnetgen.forms.records import Changes, Lead, Load, Submission
from magnetgen.forms.site import Site, SiteFault
from magnetgen.forms.store import Store, open_store
from magnetgen.forms.tokens import Keys
from magnetgen.preview import mailbox
from magnetgen.preview.deliveries import Rehearsal, Stage
from magnetgen.preview.guard import Guard
from magnetgen.preview.mailbox import Shelf

START = "/_magnetgen/leads"
_NO_KEYS = Keys({}, b"")


@dataclass(frozen=True)
class Desk:
    """What the pages are about.

    `mails`, `requests`: what was captured, in the preview only; `stage`, `deliverer`: where this process delivers
    itself; `elsewhere`: where the site's forms go, if not to the preview; `rehearsal`: these leads are not real.
    """

    store: Store
    site: Callable[[], Site]
    mails: Shelf | None = None
    requests: Shelf | None = None
    stage: Stage | None = None
    deliverer: Callable[[], Deliverer] | None = None
    elsewhere: Callable[[], str] = lambda: ""
    counts: Callable[[], dict[str, int]] = dict
    clock: Callable[[], float] = time.time
    rehearsal: bool = True
    home: str = ""

    @property
    def now(self) -> int:
        return int(self.clock() * 1000)

    def lead(self, id: str) -> Lead | None:
        return self.store.find_lead(id)

    def code(self, lead: Lead) -> str:
        """The single-use code that a lead has of what its form gives."""
        magnet = self.site().magnet_of(self.site().forms.get(lead.form))
        return self.store.codes((lead.id,)).get(lead.id, {}).get(magnet.name, "") if magnet and magnet.codes else ""

    def submission(self, id: str) -> Submission | None:
        found: Submission | None = self.store.submit(
            Load(submission=id), lambda snapshot: Changes(answer=snapshot.submission)
        ).result()
        return found

    def release(self, id: str) -> bool:
        """A held or quarantined submission becomes a lead; False if it cannot."""
        outcome: rules.Outcome = self.store.submit(*rules.release(self._context(), id)).result()
        self._deliver()
        return not outcome.fault

    def forget(self, email_key: str) -> None:
        """Erase all of an address. In the preview it is then as if it had never been there."""
        mine = {row["id"] for row in self.store.person(email_key)["deliveries"]}
        self.store.submit(*rules.erase(self._context(), email_key)).result()
        if self.rehearsal:
            self.store.submit(Load(), lambda _: Changes(release=email_key)).result()
        for shelf in (self.mails, self.requests):
            if shelf:
                shelf.forget(mine)
        self._deliver()

    def retry(self, id: str, dest: str) -> bool:
        """Send a delivery once more, at once where this process delivers; False if there is nothing to send."""
        if not self.store.retry(id, self.now):
            return False
        self._deliver(dest)
        return True

    def drain(self) -> None:
        self._deliver()

    def switch(self, dest: str, failure: str) -> bool:
        """Let a destination fail, or work again; False for what is no failure."""
        done = bool(self.stage) and self.stage.switch(dest, failure)  # type: ignore[union-attr]
        if done and not failure:
            self._deliver(dest)
        return done

    def _deliver(self, dest: str = "") -> None:
        if not self.deliverer:
            return
        deliverer = self.deliverer()
        if dest and isinstance(deliverer, Rehearsal):
            deliverer.forgive(dest)
        deliverer.drain()

    def _context(self) -> Context:
        return Context(self.site(), _NO_KEYS, http.Request("POST", ""), self.clock(), secrets.token_bytes)


def same_origin(request: Request) -> bool:
    """Whether a POST comes from a page of this server. Its Host must have been checked before."""
    own = f"{request.url.scheme}://{request.headers.get('host', '')}"
    return request.headers.get("origin") == own and request.headers.get("sec-fetch-site") in (None, "same-origin")


def routes(desk: Desk) -> list[BaseRoute]:
    """The pages of a desk, by their whole paths: `/_magnetgen/leads`, …"""
    from magnetgen.preview.inbox_pages import Pages

    return Pages(desk).routes()


def inbox_app(root: Path, store_url: str | None, guard: Guard) -> Starlette:
    """The inbox alone. `store_url`: a real store (`sqlite:///…`); without it, the preview's. Raises SiteFault, OSError.

    To be served on this machine only: it asks nobody who they are. `guard`: which addresses are its own.
    """
    names = files.of(preview=store_url is None)
    known = _site_of(files.path(root, names.forms))
    if store_url is None:
        store = open_store(files.store_url(root, names))
        desk = Desk(store, lambda: known, mailbox.mails(root), mailbox.requests(root), home=START)
    else:
        store = open_store(store_url)
        desk = Desk(store, lambda: known, rehearsal=False, home=START)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(store.close)

    start = Route("/", lambda _: RedirectResponse(START, 303))
    app = Starlette(routes=[start, *routes(desk)], lifespan=lifespan)
    app.add_middleware(Guarded, guard=guard)
    return app


class Guarded:
    """Refuses what the guard does not let through: a page elsewhere whose name was made to lead here, and the like."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app, self._guard = app, guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (
            refusal := self._guard.refusal(scope["method"], scope["path"], scope["headers"])
        ):
            refused: Response = PlainTextResponse(refusal.sentence + "\n", refusal.status)
            await refused(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _site_of(compiled: Path) -> Site:
    """The site as it was built last; one without forms where that cannot be read."""
    try:
        return site.load(compiled.read_bytes())
    except (OSError, SiteFault):
        return Site("", "", frozenset(), title=compiled.absolute().parents[1].name)
