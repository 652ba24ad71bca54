"""The part that a target has in a build: what it changes in the plan, what it adds, and where that is written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from magnetgen import policy
from magnetgen.cache import code_stamp, load, write_atomically, write_checked
from magnetgen.config import CONFIG_FILE
from magnetgen.diagnostics import Diagnostic, Report, warning
from magnetgen.output import Made, Stage
from magnetgen.plan import Plan
from magnetgen.targets import BUNDLES, NAMES, Product, Redirect, Site, Target, checks

_MEMO = "policies.mpk"


class _Memo(msgspec.Struct):
    """What pages need: by file, with its size and time, the number of an entry of `kinds`."""

    stamp: bytes
    kinds: list[dict[str, tuple[str, ...]]]
    files: dict[str, tuple[int, int, int]]


def prepare(plan: Plan, target: Target) -> tuple[Redirect, ...]:
    """Make the plan the target's: aliases that the host redirects get no page of their own."""
    if not target.headers:
        plan.page_policy = policy.union((_configured(plan), _thanks_elsewhere(plan)))
    aliases = {
        Redirect(plan.url(job.path), plan.url(plan.by_source[job.source].path)): job
        for job in plan.jobs
        if job.kind == "redirect"
    }
    taken = target.redirects(list(aliases))
    gone = {aliases[redirect].path for redirect in taken}
    plan.jobs = tuple(job for job in plan.jobs if job.kind != "redirect" or job.path not in gone)
    return tuple(taken)


def _configured(plan: Plan) -> policy.Sources:
    return {directive: tuple(sources) for directive, sources in plan.config.build.csp.items()}


def _thanks_elsewhere(plan: Plan) -> policy.Sources:
    """Thank-you pages of other sites: a form may be sent only where its answer may lead."""
    urls = (form.next for form in plan.forms.values() if "://" in form.next)
    found = tuple(sorted({policy.origin(url) for url in urls}))
    return {"form-action": found} if found else {}


def make(
    target: Target,
    plan: Plan,
    stage: Stage,
    made: Sequence[Made],
    forms: bytes,
    redirects: tuple[Redirect, ...],
    report: Report,
) -> Product:
    """What the target adds to a build whose files are `made`."""
    out, root = stage.out, plan.root.resolve()
    shown = out.relative_to(root) if out.is_relative_to(root) else out
    sizes = {one.file: one.size for one in made}
    sources: policy.Sources = {}
    if not stage.dry:
        by_file = _sources(plan, stage, made)
        report.extend(_blocked(plan, by_file))
        sources = policy.union((_configured(plan), *by_file.values())) if target.headers else {}
    report.extend(checks.below_handler(plan, redirects))
    site = Site(plan.root, plan, shown.as_posix(), json.loads(forms), sizes, sources, redirects)
    return target.make(site, report)


def _sources(plan: Plan, stage: Stage, made: Iterable[Made]) -> dict[str, policy.Sources]:
    """HTML file → what it needs. Only files that have changed are read."""
    path = plan.root / ".magnetgen" / "cache" / _MEMO
    stamp = code_stamp() + plan.config.origin.encode()
    old = load(path, _Memo)
    if old is None or old.stamp != stamp:
        old = _Memo(stamp, [], {})
    numbers: dict[str, int] = {}
    new = _Memo(stamp, [], {})
    for one in made:
        if not one.file.lower().endswith((".html", ".htm")):
            continue
        known = old.files.get(one.file)
        if known and known[:2] == (one.size, one.mtime_ns):
            found: policy.Sources = old.kinds[known[2]]
        else:
            found = policy.needs(stage.path_of(one).read_text("utf-8", "replace"), plan.config.origin)
        name = repr(sorted(found.items()))
        if name not in numbers:
            numbers[name] = len(new.kinds)
            new.kinds.append(dict(found))
        new.files[one.file] = (one.size, one.mtime_ns, numbers[name])
    if new != old:
        write_checked(path, msgspec.msgpack.encode(new))
    return {file: new.kinds[entry[2]] for file, entry in new.files.items()}


def _blocked(plan: Plan, by_file: dict[str, policy.Sources]) -> Iterator[Diagnostic]:
    """Scripts in attributes: the policy has no word for them."""
    sources = {job.file: job.source for job in plan.jobs}
    for file, needed in by_file.items():
        if names := needed.get(policy.BLOCKED):
            hint = "put the script into the theme's static/theme.js, or into a <script> of the page"
            message = f"browsers will not run {', '.join(names)} of /{file}: its policy allows no scripts in attributes"
            yield warning("csp-inline-handler", message, sources.get(file) or CONFIG_FILE, None, hint)


def staged(stage: Stage, product: Product, made: Sequence[Made]) -> list[Made]:
    """The files that the target adds to the output; one that the site has itself is the site's."""
    taken = {one.file for one in made}
    found = []
    for number, (file, data) in enumerate(sorted(product.files.items()), len(made)):
        if file not in taken:
            size, mtime, changed = stage.put(file, data)
            found.append(Made(number, file, b"", b"", size, mtime, changed))
    return found


def write(root: Path, name: str | None, product: Product) -> tuple[str, ...]:
    """Write what lies beside the output; bundles of other targets go. → files, relative to the site."""
    bundles = root.joinpath(*BUNDLES)
    for other in NAMES:
        if other != name or not product.bundle:
            shutil.rmtree(bundles / other, ignore_errors=True)
    written = [*_write_bundle(bundles / name, product)] if name else []
    for file, text in product.starters.items():
        if not (root / file).exists():
            write_atomically(root / file, text.encode())
        written.append(root / file)
    return (*(path.relative_to(root).as_posix() for path in written), *product.watched)


def _write_bundle(folder: Path, product: Product) -> Iterator[Path]:
    """The bundle's files as they are to be, and nothing else in its folder."""
    wanted = {folder / name: content for name, content in product.bundle.items()}
    for path in sorted(folder.rglob("*"), reverse=True) if folder.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            if not any(path in file.parents for file in wanted):
                shutil.rmtree(path, ignore_errors=True)
        elif path not in wanted:
            path.unlink(missing_ok=True)
    for path, content in wanted.items():
        data = content.read_bytes() if isinstance(content, Path) else content
        if not path.is_file() or path.read_bytes() != data:
            write_atomically(path, data)
        yield path
