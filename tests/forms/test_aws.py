"""Lambda events of both payload versions, as AWS documents them."""

from __future__ import annotations

import base64
import http.server
import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from magnetgen.forms import aws, runtime, tokens
from magnetgen.forms.http import Request, Response
from magnetgen.forms.records import CONFIRMED, PENDING, Decide, LeadQuery, Load
from magnetgen.forms.runtime import Runtime
from magnetgen.forms.site import SiteFault
from magnetgen.forms.store import open_store
from tests.contract.test_vectors import free_port
from tests.forms.data import EVERYTHING
from tests.forms.postgres import PASSWORD
from tests.forms.test_mail import Server as Mailbox
from tests.forms.world import SCRIPT, World


def v2(method: str, path: str, body: str = "", encoded: Any = False, **headers: str) -> dict[str, Any]:
    return {
        "version": "2.0", "routeKey": "$default", "rawPath": f"/api{path.partition('?')[0]}",
        "rawQueryString": path.partition("?")[2], "headers": {k.replace("_", "-"): v for k, v in headers.items()},
        "requestContext": {"stage": "$default", "http": {"method": method, "path": f"/api{path}", "sourceIp": "192.0.2.1"}},
        "body": body, "isBase64Encoded": encoded,
    }  # fmt: skip


def v1(method: str, path: str, body: str | None = None, **headers: str) -> dict[str, Any]:
    return {
        "resource": "/{proxy+}", "path": f"/api{path}", "httpMethod": method,
        "headers": {k.replace("_", "-").title(): v for k, v in headers.items()},
        "multiValueHeaders": {k.replace("_", "-").title(): [v] for k, v in headers.items()},
        "queryStringParameters": None, "multiValueQueryStringParameters": None,
        "requestContext": {"stage": "prod", "identity": {"sourceIp": "192.0.2.2"}}, "body": body,
        "isBase64Encoded": False,
    }  # fmt: skip


@pytest.mark.parametrize("make", [v1, v2])
def test_a_submission(world: World, make: Any) -> None:
    result = aws.answer(world.runtime, make("POST", "/forms/plain", "email=a%40x.co", **SCRIPT), "id-1")
    assert result["statusCode"] == 202 and json.loads(result["body"])["ok"] is True
    assert result["headers"]["access-control-allow-origin"] == "https://site.example"
    assert len(world.rows("leads")) == 1
    assert len(world.mails) == len(world.hooks) == 1


def test_base64_and_the_limits(world: World) -> None:
    body = base64.b64encode(b"email=a%40x.co").decode()
    assert aws.answer(world.runtime, v2("POST", "/forms/plain", body, True, **SCRIPT), "")["statusCode"] == 202
    assert aws.answer(world.runtime, v2("POST", "/forms/plain", "!", True, **SCRIPT), "")["statusCode"] == 400
    big = v2("POST", "/forms/plain", "x" * 70_000, **SCRIPT)
    assert aws.answer(world.runtime, big, "")["statusCode"] == 413


def test_stages_and_queries() -> None:
    event = v2("GET", "/admin/leads?limit=2")
    event["requestContext"]["stage"] = "prod"
    event["rawPath"] = "/prod/api/admin/leads"
    request = aws.as_request(event)
    assert (request.path, request.query, request.client) == ("/api/admin/leads", "limit=2", "192.0.2.1")
    old = v1("GET", "/admin/leads")
    old["multiValueQueryStringParameters"] = {"limit": ["2"], "after": ["1-a"]}
    assert aws.as_request(old).query == "limit=2&after=1-a"


def test_a_file_is_base64(world: World) -> None:
    token = json.loads(world.submit("book", "email=a%40x.co").body)["next"].split("#")[1]
    result = aws.answer(world.runtime, v2("GET", f"/download/{token}", range="bytes=1-2"), "")
    assert (result["statusCode"], result["isBase64Encoded"], base64.b64decode(result["body"])) == (206, True, b"bc")
    assert aws.answer(world.runtime, v2("HEAD", f"/download/{token}"), "")["body"] == ""


def test_what_is_noted_is_written_before_a_function_is_frozen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    token = json.loads(world.submit("book", "email=a%40x.co").body)["next"].split("#")[1]
    submit, begun = world.store.submit, list[Future[Any]]()

    def slow(load: Load, decide: Decide) -> Future[Any]:
        found = Future[Any]()
        begun.append(found)
        threading.Timer(0.2, lambda: found.set_result(submit(load, decide).result())).start()
        return found

    monkeypatch.setattr(world.store, "submit", slow)
    assert aws.answer(world.runtime, v2("GET", f"/download/{token}"), "")["statusCode"] == 200
    assert begun and all(future.done() for future in begun)
    assert world.rows("leads")[0]["downloaded_at"] is not None


def test_a_file_too_large_for_lambda_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "FILE_MAX", 9)
    token = json.loads(world.submit("book", "email=a%40x.co").body)["next"].split("#")[1]
    assert aws.answer(world.runtime, v2("GET", f"/download/{token}"), "")["statusCode"] == 503


def test_a_file_too_large_for_lambda_can_still_be_asked_about(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "FILE_MAX", 10)
    token = json.loads(world.submit("book", "email=a%40b.example&_mg_t=9000").body)["next"].partition("#")[2]
    event: Any = {"requestContext": {"http": {"method": "GET", "sourceIp": ""}}, "rawPath": f"/api/download/{token}"}
    found = aws.answer(world.runtime, event, "r")
    assert (found["statusCode"], found["headers"]["retry-after"]) == (503, "60")
    event["requestContext"]["http"]["method"] = "HEAD"
    assert aws.answer(world.runtime, event, "r")["statusCode"] == 200


