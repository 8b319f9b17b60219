"""One curve a version, over steps."""

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Curves:
    """One curve a version.

    Attributes:
        title: The finding.
        name: Measurement that holds the curve, a tuple with one number a step.
        x: Label of the horizontal axis with its unit.
        y: Label of the vertical axis with its unit.
        log: Whether the vertical axis is logarithmic; values that are not positive
            are then left out.
        log_x: Whether the horizontal axis is logarithmic, for curves of very different
            lengths.
    """

    title: str
    name: str
    x: str
    y: str
    log: bool = False
    log_x: bool = False

    def _curve(self, side: Side) -> tuple[float, ...]:
        value = side.measured.get(self.name, ())
        return value if isinstance(value, tuple) else ()

    def draw(self, figure: Figure, contrast: Contrast) -> None:
        """Draw both curves over the step number, from 1."""
        axes = figure.subplots()
        for label, side in sides(contrast):
            curve = self._curve(side)
            name = label if curve else f"{label}: no curve"
            axes.plot(
                range(1, len(curve) + 1),
                curve,
                color=COLORS[label],
                ls=LINES[label],
                marker=MARKERS[label],
                markevery=max(len(curve) // 12, 1),
                ms=5,
                lw=1.4,
                label=name,
            )
        if self.log:
            axes.set_yscale("log", nonpositive="mask")
        axes.set_xlabel(self.x)
        axes.set_ylabel(self.y)
        if self.log_x:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:.0f}")
        else:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.legend(loc="outside right center", frameon=False)
        tidy(axes)

    def alt(self, contrast: Contrast) -> str:
        """Return where each curve starts and ends."""
        ends = [
            f"{label} goes from {decimal(curve[0])} to {decimal(curve[-1])}"
            if (curve := self._curve(side))
            else f"{label} has no curve"
            for label, side in sides(contrast)
        ]
        return f"Line chart of {self.y} over {self.x}: {'; '.join(ends)}."

    def table(self, contrast: Contrast) -> tuple[tuple[str, ...], Rows]:
        """Return about ten points of each curve."""
        bad, good = (self._curve(side) for _, side in sides(contrast))
        length = max(len(bad), len(good))
        points = sorted({*range(0, length, max(length // 10, 1)), length - 1} - {-1})
        rows: Rows = [
            (
                str(i + 1),
                *(decimal(c[i]) if i < len(c) else "–" for c in (bad, good)),
            )
            for i in points
        ]
        return (self.x, "bad", "good"), rows
