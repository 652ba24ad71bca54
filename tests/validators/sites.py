"""The sites that the validators look at: this repository's own, and one with every kind of page and section."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from PIL import Image
from selectolax.lexbor import LexborHTMLParser

from magnetgen.build import build
from magnetgen.forms.holes import ADDRESSES, HOLES, fill
from magnetgen.state import Options
from tests.conftest import NOW, ROOT

COMPLETE = Path(__file__).parent / "complete"
EXPECTED = {"form-fields-many", "post-undated", "form-challenge-unused", "magnet-undelivered"}
"""Warnings that the complete site is meant to have."""

LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="48" height="48" viewBox="0 0 48 48">'
    '<path d="M4 4h40v40H4z" fill="#5a3fc0"/></svg>\n'
)
PICTURES = {"wide.webp": (1200, 630), "tall.png": (600, 900), "small.jpg": (320, 240), "person.png": (400, 400)}

HANDLER_FILLINGS = {
    "{{errors}}": '<ul><li>Email address: please fill in this field.</li><li>"Budget": please choose.</li></ul>',
    "{{back}}": "/",
    "{{button}}": "Go on",
    "{{code}}": "SPRING-20",
    "{{link}}": '<p class="actions"><a class="button" href="https://shop.example/" rel="noreferrer">Go to the shop</a></p>',
}
"""What the form handler puts into the holes of the pages that it shows."""


@dataclass(frozen=True)
class Built:
    """A built site. base_url: absolute, with a closing slash."""

    root: Path
    out: Path
    base_url: str

    @property
    def prefix(self) -> str:
        return "/" + self.base_url.split("://", 1)[1].partition("/")[2]

    @property
    def origin(self) -> str:
        return "/".join(self.base_url.split("/")[:3])

    @cached_property
    def pages(self) -> dict[str, str]:
        """path below the base (`posts/`, `404.html`, `` for the home page) → HTML."""
        return {self.path(file): file.read_text("utf-8") for file in sorted(self.out.rglob("*.html"))}

    @cached_property
    def documents(self) -> dict[str, LexborHTMLParser]:
        return {path: LexborHTMLParser(html) for path, html in self.pages.items()}

    @cached_property
    def forms(self) -> dict[str, Any]:
        """.magnetgen/forms.json."""
        found: dict[str, Any] = json.loads((self.root / ".magnetgen" / "forms.json").read_text("utf-8"))
        return found

    @cached_property
    def messages(self) -> dict[str, str]:
        """The pages that the handler shows, filled as it would."""
        found = {}
        for name, html in self.forms["pages"].items():
            for hole, filling in HANDLER_FILLINGS.items():
                html = html.replace(hole, filling)
            found[name] = html
        return found

    @cached_property
    def mails(self) -> dict[str, str]:
        """HTML of the mails, filled as the handler would."""
        fillings = {name: "Words &amp; more" for holes in HOLES.values() for name in holes}
        fillings |= {name: f"https://example.com/{name}" for name in ADDRESSES} | {"email": "ana@example.com"}
        return {name: fill(mail["html"], fillings) for name, mail in self.forms["mails"].items()}

    def path(self, file: Path) -> str:
        return file.relative_to(self.out).as_posix().removesuffix("index.html")

    def is_redirect(self, path: str) -> bool:
        return self.documents[path].css_first('meta[http-equiv="refresh"]') is not None

    def is_indexable(self, path: str) -> bool:
        robots = self.documents[path].css_first('meta[name="robots"]')
        return robots is None or "noindex" not in (robots.attributes["content"] or "")


def own_site(folder: Path) -> Built:
    """The repository's own site, from a copy of its sources."""
    for name in ("magnetgen.yaml", "content", "media", "themes", "templates"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name)
        elif source.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / name)
    return made(folder, set(), now=None)


def complete_site(folder: Path, drafts: bool = False, **settings: Any) -> Built:
    """A site with one of every page and section, its settings changed; None takes a setting out."""
    shutil.copytree(COMPLETE, folder)
    (folder / "media").mkdir()
    (folder / "media" / "logo.svg").write_text(LOGO, "utf-8")
    for name, size in PICTURES.items():
        picture(*size).save(folder / "media" / name)
    file = folder / "magnetgen.yaml"
    data = {**yaml.safe_load(file.read_text("utf-8")), **settings}
    data = {key: value for key, value in data.items() if value is not None}
    file.write_text(yaml.safe_dump(data, sort_keys=False), "utf-8")
    return made(folder, EXPECTED, drafts)


def picture(width: int, height: int) -> Image.Image:
    """Coloured stripes."""
    image = Image.new("RGB", (width, height))
    for x in range(width):
        image.paste((40 + 160 * x // width, 90, 200 - 120 * x // width), (x, 0, x + 1, height))
    return image


def made(root: Path, expected: set[str], drafts: bool = False, now: float | None = NOW) -> Built:
    """Build, and insist on no more than the expected warnings. `now`: None asks the clock."""
    result = build(root, Options(jobs=1, now=now, drafts=drafts))
    unexpected = [d for d in result.diagnostics if d.code not in expected]
    assert not unexpected, [(d.code, d.path, d.span, d.message) for d in unexpected]
    base: str = json.loads((root / ".magnetgen" / "forms.json").read_text("utf-8"))["base_url"]
    return Built(root, Path(result.out), base)
