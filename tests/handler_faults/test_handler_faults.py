"""The short version of `make faults`: each promise holds, and each control breaks it and is seen.

MAGNETGEN_FAULTS_STORE names another store than SQLite: postgresql://…, whose tables are cleared.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.handler_faults.suite import SCENARIOS, Control, Scenario, play

STORE = os.environ.get("MAGNETGEN_FAULTS_STORE", "")
CONTROLS = [(scenario, control) for scenario in SCENARIOS for control in scenario.controls]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_promise(scenario: Scenario, tmp_path: Path) -> None:
    verdict = play(scenario, tmp_path / "place", scenario.short, store=STORE)
    assert not verdict.wrong, verdict.measured + "\n" + "\n".join(verdict.wrong[:20])


@pytest.mark.parametrize(("scenario", "control"), CONTROLS, ids=[f"{s.name}: {c.says}" for s, c in CONTROLS])
def test_control_is_seen(scenario: Scenario, control: Control, tmp_path: Path) -> None:
    verdict = play(scenario, tmp_path / "place", control.sizes, control.faults, STORE)
    assert verdict.wrong, verdict.measured
