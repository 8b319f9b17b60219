"""What every picture of a contrast has, and how it is shown.

Every figure has a title that states what to see, axes with units, marker and colour
both, and a text alternative. The colours are Okabe and Ito's: colour-blind safe.
"""

import html
import io
import textwrap
from typing import Protocol

from IPython.display import HTML, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_utils.experiments.result import Contrast, Side
from course_utils.formatting import html_table

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


def sides(contrast: Contrast) -> list[tuple[str, Side]]:
    """Return both sides with their labels, bad first."""
    return [("bad", contrast.bad), ("good", contrast.good)]


def tidy(axes: Axes) -> None:
    """Remove the lines that carry no scale."""
    axes.spines[["top", "right"]].set_visible(False)


def say(axes: Axes, text: str) -> None:
    """Write what is missing where it would have been."""
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)


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
    summary = "<summary>This figure in words and numbers</summary>"
    words = f"<p>{html.escape(alt)}</p>"
    display(HTML(f"<details>{summary}{words}{table}</details>"))
