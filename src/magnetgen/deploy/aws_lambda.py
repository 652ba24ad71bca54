"""AWS: a CloudFormation stack with the function, the site's files in its bucket, CloudFront told of the change."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from magnetgen import policy
from magnetgen.deploy import aws_assets, aws_stack, secrets
from magnetgen.deploy.aws_stack import SETTINGS, TEMPLATE, TOOL, ask, settings, words
from magnetgen.deploy.job import Job, build, check_address, check_handler, mismatch
from magnetgen.deploy.steps import BROKEN, CONTENT, USAGE, DeployFault, LeftOut, Step

SECRETS = Path(".magnetgen", "lambda-secrets.json")
"""What `--init` makes for Secrets Manager, for its owner only."""
STARTER = """\
# Made by magnetgen, and yours from here on: it is never written over. No secret belongs here.
# stack = "lead-lab"        # the stack's name; without it, the site's title
# region = "eu-central-1"   # without it, what `aws configure` says
# code_bucket = ""          # where the function's archive goes; without it, a bucket is made

[parameters]
# CertificateArn = "arn:aws:acm:us-east-1:…"
MailFrom = ""
MailProvider = ""
"""
POLICY, POLICY_MAX = "ContentSecurityPolicy", 4096
"""The stack's parameter, and how many characters it takes."""
_RESOLVED = re.compile(r"SecretString:(\w+)\}\}")
_PARAMETERS = {"MailFrom": "MAGNETGEN_MAIL_FROM", "MailProvider": "MAGNETGEN_MAIL_PROVIDER"}
"""What the handler gets from the stack's parameters."""


def steps(job: Job) -> Iterator[Step]:
    yield Step("tool", lambda: f"aws {job.shell.version(TOOL)}", check=True)
    yield Step("account", lambda: logged_in(job), check=True)
    yield Step("address", lambda: address(job), check=True)
    yield Step("build", lambda: build(job))
    yield Step("forms", lambda: check_handler(job), check=True)
    yield Step("template", lambda: check_template(job), check=True)
    if job.handler_here:
        yield Step("secrets", lambda: check_secrets(job), check=True)
        yield Step("code", lambda: upload_code(job))
        yield Step("large assets", lambda: aws_assets.before(job))
    yield Step("stack", lambda: deploy_stack(job))
    if aws_assets.waiting(job):
        yield Step("large assets", lambda: aws_assets.upload(job))
    yield Step("files", lambda: upload_files(job))
    yield Step("caches", lambda: invalidate(job))
    if "policy" in job.known:
        yield Step("policy", lambda: narrow_policy(job))


def logged_in(job: Job) -> str:
    command = ("sts", "get-caller-identity", "--output", "json")
    done = ask(job, *command)
    said = done.json()
    if done.code or not isinstance(said, dict):
        if "redentials" in done.tail or "oken" in done.tail:
            raise DeployFault(
                "nobody is logged in at AWS",
                "aws configure (or aws sso login); in CI: a role by OpenID Connect",
                USAGE,
                done.tail,
            )
        raise job.shell.failed(TOOL, command, done, "aws configure")
    region = (
        settings(job).region
        or job.shell.ask(TOOL, "configure", "get", "region").out.strip()
        or job.env.get("AWS_REGION", "")
    )
    region = region or job.env.get("AWS_DEFAULT_REGION", "")
    if not region:
        raise DeployFault(
            "no region is set", f"aws configure set region eu-central-1, or `region` in {SETTINGS}", USAGE
        )
    job.known.update(account=str(said.get("Account")), region=region)
    return f"account {said.get('Account')}, region {region}"


def address(job: Job) -> str:
    """Whether base_url is CloudFront's own name for the stack, or a name that it has a certificate for."""
    check_address(job)
    if job.address.path != "/":
        raise DeployFault("base_url has a path: CloudFront serves the files at the top of its domain",
                          f"set `base_url: https://{job.host}`", CONTENT)  # fmt: skip
    if settings(job).parameters.get("CertificateArn") or job.host.endswith(".cloudfront.net"):
        return job.base_url
    hint = (
        f"aws acm request-certificate --domain-name {job.host} --validation-method DNS --region us-east-1, and write its "
        f"ARN to {SETTINGS}: parameters, CertificateArn. Or deploy to CloudFront's own name first: "
        "base_url: https://not-known-yet.cloudfront.net, and the stack says which it is"
    )
    raise DeployFault(f"the stack has no certificate for {job.host}", hint, CONTENT)


