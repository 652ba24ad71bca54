"""theme.yaml: finding a theme and those that it extends, and what they and the site's settings come to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from msgspec import Struct
from pydantic import AfterValidator, Field, ValidationError

from magnetgen import yamldoc
from magnetgen.diagnostics import Span, error
from magnetgen.scan import shipped_themes
from magnetgen.schema import Color, Strict, faults, refuse, validate
from magnetgen.text import did_you_mean, listing

DEFAULT = "lodestone"
THEME_FILE = "theme.yaml"
_CONFIG = "magnetgen.yaml"


def _date_format(value: str) -> str:
    try:
        value.format(day=1, month="May", year=2025)
    except (KeyError, IndexError, ValueError, AttributeError):
        hint = "holes: {day}, {month}, {year}"
        raise refuse("theme-date-format", f'"{value}" is no form of a date', hint) from None
    return value


Months = Annotated[list[str], Field(min_length=12, max_length=12)]
DateFormat = Annotated[str, AfterValidator(_date_format)]


class ThemeMeta(Strict):
    """theme.yaml."""

    name: str = ""
    description: str = ""
    extends: str = ""
    """The theme whose files serve where this one has none; lodestone unless given."""
    settings: dict[str, Any] = {}
    """What a site can set below `theme:`, with the values that hold until then."""
    words: dict[str, str] = {}
    months: Months | None = None
    date_format: DateFormat | None = None


class SiteTheme(Strict):
    """The parts of `theme:` in magnetgen.yaml that every theme has."""

    name: str = DEFAULT
    brand: Color | None = None
    logo: str = ""
    words: dict[str, str] = {}
    months: Months | None = None
    date_format: DateFormat | None = None


class Layer(Struct, frozen=True):
    """A theme in a chain of themes."""

    name: str
    folder: Path
    meta: ThemeMeta


class Look(Struct, frozen=True):
    """What themes and site say together, the nearest last."""

    settings: dict[str, Any]
    words: dict[str, str]
    months: list[str]
    date_format: str


def layers(root: Path, settings: dict[str, Any], doc: yamldoc.Document | None = None) -> list[Layer]:
    """The theme and those that it extends, nearest first, lodestone last. Raises yamldoc.Fault."""
    found: list[Layer] = []
    wanted = str(settings.get("name") or DEFAULT)
    while wanted not in [layer.name for layer in found]:
        folder = _find(root, wanted)
        if folder is None:
            raise yamldoc.Fault(_unknown(root, wanted, found, settings, doc))
        found.append(Layer(wanted, folder, _read(root, folder)))
        wanted = found[-1].meta.extends or DEFAULT
        if wanted in [layer.name for layer in found]:  # a circle, or lodestone itself
            wanted = DEFAULT
    return found


def look(found: list[Layer], settings: dict[str, Any], doc: yamldoc.Document | None = None) -> Look:
    """Settings and words of the layers and of the site. Raises yamldoc.Fault."""
    site = _site_theme(found, settings, doc)
    merged: dict[str, Any] = {}
    words: dict[str, str] = {}
    months, date_format = [str(n) for n in range(1, 13)], "{day} {month} {year}"
    for layer in reversed(found):
        merged |= layer.meta.settings
        words |= layer.meta.words
        months = layer.meta.months or months
        date_format = layer.meta.date_format or date_format
    for key in site.words:
        if key not in words:
            hint = did_you_mean(key, words) + "the theme's theme.yaml lists its words"
            place = doc.span(("theme", "words", key), key=True) if doc else Span(1)
            raise yamldoc.Fault(error("unknown-key", f'the theme has no word "{key}"', _CONFIG, place, hint))
    own = {k: v for k, v in settings.items() if k not in ("name", "words", "months", "date_format") and v is not None}
    return Look(merged | own, words | site.words, site.months or months, site.date_format or date_format)


def _site_theme(found: list[Layer], settings: dict[str, Any], doc: yamldoc.Document | None) -> SiteTheme:
    """The site's `theme`, checked: what every theme has, and what this one declares."""
    declared = {key for layer in found for key in layer.meta.settings}
    here = doc or yamldoc.Document(_CONFIG, {})
    for key in settings:
        if key not in SiteTheme.model_fields and key not in declared:
            known = sorted({*SiteTheme.model_fields, *declared})
            hint = did_you_mean(key, known) + f"Known keys: {listing(known, 40)}"
            place = here.span(("theme", key), key=True)
            raise yamldoc.Fault(error("unknown-key", f'unknown key "{key}"', _CONFIG, place, hint))
    try:
        return SiteTheme.model_validate({k: v for k, v in settings.items() if k in SiteTheme.model_fields})
    except ValidationError as exc:
        raise yamldoc.Fault(*faults(SiteTheme, here, exc, ("theme",))) from None


def _find(root: Path, name: str) -> Path | None:
    """The site's own theme of that name, or one that came with magnetgen."""
    for folder in (root / "themes" / name, shipped_themes() / name):
        if (folder / THEME_FILE).is_file():
            return folder
    return None


def _read(root: Path, folder: Path) -> ThemeMeta:
    file = folder / THEME_FILE
    path = file.relative_to(root).as_posix() if file.is_relative_to(root) else f"themes/{folder.name}/{THEME_FILE}"
    doc = yamldoc.parse(yamldoc.decode(file.read_bytes(), path), path, free=frozenset({"settings"}))
    meta = validate(ThemeMeta, doc)
    if isinstance(meta, list):
        raise yamldoc.Fault(*meta)
    return meta


def _unknown(
    root: Path, wanted: str, found: list[Layer], settings: dict[str, Any], doc: yamldoc.Document | None
) -> Any:
    known = {p.parent.name for base in (root / "themes", shipped_themes()) for p in base.glob(f"*/{THEME_FILE}")}
    hint = did_you_mean(wanted, known) + f"Themes: {listing(sorted(known))}"
    message = f'there is no theme "{wanted}"'
    if found:
        return error("theme-unknown", message, f"themes/{found[-1].name}/{THEME_FILE}", Span(1), hint)
    path = ("theme", "name") if doc and isinstance(doc.data.get("theme"), dict) else ("theme",)
    return error("theme-unknown", message, _CONFIG, doc.span(path) if doc else Span(1), hint)
