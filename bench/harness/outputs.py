"""What a build left behind: counted for the report, and checked so that nobody wins by doing less."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path

PER_PAGE = 20
BASE_URL = "https://bench.example.com"
# What every post page has to contain, whatever the tool's templates look like.
IN_EVERY_POST = (
    "<style", "og:title", "og:description", "og:image", "article:published_time", "article:tag",
    "twitter:card",
    'name="description"', 'rel="canonical"', "application/ld+json", "BlogPosting", "BreadcrumbList", "<h1",
    "<time", "min", "/tags/", "<form", 'type="email"', "https://cal.example.com/demo",
)  # fmt: skip


class OutputError(Exception):
    """A build ended well and yet lacks something that was asked for."""


@dataclass(frozen=True)
class Corpus:
    """What a build of the corpus has to contain: posts, and how many of them carry each tag."""

    posts: int
    tags: dict[str, int]

    @classmethod
    def read(cls, folder: Path) -> Corpus:
        return cls(**json.loads((folder / "corpus.json").read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Output:
    """Files and bytes of a whole output; mean bytes of a post page."""

    files: int
    bytes: int
    post_bytes: float

    def as_json(self) -> dict[str, float]:
        return asdict(self)


def post_pages(output: Path) -> list[Path]:
    return [page for page in (output / "posts").glob("post-*/index.html") if page.is_file()]


def count(output: Path) -> Output:
    sizes = [(Path(folder) / name).stat().st_size for folder, _, names in os.walk(output) for name in names]
    posts = [page.stat().st_size for page in post_pages(output)]
    return Output(len(sizes), sum(sizes), sum(posts) / max(1, len(posts)))


def check_posts(tool: str, output: Path, corpus: Corpus) -> None:
    """After every build: each post has its page."""
    found = len(post_pages(output))
    if found != corpus.posts:
        raise OutputError(f"{tool} made {found} post pages of {corpus.posts} posts")


def check_edit(tool: str, output: Path, post: str, sentence: str) -> None:
    """After a build of one edited post: the new sentence is on its page."""
    if sentence not in (output / "posts" / post / "index.html").read_text(encoding="utf-8"):
        raise OutputError(f"{tool} did not publish the sentence appended to {post}")


def check_site(tool: str, output: Path, corpus: Corpus) -> None:
    """Once for each tool and size: lists, tags, feed, sitemap and some posts are what was asked for."""
    faults = [*_list_faults(output, corpus), *_feed_faults(output, corpus), *_post_faults(output)]
    if faults:
        raise OutputError(f"{tool}: " + "; ".join(faults))


def _list_faults(output: Path, corpus: Corpus) -> list[str]:
    wanted = {"posts": corpus.posts} | {f"tags/{tag.replace(' ', '-')}": posts for tag, posts in corpus.tags.items()}
    faults = []
    for folder, posts in wanted.items():
        pages = math.ceil(posts / PER_PAGE)
        found = [output / folder / "index.html", *(output / folder / "page").glob("*/index.html")]
        if len(found) != pages or not found[0].is_file():
            faults.append(f"{folder} has {len(found)} list pages instead of {pages}")
    return faults


def _feed_faults(output: Path, corpus: Corpus) -> list[str]:
    feed = (output / "feed.xml").read_text(encoding="utf-8")
    entries, wanted = feed.count("<entry"), min(PER_PAGE, corpus.posts)
    addresses = sum(page.read_text(encoding="utf-8").count("<loc>") for page in output.glob("sitemap*.xml"))
    faults = []
    if entries != wanted or feed.count("Conclusion") < wanted:
        faults.append(f"feed.xml has {entries} entries of full text instead of {wanted}")
    if addresses < corpus.posts:
        faults.append(f"the sitemap has {addresses} addresses for {corpus.posts} posts")
    return faults


def _post_faults(output: Path) -> list[str]:
    pages = sorted(post_pages(output))
    faults = []
    for page in pages[:: max(1, len(pages) // 10)]:
        text = page.read_text(encoding="utf-8")
        needed = (*IN_EVERY_POST, f"{BASE_URL}/posts/{page.parent.name}/")
        faults += [f"{page.parent.name} lacks {part}" for part in needed if part not in text]
    return faults
