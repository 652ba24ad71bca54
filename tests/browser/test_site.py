"""The repository's own site, as a visitor meets it in Chromium."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from tests.validators.browsing import LOOKS, OWN_TYPES, chromium, tab
from tests.validators.server import Host, hosting
from tests.validators.sites import Built, own_site

pytestmark = pytest.mark.browser

POST = "posts/what-each-form-field-costs/"
OFFER = "checklist/"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return own_site(tmp_path_factory.mktemp("own") / "site")


@pytest.fixture(scope="module")
def host(built: Built) -> Iterator[Host]:
    with hosting(built) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(**LOOKS["light"])
    yield tab(context)
    context.close()


@pytest.fixture
def unscripted(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(**LOOKS["light"], java_script_enabled=False)
    yield tab(context)
    context.close()


def answer(page: Page, host: Host, next_path: str) -> list[Request]:
    """The handler's part: takes every form, and sends the visitor on."""
    taken: list[Request] = []

    def handle(route: Route) -> None:
        taken.append(route.request)
        body = json.dumps({"ok": True, "status": "confirm", "next": host.url(next_path)})
        route.fulfill(status=202, body=body, content_type="application/json")

    page.route("**/api/forms/*", handle)
    return taken


def sent(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.post_data or "", keep_blank_values=True))


def test_the_brand_colour_is_that_of_the_settings(page: Page, host: Host) -> None:
    settings = (host.site.root / "magnetgen.yaml").read_text("utf-8")
    wanted = re.search(r'brand:\s*"#([0-9a-fA-F]{6})"', settings)
    assert wanted
    red, green, blue = bytes.fromhex(wanted[1])
    page.goto(host.url(OFFER))
    expect(page.get_by_role("button").first).to_have_css("background-color", f"rgb({red}, {green}, {blue})")


@pytest.mark.parametrize(
    ("path", "label", "mark"),
    [("posts/", "Posts", "page"), (POST, "Posts", "true"), (OFFER, "Checklist", "page"), ("about/", "About", "page")],
)
def test_the_menu_marks_where_the_visitor_is(page: Page, host: Host, path: str, label: str, mark: str) -> None:
    page.goto(host.url(path))
    menu = page.get_by_role("navigation", name="Main")
    expect(menu.get_by_role("link", name=label)).to_have_attribute("aria-current", mark)
    expect(menu.locator("[aria-current]")).to_have_count(1)


def test_every_page_can_be_reached_by_its_menu(page: Page, host: Host) -> None:
    page.goto(host.url(""))
    for name in ("Posts", "Checklist", "About"):
        page.get_by_role("navigation", name="Main").get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.get_by_role("link", name="Magnetgen").first.click()
    expect(page).to_have_url(host.url(""))


