"""Is the test set left alone until the choice is made, and then read once?"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import lightning as L
from torch.utils.data import DataLoader, TensorDataset

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_10.scripted_scores import (
    COUNTS,
    TEST_START,
    Batch,
    Event,
    ScriptedClassifier,
    numbered,
)

TRAIN_COUNT = 32
READ = ("", "test")  # who and part of an event that reads a test image


class LoggedDataset(TensorDataset):
    """Images and labels that log each read."""

    def __init__(self, part: str, batch: Batch, log: list[Event]) -> None:
        """Log reads of ``batch``, the ``"train"``, ``"val"`` or ``"test"`` part."""
        super().__init__(*batch)
        self.part, self.log = part, log
        self.images, self.labels = batch

    def __getitem__(self, index: int) -> Batch:
        """Return one image and its label, and log the read."""
        self.log.append(("", self.part, index))
        return super().__getitem__(index)


class LoggedData(L.LightningDataModule):
    """Numbered images in three parts, and a log of what happened to them.

    Attributes:
        log: Reads of images, and looks of `ScriptedClassifier` at them, in order.
    """

    def __init__(self, batch_size: int = 16, counts: tuple[int, int] = COUNTS) -> None:
        """Number the images, and let the networks write into a new log.

        Args:
            batch_size: Images in a batch.
            counts: How many validation and test images there are.
        """
        super().__init__()
        self.batch_size, self.counts = batch_size, counts
        self.log = ScriptedClassifier.seen = list[Event]()

    def _loader(self, part: str, batch: Batch) -> DataLoader[Batch]:
        dataset = LoggedDataset(part, batch, self.log)
        return DataLoader(dataset, batch_size=self.batch_size)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return batches to train on."""
        return self._loader("train", numbered(TRAIN_COUNT))

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return batches to choose on."""
        return self._loader("val", numbered(self.counts[0]))

    def test_dataloader(self) -> DataLoader[Batch]:
        """Return batches to report on."""
        return self._loader("test", numbered(self.counts[1], TEST_START))


def epochs_trained(log: Sequence[Event]) -> int:
    """Return how often all training images were read."""
    return [part for _, part, _ in log].count("train") // TRAIN_COUNT


def untouched_before_the_choice(log: Sequence[Event]) -> Finding:
    """Check that no test image was read before all networks had been validated.

    When a function chooses cannot be seen; it cannot be before that.
    """
    news = [event for event in log if event[0]]
    validated = max((log.index(e) for e in set(news) if e[1] == "val"), default=0)
    before = {image for who, part, image in log[:validated] if (who, part) == READ}
    seen = (
        f"{len(before)} test images were read before all networks had seen all "
        "validation images."
    )
    remedy = "Choose first; open the test set when nothing is left to choose."
    return Finding(seen, not before, remedy)


def reads_the_test_set_once(log: Sequence[Event], count: int) -> Iterator[Finding]:
    """Check that each of the test images was read once, for one set of weights."""
    counts = Counter(image for who, part, image in log if (who, part) == READ)
    missing = count - len(counts)
    seen = f"{missing} of {count} test images were never read."
    yield Finding(seen, not missing, "Report on all of them.")
    most = max(counts.values(), default=0)
    seen = f"A test image was read {'once' if most == 1 else f'{most} times'}."
    yield Finding(seen, most <= 1, "Read it once, for the chosen weights.")
    who = len({who for who, part, _ in log if who and part == "test"})
    seen = f"The test images were read once and shown to {who} sets of weights."
    yield Finding(seen, who <= 1, "Show them to the chosen weights only.")


def as_number(name: str, value: Any) -> float:
    """Return what the learner's function returned as a float.

    Raises:
        LearnerError: If it is no number.
    """
    shape = getattr(value, "shape", None)  # of torch or NumPy
    if shape is not None and math.prod(shape) == 1:
        value = value.item()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise LearnerError(
        f"Expected {name} to be a number but got {type(value).__name__}; "
        "return the number itself."
    )
