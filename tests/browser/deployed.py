"""A built site where its hosts' own tools serve it: pages and handler, mails to a stand-in of a mail provider."""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from magnetgen.forms import tokens
from tests.conftest import ROOT
from tests.forms.services import Service
from tests.validators.tools import module

PATIENCE = 90.0
"""Seconds after which something has not started; nothing here is about how long anything takes."""
SETTINGS = {
    "MAGNETGEN_MAIL_PROVIDER": "resend",
    "MAGNETGEN_MAIL_KEY": "re_test",
    "MAGNETGEN_MAIL_FROM": "Lead Lab <lab@site.example>",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def magnetgen(*words: str, cwd: Path | None = None) -> str:
    """A command of ours, as a writer runs it."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "magnetgen", *words]
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def new_site(folder: Path, base_url: str) -> Path:
    """The starter: an offer with a book, and a form with double opt-in."""
    magnetgen("new", "site", str(folder), "--title", "Lead Lab", "--base-url", base_url)
    return folder


def settings(mails: Service) -> dict[str, str]:
    """A handler's environment, with its mails to the stand-in."""
    return {**tokens.make_secrets(), **SETTINGS, "MAGNETGEN_MAIL_URL": mails.url}


def mailed(mails: Service, kind: str) -> str:
    """The link of that kind in a mail that has come, or that comes soon."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        for got in list(mails.got):
            if found := re.search(rf"https?://\S+/{kind}/mg1[\w.-]+", got.json["text"]):
                return found[0]
        time.sleep(0.1)
    raise AssertionError(f"no mail with a link to {kind}; {len(mails.got)} came")


PAGES, HANDLER = "ana.pages.test", "leads.handler.test"
PLACES = {PAGES: f"127.0.0.1:{free_port()}", HANDLER: f"127.0.0.1:{free_port()}"}
"""Two origins, as GitHub Pages has no ports: where the names lead, the browser is told by FLAGS."""
FLAGS = (
    "--host-resolver-rules=" + ",".join(f"MAP {name} {place}" for name, place in PLACES.items()),
    # There they have TLS, and some headers count only with it.
    "--unsafely-treat-insecure-origin-as-secure=" + ",".join(f"http://{name}" for name in PLACES),
)


@contextmanager
def running(command: Sequence[str | Path], log: Path, url: str, cwd: Path, env: Mapping[str, str]) -> Iterator[str]:
    """A server while it answers at `url`; all that it has started ends with it."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=cwd, env={**os.environ, **env}, stdout=output, stderr=output, stdin=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        try:
            _await(process, url, log)
            yield url
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _await(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                if answer.status == 200:
                    return
        except (OSError, urllib.error.HTTPError):
            time.sleep(0.2)
    raise AssertionError(f"{url} does not answer:\n{log.read_text('utf-8', 'replace')[-4000:]}")


@contextmanager
def on_cloudflare(folder: Path, mails: Service) -> Iterator[str]:
    """`wrangler dev`, which reads wrangler.toml as in production: assets, worker and D1. Yields the site's address."""
    port, base = free_port(), ""
    base = f"http://127.0.0.1:{port}/"
    site = new_site(folder, base)
    magnetgen("build", "--target", "cloudflare", cwd=site)
    (site / ".dev.vars").write_text("".join(f'{name}="{value}"\n' for name, value in settings(mails).items()))
    env = {"CI": "1", "WRANGLER_SEND_METRICS": "false"}
    wrangler = ["node", str(module("wrangler/bin/wrangler.js"))]
    migrate = [*wrangler, "d1", "migrations", "apply", "DB", "--local"]
    made = subprocess.run(migrate, cwd=site, env={**os.environ, **env}, capture_output=True, text=True, timeout=120)
    assert made.returncode == 0, made.stdout + made.stderr
    options = ["--local", "--ip", "127.0.0.1", "--port", str(port), "--inspector-port", str(free_port()),
               "--show-interactive-dev-session=false"]  # fmt: skip
    with running([*wrangler, "dev", *options], folder.with_suffix(".log"), f"{base}api/readyz", site, env):
        yield base


@contextmanager
def on_netlify(folder: Path, mails: Service) -> Iterator[str]:
    """`netlify dev`, as Netlify's tools serve a site. They listen everywhere: only inside a network of one's own."""
    port = 8888
    base = f"http://127.0.0.1:{port}/"
    site = new_site(folder, base)
    magnetgen("build", "--target", "netlify", cwd=site)
    cli = ROOT / "tests" / "tools" / "netlify" / "node_modules" / "netlify-cli" / "bin" / "run.js"
    options = ["dev", "--offline", "--no-open", "--port", str(port), "--functions-port", "8889", "--skip-gitignore",
               "--geo", "mock", "--country", "DE", "--internal-disable-edge-functions"]  # fmt: skip
    env = {
        **settings(mails),
        "NETLIFY_TELEMETRY_DISABLED": "1",
        "BROWSER": "none",
        "CI": "1",
        "HOME": str(folder.parent),
    }
    with running(["node", str(cli), *options], folder.with_suffix(".log"), f"{base}api/readyz", site, env):
        yield base


@contextmanager
def on_pages(folder: Path, mails: Service) -> Iterator[str]:
    """GitHub Pages: files below the repository's name on one origin, and the handler on another (see PLACES)."""
    port, elsewhere = (int(place.rpartition(":")[2]) for place in PLACES.values())
    base, api = f"http://{PAGES}/lead-lab/", f"http://{HANDLER}/api"
    site = new_site(folder, base)
    config = site / "magnetgen.yaml"
    config.write_text(config.read_text("utf-8") + f"\nhandler:\n  url: {api}\n", "utf-8")
    magnetgen("build", "--target", "github-pages", cwd=site)
    command = [sys.executable, "-m", "magnetgen", "handler", "--host", "127.0.0.1", "--port", str(elsewhere)]
    env = {**settings(mails), "PYTHONPATH": str(ROOT / "src")}
    ready = f"http://127.0.0.1:{elsewhere}/api/readyz"
    with _files(site / "public", "/lead-lab", port), running(command, folder.with_suffix(".log"), ready, site, env):
        yield base


@contextmanager
def _files(root: Path, prefix: str, port: int) -> Iterator[None]:
    """Static files below a prefix, with no header but what a static host sends."""

    class Files(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def __init__(self, *words: Any, **more: Any) -> None:
            super().__init__(*words, directory=str(root), **more)

        def translate_path(self, path: str) -> str:
            if not path.startswith(f"{prefix}/"):
                return str(root / secrets.token_hex(8))
            return super().translate_path(path.removeprefix(prefix))

        def log_message(self, *words: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", port), Files)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
