"""Where the time goes: each version's parts, one after the other in a bar."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_utils.experiments.plots.base import Rows, sides, tidy
from course_utils.experiments.result import Contrast
from course_utils.formatting import decimal

# None is the colour of "bad" or "good": here a colour says which part it is.
FILLS = (
    ("#E69F00", ""),
    ("#56B4E9", "//"),
    ("#009E73", ".."),
    ("#CC79A7", "xx"),
    ("#b5b5b5", ""),
)


@dataclass(frozen=True)
class Stack:
    """One bar before, and one after the change of each version, split into parts.

    Attributes:
        title: The finding.
        parts: Names of up to five parts, in the order in which they are stacked.
        before: Measurement with one number a part, the good version's is drawn.
        after: The same after the change, drawn for both versions.
        unit: Label of the value axis with its unit.
    """

    title: str
    parts: Sequence[str]
    before: str
    after: str
    unit: str

    def _bars(self, contrast: Contrast) -> list[tuple[str, tuple[float, ...]]]:
        named = [("before", contrast.good.measured.get(self.before, ()))]
        named += [
            (f"after, {label}", side.measured.get(self.after, ()))
            for label, side in sides(contrast)
        ]
        return [(name, bar if isinstance(bar, tuple) else ()) for name, bar in named]

    def draw(self, figure: Figure, contrast: Contrast) -> None:
        """Draw three horizontal bars, each with its length written beside it."""
        axes = figure.subplots()
        bars = self._bars(contrast)
        for place, (_, values) in enumerate(bars):
            self._bar(axes, place, values)
        for name, (color, hatch) in zip(self.parts, FILLS, strict=False):
            look = {"facecolor": color, "hatch": hatch, "edgecolor": "white"}
            axes.bar(0, 0, label=name, lw=0, **look)
        axes.set_yticks(range(len(bars)), [name for name, _ in bars])
        axes.invert_yaxis()
        axes.margins(x=0.12)  # room for the numbers
        axes.set_xlim(left=0)
        axes.set_xlabel(self.unit)
        figure.legend(loc="outside right center", frameon=False)
        tidy(axes)

    def _bar(self, axes: Axes, place: int, values: tuple[float, ...]) -> None:
        left = 0.0
        for value, (color, hatch) in zip(values, FILLS, strict=False):
            look = {"facecolor": color, "hatch": hatch, "edgecolor": "white"}
            axes.barh(place, value, left=left, height=0.7, lw=0, **look)
            left += value
        if values:
            axes.text(left, place, f" {decimal(left)}", va="center", size=9)

    def alt(self, contrast: Contrast) -> str:
        """Return each bar's length and the value of its parts."""
        bars = [
            f"{name}: {decimal(sum(values))} in all, "
            + ", ".join(
                f"{part} {decimal(value)}"
                for part, value in zip(self.parts, values, strict=False)
            )
            for name, values in self._bars(contrast)
            if values
        ]
        return f"Stacked bars of {self.unit}. {'; '.join(bars)}."

    def table(self, contrast: Contrast) -> tuple[tuple[str, ...], Rows]:
        """Return one row a part, one column a bar."""
        bars = self._bars(contrast)
        rows: Rows = [
            (part, *(decimal(bar[i]) if i < len(bar) else "–" for _, bar in bars))
            for i, part in enumerate(self.parts)
        ]
        return ("", *(name for name, _ in bars)), rows
