"""What two handlers may differ in is taken out of answers and rows: random ids and nonces, by names that tell the same.

An id is named by what it belongs to, so the names are the same wherever the same was stored, and what refers to
another row than it should is seen. A token is checked, then named by all that it says but its nonce.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
from hashlib import sha256
from typing import Any

from magnetgen.forms import tokens
from magnetgen.forms.testing import HOOK_SECRET, KEYS
from tests.edge.wire import Answer

UNEQUAL = {"date", "server", "connection", "keep-alive", "transfer-encoding", "content-length"}
"""Headers of the server before the handler."""
TOKEN = re.compile(r"mg1\.[A-Za-z0-9_-]{1,32}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}")
_ID = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{32}(?![0-9A-Za-z_-])")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_REQUEST = re.compile(r'"request_id":"[^"]*"')
_MAIL_HEADERS = ("list-unsubscribe", "list-unsubscribe-post", "auto-submitted", "reply-to")

Names = dict[str, str]
"""Ids → names."""


def masked(text: str, names: Names) -> str:
    """Without ids and tokens."""
    text = TOKEN.sub(lambda match: _token(match[0], names), text)
    return _UUID.sub("‹uuid›", _ID.sub(lambda match: names.get(match[0], "‹id›"), text))


def _token(text: str, names: Names) -> str:
    _, kid, payload, _ = text.split(".")
    try:
        data = json.loads(tokens.unb64(payload))
        purpose = str(data["p"])
        wanted = tokens.mac(tokens.derive(KEYS, kid, purpose), f"mg1.{kid}.{payload}".encode())
        good = "good" if text.endswith("." + tokens.b64(wanted)) and len(tokens.unb64(data["n"])) == 16 else "BAD"
        said = {**data, "n": "", "s": names.get(data["s"], "‹id›")}
        raw = json.dumps(data, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        order = "" if raw == tokens.unb64(payload).decode() else " other text"
        return f"‹token {kid} {json.dumps(said, sort_keys=True)} {good}{order}›"
    except (ValueError, KeyError, TypeError):
        return f"‹no token {text}›"


def answer(found: Answer, names: Names, method: str) -> dict[str, Any]:
    """A response as it is compared. The bytes of a body are, but for ids and tokens."""
    headers = {name: masked(value, names) for name, value in found.headers.items() if name not in UNEQUAL}
    if "x-request-id" in headers:
        headers["x-request-id"] = "‹request›"
    try:
        text = _REQUEST.sub('"request_id":"‹request›"', _in_order(masked(found.body.decode(), names)))
    except UnicodeDecodeError:
        text = base64.b64encode(found.body).decode()
    seen = {"status": found.status, "code": _code(found), "headers": dict(sorted(headers.items())), "body": text}
    return seen if method != "HEAD" else {**seen, "body": f"{len(found.body)} bytes"}


def _in_order(body: str) -> str:
    """Deliveries of the same moment have no order: they are sorted here."""
    if '"deliveries":[' not in body:
        return body
    data = json.loads(body)
    is_compact = json.dumps(data, ensure_ascii=False, separators=(",", ":")) == body
    deliveries = sorted((_undated(row) for row in data["deliveries"]), key=_text)
    return _text({**data, "deliveries": deliveries, "is compact": is_compact})


def _code(found: Answer) -> str:
    try:
        data = json.loads(found.body)
    except ValueError:
        return ""
    return str(data.get("code", "")) if isinstance(data, dict) else ""


def named(state: dict[str, Any], names: Names) -> Names:
    """`names`, and those of a state's ids. Rows that are the same but for their ids have the same name."""
    found = dict(names)
    for row in state["leads"]:
        found[row["id"]] = f"‹lead {row['form']} {row['email'].lower()}›"
    for row in state["submissions"]:
        # How it was first seen: what becomes of it later does not make it another.
        source = {key: value for key, value in row["source"].items() if key != "_challenge"}
        text = json.dumps([row["form"], row["email"], row["fields"], row["created_at"], source], sort_keys=True)
        found.setdefault(row["id"], f"‹submission {sha256(text.encode()).hexdigest()[:12]}›")
    for row in state["outbox"]:
        found.setdefault(
            row["id"],
            f"‹delivery {row['dest']} {row['kind']} {masked(row['cause'], found)} {masked(row['lead_id'], found)}›",
        )
    return found


def state(found: dict[str, Any], names: Names) -> dict[str, list[str]]:
    """The rows of each table, and what was sent, as sorted texts."""
    tables: dict[str, list[str]] = {}
    for table in ("leads", "submissions", "outbox", "idem", "suppression"):
        tables[table] = sorted(masked(_text(_row(row)), names) for row in found[table])
    tables["mails"] = sorted(masked(_text(_mail(mail)), names) for mail in found["mails"])
    tables["webhooks"] = sorted(masked(_text(_hook(hook)), names) for hook in found["webhooks"])
    return tables


def _text(value: Any) -> str:
    """With the order of keys as it was stored: it is the same, too."""
    return json.dumps(value, ensure_ascii=False)


def _row(row: dict[str, Any]) -> dict[str, Any]:
    made = _undated(dict(sorted(row.items())))
    return {**made, "lease_owner": "‹owner›"} if made.get("lease_owner") else made


def _undated(row: dict[str, Any]) -> dict[str, Any]:
    """A delivery that failed is tried again at random within a fifth of its delay."""
    if row.get("attempts", 0) > 1 or (row.get("attempts") and row["state"] == "due"):
        return {**row, "next_at": "‹at random›"}
    return row


def _mail(mail: dict[str, Any]) -> dict[str, Any]:
    headers = {name.lower(): value for name, value in mail["headers"].items()}
    shown = {name: headers[name] for name in _MAIL_HEADERS if name in headers}
    return {"to": mail["to"], "from": mail["from"], "subject": mail["subject"], "headers": shown,
            "text": mail["text"], "html": mail["html"]}  # fmt: skip


def _hook(hook: dict[str, Any]) -> dict[str, Any]:
    headers = {name.lower(): value for name, value in sorted(hook["headers"].items())}
    if "webhook-signature" in headers:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{hook['body']}"
        mac = base64.b64encode(hmac.digest(HOOK_SECRET, signed.encode(), "sha256")).decode()
        headers["webhook-signature"] = "good" if headers["webhook-signature"] == f"v1,{mac}" else "BAD"
    return {**{key: hook[key] for key in ("method", "url", "body", "status")}, "headers": headers}
