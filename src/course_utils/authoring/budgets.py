"""What each notebook took when its record was made: seconds of every cell, megabytes.

``make budgets`` writes the record; CI measures again and prints what has moved. Seconds
are scaled to the machine for which budgets are stated: 2 cores, no GPU, otherwise idle.
"""

import functools
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

FILE = Path("src", "course_utils", "records", "budgets.json")


@dataclass(frozen=True)
class RunTime:
    """One notebook in one session.

    Attributes:
        start: Scaled seconds until its kernel was ready.
        cells: Scaled seconds of each code cell, in order.
        megabytes: Peak memory of the kernel and its children, in 10^6 bytes.
    """

    start: float
    cells: tuple[float, ...]
    megabytes: float

    @property
    def seconds(self) -> float:
        """Start and cells together."""
        return self.start + sum(self.cells)


def parse(record: dict[str, Any]) -> dict[str, RunTime]:
    """Return the notebooks of a record by folder and name, ``notebooks/12_topic``."""
    return {
        name: RunTime(
            entry["start_seconds"], tuple(entry["cell_seconds"]), entry["megabytes"]
        )
        for name, entry in record["notebooks"].items()
    }


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
