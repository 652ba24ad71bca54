"""magnetgen.yaml → SiteConfig, and the cascade of defaults."""

from __future__ import annotations

import re
import urllib.parse
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from magnetgen import yamldoc
from magnetgen.diagnostics import Diagnostic, Span, error
from magnetgen.forms import recipes
from magnetgen.frontmatter import PageMeta
from magnetgen.schema import Author, Language, Strict, TimeZone, Title, faults, refuse, validate

CONFIG_FILE = "magnetgen.yaml"
DESTINATION_KINDS = ("webhook", "slack", "hubspot", "kit", "mailchimp", "brevo", "listmonk")
_FREE = frozenset({"theme", "extension_configs"})
_ENV_KEYS = ("url_env", "secret_env", "key_env", "list_env")


def _base_url(value: Any) -> Any:
    try:
        parts = urllib.parse.urlsplit(value) if isinstance(value, str) and not re.search(r"\s", value) else None
        _ = parts and parts.port  # raises where it is not a number
    except ValueError:
        parts = None
    if not parts or parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise refuse(
            "base-url",
            f'"{value}" is not an absolute address',
            "write it whole: https://example.com or https://example.com/blog/",
        )
    return value.rstrip("/") + "/"


def _theme(value: Any) -> Any:
    settings = {"name": value} if isinstance(value, str) else value
    name = str(settings.get("name") or "lodestone") if isinstance(settings, dict) else "-"
    if isinstance(settings, dict) and not re.fullmatch(r"[A-Za-z0-9][\w-]*", name):
        raise refuse("theme-name", f'"{name}" is not a theme\'s name', "it is a folder below themes/")
    return settings


class Organization(Strict):
    """Who publishes the site."""

    name: str = ""
    """Without it, the site's title."""
    url: str = ""
    """Without it, base_url."""
    logo: str = ""
    """Picture in media/; also in the header if the theme has none."""
    same_as: list[str] = []
    """Profiles elsewhere that are the same organisation."""


class MenuEntry(Strict):
    label: str
    """Text of the link."""
    url: str
    """Where it leads."""


class Menus(Strict):
    main: list[MenuEntry] | None = None
    """Header, left to right; without it, the collections, and the landing pages that magnets bring along."""
    footer: list[MenuEntry] = []
    """Footer, left to right."""


class Defaults(Strict):
    """Front matter for every file that the pattern matches."""

    files: str
    """Relative to content/; `*` within a folder, `**` across folders."""
    values: dict[str, Any]
    """Front matter; what a file says itself wins."""


class Cta(Strict):
    label: str
    """Text of the button."""
    url: str
    """Where it leads: an address of the site or an absolute one."""
    text: str = ""
    """A sentence above the button."""


class Destination(Strict):
    """Where leads go. Values of *_env are names of environment variables."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    """By which a form's `notify` names it."""
    kind: Literal["webhook", "slack", "hubspot", "kit", "mailchimp", "brevo", "listmonk"]
    """What receives the leads."""
    url_env: str = ""
    """Environment variable with the address."""
    secret_env: str = ""
    """Environment variable with the secret that signs."""
    key_env: str = ""
    """Environment variable with the API key."""
    list_env: str = ""
    """Environment variable with the list's id."""

    @model_validator(mode="after")
    def _environment(self) -> Destination:
        needed, possible = recipes.env_keys(self.kind)
        given = {key: getattr(self, key) for key in _ENV_KEYS if getattr(self, key)}
        for key, variable in given.items():
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,127}", variable):
                hint = f"write the name of an environment variable, and set the value there: {key}: CRM_URL"
                raise refuse("destination-env-name", f"{key} is not the name of an environment variable", hint, key)
        if missing := [key for key in needed if key not in given]:
            example = ", ".join(f"{key}: {self.name.upper().replace('-', '_')}_{key[:-4].upper()}" for key in missing)
            raise refuse("destination-env", f"{self.kind} needs {' and '.join(missing)}", f"add `{example}`")
        if extra := [key for key in given if key not in needed + possible]:
            takes = " and ".join(needed + possible)
            message = f"{self.kind} has no use for {' and '.join(extra)}"
            raise refuse("destination-env", message, f"it takes {takes}", extra[0])
        return self


