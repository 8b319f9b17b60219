"""How often a measurement came out how, over many repetitions."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from course_utils.experiments.plots import base
from course_utils.experiments.plots.base import Picture, Rows, Style, Versions
from course_utils.formatting import decimal

BINS = 24


def _quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` of the values lie."""
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]


def _edges(values: Sequence[float]) -> list[float]:
    """Return the edges of equal bins over all values, the same for all versions."""
    low, high = min(values), max(values)
    width = (high - low or 1.0) / BINS
    return [low + i * width for i in range(BINS + 1)]


def _draw_panel(
    axes: Axes,
    label: str,
    values: Sequence[float],
    edges: list[float],
    style: Style,
) -> None:
    # Pale bars with edges in full colour: the line of the mean stands out from them.
    bars = {"fc": to_rgba(style.color, 0.25), "ec": style.color, "hatch": style.hatch}
    axes.hist(values, edges, lw=0.8, **bars)
    mean = statistics.fmean(values)
    look = {"color": style.color, "ls": style.line, "lw": 2}
    axes.axvline(mean, **look)
    look |= {"marker": style.marker, "ms": 8, "mew": 2, "clip_on": False}
    place = axes.get_xaxis_transform()
    axes.plot(
        [mean], [1], transform=place, label=f"{label}: mean {decimal(mean)}", **look
    )


@dataclass(frozen=True)
class Histogram(Picture):
    """One histogram per version, one below the other, each with its mean.

    Attributes:
        name: Measurement with one number for each repetition.
        x: Label of the horizontal axis with its unit.
        y: What a repetition is, for example ``"draws"``.
        reference: Value that would be right, drawn as a dotted line in each.
        reference_name: What that value is, for the legend.
    """

    name: str
    x: str
    y: str
    reference: float = 0.0
    reference_name: str = "no error"

    def draw(self, figure: Figure, versions: Versions) -> None:
        """Draw the histograms on the same scales, and each mean as a line."""
        pooled = [v for result in versions.values() for v in result.curve(self.name)]
        every = base.panels(figure, versions, self.x, self.y, below=True)
        for axes, label, result, style in every:
            if values := result.curve(self.name):
                _draw_panel(axes, label, values, _edges(pooled), style)
            else:
                base.say(axes, f"{label}: no values")
            right = {"color": base.REFERENCE, "ls": ":", "lw": 1.8}
            name = self.reference_name if axes is every[-1][0] else None
            axes.axvline(self.reference, label=name, **right)
            base.tidy(axes)
        base.legend(figure)

    def alt(self, versions: Versions) -> str:
        """Return mean and middle nine tenths of each version."""
        parts = [
            f"{label} has the mean {decimal(statistics.fmean(values))}, nine tenths "
            f"lie from {decimal(_quantile(values, 0.05))} to "
            f"{decimal(_quantile(values, 0.95))}"
            if (values := result.curve(self.name))
            else f"{label} has no values"
            for label, result in versions.items()
        ]
        return f"Two histograms of {self.x}: {'; '.join(parts)}."

    def table(self, versions: Versions) -> tuple[tuple[str, ...], Rows]:
        """Return mean, quantiles and the share above the reference."""
        columns = []
        for result in versions.values():
            cells: list[float] = []
            if values := result.curve(self.name):
                above = sum(v > self.reference for v in values) / len(values)
                quantiles = [_quantile(values, share) for share in (0.05, 0.5, 0.95)]
                cells = [statistics.fmean(values), *quantiles, 100 * above]
            columns.append([base.cell(cells, i) for i in range(5)])
        names = ["mean", "5 % lie below", "median", "95 % lie below"]
        names.append(f"share above {self.reference_name} (%)")
        return ("", *versions), list(zip(names, *columns, strict=True))
