"""Who may ask: names of this machine, and pages of the preview itself."""

from __future__ import annotations

import socket

import pytest

from magnetgen.preview.guard import Guard, is_loopback, secured, split_host

LOCAL = Guard("127.0.0.1", 8000)
WIDE = Guard("0.0.0.0", 8000)


def refused(guard: Guard, method: str = "GET", path: str = "/", **headers: str) -> int:
    """The status of a refusal; 0 for none."""
    sent = {"host": "127.0.0.1:8000", **headers}
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items()]
    refusal = guard.refusal(method, path, raw)
    return refusal.status if refusal else 0


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "LOCALHOST:8000", "[::1]:8000"])
def test_names_of_this_machine(host: str) -> None:
    assert refused(LOCAL, host=host) == 0


@pytest.mark.parametrize(
    "host",
    ["", "evil.example:8000", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:8001", "localhost.evil.example:8000",
     "127.0.0.1.evil.example:8000", "127.0.0.1:8000@evil.example", "evil.example:8000:8000", "[::1", "[::1]8000",
     "[::2]:8000", "0.0.0.0:8000", "192.168.1.7:8000", "2130706433:8000", "localhost.:8000", "127.0.0.1:8000, evil.example"],
)  # fmt: skip
def test_other_names(host: str) -> None:
    assert refused(LOCAL, host=host) == 421


def test_a_host_is_named_once() -> None:
    named = (b"host", b"127.0.0.1:8000")
    assert LOCAL.refusal("GET", "/", [named]) is None
    for headers in ([], [named, named], [named, (b"Host", b"evil.example")]):
        refusal = LOCAL.refusal("GET", "/", headers)
        assert refusal
        assert refusal.status == 421
        assert "http://127.0.0.1:8000/" in refusal.sentence


def test_the_given_address_counts_too() -> None:
    given = Guard("192.168.1.7", 8000)
    assert refused(given, host="192.168.1.7:8000") == 0
    assert refused(given, host="localhost:8000") == 0
    assert refused(given, host="192.168.1.8:8000") == 421
    assert given.wide
    assert not LOCAL.wide
    assert not Guard("localhost", 1).wide
    assert not Guard("::1", 1).wide


def test_on_all_addresses_any_number_counts_and_no_foreign_name() -> None:
    """A number cannot be rebound; a port may have been forwarded."""
    name = socket.gethostname().lower()
    for host in (
        "192.168.1.7:8000",
        "10.0.0.2:9000",
        "[fe80::1]:8000",
        "localhost:32768",
        f"{name}:8000",
        f"{name.partition('.')[0]}.local:8000",
    ):
        assert refused(WIDE, host=host) == 0
    for host in ("evil.example:8000", "", "192.168.1.7.evil.example:8000"):
        assert refused(WIDE, host=host) == 421


OWN = "/_magnetgen/leads"
ORIGIN = "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", OWN, {}, 0),
        ("GET", OWN, {"sec_fetch_site": "same-origin"}, 0),
        ("GET", OWN, {"sec_fetch_site": "none"}, 0),
        ("GET", OWN, {"sec_fetch_site": "same-site"}, 403),
        ("GET", OWN, {"sec_fetch_site": "cross-site"}, 403),
        ("GET", OWN, {"origin": ORIGIN}, 0),
        ("GET", OWN, {"origin": "null"}, 403),
        ("GET", OWN, {"origin": "https://127.0.0.1:8000"}, 403),
        ("GET", OWN, {"origin": "http://127.0.0.1:8001"}, 403),
        ("GET", OWN, {"origin": "http://localhost:8000"}, 403),
        ("GET", OWN, {"origin": "http://evil.example"}, 403),
        ("GET", "/_magnetgen/events", {"origin": "http://evil.example"}, 403),
        ("GET", "/_magnetgen/events", {"sec_fetch_site": "cross-site"}, 403),
        ("GET", "/_magnetgen", {"sec_fetch_site": "cross-site"}, 403),
        ("POST", OWN, {}, 403),
        ("POST", OWN, {"origin": ORIGIN}, 0),
        ("POST", OWN, {"origin": ORIGIN, "sec_fetch_site": "cross-site"}, 403),
        ("POST", OWN, {"origin": "http://evil.example"}, 403),
        ("DELETE", OWN, {}, 403),
        ("OPTIONS", OWN, {"origin": "http://evil.example"}, 403),
        ("GET", "/posts/", {"sec_fetch_site": "cross-site"}, 0),
        ("GET", "/_magnetgenial/", {"sec_fetch_site": "cross-site"}, 0),
    ],
)
def test_senders(method: str, path: str, headers: dict[str, str], status: int) -> None:
    assert refused(LOCAL, method, path, **headers) == status


def test_an_origin_must_be_that_of_the_name_that_was_asked() -> None:
    assert refused(LOCAL, "POST", OWN, host="localhost:8000", origin="http://localhost:8000") == 0
    assert refused(LOCAL, "POST", OWN, host="localhost:8000", origin=ORIGIN) == 403


@pytest.mark.parametrize(
    ("host", "parts"),
    [("a:1", ("a", 1)), ("A", ("a", 80)), ("[::1]:2", ("::1", 2)), ("[::1]", ("::1", 80)), ("a:x", ("", None)), ("a:123456", ("", None)), ("a:\u0661", ("", None))],
)  # fmt: skip
def test_a_host_header_in_parts(host: str, parts: tuple[str, int | None]) -> None:
    assert split_host(host) == parts


@pytest.mark.parametrize(
    ("address", "yes"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("", False),
        ("x", False),
    ],
)
def test_addresses_of_this_machine_alone(address: str, yes: bool) -> None:
    assert is_loopback(address) is yes


def test_headers_that_an_answer_says_itself_stay() -> None:
    given = [
        (b"Content-Security-Policy", b"default-src 'self'; frame-ancestors 'self'"),
        (b"cache-control", b"private"),
    ]
    made = secured(given, own=True)
    assert made[:2] == given
    names = [name.lower() for name, _ in made]
    assert len(names) == len(set(names))
    assert b"x-frame-options" not in names
    assert dict(secured([], own=True))[b"x-frame-options"] == b"DENY"
    assert dict(secured([], own=False))[b"x-frame-options"] == b"SAMEORIGIN"
    assert b"content-security-policy" not in dict(secured([], own=False))
