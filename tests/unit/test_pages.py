"""What is published, where, and how it is listed."""

from __future__ import annotations

import os
import re
from html import unescape

import pytest

from tests.conftest import NOW, SETTINGS, Site, page
from tests.unit.test_faults import picture

SPOILT = "LeadCraftr’s".encode().decode("cp1252")
SEED_ONE = f"""---
title: "How Leads Are Found"
date: 2025-05-08
image: "/media/how-leads-are-found.webp"
tags:
  - post
---

![How Leads Are Found](/media/how-leads-are-found.webp)

Finding leads is the process of making strangers curious enough to tell you who they are, and of giving them a reason to.

**Key Steps**

1. **Know the Reader**\x20\x20
   Who is it for? This includes **needs, hopes, and habits**.

2. **Offer One Thing**\x20\x20
   A checklist (short), a guide or a call.

**Tools**\x20\x20
A list, and patience.

For more, visit [{SPOILT} comprehensive guide](https://leadcraftr.com/posts/lead-generation/).
"""
SEED_TWO = """---
title: "What Is a Lead, and How Does It Work?"
date: 2025-05-08
image: "/media/what-is-a-lead.webp"
tags:
  - post
  - customer acquisition
---

![What Is a Lead, and How Does It Work?](/media/what-is-a-lead.webp)

A lead is somebody who told you how to reach them—known by name or not—and who agreed to hear from you again.

## Understanding the Lead

1. **Attract**\x20\x20
   Words that help.

## In Short

Ask for less.
"""


@pytest.fixture
def seeds(site: Site) -> Site:
    """Two unedited posts in a site that has only three lines of settings; their pictures are not there."""
    site.write("magnetgen.yaml", "title: Lead Lab\nbase_url: https://example.com\nlanguage: en\n")
    site.write("content/posts/how-leads-are-found.md", SEED_ONE)
    site.write("content/posts/what-is-a-lead.md", SEED_TWO)
    return site


def titles(text: str) -> list[str]:
    """Titles of the teasers on a page."""
    listed = re.findall(r'<ul class="teasers">.*?</ul>', text, re.S)
    return re.findall(r"<h[23]><a [^>]*>(.*?)</a></h[23]>", listed[0]) if listed else []


# --- unedited posts -----------------------------------------------------------------------------------------------


def test_unedited_posts_build_without_an_error(seeds: Site) -> None:
    result = seeds.build()
    assert [(d.code, d.severity) for d in result.diagnostics] == [
        ("image-missing", "warning"), ("mojibake", "warning"), ("image-missing", "warning"),
    ]  # fmt: skip
    assert not result.failed


def test_an_unedited_post_becomes_a_page_with_a_form_and_no_broken_picture(seeds: Site) -> None:
    seeds.build()
    text = seeds.read("posts/how-leads-are-found/index.html")
    assert "<h1>How Leads Are Found</h1>" in text
    assert "<img" not in text.partition("<main")[2]
    assert ".webp" not in text
    assert 'action="/api/forms/newsletter"' in text
    assert "<br>" in text
    assert re.search(r'<meta name="description" content="Finding leads is the process', text)


def test_the_posts_are_listed_on_the_home_page_and_in_their_collection(seeds: Site) -> None:
    seeds.build()
    both = {"How Leads Are Found", "What Is a Lead, and How Does It Work?"}
    assert set(titles(seeds.read("index.html"))) == both
    assert set(titles(seeds.read("posts/index.html"))) == both


def test_the_tag_that_names_the_collection_is_not_shown_and_a_tag_of_two_words_is(seeds: Site) -> None:
    seeds.build()
    assert sorted(p.name for p in (seeds.root / "public/tags").iterdir()) == ["customer-acquisition"]
    text = seeds.read("posts/what-is-a-lead/index.html")
    assert re.findall(r'<a href="(/tags/[^"]*)">(.*?)</a>', text) == [
        ("/tags/customer-acquisition/", "customer acquisition")
    ]
    assert "/tags/" not in seeds.read("posts/how-leads-are-found/index.html")
    assert titles(seeds.read("tags/customer-acquisition/index.html")) == ["What Is a Lead, and How Does It Work?"]


