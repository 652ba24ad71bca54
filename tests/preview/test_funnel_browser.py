"""The funnel in a real Chromium: a page's form, the inbox that follows it, mails whose links are clicked, axe-core."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.preview.test_funnel_world import GUIDE, World, served, write_site
from tests.preview.test_inbox import HOSTILE, fill, paths
from tests.validators import tools
from tests.validators.browsing import LOOKS, chromium, tab
from tests.validators.test_accessibility import faint_lines, scan
from tests.validators.test_html import listed, nu

pytestmark = pytest.mark.browser

EVIL = """<p id="said">Read me</p><script>parent.document.title = document.title = 'broken'; top.location = '/stolen'</script>
<img src="x:" onerror="top.document.title = 'broken'"><meta http-equiv="refresh" content="0;url=/stolen">
<form action="/_magnetgen/mail/delete" method="post" target="_top"><button>Press me</button></form>
<a href="javascript:top.document.title = 'broken'">A script</a><base href="http://evil.example/"><a href="/leads">Away</a>
<iframe src="/_magnetgen/leads"></iframe><img src="http://evil.example/seen.png"><link rel="stylesheet" href="http://evil.example/x.css">
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with served(write_site(tmp_path / "site")) as found:
        yield found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    # High enough for a whole mail: a click into a sandboxed frame that was scrolled just before may miss it.
    context = browser.new_context(accept_downloads=True, viewport={"width": 1280, "height": 1800})
    yield tab(context)
    context.close()


