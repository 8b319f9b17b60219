"""The evidence that ships with the course: its runs and its renewal."""

from pathlib import Path

from course_utils import syllabus
from course_utils.authoring.evidence import confidence, page, store
from course_utils.authoring.evidence.tasks import Outcome
from course_utils.cli.runs import new_task, stored_notebook
from course_utils.cli.terminal import complain
from course_utils.experiments.confidence import TABLE


def _current(outcomes: list[Outcome], folder: Path) -> list[Outcome]:
    """Return the last outcome of each task, if it is of today's code of its lesson."""
    course, code = syllabus.load(), {}
    for name in {outcome.task.lesson for outcome in outcomes}:
        lesson = course.lesson(name)
        code[name] = new_task(lesson, stored_notebook(lesson, folder), 0).code
    last = {o.task: o for o in outcomes if o.task.code == code[o.task.lesson]}
    return sorted(
        last.values(), key=lambda o: (o.task.lesson, o.task.data, o.task.seed)
    )


def publish(file: Path, folder: Path, to: Path) -> None:
    """Write the evidence, its page and the table for lessons into the folder ``to``.

    They hold the finished runs of ``file``, and those that were published in ``to``
    before. Runs of another code than the lesson's present one are left out.

    Raises:
        ValueError: If the evidence in ``to`` is damaged.
    """
    published = store.read(to / store.NAME)
    every = [*published, *store.read(file, skip_damaged=True)]
    outcomes = _current(every, folder)
    to.mkdir(parents=True, exist_ok=True)
    (to / store.NAME).write_text(store.to_text(outcomes), "utf-8")
    (to / page.NAME).write_text(page.page(outcomes), "utf-8")
    (to / TABLE).write_text(confidence.to_text(outcomes), "utf-8")
    complain(f"{len(outcomes)} runs are published in {to}.")
