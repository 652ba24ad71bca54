"""One run of the preview: what has changed is built, the forms' handler gets its news, browsers and terminal are told."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable
from urllib.parse import urlsplit

import click
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from magnetgen.diagnostics import ERROR, Diagnostic, TextRenderer, error
from magnetgen.output import RefusedError
from magnetgen.preview.editor import Editor
from magnetgen.preview.engine import Built
from magnetgen.preview.live import Live
from magnetgen.preview.rebuild import Rebuilder
from magnetgen.preview.watch import Watch

COUNT_SECONDS = 1.0
FAULT_FILE = ".magnetgen/preview-fault.txt"


class Builder(Protocol):
    """What builds: preview.engine.Engine."""

    @property
    def out(self) -> Path: ...
    def build(self) -> Built: ...


@runtime_checkable
class Quick(Protocol):
    """A builder that can show an edit before the whole is built; None where it cannot."""

    def edit(self, changed: Collection[str]) -> Built | None: ...


class Forms(Protocol):
    """What takes the preview's submissions: preview.funnel.Funnel.

    api: takes whole request paths; prefix: where it is, such as `/api`, or empty; routes: pages below `/_magnetgen/`.
    """

    @property
    def api(self) -> ASGIApp: ...
    @property
    def prefix(self) -> str: ...
    def routes(self) -> list[BaseRoute]: ...
    def use(self, forms: bytes) -> None: ...
    def counts(self) -> Mapping[str, int]: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class Session:
    """Everything between a changed file and the browser that shows it. `say`: prints a line, from any thread."""

    def __init__(
        self, root: Path, engine: Builder, forms: Forms | None, editor: Editor, say: Callable[[str], None]
    ) -> None:
        self.root = root
        self.engine = engine
        self.forms = forms
        self.live = Live(root, editor)
        self.prefix = "/"
        """The path of the site's base_url, with `/` at both ends."""
        self.rebuilder = Rebuilder(self._quick, self._whole)
        self.shown = threading.Event()
        """Set once the first build is done and told of."""
        self._watch = Watch(root, self.rebuilder.poke, say)
        self._say = say
        self._compiled = b""
        self._good = False
        self._edited: frozenset[str] = frozenset()
        """Files that were shown before the whole was built."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._counting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        if self.forms:
            await self.forms.start()
        self._watch.start()
        self.rebuilder.start()
        self._counting = asyncio.create_task(self._count())

    async def stop(self) -> None:
        self._loop = None
        self.rebuilder.stop()
        self._watch.stop()
        self.live.close()
        if self._counting:
            self._counting.cancel()
        if self.forms:
            await self.forms.stop()

    def closing(self) -> None:
        """The server is to end: let go of the browsers. From a signal's handler."""
        if self._loop:
            self._loop.call_soon_threadsafe(self.live.close)

    def _quick(self, files: frozenset[str] | None) -> bool:
        """Show an edit at once, where that can be done. In the builder's thread, as `_whole`."""
        if not files or not isinstance(engine := self.engine, Quick):
            return False
        built = self._guarded(lambda: engine.edit(files))
        if built is None or built.failed:
            return False
        self._shown(built)
        self._edited |= built.changed
        return True

    def _whole(self) -> None:
        built = self._guarded(self.engine.build)
        if built and (built := self._shown(built)):
            self._report(replace(built, changed=built.changed | self._edited))
        self._edited = frozenset()
        self.shown.set()

    def _shown(self, built: Built) -> Built | None:
        """What came of it for the browsers; None where nobody is there any more."""
        if self._loop is None:
            return None
        waiting = self._publish(built)
        try:
            return asyncio.run_coroutine_threadsafe(waiting, self._loop).result()
        except (RuntimeError, CancelledError):  # the loop has ended in the meantime
            waiting.close()
            return None

    def _guarded(self, step: Callable[[], Built | None]) -> Built | None:
        try:
            return step()
        except OSError as exc:
            return _failed(self._from_system(exc))
        except RefusedError as exc:
            return _failed(error("io", str(exc), ".", hint="mend that: the next change builds again"))
        except Exception as exc:
            return _failed(self._from_us(exc))

    async def _publish(self, built: Built) -> Built:
        """In the event loop's thread. With a handler that cannot take the forms, the build counts as failed."""
        if built.forms:
            self.prefix = urlsplit(json.loads(built.forms)["base_url"]).path or "/"
        if self.forms and not built.failed and built.forms != self._compiled:
            try:
                self.forms.use(built.forms)
                self._compiled = built.forms
            except OSError as exc:
                built = _failed(self._from_system(exc))
            except Exception as exc:
                built = _failed(self._from_us(exc))
        self.live.show(built)
        return built

    def _from_system(self, exc: OSError) -> Diagnostic:
        name = str(exc.filename or ".")
        path = os.path.relpath(name, self.root) if os.path.isabs(name) else name  # noqa: PTH117 (a name, not a path)
        return error(
            "io", exc.strerror or str(exc), Path(path).as_posix(), hint="mend that: the next change builds again"
        )

    def _from_us(self, exc: Exception) -> Diagnostic:
        """A fault of magnetgen's own. The writer gets a sentence, and a file to pass on."""
        try:
            (self.root / FAULT_FILE).write_text("".join(traceback.format_exception(exc)), "utf-8", "replace")
            where = f"{FAULT_FILE} says where it happened"
        except OSError:
            where = "magnetgen build may say more"
        message = f"a fault of magnetgen itself: {type(exc).__name__}"
        return error("internal", message, ".", hint=f"{where}; undo the last change to go on")

    def _report(self, built: Built) -> None:
        """To the terminal: the faults, and one line."""
        color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        renderer = TextRenderer(self.root, color)
        lines = [renderer.render(found) for found in built.diagnostics]
        errors = sum(found.severity == ERROR for found in built.diagnostics)
        counted = [
            _count(n, word) for n, word in ((errors, "error"), (len(built.diagnostics) - errors, "warning")) if n
        ]
        said = "; ".join(counted)
        now = time.strftime("%H:%M:%S")
        self._good = self._good or not built.failed
        if built.failed:
            lines.append(f"{now} {said}: {self._left()}")
        else:
            changed = f", {len(built.changed):,} changed" if built.changed else ""
            lines.append(
                f"{now} {_count(built.pages, 'page')}{changed}, {built.seconds:.2f} s" + (f"; {said}" if said else "")
            )
        self._say("\n".join(lines))

    def _left(self) -> str:
        """What there is to see after a build that failed."""
        if self._good:
            return "the preview stays as it was"
        if (self.engine.out / "index.html").is_file():
            return "the preview is what it was the last time"
        return "nothing to see until that is mended"

    async def _count(self) -> None:
        """Keep the toolbars' numbers right while somebody looks."""
        while True:
            if self.forms and self.live.streams:
                self.live.count(self.forms.counts())
            await asyncio.sleep(COUNT_SECONDS)


def say(line: str) -> None:
    click.echo(line)


def _failed(found: Diagnostic) -> Built:
    return Built(diagnostics=(found,), failed=True)


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
