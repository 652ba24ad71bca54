"""Addresses as writers write them: checked, and turned into addresses of the site."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magnetgen.config import SiteConfig
from magnetgen.links import Links
from magnetgen.model import Page
from magnetgen.plan import Plan
from tests.conftest import SETTINGS, Site, page
from tests.unit.test_faults import picture

REPO = SETTINGS.replace("https://example.com", "https://name.github.io/repo/")


def hrefs(text: str) -> list[str]:
    """Addresses of the links within a page's text."""
    prose = re.findall(r'<div class="prose">(.*?)</div>\n', text, re.S)[0]
    return [unescape(address) for address in re.findall(r'<a href="([^"]*)"', prose)]


@pytest.mark.parametrize(
    ("written", "leads_to"),
    [
        ("how.md", "/posts/how/"),
        ("./how.md", "/posts/how/"),
        ("how.md#steps", "/posts/how/#steps"),
        ("../posts/how.md", "/posts/how/"),
        ("/posts/how.md", "/posts/how/"),
        ("/content/posts/how.md", "/posts/how/"),
        ("/posts/how/", "/posts/how/"),
        ("/posts/how", "/posts/how/"),
        ("/posts/how/index.html", "/posts/how/"),
        ("/posts/how/#steps", "/posts/how/#steps"),
        ("/posts/how/?utm_source=x#steps", "/posts/how/?utm_source=x#steps"),
        ("how.md?utm_source=x&b=c", "/posts/how/?utm_source=x&b=c"),
        ("../index.md", "/"),
        ("/", "/"),
        ("../My Guide.md", "/my-guide/"),
        ("../My%20Guide.md", "/my-guide/"),
        ("../Über uns.md", "/%C3%BCber-uns/"),
        ("../%C3%9Cber%20uns.md", "/%C3%BCber-uns/"),
        ("/über-uns/", "/%C3%BCber-uns/"),
        ("/%C3%BCber-uns/", "/%C3%BCber-uns/"),
        ("/posts/", "/posts/"),
        ("/tags/customer-acquisition/", "/tags/customer-acquisition/"),
        ("/feed.xml", "/feed.xml"),
        ("/forms/newsletter/thanks/", "/forms/newsletter/thanks/"),
        ("/old/", "/old/"),
        ("#here", "#here"),
        ("#", "#"),
        ("#top", "#top"),
        ("https://example.org/x?a=1&b=2#c", "https://example.org/x?a=1&b=2#c"),
        ("https://example.com/posts/how/", "https://example.com/posts/how/"),
        ("//example.org/x", "//example.org/x"),
        ("mailto:ana@example.com", "mailto:ana@example.com"),
        ("tel:+491234", "tel:+491234"),
    ],
)
def test_a_link_leads_where_it_should(site: Site, written: str, leads_to: str) -> None:
    site.write("content/index.md", page("Welcome to all.", title="Home"))
    site.write("content/My Guide.md", page("A guide.", title="Guide"))
    site.write("content/Über uns.md", page("We are us.", title="Us"))
    site.write("content/posts/how.md", page("## Steps\n\nOne.", title="How", date="2025-05-08", aliases="/old/",
                                            description="x" * 80, tags="[post, customer acquisition]"))  # fmt: skip
    site.write("content/posts/a.md", page(f"See [more](<{written}>).\n\n## Here\n\nWords.", date="2025-05-09"))
    site.ok()
    assert hrefs(site.read("posts/a/index.html")) == [leads_to]


@pytest.mark.parametrize(
    ("written", "leads_to"),
    [
        ("[x](how.md#steps)", "/repo/posts/how/#steps"),
        ("[x](/posts/how/)", "/repo/posts/how/"),
        ("[x](/)", "/repo/"),
        ("[x](https://name.github.io/repo/posts/how/)", "https://name.github.io/repo/posts/how/"),
        ("[x](#here)", "#here"),
        ("[x](form:newsletter)", "#form-newsletter"),
        ('<a href="/posts/how/">x</a>', "/repo/posts/how/"),
        ('<p>\n<a href="/posts/how/#steps">x</a>\n</p>', "/repo/posts/how/#steps"),
    ],
)
def test_a_path_prefix_goes_before_every_address_of_the_site(site: Site, written: str, leads_to: str) -> None:
    site.write("magnetgen.yaml", REPO)
    site.write("content/posts/how.md", page("## Steps\n\nOne.", title="How", date="2025-05-08", description="x" * 80))
    site.write("content/posts/a.md", page(f"Words.\n\n{written}\n\n## Here\n\nWords.", date="2025-05-09"))
    site.ok()
    assert hrefs(site.read("posts/a/index.html")) == [leads_to]


