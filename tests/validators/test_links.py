"""A crawl of each built site: whatever a page names is there."""

from __future__ import annotations

import io
import re
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from PIL import Image
from selectolax.lexbor import LexborHTMLParser

from tests.validators.sites import Built

pytestmark = pytest.mark.validator

_FETCHED = ("src", "href", "poster", "action")


def addresses(doc: LexborHTMLParser) -> list[tuple[str, str, str]]:
    """(tag, attribute, address) of all that a page names, the candidates of a srcset one by one."""
    found = []
    for node in doc.css("[src], [href], [poster], [action]"):
        found += [(str(node.tag), name, node.attributes[name] or "") for name in _FETCHED if name in node.attributes]
    for node in doc.css("[srcset]"):
        candidates = (node.attributes["srcset"] or "").split(",")
        found += [(str(node.tag), "srcset", c.split()[0]) for c in candidates if c.strip()]
    return found


def local(site: Built, address: str, page: str) -> tuple[str, str] | None:
    """(path below the base, fragment) of an address within the site; the origin stands for the built one."""
    url = urlsplit(urljoin(site.base_url + page, address))
    if f"{url.scheme}://{url.netloc}" != site.origin:
        return None
    assert url.path.startswith(site.prefix), f"{page}: {address} leaves the prefix {site.prefix}"
    return unquote(url.path.removeprefix(site.prefix)), unquote(url.fragment)


def test_every_local_address_leads_to_a_file_and_every_anchor_to_an_id(site: Built) -> None:
    broken = []
    for page, doc in site.documents.items():
        for tag, name, address in addresses(doc):
            if address.startswith(("mailto:", "tel:", "data:")):
                continue
            assert address or name == "action", f"{page}: <{tag}> with an empty {name}"
            target = local(site, address, page)
            if target is None:
                continue
            path, fragment = target
            if name == "action" and path.startswith("api/"):
                continue
            file = site.out / (path + "index.html" if path == "" or path.endswith("/") else path)
            if not file.is_file():
                broken.append(f"{page}: {tag} {name}={address}")
            elif fragment and not site.documents[path].css_first(f'[id="{fragment}"]'):
                broken.append(f"{page}: {address}: no such id")
    assert not broken, "\n".join(broken)


def test_every_page_is_reached_from_the_home_page(site: Built) -> None:
    """But those that only a form, its handler or a former address leads to, and what stands alone on purpose."""
    seen, todo = set(), [""]
    while todo:
        page = todo.pop()
        if page in seen or page not in site.documents:
            continue
        seen.add(page)
        targets = (local(site, a, page) for tag, _, a in addresses(site.documents[page]) if tag == "a")
        todo += [target[0] for target in targets if target]
    apart = {p for p in site.pages if p.startswith("forms/") or p == "404.html" or site.is_redirect(p)}
    alone = {"bare-landing/", "de/", "draft/", "hero-form/", "hidden/", "privacy/", "twice/", "welcome/", "offer/"}
    alone |= {"reference/"}
    assert set(site.pages) - seen - apart <= alone


def test_a_former_address_leads_to_the_page(complete: Built, prefixed: Built) -> None:
    for site in (complete, prefixed):
        old = site.documents["old-offer/"]
        refresh = old.css_first('meta[http-equiv="refresh"]')
        assert refresh and refresh.attributes["content"] == f"0; url={site.prefix}hero-form/"
        canonical = old.css_first('link[rel="canonical"]')
        assert canonical and canonical.attributes["href"] == site.base_url + "hero-form/"


def test_every_picture_of_the_site_has_its_true_size_and_an_alt(site: Built) -> None:
    for page, doc in site.documents.items():
        for image in doc.css("img"):
            attrs = image.attributes
            assert "alt" in attrs, (page, image.html)
            target = local(site, attrs["src"] or "", page)
            assert target, (page, image.html)
            stated = (int(attrs["width"] or 0), int(attrs["height"] or 0))
            data = (site.out / target[0]).read_bytes()
            if target[0].endswith(".svg"):
                assert all(stated), (page, image.html)
            else:
                with Image.open(io.BytesIO(data)) as picture:
                    assert picture.size == stated, (page, image.html)


def test_the_one_large_picture_comes_first_and_the_rest_are_lazy(site: Built) -> None:
    for page, doc in site.documents.items():
        large = doc.css('img[fetchpriority="high"]')
        assert len(large) <= 1, page
        assert not [i.html for i in large if i.attributes.get("loading") == "lazy"], page
        for image in doc.css(".prose img"):
            assert image.attributes.get("loading") == "lazy", (page, image.html)
            assert image.attributes.get("decoding") == "async", (page, image.html)


def test_the_leading_picture_is_shown_once(site: Built) -> None:
    for page, doc in site.documents.items():
        lead = doc.css_first("img.lead-image")
        if lead:
            same = [i for i in doc.css("main img") if i.attributes["src"] == lead.attributes["src"]]
            related = doc.css(".teasers img")
            elsewhere = [i for i in related if i.attributes["src"] == lead.attributes["src"]]
            assert len(same) - len(elsewhere) == 1, page


def test_every_social_picture_exists_with_the_size_that_is_stated(site: Built) -> None:
    for page, doc in site.documents.items():
        meta = {m.attributes["property"]: m.attributes["content"] or "" for m in doc.css("meta[property]")}
        if "og:image" not in meta:
            assert not site.is_indexable(page), page
            continue
        assert meta["og:image"].startswith(site.base_url), page
        target = local(site, meta["og:image"], page)
        assert target
        with Image.open(site.out / target[0]) as picture:
            assert picture.size == (int(meta["og:image:width"]), int(meta["og:image:height"])), page
            # A smaller picture is cropped to the same shape, and never made larger.
            assert picture.width <= 1200 and abs(picture.width / picture.height - 1200 / 630) < 0.01, page
            assert picture.width >= 600, page


def test_published_pictures_have_their_content_in_their_name(site: Built) -> None:
    files = [f for f in (site.out / "media").rglob("*") if f.is_file()]
    assert files
    for file in files:
        assert re.search(r"[0-9a-f]{10}", file.name), file


def test_translations_name_each_other_and_a_default(complete: Built, prefixed: Built) -> None:
    for site in (complete, prefixed):
        wanted = {("de", "de/"), ("en", "welcome/"), ("x-default", "welcome/")}
        for page in ("de/", "welcome/"):
            links = site.documents[page].css('link[rel="alternate"][hreflang]')
            found = {(link.attributes["hreflang"], link.attributes["href"]) for link in links}
            assert found == {(lang, site.base_url + path) for lang, path in wanted}, page
