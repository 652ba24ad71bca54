"""AWS: the site in a bucket behind CloudFront, the handler as a Lambda function with PostgreSQL as its store."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from magnetgen import policy
from magnetgen.config import CONFIG_FILE
from magnetgen.diagnostics import Diagnostic, Report, Span, error, warning
from magnetgen.forms.aws import FILE_MAX
from magnetgen.targets import Product, Site, Target, checks, edge, headers
from magnetgen.text import slug

CONFIG = "template.yaml"
PACKAGE = "psycopg[binary]==3.3.9"
PYTHON = "3.13"
ENTRY = "lambda_function"
ZIPPED, UNZIPPED = 50_000_000, 250_000_000
POLICY = 4096
"""Characters of a stack's parameter."""
_PLATFORMS = {"x86_64": ("manylinux_2_28_x86_64", "manylinux2014_x86_64"),
              "arm64": ("manylinux_2_28_aarch64", "manylinux2014_aarch64")}  # fmt: skip
_NOT_SHIPPED = ("edge/", "asgi.py", "testing.py")
_VARIABLES = (
    "MAGNETGEN_SECRETS",
    "MAGNETGEN_EMAIL_KEY",
    "MAGNETGEN_ADMIN_TOKEN",
    "MAGNETGEN_STORE",
    "MAGNETGEN_MAIL_KEY",
)
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
    report.extend(_template_faults(site, api))
    parameters = [{"ParameterKey": "ContentSecurityPolicy", "ParameterValue": allowed}]
    bundle: edge.Files = {"parameters.json": (json.dumps(parameters, indent=1) + "\n").encode()}
    if api:
        report.extend(edge.too_large(site, FILE_MAX, "Lambda", "answers with files of up to"))
        if not report.errors and (packages := _packages(site, _architecture(site.root), report)):
            bundle["function.zip"] = _archive(site, packages, report)
    return Product(bundle=bundle, starters={CONFIG: _template(site, api)})


# --- the function ----------------------------------------------------------------------------------------------


def _archive(site: Site, packages: Path, report: Report) -> bytes | Path:
    """The function's archive; the one of the last build if nothing in it has changed."""
    files = _contents(site, packages)
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


def _contents(site: Site, packages: Path) -> dict[str, bytes | Path]:
    """Name in the archive → what is there: the handler, forms.json, what forms hand out, the database's driver."""
    files: dict[str, bytes | Path] = {
        f"magnetgen/forms/{name}": path for path in edge.ISLAND.rglob("*") if (name := _shipped(path))
    }
    files["magnetgen/__init__.py"] = edge.ISLAND.parent / "__init__.py"
    files[f"{ENTRY}.py"] = b"from magnetgen.forms.aws import handler as handler\n"
    files[".magnetgen/forms.json"] = json.dumps(site.forms, ensure_ascii=False, sort_keys=True).encode()
    for asset in site.forms["assets"].values():
        files[asset["file"]] = site.root / asset["file"]
    for path in packages.rglob("*"):
        name = path.relative_to(packages).as_posix()
        if path.is_file() and not name.startswith("bin/") and "__pycache__" not in name:
            files[name] = path
    return files


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
        why = next((line for line in said.splitlines() if line.startswith("ERROR") or "No module" in line), "")
        message = f"pip could not get {PACKAGE} for Python {PYTHON} on {machine}" + (f" ({why.strip()})" if why else "")
        hint = "the function needs it: build once with pip installed and a connection; after that the site keeps it"
        report.add(error("lambda-packages", message, CONFIG_FILE, None, hint))
        return None
    making.rename(folder)
    return folder


# --- template.yaml ---------------------------------------------------------------------------------------------


