"""A theme made ready: templates, stylesheet and script, overridable file by file (theme.yaml: themefile.py).

A template is looked up in the site's `templates/`, then in the theme's folder, then in the theme that it extends,
at last in lodestone. `{% extends "lodestone/post.html" %}` reaches a theme's original by its name.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from pathlib import Path
from typing import Any

import jinja2
from jinja2.bccache import Bucket
from markupsafe import Markup

from magnetgen import client, themefile, yamldoc
from magnetgen.cache import read_checked, write_checked
from magnetgen.colors import palette
from magnetgen.diagnostics import Diagnostic, Span, error
from magnetgen.forms import tokens
from magnetgen.views import SiteView

MAX_PIECES = 20_000
"""Pieces of HTML kept at a time: teasers of a kilobyte each would be 20 MB."""

_COMMENT = re.compile(r"/\*.*?\*/", re.S)
_SPACE = re.compile(r"\s+")
_AROUND = re.compile(r"\s*([{};,])\s*|(?<=:)\s+")


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

    def __init__(
        self, root: Path, settings: dict[str, Any], cache: Path | None = None, doc: yamldoc.Document | None = None
    ) -> None:
        """`settings`: `theme` of magnetgen.yaml; `doc`: that file, so that faults have their place."""
        self.root = root
        self.layers = themefile.layers(root, settings, doc)
        look = themefile.look(self.layers, settings, doc)
        self.settings, self.words, self.months, self.date_format = (
            look.settings,
            look.words,
            look.months,
            look.date_format,
        )
        self.brand = str(self.settings.get("brand") or "#0b6e4f")
        self.css = Markup(palette(self.brand) + self._static("style.css", minify_css))
        self.sections_css = Markup(self._static("sections.css", minify_css))
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

    def life(self, seconds: int) -> str:
        """How long a link lives, for people: `3 days`. 0: as long as any download's."""
        seconds = seconds or tokens.LIFETIMES[tokens.DOWNLOAD]
        for unit, name in ((86_400, "days"), (3600, "hours")):
            if seconds % unit == 0 and seconds >= 2 * unit:
                return self.words[f"life_{name}"].replace("{number}", str(seconds // unit))
        return self.words["life_minutes"].replace("{number}", str(seconds // 60))

    def is_to_blame(self, exc: Exception) -> bool:
        """Whether an exception comes from a template: its syntax, an undefined name, or what it calculates."""
        return isinstance(exc, jinja2.TemplateError | UnicodeDecodeError) or _template_frame(exc) is not None

    def fault(self, exc: Exception, page: str) -> Diagnostic:
        """What went wrong in a template: which, where, and on which page."""
        if isinstance(exc, UnicodeDecodeError):
            return self._not_utf8()
        name, line = _place(exc, self._template_folders())
        path = name if name.startswith(("templates/", "themes/")) else f"themes/{name}"
        hint = "see docs/themes.md for what a template is given"
        if isinstance(exc, jinja2.TemplateNotFound):
            return error("template-missing", f'there is no template "{exc.name}" (for {page})', path, Span(line), hint)
        message = f"{str(exc) or type(exc).__name__} (for {page})"
        return error("template-error", message, path, Span(line), hint)

    def _not_utf8(self) -> Diagnostic:
        """Jinja does not say which of the templates it could not decode."""
        for label, folder in self._template_folders():
            for file in sorted(folder.rglob("*.html")):
                try:
                    yamldoc.decode(file.read_bytes(), f"{label}/{file.relative_to(folder).as_posix()}")
                except yamldoc.Fault as fault:
                    return fault.diagnostics[0]
        return error("template-error", "a template is not UTF-8", "templates", Span(1), "save it as UTF-8")

    def _template_folders(self) -> list[tuple[str, Path]]:
        own = [("templates", self.root / "templates")]
        return own + [(f"themes/{layer.name}/templates", layer.folder / "templates") for layer in self.layers]

    def _environment(self, cache: Path | None) -> jinja2.Environment:
        by_name = {layer.name: jinja2.FileSystemLoader(layer.folder / "templates") for layer in self.layers}
        own = jinja2.FileSystemLoader(self.root / "templates")
        bytecode = _Bytecode(cache) if cache is not None else None
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
        for layer in self.layers:
            file = layer.folder / "static" / name
            if file.is_file():
                return str(transform(file.read_text("utf-8")))
        return ""

    def _digest(self, settings: dict[str, Any]) -> bytes:
        state = blake2b(digest_size=16)
        state.update(repr((sorted(settings.items(), key=str), self.css, self.sections_css, self.script)).encode())
        for label, folder in self._template_folders():
            for file in sorted(folder.rglob("*")) if folder.is_dir() else ():
                if file.is_file() and not file.name.startswith("."):
                    name = f"{label}/{file.relative_to(folder).as_posix()}"
                    state.update(name.encode(errors="surrogateescape") + b"\0" + file.read_bytes())
        for layer in self.layers:
            state.update((layer.folder / themefile.THEME_FILE).read_bytes())
        return state.digest()


class _Bytecode(jinja2.BytecodeCache):
    """Compiled templates, each with a digest in front: marshal must never see a spoilt file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load_bytecode(self, bucket: Bucket) -> None:
        data = read_checked(self._folder / bucket.key)
        if data is not None:
            bucket.bytecode_from_string(data)

    def dump_bytecode(self, bucket: Bucket) -> None:
        write_checked(self._folder / bucket.key, bucket.bytecode_to_string())


def _place(exc: Exception, folders: list[tuple[str, Path]]) -> tuple[str, int]:
    """(file, line) of a template fault: from the error itself, else from the innermost template frame."""
    filename, line = getattr(exc, "filename", None), getattr(exc, "lineno", None)
    if filename is None:
        filename, line = _template_frame(exc) or (None, None)
    for label, folder in folders:
        if filename and Path(filename).is_relative_to(folder):
            return f"{label}/{Path(filename).relative_to(folder).as_posix()}", line or 1
    return "templates", line or 1


def _template_frame(exc: Exception) -> tuple[str, int] | None:
    """(file, line) of the innermost frame that is a template's."""
    found, trace = None, exc.__traceback__
    while trace is not None:
        where = trace.tb_frame.f_code.co_filename
        if where.endswith(".html"):
            found = where, trace.tb_lineno
        trace = trace.tb_next
    return found


def minify_css(css: str) -> str:
    """Comments and idle white space removed; nothing else is touched."""
    return _AROUND.sub(lambda m: m[1] or "", _SPACE.sub(" ", _COMMENT.sub("", css))).replace(";}", "}").strip()
