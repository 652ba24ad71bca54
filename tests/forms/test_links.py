"""Links that are genuine, but of another time or another form."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from magnetgen.forms import tokens
from tests.forms.data import KEYS
from tests.forms.world import World

JSON: dict[str, Any] = {"accept": "application/json"}


def token(world: World, form: str, purpose: str, asset: str = "") -> str:
    lead = next(row["id"] for row in world.rows("leads") if row["form"] == form)
    return tokens.issue(KEYS, purpose, form, lead, world.now, bytes(16), asset)


def test_a_genuine_token_opens_only_what_the_form_has_today(world: World) -> None:
    world.submit("plain", "email=a%40x.co")
    for asset in ("book", "other", ""):
        text = token(world, "plain", tokens.DOWNLOAD, asset)
        answer = world.request("GET", f"/download/{text}", **JSON)
        assert (answer.status, answer.code) == (404, "invalid_token")


@pytest.mark.parametrize("purpose", [tokens.CONFIRM, tokens.DOWNLOAD])
def test_a_form_that_is_gone_takes_its_links_with_it(world: World, purpose: str) -> None:
    text = tokens.issue(KEYS, purpose, "gone", "ab" * 16, world.now, bytes(16), "book")
    assert world.request("GET", f"/{purpose}/{text}", **JSON).status == 404


def test_unsubscribing_works_even_where_the_form_or_the_lead_is_gone(world: World) -> None:
    text = tokens.issue(KEYS, tokens.UNSUBSCRIBE, "gone", "ab" * 16, world.now, bytes(16))
    assert world.request("POST", f"/unsubscribe/{text}", **JSON).status == 200


def test_many_scanners_change_nothing(world: World) -> None:
    for number in range(50):
        world.submit("shut", f"email=a{number}%40x.co")
    links = [
        (purpose, tokens.issue(KEYS, purpose, "shut", row["id"], world.now, bytes(16), "book"))
        for row in world.rows("leads")
        for purpose in (tokens.CONFIRM, tokens.UNSUBSCRIBE, tokens.DOWNLOAD)
    ]
    before = world.rows("leads"), world.rows("outbox")
    for purpose, text in links:
        for method in ("GET", "HEAD") * 3:
            if purpose != tokens.DOWNLOAD or method == "HEAD":
                assert world.request(method, f"/{purpose}/{text}").status == 200
    assert (world.rows("leads"), world.rows("outbox")) == before


def test_only_files_of_the_magnets_folder_are_handed_out(world: World) -> None:
    root = world.runtime.root
    (root / "secret.txt").write_text("secret")
    (root / "content" / "magnets" / "link.txt").symlink_to(root / "secret.txt")
    asset = world.runtime.site.assets["book"]
    assert world.runtime.locate(asset) == 26
    for file in (
        "secret.txt",
        "content/magnets/../../secret.txt",
        "content/magnets/link.txt",
        "/etc/passwd",
        "",
        "content/magnets",
    ):
        assert world.runtime.locate(replace(asset, file=file)) is None


def test_a_download_is_noted_once_and_only_for_the_file(world: World) -> None:
    text = json.loads(world.submit("book", "email=a%40x.co").body)["next"].split("#")[1]
    world.request("HEAD", f"/download/{text}")
    world.request("GET", f"/download/{text}", range="bytes=1-2")
    assert world.rows("leads")[0]["downloaded_at"] is None
    world.request("GET", f"/download/{text}")
    world.store.probe(1)  # whatever was noted is written by now
    first = world.rows("leads")[0]["downloaded_at"]
    world.now += 60
    world.request("GET", f"/download/{text}")
    world.store.probe(2)
    assert world.rows("leads")[0]["downloaded_at"] == first == int((world.now - 60) * 1000)
