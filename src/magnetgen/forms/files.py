"""What lies in a site's `.magnetgen/`, by name: for the real handler, and for the preview, which never meets it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = ".magnetgen"


@dataclass(frozen=True)
class Names:
    """`forms`: forms.json; `store`: the SQLite store; `secrets`: keys of links and addresses."""

    forms: str
    store: str
    secrets: str


REAL = Names("forms.json", "leads.sqlite3", "secrets")
PREVIEW = Names("preview-forms.json", "preview.sqlite3", "preview-secrets")
"""Its leads never mix with real ones, and its links are worth nothing at the real handler."""


def of(preview: bool) -> Names:
    return PREVIEW if preview else REAL


def path(site: Path, name: str) -> Path:
    return site / FOLDER / name


def store_url(site: Path, names: Names) -> str:
    """The SQLite store as MAGNETGEN_STORE would name it."""
    return f"sqlite:///{path(site, names.store).absolute()}"
