"""``course status``: what this learner has predicted and solved, and what is left."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from course_utils import progress, syllabus
from course_utils.cli.terminal import console, new_table
from course_utils.progress import Progress
from course_utils.syllabus import Lesson

if TYPE_CHECKING:
    from rich.table import Table

CAPSTONE = "14"  # its exercise is one script, repaired step by step
NOTE = (
    "Minutes left: a lesson's teaching minutes, less the share of its practices that "
    "you have predicted, and the minutes of every exercise not solved yet. Lesson 00 "
    "and planned lessons are not in the total; its practices are those of all lessons "
    "but 00."
)


@dataclass(frozen=True)
class Standing:
    """What a learner has done of some lessons.

    Attributes:
        practices: Number of practices.
        predicted: Number of them that were predicted.
        right: Number of them whose first prediction was right.
        exercises: Number of exercises.
        solved: Number of exercises that were ever correct.
        minutes: What is left to do, in minutes.
        repaired: Practices repaired in the capstone's script.
    """

    practices: int
    predicted: int = 0
    right: int = 0
    exercises: int = 0
    solved: int = 0
    minutes: int = 0
    repaired: int = 0

    def __add__(self, other: "Standing") -> "Standing":
        """Return both together."""
        return Standing(
            self.practices + other.practices,
            self.predicted + other.predicted,
            self.right + other.right,
            self.exercises + other.exercises,
            self.solved + other.solved,
            self.minutes + other.minutes,
            self.repaired + other.repaired,
        )

    def cells(self) -> tuple[str, str, str, str]:
        """Return the cells of a table's row."""
        right = f"{self.right} of {self.predicted}" if self.predicted else "-"
        solved = f"{self.solved} of {self.exercises}" if self.exercises else "-"
        if self.repaired and not self.exercises:
            solved = f"{self.repaired} repaired"
        return str(self.practices or "-"), right, solved, str(self.minutes)


def standing(lesson: Lesson, done: Progress) -> Standing:
    """Return how far the learner has come with a lesson that is ready."""
    predicted = [p for p in lesson.practices if p.id in done.predictions]
    exercises = [p for p in lesson.practices if p.exercise]
    open_ones = [p for p in exercises if not done.solved(p.id)]
    unread = 1 - len(predicted) / len(lesson.practices) if lesson.practices else 1
    # A lesson without practices has exercises that only its total of minutes knows.
    work = sum(p.minutes for p in open_ones) if exercises else lesson.exercise_minutes
    return Standing(
        practices=len(lesson.practices),
        predicted=len(predicted),
        right=sum(done.predictions[p.id] for p in predicted),
        exercises=len(exercises),
        solved=len(exercises) - len(open_ones),
        minutes=round(lesson.teaching_minutes * unread) + work,
        repaired=len(done.repairs) if lesson.id == CAPSTONE else 0,
    )


def _empty_table() -> "Table":
    table = new_table()
    table.add_column("lesson", no_wrap=True)
    for name in (
        "practices",
        "predicted\nright",
        "exercises\nsolved",
        "minutes\nleft",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _add_lessons(table: "Table", done: Progress) -> Standing:
    """Add a row for each lesson; return the total of what counts."""
    total = Standing(0)
    for lesson in syllabus.load().lessons:
        name, counts = f"{lesson.id} {lesson.title}", lesson.id != "00"
        if lesson.ready:
            row = standing(lesson, done)
            table.add_row(name, *row.cells())
        else:
            row = Standing(len(lesson.practices))
            table.add_row(name, row.cells()[0], "", "", "planned", style="dim")
        total += row if counts else Standing(0)
    return total


def _judgement(total: Standing) -> str:
    if progress.file() is None:
        return "Progress is not kept: COURSE_PROGRESS_FILE is empty; unset it."
    if not total.predicted:
        return "You have not predicted an outcome yet."
    share = round(100 * total.right / total.predicted)
    return (
        f"You predicted {total.right} of {total.predicted} outcomes right ({share} %); "
        "the first prediction counts, and lesson 00 does not."
    )


def status() -> None:
    """Show what you have predicted and solved, and the minutes that are left."""
    on, table, done = console(), _empty_table(), progress.load()
    total = _add_lessons(table, done)
    table.add_section()
    table.add_row("total", *total.cells(), style="bold")
    on.print(table)
    if done.trouble:
        on.print(done.trouble, soft_wrap=True)
    on.print(_judgement(total))
    on.print(NOTE, style="dim")
