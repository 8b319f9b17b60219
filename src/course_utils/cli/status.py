"""``course status``: what this learner has predicted and solved, and what remains."""

from dataclasses import astuple, dataclass
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
    "you have predicted, and the minutes of every exercise not solved yet. The total "
    "leaves out lesson 00."
)
PLANNED = "Of planned lessons it counts the practices, not the minutes."


@dataclass(frozen=True)
class LessonStatus:
    """What a learner has done in one lesson or several.

    Attributes:
        practices: Number of practices.
        predicted: Number of them that were predicted.
        right: Number of them whose first prediction was right.
        exercises: Number of exercises.
        solved: Number of exercises that were ever correct.
        minutes: Minutes left.
        repaired: Practices repaired in the capstone's script.
    """

    practices: int
    predicted: int = 0
    right: int = 0
    exercises: int = 0
    solved: int = 0
    minutes: int = 0
    repaired: int = 0

    def __add__(self, other: "LessonStatus") -> "LessonStatus":
        """Return the sum of both."""
        both = zip(astuple(self), astuple(other), strict=True)
        return LessonStatus(*map(sum, both))

    def cells(self) -> tuple[str, str, str, str]:
        """Return the cells of its row in the table."""
        right = f"{self.right} of {self.predicted}" if self.predicted else "-"
        solved = f"{self.solved} of {self.exercises}" if self.exercises else "-"
        if self.repaired and not self.exercises:
            solved = f"{self.repaired} repaired"
        return str(self.practices or "-"), right, solved, str(self.minutes)


def lesson_status(lesson: Lesson, done: Progress) -> LessonStatus:
    """Return the learner's status in a lesson that is ready."""
    predicted = [p for p in lesson.practices if p.id in done.predictions]
    exercises = {p.id: p.minutes for p in lesson.practices if p.exercise}
    if lesson.id == progress.OWN_CODE:
        exercises = {lesson.id: lesson.exercise_minutes}
    open_ones = [each for each in exercises if not done.solved(each)]
    unread = 1 - len(predicted) / len(lesson.practices) if lesson.practices else 1
    # The capstone lists no exercises, only the sum of their minutes.
    work = (
        sum(exercises[each] for each in open_ones)
        if exercises
        else lesson.exercise_minutes
    )
    return LessonStatus(
        practices=len(lesson.practices),
        predicted=len(predicted),
        right=sum(done.predictions[p.id] for p in predicted),
        exercises=len(exercises),
        solved=len(exercises) - len(open_ones),
        minutes=round(lesson.teaching_minutes * unread) + work,
        repaired=len(done.repairs) if lesson.id == CAPSTONE else 0,
    )


def _add_lessons(table: "Table", done: Progress) -> LessonStatus:
    """Add a row for each lesson; return the total without lesson 00."""
    total = LessonStatus(0)
    for lesson in syllabus.load().lessons:
        name = f"{lesson.id} {lesson.title}"
        if lesson.ready:
            row = lesson_status(lesson, done)
            table.add_row(name, *row.cells())
        else:
            row = LessonStatus(len(lesson.practices))
            table.add_row(name, row.cells()[0], "", "", "planned", style="dim")
        if lesson.id != "00":
            total += row
    return total


def _prediction_summary(total: LessonStatus) -> str:
    if progress.file() is None:
        return "Progress is not saved because COURSE_PROGRESS_FILE is empty; unset it."
    if not total.predicted:
        return "You have not predicted an outcome yet."
    share = round(100 * total.right / total.predicted)
    return (
        f"You predicted {total.right} of {total.predicted} outcomes right ({share} %); "
        "the first prediction counts, and lesson 00 does not."
    )


def _where() -> str:
    """Return where the progress is kept, for those who hand it in."""
    path = progress.file()
    return f"Kept in {path}; an instructor may ask for this file." if path else ""


def status() -> None:
    """Show what you have predicted and solved, and the minutes left."""
    counts = ("practices", "predicted\nright", "exercises\nsolved", "minutes\nleft")
    table = new_table({"lesson": "left", **dict.fromkeys(counts, "right")})
    on, done = console(), progress.load()
    total = _add_lessons(table, done)
    table.add_section()
    table.add_row("total", *total.cells(), style="bold")
    on.print(table)
    if done.problem:
        on.print(done.problem, soft_wrap=True)
    on.print(_prediction_summary(total))
    on.print(_where(), soft_wrap=True)
    lessons = syllabus.load().lessons
    on.print(
        NOTE, *[] if all(each.ready for each in lessons) else [PLANNED], style="dim"
    )
