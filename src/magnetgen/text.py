"""Pure functions on text: slugs, addresses, truncation, near misses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches
from urllib.parse import quote, unquote

_ASCII_SLUG = re.compile(r"[^a-z0-9]+")
_UNRESERVED = re.compile(r"[A-Za-z0-9/._~-]*")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af]")
_WORD_EDGE = re.compile(r"\s+\S*$")

WORDS_PER_MINUTE = 230
CJK_PER_MINUTE = 500


def slug(text: str) -> str:
    """`Buy: now!` → `buy-now`. NFC, lower case; letters, digits and their marks stay, other runs become `-`.

    Marks count as letters, or the words of Hindi or Thai would fall apart. May be empty.
    """
    if text.isascii():
        return _ASCII_SLUG.sub("-", text.lower()).strip("-")
    normal = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())
    kept = (c if c.isalnum() or unicodedata.category(c)[0] == "M" else "-" for c in normal)
    return re.sub("-+", "-", "".join(kept)).strip("-")


def host_name(title: str) -> str:
    """A title as what hosts take for a name: 40 of a-z, 0-9 and `-`, with a letter first. `Über 10 Leads` → `uber-10-leads`."""
    words = slug(title).replace("ß", "ss")
    plain = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode()
    name = slug(plain)[:40].strip("-") or "site"
    return name if name[0].isalpha() else f"site-{name}"[:40].strip("-")


def slug_path(path: str) -> str:
    """`My Posts/Über uns` → `my-posts/über-uns`; empty segments fall away."""
    return "/".join(filter(None, (slug(part) for part in path.split("/"))))


def fold(path: str) -> str:
    """The form in which two URLs are the same on a file system that ignores case."""
    return path.lower() if path.isascii() else unicodedata.normalize("NFC", path.casefold())


def quote_path(path: str) -> str:
    """A path as it stands in an address: UTF-8, percent-encoded, what is already encoded left alone."""
    return path if _UNRESERVED.fullmatch(path) else quote(path, safe="/%:@!$&'()*+,;=~-._")


def unquote_path(path: str) -> str:
    return unquote(path, errors="replace") if "%" in path else path


def split_fragment(address: str) -> tuple[str, str]:
    """`a.md?x#y` → (`a.md`, `?x#y`): the file, and what follows it."""
    cut = min((i for i in (address.find("?"), address.find("#")) if i >= 0), default=len(address))
    return address[:cut], address[cut:]


def is_absolute(address: str) -> bool:
    """Whether an address has a scheme or a host of its own (`https:`, `mailto:`, `//cdn…`)."""
    return address.startswith("//") or bool(re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", address))


def truncate(text: str, length: int) -> str:
    """At most `length` code points, cut between words, with an ellipsis."""
    text = " ".join(text.split())
    if len(text) <= length:
        return text
    cut = text[: length - 1]
    if not text[length - 1].isspace():
        cut = _WORD_EDGE.sub("", cut) or cut
    return cut.rstrip(" ,;:–—-") + "…"


_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])[\"'”’»)]*(?=\s|$)")


def summary(text: str, length: int, least: int = 70) -> str:
    """The text's first whole sentences if at least `least` code points of them fit, else a cut between words."""
    text = " ".join(text.split())
    ends = [m.end() for m in _SENTENCE_END.finditer(text[: length + 1]) if m.end() <= length]
    return text[: ends[-1]] if ends and ends[-1] >= least else truncate(text, length)


def count_words(text: str) -> int:
    """Words of a text; Chinese, Japanese and Korean characters count as fractions of one, by reading speed."""
    words = len(text.split())
    if len(text.encode(errors="replace")) - len(text) < len(text) // 20:  # hardly a character beyond ASCII
        return words
    return words + round(len(_CJK.findall(text)) * WORDS_PER_MINUTE / CJK_PER_MINUTE)


def reading_minutes(words: int) -> int:
    return max(1, round(words / WORDS_PER_MINUTE))


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known word that was probably meant, if one is near enough."""
    by_fold = {k.casefold(): k for k in sorted(known)}
    found = get_close_matches(word.casefold(), by_fold, n=1, cutoff=cutoff)
    return by_fold[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean "email"? ` or nothing."""
    found = nearest(word, known)
    return f'did you mean "{found}"? ' if found else ""


def listing(words: Iterable[str], most: int = 12) -> str:
    """`a, b, c`, shortened where it grows long."""
    all_words = list(words)
    shown = ", ".join(all_words[:most])
    return shown + (f" and {len(all_words) - most} more" if len(all_words) > most else "")