def _template(site: Site, api: str | None) -> str:
    import jinja2

    source = (Path(__file__).parent / "data" / CONFIG).read_text("utf-8")
    made = jinja2.Environment(
        block_start_string="<%", block_end_string="%>", variable_start_string="<<", variable_end_string=">>",
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    immutable = headers.is_immutable(site)
    policies = [("Page", "public, max-age=0, must-revalidate")]
    if immutable:
        policies.append(("Media", headers.IMMUTABLE))
    return made.from_string(source).render(
        api=api,
        host=urlsplit(site.plan.config.base_url).hostname,
        name=slug(site.plan.config.title)[:40].strip("-") or "site",
        immutable=immutable,
        policies=policies,
        permissions=headers.PERMISSIONS,
        variables=variables(site.forms),
    )


def variables(forms: Mapping[str, Any]) -> list[str]:
    """Names of the environment variables that hold secrets: magnetgen's own, and those that the site names."""
    named = [value for d in forms["destinations"] for key, value in sorted(d.items()) if key.endswith("_env")]
    asked = [form["challenge"].get("secret_env", "") for form in forms["forms"].values() if form.get("challenge")]
    return list(dict.fromkeys([*_VARIABLES, *named, *filter(None, asked)]))


def _architecture(root: Path) -> str:
    try:
        text = (root / CONFIG).read_text("utf-8", "replace")
    except OSError:
        return "x86_64"
    found = re.search(r"^\s*Architectures:\s*(?:\[\s*|\n\s*-\s*)?[\"']?(arm64|x86_64)", text, re.M)
    return found[1] if found else "x86_64"


def _template_faults(site: Site, api: str | None) -> Iterator[Diagnostic]:
    try:
        text = (site.root / CONFIG).read_text("utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except FileNotFoundError:
        return
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        mark = getattr(exc, "problem_mark", None)
        span = Span(mark.line + 1, mark.column + 1) if mark else Span(1)
        yield error("target-file", "this is not YAML", CONFIG, span, "mend it, or delete it to have it made anew")
        return
    if _at(root, "Parameters", "ContentSecurityPolicy") is None:
        hint = f"take it from a new {CONFIG}: without it pages have no policy, or an old one"
        yield warning("target-file-differs", "there is no parameter ContentSecurityPolicy", CONFIG, _span(root), hint)
    if api is None:
        return
    resources = _at(root, "Resources")
    functions = [
        n
        for n in _children(resources)
        if _text(_at(n, "Type")) in ("AWS::Lambda::Function", "AWS::Serverless::Function")
    ]
    mine = next((n for n in functions if (_text(_at(n, "Properties", "Handler")) or "").startswith(f"{ENTRY}.")), None)
    if mine is None:
        node = _at(functions[0], "Properties", "Handler") if functions else resources
        found = _text(node) if functions else None
        yield _differs(node or root, "Handler", found, f"{ENTRY}.handler", True)
        return
    runtime = _at(mine, "Properties", "Runtime")
    if _text(runtime) != f"python{PYTHON}":
        yield _differs(runtime or mine, "Runtime", _text(runtime), f"python{PYTHON}", True)
    known = _at(mine, "Properties", "Environment", "Variables")
    missing = [name for name in variables(site.forms) if known is None or _at(known, name) is None]
    if missing:
        hint = "add them, each from the secret, as the others are"
        message = f"the function does not get {', '.join(missing)}"
        yield warning("target-file-differs", message, CONFIG, _span(known or mine), hint)
    schedules = ("rate(1 minute)", "cron(* * * * ? *)")
    if not any(schedule in text for schedule in schedules):
        yield _differs(resources or root, "ScheduleExpression", None, schedules[0], False)


def _differs(node: yaml.Node | None, key: str, found: str | None, wanted: str, fatal: bool) -> Diagnostic:
    said = f"says {found}" if found else "is not set"
    make = error if fatal else warning
    hint = f"set it to {wanted}, or delete {CONFIG} to have it made anew"
    return make("target-file-differs", f"{key} {said}, and this build needs {wanted}", CONFIG, _span(node), hint)


def _children(node: yaml.Node | None) -> list[yaml.Node]:
    return [value for _, value in node.value] if isinstance(node, yaml.MappingNode) else []


def _at(node: yaml.Node | None, *path: str) -> yaml.Node | None:
    for key in path:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        node = next((value for name, value in pairs if name.value == key), None)
    return node


def _text(node: yaml.Node | None) -> str | None:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else None


def _span(node: yaml.Node | None) -> Span:
    if node is None:
        return Span(1)
    start, end = node.start_mark, node.end_mark
    return Span(start.line + 1, start.column + 1, end.column - start.column if end.line == start.line else 1)


TARGET = Target("lambda", headers=True, redirects=lambda found: [], make=_make)
