"""Is benchmark mode on while a function trains, and afterwards what it was before?"""

from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import LearnerError, learners_code
from course_utils.experiments import preserve_global_state

TrainFunction = Callable[[L.LightningModule, DataLoader[Any]], object]


class TrainingFailed(RuntimeError):
    """Raised by a module whose training is to fail."""


class RecordsBenchmarkMode(L.LightningModule):
    """Records benchmark mode in every step, and may fail."""

    def __init__(self, fails: bool = False) -> None:
        """Build one layer; ``fails`` makes the second step raise."""
        super().__init__()
        self.fails = fails
        self.seen: list[bool] = []
        self.layer = torch.nn.Linear(2, 1)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return a loss."""
        if self.fails and batch_idx:
            raise TrainingFailed("training failed on purpose")
        self.seen.append(torch.backends.cudnn.benchmark)
        return self.layer(batch[0]).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Train all weights."""
        return torch.optim.SGD(self.parameters(), lr=0.1)


def _call(
    train: TrainFunction, module: RecordsBenchmarkMode, before: bool
) -> tuple[bool, bool]:
    """Return benchmark mode after the call, and whether the failure came through."""
    loader = DataLoader(TensorDataset(torch.ones(12, 2)), batch_size=4)
    came_through = False
    with preserve_global_state():
        torch.backends.cudnn.benchmark = before
        try:
            with learners_code("The function"):
                train(module, loader)
        except LearnerError as error:
            if not isinstance(error.__cause__, TrainingFailed):
                raise
            came_through = True
        return torch.backends.cudnn.benchmark, came_through


def trains_in_benchmark_mode(train: TrainFunction) -> list[Finding]:
    """Check that the function trains on every batch, in benchmark mode."""
    module = RecordsBenchmarkMode()
    _call(train, module, before=False)
    count = len(module.seen)
    return [
        Finding(
            f"The function trained on {count} of 3 batches.",
            count >= 3,
            "Fit the model on the loader, for one epoch.",
        ),
        Finding(
            "Benchmark mode is off while the model trains.",
            all(module.seen),
            "Turn it on before `fit` and off after it.",
        ),
    ]


def restores_benchmark_mode(
    train: TrainFunction, *, before: bool, fails: bool
) -> Finding:
    """Check that benchmark mode is the same after the call as before it.

    Args:
        train: Takes a module and a loader.
        before: Benchmark mode before the call.
        fails: Whether training raises.
    """
    after, came_through = _call(train, RecordsBenchmarkMode(fails), before)
    if fails and not came_through:
        seen = "The error of training did not come through."
        return Finding(seen, False, "Tidy up, and let the error pass.")
    case = "training failed" if fails else "training"
    old, new = ("on" if each else "off" for each in (before, after))
    seen = f"It was {old} before; after {case} it is {new}."
    remedy = "Save the old value first and restore it afterwards."
    if fails:
        remedy = "Restore it in a `finally` block, which runs after an error, too."
    return Finding(seen, after == before, remedy)
