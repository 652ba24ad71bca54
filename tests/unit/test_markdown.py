"""Markdown to HTML: ids, headings, tables, notes, buttons, addresses and the first paragraph, with both engines."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetgen import markdown
from magnetgen.model import Fragment, Heading
from tests.conftest import SETTINGS, Site, page

ENGINES = {name: markdown.engine(name) for name in ("pyromark", "python-markdown")}
DEFAULT = ENGINES["pyromark"]


def made(body: str, engine: str = "pyromark") -> Fragment:
    return markdown.fragment(body, ENGINES[engine])


def ids(body: str, engine: str = "pyromark") -> list[str]:
    return [heading.id for heading in made(body, engine).headings]


both = pytest.mark.parametrize("engine", sorted(ENGINES))


# --- headings ----------------------------------------------------------------------------------------------------


@both
def test_a_heading_has_an_id_made_of_its_words(engine: str) -> None:
    frag = made("## How *leads* are `made`\n\nWords.", engine)
    assert frag.headings == (Heading(2, "how-leads-are-made", "How leads are made"),)
    assert '<h2 id="how-leads-are-made">How <em>leads</em> are <code>made</code></h2>' in frag.html


@both
def test_equal_headings_have_different_ids(engine: str) -> None:
    assert ids("## Steps\n\n## Steps\n\n## Steps", engine) == ["steps", "steps-2", "steps-3"]


@both
def test_an_id_that_is_given_twice_is_made_unique(engine: str) -> None:
    found = ids("## One {#a}\n\n## Two {#a}\n\n## A\n\n## A 2", engine)
    assert len(set(found)) == 4
    assert found[0] == "a"


@both
def test_a_heading_that_comes_to_the_same_id_as_a_numbered_one_is_unique(engine: str) -> None:
    found = ids("## Steps 2\n\n## Steps\n\n## Steps", engine)
    assert len(set(found)) == 3


@both
def test_a_heading_without_a_letter_has_an_id_all_the_same(engine: str) -> None:
    found = ids("## ?!\n\n## 🎉", engine)
    assert len(set(found)) == 2
    assert all(found)


@both
def test_ids_keep_letters_of_every_language(engine: str) -> None:
    assert ids("## Über uns\n\n## Привет, мир\n\n## 見込み客", engine) == ["über-uns", "привет-мир", "見込み客"]


@both
def test_an_id_does_not_change_when_a_heading_is_added_behind_it(engine: str) -> None:
    assert ids("## One\n\n## Two", engine) == ids("## One\n\n## Two\n\n## Three\n\n## One", engine)[:2]


@both
def test_the_id_of_the_page_around_the_text_is_not_given_away(engine: str) -> None:
    assert ids("## mg-main\n\n## Other {#mg-main}", engine)[0] != "mg-main"
    assert "mg-main" not in ids("## mg-main\n\n## Other {#mg-main}", engine)


@both
def test_an_id_in_raw_html_is_not_used_for_a_heading(engine: str) -> None:
    frag = made('<div id="steps">Words.</div>\n\n## Steps\n\nWords.', engine)
    assert frag.html.count('id="steps"') == 1


@both
@pytest.mark.parametrize(
    ("written", "heading"),
    [
        ("Questions {.faq}", Heading(2, "questions", "Questions", ("faq",))),
        ("Questions {#ask}", Heading(2, "ask", "Questions")),
        ("Questions {#ask .faq}", Heading(2, "ask", "Questions", ("faq",))),
        ("Questions {.faq .wide #ask}", Heading(2, "ask", "Questions", ("faq", "wide"))),
        ("Questions { .faq }", Heading(2, "questions", "Questions", ("faq",))),
    ],
)
def test_an_id_and_classes_can_be_given(engine: str, written: str, heading: Heading) -> None:
    frag = made(f"## {written}\n\nWords.", engine)
    assert frag.headings == (heading,)
    assert "{" not in frag.html


@both
@pytest.mark.parametrize("written", ["Use {braces}", "Set {a: b}", "The {{ hole }}", "Empty {}", "Style {color=red}"])
def test_other_braces_stay_text(engine: str, written: str) -> None:
    frag = made(f"## {written}\n\nWords.", engine)
    assert frag.headings[0].text == written
    assert f">{written}</h2>" in frag.html


@both
def test_braces_in_the_middle_of_a_heading_stay_text(engine: str) -> None:
    assert made("## A {.faq} B\n\nWords.", engine).headings[0].text == "A {.faq} B"


@both
def test_headings_move_down_one_if_the_text_has_a_first_level(engine: str) -> None:
    levels = [h.level for h in made("# One\n\n## Two\n\n### Three\n\n###### Six", engine).headings]
    assert levels == [2, 3, 4, 6]


@both
def test_headings_stay_where_the_text_has_no_first_level(engine: str) -> None:
    assert [h.level for h in made("## Two\n\n### Three", engine).headings] == [2, 3]


@both
def test_what_looks_like_a_heading_in_code_is_none(engine: str) -> None:
    frag = made("## Two\n\n```html\n<h1>One</h1>\n# no\n```\n", engine)
    assert [h.level for h in frag.headings] == [2]


def test_underlined_headings_are_headings_too() -> None:
    assert [h.level for h in made("Title\n=====\n\nWords.\n\nPart\n----\n").headings] == [2, 3]


# --- tables, lists, notes, buttons --------------------------------------------------------------------------------


@both
def test_the_alignment_of_a_table_is_a_class_and_no_style(engine: str) -> None:
    text = made("| A | B | C | D |\n|:--|:-:|--:|---|\n| 1 | 2 | 3 | 4 |\n", engine).html
    assert "style=" not in text
    cells = re.findall(r"<t[hd]\b([^>]*)>", text)
    assert [bool(re.search(r'class="[^"]*right', cell)) for cell in cells] == [False, False, True, False] * 2
    assert [bool(re.search(r'class="[^"]*center', cell)) for cell in cells] == [False, True, False, False] * 2


@both
def test_a_footnote_is_linked_both_ways_with_ids_that_exist(engine: str) -> None:
    text = made("Leads[^1] and more[^note] and again[^1].\n\n[^1]: First.\n[^note]: Second.\n", engine).html
    known = re.findall(r'id="([^"]+)"', text)
    wanted = re.findall(r'href="#([^"]+)"', text)
    assert len(known) == len(set(known))
    assert len(wanted) >= 5
    assert set(map(html.unescape, wanted)) <= set(map(html.unescape, known))


def test_tasks_are_boxes_that_cannot_be_ticked() -> None:
    text = made("- [ ] open\n- [x] done\n").html
    boxes = re.findall(r"<input[^>]*>", text)
    assert len(boxes) == 2
    assert all("disabled" in box and 'type="checkbox"' in box for box in boxes)
    assert ["checked" in box for box in boxes] == [False, True]


@pytest.mark.parametrize(("engine", "spaces"), [("pyromark", 2), ("python-markdown", 4)])
def test_lists_nest_below_bullets(engine: str, spaces: int) -> None:
    assert made(f"- one\n{' ' * spaces}- two\n", engine).html.count("<ul>") == 2


@both
def test_two_blanks_at_the_end_of_a_line_break_it(engine: str) -> None:
    text = made("1. **Name**  \n   Words below.\n\n2. **Other**  \n   More.\n", engine).html
    assert text.count("<br>") == 2
    assert text.count("<ol") == 1


@both
@pytest.mark.parametrize("target", ["form:checklist", "/offer/", "https://example.org/", "cta:demo"])
def test_a_link_in_bold_alone_in_its_paragraph_is_a_button(engine: str, target: str) -> None:
    text = made(f"Words.\n\n**[Send it]({target})**\n", engine).html
    assert re.search(rf'<p[^>]*><a href="{target}" class="button">Send it</a></p>', text)
    assert "<strong>" not in text


@both
@pytest.mark.parametrize(
    "body",
    [
        "See **[it](/offer/)** now.",
        "**[one](/a/) [two](/b/)**",
        "[it](/offer/)",
        "**See [it](/offer/)**",
        "*[it](/o/)*",
    ],
)
def test_any_other_link_is_no_button(engine: str, body: str) -> None:
    assert "button" not in made(body, engine).html


# --- callouts -----------------------------------------------------------------------------------------------------


def flat(markup: str) -> str:
    """The same on one line: where tags stand is the engines' own matter."""
    return re.sub(r">\s+", ">", re.sub(r"\s+<", "<", markup)).strip()


