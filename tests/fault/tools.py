"""What the fault tests share: a rich site, real processes, trees of files, and the oracle of the incremental build."""

from __future__ import annotations

import functools
import io
import os
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from magnetgen.build import build
from magnetgen.state import Options, Result
from tests.conftest import NOW, ROOT, Site, page
from tests.fault.forks import Forks

Tree = dict[str, bytes]
"""Every file's bytes by its path below a folder."""

SOURCES = ("magnetgen.yaml", "content", "media", "themes", "templates")
DEADLINE = 120.0
"""Seconds after which a process counts as hanging: far more than any machine needs."""


# --- pictures --------------------------------------------------------------------------------------------------


def png(width: int, height: int, color: tuple[int, int, int] = (11, 110, 79)) -> bytes:
    """A picture of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    rows = (b"\0" + bytes(color) * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def svg(width: int, height: int) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"><circle r="9"/></svg>\n'


# --- a site with a bit of everything ---------------------------------------------------------------------------

SETTINGS = """\
title: Lead Lab
base_url: https://example.com/lab/
description: Notes on lead generation for small teams that have no time for theory.
timezone: Europe/Berlin
image: /media/share.png
theme: {name: lodestone, brand: "#0a5c8c", logo: /media/logo.svg}
menus:
  main: [{label: Posts, url: /posts/}, {label: Story, url: /story.md}]
  footer: [{label: Privacy, url: /privacy/}]
privacy_url: /privacy/
ctas:
  demo: {label: Book a demo, url: /demo.md}
