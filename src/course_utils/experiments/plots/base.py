"""What all pictures share: styles, sampling, axes, a legend, and how one is shown.

Every figure has a title that states what to see, axes with units, marker and colour
both, and a text alternative. Marks stand out from white by a contrast of 3:1 or more,
text from what is behind it by 4.5:1 (WCAG 2.2, criteria 1.4.11 and 1.4.3).
"""

import html
import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import matplotlib.style
from IPython.display import HTML, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from course_utils.experiments.result import Contrast, VersionResult
from course_utils.formatting import decimal, html_table


class Style(NamedTuple):
    """How a mark looks: more than its colour tells it from the others."""

    color: str
    marker: str = ""
    line: str = "-"
    hatch: str = ""
    size: float = 5
    width: float = 1.4


# Okabe and Ito's vermilion and blue, which colour-blind people can tell apart. The
# vermilion is darkened so that white text can be read on it.
BAD = Style("#C25500", "x", "--", "//")
GOOD = Style("#0072B2", "o", size=6, width=2.2)  # seen behind the other one
FURTHER = Style("#6B3FA0", "s", "-.", ".", size=5)  # a third version, beyond the good
REFERENCE = "#4d4d4d"  # what should be, and lines that divide

TITLE_CHARACTERS_PER_INCH = 10.5
LEGEND_CHARACTERS = 26  # per line
MOST_POINTS = 12

Rows = list[tuple[str, ...]]
Versions = Mapping[str, VersionResult]
Data = Contrast | Mapping[str, VersionResult | Mapping[str, Any]]


