"""What a target adds to a build, and how it comes and goes."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from magnetgen import targets
from magnetgen.forms.store import schema
from magnetgen.policy import needs
from magnetgen.targets import NAMES, cloudflare, find, netlify
from tests.conftest import Site, page

URL = "https://lead-lab.com"
SETTINGS = f"title: Lead Lab\nbase_url: {URL}\ndescription: Notes on lead generation for small teams.\n"
ELSEWHERE = SETTINGS + "handler: {url: https://leads.lead-lab.com/api}\n"
SECRET = "c0ffee" * 12
FORM = "---\ntitle: Get the checklist\nfields: [email]\nbutton: Send me the checklist\nmagnet: checklist\n---\n\nThank you.\n"
WITH_BUNDLE = ("netlify", "cloudflare")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A landing page whose form hands out a file, and a page that has moved."""
    made = Site(tmp_path / "site")
    made.write("magnetgen.yaml", SETTINGS)
    made.write("content/offer.md", page("Five questions.\n", title="The offer", layout="landing", form="checklist"))
    made.write("content/about.md", page("Who we are.", title="About us", aliases="[/who-we-are/, /old.html]"))
    made.write("content/forms/checklist.md", FORM)
    made.write("content/magnets/checklist.pdf", b"%PDF-1.7 a checklist\n" * 50)
    made.write("media/notes.txt", "Notes.\n")
    made.write(".magnetgen/secrets", f"MAGNETGEN_SECRETS=k1:{SECRET}\n")
    settle(made)
    return made


def settle(site: Site) -> None:
    """Let the sources be old: what has just changed is never taken for unchanged."""
    then = time.time() - 60
    for path in site.root.rglob("*"):
        if path.is_file() and ".magnetgen" not in path.parts:
            os.utime(path, (then, then))


def bundle(site: Site, target: str) -> dict[str, bytes]:
    base = site.root / ".magnetgen" / "bundle" / target
    return {p.relative_to(base).as_posix(): p.read_bytes() for p in sorted(base.rglob("*")) if p.is_file()}


