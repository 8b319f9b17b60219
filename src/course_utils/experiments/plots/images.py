"""Rows of images: what went in, and what each version made of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from course_utils.experiments.plots.base import Rows, say, sides
from course_utils.experiments.result import Contrast
from course_utils.formatting import decimal


@dataclass(frozen=True)
class Images:
    """Rows of images: what went in, and what each version made of it.

    Attributes:
        title: The finding.
        inputs: Names of extras shown first, those of the good version unless it
            stopped; each a tensor of shape ``(n, 1, height, width)`` in 0..1.
        outputs: Name of the extra that each version returns, in the same shape.
        score: Measurement printed beside each version's row.
    """

    title: str
    inputs: Sequence[str]
    outputs: str
    score: str

    def _rows(self, contrast: Contrast) -> list[tuple[str, Any]]:
        extras = {**contrast.bad.extras, **contrast.good.extras}
        shown = [(name, extras.get(name)) for name in self.inputs]
        for label, side in sides(contrast):
            score = f"{label}\n{self.score} {decimal(side.number(self.score))}"
            shown.append((score, side.extras.get(self.outputs)))
        return [(label, images) for label, images in shown if images is not None]

    def draw(self, figure: Figure, contrast: Contrast) -> None:
        """Draw one row of images for each input and version."""
        rows = self._rows(contrast)
        if not rows:
            axes = figure.subplots()
            axes.set_axis_off()
            say(axes, "no images")
            return
        every = figure.subplots(len(rows), 1, squeeze=False)[:, 0]
        for axes, (label, images) in zip(every, rows, strict=True):
            strip = images[:, 0].permute(1, 0, 2).flatten(1).clamp(0, 1)
            axes.imshow(strip.numpy(), cmap="gray_r", vmin=0, vmax=1, aspect="equal")
            axes.set_ylabel(label, rotation=0, ha="right", va="center", size=9)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)

    def alt(self, contrast: Contrast) -> str:
        """Return what each row is."""
        rows = [label.replace("\n", ", ") for label, _ in self._rows(contrast)]
        listed = "; ".join(rows) or "none"
        return f"Rows of images, from top to bottom: {listed}."

    def table(self, contrast: Contrast) -> tuple[tuple[str, ...], Rows]:
        """Return each version's score."""
        rows: Rows = [
            (label, decimal(side.number(self.score))) for label, side in sides(contrast)
        ]
        return ("", self.score), rows
