"""The handler's own rules over the local store, in this process. A handler may run at the same time."""

from __future__ import annotations

import contextlib
import io
import json
import secrets
import sqlite3
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlencode

from magnetgen.forms import files, runtime, settings, tokens
from magnetgen.forms import site as sites
from magnetgen.forms.http import Request
from magnetgen.forms.runtime import Runtime
from magnetgen.forms.site import Site, SiteFault
from magnetgen.forms.store import Store, StoreUnavailable, open_store
from magnetgen.forms.tokens import Keys
from magnetgen.forms.webhooks import HttpPoster
from magnetgen.leads.client import BROKEN, USAGE, LeadsFault, Transport

_KEYED = ("leads/search", "leads/erase")
"""Routes that find an address by its keyed hash."""


class Empty:
    """There is no store: nothing was ever sent."""

    sends = ""

    def __init__(self, why: str) -> None:
        self.empty = why

    def send(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        empty = {
            "leads": {"leads": [], "next": None},
            "submissions": {"submissions": [], "next": None},
            "leads/search": {"leads": [], "submissions": [], "deliveries": [], "suppressed": ""},
            "leads/erase": {"erased": 0},
            "outbox": {"deliveries": []},
            "drain": {"sent": 0, "failed": 0},
        }
        return (200, json.dumps(empty[path]).encode()) if path in empty else (404, b"{}")

    def close(self) -> None: ...


class Local:
    """A runtime that nobody else can reach. `lacks`: what it cannot do, by path, and why."""

    empty = ""

    def __init__(self, handler: Runtime, sends: str, lacks: Mapping[str, str]) -> None:
        self._runtime, self.sends, self._lacks = handler, sends, lacks

    def send(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        for name, why in self._lacks.items():
            if path == name or path.endswith(f"/{name}"):
                raise LeadsFault(why, USAGE)
        headers = {"authorization": f"Bearer {self._runtime.keys.admin}", "accept": "application/json"}
        if body:
            headers |= {"content-type": "application/json", "content-length": str(len(body))}
        whole = f"{self._runtime.site.prefix}/admin/{path}"
        log = io.StringIO()
        with contextlib.redirect_stderr(log):
            response = self._runtime.answer(Request(method, whole, headers, body, urlencode(query), id="local"))
        if response.status >= 500:
            raise LeadsFault(f"the store cannot be used at the moment{_reason(log.getvalue())}")
        return response.status, response.body

    def close(self) -> None:
        self._runtime.close()


def _reason(log: str) -> str:
    """Why the last request failed, as the handler would have logged it."""
    for line in reversed(log.splitlines()):
        with contextlib.suppress(ValueError):
            found = json.loads(line)
            if why := found.get("reason") or found.get("error"):
                return f" ({why})"
    return ""


def open_local(site: Path, preview: bool, env: Mapping[str, str], sending: bool = False) -> Transport:
    """The store of a site's handler, or of its preview. `sending`: able to drain. Raises LeadsFault."""
    try:
        return _open(site, preview, env, sending)
    except SiteFault as exc:
        raise LeadsFault(str(exc), USAGE) from None
    except StoreUnavailable as exc:
        raise LeadsFault(f"the store cannot be used at the moment ({exc})") from None
    except sqlite3.Error as exc:
        raise LeadsFault(f"the store cannot be opened: {exc}") from None
    except OSError as exc:
        raise LeadsFault(f"the store cannot be opened: {exc.strerror or exc}", BROKEN) from None


def _open(site: Path, preview: bool, env: Mapping[str, str], sending: bool) -> Transport:
    if not site.is_dir():
        raise LeadsFault(f"there is no folder {site}", USAGE)
    if preview and sending:
        raise LeadsFault("the preview sends by itself, into its own mailbox: leave out --send", USAGE)
    known = {**env, **settings.missing(site, env, files.of(preview))}
    url = _store_url(site, preview, known)
    path = Path(unquote(url.removeprefix("sqlite:///"))) if url.startswith("sqlite:///") else None
    if path is not None and not path.exists():
        how = "`magnetgen serve`" if preview else "`magnetgen handler`"
        return Empty(f"There are no leads yet: {how} makes {_shown(path)} when it runs.")
    if sending:
        return Local(_sending(site, known), "", {})
    keys, no_keys = _keys(known, preview)
    made, no_forms = _site(site, preview)
    lacks = {path: no_keys for path in _KEYED if no_keys} | ({"release": no_forms} if no_forms else {})
    sends = "the preview sends it when it runs" if preview else "a running handler sends it, or --send does"
    return Local(_quiet(site, made, keys, open_store(url)), sends, lacks)


def _store_url(site: Path, preview: bool, env: Mapping[str, str]) -> str:
    own = "" if preview else env.get("MAGNETGEN_STORE", "")
    return own or files.store_url(site, files.of(preview))


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _keys(env: Mapping[str, str], preview: bool) -> tuple[Keys, str]:
    """The site's keys; or keys that open nothing, and why. The token is made up: it never leaves this process."""
    own = secrets.token_hex(32)
    try:
        return replace(tokens.parse_keys({**env, "MAGNETGEN_ADMIN_TOKEN": ""}), admin=own), ""
    except SiteFault as exc:
        where = f"{files.FOLDER}/{files.of(preview).secrets}"
        why = f"an address is found by the handler's keys, in {where} or the environment, and {exc}"
        return Keys({"none": secrets.token_bytes(32)}, secrets.token_bytes(32), own), why


def _site(root: Path, preview: bool) -> tuple[Site, str]:
    """What was built; or a site without forms, which is enough to read, and why."""
    path = files.path(root, files.of(preview).forms)
    try:
        return sites.load(path.read_bytes()), ""
    except FileNotFoundError:
        how = "start the preview once (magnetgen serve)" if preview else "build the site first (magnetgen build)"
        why = f"{_shown(path)} is missing: {how}"
    except SiteFault as exc:
        why = str(exc)
    return Site("https://localhost/", "https://localhost/api", frozenset()), why


def _quiet(root: Path, site: Site, keys: Keys, store: Store) -> Runtime:
    """A runtime that has nothing to send with."""
    return runtime.build(root, site, keys, store, None, HttpPoster(), {}, {}, "")


def _sending(root: Path, env: Mapping[str, str]) -> Runtime:
    """A runtime that sends as the handler would, and says what is not set up."""
    own = {**env, "MAGNETGEN_ADMIN_TOKEN": secrets.token_hex(32)}
    return runtime.from_env(root, own, tell=lambda hint: print(f"magnetgen: {hint}", file=sys.stderr))
