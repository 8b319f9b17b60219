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


class RecordsBenchmarkMode(L.LightningModule):
    """Records benchmark mode in every step, and may fail."""

    def __init__(self, error: Exception | None = None) -> None:
        """Build one layer; ``error`` is what the second step raises."""
        super().__init__()
        self.error = error
        self.seen: list[bool] = []
        self.layer = torch.nn.Linear(2, 1)

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
            if not _comes_from(error, module.error):
                raise
            came_through = True
        return torch.backends.cudnn.benchmark, came_through


def trains_in_benchmark_mode(train: TrainFunction) -> list[Finding]:
    """Check that the function trains once on every batch, in benchmark mode."""
    module = RecordsBenchmarkMode()
    _call(train, module, before=False)
    count = len(module.seen)
    seen = f"The function trained on {count} of 3 batches."
    if count > 3:
        seen = "The function trained on after one epoch."
    return [
        Finding(seen, count == 3, "Fit the model on the loader, for one epoch."),
        Finding(
            "Benchmark mode is off while the model trains.",
            all(module.seen),
            "Train with benchmark mode on.",
        ),
    ]


def restores_benchmark_mode(
    train: TrainFunction, *, before: bool, error: Exception | None = None
) -> Finding:
    """Check that benchmark mode is the same after the call as before it.

    Args:
        train: Takes a module and a loader.
        before: Benchmark mode before the call.
        error: What training raises, if it is to fail.
    """
    after, came_through = _call(train, RecordsBenchmarkMode(error), before)
    if error and not came_through:
        seen = "The error of training did not come through."
        return Finding(seen, False, "Tidy up, and let the error pass.")
    old, new = ("on" if each else "off" for each in (before, after))
    if error:
        seen = f"It was {old} before; after training failed with a "
        seen += f"{type(error).__name__} it is {new}."
        remedy = "Restore it after every error; a `finally` block runs after all."
        return Finding(seen, after == before, remedy)
    seen = f"It was {old} before; after training it is {new}."
    remedy = "Afterwards it is to be what it was before."
    return Finding(seen, after == before, remedy)
