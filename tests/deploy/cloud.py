"""An account at AWS for tests: moto's server, the real `aws`, and a site that is to be put there.

moto's CloudFormation knows no CloudFront and no HTTP API: the stack's template is cut down to the bucket and the
function, and the distribution, which moto knows apart, is made before. What is left of the template is the built one's.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner, Result

from magnetgen.cli import cli
from magnetgen.forms import tokens
from tests.contract.test_vectors import free_port
from tests.tools.aws import warm
from tests.validators.tools import TOOLS, missing

BIN = TOOLS / "aws" / ".venv" / "bin"
KEPT = ("Site", "Assets", "AssetsByTls", "HandlerRole", "Handler")
SERVER = """\
import sys
from moto.cloudformation.models import ChangeSet
from moto.cloudformation.parsing import OutputMap
from moto.server import main

apply = ChangeSet.apply


def with_outputs(self):
    apply(self)
    self.stack.output_map = OutputMap(self.stack.resource_map, self.template_dict, self.stack.stack_id)


ChangeSet.apply = with_outputs
main(sys.argv[1:])
"""
"""moto's server, which otherwise forgets the outputs of a stack that a change set has made."""


@contextmanager
def moto(folder: Path) -> Iterator[str]:
    """moto's server on a port of its own → its address."""
    if not (BIN / "moto_server").exists():
        missing("tests/tools/aws/.venv")
    port = free_port()
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [BIN / "python", "-c", SERVER, "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log
        )
        url = f"http://127.0.0.1:{port}"
        try:
            for _ in range(300):
                try:
                    urllib.request.urlopen(f"{url}/moto-api/data.json", timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.1)
            else:
                raise AssertionError((folder / "log").read_text())
            yield url
        finally:
            server.terminate()
            server.wait(20)


