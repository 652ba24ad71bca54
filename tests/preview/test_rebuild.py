"""Builds one after the other: none at the same time, and none left out."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from magnetgen.preview.rebuild import Rebuilder
from tests.preview.harness import until


class Work:
    """Notes each run and what had changed before it; `gate` holds a run up. `quick`: can show an edit at once."""

    def __init__(self, quick: bool = False) -> None:
        self.can_show = quick
        self.steps: list[str] = []
        self.runs: list[frozenset[str] | None] = []
        self.files: frozenset[str] | None = frozenset()
        self.at_once = 0
        self.most = 0
        self.gate = threading.Event()
        self.gate.set()

    def quick(self, files: frozenset[str] | None) -> bool:
        self.files = None if files is None or self.files is None else self.files | files
        shown = self.can_show and files is not None
        if shown:
            self.steps.append(f"show {''.join(sorted(files or ()))}")
        return shown

    def has_done(self, steps: int) -> bool:
        return len(self.steps) == steps

    def whole(self) -> None:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        self.steps.append("build")
        self.runs.append(self.files)
        self.files = frozenset()
        assert self.gate.wait(30)
        self.at_once -= 1


@contextmanager
def running(work: Work, **times: float) -> Iterator[Rebuilder]:
    rebuilder = Rebuilder(work.quick, work.whole, **times)
    rebuilder.start()
    try:
        until(lambda: len(work.runs) == 1)
        yield rebuilder
    finally:
        work.gate.set()
        rebuilder.stop()
        rebuilder.join(30)
        assert not rebuilder.is_alive()


def test_the_first_run_is_of_everything() -> None:
    work = Work()
    with running(work):
        assert work.runs == [None]


def test_files_are_named() -> None:
    work = Work()
    with running(work) as rebuilder:
        rebuilder.poke(frozenset({"a", "b"}))
        until(lambda: len(work.runs) == 2)
        assert work.runs[1] == frozenset({"a", "b"})
        rebuilder.poke(frozenset({"c"}))
        until(lambda: len(work.runs) == 3)
        assert work.runs[2] == frozenset({"c"})


def test_pokes_during_a_run_make_one_more_with_all_that_they_name() -> None:
    work = Work()
    with running(work) as rebuilder:
        work.gate.clear()
        rebuilder.poke(frozenset({"a"}))
        until(lambda: len(work.runs) == 2)
        for name in "bcd":
            rebuilder.poke(frozenset({name}))
        work.gate.set()
        until(lambda: len(work.runs) == 3)
        assert work.runs[2] == frozenset({"b", "c", "d"})
    assert len(work.runs) == 3
    assert work.most == 1


def test_who_does_not_know_makes_it_everything() -> None:
    work = Work()
    with running(work) as rebuilder:
        work.gate.clear()
        rebuilder.poke(frozenset({"a"}))
        until(lambda: len(work.runs) == 2)
        rebuilder.poke(frozenset({"b"}))
        rebuilder.poke()
        rebuilder.poke(frozenset({"c"}))
        work.gate.set()
        until(lambda: len(work.runs) == 3)
        assert work.runs[2] is None


def test_writing_without_a_pause_does_not_keep_it_from_building() -> None:
    work = Work()
    over = threading.Event()
    with running(work) as rebuilder:

        def write() -> None:
            while not over.is_set():
                rebuilder.poke(frozenset({"a"}))
                time.sleep(0.001)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            until(lambda: len(work.runs) >= 4)
        finally:
            over.set()
            writer.join()


def test_a_burst_is_one_run_at_rest() -> None:
    """Not a matter of time: the pokes come while it cannot begin."""
    work = Work()
    with running(work, longest=30) as rebuilder:
        with rebuilder._state:
            for number in range(500):
                rebuilder.poke(frozenset({str(number)}))
        until(lambda: len(work.runs) == 2)
        assert work.runs[1] == frozenset(map(str, range(500)))


def test_the_whole_comes_after_what_was_shown() -> None:
    work = Work(quick=True)
    with running(work) as rebuilder:
        rebuilder.poke(frozenset({"a"}))
        until(lambda: len(work.runs) == 2)
        assert work.steps == ["build", "show a", "build"]


def test_an_edit_while_the_whole_is_held_back_is_shown_first() -> None:
    """Not a matter of time: the whole is held back for longer than the test waits."""
    work = Work(quick=True)
    with running(work, hold=300, longest_hold=300) as rebuilder:
        for name in "abc":
            before = len(work.steps)
            rebuilder.poke(frozenset({name}))
            until(partial(work.has_done, before + 1))
        assert work.steps == ["build", "show a", "show b", "show c"]
        work.can_show = False
        rebuilder.poke(frozenset({"d"}))
        until(lambda: len(work.runs) == 2)
        assert work.runs[1] == frozenset("abcd"), "what cannot be shown at once ends the holding back"


def test_editing_without_a_pause_does_not_keep_the_whole_from_being_built() -> None:
    work = Work(quick=True)
    over = threading.Event()
    with running(work, hold=300, longest_hold=0.05) as rebuilder:

        def edit() -> None:
            while not over.is_set():
                rebuilder.poke(frozenset({"a"}))
                time.sleep(0.001)

        writer = threading.Thread(target=edit)
        writer.start()
        try:
            until(lambda: len(work.runs) >= 4)
        finally:
            over.set()
            writer.join()


def test_the_end_is_not_held_back() -> None:
    work = Work(quick=True)
    with running(work, hold=300, longest_hold=300) as rebuilder:
        rebuilder.poke(frozenset({"a"}))
        until(lambda: work.steps[-1] == "show a")
    assert work.steps == ["build", "show a"]


def test_nothing_runs_after_the_end() -> None:
    work = Work()
    with running(work) as rebuilder:
        pass
    rebuilder.poke()
    assert len(work.runs) == 1
