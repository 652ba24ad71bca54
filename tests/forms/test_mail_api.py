"""Mails by the HTTP APIs of providers, against a server that checks what it gets as their documentation has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from magnetgen.forms import recipes, runtime, webhooks
from magnetgen.forms.mail import Composer, Sent, Smtp, Transport
from magnetgen.forms.mail_api import open_mail
from magnetgen.forms.records import Delivery, Lead
from magnetgen.forms.site import SiteFault, from_data
from magnetgen.forms.webhooks import HttpPoster
from tests.forms.data import EVERYTHING, KEYS, NOW
from tests.forms.services import Answer, Got, Service, serving
from tests.forms.world import World

PROVIDERS = ("brevo", "postmark", "resend")
ID = "cd" * 16
LEAD = Lead("ab" * 16, "plain", "ana+b@x.co", "k", "confirmed", {"first_name": "Ana"}, (), 1, confirmed_at=2)
OWN = {"subject": "Hé {{first_name}}", "text": "Text {{first_name}}", "html": "<p>{{first_name}}</p>"}
ACCEPTED = {
    "resend": Answer(200, {"id": "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"}),
    "postmark": Answer(200, {"ErrorCode": 0, "Message": "OK", "MessageID": "b7bc2f4a"}),
    "brevo": Answer(201, {"messageId": "<1@smtp-relay.mailin.fr>"}),
}
PLACE = {
    "resend": ("POST /emails", "authorization", "Bearer k3y"),
    "postmark": ("POST /email", "x-postmark-server-token", "k3y"),
    "brevo": ("POST /v3/smtp/email", "api-key", "k3y"),
}


@pytest.fixture
def service() -> Iterator[Service]:
    with serving() as made:
        yield made


def provider(name: str, service: Service) -> Transport:
    env = {"MAGNETGEN_MAIL_PROVIDER": name, "MAGNETGEN_MAIL_KEY": "k3y", "MAGNETGEN_MAIL_URL": service.url}
    made = open_mail(env, HttpPoster())
    assert made
    return made


def message(kind: str = "welcome", now: float = NOW, **fields: str) -> EmailMessage:
    site = from_data({**EVERYTHING, "mails": {kind: OWN}})
    dest = "email:boss@x.co" if kind == "notify" else "mail"
    delivery = Delivery(ID, LEAD.id, "plain", dest, f"mail:{kind}", "c", {"mail": kind}, 1)
    lead = replace(LEAD, data={**LEAD.data, **fields})
    return Composer(site, KEYS, '"Léa, of Lab" <lab@x.co>', lambda n: bytes(n)).compose(delivery, lead, now)


def checked(name: str, got: Got) -> Any:
    """The body of a request whose line and headers are right."""
    line, header, value = PLACE[name]
    assert (got.line, got.headers[header], got.headers["content-type"]) == (line, value, "application/json")
    return got.json


def links(mail: EmailMessage) -> dict[str, str]:
    return {
        "List-Unsubscribe": str(mail["List-Unsubscribe"]),
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


# --- what each provider gets --------------------------------------------------------------------------------------


def test_resend(service: Service) -> None:
    service.answers, mail = [ACCEPTED["resend"]], message()
    assert provider("resend", service).send(mail) == Sent(True, "200")
    assert checked("resend", service.got[0]) == {
        "from": '"Léa, of Lab" <lab@x.co>',
        "to": ["ana+b@x.co"],
        "subject": "Hé Ana",
        "text": "Text Ana\n",
        "html": "<p>Ana</p>\n",
        "headers": links(mail),
    }
    assert service.got[0].headers["idempotency-key"] == ID


def test_postmark(service: Service) -> None:
    service.answers, mail = [ACCEPTED["postmark"]], message()
    assert provider("postmark", service).send(mail) == Sent(True, "200")
    headers = {**links(mail), "Message-ID": f"<{ID}@site.example>", "X-PM-KeepID": "true"}
    assert checked("postmark", service.got[0]) == {
        "From": '"Léa, of Lab" <lab@x.co>',
        "To": "ana+b@x.co",
        "Subject": "Hé Ana",
        "TextBody": "Text Ana\n",
        "HtmlBody": "<p>Ana</p>\n",
        "Headers": [{"Name": name, "Value": value} for name, value in headers.items()],
    }


def test_brevo(service: Service) -> None:
    service.answers, mail = [ACCEPTED["brevo"]], message()
    assert provider("brevo", service).send(mail) == Sent(True, "201")
    assert checked("brevo", service.got[0]) == {
        "sender": {"name": "Léa, of Lab", "email": "lab@x.co"},
        "to": [{"email": "ana+b@x.co"}],
        "subject": "Hé Ana",
        "textContent": "Text Ana\n",
        "htmlContent": "<p>Ana</p>\n",
        "headers": {**links(mail), "Message-ID": f"<{ID}@site.example>", "Idempotency-Key": ID},
    }


@pytest.mark.parametrize(
    ("name", "key", "wanted"),
    [("resend", "reply_to", "ana+b@x.co"), ("postmark", "ReplyTo", "ana+b@x.co"),
     ("brevo", "replyTo", {"email": "ana+b@x.co"})],
)  # fmt: skip
def test_the_owner_can_reply_to_a_lead(service: Service, name: str, key: str, wanted: Any) -> None:
    assert provider(name, service).send(message("notify")).ok
    body = checked(name, service.got[0])
    assert body[key] == wanted and "boss@x.co" in str(body)
    assert "auto-generated" in str(body) and "List-Unsubscribe" not in str(body)


@pytest.mark.parametrize("letters", ["e", "ж", "🎈"])
def test_lines_end_alike_whatever_the_letters_are(service: Service, letters: str) -> None:
    provider("resend", service).send(message(first_name=letters * 90))
    sent = service.got[0].json
    assert (sent["text"], sent["html"]) == (f"Text {letters * 90}\n", f"<p>{letters * 90}</p>\n")


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_attempt_carries_the_same_id(service: Service, name: str) -> None:
    made = provider(name, service)
    made.send(message())
    made.send(message(now=NOW + 300))
    first, second = service.got
    assert first.raw != second.raw  # its links are fresh
    assert all(ID in got.headers.get("idempotency-key", "") + got.raw.decode() for got in (first, second))


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("value", ['"', "a\r\nBcc: x@y.co", "</script>", "{{key}}", "Ünï 🎈 \u2028", "x" * 10_240])
def test_hostile_values_stay_in_their_place(service: Service, name: str, value: str) -> None:
    made = provider(name, service)
    made.send(message(first_name="Ana"))
    made.send(message(first_name=value))
    plain, hostile = (checked(name, got) for got in service.got)
    typed = {"subject", "Subject", "text", "TextBody", "textContent", "html", "HtmlBody", "htmlContent"}
    assert {k: v for k, v in plain.items() if k not in typed} == {k: v for k, v in hostile.items() if k not in typed}
    assert plain.keys() == hostile.keys()
    text = hostile.get("text") or hostile.get("TextBody") or hostile.get("textContent")
    assert text == "Text " + value.replace("\r\n", "\n") + "\n"
    subject = hostile.get("subject") or hostile.get("Subject")
    assert "\n" not in subject and "\r" not in subject


# --- what answers mean -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        (400, Sent(False, "400", permanent=True, item=True)),
        (401, Sent(False, "401")),
        (402, Sent(False, "402")),
        (403, Sent(False, "403")),
        (409, Sent(False, "409")),
        (410, Sent(False, "410")),
        (422, Sent(False, "422", permanent=True, item=True)),
        (429, Sent(False, "429", retry_after=7)),
        (500, Sent(False, "500", retry_after=7)),
        (302, Sent(False, "302")),
    ],
)
def test_answers(service: Service, name: str, status: int, wanted: Sent) -> None:
    headers = {"Retry-After": "7"} if wanted.retry_after else {"Location": f"{service.url}/x"}
    service.answers = [Answer(status, {"message": "no"}, headers)]
    found = provider(name, service).send(message())
    assert found == wanted and len(service.got) == 1


def test_resend_that_has_the_mail_already_is_content(service: Service) -> None:
    again = {"statusCode": 409, "name": "invalid_idempotent_request", "message": "the request body was modified"}
    busy = {"statusCode": 409, "name": "concurrent_idempotent_requests", "message": "in progress"}
    service.answers = [Answer(409, again), Answer(409, busy)]
    assert provider("resend", service).send(message()) == Sent(True, "409")
    assert provider("resend", service).send(message()) == Sent(False, "409")


@pytest.mark.parametrize(
    ("code", "text", "permanent"),
    [
        (406, "You tried to send to a recipient that has been marked as inactive.", True),
        (300, "Invalid 'To' address: 'x'.", True),
        (400, "The 'From' address you supplied (lab@x.co) is not a Sender Signature on your account.", False),
        (412, "While your account is pending approval, all recipient addresses must share the same domain", False),
    ],
)
def test_postmark_says_whether_it_is_the_mail_or_the_account(
    service: Service, code: int, text: str, permanent: bool
) -> None:
    service.answers = [Answer(422, {"ErrorCode": code, "Message": text})]
    assert provider("postmark", service).send(message()) == Sent(False, "422", permanent=permanent, item=permanent)


@pytest.mark.parametrize("name", PROVIDERS)
def test_nobody_there_garbage_and_silence(service: Service, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    service.answers = [Answer(500, b"\xff<html>", {"content-type": "text/html"})]
    assert provider(name, service).send(message()) == Sent(False, "500")
    monkeypatch.setattr(webhooks, "TIMEOUT", 0.3)
    service.answers = [Answer(200, delay=1.0)]
    assert provider(name, service).send(message()) == Sent(False, "TimeoutError")
    env = {"MAGNETGEN_MAIL_PROVIDER": name, "MAGNETGEN_MAIL_KEY": "k", "MAGNETGEN_MAIL_URL": "http://127.0.0.1:9"}
    made = open_mail(env, HttpPoster())
    assert made and made.send(message()) == Sent(False, "ConnectionRefusedError")


def test_a_provider_that_is_gone_switches_off_no_mail(world: World, service: Service) -> None:
    service.answer = lambda got: Answer(410)
    world.runtime.deliverer.mail = provider("resend", service)
    world.submit("plain", "email=ana%40x.co")
    world.runtime.deliverer.drain()
    assert world.store.disabled() == set()
    assert [row["state"] for row in world.rows("outbox") if row["dest"] == "mail"] == ["due"]


def test_a_mail_arrives(world: World, service: Service) -> None:
    world.runtime.deliverer.mail = provider("postmark", service)
    world.submit("double", "email=ana%40x.co")
    assert world.runtime.deliverer.drain()["failed"] == 0
    body = checked("postmark", service.got[0])
    assert body["To"] == "ana@x.co" and "/api/confirm/mg1.k1." in body["TextBody"]


# --- settings ---------------------------------------------------------------------------------------------------------


def test_the_environment_chooses() -> None:
    poster = HttpPoster()
    assert open_mail({}, poster) is None
    assert isinstance(open_mail({"MAGNETGEN_SMTP_URL": "smtp://h"}, poster), Smtp)
    for name in PROVIDERS:
        made = open_mail({"MAGNETGEN_MAIL_PROVIDER": name, "MAGNETGEN_MAIL_KEY": "s3cret"}, poster)
        assert made and "s3cret" not in repr(made)
    assert recipes.names("mail") == PROVIDERS


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"SMTP_URL": "smtp://h", "MAIL_PROVIDER": "resend", "MAIL_KEY": "k3y"}, "both set"),
        ({"MAIL_PROVIDER": "sendmail", "MAIL_KEY": "k3y"}, "brevo, postmark, resend"),
        ({"MAIL_PROVIDER": "../x", "MAIL_KEY": "k3y"}, "brevo, postmark, resend"),
        ({"MAIL_PROVIDER": "resend"}, "MAGNETGEN_MAIL_KEY is to be an API key of resend"),
        ({"MAIL_PROVIDER": "resend", "MAIL_KEY": "k3y\r\nx: y"}, "MAGNETGEN_MAIL_KEY"),
        ({"MAIL_KEY": "k3y"}, "MAGNETGEN_MAIL_PROVIDER is not"),
        ({"MAIL_PROVIDER": "resend", "MAIL_KEY": "k3y", "MAIL_URL": "mail"}, "MAGNETGEN_MAIL_URL is to be"),
    ],
)
def test_faulty_settings_say_so_without_being_shown(env: dict[str, str], says: str) -> None:
    with pytest.raises(SiteFault) as caught:
        open_mail({f"MAGNETGEN_{name}": value for name, value in env.items()}, HttpPoster())
    assert says in str(caught.value) and "k3y" not in str(caught.value)


def test_a_provider_needs_a_sender(tmp_path: Path) -> None:
    (tmp_path / ".magnetgen").mkdir()
    (tmp_path / ".magnetgen" / "forms.json").write_text(
        '{"v": 1, "base_url": "https://x.co/", "public_url": "https://x.co/api", "origins": [], "forms": {}}'
    )
    env = {
        "MAGNETGEN_SECRETS": "k1:" + "ab" * 32, "MAGNETGEN_EMAIL_KEY": "cd" * 32, "MAGNETGEN_MAIL_PROVIDER": "resend",
        "MAGNETGEN_MAIL_KEY": "k",
    }  # fmt: skip
    with pytest.raises(SiteFault, match="MAGNETGEN_MAIL_FROM"):
        runtime.from_env(tmp_path, env)
    made = runtime.from_env(tmp_path, {**env, "MAGNETGEN_MAIL_FROM": "Lab <lab@x.co>"})
    assert made.deliverer.mail is not None
    made.close()
