"""What each notebook took when its record was made: seconds of every cell, megabytes.

``make budgets`` writes the record; CI measures again and prints what has moved. Seconds
are scaled to the machine for which budgets are stated: 2 cores, no GPU, otherwise idle.
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from course_utils import shipped_records

# Below these a difference is the machine's noise: two sessions on one quiet machine.
SHARE, CELL_SHARE, SECONDS = 0.2, 0.5, 1.0
MEGABYTES_SHARE = 0.05


@dataclass
class RunTime:
    """What one notebook took, so far or in all; in a record its seconds are scaled.

    Attributes:
        start_seconds: Until its kernel was ready.
        cell_seconds: Of each code cell that ran, in order.
        megabytes: Peak memory of the kernel and its children, in 10^6 bytes.
        kernel: ``"ready"`` if it started with the imports done, else ``"ordinary"``.
    """

    start_seconds: float = 0.0
    cell_seconds: list[float] = field(default_factory=list)
    megabytes: float = 0.0
    kernel: str = "ordinary"

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
    record = shipped_records.read("budgets.json")
    return parse(record) if record else {}


def seconds(lesson_file: str) -> float | None:
    """Return what all cells of a lesson took, or None if that was not recorded.

    Args:
        lesson_file: Name of its notebook without suffix, such as ``12_topic``.
    """
    found = load().get(f"notebooks/{lesson_file}")
    return None if found is None else found.seconds


def _far(before: float, now: float, share: float, least: float) -> bool:
    return abs(now - before) > max(share * before, least)


def _change(before: float, now: float, unit: str) -> str:
    digits = 1 if unit == "s" else 0
    share = 100 * (now / before - 1) if before else 100.0
    return f"{before:.{digits}f} to {now:.{digits}f} {unit} ({share:+.0f} %)"


def _after_imports(taken: RunTime) -> RunTime:
    return RunTime(0.0, [0.0, *taken.cell_seconds[1:]])


def _parts(before: RunTime, now: RunTime) -> Iterator[str]:
    if before.kernel != now.kernel:
        before, now = _after_imports(before), _after_imports(now)
    if _far(before.seconds, now.seconds, SHARE, SECONDS):
        yield _change(before.seconds, now.seconds, "s")
    if _far(before.megabytes, now.megabytes, MEGABYTES_SHARE, 0):
        yield _change(before.megabytes, now.megabytes, "MB")
    if len(before.cell_seconds) != len(now.cell_seconds):
        yield f"{len(before.cell_seconds)} to {len(now.cell_seconds)} cells"
        return
    cells = zip(before.cell_seconds, now.cell_seconds, strict=True)
    for place, (old, new) in enumerate(cells):
        if _far(old, new, CELL_SHARE, SECONDS):
            yield f"Cell {place} {_change(old, new, 's')}"


def moved(before: Mapping[str, RunTime], now: Mapping[str, RunTime]) -> list[str]:
    """Return a line for each notebook that is new, or takes more or less than it did.

    Args:
        before: The committed record.
        now: What this session measured; notebooks that it did not run do not count,
            nor do imports and memory where the kernel started in another way.
    """
    lines = []
    for name, taken in now.items():
        if name not in before:
            lines.append(
                f"{name}: new, {taken.seconds:.1f} s, {taken.megabytes:.0f} MB"
            )
        elif parts := list(_parts(before[name], taken)):
            lines.append(f"{name}: {'; '.join(parts)}")
    return lines
