"""A deck of slides per lesson, taken from the lesson; no network is needed to show it.

Slides hold the question, the options, both versions, the figure, the claims, the reason
and its scope, and the exercise: what a class looks at together, not the whole text.
"""

import importlib.util
import shutil
from importlib import resources
from pathlib import Path

from course_utils import syllabus
from course_utils.authoring.classroom import sheet
from course_utils.authoring.classroom.deck import deck
from course_utils.syllabus import Lesson

TEMPLATES = Path(str(resources.files(__package__)))
TEMPLATE = "offline_slides"
REVEAL = "reveal"  # folder beside the decks
CARRIED = (
    *("dist/reset.css", "dist/reveal.css", "dist/reveal.js"),
    *("plugin/notes/notes.js", "LICENSE"),
)


def reveal_folder() -> Path:
    """Return the copy of reveal.js that the package sphinx-revealjs carries.

    Raises:
        ValueError: If the package is not installed.
    """
    spec = importlib.util.find_spec("sphinx_revealjs")
    if spec is None or spec.origin is None:
        raise ValueError(
            "Expected a copy of reveal.js but found none: run `python -m pip install "
            "sphinx-revealjs` and try again."
        )
    return Path(spec.origin).parent / "_static" / "revealjs"


def to_html(lesson: Lesson) -> str:
    """Return the deck of a lesson as a page that reads reveal.js from ``reveal/``."""
    from nbconvert.exporters import SlidesExporter

    exporter = SlidesExporter(
        template_name=TEMPLATE,
        extra_template_basedirs=[str(TEMPLATES)],
        reveal_url_prefix=REVEAL,
        exclude_anchor_links=True,
    )
    name = f"{lesson.id} {lesson.title}"
    return exporter.from_notebook_node(deck(lesson), {"metadata": {"name": name}})[0]


def write(folder: Path) -> None:
    """Write all decks, reveal.js with its license, and the sheet into ``folder``.

    Raises:
        ValueError: If no copy of reveal.js is installed.
    """
    source, carried = reveal_folder(), folder / REVEAL
    carried.mkdir(parents=True, exist_ok=True)
    for file in CARRIED:
        shutil.copyfile(source / file, carried / Path(file).name)
    shutil.copyfile(TEMPLATES / TEMPLATE / "course.css", carried / "course.css")
    for lesson in syllabus.load().ready:
        (folder / f"{lesson.id}.html").write_text(to_html(lesson), "utf-8")
    (folder / "sheet.html").write_text(sheet.printable(), "utf-8")
