"""Books as PDF, read back by other programs: what readers of any kind get, and that no text breaks it."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from hypothesis import given, settings
from PIL import Image

from magnetgen.magnets import typeset
from magnetgen.magnets.book import Book, Ending
from magnetgen.magnets.typeset import Faces, Typeset, TypesetError, card, pdf, pictures
from tests.conftest import ROOT
from tests.magnets.pdfs import book, html, picture, poppler
from tests.magnets.test_nodes import MARKUP

TWO = (
    ("First things", html("An opening with [a link](https://x.example/page).\n\n## A section\n\nIts text[^n].\n\n[^n]: The note.\n")),
    ("Second things", html("See [the section](#a-section) and [nothing](#nowhere).\n\n#### A gap\n\n- one\n- two\n")),
)  # fmt: skip
ENDING = Ending("What next", "Try it on a page of yours.", "Get the list", "https://x.example/list/")


def opened(made: Typeset) -> pikepdf.Pdf:
    return pikepdf.open(io.BytesIO(made.pdf))


def read(tmp_path: Path, made: Typeset, *options: str) -> str:
    return poppler(tmp_path, made.pdf, "pdftotext", *options)


def set_text(root: Path, markdown: str, **changes: Any) -> Typeset:
    return pdf(book(("A chapter", html(markdown)), **changes), root)


# --- what a reader's program is told ----------------------------------------------------------------------------


def test_a_book_says_what_it_is(tmp_path: Path) -> None:
    made = pdf(book(*TWO), tmp_path)
    info = poppler(tmp_path, made.pdf, "pdfinfo")
    facts = dict(re.findall(r"^([^:]+):\s+(.*)$", info, re.M))
    assert (facts["Title"], facts["Author"], facts["Tagged"]) == ("The field guide", "Ada Harbour", "yes")
    assert facts["Page size"].startswith("419.528 x 595.276") and int(facts["Pages"]) == made.pages
    assert facts["CreationDate"].startswith("Thu May 28") and facts["JavaScript"] == "no"
    with opened(made) as found:
        assert str(found.Root.Lang) == "en-GB"
        assert bool(found.Root.MarkInfo.Marked) and bool(found.Root.ViewerPreferences.DisplayDocTitle)
        assert str(found.open_metadata()["pdfuaid:part"]) == "1"
        assert found.check_pdf_syntax() == []


def test_every_font_is_in_the_file(tmp_path: Path) -> None:
    made = set_text(tmp_path, "Text, **bold**, *italic*, `code`, ☑ and Ж and Ω.\n")
    rows = poppler(tmp_path, made.pdf, "pdffonts").splitlines()[2:]
    assert len(rows) >= 4
    for row in rows:
        assert re.search(r"\s(yes) (yes|no)\s+(yes)\s+\d+\s+\d+$", row), row


def test_the_outline_and_the_contents_lead_to_the_chapters(tmp_path: Path) -> None:
    made = pdf(book(*TWO, ending=ENDING), tmp_path)
    assert made.headings == ((1, "First things"), (2, "A section"), (1, "Second things"), (2, "A gap"))
    with opened(made) as found, found.open_outline() as outline:
        titles = [item.title for item in outline.root]
        assert titles == ["Contents", "First things", "Second things", "Links in this book", "What next"]
        assert [item.title for item in outline.root[1].children] == ["A section"]
        links = [link for link in found.pages[1].get("/Annots", []) if "/Dest" in link or "/A" in link]
        assert len(links) >= 5
    contents = read(tmp_path, made, "-f", "2", "-l", "2")
    assert re.findall(r"(First things|A section|Second things|A gap)", contents) == [text for _, text in made.headings]


def test_headings_go_down_one_level_at_a_time(tmp_path: Path) -> None:
    made = pdf(book(("", html("## A\n\n#### B\n\n###### C\n\n## D\n")), toc=False), tmp_path)
    assert made.headings == ((1, "A"), (2, "B"), (3, "C"), (1, "D"))
    assert re.findall(r"^\s*(H\d)", poppler(tmp_path, made.pdf, "pdfinfo", "-struct-text"), re.M) == [
        "H1",
        "H2",
        "H3",
        "H1",
    ]


def test_the_text_is_read_in_its_order(tmp_path: Path) -> None:
    text = " ".join(read(tmp_path, pdf(book(*TWO), tmp_path)).split())
    at = 0
    for part in (
        "The field guide", "How to ask", "Ada Harbour", "Lead Lab", "Contents", "Second things", "First things", "An opening with a link",
        "A section", "Its text", "The note.", "Second things", "See the section", "A gap", "one", "two", "Links in this book",
    ):  # fmt: skip
        assert part in text[at:], part
        at = text.index(part, at) + len(part)


def test_chapters_of_a_book_begin_on_a_page_and_those_of_a_checklist_do_not(tmp_path: Path) -> None:
    for kind, pages in (("ebook", 3), ("guide", 3), ("checklist", 2), ("template", 2)):
        made = pdf(book(("A", "<p>a</p>"), ("B", "<p>b</p>"), kind=kind, toc=False), tmp_path)
        assert made.pages == pages, kind


def test_running_heads_name_the_book_and_the_chapter_but_not_where_it_opens(tmp_path: Path) -> None:
    made = set_text(tmp_path, "A sentence that is said again and again to fill a page.\n\n" * 80, toc=False)
    assert made.pages > 3
    first, later = (read(tmp_path, made, "-f", str(n), "-l", str(n)).splitlines()[0] for n in (2, 3))
    assert first == "A chapter" and later.startswith("The field guide")


# --- links, notes, boxes, pictures ------------------------------------------------------------------------------


def test_links_lead_out_in_and_nowhere(tmp_path: Path) -> None:
    made = pdf(book(*TWO, ending=ENDING), tmp_path)
    out = poppler(tmp_path, made.pdf, "pdfinfo", "-url")
    assert "https://x.example/page" in out and "https://x.example/list/" in out and "nowhere" not in out
    text = read(tmp_path, made)
    assert "See the section and nothing." in " ".join(text.split())
    assert "x.example/page" in text[text.index("Links in this book", text.index("Second things")) :]


def test_a_note_stands_at_the_foot_of_its_page(tmp_path: Path) -> None:
    made = pdf(book(*TWO, toc=False), tmp_path)
    page = read(tmp_path, made, "-f", "2", "-l", "2")
    assert page.index("Its text") < page.index("The note.") < page.rindex("2")
    assert "Note" in poppler(tmp_path, made.pdf, "pdfinfo", "-struct")


def test_two_chapters_may_use_the_same_names_for_their_notes(tmp_path: Path) -> None:
    chapters = [(name, html(f"Words[^n] and more[^n].\n\n[^n]: Note of {name}.\n")) for name in ("One", "Two")]
    made = pdf(book(*chapters, toc=False), tmp_path)
    for page, name in ((2, "One"), (3, "Two")):
        assert f"Note of {name}." in read(tmp_path, made, "-f", str(page), "-l", str(page))


def test_boxes_of_a_checklist_are_drawn_and_say_how_they_stand(tmp_path: Path) -> None:
    made = set_text(
        tmp_path, "- [x] a\n- [ ] b\n", kind="checklist", words={"book_done": "erledigt", "book_open": "offen"}
    )
    with opened(made) as found:
        alts = [str(item.Alt) for item in found.objects if isinstance(item, pikepdf.Dictionary) and "/Alt" in item]
    assert sorted(alts) == ["erledigt", "offen"]


def test_pictures_have_their_description_and_fit(tmp_path: Path) -> None:
    picture(tmp_path / "media" / "a.png", (2400, 1200))
    picture(tmp_path / "media" / "tall.png", (300, 3000))
    made = set_text(
        tmp_path, "![Two fields](media/a.png)\n\n![](media/a.png)\n\n![Tall](media/tall.png)\n\nb\n", toc=False
    )
    with opened(made) as found:
        alts = [str(item.Alt) for item in found.objects if isinstance(item, pikepdf.Dictionary) and "/Alt" in item]
        widths = [
            int(item.Width)
            for item in found.objects
            if isinstance(item, pikepdf.Stream) and item.get("/Subtype") == "/Image"
        ]
    assert sorted(alts) == ["Tall", "Two fields"]
    assert max(widths) <= 148 / 25.4 * 300 + 1


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.webp", "a.avif", "a.tiff", "a.bmp"])
def test_pictures_of_many_formats_are_set(tmp_path: Path, name: str) -> None:
    picture(tmp_path / "media" / name)
    made = set_text(tmp_path, f"![A picture](media/{name})\n")
    assert "1" in poppler(tmp_path, made.pdf, "pdfimages", "-list")


IN_A_LINE = {
    "paragraph": "<p>hi {img} more</p>",
    "end of a paragraph": "<p>hi<br>{img}</p>",
    "styles": "<p>hi <strong>a <em>b {img} c</em></strong> d</p>",
    "link": '<p>hi <a href="https://x.example">a {img} b</a> and <a href="#second">c {img2} d</a></p><p id="second">e</p>',
    "list": "<ul><li>hi {img} more<ul><li>{img2} inner</li></ul></li></ul>",
    "loose list": "<ol><li><p>hi {img} more</p><p>b</p></li></ol>",
    "tasks": '<ul><li class="task"><label><input type="checkbox"> hi {img} more</label></li></ul>',
    "cell": "<table><tr><th>A {img}</th><th>B</th></tr><tr><td>hi {img2} more</td><td>b</td></tr></table>",
    "quote": "<blockquote><p>hi {img} more</p></blockquote>",
    "callout": '<blockquote class="callout tip"><p class="callout-title">T {img}</p><p>hi {img2} more</p></blockquote>',
    "heading": "<h2>A {img} heading</h2><p>b</p><blockquote><h3>c {img2}</h3></blockquote>",
    "caption": "<figure>{img}<figcaption>hi {img2} more</figcaption></figure>",
    "definition": "<dl><dt>T {img}</dt><dd>hi {img2} more</dd></dl>",
    "summary": "<details><summary>hi {img}</summary><p>more</p></details>",
    "note": '<p>a<sup class="footnote-reference"><a href="#n">1</a></sup></p>'
    '<div class="footnotes"><ol><li id="n"><p>hi {img} more</p></li></ol></div>',
    "loose words": "hi {img} more",
}


@pytest.mark.parametrize("size", [(16, 16), (400, 300), (200, 30), (20, 300)])
@pytest.mark.parametrize("place", IN_A_LINE)
def test_a_picture_in_a_line_is_shown_wherever_it_stands(tmp_path: Path, place: str, size: tuple[int, int]) -> None:
    picture(tmp_path / "a.png", size)
    picture(tmp_path / "b.png", (size[0] + 1, size[1]))
    text = IN_A_LINE[place].replace("{img}", '<img src="a.png" alt="First">')
    text = text.replace("{img2}", '<img src="b.png" alt="Second">')
    made = pdf(book(("A", text)), tmp_path)
    assert made.warnings == ()
    expected = text.count("<img")
    rows = poppler(tmp_path, made.pdf, "pdfimages", "-list").splitlines()[2:]
    assert len([row for row in rows if " image " in row]) == expected
    with opened(made) as found:
        alts = [str(item.Alt) for item in found.objects if isinstance(item, pikepdf.Dictionary) and "/Alt" in item]
    assert {"First", "Second"} & set(alts) == {"First", "Second"} if expected == 2 else "First" in alts


def test_a_small_picture_stands_in_its_line_and_a_large_one_parts_it(tmp_path: Path) -> None:
    (tmp_path / "small.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect width="24" height="24"/></svg>'
    )
    picture(tmp_path / "small.png", (24, 24))
    picture(tmp_path / "large.png", (800, 600))
    for name, together in (("small.png", True), ("small.svg", True), ("large.png", False)):
        made = set_text(tmp_path, f"before ![x]({name}) after\n", toc=False)
        lines = [line.split() for line in read(tmp_path, made, "-f", "2", "-layout").splitlines()]
        assert (["before", "after"] in lines) == together, name
        assert together or (["before"] in lines and ["after"] in lines)


def test_svg_and_transparent_pictures_are_set(tmp_path: Path) -> None:
    (tmp_path / "a.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 9"><rect width="4" height="9"/></svg>'
    )
    Image.new("RGBA", (20, 20), (9, 9, 9, 90)).save(tmp_path / "b.png")
    Image.new("CMYK", (20, 20)).save(tmp_path / "c.jpg")
    Image.new("P", (20, 20)).save(tmp_path / "d.gif")
    assert set_text(tmp_path, "![A](a.svg)\n\n![B](b.png)\n\n![C](c.jpg) in a line ![D](d.gif)\n").pages >= 3


def test_a_turned_photo_stands_upright_and_says_nothing_of_its_place(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a secret garden"
    picture(tmp_path / "cover.jpg", (400, 300), exif=exif)
    made = book(("A", "<p>a</p>"), cover="cover.jpg", cover_alt="A half")
    assert b"secret garden" not in pdf(made, tmp_path).pdf
    page = Image.open(io.BytesIO(pictures(made, tmp_path, [1], 300)[0])).convert("RGB")
    top, bottom = page.getpixel((150, 20)), page.getpixel((150, 350))
    assert isinstance(top, tuple) and isinstance(bottom, tuple)
    assert top[1] < 60 < 200 < bottom[1], "its left half, which is red, is the upper one when it is turned"


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + b"\x00" * 40])
@pytest.mark.parametrize("place", ["text", "cover"])
def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path, content: bytes, place: str) -> None:
    (tmp_path / "bad.png").write_bytes(content)
    made = book(
        ("A", html("![x](bad.png)\n") if place == "text" else "<p>a</p>"), cover="bad.png" if place == "cover" else ""
    )
    with pytest.raises(TypesetError, match=r"bad\.png"):
        pdf(made, tmp_path)


@pytest.mark.parametrize("content", ["<svg", "<svg xmlns='http://www.w3.org/2000/svg'><g></svg>"])
def test_a_drawing_that_cannot_be_read_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "bad.svg").write_text(content)
    with pytest.raises(TypesetError, match=r"bad\.svg"):
        set_text(tmp_path, "![x](bad.svg)\n")


@pytest.mark.parametrize("source", ["../outside.png", "/../outside.png", "missing.png", "media"])
def test_pictures_come_from_the_site_alone(tmp_path: Path, source: str) -> None:
    (tmp_path / "site" / "media").mkdir(parents=True)
    picture(tmp_path / "outside.png")
    with pytest.raises(TypesetError, match="cannot be read"):
        set_text(tmp_path / "site", f"![x]({source})\n")


# --- the same bytes ---------------------------------------------------------------------------------------------

AGAIN = """
import hashlib, sys
from pathlib import Path
from magnetgen.magnets.typeset import card, pdf, pictures
from tests.magnets.test_typeset import rich
root = Path(sys.argv[1])
made = [pdf(rich(), root).pdf, card(rich(), root), *pictures(rich(), root, [1, 3], 400)]
print([hashlib.sha256(one).hexdigest() for one in made])
"""


def rich() -> Book:
    return book(
        *TWO, ("Third", html("![x](media/a.webp)\n\n日本 and 😀\n")), ending=ENDING, cover="media/a.webp", cover_alt="x"
    )


def test_two_processes_make_the_same_bytes(tmp_path: Path) -> None:
    picture(tmp_path / "media" / "a.webp", (1600, 900))
    answers = []
    for number, place in enumerate(("one", "two")):
        (tmp_path / place).mkdir()
        env = {
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
            "PYTHONHASHSEED": str(number),
            "TMPDIR": str(tmp_path / place),
        }
        answers.append(
            subprocess.run(
                [sys.executable, "-c", AGAIN, str(tmp_path)], env=env, check=True, capture_output=True
            ).stdout
        )
    assert answers[0] == answers[1] and answers[0].count(b"'") == 8


def test_without_a_date_there_is_none(tmp_path: Path) -> None:
    made = pdf(book(*TWO, date=""), tmp_path)
    assert (
        "CreationDate" not in poppler(tmp_path, made.pdf, "pdfinfo")
        and made.pdf == pdf(book(*TWO, date=""), tmp_path).pdf
    )


# --- covers and cards -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ebook", "guide", "checklist", "template"])
@pytest.mark.parametrize("paper", ["a5", "a4", "letter"])
def test_covers_are_pictures_of_the_first_page(tmp_path: Path, kind: str, paper: str) -> None:
    made = book(*TWO, kind=kind, paper=paper, ending=ENDING)
    (cover,) = pictures(made, tmp_path, [1], 320)
    both = pictures(made, tmp_path, [1, 2, 999], 320)
    assert both[0] == cover and len(both) == 2
    assert "Try it on a page of yours." in read(tmp_path, pdf(made, tmp_path))
    found = Image.open(io.BytesIO(cover)).convert("RGB")
    assert abs(found.width - 320) <= 1 and found.height > found.width
    assert found.getpixel((3, 3)) == (0x0B, 0x6E, 0x4F)


@pytest.mark.parametrize(
    ("kind", "paper", "toc"),
    [("ebook", "a5", True), ("guide", "letter", True), ("checklist", "a5", True), ("ebook", "a4", False)],
)
def test_first_pages_are_drawn_alone_and_look_as_among_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, paper: str, toc: bool
) -> None:
    picture(tmp_path / "a.png")
    words = "Words that go on for a while, until the line turns and the page does, too. " * 9
    text = f"## Part[^n] ![x](a.png)\n\n{words}[a](https://x.example/a) and [on](#far).\n\n{words}\n\n[^n]: A note.\n\n"
    chapters = [(f"Chapter {number}", html(text + f"### More\n\n{words * 2}\n")) for number in range(14)]
    long = book(*chapters, ("Far", '<p id="far">There.</p>'), kind=kind, paper=paper, toc=toc, ending=ENDING)
    count = pdf(long, tmp_path).pages
    drawn: list[int] = []
    whole = typeset._pages

    def counted(*args: Any, **how: Any) -> list[bytes]:
        made = whole(*args, **how)
        drawn.append(len(made))
        return made

    monkeypatch.setattr(typeset, "_pages", counted)
    every = pictures(long, tmp_path, range(1, count + 1), 200)
    assert len(every) == count and pictures(long, tmp_path, range(2, 6), 200) == every[1:5]
    assert drawn[0] == count and 5 <= drawn[1] <= count - 3


def test_a_card_has_the_size_of_cards(tmp_path: Path) -> None:
    assert Image.open(io.BytesIO(card(book(*TWO), tmp_path))).size == (1200, 630)


@pytest.mark.parametrize(
    "title",
    [
        "A" * 200,
        "Wort" * 50,
        " ".join(["considerable"] * 16)[:200],
        "W" * 80,
        "日本語" * 20,
        "a",
        "#let x = 1 $y$ @z",
        "  ",
        "😀😀",
    ],
)
@pytest.mark.parametrize("paper", ["a5", "a4"])
def test_a_long_title_stays_on_the_cover(tmp_path: Path, title: str, paper: str) -> None:
    made = book(
        *TWO,
        title=title,
        subtitle=title,
        author=title,
        publisher=title,
        paper=paper,
        ending=Ending(title, title, title, "https://x.example"),
    )
    with opened(pdf(made, tmp_path)) as found:
        assert [item.title for item in found.open_outline().root][1] == "First things"
    page = Image.open(io.BytesIO(pictures(made, tmp_path, [1], 400)[0])).convert("RGB")
    for edge in (
        page.crop((390, 0, 400, page.height // 3)),
        page.crop((0, 0, 20, page.height)),
        page.crop((0, 0, 400, 20)),
    ):
        assert edge.getcolors() == [(edge.width * edge.height, (0x0B, 0x6E, 0x4F))], "text or a drawing at the edge"
    assert Image.open(io.BytesIO(card(made, tmp_path))).size == (1200, 630)


# --- texts that are not kind ------------------------------------------------------------------------------------

HOSTILE = {
    "markup": '#import "x": * $ a $ @ref <label> \\\\ \\u{41} " \' `x` = h - l + e / t ~ _ * [b] #panic() // c /* d */ https://x.example',
    "invisible": "a\u200bb\u200cc\u200dd\u2060e\u00adf\ufeffg\u202eh\u2066i\u2028j\ufe0f",
    "control": "a\x01b\x1bc\x7fd",
    "right to left": "שלום עולם and مرحبا",
    "far away": "日本語 한국어 ไทย हिन्दी 😀 👩‍👩‍👧 🇩🇪 \U000e0001 \ue000 \uffff \U0010ffff",
    "one word": "x" * 80 + " " + "Donaudampfschiffahrtsgesellschaft" * 5 + " https://x.example/" + "a/" * 200,
    "marks on letters that have none": "0\u1dc0 x\u0363 \u0915\u094d 1\ufe0f\u20e3 \u05d0\u1dc0",
    "combining": "Z" + "\u0301" * 300,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_text(tmp_path: Path, name: str) -> None:
    said = HOSTILE[name]
    marked = said.replace("&", "&amp;").replace("<", "&lt;")
    chapter = f'<h2 id="a">{marked}</h2><p>{marked} <code>{marked}</code></p><pre>{marked}</pre><ul><li>{marked}</ul>'
    table = f"<table><tr><th>{marked}</th></tr><tr><td>{marked}</td></tr></table>"
    made = pdf(book((said, chapter + table), subtitle=said, words={"book_contents": said}), tmp_path)
    if name == "markup":
        assert " ".join(read(tmp_path, made).split()).count("#panic()") >= 5


def test_what_no_font_has_is_told_once_and_marked(tmp_path: Path) -> None:
    made = set_text(tmp_path, "A 日 b 日 c 😀 d.\n")
    (warning,) = made.warnings
    assert "日 😀" in warning and warning.count("日") == 1
    assert set_text(tmp_path, "[a](https://x.example/日)\n").warnings == (), (
        "an address is not printed here as it is written"
    )
    assert "A □ b □ c d." in " ".join(read(tmp_path, made).split())


def test_a_megabyte_of_text(tmp_path: Path) -> None:
    made = set_text(tmp_path, ("A sentence of some words, again and again. " * 24 + "\n\n") * 1000)
    assert made.pages > 300


def test_ten_thousand_items(tmp_path: Path) -> None:
    for mark in ("- [ ]", "1.", "-"):
        assert set_text(tmp_path, f"{mark} an item\n" * 10_000, kind="checklist", paper="a4").pages > 50


@pytest.mark.parametrize(
    "tag",
    [
        "ul><li",
        "blockquote",
        "div",
        "em",
        "ol><li><p",
        "table><tr><td",
        "a href=#x",
        "dl><dd",
        'blockquote class="callout tip"',
    ],
)
def test_deep_nesting(tmp_path: Path, tag: str) -> None:
    made = pdf(book(("A", f"<{tag}>x" * 500 + "end")), tmp_path)
    assert "end" in read(tmp_path, made)


def test_a_wide_table_stays_within_its_measure(tmp_path: Path) -> None:
    row = "| " + " | ".join(["September", "10,380.00", "Unübersichtlichkeiten"] * 4) + " |\n"
    made = set_text(tmp_path, row + "|" + "-|" * 12 + "\n" + row * 80, toc=False)
    boxes = poppler(tmp_path, made.pdf, "pdftotext", "-bbox")
    assert "xMax" in boxes
    assert max(float(x) for x in re.findall(r'<word [^>]*xMax="([\d.]+)"', boxes)) < 419.5 - 40
    assert read(tmp_path, made).count("Sep") > 80 + 1, "its head is repeated"


@pytest.mark.parametrize("chapters", [(), (("", ""),), (("A", ""),), (("", "<p></p>"), ("B", "<hr>"))])
@pytest.mark.parametrize("kind", ["ebook", "checklist"])
def test_an_empty_book_is_a_book(tmp_path: Path, chapters: tuple[tuple[str, str], ...], kind: str) -> None:
    made = pdf(
        book(*chapters, kind=kind, subtitle="", author="", publisher="", url="", language="", brand="", ink=""),
        tmp_path,
    )
    assert made.pages >= 1


@pytest.mark.parametrize("language", ["de", "pt-BR", "zh-Hans-CN", "x", "english", "de_AT", "en-GB-oxendict"])
def test_languages_of_any_shape(tmp_path: Path, language: str) -> None:
    assert pdf(book(*TWO, language=language), tmp_path).pages > 3


def test_ids_that_come_twice_or_are_odd(tmp_path: Path) -> None:
    text = '<h2 id="a b">x</h2><p id="a b">y</p><h2 id="mg-pages">z</h2><p><a href="#a b">w</a><a href="#mg-pages">v</a></p>'
    assert pdf(book(("A", text), ("B", text)), tmp_path).warnings == ()


@pytest.mark.parametrize(
    "heading",
    [
        "😀",
        "\u200b",
        "\u00a0",
        "<img src='a.png' alt='A b'>",
        "<img src='a.png' alt=''>",
        "<code>x</code>",
        "<em> </em>",
        "□",
        "[^n]",
    ],
)
def test_headings_of_no_words(tmp_path: Path, heading: str) -> None:
    picture(tmp_path / "a.png")
    assert pdf(book(("A", f"<h2>{heading}</h2><p>b</p>"), (heading, "<p>b</p>")), tmp_path).pages >= 3


def test_a_note_in_a_heading_is_not_in_the_contents(tmp_path: Path) -> None:
    made = set_text(
        tmp_path, "## A section[^n]\n\nText.\n\n| A[^n] | B[^m] |\n|-|-|\n| 1 | 2 |\n\n[^n]: The note.\n[^m]: Other.\n"
    )
    assert made.headings[-1] == (2, "A section")
    assert read(tmp_path, made).count("The note.") == 1


@settings(max_examples=25, deadline=None)
@given(MARKUP)
def test_any_html_can_be_set(tmp_path_factory: pytest.TempPathFactory, markup: str) -> None:
    root = tmp_path_factory.getbasetemp() / "any"
    if not root.is_dir():
        picture(root / "a.png")
    assert pdf(book(("A", markup)), root).pages >= 2


# --- fonts of a theme -------------------------------------------------------------------------------------------


def test_a_theme_may_bring_fonts_and_is_told_of_names_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(TypesetError, match=r'no font "Nowhere Sans".*Libertinus Serif'):
        pdf(book(*TWO), tmp_path, Faces(text="Nowhere Sans"))
    made = pdf(book(*TWO), tmp_path, Faces(folders=(tmp_path,), text="New Computer Modern"))
    assert "NewCM" in poppler(tmp_path, made.pdf, "pdffonts")


@pytest.mark.parametrize("kind", ["ebook", "guide", "checklist", "template"])
def test_no_word_of_a_cover_or_a_heading_runs_off_the_page(tmp_path: Path, kind: str) -> None:
    chapters = (("Rechtsschutzversicherungsgesellschaften", html("Worte.\n")), ("Kurz", html("Worte.\n")))
    made = pdf(book(*chapters, kind=kind, title="Der Dachratgeber", language="de"), tmp_path)
    boxes = poppler(tmp_path, made.pdf, "pdftotext", "-bbox")
    width = float(re.findall(r'<page width="([\d.]+)"', boxes)[0])
    words = re.findall(r'<word [^>]*xMax="([\d.]+)"[^>]*>([^<]*)<', boxes)
    assert {"Dachratgeber", "Rechtsschutzversicherungsgesellschaften"} <= {word for _, word in words}
    assert not [word for right, word in words if float(right) > 0.95 * width]


def test_the_running_head_names_no_contents(tmp_path: Path) -> None:
    chapters = (("", html("Words before everything.\n\n## A chapter\n\nIts words.\n")),)
    made = pdf(book(*chapters, kind="guide", toc=True), tmp_path)
    (page,) = (text for text in read(tmp_path, made).split("\f") if "Words before everything" in text)
    assert "Contents" not in page
