"""The files for a machine of one's own, with the servers that read them: nginx, Caddy, systemd's own checks."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from aiosmtpd.controller import Controller

from magnetgen.build import build
from magnetgen.forms import tokens
from magnetgen.forms.records import LeadQuery
from magnetgen.forms.store.sqlite import SqliteStore
from magnetgen.state import Options
from tests.conftest import NOW, ROOT, Site, page
from tests.contract.test_vectors import free_port
from tests.validators.tools import program

PATIENCE = 30.0
FORM = """\
title: Get the guide
fields: [email, first_name?]
double_opt_in: true
magnet: guide
min_seconds: 0
notify: [crm]
"""
SETTINGS = """\
title: Lead Lab
base_url: {base_url}
description: Notes on lead generation for small teams.
handler:
  destinations:
    - {{name: crm, kind: webhook, url_env: CRM_URL, secret_env: CRM_SECRET}}
"""
MAGNET = b"%PDF-1.7 the guide"


def write(root: Path, base_url: str) -> Site:
    site = Site(root)
    site.write("magnetgen.yaml", SETTINGS.format(base_url=base_url))
    aliases = '["/old/", "/früher/", "/a-very-old-name/"]'
    site.write("content/about.md", page("About us.", title="About", aliases=aliases))
    site.write("content/offer.md", page("Take it.", title="Offer", layout="landing", form="guide"))
    site.write("content/forms/guide.md", f"---\n{FORM}---\n\nThank you.\n")
    site.write("content/magnets/guide.pdf", MAGNET)
    shutil.copy(ROOT / "tests/golden/sites/complete/media/tent.png", site.write("media/tent.png", b"x"))
    site.write("content/index.md", page("![A tent](../media/tent.png)\n\nWelcome.", title="Home"))
    built = build(root, Options(jobs=1, now=NOW, target="selfhost"))
    assert not [found for found in built.diagnostics if found.severity == "error"], built.diagnostics
    return site


class Mails:
    """A mail server that keeps what it gets."""

    def __init__(self) -> None:
        self.got: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.got.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def link(self, kind: str) -> str:
        """The last link of a kind that was mailed."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for mail in reversed(self.got):
                text = mail.get_body(("plain",)).get_content()
                if found := re.search(rf"https?://\S+/api/{kind}/\S+", text):
                    return found[0]
            time.sleep(0.02)
        raise AssertionError(f"no mail with a {kind} link")


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Deployed:
    """A site behind a web server, with its handler."""

    name: str
    port: int
    site: Site
    mails: Mails
    prefix: str
    store: Path

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, quote(self.prefix + path.lstrip("/"), safe="/%?"), body or None, sent)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def post(self, **fields: str) -> Answer:
        kind = "application/x-www-form-urlencoded"
        return self.ask("POST", "/api/forms/guide", urlencode(fields), Content_Type=kind, Origin=self.origin)


