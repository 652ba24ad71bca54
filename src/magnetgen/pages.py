"""One content file → what is known of it (Parsed), and later its text (Fragment)."""

from __future__ import annotations

import posixpath
import re
from datetime import datetime
from hashlib import blake2b
from pathlib import Path

import msgspec

from magnetgen import markdown, yamldoc
from magnetgen.config import SiteConfig, defaults_for, merge
from magnetgen.diagnostics import Diagnostic, Span, error, warning
from magnetgen.forms.contract import FORM_NAME, FormSpec
from magnetgen.forms.holes import HOLES
from magnetgen.frontmatter import FormMeta, MailMeta, PageMeta
from magnetgen.magnetmeta import KINDS as MAGNET_KINDS
from magnetgen.magnetmeta import MagnetMeta, magnet
from magnetgen.model import Fragment, Mail, Page, Parsed
from magnetgen.schema import validate
from magnetgen.text import count_words, did_you_mean, listing, slug, slug_path, summary, unquote_path

CONTENT = "content"
DESCRIPTION_LENGTH = 155
MAX_SLUG = 255
"""Bytes of a folder's name: the limit of every common file system."""

_DRAFT_LINE = re.compile(rb"^draft:[ ]*true[ ]*\r?$", re.M)
_LEADING_IMAGE = re.compile(r"\s*<p>(<img\s[^>]*>)</p>\n?")
_SPECIAL = {"forms": "form", "magnets": "magnet", "emails": "email", "blocks": "block"}


def kind_of(relative: str) -> str:
    """What a file below content/ is, by its folder: page, form, magnet, email or block."""
    top, slash, rest = relative.partition("/")
    return _SPECIAL.get(top, "page") if slash and rest else "page"


