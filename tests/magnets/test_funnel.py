"""The funnel from one file: form, landing page, thank-you page, mail; and each part written by hand instead."""

from __future__ import annotations

import json
from typing import Any

import pytest

from magnetgen.diagnostics import Diagnostic
from tests.conftest import Site, page
from tests.magnets.test_front_matter import ABOUT, OTHER, magnet
from tests.magnets.test_offers import compiled, everything_public
from tests.unit.test_faults import picture

LONG = """\
Words before everything.

## The roof

### Tiles

Secret words about tiles.

### Gutters

## The cellar

- [ ] It is dry.
- [x] It has a light.
"""


def codes(found: tuple[Diagnostic, ...]) -> set[str]:
    return {d.code for d in found}


def test_one_file_makes_the_whole_funnel(site: Site) -> None:
    site.write(
        "content/magnets/guide.md",
        magnet(LONG, subtitle="For old houses", faq='[{question: "Free?", answer: "It *is*."}]'),
    )
    site.ok()
    html = site.read("guide/index.html")
    for part in ("<h1>The guide</h1>", "For old houses", ABOUT, ">What is inside</h2>", ">A look inside</h2>", "It <em>is</em>.",
                 'action="/api/forms/guide"', "Send me the guide", "/media/magnets/guide-cover-960."):  # fmt: skip
        assert part in html
    assert {
        "guide/index.html",
        "forms/guide/thanks/index.html",
        "forms/guide/confirmed/index.html",
    } <= site.files().keys()
    data = compiled(site)
    form = data["forms"]["guide"]
    assert (form["magnet"], form["double_opt_in"]) == ("guide", True)
    assert [(f["name"], f["required"]) for f in form["fields"]] == [("email", True), ("first_name", False)]
    assert [(c["name"], c["required"]) for c in form["consent"]] == [("newsletter", False)]
    assert data["assets"]["guide"]["name"] == "the-guide.pdf"
    assert "deliver:guide" in data["mails"]


def test_the_page_tells_the_headings_and_not_a_word_more(site: Site) -> None:
    site.write("content/magnets/guide.md", magnet(LONG, preview="false"))
    site.ok()
    html = site.read("guide/index.html")
    assert "The roof" in html and "Tiles · Gutters" in html and "The cellar" in html
    for private in ("Words before everything", "Secret words", "It is dry", "It has a light"):
        assert private not in everything_public(site)
    assert "points to check" not in html
    site.write("content/magnets/guide.md", magnet(LONG, kind="checklist", preview="false"))
    site.ok()
    assert "2 points to check" in site.read("guide/index.html")


def test_a_title_is_a_title_whatever_it_looks_like(site: Site) -> None:
    title = "*A* [b](x) <b>& c</b> # {.faq} ~~d~~ _e_ | `f` 1. g"
    site.write("content/magnets/guide.md", magnet(title=json.dumps(title), inside=json.dumps([title]), preview="0"))
    site.ok()
    html = site.read("guide/index.html")
    shown = "*A* [b](x) &lt;b&gt;&amp; c&lt;/b&gt; # {.faq} ~~d~~ _e_ | `f` 1. g"
    assert f"<h1>{shown}</h1>" in html and f"<h3>{shown}</h3>" in html


@pytest.mark.parametrize("engine", ["pyromark", "python-markdown"])
def test_both_engines_make_the_same_page(site: Site, engine: str) -> None:
    site.write("magnetgen.yaml", (site.root / "magnetgen.yaml").read_text() + f"markdown: {{engine: {engine}}}\n")
    site.write("content/magnets/guide.md", magnet(LONG, title='"Roofs & *cellars*: 1. a <b>"'))
    site.ok()
    html = site.read("guide/index.html")
    assert "<h1>Roofs &amp; *cellars*: 1. a &lt;b&gt;</h1>" in html
    assert "<h3>The roof</h3>" in html and 'id="form-guide"' in html


def test_a_form_by_hand_wins(site: Site) -> None:
    site.write("content/magnets/guide.md", magnet())
    form = "---\ntitle: The guide is yours\nfields: [email, company]\nbutton: Hand it over\nmagnet: guide\n---\n\nWell done.\n"
    site.write("content/forms/ask.md", form)
    site.ok()
    assert compiled(site)["forms"].keys() == {"ask"}
    assert "Hand it over" in site.read("guide/index.html")
    assert "Well done." in site.read("forms/ask/thanks/index.html")


def test_a_landing_page_by_hand_wins(site: Site) -> None:
    site.write("content/magnets/guide.md", magnet())
    site.write(
        "content/offer.md", page("By hand.", title="The offer", layout="landing", form="guide", description=OTHER)
    )
    site.ok()
    assert "guide/index.html" not in site.files()
    assert 'id="form-guide"' in site.read("offer/index.html")


