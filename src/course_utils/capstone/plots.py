"""One picture for each round: the symptom before its explanation."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from course_utils.capstone.examine import Examination, examine
from course_utils.capstone.scoring import YOURS
from course_utils.checks.learner_code import LearnerError
from course_utils.experiments.plots import Bars, Images, Lines, Picture, show
from course_utils.experiments.result import VersionResult
from course_utils.formatting import decimal

Drawn = tuple[Picture, dict[str, VersionResult]]


def _strips(title: str, strips: Mapping[str, Tensor]) -> Drawn:
    """Return rows of images, ``(n, 1, height, width)`` in 0..1, by their label."""
    versions = {
        label: VersionResult({"mean ink": images.mean().item()}, extras={"it": images})
        for label, images in strips.items()
    }
    return Images(title, inputs=[], outputs="it", score="mean ink"), versions


def _bars(title: str, values: Mapping[str, float], unit: str) -> Drawn:
    return Bars(title, list(values), unit), {unit: VersionResult(values)}


def _values(seen: Examination, names: Mapping[str, str]) -> dict[str, float]:
    return {label: seen.numbers[name] for label, name in names.items()}


def _data(seen: Examination) -> Drawn:
    good = seen.findings["12.5"].ok
    title = "The digits stay whole" if good else "Epoch by epoch, the digits are eaten"
    return _strips(title, seen.digits)


def _model(seen: Examination) -> Drawn:
    names = {"before saving": "accuracy before saving"}
    names["after loading"] = "accuracy after loading"
    title = "Saved and loaded, the model is another one"
    if seen.findings["2.3"].ok:
        title = "Saved and loaded, the model is the same"
    return _bars(title, _values(seen, names), "accuracy on new digits")


def _training(seen: Examination) -> Drawn:
    title = "The learning rate moves once an epoch, and never arrives"
    if seen.findings["4.4"].ok:
        title = "The learning rate rises, and falls towards 0"
    elif len(set(seen.rates)) > len(seen.rates) / 2:
        title = "The learning rate moves with every update"
    y = f"learning rate, at most {decimal(max(seen.rates))}"
    versions = {"learning rate": VersionResult({"rates": seen.rates})}
    return Lines(title, "rates", x="update", y=y), versions


def _evaluation(seen: Examination) -> Drawn:
    names = {
        "what it reports": "accuracy that it reports",
        "what its file achieves": "accuracy of the file that it ships",
    }
    values = _values(seen, names)
    reported, shipped = values.values()
    title = "What it reports is what it ships"
    if not abs(reported - shipped) < 0.05:
        title = "What it reports is not what it ships"
    return _bars(title, values, "accuracy")


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
    if part not in _PICTURES:
        print(f"Expected a part out of {', '.join(_PICTURES)} but got {part!r}.")
        return
    try:
        drawn, versions = _PICTURES[part](examine(path))
    except LearnerError as error:
        print(error)
    except (KeyError, IndexError, ValueError):
        print("There is nothing to draw yet; the scoreboard says why.")
    else:
        show(drawn, versions)