class PageReader:
    """Reads content files of one site. Made once a process: it holds the Markdown engine."""

    def __init__(self, root: Path, config: SiteConfig) -> None:
        self.root = root
        self.config = config
        settings = config.markdown
        self._engine = markdown.engine(settings.engine, tuple(settings.extensions), settings.extension_configs)
        self._zone = config.zone
        self._salt = config.model_dump_json(include={"timezone", "markdown", "language"}).encode()

    def parse(self, source: str) -> Parsed:
        """`source` is relative to the site. Never raises for a fault of content; OSError passes."""
        relative = source.removeprefix(CONTENT + "/")
        kind = kind_of(relative)
        raw = (self.root / source).read_bytes()
        doc = yamldoc.Document(source, {})
        try:
            text = yamldoc.decode(raw, source)
            doc = yamldoc.read(text, source)
            doc.diagnostics.extend(yamldoc.mojibake(text, source))
            return getattr(self, f"_{kind}")(doc, relative, raw)  # type: ignore[no-any-return]
        except yamldoc.Fault as fault:
            found = (*fault.diagnostics, *doc.diagnostics)
            return Parsed(
                source,
                kind,
                _path_of_unread(kind, relative, doc),
                draft=kind == "page" and _is_draft(doc, raw),
                diagnostics=found,
            )

    def body(self, page: Page, id_prefix: str = "") -> Fragment:
        """The text of a page that was parsed before; a leading picture that repeats its `image` is left out."""
        frag = self.text(self._markdown(page), id_prefix)
        return _without_leading_image(frag, page.source, page.image) if page.image and page.repeats_image else frag

    def text(self, text: str, id_prefix: str = "") -> Fragment:
        """A text that stands in no file."""
        return markdown.fragment(text, self._engine, id_prefix)

    def _markdown(self, page: Page) -> str:
        if page.markdown is not None:
            return page.markdown
        return yamldoc.body(yamldoc.decode((self.root / page.source).read_bytes(), page.source), page.source)

    def _page(self, doc: yamldoc.Document, relative: str, raw: bytes) -> Parsed:
        inherited = defaults_for(self.config, relative)
        meta = validate(PageMeta, doc, merge(inherited, doc.data))
        if isinstance(meta, list):
            raise yamldoc.Fault(*_with_title_hint(meta, doc))
        frag = markdown.fragment(doc.body, self._engine)
        path, aliases = self._paths(meta, doc, default_path(relative))
        image = meta.image or None
        repeats = image is not None and _without_leading_image(frag, doc.path, image) is not frag
        form, inline = self._form_of(meta, path, doc)
        layout = meta.layout or _layout(relative)
        if layout == "post" and doc.data.get("layout") is None and _is_index(relative):
            layout = _layout(relative)  # what introduces a folder of posts is none of them
        if relative.lower() == "404.md":
            layout, path = "404", "/404.html"
        folder = slug(relative.split("/", 1)[0]) if "/" in relative else ""
        digest = blake2b(raw, digest_size=16, key=blake2b(self._salt + repr(inherited).encode()).digest()).digest()
        tags = self._tags(meta, doc, folder)
        page = Page(
            source=doc.path,
            path=path,
            layout=layout,
            title=" ".join(meta.title.split()),
            description=meta.description or summary(markdown.first_paragraph(frag.html), DESCRIPTION_LENGTH),
            has_description=bool(meta.description),
            date=self._iso(meta.date),
            date_ts=self._timestamp(meta.date),
            updated=self._iso(meta.updated),
            expires_ts=self._timestamp(meta.expires),
            draft=meta.draft,
            digest=digest,
            collection=folder if layout == "post" else "",
            aliases=aliases,
            tags=tuple(tags.values()),
            tag_slugs=tuple(tags),
            image=image,
            image_alt=meta.image_alt or (_leading_alt(frag) if repeats else ""),
            repeats_image=repeats,
            author=msgspec.json.encode(meta.author.model_dump()).decode() if meta.author else None,
            form=form,
            inline_form=inline,
            cta=meta.cta,
            inline_cta=meta.inline_cta,
            noindex=meta.noindex,
            weight=meta.weight,
            lang=meta.lang or self.config.language,
            translation_key=meta.translation_key or None,
            toc=meta.toc,
            extra=meta.extra,
            anchors=markdown.anchors(frag),
            links=tuple(dict.fromkeys(r.target for r in frag.refs if r.kind != "image")),
            images=tuple(dict.fromkeys(r.target for r in frag.refs if r.kind == "image")),
            words=count_words(doc.body),
        )
        if layout == "post" and meta.date is None:
            doc.diagnostics.append(
                warning(
                    "post-undated",
                    "a post without a date stands last in every list",
                    doc.path,
                    Span(doc.line),
                    "add `date: 2025-05-08`",
                )
            )
        return Parsed(doc.path, "page", path, page=page, draft=meta.draft, diagnostics=tuple(doc.diagnostics))

    def _form(self, doc: yamldoc.Document, relative: str, raw: bytes) -> Parsed:
        name = _name(relative, "forms/", doc.path)
        meta = validate(FormMeta, doc)
        if isinstance(meta, list):
            raise yamldoc.Fault(*meta)
        page = self._bare_page(doc, raw, "thanks", f"/forms/{name}/thanks/", meta.title)
        return Parsed(doc.path, "form", page.path, page=page, form=meta.spec(name), diagnostics=tuple(doc.diagnostics))

    def _block(self, doc: yamldoc.Document, relative: str, raw: bytes) -> Parsed:
        name = _name(relative, "blocks/", doc.path)
        if doc.data:
            place = doc.span((next(iter(doc.data)),), key=True)
            raise yamldoc.Fault(
                error("unknown-key", "a block has no front matter", doc.path, place, "only the text of the block")
            )
        page = self._bare_page(doc, raw, "block", f"block:{name}", name, f"{name}-")
        return Parsed(doc.path, "block", page.path, page=page, diagnostics=tuple(doc.diagnostics))

    def _magnet(self, doc: yamldoc.Document, relative: str, raw: bytes) -> Parsed:
        inside = relative.removeprefix("magnets/")
        kind = doc.data.get("kind")
        # A chapter is named by its path alone, and may lie in a folder of its own.
        name = posixpath.splitext(inside)[0] if kind == "chapter" else _name(relative, "magnets/", doc.path)
        if not isinstance(kind, str) or kind not in MAGNET_KINDS:
            missing = kind is None
            message = "a lead magnet needs its `kind`" if missing else f'a lead magnet cannot be a "{kind}"'
            hint = did_you_mean(str(kind or ""), MAGNET_KINDS) + f"Kinds: {listing(MAGNET_KINDS)}"
            place = Span(doc.line) if missing else doc.span(("kind",))
            raise yamldoc.Fault(error("magnet-kind", message, doc.path, place, hint))
        meta = validate(MagnetMeta, doc)
        if isinstance(meta, list):
            raise yamldoc.Fault(*meta)
        body = self._bare_page(doc, raw, "magnet", f"magnet:{name}", meta.title)
        body = msgspec.structs.replace(body, lang=meta.lang or self.config.language)
        given = magnet(meta, name, body, self._zone)
        return Parsed(
            doc.path, "magnet", f"magnet:{name}", magnet=given, draft=meta.draft, diagnostics=tuple(doc.diagnostics)
        )

    def _email(self, doc: yamldoc.Document, relative: str, raw: bytes) -> Parsed:
        name = _name(relative, "emails/", doc.path)
        meta = validate(MailMeta, doc)
        if isinstance(meta, list):
            raise yamldoc.Fault(*meta)
        kind, dash, rest = name.partition("-")
        if kind not in HOLES:
            hint = did_you_mean(kind, HOLES) + f"Kinds: {listing(HOLES)}; for one form KIND-NAME.md"
            raise yamldoc.Fault(error("mail-kind", f'there is no mail "{kind}"', doc.path, Span(1), hint))
        if dash and not meta.form:
            hint = f"add `form: {rest}`; {kind}.md is the mail of all forms"
            raise yamldoc.Fault(error("mail-kind", "for which form is this mail?", doc.path, Span(doc.line), hint))
        subject = " ".join(meta.subject.split())
        mail = Mail(doc.path, kind, meta.form, subject, meta.from_, bool(doc.body.strip()))
        return Parsed(doc.path, "email", f"email:{name}", mail=mail, diagnostics=tuple(doc.diagnostics))

    def _bare_page(
        self, doc: yamldoc.Document, raw: bytes, layout: str, path: str, title: str, id_prefix: str = ""
    ) -> Page:
        frag = markdown.fragment(doc.body, self._engine, id_prefix)
        return Page(
            source=doc.path,
            path=path,
            layout=layout,
            title=title,
            description="",
            digest=blake2b(raw, digest_size=16, key=self._salt[:64]).digest(),
            noindex=True,
            lang=self.config.language,
            anchors=markdown.anchors(frag),
            links=tuple(dict.fromkeys(r.target for r in frag.refs if r.kind != "image")),
            images=tuple(dict.fromkeys(r.target for r in frag.refs if r.kind == "image")),
            words=count_words(doc.body),
        )

    def _paths(self, meta: PageMeta, doc: yamldoc.Document, path: str) -> tuple[str, tuple[str, ...]]:
        if meta.permalink:
            path = clean_path(meta.permalink)
        elif meta.slug:
            part = slug(meta.slug)
            if not part:
                raise yamldoc.Fault(
                    error(
                        "slug-empty", "a slug needs a letter or a digit", doc.path, doc.span(("slug",)), "slug: my-page"
                    )
                )
            path = posixpath.join(posixpath.dirname(path.rstrip("/")), part) + "/"
        elif not path:
            hint = "rename the file, or give it a `slug: …`"
            raise yamldoc.Fault(error("slug-empty", "the file's name has no letter or digit", doc.path, Span(1), hint))
        return path, tuple(clean_path(alias) for alias in meta.aliases)

    def _form_of(self, meta: PageMeta, path: str, doc: yamldoc.Document) -> tuple[str | None, FormSpec | None]:
        if not isinstance(meta.form, FormMeta):
            return meta.form, None
        base = re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-") or "home"
        if path != f"/{base}/":  # two paths can come to one name: this keeps them apart
            base = f"{base[:56]}-{blake2b(path.encode(), digest_size=3).hexdigest()}"
        name = base[:64]
        return name, meta.form.spec(name)

    def _tags(self, meta: PageMeta, doc: yamldoc.Document, folder: str) -> dict[str, str]:
        """slug → tag. Without the marker of the page's own collection; each once, by its slug."""
        markers = {folder, folder.removesuffix("s"), folder + "s", re.sub("ies$", "y", folder)}
        out: dict[str, str] = {}
        for index, tag in enumerate(meta.tags):
            name = slug(tag)
            place = doc.span(("tags", index)) if not name or len(name) > MAX_SLUG else Span(1)
            if not name:
                found = warning("tag-empty", "a tag needs a letter or a digit", doc.path, place, "delete it")
                doc.diagnostics.append(found)
            elif len(name.encode()) > MAX_SLUG:
                message = f"a tag of over {MAX_SLUG} bytes cannot have a page of its own"
                doc.diagnostics.append(error("url-too-long", message, doc.path, place, "shorten the tag"))
            elif name not in markers:
                out.setdefault(name, " ".join(tag.split()))
        return out

    def _iso(self, moment: datetime | None) -> str | None:
        return self._aware(moment).isoformat() if moment else None

    def _timestamp(self, moment: datetime | None) -> float | None:
        return self._aware(moment).timestamp() if moment else None

    def _aware(self, moment: datetime) -> datetime:
        return moment if moment.tzinfo else moment.replace(tzinfo=self._zone)


