"""The AWS Lambda host: function URLs and HTTP APIs (payload 2.0), REST APIs (1.0), and scheduled events, which drain.

`magnetgen.forms.aws.handler` is the function. Its store must be one that outlives it: SQLite is refused.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

from magnetgen.forms import log, runtime
from magnetgen.forms.decode import BODY_MAX
from magnetgen.forms.http import Request, Response
from magnetgen.forms.runtime import Runtime
from magnetgen.forms.store import StoreUnavailable

FILE_MAX = 4_000_000
"""Bytes of a file in an answer: Lambda takes 6 MB, and base64 adds a third."""
SEND_SECONDS = 3.0
"""How long an answer waits for the first attempts of its deliveries; a schedule does the rest."""
SCHEDULED_SECONDS = 25.0
"""How long a scheduled drain begins with more: the function ends after 60 s, and the last attempt may hang."""
DRAIN_SECONDS = 9.0
"""The same where somebody waits for the answer: an HTTP API ends that after 30 s."""

ORIGIN_KEY, ORIGIN_HEADER = "MAGNETGEN_ORIGIN_KEY", "x-magnetgen-origin"
"""A value that CloudFront adds to each request: the API behind it can be asked by anybody."""

Event = Mapping[str, Any]


@cache
def _runtime() -> Runtime:
    root = Path(os.environ.get("MAGNETGEN_SITE") or os.environ.get("LAMBDA_TASK_ROOT") or ".")
    return replace(runtime.from_env(root, serverless=True), drain_seconds=DRAIN_SECONDS)


def handler(event: Event, context: object) -> dict[str, Any]:
    """The function's entry."""
    return answer(_runtime(), event, str(getattr(context, "aws_request_id", "")))


def answer(at: Runtime, event: Event, request_id: str) -> dict[str, Any]:
    """One event. A schedule's (no HTTP in it) sends what is due."""
    if "requestContext" not in event:
        return at.drain(SCHEDULED_SECONDS)
    request = as_request(event, request_id, at.proxies if _is_known(event) else 0)
    response = at.answer(request)
    if response.file and response.file.length > FILE_MAX and request.method != "HEAD":
        log.event("asset_too_large", id=request.id, limit=FILE_MAX)
        response = runtime.refusal(at, request, 503, "store_unavailable")
    result = as_result(response, _reader(at), request.method)
    if request.method == "POST":
        _send(at)
    return result


def _is_known(event: Event) -> bool:
    """Whether the proxy before the function is the one that it trusts, by the header that only that one knows."""
    key = os.environ.get(ORIGIN_KEY, "")
    return not key or hmac.compare_digest(_headers(event).get(ORIGIN_HEADER, "").encode(), key.encode())


def _send(at: Runtime) -> None:
    """A frozen function sends nothing: the first attempts are made before it answers, if they are quick."""
    try:
        at.deliverer.wait(at.deliverer.start(), SEND_SECONDS)
    except StoreUnavailable:
        log.event("outbox_unavailable")


def as_request(event: Event, request_id: str = "", proxies: int = 0) -> Request:
    """A request from an event of either payload version."""
    context = event["requestContext"]
    if "http" in context:
        http = context["http"]
        stage = context.get("stage", "$default")
        path = event.get("rawPath", "/")
        # A named stage of an HTTP API is a part of its path, and no part of the handler's.
        if stage != "$default":
            path = path.removeprefix(f"/{stage}")
        method, query, client = http["method"], event.get("rawQueryString", ""), http.get("sourceIp", "")
    else:
        pairs = event.get("multiValueQueryStringParameters") or {}
        query = urlencode([(name, value) for name, values in pairs.items() for value in values])
        method, path = event["httpMethod"], event.get("path", "/")
        client = context.get("identity", {}).get("sourceIp", "")
    headers = _headers(event)
    client = _client(client, headers.get("x-forwarded-for", ""), proxies)
    return Request(method, unquote(path), headers, _body(event), query, client, request_id)


def _client(peer: str, forwarded: str, proxies: int) -> str:
    """AWS adds the peer to the list of those before it, as the last of them."""
    before, _, last = forwarded.rpartition(",")
    return runtime.client_address(peer, before if last.strip() == peer else forwarded, proxies)


def _headers(event: Event) -> dict[str, str]:
    found = {name.lower(): str(value) for name, value in (event.get("headers") or {}).items()}
    for name, values in (event.get("multiValueHeaders") or {}).items():
        found[name.lower()] = ", ".join(values)
    # The white space around a value is no part of it (RFC 9110, 5.5).
    return {name: value.strip("\t ") for name, value in found.items()}


def _body(event: Event) -> bytes:
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return body.encode("utf-8", "surrogatepass")[: BODY_MAX + 1] if isinstance(body, str) else b""
    try:
        return base64.b64decode(body, validate=True)[: BODY_MAX + 1]
    except (binascii.Error, ValueError):
        return b"\xff"  # no text: malformed like any other


def _reader(at: Runtime) -> Callable[[Response], bytes]:
    def read(response: Response) -> bytes:
        part = response.file
        if part is None:
            return response.body
        path = at.asset_path(at.site.assets[part.asset])
        if path is None:
            return b""
        with path.open("rb") as file:
            file.seek(part.start)
            return file.read(part.length)

    return read


def as_result(response: Response, read: Callable[[Response], bytes], method: str) -> dict[str, Any]:
    """What Lambda sends: text as it is, a file in base64."""
    headers = dict(response.headers)
    if method == "HEAD":
        # Without a body nobody else could tell how long it would be.
        headers["content-length"] = str(response.file.length if response.file else len(response.body))
    body = b"" if method == "HEAD" else read(response)
    if response.file:
        text, encoded = base64.b64encode(body).decode(), True
    else:
        text, encoded = body.decode(), False
    return {"statusCode": response.status, "headers": headers, "body": text, "isBase64Encoded": encoded}
