"""Requests and responses as plain data, and what every response has in common. Pure."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from hashlib import sha256
from html import escape
from typing import Any
from urllib.parse import quote

from magnetgen.forms.site import Site, origin
from magnetgen.forms.tokens import Keys

Header = tuple[str, str]
Link = tuple[str, str]
"""An address, and what its button says; without words, what such buttons say."""


@dataclass(frozen=True)
class Request:
    """What came in. `path`: decoded; header names in lower case; `client`: an address, for counting only.

    `body`: at most one byte more than the limit, so that the core can tell; `read`: bytes that were read.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    query: str = ""
    client: str = ""
    id: str = ""


@dataclass(frozen=True)
class FilePart:
    """A piece of an asset that the host sends instead of a body."""

    asset: str
    start: int
    length: int


@dataclass(frozen=True)
class Response:
    """What goes out. `code`: the problem's, for the log."""

    status: int
    headers: tuple[Header, ...] = ()
    body: bytes = b""
    file: FilePart | None = None
    code: str = ""

    def with_headers(self, *more: Header) -> Response:
        return replace(self, headers=(*self.headers, *more))


@dataclass(frozen=True)
class Context:
    """All that the core knows of the world: it has no clock and no randomness of its own.

    `now`: seconds since the epoch; `random`: that many random bytes.
    """

    site: Site
    keys: Keys
    request: Request
    now: float
    random: Callable[[int], bytes]

    @property
    def ms(self) -> int:
        return int(self.now * 1000)

    def new_id(self) -> str:
        return self.random(16).hex()

    def header(self, name: str) -> str | None:
        return header_of(self.request, name)


_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")


def header_of(request: Request, name: str) -> str | None:
    """A header; an empty one is none, as on hosts that hand on none. Nor are other bytes than ASCII read alike by them."""
    text = request.headers.get(name)
    return _NOT_ASCII.sub("\ufffd", text) if text else None


