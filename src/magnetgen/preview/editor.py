"""A link that opens a file at its line in the writer's editor.

Editors are reached by the addresses that they register (`vscode://…`). The other way, a route of the server that
starts a program, would give whoever gets past the server's checks a way to run one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

_JETBRAINS = ("idea", "pycharm", "webstorm", "phpstorm", "rubymine", "goland")

KNOWN = {
    "vscode": "vscode://file{path}:{line}:{column}",
    "vscodium": "vscodium://file{path}:{line}:{column}",
    "cursor": "cursor://file{path}:{line}:{column}",
    "windsurf": "windsurf://file{path}:{line}:{column}",
    "zed": "zed://file{path}:{line}:{column}",
    "subl": "subl://open?url=file://{path}&line={line}&column={column}",
    "mate": "txmt://open?url=file://{path}&line={line}&column={column}",
    "mvim": "mvim://open?url=file://{path}&line={line}&column={column}",
    **{name: name + "://open?file={path}&line={line}&column={column}" for name in _JETBRAINS},
}
"""Editor → address. `{path}` begins with a slash."""

_PROGRAMS = {
    "vscode": ("code", "code-insiders"),
    "vscodium": ("codium",),
    "subl": ("sublime_text",),
    "pycharm": ("charm",),
}
"""Editor → the programs that start it, where they are called otherwise."""

_TEMPLATE = re.compile(r"(?!(?:javascript|data|vbscript|blob|http|https):)[a-z][a-z0-9+.-]*:\S*\{path\}\S*", re.I)


@dataclass(frozen=True)
class Editor:
    """`template`: an address with `{path}`, `{line}` and `{column}` in it; empty for no links."""

    template: str

    def link(self, file: Path, line: int = 1, column: int = 1) -> str:
        """`file`: absolute."""
        path = "/" + quote(file.as_posix().lstrip("/"), safe="/:")
        filled = self.template.replace("{path}", path)
        return filled.replace("{line}", str(line)).replace("{column}", str(column))


def from_env(environ: Mapping[str, str]) -> Editor:
    """MAGNETGEN_EDITOR (a name, an address, or `none`), else what VISUAL or EDITOR names, else Visual Studio Code.

    Raises ValueError where MAGNETGEN_EDITOR is neither.
    """
    wanted = environ.get("MAGNETGEN_EDITOR", "").strip()
    if wanted == "none":
        return Editor("")
    if wanted:
        if _TEMPLATE.fullmatch(wanted):
            return Editor(wanted)
        if known := _known(wanted):
            return Editor(known)
        raise ValueError(
            f"MAGNETGEN_EDITOR is {wanted!r}: write one of {', '.join(sorted(KNOWN))}, none, "
            "or an address with {path} in it, such as vscode://file{path}:{line}:{column}"
        )
    for name in ("VISUAL", "EDITOR"):
        if known := _known(environ.get(name, "")):
            return Editor(known)
    return Editor(KNOWN["vscode"])


def _known(command: str) -> str | None:
    """`/usr/bin/code --wait` → the address of Visual Studio Code."""
    program = command.split(" -")[0].strip().replace("\\", "/").rpartition("/")[2].lower().removesuffix(".exe")
    return KNOWN.get(next((name for name, programs in _PROGRAMS.items() if program in programs), program))
