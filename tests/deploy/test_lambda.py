"""`deploy lambda` with the real `aws` against moto's server, as far as that goes.

moto's CloudFormation knows no CloudFront and no HTTP API: the stack's template is cut down to the bucket and the
function, and the distribution, which moto knows apart, is made before. What is left of the template is the built one's.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from magnetgen import scaffold
from magnetgen.build import build
from magnetgen.cli import cli
from magnetgen.forms import tokens
from magnetgen.state import Options
from tests.contract.test_vectors import free_port
from tests.deploy.live import serving
from tests.validators.tools import TOOLS, missing

BIN = TOOLS / "aws" / ".venv" / "bin"
KEPT = ("Site", "HandlerRole", "Handler")


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """moto's server on a port of its own."""
    if not (BIN / "moto_server").exists():
        missing("tests/tools/aws/.venv")
    port, folder = free_port(), tmp_path_factory.mktemp("moto")
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([BIN / "moto_server", "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log)
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


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A site that was built for Lambda, so that the driver of its store is fetched once, and its port."""
    root, port = tmp_path_factory.mktemp("lambda") / "site", free_port()
    scaffold.new_site(root, "Lead Lab", f"http://127.0.0.1:{port}")
    result = build(root, Options(jobs=1, target="lambda"))
    assert not result.exit_code(False), result.diagnostics
    return root, port


class Cloud:
    """An account that is empty at first, and a site to put there."""

    def __init__(self, endpoint: str, root: Path, made: tuple[Path, int]) -> None:
        self.root, self.port = root, made[1]
        self.env = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "s3cr3ts3cr3t",
                    "AWS_DEFAULT_REGION": "us-east-1", "AWS_CONFIG_FILE": str(root / "none"),
                    "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}  # fmt: skip
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
        done = subprocess.run([BIN / "aws", *words, "--output", "json"], env={**os.environ, **self.env}, capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    def deploy(self, *words: str, **env: str) -> Result:
        words = ("deploy", "lambda", "--site", str(self.root), "--patience", "0", *words)
        done = CliRunner().invoke(cli, words, env={**self.env, **env}, catch_exceptions=False)
        for secret in (*self.values.values(), "s3cr3ts3cr3t"):
            assert secret not in done.output
        return done

    def cut(self) -> str:
        """Cut the built template down to what moto knows → the distribution's id."""
        path = self.root / "template.yaml"
        text = path.read_text()
        head, _, _ = text.partition("Resources:")
        made = self.aws("cloudfront", "create-distribution", "--origin-domain-name", "x.s3.amazonaws.com")
        id = str(made["Distribution"]["Id"])
        whole = yaml.load(text, Loader=_Tags)["Resources"]
        resources = yaml.safe_dump({"Resources": {name: whole[name] for name in KEPT}}, sort_keys=False)
        # moto refuses what is declared and not used.
        used = "{Value: !If [HasCertificate, !Ref CertificateArn, !Ref DomainName]}\n  Policy: {Value: !Ref ContentSecurityPolicy}"
        outputs = f"""\
Outputs:
  Bucket: {{Value: !Ref Site}}
  DistributionId: {{Value: {id}}}
  Address: {{Value: x.cloudfront.net}}
  Used: {used}
"""
        path.write_text(f"{head}{resources}{outputs}")
        return id

    def files(self) -> set[str]:
        bucket = self.output("Bucket")
        return {one["Key"] for one in self.aws("s3api", "list-objects-v2", "--bucket", bucket)["Contents"]}

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


@pytest.fixture
def cloud(endpoint: str, made: tuple[Path, int], tmp_path: Path, bare: pytest.MonkeyPatch) -> Cloud:
    return Cloud(endpoint, tmp_path / "site", made)


def test_from_an_empty_account_to_files_and_a_function(cloud: Cloud) -> None:
    cloud.cut()
    with serving(cloud.root, cloud.port) as live:
        live.env = cloud.keys
        live.begin()
        policy = json.loads((cloud.root / ".magnetgen/bundle/lambda/parameters.json").read_text())[0]["ParameterValue"]
        sent = {
            "content-security-policy": policy,
            "x-content-type-options": "nosniff",
            "referrer-policy": "strict-origin-when-cross-origin",
        }
        live.meddle = lambda method, path, answer: (answer[0], {**answer[1], **sent}, answer[2])
        done = cloud.deploy("--canary", "ana@site.example", **cloud.keys)
        assert done.exit_code == 0, done.stdout
    assert {"index.html", "404.html", "sitemap.xml"} <= cloud.files()
    assert not [name for name in cloud.files() if name.startswith(".magnetgen")]
    function = cloud.aws("lambda", "list-functions")["Functions"][0]
    assert function["Runtime"] == "python3.13" and function["Handler"] == "lambda_function.handler"
    id = cloud.output("DistributionId")
    assert cloud.aws("cloudfront", "list-invalidations", "--distribution-id", id)["InvalidationList"]["Items"]


def test_again_it_changes_what_has_changed(cloud: Cloud) -> None:
    cloud.cut()
    assert "ok    caches" in cloud.deploy("--no-canary").stdout
    (cloud.root / "content" / "posts" / "second.md").write_text(
        "---\ntitle: Second\ndate: 2026-01-02\n---\n\nMore words.\n"
    )
    (cloud.root / "content" / "offer.md").unlink()
    (cloud.root / "magnetgen.yaml").write_text(
        (cloud.root / "magnetgen.yaml").read_text().replace("    - {label: The offer, url: /offer/}\n", "").replace(
            "    values: {layout: post, form: newsletter, cta: offer}", "    values: {layout: post, form: newsletter}"
        ).replace('ctas:\n  offer: {label: See the offer, url: /offer/, text: "There is more where this came from."}\n', "")
    )  # fmt: skip
    text = (cloud.root / "content" / "posts" / "your-first-offer.md").read_text()
    (cloud.root / "content" / "posts" / "your-first-offer.md").write_text(
        text.replace("(../offer.md)", "(https://site.example/)")
    )
    done = cloud.deploy("--no-canary")
    assert "ok    caches" in done.stdout, done.stdout
    assert "posts/second/index.html" in cloud.files() and "offer/index.html" not in cloud.files()


def test_a_rehearsal_changes_nothing(cloud: Cloud) -> None:
    done = cloud.deploy("--dry-run")
    assert done.exit_code == 0, done.stdout
    assert "ok    template: CloudFormation accepts template.yaml" in done.stdout
    for command in ("aws s3 mb s3://lead-lab-code-123456789012-us-east-1", "aws cloudformation deploy --template-file template.yaml",
                    "aws s3 sync ", "aws cloudfront create-invalidation"):  # fmt: skip
        assert f"run   {command}" in done.stdout
    assert cloud.aws("cloudformation", "list-stacks")["StackSummaries"] == []
    assert not cloud.aws("s3api", "list-buckets").get("Buckets")


def test_a_secret_that_lacks_a_key(cloud: Cloud) -> None:
    cloud.secret({**cloud.keys, "MAGNETGEN_STORE": "postgresql://lab:pw@db/lab"}, "put-secret-value")
    done = cloud.deploy()
    assert done.exit_code == 2 and "lacks the keys MAGNETGEN_MAIL_KEY" in done.stdout
    cloud.secret(
        {**cloud.values, "MAGNETGEN_MAIL_KEY": "re_0123456789", "MAGNETGEN_STORE": "sqlite:///x"}, "put-secret-value"
    )
    assert "it needs PostgreSQL" in cloud.deploy().stdout
    assert not cloud.aws("s3api", "list-buckets").get("Buckets")


def test_no_secret_at_all(cloud: Cloud) -> None:
    cloud.settings('[parameters]\nCertificateArn = "arn:x"\nSecretName = "another"\n')
    done = cloud.deploy()
    assert done.exit_code == 2 and "there is no secret another in Secrets Manager" in done.stdout


def test_a_stack_that_cannot_be_made(cloud: Cloud) -> None:
    cloud.cut()
    path = cloud.root / "template.yaml"
    path.write_text(path.read_text().replace("{Value: !Ref Site}", "{Value: !Ref Nothing}"))
    done = cloud.deploy()
    assert done.exit_code == 3 and ("FAULT template" in done.stdout or "FAULT stack" in done.stdout), done.stdout
    assert "ok    files" not in done.stdout


@pytest.mark.parametrize(("settings", "base", "code", "says"), [
    ("", "https://leads.lead-lab.dev", 1, "aws acm request-certificate --domain-name leads.lead-lab.dev"),
    ("", "https://d1.cloudfront.net/blog/", 1, "base_url has a path"),
    ("stak = 1\n", "https://d1.cloudfront.net", 1, "unknown key stak"),
    ("stack = \n", "https://d1.cloudfront.net", 1, "deploy/lambda.toml cannot be read"),
])  # fmt: skip
def test_an_address_or_settings_that_do_not_fit(cloud: Cloud, settings: str, base: str, code: int, says: str) -> None:
    cloud.settings(settings)
    done = cloud.deploy("--base-url", base)
    assert done.exit_code == code and says in done.stdout, done.stdout
    assert "build:" not in done.stdout


def test_the_address_that_the_stack_turns_out_to_have(cloud: Cloud) -> None:
    cloud.settings('[parameters]\nMailFrom = "lab@site.example"\nMailProvider = "resend"\n')
    cloud.cut()
    done = cloud.deploy("--base-url", "https://not-known-yet.cloudfront.net")
    assert done.exit_code == 1 and "set `base_url: https://x.cloudfront.net/`" in done.stdout, done.stdout
    assert "ok    files" not in done.stdout


def test_nobody_is_logged_in(cloud: Cloud) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del cloud.env[name]
    done = cloud.deploy(AWS_EC2_METADATA_DISABLED="true", AWS_SHARED_CREDENTIALS_FILE=str(cloud.root / "none"))
    assert done.exit_code == 2 and "nobody is logged in at AWS" in done.stdout, done.stdout


def test_no_network(cloud: Cloud) -> None:
    cloud.env |= {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    done = cloud.deploy()
    assert done.exit_code == 3 and "cannot reach its host" in done.stdout, done.stdout
