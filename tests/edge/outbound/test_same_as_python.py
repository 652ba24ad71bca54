"""What leaves the handler in JavaScript is, byte for byte, what leaves the one in Python."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import unquote

import pytest

from magnetgen.forms import destinations, mail, recipes, runtime, webhooks
from magnetgen.forms.mail import Composer, Sent
from magnetgen.forms.mail_api import open_mail
from magnetgen.forms.records import Delivery, Lead
from magnetgen.forms.site import Destination, from_data
from magnetgen.forms.testing import Sinks
from tests.edge.outbound.asking import ask, here, seen
from tests.forms.data import EVERYTHING, KEYS, NOW
from tests.forms.test_destinations import DATA, FIELDS, HOSTILE, HOSTILE_LOCAL, KINDS
from tests.forms.test_recipes import HOLES

ID = "ab" * 16
KEYS_ENV = {
    "MAGNETGEN_SECRETS": f"k1:{bytes(range(32)).hex()}",
    "MAGNETGEN_EMAIL_KEY": bytes(range(32, 64)).hex(),
}
ENV = {"URL": "https://api.example/base/", "KEY": "user:key-us6", "LIST": "7"}
PIECES = (
    *HOSTILE,
    *HOSTILE_LOCAL,
    " ",
    "\n",
    "\t",
    "\x1f",
    "\x85",
    "\xa0",
    "a",
    "Ana",
    "é",
    "🎈",
    "{{name}}",
    "$&",
    "$1",
    "\\",
)
TEXTS = random.Random()


@pytest.fixture(autouse=True)
def the_same_texts(request: pytest.FixtureRequest) -> None:
    TEXTS.seed(request.node.name)


class Keeper:
    """Keeps what it would have sent, and answers what it is told to."""

    def __init__(self, answers: list[list[Any]]) -> None:
        self.answers = list(answers)
        self.sent: list[list[Any]] = []

    def post(self, url: str, headers: Mapping[str, str], body: bytes, method: str = "POST") -> Sent:
        self.sent.append([method, url, dict(headers), body.decode()])
        status, said = self.answers.pop(0) if self.answers else (200, "")
        judged = webhooks.judge(status)
        return Sent(**{**asdict(judged), "body": said})


def typed() -> str:
    return "".join(TEXTS.choice(PIECES) for _ in range(TEXTS.choice((1, 1, 2, 3, 6))))


def same(name: str, function: Any, cases: list[tuple[Any, ...]]) -> None:
    """Both give the same value, or a fault of the same name, for each case."""
    answers = ask([[name, *case] for case in cases])
    for case, found in zip(cases, answers, strict=True):
        wanted = here(function, *case)
        if "fault" in wanted:
            assert found.get("fault") == wanted["fault"], case
        else:
            assert found == wanted, case


# --- pieces -----------------------------------------------------------------------------------------------------------


def test_addresses() -> None:
    """Not among them: two addresses, and words behind one, which patch releases of Python read differently."""
    sound = [
        "a@b.c", "<a@b.c>", "Lead Lab <a@b.c>", "Lead  Lab. Inc <a@b.c>", '"q \\" x" <a@b.c>', "a@b.c (Co)", " a@b.c",
        "Ana O'Neil <a@b.c>", "Jo (x) <a@b.c>", '"Léa, of Lab" <lab@x.co>', "é@ü.de",
        '"a\\\\b" <a@b.c>', '"" <a@b.c>', "Léa 🎈 <a+b%c@x.co>", "a.b.c@d.e.f.g", "A B C <  a@b.c  >", "a@b", "<a@b.c",
    ]  # fmt: skip
    broken = [
        "", "a", "@", "a@", "@b", "a b", "Lab, I <a@b.c>", "a@b.c\nBcc: x@y.z", "a\r@b.c", "Lab\r\n <a@b.c>", "<>",
        "a@@b", "Name <>", "Name <a>", "a@b@c",
    ]  # fmt: skip

    def address(text: str) -> list[str]:
        found = mail.address(text)
        return [found.display_name, found.addr_spec, str(found)]

    answers = ask([["address", text] for text in (*sound[:-1], *broken)])
    for text, found in zip(sound[:-1], answers, strict=False):
        assert found == here(address, text), text
    for text, found in zip(broken, answers[len(sound) - 1 :], strict=True):
        assert "fault" in found and "fault" in here(address, text), text


def test_paths_are_decoded_as_the_server_does() -> None:
    paths = [
        "/api/forms/x", "/%61", "%", "%%", "%4", "%zz", "%2F%2f", "/a%2F..%2Fb", "%00", "%FF", "%C3%A9", "%c3", "%C3x",
        "%E2%82", "%E2%82%AC", "%F0%9F%8E%88", "%F0%9F%8E", "%ED%A0%80", "%C0%AF", "a%25%32%35", "%EF%BB%BFx", "+", "é",
        "//", "/./..", "%41%ff%42", "%E2%82x%AC", "%FE%FF%C3%A9",
    ]  # fmt: skip
    drawn = random.Random(3)
    paths += ["".join(drawn.choice("%%%cCeEfF0289aAbBxX/") for _ in range(24)) for _ in range(400)]
    same("unquote", unquote, [(path,) for path in paths])


def test_who_is_asking() -> None:
    chains = ["", "1.1.1.1", "1.1.1.1, 2.2.2.2", " , 3.3.3.3 ,", "a,b,c,d"]
    same("client", runtime.client_address, [("9.9.9.9", chain, n) for chain in chains for n in (0, 1, 2, 3)])


def test_verdicts_on_answers() -> None:
    cases = [
        (status, "") for status in (100, 199, 200, 204, 299, 301, 308, 400, 401, 404, 410, 413, 422, 429, 500, 503)
    ]
    cases += [(503, text) for text in ("7", "007", "999999999", "9999999999", "-1", "1.5", " 5", "soon", "Mon", "1e3")]
    cases += [
        (503, text)
        for text in ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Fri, 31 Dec 9999 23:59:59 GMT")
    ]
    same("judge", lambda status, text: seen(webhooks.judge(status, text)), cases)
    same(
        "refused",
        lambda code: seen(mail.refused(code)),
        [(code,) for code in (421, 450, 500, 529, 530, 535, 540, 550, 600)],
    )


def test_templates() -> None:
    templates: list[Any] = [
        "{{a}}", "-{{a}}-{{a}}", "{{n|integer}}", "{{l}}", "{{o}}", "{{zero}}", "{{h}} {{a}}", "{{e}}", "{{none}}", "{{unknown}}",
        "say {{e}}", {"k": "{{a}}", "gone": "{{e}}"}, {"k": {"gone": "{{e}}"}}, {}, [], ["{{e}}", "{{a}}", 1], ["{{e}}"],
        {"$lines": ["1 {{a}}", "2 {{e}}", "3"]}, {"$lines": ["{{e}}"]}, {"k": True, "n": 1, "f": False}, "{{h|slack}}", "{{a|region}}",
        "{{constructor}}", "{{a}}$&$1", "x{{zero}}",
    ]  # fmt: skip
    same("fill", recipes.fill, [(template, HOLES) for template in templates])


def test_answers_of_services() -> None:
    rules: list[Any] = [[], [404], ["400 some words"], ["400"], [200, "409 x y"]]
    bodies = ["", "has some words in it", "x y", '{"a": "some  words"}']
    same(
        "says",
        recipes.says,
        [(each, status, body) for each in rules for status in (200, 400, 404, 409) for body in bodies],
    )
    path = {"who": ["list", 0, "id"]}
    found = [
        '{"list":[{"id":5}]}', '{"list":[{"id":"a-b_c"}]}', '{"list":[]}', '{"list":{}}', '{"list":[{"id":true}]}', "", "[]", "null",
        '{"list":[{"id":1.0}]}', '{"list":[{"id":12345678901234567890}]}', '{"list":[{"id":-0}]}', '{"list":[{"id":"a b"}]}',
        '{"list":[{"id":null}]}', '{"list":[{}]}', "{", '{"list":[{"id":[1]}]}', '{"list":[{"id":1}],"list":[{"id":2}]}',
        '{"__proto__":{"list":[{"id":1}]}}', '{"list":"abc"}',
    ]  # fmt: skip
    same("take", recipes.take, [(path, body) for body in found])
    same("take", recipes.take, [({}, "no json"), ({"x": ["constructor"]}, "{}"), ({"x": ["length"]}, "[1]")])


def test_settings() -> None:
    settings = [{}, {"pattern": "[0-9]{1,15}"}, {"pattern": "a|b"}]
    values = ["7", "a", "ab", "7\n", "", "x" * 501, "k:ey", "é", "a b"]
    same(
        "fits",
        recipes.fits,
        [(name, each, value) for name in ("key", "list", "other") for each in settings for value in values],
    )


# --- what services are told -------------------------------------------------------------------------------------------


def leads() -> list[dict[str, Any]]:
    """Data of events: plain, with little, and with whatever people type."""
    drawn: list[dict[str, Any]] = [DATA, {"id": ID}, {**DATA, "fields": {"email": "a@x.co"}, "consent": []}]
    drawn.append(
        {
            **DATA,
            "fields": {"name": "  ", "topics": [], "message": "a\tb\n\nc"},
            "consent": [{"name": "n", "given": False}],
        }
    )
    for _ in range(60):
        fields: dict[str, Any] = {name: typed() for name in FIELDS if TEXTS.random() < 0.6}
        fields["topics"] = [typed() for _ in range(TEXTS.randrange(3))]
        local = TEXTS.choice(HOSTILE_LOCAL)
        drawn.append({**DATA, "email": f"{local}@example.com", "fields": fields})
    return drawn


def test_holes() -> None:
    same("holes", destinations.holes, [(data,) for data in leads()])


EVENTS = ("lead.created", "lead.confirmed", "lead.unsubscribed", "lead.erased", "lead.unknown")
ANSWERS: list[list[Any]] = [
    [], [[400, ""]], [[409, "{}"], [200, ""]], [[400, "Member In Compliance State"], [200, ""]], [[404, ""]], [[500, ""]], [[410, ""]],
    [[200, '{"subscribers":[{"id":17}]}'], [204, ""]], [[200, '{"subscribers":[]}']], [[200, "x"]], [[422, ""]], [[429, ""]],
]  # fmt: skip


@pytest.mark.parametrize("kind", [*KINDS, "webhook"])
def test_requests_to_services(kind: str) -> None:
    place = {"name": "to", "kind": kind, "url_env": "URL", "secret_env": "KEY", "key_env": "KEY", "list_env": "LIST"}
    cases = []
    for number, data in enumerate(leads()):
        for event in EVENTS if number < 4 else EVENTS[:1]:
            for answers in ANSWERS if number == 0 else ANSWERS[:1]:
                status = {"lead.unsubscribed": "unsubscribed"}.get(event, "confirmed")
                told = {"id": ID} if event == "lead.erased" else {"consent": [], **data, "status": status}
                body = {"type": event, "timestamp": "t", "data": told}
                delivery = asdict(Delivery("cd" * 16, ID, "news", "to", event, "c", body, 1))
                now = TEXTS.choice((None, "confirmed", "unsubscribed", "pending"))
                lead = asdict(Lead(ID, "news", "x", "k", now, {}, (), 1)) if now else None
                cases.append((place, ENV, delivery, lead, answers))

    def answered(place: Any, env: Any, delivery: Any, lead: Any, answers: Any) -> Any:
        keeper = Keeper(answers)
        stored = Lead(**{**lead, "consent": ()}) if lead else None
        ready = destinations.open_destination(Destination(**place), env)
        found = ready.send(keeper, Delivery(**delivery), lambda id: stored, NOW + 0.9)
        return [keeper.sent, seen(found)]

    assert NOW == 1_780_000_000
    same("told", answered, cases)


def test_signatures() -> None:
    body = {"type": "lead.created", "timestamp": "t", "data": {"x": 'é\u2028\x7f\x00\\"🎈'}}
    delivery = asdict(Delivery("cd" * 16, ID, "news", "crm", "lead.created", "c", body, 1))
    secrets = [
        "test",
        "",
        "ünï",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_",
        "whsec_no base64",
        "whsec_YQ",
        "whsec_YQ==",
        "whsec_YQ===",
    ]

    def hook(secret: str, delivery: Any, now: float) -> Any:
        made = webhooks.open_hook("crm", "https://x.co/", secret)
        return [webhooks.headers(made, Delivery(**delivery), now), webhooks.body_of(Delivery(**delivery)).decode()]

    same("hook", hook, [(secret, delivery, NOW + 0.99) for secret in secrets])


def test_what_is_unset_or_wrong_says_the_same() -> None:
    cases: list[tuple[Any, ...]] = []
    urls = [
        "", "https://x.co/", "http://x.co", "HTTPS://x.co", "ftp://x.co", "https://", "https:x.co", "https:///x", "x.co", "https://x.co:0/",
        "https://x.co:99999/", "https://x co/", "https://x.co/é", "https://u:p@x.co/", "https://[::1]/", "https://[::1", "\nhttps://x.co",
        "https://?x", "https://x.co:/", "https://localhost:1/",
    ]  # fmt: skip
    for kind in (*KINDS, "webhook", "unknown", "__proto__", "constructor"):
        place = {
            "name": "to",
            "kind": kind,
            "url_env": "URL",
            "secret_env": "SECRET",
            "key_env": "KEY",
            "list_env": "LIST",
        }
        for env in (
            {},
            ENV,
            {**ENV, "KEY": "é"},
            {**ENV, "KEY": "nodash"},
            {**ENV, "LIST": "a b"},
            {**ENV, "SECRET": "whsec_?"},
        ):
            cases.append((place, env))
        cases.append(({**place, "url_env": "", "key_env": "", "list_env": ""}, ENV))
        cases += [(place, {**ENV, "URL": url}) for url in urls]

    def opened(place: Any, env: Any) -> str:
        destinations.open_destination(Destination(**place), env)
        return "function"

    answers = ask([["open", *case] for case in cases])
    for case, found in zip(cases, answers, strict=True):
        assert found == here(opened, *case), case


# --- mails ------------------------------------------------------------------------------------------------------------

MAILS = {
    "welcome": {"subject": "Hé {{first_name}} {{topics}}", "text": "{{first_name}}\r\n{{ message }}{{unknown}}", "html": "<p>{{first_name}} {{message}}"},
    "deliver:book": {"from": '"Léa, of Lab" <lea@x.co>', "subject": "{{constructor}}{{site_title}}", "text": "", "html": "{{download_url}}"},
}  # fmt: skip


def mails() -> list[tuple[Any, ...]]:
    cases: list[tuple[Any, ...]] = []
    plain = {"id": ID, "form": "plain", "email": "ana+b@x.co", "email_key": "k", "status": "confirmed", "created_at": 1}
    times = {"confirmed_at": 2, "unsubscribed_at": None, "downloaded_at": None}
    consent = [{"name": "letters <b>", "given": True}, {"name": "calls", "given": False}]
    for number in range(120):
        data = {"first_name": typed(), "message": typed(), "topics": [typed()]} if number else {"first_name": "Ana"}
        lead = {**plain, **times, "data": data, "consent": consent}
        for kind in ("confirm", "deliver", "welcome", "notify") if number < 8 else ("welcome", "notify"):
            own = MAILS if number % 2 else {}
            cases.append((own, "Lab <lab@x.co>", kind, TEXTS.choice(("plain", "book", "all")), lead, {}))
    lead = {**plain, **times, "data": {"first_name": "Ana"}, "consent": []}
    ended = {**lead, "status": "unsubscribed", "unsubscribed_at": NOW * 1000 + 999}
    for kind in ("confirm", "deliver", "welcome", "notify", "held"):
        for each in (
            lead,
            ended,
            {**lead, "confirmed_at": None, "status": "pending"},
            {**lead, "email": "=?utf-8?q?a?=@x.co"},
            None,
        ):
            for more in (
                {},
                {"created_at": NOW * 1000 + 2000},
                {"form": "gone"},
                {"dest": "email:Boss <boss@x.co>"},
                {"dest": "email:=?a@x.co"},
            ):
                cases.append(({}, "Lab <lab@x.co>", kind, "book", each, more))
    for sender in ("Lab\r\nBcc: x@y.co <lab@x.co>", "lab", "", "lab@x.co", "Lab, Inc <lab@x.co>"):
        cases.append(({}, sender, "welcome", "plain", lead, {}))
    return cases


@pytest.mark.parametrize("provider", ["brevo", "postmark", "resend"])
def test_mails(provider: str) -> None:
    env = {"MAGNETGEN_MAIL_PROVIDER": provider, "MAGNETGEN_MAIL_KEY": "k3y"}
    cases = []
    for number, (own, sender, kind, form, lead, more) in enumerate(mails()):
        dest = "email:boss@x.co" if kind in ("notify", "held") else "mail"
        body = {"mail": kind, "reason": "<time>", "submission": "ef" * 16}
        made = Delivery("cd" * 16, ID if lead else "", form, dest, f"mail:{kind}", "c", body, 1)
        delivery = {**asdict(made), **more}
        answers = [[(200, 409, 422, 410, 500, 401)[number % 6], "Sender Signature"]]
        cases.append(({**EVERYTHING, "mails": own}, KEYS_ENV, sender, delivery, lead, NOW + 0.5, env, answers))

    def sent(
        document: Any, keys: Any, sender: str, delivery: Any, lead: Any, now: float, env: Any, answers: Any
    ) -> Any:
        composer = Composer(from_data(document), KEYS, sender, lambda n: bytes(n))
        stored = Lead(**{**lead, "consent": tuple(lead["consent"])}) if lead else None
        message = composer.compose(Delivery(**delivery), stored, now)
        sinks, keeper = Sinks(), Keeper(answers)
        sinks.send(message)
        shown = sinks.mails[0]
        # How a mail is laid out on the wire is the affair of SMTP.
        shown["headers"] = {
            name: value for name, value in shown["headers"].items() if name not in ("mime-version", "content-type")
        }
        transport = open_mail(env, keeper)
        assert transport
        return [shown, keeper.sent, seen(transport.send(message))]

    same("mail", sent, cases)


def _opened(env: dict[str, str]) -> str:
    open_mail(env, Keeper([]))
    return "object"


def test_the_environment_chooses_how_mails_leave() -> None:
    names = ("MAGNETGEN_MAIL_PROVIDER", "MAGNETGEN_MAIL_KEY", "MAGNETGEN_MAIL_URL", "MAGNETGEN_SMTP_URL")
    sound: list[tuple[str, ...]] = [("resend", "k"), ("brevo", "k", "http://localhost:1"), (), ("", "")]
    wrong: list[tuple[str, ...]] = [
        ("nobody", "k"),
        ("resend",),
        ("resend", "é"),
        ("", "k"),
        ("resend", "k", "no url"),
        ("resend", "k", "", "smtp://x"),
    ]
    cases = [dict(zip(names, values, strict=False)) for values in (*sound, *wrong)]
    answers = ask([["openMail", env] for env in cases])
    for env, found in zip(cases, answers, strict=True):
        wanted = here(_opened, env)
        assert found == wanted, env


def test_smtp_is_refused_with_what_to_set_instead() -> None:
    (found,) = ask([["openMail", {"MAGNETGEN_SMTP_URL": "smtp://user:secret@host"}]])
    assert found["fault"] == "SiteFault" and "MAGNETGEN_MAIL_PROVIDER" in found["says"]
    assert "secret" not in found["says"]