def stamps(folder: Path) -> dict[str, int]:
    return {p.relative_to(folder).as_posix(): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


# --- coming and going ----------------------------------------------------------------------------------------------


def test_every_target_is_found_by_its_name() -> None:
    assert [find(name).name for name in NAMES] == list(NAMES)


@pytest.mark.parametrize("target", WITH_BUNDLE)
def test_a_second_build_touches_nothing(site: Site, target: str) -> None:
    first = site.ok(target=target)
    before = stamps(site.root / "public"), stamps(site.root / ".magnetgen/bundle")
    again = site.ok(target=target)
    site.write("content/about.md", page("Who we really are.", title="About us", aliases="[/who-we-are/, /old.html]"))
    edited = site.ok(target=target)
    after = stamps(site.root / "public"), stamps(site.root / ".magnetgen/bundle")
    assert first.written > 0
    assert (again.written, again.removed) == (0, 0)
    changed = {name for name in after[0] if after[0][name] != before[0].get(name)}
    assert changed == {"about/index.html"}
    assert after[1] == before[1]
    assert edited.written == 1


def test_targets_take_away_what_others_brought(site: Site) -> None:
    site.ok(target="netlify")
    assert (site.root / ".magnetgen/bundle/netlify/functions/magnetgen.mjs").is_file()
    site.ok(target="cloudflare")
    assert [p.name for p in (site.root / ".magnetgen/bundle").iterdir()] == ["cloudflare"]
    assert ".assetsignore" in site.files()
    site.ok(target="netlify")
    assert ".assetsignore" not in site.files()
    plain = site.ok()
    assert not {"_headers", "_redirects"} & set(site.files())
    assert list((site.root / ".magnetgen/bundle").iterdir()) == []
    assert plain.removed == 2
    assert {"old.html", "who-we-are/index.html"} <= set(site.files())
    site.ok(target="netlify")
    site.ok()
    assert "_headers" not in site.files()


@pytest.mark.parametrize("file", ["lib/forms.mjs", "functions/magnetgen.mjs", "lib/assets/checklist.mjs"])
def test_a_bundle_that_was_spoilt_is_made_again(site: Site, file: str) -> None:
    site.ok(target="netlify")
    site.ok(target="netlify")
    spoilt = site.root / ".magnetgen/bundle/netlify" / file
    good = spoilt.read_bytes()
    spoilt.unlink()
    (spoilt.parent / "left-over.mjs").write_text("x")
    site.ok(target="netlify")
    assert spoilt.read_bytes() == good
    assert not (spoilt.parent / "left-over.mjs").exists()


def test_the_same_site_gives_the_same_bytes_anywhere(site: Site, tmp_path: Path) -> None:
    import shutil

    other = Site(tmp_path / "elsewhere" / "copy")
    shutil.copytree(site.root, other.root)
    for target in WITH_BUNDLE:
        site.ok(target=target)
        other.ok(target=target)
        assert bundle(site, target) == bundle(other, target)
        assert site.files() == other.files()


@pytest.mark.parametrize("target", WITH_BUNDLE)
def test_a_bundle_holds_no_secret_and_no_path_of_this_machine(site: Site, target: str) -> None:
    site.ok(target=target)
    for name, data in bundle(site, target).items():
        assert SECRET.encode() not in data, name
        assert str(site.root).encode() not in data, name


def test_with_errors_nothing_is_written(site: Site) -> None:
    site.ok(target="netlify")
    before = stamps(site.root)
    site.write("magnetgen.yaml", SETTINGS.replace(URL, f"{URL}/blog/"))
    result = site.build(target="netlify")
    assert result.failed
    after = stamps(site.root)
    assert {name for name in after if after[name] != before.get(name)} - {"magnetgen.yaml"} <= {
        name for name in after if name.startswith(".magnetgen/cache/")
    }


# --- files of the output -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", WITH_BUNDLE)
def test_headers(site: Site, target: str) -> None:
    site.ok(target=target)
    text = site.read("_headers")
    rules = dict(re.findall(r"^(/\S*)\n((?:  .+\n)+)", text, re.M))
    for header in (
        "X-Content-Type-Options: nosniff",
        "Referrer-Policy: strict-origin-when-cross-origin",
        "Cross-Origin-Opener-Policy: same-origin",
        "Strict-Transport-Security: max-age=31536000",
        "Permissions-Policy: camera=()",
        "Content-Security-Policy: default-src 'none'; script-src 'sha256-",
        f"form-action 'self' {URL}",
        "frame-ancestors 'none'",
    ):
        assert header in rules["/*"], header
    assert "unsafe" not in text
    # Two rules that both apply are joined: a page's caching is what the host does by itself.
    assert "Cache-Control" not in rules["/*"]
    assert rules["/media/*"] == "  Cache-Control: public, max-age=31536000, immutable\n"
    assert "max-age=600" in rules["/feed.xml"]


def test_headers_suit_the_handlers_pages_too(site: Site) -> None:
    """Production leaves functions' answers alone; `netlify dev` puts these headers over them."""
    site.ok(target="netlify")
    policy = dict(re.findall(r"([a-z-]+) ([^;]+)", re.findall(r"Policy: (default-src .+)", site.read("_headers"))[0]))
    forms = json.loads((site.root / ".magnetgen/forms.json").read_text())
    assert len(forms["pages"]) > 3
    for html in forms["pages"].values():
        shown = re.sub(r"<script\b.*?</script>", "", html, flags=re.S)
        for directive, sources in needs(shown, URL).items():
            assert set(sources) <= set(policy[directive].split()), directive


def test_a_page_below_media_is_not_kept_for_ever(site: Site) -> None:
    site.write("content/media/kit.md", page("Logos.", title="Media kit"))
    site.ok(target="netlify")
    assert "immutable" not in site.read("_headers")


def test_headers_allow_what_raw_html_loads(site: Site) -> None:
    site.write("content/film.md", page('<iframe src="https://www.youtube-nocookie.com/embed/x"></iframe>\n'))
    site.write("magnetgen.yaml", SETTINGS + 'build: {csp: {font-src: ["https://fonts.example.net"]}}\n')
    site.build(target="netlify")
    text = site.read("_headers")
    assert "frame-src https://www.youtube-nocookie.com;" in text
    assert "font-src 'self' https://fonts.example.net;" in text


@pytest.mark.parametrize(
    "csp", ["{default-src: [a.net]}", "{script-src: [\"'unsafe-inline'\"]}", "{img-src: ['a; b']}"]
)
def test_what_no_policy_may_allow(site: Site, csp: str) -> None:
    site.write("magnetgen.yaml", SETTINGS + f"build: {{csp: {csp}}}\n")
    assert site.fault("csp-source").span is not None


def test_scripts_in_attributes_are_told(site: Site) -> None:
    site.write("content/film.md", page('<p onclick="a()">x</p>\n'))
    assert not [d for d in site.build().diagnostics if d.code == "csp-inline-handler"]
    for _ in range(2):
        found = site.fault("csp-inline-handler", target="netlify")
        assert (found.path, found.severity) == ("content/film.md", "warning")


def test_turnstile_is_allowed(site: Site) -> None:
    site.write(
        "content/forms/checklist.md",
        FORM.replace("magnet:", "challenge: {kind: turnstile, sitekey: k, secret_env: S}\nmagnet:"),
    )
    site.ok(target="netlify")
    text = site.read("_headers")
    assert re.search(r"script-src [^;]*https://challenges\.cloudflare\.com;", text)
    assert "frame-src https://challenges.cloudflare.com;" in text


def test_netlify_redirects_aliases(site: Site) -> None:
    site.ok(target="netlify")
    assert sorted(site.read("_redirects").splitlines()) == ["/old.html /about/ 301", "/who-we-are/ /about/ 301"]
    assert not {"old.html", "who-we-are/index.html"} & set(site.files())


def test_cloudflare_redirects_each_spelling(site: Site) -> None:
    site.ok(target="cloudflare")
    expected = ["/old.html /about/ 301", "/who-we-are /about/ 301", "/who-we-are/ /about/ 301"]
    assert sorted(site.read("_redirects").splitlines()) == expected


def test_aliases_beyond_cloudflares_limit_keep_their_pages(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"/old-{n}/" for n in range(1100)]
    site.write("content/about.md", page("Who we are.", title="About us", aliases=json.dumps(names)))
    site.ok(target="cloudflare")
    rules = site.read("_redirects").splitlines()
    pages = {name for name in site.files() if name.startswith("old-")}
    assert len(rules) == cloudflare.STATIC_RULES
    assert len(pages) == 100
    assert not {f"/{name.removesuffix('index.html')}" for name in pages} & {rule.split()[0] for rule in rules}


def test_a_header_that_cloudflare_would_leave_out(site: Site) -> None:
    scripts = "\n".join(f"<script>f({n})</script>\n" for n in range(40))
    site.write("content/many.md", page(scripts))
    assert site.fault("header-too-long", target="cloudflare").severity == "error"
    assert not [d for d in site.build(target="netlify").diagnostics if d.code == "header-too-long"]


def test_github_pages(site: Site) -> None:
    site.write("magnetgen.yaml", ELSEWHERE)
    site.ok(target="github-pages")
    files = site.files()
    assert files["CNAME"] == b"lead-lab.com\n"
    assert files[".nojekyll"] == b""
    assert {"404.html", "who-we-are/index.html"} <= set(files)
    assert "_headers" not in files
    assert not (site.root / ".magnetgen/bundle/github-pages").exists()
    text = site.read("offer/index.html")
    assert 'action="https://leads.lead-lab.com/api/forms/checklist"' in text
    assert re.search(
        r'<meta http-equiv="Content-Security-Policy" content="[^"]*connect-src \'self\' https://leads\.lead-lab\.com;',
        text,
    )
    assert json.loads((site.root / ".magnetgen/forms.json").read_text())["origins"] == [URL]
    site.ok(target="netlify")
    assert "http-equiv" not in site.read("offer/index.html")


def test_github_pages_at_its_own_address_has_no_cname(site: Site) -> None:
    site.write("magnetgen.yaml", ELSEWHERE.replace(URL, "https://ana.github.io/leads"))
    site.ok(target="github-pages")
    assert "CNAME" not in site.files()


# --- faults --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "url", "code", "severity"),
    [
        ("netlify", "https://lead-lab.com/blog/", "target-base-path", "error"),
        ("cloudflare", "https://lead-lab.com/blog/", "target-base-path", "error"),
        ("github-pages", "https://ana.github.io/a/b/", "target-base-path", "error"),
        ("github-pages", "https://github.io/a/", "target-base-path", "error"),
        ("github-pages", "https://lead-lab.com:8443/", "target-base-path", "error"),
        ("netlify", "http://lead-lab.com", "target-base-http", "warning"),
        ("netlify", "https://www.example.com", "target-base-example", "warning"),
        ("netlify", "https://example.com", "target-base-example", "warning"),
        ("cloudflare", "http://localhost:8000", "target-base-example", "warning"),
        ("cloudflare", "http://192.168.1.7", "target-base-example", "warning"),
    ],
)
def test_addresses_that_do_not_fit(site: Site, target: str, url: str, code: str, severity: str) -> None:
    site.write("magnetgen.yaml", ELSEWHERE.replace(URL, url))
    found = site.fault(code, target=target)
    assert (found.path, found.span.line if found.span else 0, found.severity) == ("magnetgen.yaml", 2, severity)
    assert found.hint


