"""Forms with a challenge: a real Chromium, the built page, and the handler that judges it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from magnetgen.forms import contract, proof
from tests.browser.challenged import TURNSTILE, TURNSTILE_ORIGIN, Served, serving
from tests.conftest import Site
from tests.forms.siteverify import GOOD, Cloudflare, cloudflare
from tests.validators.browsing import chromium, tab

pytestmark = pytest.mark.browser
__all__ = ["cloudflare"]

FORM = "/forms/guide/"
WIDGET = """
for (const box of document.querySelectorAll(".cf-turnstile")) {
  const field = Object.assign(document.createElement("input"), {type: "hidden", name: box.dataset.responseFieldName});
  box.append(field);
  window.asked = {sitekey: box.dataset.sitekey, action: box.dataset.action};
  window.given = 0;
  const give = () => setTimeout(() => { field.value = "answer-" + ++window.given; }, 300);
  window.turnstile = {reset() { field.value = ""; give(); }};
  give();
}
"""
"""What Cloudflare's script does to the page, as far as the page can tell."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def _served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("guarded")) as started:
        yield started


@pytest.fixture
def served(_served: Served) -> Served:
    _served.runtime.store.clear()
    return _served


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context()
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    made = tab(context)
    faults: list[str] = []
    made.on("pageerror", lambda e: faults.append(str(e)))
    made.on("console", lambda m: faults.append(m.text) if "Content Security Policy" in m.text else None)
    yield made
    assert not faults


def send(page: Page, address: str = "ana@example.com") -> None:
    page.get_by_label("Email address").fill(address)
    page.get_by_role("button", name="Send me the guide").click()


def test_it_is_solved_and_sent_by_the_script(page: Page, served: Served) -> None:
    page.goto(served.origin + FORM)
    send(page)
    page.wait_for_url("**/forms/guide/thanks/**")
    (sent,) = served.rows("submissions")
    assert (sent["email"], sent["status"]) == ("ana@example.com", "accepted")
    assert contract.PROOF not in sent["fields"] and len(served.rows("leads")) == 1


def test_the_browsers_own_submit_waits_for_it_too(page: Page, served: Served) -> None:
    """The form's script is away, the challenge's is there: an overridden theme, or a failed one."""
    page.goto(served.origin + FORM)
    page.evaluate("document.querySelector('form').addEventListener('submit', e => e.stopImmediatePropagation(), true)")
    send(page)
    page.wait_for_url("**/forms/guide/thanks/**")
    assert len(served.rows("leads")) == 1


def test_when_fetch_fails_the_browser_sends_the_same_solution(page: Page, served: Served) -> None:
    """The answer to the first is lost on its way: the second is the same submission, and is answered as such."""
    page.goto(served.origin + FORM)

    def lose(route: Route) -> None:
        if route.request.resource_type == "fetch":
            route.fetch()  # it arrives
            route.abort()  # and nobody hears of it
        else:
            route.continue_()

    page.route("**/api/forms/*", lose)
    send(page)
    page.wait_for_url("**/forms/guide/thanks/**")
    assert len(served.rows("submissions")) == 1


def test_after_a_fault_the_next_try_brings_a_solution_of_its_own(page: Page, served: Served) -> None:
    page.goto(served.origin + FORM)
    bodies: list[str] = []
    page.on("request", lambda r: bodies.append(r.post_data or "") if r.method == "POST" else None)
    page.route(
        "**/api/forms/*",
        lambda route: route.fulfill(
            status=422, content_type="application/problem+json",
            body=json.dumps({"code": "challenge_failed", "errors": [{"field": "_mg_pow", "code": "challenge_failed", "message": "The check failed."}]}),
        ),
    )  # fmt: skip
    send(page)
    expect(page.locator("[data-mg-summary]")).to_contain_text("The check failed.")
    page.unroute("**/api/forms/*")
    page.get_by_role("button", name="Send me the guide").click()
    page.wait_for_url("**/forms/guide/thanks/**")
    assert len(bodies) == 2 and bodies[0] != bodies[1]


