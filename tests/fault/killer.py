"""Kills builds at every single change they make on disk: `python -m tests.fault.killer SCENARIO [torn]`.

The interpreter's audit hook tells of each change (a file opened for writing, renamed or deleted, a folder made or
deleted) just before it happens; the build, in a forked child, kills itself at the Nth. The parent then looks at what is
left with the oracle of test_kill and prints what is wrong, as JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from magnetgen import output
from magnetgen.build import build
from magnetgen.output import RefusedError
from magnetgen.state import Options
from tests.conftest import NOW, page
from tests.fault.tools import Rich, Tree, differences, forms_json, leftovers, tree

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
MARKER = output.MARKER


def small(root: Path) -> Rich:
    site = Rich(root)
    site.write("magnetgen.yaml", "title: Lab\nbase_url: https://example.com\nimage: /media/share.svg\n")
    site.write("media/share.svg", '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    for number in range(3):
        site.write(f"content/posts/{number}.md", page(f"Words {number}.", title=f"Post {number}", date="2026-01-01"))
    site.write("content/posts/kit", b"a file")
    return site


def change(site: Rich) -> None:
    """A rebuild with all there is: every page differs, one is gone, one is new, a file becomes a folder."""
    site.write("templates/_footer.html", "<footer>another</footer>")
    site.delete("content/posts/1.md")
    site.write("content/posts/new.md", page("New words.", title="New", date="2026-02-02"))
    site.delete("content/posts/kit")
    site.write("content/posts/kit/index.md", page("A kit.", title="Kit", date="2026-02-03"))


def prepare(scenario: str, folder: Path) -> tuple[Tree, Tree, bytes]:
    """The site as it is before the build that is killed; the old and the new tree, the new forms.json."""
    site = small(folder / "site")
    old: Tree = {}
    if scenario == "into an empty folder":
        (site.root / "public").mkdir()
    elif scenario in ("rebuild", "rebuild without a cache"):
        site.build()
        old = tree(site.root / "public")
        change(site)
        if scenario == "rebuild without a cache":
            shutil.rmtree(site.root / ".magnetgen" / "cache" / "templates")
    wanted = Rich(folder / "wanted")
    shutil.copytree(site.root, wanted.root, ignore=shutil.ignore_patterns("public", ".magnetgen"))
    wanted.build()
    return old, tree(wanted.root / "public"), forms_json(wanted.root)


def judge(root: Path, old: Tree, new: Tree, forms: bytes) -> list[str]:
    """What a killed build may not leave, and what the next build must make of it."""
    wrong = []
    for name, data in visible(tree(root / "public")).items():
        if data not in (old.get(name), new.get(name)):
            wrong.append(f"torn: {name}")
    try:
        result = build(root, Options(jobs=1, now=NOW))
    except (OSError, RefusedError) as exc:
        return [*wrong, f"the next build fails: {type(exc).__name__}: {exc}"]
    wrong += [f"the next build finds {d.code}" for d in result.diagnostics]
    wrong += differences(tree(root / "public"), new)
    wrong += [f"left over: {name}" for name in leftovers(root)]
    if forms_json(root) != forms:
        wrong.append("forms.json is not right")
    return wrong


def visible(found: Tree) -> Tree:
    """The files that a server would give out under the site's own addresses: not the stage."""
    return {n: d for n, d in found.items() if not n.startswith((".magnetgen-stage/", "..magnetgen"))}


def watch(on_change: Callable[[int, str], None]) -> None:
    """Be told of this process's changes on disk, by number and name, each just before it happens."""
    seen = 0

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal seen
        writing = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
        if writing or event in CHANGES:
            seen += 1
            on_change(seen, str(args[0]))

    sys.addaudithook(hook)


def kill_at(number: int) -> None:
    """End this process by SIGKILL just before its Nth change on disk."""

    def strike(seen: int, name: str) -> None:
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    watch(strike)


def moments(names: list[str]) -> list[int]:
    """The changes to kill at: all of them, but of the many compiled templates only some (MAGNETGEN_KILLS: all)."""
    every = "MAGNETGEN_KILLS" in os.environ
    return [at for at, name in enumerate(names, 1) if every or "/cache/templates/" not in name or at % 10 == 0]


def torn_writes() -> None:
    """The fault that the oracle must see: files written where they lie, in two halves."""

    def write(self: output.Stage, file: str, data: bytes) -> tuple[int, int, bool]:
        target = self.out / file
        target.parent.mkdir(parents=True, exist_ok=True)
        for half, mode in ((data[: len(data) // 2], "wb"), (data[len(data) // 2 :], "ab")):
            with target.open(mode) as stream:
                stream.write(half)
        return len(data), target.stat().st_mtime_ns, False

    output.Stage._write = write  # type: ignore[method-assign]


def in_child(work: Callable[[], object]) -> int:
    """Run in a fork; the signal that ended it, or 0."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main(scenario: str, torn: bool) -> None:
    reports: dict[int, list[str]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve()
        old, new, forms = prepare(scenario, folder)
        names = folder / "names.txt"

        def attempt(prepare_child: Callable[[], None]) -> int:
            # In the same place each time: manifests go by the output's path.
            (folder / "site").rename(folder / "kept")
            shutil.copytree(folder / "kept", folder / "site", symlinks=True)

            def work() -> None:
                if torn:
                    torn_writes()
                prepare_child()
                build(folder / "site", Options(jobs=1, now=NOW))

            return in_child(work)

        def restore() -> None:
            shutil.rmtree(folder / "site")
            (folder / "kept").rename(folder / "site")

        def record() -> None:
            listing = names.open("w")
            watch(lambda seen, name: print(name, file=listing, flush=True))

        assert attempt(record) == 0
        restore()
        chosen = moments(names.read_text().splitlines())
        for number in chosen:
            assert attempt(partial(kill_at, number)) == -signal.SIGKILL
            wrong = judge(folder / "site", old, new, forms)
            if wrong:
                reports[number] = wrong
            restore()
    print(json.dumps({"points": len(chosen), "wrong": reports}))


if __name__ == "__main__":
    main(sys.argv[1], "torn" in sys.argv[2:])
