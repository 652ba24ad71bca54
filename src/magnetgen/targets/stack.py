"""template.yaml: the stack of the target lambda, made once for its owner, and what does not fit in the one that is there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from magnetgen.diagnostics import Diagnostic, Span, error, warning
from magnetgen.targets import Site, headers
from magnetgen.text import host_name

CONFIG = "template.yaml"
PYTHON = "3.13"
ENTRY = "lambda_function"
ASSETS, ASSETS_OUTPUT = "MAGNETGEN_ASSETS_BUCKET", "AssetsBucket"
"""What tells the function of the bucket with large assets, and `deploy`."""
_VARIABLES = (
    "MAGNETGEN_SECRETS",
    "MAGNETGEN_EMAIL_KEY",
    "MAGNETGEN_ADMIN_TOKEN",
    "MAGNETGEN_STORE",
    "MAGNETGEN_MAIL_KEY",
)


def made(site: Site, api: str | None) -> str:
    import jinja2

    source = (Path(__file__).parent / "data" / CONFIG).read_text("utf-8")
    environment = jinja2.Environment(
        block_start_string="<%", block_end_string="%>", variable_start_string="<<", variable_end_string=">>",
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    immutable = headers.is_immutable(site)
    policies = [("Page", "public, max-age=0, must-revalidate")]
    if immutable:
        policies.append(("Media", headers.IMMUTABLE))
    return environment.from_string(source).render(
        api=api,
        host=urlsplit(site.plan.config.base_url).hostname,
        name=host_name(site.plan.config.title),
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


def architecture(root: Path) -> str:
    try:
        text = (root / CONFIG).read_text("utf-8", "replace")
    except OSError:
        return "x86_64"
    found = re.search(r"^\s*Architectures:\s*(?:\[\s*|\n\s*-\s*)?[\"']?(arm64|x86_64)", text, re.M)
    return found[1] if found else "x86_64"


def faults(site: Site, api: str | None, stored: bool) -> Iterator[Diagnostic]:
    """What does not fit in the owner's template. `stored`: there are assets in a bucket."""
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
    yield from _route_faults(resources, api)
    if stored:
        yield from _bucket_faults(root, mine, known)
    schedules = ("rate(1 minute)", "cron(* * * * ? *)")
    if not any(schedule in text for schedule in schedules):
        yield _differs(resources or root, "ScheduleExpression", None, schedules[0], False)


def _bucket_faults(root: yaml.Node | None, mine: yaml.Node, known: yaml.Node | None) -> Iterator[Diagnostic]:
    """Large assets need a bucket that the function knows and may read, and `deploy` can find."""
    hint = f"take Assets, AssetsByTls, the Policies of HandlerRole and the output {ASSETS_OUTPUT} from a new {CONFIG}"
    if known is None or _at(known, ASSETS) is None:
        message = f"the function does not get {ASSETS}: forms hand out files that only a bucket can hold"
        yield error("target-file-differs", message, CONFIG, _span(known or mine), hint)
    elif _at(root, "Outputs", ASSETS_OUTPUT) is None:
        message = f"there is no output {ASSETS_OUTPUT}: magnetgen deploy cannot find the bucket for large files"
        yield warning("target-file-differs", message, CONFIG, _span(_at(root, "Outputs") or root), hint)


def has_output(root: Path, name: str) -> bool:
    """Whether the template says that of its stack. A template that cannot be read says nothing."""
    try:
        return (
            _at(yaml.compose((root / CONFIG).read_text("utf-8"), Loader=yaml.SafeLoader), "Outputs", name) is not None
        )
    except (OSError, yaml.YAMLError, UnicodeDecodeError):
        return False


def _differs(node: yaml.Node | None, key: str, found: str | None, wanted: str, fatal: bool) -> Diagnostic:
    said = f"says {found}" if found else "is not set"
    make = error if fatal else warning
    hint = f"set it to {wanted}, or delete {CONFIG} to have it made anew"
    return make("target-file-differs", f"{key} {said}, and this build needs {wanted}", CONFIG, _span(node), hint)


def _children(node: yaml.Node | None) -> list[yaml.Node]:
    return [value for _, value in node.value] if isinstance(node, yaml.MappingNode) else []


def _sequence(node: yaml.Node | None) -> list[yaml.Node]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _route_faults(resources: yaml.Node | None, api: str) -> Iterator[Diagnostic]:
    """Whether CloudFront leads the forms to the handler, as far as the template says it in plain words."""
    distributions = [
        _at(node, "Properties", "DistributionConfig")
        for node in _children(resources)
        if _text(_at(node, "Type")) == "AWS::CloudFront::Distribution"
    ]
    behaviours = [one for node in distributions for one in _sequence(_at(node, "CacheBehaviors"))]
    patterns = [_text(_at(one, "PathPattern")) for one in behaviours]
    if not behaviours or None in patterns:
        return
    if not any(fnmatchcase(f"{api}/forms", f"/{str(pattern).lstrip('/')}") for pattern in patterns):
        hint = "let the one that leads to the handler have it, unless another way does: the forms reach nobody else"
        message = f"no cache behaviour has the path {api}/*, where the handler answers"
        yield warning("target-file-differs", message, CONFIG, _span(_at(behaviours[0], "PathPattern")), hint)


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
