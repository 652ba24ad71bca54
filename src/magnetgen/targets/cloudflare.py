"""Cloudflare Workers: static assets, a worker before the handler's path, D1 as the store, R2 for large files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from magnetgen.config import CONFIG_FILE
from magnetgen.diagnostics import ERROR, Diagnostic, Report, error, warning
from magnetgen.forms.store import schema
from magnetgen.targets import Product, Redirect, Site, Target, checks, edge, headers, starters
from magnetgen.text import host_name

CONFIG = "wrangler.toml"
OTHERS = ("wrangler.json", "wrangler.jsonc")
"""Wrangler reads these first."""
FOLDER = ".magnetgen/bundle/cloudflare"
MAIN = f"{FOLDER}/worker.mjs"
MIGRATIONS = f"{FOLDER}/migrations"
COMPATIBLE = "2026-04-01"

STATIC_RULES = 2000
LINE = 2000
"""Characters of a line in `_headers` and `_redirects`; longer ones are left out."""
FILES_FREE, FILES_PAID = 20_000, 100_000
FILE_MAX = 25 * 1024 * 1024
BUNDLE_FREE, BUNDLE_PAID = 3_000_000, 10_000_000
"""Compressed bytes of a worker: 3 MB on the free plan, 10 MB on a paid one."""
INLINE = 2_000_000
"""Bytes of assets in the worker: the rest of the free plan's 3 MB is for code and forms."""
STORED_MAX = 300 * 1024 * 1024
"""Bytes that wrangler puts into R2 at once."""
_PLAIN = re.compile(r"/[A-Za-z0-9._~%/-]*")
_INDEX = re.compile(r"/index(\.html)?$")


def _redirects_itself(found: list[Redirect]) -> list[Redirect]:
    """Those that the rules of Workers' assets take; a rule is for one spelling, so each alias needs two."""
    fine = [
        r for r in found if _PLAIN.fullmatch(r.alias) and not _INDEX.search(r.url) and len(r.alias + r.url) < LINE - 8
    ]
    taken, spellings = [], 0
    for redirect in fine:
        spellings += len(_spellings(redirect.alias))
        if spellings > STATIC_RULES:
            break
        taken.append(redirect)
    return taken


def _spellings(alias: str) -> tuple[str, ...]:
    return (alias, alias.rstrip("/")) if alias.endswith("/") and alias != "/" else (alias,)


def _make(site: Site, report: Report) -> Product:
    plan = site.plan
    report.extend(checks.address(plan))
    report.extend(checks.netlify_forms(plan))
    report.extend(checks.large_files(site, FILE_MAX, "Cloudflare"))
    report.extend(_too_many(site))
    api = checks.handler_path(plan)
    bundle = _bundle(site, api, report) if api else {}
    stored = api is not None and len(edge.divide(site, INLINE, INLINE)) < len(site.forms["assets"])
    existing = next((name for name in (*OTHERS, CONFIG) if (site.root / name).is_file()), None)
    if existing:
        report.extend(_config_faults(site, existing, api, stored))
    starter = {} if existing in OTHERS else {CONFIG: _config(site, api, stored)}
    return Product(_files(site, report), bundle, starter, (*OTHERS, CONFIG))


def _files(site: Site, report: Report) -> dict[str, bytes]:
    rules = headers.file(site)
    for line in rules.decode().splitlines():
        if len(line.strip()) > LINE:
            name = line.strip().partition(":")[0]
            hint = "put scripts into the theme's static/theme.js and styles into its style.css, or load them from files in media/"
            message = f"{name} has {len(line.strip()):,} characters, and Cloudflare leaves out what has over {LINE:,}"
            report.add(error("header-too-long", message, CONFIG_FILE, None, hint))
    lines = [f"{spelling} {r.url} 301\n" for r in site.redirects for spelling in _spellings(r.alias)]
    return {
        "_headers": rules,
        "_redirects": "".join(lines).encode(),
        ".assetsignore": b".magnetgen\n.magnetgen-stage\n",
    }


def _too_many(site: Site) -> Iterator[Diagnostic]:
    count = len(site.sizes)
    if count > FILES_FREE:
        hint = f"Cloudflare takes {FILES_FREE:,} files on the free plan and {FILES_PAID:,} on paid ones"
        found = warning("too-many-files", f"the site has {count:,} files", CONFIG_FILE, None, hint)
        yield replace(found, severity=ERROR) if count > FILES_PAID else found


def _bundle(site: Site, api: str, report: Report) -> edge.Files:
    report.extend(edge.too_large(site, STORED_MAX, "Cloudflare", "takes into R2 at once"))
    inline = edge.divide(site, INLINE, INLINE)
    files = edge.library(site, "worker.mjs", inline)
    files["worker.mjs"] = _WORKER
    for name, statements in schema.migrations().items():
        files[f"migrations/{name}"] = "".join(f"{statement};\n" for statement in statements).encode()
    files["uploads.json"] = edge.uploads(site, inline)
    size = edge.check_size(files, BUNDLE_PAID, "Cloudflare", report)
    if BUNDLE_FREE < size <= BUNDLE_PAID:
        message = f"the worker has {checks.megabytes(size)} compressed, and the free plan takes {checks.megabytes(BUNDLE_FREE)}"
        hint = "a paid plan takes 10 MB; fewer forms make it smaller"
        report.add(warning("bundle-large", message, CONFIG_FILE, None, hint))
    return files


