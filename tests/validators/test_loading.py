"""How pages load and lie in a real browser: nothing fails, nothing from elsewhere, nothing sticks out, no script needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Route

from tests.validators.browsing import LOOKS, OWN_TYPES, TYPES, Watch, tab
from tests.validators.server import MESSAGES, Host, policy

pytestmark = [pytest.mark.browser, pytest.mark.validator]

WIDTHS = (320, 768, 1280)

STICKING_OUT = """() => {
  const root = document.documentElement;
  const found = [...document.querySelectorAll('body *')].filter(e => {
    if (e.closest('.hp, .skip, .off, .table, pre, svg, script') || !e.checkVisibility()) return false;
    const {left, right, width} = e.getBoundingClientRect();
    return width > 0 && (left < -1 || right > innerWidth + 1);
  }).map(e => e.outerHTML.slice(0, 100));
  return root.scrollWidth > root.clientWidth ? [`the page is ${root.scrollWidth} wide`, ...found] : found;
}"""


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(**LOOKS["light"])
    yield made
    made.close()


@pytest.fixture(params=["own", "complete", "prefixed", "bare"])
def host(request: pytest.FixtureRequest) -> Host:
    """Each of the four sites in turn, served with a strict policy."""
    found = request.getfixturevalue(f"{request.param}_host")
    assert isinstance(found, Host)
    return found


def test_every_page_loads_without_a_fault_and_from_its_own_origin(host: Host, context: BrowserContext) -> None:
    page = tab(context)
    watch = Watch(page, host)
    for path in host.site.pages:
        if not host.site.is_redirect(path):
            page.goto(host.url(path))
    assert not watch.faults, "\n".join(watch.faults)


def test_the_handlers_pages_load_without_a_fault(complete_host: Host, context: BrowserContext) -> None:
    page = tab(context)
    watch = Watch(page, complete_host)
    for name in complete_host.site.messages:
        page.goto(complete_host.origin + MESSAGES + name)
    assert not watch.faults, "\n".join(watch.faults)


def test_an_unknown_address_shows_the_page_that_says_so(prefixed_host: Host, context: BrowserContext) -> None:
    page = tab(context)
    answer = page.goto(prefixed_host.url("deep/er/nothing/"))
    assert answer and answer.status == 404
    assert page.get_by_role("heading", level=1).inner_text() == "This page does not exist"
    page.get_by_role("link", name="Go to the home page").click()
    page.wait_for_url(prefixed_host.url(""))  # the script has taken what it carried out of the address


def test_a_former_address_forwards(prefixed_host: Host, context: BrowserContext) -> None:
    page = tab(context)
    page.goto(prefixed_host.url("old-offer/"))
    page.wait_for_url(prefixed_host.url("hero-form/"))


def test_no_request_blocks_rendering(complete_host: Host, context: BrowserContext) -> None:
    page = tab(context)
    for kind, path in TYPES.items():
        page.goto(complete_host.url(path))
        blocking = page.evaluate(
            "() => performance.getEntriesByType('resource').filter(e => e.renderBlockingStatus === 'blocking').map(e => e.name)"
        )
        assert blocking == [], kind


def test_nothing_moves_while_a_page_loads(complete_host: Host, own_host: Host, browser: Browser) -> None:
    for look, host, types in (("narrow", complete_host, TYPES), ("light", own_host, OWN_TYPES)):
        context = browser.new_context(**LOOKS[look])
        page = tab(context)
        for kind, path in types.items():
            page.goto(host.url(path))
            shift = page.evaluate(
                """() => new Promise(done => {
                let sum = 0;
                new PerformanceObserver(list => { for (const e of list.getEntries()) sum += e.value; })
                    .observe({type: 'layout-shift', buffered: true});
                requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(sum), 50)));
                })"""
            )
            assert shift == 0, (look, kind, shift)
        context.close()


def test_no_page_scrolls_sideways_and_nothing_is_cut_off(host: Host, context: BrowserContext) -> None:
    """At the widths of a telephone, a tablet and a desk. What is wider than its room scrolls in a box of its own."""
    page = tab(context)
    urls = [host.url(path) for path in host.site.pages if not host.site.is_redirect(path)]
    urls += [f"{host.origin}{MESSAGES}{name}" for name in host.site.messages]
    found = []
    for url in urls:
        page.goto(url)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            wide: list[str] = page.evaluate(STICKING_OUT)
            found += [f"{width} {url.removeprefix(host.origin)}: {html}" for html in wide]
    assert not found, "\n".join(found)


def test_texts_grow_to_twice_their_size_without_being_lost(complete_host: Host, browser: Browser) -> None:
    """A page at 640 pixels with all text doubled is like one at 320."""
    context = browser.new_context(viewport={"width": 640, "height": 800}, device_scale_factor=2)
    page = tab(context)
    for kind, path in TYPES.items():
        page.goto(complete_host.url(path))
        page.evaluate("() => { document.documentElement.style.fontSize = '200%'; }")
        over = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over <= 0, kind
    context.close()


def test_everything_is_there_without_script(complete_host: Host, browser: Browser) -> None:
    # (What is said to visitors without script alone comes on top: see the forms with a challenge.)
    visible = """() => [...document.querySelectorAll(
        'main :is(h1, h2, h3, p, li, img, label, legend, button, input, select, textarea, summary)')]
        .filter(e => e.checkVisibility({visibilityProperty: true, opacityProperty: true}) && e.getClientRects().length)
        .filter(e => !e.closest('noscript'))
        .map(e => e.tagName + ':' + (e.name || e.textContent.trim().slice(0, 40)))"""
    seen = {}
    for script in (True, False):
        context = browser.new_context(**LOOKS["light"], java_script_enabled=script)
        page = tab(context)
        for kind, path in TYPES.items():
            page.goto(complete_host.url(path))
            # The texts that the script puts into its empty paragraphs are none of the page's.
            seen[kind, script] = [t for t in page.evaluate(visible) if t != "P:"]
        context.close()
    for kind in TYPES:
        assert seen[kind, False] == seen[kind, True], kind
        assert len(seen[kind, False]) > 1, kind


def test_answers_open_without_script(complete_host: Host, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = tab(context)
    page.goto(complete_host.url("offer/"))
    answer = page.get_by_text("One evening.", exact=True)
    assert not answer.is_visible()
    page.get_by_text("How long does it take?").click()
    assert answer.is_visible()
    context.close()


def test_a_policy_in_the_page_breaks_nothing(complete_host: Host, context: BrowserContext) -> None:
    """Where a host sends no headers, as GitHub Pages, the same policy stands in the page."""
    page = tab(context)
    watch = Watch(page, complete_host)

    def in_page(html: str) -> str:
        # These directives are ignored in a page.
        words = "; ".join(p for p in policy(html).split("; ") if not p.startswith("frame-ancestors"))
        return html.replace("<head>", f'<head><meta http-equiv="Content-Security-Policy" content="{words}">', 1)

    def serve(text: str) -> Callable[[Route], None]:
        return lambda route: route.fulfill(body=text, content_type="text/html; charset=utf-8")

    for path in TYPES.values():
        html = (
            complete_host.site.messages[path.rsplit("/", 1)[1]]
            if path.startswith("/")
            else complete_host.site.pages[path]
        )
        page.route(complete_host.url(path), serve(in_page(html)))
        page.goto(complete_host.url(path))
        assert page.evaluate("() => getComputedStyle(document.body).display") == "flex", "the stylesheet is refused"
        page.unroute_all()
    assert not watch.faults, "\n".join(watch.faults)


def test_a_policy_that_lacks_a_hash_is_noticed(complete_host: Host, context: BrowserContext) -> None:
    """The checks above are worth something only if they can fail."""
    page = tab(context)
    watch = Watch(page, complete_host)
    html = complete_host.site.pages["offer/"].replace("<p>", '<p style="color: red">', 1)
    headers = {"Content-Security-Policy": policy(html)}
    page.route("**/offer/", lambda route: route.fulfill(body=html, content_type="text/html", headers=headers))
    page.goto(complete_host.url("offer/"))
    assert any("Content Security Policy" in fault for fault in watch.faults)
