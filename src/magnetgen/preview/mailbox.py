"""Mails that go nowhere: each is a file, and the newest are kept."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

LIMIT = 500
"""Files of a shelf; older ones go."""
_NAME = re.compile(r"([0-9]{15})-[0-9]{5}-([0-9a-f]{32})\.(?:eml|json)")
_LINK = re.compile(r"https?://[^\s<>\"'`\\^{|}]+")
_HEAD = re.compile(r"<head\b[^>]*>", re.I)
_ID = re.compile(r"[0-9a-f]{32}")
NO_ID = "0" * 32
SHOWN_HEADERS = ("From", "To", "Reply-To", "Subject", "Date", "List-Unsubscribe", "List-Unsubscribe-Post", "Message-ID")


class Shelf:
    """Files in a folder, each named by its time (ms) and a delivery's id. Safe for several threads and processes."""

    def __init__(self, folder: Path, suffix: str, limit: int = LIMIT) -> None:
        self._folder = folder
        self._suffix = suffix
        self._limit = limit
        self._numbers = itertools.count()

    def put(self, id: str, data: bytes, now: float) -> str:
        """Keep a file, and let the oldest go; its name. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        own = id if _ID.fullmatch(id) else NO_ID
        name = f"{int(now * 1000):015d}-{next(self._numbers) % 100_000:05d}-{own}{self._suffix}"
        draft = self._folder / f".{name}-{os.getpid()}"
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        draft.replace(self._folder / name)
        self._remove(self.names()[self._limit :])
        return name

    def names(self) -> list[str]:
        """What is there, newest first."""
        try:
            found = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        return sorted((name for name in found if _NAME.fullmatch(name) and name.endswith(self._suffix)), reverse=True)

    def read(self, name: str) -> bytes | None:
        """A file by its name; None for one that has gone, and for any other name."""
        if not _NAME.fullmatch(name) or not name.endswith(self._suffix):
            return None
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def of(self, ids: Collection[str]) -> list[str]:
        """The files of these deliveries, newest first."""
        return [name for name in self.names() if delivery_of(name) in ids]

    def clear(self) -> None:
        self._remove(self.names())

    def forget(self, ids: Collection[str]) -> None:
        """Remove all files of these deliveries."""
        self._remove(self.of(ids))

    def _remove(self, names: list[str]) -> None:
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                (self._folder / name).unlink()


def delivery_of(name: str) -> str:
    return name.rpartition("-")[2].partition(".")[0]


def time_of(name: str) -> int:
    """When a file was kept, in ms."""
    return int(name[:15])


def mails(root: Path) -> Shelf:
    """The preview's captured mails."""
    return Shelf(root / ".magnetgen" / "preview-mail", ".eml")


def requests(root: Path) -> Shelf:
    """What the preview's destinations would have been sent."""
    return Shelf(root / ".magnetgen" / "preview-requests", ".json")


@dataclass(frozen=True)
class Mail:
    """A captured mail. `at`: ms; `delivery`: the outbox id; `headers`: those that a writer looks at."""

    name: str
    at: int
    delivery: str
    to: str
    subject: str
    headers: tuple[tuple[str, str], ...]
    text: str
    html: str
    raw: str


def parse(name: str, raw: bytes) -> Mail:
    """A mail as it is shown."""
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    shown = tuple((key, str(message[key])) for key in SHOWN_HEADERS if message[key] is not None)
    parts = {kind: message.get_body((kind,)) for kind in ("plain", "html")}
    bodies = {kind: str(part.get_content()) if part else "" for kind, part in parts.items()}
    return Mail(
        name=name,
        at=time_of(name),
        delivery=delivery_of(name),
        to=str(message["To"] or ""),
        subject=str(message["Subject"] or ""),
        headers=shown,
        text=bodies["plain"],
        html=bodies["html"],
        raw=raw.decode("utf-8", "replace"),
    )


def list_head(name: str, raw: bytes) -> Mail:
    """Only what a list shows: the bodies are not decoded."""
    message = message_from_bytes(raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n", policy=policy.default)
    to, subject = str(message["To"] or ""), str(message["Subject"] or "")
    return Mail(name, time_of(name), delivery_of(name), to, subject, (), "", "", "")


def keep(shelf: Shelf, message: EmailMessage, clock: Callable[[], float] = time.time) -> str:
    """Put a mail on the shelf; its Message-ID names the delivery."""
    id = str(message["Message-ID"] or "").strip("<>").partition("@")[0]
    return shelf.put(id, message.as_bytes(policy=policy.SMTP), clock())


def framed(html: str) -> str:
    """A mail's HTML with its links leading out of the frame that shows it."""
    base = '<base target="_top">'
    head = _HEAD.search(html)
    if head:
        return f"{html[: head.end()]}{base}{html[head.end() :]}"
    return f'<!doctype html><html><head><meta charset="utf-8">{base}<title>Mail</title></head><body>{html}'


def linked(text: str) -> list[tuple[str, bool]]:
    """A text in pieces: (words, False) or (http address, True)."""
    pieces: list[tuple[str, bool]] = []
    end = 0
    for match in _LINK.finditer(text):
        url = match[0].rstrip(".,;:!?)]")
        pieces += [(text[end : match.start()], False), (url, True)]
        end = match.start() + len(url)
    return [piece for piece in (*pieces, (text[end:], False)) if piece[0]]
