"""One panel per version, on the same scales."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from course_utils.experiments.plots import base
from course_utils.experiments.plots.base import Picture, Rows, Style, Versions
from course_utils.experiments.result import VersionResult
from course_utils.formatting import decimal

# None is the colour of a version: here a colour says which curve it is.
# Wide to narrow: where curves coincide, the first shows behind the last.
CURVES = (
    Style("#009E73", "o", "-", size=8, width=2.6),
    Style("#B85C90", "s", "--", size=4.5, width=1.6),
    Style("#000000", "^", ":", size=3, width=1.0),
)
CLOUD = "#808080"


@dataclass(frozen=True)
class Panels(Picture):
    """One panel per version, each with one curve per measurement.

    Attributes:
        names: Up to three measurements that hold a curve: one number per step.
        x: Label of the horizontal axis with its unit.
        y: Label of the vertical axis with its unit.
        cloud: Measurement with many numbers per step, drawn as points behind the
            curves.
        end: What the end of the curves means, for example ``"training ends"``; a
            vertical line marks it.
    """

    names: Sequence[str]
    x: str
    y: str
    cloud: str = ""
    end: str = ""

    def _last(self, result: VersionResult) -> int:
        return max(len(result.curve(name)) for name in self.names)

    def draw(self, figure: Figure, versions: Versions) -> None:
        """Draw the panels and one legend below them."""
        for axes, label, result, _ in base.panels(figure, versions, self.x, self.y):
            last = self._last(result)
            if cloud := result.curve(self.cloud):
                places = [(i + 1) * last / len(cloud) for i in range(len(cloud))]
                axes.plot(places, cloud, ".", color=CLOUD, ms=2.5, label=self.cloud)
            for name, style in zip(self.names, CURVES, strict=False):
                points = list(enumerate(result.curve(name), 1))
                base.line(axes, points, style, name)
            if not last:
                base.say(axes, "no curve")
            elif self.end:
                axes.axvline(last, color="black", ls="-.", label=self.end)
            axes.set_title(label, size=10)
            base.tidy(axes, whole_steps=True)
        base.legend(figure, below=True)

    def alt(self, versions: Versions) -> str:
        """Return how far the curves go, each from where to where."""
        parts = []
        for label, result in versions.items():
            ends = [
                f"{name} goes from {decimal(curve[0])} to {decimal(curve[-1])}"
                if (curve := result.curve(name))
                else f"{name} has no curve"
                for name in self.names
            ]
            # A float: where a run ends may differ from seed to seed.
            last = decimal(float(self._last(result)))
            parts.append(f"{label}, up to {self.x} {last}: {', '.join(ends)}")
        return f"Two line charts of {self.y} over {self.x}. {'; '.join(parts)}."

    def table(self, versions: Versions) -> tuple[tuple[str, ...], Rows]:
        """Return length, ends and extremes of each curve.

        Single points would make a table whose shape depends on where a run ends.
        """
        rows: Rows = []
        for label, result in versions.items():
            for name in self.names:
                curve = result.curve(name)
                values = (curve[0], min(curve), max(curve), curve[-1]) if curve else ()
                cells = [base.cell(values, i) for i in range(4)]
                rows.append((f"{label}: {name}", decimal(float(len(curve))), *cells))
        return ("", f"up to {self.x}", "first", "lowest", "highest", "last"), rows


@dataclass(frozen=True)
class PredictedVsTrue(Picture):
    """One panel per version: a point per answer, a marker for each true value's mean.

    Attributes:
        truth: Measurement with the true values, whole numbers, one per case.
        answer: Measurement with the answers, one per case.
        x: Label of the horizontal axis with its unit.
        y: Label of the vertical axis with its unit.
    """

    truth: str
    answer: str
    x: str
    y: str

    def _cases(self, result: VersionResult) -> list[tuple[float, float]]:
        columns = result.curve(self.truth), result.curve(self.answer)
        return list(zip(*columns, strict=True))

    def _means(self, result: VersionResult) -> dict[float, float]:
        cases = self._cases(result)
        values = sorted({truth for truth, _ in cases})
        return {v: mean(a for truth, a in cases if truth == v) for v in values}

    def draw(self, figure: Figure, versions: Versions) -> None:
        """Draw the panels, right answers on the dotted line."""
        for axes, label, result, style in base.panels(figure, versions, self.x, self.y):
            self._draw_panel(axes, label, result, style)
            axes.set_title(label, size=10)
            base.tidy(axes, whole_steps=True)
        base.legend(figure, below=True)

    def _draw_panel(
        self, axes: Axes, label: str, result: VersionResult, style: Style
    ) -> None:
        cases, means = self._cases(result), self._means(result)
        # Aside by up to a quarter: cases of one value do not hide each other.
        places = [truth + (i % 26 - 12.5) / 50 for i, (truth, _) in enumerate(cases)]
        axes.plot(places, [answer for _, answer in cases], ".", color=CLOUD, ms=1)
        right = {"color": base.REFERENCE, "ls": ":", "label": "right answers"}
        axes.plot(list(means), list(means), **right)
        axes.plot(
            list(means),
            list(means.values()),
            color=style.color,
            marker=style.marker,
            ms=7,
            mew=2,
            ls="",
            label=f"mean, {label}",
            path_effects=[withStroke(linewidth=4, foreground="white")],
        )
        if not cases:
            base.say(axes, "no answers")

    def alt(self, versions: Versions) -> str:
        """Return the mean answers to the smallest and the largest true value."""
        parts = []
        for label, result in versions.items():
            means = list(self._means(result).values())
            ends = f"from {decimal(means[0])} to {decimal(means[-1])}" if means else "–"
            parts.append(f"{label}: mean answers go {ends}")
        return f"{self.y} over {self.x}. {'; '.join(parts)}."

    def table(self, versions: Versions) -> tuple[tuple[str, ...], Rows]:
        """Return the mean answer to each true value."""
        columns = {f"mean, {k}": self._means(v) for k, v in versions.items()}
        rows: Rows = [
            (
                f"{value:.0f}",
                *(decimal(m[value]) if value in m else "–" for m in columns.values()),
            )
            for value in sorted(set().union(*columns.values()))
        ]
        return (self.x, *columns), rows
