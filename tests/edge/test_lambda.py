"""The contract's vectors, and odd requests, as events through AWS's own runtime interface client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.run import run, vectors
from tests.edge import fleet
from tests.edge.test_parity import faults


@pytest.fixture(scope="module", params=["lambda", "lambda1"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A function over PostgreSQL, for each version of the payload."""
    folder, store = tmp_path_factory.mktemp(request.param), request.getfixturevalue("postgres").database()
    with fleet.started(fleet.KNOWN[request.param], folder, store) as found:
        yield found


@pytest.mark.parametrize("path", vectors(), ids=lambda path: path.stem)
def test_vector(base: str, path: Path) -> None:
    run(base, json.loads(path.read_text("utf-8")))


def test_odd_requests(tmp_path: Path) -> None:
    """Not with payload 1.0: a REST API takes a query apart before the function sees it."""
    with fleet.fleet(["python", "lambda"], tmp_path) as bases:
        assert not faults(bases, 500)
