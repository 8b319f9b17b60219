"""Does a data module follow the batch-size finder, and its user?"""

import math
from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from lightning.pytorch.tuner import Tuner
from torch import Tensor
from torch.utils.data import TensorDataset

from course_utils.checks.finding import Finding
from course_utils.checks.fit import fit
from course_utils.checks.learner_code import learners_code, temporary_folder
from course_utils.hardware import quiet_trainer

MakeData = Callable[..., L.LightningDataModule]


class OutOfMemory(L.LightningModule):
    """Runs out of memory, as a GPU does, on batches above ``limit`` samples.

    Attributes:
        batches: The samples of each batch so far.
    """

    def __init__(self, limit: float = math.inf) -> None:
        """Keep the limit, in samples."""
        super().__init__()
        self.limit = limit
        self.batches: list[list[float]] = []
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return a loss, or raise what a GPU without memory raises."""
        values = batch[0]
        self.batches.append(values.flatten().tolist())
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


def _epochs(data: L.LightningDataModule, count: int) -> list[list[list[float]]]:
    """Train for some epochs and return the batches of each."""
    module = OutOfMemory()
    fit(module, data, max_epochs=count)
    each = len(module.batches) // count
    return [module.batches[each * i : each * (i + 1)] for i in range(count)]


def _first_batch(data: L.LightningDataModule) -> int:
    return len(_epochs(data, 1)[0][0])


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
    first, second = _epochs(_built(make, batch_size=50), 2)
    seen = "Two epochs come in the same order."
    return Finding(seen, first != second, "Shuffle the samples in every epoch.")


def finds_and_delivers(make: MakeData, limit: int) -> list[Finding]:
    """Check that the finder finds the largest power of two, and the loader delivers it.

    Args:
        make: Takes a dataset; returns a data module.
        limit: Samples that fit into the simulated memory.
    """
    data = _built(make)
    options = quiet_trainer(accelerator="cpu", max_epochs=1)
    # The finder leaves its checkpoint in the Trainer's folder if a trial fails.
    with temporary_folder(), learners_code("The batch-size finder"):
        tuner = Tuner(L.Trainer(**options))
        found = tuner.scale_batch_size(OutOfMemory(limit), datamodule=data)
    best = 2 ** (limit.bit_length() - 1)
    seen = f"With room for {limit} samples the finder found {found} instead of {best}."
    got = _first_batch(data)
    delivered = f"The finder found {found}, the loader delivers batches of {got}."
    return [
        Finding(seen, found == best, "A loader should have the size of its moment."),
        Finding(delivered, got == found, "It should deliver the size that was found."),
    ]
