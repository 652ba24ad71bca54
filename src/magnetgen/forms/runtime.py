"""One handler at work: the core's requests answered by a store, a clock, a network. Hosts are thin around it."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from magnetgen.forms import (
    challenge,
    destinations,
    effects,
    files,
    handler,
    held,
    links,
    log,
    mail,
    mail_api,
    s3,
    webhooks,
)
from magnetgen.forms import site as sites
from magnetgen.forms.effects import Effect
from magnetgen.forms.http import Context, Request, Response
from magnetgen.forms.mail import Composer, Transport
from magnetgen.forms.outbox import Deliverer
from magnetgen.forms.site import Asset, Site, SiteFault
from magnetgen.forms.store import Store, StoreUnavailable, open_store
from magnetgen.forms.tokens import Keys, parse_keys
from magnetgen.forms.webhooks import Poster, Ready

Clock = Callable[[], float]


@dataclass(frozen=True)
class Runtime:
    """All that answers the core.

    `root`: the site's folder; `proxies`: how many of them are trusted; `drain_seconds`: for how long a drain begins
    with more.
    """

    site: Site
    keys: Keys
    store: Store
    deliverer: Deliverer
    root: Path
    clock: Clock = time.time
    random: Callable[[int], bytes] = secrets.token_bytes
    verifier: challenge.Verifier = field(default_factory=challenge.from_env)
    proxies: int = 0
    bucket: s3.Bucket | None = None
    drain_seconds: float = math.inf
    notes: set[Future[Any]] = field(default_factory=set)  # that no request waits for, and are on their way

    def answer(self, request: Request) -> Response:
        """Run the core to its end, in this thread."""
        ctx, steps = self._begin(request)
        try:
            step = next(steps)
            while True:
                try:
                    given = self._perform(step)
                except StoreUnavailable as exc:
                    log.event("store_unavailable", request=request.id, reason=str(exc))
                    step = steps.throw(exc)
                else:
                    step = steps.send(given)
        except StopIteration as done:
            return _logged(ctx, done.value)
        except Exception as exc:
            return _broken(ctx, exc)

    async def answer_async(self, request: Request) -> Response:
        """The same, with the waiting left to the event loop."""
        ctx, steps = self._begin(request)
        try:
            step = next(steps)
            while True:
                try:
                    given = await self._perform_async(step)
                except StoreUnavailable as exc:
                    log.event("store_unavailable", request=request.id, reason=str(exc))
                    step = steps.throw(exc)
                else:
                    step = steps.send(given)
        except StopIteration as done:
            return _logged(ctx, done.value)
        except Exception as exc:
            return _broken(ctx, exc)

    def _begin(self, request: Request) -> tuple[Context, effects.Steps]:
        ctx = Context(self.site, self.keys, request, self.clock(), self.random)
        return ctx, handler.handle(ctx)

    async def _perform_async(self, step: Effect) -> Any:
        if isinstance(step, effects.Transact):
            # Not cancelled with its client: what was begun is finished.
            return await asyncio.shield(asyncio.wrap_future(self.store.submit(step.load, step.decide)))
        if isinstance(step, effects.Note):
            self._note(step)
            return None
        if isinstance(step, effects.Rate) and self.store.counts_at_once:
            return self._perform(step)
        return await asyncio.to_thread(self._perform, step)

    def _note(self, step: effects.Note) -> Future[Any]:
        future = self.store.submit(step.load, step.decide)
        self.notes.add(future)
        future.add_done_callback(self._noted)
        return future

    def _noted(self, future: Future[Any]) -> None:
        self.notes.discard(future)
        if not future.cancelled() and (fault := future.exception()):
            log.event("not_noted", reason=type(fault).__name__)

    def _perform(self, step: Effect) -> Any:
        store, ms = self.store, int(self.clock() * 1000)
        match step:
            case effects.Transact():
                return store.submit(step.load, step.decide).result()
            case effects.Note():
                # Who has no event loop may be frozen once it has answered: what it began is finished before.
                with contextlib.suppress(StoreUnavailable):
                    self._note(step).result()
                return None
            case effects.Rate():
                return store.rate(step.counts, ms)
            case effects.Verify():
                return self.verifier.verify(step.challenge, step.answer, step.once)
            case effects.FindLead():
                return store.find_lead(step.id)
            case effects.FindCodes():
                return store.codes(step.leads)
            case effects.FindPerson():
                return store.person(step.email_key)
            case effects.ListLeads():
                return store.leads(step.query)
            case effects.ListSubmissions():
                return store.submissions(step.query)
            case effects.ListOutbox():
                return store.outbox(step.state, step.limit)
            case effects.Retry():
                return store.retry(step.id, ms)
            case effects.Drain():
                return self.drain()
            case effects.Probe():
                return store.probe(ms)
            case effects.Locate():
                return self.locate(step.asset)

    def drain(self, seconds: float | None = None) -> dict[str, int]:
        """Send what is due, and ask again about what nobody could judge; beside it, remove what has served its time."""
        until = self.clock() + (self.drain_seconds if seconds is None else seconds)
        # Beside each other: neither what cannot be removed nor how much it is keeps a mail waiting.
        with ThreadPoolExecutor(1) as beside:
            purge = beside.submit(self.store.purge, int(self.clock() * 1000))
            done = self.deliverer.drain(until - self.clock())
            if self.review(until - self.clock()):
                more = self.deliverer.drain(until - self.clock())
                done = {name: count + more[name] for name, count in done.items()}
        purge.result()
        return done

    def review(self, seconds: float = math.inf) -> int:
        """Ask again about submissions whose challenge nobody could judge → how many were released."""
        return held.review(self.store, self.verifier, self._context, seconds)

    def _context(self) -> Context:
        return Context(self.site, self.keys, Request("POST", ""), self.clock(), self.random)

    def locate(self, asset: Asset) -> int | str | None:
        """An asset's address in a bucket, or its size where it lies below the site's folder."""
        if asset.key:
            return self._address(self.bucket, asset) if self.bucket else None
        path = self.asset_path(asset)
        try:
            return path.stat().st_size if path and path.is_file() else None
        except OSError:
            return None

    def _address(self, bucket: s3.Bucket, asset: Asset) -> str:
        named, kind = links.disposition(asset.filename), links.media_type(asset.filename)
        return bucket.address(asset.key, named, kind, self.clock())

    def asset_path(self, asset: Asset) -> Path | None:
        """The file, if it really lies in content/magnets/ or .magnetgen/: whatever forms.json says."""
        path = (self.root / asset.file).resolve()
        folders = [(self.root / name).resolve() for name in ("content/magnets", ".magnetgen")]
        return path if any(path.is_relative_to(folder) for folder in folders) else None

    def close(self) -> None:
        self.deliverer.close()
        self.store.close()


def _logged(ctx: Context, response: Response) -> Response:
    request = ctx.request
    # The route only: what follows it may be a token.
    kind = request.path.removeprefix(ctx.site.prefix).split("/")[1:2]
    known = {"forms", "confirm", "unsubscribe", "download", "admin", "healthz", "readyz"}
    route = kind[0] if kind and kind[0] in known else "other"
    method = request.method if request.method in ("GET", "HEAD", "POST", "OPTIONS") else "other"
    log.event("request", id=request.id, method=method, route=route, status=response.status, code=response.code or None)
    return response


def _broken(ctx: Context, exc: Exception) -> Response:
    """A fault of ours: where it was, never what it was about."""
    trace = exc.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    log.event("internal", id=ctx.request.id, error=type(exc).__name__, place=place)
    return handler.internal(ctx)


def refusal(runtime: Runtime, request: Request, status: int, code: str) -> Response:
    """A problem that the host finds before there is a whole request."""
    from magnetgen.forms.http import Problem, problem

    ctx = Context(runtime.site, runtime.keys, request, runtime.clock(), runtime.random)
    headers = (("retry-after", "60"),) if status == 503 else ()
    return _logged(ctx, handler.complete(ctx, problem(ctx, Problem(status, code, headers=headers))))


def client_address(peer: str, forwarded: str, proxies: int) -> str:
    """Who is asking: the peer, or what the outermost of the trusted proxies saw."""
    if not proxies:
        return peer
    chain = [part.strip() for part in forwarded.split(",") if part.strip()] + [peer]
    return chain[-(proxies + 1)] if len(chain) > proxies else chain[0]


def _log_hint(hint: str) -> None:
    log.event("not_set_up", hint=hint)


def from_env(
    root: Path,
    env: Mapping[str, str] | None = None,
    serverless: bool = False,
    tell: Callable[[str], None] = _log_hint,
) -> Runtime:
    """A handler as the environment says. Raises SiteFault that says what to do.

    `tell` is given a sentence about each thing that is not set up and therefore waits.
    """
    env = os.environ if env is None else env
    keys = parse_keys(env)
    site = sites.load(_forms_json(root), env.get("MAGNETGEN_PUBLIC_URL", ""))
    store = open_store(env.get("MAGNETGEN_STORE") or files.store_url(root, files.REAL), serverless)
    poster = webhooks.HttpPoster()
    transport = mail_api.open_mail(env, poster)
    sender = env.get("MAGNETGEN_MAIL_FROM", "")
    if transport and not sender:
        raise SiteFault("MAGNETGEN_MAIL_FROM is not set: the address that mails come from")
    if sender:
        _check_sender(sender)
    if not transport:
        tell("mails wait in the outbox: neither MAGNETGEN_SMTP_URL nor MAGNETGEN_MAIL_PROVIDER is set")
    return build(root, site, keys, store, transport, poster, _hooks(site, env, tell), env, sender)


def build(
    root: Path,
    site: Site,
    keys: Keys,
    store: Store,
    transport: Transport | None,
    poster: Poster,
    hooks: Mapping[str, Ready],
    env: Mapping[str, str],
    sender: str,
    clock: Clock = time.time,
) -> Runtime:
    """A handler from its parts."""
    composer = Composer(site, keys, sender, secrets.token_bytes)
    deliverer = Deliverer(store, composer, clock, hooks, poster, transport)
    verifier = challenge.from_env(env)
    bucket = s3.from_env(env)
    return Runtime(site, keys, store, deliverer, root, clock, verifier=verifier, proxies=_proxies(env), bucket=bucket)


def _forms_json(root: Path) -> bytes:
    path = files.path(root, files.REAL.forms)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise SiteFault(f"{path} is missing: build the site first (magnetgen build)") from None


def _check_sender(sender: str) -> None:
    try:
        mail.address(sender)
    except ValueError:
        raise SiteFault("MAGNETGEN_MAIL_FROM is to be an address: Name <name@example.com>") from None


def _proxies(env: Mapping[str, str]) -> int:
    text = env.get("MAGNETGEN_TRUSTED_PROXIES", "") or "0"
    if not text.isdecimal() or int(text) > 10:
        raise SiteFault("MAGNETGEN_TRUSTED_PROXIES is to be how many proxies stand before the handler: 0 to 10")
    return int(text)


def _hooks(site: Site, env: Mapping[str, str], tell: Callable[[str], None]) -> dict[str, Ready]:
    """Destinations whose settings are there; what is for the others waits."""
    hooks = {}
    for name, destination in site.destinations.items():
        try:
            hooks[name] = destinations.open_destination(destination, env)
        except destinations.Unset as exc:
            tell(f"what is for the destination {name} waits in the outbox: {exc}")
    return hooks
