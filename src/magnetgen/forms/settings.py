"""`.magnetgen/secrets`: lines of NAME=value that stand in for an environment where there is none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from magnetgen.forms import files
from magnetgen.forms.files import Names
from magnetgen.forms.site import SiteFault

PREFIX = "MAGNETGEN_"


def as_lines(values: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in values.items())


def save(site: Path, text: str, names: Names = files.REAL) -> Path:
    """Write the file, for its owner only. Raises FileExistsError: old secrets are never written over."""
    path = files.path(site, names.secrets)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def missing(site: Path, env: Mapping[str, str], names: Names = files.REAL) -> dict[str, str]:
    """What the file says and the environment does not."""
    path = files.path(site, names.secrets)
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, equals, value = line.strip().partition("=")
        if not line.strip() or name.startswith("#"):
            continue
        if not equals or not name.startswith(PREFIX):
            raise SiteFault(f"{path}:{number}: expected MAGNETGEN_NAME=value")
        found[name] = value
    return {name: value for name, value in found.items() if not env.get(name)}
