"""Two panels, bad and good, with the same named curves in each."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from course_utils.experiments.plots.base import Rows, say, sides, tidy
from course_utils.experiments.result import Contrast, Side
from course_utils.formatting import decimal

# None is the colour of "bad" or "good": here a colour says which curve it is.
# Wide to narrow: where curves coincide, the first shows behind the last.
STYLES = (
    ("#009E73", "o", "-", 8, 2.6),
    ("#CC79A7", "s", "--", 4.5, 1.6),
    ("#000000", "^", ":", 3, 1.0),
)
CLOUD = "#9a9a9a"


def _curve(side: Side, name: str) -> tuple[float, ...]:
    value = side.measured.get(name, ())
    return value if isinstance(value, tuple) else ()


@dataclass(frozen=True)
class Panels:
    """One panel a version, on the same scales, each with one curve a measurement.

    Attributes:
        title: The finding.
        names: Up to three measurements that hold a curve: one number a step.
        x: Label of the horizontal axis with its unit.
        y: Label of the vertical axis with its unit.
        cloud: Measurement with many numbers a step, drawn as points behind the curves.
        end: What the end of the curves means, for example ``"training ends"``; a
            vertical line marks it.
    """

    title: str
    names: Sequence[str]
    x: str
    y: str
    cloud: str = ""
    end: str = ""

    def _steps(self, side: Side) -> int:
        return max(len(_curve(side, name)) for name in self.names)

    def _draw_cloud(self, axes: Axes, side: Side) -> None:
        points = _curve(side, self.cloud)
        steps = self._steps(side)
        places = [(i + 1) * steps / len(points) for i in range(len(points))]
        axes.plot(places, points, ".", color=CLOUD, ms=3, alpha=0.5, label=self.cloud)

    def _draw_curves(self, axes: Axes, side: Side) -> None:
        for name, style in zip(self.names, STYLES, strict=False):
            color, marker, line, size, width = style
            curve = _curve(side, name)
            axes.plot(
                range(1, len(curve) + 1),
                curve,
                color=color,
                marker=marker,
                markevery=max(len(curve) // 12, 1),
                ls=line,
                ms=size,
                lw=width,
                label=name,
            )

    def _draw_panel(self, axes: Axes, label: str, side: Side) -> None:
        if self.cloud:
            self._draw_cloud(axes, side)
        self._draw_curves(axes, side)
        if not self._steps(side):
            say(axes, "no curve")
        elif self.end:
            axes.axvline(self._steps(side), color="black", ls="-.", label=self.end)
        axes.set_title(label, size=10)
        axes.set_xlabel(self.x)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        tidy(axes)

    def draw(self, figure: Figure, contrast: Contrast) -> None:
        """Draw both panels and one legend below them."""
        both = figure.subplots(1, 2, sharex=True, sharey=True)
        known: dict[str, object] = {}
        for axes, (label, side) in zip(both, sides(contrast), strict=True):
            self._draw_panel(axes, label, side)
            handles, labels = axes.get_legend_handles_labels()
            known.update(zip(labels, handles, strict=True))
        both[0].set_ylabel(self.y)
        figure.legend(
            known.values(),
            known.keys(),
            loc="outside lower center",
            ncols=len(known),
            frameon=False,
        )

    def alt(self, contrast: Contrast) -> str:
        """Return how far the curves go, each from where to where."""
        parts = []
        for label, side in sides(contrast):
            ends = [
                f"{name} goes from {decimal(curve[0])} to {decimal(curve[-1])}"
                if (curve := _curve(side, name))
                else f"{name} has no curve"
                for name in self.names
            ]
            # A float: where a run ends may differ from seed to seed.
            last = decimal(float(self._steps(side)))
            parts.append(f"{label}, up to {self.x} {last}: {', '.join(ends)}")
        return f"Two line charts of {self.y} over {self.x}. {'; '.join(parts)}."

    def table(self, contrast: Contrast) -> tuple[tuple[str, ...], Rows]:
        """Return length, ends and extremes of each curve.

        Single points would make a table whose shape depends on where a run ends.
        """
        rows: Rows = []
        for label, side in sides(contrast):
            for name in self.names:
                curve = _curve(side, name)
                values = (curve[0], min(curve), max(curve), curve[-1]) if curve else ()
                cells = [decimal(value) for value in values] or ["–"] * 4
                rows.append((f"{label}: {name}", decimal(float(len(curve))), *cells))
        return ("", f"up to {self.x}", "first", "lowest", "highest", "last"), rows
