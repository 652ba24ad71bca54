"""`deploy netlify` and `deploy cloudflare`: our side, with stand-ins for the hosts' tools."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from magnetgen import __version__, scaffold
from magnetgen.cli import cli
from magnetgen.forms import settings, tokens
from tests.contract.test_vectors import free_port
from tests.deploy.live import Live, serving
from tests.deploy.standin import Tools
from tests.forms.services import Answer, Got
from tests.forms.services import serving as service
from tests.validators.tools import MODULES, missing

ID = "0a1b2c3d-0000-4000-8000-0123456789ab"
KEYS = ("MAGNETGEN_SECRETS", "MAGNETGEN_EMAIL_KEY", "MAGNETGEN_ADMIN_TOKEN")
MAIL = ("MAGNETGEN_MAIL_PROVIDER", "MAGNETGEN_MAIL_KEY", "MAGNETGEN_MAIL_FROM")


class Bed:
    """A site and the tools of its hosts. `there`: what the host's variables hold."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.port = folder / "site", free_port()
        scaffold.new_site(self.root, "Lead Lab", f"http://127.0.0.1:{self.port}")
        self.tools = Tools(folder / "tools")
        for name in ("netlify", "wrangler"):
            self.tools.add(name)
        monkeypatch.setenv("PATH", f"{self.tools.folder}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setattr("magnetgen.deploy.canary.PAUSE", 0.01)
        self.keys = tokens.make_secrets()
        settings.save(self.root, settings.as_lines(self.keys))
        self.there: dict[str, str] = {**self.keys, **dict.fromkeys(MAIL, "re_0123456789abcdef")}
        self.netlify()
        self.wrangler()

    def netlify(self) -> None:
        say, own = self.tools.say, f"http://127.0.0.1:{self.port}"
        say("netlify --version", "netlify-cli/26.2.0 linux-x64 node-v22.0.0")
        say("netlify status", {"account": {}, "siteData": {"site-name": "lead-lab", "site-id": "s1", "site-url": own}})
        say("netlify api getSite", {"id": "s1", "name": "lead-lab", "account_slug": "t", "ssl_url": own, "custom_domain": None, "domain_aliases": ["www.site.example"],
                                    "published_deploy": {"id": "d0"}})  # fmt: skip
        say("netlify api getEnvVars", [self.variable(name, value) for name, value in self.there.items()])
        say("netlify deploy", {"deploy_id": "d1", "deploy_url": "https://d1--lead-lab.netlify.app", "url": own})

    def variable(self, name: str, value: str, **other: Any) -> dict[str, Any]:
        values = [{"context": "all", "value": value}]
        return {"key": name, "scopes": ["builds", "functions"], "values": values, "is_secret": False, **other}

    def wrangler(self) -> None:
        say = self.tools.say
        say("wrangler --version", "4.86.0")
        say("wrangler whoami", {"loggedIn": True})
        say("wrangler d1 info", {"uuid": ID, "name": "lead-lab-leads"})
        say("wrangler secret list", [{"name": name, "type": "secret_text"} for name in self.there])
        say("wrangler d1 migrations list", "No migrations to apply!")
        say("wrangler deploy", f"Total Upload: 300 KiB / gzip: 70 KiB\nCurrent Version ID: {ID}")

    def database(self) -> None:
        """The owner writes the database's id into wrangler.toml."""
        self.deploy("cloudflare")
        path = self.root / "wrangler.toml"
        path.write_text(path.read_text().replace("migrations_dir", f'database_id = "{ID}"\nmigrations_dir'))
        self.tools.forget()

    def deploy(self, target: str, *words: str, **env: str) -> Result:
        words = ("deploy", target, "--site", str(self.root), "--patience", "0", *words)
        done = CliRunner().invoke(cli, words, env=env, catch_exceptions=False)
        for name, secret in self.there.items():
            assert secret not in done.output, name
        for call in self.tools.calls:
            assert not [word for word in call.words for secret in self.there.values() if secret in word], call.line
            assert not [name for name in call.env if name.startswith("MAGNETGEN_")], call.line
            assert call.given == ""
        return done


@pytest.fixture
def bed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bare: pytest.MonkeyPatch) -> Bed:
    return Bed(tmp_path, monkeypatch)


