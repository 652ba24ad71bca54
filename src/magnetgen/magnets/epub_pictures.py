"""The pictures of a book: taken from the site's folder, and made into what every reading system shows."""

from __future__ import annotations

import io
import posixpath
import re
from pathlib import Path
from xml.etree import ElementTree

from msgspec import Struct

from magnetgen.magnets.xmltext import text
from magnetgen.media import MAX_PIXELS
from magnetgen.text import host_name, unquote_path

MAX_SIDE = 2600
"""Pixels. A picture that is longer, or has more bytes than MAX_BYTES, is made smaller: FIT pixels."""
MAX_BYTES = 2_000_000
FIT = 1600

KINDS = {
    "PNG": ("png", "image/png"),
    "JPEG": ("jpg", "image/jpeg"),
    "GIF": ("gif", "image/gif"),
    "WEBP": ("webp", "image/webp"),
}
"""What EPUB 3.3 asks reading systems to show, beside SVG."""

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_XML = "http://www.w3.org/XML/1998/namespace"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9._-]*")
_OUTSIDE = re.compile(r"url\(\s*[\"']?\s*(?!#)|@import|expression\(|javascript:", re.I)
_INLINE_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+")
_ACTIVE = frozenset(("script", "foreignObject", "iframe", "audio", "video", "canvas", "handler", "listener"))


class Picture(Struct, frozen=True):
    """A file of the book. name: within it; kind: its media type; moves: whether it is animated."""

    name: str
    kind: str
    data: bytes
    moves: bool = False


class Pictures:
    """Every picture that a book shows, once. root: the site's folder, out of which no path leads."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._known: dict[str, Picture | None] = {}
        self.described = True
        self.all: list[Picture] = []

    def element(self, source: str, attributes: dict[str, str]) -> str:
        """The `img` of a path; for one that is remote or cannot be shown, its words."""
        alt = attributes.get("alt", "")
        found = self.add(source)
        if found is None:
            return text(alt)
        self.described = self.described and "alt" in attributes
        own = "".join(
            f' {name}="{attributes[name]}"'
            for name in ("width", "height")
            if re.fullmatch("[1-9][0-9]{0,4}", attributes.get(name, ""))
        )
        if attributes.get("title"):
            own += f' title="{text(attributes["title"])}"'
        return f'<img src="{found.name}" alt="{text(alt)}"{own}/>'

    def add(self, source: str) -> Picture | None:
        """The file that a path of the site becomes, or None."""
        if source not in self._known:
            made = self._read(source)
            self._known[source] = made
            if made is not None:
                self.all.append(made)
        return self._known[source]

    def take(self, source: str) -> Picture | None:
        """The file that a path of the site becomes, without keeping it among those that chapters show."""
        return self._read(source)

    def _read(self, source: str) -> Picture | None:
        for path in dict.fromkeys((source, unquote_path(source))):
            try:
                file = (self._root / path).resolve()
                if file.is_relative_to(self._root) and file.is_file():
                    stem = host_name(posixpath.splitext(posixpath.basename(path))[0])
                    return picture(file.read_bytes(), f"pictures/{len(self.all) + 1}-{stem}")
            except (OSError, ValueError):  # a name that is too long, or none at all
                continue
        return None


def picture(data: bytes, stem: str) -> Picture | None:
    """A picture's bytes as a file of the book, remade where it has to be; None if they are no picture."""
    if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        made = drawing(data)
        return Picture(f"{stem}.svg", "image/svg+xml", made) if made else None
    return _raster(data, stem)


def _raster(data: bytes, stem: str) -> Picture | None:
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(data)) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                return None
            kind = opened.format or ""
            moves = getattr(opened, "n_frames", 1) > 1
            turned = opened.getexif().get(0x0112, 1) != 1
            opened.load()  # a file that ends too early is found here
            large = max(opened.size) > MAX_SIDE or len(data) > MAX_BYTES
            if kind in KINDS and opened.mode not in ("CMYK", "YCCK") and (moves or not (large or turned)):
                return Picture(f"{stem}.{KINDS[kind][0]}", KINDS[kind][1], data, moves)
            upright = ImageOps.exif_transpose(opened)
            clear = upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info
            flat = upright.convert("RGBA" if clear else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    if large:
        flat.thumbnail((FIT, FIT), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    if clear or kind == "PNG":
        flat.save(out, "PNG", optimize=True)
        return Picture(f"{stem}.png", "image/png", out.getvalue())
    flat.save(out, "JPEG", quality=82, optimize=True)
    return Picture(f"{stem}.jpg", "image/jpeg", out.getvalue())


def drawing(data: bytes) -> bytes | None:
    """An SVG with nothing that runs, nothing from elsewhere and nothing of the program that drew it; None if broken."""
    if b"<!ENTITY" in data:
        return None
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError):
        return None
    if root.tag != f"{{{_SVG}}}svg":
        return None
    seen: set[str] = set()
    for element in list(root.iter()):
        for child in list(element):
            if not _is_drawn(child):
                element.remove(child)
        for name, value in list(element.attrib.items()):
            if not _is_harmless(name, value) or (name == "id" and (value in seen or not _NAME.fullmatch(value))):
                del element.attrib[name]
            elif name == "id":
                seen.add(value)
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, "unicode").encode()


def _is_drawn(element: ElementTree.Element) -> bool:
    space, _, name = str(element.tag).rpartition("}")
    style = name == "style" and _OUTSIDE.search("".join(element.itertext()))
    return space == f"{{{_SVG}" and name not in _ACTIVE and not style


def _is_harmless(name: str, value: str) -> bool:
    space, _, local = name.rpartition("}")
    if space not in ("", f"{{{_XLINK}", f"{{{_XML}") or local.lower().startswith("on") or local == "base":
        return False
    if local == "href":
        return value.startswith("#") or bool(_INLINE_PICTURE.fullmatch(value))
    return not _OUTSIDE.search(value)
