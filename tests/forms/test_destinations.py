"""Destinations of every kind against a server that checks what it gets as the service's documentation has it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import md5
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magnetgen.forms import destinations, outbox, recipes, runtime, webhooks
from magnetgen.forms.destinations import Unset, open_destination
from magnetgen.forms.mail import Sent
from magnetgen.forms.records import Delivery, Lead
from magnetgen.forms.site import Destination, SiteFault, from_data
from magnetgen.forms.webhooks import HttpPoster, Ready
from tests.forms.data import EVERYTHING, document, form
from tests.forms.services import Answer, Got, Service, serving
from tests.forms.world import World

KINDS = ("slack", "hubspot", "kit", "mailchimp", "brevo", "listmonk")
LISTS = tuple(kind for kind in KINDS if kind != "slack")
ID = "ab" * 16
MD5 = md5(b"ana.b+x@example.com").hexdigest()
DATA: dict[str, Any] = {
    "id": ID,
    "form": "news",
    "email": "Ana.B+x@example.com",
    "status": "confirmed",
    "fields": {
        "email": "Ana.B+x@example.com",
        "name": "Ana  de la Cruz",
        "company": "Ruiz & Co",
        "phone": "+49 1",
        "topics": ["Roof", "Gutters"],
    },
    "consent": [{"name": "letters", "given": True, "version": "v", "submitted_at": "2026-06-01T12:00:00Z"}],
    "created_at": "2026-06-01T12:00:00.000Z",
    "confirmed_at": None,
}
ENV = {"KEY": "user:key-us6", "LIST": "7"}
BASIC_USER = "Basic " + base64.b64encode(b"user:key-us6").decode()
BASIC_MAILCHIMP = "Basic " + base64.b64encode(b"magnetgen:user:key-us6").decode()
AUTH = {
    "hubspot": ("authorization", "Bearer user:key-us6"),
    "kit": ("x-kit-api-key", "user:key-us6"),
    "mailchimp": ("authorization", BASIC_MAILCHIMP),
    "brevo": ("api-key", "user:key-us6"),
    "listmonk": ("authorization", BASIC_USER),
}


@pytest.fixture
def service() -> Iterator[Service]:
    with serving() as made:
        yield made


def ready(kind: str, url: str) -> Ready:
    return open_destination(Destination("to", kind, "URL", "", "KEY", "LIST"), {**ENV, "URL": url})


def event(kind: str = "lead.created", **data: Any) -> Delivery:
    body = {"id": ID} if kind == "lead.erased" else {**DATA, **data}
    return Delivery("cd" * 16, ID, "news", "to", kind, "c", {"type": kind, "timestamp": "t", "data": body}, 1)


def tell(service: Service, kind: str, delivery: Delivery, now: str = "") -> Sent:
    """Send as the deliverer does. `now`: the status of the lead as it is stored."""
    lead = Lead(ID, "news", "x", "k", now, {}, (), 1) if now else None
    return ready(kind, service.url).send(HttpPoster(), delivery, lambda id: lead, 1000.0)


def checked(kind: str, got: Got) -> str:
    """Method and path of a request whose headers are right."""
    name, value = AUTH.get(kind, ("user-agent", "magnetgen"))
    assert got.headers[name] == value and got.headers["accept"] == "application/json"
    assert got.headers.get("content-type") == ("application/json" if got.raw else None)
    return got.line


# --- what each service is told ------------------------------------------------------------------------------------


def test_slack_gets_a_message_that_people_can_read(service: Service) -> None:
    assert tell(service, "slack", event(status="pending"), "pending") == Sent(True, "200")
    assert tell(service, "slack", event("lead.confirmed")) == Sent(True, "200")
    first, second = service.got
    assert checked("slack", first) == "POST /"
    options = {"mrkdwn": False, "parse": "none", "link_names": False, "unfurl_links": False, "unfurl_media": False}
    rest = (
        "Form: news\nStatus: pending\nAgreed to: letters\n"
        "name: Ana de la Cruz\ncompany: Ruiz &amp; Co\nphone: +49 1\ntopics: Roof, Gutters"
    )
    assert first.json == {"text": f"New lead: Ana.B+x@example.com\n{rest}", **options}
    assert second.json["text"] == f"Lead confirmed: Ana.B+x@example.com\n{rest}".replace("Status: pending\n", "")


def test_hubspot_gets_a_contact(service: Service) -> None:
    service.answers = [Answer(201, {"id": "1"})]
    assert tell(service, "hubspot", event()) == Sent(True, "201")
    assert [checked("hubspot", got) for got in service.got] == ["POST /crm/v3/objects/contacts"]
    properties = {
        "email": "Ana.B+x@example.com", "firstname": "Ana", "lastname": "de la Cruz", "company": "Ruiz & Co",
        "phone": "+49 1",
    }  # fmt: skip
    assert service.got[0].json == {"properties": properties}


def test_hubspot_updates_a_contact_that_is_there(service: Service) -> None:
    exists = {"status": "error", "category": "CONFLICT", "message": "Contact already exists. Existing ID: 29"}
    service.answers = [Answer(409, exists), Answer(200, {"id": "29"})]
    assert tell(service, "hubspot", event()) == Sent(True, "200")
    assert [checked("hubspot", got) for got in service.got] == [
        "POST /crm/v3/objects/contacts",
        "PATCH /crm/v3/objects/contacts/Ana.B%2Bx%40example.com?idProperty=email",
    ]
    assert service.got[1].json == service.got[0].json


def test_hubspot_unsubscribes_and_cannot_erase(service: Service) -> None:
    assert tell(service, "hubspot", event("lead.unsubscribed", status="unsubscribed")).ok
    assert tell(service, "hubspot", event("lead.erased")) == Sent(True, "skipped", item=True)
    path = "/communication-preferences/v4/statuses/Ana.B%2Bx%40example.com/unsubscribe-all?channel=EMAIL"
    assert [checked("hubspot", got) for got in service.got] == [f"POST {path}"]


def test_kit_gets_a_subscriber_of_a_form(service: Service) -> None:
    service.answers = [Answer(202, {"subscriber": {"id": 5}}), Answer(201, {"subscriber": {"id": 5}})]
    assert tell(service, "kit", event()) == Sent(True, "201")
    assert [checked("kit", got) for got in service.got] == ["POST /v4/subscribers", "POST /v4/forms/7/subscribers"]
    assert service.got[0].json == {"email_address": "Ana.B+x@example.com", "first_name": "Ana"}
    assert service.got[1].json == {"email_address": "Ana.B+x@example.com"}


def test_kit_unsubscribes_by_the_id_that_it_has(service: Service) -> None:
    service.answers = [Answer(200, {"subscribers": [{"id": 16610, "state": "active"}]}), Answer(204, b"")]
    assert tell(service, "kit", event("lead.unsubscribed", status="unsubscribed")) == Sent(True, "204")
    assert [checked("kit", got) for got in service.got] == [
        "GET /v4/subscribers?email_address=Ana.B%2Bx%40example.com&status=all",
        "POST /v4/subscribers/16610/unsubscribe",
    ]
    assert service.got[1].json == {}


def test_kit_that_knows_nobody_is_left_alone(service: Service) -> None:
    service.answers = [Answer(200, {"subscribers": []})]
    assert tell(service, "kit", event("lead.unsubscribed", status="unsubscribed")) == Sent(True, "absent")


@pytest.mark.parametrize(
    "body",
    [
        b"<html>", b"{", b"[]", {}, {"subscribers": None}, {"subscribers": {}}, {"subscribers": [{"id": None}]},
        {"subscribers": [{"id": True}]}, {"subscribers": [{"id": "1/../2"}]}, {"subscribers": [{"id": {}}]},
        {"subscribers": ["x"]}, b"[" * 60_000,
    ],
)  # fmt: skip
def test_an_answer_that_cannot_be_read_is_asked_for_again(service: Service, body: Any) -> None:
    service.answers = [Answer(200, body)]
    assert tell(service, "kit", event("lead.unsubscribed", status="unsubscribed")) == Sent(False, "unreadable")
    assert len(service.got) == 1


def test_mailchimp_gets_a_member(service: Service) -> None:
    service.answers = [Answer(200, {"status": "subscribed"})]
    assert tell(service, "mailchimp", event()) == Sent(True, "200")
    assert [checked("mailchimp", got) for got in service.got] == [
        f"PUT /3.0/lists/7/members/{MD5}?skip_merge_validation=true"
    ]
    assert service.got[0].json == {
        "email_address": "Ana.B+x@example.com",
        "status_if_new": "subscribed",
        "status": "subscribed",
        "merge_fields": {"FNAME": "Ana", "LNAME": "de la Cruz"},
    }


def test_mailchimp_asks_who_once_left_to_confirm(service: Service) -> None:
    title = {"title": "Member In Compliance State", "status": 400, "detail": "cannot be subscribed"}
    service.answers = [Answer(400, title, {"content-type": "application/problem+json"}), Answer(200)]
    assert tell(service, "mailchimp", event()) == Sent(True, "200")
    assert service.got[1].line == service.got[0].line
    wanted = {"email_address": "Ana.B+x@example.com", "status_if_new": "pending", "status": "pending"}
    assert service.got[1].json == wanted


def test_mailchimp_that_finds_an_address_faulty_is_not_asked_twice(service: Service) -> None:
    service.answers = [Answer(400, {"title": "Invalid Resource", "detail": "looks fake or invalid"})]
    assert tell(service, "mailchimp", event()) == Sent(False, "400", permanent=True, item=True)
    assert len(service.got) == 1


@pytest.mark.parametrize("status", [200, 404])
def test_mailchimp_unsubscribes(service: Service, status: int) -> None:
    service.answers = [Answer(status)]
    assert tell(service, "mailchimp", event("lead.unsubscribed", status="unsubscribed")).ok
    assert checked("mailchimp", service.got[0]) == f"PATCH /3.0/lists/7/members/{MD5}"
    assert service.got[0].json == {"status": "unsubscribed"}


def test_mailchimp_is_where_the_key_says() -> None:
    opened = open_destination(Destination("to", "mailchimp", "", "", "KEY", "LIST"), {"KEY": "0f-us21", "LIST": "a1"})
    assert isinstance(opened, destinations.Service)
    assert opened.settings["url"] == "https://us21.api.mailchimp.com"


def test_brevo_gets_a_contact(service: Service) -> None:
    service.answers = [Answer(201, {"id": 21})]
    assert tell(service, "brevo", event()) == Sent(True, "201")
    assert [checked("brevo", got) for got in service.got] == ["POST /v3/contacts"]
    assert service.got[0].json == {
        "email": "Ana.B+x@example.com",
        "ext_id": ID,
        "attributes": {"FIRSTNAME": "Ana", "LASTNAME": "de la Cruz"},
        "listIds": [7],
        "updateEnabled": True,
    }


def test_brevo_that_refuses_a_part_gets_the_address_alone(service: Service) -> None:
    refused = {"code": "duplicate_parameter", "message": "Unable to create contact, ext_id is already associated"}
    service.answers = [Answer(400, refused), Answer(204, b"")]
    assert tell(service, "brevo", event()) == Sent(True, "204")
    assert service.got[1].json == {"email": "Ana.B+x@example.com", "listIds": [7], "updateEnabled": True}


def test_brevo_unsubscribes_and_erases(service: Service) -> None:
    service.answers = [Answer(204, b""), Answer(404, {"code": "document_not_found"})]
    assert tell(service, "brevo", event("lead.unsubscribed", status="unsubscribed")) == Sent(True, "204")
    assert tell(service, "brevo", event("lead.erased")) == Sent(True, "404")
    assert [checked("brevo", got) for got in service.got] == [
        "PUT /v3/contacts/Ana.B%2Bx%40example.com?identifierType=email_id",
        f"DELETE /v3/contacts/{ID}?identifierType=ext_id",
    ]
    assert [got.json for got in service.got] == [{"unlinkListIds": [7]}, None]


def test_listmonk_gets_a_subscriber(service: Service) -> None:
    assert tell(service, "listmonk", event()) == Sent(True, "200")
    assert [checked("listmonk", got) for got in service.got] == ["POST /api/subscribers"]
    assert service.got[0].json == {
        "email": "Ana.B+x@example.com",
        "name": "Ana  de la Cruz",
        "status": "enabled",
        "lists": [7],
        "attribs": {
            "lead": ID,
            "form": "news",
            "fields": {name: value for name, value in DATA["fields"].items() if name != "email"},
        },
        "preconfirm_subscriptions": True,
    }


def test_listmonk_adds_who_is_there_to_the_list(service: Service) -> None:
    service.answers = [Answer(409, {"message": "E-mail already exists."}), Answer(200, {"data": True})]
    assert tell(service, "listmonk", event()) == Sent(True, "200")
    assert checked("listmonk", service.got[1]) == "PUT /api/subscribers/query/lists"
    query = f"md5(lower(subscribers.email)) = '{MD5}'"
    wanted = {"query": query, "action": "add", "target_list_ids": [7], "status": "confirmed"}
    assert service.got[1].json == wanted


def test_listmonk_unsubscribes_and_erases(service: Service) -> None:
    assert tell(service, "listmonk", event("lead.unsubscribed", status="unsubscribed")).ok
    assert tell(service, "listmonk", event("lead.erased")).ok
    query = f"md5(lower(subscribers.email)) = '{MD5}'"
    assert [(checked("listmonk", got), got.json) for got in service.got] == [
        (
            "PUT /api/subscribers/query/lists",
            {"query": query, "action": "unsubscribe", "target_list_ids": [7]},
        ),
        ("POST /api/subscribers/query/delete", {"query": f"subscribers.attribs->>'lead' = '{ID}'"}),
    ]


def test_a_lead_that_gave_only_an_address(service: Service) -> None:
    for kind in KINDS:
        service.answers = [Answer(201, {"subscriber": {"id": 1}})]
        assert tell(service, kind, event(fields={"email": DATA["email"]}, consent=[])).ok
    bodies = [got.json for got in service.got]
    slack, hubspot, kit, _, mailchimp, brevo, listmonk = bodies
    assert slack["text"] == "New lead: Ana.B+x@example.com\nForm: news\nStatus: confirmed"
    assert hubspot == {"properties": {"email": DATA["email"]}} and kit == {"email_address": DATA["email"]}
    assert "merge_fields" not in mailchimp and "attributes" not in brevo
    assert listmonk["name"] == DATA["email"] and listmonk["attribs"] == {"lead": ID, "form": "news"}


def test_names() -> None:
    def name(**fields: str) -> tuple[str, str, str]:
        made = destinations.holes({**DATA, "fields": fields})
        return made["first_name"], made["last_name"], made["name"]

    assert name(first_name="Ana", last_name="Ruiz") == ("Ana", "Ruiz", "Ana Ruiz")
    assert name(name="Ana") == ("Ana", "", "Ana")
    assert name(name=" Ana\tRuiz  B") == ("Ana", "Ruiz B", " Ana\tRuiz  B")
    assert name(first_name="A", name="B C") == ("A", "C", "B C")
    assert name() == ("", "", "")


# --- who is told of whom -------------------------------------------------------------------------------------------

SKIPPED, NO_CONSENT = Sent(True, "skipped", item=True), Sent(True, "no_consent", item=True)


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_gets_nobody_who_has_not_confirmed(service: Service, kind: str) -> None:
    assert tell(service, kind, event(status="pending"), "pending") == SKIPPED
    assert tell(service, kind, event(status="pending"), "confirmed") == SKIPPED  # lead.confirmed says it
    assert service.got == []


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_gets_nobody_who_agreed_to_nothing(service: Service, kind: str) -> None:
    refused = {**DATA["consent"][0], "given": False}
    assert tell(service, kind, event(consent=[refused])) == NO_CONSENT
    assert service.got == []
    service.answer = lambda got: Answer(201)
    assert tell(service, kind, event(consent=[refused, *DATA["consent"]])).ok
    assert len(service.got) >= 1


@pytest.mark.parametrize("kind", LISTS)
def test_an_old_delivery_puts_nobody_back_where_they_left(service: Service, kind: str) -> None:
    assert tell(service, kind, event(), "unsubscribed") == SKIPPED
    assert tell(service, kind, event("lead.unsubscribed", status="unsubscribed"), "confirmed") == SKIPPED
    assert service.got == []


@pytest.mark.parametrize("kind", ["slack", "hubspot", "kit", "mailchimp"])
def test_who_cannot_be_erased_by_an_id_is_skipped(service: Service, kind: str) -> None:
    assert tell(service, kind, event("lead.erased")) == SKIPPED
    assert service.got == []


# --- what answers mean -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        (401, Sent(False, "401")),
        (403, Sent(False, "403")),
        (404, Sent(False, "404")),
        (410, Sent(False, "410", permanent=True, gone=True)),
        (422, Sent(False, "422", permanent=True, item=True)),
        (429, Sent(False, "429", retry_after=33)),
        (500, Sent(False, "500", retry_after=33)),
        (302, Sent(False, "302")),
    ],
)
def test_answers(service: Service, kind: str, status: int, wanted: Sent) -> None:
    headers = {"Location": f"{service.url}/other"} | ({"Retry-After": "33"} if wanted.retry_after else {})
    service.answer = lambda got: Answer(status, {"message": "no"}, headers)
    assert tell(service, kind, event()) == wanted
    assert len(service.got) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_400_for_good(service: Service, kind: str) -> None:
    service.answer = lambda got: Answer(400, {"message": "no"})
    assert tell(service, kind, event()) == Sent(False, "400", permanent=True, item=True)
    assert len(service.got) == (2 if kind == "brevo" else 1)


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_there(kind: str) -> None:
    found = ready(kind, "http://127.0.0.1:9").send(HttpPoster(), event(), lambda id: None, 1.0)
    assert found == Sent(False, "ConnectionRefusedError")


def test_garbage_instead_of_http(service: Service) -> None:
    service.answers = [Answer(200, b"x", {"content-length": "99999999999999999999999", "content-type": "text/plain"})]
    assert tell(service, "hubspot", event()).ok  # the status has come, and says it
    service.answer = lambda got: Answer(999)
    assert tell(service, "hubspot", event()) == Sent(False, "999")


def test_all_requests_of_a_delivery_share_one_time(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "TIMEOUT", 0.6)
    service.answer = lambda got: Answer(409, delay=0.4)
    assert tell(service, "hubspot", event()) == Sent(False, "TimeoutError")
    assert len(service.got) == 2


def test_a_server_that_drips_its_answer_ends_in_time(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "TIMEOUT", 0.5)
    service.answer = lambda got: Answer(200, drip=0.1)
    assert tell(service, "hubspot", event()) == Sent(False, "TimeoutError")


def test_an_answer_that_is_too_long_is_read_in_part(service: Service) -> None:
    service.answers = [Answer(200, {"subscribers": [{"x": "y" * 100_000, "id": 1}]})]
    assert tell(service, "kit", event("lead.unsubscribed", status="unsubscribed")) == Sent(False, "unreadable")


# --- hostile values ---------------------------------------------------------------------------------------------------

HOSTILE = [
    '"', "\\", "'; DROP TABLE subscribers; --", "a\r\nX-Evil: 1", "\n\n", "</script><script>alert(1)</script>",
    "<!channel>", "<!here> <@U123> <https://evil.example|click>", "@channel", "{{key}}", "{{url}}", "%0d%0a", "../../x",
    "?a=b&c=d#e", "Ünïcødé 🎈 \u202e \u2028", "\x7f", "*bold* _x_ `y`", "x" * 10_240, '","status":"x"}',
    "Member In Compliance State",
]  # fmt: skip
HOSTILE_LOCAL = ["a+b", "a&b", "a'b", "{{key}}", "a?b=c", "a/../b", "a%40b", "a#b", "$1"]


class Keeper:
    """A poster that keeps what it would have sent."""

    def __init__(self, statuses: Mapping[str, int] | None = None) -> None:
        self.sent: list[tuple[str, str, dict[str, str], Any]] = []
        self.statuses = statuses or {}

    def post(self, url: str, headers: Mapping[str, str], body: bytes, method: str = "POST") -> Sent:
        self.sent.append((method, url, dict(headers), json.loads(body) if body else None))
        found = {"subscribers": [{"id": 1}]}
        return Sent(True, str(self.statuses.get(method, 200)), body=json.dumps(found))


def shape(kind: str, data: dict[str, Any], statuses: Mapping[str, int]) -> list[Any]:
    """What is sent, without what the lead typed: methods, addresses, headers, and the JSON's keys and types."""

    def outline(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: outline(item) for key, item in value.items()}
        return [outline(item) for item in value] if isinstance(value, list) else type(value).__name__

    keeper = Keeper(statuses)
    for name, status in (("lead.created", "confirmed"), ("lead.unsubscribed", "unsubscribed"), ("lead.erased", "")):
        ready(kind, "https://api.example/base").send(keeper, event(name, **{**data, "status": status}), no_lead, 1.0)
    found = []
    for method, url, headers, body in keeper.sent:
        parts = urlsplit(url)
        path = [unquote(part).replace(data["email"], "EMAIL") for part in parts.path.split("/")]
        query = {
            name: "EMAIL" if values == [data["email"]] else values for name, values in parse_qs(parts.query).items()
        }
        hidden = md5(data["email"].lower().encode()).hexdigest()
        path = [part.replace(hidden, "MD5") for part in path]
        found.append((method, parts.scheme, parts.netloc, path, query, parts.fragment, headers, outline(body)))
    return found


