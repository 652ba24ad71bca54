"""Mails: strings with named holes, filled when they are sent; and SMTP.

No template engine runs here. Headers are made by the standard library, which refuses line breaks in them. Links come
from the configured public address, never from a request.
"""

from __future__ import annotations

import json
import re
import smtplib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, parseaddr
from functools import cache
from html import escape
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from magnetgen.forms import tokens
from magnetgen.forms.holes import HOLES, OF_MAGNET, WITH_FIELDS, YIELDING, fill
from magnetgen.forms.records import UNSUBSCRIBED, Delivery, Lead
from magnetgen.forms.site import Form, Site, SiteFault
from magnetgen.forms.tokens import Keys

TIMEOUT = 15
CANCELLED = "cancelled"
_BREAKS = re.compile(r"[\r\n]")
_ENCODED = re.compile(r"=\?")
"""How an encoded word begins (RFC 2047): in an address it may be decoded on the way, and be other addresses then."""
_WHOLE = ("list-unsubscribe", "message-id")


class _Whole(EmailPolicy):
    """Does not fold addresses of links: as encoded words, no mail program finds the link in them (RFC 8058)."""

    def fold(self, name: str, value: str) -> str:
        return f"{name}: {value}{self.linesep}" if name.lower() in _WHOLE else super().fold(name, value)

    def fold_binary(self, name: str, value: str) -> bytes:
        return self.fold(name, value).encode() if name.lower() in _WHOLE else super().fold_binary(name, value)


_POLICY = _Whole(linesep="\r\n")


class Refused(Exception):
    """A mail that cannot be made or is not to be sent; trying again changes nothing. The text is a short code."""


@dataclass(frozen=True)
class Sent:
    """What came of an attempt.

    `permanent`: no use in trying again; `gone`: the destination wants nothing more; `item`: it was about this delivery
    alone, and says nothing about the destination. `body`: the beginning of an answer over HTTP, to be judged by, never
    to be kept.
    """

    ok: bool
    code: str
    permanent: bool = False
    gone: bool = False
    retry_after: int = 0
    item: bool = False
    body: str = field(default="", repr=False, compare=False)


class Transport(Protocol):
    """Something that sends a mail."""

    def send(self, message: EmailMessage) -> Sent: ...


@cache
def defaults() -> Mapping[str, Mapping[str, str]]:
    """The mails that come with magnetgen."""
    data: Mapping[str, Mapping[str, str]] = json.loads(
        (Path(__file__).parent / "data" / "mails.json").read_text("utf-8")
    )
    return data


