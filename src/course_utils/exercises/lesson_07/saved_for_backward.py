"""How many bytes does a training step save for backward, and what is its peak?"""

import contextlib
from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import learners_code
from course_utils.checks.training_step import loss_of
from course_utils.measure import MemoryTrace, SavedTensors

SLACK = 1e-4  # of a gradient's norm


@dataclass(frozen=True)
class StepCost:
    """What one training step costs, from the first operation to the last gradient.

    Attributes:
        saved: Bytes saved for backward once the loss is computed, without the weights.
        peak: Most bytes that the step used at one time, recomputed ones included.
        flops: Floating-point operations of products and convolutions.
        gradients: One for each parameter, None where there is none.
    """

    saved: int
    peak: int
    flops: int
    gradients: tuple[Tensor | None, ...]


def saved_for_backward(net: nn.Module, images: Tensor, precision: str) -> int:
    """Return the bytes that the forward pass saves, as ``Trainer(precision=...)`` does.

    Args:
        net: Any module; its own weights do not count, copies of them do.
        images: What it gets.
        precision: ``"32-true"`` or ``"bf16-mixed"``.
    """
    context: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()
    if precision == "bf16-mixed":
        context = torch.autocast(images.device.type, dtype=torch.bfloat16)
    with SavedTensors(ignore=net.parameters()) as saved, context:
        net(images)
    return saved.peak


def cost_of_step(module: L.LightningModule, batch: Any) -> StepCost:
    """Run two training steps: one for what is saved, one for everything else.

    Args:
        module: Has a ``training_step``; it has no gradients afterwards.
        batch: What the step gets.

    Raises:
        LearnerError: If the step or its backward pass raises, or there is no loss.
        CannotCheck: If the step asks its Trainer.
    """
    with SavedTensors(ignore=module.parameters()) as saved:
        loss = loss_of(module, batch)
    live = saved.live
    del loss
    module.zero_grad()
    with MemoryTrace() as trace:
        loss = loss_of(module, batch)
        with learners_code("The backward pass"):
            loss.backward()
    gradients = tuple(p.grad for p in module.parameters())
    module.zero_grad()
    return StepCost(live, trace.peak, trace.flops, gradients)


def _differ(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is not other
    return bool((one - other).norm() > SLACK * other.norm())


def same_gradients(cost: StepCost, plain: StepCost) -> Finding:
    """Check that a step computes the same gradients as another one."""
    pairs = list(zip(cost.gradients, plain.gradients, strict=True))
    if lost := sum(one is None and other is not None for one, other in pairs):
        seen = f"{lost} of {len(pairs)} weight tensors get no gradient any more."
        remedy = "Give checkpoint an input with a gradient, or use_reentrant=False."
        return Finding(seen, False, remedy)
    seen = "The gradients are not those of the plain step."
    same = not any(_differ(*pair) for pair in pairs)
    return Finding(seen, same, "Compute the same layers in the same order.")


def lowers_the_peak(cost: StepCost, plain: StepCost, share: float) -> Finding:
    """Check that the peak of a step is at most ``share`` of another one's."""
    reached = cost.peak / plain.peak
    seen = f"The step's peak is {reached:.0%} of the plain one; {share:.0%} is asked."
    remedy = "Too much waits for backward: recompute layers with large activations."
    if cost.saved < cost.peak / 2:
        remedy = (
            f"Only {cost.saved / plain.saved:.0%} is saved for backward, so the "
            "backward pass computes too much again at once: make smaller groups."
        )
    return Finding(seen, reached <= share, remedy)


def adds_few_operations(cost: StepCost, plain: StepCost, share: float) -> Finding:
    """Check that a step needs at most ``share`` more operations than another one."""
    more = cost.flops / plain.flops - 1
    seen = f"The step needs {more:.0%} more operations; at most {share:.0%} is asked."
    remedy = "Keep the activations of the layers that are expensive to compute."
    return Finding(seen, more <= share, remedy)
