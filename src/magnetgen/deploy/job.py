"""One deploy: the site, what was asked for, and what each step leaves for the next ones."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from magnetgen.config import SiteConfig
from magnetgen.deploy.steps import BROKEN, CONTENT, USAGE, DeployFault, Show, listed
from magnetgen.deploy.tools import Shell
from magnetgen.forms import settings as handler_settings
from magnetgen.forms import site as sites
from magnetgen.targets import checks


@dataclass(frozen=True)
class Wishes:
    """The command line's. canary: an address for the trial submission, or empty; patience: seconds, None as the host."""

    target: str
    preview: bool = False
    dry_run: bool = False
    verify_only: bool = False
    base_url: str | None = None
    canary: str = ""
    forms: bool = True
    form: str = ""
    patience: float | None = None
    remote: str = "origin"
    strict: bool = False


@dataclass
class Job:
    """What the steps of a deploy share. `base_url`: where the site, or its preview, will be."""

    root: Path
    wishes: Wishes
    config: SiteConfig
    shell: Shell
    show: Show
    env: Mapping[str, str]
    base_url: str
    out: Path
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    known: dict[str, Any] = field(default_factory=dict)
    """What a host said of itself, for later steps: of each host its own names."""
    _forms: sites.Site | None = None

    @property
    def address(self) -> SplitResult:
        return urlsplit(self.base_url)

    @property
    def host(self) -> str:
        return self.address.hostname or ""

    @property
    def bundle(self) -> Path:
        return self.root / ".magnetgen" / "bundle" / self.wishes.target

    @property
    def forms(self) -> sites.Site:
        """forms.json of the last build. Raises DeployFault."""
        if self._forms is None:
            try:
                text = (self.root / ".magnetgen" / "forms.json").read_bytes()
            except FileNotFoundError:
                raise DeployFault(
                    "the site has not been built: .magnetgen/forms.json is missing",
                    f"magnetgen build --target {self.wishes.target}",
                ) from None
            try:
                self._forms = sites.load(text)
            except sites.SiteFault as exc:
                raise DeployFault(str(exc)) from None
        return self._forms

    def forget_forms(self) -> None:
        """They have been built again."""
        self._forms = None

    @property
    def own_handler(self) -> bool:
        """Whether magnetgen's handler receives the forms, wherever it is."""
        return self.config.handler.provider == "magnetgen"

    @property
    def handler_here(self) -> bool:
        """Whether this deploy brings the handler, too: it is magnetgen's, and at the site's own address."""
        url, own = self.config.handler.url, f"{self.address.scheme}://{self.address.netloc}/"
        return self.own_handler and ("://" not in url or f"{url}/".startswith(own))

    def secret(self, name: str) -> str:
        """A secret as this machine knows it: from the environment, else from .magnetgen/secrets; or nothing."""
        try:
            return (self.env.get(name) or handler_settings.missing(self.root, self.env).get(name, "")).strip()
        except sites.SiteFault as exc:
            raise DeployFault(str(exc)) from None

    def patience(self, default: float) -> float:
        """Seconds to wait for what a host does by itself."""
        return default if self.wishes.patience is None else self.wishes.patience

    def warn(self, text: str) -> None:
        self.show.warn(self.shell.masked(text))


def check_address(job: Job) -> str:
    """What holds for every host. Raises DeployFault."""
    address = job.address
    where = "--base-url" if job.wishes.base_url else "base_url in magnetgen.yaml"
    if checks.is_example(job.host):
        raise DeployFault(f"{where} is still {job.base_url}", "set it to the address that the site will have", CONTENT)
    if address.scheme != "https" and not _is_here(job.host):
        raise DeployFault(f"{where} is {job.base_url}: forms need https", f"write https://{address.netloc}", CONTENT)
    return job.base_url


def _is_here(host: str) -> bool:
    return host in ("127.0.0.1", "localhost", "::1")


def mismatch(job: Job, wanted: str, whose: str) -> DeployFault:
    """base_url is not where the host will show the site."""
    if job.wishes.preview:
        return DeployFault(f"--base-url is {job.base_url}, {whose} is {wanted}", f"--base-url {wanted}", CONTENT)
    return DeployFault(
        f"base_url is {job.base_url}, {whose} is {wanted}",
        f"set `base_url: {wanted}` in magnetgen.yaml, or add that domain at the host; nothing was uploaded",
        CONTENT,
    )


def build(job: Job) -> str:
    """Build for the target and address. Raises DeployFault after the diagnostics have been shown."""
    from magnetgen import diagnostics
    from magnetgen.build import build as make
    from magnetgen.output import RefusedError
    from magnetgen.state import Options

    options = Options(target=job.wishes.target, base_url=job.base_url, strict=job.wishes.strict, now=_source_date(job))
    try:
        result = make(job.root, options)
    except RefusedError as exc:
        raise DeployFault(str(exc), exit_code=USAGE) from None
    except OSError as exc:
        raise DeployFault(f"{exc.strerror or exc}: {exc.filename or ''}".rstrip(": "), exit_code=BROKEN) from None
    renderer = diagnostics.TextRenderer(job.root, color=job.show.color)
    for found in result.diagnostics:
        job.show.say(renderer.render(found))
    if result.exit_code(job.wishes.strict):
        raise DeployFault("the site has faults: nothing was uploaded", "mend what stands above", CONTENT)
    job.out = Path(result.out)
    job.forget_forms()
    warnings = len(result.diagnostics)
    said = f"{result.pages:,} pages for {job.wishes.target} at {job.base_url}"
    return said + (f", {warnings} warning{'' if warnings == 1 else 's'}" if warnings else "")


def _source_date(job: Job) -> float | None:
    given = job.env.get("SOURCE_DATE_EPOCH", "")
    return float(given) if given.isdecimal() else None


def check_handler(job: Job) -> str:
    """Whether the forms have somebody who receives them, on a host that brings the handler itself."""
    if not job.own_handler:
        return f"{job.config.handler.provider} receives the forms"
    if not job.handler_here:
        return f"the handler at {job.config.handler.url} receives the forms"
    names = sorted(job.forms.forms)
    return f"receives {listed(names)} at {job.forms.public_url}" if names else "no form is declared"


def uploads(job: Job) -> list[dict[str, Any]]:
    """Assets that are too large for the bundle: {name, file, size, sha256, key}."""
    try:
        found = json.loads((job.bundle / "uploads.json").read_bytes())
    except FileNotFoundError:
        return []
    except ValueError:
        raise DeployFault("uploads.json cannot be read", "build again: magnetgen build --clean", BROKEN) from None
    return list(found)
