"""Which secrets a deployed handler needs, and which of them the host lacks. Names only; values never leave this file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from magnetgen.deploy.job import Job
from magnetgen.deploy.steps import USAGE, DeployFault, listed
from magnetgen.forms import files, settings
from magnetgen.forms.site import Site
from magnetgen.forms.tokens import make_secrets

KEYS = ("MAGNETGEN_SECRETS", "MAGNETGEN_EMAIL_KEY", "MAGNETGEN_ADMIN_TOKEN")
MAIL = ("MAGNETGEN_MAIL_PROVIDER", "MAGNETGEN_MAIL_KEY", "MAGNETGEN_MAIL_FROM")


@dataclass(frozen=True)
class Need:
    """A variable that the handler must have, and what for."""

    name: str
    why: str


def needs(site: Site, more: Iterable[str] = ()) -> list[Need]:
    """All of them, each once. `more`: what the host's handler needs besides."""
    found = [Need(name, "the handler does not start without it") for name in KEYS[:2]]
    found.append(Need(KEYS[2], "`magnetgen leads` and the check after a deploy ask with it"))
    found += [Need(name, "the handler's store") for name in more]
    if wanting := sends_mail(site):
        found += [Need(name, f"the form {wanting} sends mails") for name in MAIL]
    for destination in site.destinations.values():
        named = (destination.url_env, destination.secret_env, destination.key_env, destination.list_env)
        found += [Need(name, f"the destination {destination.name}") for name in named if name]
    for form in site.forms.values():
        if form.challenge and form.challenge.secret_env:
            found.append(Need(form.challenge.secret_env, f"the challenge of the form {form.name}"))
    return list({need.name: need for need in reversed(found)}.values())[::-1]


def sends_mail(site: Site) -> str:
    """A form for which mails matter: it asks for confirmation, gives something, or tells somebody."""
    for name, form in sorted(site.forms.items()):
        told = any(dest.startswith("email:") for dest in form.spec.notify)
        if form.spec.double_opt_in or form.spec.magnet or told:
            return name
    return ""


def check(job: Job, there: Iterable[str], how: str, more: Iterable[str] = ()) -> str:
    """Whether the host has them all. `how`: the command that sets one there. Raises DeployFault that names them."""
    have = set(there)
    wanted = needs(job.forms, more)
    lacking = [need for need in wanted if need.name not in have]
    if lacking:
        reasons = "".join(f"\n        {need.name}  ({need.why})" for need in lacking)
        raise DeployFault(f"the host lacks {listed(need.name for need in lacking)}", f"{how}{reasons}", USAGE)
    return f"{len(wanted)} variables are set at the host"


def prepare(job: Job) -> tuple[str, bool]:
    """.magnetgen/secrets, made where there is none, for its owner only → (its path, whether it was made now)."""
    path = files.path(job.root, files.REAL.secrets)
    try:
        settings.save(job.root, settings.as_lines(make_secrets()))
    except FileExistsError:
        return path.relative_to(job.root).as_posix(), False
    return path.relative_to(job.root).as_posix(), True
