"""A trial submission at a live form: sent, found by the owner's routes, mailed, downloaded, and erased again."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parseaddr
from itertools import count
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from magnetgen.deploy import web
from magnetgen.deploy.job import Job
from magnetgen.deploy.steps import BROKEN, CONTENT, USAGE, DeployFault, LeftOut, listed
from magnetgen.forms import contract, proof, tokens, validate
from magnetgen.forms.contract import Field
from magnetgen.forms.http import URL_SAFE
from magnetgen.forms.site import Challenge, Form, Magnet, SiteFault
from magnetgen.leads.client import Client, LeadsFault
from magnetgen.leads.remote import Remote

MARK = "magnetgen-canary"
"""By which a trial is known: in its address, and as the source that it names."""
PAUSE = 1.0
T = TypeVar("T")
_JSON = {"Accept": "application/json"}


@dataclass(frozen=True)
class Trial:
    """One form, tried with one address. `origin`: the site's; `own`: the address is this trial's alone."""

    job: Job
    form: Form
    client: Client
    email: str
    own: bool
    deadline: float

    @property
    def base(self) -> str:
        return self.job.forms.public_url

    @property
    def origin(self) -> str:
        return f"{self.job.address.scheme}://{self.job.address.netloc}"

    def told(self, text: str) -> None:
        self.job.show.say(f"        {text}")


def try_form(job: Job, patience: float) -> str:
    """The whole way of a lead. Raises DeployFault, LeftOut; whatever happens, the trial is erased again."""
    if not job.wishes.forms:
        raise LeftOut("--no-canary")
    token = job.secret("MAGNETGEN_ADMIN_TOKEN")
    if not token:
        job.warn(
            "MAGNETGEN_ADMIN_TOKEN is not known here: no form was tried, since nothing could be found or erased again"
        )
        raise LeftOut("not tried")
    form = _form(job)
    email, own = address(job, form)
    client = Client(_remote(job, token))
    trial = Trial(job, form, client, email, own, job.clock() + patience)
    try:
        return _tried(trial)
    except LeadsFault as exc:
        hint = f"set MAGNETGEN_ADMIN_TOKEN here as the handler at {trial.base} has it"
        raise DeployFault(f"the handler's own routes: {exc}", hint, CONTENT) from None
    finally:
        client.transport.close()


def _remote(job: Job, token: str) -> Remote:
    try:
        return Remote(job.forms.public_url, token)
    except LeadsFault as exc:
        raise DeployFault(
            f"MAGNETGEN_ADMIN_TOKEN or {job.forms.public_url} cannot be used: {exc}", exit_code=USAGE
        ) from None


def _tried(trial: Trial) -> str:
    _clean_before(trial)
    before: BaseException | None = None
    try:
        return _whole_way(trial)
    except BaseException as exc:
        before = exc
        raise
    finally:
        _erase(trial, before)


def _whole_way(trial: Trial) -> str:
    following = _submit(trial)
    lead = _stored(trial)
    _mails(trial, "confirm" if trial.form.spec.double_opt_in else "")
    if trial.form.spec.double_opt_in:
        confirmed = _confirm(trial, str(lead["id"]))
        if confirmed is None:
            return f"{trial.form.name}: taken and mailed; what follows the confirmation was not seen"
        following = confirmed
        _mails(trial, "")
    if trial.form.spec.magnet:
        _download(trial, following)
    return f"{trial.form.name}: the whole way of a lead works"


# Which form, which address


def _form(job: Job) -> Form:
    """The one asked for, else the one that shows most without a mailbox."""
    forms = job.forms.forms
    if job.wishes.form:
        if job.wishes.form not in forms:
            raise DeployFault(f"there is no form {job.wishes.form}", f"forms: {', '.join(sorted(forms))}")
        chosen = forms[job.wishes.form]
        if why := _untriable(chosen):
            raise DeployFault(f"the form {chosen.name} cannot be tried: {why}")
        return chosen
    fit = [form for form in forms.values() if not (_untriable(form) or _costs_a_code(job, form))]
    if not fit:
        costs = "a trial would use up one of its codes: --form tries it all the same"
        reasons = "; ".join(f"{form.name}: {_untriable(form) or costs}" for form in forms.values())
        job.warn(f"no form could be tried ({reasons})")
        raise LeftOut("not tried")
    return min(fit, key=lambda form: (not form.spec.magnet, form.spec.double_opt_in, form.name))


def _costs_a_code(job: Job, form: Form) -> bool:
    """A code that was handed out to a trial is gone, though the trial is erased."""
    magnet = job.forms.magnet_of(form)
    return bool(magnet and magnet.codes)


def _untriable(form: Form) -> str:
    """Why nobody but a visitor can fill in a form, or nothing."""
    if form.challenge and not form.challenge.is_proof:
        return "its challenge is made for people"
    checked = validate.check(form.spec, validate.clean(form.spec, _answers(form, f"{MARK}@example.com")))
    wrong = [fault.field for fault in checked.faults]
    return f"what {listed(wrong)} must be like cannot be guessed" if wrong else ""


def address(job: Job, form: Form) -> tuple[str, bool]:
    """(whose address the trial has, whether it was made for this trial alone). Raises DeployFault."""
    given = job.wishes.canary or job.env.get("MAGNETGEN_CANARY", "").strip()
    if given:
        plain, code = validate.email(given)
        if code:
            raise DeployFault("--canary (or MAGNETGEN_CANARY) is not an email address", "--canary you@example.com")
        return plain, False
    told = [name.removeprefix("email:") for one in (form, *job.forms.forms.values()) for name in one.spec.notify
            if name.startswith("email:")]  # fmt: skip
    senders = [
        parseaddr(job.secret("MAGNETGEN_MAIL_FROM"))[1],
        *(parseaddr(m.get("from", ""))[1] for m in job.forms.mails.values()),
    ]
    for base in filter(None, (*told, *senders)):
        local, _, domain = base.partition("@")
        plain, code = validate.email(f"{local}+{MARK}-{secrets.token_hex(4)}@{domain}")
        if not code:
            return plain, True
    job.warn("no form was tried: give an address of yours with --canary you@example.com, or in MAGNETGEN_CANARY")
    raise LeftOut("not tried")


def _answers(form: Form, email: str) -> list[tuple[str, str]]:
    """What must be filled in, and no more."""
    found = [("email", email)]
    for field in form.spec.fields:
        if field.required and field.name != "email":
            found.append((field.name, _answer(field)))
    return found + [(purpose.name, "yes") for purpose in form.spec.consent if purpose.required]


def _answer(field: Field) -> str:
    if field.options:
        return str(field.options[0])
    plain = {
        "tel": "+1 555 0100",
        "url": "https://example.com/",
        "number": "1",
        "checkbox": "yes",
        "email": f"{MARK}@example.com",
    }
    return plain.get(field.type, MARK)[: field.max]


# The way of a lead, a step at a time


def _clean_before(trial: Trial) -> None:
    """A trial that was cut off is taken away; anybody else's lead is left alone, and the trial not begun."""
    found = trial.client.person(trial.email)
    if not (found["leads"] or found["submissions"]):
        return
    if not all(_is_trial(sent) for sent in found["submissions"]) or not found["submissions"]:
        hint = "choose another with --canary: what is tried is erased, and this one is a real lead"
        raise DeployFault("the canary's address is known to the handler already", hint, USAGE)
    trial.client.erase(trial.email)


