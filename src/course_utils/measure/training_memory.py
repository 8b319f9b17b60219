"""What a training run holds, by what it is for."""

import gc
from typing import Any

import lightning as L
import torch
from torch.optim import Optimizer
from torch.utils._pytree import tree_iter

from course_utils.measure.memory import MEGABYTE, SavedTensors


def tensor_bytes(values: Any) -> int:
    """Return the bytes of all tensors in lists, tuples and dicts, however nested.

    Example:
        >>> tensor_bytes({"a": torch.zeros(3), "b": [torch.zeros(2).bfloat16(), None]})
        16
    """
    return sum(v.nbytes for v in tree_iter(values) if isinstance(v, torch.Tensor))


class TrainingMemory(L.Callback):
    """Record the bytes of weights, gradients, optimizer, and those saved for backward.

    Hand it to a ``Trainer``. Weights are the parameters; their own memory is not
    counted again where autograd saves them, copies of them in another type are.

    Attributes:
        weights: Bytes of the parameters.
        gradients: Bytes of the gradients when the optimizer used them.
        optimizer: Bytes of the optimizers' state, for example Adam's two averages.
        saved: Most bytes that autograd saved for backward at one time.
        held: Bytes still saved for backward after each batch.
    """

    def __init__(self) -> None:
        """Start at zero."""
        self.weights = self.gradients = self.optimizer = self.saved = 0
        self.held: list[int] = []

    def megabytes(self) -> dict[str, float]:
        """Return the four amounts by name, in megabytes."""
        return {
            "weights (MB)": self.weights / MEGABYTE,
            "gradients (MB)": self.gradients / MEGABYTE,
            "optimizer state (MB)": self.optimizer / MEGABYTE,
            "saved for backward (MB)": self.saved / MEGABYTE,
        }

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Begin to follow what autograd saves; what earlier runs left is let go."""
        gc.collect()  # module and Trainer hold each other, so they outlive their names
        self._tensors = SavedTensors(ignore=pl_module.parameters())
        self._tensors.__enter__()

    def on_before_optimizer_step(
        self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer
    ) -> None:
        """Record weights and gradients while all of them are there."""
        parameters = list(pl_module.parameters())
        self.weights = tensor_bytes(parameters)
        self.gradients = tensor_bytes([parameter.grad for parameter in parameters])

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any
    ) -> None:
        """Record what is left after the batch."""
        states = [list(each.state.values()) for each in trainer.optimizers]
        self.optimizer = tensor_bytes(states)
        self.saved = self._tensors.peak
        self.held.append(self._tensors.live)

    def _stop(self, *_: Any) -> None:
        """Follow no further graphs, if training had begun."""
        if hasattr(self, "_tensors"):
            self._tensors.__exit__(None, None, None)

    on_train_end = on_exception = _stop
