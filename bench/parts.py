"""Milliseconds a post in single parts of the work: `python bench/parts.py`, with magnetgen's own interpreter.

It answers one question, whether magnetgen's parts are still the fast ones; run.py measures whole builds.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import frontmatter
import markdown
import pyromark
import yaml

from corpus import posts

ROUNDS = 5
EXTENSIONS = ["extra", "toc", "smarty"]
Part = Callable[[str], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--posts", type=int, default=200)
    texts = [post.text for post in posts(parser.parse_args().posts)]
    bodies = [frontmatter.parse(text)[1] for text in texts]
    print("| part | ms a post |")
    print("|-|-|")
    for name, part, wants_body in parts():
        print(f"| {name} | {milliseconds(part, bodies if wants_body else texts):.3f} |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        print(f"| a new folder and file | {milliseconds(new_file(Path(folder)), bodies, rounds=1):.3f} |")
    print(f"| import magnetgen.cli, once | {import_milliseconds('magnetgen.cli'):.0f} |")


def parts() -> Iterator[tuple[str, Part, bool]]:
    """(name, function of one text, whether the text comes without its front matter)."""
    yield "python-frontmatter, which takes PyYAML's C loader", frontmatter.parse, False
    yield (
        "the same head with PyYAML's Python loader",
        lambda text: yaml.safe_load(text.split("---")[1]),
        False,
    )
    yield "pyromark", pyromark.Markdown().html, True
    bare = markdown.Markdown()
    yield "Python-Markdown", lambda text: bare.reset().convert(text), True
    full = markdown.Markdown(extensions=EXTENSIONS)
    yield f"Python-Markdown with {', '.join(EXTENSIONS)}", lambda text: full.reset().convert(text), True


def new_file(folder: Path) -> Part:
    counter = iter(range(sys.maxsize))

    def write(text: str) -> None:
        place = folder / str(next(counter))
        place.mkdir()
        (place / "index.html").write_text(text, encoding="utf-8")

    return write


def milliseconds(part: Part, texts: list[str], rounds: int = ROUNDS) -> float:
    """The best round's mean: what is slower than that was disturbed."""
    return min(_round(part, texts) for _ in range(rounds)) / len(texts) * 1000


def _round(part: Part, texts: list[str]) -> float:
    started = time.perf_counter()
    for text in texts:
        part(text)
    return time.perf_counter() - started


def import_milliseconds(module: str) -> float:
    """In fresh interpreters, less what an interpreter takes to start and end."""

    def once(code: str) -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - started

    with_it, without = (min(once(code) for _ in range(ROUNDS)) for code in (f"import {module}", "pass"))
    return (with_it - without) * 1000


if __name__ == "__main__":
    main()
