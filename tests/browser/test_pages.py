"""What a reader meets on the web site, on every page of it, in a narrow window."""

from types import SimpleNamespace
from urllib.parse import urldefrag, urlsplit

import pytest
import whole_site
from loopback import served
from watched_page import barriers, open_page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2700)]
NARROW = {"width": 400, "height": 800}
PROJECTOR = {"width": 1280, "height": 720}
IN_THE_DARK = ("index.html", "notebooks/12_common_pitfalls.html", "versions.html")
LINKS = "[...document.links].map(each => each.href)"
ANCHORS = "[...document.querySelectorAll('[id], a[name]')].map(e => e.id || e.name)"
# furo lets the middle of a page scroll, so that the page itself is never too wide.
MIDDLE = "document.querySelectorAll('html, .content')"
WIDTH = f"Math.max(...[...{MIDDLE}].map(each => each.scrollWidth))"


def visited(page, address: str) -> SimpleNamespace:
    """Return what one page shows."""
    page.set_viewport_size(NARROW)
    page.goto(address)
    facts = SimpleNamespace(
        links=page.evaluate(LINKS),
        anchors=set(page.evaluate(ANCHORS)),
        width=page.evaluate(WIDTH),
    )
    if "/slides/" in address:
        page.set_viewport_size(PROJECTOR)
    facts.barriers = barriers(page)
    if address.endswith(IN_THE_DARK):
        page.emulate_media(color_scheme="dark")
        facts.barriers += barriers(page, only=("color-contrast",))
        page.emulate_media(color_scheme="light")
    return facts


@pytest.fixture(scope="module")
def site(browser, tmp_path_factory):
    """Return what every page shows, by its address, and what the browser complains."""
    folder, complaints = whole_site.built(tmp_path_factory), []
    with served(folder) as (root, _):
        page = open_page(browser, complaints)
        names = [path.relative_to(folder).as_posix() for path in folder.rglob("*.html")]
        pages = {f"{root}/{name}": visited(page, f"{root}/{name}") for name in names}
        yield SimpleNamespace(root=root, pages=pages, complaints=complaints, page=page)


def of_pages(site, what):
    """Return what is found on each page where anything is."""
    found = {urlsplit(each).path: what(facts) for each, facts in site.pages.items()}
    return {path: things for path, things in found.items() if things}


def test_no_page_has_an_error_or_asks_another_host_for_anything(site):
    assert len(site.pages) > 50
    assert site.complaints == []


def test_every_link_leads_to_a_page_and_every_anchor_to_a_place(site):
    def dead(facts):
        own = [link for link in facts.links if link.startswith(site.root)]
        return [link for link in own if not leads_somewhere(link)]

    def leads_somewhere(link):
        address, anchor = urldefrag(link)
        address += "index.html" * address.endswith("/")
        if address in site.pages:
            # Of a slide, reveal.js makes the anchor: #/2.
            known = site.pages[address].anchors
            return not anchor or anchor in known or anchor.startswith("/")
        return site.page.request.head(address).ok

    assert of_pages(site, dead) == {}


def test_every_page_fits_into_a_narrow_window(site):
    wide = of_pages(site, lambda facts: facts.width > NARROW["width"] and facts.width)
    assert wide == {}


def test_no_page_keeps_anybody_from_reading_it(site):
    assert of_pages(site, lambda facts: facts.barriers) == {}
