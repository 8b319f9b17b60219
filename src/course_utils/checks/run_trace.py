"""What a training run saw and left, batch by batch: a callback, and two comparisons."""

from dataclasses import dataclass
from typing import Any

import lightning as L
from lightning.fabric.utilities.data import sized_len
from torch import Tensor

from course_utils.checks.sample_digests import digests
from course_utils.measure import flat_weights


class RunTrace(L.Callback):
    """Record every training sample and the weights after every batch of one ``fit``.

    Attributes:
        start: Batches that the run had behind it when it began; more than 0 if it
            was resumed.
        cut: Whether its epochs end before its loader does, as far as that is known.
        samples: For each batch, one digest per sample: equal content, equal digest.
        epochs: For each batch, the epoch it belongs to, from 0.
        weights: All parameters as one vector, before the first batch and after each.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.start = 0
        self.cut = False
        self.samples: list[list[bytes]] = []
        self.epochs: list[int] = []
        self.weights: list[Tensor] = []

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Record where the run begins."""
        self.start = trainer.fit_loop.epoch_loop.batch_progress.total.ready
        count = sized_len(trainer.train_dataloader)
        self.cut = count is None or count > trainer.num_training_batches
        self.weights.append(flat_weights(pl_module))

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, *_: Any
    ) -> None:
        """Record the samples as they arrive at the training step."""
        self.samples.append(digests([batch]))
        self.epochs.append(trainer.current_epoch)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any
    ) -> None:
        """Record the weights."""
        self.weights.append(flat_weights(pl_module))


def distances(first: RunTrace, second: RunTrace) -> list[float]:
    """Return how far apart the weights of two runs are, step by step, as a 2-norm.

    A distance of 0.0 means: the same bits. If the second run was resumed, its steps
    are compared with those that the first one made from the same place on.

    Example:
        >>> import torch
        >>> first, second = RunTrace(), RunTrace()
        >>> first.weights = [torch.tensor([0.0]), torch.tensor([3.0])]
        >>> second.weights = [torch.tensor([0.0]), torch.tensor([5.0])]
        >>> distances(first, second)
        [0.0, 2.0]
    """
    ours = first.weights[second.start - first.start :]
    pairs = zip(ours, second.weights, strict=False)
    return [float((a.double() - b.double()).norm()) for a, b in pairs]


def _of_epoch(run: RunTrace, epoch: int, until: int | None = None) -> set[bytes]:
    batches = zip(run.samples[:until], run.epochs[:until], strict=True)
    return {each for batch, of in batches if of == epoch for each in batch}


@dataclass(frozen=True)
class Coverage:
    """What became of the samples of the epoch in which a run was interrupted.

    Attributes:
        due: Samples of that epoch that had not been seen yet.
        twice: Samples that the resumed run delivers although they had been seen.
        never: Samples due that it does not deliver.
    """

    due: int
    twice: int
    never: int


def coverage(whole: RunTrace, resumed: RunTrace) -> Coverage:
    """Compare an interrupted epoch with the same epoch of a run that went through.

    Args:
        whole: The run that went through; it also says what had been seen before.
        resumed: The run that went on from a checkpoint of it.
    """
    epoch = whole.epochs[resumed.start] if resumed.start < len(whole.epochs) else -1
    before = _of_epoch(whole, epoch, until=resumed.start)
    after = _of_epoch(resumed, epoch)
    due = _of_epoch(whole, epoch) - before
    return Coverage(len(due), len(before & after), len(due - after))
