"""Two whole sites, byte for byte. After a change that is meant: `make golden`, and read the diff."""

from __future__ import annotations

import difflib

import pytest

from tests.golden import golden


def test_the_sites_are_there() -> None:
    assert golden.names() == ["complete", "two-posts"]


@pytest.mark.parametrize("name", golden.names())
def test_the_output_is_as_expected(name: str) -> None:
    found, wanted = golden.made(name), golden.expected(name)
    assert sorted(found) == sorted(wanted), "other files than expected; `make golden` if that is meant"
    wrong = [file for file in wanted if found[file] != wanted[file]]
    for file in wrong[:3]:
        old, new = (data.decode("utf-8", "replace").splitlines() for data in (wanted[file], found[file]))
        print("\n".join(difflib.unified_diff(old, new, f"expected/{file}", f"made/{file}", lineterm="", n=1)))
    assert not wrong, f"{len(wrong)} files differ; `make golden` if that is meant"


def test_the_complete_site_is_complete() -> None:
    """What the golden site is there for is really in it."""
    files = golden.made("complete")
    wanted = ("index.html", "404.html", "offer/index.html", "about/index.html", "posts/page/2/index.html", "feed.xml",
              "sitemap.xml", "robots.txt", "old/address/index.html", "forms/checklist/thanks/index.html",
              "forms/checklist/confirmed/index.html", "ueber-uns/index.html")  # fmt: skip
    assert [name for name in wanted if f"site/{name}" not in files] == []
    landing = files["site/offer/index.html"].decode()
    kinds = ("hero", "features", "steps", "stats", "testimonials", "logos", "pricing", "faq", "comparison", "team", "video",
             "form", "prose")  # fmt: skip
    assert [
        kind for kind in kinds if f"s-{kind}" not in landing and f'"{kind}' not in landing and f" {kind}" not in landing
    ] == []
    said = files["said.txt"].decode()
    assert "draft" in said
    assert "expired" in said
    assert b'href="/field/' in files["site/index.html"]


def test_posts_whose_pictures_are_missing_build_with_one_warning_each() -> None:
    files = golden.made("two-posts")
    said = files["said.txt"].decode()
    assert said.count("warning[image-missing]") == 2
    assert "error[" not in said
    posts = [data for name, data in files.items() if name.startswith("site/posts/") and name.count("/") == 3]
    assert len(posts) == 2
    assert all(b"<img" not in post and b"<form" in post for post in posts)
