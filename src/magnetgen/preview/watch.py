"""Tells when something that a build reads has changed: by the system's events, or by looking again and again.

Watched are the folders that a build reads, not the whole site: output folders and `.git` can hold more folders than
the system lets anyone watch.
"""

from __future__ import annotations

import contextlib
import re
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch
from watchdog.observers.polling import PollingObserver

from magnetgen.config import CONFIG_FILE

FOLDERS = ("content", "media", "themes", "templates")
POLL_SECONDS = 0.5
MOUNTS = Path("/proc/mounts")

_EVENTS: list[type[FileSystemEvent]] = [
    FileCreatedEvent, FileModifiedEvent, FileClosedEvent, FileDeletedEvent, FileMovedEvent, FileAttribEvent,
    DirCreatedEvent, DirDeletedEvent, DirMovedEvent,
]  # fmt: skip
# Not among them: files that were opened and closed, of which each build makes thousands.
_FOLDER_EVENTS = (DirCreatedEvent, DirMovedEvent)

_LEFTOVER = re.compile(r"\..*|.*~|#.*#|4913|.*\.(?:sw[a-p]|tmp|bak|part|crswap|kate-swp)|.*___jb_(?:tmp|old)___", re.I)
"""What editors leave beside a file while they write it. `4913` is what Vim tries a folder with."""

_SILENT = re.compile(
    r"nfs\d?|cifs|smb\w*|9p|drvfs|vboxsf|prl_fs|vmhgfs|fuse\.(?:sshfs|vmhgfs-fuse|osxfs|grpcfuse)|afs|virtiofs"
)
"""File systems where changes come from another machine, so that no event tells of them here."""


Changed = Callable[[frozenset[str] | None], None]
"""Told which files have changed, relative to the site; None where more than some files may have."""


class Watch:
    """`changed` is called for every change, from a thread of its own, often many times; `say` gets a sentence."""

    def __init__(self, root: Path, changed: Changed, say: Callable[[str], None]) -> None:
        self._root = root.resolve()
        self._changed = changed
        self._say = say
        self._lock = threading.RLock()
        self._observer: BaseObserver | None = None
        self._folders: dict[str, tuple[Path, int, ObservedWatch]] = {}
        self.polling = False

    def start(self) -> None:
        # Said of a folder that was moved out of the site and comes back; it is watched all the same.
        warnings.filterwarnings("ignore", "Callback with id .* already exists", RuntimeWarning)
        kind = file_system(self._root)
        if _SILENT.fullmatch(kind):
            self._say(f"This folder is on a file system without events ({kind}): changes are looked for instead.")
            self._poll()
            return
        try:
            self._begin(Observer())
            self._probe()
        except OSError as exc:
            self._fall_back(exc)

    def stop(self) -> None:
        with self._lock:
            observer, self._observer = self._observer, None
        if observer is not None:
            _stop(observer)

    def _fall_back(self, exc: OSError) -> None:
        self._say(
            f"Changes cannot be watched for ({exc.strerror or exc}): they are looked for instead, which is slower. "
            "On Linux, raise fs.inotify.max_user_watches and max_user_instances."
        )
        self._poll()

    def _poll(self) -> None:
        self.polling = True
        with self._lock:
            before, self._observer = self._observer, None
            self._folders.clear()
        if before is not None:
            # Not here: this may be that observer's own thread.
            threading.Thread(target=_stop, args=(before,), daemon=True).start()
        self._begin(PollingObserver(timeout=POLL_SECONDS))
        self._changed(None)

    def _begin(self, observer: BaseObserver) -> None:
        observer.schedule(_Handler(self._in_root), str(self._root), recursive=False, event_filter=_EVENTS)
        self._observer = observer
        self._follow()
        observer.start()

    def _follow(self) -> None:
        """Watch the folders that are there now, whether they have been made anew, moved or replaced."""
        with self._lock:
            if self._observer is None:
                return
            for name in FOLDERS:
                folder = (self._root / name).resolve()
                try:
                    inode = folder.stat().st_ino if folder.is_dir() else 0
                except OSError:
                    inode = 0
                known = self._folders.get(name)
                if known and known[:2] == (folder, inode):
                    continue
                if known:
                    del self._folders[name]
                    with contextlib.suppress(KeyError, OSError):
                        self._observer.unschedule(known[2])
                if inode:
                    handler = _Handler(self._below(name, folder))
                    with contextlib.suppress(FileNotFoundError):
                        watch = self._observer.schedule(handler, str(folder), recursive=True, event_filter=_EVENTS)
                        self._folders[name] = (folder, inode, watch)

    def _in_root(self, event: FileSystemEvent) -> None:
        names = {path.name for path in _paths(event) if path.parent == self._root}
        if not names & {CONFIG_FILE, *FOLDERS}:
            return
        if names & set(FOLDERS):
            self._watched(self._follow)
        self._changed(None)

    def _below(self, name: str, folder: Path) -> Callable[[FileSystemEvent], None]:
        def see(event: FileSystemEvent) -> None:
            paths = [path for path in _paths(event) if counts(path, folder)]
            if paths:
                files = frozenset(f"{name}/{path.relative_to(folder).as_posix()}" for path in paths)
                self._changed(None if event.is_directory else files)
                if isinstance(event, _FOLDER_EVENTS):
                    self._watched(self._probe)

        return see

    def _watched(self, step: Callable[[], None]) -> None:
        if self.polling:
            if step == self._follow:
                step()
            return
        try:
            step()
        except OSError as exc:
            self._fall_back(exc)

    def _probe(self) -> None:
        """Raises OSError where no folder more can be watched: of folders within folders nobody else would tell."""
        with self._lock:
            if self._observer is None:
                return
            folder = self._root / ".magnetgen" / "cache"
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError:
                return
            self._observer.unschedule(
                self._observer.schedule(FileSystemEventHandler(), str(folder), event_filter=[DirMovedEvent])
            )


class _Handler(FileSystemEventHandler):
    def __init__(self, see: Callable[[FileSystemEvent], None]) -> None:
        self._see = see

    def dispatch(self, event: FileSystemEvent) -> None:
        self._see(event)


def counts(path: Path, folder: Path) -> bool:
    """Whether a change of this path can change the site: not what is hidden, nor what editors leave lying about."""
    try:
        parts = path.relative_to(folder).parts
    except ValueError:
        return False
    return not any(_LEFTOVER.fullmatch(part) for part in parts)


def file_system(folder: Path) -> str:
    """The type of the file system that holds a folder, as Linux names it; empty elsewhere."""
    try:
        lines = MOUNTS.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    best, kind = -1, ""
    for line in lines:
        _, place, found, *_ = [*line.split(" "), "", "", ""]
        place = place.replace("\\040", " ")
        if folder.is_relative_to(place or "/") and len(place) >= best:
            best, kind = len(place), found
    return kind


def _paths(event: FileSystemEvent) -> list[Path]:
    names = (event.src_path, event.dest_path)
    return [Path(name.decode(errors="surrogateescape") if isinstance(name, bytes) else name) for name in names if name]


def _stop(observer: BaseObserver) -> None:
    with contextlib.suppress(RuntimeError, OSError):
        observer.stop()
        observer.join(1)
