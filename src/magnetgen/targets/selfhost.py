"""A machine of one's own: static files behind nginx or Caddy, and the handler as a service or in a container.

`deploy/` is written once and belongs to whoever runs the machine. What changes with the pages (redirects, the
Content-Security-Policy, forms) is in the bundle, which those files include and every build writes anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from magnetgen import __version__
from magnetgen.diagnostics import Diagnostic, Report, warning
from magnetgen.targets import Product, Redirect, Site, Target, checks, headers

FOLDER = "deploy"
PORT = 8787
"""Of the handler, on the machine itself only."""
_UNSPEAKABLE = re.compile(r"""["'\\{}$;\x00-\x1f\x7f]""")
_SETTINGS = ("url_env", "secret_env", "key_env", "list_env")


def _redirects_itself(found: list[Redirect]) -> list[Redirect]:
    """All that can be written in both servers' languages."""
    return [redirect for redirect in found if not _UNSPEAKABLE.search(unquote(redirect.alias))]


def _make(site: Site, report: Report) -> Product:
    report.extend(checks.address(site.plan, at_root=False))
    report.extend(checks.netlify_forms(site.plan))
    api = checks.handler_path(site.plan)
    words = _words(site, api or "")
    names = ["nginx.conf", "Caddyfile"]
    bundle: dict[str, bytes | Path] = {"nginx.conf": _nginx(site).encode(), "static.caddy": _caddy(site).encode()}
    if api:
        bundle |= _handler(site)
        names += ["magnetgen.service", "Containerfile", "env.example"]
    report.extend(_differences(site.root, words, names))
    return Product(bundle=bundle, starters={f"{FOLDER}/{name}": _filled(name, words, bool(api)) for name in names})


