"""magnetgen.yaml and the cascade of defaults."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetgen import config
from magnetgen.config import defaults_for, glob, load, merge
from magnetgen.forms import recipes
from tests.conftest import SETTINGS, Site, page


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("posts/**", "posts/a.md", True),
        ("posts/**", "posts/2025/a.md", True),
        ("posts/**", "posts.md", False),
        ("posts/*", "posts/a.md", True),
        ("posts/*", "posts/2025/a.md", False),
        ("**/a.md", "a.md", True),
        ("**/a.md", "x/y/a.md", True),
        ("**", "x/y/a.md", True),
        ("*.md", "a.md", True),
        ("*.md", "x/a.md", False),
        ("**/*.md", "x/a.md", True),
        ("post?/a.md", "posts/a.md", True),
        ("post?/a.md", "post/a.md", False),
        ("a.md", "axmd", False),
        ("a+b/(c).md", "a+b/(c).md", True),
    ],
)
def test_a_pattern_stays_within_a_folder_or_goes_across(pattern: str, path: str, fits: bool) -> None:
    assert bool(glob(pattern).fullmatch(path)) is fits


@given(st.text(max_size=20))
def test_any_pattern_can_be_used_and_a_plain_one_fits_itself(pattern: str) -> None:
    found = glob(pattern)
    if not set(pattern) & set("*?\n"):
        assert found.fullmatch(pattern)


def test_later_entries_win_and_front_matter_wins_over_all(site: Site) -> None:
    site.write(
        "magnetgen.yaml",
        SETTINGS
        + "ctas: {one: {label: One, url: https://one.example/}, two: {label: Two, url: https://two.example/},"
        + " three: {label: Three, url: https://three.example/}}\n"
        + 'defaults:\n  - {files: "**", values: {cta: one, author: Ana Ruiz, date: 2025-01-01}}\n'
        + '  - {files: "posts/**", values: {layout: post, cta: two, description: }}\n',
    )
    site.write("content/about.md", page("We are us.", title="Us"))
    site.write("content/posts/a.md", page("Words of a."))
    site.write("content/posts/b.md", page("Words of b.", title="B", cta="three"))
    site.write("content/posts/c.md", page("Words of c.", title="C", cta="false"))
    site.ok()
    assert "https://one.example/" in site.read("about/index.html")
    assert "https://two.example/" in site.read("posts/a/index.html")
    assert "By Ana Ruiz" in site.read("posts/a/index.html")
    b, c = site.read("posts/b/index.html"), site.read("posts/c/index.html")
    assert ("https://three.example/" in b, "https://two.example/" in b) == (True, False)
    assert not re.search(r"https://\w+\.example/", c.partition("</head>")[2])


def test_extra_is_merged_key_by_key_and_an_empty_value_overrides_nothing() -> None:
    under = {"title": "A", "extra": {"a": 1, "b": 2}, "cta": "one"}
    over = {"extra": {"b": 3, "c": 4}, "cta": None}
    assert merge(under, over) == {"title": "A", "extra": {"a": 1, "b": 3, "c": 4}, "cta": "one"}


def test_a_site_with_posts_and_no_defaults_has_them_as_posts_with_the_newsletter(site: Site) -> None:
    config, _ = load(site.root)
    assert defaults_for(config, "posts/a.md") == {"layout": "post", "form": "newsletter"}
    assert defaults_for(config, "about.md") == {}


def test_a_site_with_defaults_of_its_own_has_only_those(site: Site) -> None:
    site.write("magnetgen.yaml", SETTINGS + 'defaults: [{files: "notes/**", values: {layout: post}}]\n')
    config, _ = load(site.root)
    assert defaults_for(config, "posts/a.md") == {}
    assert defaults_for(config, "notes/a.md") == {"layout": "post"}


@pytest.mark.parametrize(
    ("written", "base", "prefix", "origin"),
    [
        ("https://example.com", "https://example.com/", "/", "https://example.com"),
        ("https://example.com/", "https://example.com/", "/", "https://example.com"),
        ("https://name.github.io/repo", "https://name.github.io/repo/", "/repo/", "https://name.github.io"),
        ("https://name.github.io/repo/", "https://name.github.io/repo/", "/repo/", "https://name.github.io"),
        ("http://localhost:8000", "http://localhost:8000/", "/", "http://localhost:8000"),
    ],
)
def test_the_address_of_the_site_ends_in_a_slash(site: Site, written: str, base: str, prefix: str, origin: str) -> None:
    site.write("magnetgen.yaml", f"title: Lead Lab\nbase_url: {written}\n")
    config, _ = load(site.root)
    assert (config.base_url, config.prefix, config.origin) == (base, prefix, origin)


@pytest.mark.parametrize(
    "written", ["example.com", "/", "ftp://example.com", "https://", "https://example.com/?a=b", "https://example.com/#x",
                "'https://exa mple.com'", "https://example.com:port/", "https://[::1"]
)  # fmt: skip
def test_an_address_that_is_not_whole_is_an_error(site: Site, written: str) -> None:
    site.write("magnetgen.yaml", f"title: Lead Lab\nbase_url: {written}\n")
    found = site.build().diagnostics
    assert [(d.severity, d.path, d.span and d.span.line) for d in found] == [("error", "magnetgen.yaml", 2)]


@pytest.mark.parametrize("written", ["nowhere", "https:", "http://[::1", "https://example.com/?x"])
def test_a_base_url_for_one_build_is_checked_like_the_sites_own(site: Site, written: str) -> None:
    assert [d.severity for d in site.build(base_url=written).diagnostics] == ["error"]


def test_a_base_url_for_one_build_replaces_the_sites_own(site: Site) -> None:
    site.write("content/a.md", page())
    site.ok(base_url="https://other.example/sub")
    text = site.read("a/index.html")
    assert '<link rel="canonical" href="https://other.example/sub/a/">' in text
    assert "example.com" not in text


def test_a_folder_without_settings_is_told_how_to_begin(site: Site) -> None:
    site.delete("magnetgen.yaml")
    found = site.fault("config-missing")
    assert (found.severity, found.path) == ("error", "magnetgen.yaml")
    assert "magnetgen new site" in found.hint


@pytest.mark.parametrize(
    ("line", "at"),
    [
        ("pagination: 0", (4, 13)),
        ("pagination: -3", (4, 13)),
        ("feed: {limit: 0}", (4, 15)),
        ("language: english language", (4, 11)),
        ("theme: {brand: teal}", (4, 16)),
        ("theme: ../other", (4, 8)),
        ("handler: {provider: mailchimp}", (4, 21)),
        ("handler: {provider: external}", (4, 10)),
        ("markdown: {engine: commonmark}", (4, 20)),
        ("seo: {indexnow_key: x}", (4, 21)),
        ("handler: {destinations: [{name: CRM, kind: webhook}]}", (4, 33)),
        ("handler: {destinations: [{name: crm, kind: webhok}]}", (4, 44)),
        ("handler: {destinations: [{name: crm, kind: webhook}]}", (4, 26)),
        ("handler: {destinations: [{name: mc, kind: mailchimp, key_env: K}]}", (4, 26)),
        ("handler: {destinations: [{name: s, kind: slack, url_env: U, list_env: L}]}", (4, 71)),
        ("handler: {destinations: [{name: s, kind: slack, url_env: 'https://x.co/y'}]}", (4, 58)),
        ("theme: {words: {skp: x}}", (4, 17)),
    ],
)
def test_a_value_that_cannot_be_is_an_error_at_its_place(site: Site, line: str, at: tuple[int, int]) -> None:
    site.write("magnetgen.yaml", SETTINGS + line + "\n")
    found = site.build().diagnostics
    assert [(d.severity, d.path, d.span and (d.span.line, d.span.column)) for d in found] == [
        ("error", "magnetgen.yaml", at)
    ]


@pytest.mark.parametrize(
    ("destination", "code", "message", "hint"),
    [
        ("kind: mailchimp", "destination-env", "mailchimp needs key_env and list_env",
         "add `key_env: TO_KEY, list_env: TO_LIST`"),
        ("kind: listmonk, url_env: A, list_env: B", "destination-env", "listmonk needs key_env", "key_env: TO_KEY"),
        ("kind: webhook, url_env: A, key_env: B", "destination-env", "webhook has no use for key_env",
         "it takes url_env and secret_env"),
        ("kind: hubspot, key_env: pat-na1-xyz", "destination-env-name",
         "key_env is not the name of an environment variable", "key_env: CRM_URL"),
    ],
)  # fmt: skip
def test_a_destination_says_what_its_kind_needs(
    site: Site, destination: str, code: str, message: str, hint: str
) -> None:
    site.write("magnetgen.yaml", SETTINGS + f"handler: {{destinations: [{{name: to, {destination}}}]}}\n")
    found = site.fault(code)
    assert found.message == message and hint in found.hint


def test_every_kind_of_destination_has_its_data() -> None:
    assert set(config.DESTINATION_KINDS) == set(recipes.names("destinations"))
    assert set(get_args(config.Destination.model_fields["kind"].annotation)) == set(config.DESTINATION_KINDS)


def test_menus_are_shown_and_the_current_page_is_marked(site: Site) -> None:
    site.write(
        "magnetgen.yaml",
        SETTINGS
        + "menus:\n  main: [{label: Blog, url: /posts/}, {label: Us, url: /about/}, {label: Out, url: https://o.example/}]\n"
        "  footer: [{label: Imprint, url: /imprint/}]\nprivacy_url: /privacy/\n",
    )
    for name in ("about", "imprint", "privacy"):
        site.write(f"content/{name}.md", page(f"Words of {name}.", title=name))
    site.write("content/posts/a.md", page("Words of a.", date="2025-05-08"))
    site.ok()
    text = site.read("about/index.html")
    header, footer = text.partition("<main")[0], text.partition("<footer")[2]
    assert re.findall(r'<a href="([^"]+)"[^>]*>(Blog|Us|Out)</a>', header) == [
        ("/posts/", "Blog"), ("/about/", "Us"), ("https://o.example/", "Out"),
    ]  # fmt: skip
    assert 'href="/about/" aria-current="page"' in header
    assert 'href="/imprint/"' in footer
    assert 'href="/privacy/"' in footer
    assert re.search(r'href="/posts/" aria-current="true"', site.read("posts/a/index.html"))


def test_without_menus_the_collections_are_the_menu(site: Site) -> None:
    site.write("content/posts/a.md", page("Words of a.", date="2025-05-08"))
    site.ok()
    assert re.search(r'<a href="/posts/"[^>]*>Posts</a>', site.read("index.html").partition("<main")[0])


def test_a_theme_takes_its_brand_colour_and_words_from_the_settings(site: Site) -> None:
    site.write("magnetgen.yaml", SETTINGS + 'theme: {name: lodestone, brand: "#a05", words: {skip: Zum Inhalt}}\n')
    site.write("content/a.md", page())
    site.ok()
    text = site.read("a/index.html")
    assert "--brand:#a05" in text
    assert "Zum Inhalt" in text


def test_a_template_of_the_sites_own_can_extend_the_original(site: Site) -> None:
    site.write(
        "templates/page.html",
        '{% extends "lodestone/page.html" %}\n{% block footer %}<footer>Ours: {{ page.extra.colour }}</footer>{% endblock %}\n',
    )
    site.write("content/a.md", page(extra="{colour: red}"))
    site.ok()
    text = site.read("a/index.html")
    assert "<footer>Ours: red</footer>" in text
    assert "<h1>A page</h1>" in text


def test_a_changed_template_is_seen_at_once(site: Site) -> None:
    site.write("content/a.md", page())
    site.write("templates/page.html", '{% extends "lodestone/page.html" %}{% block footer %}One{% endblock %}')
    site.ok()
    site.write("templates/page.html", '{% extends "lodestone/page.html" %}{% block footer %}Two more{% endblock %}')
    site.ok()
    assert "Two more" in site.read("a/index.html")
