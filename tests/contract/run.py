"""Runs the contract's vectors over plain HTTP against any handler with its test hooks on.

    python tests/contract/run.py http://127.0.0.1:8787/api [--without codes] [NAME…]

A vector is one JSON file beside this one: {name, why, now, forms, steps, rows, mails, webhooks}. Its `forms` are the
forms of a forms.json, or a whole one. `needs` lists what a store must be able to promise for it: `codes` that are handed
out once each, in the transaction of their lead. Where it cannot, `--without` leaves such vectors out. A step sends `request` {method, path, headers, body | body_b64 | body_repeat,
chunked}, `times` times, and checks `response` {status, headers, json, contains, absent} of each. Paths are below the
handler's base; `/_test/*` are the hooks. `save` {name: {from, re}} keeps a piece of the answer (`headers.location`,
`json.next`, `body`) for later steps, as `${name}`. At the end, what is due is sent if `mails` or `webhooks` are given,
and the state is compared with `rows`, `mails` and `webhooks`.

Destinations of a vector need no environment: the hooks give each the address `https://NAME.example/hook`, the key
`test:key-us6`, the list `7` and, if it is a webhook, the secret `test-webhook-secret`. `POST /_test/sinks` says what they
are answered: `hook_status`, `retry_after`, `hook_body` (JSON, as text), and `hook_statuses`, a list that is used up
before `hook_status` counts. `webhooks` lists each request as {method, url, headers, body, status}.

How values are compared: an object must have at least the keys that are wanted, a list exactly the items; {"$re": "…"}
is a pattern that is searched for, {"$absent": true} a key that must not be there, {"$len": n} a length.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import re
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

FOLDER = Path(__file__).parent


class Mismatch(Exception):
    """What was found is not what the vector wants."""


@dataclass(frozen=True)
class Answer:
    """A response as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def vectors(without: Collection[str] = ()) -> list[Path]:
    """All of them. `without`: what a store cannot promise; vectors that need it are left out."""
    return [path for path in sorted(FOLDER.glob("*.json")) if not {*without} & {*_needs(path)}]


def _needs(path: Path) -> list[str]:
    needs: list[str] = json.loads(path.read_text("utf-8")).get("needs", [])
    return needs


def send(base: str, request: dict[str, Any]) -> Answer:
    """One request, written as it is given: no header is added but Host and, unless told otherwise, Content-Length."""
    parts = urlsplit(base)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    body = _body(request)
    headers = [(name, value) for name, values in request.get("headers", {}).items() for value in _each(values)]
    names = {name.lower() for name, _ in headers}
    if request["path"].startswith("/_test/") and "content-type" not in names:
        # Some local runtimes drop a body that does not say what it is.
        headers.append(("Content-Type", "application/json"))
    method = request.get("method", "GET")
    try:
        connection.putrequest(method, parts.path + request["path"], skip_accept_encoding=True)
        if request.get("chunked"):
            headers.append(("Transfer-Encoding", "chunked"))
        elif "content-length" not in names and (body or method == "POST"):
            headers.append(("Content-Length", str(len(body))))
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        _write(connection, body, bool(request.get("chunked")))
        found = connection.getresponse()
        raw: dict[str, str] = {}
        for name, value in found.getheaders():
            raw[name.lower()] = f"{raw[name.lower()]}, {value}" if name.lower() in raw else value
        return Answer(found.status, raw, found.read())
    finally:
        connection.close()


def _each(values: Any) -> list[str]:
    return values if isinstance(values, list) else [values]


def _body(request: dict[str, Any]) -> bytes:
    if "body_b64" in request:
        return base64.b64decode(request["body_b64"])
    if "body_repeat" in request:
        piece, times = request["body_repeat"]
        return str(piece).encode() * int(times)
    body = request.get("body", "")
    return (body if isinstance(body, str) else json.dumps(body)).encode()


def _write(connection: http.client.HTTPConnection, body: bytes, chunked: bool) -> None:
    try:
        if not chunked:
            connection.send(body)
            return
        for at in range(0, len(body), 16_384):
            piece = body[at : at + 16_384]
            connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        connection.send(b"0\r\n\r\n")
    except OSError:
        return  # refused before all was sent: the answer says why


