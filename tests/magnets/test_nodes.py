"""HTML → nodes: what stays, what goes, and that nothing breaks it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magnetgen.magnets import nodes
from magnetgen.magnets.nodes import plain, read
from magnetgen.markdown import engine, fragment
from tests.magnets.pdfs import html


def one(markup: str) -> dict[str, Any]:
    """The only node of a fragment."""
    (node,) = read(markup).nodes
    assert isinstance(node, dict)
    return node


def kinds(markup: str) -> list[str]:
    return [item["t"] for item in read(markup).nodes if isinstance(item, dict)]


def test_paragraphs_keep_their_styles_and_lose_the_spaces_of_the_source() -> None:
    assert one("<p> a\n <strong>b </strong> <em>c</em>\n</p>") == {
        "t": "p",
        "c": ["a ", {"t": "strong", "c": ["b "]}, {"t": "em", "c": ["c"]}],
    }


def test_each_tag_of_markdown_has_its_node() -> None:
    text = (
        "# T\n\np\n\n- a\n\n1. b\n\n> q\n\n---\n\n```\nx\n```\n\n| A |\n|-|\n| 1 |\n\n![alt](media/a.png)\n\n- [x] t\n"
    )
    assert kinds(html(text)) == ["h", "p", "ul", "ol", "quote", "hr", "pre", "table", "img", "tasks"]
    line = one(html("~~a~~ *b* **c** `d` [e](https://x.example) \\\nf"))["c"]
    assert [item["t"] for item in line if isinstance(item, dict)] == ["del", "em", "strong", "code", "a", "br"]


def test_task_lists_know_what_is_done() -> None:
    tasks = one(html("- [x] a\n- [ ] b **c**\n  - [x] d\n"))
    assert [item["done"] for item in tasks["i"]] == [True, False]
    assert tasks["i"][0]["c"] == ["a"]
    assert tasks["i"][1]["c"][-1]["i"][0]["done"] is True


def test_a_loose_list_is_told_from_a_tight_one() -> None:
    assert one(html("- a\n- b\n"))["tight"] is True
    assert one(html("- a\n\n- b\n"))["tight"] is False
    assert one(html("4. a\n5. b\n"))["start"] == 4


def test_tables_are_rectangles_with_a_head_and_alignments() -> None:
    table = one(html("| A | B | C |\n|:-|:-:|-:|\n| 1 | 2 |\n"))
    assert [[cell["align"] for cell in row] for row in table["head"]] == [["left", "center", "right"]]
    assert [len(row) for row in table["rows"]] == [3]
    raw = one("<table><tr><th>a<th>b</tr><tr><td colspan=9>c<td>d</tr><tr><td>e</tr></table>")
    assert [sum(cell["span"] for cell in row) for row in (*raw["head"], *raw["rows"])] == [10, 10, 10]
    assert len(raw["head"]) == 1


@pytest.mark.parametrize("name", ["pyromark", "python-markdown"])
def test_notes_stand_where_they_are_called_for(name: str) -> None:
    text = fragment("A[^x] and again[^x].\n\n[^x]: The *note*.\n", engine(name)).html
    line = one(text)["c"]
    marks = [item for item in line if isinstance(item, dict)]
    assert [mark["t"] for mark in marks] == ["note", "again"]
    assert plain(marks[0]["c"]) == "The note."
    assert plain(line) == "A and again."


def test_a_note_that_calls_for_itself_ends() -> None:
    text = html("A[^x].\n\n[^x]: B[^y].\n[^y]: C[^x].\n")
    assert json.dumps(read(text).nodes).count('"note"') == 2


@pytest.mark.parametrize("kind", nodes.CALLOUTS)
def test_callouts_have_their_kind_and_title(kind: str) -> None:
    node = one(f'<blockquote class="callout {kind}"><p class="callout-title">Mind</p><p>a</p></blockquote>')
    assert (node["t"], node["k"], node["title"], node["c"]) == ("callout", kind, ["Mind"], [{"t": "p", "c": ["a"]}])


def test_definitions_and_figures() -> None:
    node = one("<dl><dt>T<dd>a<dd>b</dl>")
    assert [plain(item["term"]) for item in node["i"]] == ["T"] and plain(node["i"][0]["c"]) == "a b"
    assert one('<figure><img src="a.png" alt="x"><figcaption>A <b>c</b></figcaption></figure>')["t"] == "img"


def test_what_cannot_be_set_vanishes() -> None:
    text = (
        "<script>s</script><style>t</style><!-- u --><form><input value=v>w</form><template>x</template>"
        "<noscript>y</noscript><select><option>z</select><p>kept <button>q</button></p><blink>too</blink>"
    )
    assert plain(read(text).nodes) == "kept too"


def test_players_and_pictures_from_elsewhere_are_named() -> None:
    found = read(
        '<p>a</p><iframe src="https://x.example"></iframe><p><img src="https://x.example/a.png" alt="A cat"></p>'
    )
    assert plain(found.nodes) == "a [A cat]"
    assert found.warnings == (
        "an embedded page cannot be printed and is left out",
        "the picture https://x.example/a.png is not in the site's folder: its description is printed instead",
    )


@pytest.mark.parametrize("address", ["javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", "relative", ""])
def test_links_to_nowhere_are_their_text(address: str) -> None:
    assert one(f'<p><a href="{address}">a</a></p>') == {"t": "p", "c": ["a"]}


def test_control_characters_are_left_out() -> None:
    assert one("<p>a\x00b\x07c\x1b\ufffed\x85</p>") in ({"t": "p", "c": ["abcd"]}, {"t": "p", "c": ["a\ufffdbcd"]})


def depth(items: list[Any]) -> int:
    return 1 + max((depth(part) for item in items if isinstance(item, dict) for part in nodes.parts(item)), default=0)


@pytest.mark.parametrize(
    "tag", ["ul><li", "blockquote", "div", "em", "span", "ol><li><p", "table><tr><td", "a href=#x", "dl><dd"]
)
def test_deep_nesting_keeps_its_text_at_a_depth_that_can_be_set(tag: str) -> None:
    found = read(f"<{tag}>x" * 1000 + "end").nodes
    assert depth(found) <= nodes.MAX_BLOCKS + nodes.MAX_INLINES + 4
    assert plain(found).replace(" ", "").endswith("xend")


TAGS = [
    "p", "h1", "h2", "h4", "ul", "ol", "li", "table", "tr", "td", "th", "thead", "blockquote", "pre", "code", "em", "a", "img",
    "sup", "div", "dl", "dt", "dd", "figure", "figcaption", "br", "hr", "label", "input", "details", "summary", "section",
]  # fmt: skip
ATTRIBUTES = [
    "", ' id="a"', ' id=""', ' href="#a"', ' href="https://x.example"', ' class="callout note"', ' class="task"', ' colspan="3"',
    ' class="footnotes"', ' class="footnote-reference"', ' start="7"', ' start="-1"', ' src="a.png"', ' alt=""', ' colspan="0"',
]  # fmt: skip
WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
OPEN = st.builds(lambda tag, attribute: f"<{tag}{attribute}>", st.sampled_from(TAGS), st.sampled_from(ATTRIBUTES))
CLOSE = st.sampled_from(TAGS).map(lambda tag: f"</{tag}>")
MARKUP = st.lists(st.one_of(OPEN, CLOSE, WORDS), max_size=40).map("".join)


@settings(max_examples=300, deadline=None)
@given(MARKUP)
def test_any_html_gives_nodes_of_plain_json(markup: str) -> None:
    found = read(markup).nodes
    assert json.loads(json.dumps(found)) == found
    for item in found:
        assert isinstance(item, dict), "a text that stands outside of every block"
