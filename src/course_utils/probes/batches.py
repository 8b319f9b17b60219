"""What does a training step do to the batch it was given?"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from course_utils.probes.finding import Finding
from course_utils.probes.running import learners_code


def tensors_in(batch: Any) -> list[Tensor]:
    """Return the tensors of a batch: itself, or those in lists, tuples and dicts."""
    if isinstance(batch, Tensor):
        return [batch]
    parts = batch.values() if isinstance(batch, dict) else batch
    return [t for part in parts for t in tensors_in(part)] if _holds(batch) else []


def _holds(batch: Any) -> bool:
    return isinstance(batch, list | tuple | dict)


@contextmanager
def _inputs_seen(shape: torch.Size) -> Iterator[list[Tensor]]:
    """Collect copies of modules' inputs that have as many values as the images."""
    seen: list[Tensor] = []

    def look(module: nn.Module, args: tuple[Any, ...]) -> None:
        if args and isinstance(args[0], Tensor) and args[0].numel() == shape.numel():
            seen.append(args[0].detach().clone().view(shape))

    handle = register_module_forward_pre_hook(look)
    try:
        yield seen
    finally:
        handle.remove()


def step(
    module: L.LightningModule, batch: Any, seed: int = 0
) -> tuple[Tensor, Tensor | None]:
    """Run one training step and return the loss and the images that the network saw.

    Args:
        module: Has a ``training_step``.
        batch: Its first tensor holds the images.
        seed: Seed of torch's generator for this step.

    Raises:
        LearnerError: If the step raises or returns no loss.
    """
    torch.manual_seed(seed)
    with (
        learners_code("training_step"),
        _inputs_seen(tensors_in(batch)[0].shape) as seen,
    ):
        output = module.training_step(batch, 0)
        loss = output["loss"] if isinstance(output, dict) else output
        if not isinstance(loss, Tensor):
            raise TypeError(f"expected a loss tensor but got {type(loss).__name__}")
    return loss, seen[0] if seen else None


def batch_untouched(module: L.LightningModule, batch: Any) -> Finding:
    """Ask whether a training step leaves every tensor of its batch as it came."""
    before = copy.deepcopy(batch)
    step(module, batch)
    pairs = zip(tensors_in(before), tensors_in(batch), strict=True)
    changed = sum(not torch.equal(old, new) for old, new in pairs)
    seen = f"The step changed {changed} of the batch's tensors."
    remedy = "Work on a tensor of your own: two names for one memory change together."
    return Finding("the batch after a step", seen, not changed, remedy)


def loss_trains(module: L.LightningModule, batch: Any) -> Finding:
    """Ask whether the loss of a step has a gradient that reaches the weights."""
    loss, _ = step(module, batch)
    module.zero_grad()
    if loss.requires_grad:
        loss.backward()
    reached = any(p.grad is not None and p.grad.any() for p in module.parameters())
    seen = f"The loss has {'a' if reached else 'no'} gradient for the weights."
    return Finding("the gradient", seen, reached, "Return the loss undetached.")


def hides_a_patch(
    module: L.LightningModule, shape: tuple[int, int, int, int] = (16, 1, 28, 28)
) -> list[Finding]:
    """Ask whether the network sees a moving hole that the target does not have.

    The images are random, so that every hidden pixel shows. A second batch differs from
    the first in the hidden pixels only: the network must not notice, the loss must.

    Args:
        module: A module whose ``training_step`` hides a patch of its images.
        shape: Shape of the batch of images.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(shape, generator=generator) * 0.8 + 0.1
    labels = torch.zeros(shape[0], dtype=torch.int64)

    def run(pictures: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        loss, saw = step(module, (pictures.clone(), labels), seed)
        return loss.detach(), pictures if saw is None else saw

    holes = [run(images, seed)[1] != images for seed in range(4)]
    loss, saw = run(images, 0)
    hole = saw != images
    other_loss, other_saw = run(torch.where(hole, 1 - images, images), 0)
    varies = any(not torch.equal(holes[0], other) for other in holes[1:])
    blind = torch.equal(saw, other_saw)
    return [
        Finding(
            "what the network sees",
            f"The network saw a hole in {int(hole.flatten(1).any(1).sum())} "
            f"of {shape[0]} images.",
            bool(hole.flatten(1).any(1).all()),
            "Give it the patched images.",
        ),
        Finding(
            "where the hole is",
            "It moves." if varies else "The hole is always in the same place.",
            varies,
            "Draw the place anew in each step.",
        ),
        Finding(
            "what is hidden",
            "Hidden pixels stay hidden."
            if blind
            else "What the network sees depends on the hidden pixels.",
            blind,
            "Replace the pixels of the patch, do not mix them.",
        ),
        Finding(
            "what the loss compares with",
            "The loss knows the hidden pixels."
            if other_loss != loss
            else "The loss does not change when the hidden pixels do: "
            "the target has the hole, too.",
            bool(other_loss != loss),
            "Compare with the complete images.",
        ),
    ]
