"""The gradient of each update, beside the one that backward passes made."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import lightning as L
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from course_utils.checks.fit import fit
from course_utils.measure import OptimizerRecorder


@dataclass(frozen=True)
class UsedGradient:
    """The gradient of one update, beside the one that backward passes made.

    Attributes:
        norm: 2-norm of the gradient that the optimizer used.
        raw_norm: 2-norm of the sum of all gradients since the previous update.
        cosine: Cosine of the angle between the two; 1 is the same direction.
        passes: Backward passes since the previous update.
    """

    norm: float
    raw_norm: float
    cosine: float
    passes: int


class GradientRecorder(OptimizerRecorder):
    """Record the gradient of every update of ``module`` in a ``with`` block.

    Attributes:
        values: One `UsedGradient` for each update so far.
    """

    def __init__(self, module: nn.Module) -> None:
        """Follow the parameters that require a gradient."""
        super().__init__(self._compare)
        self.params = [p for p in module.parameters() if p.requires_grad]
        self._begin_sum()

    def _begin_sum(self) -> None:
        self._raw = [torch.zeros_like(p) for p in self.params]
        self._passes = [0] * len(self.params)

    def _adds_to(self, place: int) -> Callable[[Tensor], None]:
        def add(gradient: Tensor) -> None:
            self._raw[place] += gradient.detach()
            self._passes[place] += 1

        return add

    def _compare(self, optimizer: Optimizer) -> UsedGradient:
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.params]
        used, raw = (
            torch.cat([each.detach().flatten() for each in tensors]).double()
            for tensors in (grads, self._raw)
        )
        cosine = nn.functional.cosine_similarity(used, raw, dim=0).item()
        passes = max(self._passes, default=0)
        self._begin_sum()
        return UsedGradient(used.norm().item(), raw.norm().item(), cosine, passes)

    def start(self) -> None:
        """Begin to add up and to record."""
        # A hook on a parameter sees what a backward pass contributes before it is added
        # to `.grad`, so before any clipping, scaling or zeroing.
        self._hooks = [
            p.register_hook(self._adds_to(i)) for i, p in enumerate(self.params)
        ]
        super().start()

    def stop(self) -> None:
        """Stop both."""
        super().stop()
        for hook in self._hooks:
            hook.remove()


def used_gradients(
    module: L.LightningModule, batches: Sequence[object]
) -> list[UsedGradient]:
    """Train one epoch on the CPU and return the gradient of each update.

    Args:
        module: Is trained; all its optimizers count.
        batches: Ready-made batches in the form that ``training_step`` expects.

    Raises:
        LearnerError: If training raises.
    """
    with GradientRecorder(module) as recorder:
        fit(module, batches)
    return recorder.values
