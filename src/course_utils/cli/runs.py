"""Lessons as tasks, executed one after the other, each in a clean kernel."""

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from course_utils import syllabus
from course_utils.authoring.evidence.tasks import (
    Outcome,
    Task,
    code_digest,
    require_claims,
)
from course_utils.authoring.notebook_files import damage
from course_utils.cli.terminal import FAILED, INTERRUPTED, complain, console
from course_utils.syllabus import Lesson

if TYPE_CHECKING:
    from rich.progress import Progress


def stored_notebook(lesson: Lesson, folder: Path) -> str:
    """Return a lesson's notebook as the text of its file.

    Raises:
        ValueError: If there is none, or it is no notebook.
    """
    path = folder / "notebooks" / f"{lesson.file}.ipynb"
    if not path.is_file():
        raise ValueError(f"There is no {path.name}: run `make sync`, which makes it.")
    if found := damage(path):
        raise ValueError(f"{path.parent.name}/{path.name} {found}.")
    return path.read_text("utf-8")


def new_task(lesson: Lesson, notebook: str, seed: int, data: str = "") -> Task:
    """Return the task of running ``notebook`` under a seed."""
    return Task(lesson.id, seed, data, code=code_digest(json.loads(notebook)))


def describe(outcome: Outcome) -> str:
    """Return a line that says how a run ended."""
    task, claims = outcome.task, outcome.claims
    title = syllabus.load().lesson(task.lesson).title
    where = f", {task.data}" if task.data else ""
    kept = sum(claim.holds for claim in claims)
    line = f"{task.lesson} {title}, seed {task.seed}{where}: "
    line += f"{kept} of {len(claims)} claims hold."
    return f"{line} {outcome.failure}".rstrip()


def new_progress(unit: str) -> "Progress":
    """Return a bar on stderr that counts ``unit``; silent without a terminal."""
    from rich import progress

    on = console(stderr=True)
    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(20),
        progress.MofNCompleteColumn(),
        progress.TextColumn(unit),
        progress.TimeElapsedColumn(),
        console=on,
        transient=True,
        disable=not on.is_terminal,
    )


def _execute(
    lesson: Lesson, folder: Path, seed: int, on_cell: Callable[[int, int], None]
) -> Outcome:
    from course_utils.authoring.evidence.execute_task import execute_task

    try:
        notebook = stored_notebook(lesson, folder)
    except ValueError as error:
        return Outcome(Task(lesson.id, seed), failure=str(error))
    task = new_task(lesson, notebook, seed)
    outcome = execute_task(task, notebook, folder / "notebooks", on_cell)
    return require_claims(outcome)


def run_in_order(
    lessons: Sequence[Lesson], folder: Path, seed: int
) -> tuple[list[Outcome], bool]:
    """Run lessons, with a progress bar and a line for each on stderr.

    Returns:
        The outcomes of those that ended, in order, and whether Ctrl-C stopped the rest.
    """
    # After Ctrl-C nbclient's futures would log errors that do not concern a learner.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    outcomes: list[Outcome] = []
    with new_progress("cells") as bar:
        row = bar.add_task("")

        def on_cell(done: int, total: int) -> None:
            bar.update(row, completed=done, total=total)

        try:
            for place, lesson in enumerate(lessons, start=1):
                name = f"{lesson.id} ({place} of {len(lessons)})"
                bar.reset(row, description=name, total=None)
                outcomes.append(_execute(lesson, folder, seed, on_cell))
                bar.console.print(describe(outcomes[-1]), soft_wrap=True)
        except KeyboardInterrupt:
            return outcomes, True
    return outcomes, False


def end(interrupted: bool, holds: bool, remark: str = "") -> None:
    """Leave the command: status 0 if all holds, 1 if not, 130 after Ctrl-C."""
    if interrupted:
        complain(remark or "Stopped. The lesson that was running is not counted.")
        raise typer.Exit(INTERRUPTED)
    if not holds:
        raise typer.Exit(FAILED)
