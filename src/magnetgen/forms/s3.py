"""Addresses of files in an S3 bucket that work for a few minutes: what an answer of a function cannot hold is fetched there.

Signed by version 4 of AWS's signatures, in the query: docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote

from magnetgen.forms.site import SiteFault

SECONDS = 300
"""How long an address works; who opens it later gets a new one by the link that led there."""


@dataclass(frozen=True)
class Bucket:
    """A private bucket, and who may read it. `token`: of credentials that expire, as a function's own do."""

    name: str
    region: str
    key_id: str
    secret: str
    token: str = ""

    def address(self, key: str, disposition: str, kind: str, now: float) -> str:
        """Where to fetch a file during the next 300 s. `kind`: its media type; `now`: seconds since the epoch."""
        stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{stamp[:8]}/{self.region}/s3/aws4_request"
        host = f"{self.name}.s3.{self.region}.amazonaws.com"
        values = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{self.key_id}/{scope}",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(SECONDS),
            "X-Amz-SignedHeaders": "host",
            "response-content-disposition": disposition,
            "response-content-type": kind,
        }
        if self.token:
            values["X-Amz-Security-Token"] = self.token
        path = "/" + quote(key, safe="/-_.~")
        query = "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in sorted(values.items()))
        request = f"GET\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
        to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256(request.encode()).hexdigest()}"
        return f"https://{host}{path}?{query}&X-Amz-Signature={self._sign(stamp[:8], to_sign)}"

    def _sign(self, day: str, text: str) -> str:
        key = f"AWS4{self.secret}".encode()
        for part in (day, self.region, "s3", "aws4_request", text):
            key = hmac.digest(key, part.encode(), "sha256")
        return key.hex()


def from_env(env: Mapping[str, str]) -> Bucket | None:
    """The bucket of MAGNETGEN_ASSETS_BUCKET, with the credentials that AWS gives a function. Raises SiteFault."""
    name = env.get("MAGNETGEN_ASSETS_BUCKET", "")
    if not name:
        return None
    needed = ("AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    if lacking := [variable for variable in needed if not env.get(variable)]:
        raise SiteFault(f"MAGNETGEN_ASSETS_BUCKET needs {', '.join(lacking)}, which AWS sets in a function")
    region, key_id, secret = (env[variable] for variable in needed)
    return Bucket(name, region, key_id, secret, env.get("AWS_SESSION_TOKEN", ""))
