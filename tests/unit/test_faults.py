"""Writers' classic falls: each with its code, severity, file, line, column and hint, and no second fault beside it."""

from __future__ import annotations

import codecs
import io
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import SETTINGS, Site, page

GUIDE = "content/guide.md"
CONFIG = "magnetgen.yaml"
CHECKLIST = "content/forms/checklist.md"
FORM = "---\ntitle: Get the checklist\nfields: [email]\n---\n\nIt is on its way.\n"
WORDS = "Some words about leads."


def picture(width: int = 8, height: int = 6) -> bytes:
    """A PNG."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(out, "PNG")
    return out.getvalue()


@dataclass(frozen=True)
class Case:
    """Files of a site, and the one fault that must be found in them. `draws`: pictures that the site has."""

    name: str
    files: dict[str, str | bytes]
    code: str
    line: int
    column: int
    hint: str
    path: str = GUIDE
    severity: str = "error"
    draws: tuple[str, ...] = field(default=())


def warns(name: str, files: dict[str, str | bytes], code: str, line: int, column: int, hint: str, **more: str) -> Case:
    return Case(name, files, code, line, column, hint, path=more.get("path", GUIDE), severity="warning")


def front(*lines: str, body: str = WORDS) -> str:
    """A file with these front-matter lines; the body begins two lines below the closing one."""
    return "---\n" + "".join(f"{line}\n" for line in lines) + f"---\n\n{body}\n"


def titled(*lines: str, body: str = WORDS) -> str:
    """The same with a title in line 2: with no other line, the body begins in line 5."""
    return front("title: A guide", *lines, body=body)


def settings(*lines: str) -> str:
    """magnetgen.yaml: its first three lines are the test site's, these follow from line 4 on."""
    return SETTINGS + "".join(f"{line}\n" for line in lines)


YAML_CASES = [
    Case(
        "front matter that never ends",
        {GUIDE: "---\ntitle: A guide\ntags: [leads]\n\nWords about leads.\n"},
        "front-matter-unclosed", 1, 1, "after line 3",
    ),
    Case(
        "a tab for indentation",
        {GUIDE: "---\ntitle: A guide\ntags:\n\t- leads\n---\n\nWords.\n"},
        "yaml-tab", 4, 1, "spaces",
    ),
    Case(
        "a tab behind two spaces",
        {GUIDE: "---\ntitle: A guide\nextra:\n  colour: red\n  \tsize: big\n---\n\nWords.\n"},
        "yaml-tab", 5, 3, "spaces",
    ),
    Case("a colon without quotes", {GUIDE: front("title: Buy: now")}, "yaml-colon", 2, 8, 'title: "Buy: now"'),
    Case(
        "a colon and quotation marks",
        {GUIDE: front('title: He said: "now"')},
        "yaml-colon", 2, 8, r'title: "He said: \"now\""',
    ),
    Case("a key given twice", {GUIDE: front("title: One", "title: Two")}, "yaml-duplicate-key", 3, 1, "keep one"),
    Case(
        "a nested key given twice",
        {GUIDE: titled("extra:", "  size: big", "  size: small")},
        "yaml-duplicate-key", 5, 3, "keep one",
    ),
    Case(
        "a key given twice in the settings",
        {CONFIG: settings("language: en", "language: de")},
        "yaml-duplicate-key", 5, 1, "keep one", path=CONFIG,
    ),
    Case("a quotation mark left open", {GUIDE: front('title: "A guide', "date: 2025-05-08")}, "yaml-syntax", 2, 8,
         "quotation mark"),
    Case("a bracket left open", {GUIDE: titled("tags: [leads, forms")}, "yaml-syntax", 3, 7, "bracket"),
    Case("a value that begins with an at sign", {GUIDE: front("title: @home")}, "yaml-syntax", 2, 8, "quote"),
    Case("no space behind the colon", {GUIDE: front("title:A guide")}, "yaml-syntax", 2, 1, "space after the colon"),
]  # fmt: skip

TYPE_CASES = [
    Case("a word for true or false", {GUIDE: titled("draft: maybe")}, "wrong-type", 3, 8, "true or false"),
    Case("a word for a number", {GUIDE: titled("weight: heavy")}, "wrong-type", 3, 9, "whole number"),
    Case("a broken number", {GUIDE: titled("weight: 1.5")}, "wrong-type", 3, 9, "whole number"),
    Case("a list for a text", {GUIDE: titled("description: [one, two]")}, "wrong-type", 3, 14, "text"),
    Case("a mapping for a list", {GUIDE: titled("tags: {one: two}")}, "wrong-type", 3, 7, "list"),
    Case("a mapping within a list", {GUIDE: titled("tags:", "  - leads", "  - one: two")}, "wrong-type", 5, 5, "text"),
    Case("a text for a mapping", {GUIDE: titled("extra: words")}, "wrong-type", 3, 8, "key: value"),
    Case(
        "a text for a group of settings",
        {CONFIG: settings("handler: here")},
        "wrong-type", 4, 10, "", path=CONFIG,
    ),
    Case(
        "a word for a number in the settings",
        {CONFIG: settings("pagination: many")},
        "wrong-type", 4, 13, "whole number", path=CONFIG,
    ),
    Case(
        "a word for a switch of a form",
        {CHECKLIST: "---\ntitle: Get it\nfields: [email]\ndouble_opt_in: maybe\n---\n"},
        "wrong-type", 4, 16, "true or false", path=CHECKLIST,
    ),
    Case("a layout that is none", {GUIDE: titled("layout: landng")}, "wrong-value", 3, 9, 'did you mean "landing"'),
]  # fmt: skip

