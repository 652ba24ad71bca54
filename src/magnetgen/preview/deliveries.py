"""Deliveries that go nowhere: what would be sent is kept, and a destination can be told to fail."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, fields, replace
from email.message import EmailMessage
from typing import Any

from magnetgen.forms.destinations import open_destination
from magnetgen.forms.mail import Sent, refused
from magnetgen.forms.outbox import Deliverer
from magnetgen.forms.records import Delivery
from magnetgen.forms.site import Destination, Site
from magnetgen.forms.webhooks import Ready, judge
from magnetgen.preview import mailbox
from magnetgen.preview.mailbox import Shelf

HOOK_FAILURES = {"500": judge(500), "429": judge(429, "120"), "timeout": Sent(False, "TimeoutError")}
MAIL_FAILURES = {"451": refused(451), "550": replace(refused(550), item=True), "timeout": Sent(False, "TimeoutError")}
FAILURE_WORDS = {
    "500": "an error of the server (500)",
    "429": "too many requests (429, again after 2 minutes)",
    "timeout": "no answer within 15 seconds",
    "451": "a server that is busy (451)",
    "550": "an address that does not exist (550)",
}
SECRET = "whsec_" + base64.b64encode(b"magnetgen preview secret").decode()
"""What signs in the preview. It is no secret: the page shows it, so that a receiver's check can be tried."""
FAKES = {
    "url_env": "https://{name}.preview.invalid/",
    "secret_env": SECRET,
    "key_env": "preview:key-us1",  # of a shape that every kind takes
    "list_env": "1",
}

_under_way: ContextVar[Delivery | None] = ContextVar("magnetgen_preview_delivery", default=None)


def is_mail(dest: str) -> bool:
    return dest == "mail" or dest.startswith("email:")


def failures(dest: str) -> Mapping[str, Sent]:
    """The ways in which a destination can be told to fail."""
    return MAIL_FAILURES if is_mail(dest) else HOOK_FAILURES


def fake_env(destination: Destination) -> dict[str, str]:
    """An environment in which a destination is set up, with an address and keys that are nobody's."""
    names = {key: getattr(destination, key, "") for key in FAKES}
    return {name: FAKES[key].format(name=destination.name) for key, name in names.items() if name}


def hooks(site: Site) -> dict[str, Ready]:
    """Every destination, set up."""
    return {name: open_destination(each, fake_env(each)) for name, each in site.destinations.items()}


@dataclass
class Stage:
    """Stands in for mail server and destinations. `failing`: destination → how it fails, until it is to work again."""

    mails: Shelf
    requests: Shelf
    clock: Callable[[], float]
    failing: dict[str, str] = field(default_factory=dict)

    def switch(self, dest: str, failure: str) -> bool:
        """Let a destination fail, or work again (""); False for what is no way to fail."""
        if failure and failure not in failures(dest):
            return False
        if failure:
            self.failing[dest] = failure
        else:
            self.failing.pop(dest, None)
        return True

    def send(self, message: EmailMessage) -> Sent:
        sent = self._outcome("mail", Sent(True, "250"))
        if sent.ok:
            mailbox.keep(self.mails, message, self.clock)
        return sent

    def post(self, url: str, headers: Mapping[str, str], body: bytes, method: str = "POST") -> Sent:
        sent = self._outcome("", judge(200))
        delivery = _under_way.get()
        now = self.clock()
        request = {
            "at": int(now * 1000),
            "dest": delivery.dest if delivery else "",
            "method": method,
            "url": url,
            "headers": dict(headers),
            "body": body.decode("utf-8", "replace"),
            "ok": sent.ok,
            "code": sent.code,
        }
        text = json.dumps(request, ensure_ascii=False, indent=1)
        self.requests.put(delivery.id if delivery else "", text.encode("utf-8", "replace"), now)
        return sent

    def _outcome(self, dest: str, fine: Sent) -> Sent:
        delivery = _under_way.get()
        dest = delivery.dest if delivery else dest
        failure = self.failing.get(dest)
        return failures(dest)[failure] if failure else fine


def read_request(shelf: Shelf, name: str) -> dict[str, Any] | None:
    """A captured request by its name."""
    text = shelf.read(name)
    if text is None:
        return None
    found: dict[str, Any] = json.loads(text)
    return {**found, "pretty": _pretty(found["body"])}


def _pretty(body: str) -> str:
    try:
        return json.dumps(json.loads(body), ensure_ascii=False, indent=2)
    except ValueError:
        return body


class Rehearsal(Deliverer):
    """A deliverer that says which delivery is under way, and that takes over a new site while it works."""

    @classmethod
    def of(cls, built: Deliverer) -> Rehearsal:
        return cls(**{name: getattr(built, name) for name in _parts(built)})

    def adopt(self, built: Deliverer) -> None:
        """Go on with the parts of another deliverer; what is under way ends, and queues and breakers stay."""
        for name in _parts(built):
            setattr(self, name, getattr(built, name))

    def forgive(self, dest: str) -> None:
        """A destination's failures are forgotten: what is due for it is tried at once."""
        self._breakers.pop(dest, None)

    def _send(self, delivery: Delivery, hastened: dict[str, float]) -> bool:
        token = _under_way.set(delivery)
        try:
            return super()._send(delivery, hastened)
        finally:
            _under_way.reset(token)


def _parts(built: Deliverer) -> list[str]:
    return [part.name for part in fields(built) if not part.name.startswith("_")]