pagination: 3
feed: {limit: 3}
"""


class Rich(Site):
    """A site in which every file written has a time of its own, an hour ago: caches may and do trust it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._tick = 0

    def write(self, path: str, content: str | bytes) -> Path:
        target = super().write(path, content)
        self.age(path)
        return target

    def age(self, path: str) -> None:
        """Give a file a time that is past, not a whole second, and later than all given before."""
        self._tick += 1
        moment = 1_750_000_000_123_456_789 + self._tick * 1_000_000_007
        os.utime(self.root / path, ns=(moment, moment))

    def edit(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text("utf-8")
        assert old in text, f"{old!r} is not in {path}"
        self.write(path, text.replace(old, new))

    def move(self, old: str, new: str) -> None:
        (self.root / new).parent.mkdir(parents=True, exist_ok=True)
        (self.root / old).rename(self.root / new)


def rich(root: Path) -> Rich:
    """Posts, tags, pictures of every place, anchors, blocks, forms, translations, aliases, a draft, a future post."""
    site = Rich(root)
    site.write("magnetgen.yaml", SETTINGS)
    site.write("media/share.png", png(60, 40, (1, 2, 3)))
    site.write("media/logo.svg", svg(40, 40))
    for name, size in (("one", 8), ("two", 9), ("three", 10)):
        site.write(f"media/{name}.png", png(size, size))
    topics = ("forms", "offers", "follow-up")
    for number in range(1, 9):
        body = f"Post number {number} says what worked, what did not, and what we would do again next time.\n\n"
        body += "## Steps\n\nFirst one, then the other.\n\n"
        body += f"See [the next one](post-{number % 8 + 1}.md#steps) and [the demo](cta:demo).\n"
        front: dict[str, object] = {
            "title": f"Post {number}",
            "date": f"2026-0{number % 4 + 1}-1{number}",
            "tags": f"[post, {topics[number % 3]}]",
        }
        if number == 1:
            front["image"] = "/media/one.png"
            body += "\n![the second](/media/two.png)\n\n![beside it](beside.png)\n"
        if number == 2:
            front["image"] = "two.svg"
            front["aliases"] = "[/old/two/]"
            body += '\n![](block:note)\n\n<a href="/posts/post-4/">raw</a>\n'
        if number == 3:
            front["cta"] = "demo"
            body += "\n[By URL](/posts/post-6/) and [by file](../story.md).\n"
        site.write(f"content/posts/post-{number}.md", page(body, **front))
    site.write("content/posts/beside.png", png(5, 5))
    site.write("content/posts/two.svg", svg(30, 20))
    site.write("content/posts/later.md", page("Not yet to be read by anybody.", title="Later", date="2026-09-01"))
    site.write("content/posts/gone.md", page("It was good while it lasted.", title="Gone", date="2025-01-01",
                                             expires="2026-01-01"))  # fmt: skip
    site.write("content/posts/draft.md", page("Half a thought.", title="Draft", date="2026-02-02", draft="true"))
    site.write("content/blocks/note.md", "A note with [a story](../story.md), ![dot](/media/three.png) and words.\n")
    site.write("content/story.md", page("How it began, told in the order in which it happened.\n\n## Years\n\nMany.",
                                        title="Story", toc="true"))  # fmt: skip
    site.write("content/demo.md", page("Half an hour.\n\n![](form:demo)\n\n## Why? {.faq}\n\n### Is it free?\n\nYes.",
                                       title="Demo", layout="landing", form="demo"))  # fmt: skip
    site.write("content/privacy.md", page("We keep what you send us, and nothing else.", title="Privacy"))
    site.write("content/guide.md", page("In English.", title="Guide", translation_key="guide"))
    site.write("content/leitfaden.md", page("Auf Deutsch.", title="Leitfaden", lang="de", translation_key="guide"))
    site.write("content/forms/newsletter.md", "---\ntitle: Letter\nfields: [email]\nconsent: [{name: letter, "
               "text: Yes please., required: true}]\nbutton: Get the letter\n---\n\nThanks, [read on](../posts/post-1.md).\n")  # fmt: skip
    site.write(
        "content/forms/demo.md", "---\ntitle: Demo\nfields: [email, company]\nbutton: Book it\n---\n\nSee you.\n"
    )
    return site


# --- trees -----------------------------------------------------------------------------------------------------


def tree(folder: Path) -> Tree:
    """Every file below a folder, links not followed."""
    if not folder.is_dir():
        return {}
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def times(folder: Path) -> dict[str, int]:
    """Every file's mtime_ns; folders are left out, since a probe of them is not a change."""
    return {p.relative_to(folder).as_posix(): p.stat().st_mtime_ns for p in sorted(folder.rglob("*")) if p.is_file()}


def differences(found: Tree, wanted: Tree) -> list[str]:
    """What is wrong with a tree, in words; empty if it is as wanted."""
    out = [f"missing: {name}" for name in sorted(wanted.keys() - found.keys())]
    out += [f"too many: {name}" for name in sorted(found.keys() - wanted.keys())]
    for name in sorted(found.keys() & wanted.keys()):
        if found[name] != wanted[name]:
            out.append(f"differs: {name}: {_first_difference(found[name], wanted[name])}")
    return out


def _first_difference(one: bytes, other: bytes) -> str:
    pairs = enumerate(zip(one, other, strict=False))
    at = next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
    start = max(0, at - 40)
    return f"byte {at} of {len(one)}: {one[start : at + 60]!r}, wanted {other[start : at + 60]!r}"


def copy_sources(source: Path, target: Path) -> Path:
    """The site without what builds leave behind; times and links as they are."""
    target.mkdir(parents=True)
    for name in SOURCES:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, symlinks=True)
        elif (source / name).is_file():
            shutil.copy2(source / name, target / name)
    return target


def leftovers(root: Path, out: str = "public") -> list[str]:
    """Stage folders and temporary files anywhere in the site or beside its output."""
    return sorted(
        p.relative_to(root).as_posix()
        for p in root.rglob("*")
        if p.name.endswith(".tmp") or (".magnetgen-stage" in p.name)
    )


# --- the oracle ------------------------------------------------------------------------------------------------


def told(result: Result) -> dict[str, object]:
    """What a build says about the site, whatever it had to do for it."""
    return {
        "diagnostics": [(d.code, d.severity, d.message, d.path, d.span, d.hint) for d in result.diagnostics],
        "pages": result.pages,
        "skipped": result.skipped,
        "failed": result.failed,
        "files": result.written + result.unchanged,
    }