KEY_CASES = [
    Case("in a page", {GUIDE: titled("descripton: x")}, "unknown-key", 3, 1, 'did you mean "description"'),
    Case("in a page's author", {GUIDE: titled("author: {nam: x, name: Ana}")}, "unknown-key", 3, 10,
         'did you mean "name"'),
    Case(
        "in a form",
        {CHECKLIST: "---\ntitle: Get it\nfields: [email]\nbuton: Send it\n---\n"},
        "unknown-key", 4, 1, 'did you mean "button"', path=CHECKLIST,
    ),
    Case(
        "in a form's field",
        {CHECKLIST: "---\ntitle: Get it\nfields:\n  - email\n  - name: size\n    lable: Size\n---\n"},
        "unknown-key", 6, 5, 'did you mean "label"', path=CHECKLIST,
    ),
    Case(
        "in an inline form",
        {GUIDE: titled("form:", "  title: Get it", "  fields: [email]", "  buton: Send it")},
        "unknown-key", 6, 3, 'did you mean "button"',
    ),
    Case("in the settings", {CONFIG: settings("langauge: en")}, "unknown-key", 4, 1, 'did you mean "language"',
         path=CONFIG),
    Case("in a group of settings", {CONFIG: settings("feed:", "  limt: 3")}, "unknown-key", 5, 3,
         'did you mean "limit"', path=CONFIG),
    Case(
        "in a menu",
        {CONFIG: settings("menus:", "  main:", "    - label: Home", "      ulr: /", "      url: /")},
        "unknown-key", 7, 7, 'did you mean "url"', path=CONFIG,
    ),
    Case(
        "in a call to action",
        {CONFIG: settings("ctas:", "  demo: {label: Demo, url: /, lable: x}")},
        "unknown-key", 5, 31, 'did you mean "label"', path=CONFIG,
    ),
    Case(
        "in the values of defaults",
        {CONFIG: settings("defaults:", '  - files: "posts/**"', "    values: {layuot: post}")},
        "unknown-key", 6, 14, 'did you mean "layout"', path=CONFIG,
    ),
]  # fmt: skip

META_CASES = [
    Case("a day that does not exist", {GUIDE: titled("date: 2025-02-30")}, "date-invalid", 3, 7, "2025-05-08"),
    Case("a date in words", {GUIDE: titled("date: May 8th, 2025")}, "date-invalid", 3, 7, "2025-05-08"),
    Case("an hour that does not exist", {GUIDE: titled("updated: 2025-05-08 25:00")}, "date-invalid", 3, 10, "14:30"),
    Case("a title without a value", {GUIDE: front("title:")}, "title-empty", 2, 1, "title:"),
    Case("a title of nothing", {GUIDE: front('title: ""')}, "title-empty", 2, 8, "title:"),
    Case("a title of blanks", {GUIDE: front('title: "   "')}, "title-empty", 2, 8, "title:"),
    Case("no title", {GUIDE: front("date: 2025-05-08")}, "missing-key", 2, 1, "title:"),
    Case("no front matter at all", {GUIDE: "# Leads first\n\nWords.\n"}, "missing-key", 1, 1, 'title: "Leads first"'),
    Case("no address of the site", {CONFIG: "title: Lead Lab\n"}, "missing-key", 1, 1, "base_url", path=CONFIG),
    Case(
        "an address of the site without https",
        {CONFIG: "title: Lead Lab\nbase_url: example.com\n"},
        "base-url", 2, 11, "https://", path=CONFIG,
    ),
    Case("a time zone that is none", {CONFIG: settings("timezone: Berlin")}, "timezone", 4, 11, "Europe/Berlin",
         path=CONFIG),
    Case("a theme that is not there", {CONFIG: settings("theme: lodestne")}, "theme-unknown", 4, 8,
         'did you mean "lodestone"', path=CONFIG),
    Case("a permalink that climbs", {GUIDE: titled("permalink: /../secret/")}, "permalink-invalid", 3, 12, "/offer/"),
    Case(
        "a permalink that climbs in disguise",
        {GUIDE: titled("permalink: /%2e%2e/%2e%2e/secret/")},
        "permalink-invalid", 3, 12, "/offer/",
    ),
    Case("an alias that climbs", {GUIDE: titled("aliases: [/old/, /../secret/]")}, "permalink-invalid", 3, 18,
         "/offer/"),
]  # fmt: skip

LINK_CASES = [
    Case("to a file", {GUIDE: titled(body="See [more](other.md).")}, "link-broken", 5, 12, "file"),
    Case(
        "to a file with a similar name",
        {GUIDE: titled(body="See [more](how-lead.md)."), "content/how-leads.md": page(title="How")},
        "link-broken", 5, 12, "how-leads.md",
    ),
    Case("to a URL", {GUIDE: titled(body="See [more](/posts/none/).")}, "link-broken", 5, 12, "URL"),
    Case("to a URL behind an umlaut", {GUIDE: titled(body="Über [mehr](/nichts/).")}, "link-broken", 5, 13, "URL"),
    Case("by reference", {GUIDE: titled(body="See [more][1].\n\n[1]: other.md")}, "link-broken", 5, 5, ""),
    Case(
        "to an anchor of this page",
        {GUIDE: titled(body="See [more](#stpes).\n\n## Steps\n\nOne.")},
        "link-anchor", 5, 12, "#steps",
    ),
    Case(
        "to an anchor of another file",
        {GUIDE: titled(body="See [more](how.md#stpes)."), "content/how.md": page("## Steps\n\nOne.", title="How")},
        "link-anchor", 5, 12, "#steps",
    ),
    Case(
        "to an anchor of another URL",
        {GUIDE: titled(body="See [more](/how/#stpes)."), "content/how.md": page("## Steps\n\nOne.", title="How")},
        "link-anchor", 5, 12, "#steps",
    ),
    Case("out of the site", {GUIDE: titled(body="See [more](../../other.md).")}, "link-outside", 5, 12, "inside"),
    Case("in the menu", {CONFIG: settings("menus: {main: [{label: Blog, url: /blgo/}]}")}, "link-broken", 4, 35, "",
         path=CONFIG),
    Case("to the privacy page", {CONFIG: settings("privacy_url: /privcy/")}, "link-broken", 4, 14, "", path=CONFIG),
    Case(
        "to a thank-you page",
        {CHECKLIST: "---\ntitle: Get it\nfields: [email]\nthanks: /welcme/\n---\n"},
        "link-broken", 4, 9, "", path=CHECKLIST,
    ),
    Case(
        "to a draft",
        {GUIDE: titled(body="See [more](soon.md)."), "content/soon.md": page(title="Soon", draft="true")},
        "link-unpublished", 5, 12, "publish",
    ),
    Case(
        "to a lead magnet",
        {GUIDE: titled(body="See [more](magnets/book.pdf)."), "content/magnets/book.pdf": b"%PDF"},
        "link-private", 5, 12, "form",
    ),
    Case(
        "to a picture that is not there",
        {GUIDE: titled(body="Words.\n\n![A funnel](/media/funel.png)")},
        "media-missing", 7, 13, "/media/funnel.png", draws=("media/funnel.png",),
    ),
    Case(
        "to a picture beside the page",
        {GUIDE: titled(body="Words.\n\n![A funnel](funel.png)")},
        "media-missing", 7, 13, "funnel.png", draws=("content/funnel.png",),
    ),
]  # fmt: skip

