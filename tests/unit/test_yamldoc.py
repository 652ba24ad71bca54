"""Front matter and YAML: typed by the schema, nothing guessed, nothing lost, places exact."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetgen import yamldoc
from tests.conftest import SETTINGS, Site, page


def front(*lines: str) -> dict[str, Any]:
    return yamldoc.read("---\n" + "\n".join(lines) + "\n---\n", "a.md").data


@pytest.mark.parametrize(
    "written", ["no", "yes", "on", "Off", "12:30:00", "010", "0x1F", "1e3", "1_000", "2025-05-08", "true", "3.10", ".5"]
)
def test_a_plain_value_stays_the_text_that_was_written(written: str) -> None:
    assert front(f"title: {written}") == {"title": written}


@pytest.mark.parametrize("written", ["", "~", "null", "Null", "NULL"])
def test_an_empty_value_is_none(written: str) -> None:
    assert front(f"title: {written}") == {"title": None}


@pytest.mark.parametrize("written", ['"null"', "'~'", '""'])
def test_a_quoted_value_is_text(written: str) -> None:
    assert front(f"title: {written}") == {"title": written[1:-1]}


@pytest.mark.parametrize(
    ("written", "value"),
    [("true", True), ("False", False), ("12", 12), ("-3", -3), ("0x1F", 31), ("0o17", 15), ("3.5", 3.5), ("1e3", 1000.0),
     ("no", "no"), ("010", "010"), ("2025-05-08", "2025-05-08"), ('"12"', "12"), ("1.2.3", "1.2.3"), ("~", None)],
)  # fmt: skip
def test_below_extra_values_have_the_types_of_yaml_1_2(written: str, value: object) -> None:
    data = front("extra:", f"  a: {written}", f"  b: [{written}]")
    assert data == {"extra": {"a": value, "b": [value]}}
    assert type(data["extra"]["a"]) is type(value)


@pytest.mark.parametrize(
    ("text", "body", "line"),
    [
        ("---\ntitle: A\n---\nWords.\n", "Words.\n", 4),
        ("---\ntitle: A\n---\n\n\n  Words.\n\n", "\n\n  Words.\n\n", 4),
        ("---\ntitle: A\n---\nOne\n\n---\n\nTwo\n", "One\n\n---\n\nTwo\n", 4),
        ("---\ntitle: A\n---", "", 3),
        ("Words only.\n", "Words only.\n", 1),
        ("", "", 1),
        ("One\n\n---\n\nTwo\n", "One\n\n---\n\nTwo\n", 1),
        ("---\n---\nWords.\n", "Words.\n", 3),
    ],
)
def test_the_body_is_kept_to_the_letter_with_its_first_line(text: str, body: str, line: int) -> None:
    doc = yamldoc.read(text, "a.md")
    assert (doc.body, doc.body_line) == (body, line)


def test_a_line_of_three_hyphens_within_a_text_block_does_not_end_the_front_matter() -> None:
    doc = yamldoc.read("---\ndescription: |\n  One\n  ---\n  Two\ntitle: A\n---\nWords.\n", "a.md")
    assert doc.data == {"description": "One\n---\nTwo\n", "title": "A"}


def test_the_place_of_a_value_and_of_its_key_are_those_in_the_file() -> None:
    doc = yamldoc.read("---\ntitle: A\ntags:\n  - one\n  - two words\nextra: {a: {b: cd}}\n---\n", "a.md")

    def place(*path: str | int, key: bool = False) -> tuple[int, int, int]:
        span = doc.span(path, key=key)
        return span.line, span.column, span.length

    assert place("title") == (2, 8, 1)
    assert place("title", key=True) == (2, 1, 5)
    assert place("tags", 1) == (5, 5, 9)
    assert place("extra", "a", "b") == (6, 16, 2)
    assert place("extra", "a", "b", key=True) == (6, 13, 1)


def test_columns_count_code_points() -> None:
    doc = yamldoc.read("---\nextra: {Grüße 🎉: {b: x}}\n---\n", "a.md")
    span = doc.span(("extra", "Grüße 🎉", "b"))
    assert (span.line, span.column) == (2, 22)


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [1]\nb: &y [*x, *x, *x, *x, *x, *x, *x, *x, *x, *x]\n"
        + "".join(
            f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
            for before, name in zip("ycdefg", "cdefgh", strict=True)
        ),
        "a: &a [*a]",
        "a: " + "[" * 60 + "]" * 60,
        "a: !!python/object/apply:os.system [true]",
        "a: !unknown x",
        "? [a, b]\n: c",
        "a: *missing",
        "a: 1\n---\nb: 2",
        "a: \x07",
        "- one\n- two",
        "just words",
        "a: [1, 2",
        "a: 'open",
        "a: |\n b\n  c\n d\ne",
    ],
    ids=lambda text: repr(text[:20]),
)
def test_what_cannot_be_read_is_a_fault_with_a_place_and_a_hint(text: str) -> None:
    with pytest.raises(yamldoc.Fault) as caught:
        yamldoc.parse(text, "a.yaml")
    assert caught.value.diagnostics
    for found in caught.value.diagnostics:
        assert found.severity == "error"
        assert found.path == "a.yaml"
        assert found.span
        assert 1 <= found.span.line <= text.count("\n") + 1
        assert found.hint


def test_nesting_without_end_is_a_fault_and_not_a_crash(site: Site) -> None:
    site.write("content/a.md", f"---\ntitle: A\nextra: {'[' * 3000}{']' * 3000}\n---\n\nWords.\n")
    found = site.build().diagnostics
    assert [(d.severity, d.path) for d in found] == [("error", "content/a.md")]


def test_an_alias_is_read_as_what_it_stands_for() -> None:
    assert front("tags: &t [one, two]", "extra: {same: *t}")["extra"] == {"same": ["one", "two"]}


def spoil(text: str) -> str:
    """UTF-8 read as Windows-1252; bytes that it does not have, as browsers read them."""
    return "".join(bytes([b]).decode("latin-1" if b in b"\x81\x8d\x8f\x90\x9d" else "cp1252") for b in text.encode())


@pytest.mark.parametrize("meant", ["’", "“", "”", "é", "ü", "–", "€", "\u00a0", "🎉", "Ж"])
def test_a_wrongly_decoded_character_is_told_with_the_right_one(meant: str) -> None:
    wrong = spoil(meant)
    found = yamldoc.mojibake(f"Line one\nmore {wrong} here", "a.md")
    assert [(d.code, d.severity, d.span and (d.span.line, d.span.column)) for d in found] == [
        ("mojibake", "warning", (2, 6))
    ]
    assert meant in found[0].hint


@pytest.mark.parametrize(
    "text",
    [
        "Café, naïve, Zürich",
        "“Quoted” – and more…",
        "Привет, мир",
        "日本語のテキスト",
        "Âge d’or",
        "TÃO GRANDE",
        "5 € · 3 £",
        "São Tomé",
        "🎉",
    ],
)
def test_good_text_in_other_languages_is_not_taken_for_a_fault(text: str) -> None:
    assert yamldoc.mojibake(text, "a.md") == []


@given(st.text().filter(lambda t: "\r" not in t).map(lambda t: t.encode(errors="replace")))
def test_decoding_utf8_loses_nothing(data: bytes) -> None:
    assert yamldoc.decode(data, "a.md").encode() == data.removeprefix(b"\xef\xbb\xbf")


@given(st.binary())
def test_decoding_any_bytes_raises_nothing_but_a_fault_with_a_place_in_the_file(data: bytes) -> None:
    try:
        text = yamldoc.decode(data, "a.md")
    except yamldoc.Fault as fault:
        (found,) = fault.diagnostics
        assert found.code == "not-utf8"
        assert found.span
        lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        assert 1 <= found.span.line <= len(lines)
        assert 1 <= found.span.column <= len(lines[found.span.line - 1]) + 1
    else:
        assert "\r" not in text


_YAML_LINES = st.lists(
    st.sampled_from(["title: A", "a: b: c", "\tx", "- one", "  - two", "? k", "&a", "*a", "[", "]", "{", "}", "'", '"', "|", ">",
                     "---", "...", "# c", "a:", "!!x y", "%YAML 1.1", "\x00", "\x85", "\u2028", "ü: é", "<<: *a", "..", ""])
    | st.text(max_size=12),
    max_size=12,
)  # fmt: skip


@given(
    st.text() | _YAML_LINES.map(lambda lines: "---\n" + "\n".join(lines) + "\n---\nWords.") | _YAML_LINES.map("\n".join)
)
def test_reading_any_text_raises_nothing_but_a_fault(text: str) -> None:
    try:
        doc = yamldoc.read(text, "a.md")
    except yamldoc.Fault as fault:
        assert fault.diagnostics
        assert all(d.severity == "error" and d.span for d in fault.diagnostics if d.code != "yaml-ambiguous")
    else:
        assert text.endswith(doc.body)
        assert doc.body_line == text.count("\n", 0, len(text) - len(doc.body)) + 1


@given(_YAML_LINES)
def test_a_file_of_any_front_matter_is_a_page_or_a_fault_with_a_place_in_the_file(lines: list[str]) -> None:
    text = "---\n" + "\n".join(lines) + "\n---\nWords."
    try:
        found = list(yamldoc.read(text, "a.md").diagnostics)
    except yamldoc.Fault as fault:
        found = list(fault.diagnostics)
    for diagnostic in found:
        assert diagnostic.span
        assert 1 <= diagnostic.span.line <= text.count("\n") + 1
        assert diagnostic.span.column >= 1
        assert diagnostic.hint


@pytest.mark.parametrize(
    ("written", "tags"),
    [
        ("leads", ["leads"]),
        ("customer acquisition", ["customer acquisition"]),
        ("[one, two]", ["one", "two"]),
        ("", []),
    ],
)
def test_tags_are_a_list_or_one_text_or_nothing(site: Site, written: str, tags: list[str]) -> None:
    site.write("content/a.md", page(tags=written))
    site.ok()
    assert sorted(p.name for p in (site.root / "public").glob("tags/*")) == sorted(t.replace(" ", "-") for t in tags)


def test_an_empty_optional_key_counts_as_absent(site: Site) -> None:
    empty = dict.fromkeys(
        ("description", "date", "updated", "draft", "expires", "layout", "slug", "permalink", "aliases", "tags", "image",
         "image_alt", "author", "form", "cta", "noindex", "weight", "lang", "translation_key", "toc", "extra"), "",
    )  # fmt: skip
    site.write("content/a.md", page())
    site.ok()
    expected = site.read("a/index.html")
    site.write("content/a.md", page(**empty))
    site.ok()
    assert site.read("a/index.html") == expected


def test_empty_settings_count_as_absent(site: Site) -> None:
    site.write("content/a.md", page())
    site.ok()
    expected = site.files()
    names = (
        "language",
        "timezone",
        "author",
        "organization",
        "theme",
        "menus",
        "privacy_url",
        "ctas",
        "handler",
        "markdown",
    )
    site.write(
        "magnetgen.yaml",
        SETTINGS + "".join(f"{name}:\n" for name in (*names, "pagination", "feed", "build", "defaults")),
    )
    site.ok()
    assert site.files() == expected


def test_a_wrong_date_in_a_title_like_field_does_not_matter_but_in_a_date_it_does(site: Site) -> None:
    site.write("content/a.md", page(title="2025-02-30", date="2025-02-28"))
    site.ok()
    assert "<h1>2025-02-30</h1>" in site.read("a/index.html")


@pytest.mark.parametrize(
    ("written", "iso"),
    [
        ("2025-05-08", "2025-05-08T00:00:00+02:00"),
        ("2025-01-08", "2025-01-08T00:00:00+01:00"),
        ("2025-05-08 14:30", "2025-05-08T14:30:00+02:00"),
        ("2025-05-08 9:05", "2025-05-08T09:05:00+02:00"),
        ("2025-05-08T14:30:15", "2025-05-08T14:30:15+02:00"),
        ("2025-05-08T14:30:15Z", "2025-05-08T14:30:15+00:00"),
        ("2025-05-08T14:30:15-05:00", "2025-05-08T14:30:15-05:00"),
        ('"2025-05-08"', "2025-05-08T00:00:00+02:00"),
        ("2024-02-29", "2024-02-29T00:00:00+01:00"),
    ],
)
def test_a_date_without_offset_is_in_the_sites_time_zone(site: Site, written: str, iso: str) -> None:
    site.write("magnetgen.yaml", SETTINGS + "timezone: Europe/Berlin\n")
    site.write("content/posts/a.md", page(date=written))
    site.ok()
    assert f'<meta property="article:published_time" content="{iso}">' in site.read("posts/a/index.html")
