"""What is live, seen from outside: this build's pages, its headers, its 404, and the handler behind the forms."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from html import unescape

from magnetgen.deploy import web
from magnetgen.deploy.canary import try_form
from magnetgen.deploy.job import Job
from magnetgen.deploy.steps import CONTENT, DeployFault, LeftOut, Step, listed
from magnetgen.deploy.web import Answer

PATIENCE = {"github-pages": 600.0, "lambda": 300.0}
PATIENCE_ELSEWHERE = 90.0
PAUSE = 2.0
NEEDED_HEADERS = ("content-security-policy", "x-content-type-options", "referrer-policy", "strict-transport-security")
"""What a page must come with, whatever the host's files say."""
_INVISIBLE = re.compile(r"<(script|style|noscript|template)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>", re.S | re.I)
_MEDIA = re.compile(r'(?:src|href)="([^"?#]*/media/[^"?#]+)"')


def steps(job: Job) -> Iterator[Step]:
    """What is looked at, in order."""
    if job.wishes.dry_run:
        yield Step("verify", lambda: _would(job))
        return
    yield Step("live: home page", lambda: home(job), live=True)
    looks: list[tuple[str, Callable[[], str]]] = [
        ("sitemap and robots", lambda: discovery(job)),
        ("not found", lambda: not_found(job)),
        ("headers", lambda: headers(job)),
    ]
    if job.own_handler and job.forms.forms:
        looks.append(("handler", lambda: handler(job)))
        if not job.handler_here:
            looks.append(("handler takes this site's forms", lambda: preflight(job)))
        looks.append(("a form, tried", lambda: try_form(job, patience(job))))
    yield from (Step(f"live: {name}", run, live=True, alone=True) for name, run in looks)


def _would(job: Job) -> str:
    raise LeftOut(f"nothing new is live; `magnetgen deploy {job.wishes.target} --verify-only` looks at {job.base_url}")


def patience(job: Job) -> float:
    """Seconds for a new build to be seen everywhere, and for a mail to leave."""
    return job.patience(PATIENCE.get(job.wishes.target, PATIENCE_ELSEWHERE))


def home(job: Job) -> str:
    """Whether the live home page is the one that was built. A host may take a while to show it."""
    if job.forms.base_url != job.base_url:
        hint = f"magnetgen build --target {job.wishes.target} --base-url {job.base_url}"
        raise DeployFault(f"the last build is for {job.forms.base_url}, not for {job.base_url}", hint)
    local = _built(job, "index.html")
    deadline = job.clock() + patience(job)
    while True:
        fault = None
        try:
            answer = web.ask("GET", job.base_url)
            if answer.status == 200 and same(local, answer.body):
                break
            fault = _not_ours(job, answer, local)
        except web.Unreachable as exc:
            fault = exc
        if job.clock() >= deadline:
            raise fault
        job.sleep(PAUSE)
    if answer.body != local:
        job.warn(
            "the host changes pages on their way (an injected script, hidden addresses): turn that off there, "
            "as the pages' Content-Security-Policy allows no foreign script"
        )
    return f"{job.base_url} is this build's"


def _not_ours(job: Job, answer: Answer, local: bytes) -> DeployFault:
    if answer.status in range(300, 400):
        where = answer.headers.get("location", "elsewhere")
        return DeployFault(
            f"{job.base_url} redirects to {where}", "set base_url to the address that is served", CONTENT
        )
    if answer.status != 200:
        hint = "is the domain set up at the host, and is the upload done?"
        return DeployFault(f"{job.base_url} answers with status {answer.status}", hint, CONTENT)
    title = re.search(rb"<title>(.*?)</title>", answer.body, re.S)
    shown = f" (its title: {unescape(title[1].decode('utf-8', 'replace'))[:60]})" if title else ""
    hint = "was the site changed since it was built, or is another build or a cache before it? Deploy again"
    return DeployFault(f"{job.base_url} does not show this build{shown}", hint, CONTENT)


def same(local: bytes, live: bytes) -> bool:
    """Whether a page is the one that was built: byte for byte, or what a visitor reads and which files it names."""
    return local == live or _essence(local) == _essence(live)


def _essence(page: bytes) -> tuple[str, frozenset[str]]:
    text = page.decode("utf-8", "replace")
    return " ".join(unescape(_INVISIBLE.sub(" ", text)).split()), frozenset(_MEDIA.findall(text))


def discovery(job: Job) -> str:
    """sitemap.xml and robots.txt, as built."""
    for file in ("sitemap.xml", "robots.txt"):
        answer = web.ask("GET", job.base_url + file)
        if answer.status != 200:
            raise DeployFault(f"{job.base_url}{file} answers with status {answer.status}", "deploy again", CONTENT)
        if answer.body.split() != _built(job, file).split():
            hint = "does the host write its own, or is a cache before it?"
            raise DeployFault(f"{job.base_url}{file} is not this build's", hint, CONTENT)
    return "as built"


