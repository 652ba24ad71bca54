"""From addresses to files: what is there is found, and nothing that lies elsewhere."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pytest

from magnetgen.preview.files import Elsewhere, Found, look_up, media_type


@pytest.fixture
def out(tmp_path: Path) -> Path:
    made = tmp_path / "site" / ".magnetgen" / "preview"
    for file in (
        "index.html",
        "posts/index.html",
        "posts/caf\u00e9 au lait/index.html",
        "media/a.png",
        "empty/x.txt",
        "404.html",
    ):
        (made / file).parent.mkdir(parents=True, exist_ok=True)
        (made / file).write_text(file, "utf-8")
    (made / ".magnetgen").write_text("mark", "utf-8")
    (tmp_path / "site" / "magnetgen.yaml").write_text("title: Secret\n", "utf-8")
    (tmp_path / "site" / ".magnetgen" / "leads.db").write_text("leads", "utf-8")
    (made / "out.txt").symlink_to(tmp_path / "site" / "magnetgen.yaml")
    (made / "outside").symlink_to(tmp_path / "site")
    (made / "round").symlink_to(made / "round")
    (made / "within.txt").symlink_to(made / "index.html")
    return made


def ask(out: Path, raw: str, prefix: str = "/") -> Found | Elsewhere | None:
    return look_up(out, prefix, unquote(raw), raw.encode())


@pytest.mark.parametrize(
    ("address", "file"),
    [
        ("/", "index.html"),
        ("/index.html", "index.html"),
        ("/posts/", "posts/index.html"),
        ("/posts/caf%C3%A9%20au%20lait/", "posts/caf\u00e9 au lait/index.html"),
        ("/media/a.png", "media/a.png"),
        ("/within.txt", "within.txt"),
    ],
)
def test_what_is_there_is_found(out: Path, address: str, file: str) -> None:
    found = ask(out, address)
    assert isinstance(found, Found)
    assert found.file == file
    assert found.path.is_file()


REFUSED = [
    "/../magnetgen.yaml", "/posts/../../leads.db", "/..", "/.", "/./index.html", "/%2e%2e/leads.db", "/%2E%2E/%2e%2e/magnetgen.yaml",
    "/..%2f..%2fmagnetgen.yaml", "/posts%2findex.html", "/posts%5Cindex.html", "/posts\\index.html", "/..%5c..%5cmagnetgen.yaml",
    "/index.html%00", "/index.html%00.png", "/index.html%0a", "/.magnetgen", "/posts/.hidden", "//", "//posts/", "/posts//", "///etc/passwd",
    "//etc/passwd", "/%2fetc/passwd", "/etc/passwd", "/out.txt", "/outside/magnetgen.yaml", "/outside/", "/outside", "/round", "/round/",
    "/empty/", "/empty", "/missing", "/index.html/", "/media/a.png/", "/" + "a" * 300, "/%ff", "/~root", "/C:/windows",
    "/%252e%252e/leads.db",
]  # fmt: skip


@pytest.mark.parametrize("address", REFUSED)
def test_nothing_else_is(out: Path, address: str) -> None:
    assert ask(out, address) is None


def test_a_folder_without_its_slash_is_elsewhere(out: Path) -> None:
    assert ask(out, "/posts") == Elsewhere("/posts/")
    assert ask(out, "/posts/caf%C3%A9%20au%20lait") == Elsewhere("/posts/caf%C3%A9%20au%20lait/")


def test_a_site_below_a_path(out: Path) -> None:
    assert ask(out, "/", "/repo/") == Elsewhere("/repo/")
    assert ask(out, "/repo", "/repo/") == Elsewhere("/repo/")
    assert ask(out, "/repo/posts", "/repo/") == Elsewhere("/repo/posts/")
    found = ask(out, "/repo/posts/", "/repo/")
    assert isinstance(found, Found)
    assert found.file == "posts/index.html"
    for address in ("/posts/", "/repository/", "/repo//posts/", "/repo/../posts/", "/index.html"):
        assert ask(out, address, "/repo/") is None


def test_before_there_is_an_output(tmp_path: Path) -> None:
    assert ask(tmp_path / "none", "/") is None


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("index.html", "text/html; charset=utf-8"),
        ("feed.xml", "application/atom+xml; charset=utf-8"),
        ("sitemap.xml", "application/xml; charset=utf-8"),
        ("robots.txt", "text/plain; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.CSS", "text/css; charset=utf-8"),
        ("a.svg", "image/svg+xml"),
        ("a.avif", "image/avif"),
        ("a.webp", "image/webp"),
        ("a.woff2", "font/woff2"),
        ("a.pdf", "application/pdf"),
        ("a.epub", "application/epub+zip"),
        ("a.mp4", "video/mp4"),
        ("a.unknown", "application/octet-stream"),
        ("none", "application/octet-stream"),
    ],
)
def test_types(file: str, kind: str) -> None:
    assert media_type(file) == kind
