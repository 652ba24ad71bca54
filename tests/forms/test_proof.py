"""Proofs of work: the pure judgement, and forms that ask for one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magnetgen.forms import contract, proof
from magnetgen.forms.http import Response
from magnetgen.forms.site import Challenge, SiteFault, from_data
from tests.forms.data import NOW, document, form
from tests.forms.solving import SALT, solution, solve, wrong
from tests.forms.world import World

CHALLENGE = Challenge(contract.PROOF_OF_WORK, contract.PROOF, "", "site.example", "plain", 8)
ASKED = {"kind": "proof-of-work", "bits": 8}
FAST = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


# The judgement


def test_a_solution_is_right() -> None:
    assert proof.is_right(CHALLENGE, solution(), NOW)
    assert proof.is_right(CHALLENGE, solution(bits=11), NOW), "more than was asked for"


@pytest.mark.parametrize("bits", range(12))
def test_bits_are_those_of_the_hash(bits: int) -> None:
    text = solve(f"mg1/8/plain/site.example/{NOW}/{SALT}/", bits)
    binary = "".join(f"{byte:08b}" for byte in sha256(text.encode()).digest())
    assert proof.zero_bits(text) == len(binary) - len(binary.lstrip("0")) >= bits


@pytest.mark.parametrize(
    "text",
    [
        "",
        solution(form="other"),
        solution(host="evil.example"),
        solution(host="SITE.example"),
        solution(bits=7),
        solution(time=NOW - 3601),
        solution(time=NOW + 301),
        solution(salt="0123456789abcde"),
        solution(salt="0123456789ABCDEF"),
        solution(salt="a" * 65),
        solution() + "\n",
        " " + solution(),
        solution() + "/",
        solve(f"mg2/8/plain/site.example/{NOW}/{SALT}/"),
        solve(f"mg1/08/plain/site.example/{NOW}/{SALT}/"),
        solve(f"mg1/8/plain/site.example/0{NOW}/{SALT}/"),
        solve(f"mg1/8/plain/site.example/{NOW}/{SALT}/0"),
        wrong(f"mg1/8/plain/site.example/{NOW}/{SALT}/", 8),
        f"mg1/99/plain/site.example/{NOW}/{SALT}/1",
        "mg1/8/plain/site.example/١٧٨٠٠٠٠٠٠٠/0123456789abcdef/1",
        "x" * 8192,
        "mg1/" * 2000,
    ],
)  # fmt: skip
def test_anything_else_is_wrong(text: str) -> None:
    assert not proof.is_right(CHALLENGE, text, NOW)


@pytest.mark.parametrize(("off", "right"), [(-3601, False), (-3600, True), (0, True), (300, True), (301, False)])
def test_the_time_is_exact_to_the_second(off: int, right: bool) -> None:
    assert proof.is_right(CHALLENGE, solution(time=NOW + off), NOW) is right


def test_a_claim_of_more_bits_must_be_true() -> None:
    prefix = f"mg1/20/plain/site.example/{NOW}/{SALT}/"
    assert not proof.is_right(CHALLENGE, next(solve(prefix, bits) for bits in (8,)), NOW)


PARTS = st.one_of(
    st.text(max_size=20), st.sampled_from(["mg1", "8", "17", "plain", "site.example", str(NOW), SALT, "0"])
)


@FAST
@given(st.one_of(st.text(max_size=600), st.lists(PARTS, min_size=6, max_size=8).map("/".join)))
def test_any_text_is_judged_without_a_fault(text: str) -> None:
    if not any("\ud800" <= char <= "\udfff" for char in text) and proof.is_right(CHALLENGE, text, NOW):
        assert proof.zero_bits(text) >= 8 and text.startswith("mg1/")
        proof.count(text)


def test_a_solution_is_counted_until_nobody_would_take_it_any_more() -> None:
    text = solution(time=NOW + 300)
    counted = proof.count(text)
    assert (counted.bucket, counted.key) == ("pow", sha256(text.encode()).hexdigest()[32:])
    assert counted.limit == 1 and counted.ends_at >= (NOW + 300 + proof.PAST) * 1000


# The forms


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, document({name: form(name=name, challenge=ASKED) for name in ("plain", "other")}))
    yield made
    made.close()


def send(world: World, answer: str, address: str = "ana@x.co", name: str = "plain", **headers: str) -> Response:
    return world.submit(name, urlencode({"email": address, contract.PROOF: answer}), **headers)


def code(answer: Response) -> tuple[int, str]:
    return answer.status, answer.code


def test_it_is_taken_once(world: World) -> None:
    text = solution()
    assert send(world, text).status == 202
    assert code(send(world, text, "bo@x.co")) == (422, "challenge_failed")
    assert code(send(world, text, "bo@x.co", idempotency_key="k" * 16)) == (422, "challenge_failed")
    assert send(world, solution(salt="fresh" * 4), "bo@x.co").status == 202
    assert sorted(lead["email"] for lead in world.rows("leads")) == ["ana@x.co", "bo@x.co"]
    assert all(contract.PROOF not in row["fields"] and row["source"] == {} for row in world.rows("submissions"))


def test_what_is_sent_again_is_answered_again(world: World) -> None:
    text, key = solution(), {"idempotency_key": "k" * 16}
    assert send(world, text, **key).status == 202
    again = send(world, text, **key)
    assert again.status == 202 and ("idempotency-replayed", "true") in again.headers
    assert code(send(world, text, "bo@x.co", **key)) == (422, "idempotency_reused")
    assert send(world, text, **key).status == 202, "also after somebody else has tried it"
    assert len(world.rows("submissions")) == 1


def test_without_a_key_a_double_click_is_one(world: World) -> None:
    text = solution()
    assert [send(world, text).status for _ in range(3)] == [202, 202, 202]
    assert len(world.rows("submissions")) == 1
    # When the stored answer has gone, so has the right to it.
    world.now += 2000
    assert code(send(world, text)) == (422, "challenge_failed")


def test_a_fault_in_a_field_does_not_use_it_up(world: World) -> None:
    text = solution()
    assert code(send(world, text, "nobody")) == (422, "validation")
    assert send(world, text).status == 202


def test_one_of_another_form_is_none(world: World) -> None:
    assert code(send(world, solution("other"))) == (422, "challenge_failed")
    assert send(world, solution("other"), name="other").status == 202


def test_the_challenge_comes_before_the_fields(world: World) -> None:
    assert code(send(world, "nonsense", "nobody")) == (422, "challenge_failed")
    answer = json.loads(send(world, "nonsense", "nobody").body)
    assert [fault["field"] for fault in answer["errors"]] == [contract.PROOF]
    assert b"nonsense" not in send(world, "nonsense").body


def test_it_asks_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(world.runtime.verifier), "verify", lambda *_: pytest.fail("asked"))
    assert send(world, solution()).status == 202
    assert world.runtime.review() == 0


def test_in_the_honeypot_it_is_not_judged(world: World) -> None:
    assert world.submit("plain", "email=a%40x.co&_mg_hp=1").status == 202
    assert [row["status"] for row in world.rows("submissions")] == ["quarantined"]


def test_a_lost_counter_lets_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counters may be lost in a crash; the store of leads then has the last word."""
    monkeypatch.setattr(world.store, "rate", lambda counts, now: [0] * len(counts))
    text = solution()
    assert [send(world, text, address).status for address in ("a@x.co", "b@x.co")] == [202, 202]


