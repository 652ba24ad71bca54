"""The hosts' own tools: found, asked for their version, run; no secret in their arguments, none in what is told."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from magnetgen.deploy.steps import BROKEN, USAGE, DeployFault, Show

TAIL_LINES = 20
SECONDS = 1800.0
"""Patience with one command: an upload may be large."""
_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|_KEY|^MAGNETGEN_(SMTP_URL|STORE)$", re.I)
_HEX = re.compile(r"[0-9A-Fa-f]{32,}")
_SECRET_MIN = 8
"""Characters: what is shorter stands in ordinary words, too."""
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")
_IN_URL = re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")
_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")
_OFFLINE = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|getaddrinfo|Could not resolve host|Unable to resolve|"
    r"Could not connect to the endpoint|Temporary failure in name resolution|fetch failed",
    re.I,
)

Version = tuple[int, int, int]


@dataclass(frozen=True)
class Tool:
    """A program of a host. `install`: the command that brings it; `least`: the oldest version that will do."""

    program: str
    install: str
    least: Version
    asks: tuple[str, ...] = ("--version",)


@dataclass(frozen=True)
class Done:
    """How a command ended. `out` is for programs; `tail` has both outputs' last lines, without secrets."""

    code: int
    out: str
    tail: str

    def json(self) -> Any:
        """The JSON that a tool printed, whatever it said before; None where there is none."""
        for found in re.finditer(r"^\s*[\[{]", self.out, re.M):
            try:
                return json.JSONDecoder().raw_decode(self.out, found.end() - 1)[0]
            except ValueError:
                continue
        return None


@dataclass
class Shell:
    """Runs commands in the site's folder. In a rehearsal (`dry`), what would change something is only shown."""

    root: Path
    show: Show
    dry: bool = False
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    hidden: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.hide(value for name, value in self.env.items() if _SECRET_NAME.search(name))

    def hide(self, values: Iterable[str]) -> None:
        """Never show these. Of `k2:hex,k1:hex`, the keys alone neither."""
        for value in values:
            self.hidden.update(part for part in (value, *_HEX.findall(value)) if len(part) >= _SECRET_MIN)

    def masked(self, text: str) -> str:
        text = _IN_URL.sub("***", _ANSI.sub("", text))
        for value in sorted(self.hidden, key=len, reverse=True):
            text = text.replace(value, "***")
        return text

    def find(self, tool: Tool) -> str:
        """The tool's program: the site's own (node_modules), else the one in PATH. Raises DeployFault."""
        folders = [str(folder / "node_modules" / ".bin") for folder in (self.root, *self.root.absolute().parents)]
        path = os.pathsep.join((*folders, self.env.get("PATH", "")))
        found = shutil.which(tool.program, path=path)
        if found is None:
            raise DeployFault(f"{tool.program} is not installed", f"install it: {tool.install}")
        return found

    def version(self, tool: Tool) -> str:
        """The version of an installed tool that is new enough. Raises DeployFault."""
        done = self.ask(tool, *tool.asks, seconds=120)
        match = _VERSION.search(done.out)
        if done.code or not match:
            raise DeployFault(
                f"{tool.program} does not say its version", f"install it anew: {tool.install}", tail=done.tail
            )
        found = int(match[1]), int(match[2]), int(match[3] or 0)
        if found < tool.least:
            least = ".".join(map(str, tool.least))
            raise DeployFault(f"{tool.program} {match[0]} is too old, {least} is needed", f"install it: {tool.install}")
        return match[0]

    def ask(self, tool: Tool, *words: str, seconds: float = 300.0, given: bytes = b"") -> Done:
        """Run what changes nothing."""
        return self._run(tool, words, seconds, given)

    def change(self, tool: Tool, *words: str, hint: str = "") -> Done | None:
        """Run what changes something; raises DeployFault if it fails. None in a rehearsal: it was only shown."""
        if self.dry:
            self.show.would_run(shown((tool.program, *words)))
            return None
        done = self._run(tool, words, SECONDS)
        if done.code:
            raise self.failed(tool, words, done, hint)
        return done

    def failed(self, tool: Tool, words: Sequence[str], done: Done, hint: str = "") -> DeployFault:
        named = shown((tool.program, *words))
        if _OFFLINE.search(done.tail):
            return DeployFault(
                f"{tool.program} cannot reach its host", "check the network, then run this again", BROKEN, done.tail
            )
        hint = hint or "what was done up to here does no harm: mend that, then run this again"
        return DeployFault(f"`{self.masked(named)}` failed with code {done.code}", hint, BROKEN, done.tail)

    def _run(self, tool: Tool, words: Sequence[str], seconds: float, given: bytes = b"") -> Done:
        program = self.find(tool)
        try:
            ended = subprocess.run(
                [program, *words], cwd=self.root, env=self._env(), input=given, capture_output=True, timeout=seconds
            )
        except subprocess.TimeoutExpired as exc:
            tail = self._tail(exc.stdout or b"", exc.stderr or b"")
            raise DeployFault(
                f"{tool.program} did not end within {seconds:.0f} s", "run this again", BROKEN, tail
            ) from None
        except OSError as exc:
            raise DeployFault(
                f"{program} cannot be run: {exc.strerror}", f"install it anew: {tool.install}", USAGE
            ) from None
        out = ended.stdout.decode("utf-8", "replace")
        return Done(ended.returncode, out, self._tail(ended.stdout, ended.stderr))

    def _env(self) -> dict[str, str]:
        """No tool needs the handler's secrets; and nobody is there to answer its questions."""
        plain = {name: value for name, value in self.env.items() if not name.startswith("MAGNETGEN_")}
        return {**plain, "CI": "1", "NO_COLOR": "1", "WRANGLER_SEND_METRICS": "false",
                "NETLIFY_TELEMETRY_DISABLED": "1", "AWS_PAGER": "", "BROWSER": "none"}  # fmt: skip

    def _tail(self, out: bytes, err: bytes) -> str:
        text = self.masked((out.rstrip() + b"\n" + err).decode("utf-8", "replace"))
        return "\n".join([line for line in text.splitlines() if line.strip()][-TAIL_LINES:])


def shown(words: Sequence[str]) -> str:
    """A command as it can be typed."""
    return shlex.join(words)
