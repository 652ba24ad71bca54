"""axe-core on every page type in every look, and what axe does not measure: focus, targets, order, contrast of lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.validators import tools
from tests.validators.browsing import LOOKS, OWN_TYPES, TYPES, tab
from tests.validators.server import Host, hosting
from tests.validators.sites import complete_site

pytestmark = [pytest.mark.browser, pytest.mark.validator]

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
BRANDS = ["#ffff00", "#000000", "#ffffff", "#808080", "#ff0000", "#00ff00", "#0000ff"]

# axe cannot see through gradients. A form's is one colour but for a strip above its padding: the contrast is
# measured on that colour. A constructed stylesheet is allowed by every policy.
PLAIN_GROUNDS = """() => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync('.capture { background: var(--bg) !important }');
  document.adoptedStyleSheets = [sheet];
}"""

# Of an element's own colours and those behind it, as WCAG 2 counts contrast.
COLOURS = """
const rgba = text => {
  const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d', {willReadFrequently: true});
  canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const behind = e => {
  for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor); if (c[3] === 255) return c; }
  return rgba(getComputedStyle(document.documentElement).colorScheme.includes('dark') ? 'black' : 'white');
};
const light = c => c.slice(0, 3).map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); };
const shown = e => e.checkVisibility({visibilityProperty: true}) && e.getClientRects().length && !e.closest('.hp');
const named = e => e.outerHTML.slice(0, 120);
"""


@pytest.fixture(scope="module")
def looks(browser: Browser) -> Iterator[dict[str, Page]]:
    """A tab for each look."""
    contexts = {name: browser.new_context(**options) for name, options in LOOKS.items()}
    yield {name: tab(context) for name, context in contexts.items()}
    for context in contexts.values():
        context.close()


@pytest.fixture(scope="module")
def axe() -> str:
    return tools.module("axe-core/axe.min.js").read_text("utf-8")


def scan(page: Page, axe: str, rules: list[str] = RULES, kind: str = "tag") -> list[str]:
    """What axe finds, and what it leaves to people about contrast."""
    page.evaluate(PLAIN_GROUNDS)
    page.evaluate(axe)
    result: dict[str, Any] = page.evaluate(
        "([kind, values]) => axe.run(document, {runOnly: {type: kind, values}, resultTypes: ['violations', 'incomplete']})",
        [kind, rules],
    )
    found = [(v, node) for v in result["violations"] for node in v["nodes"]]
    for rule in result["incomplete"]:
        if rule["id"] == "color-contrast":
            found += [(rule, node) for node in rule["nodes"] if not _harmless(node)]
    return [f"{v['id']} ({v['impact']}): {v['help']}: {n['target']} {n.get('failureSummary', '')}" for v, n in found]


def _harmless(node: dict[str, Any]) -> bool:
    """Contrast that axe gives up on: a single character, or a table's cell that is scrolled out of sight."""
    keys = {check["data"].get("messageKey") for check in node["any"] if isinstance(check.get("data"), dict)}
    hidden = {"bgOverlap", "elmPartiallyObscured", "elmPartiallyObscuring"} if node["html"].startswith("<t") else set()
    return keys <= {"shortTextContent", *hidden}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("kind", TYPES)
def test_axe_finds_nothing(complete_host: Host, looks: dict[str, Page], axe: str, kind: str, look: str) -> None:
    page = looks[look]
    page.goto(complete_host.url(TYPES[kind]))
    found = scan(page, axe)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_on_the_own_site(own_host: Host, looks: dict[str, Page], axe: str, look: str) -> None:
    page = looks[look]
    found = {}
    for kind, path in OWN_TYPES.items():
        page.goto(own_host.url(path))
        found[kind] = scan(page, axe)
    assert not any(found.values()), "\n".join(f"{k}: {f}" for k, faults in found.items() for f in faults)


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_on_the_plainest_site(bare_host: Host, looks: dict[str, Page], axe: str, look: str) -> None:
    page = looks[look]
    found = {}
    for path in ("", "offer/", "posts/first-post/", "posts/"):
        page.goto(bare_host.url(path))
        found[path] = scan(page, axe)
    assert not any(found.values()), "\n".join(f"{k}: {f}" for k, faults in found.items() for f in faults)


@pytest.mark.parametrize("look", ["light", "dark"])
def test_axe_finds_nothing_on_a_form_full_of_faults(
    complete_host: Host, looks: dict[str, Page], axe: str, look: str
) -> None:
    page = looks[look]
    page.goto(complete_host.url("forms/everything/"))
    page.get_by_label("Email").first.fill("ana@gmial.com")
    page.get_by_label("Code").fill("wrong")
    page.get_by_role("button", name="Ask for an offer").click()
    page.get_by_role("button", name="ana@gmail.com").wait_for()
    assert page.locator("[aria-invalid=true]").count() >= 5
    found = scan(page, axe)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("brand", BRANDS)