@FAST
@given(
    st.one_of(st.text(max_size=80), st.lists(PARTS, min_size=6, max_size=8).map("/".join)),
    st.sampled_from(["", "k" * 16, "k" * 17, "ü", "x"]),
    st.booleans(),
)
def test_no_answer_makes_a_fault_of_ours(world: World, answer: str, key: str, as_json: bool) -> None:
    try:
        pairs = {"email": "ana@x.co", contract.PROOF: answer, "_mg_idem": key}
        body = json.dumps(pairs, ensure_ascii=False) if as_json else urlencode(pairs, quote_via=quote)
        body.encode()
    except UnicodeEncodeError:
        return
    kind = "application/json" if as_json else "application/x-www-form-urlencoded"
    answered = world.submit("plain", body, content_type=kind)
    assert code(answered) == (422, "challenge_failed") or answered.status == 202


# forms.json


@pytest.mark.parametrize(
    "challenge", [{"kind": "riddle"}, {"kind": "proof-of-work"}, {"kind": "turnstile"}, {"bits": 3}]
)
def test_a_document_that_says_too_little_is_refused(challenge: dict[str, object]) -> None:
    with pytest.raises(SiteFault):
        from_data(document({"plain": form(challenge=challenge)}))


def test_the_builds_own_document(tmp_path: Path) -> None:
    declared = contract.Challenge(contract.PROOF_OF_WORK, 9)
    spec = replace(contract.NEWSLETTER, name="plain", consent=(), challenge=declared, per_hour=7)
    urls = ("https://site.example/t/", "https://site.example/c/", "https://Site.Example:8443/b/")
    site = from_data(document({"plain": contract.compile_form(spec, *urls)}))
    found = site.forms["plain"]
    assert found.per_hour == 7
    assert found.challenge == Challenge("proof-of-work", "_mg_pow", "", "site.example", "plain", 9)
    text = solve(contract.puzzle(declared, "plain", contract.hostname(urls[2])) + f"{NOW}/{SALT}/")
    assert proof.is_right(found.challenge, text, NOW)


def test_a_long_name_is_cut_where_turnstile_would_cut_it() -> None:
    spec = replace(contract.NEWSLETTER, name="n" * 40, challenge=contract.Challenge("turnstile", 0, "key", "SECRET"))
    entry = contract.compile_form(spec, *["https://site.example/"] * 3)["challenge"]
    assert entry == {
        "kind": "turnstile", "field": "_mg_turnstile", "hostname": "site.example", "action": "n" * 32,
        "secret_env": "SECRET",
    }  # fmt: skip
