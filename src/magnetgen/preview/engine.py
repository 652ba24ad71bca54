"""Builds for the preview, again and again in one process: what the last build knew is at hand for the next.

An edit of a page's words is shown before the site is built: only that page is made, against the site as it last was.
The whole build that follows has the last word.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from magnetgen import build, cache, config, output, pages, yamldoc
from magnetgen.diagnostics import ERROR, Diagnostic
from magnetgen.forms import files
from magnetgen.model import Page
from magnetgen.plan import Publish, why_held_back
from magnetgen.render import PAGE_JOBS
from magnetgen.state import Options

OUT = "/".join(output.PREVIEW)
"""The preview's output, relative to the site: drafts never get near `public/`."""

_WORDS = {"digest", "title", "description", "has_description", "anchors", "links", "images", "words", "toc", "extra"}
"""What may differ in a page for it to be shown at once: nothing that moves it or puts it on another list."""


@dataclass(frozen=True)
class Built:
    """What came of one build. Files are relative to the output: `posts/a/index.html`.

    `failed`: nothing was written, and the last good output stays. `changed`: files that differ from the build before.
    `marks`: HTML file → why a real build would leave it out (`draft`, `future date (2027-01-01)`). `sources`: HTML
    file → content file. `forms`: forms.json of the last good build; empty before there is one.
    """

    diagnostics: tuple[Diagnostic, ...] = ()
    failed: bool = False
    pages: int = 0
    seconds: float = 0.0
    changed: frozenset[str] = frozenset()
    marks: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    forms: bytes = b""


class Engine:
    """`base_url`: where the preview is; the path of the site's own base_url is kept.

    Safe to be called from several threads: one build at a time.
    """

    def __init__(self, root: Path, base_url: str) -> None:
        self.root = root
        self.out = root / OUT
        self._origin = "{0.scheme}://{0.netloc}".format(urlsplit(base_url))
        self._memos = cache.WarmMemos()
        self._lock = threading.Lock()
        self._last: build.Run | None = None
        self._built = Built()

    def build(self) -> Built:
        """Build what has changed. Raises OSError; faults of content are in the result."""
        with self._lock:
            started = time.perf_counter()
            # Workers are forked, and a process with other threads must not be: what they hold would be held for ever.
            jobs = cache.default_jobs() if threading.active_count() == 1 else 1
            options = Options(base_url=self._base_url(), drafts=True, future=True, jobs=jobs)
            runs: list[build.Run] = []
            out = self.out.resolve()
            result = build.run(self.root, options, lambda _: out, time.time(), runs.append, self._memos)
            if runs:
                self._last = runs[0]
                told = _told(runs[0])
                if told.forms != self._built.forms:
                    cache.write_atomically(files.path(self.root, files.PREVIEW.forms), told.forms)
            else:
                told = replace(self._built, diagnostics=result.diagnostics, failed=True, changed=frozenset())
            self._built = replace(told, seconds=time.perf_counter() - started)
            return self._built

    def edit(self, changed: Collection[str]) -> Built | None:
        """Show an edit of pages' words at once. None: only a whole build can tell what has changed.

        `changed`: what was, relative to the site. Whatever this shows, a whole build is to follow.
        """
        with self._lock:
            started = time.perf_counter()
            run = self._last
            if run is None or self._built.failed or not changed:
                return None
            reader = pages.PageReader(self.root, run.renderer.plan.config)
            edits = [_edited(run, reader, file) for file in changed]
            if None in edits:
                return None
            made = [_made(run, page) for page in edits if page is not None]
            if None in made:
                return None
            shown = frozenset(file for file, html in filter(None, made) if _put(self.out / file, html))
            self._built = replace(self._built, seconds=time.perf_counter() - started, changed=shown)
            return self._built

    def _base_url(self) -> str:
        """The preview's address with the path of the site's own."""
        try:
            return self._origin + config.load(self.root)[0].prefix
        except (yamldoc.Fault, FileNotFoundError):
            return self._origin + "/"  # the build says what is wrong


def _told(run: build.Run) -> Built:
    plan = run.renderer.plan
    jobs = {job.file: plan.by_source[job.source] for job in plan.jobs if job.kind == "page"}
    published = Publish(time.time())
    marks = {file: reason for file, page in jobs.items() if (reason := why_held_back(page, published))}
    return Built(
        diagnostics=run.result.diagnostics,
        pages=run.result.pages,
        changed=frozenset(run.changed),
        marks=marks,
        sources={job.file: job.source for job in plan.jobs if job.kind in PAGE_JOBS and job.source},
        forms=run.forms,
    )


def _edited(run: build.Run, reader: pages.PageReader, file: str) -> Page | None:
    """The page with its new words; None where more than words has changed, or something is wrong."""
    shown, known = run.renderer.plan.by_source.get(file), run.parsed.get(file)
    if shown is None or known is None or known.page is None:
        return None
    try:
        parsed = reader.parse(file)
    except OSError:
        return None
    if parsed.page is None or parsed.diagnostics:
        return None
    before, now = msgspec.structs.asdict(known.page), msgspec.structs.asdict(parsed.page)
    differing = {name: value for name, value in now.items() if value != before[name]}
    # What the plan has settled for this page otherwise than its file says, stays.
    return None if differing.keys() - _WORDS else msgspec.structs.replace(shown, **differing)


def _made(run: build.Run, page: Page) -> tuple[str, bytes] | None:
    """The page's file and its HTML; None if it is no page of its own, or has faults."""
    renderer = run.renderer
    job = next((job for job in renderer.plan.jobs if job.kind == "page" and job.source == page.source), None)
    if job is None:
        return None
    renderer.plan.by_source[page.source] = page
    rendered = renderer.render(job)
    faults = (*rendered.diagnostics, *build.page_faults(renderer, job, rendered))
    if any(fault.severity == ERROR for fault in faults):
        return None
    return job.file, rendered.html.encode(errors="replace")


def _put(path: Path, html: bytes) -> bool:
    """Write a page where it differs."""
    try:
        if path.read_bytes() == html:
            return False
    except FileNotFoundError:
        pass
    cache.write_atomically(path, html)
    return True
