"""The core in JavaScript says what the core in Python says: both are asked the same, Node once for all cases."""

from __future__ import annotations

import base64
import hmac
import html
import ipaddress
import json
import random
import re
import shutil
import subprocess
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

import pytest

from magnetgen.forms import admin, decode, handler, http, links, proof, tokens, validate
from magnetgen.forms import site as sites
from magnetgen.forms.decode import FORM, JSON, DecodeError
from magnetgen.forms.http import Problem, Request
from magnetgen.forms.site import Challenge, Site, SiteFault
from magnetgen.forms.tokens import InvalidToken, Keys
from tests.edge.core import cases
from tests.forms.data import EVERYTHING, NOW

SCRIPT = Path(__file__).parent / "core" / "parity.mjs"
KEYS = Keys({"k1": bytes(range(32))}, b"\x07" * 32)
Case = list[Any]


def raw(text: str) -> bytes:
    return base64.b64decode(text)


def verified(text: str, purpose: str, now: float) -> Any:
    return asdict(tokens.verify(KEYS, text, purpose, now))


def site_of(data: Any) -> dict[str, Any]:
    made = sites.from_data(data)
    return {
        **{name: getattr(made, name) for name in ("base_url", "public_url", "title", "prefix", "own_origin", "secure")},
        "origins": sorted(made.origins),
        "forms": [_form(made, form) for form in made.forms.values()],
        "assets": [asdict(asset) for asset in made.assets.values()],
        "magnets": [asdict(magnet) for magnet in made.magnets.values()],
        "gives": [asdict(magnet) if (magnet := made.magnet_of(form)) else None for form in made.forms.values()],
        "destinations": [asdict(destination) for destination in made.destinations.values()],
    }


def _form(made: Site, form: sites.Form) -> dict[str, Any]:
    spec = asdict(form.spec)
    # What the page has and the handler does not need: nothing of it is in forms.json.
    for name in ("button", "thanks", "challenge", "per_hour"):
        del spec[name]
    challenge = {**asdict(form.challenge), "is_proof": form.challenge.is_proof} if form.challenge else None
    goes_to = [destination.name for destination in made.destinations_of(form)]
    return {**asdict(form), "spec": spec, "name": form.name, "challenge": challenge, "goes_to": goes_to}


def checked(data: Any, name: str, body: str, kind: str) -> dict[str, Any]:
    form = sites.from_data(data).forms[name]
    cleaned = validate.clean(form.spec, decode.decode(raw(body), kind), form.challenge.field if form.challenge else "")
    found = validate.check(form.spec, cleaned)
    return {
        "too_long": [asdict(fault) for fault in validate.too_long(form.spec, cleaned)],
        "reserved": dict(cleaned.reserved),
        "values": found.values,
        "consent": dict(found.consent),
        "faults": [asdict(fault) for fault in found.faults],
        "email": found.email,
        "fingerprint": validate.fingerprint(found),
    }


def split(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    return {**parts._asdict(), "hostname": parts.hostname or "", "port": parts.port}


def matches(pattern: str, value: str) -> bool:
    with warnings.catch_warnings():
        # The build refuses what Python warns of; the handler reads it nevertheless.
        warnings.simplefilter("ignore", FutureWarning)
        return bool(re.fullmatch(pattern, value, re.ASCII))


def proven(challenge: dict[str, Any], solution: str, now: float) -> bool:
    return proof.is_right(Challenge(**{k: v for k, v in challenge.items() if k != "is_proof"}), solution, int(now))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "decode": lambda body, kind: decode.decode(raw(body), kind),
    "check_length": decode.check_length,
    "media_type": decode.media_type,
    "network": handler.network,
    "verify": verified,
    "issue": lambda *g: tokens.issue(KEYS, g[0], g[1], g[2], g[3], raw(g[4]), g[5]),
    "derive": lambda purpose: tokens.derive(KEYS, "k1", purpose).hex(),
    "email_key": lambda address: tokens.email_key(KEYS, address),
    "client_key": lambda *given: tokens.client_key(KEYS, *given),
    "derived_idempotency": lambda *given: tokens.derived_idempotency(KEYS, *given),
    "disposition": links.disposition,
    "email": validate.email,
    "escape": html.escape,
    "quote": lambda text: quote(text, safe=""),
    "location": lambda url: http.redirect(url).headers[0][1],
    "strip": str.strip,
    "compare": lambda one, other: (one > other) - (one < other),
    "length": len,
    "attribution": validate.attribution,
    "timer": validate.timer,
    "matches": matches,
    "uuid": lambda seed: str(UUID(bytes=raw(seed)[:16], version=4)),
    "zero_bits": proof.zero_bits,
    "is_right": proven,
    "since": admin._since,
    "dumps": lambda value: json.dumps(value, sort_keys=True, ensure_ascii=False),
    "wants_json": lambda headers: http.wants_json(Request("GET", "/", headers)),
    "urlsplit": split,
    "public_url": lambda data, given: sites.from_data(data, given).public_url,
    "site": site_of,
    "page": lambda data, name, given: http.page(sites.from_data(data), name, **given),
    "checked": checked,
}


