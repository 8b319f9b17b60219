"""What would be left of a run if it were killed now? Read from the files on disk."""

import os
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
    STEP,
    MakeCallbacks,
    ScriptedMetric,
    callbacks_for,
    loaded,
    scripted_state,
)

BATCHES = 2  # per epoch


@dataclass(frozen=True)
class SavedCheckpoint:
    """One checkpoint on disk.

    Attributes:
        name: Its path from the folder, with ``/``; outside, it begins with ``..``.
        epoch: Epoch whose training its weights have seen last, from 1.
        whole: Whether they have seen all of it.
        resumable: Whether it holds what resuming needs, not only weights.
        validated: Whether that epoch's validation had begun when it was saved.
    """

    name: str
    epoch: int
    whole: bool
    resumable: bool
    validated: bool = True


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


def _saved(file: Path, folder: Path) -> SavedCheckpoint | None:
    content = loaded(file)
    if (state := scripted_state(content)) is None:
        return None
    batches = round((1 - float(state["weight"])) / STEP)
    epoch = max(-(-batches // BATCHES), 1)
    return SavedCheckpoint(
        Path(os.path.relpath(file, folder)).as_posix(),
        epoch,
        whole=batches == epoch * BATCHES,
        resumable=any("optim" in str(name) for name in content),
        validated=int(state["checks"]) >= epoch,
    )


def _all_saved(folder: Path) -> list[SavedCheckpoint]:
    """Return the checkpoints in or beside a folder; a link to one takes no room."""
    files = [file for file in sorted(folder.parent.rglob("*")) if not file.is_symlink()]
    saved = [_saved(file, folder) for file in files if file.is_file()]
    return [each for each in saved if each is not None]


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
        folder, module = Path(name).resolve() / "disk", _ReadsFolder(metric, scores)
        folder.mkdir()
        module.read = lambda: found.extend(_all_saved(folder))
        callbacks = callbacks_for(make, str(folder))
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
                default_root_dir=name,  # where a callback without a folder saves
                max_epochs=len(scores) + 1,
            )
        except LearnerError as error:
            if isinstance(error.__cause__, _StopRun):
                return found
            raise
    raise LearnerError("A callback ended the run early; return only ones that save.")


def saves_in_folder(left: Sequence[SavedCheckpoint]) -> Finding:
    """Check that no checkpoint lies outside of the folder that ``make`` got."""
    outside = sum(each.name.startswith("../") for each in left)
    seen = f"{outside} of {len(left)} checkpoints are not in the folder that your "
    seen += "function is given."
    return Finding(seen, not outside, "Save all of them there: dirpath=folder.")


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
        return Finding(seen, False, "Save the optimizer's state and the epoch as well.")
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
    kept = [scores[each.epoch - 1] for each in left if each.whole]
    if top(scores) in kept:
        return Finding("The best epoch is kept.", True)
    seen = f"The best epoch, {best} of {len(scores)}, is not kept"
    word = "highest" if mode == "max" else "lowest"
    remedy = f"Of all epochs so far, keep the one with the {word} value."
    early = [each.epoch for each in left if not each.validated]
    if older := [epoch for epoch in early if epoch < len(scores)]:
        seen += f"; the file of epoch {older[0]} was written before its value existed"
        remedy = "Save after the validation that judges the weights."
    elif bottom(scores) in kept and worst != len(scores):
        seen += f", but the worst, {worst}, is"
    return Finding(f"{seen}.", False, remedy)


def keeps_few(left: Sequence[SavedCheckpoint], most: int) -> Finding:
    """Check that the disk holds at most ``most`` checkpoints."""
    count = len(left)
    seen = f"The disk holds {count} checkpoint{'' if count == 1 else 's'}."
    if count <= most:
        return Finding(seen, True)
    return Finding(seen, False, f"There is room for {most}: delete older ones.")
