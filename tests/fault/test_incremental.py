"""The truth of the cache: after any change, an incremental build is byte for byte what a build from nothing is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magnetgen import output
from tests.conftest import NOW, ROOT, page
from tests.fault.tools import (
    Oracle,
    Rich,
    copy_sources,
    differences,
    environment,
    jpeg,
    png,
    rich,
    run,
    svg,
    times,
    tree,
)

Steps = Iterator[dict[str, object]]
"""A mutation changes the site and yields the wishes of the build that is to be compared, once a step."""

MUTATIONS: dict[str, Callable[[Rich], Steps]] = {}
SAME: dict[str, object] = {}
DAY = 86_400.0


def mutation(make: Callable[[Rich], Steps]) -> Callable[[Rich], Steps]:
    MUTATIONS[make.__name__] = make
    return make


@pytest.fixture
def lab(tmp_path: Path) -> Rich:
    return rich(tmp_path / "site")


@pytest.fixture
def oracle(lab: Rich, tmp_path: Path) -> Oracle:
    return Oracle(lab, tmp_path)


# --- content -----------------------------------------------------------------------------------------------------


@mutation
def nothing(site: Rich) -> Steps:
    yield SAME


@mutation
def body_edited(site: Rich) -> Steps:
    site.edit("content/posts/post-5.md", "what worked", "what really worked")
    yield SAME


@mutation
def title_edited(site: Rich) -> Steps:
    site.edit("content/posts/post-5.md", "title: Post 5", "title: Post Five")
    yield SAME


@mutation
def title_of_list_edited(site: Rich) -> Steps:
    site.write("content/posts/index.md", page("All of them.", title="Writings"))
    yield SAME
    site.edit("content/posts/index.md", "Writings", "Essays")
    yield SAME


@mutation
def list_gets_noindex(site: Rich) -> Steps:
    site.write("content/posts/index.md", page("All of them.", title="Writings", layout="page"))
    yield SAME
    site.edit("content/posts/index.md", "title: Writings", "title: Writings\nnoindex: true")
    yield SAME


@mutation
def list_gets_language_and_picture(site: Rich) -> Steps:
    site.write("content/posts/index.md", page("All of them.", title="Writings", layout="page"))
    yield SAME
    site.edit("content/posts/index.md", "title: Writings", "title: Writings\nlang: de")
    yield SAME
    site.edit("content/posts/index.md", "title: Writings", "title: Writings\nimage: /media/three.png")
    yield SAME


@mutation
def list_gets_translation(site: Rich) -> Steps:
    site.write("content/posts/index.md", page("All.", title="Writings", layout="page", translation_key="list"))
    yield SAME
    site.write("content/texte.md", page("Alle.", title="Texte", lang="de", translation_key="list"))
    yield SAME


@mutation
def tag_edited(site: Rich) -> Steps:
    site.edit("content/posts/post-4.md", "[post, offers]", "[post, forms, brand new]")
    yield SAME


@mutation
def tag_spelt_otherwise(site: Rich) -> Steps:
    for number in (1, 4, 7):
        site.edit(f"content/posts/post-{number}.md", "offers", "Offers")
        yield SAME


@mutation
def date_edited(site: Rich) -> Steps:
    site.edit("content/posts/post-4.md", "2026-01-14", "2026-05-14")
    yield SAME


@mutation
def file_moved(site: Rich) -> Steps:
    site.move("content/story.md", "content/about/story.md")
    yield SAME
    site.move("content/about/story.md", "content/story.md")
    yield SAME


@mutation
def slug_of_menu_entry_and_cta_changed(site: Rich) -> Steps:
    site.edit("content/story.md", "title: Story", "title: Story\nslug: our-story")
    yield SAME
    site.edit("content/demo.md", "title: Demo", "title: Demo\nslug: half-hour")
    yield SAME


@mutation
def post_with_alias_moved(site: Rich) -> Steps:
    site.move("content/posts/post-2.md", "content/posts/second.md")
    site.edit("content/posts/post-1.md", "post-2.md", "second.md")
    yield SAME


@mutation
def page_with_permalink_moved(site: Rich) -> Steps:
    text = page("Stays where it was.", title="Fixed", permalink="/fixed/", layout="post", date="2026-03-03")
    site.write("content/notes/fixed.md", text)
    site.write("content/notes/other.md", page("Another.", title="Other", layout="post", date="2026-03-04"))
    site.write("content/news/third.md", page("A third.", title="Third", layout="post", date="2026-03-05"))
    yield SAME
    site.move("content/notes/fixed.md", "content/news/fixed.md")
    yield SAME


@mutation
def file_deleted(site: Rich) -> Steps:
    site.delete("content/guide.md")
    yield SAME


@mutation
def linked_file_deleted(site: Rich) -> Steps:
    site.delete("content/posts/post-4.md")
    yield SAME
    site.edit("content/posts/post-3.md", "post-4.md#steps", "post-5.md#steps")
    yield SAME


@mutation
def file_linked_by_url_deleted_and_restored(site: Rich) -> Steps:
    site.edit("content/posts/post-5.md", "post-6.md#steps", "post-7.md#steps")
    text = (site.root / "content/posts/post-6.md").read_text()
    yield SAME
    site.delete("content/posts/post-6.md")
    yield SAME
    site.write("content/posts/post-6.md", text)
    yield SAME


@mutation
def page_linked_by_url_deleted_without_prefix(site: Rich) -> Steps:
    site.edit("magnetgen.yaml", "https://example.com/lab/", "https://example.com/")
    yield SAME
    yield from file_linked_by_url_deleted_and_restored(site)


@mutation
def page_linked_from_raw_html_deleted(site: Rich) -> Steps:
    site.edit("magnetgen.yaml", "https://example.com/lab/", "https://example.com/")
    site.edit("content/posts/post-3.md", "post-4.md#steps", "post-5.md#steps")
    yield SAME
    site.delete("content/posts/post-4.md")
    yield SAME


@mutation
def nearest_file_of_a_warning_changed(site: Rich) -> Steps:
    site.edit("content/posts/post-7.md", "## Steps", '<a href="/leitfadn/">raw</a>\n\n## Steps')
    yield SAME
    site.delete("content/leitfaden.md")
    yield SAME


@mutation
def file_added(site: Rich) -> Steps:
    site.write("content/posts/post-9.md", page("The ninth.", title="Post 9", date="2026-05-01", tags="[offers]"))
    yield SAME
    site.write("content/new/index.md", page("A new folder.", title="New"))
    yield SAME


@mutation
def home_page_added_and_deleted(site: Rich) -> Steps:
    site.write("content/index.md", page("Welcome, and have a look around.", title="Welcome"))
    yield SAME
    site.delete("content/index.md")
    yield SAME


@mutation
def linked_heading_removed_and_restored(site: Rich) -> Steps:
    site.edit("content/posts/post-5.md", "## Steps", "## Ways")
    yield SAME
    site.edit("content/posts/post-5.md", "## Ways", "## Steps")
    yield SAME


@mutation
def linked_heading_added(site: Rich) -> Steps:
    site.edit("content/posts/post-7.md", "## Steps", "[See](../privacy.md#rights)\n\n## Steps")
    yield SAME
    site.edit("content/privacy.md", "We keep", "## Rights\n\nWe keep")
    yield SAME
    site.edit("content/privacy.md", "## Rights\n\n", "")
    yield SAME


@mutation
def file_becomes_folder_and_file_again(site: Rich) -> Steps:
    site.write("content/posts/kit", b"raw bytes")
    yield SAME
    site.delete("content/posts/kit")
    site.write("content/posts/kit/index.md", page("A kit.", title="Kit", date="2026-01-01"))
    site.write("content/posts/kit/deep/er.bin", b"x")
    yield SAME
    shutil.rmtree(site.root / "content/posts/kit")
    site.write("content/posts/kit", b"raw bytes again")
    yield SAME


@mutation
def alias_added(site: Rich) -> Steps:
    site.edit("content/posts/post-5.md", "title: Post 5", "title: Post 5\naliases: [/five/, /old.html]")
    yield SAME
    site.edit("content/posts/post-5.md", "\naliases: [/five/, /old.html]", "\npermalink: /v/\naliases: [/five/]")
    site.edit("content/posts/post-5.md", "\npermalink: /v/", "")
    yield SAME


@mutation
def related_post_edited(site: Rich) -> Steps:
    site.edit("content/posts/post-4.md", "title: Post 4", "title: Post 4\ndescription: What the fourth one is about.")
    yield SAME
    site.edit("content/posts/post-4.md", "title: Post 4", "title: Post 4\nimage: /media/three.png")
    yield SAME


@mutation
def draft_published(site: Rich) -> Steps:
    site.edit("content/posts/draft.md", "draft: true", "draft: false")
    yield SAME


@mutation
def draft_with_faults(site: Rich) -> Steps:
    site.edit("content/posts/draft.md", "Half", "[nowhere](nowhere.md) Half")
    yield SAME
    site.edit("content/posts/draft.md", "title: Draft", "titel: Draft")
    yield SAME


@mutation
def translation_dissolved(site: Rich) -> Steps:
    site.edit("content/leitfaden.md", "translation_key: guide\n", "")
    yield SAME


# --- pictures ------------------------------------------------------------------------------------------------------


@mutation
def picture_replaced_by_another_size(site: Rich) -> Steps:
    site.write("media/one.png", png(20, 12))
    yield SAME
    site.write("media/two.png", png(7, 5))
    yield SAME


@mutation
def picture_of_a_related_post_replaced(site: Rich) -> Steps:
    site.edit("content/posts/post-4.md", "title: Post 4", "title: Post 4\nimage: /media/three.png")
    yield SAME
    site.write("media/three.png", png(40, 3))
    yield SAME


@mutation
def picture_beside_a_page_replaced(site: Rich) -> Steps:
    site.write("content/posts/beside.png", png(50, 3))
    yield SAME


@mutation
def front_picture_beside_a_page_replaced(site: Rich) -> Steps:
    site.write("content/posts/two.svg", svg(33, 44))
    yield SAME


@mutation
def file_beside_a_page_edited_same_size(site: Rich) -> Steps:
    site.write("content/posts/notes.txt", "one")
    yield SAME
    site.write("content/posts/notes.txt", "two")
    yield SAME


@mutation
def picture_deleted(site: Rich) -> Steps:
    site.delete("media/one.png")
    yield SAME
    site.delete("media/two.png")
    yield SAME
    site.write("media/two.png", png(9, 9))
    yield SAME


@mutation
def picture_of_a_block_replaced(site: Rich) -> Steps:
    site.write("media/three.png", png(3, 30))
    yield SAME


@mutation
def page_linked_from_a_block_moved(site: Rich) -> Steps:
    site.edit("content/story.md", "title: Story", "title: Story\nslug: tale")
    yield SAME


@mutation
def logo_and_site_picture_replaced(site: Rich) -> Steps:
    site.write("media/logo.svg", svg(90, 30))
    yield SAME
    site.write("media/share.png", png(70, 30))
    yield SAME


@mutation
def unused_picture_added(site: Rich) -> Steps:
    site.write("media/unused.jpg", jpeg(3, 3))
    yield SAME


# --- forms, blocks, settings ---------------------------------------------------------------------------------------


@mutation
def form_edited(site: Rich) -> Steps:
    site.edit("content/forms/newsletter.md", "Get the letter", "Send me the letter")
    yield SAME
    site.edit("content/forms/newsletter.md", "Thanks", "Thank you")
    yield SAME
    site.edit("content/forms/newsletter.md", "fields: [email]", "fields: [email, first_name?]")
    yield SAME


@mutation
def form_deleted(site: Rich) -> Steps:
    site.delete("content/forms/demo.md")
    yield SAME


@mutation
def form_home_moves(site: Rich) -> Steps:
    site.edit("content/posts/post-6.md", "## Steps", "[Ask](form:demo)\n\n## Steps")
    yield SAME
    site.edit("content/demo.md", "layout: landing\nform: demo", "layout: page")
    site.edit("content/demo.md", "![](form:demo)\n\n", "")
    yield SAME


@mutation
def page_of_a_thanks_link_moved(site: Rich) -> Steps:
    site.edit("content/posts/post-1.md", "title: Post 1", "title: Post 1\nslug: first")
    yield SAME


@mutation
def block_edited(site: Rich) -> Steps:
    site.edit("content/blocks/note.md", "and words", "and other words")
    yield SAME
    site.edit("content/blocks/note.md", "and other words", "and ![](form:newsletter)")
    yield SAME


@mutation
def settings_edited(site: Rich) -> Steps:
    for old, new in (
        ("title: Lead Lab", "title: Lead Laboratory"),
        ('"#0a5c8c"', '"#7a1010"'),
        ("https://example.com/lab/", "https://example.org/"),
        ("pagination: 3", "pagination: 5"),
        ("label: Book a demo", "label: See it live"),
        ("timezone: Europe/Berlin", "timezone: America/Lima"),
        ("timezone:", "social_cards: true\ntimezone:"),
        ("timezone:", "language: de\ntimezone:"),
        ("feed: {limit: 3}", "feed: {limit: 1}"),
        ("timezone:", "markdown: {engine: python-markdown}\ntimezone:"),
        ("timezone:", "seo: {llms_txt: true, indexnow_key: abcdefgh12}\ntimezone:"),
        ("timezone:", "handler: {provider: netlify-forms}\ntimezone:"),
    ):
        site.edit("magnetgen.yaml", old, new)
        yield SAME


@mutation
def defaults_edited(site: Rich) -> Steps:
    settings_text = (site.root / "magnetgen.yaml").read_text()
    for values in ("{layout: post, cta: demo}", "{layout: post, form: newsletter, toc: true}", "{}"):
        site.write("magnetgen.yaml", settings_text + f'defaults: [{{files: "posts/**", values: {values}}}]\n')
        yield SAME


@mutation
def pagination_changed(site: Rich) -> Steps:
    site.edit("magnetgen.yaml", "pagination: 3", "pagination: 100")
    yield SAME
    site.edit("magnetgen.yaml", "pagination: 100", "pagination: 1")
    yield SAME


@mutation
def settings_deleted_and_restored(site: Rich) -> Steps:
    text = (site.root / "magnetgen.yaml").read_text()
    site.delete("magnetgen.yaml")
    yield SAME
    site.write("magnetgen.yaml", text)
    yield SAME


# --- themes --------------------------------------------------------------------------------------------------------


@mutation
def own_theme(site: Rich) -> Steps:
    site.write("themes/own/theme.yaml", "name: own\nextends: lodestone\n")
    site.edit("magnetgen.yaml", "name: lodestone", "name: own")
    yield SAME
    site.write("themes/own/static/style.css", "body{margin:1px}")
    yield SAME
    site.write("themes/own/static/style.css", "body{margin:2px}")
    yield SAME
    site.write(
        "themes/own/templates/post.html",
        '{% extends "lodestone/post.html" %}\n{% block head %}<!-- a -->{% endblock %}',
    )
    yield SAME
    site.edit("themes/own/templates/post.html", "<!-- a -->", "<!-- b -->")
    yield SAME
    site.write("themes/own/theme.yaml", 'name: own\nextends: lodestone\nwords: {related: "Read on"}\n')
    yield SAME
    site.delete("themes/own/templates/post.html")
    yield SAME


@mutation
def override_added_and_deleted(site: Rich) -> Steps:
    site.write("templates/404.html", '{% extends "lodestone/404.html" %}\n{% block head %}<!-- own -->{% endblock %}')
    yield SAME
    site.delete("templates/404.html")
    yield SAME


@mutation
def included_file_that_is_not_html_edited(site: Rich) -> Steps:
    site.write("templates/icon.svg", svg(1, 1))
    site.write("templates/post.html", '{% extends "lodestone/post.html" %}\n'
               '{% block main %}{{ super() }}{% include "icon.svg" %}{% endblock %}')  # fmt: skip
    yield SAME
    site.write("templates/icon.svg", svg(2, 2))
    yield SAME


@mutation
def logo_of_a_theme_replaced(site: Rich) -> Steps:
    site.write("themes/own/theme.yaml", "name: own\nextends: lodestone\nsettings: {logo: /media/one.png}\n")
    site.edit("magnetgen.yaml", 'theme: {name: lodestone, brand: "#0a5c8c", logo: /media/logo.svg}', "theme: own")
    yield SAME
    site.write("media/one.png", png(31, 13))
    yield SAME


# --- time ------------------------------------------------------------------------------------------------------------


@mutation
def future_post_becomes_due(site: Rich) -> Steps:
    yield SAME
    yield {"now": NOW + 365 * DAY}


@mutation
def clock_goes_back(site: Rich) -> Steps:
    yield {"now": NOW + 365 * DAY}
    yield {"now": NOW}
    yield {"now": NOW - 700 * DAY}


@mutation
def drafts_and_future_wished_for(site: Rich) -> Steps:
    yield {"drafts": True}
    yield {"future": True}
    yield SAME
    yield {"base_url": "https://preview.example.net/x/"}
    yield SAME


# --- hands in the output, and files that hide their change --------------------------------------------------------------


@mutation
def output_deleted_by_hand(site: Rich) -> Steps:
    (site.root / "public/posts/post-1/index.html").unlink()
    yield SAME
    shutil.rmtree(site.root / "public/posts")
    yield SAME
    shutil.rmtree(site.root / "public")
    yield SAME


@mutation
def output_edited_by_hand(site: Rich) -> Steps:
    target = site.root / "public/posts/post-1/index.html"
    target.write_bytes(target.read_bytes().replace(b"worked", b"WORKED"))
    yield SAME
    (site.root / "public/media").rename(site.root / "public/medium")
    shutil.rmtree(site.root / "public/medium")
    yield SAME
    (site.root / ".magnetgen/forms.json").write_bytes(b"{}")
    yield SAME
    (site.root / ".magnetgen/forms.json").unlink()
    yield SAME


@mutation
def cache_deleted(site: Rich) -> Steps:
    (site.root / ".magnetgen/cache/pages.mpk").unlink()
    yield SAME
    for file in (site.root / ".magnetgen/cache").glob("*.mpk"):
        file.unlink()
    yield SAME


@mutation
def same_size_and_second(site: Rich) -> Steps:
    """Edited twice so fast that only the nanoseconds can tell, or not even they."""
    file = site.root / "content/posts/post-5.md"
    text = file.read_text()
    for word in ("AAAA", "BBBB", "CCCC"):
        file.write_text(text.replace("what", word))
        yield SAME


@mutation
def same_size_and_second_on_a_coarse_file_system(site: Rich) -> Steps:
    """As above, where times are kept in whole seconds only."""
    import time

    file = site.root / "content/posts/post-5.md"
    text = file.read_text()
    second = int(time.time()) * 1_000_000_000
    for word in ("AAAA", "BBBB", "CCCC"):
        file.write_text(text.replace("what", word))
        os.utime(file, ns=(second, second))
        yield SAME


@mutation
def two_files_of_one_size_and_time_exchanged(site: Rich) -> Steps:
    """As after unpacking an archive, where all files have one time."""
    names = ["content/posts/post-5.md", "content/posts/post-7.md"]
    for name in names:
        file = site.root / name
        file.write_text(page(f"I was {name[-4]} at first.", title=f"Number {name[-4]}", date="2026-02-02"))
        os.utime(file, ns=(1_600_000_000_000_000_000, 1_600_000_000_000_000_000))
    site.edit("content/posts/post-4.md", "post-5.md#steps", "post-5.md")
    site.edit("content/posts/post-6.md", "post-7.md#steps", "post-7.md")
    yield SAME
    first, second = (site.root / name for name in names)
    first.rename(site.root / "aside")
    second.rename(first)
    (site.root / "aside").rename(second)
    yield SAME


@pytest.mark.parametrize("name", MUTATIONS)
def test_after_a_change_the_output_is_that_of_a_build_from_nothing(name: str, lab: Rich, oracle: Oracle) -> None:
    assert not oracle.check().failed
    for number, wishes in enumerate(MUTATIONS[name](lab)):
        try:
            oracle.check(**wishes)
        except AssertionError as exc:
            raise AssertionError(f"{name}, step {number}: {exc}") from None


# --- random sequences ------------------------------------------------------------------------------------------------

_POSTS = st.integers(1, 8).map(lambda n: f"content/posts/post-{n}.md")
_FRONT = st.sampled_from([
    "image: /media/one.png", "image: /media/three.png", "image: beside.png", "slug: other", "noindex: true",
    "toc: true", "cta: demo", "inline_cta: true", "weight: 5", "lang: de", "updated: 2026-05-05", "form: demo",
    "form: false", "description: Told in one sentence.", "translation_key: guide", "layout: page", "layout: landing",
    "expires: 2026-01-01", "draft: true", "permalink: /moved/", "aliases: [/was/here/]", "author: Ana",
])  # fmt: skip
_BODY = st.sampled_from([
    "[a](post-3.md)", "[a](post-3.md#steps)", "[a](/posts/post-4/)", "[a](../story.md#years)", "![p](/media/two.png)",
    "![p](beside.png)", "![](block:note)", "![](form:demo)", "[b](form:newsletter)", "[b](cta:demo)",
    '<a href="/story/">s</a>', "## Another\n\nHeading.", "Plain words.", '<img src="/media/three.png" alt="x">',
])  # fmt: skip
_ACTION = st.one_of(
    st.tuples(st.just("front"), _POSTS, _FRONT),
    st.tuples(st.just("body"), _POSTS, _BODY),
    st.tuples(st.just("reset"), _POSTS, st.just("")),
    st.tuples(st.just("delete"), _POSTS, st.just("")),
    st.tuples(st.just("picture"), st.sampled_from(["media/one.png", "media/two.png", "media/three.png",
                                                   "content/posts/beside.png"]), st.sampled_from(["3", "8", "-"])),
    st.tuples(st.just("heading"), st.sampled_from(["content/story.md", "content/posts/post-3.md"]), st.just("")),
    st.tuples(st.just("setting"), st.just("magnetgen.yaml"), st.sampled_from(["pagination: 2", "pagination: 3"])),
    st.tuples(st.just("break output"), st.just("public/index.html"), st.just("")),
)  # fmt: skip


def _act(site: Rich, action: tuple[str, str, str], originals: dict[str, str]) -> None:
    kind, path, what = action
    file = site.root / path
    if kind == "picture":
        if what == "-":
            file.unlink(missing_ok=True)
        else:
            site.write(path, png(int(what), 7))
    elif kind == "reset":
        site.write(path, originals[path])
    elif kind == "delete":
        file.unlink(missing_ok=True)
    elif kind == "setting":
        text = file.read_text()
        site.write(path, text.replace("pagination: 2", "pagination: 3").replace("pagination: 3", what))
    elif not file.is_file():
        return
    elif kind == "front":
        key = what.split(":")[0]
        if f"\n{key}:" not in file.read_text():
            site.edit(path, "---\ntitle:", f"---\n{what}\ntitle:")
    elif kind == "body":
        site.write(path, file.read_text() + f"\n{what}\n")
    elif kind == "heading":
        text = file.read_text()
        swap = (("## Years", "## Ages"), ("## Steps", "## Ways"))
        for one, other in swap:
            text = text.replace(one, other) if one in text else text.replace(other, one)
        site.write(path, text)
    else:
        file.write_bytes(b"broken by hand")


@settings(
    max_examples=int(os.environ.get("MAGNETGEN_SEQUENCES", "15")), derandomize=True, deadline=None, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(actions=st.lists(st.lists(_ACTION, min_size=1, max_size=3), min_size=2, max_size=6))
def test_after_any_sequence_of_changes(actions: list[list[tuple[str, str, str]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = rich(Path(folder) / "site")
        oracle = Oracle(site, Path(folder))
        originals = {f"content/posts/post-{n}.md": (site.root / f"content/posts/post-{n}.md").read_text()
                     for n in range(1, 9)}  # fmt: skip
        oracle.check()
        for step in actions:
            for action in step:
                _act(site, action, originals)
            oracle.check()


# --- doing nothing -------------------------------------------------------------------------------------------------------


def test_an_unchanged_site_is_not_written(lab: Rich, tmp_path: Path) -> None:
    """Seen from outside, in a process of its own: nothing in public/ is opened for writing, made, moved or touched."""
    public = lab.root / "public"
    assert run("--site", lab.root, "--jobs", 1).returncode == 0
    before, before_times = tree(public), times(public)
    folders = {p: p.stat().st_mtime_ns for p in (public, *public.rglob("*")) if p.is_dir()}
    for note in ("as it is", "without the state", "without the caches"):
        if note != "as it is":
            pattern = "state-*.mpk" if note == "without the state" else "pages.mpk"
            for file in (lab.root / ".magnetgen/cache").glob(pattern):
                file.unlink()
        changes = _audit_writes(lab.root, public)
        assert changes == [], note
        assert (tree(public), times(public)) == (before, before_times), note
    assert {p: p.stat().st_mtime_ns for p in folders} == folders


_AUDIT = """
import os, sys
watched = sys.argv.pop(1)
seen = open(sys.argv.pop(1), "w")
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.utime", "os.chmod",
           "shutil.copyfile", "shutil.rmtree", "shutil.move"}