NAME_CASES = [
    Case("a form in front matter", {GUIDE: titled("form: checklst"), CHECKLIST: FORM}, "form-unknown", 3, 7,
         'did you mean "checklist"'),
    Case("a form in a link", {GUIDE: titled(body="[Get it](form:checklst)"), CHECKLIST: FORM}, "form-unknown", 5, 10,
         'did you mean "form:checklist"'),
    Case("a form in an embed", {GUIDE: titled(body="Words.\n\n![Get it](form:checklst)"), CHECKLIST: FORM},
         "form-unknown", 7, 11, 'did you mean "form:checklist"'),
    Case(
        "a form in defaults",
        {
            CONFIG: settings("defaults:", '  - files: "*.md"', "    values: {form: checklst}"),
            GUIDE: titled(), CHECKLIST: FORM,
        },
        "form-unknown", 6, 20, 'did you mean "checklist"', path=CONFIG,
    ),
    Case(
        "a call to action in front matter",
        {CONFIG: settings("ctas: {demo: {label: Book, url: https://example.org/}}"), GUIDE: titled("cta: dmo")},
        "cta-unknown", 3, 6, 'did you mean "demo"',
    ),
    Case(
        "a call to action in a link",
        {
            CONFIG: settings("ctas: {demo: {label: Book, url: https://example.org/}}"),
            GUIDE: titled(body="[Book](cta:dmo)"),
        },
        "cta-unknown", 5, 8, 'did you mean "cta:demo"',
    ),
    Case(
        "a block",
        {GUIDE: titled(body="Words.\n\n![](block:prof)"), "content/blocks/proof.md": "We have proof.\n"},
        "block-unknown", 7, 5, 'did you mean "block:proof"',
    ),
    Case(
        "a lead magnet",
        {
            CHECKLIST: "---\ntitle: Get it\nfields: [email]\nmagnet: cheklist\n---\n",
            "content/magnets/checklist.pdf": b"%PDF",
        },
        "magnet-unknown", 4, 9, 'did you mean "checklist"', path=CHECKLIST,
    ),
    Case(
        "a destination",
        {CHECKLIST: "---\ntitle: Get it\nfields: [email]\nnotify: [crm]\n---\n"},
        "destination-unknown", 4, 10, "handler.destinations", path=CHECKLIST,
    ),
]  # fmt: skip