def _is_index(relative: str) -> bool:
    return posixpath.splitext(posixpath.basename(relative))[0].lower() == "index"


def _path_of_unread(kind: str, relative: str, doc: yamldoc.Document) -> str:
    """The URL or name that a file with a fault would have, as far as it can be told."""
    if kind != "page":
        return f"{kind}:{posixpath.splitext(relative.partition('/')[2])[0]}"
    path, permalink, part = default_path(relative), doc.data.get("permalink"), doc.data.get("slug")
    if isinstance(permalink, str) and permalink:
        return clean_path(permalink)
    if isinstance(part, str) and slug(part):
        return posixpath.join(posixpath.dirname(path.rstrip("/")), slug(part)) + "/"
    return path


def _is_draft(doc: yamldoc.Document, raw: bytes) -> bool:
    """Whether a file with a fault says that it is a draft, even where its YAML cannot be read."""
    return str(doc.data.get("draft", "")).lower() == "true" or bool(_DRAFT_LINE.search(raw.split(b"\n---", 1)[0]))


def default_path(relative: str) -> str:
    """`posts/How Leads.md` → `/posts/how-leads/`; `index.md` is its folder. Empty if nothing is left of the name."""
    stem = posixpath.splitext(relative)[0]
    folder, name = posixpath.split(stem)
    base = "/" + slug_path(folder) + "/" if folder else "/"
    if name.lower() == "index":
        return base
    part = slug(name)
    return base + part + "/" if part else ""


