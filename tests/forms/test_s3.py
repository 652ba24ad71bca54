"""Signed addresses of files in a bucket, against AWS's own signer."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import botocore.auth
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from magnetgen.forms import s3, tokens
from magnetgen.forms.site import SiteFault
from tests.forms.data import EVERYTHING, KEYS, NOW
from tests.forms.world import SCRIPT, World

BUCKET = s3.Bucket("magnets", "eu-central-1", "AKIAEXAMPLE", "wJalrXUtnFEMI/K7MDENG", "token+with/odd=signs")


def signed_by_aws(bucket: s3.Bucket, key: str, params: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    at = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: at)
    request = AWSRequest("GET", f"https://{bucket.name}.s3.{bucket.region}.amazonaws.com/{key}", params=params)
    found = Credentials(bucket.key_id, bucket.secret, bucket.token or None)
    S3SigV4QueryAuth(found, "s3", bucket.region, s3.SECONDS).add_auth(request)
    return str(request.url)


@pytest.mark.parametrize("token", ["", BUCKET.token])
@pytest.mark.parametrize("name", ["book.pdf", "a book & more.pdf", "Führer (1)~.pdf"])
def test_the_signature_is_that_of_aws(name: str, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = replace(BUCKET, token=token)
    disposition, kind = f'attachment; filename="{name}"', "application/pdf"
    ours = bucket.address("ab12/book.pdf", disposition, kind, NOW)
    params = {"response-content-disposition": disposition, "response-content-type": kind}
    theirs = signed_by_aws(bucket, "ab12/book.pdf", params, monkeypatch)
    assert parse_qs(urlsplit(ours).query) == parse_qs(urlsplit(theirs).query)
    assert urlsplit(ours)[:3] == urlsplit(theirs)[:3]


def test_a_download_leads_to_an_address_that_ends(tmp_path: Path, world: World) -> None:
    document: dict[str, Any] = {
        **EVERYTHING,
        "assets": {k: {**v, "key": "ab12/book"} for k, v in EVERYTHING["assets"].items()},
    }
    stored = World(tmp_path / "bucket", document)
    try:
        form = next(f for f in stored.runtime.site.forms.values() if f.spec.magnet and not f.spec.double_opt_in)
        sent = stored.submit(form.name, "email=a%40x.co", **SCRIPT)
        assert sent.status == 202, sent.body
        lead = stored.rows("leads")[0]["id"]
        token = tokens.issue(KEYS, tokens.DOWNLOAD, form.name, lead, NOW, bytes(16), form.spec.magnet)
        without = stored.request("GET", f"/download/{token}")
        assert without.status == 503 and dict(without.headers)["retry-after"]
        stored.runtime = replace(stored.runtime, bucket=BUCKET)
        answer = stored.request("GET", f"/download/{token}")
        where = urlsplit(dict(answer.headers)["location"])
        assert answer.status == 302 and where.hostname == "magnets.s3.eu-central-1.amazonaws.com"
        assert int(parse_qs(where.query)["X-Amz-Expires"][0]) <= 300
    finally:
        stored.close()


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert s3.from_env({}) is None
    with pytest.raises(SiteFault, match="AWS_REGION, AWS_SECRET_ACCESS_KEY, which AWS sets"):
        s3.from_env({"MAGNETGEN_ASSETS_BUCKET": "b", "AWS_ACCESS_KEY_ID": "k"})
    whole = {"MAGNETGEN_ASSETS_BUCKET": "b", "AWS_REGION": "r", "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    assert s3.from_env(whole) == s3.Bucket("b", "r", "k", "s")