_WORKER = b"""\
import { worker } from "./lib/edge/worker.mjs";
import forms from "./lib/forms.mjs";
import services from "./lib/services.mjs";
import assets from "./lib/assets.mjs";

export default worker({ forms, assets, services });
"""


def _config(site: Site, api: str | None, stored: bool) -> str:
    name = host_name(site.plan.config.title)
    assets = f"[assets]\ndirectory = {json.dumps(starters.folder(site))}\n"
    pages = 'not_found_handling = "404-page"\n'
    head = f'{starters.NOTE}\nname = {json.dumps(name)}\ncompatibility_date = "{COMPATIBLE}"\npreview_urls = true\n'
    if api is None:
        return f"{head}\n{assets}{pages}"
    bucket = f'\n[[r2_buckets]]\nbinding = "ASSETS_BUCKET"\nbucket_name = "{name}-assets"\n' if stored else ""
    return (
        f'{head}compatibility_flags = ["nodejs_compat"]\nmain = "{MAIN}"\n'
        f'\n{assets}binding = "ASSETS"\n{pages}run_worker_first = ["{api}/*"]\n'
        f'\n[[d1_databases]]\nbinding = "DB"\ndatabase_name = "{name}-leads"\n# database_id = "…"   # `wrangler d1 create {name}-leads` says it\nmigrations_dir = "{MIGRATIONS}"\n{bucket}'
        '\n# Sends what is due: mails and webhooks that wait or failed.\n[triggers]\ncrons = ["* * * * *"]\n'
        "\n[observability]\nenabled = true\n"
    )


def _config_faults(site: Site, name: str, api: str | None, stored: bool) -> Iterator[Diagnostic]:
    read = starters.read_toml if name == CONFIG else starters.read_jsonc
    data, text, fault = read(site.root, name)
    if fault:
        yield fault
    if data is None:
        return

    def differs(path: tuple[str, ...], wanted: str, fatal: bool) -> Diagnostic:
        return starters.differs(name, text, path, starters.get(data, path), wanted, fatal)

    if not site.out.startswith("/") and starters.norm(starters.get(data, ("assets", "directory"))) != site.out:
        yield differs(("assets", "directory"), f'"{site.out}"', True)
    if starters.get(data, ("assets", "not_found_handling")) != "404-page":
        yield differs(("assets", "not_found_handling"), '"404-page"', False)
    if api is None:
        return
    if starters.norm(data.get("main")) != MAIN:
        yield differs(("main",), f'"{MAIN}"', True)
    if "nodejs_compat" not in (data.get("compatibility_flags") or ()):
        yield differs(("compatibility_flags",), '["nodejs_compat"]', True)
    if str(data.get("compatibility_date") or "") < COMPATIBLE:
        yield differs(("compatibility_date",), f'"{COMPATIBLE}"', True)
    if not _runs_first(starters.get(data, ("assets", "run_worker_first")), api):
        yield differs(("assets", "run_worker_first"), f'["{api}/*"]', True)
    yield from _binding_faults(name, text, data, stored)
    if "* * * * *" not in (starters.get(data, ("triggers", "crons")) or ()):
        yield differs(("triggers", "crons"), '["* * * * *"]', False)


def _runs_first(value: Any, api: str) -> bool:
    if isinstance(value, list):
        excluded = any(rule.startswith("!") and _covers(rule[1:], api) for rule in value if isinstance(rule, str))
        return not excluded and any(_covers(rule, api) for rule in value if isinstance(rule, str))
    return value is True


def _covers(rule: str, api: str) -> bool:
    return rule.endswith("*") and f"{api}/".startswith(rule[:-1])


def _binding_faults(name: str, text: str, data: Mapping[str, Any], stored: bool) -> Iterator[Diagnostic]:
    databases = {d.get("binding"): d for d in data.get("d1_databases") or () if isinstance(d, dict)}
    database = databases.get("DB")
    if database is None:
        path = ("d1_databases", "binding")
        yield starters.differs(name, text, path, next(iter(databases), None), '"DB"', True)
    elif starters.norm(database.get("migrations_dir")) != MIGRATIONS:
        path = ("d1_databases", "migrations_dir")
        yield starters.differs(name, text, path, database.get("migrations_dir"), f'"{MIGRATIONS}"', True)
    buckets = {b.get("binding") for b in data.get("r2_buckets") or () if isinstance(b, dict)}
    if stored and "ASSETS_BUCKET" not in buckets:
        yield starters.differs(
            name, text, ("r2_buckets", "binding"), next(iter(buckets), None), '"ASSETS_BUCKET"', True
        )


TARGET = Target("cloudflare", headers=True, redirects=_redirects_itself, make=_make)
