"""What search engines, social networks and feed readers are told."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import datetime
from html import unescape
from typing import Any

import pytest

from tests.conftest import SETTINGS, Site, page
from tests.unit.test_faults import picture

ATOM = "{http://www.w3.org/2005/Atom}"
MAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
IMAGE = "{http://www.google.com/schemas/sitemap-image/1.1}"
LONG = "A description that is long enough to be shown below the title in a search result."

REQUIRED = {
    "BlogPosting": {"headline", "author", "datePublished", "dateModified", "mainEntityOfPage", "publisher"},
    "BreadcrumbList": {"itemListElement"},
    "ListItem": {"position", "name", "item"},
    "Organization": {"name"},
    "WebSite": {"name", "url"},
    "FAQPage": {"mainEntity"},
    "Question": {"name", "acceptedAnswer"},
    "Answer": {"text"},
    "Person": {"name"},
}


def things(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for item in value:
            yield from things(item)
    if isinstance(value, dict):
        if "@type" in value:
            yield value
        for item in value.values():
            yield from things(item)


def graph(text: str) -> list[dict[str, Any]]:
    """Everything that a page's JSON-LD says, with its required properties checked."""
    found: list[dict[str, Any]] = []
    for script in re.findall(r'<script type="application/ld\+json">(.*?)</script>', text, re.S):
        data = json.loads(script)
        assert data["@context"] == "https://schema.org"
        found += things(data)
    for thing in found:
        missing = REQUIRED[thing["@type"]] - {key for key, value in thing.items() if value}
        assert not missing, (thing["@type"], missing)
    return found


def one(text: str, kind: str) -> dict[str, Any]:
    (found,) = [thing for thing in graph(text) if thing["@type"] == kind]
    return found


def meta(text: str, name: str) -> list[str]:
    return [unescape(value) for value in re.findall(rf'<meta (?:property|name)="{name}" content="([^"]*)">', text)]


def entries(site: Site) -> list[ET.Element]:
    return ET.fromstring(site.read("feed.xml")).findall(f"{ATOM}entry")


def urls(site: Site) -> dict[str, str]:
    """Addresses in the sitemap with their lastmod."""
    root = ET.fromstring(site.read("sitemap.xml"))
    return {url.findtext(f"{MAP}loc", ""): url.findtext(f"{MAP}lastmod", "") for url in root.findall(f"{MAP}url")}


# --- head ---------------------------------------------------------------------------------------------------------


def test_every_page_of_every_kind_has_the_head_that_it_must_have(site: Site) -> None:
    site.write("magnetgen.yaml", SETTINGS + "language: de\npagination: 1\n")
    site.write(
        "content/forms/checklist.md", "---\ntitle: Get it\nfields: [email]\ndouble_opt_in: true\n---\n\nThanks.\n"
    )
    site.write("content/posts/a.md", page("Words of a.", date="2025-05-08", tags="[leads]", form="checklist"))
    site.write(
        "content/posts/b.md",
        page("Words of b.", title="B", date="2025-05-09", tags="[leads]", form="false", aliases="/old/"),
    )
    site.write("content/landing.md", page("Words.\n\n## Why\n\nMore.", title="Landing", layout="landing"))
    site.ok()
    pages = {name: data.decode() for name, data in site.files().items() if name.endswith(".html")}
    assert len(pages) > 10
    for name, text in pages.items():
        head = text.partition("</head>")[0]
        assert len(re.findall(r"<title>[^<]+</title>", head)) == 1, name
        canonical = re.findall(r'<link rel="canonical" href="([^"]+)">', head)
        own = "https://example.com/" + name.removesuffix("index.html")
        assert canonical == (["https://example.com/posts/b/"] if name == "old/index.html" else [own])
        assert re.search(r'<html [^>]*lang="de"', text), name
        assert 'name="viewport"' in head
        assert len(re.findall(r"<h1[\s>]", text)) == 1, name


