"""A folder as one commit on a branch of its own, pushed; the checkout, the index and the history are left alone.

Everything is written into a temporary index and a temporary object folder that borrows from the repository's: git needs
its configuration (remotes, credentials), and nothing else of it is touched.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from magnetgen.deploy.steps import BROKEN, USAGE, DeployFault
from magnetgen.deploy.tools import Done, Shell, Tool

GIT = Tool("git", "https://git-scm.com/downloads", (2, 29, 0))
BRANCH = "gh-pages"
TRAILER = "Published-by: magnetgen"
"""Stands in the message of our commits: a branch whose last commit lacks it is somebody else's."""
_OWN = ".magnetgen"
"""The output's marker; it is not published."""


@dataclass(frozen=True)
class Repository:
    """Where the site is kept. `remote`: a name or an address; `url`: what it stands for."""

    shell: Shell
    remote: str
    url: str

    @property
    def ref(self) -> str:
        return f"refs/heads/{BRANCH}"


@dataclass(frozen=True)
class Published:
    """What came of it. `commit`: empty in a rehearsal; `before`: the commit that was there, or empty."""

    commit: str
    before: str
    unchanged: bool = False


def open_repository(shell: Shell, remote: str) -> Repository:
    """The repository that the site lies in. Raises DeployFault."""
    if shell.ask(GIT, "rev-parse", "--git-dir").code:
        hint = "git init, commit, make a repository at GitHub, then: git remote add origin git@github.com:YOU/REPO.git"
        raise DeployFault("the site is in no git repository", hint, USAGE)
    done = shell.ask(GIT, "remote", "get-url", "--push", remote)
    if done.code:
        hint = f"git remote add {remote} git@github.com:YOU/REPO.git, or choose another with --remote"
        raise DeployFault(f"the repository has no remote {remote}", hint, USAGE)
    return Repository(shell, remote, done.out.strip())


def publish(repository: Repository, folder: Path, subject: str) -> Published:
    """Push the folder's files, if they differ from what is there. Raises DeployFault; then nothing was pushed."""
    before = _head(repository)
    with _apart(repository.shell) as shell:
        tree = _tree(shell, folder)
        if before:
            _fetch(shell, repository, before)
            _check_owner(shell, repository, before)
            if _line(shell, "rev-parse", f"{before}^{{tree}}") == tree:
                return Published(before, before, unchanged=True)
        commit = _line(_named(shell), "commit-tree", tree, "-m", subject, "-m", TRAILER)
        words = (
            "push", "--no-verify", "--porcelain", f"--force-with-lease={repository.ref}:{before}",
            repository.remote, f"{commit}:{repository.ref}",
        )  # fmt: skip
        if shell.dry:
            shell.change(GIT, *words)
            return Published("", before)
        done = shell.ask(GIT, *words, seconds=1800)
        if done.code:
            raise _refused(shell, words, done)
        return Published(commit, before)


def _head(repository: Repository) -> str:
    """The branch's commit at the remote, or nothing where there is no such branch."""
    words = ("ls-remote", repository.remote, repository.ref)
    done = repository.shell.ask(GIT, *words)
    if done.code:
        hint = (
            f"can you reach {repository.shell.masked(repository.url)}, and may you write to it? `git push` should work"
        )
        raise repository.shell.failed(GIT, words, done, hint)
    return done.out.partition("\t")[0].strip()


@contextmanager
def _apart(shell: Shell) -> Iterator[Shell]:
    """A shell whose git writes into a folder that goes."""
    objects = _line(shell, "rev-parse", "--git-path", "objects")
    with tempfile.TemporaryDirectory(prefix="magnetgen-pages-") as temporary:
        (Path(temporary) / "objects").mkdir()
        borrowed = [str((shell.root / objects).resolve()), shell.env.get("GIT_ALTERNATE_OBJECT_DIRECTORIES", "")]
        env = {
            **shell.env,
            "GIT_INDEX_FILE": str(Path(temporary) / "index"),
            "GIT_OBJECT_DIRECTORY": str(Path(temporary) / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": os.pathsep.join(filter(None, borrowed)),
        }
        yield replace(shell, env=env)


def _tree(shell: Shell, folder: Path) -> str:
    """The folder as a tree of exactly these bytes: no filter, no line ends, no ignore file has a say."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.relative_to(folder).parts[0] != _OWN)
    names = "".join(f"{path.absolute()}\n" for path in files).encode()
    hashed = shell.ask(GIT, "hash-object", "-w", "--no-filters", "--stdin-paths", given=names, seconds=1800)
    ids = hashed.out.split()
    if hashed.code or len(ids) != len(files):
        raise shell.failed(GIT, ("hash-object",), hashed)
    entries = (f"100644 {id}\t{path.relative_to(folder).as_posix()}\0" for id, path in zip(ids, files, strict=True))
    _line(shell, "update-index", "-z", "--index-info", given="".join(entries).encode())
    return _line(shell, "write-tree")


def _fetch(shell: Shell, repository: Repository, commit: str) -> None:
    """The branch's last commit, to compare with; no reference of the repository moves."""
    words = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--refmap=", "--no-recurse-submodules",
             repository.remote, repository.ref)  # fmt: skip
    done = shell.ask(GIT, *words, seconds=1800)
    if done.code:
        raise shell.failed(GIT, words, done)
    if shell.ask(GIT, "cat-file", "-e", commit).code:
        raise _moved("")


def _check_owner(shell: Shell, repository: Repository, commit: str) -> None:
    """A branch that somebody else filled is not written over."""
    if TRAILER in _line(shell, "log", "-1", "--format=%B", commit):
        return
    where = repository.remote
    hint = (
        f"keep it under another name, then deploy again: git push {where} {commit[:12]}:refs/heads/{BRANCH}-before && "
        f"git push {where} :{BRANCH}  (after: git fetch {where} {BRANCH})"
    )
    raise DeployFault(f"the branch {BRANCH} at {where} was not made by magnetgen: it is left as it is", hint, USAGE)


def _named(shell: Shell) -> Shell:
    """With a name and an address for the commit, where git knows none."""
    added: dict[str, str] = {}
    for name, key, fallback in (("NAME", "user.name", "magnetgen"), ("EMAIL", "user.email", "magnetgen@localhost")):
        if shell.ask(GIT, "config", key).code:
            added |= {f"GIT_{role}_{name}": fallback for role in ("AUTHOR", "COMMITTER")}
    return replace(shell, env={**added, **shell.env})


def _line(shell: Shell, *words: str, given: bytes = b"") -> str:
    done = shell.ask(GIT, *words, given=given)
    if done.code:
        raise shell.failed(GIT, words, done)
    return done.out.strip()


def _refused(shell: Shell, words: tuple[str, ...], done: Done) -> DeployFault:
    if "stale info" in done.tail or "[rejected]" in done.tail:
        return _moved(done.tail)
    return shell.failed(GIT, words, done, "nothing was published; may you push to this repository?")


def _moved(tail: str) -> DeployFault:
    hint = "somebody else has published in this moment: look at what they did, then deploy again"
    return DeployFault(f"{BRANCH} has moved, and was left as it is", hint, BROKEN, tail)


def source(shell: Shell) -> str:
    """Which commit the site was built from, in words."""
    head = shell.ask(GIT, "rev-parse", "--short", "HEAD")
    if head.code:
        return "an uncommitted site"
    changed = shell.ask(GIT, "status", "--porcelain", "--", ".").out.strip()
    return head.out.strip() + (" with uncommitted changes" if changed else "")
