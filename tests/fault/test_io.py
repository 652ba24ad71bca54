"""Disks, permissions, links, names and signals: one sentence and the right exit code, and the output unharmed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Site, page
from tests.fault.tools import (
    DEADLINE,
    Oracle,
    Rich,
    alive,
    children,
    command,
    differences,
    environment,
    leftovers,
    png,
    rich,
    run,
    times,
    tree,
)
from tests.validators.tools import cannot

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mounts, /proc and byte names are Linux's")


@pytest.fixture
def lab(tmp_path: Path) -> Rich:
    return rich(tmp_path / "site")


Mount = Callable[..., Path]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mount a small file system; unmounted at the end."""
    made: list[Path] = []

    def make(folder: Path, size: str = "1m", *options: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        words = ["mount", "-t", "tmpfs", "-o", ",".join((f"size={size}", *options)), "tmpfs", str(folder)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            cannot(f"a tmpfs cannot be mounted, which takes root's rights: {done.stderr.strip()}")
        made.append(folder)
        return folder

    yield make
    for folder in reversed(made):
        subprocess.run(["umount", "-l", str(folder)], check=True)


def sentence(done: Any, code: int = 3) -> str:
    """One line on stderr, no traceback, the exit code."""
    said: str = done.stderr
    assert "Traceback" not in said + done.stdout, said
    assert done.returncode == code, (done.returncode, said, done.stdout)
    if code == 3:
        assert len(said.strip().splitlines()) == 1, said
        assert said.startswith("magnetgen: ")
    return said


def refused(done: Any) -> str:
    assert "Traceback" not in done.stderr
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    return str(done.stderr)


# --- disks -----------------------------------------------------------------------------------------------------------


def test_a_full_disk_under_the_output(lab: Rich, mount: Mount) -> None:
    out = mount(lab.root / "public", "900k")
    assert run("--site", lab.root).returncode == 0
    before, before_times = tree(out), times(out)
    for number in range(40):
        lab.write(f"content/extra/{number}.md", page("Words.", title=f"Extra {number}"))
    said = sentence(run("--site", lab.root))
    assert "No space left" in said
    assert (tree(out), times(out)) == (before, before_times)
    assert not leftovers(lab.root)
    for number in range(40):
        lab.delete(f"content/extra/{number}.md")
    assert run("--site", lab.root).returncode == 0
    assert (tree(out), times(out)) == (before, before_times)


def test_a_full_disk_tells_its_story_in_json(lab: Rich, mount: Mount) -> None:
    mount(lab.root / "public", "64k")
    done = run("--site", lab.root, "--format", "json")
    assert done.returncode == 3
    told = json.loads(done.stdout)
    assert [d["severity"] for d in told["diagnostics"]] == ["error"]
    assert all(d["line"] for d in told["diagnostics"]), "FORMATS: an error always has a line"


def test_a_full_disk_under_the_cache(lab: Rich, mount: Mount, tmp_path: Path) -> None:
    state = mount(lab.root / ".magnetgen", "4m")
    out = tmp_path / "out"
    assert run("--site", lab.root, "--out", out).returncode == 0
    filler = state / "filler"
    try:
        with filler.open("wb", buffering=0) as stream:
            while True:
                stream.write(b"x" * 4096)
    except OSError:
        pass
    before = tree(out)
    for number in range(1, 9):
        lab.edit(f"content/posts/post-{number}.md", "what worked", "what did it " * 99)
    done = run("--site", lab.root, "--out", out)
    if done.returncode:
        sentence(done)
        assert tree(out) == before
    filler.unlink()
    assert run("--site", lab.root, "--out", out).returncode == 0
    fresh = rich(lab.root.parent / "fresh")
    shutil.rmtree(fresh.root / "content")
    shutil.copytree(lab.root / "content", fresh.root / "content")
    fresh.build()
    assert differences(tree(out), tree(fresh.root / "public")) == []


def test_a_read_only_output(lab: Rich, mount: Mount) -> None:
    out = mount(lab.root / "public")
    assert run("--site", lab.root).returncode == 0
    before, before_times = tree(out), times(out)
    lab.edit("content/story.md", "Many", "More")
    subprocess.run(["mount", "-o", "remount,ro", str(out)], check=True)
    assert "Read-only" in sentence(run("--site", lab.root))
    assert (tree(out), times(out)) == (before, before_times)
    subprocess.run(["mount", "-o", "remount,rw", str(out)], check=True)
    assert run("--site", lab.root).returncode == 0
    assert b"More" in (out / "story/index.html").read_bytes()


def test_an_unchanged_site_builds_on_a_read_only_disk(lab: Rich, mount: Mount) -> None:
    disk = mount(lab.root.parent / "disk", "8m")
    shutil.copytree(lab.root, disk / "site")
    assert run("--site", disk / "site").returncode == 0
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert run("--site", disk / "site").returncode == 0


def test_an_output_on_another_file_system_that_is_a_mount_point(lab: Rich, mount: Mount, tmp_path: Path) -> None:
    for out in (mount(tmp_path / "mounted"), mount(tmp_path / "disk") / "deep" / "out"):
        assert run("--site", lab.root, "--out", out).returncode == 0
        lab.edit("content/story.md", "Many", "Many more")
        assert run("--site", lab.root, "--out", out).returncode == 0
        lab.build()
        assert differences(tree(out), lab.files()) == []


def _without_privilege(lab: Rich, *args: object) -> Any:
    """As a user whom permissions stop: root they do not, unless it gives that power away."""
    if os.geteuid() != 0:
        return run("--site", lab.root, *args)
    weaker = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    return subprocess.run([*weaker, *command("--site", lab.root, *args)], env=environment(), capture_output=True,
                          text=True, timeout=DEADLINE, check=False)  # fmt: skip


@pytest.mark.parametrize("path", ["content/story.md", "media/one.png", "magnetgen.yaml", "content/posts", "media"])
def test_what_may_not_be_read(path: str, lab: Rich) -> None:
    assert _without_privilege(lab).returncode == 0
    before, before_times = lab.files(), times(lab.root / "public")
    target = lab.root / path
    mode = target.stat().st_mode
    target.chmod(0)
    if target.is_file():
        os.utime(target)
    try:
        done = _without_privilege(lab)
        assert path.split("/")[-1] in sentence(done, done.returncode if done.returncode in (1, 3) else 3) + done.stdout
    finally:
        target.chmod(mode)
    assert (lab.files(), times(lab.root / "public")) == (before, before_times)
    assert _without_privilege(lab).returncode == 0


# --- strange sources ----------------------------------------------------------------------------------------------------


def test_a_folder_and_a_pipe_named_like_pages(lab: Rich) -> None:
    (lab.root / "content/folder.md").mkdir()
    lab.write("content/folder.md/inside.md", page("Inside a folder that is called like a page.", title="Inside"))
    os.mkfifo(lab.root / "content/pipe.md")
    os.mkfifo(lab.root / "media/pipe.png")
    done = run("--site", lab.root, "--format", "json")
    assert done.returncode == 0, done.stdout
    assert {"content/pipe.md", "media/pipe.png"} <= {s["path"] for s in json.loads(done.stdout)["skipped"]}


def test_links_within_the_site_are_followed(lab: Rich) -> None:
    (lab.root / "content/again.md").symlink_to("story.md")
    lab.write("content/notes/one.md", page("A note on its own.", title="One"))
    (lab.root / "content/more").symlink_to("notes")
    (lab.root / "media/same.png").symlink_to("one.png")
    lab.build()
    assert {"again/index.html", "more/one/index.html"} <= lab.files().keys()


@pytest.mark.parametrize("path", ["content/out.md", "media/out.png", "content/out"])
def test_links_out_of_the_site_are_errors(path: str, lab: Rich, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret words")
    (lab.root / path).symlink_to(tmp_path if path.endswith("out") else tmp_path / "secret")
    found = lab.build().diagnostics
    assert ("symlink-outside", path) in {(d.code, d.path) for d in found}


@pytest.mark.parametrize("folder", ["content", "media"])
def test_a_source_folder_that_is_a_link_out_of_the_site(folder: str, lab: Rich, tmp_path: Path) -> None:
    (lab.root / folder).rename(tmp_path / "elsewhere")
    (lab.root / folder).symlink_to(tmp_path / "elsewhere")
    assert "symlink-outside" in {d.code for d in lab.build().diagnostics}


@pytest.mark.parametrize(
    ("path", "target"),
    [("content/loop", "."), ("content/self.md", "self.md"), ("media/up", ".."), ("content/a/b", "../a"),
     ("content/nothing.md", "nowhere.md"), ("templates/.#post.html", "user@host.1234:5678"),
     ("themes/lodestone/gone.html", "nowhere"), ("media/self", "self")],
)  # fmt: skip
def test_a_link_in_a_circle_or_to_nothing_is_no_hang_and_no_crash(path: str, target: str, lab: Rich) -> None:
    (lab.root / path).parent.mkdir(parents=True, exist_ok=True)
    (lab.root / path).symlink_to(target)
    for _ in range(2):
        done = run("--site", lab.root)
        assert "Traceback" not in done.stderr, done.stderr[-600:]
        assert done.returncode in (0, 1), done.stderr
        if path.startswith(("templates", "themes")):
            assert done.returncode == 0, "a lock file of an editor stops the build"


NAMES = [
    "with some spaces", "it's \"quoted\"", "a&b<c>d", "Grüße", "Cafe\u0301 de\u0301ja\u0300 vu", "日本語の記事", "🎯 emoji",
    "100% sure?", "semi;colon#hash", "back\\slash", "tab\there", "new\nline", "-leading-dash", "a" * 240, "é" * 120,
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_of_files(name: str, lab: Rich) -> None:
    lab.write(f"content/notes/{name}.md", page("Words.\n\n![p](/media/one.png)", title="Named"))
    lab.write(f"media/{name}.png", png(3, 3))
    lab.write(f"content/notes/{name}.txt", "beside")
    done = run("--site", lab.root, "--format", "json")
    assert "Traceback" not in done.stderr, done.stderr[-600:]
    if done.returncode == 1 and len(name.encode()) > 220:  # with its digest, longer than file systems allow
        assert "url-too-long" in done.stdout
        return
    assert done.returncode == 0, done.stdout
    again = run("--site", lab.root, "--format", "json")
    assert json.loads(again.stdout)["written"] == 0


def test_one_name_in_two_normal_forms_is_a_collision(lab: Rich) -> None:
    for name in ("caf\u00e9", "cafe\u0301"):
        lab.write(f"content/{name}.md", page("Words.", title=name))
    assert [d.code for d in lab.build().diagnostics if d.severity == "error"] == ["url-collision"] * 2


@pytest.mark.parametrize("folder", ["content", "media", "templates", "themes/lodestone/templates"])
def test_a_name_that_is_not_utf8(folder: str, lab: Rich) -> None:
    target = os.fsencode(lab.root / folder)
    (lab.root / folder).mkdir(parents=True, exist_ok=True)
    with open(target + b"/n\xff.html", "wb") as stream:  # noqa: PTH123
        stream.write(b"x")
    for style in ("text", "json", "github"):
        done = run("--site", lab.root, "--format", style)
        assert "Traceback" not in done.stderr, done.stderr[-600:]
        assert done.returncode in (0, 1)
    if folder in ("content", "media"):
        assert done.returncode == 1
        assert "file-name" in done.stdout


def test_a_site_in_a_folder_whose_name_is_not_utf8(lab: Rich) -> None:
    strange = Path(os.fsdecode(os.fsencode(lab.root.parent) + b"/s\xff"))
    lab.root.rename(strange)
    for _ in range(2):
        done = run("--site", strange)
        assert "Traceback" not in done.stderr, done.stderr[-600:]
        assert done.returncode == 0, done.stderr


def test_a_file_and_a_folder_of_one_url(lab: Rich) -> None:
    lab.write("content/kit.html", "beside")
    lab.write("content/kit.html.md", page("Words.", title="Kit", permalink="/kit.html/deep/"))
    done = run("--site", lab.root)
    assert done.returncode == 1, (done.returncode, done.stderr)
    assert "url-collision" in done.stdout


# --- where to write --------------------------------------------------------------------------------------------------------


def test_a_foreign_folder_is_refused(lab: Rich, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("irreplaceable")
    for options in ((), ("--clean",)):
        assert "foreign" in refused(run("--site", lab.root, "--out", foreign, *options))
    assert tree(foreign) == {"thesis.txt": b"irreplaceable"}


@pytest.mark.parametrize("out", [".", "..", "content", "content/posts", "media", "themes", "templates", ".magnetgen",
                                 ".magnetgen/cache", "content/new", "magnetgen.yaml", "link-to-content"])  # fmt: skip
def test_the_sites_own_folders_are_refused(out: str, lab: Rich) -> None:
    (lab.root / "themes").mkdir()
    (lab.root / "link-to-content").symlink_to("content")
    before = tree(lab.root)
    refused(run("--site", lab.root, "--out", lab.root / out))
    assert {k: v for k, v in tree(lab.root).items() if not k.startswith(".magnetgen")} == before


@pytest.mark.parametrize("out", ["content/x", "media", ".", "../.."])
def test_the_same_holds_for_the_settings(out: str, lab: Rich) -> None:
    lab.edit("magnetgen.yaml", "pagination: 3", f"pagination: 3\nbuild: {{out: {out}}}")
    refused(run("--site", lab.root))


def test_an_output_that_is_a_link_to_nothing(lab: Rich, tmp_path: Path) -> None:
    (lab.root / "public").symlink_to(tmp_path / "not-yet")
    done = run("--site", lab.root)
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 2), done.stderr


def test_what_was_put_there_by_hand_survives(lab: Rich) -> None:
    assert run("--site", lab.root).returncode == 0
    by_hand = {"CNAME": b"example.com", "posts/own.txt": b"mine", "guide/mine.html": b"mine", ".well-known/x": b"y"}
    for name, data in by_hand.items():
        lab.write(f"public/{name}", data)
    lab.delete("content/guide.md")
    for options in ((), ("--clean",), ("--clean", "--drafts"), ()):
        assert run("--site", lab.root, *options).returncode == 0
        found = lab.files()
        assert {name: found.get(name) for name in by_hand} == by_hand, options
        assert "guide/index.html" not in found
    lab.build()
    fresh = rich(lab.root.parent / "fresh")
    fresh.delete("content/guide.md")
    fresh.build()
    assert differences({k: v for k, v in lab.files().items() if k not in by_hand}, fresh.files()) == []


def test_a_manifest_cannot_delete_outside_the_output(lab: Rich, tmp_path: Path) -> None:
    """A hostile manifest, and a folder of the output replaced by a link to somewhere else."""
    import msgspec

    from magnetgen import output

    lab.build()
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/index.html").write_text("precious")
    (lab.root / "precious.txt").write_text("precious")
    path = output.manifest_path(lab.root, lab.root / "public")
    names = ["../precious.txt", str(tmp_path / "precious/index.html"), "linked/index.html", "../../precious/index.html"]
    (lab.root / "public/linked").symlink_to(tmp_path / "precious")
    old = output.read_manifest(lab.root, lab.root / "public")
    files = {**old.files, **dict.fromkeys(names, next(iter(old.files.values())))}
    hostile = msgspec.structs.replace(old, files=files, pending=tuple(names))
    path.write_bytes(msgspec.msgpack.encode(hostile))
    lab.edit("content/story.md", "Many", "More")
    lab.build()
    assert (tmp_path / "precious/index.html").read_text() == "precious"
    assert (lab.root / "precious.txt").read_text() == "precious"


# --- hostile caches ------------------------------------------------------------------------------------------------------------


def _spoil(kind: str, data: bytes, dice: random.Random) -> bytes:
    if kind == "garbage":
        return dice.randbytes(len(data))
    if kind == "empty":
        return b""
    if kind == "truncated":
        return data[: dice.randrange(len(data) + 1)]
    if kind == "zeros":
        return bytes(len(data))
    at = dice.randrange(max(1, len(data) - 16))
    if kind == "a hole":
        return data[:at] + dice.randbytes(16) + data[at + 16 :]
    return data[:at] + bytes([data[at] ^ (1 << dice.randrange(8))]) + data[at + 1 :]


@pytest.mark.parametrize("which", ["pages.mpk", "media.mpk", "manifest-*.mpk", "state-*.mpk", "templates/*"])
@pytest.mark.parametrize("kind", ["garbage", "empty", "truncated", "zeros", "a hole", "one bit"])
def test_a_spoilt_cache_only_costs_time(kind: str, which: str, lab: Rich, tmp_path: Path) -> None:
    lab.build()
    cache = lab.root / ".magnetgen/cache"
    kept = {file: file.read_bytes() for file in cache.rglob("*") if file.is_file()}
    wanted, warnings = lab.files(), lab.build().diagnostics
    dice = random.Random(f"{kind} {which}")
    for turn in range(6):
        for file, data in kept.items():
            file.write_bytes(data)
        for state in cache.glob("state-*.mpk"):
            if not which.startswith("state"):
                state.unlink()
        if which.startswith("templates"):
            (cache / "pages.mpk").unlink()
        for file in cache.glob(which):
            file.write_bytes(_spoil(kind, kept[file], dice))
        # A process of its own: bytes that are run as code can crash the interpreter.
        done = run("--site", lab.root, "--format", "json", *(["--clean"] if which.startswith("templates") else []))
        assert done.returncode == 0, (turn, done.returncode, done.stdout[-300:], done.stderr[-300:])
        assert [d["code"] for d in json.loads(done.stdout)["diagnostics"]] == [d.code for d in warnings], turn
        assert differences(lab.files(), wanted) == [], turn


def test_a_cache_of_another_version(lab: Rich, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from magnetgen import cache, state

    for module in (cache, state):
        monkeypatch.setattr(module, "code_stamp", lambda: b"another")
    lab.build()
    monkeypatch.undo()
    Oracle(lab, tmp_path).check()


def test_folders_where_cache_files_should_be(lab: Rich) -> None:
    lab.build()
    cache = lab.root / ".magnetgen/cache"
    for file in list(cache.glob("*.mpk")):
        file.unlink()
        file.mkdir()
    done = run("--site", lab.root)
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 3)


# --- Ctrl-C ------------------------------------------------------------------------------------------------------------------------


def test_ctrl_c_during_a_parallel_build(tmp_path: Path) -> None:
    lab = rich(tmp_path / "site")
    for number in range(450):
        lab.write(f"content/extra/{number}.md", page(f"Words {number}.", title=f"Extra {number}"))
    assert run("--site", lab.root).returncode == 0
    before, before_times = lab.files(), times(lab.root / "public")
    lab.write("templates/_footer.html", "<footer>another</footer>")
    dice = random.Random(5)
    stopped = 0
    for _ in range(4):
        process = subprocess.Popen(command("--site", lab.root, "--jobs", 2), env=environment(), text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)  # fmt: skip
        deadline = time.monotonic() + DEADLINE
        while not (workers := children(process.pid)) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(dice.uniform(0, 0.15))
        workers |= children(process.pid)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
        said = process.communicate(timeout=DEADLINE)[1]
        assert "Traceback" not in said, said
        assert process.returncode in (0, 130)
        assert not [pid for pid in workers if alive(pid)]
        assert not leftovers(lab.root)
        if process.returncode == 130:
            stopped += 1
            assert len(said.strip().splitlines()) == 1, said
            assert (lab.files(), times(lab.root / "public")) == (before, before_times)
        else:
            break
    assert stopped, "no build was stopped in time"
    assert run("--site", lab.root).returncode == 0
    assert b"another" in (lab.root / "public/index.html").read_bytes()


def test_the_site_fixture_is_as_simple_as_it_says(site: Site) -> None:
    assert site.build().exit_code(False) == 0
