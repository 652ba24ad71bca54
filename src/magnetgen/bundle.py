"""What the form handler is given: `.magnetgen/forms.json`. It lies beside the output and is never published."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from magnetgen.capture import handler_url
from magnetgen.forms import contract
from magnetgen.mails import Compiled
from magnetgen.model import Gift, Magnet
from magnetgen.plan import Form, Plan
from magnetgen.render import Renderer

_HANDLER_WORDS = {
    "required": "fault_required",
    "email": "fault_email",
    "pattern": "fault_pattern",
    "too_long": "fault_too_long",
    "challenge_failed": "challenge_failed",
    "button_confirm": "button_confirm",
    "button_confirm_download": "button_confirm_download",
    "button_unsubscribe": "button_unsubscribe",
    "button_expired": "button_expired",
    "button_soldout": "button_soldout",
    "button_link": "button_link",
}
"""The handler's code for a text → the theme's word. What the theme does not translate, the handler says in English."""


def forms_json(renderer: Renderer, mails: Compiled) -> bytes:
    """The compiled forms (docs/forms.md says what each key is for). The same site gives the same bytes."""
    plan = renderer.plan
    data: dict[str, Any] = {
        "v": contract.VERSION,
        "title": plan.config.title,
        "base_url": plan.config.base_url,
        "public_url": _absolute(plan, handler_url(plan)),
        "origins": [plan.config.origin],
        "forms": {name: _form(renderer, form) for name, form in sorted(plan.forms.items())},
        "assets": _assets(plan),
        **({"magnets": given} if (given := _magnets(plan)) else {}),
        "mails": mails,
        "pages": renderer.messages(),
        "words": {code: renderer.theme.words[word] for code, word in _HANDLER_WORDS.items()},
        "destinations": [_without_empty(d.model_dump()) for d in plan.config.handler.destinations],
    }
    return (json.dumps(data, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


def _form(renderer: Renderer, form: Form) -> dict[str, Any]:
    plan = renderer.plan
    next_url = _absolute(plan, renderer.links.site(form.next).url)
    confirmed = plan.absolute(form.confirmed) if form.spec.double_opt_in else next_url
    return contract.compile_form(form.spec, next_url, confirmed, plan.absolute(form.home))


def _assets(plan: Plan) -> dict[str, Any]:
    """Files that forms hand out, by their ids."""
    found = [asset for gift in plan.gifts.values() for asset in gift.assets]
    return {
        asset.id: {"file": asset.file, "name": asset.name, "size": asset.size, "sha256": asset.sha256}
        for asset in sorted(found, key=lambda asset: asset.id)
    }


def _magnets(plan: Plan) -> dict[str, Any]:
    """What forms hand out, by name; a file that is given as it is needs no word more than `assets` has."""
    found = {name: (plan.magnets[name], gift) for name, gift in sorted(plan.gifts.items())}
    return {name: _magnet(magnet, gift) for name, (magnet, gift) in found.items() if magnet.is_written}


def _magnet(magnet: Magnet, gift: Gift) -> dict[str, Any]:
    entry = {
        "kind": magnet.kind,
        "title": magnet.title,
        "valid_for": magnet.valid_for,
        "assets": [asset.id for asset in gift.assets],
        "code": magnet.code,
        "codes": list(gift.codes),
        "url": magnet.url,
        "label": magnet.label,
        "holes": gift.holes,
    }
    return _without_empty(entry)


def _absolute(plan: Plan, url: str) -> str:
    return url if urlsplit(url).scheme else plan.config.origin + url


def _without_empty(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value}
