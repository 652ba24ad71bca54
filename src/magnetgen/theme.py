"""A theme: templates, stylesheet, words and settings, found by name and overridable file by file.

A template is looked up in the site's `templates/`, then in the theme's folder, then in the theme that it extends,
at last in lodestone. `{% extends "lodestone/post.html" %}` reaches a theme's original by its name.
"""

from __future__ import annotations

import importlib.resources
import re
from hashlib import blake2b
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from magnetgen import client, yamldoc
from magnetgen.diagnostics import Diagnostic, Span, error
from magnetgen.text import did_you_mean, listing
from magnetgen.views import SiteView

DEFAULT = "lodestone"
THEME_FILE = "theme.yaml"
MAX_PIECES = 20_000
"""Pieces of HTML kept at a time: about 20 MB of teasers."""

_COMMENT = re.compile(r"/\*.*?\*/", re.S)
_SPACE = re.compile(r"\s+")
_AROUND = re.compile(r"\s*([{};,])\s*|(?<=:)\s+")
_TOP_KEYS = {"name", "description", "extends", "settings", "words", "months", "date_format"}


def shipped() -> Path:
    """The folder of the themes that come with magnetgen: in the wheel, or beside src/ in a checkout."""
    inside = Path(str(importlib.resources.files("magnetgen") / "_themes"))
    return inside if inside.is_dir() else Path(__file__).resolve().parents[2] / "themes"


def find(root: Path, name: str) -> Path | None:
    """The site's own theme of that name, or one that came with magnetgen."""
    for folder in (root / "themes" / name, shipped() / name):
        if (folder / THEME_FILE).is_file():
            return folder
    return None


def chain(root: Path, name: str) -> list[tuple[str, Path]]:
    """The theme and those that it extends, nearest first, lodestone always last. Raises yamldoc.Fault."""
    found: list[tuple[str, Path]] = []
    wanted: str | None = name
    while wanted and wanted not in [n for n, _ in found]:
        folder = find(root, wanted)
        if folder is None:
            known = {p.parent.name for base in (root / "themes", shipped()) for p in base.glob(f"*/{THEME_FILE}")}
            hint = did_you_mean(wanted, known) + f"Themes: {listing(sorted(known))}"
            raise yamldoc.Fault(
                error("theme-unknown", f'there is no theme "{wanted}"', "magnetgen.yaml", Span(1), hint)
            )
        found.append((wanted, folder))
        wanted = _settings(root, folder).get("extends") or (DEFAULT if wanted != DEFAULT else None)
    return found


def folders(root: Path, name: str) -> list[Path]:
    """Every folder whose files make the pages' looks: for watching and for the cache's key."""
    return [root / "templates", *(folder for _, folder in chain(root, name))]


