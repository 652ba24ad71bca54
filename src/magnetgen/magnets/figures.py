"""Pictures of a book: turned, scaled to what print needs, and in a format that the typesetter reads."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from magnetgen.media import MAX_PIXELS

if TYPE_CHECKING:
    from PIL.Image import Image

PRINT_PPI = 300
SCREEN_PPI = 96
QUALITY = 85


class FigureError(Exception):
    """A picture that cannot be set. Its words are a sentence for the writer."""


@dataclass(frozen=True)
class Figure:
    """data: PNG, JPEG or SVG, by `suffix`. width, height: its size in pixels of a screen as it is meant; 0 where an SVG says none."""

    data: bytes
    suffix: str
    width: int
    height: int


def figure(root: Path, source: str, inches: float) -> Figure:
    """A picture of the site's folder for a measure of so many inches. Raises FigureError where it cannot be read."""
    path = root / source.lstrip("/")
    try:
        inside = path.resolve().is_relative_to(root.resolve())
        data = path.read_bytes() if inside else b""
    except (OSError, ValueError):
        inside, data = False, b""
    if not inside or not data:
        raise FigureError(f"the picture {source} cannot be read: is it in the site's folder, and not empty?")
    if path.suffix.lower() == ".svg":
        return _drawing(source, data)
    return _raster(source, data, round(inches * PRINT_PPI))


def _drawing(source: str, data: bytes) -> Figure:
    if b"<svg" not in data:
        raise FigureError(f"{source} is not an SVG picture: export it again")
    return Figure(data, "svg", 0, 0)


def _raster(source: str, data: bytes, most: int) -> Figure:
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(data)) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise FigureError(f"the picture {source} has too many pixels ({opened.width}×{opened.height})")
            lossy = opened.format in ("JPEG", "WEBP", "AVIF", "MPO")
            if opened.format == "JPEG":
                opened.draft(None, (most, most))
            width, height = ImageOps.exif_transpose(opened).size if opened.format != "JPEG" else _meant(data)
            picture: Image.Image = ImageOps.exif_transpose(opened)
            picture = _plain_colours(picture)
    except Image.DecompressionBombError:
        raise FigureError(f"the picture {source} has too many pixels") from None
    except (OSError, ValueError, SyntaxError, EOFError) as exc:
        raise FigureError(
            f"{source} is not a picture that can be read ({type(exc).__name__}): export it again"
        ) from None
    if picture.width > most:
        size = (most, max(1, round(picture.height * most / picture.width)))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    out = io.BytesIO()
    if lossy and picture.mode in ("RGB", "L"):
        picture.save(out, "JPEG", quality=QUALITY, optimize=True)
        return Figure(out.getvalue(), "jpg", width, height)
    picture.save(out, "PNG")
    return Figure(out.getvalue(), "png", width, height)


def _meant(data: bytes) -> tuple[int, int]:
    """The size of a JPEG as it is shown. Read apart, since a draft has already shrunk the other."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as opened:
        turned = opened.getexif().get(0x0112, 1) >= 5  # Exif orientation: lying on its side
        return (opened.height, opened.width) if turned else opened.size


def _plain_colours(picture: Image) -> Image:
    """Red, green and blue or grey, with transparency only where there is some; no profile, no place it was taken at."""
    picture.info.clear() if picture.mode not in ("P", "RGB", "L", "1") else None
    if picture.mode in ("RGB", "L") and "transparency" not in picture.info:
        out = picture
    elif picture.mode in ("CMYK", "YCbCr", "HSV", "I;16", "I", "F", "1"):
        out = picture.convert("L" if picture.mode in ("1", "I;16", "I", "F") else "RGB")
    else:
        out = picture.convert("RGBA")
        low, _ = out.getchannel("A").getextrema()
        if low == 255:
            out = out.convert("RGB")
    out.info = {}
    return out
