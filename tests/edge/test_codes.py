"""Single-use codes in workerd over D1: many who come at once, and too few codes for them.

MAGNETGEN_CROWD: how many come. Twice as many as there are codes: 1,000 are 1,000 for 500.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.contract.run import send
from tests.edge.test_d1 import FORM, Host, running

CROWD = int(os.environ.get("MAGNETGEN_CROWD", "200"))
AT_ONCE = 48
CODES = [f"BETA-{number:04}" for number in range(CROWD // 2)]
ADDRESS = "n{}@example.com"
FORMS = {
    "forms": {"beta": {**FORM, "magnet": "beta", "notify": []}},
    "magnets": {"beta": {"kind": "discount", "title": "Beta", "codes": CODES}},
    "mails": {
        "deliver": {"subject": "Yours", "text": "code [{{code}}]\n"},
        "soldout": {"subject": "Gone", "text": "None is left.\n"},
    },
}


def submit(host: Host, number: int) -> str:
    """The token of the page that follows. Who is told to come again later does so."""
    headers = {
        "Accept": "application/json", "Content-Type": "application/json", "Idempotency-Key": f"key-{number:020}",
        "X-Forwarded-For": f"10.0.{number >> 8 & 255}.{number & 255}",
    }  # fmt: skip
    request = {"method": "POST", "path": "/forms/beta", "headers": headers, "body": {"email": ADDRESS.format(number)}}
    for _ in range(20):
        answer = send(host.base, request)
        if answer.status == 202:
            return str(answer.json()["next"]).partition("#")[2]
        assert answer.status == 503, answer.body
    raise AssertionError("the handler took it in at no time")


def shown(host: Host, token: str) -> str | None:
    """The code that a lead is shown."""
    answer = send(host.base, {"path": f"/download/{token}", "headers": {"Accept": "application/json"}})
    assert answer.status == 200
    code = answer.json()["code"]
    assert code is None or isinstance(code, str)
    return code


def test_each_code_goes_to_one_lead_though_all_come_at_once(tmp_path: Path) -> None:
    with running("", tmp_path / "log") as host, ThreadPoolExecutor(AT_ONCE) as pool:
        assert send(host.base, {"method": "POST", "path": "/_test/reset", "body": {"forms": FORMS}}).status == 200
        tokens = list(pool.map(lambda number: submit(host, number), range(CROWD)))
        codes = list(pool.map(lambda token: shown(host, token), tokens))
        done = send(host.base, {"method": "POST", "path": "/_test/drain", "body": {}}).json()
        state = host.state()
    given = {lead["email"]: lead["code"] for lead in state["leads"] if "code" in lead}
    assert len(state["leads"]) == CROWD and Counter(given.values()) == Counter(CODES)
    assert {ADDRESS.format(n): code for n, code in enumerate(codes) if code} == given
    assert done == {"sent": CROWD, "failed": 0}
    mailed = {mail["to"]: found[1] for mail in state["mails"] if (found := re.search(r"code \[(.*)\]", mail["text"]))}
    assert mailed == given
    gone = [mail["to"] for mail in state["mails"] if mail["subject"] == "Gone"]
    assert sorted(gone) == sorted({lead["email"] for lead in state["leads"]} - given.keys())
