"""One measurement against a share that explains it."""

from dataclasses import dataclass

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
class Against:
    """Each version as a point on the line between two extremes, and what is true.

    Attributes:
        title: The finding.
        x: Measurement on the horizontal axis, a share in percent.
        y: Measurement on the vertical axis.
        reference: Measurement that ``y`` should equal, drawn below or above the point.
        line: Measurement with two numbers: ``y`` if the share were 0 and 100 percent.
        x_label: Label of the horizontal axis with its unit.
        y_label: Label of the vertical axis with its unit.
    """

    title: str
    x: str
    y: str
    reference: str
    line: str
    x_label: str
    y_label: str

    def _ends(self, side: Side) -> tuple[float, ...]:
        value = side.measured.get(self.line, ())
        return value if isinstance(value, tuple) else ()

    def draw(self, figure: Figure, contrast: Contrast) -> None:
        """Draw line and point of each version, and the way down to the reference."""
        axes = figure.subplots()
        for label, side in sides(contrast):
            x, y = side.number(self.x), side.number(self.y)
            truth = side.number(self.reference)
            look = {"color": COLORS[label], "ls": LINES[label]}
            if ends := self._ends(side):
                axes.plot([0, 100], ends, lw=1.2, alpha=0.6, **look)
            axes.plot([x, x], [truth, y], color=REFERENCE, ls=":", lw=1.4)
            axes.plot(x, truth, color=REFERENCE, marker="_", ms=16, mew=2, ls="")
            axes.plot(
                x, y, color=COLORS[label], marker=MARKERS[label], ms=9, mew=2, ls=""
            )
            axes.annotate(
                f"{label}: {decimal(y)}",
                (x, y),
                xytext=(-12, 6) if x > 50 else (12, -6),
                textcoords="offset points",
                ha="right" if x > 50 else "left",
                va="bottom" if x > 50 else "top",
            )
        axes.plot(
            [], [], color=REFERENCE, marker="_", ms=12, ls=":", label=self.reference
        )
        for label in COLORS:
            look = {"color": COLORS[label], "marker": MARKERS[label]}
            axes.plot([], [], ls=LINES[label], label=f"{self.y}, {label}", **look)
        axes.set_xlim(-4, 104)
        axes.set_ymargin(0.15)
        axes.set_xlabel(self.x_label)
        axes.set_ylabel(self.y_label)
        figure.legend(loc="outside right center", frameon=False)
        tidy(axes)

    def alt(self, contrast: Contrast) -> str:
        """Return each point and what it should be."""
        points = [
            f"{label}: {self.y} {decimal(side.number(self.y))} at "
            f"{decimal(side.number(self.x))} %, {self.reference} "
            f"{decimal(side.number(self.reference))}"
            for label, side in sides(contrast)
        ]
        return f"{self.y_label} over {self.x_label}. {'; '.join(points)}."

    def table(self, contrast: Contrast) -> tuple[tuple[str, ...], Rows]:
        """Return both points, their reference and the ends of their lines."""
        rows: Rows = [
            (name, *(decimal(side.number(name)) for _, side in sides(contrast)))
            for name in (self.x, self.y, self.reference)
        ]
        for place, share in enumerate(("0 %", "100 %")):
            ends = [self._ends(side) for _, side in sides(contrast)]
            cells = [decimal(end[place]) if end else "–" for end in ends]
            rows.append((f"{self.y} at {share}", *cells))
        return ("", "bad", "good"), rows
