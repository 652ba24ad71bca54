"""The preview's engine: warm builds are what a build from nothing is, and an edit shows what the whole build will."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from magnetgen.preview.engine import Built, Engine
from tests.fault.test_incremental import MUTATIONS
from tests.fault.tools import Rich, copy_sources, differences, rich, tree

BASE = "http://127.0.0.1:8000/"
POST = "content/posts/post-5.md"
FILE = "posts/post-5/index.html"


@pytest.fixture
def lab(tmp_path: Path) -> Rich:
    return rich(tmp_path / "site")


@pytest.fixture
def engine(lab: Rich) -> Engine:
    made = Engine(lab.root, BASE)
    assert not made.build().failed
    return made


def from_nothing(lab: Rich, folder: Path) -> Engine:
    fresh = Engine(copy_sources(lab.root, folder), BASE)
    fresh.build()
    return fresh


@pytest.mark.parametrize("name", sorted(MUTATIONS)[::4])
def test_a_warm_build_is_what_a_build_from_nothing_is(name: str, lab: Rich, engine: Engine, tmp_path: Path) -> None:
    for number, _ in enumerate(MUTATIONS[name](lab)):
        built = engine.build()
        fresh = from_nothing(lab, tmp_path / f"fresh{number}")
        if not built.failed:
            assert not differences(tree(engine.out), tree(fresh.out))
            assert built.forms == fresh.build().forms


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("what worked", "what really worked"),
        ("title: Post 5", "title: Post Five"),
        ("## Steps", "## Steps and stairs"),
        ("[the next one](post-6.md#steps)", "[a heading of its own](#steps) and [the story](../story.md)"),
        ("[the demo](cta:demo)", "![](form:demo)"),
    ],
)
def test_an_edit_of_words_is_shown_at_once_as_the_whole_build_will(
    old: str, new: str, lab: Rich, engine: Engine, tmp_path: Path
) -> None:
    lab.edit(POST, old, new)
    shown = engine.edit([POST])
    assert shown is not None and shown.changed == {FILE} and not shown.failed
    at_once = (engine.out / FILE).read_bytes()
    after = engine.build()
    if not after.failed:  # where another page's link lost its anchor
        assert FILE not in after.changed
        assert (engine.out / FILE).read_bytes() == at_once
        assert not differences(tree(engine.out), tree(from_nothing(lab, tmp_path / "fresh").out))


def test_several_edits_before_the_whole_build(lab: Rich, engine: Engine, tmp_path: Path) -> None:
    for number in range(3):
        lab.edit(POST, "what worked", f"what worked {number}")
        assert engine.edit([POST]) is not None
        assert f"what worked {number}" in (engine.out / FILE).read_text()
    lab.edit("content/posts/post-4.md", "what worked", "what failed")
    shown = engine.edit([POST, "content/posts/post-4.md"])
    assert shown is not None and shown.changed == {"posts/post-4/index.html"}
    engine.build()
    assert not differences(tree(engine.out), tree(from_nothing(lab, tmp_path / "fresh").out))


def test_an_edit_that_changes_nothing_changes_no_file(lab: Rich, engine: Engine) -> None:
    lab.age(POST)
    shown = engine.edit([POST])
    assert shown is not None and not shown.changed


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (POST, "tags: [post, follow-up]", "tags: [post, offers]"),
        (POST, "date: 2026-02-15", "date: 2026-02-16"),
        (POST, "title: Post 5", "title: Post 5\nslug: five"),
        (POST, "title: Post 5", "title: Post 5\nform: demo"),
        (POST, "title: Post 5", "title: Post 5\ndraft: true"),
        (POST, "title: Post 5", "title: [Post 5"),
        (POST, "post-6.md#steps", "nothing.md"),
        ("content/forms/demo.md", "button: Book it", "button: Book it now"),
        ("content/blocks/note.md", "and words", "and sentences"),
        ("magnetgen.yaml", "title: Lead Lab", "title: Lead Laboratory"),
    ],
)
def test_what_may_change_more_than_a_page_takes_a_whole_build(
    file: str, old: str, new: str, lab: Rich, engine: Engine
) -> None:
    before = tree(engine.out)
    lab.edit(file, old, new)
    assert engine.edit([file]) is None
    assert tree(engine.out) == before


def test_files_that_come_and_go_take_a_whole_build(lab: Rich, engine: Engine) -> None:
    lab.write("content/new.md", "---\ntitle: New\n---\n\nWords.\n")
    assert engine.edit(["content/new.md"]) is None
    lab.delete(POST)
    assert engine.edit([POST]) is None
    assert engine.edit([]) is None


def test_a_fault_leaves_the_last_good_output_and_is_mended(lab: Rich, engine: Engine) -> None:
    good = tree(engine.out)
    lab.edit(POST, "title: Post 5", "title: [Post 5")
    broken = engine.build()
    assert broken.failed and broken.diagnostics and not broken.changed
    assert tree(engine.out) == good and broken.forms and broken.pages
    assert engine.edit(["content/story.md"]) is None, "the site as a whole is not known while it is broken"
    lab.edit(POST, "title: [Post 5", "title: Post 5")
    mended = engine.build()
    assert not mended.failed and not mended.changed
    assert tree(engine.out) == good


def test_faults_at_the_very_first(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    built = Engine(tmp_path / "empty", BASE).build()
    assert built.failed and [d.code for d in built.diagnostics] == ["config-missing"] and built.forms == b""
    assert not (tmp_path / "empty" / ".magnetgen").exists()


def test_drafts_and_what_is_to_come_are_shown_and_marked(lab: Rich, engine: Engine) -> None:
    lab.edit("content/posts/later.md", "2026-09-01", "2199-09-01")
    built = engine.build()
    assert built.marks["posts/draft/index.html"] == "draft"
    assert built.marks["posts/later/index.html"].startswith("future date (2199-09-01")
    assert len(built.marks) == 2
    assert "Half a thought" in (engine.out / "posts/draft/index.html").read_text()
    assert built.sources["posts/draft/index.html"] == "content/posts/draft.md"
    assert built.sources["forms/demo/index.html"] == "content/forms/demo.md"


def test_the_preview_is_apart_from_a_real_build(lab: Rich, engine: Engine) -> None:
    lab.ok()
    assert not (lab.root / "public/posts/draft").exists()
    real = (lab.root / ".magnetgen/forms.json").read_bytes()
    engine.build()
    assert (lab.root / ".magnetgen/forms.json").read_bytes() == real
    assert b"https://example.com/lab/api" in real and b"http://127.0.0.1:8000/lab/api" in engine.build().forms


def test_builds_of_several_threads_wait_for_each_other(lab: Rich, engine: Engine, tmp_path: Path) -> None:
    found: list[Built] = []
    lab.edit(POST, "what worked", "what went well")
    threads = [threading.Thread(target=lambda: found.append(engine.build())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and sum(FILE in built.changed for built in found) == 1
    assert not differences(tree(engine.out), tree(from_nothing(lab, tmp_path / "fresh").out))
