"""A classifier whose accuracy follows a script, whatever it is trained on.

Each image carries its number in its first pixel, so the classifier knows which images
it is to get right. The accuracy of every epoch is known before the run, and a
reported one tells which weights were scored on which images.
"""

from collections.abc import Sequence
from typing import ClassVar

import lightning as L
import torch
from torch import Tensor
from torch.nn import functional as F

COUNTS = (40, 60)  # validation images, test images
TEST_START = 1000  # number of the first test image
Batch = tuple[Tensor, Tensor]
Event = tuple[str, str, int]  # network or "" for the data itself, part, image


def numbered(count: int, start: int = 0) -> Batch:
    """Return images ``(count, 1, 28, 28)`` that carry their number, and labels."""
    numbers = torch.arange(start, start + count)
    images = torch.zeros(count, 1, 28, 28)
    images[:, 0, 0, 0] = numbers.float()
    return images, numbers % 10


class ScriptedClassifier(L.LightningModule):
    """Right about a scripted share of the images, the ones with the lowest numbers.

    It has no other knowledge: `numbered` images are all that it can look at.

    Attributes:
        seen: Which network saw which image when; all networks write into one list.
        age: Epochs trained, as a buffer: every checkpoint holds it.
    """

    seen: ClassVar[list[Event]] = []

    def __init__(
        self,
        val: Sequence[float] = (0.1,),
        test: Sequence[float] = (0.1,),
        counts: tuple[int, int] = COUNTS,
    ) -> None:
        """Keep the script.

        Args:
            val: Accuracy on the validation images, untrained and then after each
                epoch; the last one holds for all later epochs.
            test: The same on the test images.
            counts: How many validation and test images there are.
        """
        super().__init__()
        self.save_hyperparameters()
        self.val, self.test, self.counts = list(val), list(test), counts
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.register_buffer("age", torch.zeros((), dtype=torch.int64))

    def _right(self, script: Sequence[float], count: int) -> int:
        return round(script[min(int(self.age), len(script) - 1)] * count)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits ``(batch, 10)`` that follow the script."""
        numbers = images[:, 0, 0, 0].round().long()
        is_test = numbers >= TEST_START
        name = f"{self.val} {self.test} after epoch {int(self.age)}"
        for number in numbers.tolist():
            part = "test" if number >= TEST_START else "val"
            self.seen.append((name, part, number % TEST_START))
        val, test = map(self._right, (self.val, self.test), self.counts)
        right = torch.where(is_test, numbers < TEST_START + test, numbers < val)
        preds = torch.where(right, numbers, numbers + 1) % 10
        return 9.0 * F.one_hot(preds, 10) + 0.0 * self.weight

    def _accuracy(self, batch: Batch) -> Tensor:
        images, labels = batch
        return (self(images).argmax(1) == labels).float().mean()

    def on_train_epoch_start(self) -> None:
        """Grow older."""
        self.age += 1

    def on_train_epoch_end(self) -> None:
        """Stop long after the end of the script: a Trainer may have no limit."""
        self.trainer.should_stop |= int(self.age) >= 2 * len(self.val)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return a loss."""
        return self.weight.square().sum()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log ``val_acc``."""
        self.log("val_acc", self._accuracy(batch))

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Log ``test_acc``."""
        self.log("test_acc", self._accuracy(batch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return plain SGD."""
        return torch.optim.SGD(self.parameters(), lr=0.01)
