"""Capture forms: from the declaration to the markup, and to what the handler is given."""

from __future__ import annotations

import json
import re
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest

from magnetgen.forms import contract
from tests.conftest import SETTINGS, Site, page

FULL = """---
title: Get the checklist
fields:
  - email
  - first_name?
  - {name: phone, required: true}
  - {name: budget, type: select, label: Budget, options: [Under 1k, 1k to 10k], required: true}
  - {name: size, type: radio, label: Company size, options: [One, More], help: Roughly.}
  - {name: topics, type: checkbox, label: Topics, options: [SEO, Ads], required: true}
  - {name: agree, type: checkbox, label: I am over 18, required: true}
  - {name: seats, type: number}
  - {name: site, type: url, placeholder: "https://", max: 100}
  - {name: code, type: text, pattern: "[A-Z]{3}", label: "Code <b>"}
  - {name: note, type: textarea, label: Note, max: 300}
  - {name: source, type: hidden, value: guide}
consent:
  - {name: newsletter, text: "Send me one idea a week & more.", required: false}
  - {name: terms, text: I accept the terms., required: true}
button: Send me the checklist
double_opt_in: true
notify: [email:sales@example.com]
---

It is on its way.
"""


class _Reader(HTMLParser):
    """Elements of a page with their attributes, in order, and the text of each label."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.labels: dict[str, str] = {}
        self._label = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "label":
            self._label = dict(attrs).get("for") or ""
            self.labels[self._label] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "label":
            self._label = ""

    def handle_data(self, data: str) -> None:
        if self._label:
            self.labels[self._label] += data


def read(text: str) -> _Reader:
    reader = _Reader()
    reader.feed(text.partition("<main")[2].partition("<script>")[0])
    return reader


def controls(text: str, name: str) -> list[dict[str, str | None]]:
    """The attributes of every control with a name; its tag under `tag`."""
    return [
        {**attrs, "tag": tag}
        for tag, attrs in read(text).elements
        if tag in ("input", "select", "textarea") and attrs.get("name") == name
    ]


@pytest.fixture
def full(site: Site) -> str:
    """The page of the form with everything."""
    site.write("content/forms/checklist.md", FULL)
    site.write("content/a.md", page(form="checklist"))
    site.build()
    return site.read("a/index.html")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "email",
            {
                "tag": "input",
                "type": "email",
                "autocomplete": "email",
                "inputmode": "email",
                "maxlength": "254",
                "required": None,
            },
        ),
        ("first_name", {"tag": "input", "type": "text", "autocomplete": "given-name", "maxlength": "200"}),
        (
            "phone",
            {
                "tag": "input",
                "type": "tel",
                "autocomplete": "tel",
                "inputmode": "tel",
                "maxlength": "40",
                "required": None,
            },
        ),
        ("budget", {"tag": "select", "required": None}),
        ("agree", {"tag": "input", "type": "checkbox", "required": None}),
        ("seats", {"tag": "input", "inputmode": "decimal"}),
        ("site", {"tag": "input", "type": "url", "inputmode": "url", "maxlength": "100", "placeholder": "https://"}),
        ("code", {"tag": "input", "type": "text", "pattern": "[A-Z]{3}"}),
        ("note", {"tag": "textarea", "maxlength": "300"}),
        ("source", {"tag": "input", "type": "hidden", "value": "guide"}),
    ],
)
def test_a_field_has_the_attributes_of_its_kind(full: str, name: str, expected: dict[str, str | None]) -> None:
    (control,) = controls(full, name)
    assert {key: control.get(key, "absent") for key in expected} == expected
    assert ("required" in control) == ("required" in expected)


def test_every_control_that_is_seen_has_a_label_and_an_id_of_its_own(full: str) -> None:
    reader = read(full)
    seen = [
        attrs
        for tag, attrs in reader.elements
        if tag in ("input", "select", "textarea") and attrs.get("type") != "hidden"
    ]
    ids = [attrs["id"] for attrs in seen]
    assert len(ids) == len(set(ids))
    for attrs in seen:
        assert reader.labels[attrs["id"] or ""].strip(), attrs
    assert "Code <b>" in reader.labels["form-checklist-code"]


def test_choices_stand_in_a_fieldset_with_a_legend(full: str) -> None:
    groups = re.findall(r"<fieldset.*?</fieldset>", full, re.S)
    assert len(groups) == 2
    assert re.search(r"<legend>Company size", groups[0])
    assert [c["value"] for c in controls(full, "size")] == ["One", "More"]
    assert [(c["type"], c["value"], "required" in c) for c in controls(full, "topics")] == [
        ("checkbox", "SEO", False), ("checkbox", "Ads", False),
    ]  # fmt: skip
    assert "Roughly." in groups[0]


def test_a_choice_begins_with_none(full: str) -> None:
    select = re.findall(r"<select.*?</select>", full, re.S)[0]
    assert re.findall(r'<option value="([^"]*)"', select) == ["", "Under 1k", "1k to 10k"]
    assert "selected" not in select


def test_consent_is_unticked_and_in_its_own_words(full: str) -> None:
    (newsletter,) = controls(full, "newsletter")
    (terms,) = controls(full, "terms")
    for box in (newsletter, terms):
        assert box["type"] == "checkbox"
        assert "checked" not in box
    assert "required" not in newsletter
    assert "required" in terms
    assert "Send me one idea a week & more." in read(full).labels["form-checklist-newsletter"]


def test_nothing_is_ticked_or_chosen_before_the_visitor_does_it(full: str) -> None:
    assert not [attrs for _, attrs in read(full).elements if "checked" in attrs or "selected" in attrs]


def test_errors_have_a_place_that_the_control_names(full: str) -> None:
    reader = read(full)
    known = {attrs.get("id") for _, attrs in reader.elements}
    for tag, attrs in reader.elements:
        for target in (attrs.get("aria-describedby") or "").split():
            assert target in known, (tag, target)
    assert 'role="status"' in full


def test_the_honeypot_is_hidden_from_everybody_but_robots(full: str) -> None:
    (trap,) = controls(full, "_mg_hp")
    assert (trap["tabindex"], trap["autocomplete"]) == ("-1", "off")
    assert trap.get("type") != "hidden"
    assert re.search(r'<div [^>]*aria-hidden="true"[^>]*>(?:(?!</div>).)*name="_mg_hp"', full, re.S)


def test_the_source_of_a_visit_travels_in_a_hidden_field(full: str) -> None:
    (source,) = controls(full, "_mg_src")
    assert source["type"] == "hidden"
    script = full.rpartition("<script>")[2]
    assert "utm_" in script
    assert "localStorage" not in script
    assert "sessionStorage" not in script
    assert "document.cookie" not in script


def test_a_required_field_is_told_in_words(full: str) -> None:
    labels = read(full).labels
    assert "optional" in labels["form-checklist-first_name"]
    assert "optional" not in labels["form-checklist-email"]


# --- providers ----------------------------------------------------------------------------------------------------


def form_of(site: Site, settings: str = "") -> dict[str, str | None]:
    """The attributes of the one form on a page."""
    site.write("magnetgen.yaml", SETTINGS + settings)
    site.write("content/forms/checklist.md", "---\ntitle: Get it\nfields: [email, name]\n---\n\nThanks.\n")
    site.write("content/a.md", page(form="checklist"))
    site.ok()
    (form,) = [attrs for tag, attrs in read(site.read("a/index.html")).elements if tag == "form"]
    assert (form["method"] or "").lower() == "post"
    return form


@pytest.mark.parametrize(
    ("settings", "action"),
    [
        ("", "/api/forms/checklist"),
        ("handler: {url: leads/v1/}\n", "/leads/v1/forms/checklist"),
        ("handler: {url: https://leads.example/api}\n", "https://leads.example/api/forms/checklist"),
    ],
)
def test_a_form_is_sent_to_the_handler(site: Site, settings: str, action: str) -> None:
    form = form_of(site, settings)
    assert form["action"] == action
    text = site.read("a/index.html")
    assert controls(text, "_mg_v")[0]["value"] == "1"
    assert controls(text, "_mg_t")


def test_a_handler_below_a_path_is_found_below_it(site: Site) -> None:
    site.write("magnetgen.yaml", SETTINGS.replace("example.com", "name.github.io/repo"))
    site.write("content/a.md", page(form="newsletter"))
    site.ok()
    assert 'action="/repo/api/forms/newsletter"' in site.read("a/index.html")
    assert (
        json.loads((site.root / ".magnetgen/forms.json").read_text("utf-8"))["public_url"]
        == "https://name.github.io/repo/api"
    )


def test_netlify_finds_its_form_in_the_markup(site: Site) -> None:
    form = form_of(site, "handler: {provider: netlify-forms}\n")
    text = site.read("a/index.html")
    assert (form["name"], form["data-netlify"], form["netlify-honeypot"]) == ("checklist", "true", "_mg_hp")
    assert form["action"] == "/forms/checklist/thanks/"
    assert controls(text, "form-name")[0]["value"] == "checklist"
    assert controls(text, "_mg_src")
    assert not controls(text, "_mg_t")


def test_an_external_form_is_sent_to_its_address(site: Site) -> None:
    form = form_of(site, "handler: {provider: external, url: 'https://forms.example/f/{form}'}\n")
    text = site.read("a/index.html")
    assert form["action"] == "https://forms.example/f/checklist"
    assert "data-netlify" not in form
    assert [c["type"] for c in controls(text, "email")] == ["email"]
    assert not controls(text, "_mg_v")


@pytest.mark.parametrize("provider", ["magnetgen", "netlify-forms", "external"])
def test_the_fields_are_the_same_for_every_provider(site: Site, provider: str) -> None:
    url = ", url: https://forms.example/" if provider == "external" else ""
    form_of(site, f"handler: {{provider: {provider}{url}}}\n")
    (email,) = controls(site.read("a/index.html"), "email")
    assert (email["type"], email["autocomplete"], email["maxlength"], "required" in email) == (
        "email",
        "email",
        "254",
        True,
    )


# --- challenges ---------------------------------------------------------------------------------------------------


def challenged(site: Site, challenge: str, settings: str = "", more: str = "") -> dict[str, Any]:
    """The form's entry in forms.json, of a site whose one form has a challenge."""
    site.write("magnetgen.yaml", SETTINGS + settings)
    site.write("content/forms/checklist.md", f"---\ntitle: Get it\nfields: [email]\n{challenge}{more}---\nThanks.\n")
    site.write("content/a.md", page(form="checklist"))
    site.build()
    found: dict[str, Any] = json.loads((site.root / ".magnetgen/forms.json").read_text("utf-8"))
    entry: dict[str, Any] = found["forms"]["checklist"]
    return entry


