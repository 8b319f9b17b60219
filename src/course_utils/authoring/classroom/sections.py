"""Take a lesson's notebook apart: what slides and the instructor's pages show of it."""

import base64
import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from course_utils.authoring.classroom.prose import literal, paragraph, prediction
from course_utils.authoring.compare_outputs import tags
from course_utils.authoring.notebook_files import read_notebook
from course_utils.syllabus import Lesson, Practice

if TYPE_CHECKING:
    from nbformat import NotebookNode

ROOT = Path(__file__).parents[4]
_HEADING = re.compile(r"^## (?P<title>.+)$", re.MULTILINE)
# A long sentence is printed in several lines; the further ones are indented.
_CLAIM = re.compile(r"^✓ \d+\.\d+ (.+(?:\n  .+)*)", re.MULTILINE)
_CONTINUED = "\n" + " " * 6


@dataclass(frozen=True)
class Figure:
    """The stored picture of a contrast.

    Attributes:
        png: The file's bytes.
        alt: Its text alternative, which begins with its title.
    """

    png: bytes
    alt: str

    @property
    def title(self) -> str:
        """The finding, for example ``"Same weights, lost settings"``."""
        return self.alt.partition(". ")[0]


@dataclass(frozen=True)
class Section:
    """One practice as its lesson presents it, in Markdown without links.

    Attributes:
        practice: Its row in the syllabus.
        question: The situation, up to the prediction.
        asked: What is to be predicted.
        options: By letter, what may happen.
        given: Code that the question is about, ``""`` where it needs none.
        bad: Code of the version without the habit.
        good: Code of the version with it.
        figure: What the contrast drew, if anything.
        table: What it measured, in HTML.
        said: What Lightning says to each version, as a list.
        claims: Sentences that the measurement keeps.
        why: The first paragraph of the reason.
        scope: How far the rule reaches.
        exception: When the bad version is right.
    """

    practice: Practice
    question: str
    asked: str
    options: dict[str, str]
    given: str
    bad: str
    good: str
    figure: Figure | None
    table: str
    said: str
    claims: tuple[str, ...]
    why: str
    scope: str
    exception: str


def _tagged(cells: Iterable["NotebookNode"], tag: str) -> list["NotebookNode"]:
    return [cell for cell in cells if tag in tags(cell)]


def _printed(cells: Iterable["NotebookNode"]) -> str:
    outputs = [out for cell in cells for out in cell.get("outputs", [])]
    return "".join(out.text for out in outputs if out.output_type == "stream")


def _figure(cells: Iterable["NotebookNode"]) -> Figure | None:
    for cell in cells:
        for output in cell.get("outputs", []):
            if png := output.get("data", {}).get("image/png"):
                alt = output["metadata"]["image/png"]["alt"]
                return Figure(base64.b64decode(png), alt)
    return None


def _said(printed: str) -> str:
    """Return what the libraries said, from the lines that a contrast prints."""
    told = printed.partition("\nThe answer is")[0]
    lines = told.replace(_CONTINUED, " ").splitlines()
    return literal("\n".join(re.sub(r"^( *)", r"\1- ", line) for line in lines))


def _claims(printed: str) -> tuple[str, ...]:
    """Return the sentences that a claim's cells print."""
    found = _CLAIM.findall(printed)
    return tuple(literal(each.replace("\n  ", " ")) for each in found)


def _table(cells: Iterable["NotebookNode"]) -> str:
    shown = [out.get("data", {}) for cell in cells for out in cell.get("outputs", [])]
    tables = (each.get("text/html", "") for each in shown)
    return next((each for each in tables if each.startswith("<table")), "")


def _given(cells: Iterable["NotebookNode"]) -> str:
    """Return the code above the cell that takes the prediction."""
    above = takewhile(lambda cell: "predict" not in tags(cell), cells)
    return "\n\n\n".join(cell.source for cell in above if cell.cell_type == "code")


def _section(practice: Practice, cells: list["NotebookNode"]) -> Section:
    prose = "\n\n".join(c.source for c in cells if c.cell_type == "markdown")
    code = {
        tag: "\n\n\n".join(cell.source for cell in _tagged(cells, tag))
        for tag in ("bad", "good")
    }
    return Section(
        practice,
        *prediction(prose),
        given=_given(cells),
        **code,
        figure=_figure([*_tagged(cells, "contrast"), *cells]),
        table=_table(_tagged(cells, "contrast")),
        said=_said(_printed(_tagged(cells, "contrast"))),
        claims=_claims(_printed(_tagged(cells, "claim"))),
        why=paragraph(prose, "Why."),
        scope=paragraph(prose, "Scope."),
        exception=paragraph(prose, "When the bad version is right."),
    )


@functools.cache
def notebook(lesson: Lesson) -> "NotebookNode":
    """Return the lesson's notebook as it is stored, with its outputs.

    Raises:
        ValueError: If the file is damaged.
    """
    return read_notebook(ROOT / "notebooks" / f"{lesson.file}.ipynb")


def by_heading(lesson: Lesson) -> dict[str, list["NotebookNode"]]:
    """Return a lesson's cells by the heading of level 2 that they stand under."""
    from nbformat.v4 import new_markdown_cell

    found: dict[str, list[NotebookNode]] = {}
    inside = ""
    for cell in notebook(lesson).cells:
        heading = cell.cell_type == "markdown" and _HEADING.search(cell.source)
        if heading:
            inside = heading["title"]
            cell = new_markdown_cell(cell.source[heading.start() :])
        found.setdefault(inside, []).append(cell)
    return found


def sections(lesson: Lesson) -> list[Section]:
    """Return every practice of a lesson, in order; none of the capstone.

    Raises:
        ValueError: If a part of one of them is missing; it names the practice.
    """
    cells, found = by_heading(lesson), []
    for practice in lesson.practices:
        try:
            heading = f"{practice.id} {practice.title}"
            found.append(_section(practice, cells[heading]))
        except ValueError as error:
            raise ValueError(f"Practice {practice.id}: {error}") from error
    return found