# --- pictures -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("repeated", ["/media/f.png", "../../media/f.png", '/media/f.png "A title"'])
def test_a_picture_that_leads_the_text_too_is_shown_once(site: Site, repeated: str) -> None:
    site.write("media/f.png", picture(40, 30))
    site.write(
        "content/posts/a.md", page(f"![A funnel]({repeated})\n\nWords.", date="2025-05-08", image="/media/f.png")
    )
    site.ok()
    (tag,) = re.findall(r"<img[^>]*>", site.read("posts/a/index.html").partition("<main")[2])
    assert 'alt="A funnel"' in tag
    assert 'width="40" height="30"' in tag
    assert 'fetchpriority="high"' in tag
    assert "lazy" not in tag


def test_a_repeated_picture_further_down_is_shown_there_too(site: Site) -> None:
    site.write("media/f.png", picture())
    site.write(
        "content/posts/a.md", page("Words.\n\n![A funnel](/media/f.png)", date="2025-05-08", image="/media/f.png")
    )
    site.ok()
    assert len(re.findall(r"<img[^>]*>", site.read("posts/a/index.html").partition("<main")[2])) == 2


def test_another_leading_picture_is_shown_besides(site: Site) -> None:
    site.write("media/f.png", picture())
    site.write("media/g.png", picture(9, 9))
    site.write("content/posts/a.md", page("![Other](/media/g.png)\n\nWords.", date="2025-05-08", image="/media/f.png"))
    site.ok()
    assert len(re.findall(r"<img[^>]*>", site.read("posts/a/index.html").partition("<main")[2])) == 2


def test_a_description_never_comes_from_the_leading_picture(site: Site) -> None:
    site.write("media/f.png", picture())
    site.write("content/a.md", page("![A funnel of leads](/media/f.png)\n\n## A heading\n\nThe real words."))
    site.ok()
    assert '<meta name="description" content="The real words.">' in site.read("a/index.html")


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
def test_a_picture_that_cannot_be_read_is_an_error_of_the_picture(site: Site, data: bytes) -> None:
    site.write("media/f.png", data)
    found = site.fault("image-unreadable")
    assert (found.severity, found.path) == ("error", "media/f.png")
    assert found.span


# --- URLs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "front", "output"),
    [
        ("index.md", {}, "index.html"),
        ("about.md", {}, "about/index.html"),
        ("about/index.md", {}, "about/index.html"),
        ("About Us.md", {}, "about-us/index.html"),
        ("Über uns/Unser Team.md", {}, "über-uns/unser-team/index.html"),
        ("u\u0308ber.md", {}, "über/index.html"),
        ("notes/2025_05.v2.md", {}, "notes/2025-05-v2/index.html"),
        ("a/b/c.markdown", {}, "a/b/c/index.html"),
        ("a/b.md", {"slug": "Other Name"}, "a/other-name/index.html"),
        ("a/index.md", {"slug": "other"}, "other/index.html"),
        ("a/b.md", {"permalink": "/offer/"}, "offer/index.html"),
        ("a/b.md", {"permalink": "/offer"}, "offer/index.html"),
        ("a/b.md", {"permalink": "offer"}, "offer/index.html"),
        ("a/b.md", {"permalink": "/offer.html"}, "offer.html"),
        ("a/b.md", {"permalink": "/offer/index.html"}, "offer/index.html"),
        ("a/b.md", {"permalink": "/", "layout": "home"}, "index.html"),
        ("404.md", {}, "404.html"),
    ],
)
def test_a_file_has_its_url(site: Site, file: str, front: dict[str, str], output: str) -> None:
    site.write(f"content/{file}", page("Found it.", **front))
    result = site.build()
    assert [d for d in result.diagnostics if d.severity == "error"] == []
    assert "Found it." in site.read(output)


def test_a_former_url_leads_to_the_page(site: Site) -> None:
    site.write("magnetgen.yaml", SETTINGS.replace("example.com", "name.github.io/repo"))
    site.write("content/a.md", page(aliases="[/old/, older.html]"))
    site.ok()
    for name in ("old/index.html", "older.html"):
        text = site.read(name)
        assert '<meta http-equiv="refresh" content="0; url=/repo/a/">' in text
        assert '<link rel="canonical" href="https://name.github.io/repo/a/">' in text
        assert '<meta name="robots" content="noindex">' in text
        assert 'href="/repo/a/"' in text


@pytest.mark.parametrize("front", [{"permalink": '"/a\\0b/"'}, {"permalink": '"/a\\nb/"'}, {"aliases": '["/a\\0b/"]'}, {"permalink": "/.hidden/"},
                                   {"permalink": "/.magnetgen"}, {"permalink": "'/./'"}, {"permalink": "/./a/."}])  # fmt: skip
