"""What each notebook took when its record was made: seconds of every cell, megabytes.

``make budgets`` writes the record; CI measures again and prints what has moved. Seconds
are scaled to the machine for which budgets are stated: 2 cores, no GPU, otherwise idle.
"""

import functools
import json
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

FILE = Path("src", "course_utils", "records", "budgets.json")


@dataclass
class RunTime:
    """What one notebook took, so far or in all; in a record its seconds are scaled.

    Attributes:
        start_seconds: Until its kernel was ready.
        cell_seconds: Of each code cell that ran, in order.
        megabytes: Peak memory of the kernel and its children, in 10^6 bytes.
    """

    start_seconds: float = 0.0
    cell_seconds: list[float] = field(default_factory=list)
    megabytes: float = 0.0

    @property
    def seconds(self) -> float:
        """Start and cells together."""
        return self.start_seconds + sum(self.cell_seconds)


def parse(record: dict[str, Any]) -> dict[str, RunTime]:
    """Return the notebooks of a record by folder and name, ``notebooks/12_topic``."""
    return {name: RunTime(**entry) for name, entry in record["notebooks"].items()}


@functools.cache
def load() -> dict[str, RunTime]:
    """Return the record that ships with the course; empty before there was one."""
    file = resources.files("course_utils").joinpath("records", FILE.name)
    return parse(json.loads(file.read_text("utf-8"))) if file.is_file() else {}


def seconds(lesson_file: str) -> float | None:
    """Return what all cells of a lesson took, or None if that was not recorded.

    Args:
        lesson_file: Name of its notebook without suffix, such as ``12_topic``.
    """
    found = load().get(f"notebooks/{lesson_file}")
    return None if found is None else found.seconds
