"""Write a corpus of N posts and a handful of pictures, the same bytes for the same N.

The posts have the shape of the texts that the project is made for: quoted title, date, picture, tags, the
picture once more as the first thing in the body, numbered steps with two-space hard breaks, a list, links to
other posts of the site, and a closing call, about 450 words in all. Run as `python corpus.py N DIR`; it
writes DIR/posts, DIR/media and DIR/corpus.json (what a build of it has to contain).
"""

from __future__ import annotations

import argparse
import json
import random
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

PICTURES = 6
PICTURE_SIZE = (640, 360)
NEWEST = date(2025, 5, 8)
# Days go round after this many posts: a large corpus is not to reach back before there were landing pages.
DAYS = 4000
WORDS: dict[str, Any] = tomllib.loads((Path(__file__).parent / "phrases.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Post:
    """One generated post: its file name without suffix, its visible tags and the file's text."""

    name: str
    tags: tuple[str, ...]
    text: str


def post_name(number: int) -> str:
    return f"post-{number:06d}"


def posts(count: int) -> Iterator[Post]:
    """All posts of a corpus, numbers 1 to `count`."""
    return (post(number, count) for number in range(1, count + 1))


def post(number: int, count: int) -> Post:
    rng = random.Random(f"magnetgen bench {number}")
    topic, audience = rng.choice(WORDS["topics"]), rng.choice(WORDS["audiences"])
    # The number keeps every title and first sentence unique: a tool that warns of doubles has none to print.
    title = f"Field Notes {number}: {topic.title()} for {audience.title()}"
    tags = tuple(rng.sample(WORDS["tags"], rng.choice((1, 2, 2, 3))))
    body = "\n\n".join(_paragraphs(rng, number, count, topic, audience))
    picture = f"/media/{rng.randint(1, PICTURES)}.webp"
    head = _front_matter(title, NEWEST - timedelta(days=number % DAYS), picture, tags)
    return Post(post_name(number), tags, f"{head}\n![{title}]({picture})\n\n{body}\n")


def _front_matter(title: str, day: date, picture: str, tags: tuple[str, ...]) -> str:
    lines = [f'title: "{title}"', f"date: {day}", f'image: "{picture}"', "tags:", "  - post"]
    return "\n".join(["---", *lines, *(f"  - {tag}" for tag in tags), "---", ""])


def _paragraphs(rng: random.Random, number: int, count: int, topic: str, audience: str) -> Iterator[str]:
    def fill(text: str) -> str:
        return text.format(topic=topic, audience=audience, number=number)

    def sentences(pool: list[str], how_many: int) -> str:
        return fill(" ".join(rng.sample(pool, how_many)))

    def title(pool: list[str]) -> str:
        text: str = rng.choice(pool)
        return text.format(topic=topic.title(), audience=audience.title())

    headings = rng.random() < 0.6
    yield fill(rng.choice(WORDS["openings"])) + " " + sentences(WORDS["context"], 2)
    yield _heading(title(WORDS["step_headings"]), headings)
    yield sentences(WORDS["context"], 1)
    yield from _steps(rng, fill)
    yield _heading(title(WORDS["reason_headings"]), headings)
    yield sentences(WORDS["reasons"], 2)
    yield "\n".join(f"- **{name}** {text}" for name, text in rng.sample(WORDS["benefits"], 4))
    yield _neighbours(rng, number, count)
    yield _heading("Conclusion", headings)
    yield sentences(WORDS["closings"], 2)
    if headings:
        yield "---"
    yield f"**{fill(rng.choice(WORDS['calls']))}**"


def _heading(text: str, real: bool) -> str:
    """A heading, or (as many writers do) a bold line in its place."""
    return f"## {text}" if real else f"**{text}**"


def _steps(rng: random.Random, fill: Callable[[str], str]) -> Iterator[str]:
    for place, (name, text) in enumerate(rng.sample(WORDS["steps"], rng.choice((5, 6, 6, 7))), start=1):
        yield f"{place}. **{name}**  \n   {fill(text)}"


def _neighbours(rng: random.Random, number: int, count: int) -> str:
    before, after = (number - 2) % count + 1, number % count + 1
    first, second = rng.sample(WORDS["link_texts"], 2)
    return (
        f"Two notes belong to this one: [{first}](/posts/{post_name(before)}/) comes before it, "
        f"and [{second}](/posts/{post_name(after)}/) takes it further."
    )


def picture(number: int) -> Image.Image:
    """A drawing with gradients and edges, so that its encoded size is that of a real illustration."""
    width, height = PICTURE_SIZE
    rng = random.Random(f"magnetgen bench picture {number}")
    image = Image.linear_gradient("L").resize(PICTURE_SIZE).convert("RGB")
    draw = ImageDraw.Draw(image)
    for _ in range(60):
        x, y, radius = rng.randrange(width), rng.randrange(height), rng.randrange(8, 70)
        colour = (rng.randrange(256), rng.randrange(256), rng.randrange(256))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return image


def write(count: int, folder: Path) -> None:
    (folder / "posts").mkdir(parents=True)
    (folder / "media").mkdir()
    used: Counter[str] = Counter()
    for item in posts(count):
        used.update(item.tags)
        (folder / "posts" / f"{item.name}.md").write_text(item.text, encoding="utf-8", newline="\n")
    for number in range(1, PICTURES + 1):
        picture(number).save(folder / "media" / f"{number}.webp", quality=70)
    facts = {"posts": count, "tags": dict(sorted(used.items()))}
    (folder / "corpus.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the benchmark's corpus.")
    parser.add_argument("count", type=int)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    write(arguments.count, arguments.folder)


if __name__ == "__main__":
    main()
