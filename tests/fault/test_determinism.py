"""The same sources give the same bytes: in any folder, time zone, locale, hash seed, order and number of processes."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from magnetgen import cache
from tests.conftest import NOW, page
from tests.fault.tools import Rich, differences, environment, forms_json, rich, run, tree

MANY = 450


def _large(root: Path) -> Rich:
    site = rich(root)
    for number in range(MANY):
        body = f'Words {number}. <a href="/nowhere-{number}/">raw</a>\n\n## Part {number}\n\nMore.'
        site.write(f"content/extra/{number}.md", page(body, title=f"Extra {number}", tags=f"[a{number % 7}, Üb {number % 5}]",
                                                      layout="post", date="2026-01-05"))  # fmt: skip
    return site


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert MANY > cache.PARALLEL_FROM
    return _large(tmp_path_factory.mktemp("large") / "site").root


def _shuffled_copy(source: Path, target: Path, seed: int) -> Path:
    """The sources, their files made in another order and at other times."""
    names = [p.relative_to(source) for p in source.rglob("*") if p.is_file()]
    names = sorted(n for n in names if n.parts[0] not in ("public", ".magnetgen"))
    random.Random(seed).shuffle(names)
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target / name)
    return target


def _built(root: Path, *args: object, **env: str) -> tuple[dict[str, bytes], bytes, dict[str, Any]]:
    done = run("--site", root, "--format", "json", *args, env=environment(**env))
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    del told["seconds"]
    return tree(root / "public"), forms_json(root), told


VARIATIONS: dict[str, tuple[tuple[object, ...], dict[str, str]]] = {
    "one process": (("--jobs", 1), {}),
    "two processes": (("--jobs", 2), {}),
    "three processes, hash seed 1": (("--jobs", 3), {"PYTHONHASHSEED": "1"}),
    "hash seed 2": (("--jobs", 1), {"PYTHONHASHSEED": "2"}),
    "Kiritimati": (("--jobs", 1), {"TZ": "Pacific/Kiritimati", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"}),
    "Honolulu, C locale": (("--jobs", 2), {"TZ": "Pacific/Honolulu", "LC_ALL": "C"}),
    "optimised": (("--jobs", 1), {"PYTHONOPTIMIZE": "2", "PYTHONDONTWRITEBYTECODE": "1"}),
}


@pytest.fixture(scope="module")
def wanted(large: Path) -> tuple[dict[str, bytes], bytes, dict[str, Any]]:
    return _built(large, "--jobs", 1, PYTHONHASHSEED="0", TZ="UTC")


@pytest.mark.parametrize("name", VARIATIONS)
def test_byte_for_byte(name: str, large: Path, wanted: Any, tmp_path: Path) -> None:
    args, env = VARIATIONS[name]
    folder = tmp_path / ("a folder with a long name and ümlauts" if len(name) % 2 else "x")
    found = _built(_shuffled_copy(large, folder, len(name)), *args, **env)
    assert differences(found[0], wanted[0]) == []
    assert found[1] == wanted[1], "forms.json"
    assert found[2] == wanted[2], [(a, b) for a, b in zip(found[2]["diagnostics"], wanted[2]["diagnostics"], strict=False)
                                   if a != b][:3]  # fmt: skip


def test_small_sites_too_by_a_lowered_threshold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = rich(tmp_path / "one"), rich(tmp_path / "two")
    first = one.build(jobs=1)
    monkeypatch.setattr(cache, "PARALLEL_FROM", 1)
    second = two.build(jobs=2)
    assert differences(two.files(), one.files()) == []
    assert (second.diagnostics, second.skipped, second.written) == (first.diagnostics, first.skipped, first.written)


def test_the_clock_decides_only_what_is_future_or_expired(tmp_path: Path) -> None:
    trees = []
    for number, now in enumerate((NOW, NOW + 3_000_000, NOW - 100_000)):
        site = rich(tmp_path / str(number))
        site.build(now=now)
        trees.append(tree(site.root / "public"))
    assert trees[0] == trees[1] == trees[2]
    due = rich(tmp_path / "due")
    due.build(now=NOW + 365 * 86_400)
    assert "posts/later/index.html" in due.files()
    assert "posts/later/index.html" not in trees[0]
    gone = Rich(tmp_path / "gone")
    gone.write("magnetgen.yaml", "title: Lab\nbase_url: https://example.com\ntimezone: Europe/Berlin\n")
    gone.write(
        "content/posts/gone.md", page("Good while it lasted.", title="Gone", date="2025-01-01", expires="2026-01-01")
    )
    gone.build(now=1_767_221_999.0)  # one second before midnight in Berlin
    assert "posts/gone/index.html" in gone.files()
    gone.build(now=1_767_222_000.0)
    assert "posts/gone/index.html" not in gone.files()


def test_without_source_date_epoch_the_output_is_the_same(tmp_path: Path) -> None:
    """A site without future or expiring pages does not depend on the clock at all."""
    roots = []
    for number, epoch in enumerate(("0", "4000000000", None)):
        site = Rich(tmp_path / str(number))
        site.write("magnetgen.yaml", "title: Lab\nbase_url: https://example.com\n")
        site.write("content/about.md", page("Undated words, and nothing but.", title="About"))
        env = environment(**({"SOURCE_DATE_EPOCH": epoch} if epoch else {}))
        if epoch is None:
            del env["SOURCE_DATE_EPOCH"]
        assert run("--site", site.root, env=env).returncode == 0
        roots.append(tree(site.root / "public"))
    assert roots[0] == roots[1] == roots[2]


def test_umask_and_working_folder_change_nothing(tmp_path: Path) -> None:
    one, two = rich(tmp_path / "one"), rich(tmp_path / "two")
    assert run("--site", one.root, cwd=tmp_path).returncode == 0
    old = os.umask(0o077)
    try:
        assert run(cwd=two.root).returncode == 0
    finally:
        os.umask(old)
    assert differences(two.files(), one.files()) == []
