"""Killed at every change on disk: each file is the old or the new one, and the next build is right. See killer.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.fault.tools import environment


def _killer(*args: str) -> dict[str, Any]:
    env = environment()
    env["PYTHONPATH"] = f"{env['PYTHONPATH']}{os.pathsep}{ROOT}"
    done = subprocess.run([sys.executable, "-m", "tests.fault.killer", *args], env=env, capture_output=True, text=True,
                          check=False, cwd=ROOT, timeout=600)  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("scenario", ["first build", "into an empty folder", "rebuild", "rebuild without a cache"])
def test_killed_at_every_single_change_on_disk(scenario: str) -> None:
    found = _killer(scenario)
    assert found["points"] > 20
    shown = "\n".join(f"{at}: {'; '.join(wrong)[:400]}" for at, wrong in found["wrong"].items())
    assert not found["wrong"], f"of {found['points']} moments, {len(found['wrong'])} are wrong:\n{shown}"


def test_the_oracle_sees_a_torn_file() -> None:
    """The control: with writes in place, in two halves, some moment must be seen as torn."""
    found = _killer("rebuild", "torn")
    assert any(message.startswith("torn: ") for wrong in found["wrong"].values() for message in wrong)
