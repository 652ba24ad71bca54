"""`magnetgen leads` over a store that a handler filled, in this process and through a running handler."""

from __future__ import annotations

import json
import os
import pty
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest
from click.testing import CliRunner, Result

from magnetgen.cli import cli
from magnetgen.forms import files, settings, tokens
from magnetgen.forms.mail import Sent
from magnetgen.leads.terminal import visible, width
from tests.conftest import ROOT
from tests.forms.data import EVERYTHING, KEYS, NOW
from tests.forms.test_command import Server
from tests.forms.world import World

SECRETS = {
    "MAGNETGEN_SECRETS": f"k1:{KEYS.masters['k1'].hex()}",
    "MAGNETGEN_EMAIL_KEY": KEYS.email.hex(),
    "MAGNETGEN_ADMIN_TOKEN": KEYS.admin,
}
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Lab:
    """A site whose handler has taken submissions. `run`: a command over its store."""

    def __init__(self, site: Path) -> None:
        self.site = site
        self.state = site / ".magnetgen"
        self.world = World(self.state)
        (self.state / "forms.json").write_text(json.dumps(EVERYTHING))
        settings.save(site, settings.as_lines(SECRETS))

    def submit(self, form: str, **fields: str) -> None:
        assert self.world.submit(form, urlencode(fields)).status == 202
        self.world.now += 60

    def run(self, *words: str, input: str | None = None, **env: str) -> Result:
        found = run(*words, "--site", str(self.site), input=input, **env)
        assert "@" not in found.stderr
        return found

    def json(self, *words: str) -> Any:
        done = self.run(*words, "--format", "json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def rows(self, table: str) -> list[Any]:
        return self.world.rows(table)


def run(*words: str, input: str | None = None, **env: str) -> Result:
    clean: dict[str, str | None] = {name: None for name in os.environ if name.startswith("MAGNETGEN_")}
    done = CliRunner().invoke(
        cli, ["leads", *words], input=input, env={"COLUMNS": None, "NO_COLOR": None, **clean, **env}
    )
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def source(**touch: str) -> str:
    first = {"landing": "/", **touch}
    return json.dumps({"first": first, "last": {"landing": "/guide/", "utm_source": "letter", "page": "/guide/"}})


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    made.world.close()


@pytest.fixture
def full(lab: Lab) -> Lab:
    """Leads of three forms, a held submission, a bot's, and a delivery that was given up."""
    lab.submit("plain", email="ana@example.com", first_name="Ana", _mg_src=source(utm_source="podcast"))
    lab.submit("news", email="ben@example.com", letters="yes", _mg_src=source(gclid="g"))
    lab.submit(
        "double", email="cy@example.com", first_name="Cy", _mg_src=source(referrer="https://www.friend.example/x")
    )
    lab.submit("plain", email="dora@example.com", _mg_t="10", _mg_src=source())
    lab.submit("plain", email="bot@example.com", _mg_hp="x")
    lab.submit("all", email="eve@example.com", message="=1+1\nsecond", tags="a", size="L")
    return lab


def given_up(lab: Lab) -> None:
    """Everything for the destination fails for good."""
    lab.world.outcome = lambda dest: Sent(dest != "crm", "400" if dest == "crm" else "250", permanent=dest == "crm")
    lab.world.runtime.deliverer.drain()


# --- list --------------------------------------------------------------------------------------------------------


def test_list_shows_the_newest_first_and_what_is_held(full: Lab) -> None:
    lines = full.run("list").stdout.splitlines()
    assert re.findall(r"\w+@example\.com", "\n".join(lines)) == [
        f"{n}@example.com" for n in ("eve", "cy", "ben", "ana")
    ]
    assert lines[0].split() == ["When", "Form", "Status", "Email", "Answers"]
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d  all +confirmed +eve@", lines[1])
    assert lines[-1] == f"1 held: magnetgen leads list --status held --site {full.site}"
    assert "\x1b" not in "".join(lines)


def test_list_selects_and_says_how_many_more_there_are(full: Lab) -> None:
    assert [row["email"] for row in full.json("list", "--form", "double")["leads"]] == ["cy@example.com"]
    assert [row["status"] for row in full.json("list", "--status", "pending")["leads"]] == ["pending"]
    found = full.json("list", "--limit", "1")
    assert (len(found["leads"]), found["more"], found["held"]) == (1, 3, 1)
    assert "… and 3 more" in full.run("list", "--limit", "1").stdout
    assert full.json("list", "--since", "2099-01-01")["leads"] == []
    assert len(full.json("list", "--since", "2020-01-01")["leads"]) == 4
    for status, email in (("held", "dora@example.com"), ("quarantined", "bot@example.com")):
        assert [row["email"] for row in full.json("list", "--status", status)["submissions"]] == [email]
    assert "held (time)" in full.run("list", "--status", "held").stdout


@pytest.mark.parametrize("text", ["yesterday", "7 d", "9999999w", "0001-01-01", "2026-13-01", "-5d"])
def test_a_faulty_time_is_refused(full: Lab, text: str) -> None:
    done = full.run("list", "--since", text)
    assert (done.exit_code, "--since is to be a date" in done.stderr) == (2, True), done.output


def test_more_than_a_thousand_are_not_counted(lab: Lab) -> None:
    fill(lab, 1030)
    assert "… and 1,000 or more:" in lab.run("list").stdout
    assert "… and 30 more:" in lab.run("list", "--limit", "1000").stdout


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 200])
def test_every_line_fits_the_terminal(full: Lab, columns: int) -> None:
    full.submit("plain", email=f"{'long' * 15}@{'domain.' * 8}example.com", first_name="漢字かな交じり文e\u0301👩🏽‍🚀")
    for words in (["list"], ["list", "--status", "held"], ["stats"], ["stats", "--by", "source"]):
        lines = full.run(*words, COLUMNS=str(columns)).stdout.splitlines()
        body = lines if "" not in lines else lines[: lines.index("")]
        assert [line for line in body if width(line) > columns] == []
    if columns == 200:
        assert "👩🏽‍🚀" in full.run("list", COLUMNS="200").stdout


