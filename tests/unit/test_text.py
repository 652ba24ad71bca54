"""Slugs, addresses, truncation and near misses: pure functions."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetgen import text


@pytest.mark.parametrize(
    ("written", "slug"),
    [
        ("How Leads", "how-leads"),
        ("Buy: now!", "buy-now"),
        ("  --x--  ", "x"),
        ("Über uns", "über-uns"),
        ("U\u0308ber", "über"),
        ("Привет, мир", "привет-мир"),
        ("見込み客 2025", "見込み客-2025"),
        ("हिन्दी", "हिन्दी"),
        ("a_b.c", "a-b-c"),
        ("ÄÖ ÉÈ", "äö-éè"),
        ("İstanbul", unicodedata.normalize("NFC", "İstanbul".lower())),
        ("?!", ""),
        ("🎉 yes", "yes"),
    ],
)
def test_a_slug_keeps_letters_and_digits_in_small_letters(written: str, slug: str) -> None:
    assert text.slug(written) == slug


@given(st.text())
def test_the_slug_of_a_slug_is_itself(written: str) -> None:
    once = text.slug(written)
    assert text.slug(once) == once


@given(st.text())
def test_a_slug_is_one_segment_that_no_address_needs_to_fear(written: str) -> None:
    made = text.slug(written)
    assert not set(made) & set("/\\?#%.\0 \"'<>&")
    assert not re.search(r"^-|-$|--", made)
    assert unicodedata.normalize("NFC", made) == made


@given(st.text())
def test_text_composed_in_two_ways_has_one_slug(written: str) -> None:
    assert text.slug(unicodedata.normalize("NFD", written)) == text.slug(unicodedata.normalize("NFC", written))


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_path_that_is_quoted_reads_back_as_it_was(path: str) -> None:
    if "%" not in path:
        assert text.unquote_path(text.quote_path(path)) == path
    assert text.quote_path(path).isascii()


@given(st.text())
def test_quoting_twice_is_quoting_once(path: str) -> None:
    path = path.encode(errors="replace").decode()
    assert text.quote_path(text.quote_path(path)) == text.quote_path(path)


@given(st.text(), st.integers(min_value=1, max_value=200))
def test_a_truncated_text_is_never_longer_and_begins_as_the_text_does(written: str, length: int) -> None:
    short = text.truncate(written, length)
    whole = " ".join(written.split())
    assert len(short) <= length
    assert short == whole or (short.endswith("…") and whole.startswith(short[:-1]))


def test_a_text_is_cut_between_words() -> None:
    assert text.truncate("Leads are people, and more", 18) == "Leads are people…"
    assert text.truncate("Leads are people", 16) == "Leads are people"


@given(st.text(), st.integers(min_value=80, max_value=200))
def test_a_summary_is_never_longer_than_it_may_be(written: str, length: int) -> None:
    assert len(text.summary(written, length)) <= length


def test_a_summary_ends_with_a_sentence_where_one_is_long_enough() -> None:
    first = (
        "Lead generation is the art of making strangers curious about what you do, and of asking them for one thing."
    )
    assert text.summary(first + " And a second sentence that goes on and on and on and on and on.", 155) == first


def test_a_summary_does_not_end_in_the_middle_of_a_number() -> None:
    words = "Version 2.5 of this long guide to leads is here and it has quite a lot of words in it about leads and forms and pages"
    assert text.summary(words, 100).endswith("…")


@pytest.mark.parametrize(
    ("address", "absolute"),
    [("https://example.org/", True), ("mailto:a@example.org", True), ("//cdn.example.org/x", True), ("tel:+49", True),
     ("/a/", False), ("a.md", False), ("../a.md#b", False), ("#b", False), ("", False), ("a/b:c", False)],
)  # fmt: skip
def test_an_address_with_a_scheme_or_host_is_absolute(address: str, absolute: bool) -> None:
    assert text.is_absolute(address) is absolute


@pytest.mark.parametrize(
    ("address", "parts"),
    [("a.md", ("a.md", "")), ("a.md#b", ("a.md", "#b")), ("a.md?c#b", ("a.md", "?c#b")), ("#b?c", ("", "#b?c"))],
)
def test_an_address_falls_into_file_and_rest(address: str, parts: tuple[str, str]) -> None:
    assert text.split_fragment(address) == parts


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("emial", ["email", "text"], "email"),
        ("Titel", ["title", "date"], "title"),
        ("xyz", ["email", "text"], None),
        ("layout", [], None),
        ("", ["email"], None),
    ],
)
def test_a_near_miss_is_told(word: str, known: list[str], meant: str | None) -> None:
    assert text.nearest(word, known) == meant


@given(st.text(), st.lists(st.text()))
def test_looking_for_a_near_miss_finds_a_known_word_or_none(word: str, known: list[str]) -> None:
    assert text.nearest(word, known) in {None, *known}


def test_words_of_chinese_and_japanese_count_by_reading_speed() -> None:
    assert text.count_words("one two three") == 3
    assert text.reading_minutes(text.count_words("見" * 1500)) == 3


@pytest.mark.parametrize(("words", "minutes"), [(0, 1), (1, 1), (230, 1), (460, 2), (2300, 10)])
def test_reading_takes_a_minute_at_least(words: int, minutes: int) -> None:
    assert text.reading_minutes(words) == minutes


def test_a_long_list_is_shortened() -> None:
    assert text.listing(["a", "b", "c"]) == "a, b, c"
    assert text.listing(["a", "b", "c", "d"], most=2) == "a, b and 2 more"


@pytest.mark.parametrize(("title", "name"), [
    ("Lead Lab", "lead-lab"), ("Über Leads", "uber-leads"), ("Straße", "strasse"), ("リード", "site"), ("10x Growth", "site-10x-growth"),
    ("Don\u2019t Panic", "don-t-panic"), ("Lead\u2014Lab", "lead-lab"), ("", "site"), ("x" * 60, "x" * 40), ("Notes on lead generation for small teams", "notes-on-lead-generation-for-small-teams"),
])  # fmt: skip
def test_a_name_that_every_host_takes(title: str, name: str) -> None:
    assert text.host_name(title) == name
