"""The index of symptoms, collected from the tables that close the lessons."""

import re
from pathlib import Path

from course_utils import syllabus
from course_utils.formatting import anchor, markdown_table
from course_utils.syllabus import Lesson

HEADING = "## Symptoms"
_ROW = re.compile(r"^# \| (?P<symptom>.+?) \| (?P<practice>\d+\.\d+) \|$", re.MULTILINE)


def of_lesson(script: str) -> list[tuple[str, str]]:
    """Return symptom and practice id of each row of a lesson's table.

    Args:
        script: The lesson, in jupytext's percent format.
    """
    _, _, after = script.partition(f"# {HEADING}\n")
    section = re.split(r"^# ## |^# %%", after, flags=re.MULTILINE)[0]
    return [(row["symptom"], row["practice"]) for row in _ROW.finditer(section)]


def _rows(lesson: Lesson, script: str) -> list[tuple[str, str]]:
    titles = {each.id: each.title for each in lesson.practices}
    return [
        (
            symptom,
            f"[{id_} {titles[id_]}](../notebooks/{lesson.file}.ipynb"
            f"#{anchor(f'{id_} {titles[id_]}')})",
        )
        for symptom, id_ in of_lesson(script)
    ]


def index(root: Path) -> str:
    """Return the rows of all lessons as one table in Markdown, for ``site``.

    Args:
        root: The course's top folder.
    """
    scripts = {
        lesson: (root / "notebooks" / f"{lesson.file}.py").read_text("utf-8")
        for lesson in syllabus.load().ready
    }
    rows = [row for each in scripts.items() for row in _rows(*each)]
    return markdown_table(("You see", "The practice behind it"), rows)
