"""What `deploy --verify-only` sees of a live site, and each fault that it must find."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from click.testing import CliRunner, Result

from magnetgen.cli import cli
from magnetgen.forms import runtime, tokens
from magnetgen.forms.mail import Sent
from tests.deploy.live import Answer, Live


def verify(live: Live, *words: str, keys: bool = True, **env: str) -> Result:
    """Verify what is live, as its owner, who has the handler's keys or only the token."""
    known = live.env if keys else {"MAGNETGEN_ADMIN_TOKEN": live.env["MAGNETGEN_ADMIN_TOKEN"]}
    words = ("deploy", "cloudflare", "--site", str(live.root), "--verify-only", "--patience", "0", *words)
    done = CliRunner().invoke(cli, words, env={**known, **env}, catch_exceptions=False)
    for secret in live.env.values():
        assert secret not in done.output
    return done


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch, bare: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("magnetgen.deploy.canary.PAUSE", 0.01)
    monkeypatch.setattr("magnetgen.deploy.verify.PAUSE", 0.01)


def nothing_left(live: Live) -> None:
    assert live.rows("leads") == [] and live.rows("submissions") == []


def test_all_is_well(live: Live) -> None:
    done = verify(live)
    assert done.exit_code == 0, done.stdout
    assert "FAULT" not in done.stdout and "warn" not in done.stdout
    assert re.search(r"sent: direct as sales\+magnetgen-canary-[0-9a-f]{8}@site\.example", done.stdout)
    assert "downloaded: five-questions.pdf" in done.stdout and "erased again" in done.stdout
    nothing_left(live)
    kinds = {(json.loads(body)["type"]) for body in live.hooked}
    assert kinds == {"lead.created", "lead.erased"}
    assert sorted(str(mail["to"]).partition("+")[0] for mail in live.mails)[0].startswith("sales")


def test_a_confirmation_is_given_with_a_key_that_is_known_here(live: Live) -> None:
    done = verify(live, "--form", "questions")
    assert done.exit_code == 0, done.stdout
    lines = done.stdout
    assert lines.index("stored: pending") < lines.index("mail:confirm") < lines.index("confirmed, with")
    assert lines.index("confirmed, with") < lines.index("downloaded:") < lines.index("erased again")
    nothing_left(live)


def test_without_the_key_it_says_what_was_not_seen(live: Live) -> None:
    done = verify(live, "--form", "questions", keys=False)
    assert done.exit_code == 0, done.stdout
    assert "not confirmed: only" in done.stdout and "what follows the confirmation was not seen" in done.stdout
    nothing_left(live)


def test_another_key_than_the_handler_has(live: Live) -> None:
    other = tokens.make_secrets()["MAGNETGEN_SECRETS"]
    done = verify(live, "--form", "questions", keys=False, MAGNETGEN_SECRETS=other)
    assert done.exit_code == 0 and "MAGNETGEN_SECRETS here is not the handler's" in done.stdout
    assert other not in done.stdout
    nothing_left(live)


def test_a_form_without_a_gift(live: Live) -> None:
    done = verify(live, "--form", "newsletter", "--canary", "ana@site.example")
    assert done.exit_code == 0, done.stdout
    assert [str(mail["to"]) for mail in live.mails] == ["ana@site.example"]
    again = verify(live, "--form", "newsletter", "--canary", "ana@site.example")
    assert again.exit_code == 0, again.output
    nothing_left(live)


def test_the_address_comes_from_the_environment(live: Live) -> None:
    done = verify(live, MAGNETGEN_CANARY="eve@site.example")
    assert done.exit_code == 0 and "as eve@site.example" in done.stdout
    assert verify(live, MAGNETGEN_CANARY="nonsense").exit_code == 2


def test_a_real_lead_is_never_the_canary(live: Live) -> None:
    answer = live.answer("POST", "/api/forms/newsletter", {"content-type": "application/x-www-form-urlencoded"},
                         b"email=ana%40site.example&newsletter=yes")  # fmt: skip
    assert answer[0] == 303
    done = verify(live, "--canary", "ana@site.example")
    assert done.exit_code == 2 and "known to the handler already" in done.stdout
    assert [lead["email"] for lead in live.rows("leads")] == ["ana@site.example"]


