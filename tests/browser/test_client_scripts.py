"""The page's two scripts in a real Chromium, against the form handler's documented answers."""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from magnetgen import client
from tests.browser.harness import FLAGS, WORDS, Site, form_html, serving

pytestmark = pytest.mark.browser

HIDDEN = "[name=_mg_src]"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as p:
        chromium = p.chromium.launch(executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as one:
        form = form_html("/api/forms/guide", words=WORDS)
        links = (
            '<p><a id="next" href="/blog/">On</a> <a id="query" href="/blog/?a=1#b">Q</a> <a id="in" href="#form-guide">Form</a>'
            ' <a id="pdf" href="/book.pdf">PDF</a> <a id="dl" href="/book/" download>DL</a>'
            ' <a id="out" href="http://localhost/">Out</a> <a id="top" href="#">Top</a></p>'
        )
        tall = "<p>.</p>" * 80
        one.pages = {
            "/": links + form,
            "/blog/": '<p><a id="next" href="/form/">On</a> <a id="ad" href="/form/?gclid=G1">Ad</a></p>',
            "/form/": links + form,
            "/tall/": links + tall + form + tall,
            "/plain/": form_html("/elsewhere", "plain", WORDS),
            "/english/": form_html("/api/forms/guide"),
            "/thanks/": "<h1>Thanks</h1>",
        }
        yield one


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    tab = context.new_page()
    tab.set_default_timeout(5000)
    faults: list[str] = []
    tab.on("pageerror", lambda e: faults.append(str(e)))
    yield tab
    context.close()
    assert not faults


def source(page: Page) -> dict[str, dict[str, str]]:
    value: dict[str, dict[str, str]] = json.loads(page.locator(HIDDEN).input_value())
    return value


def fill(page: Page, email: str = "ana@example.com") -> None:
    page.get_by_label("Email address").fill(email)
    page.get_by_label("More").check()
    page.get_by_label("I agree.").check()


def submit(page: Page) -> None:
    page.get_by_role("button", name="Send it").click()


# Sizes


def test_the_scripts_are_small_and_safe_to_inline() -> None:
    assert len(client.script("attribution").encode()) < 1000
    assert len(gzip.compress(client.page_script().encode(), 9)) <= 3072
    for bad in ("</script", "<!--", "//", "localStorage", "cookie"):
        assert bad not in client.page_script().replace("http://x", "")


# Attribution


def test_a_campaign_reaches_the_form_two_pages_later(page: Page, site: Site) -> None:
    page.goto(f"{site.origin}/?utm_source=news&utm_campaign=Tom+%26+Jerry~%C3%A9&x=1")
    page.click("#next")
    page.wait_for_url("**/blog/")
    page.focus("#next")
    page.keyboard.press("Enter")
    page.wait_for_url("**/form/")
    touch = {"landing": "/", "utm_source": "news", "utm_campaign": "Tom & Jerry~é"}
    assert source(page) == {"first": touch, "last": {**touch, "page": "/form/"}}
    fill(page)
    submit(page)
    page.wait_for_url("**/thanks/**")
    assert json.loads(site.received().fields["_mg_src"])["first"] == touch


def test_the_last_touch_is_replaced_and_the_first_stays(page: Page, site: Site) -> None:
    page.goto(f"{site.origin}/?utm_source=news")
    page.click("#next")
    page.click("#ad")
    page.wait_for_url("**/form/?gclid=G1")
    assert source(page) == {
        "first": {"landing": "/", "utm_source": "news"},
        "last": {"landing": "/form/", "gclid": "G1", "page": "/form/"},
    }
    page.click("#next")
    page.click("#next")
    page.wait_for_url("**/form/")
    assert source(page)["last"] == {"landing": "/form/", "gclid": "G1", "page": "/form/"}
    assert source(page)["first"] == {"landing": "/", "utm_source": "news"}


def test_an_external_referrer_is_a_touch_without_its_query(page: Page, site: Site) -> None:
    with serving() as other:
        other.pages["/ad/"] = f'<a href="{site.origin}/form/">Go</a>'
        page.goto(f"{other.origin}/ad/?secret=1")
        page.click("a")
        page.wait_for_url("**/form/")
        # Across origins browsers give no more than the origin.
        assert source(page)["first"] == {"landing": "/form/", "referrer": f"{other.origin}/"}
        other.pages["/ad/"] = (
            f'<a href="{site.origin}/form/?_mg=landing%3D%252Fx%252F" referrerpolicy="unsafe-url">Go</a>'
        )
        page.goto(f"{other.origin}/ad/?secret=1")
        page.click("a")
        page.wait_for_url("**/form/")
        assert source(page) == {
            "first": {"landing": "/x/"},
            "last": {"landing": "/form/", "referrer": f"{other.origin}/ad/", "page": "/form/"},
        }


def test_without_any_sign_there_are_landing_and_page(page: Page, site: Site) -> None:
    page.goto(f"{site.origin}/form/?referrer=claimed&landing=claimed")
    assert source(page) == {"first": {"landing": "/form/"}, "last": {"landing": "/form/", "page": "/form/"}}


def test_the_address_is_cleaned_and_keeps_the_rest(page: Page, site: Site) -> None:
    page.goto(f"{site.origin}/?utm_source=a")
    page.click("#query")
    page.wait_for_url(f"{site.origin}/blog/?a=1#b")
    assert any("_mg=" in got for got in site.gets)
    page.goto(f"{site.origin}/form/?_mg=x&_mg=y#form-guide")
    assert page.url == f"{site.origin}/form/#form-guide"


def test_only_links_to_pages_of_the_site_carry(page: Page, site: Site) -> None:
    page.goto(f"{site.origin}/form/?utm_source=a")
    hrefs: dict[str, str] = page.evaluate(
        """() => {
          addEventListener("click", e => e.preventDefault());
          const out = {};
          for (const a of document.querySelectorAll("a[id]")) { a.click(); out[a.id] = a.getAttribute("href"); }
          return out;
        }"""
    )
    assert {name for name, href in hrefs.items() if "_mg" in href} == {"next", "query"}
    assert hrefs["query"].endswith("#b") and "?a=1&_mg=" in hrefs["query"]


def test_pages_outside_the_base_get_nothing(page: Page, site: Site) -> None:
    site.base = "/blog/"
    site.pages["/blog/"] = '<a id="out" href="/blogger/">x</a><a id="up" href="/">x</a><a id="in" href="/blog/a/">x</a>'
    page.goto(f"{site.origin}/blog/")
    for name in ("out", "up", "in"):
        page.dispatch_event(f"#{name}", "pointerdown")
        assert ("_mg=" in (page.get_attribute(f"#{name}", "href") or "")) == (name == "in")


def test_a_middle_click_carries_too(page: Page, site: Site) -> None:
    page.goto(f"{site.origin}/?utm_source=mid")
    with page.context.expect_page() as opened:
        page.click("#next", button="middle")
    opened.value.wait_for_url("**/blog/")
    assert any("utm_source%3Dmid" in got for got in site.gets)


@pytest.mark.parametrize(
    "value",
    ["%", "~~~~", "__proto__=1&constructor=2", '{"first":{"landing":1}}', "%00%ff%C3", "=~=&&==", "first[a]=b", "\ud7ff" * 3000],
)  # fmt: skip
def test_a_hostile_carried_value_is_ignored(page: Page, site: Site, value: str) -> None:
    page.goto(f"{site.origin}/form/?_mg={quote(value, safe='%')}&k=1")
    assert source(page) == {"first": {"landing": "/form/"}, "last": {"landing": "/form/", "page": "/form/"}}
    assert page.url == f"{site.origin}/form/?k=1"
    assert page.evaluate("({}).landing === undefined && Object.keys(Object.prototype).length === 0")


def test_a_carried_value_brings_known_names_and_short_texts_only(page: Page, site: Site) -> None:
    long = "é" * 99 + "😀😀"
    carried = f"landing=/a/&evil=1&__proto__=2&utm_source={quote(long)}&utm_medium=a%0Db"
    page.goto(f"{site.origin}/form/?_mg={quote(carried)}")
    assert source(page)["first"] == {"landing": "/a/", "utm_source": "é" * 99 + "😀", "utm_medium": "a"}


def test_a_kibibyte_is_never_exceeded_and_the_referrer_goes_first(page: Page, site: Site) -> None:
    names = ["source", "medium", "campaign", "term", "content", "id"]
    for text in ("x" * 150, "語" * 150, '"' * 150, "😀" * 150):
        one, two = ("&".join(f"utm_{n}={quote(text)}{i}" for n in names) for i in (1, 2))
        carried = f"landing={'/x' * 80}&{one}&referrer={'r' * 150}"
        page.goto(f"{site.origin}/form/?{two}&_mg={quote(carried + '~' + carried)}")
        value = page.locator(HIDDEN).input_value()
        assert 400 < len(value.encode()) <= 1024
        first = json.loads(value)["first"]
        assert first["landing"] == "/x" * 50
        # A hundred of four bytes leave no room beside that path.
        assert first.get("utm_source") == (text[:100] if text[0] != "😀" else None)
        # What is short enough may still fit after something longer did not, but the referrer is asked last.
        assert "referrer" not in first or "utm_medium" not in first


def test_a_kibibyte_is_nearly_used(page: Page, site: Site) -> None:
    path = f"/{'p' * 120}/"
    site.pages[path] = site.pages["/form/"]
    one, two = ("&".join(f"utm_{i}{n:02}=x" for n in range(50)) for i in "ab")
    page.goto(f"{site.origin}{path}?{two}&_mg={quote(f'landing=/&{one}')}")
    value = page.locator(HIDDEN).input_value()
    assert 980 < len(value.encode()) <= 1024
    assert json.loads(value)["last"]["page"] == path[:100]


def test_nothing_is_stored(page: Page, site: Site) -> None:
    page.goto(f"{site.origin}/?utm_source=a")
    page.click("#next")
    page.click("#next")
    fill(page)
    submit(page)
    page.wait_for_url("**/thanks/**")
    page.go_back()
    stored = page.evaluate(
        """async () => [document.cookie, localStorage.length, sessionStorage.length, name, history.state,
          (await indexedDB.databases()).length, (await caches.keys()).length]"""
    )
    assert stored == ["", 0, 0, "", None, 0, 0]
    assert page.context.cookies() == []


# Forms


def test_faults_are_said_beside_the_fields_and_in_a_summary_with_focus(page: Page, site: Site) -> None:
    page.goto(f"{site.origin}/form/")
    page.get_by_label("Code").fill("abc")
    submit(page)
    summary = page.locator("[data-mg-summary]")
    expect(summary).to_be_focused()
    expect(summary).to_have_attribute("role", "alert")
    assert summary.locator("p").inner_text() == "4 to fix"
    assert summary.locator("li").all_inner_texts() == [
        "Email address: Fill it in!", "Code: Digits only!", "Team size: Fill it in!", "I agree.: Fill it in!",
    ]  # fmt: skip
    for name, text in (("email", "Fill it in!"), ("action", "Digits only!"), ("size", "Fill it in!")):
        expect(page.locator(f"#form-guide-{name}-error")).to_be_visible()
        expect(page.locator(f"#form-guide-{name}-error")).to_have_text(text)
    for control in ("#form-guide-email", "#form-guide-size-1", "#form-guide-terms"):
        expect(page.locator(control)).to_have_attribute("aria-invalid", "true")
    summary.get_by_role("link", name="Team size").click()
    expect(page.locator("#form-guide-size-1")).to_be_focused()
    assert site.posts == []

    fill(page)
    expect(page.locator("#form-guide-email-error")).to_be_hidden()
    expect(page.locator("#form-guide-email")).to_have_attribute("aria-invalid", "false")
    expect(summary).to_be_visible()
    page.get_by_label("Code").fill("12")
    expect(summary).to_be_hidden()


@pytest.mark.parametrize("address", ["ana", "ana@example", "ana@@example.com", "ana@bücher.de/x"])
def test_what_is_no_address_is_not_sent(page: Page, site: Site, address: str) -> None:
    page.goto(f"{site.origin}/form/")
    fill(page)
    page.eval_on_selector("#form-guide-email", "(e, v) => { e.value = v; }", address)
    submit(page)
    expect(page.locator("#form-guide-email-error")).to_have_text("No address!")
    assert site.posts == []


def test_english_without_words(page: Page, site: Site) -> None:
    page.goto(f"{site.origin}/english/")
    submit(page)
    expect(page.locator("[data-mg-summary] p")).to_have_text("Please check (3):")
    expect(page.locator("#form-guide-email-error")).to_have_text("Please fill this in.")


def test_a_submission_is_sent_as_the_contract_says(page: Page, site: Site) -> None:
    page.goto(f"{site.origin}/form/")
    page.wait_for_timeout(60)
    fill(page)
    page.eval_on_selector("#form-guide-email", "e => { e.value = ' ana@bücher.example\\u00a0'; }")
    submit(page)
    page.wait_for_url(f"{site.origin}/thanks/#mg1.k.p.m")
    post = site.received()
    assert post.path == "/api/forms/guide"
    assert post.headers["accept"] == "application/json"
    assert post.headers["content-type"].lower() == "application/x-www-form-urlencoded;charset=utf-8"
    assert re.fullmatch("[0-9a-f]{32}", post.headers["idempotency-key"])
    assert post.fields["email"] == "ana@xn--bcher-kva.example"
    assert 50 <= int(post.fields["_mg_t"]) < 10000
    assert post.fields["_mg_v"] == "1" and post.fields["_mg_hp"] == "" and post.fields["size"] == "9"
    assert "_mg_idem" not in post.fields


def test_another_origin_is_asked_without_a_preflight(page: Page, site: Site) -> None:
    with serving() as handler:
        handler.allow = site.origin
        site.pages["/form/"] = form_html(f"{handler.origin}/forms/guide")
        page.goto(f"{site.origin}/form/")
        fill(page)
        submit(page)
        page.wait_for_url("**/thanks/**")
        post = handler.received()
        assert handler.methods == [] and "idempotency-key" not in post.headers
        assert re.fullmatch("[0-9a-f]{32}", post.fields["_mg_idem"])


def test_a_double_click_sends_once_and_says_so(page: Page, site: Site) -> None:
    site.gate.clear()
    page.goto(f"{site.origin}/form/")
    fill(page)
    page.evaluate("() => { const f = document.forms[0]; f.requestSubmit(); f.requestSubmit(); }")
    button = page.get_by_role("button", name="Send it")
    expect(button).to_be_disabled()
    expect(button).to_have_attribute("aria-busy", "true")
    expect(page.get_by_role("status").filter(has_text="Sending…")).to_be_visible()
    page.wait_for_timeout(200)
    site.gate.set()
    page.wait_for_url("**/thanks/**")
    site.received()


def test_the_handlers_faults_are_shown_like_the_pages(page: Page, site: Site) -> None:
    site.answers = [422]
    page.goto(f"{site.origin}/form/")
    fill(page)
    submit(page)
    expect(page.locator("[data-mg-summary]")).to_be_focused()
    expect(page.locator("#form-guide-email-error")).to_have_text("That domain takes no mail.")
    assert page.locator("[data-mg-summary] li").all_inner_texts() == [
        "Email address: That domain takes no mail.", "Something else.",
    ]  # fmt: skip
    # Nobody is led into the trap.
    expect(page.locator("[data-mg-summary] a")).to_have_count(1)
    expect(page.get_by_role("button", name="Send it")).to_be_enabled()


@pytest.mark.parametrize("status", [429, 503])
def test_values_and_key_are_kept_when_the_handler_is_busy(page: Page, site: Site, status: int) -> None:
    site.answers = [status, status]
    page.goto(f"{site.origin}/form/")
    fill(page)
    for _ in range(2):
        submit(page)
        expect(page.locator("[data-mg-summary]")).to_be_focused()
        expect(page.locator("[data-mg-summary]")).to_contain_text("try again")
        expect(page.get_by_label("Email address")).to_have_value("ana@example.com")
        expect(page.get_by_label("More")).to_be_checked()
        expect(page.locator("[data-mg-status]")).to_have_text("")
    page.get_by_label("Email address").fill("eva@example.com")
    expect(page.locator("[data-mg-summary]")).to_be_hidden()
    submit(page)
    page.wait_for_url("**/thanks/**")
    keys = [post.headers["idempotency-key"] for post in site.posts]
    assert keys[0] == keys[1] != keys[2]


def test_a_dropped_connection_is_tried_the_browsers_way_under_the_same_key(page: Page, site: Site) -> None:
    site.answers = [0]
    page.goto(f"{site.origin}/form/")
    fill(page)
    submit(page)
    page.wait_for_url("**/thanks/")
    assert len(site.posts) == 2
    assert site.posts[1].fields["_mg_idem"] == site.posts[0].headers["idempotency-key"]
    assert site.posts[1].fields["email"] == "ana@example.com"


def test_offline_keeps_the_page(page: Page, site: Site) -> None:
    page.goto(f"{site.origin}/form/")
    fill(page)
    page.context.set_offline(True)
    submit(page)
    expect(page.locator("[data-mg-summary]")).to_be_focused()
    expect(page.get_by_label("Email address")).to_have_value("ana@example.com")
    page.context.set_offline(False)
    submit(page)
    page.wait_for_url("**/thanks/**")
    site.received()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Ana@gmial.com", "Ana@gmail.com"),
        ("ana@gmail.con", "ana@gmail.com"),
        ("ana@hotmial.co", "ana@hotmail.com"),
        ("ana@yaho.com", "ana@yahoo.com"),
        ("ana@outloook.com", "ana@outlook.com"),
    ],
)
def test_a_suggestion_is_offered_and_applied(page: Page, site: Site, typed: str, meant: str) -> None:
    page.goto(f"{site.origin}/form/")
    page.get_by_label("Email address").fill(typed)
    page.get_by_role("button", name=f"Did you mean {meant}?").click()
    expect(page.get_by_label("Email address")).to_have_value(meant)
    expect(page.get_by_label("Email address")).to_be_focused()
    expect(page.get_by_role("button", name="Did you mean")).to_have_count(0)


