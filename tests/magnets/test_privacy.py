"""What only leads receive is nowhere in the output, whichever way it could get there."""

from __future__ import annotations

import os
import shutil
import time

import pytest

from magnetgen.diagnostics import TextRenderer
from magnetgen.magnets import sweep
from tests.conftest import SETTINGS, Site, page
from tests.magnets.test_front_matter import OTHER, magnet
from tests.magnets.test_offers import compiled
from tests.unit.test_faults import picture

LIST = "The whole list, for those who asked.\n"


def copy_in_media(site: Site) -> str:
    site.write("media/list.txt", LIST)
    return "media/list.txt"


def copy_beside_a_page(site: Site) -> str:
    site.write("content/posts/list.txt", LIST)
    return "content/posts/list.txt"


def hard_link(site: Site) -> str:
    (site.root / "media").mkdir()
    os.link(site.root / "content/magnets/list.txt", site.root / "media/other.txt")
    return "media/other.txt"


def symbolic_link(site: Site) -> str:
    (site.root / "media").mkdir()
    (site.root / "media/other.txt").symlink_to("../content/magnets/list.txt")
    return "media/other.txt"


def copy_of_the_markdown(site: Site) -> str:
    shutil.copytree(site.root / "content/magnets", site.root / "media", ignore=shutil.ignore_patterns("*.txt"))
    return "media/guide.md"


def copy_of_the_book(site: Site) -> str:
    (site.root / "media").mkdir()
    shutil.copy(site.root / compiled(site)["assets"]["guide"]["file"], site.root / "media/guide.pdf")
    return "media/guide.pdf"


@pytest.mark.parametrize(
    "slip", [copy_in_media, copy_beside_a_page, hard_link, symbolic_link, copy_of_the_markdown, copy_of_the_book]
)
def test_a_copy_that_would_be_public_is_an_error(site: Site, slip: object) -> None:
    site.write("content/magnets/list.txt", LIST)
    site.write("content/magnets/guide.md", magnet())
    site.write("content/forms/list.md", "---\ntitle: Get it\nfields: [email]\nbutton: Send it\nmagnet: list\n---\n")
    site.ok()
    before = site.files()
    path = slip(site)  # type: ignore[operator]
    found = site.fault("magnet-public")
    assert (found.path, found.severity) == (path, "error")
    assert site.files() == before, "nothing is written"


def test_another_file_of_the_same_size_is_none(site: Site) -> None:
    site.write("content/magnets/list.txt", LIST)
    site.write("content/forms/list.md", "---\ntitle: Get it\nfields: [email]\nbutton: Send it\nmagnet: list\n---\n")
    site.write("media/list.txt", LIST.upper())
    site.ok()


def test_nothing_of_a_magnet_lies_in_the_output(site: Site) -> None:
    site.write("content/magnets/guide.md", magnet("## One\n\nA private sentence."))
    site.write("content/magnets/list.txt", LIST)
    site.write("content/magnets/deep/part.md", page("Another private sentence.", title="Part", kind="chapter"))
    site.ok()
    private = [path for path in (site.root / "content/magnets").rglob("*") if path.is_file()]
    private += [site.root / asset["file"] for asset in compiled(site)["assets"].values()]
    bytes_of = {path.read_bytes() for path in private}
    for file, data in site.files().items():
        assert data not in bytes_of, file
        assert b"private sentence" not in data, file
        assert not file.endswith((".pdf", ".epub", ".ics")), file


def test_what_nobody_is_given_any_more_goes_after_a_week(site: Site) -> None:
    site.write("content/magnets/guide.md", magnet())
    site.ok()
    old = compiled(site)["assets"]["guide"]["file"]
    site.write("content/magnets/guide.md", magnet("## Two\n\nOther words."))
    site.ok()
    new = compiled(site)["assets"]["guide"]["file"]
    sweep(site.root)
    assert (site.root / old).is_file()
    for path in (site.root / ".magnetgen/magnets").iterdir():
        os.utime(path, (1_700_000_000, 1_700_000_000))
    sweep(site.root)
    assert (site.root / new).is_file() and not (site.root / old).exists()
    stems = {path.name.split(".")[1] for path in (site.root / ".magnetgen/magnets").iterdir()}
    assert stems == {new.split(".")[2]}


def test_what_is_given_is_touched_once_a_day_at_most(site: Site) -> None:
    """Its time tells other builds of the site whether anything has changed."""
    site.write("content/magnets/guide.md", magnet())
    site.ok()
    file = site.root / compiled(site)["assets"]["guide"]["file"]
    hours_ago = time.time() - 3600
    os.utime(file, (hours_ago, hours_ago))
    sweep(site.root)
    assert file.stat().st_mtime == pytest.approx(hours_ago)
    os.utime(file, (1_700_000_000, 1_700_000_000))
    sweep(site.root)
    assert file.stat().st_mtime > hours_ago


def test_nothing_goes_where_a_list_cannot_be_read(site: Site) -> None:
    site.write("content/magnets/guide.md", magnet())
    site.ok()
    file = site.root / compiled(site)["assets"]["guide"]["file"]
    os.utime(file, (1_700_000_000, 1_700_000_000))
    site.write(".magnetgen/forms.json", '{"assets": [')
    sweep(site.root)
    assert file.is_file()


@pytest.mark.parametrize("address", ["../magnets/secret.png", "/content/magnets/secret.png"])
def test_a_private_picture_is_no_page_s_picture(site: Site, address: str) -> None:
    site.write("content/magnets/secret.png", picture())
    site.write("content/posts/one.md", page(title="One", date="2026-01-01", image=address))
    found = site.fault("link-private")
    assert (found.path, found.span.line if found.span else 0) == ("content/posts/one.md", 4)
    assert not (site.root / "public").exists()


@pytest.mark.parametrize(
    "setting",
    ["image: /content/magnets/secret.png", "theme: {name: lodestone, logo: /content/magnets/secret.png}",
     "organization: {logo: content/magnets/secret.png}"],
)  # fmt: skip
def test_a_private_picture_is_no_picture_of_the_site(site: Site, setting: str) -> None:
    site.write("content/magnets/secret.png", picture())
    site.write("magnetgen.yaml", f"{SETTINGS}{setting}\n")
    assert site.fault("link-private").path == "magnetgen.yaml"


def test_a_code_is_shown_in_no_report(site: Site) -> None:
    front = {"title": "Spring offer", "kind": "discount", "codes": "spring.txt", "formats": None}
    site.write("content/magnets/spring.md", page("", **{k: v for k, v in front.items() if v}, description=OTHER))
    site.write("content/magnets/spring.txt", "TOPSECRET\n" * 5000)
    found = [d for d in site.build().diagnostics if d.code == "magnet-codes"]
    assert len(found) == 10
    assert not any("TOPSECRET" in TextRenderer(site.root).render(fault) for fault in found)