def test_a_permalink_that_no_file_can_have_is_an_error_and_no_crash(site: Site, front: dict[str, str]) -> None:
    site.write("content/other.md", page("Other words.", title="Other"))
    site.write("content/b.md", page(**front))
    result = site.build()
    assert {d.path for d in result.diagnostics if d.severity == "error"} <= {"content/b.md"}
    if not result.failed:
        outputs = [p.resolve() for p in (site.root / "public").rglob("*")]
        assert all(p.is_relative_to(site.root / "public") for p in outputs)
        marker = site.root / "public" / ".magnetgen"
        assert not marker.exists() or b"magnetgen" in marker.read_bytes().splitlines()[0]


def test_a_name_that_is_too_long_for_a_file_system_is_an_error_of_its_file(site: Site) -> None:
    site.write("content/a.md", page(slug="x" * 300))
    found = site.fault("url-too-long")
    assert (found.severity, found.path, found.span and (found.span.line, found.span.column)) == (
        "error",
        "content/a.md",
        (3, 7),
    )


def test_long_titles_and_tags_make_no_url_that_a_file_system_refuses(site: Site) -> None:
    site.write("content/a.md", page(tags=f"[{'x' * 300}]"))
    found = site.build().diagnostics
    assert {(d.severity, d.path) for d in found} == {("error", "content/a.md")}


# --- what is published --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("front", "reason"),
    [
        ({"draft": "true"}, "draft"),
        ({"date": "2030-01-01"}, "future"),
        ({"expires": "2026-01-01"}, "expired"),
        ({"draft": "true", "date": "2030-01-01"}, "draft"),
    ],
)
def test_what_is_not_published_is_listed_with_the_reason(site: Site, front: dict[str, str], reason: str) -> None:
    site.write("content/posts/a.md", page(**({"date": "2025-05-08"} | front)))
    result = site.ok()
    assert [s.path for s in result.skipped] == ["content/posts/a.md"]
    assert reason in result.skipped[0].reason
    assert not (site.root / "public/posts").exists()
    assert "A page" not in site.read("feed.xml") + site.read("sitemap.xml") + site.read("index.html")


def test_drafts_and_posts_to_come_are_built_when_asked_for(site: Site) -> None:
    site.write("content/posts/draft.md", page("Draft words.", title="Draft", date="2025-05-08", draft="true"))
    site.write("content/posts/future.md", page("Future words.", title="Future", date="2030-01-01"))
    site.write("content/posts/both.md", page("Both words.", title="Both", date="2030-01-01", draft="true"))
    assert len(site.ok().skipped) == 3
    assert {s.path for s in site.ok(drafts=True).skipped} == {"content/posts/both.md", "content/posts/future.md"}
    assert "Draft words." in site.read("posts/draft/index.html")
    assert {s.path for s in site.ok(future=True).skipped} == {"content/posts/both.md", "content/posts/draft.md"}
    assert not (site.root / "public/posts/draft").exists()
    assert site.ok(drafts=True, future=True).skipped == ()


def test_the_clock_decides_what_is_to_come_and_what_has_expired(site: Site) -> None:
    site.write("content/posts/a.md", page(date="2026-06-01", expires="2026-07-01"))
    hour = 3600
    june, july = 1_780_272_000, 1_782_864_000
    assert [
        len(site.ok(now=float(t)).skipped) for t in (june - hour, june, june + hour, july - 1, july, july + hour)
    ] == [1, 0, 0, 0, 1, 1]


def test_a_date_without_offset_comes_in_the_sites_time_zone(site: Site) -> None:
    site.write("magnetgen.yaml", SETTINGS + "timezone: America/New_York\n")
    site.write("content/posts/a.md", page(date="2026-06-01"))
    june = 1_780_272_000
    assert len(site.ok(now=float(june + 3 * 3600)).skipped) == 1
    assert len(site.ok(now=float(june + 5 * 3600)).skipped) == 0


@pytest.mark.parametrize("name", ["_a.md", ".a.md", "_b/a.md", ".b/a.md", "posts/_a.md"])
def test_what_begins_with_an_underscore_or_a_dot_is_left_out_with_that_reason(site: Site, name: str) -> None:
    site.write(f"content/{name}", "no front matter")
    result = site.ok()
    assert len(result.skipped) == 1
    assert f"content/{name}".startswith(result.skipped[0].path)
    assert "begins with" in result.skipped[0].reason


