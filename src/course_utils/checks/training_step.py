"""What does a training step do to the batch it was given?"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from types import FunctionType, ModuleType
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

from course_utils.checks.global_rngs import scramble_global_rngs
from course_utils.checks.learner_code import CannotCheck, LearnerError, learners_code
from course_utils.checks.single_step import attach, attached_step, detach

_DEEPEST = 6  # containers and objects within each other


def tensors_in(batch: Any) -> list[Tensor]:
    """Return a batch's tensors: itself, or those in containers and objects."""
    return list(_tensors(batch, set(), 0))


def _tensors(value: Any, seen: set[int], depth: int) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif id(value) not in seen and depth < _DEEPEST:
        seen.add(id(value))
        for part in _parts(value):
            yield from _tensors(part, seen, depth + 1)


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, each.name) for each in fields(value)]
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, nn.Module | type | FunctionType | ModuleType):
        return ()
    return getattr(value, "__dict__", {}).values()


def _learns(module: nn.Module) -> bool:
    return torch.is_grad_enabled() and any(True for _ in module.parameters())


def is_network_input(module: nn.Module, args: tuple[Any, ...], count: int) -> bool:
    """Return whether a network that learns is called with as many values as images.

    A module without weights is a transform, and a pass without gradients a look aside.

    Args:
        module: Is called.
        args: Its positional arguments.
        count: The values of all images.
    """
    return bool(
        _learns(module)
        and args
        and isinstance(args[0], Tensor)
        and args[0].numel() == count
    )


@contextmanager
def inputs_seen(shape: torch.Size) -> Iterator[list[Tensor]]:
    """Collect copies of networks' inputs that have as many values as the images."""
    seen: list[Tensor] = []

    def look(module: nn.Module, args: tuple[Any, ...]) -> None:
        if is_network_input(module, args, shape.numel()):
            seen.append(args[0].detach().clone().reshape(shape))

    with register_module_forward_pre_hook(look):
        yield seen


def _the_loss(loss: Any) -> Tensor:
    if not isinstance(loss, Tensor):
        raise LearnerError(
            f"training_step returned {type(loss).__name__} instead of a loss; "
            "return the loss."
        )
    return loss


@contextmanager
def inputs_of_first_call(shape: torch.Size) -> Iterator[list[Tensor]]:
    """Collect copies of what the first network gets, then its parts within that call.

    A network may change the images before its first layer gets them. The list ends
    where one of them returns; each input has as many values as the images.
    """
    seen: list[Tensor] = []
    ended: list[nn.Module] = []

    def look(module: nn.Module, args: tuple[Any, ...]) -> None:
        if not ended and is_network_input(module, args, shape.numel()):
            seen.append(args[0].detach().clone().reshape(shape))

    def end(module: nn.Module, args: tuple[Any, ...], _: Any) -> None:
        if is_network_input(module, args, shape.numel()):
            ended.append(module)

    with register_module_forward_pre_hook(look), register_module_forward_hook(end):
        yield seen


def step(
    module: L.LightningModule,
    batch: Any,
    seed: int = 0,
    depth: int = 0,
    data: L.LightningDataModule | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Run one training step with its hooks; return loss and what the network saw.

    Nothing is trained: a backward pass that the step makes itself only tells its loss.

    Args:
        module: Has a ``training_step``; its weights stay as they are.
        batch: Its first tensor holds the images.
        seed: Seed of Python's, NumPy's and torch's generators, and the batch index.
        depth: Whose input to return: 0 is the network's, 1 that of the first of its
            parts, and so on to its first layer.
        data: The data module that the batch is from, if the module may ask for it.

    Returns:
        The loss, and the images that the network saw, None if it saw none.

    Raises:
        LearnerError: If the step raises or returns no loss.
        CannotCheck: If no tensor is to be seen in the batch.
    """
    backward: list[Any] = []

    def tell(loss: Any, *_: Any, **__: Any) -> None:
        backward.append(loss)

    found, cpu = tensors_in(batch), torch.device("cpu")
    if not found:
        raise CannotCheck("no tensor is to be seen in its batch.")
    shape = found[0].shape
    with learners_code("training_step"), inputs_of_first_call(shape) as seen:
        attach(module, data).manual_backward = tell
        scramble_global_rngs(seed)
        returned = attached_step(module, batch, cpu, seed)
    detach(module)
    loss = returned if isinstance(returned, Tensor) else next(iter(backward), returned)
    return _the_loss(loss), seen[min(depth, len(seen) - 1)] if seen else None
