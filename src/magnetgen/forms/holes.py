"""What each kind of mail can be filled with: one list, for the build that checks mails and the handler that fills them.

Pure, and of the standard library only: this file is deployed with the handler.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

HOLE = re.compile(r"\{\{\s*([a-z][a-z0-9_]*)\s*\}\}")

OF_MAGNET = ("join_url", "event_time", "google_url", "outlook_url")
"""Holes that a magnet of forms.json fills by itself; empty where it has no such thing."""

YIELDING = ("magnet_title", "epub_url", "code", *OF_MAGNET)
"""Holes that a form's field of the same name fills where there is no value: a form may have had one before magnets did."""

HOLES: dict[str, tuple[str, ...]] = {
    "confirm": ("site_title", "form_title", "magnet_title", "confirm_url"),
    "deliver": (
        "site_title",
        "form_title",
        "magnet_title",
        "download_url",
        "epub_url",
        "code",
        *OF_MAGNET,
        "unsubscribe_url",
    ),
    "soldout": ("site_title", "form_title", "magnet_title", "unsubscribe_url"),
    "welcome": ("site_title", "form_title", "unsubscribe_url"),
    "notify": ("site_title", "form_title", "magnet_title", "email", "answers", "lead_id"),
    "held": ("site_title", "form_title", "reason", "submission_id"),
}
"""Kind of mail → its holes, beside fields."""

WITH_FIELDS = ("deliver", "soldout", "welcome")
"""Kinds that have the form's fields, too, once the lead has confirmed: before that, a stranger may have typed them."""

ADDRESSES = (
    "confirm_url",
    "download_url",
    "epub_url",
    "unsubscribe_url",
    "join_url",
    "google_url",
    "outlook_url",
)
"""Holes that are a whole address."""


def fill(text: str, holes: Mapping[str, str]) -> str:
    """Every `{{name}}` replaced in one pass; a hole without a value is empty."""
    return HOLE.sub(lambda match: holes.get(match[1], ""), text)