def not_found(job: Job) -> str:
    """An address that leads nowhere must say so, in the site's own words."""
    url = f"{job.base_url}no-such-page-{secrets.token_hex(6)}/"
    answer = web.ask("GET", url)
    if answer.status != 404:
        hint = "the host must serve 404.html with status 404: search engines index what answers 200"
        raise DeployFault(f"an address that does not exist answers with status {answer.status}", hint, CONTENT)
    if not same(_built(job, "404.html"), answer.body):
        raise DeployFault(
            "an address that does not exist shows a page of the host's", "the host must serve 404.html", CONTENT
        )
    return "404, the site's own page"


def headers(job: Job) -> str:
    """Whether pages come with the headers that were built. A warning where the host can send none."""
    found = web.ask("GET", job.base_url).headers
    wanted = built_headers(job) or _needed(job)
    wrong = [name for name, value in wanted.items() if not _right(found.get(name), value)]
    if not wrong:
        return f"{len(wanted)} security headers"
    if job.wishes.target == "github-pages":
        job.warn(f"this host sends no {listed(wrong)}: pages carry their policy in a <meta>, the rest is lost")
        raise LeftOut("GitHub Pages sends no headers of yours")
    lacking = [name for name in wrong if name not in found]
    said = f"pages come without {listed(lacking)}" if lacking else f"pages come with another {listed(wrong)}"
    hint = "does a proxy before the host set or remove headers? _headers in the output says what was built"
    raise DeployFault(said, hint, CONTENT)


def _needed(job: Job) -> dict[str, str]:
    secure = job.base_url.startswith("https:")
    return {name: "" for name in NEEDED_HEADERS if secure or name != "strict-transport-security"}


def _right(found: str | None, wanted: str) -> bool:
    return found is not None and (not wanted or " ".join(found.split()) == " ".join(wanted.split()))


def built_headers(job: Job) -> dict[str, str]:
    """The headers of every page as they were built, by lower-case name: in the output's `_headers`, for a stack apart.

    Empty where the build does not say.
    """
    path = job.out / "_headers"
    if not path.is_file():
        return _stack_headers(job)
    found: dict[str, str] = {}
    rule = ""
    everywhere = f"{job.address.path.rstrip('/')}/*"
    for line in path.read_text("utf-8").splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0] not in " \t":
            rule = line.strip()
        elif rule in ("/*", everywhere) and ":" in line:
            name, _, value = line.strip().partition(":")
            found[name.lower()] = value.strip()
    return {name: value for name, value in found.items() if name != "cache-control"}


def _stack_headers(job: Job) -> dict[str, str]:
    """What a CloudFormation stack is given: the policy; the other headers stand in the owner's template."""
    path = job.bundle / "parameters.json"
    if not path.is_file():
        return {}
    given = {entry["ParameterKey"]: entry["ParameterValue"] for entry in json.loads(path.read_bytes())}
    policy = given.get("ContentSecurityPolicy", "")
    return {**_needed(job), "content-security-policy": policy}


def handler(job: Job) -> str:
    """Whether the handler lives, and its store can be written to."""
    base = job.forms.public_url
    for route, lacking in (
        ("healthz", "there is no handler"),
        ("readyz", "the handler cannot write to its store"),
    ):
        answer = _patiently(job, f"{base}/{route}")
        if answer.status != 200:
            hint = "look at the host's log of the function; are its secrets and its store set up?"
            raise DeployFault(f"{lacking}: {base}/{route} answers with status {answer.status}", hint, CONTENT)
    return f"{base} is alive, its store can be written to"


def _patiently(job: Job, url: str) -> Answer:
    """A function may take a moment to be there."""
    deadline = job.clock() + min(patience(job), PATIENCE_ELSEWHERE)
    while True:
        answer = web.ask("GET", url)
        if answer.status == 200 or job.clock() >= deadline:
            return answer
        job.sleep(PAUSE)


def preflight(job: Job) -> str:
    """Whether a handler elsewhere accepts forms of this site: what a browser asks before it sends."""
    name = sorted(job.forms.forms)[0]
    own = f"{job.address.scheme}://{job.address.netloc}"
    url = f"{job.forms.public_url}/forms/{name}"
    asked: Mapping[str, str] = {
        "Origin": own,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,idempotency-key",
    }
    answer = web.ask("OPTIONS", url, asked)
    if answer.status == 404:
        hint = "give that handler this build's .magnetgen/forms.json, and start it anew"
        raise DeployFault(f"the handler at {job.forms.public_url} knows no form {name}", hint, CONTENT)
    if answer.headers.get("access-control-allow-origin") != own:
        hint = "it must run with this build's .magnetgen/forms.json, whose origins are base_url's"
        raise DeployFault(f"the handler at {job.forms.public_url} refuses forms from {own}", hint, CONTENT)
    return f"{url} accepts {own}"


def _built(job: Job, file: str) -> bytes:
    try:
        return (job.out / file).read_bytes()
    except OSError:
        raise DeployFault(
            f"{job.out / file} is missing: there is no build to compare with",
            f"magnetgen build --target {job.wishes.target}",
        ) from None
