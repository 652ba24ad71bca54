"""`deploy lambda` with the real `aws` against moto's server, as far as that goes."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from magnetgen import scaffold
from magnetgen.build import build
from magnetgen.forms import s3
from magnetgen.state import Options
from tests.contract.test_vectors import free_port
from tests.deploy.cloud import BIN, Cloud, moto, warm_aws
from tests.deploy.live import serving


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with moto(tmp_path_factory.mktemp("moto")) as address:
        yield address


@pytest.fixture(scope="module")
def programs(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with `aws`."""
    with warm_aws(tmp_path_factory.mktemp("aws")) as folder:
        yield folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A site that was built for Lambda, so that the driver of its store is fetched once, and its port."""
    root, port = tmp_path_factory.mktemp("lambda") / "site", free_port()
    scaffold.new_site(root, "Lead Lab", f"http://127.0.0.1:{port}")
    result = build(root, Options(jobs=1, target="lambda"))
    assert not result.exit_code(False), result.diagnostics
    return root, port


@pytest.fixture
def cloud(endpoint: str, programs: Path, made: tuple[Path, int], tmp_path: Path, bare: pytest.MonkeyPatch) -> Cloud:
    return Cloud(endpoint, programs, tmp_path / "site", made)


def test_from_an_empty_account_to_files_and_a_function(cloud: Cloud) -> None:
    """By the `aws` that anybody has; the others by one that is imported once."""
    cloud.env["PATH"] = f"{BIN}{os.pathsep}{os.environ['PATH']}"
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
    extra = cloud.root / "content" / "extra.md"
    extra.write_text("---\ntitle: Extra\n---\n\nWords that go again.\n")
    assert "ok    caches" in cloud.deploy("--no-canary").stdout
    assert "extra/index.html" in cloud.files()
    extra.unlink()
    (cloud.root / "content" / "second.md").write_text("---\ntitle: Second\n---\n\nWords that have come.\n")
    done = cloud.deploy("--no-canary")
    assert "ok    code: there already" in done.stdout and "ok    caches" in done.stdout, done.stdout
    assert "second/index.html" in cloud.files() and "extra/index.html" not in cloud.files()


def test_the_pages_that_are_there_keep_what_they_need_until_the_new_ones_are(cloud: Cloud) -> None:
    cloud.cut()
    cloud.deploy("--no-canary")
    first = cloud.parameter("ContentSecurityPolicy")
    (cloud.root / "content" / "more.md").write_text("---\ntitle: More\n---\n\n<style>p { color: red }</style>\n")
    failed = cloud.deploy("--no-canary", PATH=cloud.failing('"$1 $2" = "s3 sync"'))
    assert failed.exit_code == 3 and "FAULT files" in failed.stdout, failed.stdout
    both = cloud.parameter("ContentSecurityPolicy")
    assert both != first and set(first.replace(";", "").split()) < set(both.replace(";", "").split())
    (cloud.root / "content" / "more.md").write_text("---\ntitle: More\n---\n\n<style>p { color: blue }</style>\n")
    done = cloud.deploy("--no-canary")
    assert "ok    policy" in done.stdout, done.stdout
    bundle = json.loads((cloud.root / ".magnetgen/bundle/lambda/parameters.json").read_text())
    assert cloud.parameter("ContentSecurityPolicy") == bundle[0]["ParameterValue"] not in (first, both)
    again = cloud.deploy("--no-canary")
    assert "policy" not in again.stdout, again.stdout


def test_a_rehearsal_changes_nothing(cloud: Cloud) -> None:
    done = cloud.deploy("--dry-run")
    assert done.exit_code == 0, done.stdout
    assert "ok    template: CloudFormation accepts template.yaml" in done.stdout
    for command in ("aws s3 mb s3://lead-lab-code-123456789012-us-east-1", "aws cloudformation deploy --template-file template.yaml",
                    "aws s3 sync ", "aws cloudfront create-invalidation"):  # fmt: skip
        assert f"run   {command}" in done.stdout
    assert cloud.aws("cloudformation", "list-stacks")["StackSummaries"] == []
    assert not cloud.aws("s3api", "list-buckets").get("Buckets")


# --- large assets -----------------------------------------------------------------------------------------------------


def key_of(data: bytes) -> str:
    return f"{sha256(data).hexdigest()[:32]}.pdf"


def before(text: str, first: str, then: str) -> bool:
    return -1 < text.find(first) < text.find(then)


def test_large_assets_are_there_before_pages_and_function(cloud: Cloud) -> None:
    first = cloud.grow()
    cloud.cut()
    done = cloud.deploy("--no-canary").stdout
    assert before(done, "ok    stack", "ok    large assets: 1 uploaded"), done
    assert before(done, "ok    large assets", "ok    files")
    assert cloud.stored() == {key_of(first): first}
    again = cloud.deploy("--no-canary").stdout
    assert before(again, "ok    large assets: 1 there already", "ok    stack"), again
    second = cloud.grow()
    changed = cloud.deploy("--no-canary").stdout
    assert before(changed, "ok    large assets: 1 uploaded", "ok    stack"), changed
    assert cloud.stored() == {key_of(first): first, key_of(second): second}


def test_an_object_that_is_another_file_is_put_there_again(cloud: Cloud) -> None:
    data = cloud.grow()
    cloud.cut()
    cloud.deploy("--no-canary")
    other = cloud.root.parent / "other"
    other.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    for digest in ((), ("--checksum-algorithm", "SHA256")):
        cloud.aws("s3api", "put-object", "--bucket", cloud.output("AssetsBucket"), "--key", key_of(data), "--body", str(other), *digest)  # fmt: skip
        assert "ok    large assets: 1 uploaded" in cloud.deploy("--no-canary").stdout
        assert cloud.stored() == {key_of(data): data}


def test_a_stack_without_the_bucket_gets_it_while_the_function_stays(cloud: Cloud) -> None:
    built = (cloud.root / "template.yaml").read_text()
    cloud.cut(assets=False)
    assert "-     large assets: no asset is too large" in cloud.deploy("--no-canary").stdout
    code = cloud.parameter("CodeKey")
    data = cloud.grow()
    refused = cloud.deploy("--no-canary")
    assert refused.exit_code == 1 and "does not get MAGNETGEN_ASSETS_BUCKET" in refused.stdout, refused.stdout
    (cloud.root / "template.yaml").write_text(built)
    cloud.cut()
    failed = cloud.deploy("--no-canary", PATH=cloud.failing('"$2" = put-object'))
    assert failed.exit_code == 3 and "FAULT large assets" in failed.stdout, failed.stdout
    assert "ok    stack" not in failed.stdout
    assert (cloud.parameter("CodeKey"), cloud.stored()) == (code, {})
    done = cloud.deploy("--no-canary").stdout
    assert before(done, "ok    large assets: 1 uploaded", "ok    stack"), done
    assert cloud.parameter("CodeKey") != code and cloud.stored() == {key_of(data): data}


def test_a_rehearsal_shows_what_would_be_uploaded(cloud: Cloud) -> None:
    data = cloud.grow()
    done = cloud.deploy("--dry-run")
    assert done.exit_code == 0, done.stdout
    put = f"run   aws s3api put-object --bucket ASSETS_BUCKET --key {key_of(data)} --body "
    assert before(done.stdout, "run   aws cloudformation deploy", put), done.stdout
    assert "ok    large assets: 1 to be uploaded" in done.stdout
    cloud.cut()
    cloud.deploy("--no-canary")
    assert "ok    large assets: 1 there already" in cloud.deploy("--dry-run").stdout
    more = cloud.grow()
    there = cloud.deploy("--dry-run").stdout
    put = f"run   aws s3api put-object --bucket {cloud.output('AssetsBucket')} --key {key_of(more)} --body "
    assert before(there, put, "run   aws cloudformation deploy"), there
    assert cloud.stored().keys() == {key_of(data)}


def test_a_template_that_does_not_say_its_bucket(cloud: Cloud) -> None:
    cloud.grow()
    path = cloud.root / "template.yaml"
    path.write_text(path.read_text().replace("  AssetsBucket:\n", "  Assets:\n"))
    done = cloud.deploy()
    assert done.exit_code == 1 and "FAULT template: template.yaml has no bucket" in done.stdout, done.stdout
    assert not cloud.aws("s3api", "list-buckets").get("Buckets")


def test_the_object_is_fetched_by_the_address_that_the_function_signs(cloud: Cloud) -> None:
    data = cloud.grow()
    cloud.cut()
    cloud.deploy("--no-canary")
    name = cloud.output("AssetsBucket")
    bucket = s3.Bucket(name, "us-east-1", cloud.env["AWS_ACCESS_KEY_ID"], cloud.env["AWS_SECRET_ACCESS_KEY"])
    where = urlsplit(bucket.address(key_of(data), 'attachment; filename="a checklist.pdf"', "application/pdf", time.time()))  # fmt: skip
    address = f"{cloud.env['AWS_ENDPOINT_URL']}{where.path}?{where.query}"
    request = urllib.request.Request(address, headers={"Host": where.hostname or ""})
    with urllib.request.urlopen(request, timeout=60) as answer:
        # With which headers, moto does not decide by the address: see tests/forms/test_s3.py.
        assert answer.read() == data


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