class _Environment(jinja2.Environment):
    """Looks a template up once: within a build no template changes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._found: dict[str, jinja2.Template] = {}

    def get_template(self, name: Any, parent: str | None = None, globals: Any = None) -> jinja2.Template:
        found = self._found.get(name)
        if found is None:
            found = self._found[name] = super().get_template(name, parent, globals)
        return found


class Theme:
    """A theme made ready: `render(template, view)`, and what the pages need of it.

    digest: changes with every byte of templates, stylesheet, script and settings.
    """

    def __init__(self, root: Path, settings: dict[str, Any], cache: Path | None = None) -> None:
        self.root = root
        self.chain = chain(root, str(settings.get("name", DEFAULT)))
        declared = [_settings(root, folder) for _, folder in reversed(self.chain)]
        self.settings: dict[str, Any] = {}
        self.words: dict[str, str] = {}
        self.months: list[str] = []
        self.date_format = "{day} {month} {year}"
        for layer in declared:
            self.settings |= layer.get("settings") or {}
            self.words |= layer.get("words") or {}
            self.months = layer.get("months") or self.months
            self.date_format = layer.get("date_format") or self.date_format
        own = {k: v for k, v in settings.items() if k not in ("name", "words", "months", "date_format")}
        self.settings |= own
        self.words |= _known_words(self.words, settings.get("words") or {})
        self.months = settings.get("months") or self.months
        self.date_format = settings.get("date_format") or self.date_format
        self.css = Markup(palette(str(self.settings.get("brand", "#0b6e4f"))) + self._static("style.css", minify_css))
        extra = self._static("theme.js", str)
        self.script = Markup(client.page_script() + extra)
        self.digest = self._digest(settings)
        self._env = self._environment(cache)
        self._env.globals["piece"] = self.piece
        self._pieces: dict[tuple[Any, ...], tuple[Markup, dict[str, Any]]] = {}
        self._site: SiteView | None = None

    def use(self, site: SiteView) -> None:
        """The site that pieces are rendered for."""
        self._site = site
        self._pieces.clear()

    def render(self, template: str, **context: Any) -> str:
        return self._env.get_template(template).render(context)

    def piece(self, template: str, **views: Any) -> Markup:
        """A part of pages that many of them share, rendered once: `piece("_form.html", form=page.form)`.

        It sees the views that it is given, and `site`. Views are frozen, so the same object gives the same HTML.
        """
        key = (template, *((name, view if isinstance(view, str | bool) else id(view)) for name, view in views.items()))
        found = self._pieces.get(key)
        if found is None:
            if len(self._pieces) >= MAX_PIECES:
                self._pieces.clear()
            # The views are kept with the HTML: their ids must not pass to others.
            found = self._pieces[key] = (Markup(self.render(template, site=self._site, **views)), views)
        return found[0]

    def date(self, iso: str) -> str:
        """A date for people, by the theme's months and format."""
        year, month, day = int(iso[:4]), int(iso[5:7]), int(iso[8:10])
        return self.date_format.format(day=day, month=self.months[month - 1], year=year)

    def fault(self, exc: jinja2.TemplateError, page: str) -> Diagnostic:
        """What went wrong in a template: which, where, and on which page."""
        name, line = _place(exc, self._template_folders())
        path = name if name.startswith(("templates/", "themes/")) else f"themes/{name}"
        hint = "see docs/themes.md for what a template is given"
        if isinstance(exc, jinja2.TemplateNotFound):
            return error("template-missing", f'there is no template "{exc.name}" (for {page})', path, Span(line), hint)
        message = f"{exc.message or type(exc).__name__} (for {page})"
        return error("template-error", message, path, Span(line), hint)

    def _template_folders(self) -> list[tuple[str, Path]]:
        own = [("templates", self.root / "templates")]
        return own + [(f"themes/{name}/templates", folder / "templates") for name, folder in self.chain]

    def _environment(self, cache: Path | None) -> jinja2.Environment:
        by_name = {name: jinja2.FileSystemLoader(folder / "templates") for name, folder in self.chain}
        own = jinja2.FileSystemLoader(self.root / "templates")
        bytecode = None
        if cache is not None:
            cache.mkdir(parents=True, exist_ok=True)
            bytecode = jinja2.FileSystemBytecodeCache(str(cache))
        return _Environment(
            loader=jinja2.ChoiceLoader([own, *by_name.values(), jinja2.PrefixLoader(dict(by_name))]),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            bytecode_cache=bytecode,
        )

    def _static(self, name: str, transform: Any) -> str:
        """A static file of the nearest theme that has one."""
        for _, folder in self.chain:
            file = folder / "static" / name
            if file.is_file():
                return str(transform(file.read_text("utf-8")))
        return ""

    def _digest(self, settings: dict[str, Any]) -> bytes:
        state = blake2b(digest_size=16)
        state.update(repr((sorted(settings.items(), key=str), self.css, self.script)).encode())
        for label, folder in self._template_folders():
            for file in sorted(folder.rglob("*.html")) if folder.is_dir() else ():
                state.update(f"{label}/{file.relative_to(folder).as_posix()}\0".encode() + file.read_bytes())
        for _, folder in self.chain:
            state.update((folder / THEME_FILE).read_bytes())
        return state.digest()


