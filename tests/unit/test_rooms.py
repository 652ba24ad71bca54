"""The walls of the house: a module imports modules of lower rows only, and the island imports nothing of ours."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "src" / "magnetgen"

ROWS = {
    "client": 0, "colors": 0, "diagnostics": 0, "mailtext": 0, "policy": 0, "text": 0, "views": 0,
    "mailframe": 1, "model": 1, "yamldoc": 1,
    "cache": 2, "holes": 2, "markdown": 2, "media": 2, "scan": 2, "schema": 2,
    "frontmatter": 3, "magnetmeta": 3, "output": 3, "scaffold": 3, "sections": 3, "state": 3, "themefile": 3,
    "config": 4, "theme": 4,
    "pages": 5,
    "places": 6,
    "plan": 7,
    "funnel": 8, "jobs": 8,
    "links": 9,
    "capture": 10, "seo": 10,
    "body": 11, "check": 11, "keys": 11,
    "magnets": 12, "mails": 12, "render": 12,
    "assets": 13, "bundle": 13, "targets": 13,
    "build": 14,
    "leads": 15, "preview": 15,
    "deploy": 16,
    "cli": 17,
    "__main__": 18,
}  # fmt: skip
"""Every module or package of magnetgen, once. forms is not among them: it is an island that anyone may import."""
SOURCES = {
    ".".join(("magnetgen", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if "starter" not in path.parts
}


def imports(module: str) -> Iterator[str]:
    """Modules of ours that a module names when it runs, wherever in the file; not what only type checkers read."""
    path = SOURCES[module]
    tree = ast.parse(path.read_text("utf-8"))
    for_types = {id(inner) for node in ast.walk(tree) if _is_for_types(node) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import in line {node.lineno}"
            base = node.module or ""
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield name if name in SOURCES else base


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def ours(module: str) -> set[str]:
    return {name for name in imports(module) if name.partition(".")[0] == "magnetgen"} - {"magnetgen"}


def row(module: str) -> int | None:
    """The row of a module, or of the room that it is in; None for the island."""
    room = module.removeprefix("magnetgen.").partition(".")[0]
    return None if room == "forms" else ROWS[room]


def test_every_room_has_its_row() -> None:
    rooms = {name.removeprefix("magnetgen.").partition(".")[0] for name in SOURCES} - {"magnetgen", "forms"}
    assert set(ROWS) == rooms


@pytest.mark.parametrize(
    "module", sorted(name for name in SOURCES if name not in ("magnetgen",) and ".forms" not in name)
)
def test_a_module_imports_only_lower_rows_and_the_island(module: str) -> None:
    room, own = module.removeprefix("magnetgen.").partition(".")[0], row(module)
    assert own is not None
    for name in ours(module):
        other = row(name)
        same_room = name.removeprefix("magnetgen.").partition(".")[0] == room
        assert other is None or other < own or same_room, f"{module} (row {own}) imports {name} (row {other})"


@pytest.mark.parametrize("module", sorted(name for name in SOURCES if name.startswith("magnetgen.forms")))
def test_the_island_imports_the_standard_library_and_itself_only(module: str) -> None:
    for name in imports(module):
        top = name.partition(".")[0]
        allowed = (
            top in sys.stdlib_module_names
            or name.startswith("magnetgen.forms")
            or (top == "psycopg" and module.startswith("magnetgen.forms.store.postgres"))
        )
        assert allowed, f"{module} imports {name}"


def test_the_package_itself_imports_nothing_of_ours() -> None:
    assert ours("magnetgen") == set()


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    heavy = (
        "{'pydantic', 'jinja2', 'PIL', 'yaml', 'frontmatter', 'typst', 'selectolax', 'markdown', 'pyromark', 'msgspec', "
        "'icalendar'}"
    )
    code = (
        "import sys\nfrom magnetgen.cli import cli\n"
        "try:\n    cli.main(['build', '--help'], standalone_mode=False)\nexcept SystemExit:\n    pass\n"
        f"print('LOADED', sorted({heavy} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT / "src")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "LOADED []"