def test_a_proof_of_work_is_the_same_for_page_and_handler(site: Site) -> None:
    entry = challenged(site, "challenge: {kind: proof-of-work, bits: 12}\n", more="per_hour: 40\n")
    assert entry["per_hour"] == 40
    assert entry["challenge"] == {
        "kind": "proof-of-work", "field": "_mg_pow", "hostname": "example.com", "action": "checklist", "bits": 12,
    }  # fmt: skip
    text = site.read("a/index.html")
    (form,) = [attrs for tag, attrs in read(text).elements if tag == "form"]
    assert form["data-mg-challenge"] == "mg1/12/checklist/example.com/"
    assert controls(text, "_mg_pow")[0]["type"] == "hidden"
    assert "<noscript>" in text and "solvers.mg1=" in text and "solvers.turnstile" not in text
    assert "cloudflare" not in text


def test_the_short_form_of_a_challenge(site: Site) -> None:
    assert challenged(site, "challenge: proof-of-work\n")["challenge"]["bits"] == contract.PROOF_BITS


def test_turnstile_shows_its_widget_and_loads_its_script_there_only(site: Site) -> None:
    entry = challenged(site, "challenge: {kind: turnstile, sitekey: 0x4AAA, secret_env: CF}\n")
    assert entry["challenge"] == {
        "kind": "turnstile", "field": "_mg_turnstile", "hostname": "example.com", "action": "checklist",
        "secret_env": "CF",
    }  # fmt: skip
    text = site.read("a/index.html")
    (widget,) = [attrs for _, attrs in read(text).elements if attrs.get("class") == "cf-turnstile"]
    assert (widget["data-sitekey"], widget["data-action"]) == ("0x4AAA", "checklist")
    assert widget["data-response-field-name"] == "_mg_turnstile"
    assert text.count('<script src="https://challenges.cloudflare.com/turnstile/v0/api.js" async defer>') == 1
    assert "solvers.turnstile" in text and "solvers.mg1=" not in text and not controls(text, "_mg_pow")
    assert "cloudflare" not in site.read("forms/checklist/thanks/index.html")
    assert "0x4AAA" not in json.dumps(entry)


