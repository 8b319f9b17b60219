"""The exercises of lesson 09, checkpointing."""

from collections.abc import Iterator
from typing import Any

import lightning as L
from torch.serialization import get_safe_globals

from course_utils.checks.applied_gradients import (
    applied_gradients,
    losses_and_gradients,
    merged,
)
from course_utils.checks.exact_resume import resumes_exactly
from course_utils.checks.finding import Finding
from course_utils.checks.interrupted_run import Parts, Place
from course_utils.checks.learner_code import CannotCheck
from course_utils.checks.sample_data import (
    in_batches,
    lesson_images,
    new_instance,
    quiet_function,
)
from course_utils.exercises.exercise import Exercise
from course_utils.exercises.lesson_09.files_after_kill import (
    checkpoints_after_kill,
    keeps_few,
    keeps_the_best,
    keeps_the_last,
    saves_in_folder,
)
from course_utils.exercises.lesson_09.restarted_job import ends_as_if_never_killed
from course_utils.experiments.global_state import set_safe_globals

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
        yield saves_in_folder(left)
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
        "save_on_train_epoch_end=True, enable_version_counter=False)].",
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
        "save_on_train_epoch_end=True, enable_version_counter=False), and "
        'trainer.fit(model, loader, ckpt_path="last"): without a file that trains from '
        "the start, which is right for once.",
    ),
    reason=(
        "Killed twice, the job ends with the bits of one that was never killed, and a "
        "complete one is left alone."
    ),
    seconds=180,  # where processes cannot be forked, each one imports torch
)

# 9.3 ----------------------------------------------------------------------------

WINDOW = 8


def _divides_by_recent(module: L.LightningModule) -> Finding:
    """Check that each gradient is divided by the mean of the last eight losses."""
    batches, epochs = in_batches(lesson_images(16 * 12), 16), 2
    due = losses_and_gradients(module, batches) * epochs
    steps = merged(applied_gradients(module, batches, max_epochs=epochs))
    if len(steps) != len(due):
        seen = f"{len(due)} batches made {len(steps)} updates."
        return Finding(seen, False, "Update after each batch, as before.")
    for number, (step, (_, gradient)) in enumerate(zip(steps, due, strict=True), 1):
        recent = [loss for loss, _ in due[max(number - WINDOW, 0) : number]]
        expected = gradient * len(recent) / sum(recent)
        if (step.gradient - expected).norm() > 1e-3 * expected.norm():
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
    """Examine exercise 9.3: runs that go through, and those resumed after an epoch.

    Nothing is random in them, so other bits mean a window that was not restored. It is
    full in the first run, and holds three and six values in the second.
    """
    module, known = new_instance(answer), get_safe_globals()
    if type(module).training_step is L.LightningModule.training_step:
        raise CannotCheck("The check trains your class, which has no training_step.")
    yield _divides_by_recent(module)
    remedy = "The window must come back as it was: its values and its length."
    for count, epochs in ((12, 2), (3, 3)):

        def build(count: int = count) -> Parts:
            # As in a new process: what saving a file declared safe is not remembered.
            set_safe_globals(known)
            batches = in_batches(lesson_images(16 * count), 16)
            return new_instance(answer), batches, [_ComparesParameters()]

        places = [Place("epoch", number) for number in range(1, epochs)]
        yield from resumes_exactly(build, places, remedy=remedy, max_epochs=epochs)


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
