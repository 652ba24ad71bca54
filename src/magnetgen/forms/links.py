"""The links of mails: confirm, unsubscribe, download. Only a POST changes a lead: scanners follow links."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from typing import Any
from urllib.parse import quote

from magnetgen.forms import rules, tokens
from magnetgen.forms.effects import Effect, FindCodes, FindLead, Locate, Note, Steps, Transact
from magnetgen.forms.http import (
    Context,
    FilePart,
    Problem,
    Response,
    accepted,
    html,
    json_response,
    page,
    problem,
    redirect,
    wants_json,
)
from magnetgen.forms.records import Lead
from magnetgen.forms.rules import Outcome
from magnetgen.forms.site import Asset, Form, Magnet

Codes = Mapping[str, Mapping[str, str]]
"""Lead's id → magnet → code."""
Given = Generator[Effect, Any, tuple[Response, bool]]
"""What answers a download, and whether the lead then has what it asked for."""

_NO_CODE = {"ok": True, "code": None}
_FORMAT = re.compile(r"[a-z0-9]{1,8}")
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_TYPES = {
    "pdf": "application/pdf",
    "epub": "application/epub+zip",
    "zip": "application/zip",
    "txt": "text/plain; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "ics": "text/calendar; charset=utf-8",
    "png": "image/png",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
}


def _token(ctx: Context, text: str, purpose: str) -> tokens.Token:
    """A genuine token; anything else is the same 404."""
    try:
        return tokens.verify(ctx.keys, text, purpose, ctx.now)
    except tokens.InvalidToken:
        raise Problem(404, "invalid_token") from None


def _form(ctx: Context, token: tokens.Token) -> Form:
    form = ctx.site.forms.get(token.form)
    if form is None:
        raise Problem(404, "invalid_token")
    return form


def _same_site(ctx: Context) -> None:
    """A POST that comes from another site's page is refused; one without these headers is no browser's."""
    allowed = {*ctx.site.origins, ctx.site.own_origin}
    origin = ctx.header("origin")
    if ctx.header("sec-fetch-site") == "cross-site" or (origin is not None and origin not in allowed):
        raise Problem(403, "origin_denied")


# Confirm


def confirm(ctx: Context, text: str) -> Steps:
    token = _token(ctx, text, tokens.CONFIRM)
    form = _form(ctx, token)
    if ctx.request.method == "POST":
        _same_site(ctx)
    if token.expired(ctx.now):
        raise Problem(410, "token_expired")
    if ctx.request.method == "POST":
        outcome: Outcome = yield Transact(*rules.confirm(ctx, form, token))
        if outcome.fault:
            raise Problem(410, outcome.fault)
        return accepted(ctx, outcome.answer)
    lead: Lead | None = yield FindLead(token.lead)
    if rules.superseded(lead, token):
        raise Problem(410, "token_superseded")
    button = "confirm_download" if form.spec.magnet else "confirm"
    return html(ctx, page(ctx.site, "confirm", button=button), form_to=form.confirmed)


# Unsubscribe


def unsubscribe(ctx: Context, text: str) -> Steps:
    """Always at once, always the same answer; the one-click POST of a mail program has no Origin (RFC 8058)."""
    token = _token(ctx, text, tokens.UNSUBSCRIBE)
    if ctx.request.method != "POST":
        return html(ctx, page(ctx.site, "unsubscribe", button="unsubscribe"))
    yield Transact(*rules.unsubscribe(ctx, ctx.site.forms.get(token.form), token))
    if wants_json(ctx.request):
        return json_response({"ok": True})
    return html(ctx, page(ctx.site, "unsubscribed"))


# Download


def download(ctx: Context, rest: str) -> Steps:
    """`rest`: a token, or TOKEN/FORMAT for another format of the same."""
    text, slash, format = rest.partition("/")
    token = _token(ctx, text, tokens.DOWNLOAD)
    form = _form(ctx, token)
    magnet = ctx.site.magnet_of(form)
    if magnet is None or token.asset != magnet.name or (slash and not _FORMAT.fullmatch(format)):
        raise Problem(404, "invalid_token")
    asset = ctx.site.assets.get(magnet.asset(format))
    if asset is None and (magnet.assets or format):
        raise Problem(404, "invalid_token")
    if ctx.request.method == "POST":
        return (yield from _send_again(ctx, form, token))
    lead: Lead | None = yield FindLead(token.lead)
    if lead is None:
        raise Problem(410, "token_superseded")
    if token.expired(ctx.now):
        return _expired(ctx, form)
    response, is_given = (yield from _file(ctx, asset)) if asset else (yield from _given(ctx, form, magnet, lead))
    if ctx.request.method == "GET" and is_given:
        yield Note(*rules.downloaded(ctx, lead.id))
    return response


