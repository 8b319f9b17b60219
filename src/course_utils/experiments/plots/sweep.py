"""A sweep over one setting: what was used, and what came of it."""

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_utils.experiments.plots.base import (
    COLORS,
    LINES,
    MARKERS,
    REFERENCE,
    Rows,
    sides,
    tidy,
)
from course_utils.experiments.result import Contrast, Side
from course_utils.formatting import decimal


@dataclass(frozen=True)
class Sweep:
    """Two panels over the setting asked for: the setting used, and a score.

    Attributes:
        title: The finding.
        asked: Measurement with the settings asked for, one number a run.
        used: Measurement with the settings used.
        score: Measurement with the scores.
        setting: Name of the setting with its unit; its axes are logarithmic.
    """

    title: str
    asked: str
    used: str
    score: str
    setting: str

    def _curve(self, side: Side, name: str) -> tuple[float, ...]:
        value = side.measured.get(name, ())
        return value if isinstance(value, tuple) else ()

    def draw(self, figure: Figure, contrast: Contrast) -> None:
        """Draw both panels; where the left one leaves the diagonal, a wish was lost."""
        left, right = figure.subplots(1, 2)
        asked = self._curve(contrast.good, self.asked)
        left.plot(asked, asked, color=REFERENCE, lw=7, alpha=0.2, label="used = asked")
        self._lines(left, contrast, self.used)
        left.set_yscale("log")
        left.set_ylabel(f"{self.setting} used")
        self._lines(right, contrast, self.score)
        right.set_ylabel(self.score)
        left.legend(frameon=False, fontsize=9)

    def _lines(self, axes: Axes, contrast: Contrast, name: str) -> None:
        for label, side in sides(contrast):
            axes.plot(
                self._curve(side, self.asked),
                self._curve(side, name),
                color=COLORS[label],
                marker=MARKERS[label],
                ls=LINES[label],
                label=label,
            )
        axes.set_xscale("log")
        axes.set_xlabel(f"{self.setting} asked for")
        tidy(axes)

    def alt(self, contrast: Contrast) -> str:
        """Return the range of what each version used and scored."""
        parts = [
            f"{label} used {self.setting} {decimal(min(used))} to {decimal(max(used))}"
            f" and reached {self.score} {decimal(min(score))} to {decimal(max(score))}"
            for label, side in sides(contrast)
            if (used := self._curve(side, self.used))
            and (score := self._curve(side, self.score))
        ]
        return f"Two line charts over the {self.setting} asked for: {'; '.join(parts)}."

    def table(self, contrast: Contrast) -> tuple[tuple[str, ...], Rows]:
        """Return one row a run."""
        asked = self._curve(contrast.good, self.asked)
        asked = asked or self._curve(contrast.bad, self.asked)
        columns = [
            [decimal(value) for value in self._curve(side, name)]
            for name in (self.used, self.score)
            for _, side in sides(contrast)
        ]
        header = (f"{self.setting} asked for", "used, bad", "used, good")
        header += (f"{self.score}, bad", f"{self.score}, good")
        filled = [column or ["–"] * len(asked) for column in columns]
        rows: Rows = list(zip(map(decimal, asked), *filled, strict=True))
        return header, rows