def test_columns_stand_below_each_other_with_wide_letters(lab: Lab) -> None:
    lab.submit("plain", email="a@example.com", first_name="漢字")
    lab.submit("plain", email="longer@example.com", first_name="e\u0301e\u0301")
    head, *rows = lab.run("list").stdout.splitlines()
    assert {row.index("confirmed") for row in rows} == {head.index("Status")}
    assert {len(row.split("example.com")[0]) for row in rows} == {head.index("Email") + n for n in (2, 7)}


def test_hostile_values_are_harmless(lab: Lab) -> None:
    """Rows as a careless importer might leave them: the handler itself would refuse these."""
    lab.submit("plain", email="a@example.com", first_name="x")
    evil = "\x1b]0;pwned\x07\x1b[2J\x9b31m\u202egnp.exe\r\nfake line\u2028\x00"
    connection = sqlite3.connect(lab.state / "leads.sqlite3")
    with connection:
        connection.execute("UPDATE lead SET data=?", (json.dumps({"email": "a@example.com", "first_name": evil}),))
        connection.execute("UPDATE submission SET fields=?, source=?", (json.dumps({evil: evil}), json.dumps({"first": {"utm_source": evil}})))  # fmt: skip
        connection.execute("UPDATE outbox SET last_code=?", (evil,))
    connection.close()
    for words in (["list"], ["show", "a@example.com"], ["stats"], ["replay"]):
        text = lab.run(*words).stdout
        assert not CONTROLS.search(text)
        assert "\nfake line" not in text
    assert lab.json("list")["leads"][0]["data"]["first_name"] == evil


def test_colour_only_on_a_terminal_that_wants_it(full: Lab) -> None:
    assert "\x1b[32mconfirmed" in on_terminal(full, TERM="xterm")
    assert "\x1b[" not in on_terminal(full, TERM="xterm", NO_COLOR="1")
    assert "\x1b[" not in on_terminal(full, TERM="dumb")