def test_without_a_challenge_nothing_of_it_is_compiled(site: Site) -> None:
    entry = challenged(site, "")
    assert "challenge" not in entry and "per_hour" not in entry
    assert "solvers" not in site.read("a/index.html")


def test_another_provider_gets_no_challenge(site: Site) -> None:
    challenged(site, "challenge: proof-of-work\n", "handler: {provider: netlify-forms}\n")
    text = site.read("a/index.html")
    assert "challenge" not in text and "solvers" not in text and "<noscript>" not in text and "_mg_pow" not in text


def test_an_embedded_form_brings_its_script_wherever_it_stands(site: Site) -> None:
    embed = "![Get it](form:checklist)"
    site.write("content/blocks/offer.md", embed + "\n")
    site.write("content/block.md", page("Words.\n\n![](block:offer)", title="By a block"))
    site.write("content/land.md", page(f"Words.\n\n## Get it {{.form}}\n\n{embed}", title="Land", layout="landing"))
    site.write("content/posts/index.md", page(embed, title="Posts", form="false"))
    site.write("content/posts/one.md", page(date="2025-05-08", title="One", form="false"))
    challenged(site, "challenge: proof-of-work\n")
    site.write(
        "content/forms/checklist.md", site.root.joinpath("content/forms/checklist.md").read_text() + f"\n{embed}\n"
    )
    site.build()
    for path in ("block", "land", "posts", "forms/checklist", "forms/checklist/thanks", "a"):
        text = site.read(f"{path}/index.html")
        assert (text.count('data-mg-challenge="mg1'), text.count("solvers.mg1=")) == (1, 1), path
    assert "solvers" not in site.read("posts/one/index.html")