def no_lead(id: str) -> None:
    return None


FIELDS = ("first_name", "last_name", "name", "company", "job_title", "phone", "website", "country", "message", "other")
PLAIN: dict[str, Any] = {"email": "a@example.com", "fields": dict.fromkeys(FIELDS, "x")}
typed = st.one_of(
    st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
)


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None)
@given(
    fields=st.fixed_dictionaries(dict.fromkeys(FIELDS, typed)),
    local=st.sampled_from(HOSTILE_LOCAL),
    again=st.booleans(),
)
def test_no_value_changes_the_shape_of_a_request(kind: str, fields: dict[str, str], local: str, again: bool) -> None:
    statuses = {"POST": 409} if again else {}
    plain, hostile = (
        shape(kind, PLAIN, statuses),
        shape(kind, {"email": f"{local}@example.com", "fields": fields}, statuses),
    )
    assert hostile == plain and plain


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_arrive_as_they_are_and_nothing_else_does(service: Service, value: str) -> None:
    service.answers = [Answer(409), Answer(200)]
    assert tell(service, "hubspot", event(fields={"first_name": value, "company": value})).ok
    for got in service.got:
        assert got.json["properties"]["firstname"] == got.json["properties"]["company"] == value
        assert "x-evil" not in got.headers and "key-us6" not in got.path