@contextmanager
def warm_aws(folder: Path) -> Iterator[Path]:
    """A folder with an `aws` that was imported before: see tests/tools/aws/warm.py."""
    path, programs = folder / "socket", folder / "bin"
    programs.mkdir()
    (programs / "aws").write_text(warm.CLIENT.format(python=sys.executable, path=str(path)))
    (programs / "aws").chmod(0o755)
    server = subprocess.Popen([BIN / "python", warm.__file__, path], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout and server.stdout.readline() == "READY\n"
        yield programs
    finally:
        server.terminate()
        server.wait(20)
        if server.stdout:
            server.stdout.close()


class Cloud:
    """An account that is empty at first, and a site to put there."""

    def __init__(self, endpoint: str, programs: Path, root: Path, made: tuple[Path, int]) -> None:
        self.root, self.port, self.programs = root, made[1], programs
        self.env = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "s3cr3ts3cr3t",
                    "AWS_DEFAULT_REGION": "us-east-1", "AWS_CONFIG_FILE": str(root / "none"),
                    "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}  # fmt: skip
        urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST"), timeout=20).close()
        shutil.copytree(made[0], root)
        self.keys = tokens.make_secrets()
        self.settings('[parameters]\nCertificateArn = "arn:aws:acm:us-east-1:1:certificate/x"\nMailFrom = "lab@site.example"\nMailProvider = "resend"\n')  # fmt: skip
        self.secret(
            {**self.keys, "MAGNETGEN_STORE": "postgresql://lab:pw@db/lab", "MAGNETGEN_MAIL_KEY": "re_0123456789"}
        )

    def settings(self, text: str) -> None:
        (self.root / "deploy").mkdir(exist_ok=True)
        (self.root / "deploy" / "lambda.toml").write_text(text)

    def secret(self, values: dict[str, str], verb: str = "create-secret") -> None:
        self.values = values
        name = "--name" if verb == "create-secret" else "--secret-id"
        self.aws("secretsmanager", verb, name, "lead-lab/handler", "--secret-string", json.dumps(values))

    def aws(self, *words: str) -> Any:
        done = subprocess.run([self.programs / "aws", *words, "--output", "json"], env={**os.environ, **self.env}, capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    def deploy(self, *words: str, **env: str) -> Result:
        words = ("deploy", "lambda", "--site", str(self.root), "--patience", "0", *words)
        done = CliRunner().invoke(cli, words, env={**self.env, **env}, catch_exceptions=False)
        for secret in (*self.values.values(), "s3cr3ts3cr3t"):
            assert secret not in done.output
        return done

    def failing(self, when: str) -> str:
        """A PATH with an `aws` that fails at some commands. `when`: a condition of sh's `[`."""
        folder = self.root.parent / "failing"
        folder.mkdir()
        (folder / "aws").write_text(f'#!/bin/sh\n[ {when} ] && exit 255\nexec {self.programs / "aws"} "$@"\n')
        (folder / "aws").chmod(0o755)
        return f"{folder}{os.pathsep}{self.env['PATH']}"

    def cut(self, assets: bool = True) -> str:
        """Cut the built template down to what moto knows → the distribution's id. `assets`: with a bucket for them."""
        path = self.root / "template.yaml"
        text = path.read_text()
        head, _, _ = text.partition("Resources:")
        made = self.aws("cloudfront", "create-distribution", "--origin-domain-name", "x.s3.amazonaws.com")
        id = str(made["Distribution"]["Id"])
        whole = yaml.load(text, Loader=_Tags)["Resources"]
        kept = {name: whole[name] for name in KEPT if assets or not name.startswith("Assets")}
        if not assets:
            del whole["HandlerRole"]["Properties"]["Policies"]
            del whole["Handler"]["Properties"]["Environment"]["Variables"]["MAGNETGEN_ASSETS_BUCKET"]
        resources = yaml.safe_dump({"Resources": kept}, sort_keys=False)
        # moto refuses what is declared and not used.
        used = "{Value: !If [HasCertificate, !Ref CertificateArn, !Ref DomainName]}\n  Policy: {Value: !Ref ContentSecurityPolicy}"
        outputs = f"""\
Outputs:
  Bucket: {{Value: !Ref Site}}
  DistributionId: {{Value: {id}}}
  Address: {{Value: x.cloudfront.net}}
  Used: {used}
"""
        outputs += "  AssetsBucket: {Value: !Ref Assets}\n" if assets else ""
        path.write_text(f"{head}{resources}{outputs}")
        return id

    def files(self) -> set[str]:
        bucket = self.output("Bucket")
        return {one["Key"] for one in self.aws("s3api", "list-objects-v2", "--bucket", bucket)["Contents"]}

    def grow(self, size: int = 4_500_000) -> bytes:
        """Make what the site's form gives too large for an answer of a function → its bytes."""
        magnets = self.root / "content" / "magnets"
        (magnets / "five-questions.md").unlink(missing_ok=True)
        file = magnets / "five-questions.pdf"
        data = b"%PDF-1.7\n" + os.urandom(size)
        file.write_bytes(data)
        return data

    def stored(self) -> dict[str, bytes]:
        """What is in the bucket for large assets, by key."""
        bucket, found = self.output("AssetsBucket"), {}
        for one in (self.aws("s3api", "list-objects-v2", "--bucket", bucket) or {}).get("Contents", ()):
            copy = self.root.parent / "copy"
            self.aws("s3api", "get-object", "--bucket", bucket, "--key", one["Key"], str(copy))
            found[one["Key"]] = copy.read_bytes()
        return found

    def parameter(self, name: str) -> str:
        (stack,) = self.aws("cloudformation", "describe-stacks", "--stack-name", "lead-lab")["Stacks"]
        return next(str(one["ParameterValue"]) for one in stack["Parameters"] if one["ParameterKey"] == name)

    def output(self, name: str) -> str:
        (stack,) = self.aws("cloudformation", "describe-stacks", "--stack-name", "lead-lab")["Stacks"]
        return next(str(one["OutputValue"]) for one in stack["Outputs"] if one["OutputKey"] == name)


class _Tags(yaml.SafeLoader):
    """CloudFormation's short forms as their long ones."""


def _long(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> Any:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    if tag == "GetAtt":
        return {"Fn::GetAtt": value.split(".")}
    return {tag if tag == "Ref" else f"Fn::{tag}": value}


_Tags.add_multi_constructor("!", _long)