def test_a_page_that_is_not_for_search_engines_says_so_and_is_listed_nowhere(site: Site) -> None:
    site.write(
        "content/forms/checklist.md", "---\ntitle: Get it\nfields: [email]\ndouble_opt_in: true\n---\n\nThanks.\n"
    )
    site.write(
        "content/posts/a.md", page("Words.", date="2025-05-08", noindex="true", form="checklist", aliases="/old/")
    )
    site.write("content/b.md", page("More words.", title="B"))
    site.ok()
    hidden = ["posts/a/", "forms/checklist/thanks/", "forms/checklist/confirmed/", "404.html", "old/"]
    for name in hidden:
        text = site.read(name + ("index.html" if name.endswith("/") else ""))
        assert re.search(r'<meta name="robots" content="[^"]*noindex', text), name
    assert not {f"https://example.com/{name}" for name in hidden} & set(urls(site))
    assert entries(site) == []
    assert "Disallow" not in site.read("robots.txt")
    assert 'name="robots"' not in site.read("b/index.html")


def test_open_graph_says_what_a_post_is(site: Site) -> None:
    site.write("media/f.png", picture(2400, 1600))
    site.write("content/posts/a.md", page('Words.', title='"Leads & more"', date="2025-05-08", updated="2025-06-01", description=LONG,
               image="/media/f.png", image_alt='A "funnel"', tags="[post, lead generation]"))  # fmt: skip
    site.ok()
    text = site.read("posts/a/index.html")
    assert meta(text, "og:title") == ["Leads & more"]
    assert meta(text, "og:type") == ["article"]
    assert meta(text, "og:url") == ["https://example.com/posts/a/"]
    assert meta(text, "og:site_name") == ["Lead Lab"]
    assert meta(text, "og:description") == [LONG]
    assert meta(text, "article:published_time") == ["2025-05-08T00:00:00+00:00"]
    assert meta(text, "article:modified_time") == ["2025-06-01T00:00:00+00:00"]
    assert meta(text, "article:tag") == ["lead generation"]
    assert meta(text, "twitter:card") == ["summary_large_image"]
    assert (meta(text, "og:image:width"), meta(text, "og:image:height")) == (["1200"], ["630"])
    assert meta(text, "og:image:alt") == ['A "funnel"']
    (card,) = meta(text, "og:image")
    assert card.startswith("https://example.com/")
    assert (site.root / "public" / card.removeprefix("https://example.com/")).is_file()


def test_a_page_without_a_picture_shows_the_sites_card(site: Site) -> None:
    site.write("content/a.md", page())
    site.ok()
    (card,) = meta(site.read("a/index.html"), "og:image")
    assert (site.root / "public" / card.removeprefix("https://example.com/")).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("title", "shown"),
    [("Leads", "Leads | Lead Lab"), ("Lead Lab", "Lead Lab"), ("L" * 58, "L" * 58)],
)
def test_the_sites_name_stands_behind_a_short_title(site: Site, title: str, shown: str) -> None:
    site.write("content/a.md", page(title=title))
    site.ok()
    assert f"<title>{shown}</title>" in site.read("a/index.html")


# --- JSON-LD ------------------------------------------------------------------------------------------------------


def test_a_post_is_a_blog_posting(site: Site) -> None:
    site.write(
        "magnetgen.yaml", SETTINGS + "author: {name: Ana Ruiz, url: https://ana.example/}\ntimezone: Europe/Berlin\n"
    )
    site.write("content/posts/a.md", page(date="2025-05-08 14:30", description=LONG))
    site.ok()
    post = one(site.read("posts/a/index.html"), "BlogPosting")
    assert post["headline"] == "A page"
    assert post["author"] == {"@type": "Person", "name": "Ana Ruiz", "url": "https://ana.example/"}
    assert post["datePublished"] == post["dateModified"] == "2025-05-08T14:30:00+02:00"
    assert post["mainEntityOfPage"] == "https://example.com/posts/a/"
    assert post["publisher"]["name"] == "Lead Lab"
    assert "image" not in post


def test_without_an_author_the_organisation_is_the_author(site: Site) -> None:
    site.write("content/posts/a.md", page(date="2025-05-08", updated="2025-07-01"))
    site.ok()
    post = one(site.read("posts/a/index.html"), "BlogPosting")
    assert (post["author"]["@type"], post["author"]["name"]) == ("Organization", "Lead Lab")
    assert post["dateModified"] == "2025-07-01T00:00:00+00:00"