# --- lists --------------------------------------------------------------------------------------------------------


def test_a_list_is_newest_first_and_undated_last(site: Site) -> None:
    site.write("content/posts/a.md", page("A.", title="Old", date="2024-05-08"))
    site.write("content/posts/b.md", page("B.", title="New", date="2025-05-08"))
    site.write("content/posts/c.md", page("C.", title="Undated"))
    site.write("content/posts/d.md", page("D.", title="Same day", date="2025-05-08"))
    site.build()
    assert titles(site.read("posts/index.html")) == ["New", "Same day", "Old", "Undated"]


def test_a_weight_goes_before_the_date(site: Site) -> None:
    site.write("content/posts/a.md", page("A.", title="Old", date="2024-05-08", weight="-1"))
    site.write("content/posts/b.md", page("B.", title="New", date="2025-05-08"))
    site.ok()
    assert titles(site.read("posts/index.html")) == ["Old", "New"]


def test_a_long_list_goes_over_several_pages(site: Site) -> None:
    site.write("magnetgen.yaml", SETTINGS + "pagination: 2\n")
    for number in range(5):
        site.write(
            f"content/posts/p{number}.md",
            page(f"Words {number}.", title=f"Post {number}", date=f"2025-05-0{number + 1}"),
        )
    site.ok()
    pages = ["posts/index.html", "posts/page/2/index.html", "posts/page/3/index.html"]
    assert [titles(site.read(name)) for name in pages] == [["Post 4", "Post 3"], ["Post 2", "Post 1"], ["Post 0"]]
    assert not (site.root / "public/posts/page/1").exists()
    assert not (site.root / "public/posts/page/4").exists()
    second = site.read(pages[1])
    assert re.search(r'<a href="/posts/" rel="prev"', second)
    assert re.search(r'<a href="/posts/page/3/" rel="next"', second)
    assert '<link rel="canonical" href="https://example.com/posts/page/2/">' in second
    assert 'rel="next"' not in site.read(pages[2]).partition("<main")[2]


def test_a_list_that_shrinks_loses_its_pages(site: Site) -> None:
    site.write("magnetgen.yaml", SETTINGS + "pagination: 1\n")
    site.write("content/posts/a.md", page("A.", title="A", date="2025-05-08", tags="[leads]"))
    site.write("content/posts/b.md", page("B.", title="B", date="2025-05-09"))
    site.ok()
    site.delete("content/posts/a.md")
    assert site.ok().removed >= 3
    assert not (site.root / "public/posts/page").exists()
    assert not (site.root / "public/tags").exists()
    assert not (site.root / "public/posts/a").exists()


@pytest.mark.parametrize("markers", ["[post, leads]", "[posts, leads]", "[Post, leads]", "[leads, post, leads, Leads]"])
def test_a_tag_that_names_the_folder_is_a_marker_and_each_tag_counts_once(site: Site, markers: str) -> None:
    site.write("content/posts/a.md", page(date="2025-05-08", tags=markers))
    site.ok()
    assert [p.name for p in (site.root / "public/tags").iterdir()] == ["leads"]
    assert len(re.findall(r'<a href="/tags/', site.read("posts/a/index.html"))) == 1


def test_a_tag_that_names_another_folder_is_a_tag(site: Site) -> None:
    site.write("content/about.md", page(tags="[post]"))
    site.ok()
    assert (site.root / "public/tags/post/index.html").is_file()


def test_spellings_of_a_tag_share_a_page_under_the_most_common_one(site: Site) -> None:
    for number, tag in enumerate(("Lead Generation", "lead generation", "lead  generation")):
        site.write(
            f"content/posts/p{number}.md",
            page(f"Words {number}.", title=f"P{number}", date="2025-05-08", tags=f'["{tag}"]'),
        )
    site.ok()
    assert "<h1>lead generation</h1>" in site.read("tags/lead-generation/index.html")
    assert len(titles(site.read("tags/lead-generation/index.html"))) == 3


