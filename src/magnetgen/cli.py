"""The command line: options → call → print → exit code. Heavy imports stay inside the commands."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from magnetgen import __version__, targets
from magnetgen.deploy.commands import deploy
from magnetgen.leads.commands import leads

if TYPE_CHECKING:
    from magnetgen.state import Result

FINE, CONTENT, USAGE, INTERNAL = 0, 1, 2, 3
"""Exit codes: all well; problems in the content; the command was wrong; I/O or a fault of magnetgen."""

INTERRUPTED = 130
_SLOW_SECONDS = 1.0


class _Group(click.Group):
    """The commands. A reader of our output that has gone (`| head`) is no fault: click itself would call it one."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 (for what is still to be flushed)
            ctx.exit(FINE)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="magnetgen")
def cli() -> None:
    """Lead generation from a folder of Markdown: landing pages, calls to action and capture forms."""


@cli.command()
@click.option("--site", default=".", type=click.Path(file_okay=False, path_type=Path), help="The site's folder.")
@click.option("--out", type=click.Path(file_okay=False), help="Where to write. [default: build.out, or public]")
@click.option("--base-url", help="Build for another address than magnetgen.yaml says.")
@click.option("--drafts", is_flag=True, help="Publish drafts, too.")
@click.option("--future", is_flag=True, help="Publish posts with a date to come, too.")
@click.option("--strict", is_flag=True, help="Let warnings stop the build, as errors do.")
@click.option("--clean", is_flag=True, help="Forget the cache and make everything anew.")
@click.option("--jobs", type=click.IntRange(1, 64), help="Processes. [default: as many as processors]")
@click.option("--target", type=click.Choice(targets.NAMES), help="Add what this host needs.")
@click.option("--format", "style", type=click.Choice(["text", "json", "github"]), default="text", help="How to report.")
@click.option("--quiet", is_flag=True, help="Only say what is wrong.")
def build(site: Path, style: str, quiet: bool, jobs: int | None, strict: bool, **wishes: Any) -> None:
    """Build the site. With errors nothing is written, and the last output stays."""
    from magnetgen.cache import default_jobs
    from magnetgen.state import Options, State

    options = Options(jobs=jobs or default_jobs(), strict=strict, now=_source_date(), **wishes)
    _check_address(options.base_url)
    if not site.is_dir():
        raise click.UsageError(f"there is no folder {site}")
    try:
        # An unchanged site is told without importing what builds one.
        result = State(site, options).unchanged() or _build(site, options, quiet or style != "text")
    except OSError as exc:
        _fail(exc, style)
    _report(result, site, style, quiet)
    sys.exit(result.exit_code(strict))


def _build(site: Path, options: Any, silent: bool) -> Result:
    from magnetgen import build as program
    from magnetgen.output import RefusedError

    try:
        return program.build(site, options, _progress(silent))
    except RefusedError as exc:
        raise click.UsageError(str(exc)) from None


def _check_address(base_url: str | None) -> None:
    if base_url is None:
        return
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(base_url)
        whole = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True) and " " not in base_url
    except ValueError:
        whole = False
    if not whole or parts.query or parts.fragment:
        raise click.UsageError(f"--base-url needs an absolute address such as https://example.com, not {base_url!r}")


