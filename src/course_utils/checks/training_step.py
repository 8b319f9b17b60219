"""What does a training step do to the batch it was given?"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from course_utils.checks.learner_code import (
    CannotCheck,
    LearnerError,
    learners_code,
    wants_a_trainer,
)


def tensors_in(batch: Any) -> list[Tensor]:
    """Return the tensors of a batch: itself, or those in lists, tuples and dicts."""
    if isinstance(batch, Tensor):
        return [batch]
    parts = batch.values() if isinstance(batch, dict) else batch
    return [t for part in parts for t in tensors_in(part)] if _holds(batch) else []


def _holds(batch: Any) -> bool:
    return isinstance(batch, list | tuple | dict)


def _learns(module: nn.Module) -> bool:
    return torch.is_grad_enabled() and any(True for _ in module.parameters())


@contextmanager
def inputs_seen(shape: torch.Size) -> Iterator[list[Tensor]]:
    """Collect copies of networks' inputs that have as many values as the images.

    A module without weights is a transform, and a pass without gradients a look aside.
    """
    seen: list[Tensor] = []

    def look(module: nn.Module, args: tuple[Any, ...]) -> None:
        if not (_learns(module) and args and isinstance(args[0], Tensor)):
            return
        if args[0].numel() == shape.numel():
            seen.append(args[0].detach().clone().view(shape))

    handle = register_module_forward_pre_hook(look)
    try:
        yield seen
    finally:
        handle.remove()


def loss_of(module: L.LightningModule, batch: Any, seed: int = 0) -> Tensor:
    """Run one training step without a Trainer and return its loss.

    Args:
        module: Has a ``training_step``.
        batch: What it gets.
        seed: Seed of Python's, NumPy's and torch's generators, and the batch index.

    Raises:
        LearnerError: If the step raises or returns no loss.
        CannotCheck: If the step asks its Trainer.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    try:
        with learners_code("training_step"):
            output = module.training_step(batch, seed)
            loss = output.get("loss") if isinstance(output, dict) else output
    except LearnerError as error:
        if not wants_a_trainer(error.__cause__):
            raise
        reason = "The check runs single steps without a Trainer, which yours asks for."
        raise CannotCheck(reason) from error
    if not isinstance(loss, Tensor):
        raise LearnerError(
            f"training_step returned {type(loss).__name__} instead of a loss; "
            "return the loss."
        )
    return loss


def step(
    module: L.LightningModule, batch: Any, seed: int = 0
) -> tuple[Tensor, Tensor | None]:
    """Run one training step and return the loss and the images that the network saw.

    Args:
        module: Has a ``training_step``.
        batch: Its first tensor holds the images.
        seed: Seed of Python's, NumPy's and torch's generators, and the batch index.

    Raises:
        LearnerError: If the step raises or returns no loss.
        CannotCheck: If the step asks its Trainer.
    """
    with inputs_seen(tensors_in(batch)[0].shape) as seen:
        loss = loss_of(module, batch, seed)
    return loss, seen[0] if seen else None
