"""The hosts that a site can be deployed to, by the name of their target."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module

from magnetgen.deploy.job import Job
from magnetgen.deploy.steps import Step

_MODULES = {
    "netlify": "netlify",
    "cloudflare": "cloudflare",
    "github-pages": "github_pages",
    "lambda": "aws_lambda",
    "selfhost": "selfhost",
}
WITHOUT_PREVIEW = {
    "github-pages": "GitHub Pages shows one site a repository: look at it with `magnetgen serve`, "
    "or deploy a second repository with --base-url and --remote",
    "lambda": "a preview would be a second stack: another `stack` in deploy/lambda.toml, and its --base-url",
    "selfhost": "a preview of your own server is another folder on it: build with --base-url, and copy it there",
}


@dataclass(frozen=True)
class Host:
    """steps: up to the upload. undo: how to go back to what was live before, or nothing."""

    steps: Callable[[Job], Iterator[Step]]
    undo: Callable[[Job], str]
    preview_url: Callable[[Job], str] | None


def find(name: str) -> Host:
    module = import_module(f"magnetgen.deploy.{_MODULES[name]}")
    return Host(module.steps, module.undo, getattr(module, "preview_url", None))