def test_a_challenge_that_comes_or_goes_makes_its_pages_anew(site: Site) -> None:
    challenged(site, "")
    challenged(site, "challenge: proof-of-work\n")
    assert "solvers.mg1=" in site.read("a/index.html")
    challenged(site, "challenge: {kind: proof-of-work, bits: 9}\n")
    assert "mg1/9/" in site.read("a/index.html")
    challenged(site, "")
    assert "solvers" not in site.read("a/index.html")


# --- where forms stand --------------------------------------------------------------------------------------------


def test_without_any_form_posts_carry_the_newsletter(site: Site) -> None:
    site.write("content/posts/a.md", page(date="2025-05-08"))
    site.write("content/about.md", page("We are us.", title="Us"))
    site.ok()
    text = site.read("posts/a/index.html")
    assert 'action="/api/forms/newsletter"' in text
    (consent,) = [attrs for tag, attrs in read(text).elements if attrs.get("type") == "checkbox"]
    assert "checked" not in consent
    assert "/api/forms/" not in site.read("about/index.html")
    assert (site.root / "public/forms/newsletter/thanks/index.html").is_file()


def test_a_post_can_do_without_a_form(site: Site) -> None:
    site.write("content/posts/a.md", page(date="2025-05-08", form="false"))
    site.ok()
    assert "<form" not in site.read("posts/a/index.html")


def test_a_site_that_declares_a_form_still_builds_its_unedited_posts(site: Site) -> None:
    site.write("content/forms/checklist.md", "---\ntitle: Get it\nfields: [email]\n---\n")
    site.write("content/posts/a.md", page(date="2025-05-08"))
    assert [d.code for d in site.build().diagnostics if d.severity == "error"] == []