@pytest.fixture
def host(bed: Bed) -> Iterator[Live]:
    """What is live once it is uploaded: the output as it lies there, with the handler's keys."""
    for target in ("netlify", "cloudflare"):
        bed.deploy(target, "--dry-run")
    bed.tools.forget()
    with serving(bed.root, bed.port) as live:
        live.env = bed.keys
        live.begin()
        yield live


# --- Netlify -----------------------------------------------------------------------------------------------------


def test_netlify_from_checks_to_a_lead(bed: Bed, host: Live) -> None:
    done = bed.deploy("netlify", "--canary", "ana@site.example")
    assert done.exit_code == 0, done.stdout
    assert bed.tools.lines() == [
        "netlify --version",
        "netlify status --json",
        'netlify api getSite --data {"site_id": "s1"}',
        'netlify api getEnvVars --data {"account_id": "t", "site_id": "s1"}',
        (
            f"netlify deploy --no-build --dir {bed.root}/public --json --message magnetgen: http://127.0.0.1:{bed.port}/ "
            f"--functions {bed.root}/.magnetgen/bundle/netlify/functions --prod"
        ),
    ]
    assert f"Live: http://127.0.0.1:{bed.port}/" in done.stdout and "the whole way of a lead works" in done.stdout


def test_netlify_goes_back_to_the_deploy_before(bed: Bed, host: Live) -> None:
    host.meddle = lambda method, path, answer: (500, {}, b"") if path == "/" else answer
    done = bed.deploy("netlify")
    assert done.exit_code == 1
    assert """netlify api restoreSiteDeploy --data '{"site_id": "s1", "deploy_id": "d0"}'""" in done.stdout


def test_netlify_rehearses_without_a_change(bed: Bed) -> None:
    done = bed.deploy("netlify", "--dry-run")
    assert done.exit_code == 0, done.stdout
    assert not bed.tools.lines("netlify deploy", "netlify blobs:set")
    assert f"run   netlify deploy --no-build --dir {bed.root}/public --json" in done.stdout and " --prod" in done.stdout


def test_netlify_preview_has_its_own_address(bed: Bed) -> None:
    done = bed.deploy("netlify", "--preview", "--dry-run")
    assert done.exit_code == 0, done.stdout
    assert "--alias magnetgen-preview" in done.stdout and "--prod" not in done.stdout
    assert "https://magnetgen-preview--lead-lab.netlify.app/" in (bed.root / "public" / "sitemap.xml").read_text()


@pytest.mark.parametrize("name", [*KEYS, *MAIL])
def test_netlify_lacks_a_secret(bed: Bed, name: str) -> None:
    del bed.there[name]
    bed.netlify()
    done = bed.deploy("netlify")
    assert done.exit_code == 2 and f"the host lacks {name}" in done.stdout, done.stdout
    assert not bed.tools.lines("netlify deploy")


def test_netlify_has_an_empty_secret(bed: Bed) -> None:
    def lacking(name: str, **other: Any) -> str:
        rest = [bed.variable(one, value) for one, value in bed.there.items() if one != name]
        bed.tools.say("netlify api getEnvVars", [*rest, bed.variable(name, "", **other)])
        return bed.deploy("netlify", "--dry-run").stdout

    name, here = "MAGNETGEN_EMAIL_KEY", [{"context": "production", "value": "0123456789"}]
    assert f"the host lacks {name}" in lacking(name)
    assert "ok    secrets" in lacking(name, is_secret=True)
    assert "ok    secrets" in lacking(name, values=here)
    assert f"the host lacks {name}" in lacking(name, values=here, scopes=["builds"])
    assert f"the host lacks {name}" in lacking(name, values=[{"context": "dev", "value": "0123456789"}])