def test_what_a_cut_off_trial_left_is_taken_away(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("magnetgen.deploy.canary._erase", lambda *_: None)
        assert verify(live, "--canary", "ana@site.example").exit_code == 0
    assert len(live.rows("leads")) == 1
    assert verify(live, "--canary", "ana@site.example").exit_code == 0
    nothing_left(live)


def test_without_a_token_no_form_is_tried_and_that_is_said(live: Live) -> None:
    live_env, live.env = live.env, {}
    try:
        done = verify(live)
    finally:
        live.env = live_env
    assert done.exit_code == 0 and "no form was tried" in done.stdout
    assert ("POST", "/api/forms/direct") not in live.seen


def test_no_canary(live: Live) -> None:
    assert verify(live, "--no-canary").exit_code == 0
    assert not any(path.startswith("/api/forms/") or "admin" in path for _, path in live.seen)


def test_no_form_of_that_name(live: Live) -> None:
    done = verify(live, "--form", "nope")
    assert done.exit_code == 2 and "forms: direct, newsletter, questions" in done.stdout


# --- faults of pages ---------------------------------------------------------------------------------------------


def swap(path: str, **change: Any) -> Any:
    """A host that answers a path otherwise: `status`, `body`, `without` (a header)."""

    def meddle(method: str, asked: str, answer: Answer) -> Answer:
        if not re.fullmatch(path, asked):
            return answer
        headers = {name: value for name, value in answer[1].items() if name.lower() != change.get("without")}
        return change.get("status", answer[0]), {**headers, **change.get("headers", {})}, change.get("body", answer[2])

    return meddle


@pytest.mark.parametrize(
    ("meddle", "code", "says"),
    [
        (swap("/", body=b"<title>Soon here</title>"), 1, "does not show this build (its title: Soon here)"),
        (swap("/", status=500), 1, "answers with status 500"),
        (swap("/", status=301, headers={"location": "https://www.site.example/"}), 1, "redirects to https://www.site.example/"),
        (swap("/sitemap.xml", status=404), 1, "sitemap.xml answers with status 404"),
        (swap("/robots.txt", body=b"User-agent: *\nDisallow: /\n"), 1, "robots.txt is not this build's"),
        (swap("/no-such-page.*", status=200), 1, "does not exist answers with status 200"),
        (swap("/no-such-page.*", body=b"<h1>Oops</h1>"), 1, "shows a page of the host's"),
        (swap("/", without="content-security-policy"), 1, "pages come without content-security-policy"),
        (swap("/", headers={"Referrer-Policy": "unsafe-url"}), 1, "pages come with another referrer-policy"),
        (swap("/api/healthz", status=502), 1, "there is no handler"),
        (swap("/api/readyz", status=503), 1, "cannot write to its store"),
    ],
)  # fmt: skip
def test_a_fault_of_the_host_is_found(live: Live, meddle: Any, code: int, says: str) -> None:
    live.meddle = meddle
    done = verify(live)
    assert done.exit_code == code and says in done.stdout, done.stdout
    nothing_left(live)


def test_one_fault_does_not_hide_the_next(live: Live) -> None:
    live.meddle = lambda method, path, answer: swap("/sitemap.xml", status=404)(method, path, swap("/no-such.*", status=200)(method, path, answer))  # fmt: skip
    assert verify(live).stdout.count("FAULT") == 2


def test_a_script_that_the_host_adds_is_told_of(live: Live) -> None:
    home = (live.out / "index.html").read_bytes()
    live.meddle = swap("/", body=home.replace(b"</body>", b"<script>track()</script></body>"))
    done = verify(live)
    assert done.exit_code == 0 and "the host changes pages" in done.stdout


def test_a_new_build_may_take_a_while_to_be_seen(live: Live) -> None:
    stale = iter([b"<title>Old</title>"] * 3)
    live.meddle = lambda method, path, answer: (answer[0], answer[1], next(stale, answer[2])) if path == "/" else answer
    assert verify(live, "--patience", "20").exit_code == 0


def test_nobody_listens(live: Live) -> None:
    done = CliRunner().invoke(cli, ["deploy", "cloudflare", "--site", str(live.root), "--verify-only", "--patience", "0",
                                    "--base-url", "http://127.0.0.1:9"])  # fmt: skip
    assert done.exit_code == 2 and f"the last build is for {live.url}" in done.stdout


# --- faults of the handler ---------------------------------------------------------------------------------------


def test_a_form_that_refuses(live: Live) -> None:
    live.meddle = swap("/api/forms/direct", status=403, body=b'{"code":"origin_denied"}')
    done = verify(live)
    assert done.exit_code == 1 and "status 403 (origin_denied)" in done.stdout
    nothing_left(live)


def test_a_yes_without_a_lead(live: Live) -> None:
    def lie(method: str, path: str, answer: Answer) -> Answer:
        if path == "/api/forms/direct":
            live.runtime.store.clear()
        return answer

    live.meddle = lie
    done = verify(live)
    assert done.exit_code == 1 and "its store has nothing" in done.stdout


def test_a_mail_that_is_refused(live: Live) -> None:
    live.outcome = Sent(False, "401")
    done = verify(live)
    assert done.exit_code == 1 and "could not be sent: 401" in done.stdout, done.stdout
    nothing_left(live)


def test_a_mail_that_nobody_sends(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(live.runtime.deliverer), "start", lambda self: [])
    monkeypatch.setattr(runtime.Runtime, "drain", lambda self: {"sent": 0, "failed": 0})
    done = verify(live)
    assert done.exit_code == 1 and "nothing has tried to" in done.stdout, done.stdout
    nothing_left(live)


@pytest.mark.parametrize(("change", "says"), [
    ({"status": 503}, "the download answered with status 503"),
    ({"body": b"another book"}, "came in other bytes than were built"),
])  # fmt: skip
def test_a_download_that_fails(live: Live, change: dict[str, Any], says: str) -> None:
    live.meddle = swap("/api/download/.*", **change)
    done = verify(live)
    assert done.exit_code == 1 and says in done.stdout, done.stdout
    nothing_left(live)


def test_a_download_from_a_storage(live: Live) -> None:
    """A redirect to where large files lie is followed, once."""
    book = (live.root / "content" / "magnets" / "five-questions.pdf").read_bytes()

    def elsewhere(method: str, path: str, answer: Answer) -> Answer:
        if path.startswith("/api/download/"):
            return 302, {"location": f"{live.url}store/book"}, b""
        return (200, {}, book) if path == "/store/book" else answer

    live.meddle = elsewhere
    assert verify(live).exit_code == 0


def test_an_erasure_that_fails_is_told_with_the_command(live: Live) -> None:
    live.meddle = swap("/api/admin/leads/erase", status=503)
    done = verify(live, "--canary", "ana@site.example")
    assert done.exit_code == 3, done.stdout
    assert f"magnetgen leads erase ana@site.example --yes --url {live.url}api" in done.stdout


def test_an_erasure_that_fails_after_another_fault(live: Live) -> None:
    live.meddle = lambda method, path, answer: swap("/api/admin/leads/erase", status=503)(method, path, swap("/api/download/.*", status=500)(method, path, answer))  # fmt: skip
    done = verify(live)
    assert done.exit_code == 1 and "the download answered" in done.stdout and "could not be erased" in done.stdout


def test_another_token(live: Live) -> None:
    done = verify(live, MAGNETGEN_ADMIN_TOKEN="x" * 43)
    assert done.exit_code == 1 and "refuses this token" in done.stdout and "x" * 43 not in done.stdout
    nothing_left(live)


def test_stopped_from_the_keyboard_it_still_erases(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("magnetgen.deploy.canary._download", stop)
    with pytest.raises(KeyboardInterrupt):
        from pathlib import Path

        from magnetgen.deploy import canary, program
        from magnetgen.deploy.job import Wishes
        from magnetgen.deploy.steps import Show

        monkeypatch.setenv("MAGNETGEN_ADMIN_TOKEN", live.env["MAGNETGEN_ADMIN_TOKEN"])
        job = program.open_job(Path(live.root), Wishes("cloudflare", verify_only=True), Show(terminal=False))
        canary.try_form(job, 0)
    nothing_left(live)


# What is no file


def give(live: Live, **magnet: Any) -> None:
    """Let the form that gives its file at once give this instead."""
    path = live.root / ".magnetgen" / "forms.json"
    data = json.loads(path.read_text("utf-8"))
    name = data["forms"]["direct"]["magnet"]
    data["magnets"] = {name: {"kind": "discount", "title": "Gift", **magnet}}
    path.write_text(json.dumps(data), "utf-8")
    live.begin()


@pytest.mark.parametrize(
    ("magnet", "told"),
    [
        ({"kind": "link", "url": "https://elsewhere.example/début?a=b"}, "led on: "),
        ({"code": "SPRING", "url": "https://shop.example/"}, " has one"),
        ({"codes": ["A1", "B2"]}, " has one"),
    ],
)
def test_a_link_and_a_code_are_judged_as_such(live: Live, magnet: dict[str, Any], told: str) -> None:
    """Nobody else's address is asked, and no code is shown."""
    give(live, **magnet)
    done = verify(live, "--form", "direct")
    assert done.exit_code == 0, done.stdout
    assert told in done.stdout and "elsewhere.example" not in done.stdout and "SPRING" not in done.stdout
    nothing_left(live)


def test_a_trial_takes_no_code_unless_its_form_is_asked_for(live: Live) -> None:
    give(live, codes=["A1"])
    done = verify(live)
    assert done.exit_code == 0 and "sent: direct" not in done.stdout
    assert "code: " in verify(live, "--form", "direct").stdout
    done = verify(live, "--form", "direct", "--canary", "ana@site.example")
    assert done.exit_code == 0 and "have been given out" in done.stdout and "has none left" in done.stdout
    nothing_left(live)


def test_a_link_that_leads_elsewhere_and_a_code_of_another_build_are_found(live: Live) -> None:
    def elsewhere(method: str, path: str, answer: Answer) -> Answer:
        status, headers, body = answer
        return status, {**headers, "location": "https://other.example/"} if status == 302 else headers, body

    give(live, kind="link", url="https://elsewhere.example/")
    live.meddle = elsewhere
    done = verify(live, "--form", "direct")
    assert done.exit_code == 1 and "leads elsewhere than was built" in done.output

    def other(method: str, path: str, answer: Answer) -> Answer:
        return (*answer[:2], answer[2].replace(b"SPRING", b"AUTUMN"))

    give(live, code="SPRING")
    live.meddle = other
    done = verify(live, "--form", "direct")
    assert done.exit_code == 1 and "the code is another" in done.output
    live.meddle = lambda method, path, answer: (503, {}, b"") if "/download/" in path else answer
    done = verify(live, "--form", "direct", "--canary", "bob@site.example")
    assert done.exit_code == 1 and "page answered with status 503" in done.output
