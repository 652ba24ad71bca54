"""From the landing page that a magnet brings along to the thing itself, in a real browser behind the real preview."""

from __future__ import annotations

import re
import subprocess
import zipfile
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from icalendar import Calendar
from playwright.sync_api import Browser, Page, expect

from tests.conftest import SETTINGS
from tests.preview.harness import Process, started, until
from tests.validators.browsing import chromium, tab

pytestmark = pytest.mark.browser

GUIDE = """\
---
title: The roof before the rain
subtitle: What to look at in September
description: A short guide for owners of old houses. What to look at before the autumn rain, and what it costs to wait.
kind: guide
formats: [pdf, epub]
valid_for: 7 days
---

Begin outside, on a dry day.

## From the street

Binoculars are enough for the ridge.

## From the ladder

- [ ] The gutters are empty.
"""
TALK = """\
---
title: Ask the roofer
description: An hour with a roofer who has seen everything twice. Bring a photograph of your own roof, and ask what you like.
kind: webinar
start: 2036-12-04 16:00
timezone: Europe/Berlin
join_url: https://meet.example/roof-4711
---
"""
OFFER = """\
---
title: A tenth off in spring
description: A tenth off every repair that is ordered until the end of May, for the first two who ask for a code here.
kind: discount
codes: spring.txt
url: https://shop.example/
label: Go to the shop
---

It holds for one order.
"""
OFFER_FORM = """\
---
title: Your code
fields: [email]
button: Give me a code
magnet: spring
min_seconds: 0
---

There you are.
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("magnets") / "lab"
    files = {
        "magnetgen.yaml": SETTINGS,
        "content/magnets/roof-guide.md": GUIDE,
        "content/magnets/roof-talk.md": TALK,
        "content/magnets/spring.md": OFFER,
        "content/magnets/spring.txt": "AAA-1\nBBB-2\n",
        "content/forms/code.md": OFFER_FORM,
    }
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, "utf-8")
    return root


@pytest.fixture(scope="module")
def site(lab: Path) -> Iterator[Process]:
    with started("serve", "--port", "0", "--site", str(lab)) as process:
        yield process


def ask(page: Page, site: Process, path: str, button: str, email: str) -> None:
    page.goto(site.url(path))
    page.get_by_label("Email address").fill(email)
    page.wait_for_timeout(2_100)  # min_seconds: the page's script tells the time
    page.locator("form[data-mg-form]").get_by_role("button", name=button).click()
    page.wait_for_url("**/thanks/**")


def mail(lab: Path, email: str, subject: str) -> str:
    """The text of a mail that was sent to an address."""

    def found() -> str:
        for file in (lab / ".magnetgen" / "preview-mail").glob("*.eml"):
            message = message_from_bytes(file.read_bytes(), policy=policy.default)
            part = message.get_body(("plain",))
            if email in str(message["To"]) and subject in str(message["Subject"]) and part:
                return str(part.get_content())
        return ""

    return str(until(found, f"no mail about {subject} to {email}"))


def confirm(page: Page, lab: Path, email: str) -> None:
    match = re.search(r"http\S*/confirm/mg1\.\S+", mail(lab, email, "confirm"))
    assert match
    page.goto(match[0])
    page.get_by_role("button", name="Confirm and download").click()
    page.wait_for_url("**/confirmed/**")


def text_of(pdf: Path) -> str:
    return subprocess.run(["pdftotext", "-layout", str(pdf), "-"], capture_output=True, text=True, check=True).stdout


def test_from_the_landing_page_to_the_opened_book(browser: Browser, site: Process, lab: Path, tmp_path: Path) -> None:
    context = browser.new_context(accept_downloads=True)
    page = tab(context)
    page.goto(site.url("roof-guide/"))
    expect(page.get_by_role("heading", level=1)).to_have_text("The roof before the rain")
    expect(page.get_by_role("img", name="Cover of The roof before the rain")).to_be_visible()
    expect(page.get_by_role("heading", name="From the ladder")).to_be_visible()
    ask(page, site, "roof-guide/", "Send me the guide", "ana@example.com")
    confirm(page, lab, "ana@example.com")
    expect(page.get_by_text("The link works for 7 days.")).to_be_visible()
    with page.expect_download() as pdf:
        page.get_by_role("link", name="Download it now").click()
    assert pdf.value.suggested_filename == "the-roof-before-the-rain.pdf"
    pdf.value.save_as(tmp_path / "book.pdf")
    text = text_of(tmp_path / "book.pdf")
    assert (
        text.index("The roof before")
        < text.index("Begin outside")
        < text.index("Binoculars")
        < text.index("The gutters are empty")
    )
    with page.expect_download() as epub:
        page.get_by_role("link", name="For a reading device").click()
    epub.value.save_as(tmp_path / "book.epub")
    with zipfile.ZipFile(tmp_path / "book.epub") as book:
        assert book.read("mimetype") == b"application/epub+zip"
    sent = mail(lab, "ana@example.com", "Here it is: The roof before the rain")
    links = re.findall(r"http\S*/download/\S+", sent)
    assert len(links) == 2 and links[1] == links[0] + "/epub"
    assert page.request.get(links[0]).body() == (tmp_path / "book.pdf").read_bytes()
    part = page.request.get(links[1], headers={"Range": "bytes=0-3"})
    assert (part.status, part.body()) == (206, b"PK\x03\x04")
    context.close()


def test_a_seat_at_a_webinar(browser: Browser, site: Process, lab: Path) -> None:
    page = tab(browser.new_context(accept_downloads=True))
    ask(page, site, "roof-talk/", "Save my seat", "bo@example.com")
    confirm(page, lab, "bo@example.com")
    assert "meet.example" not in page.content()
    expect(page.get_by_role("link", name="Google Calendar")).to_have_attribute("href", re.compile("20361204T150000Z"))
    with page.expect_download() as found:
        page.get_by_role("link", name="Add it to my calendar").click()
    calendar = Path(str(found.value.path())).read_bytes()
    assert b"meet.example" not in calendar
    assert len(Calendar.from_ical(calendar.decode()).walk("VEVENT")) == 1
    sent = mail(lab, "bo@example.com", "How to join: Ask the roofer")
    assert "https://meet.example/roof-4711" in sent and "4 December 2036, 16:00 CET" in sent


def test_codes_are_handed_out_once_and_then_kindly_refused(browser: Browser, site: Process, lab: Path) -> None:
    given = []
    for email in ("cy@example.com", "di@example.com", "ed@example.com", "cy@example.com"):
        page = tab(browser.new_context())
        ask(page, site, "forms/code/", "Give me a code", email)
        page.get_by_role("link", name="Show me the code").click()
        page.wait_for_url("**/download/**")
        if email != "ed@example.com":
            given.append(page.locator("code").inner_text())
            expect(page.get_by_role("link", name="Go to the shop")).to_have_attribute("href", "https://shop.example/")
        else:
            expect(page.get_by_role("heading", level=1)).to_contain_text("No code for you at the moment")
            expect(page.get_by_role("button", name="Ask again")).to_be_visible()
            assert "AAA-1" not in page.content() and "BBB-2" not in page.content()
        page.context.close()
    assert given == ["AAA-1", "BBB-2", "AAA-1"]
    assert "AAA-1" in mail(lab, "cy@example.com", "Your code")
    assert "BBB-2" in mail(lab, "di@example.com", "Your code")
    assert "have none for you" in mail(lab, "ed@example.com", "No code at the moment")