def test_a_collection_can_have_an_introduction_of_its_own(site: Site) -> None:
    site.write("magnetgen.yaml", SETTINGS + 'pagination: 1\ndefaults: [{files: "posts/*", values: {layout: post}}]\n')
    site.write("content/posts/index.md", page("All that we know.", title="Our blog", layout="page"))
    site.write("content/posts/a.md", page("A.", title="A", date="2025-05-08"))
    site.write("content/posts/b.md", page("B.", title="B", date="2025-05-09"))
    site.ok()
    first = site.read("posts/index.html")
    assert "<h1>Our blog</h1>" in first
    assert "All that we know." in first
    assert titles(first) == ["B"]
    assert "All that we know." not in site.read("posts/page/2/index.html")


def test_an_introduction_beside_unedited_posts_is_one_too(site: Site) -> None:
    site.write("content/posts/index.md", page("All that we know.", title="Our blog"))
    site.write("content/posts/a.md", page("A.", title="A", date="2025-05-08"))
    assert [d for d in site.build().diagnostics if d.severity == "error"] == []
    assert titles(site.read("posts/index.html")) == ["A"]


def test_a_posts_related_ones_share_its_tags_and_never_hold_itself(site: Site) -> None:
    for number in range(6):
        tag = "rare" if number in (1, 4) else "common"
        site.write(
            f"content/posts/p{number}.md",
            page(f"Words {number}.", title=f"Post {number}", date=f"2025-05-0{number + 1}", tags=f"[{tag}]"),
        )
    site.ok()
    found = titles(site.read("posts/p1/index.html"))
    assert found[0] == "Post 4"
    assert "Post 1" not in found


def test_a_home_page_of_the_sites_own_shows_the_newest_posts(site: Site) -> None:
    site.write("content/index.md", page("Welcome.", title="Lead Lab home"))
    site.write("content/posts/a.md", page("A.", title="A", date="2025-05-08"))
    site.ok()
    text = site.read("index.html")
    assert "Welcome." in text
    assert titles(text) == ["A"]


# --- the incremental build ----------------------------------------------------------------------------------------


def test_the_second_build_of_an_unchanged_site_writes_nothing(seeds: Site) -> None:
    first = seeds.build()
    before = {name: (seeds.root / "public" / name).stat().st_mtime_ns for name in seeds.files()}
    second = seeds.build()
    assert (second.written, second.removed, second.unchanged) == (0, 0, first.written)
    assert {name: (seeds.root / "public" / name).stat().st_mtime_ns for name in seeds.files()} == before
    assert second.diagnostics == first.diagnostics


EDITS = [
    ("content/posts/p1.md", page("Other words.", title="Post 1", date="2025-05-02", tags="[leads]")),
    ("content/posts/p1.md", page("Words 1.", title="New title", date="2025-05-02", tags="[leads]")),
    ("content/posts/p1.md", page("Words 1.", title="Post 1", date="2025-05-20", tags="[leads]")),
    ("content/posts/p1.md", page("Words 1.", title="Post 1", date="2025-05-02", tags="[other]")),
    ("content/posts/p1.md", page("Words 1.", title="Post 1", date="2025-05-02", slug="moved", tags="[leads]")),
    ("content/posts/p1.md", page("Words 1.", title="Post 1", date="2025-05-02", draft="true")),
    (
        "content/posts/p1.md",
        page("Words 1.", title="Post 1", date="2025-05-02", tags="[leads]", image="/media/f.png", image_alt="F"),
    ),
    ("content/posts/new.md", page("New words.", title="New", date="2025-05-25", tags="[leads]")),
    ("content/forms/newsletter.md", "---\ntitle: Our letter\nfields: [email, company]\n---\n\nThanks.\n"),
    ("content/blocks/proof.md", "Changed proof.\n"),
    ("content/de.md", page("Worte.", title="Deutsch", lang="de", translation_key="us")),
    ("media/f.png", picture(50, 60)),
    ("magnetgen.yaml", SETTINGS + "pagination: 2\nmenus: {main: [{label: Blog, url: /posts/}]}\n"),
    ("magnetgen.yaml", SETTINGS + "pagination: 2\nfeed: {limit: 2}\n"),
    ("magnetgen.yaml", SETTINGS.replace("example.com", "example.org") + "pagination: 2\n"),
    ("magnetgen.yaml", SETTINGS + 'pagination: 2\ntheme: {brand: "#123456"}\n'),
    ("templates/post.html", '{% extends "lodestone/post.html" %}{% block footer %}Ours{% endblock %}'),
]