class Handler(Strict):
    provider: Literal["magnetgen", "netlify-forms", "external"] = "magnetgen"
    """`magnetgen`, Netlify's forms, or any other endpoint."""
    url: str = "api"
    """Below base_url, or an absolute URL. With `external`: the form endpoint; `{form}` stands for the form's name."""
    destinations: list[Destination] = []
    """Where leads go."""

    @model_validator(mode="after")
    def _endpoint(self) -> Handler:
        if self.provider == "external" and "://" not in self.url:
            raise refuse(
                "handler-url", "an external handler needs its address", "handler: {provider: external, url: https://…}"
            )
        return self


class MarkdownSettings(Strict):
    engine: Literal["pyromark", "python-markdown"] = "pyromark"
    """`pyromark` is CommonMark; `python-markdown` is slower, for sites that need its extensions."""
    extensions: list[str] = []
    """Of Python-Markdown."""
    extension_configs: dict[str, Any] = {}
    """Settings of the extensions, by extension."""


class Feed(Strict):
    limit: Annotated[int, Field(ge=1, le=1000)] = 20
    """Newest posts in the feed."""


class Build(Strict):
    out: str = "public"
    """Output folder, relative to the site."""
    csp: dict[str, list[str]] = {}
    """What pages may load besides what is found in them, by directive: `{font-src: ["https://fonts.example.com"]}`."""

    @field_validator("csp")
    @classmethod
    def _sources(cls, value: dict[str, list[str]]) -> dict[str, list[str]]:
        for directive, sources in value.items():
            if not re.fullmatch(r"[a-z]+(-[a-z]+)*", directive) or directive == "default-src":
                hint = "a directive is script-src, style-src, img-src, font-src, media-src, connect-src, frame-src, …"
                raise refuse("csp-source", f'"{directive}" is no directive that can be added to', hint, directive)
            for source in sources:
                if source in ("'unsafe-inline'", "'unsafe-eval'", "*") or not re.fullmatch(r"[^\s;,\"<>]+", source):
                    hint = "write an origin such as https://fonts.example.com"
                    raise refuse("csp-source", f'"{source}" cannot be allowed', hint, directive)
        return value


class Seo(Strict):
    llms_txt: bool = False
    """Write /llms.txt, an outline of the site for language models."""
    indexnow_key: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{8,128}$")] | None = None
    """Write the key's file, so that search engines can be told of changes."""


class SiteConfig(Strict):
    """magnetgen.yaml."""

    title: Title
    """Shown in the header, in browser tabs and in link previews."""
    base_url: Annotated[str, BeforeValidator(_base_url)]
    """Where the site will be, absolute; a path is the prefix of every address."""
    language: Language = "en"
    """Language of the site, such as `en` or `pt-BR`; a page may have its own."""
    timezone: TimeZone = "UTC"
    """Dates without offset are in it."""
    description: str = ""
    """What the site is about; on the generated home page, in the feed and in structured data."""
    author: Author | None = None
    """Name, or `{name, url}`; who wrote the pages that name nobody."""
    organization: Organization = Organization()
    """Who publishes the site; its name is the title unless given."""
    theme: Annotated[dict[str, Any], BeforeValidator(_theme, json_schema_input_type=str | dict[str, Any])] = {
        "name": "lodestone"
    }
    """Name of the theme, or `{name, brand, logo, words, …}`."""
    menus: Menus = Menus()
    """Links in the header and the footer."""
    privacy_url: str = ""
    """Page that is linked below every form."""
    image: str = ""
    """Picture for social networks where a page has none; otherwise a card is made."""
    defaults: list[Defaults] | None = None
    """Front matter for many files; without it, posts have the layout `post` and the form `newsletter`."""
    ctas: dict[str, Cta] = {}
    """Calls to action by name, for `cta:` links and the key `cta`."""
    handler: Handler = Handler()
    """Who receives the forms."""
    markdown: MarkdownSettings = MarkdownSettings()
    """How Markdown is read."""
    pagination: Annotated[int, Field(ge=1, le=1000)] = 20
    """Pages on one list page."""
    feed: Feed = Feed()
    """The Atom feed, /feed.xml."""
    social_cards: bool = False
    """Make a picture for social networks for every page that has none."""
    seo: Seo = Seo()
    """Files for machines that are off by default."""
    build: Build = Build()
    """Where the output goes."""

    @cached_property
    def prefix(self) -> str:
        """Path of base_url with `/` at both ends: `/` or `/repo/`."""
        return urllib.parse.urlsplit(self.base_url).path or "/"

    @cached_property
    def origin(self) -> str:
        parts = urllib.parse.urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def publisher(self) -> str:
        return self.organization.name or self.title

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


