"""Time and size of a book as PDF, beside WeasyPrint's of the same HTML: `make book-bench`.

The book is this site's posts, as often as it takes for about twenty pages or more. Each side is a process of its own in each round, and
they take turns: a machine that gets slower in the meantime does so for both. What is timed inside a process is from
the book's HTML to the PDF's bytes, the first time and again; the whole process has the start of Python and imports, too.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- books: begin -->", "<!-- books: end -->"

OURS = """
import json, sys, time
from pathlib import Path
import msgspec
from magnetgen.magnets.book import Book
from magnetgen.magnets.typeset import pdf
book = msgspec.json.decode(Path(sys.argv[1], "book.json").read_bytes(), type=Book)
times = []
for _ in range(2):
    began = time.perf_counter()
    made = pdf(book, Path(sys.argv[2]))
    times.append(time.perf_counter() - began)
Path(sys.argv[1], "typst.pdf").write_bytes(made.pdf)
print(json.dumps([*times, len(made.pdf), made.pages]))
"""
THEIRS = """
import json, sys, time
from pathlib import Path
from weasyprint import HTML
source = Path(sys.argv[1], "book.html").read_text("utf-8")
times = []
for _ in range(2):
    began = time.perf_counter()
    document = HTML(string=source, base_url=sys.argv[2] + "/").render(pdf_variant="pdf/ua-1", pdf_tags=True)
    made = document.write_pdf(pdf_variant="pdf/ua-1", pdf_tags=True)
    times.append(time.perf_counter() - began)
Path(sys.argv[1], "weasyprint.pdf").write_bytes(made)
print(json.dumps([*times, len(made), len(document.pages)]))
"""
STYLE = """
@page { size: A5; margin: 22mm 19mm 21mm; @bottom-center { content: counter(page); font-size: 8pt }
  @top-left { content: string(book); font-size: 8pt } @top-right { content: string(chapter); font-size: 8pt } }
