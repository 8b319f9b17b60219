"""How far two runs are apart, step by step, with a place for "not at all"."""

import math
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from course_utils.experiments.plots.base import (
    COLORS,
    LINES,
    MARKERS,
    Rows,
    sides,
    tidy,
)
from course_utils.experiments.result import Contrast, Side
from course_utils.formatting import decimal

BELOW = 0.35  # of the room below the smallest distance, for markers at zero


@dataclass(frozen=True)
class Distance:
    """One curve a version: the distance of two runs of it, from 0 steps on.

    Attributes:
        title: The finding.
        name: Measurement that holds the curve: a distance before the first step, then
            one after each step.
        x: Label of the horizontal axis with its unit.
        y: Label of the vertical axis with its unit.
        smallest: If above 0, the vertical axis is logarithmic from here up, and shows
            0 as a line of its own below; else it is linear.
    """

    title: str
    name: str = "distance"
    x: str = "training step"
    y: str = "distance of the weights (2-norm)"
    smallest: float = 0.0

    def _curve(self, side: Side) -> tuple[float, ...]:
        value = side.measured.get(self.name, ())
        return value if isinstance(value, tuple) else ()

    def _scale(self, axes: Axes, largest: float) -> None:
        """Make the axis logarithmic, with 0 one decade below the smallest distance."""
        axes.set_yscale("symlog", linthresh=self.smallest, linscale=1)
        first = math.floor(math.log10(self.smallest))
        last = max(math.ceil(math.log10(max(largest, self.smallest))), first + 1)
        every = (last - first) // 5 + 1
        powers = range(first, last + 1, every)
        axes.set_yticks([0, *(10.0**p for p in powers)])
        axes.set_yticklabels(["0", *(f"$10^{{{p}}}$" for p in powers)])
        axes.set_ylim(-BELOW * self.smallest, 10.0**last)
        axes.minorticks_off()
        axes.axhline(self.smallest / 2, color="0.7", lw=0.8, ls=(0, (1, 3)))

    def draw(self, figure: Figure, contrast: Contrast) -> None:
        """Draw both curves over the number of steps made."""
        axes = figure.subplots()
        curves = {label: self._curve(side) for label, side in sides(contrast)}
        for label, curve in curves.items():
            axes.plot(
                range(len(curve)),
                curve,
                color=COLORS[label],
                ls=LINES[label],
                marker=MARKERS[label],
                markevery=max(len(curve) // 12, 1),
                ms=5,
                lw=1.4,
                label=label if curve else f"{label}: no curve",
                clip_on=False,
            )
        if self.smallest:
            self._scale(axes, max((max(c) for c in curves.values() if c), default=0))
        axes.set_xlabel(self.x)
        axes.set_ylabel(self.y)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.legend(loc="outside right center", frameon=False)
        tidy(axes)

    def alt(self, contrast: Contrast) -> str:
        """Return where each curve starts and ends, or that it never leaves zero."""
        parts = []
        for label, side in sides(contrast):
            curve = self._curve(side)
            if not curve:
                parts.append(f"{label} has no curve")
            elif max(curve) == 0:
                parts.append(f"{label} stays at zero")
            else:
                ends = f"{decimal(curve[0])} to {decimal(curve[-1])}"
                parts.append(f"{label} goes from {ends}")
        return f"Line chart of {self.y} over {self.x}: {'; '.join(parts)}."

    def table(self, contrast: Contrast) -> tuple[tuple[str, ...], Rows]:
        """Return about ten points of each curve."""
        bad, good = (self._curve(side) for _, side in sides(contrast))
        length = max(len(bad), len(good))
        points = sorted({*range(0, length, max(length // 10, 1)), length - 1} - {-1})
        rows: Rows = [
            (str(i), *(decimal(c[i]) if i < len(c) else "–" for c in (bad, good)))
            for i in points
        ]
        return (self.x, "bad", "good"), rows
