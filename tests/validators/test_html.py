"""Every page against the Nu HTML checker, and the parts of PAGES.md that can be read off the HTML."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.validators import tools
from tests.validators.sites import Built

pytestmark = pytest.mark.validator

ALLOWED: tuple[tuple[str, str], ...] = (
    (
        r"Attribute “netlify-honeypot” not allowed on element “form”",
        "Netlify's own documentation knows it by no other name; its servers take it out before anybody sees it",
    ),
    (
        r"Trailing slash on void elements has no effect",
        "the Markdown engine writes <img … />; it has no effect on what the browser sees",
    ),
)
"""Messages of the checker that are no fault, each with its reason."""


def nu(folder: Path) -> list[dict[str, Any]]:
    """All messages of the Nu HTML checker about a folder's HTML files, less what is allowed."""
    jar = tools.module("vnu-jar/build/dist/vnu.jar")
    command = [tools.program("java"), "-jar", str(jar), "--skip-non-html", "--stdout", "--format", "json", str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.stdout.startswith("{"), run.stderr
    messages: list[dict[str, Any]] = json.loads(run.stdout)["messages"]
    return [m for m in messages if not any(re.search(pattern, m["message"]) for pattern, _ in ALLOWED)]


def listed(messages: list[dict[str, Any]], folder: Path) -> str:
    """The messages by their text, each with the files it is about."""
    found: dict[str, list[str]] = {}
    for m in messages:
        place = m.get("url", "").removeprefix(f"file:{folder}/")
        extract = m.get("extract", "").replace("\n", " ")
        found.setdefault(f"{m.get('subType', m['type'])}: {m['message']} [{extract}]", []).append(
            f"{place}:{m.get('lastLine')}"
        )
    return "\n".join(f"{text}\n    {', '.join(places[:5])} ({len(places)})" for text, places in found.items())


def test_nu_finds_neither_errors_nor_warnings(site: Built, tmp_path: Path) -> None:
    folder = tmp_path / "all"
    shutil.copytree(site.out, folder)
    (folder / "handler").mkdir()
    for name, html in site.messages.items():
        (folder / "handler" / f"{name}.html").write_text(html, "utf-8")
    for name, html in site.mails.items():
        (folder / "handler" / f"mail-{name.replace(':', '-')}.html").write_text(html, "utf-8")
    messages = nu(folder)
    assert not messages, "\n" + listed(messages, folder)


def test_every_page_has_its_head(site: Built) -> None:
    for path, doc in site.documents.items():
        title = doc.css_first("head > title")
        assert title and title.text().strip(), path
        canonical = doc.css('link[rel="canonical"]')
        assert len(canonical) == 1, path
        if not site.is_redirect(path):
            assert canonical[0].attributes["href"] == site.base_url + path, path
        root = doc.css_first("html")
        assert root and re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]+)*", root.attributes["lang"] or ""), path
        assert len(doc.css('meta[name="viewport"][content="width=device-width, initial-scale=1"]')) == 1, path


def test_every_page_has_exactly_one_h1_and_its_headings_in_order(site: Built) -> None:
    for path, doc in site.documents.items():
        levels = [int(str(node.tag)[1]) for node in doc.css("h1, h2, h3, h4, h5, h6")]
        assert levels.count(1) == 1, (path, levels)
        assert levels[0] == 1, (path, levels)
        jumps = [(a, b) for a, b in itertools.pairwise(levels) if b > a + 1]
        assert not jumps, (path, levels)


def test_indexable_pages_have_social_metadata_and_a_description(site: Built) -> None:
    wanted = {"og:title", "og:type", "og:url", "og:site_name", "og:image", "og:image:width", "og:image:height",
              "og:image:alt", "twitter:card"}  # fmt: skip
    for path, doc in site.documents.items():
        if not site.is_indexable(path):
            continue
        found = {
            m.attributes.get("property") or m.attributes.get("name"): m.attributes["content"]
            for m in doc.css("meta[content]")
        }
        assert wanted <= {name for name, value in found.items() if value}, (path, wanted - set(found))
        assert found["og:url"] == site.base_url + path
        assert found["twitter:card"] == "summary_large_image"
        posts = re.fullmatch(r"posts/(?!page/)[^/]+/", path)
        if posts and doc.css_first("article time"):
            assert {"article:published_time", "article:modified_time"} <= set(found), path
        # The further pages of a list have nothing of their own to say.
        if "/page/" not in path:
            assert found.get("description"), path
            assert found.get("og:description") == found["description"], path