def check_template(job: Job) -> str:
    if not (job.root / TEMPLATE).is_file():
        raise DeployFault(f"{TEMPLATE} is missing", "magnetgen build --target lambda makes one", USAGE)
    command = ("cloudformation", "validate-template", "--template-body", f"file://{TEMPLATE}", "--output", "json")
    done = ask(job, *command)
    if done.code:
        raise job.shell.failed(TOOL, command, done, f"mend {TEMPLATE}, or delete it and build again")
    aws_assets.check(job)
    return f"CloudFormation accepts {TEMPLATE}"


def check_secrets(job: Job) -> str:
    """The keys of the secret that the template reads; without one of them the stack cannot be made."""
    stack = settings(job)
    command = (
        "secretsmanager",
        "get-secret-value",
        "--secret-id",
        stack.secret,
        "--query",
        "SecretString",
        "--output",
        "text",
    )
    done = ask(job, *command)
    how = f"{create_secret(job)}  (--init makes that file)"
    if done.code:
        if "ResourceNotFound" in done.tail:
            raise DeployFault(f"there is no secret {stack.secret} in Secrets Manager", how, USAGE)
        raise job.shell.failed(TOOL, command, done, how)
    try:
        values = json.loads(done.out)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise DeployFault(f"the secret {stack.secret} is not JSON with a key for each variable", how, USAGE)
    job.shell.hide(str(value) for value in values.values())
    if lacking := sorted(set(secret_names(job)) - values.keys()):
        raise DeployFault(
            f"the secret {stack.secret} lacks the keys {', '.join(lacking)}",
            f"{TEMPLATE} reads them; an empty value will do where there is none",
            USAGE,
        )
    if not str(values.get("MAGNETGEN_STORE", "")).startswith(("postgresql://", "postgres://")):
        raise DeployFault(
            "MAGNETGEN_STORE in the secret is not postgresql://…",
            "a function keeps no files: it needs PostgreSQL",
            USAGE,
        )
    there = {name for name, value in values.items() if value}
    there |= {variable for name, variable in _PARAMETERS.items() if stack.parameters.get(name)}
    return secrets.check(
        job,
        there,
        f"MailFrom and MailProvider stand in {SETTINGS}, parameters; the rest in the secret {stack.secret}: aws secretsmanager put-secret-value",
        ("MAGNETGEN_STORE",),
    )


def create_secret(job: Job) -> str:
    """The command that makes the secret where the stack will look for it."""
    given = ("secretsmanager", "create-secret", "--name", settings(job).secret, "--secret-string", f"file://{SECRETS}")
    return shlex.join(("aws", *words(job, *given)))


def secret_names(job: Job) -> list[str]:
    """The keys that the template reads from the secret, in its order."""
    return list(dict.fromkeys(_RESOLVED.findall((job.root / TEMPLATE).read_text("utf-8"))))


def upload_code(job: Job) -> str:
    """Put the function's archive where CloudFormation takes it, under the name of its content."""
    archive = job.bundle / "function.zip"
    if not archive.is_file():
        raise DeployFault(f"{archive.name} is missing", "magnetgen build --target lambda --clean", BROKEN)
    own = settings(job).code_bucket
    bucket = own or _code_bucket(job)
    owner = ("--expected-bucket-owner", job.known["account"]) if "account" in job.known and not own else ()
    key = f"{settings(job).name}/{sha256(archive.read_bytes()).hexdigest()[:32]}.zip"
    job.known["code"] = (bucket, key)
    if ask(job, "s3api", "head-bucket", "--bucket", bucket, *owner).code:
        job.shell.change(TOOL, *words(job, "s3", "mb", f"s3://{bucket}"))
    elif not ask(job, "s3api", "head-object", "--bucket", bucket, "--key", key).code:
        return "there already"
    job.shell.change(TOOL, *words(job, "s3", "cp", str(archive), f"s3://{bucket}/{key}", "--no-progress"))
    if not job.shell.dry:
        head = ask(job, "s3api", "head-object", "--bucket", bucket, "--key", key, "--output", "json").json()
        if not isinstance(head, dict) or head.get("ContentLength") != archive.stat().st_size:
            raise DeployFault(
                "the function's archive was uploaded, and is not there as it is here", "run this again", BROKEN
            )
    return f"s3://{bucket}/{key}"


