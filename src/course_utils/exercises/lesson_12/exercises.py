"""The exercises of lesson 12, common pitfalls."""

from collections.abc import Iterator, Sequence
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_f1_score,
)

from course_utils.checks.devices import runs_on, values_of_step
from course_utils.checks.fake_gpus import simulated_gpus
from course_utils.checks.finding import Finding
from course_utils.checks.metrics import metrics_are_exact
from course_utils.checks.sample_data import (
    copy_of,
    in_batches,
    lesson_images,
    logits_of,
    new_instance,
    share_correct,
    trained_instance,
)
from course_utils.checks.weight_updates import lowers_cross_entropy, updates
from course_utils.exercises.exercise import Exercise
from course_utils.exercises.lesson_12.broken_batches import skips_only
from course_utils.exercises.lesson_12.epoch_metrics import (
    exact,
    leaves_training_out,
    pooled,
    reports_each_epoch,
)
from course_utils.exercises.lesson_12.patch_masking import hides_a_patch
from course_utils.exercises.lesson_12.untouched_batch import (
    batch_untouched,
    loss_trains,
)

# 12.1 ---------------------------------------------------------------------------


# Batch size, number of batches, and for each broken one image, row and column of what
# is nan.
_EVERYWHERE = slice(None)
_BROKEN = (
    (16, 6, {2: (3, _EVERYWHERE, _EVERYWHERE)}),
    (12, 7, {0: (7, 27, 3), 4: (_EVERYWHERE, 0, 14), 5: (11, 9, _EVERYWHERE)}),
)


def skips_broken_batches(answer: Any) -> Iterator[Finding]:
    """Examine exercise 12.1: one batch, then three others, have ``nan`` pixels."""
    for size, count, broken in _BROKEN:
        batches = in_batches(lesson_images(size * count), size)
        for number, (image, row, column) in broken.items():
            images, labels = batches[number]
            batches[number] = images.clone(), labels
            batches[number][0][image, :, row, column] = torch.nan
        yield from skips_only(new_instance(answer), batches, broken)
    yield lowers_cross_entropy(new_instance(answer), in_batches(lesson_images(96), 16))


_12_1 = Exercise(
    practice="12.1",
    examine=skips_broken_batches,
    hints=(
        "What does Lightning get from this step when the loss is finite?",
        "A step that returns None is skipped. Which batches should be skipped?",
        "Return the loss inside the `if`, and nothing outside it.",
    ),
    reason="Good batches train the model, the broken one changes nothing.",
)

# 12.2 ---------------------------------------------------------------------------


def _f1(logits: Tensor, labels: Tensor, average: str = "macro") -> float:
    return multiclass_f1_score(logits, labels, 10, average=average).item()


def _class_mean(logits: Tensor, labels: Tensor) -> float:
    return multiclass_accuracy(logits, labels, 10, average="macro").item()


def _mean_f1(logits: Tensor, labels: Tensor, size: int) -> float:
    batches = in_batches((logits, labels), size)
    return sum(_f1(*batch) * len(batch[1]) for batch in batches) / len(labels)


_MACRO_F1 = "It should be the macro F1 of all images: add up counts, divide once."


def _resets_each_epoch(module: L.LightningModule) -> Iterator[Finding]:
    def score(images: Tensor, labels: Tensor) -> float:
        return _f1(logits_of(module, images), labels)

    epochs = [in_batches(lesson_images(40, start), 16) for start in (200, 300)]
    reset = "The first epoch is still in it; reset the metric."
    mistakes = {reset: lambda epochs: exact(pooled(epochs), score)}
    yield from reports_each_epoch(
        module, epochs, "val_f1", score, mistakes, otherwise=_MACRO_F1
    )
    train = in_batches(lesson_images(96, 500), 32)
    yield from leaves_training_out(module, train, epochs[0], "val_f1", score)


def reports_exact_f1(answer: Any) -> Iterator[Finding]:
    """Examine exercise 12.2: 104 images in one process, then 52 in each of two.

    Finally one object validates two epochs, and one more during training, to see
    whether each starts with nothing.
    """
    module, size = trained_instance(answer), 16
    images, labels = lesson_images(104)
    logits = logits_of(module, images)
    scored = logits, labels
    loader = DataLoader(TensorDataset(images, labels), batch_size=size)
    first, second = (_f1(logits[rank::2], labels[rank::2]) for rank in (0, 1))
    mistakes = {
        1: {
            "This is the mean of batch scores.": _mean_f1(*scored, size),
            "This is the micro F1, which equals accuracy.": _f1(*scored, "micro"),
            "This is the weighted F1.": _f1(*scored, "weighted"),
            "This is the mean of the classes' accuracies.": _class_mean(*scored),
        },
        2: {
            "This is the score of the first process's images.": first,
            "This is the mean of the two processes' scores.": (first + second) / 2,
        },
    }
    for processes, known in mistakes.items():
        yield from metrics_are_exact(
            copy_of(module),
            loader,
            {"val_f1": _f1(*scored)},
            {"val_f1": known},
            otherwise=_MACRO_F1,
            processes=processes,
        )
    yield from _resets_each_epoch(module)


_12_2 = Exercise(
    practice="12.2",
    examine=reports_exact_f1,
    hints=(
        "F1 divides by counts that differ from batch to batch. What has to be added up "
        "before dividing?",
        "A torchmetrics object, created in __init__, adds up counts over batches and "
        "processes.",
        "self.f1 = MulticlassF1Score(num_classes=10); in the step call "
        'self.f1(logits, labels), then self.log("val_f1", self.f1): log the object.',
    ),
    reason="val_f1 is exact in one process and in two.",
    seconds=90,
)