def _source_date() -> float | None:
    """SOURCE_DATE_EPOCH (reproducible-builds.org) instead of the clock."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if not given:
        return None
    try:
        return float(int(given))
    except ValueError:
        raise click.UsageError(f"SOURCE_DATE_EPOCH must be whole seconds, not {given!r}") from None


def _progress(silent: bool) -> Callable[[str, int, int], None]:
    """A line that is written over on a terminal, from the first second on; nothing when piped."""
    if silent or not sys.stderr.isatty():
        return lambda stage, done, of: None
    started = shown = time.monotonic()

    def show(stage: str, done: int, of: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - started < _SLOW_SECONDS or (now - shown < 0.1 and done < of):
            return
        shown = now
        click.echo(f"\r\x1b[K{stage} {done:,} of {of:,}" + ("\r\x1b[K" if done >= of else ""), err=True, nl=False)

    return show


def _report(result: Result, site: Path, style: str, quiet: bool) -> None:
    from magnetgen import diagnostics

    if style == "json":
        click.echo(diagnostics.dump_json(_as_json(result)))
        return
    if style == "github":
        prefix = "" if str(site) == "." else f"{site.as_posix()}/"
        for found in result.diagnostics:
            click.echo(diagnostics.as_github(found, prefix))
    else:
        renderer = diagnostics.TextRenderer(site, color=sys.stdout.isatty() and "NO_COLOR" not in os.environ)
        for found in result.diagnostics:
            click.echo(renderer.render(found))
    if not quiet:
        click.echo(_summary(result))


def _as_json(result: Result) -> dict[str, Any]:
    from magnetgen import diagnostics

    return {
        "diagnostics": [diagnostics.as_json(found) for found in result.diagnostics],
        "pages": result.pages,
        "written": result.written,
        "unchanged": result.unchanged,
        "removed": result.removed,
        "skipped": [{"path": s.path, "reason": s.reason} for s in result.skipped],
        "seconds": round(result.seconds, 3),
    }


def _summary(result: Result) -> str:
    lines = []
    if result.skipped:
        lines.append("Not published:")
        lines += [f"  {skipped.path}: {skipped.reason}" for skipped in result.skipped]
    errors = sum(d.severity == "error" for d in result.diagnostics)
    warnings = len(result.diagnostics) - errors
    faults = ", ".join(_count(n, word) for n, word in ((errors, "error"), (warnings, "warning")) if n)
    if result.failed or not result.out:
        lines.append(f"{faults}: nothing was written, the last output is as it was.")
        return "\n".join(lines)
    detail = f"{_count(result.written, 'file')} written, {result.unchanged:,} unchanged"
    if result.removed:
        detail += f", {result.removed:,} removed"
    out = Path(result.out)
    shown = out.relative_to(Path.cwd()) if out.is_relative_to(Path.cwd()) else out
    lines.append(
        f"{_count(result.pages, 'page')} in {shown} ({detail}) in {result.seconds:.2f} s"
        + (f"; {faults}" if faults else "")
    )
    return "\n".join(lines)


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _fail(exc: OSError, style: str) -> NoReturn:
    """Disk full, no permission and the like: one sentence, exit code 3."""
    message = f"{exc.strerror or exc}" + (f": {exc.filename}" if exc.filename else "")
    if style == "json":
        from magnetgen import diagnostics
        from magnetgen.state import Result

        found = diagnostics.error("io", message, str(exc.filename or "."), hint="mend that and build again")
        click.echo(diagnostics.dump_json(_as_json(Result(diagnostics=(found,), failed=True))))
    else:
        click.echo(f"magnetgen: {message}", err=True)
    sys.exit(INTERNAL)


@cli.group()
def new() -> None:
    """Make a new site."""


@new.command("site")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--title", help="The site's title. [default: from the folder's name]")
@click.option("--base-url", default="https://example.com", show_default=True, help="Where the site will be.")
def new_site(folder: Path, title: str | None, base_url: str) -> None:
    """Make a small site in DIR that builds at once: a post, a landing page, a form."""
    import shlex

    from magnetgen import scaffold

    _check_address(base_url)
    try:
        made = scaffold.new_site(folder, title, base_url)
    except scaffold.RefusedError as exc:
        raise click.UsageError(str(exc)) from None
    except OSError as exc:
        _fail(exc, "text")
    click.echo(
        f"Made {folder} with {_count(len(made), 'file')}.\nNext: cd {shlex.quote(str(folder))} && magnetgen serve --open"
    )


@cli.command(short_help="Print a JSON Schema for your editor.")
@click.argument("kind", type=click.Choice(["config", "page", "form", "mail", "magnet"]), default="config")
def schema(kind: str) -> None:
    """Print the JSON Schema of magnetgen.yaml, or of the front matter of a page, form, mail or magnet, for your editor."""
    import json

    from magnetgen.config import SiteConfig
    from magnetgen.frontmatter import FormMeta, MailMeta, PageMeta
    from magnetgen.magnetmeta import MagnetMeta
    from magnetgen.schema import Strict, json_schema

    models: dict[str, type[Strict]] = {
        "config": SiteConfig,
        "page": PageMeta,
        "form": FormMeta,
        "mail": MailMeta,
        "magnet": MagnetMeta,
    }
    model = models[kind]
    click.echo(json.dumps(json_schema(model), ensure_ascii=False, indent=2))


@cli.command(short_help="Take the submissions of a built site.")
@click.option("--site", default=".", type=click.Path(file_okay=False, path_type=Path), help="The site's folder.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", default=8787, show_default=True, type=click.IntRange(1, 65535))
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes.")
def handler(site: Path, host: str, port: int, workers: int) -> None:
    """Take the submissions of a built site's forms, and send what follows from them."""
    from magnetgen.forms import runtime, settings
    from magnetgen.forms.site import SiteFault

    os.environ["MAGNETGEN_SITE"] = str(site.absolute())
    try:
        os.environ.update(settings.missing(site, os.environ))
        if os.environ.get("MAGNETGEN_TEST") != "1":
            # Only whether it can start: what is not set up, it says itself when it does.
            runtime.from_env(site, tell=lambda _: None).close()
    except SiteFault as exc:
        click.echo(f"magnetgen: {exc}", err=True)
        sys.exit(USAGE)
    except OSError as exc:
        _fail(exc, "text")
    _listen(host, port, workers)


