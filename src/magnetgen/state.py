"""What a build was asked and what came of it; and the quick look that tells an unchanged site from a changed one.

Imported before anything heavy: when nothing has changed, a build ends here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path

import msgspec

from magnetgen import scan
from magnetgen.cache import code_stamp, default_jobs, granularity, load, now_ns, write_checked
from magnetgen.diagnostics import ERROR, Diagnostic
from magnetgen.forms import files as named
from magnetgen.model import Skipped


class Options(msgspec.Struct, frozen=True):
    """The command line's wishes. `now`: seconds since the epoch, where the clock is not to be asked."""

    out: str | None = None
    base_url: str | None = None
    drafts: bool = False
    future: bool = False
    strict: bool = False
    clean: bool = False
    target: str | None = None
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


class Validity(msgspec.Struct, frozen=True):
    """From when to when (seconds since the epoch) the clock would decide as it did: what is future or expired."""

    since: float | None = None
    until: float | None = None

    def holds(self, now: float) -> bool:
        return (self.since is None or now >= self.since) and (self.until is None or now < self.until)


class _Saved(msgspec.Struct):
    """A finished build: digests of what went in and came out, and when it holds. `out` as the file system spells it.

    beside: what else must be as it was left, relative to the site.
    """

    inputs: bytes
    out: bytes
    files: tuple[str, ...]
    beside: tuple[str, ...]
    outputs: bytes
    valid: Validity
    result: Result


class State:
    """The last build with the same wishes, and the looks (themes, templates) as they were before this one."""

    def __init__(self, root: Path, options: Options) -> None:
        self._root = root
        self._options = options
        # The shell says --out relative to where it stands.
        out = os.path.abspath(options.out) if options.out else None  # noqa: PTH100
        self._out = out
        wishes = (out, options.base_url, options.drafts, options.future, options.strict, options.target)
        name = blake2b(repr(wishes).encode(errors="surrogateescape"), digest_size=6).hexdigest()
        self._file = root / ".magnetgen" / "cache" / f"state-{name}.mpk"
        self._started_ns = now_ns()
        self._looks = scan.looks_digest(root)

    def out(self, configured: str) -> Path:
        """The output folder: the command line's, or the site's own; where it is a link, what it leads to."""
        return Path(self._out).resolve() if self._out else (self._root / configured).resolve()

    def unchanged(self) -> Result | None:
        """The last result, with the time it took to see that no input, no output and no instant has changed it."""
        saved = None if self._options.clean else load(self._file, _Saved)
        if saved is None or not saved.valid.holds(self.now()):
            return None
        out = Path(os.fsdecode(saved.out))
        if self._inputs(scan.site(self._root)) != saved.inputs:
            return None
        if self._outputs(out, saved.files, saved.beside) != saved.outputs:
            return None
        count = saved.result.written + saved.result.unchanged
        seconds = (now_ns() - self._started_ns) / 1e9
        return msgspec.structs.replace(
            saved.result, out=str(out), written=0, unchanged=count, removed=0, seconds=seconds
        )

    def now(self) -> float:
        """Seconds since the epoch, as the build is to see them."""
        return self._options.now if self._options.now is not None else time.time()

    def save(
        self,
        result: Result,
        found: scan.Scan,
        outputs: Mapping[str, object],
        valid: Validity,
        beside: tuple[str, ...] = (),
    ) -> None:
        """Remember a good build of what was `found`; not if it changed so shortly before that its time cannot tell."""
        inputs = self._inputs(found, recent_ns=self._started_ns)
        if inputs is None:
            self._file.unlink(missing_ok=True)
            return
        out, files = Path(result.out), tuple(outputs)
        kept = msgspec.structs.replace(result, out="")
        outputs_now = self._outputs(out, files, beside)
        saved = _Saved(inputs, os.fsencode(out), files, beside, outputs_now, valid, kept)
        write_checked(self._file, msgspec.msgpack.encode(saved))

    def _inputs(self, found: scan.Scan, recent_ns: int | None = None) -> bytes | None:
        """A digest of every input's name and stamp; None without settings, or if one is too recent to be sure of."""
        state = blake2b(code_stamp() + self._looks, digest_size=16)
        newest = 0
        for source in (*found.texts, *found.files):
            state.update(f"{source.path}\0{source.stamp}\0".encode())
            newest = max(newest, source.mtime_ns)
        state.update(repr(([(s.path, s.reason) for s in found.skipped], found.diagnostics)).encode())
        try:
            info = (self._root / "magnetgen.yaml").stat()
        except OSError:
            return None
        state.update(f"{info.st_size}\0{info.st_mtime_ns}\0{info.st_ctime_ns}\0{info.st_ino}".encode())
        newest = max(newest, info.st_mtime_ns)
        if recent_ns is not None and newest > recent_ns - granularity(newest):
            return None
        return state.digest()

    def _outputs(self, out: Path, files: Iterable[str], beside: Iterable[str]) -> bytes:
        """A digest of the output files' sizes and times as they lie there."""
        state = blake2b(digest_size=16)
        inside, root = f"{out}/", f"{self._root}/"
        for path in (*(inside + file for file in files), *(root + file for file in beside)):
            try:
                info = os.stat(path)
            except OSError:
                state.update(b"missing")
                continue
            state.update(b"%d %d " % (info.st_size, info.st_mtime_ns))
        forms = named.path(self._root, named.REAL.forms)
        state.update(str(forms.stat().st_mtime_ns if forms.is_file() else 0).encode())
        return state.digest()
