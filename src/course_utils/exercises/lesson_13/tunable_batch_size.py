"""Does a data module obey the batch-size finder, and its user?"""

from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from lightning.pytorch.tuner import Tuner
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import learners_code
from course_utils.hardware import quiet_trainer

MakeData = Callable[..., L.LightningDataModule]


class Limited(L.LightningModule):
    """Runs out of memory, as a GPU does, on batches above ``limit`` samples."""

    def __init__(self, limit: int) -> None:
        """Note the limit, in samples."""
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
        """Train, so that the finder can."""
        return torch.optim.SGD(self.parameters(), lr=0.1)


def _samples(size: int = 600) -> Dataset[Any]:
    return TensorDataset(torch.arange(float(size)).unsqueeze(1))


def _first_batch(data: L.LightningDataModule) -> int:
    with learners_code("train_dataloader"):
        return len(next(iter(data.train_dataloader()))[0])


def size_that_user_asks_for(make: MakeData, size: int) -> Finding:
    """Ask whether the loader delivers batches of the size handed to the constructor.

    Args:
        make: Takes a dataset and ``batch_size``; returns a data module.
        size: Samples in a batch.
    """
    with learners_code("__init__"):
        data = make(_samples(), batch_size=size)
    got = _first_batch(data)
    seen = f"With batch_size={size} the loader delivers batches of {got}."
    remedy = "Keep the size that the user hands over."
    return Finding(seen, got == size, remedy)


def shuffles(make: MakeData) -> Finding:
    """Ask whether two epochs come in different orders.

    Args:
        make: Takes a dataset and ``batch_size``; returns a data module.
    """
    with learners_code("__init__"):
        data = make(_samples(), batch_size=50)
    with learners_code("train_dataloader"):
        epochs = [
            torch.cat([batch[0] for batch in data.train_dataloader()]) for _ in range(2)
        ]
    differ = not torch.equal(*epochs)
    seen = f"Two epochs come in {'different orders' if differ else 'the same order'}."
    return Finding(seen, differ, "Keep shuffle=True.")


def finds_and_delivers(make: MakeData, limit: int) -> list[Finding]:
    """Ask whether the finder finds the largest power of two up to ``limit``.

    Then whether the loader delivers it.

    Args:
        make: Takes a dataset; returns a data module.
        limit: Samples that fit into the pretended memory.
    """
    with learners_code("__init__"):
        data = make(_samples())
    options = quiet_trainer(accelerator="cpu", max_epochs=1)
    with learners_code("The batch-size finder"):
        found = Tuner(L.Trainer(**options)).scale_batch_size(
            Limited(limit), datamodule=data
        )
    best = 2 ** (limit.bit_length() - 1)
    seen = f"With room for {limit} samples the finder found {found} instead of {best}."
    got = _first_batch(data)
    return [
        Finding(seen, found == best, "Build the loader when it is asked for."),
        Finding(
            f"The finder found {found}, the loader delivers batches of {got}.",
            got == found,
            "Read self.batch_size in train_dataloader.",
        ),
    ]
