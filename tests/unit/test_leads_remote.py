"""What `magnetgen leads --url` says of a handler that is not there, not a handler, or does not want to."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest

from magnetgen.leads.client import Client, LeadsFault, Wish
from magnetgen.leads.remote import Remote, address
from tests.contract.test_vectors import free_port
from tests.forms.data import EVERYTHING
from tests.forms.test_command import Server
from tests.unit.test_leads import SECRETS, run

TOKEN = "secret-token-" + "0123456789abcdef" * 3


class Fake:
    """A server that answers as it is told. `seen`: (method, target, headers) of the requests."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.status, self.body, self.headers = 200, b"{}", dict[str, str]()
        self.pause = 0.0
        self.close_after = 0
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                fake.seen.append((self.command, self.path, dict(self.headers)))
                self.rfile.read(int(self.headers.get("content-length") or 0))
                time.sleep(fake.pause)
                body = fake.answer()
                self.send_response(fake.status)
                for name, value in {"content-length": str(len(body)), **fake.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
                if fake.close_after and len(fake.seen) % fake.close_after == 0:
                    self.close_connection = True  # without having said so

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        if context:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}/api"

    def pages(self, kind: str, rows: list[Any], endless: bool = False, pause: float = 0.0) -> None:
        self._pages = (kind, rows, endless)
        self.pause = pause
        self.answer = self._page  # type: ignore[method-assign]

    def _page(self) -> bytes:
        kind, rows, endless = self._pages
        return json.dumps({kind: rows, "next": f"{len(self.seen)}-{'0' * 32}" if endless else None}).encode()

    def answer(self) -> bytes:
        return self.body

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def fake() -> Iterator[Fake]:
    with Fake() as made:
        yield made


def leads(url: str, *words: str, token: str = TOKEN) -> Any:
    done = run(*(words or ("list",)), "--url", url, MAGNETGEN_ADMIN_TOKEN=token)
    assert token not in done.output and done.stderr.count("\n") <= 3
    return done


# --- addresses and tokens ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/api", "http://10.0.0.1/api", "http://localhost.example.com", "http://[2001:db8::1]/", "ftp://x.example",
        "example.com/api", "", "https://", "https://u:p@example.com/api", "https://example.com/api?x=1", "https://example.com/#x",
        "https://example.com:port/", "https://exa mple.com", "https://example.com/\r\nX: y", "http://[::1", "https://münchen.example",
    ],
)  # fmt: skip
def test_a_token_goes_nowhere_else(url: str) -> None:
    done = leads(url)
    assert (done.exit_code, done.stdout) == (2, ""), done.output


@pytest.mark.parametrize("url", ["http://127.0.0.1:8787/api", "http://127.9.9.9", "http://[::1]:80/api", "http://localhost/api", "https://x.example/"])  # fmt: skip
def test_these_may_have_one(url: str) -> None:
    assert address(url).hostname


def test_without_a_token_nothing_is_asked(fake: Fake) -> None:
    done = run("list", "--url", fake.url)
    assert done.exit_code == 2 and "set MAGNETGEN_ADMIN_TOKEN" in done.stderr
    done = run("list", "--url", fake.url, "--token-env", "OTHER", MAGNETGEN_ADMIN_TOKEN=TOKEN)
    assert done.exit_code == 2 and "set OTHER" in done.stderr
    assert run("list", "--token-env", "OTHER").exit_code == 2
    assert run("list", "--preview", "--url", fake.url, MAGNETGEN_ADMIN_TOKEN=TOKEN).exit_code == 2
    assert leads(fake.url, token="with space").exit_code == 2
    assert leads(fake.url, token="with\tcontrol").exit_code == 2
    assert fake.seen == []
    fake.pages("leads", [])
    assert run("list", "--url", fake.url, "--token-env", "OTHER", OTHER="mine").exit_code == 2  # it has no submissions
    assert {headers["Authorization"] for _, _, headers in fake.seen} == {"Bearer mine"}


