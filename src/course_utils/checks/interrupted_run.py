"""A run that writes checkpoints at chosen places, and one that resumes there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightning as L
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor

from course_utils.checks.fit import fit
from course_utils.checks.global_rngs import scramble_global_rngs
from course_utils.checks.learner_code import learners_code
from course_utils.checks.run_trace import RunTrace

# The module, ready-made batches or a data module, and callbacks.
Parts = tuple[
    L.LightningModule, Sequence[Any] | L.LightningDataModule, Sequence[L.Callback]
]
Build = Callable[[], Parts]

_WORDS = {
    "batch": "batch {}",
    "epoch": "the end of epoch {}",
    "validation": "the end of validation {}",
}


@dataclass(frozen=True)
class Place:
    """A moment of a run at which a checkpoint is written.

    Attributes:
        after: ``"batch"``, ``"epoch"`` (its training part) or ``"validation"``.
        count: Which of them in the run, counted from 1.
    """

    after: Literal["batch", "epoch", "validation"]
    count: int

    def __str__(self) -> str:
        """Return for example ``"batch 7"`` or ``"the end of epoch 1"``."""
        return _WORDS[self.after].format(self.count)


@dataclass(frozen=True)
class Run:
    """What is left of a run.

    Attributes:
        trace: The samples and the weights of each step.
        state: The module's parameters and buffers at the end.
    """

    trace: RunTrace
    state: Mapping[str, Tensor]


class _SavesAt(Checkpoint):
    """Write a checkpoint at each place, after all other callbacks: a `Checkpoint`."""

    def __init__(self, files: Mapping[Place, Path]) -> None:
        self.files = files
        self.counts = {"batch": 0, "epoch": 0, "validation": 0}

    def _reached(self, trainer: L.Trainer, after: Any) -> None:
        self.counts[after] += 1
        if file := self.files.get(Place(after, self.counts[after])):
            trainer.save_checkpoint(file)

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        self._reached(trainer, "batch")

    def on_train_epoch_end(self, trainer: L.Trainer, *_: Any) -> None:
        self._reached(trainer, "epoch")

    def on_validation_end(self, trainer: L.Trainer, *_: Any) -> None:
        if not trainer.sanity_checking:
            self._reached(trainer, "validation")


def run(
    build: Build,
    seed: int,
    *,
    save: Mapping[Place, Path] | None = None,
    resume: Path | None = None,
    **trainer: Any,
) -> Run:
    """Build everything from scratch and train, from the start or from a checkpoint.

    The random generators are seeded before anything is built, as a script would.

    Args:
        build: Returns a new module, a new data module and new callbacks.
        seed: Of the global random generators.
        save: Where to write a checkpoint at which place.
        resume: Checkpoint to resume from.
        **trainer: Arguments of the Trainer, for example ``max_epochs``.

    Raises:
        LearnerError: If the learner's code raises, or the checkpoint does not load.
    """
    scramble_global_rngs(seed)
    with learners_code("Building the module"):
        module, data, callbacks = build()
    trace = RunTrace()
    options = {"enable_checkpointing": True, **trainer}
    watchers = [*callbacks, trace, _SavesAt(save or {})]
    fit(module, data, ckpt_path=resume, callbacks=watchers, **options)
    state = module.state_dict()  # may hold an extra state that is no tensor
    tensors = {name: t for name, t in state.items() if isinstance(t, Tensor)}
    return Run(trace, {name: t.detach().clone() for name, t in tensors.items()})
