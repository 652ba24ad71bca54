"""Mails: content/emails/*.md and the theme's own words → subject, text and HTML with holes, for the form handler.

One Markdown gives both parts. Addresses are resolved and checked as in pages, and become absolute.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from html import escape

from msgspec import Struct

from magnetgen import markdown, places
from magnetgen.config import CONFIG_FILE
from magnetgen.diagnostics import Diagnostic, Report, Span, error, warning
from magnetgen.forms.contract import FormSpec
from magnetgen.forms.holes import ADDRESSES, HOLE, HOLES
from magnetgen.holes import Scope, Spot, Tokens
from magnetgen.links import Links
from magnetgen.magnetmeta import BOOKS
from magnetgen.mailframe import PICTURE_WIDTH, Frame
from magnetgen.mailtext import plain_text
from magnetgen.model import Magnet, Mail, Page, Ref
from magnetgen.plan import Plan
from magnetgen.text import did_you_mean, is_absolute, listing
from magnetgen.theme import Theme

Compiled = dict[str, dict[str, str]]
"""`KIND` or `KIND:FORM` → {"subject", "text", "html", "from"}; what is not there, the handler takes from the next."""

_REQUIRED = {"confirm": "confirm_url", "deliver": "download_url"}
_UNSUBSCRIBE = "unsubscribe_url"
_ACTIVE = re.compile(
    r"<(script|iframe|object|embed|form|input|button|select|textarea|style|link|meta|base|svg|video|audio|html|body)\b"
    r"|<[a-z][^<>]*?\s(on[a-z]+)\s*=",
    re.I,
)
_TASK_BOX = re.compile(r'<label><input type="checkbox" disabled( checked)?>(.*?)</label>', re.S)
_TABLE_FRAME = re.compile(r'<div class="table"[^>]*>(<table>.*?</table>)</div>', re.S)
_HEADING = re.compile(r"<(/?)h([1-6])\b")
_NOT_EVERYWHERE = (".svg", ".avif")
"""Pictures that large mail programs leave out."""


class _Writing(Struct):
    """A text as it was written, and where. `page`: what its addresses are relative to."""

    text: str
    page: Page
    spot: Spot


class Mailroom:
    """Compiles the mails of one site. What is wrong goes to the report."""

    def __init__(self, plan: Plan, theme: Theme, links: Links, report: Report) -> None:
        self._plan, self._theme, self._links, self._report = plan, theme, links, report
        settings = plan.config.markdown
        self._engine = markdown.engine(settings.engine, tuple(settings.extensions), settings.extension_configs)
        self._frame = Frame(plan.config.language, plan.config.base_url, theme.brand)
        self._specs = {name: form.spec for name, form in plan.forms.items()}
        self._forms_are_known = not any(name.startswith("form:") for name in plan.unread)

    def compiled(self) -> Compiled:
        """Every kind of mail, and those of single forms."""
        subjects = {kind: self._word_subject(kind) for kind in HOLES}
        own = {(mail.kind, mail.form): mail for mail in self._plan.mails}
        out: Compiled = {}
        for kind in HOLES:
            mail = own.get((kind, ""))
            subject = mail.subject if mail and mail.subject else subjects[kind]
            writing = self._read(mail.source) if mail and mail.has_body else self._of_word(kind)
            out[kind] = {"subject": subject, **self._parts(writing, subject, self._scope(kind))}
        for name, word in self._special().items():
            if ("deliver", name) not in own or not own["deliver", name].has_body:
                subject = self._word_subject("deliver", word)
                writing = self._of_magnet(self._plan.magnets[self._specs[name].magnet], word)
                out[f"deliver:{name}"] = {
                    "subject": subject,
                    **self._parts(writing, subject, self._scope("deliver", name), name),
                }
        for mail in self._plan.mails:
            self._check(mail)
            entry = out.setdefault(f"{mail.kind}:{mail.form}" if mail.form else mail.kind, {})
            if mail.subject:
                entry["subject"] = mail.subject
            if mail.form and mail.has_body:
                subject = mail.subject or out[mail.kind]["subject"]
                scope = self._scope(mail.kind, mail.form)
                entry |= self._parts(self._read(mail.source), subject, scope, mail.form)
            if mail.sender:
                entry["from"] = mail.sender
        return out

    def _special(self) -> dict[str, str]:
        """Form → the word that is its `deliver` mail, where the magnet says more than a file that is given as it is.

        A mail that the site words for all forms holds for all files, too; it knows nothing of codes and meetings.
        """
        found = {}
        by_site = any(mail.kind == "deliver" and not mail.form and mail.has_body for mail in self._plan.mails)
        for name, spec in self._specs.items():
            magnet = self._plan.magnets.get(spec.magnet)
            if magnet and magnet.is_written:
                word = f"deliver_{magnet.gives}"
                if not by_site or word != "deliver_file":
                    found[name] = word
        return found

    # --- whose mail ------------------------------------------------------------------------------------------

    def _scope(self, kind: str, form: str = "") -> Scope:
        """What a mail of that kind may be filled with. A mail that nobody gets may have any form's fields."""
        everybody = tuple(self._specs.values())
        alone = (self._specs[form],) if form in self._specs else everybody
        fields_known = self._forms_are_known and (not form or form in self._specs)
        return Scope(kind, tuple(self._getting(kind, form)) or alone, everybody, fields_known)

    def _getting(self, kind: str, form: str) -> Iterator[FormSpec]:
        """The forms whose leads or owners get the mail."""
        apart = {mail.form for mail in self._plan.mails if mail.kind == kind and mail.has_body} if not form else set()
        for name, spec in self._specs.items():
            if (not form or name == form) and name not in apart and self._sends(spec, kind):
                yield spec

    def _sends(self, spec: FormSpec, kind: str) -> bool:
        if kind == "confirm":
            return spec.double_opt_in
        if kind == "soldout":
            magnet = self._plan.magnets.get(spec.magnet)
            return magnet is not None and bool(magnet.codes)
        if kind in ("deliver", "welcome"):
            return bool(spec.magnet) == (kind == "deliver")
        return any(name.startswith("email:") for name in spec.notify)

    def _check(self, mail: Mail) -> None:
        """Names, twins, and mails that are never sent."""
        place = self._key(mail, "form") if mail.form else (mail.source, Span(1))
        twins = [m.source for m in self._plan.mails if (m.kind, m.form) == (mail.kind, mail.form) and m is not mail]
        if mail.subject:
            scope = self._scope(mail.kind, mail.form)
            self._report.extend(scope.faults(mail.subject, self._in_subject(mail)))
        if twins:
            what = f'the "{mail.kind}" mail of {mail.form or "all forms"}'
            message, hint = f"{what} is also in {listing(sorted(twins))}", "keep one of them"
            self._report.add(error("mail-twice", message, *place, hint))
        if mail.form and mail.form not in self._specs:
            if f"form:{mail.form}" not in self._plan.unread:
                hint = did_you_mean(mail.form, self._specs) + f"Forms: {listing(sorted(self._specs))}"
                self._report.add(error("form-unknown", f'there is no form "{mail.form}"', *place, hint))
        elif self._plan.config.handler.provider != "magnetgen":
            message = (
                f"{self._plan.config.handler.provider} takes the forms of this site, and sends none of these mails"
            )
            self._report.add(warning("mail-unused", message, *place, "only `provider: magnetgen` sends them"))
        elif self._forms_are_known and not any(self._getting(mail.kind, mail.form)):
            message = f'no form sends this "{mail.kind}" mail'
            self._report.add(warning("mail-unused", message, *place, _WHEN[mail.kind]))

    # --- what was written ------------------------------------------------------------------------------------

    def _wanted(self, kind: str, form: str) -> str:
        """The hole that a mail must have: of one form, what that form gives."""
        magnet = self._plan.magnets.get(self._specs[form].magnet) if form in self._specs else None
        if kind == "deliver" and magnet and magnet.gives in ("webinar", "code"):
            return "join_url" if magnet.gives == "webinar" else "code"
        return _REQUIRED.get(kind, "")

    def _read(self, source: str) -> _Writing:
        doc = places.document(self._plan.root, source)
        page = Page(source, "/", "mail", "", "")
        return _Writing(doc.body, page, lambda o, n: (source, markdown.span_at(doc.body, o, n, doc.body_line)))

    def _of_word(self, kind: str) -> _Writing:
        name = f"mail_{kind}"
        page = Page(CONFIG_FILE, "/", "mail", "", "")
        return _Writing(self._theme.words[name], page, lambda *_: self._word_place(name))

    def _of_magnet(self, magnet: Magnet, word: str) -> _Writing:
        """The theme's word with what the magnet has to say: the body of one that is no book, and how long the link lives."""
        text = "" if magnet.kind in BOOKS else places.document(self._plan.root, magnet.source).body.strip()
        words = self._theme.words
        filled = words[f"mail_{word}"].replace("{life}", self._theme.life(magnet.valid_for))
        filled = filled.replace("{epub}", words["mail_deliver_epub"] if len(magnet.formats) > 1 else "")
        label = markdown.escaped(magnet.label or magnet.url)
        filled = filled.replace("{use}", f"**[{label}](<{magnet.url}>)**" if magnet.url else "")
        before, _, behind = filled.partition("{text}")
        doc = places.document(self._plan.root, magnet.source)
        start = len(doc.body) - len(doc.body.lstrip()) - len(before)
        whole = f"{before}{text}{behind}"

        def spot(offset: int, length: int) -> places.Place:
            if len(before) <= offset < len(before) + len(text):
                return magnet.source, markdown.span_at(doc.body, offset + start, length, doc.body_line)
            return self._word_place(f"mail_{word}")

        return _Writing(whole, Page(magnet.source, "/", "mail", "", ""), spot)

    def _word_subject(self, kind: str, word: str = "") -> str:
        name = f"mail_{word or kind}_subject"
        subject = " ".join(self._theme.words[name].split())
        self._report.extend(self._scope(kind).faults(subject, lambda *_: self._word_place(name)))
        return subject

    def _word_place(self, name: str) -> places.Place:
        """The site's own word, or else the theme's."""
        doc = places.document(self._plan.root, CONFIG_FILE)
        theme = doc.data.get("theme")
        if isinstance(theme, dict) and name in (theme.get("words") or {}):
            return places.setting(self._plan.root, "theme", "words", name)
        layer = next((layer for layer in self._theme.layers if name in layer.meta.words), self._theme.layers[-1])
        return f"themes/{layer.name}/theme.yaml", Span(1)

    def _key(self, mail: Mail, name: str) -> places.Place:
        return mail.source, places.document(self._plan.root, mail.source).span((name,))

    def _in_subject(self, mail: Mail) -> Spot:
        def spot(offset: int, length: int) -> places.Place:
            source, span = self._key(mail, "subject")
            hole = mail.subject[offset : offset + length]
            lines = (self._plan.root / source).read_text("utf-8-sig", "replace").splitlines()
            at = lines[span.line - 1].find(hole, span.column - 1) if span.line <= len(lines) else -1
            return source, Span(span.line, at + 1, length) if at >= 0 else span

        return spot

    # --- from Markdown to two parts ----------------------------------------------------------------------------

    def _parts(self, writing: _Writing, subject: str, scope: Scope, form: str = "") -> dict[str, str]:
        markup = self._markup(writing, scope)
        text = plain_text(markup)
        self._report.extend(_missing(scope.kind, self._wanted(scope.kind, form), text, writing))
        title = escape(" ".join(subject.split()))
        return {"text": text, "html": self._frame.page(title, self._frame.styled(markup))}

    def _markup(self, writing: _Writing, scope: Scope, inside: tuple[str, ...] = ()) -> str:
        """The HTML of a text, with holes in it and every address absolute."""
        self._report.extend(scope.faults(writing.text, writing.spot))
        tokens = Tokens(writing.text)
        frag = markdown.fragment(tokens.text, self._engine)
        self._report.extend(_foreign(_TASK_BOX.sub(_task, frag.html), writing))
        self._report.extend(tokens.tag_faults(frag.html, writing.spot))
        page = Page(writing.page.source, "/", "mail", "", "", anchors=markdown.anchors(frag))
        changes = []
        for ref in frag.refs:
            if tokens.in_target(ref.target):
                self._report.extend(tokens.target_faults(ref.target, writing.spot))
            elif ref.kind == "image" and ref.target.startswith(("form:", "cta:", "block:")):
                changes.append(self._embedded(page, frag.html, ref, scope, inside))
            elif ref.kind == "image":
                changes.append(self._picture(page, frag.html, ref))
            else:
                self._report.extend(self._links.faults(page, [(ref.kind, ref.target)], ()))
                changes.append((ref.start, ref.end, escape(self._absolute(page, ref))))
        markup = markdown.splice(frag.html, changes)
        markup = _TABLE_FRAME.sub(r"\1", _TASK_BOX.sub(_task, markup))
        return tokens.filled(_topmost(markup))

    def _absolute(self, page: Page, ref: Ref) -> str:
        url = self._links.resolve(page, ref.target, kind=ref.kind).url.replace("{", "%7B").replace("}", "%7D")
        if url.startswith("#") and not ref.target.startswith("#"):
            return self._plan.config.base_url
        return url if is_absolute(url) or url.startswith("#") else self._plan.config.origin + url

    def _picture(self, page: Page, markup: str, ref: Ref) -> tuple[int, int, str]:
        found = self._links.resolve(page, ref.target, kind="image")
        self._report.extend(self._links.faults(page, [("image", ref.target)], ()))
        tag = markup[ref.tag_start : ref.tag_end]
        alt = markdown.attribute(tag, "alt")
        self._report.extend(self._picture_faults(page, ref.target, alt, tag))
        size, media = "", found.media
        if media and media.width and media.height and " width=" not in tag:
            width = min(media.width, PICTURE_WIDTH)
            size = f' width="{width}" height="{round(media.height * width / media.width)}"'
        before, behind = markup[ref.tag_start : ref.start], markup[ref.end : ref.tag_end].rstrip("/> ")
        return ref.tag_start, ref.tag_end, f"{before}{escape(self._absolute(page, ref))}{behind}{size}>"

    def _picture_faults(self, page: Page, target: str, alt: str, tag: str) -> Iterator[Diagnostic]:
        foreign = posixpath.splitext(target)[1].lower() in _NOT_EVERYWHERE
        if alt and not foreign:
            return
        place, by_markdown = places.address(self._plan.root, page.source, target, "image")
        if not alt and (by_markdown or " alt=" not in tag):
            hint = "say what it shows: many mail programs hide pictures at first"
            yield warning("image-alt", "a picture without a description", *place, hint)
        if foreign:
            message = "large mail programs do not show this kind of picture"
            yield warning("mail-picture", message, *place, "make it a PNG or a JPEG")

    def _embedded(
        self, page: Page, markup: str, ref: Ref, scope: Scope, inside: tuple[str, ...]
    ) -> tuple[int, int, str]:
        """What a page would show there: of a block its text, of a form or a call to action a button that leads to it."""
        scheme, _, name = ref.target.partition(":")
        start, end = ref.tag_start, ref.tag_end
        if markup[:start].endswith("<p>") and markup.startswith("</p>", end):
            start, end = start - 3, end + 4
        self._report.extend(self._links.faults(page, [("image", ref.target)], ()))
        if self._links.resolve(page, ref.target).problem:
            return start, end, ""
        if scheme == "block":
            if name in inside:
                place, _ = places.address(self._plan.root, page.source, ref.target, "image")
                message = f'the block "{name}" contains itself'
                self._report.add(error("block-in-itself", message, *place, "take one of the two out"))
                return start, end, ""
            block = self._plan.blocks.get(name)
            return start, end, self._markup(self._read(block.source), scope, (*inside, name)) if block else ""
        words = markdown.attribute(markup[ref.tag_start : ref.tag_end], "alt") or self._label(scheme, name)
        link = f'<a href="{escape(self._absolute(page, ref))}" class="button">{escape(words)}</a>'
        return start, end, f'<p class="actions">{link}</p>' if start < ref.tag_start else link

    def _label(self, scheme: str, name: str) -> str:
        return self._specs[name].button if scheme == "form" else self._plan.config.ctas[name].label


