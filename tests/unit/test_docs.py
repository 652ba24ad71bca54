"""The documentation says what is so: its examples build, its links lead somewhere, its lists are whole."""

from __future__ import annotations

import ast
import importlib.util
import io
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from PIL import Image

from magnetgen import views
from tests.conftest import ROOT, SETTINGS, Site

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
DIAGNOSTICS = DOCS / "diagnostics.md"
THEMES = DOCS / "themes.md"
SRC = ROOT / "src" / "magnetgen"
LODESTONE = ROOT / "themes" / "lodestone"
CONFIG = "magnetgen.yaml"

MAKERS = {"error", "warning", "refuse", "Problem", "Misfit", "_error"}
"""What a diagnostic's code is handed to, as the first argument."""

TEMPLATED = {
    "f'{scheme}-unknown'": ("form-unknown", "cta-unknown", "block-unknown"),
    "f'{name}-twice'": ("title-twice", "description-twice"),
}
"""Codes that the source puts together, and what comes of it."""

_MARKED = re.compile(r"<!-- (site|fault): (.+?) -->\n+(`{3,})\w*\n(.*?)^\3$", re.S | re.M)
_FENCE = re.compile(r"^(`{3,})[^\n]*\n.*?^\1$", re.S | re.M)
_CODE = re.compile(r"(`+).+?\1", re.S)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+?)\s*$", re.M)
_MEDIA = re.compile(r"/(media/[\w./-]+\.(\w+))")


def text_of(page: Path) -> str:
    return page.read_text("utf-8")


def anchors(page: Path) -> set[str]:
    """Ids of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", text_of(page))):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = 1
        unique = name
        while unique in found:
            unique, number = f"{name}-{number}", number + 1
        found.add(unique)
    return found


def sections(page: Path, level: int) -> dict[str, str]:
    """heading → the text below it, for one level of headings."""
    parts = re.split(rf"^{'#' * level} (.+)$", text_of(page), flags=re.M)
    return {head.strip("` "): body for head, body in zip(parts[1::2], parts[2::2], strict=True)}


def examples(text: str, mark: str) -> list[tuple[str, str]]:
    """(path, content) of the fenced examples that are marked with `<!-- site: path -->` or another mark."""
    return [(path, body) for kind, path, _, body in _MARKED.findall(text) if kind == mark]


# --- links ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    prose = _CODE.sub("", _FENCE.sub("", text_of(page)))
    for address in _LINK.findall(prose):
        if re.match(r"[a-z][a-z0-9+.-]*:", address):
            continue
        file, _, anchor = address.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{page.name}: {address}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{page.name}: {address}"


def test_every_page_is_in_the_index() -> None:
    index = text_of(DOCS / "README.md")
    assert [page.name for page in PAGES if page.name != "README.md" and f"]({page.name})" not in index] == []


# --- reference -------------------------------------------------------------------------------------------------


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_reference_is_up_to_date() -> None:
    expected = generator().reference()
    assert text_of(DOCS / "reference.md") == expected, "run: python docs/generate.py"


# --- diagnostics -----------------------------------------------------------------------------------------------


def emitted() -> set[str]:
    """Every code that the source can emit."""
    found: set[str] = set()
    for file in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            for code in _codes(node):
                if isinstance(code, ast.Constant) and isinstance(code.value, str):
                    found.add(code.value)
                elif isinstance(code, ast.JoinedStr):
                    found.update(TEMPLATED[ast.unparse(code)])
    return found


def _codes(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Call) and node.args:
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in MAKERS:
            yield node.args[0]
    elif isinstance(node, ast.Dict):
        named = {
            key.value: value for key, value in zip(node.keys, node.values, strict=True) if isinstance(key, ast.Constant)
        }
        if {"code", "message"} <= named.keys():
            yield named["code"]


def documented() -> dict[str, str]:
    return {code: body for code, body in sections(DIAGNOSTICS, 3).items() if re.fullmatch(r"[a-z0-9-]+", code)}


def test_every_code_is_documented() -> None:
    assert sorted(emitted()) == sorted(documented())


def test_codes_stand_in_order() -> None:
    assert list(documented()) == sorted(documented())


def fault_examples() -> dict[str, list[tuple[str, str]]]:
    found = {code: examples(body, "fault") for code, body in documented().items()}
    return {code: files for code, files in found.items() if files}


@pytest.mark.parametrize("code", sorted(fault_examples()))
def test_example_of_a_fault(code: str, tmp_path: Path) -> None:
    site = written(tmp_path, dict(fault_examples()[code]))
    found = {(d.code, d.severity) for d in site.build().diagnostics}
    said = re.match(r"\s*\*\*(Error|Warning)", documented()[code])
    assert said is not None
    assert (code, said[1].lower()) in found


# --- examples --------------------------------------------------------------------------------------------------


def sites(page: Path) -> list[dict[str, str]]:
    """The sites that a page's examples make: a path that comes again begins the next one, with the rest kept."""
    made: list[dict[str, str]] = []
    current: dict[str, str] = {}
    new: set[str] = set()
    for path, body in examples(text_of(page), "site"):
        if path in new:
            made.append(dict(current))
            new = set()
        new.add(path)
        current[path] = body
    return [*made, current] if current else []


