"""The edge handler's core in Node, and what its modules may not do."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EDGE = HERE.parents[1] / "src" / "magnetgen" / "forms" / "edge"
CORE = [
    "admin", "contract", "decode", "effects", "handler", "http", "json", "links", "magnets", "network", "outgoing", "pattern",
    "proof", "records", "rules", "site", "text", "tokens", "validate", "words",
]  # fmt: skip
LINE_MAX = 120


@pytest.mark.parametrize("path", sorted((HERE / "core").glob("*.test.mjs")), ids=lambda path: path.name)
def test_in_node(path: Path) -> None:
    node = shutil.which("node")
    assert node, "these tests need Node.js 20 or later on the PATH"
    done = subprocess.run([node, "--test", str(path)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-5000:]
    assert re.search(r"^# pass [1-9]", done.stdout, re.M) and re.search(r"^# skipped 0$", done.stdout, re.M)


@pytest.mark.parametrize("name", CORE)
def test_the_core_has_no_clock_and_no_input_or_output(name: str) -> None:
    text = (EDGE / f"{name}.mjs").read_text("utf-8")
    code = re.sub(r"/\*.*?\*/|^\s*//.*$", "", text, flags=re.S | re.M)
    imported = set(re.findall(r'from "([^"]+)"', code))
    assert imported <= {"node:buffer", "node:crypto", *(f"./{other}.mjs" for other in CORE)}
    assert not re.findall(r"\b(?:await|async|process|globalThis|randomBytes|setTimeout|console|require)\b", code)
    assert not re.findall(r"Date\.now|\bfetch\(|new Date\(\)|Math\.random|\bimport\(", code)


@pytest.mark.parametrize("name", CORE)
def test_modules_are_short(name: str) -> None:
    lines = (EDGE / f"{name}.mjs").read_text("utf-8").splitlines()
    assert len(lines) < 400 and max(map(len, lines)) <= LINE_MAX
