"""Batches as bars as wide as their share in a mean."""

from dataclasses import dataclass
from itertools import zip_longest

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_utils.experiments.plots.base import COLORS, Rows, say, sides, tidy
from course_utils.experiments.result import Contrast, Side
from course_utils.formatting import decimal

WIDE = 12.0  # percent: room for a number


def _frame(
    axes: Axes, starts: list[float], widths: list[float], heights: list[float]
) -> None:
    """Mark where each batch ends, and write its value; a bar may have no height."""
    for start, width, height in zip(starts, widths, heights, strict=True):
        if start:
            axes.axvline(start, color="black", lw=0.8)
        if width >= WIDE:
            place = start + width / 2
            box = {"facecolor": "white", "edgecolor": "none", "pad": 2}
            axes.text(place, 0.08, decimal(height), ha="center", bbox=box)


@dataclass(frozen=True)
class Shares:
    """Batches as bars: width is the share in an average, height the value averaged.

    Attributes:
        title: The finding.
        weights: Measurement with one weight a batch, in each version's own way.
        values: Measurement with one value a batch.
        mean: Measurement that results, drawn as a line.
        y: Label of the vertical axis with its unit.
    """

    title: str
    weights: str
    values: str
    mean: str
    y: str

    def _batches(self, side: Side) -> tuple[list[float], list[float]]:
        weights = side.measured.get(self.weights, ())
        values = side.measured.get(self.values, ())
        if not (isinstance(weights, tuple) and isinstance(values, tuple)):
            return [], []
        return [100 * w / sum(weights) for w in weights], list(values)

    def draw(self, figure: Figure, contrast: Contrast) -> None:
        """Draw the two averages side by side, on the same scale, each mean dotted."""
        both = figure.subplots(1, 2, sharey=True)
        for axes, (label, side) in zip(both, sides(contrast), strict=True):
            widths, heights = self._batches(side)
            starts = [sum(widths[:i]) for i in range(len(widths))]
            axes.bar(
                starts,
                heights,
                widths,
                align="edge",
                color=COLORS[label],
                hatch="//" if label == "bad" else "",
                edgecolor="white",
                linewidth=0.4,  # or it would hide a narrow bar
                alpha=0.6,
            )
            _frame(axes, starts, widths, heights)
            mean = side.number(self.mean)
            axes.axhline(mean, color="black", ls=":", lw=1.6)
            axes.set_xlim(0, 100)
            axes.set_xlabel("share in the mean (%)")
            axes.set_title(f"{label}: mean {decimal(mean)}", size=10)
            if not widths:
                say(axes, "no batches")
            tidy(axes)
        both[0].set_ylabel(self.y)

    def alt(self, contrast: Contrast) -> str:
        """Return the widest difference: the last batch's share and the means."""
        parts = [
            f"{label}: the last of {len(widths)} batches has "
            f"{decimal(widths[-1])} % of the weight, mean "
            f"{decimal(side.number(self.mean))}"
            if (widths := self._batches(side)[0])
            else f"{label}: no batches"
            for label, side in sides(contrast)
        ]
        return f"Bars as wide as a batch's share in the mean. {'; '.join(parts)}."

    def table(self, contrast: Contrast) -> tuple[tuple[str, ...], Rows]:
        """Return value and both shares of each batch; both values if they differ."""
        bad_shares, bad = self._batches(contrast.bad)
        good_shares, good = self._batches(contrast.good)
        percent = [
            [f"{decimal(s)} %" for s in side] for side in (bad_shares, good_shares)
        ]
        header, values = (self.y,), [good or bad]
        if bad and good and bad != good:
            header, values = (f"{self.y}, bad", f"{self.y}, good"), [bad, good]
        shown = [[decimal(value) for value in side] for side in values]
        rows: Rows = [
            (str(i), *cells)
            for i, cells in enumerate(zip_longest(*shown, *percent, fillvalue="–"), 1)
        ]
        return ("batch", *header, "share, bad", "share, good"), rows
