"""Mails by the HTTP API of a provider, as its recipe describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any

from magnetgen.forms import destinations, recipes, webhooks
from magnetgen.forms.mail import Sent, Transport, content, open_smtp
from magnetgen.forms.recipes import Recipe
from magnetgen.forms.site import SiteFault
from magnetgen.forms.webhooks import Poster


def open_mail(env: Mapping[str, str], poster: Poster) -> Transport | None:
    """The transport that the environment names; None where it names none. Raises SiteFault."""
    smtp, provider = env.get("MAGNETGEN_SMTP_URL"), env.get("MAGNETGEN_MAIL_PROVIDER")
    if smtp and provider:
        raise SiteFault(
            "MAGNETGEN_SMTP_URL and MAGNETGEN_MAIL_PROVIDER are both set: mails leave in one way, so unset one of them"
        )
    if smtp:
        return open_smtp(smtp)
    if provider:
        return _open_provider(provider, env, poster)
    if env.get("MAGNETGEN_MAIL_KEY"):
        raise SiteFault(f"MAGNETGEN_MAIL_KEY is set and MAGNETGEN_MAIL_PROVIDER is not: it is one of {_known()}")
    return None


def _open_provider(provider: str, env: Mapping[str, str], poster: Poster) -> Transport:
    if provider not in recipes.names("mail"):
        raise SiteFault(f"MAGNETGEN_MAIL_PROVIDER is to be one of {_known()}")
    recipe, key = recipes.load("mail", provider), env.get("MAGNETGEN_MAIL_KEY", "")
    setting = recipe["settings"]["key"]
    if not recipes.fits("key", setting, key):
        raise SiteFault(f"MAGNETGEN_MAIL_KEY is to be {setting['what']} of {provider}")
    settings = {"key": key}
    if url := env.get("MAGNETGEN_MAIL_URL"):
        settings["url"] = webhooks.address("MAGNETGEN_MAIL_URL", url)
    return MailApi(recipe, settings | {"url": recipes.base_of(recipe, settings)}, poster)


def _known() -> str:
    return ", ".join(recipes.names("mail"))


@dataclass(frozen=True)
class MailApi:
    """A provider and its settings."""

    recipe: Recipe
    settings: Mapping[str, str] = field(repr=False)
    poster: Poster

    def send(self, message: EmailMessage) -> Sent:
        sent = destinations.run(self.recipe["send"], {**holes(self.recipe, message), **self.settings}, self.poster)
        # A provider that is gone is a setting of ours to be mended: mails wait for it.
        return replace(sent, gone=False, permanent=False) if sent.gone else sent


def holes(recipe: Recipe, message: EmailMessage) -> dict[str, Any]:
    """What the holes of a mail's recipe may be filled with.

    `id`: the delivery's, the same over all attempts; `from`, `from_name`, `from_email`, `to`, `reply_to`, `subject`,
    `text`, `html`. `headers`: an object of those that the provider takes, with those that it gets besides;
    `header_pairs`: the same as a list of {Name, Value}.
    """
    sender = _address(message, "From")
    id = str(message["Message-ID"]).strip("<>").partition("@")[0]
    headers = {name: str(message[name]) for name in recipe["headers"] if message[name]}
    headers |= recipes.fill(recipe["add"], {"id": id}) or {}
    return {
        "id": id,
        "from": str(sender) if sender else "",
        "from_name": sender.display_name if sender else "",
        "from_email": sender.addr_spec if sender else "",
        "to": _spec(_address(message, "To")),
        "reply_to": _spec(_address(message, "Reply-To")),
        "subject": str(message["Subject"]),
        "text": content(message, "plain"),
        "html": content(message, "html"),
        "headers": headers,
        "header_pairs": [{"Name": name, "Value": value} for name, value in headers.items()],
    }


def _address(message: EmailMessage, name: str) -> Address | None:
    header = message[name]
    return header.addresses[0] if header else None


def _spec(address: Address | None) -> str:
    return address.addr_spec if address else ""