def test_a_project_of_github_is_not_served_from_the_root(site: Site) -> None:
    site.write("magnetgen.yaml", ELSEWHERE.replace(URL, "https://ana.github.io"))
    site.ok(target="github-pages")
    site.write(".git/config", '[remote "origin"]\n\turl = git@github.com:ana/leads.git\n')
    assert "https://ana.github.io/leads/" in site.fault("target-base-path", target="github-pages", clean=True).hint


@pytest.mark.parametrize("handler", ["", "handler: {provider: netlify-forms}\n", f"handler: {{url: {URL}/api}}\n"])
def test_forms_need_a_handler(site: Site, handler: str) -> None:
    site.write("magnetgen.yaml", SETTINGS + handler)
    found = site.fault("form-without-handler", target="github-pages")
    assert "checklist" in found.message
    assert "handler." in found.hint


def test_netlifys_forms_are_taken_by_netlify_only(site: Site) -> None:
    site.write("magnetgen.yaml", SETTINGS + "handler: {provider: netlify-forms}\n")
    assert site.fault("form-without-handler", target="cloudflare").span is not None
    site.build(target="netlify")
    assert not (site.root / ".magnetgen/bundle/netlify").exists()


@pytest.mark.parametrize(("target", "size"), [("netlify", 20_000_001), ("cloudflare", 314_572_801)])
def test_an_asset_that_cannot_be_handed_out(site: Site, target: str, size: int) -> None:
    with (site.root / "content/magnets/checklist.pdf").open("wb") as file:
        file.truncate(size)
    found = site.fault("asset-too-large", target=target)
    assert (found.path, found.severity) == ("content/magnets/checklist.pdf", "error")
    assert "MB" in found.hint