def _listen(host: str, port: int, workers: int) -> None:
    """uvicorn, which must not believe X-Forwarded-For: the handler knows which proxies are trusted."""
    import uvicorn

    uvicorn.run(
        "magnetgen.forms.asgi:create",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        log_level="warning",
        timeout_keep_alive=5,
        timeout_graceful_shutdown=20,
    )


@cli.command(short_help="Show the site while you write it.")
@click.option("--site", default=".", type=click.Path(file_okay=False, path_type=Path), help="The site's folder.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Where to listen. Others than this machine: 0.0.0.0"
)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--open", "open_browser", is_flag=True, help="Open the browser, too.")
def serve(site: Path, host: str, port: int, open_browser: bool) -> None:
    """Show the site while you write it: drafts, forms that work, and faults, in the browser as you save."""
    from magnetgen import config, diagnostics

    if not site.is_dir():
        raise click.UsageError(f"there is no folder {site}")
    if not (site / config.CONFIG_FILE).is_file():
        click.echo(diagnostics.TextRenderer(site).render(config.missing()))
        sys.exit(CONTENT)
    _serving(lambda program: program.run(site, host, port, open_browser))


def _serving(run: Callable[[Any], None]) -> None:
    """Hand over the preview's program; what keeps it from starting becomes a sentence and an exit code."""
    from magnetgen.forms.site import SiteFault
    from magnetgen.preview import serve as program

    try:
        run(program)
    except program.PortTakenError as exc:
        free = f": --port {exc.free} is free" if exc.free else ": choose another with --port"
        raise click.UsageError(f"something else listens on port {exc.port}{free}") from None
    except program.ShownAlreadyError as exc:
        where = f" at {exc.address}: open that" if exc.address else ": use that"
        raise click.UsageError(f"another magnetgen serve shows this site already{where}, or stop it first") from None
    except (ValueError, SiteFault) as exc:
        raise click.UsageError(str(exc)) from None
    except OSError as exc:
        _fail(exc, "text")