def test_a_page_at_the_address_wins(site: Site) -> None:
    site.write("content/magnets/guide.md", magnet())
    site.write("content/guide.md", page("By hand.", title="Another thing", description=OTHER))
    site.ok()
    assert "By hand." in site.read("guide/index.html")
    assert 'id="form-guide"' in site.read("forms/guide/index.html")


def test_no_page_and_no_form_are_made_where_none_are_wanted(site: Site) -> None:
    site.write("content/magnets/guide.md", magnet(page="false"))
    site.ok()
    assert "guide/index.html" not in site.files() and "guide" in compiled(site)["forms"]
    site.write("content/magnets/guide.md", magnet(form="false"))
    assert codes(site.build().diagnostics) == {"magnet-unused"}
    assert "guide" not in compiled(site)["forms"]


def test_a_form_of_the_same_name_that_gives_nothing(site: Site) -> None:
    site.write("content/magnets/guide.md", magnet())
    site.write("content/forms/guide.md", "---\ntitle: Get it\nfields: [email]\nbutton: Get it now\n---\n")
    found = site.fault("magnet-form")
    assert (found.path, found.hint.split(",")[0]) == ("content/magnets/guide.md", "add `magnet: guide` to the form")


def test_a_form_that_cannot_be_read_is_one_fault(site: Site) -> None:
    site.write("content/magnets/guide.md", magnet())
    site.write("content/forms/ask.md", "---\ntitle: Get it\nfields: [emial]\nmagnet: guide\n---\n")
    assert codes(site.build().diagnostics) == {"form-unknown-field"}


def test_links_to_the_magnet_s_file_lead_to_its_page(site: Site) -> None:
    site.write("content/magnets/guide.md", magnet())
    site.write("content/index.md", page("Read [the guide](magnets/guide.md).", description=OTHER))
    site.ok()
    assert 'Read <a href="/guide/">the guide</a>' in site.read("index.html")


def test_posts_make_a_book_with_links_inside_it(site: Site) -> None:
    site.write(
        "content/posts/one.md",
        page("## Part\n\nSee [two](two.md#end) and [three](three.md).", title="One", date="2026-01-01"),
    )
    site.write(
        "content/posts/two.md", page("Words.\n\n## End\n\nBack to [one](/posts/one/).", title="Two", date="2026-01-02")
    )
    site.write("content/posts/three.md", page("Words.", title="Three", date="2026-01-03"))
    site.write("content/magnets/book.md", magnet("Read [two](../posts/two.md).", title="Book", kind="ebook",
                                                 chapters="[../posts/one.md, /posts/two.md]", formats="[pdf, epub]"))  # fmt: skip
    site.build()
    book = book_of(site, "book")
    html = {chapter.title: chapter.html for chapter in book.chapters}
    assert list(html) == ["", "One", "Two"]
    assert 'href="#c2"' in html[""]
    assert 'href="#c2-end"' in html["One"] and 'id="c2-end"' in html["Two"] and 'href="#c1"' in html["Two"]
    assert 'href="https://example.com/posts/three/"' in html["One"]
    data = compiled(site)
    assert data["magnets"]["book"]["assets"] == ["book", "book.epub"]
    assert "For a reading device" in site.read("forms/book/confirmed/index.html")
    assert "{{epub_url}}" in data["mails"]["deliver:book"]["text"]


def book_of(site: Site, name: str) -> Any:
    """The book that a build would typeset."""
    from magnetgen import build as program
    from magnetgen.diagnostics import Report
    from magnetgen.links import Links
    from magnetgen.magnets.chapters import Writer
    from magnetgen.pages import PageReader
    from magnetgen.state import Options

    runs: list[program.Run] = []
    out = site.root / "public"
    program.run(site.root, Options(jobs=1), lambda _: out, 1_780_000_000.0, runs.append)
    renderer = runs[0].renderer
    plan = renderer.plan
    writer = Writer(plan, renderer.theme, PageReader(plan.root, plan.config), Links(plan), Report())
    return writer.book(plan.magnets[name]).book


def test_embeds_become_buttons_and_blocks_their_text(site: Site) -> None:
    site.write(
        "magnetgen.yaml", (site.root / "magnetgen.yaml").read_text() + "ctas: {call: {label: Call us, url: /call/}}\n"
    )
    site.write("content/call.md", page(title="Call", description=OTHER))
    site.write("content/blocks/note.md", "A [note](../call.md).\n")
    site.write(
        "content/magnets/guide.md", magnet("![](form:guide)\n\n![](cta:call)\n\n![](block:note)\n\n## One\n\nWords.")
    )
    site.build()
    (chapter,) = book_of(site, "guide").chapters
    assert '<a href="https://example.com/guide/#form-guide" class="button">Send me the guide</a>' in chapter.html
    assert '<a href="https://example.com/call/" class="button">Call us</a>' in chapter.html
    assert ">note</a>" in chapter.html and "<form" not in chapter.html


