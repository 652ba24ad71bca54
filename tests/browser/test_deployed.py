"""From the offer to the book in a real browser, on the hosts' own tools: Cloudflare's, Netlify's, and on two origins."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import deployed
from tests.conftest import ROOT
from tests.forms.services import Service, serving
from tests.validators.browsing import chromium
from tests.validators.tools import missing

pytestmark = pytest.mark.browser
PDF = b"%PDF-"


@pytest.fixture
def mails() -> Iterator[Service]:
    with serving() as service:
        yield service


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(*deployed.FLAGS) as found:
        yield found


def funnel(browser: Browser, base: str, mails: Service, scripts: bool) -> None:
    """A visitor asks for the book, confirms, and has it. Nothing that the page's policy blocks is on the way."""
    context = browser.new_context(java_script_enabled=scripts, accept_downloads=True)
    page, said = context.new_page(), list[str]()
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.goto(f"{base}offer/")
    page.get_by_label("Email address").fill("ana@example.com")
    page.get_by_label("First name").fill("Ana")
    page.wait_for_timeout(2_100 if scripts else 0)  # min_seconds: only the page's script tells the time
    page.locator("form[data-mg-form]").get_by_role("button", name="Send me the questions").click()
    page.wait_for_url(f"{base}forms/questions/thanks/")
    page.goto(deployed.mailed(mails, "confirm"))
    page.get_by_role("button", name="Confirm and download").click()
    page.wait_for_url(f"{base}forms/questions/confirmed/**")
    if scripts:
        with page.expect_download() as coming:
            page.get_by_role("link", name="Download it now").click()
        assert Path(coming.value.path()).read_bytes().startswith(PDF)
    link = deployed.mailed(mails, "download")
    for name, place in deployed.PLACES.items():
        link = link.replace(f"//{name}/", f"//{place}/")
    found = context.request.get(link)
    assert found.status == 200 and found.body().startswith(PDF)
    page.goto(deployed.mailed(mails, "unsubscribe"))
    page.get_by_role("button", name="Unsubscribe").click()
    expect(page.get_by_role("heading", name="You are unsubscribed")).to_be_visible()
    assert not said
    context.close()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_from_the_offer_to_the_book_at_cloudflare(
    scripts: bool, browser: Browser, mails: Service, tmp_path: Path
) -> None:
    with deployed.on_cloudflare(tmp_path / "site", mails) as base:
        funnel(browser, base, mails, scripts)


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_from_the_offer_to_the_book_on_two_origins(
    scripts: bool, browser: Browser, mails: Service, tmp_path: Path
) -> None:
    with deployed.on_pages(tmp_path / "site", mails) as base:
        funnel(browser, base, mails, scripts)


@pytest.mark.parametrize("scripts", ["with", "without"])
def test_from_the_offer_to_the_book_at_netlify(scripts: str, tmp_path: Path) -> None:
    """In a network of its own, browser and all: Netlify's tools listen on every address."""
    if not (ROOT / "tests" / "tools" / "netlify" / "node_modules").is_dir():
        missing("tests/tools/netlify/node_modules")
    command = ["unshare", "-rn", sys.executable, "-m", "tests.browser.test_deployed", scripts, str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def main(scripts: str, folder: Path) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with serving() as mails, chromium() as browser, deployed.on_netlify(folder, mails) as base:
        funnel(browser, base, mails, scripts == "with")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