# --- answers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "code", "says"),
    [
        (401, b"{}", 2, "refuses this token"),
        (404, b"<h1>Not found</h1>", 2, "there is nothing at this address"),
        (400, b'{"request_id": "abc"}', 3, "does not understand this command: is it another version? (request abc)"),
        (503, b"{}", 3, "try again in a moment"),
        (500, b'{"request_id": "\\u001b[31m"}', 3, "answered with status 500\n"),
        (200, b"<html>", 2, "it is not JSON"),
        (200, b"[]", 2, "it is not JSON"),
        (200, b'{"leads": 5}', 2, "no leads in it"),
        (200, b'{"leads": [5]}', 2, "no leads in it"),
        (200, b"\xff", 2, "it is not JSON"),
        (302, b"", 2, "answers with a redirect"),
        (308, b"", 2, "answers with a redirect"),
    ],
)
def test_an_answer_that_is_none(fake: Fake, status: int, body: bytes, code: int, says: str) -> None:
    fake.status, fake.body = status, body
    fake.headers = {"location": f"http://127.0.0.1:{fake.port}/elsewhere"}
    done = leads(fake.url)
    assert (done.exit_code, says in done.stderr, done.stdout) == (code, True, ""), done.stderr
    assert len(fake.seen) == 1


def test_pages_without_end_are_noticed(fake: Fake) -> None:
    fake.body = json.dumps({"leads": [{"id": "a" * 32}], "next": "1-0"}).encode()
    assert "do not come to an end" in leads(fake.url, "export").stderr
    assert len(fake.seen) == 2


def test_nonsense_in_rows_is_shown_as_it_is(fake: Fake) -> None:
    row = {
        "id": None,
        "form": 5,
        "email": ["x"],
        "created_at": 10**30,
        "data": "x",
        "consent": {"a": 1},
        "status": True,
    }
    fake.body = json.dumps({"leads": [row], "submissions": [row], "deliveries": [row], "next": None}).encode()
    for words in (["list"], ["stats"], ["export"], ["export", "--format", "json"], ["list", "--status", "held"], ["show", "a@x.co"]):  # fmt: skip
        assert leads(fake.url, *words).exit_code == 0, words


def test_a_kept_connection_that_went_is_opened_again_for_reading_only(fake: Fake) -> None:
    fake.close_after = 1
    fake.body = json.dumps({"leads": [], "next": None, "erased": 0}).encode()
    remote = Remote(fake.url, TOKEN)
    client = Client(remote)
    for _ in range(3):
        assert list(client.leads(Wish())) == []
    with pytest.raises(LeadsFault, match=r"connection to .* failed"):
        client.erase("a@x.co")
    assert len(fake.seen) == 3
    remote.close()


# --- the way there -----------------------------------------------------------------------------------------------


def test_nobody_listens() -> None:
    done = leads(f"http://127.0.0.1:{free_port()}/api")
    assert (done.exit_code, "nothing listens at 127.0.0.1" in done.stderr) == (3, True)


def test_a_server_that_says_nothing(fake: Fake) -> None:
    fake.pause = 5
    with pytest.raises(LeadsFault, match="does not answer"):
        Remote(fake.url, TOKEN, seconds=0.2).send("GET", "leads", {}, b"")


def test_a_server_without_tls(fake: Fake) -> None:
    done = leads(fake.url.replace("http:", "https:"))
    assert (done.exit_code, "does not speak TLS" in done.stderr) == (3, True), done.stderr
    assert fake.seen == []


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-days", "1"]
    subprocess.run([*words, "-keyout", key, "-out", cert], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with Fake(context) as fake:
        done = leads(fake.url)
        assert (done.exit_code, "the certificate of 127.0.0.1" in done.stderr) == (3, True), done.stderr
        assert fake.seen == []


def test_a_real_handler_with_another_token_or_none(tmp_path: Path) -> None:
    (tmp_path / ".magnetgen").mkdir()
    (tmp_path / ".magnetgen" / "forms.json").write_text(json.dumps(EVERYTHING))
    server = Server(tmp_path, SECRETS)
    base = f"http://127.0.0.1:{server.port}"
    assert "refuses this token" in leads(f"{base}/api").stderr
    assert "there is nothing at this address" in leads(base).stderr
    server.stop()
    server = Server(tmp_path, {**SECRETS, "MAGNETGEN_ADMIN_TOKEN": ""})
    done = leads(f"http://127.0.0.1:{server.port}/api", "erase", "a@x.co", "--yes")
    assert (done.exit_code, "no MAGNETGEN_ADMIN_TOKEN" in done.stderr) == (2, True)
    server.stop()