def _code_bucket(job: Job) -> str:
    """A name that nobody else is likely to have, of 63 characters at most."""
    end = f"-code-{job.known.get('account', 'ACCOUNT')}-{job.known.get('region', 'REGION')}"
    return settings(job).name.lower()[: 63 - len(end)].rstrip("-") + end


def deploy_stack(job: Job) -> str:
    """Bring the stack to what the template says.

    The pages that are there stay as they are until the new ones are: meanwhile the policy allows what either need.
    """
    given = aws_stack.parameters(job)
    before = aws_stack.named(aws_stack.present(job) or {}, "Parameter").get(POLICY, "")
    both = policy.joined(before, given[POLICY])
    if before not in ("", given[POLICY]):
        if len(both) <= POLICY_MAX:
            job.known["policy"] = given
        else:
            job.warn(
                "the old pages' policy and the new one are too long together: until the new pages are there, parts of the old ones may not load"
            )
    if not aws_stack.change(job, {**given, POLICY: both if "policy" in job.known else given[POLICY]}):
        return "not changed: this is a rehearsal"
    host = aws_stack.outputs(job).get("Address", "")
    if job.host.endswith(".cloudfront.net") and host and job.host != host:
        raise mismatch(job, f"https://{host}/", "the stack's address at CloudFront")
    return f"{settings(job).name}: {host}"


def narrow_policy(job: Job) -> str:
    """The old pages are gone, from caches too: what only they needed is allowed no more."""
    if not aws_stack.change(job, job.known["policy"]):
        return "not changed: this is a rehearsal"
    return "allows what these pages need, and no more what those before needed"


def upload_files(job: Job) -> str:
    """Files first that pages name, then pages; last of all, what is no longer there goes."""
    bucket = "BUCKET" if job.shell.dry else aws_stack.outputs(job).get("Bucket")
    if not bucket:
        raise DeployFault("the stack has no output Bucket", f"delete {TEMPLATE} and build again, or add it", CONTENT)
    base = (
        "s3",
        "sync",
        str(job.out),
        f"s3://{bucket}",
        "--exclude",
        ".magnetgen*",
        "--no-progress",
        "--only-show-errors",
    )
    job.shell.change(TOOL, *words(job, *base, "--exclude", "*.html"))
    job.shell.change(TOOL, *words(job, *base))
    done = job.shell.change(TOOL, *words(job, *base, "--delete"))
    return f"s3://{bucket}" if done else "not uploaded: this is a rehearsal"


def invalidate(job: Job) -> str:
    """Have CloudFront fetch everything anew, and wait until it does."""
    id = "DISTRIBUTION" if job.shell.dry else aws_stack.outputs(job).get("DistributionId")
    if not id:
        raise LeftOut("the stack has no output DistributionId")
    command = ("cloudfront", "create-invalidation", "--distribution-id", id, "--paths", "/*", "--output", "json")
    done = job.shell.change(TOOL, *words(job, *command))
    if done is None:
        return "not told: this is a rehearsal"
    said: Any = done.json() or {}
    invalidation = str(said.get("Invalidation", {}).get("Id", ""))
    wait = ("cloudfront", "wait", "invalidation-completed", "--distribution-id", id, "--id", invalidation)
    try:
        fresh = ask(job, *wait, seconds=job.patience(300.0) + 1).code == 0
    except DeployFault:  # it takes longer
        fresh = False
    if not fresh:
        job.warn("CloudFront has not said yet that its caches are fresh: what is seen may be old for some minutes")
        return "told"
    return "fresh"


def undo(job: Job) -> str:
    return "git revert the change of the content, then: magnetgen deploy lambda  (leads in PostgreSQL are not touched)"
