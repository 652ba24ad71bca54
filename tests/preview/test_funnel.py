"""From a form to a confirmed lead, its mails and deliveries, through a real server; and what a preview must not do."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import re
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from magnetgen.forms import files, settings, tokens
from magnetgen.forms.site import SiteFault
from magnetgen.forms.webhooks import HttpPoster
from magnetgen.preview.deliveries import SECRET
from magnetgen.preview.funnel import Funnel
from tests.conftest import SETTINGS
from tests.preview.test_funnel_world import (
    GUIDE,
    HANDLER,
    World,
    call,
    compiled,
    form_headers,
    request,
    served,
    write_site,
)

ANA = {"email": "ana@example.com", "first_name": "Ana"}
CY = {"email": "cy@example.com", "letters": "yes"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with served(write_site(tmp_path / "site")) as found:
        yield found


def test_a_lead_from_the_form_to_the_end(world: World) -> None:
    answer = world.submit("guide", **ANA)
    assert answer.status == 303 and answer.location == f"{world.origin}/forms/guide/thanks/"
    lead = world.person("ana@example.com")
    assert "To be confirmed" in world.get(lead["page"])

    confirm = world.link("confirm")
    assert "To be confirmed" in world.get(lead["page"]), "a link that is only opened changes nothing"
    assert world.ask("GET", confirm.removeprefix(world.origin)).status == 200
    assert world.post(confirm).location.startswith(f"{world.origin}/forms/guide/confirmed/#mg1.")
    assert "Confirmed" in world.get(lead["page"])

    download = world.ask("GET", world.link("download").removeprefix(world.origin))
    assert download.body == GUIDE and "attachment" in download.headers["content-disposition"]
    world.until(lambda: "Downloaded" in world.get(lead["page"]), "the time of the download")

    assert world.post(world.link("unsubscribe")).status == 200
    page = world.get(lead["page"])
    assert "Unsubscribed" in page and page.count("/mail/") >= 2
    world.until(lambda: world.mails("New lead"), "the owner's note")


def test_a_mail_is_a_file_that_its_page_shows(world: World) -> None:
    world.submit("guide", **ANA)
    link = world.link("confirm")
    listed = world.get("/_magnetgen/mail")
    name = re.search(r"/_magnetgen/mail/([0-9a-f-]+\.eml)", listed)
    assert name and "ana@example.com" in listed and "Confirmation" in listed
    page = world.get(name[0])
    assert f'<a href="{link}" rel="noreferrer">' in page
    assert "leads@preview.invalid" in page and "sandbox=" in page
    assert link in world.get(f"{name[0]}/html")
    assert "Message-ID" in world.get(f"{name[0]}/raw")
    file = world.site.root / ".magnetgen" / "preview-mail" / name[1]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert world.press("/mail/delete").status == 303
    assert not world.mails() and "No mail yet" in world.get("/_magnetgen/mail")


def test_a_newsletter_can_be_left_by_its_header(world: World) -> None:
    world.submit("letters", **CY)
    world.link("unsubscribe")
    name = re.search(r"/_magnetgen/mail/[0-9a-f-]+\.eml", world.get("/_magnetgen/mail"))
    assert name and "List-Unsubscribe-Post" in world.get(name[0])


def test_what_is_sent_too_soon_is_held_says_why_and_can_be_released(world: World) -> None:
    assert world.submit("letters", **CY, _mg_t="1234").status == 303
    page = world.get("/_magnetgen/leads")
    assert "Sent 1.2 s after loading" in page and "2 s or more" in page and "cy@example.com" in page
    assert world.funnel.counts() == {"leads": 0, "mails": 0, "held": 1, "dead": 0}
    release = re.search(r"/_magnetgen(/leads/held/[0-9a-f]{32}/release)", page)
    assert release
    answer = world.press(release[1])
    assert answer.status == 303 and "done=released" in answer.location
    assert "released" in world.get(world.person("cy@example.com")["page"])
    world.until(lambda: world.mails("Welcome"), "the welcome")
    counts = world.funnel.counts()
    assert counts["leads"] == 1 and counts["held"] == 0 and counts["mails"] >= 1


def test_what_a_machine_sent_is_kept_apart(world: World) -> None:
    world.submit("letters", **CY, _mg_hp="http://spam.example")
    page = world.get("/_magnetgen/leads")
    assert "Quarantined" in page and "no visitor sees" in page and "No lead yet" in page
    assert world.funnel.counts()["held"] == 0


def test_a_delivery_that_fails_is_tried_again_and_done(world: World) -> None:
    assert world.press("/deliveries/switch", dest="crm", failure="500").status == 303
    world.submit("letters", **CY)
    page = world.until(lambda: "Failed, next try" in (t := world.get("/_magnetgen/deliveries")) and t)
    assert "refused (500)" in page and "Every attempt meets an error of the server" in page
    failed = re.search(r"/_magnetgen(/deliveries/[0-9a-f]{32}/retry)", page)
    assert failed
    assert world.press(failed[1]).status == 303
    shown = world.get(f"/_magnetgen{failed[1].removesuffix('/retry')}")
    assert shown.count("Attempt of") == 2, "it is tried at once, and fails again"

    world.press("/deliveries/switch", dest="crm", failure="")
    assert "done=retried" in world.press(failed[1]).location
    shown = world.get(f"/_magnetgen{failed[1].removesuffix('/retry')}")
    assert "Delivered" in shown and shown.count("Attempt of") == 3
    world.settled()
    assert "Failed" not in world.get("/_magnetgen/deliveries")


def test_a_destination_that_has_failed_often_works_at_once_when_it_is_to(world: World) -> None:
    world.press("/deliveries/switch", dest="crm", failure="timeout")
    for number in range(7):
        world.submit("letters", **{**CY, "email": f"lead{number}@example.com"})
    world.until(lambda: "no answer in time" in world.get("/_magnetgen/deliveries"))
    world.press("/deliveries/switch", dest="crm", failure="")
    page = world.get("/_magnetgen/deliveries")
    retries = re.findall(r"/_magnetgen(/deliveries/[0-9a-f]{32}/retry)", page)
    for retry in retries:
        world.press(retry)
    world.settled()
    assert world.get("/_magnetgen/deliveries").count("Retry now") == 0


def test_a_mail_that_is_given_up_can_be_sent_after_all(world: World) -> None:
    world.press("/deliveries/switch", dest="mail", failure="550")
    world.submit("guide", **ANA)
    page = world.until(lambda: "Given up" in (t := world.get("/_magnetgen/deliveries")) and t)
    assert world.funnel.counts()["dead"] == 1 and not world.mails("confirm that")
    assert "1 given up" in page
    world.press("/deliveries/switch", dest="mail", failure="")
    dead = re.search(r"/_magnetgen(/deliveries/[0-9a-f]{32}/retry)", page)
    assert dead
    world.press(dead[1])
    assert world.mails("confirm that") and world.funnel.counts()["dead"] == 0


def test_retry_after_is_honoured(world: World) -> None:
    world.press("/deliveries/switch", dest="crm", failure="429")
    world.submit("letters", **CY)
    page = world.until(lambda: "Failed, next try" in (t := world.get("/_magnetgen/deliveries")) and t)
    assert "next try in 2 min" in page


def test_a_webhook_is_shown_as_it_would_be_sent(world: World) -> None:
    world.submit("letters", **CY)
    world.settled()
    page = world.get("/_magnetgen/deliveries")
    row = next(part for part in page.split("<tr")[1:] if "<bdi>crm</bdi>" in part)
    found = re.search(r"/_magnetgen/deliveries/[0-9a-f]{32}", row)
    assert found
    shown = world.get(found[0])
    assert "webhook-signature" in shown and "lead.created" in shown and SECRET in shown
    files = (world.site.root / ".magnetgen" / "preview-requests").glob(f"*{found[0][-32:]}.json")
    kept = json.loads(next(files).read_text("utf-8"))
    headers, key = kept["headers"], base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{kept['body']}".encode()
    wanted = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}" and f"v1,{wanted}" in shown.replace("&#43;", "+")
    assert kept["method"] == "POST" and kept["url"] == "https://crm.preview.invalid/"


def test_an_unknown_failure_changes_nothing(world: World) -> None:
    assert world.press("/deliveries/switch", dest="crm", failure="418").status == 404
    assert "Every attempt" not in world.get("/_magnetgen/deliveries")


def test_a_writer_may_send_as_often_as_he_likes(world: World) -> None:
    found = [world.submit("letters", **{**CY, "email": f"lead{n}@example.com"}).status for n in range(40)]
    assert found == [303] * 40


def test_why_no_second_mail_came(world: World) -> None:
    world.submit("guide", **ANA)
    world.link("confirm")
    world.submit("guide", **{**ANA, "first_name": "Anna"})
    world.settled()
    page = world.get(world.person("ana@example.com")["page"])
    assert page.count("No mail for this one") == 1 and "once in 10 minutes" in page
    assert len(world.mails("confirm that")) == 1


@pytest.mark.parametrize(("form", "lead", "subject"), [("guide", ANA, "Please confirm"), ("letters", CY, "Welcome to")])
def test_a_forgotten_lead_begins_anew(world: World, form: str, lead: dict[str, str], subject: str) -> None:
    for _ in range(2):
        world.submit(form, **lead)
        world.until(lambda: world.mails(f"Subject: {subject}"), "its mail")
        world.settled()
        found = world.person(lead["email"])
        assert "done=forgotten" in world.press(f"/leads/{found['id']}/forget").location
        assert lead["email"] not in world.get("/_magnetgen/leads")
        assert not world.mails(lead["email"]), "its mails are gone, too"
    kept = (world.site.root / ".magnetgen" / "preview-requests").glob("*.json")
    assert not any(lead["email"] in file.read_text("utf-8") for file in kept)
    assert world.ask("GET", found["page"]).status == 404
    assert lead["email"].encode() not in files.path(world.site.root, files.PREVIEW.store).read_bytes()


def test_a_held_one_can_be_forgotten(world: World) -> None:
    world.submit("letters", **CY, _mg_t="5")
    path = re.search(r"/_magnetgen(/leads/held/[0-9a-f]{32}/forget)", world.get("/_magnetgen/leads"))
    assert path
    assert world.press(path[1]).status == 303
    assert "cy@example.com" not in world.get("/_magnetgen/leads")
    assert world.press(path[1]).status == 404


def test_leads_mails_and_keys_outlive_the_preview(tmp_path: Path) -> None:
    site = write_site(tmp_path / "site")
    with served(site) as world:
        world.submit("guide", **ANA)
        world.link("confirm")
        world.settled()
        first = files.path(site.root, files.PREVIEW.secrets).read_bytes()
    with served(site) as world:
        assert world.funnel.counts() == {"leads": 1, "mails": 1, "held": 0, "dead": 0}
        token = world.link("confirm").rsplit("/", 1)[1]
        assert world.post(f"{world.origin}/api/confirm/{token}").status == 303
    secrets = files.path(site.root, files.PREVIEW.secrets)
    assert secrets.read_bytes() == first and stat.S_IMODE(secrets.stat().st_mode) == 0o600
    keys = tokens.parse_keys(settings.missing(site.root, {}, files.PREVIEW))
    assert len(keys.admin) >= tokens.ADMIN_MIN
    assert (site.root / ".magnetgen" / ".gitignore").read_text() == "*\n"
    assert stat.S_IMODE((site.root / ".magnetgen" / "preview-mail").stat().st_mode) == 0o700


def test_the_owner_may_ask_the_preview_like_any_handler(world: World) -> None:
    world.submit("letters", **CY)
    found = settings.missing(world.site.root, {}, files.PREVIEW)
    bearer = f"Bearer {found['MAGNETGEN_ADMIN_TOKEN']}"
    answer = world.ask("GET", "/api/admin/leads", authorization=bearer)
    assert [lead["email"] for lead in json.loads(answer.text)["leads"]] == ["cy@example.com"]
    assert world.ask("GET", "/api/admin/leads", authorization="Bearer x").status == 401


def test_below_a_path(tmp_path: Path) -> None:
    with served(write_site(tmp_path / "site"), "/repo/") as world:
        assert world.funnel.prefix == "/repo/api"
        assert world.submit("guide", **ANA).location == f"{world.origin}/repo/forms/guide/thanks/"
        assert world.link("confirm").startswith(f"{world.origin}/repo/api/confirm/")
        assert world.post(world.link("confirm")).status == 303
        assert f'href="{world.origin}/repo/"' in world.get("/_magnetgen/leads")


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://127.0.0.1:{}", 303), ("http://localhost:{}", 303), ("http://[::1]:{}", 303),
     ("http://evil.example:{}", 403), ("https://example.com", 403), ("http://localhost:1", 403), ("null", 403)],
)  # fmt: skip
def test_only_this_machines_names_may_send(world: World, origin: str, status: int) -> None:
    body = "email=a%40example.com&letters=yes"
    headers = {**form_headers(origin.format(world.port)), "accept": "text/html"}
    found = world.ask("POST", "/api/forms/letters", body, **{k.replace("-", "_"): v for k, v in headers.items()})
    assert found.status == status


def test_before_the_first_good_build_there_is_no_handler(tmp_path: Path) -> None:
    site = write_site(tmp_path / "site")
    funnel = Funnel(site.root, "http://127.0.0.1:8000/")
    try:
        assert funnel.prefix == "" and funnel.counts()["leads"] == 0
        funnel.use(b"")
        assert funnel.prefix == ""
        funnel.use(compiled(site.root, "http://127.0.0.1:8000/"))
        assert funnel.prefix == "/api"
        with pytest.raises(SiteFault):
            funnel.use(b'{"v": 99}')
        assert funnel.prefix == "/api", "the last good one stays"
    finally:
        asyncio.run(funnel.stop())


@pytest.mark.parametrize(
    ("handler", "said"),
    [("{provider: netlify-forms}", "Netlify Forms"),
     ("{provider: external, url: 'https://forms.example.net/f/{form}'}", "https://forms.example.net/f/{form}"),
     ("{url: 'https://api.example.org/x'}", "https://api.example.org/x")],
)  # fmt: skip
def test_forms_that_go_elsewhere_are_said_to(tmp_path: Path, handler: str, said: str) -> None:
    site = write_site(tmp_path / "site", f"{SETTINGS}handler: {handler}\n", {"letters": "title: L\nfields: [email]\n"})
    site.delete("content/magnets/guide.txt")
    with served(site) as world:
        assert world.funnel.prefix == ""
        page = world.get("/_magnetgen/leads")
        assert "do not come here" in page and said in page
        assert ("really goes there" in page) == (said != "Netlify Forms")


def test_requests_under_way_end_with_the_old_forms(tmp_path: Path) -> None:
    site = write_site(tmp_path / "site")
    base = "http://127.0.0.1:8000/"
    funnel = Funnel(site.root, base)
    funnel.use(compiled(site.root, base))
    renamed = compiled(site.root, base).replace(b'"letters": {', b'"renamed": {', 1)
    assert b'"renamed": {' in renamed
    headers, body = form_headers("http://127.0.0.1:8000"), b"email=a%40example.com&letters=yes&_mg_t=9000"

    async def scenario() -> None:
        await funnel.start()
        slow = await call(
            funnel.api, request(headers, "/api/forms/letters"), body[:9], body[9:],
            before_last=lambda: funnel.use(renamed),
        )  # fmt: skip
        assert slow[0] == 303 and slow[1]["location"] == f"{base}forms/letters/thanks/"
        assert (await call(funnel.api, request(headers, "/api/forms/letters"), body))[0] == 404
        assert (await call(funnel.api, request(headers, "/api/forms/renamed"), body))[0] == 303
        assert funnel.counts()["leads"] == 2
        await funnel.stop()

    asyncio.run(scenario())


def test_forms_change_while_many_are_sent(world: World) -> None:
    forms = (world.site.root / ".magnetgen" / "forms.json").read_bytes()
    for number in range(30):
        world.funnel.use(forms)
        assert world.submit("letters", **{**CY, "email": f"lead{number}@example.com"}).status == 303
    world.settled()
    assert world.funnel.counts()["leads"] == 30
    assert len(world.mails("Subject: Welcome")) == 30


KINDS = """handler:
  destinations:
    - {name: crm, kind: webhook, url_env: CRM_URL, secret_env: CRM_SECRET}
    - {name: team, kind: slack, url_env: TEAM_URL}
    - {name: hub, kind: hubspot, key_env: HUB_KEY}
    - {name: kit, kind: kit, key_env: KIT_KEY, list_env: KIT_LIST}
    - {name: chimp, kind: mailchimp, key_env: CHIMP_KEY, list_env: CHIMP_LIST}
    - {name: brevo, kind: brevo, key_env: BREVO_KEY, list_env: BREVO_LIST}
    - {name: monk, kind: listmonk, url_env: MONK_URL, key_env: MONK_KEY, list_env: MONK_LIST}