def test_a_fault_of_the_visitors_is_said_without_waiting(page: Page, served: Served) -> None:
    page.goto(served.origin + FORM)
    page.get_by_role("button", name="Send me the guide").click()
    expect(page.locator("[data-mg-summary]")).to_be_visible()
    assert served.rows("submissions") == []
    send(page)
    page.wait_for_url("**/forms/guide/thanks/**")


def test_solutions_of_every_length_are_what_the_handler_takes(page: Page, served: Served) -> None:
    """The script's own SHA-256 against the handler's, over the ends of its blocks."""
    page.goto(served.origin + "/plain/")
    source = Path(__file__).parents[2] / "src" / "magnetgen" / "client" / "proof.js"
    for length in range(1, 80):
        text = page.evaluate(
            f"""async prefix => {{ let solvers = {{}}; {source.read_text("utf-8")}
            let solver = solvers.mg1({{querySelectorAll: () => []}}, prefix), found;
            solver = solvers.mg1({{querySelectorAll: () => [{{set value(text) {{ found = text; }}}}]}}, prefix);
            solver.start(); await solver.done; return found; }}""",
            f"mg1/9/{'a' * length}/é.example/",
        )
        assert text.startswith("mg1/9/") and proof.zero_bits(text) >= 9


def test_typing_is_not_held_up(page: Page, served: Served) -> None:
    """While it is being solved the page answers to keys: what is typed is all there, and in order."""
    page.goto(served.origin + FORM)
    field = page.get_by_label("Email address")
    field.click()
    field.press_sequentially("ana.maria@example.com")
    expect(field).to_have_value("ana.maria@example.com")


def test_without_script_the_form_says_that_it_cannot_be_sent(browser: Browser, served: Served) -> None:
    unscripted = browser.new_context(java_script_enabled=False)
    page = tab(unscripted)
    page.goto(served.origin + FORM)
    # (A search for its text would leave out what is in a noscript.)
    assert "This form needs JavaScript" in (page.locator("form noscript p").text_content() or "")
    expect(page.locator("form noscript p")).to_be_visible()
    send(page)
    expect(page.get_by_text("The check against bots did not work.")).to_be_visible()
    page.get_by_role("link", name="Back to the form").click()
    expect(page.get_by_label("Email address")).to_be_visible()
    assert served.rows("submissions") == []
    unscripted.close()


