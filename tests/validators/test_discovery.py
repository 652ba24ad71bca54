"""Feed, sitemap and robots.txt against their standards, and against the pages that were built."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import feedparser  # type: ignore[import-untyped]
import pytest
from lxml import etree
from selectolax.lexbor import LexborHTMLParser

from magnetgen import jobs, seo
from tests.validators import tools
from tests.validators.sites import Built, complete_site

pytestmark = pytest.mark.validator

ATOM = "{http://www.w3.org/2005/Atom}"
MAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
PICTURE = "{http://www.google.com/schemas/sitemap-image/1.1}"
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def xml(file: Path) -> etree._Element:
    return etree.parse(str(file)).getroot()


def texts(node: etree._Element, path: str) -> list[str]:
    return [found.text or "" for found in node.findall(path)]


# --- Atom, RFC 4287 --------------------------------------------------------------------------------------------


def test_the_feed_has_what_rfc_4287_asks_of_a_feed(site: Built) -> None:
    feed = xml(site.out / "feed.xml")
    assert feed.tag == f"{ATOM}feed"
    for name in ("id", "title", "updated"):
        (only,) = texts(feed, ATOM + name)
        assert only.strip(), name
    assert texts(feed, f"{ATOM}id") == [site.base_url]
    links = {(link.get("rel"), link.get("type")): link.get("href") for link in feed.findall(f"{ATOM}link")}
    assert links["self", "application/atom+xml"] == site.base_url + "feed.xml"
    assert links["alternate", "text/html"] == site.base_url
    (name,) = texts(feed, f"{ATOM}author/{ATOM}name")
    assert name.strip()
    assert len(feed.findall(f"{ATOM}subtitle")) <= 1


def test_every_entry_has_what_rfc_4287_asks_of_an_entry(site: Built) -> None:
    entries = xml(site.out / "feed.xml").findall(f"{ATOM}entry")
    assert len(entries) >= 5
    for entry in entries:
        for name in ("id", "title", "updated", "published", "content"):
            (only,) = texts(entry, ATOM + name)
            assert only.strip(), name
        for name in ("updated", "published"):
            assert _RFC3339.fullmatch(texts(entry, ATOM + name)[0])
        (name,) = texts(entry, f"{ATOM}author/{ATOM}name")
        assert name.strip()
        (link,) = [link for link in entry.findall(f"{ATOM}link") if link.get("rel") == "alternate"]
        assert (link.get("href") or "").removeprefix(site.base_url) in site.pages
        content = entry.find(f"{ATOM}content")
        assert content is not None and content.get("type") == "html"
        assert all(c.get("term") for c in entry.findall(f"{ATOM}category"))


def test_the_feeds_change_is_its_newest_entrys(site: Built) -> None:
    feed = xml(site.out / "feed.xml")
    entries = [datetime.fromisoformat(t) for t in texts(feed, f"{ATOM}entry/{ATOM}updated")]
    published = [datetime.fromisoformat(t) for t in texts(feed, f"{ATOM}entry/{ATOM}published")]
    assert datetime.fromisoformat(texts(feed, f"{ATOM}updated")[0]) == max(entries)
    assert published == sorted(published, reverse=True)


def test_ids_are_unique_and_the_same_in_the_next_build(complete: Built, tmp_path: Path) -> None:
    ids = texts(xml(complete.out / "feed.xml"), f"{ATOM}entry/{ATOM}id")
    assert len(set(ids)) == len(ids)
    assert all(urlsplit(i).scheme for i in ids)
    again = complete_site(tmp_path / "again")
    assert texts(xml(again.out / "feed.xml"), f"{ATOM}entry/{ATOM}id") == ids


def test_feedparser_finds_nothing_to_repair(site: Built) -> None:
    parsed = feedparser.parse((site.out / "feed.xml").read_bytes())
    assert not parsed.bozo, parsed.get("bozo_exception")
    assert parsed.version == "atom10"
    assert len(parsed.entries) == len(xml(site.out / "feed.xml").findall(f"{ATOM}entry"))


def test_the_feed_carries_whole_texts_with_absolute_addresses(site: Built) -> None:
    for entry in xml(site.out / "feed.xml").findall(f"{ATOM}entry"):
        content = texts(entry, f"{ATOM}content")[0]
        doc = LexborHTMLParser(content)
        for node in doc.css("[src], [href], [srcset]"):
            for name in ("src", "href"):
                if name in node.attributes:
                    assert urlsplit(node.attributes[name] or "").scheme, (entry.findtext(f"{ATOM}id"), node.html)
        assert not doc.css("form, script, style, mg-embed"), entry.findtext(f"{ATOM}id")
        page = site.documents[(entry.findtext(f"{ATOM}id") or "").removeprefix(site.base_url)]
        shown = [n.text().strip() for n in page.css(".prose > h2, .prose > h3")]
        told = [n.text().strip() for n in doc.css("h2, h3")]
        assert [t for t in shown if t in told] == shown


def test_the_newest_posts_are_in_the_feed_and_every_page_tells_of_it(complete: Built) -> None:
    ids = texts(xml(complete.out / "feed.xml"), f"{ATOM}entry/{ATOM}id")
    order = ["fifth", "fourth", "third", "second", "first"]
    assert ids == [f"{complete.base_url}posts/{name}-post/" for name in order]
    for path, doc in complete.documents.items():
        if not complete.is_redirect(path):
            link = doc.css_first('link[rel="alternate"][type="application/atom+xml"]')
            assert link and link.attributes["href"] == "/feed.xml", path


# --- sitemap and robots ----------------------------------------------------------------------------------------


def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(tools.module("sitemap/schema/sitemap.xsd"))))


def test_the_sitemap_is_valid_against_its_schema(site: Built) -> None:
    rules = schema()
    found = etree.parse(str(site.out / "sitemap.xml"))
    # The schema takes elements of other namespaces only where it knows them; it does not know Google's pictures.
    for picture in found.getroot().iter(f"{PICTURE}image"):
        assert [child.tag for child in picture] == [f"{PICTURE}loc"]
    for entry in found.getroot():
        for picture in entry.findall(f"{PICTURE}image"):
            entry.remove(picture)
    assert rules.validate(found), rules.error_log


def test_the_sitemap_lists_exactly_the_indexable_pages(site: Built) -> None:
    listed = texts(xml(site.out / "sitemap.xml"), f"{MAP}url/{MAP}loc")
    assert len(set(listed)) == len(listed)
    wanted = {site.base_url + p for p in site.pages if site.is_indexable(p) and not site.is_redirect(p)}
    assert set(listed) == wanted


def test_changes_in_the_sitemap_come_from_the_content(complete: Built) -> None:
    changed = {
        (entry.findtext(f"{MAP}loc") or "").removeprefix(complete.base_url): entry.findtext(f"{MAP}lastmod")
        for entry in xml(complete.out / "sitemap.xml")
    }
    assert changed["posts/fifth-post/"] == "2026-05-06T00:00:00+00:00"
    assert changed["reference/"] == "2026-04-02T00:00:00+00:00"
    assert changed["posts/"] == "2026-05-06T00:00:00+00:00"
    assert changed["privacy/"] is None


def test_pictures_in_the_sitemap_exist(site: Built) -> None:
    found = texts(xml(site.out / "sitemap.xml"), f"{MAP}url/{PICTURE}image/{PICTURE}loc")
    assert found
    for address in found:
        assert (site.out / address.removeprefix(site.base_url)).is_file(), address


def test_a_large_sitemap_is_split_and_indexed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "SITEMAP_URLS", 10)
    monkeypatch.setattr(seo, "SITEMAP_URLS", 10)
    site = complete_site(tmp_path / "site", base_url="https://somebody.example/some-repo/")
    index = xml(site.out / "sitemap.xml")
    assert index.tag == f"{MAP}sitemapindex"
    parts = texts(index, f"{MAP}sitemap/{MAP}loc")
    wanted = {site.base_url + p for p in site.pages if site.is_indexable(p) and not site.is_redirect(p)}
    assert len(parts) == -(-len(wanted) // 10) > 1
    listed = []
    for part in parts:
        urls = texts(xml(site.out / part.removeprefix(site.base_url)), f"{MAP}url/{MAP}loc")
        assert 0 < len(urls) <= 10
        listed += urls
    assert sorted(listed) == sorted(wanted)


def test_robots_names_the_sitemap_and_blocks_nothing(site: Built) -> None:
    lines = (site.out / "robots.txt").read_text("utf-8").splitlines()
    assert f"Sitemap: {site.base_url}sitemap.xml" in lines
    assert "User-agent: *" in lines
    assert not [line for line in lines if re.match(r"Disallow:\s*\S", line)]


def test_an_outline_for_language_models_is_written_on_request_only(complete: Built, own: Built) -> None:
    assert (complete.out / "llms.txt").read_text("utf-8").startswith("# Lead Lab\n")
    assert not (own.out / "llms.txt").exists()