@both
@pytest.mark.parametrize("kind", ["NOTE", "TIP", "IMPORTANT", "WARNING", "CAUTION", "Note"])
def test_a_quote_that_begins_with_a_mark_is_a_callout(engine: str, kind: str) -> None:
    text = flat(made(f"> [!{kind}]\n> Words.", engine).html)
    label = kind.capitalize()
    assert text == (
        f'<blockquote class="callout {kind.lower()}"><p class="callout-title">{label}</p><p>Words.</p></blockquote>'
    )


@both
def test_a_callout_can_have_a_title_of_its_own(engine: str) -> None:
    text = flat(html.unescape(made('> [!TIP] My "own" **title**\n> Words *here*.', engine).html))
    assert '<p class="callout-title">My “own”<strong>title</strong></p><p>Words<em>here</em>.</p>' in text


@both
@pytest.mark.parametrize("body", ["> [!NOTE]  \n> Words.", "> [!NOTE]\n>\n> Words.", "> [!NOTE] \n> Words."])
def test_the_mark_may_stand_by_itself(engine: str, body: str) -> None:
    assert flat(made(body, engine).html).endswith('<p class="callout-title">Note</p><p>Words.</p></blockquote>')


@both
def test_a_callout_may_be_only_a_title(engine: str) -> None:
    text = flat(made("> [!CAUTION] Mind the step", engine).html)
    assert text == '<blockquote class="callout caution"><p class="callout-title">Mind the step</p></blockquote>'


