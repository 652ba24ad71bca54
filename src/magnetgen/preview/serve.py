"""`magnetgen serve`, from the socket to the last browser that is let go."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from magnetgen.forms import log
from magnetgen.preview import editor
from magnetgen.preview.alone import ShownAlreadyError as ShownAlreadyError
from magnetgen.preview.alone import alone
from magnetgen.preview.engine import Engine
from magnetgen.preview.funnel import Funnel
from magnetgen.preview.guard import WILDCARD, Guard
from magnetgen.preview.inbox import inbox_app
from magnetgen.preview.server import App, origin_of
from magnetgen.preview.session import Session, say

PATIENCE_SECONDS = 0.5
"""How long a build that is under way may still take when all is to end."""


class PortTakenError(Exception):
    """free: another port that could be taken instead, or None."""

    def __init__(self, port: int, free: int | None) -> None:
        super().__init__(port)
        self.port = port
        self.free = free


def run(root: Path, host: str, port: int, open_browser: bool) -> None:
    """Serve until somebody stops it.

    Raises ShownAlreadyError, PortTakenError, OSError (no such address), ValueError (MAGNETGEN_EDITOR).
    """
    log.faults_only()
    links = editor.from_env(os.environ)
    with alone(root) as tell:
        listening = listen(host, port)
        guard = Guard(host, listening.getsockname()[1])
        origin = origin_of(guard, own_address() if host in WILDCARD else host)
        tell(origin)
        _run(root, listening, guard, origin, links, open_browser)


def _run(
    root: Path, listening: socket.socket, guard: Guard, origin: str, links: editor.Editor, open_browser: bool
) -> None:
    session = Session(root, Engine(root, origin), Funnel(root, origin), links, say)
    app = App(session, guard, origin, say)
    if guard.wide:
        say(
            "Everyone on this network can see this preview: drafts, and the leads and mails of its forms. "
            "Without --host, only this machine can."
        )
    greeting = threading.Thread(target=_greet, args=(session, origin, open_browser), daemon=True)
    server = Server(uvicorn.Config(app, **OPTIONS), session.closing)
    greeting.start()
    try:
        server.run(sockets=[listening])
    finally:
        listening.close()
        _leave(session)
    if not server.started:  # uvicorn has said why
        sys.exit(3)


OPTIONS: dict[str, Any] = {
    "lifespan": "on",
    "access_log": False,
    "log_level": "warning",
    "server_header": False,
    "proxy_headers": False,
    "timeout_graceful_shutdown": 1,
    "ws": "none",
}


class Server(uvicorn.Server):
    """uvicorn waits for its connections, and open streams would never end: `closing` ends them."""

    def __init__(self, config: uvicorn.Config, closing: Callable[[], None]) -> None:
        super().__init__(config)
        self._closing = closing

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:  # asked twice: what is cut off now is no fault to tell of
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._closing()
        super().handle_exit(sig, frame)


def open_inbox(root: Path, store_url: str | None, port: int, open_browser: bool) -> None:
    """The inbox alone, for this machine. Raises PortTakenError, SiteFault, OSError.

    `store_url`: a real store; without it, the preview's.
    """
    log.faults_only()
    listening = listen("127.0.0.1", port)
    guard = Guard("127.0.0.1", listening.getsockname()[1])
    try:
        app = inbox_app(root, store_url, guard)
    except BaseException:
        listening.close()
        raise
    address = guard.names()
    say(f"Leads: {address}\nOnly this machine can see them, without a password. Ctrl-C stops it.")
    if open_browser:
        with contextlib.suppress(webbrowser.Error, OSError):
            webbrowser.open(address)
    try:
        Server(uvicorn.Config(app, **OPTIONS), lambda: None).run(sockets=[listening])
    finally:
        listening.close()


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound. Raises PortTakenError, OSError (whose `filename` are the options that were wrong)."""
    asked = f"--host {host} --port {port}"
    try:
        family, kind, _, _, address = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM)[0]
    except OSError as exc:
        exc.filename = asked
        raise
    made = socket.socket(family, kind)
    try:
        if os.name != "nt":  # there, two servers could share the port
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(128)
        made.setblocking(False)
    except OSError as exc:
        made.close()
        if exc.errno == errno.EADDRINUSE and port:
            raise PortTakenError(port, _free(host, port)) from None
        exc.filename = asked
        raise
    return made


def _free(host: str, taken: int) -> int | None:
    for port in range(taken + 1, min(taken + 50, 65536)):
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as attempt:
            attempt.bind((host, port))
            return port
    return None


def own_address() -> str:
    """This machine's address on its network. Nothing is sent: the system only says which way it would go."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
    return "127.0.0.1"


def _greet(session: Session, origin: str, open_browser: bool) -> None:
    """Say where the preview is, once there is something to see."""
    session.shown.wait()
    address = origin + session.prefix
    say(f"\nPreview: {address}\nChanges show by themselves. Ctrl-C stops it.\n")
    if open_browser:
        with contextlib.suppress(webbrowser.Error, OSError):
            webbrowser.open(address)


def _leave(session: Session) -> None:
    """Wait for a build that is nearly done; leave one that is not, which harms nothing (output.py)."""
    session.rebuilder.stop()
    if not session.rebuilder.is_alive():
        return
    session.rebuilder.join(PATIENCE_SECONDS)
    if session.rebuilder.is_alive():
        print("\nmagnetgen: stopped; nothing is half written", file=sys.stderr, flush=True)
        sys.stdout.flush()
        os._exit(130)
