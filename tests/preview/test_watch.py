"""What is seen of changes to real files, by events and by looking."""

from __future__ import annotations

import errno
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from watchdog.observers import Observer

from magnetgen.preview import watch
from magnetgen.preview.watch import Watch, counts, file_system
from tests.conftest import Site
from tests.preview.harness import until


class Seen:
    """Everything that a watch has told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.news: list[frozenset[str] | None] = []
        self._lock = threading.Lock()

    def __call__(self, files: frozenset[str] | None) -> None:
        with self._lock:
            self.news.append(files)

    def of(self, file: str) -> bool:
        """Whether this file was named, or all may have changed."""
        with self._lock:
            return any(files is None or file in files for files in self.news)

    @property
    def named(self) -> set[str]:
        """All files that were named, but the one that says that the watch is awake."""
        with self._lock:
            return {file for files in self.news if files for file in files} - {"content/settle.md"}

    def clear(self) -> None:
        with self._lock:
            self.news.clear()


@pytest.fixture
def written(site: Site) -> Site:
    site.write("content/index.md", "---\ntitle: Home\n---\n")
    site.write("content/posts/a.md", "---\ntitle: A\n---\n")
    return site


@pytest.fixture(params=["events", "polling"])
def seen(request: pytest.FixtureRequest, written: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    if request.param == "polling":
        monkeypatch.setattr(watch, "file_system", lambda folder: "nfs4")
        monkeypatch.setattr(watch, "POLL_SECONDS", 0.05)
    found = Seen()
    watching = Watch(written.root, found, found.said.append)
    watching.start()
    assert watching.polling == (request.param == "polling")
    settle(written, found)
    yield found
    watching.stop()


def settle(site: Site, seen: Seen) -> None:
    """Wait until the watch is known to see, and has told of everything before."""
    site.write("content/settle.md", "one")
    until(lambda: seen.of("content/settle.md"))
    site.delete("content/settle.md")
    seen.clear()


def test_a_file_is_written_over(written: Site, seen: Seen) -> None:
    written.write("content/posts/a.md", "---\ntitle: B\n---\n")
    until(lambda: seen.of("content/posts/a.md"))


def test_a_file_is_replaced_as_editors_do(written: Site, seen: Seen) -> None:
    new = written.write("content/posts/.a.md.swp", "---\ntitle: A longer one\n---\n")
    new.replace(written.root / "content/posts/a.md")
    until(lambda: seen.of("content/posts/a.md"))
    assert "content/posts/.a.md.swp" not in seen.named


def test_settings_are_replaced_as_editors_do(written: Site, seen: Seen) -> None:
    seen.clear()
    new = written.write("magnetgen.yaml~", "title: New\n")
    new.replace(written.root / "magnetgen.yaml")
    until(lambda: None in seen.news)


def test_a_new_folder_with_a_file_in_it_and_what_is_written_there_later(written: Site, seen: Seen) -> None:
    written.write("content/new/deep/b.md", "---\ntitle: B\n---\n")
    until(lambda: seen.of("content/new/deep/b.md"))
    until(lambda: frozenset({"content/new/deep/b.md"}) in seen.news or None in seen.news)
    seen.clear()
    written.write("content/new/deep/b.md", "---\ntitle: Changed\n---\n")
    until(lambda: any(files and "content/new/deep/b.md" in files for files in seen.news))


def test_a_folder_that_was_not_there_at_the_start(written: Site, seen: Seen) -> None:
    seen.clear()
    written.write("templates/post.html", "one")
    until(lambda: None in seen.news)
    until(lambda: _tells(written, seen, "templates/post.html"))


def test_a_folder_that_goes_and_comes_again(written: Site, seen: Seen) -> None:
    shutil.rmtree(written.root / "content")
    until(lambda: None in seen.news)
    written.write("content/index.md", "---\ntitle: Home\n---\n")
    until(lambda: _tells(written, seen, "content/index.md"))


def test_a_folder_that_is_moved_away_and_back(written: Site, seen: Seen, tmp_path: Path) -> None:
    away = tmp_path / "away"
    (written.root / "content/posts").rename(away)
    until(lambda: seen.news)
    away.rename(written.root / "content/posts")
    until(lambda: _tells(written, seen, "content/posts/a.md"))


def _tells(site: Site, seen: Seen, file: str) -> bool:
    """Whether a change of this file is told by its name."""
    site.write(file, (site.root / file).read_bytes() + b" ")
    return any(files and file in files for files in seen.news)


def test_a_file_goes(written: Site, seen: Seen) -> None:
    written.delete("content/posts/a.md")
    until(lambda: seen.of("content/posts/a.md"))


def test_a_folder_is_renamed(written: Site, seen: Seen) -> None:
    (written.root / "content/posts").rename(written.root / "content/articles")
    until(lambda: seen.news)
    seen.clear()
    until(lambda: _tells(written, seen, "content/articles/a.md"))


def test_what_builds_and_editors_write_is_not_told(written: Site, seen: Seen) -> None:
    for file in (".magnetgen/preview/index.html", "public/index.html", ".git/index", "notes.txt", "content/.a.md.swp",
                 "content/a.md~", "content/4913", "content/#a.md#", "content/.git/x", "content/posts/a.md.tmp"):  # fmt: skip
        written.write(file, "x")
    written.write("content/last.md", "x")
    until(lambda: seen.of("content/last.md"))
    assert seen.named == {"content/last.md"}
    assert None not in seen.news


def test_reading_is_no_change(written: Site, seen: Seen) -> None:
    for file in (written.root / "content").rglob("*.md"):
        file.read_bytes()
    written.write("content/last.md", "x")
    until(lambda: seen.of("content/last.md"))
    assert seen.named == {"content/last.md"}


def test_the_site_may_be_reached_by_a_link(written: Site, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(written.root)
    found = Seen()
    watching = Watch(tmp_path / "link", found, found.said.append)
    watching.start()
    try:
        settle(written, found)
    finally:
        watching.stop()


def test_where_the_system_has_no_watches_left_changes_are_looked_for(
    written: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(Observer):  # type: ignore[misc, valid-type]
        def schedule(self, *args: object, **kwargs: object) -> None:
            raise OSError(errno.ENOSPC, "inotify watch limit reached")

    monkeypatch.setattr(watch, "Observer", Full)
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.05)
    found = Seen()
    watching = Watch(written.root, found, found.said.append)
    watching.start()
    try:
        assert watching.polling
        assert "inotify watch limit reached" in found.said[0]
        assert "max_user_watches" in found.said[0]
        settle(written, found)
    finally:
        watching.stop()


def test_where_the_watches_run_out_later_changes_are_looked_for(written: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.05)
    found = Seen()
    watching = Watch(written.root, found, found.said.append)
    watching.start()
    try:
        settle(written, found)

        def full() -> None:
            raise OSError(errno.ENOSPC, "inotify watch limit reached")

        monkeypatch.setattr(watching, "_probe", full)
        (written.root / "content/new").mkdir()
        until(lambda: watching.polling)
        written.write("content/new/c.md", "x")
        until(lambda: any(files and "content/new/c.md" in files for files in found.news))
        assert len(found.said) == 1
    finally:
        watching.stop()


@pytest.mark.parametrize(
    ("path", "yes"),
    [("a.md", True), ("posts/a.md", True), ("_draft.md", True), ("a.md.swp", False), (".a.md.swx", False), ("a~", False),
     (".hidden/a.md", False), ("4913", False), ("49131", True), ("a.md.part", False), ("x___jb_tmp___", False), ("swap.md", True)],
)  # fmt: skip
def test_names_that_count(path: str, yes: bool) -> None:
    assert counts(Path("/site/content") / path, Path("/site/content")) is yes


def test_a_file_system_is_the_one_of_the_nearest_mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("none / ext4 rw 0 0\nhost:/x /mnt/share nfs4 rw 0 0\nC: /mnt/my\\040c 9p rw 0 0\n", "utf-8")
    monkeypatch.setattr(watch, "MOUNTS", mounts)
    assert file_system(Path("/home/ana")) == "ext4"
    assert file_system(Path("/mnt/share/site")) == "nfs4"
    assert file_system(Path("/mnt/shared")) == "ext4"
    assert file_system(Path("/mnt/my c/site")) == "9p"
    monkeypatch.setattr(watch, "MOUNTS", tmp_path / "none")
    assert file_system(Path("/")) == ""
