"""The tests that are written in JavaScript, a test each here, so that all are seen in one place."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.edge.conftest import node

FILES = sorted(Path(__file__).parent.glob("*.test.mjs"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.removesuffix(".test.mjs"))
def test_in_node(path: Path) -> None:
    command = [node(), "--test", "--test-reporter=tap", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "\n# fail 0\n" in done.stdout and "\n# pass 0\n" not in done.stdout