def _is_trial(sent: Mapping[str, Any]) -> bool:
    source = sent.get("source")
    first = source.get("first") if isinstance(source, dict) else None
    return isinstance(first, dict) and first.get("utm_source") == MARK


def _submit(trial: Trial) -> str:
    """Send the form as a page's script would → where its visitor is led."""
    form, source = trial.form, json.dumps({"first": {"utm_source": MARK}, "last": {"utm_source": MARK}})
    pairs = [*_answers(form, trial.email), (contract.SOURCE, source)]
    if form.challenge:
        pairs.append((form.challenge.field, solve(form.challenge, int(trial.job.clock()))))
    headers = {
        **_JSON,
        "Content-Type": "application/x-www-form-urlencoded",
        "Origin": trial.origin,
        "Idempotency-Key": secrets.token_hex(16),
    }
    answer = web.ask("POST", f"{trial.base}/forms/{form.name}", headers, urlencode(pairs).encode())
    said = _object(answer)
    if answer.status != 202 or said.get("ok") is not True:
        raise DeployFault(
            f"the form {form.name} answered with {_problem(answer, said)}", _advice(answer.status), CONTENT
        )
    trial.told(f"sent: {form.name} as {trial.email}")
    return str(said.get("next", ""))


def solve(challenge: Challenge, now: int) -> str:
    """A proof of work, found by trying."""
    head = f"{proof.VERSION}/{challenge.bits}/{challenge.action}/{challenge.hostname}/{now}/{secrets.token_hex(8)}/"
    return next(text for n in count() if proof.zero_bits(text := f"{head}{n}") >= challenge.bits)


