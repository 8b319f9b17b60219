"""What would be left of a run if it were killed now? Asked of the files on the disk."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader

from course_utils.checks.learner_code import LearnerError, learners_code
from course_utils.hardware import quiet_trainer

BATCHES = 2  # in each epoch
MakeCallbacks = Callable[[str], Sequence[L.Callback]]


@dataclass(frozen=True)
class SavedCheckpoint:
    """One checkpoint on the disk.

    Attributes:
        name: Its path below the folder, with ``/``.
        epoch: Epoch in which it was saved, from 1.
        whole: Whether it was saved at the end of that epoch.
        resumable: Whether it holds what a run needs to go on, not only weights.
    """

    name: str
    epoch: int
    whole: bool
    resumable: bool


class _Killed(Exception):
    """Ends the run once its folder was looked at."""


class _Scripted(L.LightningModule):
    """Logs the scores of a script, one an epoch, and looks at the folder at the end."""

    def __init__(self, metric: str, scores: Sequence[float], look: Any) -> None:
        super().__init__()
        self.metric, self.scores, self.look = metric, scores, look
        self.weight = nn.Parameter(torch.zeros(1))

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        # What is on the disk in the midst of an epoch is what a kill leaves there.
        if self.current_epoch == len(self.scores) and batch_idx == 1:
            self.look()
            raise _Killed
        return (self.weight - batch).square().mean()

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        epoch = min(self.current_epoch, len(self.scores) - 1)
        self.log(self.metric, self.scores[epoch])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def _saved(file: Path, folder: Path) -> SavedCheckpoint:
    # Trusted: this process wrote the file a moment ago.
    content = torch.load(file, map_location="cpu", weights_only=False)
    epoch = content["epoch"] + 1
    whole = content["global_step"] == epoch * BATCHES
    name = file.relative_to(folder).as_posix()
    return SavedCheckpoint(name, epoch, whole, "optimizer_states" in content)


def _callbacks(make: MakeCallbacks, folder: str) -> list[L.Callback]:
    with learners_code("Your function"):
        made = make(folder)
    made = [made] if isinstance(made, L.Callback) else made
    if isinstance(made, list | tuple) and all(isinstance(c, L.Callback) for c in made):
        return list(made)
    raise LearnerError(
        f"Expected a list of callbacks but got {type(made).__name__}; return "
        "[ModelCheckpoint(...), ...]."
    )


def checkpoints_after_kill(
    make: MakeCallbacks, metric: str, scores: Sequence[float]
) -> list[SavedCheckpoint]:
    """Return the checkpoints on the disk in the midst of the epoch after the last.

    Nothing is killed: a kill leaves what is there at that moment, so the folder is
    read at that moment. What callbacks save because of an exception comes too late.

    Args:
        make: Gets a folder and returns the callbacks that save into it.
        metric: Name under which validation logs.
        scores: What it logs at the end of each epoch.

    Raises:
        LearnerError: If ``make`` or the run raises.
    """
    found: list[SavedCheckpoint] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()

        def look() -> None:
            files = sorted(folder.rglob("*.ckpt"))
            found.extend(_saved(file, folder) for file in files)

        callbacks = _callbacks(make, name)
        options = quiet_trainer(
            accelerator="cpu",
            # With callbacks that save in their own way, Lightning would add one.
            enable_checkpointing=any(isinstance(c, Checkpoint) for c in callbacks),
            max_epochs=len(scores) + 1,
            default_root_dir=name,
            callbacks=callbacks,
        )
        loader = DataLoader(torch.ones(BATCHES, 1))
        try:
            with learners_code("Training"):
                L.Trainer(**options).fit(
                    _Scripted(metric, scores, look), loader, loader
                )
        except LearnerError as error:
            if isinstance(error.__cause__, _Killed):
                return found
            raise
    raise LearnerError("A callback ended the run early; return only such as save.")
