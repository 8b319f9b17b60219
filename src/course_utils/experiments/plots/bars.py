"""One bar for each measurement and version."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from course_utils.experiments.plots.base import COLORS, REFERENCE, Rows, sides, tidy
from course_utils.experiments.result import Contrast
from course_utils.formatting import decimal


@dataclass(frozen=True)
class Bars:
    """One bar for each measurement and version.

    Attributes:
        title: The finding.
        names: Measurements to show, all in the same unit.
        unit: Label of the value axis with its unit.
        reference: Measurement drawn as a line, say the truth; the good version's.
    """

    title: str
    names: Sequence[str]
    unit: str
    reference: str = ""

    def _truth(self, contrast: Contrast) -> float:
        """Return the reference, from the bad version if the good one has none."""
        truth = contrast.good.number(self.reference)
        return contrast.bad.number(self.reference) if math.isnan(truth) else truth

    def draw(self, figure: Figure, contrast: Contrast) -> None:
        """Draw horizontal bars, bad above good."""
        axes = figure.subplots()
        for offset, (label, side) in zip((-0.2, 0.2), sides(contrast), strict=True):
            values = [side.number(name) for name in self.names]
            bars = axes.barh(
                [place + offset for place in range(len(self.names))],
                [value if math.isfinite(value) else 0 for value in values],
                height=0.36,
                color=COLORS[label],
                hatch="//" if label == "bad" else "",
                edgecolor="white",
                label=label,
            )
            paper = {"facecolor": "white", "edgecolor": "none", "pad": 1}
            labels = [decimal(value) for value in values]
            axes.bar_label(bars, labels, padding=4, bbox=paper)
        if self.reference:
            truth = self._truth(contrast)
            axes.axvline(truth, color=REFERENCE, ls=":", label=self.reference)
        axes.set_yticks(range(len(self.names)), self.names)
        axes.invert_yaxis()
        axes.set_xlabel(self.unit)
        axes.set_xmargin(0.15)
        figure.legend(loc="outside right center", frameon=False)
        tidy(axes)

    def alt(self, contrast: Contrast) -> str:
        """Return every bar's value."""
        values = [
            f"{name}: bad {decimal(contrast.bad.number(name))}, "
            f"good {decimal(contrast.good.number(name))}"
            for name in self.names
        ]
        line = (
            f"; {self.reference}, a dotted line, at {decimal(self._truth(contrast))}"
            if self.reference
            else ""
        )
        return f"Bar chart of {self.unit}. {'; '.join(values)}{line}."

    def table(self, contrast: Contrast) -> tuple[tuple[str, ...], Rows]:
        """Return the bars' values."""
        rows: Rows = [
            (name, *(decimal(side.number(name)) for _, side in sides(contrast)))
            for name in self.names
        ]
        return ("", "bad", "good"), rows
