"""The commands of `magnetgen leads`: options → call → print → exit code. Heavy imports stay inside the commands."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from magnetgen.leads.client import Client, Wish

CONTENT, USAGE = 1, 2
TOKEN = "MAGNETGEN_ADMIN_TOKEN"
STATUSES = ("pending", "confirmed", "unsubscribed", "held", "quarantined")

_WHERE = (
    click.option("--site", default=".", type=click.Path(file_okay=False, path_type=Path), help="The site's folder."),
    click.option("--preview", is_flag=True, help="The leads of `magnetgen serve`."),
    click.option("--url", help="A deployed handler: https://example.com/api. [default: the local store]"),
    click.option("--token-env", metavar="NAME", help=f"The variable that holds its token. [default: {TOKEN}]"),
)
_WHICH = (
    click.option("--form", default="", help="Of this form only."),
    click.option("--since", metavar="DATE|7d", help="Since a day, or for so many days (d), hours (h) or weeks (w)."),
)
_SEND = click.option("--send", is_flag=True, help="Send what is due, now.")
_YES = click.option("--yes", is_flag=True, help="Do not ask.")


def _reaching(*options: Callable[[Any], Any]) -> Callable[[Callable[..., int | None]], Callable[..., None]]:
    """Hands a command a Client, closes it, and turns faults into one sentence and an exit code."""

    def decorate(command: Callable[..., int | None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(site: Path, preview: bool, url: str | None, token_env: str | None, **rest: Any) -> None:
            from magnetgen.leads.client import LeadsFault

            try:
                client = _client(site, preview, url, token_env, bool(rest.get("send")))
                try:
                    code = command(client, **rest)
                finally:
                    client.transport.close()
            except LeadsFault as exc:
                click.echo(f"magnetgen: {exc}", err=True)
                code = exc.exit_code
            sys.exit(code or 0)

        for option in reversed((*options, *_WHERE)):
            run = option(run)
        return run

    return decorate


def _client(site: Path, preview: bool, url: str | None, token_env: str | None, sending: bool) -> Client:
    from magnetgen.leads.client import Client

    if url is None:
        if token_env:
            raise click.UsageError("--token-env is for a deployed handler: give its --url, too")
        from magnetgen.leads.local import open_local

        chosen = ("" if site == Path() else f" --site {quote(str(site))}") + (" --preview" if preview else "")
        return Client(open_local(site, preview, os.environ, sending), chosen)
    if preview:
        raise click.UsageError("--preview is on this machine: leave out --url")
    token = os.environ.get(token_env or TOKEN, "").strip()
    if not token:
        raise click.UsageError(f"a deployed handler needs its token: set {token_env or TOKEN} in the environment")
    from magnetgen.leads.remote import Remote

    return Client(
        Remote(url, token), f" --url {quote(url)}" + (f" --token-env {quote(token_env)}" if token_env else "")
    )


def _wish(form: str, since: str | None, status: str | None = None) -> Wish:
    from datetime import datetime

    from magnetgen.leads import times
    from magnetgen.leads.client import Wish

    try:
        return Wish(form, status or "", times.since(since, datetime.now()) if since else None)
    except ValueError:
        raise click.UsageError(
            f"--since is to be a date such as 2026-05-28, or like 7d, 12h or 2w, not {since!r}"
        ) from None


def _say(*lines: str) -> None:
    from magnetgen.leads import terminal

    terminal.say(*lines)


def _dump(value: Any) -> None:
    import json

    _say(json.dumps(value, indent=2))


def _many(number: int, word: str, plural: str = "") -> str:
    return f"{number:,} {word if number == 1 else plural or word + 's'}"


@click.group(short_help="See, export, count and erase leads.")
def leads() -> None:
    """What the forms brought: the local store's, or with --url and a token any deployed handler's."""


@leads.command("list")
@_reaching(
    *_WHICH,
    click.option("--status", type=click.Choice(STATUSES), help="held and quarantined: submissions that wait."),
    click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 100_000), help="How many."),
    click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", help="How to print."),
)
def list_(client: Client, form: str, since: str | None, status: str | None, limit: int, style: str) -> None:
    """The newest leads."""
    from magnetgen.leads import listing, terminal

    found = listing.listed(client, _wish(form, since, status), limit)
    if style == "json":
        _dump(listing.as_data(found))
    elif client.transport.empty:
        _say(client.transport.empty)
    else:
        _say(*listing.render(found, terminal.columns(), terminal.has_colour(), client.options))


@leads.command()
@click.argument("who", metavar="EMAIL|ID")
@_reaching(click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", help="How to print."))
def show(client: Client, who: str, style: str) -> None:
    """Everything of a person: leads, submissions, consent, sources, deliveries."""
    from magnetgen.leads import person, terminal

    found = person.known(client, who.strip())
    if style == "json":
        _dump(found)
    else:
        _say(*person.render(found, terminal.has_colour()))


@leads.command()
@_reaching(
    *_WHICH,
    click.option("--status", type=click.Choice(STATUSES[:3]), help="With this status only."),
    click.option(
        "--format", "style", type=click.Choice(["csv", "json", "jsonl"]), default="csv", show_default=True,
        help="A table, one list, or one object a line.",
    ),
    click.option(
        "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file, for you only. [default: stdout]"
    ),
    click.option("--excel", is_flag=True, help="Begin with the mark by which Excel knows UTF-8."),
)  # fmt: skip
def export(
    client: Client, form: str, since: str | None, status: str | None, style: str, output: Path | None, excel: bool
) -> None:
    """All leads, newest first, for a spreadsheet or a program."""
    if excel and style != "csv":
        raise click.UsageError("--excel is for --format csv")
    from magnetgen.leads.export import export as written

    number = written(client.leads(_wish(form, since, status)), style, output, excel)
    if output or client.transport.empty:
        where = f" in {output}" if output else ""
        click.echo(f"{_many(number, 'lead')}{where}. {client.transport.empty}".rstrip(), err=True)


@leads.command()
@click.argument("email", metavar="EMAIL|-")
@_reaching(_YES, _SEND)
def erase(client: Client, email: str, yes: bool, send: bool) -> None:
    """Erase all that is kept of an address, and tell the destinations that had it. -: read it from stdin."""
    from magnetgen.leads import actions
    from magnetgen.leads.terminal import visible

    if email == "-":
        if not yes:
            raise click.UsageError("with - nobody can be asked: add --yes")
        email = actions.one_address(sys.stdin.read())
    kept = actions.kept(client, email)
    what = f"{_many(kept.leads, 'lead')} and {_many(kept.submissions, 'submission')}"
    if not (kept.leads or kept.submissions):
        click.echo("Nothing is kept of this address.")
    elif not yes and not click.confirm(f"Erase {visible(email)}: {what}?"):
        click.echo("Nothing was erased.")
        return
    client.erase(email)
    if kept.leads or kept.submissions:
        click.echo(f"Erased: {what}.")
    if kept.told:
        click.echo(f"To be told: {', '.join(kept.told)}.")
        _sending(client, send)


def _sending(client: Client, send: bool) -> None:
    """Send now, or say who does."""
    if not send:
        click.echo(f"Due: {client.transport.sends}.")
        return
    sent, failed = client.drain()
    click.echo(f"{sent:,} sent" + (f", {failed:,} failed; they are tried again" if failed else "") + ".")


def _outcome(client: Client, number: int, faults: tuple[str, ...], did: str, send: bool) -> int:
    for fault in faults:
        click.echo(f"magnetgen: {fault}", err=True)
    if number or not faults:
        click.echo(did)
    if number:
        _sending(client, send)
    return CONTENT if faults else 0


@leads.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@_reaching(click.option("--all-held", is_flag=True, help="All that are held; none that a bot sent."), _YES, _SEND)
def release(client: Client, ids: tuple[str, ...], all_held: bool, yes: bool, send: bool) -> int:
    """Make leads of submissions that were held, or quarantined, as if they had just passed."""
    if bool(ids) == all_held:
        raise click.UsageError("give the ids that `magnetgen leads list --status held` shows, or --all-held")
    from magnetgen.leads import actions

    if all_held:
        ids = tuple(str(row["id"]) for row in actions.held(client))
        if ids and not yes and not click.confirm(f"Release {_many(len(ids), 'submission')}?"):
            click.echo("Nothing was released.")
            return 0
    done = actions.release(client, ids)
    return _outcome(client, done.number, done.faults, f"Released: {_many(done.number, 'submission')}.", send)


@leads.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@_reaching(click.option("--dead", is_flag=True, help="All that were given up."), _SEND)
def replay(client: Client, ids: tuple[str, ...], dead: bool, send: bool) -> int:
    """Send deliveries again that were given up. Without an ID: list them."""
    if ids and dead:
        raise click.UsageError("give ids, or --dead")
    from magnetgen.leads import actions

    if not ids:
        found = actions.dead(client)
        if not dead:
            _say(*actions.dead_lines(found))
            if not found:
                _say("No delivery was given up.")
            return 0
        ids = tuple(str(row["id"]) for row in found)
    done = actions.replay(client, ids)
    what = _many(done.number, "delivery is", "deliveries are")
    return _outcome(client, done.number, done.faults, f"{what} due again.", send)


@leads.command()
@_reaching(
    *_WHICH,
    click.option("--by", type=click.Choice(["page", "source", "form"]), default=None, help="[default: page and source]"),
    click.option("--touch", type=click.Choice(["first", "last"]), default="first", show_default=True,
                 help="Whether a person's first visit or last one says the source."),
    click.option("--format", "style", type=click.Choice(["text", "json", "csv"]), default="text", help="How to print."),
)  # fmt: skip
def stats(client: Client, form: str, since: str | None, by: str | None, touch: str, style: str) -> None:
    """Which pages and sources bring leads: submitted, confirmed, downloaded."""
    from magnetgen.leads import stats as counting
    from magnetgen.leads import terminal

    counts = counting.counted(client, _wish(form, since), by or "", touch)
    if style == "json":
        _say(counting.as_json(counts, by or "", touch))
    elif style == "csv":
        click.echo(counting.as_csv(counts, by or ""), nl=False)
    elif client.transport.empty:
        _say(client.transport.empty)
    else:
        _say(*counting.render(counts, by or "", terminal.columns(), terminal.has_colour()))
