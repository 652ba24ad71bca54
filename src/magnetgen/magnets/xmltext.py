"""Words and addresses as XML takes them, and the few questions asked of a node of the writer's HTML."""

from __future__ import annotations

import ipaddress
import re
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode as Node

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_HOST = re.compile(r"[^\s\"'<>\\^`{|}#%/?]+")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def clean(text: str) -> str:
    """Without the characters that XML forbids, and those that no reader shows."""
    return _FORBIDDEN.sub("", text)


def text(value: str) -> str:
    """Plain text as the content of an element or of an attribute."""
    return escape(clean(value))


def safe_url(address: str) -> str:
    """An address that leads out of a book, as it may stand there: `https:`, `http:`, `mailto:` or `tel:`; else empty."""
    address = clean(address).strip()
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https", "mailto", "tel"):
        return ""
    if parts.scheme in ("http", "https") and not _is_host(parts.netloc, parts.hostname or ""):
        return ""
    if parts.scheme in ("mailto", "tel") and not parts.path.strip():
        return ""
    quoted = quote(_STRAY_PERCENT.sub("%25", address), safe="/%:@!$&'()*+,;=~-._?#[]")
    before, mark, fragment = quoted.partition("#")
    before = before.replace("[", "%5B").replace("]", "%5D") if "[" not in parts.netloc else before
    return before + mark + re.sub(r"[#\[\]]", lambda m: f"%{ord(m[0]):X}", fragment)


def _is_host(place: str, host: str) -> bool:
    """place: the host with what may stand around it, a name and a port."""
    if "[" in place:
        try:
            return bool(ipaddress.IPv6Address(host))
        except ValueError:
            return False
    return bool(host and _HOST.fullmatch(place)) and place.count("@") < 2 and ".." not in f".{host}"


def classes(node: Node) -> list[str]:
    return (node.attributes.get("class") or "").split()


def children(node: Node) -> list[Node]:
    """Elements and texts, without comments."""
    return [n for n in node.iter(include_text=True) if n.is_element_node or n.is_text_node]


def words(node: Node) -> str:
    """The text of a piece, on one line."""
    return " ".join(clean(node.text() or "").split())