def test_a_visit_from_a_campaign_is_told_to_the_form_on_a_later_page(page: Page, host: Host) -> None:
    page.goto(host.url(POST) + "?utm_source=mail&utm_campaign=spring&unknown=1")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Checklist").click()
    page.wait_for_url(lambda url: OFFER in url)
    source = json.loads(page.locator("form:visible [name=_mg_src]").first.input_value())
    assert source["first"]["utm_source"] == "mail"
    assert source["first"]["utm_campaign"] == "spring"
    assert source["first"]["landing"] == f"/{POST}"
    assert source["last"]["page"] == f"/{OFFER}"
    assert "unknown" not in json.dumps(source)
    assert "_mg" not in page.url, "the address that is shared is a clean one"
    assert page.evaluate("() => [localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]


def test_a_form_is_sent_by_the_script_and_ends_on_the_thank_you_page(page: Page, host: Host) -> None:
    taken = answer(page, host, "forms/checklist/thanks/")
    page.goto(host.url(OFFER) + "?utm_source=mail")
    form = page.locator("form").filter(has=page.get_by_role("button", name="Send me the checklist"))
    form.get_by_label("Email").fill("ana@example.com")
    form.get_by_role("button", name="Send me the checklist").click()
    page.wait_for_url("**/forms/checklist/thanks/**")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    (request,) = taken
    fields = sent(request)
    assert request.url == host.origin + "/api/forms/checklist"
    assert fields["email"] == "ana@example.com"
    assert fields["_mg_hp"] == ""
    assert fields["_mg_v"] == "1"
    assert fields["_mg_t"].isdigit()
    assert json.loads(fields["_mg_src"])["first"]["utm_source"] == "mail"
    assert "newsletter" not in fields, "nobody has ticked it"


@pytest.mark.parametrize("path", [OFFER, POST, "forms/newsletter/"])
def test_a_form_is_sent_without_script(unscripted: Page, host: Host, built: Built, path: str) -> None:
    host.posts.clear()
    unscripted.goto(host.url(path))
    form = unscripted.locator("main form").first
    name = (form.get_attribute("action") or "").rsplit("/", 1)[1]
    form.locator("input[type=email]").fill("ana@example.com")
    for box in form.locator("input[type=checkbox]").all():
        box.check()
    form.get_by_role("button").click()
    expect(unscripted.get_by_role("heading", name="Taken")).to_be_visible()
    ((address, pairs),) = host.posts
    fields = dict(pairs)
    declared = built.forms["forms"][name]
    assert address == f"/api/forms/{name}"
    assert {f["name"] for f in declared["fields"]} <= set(fields)
    assert {c["name"] for c in declared["consent"]} <= set(fields)
    assert set(fields) - {f["name"] for f in declared["fields"]} - {c["name"] for c in declared["consent"]} == {
        "_mg_hp", "_mg_t", "_mg_src", "_mg_v",
    }  # fmt: skip
    assert len(fields) == len(pairs), "no name twice"


def test_the_browser_itself_refuses_what_is_wrong_without_script(unscripted: Page, host: Host) -> None:
    host.posts.clear()
    unscripted.goto(host.url("forms/newsletter/"))
    unscripted.locator("input[type=email]").fill("not an address")
    unscripted.locator("main form").get_by_role("button").click()
    assert host.posts == []
    assert unscripted.locator("input:invalid").count() >= 1


def test_what_is_wrong_is_said_at_the_field_and_above_the_form(page: Page, host: Host) -> None:
    taken = answer(page, host, "forms/newsletter/thanks/")
    page.goto(host.url("forms/newsletter/"))
    field = page.locator("input[type=email]")
    field.fill("nobody")
    page.locator("main form").get_by_role("button").click()
    expect(field).to_have_attribute("aria-invalid", "true")
    summary = page.locator("[data-mg-summary]")
    expect(summary).to_be_visible()
    expect(summary).to_be_focused()
    described = (field.get_attribute("aria-describedby") or "").split()
    messages = [page.locator(f'[id="{name}"]').inner_text() for name in described]
    assert any("email address" in text for text in messages)
    summary.get_by_role("link").first.click()
    expect(field).to_be_focused()
    assert field.input_value() == "nobody", "what was entered is kept"
    assert taken == []


def test_a_mistyped_provider_is_put_right_by_one_press(page: Page, host: Host) -> None:
    page.goto(host.url("forms/newsletter/"))
    field = page.locator("input[type=email]")
    field.fill("ana@gmial.com")
    page.get_by_role("button", name="ana@gmail.com").click()
    expect(field).to_have_value("ana@gmail.com")


def test_a_link_to_a_form_on_the_page_ends_in_its_first_field(page: Page, host: Host) -> None:
    page.goto(host.url(OFFER))
    page.get_by_role("link", name="Send me the checklist").first.click()
    expect(page.locator("#form-checklist input[type=email]")).to_be_focused()


@pytest.mark.parametrize("kind", ["home", "landing", "post", "page"])
def test_printing_hides_no_text(page: Page, host: Host, kind: str) -> None:
    """Menus and forms stay behind; headings, texts, answers and pictures are on the paper."""
    page.goto(host.url(OWN_TYPES[kind]))
    page.emulate_media(media="print")
    gone = page.evaluate(
        """() => [...document.querySelectorAll('main :is(h1, h2, h3, p, li, table, img, summary)')]
        .filter(e => !e.closest('form, .capture, .s-form, nav, .related, .inline-cta') && !e.checkVisibility())
        .map(e => e.textContent.trim().slice(0, 60) || e.outerHTML.slice(0, 80))"""
    )
    assert gone == []
    colours = page.evaluate(
        "() => [getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    assert colours[1] in ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0)")


def test_a_dark_screen_does_not_print_black_paper(browser: Browser, host: Host) -> None:
    context = browser.new_context(color_scheme="dark")
    page = tab(context)
    page.goto(host.url(POST))
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    context.close()


TOKEN = f"mg1.k1.{'a' * 40}.{'b' * 43}"


def test_what_was_asked_for_is_there_at_once_and_its_token_leaves_the_address(page: Page, host: Host) -> None:
    confirmed = "forms/checklist/confirmed/"
    page.goto(host.url(f"{confirmed}#{TOKEN}"))
    button = page.get_by_role("link", name="Download it now")
    expect(button).to_have_attribute("href", f"/api/download/{TOKEN}")
    assert page.url == host.url(confirmed)
    page.reload()
    expect(button).to_be_visible()


@pytest.mark.parametrize("fragment", ["", "#top", f"#{TOKEN}x", "#mg1.k1.a.b", "#javascript:alert(1)"])
def test_without_a_token_no_download_is_promised(fragment: str, page: Page, host: Host) -> None:
    page.goto(host.url(f"forms/checklist/confirmed/{fragment}"))
    expect(page.locator("[data-mg-download]")).to_be_hidden()


def test_without_scripts_the_mail_brings_the_download(unscripted: Page, host: Host) -> None:
    unscripted.goto(host.url(f"forms/checklist/confirmed/#{TOKEN}"))
    expect(unscripted.locator("[data-mg-download]")).to_be_hidden()