@pytest.mark.parametrize(("target", "size"), [("netlify", 4_000_001), ("cloudflare", 2_000_001)])
def test_large_assets_are_uploaded(site: Site, target: str, size: int) -> None:
    with (site.root / "content/magnets/checklist.pdf").open("wb") as file:
        file.truncate(size)
    site.ok(target=target)
    made = bundle(site, target)
    [upload] = json.loads(made["uploads.json"])
    assert (upload["name"], upload["file"], upload["size"]) == ("checklist", "content/magnets/checklist.pdf", size)
    assert upload["key"].endswith(".pdf")
    assert not [name for name in made if name.startswith("lib/assets/")]
    text = made["lib/forms.mjs"].decode()
    data = json.loads(json.loads(text.removeprefix("export default JSON.parse(").removesuffix(");\n")))
    asset = data["assets"]["checklist"]
    assert asset["key"] == upload["key"]


def test_a_file_that_cloudflare_does_not_take(site: Site) -> None:
    with (site.root / "media/film.mp4").open("wb") as file:
        file.truncate(25 * 1024 * 1024 + 1)
    site.write("content/film.md", page("[The film](/media/film.mp4)"))
    found = site.fault("file-too-large", target="cloudflare")
    assert (found.path, found.severity) == ("media/film.mp4", "error")
    site.ok(target="netlify")


def test_too_many_files_for_the_free_plan(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudflare, "FILES_FREE", 5)
    assert site.fault("too-many-files", target="cloudflare").severity == "warning"
    monkeypatch.setattr(cloudflare, "FILES_PAID", 6)
    assert site.fault("too-many-files", target="cloudflare", clean=True).severity == "error"