def test_titles_and_descriptions_are_unique_among_indexable_pages(site: Built) -> None:
    for selector in ("title", 'meta[name="description"]'):
        texts: Counter[str] = Counter()
        for path, doc in site.documents.items():
            node = doc.css_first(selector)
            if node and site.is_indexable(path):
                texts[(node.attributes.get("content") or node.text()).strip()] += 1
        assert [text for text, count in texts.items() if count > 1] == []


def test_pages_behind_a_form_are_not_indexed(site: Built) -> None:
    hidden = [path for path in site.pages if path == "404.html" or path.startswith("forms/")]
    assert any("thanks" in path for path in hidden)
    for path in hidden:
        assert not site.is_indexable(path), path
    for name, html in site.messages.items():
        assert '<meta name="robots" content="noindex">' in html, name


def test_nothing_inline_needs_an_exception_from_a_strict_policy(site: Built) -> None:
    for path, doc in site.documents.items():
        for node in doc.css("*"):
            handlers = [name for name in node.attributes if name.startswith("on")]
            assert "style" not in node.attributes and not handlers, (path, node.tag, node.attributes)
            for name in ("href", "src", "action"):
                assert not (node.attributes.get(name) or "").lower().startswith("javascript:"), (path, node.html)


def test_every_control_has_a_visible_label_and_its_texts(site: Built) -> None:
    for path, doc in site.documents.items():
        labels = {label.attributes.get("for") for label in doc.css("label")}
        ids = {node.attributes["id"] for node in doc.css("[id]")}
        for control in doc.css("form :is(input:not([type=hidden]), select, textarea)"):
            assert control.attributes.get("id") in labels, (path, control.html)
            for name in (control.attributes.get("aria-describedby") or "").split():
                assert name in ids, (path, control.html)
        for group in doc.css("fieldset"):
            assert group.css_first("legend"), path


def test_known_fields_carry_their_autocomplete_type_and_keyboard(complete: Built) -> None:
    form = complete.documents["forms/everything/"]
    wanted = {
        "email": ("email", "email", "email"),
        "first_name": ("given-name", "text", None),
        "last_name": ("family-name", "text", None),
        "company": ("organization", "text", None),
        "job_title": ("organization-title", "text", None),
        "phone": ("tel", "tel", "tel"),
        "website": ("url", "url", "url"),
    }
    for name, (token, kind, mode) in wanted.items():
        control = form.css_first(f'input[name="{name}"]')
        assert control, name
        attrs = control.attributes
        assert attrs.get("autocomplete") == token, name
        assert (attrs.get("type") or "text") == kind, name
        assert mode is None or attrs.get("inputmode") == mode, name
        assert attrs.get("maxlength"), name


def test_consent_is_unticked_and_the_trap_is_out_of_the_way(site: Built) -> None:
    for path, doc in site.documents.items():
        assert not doc.css("form [checked]"), path
        for trap in doc.css('input[name="_mg_hp"]'):
            assert trap.attributes.get("tabindex") == "-1", path
            assert trap.attributes.get("autocomplete") == "off", path
            around = trap.parent
            assert around and around.attributes.get("aria-hidden") == "true", path


def test_forms_have_the_markup_of_their_provider(complete: Built, prefixed: Built, bare: Built) -> None:
    ours = complete.documents["forms/newsletter/"].css_first("main form")
    assert ours and (ours.attributes["action"], ours.attributes["method"]) == ("/api/forms/newsletter", "post")
    assert {i.attributes["name"] for i in ours.css("input")} >= {"email", "newsletter", "_mg_t", "_mg_src", "_mg_v"}
    netlify = prefixed.documents["forms/newsletter/"].css_first("main form")
    assert netlify and netlify.attributes["data-netlify"] == "true"
    assert netlify.attributes["name"] == "newsletter"
    assert netlify.attributes["netlify-honeypot"] == "_mg_hp"
    assert netlify.attributes["action"] == "/some-repo/forms/newsletter/thanks/"
    name = netlify.css_first('input[name="form-name"]')
    assert name and name.attributes["value"] == "newsletter"
    other = bare.documents["forms/newsletter/"].css_first("main form")
    assert other and other.attributes["action"] == "https://forms.example.net/f/newsletter"
    assert not other.css('[name="_mg_hp"], [name="_mg_v"]')