@pytest.mark.parametrize("value", HOSTILE)
def test_nothing_in_a_message_for_slack_can_be_a_mention_or_a_link(service: Service, value: str) -> None:
    assert tell(service, "slack", event(form=value, fields={"message": value, value: "x"})).ok
    text = service.got[0].json["text"]
    assert "<" not in text and ">" not in text and len(text) < 30_000
    assert service.got[0].json["link_names"] is False and service.got[0].json["mrkdwn"] is False


def test_a_line_of_a_message_cannot_be_faked() -> None:
    made = destinations.holes({**DATA, "fields": {"message": "hello\nStatus: confirmed\r\n\tx"}})
    assert made["answers"] == "message: hello Status: confirmed x"


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*KINDS, "webhook"])
def test_a_destination_without_its_environment_says_what_is_missing(kind: str) -> None:
    destination = Destination("to", kind, "A_URL", "A_SECRET", "A_KEY", "A_LIST")
    needed, _ = recipes.env_keys(kind)
    with pytest.raises(Unset) as caught:
        open_destination(destination, {})
    assert all(getattr(destination, key) in str(caught.value) for key in needed)
    assert ("A_LIST" in str(caught.value)) == ("list_env" in needed)


def test_it_waits_and_one_sentence_says_so() -> None:
    found = [
        {"name": "mc", "kind": "mailchimp", "key_env": "MC_KEY", "list_env": "MC_LIST"},
        {"name": "later", "kind": "pigeon"},
        {"name": "crm", "kind": "hubspot", "key_env": "CRM_KEY"},
    ]
    site = from_data(document({"plain": form()}, destinations=found))
    told: list[str] = []
    hooks = runtime._hooks(site, {"MC_KEY": "0f-us6", "CRM_KEY": "k"}, told.append)
    assert list(hooks) == ["crm"]
    assert told == [
        "what is for the destination mc waits in the outbox: MC_LIST is not set",
        "what is for the destination later waits in the outbox: this magnetgen knows no destinations of the kind pigeon",
    ]


