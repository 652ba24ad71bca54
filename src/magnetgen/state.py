"""What a build was asked and what came of it; and the quick look that tells an unchanged site from a changed one.

Imported before anything heavy: when nothing has changed, a build ends here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path

import msgspec

from magnetgen import scan
from magnetgen.cache import code_stamp, default_jobs, load, now_ns, write_atomically
from magnetgen.diagnostics import ERROR, Diagnostic
from magnetgen.model import Skipped

_RECENT_NS = 2_000_000_000


class Options(msgspec.Struct, frozen=True):
    """The command line's wishes. `now`: seconds since the epoch, where the clock is not to be asked."""

    out: str | None = None
    base_url: str | None = None
    drafts: bool = False
    future: bool = False
    strict: bool = False
    clean: bool = False
    jobs: int = msgspec.field(default_factory=default_jobs)
    now: float | None = None


class Result(msgspec.Struct, frozen=True):
    """What a build did. pages: HTML pages of the site; written, unchanged, removed: files of the output."""

    diagnostics: tuple[Diagnostic, ...] = ()
    pages: int = 0
    written: int = 0
    unchanged: int = 0
    removed: int = 0
    skipped: tuple[Skipped, ...] = ()
    out: str = ""
    failed: bool = False
    seconds: float = 0.0

    def exit_code(self, strict: bool) -> int:
        found = self.diagnostics if strict else [d for d in self.diagnostics if d.severity == ERROR]
        return 1 if found or self.failed else 0


class _Saved(msgspec.Struct):
    """A finished build: digests of what went in and came out, and until when it stays true."""

    inputs: bytes
    folders: tuple[str, ...]
    files: tuple[str, ...]
    outputs: bytes
    until: float | None
    result: Result


class State:
    """The last build with the same wishes."""

    def __init__(self, root: Path, options: Options) -> None:
        self._root = root
        self._options = options
        wishes = (options.out, options.base_url, options.drafts, options.future, options.strict, str(root.resolve()))
        name = blake2b(repr(wishes).encode(), digest_size=6).hexdigest()
        self._file = root / ".magnetgen" / "cache" / f"state-{name}.mpk"
        self._started_ns = now_ns()

    def out(self, configured: str) -> Path:
        """The output folder: the command line's (as the shell sees it), or the site's own."""
        return Path(self._options.out).absolute() if self._options.out else (self._root / configured).absolute()

    def unchanged(self) -> Result | None:
        """The last result, if no input, no output and no relevant instant has changed since."""
        saved = None if self._options.clean else load(self._file, _Saved)
        if saved is None:
            return None
        import time

        now = self._options.now if self._options.now is not None else time.time()
        if saved.until is not None and now >= saved.until:
            return None
        folders = [Path(folder) for folder in saved.folders]
        if (
            self._inputs(scan.site(self._root), folders) != saved.inputs
            or self._outputs(Path(saved.result.out), saved.files) != saved.outputs
        ):
            return None
        count = saved.result.written + saved.result.unchanged
        return msgspec.structs.replace(saved.result, written=0, unchanged=count, removed=0)

    def unchanged_now(self) -> Result | None:
        """`unchanged`, with the time it took."""
        found = self.unchanged()
        return found and msgspec.structs.replace(found, seconds=(now_ns() - self._started_ns) / 1e9)

    def save(
        self,
        result: Result,
        found: scan.Scan,
        outputs: Mapping[str, object],
        until: float | None,
        folders: Iterable[Path],
    ) -> None:
        """Remember a good build of what was `found`; not if it changed so shortly before that its time cannot tell."""
        looked = [Path(folder) for folder in folders]
        inputs = self._inputs(found, looked, recent_ns=self._started_ns)
        if inputs is None:
            self._file.unlink(missing_ok=True)
            return
        files = tuple(outputs)
        saved = _Saved(inputs, tuple(map(str, looked)), files, self._outputs(Path(result.out), files), until, result)
        write_atomically(self._file, msgspec.msgpack.encode(saved))

    def _inputs(self, found: scan.Scan, folders: list[Path], recent_ns: int | None = None) -> bytes | None:
        """A digest of every input's name, size and time; None if one is newer than `recent_ns` allows."""
        state = blake2b(code_stamp(), digest_size=16)
        newest = 0
        for source in (*found.texts, *found.files):
            state.update(f"{source.path}\0{source.size}\0{source.mtime_ns}\0".encode())
            newest = max(newest, source.mtime_ns)
        state.update(repr([(s.path, s.reason) for s in found.skipped]).encode())
        state.update(repr(found.diagnostics).encode())
        info = (self._root / "magnetgen.yaml").stat()
        state.update(f"{info.st_size}\0{info.st_mtime_ns}\0{info.st_ino}".encode())
        newest = max(newest, info.st_mtime_ns)
        if recent_ns is not None and newest > recent_ns - _window(newest):
            return None
        state.update(scan.tree_digest(self._root, folders))
        return state.digest()

    def _outputs(self, out: Path, files: Iterable[str]) -> bytes:
        """A digest of the output files' sizes and times as they lie there."""
        state = blake2b(digest_size=16)
        base = f"{out}/"
        for file in files:
            try:
                info = os.stat(base + file)
            except OSError:
                state.update(b"missing")
                continue
            state.update(b"%d %d " % (info.st_size, info.st_mtime_ns))
        forms = self._root / ".magnetgen" / "forms.json"
        state.update(str(forms.stat().st_mtime_ns if forms.is_file() else 0).encode())
        return state.digest()


def _window(mtime_ns: int) -> int:
    return _RECENT_NS if mtime_ns % 1_000_000_000 == 0 else 20_000_000