FORM_CASES = [
    Case(
        "a field of an unknown type",
        {GUIDE: titled(
            "description: Words that are long enough to stand below the title in a search result, and no longer.",
            "date: 2025-05-08", "form:", "  title: Get the checklist", "  button: Send it to me",
            "  min_seconds: 2", "  double_opt_in: true", "  fields:", "    - first_name",
            "    - name: work", "      label: Work", "      type: emial",
        )},
        "form-unknown-field-type", 14, 13,
        'did you mean "email"? Types: email, text, tel, url, number, select, radio, checkbox, textarea, hidden',
    ),
    Case(
        "a field of an unknown type in a file of its own",
        {CHECKLIST: "---\ntitle: Get it\nfields:\n  - email\n  - {name: tel, type: phon}\n---\n"},
        "form-unknown-field-type", 5, 23, "Types: email, text, tel", path=CHECKLIST,
    ),
    Case("a shorthand that is none", {CHECKLIST: "---\ntitle: Get it\nfields: [email, frist_name]\n---\n"},
         "form-unknown-field", 3, 17, 'did you mean "first_name"', path=CHECKLIST),
    Case("no email field", {CHECKLIST: "---\ntitle: Get it\nfields: [name]\n---\n"}, "form-email", 3, 9, "[email]",
         path=CHECKLIST),
    Case("an email field that is optional", {CHECKLIST: "---\ntitle: Get it\nfields: [email?]\n---\n"}, "form-email",
         3, 9, "[email]", path=CHECKLIST),
    Case("two email fields",
         {CHECKLIST: "---\ntitle: Get it\nfields: [email, {name: other, type: email, required: true}]\n---\n"},
         "form-email", 3, 9, "[email]", path=CHECKLIST),
    Case("a choice of one", {CHECKLIST: "---\ntitle: Get it\nfields: [email, {name: size, type: select}]\n---\n"},
         "form-options", 3, 17, "two", path=CHECKLIST),
    Case("a magnet without its kind", {"content/magnets/book.md": front("title: A book")}, "magnet-kind", 2, 1,
         "checklist", path="content/magnets/book.md"),
    Case("a magnet of an unknown kind", {"content/magnets/book.md": front("title: A book", "kind: ebok")},
         "magnet-kind", 3, 7, 'did you mean "ebook"', path="content/magnets/book.md"),
    Case("a challenge of no known kind", {CHECKLIST: front("title: Get it", "fields: [email]", "challenge: proof")},
         "form-challenge", 4, 12, "proof-of-work", path=CHECKLIST),
    Case("a challenge without its kind", {CHECKLIST: front("title: Get it", "fields: [email]", "challenge: {bits: 16}")},
         "form-challenge", 4, 12, "proof-of-work", path=CHECKLIST),
    Case("a mistyped kind of challenge",
         {CHECKLIST: front("title: Get it", "fields: [email]", "challenge: {kind: turnstyle}")},
         "form-challenge", 4, 19, 'did you mean "turnstile"', path=CHECKLIST),
    Case("a challenge with an unknown key",
         {CHECKLIST: front("title: Get it", "fields: [email]", "challenge: {kind: proof-of-work, bit: 16}")},
         "unknown-key", 4, 34, 'did you mean "bits"', path=CHECKLIST),
    Case("too hard a proof of work",
         {CHECKLIST: front("title: Get it", "fields: [email]", "challenge: {kind: proof-of-work, bits: 40}")},
         "wrong-value", 4, 40, "reference", path=CHECKLIST),
    Case("a proof of work with a secret",
         {CHECKLIST: front("title: Get it", "fields: [email]", "challenge: {kind: proof-of-work, secret_env: X}")},
         "form-challenge", 4, 46, "turnstile", path=CHECKLIST),
    Case("Turnstile without a secret",
         {CHECKLIST: front("title: Get it", "fields: [email]", "challenge: {kind: turnstile, sitekey: k}")},
         "form-challenge", 4, 12, "secret_env", path=CHECKLIST),
    Case("Turnstile with its secret instead of its name",
         {CHECKLIST: front("title: Get it", "fields: [email]",
                           "challenge: {kind: turnstile, sitekey: k, secret_env: 0x4AAA-secret}")},
         "form-challenge", 4, 54, "TURNSTILE_SECRET", path=CHECKLIST),
    Case("Turnstile with bits",
         {CHECKLIST: front("title: Get it", "fields: [email]",
                           "challenge: {kind: turnstile, sitekey: k, secret_env: S, bits: 9}")},
         "form-challenge", 4, 63, "delete", path=CHECKLIST),
    Case("less than none an hour", {CHECKLIST: front("title: Get it", "fields: [email]", "per_hour: -1")},
         "wrong-value", 4, 11, "reference", path=CHECKLIST),
    warns(
        "a challenge that nobody would judge",
        {"magnetgen.yaml": settings("handler: {provider: netlify-forms}"),
         CHECKLIST: front("title: Get it", "fields: [email]", "challenge: proof-of-work")},
        "form-challenge-unused", 4, 12, "take it out", path=CHECKLIST,
    ),
    warns(
        "six fields",
        {CHECKLIST: "---\ntitle: Get it\nfields: [email, name, company, phone?, website?, country?]\n---\n"},
        "form-fields-many", 3, 9, "one to three", path=CHECKLIST,
    ),
    warns(
        "a button that says nothing",
        {CHECKLIST: "---\ntitle: Get it\nfields: [email]\nbutton: Submit\n---\n"},
        "form-button-vague", 4, 9, "what the visitor gets", path=CHECKLIST,
    ),
]  # fmt: skip

SPOILT = "LeadCraftr’s".encode().decode("cp1252")
BYTE_CASES = [
    warns(
        "characters decoded wrongly",
        {GUIDE: titled(body=f"For more, visit [{SPOILT} guide](https://leadcraftr.com/posts/lead-generation/).")},
        "mojibake", 5, 28, "’",
    ),
    warns("a title decoded wrongly", {GUIDE: front("title: CafÃ© leads")}, "mojibake", 2, 11, "é"),
    Case("a byte of Windows-1252", {GUIDE: titled(body="A caf").encode() + b"\xe9 for you\n"}, "not-utf8", 6, 1, "é"),
    Case("a byte of Windows-1252 behind an umlaut", {GUIDE: titled().encode() + "Über ".encode() + b"\xe9\n"},
         "not-utf8", 6, 6, "é"),
    Case("UTF-16", {GUIDE: titled().encode("utf-16")}, "not-utf8", 1, 1, "UTF-8"),
    Case("UTF-16 settings", {CONFIG: SETTINGS.encode("utf-16")}, "not-utf8", 1, 1, "UTF-8", path=CONFIG),
    Case("a broken link below CRLF", {GUIDE: titled(body="See [more](other.md).").replace("\n", "\r\n")},
         "link-broken", 5, 12, ""),
    Case("a fault below a byte order mark", {GUIDE: codecs.BOM_UTF8 + front("title: Buy: now").encode()},
         "yaml-colon", 2, 8, 'title: "Buy: now"'),
    Case(
        "unclosed front matter behind a byte order mark and CRLF",
        {GUIDE: codecs.BOM_UTF8 + b"---\r\ntitle: A guide\r\n\r\nWords.\r\n"},
        "front-matter-unclosed", 1, 1, "after line 2",
    ),
    Case(
        "a wrong byte behind a byte order mark and CRLF",
        {GUIDE: codecs.BOM_UTF8 + titled().replace("\n", "\r\n").encode() + b"A caf\xe9\r\n"},
        "not-utf8", 6, 6, "é",
    ),
    warns("a word that YAML 1.1 reads as false", {GUIDE: front("title: no")}, "yaml-ambiguous", 2, 8, '"no"'),
    warns("a time that YAML 1.1 reads as a number", {GUIDE: titled("image_alt: 12:30:00")}, "yaml-ambiguous", 3, 12,
          '"12:30:00"'),
    warns("a number that YAML 1.1 reads as octal", {GUIDE: titled("tags: [010]")}, "yaml-ambiguous", 3, 8, '"010"'),
]  # fmt: skip

