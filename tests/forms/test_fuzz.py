"""Any request at all: never 5xx, never a value echoed, never a success without a stored submission."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.forms.world import World

FAST = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAMES = st.sampled_from(
    ["email", "first_name", "message", "tags", "size", "agree", "site", "code", "letters", "_mg_idem", "_mg_hp",
     "_mg_t", "_mg_src", "__proto__"]
)  # fmt: skip
TEXT = st.text(max_size=60).filter(lambda text: text.isprintable() or True)
VALUES = st.one_of(TEXT, st.sampled_from(["ana@x.co", "yes", "a", "S", "2500", "https://x.co", "ABC", "k" * 20, ""]))
FORMS = st.sampled_from(["plain", "all", "double", "book", "shut", "news", "nothing"])
TYPES = st.sampled_from(["application/json", "application/x-www-form-urlencoded", "text/plain", ""])


@pytest.fixture(scope="module")
def open_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(Path(tmp_path_factory.mktemp("fuzz")))
    yield made
    made.close()


def quiet(world: World, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    world.now += 1
    response = world.request(method, path, body, **headers)
    assert response.status < 500, response.body
    return response.status, response.body


@FAST
@given(st.binary(max_size=300), FORMS, TYPES, st.text(max_size=30), st.text(max_size=30))
def test_any_body(open_world: World, body: bytes, form: str, kind: str, key: str, accept: str) -> None:
    headers = {"content-type": kind, "idempotency-key": key, "accept": accept, "content-length": key}
    quiet(open_world, "POST", f"/forms/{form}", body, headers)


@FAST
@given(st.lists(st.tuples(NAMES, VALUES), max_size=12), FORMS, st.booleans())
def test_any_fields_are_stored_when_they_succeed(
    open_world: World, pairs: list[tuple[str, str]], form: str, as_json: bool
) -> None:
    from urllib.parse import urlencode

    try:
        body = json.dumps(dict(pairs)).encode() if as_json else urlencode(pairs).encode()
    except UnicodeEncodeError:
        return
    kind = "application/json" if as_json else "application/x-www-form-urlencoded"
    before = len(open_world.rows("submissions"))
    status, answer = quiet(
        open_world, "POST", f"/forms/{form}", body, {"content-type": kind, "accept": "application/json"}
    )
    stored = len(open_world.rows("submissions")) - before
    assert stored == 0 or status == 202
    if status != 202:
        code = json.loads(answer)["code"]
        assert code in {"validation", "duplicate_field", "unknown_form", "malformed", "size", "idempotency_reused"}


@FAST
@given(st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS"]), st.text(max_size=80), st.binary(max_size=80))
def test_any_path(open_world: World, method: str, path: str, body: bytes) -> None:
    quiet(open_world, method, "/" + path, body, {"content-type": "application/json"})


@FAST
@given(
    st.sampled_from(["leads", "leads/search", "leads/erase", "outbox", "submissions/x/release", "outbox/x/retry"]),
    st.text(max_size=40),
    st.binary(max_size=80),
    st.sampled_from(["GET", "POST"]),
)
def test_any_admin_request(open_world: World, path: str, query: str, body: bytes, method: str) -> None:
    token = "Bearer " + open_world.runtime.keys.admin
    headers = {"authorization": token, "content-type": "application/json"}
    quiet(open_world, method, f"/admin/{path}?{query}", body, headers)


@FAST
@given(st.dictionaries(st.sampled_from(["range", "if-range", "accept", "origin", "referer"]), st.text(max_size=40)))
def test_any_headers_of_a_download(open_world: World, headers: dict[str, str]) -> None:
    answer = open_world.submit("book", "email=fuzz%40x.co")
    token = json.loads(answer.body)["next"].split("#")[1]
    quiet(open_world, "GET", f"/download/{token}", b"", headers)
