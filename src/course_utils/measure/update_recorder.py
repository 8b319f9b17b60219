"""Note every update of the weights while a Trainer fits, whoever makes it."""

from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook


def _gradients(optimizer: Optimizer) -> list[Tensor]:
    groups = optimizer.param_groups
    return [p.grad for g in groups for p in g["params"] if p.grad is not None]


def _weights(module: torch.nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()]).clone()


class UpdateLog(L.Callback):
    """Note what optimizers did during ``fit``, not what the Trainer believes.

    A step of an optimizer without gradients is no update: Lightning makes such steps
    for a module that configures no optimizer.

    Attributes:
        norms: At each update, the 2-norm of all gradients that the optimizer used.
        so_far: Updates made so far, after each batch.
        changed: Whether any weight changed, for each batch.
    """

    def __init__(self) -> None:
        """Start with empty lists; they grow with every ``fit``."""
        self.norms: list[float] = []
        self.so_far: list[int] = []
        self.changed: list[bool] = []

    def _note(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if gradients := _gradients(optimizer):
            total = torch.stack([gradient.norm() for gradient in gradients]).norm()
            self.norms.append(total.item())

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Begin to listen to every optimizer of this process."""
        self._handle = register_optimizer_step_post_hook(self._note)
        self._before = _weights(pl_module)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any
    ) -> None:
        """Note the state after the batch."""
        weights = _weights(pl_module)
        self.so_far.append(len(self.norms))
        self.changed.append(not torch.equal(weights, self._before))
        self._before = weights

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop listening."""
        self._handle.remove()

    def on_exception(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        exception: BaseException,
    ) -> None:
        """Stop listening, if training had begun."""
        if hasattr(self, "_handle"):
            self._handle.remove()
