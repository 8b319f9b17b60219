"""A coloured grid of what works: one row per case, one column per version."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from course_utils.experiments.plots import base
from course_utils.experiments.plots.base import Picture, Rows, Versions

NOTHING = "–"


@dataclass(frozen=True)
class Cells(Picture):
    """A grid with a row for each measurement and a column for each version.

    Attributes:
        names: Measurements to show as rows; each is text, or missing.
        fine: The text of a cell where all is well; any text if empty.
        columns: What the versions stand for, if their names do not say it.
    """

    names: Sequence[str]
    fine: str = "works"
    columns: Sequence[str] = ()

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches: rows stay as high as their text."""
        return 6.4, max(2.8, 1 + 0.26 * len(self.names))

    def draw(self, figure: Figure, versions: Versions) -> None:
        """Draw a coloured cell with its text for each case and version."""
        axes = figure.subplots()
        (_, *columns), rows = self.table(versions)
        for row, (_, *texts) in enumerate(rows):
            for column, text in enumerate(texts):
                if text == NOTHING:  # nothing to try: no verdict, no colour
                    axes.text(column, row, text, ha="center", va="center")
                    continue
                style = base.GOOD if text == (self.fine or text) else base.BAD
                look = {"facecolor": style.color, "hatch": style.hatch, "lw": 0}
                place = {"left": column - 0.47, "height": 0.88, "edgecolor": "white"}
                axes.barh(row, 0.94, **place, **look)
                paper = {"facecolor": style.color, "edgecolor": "none", "pad": 1}
                ink = {"ha": "center", "va": "center", "color": "white", "size": 9}
                axes.text(column, row, text, bbox=paper, **ink)
        axes.set_yticks(range(len(rows)), self.names, size=9)
        headings = self.columns or list(versions)
        axes.set_xticks(range(len(columns)), headings, size=9)
        axes.set_xlim(-0.5, len(columns) - 0.5)
        axes.xaxis.tick_top()
        axes.invert_yaxis()
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)

    def alt(self, versions: Versions) -> str:
        """Return every row; of a column where nothing was tried, nothing."""
        (_, *columns), rows = self.table(versions)
        parts = []
        for name, *texts in rows:
            pairs = zip(texts, columns, strict=True)
            said = [f"{column} {text}" for text, column in pairs if text != NOTHING]
            parts.append(f"{name}: {', '.join(said) or NOTHING}")
        return f"Grid. {'; '.join(parts)}."

    def table(self, versions: Versions) -> tuple[tuple[str, ...], Rows]:
        """Return the grid."""
        rows: Rows = [
            (name, *(str(v.measured.get(name, NOTHING)) for v in versions.values()))
            for name in self.names
        ]
        headings = [" ".join(each.split()) for each in self.columns or versions]
        return ("", *headings), rows
