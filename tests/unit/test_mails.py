"""Mails: content/emails/*.md → what the handler sends, and every fault in them at its place."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from email.message import EmailMessage
from typing import Any

import pytest
from selectolax.lexbor import LexborHTMLParser

from magnetgen.colors import contrast
from magnetgen.forms.holes import HOLE, HOLES
from magnetgen.forms.mail import Composer, defaults
from magnetgen.forms.records import Delivery, Lead
from magnetgen.forms.site import from_data
from magnetgen.mailtext import plain_text
from tests.conftest import SETTINGS, Site, page
from tests.forms.data import KEYS, NOW
from tests.unit.test_faults import picture

BOOK = "---\ntitle: Get the book\nfields: [email, first_name?]\ndouble_opt_in: true\nmagnet: book\n---\n"
NEWS = "---\ntitle: Get the news\nfields: [email, company?]\ndouble_opt_in: true\nnotify: [email:me@example.com]\n---\n"
QUICK = "---\ntitle: Ask us\nfields: [email, message]\n---\n"
CONFIRM = "content/emails/confirm.md"
DELIVER = "content/emails/deliver.md"
WELCOME = "content/emails/welcome.md"
LEAVE = "[Leave]({{unsubscribe_url}})"

LEAD = Lead(
    "ab" * 16, "book", "ana@x.co", "k", "confirmed", {"email": "ana@x.co", "first_name": "Ana"}, (), 1, confirmed_at=2
)


@pytest.fixture
def site(site: Site) -> Site:
    """A site with three forms: with a magnet, without, and without a confirmation."""
    site.write("content/forms/book.md", BOOK)
    site.write("content/forms/news.md", NEWS)
    site.write("content/forms/quick.md", QUICK)
    site.write("content/magnets/book.pdf", b"%PDF-1.7")
    return site


def mail(body: str, *lines: str) -> str:
    return "---\n" + "".join(f"{line}\n" for line in lines) + f"---\n\n{body}\n"


def forms(site: Site) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((site.root / ".magnetgen/forms.json").read_text("utf-8"))
    return data


def mails(site: Site, **wishes: object) -> dict[str, dict[str, str]]:
    site.ok(**wishes)
    found: dict[str, dict[str, str]] = forms(site)["mails"]
    return found


def sent(site: Site, kind: str, lead: Lead = LEAD) -> EmailMessage:
    """The mail as the handler makes it of the built site."""
    composer = Composer(from_data(forms(site)), KEYS, "Lab <lab@x.co>", lambda n: bytes(n))
    dest = "email:me@example.com" if kind in ("notify", "held") else "mail"
    body = {"mail": kind, "reason": "time", "submission": "ef" * 16}
    return composer.compose(Delivery("cd" * 16, lead.id, lead.form, dest, f"mail:{kind}", "c", body, 1), lead, NOW)


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    assert found
    return str(found.get_content())


# --- faults ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    name: str
    text: str
    code: str
    line: int
    column: int
    hint: str
    path: str = DELIVER
    severity: str = "error"


def whole(body: str) -> str:
    """A deliver mail with all that it needs; `body` is in line 4."""
    return mail(f"{body}\n\n[Get it]({{{{download_url}}}}) or {LEAVE}", "subject: Here")


CASES = [
    Case("an unknown key", mail("{{confirm_url}}", "subjct: x"), "unknown-key", 2, 1, 'did you mean "subject"',
         CONFIRM),
    Case("a title", mail("{{confirm_url}}", "title: x"), "unknown-key", 2, 1, "form, from, subject", CONFIRM),
    Case("a draft", mail("{{confirm_url}}", "draft: true"), "unknown-key", 2, 1, "form, from, subject", CONFIRM),
    Case("a subject that is a list", mail("{{confirm_url}}", "subject: [a]"), "wrong-type", 2, 10, "plain text",
         CONFIRM),
    Case("a sender that is none", mail("{{confirm_url}}", "from: me@home"), "mail-from", 2, 7, "ana@example.com",
         CONFIRM),
    Case("a sender with a comma", mail("{{confirm_url}}", "from: Me, you <me@x.co>"), "mail-from", 2, 7, "comma",
         CONFIRM),
    Case("a form that is not there", mail("{{confirm_url}}", "form: bok"), "form-unknown", 2, 7,
         'did you mean "book"', CONFIRM),
    Case("an unknown kind", mail("Hello."), "mail-kind", 1, 1, 'did you mean "deliver"', "content/emails/delivr.md"),
    Case("no form behind the dash", mail("{{confirm_url}}", "subject: x"), "mail-kind", 2, 1, "form: book",
         "content/emails/confirm-book.md"),
    Case("an unknown hole", whole("Hi {{frist_name}}."), "mail-hole-unknown", 5, 4, 'did you mean "first_name"'),
    Case("an unknown hole in the subject", mail("{{confirm_url}}", 'subject: "At {{site_titel}}"'),
         "mail-hole-unknown", 2, 14, 'did you mean "site_title"', CONFIRM),
    Case("an answer in the subject of a confirmation", mail("{{confirm_url}}", "subject: Hi {{first_name}}"),
         "mail-hole-kind", 2, 13, "deliver or welcome", CONFIRM),
    Case("an answer before the confirmation", mail("Hi {{first_name}}: {{confirm_url}}"), "mail-hole-kind", 4, 4,
         "deliver or welcome", CONFIRM),
    Case("an answer in a mail to the owner", mail("{{company}}"), "mail-hole-kind", 4, 1, "{{answers}}",
         "content/emails/notify.md"),
    Case("what was typed in a held one", mail("{{company}}"), "mail-hole-kind", 4, 1, "stays",
         "content/emails/held.md"),
    Case("a hole of another kind", whole("See {{confirm_url}}."), "mail-hole-kind", 5, 5, "confirm has it"),
    Case("a field of a form that it is not for", whole("At {{company}}."), "mail-hole-kind", 5, 4, "news"),
    Case("an empty hole", whole("Hi {{ }}."), "mail-hole-syntax", 5, 4, "{{site_title}}"),
    Case("a hole with capitals", whole("Hi {{First Name}}."), "mail-hole-syntax", 5, 4, "{{first_name}}"),
    Case("a hole left open", whole("Hi {{first_name}."), "mail-hole-syntax", 5, 4, "{{first_name}}"),
    Case("three braces", whole("Hi {{{first_name}}}."), "mail-hole-syntax", 5, 4, "two braces"),
    Case("escaped braces", whole(r"Hi \{\{first_name\}\}."), "mail-hole-syntax", 5, 4, "space between"),
    Case("no link to confirm", mail("Hello."), "mail-hole-missing", 4, 1, "({{confirm_url}})", CONFIRM),
    Case("no link to the download", mail(LEAVE), "mail-hole-missing", 4, 1, "({{download_url}})"),
    Case("a link that only a comment has", mail("<!-- {{confirm_url}} -->\n\nHello."), "mail-hole-missing", 4, 1,
         "button", CONFIRM),
    Case("no way out", mail("{{download_url}}"), "mail-unsubscribe", 4, 1, "{{unsubscribe_url}}", severity="warning"),
    Case("an answer in a link", whole("[Yours](https://x.co/{{first_name}})"), "mail-hole-link", 5, 22, "lead_id"),
    Case("an answer as a link", whole("[Yours]({{first_name}})"), "mail-hole-link", 5, 9, "download_url"),
    Case("more than the address in a link", whole("[Yours]({{download_url}}?a=b)"), "mail-hole-link", 5, 9, "whole"),
    Case("an answer in a tag", whole("<div {{first_name}}>x</div>"), "mail-hole-link", 5, 6, "quotation marks"),
    Case("an answer without quotation marks", whole("<b title={{first_name}}>x</b>"), "mail-hole-link", 5, 10,
         "quotation marks"),
    Case("a link to nothing", whole("See [more](../posts/none.md)."), "link-broken", 5, 12, "link to a file"),
    Case("an anchor to nothing", whole("See [more](#none)."), "link-anchor", 5, 12, "headings"),
    Case("a picture that is missing", whole("![A funnel](/media/none.png)"), "media-missing", 5, 13, "media/"),
    Case("an unknown call to action", whole("[Go](cta:none)"), "cta-unknown", 5, 6, "ctas"),
    Case("an unknown form in the text", whole("![Go](form:none)"), "form-unknown", 5, 7, "content/forms/none.md"),
    Case("a script", whole("<script>alert(1)</script>"), "mail-html", 5, 1, "take it out"),
    Case("a form in HTML", whole('<form></form>'), "mail-html", 5, 1, "link to a page"),
    Case("an event in HTML", whole('Hi <b onclick="x()">you</b>'), "mail-html", 5, 7, "take it out"),
    Case("a script as an address", whole("[Go](javascript:x)"), "mail-html", 5, 6, "link to a page"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fault_has_its_code_place_and_hint_and_is_the_only_one(site: Site, case: Case) -> None:
    site.write(case.path, case.text)
    found = site.build().diagnostics
    assert [(d.code, d.severity, d.path) for d in found] == [(case.code, case.severity, case.path)], found
    span = found[0].span
    assert span
    assert (span.line, span.column) == (case.line, case.column)
    assert case.hint in found[0].hint


@pytest.mark.parametrize(
    ("path", "lines", "hint"),
    [("content/emails/held-quick.md", ("form: quick",), "notify"), (CONFIRM, ("form: quick",), "double_opt_in")],
)
def test_a_mail_that_nobody_gets_is_a_warning(site: Site, path: str, lines: tuple[str, ...], hint: str) -> None:
    site.write(path, mail("", "subject: x", *lines))
    found = site.fault("mail-unused")
    assert (found.severity, found.span and found.span.line, hint in found.hint) == ("warning", 3, True)


def test_a_site_whose_forms_go_elsewhere_is_told_that_its_mails_stay(site: Site) -> None:
    site.write("magnetgen.yaml", SETTINGS + "handler: {provider: netlify-forms}\n")
    site.write(CONFIRM, mail("{{confirm_url}}"))
    assert "netlify-forms" in site.fault("mail-unused").message


def test_two_mails_for_the_same_are_each_told_of_the_other(site: Site) -> None:
    site.write("content/emails/confirm.md", mail("{{confirm_url}}", "form: book"))
    site.write("content/emails/confirm-x.md", mail("{{confirm_url}}", "subject: x", "form: book"))
    found = site.build().diagnostics
    assert [(d.code, d.path, d.span and d.span.line) for d in found] == [
        ("mail-twice", "content/emails/confirm-x.md", 3),
        ("mail-twice", "content/emails/confirm.md", 2),
    ]
    assert "content/emails/confirm.md" in found[0].message
    assert "content/emails/confirm-x.md" in found[1].message


def test_an_answer_that_nobody_has_confirmed_is_a_warning(site: Site) -> None:
    site.write("content/emails/welcome-q.md", mail(f"Hi {{{{message}}}}. {LEAVE}", "form: quick"))
    found = site.fault("mail-hole-empty")
    assert (found.severity, found.span and found.span.column) == ("warning", 4)
    assert "double_opt_in: true` in quick" in found.hint


def test_a_field_that_only_some_forms_have_is_fine(site: Site) -> None:
    site.write("content/forms/more.md", NEWS.replace("company?", "phone?"))
    site.write(WELCOME, mail(f"{{{{company}}}} {{{{phone}}}} {LEAVE}"))
    site.ok()


def test_a_form_that_cannot_be_read_is_no_second_fault(site: Site) -> None:
    site.write("content/forms/news.md", NEWS.replace("company?", "compny?"))
    site.write("content/emails/welcome-news.md", mail(f"{{{{company}}}} {LEAVE}", "form: news"))
    site.write(WELCOME, mail(f"{{{{company}}}} {LEAVE}"))
    assert [d.path for d in site.build().diagnostics] == ["content/forms/news.md"]


def test_a_fault_in_a_block_is_told_at_the_block(site: Site) -> None:
    site.write("content/blocks/end.md", "Yours,\n\nthe {{nobody}} at {{site_title}}\n")
    site.write(CONFIRM, mail("{{confirm_url}}\n\n![](block:end)"))
    found = site.fault("mail-hole-unknown")
    assert (found.path, found.span and (found.span.line, found.span.column)) == ("content/blocks/end.md", (3, 5))


def test_a_fault_in_a_word_of_the_site_is_told_in_the_settings(site: Site) -> None:
    words = "theme:\n  words:\n    mail_confirm_subject: x\n    mail_confirm: Please do.\n"
    site.write("magnetgen.yaml", SETTINGS + words)
    found = site.fault("mail-hole-missing")
    assert (found.path, found.span and found.span.line) == ("magnetgen.yaml", 7)


def test_a_picture_that_many_programs_leave_out_is_a_warning(site: Site) -> None:
    site.write("media/a.svg", b'<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"></svg>')
    site.write(CONFIRM, mail("{{confirm_url}}\n\n![A mark](/media/a.svg)"))
    assert site.fault("mail-picture").severity == "warning"


# --- what is compiled --------------------------------------------------------------------------------------------


def test_every_kind_has_a_mail_without_any_file(site: Site) -> None:
    found = mails(site)
    assert set(found) == set(HOLES)
    for kind, made in found.items():
        assert {match[1] for match in HOLE.finditer(" ".join(made.values()))} <= set(HOLES[kind])
        assert made["html"].startswith('<!doctype html>\n<html lang="en">')


def test_the_fallbacks_of_the_handler_say_the_same_as_the_theme(site: Site) -> None:
    compiled = mails(site)
    for kind, fallback in defaults().items():
        assert (fallback["subject"], fallback["text"]) == (compiled[kind]["subject"], compiled[kind]["text"])
        words = [re.sub(r"\W+", " ", text) for text in (plain_text(fallback["html"]), fallback["text"])]
        assert words[0] == words[1]


def test_a_site_translates_the_mails_with_its_words(site: Site) -> None:
    words = (
        "language: de\ntheme:\n  words:\n    mail_confirm_subject: Bitte bestätigen\n    mail_confirm: |\n"
        "      # Ein Klick\n\n      **[Bestätigen]({{confirm_url}})**\n"
    )
    site.write("magnetgen.yaml", SETTINGS + words)
    made = mails(site)["confirm"]
    assert made["subject"] == "Bitte bestätigen"
    assert made["text"] == "Ein Klick\n\nBestätigen:\n{{confirm_url}}\n"
    assert '<html lang="de">' in made["html"]


def test_one_text_gives_both_parts(site: Site) -> None:
    site.write("content/posts/one.md", page("Words.", title="One", date="2026-01-01"))
    site.write("media/funnel.png", picture(1200, 600))
    site.write(
        CONFIRM,
        mail(
            "# Hello\n\nRead [the post](../posts/one.md). See [the form](form:book)\n\n**[Yes, it is me]({{confirm_url}})**\n\n"
            "1. One\n2. Two\n   - deep\n\n> Said\n> so.\n\n![A funnel](/media/funnel.png)\n\n"
            "| A | B |\n|-|-:|\n| 1 | 2 |\n\n    magnetgen  build\n\n---\n\n<b>Raw</b>, [write](mailto:me@x.co), [us][1].\n\n"
            "[1]: https://example.org/a?b=c&d=e",
            'subject: "{{site_title}}: one click"',
            "from: Ana Ruiz <ana@example.com>",
        ),
    )
    made = mails(site)["confirm"]
    assert (made["subject"], made["from"]) == ("{{site_title}}: one click", "Ana Ruiz <ana@example.com>")
    assert made["text"] == (
        "Hello\n\nRead the post (https://example.com/posts/one/). See the form: https://example.com/forms/book/#form-book"
        "\n\nYes, it is me:\n{{confirm_url}}\n\n1. One\n2. Two\n   - deep\n\n> Said so.\n\nA funnel\n\nA | B\n1 | 2\n\n"
        "magnetgen  build\n\n------------------------\n\nRaw, write (me@x.co), us (https://example.org/a?b=c&d=e).\n"
    )
    doc = LexborHTMLParser(made["html"])
    links = [a.attributes["href"] for a in doc.css("a")]
    assert links == [
        "https://example.com/posts/one/", "https://example.com/forms/book/#form-book", "{{confirm_url}}",
        "mailto:me@x.co", "https://example.org/a?b=c&d=e", "https://example.com/",
    ]  # fmt: skip
    assert [h.tag for h in doc.css("h1, h2")] == ["h1"]
    image = doc.css_first("img")
    assert image
    assert (image.attributes["src"] or "").startswith("https://example.com/media/funnel.")
    assert (image.attributes["width"], image.attributes["height"]) == ("536", "268")


def test_holes_stand_where_they_were_written(site: Site) -> None:
    site.write(
        DELIVER,
        mail(
            "## Hi {{first_name}}!\n\n_{{ first_name }}_ of **{{site_title}}**, `{{email}}`\n\n"
            '<a href="{{download_url}}" title="{{form_title}}">Get</a>, <{{download_url}}>, {{unsubscribe_url}}'
        ),
    )
    html = mails(site)["deliver"]["html"]
    body = html[html.index("<h1") :]
    assert ">Hi {{first_name}}!</h1>" in body
    assert 'id="hi"' in body or 'id="hi-"' in body
    assert "<em>{{first_name}}</em> of <strong>{{site_title}}</strong>" in body
    assert body.count('href="{{download_url}}"') == 2
    assert body.count('href="{{unsubscribe_url}}"') == 1
    assert 'title="{{form_title}}"' in body
    assert "0mgh" not in html
    assert "%7B" not in html


def test_a_button_has_the_brand_and_can_be_read(site: Site) -> None:
    for brand in ("#0b6e4f", "#ffd400", "#111111", "#7fd1ff"):
        site.write("magnetgen.yaml", SETTINGS + f'theme: {{brand: "{brand}"}}\n')
        html = mails(site)["confirm"]["html"]
        button = LexborHTMLParser(html).css_first("a.mg-button")
        assert button
        style = dict(part.split(":", 1) for part in (button.attributes["style"] or "").split(";"))
        assert style["background"] == brand
        assert contrast(style["background"], style["color"]) >= 4.5
        dark = re.search(r"a\.mg-button\{background:(#\w+)!important;color:(#\w+)", html)
        assert dark
        assert contrast(dark[1], dark[2]) >= 4.5


def test_nothing_is_loaded_from_elsewhere(site: Site) -> None:
    for made in mails(site).values():
        assert not re.search(r"<(img|link|script|iframe)|url\(|@import|\ssrc=", made["html"])


def test_a_form_has_a_mail_of_its_own_and_the_rest_is_inherited(site: Site) -> None:
    site.write(CONFIRM, mail("All: {{confirm_url}}", "subject: All"))
    site.write("content/emails/confirm-book.md", mail("", "subject: Book only", "form: book"))
    site.write("content/emails/welcome-any.md", mail(f"News. {LEAVE}", "form: news", "from: me@x.co"))
    found = mails(site)
    assert found["confirm:book"] == {"subject": "Book only"}
    assert set(found["welcome:news"]) == {"text", "html", "from"}
    message = sent(site, "confirm", replace(LEAD, status="pending", confirmed_at=None))
    assert message["Subject"] == "Book only"
    assert part(message, "plain").startswith("All: https://example.com/api/confirm/mg1.")


def test_a_file_with_only_a_subject_keeps_the_default_text(site: Site) -> None:
    default = mails(site)["confirm"]
    site.write(CONFIRM, mail("", "subject: Mine & yours"))
    made = mails(site)["confirm"]
    assert (made["subject"], made["text"]) == ("Mine & yours", default["text"])
    assert "<title>Mine &amp; yours</title>" in made["html"]


def test_a_block_a_form_and_a_call_to_action_in_a_mail(site: Site) -> None:
    site.write("magnetgen.yaml", SETTINGS + "ctas: {talk: {label: Book a talk, url: https://cal.example/x}}\n")
    site.write("content/blocks/end.md", "Yours, {{site_title}}\n")
    site.write(CONFIRM, mail("{{confirm_url}}\n\n![](cta:talk)\n\n![Get it](form:book)\n\n![](block:end)"))
    made = mails(site)["confirm"]
    assert made["text"] == (
        "{{confirm_url}}\n\nBook a talk:\nhttps://cal.example/x\n\n"
        "Get it:\nhttps://example.com/forms/book/#form-book\n\nYours, {{site_title}}\n"
    )
    assert len(LexborHTMLParser(made["html"]).css("a.mg-button")) == 2


def test_a_prefix_is_part_of_every_address(site: Site) -> None:
    site.write(CONFIRM, mail("{{confirm_url}} [Home](/) [Form](form:book)"))
    site.ok(base_url="https://x.github.io/lab/")
    assert (
        "(https://x.github.io/lab/) Form: https://x.github.io/lab/forms/book/"
        in forms(site)["mails"]["confirm"]["text"]
    )


def test_python_markdown_makes_the_same_holes(site: Site) -> None:
    site.write("magnetgen.yaml", SETTINGS + "markdown: {engine: python-markdown}\n")
    site.write(CONFIRM, mail("Hello {{site_title}}\n\n**[Yes]({{confirm_url}})**"))
    made = mails(site)["confirm"]
    assert made["text"] == "Hello {{site_title}}\n\nYes:\n{{confirm_url}}\n"
    assert 'href="{{confirm_url}}" class="mg-button"' in made["html"]


# --- as they are sent --------------------------------------------------------------------------------------------

HOSTILE = '"><script>alert(1)</script>{{download_url}}\r\nBcc: x@y.co \\1 \\g<0> &amp;'


def test_a_hostile_answer_stays_text(site: Site) -> None:
    site.write(DELIVER, mail(f"Hi {{{{first_name}}}}: {{{{download_url}}}} {LEAVE}", "subject: For {{first_name}}"))
    site.ok()
    message = sent(site, "deliver", replace(LEAD, data={"email": "ana@x.co", "first_name": HOSTILE}))
    assert message["Bcc"] is None
    assert message["Subject"] == "For " + " ".join(HOSTILE.split())
    html, text = part(message, "html"), part(message, "plain")
    assert "<script" not in html
    assert html.count("{{download_url}}") == 2  # in the title, too
    doc = LexborHTMLParser(html)
    assert '"><script>alert(1)</script>{{download_url}}' in (doc.body.text() if doc.body else "")
    assert "<script>alert(1)</script>{{download_url}}" in text
    hrefs = [a.attributes["href"] or "" for a in doc.css("a")]
    assert [h.rpartition("/")[0] for h in hrefs] == [
        "https://example.com/api/download", "https://example.com/api/unsubscribe", "https://example.com"
    ]  # fmt: skip


@pytest.mark.parametrize("kind", list(HOLES))
def test_no_hole_is_left_and_every_link_is_whole(site: Site, kind: str) -> None:
    site.ok()
    lead = replace(LEAD, form="book" if kind in ("deliver", "confirm") else "news")
    message = sent(site, kind, lead)
    text, html = part(message, "plain"), part(message, "html")
    assert "{{" not in text + html
    for token in re.findall(r"https://example\.com/api/\w+/(\S+)", text):
        assert re.fullmatch(r"mg1\.k1\.[\w-]+\.[\w-]{43}", token)
        assert f'/{token}"' in html
    assert all(a.attributes["href"] for a in LexborHTMLParser(html).css("a"))


def test_the_owner_reads_the_answers_line_by_line(site: Site) -> None:
    site.ok()
    consent = ({"name": "letters", "given": True},)
    lead = replace(LEAD, form="news", data={"email": "ana@x.co", "company": "A <b>\nB"}, consent=consent)
    message = sent(site, "notify", lead)
    assert message["Reply-To"] == "ana@x.co"
    assert "Email address: ana@x.co\nCompany: A <b>\nB\nletters: yes" in part(message, "plain")
    html = part(message, "html")
    assert "<strong>Company:</strong><br>A &lt;b&gt;<br>B<br>\n<strong>letters:</strong> yes" in html


# --- builds ------------------------------------------------------------------------------------------------------


def test_an_edited_mail_is_compiled_again_and_nothing_else_is_written(site: Site) -> None:
    site.write(CONFIRM, mail("One {{confirm_url}}"))
    site.ok()
    site.write(CONFIRM, mail("Two {{confirm_url}}"))
    result = site.ok()
    assert result.written == 0
    assert forms(site)["mails"]["confirm"]["text"].startswith("Two")
    site.delete(CONFIRM)
    site.ok()
    assert forms(site)["mails"]["confirm"]["text"].startswith("One click left")


def test_the_same_site_gives_the_same_bytes(site: Site) -> None:
    site.write(DELIVER, mail(f"{{{{download_url}}}} {LEAVE}"))
    site.ok()
    file = site.root / ".magnetgen/forms.json"
    before = file.read_bytes()
    site.ok(clean=True)
    assert file.read_bytes() == before


def test_a_warning_about_a_mail_is_told_again(site: Site) -> None:
    site.write(DELIVER, mail("{{download_url}}"))
    assert site.build().diagnostics == site.build().diagnostics != ()


def test_with_a_fault_in_a_mail_nothing_is_written(site: Site) -> None:
    site.ok()
    file = site.root / ".magnetgen/forms.json"
    before = file.read_bytes()
    site.write(CONFIRM, mail("Nothing to press."))
    assert site.build().failed
    assert file.read_bytes() == before
