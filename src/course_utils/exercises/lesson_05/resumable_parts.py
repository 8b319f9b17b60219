"""The two parts around a module that make its runs resumable to the last bit.

The parts of lesson 05, for examinations that are about a third one: the module.
"""

import random
from collections.abc import Iterator, Sized
from typing import Any

import lightning as L
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler


class EpochSampler(DistributedSampler[int]):
    """An order that depends on seed and epoch alone, and can begin anywhere.

    Attributes:
        start: How many samples of the next epoch to leave out.
    """

    def __init__(self, data: Sized, seed: int) -> None:
        """Deliver the indices of ``data``."""
        super().__init__(data, num_replicas=1, rank=0, seed=seed)  # type: ignore[arg-type]
        self.start = 0

    def __iter__(self) -> Iterator[int]:
        """Yield what is left of the epoch; the next one begins at its beginning."""
        order = list(super().__iter__())
        start, self.start = self.start, 0
        return iter(order[start:])


class KeepsItsPlace(L.LightningDataModule):
    """Training and validation batches that continue where a checkpoint was written."""

    def __init__(
        self,
        train: Dataset[Any],
        val: Dataset[Any] | None = None,
        *,
        batch_size: int = 16,
        seed: int = 0,
    ) -> None:
        """Hold the data; ``seed`` decides the order of every epoch."""
        super().__init__()
        self.train, self.val, self.batch_size = train, val, batch_size
        self.sampler = EpochSampler(train, seed)  # type: ignore[arg-type]
        self.generator = torch.Generator()  # or each start of the loader draws globally

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the training batches."""
        return DataLoader(
            self.train, self.batch_size, sampler=self.sampler, generator=self.generator
        )

    def val_dataloader(self) -> DataLoader[Any] | list[Any]:
        """Return the validation batches in a fixed order, none without such data."""
        return [] if self.val is None else DataLoader(self.val, self.batch_size)

    def state_dict(self) -> dict[str, Any]:
        """Return how many batches were delivered, over all epochs."""
        assert self.trainer is not None
        progress = self.trainer.fit_loop.epoch_loop.batch_progress
        return {"batches": progress.total.ready}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go to the place that is due."""
        per_epoch = -(-len(self.sampler) // self.batch_size)
        self.sampler.epoch, batch = divmod(state_dict["batches"], per_epoch)
        self.sampler.start = batch * self.batch_size


class KeepsRandomState(L.Callback):
    """The state of the global generators, put back when nothing else draws any more."""

    def __init__(self) -> None:
        """Start with nothing to put back."""
        self.loaded: dict[str, Any] | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return the states as plain values, which a checkpoint loads by default."""
        name, keys, *rest = np.random.get_state()
        numpy = (name, keys.tolist(), *rest)
        return {
            "torch": torch.get_rng_state(),
            "python": random.getstate(),
            "numpy": numpy,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the states for later."""
        self.loaded = state_dict

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Put the states back, once."""
        if self.loaded is not None:
            torch.set_rng_state(self.loaded["torch"])
            random.setstate(self.loaded["python"])
            np.random.set_state(self.loaded["numpy"])
            self.loaded = None
