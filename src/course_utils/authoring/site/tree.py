"""Lay out everything that Sphinx reads in one folder: pages, notebooks, figures."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat

from course_utils import syllabus
from course_utils.authoring.notebook_files import read_notebook
from course_utils.authoring.site.pages import page
from course_utils.authoring.stamp import Home, openers

OWN = "site"  # the folder of pages written for the site; here they lie at the top
RECORDS = "src/course_utils/records"
# What a page at the top folder links to, and where that lies in the tree.
_MOVED = {f"]({OWN}/": "](", f"]({RECORDS}/": "](", "](solutions/)": "](solutions.md)"}


def _on_github(text: str, home: Home | None) -> str:
    """Return a page without badges, its links to GitHub's own pages made absolute.

    A badge is an image from another host. Where the repository is not known, the text
    of such a link remains.
    """
    text = re.sub(r"^\[!\[.*\n", "", text, flags=re.MULTILINE)
    if home:
        return text.replace("](../../", f"]({home.repository}/")
    return re.sub(r"\[([^\]]+)\]\(\.\./\.\./[^)]*\)", r"\1", text)


def _from_top(text: str) -> str:
    """Return a page of the project's top folder with links that fit the tree."""
    for there, here in _MOVED.items():
        text = text.replace(there, here)
    return text.replace("```mermaid", "```text")  # drawn by GitHub only


def _evidence(text: str) -> str:
    """Return the record with targets that Sphinx finds instead of HTML's."""
    return re.sub(r'<a id="(lesson-\d\d)"></a>', r"(\1)=", text)


def _texts(root: Path, home: Home | None) -> Iterator[tuple[str, str]]:
    """Yield each page in Markdown: its name in the tree, and its text."""
    for name in ("README.md", "CONTRIBUTING.md"):
        text = (root / name).read_text("utf-8")
        yield name, _from_top(_on_github(text, home))
    for path in sorted((root / OWN).glob("*.md")):
        text = path.read_text("utf-8")
        yield path.name, _from_top(text.replace("](../", "]("))
    evidence = root / RECORDS / "evidence.md"
    yield evidence.name, _evidence(evidence.read_text("utf-8"))


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _where_it_runs(path: str, home: Home | None) -> str:
    """Return a line of links; no badges, which are images of other hosts."""
    if not home:
        return ""
    places = openers(home, path).items()
    links = [f"[{name.removeprefix('Open ')}]({to})" for name, (_, to) in places]
    return f"**Run it** {' · '.join(links)}"


def _write_notebooks(root: Path, tree: Path, home: Home | None) -> None:
    for lesson in syllabus.load().ready:
        for folder, practices in (
            ("notebooks", lesson.practices),
            ("solutions", None),
        ):
            name = f"{folder}/{lesson.file}.ipynb"
            runs = _where_it_runs(name, home)
            made = page(read_notebook(root / name), practices, runs)
            _write(tree / name, nbformat.writes(made.notebook).encode())
            for figure, png in made.figures.items():
                _write(tree / figure, png)


def lay_out(root: Path, tree: Path, home: Home | None = None) -> None:
    """Fill the folder ``tree``, which does not exist yet.

    Args:
        root: The course's top folder.
        tree: Where Sphinx reads.
        home: Where the course is published, if that is known.

    Raises:
        ValueError: If a stored notebook is damaged.
        LookupError: If a figure has no alternative text.
    """
    shutil.copytree(root / OWN / "_static", tree / "_static")
    for name, text in _texts(root, home):
        _write(tree / name, text.encode())
    for name in (f"{OWN}/conf.py", "LICENSE", ".github/contrast.png"):
        _write(tree / name.removeprefix(f"{OWN}/"), (root / name).read_bytes())
    _write_notebooks(root, tree, home)
