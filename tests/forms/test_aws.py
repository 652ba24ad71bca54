"""Lambda events of both payload versions, as AWS documents them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from magnetgen.forms import aws, runtime, tokens
from magnetgen.forms.site import SiteFault
from tests.forms.data import EVERYTHING
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


def test_a_file_too_large_for_lambda_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "FILE_MAX", 9)
    token = json.loads(world.submit("book", "email=a%40x.co").body)["next"].split("#")[1]
    assert aws.answer(world.runtime, v2("GET", f"/download/{token}"), "")["statusCode"] == 503


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