@dataclass(frozen=True)
class Picture:
    """What `show` and `contrast` need of a picture.

    Attributes:
        title: The finding.
    """

    title: str

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches."""
        return 6.4, 2.8

    def draw(self, figure: Figure, versions: Versions) -> None:
        """Draw everything but the title."""
        raise NotImplementedError

    def alt(self, versions: Versions) -> str:
        """Return what the picture shows, in sentences."""
        raise NotImplementedError

    def table(self, versions: Versions) -> tuple[tuple[str, ...], Rows]:
        """Return header and rows of the data that the picture shows."""
        raise NotImplementedError


def styled(versions: Versions) -> list[tuple[str, VersionResult, Style]]:
    """Return name, result and style of up to three versions, the bad one first.

    A single version is a good one; a third goes further than the good one.
    """
    styles = {1: (GOOD,), 2: (BAD, GOOD), 3: (BAD, GOOD, FURTHER)}.get(len(versions))
    if styles is None:
        raise ValueError(f"Expected one to three versions but got {len(versions)}.")
    return [
        (name, result, style)
        for (name, result), style in zip(versions.items(), styles, strict=True)
    ]


def last_number(versions: Versions, name: str) -> float:
    """Return a measurement of the last version that has it, ``nan`` if none has."""
    numbers = [result.number(name) for result in versions.values()]
    return next((n for n in reversed(numbers) if math.isfinite(n)), math.nan)


def last_curve(versions: Versions, name: str) -> tuple[float, ...]:
    """Return a curve of the last version that has it, ``()`` if none has."""
    curves = [result.curve(name) for result in versions.values()]
    return next((curve for curve in reversed(curves) if curve), ())


def sample(length: int) -> list[int]:
    """Return at most twelve evenly spaced places, the first and the last among them.

    Example:
        >>> sample(25), sample(20)[-3:]
        ([0, 3, 6, 9, 12, 15, 18, 21, 24], [16, 18, 19])
    """
    step = max(math.ceil((length - 1) / (MOST_POINTS - 1)), 1)
    return sorted({*range(0, length, step), *range(length)[-1:]})


def cell(values: Sequence[float], place: int) -> str:
    """Return a value for a table, a dash if there are not so many."""
    return decimal(values[place]) if place < len(values) else "–"


def number_rows(names: Sequence[str], versions: Versions) -> Rows:
    """Return one row per measurement, one column per version."""
    return [
        (name, *(decimal(result.number(name)) for result in versions.values()))
        for name in names
    ]


def line(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    style: Style,
    label: str,
    **look: Any,
) -> None:
    """Draw a curve, with markers at the points that a table holds."""
    axes.plot(
        [x for x, _ in points],
        [y for _, y in points],
        color=style.color,
        ls=style.line,
        lw=style.width,
        marker=style.marker,
        ms=style.size,
        markevery=sample(len(points)),
        label=label,
        **look,
    )


def reference(
    axes: Axes, versions: Versions, name: str, *, level: bool = False
) -> None:
    """Draw a line at a measurement, if a version has it: vertical, or a level."""
    place = last_number(versions, name)
    if math.isfinite(place):  # not a number has no place on a logarithmic axis
        draw = axes.axhline if level else axes.axvline
        draw(place, color=REFERENCE, ls=":", label=name)


def panels(
    figure: Figure, versions: Versions, x: str, y: str, below: bool = False
) -> list[tuple[Axes, str, VersionResult, Style]]:
    """Return labelled axes on common scales for each version, beside it all it has.

    The panels of two versions stand side by side, or one below the other.
    """
    shape = (len(versions), 1) if below else (1, len(versions))
    grid = figure.subplots(*shape, sharex=True, sharey=True, squeeze=False)
    for axes in grid[-1]:
        axes.set_xlabel(x)
    for axes in grid[:, 0]:
        axes.set_ylabel(y)
    found = zip(grid.flat, styled(versions), strict=True)
    return [(axes, *version) for axes, version in found]


def tidy(axes: Axes, whole_steps: bool = False) -> None:
    """Remove the lines that carry no scale; count steps in whole numbers."""
    axes.spines[["top", "right"]].set_visible(False)
    if whole_steps:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def say(axes: Axes, text: str) -> None:
    """Write what is missing where it would have been."""
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)


def legend(figure: Figure, below: bool = False) -> None:
    """Name every kind of mark once, outside the axes; a single kind needs no name."""
    marks: dict[str, Any] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        marks |= zip(labels, handles, strict=True)
    if len(marks) > 1:
        names = [textwrap.fill(name, LEGEND_CHARACTERS) for name in marks]
        place = "outside lower center" if below else "outside right center"
        columns = len(marks) if below else 1
        figure.legend(marks.values(), names, loc=place, ncols=columns, frameon=False)


def versions_of(data: Data) -> Versions:
    """Return the named versions of a contrast, or of a mapping of measurements."""
    named = data.versions if isinstance(data, Contrast) else data
    return {
        name: each if isinstance(each, VersionResult) else VersionResult(each)
        for name, each in named.items()
    }


@matplotlib.style.context("default")  # whatever the user's matplotlibrc says
def show(picture: Picture, data: Data) -> None:
    """Display a picture with its text alternative, then its data as a table.

    Args:
        picture: What to draw.
        data: A contrast, or the measurements of each version by the version's name:
            ``{"sigmoid": {"loss": 0.7}, "ReLU": {"loss": 0.2}}``.
    """
    versions = versions_of(data)
    figure = Figure(figsize=picture.size, layout="constrained")
    picture.draw(figure, versions)
    characters = int(TITLE_CHARACTERS_PER_INCH * picture.size[0])
    figure.suptitle(textwrap.fill(picture.title, characters), size=11, weight="bold")
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=110, metadata={"Software": None})
    alt = picture.alt(versions)
    display(
        {"image/png": png.getvalue(), "text/plain": f"{picture.title}. {alt}"},
        raw=True,
        metadata={"image/png": {"alt": f"{picture.title}. {alt}"}},
    )
    table = html_table(*picture.table(versions))
    summary = "<summary>This figure in words and numbers</summary>"
    words = f"<p>{html.escape(alt)}</p>"
    display(HTML(f"<details>{summary}{words}{table}</details>"))