def hook(event, args):
    names = [os.fsdecode(a) for a in args if isinstance(a, (str, bytes, os.PathLike))]
    inside = any(os.path.abspath(name).startswith(watched) for name in names[:2])
    writing = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if inside and (writing or event in CHANGES):
        if event == "shutil.rmtree" and not os.path.exists(args[0]):
            return
        print(event, names, file=seen, flush=True)
sys.addaudithook(hook)
from magnetgen.cli import main
sys.argv[0] = "magnetgen"
main()
"""


def _audit_writes(root: Path, watched: Path) -> list[str]:
    """Every call that would change something below a folder, as the interpreter's audit hook reports it."""
    seen = root.parent / "audit.txt"
    done = subprocess.run(
        [sys.executable, "-c", _AUDIT, str(watched), str(seen), "build", "--site", str(root), "--jobs", "1",
         "--format", "json"],
        env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert '"written": 0' in done.stdout
    return seen.read_text().splitlines()


def test_the_watch_on_writing_sees_a_write(lab: Rich) -> None:
    """The control of the test above."""
    assert run("--site", lab.root, "--jobs", 1).returncode == 0
    public = lab.root / "public"
    seen = lab.root.parent / "audit.txt"
    subprocess.run(
        [sys.executable, "-c", _AUDIT, str(public), str(seen), "build", "--site", str(lab.root), "--clean",
         "--base-url", "https://other.example"], env=environment(), capture_output=True, check=True,
    )  # fmt: skip
    assert "open" in seen.read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="strace is Linux's")
