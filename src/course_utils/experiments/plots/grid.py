"""A tall grid of what works: one row a case, one column a version."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_utils.experiments.plots.base import COLORS, Rows, sides
from course_utils.experiments.result import Contrast


@dataclass(frozen=True)
class Grid:
    """A grid with a row for each measurement and a column for each version.

    Use `Matrix` for few cases with short names, this for many with long ones.

    Attributes:
        title: The finding.
        names: Measurements to show as rows; each is text, or missing.
        columns: What the bad and the good version stand for, as headings.
        fine: The text of a cell where all is well.
    """

    title: str
    names: Sequence[str]
    columns: Sequence[str] = ("bad", "good")
    fine: str = "works"

    def _rows(self, contrast: Contrast) -> Rows:
        return [
            (name, *(str(side.measured.get(name, "–")) for _, side in sides(contrast)))
            for name in self.names
        ]

    def draw(self, figure: Figure, contrast: Contrast) -> None:
        """Draw a coloured cell with its text for each case and version."""
        axes = figure.subplots()
        rows = self._rows(contrast)
        for place, (_, *texts) in enumerate(rows):
            for column, text in enumerate(texts):
                self._cell(axes, column, place, text)
        axes.set_yticks(range(len(rows)), [name for name, *_ in rows], size=9)
        axes.set_xticks(range(len(self.columns)), self.columns)
        axes.xaxis.tick_top()
        axes.invert_yaxis()
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)

    def _cell(self, axes: Axes, column: int, row: int, text: str) -> None:
        if text == "–":  # nothing to try: no verdict, no colour
            axes.text(column, row, text, ha="center", va="center")
            return
        color = COLORS["good" if text == self.fine else "bad"]
        axes.barh(
            row,
            0.94,
            left=column - 0.47,
            height=0.88,
            facecolor=color,
            edgecolor="white",
            hatch="" if text == self.fine else "//",
            lw=0,
        )
        style = {"ha": "center", "va": "center", "color": "white", "size": 9}
        paper = {"facecolor": color, "edgecolor": "none", "pad": 1}
        axes.text(column, row, text, bbox=paper, **style)

    def alt(self, contrast: Contrast) -> str:
        """Return every row."""
        rows = [
            f"{name}: {bad} {self.columns[0]}, {good} {self.columns[1]}"
            for name, bad, good in self._rows(contrast)
        ]
        return f"Grid. {'; '.join(rows)}."

    def table(self, contrast: Contrast) -> tuple[tuple[str, ...], Rows]:
        """Return the grid."""
        return ("", *self.columns), self._rows(contrast)