@pytest.mark.parametrize(("says", "code", "told"), [
    ({"line": "netlify --version", "out": "netlify-cli/17.0.0 linux"}, 2, "netlify 17.0.0 is too old, 26.0.0 is needed"),
    ({"line": "netlify --version", "code": 1}, 2, "does not say its version"),
    ({"line": "netlify status", "out": ""}, 2, "nobody is logged in at Netlify"),
    ({"line": "netlify status", "code": 1, "err": "You don't appear to be in a folder that is linked to a project"}, 2, "not linked to a site"),
    ({"line": "netlify status", "code": 1, "err": "request failed, reason: getaddrinfo ENOTFOUND api.netlify.com"}, 3, "cannot reach its host"),
    ({"line": "netlify api getEnvVars", "code": 1, "err": "boom"}, 3, "| boom"),
    ({"line": "netlify deploy", "code": 1, "err": "quota exceeded"}, 3, "| quota exceeded"),
])  # fmt: skip
def test_netlify_stops_at_the_first_fault(bed: Bed, says: dict[str, Any], code: int, told: str) -> None:
    bed.tools.say(**says)
    done = bed.deploy("netlify")
    assert done.exit_code == code and told in done.stdout, done.stdout
    assert "Traceback" not in done.output
    if says["line"] != "netlify deploy":
        assert not bed.tools.lines("netlify deploy")
    assert "live:" not in done.stdout


def test_what_a_tool_says_is_shown_without_secrets(bed: Bed) -> None:
    key = bed.keys["MAGNETGEN_SECRETS"].partition(":")[2]
    bed.tools.say(
        "netlify deploy", code=1, err=f"env is {bed.there['MAGNETGEN_MAIL_KEY']} and {key} at https://me:pw12@x.example"
    )
    done = bed.deploy("netlify")
    assert "env is *** and *** at https://***@x.example" in done.stdout


def test_the_address_must_be_the_sites(bed: Bed) -> None:
    bed.tools.say(
        "netlify api getSite", {"name": "lead-lab", "ssl_url": "https://lead-lab.netlify.app", "domain_aliases": []}
    )
    done = bed.deploy("netlify")
    assert done.exit_code == 1 and "set `base_url: https://lead-lab.netlify.app/`" in done.stdout
    assert not (bed.root / "public").exists() and not bed.tools.lines("netlify deploy")
    assert bed.deploy("netlify", "--base-url", "https://example.com").exit_code == 1