def load(root: Path, base_url: str | None = None) -> tuple[SiteConfig, yamldoc.Document]:
    """The site's settings. Raises yamldoc.Fault with every fault, OSError where the file cannot be read."""
    text = yamldoc.decode((root / CONFIG_FILE).read_bytes(), CONFIG_FILE)
    doc = yamldoc.parse(text, CONFIG_FILE, free=_FREE)
    doc.diagnostics.extend(yamldoc.mojibake(text, CONFIG_FILE))
    data = {**doc.data, "base_url": base_url} if base_url else doc.data
    config = validate(SiteConfig, doc, data)
    problems = _default_faults(doc)
    if isinstance(config, list):
        raise yamldoc.Fault(*config, *problems, *doc.diagnostics)
    if problems:
        raise yamldoc.Fault(*problems, *doc.diagnostics)
    return config, doc


def missing() -> Diagnostic:
    hint = "`magnetgen new site DIR` makes a site; `--site DIR` names one elsewhere"
    return error("config-missing", f"there is no {CONFIG_FILE} here", CONFIG_FILE, Span(1), hint)


def _default_faults(doc: yamldoc.Document) -> list[Diagnostic]:
    """`values` are front matter: checked as such, each at its place in magnetgen.yaml."""
    found = []
    entries = doc.data.get("defaults")
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        values = entry.get("values") if isinstance(entry, dict) else None
        if not isinstance(values, dict):
            continue
        try:
            PageMeta.model_validate({"title": "-", **values})
        except ValidationError as exc:
            found += faults(PageMeta, doc, exc, ("defaults", index, "values"))
    return found


POSTS_DEFAULT = Defaults(files="posts/**", values={"layout": "post", "form": "newsletter"})
"""What a site with content/posts/ and no `defaults` has."""


def defaults_for(config: SiteConfig, relative: str) -> dict[str, Any]:
    """The merged `values` for a file, by its path below content/. Later entries win; `extra` is merged by key."""
    entries = (POSTS_DEFAULT,) if config.defaults is None else config.defaults
    merged: dict[str, Any] = {}
    for entry in entries:
        if glob(entry.files).fullmatch(relative):
            merged = merge(merged, entry.values)
    return merged


def merge(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` wins; an empty value does not. `extra` is merged key by key."""
    out = under | {key: value for key, value in over.items() if value is not None or key not in under}
    if isinstance(under.get("extra"), dict) and isinstance(over.get("extra"), dict):
        out["extra"] = under["extra"] | over["extra"]
    return out


@lru_cache(maxsize=256)
def glob(pattern: str) -> re.Pattern[str]:
    """A glob over paths with `/`: `*` and `?` stay within a folder, `**` goes across."""
    out, i = "", 0
    while i < len(pattern):
        if pattern.startswith("**/", i):
            out, i = out + "(?:.*/)?", i + 3
        elif pattern.startswith("**", i):
            out, i = out + ".*", i + 2
        else:
            out += {"*": "[^/]*", "?": "[^/]"}.get(pattern[i], re.escape(pattern[i]))
            i += 1
    return re.compile(out)
