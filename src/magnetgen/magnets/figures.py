"""Pictures of a book: turned, scaled to what print needs, in a format that the typesetter reads, and in a line or between lines."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from magnetgen.magnets.nodes import INLINES, Item, Node, trimmed
from magnetgen.media import MAX_PIXELS

if TYPE_CHECKING:
    from PIL.Image import Image

PRINT_PPI = 300
SCREEN_PPI = 96
QUALITY = 85
IN_LINE = 56.0
"""Points: four lines of text. A higher picture does not stand in a line, nor one of more than half a line's width."""


class FigureError(Exception):
    """A picture that cannot be set. Its words are a sentence for the writer."""


@dataclass(frozen=True)
class Figure:
    """data: PNG, JPEG or SVG, by `suffix`. width, height: its size in pixels of a screen as it is meant; 0 of an SVG, which
    fills its place. drawn: the size that an SVG names, or 0.
    """

    data: bytes
    suffix: str
    width: int
    height: int
    drawn: tuple[float, float] = (0.0, 0.0)

    def size(self, width: int) -> tuple[float, float]:
        """Points, in a line of text: of its own size, or of so many pixels of width. 0 where it is not known."""
        own, high = self.drawn if self.suffix == "svg" else (float(self.width), float(self.height))
        wide = width or own
        return (0.75 * wide, 0.75 * wide * high / own) if own and high else (0.0, 0.0)


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
    return Figure(data, "svg", 0, 0, _drawn(data.decode("utf-8", "replace")))


def _drawn(text: str) -> tuple[float, float]:
    """The pixels that an SVG's first tag speaks of, by itself or by its view box."""
    tag = re.search(r"<svg\b[^>]*", text)
    own = dict(re.findall(r"""\s(width|height|viewBox)\s*=\s*["']\s*([^"']*)""", tag[0])) if tag else {}
    sides = [re.fullmatch(r"(\d{1,6}(?:\.\d+)?)(?:px)?\s*", own.get(name, "")) for name in ("width", "height")]
    box = re.fullmatch(r"\S+[\s,]+\S+[\s,]+(\d{1,6}(?:\.\d+)?)[\s,]+(\d{1,6}(?:\.\d+)?)\s*", own.get("viewBox", ""))
    if sides[0] and sides[1]:
        return float(sides[0][1]), float(sides[1][1])
    wide, high = (float(box[1]), float(box[2])) if box else (0.0, 0.0)
    if sides[0] and wide:
        return float(sides[0][1]), float(sides[0][1]) * high / wide
    if sides[1] and high:
        return float(sides[1][1]) * wide / high, float(sides[1][1])
    return wide, high


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


# --- in a line, or between lines ----------------------------------------------------------------------------------


def settle(items: Iterable[Item], room: float) -> list[Item]:
    """Blocks, or the bare lines of a list's item or a cell, in which small pictures stand in their line and larger ones part
    the text around them. room: points, the width of a line. Pictures have their size in `wide` and `high`.
    """
    out: list[Item] = []
    line: list[Item] = []
    for item in items:
        if isinstance(item, str) or item["t"] in INLINES:
            line.append(item)
            continue
        out += _parted(line, room, bare=True)
        line = []
        if item["t"] == "p":
            out += _parted(item["c"], room, bare=False)
        else:
            _settle_within(item, room)
            out.append(item)
    return out + _parted(line, room, bare=True)


def _settle_within(node: Node, room: float) -> None:
    """What a block holds. Headings, titles and captions are of one piece: their pictures stand in the line, made smaller."""
    for name in ("title", "term"):
        if name in node:
            _shrink(node[name], room)
    if node["t"] in ("h", "img", "action", "table"):
        _shrink(node.get("c", ()), room)
    elif "c" in node:
        node["c"] = settle(node["c"], room)
    for inner in node.get("i", ()):
        _shrink(inner.get("term", ()), room)
        inner["c"] = settle(inner["c"], room)
    for row in (*node.get("head", ()), *node.get("rows", ())):
        at = 0
        for cell in row:
            share = sum(node["widths"][at : at + cell["span"]]) / sum(node["widths"])
            cell["c"] = settle(cell["c"], max(room * share - 12, 0))
            at += cell["span"]


def _parted(line: list[Item], room: float, bare: bool) -> list[Item]:
    """A line as paragraphs with pictures between them, or as it is if it has none that are large."""
    if bare and all(isinstance(item, dict) and item["t"] in ("img", "br", "id") for item in line):
        for item in line:
            _shrink(item.get("c", ()) if isinstance(item, dict) else (), room)
        return [item for item in line if isinstance(item, str) or item["t"] != "br"]
    pieces = list(_pieces(line, room))
    if isinstance(pieces[0], list) and len(pieces) == 1:
        return pieces[0] if bare else [{"t": "p", "c": pieces[0]}]
    out: list[Item] = []
    for piece in pieces:
        if isinstance(piece, dict):
            out.append(piece)
        elif all(isinstance(item, dict) and item["t"] == "id" for item in piece):
            out += piece
        elif rest := trimmed(piece):
            out.append({"t": "p", "c": _begun(rest)})
    return out


def _begun(line: list[Item]) -> list[Item]:
    """A line without the space that parted it from a picture before it."""
    first = line[0]
    if isinstance(first, str):
        return [first.lstrip(" "), *line[1:]]
    if first["t"] in ("em", "strong", "del", "mark", "small", "a") and first["c"]:
        return [{**first, "c": _begun(first["c"])}, *line[1:]]
    return line


def _pieces(line: list[Item], room: float) -> Iterator[list[Item] | Node]:
    """Parts of a line, and between them the pictures that are too large for it. Styles and links go on in every part."""
    piece: list[Item] = []
    for item in line:
        if isinstance(item, str) or (item["t"] != "img" and "c" not in item):
            piece.append(item)
        elif item["t"] == "note":
            piece.append({**item, "c": settle(item["c"], room)})
        elif item["t"] == "img" and 0 < item["high"] <= IN_LINE and item["wide"] <= room / 2:
            piece.append({**item, "inline": True})
        else:
            inner = [item] if item["t"] == "img" else list(_pieces(item["c"], room))
            target: Node = {name: item[name] for name in ("url", "to") if name in item}
            for found in inner:
                if isinstance(found, dict):
                    yield piece
                    yield {**target, **found}
                    piece = []
                elif len(inner) == 1 or any(not isinstance(one, str) or one.strip() for one in found):
                    piece.append({**item, "c": found})
    yield piece


def _shrink(line: Iterable[Item], room: float) -> None:
    """Every picture in a line, so that it has room there."""
    for item in line:
        if not isinstance(item, dict):
            continue
        if item["t"] == "img":
            wide, high = item["wide"] or IN_LINE, item["high"] or IN_LINE
            item["high"] = high * min(1.0, IN_LINE / high, room / 2 / wide)
            item["inline"] = True
        elif item["t"] == "note":
            item["c"] = settle(item["c"], room)
        else:
            _shrink(item.get("c", ()), room)
