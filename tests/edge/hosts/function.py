"""The Lambda function that the tests deploy: magnetgen's own, with the test hooks before it."""

from __future__ import annotations

import base64
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from magnetgen.forms import aws
from magnetgen.forms.testing import TestApp


@cache
def _app() -> TestApp:
    # What was stored is sent by the hook alone, as on all hosts: no attempt is made before the answer.
    aws._send = lambda at: None
    return TestApp(Path(os.environ["MAGNETGEN_SITE"]))


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The function's entry."""
    app = _app()
    request = aws.as_request(event)
    path = request.path.removeprefix(app.runtime.site.prefix)
    if not path.startswith("/_test/"):
        return aws.answer(app.runtime, event, context.aws_request_id)
    name, raw = path.removeprefix("/_test/"), event.get("body") or ""
    body = base64.b64decode(raw) if event.get("isBase64Encoded") else raw
    if name == "drain":
        data: Any = aws.answer(app.runtime, {"source": "aws.events", "detail-type": "Scheduled Event"}, "")
    else:
        data = app._hook(name, json.loads(body or "{}"))
    return {
        "statusCode": 404 if data is None else 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(data),
    }
