"""A real PostgreSQL for the tests: one server a process, started when a test asks for it, gone at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

PASSWORD = "canary-pass-51c7"
USER = "postgres"
_numbers = count(1)


def programs() -> Path:
    """The folder of initdb: on the PATH, or where Debian puts it."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    from tests.validators.tools import missing

    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return debian[-1].parent if debian else missing("PostgreSQL's initdb")


class Server:
    """`restart` and `crash` keep what is on disk, and the port."""

    def __init__(self) -> None:
        self._bin = programs()
        # PostgreSQL refuses to run as root; its folder must be one that its own user can reach.
        self._user = pwd.getpwnam(USER) if os.getuid() == 0 else None
        self.root = Path(tempfile.mkdtemp(prefix="magnetgen-pg-", dir="/tmp"))
        if self._user:
            os.chown(self.root, self._user.pw_uid, self._user.pw_gid)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        secret = self.root / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run("initdb", "-U", USER, "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "--locale=C.UTF-8")
        self.start()

    def _run(self, program: str, *words: str) -> None:
        with (self.root / "output").open("ab") as output:
            done = subprocess.run(
                [self._bin / program, "-D", self.root / "data", *words], stdout=output, stderr=output, timeout=120,
                cwd=self.root, user=self._user.pw_uid if self._user else None,
                group=self._user.pw_gid if self._user else None,
            )  # fmt: skip
        assert done.returncode == 0, (self.root / "output").read_text("utf-8", "replace")

    def start(self) -> None:
        # Durable as PostgreSQL is by default: fsync, full_page_writes and synchronous_commit stay on.
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -c unix_socket_directories={self.root}"
        self._run("pg_ctl", "-w", "-l", str(self.root / "log"), "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-m", mode, "-w", "stop")

    def restart(self) -> None:
        self.stop()
        self.start()

    def crash(self) -> None:
        """As if the power had gone: nothing is written at the end, and the log is replayed at the start."""
        self.stop("immediate")
        self.start()

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def ask(self, query: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """As the server's owner, past the store."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(query.encode())
            return cursor.fetchall() if cursor.description else []

    def database(self) -> str:
        """The address of a new, empty database."""
        name = f"test{next(_numbers)}"
        self.ask(f"CREATE DATABASE {name}")
        return self.url(name)

    def drop(self, url: str) -> None:
        self.ask(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    def close(self) -> None:
        try:
            self.stop("immediate")
        finally:
            shutil.rmtree(self.root, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def postgres_url(postgres: Server) -> Iterator[str]:
    """A database for this test alone."""
    url = postgres.database()
    yield url
    postgres.drop(url)


def backends(server: Server, url: str) -> list[int]:
    """Processes of the server that work for a store of this database."""
    name = url.rpartition("/")[2]
    found = server.ask(
        f"SELECT pid FROM pg_stat_activity WHERE datname='{name}' AND application_name='magnetgen' ORDER BY pid"
    )
    return [int(str(row[0])) for row in found]


def freeze(pid: int) -> None:
    """A process that holds its connection and answers nothing any more."""
    os.kill(pid, signal.SIGSTOP)


def thaw(pid: int) -> None:
    os.kill(pid, signal.SIGCONT)
