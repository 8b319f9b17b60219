"""Rows of images: what went in, and what each version made of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from course_utils.experiments.plots import base
from course_utils.experiments.plots.base import Picture, Rows, Versions
from course_utils.formatting import decimal


@dataclass(frozen=True)
class Images(Picture):
    """Rows of images: what went in, and what each version made of it.

    Attributes:
        inputs: Names of extras shown first, those of the good version unless it
            stopped; each a tensor of shape ``(n, channel, height, width)`` in 0..1.
            Three channels are shown in colour; of a single one, 1 is black.
        outputs: Name of the extra that each version returns, in the same shape.
        score: Measurement printed beside each version's row.
    """

    inputs: Sequence[str]
    outputs: str
    score: str

    def _rows(self, versions: Versions) -> list[tuple[str, Any]]:
        extras = {k: v for each in versions.values() for k, v in each.extras.items()}
        shown = [(name, extras.get(name)) for name in self.inputs]
        for label, result in versions.items():
            score = f"{label}\n{self.score} {decimal(result.number(self.score))}"
            shown.append((score, result.extras.get(self.outputs)))
        return [(label, images) for label, images in shown if images is not None]

    def draw(self, figure: Figure, versions: Versions) -> None:
        """Draw one row of images for each input and version."""
        rows = self._rows(versions)
        if not rows:
            axes = figure.subplots()
            axes.set_axis_off()
            base.say(axes, "no images")
            return
        every = figure.subplots(len(rows), 1, squeeze=False)[:, 0]
        for axes, (label, images) in zip(every, rows, strict=True):
            # Colours as they are, one channel as ink: (height, n * width[, channel]).
            strip = images.permute(2, 0, 3, 1).flatten(1, 2).squeeze(-1).clamp(0, 1)
            axes.imshow(strip.numpy(), cmap="gray_r", vmin=0, vmax=1, aspect="equal")
            axes.set_ylabel(label, rotation=0, ha="right", va="center", size=9)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)

    def alt(self, versions: Versions) -> str:
        """Return what each row is."""
        rows = [label.replace("\n", ", ") for label, _ in self._rows(versions)]
        listed = "; ".join(rows) or "none"
        return f"Rows of images, from top to bottom: {listed}."

    def table(self, versions: Versions) -> tuple[tuple[str, ...], Rows]:
        """Return each version's score."""
        [(name, *scores)] = base.number_rows([self.score], versions)
        return ("", name), list(zip(versions, scores, strict=True))
