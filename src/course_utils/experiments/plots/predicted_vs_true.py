"""What was answered over what is true, in two panels."""

from dataclasses import dataclass
from statistics import mean

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from course_utils.experiments.plots.base import (
    COLORS,
    MARKERS,
    REFERENCE,
    Rows,
    say,
    sides,
    tidy,
)
from course_utils.experiments.result import Contrast, Side
from course_utils.formatting import decimal


@dataclass(frozen=True)
class Diagonal:
    """One panel a version: a point an answer, a marker the mean of each true value.

    Attributes:
        title: The finding.
        truth: Measurement with the true values, whole numbers, one a case.
        answer: Measurement with the answers, one a case.
        x: Label of the horizontal axis with its unit.
        y: Label of the vertical axis with its unit.
    """

    title: str
    truth: str
    answer: str
    x: str
    y: str

    def _cases(self, side: Side) -> list[tuple[float, float]]:
        columns = [side.measured.get(name, ()) for name in (self.truth, self.answer)]
        truth, answer = [each if isinstance(each, tuple) else () for each in columns]
        return list(zip(truth, answer, strict=True))

    def _means(self, side: Side) -> dict[float, float]:
        cases = self._cases(side)
        values = sorted({truth for truth, _ in cases})
        return {v: mean(a for truth, a in cases if truth == v) for v in values}

    def _draw_panel(self, axes: Axes, label: str, side: Side) -> None:
        cases, means = self._cases(side), self._means(side)
        # Aside by up to a quarter: cases of one value do not hide each other.
        places = [truth + (i % 26 - 12.5) / 50 for i, (truth, _) in enumerate(cases)]
        answers = [answer for _, answer in cases]
        look = {"color": COLORS[label], "ls": ""}
        axes.plot(places, answers, marker=".", ms=2, alpha=0.3, **look)
        axes.plot(
            list(means), list(means), color=REFERENCE, ls=":", label="right answers"
        )
        look |= {"marker": MARKERS[label], "ms": 7, "mew": 2, "label": f"mean, {label}"}
        axes.plot(list(means), list(means.values()), **look)
        if not cases:
            say(axes, "no answers")
        axes.set_title(label, size=10)
        axes.set_xlabel(self.x)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        tidy(axes)

    def draw(self, figure: Figure, contrast: Contrast) -> None:
        """Draw both panels on the same scales, right answers on the dotted line."""
        both = figure.subplots(1, 2, sharex=True, sharey=True)
        for axes, (label, side) in zip(both, sides(contrast), strict=True):
            self._draw_panel(axes, label, side)
        both[0].set_ylabel(self.y)
        marks = [each.get_legend_handles_labels() for each in both]
        known = {text: mark for pair in marks for mark, text in zip(*pair, strict=True)}
        figure.legend(
            known.values(),
            known.keys(),
            loc="outside lower center",
            ncols=len(known),
            frameon=False,
        )

    def alt(self, contrast: Contrast) -> str:
        """Return the mean answers to the smallest and the largest true value."""
        parts = []
        for label, side in sides(contrast):
            means = list(self._means(side).values())
            ends = f"from {decimal(means[0])} to {decimal(means[-1])}" if means else "–"
            parts.append(f"{label}: mean answers go {ends}")
        return f"{self.y} over {self.x}. {'; '.join(parts)}."

    def table(self, contrast: Contrast) -> tuple[tuple[str, ...], Rows]:
        """Return the mean answer to each true value."""
        means = [self._means(side) for _, side in sides(contrast)]
        rows: Rows = [
            (
                f"{value:.0f}",
                *(decimal(each[value]) if value in each else "–" for each in means),
            )
            for value in sorted({*means[0], *means[1]})
        ]
        return (self.x, "mean, bad", "mean, good"), rows
