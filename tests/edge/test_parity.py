"""Odd requests: hosts that are alike show no difference, and hosts with one rule changed are found."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.edge import fleet, odd, parity
from tests.edge.hosts.asgi import CHANGES
from tests.edge.steps import Ask

SEED = 31
ENOUGH = 3_600
"""Requests within which a changed rule has to be found."""


def faults(bases: dict[str, str], requests: int) -> str:
    said: list[str] = []
    scores = parity.compare(bases, SEED, requests, said.append)
    assert all(score.requests >= requests and score.looks > 0 for score in scores.values())
    return "\n".join(said) if any(score.differences for score in scores.values()) else ""


def test_a_story_is_the_same_again() -> None:
    assert odd.story(3, 5) == odd.story(3, 5) != odd.story(3, 6)
    asks = [step for number in range(20) for step in odd.story(3, number).steps if isinstance(step, Ask)]
    assert (
        len(
            {ask.target.split("/")[1] for ask in asks if ask.target.count("/") > 1}
            & {"forms", "confirm", "download", "unsubscribe", "admin"}
        )
        == 5
    )


def test_the_same_handler_twice_shows_no_difference(tmp_path: Path) -> None:
    with fleet.fleet(["python", "python#2"], tmp_path) as bases:
        assert not faults(bases, 500)


@pytest.mark.parametrize(("host", "requests"), [("node", 500), ("miniflare", 500), ("blobs", 80)])
def test_javascript_does_as_python(host: str, requests: int, tmp_path: Path) -> None:
    with fleet.fleet(["python", host], tmp_path) as bases:
        assert not faults(bases, requests)


RULES_OF_JAVASCRIPT = (
    ("decode.mjs", "export const PAIRS_MAX = 100;", "export const PAIRS_MAX = 101;"),
    ("validate.mjs", "export const SOURCE_MAX = 1024;", "export const SOURCE_MAX = 1000;"),
    ("rules.mjs", "* 3_600_000", "* 3_500_000"),
)  # fmt: skip


@pytest.mark.parametrize(("module", "rule", "instead"), RULES_OF_JAVASCRIPT, ids=lambda text: text.split(" ")[-1])
def test_a_changed_rule_of_javascript_is_found(module: str, rule: str, instead: str, tmp_path: Path) -> None:
    root = tmp_path / "changed"
    shutil.copytree(ROOT / "src" / "magnetgen" / "forms", root / "src" / "magnetgen" / "forms")
    shutil.copytree(fleet.HOSTS, root / "tests" / "edge" / "hosts")
    path = root / "src" / "magnetgen" / "forms" / "edge" / module
    text = path.read_text("utf-8")
    assert rule in text
    path.write_text(text.replace(rule, instead), "utf-8")
    with (
        fleet.fleet(["python"], tmp_path) as bases,
        fleet.started(fleet.KNOWN["node"], root, root=root) as other,
    ):
        scores = parity.compare({**bases, "changed": other}, SEED, ENOUGH, stop=True)
    assert scores["changed"].differences


@pytest.mark.parametrize("changed", CHANGES)
def test_a_changed_rule_is_found(changed: str, tmp_path: Path) -> None:
    (tmp_path / "changed").mkdir()
    with (
        fleet.fleet(["python"], tmp_path) as bases,
        fleet.started(fleet.KNOWN["python"], tmp_path / "changed", more={"MAGNETGEN_CHANGED": changed}) as other,
    ):
        scores = parity.compare({**bases, "changed": other}, SEED, ENOUGH, stop=True)
    assert scores["changed"].differences