class Oracle:
    """An incremental build must be what a build from nothing is."""

    def __init__(self, site: Site, scratch: Path) -> None:
        self.site = site
        self.scratch = scratch
        self._count = 0

    def from_nothing(self, **wishes: Any) -> tuple[Result, Tree, bytes]:
        self._count += 1
        root = copy_sources(self.site.root, self.scratch / f"fresh-{self._count}")
        try:
            result = build(root, Options(**{"jobs": 1, "now": NOW, **wishes}))
            return result, tree(root / "public"), forms_json(root)
        finally:
            shutil.rmtree(root)

    def check(self, **wishes: Any) -> Result:
        """Build incrementally, and compare: files, forms, diagnostics; and that a second build does nothing."""
        out = self.site.root / "public"
        before, before_times = tree(out), times(out) if out.is_dir() else {}
        result = self.site.build(**wishes)
        wanted, files, forms = self.from_nothing(**wishes)
        assert told(result) == told(wanted), _told_difference(told(result), told(wanted))
        if wanted.failed or not wanted.out:
            assert tree(out) == before, "a failing build changed the output"
            assert times(out) == before_times if before else True, "a failing build touched the output"
            return result
        wrong = differences(tree(out), files)
        assert not wrong, "\n".join(wrong)
        assert forms_json(self.site.root) == forms, "forms.json differs"
        assert not leftovers(self.site.root)
        built_times = times(out)
        again = self.site.build(**wishes)
        assert (again.written, again.removed) == (0, 0), "a second build wrote"
        assert told(again) == told(wanted), _told_difference(told(again), told(wanted))
        assert times(out) == built_times, "a second build touched the output"
        return result


def _told_difference(found: Mapping[str, object], wanted: Mapping[str, object]) -> str:
    return "\n".join(f"{k}: {found[k]}\n  wanted {wanted[k]}" for k in wanted if found[k] != wanted[k])


def forms_json(root: Path) -> bytes:
    file = root / ".magnetgen" / "forms.json"
    return file.read_bytes() if file.is_file() else b""


# --- processes -------------------------------------------------------------------------------------------------


def environment(**more: str) -> dict[str, str]:
    """This process's environment with the sources under test, a fixed clock, and no colours."""
    base = {k: v for k, v in os.environ.items() if not k.startswith(("SOURCE_DATE", "MAGNETGEN"))}
    paths = [str(ROOT / "src"), base.get("PYTHONPATH", "")]
    base["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return {**base, "SOURCE_DATE_EPOCH": str(int(NOW)), **more}


@functools.cache
def _forks() -> Forks:
    env = environment()
    return Forks({**env, "PYTHONPATH": f"{env['PYTHONPATH']}{os.pathsep}{ROOT}"})


def command(*args: object) -> list[str]:
    return [sys.executable, "-m", "magnetgen", "build", *map(str, args)]


def run(*args: object, cwd: Path | None = None, env: Mapping[str, str] | None = None, **more: Any) -> Any:
    """`magnetgen build ARGS` as a process of its own; a fork (forks.py) where nothing is asked of its surroundings."""
    if cwd is None and env is None and not more:
        return _forks().build([str(arg) for arg in args], DEADLINE)
    return subprocess.run(
        command(*args), cwd=cwd, env=env or environment(), capture_output=True, text=True, errors="replace",
        timeout=DEADLINE, check=False, **more,
    )  # fmt: skip


def children(pid: int) -> set[int]:
    """Processes below a process."""
    found: set[int] = set()
    todo = [pid]
    parents = dict(_parents())
    while todo:
        current = todo.pop()
        below = {child for child, parent in parents.items() if parent == current} - found
        found |= below
        todo += below
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            yield int(entry.name), int(stat.rpartition(")")[2].split()[1])


def alive(pid: int) -> bool:
    """Whether a process runs; one that is only waiting to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


def jpeg(width: int, height: int) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (width, height), "white").save(out, "JPEG")
    return out.getvalue()
