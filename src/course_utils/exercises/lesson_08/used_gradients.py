"""The gradient of each update, beside the one that backward passes made."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.data import DataLoader

from course_utils.checks.learner_code import learners_code
from course_utils.hardware import quiet_trainer


@dataclass(frozen=True)
class UsedGradient:
    """The gradient of one update, beside the one that backward passes made.

    Attributes:
        norm: 2-norm of the gradient that the optimizer used.
        raw_norm: 2-norm of the sum of all gradients since the update before.
        cosine: Cosine of the angle between the two; 1 is the same direction.
        passes: Backward passes since the update before.
    """

    norm: float
    raw_norm: float
    cosine: float
    passes: int


class GradientWatch:
    """Note the gradient of every update of ``module`` in a ``with`` block.

    What backward passes contribute is added up before anybody can change it: a
    hook on each parameter sees it before it reaches ``.grad``.

    Attributes:
        used: One entry for each update so far.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        """Follow the parameters that require a gradient."""
        self.params = [p for p in module.parameters() if p.requires_grad]
        self.used: list[UsedGradient] = []
        self._forget()

    def _forget(self) -> None:
        self._raw = [torch.zeros_like(p) for p in self.params]
        self._passes = [0] * len(self.params)

    def _adds_to(self, place: int) -> Callable[[Tensor], None]:
        def note(gradient: Tensor) -> None:
            self._raw[place] += gradient.detach()
            self._passes[place] += 1

        return note

    def _note(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.params]
        used = torch.cat([grad.detach().flatten() for grad in grads]).double()
        raw = torch.cat([grad.flatten() for grad in self._raw]).double()
        cosine = torch.nn.functional.cosine_similarity(used, raw, dim=0).item()
        norms = used.norm().item(), raw.norm().item()
        self.used.append(UsedGradient(*norms, cosine, max(self._passes, default=0)))
        self._forget()

    def __enter__(self) -> "GradientWatch":
        """Begin to watch."""
        self._handles = [
            p.register_hook(self._adds_to(i)) for i, p in enumerate(self.params)
        ]
        self._handles.append(register_optimizer_step_post_hook(self._note))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Watch no more."""
        for handle in self._handles:
            handle.remove()


def used_gradients(
    module: L.LightningModule, batches: Sequence[Any], **trainer: Any
) -> list[UsedGradient]:
    """Train one epoch on the CPU and return the gradient of each update.

    Args:
        module: Is trained; all its optimizers count.
        batches: Ready-made batches in the form that ``training_step`` expects.
        **trainer: Arguments of the Trainer, for example ``gradient_clip_val``.

    Raises:
        LearnerError: If training raises.
    """
    options = quiet_trainer(accelerator="cpu", max_epochs=1, **trainer)
    with GradientWatch(module) as watch, learners_code("Training"):
        L.Trainer(**options).fit(module, DataLoader(list(batches), batch_size=None))
    return watch.used
