"""A run whose validation metric follows a script: where it stops, what it keeps.

The metric is a script: the module logs one number after the other, whatever it
learns, and notes in its weights how many checks there were.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor
from torch.utils.data import DataLoader

from course_utils.checks.learner_code import LearnerError, learners_code
from course_utils.hardware import quiet_trainer

MakeCallbacks = Callable[[str], Any]


class Scripted(L.LightningModule):
    """A module that logs a script of numbers as its validation metric.

    Attributes:
        checks: Validation runs so far, as a buffer: a checkpoint holds it.
    """

    def __init__(self, name: str, script: Sequence[float]) -> None:
        """Log ``script[i]`` as ``name`` in validation run ``i``."""
        super().__init__()
        self.name, self.script = name, list(script)
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.register_buffer("checks", torch.zeros((), dtype=torch.int64))

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        """Return a loss."""
        return (self.weight * batch).sum()

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        """Compute nothing."""

    def on_validation_epoch_end(self) -> None:
        """Log the next number of the script."""
        self.log(self.name, self.script[int(self.checks)])
        self.checks += 1

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return plain SGD."""
        return torch.optim.SGD(self.parameters(), lr=0.1)


@dataclass(frozen=True)
class ScriptedRun:
    """How a scripted run ended.

    Attributes:
        checks: Validation runs until it stopped.
        kept: After which check the kept weights were saved, 0 if none were kept.
        files: Checkpoints in the folder.
    """

    checks: int
    kept: int
    files: int


def _callbacks(make: MakeCallbacks, folder: str) -> list[L.Callback]:
    with learners_code("Your function"):
        made = make(folder)
    made = [made] if isinstance(made, L.Callback) else made
    if isinstance(made, tuple | list) and all(isinstance(c, L.Callback) for c in made):
        return list(made)
    raise LearnerError(
        f"Expected a list of callbacks but got {type(made).__name__}; return a list."
    )


def _kept(callbacks: Sequence[L.Callback], folder: str) -> tuple[int, int]:
    """Return the check of the best file, and how many files there are."""
    files = sorted(Path(folder).rglob("*.ckpt"))
    best = [getattr(callback, "best_model_path", "") for callback in callbacks]
    paths = [Path(path) for path in best if path and Path(path) in files] or files
    if not paths:
        return 0, 0
    states = torch.load(paths[0], weights_only=False)["state_dict"]
    return int(states["checks"]), len(files)


def scripted_run(
    make: MakeCallbacks, name: str, script: Sequence[float], checks_an_epoch: int = 1
) -> ScriptedRun:
    """Train with the learner's callbacks on the CPU while a metric follows a script.

    Args:
        make: Gets a folder and returns callbacks.
        name: Name of the metric.
        script: Its values, one a validation run; whole epochs.
        checks_an_epoch: Validation runs in an epoch.

    Raises:
        LearnerError: If ``make`` or training raises, or callbacks are none.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as root:
        folder = str(Path(folder).resolve())
        callbacks = _callbacks(make, folder)
        options = quiet_trainer(
            accelerator="cpu",
            callbacks=callbacks,
            enable_checkpointing=any(isinstance(c, Checkpoint) for c in callbacks),
            default_root_dir=root,
            max_epochs=len(script) // checks_an_epoch,
            val_check_interval=1 / checks_an_epoch,
            num_sanity_val_steps=0,
        )
        module = Scripted(name, script)
        loader = DataLoader(torch.ones(checks_an_epoch, 1), batch_size=1)
        with learners_code("Training"):
            L.Trainer(**options).fit(module, loader, DataLoader(torch.ones(1, 1)))
        return ScriptedRun(int(module.checks), *_kept(callbacks, folder))
