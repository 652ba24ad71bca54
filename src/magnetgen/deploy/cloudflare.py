"""Cloudflare Workers: static assets and a worker by `wrangler deploy`, leads in D1, large assets in R2."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from magnetgen.deploy import secrets, uploads
from magnetgen.deploy.job import Job, build, check_address, check_handler, mismatch
from magnetgen.deploy.job import uploads as large
from magnetgen.deploy.steps import BROKEN, CONTENT, USAGE, DeployFault, LeftOut, Step
from magnetgen.deploy.tools import Tool
from magnetgen.targets.starters import read_jsonc, read_toml

TOOL = Tool("wrangler", "npm install -g wrangler", (4, 86, 0))
ALIAS = "preview"
DATABASE, BUCKET = "DB", "ASSETS_BUCKET"
"""Bindings of the worker."""
_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_SET = "they are set by: wrangler secret bulk .magnetgen/secrets  (lines of NAME=value; `magnetgen deploy cloudflare --init` makes the keys)"


def steps(job: Job) -> Iterator[Step]:
    yield Step("tool", lambda: f"wrangler {job.shell.version(TOOL)}", check=True)
    yield Step("build", lambda: build(job))
    yield Step("address", lambda: address(job), check=True)
    yield Step("forms", lambda: check_handler(job), check=True)
    yield Step("bundle", lambda: check_bundle(job), check=True)
    yield Step("account", lambda: logged_in(job), check=True)
    if job.handler_here:
        yield Step("database", lambda: check_database(job), check=True)
        yield Step("secrets", lambda: with_account(job, check_secrets), check=True)
        yield Step("large assets", lambda: put_assets(job))
        yield Step("tables", lambda: migrate(job))
    yield Step("upload", lambda: upload(job))


def settings(job: Job) -> Mapping[str, Any]:
    """What wrangler reads: its JSON before its TOML, which the first build made. Raises DeployFault."""
    for name, read in (("wrangler.json", read_jsonc), ("wrangler.jsonc", read_jsonc), ("wrangler.toml", read_toml)):
        data, _, fault = read(job.root, name)
        if fault:
            raise DeployFault(f"{name}: {fault.message}", fault.hint or "", CONTENT)
        if data is not None:
            return data
    raise DeployFault("wrangler.toml is missing", "magnetgen build --target cloudflare makes one", USAGE)


def address(job: Job) -> str:
    """Whether base_url can be the worker's: its name below workers.dev, or a domain of the account."""
    check_address(job)
    name = str(settings(job).get("name", ""))
    if job.address.path != "/":
        raise DeployFault("base_url has a path: a worker's assets are served at the top of its domain",
                          f"set `base_url: https://{job.host}`", CONTENT)  # fmt: skip
    if job.host.endswith(".workers.dev"):
        label = f"{ALIAS}-{name}" if job.wishes.preview else name
        wanted = ".".join((label, *job.host.split(".")[1:]))
        if job.host != wanted:
            raise mismatch(job, f"https://{wanted}/", "the worker's address, by its name in wrangler.toml")
        return job.base_url
    routes = [_route(route) for route in _list(settings(job).get("routes")) + _list(settings(job).get("route"))]
    if routes and not any(_covers(route, job.host) for route in routes):
        raise DeployFault(f"no route in wrangler.toml leads to {job.host}",
                          f'add {{ pattern = "{job.host}", custom_domain = true }} to routes', CONTENT)  # fmt: skip
    if not routes and not _is_local(job.host):
        job.warn(f'wrangler.toml has no route for {job.host}: it must be the worker\'s domain at Cloudflare, or add\n'
                 f'        routes = [{{ pattern = "{job.host}", custom_domain = true }}]')  # fmt: skip
    return job.base_url


def _is_local(host: str) -> bool:
    return host in ("127.0.0.1", "localhost")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


def _route(value: Any) -> str:
    return str(value.get("pattern", "")) if isinstance(value, dict) else str(value)


def _covers(pattern: str, host: str) -> bool:
    named = pattern.split("://")[-1].split("/")[0]
    return named == host or (named.startswith("*") and host.endswith(named.lstrip("*")))


def preview_url(job: Job) -> str:
    """The address of previews: known where the site itself is below workers.dev."""
    host = urlsplit(job.config.base_url).hostname or ""
    if not host.endswith(".workers.dev"):
        hint = f"--base-url https://{ALIAS}-NAME.SUBDOMAIN.workers.dev  (`wrangler versions upload` says it, too)"
        raise DeployFault("the preview's address cannot be known from base_url", hint, USAGE)
    return f"https://{ALIAS}-{host}/"


def logged_in(job: Job) -> str:
    done = job.shell.ask(TOOL, "whoami", "--json")
    said = done.json()
    if isinstance(said, dict) and said.get("loggedIn"):
        job.known["account"] = True
        return "logged in at Cloudflare"
    if done.code and not isinstance(said, dict):
        raise job.shell.failed(TOOL, ("whoami", "--json"), done, "wrangler login, or set CLOUDFLARE_API_TOKEN")
    raise DeployFault(
        "nobody is logged in at Cloudflare",
        "wrangler login; in CI: CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID",
        USAGE,
    )


