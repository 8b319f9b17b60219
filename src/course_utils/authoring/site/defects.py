"""Read finished web pages and name what a reader would miss: links, hosts, words."""

import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADED = {"stylesheet", "icon", "shortcut", "preload", "modulepreload", "manifest"}
_REMOTE_IN_CSS = re.compile(r"(?:url\(|@import)\s*['\"]?((?:https?:)?//[^'\")\s;]+)")


class _Page(HTMLParser):
    """One page.

    Attributes:
        ids: What a link may point to.
        loaded: The addresses that a browser fetches to show the page.
        links: The addresses that a reader may follow.
        wordless: The images without a text alternative.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.loaded: list[str] = _REMOTE_IN_CSS.findall(text)
        self.links: list[str] = []
        self.wordless: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what one element points to."""
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given.get("id", ""), given.get("name", "") if tag == "a" else ""}
        self.loaded += [given["src"]] if "src" in given else []
        if tag == "img" and not given.get("alt", "").strip():
            self.wordless.append(given.get("src", ""))
        if address := given.get("href", ""):
            fetched = tag == "link" and {*given.get("rel", "").split()} & _LOADED
            (self.loaded if fetched else self.links).append(address)


@cache
def _read(path: Path) -> _Page:
    return _Page(path.read_text("utf-8"))


def _is_dead(address: str, page: Path) -> bool:
    parts = urlsplit(address)
    target = page.parent / unquote(parts.path) if parts.path else page
    if target.is_dir():
        target /= "index.html"
    if not target.is_file():
        return True
    inside = unquote(parts.fragment)
    return bool(inside) and target.suffix == ".html" and inside not in _read(target).ids


def _of_page(path: Path) -> Iterator[str]:
    page = _read(path)
    for address in dict.fromkeys(page.loaded):
        parts = urlsplit(address)
        if parts.netloc:
            yield f"asks another host for {address}"
        elif parts.scheme != "data" and _is_dead(address, path):
            yield f"loads {address}, which is not there"
    for address in dict.fromkeys(page.links):
        parts = urlsplit(address)
        if not parts.scheme and not parts.netloc and _is_dead(address, path):
            yield f"links to {address}, which is not there"
    for address in page.wordless:
        yield f"shows {address} without a text alternative"


def defects(folder: Path) -> list[str]:
    """Return one line for each defect of the pages and style sheets in ``folder``.

    A link to another host is none: nobody fetches it before a reader follows it.

    Raises:
        ValueError: If there is no page.
    """
    pages = sorted(folder.rglob("*.html"))
    if not pages:
        raise ValueError(f"Expected HTML pages in {folder} but found none.")
    _read.cache_clear()
    found = [f"{p.relative_to(folder)} {each}" for p in pages for each in _of_page(p)]
    for sheet in sorted(folder.rglob("*.css")):
        remote = _REMOTE_IN_CSS.findall(sheet.read_text("utf-8"))
        name = sheet.relative_to(folder)
        found += [f"{name} asks another host for {address}" for address in remote]
    return found
