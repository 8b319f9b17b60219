"""The exercises of lesson 09, checkpointing."""

from collections.abc import Iterator
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from course_utils.checks.exact_resume import resumes_exactly
from course_utils.checks.finding import Finding
from course_utils.checks.interrupted_run import Place
from course_utils.checks.learner_code import CannotCheck, LearnerError, learners_code
from course_utils.checks.sample_data import digits, new_instance
from course_utils.exercises.exercise import Exercise
from course_utils.exercises.lesson_09.files_after_kill import checkpoints_after_kill
from course_utils.exercises.lesson_09.kept_checkpoints import (
    keeps_few,
    keeps_the_best,
    keeps_the_last,
)
from course_utils.exercises.lesson_09.restarted_job import ends_as_if_never_killed
from course_utils.hardware import quiet_trainer

Batches = list[tuple[Tensor, Tensor]]


def _function(answer: Any) -> Any:
    if callable(answer) and not isinstance(answer, type):
        return answer
    raise LearnerError(
        f"Expected a function but got {type(answer).__name__}; hand over the function "
        "itself, without calling it."
    )


# 9.1 ----------------------------------------------------------------------------


def keeps_best_and_last(answer: Any) -> Iterator[Finding]:
    """Examine exercise 9.1: early, late and twice, accuracy is at its best."""
    make = _function(answer)
    for scores in (
        [0.5, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2],
        [0.6, 0.5, 0.7, 0.8],
        [0.3, 0.7, 0.6, 0.65, 0.9, 0.1],
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
    yield from ends_as_if_never_killed(_function(answer))


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
    seconds=180,  # where processes cannot be forked, each imports torch anew
)

# 9.3 ----------------------------------------------------------------------------

WINDOW = 8


def _batches(count: int = 12, size: int = 16) -> Batches:
    images, labels = digits(count * size)
    return list(zip(images.split(size), labels.split(size), strict=True))


class _Fixed(L.LightningDataModule):
    """The same batches in the same order, epoch after epoch."""

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(_batches(), batch_size=None)


class _Losses(L.Callback):
    """Note each batch's cross-entropy, and the loss that the step returns for it."""

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
    """Ask whether each loss is divided by the mean of the last eight, with its own."""
    losses = _Losses()
    options = quiet_trainer(accelerator="cpu", max_epochs=2, callbacks=[losses])
    with learners_code("Training"):
        L.Trainer(**options).fit(module, datamodule=_Fixed())
    for i, (plain, returned) in enumerate(
        zip(losses.plain, losses.returned, strict=True)
    ):
        recent = losses.plain[max(i + 1 - WINDOW, 0) : i + 1]
        expected = plain * len(recent) / sum(recent)
        if not abs(returned - expected) < 1e-3 * expected:
            seen = f"The loss of batch {i + 1} is not divided by the mean of the last "
            seen += f"{len(recent)}."
            remedy = "Leave the step as it was; only saving and loading need a change."
            return Finding(seen, False, remedy)
    return Finding("Each loss is divided by the mean of the last eight.", True)


class _ComparesParameters(L.Callback):
    """Leave parameters alone to compare at the end: an extra state is no tensor."""

    def on_fit_end(self, trainer: L.Trainer, module: Any) -> None:
        module.state_dict = lambda: dict(module.named_parameters())


def remembers_its_window(answer: Any) -> Iterator[Finding]:
    """Examine exercise 9.3: one run goes through, one is resumed after its first epoch.

    Nothing is random in it, so other bits mean a window that was not put back.
    """

    def build() -> tuple[Any, Any, list[L.Callback]]:
        return new_instance(answer), _Fixed(), [_ComparesParameters()]

    if type(new_instance(answer)).training_step is L.LightningModule.training_step:
        raise CannotCheck("The check trains your class, which has no training_step.")
    yield _divides_by_recent(new_instance(answer))
    remedy = "The window must come back as it was: its values and its length."
    places = [Place("epoch", 1)]
    yield from resumes_exactly(build, places, remedy=remedy, max_epochs=2)


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
