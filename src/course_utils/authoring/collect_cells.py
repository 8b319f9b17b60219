"""Collect starters and solutions from the notebooks' scripts: part of ``make sync``."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import jupytext

from course_utils import syllabus
from course_utils.authoring.compare_outputs import tags
from course_utils.exercises.cells import NAME, Cells
from course_utils.syllabus import Lesson

RECORD = Path("src", "course_utils", "records", NAME)


def _tagged(script: Path, tag: str, lesson: Lesson) -> list[str]:
    """Return the cells of a script with this tag, one for each practice, in order.

    Raises:
        ValueError: If it does not hold one for each practice.
    """
    cells = jupytext.read(script).cells
    found = [c.source for c in cells if tag in tags(c)]
    if len(found) != len(lesson.practices):
        raise ValueError(
            f"Expected {len(lesson.practices)} cells tagged {tag!r} in {script}, one "
            f"for each practice, but got {len(found)}."
        )
    return found


def _of_lesson(root: Path, lesson: Lesson) -> Iterator[tuple[str, Cells]]:
    file = f"{lesson.file}.py"
    starters = _tagged(root / "notebooks" / file, "exercise", lesson)
    solutions = _tagged(root / "solutions" / file, "solution", lesson)
    for practice, *cells in zip(lesson.practices, starters, solutions, strict=True):
        yield practice.id, Cells(*cells)


def collect(root: Path) -> dict[str, Cells]:
    """Return both cells of every exercise, by practice id.

    Args:
        root: The course's top folder.

    Raises:
        ValueError: If a script does not hold one cell for each practice.
    """
    lessons = [each for each in syllabus.load().ready if each.practices]
    return {id_: cells for each in lessons for id_, cells in _of_lesson(root, each)}


def to_text(cells: dict[str, Cells]) -> str:
    """Return the record as the text of its file."""
    record = {practice: asdict(each) for practice, each in cells.items()}
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    RECORD.write_text(to_text(collect(Path.cwd())), "utf-8")
