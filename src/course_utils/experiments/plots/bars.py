"""Bars: one per measurement and version, or split into parts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from course_utils.experiments.plots import base
from course_utils.experiments.plots.base import Picture, Rows, Style, Versions
from course_utils.formatting import decimal

# None is the colour of a version: here a colour says which part it is.
PARTS = (
    Style("#A66A00"),
    Style("#7B4FA3", hatch="//"),
    Style("#008060", hatch=".."),
    Style("#B4427F", hatch="xx"),
    Style("#6b6b6b"),
)


@dataclass(frozen=True)
class Bars(Picture):
    """One bar per measurement and version.

    Attributes:
        names: Measurements to show, all in the same unit.
        unit: Label of the value axis with its unit.
        reference: Measurement drawn as a line, say the truth; the good version's.
        whole: Whether the numbers beside the bars are rounded, for counts.
    """

    names: Sequence[str]
    unit: str
    reference: str = ""
    whole: bool = False

    def draw(self, figure: Figure, versions: Versions) -> None:
        """Draw horizontal bars, bad above good."""
        axes = figure.subplots()
        for place, (label, result, style) in enumerate(base.styled(versions)):
            values = [result.number(name) for name in self.names]
            aside = 0.4 * (place - (len(versions) - 1) / 2)
            bars = axes.barh(
                [i + aside for i in range(len(values))],
                [value if math.isfinite(value) else 0 for value in values],
                height=0.36,
                color=style.color,
                hatch=style.hatch,
                edgecolor="white",
                label=label,
            )
            paper = {"facecolor": "white", "edgecolor": "none", "pad": 1}
            labels = [f"{v:.0f}" if self.whole else decimal(v) for v in values]
            axes.bar_label(bars, labels, padding=4, bbox=paper)
        base.reference(axes, versions, self.reference)
        axes.set_yticks(range(len(self.names)), self.names)
        axes.invert_yaxis()
        axes.set_xlabel(self.unit)
        axes.set_xmargin(0.15)
        base.legend(figure)
        base.tidy(axes)

    def alt(self, versions: Versions) -> str:
        """Return every bar's value."""
        parts = []
        for name, *values in base.number_rows(self.names, versions):
            pairs = zip(versions, values, strict=True)
            parts.append(f"{name}: {', '.join(' '.join(pair) for pair in pairs)}")
        if self.reference:
            place = decimal(base.last_number(versions, self.reference))
            parts.append(f"{self.reference}, a dotted line, at {place}")
        return f"Bar chart of {self.unit}. {'; '.join(parts)}."

    def table(self, versions: Versions) -> tuple[tuple[str, ...], Rows]:
        """Return the bars' values."""
        return ("", *versions), base.number_rows(self.names, versions)


@dataclass(frozen=True)
class StackedBars(Picture):
    """One bar before, and one after the change of each version, split into parts.

    Attributes:
        parts: Names of up to five parts, in the order in which they are stacked.
        before: Measurement with one number per part; the good version's is drawn.
        after: The same after the change, drawn for each version.
        unit: Label of the value axis with its unit.
    """

    parts: Sequence[str]
    before: str
    after: str
    unit: str

    def _bars(self, versions: Versions) -> dict[str, tuple[float, ...]]:
        after = {f"after, {k}": v.curve(self.after) for k, v in versions.items()}
        return {"before": base.last_curve(versions, self.before), **after}

    def draw(self, figure: Figure, versions: Versions) -> None:
        """Draw horizontal bars, each with its length written beside it."""
        axes = figure.subplots()
        bars = self._bars(versions)
        lengths = [0.0] * len(bars)
        for i, (part, style) in enumerate(zip(self.parts, PARTS, strict=False)):
            values = [bar[i] if i < len(bar) else 0.0 for bar in bars.values()]
            axes.barh(
                range(len(bars)),
                values,
                left=lengths,
                height=0.7,
                lw=0,
                color=style.color,
                hatch=style.hatch,
                edgecolor="white",
                label=part,
            )
            lengths = [a + b for a, b in zip(lengths, values, strict=True)]
        for place, length in enumerate(lengths):
            if length:
                axes.text(length, place, f" {decimal(length)}", va="center", size=9)
        axes.set_yticks(range(len(bars)), list(bars))
        axes.invert_yaxis()
        axes.margins(x=0.12)  # room for the numbers
        axes.set_xlim(left=0)
        axes.set_xlabel(self.unit)
        base.legend(figure)
        base.tidy(axes)

    def alt(self, versions: Versions) -> str:
        """Return each bar's length and the value of its parts."""
        bars = [
            f"{name}: {decimal(sum(values))} in all, "
            + ", ".join(
                f"{part} {decimal(value)}"
                for part, value in zip(self.parts, values, strict=False)
            )
            if values
            else f"{name}: –"
            for name, values in self._bars(versions).items()
        ]
        return f"Stacked bars of {self.unit}. {'; '.join(bars)}."

    def table(self, versions: Versions) -> tuple[tuple[str, ...], Rows]:
        """Return one row per part, one column per bar."""
        bars = self._bars(versions)
        rows: Rows = [
            (part, *(base.cell(bar, i) for bar in bars.values()))
            for i, part in enumerate(self.parts)
        ]
        return ("", *bars), rows
