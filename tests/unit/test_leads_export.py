"""`magnetgen leads export`: spreadsheets that compute nothing, files that are whole, memory that does not grow."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magnetgen.leads.client import Client, Wish
from magnetgen.leads.export import columns, export, guarded, is_formula, unguarded
from magnetgen.leads.local import open_local
from tests.conftest import ROOT
from tests.forms.data import EMAIL, document, form
from tests.forms.world import World
from tests.unit.test_leads import Lab, fill
from tests.unit.test_leads_remote import Fake

DANGEROUS = [
    "=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1", "\ufeff=1", "\u200b=1", "＝1", "＋1", "－1", "＠x",
    "=cmd|' /C calc'!A0", "+49 170 1234567", "-", "--5", "-5+cmd|' /C calc'!A0", "-1e5", "-１", "'=1", "''=1", "'\t", "  -5",
    '=HYPERLINK("https://evil.example","x")', "-5\n",
]  # fmt: skip
HARMLESS = [
    "",
    "a",
    "-5",
    "-5.25",
    "-1,5",
    "5",
    "a=1",
    "a-b",
    "'",
    "'a",
    "O'Neil",
    "a@x.co",
    "漢字",
    "1+1",
    "0049 170",
    "#x",
]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    made.world.close()


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


# --- formulas ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", DANGEROUS)
def test_what_a_spreadsheet_might_compute_is_marked(text: str) -> None:
    assert is_formula(text) and guarded(text) == f"'{text}" and unguarded(guarded(text)) == text


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    assert guarded(text) == text == unguarded(text)


@settings(deadline=None)
@given(st.text())
def test_the_mark_can_be_taken_off_again(text: str) -> None:
    assert unguarded(guarded(text)) == text
    assert guarded(text)[:1] not in tuple("=+@\t\r\n＝＋－＠")


values = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(DANGEROUS)
names = st.text("ab_1", min_size=1, max_size=4) | st.sampled_from(["status", "id", "consent_a", "field_id"])
leads = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.integers(0, 2**128 - 1).map("{:032x}".format),
            "form": names,
            "status": st.sampled_from(["pending", "confirmed"]),
            "email": st.sampled_from(["a@x.co", "+1@x.co", "=1+1@x.co", "'q@x.co"]),
            "data": st.dictionaries(
                names.filter(lambda name: name != "email"), values | st.lists(values, max_size=3), max_size=4
            ),
            "consent": st.lists(
                st.fixed_dictionaries({"name": names, "given": st.booleans(), "text": values}), max_size=3
            ),
            "created_at": st.integers(0, 4_000_000_000_000),
        }
    ),
    max_size=3,
)


@settings(deadline=None)
@given(leads)
def test_a_table_read_back_has_every_value(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    target = tmp_path_factory.mktemp("out") / "leads.csv"
    assert export(rows, "csv", target, excel=False) == len(rows)
    text = target.read_bytes().decode()
    found = list(csv.reader(io.StringIO(text, newline="")))
    fields = sorted({name for row in rows for name in row["data"]})
    consents = sorted({record["name"] for row in rows for record in row["consent"]})
    header = columns(fields, consents)
    assert [unguarded(cell) for cell in found[0]] == header and len(set(header)) == len(header)
    for row, cells in zip(rows, found[1:], strict=True):
        plain = [unguarded(cell) for cell in cells]
        assert plain[:4] == [row["id"], row["form"], row["status"], row["email"]]
        given_values = [row["data"].get(name, "") for name in fields]
        expected = ["; ".join(value) if isinstance(value, list) else value for value in given_values]
        assert plain[8 : 8 + len(fields)] == expected
        by_name = {record["name"]: record for record in row["consent"]}
        texts = plain[8 + len(fields) :: 4], plain[9 + len(fields) :: 4]
        assert texts == (
            [("yes" if by_name[name]["given"] else "no") if name in by_name else "" for name in consents],
            [by_name[name]["text"] if name in by_name else "" for name in consents],
        )
    assert text.count("\r\n") >= len(rows) + 1


def test_a_table_by_the_command(lab: Lab) -> None:
    lab.submit("all", email="eve@example.com", message='=1+1, "x"\nsecond', tags="a", site="https://x.example/")
    lab.submit("news", email="ben@example.com", letters="yes", first_name="Zoë")
    lab.world.submit("all", "email=two%40x.co&tags=a&tags=b")
    text = lab.run("export").stdout_bytes.decode()
    two, ben, eve = read(text)
    assert list(two) == [
        "id", "form", "status", "email", "created_at", "confirmed_at", "unsubscribed_at", "downloaded_at",
        "first_name", "message", "site", "tags",
        "consent_letters", "consent_letters_text", "consent_letters_at", "consent_letters_confirmed_at",
    ]  # fmt: skip
    assert (two["tags"], eve["tags"], eve["message"]) == ("a; b", "a", '\'=1+1, "x"\nsecond')
    assert (ben["first_name"], ben["consent_letters"], ben["consent_letters_text"]) == ("Zoë", "yes", "Send me news.")
    assert eve["created_at"] == "2026-05-28T20:26:40.000Z" and eve["confirmed_at"] == ""
    assert lab.run("export", "--excel").stdout_bytes == b"\xef\xbb\xbf" + text.encode()
    assert lab.run("export", "--excel", "--format", "json").exit_code == 2
    assert [row["email"] for row in read(lab.run("export", "--form", "news").stdout)] == ["ben@example.com"]


def test_json_has_the_leads_as_they_are(lab: Lab) -> None:
    assert json.loads(lab.run("export", "--format", "json").stdout) == []
    lab.submit("all", email="eve@example.com", message="=1+1")
    lab.submit("plain", email="ana@example.com")
    whole = json.loads(lab.run("export", "--format", "json").stdout)
    lines = [json.loads(line) for line in lab.run("export", "--format", "jsonl").stdout.splitlines()]
    assert whole == lines == lab.json("list")["leads"]
    assert whole[1]["data"]["message"] == "=1+1"


# --- files -------------------------------------------------------------------------------------------------------


def test_a_file_is_for_its_owner_only_and_replaced_as_a_whole(lab: Lab, tmp_path: Path) -> None:
    lab.submit("plain", email="ana@example.com")
    folder = tmp_path / "out"
    folder.mkdir()
    target = folder / "leads.csv"
    target.write_text("old")
    target.chmod(0o644)
    done = lab.run("export", "-o", str(target))
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", f"1 lead in {target}.\n")
    assert target.stat().st_mode & 0o777 == 0o600 and read(target.read_text())[0]["email"] == "ana@example.com"
    assert [path.name for path in folder.iterdir()] == ["leads.csv"]
    link = folder / "link.csv"
    link.symlink_to(target)
    assert lab.run("export", "-o", str(link), "--format", "json").exit_code == 0
    assert link.is_symlink() and target.read_text().startswith("[")
    assert lab.run("export", "-o", str(folder / "none" / "x.csv")).exit_code == 3


def test_a_full_disk_leaves_no_half_file(lab: Lab, tmp_path: Path) -> None:
    fill(lab, 3000)
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "leads.csv").write_text("old")
    for style in ("csv", "json"):
        command = [sys.executable, "-m", "magnetgen", "leads", "export", "--site", str(lab.site), "--format", style]
        done = subprocess.run(
            [*command, "-o", str(folder / "leads.csv")], env=environment(), capture_output=True, text=True, timeout=60,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (3, ""), done
        assert (
            done.stderr.startswith("magnetgen: ") and "File too large" in done.stderr and done.stderr.count("\n") == 1
        )
        assert [(path.name, path.read_text()) for path in folder.iterdir()] == [("leads.csv", "old")]
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        command = [sys.executable, "-m", "magnetgen", "leads", "export", "--site", str(lab.site)]
        done = subprocess.run(command, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (done.returncode, done.stderr.count("\n"), "No space left" in done.stderr) == (3, 1, True), done.stderr


def environment() -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MAGNETGEN_")}
    return {**plain, "PYTHONPATH": str(ROOT / "src")}


@pytest.mark.parametrize("style", ["csv", "json", "jsonl"])
def test_a_reader_that_leaves_is_no_fault(lab: Lab, style: str) -> None:
    fill(lab, 3000)
    command = [sys.executable, "-m", "magnetgen", "leads", "export", "--site", str(lab.site), "--format", style]
    done = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.stdout is not None and done.stderr is not None
    done.stdout.read(10)
    done.stdout.close()
    assert (done.wait(60), done.stderr.read()) == (0, b"")
    done.stderr.close()


def test_stopped_by_hand_it_leaves_nothing(tmp_path: Path) -> None:
    with Fake() as fake:
        fake.pages("leads", [{"id": "a" * 32, "email": "a@x.co", "data": {}}] * 200, endless=True, pause=0.05)
        target = tmp_path / "leads.json"
        command = [sys.executable, "-m", "magnetgen", "leads", "export", "--url", fake.url, "-o", str(target)]
        done = subprocess.Popen(
            [*command, "--format", "json"], env={**environment(), "MAGNETGEN_ADMIN_TOKEN": "t"}, stderr=subprocess.PIPE
        )
        while len(fake.seen) < 3:
            time.sleep(0.02)
        assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
        done.send_signal(signal.SIGINT)
        _, said = done.communicate(timeout=60)
    assert (done.returncode, said.strip()) == (130, b"magnetgen: stopped; nothing is half written")
    assert list(tmp_path.iterdir()) == []


# --- size --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["csv", "json", "jsonl"])
def test_memory_does_not_grow_with_the_leads(tmp_path: Path, style: str) -> None:
    peaks = []
    for number in (2_000, 20_000):
        site = tmp_path / str(number)
        lab = Lab(site)
        fill(lab, number)
        lab.world.close()
        client = Client(open_local(site, False, {}))
        target = tmp_path / f"{number}.{style}"
        tracemalloc.start()
        assert export(client.leads(Wish()), style, target, excel=False) == number
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        client.transport.close()
        if style == "csv":
            assert len(read(target.read_text())) == number
    assert peaks[1] < 1.3 * peaks[0], peaks


# --- codes --------------------------------------------------------------------------------------------------------


def with_codes(site: Path) -> Lab:
    """Two leads of a form whose magnet has one code, and which asks for a field of that name."""
    fields = [EMAIL, {"name": "code", "type": "text", "max": 20}]
    magnets = {"beta": {"kind": "discount", "title": "Beta", "codes": ["=A1"]}}
    data = document({"beta": form(name="beta", magnet="beta", fields=fields)}, magnets=magnets)
    lab = Lab(site)
    lab.world.close()
    lab.world = World(lab.state, data)
    (lab.state / "forms.json").write_text(json.dumps(data))
    lab.submit("beta", email="ana@example.com", code="typed")
    lab.submit("beta", email="ben@example.com", code="other")
    return lab


def test_a_code_is_exported_and_shown(tmp_path: Path) -> None:
    lab = with_codes(tmp_path)
    rows = list(csv.DictReader(io.StringIO(lab.run("export").stdout)))
    assert [(row["email"], row["single_use_code"], row["code"]) for row in rows] == [
        ("ben@example.com", "", "other"),
        ("ana@example.com", "'=A1", "typed"),
    ]
    header = list(rows[0])
    assert header[-1] == "single_use_code"
    assert [row.get("code") for row in json.loads(lab.run("export", "--format", "json").stdout)] == [None, "=A1"]
    assert re.search(r"^  code          =A1$", lab.run("show", "ana@example.com").stdout, re.M)
    assert "=A1" not in lab.run("show", "ben@example.com").stdout
    lab.run("erase", "ana@example.com", "--yes")
    assert lab.run("export").stdout.splitlines()[0].split(",") == header[:-1]
    assert columns(["single_use_code"], [], True)[-2:] == ["single_use_code", "magnet_single_use_code"]
    lab.world.close()