@contextmanager
def running(command: list[str], port: int, log: Path, **env: str) -> Iterator[None]:
    """A server, from when it listens until it has ended in order."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **env})
    try:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            assert process.poll() is None, log.read_text()
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            try:
                connection.request("GET", "/")
                connection.getresponse().read()
                break
            except OSError:
                time.sleep(0.02)
            finally:
                connection.close()
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


def settled(site: Site, name: str, port: int) -> str:
    """A file of deploy/ with the places of this machine in it, as somebody would edit it."""
    return placed(site.read(name, "deploy"), site).replace("8787", str(port))


def placed(text: str, site: Site) -> str:
    text = re.sub(r"/srv/[^/]+/public", str(site.root / "public"), text)
    return re.sub(r"/srv/[^/]+/selfhost", str(site.root / ".magnetgen/bundle/selfhost"), text)


def sbin(name: str) -> str:
    """A program that Debian keeps off the PATH of users."""
    return shutil.which(name, path="/usr/sbin") or program(name)


def nginx(site: Site, handler: int, folder: Path) -> list[str]:
    inner = settled(site, "nginx.conf", handler)
    if not Path("/proc/net/if_inet6").is_file():
        inner = re.sub(r"(?m)^ *listen \[::].*\n", "", inner)
    user = "user root;\n" if os.geteuid() == 0 else ""
    places = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = (
        f"{user}daemon off;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n"
        f"include /etc/nginx/mime.types;\naccess_log off;\n{places}{inner}}}\n"
    )
    (folder / "nginx.conf").write_text(text)
    return [sbin("nginx"), "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy(site: Site, handler: int, folder: Path) -> list[str]:
    text = settled(site, "Caddyfile", handler)
    # Not its own administration, which every Caddy of a machine would want at the same port.
    (folder / "Caddyfile").write_text(text.replace("{\n", "{\n    admin off\n", 1))
    return [program("caddy"), "run", "--config", str(folder / "Caddyfile")]


SERVERS = {"nginx": nginx, "caddy": caddy}


@contextmanager
def deployed(name: str, folder: Path, prefix: str = "/") -> Iterator[Deployed]:
    port, handler, mails = free_port(), free_port(), Mails()
    site = write(folder / "site", f"http://127.0.0.1:{port}{prefix}")
    post = Controller(mails, hostname="127.0.0.1", port=free_port())
    post.start()
    store = folder / "leads.sqlite3"
    env = {
        **tokens.make_secrets(), "MAGNETGEN_STORE": f"sqlite:///{store}", "MAGNETGEN_TRUSTED_PROXIES": "1",
        "MAGNETGEN_MAIL_FROM": "lab@example.com", "MAGNETGEN_SMTP_URL": f"smtp://127.0.0.1:{post.port}",
        "PYTHONPATH": str(ROOT / "src"), "HOME": str(folder),
    }  # fmt: skip
    # The handler is given what the bundle holds, and nothing else of the site.
    place = shutil.copytree(site.root / ".magnetgen/bundle/selfhost/handler", folder / "handler")
    words = ["handler", "--site", str(place), "--port", str(handler)]
    command = [sys.executable, "-m", "magnetgen", *words]
    try:
        server = SERVERS[name](site, handler, folder)
        with (
            running(command, handler, folder / "handler.log", **env),
            running(server, port, folder / "server.log", HOME=str(folder)),
        ):
            yield Deployed(name, port, site, mails, prefix, store)
    finally:
        post.stop()


@pytest.fixture(scope="module", params=SERVERS)
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with deployed(request.param, tmp_path_factory.mktemp(request.param)) as made:
        yield made


SECURITY = ("content-security-policy", "x-content-type-options", "referrer-policy", "permissions-policy")


@pytest.mark.parametrize("path", ["/", "/about/", "/offer/", "/forms/guide/thanks/", "/feed.xml"])
def test_pages_come_with_their_headers(host: Deployed, path: str) -> None:
    answer = host.ask("GET", path)
    assert answer.status == 200
    file = "index.html" if path.endswith("/") else ""
    assert answer.body == (host.site.root / "public" / path.strip("/") / file).read_bytes()
    assert all(answer.headers[name] for name in SECURITY)
    assert "'unsafe-inline'" not in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_what_is_missing_is_404_in_the_sites_own_words(host: Deployed) -> None:
    for path in ("/nothing/", "/media/nothing.png", "/media/", "/.magnetgen", "/.git/config", "/404.html/x"):
        answer = host.ask("GET", path)
        assert answer.status == 404, path
        assert answer.body == (host.site.root / "public/404.html").read_bytes(), path
        assert all(answer.headers[name] for name in SECURITY)
        assert "immutable" not in answer.headers.get("cache-control", ""), "it may be there tomorrow"


def test_what_is_named_by_its_content_is_kept_for_good(host: Deployed) -> None:
    picture = next(path for path in (host.site.root / "public/media").rglob("*.*") if path.is_file())
    answer = host.ask("GET", "/" + picture.relative_to(host.site.root / "public").as_posix())
    assert (answer.status, answer.body) == (200, picture.read_bytes())
    assert answer.headers["content-type"].startswith("image/")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert host.ask("GET", "/feed.xml").headers["cache-control"] == "public, max-age=600"
    assert "immutable" not in host.ask("GET", "/").headers.get("cache-control", "")


@pytest.mark.parametrize("alias", ["/old/", "/old", "/früher/", "/früher", "/a-very-old-name/"])
def test_aliases_are_redirected_for_good(host: Deployed, alias: str) -> None:
    assert not (host.site.root / "public" / alias.strip("/")).exists(), "the host does it, without a page"
    answer = host.ask("GET", alias)
    assert (answer.status, answer.headers["location"]) == (301, "/about/")
    assert host.ask("GET", f"{alias}more").status == 404


def test_a_folder_gets_its_slash(host: Deployed) -> None:
    answer = host.ask("GET", "/about")
    assert answer.status in (301, 308)
    assert urlsplit(answer.headers["location"]).path == "/about/"


def test_text_is_compressed(host: Deployed) -> None:
    assert host.ask("GET", "/", Accept_Encoding="gzip").headers["content-encoding"] == "gzip"


def test_a_form_becomes_a_confirmed_lead_with_its_book(host: Deployed) -> None:
    answer = host.post(email="ana@example.com", first_name="Ana")
    assert (answer.status, urlsplit(answer.headers["location"]).path) == (303, "/forms/guide/thanks/")
    assert answer.headers["cache-control"] == "no-store"
    assert len(re.findall("default-src", answer.headers["content-security-policy"])) == 1, "the handler's own policy"
    confirm = urlsplit(host.mails.link("confirm"))
    assert confirm.netloc == f"127.0.0.1:{host.port}"
    shown = host.ask("GET", confirm.path)
    assert shown.status == 200 and b"<form" in shown.body
    done = host.ask("POST", confirm.path, Origin=host.origin)
    assert (done.status, urlsplit(done.headers["location"]).path) == (303, "/forms/guide/confirmed/")
    book = host.ask("GET", "/api/download/" + done.headers["location"].partition("#")[2])
    assert (book.status, book.body) == (200, MAGNET)
    store = SqliteStore(host.store)
    try:
        assert [(lead.email, lead.status) for lead in store.leads(LeadQuery())] == [("ana@example.com", "confirmed")]
    finally:
        store.close()


def test_the_handler_answers_for_itself(host: Deployed) -> None:
    ready = host.ask("GET", "/api/readyz")
    assert ready.status == 200
    unknown = host.ask("POST", "/api/forms/none", "{}", Content_Type="application/json")
    assert (unknown.status, json.loads(unknown.body)["code"]) == (404, "unknown_form")
    assert host.ask("GET", "/api/nothing").headers["x-robots-tag"] == "noindex"


def test_a_body_is_limited_twice(host: Deployed) -> None:
    assert b"size" in (by_handler := host.post(email="a@x.co", first_name="x" * 70_000)).body
    assert by_handler.status == 413
    try:
        by_server = host.post(email="a@x.co", first_name="x" * 400_000)
    except (BrokenPipeError, ConnectionResetError):
        return  # cut off before it was read is as good
    assert by_server.status in (400, 413, 502)


def test_visitors_are_told_apart_by_their_own_address(host: Deployed) -> None:
    """And not by one that a header claims: the sixth in a minute is too many."""

    def post(number: int, peer: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", host.port, timeout=PATIENCE, source_address=(peer, 0))
        headers = {
            "Content-Type": "application/x-www-form-urlencoded", "Origin": host.origin,
            "X-Forwarded-For": f"203.0.113.{number}",
        }  # fmt: skip
        try:
            connection.request("POST", "/api/forms/guide", f"email=many{number}%40example.com", headers)
            return connection.getresponse().status
        finally:
            connection.close()

    assert [post(number, "127.0.0.2") for number in range(5)] == [303] * 5
    assert 429 in {post(number, "127.0.0.2") for number in range(5, 12)}, "the minute may have turned in between"
    assert post(99, "127.0.0.3") == 303


@pytest.mark.parametrize("name", SERVERS)
def test_below_a_path(name: str, tmp_path: Path) -> None:
    with deployed(name, tmp_path, "/lab/") as host:
        assert host.ask("GET", "/").body == (host.site.root / "public/index.html").read_bytes()
        assert host.ask("GET", "/nothing/").body == (host.site.root / "public/404.html").read_bytes()
        assert host.ask("GET", "/old/").headers["location"] == "/lab/about/"
        assert host.ask("GET", "/feed.xml").headers["cache-control"] == "public, max-age=600"
        assert host.post(email="ana@example.com").status == 303
        assert f"127.0.0.1:{host.port}/lab/api/confirm/" in host.mails.link("confirm")


# What no server is needed for


@pytest.fixture
def plain(tmp_path: Path) -> Site:
    return write(tmp_path / "site", "https://leads.example.com")


def test_what_was_written_is_not_written_again(plain: Site) -> None:
    own = {path: path.read_text() + "# mine\n" for path in (plain.root / "deploy").iterdir()}
    assert {path.name for path in own} == {
        "nginx.conf",
        "Caddyfile",
        "magnetgen.service",
        "Containerfile",
        "env.example",
    }
    for path, text in own.items():
        path.write_text(text)
    bundle = plain.root / ".magnetgen/bundle/selfhost"
    before = (bundle / "nginx.conf").read_text()
    plain.write("content/about.md", page("About us.", title="About", aliases='["/new-alias/"]'))
    build(plain.root, Options(jobs=1, now=NOW, target="selfhost"))
    assert {path: path.read_text() for path in own} == own
    after = (bundle / "nginx.conf").read_text()
    assert "/new-alias/" in after and "/new-alias/" not in before and "/old/" not in after


def test_a_file_that_does_not_fit_any_more_is_told_of(plain: Site) -> None:
    text = plain.read("Caddyfile", "deploy")
    plain.write("deploy/Caddyfile", text.replace("handle /api/*", "handle /forms/*"))
    plain.write("deploy/nginx.conf", "server {}\n")
    found = build(plain.root, Options(jobs=1, now=NOW, target="selfhost")).diagnostics
    told = [(one.path, one.message.partition(" is ")[0]) for one in found if one.code == "target-file-differs"]
    assert sorted(told) == [
        ("deploy/Caddyfile", '"/api/"'),
        ("deploy/nginx.conf", '"/api/"'),
        ("deploy/nginx.conf", '"/selfhost/nginx.conf"'),
        ("deploy/nginx.conf", '"leads.example.com"'),
    ]


def test_an_address_with_https_is_told_to_the_servers(plain: Site) -> None:
    nginx_file, caddy_file = plain.read("nginx.conf", "deploy"), plain.read("Caddyfile", "deploy")
    assert "listen 443 ssl" in nginx_file and "return 301 https://leads.example.com$request_uri;" in nginx_file
    assert "\nleads.example.com {\n" in caddy_file
    assert "Strict-Transport-Security" in (plain.root / ".magnetgen/bundle/selfhost/static.caddy").read_text()
    for text in (nginx_file, caddy_file, plain.read("Containerfile", "deploy"), plain.read("env.example", "deploy")):
        assert not re.search(r"#\[|#\]|@[A-Z]+@", text)


def test_the_servers_take_the_files_for_https(plain: Site, tmp_path: Path) -> None:
    keys = tmp_path / "live" / "leads.example.com"
    keys.mkdir(parents=True)
    subject = ["-subj", "/CN=leads.example.com", "-days", "2", "-nodes"]
    subprocess.run(
        [program("openssl"), "req", "-x509", "-newkey", "rsa:2048", *subject, "-keyout", str(keys / "privkey.pem"),
         "-out", str(keys / "fullchain.pem")], check=True, capture_output=True,
    )  # fmt: skip
    command = nginx(plain, 8787, tmp_path)
    file = tmp_path / "nginx.conf"
    file.write_text(file.read_text().replace("/etc/letsencrypt/live", str(keys.parent)))
    done = subprocess.run([*command, "-t"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    caddy(plain, 8787, tmp_path)
    words = [program("caddy"), "validate", "--config", str(tmp_path / "Caddyfile"), "--adapter", "caddyfile"]
    env = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False, env=env)
    assert done.returncode == 0, done.stderr


def test_no_file_holds_a_secret_and_each_setting_is_named(plain: Site) -> None:
    text = plain.read("env.example", "deploy")
    assert all(line.startswith("#") or not line for line in text.splitlines())
    assert "# CRM_SECRET=\n# CRM_URL=\n" in text
    from magnetgen.forms import settings

    named = set(re.findall(r"(MAGNETGEN_\w+)=", text))
    assert {"MAGNETGEN_SECRETS", "MAGNETGEN_EMAIL_KEY", "MAGNETGEN_ADMIN_TOKEN", "MAGNETGEN_STORE"} <= named
    assert all(name.startswith(settings.PREFIX) for name in named)


def test_a_site_without_a_handler_of_its_own_is_only_pages(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    site.write(
        "magnetgen.yaml", "title: Lab\nbase_url: https://lab.example\nhandler: {url: https://leads.example/api}\n"
    )
    site.write("content/index.md", page("Welcome."))
    build(site.root, Options(jobs=1, now=NOW, target="selfhost"))
    assert {path.name for path in (site.root / "deploy").iterdir()} == {"nginx.conf", "Caddyfile"}
    assert "proxy" not in site.read("nginx.conf", "deploy") + site.read("Caddyfile", "deploy")


def systemd(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program("systemd-analyze"), *words], capture_output=True, text=True, timeout=PATIENCE)


def test_systemd_takes_the_unit(plain: Site, tmp_path: Path) -> None:
    text = plain.read("magnetgen.service", "deploy")
    # The one fault that this machine would have: the program is not in /opt.
    unit = tmp_path / "magnetgen-leads-example-com.service"
    unit.write_text(text.replace("/opt/magnetgen/bin/magnetgen", sys.executable))
    done = systemd("verify", "--man=no", str(unit))
    assert (done.returncode, [line for line in done.stderr.splitlines() if unit.name in line]) == (0, []), done.stderr
    unit.write_text(unit.read_text().replace("Restart=always", "Restart=alway"))
    assert "alway" in systemd("verify", "--man=no", str(unit)).stderr, "the control: a fault is seen"


def test_the_unit_gives_up_what_it_does_not_need(plain: Site, tmp_path: Path) -> None:
    unit = tmp_path / "magnetgen-leads-example-com.service"
    unit.write_text(plain.read("magnetgen.service", "deploy"))
    done = systemd("security", "--offline=true", "--no-pager", str(unit))
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= 1.6, done.stdout


def test_the_containers_steps_name_what_is_there(plain: Site) -> None:
    """Every COPY has its source, and the program is started as the command line knows it."""
    text = plain.read("Containerfile", "deploy")
    for source in re.findall(r"(?m)^COPY (?!--from)(\S+)", text):
        assert (plain.root / source).exists(), source
    entry = json.loads(re.findall(r"(?m)^ENTRYPOINT (.*)$", text)[0])
    words = [word for word in entry[1:] if word.startswith("--")]
    done = subprocess.run([sys.executable, "-m", "magnetgen", "handler", "--help"], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT / "src")})  # fmt: skip
    assert entry[1] == "handler" and all(word in done.stdout for word in words)
