"""media/ and the files beside pages: hashed names, sizes, and the cards that social networks show."""

from __future__ import annotations

import io
import posixpath
import re
from hashlib import blake2b
from pathlib import Path
from typing import Any

from magnetgen.diagnostics import Diagnostic, error
from magnetgen.model import MediaFile
from magnetgen.text import slug_path

MEDIA = "media"
CARD_SIZE = (1200, 630)
"""Pixels: the size that Open Graph readers crop to."""

RASTER = {".png", ".jpg", ".jpeg", ".webp", ".avif", ".gif"}
_SVG_ROOT = re.compile(rb"<svg\b[^>]*>", re.S)
MAX_PIXELS = 100_000_000
"""A picture with more is refused: it takes over 300 MB to open."""


def inspect(root: Path, source: str) -> MediaFile | Diagnostic:
    """A file's digest, size in pixels where it is a picture, and the URL it is published at."""
    data = (root / source).read_bytes()
    digest = blake2b(data, digest_size=5).hexdigest()
    suffix = posixpath.splitext(source)[1].lower()
    width = height = None
    try:
        if suffix in RASTER:
            width, height = _raster_size(data)
        elif suffix == ".svg":
            width, height = _svg_size(data)
    except ValueError as exc:
        return error("image-unreadable", str(exc), source, hint="export the picture again")
    return MediaFile(source, public_path(source, digest), digest, len(data), width, height)


def public_path(source: str, digest: str) -> str:
    """`media/a.webp` → `/media/a.HASH.webp`; a file beside a page keeps its name, below the page's folder."""
    if source.startswith(MEDIA + "/"):
        stem, suffix = posixpath.splitext(source)
        return f"/{stem}.{digest}{suffix.lower()}"
    folder, name = posixpath.split(source.removeprefix("content/"))
    return posixpath.join("/", slug_path(folder), name)


def _raster_size(data: bytes) -> tuple[int, int]:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as picture:
            width, height = picture.size
            turned = picture.getexif().get(0x0112, 1) >= 5  # Exif orientation: lying on its side
    except Image.DecompressionBombError:
        raise ValueError("this picture has too many pixels") from None
    except (OSError, ValueError, SyntaxError) as exc:
        raise ValueError(f"this is not a picture that can be read ({type(exc).__name__})") from None
    if width * height > MAX_PIXELS:
        raise ValueError(f"this picture has too many pixels ({width}×{height})")
    return (height, width) if turned else (width, height)


def _svg_size(data: bytes) -> tuple[int | None, int | None]:
    root = _SVG_ROOT.search(data)
    if root is None:
        raise ValueError("this is not an SVG picture")
    tag = root[0].decode("utf-8", "replace")

    def number(name: str) -> float | None:
        match = re.search(rf"\s{name}\s*=\s*[\"']\s*([0-9.]+)(?:px)?\s*[\"']", tag)
        return float(match[1]) if match else None

    width, height = number("width"), number("height")
    box = re.search(r"viewBox\s*=\s*[\"']\s*[-0-9.]+[\s,]+[-0-9.]+[\s,]+([0-9.]+)[\s,]+([0-9.]+)", tag)
    if box and (width is None or height is None):
        width, height = float(box[1]), float(box[2])
    return (round(width), round(height)) if width and height else (None, None)


def card_from_picture(root: Path, source: str) -> bytes:
    """A JPEG for social networks from a page's picture: cropped to their shape, never enlarged."""
    from PIL import Image, ImageOps

    with Image.open(root / source) as opened:
        picture = ImageOps.exif_transpose(opened).convert("RGBA")
        paper = Image.new("RGB", picture.size, "white")
        paper.paste(picture, mask=picture.getchannel("A"))
    width, height = card_size(*paper.size)
    out = io.BytesIO()
    ImageOps.fit(paper, (width, height), Image.Resampling.LANCZOS).save(
        out, "JPEG", quality=80, optimize=True, progressive=True
    )
    return out.getvalue()


def card_size(width: int, height: int) -> tuple[int, int]:
    """The largest size of a card's shape, up to a card's size, that the picture fills without enlarging."""
    scale = min(1.0, width / CARD_SIZE[0], height / CARD_SIZE[1])
    return max(1, round(CARD_SIZE[0] * scale)), max(1, round(CARD_SIZE[1] * scale))


_CARD = """
#let data = json(bytes(sys.inputs.data))
#set page(width: 1200pt, height: 630pt, margin: 0pt, fill: rgb(data.brand))
#set text(fill: rgb(data.ink), font: "Libertinus Serif", fallback: true, hyphenate: false)
#place(dx: 820pt, dy: -170pt, circle(radius: 330pt, stroke: 90pt + rgb(data.ink).transparentize(88%)))
#place(dx: 930pt, dy: -60pt, circle(radius: 220pt, stroke: 40pt + rgb(data.ink).transparentize(82%)))
#block(width: 100%, height: 100%, inset: (x: 90pt, y: 80pt))[
  #let size = if data.title.len() > 90 { 52pt } else if data.title.len() > 45 { 66pt } else { 88pt }
  #place(top + left, block(width: 920pt, height: 380pt, clip: true, text(size: size, weight: "bold", par(leading: 0.45em, data.title))))
  #place(bottom + left, text(size: 34pt, data.site))
]
"""


def card_from_text(title: str, site: str, brand: str, ink: str) -> bytes:
    """A PNG for social networks with a title on the brand's colour, typeset by typst from its own fonts."""
    import json

    import typst

    data = json.dumps({"title": title, "site": site, "brand": brand, "ink": ink})
    made: Any = typst.compile(
        _CARD.encode(), format="png", ppi=72.0, sys_inputs={"data": data}, ignore_system_fonts=True
    )
    return bytes(made)
