"""Plays a story to one handler, and notes all that it answered and stored in a form that can be compared."""

from __future__ import annotations

import random
import re
from collections.abc import Collection
from typing import Any

from magnetgen.forms import tokens
from magnetgen.forms.testing import KEYS
from magnetgen.forms.tokens import Token
from tests.edge import plain
from tests.edge.odd_values import bent_token
from tests.edge.sites import site
from tests.edge.steps import Ask, Hook, Look, Story
from tests.edge.wire import Answer, Line

_MARK = re.compile("⟦([^⟧]*)⟧")
_GONE = "0f" * 16

Note = tuple[int, dict[str, Any]]
"""A step's number and what came of it."""


class Player:
    """One handler over the whole of a run. `without`: what one of those that it is compared with cannot promise."""

    def __init__(self, name: str, base: str, without: Collection[str] = ()) -> None:
        self.name = name
        self.without = without
        self.line = Line(base)

    def play(self, story: Story) -> list[Note]:
        """All answers and states. Raises OSError where the handler is gone."""
        self.line.hook("reset", {"forms": site(story.site, self.without), "now": story.start})
        self._own: list[str] = []
        self._names: plain.Names = {}
        self._rows: dict[str, Any] | None = None
        raw: list[tuple[int, str, Any]] = []
        for number, step in enumerate(story.steps):
            if isinstance(step, Look):
                raw.append((number, "", self._look()))
            elif isinstance(step, Hook):
                self._rows = None
                raw.append((number, "hook", self.line.hook(step.name, step.data)))
            else:
                raw.append((number, step.method, self._ask(step)))
        # Named at the end, when all names are known that there are.
        return [(number, self._noted(method, found)) for number, method, found in raw]

    def _noted(self, method: str, found: Any) -> dict[str, Any]:
        if isinstance(found, Answer):
            return plain.answer(found, self._names, method)
        return plain.state(found, self._names) if not method else {"hook": found}

    def _settle(self) -> None:
        """What is only noted is written after the answer: a probe of the store comes after it."""
        self.line.send(Ask("GET", "/readyz"))

    def _look(self) -> Any:
        self._rows = self.line.state()
        self._names = plain.named(self._rows, self._names)
        return self._rows

    def _ask(self, ask: Ask) -> Answer:
        self.line.hook("clock", {"now": ask.now})
        target = _MARK.sub(lambda match: self._known(match[1], ask.bend), ask.target)
        sent = Ask(ask.method, target, ask.headers, ask.body, ask.chunked)
        answer = self.line.send(sent)
        if ask.method == "GET" and ask.target.startswith("/download/"):
            self._settle()
            self._rows = None
        if ask.method not in ("GET", "HEAD", "OPTIONS"):
            self._rows = None
        self._own += plain.TOKEN.findall(answer.headers.get("location", "") + answer.body.decode("utf-8", "replace"))
        return answer

    # What only this host knows

    def _known(self, mark: str, bend: int) -> str:
        kind, *words = mark.split(":")
        if kind == "own":
            found = self._own[-1 - int(words[0])] if len(self._own) > int(words[0]) else "none"
        elif kind == "token":
            found = self._token(*words)
        elif kind == "lead":
            return self._lead(*words)
        else:
            return self._row_of(kind, *words)
        if not bend:
            return found
        bent = bent_token(random.Random(bend), found)
        return bent.replace(" ", "%20")

    def _token(self, purpose: str, form: str, email: str, asset: str, issued: str, expires: str, kid: str) -> str:
        lead = self._lead(form, email)
        return tokens.sign(KEYS, Token(purpose, form, lead, int(issued), int(expires), asset), bytes(16))

    def _state(self) -> dict[str, Any]:
        rows: dict[str, Any] = self._rows or self._look()
        return rows

    def _lead(self, form: str, email: str) -> str:
        """The id of a person's lead on a form; without one, an id that nobody has."""
        found = [
            row["id"] for row in self._state()["leads"] if (row["form"], row["email"].lower()) == (form, email.lower())
        ]
        return found[0] if found else _GONE

    def _row_of(self, kind: str, status: str, at: str) -> str:
        table, column = {"sub": ("submissions", "status"), "out": ("outbox", "state")}[kind]
        state = self._state()
        found = sorted(
            (row for row in state[table] if row[column] == status), key=lambda row: self._names.get(row["id"], "")
        )
        return found[int(at) % len(found)]["id"] if found else _GONE
