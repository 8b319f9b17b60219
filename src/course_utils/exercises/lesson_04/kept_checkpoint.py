"""Which checkpoint does a run keep, and where does it put it?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader, IterableDataset

from course_utils.checks.fit import fit
from course_utils.checks.learner_code import learners_code, temporary_folder
from course_utils.measure import EpochEnds


@dataclass(frozen=True)
class Kept:
    """The outcome of a run in which a ``ModelCheckpoint`` watched.

    Attributes:
        epoch: Epoch of the checkpoint that it calls the best, -1 if there is none.
        name: Its path below the folder of checkpoints, with ``/``.
        ends: What callbacks saw at the end of each epoch, by metric name.
    """

    epoch: int
    name: str
    ends: tuple[dict[str, float], ...]


class _Scripted(IterableDataset[Any]):
    """Another list of batches in each epoch."""

    def __init__(self, epochs: Sequence[Sequence[Any]]) -> None:
        self.epochs = iter(epochs)

    def __iter__(self) -> Iterator[Any]:
        return iter(next(self.epochs))


def _best(callback: ModelCheckpoint | None) -> tuple[int, str]:
    if not isinstance(callback, ModelCheckpoint) or not callback.best_model_path:
        return -1, ""
    path = Path(callback.best_model_path).resolve()
    stored = torch.load(path, map_location="cpu", weights_only=False)
    folder = Path(str(callback.dirpath)).resolve()
    return stored["epoch"], path.relative_to(folder).as_posix()


def kept_checkpoint(
    module: L.LightningModule,
    batches: Sequence[Any],
    validations: Sequence[Sequence[Any]],
) -> Kept:
    """Run a fit whose weights stand still, and return what was kept of it.

    The learning rate is 0 and every epoch validates on its own batches, so that the
    metrics follow a script. All files go to a temporary folder that is removed.

    Args:
        module: Brings its ``ModelCheckpoint`` in ``configure_callbacks``.
        batches: Training batches.
        validations: Validation batches of each epoch.

    Raises:
        LearnerError: If the run raises.
    """
    ends = EpochEnds()
    module.configure_optimizers = lambda: torch.optim.SGD(module.parameters(), lr=0.0)
    with temporary_folder() as folder:
        trainer = fit(
            module,
            batches,
            DataLoader(_Scripted(validations), batch_size=None),
            max_epochs=len(validations),
            num_sanity_val_steps=0,
            enable_checkpointing=True,
            default_root_dir=folder,
            callbacks=[ends],
        )
        with learners_code("Training"):
            best = _best(trainer.checkpoint_callback)
    return Kept(*best, tuple(ends.metrics))
