"""Builds for the preview, again and again in one process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from magnetgen import build
from magnetgen.diagnostics import Diagnostic
from magnetgen.state import Options

OUT = ".magnetgen/preview"
"""The preview's output, relative to the site: drafts never get near `public/`."""


@dataclass(frozen=True)
class Built:
    """What came of one build. Files are relative to the output: `posts/a/index.html`.

    `failed`: nothing was written, and the last good output stays. `changed`: files that differ from the build before.
    `marks`: HTML file → why a real build would leave it out (`draft`, `from 2027-01-01`). `sources`: HTML file → content
    file. `forms`: forms.json of the last good build; empty before there is one.
    """

    diagnostics: tuple[Diagnostic, ...] = ()
    failed: bool = False
    pages: int = 0
    seconds: float = 0.0
    changed: frozenset[str] = frozenset()
    marks: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    forms: bytes = b""


class Engine:
    """`base_url`: where the preview is; the path of the site's own base_url is kept."""

    def __init__(self, root: Path, base_url: str) -> None:
        self.root = root
        self.out = root / OUT
        self._base_url = base_url

    def build(self) -> Built:
        """Build what has changed. Raises OSError; faults of content are in the result."""
        options = Options(out=str(self.out), base_url=self._base_url, drafts=True, future=True)
        result = build.build(self.root, options)
        forms = self.root / ".magnetgen" / "forms.json"
        return Built(
            diagnostics=result.diagnostics,
            failed=result.failed,
            pages=result.pages,
            seconds=result.seconds,
            forms=forms.read_bytes() if forms.is_file() else b"",
        )
