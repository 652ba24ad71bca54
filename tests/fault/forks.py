"""`magnetgen build` in forks of a process that has imported all of it: a process for each build, begun at once.

Most of what a small build takes in a process of its own is importing. What is proved by `tools.run` is not how a process
begins: the command line, what it writes and prints, its exit code and its memory are those of any other.

As a program it is the process that forks: a line of JSON on stdin for each build, a line with its exit code on stdout.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path


class Forks:
    """The process that forks; made at the first build. `env`: of all its builds."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = dict(env)
        self._process: subprocess.Popen[str] | None = None
        atexit.register(self.close)

    def build(self, args: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str]:
        """One build. Raises subprocess.TimeoutExpired."""
        command = ["magnetgen", "build", *args]
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder) / "out", Path(folder) / "err"
            process = self._running()
            assert process.stdin and process.stdout
            place = str(Path.cwd())
            process.stdin.write(json.dumps({"argv": command, "cwd": place, "out": str(out), "err": str(err)}) + "\n")
            process.stdin.flush()
            if not select.select([process.stdout], [], [], seconds)[0]:
                self.close()
                raise subprocess.TimeoutExpired(command, seconds)
            code = int(process.stdout.readline())
            texts = [file.read_bytes().decode("utf-8", "replace") for file in (out, err)]
        return subprocess.CompletedProcess(command, code, *texts)

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.fault.forks"], env=self._env, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, text=True, start_new_session=True, cwd=Path(__file__).resolve().parents[2],
            )  # fmt: skip
        return self._process

    def close(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        os.killpg(process.pid, signal.SIGKILL)  # a build that hangs, too
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()


def _serve() -> None:
    from magnetgen import build, cli, output, scaffold  # noqa: F401 (imported for the forks)

    for line in sys.stdin:
        wish = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(wish["argv"], wish["cwd"], wish["out"], wish["err"])
            try:
                cli.main()
            except SystemExit as exc:
                code = exc.code if isinstance(exc.code, int) else int(bool(exc.code))
            except BaseException:
                sys.excepthook(*sys.exc_info())
                code = 1
            else:
                code = 0
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _become(argv: list[str], cwd: str, out: str, err: str) -> None:
    """A process as one that was begun with these words, its input empty and its output in files."""
    sys.argv = argv
    os.chdir(cwd)
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, out, os.O_CREAT | os.O_WRONLY),
        (2, err, os.O_CREAT | os.O_WRONLY),
    ):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    # Anew, as the text that the process before may still hold must not be written twice; otherwise as it was.
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        old = getattr(sys, name)
        mode = "w" if number else "r"
        setattr(sys, name, open(number, mode, encoding=old.encoding, errors=old.errors, closefd=False))  # noqa: SIM115


if __name__ == "__main__":
    _serve()
