"""A little site with a stub of the form handler, for driving the page's scripts in a real Chromium."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qsl, urlsplit

import jinja2
from markupsafe import Markup, escape

from magnetgen import client
from magnetgen.views import ConsentView, FieldView, FormView, OptionView

TEMPLATES = Path(__file__).parents[2] / "themes" / "lodestone" / "templates"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
WORDS = {"required": "Fill it in!", "email": "No address!", "pattern": "Digits only!", "summary": "{count} to fix"}


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


class _Words(dict[str, str]):
    """Any word a template asks for, as the tests are not about the theme's wording."""

    def __missing__(self, key: str) -> str:
        return key


def form_html(action: str, mode: str = "fetch", words: dict[str, str] | None = None) -> str:
    attrs = f'action="{action}" method="post" data-mg-form="{mode}"'
    if words:
        attrs += f' data-words="{escape(json.dumps(words))}"'
    mail = 'name="email" type="email" inputmode="email" autocomplete="email" maxlength="254" required'
    hidden = (("_mg_t", ""), ("_mg_src", ""), ("_mg_v", "1"))
    form = FormView(
        name="guide",
        anchor="form-guide",
        title="Get the guide",
        button="Send it",
        attrs=Markup(attrs),
        fields=(
            FieldView("form-guide-email", "email", "text", "Email address", True, Markup(mail)),
            # A field may hide the form's own `action`: the script must not mind.
            FieldView("form-guide-action", "action", "text", "Code", False, Markup('name="action" pattern="[0-9]+"')),
            FieldView(
                "form-guide-size",
                "size",
                "radio",
                "Team size",
                True,
                Markup('name="size" type="radio" required'),
                options=(OptionView("1", "One"), OptionView("9", "More")),
            ),
        ),
        consent=(
            ConsentView("form-guide-terms", "terms", "I agree.", True, Markup('name="terms" value="yes" required')),
        ),
        hidden=hidden if mode != "plain" else hidden[1:],
        honeypot="_mg_hp",
        privacy_url="",
        double_opt_in=False,
    )
    site = {"words": _Words(optional="(optional)")}
    return _environment().get_template("_form.html").render(form=form, site=site)


def page_html(body: str, base: str = "/") -> tuple[bytes, str]:
    """A page and its Content-Security-Policy, as strict as a deployed site's."""
    script = client.page_script()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    style = "[hidden]{display:none}.hp{position:absolute;left:-99em}"
    style_digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'sha256-{style_digest}'; "
        "img-src data:; connect-src http:; form-action http:; base-uri 'none'; frame-ancestors 'none'"
    )
    html = (
        f'<!doctype html><html lang="en" data-base="{base}"><head><meta charset="utf-8"><title>T</title>'
        f'<link rel="icon" href="data:,"><style>{style}</style></head><body>{body}<script>{script}</script></body></html>'
    )
    return html.encode(), policy


@dataclass
class Post:
    path: str
    headers: dict[str, str]
    pairs: list[tuple[str, str]]

    @property
    def fields(self) -> dict[str, str]:
        return dict(self.pairs)


@dataclass
class Site:
    """What is served and what came in. `answers`: statuses of the next POSTs, 0 drops the connection; then 202."""

    origin: str = ""
    pages: dict[str, str] = field(default_factory=dict)
    base: str = "/"
    answers: list[int] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    gets: list[str] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    allow: str = ""
    gate: threading.Event = field(default_factory=threading.Event)

    def received(self) -> Post:
        assert len(self.posts) == 1, [p.pairs for p in self.posts]
        return self.posts[0]


@contextmanager
def serving() -> Iterator[Site]:
    site = Site()
    site.gate.set()

    class Handler(BaseHTTPRequestHandler):
        # A connection a request: Chromium by itself repeats what fails on one that it had used before.
        protocol_version = "HTTP/1.0"
        problems: ClassVar[dict[int, object]] = {
            422: {
                "code": "validation",
                "errors": [
                    {"field": "email", "code": "domain_unknown", "message": "That domain takes no mail."},
                    {"field": "_mg_hp", "code": "x", "message": "Something else."},
                ],
            },
        }

        def log_message(self, *args: object) -> None:
            pass

        def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            if site.allow:
                headers["Access-Control-Allow-Origin"] = site.allow
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_GET(self) -> None:
            site.gets.append(self.path)
            path = urlsplit(self.path).path
            if path not in site.pages:
                return self.reply(404)
            html, policy = page_html(site.pages[path], site.base)
            return self.reply(
                200, html, Content_Type="text/html; charset=utf-8", Content_Security_Policy=policy,
                Referrer_Policy="strict-origin-when-cross-origin",
            )  # fmt: skip

        def do_OPTIONS(self) -> None:
            site.methods.append("OPTIONS")
            self.reply(204, Access_Control_Allow_Headers="Content-Type, Idempotency-Key")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            pairs = parse_qsl(body, keep_blank_values=True, strict_parsing=True)
            site.posts.append(Post(self.path, headers, pairs))
            site.gate.wait(10)
            status = site.answers.pop(0) if site.answers else 202
            if status == 0:
                self.close_connection = True
                self.connection.close()
                return None
            if status == 202:
                if headers.get("accept") != "application/json":
                    return self.reply(303, Location="/thanks/")
                answer = {"ok": True, "status": "confirm", "next": f"{headers['origin']}/thanks/#mg1.k.p.m"}
                return self.reply(202, json.dumps(answer).encode(), Content_Type="application/json")
            problem = self.problems.get(status, {"code": "store_unavailable", "title": "Unavailable"})
            return self.reply(status, json.dumps(problem).encode(), Content_Type="application/problem+json")

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    site.origin = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.gate.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