def _handler(site: Site) -> dict[str, bytes | Path]:
    """All that the handler reads, laid out as it looks for it: `--site` is this folder."""
    text = json.dumps(site.forms, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    found: dict[str, bytes | Path] = {"handler/.magnetgen/forms.json": text.encode()}
    for asset in site.forms["assets"].values():
        if not asset.get("url"):
            found[f"handler/{asset['file']}"] = site.plan.root / asset["file"]
    return found


# The files in deploy/

_NEEDED = {
    "nginx.conf": ("@HOST@", "/selfhost/nginx.conf", "@API@/"),
    "Caddyfile": ("@HOST@", "/selfhost/static.caddy", "@API@/"),
    "magnetgen.service": ("/selfhost/handler",),
    "Containerfile": ("@API@/readyz", ".magnetgen/bundle/selfhost/handler"),
}
"""What a file that somebody has changed must still say."""


def _differences(root: Path, words: Mapping[str, str], names: list[str]) -> Iterator[Diagnostic]:
    for name in names:
        file = f"{FOLDER}/{name}"
        try:
            text = (root / file).read_text("utf-8", "replace")
        except FileNotFoundError:
            continue
        for needed in (_spoken(part, words) for part in _NEEDED.get(name, ())):
            if needed not in text:
                hint = f"add it, or delete {file} to have it made anew"
                message = f'"{needed}" is not in it, and this build needs it'
                yield warning("target-file-differs", message, file, None, hint)


def _words(site: Site, api: str) -> dict[str, str]:
    parts = urlsplit(site.plan.config.base_url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    given = f":{parts.port}" if parts.port else ""
    return {
        "HOST": host,
        "ORIGIN": site.plan.config.origin,
        "CADDY": f"{host}{given}" if secure else f"http://{host}{given}",
        "PORT": str(port),
        "HANDLER": str(PORT),
        "API": api,
        "NAME": re.sub(r"[^a-z0-9]+", "-", host.lower()).strip("-"),
        "VERSION": __version__,
        "SETTINGS": "\n".join(f"# {name}=" for name in _settings(site.forms)),
    }


def _settings(forms: Mapping[str, Any]) -> list[str]:
    """The variables that destinations and challenges name."""
    found = {d[key] for d in forms.get("destinations", ()) for key in _SETTINGS if d.get(key)}
    challenges = (form.get("challenge") or {} for form in forms["forms"].values())
    return sorted(found | {c["secret_env"] for c in challenges if c.get("secret_env")})


_PART = re.compile(r"^ *#\[(\w+)\n(.*?)^ *#\]\n", re.M | re.S)


def _filled(name: str, words: Mapping[str, str], handler: bool) -> str:
    """A template: `@NAME@` is a word, and what stands between `#[NAME` and `#]` is for such sites only."""
    text = (Path(__file__).parent / "data" / "selfhost" / name).read_text("utf-8")
    secure = words["ORIGIN"].startswith("https:")
    kept = {"handler": handler, "https": secure, "http": not secure, "settings": bool(words["SETTINGS"])}
    text = _PART.sub(lambda part: part[2] if kept[part[1]] else "", text)
    return _spoken(text, words)


def _spoken(text: str, words: Mapping[str, str]) -> str:
    return re.sub(r"@([A-Z]+)@", lambda word: words[word[1]], text)


# What the web servers include

_NOTE = "# Every build writes this anew: change the file that includes it.\n"
_COMPRESSED = (
    "text/css", "text/plain", "text/xml", "application/javascript", "application/json", "application/xml",
    "application/manifest+json", "image/svg+xml",
)  # fmt: skip
_HIDDEN = (".magnetgen", ".magnetgen-stage")


def _moved(site: Site) -> Iterator[tuple[str, str]]:
    """(decoded path, URL): an alias with and without the `/` at its end, as a folder of that name would answer."""
    for redirect in site.redirects:
        alias = unquote(redirect.alias)
        yield alias, redirect.url
        if alias.endswith("/") and len(alias) > 1:
            yield alias[:-1], redirect.url


def _nginx(site: Site) -> str:
    """Locations, for a server block that has set `$public`."""
    base = site.plan.config.prefix
    # nginx takes headers from outside only where a location has none of its own: both have them all.
    policy = [f'    add_header {name} "{value}" always;' for name, value in headers.security(site)]
    lines = [
        "index index.html;",
        "charset utf-8;",
        "absolute_redirect off;",
        "gzip on;",
        "gzip_vary on;",
        f"gzip_types {' '.join(_COMPRESSED)};",
        f"error_page 403 =404 {base}404.html;",
        f"error_page 404 {base}404.html;",
        'set $keep "";',
        *(f'if ($uri {_matching(base, path)}) {{ set $keep "{value}"; }}' for path, value in headers.caching(site)),
        r"location ~ /\.(?!well-known/) { return 404; }",
        *(f'location = "{alias}" {{ return 301 {url}; }}' for alias, url in _moved(site)),
        f"location = {base}404.html {{",
        "    internal;",
        "    alias $public/404.html;",
        *policy,
        "}",
        f"location {base} {{",
        "    alias $public/;",
        # Without `always`: what is missing now may be there tomorrow. Where it is empty, nothing is added.
        "    add_header Cache-Control $keep;",
        *policy,
        "}",
    ]
    return _NOTE + "\n".join(lines) + "\n"


def _matching(base: str, path: str) -> str:
    """A path of `headers.caching` as the condition of an `if`."""
    whole = base + path.lstrip("/")
    return f'~ "^{re.escape(whole[:-1])}"' if whole.endswith("*") else f'= "{whole}"'


def _caddy(site: Site) -> str:
    """Directives, for a site that has set `root`."""
    base = site.plan.config.prefix
    policy = ["header {", *(f'    {name} "{value}"' for name, value in headers.security(site)), "}"]
    serve = ["encode zstd gzip", *policy]
    pages = list(serve)
    for number, (path, value) in enumerate(headers.caching(site)):
        pages += [f"@kept{number} {{", f"    path {path}", "    file", "}"]
        pages.append(f'header @kept{number} Cache-Control "{value}"')
    pages += ["file_server {", f"    hide {' '.join(_HIDDEN)}", "}"]
    moved = [f'    "{alias}" "{url}"' for alias, url in _moved(site)]
    lines = ["map {path} {moved_to} {", *moved, '    default ""', "}"] if moved else []
    if moved:
        lines += ['@moved expression `{moved_to} != ""`', "redir @moved {moved_to} 301"]
    lines += [f"handle{f'_path {base}*' if base != '/' else ''} {{", *_indented(pages), "}"]
    missing = ["rewrite * /404.html", *serve, "file_server"]
    lines += ["handle_errors {", "    @missing expression `{http.error.status_code} == 404`", "    handle @missing {"]
    lines += [*_indented(_indented(missing)), "    }", "}"]
    return _NOTE + "\n".join(lines) + "\n"


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


TARGET = Target("selfhost", headers=True, redirects=_redirects_itself, make=_make)
