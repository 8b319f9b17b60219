"""One picture for each round: the symptom before its explanation."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from torch import Tensor

from course_utils.capstone.examine import Examination, examine
from course_utils.capstone.scoreboard import YOURS
from course_utils.checks.learner_code import LearnerError
from course_utils.experiments.plots import Picture, show
from course_utils.experiments.plots.base import COLORS, Rows, tidy
from course_utils.experiments.result import Contrast, Side
from course_utils.formatting import decimal

ROUNDS = ("data", "model", "training", "evaluation")


@dataclass(frozen=True)
class Strips:
    """Rows of images, ``(n, 1, height, width)`` in 0..1, by their label."""

    title: str
    strips: Mapping[str, Tensor]

    def draw(self, figure: Figure, contrast: Contrast) -> None:
        """Draw one row below the other."""
        every = figure.subplots(len(self.strips), 1, squeeze=False)[:, 0]
        for axes, (label, images) in zip(every, self.strips.items(), strict=True):
            strip = images[:, 0].permute(1, 0, 2).flatten(1).clamp(0, 1)
            axes.imshow(strip.numpy(), cmap="gray_r", vmin=0, vmax=1)
            axes.set_ylabel(label, rotation=0, ha="right", va="center", size=9)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)

    def alt(self, contrast: Contrast) -> str:
        """Return what each row is."""
        return f"Rows of training images, from top to bottom: {', '.join(self.strips)}."

    def table(self, contrast: Contrast) -> tuple[tuple[str, ...], Rows]:
        """Return the mean ink of each row."""
        rows: Rows = [(k, decimal(v.mean().item())) for k, v in self.strips.items()]
        return ("", "mean ink, 0 to 1"), rows


@dataclass(frozen=True)
class Values:
    """One bar a value; all in one unit."""

    title: str
    values: Mapping[str, float]
    unit: str

    def draw(self, figure: Figure, contrast: Contrast) -> None:
        """Draw horizontal bars, the first one on top."""
        axes = figure.subplots()
        names, values = list(self.values), list(self.values.values())
        bars = axes.barh(names, values, height=0.5, color=COLORS["good"])
        axes.bar_label(bars, [decimal(value) for value in values], padding=4)
        axes.invert_yaxis()
        axes.set_xlabel(self.unit)
        axes.set_xlim(0, 1)
        tidy(axes)

    def alt(self, contrast: Contrast) -> str:
        """Return every bar's value."""
        values = "; ".join(f"{k}: {decimal(v)}" for k, v in self.values.items())
        return f"Bar chart of {self.unit}. {values}."

    def table(self, contrast: Contrast) -> tuple[tuple[str, ...], Rows]:
        """Return the bars' values."""
        return ("", self.unit), [(k, decimal(v)) for k, v in self.values.items()]


@dataclass(frozen=True)
class Rates:
    """The learning rate of each update."""

    title: str
    rates: tuple[float, ...]

    def draw(self, figure: Figure, contrast: Contrast) -> None:
        """Draw one point an update."""
        axes = figure.subplots()
        axes.plot(self.rates, color=COLORS["good"], marker="o", ms=3, lw=1)
        axes.set(xlabel="update", ylabel="learning rate")
        axes.set_ylim(0, 1.1 * max(self.rates, default=1.0))
        tidy(axes)

    def alt(self, contrast: Contrast) -> str:
        """Return the first, the highest and the last rate."""
        first, last, top = self.rates[0], self.rates[-1], max(self.rates)
        return (
            f"Learning rate by update: first {decimal(first)}, highest {decimal(top)}, "
            f"last {decimal(last)}."
        )

    def table(self, contrast: Contrast) -> tuple[tuple[str, ...], Rows]:
        """Return the rates."""
        rows: Rows = [(f"{n}", decimal(rate)) for n, rate in enumerate(self.rates)]
        return ("update", "learning rate"), rows


def _values(seen: Examination, names: Mapping[str, str]) -> dict[str, float]:
    return {label: seen.numbers[name] for label, name in names.items()}


def _data(seen: Examination) -> Picture:
    good = seen.findings["12.5"].ok
    title = "The digits stay whole" if good else "Epoch by epoch, the digits are eaten"
    return Strips(title, seen.digits)


def _model(seen: Examination) -> Picture:
    names = {"before saving": "accuracy before saving"}
    names["after loading"] = "accuracy after loading"
    title = "Saved and loaded, the model is another one"
    if seen.findings["2.3"].ok:
        title = "Saved and loaded, the model is the same"
    return Values(title, _values(seen, names), "accuracy on new digits")


def _training(seen: Examination) -> Picture:
    title = "The learning rate moves once an epoch, and never arrives"
    if seen.findings["4.4"].ok:
        title = "The learning rate rises, and falls towards 0"
    elif len(set(seen.rates)) > len(seen.rates) / 2:
        title = "The learning rate moves with every update"
    return Rates(title, seen.rates)


def _evaluation(seen: Examination) -> Picture:
    names = {
        "what it reports": "accuracy that it reports",
        "what its file achieves": "accuracy of the file that it ships",
    }
    values = _values(seen, names)
    reported, shipped = values.values()
    title = "What it reports is what it ships"
    if not abs(reported - shipped) < 0.05:
        title = "What it reports is not what it ships"
    return Values(title, values, "accuracy")


_PICTURES = {
    "data": _data,
    "model": _model,
    "training": _training,
    "evaluation": _evaluation,
}


def picture(part: str, path: str | Path = YOURS) -> None:
    """Show a symptom of one part of your script; its title says what was seen.

    Args:
        part: ``"data"``, ``"model"``, ``"training"`` or ``"evaluation"``.
        path: Your copy of the script.
    """
    if part not in ROUNDS:
        print(f"Expected a part out of {', '.join(ROUNDS)} but got {part!r}.")
        return
    try:
        drawn = _PICTURES[part](examine(path))
    except LearnerError as error:
        print(error)
    except (KeyError, IndexError, ValueError):
        print("There is nothing to draw yet; the scoreboard says why.")
    else:
        show(drawn, Contrast("14", Side(), Side()), (6.4, 2.2))