def test_nothing_on_a_site_below_a_prefix_leads_out_of_it(site: Site) -> None:
    site.write("magnetgen.yaml", REPO + "menus: {main: [{label: Blog, url: /posts/}], footer: [{label: Us, url: /us/}]}\n"
               "privacy_url: /about/\nctas: {demo: {label: Demo, url: /about/}}\n")  # fmt: skip
    site.write("media/f.png", picture(40, 30))
    site.write("content/about.md", page("We are us.\n\n[Book](cta:demo)", title="Us", aliases="/us/"))
    for number in range(25):
        site.write(f"content/posts/p{number}.md", page(f"![F](/media/f.png)\n\nPost {number}.", title=f"Post {number}",
                   image="/media/f.png", image_alt="F", date=f"2025-05-{number + 1:02}", tags="[post, leads]"))  # fmt: skip
    site.ok()
    for name, data in site.files().items():
        if name.endswith((".html", ".xml", ".txt")):
            text = data.decode()
            for address in re.findall(r'\s(?:href|src|action|poster)="(/[^"]*)"', text):
                assert address.startswith("/repo/"), (name, address)
            for address in re.findall(r"https?://name\.github\.io([^\"'<\s;]*)", text):
                assert address.startswith("/repo/"), (name, address)


RAW = [
    ('<img src="/media/f.png" alt="F">', r'src="/repo/media/f\.[0-9a-f]+\.png"'),
    ("<img alt='F' src='/media/f.png'>", r"src='/repo/media/f\.[0-9a-f]+\.png'"),
    ('<video src="/media/v.mp4" poster="/media/f.png"></video>', r'poster="/repo/media/f\.[0-9a-f]+\.png"'),
    ('<video poster="/media/f.png" src="/media/v.mp4"></video>', r'src="/repo/media/v\.[0-9a-f]+\.mp4"'),
    ('<video><source src="/media/v.mp4"></video>', r'src="/repo/media/v\.[0-9a-f]+\.mp4"'),
    ('<picture><source srcset="/media/f.png"><img src="/media/f.png" alt="F"></picture>', r'srcset="/repo/media/f\.'),
    (
        '<img srcset="/media/f.png 1x, /media/f.png 2x" src="/media/f.png" alt="F">',
        r'srcset="/repo/media/f\.[^"]*, /repo/media',
    ),
    ('<iframe src="/posts/"></iframe>', r'src="/repo/posts/"'),
]


@pytest.mark.parametrize(("written", "expected"), RAW, ids=[written for written, _ in RAW])
def test_addresses_in_raw_html_get_the_prefix_too(site: Site, written: str, expected: str) -> None:
    site.write("magnetgen.yaml", REPO)
    site.write("media/f.png", picture())
    site.write("media/v.mp4", b"film")
    site.write("content/posts/a.md", page(f"Words.\n\n<div>\n{written}\n</div>", date="2025-05-09"))
    site.ok()
    assert re.search(expected, site.read("posts/a/index.html"))


@pytest.mark.parametrize(
    "code",
    ["`<a href=\"/nowhere/\">`", "```html\n<a href=\"/nowhere/\">x</a>\n```", "    <a href=\"/nowhere/\">x</a>",
     "<!-- <a href=\"/nowhere/\">x</a> -->", "`[x](nowhere.md)`", r"\[x](nowhere.md)"],
)  # fmt: skip
def test_what_is_shown_as_code_or_commented_out_is_no_link(site: Site, code: str) -> None:
    site.write("content/a.md", page(f"Words.\n\n{code}"))
    site.ok()


@pytest.mark.parametrize(
    ("anchor", "there"),
    [("#steps", True), ("#steps-2", True), ("#ask", True), ("#raw", True), ("#%C3%BCber-uns", True), ("#über-uns", True),
     ("#Steps", False), ("#form-newsletter", True), ("#form-other", False), ("#steps-3", False)],
)  # fmt: skip
def test_an_anchor_is_looked_for_among_all_ids_of_the_page(site: Site, anchor: str, there: bool) -> None:
    body = '## Steps\n\nOne.\n\n## Steps\n\n## Ask {#ask}\n\n## Über uns\n\n<p id="raw">Raw.</p>'
    site.write("content/posts/how.md", page(body, title="How", date="2025-05-08", description="x" * 80))
    site.write("content/a.md", page(f"See [one](posts/how.md{anchor}) and [two](/posts/how/{anchor})."))
    codes = [d.code for d in site.build().diagnostics]
    assert codes == ([] if there else ["link-anchor"] * 2)


