"""One sentence on how sure we are of a contrast, from the table of published runs."""

import functools
from typing import Any

from course_utils import shipped_records
from course_utils.formatting import decimal, wrapped

TABLE = "confidence.json"


@functools.cache
def load() -> dict[str, dict[str, Any]]:
    """Return the row of each practice; none before any evidence was published."""
    return shipped_records.read(TABLE)


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else ''}{decimal(value)}"


def how_sure(practice: str) -> str:
    """Return a sentence on the paired difference over published seeds, or ``""``."""
    try:
        row = load().get(practice)
    except ValueError as error:  # a damaged table does not stop a lesson
        return f"How sure? {error}"
    if row is None:
        return ""
    runs, signs = row["runs"], row["signs"]
    low, median, high = (_signed(row[name]) for name in ("low", "median", "high"))
    intro = f"How sure? Over {runs} seeds, {row['measurement']}, good minus bad: "
    if row["low"] == row["high"] and signs == runs:
        return wrapped(f"{intro}{median} each time.")
    return wrapped(
        f"{intro}median {median}, 95 % interval {low} to {high}; {signs} of {runs} "
        "have the sign of the median."
    )
