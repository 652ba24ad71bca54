"""Front matter of magnets: what is right, and what each slip is told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Site, page

OTHER = "A page of another kind, with words of its own, so that nobody takes one of the two for the other."
ABOUT = "What to look at before the autumn rain comes, and what each of the faults costs if you wait."


def magnet(body: str = "## One\n\nWords of the book.", **front: Any) -> str:
    return page(body, **{"title": "The guide", "kind": "guide", "description": ABOUT, **front})


@pytest.mark.parametrize(
    ("front", "code", "line", "column", "hint"),
    [
        ({"kind": "ebok"}, "magnet-kind", 3, 7, 'did you mean "ebook"?'),
        ({"formats": "[pdf, docx]"}, "wrong-value", 5, 16, "Known: pdf, epub"),
        ({"formats": "[]"}, "wrong-value", 5, 10, ""),
        ({"paper": "a3"}, "wrong-value", 5, 8, "Known: a5, a4, letter"),
        ({"valid_for": "3 fortnights"}, "duration-invalid", 5, 12, "write it as 45 minutes, 72 hours or 7 days"),
        ({"valid_for": "1 minute"}, "duration-invalid", 5, 12, "10 minutes to 366 days"),
        ({"valid_for": "53 weeks"}, "duration-invalid", 5, 12, "10 minutes to 366 days"),
        ({"chapter": "a.md"}, "unknown-key", 5, 1, 'did you mean "chapters"?'),
        ({"join_url": "https://meet.example/x"}, "magnet-key", 5, 11, "it takes"),
        ({"preview": "9"}, "wrong-value", 5, 10, ""),
        ({"toc": "perhaps"}, "wrong-type", 5, 6, "write true or false"),
        ({"faq": "[{question: Why?}]"}, "missing-key", 5, 7, "answer"),
        ({"kind": "webinar"}, "magnet-incomplete", 3, 7, "start"),
        ({"kind": "webinar", "start": "2026-12-04 16:00"}, "magnet-incomplete", 3, 7, "join_url"),
        ({"kind": "webinar", "start": "soon", "join_url": "https://m.example/"}, "date-invalid", 5, 8, "2025-05-08"),
        (
            {"kind": "webinar", "start": "9999-12-31 23:59", "join_url": "https://m.example/"},
            "date-invalid",
            5,
            8,
            "2026",
        ),
        ({"kind": "webinar", "start": "0001-01-01", "join_url": "https://m.example/"}, "date-invalid", 5, 8, "2026"),
        ({"kind": "webinar", "duration": "9999 weeks"}, "duration-invalid", 5, 11, "2 hours"),
        ({"kind": "webinar", "timezone": "Berlin"}, "timezone", 5, 11, "Europe/Berlin"),
        ({"kind": "discount"}, "magnet-incomplete", 3, 7, "code"),
        ({"kind": "discount", "code": "A", "codes": "a.txt"}, "magnet-key", 6, 8, "take one of the two out"),
        ({"kind": "discount", "code": "A" * 65}, "magnet-code", 5, 7, "shorten it"),
        ({"kind": "trial"}, "magnet-incomplete", 3, 7, "url"),
        ({"kind": "link", "url": "example.com/x"}, "magnet-url", 5, 6, "https://example.com/page"),
        ({"kind": "trial", "url": "https://a.example/", "label": "Take {{code}}"}, "mail-hole-syntax", 6, 8, "braces"),
        ({"kind": "link", "url": "https://user@a.example/"}, "magnet-url", 5, 6, "https://example.com/page"),
        ({"kind": "link", "url": "javascript:alert(1)"}, "magnet-url", 5, 6, "https://example.com/page"),
        ({"kind": "link", "url": "https://a.example/", "code": "A"}, "magnet-key", 6, 7, "it takes label, url"),
        ({"kind": "file"}, "magnet-incomplete", 3, 7, "file"),
    ],
)
def test_a_slip_is_told_at_its_place(
    site: Site, front: dict[str, Any], code: str, line: int, column: int, hint: str
) -> None:
    site.write("content/magnets/guide.md", magnet(**front))
    found = site.fault(code)
    assert (found.path, found.severity) == ("content/magnets/guide.md", "error")
    assert found.span is not None
    assert (found.span.line, found.span.column) == (line, column)
    assert hint in found.hint


def test_a_name_that_no_form_could_have(site: Site) -> None:
    site.write("content/magnets/The Guide.md", magnet())
    found = site.fault("file-name")
    assert (found.path, found.hint) == ("content/magnets/The Guide.md", "rename it to the-guide.md")


def test_a_chapter_may_lie_in_a_folder_of_its_own(site: Site) -> None:
    site.write("content/magnets/guide.md", magnet(chapters="[guide/01 Start.md]"))
    site.write("content/magnets/guide/01 Start.md", page("Words of a chapter.", title="The start", kind="chapter"))
    site.ok()
    assert "The start" in site.read("guide/index.html")


@pytest.mark.parametrize(
    ("address", "message", "hint"),
    [
        ("../posts/nothing.md", 'there is no chapter "../posts/nothing.md"', "did you mean ../posts/something.md?"),
        ("../posts/later.md", '"../posts/later.md" is not published: draft', "kind: chapter"),
        ("guide.md", '"guide.md" is a magnet itself', "kind: chapter"),
        ("../posts/broken.md", '"../posts/broken.md" has a fault of its own', "mend it first"),
    ],
)
def test_a_chapter_that_is_not_there(site: Site, address: str, message: str, hint: str) -> None:
    site.write("content/posts/something.md", page(title="Something", date="2026-01-01"))
    site.write("content/posts/later.md", page(title="Later", date="2026-01-01", draft="true"))
    site.write("content/posts/broken.md", page(title="Broken", date="someday"))
    site.write("content/magnets/guide.md", magnet(chapters=f"[{address}]"))
    found = site.fault("magnet-chapter")
    assert (found.message, found.path) == (message, "content/magnets/guide.md")
    assert hint in found.hint
    assert found.span is not None and found.span.line == 5


def test_links_and_pictures_of_a_book_are_checked_like_those_of_a_page(site: Site) -> None:
    body = "## One\n\n[gone](../posts/gone.md), [nowhere](#none) and ![a roof](roof.png)"
    site.write("content/magnets/guide.md", magnet(body))
    found = {(d.code, d.span.line if d.span else 0, d.span.column if d.span else 0) for d in site.build().diagnostics}
    assert {("link-broken", 9, 8), ("link-anchor", 9, 37), ("media-missing", 9, 58)} == found


def test_a_cover_that_is_not_there(site: Site) -> None:
    site.write("content/magnets/guide.md", magnet(cover="/media/guide.webp"))
    found = site.fault("media-missing")
    assert found.span is not None and (found.span.line, found.span.column) == (5, 8)
    assert found.message == 'there is no picture "/media/guide.webp"'


def test_a_call_to_action_that_is_not_there(site: Site) -> None:
    site.write("content/magnets/guide.md", magnet(cta="demo"))
    assert site.fault("cta-unknown").path == "content/magnets/guide.md"


def test_a_book_without_a_text(site: Site) -> None:
    site.write("content/magnets/guide.md", magnet(""))
    assert site.fault("magnet-empty").message == "this magnet has no text"


def test_a_webinar_takes_as_long_over_a_change_of_the_clocks(site: Site) -> None:
    """In Berlin, summer time begins on 29 March 2026 at two o'clock."""
    front = {
        "kind": "webinar", "start": "2026-03-29 01:30", "duration": "90 minutes", "timezone": "Europe/Berlin",
        "join_url": "https://meet.example/x",
    }  # fmt: skip
    site.write("content/magnets/talk.md", magnet("", title="A talk", **front))
    site.build(now=1_770_000_000.0)
    html = site.read("talk/index.html")
    assert '"startDate":"2026-03-29T01:30:00+01:00","endDate":"2026-03-29T04:00:00+02:00"' in html


def test_addresses_of_the_site_are_known_in_a_book(site: Site) -> None:
    site.write("content/posts/one.md", page(title="One", date="2026-01-01", tags="[roofs]"))
    site.write(
        "content/magnets/guide.md",
        magnet("[a](/posts/one/) [b](/posts/) [c](/tags/roofs/) [d](/feed.xml) [e](/guide/)"),
    )
    assert not [d for d in site.build().diagnostics if d.code == "link-broken"]


def test_a_time_that_clocks_skip(site: Site) -> None:
    front = {
        "kind": "webinar",
        "start": "2027-03-28 02:30",
        "timezone": "Europe/Berlin",
        "join_url": "https://m.example/",
    }
    site.write("content/magnets/talk.md", magnet("", title="A talk", **front))
    assert site.fault("magnet-time").message.startswith("there is no 02:30 on that day in Europe/Berlin")
