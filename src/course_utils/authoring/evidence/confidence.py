"""One line on how sure we are of a contrast, from the published record."""

from collections.abc import Sequence

from course_utils.authoring.evidence import store
from course_utils.authoring.evidence.summary import Paired, paired
from course_utils.authoring.evidence.tasks import Outcome
from course_utils.formatting import decimal

LEAST = 10  # runs below which nothing is said


def _comparable(outcomes: Sequence[Outcome], lesson: str) -> list[Outcome]:
    """Return the runs on the data that ships with the course, on all cores."""
    return [
        outcome
        for outcome in outcomes
        if (outcome.task.lesson, outcome.task.data) == (lesson, "embedded")
        and outcome.task.cores == 0
    ]


def _headline(practice: str, runs: Sequence[Outcome]) -> Paired | None:
    """Return the measurement that the first claim about the contrast is made of.

    If no claim compares the versions it is the first measurement that differs between
    them in every run.
    """
    found = [row for row in paired(runs) if row.practice == practice]
    claimed = [
        claim.measurement
        for claim in runs[0].claims
        if claim.practice == practice and claim.measurement
    ]
    for name in claimed:
        for row in found:
            if row.name == name:
                return row
    return next(
        (row for row in found if row.signs == row.runs and row.difference.median), None
    )


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else ''}{decimal(value)}"


def _sentence(row: Paired) -> str:
    ends, intro = row.difference, f"How sure? Over {row.runs} seeds, {row.name}, "
    if ends.low == ends.high and row.signs == row.runs:
        return f"{intro}good minus bad: {_signed(ends.median)} each time."
    return (
        f"{intro}good minus bad: median {_signed(ends.median)},\n95 % interval "
        f"{_signed(ends.low)} to {_signed(ends.high)}; {row.signs} of {row.runs} have "
        "the sign of the median."
    )


def how_sure(practice: str, lesson: str) -> str:
    """Return the paired difference over the published seeds as a sentence, or ``""``.

    Args:
        practice: Practice id.
        lesson: Id of its lesson.
    """
    runs = _comparable(store.load(), lesson)
    row = _headline(practice, runs) if runs else None
    return "" if row is None or row.runs < LEAST else _sentence(row)