BODY_CASES = [
    warns(
        "a picture that repeats the missing front-matter image",
        {GUIDE: titled("image: /media/funnel.webp", body="![A funnel](/media/funnel.webp)\n\nWords.")},
        "image-missing", 3, 8, "media/funnel.webp",
    ),
    warns("a missing front-matter image", {GUIDE: titled("image: /media/funnel.webp")}, "image-missing", 3, 8, "media"),
    warns(
        "an unknown section class",
        {GUIDE: titled("layout: landing", body="Words.\n\n## Questions {.fqa}\n\nWords.")},
        "section-unknown", 8, 1, 'did you mean "faq"',
    ),
    warns(
        "a section that does not fit",
        {GUIDE: titled("layout: landing", body="Words.\n\n## Prices {.pricing}\n\nJust words.")},
        "section-shape", 8, 1, "### Plan",
    ),
    warns(
        "a section that does not fit, behind deeper headings",
        {GUIDE: titled("layout: landing",
                       body="Words.\n\n## One\n\n### Two\n\n> #### Three\n\n## Steps {.steps}\n\nNone.")},
        "section-shape", 14, 1, "numbered list",
    ),
    warns("a picture from elsewhere", {GUIDE: titled(body="Words.\n\n![A funnel](https://example.org/f.png)")},
          "image-remote", 7, 13, "media/"),
    warns("raw HTML with a dead address", {GUIDE: titled(body='Words.\n\n<a href="/nowhere/">there</a>')},
          "link-broken", 7, 10, ""),
    warns("raw HTML with a dead picture", {GUIDE: titled(body='<p><img src="/media/no.png" alt="None"></p>\n\nWords.')},
          "media-missing", 5, 14, "media/"),
    warns("a long title", {GUIDE: front(f"title: {'Leads ' * 11}")}, "title-long", 2, 8, "60"),
    warns("a short description", {GUIDE: titled("description: Short.")}, "description-length", 3, 14, "70"),
    warns("no paragraph to describe the page", {GUIDE: titled(body="## Only a heading")}, "description-missing", 2, 8,
          "description"),
    warns("a post without a date", {"content/posts/one.md": titled()}, "post-undated", 2, 1, "date:",
          path="content/posts/one.md"),
    warns("a tag without a letter", {GUIDE: titled("tags: [leads, '?!']")}, "tag-empty", 3, 15, ""),
]  # fmt: skip

CASES = (
    YAML_CASES + TYPE_CASES + KEY_CASES + META_CASES + LINK_CASES + NAME_CASES + FORM_CASES + BYTE_CASES + BODY_CASES
)


@pytest.mark.parametrize("case", CASES, ids=[f"{case.code}: {case.name}" for case in CASES])
def test_a_fault_has_its_code_place_and_hint_and_is_the_only_one(site: Site, case: Case) -> None:
    for path, content in case.files.items():
        site.write(path, content)
    for path in case.draws:
        site.write(path, picture())
    found = site.build().diagnostics
    shown = [(d.code, d.severity, d.path, d.span and (d.span.line, d.span.column)) for d in found]
    assert shown == [(case.code, case.severity, case.path, (case.line, case.column))]
    assert case.hint in found[0].hint
    assert (site.root / "public").exists() == (case.severity == "warning")


def test_every_fault_of_a_run_is_shown_sorted_by_file_and_line(site: Site) -> None:
    site.write(GUIDE, titled("draft: maybe", "date: soon", body="See [more](other.md)."))
    site.write("content/a.md", page("See [one](x.md).\n\nSee [two](y.md)."))
    found = [(d.path, d.span and d.span.line, d.code) for d in site.build().diagnostics]
    assert found == [
        ("content/a.md", 5, "link-broken"),
        ("content/a.md", 7, "link-broken"),
        (GUIDE, 3, "wrong-type"),
        (GUIDE, 4, "date-invalid"),
    ]


def test_a_link_without_an_address_is_an_error_at_the_link(site: Site) -> None:
    site.write(GUIDE, titled(body="See [more]() now."))
    found = site.fault("link-broken")
    assert found.span
    assert found.span.line == 5
    assert 5 <= found.span.column <= 12


def test_a_link_to_a_drafts_url_is_an_error(site: Site) -> None:
    site.write("content/soon.md", page(title="Soon", draft="true"))
    site.write(GUIDE, titled(body="See [more](/soon/)."))
    found = site.build().diagnostics
    assert [(d.severity, d.path, d.span and (d.span.line, d.span.column)) for d in found] == [("error", GUIDE, (5, 12))]


def test_a_missing_alternative_text_is_a_warning_at_the_picture(site: Site) -> None:
    site.write("media/funnel.png", picture())
    site.write(GUIDE, titled(body="Words.\n\n![](/media/funnel.png)"))
    found = site.fault("image-alt")
    assert (found.severity, found.path, found.span and (found.span.line, found.span.column)) == (
        "warning",
        GUIDE,
        (7, 5),
    )
    assert "what it shows" in found.hint


# --- two files with one URL ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Clash:
    """Files that want one URL: where each is told so, and what the others' names are."""

    name: str
    files: dict[str, str]
    places: dict[str, tuple[int, int]]
    others: dict[str, str]


