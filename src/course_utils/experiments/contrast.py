"""Run a bad and a good version under equal conditions and show the difference."""

import contextlib
import gc
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import lightning as L
import torch
from IPython.display import display

from course_utils import progress, settings, syllabus
from course_utils.experiments import plots, recorder
from course_utils.experiments.claims import Pair
from course_utils.experiments.confidence import how_sure
from course_utils.experiments.global_state import preserve_global_state
from course_utils.experiments.result import Contrast, Value, VersionResult
from course_utils.formatting import wrapped
from course_utils.library_messages import collect_messages

Measurements = Mapping[str, Any]


def _curve(name: str, values: Sequence[Any]) -> tuple[float, ...]:
    for value in values:
        if isinstance(value, str) or not hasattr(value, "__float__"):
            raise TypeError(
                f"Expected every value of measurement {name!r} to be a number "
                f"but got {type(value).__name__}."
            )
    return tuple(float(value) for value in values)


def _plain(name: str, value: Any) -> Value:
    """Return a Python number, text or tuple for what a version measured."""
    if hasattr(value, "tolist"):  # torch and NumPy, also their scalars
        value = value.tolist()
    if isinstance(value, list | tuple):
        return _curve(name, value)
    if isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"Expected measurement {name!r} to be a number, text or list of numbers "
        f"but got {type(value).__name__}."
    )


def _is_extra(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.ndim > 1


def _result(measurements: object) -> VersionResult:
    """Return the outcome, holding no graph and no memory of the version's tensors."""
    if not isinstance(measurements, Mapping):
        raise TypeError(
            "Expected a version to return a dict of named measurements but got "
            f"{type(measurements).__name__}; end it with `return {{...}}`."
        )
    named = {str(name): value for name, value in measurements.items()}
    extras = {n: v.detach().cpu().clone() for n, v in named.items() if _is_extra(v)}
    numbers = {n: _plain(n, v) for n, v in named.items() if n not in extras}
    return VersionResult(numbers, extras=extras)


def _error(error: BaseException) -> str:
    first = next((line for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first.strip()}".rstrip(": ")


def _run(version: Callable[[], Measurements]) -> VersionResult:
    gc.collect()
    with preserve_global_state():
        L.seed_everything(settings.seed(), verbose=False)
        with collect_messages() as said, contextlib.redirect_stdout(io.StringIO()):
            try:
                result = _result(version())
            except Exception as error:  # an error is an outcome to look at
                result = VersionResult(error=_error(error))
    return replace(result, said=tuple(said))


def _letter(prediction: str | None) -> str:
    return str(prediction).strip().strip("().").strip().lower()


def _why_no_prediction(practice: syllabus.Practice, prediction: str | None) -> str:
    """Return what is wrong with a prediction, or ``""``; none at all is not wrong."""
    if prediction is None or _letter(prediction) in practice.options:
        return ""
    options = ", ".join(f'"{option}"' for option in practice.options)
    return (
        f"Expected a prediction out of {options} but got {prediction!r}. Change "
        "it, run its cell and then this one again to see what happened."
    )


def _answer(practice: syllabus.Practice, prediction: str | None) -> str:
    if prediction is None:
        return f"The answer is {practice.answer}. You made no prediction."
    letter = _letter(prediction)
    right = letter == practice.answer
    verdict = "as you predicted" if right else f"you predicted {letter}"
    first = progress.load().predictions.get(practice.id)
    if first is None:
        progress.record("prediction", practice.id, right)
    elif not (first and right):
        verdict += "; your first prediction stays on record"
    return f"The answer is {practice.answer}, {verdict}."


def _named(version: Callable[..., Any], otherwise: str) -> str:
    """Return what a version is called: the name of its class or function."""
    name = getattr(version, "__name__", "<lambda>")
    return otherwise if name == "<lambda>" else name


def _show(result: Contrast, figure: plots.Picture | None) -> None:
    display(result)
    if figure is not None:
        plots.show(figure, result)
    for line in result.messages().splitlines():
        print(wrapped(line, indent="      "))


def contrast(
    practice: str | float,
    measure: Callable[[Any], Measurements] | None = None,
    *,
    bad: Callable[..., Any],
    good: Callable[..., Any],
    names: tuple[str, str] | None = None,
    prediction: str | None = None,
    figure: plots.Picture | None = None,
) -> Contrast:
    """Run both versions from the same seed and the same process state, and show them.

    It displays a table, the figure, the figure's data, the warnings of Lightning,
    PyTorch and others during each version, which a kernel otherwise mutes, and the
    answer to the prediction. Random state and every other sticky setting of the
    process are put back afterwards. What a version prints is not shown.

    Args:
        practice: Practice id, for example ``"12.1"``.
        measure: Called with each version; returns its measurements. Without it, the
            versions are called themselves, without arguments.
        bad: The version with the habit, mostly a class; or, without ``measure``, what
            returns named measurements: a float is a measurement, an int a fact, a
            list of numbers a curve, a tensor of two or more dimensions an image for
            the figure. An exception is an outcome, too: the table shows it, also
            the one sentence that says a version returned something else.
        good: The same with the habit repaired.
        names: What tables and legends call the versions; by default the names of the
            two classes or functions.
        prediction: One of the practice's options; ``None`` if none was made. The
            first is kept: it was made before the answer was seen. For anything else
            nothing is shown but that.
        figure: What to draw, one of `course_utils.experiments.plots`.

    Returns:
        Both outcomes, for `claim`.

    Raises:
        ValueError: If the practice is unknown, or ``COURSE_SEED`` is not a seed.
    """
    known = syllabus.load().practice(practice)
    names = names or (_named(bad, "bad"), _named(good, "good"))
    runs = [partial(measure, each) if measure else each for each in (bad, good)]
    result = Contrast(known.id, *map(_run, runs), names)
    if wrong := _why_no_prediction(known, prediction):
        print(wrong)  # and nothing else: the next answer must be a prediction, too
    else:
        _show(result, figure)
        print(_answer(known, prediction))
        if sentence := how_sure(known.id):
            print(sentence)
    pairs = [Pair(known.id, n, *both) for n, both in result.numbers().items()]
    recorder.save(*map(vars, pairs))
    return result
