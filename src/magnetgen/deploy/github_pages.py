"""GitHub Pages: static files on the branch gh-pages. No functions, no headers: what that costs is said."""

from __future__ import annotations

import re
from collections.abc import Iterator

from magnetgen.deploy import publish
from magnetgen.deploy.job import Job, build, check_address, mismatch
from magnetgen.deploy.steps import CONTENT, DeployFault, Step

_GITHUB = re.compile(r"(?:https?://(?:[^/@]+@)?|ssh://git@|git@)github\.com[:/]([^/]+)/(.+?)(?:\.git)?/?")
COSTS = (
    "GitHub Pages runs no form handler and sends no headers of yours: no Strict-Transport-Security, no frame-ancestors, "
    "10 minutes of caching for everything; pages carry their Content-Security-Policy in a <meta>"
)


def steps(job: Job) -> Iterator[Step]:
    yield Step("tool", lambda: f"git {job.shell.version(publish.GIT)}", check=True)
    yield Step("repository", lambda: repository(job), check=True)
    yield Step("address", lambda: address(job), check=True)
    yield Step("build", lambda: build(job))
    yield Step("forms", lambda: forms(job), check=True)
    yield Step("push", lambda: push(job))


def repository(job: Job) -> str:
    found = publish.open_repository(job.shell, job.wishes.remote)
    job.known["repository"] = found
    return job.shell.masked(found.url)


def address(job: Job) -> str:
    """Whether base_url is where GitHub shows this repository, or a domain of its owner's."""
    check_address(job)
    found = job.known.get("repository")
    match = _GITHUB.fullmatch(found.url) if isinstance(found, publish.Repository) else None
    wanted = pages_url(*match.groups()) if match else ""
    if job.host.endswith(".github.io"):
        if wanted and job.base_url.lower() != wanted.lower():
            raise mismatch(job, wanted, "the repository's address at GitHub Pages")
    elif wanted and job.address.path != "/":
        raise DeployFault("base_url has a path: with a domain of your own the site is at its top",
                          f"set `base_url: https://{job.host}`", CONTENT)  # fmt: skip
    if not wanted and isinstance(found, publish.Repository):
        job.warn(f"the remote is not at github.com: whether it is shown at {job.base_url} cannot be told")
    return job.base_url


def pages_url(owner: str, name: str) -> str:
    host = f"{owner.lower()}.github.io"
    return f"https://{host}/" if name.lower() == host else f"https://{host}/{name}/"


def forms(job: Job) -> str:
    """Who receives the forms, which the build has seen to; and what this host costs."""
    job.warn(COSTS)
    return f"they are sent to {job.config.handler.url}"


def push(job: Job) -> str:
    found = (
        job.known["repository"] if "repository" in job.known else publish.open_repository(job.shell, job.wishes.remote)
    )
    subject = f"Publish {job.base_url} from {publish.source(job.shell)}"
    done = publish.publish(found, job.out, subject)
    if done.unchanged:
        return f"{publish.BRANCH} holds just this already ({done.before[:12]}): nothing was pushed"
    if not done.commit:
        return "not pushed: this is a rehearsal"
    if not done.before:
        job.warn(f"choose the branch {publish.BRANCH} at the repository's Settings, Pages: this is its first commit")
    return f"{publish.BRANCH} is {done.commit[:12]}" + (f", it was {done.before[:12]}" if done.before else "")


def undo(job: Job) -> str:
    return "git revert the change of the content, then: magnetgen deploy github-pages"
