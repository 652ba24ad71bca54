"""The preview's web server: the built site as a host would show it, the forms' handler, and what belongs to the preview."""

from __future__ import annotations

import asyncio
import contextlib
import html
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from magnetgen.preview import inject
from magnetgen.preview.files import Elsewhere, Found, look_up, media_type
from magnetgen.preview.guard import OWN, Guard, bracketed, is_loopback, secured
from magnetgen.preview.session import Session

_PLAIN = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex"><link rel="icon" href="data:,"></head>
<body><main><h1>{title}</h1><p>{text}</p></main></body>
</html>
"""
_NOTHING = ("Nothing is built yet", "The site comes here as soon as it builds without errors.")
_NOT_SENT = (
    "This was not sent",
    "Nothing here takes what is sent to a page. A form for Netlify Forms works on the published site only.",
)
_STOPPING = "The preview is being stopped.\n"
_MISSING = ("There is no such page", "The site has no page at this address.")


class App:
    """The whole server as one ASGI app. `origin`: where pages are to be opened, such as `http://127.0.0.1:8000`."""

    def __init__(self, session: Session, guard: Guard, origin: str, say: Callable[[str], None]) -> None:
        self._session = session
        self._guard = guard
        self._origin = origin
        self._say = say
        own = session.forms.routes() if session.forms else []
        self._pages = Starlette(routes=[Route(f"{OWN}/events", _Stream(session)), *own], lifespan=self._lifespan)

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        await self._session.start()
        try:
            yield
        finally:
            await self._session.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._pages(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request: within the guard, with our headers on its answer, and without a traceback for anybody."""
        begun = False
        own = _is_below(scope["path"], OWN)
        api = not own and self._session.forms is not None and _is_below(scope["path"], self._session.forms.prefix)

        async def answer(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                if not api:  # the handler has headers of its own
                    message = {**message, "headers": secured(message.get("headers", []), own)}
            await send(message)

        refusal = self._guard.refusal(scope["method"], scope["path"], scope["headers"])
        try:
            app: ASGIApp
            if refusal:
                app = PlainTextResponse(refusal.sentence + "\n", refusal.status)
            elif own:
                app = self._pages
            else:
                await self._session.live.ready.wait()
                app = self._session.forms.api if api and self._session.forms else await self._site(Request(scope))
            await app(scope, receive, answer)
        except asyncio.CancelledError:  # only the end of the server does that
            if not begun:
                await PlainTextResponse(_STOPPING, 503)(scope, receive, answer)
        except Exception as exc:
            self._say(f"magnetgen: {scope['method']} {scope['path']} could not be answered: {type(exc).__name__}")
            if not begun:
                await PlainTextResponse("The preview could not answer that.\n", 500)(scope, receive, answer)

    async def _site(self, request: Request) -> Response:
        """The site's own files, and nothing else from this machine."""
        if request.method not in ("GET", "HEAD"):
            title, text = _NOT_SENT
            return HTMLResponse(_PLAIN.format(title=title, text=text), 405, {"Allow": "GET, HEAD"})
        if better := self._at_home(request):
            return RedirectResponse(better, 302)
        raw = request.scope.get("raw_path") or request.scope["path"].encode()
        return await asyncio.to_thread(self._find, request, raw.partition(b"?")[0])

    def _at_home(self, request: Request) -> str | None:
        """Pages have one origin, that which forms accept: `localhost` is sent on to it."""
        asked = f"http://{request.headers['host'].lower()}"
        if self._guard.wide or asked == self._origin or request.headers.get("sec-fetch-mode") != "navigate":
            return None
        return str(request.url.replace(scheme="http", netloc=self._origin.removeprefix("http://")))

    def _find(self, request: Request, raw: bytes) -> Response:
        out, prefix = self._session.engine.out, self._session.prefix
        found = look_up(out, prefix, request.scope["path"], raw)
        if isinstance(found, Elsewhere):
            query = request.scope.get("query_string", b"").decode("latin-1")
            return RedirectResponse(found.path + (f"?{query}" if query else ""), 302)
        if found and media_type(found.file).startswith("text/html"):
            return self._page(request, found, 200)
        if found:
            return _file(found)
        if isinstance(missing := look_up(out, "/", "/404.html", b"/404.html"), Found):
            return self._page(request, missing, 404)
        built = isinstance(look_up(out, "/", "/", b"/"), Found)
        title, text = _MISSING if built else _NOTHING
        return self._with_client(request, _PLAIN.format(title=title, text=text), "", 404 if built else 503)

    def _page(self, request: Request, found: Found, status: int) -> Response:
        try:
            text = found.path.read_text("utf-8", "surrogateescape")
        except OSError:  # a build has just taken it away
            title, words = _MISSING
            return self._with_client(request, _PLAIN.format(title=title, text=html.escape(words)), "", 404)
        return self._with_client(request, text, found.file, status)

    def _with_client(self, request: Request, text: str, file: str, status: int) -> Response:
        digest, shape = inject.digest(text), inject.shape(text)
        local = _is_local(request.scope)
        state = {
            **self._session.live.page_state(file, local),
            "digest": digest,
            "shape": shape,
            "prefix": self._session.prefix,
        }
        state["forms"] = self._session.forms is not None
        body = inject.into(text, state).encode("utf-8", "surrogateescape")
        headers = {"X-Magnetgen-Digest": digest, "X-Magnetgen-Shape": shape}
        return Response(body, status, headers, "text/html; charset=utf-8")


class _Stream:
    """The event stream, as an ASGI app: it must notice that a browser has gone."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET":
            await PlainTextResponse("A stream is only read.\n", 405, {"Allow": "GET"})(scope, receive, send)
            return
        await self._session.live.stream(receive, send, _is_local(scope))


def origin_of(guard: Guard, address: str) -> str:
    """Where pages are opened. `address`: this machine's, where the server listens on all of them."""
    return f"http://{bracketed(address)}:{guard.port}"


def _file(found: Found) -> Response:
    try:
        info = Path(found.path).stat()
    except OSError:
        return PlainTextResponse("There is no such file.\n", 404)
    return FileResponse(found.path, media_type=media_type(found.file), stat_result=info)


def _is_below(path: str, prefix: str) -> bool:
    return bool(prefix) and (path == prefix or path.startswith(f"{prefix}/"))


def _is_local(scope: Scope) -> bool:
    host, _ = scope.get("client") or ("", 0)
    return is_loopback(host)
