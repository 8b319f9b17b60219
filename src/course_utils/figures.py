"""The pictures a contrast can draw; each says its finding in words and as a table.

Every figure has a title that states what to see, axes with units, marker and colour
both, and a text alternative. The colours are Okabe and Ito's: colour-blind safe.
"""

import io
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Protocol

from IPython.display import HTML, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from course_utils.outcome import Contrast, Side, decimal, html_table

COLORS = {"bad": "#D55E00", "good": "#0072B2"}
MARKERS = {"bad": "x", "good": "o"}
LINES = {"bad": "--", "good": "-"}
REFERENCE = "#4d4d4d"
CHARACTERS_PER_INCH = 10.5  # of a title

Rows = list[tuple[str, ...]]


class Picture(Protocol):
    """What `contrast` needs of a figure."""

    title: str

    def draw(self, figure: Figure, contrast: Contrast) -> None:
        """Draw everything but the title."""

    def alt(self, contrast: Contrast) -> str:
        """Return what the picture shows, as a sentence."""

    def table(self, contrast: Contrast) -> tuple[tuple[str, ...], Rows]:
        """Return header and rows of the data that the picture shows."""


def _sides(contrast: Contrast) -> list[tuple[str, Side]]:
    return [("bad", contrast.bad), ("good", contrast.good)]


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)


def _say(axes: Axes, text: str) -> None:
    """Write what is missing where it would have been."""
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)


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
        for offset, (label, side) in zip((-0.2, 0.2), _sides(contrast), strict=True):
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
        _tidy(axes)

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
            (name, *(decimal(side.number(name)) for _, side in _sides(contrast)))
            for name in self.names
        ]
        return ("", "bad", "good"), rows


@dataclass(frozen=True)
class Curves:
    """One curve a version.

    Attributes:
        title: The finding.
        name: Measurement that holds the curve, a tuple with one number a step.
        x: Label of the horizontal axis with its unit.
        y: Label of the vertical axis with its unit.
    """

    title: str
    name: str
    x: str
    y: str

    def _curve(self, side: Side) -> tuple[float, ...]:
        value = side.measured.get(self.name, ())
        return value if isinstance(value, tuple) else ()

    def draw(self, figure: Figure, contrast: Contrast) -> None:
        """Draw both curves over the step number, from 1."""
        axes = figure.subplots()
        for label, side in _sides(contrast):
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
        axes.set_xlabel(self.x)
        axes.set_ylabel(self.y)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.legend(loc="outside right center", frameon=False)
        _tidy(axes)

    def alt(self, contrast: Contrast) -> str:
        """Return where each curve starts and ends."""
        ends = [
            f"{label} goes from {decimal(curve[0])} to {decimal(curve[-1])}"
            if (curve := self._curve(side))
            else f"{label} has no curve"
            for label, side in _sides(contrast)
        ]
        return f"Line chart of {self.y} over {self.x}: {'; '.join(ends)}."

    def table(self, contrast: Contrast) -> tuple[tuple[str, ...], Rows]:
        """Return about ten points of each curve."""
        bad, good = (self._curve(side) for _, side in _sides(contrast))
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


