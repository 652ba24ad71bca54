"""A book as its formats see it: everything resolved, nothing read from the site but pictures."""

from __future__ import annotations

from msgspec import Struct


class Chapter(Struct, frozen=True):
    """A part of a book.

    id: its anchor, unique in the book. title: plain text, or empty where the text's own headings are the chapters.
    html: what `markdown.fragment` makes, without the title. Links are absolute (`https:`, `mailto:`) or `#anchor` of
    this book; ids are unique in the book; pictures are named by their path from the site's folder (`media/a.webp`),
    or are remote (`https:`). Headings begin with h2, whatever stands above them.
    """

    id: str
    title: str
    html: str


class Ending(Struct, frozen=True):
    """The closing page: what a reader who came this far can do next. url: absolute."""

    title: str
    text: str
    label: str
    url: str


class Book(Struct, frozen=True):
    """One ebook, guide, checklist or template.

    name: of the magnet; kind: ebook, guide, checklist, template. publisher, url: the site's title and address.
    date: ISO 8601 day, or empty. brand: the site's colour, `#0b6e4f`; ink: the colour of text on it.
    paper: a5, a4, letter. cover: path of a picture from the site's folder, or empty: a drawn one; cover_alt: what the
    picture shows. words: the theme's (those of books begin with `book_`). description: a sentence or two, or empty.
    """

    name: str
    kind: str
    title: str
    subtitle: str
    author: str
    publisher: str
    url: str
    language: str
    date: str
    brand: str
    ink: str
    paper: str
    toc: bool
    chapters: tuple[Chapter, ...]
    cover: str = ""
    cover_alt: str = ""
    ending: Ending | None = None
    words: dict[str, str] = {}
    description: str = ""
