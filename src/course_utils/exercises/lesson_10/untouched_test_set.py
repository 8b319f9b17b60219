"""Is the test set left alone until the choice is made, and then read once?"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import lightning as L
from torch import Tensor
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

TOLERANCE = 1e-4
_FIRST = "Choose on validation first; open the test set when nothing is left to choose."
_ONCE = "Test only the model that was chosen, in one pass."


class CountedPart(Dataset[Batch]):
    """Images and labels that enter each read into a reads."""

    def __init__(self, part: str, batch: Batch, reads: list[tuple[str, int]]) -> None:
        """Watch ``batch``, which is the ``"train"``, ``"val"`` or ``"test"`` part."""
        self.part, self.reads = part, reads
        self.images, self.labels = batch

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def __getitem__(self, index: int) -> Batch:
        """Return one image and its label, and enter the read."""
        self.reads.append((self.part, index))
        return self.images[index], self.labels[index]


class CountedData(L.LightningDataModule):
    """Numbered images in three parts, and a reads of who was read when.

    Attributes:
        reads: Part and index of each image read, in order.
    """

    def __init__(self, batch_size: int = 16) -> None:
        """Number the images; nothing was read yet."""
        super().__init__()
        self.batch_size = batch_size
        self.reads: list[tuple[str, int]] = []
        self._parts = {
            "train": numbered(32),
            "val": numbered(VAL_COUNT),
            "test": numbered(TEST_COUNT, TEST_START),
        }

    def _loader(self, part: str) -> DataLoader[Batch]:
        watched = CountedPart(part, self._parts[part], self.reads)
        return DataLoader(watched, batch_size=self.batch_size)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return batches to train on."""
        return self._loader("train")

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return batches to choose on."""
        return self._loader("val")

    def test_dataloader(self) -> DataLoader[Batch]:
        """Return batches to report on."""
        return self._loader("test")


def keeps_the_test_set(reads: list[tuple[str, int]]) -> Iterator[Finding]:
    """Ask whether all test images were read, once, after the last look elsewhere.

    Args:
        reads: Part and index of each image read, in order.
    """
    others = [i for i, (part, _) in enumerate(reads) if part != "test"]
    before = reads[: max(others, default=0)]
    early = len({index for part, index in before if part == "test"})
    seen = f"{early} test images were read before the last training or validation image"
    remedy = _FIRST if early else ""
    yield Finding(f"{seen}.", not early, remedy)
    reads = Counter(index for part, index in reads if part == "test")
    missing = TEST_COUNT - len(reads)
    seen = f"{missing} of {TEST_COUNT} test images were never read."
    remedy = "Report on all of them." if missing else ""
    yield Finding(seen, not missing, remedy)
    most = max(reads.values(), default=0)
    times = "once" if most == 1 else f"{most} times"
    remedy = _ONCE if most > 1 else ""
    yield Finding(f"A test image was read {times}.", most <= 1, remedy)


def _is_single(value: Any) -> bool:
    """Return whether a value of torch or NumPy holds one number."""
    return (value.numel() if isinstance(value, Tensor) else value.size) == 1


def as_number(name: str, value: Any) -> float:
    """Return what the learner's function returned as a float.

    Raises:
        LearnerError: If it is no number.
    """
    if hasattr(value, "item") and _is_single(value):
        value = value.item()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise LearnerError(
        f"Expected {name} to be a number but got {type(value).__name__}; "
        "return the number itself."
    )


def score_is(
    asked: str, value: float, truth: float, mistakes: Mapping[str, float]
) -> Finding:
    """Ask whether ``value`` is the right one of the scripted scores.

    Args:
        asked: What it is, for example ``"the reported accuracy"``.
        value: What was reported.
        truth: What it should be.
        mistakes: What a value means that equals a known wrong one.
    """
    if abs(value - truth) <= TOLERANCE:
        return Finding(f"It is {value:.3f}.", True)
    why = [text for text, wrong in mistakes.items() if abs(wrong - value) <= TOLERANCE]
    seen = f"You report {value:.3f}, right is {truth:.3f}."
    remedy = why[0] if why else "Count over all test images, then divide."
    return Finding(seen, False, remedy)
