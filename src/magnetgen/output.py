"""From rendered bytes to the output folder: compared, staged, moved into place, pruned. Never a torn file.

A first build stages a whole tree and renames it once. Later ones stage only what differs, inside the output folder
(so on the same file system), and move each file over the old one. Before anything is moved, the list of what will
be there is written down, so that a build killed half way leaves nothing that the next one would not know as its own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from magnetgen.cache import load, sweep, write_atomically, write_checked
from magnetgen.diagnostics import Diagnostic

try:
    import fcntl
except ImportError:  # Windows: builds there are not kept apart
    fcntl = None  # type: ignore[assignment]

MARKER = ".magnetgen"
PREVIEW = (".magnetgen", "preview")
"""Where the preview's output lies in a site: with drafts in it, it must never be in `public/`."""
_MARKER_TEXT = b"This folder is written by magnetgen; what is put here by hand may be replaced.\n"
_STAGE = ".magnetgen-stage"


class Made(msgspec.Struct, frozen=True):
    """An output as it was made: the job's number, its key and refs (see keys.py), the file's size and time, and what was found."""

    number: int
    file: str
    key: bytes
    refs: bytes
    size: int
    mtime_ns: int
    changed: bool
    diagnostics: tuple[Diagnostic, ...] = ()


class Listed(msgspec.Struct, frozen=True):
    """An output in the manifest."""

    key: bytes
    refs: bytes
    size: int
    mtime_ns: int
    diagnostics: tuple[Diagnostic, ...] = ()


class Manifest(msgspec.Struct):
    """What the last build wrote, and (`pending`) what a build was about to write when it was last heard of.

    space: see keys.py.
    """

    files: dict[str, Listed] = {}
    space: bytes = b""
    pending: tuple[str, ...] = ()


class RefusedError(Exception):
    """The output folder is not one that may be written to."""