CLASHES = [
    Clash(
        "by slug",
        {"content/a.md": page(title="A", slug="b"), "content/b.md": page("More words.", title="B")},
        {"content/a.md": (3, 7), "content/b.md": (1, 1)},
        {"content/a.md": "content/b.md", "content/b.md": "content/a.md"},
    ),
    Clash(
        "by name",
        {"content/about.md": page(title="A"), "content/about/index.md": page("More words.", title="B")},
        {"content/about.md": (1, 1), "content/about/index.md": (1, 1)},
        {"content/about.md": "content/about/index.md", "content/about/index.md": "content/about.md"},
    ),
    Clash(
        "by names that differ only in case",
        {"content/About.md": page(title="A"), "content/about.md": page("More words.", title="B")},
        {"content/About.md": (1, 1), "content/about.md": (1, 1)},
        {"content/About.md": "content/about.md", "content/about.md": "content/About.md"},
    ),
    Clash(
        "by permalinks that differ only in case",
        {
            "content/a.md": page(title="A", permalink="/Offer/"),
            "content/b.md": page("More words.", title="B", permalink="/offer/"),
        },
        {"content/a.md": (3, 12), "content/b.md": (3, 12)},
        {"content/a.md": "content/b.md", "content/b.md": "content/a.md"},
    ),
    Clash(
        "by alias",
        {"content/a.md": page(title="A", aliases="[/old/, /b/]"), "content/b.md": page("More words.", title="B")},
        {"content/a.md": (3, 18), "content/b.md": (1, 1)},
        {"content/a.md": "content/b.md", "content/b.md": "content/a.md"},
    ),
    Clash(
        "by permalink and the URL of a list",
        {
            "content/a.md": page(title="A", permalink="/tags/leads/"),
            "content/b.md": page("More words.", title="B", tags="[leads]"),
        },
        {"content/a.md": (3, 12)},
        {"content/a.md": "leads"},
    ),
    Clash(
        "by permalink and a file for machines",
        {"content/a.md": page(title="A", permalink="/sitemap.xml")},
        {"content/a.md": (3, 12)},
        {"content/a.md": "generated"},
    ),
    Clash(
        "by permalink and a form's page",
        {"content/a.md": page(title="A", permalink="/forms/newsletter/thanks/")},
        {"content/a.md": (3, 12)},
        {"content/a.md": "newsletter"},
    ),
    Clash(
        "by a file that would be a folder",
        {
            "content/a.md": page(title="A", permalink="/offer.html"),
            "content/b.md": page("More words.", title="B", permalink="/offer.html/more/"),
        },
        {"content/a.md": (3, 12), "content/b.md": (3, 12)},
        {"content/a.md": "content/b.md", "content/b.md": "content/a.md"},
    ),
]


@pytest.mark.parametrize("clash", CLASHES, ids=[clash.name for clash in CLASHES])
def test_files_with_one_url_each_get_the_error_and_the_names_of_the_others(site: Site, clash: Clash) -> None:
    for path, content in clash.files.items():
        site.write(path, content)
    found = site.build().diagnostics
    assert {d.path: d.span and (d.span.line, d.span.column) for d in found} == clash.places
    assert [(d.code, d.severity) for d in found] == [("url-collision", "error")] * len(clash.places)
    for fault in found:
        assert clash.others[fault.path] in fault.message
        assert "permalink" in fault.hint


def test_three_files_with_one_url_are_each_told_of_both_others(site: Site) -> None:
    names = ("content/a.md", "content/b.md", "content/c.md")
    for name in names:
        site.write(name, page(f"Words of {name}.", title=name, permalink="/one/"))
    found = site.build().diagnostics
    assert [d.path for d in found] == list(names)
    for fault in found:
        assert all(name in fault.message for name in names if name != fault.path)


def test_a_file_beside_a_page_with_the_urls_of_another_page_is_an_error(site: Site) -> None:
    site.write("content/a/notes.txt", "words")
    site.write("content/b.md", page(permalink="/a/notes.txt"))
    assert {d.code for d in site.build().diagnostics} == {"url-collision"}


# --- files, folders and links on disk ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "meant"),
    [("form", "forms"), ("Forms", "forms"), ("fomrs", "forms"), ("magnet", "magnets"), ("magnest", "magnets"),
     ("Magnets", "magnets"), ("email", "emails"), ("Emails", "emails"), ("emials", "emails")],
)  # fmt: skip
def test_a_folder_with_nearly_a_private_name_is_an_error(site: Site, folder: str, meant: str) -> None:
    site.write(f"content/{folder}/secret.md", page())
    found = site.fault("folder-name")
    assert (found.severity, found.path) == ("error", f"content/{folder}")
    assert meant in found.hint
    assert not (site.root / "public").exists()


def test_a_folder_with_another_name_is_none(site: Site) -> None:
    site.write("content/platforms/one.md", page())
    site.ok()


@pytest.mark.parametrize("place", ["content/leak.md", "media/leak.md"])
def test_a_link_out_of_the_site_is_an_error(site: Site, tmp_path: Path, place: str) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text(page("Not for the public."), "utf-8")
    link = site.root / place
    link.parent.mkdir(parents=True)
    link.symlink_to(secret)
    found = site.fault("symlink-outside")
    assert (found.severity, found.path) == ("error", place)
    assert found.span and (found.span.line, found.span.column) == (1, 1)


def test_a_folder_linked_from_outside_is_an_error_and_not_read(site: Site, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "bad.md").write_text("no front matter", "utf-8")
    (site.root / "content").mkdir()
    (site.root / "content" / "other").symlink_to(tmp_path / "other")
    assert [d.code for d in site.build().diagnostics] == ["symlink-outside"]


def test_a_link_within_the_site_is_followed(site: Site) -> None:
    site.write("media/notes/one.txt", "words")
    (site.root / "media" / "same.txt").symlink_to(site.root / "media" / "notes" / "one.txt")
    site.ok()
    assert len([name for name in site.files() if name.startswith("media/same.")]) == 1


