"""Does what happens between backward and the update turn the gradient?"""

from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from course_utils.measure import OptimizerRecorder


def _cosine(one: Tensor, other: Tensor) -> float:
    lengths = one.norm() * other.norm()
    return (one @ other / lengths).item() if lengths else 1.0


class GradientDirection(L.Callback):
    """Record how much of its direction the gradient keeps until it is applied.

    Attributes:
        kept: At each update, the cosine between the gradient as backward left it and
            as the optimizer used it; 1 if it was shortened or left alone.
    """

    def __init__(self) -> None:
        """Start with an empty list."""
        self._recorder = OptimizerRecorder(self._compare)
        self.kept: list[float] = self._recorder.values
        self._raw: dict[nn.Parameter, Tensor] = {}
        self._handles: list[Any] = []

    def _keep(self, weight: nn.Parameter) -> None:
        # Called by autograd itself, so in manual optimization too, and before any hook
        # of the script can clip. The last backward pass has the whole gradient.
        self._raw[weight] = weight.grad.detach().clone()

    def _compare(self, optimizer: Optimizer) -> float | None:
        weights = [w for group in optimizer.param_groups for w in group["params"]]
        pairs = [
            (self._raw[w].flatten(), w.grad.flatten())
            for w in weights
            if w.grad is not None and w in self._raw
        ]
        return _cosine(*map(torch.cat, zip(*pairs, strict=True))) if pairs else None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Begin to record."""
        self._handles = [
            weight.register_post_accumulate_grad_hook(self._keep)
            for weight in pl_module.parameters()
            if weight.requires_grad
        ]
        self._recorder.start()

    def _stop(self, *_: Any) -> None:
        self._recorder.stop()
        for handle in self._handles:
            handle.remove()
        self._raw.clear()

    on_train_end = on_exception = _stop
