"""One call of the script's ``train``: what it did, what it returned, what it left."""

import contextlib
import functools
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from course_utils.capstone.spy_callback import SpyCallback, inject_callbacks
from course_utils.checks.learner_code import LearnerError, learners_code
from course_utils.checks.time_limit import TimeLimitReached, time_limit
from course_utils.data import open_dataset
from course_utils.measure import AppliedRates, UpdateLog, accuracy

SECONDS = 240.0  # limit of one run; a machine shared by many learners is slow


@dataclass(frozen=True)
class Run:
    """What was observed of one call of ``train``.

    Attributes:
        result: What it returned.
        spy: What the Trainer did.
        rates: Learning rate of every update.
        norms: Norm of the gradient of every update.
        epochs_on_disk: Epoch, from 0, of each checkpoint in the folder.
        checkpoint: Content of the file that the result names, ``{}`` without a file.
        test_reads: How often the test loader was read.
        graph_bytes_after: Bytes that autograd held when ``train`` had returned.
        file_accuracy: Accuracy of that file on unseen digits, ``nan`` if it does not
            load.
    """

    result: Any
    spy: SpyCallback
    rates: list[float]
    norms: list[float]
    epochs_on_disk: list[int]
    checkpoint: dict[str, Any]
    test_reads: int = 0
    graph_bytes_after: int = 0
    file_accuracy: float = float("nan")


@functools.cache
def unseen_digits() -> tuple[Tensor, Tensor]:
    """Return 1,000 digits that no script reads, and their labels.

    Returns:
        Images ``(1000, 1, 28, 28)``, uint8, and labels ``(1000,)``, int64. The script
        may test on the first 1,000 of the test half, so these are the next ones.
    """
    source = open_dataset(train=False)
    digits, labels = source.data[1000:2000], source.targets[1000:2000]
    return digits.unsqueeze(1), labels


class StillRunningError(LearnerError):
    """Code that reached the time limit; nothing else of it is worth running."""


@contextlib.contextmanager
def time_limited(what: str) -> Iterator[None]:
    """Run the learner's code silently, and for at most ``SECONDS``.

    The script runs inside this process, not in another one: symptoms need its live
    objects (models, loaders, autograd's tensors), which cannot be sent across.
    """
    try:
        with time_limit(SECONDS), learners_code(what):
            yield
    except TimeLimitReached as error:
        raise StillRunningError(
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


def _accuracy_of_file(result: Any) -> float:
    """Return the accuracy that a colleague gets who loads the file as one does."""
    try:
        model = type(result.model).load_from_checkpoint(result.checkpoint)
        return accuracy(model.cpu(), *unseen_digits())
    except Exception:  # whatever the reason, the colleague has no model
        return float("nan")


def observe_train(
    train: Callable[..., Any], spy: SpyCallback, seed: int, **arguments: Any
) -> Run:
    """Call ``train`` in an empty temporary folder and record what it does.

    Raises:
        LearnerError: If it raises, does not end, or returns no Result.
    """
    updates = UpdateLog()
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        inject_callbacks(spy, updates),
        AppliedRates() as rates,
        time_limited("train"),
    ):
        result = train(folder, seed, **arguments)
        _check(result)
        # Read here: what follows loads models, and the folder goes with the block.
        held = spy.saved.live if spy.saved is not None else 0
        found = [_read(file) for file in sorted(Path(folder).rglob("*.ckpt"))]
        named = Path(str(result.checkpoint))
        return Run(
            result,
            spy,
            rates.values,
            updates.norms,
            epochs_on_disk=[each["epoch"] for each in found if "epoch" in each],
            checkpoint=_read(named) if named.is_file() else {},
            graph_bytes_after=held,
            file_accuracy=_accuracy_of_file(result),
        )