def test_an_unchanged_site_is_not_written_as_the_kernel_sees_it(lab: Rich, tmp_path: Path) -> None:
    assert run("--site", lab.root, "--jobs", 1).returncode == 0
    log = tmp_path / "trace"
    calls = "trace=openat,open,creat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,truncate,utimensat"
    traced = ["strace", "-f", "-qq", "-o", str(log), "-e", calls, sys.executable, "-m", "magnetgen", "build"]
    subprocess.run([*traced, "--site", str(lab.root)], env=environment(), check=True, capture_output=True)
    public = str(lab.root / "public")
    changes = [line for line in log.read_text().splitlines() if public in line and "O_RDONLY" not in line]
    assert [c for c in changes if "ENOENT" not in c] == []


def test_warnings_are_repeated_by_an_unchanged_build(lab: Rich) -> None:
    lab.edit("content/posts/post-7.md", "## Steps", '<a href="/nowhere/">raw</a>\n\n![](/media/two.png)\n\n## Steps')
    first = lab.build()
    assert {d.code for d in first.diagnostics} >= {"link-broken", "image-alt"}
    for file in [None, *(lab.root / ".magnetgen/cache").glob("*.mpk")]:
        if file:
            file.unlink()
        again = lab.build()
        assert again.diagnostics == first.diagnostics, file
        assert again.written == 0


