"""Asking Cloudflare Turnstile whether a person is there."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from magnetgen.forms.mail import tls
from magnetgen.forms.site import Challenge

TURNSTILE = "https://challenges.cloudflare.com/turnstile/v0/siteverify"
TIMEOUT = 5
ANSWER_MAX = 2048
"""Characters of an answer; Cloudflare gives no longer ones."""
_NO_VERDICT = ("internal-error", "missing-input-secret", "invalid-input-secret")
"""Faults that are not the visitor's: a wrong secret must turn nobody away."""
PASS, FAIL, DOWN = "pass", "fail", "down"


@dataclass(frozen=True)
class Verifier:
    """Judges answers. `url`: the verifier, another one in tests."""

    env: Mapping[str, str]
    url: str = TURNSTILE

    def verify(self, challenge: Challenge, answer: str, once: str) -> str:
        """PASS, FAIL, or DOWN where nobody can say. Without a secret nobody can.

        `once`: a UUID. An answer is good for one question, and for the same question asked again.
        """
        if len(answer) > ANSWER_MAX:
            return FAIL
        secret = self.env.get(challenge.secret_env, "")
        if not secret:
            return DOWN
        try:
            status, data = self._ask(urlencode({"secret": secret, "response": answer, "idempotency_key": once}))
        except (OSError, ValueError, http.client.HTTPException):
            return DOWN
        if status != 200 or not isinstance(data, dict):
            return DOWN
        if any(code in _NO_VERDICT for code in _texts(data.get("error-codes"))):
            return DOWN
        mine = data.get("hostname") == challenge.hostname and data.get("action") in (None, "", challenge.action)
        return PASS if data.get("success") is True and mine else FAIL

    def _ask(self, body: str) -> tuple[int, object]:
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        connection = (
            http.client.HTTPSConnection(host, parts.port, timeout=TIMEOUT, context=tls())
            if parts.scheme == "https"
            else http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT)
        )
        try:
            connection.request("POST", parts.path, body, {"content-type": "application/x-www-form-urlencoded"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read(65_536))
        finally:
            connection.close()


def _texts(codes: object) -> list[str]:
    return [code for code in codes if isinstance(code, str)] if isinstance(codes, list) else []


def from_env(env: Mapping[str, str] = os.environ) -> Verifier:
    return Verifier(env, env.get("MAGNETGEN_TURNSTILE_URL", TURNSTILE))