@cli.command(short_help="Make a site with a whole funnel, and show it.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--open", "open_browser", is_flag=True, help="Open the browser, too.")
@click.option("--keep", type=click.Path(path_type=Path), help="Make the site there. [default: a temporary folder]")
def demo(port: int, open_browser: bool, keep: Path | None) -> None:
    """Make a site with a whole funnel and show it: from nothing to a captured lead."""
    import shlex
    import tempfile

    from magnetgen import scaffold

    _end_in_order()
    with tempfile.TemporaryDirectory(prefix="magnetgen-demo-") as temporary:
        folder = keep or Path(temporary) / "site"
        try:
            scaffold.new_site(folder, "Lead Lab", "https://example.com", demo=True)
        except scaffold.RefusedError as exc:
            known = f"; to show it again: magnetgen serve --site {shlex.quote(str(folder))}"
            raise click.UsageError(f"{exc}{known if (folder / 'magnetgen.yaml').is_file() else ''}") from None
        except OSError as exc:
            _fail(exc, "text")
        gone = "" if keep else "; it goes when you stop"
        click.echo(
            f"A site with a whole funnel is in {folder}{gone}.\n"
            "Try it: open /offer/, ask for the questions, then press Mail in the corner, and confirm."
        )
        _serving(lambda program: program.run(folder, "127.0.0.1", port, open_browser))


def _end_in_order() -> None:
    """Be ended by a closed terminal, or by `kill`, as by Ctrl-C: what is temporary goes."""
    import signal

    signal.signal(signal.SIGTERM, lambda signum, _: sys.exit(128 + signum))
    if hasattr(signal, "SIGHUP"):
        # The server ends in order at SIGTERM, and does not know of this one.
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))


@leads.command("open")
@click.option("--site", default=".", type=click.Path(file_okay=False, path_type=Path), help="The site's folder.")
@click.option("--preview", is_flag=True, help="The leads of `magnetgen serve`.")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="[default: a free one]")
@click.option("--no-browser", is_flag=True, help="Only say the address.")
def open_leads(site: Path, preview: bool, port: int, no_browser: bool) -> None:
    """Show the leads as a page in the browser, on this machine only."""
    from magnetgen.forms import files, settings
    from magnetgen.forms.site import SiteFault

    names = files.of(preview)
    file, default = files.path(site, names.store), files.store_url(site, names)
    try:
        known = {**settings.missing(site, os.environ, names), **os.environ}
    except SiteFault as exc:
        raise click.UsageError(str(exc)) from None
    store = None if preview else known.get("MAGNETGEN_STORE") or default
    if store in (None, default) and not file.is_file():
        click.echo(f"No leads yet: {file} is not there.")
        return
    _serving(lambda program: program.open_inbox(site, store, port, not no_browser))


@cli.command(short_help="Make the handler's keys.")
@click.option("--save", is_flag=True, help="Keep them in .magnetgen/secrets, where `magnetgen handler` finds them.")
@click.option("--site", default=".", type=click.Path(file_okay=False, path_type=Path), help="The site's folder.")
def secrets(save: bool, site: Path) -> None:
    """Make the secrets that a handler needs. Keep them: without MAGNETGEN_EMAIL_KEY, known leads are not found again."""
    from magnetgen.forms import settings
    from magnetgen.forms.tokens import make_secrets

    text = settings.as_lines(make_secrets())
    if not save:
        click.echo(text, nl=False)
        return
    try:
        click.echo(f"Saved {settings.save(site, text)}")
    except FileExistsError as exc:
        raise click.UsageError(f"{exc.filename} is there already: nothing was changed") from None
    except OSError as exc:
        _fail(exc, "text")


cli.add_command(leads)
cli.add_command(deploy)


def main() -> None:
    """The console script."""
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        code = exc.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("\nmagnetgen: stopped; nothing is half written", err=True)
        code = INTERRUPTED
    sys.exit(code)