@pytest.mark.parametrize(
    "domain", ["gmail.com", "mail.com", "ymail.com", "yahoo.co.uk", "hotmail.ca", "example.com", "gmx.de", "gmail"]
)
def test_no_suggestion_where_there_is_no_mistake(page: Page, site: Site, domain: str) -> None:
    page.goto(f"{site.origin}/form/")
    page.get_by_label("Email address").fill(f"ana@{domain}")
    page.wait_for_timeout(700)
    expect(page.get_by_role("button", name="Did you mean")).to_have_count(0)


def test_a_suggestion_never_blocks(page: Page, site: Site) -> None:
    page.goto(f"{site.origin}/form/")
    fill(page, "ana@gmial.com")
    expect(page.get_by_role("button", name="Did you mean")).to_be_visible()
    submit(page)
    page.wait_for_url("**/thanks/**")
    assert site.received().fields["email"] == "ana@gmial.com"


def test_a_plain_form_is_checked_and_sent_by_the_browser(page: Page, site: Site) -> None:
    page.goto(f"{site.origin}/plain/")
    submit(page)
    expect(page.locator("[data-mg-summary]")).to_be_focused()
    fill(page)
    submit(page)
    page.wait_for_url("**/thanks/")
    post = site.received()
    assert "text/html" in post.headers["accept"] and "idempotency-key" not in post.headers
    assert "_mg_t" not in post.fields and json.loads(post.fields["_mg_src"])["first"] == {"landing": "/plain/"}


