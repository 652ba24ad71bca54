"""Chromium for the tests, and what all of them ask of a page that it shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

from tests.validators import tools
from tests.validators.server import MESSAGES, Host

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

TYPES = {
    "home": "",
    "landing": "offer/",
    "landing-bare": "bare-landing/",
    "landing-hero-form": "hero-form/",
    "post": "posts/first-post/",
    "post-toc": "posts/fifth-post/",
    "post-bare": "posts/undated/",
    "page": "reference/",
    "page-two-forms": "twice/",
    "translation": "de/",
    "list": "posts/",
    "list-2": "posts/page/2/",
    "tag": "tags/capture-forms/",
    "form": "forms/everything/",
    "form-guarded": "forms/guarded/",
    "thanks": "forms/newsletter/thanks/",
    "confirmed": "forms/newsletter/confirmed/",
    "404": "404.html",
    "problem": MESSAGES + "problem",
    "unsubscribe": MESSAGES + "unsubscribe",
}
"""Page types of the complete site, and where each is."""

OWN_TYPES = {
    "home": "",
    "landing": "checklist/",
    "post": "posts/what-each-form-field-costs/",
    "page": "about/",
    "list": "posts/",
    "tag": "tags/capture-forms/",
    "form": "forms/checklist/",
    "thanks": "forms/newsletter/thanks/",
    "404": "404.html",
}
"""The same of the repository's own site."""

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "narrow": {"viewport": {"width": 320, "height": 640}, "color_scheme": "light"},
}


@contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    executable = tools.chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=[*FLAGS, *flags])
        yield browser
        browser.close()


def tab(context: BrowserContext) -> Page:
    page = context.new_page()
    page.set_default_timeout(10_000)
    return page


class Watch:
    """Everything about a page's loading that must not happen."""

    def __init__(self, page: Page, host: Host) -> None:
        self.faults: list[str] = []
        self._host = host
        page.on("console", lambda m: self._note(m.type in ("error", "warning"), f"console {m.type}: {m.text}"))
        page.on("pageerror", lambda e: self._note(True, f"script: {e}"))
        # What is still on its way when the next page is called for is not broken.
        page.on("requestfailed", lambda r: self._note(r.failure != "net::ERR_ABORTED", f"failed: {r.url} {r.failure}"))
        page.on("request", self._request)
        page.on("response", lambda r: self._note(r.status >= 400, f"{r.status}: {r.url}"))

    def _note(self, wrong: bool, text: str) -> None:
        if wrong:
            self.faults.append(text)

    def _request(self, request: Request) -> None:
        ours = request.url.startswith((self._host.origin + "/", "data:"))
        self._note(not ours, f"another origin: {request.url}")
