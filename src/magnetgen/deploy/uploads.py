"""Assets that are too large for a function's bundle: put into the host's storage, each compared there."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from magnetgen.deploy.job import Job, uploads
from magnetgen.deploy.steps import BROKEN, DeployFault, LeftOut
from magnetgen.deploy.tools import Tool, shown

Words = Callable[[dict[str, Any], Path], tuple[str, ...]]
"""The arguments that put an asset's file into the storage, or get it from there into a file."""


There = Callable[[dict[str, Any]], bool]
"""Whether the storage has an asset as it should be."""


def put_all(job: Job, tool: Tool, put: Words, get: Words) -> str:
    """Upload what does not come back as it should. Raises DeployFault."""
    return put_missing(job, tool, put, lambda asset: not job.shell.dry and _comes_back(job, tool, asset, get))


def put_missing(job: Job, tool: Tool, put: Words, there: There) -> str:
    """Upload what is not there yet as it should be. Raises DeployFault."""
    wanted = uploads(job)
    if not wanted:
        raise LeftOut("no asset is too large for the bundle")
    sent = sum(_put(job, tool, asset, put, there) for asset in wanted)
    same, verb = len(wanted) - sent, "to be uploaded" if job.shell.dry else "uploaded"
    return ", ".join(filter(None, (f"{sent} {verb}" if sent else "", f"{same} there already" if same else "")))


def _put(job: Job, tool: Tool, asset: dict[str, Any], put: Words, there: There) -> bool:
    """Whether it had to be uploaded."""
    file = job.root / asset["file"]
    if _digest(file) != asset["sha256"]:
        raise DeployFault(f"{asset['file']} has changed since it was built", "run this again", BROKEN)
    if there(asset):
        return False
    job.shell.change(tool, *put(asset, file))
    if not job.shell.dry and not there(asset):
        how = shown((tool.program, *put(asset, file)))
        raise DeployFault(f"{asset['name']} was uploaded, and comes back otherwise", f"try it by hand: {how}", BROKEN)
    return True


def _comes_back(job: Job, tool: Tool, asset: dict[str, Any], get: Words) -> bool:
    with tempfile.TemporaryDirectory(prefix="magnetgen-asset-") as folder:
        copy = Path(folder) / "copy"
        done = job.shell.ask(tool, *get(asset, copy), seconds=1800)
        return done.code == 0 and copy.is_file() and _digest(copy) == asset["sha256"]


def _digest(file: Path) -> str:
    digest = sha256()
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    except OSError as exc:
        raise DeployFault(f"{file} cannot be read: {exc.strerror}", "build again", BROKEN) from None
    return digest.hexdigest()
