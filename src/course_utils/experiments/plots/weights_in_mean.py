"""Batches as bars as wide as their share in a mean."""

from dataclasses import dataclass
from itertools import zip_longest

from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from course_utils.experiments.plots import base
from course_utils.experiments.plots.base import Picture, Rows, Style, Versions
from course_utils.experiments.result import VersionResult
from course_utils.formatting import decimal

WIDE = 12.0  # percent: room for a number


@dataclass(frozen=True)
class WeightsInMean(Picture):
    """Batches as bars: width is the share in an average, height the value averaged.

    Attributes:
        weights: Measurement with one weight per batch, in each version's own way.
        values: Measurement with one value per batch.
        mean: Measurement that results, drawn as a line.
        y: Label of the vertical axis with its unit.
    """

    weights: str
    values: str
    mean: str
    y: str

    def _batches(self, result: VersionResult) -> tuple[list[float], list[float]]:
        """Return the share in percent and the value of each batch."""
        weights, values = result.curve(self.weights), result.curve(self.values)
        if not (weights and values):
            return [], []
        return [100 * w / sum(weights) for w in weights], list(values)

    def draw(self, figure: Figure, versions: Versions) -> None:
        """Draw the averages side by side, on the same scale, each mean dotted."""
        every = base.panels(figure, versions, "share in the mean (%)", self.y)
        for axes, label, result, style in every:
            widths, heights = self._batches(result)
            self._draw_batches(axes, widths, heights, style)
            mean = result.number(self.mean)
            axes.axhline(mean, color="black", ls=":", lw=1.6)
            axes.set_xlim(0, 100)
            axes.set_title(f"{label}: mean {decimal(mean)}", size=10)
            if not widths:
                base.say(axes, "no batches")
            base.tidy(axes)

    def _draw_batches(
        self, axes: Axes, widths: list[float], heights: list[float], style: Style
    ) -> None:
        starts = [sum(widths[:i]) for i in range(len(widths))]
        fill = {"fc": to_rgba(style.color, 0.25), "hatch": style.hatch}
        axes.bar(starts, heights, widths, align="edge", ec=style.color, **fill)
        for start, width, height in zip(starts, widths, heights, strict=True):
            if start:  # where a batch ends; the next one may have no height
                axes.axvline(start, color="black", lw=0.8)
            if width >= WIDE:
                box = {"facecolor": "white", "edgecolor": "none", "pad": 2}
                place = start + width / 2
                axes.text(place, 0.08, decimal(height), ha="center", bbox=box)

    def alt(self, versions: Versions) -> str:
        """Return the widest difference: the last batch's share and the means."""
        parts = [
            f"{label}: the last of {len(widths)} batches has "
            f"{decimal(widths[-1])} % of the weight, mean "
            f"{decimal(result.number(self.mean))}"
            if (widths := self._batches(result)[0])
            else f"{label}: no batches"
            for label, result in versions.items()
        ]
        return f"Bars as wide as a batch's share in the mean. {'; '.join(parts)}."

    def table(self, versions: Versions) -> tuple[tuple[str, ...], Rows]:
        """Return value and share of each batch; the values once if they agree."""
        batches = {label: self._batches(result) for label, result in versions.items()}
        values = {f"{self.y}, {k}": heights for k, (_, heights) in batches.items()}
        known = [heights for heights in values.values() if heights]
        if all(heights == known[-1] for heights in known):
            values = {self.y: known[-1] if known else []}
        columns = {k: [decimal(v) for v in each] for k, each in values.items()}
        for label, (widths, _) in batches.items():
            columns[f"share, {label}"] = [f"{decimal(width)} %" for width in widths]
        cells = zip_longest(*columns.values(), fillvalue="–")
        rows: Rows = [(str(i), *row) for i, row in enumerate(cells, 1)]
        return ("batch", *columns), rows