def test_a_posts_picture_is_an_absolute_address_of_a_file(site: Site) -> None:
    site.write("media/f.png", picture(40, 30))
    site.write("content/posts/a.md", page(date="2025-05-08", image="/media/f.png", image_alt="F"))
    site.ok()
    image = one(site.read("posts/a/index.html"), "BlogPosting")["image"]
    assert (site.root / "public" / image.removeprefix("https://example.com/")).is_file()


def test_a_post_without_a_date_claims_none(site: Site) -> None:
    site.write("content/posts/a.md", page())
    site.build()
    assert [t for t in graph(site.read("posts/a/index.html")) if t["@type"] == "BlogPosting"] == []


@pytest.mark.parametrize("evil", ["</script><script>alert(1)</script>", "<!-- <script>", "]]>", "\\u003c/script>"])
def test_no_text_can_end_the_structured_data(site: Site, evil: str) -> None:
    site.write(
        "content/posts/a.md", page(title=json.dumps(f"A {evil} b"), date="2025-05-08", tags=json.dumps([f"x {evil}"]))
    )
    site.ok()
    text = site.read("posts/a/index.html")
    assert one(text, "BlogPosting")["headline"] == f"A {evil} b"
    assert "alert(1)</script>" not in text.replace("alert(1)&lt;/script&gt;", "")
    script = re.findall(r'<script type="application/ld\+json">(.*?)</script>', text, re.S)[0]
    assert "<" not in script


def test_the_home_page_says_whose_site_it_is(site: Site) -> None:
    site.write(
        "magnetgen.yaml",
        SETTINGS + "organization: {name: Acme, url: https://acme.example/, same_as: [https://social.example/acme]}\n",
    )
    site.ok()
    text = site.read("index.html")
    assert one(text, "WebSite")["url"] == "https://example.com/"
    assert one(text, "Organization") == {
        "@type": "Organization", "name": "Acme", "url": "https://acme.example/", "sameAs": ["https://social.example/acme"],
    }  # fmt: skip


def test_breadcrumbs_lead_from_the_home_page_by_the_collection(site: Site) -> None:
    site.write("content/posts/a.md", page(date="2025-05-08"))
    site.ok()
    text = site.read("posts/a/index.html")
    items = one(text, "BreadcrumbList")["itemListElement"]
    assert [(i["position"], i["name"], i["item"]) for i in items] == [
        (1, "Home", "https://example.com/"),
        (2, "Posts", "https://example.com/posts/"),
        (3, "A page", "https://example.com/posts/a/"),
    ]
    nav = re.findall(r'<nav class="crumbs".*?</nav>', text, re.S)[0]
    assert re.findall(r'href="([^"]+)"', nav) == ["/", "/posts/"]


def test_breadcrumbs_of_a_site_below_a_path_stay_in_it(site: Site) -> None:
    site.write("magnetgen.yaml", SETTINGS.replace("example.com", "name.github.io/repo"))
    site.write("content/posts/a.md", page(date="2025-05-08"))
    site.ok()
    items = one(site.read("posts/a/index.html"), "BreadcrumbList")["itemListElement"]
    assert items[0]["item"] == "https://name.github.io/repo/"


def test_only_visible_questions_are_claimed(site: Site) -> None:
    body = "Hero.\n\n## Questions\n\n### Is it *free*?\n\nYes & no.\n\n### Why?\n\nSo."
    site.write("content/a.md", page(body, layout="landing"))
    site.write("content/b.md", page(body.replace("Hero", "Other"), title="B"))
    site.ok()
    faq = one(site.read("a/index.html"), "FAQPage")
    assert [q["name"] for q in faq["mainEntity"]] == ["Is it free?", "Why?"]
    assert "Yes &amp; no." in faq["mainEntity"][0]["acceptedAnswer"]["text"]
    assert [t for t in graph(site.read("b/index.html")) if t["@type"] == "FAQPage"] == []


def test_an_answer_with_a_form_claims_no_placeholder(site: Site) -> None:
    site.write(
        "content/a.md", page("Hero.\n\n## Questions\n\n### How?\n\nSo:\n\n![Get it](form:newsletter)", layout="landing")
    )
    site.ok()
    answer = one(site.read("a/index.html"), "FAQPage")["mainEntity"][0]["acceptedAnswer"]["text"]
    assert "mg-embed" not in answer
    assert "So:" in answer