def clean_path(path: str) -> str:
    """A permalink as written → `/offer/`; a name with a suffix stays a file: `/offer.html`."""
    parts = [part for part in unquote_path(path).strip().split("/") if part]
    joined = "/" + "/".join(parts)
    return joined if parts and re.search(r"\.[A-Za-z0-9]{1,5}$", parts[-1]) else (joined.rstrip("/") + "/")


def resolve_file(source: str, address: str) -> str:
    """The file of the site that an address in `source` means, relative to the site; `..` too far up stays visible."""
    address = unquote_path(address)
    if address.startswith("/"):
        return posixpath.normpath(address.lstrip("/") or ".")
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), address))


def _layout(relative: str) -> str:
    return "home" if relative.lower() in ("index.md", "index.markdown") else "page"


def _name(relative: str, folder: str, path: str) -> str:
    """The name that a form, magnet, mail or block goes by: its file's."""
    name = posixpath.splitext(relative.removeprefix(folder))[0]
    if not FORM_NAME.fullmatch(name):
        meant = slug(name).replace("_", "-")
        hint = f"rename it to {meant}.md" if FORM_NAME.fullmatch(meant) else "small letters, digits and - only"
        raise yamldoc.Fault(error("file-name", f'"{name}" cannot be used as a name', path, Span(1), hint))
    return name


def _with_title_hint(found: list[Diagnostic], doc: yamldoc.Document) -> list[Diagnostic]:
    """A file with no front matter at all, but a heading: say what its front matter could be."""
    heading = re.search(r"^#\s+(.+?)\s*#*$", doc.body, re.M)
    if doc.data or heading is None:
        return found
    hint = f'begin the file with three lines: --- / title: "{heading[1]}" / ---'
    return [msgspec.structs.replace(d, hint=hint) if d.code == "missing-key" else d for d in found]


def _without_leading_image(frag: Fragment, source: str, image: str) -> Fragment:
    match = _LEADING_IMAGE.match(frag.html)
    if match is None:
        return frag
    address = markdown.attribute(match[1], "src")
    if resolve_file(source, address) != resolve_file(source, image):
        return frag
    cut = match.end()
    refs = tuple(
        msgspec.structs.replace(
            r, start=r.start - cut, end=r.end - cut, tag_start=r.tag_start - cut, tag_end=r.tag_end - cut
        )
        for r in frag.refs
        if r.start >= cut
    )
    return msgspec.structs.replace(frag, html=frag.html[cut:], refs=refs)


def _leading_alt(frag: Fragment) -> str:
    match = _LEADING_IMAGE.match(frag.html)
    return markdown.attribute(match[1], "alt") if match else ""