def outcome(case: Case) -> Any:
    """What Python makes of a case, as JSON would have it."""
    name, *given = case
    try:
        return json.loads(json.dumps(FUNCTIONS[name](*given)))
    except (DecodeError, Problem) as exc:
        return {"fault": type(exc).__name__, "status": exc.status, "code": exc.code}
    except (InvalidToken, SiteFault) as exc:
        return {"fault": type(exc).__name__}
    except ValueError:
        # Only `since` lets it out; its caller makes it this.
        return {"fault": "Problem", "status": 400, "code": "malformed"}


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    """Case → what JavaScript makes of it."""
    node = shutil.which("node")
    assert node, "these tests need Node.js 20 or later on the PATH"
    every = [case for group in GROUPS.values() for case in group]
    asked = json.dumps(every).encode()
    done = subprocess.run([node, str(SCRIPT)], input=asked, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    found = json.loads(done.stdout)
    assert len(found) == len(every)
    return {json.dumps(case): answer for case, answer in zip(every, found, strict=True)}


def _signed(payload: str) -> str:
    head = f"mg1.k1.{tokens.b64(payload.encode())}"
    mac = hmac.digest(tokens.derive(KEYS, "k1", "confirm"), head.encode(), "sha256")
    return f"{head}.{tokens.b64(mac)}"


def _tokens() -> Iterator[Case]:
    lead = "0123456789abcdef" * 2
    for purpose in (tokens.CONFIRM, tokens.DOWNLOAD, tokens.UNSUBSCRIBE):
        for asset in ("", "book", "bóok"):
            good = tokens.issue(KEYS, purpose, "news", lead, NOW, bytes(range(16)), asset)
            yield ["issue", purpose, "news", lead, NOW + 0.7, base64.b64encode(bytes(range(16))).decode(), asset]
            for now in (NOW, NOW - 60, NOW - 60.5, NOW - 61, NOW + 10**9):
                for other in (tokens.CONFIRM, tokens.DOWNLOAD, tokens.UNSUBSCRIBE):
                    yield ["verify", good, other, now]
            for changed in cases.changed(good):
                yield ["verify", changed, purpose, NOW]
    for payload in cases.payloads(lead):
        yield ["verify", _signed(payload), "confirm", NOW]
    for text in ("", "mg1", "mg1...", "mg1.__proto__.e30." + "A" * 43, "mg1.constructor.e30." + "A" * 43, "x" * 2000):
        yield ["verify", text, "confirm", NOW]


def _bodies() -> Iterator[Case]:
    rng = random.Random(20_260_601)
    for kind, bodies in ((FORM, cases.FORM_BODIES), (JSON, cases.JSON_BODIES)):
        every = [*bodies, *(cases.mutated(rng, rng.choice(bodies)) for _ in range(400))]
        for body in every:
            if len(body) <= decode.BODY_MAX:
                yield ["decode", base64.b64encode(body).decode(), kind]


def _submissions() -> Iterator[Case]:
    rng = random.Random(20_260_602)
    for form in EVERYTHING["forms"]:
        for _ in range(60):
            for kind, body in cases.submission(rng, EVERYTHING["forms"][form]):
                yield ["checked", EVERYTHING, form, base64.b64encode(body).decode(), kind]


GROUPS: dict[str, list[Case]] = {
    "bodies": list(_bodies()),
    "submissions": list(_submissions()),
    "lengths": [["check_length", header, read] for header in cases.LENGTHS for read in (0, 65536, 65537)],
    "types": [["media_type", given, encoding] for given in cases.MEDIA_TYPES for encoding in (None, "gzip", "")],
    "networks": [["network", address] for address in cases.addresses(random.Random(20_260_603))],
    "tokens": list(_tokens()),
    "keys": [
        *(["derive", purpose] for purpose in ("confirm", "download", "rate/20606", "")),
        *(["email_key", address] for address in ("Ana@x.co", "a@b.co")),
        *(["client_key", "news", network, day] for network in ("10.0.0.1", "2001:db8::/64") for day in (0, 20606)),
        ["derived_idempotency", "news", "Ana@x.co", "ab" * 32, 2_966_666],
        ["derived_idempotency", "news", "", "ab" * 32 + "/quarantined", 0],
        *(["uuid", base64.b64encode(bytes(range(n, n + 32))).decode()] for n in (0, 100, 224)),
    ],
    "files": [["disposition", name] for name in cases.TEXTS],
    "addresses": [["email", value] for value in cases.EMAILS],
    "texts": [
        [name, text] for name in ("escape", "quote", "location", "strip", "length", "timer") for text in cases.TEXTS
    ],
    "order": [["compare", one, other] for one in cases.TEXTS for other in cases.TEXTS],
    "attribution": [["attribution", text] for text in cases.SOURCES],
    "patterns": [["matches", pattern, value] for pattern in cases.PATTERNS for value in cases.PATTERN_VALUES],
    "proofs": [
        *(["zero_bits", text] for text in cases.TEXTS),
        *(
            ["is_right", cases.CHALLENGE, text, NOW + more]
            for text in cases.solutions(NOW)
            for more in (0, 0.9, 3600.9)
        ),
    ],
    "times": [["since", text] for text in cases.TIMES],
    "json": [["dumps", value] for value in cases.VALUES],
    "clients": [["wants_json", headers] for headers in cases.clients()],
    "urls": [["urlsplit", url] for url in cases.URLS],
    "sites": [
        *(["site", data] for data in cases.sites(EVERYTHING)),
        *(["public_url", EVERYTHING, url] for url in [*cases.URLS, *cases.PUBLIC_URLS]),
    ],
    "pages": [
        ["page", {**EVERYTHING, **more}, name, given]
        for more in cases.PAGES
        for name in ("problem", "trouble", "confirm", "unsubscribe", "unsubscribed", "expired", "code", "soldout")
        for given in (
            {},
            {"errors": ["<b>", "& so on"], "back": "/?a=1&b='2'"},
            {"button": "confirm_download"},
            {"code": "<A&'1'>", "link": ['https://x/?a&b="', ""]},
            {"code": "$&", "link": ["/", "<go>"]},
        )
    ],
}


@pytest.mark.parametrize("name", GROUPS)
def test_both_say_the_same(answers: dict[str, Any], name: str) -> None:
    differ = []
    for case in GROUPS[name]:
        wanted, found = outcome(case), answers[json.dumps(case)]
        if wanted != found or isinstance(wanted, bool) != isinstance(found, bool):
            differ.append(f"{json.dumps(case)[:300]}\n  Python     {wanted!r:.300}\n  JavaScript {found!r:.300}")
    assert not differ, f"{len(differ)} of {len(GROUPS[name])}:\n" + "\n".join(differ[:10])


def test_the_groups_are_large_enough_to_mean_something() -> None:
    assert len(GROUPS["bodies"]) > 500 and len(GROUPS["networks"]) > 300 and len(GROUPS["tokens"]) > 200
    results = [outcome(case) for case in GROUPS["bodies"]]
    refused = sum(isinstance(result, dict) for result in results)
    assert refused > 100 and len(results) - refused > 100
    known = [outcome(case) for case in GROUPS["networks"]]
    assert sum(text != "unknown" for text in known) > 100 and "unknown" in known
    assert ipaddress.ip_network("2001:db8::/64") in [ipaddress.ip_network(text) for text in known if "/" in text]