def test_a_byte_order_mark_and_crlf_change_nothing(site: Site) -> None:
    plain = page("## Steps\n\nOne\\\nTwo.\n\n- a\n- b", description=f'"{"Words " * 15}"')
    site.write(GUIDE, plain)
    site.ok()
    expected = site.read("guide/index.html")
    site.write(GUIDE, codecs.BOM_UTF8 + plain.replace("\n", "\r\n").encode())
    site.write(CONFIG, codecs.BOM_UTF8 + SETTINGS.replace("\n", "\r\n").encode())
    site.ok()
    assert site.read("guide/index.html") == expected


def test_what_yaml_reads_otherwise_stays_as_it_is_written(site: Site) -> None:
    site.write(GUIDE, page(title="no", tags="[010, 12:30:00]"))
    result = site.build()
    assert [d.code for d in result.diagnostics] == ["yaml-ambiguous"] * 3
    text = site.read("guide/index.html")
    assert "<h1>no</h1>" in text
    assert (site.root / "public/tags/010/index.html").is_file()
    assert (site.root / "public/tags/12-30-00/index.html").is_file()


def test_a_quoted_surprise_is_none(site: Site) -> None:
    site.write(GUIDE, page(title='"no"', tags='["010"]'))
    site.ok()


# --- themes and templates ---------------------------------------------------------------------------------------


def test_an_undefined_name_in_a_sites_own_template_names_the_template_its_line_and_the_page(site: Site) -> None:
    site.write(GUIDE, page())
    site.write(
        "templates/page.html",
        '{% extends "lodestone/page.html" %}\n{% block main %}\n{{ page.titel }}\n{% endblock %}\n',
    )
    found = site.fault("template-error")
    assert (found.severity, found.path, found.span and found.span.line) == ("error", "templates/page.html", 3)
    assert "titel" in found.message
    assert GUIDE in found.message
    assert not (site.root / "public").exists()


def test_a_wrong_tag_in_a_theme_names_the_template_its_line_and_the_page(site: Site) -> None:
    site.write(CONFIG, settings("theme: mine"))
    site.write("themes/mine/theme.yaml", "name: mine\nextends: lodestone\n")
    site.write("themes/mine/templates/page.html", "<p>\n{% if page.title %}\n{% endfor %}\n")
    site.write(GUIDE, page())
    found = site.fault("template-error")
    assert (found.path, found.span and found.span.line) == ("themes/mine/templates/page.html", 3)
    assert GUIDE in found.message


def test_a_template_that_is_not_there_is_a_fault(site: Site) -> None:
    site.write(GUIDE, page())
    site.write(
        "templates/page.html",
        '{% extends "lodestone/page.html" %}\n{% block main %}{% include "gone.html" %}{% endblock %}\n',
    )
    found = site.fault("template-missing")
    assert (found.path, found.span and found.span.line) == ("templates/page.html", 2)
    assert "gone.html" in found.message
    assert GUIDE in found.message


@pytest.mark.parametrize("expression", ["1 / 0", "page.title.nothing()", "page.title + 1", "{}['x']['y']"])
def test_a_template_that_fails_in_python_is_a_fault_of_the_template(site: Site, expression: str) -> None:
    site.write(GUIDE, page())
    site.write("templates/page.html", f"<p>\n{{{{ {expression} }}}}\n")
    found = site.fault("template-error")
    assert (found.severity, found.path, found.span and found.span.line) == ("error", "templates/page.html", 2)
    assert GUIDE in found.message


def test_an_unknown_key_of_a_theme_is_a_fault_of_its_file(site: Site) -> None:
    site.write(CONFIG, settings("theme: mine"))
    site.write("themes/mine/theme.yaml", "name: mine\nextend: lodestone\n")
    found = site.fault("unknown-key")
    assert (found.path, found.span and (found.span.line, found.span.column)) == ("themes/mine/theme.yaml", (2, 1))
    assert 'did you mean "extends"' in found.hint


# --- drafts, repeats and what is no second fault -----------------------------------------------------------------


DRAFT_FAULTS = [
    ("a broken link", page("See [more](other.md).", draft="true")),
    ("a date in words", page(draft="true", date="soon")),
    ("an unknown key", page(draft="true", tilte="x")),
    ("an empty title", page(title="", draft="true")),
    ("a tab", "---\ndraft: true\ntitle: A\ntags:\n\t- one\n---\n\nWords.\n"),
    ("an unknown form", page(draft="true", form="nothing")),
]


@pytest.mark.parametrize("text", [text for _, text in DRAFT_FAULTS], ids=[name for name, _ in DRAFT_FAULTS])
def test_a_drafts_faults_keep_nothing_from_being_built(site: Site, text: str) -> None:
    site.write(GUIDE, page())
    site.write("content/draft.md", text)
    result = site.build()
    assert {d.severity for d in result.diagnostics} <= {"warning"}
    assert (site.root / "public/guide/index.html").is_file()
    assert not (site.root / "public/draft").exists()
    assert [(s.path, s.reason) for s in result.skipped] == [("content/draft.md", "draft")]


@pytest.mark.parametrize("text", [text for _, text in DRAFT_FAULTS], ids=[name for name, _ in DRAFT_FAULTS])
def test_a_drafts_faults_are_errors_when_drafts_are_built(site: Site, text: str) -> None:
    site.write("content/draft.md", text)
    assert "error" in {d.severity for d in site.build(drafts=True).diagnostics}


