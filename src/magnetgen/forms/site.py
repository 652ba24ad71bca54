"""`.magnetgen/forms.json` as the handler knows it: forms, assets, mails, pages, destinations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from dataclasses import fields as dataclass_fields
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from magnetgen.forms import contract
from magnetgen.forms.contract import Consent, Field, FormSpec

TURNSTILE_FIELD = "cf-turnstile-response"
"""Where Cloudflare's script puts its answer, unless the page tells it otherwise."""


class SiteFault(Exception):
    """A forms.json, or an environment, that no handler can work with. The text says what to do."""


@dataclass(frozen=True)
class Challenge:
    """A proof that a person is there. `field`: where the page sends it; `hostname`: where it must have been solved.

    `bits`: of a proof of work; `secret_env`: of Turnstile.
    """

    kind: str
    field: str
    secret_env: str
    hostname: str
    action: str
    bits: int = 0

    @property
    def is_proof(self) -> bool:
        """The handler judges it by itself; anything else somebody is asked about."""
        return self.kind == contract.PROOF_OF_WORK


@dataclass(frozen=True)
class Form:
    """A form and what the build fixed for it. `version`: changes whenever the form does."""

    spec: FormSpec
    next: str
    confirmed: str
    back: str
    version: str
    per_hour: int = contract.PER_HOUR
    challenge: Challenge | None = None

    @property
    def name(self) -> str:
        return self.spec.name


@dataclass(frozen=True)
class Asset:
    """A file to be handed out. `file`: its path below the site's folder; `key`: its name in a bucket, where it is in one."""

    name: str
    file: str
    filename: str
    size: int
    sha256: str
    key: str = ""


LIFETIME_MAX = 366 * 86_400
"""The longest `valid_for` of a magnet, in seconds."""


@dataclass(frozen=True)
class Magnet:
    """What leads are given. `assets`: ids of files, the first by the bare link; else a code, or one of `codes` for each
    lead, or only `url`, where it leads to.

    `valid_for`: seconds that a download link lives, 0: as long as links do; `holes`: what only the mail says;
    `label`: of the button that leads to `url`.
    """

    name: str
    title: str
    kind: str = "file"
    valid_for: int = 0
    assets: tuple[str, ...] = ()
    holes: Mapping[str, str] = field(default_factory=dict)
    code: str = ""
    codes: tuple[str, ...] = ()
    url: str = ""
    label: str = ""

    def asset(self, format: str = "") -> str:
        """The id of the file that a link gives, or of its other format; empty where there is none."""
        if not format:
            return self.assets[0] if self.assets else ""
        name = f"{self.name}.{format}"
        return name if name in self.assets else ""


@dataclass(frozen=True)
class Destination:
    """Where leads go. The values of the `*_env` are names of environment variables."""

    name: str
    kind: str
    url_env: str = ""
    secret_env: str = ""
    key_env: str = ""
    list_env: str = ""


@dataclass(frozen=True)
class Site:
    """All that a handler is told about its site."""

    base_url: str
    public_url: str
    origins: frozenset[str]
    title: str = ""
    forms: Mapping[str, Form] = field(default_factory=dict)
    assets: Mapping[str, Asset] = field(default_factory=dict)
    magnets: Mapping[str, Magnet] = field(default_factory=dict)
    mails: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    pages: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    destinations: Mapping[str, Destination] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """The path below which all routes lie: `/api`."""
        return urlsplit(self.public_url).path.rstrip("/")

    @property
    def own_origin(self) -> str:
        return origin(self.public_url)

    @property
    def secure(self) -> bool:
        return self.public_url.startswith("https:")

    def magnet_of(self, form: Form | None) -> Magnet | None:
        """What a form gives: a magnet, or the file of that name; None where it gives nothing, or nothing is known of it."""
        name = form.spec.magnet if form else ""
        if name in self.magnets:
            return self.magnets[name]
        asset = self.assets.get(name)
        return Magnet(name, asset.filename, assets=(name,)) if asset else None

    def destinations_of(self, form: Form) -> tuple[Destination, ...]:
        """The destinations that a form names; all of them where it names none."""
        named = [name for name in form.spec.notify if not name.startswith("email:")]
        if not named and not form.spec.notify:
            return tuple(self.destinations.values())
        return tuple(self.destinations[name] for name in named if name in self.destinations)


def origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _public(url: str) -> str:
    """MAGNETGEN_PUBLIC_URL as browsers would write it: pages' origins are compared with it. Raises SiteFault."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host.isascii() or not host or parts.query or parts.fragment:
        raise SiteFault("MAGNETGEN_PUBLIC_URL is to be the handler's address: https://example.com/api")
    host = f"[{host}]" if ":" in host else host
    end = f":{port}" if port not in (None, {"http": 80, "https": 443}[parts.scheme]) else ""
    return f"{parts.scheme}://{host}{end}{parts.path.rstrip('/')}"


def load(text: bytes | str, public_url: str = "") -> Site:
    """Read forms.json. `public_url` overrides the build's. Raises SiteFault."""
    try:
        data = json.loads(text)
    except ValueError as exc:
        raise SiteFault(f"forms.json is not JSON ({exc}): build the site again") from None
    return from_data(data, public_url)