@page :first { background: BRAND; @bottom-center { content: none } @top-left { content: none } @top-right { content: none } }
body { font: 10.3pt/1.4 serif; hyphens: auto; text-align: justify }
.cover { color: #fff; page-break-after: always; text-align: left } .cover h1 { font-size: 30pt; string-set: book content() }
h1, h2, h3 { text-align: left; hyphens: manual; page-break-after: avoid }
h1.chapter { page-break-before: always; font-size: 22pt; string-set: chapter content() }
img { max-width: 100% } pre { background: #f3f5f6; white-space: pre-wrap; font-size: 8pt } th { border-bottom: 1pt solid BRAND }
table { width: 100%; border-collapse: collapse } td, th { border-bottom: .5pt solid #ccc; padding: 3pt; text-align: left }
blockquote { border-left: 2pt solid BRAND; margin-left: 0; padding-left: 10pt } nav a::after { content: leader(' ') target-counter(attr(href), page) }
"""


@dataclass
class Side:
    """One of both. Times in seconds."""

    name: str
    command: list[str]
    first: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    size: int = 0
    pages: int = 0

    def run(self) -> None:
        began = time.perf_counter()
        env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        done = subprocess.run(self.command, check=True, capture_output=True, text=True, env=env)
        self.whole.append(time.perf_counter() - began)
        first, again, self.size, self.pages = json.loads(done.stdout)
        self.first.append(first)
        self.again.append(again)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make book-bench", description="A book as PDF, beside WeasyPrint's.")
    parser.add_argument(
        "--weasyprint", default=str(ROOT / ".venv-bench" / "bin" / "python"), help="a Python that has WeasyPrint"
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--keep", type=Path, help="a folder for both PDFs")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    wishes = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="magnetgen-book-bench-") as place:
        pairs: list[tuple[Side, Side]] = []
        for name in ("with pictures", "text alone"):
            folder = Path(place, name)
            folder.mkdir()
            write_book(folder, pictures=name == "with pictures")
            ours = Side(f"typst, {name}", [sys.executable, "-c", OURS, str(folder), str(ROOT)])
            theirs = Side(f"WeasyPrint, {name}", [wishes.weasyprint, "-c", THEIRS, str(folder), str(ROOT)])
            pairs.append((ours, theirs))
        for _ in range(wishes.rounds):
            for side in (side for pair in pairs for side in pair):
                side.run()
        if wishes.keep:
            for made in Path(place).glob("*/*.pdf"):
                (wishes.keep / f"{made.parent.name} {made.name}".replace(" ", "-")).write_bytes(made.read_bytes())
    table = "\n".join(report(pairs))
    print(table)
    if wishes.write:
        text = PAGE.read_text("utf-8")
        PAGE.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{table}\n{END}", text, flags=re.S), "utf-8")
    return 0


def write_book(place: Path, pictures: bool) -> None:
    """The same chapters, as a book of ours and as one HTML page."""
    import frontmatter
    import msgspec

    from magnetgen.magnets.book import Book, Chapter
    from magnetgen.markdown import engine, fragment

    chapters = []
    for number, path in enumerate(sorted((ROOT / "content" / "posts").glob("*.md"))):
        post = frontmatter.load(str(path))
        text = fragment(post.content, engine("pyromark"), f"c{number}-").html.replace('src="/media/', 'src="media/')
        text = re.sub(r'href="(?!https?:|#)[^"]*"', 'href="https://example.com/"', text)
        text = text if pictures else re.sub("<p><img[^>]*></p>", "", text)
        chapters.append(Chapter(f"chapter-{number}", str(post["title"]), text))
    book = Book(
        name="book", kind="ebook", title="A field guide to lead generation", subtitle="", author="Ada Harbour", publisher="Lead Lab",
        url="https://example.com/", language="en", date="2026-05-28", brand="#0b6e4f", ink="#ffffff", paper="a5", toc=True,
        chapters=tuple(chapters),
    )  # fmt: skip
    (place / "book.json").write_bytes(msgspec.json.encode(book))
    contents = "".join(f'<li><a href="#{c.id}">{html.escape(c.title)}</a></li>' for c in chapters)
    body = "".join(f'<h1 class="chapter" id="{c.id}">{html.escape(c.title)}</h1>{c.html}' for c in chapters)
    (place / "book.html").write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{book.title}</title><style>{STYLE.replace("BRAND", book.brand)}</style>'
        f'<div class="cover"><h1>{book.title}</h1><p>{book.author}</div><nav><ol>{contents}</ol></nav>{body}</html>',
        "utf-8",
    )


def report(pairs: list[tuple[Side, Side]]) -> list[str]:
    """Medians, and ratios within the rounds."""
    rows = ["| | Pages | First, s | Again, s | Whole process, s | kB |", "|-|-|-|-|-|-|"]
    for ours, theirs in pairs:
        for side in (ours, theirs):
            times = " | ".join(map(span, (side.first, side.again, side.whole)))
            rows.append(f"| {side.name} | {side.pages} | {times} | {side.size / 1000:.0f} |")
        both = ((ours.first, theirs.first), (ours.again, theirs.again), (ours.whole, theirs.whole))
        ratios = (statistics.median(b / a for a, b in zip(one, other, strict=True)) for one, other in both)
        told = " | ".join(f"{value:.1f}×" for value in ratios)
        rows.append(f"| WeasyPrint / typst | | {told} | {theirs.size / ours.size:.2f}× |")
    rounds, day = len(pairs[0][0].first), datetime.now(UTC).date().isoformat()
    machine = f"{os.cpu_count()} virtual cores with a load of {os.getloadavg()[0]:.0f}"
    return [*rows, "", f"Measured {day}, {rounds} rounds in turn, on {machine}."]


def span(times: list[float]) -> str:
    return f"{statistics.median(times):.2f} ({min(times):.2f} to {max(times):.2f})"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
