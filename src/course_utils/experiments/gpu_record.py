"""What ``make gpu`` measured on a GPU, for lessons that run without one."""

import functools
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

from course_utils import syllabus
from course_utils.formatting import number

TABLE = "gpu.json"


@dataclass(frozen=True)
class RecordedOnGpu:
    """One measurement of a contrast on a GPU.

    Attributes:
        bad: What the bad version measured.
        good: What the good version measured.
        card: Name of the GPU.
        date: When, as ``YYYY-MM-DD``.
    """

    bad: float
    good: float
    card: str
    date: str


@functools.cache
def load() -> dict[str, Any]:
    """Return the record that ships with the course; empty if nobody measured."""
    file = resources.files("course_utils").joinpath("records", TABLE)
    return json.loads(file.read_text("utf-8")) if file.is_file() else {}


def recorded_on_gpu(practice: str, name: str) -> RecordedOnGpu | None:
    """Return what a practice's contrast measured on a GPU, or None if nobody did.

    A lesson that did not run to its end there counts as not measured.

    Args:
        practice: Practice id, for example ``"7.1"``.
        name: The measurement, as the contrast's table calls it.

    Raises:
        ValueError: If there is no such practice.
    """
    lesson = syllabus.load().lesson_of(practice)
    row = load().get("notebooks", {}).get(f"notebooks/{lesson.file}")
    if row is None or row["failure"]:
        return None
    for pair in row["pairs"]:
        if (pair["practice"], pair["name"]) == (practice, name):
            card = load()["setup"]["card"]
            return RecordedOnGpu(pair["bad"], pair["good"], card, row["date"])
    return None


def gpu_line(practice: str, name: str) -> str:
    """Return a sentence with both versions' measurements on a GPU, card and date.

    The arguments are those of `recorded_on_gpu`.
    """
    found = recorded_on_gpu(practice, name)
    if found is None:
        return "Nobody has measured this on a GPU yet."
    article = "an" if found.card[:1] in "AEINO" else "a"  # an NVIDIA, a Tesla
    return (
        f"On {article} {found.card} ({found.date}), {name}: bad {number(found.bad)}, "
        f"good {number(found.good)}."
    )
