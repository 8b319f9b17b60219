"""A grid of what works where."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from course_utils.experiments.plots.base import COLORS, REFERENCE, Rows, sides
from course_utils.experiments.result import Contrast


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
        for row, (_, side) in enumerate(sides(contrast)):
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
            for label, side in sides(contrast)
            for name in self.names
        ]
        return f"Grid. {'; '.join(cells)}."

    def table(self, contrast: Contrast) -> tuple[tuple[str, ...], Rows]:
        """Return the grid."""
        rows: Rows = [
            (label, *(str(side.measured.get(name, "–")) for name in self.names))
            for label, side in sides(contrast)
        ]
        return ("", *self.names), rows
