"""Where a site can be deployed, and what each target adds to a build. One module a target, each with its `TARGET`.

Imported by the command line: nothing heavy here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from magnetgen.diagnostics import Report
    from magnetgen.plan import Plan
    from magnetgen.policy import Sources

_MODULES = {
    "netlify": "netlify",
    "cloudflare": "cloudflare",
    "github-pages": "github_pages",
    "lambda": "aws_lambda",
    "selfhost": "selfhost",
}
NAMES = tuple(_MODULES)

BUNDLES = (".magnetgen", "bundle")
"""The folder, below the site, that holds a folder for the target that was built last."""


@dataclass(frozen=True)
class Redirect:
    """An alias that the host answers with 301. Both are URLs as they stand in pages, the prefix included."""

    alias: str
    url: str


@dataclass(frozen=True)
class Site:
    """A built site as a target sees it, before anything is moved into place.

    out: the output folder, relative to the site where it lies in it. forms: forms.json as an object. sizes: every file
    of the output with its bytes, without those that the target adds. sources: what the pages load and run, all
    together; empty for a host that sends no headers.
    """

    root: Path
    plan: Plan
    out: str
    forms: Mapping[str, Any]
    sizes: Mapping[str, int]
    sources: Sources
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True)
class Product:
    """What a target adds.

    files: more files of the output. bundle: files below `.magnetgen/bundle/NAME/`, as bytes or as the file to copy.
    starters: files at the site's root that people change; written once, and then never again. watched: other files
    there that the target has looked at.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    bundle: Mapping[str, bytes | Path] = field(default_factory=dict)
    starters: Mapping[str, str] = field(default_factory=dict)
    watched: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """A kind of host. headers: whether it sends headers of ours; where not, pages carry their policy themselves.

    redirects: which of the aliases it redirects itself; the others get a page that does. make: everything else; it
    reports faults, and raises OSError.
    """

    name: str
    headers: bool
    redirects: Callable[[list[Redirect]], list[Redirect]]
    make: Callable[[Site, Report], Product]


def find(name: str) -> Target:
    """The target of that name. Raises KeyError."""
    target: Target = import_module(f"magnetgen.targets.{_MODULES[name]}").TARGET
    return target