@pytest.mark.parametrize(
    ("kind", "env", "says"),
    [
        ("mailchimp", {"KEY": "without-centre", "LIST": "7"}, "us6"),
        ("mailchimp", {"KEY": "0f-us6", "LIST": "7/../8"}, "audience"),
        ("brevo", {"KEY": "k\r\nx: y", "LIST": "7"}, "KEY"),
        ("brevo", {"KEY": "k", "LIST": "seven"}, "number"),
        ("brevo", {"KEY": "kü", "LIST": "7"}, "KEY"),
        ("listmonk", {"KEY": "k", "LIST": "7"}, "user:token"),
        ("hubspot", {"KEY": "k", "URL": "ftp://x"}, "URL"),
        ("slack", {"URL": "https://x/ y"}, "URL"),
    ],
)
def test_settings_of_a_wrong_form_are_refused_without_being_shown(kind: str, env: dict[str, str], says: str) -> None:
    with pytest.raises(SiteFault, match="destination to") as caught:
        open_destination(Destination("to", kind, "URL", "", "KEY", "LIST"), {"URL": "https://x.example", **env})
    assert says in str(caught.value)
    assert not any(value in str(caught.value) for value in env.values() if len(value) > 1 and value != "7")


def test_a_service_does_not_show_its_settings() -> None:
    assert "user:key" not in repr(ready("brevo", "https://x.example"))


