"""Addresses as writers write them → addresses of the site; and what is wrong with those that lead nowhere."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from msgspec import Struct

from magnetgen import places
from magnetgen.diagnostics import Diagnostic, error, warning
from magnetgen.media import RASTER
from magnetgen.model import MediaFile, Page
from magnetgen.pages import resolve_file
from magnetgen.plan import Plan, is_magnet
from magnetgen.text import fold, is_absolute, nearest, quote_path, split_fragment, unquote_path

MAX_SUGGESTIONS = 200
"""Near misses are looked for this often a build: each search goes through every file's name."""


class Problem(Struct, frozen=True):
    code: str
    message: str
    hint: str = ""


PRIVATE = Problem("link-private", "a lead magnet has no public address", "a form hands it out: link to the form")


class Address(Struct, frozen=True):
    """Where an address leads. `url` is ready for an attribute, up to HTML escaping."""

    url: str
    media: MediaFile | None = None
    problem: Problem | None = None


class Links:
    """Resolves addresses for one plan; each different one once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._memo: dict[tuple[str, str, str], Address] = {}
        self._images: dict[str, MediaFile | None] = {}
        self._suggestions = 0
        self._sources = sorted({*plan.by_source, *plan.media})
        self._pictures = [s for s in self._sources if posixpath.splitext(s)[1].lower() in (*RASTER, ".svg")]
        self._by_path = {page.path: page for page in plan.pages}

    def resolve(self, page: Page, target: str, shown: Iterable[str] = (), kind: str = "link") -> Address:
        """An address in a page's file. `shown`: names of the forms that stand on the page."""
        if target.startswith("form:") and target[5:] in shown:
            return Address(f"#form-{target[5:]}")
        if target.startswith("#"):
            return self._anchor(page, target, shown)
        # What a relative address means depends on the file's folder and on the page's URL.
        here = "" if target.startswith("/") or is_absolute(target) else f"{posixpath.dirname(page.source)}\0{page.path}"
        memo = (here, target, kind)
        found = self._memo.get(memo)
        if found is None:
            found = self._memo[memo] = self._resolve(page, target, kind)
        return found

    def site(self, target: str) -> Address:
        """An address in magnetgen.yaml, relative to the site's root."""
        root = Page(source="magnetgen.yaml", path="/", layout="", title="", description="")
        return self.resolve(root, target)

    def image(self, source: str, target: str) -> MediaFile | None:
        """A picture of the site by an address in `source`, or None."""
        memo = target if target.startswith("/") else f"{posixpath.dirname(source)}\0{target}"
        if memo not in self._images:
            file = resolve_file(source, split_fragment(target)[0])
            self._images[memo] = None if is_magnet(file) else self._plan.media.get(file)
        return self._images[memo]

    def faults(self, page: Page, targets: Iterable[tuple[str, str]], shown: Iterable[str]) -> Iterable[Diagnostic]:
        """Each address of a page that leads nowhere, with its place: E from Markdown, W from raw HTML."""
        for kind, target in targets:
            problem = self.resolve(page, target, shown, kind).problem
            if problem is None:
                continue
            place, by_markdown = places.address(self._plan.root, page.source, target, kind)
            make = error if by_markdown else warning
            yield make(problem.code, problem.message, *place, problem.hint)

    def _anchor(self, page: Page, target: str, shown: Iterable[str]) -> Address:
        name = unquote_path(target[1:])
        known = {*page.anchors, "", "top", "mg-main", *(f"form-{form}" for form in shown)}
        if name in known:
            return Address(target)
        inside = f"{page.title}-{name}"
        if page.layout == "block" and inside in known:  # a block's headings carry its name
            return Address(f"#{inside}")
        return Address(target, problem=self._no_anchor(name, page.anchors, "this page"))

    def _resolve(self, page: Page, target: str, kind: str) -> Address:
        scheme, colon, rest = target.partition(":")
        if colon and scheme in ("form", "cta", "block"):
            return self._declared(scheme, rest)
        base = self._plan.config.base_url
        if target.startswith(base):
            inside = self._local(page, "/" + target[len(base) :], kind)
            return Address(target, inside.media, inside.problem)
        if is_absolute(target):
            return Address(target)
        if not target:
            return Address("", problem=Problem("link-broken", "an address that is empty", "write where it leads to"))
        return self._local(page, target, kind)

    def _declared(self, scheme: str, name: str) -> Address:
        plan = self._plan
        if scheme == "form" and name in plan.forms:
            return Address(plan.url(plan.forms[name].home) + f"#form-{name}")
        if scheme == "cta" and name in plan.config.ctas:
            return Address(self.site(plan.config.ctas[name].url).url)
        if scheme == "block" and name in plan.blocks:
            return Address(f"block:{name}")
        if f"{scheme}:{name}" in plan.unread:
            return Address("#")  # its own fault is told at its file
        declared: dict[str, Iterable[str]] = {"form": plan.forms, "cta": plan.config.ctas, "block": plan.blocks}
        known = declared[scheme]
        where = {
            "form": f"make content/forms/{name}.md",
            "cta": "add it to `ctas` in magnetgen.yaml",
            "block": f"make content/blocks/{name}.md",
        }[scheme]
        found = nearest(name, known)
        hint = f'did you mean "{scheme}:{found}"? Or {where}' if found else where
        return Address("#", problem=Problem(f"{scheme}-unknown", f'there is no {scheme} "{name}"', hint))

    def _local(self, page: Page, target: str, kind: str) -> Address:
        """A file of the site, or one of its URLs."""
        address, tail = split_fragment(target)
        file = resolve_file(page.source, address)
        if file.startswith(".."):
            return Address(
                target,
                problem=Problem("link-outside", f'"{address}" leads out of the site', "link to a file inside it"),
            )
        for source in (file, "content/" + file if address.startswith("/") else file):
            if source in self._plan.media:
                return self._to_media(self._plan.media[source], tail)
            if source in self._plan.by_source:
                return self._to_page(self._plan.by_source[source], tail)
            if source in self._plan.unreadable:
                return Address(self._plan.url(self._plan.unreadable[source]) + tail)
            if source in self._plan.unpublished:
                reason = self._plan.unpublished[source]
                problem = Problem(
                    "link-unpublished", f'"{address}" is not published: {reason}', "publish it, or take the link out"
                )
                return Address(target, problem=problem)
        return self._to_url(page, address, tail, kind)

    def _to_media(self, file: MediaFile, tail: str) -> Address:
        if is_magnet(file.source):
            return Address("#", problem=PRIVATE)
        return Address(self._plan.url(file.path) + tail, file)

    def _to_page(self, page: Page, tail: str) -> Address:
        url = self._plan.url(page.path) + tail
        anchor = unquote_path(tail.partition("#")[2])
        if anchor and anchor not in page.anchors and anchor not in _form_anchors(page):
            return Address(url, problem=self._no_anchor(anchor, page.anchors, page.source))
        return Address(url)

    def _to_url(self, page: Page, address: str, tail: str, kind: str) -> Address:
        written = unquote_path(address)
        tries = (
            [written]
            if written.startswith("/")
            else [
                posixpath.normpath(posixpath.join(page.path, written)),
                posixpath.normpath(posixpath.join(posixpath.dirname(page.path.rstrip("/")) or "/", written)),
            ]
        )
        for path in tries:
            for spelling in (path, path.rstrip("/") + "/", path.removesuffix("index.html")):
                if self._plan.paths.get(fold(spelling)) == spelling:
                    return self._with_anchor(spelling, tail)
        # Raw HTML is published with a warning: then at least the prefix is right.
        url = self._plan.url(written) if written.startswith("/") else quote_path(address)
        hidden = next(
            (self._plan.hidden[fold(p)] for p in (*tries, *(f"{t}/" for t in tries)) if fold(p) in self._plan.hidden),
            "",
        )
        if hidden:
            problem = Problem(
                "link-unpublished", f'"{written}" is not published: {hidden}', "publish it, or take the link out"
            )
            return Address(url + tail, problem=problem)
        return Address(url + tail, problem=self._broken(page, address, kind))

    def _with_anchor(self, path: str, tail: str) -> Address:
        page = self._by_path.get(path)
        return self._to_page(page, tail) if page else Address(self._plan.url(path) + tail)

    def _no_anchor(self, name: str, known: Iterable[str], where: str) -> Problem:
        found = nearest(name, known, cutoff=0.5)
        hint = f"did you mean #{found}?" if found else "anchors are the headings, in small letters with - between words"
        return Problem("link-anchor", f"there is no #{name} in {where}", hint)

    def _broken(self, page: Page, address: str, kind: str) -> Problem:
        if kind == "image":
            found = self.nearest_picture(page.source, address)
            hint = f"the nearest is {found}" if found else "put the picture into media/ and write /media/NAME"
            return Problem("media-missing", f'there is no picture "{unquote_path(address)}"', hint)
        found = self.nearest_file(page.source, address) or self._nearest_url(address)
        hint = (
            f"did you mean {found}?"
            if found
            else "link to a file (../posts/name.md) or to a URL of the site (/posts/name/)"
        )
        return Problem("link-broken", f'"{unquote_path(address)}" leads to nothing', hint)

    def nearest_picture(self, source: str, address: str) -> str:
        """The picture whose name is nearest, written as an address from `source`; or empty."""
        return self._nearest(source, address, self._pictures)

    def nearest_file(self, source: str, address: str) -> str:
        """The file whose name is nearest, written as an address from `source`; or empty."""
        return self._nearest(source, address, self._sources)

    def _nearest(self, source: str, address: str, known: list[str]) -> str:
        self._suggestions += 1
        if self._suggestions > MAX_SUGGESTIONS:
            return ""
        wanted = resolve_file(source, address)
        name = posixpath.basename(wanted)
        folder = posixpath.dirname(wanted)
        by_name = {posixpath.basename(s): s for s in reversed(known)}
        if name in by_name:
            return self._written(source, by_name[name], address)
        same = {posixpath.basename(s): s for s in known if posixpath.dirname(s) == folder}
        found = nearest(name, same)
        if found:
            return self._written(source, same[found], address)
        found = nearest(name, by_name, cutoff=0.75)
        return self._written(source, by_name[found], address) if found else ""

    def _written(self, source: str, file: str, address: str) -> str:
        if address.startswith("/") or file.startswith("media/"):
            return "/" + file.removeprefix("content/")
        return posixpath.relpath(file, posixpath.dirname(source) or ".")

    def _nearest_url(self, address: str) -> str:
        return (
            nearest(unquote_path(address), self._plan.paths.values(), cutoff=0.75) or ""
            if self._suggestions <= MAX_SUGGESTIONS
            else ""
        )


def _form_anchors(page: Page) -> set[str]:
    """The forms that stand on a page, as anchors."""
    embedded = {image[5:] for image in page.images if image.startswith("form:")}
    return {f"form-{name}" for name in embedded | {page.form or ""}}
