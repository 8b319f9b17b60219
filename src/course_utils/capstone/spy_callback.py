"""Look over the shoulder of every Trainer that a script makes."""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils.checks.sample_data import logits_of
from course_utils.measure import SavedTensors, flat_weights


class PowerCut(BaseException):
    """Ends a run in its midst; not an ``Exception``, so that nothing swallows it."""


class Watch(L.Callback):
    """Notes what a run does, and can save or end it.

    Attributes:
        epochs: Epochs that were finished.
        ink: Mean of the training images, 0 to 1, one number an epoch.
        shown: First ten training images of each epoch, ``(10, 1, 28, 28)``.
        held: Bytes that autograd holds after each batch.
        weights: All parameters after the batch in which the power was cut.
        accuracies: Accuracy on ``val`` after each epoch, if there is a ``val``.
        losses: Cross-entropy on ``val`` after each epoch, likewise.
    """

    def __init__(
        self,
        *,
        saved: SavedTensors | None = None,
        save: tuple[int, Path] | None = None,
        cut_after: int = 0,
        val: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        """Choose what to do besides looking.

        Args:
            saved: Follows the memory of graphs.
            save: An epoch from 0, and the file for a checkpoint at its end.
            cut_after: Number of batches after which the power is cut, 0: never.
            val: Images and labels to measure on after each epoch.
        """
        self.saved, self.save, self.cut_after, self.val = saved, save, cut_after, val
        self.epochs = self.batches = 0
        self.shown: list[Tensor] = []
        self.held: list[int] = []
        self.accuracies: list[float] = []
        self.losses: list[float] = []
        self._ink: list[list[float]] = []
        self._digests: list[set[bytes]] = []

    @property
    def ink(self) -> list[float]:
        """Mean of the training images, one number an epoch."""
        return [sum(means) / len(means) for means in self._ink]

    @property
    def repeated(self) -> float:
        """Share of the second epoch's training images that the first had, too."""
        if len(self._digests) < 2:
            return 0.0
        first, second = self._digests[:2]
        return len(first & second) / len(second)

    def on_train_epoch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule
    ) -> None:
        """Begin a new epoch."""
        self._ink.append([])
        self._digests.append(set())

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, *_: Any
    ) -> None:
        """Look at the batch before anybody changes it."""
        images = batch[0].detach()
        if not self._ink[-1]:
            self.shown.append(images[:10].clone())
        self._ink[-1].append(images.float().mean().item())
        if len(self._digests) <= 2:
            rows = [image.numpy().tobytes() for image in images.cpu().contiguous()]
            self._digests[-1] |= {hashlib.sha1(row).digest() for row in rows}

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any
    ) -> None:
        """Note what is held, and cut the power if it is time."""
        self.batches += 1
        if self.saved is not None:
            self.held.append(self.saved.live)
        if self.batches == self.cut_after:
            self.weights = flat_weights(pl_module)
            raise PowerCut

    def on_train_epoch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule
    ) -> None:
        """Measure, and save if it is time."""
        if self.val is not None:
            images, labels = self.val
            logits = logits_of(pl_module, images)
            self.accuracies.append((logits.argmax(1) == labels).float().mean().item())
            self.losses.append(F.cross_entropy(logits, labels).item())
        if self.save is not None and self.save[0] == self.epochs:
            trainer.save_checkpoint(self.save[1])
        self.epochs += 1


@contextlib.contextmanager
def watching(*callbacks: L.Callback) -> Iterator[None]:
    """Give every Trainer that is made inside the block these callbacks, too."""
    original = L.Trainer.__init__

    def init(self: L.Trainer, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self.callbacks.extend(callbacks)  # after all others: their work is done

    L.Trainer.__init__ = init
    try:
        yield
    finally:
        L.Trainer.__init__ = original


def stacked(batches: list[Any]) -> tuple[Tensor, Tensor]:
    """Return the images and the labels of some batches as one batch."""
    images, labels = zip(*batches, strict=True)
    return torch.cat(images), torch.cat(labels)
