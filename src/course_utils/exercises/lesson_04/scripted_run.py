"""Which checkpoints does a run keep, and where does it put them?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader, IterableDataset

from course_utils.checks.applied_gradients import FixedWeights
from course_utils.checks.fit import fit
from course_utils.checks.learner_code import learners_code, temporary_folder
from course_utils.exercises.lesson_04.step_losses import StepLosses
from course_utils.measure import EpochEnds


@dataclass(frozen=True)
class Kept:
    """A checkpoint that is left after a run.

    Attributes:
        epoch: Epoch that it was written in, from 0.
        name: Its path below the folder of checkpoints, with ``/``.
        early: Whether it was written before the validation of that epoch.
    """

    epoch: int
    name: str
    early: bool


@dataclass(frozen=True)
class ScriptedRun:
    """The outcome of a run whose metrics follow a script.

    Attributes:
        kept: What each checkpoint callback calls its best; without such a callback, the
            files that were written some other way.
        ends: What callbacks saw at the end of each epoch, by metric name.
        losses: The training losses, see `StepLosses.ways`.
        changed: Whether any weight changed, for each training batch.
    """

    kept: list[Kept]
    ends: list[dict[str, float]]
    losses: list[list[list[float]]]
    changed: list[bool]


class _Scripted(IterableDataset[Any]):
    """Another list of batches in each epoch."""

    def __init__(self, epochs: Sequence[Sequence[Any]]) -> None:
        self.epochs, self.begun = epochs, 0

    def __iter__(self) -> Iterator[Any]:
        self.begun += 1
        return iter(self.epochs[self.begun - 1])


class _Files(L.Callback):
    """Note of each checkpoint whether it was written before its epoch's validation."""

    def __init__(self, validations: _Scripted) -> None:
        self.validations = validations
        self.early: dict[Path, bool] = {}

    def setup(self, trainer: L.Trainer, *_: Any, **__: Any) -> None:
        save = trainer.save_checkpoint

        def noted(filepath: Any, *args: Any, **kwargs: Any) -> None:
            early = self.validations.begun <= trainer.current_epoch
            self.early[Path(filepath).resolve()] = early
            save(filepath, *args, **kwargs)

        trainer.save_checkpoint = noted  # type: ignore[method-assign]

    def kept(self, trainer: L.Trainer) -> list[Kept]:
        """Return what is left of the checkpoints."""
        best = {
            Path(callback.best_model_path).resolve(): Path(str(callback.dirpath))
            for callback in trainer.callbacks  # type: ignore[attr-defined]
            if isinstance(callback, ModelCheckpoint) and callback.best_model_path
        }
        others = {path: path.parent for path in self.early if path.exists()}
        return [self._kept(*each) for each in (best or others).items()]

    def _kept(self, path: Path, folder: Path) -> Kept:
        # Trusted: this process wrote the file a moment ago.
        stored = torch.load(path, map_location="cpu", weights_only=False)
        name = path.relative_to(folder.resolve()).as_posix()
        return Kept(stored["epoch"], name, self.early.get(path, False))


def scripted_run(
    module: L.LightningModule,
    batches: Sequence[Any],
    validations: Sequence[Sequence[Any]],
) -> ScriptedRun:
    """Run a fit whose weights stand still, and return what was logged and kept.

    Every epoch validates on its own batches, so that the metrics follow a script. All
    files go to a temporary folder that is removed.

    Args:
        module: Brings its checkpoint callbacks in ``configure_callbacks``.
        batches: Training batches.
        validations: Validation batches of each epoch.

    Raises:
        LearnerError: If the run raises.
    """
    ends, losses, script = EpochEnds(), StepLosses(), _Scripted(validations)
    files, still = _Files(script), FixedWeights(buffers=True)
    with temporary_folder() as folder:
        trainer = fit(
            module,
            batches,
            DataLoader(script, batch_size=None),
            max_epochs=len(validations),
            num_sanity_val_steps=0,
            default_root_dir=folder,
            callbacks=[ends, losses, still, files],
        )
        with learners_code("Training"):
            kept = files.kept(trainer)
    return ScriptedRun(kept, ends.metrics, losses.ways(), still.changed)
