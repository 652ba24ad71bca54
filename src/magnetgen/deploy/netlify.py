"""Netlify: static files and functions by `netlify deploy`, large assets in Netlify Blobs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from magnetgen.deploy import secrets, uploads
from magnetgen.deploy.job import Job, build, check_address, check_handler, mismatch
from magnetgen.deploy.steps import CONTENT, USAGE, DeployFault, LeftOut, Step
from magnetgen.deploy.tools import Tool

TOOL = Tool("netlify", "npm install -g netlify-cli", (26, 0, 0))
"""Before the 24th, `blobs:set` and `blobs:get` spoilt bytes that are no text."""
ALIAS = "magnetgen-preview"
STORE = "magnetgen-assets"
_SET = "they are set by: netlify env:import .magnetgen/secrets  (lines of NAME=value; `magnetgen deploy netlify --init` makes the keys)"


def steps(job: Job) -> Iterator[Step]:
    yield Step("tool", lambda: f"netlify {job.shell.version(TOOL)}", check=True)
    yield Step("site at Netlify", lambda: linked(job), check=True)
    yield Step("address", lambda: address(job), check=True)
    yield Step("build", lambda: build(job))
    yield Step("forms", lambda: check_handler(job), check=True)
    if job.handler_here:
        yield Step("secrets", lambda: check_secrets(job), check=True)
        yield Step("large assets", lambda: uploads.put_all(job, TOOL, _put, _get))
    yield Step("upload", lambda: upload(job))


def linked(job: Job) -> str:
    """The site that the folder is linked to, and that somebody is logged in who may see it."""
    done = job.shell.ask(TOOL, "status", "--json")
    said = done.json()
    data = said.get("siteData") if isinstance(said, dict) else None
    if not isinstance(data, dict) or not data.get("site-id"):
        if "linked" in done.tail:
            raise DeployFault(
                "this folder is not linked to a site at Netlify", "netlify sites:create, or: netlify link", USAGE
            )
        if done.code and "xpired" not in done.tail:
            raise job.shell.failed(TOOL, ("status", "--json"), done, "netlify login, or set NETLIFY_AUTH_TOKEN")
        raise DeployFault(
            "nobody is logged in at Netlify, or this folder is not linked to a site there",
            "netlify login && netlify link; in CI: NETLIFY_AUTH_TOKEN and NETLIFY_SITE_ID", USAGE, done.tail,
        )  # fmt: skip
    job.known.update(_site(job, str(data["site-id"])), id=data["site-id"])
    return f"{job.known['name']} ({job.known.get('ssl_url')})"


def _site(job: Job, id: str) -> dict[str, Any]:
    """What Netlify says of its name, its domains, and which deploy is live."""
    words = ("api", "getSite", "--data", json.dumps({"site_id": id}))
    done = job.shell.ask(TOOL, *words)
    found = done.json()
    if not isinstance(found, dict) or not found.get("name"):
        raise job.shell.failed(TOOL, words, done, "netlify login && netlify link")
    return found


def address(job: Job) -> str:
    """Whether base_url is one of the site's addresses."""
    check_address(job)
    if not job.known.get("name"):
        raise LeftOut("not compared, as the site at Netlify is not known")
    own = f"{job.known['name']}.netlify.app"
    if job.wishes.preview:
        if job.host != f"{ALIAS}--{own}":
            raise mismatch(job, f"https://{ALIAS}--{own}/", "the preview's address")
        return job.base_url
    main = str(job.known.get("ssl_url") or f"https://{own}")
    aliases = job.known.get("domain_aliases")
    hosts = {
        own,
        urlsplit(main).hostname,
        job.known.get("custom_domain"),
        *(aliases if isinstance(aliases, list) else ()),
    }
    if job.host not in hosts:
        raise mismatch(job, f"{main.rstrip('/')}/", "the site's address at Netlify")
    if job.address.path != "/":
        raise DeployFault("base_url has a path: Netlify serves the output at the top of its domain",
                          f"set `base_url: {main}`", CONTENT)  # fmt: skip
    return job.base_url


def preview_url(job: Job) -> str:
    """The address of previews, once the site is known."""
    linked(job)
    return f"https://{ALIAS}--{job.known['name']}.netlify.app/"


def check_secrets(job: Job) -> str:
    if not job.known.get("name"):
        raise LeftOut("not asked, as the site at Netlify is not known")
    words = (
        "api",
        "getEnvVars",
        "--data",
        json.dumps({"account_id": job.known.get("account_slug"), "site_id": job.known["id"]}),
    )
    done = job.shell.ask(TOOL, *words)
    found = done.json()
    if done.code or not isinstance(found, list):
        raise job.shell.failed(TOOL, words, done, "netlify login && netlify link")
    variables = [entry for entry in found if isinstance(entry, dict)]
    job.shell.hide(str(one.get("value") or "") for entry in variables for one in entry.get("values") or ())
    contexts = {"all", "deploy-preview", "branch-deploy"} if job.wishes.preview else {"all", "production"}
    return secrets.check(job, (str(entry.get("key")) for entry in variables if _holds(entry, contexts)), _SET)


def _holds(variable: dict[str, Any], contexts: set[str]) -> bool:
    """Whether functions get a value from it. What was set as a secret cannot be read again, and is taken to have one."""
    values = [one for one in variable.get("values") or () if one.get("context") in contexts]
    scopes = variable.get("scopes") or ["functions"]
    return "functions" in scopes and any(one.get("value") or variable.get("is_secret") for one in values)


def _put(asset: dict[str, Any], file: Path) -> tuple[str, ...]:
    return ("blobs:set", STORE, asset["key"], "--input", str(file), "--force")


def _get(asset: dict[str, Any], file: Path) -> tuple[str, ...]:
    return ("blobs:get", STORE, asset["key"], "--output", str(file))


def upload(job: Job) -> str:
    """`netlify deploy`: it makes a whole new deploy, or none."""
    words = ["deploy", "--no-build", "--dir", str(job.out), "--json", "--message", f"magnetgen: {job.base_url}"]
    functions = job.bundle / "functions"
    if functions.is_dir():
        words += ["--functions", str(functions)]
    words += ["--alias", ALIAS] if job.wishes.preview else ["--prod"]
    done = job.shell.change(TOOL, *words)
    if done is None:
        return "not uploaded: this is a rehearsal"
    said = done.json()
    live = said.get("deploy_url") if isinstance(said, dict) else None
    return f"{live or 'done'}"


def undo(job: Job) -> str:
    """Publish the deploy again that was live before."""
    before = job.known.get("published_deploy")
    if job.wishes.preview or not isinstance(before, dict) or not before.get("id"):
        return "" if job.wishes.preview else "choose an earlier deploy at https://app.netlify.com, and publish it"
    data = json.dumps({"site_id": job.known.get("id"), "deploy_id": before["id"]})
    return f"netlify api restoreSiteDeploy --data '{data}'"
