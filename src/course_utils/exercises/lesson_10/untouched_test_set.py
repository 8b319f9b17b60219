"""Is the test set left alone until the choice is made, and then read once?"""

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import lightning as L
from torch.utils.data import DataLoader, Dataset

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_10.scripted_scores import (
    TEST_COUNT,
    TEST_START,
    VAL_COUNT,
    Batch,
    numbered,
)

Reads = list[tuple[str, int]]  # part of the data and index of each image read, in order


class LoggedDataset(Dataset[Batch]):
    """Images and labels that log each read."""

    def __init__(self, part: str, batch: Batch, reads: Reads) -> None:
        """Log reads of ``batch``, the ``"train"``, ``"val"`` or ``"test"`` part."""
        self.part, self.reads = part, reads
        self.images, self.labels = batch

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def __getitem__(self, index: int) -> Batch:
        """Return one image and its label, and log the read."""
        self.reads.append((self.part, index))
        return self.images[index], self.labels[index]


class LoggedData(L.LightningDataModule):
    """Numbered images in three parts, and a log of which was read when.

    Attributes:
        reads: Part and index of each image read, in order.
    """

    def __init__(self, batch_size: int = 16) -> None:
        """Number the images; nothing was read yet."""
        super().__init__()
        self.batch_size = batch_size
        self.reads: Reads = []

    def _loader(self, part: str, batch: Batch) -> DataLoader[Batch]:
        dataset = LoggedDataset(part, batch, self.reads)
        return DataLoader(dataset, batch_size=self.batch_size)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return batches to train on."""
        return self._loader("train", numbered(32))

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return batches to choose on."""
        return self._loader("val", numbered(VAL_COUNT))

    def test_dataloader(self) -> DataLoader[Batch]:
        """Return batches to report on."""
        return self._loader("test", numbered(TEST_COUNT, TEST_START))


def keeps_the_test_set(reads: Reads) -> Iterator[Finding]:
    """Check that all test images were read, once, after the last read of others."""
    others = [i for i, (part, _) in enumerate(reads) if part != "test"]
    before = reads[: max(others, default=0)]
    early = len({index for part, index in before if part == "test"})
    seen = f"{early} test images were read before the last training or validation image"
    first = "Choose on validation first; open the test set when nothing is left to "
    yield Finding(f"{seen}.", not early, f"{first}choose.")
    counts = Counter(index for part, index in reads if part == "test")
    missing = TEST_COUNT - len(counts)
    seen = f"{missing} of {TEST_COUNT} test images were never read."
    yield Finding(seen, not missing, "Report on all of them.")
    most = max(counts.values(), default=0)
    seen = f"A test image was read {'once' if most == 1 else f'{most} times'}."
    yield Finding(seen, most <= 1, "Test only the model that was chosen, in one pass.")


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