def test_a_drafts_own_faults_are_shown_as_warnings_at_their_place(site: Site) -> None:
    site.write("content/draft.md", page(draft="true", date="soon"))
    found = site.fault("date-invalid")
    assert (found.severity, found.path, found.span and (found.span.line, found.span.column)) == (
        "warning", "content/draft.md", (4, 7),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("broken", "text"),
    [
        ("content/other.md", "---\ntitle: Buy: now\n---\n"),
        ("content/other.md", b"caf\xe9"),
        ("content/other.md", page(date="soon")),
        (CHECKLIST, "---\ntitle: Buy: now\n---\n"),
        (CHECKLIST, "---\ntitle: Get it\nfields: [emial]\n---\n"),
        ("content/magnets/book.md", front("title: A book")),
        ("content/blocks/proof.md", "---\ntitle: no\n"),
        ("content/posts/one.md", page(date="soon")),
    ],
)
def test_what_leads_to_a_file_that_cannot_be_read_is_no_second_fault(
    site: Site, broken: str, text: str | bytes
) -> None:
    links = {
        "content/other.md": "[by file](other.md) [by URL](/other/) [by anchor](other.md#steps)",
        CHECKLIST: "[link](form:checklist)\n\n![embed](form:checklist)",
        "content/magnets/book.md": "Words.",
        "content/blocks/proof.md": "![](block:proof)\n\nWords.",
        "content/posts/one.md": "[one](posts/one.md) [all](/posts/)",
    }
    if broken == "content/magnets/book.md":
        site.write(CHECKLIST, FORM.replace("fields: [email]", "fields: [email]\nmagnet: book"))
    site.write(GUIDE, titled(*(["form: checklist"] if broken == CHECKLIST else []), body=links[broken]))
    site.write(broken, text)
    errors = [(d.path, d.code) for d in site.build().diagnostics if d.severity == "error"]
    assert [path for path, _ in errors] == [broken], errors


def test_a_permalink_that_can_be_read_is_kept_for_links_to_it(site: Site) -> None:
    site.write("content/other.md", page(permalink="/offer/", date="soon"))
    site.write(GUIDE, titled(body="See [the offer](/offer/)."))
    assert [(d.path, d.code) for d in site.build().diagnostics] == [("content/other.md", "date-invalid")]


def test_a_missing_front_matter_image_shows_no_broken_picture(site: Site) -> None:
    site.write(
        "content/posts/one.md", page("![A funnel](/media/f.webp)\n\nWords.", image='"/media/f.webp"', date="2025-05-08")
    )
    found = site.fault("image-missing")
    assert (found.severity, found.span and found.span.line) == ("warning", 3)
    text = site.read("posts/one/index.html")
    assert "<img" not in text
    assert "f.webp" not in text


@pytest.mark.parametrize("name", ["title", "description"])
def test_pages_with_the_same_text_for_search_results_are_each_told(site: Site, name: str) -> None:
    words = "A description that is long enough to be shown below the title in a search result."
    same = {name: words[:50] if name == "title" else words}
    site.write("content/a.md", page("Words of the first.", **({"title": "A"} | same)))
    site.write("content/b.md", page("Words of the second.", **({"title": "B"} | same)))
    found = site.build().diagnostics
    assert [(d.code, d.severity, d.path) for d in found] == [
        (f"{name}-twice", "warning", "content/a.md"),
        (f"{name}-twice", "warning", "content/b.md"),
    ]
    assert "content/b.md" in found[0].message
    line = 2 if name == "title" else 3
    assert [d.span and d.span.line for d in found] == [line, line]


def test_translations_may_share_their_title(site: Site) -> None:
    site.write("content/a.md", page("Words of the first.", title="Leads", translation_key="leads"))
    site.write("content/de/a.md", page("Worte der zweiten.", title="Leads", translation_key="leads", lang="de"))
    site.ok()


# --- severity and the whole build --------------------------------------------------------------------------------


def test_strict_makes_a_warning_stop_the_build(site: Site) -> None:
    site.write(GUIDE, titled("description: Short."))
    result = site.build(strict=True)
    assert [d.severity for d in result.diagnostics] == ["warning"]
    assert result.exit_code(strict=True) == 1
    assert not (site.root / "public").exists()
    assert site.build().exit_code(strict=False) == 0
    assert (site.root / "public/guide/index.html").is_file()


def test_with_an_error_the_last_output_stays_as_it_was(site: Site) -> None:
    site.write(GUIDE, page())
    site.write("content/other.md", page("Other words.", title="Other"))
    site.ok()
    before = site.files()
    site.write(GUIDE, page("New words, and [a bad link](none.md)."))
    site.delete("content/other.md")
    assert site.fault("link-broken").severity == "error"
    assert site.files() == before


def test_warnings_are_shown_again_when_nothing_has_changed(site: Site) -> None:
    site.write(GUIDE, titled("description: Short.", body="![A funnel](https://example.org/f.png)"))
    first = site.build().diagnostics
    assert len(first) > 1
    assert site.build().diagnostics == first


def test_every_file_that_is_not_published_is_listed_with_its_reason(site: Site) -> None:
    site.write("content/draft.md", page(draft="true"))
    site.write("content/future.md", page(title="Future", date="2030-01-01"))
    site.write("content/past.md", page(title="Past", expires="2020-01-01"))
    site.write("content/_notes.md", "no front matter")
    site.write("content/.hidden/x.md", "no front matter")
    site.write("content/_wip/x.md", "no front matter")
    site.write("content/forms/picture.txt", "x")
    reasons = {s.path: s.reason for s in site.build().skipped}
    assert set(reasons) == {
        "content/draft.md", "content/future.md", "content/past.md", "content/_notes.md", "content/.hidden",
        "content/_wip", "content/forms/picture.txt",
    }  # fmt: skip
    assert reasons["content/draft.md"] == "draft"
    assert "future" in reasons["content/future.md"]
    assert "expired" in reasons["content/past.md"]
    assert "_" in reasons["content/_notes.md"]
