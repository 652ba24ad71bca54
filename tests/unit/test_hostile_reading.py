"""What a hostile reading of the documents once found: each thing stays mended."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from magnetgen.diagnostics import Span, TextRenderer, error
from tests.conftest import SETTINGS, Site, page

REPO = SETTINGS.replace("https://example.com", "https://name.github.io/repo")


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), "#0a5").save(out, "PNG")
    return out.getvalue()


def test_a_form_that_says_it_is_a_draft_is_an_error_and_no_form_vanishes(site: Site) -> None:
    site.write("content/forms/lead.md", "---\ntitle: N\ndraft: true\nfields: [email]\n---\n")
    site.write("content/a.md", page("Words.\n\n![x](form:lead)", form="lead"))
    assert site.fault("unknown-key").severity == "error"
    assert not (site.root / "public").exists()


@pytest.mark.parametrize("link", ["[d](d.md)", "[d](/d/)"])
@pytest.mark.parametrize("faulty", ["", "datee: x\n"], ids=["clean", "faulty"])
def test_a_link_to_a_draft_is_an_error_that_names_the_draft(site: Site, link: str, faulty: str) -> None:
    site.write("content/d.md", f"---\ntitle: D\ndraft: true\n{faulty}---\n\nWords of d.\n")
    site.write("content/a.md", page(f"See {link}."))
    found = site.fault("link-unpublished")
    assert (found.severity, found.path) == ("error", "content/a.md")
    assert "draft" in found.message


def test_the_feed_leaves_code_as_it_was_written(site: Site) -> None:
    body = 'Write `<a href="/pricing/">` or [look](/posts/a/).'
    site.write("content/posts/a.md", page(body, date="2025-05-08"))
    site.ok()
    feed = site.read("feed.xml")
    assert '&amp;lt;a href="/pricing/"&amp;gt;' in feed.replace("&quot;", '"')
    assert 'href="https://example.com/posts/a/"' in feed.replace("&quot;", '"')


def test_an_empty_alt_in_html_says_decoration_and_the_picture_gets_its_size(site: Site) -> None:
    site.write("media/l.png", picture())
    site.write("content/a.md", page('Words.\n\n<div>\n<img class="x" alt="" src="/media/l.png">\n</div>'))
    site.ok()
    assert 'width="40" height="30"' in site.read("a/index.html").split('class="x"')[1].split(">")[0]


def test_markdown_without_alt_still_warns(site: Site) -> None:
    site.write("media/l.png", picture())
    site.write("content/a.md", page("Words.\n\n![](/media/l.png)"))
    assert site.fault("image-alt").severity == "warning"


def test_an_address_in_html_that_leads_nowhere_has_the_prefix_at_least(site: Site) -> None:
    site.write("magnetgen.yaml", REPO)
    site.write("content/a.md", page('Words.\n\n<div><a href="/media/nope.pdf">x</a></div>'))
    assert site.fault("link-broken").severity == "warning"
    assert 'href="/repo/media/nope.pdf"' in site.read("a/index.html")


def test_a_picture_that_cannot_be_read_is_told_of_once(site: Site) -> None:
    site.write("media/x.png", b"not a picture")
    site.write("content/a.md", page("Words.\n\n![x](/media/x.png)"))
    assert [d.code for d in site.build().diagnostics] == ["image-unreadable"]


@pytest.mark.parametrize("pattern", ["[a&&b]", "a{,3}", "[a--b]"])
@pytest.mark.filterwarnings("error")
def test_a_pattern_that_browsers_read_otherwise_is_refused_without_a_warning_of_pythons(
    site: Site, pattern: str
) -> None:
    fields = f'[email, {{name: a, type: text, pattern: "{pattern}"}}]'
    site.write("content/forms/lead.md", f"---\ntitle: N\nfields: {fields}\n---\n")
    assert site.fault("form-pattern").severity == "error"


def test_a_pattern_where_html_has_none_is_refused(site: Site) -> None:
    fields = '[email, {name: m, type: textarea, pattern: "[a-z]+"}]'
    site.write("content/forms/lead.md", f"---\ntitle: N\nfields: {fields}\n---\n")
    assert "textarea" in site.fault("form-pattern").message


@pytest.mark.parametrize("line", ["lang: zzzzz", "weight: 99999999999999999999"])
def test_every_value_that_is_refused_has_a_hint(site: Site, line: str) -> None:
    key, _, value = line.partition(": ")
    site.write("content/a.md", page(**{key: value}))
    assert site.fault("wrong-value").hint


def test_all_that_is_missing_from_the_settings_is_told_at_once(site: Site) -> None:
    site.write("magnetgen.yaml", "language: en\n")
    found = site.build().diagnostics
    assert sorted(d.message for d in found) == ['"base_url" is missing', '"title" is missing']
    assert not any("---" in d.hint for d in found)


def test_a_template_that_is_not_utf8_is_named_and_told_of_once(site: Site) -> None:
    site.write("templates/post.html", b"\xff")
    for name in "ab":
        site.write(f"content/posts/{name}.md", page(f"Words of {name}.", title=name.upper(), date="2025-05-08"))
    assert site.fault("not-utf8").path == "templates/post.html"


def test_no_line_of_a_file_outside_the_site_is_shown(site: Site, tmp_path: Path) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text("very secret\n", "utf-8")
    (site.root / "content").mkdir()
    (site.root / "content/l.md").symlink_to(secret)
    shown = TextRenderer(site.root).render(error("symlink-outside", "a link", "content/l.md", Span(1)))
    assert "very secret" not in shown
    assert "symlink-outside" in shown