def _file(ctx: Context, asset: Asset) -> Given:
    where: int | str | None = yield Locate(asset)
    if where is None:
        raise Problem(503, "store_unavailable", headers=(("retry-after", "60"),))
    response = Response(302, (("location", where),)) if isinstance(where, str) else _attachment(ctx, asset, where)
    return response, response.status in (200, 302)


def _given(ctx: Context, form: Form, magnet: Magnet, lead: Lead) -> Given:
    """What is no file: an address to go to, or the lead's code."""
    if not (magnet.code or magnet.codes):
        yield from ()
        return redirect(magnet.url, 302), True
    code = magnet.code
    if magnet.codes:
        found: Codes = yield FindCodes((lead.id,))
        code = found.get(lead.id, {}).get(magnet.name, "")
    if wants_json(ctx.request):
        return json_response({"ok": True, "code": code, "url": magnet.url or None} if code else _NO_CODE), bool(code)
    if not code:
        # Nothing was claimed by looking, and one may be free now: the button asks as the one of an expired link does.
        return html(ctx, page(ctx.site, "soldout", button="soldout"), form_to=form.next), False
    link = (magnet.url, magnet.label) if magnet.url else None
    return html(ctx, page(ctx.site, "code", code=code, link=link)), True


def _expired(ctx: Context, form: Form) -> Response:
    if wants_json(ctx.request):
        return problem(ctx, Problem(410, "token_expired"))
    return html(ctx, page(ctx.site, "expired", button="expired"), 410, form_to=form.next)


def _send_again(ctx: Context, form: Form, token: tokens.Token) -> Steps:
    """A fresh link goes to the lead's own address, whoever pressed the button."""
    _same_site(ctx)
    outcome: Outcome = yield Transact(*rules.fresh_link(ctx, form, token))
    if outcome.fault:
        raise Problem(410, outcome.fault)
    return accepted(ctx, outcome.answer)


def _attachment(ctx: Context, asset: Asset, size: int) -> Response:
    """The file, or the part of it that is asked for (RFC 9110, 14)."""
    etag = f'"{asset.sha256}"'
    headers = (
        ("content-type", media_type(asset.filename)),
        ("content-disposition", disposition(asset.filename)),
        ("accept-ranges", "bytes"),
        ("etag", etag),
    )
    wanted = ctx.header("range") if ctx.request.method == "GET" else None
    if wanted is None or ctx.header("if-range") not in (None, etag):
        return Response(200, headers, file=FilePart(asset.name, 0, size))
    part = _part(wanted, size)
    if part is None:
        return Response(200, headers, file=FilePart(asset.name, 0, size))
    first, last = part
    if first > last:
        raise Problem(416, "range", headers=(("content-range", f"bytes */{size}"),))
    span = ("content-range", f"bytes {first}-{last}/{size}")
    return Response(206, (*headers, span), file=FilePart(asset.name, first, last - first + 1))


def _part(text: str, size: int) -> tuple[int, int] | None:
    """First and last byte; first beyond last: nothing of the file; None: no range that is understood."""
    match = _RANGE.fullmatch(text.strip())
    if not match or not (match[1] or match[2]):
        return None
    if not match[1]:
        return max(0, size - int(match[2])), size - 1 if int(match[2]) else -1
    first = int(match[1])
    last = min(int(match[2]), size - 1) if match[2] else size - 1
    if match[2] and int(match[2]) < first:
        return None
    return (first, last) if first < size else (size, -1)


def media_type(filename: str) -> str:
    return _TYPES.get(filename.rsplit(".", 1)[-1].lower(), "application/octet-stream")


def disposition(filename: str) -> str:
    """RFC 6266: a plain name for all, and the real one for those that read it."""
    plain = re.sub(r"[^A-Za-z0-9 ._-]", "_", filename)
    text = f'attachment; filename="{plain}"'
    return text if plain == filename else f"{text}; filename*=UTF-8''{quote(filename, safe='')}"
