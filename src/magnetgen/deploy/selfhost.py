"""A server of one's own: what it needs is built and checked; copying it there is the owner's."""

from __future__ import annotations

import re
from collections.abc import Iterator

from magnetgen.deploy import secrets
from magnetgen.deploy.job import Job, build, check_address, check_handler
from magnetgen.deploy.steps import LeftOut, Step, listed


def steps(job: Job) -> Iterator[Step]:
    yield Step("address", lambda: check_address(job), check=True)
    yield Step("build", lambda: build(job))
    yield Step("forms", lambda: check_handler(job), check=True)
    if job.handler_here:
        yield Step("secrets", lambda: check_secrets(job), check=True)
    yield Step("next", lambda: following(job))


def check_secrets(job: Job) -> str:
    """What the server needs can only be named: its keys are made there, and need not be known here."""
    wanted = [need.name for need in secrets.needs(job.forms) if need.name not in secrets.MAIL]
    mail = ", and a sender and a way to send mails" if secrets.sends_mail(job.forms) else ""
    raise LeftOut(f"not asked: the server needs {listed(wanted)}{mail}, in its own environment")


def following(job: Job) -> str:
    """What the owner does now: docs/hosts/selfhost.md says where everything lies."""
    place = f"SERVER:/srv/{job.host}"
    lines = [
        "copy it to the server (SERVER is yours to fill in):",
        f"rsync -a --delete {_inside(job)}/ {place}/public/",
        f"rsync -a --delete .magnetgen/bundle/selfhost/ {place}/selfhost/",
    ]
    if job.handler_here:
        name = re.sub(r"[^a-z0-9]+", "-", job.host.lower()).strip("-")
        lines.append(f"ssh SERVER systemctl restart magnetgen-{name}")
    lines += [
        "and have the web server read its settings anew: systemctl reload nginx, or caddy",
        "then look at it from outside: magnetgen deploy selfhost --verify-only",
    ]
    return "\n        ".join(lines)


def _inside(job: Job) -> str:
    return (
        job.out.relative_to(job.root.resolve()).as_posix()
        if job.out.is_relative_to(job.root.resolve())
        else str(job.out)
    )


def undo(job: Job) -> str:
    return "copy an earlier build there"