@both
def test_a_callout_holds_what_a_quote_holds(engine: str) -> None:
    body = "> [!NOTE]\n> Words [here](a.md).\n>\n> - one\n> - two\n>\n> ## A heading\n>\n> **[Go](b.md)**\n"
    frag = made(body, engine)
    assert [h.id for h in frag.headings] == ["a-heading"]
    assert [frag.html[ref.start : ref.end] for ref in frag.refs] == ["a.md", "b.md"]
    assert frag.html.count("<li>") == 2
    assert 'class="button">Go</a>' in frag.html


@both
def test_callouts_stand_in_lists_quotes_and_each_other(engine: str) -> None:
    assert 'class="callout note"' in made("- item\n\n    > [!NOTE]\n    > Words.\n", engine).html
    assert 'class="callout note"' in made("> Quote.\n>\n> > [!NOTE]\n> > Words.\n", engine).html
    assert made("> [!NOTE]\n>\n> > [!TIP]\n> > Words.\n", engine).html.count('class="callout-title"') == 2


@both
@pytest.mark.parametrize(
    "body",
    [
        "> Words [!NOTE]",
        "> Words.\n>\n> [!NOTE]\n> More.",
        "[!NOTE]\nWords.",
        "> [!REMARK]\n> Words.",
        "> [!NOTE]s\n> Words.",
        "> `[!NOTE]`\n> Words.",
        "```\n> [!NOTE]\n```",
        "> [!NOTE](a.md)\n> Words.",
    ],
)
def test_any_other_mark_stays_text(engine: str, body: str) -> None:
    assert "callout" not in made(body, engine).html


@both
@pytest.mark.parametrize("body", ["> [!NOTE] *one\n> two*", "> [!NOTE] [one\n> two](a.md)"])
def test_what_goes_on_behind_the_line_is_no_title(engine: str, body: str) -> None:
    text = flat(made(body, engine).html)
    assert '<p class="callout-title">Note</p><p><' in text


def test_a_line_that_ends_within_a_tag_is_no_title() -> None:
    text = made('> [!NOTE] ![one\n> two](a.png "x")', "python-markdown").html
    assert '<p class="callout-title">Note</p>\n<p><img alt="one\ntwo"' in text


@both
def test_the_first_paragraph_of_a_callout_is_its_text(engine: str) -> None:
    assert markdown.first_paragraph(made("> [!NOTE]\n> Leads are people.", engine).html) == "Leads are people."


def test_a_section_of_callouts_is_no_list_of_testimonials(site: Site) -> None:
    body = "Words.\n\n## Take care\n\n> [!NOTE]\n> Words.\n>\n> — Ana Ruiz, editor\n"
    site.write("content/a.md", page(body, layout="landing", description="x" * 100))
    site.ok()
    text = site.read("a/index.html")
    assert 'class="callout note"' in text
    assert "s-testimonials" not in re.sub(r"<style>.*?</style>", "", text, flags=re.S)


@both
def test_quotation_marks_and_dashes_become_typographic(engine: str) -> None:
    assert "“Leads” – it’s" in html.unescape(made('"Leads" -- it\'s\n', engine).html)


@both
def test_code_is_kept_to_the_letter(engine: str) -> None:
    text = made('```\n"a" -- {b} <c> [d](e.md)\n```\n', engine)
    assert '"a" -- {b} <c> [d](e.md)' in html.unescape(text.html)
    assert text.refs == ()


