"""The bundle of both JavaScript hosts: the handler's modules, and what they work on, as modules too."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from magnetgen import forms as island
from magnetgen.config import CONFIG_FILE
from magnetgen.diagnostics import Diagnostic, Report, error
from magnetgen.targets import Site
from magnetgen.targets.checks import megabytes

ISLAND = Path(island.__file__).parent
MODULES = ISLAND / "edge"
_IMPORT = re.compile(r"""(?:\bfrom|\bimport)\s*\(?\s*["']\./([\w-]+\.mjs)["']""")
_TESTS_ONLY = ("testing.mjs", "store-memory.mjs")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")

Files = dict[str, bytes | Path]


def library(site: Site, entry: str, inline: Iterable[str]) -> Files:
    """The folder `lib` of a bundle. `entry`: the host's module; `inline`: assets that are part of the bundle."""
    assets = {name: site.forms["assets"][name] for name in sorted(inline)}
    files: Files = {f"lib/edge/{path.name}": path for path in modules(entry)}
    files["lib/forms.mjs"] = _json_module(forms(site, assets))
    files["lib/services.mjs"] = _json_module(services())
    files["lib/assets.mjs"] = _assets_module(assets)
    for name, asset in assets.items():
        text = base64.b64encode((site.plan.root / asset["file"]).read_bytes()).decode()
        files[f"lib/assets/{_module_name(name, asset)}.mjs"] = f'export default "{text}";\n'.encode()
    return files


def modules(entry: str) -> list[Path]:
    """The module and all that it imports, by name."""
    found: dict[str, Path] = {}
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        if name in found or name in _TESTS_ONLY:
            continue
        found[name] = MODULES / name
        waiting += _IMPORT.findall(found[name].read_text("utf-8"))
    return [found[name] for name in sorted(found)]


def forms(site: Site, inline: Collection[str]) -> dict[str, Any]:
    """forms.json, with what is not in the bundle marked as uploaded."""
    assets = {
        name: asset if name in inline else {**asset, "key": upload_key(asset)}
        for name, asset in site.forms["assets"].items()
    }
    return {**site.forms, "assets": assets}


def upload_key(asset: Mapping[str, Any]) -> str:
    """The name of an uploaded asset in the host's store: another content has another."""
    return f"{asset['sha256'][:32]}{Path(asset['file']).suffix.lower()}"


def uploads(site: Site, inline: Iterable[str]) -> bytes:
    """uploads.json: what `deploy` is to put into the host's store."""
    kept = set(inline)
    found = [
        {"name": name, "file": a["file"], "size": a["size"], "sha256": a["sha256"], "key": upload_key(a)}
        for name, a in sorted(site.forms["assets"].items())
        if name not in kept
    ]
    return (json.dumps(found, ensure_ascii=False, indent=1) + "\n").encode()


def services() -> dict[str, Any]:
    """What magnetgen knows of services: recipes of destinations and mail providers, and the texts of its mails."""
    data = ISLAND / "data"
    found: dict[str, Any] = {
        kind: {path.stem: json.loads(path.read_bytes()) for path in sorted((data / kind).glob("*.json"))}
        for kind in ("destinations", "mail")
    }
    return {**found, "mails": json.loads((data / "mails.json").read_bytes())}


def divide(site: Site, each: int, together: int) -> set[str]:
    """The assets that go into the bundle, small ones first: up to `each` bytes, and `together` all in all."""
    found, total = set(), 0
    for size, name in sorted((asset["size"], name) for name, asset in site.forms["assets"].items()):
        total += size
        if size <= each and total <= together:
            found.add(name)
    return found


def too_large(site: Site, limit: int, host: str, why: str) -> Iterator[Diagnostic]:
    """Assets that the host's handler could not hand out. `limit`: bytes."""
    for _, asset in sorted(site.forms["assets"].items()):
        if asset["size"] > limit:
            hint = f"{host} {why} {megabytes(limit)}: make the file smaller, or choose another target"
            message = f"this file has {megabytes(asset['size'])}, too many to be handed out there"
            yield error("asset-too-large", message, asset["file"], None, hint)


def compressed(files: Mapping[str, bytes | Path]) -> int:
    """About the bytes of a bundle as hosts count them: each file compressed."""
    return sum(
        len(gzip.compress(content.read_bytes() if isinstance(content, Path) else content, 6, mtime=0))
        for content in files.values()
    )


def check_size(files: Mapping[str, bytes | Path], limit: int, host: str, report: Report) -> int:
    size = compressed(files)
    if size > limit:
        hint = f"{host} takes {megabytes(limit)}: fewer forms, or smaller files in content/magnets/"
        report.add(error("bundle-too-large", f"the handler's bundle has {megabytes(size)}", CONFIG_FILE, None, hint))
    return size


def _json_module(data: Any) -> bytes:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return f"export default JSON.parse({json.dumps(text, ensure_ascii=True)});\n".encode()


def _module_name(name: str, asset: Mapping[str, Any]) -> str:
    return name if _NAME.fullmatch(name) else str(asset["sha256"][:32])


def _assets_module(assets: Mapping[str, Any]) -> bytes:
    entries = "".join(
        f"  [{json.dumps(name)}, {{ size: {asset['size']}, "
        f'load: () => import("./assets/{_module_name(name, asset)}.mjs") }}],\n'
        for name, asset in assets.items()
    )
    return _ASSETS.replace("ENTRIES\n", entries).encode()


_ASSETS = """\
import { Buffer } from "node:buffer";

const files = new Map([
ENTRIES
]);

const decoded = new Map();

async function bytes(name) {
  if (!decoded.has(name)) {
    const { default: text } = await files.get(name).load();
    // Not letter by letter: that takes a second for a few megabytes, and a Worker has milliseconds.
    decoded.set(name, Buffer.from(text, "base64"));
  }
  return decoded.get(name);
}

export default {
  // What lies in the host's own store is none of these files.
  async size(asset) {
    return files.has(asset.name) ? files.get(asset.name).size : null;
  },
  async read(asset, start, length) {
    return (await bytes(asset.name)).subarray(start, start + length);
  },
};
"""
