"""A deploy as a list of named steps, each told as it goes; the first one that fails is the last."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import click

CONTENT, USAGE, BROKEN = 1, 2, 3
"""Exit codes: the site is wrong, here or where it is live; the command or its surroundings; the other end, the disk."""


class DeployFault(Exception):
    """Why a deploy ends here, and what to do. `tail`: the last lines that a host's tool said, without secrets."""

    def __init__(self, message: str, hint: str = "", exit_code: int = USAGE, tail: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.exit_code = exit_code
        self.tail = tail


class LeftOut(Exception):
    """Why a step has nothing to do."""


@dataclass(frozen=True)
class Step:
    """Something to do, by name. `run` says in a few words what came of it; raises DeployFault or LeftOut.

    check: it changes nothing, so that a rehearsal goes on after it has failed. live: it looks at what is live.
    alone: what follows does not hang on it.
    """

    name: str
    run: Callable[[], str]
    check: bool = False
    live: bool = False
    alone: bool = False


@dataclass
class Show:
    """Tells of the steps, on stdout. `running`: the step's name is on the terminal, and goes when it is done."""

    color: bool = False
    terminal: bool = field(default_factory=lambda: sys.stderr.isatty())

    def begin(self, name: str) -> None:
        if self.terminal:
            click.echo(f"{name} …", err=True, nl=False)

    def done(self, name: str, said: str) -> None:
        self._line("ok", name, said, "green")

    def left_out(self, name: str, why: str) -> None:
        self._line("-", name, why, None)

    def warn(self, text: str) -> None:
        self._line("warn", text, "", "yellow")

    def would_run(self, command: str) -> None:
        self._line("run", command, "", "cyan")

    def fault(self, name: str, fault: DeployFault) -> None:
        self._line("FAULT", name, str(fault), "red")
        for line in fault.tail.splitlines():
            click.echo(f"      | {line}")
        if fault.hint:
            click.echo(f"      {fault.hint}")

    def say(self, text: str) -> None:
        self._clear()
        click.echo(text)

    def _line(self, mark: str, name: str, said: str, tint: str | None) -> None:
        self._clear()
        styled = click.style(f"{mark:5}", fg=tint) if self.color and tint else f"{mark:5}"
        click.echo(f"{styled} {name}" + (f": {said}" if said else ""))

    def _clear(self) -> None:
        if self.terminal:
            click.echo("\r\x1b[K", err=True, nl=False)


def walk(steps: Iterable[Step], show: Show, rehearsal: bool, undo: Callable[[], str] = str) -> int:
    """Take the steps in order → exit code. In a rehearsal all that a check finds is told, not only the first.

    undo: how to go back from what is live, or nothing.
    """
    worst, live = 0, False
    for step in steps:
        show.begin(step.name)
        try:
            said = step.run()
        except LeftOut as why:
            show.left_out(step.name, str(why))
        except DeployFault as fault:
            show.fault(step.name, fault)
            worst, live = max(worst, fault.exit_code), live or (step.live and fault.exit_code == CONTENT)
            if not (step.alone or (rehearsal and step.check)):
                break
        else:
            show.done(step.name, said)
    if live and (how := undo()):
        show.say(f"To go back to what was live before: {how}")
    return worst


def listed(words: Iterable[Any]) -> str:
    """a, b and c."""
    texts = [str(word) for word in words]
    return " and ".join(filter(None, (", ".join(texts[:-1]), *texts[-1:])))
