"""The program behind `magnetgen deploy`: options → a job → its steps → an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from magnetgen import config, diagnostics, yamldoc
from magnetgen.deploy import hosts, init, verify
from magnetgen.deploy.job import Job, Wishes
from magnetgen.deploy.steps import CONTENT, USAGE, DeployFault, Show, Step, walk
from magnetgen.deploy.tools import Shell


def run(root: Path, wishes: Wishes) -> int:
    """Deploy, rehearse or verify."""
    show = _show()
    try:
        job = open_job(root, wishes, show)
        host = hosts.find(wishes.target)
        if wishes.preview:
            _prepare_preview(job, host)
    except yamldoc.Fault as fault:
        return _config_fault(root, show, fault)
    except DeployFault as fault:
        show.fault(f"deploy {wishes.target}", fault)
        return fault.exit_code
    code = walk(_steps(job, host), show, wishes.dry_run, lambda: "" if wishes.verify_only else host.undo(job))
    _summary(job, code)
    return code


def _show() -> Show:
    return Show(color=sys.stdout.isatty() and "NO_COLOR" not in os.environ)


def _config_fault(root: Path, show: Show, fault: yamldoc.Fault) -> int:
    renderer = diagnostics.TextRenderer(root, color=show.color)
    for found in fault.diagnostics:
        show.say(renderer.render(found))
    return CONTENT


def open_job(root: Path, wishes: Wishes, show: Show) -> Job:
    """The site and what is asked of it. Raises yamldoc.Fault, DeployFault."""
    try:
        settings, _ = config.load(root, wishes.base_url)
    except FileNotFoundError:
        raise yamldoc.Fault(config.missing()) from None
    root, env = root.absolute(), dict(os.environ)  # tools are run in it, and are told of files in it
    shell = Shell(root, show, wishes.dry_run, env)
    job = Job(root, wishes, settings, shell, show, env, settings.base_url, (root / settings.build.out).resolve())
    shell.hide(filter(None, (job.secret(name) for name in ("MAGNETGEN_SECRETS", "MAGNETGEN_EMAIL_KEY",
                                                            "MAGNETGEN_ADMIN_TOKEN", "MAGNETGEN_MAIL_KEY"))))  # fmt: skip
    shell.hide(
        env.get(name, "")
        for one in settings.handler.destinations
        for name in (one.url_env, one.secret_env, one.key_env)
    )
    return job


def _prepare_preview(job: Job, host: hosts.Host) -> None:
    """Build for the preview's own address. Raises DeployFault where the host has none."""
    if host.preview_url is None:
        raise DeployFault("this host has no previews", hosts.WITHOUT_PREVIEW[job.wishes.target], USAGE)
    if job.wishes.base_url:
        return
    job.base_url = host.preview_url(job)
    job.config, _ = config.load(job.root, job.base_url)


def _steps(job: Job, host: hosts.Host) -> Iterator[Step]:
    if not job.wishes.verify_only:
        yield from host.steps(job)
        if job.wishes.target == "selfhost":
            return
    yield from verify.steps(job)


def _summary(job: Job, code: int) -> None:
    wishes = job.wishes
    if code:
        job.show.say(f"Not as it should be (exit code {code}).")
    elif wishes.dry_run:
        job.show.say("Rehearsed: nothing was uploaded.")
    elif wishes.verify_only:
        job.show.say(f"{job.base_url} is as built.")
    elif wishes.target != "selfhost":
        job.show.say(f"Live: {job.base_url}")


def begin(root: Path, wishes: Wishes) -> int:
    """`--init`: what a host needs once, and what is to be done there."""
    show = _show()
    try:
        return init.write(open_job(root, wishes, show))
    except yamldoc.Fault as fault:
        return _config_fault(root, show, fault)
    except DeployFault as fault:
        show.fault(f"deploy {wishes.target} --init", fault)
        return fault.exit_code