# --- feed, sitemap, robots ----------------------------------------------------------------------------------------


def test_the_feed_has_the_newest_posts_whole_with_absolute_addresses(site: Site) -> None:
    site.write("magnetgen.yaml", SETTINGS.replace("example.com", "name.github.io/repo") + "feed: {limit: 2}\n")
    site.write("media/f.png", picture())
    body = "Words & more.\n\nSee [b](b.md), [here](#steps) and ![F](/media/f.png).\n\n## Steps\n\nLast words."
    site.write(
        "content/posts/a.md",
        page(body, date="2025-05-08", updated="2025-06-01", tags="[post, lead generation]", description=LONG),
    )
    site.write("content/posts/b.md", page("Words of b.", title="B", date="2025-05-09"))
    site.write("content/posts/c.md", page("Words of c.", title="C", date="2025-05-07"))
    site.write("content/about.md", page("We are us.", title="Us"))
    site.ok()
    feed = ET.fromstring(site.read("feed.xml"))
    assert feed.findtext(f"{ATOM}title") == "Lead Lab"
    assert feed.findtext(f"{ATOM}updated") == "2025-06-01T00:00:00+00:00"
    (own,) = [link.get("href") for link in feed.findall(f"{ATOM}link") if link.get("rel") == "self"]
    assert own == "https://name.github.io/repo/feed.xml"
    found = entries(site)
    assert [entry.findtext(f"{ATOM}title") for entry in found] == ["B", "A page"]
    a = found[1]
    assert a.findtext(f"{ATOM}id") == "https://name.github.io/repo/posts/a/"
    assert a.findtext(f"{ATOM}published") == "2025-05-08T00:00:00+00:00"
    assert [c.get("term") for c in a.findall(f"{ATOM}category")] == ["lead generation"]
    assert a.findtext(f"{ATOM}author/{ATOM}name") == "Lead Lab"
    content = a.findtext(f"{ATOM}content", "")
    assert "Last words." in content
    for address in re.findall(r'(?:href|src)="([^"]*)"', content):
        assert address.startswith("https://name.github.io/repo/"), address


def test_a_feed_entry_embeds_no_form_and_no_placeholder(site: Site) -> None:
    site.write("content/posts/a.md", page("Words.\n\n![Get it](form:newsletter)\n\nMore.", date="2025-05-08"))
    site.ok()
    content = entries(site)[0].findtext(f"{ATOM}content", "")
    assert "<form" not in content
    assert "mg-embed" not in content
    assert 'href="https://example.com/posts/a/' in content


def test_a_feed_is_named_on_every_page_and_is_xml_whatever_was_written(site: Site) -> None:
    site.write(
        "content/posts/a.md",
        page("A \x0c b & <i>c</i> ]]> \ufffe", title='"A & <b>"', date="2025-05-08", tags='["a & \\"b\\""]'),
    )
    site.build()
    assert entries(site)[0].findtext(f"{ATOM}title") == "A & <b>"
    assert re.search(
        r'<link rel="alternate" type="application/atom\+xml"[^>]*href="/feed.xml">', site.read("index.html")
    )


def test_a_site_without_posts_has_a_feed_without_entries(site: Site) -> None:
    site.ok()
    assert entries(site) == []
    datetime.fromisoformat(ET.fromstring(site.read("feed.xml")).findtext(f"{ATOM}updated", ""))


def test_the_sitemap_has_every_canonical_page_with_the_time_of_its_content(site: Site) -> None:
    site.write("magnetgen.yaml", SETTINGS + "pagination: 1\n")
    site.write("media/f.png", picture())
    site.write(
        "content/posts/a.md",
        page("Words of a.", date="2025-05-08", updated="2025-06-01", tags="[leads]", aliases="/old/"),
    )
    site.write(
        "content/posts/b.md", page("Words of b.", title="B", date="2025-05-09", image="/media/f.png", image_alt="F")
    )
    site.write("content/Über uns.md", page("We are us.", title="Us"))
    site.ok()
    found = urls(site)
    base = "https://example.com/"
    assert set(found) == {
        base, base + "posts/", base + "posts/page/2/", base + "tags/leads/", base + "posts/a/", base + "posts/b/",
        base + "%C3%BCber-uns/",
    }  # fmt: skip
    assert found[base + "posts/a/"] == "2025-06-01T00:00:00+00:00"
    assert found[base + "posts/b/"] == "2025-05-09T00:00:00+00:00"
    assert found[base + "%C3%BCber-uns/"] == ""
    root = ET.fromstring(site.read("sitemap.xml"))
    pictures = [e.text for e in root.iter(f"{IMAGE}loc")]
    assert len(pictures) == 1
    assert pictures[0]
    assert re.fullmatch(r"https://example\.com/media/f\.[0-9a-f]+\.png", pictures[0])


