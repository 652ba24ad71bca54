"""The command line: options, output and exit codes. 0 fine, 1 content problems, 2 usage, 3 I/O or internal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, SETTINGS, Site, page

KEYS = {"diagnostics", "pages", "written", "unchanged", "removed", "skipped", "seconds"}


class Run:
    """What a command printed, and its exit code. No command may ever show a traceback."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr
        assert "Traceback" not in self.out + self.err, self.out + self.err

    def json(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.out)
        return data


def magnetgen(*args: str | Path, cwd: Path | None = None, **environment: str) -> Run:
    """Run `python -m magnetgen` as a user would."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "SOURCE_DATE_EPOCH": "1780000000", **environment}
    command = [sys.executable, "-m", "magnetgen", *map(str, args)]
    return Run(subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=120))


def build(site: Site, *args: str | Path, **environment: str) -> Run:
    return magnetgen("build", *args, cwd=site.root, **environment)


def faulty(site: Site) -> Site:
    """A site with one error and one warning."""
    site.write("content/guide.md", page("See [more](other.md).", description="Short."))
    return site


# --- exit codes and text ------------------------------------------------------------------------------------------


def test_a_good_site_builds_and_says_how_many_pages_it_has(site: Site) -> None:
    site.write("content/a.md", page())
    run = build(site)
    assert (run.code, run.err) == (0, "")
    assert re.search(r"^\d+ pages in public \(\d+ files written, 0 unchanged\) in [\d.]+ s$", run.out, re.M)
    assert (site.root / "public/a/index.html").is_file()


def test_a_second_build_writes_nothing(site: Site) -> None:
    site.write("content/a.md", page())
    build(site)
    run = build(site)
    assert run.code == 0
    assert "0 files written" in run.out


def test_an_error_of_content_ends_with_one_and_shows_place_line_and_hint(site: Site) -> None:
    run = build(faulty(site))
    assert run.code == 1
    assert "content/guide.md:6:12 error[link-broken]" in run.out
    assert "    6 | See [more](other.md).\n      |            ^^^^^^^^" in run.out
    assert "  hint: " in run.out
    assert "content/guide.md:3:14 warning[description-length]" in run.out
    assert "1 error, 1 warning" in run.out
    assert not (site.root / "public").exists()


def test_the_excerpt_of_the_design_is_drawn_as_it_stands_there(site: Site) -> None:
    lines = ["---", "title: A guide", "description:", "date:", "updated:", "tags:", "form:",
             "  title: Get the checklist", "  button: Send it to me", "  fields:", "    - first_name", "    - name: work",
             "      label: Work", "      type: emial", "---", "", "Words.", ""]  # fmt: skip
    site.write("content/guide.md", "\n".join(lines))
    assert (
        'content/guide.md:14:13 error[form-unknown-field-type] unknown field type "emial"\n'
        "   14 |       type: emial\n"
        "      |             ^^^^^\n"
        '  hint: did you mean "email"? Types: email, text, tel, url, number, select, radio, checkbox, textarea, hidden\n'
    ) in build(site).out


def test_a_warning_is_no_error_unless_strict(site: Site) -> None:
    site.write("content/a.md", page(description="Short."))
    assert build(site, "--strict").code == 1
    assert not (site.root / "public").exists()
    assert build(site).code == 0
    assert build(site, "--strict").code == 1


def test_what_is_not_published_is_listed(site: Site) -> None:
    site.write("content/soon.md", page(draft="true"))
    assert "content/soon.md: draft" in build(site).out
    assert "content/soon.md" not in build(site, "--drafts").out
    assert "A page" in site.read("soon/index.html")


def test_posts_to_come_are_built_when_asked_for(site: Site) -> None:
    site.write("content/posts/a.md", page(date="2026-12-01"))
    assert "future" in build(site).out
    assert build(site, "--future").code == 0
    assert (site.root / "public/posts/a/index.html").is_file()


def test_quiet_says_only_what_is_wrong(site: Site) -> None:
    site.write("content/a.md", page(draft="true"))
    run = build(site, "--quiet")
    assert (run.code, run.out, run.err) == (0, "", "")
    run = build(faulty(site), "--quiet")
    assert run.code == 1
    assert "error[link-broken]" in run.out
    assert "nothing was written" not in run.out


@pytest.mark.parametrize(
    "args",
    [["nonsense"], ["build", "--nonsense"], ["build", "--format", "xml"], ["build", "--jobs", "0"], ["build", "--base-url", "nowhere"],
     ["build", "--site", "not-there"], ["new", "site"], ["schema", "nothing"], ["build", "too", "many"]],
)  # fmt: skip
def test_a_wrong_command_ends_with_two(site: Site, args: list[str]) -> None:
    run = magnetgen(*args, cwd=site.root)
    assert run.code == 2
    assert run.err
    assert run.out == ""


@pytest.mark.parametrize("epoch", ["tomorrow", "1.5", "1e9"])
def test_a_wrong_source_date_ends_with_two(site: Site, epoch: str) -> None:
    assert build(site, SOURCE_DATE_EPOCH=epoch).code == 2


def test_a_source_date_out_of_this_world_is_no_crash(site: Site) -> None:
    site.write("content/posts/a.md", page(date="2025-05-08"))
    assert build(site, SOURCE_DATE_EPOCH="9" * 30).code in (0, 2)
    assert build(site, SOURCE_DATE_EPOCH="-1").code in (0, 2)


def test_the_source_date_decides_what_is_to_come(site: Site) -> None:
    site.write("content/posts/a.md", page(date="2025-05-08"))
    assert "future" in build(site, SOURCE_DATE_EPOCH="1").out
    assert "future" not in build(site, SOURCE_DATE_EPOCH="1780000000").out


@pytest.mark.parametrize(
    "args", [["--help"], ["build", "--help"], ["new", "--help"], ["schema", "--help"], ["--version"]]
)
def test_help_and_version_are_shown(args: list[str]) -> None:
    run = magnetgen(*args)
    assert run.code == 0
    assert run.out


def test_a_folder_without_a_site_is_told_how_to_begin(tmp_path: Path) -> None:
    run = magnetgen("build", cwd=tmp_path)
    assert run.code == 1
    assert "magnetgen new site" in run.out


# --- where it is written ------------------------------------------------------------------------------------------


def refused(site: Site, out: str | Path) -> None:
    before = {p: p.read_bytes() for p in site.root.parent.rglob("*") if p.is_file()}
    run = build(site, "--out", out)
    assert run.code == 2
    assert run.err
    after = {p: p.read_bytes() for p in site.root.parent.rglob("*") if p.is_file() and ".magnetgen" not in p.parts}
    assert after == {p: data for p, data in before.items() if ".magnetgen" not in p.parts}


@pytest.mark.parametrize(
    "out", [".", "..", "content", "media", "content/new", "templates", ".magnetgen", ".git", "magnetgen.yaml"]
)
def test_a_folder_of_sources_is_refused(site: Site, out: str) -> None:
    site.write("content/a.md", page())
    site.write("media/x.txt", "x")
    refused(site, out)


def test_a_folder_that_magnetgen_did_not_make_and_that_is_not_empty_is_refused(site: Site, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter.txt").write_text("dear", "utf-8")
    refused(site, mine)
    site.write("public/letter.txt", "dear")
    refused(site, "public")


@pytest.mark.parametrize("made", [False, True])
def test_an_empty_or_new_folder_is_written_to(site: Site, tmp_path: Path, made: bool) -> None:
    target = tmp_path / "deep" / "out"
    if made:
        target.mkdir(parents=True)
    assert build(site, "--out", target).code == 0
    assert (target / "index.html").is_file()
    assert build(site, "--out", target).code == 0
    assert not (site.root / "public").exists()


def test_a_refusal_is_no_less_a_refusal_the_second_time(site: Site, tmp_path: Path) -> None:
    target = tmp_path / "out"
    assert build(site, "--out", target).code == 0
    for file in sorted(target.rglob("*"), reverse=True):
        file.unlink() if not file.is_dir() else file.rmdir()
    (target / "letter.txt").write_text("dear", "utf-8")
    assert build(site, "--out", target).code == 2
    assert [p.name for p in target.iterdir()] == ["letter.txt"]


def test_a_site_elsewhere_is_built_into_its_own_folder(site: Site, tmp_path: Path) -> None:
    site.write("content/a.md", page())
    assert magnetgen("build", "--site", site.root, cwd=tmp_path).code == 0
    assert (site.root / "public/a/index.html").is_file()


def test_the_out_folder_is_where_the_shell_stands(site: Site, tmp_path: Path) -> None:
    assert magnetgen("build", "--site", site.root, "--out", "here", cwd=tmp_path).code == 0
    assert (tmp_path / "here/index.html").is_file()


def test_another_address_can_be_built_for(site: Site) -> None:
    site.write("content/a.md", page())
    assert build(site, "--base-url", "https://preview.example/x/").code == 0
    assert "https://preview.example/x/a/" in site.read("a/index.html")


@pytest.mark.parametrize("url", ["https://", "http://[::1", "https://example.com/?a=b"])
def test_another_address_that_is_none_is_a_wrong_command(site: Site, url: str) -> None:
    assert build(site, "--base-url", url).code == 2


# --- machines -----------------------------------------------------------------------------------------------------


def test_json_at_exit_zero_has_exactly_the_keys_of_the_format(site: Site) -> None:
    site.write("content/a.md", page(description="Short."))
    site.write("content/soon.md", page(title="Soon", draft="true"))
    run = build(site, "--format", "json")
    data = run.json()
    assert (run.code, run.err) == (0, "")
    assert set(data) == KEYS
    assert data["skipped"] == [{"path": "content/soon.md", "reason": "draft"}]
    (found,) = data["diagnostics"]
    assert {k: found[k] for k in found if k not in ("message", "hint")} == {
        "code": "description-length", "severity": "warning", "path": "content/a.md", "line": 3, "column": 14,
    }  # fmt: skip
    assert set(found) == {"code", "severity", "message", "path", "line", "column", "hint"}
    assert all(isinstance(data[key], int) for key in ("pages", "written", "unchanged", "removed"))
    assert data["pages"] >= 2
    assert data["written"] > data["pages"]
    again = build(site, "--format", "json").json()
    assert (again["written"], again["unchanged"], again["pages"]) == (0, data["written"], data["pages"])
    assert again["diagnostics"] == data["diagnostics"]


def test_json_counts_what_was_removed(site: Site) -> None:
    site.write("content/a.md", page())
    build(site)
    site.delete("content/a.md")
    assert build(site, "--format", "json").json()["removed"] == 1


def test_json_at_exit_one_has_every_fault_with_a_line(site: Site) -> None:
    run = build(faulty(site), "--format", "json")
    data = run.json()
    assert (run.code, set(data)) == (1, KEYS)
    assert [(d["code"], d["line"], d["column"]) for d in data["diagnostics"]] == [
        ("description-length", 3, 14),
        ("link-broken", 6, 12),
    ]
    assert data["written"] == data["removed"] == 0
    assert all(d["line"] for d in data["diagnostics"] if d["severity"] == "error")


def test_json_of_a_folder_without_a_site_is_json_too(tmp_path: Path) -> None:
    run = magnetgen("build", "--format", "json", cwd=tmp_path)
    assert (run.code, set(run.json())) == (1, KEYS)
    assert run.json()["diagnostics"][0]["line"] == 1


def test_json_at_exit_three_has_the_same_keys(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", "utf-8")
    run = build(site, "--out", tmp_path / "file" / "below", "--format", "json")
    assert run.code == 3
    assert set(run.json()) == KEYS
    (found,) = run.json()["diagnostics"]
    assert found["severity"] == "error"
    assert found["line"]


def test_a_disk_that_refuses_ends_with_three_and_one_sentence(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", "utf-8")
    run = build(site, "--out", tmp_path / "file" / "below")
    assert run.code == 3
    assert len(run.err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("magnetgen.yaml", SETTINGS + "markdown: {engine: python-markdown, extensions: [nonesuch]}\n"),
        ("templates/page.html", "{{ 1 / 0 }}"),
        ("templates/page.html", b"\xff\xfe{{ page.title }}"),
        ("themes/mine/theme.yaml", "name: mine\nmonths: x\nwords: y\n"),
        ("themes/mine/theme.yaml", "- a list\n"),
        ("content/a.md", page(permalink='"/a\\0b/"')),
        ("content/a.md", page(slug="x" * 300)),
        ("content/a.md", page(image='"a\\0b.png"')),
        ("content/a.md", page("[x](a%00b.md) ![y](a%00b.png) <a href='&#0;'>z</a>")),
        ("content/a.md", page("[x](http://[::1) <a href='//['>x</a>")),
        ("content/a.md", page(date="0001-01-01")),
        ("content/a.md", page(date="9999-12-31 23:59", expires="9999-12-31")),
        ("content/a.md", page(weight="9" * 5000)),
        ("content/a.md", page("x", weight="99999999999999999999")),
        ("content/a.md", page(extra="{a: 99999999999999999999999}")),
        ("content/a.md", page(extra="{a: 1e999}")),
        ("content/a.md", page("*" * 20000)),
        ("content/a.md", page(">" * 5000 + " x")),
        ("content/a.md", page("[" * 20000)),
        ("content/a.md", b"---\ntitle: a\x00b\n---\n"),
        ("content/a.md", page(title='"\\ud83d"')),
        ("content/a.md", page(title='"\\U0001F600"')),
        ("content/a.md", page(lang="x")),
        ("content/forms/Über.md", "---\ntitle: x\nfields: [email]\n---\n"),
        ("content/forms/sub/x.md", "---\ntitle: x\nfields: [email]\n---\n"),
        ("content/magnets/sub/x.md", "---\ntitle: x\nkind: ebook\n---\n"),
        ("content/.md", page()),
        ("content/?.md", page()),
        ("media/a b#c?d%e.png", b"\x89PNG"),
        ("content/posts", "a file where a folder should be"),
    ],
)
def test_whatever_is_written_ends_in_diagnostics_and_never_in_a_traceback(
    site: Site, path: str, content: str | bytes
) -> None:
    if path.startswith("themes/"):
        site.write("magnetgen.yaml", SETTINGS + "theme: mine\n")
    site.write("content/b.md", page("Other words.", title="B"))
    site.write(path, content)
    result = site.build()  # what it raises would end in a traceback, or in exit code 3
    for found in result.diagnostics:
        assert found.message
        assert found.span or found.severity == "warning"
    assert result.exit_code(strict=False) in (0, 1)


def test_github_is_told_of_every_fault_in_its_own_form(site: Site) -> None:
    run = build(faulty(site), "--format", "github")
    assert run.code == 1
    assert "::error file=content/guide.md,line=6,col=12,title=link-broken::" in run.out
    assert "::warning file=content/guide.md,line=3,col=14,title=description-length::" in run.out
    line = next(line for line in run.out.splitlines() if line.startswith("::error"))
    assert "%0Ahint: " in line


def test_github_is_told_the_path_from_the_repositorys_root(site: Site) -> None:
    faulty(site)
    run = magnetgen("build", "--site", site.root.name, "--format", "github", cwd=site.root.parent)
    assert f"file={site.root.name}/content/guide.md," in run.out


# --- other commands -----------------------------------------------------------------------------------------------


def test_a_new_site_builds_at_once_without_a_fault(tmp_path: Path) -> None:
    run = magnetgen("new", "site", "my-shop", cwd=tmp_path)
    assert run.code == 0
    assert "my-shop" in run.out
    done = magnetgen("build", "--format", "json", cwd=tmp_path / "my-shop")
    assert (done.code, done.json()["diagnostics"]) == (0, [])
    public = tmp_path / "my-shop/public"
    text = "".join(p.read_text("utf-8") for p in public.rglob("*.html"))
    assert "My Shop" in text
    assert 'action="/api/forms/' in text
    assert 'class="band s-hero' in text


def test_a_new_site_can_have_a_title_and_an_address(tmp_path: Path) -> None:
    title = 'Ana\'s "Leads": & more'
    assert (
        magnetgen("new", "site", "x", "--title", title, "--base-url", "https://ana.example/blog", cwd=tmp_path).code
        == 0
    )
    assert magnetgen("build", "--strict", cwd=tmp_path / "x").code == 0
    assert "https://ana.example/blog/" in (tmp_path / "x/public/sitemap.xml").read_text("utf-8")


def test_a_new_site_says_a_command_that_a_shell_takes(tmp_path: Path) -> None:
    assert "cd 'my site' && magnetgen serve" in magnetgen("new", "site", "my site", cwd=tmp_path).out


@pytest.mark.parametrize("url", ["nowhere", "ana.example", "https://"])
def test_a_new_site_with_an_address_that_is_none_is_not_made(tmp_path: Path, url: str) -> None:
    assert magnetgen("new", "site", "x", "--base-url", url, cwd=tmp_path).code == 2
    assert not (tmp_path / "x").exists()


def test_a_new_site_is_not_made_over_another(tmp_path: Path) -> None:
    magnetgen("new", "site", "x", cwd=tmp_path)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    run = magnetgen("new", "site", "x", "--title", "Other", cwd=tmp_path)
    assert run.code == 2
    assert "not empty" in run.err
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_new_site_is_made_in_an_empty_folder_and_not_over_a_file(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert magnetgen("new", "site", "empty", cwd=tmp_path).code == 0
    (tmp_path / "file").write_text("x", "utf-8")
    assert magnetgen("new", "site", "file", cwd=tmp_path).code == 2


def properties(schema: dict[str, Any], *path: str) -> dict[str, Any]:
    """The properties of a schema, following its references."""
    for step in path:
        schema = schema["$defs"][step]
    found: dict[str, Any] = schema["properties"]
    return found


@pytest.mark.parametrize(
    ("kind", "required", "some"),
    [
        ("config", {"title", "base_url"}, {"language", "timezone", "theme", "menus", "privacy_url", "defaults", "ctas", "handler", "markdown",
                                           "pagination", "feed", "build", "organization", "author", "description"}),
        ("page", {"title"}, {"description", "date", "updated", "draft", "expires", "layout", "slug", "permalink", "aliases", "tags", "image",
                             "image_alt", "author", "form", "cta", "noindex", "weight", "lang", "translation_key", "toc", "extra"}),
        ("form", {"title", "fields"}, {"consent", "button", "double_opt_in", "magnet", "min_seconds", "notify", "thanks"}),
    ],
)  # fmt: skip
def test_a_schema_knows_every_key_and_refuses_others(kind: str, required: set[str], some: set[str]) -> None:
    run = magnetgen("schema", kind)
    assert run.code == 0
    schema = run.json()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["type"] == "object"
    assert set(schema["required"]) == required
    assert set(schema["properties"]) >= some | required
    assert schema["additionalProperties"] is False
    for name, definition in schema.get("$defs", {}).items():
        if definition.get("type") == "object":
            assert definition["additionalProperties"] is False, name
    references = set(re.findall(r'"#/\$defs/([^"]+)"', run.out))
    assert references <= set(schema.get("$defs", {}))


def accepts(schema: dict[str, Any], value: Any, root: dict[str, Any]) -> bool:
    """Whether a value fits a schema: the part of JSON Schema that the printed ones use."""
    if "$ref" in schema and not accepts(root["$defs"][schema["$ref"].rpartition("/")[2]], value, root):
        return False
    for key in ("anyOf", "oneOf"):
        if key in schema and not any(accepts(s, value, root) for s in schema[key]):
            return False
    if "const" in schema and (value != schema["const"] or type(value) is not type(schema["const"])):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        return False
    kinds = {
        "string": str,
        "integer": int,
        "boolean": bool,
        "object": dict,
        "array": list,
        "null": type(None),
        "number": (int, float),
    }
    if "type" in schema and not isinstance(value, kinds[schema["type"]]):  # type: ignore[arg-type]
        return False
    if isinstance(value, dict):
        known = schema.get("properties", {})
        extra = schema.get("additionalProperties", True)
        for name, item in value.items():
            if name in known:
                if not accepts(known[name], item, root):
                    return False
            elif extra is False or (isinstance(extra, dict) and not accepts(extra, item, root)):
                return False
        return set(schema.get("required", ())) <= set(value)
    if isinstance(value, list) and "items" in schema:
        return all(accepts(schema["items"], item, root) for item in value)
    return True


GOOD: list[tuple[str, dict[str, Any]]] = [
    ("config", {"title": "A", "base_url": "https://example.com"}),
    ("config", {"title": "A", "base_url": "https://example.com", "theme": "lodestone", "author": "Ana"}),
    ("config", {"title": "A", "base_url": "https://example.com", "theme": {"name": "lodestone", "brand": "#0a5"}}),
    ("config", {"title": "A", "base_url": "https://example.com", "author": {"name": "Ana", "url": "https://ana.example"},
                "menus": {"main": [{"label": "x", "url": "/"}]}, "pagination": 5, "feed": {"limit": 3},
                "defaults": [{"files": "posts/**", "values": {"layout": "post"}}]}),
    ("page", {"title": "A"}),
    ("page", {"title": "A", "date": "2025-05-08", "tags": "one", "form": "x", "cta": False, "draft": True, "author": "Ana"}),
    ("page", {"title": "A", "tags": ["one", "two"], "form": False, "aliases": "/old/", "weight": 3, "extra": {"a": [1]}}),
    ("page", {"title": "A", "aliases": ["/old/"], "form": {"title": "Get it", "fields": ["email", "name?"]}}),
    ("page", {"title": "A", "description": None, "date": None, "tags": None, "form": None, "draft": None}),
    ("form", {"title": "A", "fields": ["email"]}),
    ("form", {"title": "A", "fields": ["email", "first_name?", {"name": "x", "type": "select", "options": ["a", "b"]}],
              "consent": [{"name": "n", "text": "t"}], "double_opt_in": True, "min_seconds": 3}),
]  # fmt: skip
BAD: list[tuple[str, dict[str, Any]]] = [
    ("config", {"title": "A"}),
    ("config", {"title": "A", "base_url": "https://example.com", "langauge": "en"}),
    ("page", {"title": "A", "tilte": "B"}),
    ("page", {"title": "A", "layout": "landng"}),
    ("page", {"title": "A", "date": "soon"}),
    ("page", {"title": "A", "draft": "maybe"}),
    ("page", {"title": "A", "form": {"title": "x", "fields": ["email"], "buton": "y"}}),
    ("form", {"title": "A"}),
    ("form", {"title": "A", "fields": [{"name": "x", "type": "emial"}]}),
    ("form", {"title": "A", "fields": [{"name": "x", "lable": "X"}]}),
]


@pytest.fixture(scope="module")
def schemas() -> dict[str, dict[str, Any]]:
    return {kind: magnetgen("schema", kind).json() for kind in ("config", "page", "form")}


@pytest.mark.parametrize(("kind", "value"), GOOD)
def test_a_schema_accepts_what_the_build_accepts(
    schemas: dict[str, dict[str, Any]], kind: str, value: dict[str, Any]
) -> None:
    assert accepts(schemas[kind], value, schemas[kind])


@pytest.mark.parametrize(("kind", "value"), BAD)
def test_a_schema_refuses_what_the_build_refuses(
    schemas: dict[str, dict[str, Any]], kind: str, value: dict[str, Any]
) -> None:
    assert not accepts(schemas[kind], value, schemas[kind])


def test_without_a_kind_the_schema_is_that_of_the_settings() -> None:
    assert magnetgen("schema").json() == magnetgen("schema", "config").json()


def test_a_reader_that_goes_away_is_no_fault(site: Site) -> None:
    for number in range(100):
        site.write(f"content/p{number}.md", page("[x](nowhere.md)", title=f"P{number}"))
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = f"'{sys.executable}' -m magnetgen build | head -n 1"
    done = subprocess.run(
        ["bash", "-c", command], cwd=site.root, env=env, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("words", [["schema", "config"], ["build"], ["secrets"], ["leads", "list"]])
def test_a_reader_that_has_gone_is_no_fault(words: list[str], site: Site) -> None:
    site.write("content/a.md", page(title="A"))
    command = [sys.executable, "-m", "magnetgen", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=site.root)
    assert process.stdout and process.stderr
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert (process.wait(60), said) == (0, b"")
