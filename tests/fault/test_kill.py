"""Killed at a random moment: each file is the old or the new one, and the next build is right and leaves nothing over.

At every moment: test_kill_moments.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from magnetgen import cache
from tests.conftest import page
from tests.fault.killer import visible
from tests.fault.tools import (
    DEADLINE,
    Rich,
    Tree,
    alive,
    children,
    command,
    differences,
    environment,
    forms_json,
    leftovers,
    rich,
    run,
    tree,
)

KILLS = int(os.environ.get("MAGNETGEN_KILLS", "12"))
MANY = 450
"""More pages than cache.PARALLEL_FROM."""


class Case:
    """A site before a build, and what that build must make of it."""

    def __init__(self, folder: Path, rebuild: bool, posts: int) -> None:
        self.root = folder / "site"
        self.kept = folder / "kept"
        site = rich(self.root)
        for number in range(posts):
            text = page(f"Words {number}.", title=f"Extra {number}", date="2026-01-05")
            site.write(f"content/extra/{number}.md", text)
        self.old: Tree = {}
        if rebuild:
            assert run("--site", self.root).returncode == 0
            self.old = tree(self.root / "public")
            site.write("templates/_footer.html", "<footer>another</footer>")
            site.delete("content/guide.md")
        self.root.rename(self.kept)
        self.reset()
        started = time.monotonic()
        assert run("--site", self.root).returncode == 0
        self.seconds = time.monotonic() - started
        self.new, self.forms = tree(self.root / "public"), forms_json(self.root)
        self.reset()

    def reset(self) -> Rich:
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.kept, self.root, symlinks=True)
        return Rich(self.root)

    def torn(self) -> list[str]:
        found = visible(tree(self.root / "public"))
        return [name for name, data in found.items() if data not in (self.old.get(name), self.new.get(name))]

    def after(self) -> list[str]:
        """What is wrong after the next build."""
        done = run("--site", self.root)
        wrong = [] if done.returncode == 0 else [f"exit {done.returncode}: {done.stdout}{done.stderr}"]
        wrong += differences(tree(self.root / "public"), self.new)
        wrong += [f"left over: {name}" for name in leftovers(self.root)]
        return wrong + ([] if forms_json(self.root) == self.forms else ["forms.json is not right"])


@pytest.mark.parametrize("rebuild", [False, True], ids=["first", "rebuild"])
def test_killed_at_random_moments(rebuild: bool, tmp_path: Path) -> None:
    case = Case(tmp_path, rebuild, posts=60)
    dice = random.Random(20260528)
    for number in range(KILLS):
        case.reset()
        moment = case.seconds * dice.uniform(0.2, 1.0)
        process = subprocess.Popen(command("--site", case.root), env=environment(), stdout=subprocess.DEVNULL)
        time.sleep(moment)
        process.kill()
        process.wait()
        assert not case.torn(), f"kill {number}"
        assert not case.after(), f"kill {number} after {moment:.3f} s of {case.seconds:.3f}"


@pytest.fixture
def parallel(tmp_path: Path) -> Iterator[Case]:
    yield Case(tmp_path, rebuild=True, posts=MANY)


def _wait_for_children(process: subprocess.Popen[Any]) -> set[int]:
    deadline = time.monotonic() + DEADLINE
    while process.poll() is None and time.monotonic() < deadline:
        found = children(process.pid)
        if found:
            return found
        time.sleep(0.005)
    return set()


def test_killed_while_workers_run(parallel: Case) -> None:
    """Only the parent is killed, as by the kernel short of memory. Its workers end, and spoil nothing meanwhile."""
    dice = random.Random(7)
    for number in range(max(3, KILLS // 4)):
        parallel.reset()
        process = subprocess.Popen(command("--site", parallel.root, "--jobs", 2), env=environment(),
                                   stdout=subprocess.DEVNULL)  # fmt: skip
        workers = _wait_for_children(process)
        time.sleep(dice.uniform(0.0, 0.3) * parallel.seconds)
        workers |= children(process.pid)
        process.kill()
        process.wait()
        assert not parallel.after(), f"kill {number}"
        deadline = time.monotonic() + DEADLINE
        while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not [pid for pid in workers if alive(pid)], "workers outlive their build"
        assert not parallel.torn()
        assert not parallel.after(), f"kill {number}, when its workers had ended"


def test_a_killed_workers_build_fails_or_ends_but_does_not_hang(parallel: Case) -> None:
    process = subprocess.Popen(command("--site", parallel.root, "--jobs", 2), env=environment(), text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
    workers = _wait_for_children(process)
    assert workers, "no worker was seen"
    os.kill(min(workers), signal.SIGKILL)
    try:
        said, _ = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        for pid in children(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.kill()
        process.wait()
        pytest.fail("the build hangs when one of its workers is killed")
    assert "Traceback" not in said
    assert not parallel.torn()
    assert not parallel.after()


def test_a_worker_whose_build_was_killed_before_it_began_ends() -> None:
    """It had not yet asked to be told of that, and would wait for work with the site's lock in its hands."""
    context = multiprocessing.get_context("fork")
    gone = context.Process(target=lambda: None)
    gone.start()
    gone.join()
    for parent, code in ((gone.pid, 1), (os.getpid(), 0)):
        worker = context.Process(target=cache._start_worker, args=(lambda: len, parent))
        worker.start()
        worker.join(DEADLINE)
        assert worker.exitcode == code


def _builds_at_once(case: Case, count: int) -> list[tuple[int, str]]:
    processes = [
        subprocess.Popen(command("--site", case.root, "--jobs", 1), env=environment(), text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(count)
    ]  # fmt: skip
    return [(p.returncode, said) for p in processes for said in [p.communicate(timeout=DEADLINE)[0]]]


@pytest.mark.parametrize("rebuild", [False, True], ids=["first", "rebuild"])
def test_two_builds_at_once(rebuild: bool, tmp_path: Path) -> None:
    """A preview server and a command line, say: both end well, or one says that the other runs."""
    case = Case(tmp_path, rebuild, posts=60)
    for _ in range(4):
        case.reset()
        ended = _builds_at_once(case, 2)
        assert not case.torn()
        assert not [said for code, said in ended if "Traceback" in said]
        assert any(code == 0 for code, _ in ended), ended
        assert all(code == 0 or "another build" in said for code, said in ended), ended
        assert not case.after()


def test_stopped_politely_is_as_good_as_killed(tmp_path: Path) -> None:
    """SIGTERM, as service managers and CI send it."""
    case = Case(tmp_path, rebuild=True, posts=60)
    dice = random.Random(3)
    for _ in range(3):
        case.reset()
        process = subprocess.Popen(command("--site", case.root), env=environment(), stdout=subprocess.DEVNULL)
        time.sleep(case.seconds * dice.uniform(0.5, 0.95))
        process.terminate()
        process.wait(timeout=DEADLINE)
        assert not case.torn()
        assert not case.after()
