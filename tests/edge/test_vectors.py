"""The contract's vectors against the handler in JavaScript, over HTTP, on every host."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.run import Mismatch, run, send, vectors
from tests.edge.conftest import HOSTS, serve
from tests.edge.fleet import KNOWN

CANARIES = ("ana@example.com", "ana%40example.com", "Ana Canary", "mg1.k1")


@pytest.fixture(scope="session", params=HOSTS)
def host(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def base(host: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("site")
    with serve(host, root) as base:
        yield base
    text = (root / "log").read_text("utf-8")
    assert '"internal"' not in text and "    at " not in text, text[-3000:]
    assert not [canary for canary in CANARIES if canary in text]


@pytest.mark.parametrize("path", vectors(), ids=lambda path: path.stem)
def test_vector(host: str, base: str, path: Path) -> None:
    vector = json.loads(path.read_text("utf-8"))
    assert vector["name"] == path.stem and vector["why"]
    if {*vector.get("needs", [])} & {*KNOWN[host].without}:
        # No code is handed out at all, rather than one twice; the visitor is told to come again.
        with pytest.raises(Mismatch, match=r"^step \d+ \([^)]*\): status 503, not"):
            run(base, vector)
        assert all("code" not in lead for lead in send(base, {"path": "/_test/state"}).json()["leads"])
    else:
        run(base, vector)
