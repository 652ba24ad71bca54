"""Keys of outputs: digests of everything that an output depends on. Equal keys, equal output.

Where an address leads depends on the whole site, and looking up every page's addresses is most of the cost of a
small edit. So the manifest keeps the digest of what each page's addresses led to, and it is taken as it stands as
long as no URL, anchor or file of the site has changed (`space`).
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import msgspec
from msgspec.structs import replace

from magnetgen import seo
from magnetgen.cache import code_stamp
from magnetgen.links import Links
from magnetgen.model import Page
from magnetgen.plan import Job, Plan
from magnetgen.theme import Theme
from magnetgen.views import SiteView

SIZE = 16


class Keys:
    """Keys for one plan. `newest`: the pages that pages without a list of their own show."""

    def __init__(self, plan: Plan, theme: Theme, links: Links, site: SiteView, newest: tuple[Page, ...]) -> None:
        self._plan = plan
        self._links = links
        self._newest = newest
        self._seen: dict[str, bytes] = {}
        self.space = self._space()
        self._common = self._common_digest(theme, site)
        self._gifts = self._gifts_digest()

    def key(self, job: Job, refs: bytes) -> bytes:
        """The job's key. `refs`: what `refs(job)` gives, or gave for the same `space`."""
        state = blake2b(self._common, digest_size=SIZE)
        state.update(f"{job.kind}\0{job.path}\0{job.name}\0{job.number}\0".encode() + refs)
        if job.kind in ("media", "card") and (file := self._plan.media.get(job.source)):
            state.update(file.digest.encode())
        page = self._page(job)
        if page:
            plan = self._plan
            state.update(self._shown(page))
            card = plan.card_for(page)
            state.update(card.path.encode() if card else b"-")
            tags = (plan.tags[name].title for name in page.tag_slugs)
            listing = plan.collections.get(page.collection)
            state.update(f"{listing.title if listing else ''}\0{'|'.join(tags)}".encode())
            group = plan.translations.get(page.translation_key, ()) if page.translation_key else ()
            state.update(b"".join(map(self._shown, (*plan.related(page), *group))))
        if job.kind in ("thanks", "confirmed") or (page and (page.layout in ("landing", "home") or page.noindex)):
            state.update(self._gifts)
        state.update(b"".join(map(self._shown, self.listed(job))))
        if job.kind == "list":
            listing = seo.listing_of(self._plan, job)
            intro = listing.intro.digest if listing and listing.intro else b"-"
            state.update(f"{listing.title}\0{len(listing.pages)}".encode() + intro if listing else b"-")
        return state.digest()

    def refs(self, job: Job) -> bytes:
        """A digest of where the addresses in the job's text lead."""
        page = self._page(job)
        return self._refs(page) if page else b""

    def listed(self, job: Job) -> tuple[Page, ...]:
        """The pages that a job shows teasers of."""
        if job.kind == "list":
            listing = seo.listing_of(self._plan, job)
            size = self._plan.config.pagination
            return listing.pages[(job.number - 1) * size : job.number * size] if listing else ()
        page = self._plan.by_source.get(job.source) if job.kind == "page" else None
        if job.kind in ("home", "404", "thanks", "confirmed") or (page and page.layout == "home"):
            return self._newest
        return ()

    def _page(self, job: Job) -> Page | None:
        if job.kind == "thanks":
            return self._plan.forms[job.name].page
        return self._plan.by_source.get(job.source)

    def _refs(self, page: Page) -> bytes:
        state = blake2b(digest_size=SIZE)
        for kind, targets in (("link", page.links), ("image", page.images)):
            for target in targets:
                found = self._links.resolve(page, target, kind=kind)
                digest = found.media.digest if found.media else ""
                state.update(f"{found.url}\0{found.problem.message if found.problem else ''}\0{digest}\0".encode())
        return state.digest()

    def _shown(self, page: Page) -> bytes:
        """A page as others show it: its text's digest, its URL, its picture."""
        found = self._seen.get(page.source)
        if found is None:
            picture = self._links.image(page.source, page.image) if page.image else None
            found = self._seen[page.source] = b"%b%b\0%b\0" % (
                page.digest,
                page.path.encode(),
                f"{picture.path}\0{picture.digest}".encode() if picture else b"",
            )
        return found

    def _space(self) -> bytes:
        """A digest of all that an address can lead to, or fail to."""
        plan = self._plan
        state = blake2b(digest_size=SIZE)
        for page in plan.pages:
            state.update(f"{page.source}\0{page.path}\0{page.anchors}\0".encode())
        state.update("\0".join(f"{file.source}\0{file.path}\0{file.digest}" for file in plan.media.values()).encode())
        state.update("\0".join(sorted(plan.paths.values())).encode())
        known: Iterable[object] = (
            sorted(plan.unreadable.items()),
            sorted(plan.unpublished.items()),
            [(name, form.home) for name, form in sorted(plan.forms.items())],
            sorted(plan.blocks),
            plan.config.model_dump_json(include={"base_url", "ctas"}),
        )
        state.update(repr(known).encode())
        return state.digest()

    def _common_digest(self, theme: Theme, site: SiteView) -> bytes:
        """Of what every page depends on: magnetgen, theme, settings, menus, forms, blocks."""
        plan = self._plan
        state = blake2b(theme.digest + code_stamp(), digest_size=SIZE)
        state.update(plan.config.model_dump_json().encode())
        state.update(msgspec.msgpack.encode((site.main_menu, site.footer_menu, site.privacy_url, site.logo)))
        for form in plan.forms.values():
            state.update(msgspec.msgpack.encode((form.spec, form.home, form.next)))
        for name, block in sorted(plan.blocks.items()):
            state.update(name.encode() + block.digest + self._refs(block))
        state.update(repr([self._links.site(cta.url).url for cta in plan.config.ctas.values()]).encode())
        state.update(repr((plan.card_for(None), plan.preview, plan.page_policy)).encode())
        return state.digest()

    def _gifts_digest(self) -> bytes:
        """Of what forms give, as landing pages and thank-you pages tell of it; not of the files themselves."""
        plan, state = self._plan, blake2b(digest_size=SIZE)
        for name, magnet in sorted(plan.magnets.items()):
            state.update(msgspec.msgpack.encode(replace(magnet, body=replace(magnet.body, digest=b""))))
            state.update(repr(sorted(plan.gifts[name].holes.items()) if name in plan.gifts else ()).encode())
        return state.digest()
