"""Landing pages: the text before the first `##` is the hero, and every `##` starts a section of its kind."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from magnetgen import markdown
from magnetgen.sections import Misfit, after_first_third, split
from magnetgen.views import SectionView
from tests.conftest import SETTINGS, Site, page
from tests.unit.test_faults import FORM, picture


def parts(body: str, engine: str = "pyromark") -> tuple[tuple[SectionView, ...], list[Misfit]]:
    return split(markdown.fragment(body, markdown.engine(engine)).html, "Leads")


def only(body: str) -> SectionView:
    """The one section behind the hero, which must fit its kind."""
    sections, misfits = parts(body)
    assert not misfits
    assert len(sections) == 2
    return sections[1]


def words(markup: object) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", str(markup)).split())


def test_the_text_before_the_first_heading_is_the_hero_with_the_title() -> None:
    sections, misfits = parts("Words first.\n\n**[Get it](/offer/)**\n\n[Or read on](/more/)\n\n## Next\n\nMore.")
    hero = sections[0]
    assert not misfits
    assert (hero.kind, hero.title) == ("hero", "Leads")
    assert words(hero.body) == "Words first. Get it Or read on"
    assert 'class="button"' in hero.body


def test_a_page_without_any_heading_is_all_hero() -> None:
    sections, _ = parts("Words only.")
    assert [section.kind for section in sections] == ["hero"]


def test_the_title_is_escaped() -> None:
    sections, _ = split("<p>Words.</p>", 'Leads & <b>"more"</b>')
    assert "<b>" not in sections[0].title


@pytest.mark.parametrize("engine", ["pyromark", "python-markdown"])
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("## A\n\n> One.\n>\n> — Ana, CEO, Acme", "testimonials"),
        ("## A\n\n> One.\n>\n> — Ana\n\n<!-- -->\n\n> Two.\n>\n> — Ben", "testimonials"),
        ("## A\n\n### Why?\n\nSo.\n\n### How?\n\nThus.", "faq"),
        ("## A\n\n### Why?\n\nSo.\n\n### How\n\nThus.", "prose"),
        ("## A\n\nWords.\n\n> One.\n>\n> — Ana", "prose"),
        ("## A\n\n- **One.** Words", "prose"),
        ("## A", "prose"),
    ],
)
def test_a_section_without_a_class_is_guessed_from_what_is_in_it(engine: str, body: str, kind: str) -> None:
    sections, _ = parts(f"Hero.\n\n{body}", engine)
    assert sections[1].kind == kind


@pytest.mark.parametrize("kind", ["features", "stats"])
@pytest.mark.parametrize(
    "items",
    ["- **Fast.** It is quick.\n- **Small.** It is *light*.", "* **Fast** It is quick.\n\n* **Small:** It is *light*.",
     "### Fast\n\nIt is quick.\n\n### Small\n\nIt is *light*."],
)  # fmt: skip
def test_features_and_figures_are_a_list_or_headings(kind: str, items: str) -> None:
    section = only(f"Hero.\n\n## Why {{.{kind}}}\n\nFirst a word.\n\n{items}")
    assert (section.kind, section.id, section.title) == (kind, "why", "Why")
    assert [words(item.title) for item in section.items] == ["Fast", "Small"]
    assert [words(item.body) for item in section.items] == ["It is quick.", "It is light ."]
    assert words(section.body) == "First a word."


def test_steps_are_an_ordered_list() -> None:
    section = only("Hero.\n\n## How {.steps}\n\n1. **Ask.** For one thing.\n2. **Give.** At once.")
    assert [words(item.title) for item in section.items] == ["Ask", "Give"]
    assert parts("Hero.\n\n## How {.steps}\n\n- **Ask.** For one thing.")[1]


def test_a_figure_is_what_stands_in_bold() -> None:
    section = only("Hero.\n\n## Figures {.stats}\n\n- **47%** of visitors\n- **3 of 4** leads")
    assert [(words(i.title), words(i.body)) for i in section.items] == [("47%", "of visitors"), ("3 of 4", "leads")]


def test_a_quote_ends_with_who_says_it() -> None:
    section = only("Hero.\n\n## They say {.testimonials}\n\n> It works.\n> Really.\n>\n> — Ana Ruiz, CEO, Acme & Co")
    (item,) = section.items
    assert words(item.body) == "It works. Really."
    assert (words(item.title), item.meta) == ("Ana Ruiz", "CEO, Acme & Co")


def test_a_quote_may_be_signed_in_its_last_line() -> None:
    section = only("Hero.\n\n## They say {.testimonials}\n\n> It works.\\\n> — Ana Ruiz")
    (item,) = section.items
    assert (words(item.body), words(item.title), item.meta) == ("It works.", "Ana Ruiz", "")


def test_logos_are_pictures_in_one_paragraph() -> None:
    section = only(
        "Hero.\n\n## Trusted {.logos}\n\n![Acme](/a.png) ![Bee](/b.png)\n[![Sea](/c.png)](https://sea.example/)"
    )
    assert len(section.items) == 3
    assert [re.findall(r'alt="([^"]*)"', str(item.image)) for item in section.items] == [["Acme"], ["Bee"], ["Sea"]]
    assert "https://sea.example/" in section.items[2].image


def test_a_plan_has_a_price_a_list_and_a_button() -> None:
    section = only(
        "Hero.\n\n## Prices {.pricing}\n\n### Solo\n\n€9 a month\n\n- One site\n\n**[Start](/start/)**\n\n### Team\n\n€29\n\nAll."
    )
    assert [(words(i.title), i.meta) for i in section.items] == [("Solo", "€9 a month"), ("Team", "€29")]
    assert words(section.items[0].body) == "One site Start"
    assert 'class="button"' in section.items[0].body


def test_questions_have_answers() -> None:
    section = only("Hero.\n\n## Questions {.faq}\n\n### Is it *free*?\n\nYes.\n\n- Really.\n\n### Why?\n\nSo.")
    assert [words(i.title) for i in section.items] == ["Is it free ?", "Why?"]
    assert words(section.items[0].body) == "Yes. Really."


def test_a_comparison_is_a_table() -> None:
    assert "<table>" in only("Hero.\n\n## Us and them {.comparison}\n\n| A | B |\n|---|---|\n| 1 | 2 |").body


def test_a_team_has_names_pictures_and_texts() -> None:
    section = only("Hero.\n\n## Us {.team}\n\n### Ana\n\n![Ana](/a.png)\n\nShe writes.\n\n### Ben\n\nHe draws.")
    assert [(words(i.title), words(i.body), "a.png" in i.image) for i in section.items] == [
        ("Ana", "She writes.", True), ("Ben", "He draws.", False),
    ]  # fmt: skip


def test_a_video_is_a_link_alone_in_its_paragraph() -> None:
    film = only("Hero.\n\n## See {.video}\n\n[How it works](/media/how.mp4)\n\nWords.").body
    assert re.search(r'<video [^>]*controls[^>]*src="/media/how.mp4"', film)
    elsewhere = only("Hero.\n\n## See {.video}\n\n[How it works](https://video.example/1)").body
    assert "<iframe" not in elsewhere
    assert 'href="https://video.example/1"' in elsewhere


@pytest.mark.parametrize(
    ("kind", "body"),
    [("features", "Words."), ("features", "- plain\n- items"), ("steps", "- **A.** b"), ("stats", "Words."), ("testimonials", "> No name."),
     ("testimonials", "Words."), ("logos", "Words."), ("pricing", "- 9"), ("pricing", "### Solo\n\n- no price"), ("faq", "Words."),
     ("comparison", "Words."), ("team", "Words."), ("video", "See [this](/x.mp4) now."), ("form", "Words.")],
)  # fmt: skip
def test_what_does_not_fit_its_kind_is_told_and_shown_as_prose(kind: str, body: str) -> None:
    sections, misfits = parts(f"Hero.\n\n## Part {{.{kind}}}\n\n{body}")
    assert [m.code for m in misfits] == ["section-shape"]
    assert misfits[0].hint
    assert sections[1].kind == "prose"
    assert words(sections[1].body)
    assert not sections[1].items


def test_nothing_that_was_written_is_lost(site: Site) -> None:
    kinds = [
        "hero",
        "features",
        "steps",
        "stats",
        "testimonials",
        "logos",
        "pricing",
        "faq",
        "comparison",
        "team",
        "video",
        "prose",
    ]
    blocks = "Before zza.\n\n- **Zzb.** zzc\n\n### Zzd\n\nzze\n\n> zzf\n>\n> — Zzg, zzh\n\nAfter zzi.\n\n1. **Zzj.** zzk\n\n| zzl |\n|---|\n| zzm |"
    for kind in kinds:
        site.write(
            f"content/{kind}x.md",
            page(f"Hero of {kind}.\n\n## Part {{.{kind}}}\n\n{blocks}", title=kind, layout="landing"),
        )
    site.build()
    for kind in kinds:
        text = site.read(f"{kind}x/index.html").lower()
        lost = [word for word in ("zz" + letter for letter in "abcdefghijklm") if word not in text]
        assert not lost, (kind, lost)


def test_headings_of_a_landing_page_keep_their_order_below_one_first_level(site: Site) -> None:
    body = (
        "Hero.\n\n## Why {.features}\n\n- **Fast.** Quick.\n\n## Prices {.pricing}\n\n### Solo\n\n€9\n\n#### Terms\n\nFew.\n\n"
        "## Questions {.faq}\n\n### Is it free?\n\nYes.\n\n## They say\n\n> It works.\n>\n> — Ana\n\n## Last\n\nWords.\n\n### Deep\n\nWords."
    )
    site.write("content/a.md", page(body, layout="landing", form="newsletter"))
    site.ok()
    levels = [int(level) for level in re.findall(r"<h([1-6])", site.read("a/index.html"))]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels)), levels


def test_a_landing_page_with_a_form_ends_in_a_form_section(site: Site) -> None:
    site.write("content/forms/checklist.md", FORM)
    site.write("content/a.md", page("Hero.\n\n## Why\n\nWords.", layout="landing", form="checklist"))
    site.ok()
    text = site.read("a/index.html")
    assert text.count("data-mg-form") >= 1
    assert len(re.findall(r"<form [^>]*action=", text)) == 1
    assert text.index('id="form-checklist"') > text.index("Why")
    assert "s-form" in text


@pytest.mark.parametrize(
    "place",
    [
        "Hero.\n\n![Get it](form:checklist)\n\n## Why\n\nWords.",
        "Hero.\n\n## Get it {.form}\n\nWords.\n\n![Get it](form:checklist)",
    ],
)
def test_a_landing_page_that_embeds_its_form_shows_it_once(site: Site, place: str) -> None:
    site.write("content/forms/checklist.md", FORM)
    site.write("content/a.md", page(place, layout="landing", form="checklist"))
    site.ok()
    text = site.read("a/index.html")
    assert len(re.findall(r"<form [^>]*action=", text)) == 1
    assert "<p><section" not in text


def test_a_form_embedded_twice_has_ids_of_its_own_each_time(site: Site) -> None:
    site.write("content/forms/checklist.md", FORM)
    site.write(
        "content/a.md",
        page("Hero.\n\n![Get it](form:checklist)\n\n## Again\n\n![Get it](form:checklist)", layout="landing"),
    )
    site.ok()
    text = site.read("a/index.html")
    found = re.findall(r'\sid="([^"]+)"', text)
    assert len(re.findall(r"<form [^>]*action=", text)) == 2
    assert len(found) == len(set(found))


def test_every_id_of_a_page_is_given_once(site: Site) -> None:
    site.write("content/forms/checklist.md", FORM)
    body = "Hero.\n\n## Form checklist\n\nWords.\n\n## Form-checklist-email\n\nWords.\n\n## Form checklist title\n\n![Get it](form:checklist)"
    site.write("content/a.md", page(body, layout="landing", form="checklist"))
    site.build()
    found = re.findall(r'\sid="([^"]+)"', site.read("a/index.html"))
    assert len(found) == len(set(found)), sorted(found)


def test_the_picture_of_a_landing_page_stands_beside_the_hero(site: Site) -> None:
    site.write("media/f.png", picture(40, 30))
    site.write(
        "content/a.md", page("Hero.\n\n## Why\n\nWords.", layout="landing", image="/media/f.png", image_alt="A funnel")
    )
    site.ok()
    text = site.read("a/index.html")
    (tag,) = re.findall(r'<img[^>]*fetchpriority="high"[^>]*>', text)
    assert 'alt="A funnel"' in tag
    assert 'loading="lazy"' not in tag
    assert text.index(tag) < text.index("Why</h2>")


def test_a_block_is_put_in_where_it_is_named(site: Site) -> None:
    site.write("content/blocks/proof.md", "## They say\n\n> It works.\n>\n> — Ana\n")
    site.write("content/a.md", page("Hero.\n\n![](block:proof)\n\n## Last\n\nWords.", layout="landing"))
    site.ok()
    text = site.read("a/index.html")
    assert "s-testimonials" in text
    assert text.index("They say") < text.index("Last")
    assert "block:" not in text


def test_a_block_of_blocks_that_name_each_other_is_an_error_and_ends(site: Site) -> None:
    site.write("content/blocks/one.md", "One.\n\n![](block:two)\n")
    site.write("content/blocks/two.md", "Two.\n\n![](block:one)\n")
    site.write("content/a.md", page("Words.\n\n![](block:one)"))
    found = site.build().diagnostics
    assert [d.severity for d in found] == ["error"]
    assert found[0].path.startswith("content/blocks/")


def test_a_link_in_a_block_is_checked_at_its_place_in_the_block(site: Site) -> None:
    site.write("content/blocks/proof.md", "Words.\n\nSee [more](/nowhere/).\n")
    site.write("content/a.md", page("Words.\n\n![](block:proof)"))
    found = site.fault("link-broken")
    assert (found.path, found.span and (found.span.line, found.span.column)) == ("content/blocks/proof.md", (3, 12))


def test_what_is_put_in_after_a_third_never_stands_behind_a_heading() -> None:
    html = "<p>" + "a " * 50 + "</p><h2>Two</h2><p>" + "b " * 50 + "</p><p>" + "c " * 50 + "</p>"
    text = after_first_third(html, "<aside>X</aside>")
    assert text.count("<aside>X</aside>") == 1
    assert "</h2>\n<aside>" not in text
    assert not text.startswith("<aside>")


@pytest.mark.parametrize("html", ["", "<h2>One</h2>", "<p>One</p>"])
def test_what_is_put_in_stands_in_any_text_once(html: str) -> None:
    assert after_first_third(html, "<aside>X</aside>").count("<aside>X</aside>") == 1


def test_a_post_carries_its_call_to_action_after_the_first_third(site: Site) -> None:
    site.write("magnetgen.yaml", SETTINGS + "ctas: {demo: {label: Book a demo, url: https://cal.example.com/}}\n")
    body = "\n\n".join(f"Paragraph {number} has some words in it." for number in range(9))
    site.write("content/posts/a.md", page(body, date="2025-05-08", cta="demo", inline_cta="true"))
    site.ok()
    text = site.read("posts/a/index.html")
    first = text.index("https://cal.example.com/")
    assert text.index("Paragraph 1") < first < text.index("Paragraph 6")
    assert text.rindex("https://cal.example.com/") > text.index("Paragraph 8")
