"""A handler in this process, with a clock to set and sinks in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from magnetgen.forms import runtime, site
from magnetgen.forms.http import Request, Response
from magnetgen.forms.mail import Sent
from magnetgen.forms.store import Store
from magnetgen.forms.store.sqlite import SqliteStore
from magnetgen.forms.webhooks import Hook
from tests.forms.data import EVERYTHING, KEYS, NOW

SCRIPT = {
    "accept": "application/json",
    "content-type": "application/x-www-form-urlencoded",
    "origin": "https://site.example",
}


class World:
    """`post` and `get` answer at once; `mails` and `hooks` are what was sent."""

    def __init__(self, root: Path, document: dict[str, Any] | None = None, store: Store | None = None) -> None:
        self.now = float(NOW)
        self.mails: list[EmailMessage] = []
        self.hooks: list[tuple[str, Mapping[str, str], bytes]] = []
        self.outcome: Callable[[str], Sent] = lambda dest: Sent(True, "200")
        (root / "content" / "magnets").mkdir(parents=True, exist_ok=True)
        (root / "content" / "magnets" / "book.txt").write_bytes(b"abcdefghijklmnopqrstuvwxyz")
        self.store: Store = store or SqliteStore(root / "leads.sqlite3")
        data = site.from_data(document or EVERYTHING)
        hooks = {name: Hook(f"https://{name}.example/", b"secret") for name in data.destinations}
        self.runtime = runtime.build(
            root, data, KEYS, self.store, self, self, hooks, os.environ, "Lab <lab@site.example>", lambda: self.now
        )
        self.client = 0

    def send(self, message: EmailMessage) -> Sent:
        sent = self.outcome("mail")
        if sent.ok:
            self.mails.append(message)
        return sent

    def post_hook(self, url: str, headers: Mapping[str, str], body: bytes) -> Sent:
        self.hooks.append((url, headers, body))
        return self.outcome(url.split("//")[1].split(".")[0])

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.client += 1
        client = f"10.{self.client >> 16 & 255}.{self.client >> 8 & 255}.{self.client & 255}"
        path, _, query = path.partition("?")
        return self.runtime.answer(Request(method, f"/api{path}", named, body, query, client, "r1"))

    def submit(self, form: str, body: str, **headers: str) -> Response:
        return self.request("POST", f"/forms/{form}", body.encode(), **{**SCRIPT, **headers})

    def rows(self, table: str) -> list[Any]:
        return list(self.store.dump()[table])

    def close(self) -> None:
        self.runtime.close()

    def post(self, url: str, headers: Mapping[str, str], body: bytes, method: str = "POST") -> Sent:
        return self.post_hook(url, headers, body)