def test_a_form_of_the_sites_own_can_be_called_newsletter(site: Site) -> None:
    site.write("content/forms/newsletter.md", "---\ntitle: Our letter\nfields: [email, first_name?]\n---\n\nHello.\n")
    site.write("content/posts/a.md", page(date="2025-05-08"))
    site.ok()
    assert controls(site.read("posts/a/index.html"), "first_name")
    assert "Hello." in site.read("forms/newsletter/thanks/index.html")


def test_a_form_can_be_written_into_a_page(site: Site) -> None:
    site.write(
        "content/offers/guide.md", page(form="{title: Get the guide, fields: [email, company?], button: Send it}")
    )
    site.ok()
    text = site.read("offers/guide/index.html")
    (form,) = [attrs for tag, attrs in read(text).elements if tag == "form"]
    name = (form["action"] or "").rpartition("/")[2]
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", name)
    assert controls(text, "company")[0]["autocomplete"] == "organization"
    assert "Send it</button>" in text
    forms = json.loads((site.root / ".magnetgen/forms.json").read_text("utf-8"))["forms"]
    assert list(forms) == [name]
    assert (site.root / f"public/forms/{name}/thanks/index.html").is_file()


def test_two_inline_forms_whose_pages_have_nearly_one_name_are_both_kept(site: Site) -> None:
    for number, name in enumerate(("a/b", "a-b", "über", "ber")):
        site.write(
            f"content/{name}.md",
            page(f"Words {number}.", title=f"P{number}", form=f"{{title: Form {number}, fields: [email]}}"),
        )
    result = site.build()
    if not result.failed:
        shown = {re.findall(r'<form [^>]*action="([^"]*)"', data.decode())[0] for name, data in site.files().items()
                 if name in ("a/b/index.html", "a-b/index.html", "über/index.html", "ber/index.html")}  # fmt: skip
        assert len(shown) == 4
        forms = json.loads((site.root / ".magnetgen/forms.json").read_text("utf-8"))["forms"]
        assert {f["title"] for f in forms.values()} == {f"Form {n}" for n in range(4)}


def test_an_inline_form_that_takes_the_name_of_another_is_an_error_and_not_swallowed(site: Site) -> None:
    site.write("content/forms/guide.md", "---\ntitle: The file's\nfields: [email]\n---\n")
    site.write("content/guide.md", page(form="{title: The page's, fields: [email, company]}"))
    result = site.build()
    assert result.failed or "The page's" in unescape(site.read("guide/index.html"))


@pytest.mark.parametrize("written", ["[Get it](form:checklist)", "**[Get it](form:checklist)**"])
def test_a_link_to_a_form_that_is_not_on_the_page_leads_to_it(site: Site, written: str) -> None:
    site.write("content/forms/checklist.md", "---\ntitle: Get it\nfields: [email]\n---\n\nThanks.\n")
    site.write("content/a.md", page(f"Words.\n\n{written}"))
    site.ok()
    address = re.findall(r'<a href="([^"]*)"[^>]*>Get it</a>', site.read("a/index.html"))[0]
    path, _, anchor = address.partition("#")
    assert f'id="{anchor}"' in site.read(path.lstrip("/") + "index.html")


def test_a_link_to_a_form_leads_to_the_landing_page_that_shows_it(site: Site) -> None:
    site.write("content/forms/checklist.md", "---\ntitle: Get it\nfields: [email]\n---\n\nThanks.\n")
    site.write("content/a.md", page("Words.\n\n[Get it](form:checklist)"))
    site.write("content/offer.md", page("Hero.", title="Offer", layout="landing", form="checklist"))
    site.ok()
    assert 'href="/offer/#form-checklist"' in site.read("a/index.html")
    assert 'id="form-checklist"' in site.read("offer/index.html")


def test_a_link_to_a_form_on_the_same_page_stays_on_it(site: Site) -> None:
    site.write("content/forms/checklist.md", "---\ntitle: Get it\nfields: [email]\n---\n\nThanks.\n")
    site.write("content/a.md", page("[Get it](form:checklist)\n\n![Get it](form:checklist)"))
    site.build()
    assert 'href="#form-checklist"' in site.read("a/index.html")