# --- the data files ---------------------------------------------------------------------------------------------------

IN_URLS = {"url", "list", "email", "email_md5", "id", "subscriber"}
IN_HEADERS = {"key", "id"}


def steps() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for folder in ("destinations", "mail"):
        for name in recipes.names(folder):
            recipe = recipes.load(folder, name)
            lists = (
                recipe["steps"] if folder == "destinations" and name != "webhook" else {"send": recipe.get("send", [])}
            )
            for found in lists.values():
                yield from ((f"{folder}/{name}", "mail" if folder == "mail" else "destination", step) for step in found)


def used(value: Any) -> set[str]:
    text = json.dumps(value)
    assert text.count("{{") == len(recipes._HOLE.findall(text))
    assert {name for _, name in recipes._HOLE.findall(text)} <= {"", *recipes.FILTERS}
    return {name for name, _ in recipes._HOLE.findall(text)}


def test_every_step_keeps_to_the_format() -> None:
    from email.message import EmailMessage

    from magnetgen.forms import mail_api

    lead = set(destinations.holes(DATA)) | {"url", "key", "list", "subscriber"}
    mail = set(mail_api.holes({"headers": [], "add": {}}, EmailMessage())) | {"url", "key"}
    found = list(steps())
    assert len(found) > 15
    for name, kind, step in found:
        assert set(step) <= recipes.KEYS["step"], name
        assert step["url"].startswith("{{url}}") and step["url"].count("{{url}}") == 1, name
        assert (
            used(step["url"]) <= IN_URLS and used(step.get("auth", {})) | used(step.get("headers", {})) <= IN_HEADERS
        ), name
        assert used(step.get("json", {})) <= (mail if kind == "mail" else lead) - {"url", "key"}, name
        for rule in [*step.get("next", []), *step.get("done", []), *step.get("retry", []), *step.get("permanent", [])]:
            assert 200 <= int(str(rule).split(" ")[0]) < 600, name


