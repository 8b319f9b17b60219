"""One measured quantity over another, one curve a version."""

from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from course_utils.experiments.plots.base import (
    COLORS,
    LINES,
    MARKERS,
    REFERENCE,
    Rows,
    sides,
    tidy,
)
from course_utils.experiments.result import Contrast, Side
from course_utils.formatting import decimal


@dataclass(frozen=True)
class Over:
    """One curve a version, each point with a place of its own on both axes.

    Attributes:
        title: The finding.
        x: Measurement with the places on the horizontal axis, one number a point.
        y: Measurement with as many numbers for the vertical axis.
        x_label: Label of the horizontal axis with its unit.
        y_label: Label of the vertical axis with its unit.
        log: Whether both axes are logarithmic.
        mark: Measurement drawn as a vertical line; the good version's.
    """

    title: str
    x: str
    y: str
    x_label: str
    y_label: str
    log: bool = False
    mark: str = ""

    def _points(self, side: Side) -> list[tuple[float, float]]:
        x, y = side.measured.get(self.x, ()), side.measured.get(self.y, ())
        both = isinstance(x, tuple) and isinstance(y, tuple)
        return list(zip(x, y, strict=True)) if both else []

    def draw(self, figure: Figure, contrast: Contrast) -> None:
        """Draw both curves, and the mark."""
        axes = figure.subplots()
        for label, side in sides(contrast):
            points = self._points(side)
            axes.plot(
                [x for x, _ in points],
                [y for _, y in points],
                color=COLORS[label],
                ls=LINES[label],
                marker=MARKERS[label],
                markevery=max(len(points) // 12, 1),
                ms=5,
                lw=1.4,
                label=label if points else f"{label}: no curve",
            )
        if self.log:
            axes.set_xscale("log", base=2)
            axes.set_yscale("log")
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        if self.mark:
            place = contrast.good.number(self.mark)
            axes.axvline(place, color=REFERENCE, ls=":", label=self.mark)
        axes.set_xlabel(self.x_label)
        axes.set_ylabel(self.y_label)
        figure.legend(loc="outside right center", frameon=False)
        tidy(axes)

    def alt(self, contrast: Contrast) -> str:
        """Return how far each curve goes, and how high."""
        parts = [
            f"{label} goes up to {decimal(max(x for x, _ in points))} and is at most "
            f"{decimal(max(y for _, y in points))} high"
            if (points := self._points(side))
            else f"{label} has no curve"
            for label, side in sides(contrast)
        ]
        if self.mark:
            parts.append(f"{self.mark} at {decimal(contrast.good.number(self.mark))}")
        return f"Line chart of {self.y_label} over {self.x_label}: {'; '.join(parts)}."

    def table(self, contrast: Contrast) -> tuple[tuple[str, ...], Rows]:
        """Return at most twelve points of each curve, its ends among them."""
        rows: Rows = []
        for label, side in sides(contrast):
            points = self._points(side)
            last = max(len(points) - 1, 0)
            shown = sorted({round(last * part / 11) for part in range(12)})
            rows += [
                (label, decimal(x), decimal(y))
                for x, y in (points[i] for i in shown if points)
            ]
        return ("", self.x_label, self.y_label), rows
