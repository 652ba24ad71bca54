"""A declared form → what the page shows of it (FormView), for each kind of handler."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache, cached_property

from markupsafe import Markup, escape

from magnetgen import client
from magnetgen.forms import contract
from magnetgen.links import Links
from magnetgen.plan import Form, Plan
from magnetgen.theme import Theme
from magnetgen.views import ChallengeView, ConsentView, DownloadView, FieldView, FormView, LinkView, OptionView

TURNSTILE_SCRIPT = "https://challenges.cloudflare.com/turnstile/v0/api.js"
_SCRIPT_WORDS = {
    "required": "fault_required",
    "email": "fault_email",
    "pattern": "fault_pattern",
    "too_long": "fault_too_long",
    "summary": "fault_summary",
    "suggest": "suggest",
    "sending": "sending",
    "failed": "failed",
}


class Capture:
    """Makes FormViews of one site; the same form at the same anchor only once."""

    def __init__(self, plan: Plan, theme: Theme, links: Links) -> None:
        self._plan, self._theme = plan, theme
        self._links = links
        self._words = json.dumps({key: theme.words[word] for key, word in _SCRIPT_WORDS.items()}, ensure_ascii=False)
        self.view = cache(self._view)

    def _view(self, name: str, number: int = 1) -> FormView:
        """The form's view; `number`: how many times it stands on the page by now."""
        form = self._plan.forms[name]
        anchor = f"form-{name}" + (f"-{number}" if number > 1 else "")
        spec = form.spec
        privacy = self._plan.config.privacy_url
        return FormView(
            name=name,
            anchor=anchor,
            title=spec.title,
            button=spec.button,
            attrs=attrs_markup(self._form_attrs(form)),
            fields=tuple(_field(field, anchor) for field in spec.fields),
            consent=tuple(_consent(consent, anchor) for consent in spec.consent),
            hidden=self._hidden(form),
            honeypot=contract.HONEYPOT if self._plan.config.handler.provider != "external" else "",
            privacy_url=self._links.site(privacy).url if privacy else "",
            double_opt_in=spec.double_opt_in and self._plan.config.handler.provider == "magnetgen",
            challenge=self._challenge_view(form),
        )

    def gives(self, spec: contract.FormSpec) -> bool:
        """Whether the form's leads receive something from our handler."""
        return bool(spec.magnet) and self._plan.config.handler.provider == "magnetgen"

    @cached_property
    def thanks(self) -> dict[str, contract.FormSpec]:
        """Pages of the site that are thank-you pages on which something is handed out, by path."""
        forms = (form.spec for form in self._plan.forms.values() if form.spec.thanks)
        return {spec.thanks.partition("#")[0]: spec for spec in forms if self.gives(spec) and not spec.double_opt_in}

    def download(self, spec: contract.FormSpec) -> DownloadView:
        """The place for what a form gives."""
        words, magnet = self._theme.words, self._plan.magnets.get(spec.magnet)
        what = magnet.gives if magnet else "file"
        formats = [("", words["download"] if what == "file" else words[f"download_{what}"])]
        if magnet:
            formats += [(f"/{name}", words[f"download_{name}"]) for name in magnet.formats[1:]]
        gift = self._plan.gifts.get(spec.magnet)
        calendars = (("google_url", "calendar_google"), ("outlook_url", "calendar_outlook"))
        links = [LinkView(words[word], gift.holes[hole]) for hole, word in calendars if gift and hole in gift.holes]
        return DownloadView(
            base=handler_url(self._plan) + "/download/",
            script=Markup(client.script("download")),
            note=words["download_note"].replace("{life}", self._theme.life(magnet.valid_for if magnet else 0)),
            formats=tuple(formats),
            links=tuple(links),
        )

    def scripts(self, names: Iterable[str]) -> tuple[Markup, tuple[str, ...]]:
        """(script, addresses of scripts) that a page needs for the challenges of the forms that it shows."""
        kinds = {asked.kind for name in names if (asked := self._challenge(self._plan.forms.get(name)))}
        urls = (TURNSTILE_SCRIPT,) if contract.TURNSTILE in kinds else ()
        return Markup(client.challenge_script(frozenset(kinds))) if kinds else Markup(""), urls

    def _challenge(self, form: Form | None) -> contract.Challenge | None:
        """Only magnetgen's own handler asks for one."""
        return form.spec.challenge if form and self._plan.config.handler.provider == "magnetgen" else None

    def _challenge_view(self, form: Form) -> ChallengeView | None:
        asked = self._challenge(form)
        return ChallengeView(asked.kind, asked.field, asked.sitekey, asked.action(form.spec.name)) if asked else None

    def _form_attrs(self, form: Form) -> dict[str, str | bool]:
        provider = self._plan.config.handler.provider
        attrs: dict[str, str | bool] = {"action": self._action(form), "method": "post", "data-words": self._words}
        if provider == "magnetgen":
            return {**attrs, "data-mg-form": True, **self._challenge_attrs(form)}
        attrs["data-mg-form"] = "plain"
        if provider == "netlify-forms":
            attrs |= {"name": form.spec.name, "data-netlify": "true", "netlify-honeypot": contract.HONEYPOT}
        return attrs

    def _challenge_attrs(self, form: Form) -> dict[str, str | bool]:
        """The challenge's kind; of a proof of work, what its puzzles begin with."""
        asked = self._challenge(form)
        if asked is None:
            return {}
        puzzle = contract.puzzle(asked, form.spec.name, contract.hostname(self._plan.config.base_url))
        return {"data-mg-challenge": puzzle if asked.kind == contract.PROOF_OF_WORK else asked.kind}

    def _action(self, form: Form) -> str:
        handler = self._plan.config.handler
        if handler.provider == "netlify-forms":
            return self._links.site(form.next).url
        if handler.provider == "external":
            return handler.url.replace("{form}", form.spec.name)
        return handler_url(self._plan) + f"/forms/{form.spec.name}"

    def _hidden(self, form: Form) -> tuple[tuple[str, str], ...]:
        source = ((contract.SOURCE, ""),)
        provider = self._plan.config.handler.provider
        if provider == "netlify-forms":
            return (("form-name", form.spec.name), *source)
        if provider == "external":
            return source
        asked = self._challenge(form)
        proof = ((contract.PROOF, ""),) if asked and asked.kind == contract.PROOF_OF_WORK else ()
        return ((contract.TIMER, ""), *source, (contract.SCHEMA_VERSION, str(contract.VERSION)), *proof)