# --- files that people change --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("target", "name"), [("netlify", "netlify.toml"), ("cloudflare", "wrangler.toml")])
def test_a_persons_file_is_made_once(site: Site, target: str, name: str) -> None:
    site.ok(target=target)
    made = (site.root / name).read_text()
    (site.root / name).write_text(made + "\n# Mine.\n")
    settle(site)
    site.ok(target=target, clean=True)
    assert (site.root / name).read_text() == made + "\n# Mine.\n"
    (site.root / name).unlink()
    site.ok(target=target)
    assert (site.root / name).read_text() == made


CHANGES = [
    ("netlify", 'publish = "public"', 'publish = "dist"', "build.publish", "error"),
    ("netlify", 'directory = ".magnetgen/bundle/netlify/functions"', 'directory = "functions"', "functions.directory", "error"),
    ("netlify", "magnetgen build --target netlify ${URL:+--base-url $URL}\"", "magnetgen build\"", "build.command", "warning"),
    ("cloudflare", 'directory = "public"', 'directory = "dist"', "assets.directory", "error"),
    ("cloudflare", 'not_found_handling = "404-page"', 'not_found_handling = "none"', "assets.not_found_handling", "warning"),
    ("cloudflare", 'main = ".magnetgen/bundle/cloudflare/worker.mjs"', 'main = "src/index.js"', "main", "error"),
    ("cloudflare", '["nodejs_compat"]', "[]", "compatibility_flags", "error"),
    ("cloudflare", '"2026-04-01"', '"2024-01-01"', "compatibility_date", "error"),
    ("cloudflare", '["/api/*"]', '["/hooks/*"]', "assets.run_worker_first", "error"),
    ("cloudflare", 'binding = "DB"', 'binding = "LEADS"', "d1_databases.binding", "error"),
    ("cloudflare", "/cloudflare/migrations", "/migrations", "d1_databases.migrations_dir", "error"),
    ("cloudflare", '["* * * * *"]', '["0 * * * *"]', "triggers.crons", "warning"),
]  # fmt: skip


@pytest.mark.parametrize(("target", "old", "new", "key", "severity"), CHANGES)
def test_a_setting_that_differs_is_told_with_its_place(
    site: Site, target: str, old: str, new: str, key: str, severity: str
) -> None:
    site.ok(target=target)
    [path] = site.root.glob("*.toml")
    text = path.read_text()
    assert text.count(old) >= 1, text
    changed = text.replace(old, new, 1)
    path.write_text(changed)
    found = site.fault("target-file-differs", target=target)
    line = next(n for n, line in enumerate(changed.splitlines(), 1) if new in line)
    assert (found.path, found.span.line if found.span else 0, found.severity) == (path.name, line, severity)
    assert key in found.message


@pytest.mark.parametrize("rule", ['["/*"]', "true", '["/api/*", "/x"]'])
def test_other_ways_to_run_the_worker_first(site: Site, rule: str) -> None:
    site.ok(target="cloudflare")
    path = site.root / "wrangler.toml"
    path.write_text(path.read_text().replace('run_worker_first = ["/api/*"]', f"run_worker_first = {rule}"))
    site.ok(target="cloudflare")


def test_a_file_that_is_not_toml(site: Site) -> None:
    site.write("netlify.toml", "[build]\npublish = public\n")
    found = site.fault("target-file", target="netlify")
    assert (found.path, found.span.line if found.span else 0) == ("netlify.toml", 2)


@pytest.mark.parametrize(("target", "name"), [("netlify", "netlify.toml"), ("cloudflare", "wrangler.toml")])
def test_the_mark_that_some_editors_put_first_is_passed_over(site: Site, target: str, name: str) -> None:
    site.ok(target=target)
    path = site.root / name
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    site.ok(target=target)


@pytest.mark.parametrize(("target", "name"), [("netlify", "netlify.toml"), ("cloudflare", "wrangler.toml")])
def test_a_build_to_elsewhere_leaves_no_place_of_this_machine(
    site: Site, tmp_path_factory: pytest.TempPathFactory, target: str, name: str
) -> None:
    away = tmp_path_factory.mktemp("away") / "public"
    site.ok(target=target, out=str(away))
    assert str(away) not in (site.root / name).read_text()
    site.ok(target=target)