_WHEN = {
    "confirm": "forms with `double_opt_in: true` do",
    "deliver": "forms with a `magnet` do; the others send welcome",
    "soldout": "forms do whose `magnet` has single-use codes",
    "welcome": "forms without a `magnet` do; the others send deliver",
    "notify": "forms with `notify: [email:ADDRESS]` do",
    "held": "forms with `notify: [email:ADDRESS]` do",
}


def _missing(kind: str, wanted: str, text: str, writing: _Writing) -> Iterable[Diagnostic]:
    """The link, or the code, without which a mail is of no use."""
    there = {match[1] for match in HOLE.finditer(text)}
    start = len(writing.text) - len(writing.text.lstrip())
    if wanted and wanted not in there:
        message = f'a "{kind}" mail needs {{{{{wanted}}}}}'
        example = f"**[Words of the button]({{{{{wanted}}}}})**" if wanted in ADDRESSES else f"**{{{{{wanted}}}}}**"
        yield error("mail-hole-missing", message, *writing.spot(start, 1), f"add {example}")
    if _UNSUBSCRIBE in HOLES[kind] and _UNSUBSCRIBE not in there:
        message = "this mail has no link to unsubscribe"
        yield warning(
            "mail-unsubscribe", message, *writing.spot(start, 1), f"add [Unsubscribe]({{{{{_UNSUBSCRIBE}}}}})"
        )