@dataclass(frozen=True)
class Matrix:
    """A grid of what works where.

    Attributes:
        title: The finding.
        names: Measurements to show as columns; each is text.
        fine: The text of a cell where all is well.
    """

    title: str
    names: Sequence[str]
    fine: str = "runs"

    def draw(self, figure: Figure, contrast: Contrast) -> None:
        """Draw a coloured cell with its text for each version and column."""
        axes = figure.subplots()
        for row, (_, side) in enumerate(_sides(contrast)):
            for column, name in enumerate(self.names):
                text = str(side.measured.get(name, "–"))
                color = COLORS["good" if text == self.fine else "bad"]
                color = REFERENCE if text == "–" else color
                axes.text(
                    column, row, text, ha="center", va="center", color="white", size=11
                )
                axes.barh(row, 0.94, left=column - 0.47, height=0.9, color=color)
        axes.set_xticks(range(len(self.names)), self.names)
        axes.set_yticks([0, 1], ["bad", "good"])
        axes.invert_yaxis()
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)

    def alt(self, contrast: Contrast) -> str:
        """Return every cell."""
        cells = [
            f"{label} on {name}: {side.measured.get(name, '–')}"
            for label, side in _sides(contrast)
            for name in self.names
        ]
        return f"Grid. {'; '.join(cells)}."

    def table(self, contrast: Contrast) -> tuple[tuple[str, ...], Rows]:
        """Return the grid."""
        rows: Rows = [
            (label, *(str(side.measured.get(name, "–")) for name in self.names))
            for label, side in _sides(contrast)
        ]
        return ("", *self.names), rows


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
        for axes, (label, side) in zip(both, _sides(contrast), strict=True):
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
            mean = side.number(self.mean)
            axes.axhline(mean, color="black", ls=":", lw=1.6)
            axes.set_xlim(0, 100)
            axes.set_xlabel("share in the mean (%)")
            axes.set_title(f"{label}: mean {decimal(mean)}", size=10)
            if not widths:
                _say(axes, "no batches")
            _tidy(axes)
        both[0].set_ylabel(self.y)

    def alt(self, contrast: Contrast) -> str:
        """Return the widest difference: the last batch's share and the means."""
        parts = [
            f"{label}: the last of {len(widths)} batches has "
            f"{decimal(widths[-1])} % of the weight, mean "
            f"{decimal(side.number(self.mean))}"
            if (widths := self._batches(side)[0])
            else f"{label}: no batches"
            for label, side in _sides(contrast)
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


@dataclass(frozen=True)
class Images:
    """Rows of images: what went in, and what each version made of it.

    Attributes:
        title: The finding.
        inputs: Names of extras shown first, those of the good version unless it
            stopped; each a tensor of shape ``(n, 1, height, width)`` in 0..1.
        outputs: Name of the extra that each version returns, in the same shape.
        score: Measurement printed beside each version's row.
    """

    title: str
    inputs: Sequence[str]
    outputs: str
    score: str

    def _rows(self, contrast: Contrast) -> list[tuple[str, Any]]:
        extras = {**contrast.bad.extras, **contrast.good.extras}
        shown = [(name, extras.get(name)) for name in self.inputs]
        for label, side in _sides(contrast):
            score = f"{label}\n{self.score} {decimal(side.number(self.score))}"
            shown.append((score, side.extras.get(self.outputs)))
        return [(label, images) for label, images in shown if images is not None]

    def draw(self, figure: Figure, contrast: Contrast) -> None:
        """Draw one row of images for each input and version."""
        rows = self._rows(contrast)
        if not rows:
            axes = figure.subplots()
            axes.set_axis_off()
            _say(axes, "no images")
            return
        every = figure.subplots(len(rows), 1, squeeze=False)[:, 0]
        for axes, (label, images) in zip(every, rows, strict=True):
            strip = images[:, 0].permute(1, 0, 2).flatten(1).clamp(0, 1)
            axes.imshow(strip.numpy(), cmap="gray_r", vmin=0, vmax=1, aspect="equal")
            axes.set_ylabel(label, rotation=0, ha="right", va="center", size=9)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)

    def alt(self, contrast: Contrast) -> str:
        """Return what each row is."""
        rows = [label.replace("\n", ", ") for label, _ in self._rows(contrast)]
        listed = "; ".join(rows) or "none"
        return f"Rows of images, from top to bottom: {listed}."

    def table(self, contrast: Contrast) -> tuple[tuple[str, ...], Rows]:
        """Return each version's score."""
        rows: Rows = [
            (label, decimal(side.number(self.score)))
            for label, side in _sides(contrast)
        ]
        return ("", self.score), rows


def show(
    picture: Picture, contrast: Contrast, size: tuple[float, float] = (6.4, 2.8)
) -> None:
    """Display the picture with its text alternative, then its data as a table."""
    figure = Figure(figsize=size, layout="constrained")
    picture.draw(figure, contrast)
    title = textwrap.fill(picture.title, int(CHARACTERS_PER_INCH * size[0]))
    figure.suptitle(title, size=11, weight="bold")
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=110, metadata={"Software": None})
    alt = picture.alt(contrast)
    display(
        {"image/png": png.getvalue(), "text/plain": f"{picture.title}. {alt}"},
        raw=True,
        metadata={"image/png": {"alt": f"{picture.title}. {alt}"}},
    )
    table = html_table(*picture.table(contrast))
    summary = "<summary>The data of this figure</summary>"
    display(HTML(f"<details>{summary}{table}</details>"))
