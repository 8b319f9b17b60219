"""Record what optimizers do, whatever calls them: steps, rates, updates of the weights.

``trainer.global_step`` counts what the Trainer believes; these recorders hook into the
optimizers themselves.
"""

from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)


def _weights(optimizer: Optimizer) -> list[Tensor]:
    return [weight for group in optimizer.param_groups for weight in group["params"]]


class OptimizerRecorder:
    """Keep what ``read`` returns after every optimizer step taken in a ``with`` block.

    It reads after the step, since Lightning runs ``training_step`` inside it, which may
    still change a setting. A step that the closure turned into a no-op counts too; that
    of an optimizer with nothing to train does not: Lightning puts one in place when
    ``configure_optimizers`` returns None.

    Attributes:
        values: What ``read`` returned, for each step so far; None is left out.
    """

    def __init__(self, read: Callable[[Optimizer], Any]) -> None:
        """Start empty."""
        self.values: list[Any] = []
        self._read = read
        self._handles: list[Any] = []

    def _enter(self, *_: Any) -> None:
        self._depth += 1

    def _record(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        weights = {id(each) for each in _weights(optimizer) if each.requires_grad}
        # A subclass whose step calls that of its base is hooked twice, or once if no
        # optimizer of the base was ever made: the inner step counts, the outer doesn't.
        if weights - self._stepped:
            value = self._read(optimizer)
            self.values += [] if value is None else [value]
        self._depth -= 1
        self._stepped = self._stepped | weights if self._depth else set()

    def start(self) -> None:
        """Begin to record every optimizer of this process."""
        self._depth, self._stepped = 0, set[int]()
        self._handles = [
            register_optimizer_step_pre_hook(self._enter),
            register_optimizer_step_post_hook(self._record),
        ]

    def stop(self, *_: object) -> None:
        """Stop recording, if it has begun."""
        for handle in self._handles:
            handle.remove()

    def __enter__(self) -> Any:
        """Begin to record."""
        self.start()
        return self

    __exit__ = stop


class OptimizerSteps(OptimizerRecorder):
    """Count the optimizer steps taken inside a ``with`` block.

    Example:
        >>> weight = torch.nn.Parameter(torch.ones(1))
        >>> with OptimizerSteps() as steps:
        ...     torch.optim.SGD([weight], lr=0.1).step()
        >>> steps.count
        1
    """

    def __init__(self) -> None:
        """Start at zero."""
        super().__init__(lambda _: True)

    @property
    def count(self) -> int:
        """Steps so far."""
        return len(self.values)


class AppliedRates(OptimizerRecorder):
    """Keep the learning rate of every optimizer step taken in a ``with`` block.

    Attributes:
        values: The first parameter group's rate, one for each update so far.

    Example:
        >>> weight = torch.nn.Parameter(torch.ones(1))
        >>> with AppliedRates() as rates:
        ...     torch.optim.SGD([weight], lr=0.5).step()
        >>> rates.values
        [0.5]
    """

    def __init__(self) -> None:
        """Start empty."""
        super().__init__(lambda optimizer: float(optimizer.param_groups[0]["lr"]))


def flat_weights(module: nn.Module) -> Tensor:
    """Return a copy of all parameters as one vector, on the CPU.

    Those of a lazy layer that nothing has called yet have no values.
    """
    made = (p for p in module.parameters() if not is_lazy(p))
    return torch.cat([p.detach().flatten().cpu() for p in made])


def _gradient_norm(optimizer: Optimizer) -> float | None:
    norms = [w.grad.norm() for w in _weights(optimizer) if w.grad is not None]
    return torch.stack(norms).norm().item() if norms else None


class GradientNorms(OptimizerRecorder):
    """Keep the norm of the gradient of every update made in a ``with`` block.

    Attributes:
        values: The 2-norm of all gradients that the optimizer used, for each update so
            far; a step without any gradient is none.

    Example:
        >>> weight = torch.nn.Parameter(torch.ones(2))
        >>> weight.grad = torch.tensor([3.0, 4.0])
        >>> with GradientNorms() as norms:
        ...     torch.optim.SGD([weight], lr=0.5).step()
        >>> norms.values
        [5.0]
    """

    def __init__(self) -> None:
        """Start empty."""
        super().__init__(_gradient_norm)


class UpdateLog(L.Callback):
    """Record the updates of the weights during ``fit``.

    A step without any gradient is no update.

    Attributes:
        norms: At each update, the 2-norm of all gradients that the optimizer used.
        so_far: Updates made so far, after each batch.
        changed: Whether any weight changed, for each batch.
        finite: Whether all weights were finite after each batch.
    """

    def __init__(self) -> None:
        """Start with empty lists; they grow with every ``fit``."""
        self._recorder = GradientNorms()
        self.norms: list[float] = self._recorder.values
        self.so_far: list[int] = []
        self.changed: list[bool] = []
        self.finite: list[bool] = []

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Begin to record every optimizer of this process."""
        self._recorder.start()
        self._before = flat_weights(pl_module)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any
    ) -> None:
        """Record the state after the batch."""
        weights = flat_weights(pl_module)
        self.so_far.append(len(self.norms))
        self.changed.append(not torch.equal(weights, self._before))
        self.finite.append(bool(weights.isfinite().all()))
        self._before = weights

    def _stop(self, *_: Any) -> None:
        self._recorder.stop()

    on_train_end = on_exception = _stop
