"""What would be left of a run if it were killed now? Read from the files on disk."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor
from torch.utils.data import DataLoader

from course_utils.checks.finding import Finding
from course_utils.checks.fit import fit
from course_utils.checks.learner_code import LearnerError
from course_utils.checks.scripted_metric import (
    MakeCallbacks,
    ScriptedMetric,
    callbacks_for,
)

BATCHES = 2  # per epoch


@dataclass(frozen=True)
class SavedCheckpoint:
    """One checkpoint on disk.

    Attributes:
        name: Its path below the folder, with ``/``.
        epoch: Epoch in which it was saved, from 1.
        whole: Whether it was saved at the end of that epoch.
        resumable: Whether it holds what resuming needs, not only weights.
    """

    name: str
    epoch: int
    whole: bool
    resumable: bool


class _StopRun(Exception):
    """Ends the run once its folder has been read."""


class _ReadsFolder(ScriptedMetric):
    """Reads the folder in the epoch after the last of the script, and stops the run."""

    read: Callable[[], None]

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        # What is on disk in the middle of an epoch is what a kill leaves there.
        if self.current_epoch == len(self.script) and batch_idx == 1:
            self.read()
            raise _StopRun
        return super().training_step(batch, batch_idx)


def _saved(file: Path, folder: Path) -> SavedCheckpoint:
    # Trusted: this process wrote the file a moment ago.
    content = torch.load(file, map_location="cpu", weights_only=False)
    epoch = content["epoch"] + 1
    whole = content["global_step"] == epoch * BATCHES
    name = file.relative_to(folder).as_posix()
    return SavedCheckpoint(name, epoch, whole, "optimizer_states" in content)


def checkpoints_after_kill(
    make: MakeCallbacks, metric: str, scores: Sequence[float]
) -> list[SavedCheckpoint]:
    """Return the checkpoints on disk in the middle of the epoch after the last one.

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
        folder, module = Path(name).resolve(), _ReadsFolder(metric, scores)
        module.read = lambda: found.extend(
            _saved(file, folder) for file in sorted(folder.rglob("*.ckpt"))
        )
        callbacks = callbacks_for(make, name)
        loader = DataLoader(torch.ones(BATCHES, 1))
        try:
            fit(
                module,
                loader,
                loader,
                callbacks=callbacks,
                # Lightning would add a checkpoint callback beside those that save in
                # another way.
                enable_checkpointing=any(isinstance(c, Checkpoint) for c in callbacks),
                default_root_dir=name,
                max_epochs=len(scores) + 1,
            )
        except LearnerError as error:
            if isinstance(error.__cause__, _StopRun):
                return found
            raise
    raise LearnerError("A callback ended the run early; return only such as save.")


def _newest(left: Sequence[SavedCheckpoint]) -> int:
    return max((each.epoch for each in left if each.resumable), default=0)


def keeps_the_last(left: Sequence[SavedCheckpoint], finished: int) -> Finding:
    """Check that a run killed after ``finished`` epochs can resume from the last one.

    Args:
        left: What `checkpoints_after_kill` found.
        finished: Epochs that were complete.
    """
    killed = f"Killed after {finished} epochs, the run leaves"
    newest = _newest(left)
    if newest >= finished:
        return Finding(f"{killed} its last epoch.", True)
    if any(each.epoch >= finished for each in left):
        seen = f"{killed} its last weights without what is needed to go on."
        return Finding(seen, False, "Leave save_weights_only out.")
    seen = f"{killed} nothing newer than epoch {newest} to go on from."
    seen = seen if newest else f"{killed} nothing to go on from."
    remedy = "Save every epoch, whatever its score, with a callback that monitors none."
    return Finding(seen, False, remedy)


def keeps_the_best(
    left: Sequence[SavedCheckpoint], scores: Sequence[float], mode: str = "max"
) -> Finding:
    """Check that the weights of the best epoch are there.

    Args:
        left: What `checkpoints_after_kill` found.
        scores: What validation logged, one number per epoch.
        mode: ``"max"`` if more is better, else ``"min"``.
    """
    top, bottom = (max, min) if mode == "max" else (min, max)
    best, worst = scores.index(top(scores)) + 1, scores.index(bottom(scores)) + 1
    kept = {each.epoch for each in left if each.whole}
    if best in kept:
        return Finding("The best epoch is kept.", True)
    seen = f"The best epoch, {best} of {len(scores)}, is not kept"
    if worst in kept and worst != len(scores):
        seen += f", but the worst, {worst}, is."
        return Finding(seen, False, "Is less better, or more? See `mode`.")
    remedy = "Monitor the metric, so that the file of the best epoch stays."
    return Finding(f"{seen}.", False, remedy)


def keeps_few(left: Sequence[SavedCheckpoint], most: int) -> Finding:
    """Check that the disk holds at most ``most`` checkpoints."""
    count = len(left)
    seen = f"The disk holds {count} checkpoint{'' if count == 1 else 's'}."
    if count <= most:
        return Finding(seen, True)
    return Finding(seen, False, f"There is room for {most}: save_top_k=1.")
