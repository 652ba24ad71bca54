"""What all tests share: a small site on disk that can be changed and built."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from magnetgen import theme
from magnetgen.build import build
from magnetgen.diagnostics import Diagnostic
from magnetgen.state import Options, Result
from tests.forms.postgres import postgres as postgres
from tests.forms.postgres import postgres_url as postgres_url

ROOT = Path(__file__).resolve().parents[1]

SETTINGS = "title: Lead Lab\nbase_url: https://example.com\ndescription: Notes on lead generation for small teams.\n"
NOW = 1_780_000_000.0
"""28 May 2026: the clock of every test build."""


def _compile_once() -> None:
    """Compile each template once in a test process: most of the time of a small site's first build goes there.

    A template's code depends on its text, name and file alone: the environment's options are fixed, and it has no
    filters of its own. Everything around it, the cache on disk too, stays as it is.
    """
    compile_anew, known = theme._Environment.compile, dict[Any, Any]()

    def compile(self: Any, source: Any, name: Any = None, filename: Any = None, *rest: Any, **more: Any) -> Any:
        key = (source, name, filename, rest, *more.items())
        if key not in known:
            known[key] = compile_anew(self, source, name, filename, *rest, **more)
        return known[key]

    theme._Environment.compile = compile  # type: ignore[method-assign]


_compile_once()


LONGEST = (
    "fault/test_kill_moments.py", "validators/test_accessibility.py", "deploy/test_lambda.py",
    "preview/test_funnel_browser.py", "handler_faults/test_handler_faults.py", "fault/test_io.py",
    "validators/test_loading.py", "fault/test_incremental.py", "fault/test_kill.py", "browser/test_deployed.py",
    "edge/test_parity.py", "browser/test_client_scripts.py", "unit/test_leads_export.py", "edge/test_blobs.py",
    "fault/test_determinism.py", "unit/test_cli.py", "preview/test_in_browser.py", "edge/test_d1.py",
    "deploy/test_hosts.py", "edge/test_vectors.py", "browser/test_challenge.py", "unit/test_targets_lambda.py",
    "validators/test_html.py", "magnets/test_epub.py", "magnets/test_funnel.py", "magnets/test_typeset.py",
    "forms/test_codes.py", "edge/test_codes.py", "preview/test_magnets_in_browser.py",
)  # fmt: skip
"""Files that take long, the longest first: begun last, one of them would keep one process busy after all the others."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {ROOT / "tests" / name: number for number, name in enumerate(LONGEST)}
    assert all(path.is_file() for path in places), "LONGEST names a file that is not there"
    items.sort(key=lambda item: places.get(item.path, len(places)))


class Site:
    """A site in a folder of its own. Paths are relative to it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, content: str | bytes) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
        return target

    def delete(self, path: str) -> None:
        (self.root / path).unlink()

    def build(self, **wishes: object) -> Result:
        """Build into public/ in this process."""
        return build(self.root, Options(**{"jobs": 1, "now": NOW, **wishes}))  # type: ignore[arg-type]

    def ok(self, **wishes: object) -> Result:
        """Build, and insist that nothing at all was found wrong."""
        result = self.build(**wishes)
        assert not result.diagnostics, [(d.code, d.path, d.span, d.message) for d in result.diagnostics]
        return result

    def fault(self, code: str, **wishes: object) -> Diagnostic:
        """Build, and return the one diagnostic with this code."""
        found = self.build(**wishes).diagnostics
        matching = [d for d in found if d.code == code]
        assert len(matching) == 1, [(d.code, d.path, d.span, d.message) for d in found]
        return matching[0]

    def read(self, file: str, out: str = "public") -> str:
        return (self.root / out / file).read_text("utf-8")

    def files(self, out: str = "public") -> dict[str, bytes]:
        """Every output file's bytes by its path."""
        base = self.root / out
        return {p.relative_to(base).as_posix(): p.read_bytes() for p in sorted(base.rglob("*")) if p.is_file()}


def page(body: str = "Some words about leads.", **front: object) -> str:
    """A Markdown file; front-matter values are written as they are."""
    values = {"title": "A page", **front}
    lines = "".join(f"{key}: {value}\n" for key, value in values.items())
    return f"---\n{lines}---\n\n{body}\n"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site with only settings."""
    made = Site(tmp_path / "site")
    made.write("magnetgen.yaml", SETTINGS)
    return made


@pytest.fixture
def copy_of() -> Callable[[Path, Path], Path]:
    """Copy a site's sources, without what builds leave behind."""

    def copy(source: Path, target: Path) -> Path:
        for name in ("magnetgen.yaml", "content", "media", "themes", "templates"):
            if (source / name).is_dir():
                shutil.copytree(source / name, target / name)
            elif (source / name).is_file():
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy(source / name, target / name)
        return target

    return copy
