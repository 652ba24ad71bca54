"""The preview in a real Chromium: what is saved shows, and faults stand over the page until they are mended."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import ROOT, SETTINGS, Site, page
from tests.preview.harness import Drawer, Process, Puppet, hosting, previewing
from tests.preview.test_server import BROKEN, good
from tests.validators import tools
from tests.validators.browsing import LOOKS, chromium, tab
from tests.validators.test_accessibility import COLOURS

pytestmark = pytest.mark.browser

LONG = "\n\n".join(f"Paragraph {n} about leads and forms." for n in range(120))
ASK = """---
title: Newsletter
fields:
  - {name: email, type: email, label: Email, required: true}
  - {name: company, type: text, label: Company}
consent:
  - {name: terms, text: I agree., required: true}
---

Thanks.
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def shown(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(**LOOKS["light"])
    yield tab(context)
    context.close()


@pytest.fixture
def running(site: Site) -> Iterator[Process]:
    site.write("content/index.md", page(LONG, title="Home"))
    site.write("content/about.md", page(LONG, title="About"))
    site.write("content/rough.md", page("Words.", title="Rough", draft="true"))
    site.write("content/forms/newsletter.md", ASK)
    site.write("content/join.md", page(LONG + "\n\n![Join](form:newsletter)", title="Join"))
    shutil.copytree(ROOT / "themes" / "lodestone" / "static", site.root / "themes" / "lodestone" / "static")
    shutil.copytree(ROOT / "themes" / "lodestone" / "templates", site.root / "themes" / "lodestone" / "templates")
    shutil.copy(ROOT / "themes" / "lodestone" / "theme.yaml", site.root / "themes" / "lodestone" / "theme.yaml")
    with previewing(site.root) as process:
        yield process


def mark(page: Page) -> None:
    """So that a reload is seen: it takes this away."""
    page.evaluate("() => { window.notReloaded = true }")


def not_reloaded(page: Page) -> bool:
    return bool(page.evaluate("() => window.notReloaded === true"))


def open_page(page: Page, url: str) -> None:
    """The page, once it listens."""
    with page.expect_request("**/_magnetgen/events"):
        page.goto(url)


def test_an_edit_shows_where_the_reader_was(running: Process, site: Site, shown: Page) -> None:
    open_page(shown, running.url("about/"))
    shown.evaluate("() => scrollTo(0, 1500)")
    site.write("content/about.md", page(LONG.replace("Paragraph 3 ", "A new paragraph "), title="About"))
    expect(shown.get_by_text("A new paragraph about leads")).to_have_count(1)
    shown.wait_for_load_state()
    assert shown.evaluate("() => Math.round(scrollY)") == 1500
    assert shown.evaluate("() => sessionStorage.length") == 0


def test_what_is_typed_is_kept(running: Process, site: Site, shown: Page) -> None:
    open_page(shown, running.url("join/"))
    form = shown.locator("form").first
    form.get_by_label("Email").fill("ana@example.com")
    form.get_by_label("I agree").check()
    form.get_by_label("Company").fill("Lab")
    site.write("content/join.md", page("New words.\n\n" + LONG + "\n\n![Join](form:newsletter)", title="Join"))
    expect(shown.get_by_text("New words.", exact=True)).to_be_visible()
    expect(form.get_by_label("Email")).to_have_value("ana@example.com")
    expect(form.get_by_label("I agree")).to_be_checked()
    expect(form.get_by_label("Company")).to_have_value("Lab")
    expect(form.get_by_label("Company")).to_be_focused()


def test_an_edit_of_another_page_does_not_reload_this_one(running: Process, site: Site, shown: Page) -> None:
    open_page(shown, running.url("about/"))
    mark(shown)
    with shown.expect_response("**/about/"):  # it asks whether it has changed
        site.write("content/join.md", page("Other words.", title="Join"))
    shown.wait_for_timeout(300)
    assert not_reloaded(shown)


def test_looks_change_without_a_reload(running: Process, site: Site, shown: Page) -> None:
    open_page(shown, running.url("about/"))
    mark(shown)
    css = site.root / "themes/lodestone/static/style.css"
    css.write_text(css.read_text("utf-8") + "\nh1 { color: rgb(1, 2, 3); }\n", "utf-8")
    expect(shown.get_by_role("heading", level=1)).to_have_css("color", "rgb(1, 2, 3)")
    assert not_reloaded(shown)


def test_a_fault_stands_over_the_last_good_page_until_it_is_mended(running: Process, site: Site, shown: Page) -> None:
    open_page(shown, running.url("about/"))
    mark(shown)
    site.write("content/about.md", BROKEN)
    overlay = shown.get_by_role("dialog")
    expect(overlay).to_be_visible()
    expect(overlay.get_by_role("heading")).to_have_text("1 error, 2 warnings")
    place = overlay.get_by_role("link", name="content/about.md:3:1")
    assert (place.get_attribute("href") or "").startswith("vscode://file/")
    assert (place.get_attribute("href") or "").endswith("/content/about.md:3:1")
    expect(overlay.get_by_text('did you mean "layout"')).to_be_visible()
    expect(overlay.locator("pre").first).to_contain_text("3 | layuot: page")
    expect(shown.get_by_text("Paragraph 5 about")).to_have_count(1)

    shown.keyboard.press("Escape")
    expect(overlay).to_be_hidden()
    shown.get_by_role("button", name="1 error, 2 warnings").click()
    expect(overlay).to_be_visible()
    assert not_reloaded(shown)

    site.write("content/about.md", page("Mended words.", title="About"))
    expect(shown.get_by_text("Mended words.")).to_be_visible()
    expect(overlay).to_be_hidden()
    expect(shown.get_by_role("button", name="1 error, 2 warnings")).to_be_hidden()


def test_words_of_a_fault_are_never_markup(running: Process, site: Site, shown: Page) -> None:
    open_page(shown, running.url("about/"))
    site.write("content/about.md", "---\ntitle: x\n<img src=x onerror=document.title='run'>: y\n---\n")
    expect(shown.get_by_role("dialog")).to_contain_text("<img src=x")
    assert shown.get_by_role("dialog").locator("img").count() == 0
    assert shown.title() != "run"


def test_a_draft_is_marked_and_the_toolbar_folds(running: Process, shown: Page) -> None:
    open_page(shown, running.url("rough/"))
    bar = shown.get_by_role("region", name="Preview")
    expect(bar).to_contain_text("Draft: a real build leaves this page out")
    expect(bar.get_by_role("link", name="Edit")).to_be_visible()
    bar.get_by_role("button", name="Hide").click()
    expect(bar.get_by_role("link", name="Edit")).to_be_hidden()
    expect(bar.get_by_text("Draft", exact=True)).to_be_visible()
    shown.reload()
    expect(bar.get_by_role("link", name="Edit")).to_be_hidden()
    bar.get_by_role("button", name="Show").press("Enter")
    expect(bar.get_by_role("link", name="Edit")).to_be_visible()
    open_page(shown, running.url("about/"))
    expect(bar.get_by_text("Draft")).to_be_hidden()


def test_nothing_is_on_paper_or_in_frames(running: Process, shown: Page) -> None:
    open_page(shown, running.url("about/"))
    bar = shown.get_by_role("region", name="Preview")
    expect(bar).to_be_visible()
    shown.emulate_media(media="print")
    expect(bar).to_be_hidden()
    shown.emulate_media(media="screen")
    shown.evaluate("() => document.body.append(Object.assign(document.createElement('iframe'), {src: location.href}))")
    frame = shown.frame_locator("iframe")
    expect(frame.get_by_role("heading", level=1)).to_be_visible()
    assert frame.locator("magnetgen-preview").count() == 0


def test_the_page_itself_is_as_it_was(running: Process, shown: Page) -> None:
    """Nothing of the client is in the body, and no rule of the site reaches the toolbar."""
    open_page(shown, running.url("about/"))
    assert shown.evaluate("() => document.body.querySelectorAll('magnetgen-preview').length") == 0
    assert "magnetgen-preview" not in shown.evaluate("() => document.body.innerHTML")
    shown.add_style_tag(
        content="* { display: none !important; font-size: 90px !important } html, body { display: block !important }"
    )
    bar = shown.get_by_role("region", name="Preview")
    expect(bar).to_have_css("font-size", "13px")


def test_it_comes_back_with_the_server(site: Site, shown: Page) -> None:
    site.write("content/index.md", page("First words.", title="Home"))
    with previewing(site.root) as process:
        port = process.port
        open_page(shown, process.url(""))
        expect(shown.get_by_text("First words.")).to_be_visible()
        process.interrupt()
        expect(shown.get_by_role("status").filter(has_text="stopped")).to_be_visible()
    site.write("content/index.md", page("Second words.", title="Home"))
    with previewing(site.root, port=port):
        expect(shown.get_by_text("Second words.")).to_be_visible()
        expect(shown.get_by_role("status").filter(has_text="stopped")).to_be_hidden()


def test_nothing_built_yet_becomes_the_site(site: Site, shown: Page) -> None:
    site.write("content/index.md", BROKEN)
    with previewing(site.root) as process:
        open_page(shown, process.url(""))
        expect(shown.get_by_role("dialog")).to_contain_text("Nothing is built yet")
        site.write("content/index.md", page("Welcome words.", title="Home"))
        expect(shown.get_by_text("Welcome words.")).to_be_visible()
        expect(shown.get_by_role("dialog")).to_be_hidden()


def test_a_page_with_a_policy_of_its_own(site: Site, shown: Page) -> None:
    policy = "default-src 'none'; style-src 'none'"
    text = f"""<!doctype html><html lang="en"><title>Strict</title><meta http-equiv="Content-Security-Policy" content="{policy}">
        <body><p>Strict words<script>document.title = "run"</script></body></html>"""
    out = site.root / "out"
    faults: list[str] = []
    with hosting(site.root, Puppet(out, good(out, text))) as server:
        shown.on("console", lambda m: faults.append(m.text))
        open_page(shown, server.url(""))
        expect(shown.get_by_role("region", name="Preview")).to_be_visible()
        assert shown.title() == "Strict", "the page's own policy still holds for its own script"
        good(out, text.replace("Strict words", "Other words"))
        server.session.rebuilder.poke()
        expect(shown.get_by_text("Other words")).to_be_visible()
    assert all("inline script" in fault or "favicon" in fault for fault in faults), faults


def test_the_toolbar_counts_leads(site: Site, shown: Page) -> None:
    out = site.root / "out"
    forms = Drawer()
    with hosting(site.root, Puppet(out, good(out)), forms) as server:
        open_page(shown, server.url(""))
        expect(shown.get_by_role("link", name="Leads (0)")).to_be_visible()
        forms.leads = 3
        expect(shown.get_by_role("link", name="Leads (3)")).to_be_visible()
        expect(shown.get_by_role("link", name="Mail (0)")).to_be_visible()
        shown.get_by_role("link", name="Leads (3)").click()
        expect(shown).to_have_title("Leads")


@pytest.mark.validator
@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_in_toolbar_and_overlay(running: Process, site: Site, browser: Browser, look: str) -> None:
    axe = tools.module("axe-core/axe.min.js").read_text("utf-8")
    context = browser.new_context(**LOOKS[look])
    try:
        shown = tab(context)
        open_page(shown, running.url("rough/"))
        expect(shown.get_by_role("region", name="Preview")).to_be_visible()
        found = scan(shown, axe)
        site.write("content/about.md", BROKEN)
        expect(shown.get_by_role("dialog")).to_be_visible()
        found += scan(shown, axe)
        assert not found, "\n".join(found)
    finally:
        context.close()


def scan(shown: Page, axe: str) -> list[str]:
    """What axe finds wrong or cannot tell in the client; contrast, which axe does not tell in a shadow, is measured."""
    shown.evaluate(axe)
    result = shown.evaluate(
        "() => axe.run({fromShadowDom: ['magnetgen-preview', '*']}, {runOnly: {type: 'tag', "
        "values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}})"
    )
    assert result["passes"], "axe has seen something"
    faint = shown.evaluate(
        "() => {"
        + COLOURS
        + """
        const all = [...document.querySelector('magnetgen-preview').shadowRoot.querySelectorAll('.bar *, dialog[open] *')]
          .filter(e => e.checkVisibility() && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
        return [all.length, all.map(e => [contrast(rgba(getComputedStyle(e).color), behind(e)), e.className + ' ' + e.textContent])
          .filter(([c]) => c < 4.5).map(([c, text]) => `contrast ${c.toFixed(2)}: ${text}`)];
        }"""
    )
    assert faint[0] >= 2
    return [*faint[1]] + [
        f"{rule['id']}: {node['target']} {node.get('failureSummary', '')}"
        for kind in ("violations", "incomplete")
        for rule in result[kind]
        for node in rule["nodes"]
        if rule["id"] != "color-contrast" or kind == "violations"
    ]


def test_every_target_is_large_enough(running: Process, site: Site, browser: Browser) -> None:
    context = browser.new_context(**LOOKS["narrow"])
    try:
        shown = tab(context)
        open_page(shown, running.url("rough/"))
        site.write("content/about.md", BROKEN)
        expect(shown.get_by_role("dialog")).to_be_visible()
        sizes = shown.evaluate(
            """() => [...document.querySelector('magnetgen-preview').shadowRoot.querySelectorAll('a, button')]
            .filter(e => e.checkVisibility()).map(e => [e.textContent, e.getBoundingClientRect().width, e.getBoundingClientRect().height])"""
        )
        assert len(sizes) >= 4
        assert [size for size in sizes if size[1] < 24 or size[2] < 24] == []
        width = shown.evaluate("() => document.documentElement.scrollWidth")
        assert width <= 320
    finally:
        context.close()


def test_the_client_is_small() -> None:
    folder = Path(ROOT / "src/magnetgen/preview/client")
    assert sum(file.stat().st_size for file in folder.iterdir()) < 24_000


def test_settings_with_a_path(site: Site, shown: Page) -> None:
    site.write("magnetgen.yaml", SETTINGS.replace("example.com", "example.com/repo"))
    site.write("content/index.md", page("First words.", title="Home"))
    with previewing(site.root) as process:
        open_page(shown, process.origin + "/")
        expect(shown).to_have_url(process.origin + "/repo/")
        site.write("content/index.md", page("Second words.", title="Home"))
        expect(shown.get_by_text("Second words.")).to_be_visible()
