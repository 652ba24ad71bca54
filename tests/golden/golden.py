"""Golden trees: a site's whole output, in a form whose changes can be read.

HTML keeps every byte, but for the contents of inlined `<style>` and `<script>`, which are replaced by a digest (structured
data stays: it is a page's own). A picture is its size and digest.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from hashlib import sha256
from pathlib import Path

from magnetgen.build import build
from magnetgen.state import Options

HERE = Path(__file__).resolve().parent
SITES = HERE / "sites"
EXPECTED = HERE / "expected"
NOW = 1_780_000_000.0
TEXT = (".html", ".xml", ".txt", ".json", ".svg", "")
_INLINED = re.compile(rb"(<(style|script)(?![^>]*ld\+json)[^>]*>)(.+?)(</\2>)", re.S)


def names() -> list[str]:
    return sorted(path.name for path in SITES.iterdir() if path.is_dir())


def _digest(data: bytes) -> bytes:
    return sha256(data).hexdigest()[:12].encode()


def readable(name: str, data: bytes) -> bytes:
    """A file as it lies in the expected tree."""
    suffix = Path(name).suffix
    if suffix not in TEXT:
        return b"%d bytes, sha256 %s\n" % (len(data), sha256(data).hexdigest().encode())
    if suffix in (".html", ".json"):
        return _INLINED.sub(lambda m: m[1] + b"/* " + _digest(m[3]) + b" */" + m[4], data)
    return data


def made(name: str) -> dict[str, bytes]:
    """What magnetgen makes of a site: the site, forms.json, and what it said."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / name
        shutil.copytree(SITES / name, root, ignore=shutil.ignore_patterns("public", ".magnetgen"))
        result = build(root, Options(jobs=1, now=NOW))
        out = {f"site/{p.relative_to(root / 'public').as_posix()}": p.read_bytes()
               for p in (root / "public").rglob("*") if p.is_file()}  # fmt: skip
        forms = root / ".magnetgen" / "forms.json"
        if forms.is_file():
            out["forms.json"] = forms.read_bytes()
    said = [f"{d.path}:{d.span.line if d.span else 0}:{d.span.column if d.span else 0} {d.severity}[{d.code}] "
            f"{d.message}\n  hint: {d.hint}" for d in result.diagnostics]  # fmt: skip
    said += [f"{s.path}: {s.reason}" for s in result.skipped]
    said.append(f"{result.pages} pages, {result.written} files")
    shown = {file: readable(file, data) for file, data in out.items()}
    return {**shown, "said.txt": ("\n".join(said) + "\n").encode()}


def expected(name: str) -> dict[str, bytes]:
    base = EXPECTED / name
    return {p.relative_to(base).as_posix(): p.read_bytes() for p in sorted(base.rglob("*")) if p.is_file()}


def update(name: str) -> None:
    base = EXPECTED / name
    shutil.rmtree(base, ignore_errors=True)
    for file, data in made(name).items():
        (base / file).parent.mkdir(parents=True, exist_ok=True)
        (base / file).write_bytes(data)