@pytest.mark.parametrize(("path", "content"), EDITS, ids=[f"{n}: {path}" for n, (path, _) in enumerate(EDITS)])
def test_a_build_after_an_edit_is_the_same_as_a_clean_one(site: Site, path: str, content: str | bytes) -> None:
    site.write("magnetgen.yaml", SETTINGS + "pagination: 2\n")
    site.write("media/f.png", picture())
    site.write("content/blocks/proof.md", "Our proof.\n")
    site.write("content/us.md", page("We are us. See [a post](posts/p1.md).\n\n![](block:proof)\n\n![F](/media/f.png)", title="Us",
               translation_key="us"))  # fmt: skip
    for number in range(5):
        site.write(
            f"content/posts/p{number}.md",
            page(f"Words {number}.", title=f"Post {number}", date=f"2025-05-0{number + 1}", tags="[leads]"),
        )
    site.ok()
    if "draft" in str(content) or "moved" in str(content):
        site.write(
            "content/us.md",
            page("We are us.\n\n![](block:proof)\n\n![F](/media/f.png)", title="Us", translation_key="us"),
        )
    site.write(path, content)
    site.build()
    incremental = site.files()
    site.build(clean=True, out=str(site.root.parent / "fresh"))
    base = site.root.parent / "fresh"
    fresh = {p.relative_to(base).as_posix(): p.read_bytes() for p in sorted(base.rglob("*")) if p.is_file()}
    assert sorted(incremental) == sorted(fresh)
    assert [name for name in fresh if incremental[name] != fresh[name]] == []


def test_a_change_that_leaves_size_and_time_as_they_were_is_seen_all_the_same_by_clean(site: Site) -> None:
    source = site.write("content/a.md", page("Words one."))
    info = source.stat()
    site.ok()
    source.write_text(page("Words two."), "utf-8")
    os.utime(source, ns=(info.st_atime_ns, info.st_mtime_ns))
    site.ok(clean=True)
    assert "Words two." in site.read("a/index.html")


def test_an_output_file_that_was_changed_or_deleted_by_hand_is_made_again(site: Site) -> None:
    site.write("content/a.md", page())
    site.ok()
    before = site.files()
    (site.root / "public/a/index.html").write_text("spoilt", "utf-8")
    (site.root / "public/feed.xml").unlink()
    site.ok()
    assert site.files() == before


def test_a_file_put_into_the_output_by_hand_is_left_alone(site: Site) -> None:
    site.write("content/a.md", page())
    site.ok()
    site.write("public/CNAME", "example.com")
    site.delete("content/a.md")
    site.ok(clean=True)
    assert site.read("CNAME") == "example.com"
    assert not (site.root / "public/a").exists()


def test_a_page_that_becomes_a_folder_and_back_is_written(site: Site) -> None:
    site.write("content/a.md", page(permalink="/x.html"))
    site.ok()
    site.write("content/a.md", page(permalink="/x.html/y/"))
    site.ok()
    assert (site.root / "public/x.html/y/index.html").is_file()
    site.write("content/a.md", page(permalink="/x.html"))
    site.ok()
    assert (site.root / "public/x.html").is_file()


def test_the_same_site_in_another_folder_gives_the_same_bytes(seeds: Site) -> None:
    seeds.build(now=NOW)
    other = Site(seeds.root.parent / "elsewhere" / "deep")
    for source in sorted(seeds.root.rglob("*")):
        if source.is_file() and not {"public", ".magnetgen"} & set(source.relative_to(seeds.root).parts):
            other.write(source.relative_to(seeds.root).as_posix(), source.read_bytes())
    other.build(now=NOW + 1)
    assert other.files() == seeds.files()


def test_text_is_escaped_wherever_it_is_shown(site: Site) -> None:
    evil = '<b>"x"</b> & <script>alert(1)</script>'
    quoted = '"' + evil.replace('"', '\\"') + '"'
    site.write(
        "magnetgen.yaml",
        f"title: {quoted}\nbase_url: https://example.com\ndescription: {quoted}\nmenus: {{main: [{{label: {quoted}, url: /}}]}}\n",
    )
    site.write(
        "content/posts/a.md",
        page(title=quoted, description=quoted, date="2025-05-08", tags=f"[{quoted}]", author=quoted),
    )
    site.build()
    for name, data in site.files().items():
        if name.endswith(".html"):
            assert b"<script>alert(1)" not in data, name
            assert evil in unescape(data.decode()), name
