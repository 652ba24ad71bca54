"""From nothing to a lead and back, as a writer tries it: one command, a real browser, nothing else."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Download, Page, ViewportSize, expect

from tests.preview.harness import Process, started, until
from tests.validators.browsing import LOOKS, chromium, tab

pytestmark = pytest.mark.browser

TALL: ViewportSize = {"width": 1280, "height": 1800}
"""Shows a whole mail: a click into a sandboxed frame that was scrolled just before may miss it."""
SCANNER = {"User-Agent": "Mozilla/5.0 (compatible; SafeLinks)"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    return tmp_path / "lab"


@pytest.fixture
def demo(lab: Path) -> Iterator[Process]:
    with started("demo", "--port", "0", "--keep", str(lab)) as process:
        yield process


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_from_nothing_to_a_lead_that_leaves_again(scripts: bool, browser: Browser, demo: Process, lab: Path) -> None:
    context = browser.new_context(viewport=TALL, java_script_enabled=scripts, accept_downloads=True)
    page, downloads = tab(context), list[Download]()
    page.on("download", lambda found: downloads.append(found))

    page.goto(demo.url("offer/"))
    page.get_by_label("Email address").fill("ana@example.com")
    page.get_by_label("First name").fill("Ana")
    page.wait_for_timeout(2_100 if scripts else 0)  # min_seconds: only the page's script tells the time
    page.locator("form[data-mg-form]").get_by_role("button", name="Send me the questions").click()
    page.wait_for_url("**/forms/questions/thanks/")
    assert "To be confirmed" in row(page, demo)

    scan(link(lab, "confirm"))
    assert "To be confirmed" in row(page, demo)

    page.goto(demo.url("_magnetgen/mail"))
    page.get_by_role("link", name="Please confirm").click()
    page.frame_locator("iframe").get_by_role("link", name="Confirm").click()
    page.get_by_role("button", name="Confirm and download").click()
    page.wait_for_url("**/forms/questions/confirmed/**")
    expect(page.get_by_role("link", name="Download it now")).to_be_visible(visible=scripts)
    assert "Confirmed" in row(page, demo)

    scan(link(lab, "unsubscribe"))
    assert "Confirmed" in row(page, demo)
    assert "Downloaded" not in row(page, demo) and not downloads

    page.goto(link(lab, "unsubscribe"))
    page.get_by_role("button", name="Unsubscribe").click()
    expect(page.get_by_role("heading", name="You are unsubscribed")).to_be_visible()
    assert "Unsubscribed" in row(page, demo)
    assert not downloads

    listed = subprocess.run(
        [sys.executable, "-m", "magnetgen", "leads", "list", "--preview", "--site", str(lab)],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    assert "ana@example.com" in listed and "unsubscribed" in listed
    context.close()


def test_what_a_writer_saves_is_seen_and_so_is_what_is_wrong(browser: Browser, demo: Process, lab: Path) -> None:
    context = browser.new_context(**LOOKS["light"])
    page, offer = tab(context), lab / "content" / "offer.md"
    with page.expect_request("**/_magnetgen/events"):
        page.goto(demo.url("offer/"))
    good = offer.read_text().replace("One page. Five questions.", "One page. Five honest questions.")
    offer.write_text(good)
    expect(page.get_by_text("Five honest questions.")).to_be_visible()
    offer.write_text(good.replace('title: "Five', 'title: Buy: "Five'))
    overlay = page.get_by_role("dialog")
    expect(overlay).to_contain_text("content/offer.md")
    expect(page.get_by_text("Five honest questions.")).to_be_attached()
    offer.write_text(good)
    expect(overlay).to_be_hidden()
    context.close()


def test_a_demo_leaves_nothing_behind() -> None:
    with started("demo", "--port", "0") as process:
        folder = Path(process.says("A site with a whole funnel is in").split(" is in ")[1].split(";")[0])
        assert (folder / "magnetgen.yaml").is_file()
        assert process.interrupt() in (0, 130)
    assert not folder.exists()


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGHUP])
def test_a_demo_leaves_nothing_behind_when_its_terminal_is_closed(sign: signal.Signals) -> None:
    with started("demo", "--port", "0") as process:
        folder = Path(process.says("A site with a whole funnel is in").split(" is in ")[1].split(";")[0])
        process.process.send_signal(sign)
        assert process.process.wait(30) == 128 + signal.SIGTERM
    assert not folder.exists()


def test_a_demo_that_was_kept_is_shown_by_serve(tmp_path: Path) -> None:
    (tmp_path / "my lab").mkdir()
    (tmp_path / "my lab/magnetgen.yaml").write_text("title: L\n", "utf-8")
    command = [sys.executable, "-m", "magnetgen", "demo", "--keep", str(tmp_path / "my lab")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and f"magnetgen serve --site '{tmp_path / 'my lab'}'" in done.stderr


def test_leads_of_a_preview_as_a_page(browser: Browser, demo: Process, lab: Path) -> None:
    body = b"email=cy%40example.com"
    with urllib.request.urlopen(demo.url("api/forms/newsletter"), body + b"&newsletter=yes", timeout=20):
        pass
    with started("leads", "open", "--preview", "--site", str(lab), "--no-browser", says="Leads: http") as alone:
        page = tab(browser.new_context(**LOOKS["light"]))
        page.goto(alone.url(""))
        expect(page.get_by_role("row", name="cy@example.com")).to_contain_text("newsletter")


def test_without_a_store_there_is_nothing_to_open(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "magnetgen", "leads", "open", "--site", str(tmp_path), "--no-browser"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and "No leads yet" in done.stdout
    assert not list(tmp_path.iterdir())


def row(page: Page, demo: Process) -> str:
    """The lead's row in the inbox."""
    page.goto(demo.url("_magnetgen/leads"))
    return page.get_by_role("row", name="ana@example.com").inner_text()


def link(lab: Path, purpose: str) -> str:
    """The newest link of a kind in a captured mail."""

    def found() -> str:
        for file in sorted((lab / ".magnetgen" / "preview-mail").glob("*.eml"), reverse=True):
            mail = message_from_bytes(file.read_bytes(), policy=policy.default)
            part = mail.get_body(("plain",))
            match = re.search(rf"http\S*/{purpose}/mg1\.\S+", part.get_content() if part else "")
            if match:
                return match[0]
        return ""

    return str(until(found, f"no mail with a link to {purpose}"))


def scan(url: str) -> None:
    """Twenty looks at a link, as mail scanners take them."""
    for number in range(20):
        request = urllib.request.Request(url, headers=SCANNER, method="HEAD" if number % 4 == 3 else "GET")
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.status == 200