def run(base: str, vector: dict[str, Any]) -> None:
    """Run a vector. Raises Mismatch."""
    _hook(base, "reset", {"forms": vector.get("forms", {}), "now": vector.get("now")})
    saved: dict[str, str] = {}
    for number, step in enumerate(vector["steps"], 1):
        for turn in range(step.get("times", 1)):
            answer = send(base, _filled(step["request"], saved, turn))
            for text in _faults(step.get("response", {}), answer, saved):
                raise Mismatch(f"step {number} ({step['request']['path'][:40]}): {text}\n{answer.body[:600]!r}")
        for name, wish in step.get("save", {}).items():
            saved[name] = _saved(answer, wish)
    if "mails" in vector or "webhooks" in vector:
        _hook(base, "drain", {})
    state = json.loads(send(base, {"path": "/_test/state"}).body)
    wanted = dict(vector.get("rows", {}))
    wanted |= {name: vector[name] for name in ("mails", "webhooks") if name in vector}
    for name, rows in _filled(wanted, saved, 0).items():
        for text in compare(rows, state[name], name):
            raise Mismatch(f"{text}\n{json.dumps(state[name], ensure_ascii=False)[:3000]}")


def _hook(base: str, name: str, data: Any) -> None:
    answer = send(base, {"method": "POST", "path": f"/_test/{name}", "body": json.dumps(data)})
    if answer.status != 200:
        raise Mismatch(f"the hook {name} answers {answer.status}: are the test hooks on?")


def _filled(value: Any, saved: dict[str, str], turn: int) -> Any:
    """`${name}` replaced by what was saved; `${turn}` is the number of the repetition."""
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda m: str(turn) if m[1] == "turn" else saved[m[1]], value)
    if isinstance(value, dict):
        return {key: _filled(item, saved, turn) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, saved, turn) for item in value]
    return value


def _saved(answer: Answer, wish: dict[str, str]) -> str:
    kind, _, rest = wish["from"].partition(".")
    text: Any = answer.headers[rest] if kind == "headers" else answer.body.decode()
    if kind == "json":
        text = answer.json()
        for name in rest.split("."):
            text = text[int(name) if isinstance(text, list) else name]
    match = re.search(wish.get("re", "(?s).*"), str(text))
    if not match:
        raise Mismatch(f"nothing to save: {wish}")
    return match[1] if match.groups() else match[0]


def _faults(wanted: dict[str, Any], answer: Answer, saved: dict[str, str]) -> Iterator[str]:
    wanted = _filled(wanted, saved, 0)
    if "status" in wanted and answer.status != wanted["status"]:
        yield f"status {answer.status}, not {wanted['status']}"
    yield from compare(wanted.get("headers", {}), answer.headers, "headers")
    if "json" in wanted:
        yield from compare(wanted["json"], answer.json(), "json")
    if "body" in wanted and answer.body.decode() != wanted["body"]:
        yield "another body"
    text = answer.body.decode("utf-8", "replace") + json.dumps(answer.headers)
    for piece in wanted.get("contains", []):
        if piece not in text:
            yield f"{piece!r} is missing"
    for piece in wanted.get("absent", []):
        if piece in text:
            yield f"{piece!r} is there"


def compare(wanted: Any, found: Any, where: str) -> Iterator[str]:
    """What differs, in words."""
    if isinstance(wanted, dict) and wanted.keys() == {"$re"}:
        if not re.search(wanted["$re"], found if isinstance(found, str) else json.dumps(found)):
            yield f"{where} is {found!r}, not like {wanted['$re']}"
    elif isinstance(wanted, dict) and wanted.keys() == {"$len"}:
        if len(found) != wanted["$len"]:
            yield f"{where} has {len(found)} items, not {wanted['$len']}"
    elif isinstance(wanted, dict) and isinstance(found, dict):
        for key, value in wanted.items():
            if value == {"$absent": True}:
                if key in found:
                    yield f"{where}.{key} is there"
            elif key not in found:
                yield f"{where}.{key} is missing"
            else:
                yield from compare(value, found[key], f"{where}.{key}")
    elif isinstance(wanted, list) and isinstance(found, list):
        if len(wanted) != len(found):
            yield f"{where} has {len(found)} items, not {len(wanted)}"
        for number, (one, other) in enumerate(zip(wanted, found, strict=False)):
            yield from compare(one, other, f"{where}.{number}")
    elif wanted != found or type(wanted) is not type(found):
        yield f"{where} is {found!r}, not {wanted!r}"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("base", nargs="?", default="http://127.0.0.1:8787/api")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--without", action="append", default=[])
    given = parser.parse_args()
    base, names, failed = given.base, given.names, 0
    chosen = [path for path in vectors(given.without) if not names or path.stem in names]
    for path in chosen:
        try:
            run(base.rstrip("/"), json.loads(path.read_text("utf-8")))
        except Mismatch as exc:
            failed += 1
            print(f"{path.stem}: {exc}")
    print(f"{len(chosen) - failed} of {len(chosen)} vectors passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
