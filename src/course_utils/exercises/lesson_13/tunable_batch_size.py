"""Does a data module follow the batch-size finder, and its user?"""

from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from lightning.pytorch.tuner import Tuner
from torch import Tensor
from torch.utils.data import TensorDataset

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import learners_code
from course_utils.hardware import quiet_trainer

MakeData = Callable[..., L.LightningDataModule]


class OutOfMemory(L.LightningModule):
    """Runs out of memory, as a GPU does, on batches above ``limit`` samples."""

    def __init__(self, limit: int) -> None:
        """Keep the limit, in samples."""
        super().__init__()
        self.limit = limit
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return a loss, or raise what a GPU without memory raises."""
        values = batch[0]
        if len(values) > self.limit:
            raise RuntimeError("CUDA out of memory.")
        return self.layer(values).mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return plain SGD, so that the finder can train."""
        return torch.optim.SGD(self.parameters(), lr=0.1)


def _built(make: MakeData, **options: int) -> L.LightningDataModule:
    samples = TensorDataset(torch.arange(600.0).unsqueeze(1))
    with learners_code("__init__"):
        return make(samples, **options)


def _first_batch(data: L.LightningDataModule) -> int:
    with learners_code("train_dataloader"):
        return len(next(iter(data.train_dataloader()))[0])


def delivers_requested_size(make: MakeData, size: int) -> Finding:
    """Check that the loader delivers batches of the size handed to the constructor.

    Args:
        make: Takes a dataset and ``batch_size``; returns a data module.
        size: Samples in a batch.
    """
    got = _first_batch(_built(make, batch_size=size))
    seen = f"With batch_size={size} the loader delivers batches of {got}."
    return Finding(seen, got == size, "Keep the size that the user hands over.")


def shuffles(make: MakeData) -> Finding:
    """Check that two epochs come in different orders.

    Args:
        make: Takes a dataset and ``batch_size``; returns a data module.
    """
    data = _built(make, batch_size=50)
    with learners_code("train_dataloader"):
        epochs = [torch.cat([x for [x] in data.train_dataloader()]) for _ in range(2)]
    seen = "Two epochs come in the same order."
    return Finding(seen, not torch.equal(*epochs), "Keep shuffle=True.")


def finds_and_delivers(make: MakeData, limit: int) -> list[Finding]:
    """Check that the finder finds the largest power of two, and the loader delivers it.

    Args:
        make: Takes a dataset; returns a data module.
        limit: Samples that fit into the simulated memory.
    """
    data = _built(make)
    trainer = L.Trainer(**quiet_trainer(accelerator="cpu", max_epochs=1))
    with learners_code("The batch-size finder"):
        found = Tuner(trainer).scale_batch_size(OutOfMemory(limit), datamodule=data)
    best = 2 ** (limit.bit_length() - 1)
    seen = f"With room for {limit} samples the finder found {found} instead of {best}."
    got = _first_batch(data)
    delivered = f"The finder found {found}, the loader delivers batches of {got}."
    return [
        Finding(seen, found == best, "Build the loader when it is asked for."),
        Finding(delivered, got == found, "Read self.batch_size in train_dataloader."),
    ]
