"""A function behind a URL: `python -m tests.edge.hosts.aws 2.0` turns requests into events of that payload version.

The function runs in AWS's own runtime interface client (awslambdaric), which asks this program for events as it asks
Lambda's Runtime API. What API Gateway and a function's URL do to a request is done here as AWS documents it.
"""

from __future__ import annotations

import base64
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

API = "/2018-06-01/runtime"
SECONDS = 30
TEXTS = ("text/", "application/json", "application/javascript", "application/xml")
"""Media types whose bodies come as text; those of forms come in base64."""

Event = dict[str, Any]


class Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *words: Any) -> None:
        return

    def answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status not in (204, 304) and "content-length" not in headers:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            self.wfile.write(body)
        self.wfile.flush()

    def body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            length = self.headers.get("content-length", "")
            return self.rfile.read(int(length)) if length.isdecimal() else b""
        found = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found


class Lambda:
    """Events that wait, and the answers to those that were taken."""

    def __init__(self) -> None:
        self.waiting: queue.Queue[tuple[str, Event]] = queue.Queue()
        self.asked: dict[str, Future[Event]] = {}
        self._numbers = count(1)

    def invoke(self, event: Event) -> Event:
        """Raises RuntimeError with what the function died of."""
        id, future = f"00000000-0000-4000-8000-{next(self._numbers):012x}", Future[Event]()
        self.asked[id] = future
        self.waiting.put((id, event))
        return future.result(SECONDS)


def runtime_api(function: Lambda) -> ThreadingHTTPServer:
    class Api(Quiet):
        def do_GET(self) -> None:
            id, event = function.waiting.get()
            headers = {
                "Lambda-Runtime-Aws-Request-Id": id, "Lambda-Runtime-Deadline-Ms": str(int((time.time() + SECONDS) * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-central-1:000000000000:function:leads",
                "Content-Type": "application/json",
            }  # fmt: skip
            self.answer(200, headers, json.dumps(event).encode())

        def do_POST(self) -> None:
            body, words = self.body(), self.path.removeprefix(f"{API}/").split("/")
            future = function.asked.pop(words[1], None) if words[0] == "invocation" else None
            if future and words[2] == "response":
                future.set_result(json.loads(body))
            elif future:
                future.set_exception(RuntimeError(body.decode()))
            else:
                print(body.decode(), file=sys.stderr, flush=True)
            self.answer(202, {"Content-Type": "application/json"}, b"{}")

    return ThreadingHTTPServer(("127.0.0.1", 0), Api)


def front(function: Lambda, version: str) -> ThreadingHTTPServer:
    class Front(Quiet):
        def _any(self) -> None:
            made = (v2 if version == "2.0" else v1)(self.command, self.path, list(self.headers.items()), self.body())
            try:
                result = function.invoke(made)
            except Exception as exc:
                print(exc, file=sys.stderr, flush=True)
                self.answer(502, {"content-type": "application/json"}, b'{"message":"Internal Server Error"}')
                return
            body = result.get("body", "")
            raw = base64.b64decode(body) if result.get("isBase64Encoded") else body.encode()
            self.answer(result["statusCode"], result["headers"], raw)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _any  # noqa: N815

    return ThreadingHTTPServer(("127.0.0.1", 0), Front)


def _joined(headers: list[tuple[str, str]], peer: str) -> dict[str, list[str]]:
    """Values by name in small letters; AWS adds the peer to those before it."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        if name.lower() not in ("transfer-encoding", "connection"):
            found.setdefault(name.lower(), []).append(value)
    before = ", ".join(found.get("x-forwarded-for", []))
    found["x-forwarded-for"] = [f"{before}, {peer}" if before else peer]
    return found


def _body(raw: bytes, headers: dict[str, list[str]]) -> dict[str, Any]:
    kind = headers.get("content-type", [""])[0].strip().lower()
    try:
        if kind.startswith(TEXTS) and "content-encoding" not in headers:
            return {"body": raw.decode(), "isBase64Encoded": False}
    except UnicodeDecodeError:
        pass
    return {"body": base64.b64encode(raw).decode(), "isBase64Encoded": True} if raw else {"isBase64Encoded": False}


def v2(method: str, target: str, headers: list[tuple[str, str]], raw: bytes, peer: str = "127.0.0.1") -> Event:
    """What a function's URL or an HTTP API makes of a request."""
    path, _, query = target.partition("?")
    joined = _joined(headers, peer)
    return {
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query,
        "headers": {name: ",".join(values) for name, values in joined.items()},
        "requestContext": {"stage": "$default", "http": {"method": method, "path": path, "sourceIp": peer}},
        **_body(raw, joined),
    }  # fmt: skip


def v1(method: str, target: str, headers: list[tuple[str, str]], raw: bytes, peer: str = "127.0.0.1") -> Event:
    """What a REST API makes of one: several values of a name in a list, and the query taken apart."""
    path, _, query = target.partition("?")
    joined = _joined(headers, peer)
    pairs: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        pairs.setdefault(name, []).append(value)
    return {
        "resource": "/{proxy+}", "path": unquote(path), "httpMethod": method,
        "headers": {name.title(): values[-1] for name, values in joined.items()},
        "multiValueHeaders": {name.title(): values for name, values in joined.items()},
        "queryStringParameters": {name: values[-1] for name, values in pairs.items()} or None,
        "multiValueQueryStringParameters": pairs or None,
        "requestContext": {"stage": "prod", "identity": {"sourceIp": peer}}, "body": None, **_body(raw, joined),
    }  # fmt: skip


def main(version: str) -> None:
    function = Lambda()
    api = runtime_api(function)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    env = {
        **os.environ, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}", "AWS_LAMBDA_FUNCTION_NAME": "leads",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "LAMBDA_TASK_ROOT": str(Path.cwd()),
        "AWS_REGION": "eu-central-1", "TZ": ":UTC",
    }  # fmt: skip
    client = subprocess.Popen([sys.executable, "-m", "awslambdaric", "tests.edge.hosts.function.handler"], env=env)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = front(function, version)
    print(f"READY http://127.0.0.1:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    finally:
        client.kill()
        client.wait()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "2.0")
