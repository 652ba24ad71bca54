"""`deploy github-pages` with real git and a bare repository: what is pushed, and what is left alone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from magnetgen import scaffold
from magnetgen.cli import cli

HANDLER = "handler: {url: https://forms.example.net/api}\n"


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout.strip()


class Repo:
    """A site in a repository with a remote. `site`: its folder; `bare`: the remote."""

    def __init__(self, folder: Path, below: str = "") -> None:
        self.top, self.bare = folder / "work", folder / "remote.git"
        self.site = self.top / below if below else self.top
        self.top.mkdir()
        scaffold.new_site(self.site, "Lead Lab", "https://me.github.io/repo/")
        with (self.site / "magnetgen.yaml").open("a") as settings:
            settings.write(HANDLER)
        git(folder, "init", "-q", "--bare", str(self.bare))
        git(self.top, "init", "-q", "-b", "main")
        git(self.top, "add", "-A")
        git(self.top, "commit", "-qm", "A site")
        git(self.top, "remote", "add", "origin", str(self.bare))
        git(self.top, "push", "-q", "origin", "main")

    def deploy(self, *words: str) -> Result:
        return CliRunner().invoke(
            cli, ["deploy", "github-pages", "--site", str(self.site), "--patience", "0", *words], catch_exceptions=False
        )

    def head(self) -> str:
        done = subprocess.run(
            ["git", "rev-parse", "-q", "--verify", "gh-pages"], cwd=self.bare, capture_output=True, text=True
        )
        return done.stdout.strip()

    def files(self) -> list[str]:
        return git(self.bare, "ls-tree", "-r", "--name-only", "gh-pages").splitlines()

    def state(self) -> list[object]:
        """All of the owner's repository that a deploy could touch."""
        folder = Path(git(self.top, "rev-parse", "--absolute-git-dir"))
        kept = {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
        return [kept, git(self.top, "status", "--porcelain")]


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    for name in [name for name in os.environ if name.startswith(("GIT_", "MAGNETGEN_"))]:
        monkeypatch.delenv(name)
    (tmp_path / "gitconfig").write_text("[user]\n  name = Ana\n  email = ana@site.example\n[core]\n  autocrlf = true\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return Repo(tmp_path)


def pushed(done: Result) -> bool:
    """The push worked; the live address (nobody's) cannot be looked at from a test."""
    return "ok    push: gh-pages is" in done.stdout


def test_the_output_becomes_one_commit_without_a_past(repo: Repo) -> None:
    before = repo.state()
    done = repo.deploy()
    assert pushed(done), done.stdout
    assert git(repo.bare, "rev-list", "--count", "gh-pages") == "1"
    assert {"index.html", "404.html", ".nojekyll", "sitemap.xml"} <= set(repo.files())
    assert not [name for name in repo.files() if "magnetgen" in name]
    built = (repo.site / "public" / "index.html").read_bytes()
    shown = subprocess.run(
        ["git", "show", "gh-pages:index.html"], cwd=repo.bare, capture_output=True, check=True
    ).stdout
    assert shown == built
    after = repo.state()
    assert {k: v for k, v in after[0].items() if "remotes/origin/gh-pages" not in k} == before[0]  # type: ignore[attr-defined]
    assert after[1] == before[1]


def test_a_picture_comes_byte_for_byte_whatever_attributes_say(repo: Repo) -> None:
    (repo.top / ".gitattributes").write_text("* text eol=crlf\n*.png filter=lfs\n")
    (repo.top / ".git" / "info").mkdir(exist_ok=True)
    (repo.top / ".git" / "info" / "attributes").write_text("* text eol=crlf\n")
    assert pushed(repo.deploy())
    for name in repo.files():
        shown = subprocess.run(
            ["git", "show", f"gh-pages:{name}"], cwd=repo.bare, capture_output=True, check=True
        ).stdout
        assert shown == (repo.site / "public" / name).read_bytes(), name


def test_nothing_is_pushed_when_nothing_has_changed(repo: Repo) -> None:
    repo.deploy()
    head = repo.head()
    done = repo.deploy()
    assert "nothing was pushed" in done.stdout and repo.head() == head


def test_a_change_replaces_the_commit(repo: Repo) -> None:
    repo.deploy()
    head = repo.head()
    (repo.site / "content" / "privacy.md").write_text("---\ntitle: Privacy\n---\n\nNew words on privacy.\n")
    (repo.site / "media" / "first-offer.png").unlink()
    (repo.site / "content" / "posts" / "your-first-offer.md").write_text(
        "---\ntitle: First\ndate: 2026-01-01\n---\n\nWords.\n"
    )
    (repo.top / "half-done.txt").write_text("not committed")
    git(repo.top, "add", "half-done.txt")
    done = repo.deploy()
    assert pushed(done) and repo.head() != head and git(repo.bare, "rev-list", "--count", "gh-pages") == "1"
    assert "with uncommitted changes" in git(repo.bare, "log", "-1", "--format=%s", "gh-pages")
    assert "A  half-done.txt" in git(repo.top, "status", "--porcelain")
    assert not [name for name in repo.files() if "first-offer." in name]


def test_a_site_below_the_top_of_the_repository(tmp_path: Path, repo: Repo) -> None:
    (tmp_path / "two").mkdir()
    other = Repo(tmp_path / "two", below="web/site")
    assert pushed(other.deploy()) and "index.html" in other.files()


def test_without_a_name_for_commits(repo: Repo, tmp_path: Path) -> None:
    (tmp_path / "gitconfig").write_text("[user]\n  useConfigOnly = true\n")
    assert pushed(repo.deploy())
    assert git(repo.bare, "log", "-1", "--format=%an <%ae>", "gh-pages") == "magnetgen <magnetgen@localhost>"


def test_a_rehearsal_pushes_nothing_and_shows_the_command(repo: Repo) -> None:
    before = repo.state()
    done = repo.deploy("--dry-run")
    assert done.exit_code == 0, done.stdout
    assert "run   git push --no-verify --porcelain --force-with-lease=refs/heads/gh-pages: origin " in done.stdout
    assert not repo.head() and repo.state()[0] == before[0]


def test_somebody_elses_push_in_between_is_not_lost(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    repo.deploy()
    other = tmp_path / "other"
    git(tmp_path, "clone", "-q", "-b", "gh-pages", str(repo.bare), str(other))
    (other / "theirs.html").write_text("theirs")
    git(other, "add", "-A")
    git(other, "commit", "-qm", "Theirs\n\nPublished-by: magnetgen")

    from magnetgen.deploy import publish

    ours = publish._tree

    def meanwhile(*args: object) -> str:
        git(other, "push", "-q", "origin", "gh-pages")
        return ours(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(publish, "_tree", meanwhile)
    (repo.site / "content" / "privacy.md").write_text("---\ntitle: Privacy\n---\n\nNew words on privacy.\n")
    done = repo.deploy()
    assert done.exit_code == 3, done.stdout
    assert "theirs.html" in repo.files() and git(repo.bare, "log", "-1", "--format=%s", "gh-pages") == "Theirs"
    monkeypatch.undo()
    assert git(other, "rev-parse", "HEAD") == repo.head()


def test_a_branch_of_somebody_else_is_left_as_it_is(repo: Repo) -> None:
    git(repo.top, "push", "-q", "origin", "main:gh-pages")
    head = repo.head()
    done = repo.deploy()
    assert done.exit_code == 2 and "was not made by magnetgen" in done.stdout and repo.head() == head


def test_a_push_that_the_remote_refuses(repo: Repo) -> None:
    hook = repo.bare / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'this branch is protected' >&2\nexit 1\n")
    hook.chmod(0o755)
    done = repo.deploy()
    assert done.exit_code == 3 and "this branch is protected" in done.stdout and not repo.head()


def test_no_remote(repo: Repo) -> None:
    git(repo.top, "remote", "remove", "origin")
    done = repo.deploy()
    assert done.exit_code == 2 and "no remote origin" in done.stdout and "git remote add origin" in done.stdout


def test_a_remote_that_is_not_there(repo: Repo) -> None:
    git(repo.top, "remote", "set-url", "origin", "https://ana:hunter2hunter2@127.0.0.1:9/x.git")
    done = repo.deploy()
    assert done.exit_code == 3 and "hunter2" not in done.stdout, done.stdout


def test_no_repository(tmp_path: Path, repo: Repo) -> None:
    site = tmp_path / "alone"
    scaffold.new_site(site, "Lead Lab", "https://me.github.io/repo/")
    done = CliRunner().invoke(cli, ["deploy", "github-pages", "--site", str(site)])
    assert done.exit_code == 2 and "in no git repository" in done.stdout


@pytest.mark.parametrize(("remote", "base", "code"), [
    ("git@github.com:Me/repo.git", "https://me.github.io/repo/", 0),
    ("https://github.com/me/me.github.io", "https://me.github.io/", 0),
    ("https://x:y@github.com/me/repo.git", "https://leads.lead-lab.dev/", 0),
    ("git@github.com:me/repo.git", "https://me.github.io/other/", 1),
    ("git@github.com:me/repo.git", "https://you.github.io/repo/", 1),
    ("git@github.com:me/repo.git", "https://leads.lead-lab.dev/repo/", 1),
    ("git@github.com:me/repo.git", "https://example.com/", 1),
    ("git@github.com:me/repo.git", "http://leads.lead-lab.dev/", 1),
])  # fmt: skip
def test_the_address_fits_the_repository(repo: Repo, remote: str, base: str, code: int) -> None:
    git(repo.top, "remote", "set-url", "origin", remote)
    done = repo.deploy("--base-url", base)
    line = next(line for line in done.stdout.splitlines() if " address" in line)
    assert line.startswith("FAULT" if code else "ok"), done.stdout
    assert done.exit_code == (code or 3)  # no network beyond this machine
    assert not code or not (repo.site / "public").exists()


def test_forms_need_a_handler_elsewhere(repo: Repo) -> None:
    text = (repo.site / "magnetgen.yaml").read_text()
    for handler in ("", "handler: {provider: netlify-forms}\n"):
        (repo.site / "magnetgen.yaml").write_text(text.replace(HANDLER, handler))
        done = repo.deploy()
        assert done.exit_code == 1 and "GitHub Pages runs no form handler" in done.stdout and not repo.head()


def test_faults_of_the_content_stop_it(repo: Repo) -> None:
    (repo.site / "content" / "broken.md").write_text("---\ntitle: X\nform: nope\n---\n")
    done = repo.deploy()
    assert done.exit_code == 1 and "nothing was uploaded" in done.stdout and not repo.head()


def test_there_is_no_preview(repo: Repo) -> None:
    done = repo.deploy("--preview")
    assert done.exit_code == 2 and "no previews" in done.stdout
