"""From an address to a file of the preview's output, and to nothing else."""

from __future__ import annotations

import mimetypes
import os
import re
from dataclasses import dataclass
from pathlib import Path

TYPES = {
    ".atom": "application/atom+xml",
    ".avif": "image/avif",
    ".css": "text/css",
    ".csv": "text/csv",
    ".epub": "application/epub+zip",
    ".gif": "image/gif",
    ".htm": "text/html",
    ".html": "text/html",
    ".ico": "image/x-icon",
    ".ics": "text/calendar",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".json": "application/json",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".webm": "video/webm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xml": "application/xml",
}
"""Said here, as the system's own table differs from machine to machine."""

_ENCODED = re.compile(rb"%(?:2f|5c|00)", re.I)
_REFUSED = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]' if os.name == "nt" else r"[\x00-\x1f\x7f\\]")


@dataclass(frozen=True)
class Found:
    """A file to show. `file`: relative to the output, with `/`."""

    file: str
    path: Path


@dataclass(frozen=True)
class Elsewhere:
    """`path`: where what was asked for is: the address of a folder ends in a slash, and a site may have a prefix."""

    path: str


def look_up(out: Path, prefix: str, path: str, raw: bytes) -> Found | Elsewhere | None:
    """What an address means. path: decoded; raw: as it was sent; prefix: of the site, with `/` at both ends.

    None where there is no such file: also for names that begin with a dot, for `..`, for slashes in disguise, and for
    links that lead out of the output.
    """
    if prefix != "/" and path in ("/", prefix[:-1]):
        return Elsewhere(prefix)
    if not path.startswith(prefix) or _ENCODED.search(raw) or _REFUSED.search(path):
        return None
    below = path.removeprefix(prefix)
    segments = below.split("/")
    folder = segments[-1] == ""
    names = segments[:-1] if folder else segments
    if any(name == "" or name.startswith(".") for name in names):
        return None
    target = out.joinpath(*names)
    if folder:
        return _inside(out, "/".join((*names, "index.html")))
    if os.path.isdir(target):  # noqa: PTH112 (which takes a name that is too long for an answer, not for a fault)
        # The address as it was sent is safe to repeat: it begins with one slash and holds no encoded one.
        known = _inside(out, "/".join((*names, "index.html")))
        return Elsewhere(raw.decode("ascii", "replace") + "/") if known else None
    return _inside(out, below)


def _inside(out: Path, file: str) -> Found | None:
    try:
        real = (out / file).resolve(strict=True)
        if real.is_relative_to(out.resolve()) and real.is_file():
            return Found(file, real)
    except (OSError, RuntimeError, ValueError):  # no such file, a link that leads round in circles
        pass
    return None


def media_type(file: str) -> str:
    """By the name; texts are UTF-8, as magnetgen writes them. The site's own feed and manifest are known by name, too."""
    suffix = os.path.splitext(file)[1].lower()  # noqa: PTH122 (a name, not a path)
    kind = "application/atom+xml" if file == "feed.xml" else TYPES.get(suffix)
    kind = kind or mimetypes.guess_type(file)[0] or "application/octet-stream"
    text = kind.startswith("text/") or kind in ("application/json", "application/xml", "application/atom+xml")
    return f"{kind}; charset=utf-8" if text else kind