# --- a build that fails ------------------------------------------------------------------------------------------------

_FAULTS: dict[str, tuple[str, str | bytes]] = {
    "front matter": ("content/posts/post-1.md", "---\ntitle: [\n---\n\nWords.\n"),
    "broken link": ("content/posts/post-1.md", page("[x](nowhere.md)", title="Post 1", date="2026-01-01")),
    "collision": ("content/posts/POST 1.md", page("Words.", title="Twin", date="2026-01-01")),
    "settings": ("magnetgen.yaml", "title: Lead Lab\n"),
    "template": ("templates/post.html", "{% if %}"),
    "template at work": ("templates/post.html", "{{ page.nothing.more }}"),
    "piece": ("templates/_form.html", "{{ nothing }}"),
    "message": ("templates/message.html", "{{ nothing }}"),
    "division": ("templates/page.html", "{{ 1 / 0 }}"),
    "endless": ("templates/page.html", '{% include "page.html" %}'),
    "template not UTF-8": ("templates/page.html", b"\xff\xfe"),
    "page without a title": ("templates/page.html", "<!doctype html><p>nothing"),
    "picture": ("media/one.png", b"not a picture"),
    "theme": ("themes/lodestone/theme.yaml", "nmae: x\n"),
}


@pytest.mark.parametrize("name", _FAULTS)
def test_a_failing_build_leaves_the_output_and_the_next_good_one_is_right(name: str, lab: Rich, oracle: Oracle) -> None:
    oracle.check()
    public = lab.root / "public"
    before, before_times, forms = tree(public), times(public), (lab.root / ".magnetgen/forms.json").read_bytes()
    path, content = _FAULTS[name]
    old = (lab.root / path).read_bytes() if (lab.root / path).exists() else None
    lab.write(path, content)
    lab.edit("content/posts/post-8.md", "what worked", "what did it")  # a good change at the same time
    failed = lab.build()
    assert failed.exit_code(False) == 1
    assert all(d.span for d in failed.diagnostics if d.severity == "error")
    assert (tree(public), times(public)) == (before, before_times)
    assert (lab.root / ".magnetgen/forms.json").read_bytes() == forms
    assert lab.build().exit_code(False) == 1, "the fault was forgotten"
    if old is None:
        lab.delete(path)
    else:
        lab.write(path, old)
    oracle.check()


