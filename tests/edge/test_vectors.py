"""The contract's vectors against the handler in JavaScript, over HTTP, on every host."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.run import run, vectors
from tests.edge.conftest import HOSTS, serve

CANARIES = ("ana@example.com", "ana%40example.com", "Ana Canary", "mg1.k1")


@pytest.fixture(scope="session", params=HOSTS)
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("site")
    with serve(request.param, root) as base:
        yield base
    text = (root / "log").read_text("utf-8")
    assert '"internal"' not in text and "    at " not in text, text[-3000:]
    assert not [canary for canary in CANARIES if canary in text]


@pytest.mark.parametrize("path", vectors(), ids=lambda path: path.stem)
def test_vector(base: str, path: Path) -> None:
    vector = json.loads(path.read_text("utf-8"))
    assert vector["name"] == path.stem and vector["why"]
    run(base, vector)
