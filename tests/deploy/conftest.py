"""A built site with forms of each kind, live on this machine; and tools of hosts that only write down what they are told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from magnetgen import scaffold
from magnetgen.build import build
from magnetgen.state import Options
from tests.contract.test_vectors import free_port
from tests.deploy.live import Live, serving

DIRECT = """\
---
title: "The questions, at once"
fields: [email, {name: size, type: select, label: Size, options: [One, Many], required: true}]
consent: [{name: terms, text: "I have read the terms.", required: true}]
button: "Send me the questions"
magnet: five-questions
notify: ["email:sales@site.example", crm]
---

Here you are.
"""
HANDLER = "handler:\n  destinations:\n    - {name: crm, kind: webhook, url_env: CRM_URL, secret_env: CRM_SECRET}\n"


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A site built for Cloudflare at an address of this machine, and its port."""
    root, port = tmp_path_factory.mktemp("live") / "site", free_port()
    scaffold.new_site(root, "Lead Lab", f"http://127.0.0.1:{port}")
    (root / "content" / "forms" / "direct.md").write_text(DIRECT)
    with (root / "magnetgen.yaml").open("a") as settings:
        settings.write(HANDLER)
    result = build(root, Options(jobs=1, target="cloudflare"))
    assert not result.exit_code(False), result.diagnostics
    return root, port


@pytest.fixture(scope="session")
def _live(built: tuple[Path, int]) -> Iterator[Live]:
    with serving(*built) as live:
        yield live


@pytest.fixture
def live(_live: Live) -> Live:
    """With an empty store and no faults."""
    _live.begin()
    return _live


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without anything of ours or of a host."""
    for name in list(os.environ):
        if name.startswith(("MAGNETGEN_", "CLOUDFLARE_", "NETLIFY_", "AWS_")):
            monkeypatch.delenv(name)
    return monkeypatch
