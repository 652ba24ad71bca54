"""How much a page weighs on the way: PAGES.md, "Speed". Sizes are those of gzip -9."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from magnetgen import client
from tests.conftest import Site, page
from tests.validators.sites import Built, complete_site, made

pytestmark = pytest.mark.validator

THEME_SHARE = 8 * 1024
WHOLE_POST = 14 * 1024
SCRIPT = 3 * 1024
CHALLENGE = 1536
"""What a proof of work may add to the pages that ask for one."""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Not the validators' sites: one with a title and an address."""
    tiny = Site(tmp_path / "tiny")
    tiny.write("magnetgen.yaml", "title: Lead Lab\nbase_url: https://example.com\n")
    return tiny


def compressed(text: str) -> int:
    return len(gzip.compress(text.encode(), 9, mtime=0))


def words(html: str) -> int:
    """Words of the article itself."""
    prose = re.search(r'<div class="prose">(.*?)</div>', html, re.S)
    return len(re.sub(r"<[^>]+>", " ", prose[1]).split()) if prose else 0


def test_a_post_of_up_to_1500_words_arrives_in_one_round_trip(own: Built) -> None:
    posts = {path: html for path, html in own.pages.items() if re.fullmatch(r"posts/(?!page/)[^/]+/", path)}
    sizes = {path: compressed(html) for path, html in posts.items() if words(html) <= 1500}
    assert sizes and max(sizes.values()) <= WHOLE_POST, sizes


def test_a_post_of_1500_real_words_arrives_in_one_round_trip(own: Built, tmp_path: Path) -> None:
    """The longest posts of this site, joined and cut, in this site's own clothes."""
    texts = sorted((own.root / "content" / "posts").glob("*.md"), key=lambda f: -f.stat().st_size)
    bodies = [f.read_text("utf-8").split("---\n", 2)[2] for f in texts]
    plain = [re.sub(r"\]\([^)]*\)", "](/)", body) for body in bodies]
    paragraphs, count = [], 0
    for paragraph in "\n\n".join(plain).split("\n\n"):
        if "![" in paragraph or count + len(paragraph.split()) > 1500:
            continue
        paragraphs.append(paragraph)
        count += len(paragraph.split())
    assert count > 1400
    whole = complete_site(tmp_path / "site")
    front = {"title": "A long post", "date": "2026-05-01", "layout": "post", "description": "x" * 100, "cta": "offer"}
    (whole.root / "content" / "long.md").write_text(
        page("\n\n".join(paragraphs), **front, form="newsletter", tags="[post, capture forms]"), "utf-8"
    )
    built = made(whole.root, {"form-fields-many", "post-undated", "section-unknown", "heading-class-unknown"})
    assert compressed(built.pages["long/"]) <= WHOLE_POST


def test_the_themes_own_share_of_a_post_is_small(site: Site) -> None:
    """A post of one word, with its form, in a site that says nothing else."""
    site.write("content/posts/one.md", page("Word.", title="One", date="2026-05-01"))
    site.build()
    assert compressed(site.read("posts/one/index.html")) <= THEME_SHARE


def test_the_script_of_a_page_is_small(complete: Built) -> None:
    scripts = re.findall(r"<script>(.*?)</script>", complete.pages["offer/"], re.S)
    assert len(scripts) == 1
    assert compressed(scripts[0]) <= SCRIPT
    assert compressed(client.script("attribution")) <= 1024


def test_a_challenge_adds_little_and_only_to_its_pages(complete: Built) -> None:
    plain = re.findall(r"<script>(.*?)</script>", complete.pages["offer/"], re.S)[0]
    (guarded,) = re.findall(r"<script>(.*?)</script>", complete.pages["forms/guarded/"], re.S)
    assert guarded.startswith(plain)
    assert compressed(guarded) - compressed(plain) <= CHALLENGE
    assert [path for path, html in complete.pages.items() if "data-mg-challenge=" in html] == ["forms/guarded/"]
    assert [path for path, html in complete.pages.items() if "solvers" in html] == ["forms/guarded/"]


def test_a_page_is_one_request_before_its_pictures(complete: Built) -> None:
    for path, doc in complete.documents.items():
        assert not doc.css('link[rel="stylesheet"], script[src], link[rel="preload"], iframe'), path