def test_without_script_the_form_posts_by_itself(browser: Browser, site: Site) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.origin}/form/")
    submit(page)
    assert site.posts == []
    fill(page)
    submit(page)
    page.wait_for_url("**/thanks/")
    assert site.received().fields["_mg_t"] == "" and site.received().fields["email"] == "ana@example.com"
    context.close()


def test_coming_back_finds_the_button_ready(page: Page, site: Site) -> None:
    page.goto(f"{site.origin}/form/")
    page.evaluate(
        """() => { const b = document.querySelector("button"); b.disabled = true; b.setAttribute("aria-busy", "true");
          dispatchEvent(new PageTransitionEvent("pageshow", {persisted: true})); }"""
    )
    expect(page.get_by_role("button", name="Send it")).to_be_enabled()
    expect(page.get_by_role("button", name="Send it")).to_have_attribute("aria-busy", "false")


def test_a_link_to_the_form_ends_in_its_first_field(page: Page, site: Site) -> None:
    page.goto(f"{site.origin}/tall/")
    for _ in range(2):
        page.click("#in")
        expect(page.get_by_label("Email address")).to_be_focused()
        expect(page.get_by_label("Email address")).to_be_in_viewport()
        page.wait_for_timeout(100)
        expect(page.get_by_label("Email address")).to_be_focused()
        page.evaluate("scrollTo(0, 0)")


def test_the_policy_is_kept(page: Page, site: Site) -> None:
    said: list[Any] = []
    page.on("console", lambda m: said.append(m.text))
    site.answers = [422]
    page.goto(f"{site.origin}/form/?utm_source=a")
    submit(page)
    fill(page, "ana@gmial.com")
    expect(page.get_by_role("button", name="Did you mean")).to_be_visible()
    submit(page)
    expect(page.locator("[data-mg-summary]")).to_be_focused()
    assert [text for text in said if "Content Security Policy" in text] == []
