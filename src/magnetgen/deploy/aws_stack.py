"""The stack at AWS: what its owner says of it, what it is now, and how it is brought to what template.yaml says."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from magnetgen.deploy.job import Job
from magnetgen.deploy.steps import BROKEN, CONTENT, DeployFault
from magnetgen.deploy.tools import Done, Tool
from magnetgen.text import host_name

TOOL = Tool("aws", "pip install awscli, or https://aws.amazon.com/cli/", (1, 27, 0))
SETTINGS = Path("deploy", "lambda.toml")
TEMPLATE = "template.yaml"
_UNCHANGED = "No updates are to be performed"
"""Some versions say so as if it were a fault."""


@dataclass(frozen=True)
class Stack:
    """deploy/lambda.toml. code_bucket: where the function's archive goes; parameters: the stack's own."""

    name: str
    region: str = ""
    code_bucket: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def secret(self) -> str:
        return self.parameters.get("SecretName") or f"{self.name}/handler"


def settings(job: Job) -> Stack:
    """deploy/lambda.toml, or what a site without one has. Raises DeployFault."""
    found = job.known.get("stack")
    if isinstance(found, Stack):
        return found
    path = job.root / SETTINGS
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        data = {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise DeployFault(
            f"{SETTINGS} cannot be read: {exc}", "mend it, or delete it: --init makes one", CONTENT
        ) from None
    unknown = data.keys() - {"stack", "region", "code_bucket", "parameters"}
    if unknown:
        raise DeployFault(
            f"{SETTINGS}: unknown key {min(unknown)}", "keys: stack, region, code_bucket, parameters", CONTENT
        )
    parameters = {str(name): str(value) for name, value in dict(data.get("parameters", {})).items()}
    made = Stack(data.get("stack") or _name(job), data.get("region", ""), data.get("code_bucket", ""), parameters)
    job.known["stack"] = made
    return made


def _name(job: Job) -> str:
    return host_name(job.config.title)


def ask(job: Job, *given: str, seconds: float = 300) -> Done:
    return job.shell.ask(TOOL, *words(job, *given), seconds=seconds)


def words(job: Job, *given: str) -> tuple[str, ...]:
    """The arguments, with the region that the settings name."""
    region = settings(job).region
    return (*given, "--region", region) if region else given


def parameters(job: Job) -> dict[str, str]:
    """The stack's: what the build says, what was uploaded, and what the owner says, who wins."""
    found = {"DomainName": job.host}
    for entry in json.loads((job.bundle / "parameters.json").read_bytes()):
        found[entry["ParameterKey"]] = entry["ParameterValue"]
    if "code" in job.known:
        found["CodeBucket"], found["CodeKey"] = job.known["code"]
        found["SecretName"] = settings(job).secret
    return {**found, **{name: value for name, value in settings(job).parameters.items() if value}}


def change(job: Job, given: Mapping[str, str]) -> bool:
    """Bring the stack to what the template says; CloudFormation goes back by itself where that fails.

    `given`: its parameters; those that are not given stay as they are. False in a rehearsal.
    """
    name = settings(job).name
    command = (
        "cloudformation", "deploy", "--template-file", TEMPLATE, "--stack-name", name,
        "--parameter-overrides", *(f"{key}={value}" for key, value in given.items()),
        "--capabilities", "CAPABILITY_IAM", "--no-fail-on-empty-changeset",
    )  # fmt: skip
    hint = f"aws cloudformation describe-stack-events --stack-name {name} says why; the site is as it was"
    try:
        return job.shell.change(TOOL, *words(job, *command), hint=hint) is not None
    except DeployFault as fault:
        if _UNCHANGED not in fault.tail:
            raise
        return True


def present(job: Job) -> Mapping[str, Any] | None:
    """What the stack is now; None where there is none yet. Raises DeployFault."""
    command = ("cloudformation", "describe-stacks", "--stack-name", settings(job).name, "--output", "json")
    done = ask(job, *command)
    said = done.json()
    stacks = said.get("Stacks") if isinstance(said, dict) else None
    if stacks and not done.code:
        # A stack whose first change was only looked at is none.
        return None if stacks[0].get("StackStatus") == "REVIEW_IN_PROGRESS" else dict(stacks[0])
    if "does not exist" in done.tail or job.shell.dry:
        return None
    raise job.shell.failed(TOOL, command, done, "run this again")


def outputs(job: Job) -> dict[str, str]:
    """What the stack says of itself. Raises DeployFault."""
    found = present(job)
    if found is None:
        raise DeployFault(f"there is no stack {settings(job).name}", "run this again", BROKEN)
    return named(found, "Output")


def named(stack: Mapping[str, Any], kind: str) -> dict[str, str]:
    """Its outputs or parameters. `kind`: Output or Parameter."""
    return {str(one[f"{kind}Key"]): str(one.get(f"{kind}Value", "")) for one in stack.get(f"{kind}s") or ()}
