"""`make lighthouse`: the page types of this repository's own site, in Lighthouse's mobile profile.

Prints a table; ends with 1 where a score is below 100, the largest paint later than 1.0 s, or anything moves.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.conftest import ROOT
from tests.validators.browsing import OWN_TYPES
from tests.validators.server import hosting
from tests.validators.sites import own_site

KINDS = ("home", "landing", "post", "page", "list", "tag")
"""Those that search engines see; the others are kept from them, which Lighthouse counts against a page."""
LATEST_PAINT_MS = 1000


def main() -> int:
    fine = True
    with tempfile.TemporaryDirectory() as folder, hosting(own_site(Path(folder) / "site")) as host:
        command = ["node", str(ROOT / "tests/tools/lighthouse/run.mjs"), *(host.url(OWN_TYPES[kind]) for kind in KINDS)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ}) as run:
            assert run.stdout
            for kind, line in zip(KINDS, run.stdout, strict=False):
                found = json.loads(line)
                fine &= set(found["scores"].values()) == {1} and found["lcp_ms"] <= LATEST_PAINT_MS and not found["cls"]
                scores = "  ".join(f"{name} {round(100 * (score or 0))}" for name, score in found["scores"].items())
                times = f"LCP {found['lcp_ms']:.0f} ms  CLS {found['cls']}  TBT {found['tbt_ms']:.0f} ms"
                print(f"{kind:8} {scores}  {times}  {' '.join(found['failed'])} {found.get('error') or ''}", flush=True)
        fine &= run.returncode == 0
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
