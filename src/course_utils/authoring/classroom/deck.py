"""The slides of a lesson, as a notebook: what a class looks at together."""

import base64
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from course_utils.authoring.classroom import notes
from course_utils.authoring.classroom.prose import beginning, plain, prediction
from course_utils.authoring.classroom.sections import (
    Section,
    by_heading,
    notebook,
    sections,
)
from course_utils.syllabus import Lesson

if TYPE_CHECKING:
    from nbformat import NotebookNode

LONG = 16  # lines of code that need a smaller type
_CHECKLIST = re.compile(r"^- \[ \] (.+)$", re.MULTILINE)


def _slide(kind: str, *blocks: str) -> "NotebookNode":
    """Return a cell of Markdown that is a slide, part of one, or speaker's notes."""
    from nbformat.v4 import new_markdown_cell

    cell = new_markdown_cell("\n\n".join(filter(None, blocks)))
    cell.metadata["slideshow"] = {"slide_type": kind}
    return cell


def _code(name: str, code: str) -> str:
    block = f"### {name}\n\n```python\n{code}\n```"
    if len(code.splitlines()) <= LONG:
        return block
    return f'<div class="long">\n\n{block}\n\n</div>'


def _options(options: dict[str, str]) -> str:
    return "\n".join(f"- **{letter}** {text}" for letter, text in options.items())


def _versions(section: Section) -> Iterator["NotebookNode"]:
    bad, good = _code("Bad", section.bad), _code("Good", section.good)
    if len((section.bad + section.good).splitlines()) <= LONG:
        yield _slide("subslide", bad, good)
    else:
        yield _slide("subslide", bad)
        yield _slide("subslide", good)


def _contrast(section: Section) -> str:
    if section.figure is None:
        return section.table
    png = base64.b64encode(section.figure.png).decode()
    alt = section.figure.alt.replace("&", "&amp;").replace('"', "&quot;")
    return f'<img alt="{alt}" src="data:image/png;base64,{png}">'


def _practice(section: Section, tempting: notes.Tempting) -> Iterator["NotebookNode"]:
    practice = section.practice
    claims = "\n".join(f"- {claim}" for claim in section.claims)
    yield _slide("slide", f"## {practice.id} {practice.title}", section.question)
    if section.given:
        yield _slide("subslide", _code("Given", section.given))
    options = _options(section.options)
    yield _slide("subslide", f"## Predict\n\n{section.asked}", options)
    yield _slide(
        "notes",
        f"{tempting.sounds} sounds right, because {tempting.because} {tempting.turn}",
    )
    yield from _versions(section)
    title = section.figure.title if section.figure else "The contrast"
    yield _slide("subslide", f"## {title}", _contrast(section))
    yield _slide("notes", section.said)
    answer = f"{practice.answer}: {section.options[practice.answer]}"
    yield _slide("subslide", f"## The answer is {answer}", claims)
    yield _slide(
        "subslide",
        f"## Why\n\n{beginning(section.why)}",
        f"**Scope.** {beginning(section.scope)}",
        f"**When the bad version is right.** {beginning(section.exception)}",
    )
    yield _slide(
        "subslide", f"## Your turn\n\n{practice.exercise}, {practice.minutes} minutes."
    )


def _goals(lesson: Lesson) -> tuple[str, str, str]:
    """Return the title of a lesson, and what its first cell promises in a list."""
    first = next(c for c in notebook(lesson).cells if c.cell_type == "markdown")
    title, *rest = first.source.split("\n\n")
    place = next(n for n, each in enumerate(rest) if each.startswith("- "))
    return title, plain(rest[place - 1]), rest[place]


def _prose(cells: Iterable["NotebookNode"]) -> str:
    return "\n\n".join(c.source for c in cells if c.cell_type == "markdown")


def _in_short(prose: str) -> Iterator[str]:
    """Yield the beginnings of paragraphs, and lists, without code."""
    for text in map(plain, prose.split("\n\n")[1:]):
        if text.startswith("- "):
            yield f'<div class="small">\n\n{text}\n\n</div>'
        elif not text.startswith(("```", "### ")):
            yield beginning(text)


def _rounds(lesson: Lesson) -> Iterator["NotebookNode"]:
    """Yield a slide for each round, or step, of a lesson without practices."""
    for heading, cells in by_heading(lesson).items():
        prose = _prose(cells)
        if "**Predict" in prose:
            _, asked, options = prediction(prose)
            yield _slide("slide", f"## Predict\n\n{asked}", _options(options))
        elif heading.startswith(("Round ", "Step ")):
            yield _slide("slide", f"## {heading}", *_in_short(prose))


def _checklist(lesson: Lesson) -> str:
    prose = "\n".join(c.source for c in notebook(lesson).cells)
    return "\n".join(f"- {plain(item)}" for item in _CHECKLIST.findall(prose))


def deck(lesson: Lesson) -> "NotebookNode":
    """Return the slides of a lesson as a notebook of Markdown cells."""
    from nbformat.v4 import new_notebook

    said = notes.load().lessons[lesson.id]
    minutes = f"{lesson.teaching_minutes} minutes, exercises {lesson.exercise_minutes}"
    cells = [_slide("slide", *_goals(lesson), minutes), _slide("notes", said.ask)]
    for section in sections(lesson):
        cells += _practice(section, said.practices[section.practice.id])
    if not lesson.practices:
        cells += _rounds(lesson)
    if checklist := _checklist(lesson):
        small = f'<div class="small">\n\n{checklist}\n\n</div>'
        cells.append(_slide("slide", "## For your own code", small))
    cells += [_slide("slide", f"## {said.close}"), _slide("notes", said.answer)]
    return new_notebook(cells=cells)
