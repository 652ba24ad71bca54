"""What the browser is told while a page is open: the state when it connects, then reloads, faults and their end.

An event stream (text/event-stream). Events, each with a JSON object:

- `state`: on connecting. {session, build, built, failed, diagnostics, more, counts}
- `reload`: after a good build. {build, changed (files of the output, null for many), diagnostics, more}
- `fault`: after one that failed; nothing was written. {build, diagnostics, more}
- `fixed`: just before the first `reload` after a `fault`. {build}
- `counts`: leads and mails have come. {leads, mails, …}

`session` changes with every start of the server, `build` with every build.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from magnetgen.diagnostics import ERROR, Diagnostic, TextRenderer, as_json
from magnetgen.preview.editor import Editor
from magnetgen.preview.engine import Built

HEARTBEAT_SECONDS = 15.0
RETRY_MS = 500
SHOWN = 30
"""Diagnostics in an overlay; the terminal has them all."""
LISTED = 500
"""Changed files that are named one by one."""
BACKLOG = 64
"""Messages that may wait for a browser that does not read; then it must connect anew."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Data = dict[str, Any]


class Live:
    """The state of the preview, and the browsers that look at it. All of it belongs to the event loop's thread."""

    def __init__(self, root: Path, editor: Editor) -> None:
        self.session = secrets.token_hex(4)
        self.build = 0
        self.good = Built()
        """The last build that was written."""
        self.ready = asyncio.Event()
        """Set once the first build is done, whatever came of it."""
        self._root = root
        self._editor = editor
        self._built = Built()
        self._data: list[Data] = []
        self._counts: dict[str, int] = {}
        self._streams: dict[asyncio.Queue[bytes | None], bool] = {}

    @property
    def streams(self) -> int:
        return len(self._streams)

    def show(self, built: Built) -> None:
        """A build is done: tell everybody."""
        was_failed = self._built.failed
        self.build += 1
        self._built = built
        self._data = self._render(built.diagnostics)
        if built.failed:
            self._tell("fault", {"build": self.build}, faults=True)
        else:
            self.good = built
            if was_failed:
                self._tell("fixed", {"build": self.build})
            changed = sorted(built.changed) if len(built.changed) <= LISTED else None
            self._tell("reload", {"build": self.build, "changed": changed}, faults=True)
        self.ready.set()

    def count(self, counts: Mapping[str, int]) -> None:
        """How many leads and mails there are now."""
        if dict(counts) != self._counts:
            self._counts = dict(counts)
            self._tell("counts", self._counts)

    def close(self) -> None:
        """End every stream: a server waits for its connections."""
        self.ready.set()
        for queue in list(self._streams):
            self._end(queue)

    def page_state(self, file: str, local: bool) -> Data:
        """What a page is told of itself as it is sent. `local`: to this machine, so with links into its files."""
        source = self.good.sources.get(file, "")
        link = self._editor.link((self._root / source).absolute()) if source and local and self._editor.template else ""
        return {
            "session": self.session,
            "build": self.build,
            "mark": self.good.marks.get(file, ""),
            "source": source,
            "edit": link,
        }

    def _state(self) -> Data:
        return {
            "session": self.session,
            "build": self.build,
            "built": bool(self.good.pages),
            "failed": self._built.failed,
            "counts": self._counts,
        }

    def _render(self, diagnostics: tuple[Diagnostic, ...]) -> list[Data]:
        renderer = TextRenderer(self._root)
        ordered = sorted(diagnostics, key=lambda d: d.severity != ERROR)
        return [self._one(d, renderer) for d in ordered[:SHOWN]]

    def _one(self, found: Diagnostic, renderer: TextRenderer) -> Data:
        span = found.span
        file = (self._root / found.path).absolute()
        link = self._editor.link(file, span.line if span else 1, span.column if span else 1)
        link = link if self._editor.template and file.is_file() else ""
        return {**as_json(found), "excerpt": renderer.excerpt(found), "link": link}

    def _faults(self, local: bool) -> Data:
        """The diagnostics as plain data. Paths of this machine are nobody else's business."""
        data = self._data if local else [{**one, "link": ""} for one in self._data]
        return {"diagnostics": data, "more": max(0, len(self._built.diagnostics) - len(data))}

    def _tell(self, event: str, data: Data, faults: bool = False) -> None:
        for queue, local in list(self._streams.items()):
            try:
                queue.put_nowait(message(event, {**data, **(self._faults(local) if faults else {})}))
            except asyncio.QueueFull:
                self._end(queue)

    def _end(self, queue: asyncio.Queue[bytes | None]) -> None:
        self._streams.pop(queue, None)
        while queue.full():
            queue.get_nowait()
        queue.put_nowait(None)

    async def stream(self, receive: Receive, send: Send, local: bool) -> None:
        """One browser, until it or we go."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(BACKLOG)
        first = message("state", {**self._state(), **self._faults(local)})
        self._streams[queue] = local
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            data: bytes | None = b"retry: %d\n\n" % RETRY_MS + first
            while data is not None:
                await send({"type": "http.response.body", "body": data, "more_body": True})
                following = asyncio.ensure_future(queue.get())
                done, _ = await asyncio.wait(
                    {following, gone}, timeout=HEARTBEAT_SECONDS, return_when="FIRST_COMPLETED"
                )
                if gone in done:
                    following.cancel()
                    return
                if following in done:
                    data = following.result()
                else:
                    following.cancel()
                    data = b": still here\n\n"
            await send({"type": "http.response.body", "body": b""})
        finally:
            self._streams.pop(queue, None)
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await gone


def message(event: str, data: Data) -> bytes:
    """One event. JSON has no line breaks of its own, so it fits into one data line."""
    return f"event: {event}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode(errors="replace")


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