def handler_url(plan: Plan) -> str:
    """The handler's base as it stands in a page: below the site's own, or an absolute address."""
    url = plan.config.handler.url.rstrip("/")
    return url if "://" in url else plan.url(url.lstrip("/"))


def attrs_markup(attrs: dict[str, str | bool]) -> Markup:
    """Attributes as HTML; True is an attribute without a value, False none."""
    parts = (escape(k) if v is True else Markup('{}="{}"').format(k, v) for k, v in attrs.items() if v is not False)
    return Markup(" ").join(parts)


def _field(field: contract.Field, anchor: str) -> FieldView:
    group = field.type == "radio" or (field.type == "checkbox" and len(field.options) > 1)
    kind = "radio" if group else field.type
    return FieldView(
        id=f"{anchor}-{field.name}",
        name=field.name,
        kind=kind if kind in ("textarea", "select", "radio", "checkbox", "hidden") else "text",
        label=field.label,
        required=field.required,
        attrs=attrs_markup(contract.attributes(field)),
        help=field.help,
        options=tuple(OptionView(option, option) for option in field.options),
    )


def _consent(consent: contract.Consent, anchor: str) -> ConsentView:
    attrs: dict[str, str | bool] = {"name": consent.name, "value": "yes", "required": consent.required}
    return ConsentView(f"{anchor}-{consent.name}", consent.name, consent.text, consent.required, attrs_markup(attrs))