# 12.3 ---------------------------------------------------------------------------


class _CannotBeChanged(type):
    def __setattr__(cls, name: str, value: Any) -> None:
        raise TypeError(f"cannot set {name!r} of the class {cls.__name__!r}")


class Scans(metaclass=_CannotBeChanged):
    """A batch of a class that Lightning does not know how to move."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        """Hold images and labels."""
        self.images = images
        self.labels = labels


def _runs_on(answer: Any, device: str, gpus: int) -> Finding:
    """Check that a step runs on a device of a machine with some GPUs, built there."""
    with simulated_gpus(gpus):
        batch = Scans(*lesson_images(16))
        values = values_of_step(new_instance(answer), batch)
        return runs_on(new_instance(answer), batch, device, values=values)


def trains_on_scans(answer: Any) -> Iterator[Finding]:
    """Examine exercise 12.3: on the CPU, also beside an unused GPU, and on two GPUs."""
    places = [("cpu", 0), ("cuda:0", 2), ("cuda:1", 2), ("cpu", 1)]
    simulated = [_runs_on(answer, *place) for place in places]
    yield from (finding for finding in simulated if finding.ok is False)
    done = updates(new_instance(answer), [Scans(*lesson_images(n, n)) for n in (16, 7)])
    changed = sum(done.changed)
    seen = f"On the CPU the weights changed on {changed} of 2 batches."
    yield Finding(seen, changed == 2, "Return the loss of each batch.")
    yield from simulated  # what stayed undecided comes last


_12_3 = Exercise(
    practice="12.3",
    examine=trains_on_scans,
    hints=(
        "Which device should the tensors be on, if the module may be on any?",
        "The module knows its device: self.device. Or teach it to move the batch: "
        "transfer_batch_to_device(self, batch, device, dataloader_idx).",
        "Override transfer_batch_to_device: move batch.images and batch.labels with "
        ".to(device) and return the batch. Then drop .cuda() from the step.",
    ),
    reason="It trains on the CPU, and would on a first and on a second GPU.",
)

# 12.4 ---------------------------------------------------------------------------


def _with_wrong_rest(count: int, size: int, start: int) -> list[tuple[Tensor, Tensor]]:
    """Return batches of which the small last one has wrong labels, so that it shows."""
    images, labels = lesson_images(count, start)
    rest = count % size
    labels = torch.cat([labels[:-rest], (labels[-rest:] + 1) % 10])
    return in_batches((images, labels), size)


def reports_epoch_accuracy(answer: Any) -> Iterator[Finding]:
    """Examine exercise 12.4: batches of 40, 40 and 3 images, then 24, 24, 24 and 2.

    A module that can be trained validates once more, during training.
    """
    module = trained_instance(answer)

    def score(images: Tensor, labels: Tensor) -> float:
        return share_correct(logits_of(module, images), labels)

    def by_class(images: Tensor, labels: Tensor) -> float:
        return _class_mean(logits_of(module, images), labels)

    def by_batch(batches: Sequence[tuple[Tensor, Tensor]]) -> float:
        return sum(score(*batch) for batch in batches) / len(batches)

    mistakes = {
        "Each batch has the same vote, even the small one.": lambda epochs: by_batch(
            epochs[-1]
        ),
        'This is the mean of the classes\' accuracies; average="micro" counts every '
        "image alike.": lambda epochs: exact(epochs[-1], by_class),
        "This is the last batch alone.": lambda epochs: score(*epochs[-1][-1]),
        "The first epoch is still in it; start each epoch empty.": lambda epochs: exact(
            pooled(epochs), score
        ),
        "The first epoch is still in the list; clear it.": lambda epochs: by_batch(
            pooled(epochs)
        ),
    }
    epochs = [_with_wrong_rest(83, 40, 0), _with_wrong_rest(74, 24, 200)]
    rule = "It should be the share of right images among all images of the epoch."
    yield from reports_each_epoch(
        module, epochs, "val_acc", score, mistakes, otherwise=rule
    )
    train = in_batches(lesson_images(96, 500), 32)
    yield from leaves_training_out(module, train, epochs[0], "val_acc", score)


_12_4 = Exercise(
    practice="12.4",
    examine=reports_epoch_accuracy,
    hints=(
        "How much does a batch of 3 images count in the mean of the list? "
        "And when is the list emptied?",
        "self.log inside validation_step averages over the epoch, by batch size.",
        'Replace the list by self.log("val_acc", acc) in validation_step, and delete '
        "on_validation_epoch_end.",
    ),
    reason="Right for batches of any size and in every epoch, and callbacks see it.",
)

# 12.5 ---------------------------------------------------------------------------


def fills_the_hole(answer: Any) -> Iterator[Finding]:
    """Examine exercise 12.5: what the network sees, and what the loss knows."""
    for count in (16, 5):
        yield batch_untouched(new_instance(answer), lesson_images(count))
    shape = lesson_images(16)[0].shape
    yield from hides_a_patch(new_instance(answer), shape)
    yield loss_trains(new_instance(answer), lesson_images(16))


_12_5 = Exercise(
    practice="12.5",
    examine=fills_the_hole,
    hints=(
        "How many tensors are there in this step, and how many names?",
        "A slice or a view shares memory with its source. Which call copies?",
        "patched = images.clone(), before the patch is set to 0.",
    ),
    reason="The hole is in a tensor of its own; batch and target stay complete.",
)

EXERCISES = (_12_1, _12_2, _12_3, _12_4, _12_5)