@dataclass(frozen=True)
class Composer:
    """Makes mails for one site. `sender`: MAGNETGEN_MAIL_FROM; `random`: for the nonces of tokens."""

    site: Site
    keys: Keys
    sender: str
    random: Callable[[int], bytes]

    def compose(self, delivery: Delivery, lead: Lead | None, now: float, code: str = "") -> EmailMessage:
        """The mail of a delivery, made now. `code`: the single-use one that the lead has. Raises Refused."""
        kind, form = delivery.kind.removeprefix("mail:"), self.site.forms.get(delivery.form)
        if form is None or (lead is None and kind != "held"):
            raise Refused(CANCELLED)
        to_owner = delivery.dest.startswith("email:")
        if lead and not to_owner and _ended_since(lead, delivery, kind):
            raise Refused(CANCELLED)
        if kind == "deliver" and self.single_use(delivery) and not code:
            kind = "soldout"
        recipient = delivery.dest.removeprefix("email:") if to_owner else lead.email if lead else ""
        holes = self._holes(kind, form, lead, delivery, now, code)
        return self._message(kind, form, recipient, holes, delivery, lead, now)

    def single_use(self, delivery: Delivery) -> str:
        """The magnet of which a mail brings a code that its lead alone has; empty for all other mails."""
        magnet = self.site.magnet_of(self.site.forms.get(delivery.form))
        return magnet.name if magnet and magnet.codes and delivery.kind == "mail:deliver" else ""

    def _template(self, kind: str, form: Form) -> Mapping[str, str]:
        """The site's own for the form, the site's own, or the default."""
        own = self.site.mails
        return {**defaults()[kind], **own.get(kind, {}), **own.get(f"{kind}:{form.name}", {})}

    def _holes(
        self, kind: str, form: Form, lead: Lead | None, delivery: Delivery, now: float, code: str
    ) -> dict[str, str]:
        """What the kind's holes are filled with: magnetgen.forms.holes says which it has."""
        magnet = self.site.magnet_of(form)

        @cache
        def link(purpose: str) -> str:
            return self._link(purpose, form, lead, now) if lead else ""

        def epub() -> str:
            return f"{link(tokens.DOWNLOAD)}/epub" if magnet and magnet.asset("epub") and lead else ""

        values: dict[str, Callable[[], str]] = {
            "site_title": lambda: self.site.title,
            "form_title": lambda: form.spec.title,
            "confirm_url": lambda: link(tokens.CONFIRM),
            "download_url": lambda: link(tokens.DOWNLOAD) if form.spec.magnet else "",
            "epub_url": epub,
            "magnet_title": lambda: magnet.title if magnet else "",
            "code": lambda: code or (magnet.code if magnet else ""),
            "unsubscribe_url": lambda: link(tokens.UNSUBSCRIBE),
            "email": lambda: lead.email if lead else "",
            "answers": lambda: "\n".join(f"{label}: {value}" for label, value in _answers(form, lead)),
            "lead_id": lambda: lead.id if lead else "",
            "reason": lambda: str(delivery.body.get("reason", "")),
            "submission_id": lambda: str(delivery.body.get("submission", "")),
        }
        own = magnet.holes if magnet else {}
        holes = {name: own.get(name, "") if name in OF_MAGNET else values[name]() for name in HOLES[kind]}
        # The text of a stranger goes to nobody before the address is theirs.
        if lead and kind in WITH_FIELDS and lead.confirmed_at is not None:
            return {**_fields(lead), **{name: text for name, text in holes.items() if text or name not in YIELDING}}
        return holes

    def _link(self, purpose: str, form: Form, lead: Lead, now: float) -> str:
        # A link made in the second of an unsubscription is younger than it.
        issued = max(int(now), lead.unsubscribed_at // 1000 + 1 if lead.unsubscribed_at is not None else 0)
        magnet = self.site.magnet_of(form) if purpose == tokens.DOWNLOAD else None
        asset = form.spec.magnet if purpose == tokens.DOWNLOAD else ""
        valid_for = magnet.valid_for if magnet else 0
        token = tokens.issue(self.keys, purpose, lead.form, lead.id, issued, self.random(16), asset, valid_for)
        return f"{self.site.public_url}/{purpose}/{token}"

    def _message(
        self,
        kind: str,
        form: Form,
        recipient: str,
        holes: Mapping[str, str],
        delivery: Delivery,
        lead: Lead | None,
        now: float,
    ) -> EmailMessage:
        template = self._template(kind, form)
        message = EmailMessage(policy=_POLICY)
        try:
            message["From"] = address(template.get("from") or self.sender)
            message["To"] = _undisguised(recipient)
            # A field may hold line breaks; a subject is one line.
            message["Subject"] = " ".join(fill(template["subject"], holes).split())
            message["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
            # The same over all attempts, so a mailbox can tell a repetition.
            message["Message-ID"] = f"<{delivery.id}@{urlsplit(self.site.public_url).hostname or 'localhost'}>"
            if lead and kind == "notify" and not _ENCODED.search(lead.email):
                message["Reply-To"] = address(lead.email)
            if "unsubscribe_url" in holes:
                message["List-Unsubscribe"] = f"<{holes['unsubscribe_url']}>"
                message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
            else:
                message["Auto-Submitted"] = "auto-generated"
        except ValueError:
            raise Refused("header") from None
        message.set_content(fill(template["text"], holes))
        in_html = {name: escape(value) for name, value in holes.items()}
        if "answers" in holes:
            in_html["answers"] = _answers_html(_answers(form, lead))
        message.add_alternative(fill(template["html"], in_html), subtype="html")
        return message


def _ended_since(lead: Lead, delivery: Delivery, kind: str) -> bool:
    """Who unsubscribes while a mail is under way does not get it; who asks for the thing afterwards does."""
    if lead.status != UNSUBSCRIBED:
        return False
    return kind == "welcome" or (lead.unsubscribed_at is not None and delivery.created_at < lead.unsubscribed_at)


def address(text: str) -> Address:
    """`Name <local@domain>` → an address. Raises ValueError for anything with a line break, and for no address."""
    name, plain = parseaddr(text)
    local, at, domain = plain.rpartition("@")
    if _BREAKS.search(text) or not at or not local or not domain:
        raise ValueError("no address")
    return Address(name, local, domain)


def _undisguised(recipient: str) -> Address:
    if _ENCODED.search(recipient):
        raise ValueError("an encoded word")
    return address(recipient)


def _fields(lead: Lead) -> dict[str, str]:
    return {name: value if isinstance(value, str) else ", ".join(value) for name, value in lead.data.items()}


def _answers(form: Form, lead: Lead | None) -> list[tuple[str, str]]:
    """(label, value) of all that a lead answered and agreed to."""
    if lead is None:
        return []
    labels = {field.name: field.label or field.name for field in form.spec.fields}
    answers = [(labels.get(name, name), value) for name, value in _fields(lead).items()]
    return answers + [(str(record["name"]), "yes" if record["given"] else "no") for record in lead.consent]


def _answers_html(answers: list[tuple[str, str]]) -> str:
    """A line each, for a hole inside a paragraph; a long answer begins on a line of its own."""
    lines = []
    for label, value in answers:
        between = "<br>" if "\n" in value else " "
        shown = escape(value).replace("\n", "<br>")
        lines.append(f"<strong>{escape(label)}:</strong>{between}{shown}")
    return "<br>\n".join(lines)


def content(message: EmailMessage, kind: str) -> str:
    """A mail's `plain` or `html`. Its lines end in line feeds, whichever encoding the library chose for them."""
    part = message.get_body((kind,))
    return str(part.get_content()).replace("\r\n", "\n") if part else ""


@dataclass(frozen=True)
class Smtp:
    """One connection a mail. `smtp://` uses STARTTLS where it is offered; `smtps://` is TLS from the first byte."""

    secure: bool
    host: str
    port: int
    user: str
    password: str

    def send(self, message: EmailMessage) -> Sent:
        try:
            client = self._connect()
            try:
                client.send_message(message)
            finally:
                _leave(client)
        except smtplib.SMTPRecipientsRefused as exc:
            return replace(refused(next(iter(exc.recipients.values()))[0]), item=True)
        except smtplib.SMTPResponseException as exc:
            return refused(exc.smtp_code)
        except (smtplib.SMTPException, OSError) as exc:
            return Sent(False, type(exc).__name__)
        return Sent(True, "250")

    def _connect(self) -> smtplib.SMTP:
        context = tls()
        client: smtplib.SMTP
        if self.secure:
            client = smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT, context=context)
        else:
            client = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT)
        try:
            self._greet(client, context)
        except BaseException:
            client.close()
            raise
        return client

    def _greet(self, client: smtplib.SMTP, context: ssl.SSLContext) -> None:
        client.ehlo()
        encrypted = self.secure
        if not encrypted and client.has_extn("starttls"):
            client.starttls(context=context)
            client.ehlo()
            encrypted = True
        if self.user:
            if not encrypted and self.host not in ("localhost", "127.0.0.1", "::1"):
                raise smtplib.SMTPNotSupportedError("no password over an open line")
            client.login(self.user, self.password)


def _leave(client: smtplib.SMTP) -> None:
    """Say goodbye; what the server answers to that changes nothing about the mail."""
    try:
        client.quit()
    except (smtplib.SMTPException, OSError):
        client.close()


@cache
def tls() -> ssl.SSLContext:
    """Made once: reading the system's certificates takes longer than a mail does."""
    return ssl.create_default_context()


def refused(code: int) -> Sent:
    """5xx about the mail or its recipient is for good; a server that refuses us (530–539: no login) is not."""
    return Sent(False, str(code), permanent=500 <= code < 600 and not 530 <= code < 540 and code != 421)


def open_smtp(url: str) -> Smtp:
    """MAGNETGEN_SMTP_URL: smtp://user:password@host:587. Raises SiteFault."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError
        port = parts.port or (465 if parts.scheme == "smtps" else 587)
    except ValueError:
        raise SiteFault("MAGNETGEN_SMTP_URL is to be smtp://user:password@host:port, or smtps://…") from None
    return Smtp(
        parts.scheme == "smtps", parts.hostname, port, unquote(parts.username or ""), unquote(parts.password or "")
    )