def on_terminal(lab: Lab, **env: str) -> str:
    ours, theirs = pty.openpty()
    plain = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "TERM")}
    command = [sys.executable, "-m", "magnetgen", "leads", "list", "--site", str(lab.site)]
    done = subprocess.Popen(command, env={**plain, "PYTHONPATH": str(ROOT / "src"), **env}, stdout=theirs)
    os.close(theirs)
    text = b""
    try:
        while piece := os.read(ours, 65536):
            text += piece
    except OSError:  # the other end is closed
        pass
    assert done.wait(60) == 0
    os.close(ours)
    return text.decode()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_of_another_encoding_gets_what_it_has(full: Lab, encoding: str) -> None:
    full.submit("plain", email="z@example.com", first_name="漢")
    done = as_user("list", "--limit", "2", "--site", str(full.site), PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert ("漢".encode() in done.stdout) == (encoding == "utf-8")


def as_user(*words: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MAGNETGEN_")}
    command = [sys.executable, "-m", "magnetgen", "leads", *words]
    return subprocess.run(
        command, env={**plain, "PYTHONPATH": str(ROOT / "src"), **env}, capture_output=True, timeout=60
    )


# --- show --------------------------------------------------------------------------------------------------------


def test_show_tells_everything_of_a_person(full: Lab) -> None:
    text = full.run("show", "ben@example.com").stdout
    lead = next(row for row in full.rows("leads") if row["email"] == "ben@example.com")
    for part in ("news: confirmed", lead["id"], "Consent letters: given", "Send me news.", "gclid", "utm_source",
                 "lead.created to crm", "text_sha256", "Submission of"):  # fmt: skip
        assert part in text, part
    by_id = [full.run("show", lead["id"][:n]).stdout for n in (10, 32)]
    assert by_id == [text, text]
    assert full.json("show", "ben@example.com")["leads"][0]["id"] == lead["id"]


def test_show_finds_what_has_no_lead(full: Lab) -> None:
    held = next(row for row in full.rows("submissions") if row["status"] == "held")
    assert "held (time)" in full.run("show", held["id"]).stdout
    assert "dora@example.com" in full.run("show", "dora@example.com").stdout
    assert full.world.submit("plain", "_mg_hp=x").status == 202
    loose = next(row for row in full.rows("submissions") if not row["email"])
    assert "(no address)" in full.run("show", loose["id"]).stdout


@pytest.mark.parametrize(
    ("who", "code", "says"),
    [
        ("nobody@example.com", 1, "nothing is kept of this address"),
        ("a b@c", 2, "this is not an email address"),
        ("0" * 32, 1, "there is no lead and no submission with this id"),
        ("zzz", 2, "give an email address"),
    ],
)
def test_show_says_when_there_is_nobody(full: Lab, who: str, code: int, says: str) -> None:
    done = full.run("show", who)
    assert (done.exit_code, says in done.stderr) == (code, True), done.stderr


# --- erase, release, replay --------------------------------------------------------------------------------------


def test_erase_asks_erases_and_can_be_repeated(full: Lab) -> None:
    full.world.runtime.deliverer.drain()
    declined = full.run("erase", "ana@example.com", input="n\n")
    assert (declined.exit_code, "Nothing was erased." in declined.stdout) == (0, True)
    assert "Erase ana@example.com: 1 lead and 1 submission?" in declined.stdout
    done = full.run("erase", "-", "--yes", input=" Ana@example.com \n")
    assert "Erased: 1 lead and 1 submission." in done.stdout and "To be told: crm." in done.stdout
    assert "ana@" not in done.stdout.lower()
    assert "ana@example.com" not in {row["email"] for row in full.rows("leads") + full.rows("submissions")}
    assert [row["dest"] for row in full.rows("outbox") if row["kind"] == "lead.erased"] == ["crm"]
    again = full.run("erase", "ana@example.com", "--yes")
    assert (again.exit_code, again.stdout) == (0, "Nothing is kept of this address.\n")
    assert full.run("erase", "-", input="ana@example.com\n").exit_code == 2
    assert full.run("erase", "-", "--yes", input="a@x.co\nb@x.co\n").exit_code == 2


def test_erasing_with_another_key_does_not_claim_that_nothing_is_kept(full: Lab) -> None:
    other = {**tokens.make_secrets()}
    done = full.run("erase", "ana@example.com", "--yes", **other)
    assert (done.exit_code, "MAGNETGEN_EMAIL_KEY is not the one" in done.stderr) == (3, True)
    assert len(full.rows("leads")) == 4


def test_release_makes_leads(full: Lab) -> None:
    id = next(row["id"] for row in full.rows("submissions") if row["status"] == "held")
    done = full.run("release", id[:8])
    assert (
        done.exit_code == 0 and "Released: 1 submission." in done.stdout and "a running handler sends it" in done.stdout
    )
    assert "dora@example.com" in {row["email"] for row in full.rows("leads")}
    assert full.world.mails == [] and full.world.hooks == []
    assert full.run("release", id).exit_code == 0
    assert "there is nothing that waits" in full.run("release", id[:8]).stderr
    bot = next(row["id"] for row in full.rows("submissions") if row["status"] == "quarantined")
    mixed = full.run("release", "f" * 32, bot)
    assert mixed.exit_code == 1 and "Released: 1 submission." in mixed.stdout and "no such submission" in mixed.stderr
    assert len(full.rows("leads")) == 6


def test_release_of_all_that_is_held_leaves_bots_alone(full: Lab) -> None:
    full.submit("plain", email="fay@example.com", _mg_t="10")
    assert full.run("release", "--all-held", input="n\n").exit_code == 0
    assert len(full.rows("leads")) == 4
    assert "Released: 2 submissions." in full.run("release", "--all-held", "--yes").stdout
    assert {row["status"] for row in full.rows("submissions")} == {"accepted", "quarantined"}
    assert full.run("release").exit_code == 2
    assert full.world.submit("plain", "_mg_hp=x").status == 202
    loose = next(row["id"] for row in full.rows("submissions") if not row["email"])
    assert "no email address" in full.run("release", loose).stderr


def test_release_needs_the_forms(full: Lab) -> None:
    (full.state / "forms.json").unlink()
    id = next(row["id"] for row in full.rows("submissions") if row["status"] == "held")
    done = full.run("release", id)
    assert (done.exit_code, "build the site first" in done.stderr) == (2, True)


def test_replay_lists_what_was_given_up_and_makes_it_due(full: Lab) -> None:
    assert full.run("replay").stdout == "No delivery was given up.\n"
    given_up(full)
    listed = full.run("replay").stdout.splitlines()
    assert len(listed) == 4 and all("lead.created to crm, 1 attempt, last answer 400" in line for line in listed)
    one = full.run("replay", listed[0].split()[0])
    assert one.exit_code == 0 and "1 delivery is due again." in one.stdout
    assert "3 deliveries are due again." in full.run("replay", "--dead").stdout
    assert {row["state"] for row in full.rows("outbox") if row["dest"] == "crm"} == {"due"}
    sent = next(row["id"] for row in full.rows("outbox") if row["state"] == "done")
    assert "it has been sent" in full.run("replay", sent).stderr
    assert full.run("replay", "f" * 32).exit_code == 1
    assert full.run("replay", "nonsense").exit_code == 2


def test_what_an_unsubscriber_or_an_erased_person_had_is_not_replayed(full: Lab) -> None:
    connection = sqlite3.connect(full.state / "leads.sqlite3")
    with connection:
        connection.execute("UPDATE outbox SET state='dead', last_code='cancelled' WHERE dest='mail'")
    connection.close()
    full.run("erase", "ben@example.com", "--yes")
    ended = [row for row in full.rows("outbox") if row["state"] == "dead"]
    assert {row["last_code"] for row in ended} == {"cancelled", "erased"}
    assert "0 deliveries are due again." in full.run("replay", "--dead").stdout
    assert [full.run("replay", row["id"]).exit_code for row in ended] == [1] * len(ended)
    assert [row for row in full.rows("outbox") if row["state"] == "dead"] == ended


def test_dead_deliveries_are_found_below_many_newer_ones(lab: Lab) -> None:
    lab.submit("plain", email="first@example.com")
    given_up(lab)
    connection = sqlite3.connect(lab.state / "leads.sqlite3")
    with connection:
        connection.executemany(
            "INSERT INTO outbox(id,lead_id,form_id,dest,kind,cause,body,created_at,state,next_at) "
            "VALUES(?,'','plain','crm','lead.created',?,'{}',?,'done',0)",
            [(f"{n:032x}", str(n), NOW * 2000) for n in range(300)],
        )
    connection.close()
    assert "1 delivery is due again." in lab.run("replay", "--dead").stdout


@pytest.mark.parametrize(("query", "status"), [("", 200), ("?state=dead&limit=200", 200), ("?state=x", 400), ("?limit=201", 400), ("?after=1", 400)])  # fmt: skip
def test_the_outbox_is_asked_for_states_that_there_are(full: Lab, query: str, status: int) -> None:
    given = full.world.request("GET", f"/admin/outbox{query}", authorization=f"Bearer {KEYS.admin}")
    assert given.status == status


def test_send_sends_as_the_handler_would(full: Lab) -> None:
    """Nothing is set up here, so nothing may be sent; and that is said."""
    given_up(full)
    done = full.run("replay", "--dead", "--send")
    assert done.exit_code == 0 and "0 sent." in done.stdout
    assert [line for line in done.stderr.splitlines() if "waits in the outbox: " in line or "mails wait" in line] == [
        "magnetgen: mails wait in the outbox: neither MAGNETGEN_SMTP_URL nor MAGNETGEN_MAIL_PROVIDER is set",
        "magnetgen: what is for the destination crm waits in the outbox: CRM_URL is not set",
    ]
    assert full.run("list", "--preview", "--limit", "1").exit_code == 0
    assert full.run("replay", "--preview", "--send").exit_code == 2


# --- stats -------------------------------------------------------------------------------------------------------


def test_stats_join_where_people_came_from_with_what_became_of_them(full: Lab) -> None:
    found = {tuple(row.values()) for row in full.json("stats")["rows"]}
    assert found == {
        ("/guide/", "podcast", 1, 1, 0), ("/guide/", "google ads", 1, 1, 0), ("/guide/", "friend.example", 1, 0, 0),
        ("/guide/", "direct", 1, 0, 0), ("(unknown)", "direct", 1, 1, 0),
    }  # fmt: skip
    last = {row["source"]: row["submitted"] for row in full.json("stats", "--touch", "last", "--by", "source")["rows"]}
    assert last == {"letter": 4, "direct": 1}
    assert [row["form"] for row in full.json("stats", "--by", "form")["rows"]] == ["plain", "all", "news", "double"]
    assert full.run("stats", "--format", "csv").stdout.splitlines()[0] == "page,source,submitted,confirmed,downloaded"
    text = full.run("stats").stdout
    assert re.search(r"^All +5 +3 \(60%\) +0 \(0%\)$", text, re.M), text


def test_stats_count_people_once_and_downloads(lab: Lab) -> None:
    lab.submit("book", email="ana@example.com", _mg_src=source(utm_source="podcast"))
    lab.submit("book", email="ana@example.com", _mg_src=source(utm_source="later"))
    link = lab.world.submit("book", "email=ana%40example.com&_mg_src=%7B%7D")
    token = json.loads(link.body)["next"].partition("#")[2]
    assert lab.world.request("GET", f"/download/{token}").status == 200
    [row] = lab.json("stats", "--by", "source")["rows"]
    assert row == {"source": "podcast", "submitted": 1, "confirmed": 1, "downloaded": 1}


# --- stores ------------------------------------------------------------------------------------------------------


def test_the_next_command_is_for_the_same_store(full: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    (full.state / files.REAL.store).rename(full.state / files.PREVIEW.store)
    monkeypatch.chdir(full.site)
    assert run("list", "--preview").stdout.endswith("1 held: magnetgen leads list --status held --preview\n")
    held = run("list", "--status", "held", "--preview").stdout
    assert held.endswith("magnetgen leads release ID --preview makes one a lead.\n")


def commands() -> list[list[str]]:
    return [["list"], ["stats"], ["export"], ["replay"], ["erase", "a@x.co", "--yes"], ["list", "--status", "held"]]


@pytest.mark.parametrize("words", commands(), ids="-".join)
@pytest.mark.parametrize("preview", [False, True])
def test_without_a_store_nothing_is_made(tmp_path: Path, words: list[str], preview: bool) -> None:
    done = run(*words, "--site", str(tmp_path), *(["--preview"] if preview else []))
    assert done.exit_code == 0, done.output
    if words[0] in ("list", "stats"):
        assert done.stdout.startswith("There are no leads yet: `magnetgen ")
    assert list(tmp_path.iterdir()) == []


def test_a_bare_store_is_enough_to_read(full: Lab) -> None:
    for name in (files.REAL.forms, files.REAL.secrets):
        (full.state / name).unlink()
    assert len(full.json("list")["leads"]) == 4
    assert full.run("export").exit_code == full.run("stats").exit_code == full.run("replay").exit_code == 0
    done = full.run("show", "ana@example.com")
    assert (done.exit_code, "MAGNETGEN_SECRETS is not set" in done.stderr) == (2, True)


def test_the_preview_has_its_own_store_and_keys(full: Lab) -> None:
    real, preview = files.REAL, files.PREVIEW
    for before, after in ((real.store, preview.store), (real.secrets, preview.secrets)):
        (full.state / before).rename(full.state / after)
    assert full.run("show", "ana@example.com", "--preview").exit_code == 0
    assert not (full.state / real.store).exists()
    assert full.run("list").stdout.startswith("There are no leads yet")


def test_another_store_by_the_environment(full: Lab, tmp_path: Path) -> None:
    moved = tmp_path / "else where.sqlite3"
    (full.state / "leads.sqlite3").rename(moved)
    assert "ana@" in full.run("list", MAGNETGEN_STORE=f"sqlite:///{tmp_path}/else%20where.sqlite3").stdout
    assert full.run("list", MAGNETGEN_STORE="nonsense").exit_code == 2


def _newer(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()


@pytest.mark.parametrize(
    ("spoil", "says", "code"),
    [
        (_newer, "the store has version 99", 2),
        (lambda path: path.write_bytes(b"no database " * 99), "not a database", 3),
    ],
)
def test_a_store_that_cannot_be_read_is_left_alone(
    lab: Lab, spoil: Callable[[Path], Any], says: str, code: int
) -> None:
    lab.world.close()
    path = lab.state / "leads.sqlite3"
    spoil(path)
    before = path.read_bytes()
    done = lab.run("list")
    assert (done.exit_code, done.stdout, says in done.stderr) == (code, "", True), done.stderr
    assert path.read_bytes() == before


# --- the same through a running handler --------------------------------------------------------------------------


@pytest.fixture
def server(full: Lab) -> Iterator[Server]:
    made = Server(full.site, SECRETS)
    yield made
    made.stop()


def test_a_running_handler_gives_the_same(full: Lab, server: Server, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{server.port}/api"
    env = {"MAGNETGEN_ADMIN_TOKEN": KEYS.admin}
    id = full.rows("leads")[0]["id"]
    for words in (
        ["list"], ["list", "--format", "json"], ["list", "--status", "held"], ["list", "--limit", "1"], ["stats"],
        ["stats", "--touch", "last", "--format", "csv"], ["export"], ["export", "--format", "jsonl"], ["show", id],
        ["export", "--format", "json", "--status", "pending"], ["list", "--since", "2020-01-01", "--form", "plain"],
        ["show", "nobody@example.com"], ["show", "no address@"], ["release", "f" * 32], ["replay", "f" * 32],
    ):  # fmt: skip
        here, there = full.run(*words), run(*words, "--url", url, **env)
        # Commands that are named lead to where these came from.
        shown = here.stdout.replace(f" --site {full.site}", f" --url {url}")
        assert (here.exit_code, shown, here.stderr) == (there.exit_code, there.stdout, there.stderr), words
        assert "--status held\n" not in there.stdout and "release ID makes" not in there.stdout
    # And it takes orders while commands read the file beside it.
    assert run("release", "--all-held", "--yes", "--url", url, **env).exit_code == 0
    assert run("erase", "ana@example.com", "--yes", "--url", url, **env).exit_code == 0
    assert {row["email"] for row in full.json("list")["leads"]} == {
        f"{name}@example.com" for name in ("ben", "cy", "eve", "dora")
    }
    drained = run("replay", "--dead", "--send", "--url", url, **env)
    assert (drained.exit_code, "due again" in drained.stdout) == (0, True)


def test_texts_for_the_terminal() -> None:
    assert visible("a\tb\nc\x1b[31m") == "a b c\N{REPLACEMENT CHARACTER}[31m"
    assert visible("a\nb", newlines=True) == "a\nb"
    assert visible("\ud800") == "\N{REPLACEMENT CHARACTER}"
    assert (width("漢"), width("e\u0301"), width("ab")) == (2, 1, 2)


def fill(lab: Lab, number: int, form: str = "plain") -> None:
    """Leads straight into the file, as many as a test needs."""
    lab.submit(form, email="real@example.com", first_name="Real")
    connection = sqlite3.connect(lab.state / "leads.sqlite3")
    with connection:
        connection.executemany(
            "INSERT INTO lead VALUES(?,?,?,?,'confirmed',?,'[]',?,NULL,NULL,NULL)",
            (
                (f"{n:032x}", form, f"p{n}@example.com", f"key{n}", json.dumps({"first_name": f"P{n}" * 20}), n)
                for n in range(1, number)
            ),
        )
    connection.close()


def test_the_page_is_of_the_store_that_the_handler_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    program = SimpleNamespace(open_inbox=lambda site, store, port, browser: asked.append(store))
    monkeypatch.setattr("magnetgen.cli._serving", lambda work: work(program))
    monkeypatch.delenv("MAGNETGEN_STORE", raising=False)
    (tmp_path / ".magnetgen").mkdir()
    (tmp_path / ".magnetgen" / "secrets").write_text("MAGNETGEN_STORE=postgresql://lab@db/lab\n")
    opening = ["leads", "open", "--site", str(tmp_path)]
    assert CliRunner().invoke(cli, opening).exit_code == 0 and asked == ["postgresql://lab@db/lab"]
    (tmp_path / ".magnetgen" / "secrets").write_text("nonsense\n")
    done = CliRunner().invoke(cli, opening)
    assert done.exit_code == 2 and "expected MAGNETGEN_NAME=value" in done.output
