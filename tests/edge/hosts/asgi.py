"""The handler in Python under uvicorn: `python -m tests.edge.hosts.asgi`, as the environment says.

MAGNETGEN_CHANGED names a rule that is another here (see CHANGES): a control, which a comparison has to find.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from typing import Any

import uvicorn

from magnetgen.forms import admin, asgi, decode, http, links, rules, validate

CHANGES: dict[str, tuple[Any, str, Any]] = {
    "trims what Python takes for a space": (validate, "TRIM", None),
    "101 pairs": (decode, "PAIRS_MAX", 101),
    "a name of 65 bytes": (decode, "NAME_MAX", 65),
    "numbers with a leading plus": (validate, "_NUMBER", re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?")),
    "a day of keys is an hour short": (rules, "IDEM_MS", 23 * 3_600_000),
    "another sentence": (http, "MESSAGES", {**http.MESSAGES, "option": "Choose one."}),
    "ranges end one early": (links, "_part", lambda text, size, old=links._part: old(text, size - 1)),
    "pages of 49": (admin, "_limit", lambda given, default, old=admin._limit: min(old(given, default), 49) if given.get("limit") else 2),
}  # fmt: skip
"""What is changed → (module, name, instead)."""


def _named(app: Callable[..., Any], port: socket.socket) -> Callable[..., Any]:
    print(f"READY http://127.0.0.1:{port.getsockname()[1]}", flush=True)
    return app


def main() -> None:
    if changed := os.environ.get("MAGNETGEN_CHANGED"):
        module, name, instead = CHANGES[changed]
        setattr(module, name, instead)
    port = socket.socket()
    port.bind(("127.0.0.1", 0))
    port.listen(128)
    config = uvicorn.Config(
        _named(asgi.create(), port), log_level="warning", access_log=False, server_header=False, proxy_headers=False
    )
    uvicorn.Server(config).run(sockets=[port])


if __name__ == "__main__":
    main()
