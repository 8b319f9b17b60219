"""How many bytes does a training step save for backward, and what is its peak?"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from course_utils.checks.applied_gradients import FixedWeights
from course_utils.checks.finding import Finding
from course_utils.checks.fit import fit
from course_utils.checks.learner_code import LearnerError
from course_utils.measure import MemoryTrace, SavedTensors

SLACK = 1e-4  # of a gradient's norm


@dataclass(frozen=True)
class StepCost:
    """What one training step costs, from the first operation to the last gradient.

    Attributes:
        saved: Bytes saved for backward once the loss is computed, without the weights.
        peak: Most bytes that the step used at one time, recomputed ones included.
        flops: Floating-point operations of products and convolutions.
        gradients: One for each weight tensor, None where there is none.
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


class _Reads(L.Callback):
    """Read both counters when the loss is there, and when all gradients are."""

    def __init__(
        self, saved: SavedTensors, trace: MemoryTrace, weights: Sequence[Tensor]
    ) -> None:
        self.saved, self.trace, self.weights = saved, trace, weights
        self.live = self.before = 0
        self.cost: StepCost | None = None

    def on_train_batch_start(self, *_: Any) -> None:
        # What other callbacks keep is not part of the step.
        self.before = self.trace.peak = self.trace.live

    def on_before_backward(self, *_: Any) -> None:
        self.live = self.saved.live

    def on_before_optimizer_step(self, *_: Any) -> None:
        # The optimizer's own state comes later, and does not count.
        grads = tuple(None if p.grad is None else p.grad.clone() for p in self.weights)
        self.cost = self.cost or StepCost(
            self.live, self.trace.peak - self.before, self.trace.flops, grads
        )


def cost_of_step(
    module: L.LightningModule, batch: Any, weights: Sequence[Tensor]
) -> StepCost:
    """Train on one batch and return what the step costs.

    Args:
        module: Is trained on the CPU; its weights stay what they are.
        batch: What the step gets.
        weights: The parameters whose gradients are returned, in this order.

    Raises:
        LearnerError: If training raises, or makes no update.
    """
    torch.manual_seed(0)
    with MemoryTrace() as trace, SavedTensors(ignore=module.parameters()) as saved:
        reads = _Reads(saved, trace, weights)
        fit(module, [batch], callbacks=[reads, FixedWeights()])
    module.zero_grad()
    if reads.cost is None or set(reads.cost.gradients) == {None}:
        raise LearnerError("Training made no update; return the loss.")
    return reads.cost


def _differ(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is not other
    return bool((one - other).norm() > SLACK * other.norm())


def same_gradients(cost: StepCost, plain: StepCost) -> Finding:
    """Check that a step computes the same gradients as another one."""
    pairs = list(zip(cost.gradients, plain.gradients, strict=True))
    if lost := sum(one is None and other is not None for one, other in pairs):
        seen = f"{lost} of {len(pairs)} weight tensors get no gradient any more."
        remedy = "Compute every layer with a gradient: checkpoint needs an input that "
        remedy += "has one, or use_reentrant=False."
        return Finding(seen, False, remedy)
    seen = "The gradients are not those of the plain step."
    same = not any(_differ(*pair) for pair in pairs)
    return Finding(seen, same, "Compute the same layers in the same order.")


def lowers_the_peak(cost: StepCost, plain: StepCost, share: float) -> Finding:
    """Check that the peak of a step is at most ``share`` of another one's."""
    reached = cost.peak / plain.peak
    seen = f"The step's peak is {reached:.0%} of the plain one; {share:.0%} is allowed."
    remedy = (
        "Too much waits for backward: recompute the layers with large activations, and "
        "several of them at a time, since each group keeps its input."
    )
    if cost.saved < cost.peak / 2:
        remedy = (
            f"Only {cost.saved / plain.saved:.0%} is saved for backward, so the "
            "backward pass computes too much again at once: make smaller groups."
        )
    return Finding(seen, reached <= share, remedy)


def adds_few_operations(cost: StepCost, plain: StepCost, share: float) -> Finding:
    """Check that a step needs at most ``share`` more operations than another one."""
    more = cost.flops / plain.flops - 1
    seen = f"The step needs {more:.0%} more operations; at most {share:.0%} is allowed."
    remedy = "Keep the activations of the layers that are expensive to compute."
    return Finding(seen, more <= share, remedy)
