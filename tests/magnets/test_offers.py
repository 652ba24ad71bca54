"""Webinars, discounts, trials, files and links: what the handler is told of each, and what nobody else learns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from icalendar import Calendar

from tests.conftest import Site, page
from tests.magnets.test_front_matter import ABOUT, OTHER

SECRET = "https://meet.example/r00m-4711"
WEBINAR = {
    "title": "Landing pages, live",
    "kind": "webinar",
    "start": "2026-12-04 16:00",
    "timezone": "Europe/Berlin",
    "duration": "45 minutes",
    "join_url": SECRET,
}


def offer(body: str = "", **front: Any) -> str:
    return page(body, **{"description": ABOUT, **front})


def compiled(site: Site) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((site.root / ".magnetgen/forms.json").read_text("utf-8"))
    return data


def everything_public(site: Site) -> str:
    return "\0".join(data.decode("utf-8", "replace") for data in site.files().values())


def test_webinar(site: Site) -> None:
    site.write("content/magnets/talk.md", offer("Bring a page of your own.", **WEBINAR))
    site.ok()
    data = compiled(site)
    entry = data["magnets"]["talk"]
    assert (entry["kind"], entry["title"], entry["assets"]) == ("webinar", "Landing pages, live", ["talk"])
    assert entry["holes"]["join_url"] == SECRET
    assert entry["holes"]["event_time"] == "4 December 2026, 16:00 CET"
    asset = data["assets"]["talk"]
    assert asset["name"] == "landing-pages-live.ics"
    calendar = (site.root / asset["file"]).read_bytes()
    events: list[Any] = Calendar.from_ical(calendar.decode()).walk("VEVENT")
    (event,) = events
    assert event["DTSTART"].dt.isoformat() == "2026-12-04T16:00:00+01:00"
    assert event["DTEND"].dt.isoformat() == "2026-12-04T16:45:00+01:00"
    assert str(event["URL"]) == "https://example.com/talk/"


def test_where_a_webinar_is_joined_stands_in_the_mail_alone(site: Site) -> None:
    site.write("content/magnets/talk.md", offer("Bring a page of your own.", **WEBINAR))
    site.ok()
    data = compiled(site)
    assert SECRET not in everything_public(site)
    assert SECRET.encode() not in (site.root / data["assets"]["talk"]["file"]).read_bytes()
    mail = data["mails"]["deliver:talk"]
    assert "{{join_url}}" in mail["text"] and "{{google_url}}" in mail["html"]
    assert "Bring a page of your own." in mail["text"]
    assert "Bring a page of your own." not in everything_public(site)
    holes = data["magnets"]["talk"]["holes"]
    assert not any(SECRET in value for name, value in holes.items() if name != "join_url")


def test_a_webinar_s_page_tells_search_engines_of_the_event(site: Site) -> None:
    site.write("content/magnets/talk.md", offer("", **WEBINAR))
    site.ok()
    html = site.read("talk/index.html")
    graph = json.loads(html.split('<script type="application/ld+json">')[1].split("</script>")[0])["@graph"]
    event = next(thing for thing in graph if thing["@type"] == "Event")
    assert event["startDate"] == "2026-12-04T16:00:00+01:00"
    assert event["eventAttendanceMode"] == "https://schema.org/OnlineEventAttendanceMode"
    assert event["location"] == {"@type": "VirtualLocation", "url": "https://example.com/talk/"}
    assert "4 December 2026, 16:00 CET, online." in html


def test_calendars_are_linked_where_the_seat_is_confirmed(site: Site) -> None:
    site.write("content/magnets/talk.md", offer("", **WEBINAR))
    site.ok()
    html = site.read("forms/talk/confirmed/index.html")
    assert "https://calendar.google.com/" in html and "outlook" in html
    assert "Add it to my calendar" in html
    assert "calendar.google.com" not in site.read("talk/index.html")


def test_a_webinar_that_is_over(site: Site) -> None:
    site.write("content/magnets/talk.md", offer("", **{**WEBINAR, "start": "2026-05-01 16:00"}))
    found = site.fault("magnet-over")
    assert (found.severity, found.span.line if found.span else 0) == ("warning", 5)


def test_a_build_knows_that_a_webinar_will_be_over(site: Site, tmp_path: Path) -> None:
    """An unchanged site is built again once its webinar has been held."""
    site.write("content/magnets/talk.md", offer("", **WEBINAR))
    site.ok()
    found = site.build(now=1_800_000_000.0).diagnostics
    assert [d.code for d in found] == ["magnet-over"]


def test_one_code_for_all(site: Site) -> None:
    front = {
        "title": "Spring offer",
        "kind": "discount",
        "code": "SPRING20",
        "url": "https://shop.example/",
        "label": "Go to the shop",
    }
    site.write("content/magnets/spring.md", offer("For one order.", **front))
    site.ok()
    data = compiled(site)
    assert data["magnets"]["spring"] == {
        "kind": "discount", "title": "Spring offer", "code": "SPRING20", "url": "https://shop.example/", "label": "Go to the shop",
    }  # fmt: skip
    assert "SPRING20" not in everything_public(site)
    assert "shop.example" not in everything_public(site)
    text = data["mails"]["deliver:spring"]["text"]
    assert "{{code}}" in text and "For one order." in text and "https://shop.example/" in text


def test_single_use_codes(site: Site) -> None:
    site.write("content/magnets/spring.md", offer(title="Spring offer", kind="discount", codes="spring.txt"))
    site.write("content/magnets/spring.txt", "\ufeffA-1\r\n\r\n  B-2  \r\nC 3\r\n")
    site.ok()
    assert compiled(site)["magnets"]["spring"]["codes"] == ["A-1", "B-2", "C 3"]
    assert "B-2" not in everything_public(site)


def test_a_store_that_cannot_promise_single_use_codes(site: Site) -> None:
    site.write("content/magnets/spring.md", offer(title="Spring offer", kind="discount", codes="spring.txt"))
    site.write("content/magnets/spring.txt", "A-1\n")
    found = site.fault("codes-store", target="netlify")
    assert (found.path, found.severity) == ("content/magnets/spring.md", "error")
    assert found.span is not None and (found.span.line, found.span.column) == (5, 8)
    assert not [d for d in site.build(target="cloudflare").diagnostics if d.code == "codes-store"]


def test_the_mail_for_those_who_come_too_late(site: Site) -> None:
    site.write("content/magnets/spring.md", offer(title="Spring offer", kind="discount", codes="spring.txt"))
    site.write("content/magnets/spring.txt", "A-1\n")
    site.write("content/emails/soldout.md", "All gone, {{first_name}}. [End]({{unsubscribe_url}})\n")
    site.ok()
    assert "All gone, {{first_name}}." in compiled(site)["mails"]["soldout"]["text"]
    site.write("content/magnets/spring.md", offer(title="Spring offer", kind="discount", code="A-1"))
    assert site.fault("mail-unused").path == "content/emails/soldout.md"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "there is no code in this file"),
        ("A\nB\nA\n", 3, "this code is also in line 1"),
        ("A,B\n", 1, "this is not one code"),
        ("A\x0cB\n", 1, "this is not one code"),
        ("A\n\u202eB\n", 2, "this is not one code"),
        ("A\n" + "B" * 65 + "\n", 2, "a code has at most 64 characters, this one has 65"),
        (
            "".join(f"C{n}\n" for n in range(10_001)),
            10_001,
            "10,001 codes are more than the 10,000 that a magnet can have",
        ),
    ],
)
def test_codes_that_cannot_be_given(site: Site, text: str, line: int, message: str) -> None:
    site.write("content/magnets/spring.md", offer(title="Spring offer", kind="discount", codes="spring.txt"))
    site.write("content/magnets/spring.txt", text)
    found = site.fault("magnet-codes")
    assert (found.path, found.message) == ("content/magnets/spring.txt", message)
    assert found.span is not None and found.span.line == line


def test_a_trial_and_a_link_lead_where_nobody_else_is_told(site: Site) -> None:
    site.write("content/magnets/trial.md", offer(title="Two weeks", kind="trial", url="https://app.example/start"))
    site.write(
        "content/magnets/talk.md",
        offer(title="The recording", kind="link", url="https://video.example/x", valid_for="7 days"),
    )
    site.build()
    data = compiled(site)
    assert data["magnets"]["trial"] == {"kind": "trial", "title": "Two weeks", "url": "https://app.example/start"}
    assert data["magnets"]["talk"]["valid_for"] == 7 * 86_400
    assert "app.example" not in everything_public(site)
    assert "The link works for 7 days." in data["mails"]["deliver:talk"]["text"]
    assert "The link works for 7 days." in site.read("forms/talk/confirmed/index.html")


def test_an_address_that_is_none_is_not_told(site: Site) -> None:
    site.write("content/magnets/talk.md", offer("", **{**WEBINAR, "join_url": "htps://meet.example/SECRETROOM"}))
    found = site.fault("magnet-url")
    assert "SECRETROOM" not in found.message + found.hint


def test_an_address_goes_over_the_wire(site: Site) -> None:
    url = "https://bücher.example:8443/straße und weg?q=ä#teil".replace(" ", "%20")
    site.write("content/magnets/trial.md", offer(title="Two weeks", kind="trial", url=url))
    site.ok()
    wire = "https://xn--bcher-kva.example:8443/stra%C3%9Fe%20und%20weg?q=%C3%A4#teil"
    assert compiled(site)["magnets"]["trial"]["url"] == wire


def test_a_list_of_codes_is_not_given_away_whole(site: Site) -> None:
    site.write("content/magnets/offer.md", offer(title="Spring offer", kind="discount", codes="spring.txt"))
    site.write("content/magnets/spring.txt", "A-1\n")
    site.write("content/forms/all.md", "---\ntitle: All\nfields: [email]\nbutton: Give me all\nmagnet: spring\n---\n")
    assert site.fault("magnet-unknown").path == "content/forms/all.md"


def test_two_magnets_with_the_same_codes(site: Site) -> None:
    for name in ("one", "two"):
        site.write(f"content/magnets/{name}.md", offer(title=f"Offer {name}", kind="discount", codes="spring.txt"))
    site.write("content/magnets/spring.txt", "A-1\n")
    found = site.fault("magnet-codes")
    assert (found.path, found.message) == ("content/magnets/two.md", "codes of this list are also given by one")


def test_a_file_with_the_name_of_a_format(site: Site) -> None:
    site.write(
        "content/magnets/guide.md", offer("## One\n\nWords.", title="The guide", kind="guide", formats="[epub, pdf]")
    )
    site.ok()
    assert compiled(site)["magnets"]["guide"]["assets"] == ["guide", "guide.epub"]
    site.write("content/magnets/guide.epub.zip", "PK")
    site.write(
        "content/forms/zip.md", "---\ntitle: Z\nfields: [email]\nbutton: Give me that\nmagnet: guide.epub\n---\n"
    )
    assert site.fault("magnet-name").path in ("content/magnets/guide.epub.zip", "content/magnets/guide.md")


def test_codes_for_addresses_that_nobody_confirms(site: Site) -> None:
    site.write("content/magnets/spring.md", offer(title="Spring offer", kind="discount", codes="spring.txt"))
    site.write("content/magnets/spring.txt", "A-1\n")
    site.write("content/forms/fast.md", "---\ntitle: Fast\nfields: [email]\nbutton: Give me one\nmagnet: spring\n---\n")
    found = site.fault("codes-unconfirmed")
    assert (found.path, found.severity, found.span.line if found.span else 0) == ("content/forms/fast.md", "warning", 5)


def test_a_file(site: Site) -> None:
    site.write("content/magnets/sheet.md", offer(title="The sheet", kind="file", file="lead-costs.csv"))
    site.write("content/magnets/lead-costs.csv", "channel,cost\nmail,12\n")
    site.ok()
    data = compiled(site)
    assert data["assets"]["sheet"]["file"] == "content/magnets/lead-costs.csv"
    assert data["assets"]["sheet"]["name"] == "lead-costs.csv"
    assert "channel,cost" not in everything_public(site)


def test_a_file_that_everybody_can_have(site: Site) -> None:
    site.write("content/magnets/sheet.md", offer(title="The sheet", kind="file", file="/media/sheet.csv"))
    site.write("media/sheet.csv", "a,b\n1,2\n")
    found = site.fault("magnet-public")
    assert (found.path, found.hint) == ("content/magnets/sheet.md", "move it into content/magnets/")


def test_a_file_that_is_not_there(site: Site) -> None:
    site.write("content/magnets/sheet.md", offer(title="The sheet", kind="file", file="sheets.csv"))
    site.write("content/magnets/sheet.csv", "a,b\n")
    found = site.fault("magnet-file")
    assert found.hint == "did you mean sheet.csv?"
    assert found.span is not None and (found.span.line, found.span.column) == (5, 7)


def test_a_mail_of_one_s_own_must_have_what_the_form_gives(site: Site) -> None:
    site.write("content/magnets/talk.md", offer("", **WEBINAR))
    site.write("content/emails/deliver-talk.md", "---\nform: talk\n---\n\nCome, [unsubscribe]({{unsubscribe_url}}).\n")
    assert site.fault("mail-hole-missing").message == 'a "deliver" mail needs {{join_url}}'


def test_the_site_s_own_mail_holds_for_files_and_not_for_codes(site: Site) -> None:
    site.write("content/magnets/guide.md", offer("## One\n\nWords.", title="The guide", kind="guide"))
    site.write(
        "content/magnets/spring.md", offer(title="Spring offer", kind="discount", code="SPRING20", description=OTHER)
    )
    site.write(
        "content/emails/deliver.md",
        "---\nsubject: Yours\n---\n\n[Take]({{download_url}}), [end]({{unsubscribe_url}}).\n",
    )
    site.ok()
    mails = compiled(site)["mails"]
    assert "deliver:guide" not in mails and "Take" in mails["deliver"]["text"]
    assert "{{code}}" in mails["deliver:spring"]["text"]
