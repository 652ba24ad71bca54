"""The same questions to both handlers: many in one process of Node, for it takes long to start."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from magnetgen.forms.mail import Sent
from tests.edge.conftest import node

SCRIPT = Path(__file__).with_name("answers.mjs")


def ask(questions: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """[name, …what it is given] each → {"value"} or {"fault", "says"} each."""
    done = subprocess.run(
        [node(), str(SCRIPT)], input=json.dumps(questions), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert len(found) == len(questions)
    return list(found)


def here(function: Callable[..., Any], *given: Any) -> dict[str, Any]:
    """What Python makes of it, in the same form."""
    try:
        value = function(*given)
    except Exception as exc:
        return {"fault": type(exc).__name__, "says": str(exc)}
    return {"value": json.loads(json.dumps(value))}


def seen(sent: Sent) -> dict[str, Any]:
    """A Sent without the answer's body."""
    return {name: value for name, value in asdict(sent).items() if name != "body"}
