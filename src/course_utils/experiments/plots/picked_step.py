"""A curve, and the step of it that each version picked."""

from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

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
class Picks:
    """Each version's curve over steps, and a point: which step, and what came of it.

    Attributes:
        title: The finding.
        curve: Measurement that was watched: one number a step.
        step: Measurement with the step that was picked, counted from 1.
        score: Measurement with what the picked step scored, in the curve's unit.
        x: Label of the horizontal axis with its unit.
        y: Label of the vertical axis with its unit.
    """

    title: str
    curve: str
    step: str
    score: str
    x: str
    y: str

    def _curve(self, side: Side) -> tuple[float, ...]:
        value = side.measured.get(self.curve, ())
        return value if isinstance(value, tuple) else ()

    def draw(self, figure: Figure, contrast: Contrast) -> None:
        """Draw the curves thin and grey, and the points large."""
        axes = figure.subplots()
        for label, side in sides(contrast):
            curve = self._curve(side)
            axes.plot(
                range(1, len(curve) + 1),
                curve,
                color=REFERENCE,
                ls=LINES[label],
                lw=1.2,
                label=f"{label}: {self.curve}" if curve else f"{label}: no curve",
            )
        for label, side in sides(contrast):
            score = side.number(self.score)
            axes.plot(
                [side.number(self.step)],
                [score],
                color=COLORS[label],
                marker=MARKERS[label],
                ms=11,
                mew=3,
                ls="",
                label=f"{label}: {self.score} {decimal(score)}",
            )
        axes.set_xlabel(self.x)
        axes.set_ylabel(self.y)
        axes.set_ymargin(0.12)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.legend(loc="outside right center", frameon=False)
        tidy(axes)

    def alt(self, contrast: Contrast) -> str:
        """Return each version's highest point, and the one that it picked."""
        parts = []
        for label, side in sides(contrast):
            curve = self._curve(side)
            if not curve:
                parts.append(f"{label}: no curve")
                continue
            top = decimal(float(curve.index(max(curve)) + 1))
            parts.append(
                f"{label}: the curve is highest at {top}, picked was "
                f"{decimal(side.number(self.step))} with {self.score} "
                f"{decimal(side.number(self.score))}"
            )
        return f"{self.curve} over {self.x}. {'; '.join(parts)}."

    def table(self, contrast: Contrast) -> tuple[tuple[str, ...], Rows]:
        """Return highest and last value of the curve, the step picked and its score."""
        columns = []
        for _, side in sides(contrast):
            curve = self._curve(side)
            ends = [max(curve), curve[-1]] if curve else [float("nan")] * 2
            picked = [side.number(name) for name in (self.step, self.score)]
            columns.append([decimal(value) for value in (*ends, *picked)])
        names = (f"{self.curve}, highest", f"{self.curve}, last", self.step, self.score)
        return ("", "bad", "good"), list(zip(names, *columns, strict=True))
