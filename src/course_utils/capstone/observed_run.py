"""One call of ``train``, observed: what it did, what it returned, what it left."""

import contextlib
import functools
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from course_utils.capstone.spy_callback import Watch, watching
from course_utils.checks.learner_code import LearnerError, learners_code
from course_utils.checks.time_limit import TimeLimitReached, time_limit
from course_utils.data.locate import chosen_name, locate, open_dataset
from course_utils.measure import AppliedRates, UpdateLog, accuracy

SECONDS = 240.0  # limit of one run; a machine with many learners is slow


@dataclass(frozen=True)
class Run:
    """What was seen of one call of ``train``.

    Attributes:
        result: What it returned.
        watch: What the Trainer did.
        rates: Learning rate of every update.
        norms: Norm of the gradient of every update.
        epochs_on_disk: Epoch, from 0, of each checkpoint in the folder.
        kept: Content of the file that the result names, ``{}`` if there is none.
        test_reads: How often the test loader was read.
        held_after: Bytes that autograd held when ``train`` had returned.
        shipped: Accuracy of that file on new digits, ``nan`` if it does not load.
    """

    result: Any
    watch: Watch
    rates: list[float]
    norms: list[float]
    epochs_on_disk: list[int]
    kept: dict[str, Any]
    test_reads: int = 0
    held_after: int = 0
    shipped: float = float("nan")


@functools.cache
def new_digits() -> tuple[Tensor, Tensor]:
    """Return 1,000 digits, uint8, that no script reads, and their labels."""
    name = chosen_name()
    source = open_dataset(name, locate(name), train=False)
    digits, labels = source.data[1000:2000], source.targets[1000:2000]
    return digits.unsqueeze(1), labels


class StillRunning(LearnerError):
    """Code that did not end; nothing else of it is worth running."""


@contextlib.contextmanager
def limited(what: str) -> Iterator[None]:
    """Run the learner's code silently, and not for ever."""
    try:
        with time_limit(SECONDS), learners_code(what):
            yield
    except TimeLimitReached as error:
        raise StillRunning(
            f"{what} was still running after {SECONDS:.0f} seconds; look for a loop "
            "that does not end."
        ) from error


def _check(result: Any) -> None:
    for name in ("model", "accuracy", "checkpoint"):
        if not hasattr(result, name):
            raise LearnerError(
                f"Expected train to return a Result with model, accuracy and "
                f"checkpoint, but {name} is missing."
            )


def _read(file: Path) -> dict[str, Any]:
    return torch.load(file, map_location="cpu", weights_only=False)


def _shipped(result: Any) -> float:
    """Return what a colleague gets who loads the file."""
    try:
        model = type(result.model).load_from_checkpoint(result.checkpoint)
        return accuracy(model.cpu(), *new_digits())
    except Exception:  # whatever stops it, the colleague has no model
        return float("nan")


def observed(
    train: Callable[..., Any], watch: Watch, seed: int, **arguments: Any
) -> Run:
    """Call ``train`` in a folder of its own and note what it does.

    Raises:
        LearnerError: If it raises, does not end, or returns no Result.
    """
    updates = UpdateLog()
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        watching(watch, updates),
        AppliedRates() as rates,
        limited("train"),
    ):
        result = train(folder, seed, **arguments)
        _check(result)
        held = watch.saved.live if watch.saved is not None else 0
        found = [_read(file) for file in sorted(Path(folder).rglob("*.ckpt"))]
        named = Path(str(result.checkpoint))
        kept = _read(named) if named.is_file() else {}
        shipped = _shipped(result)
    epochs = [each["epoch"] for each in found if "epoch" in each]
    notes = (rates.values, updates.norms, epochs, kept)
    return Run(result, watch, *notes, held_after=held, shipped=shipped)
