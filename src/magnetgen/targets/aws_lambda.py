"""AWS: the site in a bucket behind CloudFront, the handler as a Lambda function with PostgreSQL as its store."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from magnetgen import policy
from magnetgen.config import CONFIG_FILE
from magnetgen.diagnostics import Report, error
from magnetgen.forms.aws import FILE_MAX
from magnetgen.targets import Product, Site, Target, checks, edge, headers, stack
from magnetgen.targets.stack import CONFIG, ENTRY, PYTHON

PACKAGE = "psycopg[binary]==3.3.9"
ZIPPED, UNZIPPED = 50_000_000, 250_000_000
INLINE_TOGETHER = 40_000_000
"""Bytes of assets in the archive; the handler and its driver need the rest."""
STORED_MAX = 5_000_000_000
"""Bytes that S3 takes at once."""
POLICY = 4096
"""Characters of a stack's parameter."""
_PLATFORMS = {"x86_64": ("manylinux_2_28_x86_64", "manylinux2014_x86_64"),
              "arm64": ("manylinux_2_28_aarch64", "manylinux2014_aarch64")}  # fmt: skip
_NOT_SHIPPED = ("edge/", "asgi.py", "testing.py")
_OLD = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the archive: the same site gives the same bytes."""


def _make(site: Site, report: Report) -> Product:
    report.extend(checks.address(site.plan))
    report.extend(checks.netlify_forms(site.plan))
    api = checks.handler_path(site.plan)
    allowed = policy.text(headers.sources(site))
    if len(allowed) > POLICY:
        hint = "put scripts into the theme's static/theme.js and styles into its style.css, or load them from files in media/"
        message = f"Content-Security-Policy has {len(allowed):,} characters, and CloudFormation takes {POLICY:,}"
        report.add(error("header-too-long", message, CONFIG_FILE, None, hint))
    inline = edge.divide(site, FILE_MAX, INLINE_TOGETHER)
    stored = len(inline) < len(site.forms["assets"])
    report.extend(stack.faults(site, api, stored))
    parameters = [{"ParameterKey": "ContentSecurityPolicy", "ParameterValue": allowed}]
    bundle: edge.Files = {"parameters.json": (json.dumps(parameters, indent=1) + "\n").encode()}
    if api:
        report.extend(edge.too_large(site, STORED_MAX, "Lambda", "leads to files in S3, which takes at once"))
        bundle["uploads.json"] = edge.uploads(site, inline)
        if not report.errors and (packages := _packages(site, stack.architecture(site.root), report)):
            bundle["function.zip"] = _archive(site, inline, packages, report)
    return Product(bundle=bundle, starters={CONFIG: stack.made(site, api)})


# --- the function ----------------------------------------------------------------------------------------------


def _archive(site: Site, inline: set[str], packages: Path, report: Report) -> bytes | Path:
    """The function's archive; the one of the last build if nothing in it has changed."""
    files = _contents(site, inline, packages)
    state = sha256()
    total = 0
    for name, content in sorted(files.items()):
        data = content if isinstance(content, bytes) else content.read_bytes()
        state.update(f"{name}\0{len(data)}\0".encode() + data)
        total += len(data)
    comment = state.hexdigest().encode()
    last = site.root / ".magnetgen" / "bundle" / "lambda" / "function.zip"
    found = last if _comment(last) == comment else _zip(files, comment)
    size = last.stat().st_size if isinstance(found, Path) else len(found)
    for limit, bytes_, what in ((ZIPPED, size, "compressed"), (UNZIPPED, total, "unpacked")):
        if bytes_ > limit:
            hint = f"Lambda takes {checks.megabytes(limit)} {what}: smaller files in content/magnets/"
            message = f"the handler's bundle has {checks.megabytes(bytes_)} {what}"
            report.add(error("bundle-too-large", message, CONFIG_FILE, None, hint))
    return found


def _contents(site: Site, inline: set[str], packages: Path) -> dict[str, bytes | Path]:
    """Name in the archive → what is there: the handler, forms.json, small assets, the database's driver."""
    files: dict[str, bytes | Path] = {
        f"magnetgen/forms/{name}": path for path in edge.ISLAND.rglob("*") if (name := _shipped(path))
    }
    files["magnetgen/__init__.py"] = edge.ISLAND.parent / "__init__.py"
    files[f"{ENTRY}.py"] = b"from magnetgen.forms.aws import handler as handler\n"
    files[".magnetgen/forms.json"] = _json(edge.forms(site, inline))
    for name in inline:
        file = site.forms["assets"][name]["file"]
        files[file] = site.root / file
    for path in packages.rglob("*"):
        name = path.relative_to(packages).as_posix()
        if path.is_file() and not name.startswith("bin/") and "__pycache__" not in name:
            files[name] = path
    return files


def _json(data: object) -> bytes:
    return json.dumps(data, ensure_ascii=False, sort_keys=True).encode()


def _shipped(path: Path) -> str:
    """The name of a file of the island; empty for what a function has no use for."""
    name = path.relative_to(edge.ISLAND).as_posix()
    fine = path.suffix in (".py", ".json") and not name.startswith(_NOT_SHIPPED)
    return name if fine and path.is_file() else ""


def _comment(path: Path) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.comment
    except (OSError, zipfile.BadZipFile):
        return b""


def _zip(files: Mapping[str, bytes | Path], comment: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        archive.comment = comment
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _OLD)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content if isinstance(content, bytes) else content.read_bytes())
    return out.getvalue()


def _packages(site: Site, machine: str, report: Report) -> Path | None:
    """The driver's wheels, unpacked, for Lambda's Python and machine: taken by pip once, and kept."""
    name = re.sub(r"[^\w.]+", "-", f"{PACKAGE}-{PYTHON}-{machine}")
    folder = site.root / ".magnetgen" / "cache" / "lambda" / name
    if folder.is_dir():
        return folder
    making = folder.with_name(f".{name}.new")
    shutil.rmtree(making, ignore_errors=True)
    making.parent.mkdir(parents=True, exist_ok=True)
    platforms = [word for platform in _PLATFORMS[machine] for word in ("--platform", platform)]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input",
               "--no-compile", "--target", str(making), *platforms, "--implementation", "cp", "--python-version", PYTHON,
               "--only-binary=:all:", PACKAGE]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        said, worked = done.stderr, done.returncode == 0
    except (OSError, subprocess.TimeoutExpired) as exc:
        said, worked = str(exc), False
    if not worked:
        shutil.rmtree(making, ignore_errors=True)
        why = _why(said)
        message = f"pip could not get {PACKAGE} for Python {PYTHON} on {machine}" + (f" ({why})" if why else "")
        hint = "the function needs it: build once with pip installed and a connection; after that the site keeps it"
        report.add(error("lambda-packages", message, CONFIG_FILE, None, hint))
        return None
    making.rename(folder)
    return folder


def _why(said: str) -> str:
    """What pip has to say of its failure. Without a connection it says that there is no such version."""
    if "connection broken by" in said:
        return "the package index cannot be reached"
    return next((line.strip() for line in said.splitlines() if line.startswith("ERROR") or "No module" in line), "")


TARGET = Target("lambda", headers=True, redirects=lambda found: [], make=_make)
