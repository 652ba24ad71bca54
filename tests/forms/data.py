"""A site with one form of each sort, as the build would compile it."""

from __future__ import annotations

from typing import Any

from magnetgen.forms.tokens import Keys

NOW = 1_780_000_000
KEYS = Keys({"k1": bytes(range(32))}, bytes(range(32, 64)), "admin-" + "0123456789abcdef" * 4)

EMAIL: dict[str, Any] = {"name": "email", "type": "email", "label": "Email", "required": True, "max": 254}
NAME: dict[str, Any] = {"name": "first_name", "type": "text", "label": "First name", "required": False, "max": 20}


def form(**more: Any) -> dict[str, Any]:
    """A form's entry of forms.json."""
    name = more.pop("name", "news")
    return {
        "title": name.title(),
        "fields": [EMAIL, NAME],
        "consent": [],
        "next": f"https://site.example/forms/{name}/thanks/",
        "confirmed": f"https://site.example/forms/{name}/confirmed/",
        "back": f"https://site.example/forms/{name}/",
        "double_opt_in": False,
        "min_seconds": 2,
        "magnet": None,
        "notify": [],
        **more,
    }


def document(forms: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A whole forms.json."""
    return {
        "v": 1,
        "base_url": "https://site.example/",
        "public_url": "https://site.example/api",
        "origins": ["https://site.example"],
        "forms": forms,
        "assets": {},
        "mails": {},
        "pages": {},
        "destinations": [],
        **more,
    }


EVERYTHING = document(
    {
        "news": form(name="news", consent=[{"name": "letters", "text": "Send me news.", "required": True}]),
        "plain": form(name="plain"),
        "double": form(name="double", double_opt_in=True),
        "book": form(name="book", magnet="book"),
        "shut": form(name="shut", double_opt_in=True, magnet="book"),
        "all": form(
            name="all",
            fields=[
                EMAIL,
                {"name": "message", "type": "textarea", "max": 5000},
                {"name": "size", "type": "select", "options": ["S", "L"], "max": 200},
                {"name": "colour", "type": "radio", "options": ["red", "blue"], "max": 200},
                {"name": "tags", "type": "checkbox", "options": ["a", "b", "c"], "max": 200},
                {"name": "agree", "type": "checkbox", "max": 200},
                {"name": "site", "type": "url", "max": 2048},
                {"name": "budget", "type": "number", "max": 40},
                {"name": "code", "type": "text", "pattern": "[A-Z]{3}", "max": 200},
            ],
        ),
    },
    assets={"book": {"file": "content/magnets/book.txt", "name": "The bóok.txt", "size": 26, "sha256": "ab" * 32}},
    destinations=[{"name": "crm", "kind": "webhook", "url_env": "CRM_URL", "secret_env": "CRM_SECRET"}],
)