def test_strict_leaves_the_output_for_warnings_too(lab: Rich, oracle: Oracle) -> None:
    oracle.check()
    before, before_times = tree(lab.root / "public"), times(lab.root / "public")
    lab.edit("content/posts/post-7.md", "## Steps", "![](/media/two.png)\n\n## Steps")
    for _ in range(2):
        assert lab.build(strict=True).exit_code(True) == 1
        assert (tree(lab.root / "public"), times(lab.root / "public")) == (before, before_times)
    oracle.check()
    assert lab.build(strict=True).exit_code(True) == 1


# --- several outputs of one site -----------------------------------------------------------------------------------------


def test_two_outputs_do_not_disturb_each_other(lab: Rich, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    wishes: dict[Path, dict[str, object]] = {one: {}, two: {"base_url": "https://two.example/", "drafts": True}}

    def check(out: Path) -> None:
        lab.build(out=str(out), **wishes[out])
        fresh = copy_sources(lab.root, tmp_path / "fresh")
        Rich(fresh).build(out=str(tmp_path / "wanted"), **wishes[out])
        assert differences(tree(out), tree(tmp_path / "wanted")) == []
        assert (lab.root / ".magnetgen/forms.json").read_bytes() == (fresh / ".magnetgen/forms.json").read_bytes()
        shutil.rmtree(fresh)
        shutil.rmtree(tmp_path / "wanted")

    for out in (one, two, one, two):
        check(out)
    lab.delete("content/guide.md")
    check(one)
    assert (two / "guide/index.html").is_file()
    check(two)
    check(one)
    assert not (two / "guide/index.html").exists()


def test_a_relative_out_means_the_folder_it_is_said_in(lab: Rich, tmp_path: Path) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        done = run("--site", lab.root, "--out", "made", cwd=tmp_path / name)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / name / "made/index.html").is_file(), name


