"""The exercises of lesson 09, checkpointing."""

from collections.abc import Iterator
from typing import Any

import lightning as L
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from course_utils.checks.exact_resume import resumes_exactly
from course_utils.checks.finding import Finding
from course_utils.checks.fit import fit, loader_of
from course_utils.checks.interrupted_run import Place
from course_utils.checks.learner_code import CannotCheck
from course_utils.checks.sample_data import (
    digits,
    in_batches,
    new_instance,
    quiet_function,
)
from course_utils.exercises.exercise import Exercise
from course_utils.exercises.lesson_09.files_after_kill import (
    checkpoints_after_kill,
    keeps_few,
    keeps_the_best,
    keeps_the_last,
)
from course_utils.exercises.lesson_09.restarted_job import ends_as_if_never_killed

# 9.1 ----------------------------------------------------------------------------


def keeps_best_and_last(answer: Any) -> Iterator[Finding]:
    """Examine exercise 9.1: early, late and twice, accuracy is at its best."""
    make = quiet_function(answer)
    for scores in (
        [0.5, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2],
        [0.6, 0.5, 0.7, 0.8],
        [0.3, 0.7, 0.6, 0.65, 0.9, 0.1],
        [0.2, 0.1],
    ):
        left = checkpoints_after_kill(make, "val_acc", scores)
        yield keeps_the_last(left, finished=len(scores))
        yield keeps_the_best(left, scores)
        yield keeps_few(left, most=2)


_9_1 = Exercise(
    practice="9.1",
    examine=keeps_best_and_last,
    hints=(
        "Two files, two tasks: how many callbacks? And is a small accuracy a good one?",
        'The best: monitor="val_acc" with mode="max" and save_top_k=1, which is the '
        "default. The newest: a callback that monitors nothing.",
        'Return [ModelCheckpoint(dirpath=folder, monitor="val_acc", mode="max"), '
        'ModelCheckpoint(dirpath=folder, filename="last", '
        "enable_version_counter=False)].",
    ),
    reason="The best epoch and the newest are kept, in two files.",
)

# 9.2 ----------------------------------------------------------------------------


def survives_kills(answer: Any) -> Iterator[Finding]:
    """Examine exercise 9.2: killed in epochs 2 and 3, then left alone, then again."""
    yield from ends_as_if_never_killed(quiet_function(answer))


_9_2 = Exercise(
    practice="9.2",
    examine=survives_kills,
    hints=(
        "What is in the folder when the job is killed in epoch 2?",
        "A ModelCheckpoint saves each epoch, if the Trainer has "
        "enable_checkpointing=True. At the start, is there a file? fit takes it as "
        "ckpt_path.",
        'A ModelCheckpoint(dirpath=folder, filename="last", '
        'enable_version_counter=False), and trainer.fit(model, loader, ckpt_path="last"'
        "): without a file that trains from the start, which is right for once.",
    ),
    reason=(
        "Killed twice, the job ends with the bits of one that was never killed, and a "
        "complete one is left alone."
    ),
    seconds=180,  # where processes cannot be forked, each one imports torch
)

# 9.3 ----------------------------------------------------------------------------

WINDOW = 8


class _FixedBatches(L.LightningDataModule):
    """The same batches in the same order in every epoch."""

    def train_dataloader(self) -> DataLoader[Any]:
        return loader_of(in_batches(digits(12 * 16), 16))


class _Losses(L.Callback):
    """Record each batch's cross-entropy, and the loss that the step returns for it."""

    def __init__(self) -> None:
        self.plain: list[float] = []
        self.returned: list[float] = []

    def on_train_batch_start(
        self, trainer: L.Trainer, module: Any, batch: Any, *_: Any
    ) -> None:
        with torch.no_grad():
            self.plain.append(F.cross_entropy(module(batch[0]), batch[1]).item())

    def on_train_batch_end(
        self, trainer: L.Trainer, module: Any, outputs: Any, *_: Any
    ) -> None:
        outputs = outputs["loss"] if isinstance(outputs, dict) else outputs
        self.returned.append(float("nan") if outputs is None else float(outputs))


def _divides_by_recent(module: nn.Module) -> Finding:
    """Check that each loss is divided by the mean of the last eight with itself."""
    losses = _Losses()
    fit(module, _FixedBatches(), callbacks=[losses], max_epochs=2)
    pairs = zip(losses.plain, losses.returned, strict=True)
    for number, (plain, returned) in enumerate(pairs, start=1):
        recent = losses.plain[max(number - WINDOW, 0) : number]
        expected = plain * len(recent) / sum(recent)
        if not abs(returned - expected) < 1e-3 * expected:
            seen = f"The loss of batch {number} is not divided by the mean of the last "
            seen += f"{len(recent)}."
            remedy = "Leave the step as it was; only saving and loading need a change."
            return Finding(seen, False, remedy)
    return Finding("Each loss is divided by the mean of the last eight.", True)


class _ComparesParameters(L.Callback):
    """Leave only parameters to compare at the end: an extra state is no tensor."""

    def on_fit_end(self, trainer: L.Trainer, module: Any) -> None:
        module.state_dict = lambda: dict(module.named_parameters())


def remembers_its_window(answer: Any) -> Iterator[Finding]:
    """Examine exercise 9.3: one run goes through, one is resumed after its first epoch.

    Nothing is random in it, so other bits mean a window that was not restored.
    """

    def build() -> tuple[Any, Any, list[L.Callback]]:
        return new_instance(answer), _FixedBatches(), [_ComparesParameters()]

    module = new_instance(answer)
    if type(module).training_step is L.LightningModule.training_step:
        raise CannotCheck("The check trains your class, which has no training_step.")
    yield _divides_by_recent(module)
    remedy = "The window must come back as it was: its values and its length."
    yield from resumes_exactly(build, [Place("epoch", 1)], remedy=remedy, max_epochs=2)


_9_3 = Exercise(
    practice="9.3",
    examine=remembers_its_window,
    hints=(
        "Which row of the table is the window in?",
        "Save a list. But a list forgets nothing: what did the deque do that a list "
        "does not?",
        'checkpoint["recent"] = list(self.recent) when saving, and '
        'self.recent = deque(checkpoint["recent"], maxlen=8) when loading.',
    ),
    reason="The window comes back as it was, its values and its length.",
)

EXERCISES = (_9_1, _9_2, _9_3)
