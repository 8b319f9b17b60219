"""Stacked bars: several quantities, each split into parts, for each version."""

from collections.abc import Sequence
from dataclasses import dataclass

from course_utils.experiments.plots.bars import StackedBars
from course_utils.experiments.plots.base import Picture, Versions


@dataclass(frozen=True)
class Stacks(Picture):
    """One bar per measurement and version, split into parts.

    Attributes:
        parts: Names of up to five parts, in the order in which they are stacked.
        names: Measurements with one number per part.
        unit: Label of the value axis with its unit.
    """

    parts: Sequence[str]
    names: Sequence[str]
    unit: str

    def _bars(self, versions: Versions) -> dict[str, tuple[float, ...]]:
        return {
            f"{name}, {version}": result.curve(name)
            for name in self.names
            for version, result in versions.items()
        }

    # What one bar looks like, says and lists does not depend on which bars there are.
    draw = StackedBars.draw
    alt = StackedBars.alt
    table = StackedBars.table