def test_a_link_to_the_site_by_its_whole_address_is_checked_too(site: Site) -> None:
    site.write("content/a.md", page("See [more](https://example.com/nowhere/)."))
    assert site.fault("link-broken").severity == "error"


def test_a_host_that_only_begins_like_the_sites_is_another(site: Site) -> None:
    site.write("content/a.md", page("See [more](https://example.com.evil.org/nowhere/)."))
    site.ok()


def test_the_sites_own_address_without_a_slash_is_its_home(site: Site) -> None:
    site.write("magnetgen.yaml", REPO)
    site.write("content/a.md", page("See [home](https://name.github.io/repo)."))
    site.ok()


def test_a_file_beside_a_page_is_copied_with_it_and_linked(site: Site) -> None:
    site.write("content/guide/index.md", page("Take [the sheet](<my sheet.csv>)."))
    site.write("content/guide/my sheet.csv", "a,b\n")
    site.ok()
    assert hrefs(site.read("guide/index.html")) == ["/guide/my%20sheet.csv"]
    assert site.read("guide/my sheet.csv") == "a,b\n"


def test_a_file_in_media_has_a_name_by_its_content(site: Site) -> None:
    site.write("media/Price List.pdf", b"%PDF")
    site.write("content/a.md", page("Take [it](/media/Price%20List.pdf)."))
    site.ok()
    (name,) = [name for name in site.files() if name.endswith(".pdf")]
    assert re.fullmatch(r"media/Price List\.[0-9a-f]+\.pdf", name)
    assert hrefs(site.read("a/index.html")) == ["/" + name.replace(" ", "%20")]


def test_a_picture_has_its_size(site: Site) -> None:
    site.write("media/f.png", picture(40, 30))
    site.write("content/a.md", page('Words.\n\n![A funnel](/media/f.png "Wide")\n\n![Again](../media/f.png)'))
    site.ok()
    pictures = re.findall(r"<img[^>]*>", site.read("a/index.html"))
    assert all('width="40" height="30"' in tag for tag in pictures)
    assert 'title="Wide"' in pictures[0]
    assert [re.search(r'alt="([^"]*)"', tag)[1] for tag in pictures] == ["A funnel", "Again"]  # type: ignore[index]
    assert 'loading="lazy"' in pictures[1]


def test_the_page_before_a_link_to_it_changes_is_written_anew(site: Site) -> None:
    site.write("content/a.md", page("See [b](b.md)."))
    site.write("content/b.md", page("Other words.", title="B"))
    site.ok()
    site.write("content/b.md", page("Other words.", title="B", slug="c"))
    site.ok()
    assert hrefs(site.read("a/index.html")) == ["/c/"]
    assert not (site.root / "public/b").exists()


# --- properties ---------------------------------------------------------------------------------------------------


def small_plan(base_url: str) -> Plan:
    config = SiteConfig.model_validate({"title": "Lead Lab", "base_url": base_url})
    known = Page(source="content/posts/how.md", path="/posts/how/", layout="post", title="How", description="")
    plan = Plan(Path("/nowhere"), config, pages=(known,), by_source={known.source: known})
    plan.paths = {known.path: known.path}
    return plan


_ADDRESSES = st.lists(
    st.sampled_from(["/", "..", ".", "posts", "how", ".md", "#", "?", "%", "%2e", "%00", "é", ":", "form:", "cta:", "block:", "https:",
                     "//", "\\", " ", "\n", "\0", "é", "@", "[", "]", "http://["]) | st.text(max_size=4),
    max_size=8,
).map("".join)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    address=_ADDRESSES,
    kind=st.sampled_from(["link", "image", "other"]),
    base=st.sampled_from(["https://example.com", "https://a.io/repo/"]),
)
def test_no_address_makes_the_checker_fail(address: str, kind: str, base: str) -> None:
    plan = small_plan(base)
    links = Links(plan)
    found = links.resolve(plan.pages[0], address, kind=kind)
    assert isinstance(found.url, str)
    again = links.resolve(plan.pages[0], address, kind=kind)
    assert again == found
    if found.problem:
        assert found.problem.code
        assert found.problem.message


@given(tail=st.from_regex(r"[?#][a-z0-9=&]{0,8}", fullmatch=True))
def test_what_follows_the_address_of_a_page_is_kept(tail: str) -> None:
    links = Links(small_plan("https://a.io/repo/"))
    page_ = links._plan.pages[0]
    assert links.resolve(page_, "/posts/how/" + tail).url == "/repo/posts/how/" + tail