def test_a_thank_you_page_of_the_sites_own_replaces_the_generated_one(site: Site) -> None:
    site.write("content/forms/checklist.md", "---\ntitle: Get it\nfields: [email]\nthanks: /welcome/\n---\n")
    site.write("content/welcome.md", page("Welcome aboard.", title="Welcome", noindex="true"))
    site.ok()
    assert not (site.root / "public/forms/checklist/thanks").exists()
    forms = json.loads((site.root / ".magnetgen/forms.json").read_text("utf-8"))["forms"]
    assert forms["checklist"]["next"] == "https://example.com/welcome/"


def test_the_privacy_page_is_linked_beside_the_consent(site: Site) -> None:
    site.write("magnetgen.yaml", SETTINGS + "privacy_url: /privacy/\n")
    site.write("content/privacy.md", page("We keep little.", title="Privacy"))
    site.write("content/posts/a.md", page(date="2025-05-08"))
    site.ok()
    form = re.findall(r"<form .*?</form>", site.read("posts/a/index.html"), re.S)[0]
    assert 'href="/privacy/"' in form


# --- forms.json ---------------------------------------------------------------------------------------------------


def compiled(site: Site) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((site.root / ".magnetgen/forms.json").read_text("utf-8"))
    return data


def test_the_handler_is_given_what_the_format_says(site: Site) -> None:
    site.write(
        "magnetgen.yaml",
        SETTINGS
        + "handler:\n  destinations:\n    - {name: crm, kind: webhook, url_env: CRM_URL, secret_env: CRM_SECRET}\n",
    )
    site.write("content/forms/checklist.md", FULL.replace("notify: [", "magnet: sheet\nmin_seconds: 3\nnotify: [crm, "))
    site.write("content/magnets/sheet.pdf", b"%PDF-1.7")
    site.build()
    data = compiled(site)
    assert set(data) == {
        "title",
        "words",
        "v",
        "base_url",
        "public_url",
        "origins",
        "forms",
        "assets",
        "mails",
        "pages",
        "destinations",
    }
    assert (data["v"], data["base_url"], data["public_url"]) == (1, "https://example.com/", "https://example.com/api")
    assert data["origins"] == ["https://example.com"]
    assert data["destinations"] == [
        {"name": "crm", "kind": "webhook", "url_env": "CRM_URL", "secret_env": "CRM_SECRET"}
    ]
    form = data["forms"]["checklist"]
    assert set(form) >= {
        "fields",
        "consent",
        "next",
        "confirmed",
        "back",
        "double_opt_in",
        "min_seconds",
        "magnet",
        "notify",
    }
    assert (form["double_opt_in"], form["min_seconds"], form["magnet"]) == (True, 3, "sheet")
    assert form["notify"] == ["crm", "email:sales@example.com"]
    assert form["next"] == "https://example.com/forms/checklist/thanks/"
    assert form["confirmed"] == "https://example.com/forms/checklist/confirmed/"
    fields = {field["name"]: field for field in form["fields"]}
    assert list(fields) == [
        "email",
        "first_name",
        "phone",
        "budget",
        "size",
        "topics",
        "agree",
        "seats",
        "site",
        "code",
        "note",
        "source",
    ]
    assert (fields["email"]["type"], fields["email"]["required"], fields["email"]["max"]) == ("email", True, 254)
    assert fields["budget"]["options"] == ["Under 1k", "1k to 10k"]
    assert fields["code"]["pattern"] == "[A-Z]{3}"
    assert form["consent"][0] == {"name": "newsletter", "text": "Send me one idea a week & more.", "required": False}
    assert "sheet" in data["assets"]


def test_the_addresses_given_to_the_handler_are_pages_of_the_site(site: Site) -> None:
    site.write("content/forms/checklist.md", FULL)
    site.write("content/a.md", page(form="checklist"))
    site.build()
    form = compiled(site)["forms"]["checklist"]
    for key in ("next", "confirmed", "back"):
        path = form[key].partition("#")[0].removeprefix("https://example.com/")
        assert (site.root / "public" / path / "index.html").is_file(), key


