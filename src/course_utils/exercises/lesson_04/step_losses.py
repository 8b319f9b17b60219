"""The loss of each training batch, whether or not the step returns it."""

import contextlib
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils.checks.learner_code import has_forward
from course_utils.checks.training_step import tensors_in
from course_utils.measure import evaluation_mode

Epochs = list[list[float]]


class StepLosses(L.Callback):
    """Note the loss of each batch in three ways; each may be missing or another one.

    In manual optimization a step returns nothing, and may go backward in parts.

    Attributes:
        sizes: Samples of each batch, one list per epoch.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.sizes: list[list[int]] = []
        self._found: list[list[dict[str, float]]] = []

    def on_train_epoch_start(self, *_: Any) -> None:
        """Begin another epoch."""
        self.sizes.append([])
        self._found.append([])

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, *_: Any
    ) -> None:
        """Note the cross-entropy before the step."""
        self.sizes[-1].append(len(tensors_in(batch)[0]))
        self._found[-1].append({})
        if has_forward(pl_module):
            with contextlib.suppress(Exception), torch.no_grad():
                with evaluation_mode(pl_module):
                    loss = F.cross_entropy(pl_module(batch[0]), batch[1])
                self._found[-1][-1]["cross-entropy"] = float(loss)

    def on_before_backward(
        self, trainer: L.Trainer, pl_module: L.LightningModule, loss: Tensor
    ) -> None:
        """Add up what goes backward in this batch."""
        now = self._found[-1][-1]
        now["backward"] = now.get("backward", 0.0) + float(loss.detach())

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, *_: Any
    ) -> None:
        """Note what the step returned."""
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if loss is not None:
            self._found[-1][-1]["returned"] = float(torch.as_tensor(loss).detach())

    def ways(self) -> list[Epochs]:
        """Return the losses of all epochs, once for each way that found all of them."""
        batches = [batch for epoch in self._found for batch in epoch]
        return [
            [[batch[way] for batch in epoch] for epoch in self._found]
            for way in ("returned", "backward", "cross-entropy")
            if batches and all(way in batch for batch in batches)
        ]
