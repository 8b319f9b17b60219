"""Digits and a trained network to examine answers with, the same for every learner."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils.checks.learner_code import (
    CannotCheck,
    LearnerError,
    has_forward,
    learners_code,
)
from course_utils.data.data_module import ImageDataModule, scaled
from course_utils.measure import evaluation_mode


def digits(count: int, start: int = 0) -> tuple[Tensor, Tensor]:
    """Return embedded test digits: images ``(count, 1, 28, 28)`` in 0..1 and labels."""
    return lesson_images(count, start, "embedded")


def lesson_images(
    count: int, start: int = 0, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """Return test images of the data in use, for networks shaped after that data.

    Returns:
        Images ``(count, channel, height, width)`` in 0..1, and labels.
    """
    data = ImageDataModule(name, seed=0)
    part = slice(start, start + count)
    return scaled(data.test_images[part]), data.test_labels[part]


def in_batches(
    data: tuple[Tensor, Tensor], size: int | list[int]
) -> list[tuple[Tensor, Tensor]]:
    """Split images and labels into batches of ``size``; the last may be smaller.

    A list of sizes gives each batch its own.
    """
    images, labels = data
    return list(zip(images.split(size), labels.split(size), strict=True))


def class_of(answer: Any, kind: type) -> Any:
    """Return ``answer``, which is a class of this kind.

    Raises:
        LearnerError: If it is not.
    """
    if isinstance(answer, type) and issubclass(answer, kind):
        return answer
    raise LearnerError(
        f"Expected a {kind.__name__} class but got {type(answer).__name__}; "
        "hand over the class itself, without calling it."
    )


def new_instance(answer: Any, *arguments: Any) -> L.LightningModule:
    """Return an instance of the learner's class.

    Raises:
        LearnerError: If ``answer`` is no module class or cannot be built.
    """
    module_class = class_of(answer, L.LightningModule)
    torch.manual_seed(0)
    with learners_code("__init__"):
        return module_class(*arguments)


def share_correct(logits: Tensor, labels: Tensor) -> float:
    """Return the share of images whose highest logit is the label's."""
    return (logits.argmax(1) == labels).float().mean().item()


def _takes(kind: type, count: int) -> bool:
    """Return whether an instance is made from ``count`` positional arguments."""
    try:
        inspect.signature(kind).bind(*[None] * count)
    except (TypeError, ValueError):  # ValueError: a built-in class has no signature
        return False
    return True


def quiet_function(answer: Any) -> Callable[..., Any]:
    """Return the learner's function, silent and with its errors told from ours.

    Any callable will do: a partial, an object, or a class that takes the arguments.

    Raises:
        LearnerError: If ``answer`` cannot be called.
    """
    refusal = (
        f"Expected a function but got {type(answer).__name__}; hand over the function "
        "itself, without calling it."
    )
    if not callable(answer):
        raise LearnerError(refusal)

    @functools.wraps(answer)
    def run(*args: Any) -> Any:
        if isinstance(answer, type) and not _takes(answer, len(args)):
            raise LearnerError(refusal)
        with learners_code(getattr(answer, "__name__", "Your function")):
            return answer(*args)

    return run


@torch.enable_grad()
def train_briefly(module: nn.Module, steps: int = 60) -> None:
    """Train ``module`` for a few steps, so that it knows some digits."""
    images, labels = lesson_images(960, start=1000)
    optimizer = torch.optim.Adam(module.parameters(), lr=3e-3)
    for i in range(steps):
        part = slice(i % 15 * 64, i % 15 * 64 + 64)
        optimizer.zero_grad()
        F.cross_entropy(module(images[part]), labels[part]).backward()
        optimizer.step()


def trained_instance(answer: Any, steps: int = 60) -> L.LightningModule:
    """Return an instance that a few steps of plain training have taught some digits.

    Raises:
        LearnerError: If ``answer`` is no module class or its forward pass raises.
        CannotCheck: If it has no forward pass.
    """
    module = new_instance(answer)
    if not has_forward(module):
        raise CannotCheck(
            "The check asks forward(images) for logits, which your class does not "
            "have; keep its base class."
        )
    with learners_code("forward"):
        train_briefly(module, steps)
    return module


def copy_of(module: L.LightningModule) -> L.LightningModule:
    """Return a new instance of the same class with the same weights and buffers."""
    other = new_instance(type(module))
    other.load_state_dict(module.state_dict())
    return other


@torch.no_grad()
def logits_of(module: nn.Module, images: Tensor) -> Tensor:
    """Return the module's logits in evaluation mode; its parts keep their modes."""
    with evaluation_mode(module):
        return module(images)


@torch.no_grad()
def output_of(module: nn.Module, images: Tensor) -> Tensor:
    """Return the output for ``images`` in evaluation mode, whatever it means.

    Raises:
        LearnerError: If it raises, or returns something other than a tensor.
    """
    with learners_code("forward"), evaluation_mode(module):
        output = module(images)
        if not isinstance(output, Tensor):
            raise TypeError(f"expected a tensor but got {type(output).__name__}")
    return output