def _object(answer: web.Answer) -> dict[str, Any]:
    try:
        found = json.loads(answer.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _problem(answer: web.Answer, said: Mapping[str, Any]) -> str:
    code = said.get("code")
    return f"status {answer.status}" + (f" ({code})" if isinstance(code, str) and code.isidentifier() else "")


def _advice(status: int) -> str:
    return {
        403: "the handler has another build's forms.json: its origins lack this site's",
        404: "the handler has another build's forms.json: deploy again",
        429: "too many tries from here: wait a minute, then --verify-only",
        503: "its store cannot be reached: is it set up at the host?",
    }.get(status, "look at the host's log of the handler")


def _stored(trial: Trial) -> dict[str, Any]:
    """The lead, as the owner finds it."""
    found = _until(trial, lambda: next(iter(_mine(trial)), None))
    if found is None:
        held = trial.client.person(trial.email)["submissions"]
        reasons = ", ".join(str(sent.get("reason") or sent.get("status")) for sent in held)
        said = f"it was kept, but is no lead ({reasons})" if held else "the handler said yes, and its store has nothing"
        hint = (
            "`magnetgen leads list --status held --url` shows what waits"
            if held
            else "look at the host's log of the handler"
        )
        raise DeployFault(said, hint, CONTENT)
    trial.told(f"stored: {found.get('status')}")
    return found


def _mine(trial: Trial) -> Iterator[dict[str, Any]]:
    return (lead for lead in trial.client.person(trial.email)["leads"] if lead.get("form") == trial.form.name)


def _until(trial: Trial, look: Callable[[], T | None]) -> T | None:
    """The first thing that is found before patience ends."""
    while (found := look()) is None and trial.job.clock() < trial.deadline:
        trial.job.sleep(PAUSE)
    return found


def _mails(trial: Trial, kind: str) -> None:
    """Whether all mails of the trial have left, as the outbox says. `kind`: the one that there must be."""
    drained = False

    def look() -> list[dict[str, Any]] | None:
        nonlocal drained
        rows = [
            row
            for row in trial.client.person(trial.email)["deliveries"]
            if str(row.get("kind", "")).startswith("mail:")
        ]
        wanted = not kind or any(row["kind"] == f"mail:{kind}" for row in rows)
        if wanted and all(row.get("state") in ("done", "dead") for row in rows):
            return rows
        if not drained:
            drained = True
            trial.client.drain()
        return None

    rows = _until(trial, look)
    if rows is None:
        rows = [
            row
            for row in trial.client.person(trial.email)["deliveries"]
            if str(row.get("kind", "")).startswith("mail:")
        ]
        if not rows:
            _no_mail(trial)
            return
        raise _not_sent([row for row in rows if row.get("state") != "done"])
    if dead := [row for row in rows if row.get("state") == "dead"]:
        raise _not_sent(dead)
    names = listed(sorted({str(row["kind"]) for row in rows}))
    trial.told(f"mail: {names} sent" if rows else "mail: none is sent for this form")
    _others(trial)


def _no_mail(trial: Trial) -> None:
    if not trial.own:
        trial.told("mail: none, as this address was tried before (limits, or it was erased): use another to see one")
        return
    raise DeployFault("no mail was written for the trial", "look at the host's log of the handler", CONTENT)


def _not_sent(rows: list[dict[str, Any]]) -> DeployFault:
    kinds = listed(sorted({str(row["kind"]) for row in rows}))
    codes = sorted({str(row["last_code"]) for row in rows if row.get("last_code")})
    if codes:
        hint = "are the mail provider's key and the sender's domain right? `magnetgen leads replay` sends again"
        return DeployFault(f"{kinds} could not be sent: {listed(codes)}", hint, CONTENT)
    hint = "set MAGNETGEN_MAIL_PROVIDER, MAGNETGEN_MAIL_KEY and MAGNETGEN_MAIL_FROM at the host; does its schedule run?"
    return DeployFault(f"{kinds} was not sent: nothing has tried to", hint, CONTENT)


def _others(trial: Trial) -> None:
    """Destinations that have not taken the trial: told, since they may be down at the other end."""
    rows = [
        row
        for row in trial.client.person(trial.email)["deliveries"]
        if not str(row.get("kind", "")).startswith("mail:")
    ]
    if waiting := sorted({str(row.get("dest")) for row in rows if row.get("state") != "done" and row.get("attempts")}):
        trial.job.warn(f"the destination {listed(waiting)} has not taken the trial: `magnetgen leads show` says why")


def _confirm(trial: Trial, lead: str) -> str | None:
    """Press the button of the confirmation mail, where the handler's key is known here → where that leads."""
    secret = trial.job.secret("MAGNETGEN_SECRETS")
    if not secret:
        trial.told(f"not confirmed: only {trial.email} has the link, and MAGNETGEN_SECRETS is not known here")
        return None
    try:
        keys = tokens.parse_keys({"MAGNETGEN_SECRETS": secret, "MAGNETGEN_EMAIL_KEY": "00" * 32})
    except SiteFault as exc:
        raise DeployFault(f"here: {exc}") from None
    token = tokens.issue(keys, tokens.CONFIRM, trial.form.name, lead, trial.job.clock(), secrets.token_bytes(16))
    answer = web.ask("POST", f"{trial.base}/confirm/{token}", {**_JSON, "Origin": trial.origin})
    if answer.status == 404:
        trial.job.warn("MAGNETGEN_SECRETS here is not the handler's: the confirmation could not be tried")
        return None
    said = _object(answer)
    if answer.status != 202:
        raise DeployFault(f"confirming answered with {_problem(answer, said)}", _advice(answer.status), CONTENT)
    found = _until(trial, lambda: next((one for one in _mine(trial) if one.get("status") == "confirmed"), None))
    if found is None:
        raise DeployFault("the lead was confirmed, and is not", "look at the host's log of the handler", CONTENT)
    trial.told("confirmed, with a link made here by the handler's key")
    return str(said.get("next", ""))


def _download(trial: Trial, following: str) -> None:
    """Fetch what the form gives, by the token that its visitor is led to the thank-you page with."""
    magnet = trial.job.forms.magnet_of(trial.form)
    asset = trial.job.forms.assets.get(magnet.asset()) if magnet else None
    token = following.partition("#")[2]
    if not token:
        raise DeployFault("the form gives something, and led to no download", "deploy again", CONTENT)
    if magnet and not magnet.assets:
        _given(trial, magnet, web.ask("GET", f"{trial.base}/download/{token}", _JSON))
        return
    answer = web.ask("GET", f"{trial.base}/download/{token}", seconds=120)
    if answer.status == 302:
        answer = web.ask("GET", answer.headers.get("location", ""), seconds=120)
    if answer.status != 200:
        hint = "is the file where the handler looks for it? Deploy again: large ones are uploaded apart"
        raise DeployFault(f"the download answered with {_problem(answer, _object(answer))}", hint, CONTENT)
    if asset and answer.sha256 != asset.sha256:
        raise DeployFault(f"{asset.filename} came in other bytes than were built", "deploy again", CONTENT)
    trial.told(f"downloaded: {asset.filename if asset else trial.form.spec.magnet}, {answer.size:,} bytes")


def _given(trial: Trial, magnet: Magnet, answer: web.Answer) -> None:
    """What is no file: where it leads to, which is not ours to look at, or a code, which is nobody's to read here."""
    said = _object(answer)
    if not (magnet.code or magnet.codes):
        if answer.status != 302:
            raise DeployFault(f"the link answered with {_problem(answer, said)}", _advice(answer.status), CONTENT)
        if answer.headers.get("location") != quote(magnet.url, safe=URL_SAFE):
            raise DeployFault("the link leads elsewhere than was built", "deploy again", CONTENT)
        trial.told(f"led on: {magnet.name}")
        return
    if answer.status != 200 or said.get("ok") is not True or "code" not in said:
        raise DeployFault(f"the code's page answered with {_problem(answer, said)}", _advice(answer.status), CONTENT)
    if magnet.code and said["code"] != magnet.code:
        raise DeployFault("the code is another than was built", "deploy again", CONTENT)
    if said["code"] is None:
        trial.job.warn(f"all codes of {magnet.name} have been given out")
    trial.told(f"code: {magnet.name} has " + ("none left" if said["code"] is None else "one"))


def _erase(trial: Trial, before: BaseException | None) -> None:
    """Take the trial away, also after a fault. What could not be erased is told with the command that does."""
    how = f"magnetgen leads erase {trial.email} --yes --url {trial.base}"
    try:
        trial.client.erase(trial.email)
        for _ in range(5):
            left = trial.client.person(trial.email)
            if not (left["leads"] or left["submissions"]):
                trial.told("erased again")
                return
            trial.job.sleep(PAUSE)
            trial.client.erase(trial.email)
        why = "the handler says yes, and keeps it"
    except (LeadsFault, OSError) as exc:
        why = str(exc)
    if before is None:
        raise DeployFault(f"the trial could not be erased: {why}", f"erase it by hand: {how}", BROKEN)
    trial.job.warn(f"the trial could not be erased ({why}): {how}")
