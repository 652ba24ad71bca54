"""A stand-in for a host's tool: writes down what it is told, and answers as the test says.

It judges our side only: which commands, in which order, with which arguments, environment and input, and what follows
from how they end. What it keeps in `storage/` it gives back, as the hosts' storages do.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_SCRIPT = """\
#!{python}
import sys
sys.path.insert(0, {tests!r})
from tests.deploy.standin import main
main({folder!r})
"""


@dataclass(frozen=True)
class Call:
    """One call of a tool. `words`: its arguments; `env`: its whole environment."""

    tool: str
    words: list[str]
    env: dict[str, str]
    given: str

    @property
    def line(self) -> str:
        return " ".join((self.tool, *self.words))


@dataclass
class Tools:
    """`says`: the beginning of a command line → what it prints and its exit code; the longest beginning counts."""

    folder: Path
    says: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / name
        path.write_text(
            _SCRIPT.format(python=sys.executable, tests=str(Path(__file__).parents[2]), folder=str(self.folder))
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def say(self, line: str, out: Any = "", code: int = 0, err: str = "") -> None:
        text = out if isinstance(out, str) else json.dumps(out, indent=2)
        self.says[line] = {"out": text, "code": code, "err": err}
        (self.folder / "says.json").write_text(json.dumps(self.says))

    @property
    def calls(self) -> list[Call]:
        path = self.folder / "calls.jsonl"
        return [Call(**json.loads(line)) for line in path.read_text().splitlines()] if path.is_file() else []

    def forget(self) -> None:
        (self.folder / "calls.jsonl").unlink(missing_ok=True)

    def lines(self, *beginnings: str) -> list[str]:
        """The command lines, or those of them that begin so."""
        return [call.line for call in self.calls if not beginnings or call.line.startswith(beginnings)]


def main(folder: str) -> None:
    tool, words = Path(sys.argv[0]).name, sys.argv[1:]
    line = " ".join((tool, *words))
    call = {
        "tool": tool,
        "words": words,
        "env": dict(os.environ),
        "given": "" if sys.stdin is None else sys.stdin.read(),
    }
    with (Path(folder) / "calls.jsonl").open("a") as file:
        file.write(json.dumps(call) + "\n")
    says = json.loads((Path(folder) / "says.json").read_text())
    known = [start for start in says if line.startswith(start)]
    answer = says[max(known, key=len)] if known else {}
    code = answer.get("code", 0)
    if code == 0:
        code = _store(Path(folder) / "storage", words)
    print(answer.get("out", ""))
    print(answer.get("err", ""), file=sys.stderr)
    raise SystemExit(code)


def _store(storage: Path, words: list[str]) -> int:
    """blobs:set STORE KEY --input FILE, blobs:get STORE KEY --output FILE; r2 object put|get BUCKET/KEY --file FILE."""
    if words[:1] in (["blobs:set"], ["blobs:get"]):
        kind, name = words[0][6:], f"{words[1]}/{words[2]}"
        file = words[words.index("--input" if kind == "set" else "--output") + 1]
    elif words[:2] == ["r2", "object"]:
        kind, name, file = words[2], words[3], words[words.index("--file") + 1]
    else:
        return 0
    kept = storage / name
    if kind in ("set", "put"):
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, kept)
        return 0
    if not kept.is_file():
        return 1
    shutil.copyfile(kept, file)
    return 0