@pytest.mark.parametrize("target", ["netlify", "cloudflare", "selfhost"])
def test_what_lies_where_the_handler_answers_is_told(site: Site, target: str) -> None:
    site.write("content/api/docs.md", "---\ntitle: Docs\n---\nText.\n")
    site.write("content/other.md", "---\ntitle: Other\naliases: [/api/old/]\n---\nText.\n")
    found = [d for d in site.build(target=target).diagnostics if d.code == "url-collision"]
    assert [(d.path, d.span.line if d.span else 0) for d in found] == [
        ("content/api/docs.md", 1),
        ("content/other.md", 3),
    ]


def test_wranglers_json_is_read_instead(site: Site) -> None:
    site.write("wrangler.jsonc", '{\n  // Mine: "name"\n  "name": "a",\n  "main": "src/index.js",\n}\n')
    found = site.build(target="cloudflare").diagnostics
    assert not (site.root / "wrangler.toml").exists()
    assert ("wrangler.jsonc", 4) in {(d.path, d.span.line) for d in found if d.span and "main" in d.message}


def test_a_file_that_wrangler_reads_first_is_noticed(site: Site) -> None:
    site.ok(target="cloudflare")
    site.ok(target="cloudflare")
    site.write("wrangler.json", '{"name": "a"}')
    assert "wrangler.json" in {d.path for d in site.build(target="cloudflare").diagnostics}


def test_a_large_asset_needs_the_bucket(site: Site) -> None:
    site.ok(target="cloudflare")
    with (site.root / "content/magnets/checklist.pdf").open("wb") as file:
        file.truncate(2_000_001)
    assert "ASSETS_BUCKET" in site.fault("target-file-differs", target="cloudflare").message
    (site.root / "wrangler.toml").unlink()
    site.ok(target="cloudflare")
    assert 'binding = "ASSETS_BUCKET"' in (site.root / "wrangler.toml").read_text()


def test_a_handler_elsewhere_needs_no_worker(site: Site) -> None:
    site.write("magnetgen.yaml", ELSEWHERE)
    for target in WITH_BUNDLE:
        site.ok(target=target)
        assert not (site.root / ".magnetgen/bundle" / target).exists()
    assert "main" not in (site.root / "wrangler.toml").read_text()
    assert "functions" not in (site.root / "netlify.toml").read_text()
    assert "https://leads.lead-lab.com" in site.read("_headers")


def test_the_handlers_path_is_where_its_address_says(site: Site) -> None:
    site.write("magnetgen.yaml", SETTINGS + "handler: {url: hooks/leads}\n")
    site.ok(target="netlify")
    assert b'"path": ["/hooks/leads/*"]' in bundle(site, "netlify")["functions/magnetgen.mjs"]
    site.ok(target="cloudflare")
    assert 'run_worker_first = ["/hooks/leads/*"]' in (site.root / "wrangler.toml").read_text()


# --- what a host's store must be able to promise ----------------------------------------------------------------------


def test_netlify_cannot_promise_single_use_codes(site: Site) -> None:
    """Judged by what the handler is told; a code for all is no fault."""
    text = page("A code for each.\n", title="Beta", codes="[A1, B2]")
    site.write("content/magnets/beta.md", text)
    magnets = {"beta": {"kind": "discount", "codes": ["A1", "B2"]}, "spring": {"kind": "discount", "code": "SPRING"}}
    made = targets.Site(site.root, cast(Any, None), "public", {"magnets": magnets}, {}, {})
    [found] = netlify._single_use(made)
    line = text.splitlines().index("codes: [A1, B2]") + 1
    assert (found.code, found.severity, found.path) == ("codes-store", "error", "content/magnets/beta.md")
    assert found.span and found.span.line == line and "Cloudflare" in found.hint
    assert list(netlify._single_use(replace(made, forms={}))) == []


def test_a_database_that_has_the_first_tables_is_given_the_later_ones() -> None:
    """D1 applies a migration once, by its name: what is added has a file of its own."""
    first, *later = schema.migrations().values()
    with closing(sqlite3.connect(":memory:")) as database:
        for statement in first:
            database.execute(statement)
        before = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type='table'")}
        assert "lead" in before and "code" not in before
        for statement in (one for statements in later for one in statements):
            database.execute(statement)
        after = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    assert set(schema.TABLES) <= after