def test_nothing_private_is_published(site: Site) -> None:
    site.write("content/forms/checklist.md", FULL.replace("notify: [", "magnet: sheet\nnotify: [secret-crm, "))
    site.write(
        "magnetgen.yaml", SETTINGS + "handler: {destinations: [{name: secret-crm, kind: webhook, url_env: CRM_URL}]}\n"
    )
    site.write("content/magnets/sheet.pdf", b"%PDF the treasure")
    site.write("content/magnets/book.md", "---\ntitle: Book\nkind: ebook\n---\n\nThe treasure of words.\n")
    site.write(
        "content/emails/deliver.md", "---\nsubject: Here\n---\n\nThe treasure mail: [get it]({{download_url}}).\n"
    )
    site.build()
    files = site.files()
    assert files
    for name, data in files.items():
        assert b"treasure" not in data, name
        assert b"sales@example.com" not in data, name
        assert b"secret-crm" not in data, name
        assert b"CRM_URL" not in data, name
        assert "forms.json" not in name


def test_the_same_site_gives_the_same_forms_json(site: Site) -> None:
    site.write("content/forms/checklist.md", FULL)
    site.build()
    before = (site.root / ".magnetgen/forms.json").read_bytes()
    site.build(clean=True)
    assert (site.root / ".magnetgen/forms.json").read_bytes() == before


def test_a_form_that_only_a_failed_build_saw_is_not_given_to_the_handler(site: Site) -> None:
    site.write("content/forms/checklist.md", FULL)
    site.build()
    before = (site.root / ".magnetgen/forms.json").read_bytes()
    site.write("content/forms/other.md", FULL)
    site.write("content/a.md", page("[x](nowhere.md)"))
    assert site.build().failed
    assert (site.root / ".magnetgen/forms.json").read_bytes() == before


def test_the_state_folder_keeps_itself_out_of_version_control(site: Site) -> None:
    site.ok()
    assert (site.root / ".magnetgen/.gitignore").read_text("utf-8").strip() == "*"


# --- the contract by itself ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(contract.TYPES))
def test_every_type_of_field_has_attributes_with_its_name_and_limit(kind: str) -> None:
    field = contract.Field("x", kind, "X", max=7, options=("a", "b") if kind in ("select", "radio") else ())
    attrs = contract.attributes(field)
    assert attrs["name"] == "x"
    if kind in ("email", "text", "tel", "url", "number", "textarea"):
        assert attrs["maxlength"] == "7"
    assert "required" not in attrs


@pytest.mark.parametrize("name", sorted(contract.SHORTHANDS))
def test_every_shorthand_has_a_label_and_a_type(name: str) -> None:
    field = contract.SHORTHANDS[name]
    assert field.label
    assert field.type in contract.TYPES
    assert contract.FIELD_NAME.fullmatch(name)


@pytest.mark.parametrize("pattern", ["(a+)+", "(?i)x", r"(a)\1", r"\N{DIGIT ONE}", "[", "(a|b)*c*(d{2,})+", "x" * 300])
def test_a_pattern_that_is_slow_or_not_read_alike_is_an_error(site: Site, pattern: str) -> None:
    field = json.dumps({"name": "code", "type": "text", "pattern": pattern})
    site.write("content/forms/checklist.md", f"---\ntitle: Get it\nfields: [email, {field}]\n---\n")
    found = site.fault("form-pattern")
    assert (found.severity, found.path, found.span and found.span.line) == ("error", "content/forms/checklist.md", 3)


def test_a_page_of_the_site_that_serves_as_thank_you_page_has_the_download(site: Site) -> None:
    site.write("content/magnets/list.txt", "All of it.\n")
    site.write("content/welcome.md", page("It is yours.", title="Welcome"))
    form = "---\ntitle: The list\nfields: [email]\nbutton: Send it to me\nmagnet: list\nthanks: /welcome/\n{more}---\n"
    site.write("content/forms/list.md", form.format(more=""))
    site.build()
    assert 'data-mg-download="/api/download/"' in site.read("welcome/index.html")
    site.write("content/forms/list.md", form.format(more="double_opt_in: true\n"))
    site.build()
    assert "data-mg-download" not in site.read("welcome/index.html")
    assert 'data-mg-download="/api/download/"' in site.read("forms/list/confirmed/index.html")
