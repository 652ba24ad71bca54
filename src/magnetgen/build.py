"""The program: a folder of Markdown → a site. Read `build` from top to bottom."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from magnetgen import (
    assets,
    bundle,
    cache,
    config,
    funnel,
    jobs,
    magnets,
    mails,
    markdown,
    media,
    output,
    pages,
    plan,
    scan,
    targets,
    theme,
    yamldoc,
)
from magnetgen.check import check_page, check_site
from magnetgen.diagnostics import Diagnostic, Report, error
from magnetgen.forms import files
from magnetgen.model import MediaFile, Parsed
from magnetgen.render import PAGE_JOBS, Rendered, Renderer
from magnetgen.state import Options, Result, State, Validity
from magnetgen.targets import hosting

Progress = Callable[[str, int, int], None]
"""Told a stage's name, how much of it is done, and of how much."""


class Run(msgspec.Struct):
    """A good run of the pipeline, while its site is still locked. `changed`: output files that were written.

    `forms`: forms.json, `product`: what the target adds beside the output; both are the caller's to write.
    """

    result: Result
    found: scan.Scan
    parsed: dict[str, Parsed]
    renderer: Renderer
    listed: dict[str, output.Listed]
    changed: list[str]
    forms: bytes
    product: targets.Product = targets.Product()


class _Seen(msgspec.Struct, frozen=True):
    """A media file's facts, or why it cannot be used."""

    file: MediaFile | None = None
    fault: Diagnostic | None = None


def build(root: Path, options: Options, progress: Progress = lambda *_: None) -> Result:
    """Build the site in `root`. Raises OSError, output.RefusedError; faults of content are in the result."""
    started = time.perf_counter()
    state = State(root, options)
    if (before := state.unchanged()) is not None:
        return before

    def keep(done: Run) -> None:
        _write_forms(root, done.forms)
        kept = hosting.write(root, options.target, done.product)
        magnets.sweep(root)
        site = done.renderer.plan
        private = (asset.file for gift in site.gifts.values() for asset in gift.assets)
        manifest = output.manifest_path(root, Path(done.result.out)).relative_to(root).as_posix()
        state.save(done.result, done.found, done.listed, Validity(site.since, site.until), (manifest, *kept, *private))

    result = run(root, options, state.out, state.now(), keep, progress=progress)
    return msgspec.structs.replace(result, seconds=time.perf_counter() - started)


def run(
    root: Path,
    options: Options,
    out_of: Callable[[str], Path],
    now: float,
    keep: Callable[[Run], None],
    memos: cache.Memos = cache.Memo,
    progress: Progress = lambda *_: None,
) -> Result:
    """The pipeline, without asking whether anything has changed.

    `out_of`: the output folder, from what the settings say; `now`: seconds since the epoch; `keep`: called with a good
    run before the site is unlocked.
    """
    report = Report()
    try:
        return _run(root, options, out_of, now, keep, memos, report, progress)
    except yamldoc.Fault as fault:
        return Result(diagnostics=(*report, *fault.diagnostics), failed=True)


