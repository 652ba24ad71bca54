"""Which editor a link opens."""

from __future__ import annotations

from pathlib import Path

import pytest

from magnetgen.preview.editor import KNOWN, from_env

FILE = Path("/home/ana/my site/content/caf\u00e9 #1.md")


@pytest.mark.parametrize(
    ("environ", "link"),
    [
        ({}, "vscode://file/home/ana/my%20site/content/caf%C3%A9%20%231.md:4:2"),
        ({"EDITOR": "vim"}, "vscode://file/home/ana/my%20site/content/caf%C3%A9%20%231.md:4:2"),
        ({"EDITOR": "/usr/bin/code --wait"}, "vscode://file/home/ana/my%20site/content/caf%C3%A9%20%231.md:4:2"),
        ({"VISUAL": "cursor -w", "EDITOR": "code"}, "cursor://file/home/ana/my%20site/content/caf%C3%A9%20%231.md:4:2"),
        ({"EDITOR": "subl"}, "subl://open?url=file:///home/ana/my%20site/content/caf%C3%A9%20%231.md&line=4&column=2"),
        (
            {"MAGNETGEN_EDITOR": "idea"},
            "idea://open?file=/home/ana/my%20site/content/caf%C3%A9%20%231.md&line=4&column=2",
        ),
        (
            {"MAGNETGEN_EDITOR": "x-own://{path}?{line},{column}"},
            "x-own:///home/ana/my%20site/content/caf%C3%A9%20%231.md?4,2",
        ),
        ({"MAGNETGEN_EDITOR": "none", "EDITOR": "code"}, ""),
    ],
)
def test_links(environ: dict[str, str], link: str) -> None:
    assert from_env(environ).link(FILE, 4, 2) == link


@pytest.mark.parametrize(
    "value",
    [
        "ed",
        "javascript:alert('{path}')",
        "JavaScript:{path}",
        "data:{path}",
        "vscode://file",
        "http://evil.example/{path}",
    ],
)
def test_what_is_no_editor_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="MAGNETGEN_EDITOR"):
        from_env({"MAGNETGEN_EDITOR": value})


def test_every_known_editor_gets_the_place() -> None:
    for name in KNOWN:
        link = from_env({"MAGNETGEN_EDITOR": name}).link(Path("/a/b.md"), 12, 34)
        assert "/a/b.md" in link
        assert "12" in link
        assert "34" in link
        assert "{" not in link
