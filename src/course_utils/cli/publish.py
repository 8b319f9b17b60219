"""The record that ships with the course: which runs it holds, and how it is renewed."""

import json
from pathlib import Path

from course_utils import syllabus
from course_utils.authoring.evidence import page, store
from course_utils.authoring.evidence.tasks import Outcome, read_lines
from course_utils.cli.runs import new_task, stored_notebook
from course_utils.cli.terminal import complain


def recorded(folder: Path) -> list[Outcome]:
    """Return the outcomes in the record in ``folder``; none if there is no record.

    Raises:
        ValueError: If the file is no record.
    """
    file = folder / store.NAME
    if not file.is_file():
        return []
    try:
        return list(store.unpack(json.loads(file.read_text("utf-8"))))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ValueError(
            f"Expected {file} to be a record of evidence but it is damaged: restore "
            "it, or delete it and measure again."
        ) from error


def _current(outcomes: list[Outcome], folder: Path) -> list[Outcome]:
    """Return the last outcome of each task, if it is of today's code of its lesson."""
    course, code = syllabus.load(), {}
    for name in {outcome.task.lesson for outcome in outcomes}:
        lesson = course.lesson(name)
        code[name] = new_task(lesson, stored_notebook(lesson, folder), 0).code
    current = [each for each in outcomes if each.task.code == code[each.task.lesson]]
    return list({each.task: each for each in current}.values())


def publish(file: Path, folder: Path, to: Path) -> None:
    """Write ``evidence.json`` and ``evidence.md`` into the folder ``to``.

    They hold the runs of ``file``, and those that the record held before. Runs of
    another code than the lesson's present one are left out.

    Args:
        file: Finished runs.
        folder: The course's folder.
        to: Made if it is not there.
    """
    every = _current([*recorded(to), *read_lines(file)], folder)
    outcomes = store.unpack(store.pack(every))
    to.mkdir(parents=True, exist_ok=True)
    (to / store.NAME).write_text(store.to_text(outcomes), "utf-8")
    (to / page.NAME).write_text(page.page(outcomes), "utf-8")
    complain(f"{len(outcomes)} runs are published in {to}.")