@both
def test_raw_html_passes_through(engine: str) -> None:
    assert '<div class="x" data-y="1">Words</div>' in made('<div class="x" data-y="1">Words</div>\n', engine).html


# --- the first paragraph ------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("body", "first"),
    [
        ("![A funnel](/f.webp)\n\nLeads are people.", "Leads are people."),
        ("![A funnel](/f.webp)\n\n**Key steps**\n\nLeads are people.", "Leads are people."),
        ("## A heading\n\nLeads are people.", "Leads are people."),
        ("[![A funnel](/f.webp)](/offer/)\n\nLeads are people.", "Leads are people."),
        ("Leads are *people* & [more](/x/).", "Leads are people & more."),
        ("> A quote.\n\nLeads are people.", "A quote."),
        ("- a\n- b\n\nLeads are people.", "Leads are people."),
        ("---\n\nLeads are people.", "Leads are people."),
        ("…\n\nLeads are people.", "Leads are people."),
        ("Leads &lt;b&gt; are `<i>`.", "Leads <b> are <i>."),
        ("![A funnel](/f.webp)", ""),
        ("", ""),
    ],
)
def test_the_first_paragraph_is_the_first_with_words_of_its_own(engine: str, body: str, first: str) -> None:
    assert markdown.first_paragraph(made(body, engine).html) == first


def test_a_description_is_taken_from_the_first_real_paragraph(site: Site) -> None:
    words = "Lead generation is the art of making strangers curious. " * 6
    site.write("content/a.md", page(f"**Key steps**\n\n{words}"))
    site.ok()
    found = re.search(r'<meta name="description" content="([^"]*)">', site.read("a/index.html"))
    assert found
    assert 70 <= len(found[1]) <= 160
    assert words.startswith(found[1].rstrip("…").rstrip())


# --- addresses ----------------------------------------------------------------------------------------------------


@both
def test_addresses_are_kept_as_written_with_their_kind(engine: str) -> None:
    frag = made("[a](../x.md#y) ![b](</my pic.png>) <https://example.org/?a=1&b=2>\n\n[c](form:checklist)", engine)
    found = [(ref.kind, ref.target.replace("%20", " ")) for ref in frag.refs]
    assert found == [
        ("link", "../x.md#y"), ("image", "/my pic.png"), ("link", "https://example.org/?a=1&b=2"), ("link", "form:checklist"),
    ]  # fmt: skip


RAW = [
    ("<a href='/a/'>x</a>", ["/a/"]),
    ("<a href=/a/ class=b>x</a>", ["/a/"]),
    ('<A HREF="/a/">x</A>', ["/a/"]),
    ('<img alt="a > b" src="/a.png">', ["/a.png"]),
    ('<video src="/a.mp4" poster="/a.png"></video>', ["/a.mp4", "/a.png"]),
    ('<form action="/a/"></form>', ["/a/"]),
    ('<!-- <a href="/a/">x</a> -->', []),
    ('<div data-href="/a/">x</div>', []),
    ("<div title='href=\"/a/\"'>x</div>", []),
    ('<a title="src=1" href="/a/">x</a>', ["/a/"]),
    ('<picture><source srcset="/a.webp"><img src="/a.png" alt=""></picture>', ["/a.webp", "/a.png"]),
]


@pytest.mark.parametrize(("body", "targets"), RAW, ids=[body for body, _ in RAW])
def test_addresses_in_raw_html_are_found(body: str, targets: list[str]) -> None:
    assert [ref.target for ref in made(f"<div>\n{body}\n</div>\n").refs] == targets


def test_a_script_is_left_alone() -> None:
    frag = made("<script>\nvar a = '<a href=\"/a/\">x</a>';\n</script>\n\n[x](/b/)\n")
    assert [ref.target for ref in frag.refs] == ["/b/"]


_PIECES = st.sampled_from(
    ["[a](b.md)", "![a](b.png)", "# ", "## A {#b .c}", "<a href='x'>", '<a href="é&amp;">', "<img src=x alt=>", "</a>", "<", ">", "`",
     "```\n", "\n\n", "\n", "| a |\n|:-:|\n| b |\n", "[^1]", "\n[^1]: c\n", "- [ ] ", "**", "*", "<!--", "-->", "<script>", "</script>",
     "&lt;", "&", '"', "'", "[a]: b 'c'\n", "<https://x.y>", "é🎉", "![](form:a)", "**[x](form:y)**", "<h1 id='a'>b</h1>", "\x00", "$", "> [!NOTE]", "> [!tip] a\n> b\n"]
)  # fmt: skip
BODIES = st.lists(_PIECES | st.text(max_size=8), max_size=14).map("".join)