"""


class Outside(Exception):
    """Something was about to leave this machine."""


def test_nothing_leaves_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = write_site(tmp_path / "site", SETTINGS + KINDS)
    site.write(
        "content/forms/guide.md", '---\ntitle: G\nfields: [email]\nnotify: ["email:a@example.com", crm]\n---\n\nT\n'
    )
    base = "http://127.0.0.1:8000/"
    forms = compiled(site.root, base)
    touched: list[object] = []

    def refuse(*args: object, **_: object) -> None:
        touched.append(args)
        raise Outside

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "create_connection", "gethostbyname"):
        monkeypatch.setattr(socket, name, refuse)
    for name in ("CRM_URL", "TEAM_URL", "MONK_URL"):
        monkeypatch.setenv(name, "http://192.0.2.1/real")
    monkeypatch.setenv("MAGNETGEN_SMTP_URL", "smtp://192.0.2.1:25")

    async def scenario() -> None:
        funnel = Funnel(site.root, base)
        funnel.use(forms)
        headers = form_headers("http://127.0.0.1:8000")
        for form, body in (("letters", b"email=a%40example.com&letters=yes"), ("guide", b"email=b%40example.com")):
            assert (await call(funnel.api, request(headers, f"/api/forms/{form}"), body))[0] == 303
        done = await asyncio.to_thread(funnel._deliverer.drain)
        assert done == {"sent": 7 + 1 + 3, "failed": 0}, "seven destinations and a welcome; one, an owner and a welcome"
        await funnel.stop()

    asyncio.run(scenario())
    assert touched == []
    kept = (site.root / ".magnetgen" / "preview-requests").glob("*.json")
    assert all("192.0.2.1" not in file.read_text("utf-8") for file in kept)
    with pytest.raises(Outside):
        HttpPoster().post("http://192.0.2.1/", {}, b"")


def test_a_challenge_is_not_asked_of_anybody(tmp_path: Path) -> None:
    site = write_site(tmp_path / "site", SETTINGS + HANDLER)
    base = "http://127.0.0.1:8000/"
    data = json.loads(compiled(site.root, base))
    data["forms"]["letters"]["challenge"] = {"kind": "turnstile", "secret_env": "TURNSTILE"}

    async def scenario() -> None:
        funnel = Funnel(site.root, base)
        funnel.use(json.dumps(data).encode())
        scope = request(form_headers("http://127.0.0.1:8000"), "/api/forms/letters")
        assert (await call(funnel.api, scope, b"email=a%40example.com&letters=yes"))[0] == 303
        assert funnel.counts()["leads"] == 1
        await funnel.stop()

    asyncio.run(scenario())
