"""`deploy TARGET --init`: a workflow for CI, keys for the handler, and what is to be done once at the host.

Nothing that is there is written over, and no value of a secret is printed: commands read them from `.magnetgen/secrets`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

from magnetgen.deploy import aws_lambda, aws_stack, cloudflare, secrets
from magnetgen.deploy.github_pages import COSTS
from magnetgen.deploy.job import Job, build
from magnetgen.deploy.publish import GIT
from magnetgen.deploy.steps import DeployFault
from magnetgen.targets import netlify, starters

WORKFLOWS = Path(__file__).parent / "workflows"
FILE = Path(".github", "workflows", "deploy.yml")
_CI_SECRETS = {
    "netlify": ("NETLIFY_AUTH_TOKEN", "MAGNETGEN_ADMIN_TOKEN"),
    "cloudflare": ("CLOUDFLARE_API_TOKEN", "MAGNETGEN_ADMIN_TOKEN"),
    "github-pages": ("MAGNETGEN_ADMIN_TOKEN",),
    "lambda": ("MAGNETGEN_ADMIN_TOKEN",),
}
_CI_VARIABLES = {
    "netlify": ("NETLIFY_SITE_ID",),
    "cloudflare": ("CLOUDFLARE_ACCOUNT_ID",),
    "lambda": ("AWS_ROLE", "AWS_REGION"),
}


def write(job: Job) -> int:
    """Do what can be done here, and say the rest. Raises DeployFault, OSError."""
    target = job.wishes.target
    if target != "selfhost":
        job.show.say(_workflow(job))
        job.show.say(_requirements(job))
    is_new = not (job.root / netlify.CONFIG).exists()
    build(job)
    job.show.say("Built, with the files that the host needs.")
    if target == "netlify" and is_new and job.handler_here:
        with (job.root / netlify.CONFIG).open("a", encoding="utf-8") as stream:
            stream.write("\n# What the button asks for, of those who make a site of their own from this one.\n")
            stream.writelines(f"{line}\n" for line in template(job))
    if job.handler_here:
        file, made = secrets.prepare(job)
        job.show.say(
            f"{file} {'holds new keys for the handler' if made else 'is there already: its keys stay'}. Keep it safe."
        )
    for line in _following(job):
        job.show.say(line)
    return 0


def _workflow(job: Job) -> str:
    """Write the workflow, once."""
    top, folder = _repository(job)
    text = _text(job, folder)
    path = top / FILE
    shown = path.relative_to(top).as_posix()
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return f"Wrote {shown}."
    there = path.read_text("utf-8", "replace")
    if there == text:
        return f"{shown} is there already."
    lines = unified_diff(
        there.splitlines(), text.splitlines(), shown, f"{shown} as it would be written now", lineterm="", n=1
    )
    return "\n".join(
        [f"{shown} is there already, and differs: it is left as it is.", *(f"    {line}" for line in lines)]
    )


def _requirements(job: Job) -> str:
    """Write what the workflow installs, once."""
    if _once(job, Path(starters.REQUIREMENTS), starters.requirements(), 0o644):
        return f"Wrote {starters.REQUIREMENTS}: what such a workflow installs."
    text = (job.root / starters.REQUIREMENTS).read_text("utf-8", "replace")
    if "magnetgen" in text:
        return f"{starters.REQUIREMENTS} is there already."
    line = starters.requirements().splitlines()[-1]
    return f"{starters.REQUIREMENTS} is there already, without magnetgen: add a line, {line}"


def _repository(job: Job) -> tuple[Path, str]:
    """(the repository's top, the site's folder below it). Without one, the site's own folder."""
    try:
        done = job.shell.ask(GIT, "rev-parse", "--show-toplevel", "--show-prefix")
    except DeployFault:  # without git there is no repository either
        return job.root, ""
    top, _, folder = done.out.rstrip("\n").partition("\n")
    return (Path(top), folder.strip().rstrip("/")) if done.code == 0 else (job.root, "")


def _text(job: Job, folder: str) -> str:
    out = Path(job.config.build.out)
    values = {
        "branch": _branch(job),
        "out": (Path(folder) / out).as_posix(),
        "folder": f"defaults:\n  run:\n    working-directory: {json.dumps(folder, ensure_ascii=False)}\n"
        if folder
        else "",
    }
    text = (WORKFLOWS / f"{job.wishes.target}.yml").read_text("utf-8")
    for name, value in values.items():
        text = text.replace("{{" + name + "}}", value)
    return text


def _branch(job: Job) -> str:
    """The branch that is worked on."""
    try:
        done = job.shell.ask(GIT, "symbolic-ref", "--short", "HEAD")
    except DeployFault:
        return "main"
    return done.out.strip() if done.code == 0 and done.out.strip() else "main"


