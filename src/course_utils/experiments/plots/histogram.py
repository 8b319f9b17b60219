"""How often a measurement came out how, over many repetitions: two histograms."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_utils.experiments.plots.base import (
    COLORS,
    LINES,
    MARKERS,
    REFERENCE,
    Rows,
    say,
    sides,
    tidy,
)
from course_utils.experiments.result import Contrast, Side
from course_utils.formatting import decimal

BINS = 24


def _quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` of the values lie."""
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]


def _edges(values: Sequence[float]) -> list[float]:
    """Return the edges of equal bins over all values, the same for both versions."""
    low, high = min(values), max(values)
    width = (high - low or 1.0) / BINS
    return [low + i * width for i in range(BINS + 1)]


@dataclass(frozen=True)
class Distribution:
    """One histogram a version above the other, each with its mean.

    Attributes:
        title: The finding.
        name: Measurement with one number for each repetition.
        x: Label of the horizontal axis with its unit.
        y: What a repetition is, for example ``"draws"``.
        reference: Value that would be right, drawn as a dotted line in both.
        reference_name: What that value is, for the legend.
    """

    title: str
    name: str
    x: str
    y: str
    reference: float = 0.0
    reference_name: str = "no error"

    def _values(self, side: Side) -> tuple[float, ...]:
        value = side.measured.get(self.name, ())
        return value if isinstance(value, tuple) else ()

    def _draw_side(
        self, axes: Axes, label: str, values: Sequence[float], edges: list[float]
    ) -> None:
        hatch = "//" if label == "bad" else ""
        look = {"color": COLORS[label], "alpha": 0.55, "hatch": hatch}
        axes.hist(values, edges, edgecolor="white", linewidth=0.4, **look)
        mean = statistics.fmean(values)
        axes.axvline(mean, color=COLORS[label], ls=LINES[label], lw=2)
        axes.plot(
            [mean],
            [1],
            color=COLORS[label],
            marker=MARKERS[label],
            ms=8,
            mew=2,
            ls=LINES[label],
            lw=2,
            transform=axes.get_xaxis_transform(),
            clip_on=False,
            label=f"{label}: mean {decimal(mean)}",
        )

    def draw(self, figure: Figure, contrast: Contrast) -> None:
        """Draw both histograms on the same scales, and each mean as a line."""
        both = figure.subplots(2, 1, sharex=True, sharey=True)
        pooled = [v for _, side in sides(contrast) for v in self._values(side)]
        for axes, (label, side) in zip(both, sides(contrast), strict=True):
            if values := self._values(side):
                self._draw_side(axes, label, values, _edges(pooled))
            else:
                say(axes, f"{label}: no values")
            right = {"color": REFERENCE, "ls": ":", "lw": 1.8}
            name = self.reference_name if label == "good" else None
            axes.axvline(self.reference, label=name, **right)
            axes.set_ylabel(self.y)
            tidy(axes)
        both[-1].set_xlabel(self.x)
        figure.legend(loc="outside right center", frameon=False)

    def alt(self, contrast: Contrast) -> str:
        """Return mean and middle nine tenths of each version."""
        parts = [
            f"{label} has the mean {decimal(statistics.fmean(values))}, nine tenths "
            f"lie from {decimal(_quantile(values, 0.05))} to "
            f"{decimal(_quantile(values, 0.95))}"
            if (values := self._values(side))
            else f"{label} has no values"
            for label, side in sides(contrast)
        ]
        return f"Two histograms of {self.x}: {'; '.join(parts)}."

    def table(self, contrast: Contrast) -> tuple[tuple[str, ...], Rows]:
        """Return mean, quantiles and the share above the reference."""
        columns = []
        for _, side in sides(contrast):
            if not (values := self._values(side)):
                columns.append(["–"] * 5)
                continue
            above = sum(v > self.reference for v in values) / len(values)
            quantiles = [_quantile(values, share) for share in (0.05, 0.5, 0.95)]
            cells = [statistics.fmean(values), *quantiles, 100 * above]
            columns.append([decimal(cell) for cell in cells])
        names = ["mean", "5 % lie below", "median", "95 % lie below"]
        names.append(f"share above {self.reference_name} (%)")
        return ("", "bad", "good"), list(zip(names, *columns, strict=True))