class Problem(Exception):
    """A request that ends here. `faults`: (field, code) pairs; never a value."""

    def __init__(
        self, status: int, code: str, faults: tuple[tuple[str, str], ...] = (), headers: tuple[Header, ...] = ()
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.faults = faults
        self.headers = headers


TITLES = {
    "malformed": "This request could not be read.",
    "unauthorized": "A valid token is needed.",
    "origin_denied": "Requests from this site are not accepted.",
    "unknown_form": "There is no such form.",
    "not_found": "There is nothing here.",
    "invalid_token": "This link is not valid.",
    "method": "This method is not allowed here.",
    "timeout": "The request took too long to arrive.",
    "size": "That is more than can be taken.",
    "type": "This kind of content is not accepted.",
    "token_expired": "This link has expired.",
    "token_superseded": "This link is no longer valid.",
    "range": "There is no such part of the file.",
    "validation": "Please check what you entered.",
    "duplicate_field": "A field was sent more than once.",
    "challenge_failed": "The check that you are a person failed. Please try again.",
    "idempotency_reused": "This was sent before with other content. Please send the form again.",
    "rate_limited": "Too many requests. Please wait a moment and try again.",
    "internal": "Something went wrong here. Please try again later.",
    "store_unavailable": "This cannot be saved at the moment. Please try again in a moment.",
}
MESSAGES = {
    "required": "Please fill in this field.",
    "email": "Please enter an email address such as ana@example.com.",
    "email_domain": "Please write the part after the @ in its ASCII form (xn--…).",
    "pattern": "Please check the format of this field.",
    "option": "Please choose one of the given options.",
    "too_long": "Please shorten this text.",
    "characters": "This contains characters that are not allowed.",
    "duplicate_field": "Please answer this only once.",
}


def text_of(site: Site, code: str) -> str:
    """A code's sentence, in the site's words where it has them."""
    return site.words.get(code) or MESSAGES.get(code) or TITLES.get(code) or TITLES["internal"]


def wants_json(request: Request) -> bool:
    """JSON clients: `Accept` prefers it to HTML, or the body is JSON and `Accept` does not name HTML."""
    accept = (header_of(request, "accept") or "").lower()
    weights = _weights(accept)
    if _weight(weights, "application", "json") > _weight(weights, "text", "html"):
        return True
    is_json = (header_of(request, "content-type") or "").lower().split(";")[0].strip() == "application/json"
    return is_json and "text/html" not in weights


@lru_cache(maxsize=256)
def _weights(accept: str) -> Mapping[str, float]:
    found = {}
    for part in accept[:1000].split(",")[:32]:
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        q = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        found[kind] = float(q) if re.fullmatch(r"0(\.\d{0,3})?|1(\.0{0,3})?", q) else 0.0
    return found


def _weight(weights: Mapping[str, float], kind: str, subtype: str) -> float:
    for name in (f"{kind}/{subtype}", f"{kind}/*", "*/*"):
        if name in weights:
            return weights[name]
    return 0.0


URL_SAFE = "".join(map(chr, range(0x21, 0x7F)))


def redirect(url: str, status: int = 303) -> Response:
    # A header is ASCII; an address of the build may not be.
    return Response(status, (("location", quote(url, safe=URL_SAFE)),))


def json_response(data: Any, status: int = 200, *headers: Header) -> Response:
    body = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(status, (("content-type", "application/json"), *headers), body)


def accepted(ctx: Context, answer: Mapping[str, str]) -> Response:
    """The one answer of success, to each client in its own way."""
    if wants_json(ctx.request):
        return json_response({"ok": True, **answer}, 202)
    return redirect(answer["next"])


def problem(ctx: Context, fault: Problem, back: str = "") -> Response:
    """RFC 9457 for JSON clients, the site's own page for the rest. No value that was sent is in either."""
    errors = [{"field": name, "code": code, "message": text_of(ctx.site, code)} for name, code in fault.faults]
    if not wants_json(ctx.request) and not _is_machine(ctx):
        labels = _labels(ctx)
        lines = [f"{labels.get(e['field'], '')}{e['message']}" for e in errors]
        name, lines = "problem" if back else "trouble", lines or [text_of(ctx.site, fault.code)]
        body = page(ctx.site, name, errors=lines, back=back or ctx.site.base_url)
        return replace(html(ctx, body, fault.status), code=fault.code).with_headers(*fault.headers)
    data = {
        "type": f"urn:magnetgen:problem:{fault.code}",
        "title": text_of(ctx.site, fault.code),
        "status": fault.status,
        "code": fault.code,
        "request_id": ctx.request.id,
        "errors": errors,
    }
    found = json_response(data, fault.status, *fault.headers)
    headers = (("content-type", "application/problem+json"), *found.headers[1:])
    return replace(found, headers=headers, code=fault.code)


def _is_machine(ctx: Context) -> bool:
    """Routes that no visitor opens."""
    path = ctx.request.path.removeprefix(ctx.site.prefix)
    return path.startswith("/admin/") or path in ("/healthz", "/readyz")


def _labels(ctx: Context) -> dict[str, str]:
    form = ctx.site.forms.get(ctx.request.path.rsplit("/", 1)[-1])
    return {field.name: f"{field.label}: " for field in form.spec.fields if field.label} if form else {}


_SCRIPT = re.compile(r"<script\b.*?</script>\s*", re.S | re.I)
_STYLE = re.compile(r"<style>(.*?)</style>", re.S)
_PLAIN = {
    "problem": "<h1>Please check what you entered</h1>{{errors}}<p><a href='{{back}}'>Back to the form</a></p>",
    "trouble": "<h1>This did not work</h1>{{errors}}<p><a href='{{back}}'>Go to the home page</a></p>",
    "confirm": "<h1>Confirm your address</h1><form method=post><button>{{button}}</button></form>",
    "unsubscribe": "<h1>Unsubscribe</h1><form method=post><button>{{button}}</button></form>",
    "unsubscribed": "<h1>You are unsubscribed</h1>",
    "expired": "<h1>This link has expired</h1><form method=post><button>{{button}}</button></form>",
    "code": "<h1>Your code</h1><p><code>{{code}}</code></p>{{link}}",
    "soldout": "<h1>No code for you at the moment</h1><p>More may be added: if one is free when you ask again, a mail brings it."
    "</p><form method=post><button>{{button}}</button></form>",
}
_FRAME = "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'><title>{}</title>{}"
BUTTONS = {
    "confirm": "Confirm",
    "confirm_download": "Confirm and download",
    "unsubscribe": "Unsubscribe",
    "expired": "Send me a fresh link",
    "soldout": "Ask again",
    "link": "Continue",
}


@cache
def _template(text: str) -> str:
    """A page without scripts: these pages need none, and their policy allows none."""
    return _SCRIPT.sub("", text)


def page(
    site: Site,
    name: str,
    errors: list[str] | None = None,
    back: str = "",
    button: str = "",
    code: str = "",
    link: Link | None = None,
) -> str:
    """A page of the site's with its holes filled, every value escaped. `link`: a button that leads somewhere else."""
    text = _template(site.pages.get(name) or _FRAME.format(escape(site.title), _PLAIN[name]))
    listed = "".join(f"<li>{escape(line)}</li>" for line in errors or [])
    holes = {
        "{{errors}}": f'<div class="errors" role="alert"><ul>{listed}</ul></div>',
        "{{back}}": escape(back),
        "{{button}}": escape(_button(site, button)),
        "{{code}}": escape(code),
        "{{link}}": _link(site, link) if link else "",
    }
    return re.sub(r"\{\{(?:errors|back|button|code|link)\}\}", lambda match: holes[match[0]], text)


def _button(site: Site, name: str) -> str:
    return site.words.get(f"button_{name}") or BUTTONS.get(name, "")


def _link(site: Site, link: Link) -> str:
    url, label = link
    words = escape(label or _button(site, "link"))
    # Where it leads has no business with the address of this page, which is the token: not even on the same origin.
    return f'<p class="actions"><a class="button" href="{escape(url)}" rel="noreferrer">{words}</a></p>'


def html(ctx: Context, text: str, status: int = 200, form_to: str = "") -> Response:
    """A page with its policy. `form_to`: an address that its form's answer leads to."""
    headers = (
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", _policy(ctx.site, text, form_to)),
    )
    return Response(status, headers, text.encode())


def _policy(site: Site, text: str, form_to: str) -> str:
    own = origin(site.base_url)
    target = f" {origin(form_to)}" if form_to and origin(form_to) != site.own_origin else ""
    images = own if own == site.own_origin else f"{own} {site.own_origin}"
    return (
        f"default-src 'none'; style-src {_style_hashes(text)}; img-src data: {images}; form-action 'self'{target}; "
        "base-uri 'none'; frame-ancestors 'none'"
    )


def _style_hashes(text: str) -> str:
    found = [f"'sha256-{base64.b64encode(sha256(s.encode()).digest()).decode()}'" for s in _STYLE.findall(text)]
    return " ".join(found) or "'none'"


def finish(ctx: Context, response: Response) -> Response:
    """What every response has, whatever made it."""
    names = {name for name, _ in response.headers}
    common = [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("x-robots-tag", "noindex"),
        ("content-security-policy", "default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"),
    ]
    if ctx.site.secure:
        common.append(("strict-transport-security", "max-age=31536000"))
    if ctx.request.id:
        common.append(("x-request-id", ctx.request.id))
    return response.with_headers(*((name, value) for name, value in common if name not in names))