def test_a_tool_that_is_missing_is_named_with_its_installation(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    for target, how in (("netlify", "npm install -g netlify-cli"), ("cloudflare", "npm install -g wrangler"),
                        ("github-pages", "git-scm.com"), ("lambda", "pip install awscli")):  # fmt: skip
        done = bed.deploy(target)
        assert done.exit_code == 2 and "is not installed" in done.stdout and how in done.stdout


def large(bed: Bed) -> bytes:
    """A magnet that is too large for any bundle."""
    book = os.urandom(5_000_000)
    magnets = bed.root / "content" / "magnets"
    (magnets / "five-questions.md").unlink()
    (magnets / "five-questions.pdf").write_bytes(book)
    return book


def test_netlify_large_assets_are_put_into_blobs_once(bed: Bed) -> None:
    book = large(bed)
    bed.tools.say("netlify deploy", code=1, err="later")
    done = bed.deploy("netlify")
    assert "ok    large assets: 1 uploaded" in done.stdout, done.stdout
    (kept,) = (bed.tools.folder / "storage" / "magnetgen-assets").iterdir()
    assert kept.read_bytes() == book
    assert [line.split()[1] for line in bed.tools.lines("netlify blobs")] == ["blobs:get", "blobs:set", "blobs:get"]
    bed.tools.forget()
    assert "1 there already" in bed.deploy("netlify").stdout
    assert not bed.tools.lines("netlify blobs:set")


def test_a_large_asset_that_comes_back_otherwise_stops_it(bed: Bed) -> None:
    large(bed)
    bed.tools.say("netlify blobs:get", code=1)
    done = bed.deploy("netlify")
    assert done.exit_code == 3 and "comes back otherwise" in done.stdout
    assert not bed.tools.lines("netlify deploy")


# --- Cloudflare --------------------------------------------------------------------------------------------------


def test_cloudflare_from_checks_to_a_lead(bed: Bed, host: Live) -> None:
    bed.database()
    done = bed.deploy("cloudflare", "--canary", "ana@site.example")
    assert done.exit_code == 0, done.stdout
    lines = bed.tools.lines()
    assert lines[1].startswith("wrangler deploy --dry-run --outdir ")
    assert [lines[0], *lines[2:]] == [
        "wrangler --version",
        "wrangler whoami --json",
        "wrangler d1 info lead-lab-leads --json",
        "wrangler secret list --format json",
        "wrangler d1 migrations apply DB --remote",
        "wrangler deploy",
    ]
    assert f"version {ID}" in done.stdout


def test_cloudflare_goes_back(bed: Bed, host: Live) -> None:
    bed.database()
    host.meddle = lambda method, path, answer: (500, {}, b"") if path == "/" else answer
    done = bed.deploy("cloudflare")
    assert done.exit_code == 1 and "wrangler rollback" in done.stdout


def test_cloudflare_needs_a_database_of_its_account(bed: Bed) -> None:
    done = bed.deploy("cloudflare")
    assert done.exit_code == 2 and "wrangler d1 create lead-lab-leads" in done.stdout
    bed.database()
    bed.tools.say("wrangler d1 info", {"uuid": ID.replace("0a", "0b")})
    done = bed.deploy("cloudflare")
    assert done.exit_code == 2 and "not the one in wrangler.toml" in done.stdout
    assert not bed.tools.lines("wrangler d1 migrations", "wrangler deploy --keep")
    assert "wrangler deploy" not in bed.tools.lines()


def test_cloudflare_lacks_secrets_also_before_there_is_a_worker(bed: Bed) -> None:
    bed.database()
    bed.tools.say("wrangler secret list", code=1, err='Worker "lead-lab" not found. [code: 10007]')
    done = bed.deploy("cloudflare")
    assert done.exit_code == 2 and "wrangler secret bulk .magnetgen/secrets" in done.stdout
    assert "wrangler deploy" not in bed.tools.lines()


def test_cloudflare_variables_of_wrangler_toml_count(bed: Bed) -> None:
    bed.database()
    bed.tools.say("wrangler secret list", [{"name": n} for n in bed.there if n != "MAGNETGEN_MAIL_FROM"])
    assert "the host lacks MAGNETGEN_MAIL_FROM" in bed.deploy("cloudflare").stdout
    with (bed.root / "wrangler.toml").open("a") as file:
        file.write('\n[vars]\nMAGNETGEN_MAIL_FROM = "lab@site.example"\n')
    assert "ok    secrets" in bed.deploy("cloudflare").stdout


def test_cloudflare_stops_when_the_tables_cannot_be_made(bed: Bed) -> None:
    bed.database()
    bed.tools.say("wrangler d1 migrations apply", code=1, err="D1_ERROR")
    done = bed.deploy("cloudflare")
    assert done.exit_code == 3 and "D1_ERROR" in done.stdout and "wrangler deploy" not in bed.tools.lines()
    bed.wrangler()
    bed.tools.say("wrangler d1 migrations apply", "")
    assert "ok    upload" in bed.deploy("cloudflare", "--no-canary").stdout


def test_cloudflare_preview_changes_no_table(bed: Bed) -> None:
    bed.database()
    bed.tools.say("wrangler versions upload", "done")
    words = ("--preview", "--base-url", "https://preview-lead-lab.me.workers.dev")
    done = bed.deploy("cloudflare", *words)
    assert "ok    upload" in done.stdout, done.stdout
    assert bed.tools.lines()[-1] == "wrangler versions upload --preview-alias preview"
    assert not bed.tools.lines("wrangler d1 migrations apply")
    bed.tools.say("wrangler d1 migrations list", "Migrations to be applied: 0001_magnetgen.sql")
    assert bed.deploy("cloudflare", *words).exit_code == 3


def test_cloudflare_preview_needs_an_address(bed: Bed) -> None:
    done = bed.deploy("cloudflare", "--preview")
    assert done.exit_code == 2 and "--base-url" in done.stdout
    done = bed.deploy("cloudflare", "--preview", "--base-url", "https://other.me.workers.dev")
    assert done.exit_code == 1 and "--base-url https://preview-lead-lab.me.workers.dev/" in done.stdout


def test_cloudflare_address(bed: Bed) -> None:
    done = bed.deploy("cloudflare", "--base-url", "https://other.me.workers.dev")
    assert done.exit_code == 1 and "https://lead-lab.me.workers.dev/" in done.stdout
    with (bed.root / "wrangler.toml").open("a") as file:
        file.write("\n")
    text = (bed.root / "wrangler.toml").read_text()
    (bed.root / "wrangler.toml").write_text(
        'routes = [{ pattern = "leads.lead-lab.dev", custom_domain = true }]\n' + text
    )
    assert "ok    address" in bed.deploy("cloudflare", "--base-url", "https://leads.lead-lab.dev").stdout
    done = bed.deploy("cloudflare", "--base-url", "https://www.lead-lab.dev")
    assert done.exit_code == 1 and "no route in wrangler.toml" in done.stdout


def test_cloudflare_large_assets_go_to_the_bucket(bed: Bed) -> None:
    book = large(bed)
    bed.database()
    bed.tools.say("wrangler deploy", "")
    done = bed.deploy("cloudflare")
    assert "1 uploaded" in done.stdout, done.stdout
    (kept,) = (bed.tools.folder / "storage" / "lead-lab-assets").iterdir()
    assert kept.read_bytes() == book
    assert all(line.endswith("--remote") for line in bed.tools.lines("wrangler r2"))


def test_the_real_wrangler_accepts_what_is_built(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (MODULES / ".bin" / "wrangler").exists():
        missing("tests/tools/node_modules/.bin/wrangler")
    monkeypatch.setenv("PATH", f"{MODULES / '.bin'}{os.pathsep}{os.environ['PATH']}")
    shutil.rmtree(bed.tools.folder)
    done = bed.deploy("cloudflare", "--dry-run", "--base-url", "https://lead-lab.me.workers.dev")
    assert "ok    tool: wrangler 4." in done.stdout and "ok    bundle: wrangler accepts it" in done.stdout, done.stdout
    assert done.exit_code == 2 and "nobody is logged in at Cloudflare" in done.stdout
    assert "run   wrangler d1 migrations apply DB --remote" in done.stdout and "run   wrangler deploy\n" in done.stdout
    (bed.root / "wrangler.toml").write_text((bed.root / "wrangler.toml").read_text().replace("2026-04-01", "tomorrow"))
    done = bed.deploy("cloudflare", "--dry-run", "--base-url", "https://lead-lab.me.workers.dev")
    assert "FAULT bundle" in done.stdout or "FAULT build" in done.stdout, done.stdout


# --- --init ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["netlify", "cloudflare", "lambda", "selfhost"])
def test_init_writes_once_and_tells_no_secret(bed: Bed, target: str) -> None:
    import yaml

    shutil.rmtree(bed.root / ".magnetgen")
    done = bed.deploy(target, "--init")
    assert done.exit_code == 0, done.stdout
    file = bed.root / ".magnetgen" / "secrets"
    made = settings.missing(bed.root, {})
    assert set(made) == set(KEYS) and file.stat().st_mode & 0o777 == 0o600
    assert not [value for value in made.values() if value in done.output]
    path = bed.root / ".github" / "workflows" / "deploy.yml"
    if target != "selfhost":
        flow = yaml.safe_load(path.read_text())
        assert flow["concurrency"]["group"] == "deploy" and flow["permissions"]["contents"] == "read"
        assert flow[True]["schedule"] and "{{" not in path.read_text().replace("${{", "")
        path.write_text(path.read_text().replace("17 4", "18 5"))
    before = path.read_bytes() if path.exists() else b""
    again = bed.deploy(target, "--init")
    assert again.exit_code == 0 and settings.missing(bed.root, {}) == made
    if target != "selfhost":
        assert "differs: it is left as it is" in again.stdout and '-    - cron: "18 5' in again.stdout
        assert path.read_bytes() == before


def test_init_names_the_database_and_a_folder_with_odd_signs(bed: Bed) -> None:
    import subprocess

    import yaml

    folder = bed.root.parent / "Büro: a #1"
    bed.root.rename(folder)
    bed.root = folder
    subprocess.run(["git", "init", "-q", str(folder.parent)], check=True)
    done = bed.deploy("cloudflare", "--init")
    assert done.exit_code == 0 and "wrangler d1 create lead-lab-leads" in done.stdout, done.stdout
    flow = yaml.safe_load((folder.parent / ".github" / "workflows" / "deploy.yml").read_text())
    assert flow["defaults"]["run"]["working-directory"] == folder.name


def test_init_for_pages(bed: Bed) -> None:
    import yaml

    with (bed.root / "magnetgen.yaml").open("a") as file:
        file.write("handler: {url: https://forms.example.net/api}\n")
    done = bed.deploy("github-pages", "--init", "--base-url", "https://me.github.io/repo/")
    assert done.exit_code == 0 and "sends no headers" in done.stdout, done.stdout
    flow = yaml.safe_load((bed.root / ".github" / "workflows" / "deploy.yml").read_text())
    used = [step["uses"] for job in flow["jobs"].values() for step in job["steps"] if "uses" in step]
    assert {use.split("@")[0] for use in used} >= {
        "actions/configure-pages",
        "actions/upload-pages-artifact",
        "actions/deploy-pages",
    }
    assert all(use.rpartition("@v")[2].isdecimal() for use in used)
    assert flow["jobs"]["deploy"]["permissions"] == {"pages": "write", "id-token": "write"}


def test_init_names_the_button_and_what_it_asks_for(bed: Bed) -> None:
    import tomllib

    done = bed.deploy("netlify", "--init")
    assert "https://app.netlify.com/start/deploy?repository=" in done.stdout
    text = (bed.root / "netlify.toml").read_text()
    made = tomllib.loads(text)
    assert set(made["template"]["environment"]) == {*KEYS, *MAIL}
    (bed.root / "netlify.toml").write_text(text.partition("\n# What the button")[0])
    done = bed.deploy("netlify", "--init")
    block = "".join(
        f"{line}\n" for line in done.stdout.partition("[template.environment]")[2].splitlines() if " = " in line
    )
    assert set(tomllib.loads(block)) == {*KEYS, *MAIL}
    assert (bed.root / "requirements.txt").read_text().splitlines()[-1] == f"magnetgen=={__version__}"


# --- selfhost ----------------------------------------------------------------------------------------------------


def test_selfhost_builds_and_says_what_to_copy(bed: Bed) -> None:
    done = bed.deploy("selfhost")
    assert done.exit_code == 0, done.stdout
    assert "rsync" in done.stdout and "--verify-only" in done.stdout and (bed.root / "public" / "index.html").is_file()


def test_selfhost_does_not_need_the_keys_here(bed: Bed) -> None:
    """They are made on the server, and stand nowhere else."""
    (bed.root / ".magnetgen" / "secrets").unlink()
    done = bed.deploy("selfhost")
    assert done.exit_code == 0 and "rsync" in done.stdout, done.stdout
    assert "the server needs MAGNETGEN_SECRETS, MAGNETGEN_EMAIL_KEY and MAGNETGEN_ADMIN_TOKEN" in done.stdout


@pytest.mark.parametrize("host", ["magnetgen.example", "www.example.org", "lab.test", "x.example.com"])
@pytest.mark.parametrize("target", ["cloudflare", "selfhost"])
def test_nobodys_address_is_refused(bed: Bed, target: str, host: str) -> None:
    done = bed.deploy(target, "--base-url", f"https://{host}")
    assert done.exit_code == 1 and "FAULT address" in done.stdout, done.stdout
    assert not bed.tools.lines("wrangler deploy")


def test_stopped_from_the_keyboard_it_promises_nothing_of_the_host(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("magnetgen.deploy.netlify.upload", stop)
    done = bed.deploy("netlify")
    assert done.exit_code == 130 and "run this again" in done.output and "half written" not in done.output


def test_words_that_do_not_fit(bed: Bed) -> None:
    assert bed.deploy("nowhere").exit_code == 2
    assert bed.deploy("netlify", "--verify-only", "--dry-run").exit_code == 2
    done = CliRunner().invoke(cli, ["deploy", "netlify", "--site", str(bed.root / "nope")])
    assert done.exit_code == 2
    (bed.root / "magnetgen.yaml").write_text("titel: x\n")
    done = bed.deploy("netlify")
    assert done.exit_code == 1 and 'did you mean "title"' in done.stdout


def test_json_of_a_tool_is_found_after_its_chatter() -> None:
    from magnetgen.deploy.tools import Done

    assert Done(0, 'Update available\n[info] hello\n{\n "a": 1}\nbye', "").json() == {"a": 1}
    assert Done(0, json.dumps([1]), "").json() == [1] and Done(0, "no", "").json() is None


# --- the real wrangler, and what it asks Cloudflare --------------------------------------------------------------


def cloudflare(got: Got) -> Answer:
    """Cloudflare's API, as far as the checks go: an account, its database, and one secret of the worker."""
    database = {"uuid": ID, "name": "lead-lab-leads", "version": "production", "file_size": 1, "num_tables": 1}
    answers: dict[str, Any] = {
        "/user": {"id": "u", "email": "ana@site.example"},
        "/user/tokens/verify": {"id": "t", "status": "active"},
        "/accounts": [{"id": "acc", "name": "Ana"}],
        "/memberships": [{"account": {"id": "acc", "name": "Ana"}}],
        "/accounts/acc/workers/scripts/lead-lab/secrets": [{"name": "MAGNETGEN_SECRETS", "type": "secret_text"}],
        f"/accounts/acc/d1/database/{ID}": database,
        "/accounts/acc/d1/database": [database],
    }
    found = answers.get(got.path.partition("?")[0])
    fault = [] if found else [{"code": 10007, "message": "not found"}]
    page = {"page": 1, "per_page": 50, "count": 1, "total_count": 1}
    whole = {"success": bool(found), "errors": fault, "messages": [], "result": found, "result_info": page}
    return Answer(200 if found else 404, whole)


def test_what_the_real_wrangler_says_is_understood(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (MODULES / ".bin" / "wrangler").exists():
        missing("tests/tools/node_modules/.bin/wrangler")
    bed.database()
    monkeypatch.setenv("PATH", f"{MODULES / '.bin'}{os.pathsep}{os.environ['PATH']}")
    with service() as api:
        api.answer = cloudflare
        env = {
            "CLOUDFLARE_API_BASE_URL": api.url,
            "CLOUDFLARE_API_TOKEN": "cf_0123456789",
            "CLOUDFLARE_ACCOUNT_ID": "acc",
        }
        done = bed.deploy("cloudflare", "--base-url", "https://lead-lab.me.workers.dev", **env)
    assert "ok    account: logged in" in done.stdout and "ok    database: lead-lab-leads" in done.stdout, done.stdout
    assert done.exit_code == 2 and "the host lacks MAGNETGEN_EMAIL_KEY, MAGNETGEN_ADMIN_TOKEN," in done.stdout
    assert {got.method for got in api.got} <= {"GET", "POST"} and not [got for got in api.got if "deploy" in got.path]
    assert "cf_0123456789" not in done.output


def test_every_target_of_a_build_can_be_deployed() -> None:
    from magnetgen import targets
    from magnetgen.deploy.commands import TARGETS

    assert set(TARGETS) == set(targets.NAMES)