def test_every_recipe_keeps_to_the_format() -> None:
    for folder, kind in (("destinations", "destination"), ("mail", "mail")):
        for name in recipes.names(folder):
            recipe = recipes.load(folder, name)
            wanted = {"settings"} if name == "webhook" else recipes.KEYS[kind]
            assert set(recipe) == wanted, name
            assert all(set(setting) <= recipes.KEYS["setting"] for setting in recipe["settings"].values()), name
            for event_name, found in recipe.get("events", {}).items():
                assert event_name in ("lead.created", "lead.confirmed", "lead.unsubscribed", "lead.erased")
                assert set(found) <= recipes.KEYS["event"] and found["do"] in recipe["steps"]
            for each in recipe.get("steps", {"send": recipe.get("send")}).values():
                assert each is None or "next" not in each[-1], name


# --- in the outbox ----------------------------------------------------------------------------------------------------


def test_a_lead_goes_to_its_services_and_leaves_them(tmp_path: Path, service: Service) -> None:
    found = [{"name": kind, "kind": kind, "key_env": "KEY", "list_env": "LIST", "url_env": "URL"} for kind in KINDS]
    service.answer = lambda got: Answer(201 if got.method == "POST" else 200, {"subscribers": [{"id": 4}]})
    world = World(tmp_path, {**EVERYTHING, "destinations": found})
    world.runtime.deliverer.hooks = {kind: ready(kind, f"{service.url}/{kind}") for kind in KINDS}
    world.runtime.deliverer.poster = HttpPoster()
    world.submit("double", "email=ana%40x.co&first_name=Ana")
    world.runtime.deliverer.drain()
    assert [got.path for got in service.got] == ["/slack"]
    codes = {row["dest"]: row["last_code"] for row in world.rows("outbox")}
    assert codes == {"mail": "200", "slack": "201", **dict.fromkeys(LISTS, "skipped")}
    assert {row["state"] for row in world.rows("outbox")} == {"done"}
    world.close()


def test_a_skipped_delivery_says_nothing_of_the_service(world: World) -> None:
    world.runtime.deliverer.hooks = {"crm": ready("brevo", "https://x.example")}
    for _ in range(outbox.BREAKS_AFTER):
        world.runtime.deliverer._breakers.setdefault("crm", outbox.Breaker()).note(False, 0)
    world.submit("double", "email=ana%40x.co")
    world.now += 61
    world.runtime.deliverer.drain()
    assert world.runtime.deliverer._breakers["crm"].open


def test_a_lead_that_unsubscribed_meanwhile_is_not_subscribed(world: World) -> None:
    opened = ready("brevo", "https://x.example")
    delivery = event()
    lead = Lead(ID, "news", "x", "k", "confirmed", {}, (), 1)
    keeper = Keeper()
    assert opened.send(keeper, delivery, lambda id: lead, 1.0).ok and len(keeper.sent) == 1
    assert opened.send(keeper, delivery, lambda id: replace(lead, status="unsubscribed"), 1.0) == SKIPPED
    assert len(keeper.sent) == 1