def _run(
    root: Path,
    options: Options,
    out_of: Callable[[str], Path],
    now: float,
    keep: Callable[[Run], None],
    memos: cache.Memos,
    report: Report,
    progress: Progress,
) -> Result:
    """Raises yamldoc.Fault where settings or theme keep it from beginning."""
    settings, settings_doc = _settings(root, options, report)
    out = out_of(settings.build.out)
    with output.locked(root):
        looks = theme.Theme(root, settings.theme, root / ".magnetgen" / "cache" / "templates", settings_doc)
        manifest = output.read_manifest(root, out)
        output.check_folder(root, out, manifest)

        found = scan.site(root)
        report.extend(found.diagnostics)
        parsed = _parse(root, settings, found, options, memos, progress)
        files = _inspect(root, found, options, memos, report, progress)
        publish = plan.Publish(now, options.drafts, options.future)
        whole = funnel.completed(parsed, looks.words, publish, settings.handler.url)
        site = plan.make(root, settings, whole, files, publish, report)
        magnets.make(site, looks, report, options.clean)
        jobs.assign(site, report)
        target = targets.find(options.target) if options.target else None
        redirects = hosting.prepare(site, target) if target else ()
        renderer = Renderer(site, looks)
        report.extend(check_site(site, renderer.links))
        letters = mails.Mailroom(site, looks, renderer.links, report).compiled()

        stage = output.Stage(out, dry=report.fails(options.strict))
        stage.discard()
        try:
            made = _make(renderer, stage, manifest, options, report, progress)
            report.extend(magnets.leaks(site, stage, made))
            forms = b"" if report.fails(options.strict) else bundle.forms_json(renderer, letters)
            product = targets.Product()
            if target and forms:
                product = hosting.make(target, site, stage, made, forms, redirects, report)
                made += hosting.staged(stage, product, made)
            if report.fails(options.strict):
                return _result(site, found, report)
            listed = {m.file: output.Listed(m.key, m.refs, m.size, m.mtime_ns, m.diagnostics) for m in made}
            changed = [m.file for m in made if m.changed]
            removed = output.commit(root, stage, manifest, output.Manifest(listed, renderer.keys.space), changed)
        finally:
            stage.discard()
        result = _result(site, found, report, out, len(changed), len(made) - len(changed), removed)
        keep(Run(result, found, {p.source: p for p in parsed}, renderer, listed, changed, forms, product))
        return result


def _settings(root: Path, options: Options, report: Report) -> tuple[config.SiteConfig, yamldoc.Document]:
    """magnetgen.yaml, with its warnings reported. Raises yamldoc.Fault where it cannot be used."""
    try:
        settings, doc = config.load(root, options.base_url)
        pages.PageReader(root, settings)  # so that an extension of Markdown that is not there is told once
    except FileNotFoundError:
        raise yamldoc.Fault(config.missing()) from None
    except markdown.EngineError as exc:
        hint = "install the extension, or check its name and its extension_configs"
        place = doc.span(("markdown", "extensions"))
        raise yamldoc.Fault(error("markdown-extension", str(exc), config.CONFIG_FILE, place, hint)) from None
    report.extend(doc.diagnostics)
    return settings, doc


def _parse(
    root: Path,
    settings: config.SiteConfig,
    found: scan.Scan,
    options: Options,
    memos: cache.Memos,
    progress: Progress,
) -> list[Parsed]:
    """Every content file, from the cache where it has not changed."""
    key = settings.model_dump_json(include={"timezone", "markdown", "language", "defaults"}).encode()
    folder = root / ".magnetgen" / "cache"
    memo = memos(folder / "pages.mpk", key, Parsed)
    known: dict[str, Any] = {s.path: None if options.clean else memo.get(s) for s in found.texts}
    todo = [s for s in found.texts if known[s.path] is None]
    now = cache.now_ns()
    make = functools.partial(_parser, root, settings)
    results = cache.parallel(make, todo, options.jobs, Parsed, lambda done: progress("reading", done, len(todo)))
    for source, result in zip(todo, results, strict=True):
        known[source.path] = result
        memo.put(source, result, now)
    memo.save()
    return [known[s.path] for s in found.texts]


def _parser(root: Path, settings: config.SiteConfig) -> Callable[[Any], Parsed]:
    reader = pages.PageReader(root, settings)
    return lambda source: reader.parse(source.path)


def _inspect(
    root: Path, found: scan.Scan, options: Options, memos: cache.Memos, report: Report, progress: Progress
) -> list[MediaFile]:
    """Every media file's digest and size."""
    memo = memos(root / ".magnetgen" / "cache" / "media.mpk", b"", _Seen)
    known: dict[str, Any] = {s.path: None if options.clean else memo.get(s) for s in found.files}
    todo = [s for s in found.files if known[s.path] is None]
    now = cache.now_ns()
    make = functools.partial(_inspector, root)
    results = cache.parallel(make, todo, options.jobs, _Seen, lambda done: progress("media", done, len(todo)))
    for source, result in zip(todo, results, strict=True):
        known[source.path] = result
        memo.put(source, result, now)
    memo.save()
    seen: list[_Seen] = [known[s.path] for s in found.files]
    report.add(*(s.fault for s in seen if s.fault))
    # A picture that cannot be read is told of once: for those who show it, it is there.
    unread = (MediaFile(s.fault.path, f"/{s.fault.path}", "unread", 0) for s in seen if s.fault)
    return [*(s.file for s in seen if s.file), *unread]


