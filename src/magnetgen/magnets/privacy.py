"""What only leads receive is reachable by nobody else: proved for what a build has written, byte by byte."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from magnetgen.diagnostics import Diagnostic, Span, error
from magnetgen.forms import files
from magnetgen.output import Made, Stage
from magnetgen.plan import Plan, is_magnet

FOLDER = ".magnetgen/magnets"
DAY_SECONDS = 86_400
KEPT_SECONDS = 7 * DAY_SECONDS


def leaks(plan: Plan, stage: Stage, made: Iterable[Made]) -> Iterator[Diagnostic]:
    """Each output that is, byte for byte, a file that only leads receive. Equal sizes are compared."""
    if stage.dry:
        return
    private: dict[int, list[str]] = {}
    for file in _private(plan):
        try:
            private.setdefault((plan.root / file).stat().st_size, []).append(file)
        except OSError:
            continue  # its absence is a fault of its own
    sources = {job.file: job.source for job in plan.jobs}
    for output in made:
        for file in private.get(output.size, ()) if output.size else ():
            if stage.path_of(output).read_bytes() == (plan.root / file).read_bytes():
                path = sources.get(output.file) or output.file
                message = f"this is the same file as {file}, and would be public"
                hint = "delete it, or what it comes from: only a form gives that file"
                yield error("magnet-public", message, path, Span(1), hint)


def _private(plan: Plan) -> Iterator[str]:
    """Files in content/magnets/, Markdown too, and what was made from them."""
    yield from (magnet.source for magnet in (*plan.magnets.values(), *plan.chapters.values()))
    yield from (file for file in plan.media if is_magnet(file))
    yield from (asset.file for gift in plan.gifts.values() for asset in gift.assets)


def sweep(root: Path) -> None:
    """Remove made magnets that neither the site's forms nor the preview's have given for a week.

    A handler that runs still gives what it was started with.
    """
    kept: set[str] = set()
    for audience in (files.REAL, files.PREVIEW):
        try:
            given = json.loads(files.path(root, audience.forms).read_bytes())
            kept |= {asset["file"] for asset in given.get("assets", {}).values()}
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return  # what cannot be read may name any of them
    stems = {tuple(file.rsplit("/", 1)[1].split(".")[:2]) for file in kept if file.startswith(FOLDER + "/")}
    now = time.time()
    for path in (root / FOLDER).glob("*.*.*"):
        age = now - path.stat().st_mtime
        if tuple(path.name.split(".")[:2]) not in stems:
            if age > KEPT_SECONDS:
                path.unlink(missing_ok=True)
        elif age > DAY_SECONDS:  # not each time: its time tells other builds of this site that nothing has changed
            os.utime(path)
