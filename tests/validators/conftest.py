"""The built sites, made once for all validators."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.validators.browsing import chromium
from tests.validators.server import Host, hosting
from tests.validators.sites import Built, complete_site, own_site

BARE_THEME = {"name": "lodestone"}


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The repository's own site."""
    return own_site(tmp_path_factory.mktemp("own") / "site")


@pytest.fixture(scope="session")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Every kind of page and section, at the root of its host."""
    return complete_site(tmp_path_factory.mktemp("complete") / "site")


@pytest.fixture(scope="session")
def prefixed(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The same below a path, with Netlify's forms, drafts and generated cards, on the other Markdown engine."""
    return complete_site(
        tmp_path_factory.mktemp("prefixed") / "site",
        drafts=True,
        base_url="https://somebody.example/some-repo/",
        handler={"provider": "netlify-forms"},
        social_cards=True,
    )


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The same with a form service elsewhere, and without logo, colour, menus and author."""
    return complete_site(
        tmp_path_factory.mktemp("bare") / "site",
        handler={"provider": "external", "url": "https://forms.example.net/f/{form}"},
        theme=BARE_THEME,
        organization=None,
        author=None,
        menus=None,
        privacy_url=None,
        description=None,
    )


@pytest.fixture(params=["own", "complete", "prefixed", "bare"], scope="session")
def site(request: pytest.FixtureRequest) -> Built:
    """Each of the four sites in turn."""
    built = request.getfixturevalue(request.param)
    assert isinstance(built, Built)
    return built


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def complete_host(complete: Built) -> Iterator[Host]:
    with hosting(complete) as host:
        yield host


@pytest.fixture(scope="module")
def own_host(own: Built) -> Iterator[Host]:
    with hosting(own) as host:
        yield host


@pytest.fixture(scope="module")
def prefixed_host(prefixed: Built) -> Iterator[Host]:
    with hosting(prefixed) as host:
        yield host


@pytest.fixture(scope="module")
def bare_host(bare: Built) -> Iterator[Host]:
    with hosting(bare) as host:
        yield host
