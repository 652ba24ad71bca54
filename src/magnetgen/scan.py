"""What lies on disk: the site's files, with size and time, and what is left out and why."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from msgspec import Struct

from magnetgen.diagnostics import Diagnostic, Span, error
from magnetgen.model import Skipped, Source

CONTENT = "content"
MEDIA = "media"
MARKDOWN = (".md", ".markdown")
SPECIAL_FOLDERS = ("forms", "magnets", "emails", "blocks")
PRIVATE_FOLDERS = ("forms", "magnets", "emails")


class Scan(Struct):
    """Everything found. texts: Markdown files below content/; files: media/ and what lies beside pages."""

    texts: list[Source] = []
    files: list[Source] = []
    skipped: list[Skipped] = []
    diagnostics: list[Diagnostic] = []


def site(root: Path) -> Scan:
    """The site's content and media. Raises OSError where a folder cannot be read."""
    scan = Scan()
    for folder in (CONTENT, MEDIA):
        if (root / folder).is_symlink() and not (root / folder).resolve().is_relative_to(root.resolve()):
            hint = "copy the folder into the site"
            scan.diagnostics.append(
                error("symlink-outside", "a link that leads out of the site", folder, Span(1), hint)
            )
            return scan
    for source in _walk(root, CONTENT, scan, set()):
        _sort(source, scan)
    scan.files += _walk(root, MEDIA, scan, set())
    scan.texts.sort(key=lambda s: s.path)
    scan.files.sort(key=lambda s: s.path)
    scan.diagnostics += _folder_slips(root)
    return scan


def _sort(source: Source, scan: Scan) -> None:
    top = source.path.split("/")[1]
    if source.path.lower().endswith(MARKDOWN):
        scan.texts.append(source)
    elif top in SPECIAL_FOLDERS and top != "magnets" and source.path.count("/") > 1:
        scan.skipped.append(Skipped(source.path, f"not Markdown: {top}/ holds only .md files"))
    else:
        scan.files.append(source)


def _walk(root: Path, folder: str, scan: Scan, seen: set[tuple[int, int]]) -> Iterator[Source]:
    """The files below a folder, in no order. Links are followed as long as they stay in the site."""
    try:
        entries = os.scandir(root / folder)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            path = f"{folder}/{entry.name}"
            if entry.name.startswith((".", "_")):
                scan.skipped.append(Skipped(_shown(path), f"begins with {entry.name[0]}"))
                continue
            if not _sound(entry, path, root, scan):
                continue
            info = entry.stat()
            if stat.S_ISDIR(info.st_mode):
                if (info.st_dev, info.st_ino) not in seen:
                    yield from _walk(root, path, scan, seen | {(info.st_dev, info.st_ino)})
            elif stat.S_ISREG(info.st_mode):
                yield Source(path, info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino)
            else:
                scan.skipped.append(Skipped(path, "not a regular file"))


def _sound(entry: os.DirEntry[str], path: str, root: Path, scan: Scan) -> bool:
    """Whether the name is text and the entry stays within the site; else its fault is noted."""
    try:
        entry.name.encode()
    except UnicodeEncodeError:
        hint = "rename the file with letters that UTF-8 has"
        scan.diagnostics.append(error("file-name", "this file's name is not UTF-8", _shown(path), Span(1), hint))
        return False
    if entry.is_symlink():
        try:
            target = Path(entry.path).resolve()
        except (OSError, RuntimeError):  # a link to itself
            target = root / path / "nothing"
        if not target.is_relative_to(root.resolve()):
            hint = "copy the file into the site"
            scan.diagnostics.append(error("symlink-outside", "a link that leads out of the site", path, Span(1), hint))
            return False
        if not target.exists():
            hint = "delete the link, or restore what it leads to"
            scan.diagnostics.append(error("symlink-broken", "a link to nothing", path, Span(1), hint))
            return False
    return True


def _shown(path: str) -> str:
    return path.encode(errors="surrogateescape").decode(errors="replace")


def _folder_slips(root: Path) -> Iterator[Diagnostic]:
    """A folder that is nearly called forms, magnets or emails: a slip would publish what was to be private."""
    for folder in sorted((root / CONTENT).iterdir()) if (root / CONTENT).is_dir() else ():
        if not folder.is_dir() or folder.name in PRIVATE_FOLDERS:
            continue
        meant = next((name for name in PRIVATE_FOLDERS if _distance(folder.name.lower(), name) <= 1), None)
        if meant:
            path = f"{CONTENT}/{folder.name}"
            message = f'"{folder.name}" is nearly "{meant}", and would be published'
            yield error("folder-name", message, path, Span(1), f"rename it to {meant}, or to something less alike")


def _distance(one: str, other: str) -> int:
    """Edits between two words: insert, delete, replace, swap neighbours (optimal string alignment)."""
    rows = [list(range(len(other) + 1))]
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


def shipped_themes() -> Path:
    """The folder of the themes that come with magnetgen: in the wheel, or beside src/ in a checkout."""
    inside = Path(__file__).parent / "_themes"
    return inside if inside.is_dir() else Path(__file__).resolve().parents[2] / "themes"


def looks_digest(root: Path) -> bytes:
    """A digest of names, sizes and times of all that makes pages' looks: templates and themes."""
    state = blake2b(digest_size=16)
    for folder in (root / "templates", root / "themes", shipped_themes()):
        for base, names, files in os.walk(folder):
            names.sort()
            for name in sorted(files):
                try:
                    info = os.stat(f"{base}/{name}")
                except OSError:  # an editor's lock is a link to nothing
                    continue
                line = f"{base}/{name}\0{info.st_size}\0{info.st_mtime_ns}\0{info.st_ctime_ns}\0{info.st_ino}\0"
                state.update(line.encode(errors="surrogateescape"))
    return state.digest()
