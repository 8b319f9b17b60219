"""A table of outcomes in colour: what was tried, on what, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_utils.experiments.plots.base import COLORS, Rows, show
from course_utils.experiments.result import Contrast, Side

EMPTY = "#e9e9e9"


@dataclass(frozen=True)
class Outcomes:
    """A grid with a text in each cell; it needs no bad and no good version.

    `Grid` holds two versions against each other, this any number of columns.

    Attributes:
        title: The finding.
        columns: Headings of the columns.
        rows: Heading of each row, and its cells from left to right.
        nothing: The text of a cell in which nothing happened; it gets no colour.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]
    nothing: str = "–"

    def show(self) -> None:
        """Display the grid with its text alternative, then as a table."""
        height = 1.2 + 0.42 * len(self.rows)
        show(self, Contrast("", Side(), Side()), size=(7.6, height))

    def draw(self, figure: Figure, contrast: Contrast) -> None:
        """Draw one coloured cell for each row and column."""
        axes = figure.subplots()
        for place, (_, cells) in enumerate(self.rows):
            for column, text in enumerate(cells):
                self._cell(axes, column, place, text)
        axes.set_yticks(range(len(self.rows)), [name for name, _ in self.rows])
        axes.set_xticks(range(len(self.columns)), self.columns, size=9)
        axes.xaxis.tick_top()
        axes.invert_yaxis()
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)

    def _cell(self, axes: Axes, column: int, row: int, text: str) -> None:
        found = text != self.nothing
        face = COLORS["good"] if found else EMPTY
        left = column - 0.47
        axes.barh(row, 0.94, left=left, height=0.88, facecolor=face, lw=0)
        ink = {"color": "white", "weight": "bold"} if found else {"color": "black"}
        axes.text(column, row, text, ha="center", va="center", size=9, **ink)

    def alt(self, contrast: Contrast) -> str:
        """Return every row."""
        rows = [
            f"{name}: {', '.join(self._named(cells)) or self.nothing}"
            for name, cells in self.rows
        ]
        return f"Grid. {'; '.join(rows)}."

    def _named(self, cells: Sequence[str]) -> list[str]:
        """Return ``"column text"`` for each cell in which something happened."""
        names = [" ".join(column.split()) for column in self.columns]
        pairs = zip(names, cells, strict=True)
        return [f"{name} {text}" for name, text in pairs if text != self.nothing]

    def table(self, contrast: Contrast) -> tuple[tuple[str, ...], Rows]:
        """Return the grid."""
        names = [" ".join(column.split()) for column in self.columns]
        return ("", *names), [(name, *cells) for name, cells in self.rows]