def _place(exc: jinja2.TemplateError, folders: list[tuple[str, Path]]) -> tuple[str, int]:
    """(file, line) of a template fault: from the error itself, else from the innermost template frame."""
    filename = getattr(exc, "filename", None)
    line = getattr(exc, "lineno", None)
    if filename is None:
        trace = exc.__traceback__
        while trace is not None:
            where = trace.tb_frame.f_code.co_filename
            if where.endswith(".html"):
                filename, line = where, trace.tb_lineno
            trace = trace.tb_next
    for label, folder in folders:
        if filename and Path(filename).is_relative_to(folder):
            return f"{label}/{Path(filename).relative_to(folder).as_posix()}", line or 1
    return "templates", line or 1


def _settings(root: Path, folder: Path) -> dict[str, Any]:
    """theme.yaml, checked for its keys."""
    file = folder / THEME_FILE
    path = file.relative_to(root).as_posix() if file.is_relative_to(root) else f"themes/{folder.name}/{THEME_FILE}"
    doc = yamldoc.parse(yamldoc.decode(file.read_bytes(), path), path, free=frozenset({"settings"}))
    for key in doc.data:
        if key not in _TOP_KEYS:
            hint = did_you_mean(key, _TOP_KEYS) + f"Known keys: {listing(sorted(_TOP_KEYS))}"
            raise yamldoc.Fault(error("unknown-key", f'unknown key "{key}"', path, doc.span((key,), key=True), hint))
    return doc.data


def _known_words(known: dict[str, str], own: dict[str, Any]) -> dict[str, str]:
    for key in own:
        if key not in known:
            hint = did_you_mean(key, known) + "the theme's theme.yaml lists its words"
            raise yamldoc.Fault(error("unknown-key", f'the theme has no word "{key}"', "magnetgen.yaml", Span(1), hint))
    return {key: str(value) for key, value in own.items()}


def minify_css(css: str) -> str:
    """Comments and idle white space removed; nothing else is touched."""
    return _AROUND.sub(lambda m: m[1] or "", _SPACE.sub(" ", _COMMENT.sub("", css))).replace(";}", "}").strip()


# --- colours: WCAG 2.2 contrast, relative luminance of sRGB ---------------------------------------------------

DARK_PAGE = "#14181b"
MIN_CONTRAST = 4.5


def palette(brand: str) -> str:
    """Custom properties from one brand colour, each readable where it is used."""
    on_brand = max(("#ffffff", "#14181b"), key=lambda text: contrast(brand, text))
    ink = _until(brand, "#ffffff", "#000000")
    ink_dark = _until(brand, DARK_PAGE, "#ffffff")
    return f":root{{--brand:{brand};--on-brand:{on_brand};--brand-ink:{ink};--brand-ink-dark:{ink_dark}}}"


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _until(color: str, background: str, toward: str) -> str:
    """The colour, mixed with another just as far as it takes to be read on the background."""
    for step in range(21):
        mixed = _mix(color, toward, step / 20)
        if contrast(mixed, background) >= MIN_CONTRAST:
            return mixed
    return toward


def _rgb(color: str) -> tuple[int, int, int]:
    digits = color.lstrip("#")
    digits = "".join(d * 2 for d in digits) if len(digits) == 3 else digits
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


def _mix(one: str, other: str, share: float) -> str:
    mixed = (round(a + (b - a) * share) for a, b in zip(_rgb(one), _rgb(other), strict=True))
    return "#" + "".join(f"{value:02x}" for value in mixed)


def _luminance(color: str) -> float:
    def linear(value: int) -> float:
        part = value / 255
        return float(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)

    red, green, blue = (linear(value) for value in _rgb(color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
