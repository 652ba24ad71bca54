"""Books for the tests of PDFs, and the tools that read them back."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from magnetgen.magnets.book import Book, Chapter
from magnetgen.markdown import engine, fragment

MARKDOWN = engine("pyromark")


def html(markdown: str) -> str:
    return fragment(markdown, MARKDOWN).html


def book(*chapters: tuple[str, str], **changes: Any) -> Book:
    """A book from (title, HTML) of its chapters."""
    fields: dict[str, Any] = {
        "name": "guide", "kind": "ebook", "title": "The field guide", "subtitle": "How to ask", "author": "Ada Harbour",
        "publisher": "Lead Lab", "url": "https://example.com/", "language": "en-GB", "date": "2026-05-28",
        "brand": "#0b6e4f", "ink": "#ffffff", "paper": "a5", "toc": True,
        "chapters": tuple(Chapter(f"chapter-{n}", title, text) for n, (title, text) in enumerate(chapters, 1)),
    }  # fmt: skip
    return Book(**{**fields, **changes})


def picture(path: Path, size: tuple[int, int] = (320, 200), **how: Any) -> Path:
    """A picture whose left half is red, so that one can see which way it is turned."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = Image.new("RGB", size, "white")
    ImageDraw.Draw(made).rectangle((0, 0, size[0] // 2, size[1]), fill="#c00000")
    made.save(path, **how)
    return path


def poppler(tmp_path: Path, pdf: bytes, tool: str, *options: str) -> str:
    """What a tool of poppler prints of a PDF."""
    path = tmp_path / "read.pdf"
    path.write_bytes(pdf)
    target = [str(path), "-"] if tool == "pdftotext" else [str(path)]
    return subprocess.run([tool, *options, *target], check=True, capture_output=True, text=True).stdout
