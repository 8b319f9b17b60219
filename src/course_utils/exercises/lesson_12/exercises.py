"""The exercises of lesson 12, common pitfalls."""

from collections.abc import Iterator, Sequence
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.functional.classification import multiclass_f1_score

from course_utils.checks.devices import runs_on
from course_utils.checks.fake_gpus import simulated_gpus
from course_utils.checks.finding import Finding
from course_utils.checks.metrics import metrics_are_exact
from course_utils.checks.sample_data import (
    copy_of,
    digits,
    in_batches,
    logits_of,
    new_instance,
    trained_instance,
)
from course_utils.checks.weight_updates import lowers_cross_entropy, updates
from course_utils.exercises.exercise import Exercise
from course_utils.exercises.lesson_12.broken_batches import skips_only
from course_utils.exercises.lesson_12.epoch_metrics import (
    exact,
    pooled,
    reports_each_epoch,
)
from course_utils.exercises.lesson_12.patch_masking import hides_a_patch
from course_utils.exercises.lesson_12.untouched_batch import (
    batch_untouched,
    loss_trains,
)

# 12.1 ---------------------------------------------------------------------------


def skips_broken_batches(answer: Any) -> Iterator[Finding]:
    """Examine exercise 12.1: one of six batches, then another, has ``nan`` pixels."""
    for broken in (2, 4):
        batches = in_batches(digits(96), 16)
        images, labels = batches[broken]
        third = torch.tensor([3])
        batches[broken] = (images.clone().index_fill_(0, third, torch.nan), labels)
        yield from skips_only(new_instance(answer), batches, broken)
    yield lowers_cross_entropy(new_instance(answer), in_batches(digits(96), 16))


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


def _mean_f1(logits: Tensor, labels: Tensor, size: int) -> float:
    batches = in_batches((logits, labels), size)
    return sum(_f1(*batch) * len(batch[1]) for batch in batches) / len(labels)


def _resets_each_epoch(module: L.LightningModule) -> Iterator[Finding]:
    def score(images: Tensor, labels: Tensor) -> float:
        return _f1(logits_of(module, images), labels)

    epochs = [[digits(40, start)] for start in (200, 300)]
    reset = "The first epoch is still in it; reset the metric."
    mistakes = {reset: lambda epochs: exact(pooled(epochs), score)}
    yield from reports_each_epoch(copy_of(module), epochs, "val_f1", score, mistakes)


def reports_exact_f1(answer: Any) -> Iterator[Finding]:
    """Examine exercise 12.2: 104 digits in one process, then 52 in each of two.

    Finally one object validates two epochs, to see whether each starts with nothing.
    """
    module, size = trained_instance(answer), 16
    images, labels = digits(104)
    logits = logits_of(module, images)
    scored = logits, labels
    loader = DataLoader(TensorDataset(images, labels), batch_size=size)
    first, second = (_f1(logits[rank::2], labels[rank::2]) for rank in (0, 1))
    mistakes = {
        1: {
            "This is the mean of batch scores.": _mean_f1(*scored, size),
            "This is the micro F1, which equals accuracy.": _f1(*scored, "micro"),
            "This is the weighted F1.": _f1(*scored, "weighted"),
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
            otherwise="Collect counts over all images and divide once.",
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


class Scans:
    """A batch of a class that Lightning does not know how to move."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        """Hold images and labels."""
        self.images = images
        self.labels = labels


def trains_on_scans(answer: Any) -> Iterator[Finding]:
    """Examine exercise 12.3: on the CPU, also beside an unused GPU, and on two GPUs."""
    images, labels = digits(16)
    simulated = [
        runs_on(new_instance(answer), Scans(images, labels), device)
        for device in ("cpu", "cuda:0", "cuda:1")
    ]
    with simulated_gpus(1):
        simulated.append(runs_on(new_instance(answer), Scans(images, labels), "cpu"))
    yield from (finding for finding in simulated if finding.ok is False)
    done = updates(new_instance(answer), [Scans(images, labels)])
    changed = bool(done) and done[0].changed
    seen = "A step on the CPU leaves the weights as they were."
    yield Finding(seen, changed, "Return the loss.")
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


def reports_epoch_accuracy(answer: Any) -> Iterator[Finding]:
    """Examine exercise 12.4: two epochs with batches of 40, 40 and 3 images.

    Each epoch's last batch has wrong labels, so that too large a weight for it shows.
    """
    module = trained_instance(answer)

    def score(images: Tensor, labels: Tensor) -> float:
        return (logits_of(module, images).argmax(1) == labels).float().mean().item()

    def by_batch(batches: Sequence[tuple[Tensor, Tensor]]) -> list[float]:
        return [score(*batch) for batch in batches]

    def epoch(start: int) -> list[tuple[Tensor, Tensor]]:
        images, labels = digits(83, start)
        labels = torch.cat([labels[:80], (labels[80:] + 1) % 10])
        return in_batches((images, labels), 40)

    mistakes = {
        "Each batch has the same vote, also the small one.": lambda epochs: (
            sum(by_batch(epochs[-1])) / 3
        ),
        "This is the last batch alone.": lambda epochs: by_batch(epochs[-1])[-1],
        "The first epoch is still in it; start each epoch empty.": lambda epochs: exact(
            pooled(epochs), score
        ),
        "The first epoch is still in the list; clear it.": lambda epochs: (
            sum(by_batch(pooled(epochs))) / (3 * len(epochs))
        ),
    }
    epochs = [epoch(0), epoch(200)]
    yield from reports_each_epoch(module, epochs, "val_acc", score, mistakes)


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
    yield batch_untouched(new_instance(answer), digits(16))
    yield from hides_a_patch(new_instance(answer))
    yield loss_trains(new_instance(answer), digits(16))


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