def with_account(job: Job, check: Callable[[Job], str]) -> str:
    """A check that asks Cloudflare. Only a rehearsal comes here without an account."""
    if not job.known.get("account"):
        raise LeftOut("not asked, as nobody is logged in")
    return check(job)


def check_bundle(job: Job) -> str:
    """wrangler's own look at settings, worker and assets, which asks nobody."""
    with tempfile.TemporaryDirectory(prefix="magnetgen-wrangler-") as folder:
        words = ("deploy", "--dry-run", "--outdir", folder)
        done = job.shell.ask(TOOL, *words)
    if done.code:
        raise job.shell.failed(TOOL, words, done, "mend wrangler.toml, or delete it and build again")
    size = re.search(r"Total Upload: ([^/\n]+)", done.out)
    return f"wrangler accepts it{f' ({size[1].strip()})' if size else ''}"


def _binding(job: Job, kind: str, binding: str) -> dict[str, Any]:
    entries = [entry for entry in _list(settings(job).get(kind)) if isinstance(entry, dict)]
    return next((entry for entry in entries if entry.get("binding") == binding), {})


def database(job: Job) -> str:
    """The name of the worker's database; empty where its settings have none."""
    return str(_binding(job, "d1_databases", DATABASE).get("database_name", ""))


def check_database(job: Job) -> str:
    """Whether the D1 database that wrangler.toml names is there."""
    entry = _binding(job, "d1_databases", DATABASE)
    name, id = str(entry.get("database_name", "")), str(entry.get("database_id", ""))
    if not name:
        raise DeployFault(
            f"wrangler.toml has no d1_databases with the binding {DATABASE}", "delete it and build again", CONTENT
        )
    if not _ID.fullmatch(id) or not id.strip("0-"):
        hint = f"wrangler d1 create {name}, and write the id that it says to database_id"
        raise DeployFault(f"wrangler.toml has no database_id for {name}", hint, USAGE)
    with_account(job, str)
    words = ("d1", "info", name, "--json")
    done = job.shell.ask(TOOL, *words)
    said = done.json()
    if done.code or not isinstance(said, dict):
        raise job.shell.failed(
            TOOL, words, done, f"is there a database {name} in this account? wrangler d1 create {name}"
        )
    found = str(said.get("uuid") or said.get("database_id") or id)
    if found != id:
        raise DeployFault(
            f"the database {name} has the id {found}, not the one in wrangler.toml", f'database_id = "{found}"', USAGE
        )
    return name


def check_secrets(job: Job) -> str:
    words = ("secret", "list", "--format", "json")
    done = job.shell.ask(TOOL, *words)
    found = done.json()
    if done.code and "10007" not in done.tail:
        raise job.shell.failed(TOOL, words, done, "wrangler login, or set CLOUDFLARE_API_TOKEN")
    listed = found if isinstance(found, list) else []  # a worker that is not there yet has none
    names = {str(entry.get("name")) for entry in listed if isinstance(entry, dict)}
    plain = settings(job).get("vars")
    return secrets.check(job, names | set(plain if isinstance(plain, dict) else ()), _SET)


def put_assets(job: Job) -> str:
    bucket = str(_binding(job, "r2_buckets", BUCKET).get("bucket_name", ""))
    if large(job) and not bucket:
        hint = f'wrangler r2 bucket create NAME, and in wrangler.toml: [[r2_buckets]] binding = "{BUCKET}", bucket_name = "NAME"'
        raise DeployFault(
            "some assets are too large for the worker, and wrangler.toml names no bucket for them", hint, USAGE
        )

    def put(asset: dict[str, Any], file: Path) -> tuple[str, ...]:
        return ("r2", "object", "put", f"{bucket}/{asset['key']}", "--file", str(file), "--remote")

    def get(asset: dict[str, Any], file: Path) -> tuple[str, ...]:
        return ("r2", "object", "get", f"{bucket}/{asset['key']}", "--file", str(file), "--remote")

    return uploads.put_all(job, TOOL, put, get)


def migrate(job: Job) -> str:
    """Bring the tables to where the worker expects them. A preview changes nothing of what is live."""
    if job.wishes.preview:
        words = ("d1", "migrations", "list", DATABASE, "--remote")
        done = job.shell.ask(TOOL, *words)
        if done.code:
            raise job.shell.failed(TOOL, words, done)
        if "No migrations to apply" not in done.out:
            hint = "deploy once without --preview: the preview uses the same database"
            raise DeployFault("the database has not the tables of this build yet", hint, BROKEN)
        return "up to date"
    done_now = job.shell.change(TOOL, "d1", "migrations", "apply", DATABASE, "--remote")
    return "up to date" if done_now else "not changed: this is a rehearsal"


def upload(job: Job) -> str:
    words = ("versions", "upload", "--preview-alias", ALIAS) if job.wishes.preview else ("deploy",)
    done = job.shell.change(TOOL, *words)
    if done is None:
        return "not uploaded: this is a rehearsal"
    version = re.search(r"(?:Version ID|Current Version ID): ([0-9a-f-]{36})", done.out)
    return f"version {version[1]}" if version else "done"


def undo(job: Job) -> str:
    return "" if job.wishes.preview else "wrangler rollback  (leads in D1 are not touched)"