def test_a_schedule_drains(world: World) -> None:
    world.submit("plain", "email=a%40x.co")
    assert aws.answer(world.runtime, {"source": "aws.events", "detail-type": "Scheduled Event"}, "") == {
        "sent": 2,
        "failed": 0,
    }


def test_sqlite_is_refused(tmp_path: Any) -> None:
    (tmp_path / ".magnetgen").mkdir()
    (tmp_path / ".magnetgen" / "forms.json").write_text(json.dumps(EVERYTHING))
    for store in ("", "sqlite:////tmp/x.sqlite3"):
        with pytest.raises(SiteFault, match="PostgreSQL"):
            runtime.from_env(tmp_path, {**tokens.make_secrets(), "MAGNETGEN_STORE": store}, serverless=True)


class Crm(http.server.BaseHTTPRequestHandler):
    """A destination that takes all, after it was away."""

    got: list[dict[str, Any]]
    away = False

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if not self.away:
            self.got.append(json.loads(body))
        self.send_response(503 if self.away else 204)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *words: Any) -> None:
        return


@pytest.fixture
def crm() -> Iterator[tuple[type[Crm], str]]:
    kind = type("Crm", (Crm,), {"got": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield kind, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, str]]:
    box, port = Mailbox(), free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, f"smtp://127.0.0.1:{port}"
    controller.stop()


@pytest.fixture
def function(
    postgres_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mailbox: tuple[Mailbox, str],
    crm: tuple[type[Crm], str],
) -> Iterator[None]:
    """`aws.handler` as it is deployed: all that it knows is its environment."""
    (tmp_path / ".magnetgen").mkdir()
    (tmp_path / ".magnetgen" / "forms.json").write_text(json.dumps(EVERYTHING))
    env = {
        **tokens.make_secrets(), "MAGNETGEN_STORE": postgres_url, "MAGNETGEN_SITE": str(tmp_path),
        "MAGNETGEN_SMTP_URL": mailbox[1], "MAGNETGEN_MAIL_FROM": "Lab <lab@site.example>", "CRM_URL": crm[1],
        "CRM_SECRET": base64.b64encode(b"secret" * 6).decode(),
    }  # fmt: skip
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    aws._runtime.cache_clear()
    yield
    aws._runtime().close()
    aws._runtime.cache_clear()


@pytest.mark.parametrize("make", [v1, v2])
def test_a_lead_in_postgresql_from_its_form_to_its_destination(
    function: None, make: Any, postgres_url: str, mailbox: tuple[Mailbox, str], crm: tuple[type[Crm], str],
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    context = type("Context", (), {"aws_request_id": "id-1"})()
    crm[0].away = True
    sent = aws.handler(make("POST", "/forms/double", "email=ana%40x.co", **SCRIPT), context)
    assert sent["statusCode"] == 202
    mailed = mailbox[0].got[0].content.replace(b"=\r\n", b"").decode()
    link = re.search(r"https://site\.example/api(/confirm/[\w.-]+)", mailed)
    assert link is not None
    # Another instance of the function, or anything else that looks, sees the same leads.
    other = open_store(postgres_url, serverless=True)
    assert [lead.status for lead in other.leads(LeadQuery())] == [PENDING]
    assert aws.handler(make("GET", link[1]), context)["statusCode"] == 200
    assert aws.handler(make("POST", link[1]), context)["statusCode"] == 303
    assert [(lead.status, lead.email) for lead in other.leads(LeadQuery())] == [(CONFIRMED, "ana@x.co")]
    assert crm[0].got == []
    crm[0].away = False
    for delivery in other.outbox("due"):
        other.retry(delivery.id, 0)
    drained = aws.handler({"source": "aws.events", "detail-type": "Scheduled Event"}, context)
    assert drained == {"sent": 2, "failed": 0}
    assert sorted(body["type"] for body in crm[0].got) == ["lead.confirmed", "lead.created"]
    assert {row["state"] for row in other.dump()["outbox"]} == {"done"}
    other.close()
    said = "".join(capfd.readouterr())
    assert "ana@x.co" not in said and PASSWORD not in said and link[1] not in said


def test_an_event_while_the_database_is_away(function: None, postgres: Any) -> None:
    context = type("Context", (), {"aws_request_id": "id-1"})()
    event = v2("POST", "/forms/plain", "email=ana%40x.co", **SCRIPT)
    assert aws.handler(event, context)["statusCode"] == 202
    postgres.stop()
    try:
        assert aws.handler(event, context)["statusCode"] == 503
    finally:
        postgres.start()
    # The freshly started function tries at once; a warm one, a second later at the latest.
    for _ in range(100):
        if aws.handler(v2("GET", "/readyz"), context)["statusCode"] == 200:
            break
        time.sleep(0.1)
    assert aws.handler({**event, "body": "email=bob%40x.co"}, context)["statusCode"] == 202


@pytest.mark.parametrize(("given", "client"), [("key", "1.2.3.4"), ("other", "198.51.100.9"), ("", "198.51.100.9")])
def test_only_cloudfront_names_a_clients_address(
    world: World, monkeypatch: pytest.MonkeyPatch, given: str, client: str
) -> None:
    """The API behind it has an address of its own, where anybody may claim to be somebody else."""
    seen: list[str] = []
    at = replace(world.runtime, proxies=1)
    monkeypatch.setenv("MAGNETGEN_ORIGIN_KEY", "key")

    def answer(self: Runtime, request: Request) -> Response:
        seen.append(request.client)
        return Response(204)

    monkeypatch.setattr(Runtime, "answer", answer)
    event = v2("GET", "/healthz", x_forwarded_for="1.2.3.4, 198.51.100.9", x_magnetgen_origin=given)
    event["requestContext"]["http"]["sourceIp"] = "198.51.100.9"
    aws.answer(at, event, "r1")
    assert seen == [client]