def test_an_unchanged_book_is_not_made_again(site: Site) -> None:
    site.write("content/magnets/guide.md", magnet(LONG))
    site.ok()
    file = site.root / compiled(site)["assets"]["guide"]["file"]
    before = file.stat().st_ino
    site.write("content/other.md", page(title="Another page", description="Other words. " * 8))
    site.ok()
    assert file.stat().st_ino == before
    site.ok(clean=True)
    assert file.stat().st_ino != before


def test_a_changed_book_has_another_file(site: Site) -> None:
    site.write("content/magnets/guide.md", magnet(LONG))
    site.ok()
    before = compiled(site)["assets"]["guide"]
    site.write("content/magnets/guide.md", magnet(LONG.replace("Secret", "Private")))
    site.ok()
    after = compiled(site)["assets"]["guide"]
    assert before["file"] != after["file"] and before["sha256"] != after["sha256"]
    assert (site.root / before["file"]).is_file(), "a handler that runs still gives the former one"


def test_a_book_that_was_deleted_is_made_again(site: Site) -> None:
    site.write("content/magnets/guide.md", magnet(LONG))
    site.ok()
    file = site.root / compiled(site)["assets"]["guide"]["file"]
    before = file.read_bytes()
    file.unlink()
    site.ok()
    assert file.read_bytes() == before


def test_what_typesetting_warns_of_is_told_each_time(site: Site) -> None:
    site.write("content/magnets/guide.md", magnet("All the best: 再见."))
    assert codes(site.build().diagnostics) == {"magnet-typesetting"}
    site.write("content/other.md", page(title="Another page", description="Other words. " * 8))
    assert codes(site.build().diagnostics) == {"magnet-typesetting"}


def test_pictures_of_the_book_in_several_sizes(site: Site) -> None:
    site.write("content/magnets/guide.md", magnet(LONG))
    site.ok()
    html = site.read("guide/index.html")
    assert html.count(" 360w, ") == 2 and " 480w, " in html
    for address in {part.split('"')[0].split(" ")[0] for part in html.split("/media/magnets/")[1:]}:
        assert f"media/magnets/{address}" in site.files()
    assert 'property="og:image" content="https://example.com/media/cards/' in html


@pytest.mark.parametrize("front", [{"draft": "true"}, {"date": "2036-01-01"}, {"expires": "2026-01-01"}])
def test_what_is_not_published_wins_nothing(site: Site, front: dict[str, Any]) -> None:
    site.write("content/magnets/guide.md", magnet())
    inline = "{title: Get it, fields: [email], button: Get it now, magnet: guide}"
    site.write(
        "content/offer.md",
        page("By hand.", title="The offer", layout="landing", form=inline, description=OTHER, **front),
    )
    site.ok()
    assert 'id="form-guide"' in site.read("guide/index.html")


def test_a_magnet_that_is_a_draft_is_there_for_drafts_only(site: Site) -> None:
    site.write("content/magnets/guide.md", magnet(draft="true"))
    result = site.ok()
    assert "guide/index.html" not in site.files()
    assert [(s.path, s.reason) for s in result.skipped] == [("content/magnets/guide.md", "draft")]
    site.ok(drafts=True)
    assert 'id="form-guide"' in site.read("guide/index.html")
    site.write("content/forms/ask.md", "---\ntitle: Get it\nfields: [email]\nbutton: Get it now\nmagnet: guide\n---\n")
    assert "is a draft" in site.fault("magnet-unknown").hint


@pytest.mark.parametrize("name", ["posts", "api"])
def test_a_name_whose_address_is_taken(site: Site, name: str) -> None:
    site.write("content/posts/one.md", page(title="One", date="2026-01-01"))
    site.write(f"content/magnets/{name}.md", magnet())
    assert site.fault("magnet-name").path == f"content/magnets/{name}.md"


def test_a_magnet_called_newsletter(site: Site) -> None:
    site.write("content/posts/one.md", page(title="One", date="2026-01-01"))
    site.write("content/magnets/newsletter.md", magnet())
    site.build()
    assert compiled(site)["forms"]["newsletter"]["magnet"] == "newsletter"


def test_a_picture_with_an_odd_name_that_has_changed(site: Site) -> None:
    site.write("content/magnets/a&b.png", picture())
    site.write("content/magnets/guide.md", magnet("![A picture](a&b.png)"))
    site.ok()
    before = compiled(site)["assets"]["guide"]["file"]
    site.write("content/magnets/a&b.png", picture(64, 48))
    site.ok()
    assert compiled(site)["assets"]["guide"]["file"] != before


def test_a_book_that_was_altered_is_made_again(site: Site) -> None:
    site.write("content/magnets/guide.md", magnet(LONG))
    site.ok()
    file = site.root / compiled(site)["assets"]["guide"]["file"]
    whole = file.read_bytes()
    file.write_bytes(whole[:-10] + b"0123456789")
    site.ok()
    assert file.read_bytes() == whole
