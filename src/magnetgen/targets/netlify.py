"""Netlify: static files, functions, and Blobs as the store."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from magnetgen import places
from magnetgen.diagnostics import Diagnostic, Report, error, warning
from magnetgen.targets import Product, Redirect, Site, Target, checks, edge, headers, starters

CONFIG = "netlify.toml"
FUNCTIONS = ".magnetgen/bundle/netlify/functions"
INLINE_EACH = 4_000_000
"""Bytes of an asset in the bundle: an answer that is not streamed has 6 MB, and base64 adds a third."""
INLINE_TOGETHER = 24_000_000
STREAMED = 20_000_000
"""Bytes that a streamed answer may have."""
ZIPPED = 50_000_000
_PLAIN = re.compile(r"/[A-Za-z0-9._~%/-]*")


def _redirects_itself(redirects: list[Redirect]) -> list[Redirect]:
    return [r for r in redirects if _PLAIN.fullmatch(r.alias)]


def _make(site: Site, report: Report) -> Product:
    report.extend(checks.address(site.plan))
    api = checks.handler_path(site.plan)
    report.extend(_config_faults(site, api))
    report.extend(_single_use(site) if api else ())
    files = {"_headers": headers.file(site), "_redirects": redirects(site.redirects)}
    return Product(
        files,
        _bundle(site, api, report) if api else {},
        _starters(site, api),
    )


def _starters(site: Site, api: str | None) -> dict[str, str]:
    """What the settings that are made here name, too; settings of one's own may install otherwise."""
    made = {CONFIG: _config(site, api)}
    if not (site.root / CONFIG).exists():
        made[starters.REQUIREMENTS] = starters.requirements()
    return made


def redirects(found: tuple[Redirect, ...]) -> bytes:
    return "".join(f"{redirect.alias} {redirect.url} 301\n" for redirect in found).encode()


def _bundle(site: Site, api: str, report: Report) -> edge.Files:
    report.extend(edge.too_large(site, STREAMED, "Netlify", "streams answers of up to"))
    inline = edge.divide(site, INLINE_EACH, INLINE_TOGETHER)
    files = edge.library(site, "netlify.mjs", inline)
    files["functions/magnetgen.mjs"] = _function("handle", {"path": [f"{api}/*"]})
    files["functions/magnetgen-drain.mjs"] = _function("drain", {"schedule": "* * * * *"})
    files["uploads.json"] = edge.uploads(site, inline)
    edge.check_size(files, ZIPPED, "Netlify", report)
    return files


def _function(method: str, config: dict[str, Any]) -> bytes:
    return (
        'import { netlify } from "../lib/edge/netlify.mjs";\n'
        'import forms from "../lib/forms.mjs";\n'
        'import services from "../lib/services.mjs";\n'
        'import assets from "../lib/assets.mjs";\n\n'
        "const app = netlify({ forms, assets, services });\n\n"
        f"export default app.{method};\n"
        f"export const config = {json.dumps(config)};\n"
    ).encode()


def _config(site: Site, api: str | None) -> str:
    build = f'"pip install -r {starters.REQUIREMENTS} && magnetgen build --target netlify'
    functions = f'\n[functions]\n  directory = "{FUNCTIONS}"\n' if api else ""
    return (
        f"{starters.NOTE}\n"
        "[build]\n"
        "  # $URL is the site's main address there: so that a copy of this site is built for its own.\n"
        f'  command = {build} ${{URL:+--base-url $URL}}"\n'
        f"  publish = {json.dumps(starters.folder(site))}\n"
        f"{functions}"
        "\n[build.environment]\n"
        '  PYTHON_VERSION = "3.13"\n'
        "\n# A preview is built for its own address, so that its links and forms stay there.\n"
        "[context.deploy-preview]\n"
        f'  command = {build} --base-url $DEPLOY_PRIME_URL"\n'
        "\n[context.branch-deploy]\n"
        f'  command = {build} --base-url $DEPLOY_PRIME_URL"\n'
    )


def _single_use(site: Site) -> Iterator[Diagnostic]:
    """Magnets whose codes are for one lead each: nothing in Netlify Blobs keeps two leads from the same one."""
    for name, magnet in sorted(site.forms.get("magnets", {}).items()):
        if magnet.get("codes"):
            source = f"content/magnets/{name}.md"
            there = (site.root / source).is_file()
            span = places.document(site.root, source).span(("codes",)) if there else None
            hint = (
                "give everybody the same `code`, or have the forms handled where a database is: "
                "Cloudflare, AWS, or a server of your own"
            )
            message = "Netlify's store cannot promise that a single-use code is handed out only once"
            yield error("codes-store", message, source, span, hint)


def _config_faults(site: Site, api: str | None) -> Iterator[Diagnostic]:
    data, text, fault = starters.read_toml(site.root, CONFIG)
    if fault:
        yield fault
    if data is None:
        return
    for path, wanted in ((("build", "publish"), site.out), (("functions", "directory"), FUNCTIONS if api else "")):
        found = starters.get(data, path)
        if path[0] == "functions" and found is None:
            found = starters.get(data, ("build", "functions"))
        if wanted and not wanted.startswith("/") and starters.norm(wanted) != starters.norm(found):
            yield starters.differs(CONFIG, text, path, found, f'"{wanted}"', fatal=True)
    command = starters.get(data, ("build", "command"))
    if command and "magnetgen build" in command and "--target netlify" not in command:
        hint = "add `--target netlify`"
        place = starters.place(text, ("build", "command"))
        yield warning("target-file-differs", "build.command builds for no target", CONFIG, place, hint)


TARGET = Target("netlify", headers=True, redirects=_redirects_itself, make=_make)