class Stage:
    """Where changed files wait until the whole build is known to be right. Used by workers, too."""

    def __init__(self, out: Path, dry: bool = False) -> None:
        """`dry`: nothing is written; what is made is only looked at for faults."""
        self.out = out
        self.dry = dry
        self.fresh = not out.exists()
        self.folder = out.with_name(f".{out.name}{_STAGE}") if self.fresh else out / _STAGE

    def path_of(self, made: Made) -> Path:
        """Where an output lies until it is moved."""
        return (self.folder if made.changed else self.out) / made.file

    def put(self, file: str, data: bytes) -> tuple[int, int, bool]:
        """Stage a file if it differs from the one in place. (size, mtime_ns, changed)."""
        if self.dry:
            return len(data), 0, False
        if not self.fresh:
            same = _same(self.out / file, data)
            if same is not None:
                return len(data), same, False
        return self._write(file, data)

    def put_copy(self, file: str, source: Path) -> tuple[int, int, bool]:
        """Stage a copy of a file whose name says its content: one of the same size in place is the same."""
        size = source.stat().st_size
        if self.dry:
            return size, 0, False
        if (
            not self.fresh
            and (there := _stat(self.out / file))
            and there.st_size == size
            and _equal(self.out / file, source)
        ):
            return size, there.st_mtime_ns, False
        target = self.folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        return size, target.stat().st_mtime_ns, True

    def _write(self, file: str, data: bytes) -> tuple[int, int, bool]:
        target = f"{self.folder}/{file}"
        try:
            handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        except FileNotFoundError:
            _make_folder(target.rpartition("/")[0])
            handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        with open(handle, "wb", buffering=0) as stream:  # noqa: PTH123 (a descriptor, not a path)
            view = memoryview(data)
            while view:
                view = view[stream.write(view) :]
            return len(data), os.fstat(handle).st_mtime_ns, True

    def discard(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def _make_folder(folder: str) -> None:
    try:
        os.mkdir(folder)  # noqa: PTH102 (once for every page: the plain call does least)
    except FileExistsError:
        pass
    except FileNotFoundError:
        Path(folder).mkdir(parents=True, exist_ok=True)


def _stat(path: Path | str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def _same(path: Path, data: bytes) -> int | None:
    """The file's time if it holds just these bytes, else None."""
    info = _stat(path)
    if info is None or info.st_size != len(data):
        return None
    try:
        return info.st_mtime_ns if path.read_bytes() == data else None
    except OSError:
        return None


def _equal(one: Path, other: Path) -> bool:
    import filecmp

    return filecmp.cmp(one, other, shallow=False)


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """One build of a site at a time: a second one waits. The lock goes with the process, however that ends."""
    folder = root / ".magnetgen"
    ignore = folder / ".gitignore"
    if not ignore.is_file():
        write_atomically(ignore, b"*\n")
    with (folder / "lock").open("a") as handle:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX)
        sweep(folder)
        yield


def check_folder(root: Path, out: Path, manifest: Manifest) -> None:
    """Raises RefusedError unless `out` is new, empty, or one that magnetgen made."""
    resolved, site = out.resolve(), root.resolve()
    if resolved == site or site.is_relative_to(resolved):
        raise RefusedError(f"{out} holds the site itself: choose a folder of its own, such as public")
    parts = resolved.relative_to(site).parts if resolved.is_relative_to(site) else ()
    inside = () if parts == PREVIEW else parts[:1]
    if inside in (("content",), ("media",), ("themes",), ("templates",), (".magnetgen",), (".git",)):
        raise RefusedError(f"{out} is a folder of the site's sources: choose another, such as public")
    if out.exists() and not out.is_dir():
        raise RefusedError(f"{out} is not a folder")
    if not out.is_dir() or (out / MARKER).is_file():
        return
    # A first build that was killed may have left files without the marker; the manifest knows of them.
    known = {_STAGE, *(file.split("/")[0] for file in (*manifest.files, *manifest.pending))}
    if any(path.name not in known for path in out.iterdir()):
        raise RefusedError(
            f"{out} is not empty, and not made by magnetgen: empty it, or choose another folder with --out"
        )


def up_to_date(out: Path, file: str, listed: Listed | None, key: bytes) -> bool:
    """Whether the output was made from the same inputs and still lies there as it was written."""
    if listed is None or listed.key != key:
        return False
    info = _stat(f"{out}/{file}")
    return info is not None and info.st_size == listed.size and info.st_mtime_ns == listed.mtime_ns


def manifest_path(root: Path, out: Path) -> Path:
    from hashlib import blake2b

    resolved, site = out.resolve(), root.resolve()
    place = resolved.relative_to(site) if resolved.is_relative_to(site) else resolved  # a site may move with its output
    name = blake2b(os.fsencode(str(place)), digest_size=6).hexdigest()
    return root / ".magnetgen" / "cache" / f"manifest-{name}.mpk"


def read_manifest(root: Path, out: Path) -> Manifest:
    return load(manifest_path(root, out), Manifest) or Manifest()


def commit(root: Path, stage: Stage, old: Manifest, new: Manifest, changed: Iterable[str]) -> int:
    """Move what is staged into place, remove what the last build wrote and this one does not. → files removed."""
    out, moves = stage.out, list(changed)
    gone = [file for file in {*old.files, *old.pending} if file not in new.files]
    if moves or gone:
        pending = tuple({*old.pending, *moves})
        write_checked(manifest_path(root, out), msgspec.msgpack.encode(Manifest(old.files, old.space, pending)))
    if stage.fresh and moves:
        (stage.folder / MARKER).write_bytes(_MARKER_TEXT)
        out.parent.mkdir(parents=True, exist_ok=True)
        stage.folder.rename(out)
        moves = []
    if moves and not (out / MARKER).is_file():
        (stage.folder / MARKER).write_bytes(_MARKER_TEXT)
        _move(stage.folder / MARKER, out / MARKER)
    blocked = [file for file in moves if not _move(stage.folder / file, out / file)]
    removed = sum(_remove(out, file, new.files) for file in sorted(gone))
    for file in blocked:  # by a file or folder of the last build that is gone now
        (out / file).parent.mkdir(parents=True, exist_ok=True)
        (stage.folder / file).replace(out / file)
    stage.discard()
    if moves or gone or old.pending or old != new:
        write_checked(manifest_path(root, out), msgspec.msgpack.encode(new))
    return removed


def _move(source: Path, target: Path) -> bool:
    """Put a file into its place; False where something of another kind stands in the way."""
    try:
        source.replace(target)
    except FileNotFoundError:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            return False
        source.replace(target)
    except (NotADirectoryError, IsADirectoryError):
        return False
    return True


def _remove(out: Path, file: str, new: dict[str, Listed]) -> bool:
    """Delete a file of an earlier build, and the folders that it leaves empty."""
    target = out / file
    if not target.parent.resolve().is_relative_to(out.resolve()):
        return False
    twin = next((name for name in (file.lower(), file.casefold()) if name in new), None)
    if twin and _stat(target) and _stat(out / twin) and target.samefile(out / twin):  # one file where case is ignored
        return False
    try:
        target.unlink()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False
    for parent in target.parents:
        if parent == out:
            break
        try:
            parent.rmdir()
        except OSError:
            break
    return True
