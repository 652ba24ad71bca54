"""Mails as they are made, and SMTP against a real server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from magnetgen.forms import holes, mail
from magnetgen.forms.mail import Composer, Refused, Sent
from magnetgen.forms.records import Delivery, Lead
from magnetgen.forms.site import SiteFault, from_data
from tests.forms.data import EVERYTHING, KEYS, NOW
from tests.forms.world import World

LEAD = Lead("ab" * 16, "plain", "ana@x.co", "k", "confirmed", {"first_name": "<Ana>"}, (), 1, confirmed_at=2)


def composer(sender: str = "Lab <lab@x.co>", **more: Any) -> Composer:
    return Composer(from_data({**EVERYTHING, **more}), KEYS, sender, lambda n: bytes(n))


def delivery(kind: str, dest: str = "mail", form: str = "plain") -> Delivery:
    return Delivery("cd" * 16, LEAD.id, form, dest, f"mail:{kind}", "c", {"mail": kind}, 1)


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part
    return str(part.get_content())


@pytest.mark.parametrize("kind", ["confirm", "deliver", "welcome", "notify"])
def test_every_default_mail_has_both_forms_and_no_hole_left(kind: str) -> None:
    made = composer().compose(delivery(kind, form="book"), replace(LEAD, form="book"), NOW)
    for form in ("plain", "html"):
        text = body(made, form)
        assert "{{" not in text and text.strip()
        assert 'href=""' not in text
    assert made["From"] == "Lab <lab@x.co>" and made["Message-ID"] == f"<{'cd' * 16}@site.example>"


def test_mail_before_confirmation_has_no_field() -> None:
    made = composer(mails={"confirm": {"subject": "{{first_name}}!", "text": "[{{first_name}}]", "html": "x"}})
    message = made.compose(delivery("confirm"), replace(LEAD, status="pending", confirmed_at=None), NOW)
    assert message["Subject"] == "!" and body(message, "plain") == "[]\n"
    assert message["List-Unsubscribe"] is None


def test_fields_are_escaped_in_html_only() -> None:
    made = composer(mails={"welcome": {"subject": "s", "text": "{{ first_name }}", "html": "{{first_name}}"}})
    message = made.compose(delivery("welcome"), LEAD, NOW)
    assert (body(message, "plain"), body(message, "html")) == ("<Ana>\n", "&lt;Ana&gt;\n")
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_a_value_with_holes_in_it_is_not_filled_again() -> None:
    assert holes.fill("{{a}} {{b}}", {"a": "{{b}}", "b": "2"}) == "{{b}} 2"


def test_a_line_break_in_a_header_is_refused_and_one_in_a_subject_becomes_a_space() -> None:
    with pytest.raises(Refused, match="header"):
        composer("Lab\r\nBcc: x@y.co <lab@x.co>").compose(delivery("welcome"), LEAD, NOW)
    made = composer(mails={"welcome": {"subject": "{{first_name}}"}})
    message = made.compose(delivery("welcome"), replace(LEAD, data={"first_name": "a\r\nBcc: x@y.co"}), NOW)
    assert message["Subject"] == "a Bcc: x@y.co" and message["Bcc"] is None


def test_a_form_has_its_own_mail() -> None:
    own = {"welcome": {"subject": "all"}, "welcome:plain": {"subject": "own", "from": "Me <me@x.co>"}}
    message = composer(mails=own).compose(delivery("welcome"), LEAD, NOW)
    assert (message["Subject"], message["From"]) == ("own", "Me <me@x.co>")


def test_what_no_longer_applies_is_cancelled() -> None:
    for kind, lead in (("welcome", replace(LEAD, status="unsubscribed")), ("confirm", None)):
        with pytest.raises(Refused, match="cancelled"):
            composer().compose(delivery(kind), lead, NOW)


class Server:
    """A server that says what it is told to."""

    def __init__(self) -> None:
        self.answer = ""
        self.got: list[Any] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if self.answer:
            return self.answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.got.append(envelope)
        return "250 OK"


@pytest.fixture
def smtp() -> Iterator[tuple[Server, mail.Smtp]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server()
    controller = Controller(server, hostname="127.0.0.1", port=port)
    controller.start()
    yield server, mail.open_smtp(f"smtp://127.0.0.1:{port}")
    controller.stop()


def test_a_mail_arrives(smtp: tuple[Server, mail.Smtp], world: World) -> None:
    server, transport = smtp
    world.runtime.deliverer.mail = transport
    world.submit("double", "email=ana%40x.co")
    assert world.runtime.deliverer.drain()["failed"] == 0
    assert [envelope.rcpt_tos for envelope in server.got] == [["ana@x.co"]]
    assert b"/api/confirm/mg1.k1." in server.got[0].content.replace(b"=\r\n", b"")


@pytest.mark.parametrize(
    ("answer", "permanent"), [("550 5.1.1 unknown", True), ("451 4.7.1 later", False), ("530 5.7.0 login", False)]
)
def test_refusals(smtp: tuple[Server, mail.Smtp], answer: str, permanent: bool) -> None:
    server, transport = smtp
    server.answer = answer
    message = composer().compose(delivery("welcome"), LEAD, NOW)
    assert transport.send(message) == Sent(False, answer[:3], permanent, item=True)


def test_a_server_that_is_away_is_a_failure_to_be_repeated() -> None:
    message = composer().compose(delivery("welcome"), LEAD, NOW)
    assert mail.open_smtp("smtp://127.0.0.1:9").send(message) == Sent(False, "ConnectionRefusedError")


def test_a_password_is_not_sent_over_an_open_line(smtp: tuple[Server, mail.Smtp]) -> None:
    transport = replace(smtp[1], user="u", password="p")
    message = composer().compose(delivery("welcome"), LEAD, NOW)
    assert not transport.send(message).ok  # this server has no AUTH: said, not raised


@pytest.mark.parametrize("url", ["", "http://x", "smtp://", "smtp://x:port", "mail.example.com:25"])
def test_a_faulty_address_of_a_server_says_so(url: str) -> None:
    with pytest.raises(SiteFault, match="MAGNETGEN_SMTP_URL"):
        mail.open_smtp(url)


def test_ports_and_users() -> None:
    assert mail.open_smtp("smtps://u%40x:p%3A@h") == mail.Smtp(True, "h", 465, "u@x", "p:")
    assert mail.open_smtp("smtp://h").port == 587