def _following(job: Job) -> Iterator[str]:
    """What is left to do, with the commands. Values come from files and from standard input, never from arguments."""
    target = job.wishes.target
    yield "\nNext:"
    yield from {
        "netlify": _netlify,
        "cloudflare": _cloudflare,
        "github-pages": _github_pages,
        "lambda": _lambda,
        "selfhost": _selfhost,
    }[target](job)
    if target in _CI_SECRETS:
        yield "\nFor the workflow (each asks for the value, so that it is in no history; `gh` is GitHub's own tool):"
        for name in _CI_SECRETS[target]:
            yield f"  gh secret set {name}"
        for name in _CI_VARIABLES.get(target, ()):
            yield f"  gh variable set {name}"


def _wanted(job: Job) -> Iterator[str]:
    """What the handler needs besides the keys."""
    more = [need for need in secrets.needs(job.forms) if need.name not in secrets.KEYS]
    if more:
        yield "  Add to .magnetgen/secrets, a line of NAME=value each:"
        for need in more:
            yield f"    {need.name}  ({need.why})"


def _netlify(job: Job) -> Iterator[str]:
    yield "  npm install -g netlify-cli && netlify login"
    yield "  netlify sites:create      # or, for a site that is there: netlify link"
    if job.handler_here:
        yield from _wanted(job)
        yield "  netlify env:import .magnetgen/secrets"
    yield "  magnetgen deploy netlify --dry-run, then: magnetgen deploy netlify"
    if job.handler_here:
        yield "\nFor others, a button that makes a site of their own from your repository (README.md):"
        yield "  [![Deploy to Netlify](https://www.netlify.com/img/deploy/button.svg)](https://app.netlify.com/start/deploy?repository=https://github.com/YOU/REPO)"
        text = (job.root / netlify.CONFIG).read_text("utf-8", "replace")
        if "[template.environment]" in text:
            yield f"It asks them for what stands below [template.environment] in {netlify.CONFIG}."
        else:
            yield f"and at the end of {netlify.CONFIG} what it asks them for:"
            yield from (f"  {line}" for line in template(job))


def template(job: Job) -> Iterator[str]:
    """`[template.environment]` of netlify.toml: the variables that Netlify asks for when it copies the site."""
    hints = {
        "MAGNETGEN_SECRETS": "k1: and what `openssl rand -hex 32` prints, without a space",
        "MAGNETGEN_EMAIL_KEY": "what `openssl rand -hex 32` prints the next time; never change it",
        "MAGNETGEN_ADMIN_TOKEN": "what `openssl rand -hex 32` prints once more: keep it, it opens your leads",
        "MAGNETGEN_MAIL_PROVIDER": "resend, postmark or brevo",
        "MAGNETGEN_MAIL_KEY": "the provider's API key",
        "MAGNETGEN_MAIL_FROM": "Name <name@your-domain>",
    }
    yield "[template.environment]"
    for need in secrets.needs(job.forms):
        yield f'{need.name} = "{hints.get(need.name, need.why)}"'


def _cloudflare(job: Job) -> Iterator[str]:
    yield "  npm install -g wrangler && wrangler login"
    if job.handler_here:
        name = cloudflare.database(job) or "NAME"
        yield f"  wrangler d1 create {name}   # add the id that it says to wrangler.toml: database_id"
        yield from _wanted(job)
        yield "  wrangler secret bulk .magnetgen/secrets"
    yield "  magnetgen deploy cloudflare --dry-run, then: magnetgen deploy cloudflare"


def _github_pages(job: Job) -> Iterator[str]:
    yield f"  Know what it costs: {COSTS}."
    if job.own_handler and not job.handler_here:
        yield f"  The forms go to {job.config.handler.url}: give that handler this build's .magnetgen/forms.json."
    yield "  With the workflow: push it, and choose Settings, Pages, Source: GitHub Actions."
    yield "  Without: magnetgen deploy github-pages, and choose Settings, Pages, Branch: gh-pages."


def _lambda(job: Job) -> Iterator[str]:
    yield "  pip install awscli (or AWS's own installer) && aws configure"
    if _once(job, aws_stack.SETTINGS, aws_lambda.STARTER):
        yield f"  {aws_stack.SETTINGS} is made: the stack's name and parameters (sender, mail provider, certificate)."
    if job.handler_here:
        values = {name: job.secret(name) for name in aws_lambda.secret_names(job)}
        _once(job, aws_lambda.SECRETS, json.dumps(values, indent=1) + "\n")
        yield f"  Fill in what is empty in {aws_lambda.SECRETS}, MAGNETGEN_STORE above all: postgresql://…"
        yield f"  {aws_lambda.create_secret(job)}"
    yield "  magnetgen deploy lambda --dry-run, then: magnetgen deploy lambda"


def _once(job: Job, file: Path, text: str, mode: int = 0o600) -> bool:
    """Write a file, for its owner only, unless there is one."""
    path = job.root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    return True


def _selfhost(job: Job) -> Iterator[str]:
    if job.handler_here:
        yield "  Give the server its keys: those of .magnetgen/secrets, or others that `magnetgen secrets` makes there; and what"
        yield "  deploy/env.example names besides: the sender, how mails are sent, what destinations need."
    yield "  magnetgen deploy selfhost   # builds, and says what to copy"
