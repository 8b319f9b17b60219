"""Curves: over steps, over a measured quantity, with a place for zero, with a mark."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_utils.experiments.plots import base
from course_utils.experiments.plots.base import Picture, Rows, Style, Versions
from course_utils.experiments.result import VersionResult
from course_utils.formatting import decimal

BELOW = 0.35  # of the room below the smallest value, for markers at zero


@dataclass(frozen=True)
class Lines(Picture):
    """One curve per version.

    Attributes:
        name: Measurement that holds the curve: one number per step, or per place of
            ``at``.
        x: Label of the horizontal axis with its unit.
        y: Label of the vertical axis with its unit.
        at: The places of the numbers on the horizontal axis, or the measurement that
            holds each version's; steps counted from ``first`` if empty.
        first: Number of the first step.
        log: Whether the vertical axis is logarithmic; values that are not positive
            are then left out.
        log_x: Whether the horizontal axis is logarithmic.
        smallest: If above 0, the vertical axis is logarithmic from here up, and shows
            0 as a separate line below.
        reference: Measurement drawn as a vertical line; the good version's.
        level: Measurement drawn as a horizontal line; the good version's.
        point: Measurements with the place and the height of one large mark per
            version, for example the step that it picked and the score of that step.
        truth: Measurement that the height of the mark should have been.
    """

    name: str
    x: str
    y: str
    at: str | Sequence[float] = ""
    first: int = 1
    log: bool = False
    log_x: bool = False
    smallest: float = 0.0
    reference: str = ""
    point: tuple[str, str] | None = None
    truth: str = ""
    level: str = ""

    def _curve(self, result: VersionResult) -> list[tuple[float, float]]:
        curve = result.curve(self.name)
        if not self.at:
            return list(enumerate(curve, self.first))
        at = result.curve(self.at) if isinstance(self.at, str) else self.at
        return list(zip(at, curve, strict=True)) if at and curve else []

    def _marks(self, result: VersionResult) -> list[tuple[str, float, float]]:
        """Return name, place and height of the mark, and of its truth."""
        if self.point is None:
            return []
        x, y = self.point
        names = [name for name in (y, self.truth) if name]
        return [(name, result.number(x), result.number(name)) for name in names]

    def draw(self, figure: Figure, versions: Versions) -> None:
        """Draw the curves, and what marks places among them."""
        self.draw_on(figure.subplots(), versions)
        base.legend(figure)

    def draw_on(self, axes: Axes, versions: Versions) -> None:
        """Draw everything but the legend."""
        for place, (label, result, style) in enumerate(base.styled(versions)):
            curve = self._curve(result)
            name = f"{label}: {self.name}" if self.point else label
            if not curve:
                name = f"{label}: no curve"
            if self.point:
                style = style._replace(marker="", width=1.2)
            # A dashed line over a solid one: both are seen where they coincide.
            base.line(axes, curve, style, name, zorder=2.5 - place / 10)
        for label, result, style in base.styled(versions):
            self._draw_marks(axes, label, result, style)
        base.reference(axes, versions, self.reference)
        base.reference(axes, versions, self.level, level=True)
        axes.set_xlabel(self.x)
        axes.set_ylabel(self.y)
        base.tidy(axes, whole_steps=not self.log_x)
        self._scale(axes, [x for r in versions.values() for x in self._curve(r)])

    def _draw_marks(
        self, axes: Axes, label: str, result: VersionResult, style: Style
    ) -> None:
        marks = self._marks(result)
        for name, x, y in marks[:1]:
            look = {"color": style.color, "marker": style.marker, "ls": ""}
            named = f"{label}: {name} {decimal(y)}"
            axes.plot([x], [y], ms=11, mew=3, zorder=3, label=named, **look)
        for name, x, y in marks[1:]:
            look = {"color": base.REFERENCE, "ls": ":", "marker": "_", "markevery": [0]}
            axes.plot([x, x], [y, marks[0][2]], ms=16, mew=2, label=name, **look)

    def _scale(self, axes: Axes, points: list[tuple[float, float]]) -> None:
        if self.point:
            axes.set_ymargin(0.12)
        if self.log:
            axes.set_yscale("log", nonpositive="mask")
        if self.smallest:
            self._scale_with_zero(axes, max((y for _, y in points), default=0))
        if self.log_x:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
            if self.at:
                axes.set_xticks(sorted({x for x, _ in points}))
                axes.minorticks_off()

    def _scale_with_zero(self, axes: Axes, largest: float) -> None:
        """Make the axis logarithmic, with 0 one decade below the smallest value."""
        axes.set_yscale("symlog", linthresh=self.smallest, linscale=1)
        first = math.floor(math.log10(self.smallest))
        last = max(math.ceil(math.log10(max(largest, self.smallest))), first + 1)
        every = (last - first) // 5 + 1
        powers = range(first, last + 1, every)
        axes.set_yticks([0, *(10.0**p for p in powers)])
        axes.set_yticklabels(["0", *(f"$10^{{{p}}}$" for p in powers)])
        axes.set_ylim(-BELOW * self.smallest, 10.0**last)
        axes.minorticks_off()
        axes.axhline(self.smallest / 2, color=base.REFERENCE, lw=0.8, ls=(0, (1, 6)))

    def _course(self, result: VersionResult) -> str:
        """Return in words how the curve runs."""
        curve = self._curve(result)
        if not curve:
            return "has no curve"
        if not any(y for _, y in curve):
            return "stays at zero"
        (x0, y0), (x1, y1) = curve[0], curve[-1]
        if not (self.at or self.point):
            return f"goes from {decimal(y0)} to {decimal(y1)}"
        top = max(curve, key=lambda point: point[1])
        stations = [
            f"{decimal(y)} at {decimal(x)}" for x, y in ((x0, y0), (x1, y1), top)
        ]
        return "goes from {} to {}, at most {}".format(*stations)

    def alt(self, versions: Versions) -> str:
        """Return where each curve starts and ends, and what marks places."""
        parts = []
        for label, result in versions.items():
            marks = [
                f", {name} {decimal(y)} at {decimal(x)}"
                for name, x, y in self._marks(result)
            ]
            parts.append(f"{label} {self._course(result)}{''.join(marks)}")
        for name in filter(None, (self.reference, self.level)):
            place = base.last_number(versions, name)
            parts.append(f"{name} at {decimal(place)}")
        return f"Line chart of {self.y} over {self.x}: {'; '.join(parts)}."

    def table(self, versions: Versions) -> tuple[tuple[str, ...], Rows]:
        """Return at most twelve points of each curve, and the marks."""
        curves = {label: self._curve(result) for label, result in versions.items()}
        rows: Rows = []
        if not (self.at or self.point):  # one column per version: steps are common
            heights = [[y for _, y in curve] for curve in curves.values()]
            for i in base.sample(max(map(len, heights))):
                step = str(i + self.first)
                rows.append((step, *(base.cell(each, i) for each in heights)))
            return (self.x, *curves), rows
        for label, result in versions.items():
            curve = curves[label]
            shown = [(label, *curve[i]) for i in base.sample(len(curve))]
            shown += [(f"{label}: {n}", x, y) for n, x, y in self._marks(result)]
            rows += [(name, decimal(x), decimal(y)) for name, x, y in shown]
        return ("", self.x, self.y), rows


@dataclass(frozen=True)
class Sweep(Picture):
    """Two panels over the setting asked for: the setting used, and a score.

    Attributes:
        asked: Measurement with the settings asked for, one number per run.
        used: Measurement with the settings used.
        score: Measurement with the scores.
        setting: Name of the setting with its unit; its axes are logarithmic.
    """

    asked: str
    used: str
    score: str
    setting: str

    def draw(self, figure: Figure, versions: Versions) -> None:
        """Draw both panels; a mark outside its square is a setting not used."""
        left, right = figure.subplots(1, 2)
        asked = base.last_curve(versions, self.asked)
        look = {"color": base.REFERENCE, "marker": "s", "ms": 11, "mfc": "none"}
        left.plot(asked, asked, ls="", clip_on=False, label="used = asked", **look)
        x = f"{self.setting} asked for"
        for axes, name, y, log in (
            (left, self.used, f"{self.setting} used", True),
            (right, self.score, self.score, False),
        ):
            lines = Lines("", name, x, y, at=self.asked, log=log, log_x=True)
            lines.draw_on(axes, versions)
        base.legend(figure, below=True)

    def alt(self, versions: Versions) -> str:
        """Return the range of what each version used and scored."""
        parts = [
            f"{label} used {self.setting} {decimal(min(used))} to {decimal(max(used))}"
            f" and reached {self.score} {decimal(min(score))} to {decimal(max(score))}"
            if (used := result.curve(self.used)) and (score := result.curve(self.score))
            else f"{label} has no curve"
            for label, result in versions.items()
        ]
        return f"Two line charts over the {self.setting} asked for: {'; '.join(parts)}."

    def table(self, versions: Versions) -> tuple[tuple[str, ...], Rows]:
        """Return one row per run."""
        columns = {
            f"{title}, {label}": result.curve(name)
            for title, name in (("used", self.used), (self.score, self.score))
            for label, result in versions.items()
        }
        rows: Rows = [
            (decimal(asked), *(base.cell(column, i) for column in columns.values()))
            for i, asked in enumerate(base.last_curve(versions, self.asked))
        ]
        return (f"{self.setting} asked for", *columns), rows
