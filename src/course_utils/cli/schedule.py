"""``course schedule``: a timetable for a class, from the minutes in the syllabus."""

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from course_utils.cli.folder import chosen_lessons
from course_utils.cli.run import Names
from course_utils.cli.terminal import console, new_table, one_sentence
from course_utils.syllabus import Lesson


@dataclass(frozen=True)
class Slot:
    """One line of a schedule.

    Attributes:
        start: Minutes after midnight.
        minutes: Duration.
        what: ``"break"``, ``"end"``, or a lesson such as ``"12 Common pitfalls"``.
        part: ``"experiments"``, ``"exercises"`` or ``""``.
    """

    start: int
    minutes: int
    what: str
    part: str = ""

    @property
    def clock(self) -> str:
        """Its start as hours and minutes; after midnight it begins again at 00:00."""
        return f"{self.start // 60 % 24:02}:{self.start % 60:02}"


def slots(lessons: Sequence[Lesson], start: int, pause: int) -> Iterator[Slot]:
    """Yield experiments and exercises of each lesson, with breaks between lessons.

    Args:
        lessons: In teaching order.
        start: Minutes after midnight.
        pause: Minutes of a break between two lessons.
    """
    now = start
    for lesson in lessons:
        if lesson is not lessons[0] and pause:
            yield Slot(now, pause, "break")
            now += pause
        name = f"{lesson.id} {lesson.title}"
        yield Slot(now, lesson.teaching_minutes, name, "experiments")
        now += lesson.teaching_minutes
        yield Slot(now, lesson.exercise_minutes, name, "exercises")
        now += lesson.exercise_minutes
    yield Slot(now, 0, "end")


def _minutes(clock: str) -> int:
    try:
        time = datetime.datetime.strptime(clock, "%H:%M")
    except ValueError as error:
        raise ValueError(
            "Expected --start, from 0:00 to 23:59, to be a time such as 9:00 but got "
            f"{clock!r}."
        ) from error
    return 60 * time.hour + time.minute


def schedule(
    lessons: Names = None,
    start: Annotated[str, typer.Option(help="When the first lesson starts.")] = "9:00",
    pause: Annotated[
        int, typer.Option("--break", min=0, help="Minutes between two lessons.")
    ] = 10,
) -> None:
    """Show a timetable for a class: experiments, exercises and breaks."""
    with one_sentence():
        found = list(slots(chosen_lessons(lessons), _minutes(start), pause))
    right = dict.fromkeys(("time", "minutes"), "right")
    table = new_table({**right, "lesson": "left", "part": "left"})
    for slot in found:
        table.add_row(slot.clock, str(slot.minutes or ""), slot.what, slot.part)
    console().print(table)