def test_texts_are_readable_in_any_brand_colour(browser: Browser, axe: str, brand: str, tmp_path: Path) -> None:
    built = complete_site(tmp_path / "site", theme={"name": "lodestone", "brand": brand})
    found = []
    with hosting(built) as host:
        for look in ("light", "dark"):
            context = browser.new_context(**LOOKS[look])
            page = tab(context)
            for path in ("offer/", "posts/fifth-post/", "posts/page/2/"):
                page.goto(host.url(path))
                found += [f"{look} {path} {f}" for f in scan(page, axe, ["color-contrast"], "rule")]
                found += [f"{look} {path} {f}" for f in faint_lines(page)]
            context.close()
    assert not found, "\n".join(found)


def faint_lines(page: Page) -> list[str]:
    """Borders of fields, and outlines of what has the focus, that stand out by less than 3:1."""
    page.evaluate(PLAIN_GROUNDS)
    found: list[str] = page.evaluate(
        "() => {"
        + COLOURS
        + """
        const found = [];
        for (const e of document.querySelectorAll('main :is(input:not([type=checkbox], [type=radio]), select, textarea)')) {
          if (!shown(e)) continue;
          const c = contrast(rgba(getComputedStyle(e).borderTopColor), behind(e.parentElement));
          if (c < 3) found.push(`border ${c.toFixed(2)}: ${named(e)}`);
        }
        for (const e of document.querySelectorAll('a[href], button, input, select, textarea, summary')) {
          if (!shown(e) || e.disabled) continue;
          e.focus();
          if (document.activeElement !== e) { found.push(`no focus: ${named(e)}`); continue; }
          const style = getComputedStyle(e);
          if (style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2) { found.push(`no outline: ${named(e)}`); continue; }
          const c = contrast(rgba(style.outlineColor), behind(e.parentElement));
          if (c < 3) found.push(`outline ${c.toFixed(2)}: ${named(e)}`);
        }
        return [...new Set(found)];
        }"""
    )
    return found


@pytest.mark.parametrize("look", LOOKS)
def test_whatever_takes_the_focus_shows_it(complete_host: Host, looks: dict[str, Page], look: str) -> None:
    page = looks[look]
    found = []
    for kind, path in TYPES.items():
        page.goto(complete_host.url(path))
        found += [f"{kind}: {fault}" for fault in faint_lines(page)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("look", ["light", "narrow"])
def test_every_target_is_at_least_24_pixels_wide_and_high(
    complete_host: Host, looks: dict[str, Page], look: str
) -> None:
    """But links within a sentence, and those whose whole card can be pressed."""
    page = looks[look]
    found = []
    for kind, path in TYPES.items():
        page.goto(complete_host.url(path))
        small: list[str] = page.evaluate(
            "() => {"
            + COLOURS
            + """
            const found = [];
            for (const e of document.querySelectorAll('a[href], button, input, select, textarea, summary')) {
              if (!shown(e) || e.disabled || e.matches('.skip') || getComputedStyle(e, '::after').position === 'absolute') continue;
              const inSentence = getComputedStyle(e).display === 'inline' && e.closest('p, li, td, dd, blockquote, .answer');
              if (inSentence && inSentence.textContent.trim() !== e.textContent.trim()) continue;
              const {width, height} = e.getBoundingClientRect();
              if (width < 24 || height < 24) found.push(`${width.toFixed(1)} x ${height.toFixed(1)}: ${named(e)}`);
            }
            return found;
            }"""
        )
        found += [f"{kind}: {fault}" for fault in small]
    assert not found, "\n".join(sorted(set(found)))


def test_the_tab_key_reaches_every_field_in_order_and_no_trap(complete_host: Host, looks: dict[str, Page]) -> None:
    page = looks["light"]
    page.goto(complete_host.url("forms/everything/"))
    seen: list[str] = []
    for _ in range(80):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                "() => document.activeElement.name || document.activeElement.className || document.activeElement.tagName"
            )
        )
        if seen[-1] == "BODY":
            break
    assert seen[0] == "skip", "the first stop is the link to the text"
    fields = ["email", "first_name", "last_name", "company", "job_title", "phone", "website", "country", "seats",
              "budget", "size", "topics", "urgent", "code", "message", "newsletter", "terms"]  # fmt: skip
    order = list(dict.fromkeys(name for name in seen if name in fields))
    assert order == fields
    assert "_mg_hp" not in seen
    after = seen[len(seen) - 1 - seen[::-1].index("terms") + 1 :]
    assert "BUTTON" in after[:3], "the button follows the last field"


def test_the_skip_link_shows_itself_and_leads_to_the_text(complete_host: Host, looks: dict[str, Page]) -> None:
    page = looks["narrow"]
    page.goto(complete_host.url("posts/first-post/"))
    page.keyboard.press("Tab")
    box = page.locator(".skip").bounding_box()
    assert box and box["x"] >= 0 and box["y"] >= 0 and box["x"] + box["width"] <= 320
    page.keyboard.press("Enter")
    assert page.url.endswith("#mg-main")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.querySelector('main').contains(document.activeElement)")
