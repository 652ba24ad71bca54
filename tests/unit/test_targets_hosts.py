"""What the hosts' own tools say of a target: wrangler with its runtime, Netlify's parsers, Chromium before the pages."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from magnetgen.build import build
from magnetgen.forms.settings import as_lines
from magnetgen.forms.tokens import make_secrets
from magnetgen.state import Options
from tests.conftest import NOW, Site
from tests.contract.test_vectors import free_port
from tests.unit.test_targets import ELSEWHERE, FORM, site, stamps
from tests.validators import tools
from tests.validators.browsing import chromium, tab
from tests.validators.sites import complete_site

__all__ = ["site"]
QUIET = {"CI": "1", "WRANGLER_SEND_METRICS": "false", "NO_COLOR": "1"}


def wrangler(root: Path, *words: str) -> str:
    command = [str(tools.module(".bin/wrangler")), *words]
    env = {**os.environ, **QUIET}
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def node(script: str, *words: str | Path, **env: str) -> Any:
    """What a module prints as JSON. Packages come from tests/tools."""
    tools.module(".bin/wrangler")
    command = [tools.program("node"), "--input-type=module", "-e", script, "--", *map(str, words)]
    done = subprocess.run(
        command,
        cwd=tools.TOOLS,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])  # before it, what the functions log


# --- Netlify -------------------------------------------------------------------------------------------------------

NETLIFY = """
import { resolveConfig } from "@netlify/config";
import { parseAllHeaders } from "@netlify/headers-parser";
import { parseAllRedirects } from "@netlify/redirect-parser";
const [root, context] = process.argv.slice(-2);
const { config } = await resolveConfig({
  cwd: root, repositoryRoot: root, offline: true, buffer: true, context, branch: "main", mode: "require",
});
const read = { redirectsFiles: [`${root}/public/_redirects`], minimal: true };
console.log(JSON.stringify({
  build: config.build, functions: config.functionsDirectory, headers: config.headers, redirects: config.redirects,
  alone: {
    headers: await parseAllHeaders({ headersFiles: [`${root}/public/_headers`], minimal: true }),
    redirects: await parseAllRedirects(read),
  },
}));
"""


@pytest.mark.validator
def test_netlify_reads_its_files(site: Site) -> None:
    tools.module("@netlify/config/package.json")
    site.ok(target="netlify")
    found = node(NETLIFY, site.root.resolve(), "production")
    root = site.root.resolve()
    assert found["build"]["publish"] == str(root / "public")
    assert found["functions"] == str(root / ".magnetgen/bundle/netlify/functions")
    assert found["build"]["command"].endswith("magnetgen build --target netlify ${URL:+--base-url $URL}")
    alone = found["alone"]
    assert alone["headers"]["errors"] == alone["redirects"]["errors"] == []
    assert [(r["from"], r["to"], r["status"]) for r in alone["redirects"]["redirects"]] == [
        ("/who-we-are/", "/about/", 301),
        ("/old.html", "/about/", 301),
    ]
    rules = {rule["for"]: rule["values"] for rule in alone["headers"]["headers"]}
    assert list(rules) == ["/*", "/media/*", "/feed.xml", "/robots.txt", "/sitemap.xml"]
    assert rules["/*"]["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert len(rules["/*"]) == 6
    assert {rule["for"]: rule["values"] for rule in found["headers"]} == rules
    assert [rule["from"] for rule in found["redirects"]] == ["/who-we-are/", "/old.html"]
    preview = node(NETLIFY, site.root.resolve(), "deploy-preview")
    assert preview["build"]["command"].endswith("--base-url $DEPLOY_PRIME_URL")


FUNCTIONS = """
const folder = process.argv.at(-1);
const api = await import(`${folder}/functions/magnetgen.mjs`);
const drain = await import(`${folder}/functions/magnetgen-drain.mjs`);
const { default: assets } = await import(`${folder}/lib/assets.mjs`);
const answer = await api.default(new Request("https://lead-lab.com/api/healthz"), { ip: "192.0.2.1" });
const bytes = await assets.read({ name: "checklist" }, 3, 10);
console.log(JSON.stringify({
  config: [api.config, drain.config], kinds: [typeof api.default, typeof drain.default],
  size: await assets.size({ name: "checklist" }), none: await assets.size({ name: "constructor" }),
  bytes: Buffer.from(bytes).toString("latin1"), status: answer.status,
}));
"""


@pytest.mark.validator
def test_netlifys_functions_load_and_answer(site: Site) -> None:
    site.ok(target="netlify")
    folder = (site.root / ".magnetgen/bundle/netlify").resolve()
    found = node(FUNCTIONS, folder, **make_secrets())
    assert found["config"] == [{"path": ["/api/*"]}, {"schedule": "* * * * *"}]
    assert found["kinds"] == ["function", "function"]
    asset = (site.root / "content/magnets/checklist.pdf").read_bytes()
    assert (found["size"], found["none"]) == (len(asset), None)
    assert found["bytes"] == asset[3:13].decode()
    assert found["status"] in (200, 503)


MEMORY = """
const { default: assets } = await import(`${process.argv.at(-1)}/lib/assets.mjs`);
const before = process.memoryUsage().rss;
const bytes = await assets.read({ name: "checklist" }, 0, 4_000_000);
const used = (process.memoryUsage().rss - before) / 1e6;
console.log(JSON.stringify({ used, same: bytes.every((byte, at) => byte === (at * 31) % 256) }));
"""


@pytest.mark.validator
def test_a_large_asset_of_the_bundle_is_decoded_within_a_workers_means(site: Site) -> None:
    """As text, letter by letter, 4 MB took 2 s and 200 MB: a Worker has milliseconds, and 128 MB."""
    asset = bytes(at * 31 % 256 for at in range(256)) * 15_000
    (site.root / "content/magnets/checklist.pdf").write_bytes(asset)
    site.ok(target="netlify")
    found = node(MEMORY, (site.root / ".magnetgen/bundle/netlify").resolve())
    assert found["same"] and found["used"] < 60, found


@pytest.mark.parametrize("target", ["netlify", "cloudflare"])
def test_a_bundle_is_whole_and_holds_nothing_for_tests(site: Site, target: str) -> None:
    site.ok(target=target)
    base = site.root / ".magnetgen/bundle" / target
    modules = sorted(base.rglob("*.mjs"))
    assert {"testing.mjs", "store-memory.mjs"}.isdisjoint(path.name for path in modules)
    for module in modules:
        if module.stat().st_size < 100_000:
            for name in re.findall(r"""(?:from|import)\s*\(?\s*["'](\.{1,2}/[^"']+)["']""", module.read_text("utf-8")):
                assert (module.parent / name).resolve().is_file(), f"{module.name} imports {name}"
                assert (module.parent / name).resolve().is_relative_to(base.resolve())


# --- Cloudflare ----------------------------------------------------------------------------------------------------


@pytest.mark.validator
def test_wrangler_takes_the_worker(site: Site, tmp_path: Path) -> None:
    site.ok(target="cloudflare")
    before = stamps(site.root / "public")
    said = wrangler(site.root, "deploy", "--dry-run", "--outdir", str(tmp_path / "out"))
    assert "env.DB (lead-lab-leads)" in said
    assert "env.ASSETS" in said
    assert "WARNING" not in said
    assert "ERROR" not in said
    text = (tmp_path / "out" / "worker.js").read_text("utf-8")
    assert "JVBERi0xLjcg" in text  # the asset, in base64
    assert stamps(site.root / "public") == before


@pytest.mark.validator
def test_wrangler_takes_a_site_without_a_worker(site: Site, tmp_path: Path) -> None:
    site.write("magnetgen.yaml", ELSEWHERE)
    site.ok(target="cloudflare")
    said = wrangler(site.root, "deploy", "--dry-run", "--outdir", str(tmp_path / "out"))
    assert "WARNING" not in said


@dataclass
class Served:
    """`wrangler dev` before a built site. `said`: the file with all that it printed."""

    root: Path
    port: int
    said: Path

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()


@contextlib.contextmanager
def served(root: Path, port: int) -> Iterator[Served]:
    wrangler(root, "d1", "migrations", "apply", "DB", "--local")
    (root / ".dev.vars").write_text(as_lines(make_secrets()), "utf-8")
    said = root / "wrangler.log"
    command = [
        str(tools.module(".bin/wrangler")), "dev", "--local", "--ip", "127.0.0.1", "--port", str(port),
        "--inspector-port", str(free_port()), "--show-interactive-dev-session=false",
    ]  # fmt: skip
    with said.open("wb") as log:
        process = subprocess.Popen(
            command, cwd=root, env={**os.environ, **QUIET}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        try:
            until = time.monotonic() + 60
            while "Ready on" not in said.read_text("utf-8", "replace"):
                assert process.poll() is None, said.read_text("utf-8", "replace")
                assert time.monotonic() < until, said.read_text("utf-8", "replace")
                time.sleep(0.1)
            yield Served(root, port, said)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The site with one of everything, and a form that hands out a file, as Cloudflare's runtime serves it."""
    tools.module(".bin/wrangler")
    port = free_port()
    root = tmp_path_factory.mktemp("cloudflare") / "site"
    complete_site(root, base_url=f"http://127.0.0.1:{port}/")
    made = Site(root)
    made.write("content/forms/checklist.md", FORM.replace("magnet:", "min_seconds: 0\nmagnet:"))
    made.write("content/magnets/checklist.pdf", b"%PDF-1.7 a checklist\n" * 50)
    made.write("content/moved.md", "---\ntitle: It has moved\naliases: [/before/, /über/]\n---\n\nHere.\n")
    result = build(root, Options(jobs=1, now=NOW, target="cloudflare"))
    assert not result.failed, result.diagnostics
    with served(root, port) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@contextlib.contextmanager
def looking(browser: Browser) -> Iterator[tuple[Page, list[str]]]:
    """A page, and what its policy refused."""
    context = browser.new_context()
    page, refused = tab(context), []

    def note(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "Content-Security-Policy" in message.text:
            refused.append(f"{page.url}: {message.text}")

    page.on("console", note)
    yield page, refused
    context.close()


@pytest.mark.browser
def test_no_page_is_refused_anything_by_its_policy(host: Served, browser: Browser) -> None:
    files = sorted((host.root / "public").rglob("*.html"))
    assert len(files) > 20
    with looking(browser) as (page, refused):
        # Nothing outside is asked: what the policy refuses is refused before that.
        page.route(lambda url: not url.startswith(host.origin), lambda route: route.abort())
        for file in files:
            path = file.relative_to(host.root / "public").as_posix().removesuffix("index.html")
            answer = page.goto(f"{host.origin}/{path}", wait_until="domcontentloaded")
            assert answer is not None
            assert "content-security-policy" in answer.headers, path
    assert refused == []


@pytest.mark.browser
def test_the_check_above_can_fail(host: Served, browser: Browser) -> None:
    with looking(browser) as (page, refused):
        page.goto(f"{host.origin}/")
        page.evaluate("document.body.append(Object.assign(document.createElement('script'), {textContent: 'a()'}))")
    assert len(refused) == 1


@pytest.mark.browser
def test_a_form_is_sent_and_its_file_comes(host: Served, browser: Browser) -> None:
    with looking(browser) as (page, refused):
        page.goto(f"{host.origin}/forms/checklist/")
        page.get_by_label("Email address").first.fill("ana@lead-lab.com")
        page.get_by_role("button", name="Send me the checklist").click()
        page.wait_for_url("**/forms/checklist/thanks/")
        button = page.locator("[data-mg-download] a")
        expect(button).to_be_visible()
        with page.expect_download() as started:
            button.click()
        given = Path(started.value.path()).read_bytes()
    assert given == (host.root / "content/magnets/checklist.pdf").read_bytes()
    assert refused == []


@pytest.mark.browser
def test_a_form_is_sent_without_scripts(host: Served, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = tab(context)
    page.goto(f"{host.origin}/forms/checklist/")
    page.get_by_label("Email address").first.fill("eva@lead-lab.com")
    page.get_by_role("button", name="Send me the checklist").click()
    page.wait_for_url("**/forms/checklist/thanks/**")
    context.close()


@pytest.mark.validator
def test_static_files_have_the_sites_headers(host: Served) -> None:
    for path in ("/", "/feed.xml", "/robots.txt", "/nothing-here/"):
        status, headers, _ = host.get(path)
        assert status == (404 if path == "/nothing-here/" else 200)
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'sha256-")
        assert headers["x-content-type-options"] == "nosniff"
        assert "immutable" not in headers["cache-control"]
    image = re.search(
        rb'src="(/media/[^"]+)"', b"".join(p.read_bytes() for p in (host.root / "public").rglob("*.html"))
    )
    assert image is not None
    _, headers, _ = host.get(image[1].decode())
    assert headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.validator
def test_the_handlers_answers_have_their_own_headers(host: Served) -> None:
    status, headers, body = host.get("/api/healthz")
    assert (status, json.loads(body)["ok"]) == (200, True)
    assert headers["cache-control"] == "no-store"
    assert "script-src" not in headers["content-security-policy"]
    assert headers["referrer-policy"] == "same-origin"
    assert host.get("/api/readyz")[0] == 200
    status, headers, body = host.get("/api/confirm/nonsense", accept="text/html")
    assert status == 404
    assert b"</html>" in body
    assert headers["x-robots-tag"] == "noindex"


@pytest.mark.validator
@pytest.mark.parametrize("path", ["/before/", "/before", "/%C3%BCber/"])
def test_aliases_are_301s(host: Served, path: str) -> None:
    status, headers, _ = host.get(path + "?utm_source=a")
    assert status == 301
    assert headers["location"] == "/moved/?utm_source=a"


@pytest.mark.validator
@pytest.mark.parametrize("path", ["/.magnetgen", "/_headers", "/_redirects", "/.assetsignore"])
def test_what_is_no_page_is_not_served(host: Served, path: str) -> None:
    assert host.get(path)[0] == 404


@pytest.mark.validator
def test_wrangler_refuses_no_rule(host: Served) -> None:
    said = host.said.read_text("utf-8")
    assert re.search(r"Parsed \d+ valid header rules?", said), said
    assert re.search(r"Parsed \d+ valid redirect rules?", said), said
    assert not re.search(r"Found \d+ invalid", said)
