"""Webhooks against a real server: signature, redirects, time, codes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from magnetgen.forms import webhooks
from magnetgen.forms.mail import Sent, tls
from magnetgen.forms.records import Delivery
from magnetgen.forms.site import SiteFault
from magnetgen.forms.webhooks import Hook

DELIVERY = Delivery("ab" * 16, "l", "f", "crm", "lead.created", "c", {"type": "lead.created", "data": {"é": 1}}, 1)


class Server(ThreadingHTTPServer):
    status = 200
    extra: dict[str, str] = {}
    delay = 0.0

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        time.sleep(self.server.delay)
        self.send_response(self.server.status)
        for name, value in self.server.extra.items():
            self.send_header(name, value)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def post(server: Server, secret: bytes = b"s") -> Sent:
    hook = Hook(f"http://127.0.0.1:{server.server_port}/in?x=1", secret)
    return webhooks.HttpPoster().post(hook.url, webhooks.headers(hook, DELIVERY, 1000.9), webhooks.body_of(DELIVERY))


def test_what_arrives_is_signed_by_the_standard(server: Server) -> None:
    assert post(server) == Sent(True, "200")
    path, headers, body = server.got[0]
    assert path == "/in?x=1" and headers["content-type"] == "application/json"
    assert body == '{"type":"lead.created","data":{"é":1}}'.encode()
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = base64.b64encode(hmac.new(b"s", signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{mac}"
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == (f"msg_{'ab' * 16}", "1000")


def test_the_standards_own_example_verifies() -> None:
    key = webhooks.secret_key("x", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    text = b'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}'
    found = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    assert found == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("status", "permanent"), [(301, False), (302, False), (307, False), (400, False), (410, True), (500, False)]
)
def test_only_2xx_is_success_and_no_redirect_is_followed(server: Server, status: int, permanent: bool) -> None:
    server.status = status
    server.extra = {"Location": f"http://127.0.0.1:{server.server_port}/other"}
    assert post(server) == Sent(False, str(status), permanent, gone=permanent, item=status == 400)
    assert len(server.got) == 1


@pytest.mark.parametrize(("text", "seconds"), [("120", 120), ("9" * 8, 86_400), ("x", 0), ("-5", 0), ("", 0)])
def test_retry_after(server: Server, text: str, seconds: int) -> None:
    server.status, server.extra = 429, {"Retry-After": text}
    assert post(server).retry_after == seconds


def test_retry_after_as_a_date() -> None:
    assert webhooks.judge(503, "Fri, 31 Dec 2100 23:59:59 GMT").retry_after == 86_400
    assert webhooks.judge(503, "Fri, 31 Dec 1999 23:59:59 GMT").retry_after == 0


def test_a_destination_that_hangs_ends_in_time(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "TIMEOUT", 0.3)
    server.delay = 1.0
    started = time.monotonic()
    assert post(server) == Sent(False, "TimeoutError")
    assert time.monotonic() - started < 0.9


@pytest.fixture
def secure(server: Server, tmp_path: Path) -> tuple[str, Path]:
    """The same server over TLS: its address, and the certificate that nobody vouches for."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
               "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return f"https://localhost:{server.server_port}/in", certificate


def test_a_certificate_that_nobody_vouches_for_is_refused(secure: tuple[str, Path], server: Server) -> None:
    server.handle_error = lambda *args: None  # type: ignore[method-assign]
    assert webhooks.HttpPoster().post(secure[0], {}, b"{}") == Sent(False, "SSLCertVerificationError")
    assert server.got == []


def test_tls(
    secure: tuple[str, Path], server: Server, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(secure[1]))
    tls.cache_clear()
    request.addfinalizer(tls.cache_clear)
    assert webhooks.HttpPoster().post(secure[0], {"x-y": "z"}, b"{}") == Sent(True, "200")
    assert [(path, headers["x-y"], body) for path, headers, body in server.got] == [("/in", "z", b"{}")]
    monkeypatch.setattr(webhooks, "TIMEOUT", 0.3)
    server.delay = 1.0
    assert webhooks.HttpPoster().post(secure[0], {}, b"{}") == Sent(False, "TimeoutError")


def test_nobody_there() -> None:
    assert webhooks.HttpPoster().post("http://127.0.0.1:9/", {}, b"") == Sent(False, "ConnectionRefusedError")


def test_without_a_secret_there_is_no_signature() -> None:
    assert "webhook-signature" not in webhooks.headers(Hook("http://x", b""), DELIVERY, 1)


@pytest.mark.parametrize("url", ["", "ftp://x", "https:///a", "https://x/ y", "https://x:0/", "https://x:y/"])
def test_faulty_addresses_are_refused_without_being_shown(url: str) -> None:
    with pytest.raises(SiteFault, match="crm") as caught:
        webhooks.open_hook("crm", url, "")
    assert not url or url not in str(caught.value)


def test_a_faulty_secret_is_refused_without_being_shown() -> None:
    with pytest.raises(SiteFault) as caught:
        webhooks.open_hook("crm", "https://x", "whsec_???")
    assert "???" not in str(caught.value)