def _inspector(root: Path) -> Callable[[Any], _Seen]:
    def inspect(source: Any) -> _Seen:
        found = media.inspect(root, source.path)
        return _Seen(found) if isinstance(found, MediaFile) else _Seen(fault=found)

    return inspect


def _make(
    renderer: Renderer, stage: output.Stage, manifest: output.Manifest, options: Options, report: Report, progress: Any
) -> list[output.Made]:
    """Every output that is not up to date; the rest as the manifest has it."""
    keys = renderer.keys
    made: dict[int, output.Made] = {}
    todo: list[int] = []
    same_space = manifest.space == keys.space
    for number, job in enumerate(renderer.plan.jobs):
        listed = None if options.clean else manifest.files.get(job.file)
        # What had something to say is made again: a hint may name a file that has come or gone since.
        if listed is None or listed.diagnostics or job.kind == "discovery":
            todo.append(number)
            continue
        refs = listed.refs if same_space else keys.refs(job)
        key = keys.key(job, refs)
        if output.up_to_date(stage.out, job.file, listed, key):
            made[number] = output.Made(number, job.file, key, refs, listed.size, listed.mtime_ns, False)
        else:
            todo.append(number)
    make = functools.partial(_maker, renderer, stage)
    for result in cache.parallel(
        make, todo, options.jobs, output.Made, lambda done: progress("writing", done, len(todo))
    ):
        made[result.number] = result
    results = [made[number] for number in range(len(renderer.plan.jobs))]
    for result in results:
        if result.diagnostics:
            report.extend(result.diagnostics)
    return results


def _maker(renderer: Renderer, stage: output.Stage) -> Callable[[int], output.Made]:
    """Makes one output: renders, checks, stages."""
    keys = renderer.keys

    def make(number: int) -> output.Made:
        job = renderer.plan.jobs[number]
        diagnostics: tuple[Diagnostic, ...] = ()
        if job.kind == "media":
            size, mtime, changed = stage.put_copy(job.file, renderer.plan.root / job.source)
        else:
            if job.kind in ("card", "discovery") and stage.dry:
                data = b""
            elif job.kind == "card":
                data = assets.card(renderer, job)
            elif job.kind == "discovery":
                data = assets.discovery(renderer, job).encode()
            else:
                rendered = renderer.render(job)
                diagnostics = rendered.diagnostics + page_faults(renderer, job, rendered)
                data = rendered.html.encode(errors="replace")
            size, mtime, changed = stage.put(job.file, data)
        refs = keys.refs(job)
        return output.Made(number, job.file, keys.key(job, refs), refs, size, mtime, changed, diagnostics)

    return make


def page_faults(renderer: Renderer, job: plan.Job, rendered: Rendered) -> tuple[Diagnostic, ...]:
    """What the rules for pages say of one."""
    if job.kind == "redirect" or not rendered.html:
        return ()
    page = renderer.plan.by_source.get(job.source)
    noindex = page.noindex if page else job.kind not in ("home", "list")
    url = renderer.plan.absolute(job.path)
    path = job.source or config.CONFIG_FILE
    return tuple(check_page(rendered.html, path=path, url=url, noindex=noindex, known=rendered.jsonld))


def _result(
    site: plan.Plan,
    found: scan.Scan,
    report: Report,
    out: Path | None = None,
    written: int = 0,
    unchanged: int = 0,
    removed: int = 0,
) -> Result:
    """What is told of the build; without `out` it failed, and nothing was written."""
    return Result(
        diagnostics=tuple(report),
        pages=sum(job.kind in PAGE_JOBS and job.kind != "redirect" for job in site.jobs),
        written=written,
        unchanged=unchanged,
        removed=removed,
        skipped=tuple(sorted((*site.skipped, *found.skipped), key=lambda s: s.path)),
        out=str(out) if out else "",
        failed=out is None,
    )


def _write_forms(root: Path, forms: bytes) -> None:
    target = files.path(root, files.REAL.forms)
    if not target.is_file() or target.read_bytes() != forms:
        cache.write_atomically(target, forms)