def written(folder: Path, files: dict[str, str]) -> Site:
    """A site with these files, and with the media that they speak of."""
    site = Site(folder)
    for path, body in {CONFIG: SETTINGS, **files}.items():
        site.write(path, body)
    for media, suffix in set(_MEDIA.findall("\n".join(files.values()))):
        if media not in files:
            site.write(media, drawn(suffix))
    return site


def drawn(suffix: str) -> bytes:
    if suffix == "svg":
        return b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40"></svg>'
    kinds = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}
    if suffix not in kinds:
        return b"a file"
    out = io.BytesIO()
    Image.new("RGB", (1200, 630), "teal").save(out, kinds[suffix])
    return out.getvalue()


@pytest.mark.parametrize("page", [p for p in PAGES if sites(p)], ids=lambda page: page.name)
def test_examples_build(page: Path, tmp_path: Path) -> None:
    for number, files in enumerate(sites(page)):
        site = written(tmp_path / str(number), files)
        found = [d for d in site.build().diagnostics if d.severity == "error"]
        assert not found, [(d.code, d.path, d.span, d.message) for d in found]
        assert (site.root / "public" / "index.html").is_file()


# --- themes ----------------------------------------------------------------------------------------------------


def view_classes() -> dict[str, tuple[str, ...]]:
    return {name: cls.__struct_fields__ for name, cls in vars(views).items() if name.endswith("View")}


@pytest.mark.parametrize("name", sorted(view_classes()))
def test_view_is_documented_field_by_field(name: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \|", sections(THEMES, 3)[name], re.M)
    assert tuple(rows) == view_classes()[name]


def test_words_and_settings_are_documented() -> None:
    theme = yaml.safe_load((LODESTONE / "theme.yaml").read_text("utf-8"))
    text = text_of(THEMES)
    for name in (*theme["words"], *theme["settings"]):
        assert f"`{name}`" in text, name


def test_custom_properties_are_documented() -> None:
    css = (LODESTONE / "static" / "style.css").read_text("utf-8")
    names = set(re.findall(r"(?<![\w-])(--[a-z-]+):", css)) | {
        "--brand",
        "--on-brand",
        "--brand-ink",
        "--brand-ink-dark",
    }
    documented_names = set(re.findall(r"`(--[a-z-]+)`", text_of(THEMES)))
    assert documented_names == names


def test_templates_are_documented() -> None:
    names = {file.name for file in (LODESTONE / "templates").glob("*.html")}
    assert names - set(re.findall(r"`(_?\w+\.html)`", text_of(THEMES))) == set()
