"""The store on Netlify Blobs and Netlify's functions: their own tests, and vectors in Netlify's own runtime."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.edge.hosts import netlify
from tests.validators.tools import missing, module, program

HERE = Path(__file__).parent
FILES = [*sorted((HERE / "blobs").glob("*.test.mjs")), HERE / "store" / "blobs.test.mjs"]
VECTORS = ["accepted-json", "confirm-mail", "download-range", "idempotency-header", "rate-minute", "webhook-retries"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_in_node(path: Path) -> None:
    module("@netlify/blobs/package.json")
    command = [program("node"), "--test", "--test-reporter=tap", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "\n# fail 0\n" in done.stdout and "\n# pass 0\n" not in done.stdout


def test_vectors_in_netlifys_runtime(tmp_path: Path) -> None:
    """All of them take about 15 minutes, as it loads the function anew for each request: see hosts/netlify.py."""
    if not netlify.CLI.exists():
        missing("tests/tools/netlify/node_modules/netlify-cli")
    printed = netlify.run(tmp_path / "site", VECTORS, seconds=400)
    log = (tmp_path / "site" / "log").read_text("utf-8", "replace")
    assert f"{len(VECTORS)} of {len(VECTORS)} vectors passed" in printed, printed + log[-3000:]
    assert '"internal"' not in log and "canary" not in log.lower()