def keep(world: World, html: str, text: str = "x") -> str:
    """A mail that the site's own templates would hardly make; its page."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = "a@example.com", "b@example.com", "<b>Hello</b>"
    message["Message-ID"] = f"<{'ab' * 16}@x>"
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    world.funnel._stage.send(message)
    found = re.search(r"/_magnetgen/mail/[0-9a-f-]+\.eml", world.get("/_magnetgen/mail"))
    assert found
    return world.origin + found[0]


def test_a_writer_tries_the_whole_funnel(world: World, page: Page) -> None:
    inbox = page.context.new_page()
    inbox.goto(f"{world.origin}/_magnetgen/leads")
    expect(inbox.get_by_role("heading", name="No lead yet")).to_be_visible()

    page.goto(f"{world.origin}/guide-page/")
    page.get_by_label("Email").first.fill("ana@example.com")
    page.wait_for_timeout(2100)  # min_seconds: a person is not faster
    page.locator("form[data-mg-form] button").first.click()
    page.wait_for_url("**/forms/guide/thanks/")

    row = inbox.get_by_role("row", name="ana@example.com")
    expect(row).to_contain_text("To be confirmed")

    page.goto(f"{world.origin}/_magnetgen/mail")
    page.get_by_role("link", name="Please confirm").click()
    page.frame_locator("iframe").get_by_role("link", name="Confirm").click()
    page.get_by_role("button", name="Confirm and download").click()
    page.wait_for_url("**/forms/guide/confirmed/**")
    expect(row).to_contain_text("Confirmed")

    page.goto(f"{world.origin}/_magnetgen/mail")
    page.get_by_role("link", name="Your download").click()
    with page.expect_download() as download:
        page.frame_locator("iframe").get_by_role("link", name=re.compile("ownload")).click()
    assert Path(download.value.path()).read_bytes() == GUIDE

    page.locator(".text").get_by_role("link").last.click()
    page.get_by_role("button", name="Unsubscribe").click()
    expect(row).to_contain_text("Unsubscribed")


def test_a_held_lead_is_released_and_a_delivery_repaired(world: World, page: Page) -> None:
    page.goto(f"{world.origin}/_magnetgen/deliveries")
    crm = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="crm"))
    crm.get_by_role("button", name="500").click()
    expect(page.get_by_role("status")).to_contain_text("fails")

    world.submit("letters", email="fast@example.com", letters="yes", _mg_t="900")
    page.goto(f"{world.origin}/_magnetgen/leads")
    expect(page.get_by_text("Sent 0.9 s after loading")).to_be_visible()
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_role("status")).to_contain_text("is a lead now")
    expect(page.get_by_role("row", name="fast@example.com")).to_contain_text("Accepted")

    page.goto(f"{world.origin}/_magnetgen/deliveries")
    failed = page.get_by_role("row", name="Failed, next try")
    expect(failed).to_be_visible()
    crm.get_by_role("button", name="Work again").click()
    failed.get_by_role("button", name="Retry now").click()
    expect(page.get_by_role("row", name="crm")).to_contain_text("Delivered")
    expect(failed).to_have_count(0)


def test_a_lead_is_forgotten_in_two_steps(world: World, page: Page) -> None:
    world.submit("letters", email="cy@example.com", letters="yes")
    page.goto(f"{world.origin}{world.person('cy@example.com')['page']}")
    button = page.get_by_role("button", name="Forget for good")
    expect(button).to_be_hidden()
    page.get_by_text("Forget this lead…").click()
    button.click()
    expect(page.get_by_role("heading", name="No lead yet")).to_be_visible()


def test_what_is_read_is_not_taken_away(world: World, page: Page) -> None:
    world.submit("letters", email="first@example.com", letters="yes")
    page.goto(f"{world.origin}/_magnetgen/leads")
    page.get_by_role("link", name="first@example.com").focus()
    world.submit("letters", email="second@example.com", letters="yes")
    expect(page.get_by_role("status")).to_contain_text("There is news")
    expect(page.get_by_role("link", name="first@example.com")).to_be_focused()
    expect(page.get_by_role("link", name="second@example.com")).to_have_count(0)
    page.get_by_role("link", name="Back to the site").focus()
    expect(page.get_by_role("link", name="second@example.com")).to_be_visible()
    expect(page.get_by_role("status")).to_be_hidden()


def test_what_is_open_stays_open(world: World, page: Page) -> None:
    world.submit("letters", email="bot@example.com", letters="yes", _mg_hp="x")
    page.goto(f"{world.origin}/_magnetgen/leads")
    page.get_by_text("Quarantined").first.click()
    page.evaluate("document.activeElement.blur()")
    world.submit("letters", email="cy@example.com", letters="yes")
    expect(page.get_by_role("row", name="cy@example.com")).to_be_visible()
    expect(page.get_by_text("bot@example.com").first).to_be_visible()


def test_a_hostile_mail_can_do_nothing(world: World, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    address = keep(world, EVIL, "<script>document.title='broken'</script> javascript:alert(1)")
    for shown in (address, f"{address}/html"):
        page.goto(shown)
        place = page.frame_locator("iframe") if shown == address else page
        expect(place.locator("#said")).to_be_visible()
        title = page.title()
        place.get_by_role("button", name="Press me").click()
        place.get_by_role("link", name="A script").click()
        page.wait_for_timeout(500)
        assert page.url == shown and page.title() == title and title != "broken"
    assert world.mails(), "the form in the mail was not sent"
    # An address that a policy refuses is named as a request, too; only what was answered was really asked for.
    assert not any("/stolen" in url for url in asked)


def test_the_same_mail_would_do_harm_elsewhere(world: World, page: Page) -> None:
    """What the test before this one would see if nothing held the mail back."""
    page.set_content(EVIL)
    page.wait_for_timeout(500)
    assert page.title() == "broken" or page.url.endswith("/stolen")


def test_a_mail_reaches_nobody_when_it_is_read(world: World, page: Page) -> None:
    reached: list[str] = []

    def refuse(route: Route) -> None:
        reached.append(route.request.url)
        route.abort()

    page.context.route("http://evil.example/**", refuse)
    page.goto(keep(world, EVIL))
    expect(page.frame_locator("iframe").locator("#said")).to_be_visible()
    page.wait_for_timeout(500)
    assert reached == []
    page.context.new_page().set_content('<img src="http://evil.example/seen.png">')
    assert reached == ["http://evil.example/seen.png"], "what would be asked for is noticed"


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_values_break_no_page(world: World, browser: Browser, kind: str) -> None:
    fill(world, HOSTILE[kind])
    context = browser.new_context(viewport={"width": 360, "height": 700})
    page = tab(context)
    faults: list[str] = []
    page.on("dialog", lambda dialog: faults.append(dialog.message))
    # A source opened alone has no icon, and Chromium asks for one.
    page.on("console", lambda m: faults.append(m.text) if m.type == "error" and "404" not in m.text else None)
    for path in paths(world):
        page.goto(world.origin + path)
        assert page.title() != "broken"
        if path.endswith(("/raw", "/html")):
            continue
        wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wider <= 0, f"{path} is {wider} px too wide"
    assert faults == []
    context.close()


@pytest.mark.validator
@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing(world: World, browser: Browser, look: str) -> None:
    axe = tools.module("axe-core/axe.min.js").read_text("utf-8")
    context = browser.new_context(**LOOKS[look])
    page = tab(context)
    found: dict[str, list[str]] = {}

    def check(path: str) -> None:
        page.goto(world.origin + path)
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        found[path] = scan(page, axe) + faint_lines(page) + small_targets(page)

    for path in ("/_magnetgen/leads", "/_magnetgen/mail", "/_magnetgen/deliveries", "/_magnetgen/leads/none"):
        check(path)
    fill(world)
    for path in paths(world):
        if not path.endswith(("/raw", "/html")):
            check(path)
    check("/_magnetgen/leads?done=released")
    context.close()
    assert len(found) > 12
    assert not any(found.values()), "\n".join(f"{path}: {fault}" for path, faults in found.items() for fault in faults)


@pytest.mark.validator
def test_the_pages_are_valid_html(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    shown = {path: world.ask("GET", path).text for path in ("/_magnetgen/leads", "/_magnetgen/mail")}
    fill(world)
    shown |= {f"{path}.": world.get(path) for path in paths(world) if not path.endswith(("/raw", "/html"))}
    shown |= {"none": world.ask("GET", "/_magnetgen/leads/none").text}
    for number, text in enumerate(shown.values()):
        (folder / f"{number}.html").write_text(text, "utf-8")
    found = nu(folder)
    assert len(shown) > 12 and not found, listed(found, folder)


def test_a_table_laid_out_as_cards_stays_a_table(world: World, browser: Browser) -> None:
    world.submit("letters", email="cy@example.com", letters="yes")
    context = browser.new_context(viewport={"width": 360, "height": 700})
    page = tab(context)
    page.goto(f"{world.origin}/_magnetgen/leads")
    nodes = context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    roles = Counter(node["role"]["value"] for node in nodes if not node["ignored"])
    assert roles["table"] == 1 and roles["row"] == 2 and roles["cell"] == 7 and roles["columnheader"] == 7, roles
    context.close()


def small_targets(page: Page) -> list[str]:
    """Buttons and lone links of less than 24 by 24 pixels."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('a[href], button, summary')].filter(e => {
          if (!e.checkVisibility() || e.matches('.skip') || e.closest('p:not(.crumb), .text')) return false;
          const {width, height} = e.getBoundingClientRect();
          return width < 24 || height < 24;
        }).map(e => `small: ${e.outerHTML.slice(0, 120)}`)"""
    )
    return found
