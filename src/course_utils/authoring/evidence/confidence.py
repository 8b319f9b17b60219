"""The table of how sure we are of each contrast, which lessons read."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from course_utils.authoring.evidence.summary import (
    PairedDifference,
    by_lesson,
    paired_differences,
)
from course_utils.authoring.evidence.tasks import Outcome

LEAST = 10  # runs below which nothing is said


def _headline(
    found: Sequence[PairedDifference], claimed: Sequence[str]
) -> PairedDifference | None:
    """Return the first measurement claimed that the habit changes, else any such.

    What the habit does not change, its interval includes 0, is a control.
    """
    ends = ((row, row.difference.low * row.difference.high) for row in found)
    effects = {row.name: row for row, product in ends if product > 0}
    return next((effects[n] for n in (*claimed, *effects) if n in effects), None)


def headlines(outcomes: Sequence[Outcome]) -> dict[str, PairedDifference]:
    """Return the measurement that tells what each practice's habit costs, by practice.

    A practice is left out if its contrast compares no numbers.

    Args:
        outcomes: Runs on one data set, those of a lesson in the order of their seeds.
    """
    table = {}
    for runs in by_lesson(outcomes).values():
        rows = paired_differences(runs)
        for practice in dict.fromkeys(row.practice for row in rows):
            claimed = [c.measurement for c in runs[0].claims if c.practice == practice]
            found = [row for row in rows if row.practice == practice]
            row = _headline(found, claimed)
            if row is not None:
                table[practice] = row
    return table


def confidence(outcomes: Sequence[Outcome]) -> dict[str, dict[str, Any]]:
    """Return what lessons tell of `headlines` on the data that ships with the course.

    A practice with fewer runs than `LEAST` is left out.
    """
    embedded = [each for each in outcomes if each.task.data == "embedded"]
    return {
        practice: {
            "measurement": row.name,
            **asdict(row.difference),
            "signs": row.signs,
            "runs": row.runs,
        }
        for practice, row in headlines(embedded).items()
        if row.runs >= LEAST
    }


def to_text(outcomes: Sequence[Outcome]) -> str:
    """Return the file's content: JSON with one practice per line."""
    rows = [
        f"{json.dumps(practice)}: {json.dumps(row, ensure_ascii=False)}"
        for practice, row in confidence(outcomes).items()
    ]
    return "{\n" + ",\n".join(rows) + "\n}\n"