def from_data(data: Any, public_url: str = "") -> Site:
    """`load`, from what the JSON holds."""
    if not isinstance(data, dict) or data.get("v") != contract.VERSION:
        found = data.get("v") if isinstance(data, dict) else None
        raise SiteFault(
            f"forms.json has version {found!r}, this handler reads {contract.VERSION}: "
            "build the site and run the handler with the same magnetgen"
        )
    try:
        return _site(data, public_url)
    except (KeyError, TypeError, AttributeError, ValueError) as exc:
        raise SiteFault(f"forms.json lacks something ({type(exc).__name__}: {exc}): build the site again") from None


def _site(data: dict[str, Any], public_url: str) -> Site:
    return Site(
        base_url=data["base_url"],
        public_url=_public(public_url) if public_url else data["public_url"].rstrip("/"),
        origins=frozenset(data["origins"]),
        title=data.get("title") or urlsplit(data["base_url"]).netloc,
        forms={name: _form(name, entry, data["base_url"]) for name, entry in data["forms"].items()},
        assets={name: _asset(name, entry) for name, entry in data.get("assets", {}).items()},
        magnets={name: _magnet(name, entry) for name, entry in data.get("magnets", {}).items()},
        mails=data.get("mails", {}),
        pages=data.get("pages", {}),
        words=data.get("words", {}),
        destinations={d["name"]: _known(Destination, d) for d in data.get("destinations", [])},
    )


def _form(name: str, entry: dict[str, Any], base_url: str) -> Form:
    if not contract.FORM_NAME.fullmatch(name):
        raise ValueError(f"form name {name!r}")
    spec = FormSpec(
        name=name,
        title=entry.get("title", name),
        fields=tuple(_field(field) for field in entry["fields"]),
        consent=tuple(_known(Consent, consent) for consent in entry.get("consent", ())),
        double_opt_in=bool(entry.get("double_opt_in")),
        magnet=entry.get("magnet") or "",
        min_seconds=int(entry.get("min_seconds", 0)),
        notify=tuple(entry.get("notify", ())),
    )
    canonical = json.dumps(entry, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return Form(
        spec=spec,
        next=entry["next"],
        confirmed=entry["confirmed"],
        back=entry["back"],
        version=sha256(canonical.encode()).hexdigest()[:12],
        per_hour=int(entry.get("per_hour", contract.PER_HOUR)),
        challenge=_challenge(entry.get("challenge"), name, base_url),
    )


def _field(entry: dict[str, Any]) -> Field:
    made: Field = _known(Field, {**entry, "options": tuple(entry.get("options", ()))})
    limit = entry.get("max", contract.TYPES.get(made.type, made.max))
    return _known(Field, {**vars(made), "max": limit}) if limit != made.max else made


def _challenge(entry: dict[str, Any] | None, form: str, base_url: str) -> Challenge | None:
    if not entry:
        return None
    declared = contract.Challenge(entry["kind"])
    if declared.kind not in (contract.PROOF_OF_WORK, contract.TURNSTILE):
        raise ValueError(f"challenge {declared.kind!r}")
    is_proof = declared.kind == contract.PROOF_OF_WORK
    return Challenge(
        kind=declared.kind,
        field=entry.get("field") or (contract.PROOF if is_proof else TURNSTILE_FIELD),
        secret_env="" if is_proof else entry["secret_env"],
        hostname=entry.get("hostname") or contract.hostname(base_url),
        action=entry.get("action", declared.action(form)),
        bits=int(entry["bits"]) if is_proof else 0,
    )


def _asset(name: str, entry: dict[str, Any]) -> Asset:
    return Asset(
        name=name,
        file=entry["file"],
        filename=entry.get("name", name),
        size=int(entry["size"]),
        sha256=entry["sha256"],
        key=entry.get("key", ""),
    )


def _magnet(name: str, entry: dict[str, Any]) -> Magnet:
    made = Magnet(
        name=name,
        title=_text(entry.get("title", "")) or name,
        kind=_text(entry["kind"]),
        valid_for=_lifetime(entry["valid_for"]) if "valid_for" in entry else 0,
        assets=_texts(entry.get("assets", [])),
        holes={hole: _text(value) for hole, value in entry.get("holes", {}).items()},
        code=_text(entry.get("code", "")),
        codes=_texts(entry.get("codes", [])),
        url=_text(entry.get("url", "")),
        label=_text(entry.get("label", "")),
    )
    if not (made.assets or made.code or made.codes or made.url):
        raise ValueError(f"nothing to give in {name!r}")
    return made


def _lifetime(value: Any) -> int:
    """Whole seconds. Python's JSON tells 7 from 7.0, which others do not."""
    is_whole = isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1
    if not is_whole or not 1 <= value <= LIFETIME_MAX:
        raise ValueError("valid_for")
    return int(value)


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(value):
        raise ValueError("no list of texts")
    return tuple(map(_text, value))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("no text")
    return value


def _known(kind: Any, entry: dict[str, Any]) -> Any:
    """A dataclass from the keys that it has: a newer build may say more."""
    names = {field.name for field in dataclass_fields(kind)}
    return kind(**{key: value for key, value in entry.items() if key in names})
