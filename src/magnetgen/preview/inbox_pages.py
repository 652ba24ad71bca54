"""The inbox's pages, made here on the server: leads, captured mails, deliveries. Every button is a form of its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

import jinja2
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from magnetgen.forms.records import HELD, QUARANTINED, Delivery, LeadQuery, Submission, SubmissionQuery
from magnetgen.forms.site import Destination
from magnetgen.forms.store import StoreUnavailable
from magnetgen.preview import deliveries, inbox_words, mailbox
from magnetgen.preview.inbox import Desk, same_origin

BASE = "/_magnetgen"
PER_PAGE = 50
ASIDE_MAX = 100
"""Held and quarantined submissions that are shown, of each."""
RECENT_MAX = 1000
BODY_MAX = 4096
_HERE = Path(__file__).parent
_TYPES = {"inbox.css": "text/css; charset=utf-8", "inbox.js": "text/javascript; charset=utf-8"}
_CURSOR = re.compile(r"([0-9]{1,15})-([0-9a-f]{32})")

COMMON = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-robots-tag": "noindex",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SANDBOX = "allow-top-navigation-by-user-activation allow-downloads"
MAIL_POLICY = (
    "sandbox {sandbox}; default-src 'none'; style-src 'unsafe-inline'; img-src {origin} data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)

Action = Callable[[Request, Mapping[str, str]], str | None]


class Pages:
    """The routes of one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._env = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._env.globals["words"] = inbox_words
        self._env.filters["path"] = lambda text: quote(text, safe="")

    def routes(self) -> list[BaseRoute]:
        found: list[BaseRoute] = [
            self._get("/leads", self._leads),
            self._get("/leads/{id}", self._lead),
            self._post("/leads/{id}/forget", self._forget),
            self._post("/leads/held/{id}/release", self._release),
            self._post("/leads/held/{id}/forget", self._forget_held),
            self._get("/deliveries", self._deliveries),
            self._post("/deliveries/drain", self._drain),
            self._post("/deliveries/switch", self._switch),
            self._get("/deliveries/{id}", self._delivery),
            self._post("/deliveries/{id}/retry", self._retry),
            self._get("/inbox/{file}", self._file),
        ]
        if self._desk.mails:
            found += [
                self._get("/mail", self._mails),
                self._post("/mail/delete", self._delete_mails),
                self._get("/mail/{name}", self._mail),
                self._get("/mail/{name}/html", self._mail_html),
                self._get("/mail/{name}/raw", self._mail_raw),
            ]
        return found

    # Leads

    def _leads(self, request: Request) -> Response:
        match = _CURSOR.fullmatch(request.query_params.get("after", ""))
        after = (int(match[1]), match[2]) if match else None
        found = self._desk.store.leads(LeadQuery(after=after, limit=PER_PAGE + 1))
        latest: dict[str, Submission] = {}
        for sent in self._desk.store.submissions(SubmissionQuery(limit=RECENT_MAX)) if found else []:
            latest.setdefault(sent.lead or "", sent)
        shown = found[:PER_PAGE]
        return self._page(
            request,
            "leads.html",
            leads=[(lead, latest.get(lead.id)) for lead in shown],
            older=f"{shown[-1].created_at}-{shown[-1].id}" if len(found) > PER_PAGE else "",
            first=after is None,
            held=self._aside(HELD) if after is None else [],
            quarantined=self._aside(QUARANTINED) if after is None else [],
        )

    def _aside(self, status: str) -> list[Submission]:
        return self._desk.store.submissions(SubmissionQuery(status=status, limit=ASIDE_MAX))

    def _lead(self, request: Request) -> Response:
        lead = self._desk.lead(request.path_params["id"])
        if lead is None:
            return self._missing(request, "There is no such lead any more.")
        person = self._desk.store.person(lead.email_key)
        sent = [row for row in person["submissions"] if row["lead_id"] == lead.id]
        rows = [row for row in person["deliveries"] if row["lead_id"] == lead.id]
        mailed = {row["created_at"] for row in rows if row["dest"] == "mail"}
        form = self._desk.site().forms.get(lead.form)
        mails = self._desk.mails
        return self._page(
            request,
            "lead.html",
            lead=lead,
            code=self._desk.code(lead),
            submissions=[(row, inbox_words.no_mail(form, lead, row, mailed)) for row in reversed(sent)],
            deliveries=rows[::-1],
            mails=self._heads(mails.of({row["id"] for row in rows}) if mails else []),
            elsewhere_too=[other for other in person["leads"] if other["id"] != lead.id],
        )

    def _forget(self, request: Request, fields: Mapping[str, str]) -> str | None:
        lead = self._desk.lead(request.path_params["id"])
        if lead is None:
            return None
        self._desk.forget(lead.email_key)
        return f"/leads?done={'forgotten' if self._desk.rehearsal else 'erased'}"

    def _release(self, request: Request, fields: Mapping[str, str]) -> str | None:
        done = self._desk.release(request.path_params["id"])
        return f"/leads?done={'released' if done else 'not-released'}"

    def _forget_held(self, request: Request, fields: Mapping[str, str]) -> str | None:
        sent = self._desk.submission(request.path_params["id"])
        if sent is None or not sent.email_key:
            return None
        self._desk.forget(sent.email_key)
        return f"/leads?done={'forgotten' if self._desk.rehearsal else 'erased'}"

    # Mails

    def _heads(self, names: list[str]) -> list[tuple[mailbox.Mail, str]]:
        """(mail, its kind) of files of the shelf."""
        assert self._desk.mails or not names
        kinds = {d.id: d.kind for d in self._desk.store.outbox(limit=RECENT_MAX)} if names else {}
        found = ((name, self._desk.mails.read(name)) for name in names if self._desk.mails)
        heads = [mailbox.list_head(name, raw) for name, raw in found if raw is not None]
        return [(mail, inbox_words.kind(kinds.get(mail.delivery, ""))) for mail in heads]

    def _mails(self, request: Request) -> Response:
        assert self._desk.mails
        names = self._desk.mails.names()
        after = request.query_params.get("after", "")
        left = [name for name in names if name < after] if after else names
        older = left[PER_PAGE - 1] if len(left) > PER_PAGE else ""
        return self._page(request, "mails.html", mails=self._heads(left[:PER_PAGE]), older=older, first=not after)

    def _read_mail(self, request: Request) -> mailbox.Mail | None:
        assert self._desk.mails
        name = request.path_params["name"]
        raw = self._desk.mails.read(name)
        return mailbox.parse(name, raw) if raw is not None else None

    def _mail(self, request: Request) -> Response:
        mail = self._read_mail(request)
        if mail is None:
            return self._missing(request, "This mail is no longer kept.")
        outbox = self._desk.store.outbox(limit=RECENT_MAX)
        delivery = next((d for d in outbox if d.id == mail.delivery), None)
        lead = self._desk.lead(delivery.lead) if delivery and delivery.lead else None
        kind = inbox_words.kind(delivery.kind) if delivery else ""
        pieces = mailbox.linked(mail.text)
        return self._page(request, "mail.html", mail=mail, kind=kind, lead=lead, pieces=pieces, sandbox=SANDBOX)

    def _mail_html(self, request: Request) -> Response:
        mail = self._read_mail(request)
        if mail is None:
            return self._missing(request, "This mail is no longer kept.")
        origin = f"{request.url.scheme}://{request.headers.get('host', '')} {self._site_origin()}".strip()
        policy = MAIL_POLICY.format(sandbox=SANDBOX, origin=origin)
        return HTMLResponse(mailbox.framed(mail.html), headers={**COMMON, "content-security-policy": policy})

    def _site_origin(self) -> str:
        base = self._desk.site().base_url
        return "/".join(base.split("/")[:3])

    def _mail_raw(self, request: Request) -> Response:
        mail = self._read_mail(request)
        if mail is None:
            return self._missing(request, "This mail is no longer kept.")
        return PlainTextResponse(mail.raw, headers={**COMMON, "content-security-policy": POLICY})

    def _delete_mails(self, request: Request, fields: Mapping[str, str]) -> str | None:
        assert self._desk.mails
        self._desk.mails.clear()
        return "/mail?done=deleted"

    # Deliveries

    def _deliveries(self, request: Request) -> Response:
        found = self._desk.store.outbox(limit=200)
        dead = self._desk.store.outbox("dead", 200)
        listed = {d.id for d in found}
        return self._page(
            request,
            "deliveries.html",
            deliveries=[*found, *(d for d in dead if d.id not in listed)],
            destinations=self._destinations(found),
        )

    def _destinations(self, found: list[Delivery]) -> list[dict[str, Any]]:
        """Each destination with what waits for it: those of the settings, the mails, and what is in the outbox."""
        site = self._desk.site()
        owners = {dest for form in site.forms.values() for dest in form.spec.notify if dest.startswith("email:")}
        names = dict.fromkeys(["mail", *sorted(owners), *site.destinations, *(d.dest for d in found)])
        waiting = Counter(d.dest for d in found if d.state in ("due", "leased"))
        dead = Counter(d.dest for d in found if d.state == "dead")
        off = self._desk.store.disabled()
        failing = self._desk.stage.failing if self._desk.stage else {}
        unknown = Destination("", "gone from the settings")
        return [
            {
                "name": name,
                "kind": "mail" if deliveries.is_mail(name) else site.destinations.get(name, unknown).kind,
                "waiting": waiting[name],
                "dead": dead[name],
                "off": name in off,
                "failing": failing.get(name, ""),
                "failures": [(key, deliveries.FAILURE_WORDS[key]) for key in deliveries.failures(name)],
            }
            for name in names
        ]

    def _find(self, id: str) -> Delivery | None:
        """A delivery among the newest and the dead ones."""
        store = self._desk.store
        return next((d for d in (*store.outbox(limit=RECENT_MAX), *store.outbox("dead", 200)) if d.id == id), None)

    def _delivery(self, request: Request) -> Response:
        delivery = self._find(request.path_params["id"])
        if delivery is None:
            return self._missing(request, "There is no such delivery any more.")
        shelf, mails = self._desk.requests, self._desk.mails
        names = shelf.of({delivery.id})[:20] if shelf else []
        captured = [deliveries.read_request(shelf, name) for name in names if shelf]
        return self._page(
            request,
            "delivery.html",
            delivery=delivery,
            requests=[found for found in captured if found],
            mails=self._heads(mails.of({delivery.id})[:20] if mails else []),
            lead=self._desk.lead(delivery.lead) if delivery.lead else None,
            known=self._desk.site().destinations.get(delivery.dest),
            secret=deliveries.SECRET if self._desk.rehearsal else "",
        )

    def _retry(self, request: Request, fields: Mapping[str, str]) -> str | None:
        delivery = self._find(request.path_params["id"])
        if delivery is None:
            return None
        tried = self._desk.retry(delivery.id, delivery.dest)
        done = "not-retried" if not tried else "retried" if self._desk.deliverer else "due"
        return f"{'/deliveries' if fields.get('from') == 'list' else f'/deliveries/{delivery.id}'}?done={done}"

    def _drain(self, request: Request, fields: Mapping[str, str]) -> str | None:
        self._desk.drain()
        return "/deliveries?done=drained"

    def _switch(self, request: Request, fields: Mapping[str, str]) -> str | None:
        dest, failure = fields.get("dest", ""), fields.get("failure")
        if not dest or failure is None or not self._desk.switch(dest, failure):
            return None
        return f"/deliveries?done={'failing' if failure else 'working'}"

    # What all have in common

    def _file(self, request: Request) -> Response:
        name = request.path_params["file"]
        if name not in _TYPES:
            return self._missing(request, "There is nothing here.")
        data = (_HERE / "static" / name).read_bytes()
        return Response(data, headers={**COMMON, "cache-control": "no-cache", "content-type": _TYPES[name]})

    def _page(self, request: Request, template: str, status: int = 200, **context: Any) -> Response:
        text = self._env.get_template(template).render(
            context,
            base=BASE,
            desk=self._desk,
            site=self._desk.site(),
            now=self._desk.now,
            counts=self._desk.counts(),
            notice=inbox_words.DONE.get(request.query_params.get("done", ""), ""),
            path=request.url.path,
        )
        return HTMLResponse(text, status, {**COMMON, "content-security-policy": POLICY})

    def _missing(self, request: Request, text: str) -> Response:
        return self._page(request, "message.html", 404, title="Not found", text=text)

    def _refused(self, request: Request) -> Response:
        text = "This was not sent from a page of the inbox, and nothing was done."
        return self._page(request, "message.html", 403, title="Refused", text=text)

    def _get(self, path: str, page: Callable[[Request], Response]) -> Route:
        async def endpoint(request: Request) -> Response:
            return await self._guarded(request, run_in_threadpool(page, request))

        return Route(BASE + path, endpoint, methods=["GET"])

    def _post(self, path: str, action: Action) -> Route:
        async def endpoint(request: Request) -> Response:
            if not same_origin(request):
                return await self._guarded(request, run_in_threadpool(self._refused, request))
            fields = await _fields(request)
            return await self._guarded(request, run_in_threadpool(self._act, request, action, fields))

        return Route(BASE + path, endpoint, methods=["POST"])

    def _act(self, request: Request, action: Action, fields: Mapping[str, str]) -> Response:
        where = action(request, fields)
        if where is None:
            return self._missing(request, "What this was about is no longer there. Nothing was done.")
        return RedirectResponse(BASE + where, 303, COMMON)

    async def _guarded(self, request: Request, work: Awaitable[Response]) -> Response:
        try:
            return await work
        except StoreUnavailable:
            text = "The store cannot be read at the moment. Try again in a moment."
            page = self._env.get_template("unavailable.html").render(base=BASE, text=text)
            return HTMLResponse(page, 503, {**COMMON, "content-security-policy": POLICY, "retry-after": "5"})


async def _fields(request: Request) -> dict[str, str]:
    """A small form's fields; nothing of one that is larger than any of these pages sends."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_MAX:
            return {}
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=20))
