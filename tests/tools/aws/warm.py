"""The real `aws`, imported once: `python warm.py SOCKET` answers each command in a process of its own, by a fork.

Each start of `aws` takes most of a second, and the tests of a deploy start it hundreds of times. `CLIENT` is the program
that takes its place on the path: it hands over its words, environment, folder and its three channels.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import sys
import traceback

MODULES = (
    "awscli.clidriver", "awscli.handlers", "awscli.customizations.cloudformation.deploy",
    "awscli.customizations.s3.subcommands", "s3transfer.manager",
)  # fmt: skip
SERVICES = ("acm", "cloudformation", "cloudfront", "lambda", "s3", "secretsmanager", "sts")
CLIENT = """\
#!{python} -IS
import json, os, socket, sys
line = socket.socket(socket.AF_UNIX)
line.connect({path!r})
said = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
socket.send_fds(line, [len(said).to_bytes(4, "big")], [0, 1, 2])
line.sendall(said)
sys.exit(int(line.recv(8) or 255))
"""


def loaded() -> object:
    """botocore's loader, which remembers the descriptions of services that it has read."""
    session = importlib.import_module("awscli.clidriver").create_clidriver().session
    loader = session.get_component("data_loader")
    loader.load_data("cli")
    loader.load_data("endpoints")
    loader.load_data("partitions")
    for service in SERVICES:
        session.get_service_model(service)
        for kind in ("paginators-1", "waiters-2", "endpoint-rule-set-1"):
            try:
                loader.load_service_model(service, kind)
            except Exception:  # not every service has each
                continue
    return loader


def run(line: socket.socket, loader: object) -> int:
    """One command, with what its client has handed over → its exit code."""
    size, channels, _, _ = socket.recv_fds(line, 4, 3)
    words, environment, folder = json.loads(line.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL))
    for number, channel in enumerate(channels):
        os.dup2(channel, number)
    data = os.environ["AWS_DATA_PATH"]  # set when it was imported
    os.environ.clear()
    os.environ.update({"AWS_DATA_PATH": data, **environment})
    os.chdir(folder)
    sys.argv = ["aws", *words]
    try:
        driver = importlib.import_module("awscli.clidriver").create_clidriver()
        driver.session.register_component("data_loader", loader)
        code = driver.main(words)
    except SystemExit as exit:
        code = exit.code if isinstance(exit.code, int) else 1
    sys.stdout.flush()
    sys.stderr.flush()
    return int(code or 0)


def main(path: str) -> None:
    for name in MODULES:
        importlib.import_module(name)
    loader = loaded()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(16)
    print("READY", flush=True)
    while True:
        line, _ = listener.accept()
        if os.fork():
            line.close()
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        code = 255
        try:
            code = run(line, loader)
        except BaseException:
            traceback.print_exc()
        finally:
            line.send(str(code).encode())
            os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1])