def test_too_few_bits_are_refused(page: Page, served: Served) -> None:
    html = served.site.read("forms/guide/index.html").replace("mg1/17/", "mg1/9/")
    page.route(f"**{FORM}", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto(served.origin + FORM)
    send(page)
    expect(page.locator("[data-mg-summary]")).to_contain_text("The check against bots did not work.")
    assert served.rows("submissions") == []


def test_a_form_that_stands_twice_has_one_script(page: Page, served: Served) -> None:
    html = served.site.read("twice/index.html")
    assert html.count("solvers={}") == 1 and html.count('name="_mg_pow"') == 2
    page.goto(served.origin + "/twice/")
    second = page.locator("form").nth(1)
    second.get_by_label("Email address").fill("bo@example.com")
    second.get_by_role("button").click()
    page.wait_for_url("**/forms/guide/thanks/**")
    assert len(served.rows("leads")) == 1


def test_pages_without_a_challenge_are_what_they_were(served: Served, tmp_path: Path) -> None:
    other = Site(tmp_path / "bare")
    for name in ("magnetgen.yaml", "content/plain.md", "content/twice.md"):
        other.write(name, (served.site.root / name).read_bytes())
    declared = (served.site.root / "content/forms/guide.md").read_text("utf-8")
    other.write("content/forms/guide.md", declared.replace("challenge: proof-of-work\n", ""))
    other.ok()
    assert other.read("plain/index.html") == served.site.read("plain/index.html")
    for text in (other.read("forms/guide/index.html"), other.read("twice/index.html")):
        assert "solvers" not in text and "challenge" not in text and "noscript" not in text


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_visitor_whose_clock_is_wrong_gets_through_the_second_time(page: Page, served: Served, hours: int) -> None:
    page.add_init_script(f"{{ const now = Date.now; Date.now = () => now() + {hours * 3_600_000}; }}")
    page.goto(served.origin + FORM)
    send(page)
    expect(page.locator("[data-mg-summary]")).to_contain_text("Please send the form once more.")
    page.get_by_role("button", name="Send me the guide").click()
    page.wait_for_url("**/forms/guide/thanks/**")
    assert len(served.rows("leads")) == 1


# Turnstile


@pytest.fixture
def guarded(tmp_path: Path, cloudflare: Cloudflare) -> Iterator[Served]:
    cloudflare.answer = json.dumps({**GOOD, "hostname": "127.0.0.1", "action": "guide"})
    with serving(tmp_path / "site", TURNSTILE, {"MAGNETGEN_TURNSTILE_URL": cloudflare.url}) as started:
        yield started


def test_an_answer_that_is_sent_as_it_comes_keeps_no_later_try_waiting(
    page: Page, guarded: Served, cloudflare: Cloudflare
) -> None:
    at_once = "if (window.given == 1) box.closest('form').requestSubmit(); }, 350)"
    page.route(f"{TURNSTILE_ORIGIN}/**", lambda route: route.fulfill(body=WIDGET.replace("}, 300)", at_once), content_type="text/javascript"))  # fmt: skip
    cloudflare.answer = json.dumps({**GOOD, "success": False})
    page.goto(guarded.origin + FORM)
    page.get_by_label("Email address").fill("ana@example.com")
    expect(page.locator("[data-mg-summary]")).to_contain_text("The check against bots did not work.")
    cloudflare.answer = json.dumps({**GOOD, "hostname": "127.0.0.1", "action": "guide"})
    page.get_by_role("button", name="Send me the guide").click()
    page.wait_for_url("**/forms/guide/thanks/**")
    assert [got["response"] for got in cloudflare.got] == [["answer-1"], ["answer-2"]]


def test_turnstile(page: Page, guarded: Served, cloudflare: Cloudflare) -> None:
    asked: list[str] = []

    def widget(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(body=WIDGET, content_type="text/javascript")

    page.route(f"{TURNSTILE_ORIGIN}/**", widget)
    page.goto(guarded.origin + "/plain/")
    assert asked == [], "a page without such a form asks nobody"
    page.goto(guarded.origin + FORM)
    cloudflare.answer = json.dumps({**GOOD, "success": False})
    send(page)
    expect(page.locator("[data-mg-summary]")).to_contain_text("The check against bots did not work.")
    assert page.evaluate("asked") == {"sitekey": "1x00AA", "action": "guide"}
    cloudflare.answer = json.dumps({**GOOD, "hostname": "127.0.0.1", "action": "guide"})
    page.get_by_role("button", name="Send me the guide").click()
    page.wait_for_url("**/forms/guide/thanks/**")
    assert [got["response"] for got in cloudflare.got] == [["answer-1"], ["answer-2"]]
    assert len(guarded.rows("leads")) == 1


def test_a_widget_that_is_kept_away_ends_in_words(page: Page, guarded: Served) -> None:
    gone = threading.Event()

    def refuse(route: Route) -> None:
        gone.set()
        route.abort()

    page.route(f"{TURNSTILE_ORIGIN}/**", refuse)
    page.goto(guarded.origin + FORM)
    send(page)
    expect(page.locator("[data-mg-summary]")).to_contain_text("The check against bots did not work.", timeout=30_000)
    assert gone.is_set() and guarded.rows("submissions") == []
