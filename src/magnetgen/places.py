"""Where in the writer's files a fault stands. Files are read again for it: only when there is a fault to show."""

from __future__ import annotations

from pathlib import Path

from magnetgen import markdown, yamldoc
from magnetgen.config import CONFIG_FILE, SiteConfig, glob
from magnetgen.diagnostics import Span
from magnetgen.pages import CONTENT

Place = tuple[str, Span]


def document(root: Path, source: str) -> yamldoc.Document:
    """The file as it stands now; empty if it cannot be read (its own fault says why)."""
    try:
        text = yamldoc.decode((root / source).read_bytes(), source)
        return yamldoc.parse(text, source) if source == CONFIG_FILE else yamldoc.read(text, source)
    except (OSError, yamldoc.Fault):
        return yamldoc.Document(source, {})


def key(root: Path, config: SiteConfig, source: str, *path: str | int) -> Place:
    """A front-matter key, in the page itself or in the `defaults` that gave it its value."""
    doc = document(root, source)
    if path and path[0] in doc.data:
        return source, doc.span(path)
    relative = source.removeprefix(CONTENT + "/")
    for index in reversed(range(len(config.defaults or ()))):
        entry = (config.defaults or [])[index]
        if path and path[0] in entry.values and glob(entry.files).fullmatch(relative):
            return setting(root, "defaults", index, "values", *path)
    return source, Span(doc.line)


def setting(root: Path, *path: str | int) -> Place:
    """A key of magnetgen.yaml."""
    return CONFIG_FILE, document(root, CONFIG_FILE).span(path)


def url(root: Path, source: str, path: str) -> Place:
    """What gave a file its URL: `permalink`, `slug` or the alias; else the file as such."""
    doc = document(root, source)
    aliases = doc.data.get("aliases") or ()
    for index, alias in enumerate([aliases] if isinstance(aliases, str) else aliases):
        if isinstance(alias, str) and alias.strip("/") == path.strip("/"):
            return source, doc.span(("aliases", index) if isinstance(aliases, list) else ("aliases",))
    for name in ("permalink", "slug"):
        if name in doc.data:
            return source, doc.span((name,))
    return source, Span(1)


def address(root: Path, source: str, target: str, kind: str) -> tuple[Place, bool]:
    """A link or picture in a file's text; and whether Markdown wrote it, not raw HTML."""
    doc = document(root, source)
    span, by_markdown = markdown.locate(doc.body, target, kind, doc.body_line)
    return (source, span), by_markdown
