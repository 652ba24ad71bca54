"""A download that leads to another host, under the policy that pages carry: in a real Chromium."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from magnetgen import client, policy
from tests.browser.harness import FLAGS

pytestmark = pytest.mark.browser

TOKEN = f"mg1.k1.bGVhZA.{'a' * 43}"
FILE = b"%PDF-1.7 a checklist\n" * 500

Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def serving(answer: Callable[[str], Answer]) -> Iterator[str]:
    """A host on a port of its own → its origin."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answer(self.path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def bucket(path: str) -> Answer:
    if path != "/key.pdf?X-Amz-Signature=0":
        return 403, {}, b""
    return 200, {"Content-Type": "application/pdf", "Content-Disposition": 'attachment; filename="checklist.pdf"'}, FILE


def pages(elsewhere: str) -> Callable[[str], Answer]:
    """The site and its handler; `/api/straight` is no route of the handler's: its answer leads out of a form at once."""
    bodies = {
        "/": "<form action='/api/forms/checklist' method=post><button id=send>Send</button></form>"
        "<form action='/api/straight' method=post><button id=straight>Straight</button></form>",
        "/thanks/": "<p data-mg-download='/api/download/' hidden><a>Download</a></p>"
        f"<script>{client.script('download')}</script>",
    }
    leads = {
        "/api/forms/checklist": (303, f"/thanks/#{TOKEN}"),
        f"/api/download/{TOKEN}": (302, f"{elsewhere}/key.pdf?X-Amz-Signature=0"),
        "/api/straight": (303, f"{elsewhere}/key.pdf?X-Amz-Signature=0"),
    }

    def answer(path: str) -> Answer:
        if path in leads:
            status, where = leads[path]
            return status, {"Location": where}, b""
        if path not in bodies:
            return 404, {}, b""
        html = bodies[path]
        headers = {"Content-Type": "text/html", "Content-Security-Policy": policy.text(policy.needs(html, "http://x"))}
        return 200, headers, html.encode()

    return answer


@pytest.fixture
def opened() -> Iterator[tuple[Page, list[str]]]:
    """The site's first page, and what Chromium says on its console."""
    with serving(bucket) as elsewhere, serving(pages(elsewhere)) as site, sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        page = chromium.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.goto(site)
        yield page, said
        chromium.close()


def test_a_download_may_lead_to_another_host(opened: tuple[Page, list[str]], tmp_path: Path) -> None:
    page, said = opened
    page.click("#send")
    page.wait_for_url("**/thanks/")
    with page.expect_download() as found:
        page.get_by_role("link", name="Download").click()
    found.value.save_as(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == FILE
    assert found.value.suggested_filename == "checklist.pdf"
    assert not [text for text in said if "Security Policy" in text]


def test_a_form_whose_answer_led_there_would_be_held_back(opened: tuple[Page, list[str]]) -> None:
    page, said = opened
    with page.expect_console_message(lambda message: "form-action" in message.text):
        page.click("#straight")
    assert [text for text in said if "form-action 'self'" in text]
