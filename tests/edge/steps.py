"""What a generated story is made of: requests as raw as they are sent, and what happens between them.

A request may name what only a running host knows, in marks like `⟦lead:plain:ana@x.co⟧`:

- `⟦token:PURPOSE:FORM:EMAIL:ASSET:ISSUED:EXPIRES:KID⟧`: a genuine token for that person's lead. An EMAIL that no lead
  has stands for a lead that is gone.
- `⟦own:N⟧`: the Nth last token that the host itself has given out in an answer.
- `⟦sub:STATUS:N⟧`, `⟦out:STATE:N⟧`, `⟦lead:FORM:EMAIL⟧`: an id out of the store.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

Header = tuple[str, str]


@dataclass(frozen=True)
class Ask:
    """One request, below the handler's base. `target` and headers are Latin-1; `chunked`: without a length."""

    method: str
    target: str
    headers: tuple[Header, ...] = ()
    body: bytes = b""
    chunked: bool = False
    now: float = 0.0
    """When it comes: the clock is set to it before."""
    bend: int = 0
    """Other than 0: the token in the target is spoilt in a way that this number chooses."""

    def with_header(self, name: str, value: str | None) -> Ask:
        """With one header of that name, or none."""
        kept = tuple((n, v) for n, v in self.headers if n.lower() != name.lower())
        return replace(self, headers=kept if value is None else (*kept, (name, value)))


@dataclass(frozen=True)
class Hook:
    """One of the handler's test hooks: clock, sinks or drain."""

    name: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Look:
    """The store is compared here."""


Step = Ask | Hook | Look


@dataclass(frozen=True)
class Story:
    """Requests that follow each other on a fresh store. `site`: a name in sites.SITES."""

    name: str
    site: str
    start: float
    steps: tuple[Step, ...]
