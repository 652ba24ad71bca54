"""Hooks for the contract's vectors: a clock to set, sinks in memory. Only under MAGNETGEN_TEST=1, never else."""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections.abc import Mapping, MutableMapping
from concurrent.futures import wait
from dataclasses import replace
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from magnetgen.forms import admin, destinations, runtime, tokens
from magnetgen.forms import site as sites
from magnetgen.forms.asgi import App, Receive, Send, read_body
from magnetgen.forms.mail import Sent, content, refused
from magnetgen.forms.store import open_store
from magnetgen.forms.tokens import Keys
from magnetgen.forms.webhooks import Hook, Ready, judge

KEYS = Keys({"k1": bytes(range(32))}, bytes(range(32, 64)), "test-admin-token-" + "0123456789abcdef" * 3)
"""The secrets of every vector, unless the environment sets its own."""
HOOK_SECRET = b"test-webhook-secret"
SERVICE_ENV = {"KEY": "test:key-us6", "LIST": "7"}
"""Settings of every destination other than webhooks; its address is `https://NAME.example/hook`."""
SENDER = "Lead Lab <leads@site.example>"


class Clock:
    """Stands still where it is set; runs with the machine's until then."""

    def __init__(self) -> None:
        self.set_to: float | None = None

    def __call__(self) -> float:
        return time.time() if self.set_to is None else self.set_to


class Sinks:
    """Mails and webhooks that were sent, and what the next ones are to be answered."""

    def __init__(self) -> None:
        self.mails: list[dict[str, Any]] = []
        self.hooks: list[dict[str, Any]] = []
        self.mail_code = 250
        self.hook_status = 200
        self.hook_statuses: list[int] = []
        self.hook_body = ""
        self.retry_after = ""
        self._lock = threading.Lock()

    def send(self, message: EmailMessage) -> Sent:
        if self.mail_code != 250:
            return refused(self.mail_code)
        headers = {name.lower(): str(value) for name, value in message.items()}
        shown = {"to": headers["to"], "from": headers["from"], "subject": headers["subject"], "headers": headers}
        bodies = {"text": content(message, "plain"), "html": content(message, "html")}
        with self._lock:
            self.mails.append(shown | bodies)
        return Sent(True, "250")

    def post(self, url: str, headers: Mapping[str, str], body: bytes, method: str = "POST") -> Sent:
        with self._lock:
            status = self.hook_statuses.pop(0) if self.hook_statuses else self.hook_status
            sent = {"method": method, "url": url, "headers": dict(headers), "body": body.decode(), "status": status}
            self.hooks.append(sent)
        return replace(judge(status, self.retry_after), body=self.hook_body)


class TestApp(App):
    """The handler with `/_test/*` before it. Nothing is delivered but by `/_test/drain`."""

    __test__ = False  # no test of pytest's

    def __init__(self, root: Path) -> None:
        self.clock = Clock()
        self.sinks = Sinks()
        self._root = root
        self._folder = tempfile.TemporaryDirectory(prefix="magnetgen-test-")
        url = os.environ.get("MAGNETGEN_STORE") or f"sqlite:///{self._folder.name}/leads.sqlite3"
        self._store = open_store(url)
        super().__init__(self._runtime({"forms": {}}), background=False)

    def _runtime(self, given: dict[str, Any]) -> runtime.Runtime:
        site = sites.from_data(_document(given), os.environ.get("MAGNETGEN_PUBLIC_URL", ""))
        hooks = {name: _ready(destination) for name, destination in site.destinations.items()}
        keys = tokens.parse_keys(os.environ) if os.environ.get("MAGNETGEN_SECRETS") else KEYS
        parts = (self._store, self.sinks, self.sinks, hooks, os.environ, SENDER, self.clock)
        return runtime.build(self._root, site, keys, *parts)

    async def http(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(self.runtime.site.prefix)
        if not path.startswith("/_test/"):
            await super().http(scope, receive, send)
            return
        body = json.loads(await read_body(receive, 1 << 24) or b"{}")
        data = self._hook(path.removeprefix("/_test/"), body)
        raw = json.dumps(data).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(raw)).encode())]
        await send({"type": "http.response.start", "status": 200 if data is not None else 404, "headers": headers})
        await send({"type": "http.response.body", "body": raw})

    def _hook(self, name: str, body: dict[str, Any]) -> Any:
        if name == "reset":
            self._store.clear()
            self.__dict__.update(sinks=Sinks())
            self.clock.set_to = _instant(body.get("now"))
            self.runtime.deliverer.close()
            self.runtime = self._runtime(body)
            return {"ok": True}
        if name == "clock":
            self.clock.set_to = _instant(body.get("now"))
            return {"now": self.clock()}
        if name == "sinks":
            known = ("mail_code", "hook_status", "hook_statuses", "hook_body", "retry_after")
            self.sinks.__dict__.update({name: body[name] for name in known if name in body})
            return {"ok": True}
        if name == "drain":
            return self.runtime.drain()
        if name == "state":
            wait(list(self.runtime.notes))
            return {
                **self._store.dump(),
                "leads": self._leads(),
                "mails": self.sinks.mails,
                "webhooks": self.sinks.hooks,
            }
        return None

    def _leads(self) -> list[dict[str, Any]]:
        """As rows, and with their codes as the owner is shown them."""
        rows = [dict(row) for row in self._store.dump()["leads"]]
        site = self.runtime.site
        codes = self._store.codes(admin.claimants(site, rows))
        return [row | admin.code_of(site, row, codes) for row in rows]


def _ready(destination: sites.Destination) -> Ready:
    url = f"https://{destination.name}.example/hook"
    if destination.kind == "webhook":
        return Hook(url, HOOK_SECRET)
    named = sites.Destination(destination.name, destination.kind, "URL", "", "KEY", "LIST")
    return destinations.open_destination(named, {**SERVICE_ENV, "URL": url})


def _document(given: dict[str, Any]) -> dict[str, Any]:
    """A whole forms.json from a vector's `forms`, which may be only the forms, or the document itself."""
    forms = given.get("forms", {})
    whole = forms if "forms" in forms and "fields" not in forms["forms"] else {"forms": forms}
    base = {
        "v": 1,
        "title": "Lead Lab",
        "base_url": "https://site.example/",
        "public_url": "https://site.example/api",
        "origins": ["https://site.example"],
    }
    return {**base, **whole}


def _instant(value: Any) -> float | None:
    """Seconds since the epoch, or an ISO time."""
    if value is None or isinstance(value, int | float):
        return value
    return datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()
