"""Does a function decide on benchmark mode, and leave it as it was before?"""

from collections.abc import Callable, Sequence
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import LearnerError, learners_code
from course_utils.experiments import preserve_global_state

TrainFunction = Callable[[L.LightningModule, DataLoader[Any]], object]
Size = tuple[int, int]

ONE_SIZE: tuple[Size, ...] = ((8, 8), (8, 8), (8, 8))
# As many pixels in each, the first batch like the last, a common height.
MANY_SIZES: tuple[tuple[Size, ...], ...] = (
    ((4, 16), (8, 8), (16, 4)),
    ((8, 8), (8, 9), (8, 8)),
    ((9, 8), (9, 8), (8, 8)),
)


class RecordsBenchmarkMode(L.LightningModule):
    """Records benchmark mode in every step, and may fail."""

    def __init__(self, error: Exception | None = None) -> None:
        """Build one layer; ``error`` is what the second step raises."""
        super().__init__()
        self.error = error
        self.seen: list[bool] = []
        self.layer = torch.nn.Conv2d(1, 1, 3)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return a loss."""
        if self.error and batch_idx:
            raise self.error
        self.seen.append(torch.backends.cudnn.benchmark)
        return self.layer(batch[0]).square().mean()

    def on_train_epoch_end(self) -> None:
        """Stop after the second epoch: a Trainer may have no limit."""
        self.trainer.should_stop |= self.current_epoch > 0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Train all weights."""
        return torch.optim.SGD(self.parameters(), lr=0.1)


def _comes_from(error: BaseException | None, origin: BaseException | None) -> bool:
    if error is None or error is origin:
        return error is not None
    return _comes_from(error.__cause__ or error.__context__, origin)


def _loader(sizes: Sequence[Size]) -> DataLoader[Any]:
    """Return one batch per size, of five images each; the last has two."""
    counts = [5] * (len(sizes) - 1) + [2]
    pairs = [
        (torch.ones(1, *size), label)
        for size, count in zip(sizes, counts, strict=True)
        for label in range(count)
    ]
    places = torch.arange(len(pairs)).split(counts)
    return DataLoader(pairs, batch_sampler=[each.tolist() for each in places])  # type: ignore[arg-type]


def _call(
    train: TrainFunction,
    module: RecordsBenchmarkMode,
    before: bool,
    sizes: Sequence[Size] = ONE_SIZE,
) -> tuple[bool, bool]:
    """Return benchmark mode after the call, and whether the failure came through."""
    came_through = False
    with preserve_global_state():
        torch.backends.cudnn.benchmark = before
        try:
            with learners_code("The function"):
                train(module, _loader(sizes))
        except LearnerError as error:
            if not _comes_from(error, module.error):
                raise
            came_through = True
        return torch.backends.cudnn.benchmark, came_through


def _trains_once(module: RecordsBenchmarkMode) -> Finding:
    count = len(module.seen)
    seen = f"The function trained on {count} of 3 batches."
    if count > 3:
        seen = "The function trained on after one epoch."
    return Finding(seen, count == 3, "Fit the model on the loader, for one epoch.")


def trains_in_benchmark_mode(train: TrainFunction) -> list[Finding]:
    """Check that images of one size are trained on once, in benchmark mode.

    The last batch is smaller than the others, which is no other size of an image.
    """
    module = RecordsBenchmarkMode()
    _call(train, module, before=False)
    return [
        _trains_once(module),
        Finding(
            "All images have one size, and benchmark mode is off while the model "
            "trains.",
            all(module.seen),
            "Train with benchmark mode on; a smaller last batch does not matter.",
        ),
    ]


def trains_without_benchmark_mode(
    train: TrainFunction, sizes: Sequence[Size], *, before: bool
) -> list[Finding]:
    """Check that images of several sizes are trained on without benchmark mode.

    Args:
        train: Takes a module and a loader.
        sizes: Height and width of the images of each batch.
        before: Benchmark mode before the call.
    """
    module = RecordsBenchmarkMode()
    _call(train, module, before, sizes)
    names = ", ".join(f"{height} x {width}" for height, width in sizes)
    state = "was already on" if before else "is on"
    return [
        _trains_once(module),
        Finding(
            f"With batches of {names} pixels, benchmark mode {state} and the model "
            "trains in it.",
            not any(module.seen),
            "Look at height and width of all batches, and ask for `benchmark=False` "
            "where they differ.",
        ),
    ]


def restores_benchmark_mode(
    train: TrainFunction,
    *,
    before: bool,
    error: Exception | None = None,
    sizes: Sequence[Size] = ONE_SIZE,
) -> Finding:
    """Check that benchmark mode is the same after the call as before it.

    Args:
        train: Takes a module and a loader.
        before: Benchmark mode before the call.
        error: What training raises, if it is to fail.
        sizes: Height and width of the images of each batch.
    """
    after, came_through = _call(train, RecordsBenchmarkMode(error), before, sizes)
    if error and not came_through:
        seen = "The error of training did not come through."
        return Finding(seen, False, "Tidy up, and let the error pass.")
    old, new = ("on" if each else "off" for each in (before, after))
    if error:
        seen = f"It was {old} before; after training failed with a "
        seen += f"{type(error).__name__} it is {new}."
        remedy = "Restore it after every error; a `finally` block always runs."
        return Finding(seen, after == before, remedy)
    seen = f"It was {old} before; after training it is {new}."
    remedy = "Afterwards it should be what it was before."
    return Finding(seen, after == before, remedy)
