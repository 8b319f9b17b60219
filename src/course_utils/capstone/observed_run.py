"""One call of the script's ``train``: what it did, what it returned, what it left."""

import contextlib
import functools
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from course_utils.capstone.checkpoint_files import epochs_on_disk, read_checkpoint
from course_utils.capstone.gradient_direction import GradientDirection
from course_utils.capstone.spy_callback import SpyCallback, inject_callbacks
from course_utils.checks.learner_code import LearnerError, learners_code
from course_utils.checks.time_limit import TimeLimitReached, time_limit
from course_utils.data import open_dataset
from course_utils.measure import AppliedRates, GradientNorms, accuracy

SECONDS = 240.0  # limit of one run; a machine shared by many learners is slow


@dataclass(frozen=True)
class Run:
    """What was observed of one call of ``train``.

    Attributes:
        result: What it returned.
        spy: What the Trainer did.
        rates: Learning rate of every update.
        norms: Norm of the gradient of every update.
        directions: How much of its direction each gradient kept, as a cosine.
        epochs_on_disk: Epoch, from 0, of each checkpoint in the folder.
        checkpoint: Content of the file that the result names, ``{}`` without a file.
        shipped: The model as it loads from that file, None if it does not load.
        test_reads: How often the test images were read, on average.
        test_read_after: Batches trained when the test set was first read; None: never.
        graph_bytes_after: Bytes that autograd held when ``train`` had returned.
    """

    result: Any
    spy: SpyCallback
    rates: list[float]
    norms: list[float]
    directions: list[float]
    epochs_on_disk: list[int]
    checkpoint: dict[str, Any]
    shipped: Any
    graph_bytes_after: int = 0
    test_reads: float = 0.0
    test_read_after: int | None = None

    @property
    def file_accuracy(self) -> float:
        """Accuracy of that file on unseen digits, ``nan`` if it does not load."""
        if self.shipped is None:
            return float("nan")
        return accuracy(self.shipped, *unseen_digits())


@functools.cache
def unseen_digits() -> tuple[Tensor, Tensor]:
    """Return 1,000 digits that no script reads, and their labels.

    Returns:
        Images ``(1000, 1, 28, 28)``, uint8, and labels ``(1000,)``, int64. The script
        may test on the first 1,000 of the test half, so these are the next ones.
    """
    source = open_dataset("embedded", train=False)
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


def _shipped(result: Any) -> Any:
    """Return the model that a colleague gets who loads the file as one does."""
    try:
        return type(result.model).load_from_checkpoint(result.checkpoint).cpu()
    except Exception:  # whatever the reason, the colleague has no model
        return None


def observe_train(
    train: Callable[..., Any], spy: SpyCallback, seed: int, **arguments: Any
) -> Run:
    """Call ``train`` in an empty temporary folder and record what it does.

    Raises:
        LearnerError: If it raises, does not end, or returns no Result.
    """
    direction = GradientDirection()
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        inject_callbacks(spy, direction),
        AppliedRates() as rates,
        GradientNorms() as norms,
        time_limited("train"),
    ):
        spy.folder = Path(folder)
        result = train(folder, seed, **arguments)
        _check(result)
        # Read here: what follows loads models, and the folder goes with the block.
        held = spy.saved.live if spy.saved is not None else 0
        return Run(
            result,
            spy,
            rates.values,
            norms.values,
            direction.kept,
            epochs_on_disk=epochs_on_disk(spy.folder),
            checkpoint=read_checkpoint(Path(str(result.checkpoint))),
            shipped=_shipped(result),
            graph_bytes_after=held,
        )