@pytest.mark.parametrize("written", ["f.png", "../posts/f.png"])
def test_the_sitemap_knows_a_picture_beside_the_page(site: Site, written: str) -> None:
    site.write("content/posts/f.png", picture())
    site.write("content/posts/a.md", page("Words of a.", date="2025-05-08", image=written, image_alt="F"))
    site.ok()
    root = ET.fromstring(site.read("sitemap.xml"))
    assert [e.text for e in root.iter(f"{IMAGE}loc")] == ["https://example.com/posts/f.png"]


def test_robots_names_the_sitemap(site: Site) -> None:
    site.write("magnetgen.yaml", SETTINGS.replace("example.com", "name.github.io/repo"))
    site.ok()
    assert "Sitemap: https://name.github.io/repo/sitemap.xml" in site.read("robots.txt").splitlines()


def test_a_site_can_bring_its_own_robots(site: Site) -> None:
    site.write("content/robots.txt", "User-agent: *\nDisallow: /x/\n")
    site.ok()
    assert site.read("robots.txt") == "User-agent: *\nDisallow: /x/\n"


def test_an_outline_and_a_key_are_written_only_where_asked_for(site: Site) -> None:
    site.write("content/posts/a.md", page(date="2025-05-08", description=LONG))
    site.ok()
    assert "llms.txt" not in site.files()
    site.write("magnetgen.yaml", SETTINGS + "seo: {llms_txt: true, indexnow_key: abcdef123456}\n")
    site.ok()
    assert "https://example.com/posts/a/" in site.read("llms.txt")
    assert site.read("abcdef123456.txt").strip() == "abcdef123456"


# --- translations -------------------------------------------------------------------------------------------------


def test_translations_name_each_other_and_a_default(site: Site) -> None:
    site.write("content/offer.md", page("The offer.", title="Offer", translation_key="offer"))
    site.write("content/de/angebot.md", page("Das Angebot.", title="Angebot", translation_key="offer", lang="de"))
    site.write("content/es/oferta.md", page("La oferta.", title="Oferta", translation_key="offer", lang="es"))
    site.write("content/alone.md", page("Alone.", title="Alone", translation_key="other"))
    site.ok()
    base = "https://example.com/"
    expected = {
        ("en", base + "offer/"),
        ("de", base + "de/angebot/"),
        ("es", base + "es/oferta/"),
        ("x-default", base + "offer/"),
    }
    for name, lang in (("offer", "en"), ("de/angebot", "de"), ("es/oferta", "es")):
        text = site.read(f"{name}/index.html")
        assert set(re.findall(r'<link rel="alternate" hreflang="([^"]+)" href="([^"]+)">', text)) == expected
        assert re.search(rf'<html [^>]*lang="{lang}"', text)
    assert "hreflang" not in site.read("alone/index.html")


def test_a_translation_that_is_not_published_is_not_named(site: Site) -> None:
    site.write("content/offer.md", page("The offer.", title="Offer", translation_key="offer"))
    site.write(
        "content/de/angebot.md", page("Das Angebot.", title="Angebot", translation_key="offer", lang="de", draft="true")
    )
    site.ok()
    assert "hreflang" not in site.read("offer/index.html")


def test_two_pages_of_one_language_are_not_translations_of_each_other(site: Site) -> None:
    site.write("content/a.md", page("The offer.", title="Offer", translation_key="offer"))
    site.write("content/b.md", page("Other offer.", title="Other", translation_key="offer"))
    result = site.build()
    alternates = re.findall(r'hreflang="([^"]+)"', site.read("a/index.html")) if not result.failed else []
    assert len(alternates) == len(set(alternates))