@pytest.mark.parametrize("engine", sorted(ENGINES))
@given(body=BODIES)
def test_any_text_becomes_a_fragment_whose_addresses_are_where_they_are_said_to_be(engine: str, body: str) -> None:
    frag = made(body, engine)
    before = 0
    for ref in frag.refs:
        assert html.unescape(frag.html[ref.start : ref.end]) == ref.target
        assert before <= ref.tag_start < ref.start <= ref.end < ref.tag_end
        assert frag.html[ref.tag_start] == "<"
        assert frag.html[ref.tag_end - 1] == ">"
        before = ref.tag_end
    names = [heading.id for heading in frag.headings]
    assert len(names) == len(set(names))


@given(body=BODIES)
def test_putting_every_address_back_changes_nothing(body: str) -> None:
    frag = made(body)
    same = markdown.splice(frag.html, [(ref.start, ref.end, frag.html[ref.start : ref.end]) for ref in frag.refs])
    assert same == frag.html


@given(body=BODIES, target=st.text(max_size=6), kind=st.sampled_from(["link", "image", "other"]))
def test_looking_for_an_address_ends_at_a_place_in_the_file(body: str, target: str, kind: str) -> None:
    span, _ = markdown.locate(body, target, kind, 5)
    assert 5 <= span.line <= 5 + body.count("\n")
    assert span.column >= 1


@given(body=BODIES)
def test_the_same_text_is_made_into_the_same_fragment(body: str) -> None:
    assert made(body) == made(body)


# --- in a page ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_a_page_has_one_first_level_heading_with_either_engine(site: Site, engine: str) -> None:
    site.write("magnetgen.yaml", SETTINGS + f"markdown: {{engine: {engine}}}\n")
    site.write("content/a.md", page("# One\n\nWords.\n\n## Two\n\nWords.", title="Leads"))
    site.ok()
    text = site.read("a/index.html")
    assert re.findall(r"<h1[^>]*>(.*?)</h1>", text) == ["Leads"]
    assert '<h2 id="one">One</h2>' in text
    assert '<h3 id="two">Two</h3>' in text


def test_python_markdown_can_have_other_extensions(site: Site) -> None:
    site.write("magnetgen.yaml", SETTINGS + "markdown: {engine: python-markdown, extensions: [def_list]}\n")
    site.write("content/a.md", page("Words.\n\nLead\n:   A person."))
    site.ok()
    assert "<dt>Lead</dt>" in site.read("a/index.html")


def test_an_extension_that_is_not_there_is_a_fault_of_the_settings(site: Site) -> None:
    site.write("magnetgen.yaml", SETTINGS + "markdown: {engine: python-markdown, extensions: [nonesuch]}\n")
    site.write("content/a.md", page())
    found = site.build().diagnostics
    assert [(d.severity, d.path, d.span and d.span.line) for d in found] == [("error", "magnetgen.yaml", 4)]
    assert "nonesuch" in found[0].message


def test_a_table_of_contents_is_shown_only_where_it_is_asked_for(site: Site) -> None:
    body = "Words.\n\n## One\n\nWords.\n\n### Two\n\nWords."
    site.write("content/a.md", page(body, toc="true"))
    site.write("content/b.md", page(body.replace("Words", "Other"), title="B"))
    site.ok()
    assert re.findall(r'<nav class="toc".*?</nav>', site.read("a/index.html"), re.S)
    links = re.findall(r'href="#([^"]+)"', re.findall(r'<nav class="toc".*?</nav>', site.read("a/index.html"), re.S)[0])
    assert links == ["one", "two"]
    assert 'class="toc"' not in site.read("b/index.html")


def test_the_reading_time_is_shown_on_a_post(site: Site) -> None:
    site.write("content/posts/a.md", page("word " * 460, date="2025-05-08"))
    site.ok()
    assert "2 min read" in site.read("posts/a/index.html")


@pytest.mark.parametrize("fence", ["```html\n<h1>One</h1>\n```", "`<h1>`", "<!-- <h1>One</h1> -->"])
def test_a_heading_shown_as_code_or_commented_out_is_none(site: Site, fence: str) -> None:
    site.write("content/a.md", page(f"Words.\n\n{fence}"))
    site.ok()
    assert "h1" in site.read("a/index.html")
