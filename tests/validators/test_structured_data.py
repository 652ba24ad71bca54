"""JSON-LD of every page: parsed back, held against schema.org's types, and against what the pages show."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.validators import tools
from tests.validators.sites import Built

pytestmark = pytest.mark.validator

_SCRIPT = re.compile(r'<script type="application/ld\+json">(.*?)</script>', re.S)

REQUIRED = {
    "BlogPosting": {"headline", "author", "datePublished", "dateModified", "mainEntityOfPage", "publisher"},
    "BreadcrumbList": {"itemListElement"},
    "ListItem": {"position", "name", "item"},
    "Organization": {"name", "url"},
    "WebSite": {"name", "url"},
    "Person": {"name"},
    "FAQPage": {"mainEntity"},
    "Question": {"name", "acceptedAnswer"},
    "Answer": {"text"},
    "Event": {"name", "startDate", "endDate", "eventAttendanceMode", "location", "organizer"},
    "VirtualLocation": {"url"},
}


def graphs(html: str) -> list[Any]:
    return [json.loads(text) for text in _SCRIPT.findall(html)]


def things(data: Any) -> Iterator[dict[str, Any]]:
    """Every typed object, the nested ones too."""
    for value in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from things(value)
    if isinstance(data, dict) and "@type" in data:
        yield data


def of_type(site: Built, path: str, kind: str) -> list[dict[str, Any]]:
    return [t for graph in graphs(site.pages[path]) for t in things(graph) if t["@type"] == kind]


def test_every_thing_has_its_required_properties(site: Built) -> None:
    for path, html in site.pages.items():
        for graph in graphs(html):
            assert graph["@context"] == "https://schema.org", path
            for thing in things(graph):
                lacks = {name for name in REQUIRED[thing["@type"]] if thing.get(name) in (None, "", [], {})}
                assert not lacks, (path, thing["@type"], lacks)


def test_schema_org_knows_every_type_and_property(site: Built, tmp_path: Path) -> None:
    """Compiled by TypeScript against schema-dts, which lets no unknown property and no value of a wrong type pass."""
    found: dict[str, str] = {}
    for path, html in site.pages.items():
        for graph in graphs(html):
            kind = "Graph" if "@graph" in graph else f"WithContext<{graph['@type']}>"
            found.setdefault(json.dumps(graph, indent=1), f"// {path}\nconst x%d: {kind} = ")
    names = {t["@type"] for text in found for t in things(json.loads(text))}
    body = "\n".join(head % n + text + ";" for n, (text, head) in enumerate(found.items()))
    source = (
        f'import type {{ Graph, WithContext, {", ".join(sorted(names))} }} from "schema-dts";\n{body}\nexport {{}};\n'
    )
    (tmp_path / "pages.ts").write_text(source, "utf-8")
    (tmp_path / "node_modules").symlink_to(tools.MODULES)
    tools.module("schema-dts/package.json")
    compiler = [tools.program("node"), str(tools.module("typescript/bin/tsc"))]
    options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "esnext", "--moduleResolution", "bundler"]
    run = subprocess.run([*compiler, *options, "pages.ts"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_compiler_that_sees_a_mistake_says_so(tmp_path: Path) -> None:
    """The check above is worth something only if it can fail."""
    text = 'import type { WithContext, WebSite } from "schema-dts";\n'
    text += 'const x: WithContext<WebSite> = {"@context": "https://schema.org", "@type": "WebSite", "nmae": "x"};\n'
    (tmp_path / "pages.ts").write_text(text + "export {x};\n", "utf-8")
    (tmp_path / "node_modules").symlink_to(tools.MODULES)
    compiler = [tools.program("node"), str(tools.module("typescript/bin/tsc"))]
    options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "esnext", "--moduleResolution", "bundler"]
    run = subprocess.run([*compiler, *options, "pages.ts"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert run.returncode != 0 and "nmae" in run.stdout


def test_a_dated_post_is_a_posting_that_says_what_the_page_shows(site: Built) -> None:
    posts = [p for p in site.pages if re.fullmatch(r"posts/(?!page/)[^/]+/", p) and not p.endswith("undated/")]
    assert len(posts) >= 5
    for path in posts:
        (posting,) = of_type(site, path, "BlogPosting")
        doc = site.documents[path]
        heading = doc.css_first("h1")
        assert heading and posting["headline"] == heading.text().strip(), path
        assert posting["mainEntityOfPage"] == site.base_url + path
        for key in ("datePublished", "dateModified"):
            assert datetime.fromisoformat(posting[key]).tzinfo is not None, path
        assert posting["author"]["@type"] in ("Person", "Organization")
        assert posting["publisher"]["@type"] == "Organization"
        if "image" in posting:
            assert posting["image"].startswith(site.base_url), path
            assert (site.out / posting["image"].removeprefix(site.base_url)).is_file(), path
        times = [node.attributes["datetime"] for node in doc.css("article .meta time")]
        assert posting["datePublished"] in times, path


def test_an_undated_post_claims_no_date(complete: Built) -> None:
    assert of_type(complete, "posts/undated/", "BlogPosting") == []
    assert of_type(complete, "posts/undated/", "BreadcrumbList")


def test_the_author_falls_back_to_the_organization(bare: Built) -> None:
    (posting,) = of_type(bare, "posts/first-post/", "BlogPosting")
    assert posting["author"]["@type"] == "Organization"
    assert posting["author"]["name"] == "Lead Lab"


def test_the_home_page_names_site_and_organization(site: Built) -> None:
    (website,) = of_type(site, "", "WebSite")
    assert website["url"] == site.base_url
    (organization,) = of_type(site, "", "Organization")
    assert organization["url"].startswith("https://")
    if "logo" in organization:
        assert (site.out / organization["logo"].removeprefix(site.base_url)).is_file()


def test_breadcrumbs_are_those_that_are_shown(site: Built) -> None:
    seen = 0
    for path, doc in site.documents.items():
        shown = [li.text().strip() for li in doc.css("nav.crumbs li")]
        told = [item["name"] for item in of_type(site, path, "ListItem")]
        assert shown == told, path
        for item in of_type(site, path, "ListItem"):
            target = item["item"].removeprefix(site.base_url)
            assert target in site.pages, (path, item)
        seen += bool(told)
    assert seen > 5


def test_questions_are_those_that_are_shown(site: Built) -> None:
    pages = [path for path in site.pages if of_type(site, path, "FAQPage")]
    for path in pages:
        told = [q["name"] for q in of_type(site, path, "Question")]
        shown = [node.text().strip() for node in site.documents[path].css(".s-faq summary")]
        assert told == shown, path
    if "hero-form/" in site.pages:
        assert {"offer/", "hero-form/"} <= set(pages)


def test_no_value_can_end_the_script(complete: Built) -> None:
    for path, html in complete.pages.items():
        for text in _SCRIPT.findall(html):
            assert "<" not in text, path
    answers = of_type(complete, "offer/", "Answer")
    assert any("</script>" in a["text"] or "&lt;/script&gt;" in a["text"] for a in answers)


def test_nothing_is_rated_and_nothing_is_a_howto(site: Built) -> None:
    for path, html in site.pages.items():
        for graph in graphs(html):
            for thing in things(graph):
                assert thing["@type"] not in ("HowTo", "AggregateRating", "Review"), path
                assert "aggregateRating" not in thing, path