def _foreign(markup: str, writing: _Writing) -> Iterable[Diagnostic]:
    """What mail programs refuse, and braces that came past the search for holes."""
    for match in _ACTIVE.finditer(markup):
        name = match[1] or match[2]
        at = max(writing.text.lower().find(f"<{name}".lower() if match[1] else name.lower()), 0)
        message = f"<{name}> does not work in a mail" if match[1] else f'"{name}" does not work in a mail'
        yield error(
            "mail-html", message, *writing.spot(at, len(name) + bool(match[1])), "take it out, or link to a page"
        )
    for match in re.finditer(r'\s(?:href|src)\s*=\s*["\']?\s*((?:javascript|data|vbscript):)', markup, re.I):
        at = max(writing.text.lower().find(match[1].lower()), 0)
        message = f"a mail cannot have an address of the kind {match[1]}"
        yield error("mail-html", message, *writing.spot(at, len(match[1])), "link to a page, or to a picture in media/")
    if "{{" in markup and "{{" not in HOLE.sub("", writing.text):
        escaped = re.search(r"\\\{|&(?:#123|#x7b|lbrace|lcub);", writing.text, re.I)
        at = escaped.start() if escaped else 0
        hint = "two opening braces always begin a hole: put a space between them"
        yield error("mail-hole-syntax", "two braces that are no hole", *writing.spot(at, 2), hint)


def _task(match: re.Match[str]) -> str:
    return ("☑" if match[1] else "☐") + match[2]


def _topmost(markup: str) -> str:
    """A mail has no title above its text: the highest heading is the first level."""
    levels = [int(match[2]) for match in _HEADING.finditer(markup)]
    up = min(levels, default=1) - 1
    return _HEADING.sub(lambda m: f"<{m[1]}h{int(m[2]) - up}", markup) if up else markup
