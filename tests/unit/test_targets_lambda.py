"""The target lambda: the function's archive, the stack's template, and what is said where either cannot be."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from magnetgen.forms.tokens import make_secrets
from magnetgen.targets import aws_lambda
from tests.conftest import ROOT, Site
from tests.unit.test_targets import ELSEWHERE, FORM, SECRET, SETTINGS, site, stamps

__all__ = ["site"]


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The driver for Lambda, taken by pip once for all of these tests."""
    made = Site(tmp_path_factory.mktemp("packages") / "site")
    made.write("magnetgen.yaml", SETTINGS)
    result = made.build(target="lambda")
    assert not result.failed, result.diagnostics
    return made.root / ".magnetgen" / "cache" / "lambda"


@pytest.fixture
def ready(site: Site, packages: Path) -> Site:
    shutil.copytree(packages, site.root / ".magnetgen" / "cache" / "lambda")
    return site


def archive(site: Site) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO((site.root / ".magnetgen/bundle/lambda/function.zip").read_bytes()))


def lint(template: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--regions", "us-east-1", "--", str(template)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


# --- the archive ---------------------------------------------------------------------------------------------------


def test_the_archive_holds_the_handler_and_no_more(ready: Site) -> None:
    ready.ok(target="lambda")
    names = archive(ready).namelist()
    assert {
        "lambda_function.py",
        ".magnetgen/forms.json",
        "content/magnets/checklist.pdf",
        "magnetgen/__init__.py",
        "magnetgen/forms/aws.py",
        "magnetgen/forms/store/postgres.py",
        "magnetgen/forms/data/mails.json",
        "psycopg/__init__.py",
    } <= set(names)
    assert [n for n in names if n.endswith("x86_64-linux-gnu.so") and "cpython-313" in n]
    ours = [n for n in names if n.startswith("magnetgen/")]
    assert not [
        n for n in ours if n.startswith("magnetgen/") and not n.startswith(("magnetgen/forms/", "magnetgen/__init__"))
    ]
    assert not [n for n in names if "__pycache__" in n or n.endswith((".mjs", "testing.py", "asgi.py"))]
    for name in names:
        data = archive(ready).read(name)
        assert SECRET.encode() not in data, name
        assert str(ready.root).encode() not in data, name


def test_a_second_build_touches_nothing(ready: Site, tmp_path: Path) -> None:
    shutil.copytree(ready.root, tmp_path / "copy")
    ready.ok(target="lambda")
    before = stamps(ready.root / ".magnetgen/bundle")
    for clean in (False, True):
        ready.ok(target="lambda", clean=clean)
        assert stamps(ready.root / ".magnetgen/bundle") == before
    other = Site(tmp_path / "copy")
    other.ok(target="lambda")
    file = ".magnetgen/bundle/lambda/function.zip"
    assert (other.root / file).read_bytes() == (ready.root / file).read_bytes()
    ready.write("content/magnets/checklist.pdf", b"%PDF another\n")
    ready.ok(target="lambda")
    assert stamps(ready.root / ".magnetgen/bundle")["lambda/function.zip"] != before["lambda/function.zip"]


RUN = """
import json, sys
import lambda_function
print(json.dumps([lambda_function.handler(event, None) for event in json.load(sys.stdin)]))
"""


def call(site: Site, folder: Path, store: str, *events: dict[str, Any], **env: str) -> list[Any]:
    """What the unpacked function answers; the driver is this Python's own."""
    with archive(site) as opened:
        opened.extractall(folder, [n for n in opened.namelist() if not n.startswith("psycopg")])
    given = {"LAMBDA_TASK_ROOT": str(folder), "MAGNETGEN_STORE": store, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", RUN], cwd=folder, env={"PATH": os.environ["PATH"], **given, **make_secrets(), **env},
        input=json.dumps(events), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers: list[Any] = json.loads(done.stdout)
    return answers


def event(method: str, path: str, body: str = "", **headers: str) -> dict[str, Any]:
    return {
        "rawPath": f"/api{path}", "rawQueryString": "", "body": body, "isBase64Encoded": False,
        "headers": {name.replace("_", "-"): value for name, value in headers.items()},
        "requestContext": {"stage": "$default", "http": {"method": method, "sourceIp": "192.0.2.1"}},
    }  # fmt: skip


def test_the_archive_runs(ready: Site, tmp_path: Path, postgres_url: str) -> None:
    ready.write("content/forms/checklist.md", FORM.replace("magnet:", "min_seconds: 0\nmagnet:"))
    ready.ok(target="lambda")
    kind = {"content_type": "application/x-www-form-urlencoded", "accept": "application/json"}
    post = event("POST", "/forms/checklist", "email=ana%40lead-lab.com", **kind)
    folder = tmp_path / "function"
    health, taken, drained = call(ready, folder, postgres_url, event("GET", "/readyz"), post, {"source": "aws.events"})
    assert (health["statusCode"], taken["statusCode"]) == (200, 202), (health, taken)
    assert drained.keys() == {"sent", "failed"}
    assert json.loads(taken["body"])["next"].startswith("https://lead-lab.com/forms/checklist/thanks/#mg1.")


def grow(site: Site, size: int, name: str = "checklist") -> Path:
    path = site.root / "content" / "magnets" / f"{name}.pdf"
    with path.open("wb") as file:
        file.truncate(size)
    return path


def uploads(site: Site) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((site.root / ".magnetgen/bundle/lambda/uploads.json").read_bytes())
    return found


def test_what_an_answer_can_carry_is_in_the_archive(ready: Site) -> None:
    grow(ready, 4_000_000)
    ready.ok(target="lambda")
    assert archive(ready).getinfo("content/magnets/checklist.pdf").file_size == 4_000_000
    assert "key" not in json.loads(archive(ready).read(".magnetgen/forms.json"))["assets"]["checklist"]
    assert uploads(ready) == []


def test_what_an_answer_cannot_carry_is_uploaded(ready: Site) -> None:
    file = grow(ready, 4_000_001)
    ready.ok(target="lambda")
    digest = sha256(file.read_bytes()).hexdigest()
    key = f"{digest[:32]}.pdf"
    assert uploads(ready) == [
        {"name": "checklist", "file": "content/magnets/checklist.pdf", "size": 4_000_001, "sha256": digest, "key": key}
    ]
    assert "content/magnets/checklist.pdf" not in archive(ready).namelist()
    there = json.loads(archive(ready).read(".magnetgen/forms.json"))["assets"]["checklist"]
    assert (there["key"], there["size"]) == (key, 4_000_001)
    assert "key" not in json.loads(ready.read("forms.json", ".magnetgen"))["assets"]["checklist"]


def test_small_files_that_are_many_are_uploaded_too(ready: Site) -> None:
    for number in range(12):
        ready.write(f"content/forms/more-{number}.md", FORM.replace("magnet: checklist", f"magnet: more-{number}"))
        grow(ready, 3_500_000 + number, f"more-{number}")
    ready.ok(target="lambda")
    assert [one["name"] for one in uploads(ready)] == ["more-11"]
    assert "content/magnets/more-10.pdf" in archive(ready).namelist()


def test_an_asset_that_s3_does_not_take_at_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    # Its bytes are not read here: 5 GB take long.
    monkeypatch.setattr(aws_lambda, "STORED_MAX", 5_000_000)
    grow(site, 5_000_001)
    found = site.fault("asset-too-large", target="lambda")
    assert (found.path, found.severity) == ("content/magnets/checklist.pdf", "error")
    assert not (site.root / "public").exists()


def test_the_function_leads_to_the_bucket(ready: Site, tmp_path: Path, postgres_url: str) -> None:
    grow(ready, 4_000_001)
    ready.write("content/forms/checklist.md", FORM.replace("magnet:", "min_seconds: 0\nmagnet:"))
    ready.ok(target="lambda")
    kind = {"content_type": "application/x-www-form-urlencoded", "accept": "application/json"}
    post = event("POST", "/forms/checklist", "email=ana%40lead-lab.com", **kind)
    keys, folder = make_secrets(), tmp_path / "function"
    [taken] = call(ready, folder, postgres_url, post, **keys)
    token = json.loads(taken["body"])["next"].partition("#")[2]
    bucket = {"MAGNETGEN_ASSETS_BUCKET": "lab-assets", "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "ASIATEST",
              "AWS_SECRET_ACCESS_KEY": "s3cr3t", "AWS_SESSION_TOKEN": "given"}  # fmt: skip
    [led] = call(ready, folder, postgres_url, event("GET", f"/download/{token}"), **keys, **bucket)
    where = urlsplit(led["headers"]["location"])
    assert (led["statusCode"], led["body"]) == (302, "")
    assert where.hostname == "lab-assets.s3.eu-central-1.amazonaws.com"
    assert where.path == f"/{uploads(ready)[0]['key']}"
    [without] = call(ready, folder, postgres_url, event("GET", f"/download/{token}"), **keys)
    assert without["statusCode"] == 503


def test_an_archive_that_is_too_large(ready: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_lambda, "ZIPPED", 1_000_000)
    assert "compressed" in ready.fault("bundle-too-large", target="lambda").message
    monkeypatch.undo()
    monkeypatch.setattr(aws_lambda, "UNZIPPED", 1_000_000)
    assert "unpacked" in ready.fault("bundle-too-large", target="lambda").message


def test_without_a_network_the_fault_is_clear(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    found = site.fault("lambda-packages", target="lambda")
    assert "psycopg" in found.message
    assert "connection" in found.hint
    assert not (site.root / "public").exists()


def test_an_index_that_cannot_be_reached_is_named_as_the_reason(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    found = site.fault("lambda-packages", target="lambda")
    assert "the package index cannot be reached" in found.message


def test_after_the_first_build_no_network_is_needed(ready: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    for clean in (False, True, False):
        ready.ok(target="lambda", clean=clean)
    ready.write("content/magnets/checklist.pdf", b"%PDF another\n")
    ready.ok(target="lambda")
    assert archive(ready).read("content/magnets/checklist.pdf") == b"%PDF another\n"


def test_without_pip_the_fault_is_clear(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    assert "pip" in site.fault("lambda-packages", target="lambda").message


def test_the_driver_is_the_one_that_is_tested() -> None:
    name, version = aws_lambda.PACKAGE.replace("[binary]", "").split("==")
    assert f"{name}=={version}\n" in (ROOT / "constraints.txt").read_text("utf-8")


# --- the template --------------------------------------------------------------------------------------------------


def test_the_template_is_sound(ready: Site) -> None:
    ready.write(
        "magnetgen.yaml",
        SETTINGS + "handler: {destinations: [{name: crm, kind: webhook, url_env: CRM_URL, secret_env: CRM_SECRET}]}\n",
    )
    ready.ok(target="lambda")
    path = ready.root / "template.yaml"
    done = lint(path)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout
    text = path.read_text("utf-8")
    assert "{{resolve:secretsmanager:${SecretName}:SecretString:CRM_SECRET}}" in text
    assert "python3.13" in text
    assert "rate(1 minute)" in text
    for old, new in (("RetentionInDays: 30", "RetentionInDays: 31"), ("!GetAtt Handler.Arn}", "!GetAtt Nothing.Arn}")):
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")
        assert lint(path).returncode != 0, new


def resource(text: str, name: str) -> str:
    """The lines of a resource."""
    found = re.search(rf"^  {name}:\n(?:(?:    .*)?\n)+", text, re.M)
    assert found, name
    return found[0]


def test_the_bucket_for_large_files_is_nobody_elses(ready: Site) -> None:
    ready.ok(target="lambda")
    text = (ready.root / "template.yaml").read_text("utf-8")
    bucket, policy, role = (resource(text, name) for name in ("Assets", "AssetsByTls", "HandlerRole"))
    for closed in ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"):
        assert f"{closed}: true" in bucket
    assert "SSEAlgorithm: AES256" in bucket
    assert "DeletionPolicy: Retain" in bucket
    assert "Versioning" not in bucket
    assert 'Bool: {"aws:SecureTransport": "false"}' in policy and "Effect: Deny" in policy
    assert "Allow" not in policy
    assert re.findall(r'Action: "?(s3:\w+|s3:\*)', role) == ["s3:GetObject"]
    assert 'Resource: !Sub "${Assets.Arn}/*"' in role
    assert "MAGNETGEN_ASSETS_BUCKET: !Ref Assets\n" in resource(text, "Handler")


WITHOUT = [
    ("          MAGNETGEN_ASSETS_BUCKET: !Ref Assets\n", "", "does not get MAGNETGEN_ASSETS_BUCKET", "error"),
    ("  AssetsBucket:\n    Description", "  Files:\n    Description", "no output AssetsBucket", "warning"),
]


@pytest.mark.parametrize(("old", "new", "says", "severity"), WITHOUT)
def test_an_older_template_is_told_of_once_there_are_large_files(
    ready: Site, old: str, new: str, says: str, severity: str
) -> None:
    ready.ok(target="lambda")
    path = ready.root / "template.yaml"
    assert path.read_text("utf-8").count(old) == 1
    path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
    assert not ready.build(target="lambda").diagnostics
    grow(ready, 4_000_001)
    found = ready.fault("target-file-differs", target="lambda")
    assert (found.path, found.severity) == ("template.yaml", severity)
    assert says in found.message
    assert "AssetsByTls" in found.hint


def test_the_template_of_a_site_whose_handler_is_elsewhere(site: Site) -> None:
    site.write("magnetgen.yaml", ELSEWHERE)
    site.ok(target="lambda")
    done = lint(site.root / "template.yaml")
    assert (done.returncode, done.stdout) == (0, ""), done.stdout
    assert "AWS::Lambda" not in (site.root / "template.yaml").read_text("utf-8")
    assert [p.name for p in (site.root / ".magnetgen/bundle/lambda").iterdir()] == ["parameters.json"]


def test_the_policy_is_a_parameter(ready: Site) -> None:
    ready.ok(target="lambda")
    [parameter] = json.loads((ready.root / ".magnetgen/bundle/lambda/parameters.json").read_bytes())
    assert parameter["ParameterKey"] == "ContentSecurityPolicy"
    assert parameter["ParameterValue"].startswith("default-src 'none'; script-src 'sha256-")


CHANGES = [
    ("Handler: lambda_function.handler", "Handler: app.main", "Handler", "error"),
    ("Runtime: python3.13", "Runtime: python3.12", "Runtime", "error"),
    ("PathPattern: /api/*", "PathPattern: /leads/*", "/api/*", "warning"),
    ("rate(1 minute)", "rate(1 hour)", "ScheduleExpression", "warning"),
    ("          MAGNETGEN_STORE: ", "          MAGNETGEN_STOER: ", "MAGNETGEN_STORE", "warning"),
    ("  ContentSecurityPolicy:\n    Type", "  Policy:\n    Type", "ContentSecurityPolicy", "warning"),
]


@pytest.mark.parametrize(("old", "new", "key", "severity"), CHANGES)
def test_a_setting_that_differs_is_told(ready: Site, old: str, new: str, key: str, severity: str) -> None:
    ready.ok(target="lambda")
    path = ready.root / "template.yaml"
    text = path.read_text("utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), "utf-8")
    found = ready.fault("target-file-differs", target="lambda")
    assert (found.path, found.severity) == ("template.yaml", severity)
    assert key in found.message
    if key in ("Handler", "Runtime"):
        line = next(n for n, line in enumerate(path.read_text("utf-8").splitlines(), 1) if new in line)
        assert found.span is not None
        assert found.span.line == line


def test_the_template_says_for_which_machine(ready: Site) -> None:
    ready.ok(target="lambda")
    path = ready.root / "template.yaml"
    path.write_text(path.read_text("utf-8").replace("[x86_64]", "[arm64]"), "utf-8")
    ready.ok(target="lambda")
    assert [n for n in archive(ready).namelist() if n.endswith("aarch64-linux-gnu.so")]
    assert not [n for n in archive(ready).namelist() if "x86_64" in n and n.endswith(".so")]


def test_a_template_that_is_not_yaml(ready: Site) -> None:
    ready.write("template.yaml", "Resources:\n\tHandler: {\n")
    found = ready.fault("target-file", target="lambda")
    assert found.span is not None
    assert found.span.line == 2
