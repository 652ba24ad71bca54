"""The sites of generated requests: every kind of form, field and destination, and addresses that lie otherwise."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tests.forms.data import EMAIL, NAME, NOW, document, form

FORMS = (
    "plain", "news", "double", "book", "shut", "all", "proof", "turn", "small", "stored", "lost", "gated", "quick",
    "guide", "spring", "trial", "beta", "late",
)  # fmt: skip
"""Names of the forms. `a` of 64 letters is one more."""
LONGEST = "a" * 64
BITS = 6
OWNER = "email:sales@site.example"

FIELDS: list[dict[str, Any]] = [
    {**EMAIL, "max": 60},
    {"name": "message", "type": "textarea", "label": "Your <message>", "max": 5000},
    {"name": "size", "type": "select", "options": ["S", "L", "Ünder 1k", "a & b", "yes"], "max": 200},
    {"name": "colour", "type": "radio", "label": "Colour", "options": ["red", "blue "], "max": 200},
    {"name": "tags", "type": "checkbox", "options": ["a", "b", "c", "😀"], "max": 3, "required": False},
    {"name": "agree", "type": "checkbox", "max": 200},
    {"name": "once", "type": "checkbox", "options": ["I do"], "max": 200},
    {"name": "site", "type": "url", "max": 2048},
    {"name": "git", "type": "url", "pattern": r"https://git\.example/.+", "max": 99},
    {"name": "budget", "type": "number", "max": 40},
    {"name": "year", "type": "number", "pattern": r"[12]\d{3}", "max": 40},
    {"name": "code", "type": "text", "pattern": "[A-Z]{3}", "max": 200},
    {"name": "word", "type": "text", "pattern": r"\w+ ?\S*", "max": 20},
    {"name": "line", "type": "text", "pattern": r".{2,4}|[^a-z0-9]|\s\D", "max": 20},
    {"name": "phone", "type": "tel", "label": "Phone", "max": 10},
    {"name": "ref", "type": "hidden", "value": "x", "max": 5},
    {"name": "wide", "type": "text", "max": 8192},
    {"name": "constructor", "type": "text", "max": 8},
    {"name": "last", "type": "text"},
]

_NEWS = [
    {"name": "letters", "text": "Send me news – weekly.", "required": True},
    {"name": "calls", "text": "Call me.", "required": False},
]


def _forms() -> dict[str, Any]:
    return {
        "plain": form(name="plain", notify=["crm", OWNER]),
        "news": form(name="news", consent=_NEWS, notify=["chat", OWNER], title="News & <more>"),
        "double": form(name="double", double_opt_in=True, consent=_NEWS[1:], notify=["crm"]),
        "book": form(name="book", magnet="book", min_seconds=0, notify=["list"]),
        "shut": form(name="shut", double_opt_in=True, magnet="book", notify=[OWNER, "hub"]),
        "all": form(name="all", fields=FIELDS, consent=_NEWS[1:]),
        "proof": form(
            name="proof",
            challenge={"kind": "proof-of-work", "bits": BITS, "hostname": "site.example", "action": "proof"},
        ),
        "turn": form(name="turn", challenge={"kind": "turnstile", "secret_env": "NO_SUCH_SECRET"}, notify=[OWNER]),
        "small": form(name="small", per_hour=3, notify=[OWNER]),
        "stored": form(name="stored", magnet="cloud", next="https://site.example/dänke/#top"),
        "lost": form(name="lost", magnet="lost", min_seconds=10),
        "gated": form(name="gated", double_opt_in=True, magnet="cloud", notify=["mc", "kit", "brevo", "none"]),
        "quick": form(name="quick", fields=[EMAIL, {**NAME, "required": True}], confirmed="https://other.example/ok"),
        "guide": form(name="guide", magnet="guide"),
        "spring": form(name="spring", magnet="spring", double_opt_in=True, consent=_NEWS[1:]),
        "trial": form(name="trial", magnet="trial"),
        "beta": form(name="beta", magnet="beta", notify=[OWNER]),
        "late": form(name="late", magnet="beta", double_opt_in=True),
        LONGEST: form(name="longest", fields=[EMAIL], per_hour=0),
    }


_ASSETS = {
    "book": {"file": "content/magnets/book.txt", "name": "The bóok, v1 (2).txt", "size": 26, "sha256": "ab" * 32},
    "cloud": {"file": "content/magnets/book.txt", "name": "x.PDF", "size": 26, "sha256": "cd" * 32},
    "lost": {"file": "content/magnets/lost.bin", "name": "lost.bin", "size": 3, "sha256": "ef" * 32},
    "guide": {"file": "content/magnets/book.txt", "name": "guide.pdf", "size": 26, "sha256": "ab" * 32},
    "guide.epub": {"file": "content/magnets/book.txt", "name": "guide.epub", "size": 26, "sha256": "ab" * 32},
    "guide.zip": {"file": "content/magnets/book.txt", "name": "guide.zip", "size": 26, "sha256": "ab" * 32},
}  # fmt: skip

_MAGNETS: dict[str, Any] = {
    "guide": {"kind": "ebook", "title": "The guide & <more>", "valid_for": 3600, "assets": ["guide", "guide.epub", "guide.mobi"],
              "holes": {"join_url": "https://meet.example/?a=1&b=2", "event_time": "<noon>", "code": "never"}},
    "spring": {"kind": "discount", "title": "Spring", "code": "S<20>&", "url": "https://shop.example/?a=1&b='2'", "label": "Zum <Laden>"},
    "trial": {"kind": "trial", "url": "https://app.example/début?a=1&b=2#top"},
    "beta": {"kind": "discount", "title": "Beta", "codes": ["A1 & B2", "Ü3"], "url": "https://app.example/", "valid_for": 600},
}  # fmt: skip

_DESTINATIONS = [
    {"name": "crm", "kind": "webhook", "url_env": "CRM_URL", "secret_env": "CRM_SECRET"},
    {"name": "chat", "kind": "slack", "url_env": "CHAT_URL"},
    {"name": "list", "kind": "listmonk", "url_env": "LIST_URL", "key_env": "LIST_KEY", "list_env": "LIST_ID"},
    {"name": "mc", "kind": "mailchimp", "key_env": "MC_KEY", "list_env": "MC_LIST"},
    {"name": "kit", "kind": "kit", "key_env": "KIT_KEY", "list_env": "KIT_LIST"},
    {"name": "brevo", "kind": "brevo", "key_env": "BREVO_KEY", "list_env": "BREVO_LIST"},
    {"name": "hub", "kind": "hubspot", "key_env": "HUB_KEY"},
]

_PAGES = {
    "problem": "<!doctype html><html lang=de><title>Fehler</title><style>p{color:red}</style><style>b{top:0}</style>"
    "<SCRIPT src=x>\n</SCRIPT>  <h1>Bitte prüfen</h1>{{errors}}<a href=\"{{back}}\">zurück</a> {{ back }} {{email}}",
    "confirm": "<title>Ja</title><script>1</script><form method=post><button>{{button}}</button></form>{{back}}",
    "unsubscribed": "<title>Weg</title><p>😀 $& \\1 $1</p>",
    "code": "<title>Code</title><script>1</script><p>[{{code}}] [{{link}}] {{button}}{{errors}}{{ code }}",
}  # fmt: skip

_WORDS = {
    "validation": "Bitte prüfen.",
    "required": 'Fehlt: "$&" <b>',
    "button_confirm": "Ja, „ich“ & <du>",
    "button_link": "Weiter <so>",
}

_MAILS = {
    "confirm": {"subject": "Noch ein Klick: {{form_title}}", "text": "{{confirm_url}}\n{{first_name}}{{ site_title }}\n",
                "html": "<a href=\"{{confirm_url}}\">{{form_title}}</a>"},
    "welcome:plain": {"subject": "{{first_name}} \n {{nothing}}!", "text": "Hallo {{first_name}} $& {{email}}\n", "html": "<p>{{first_name}}"},
    "deliver": {"from": "Ana Ruiz <ana@site.example>", "text": "{{download_url}} {{first_name}} {{unsubscribe_url}}\n",
                "html": "{{magnet_title}} {{epub_url}} {{code}} {{join_url}} {{event_time}} {{google_url}} {{outlook_url}}"},
    "soldout:late": {"subject": "{{magnet_title}}: {{code}}", "text": "{{first_name}} {{form_title}} {{unsubscribe_url}}\n"},
}  # fmt: skip


def _rich() -> dict[str, Any]:
    return document(_forms(), title="Lead Läb", assets=_ASSETS, magnets=_MAGNETS, destinations=_DESTINATIONS)


def _worded() -> dict[str, Any]:
    """In the site's own words, with the handler on another origin than the pages."""
    made = {**_rich(), "pages": _PAGES, "words": _WORDS, "mails": _MAILS}
    return {
        **made,
        "base_url": "https://site.example/lab/",
        "public_url": "https://leads.example.net:8443/api",
        "origins": ["https://site.example", "https://www.site.example", "http://127.0.0.1:8000"],
    }


def _open() -> dict[str, Any]:
    """Without TLS, as on a machine of one's own, and no destination but mail."""
    forms = {name: {**entry, "notify": []} for name, entry in _forms().items()}
    made = {**_rich(), "forms": forms, "destinations": [], "public_url": "http://127.0.0.1:8787/api"}
    return {**made, "base_url": "http://127.0.0.1:8000/", "title": ""}


SITES = {"rich": _rich(), "worded": _worded(), "open": _open()}


def site(name: str, without: Collection[str] = ()) -> dict[str, Any]:
    """One of SITES; `without` codes, which not every store can hand out once: then there is one for all."""
    found = SITES[name]
    if "codes" not in without:
        return found
    magnets = {
        name: {**{key: value for key, value in entry.items() if key != "codes"}, "code": entry["codes"][0]}
        if "codes" in entry
        else entry
        for name, entry in found["magnets"].items()
    }
    return {**found, "magnets": magnets}


START = float(NOW)
