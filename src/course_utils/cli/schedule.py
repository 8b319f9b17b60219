"""``course schedule``: a timetable for a class, from the minutes in the syllabus."""

import datetime
from collections.abc import Sequence
from typing import Annotated

import typer

from course_utils.authoring.classroom.agenda import Day, Hours, days, fitting, rows
from course_utils.cli.folder import chosen_lessons
from course_utils.cli.run import Names
from course_utils.cli.terminal import console, new_table, one_sentence
from course_utils.syllabus import Lesson

MIDNIGHT = 24 * 60


def _minutes(clock: str, option: str) -> int:
    try:
        time = datetime.datetime.strptime(clock, "%H:%M")
    except ValueError as error:
        raise ValueError(
            f"Expected {option}, from 0:00 to 23:59, to be a time such as 9:00 but got "
            f"{clock!r}."
        ) from error
    return 60 * time.hour + time.minute


def _hours(length: str, start: str, end: str, pause: int, lunch: int) -> Hours:
    begins = _minutes(start, "--start")
    if length == "half":
        hours = Hours.half(begins, pause)
        if hours.end > MIDNIGHT:
            raise ValueError(f"Expected --start to be at most 20:00 but got {start}.")
        return hours
    hours = Hours(begins, _minutes(end, "--end"), pause, lunch)
    if hours.end <= hours.start:
        raise ValueError(f"Expected --end to be later than {start} but got {end}.")
    return hours


def _count(length: str) -> int | None:
    """Return how many days there are; None for as many as the lessons need."""
    if length == "half":
        return 1
    if not length:
        return None
    if not length.isdecimal() or int(length) < 1:
        raise ValueError(
            f"Expected --days to be half, 1, 2 or another number but got {length!r}."
        )
    return int(length)


def _plan(
    lessons: Sequence[Lesson], hours: Hours, count: int | None
) -> tuple[list[Day], list[Lesson]]:
    if count is None:
        return days(lessons, hours), []
    taken, left = fitting(lessons, hours, count)
    if not taken:
        raise ValueError(
            "Expected time for at least one lesson but none fits: begin earlier, end "
            "later, or choose more --days."
        )
    return days(taken, hours), left


def schedule(
    lessons: Names = None,
    length: Annotated[
        str,
        typer.Option(
            "--days",
            metavar="half|1|2|...",
            help="Half a day is four hours; without it, as many days as it takes.",
        ),
    ] = "",
    start: Annotated[str, typer.Option(help="When each day starts.")] = "9:00",
    end: Annotated[str, typer.Option(help="When each whole day is over.")] = "17:00",
    pause: Annotated[
        int, typer.Option("--break", min=0, help="Minutes of each break.")
    ] = 15,
    lunch: Annotated[int, typer.Option(min=0, help="Minutes of lunch.")] = 60,
) -> None:
    """Show a timetable for a class: experiments, exercises, breaks and lunch.

    A break comes after at most 90 minutes. What does not fit is left to read alone.
    """
    with one_sentence():
        hours = _hours(length, start, end, pause, lunch)
        plan, left = _plan(chosen_lessons(lessons), hours, _count(length))
    right = dict.fromkeys(("time", "minutes"), "right")
    table = new_table({"day": "left", **right, "lesson": "left", "part": "left"})
    for day, slot in rows(plan):
        table.add_row(day, slot.clock, str(slot.minutes or ""), slot.what, slot.part)
    on = console()
    on.print(table)
    if left:
        alone = sum(each.teaching_minutes + each.exercise_minutes for each in left)
        names = ", ".join(each.id for each in left)
        on.print(f"To read alone: {names} ({alone} minutes).", soft_wrap=True)
