"""`magnetgen deploy`: options → call → exit code. Heavy imports stay inside."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

TARGETS = ("netlify", "cloudflare", "github-pages", "lambda", "selfhost")
BROKEN, STOPPED = 3, 130


@click.command(short_help="Put the site, and the handler of its forms, on a host.")
@click.argument("target", type=click.Choice(TARGETS), metavar="TARGET")
@click.option("--site", default=".", type=click.Path(file_okay=False, path_type=Path), help="The site's folder.")
@click.option("--preview", is_flag=True, help="The host's preview, at an address of its own: netlify, cloudflare.")
@click.option("--dry-run", is_flag=True, help="Check and build all, upload nothing, and show the commands.")
@click.option("--init", "begin", is_flag=True, help="Write the CI workflow, make the keys, say what to set up.")
@click.option("--verify-only", is_flag=True, help="Only look at what is live.")
@click.option("--base-url", help="Deploy to another address than magnetgen.yaml says.")
@click.option(
    "--canary",
    metavar="EMAIL",
    default="",
    help="Whose address the trial of a form has. [default: of `notify` or the sender, with +magnetgen-canary]",
)
@click.option("--no-canary", is_flag=True, help="Try no form.")
@click.option("--form", metavar="NAME", default="", help="The form that is tried. [default: one that shows most]")
@click.option(
    "--patience",
    metavar="SECONDS",
    type=click.FloatRange(0, 3600),
    help="How long to wait for the new build and for mails. [default: by host]",
)
@click.option("--remote", default="origin", show_default=True, help="github-pages: where to push.")
@click.option("--strict", is_flag=True, help="Let warnings of the build stop it, as errors do.")
def deploy(site: Path, begin: bool, no_canary: bool, **wishes: Any) -> None:
    """Check, build, upload with the host's own tool, and look at what is live then.

    TARGET is netlify, cloudflare, github-pages, lambda or selfhost. Each step is told as it goes; the first that
    fails is the last, and everything can be run again.
    """
    if not site.is_dir():
        raise click.UsageError(f"there is no folder {site}")
    if wishes["verify_only"] and (wishes["dry_run"] or begin):
        raise click.UsageError("--verify-only looks at what is live: leave out the other")
    from magnetgen.deploy import program
    from magnetgen.deploy.job import Wishes

    made = Wishes(forms=not no_canary, **wishes)
    try:
        code = program.begin(site, made) if begin else program.run(site, made)
    except KeyboardInterrupt:
        click.echo("\nmagnetgen: stopped; a tool that was running may have changed the host: run this again", err=True)
        code = STOPPED
    except OSError as exc:
        click.echo(f"magnetgen: {exc.strerror or exc}" + (f": {exc.filename}" if exc.filename else ""), err=True)
        code = BROKEN
    sys.exit(code)
