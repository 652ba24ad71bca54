"""Tokens: keys, canonical form, purposes and times."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetgen.forms import tokens
from magnetgen.forms.site import SiteFault
from magnetgen.forms.tokens import InvalidToken, Keys
from tests.forms.data import KEYS, NOW

LEAD = "0123456789abcdef" * 2
GOOD = tokens.issue(KEYS, tokens.CONFIRM, "news", LEAD, NOW, bytes(16))
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def verify(text: str, purpose: str = tokens.CONFIRM, now: float = NOW, keys: Keys = KEYS) -> tokens.Token:
    return tokens.verify(keys, text, purpose, now)


def test_hkdf_is_rfc_5869_case_1() -> None:
    found = tokens.hkdf(b"\x0b" * 22, bytes(range(13)), bytes(range(0xF0, 0xFA)), 42)
    assert found.hex() == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"


def test_hkdf_is_rfc_5869_case_3_without_salt() -> None:
    found = tokens.hkdf(b"\x0b" * 22, b"", b"", 42)
    assert found.hex() == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"


def test_a_known_token_for_every_language_and_a_key_for_every_purpose() -> None:
    assert GOOD == (
        "mg1.k1.eyJlIjoxNzgwNjA0ODAwLCJmIjoibmV3cyIsImkiOjE3ODAwMDAwMDAsIm4iOiJBQUFBQUFBQUFBQUFBQUFBQUFBQUFBIiwicCI6ImNvbmZpcm0iLCJzIjoiMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYifQ.9USm-dNj5ctc5pbzPW-KvV8G6a33y1vP_a-3pTycrdo"
    )
    found = {purpose: tokens.derive(KEYS, "k1", purpose) for purpose in ("confirm", "download", "unsubscribe")}
    assert len(set(found.values())) == 3
    assert found["confirm"] == tokens.hkdf(bytes(range(32)), b"k1", b"magnetgen/v1/confirm")


def test_a_token_says_what_was_signed() -> None:
    token = verify(GOOD)
    assert (token.purpose, token.form, token.lead, token.issued) == ("confirm", "news", LEAD, NOW)
    payload = json.loads(tokens.unb64(GOOD.split(".")[2]))
    assert list(payload) == sorted(payload) == ["e", "f", "i", "n", "p", "s"]
    assert payload["e"] == NOW + 7 * 86400


@pytest.mark.parametrize(("purpose", "seconds"), [("confirm", 604800), ("download", 259200), ("unsubscribe", 0)])
def test_lifetimes(purpose: str, seconds: int) -> None:
    text = tokens.issue(KEYS, purpose, "news", LEAD, NOW, bytes(16))
    token = verify(text, purpose)
    assert token.expires == (NOW + seconds if seconds else 0)
    assert not token.expired(NOW + seconds + 60)
    assert token.expired(NOW + seconds + 61) == bool(seconds)


def test_a_token_is_for_one_purpose() -> None:
    for purpose in (tokens.DOWNLOAD, tokens.UNSUBSCRIBE):
        with pytest.raises(InvalidToken):
            verify(GOOD, purpose)


def test_a_token_of_the_future_is_refused_beyond_the_skew() -> None:
    verify(GOOD, now=NOW - 60)
    with pytest.raises(InvalidToken):
        verify(GOOD, now=NOW - 61)


def test_rotation() -> None:
    rotated = Keys({"k2": bytes(32), **KEYS.masters}, KEYS.email)
    assert verify(GOOD, keys=rotated).lead == LEAD
    fresh = tokens.issue(rotated, tokens.CONFIRM, "news", LEAD, NOW, bytes(16))
    assert fresh.startswith("mg1.k2.")
    with pytest.raises(InvalidToken):
        verify(fresh)


def test_every_single_change_of_a_character_is_refused() -> None:
    for at, char in enumerate(GOOD):
        for other in ("A", "_", ".", "é"):
            if other != char:
                with pytest.raises(InvalidToken):
                    verify(GOOD[:at] + other + GOOD[at + 1 :])


def test_loose_bits_at_the_end_of_the_mac_are_refused() -> None:
    last = ALPHABET.index(GOOD[-1])
    for loose in range(1, 4):
        twin = GOOD[:-1] + ALPHABET[last & ~3 | loose]
        assert base64.urlsafe_b64decode(twin.rsplit(".", 1)[1] + "=") == base64.urlsafe_b64decode(
            GOOD.rsplit(".", 1)[1] + "="
        )
        with pytest.raises(InvalidToken):
            verify(twin)


@pytest.mark.parametrize(
    "text",
    [
        "", "mg1", "mg1...", GOOD + "=", GOOD + "\n", " " + GOOD, GOOD.replace("mg1", "mg2"), GOOD + "A" * 1024,
        "mg1.__proto__" + GOOD[6:], "mg1.constructor" + GOOD[6:], GOOD.replace(".k1.", ".k2."), "\0", "mg1.k1.🙂." + "A" * 43,
    ],
)  # fmt: skip
def test_malformed_tokens_are_refused(text: str) -> None:
    with pytest.raises(InvalidToken):
        verify(text)


@pytest.mark.parametrize(
    "payload",
    [
        "[]", "1", "{}", "x", "[" * 500, '{"e":0}',
        '{"e":0.0,"f":"news","i":1,"n":"AAAAAAAAAAAAAAAAAAAAAA","p":"confirm","s":"%s"}',
        '{"e":true,"f":"news","i":1,"n":"AAAAAAAAAAAAAAAAAAAAAA","p":"confirm","s":"%s"}',
        '{"e":-1,"f":"news","i":1,"n":"AAAAAAAAAAAAAAAAAAAAAA","p":"confirm","s":"%s"}',
        '{"e":0,"f":"../x","i":1,"n":"AAAAAAAAAAAAAAAAAAAAAA","p":"confirm","s":"%s"}',
        '{"e":0,"f":"news","i":1,"n":"x","p":"confirm","s":"%s"}',
        '{"e":0,"f":"news","i":1,"n":"AAAAAAAAAAAAAAAAAAAAAA","p":"download","s":"%s"}',
        '{"e":0,"f":"news","i":1,"n":"AAAAAAAAAAAAAAAAAAAAAA","p":"confirm","s":"a@b.co"}',
        '{"a":1,"e":0,"f":"news","i":1,"n":"AAAAAAAAAAAAAAAAAAAAAA","p":"confirm","s":"%s"}',
    ],
)  # fmt: skip
def test_a_payload_of_another_shape_is_refused_although_it_is_signed(payload: str) -> None:
    head = "mg1.k1." + tokens.b64(payload.replace("%s", LEAD).encode())
    text = f"{head}.{tokens.b64(tokens.mac(tokens.derive(KEYS, 'k1', 'confirm'), head.encode()))}"
    with pytest.raises(InvalidToken):
        verify(text)


@given(st.text())
def test_any_text_is_a_token_or_invalid(text: str) -> None:
    with pytest.raises(InvalidToken):
        verify(text)


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({}, "MAGNETGEN_SECRETS is not set"),
        ({"MAGNETGEN_SECRETS": "k1"}, "k1:HEX"),
        ({"MAGNETGEN_SECRETS": "k1:" + "a" * 62}, "k1:HEX"),
        ({"MAGNETGEN_SECRETS": "k1:" + "g" * 64}, "k1:HEX"),
        ({"MAGNETGEN_SECRETS": ",".join(["k1:" + "a" * 64] * 2)}, "two keys named k1"),
        ({"MAGNETGEN_SECRETS": "k1:" + "a" * 64}, "MAGNETGEN_EMAIL_KEY is not set"),
        ({"MAGNETGEN_SECRETS": "k1:" + "a" * 64, "MAGNETGEN_EMAIL_KEY": "x"}, "MAGNETGEN_EMAIL_KEY is to be"),
        ({"MAGNETGEN_ADMIN_TOKEN": "short"}, "256 bits"),
    ],
)
def test_missing_and_faulty_secrets_say_what_to_do(env: dict[str, str], says: str) -> None:
    with pytest.raises(SiteFault, match=says) as caught:
        tokens.parse_keys(env)
    assert "a" * 20 not in str(caught.value)


def test_made_secrets_are_accepted_and_the_first_signs() -> None:
    made = tokens.make_secrets()
    old = made["MAGNETGEN_SECRETS"].replace("k1:", "k0:")
    keys = tokens.parse_keys({**made, "MAGNETGEN_SECRETS": f"{made['MAGNETGEN_SECRETS']}, {old}"})
    assert (keys.signer, list(keys.masters)) == ("k1", ["k1", "k0"])


def test_an_address_is_unique_without_case() -> None:
    assert tokens.email_key(KEYS, "Ana@x.co") == tokens.email_key(KEYS, "ana@x.co") != tokens.email_key(KEYS, "b@x.co")
