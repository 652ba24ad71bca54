"""The validators that are not Python's: where they are, and what happens where they are not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from tests.conftest import ROOT

TOOLS = ROOT / "tests" / "tools"
MODULES = TOOLS / "node_modules"


def module(path: str) -> Path:
    """A file of one of the npm packages."""
    file = MODULES / path
    return file if file.exists() else missing(f"tests/tools/node_modules/{path}")


def program(name: str) -> str:
    return shutil.which(name) or missing(name)


def chromium() -> str:
    """The browser: $CHROMIUM, or Debian's."""
    wanted = os.environ.get("CHROMIUM") or "/usr/bin/chromium"
    return shutil.which(wanted) or missing(wanted)


def missing(what: str) -> NoReturn:
    cannot(f"{what} is not there: `make setup` gets it")


def cannot(reason: str) -> NoReturn:
    """`make test` has everything and asks for a failure; elsewhere such a test may be skipped."""
    if os.environ.get("REQUIRE_TOOLS") or os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
