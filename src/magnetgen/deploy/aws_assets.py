"""Large assets at AWS: in the stack's private bucket before the function leads anybody there."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from magnetgen.deploy import aws_stack, uploads
from magnetgen.deploy.job import Job
from magnetgen.deploy.job import uploads as large
from magnetgen.deploy.steps import CONTENT, DeployFault, LeftOut
from magnetgen.targets.stack import ASSETS_OUTPUT, has_output

_KEPT = ("ContentSecurityPolicy", "CodeBucket", "CodeKey")
"""Parameters that belong to what is live, and stay until the files are where they are looked for."""


def check(job: Job) -> None:
    """Whether the stack will say where large assets go. Raises DeployFault."""
    if large(job) and job.handler_here and not has_output(job.root, ASSETS_OUTPUT):
        hint = f"take the output {ASSETS_OUTPUT} and what it names from a new template.yaml, or delete yours and build"
        raise DeployFault(
            f"{aws_stack.TEMPLATE} has no bucket for files that are too large for the function", hint, CONTENT
        )


def before(job: Job) -> str:
    """Upload them before the function is brought up to date; a bucket that lacks is made while the function stays.

    Without a function there is nothing to be early for: then they follow the stack, and come before the site's files.
    """
    if not large(job):
        raise LeftOut("no asset is too large for the bundle")
    stack = aws_stack.present(job)
    there = aws_stack.named(stack, "Parameter") if stack else {}
    if stack is None or "CodeKey" not in there:
        job.known["assets wait"] = True
        raise LeftOut("they follow as soon as the stack has made their bucket")
    if not _bucket(job):
        given = aws_stack.parameters(job)
        aws_stack.change(job, {name: given[name] for name in given if name not in _KEPT or name not in there})
    return upload(job)


def waiting(job: Job) -> bool:
    """Whether they have to follow the stack."""
    return bool(job.known.get("assets wait"))


def upload(job: Job) -> str:
    """Put what is not there yet into the bucket. Raises DeployFault."""
    bucket = _bucket(job)
    if not bucket and not job.shell.dry:
        hint = f"take the output {ASSETS_OUTPUT} from a new template.yaml, or delete yours and build"
        raise DeployFault(f"the stack has no output {ASSETS_OUTPUT}", hint, CONTENT)
    name = bucket or "ASSETS_BUCKET"
    return uploads.put_missing(
        job,
        aws_stack.TOOL,
        lambda asset, file: _put(job, name, asset, file),
        lambda asset: bool(bucket) and _there(job, name, asset),
    )


def _bucket(job: Job) -> str:
    stack = aws_stack.present(job)
    return aws_stack.named(stack, "Output").get(ASSETS_OUTPUT, "") if stack else ""


def _put(job: Job, bucket: str, asset: dict[str, Any], file: Path) -> tuple[str, ...]:
    """One request, whose digest S3 compares itself: the whole file is there, or none of it."""
    words = ("s3api", "put-object", "--bucket", bucket, "--key", asset["key"], "--body", str(file),
             "--checksum-algorithm", "SHA256", "--checksum-sha256", _digest(asset))  # fmt: skip
    return aws_stack.words(job, *words)


def _there(job: Job, bucket: str, asset: dict[str, Any]) -> bool:
    """Whether S3 has it with this size and digest; what was put there without one is put there again."""
    words = ("s3api", "head-object", "--bucket", bucket, "--key", asset["key"], "--checksum-mode", "ENABLED")
    head = aws_stack.ask(job, *words, "--output", "json").json()
    if not isinstance(head, dict):
        return False
    return head.get("ContentLength") == asset["size"] and head.get("ChecksumSHA256") == _digest(asset)


def _digest(asset: dict[str, Any]) -> str:
    return base64.b64encode(bytes.fromhex(asset["sha256"])).decode()