def test_a_moved_site_still_knows_what_it_wrote(lab: Rich, tmp_path: Path) -> None:
    lab.build()
    moved = Rich(tmp_path / "elsewhere")
    lab.root.rename(moved.root)
    moved.delete("content/guide.md")
    Oracle(moved, tmp_path).check()


# --- changes while a build runs -------------------------------------------------------------------------------------------


def _during(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> None:
    """Do something once, when all has been read and rendered, and nothing has been moved."""
    original = output.commit

    def commit(*args: object) -> int:
        monkeypatch.setattr(output, "commit", original)
        action()
        return original(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(output, "commit", commit)


@pytest.mark.parametrize(
    "what", ["deleted", "added with an old time", "replaced by an older one", "edited", "template"]
)
def test_what_changes_while_a_build_runs_is_seen_by_the_next(
    what: str, lab: Rich, oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    oracle.check()
    lab.edit("content/posts/post-8.md", "what worked", "what did it")
    actions: dict[str, Callable[[], object]] = {
        "deleted": lambda: lab.delete("content/guide.md"),
        "added with an old time": lambda: lab.write("content/extra.md", page("Moved in.", title="Extra")),
        "replaced by an older one": lambda: lab.write("content/guide.md", page("Older words.", title="Guide")),
        "edited": lambda: (lab.root / "content/guide.md").write_text(page("Newer words.", title="Guide")),
        "template": lambda: lab.write("templates/page.html", '{% extends "lodestone/page.html" %}{% block head %}<!-- x -->{% endblock %}'),
    }  # fmt: skip
    _during(monkeypatch, actions[what])
    lab.build()
    oracle.check()


def test_the_tests_see_the_sources_under_test() -> None:
    import magnetgen

    assert Path(magnetgen.__file__).is_relative_to(ROOT)
