"""The handler ships alone: its folder imports the standard library and itself; one store, its driver."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

FORMS = Path(__file__).parents[2] / "src" / "magnetgen" / "forms"


@pytest.mark.parametrize("path", sorted(FORMS.rglob("*.py")), ids=lambda path: str(path.relative_to(FORMS)))
def test_imports(path: Path) -> None:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    ours = ("magnetgen.forms", "psycopg") if path.match("store/postgres*.py") else ("magnetgen.forms",)
    foreign = {
        name for name in found if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith(ours)
    }
    assert not foreign


@pytest.mark.parametrize("path", sorted(FORMS.rglob("*.py")), ids=lambda path: str(path.relative_to(FORMS)))
def test_modules_are_short(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) < 400


PURE = ["contract", "decode", "validate", "tokens", "http", "rules", "outgoing", "handler", "links", "admin", "effects"]


@pytest.mark.parametrize("name", PURE)
def test_the_core_has_no_clock_and_no_input_or_output(name: str) -> None:
    tree = ast.parse((FORMS / f"{name}.py").read_text("utf-8"))
    imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    named = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    assert not imported & {"time", "random", "os", "socket", "sqlite3", "threading", "asyncio", "sys"}
    assert not called & {"open", "print", "input"} and not named & {"now", "utcnow", "today"} - {"now"}
