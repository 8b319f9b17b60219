"""Are gradients finite on odd inputs, and is all as it was on ordinary ones?"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import LearnerError

Function = Callable[[Tensor], Tensor]


@torch.enable_grad()
def value_and_gradient(function: Function, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return what ``function`` makes of ``inputs``, and a gradient back to them.

    The gradient is that of a weighted sum of the outputs, the same weights each time,
    so that no two outputs can cancel out.

    Raises:
        LearnerError: If the result is no tensor, or no gradient leads back.
    """
    leaf = inputs.detach().clone().requires_grad_(True)
    outputs = function(leaf * 1)  # the function may change its argument in place
    if not isinstance(outputs, Tensor):
        raise LearnerError(
            f"Expected a tensor but got {type(outputs).__name__}; return the result."
        )
    if not outputs.requires_grad:
        raise LearnerError(
            "The result has no gradient; compute it by tensor operations, undetached."
        )
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(outputs.shape, generator=generator, dtype=outputs.dtype)
    (outputs * (weights + 0.5)).sum().backward()
    if leaf.grad is None:
        raise LearnerError("The result does not depend on the argument.")
    return outputs.detach(), leaf.grad


def finite_gradients(function: Function, inputs: Tensor, what: str) -> Finding:
    """Check whether the gradient of ``function`` is finite at every input.

    Args:
        function: A differentiable function, or a module.
        inputs: One row per input.
        what: What these inputs are, in the plural, for the sentence.
    """
    _, gradient = value_and_gradient(function, inputs)
    bad = int((~gradient.isfinite()).flatten(1).any(1).sum())
    seen = f"For {what}, {bad} of {len(inputs)} gradients are not finite."
    remedy = (
        "torch.where computes both branches and sends a gradient through both: keep "
        "what would divide by zero out of the operation itself."
    )
    return Finding(seen, not bad, remedy)


def _farthest(ours: Tensor, theirs: Tensor) -> float:
    """Return the largest distance, relative to the largest value of its row."""
    scale = theirs.flatten(1).abs().amax(1, keepdim=True)
    scale = torch.where(scale > 0, scale, 1.0)
    return float(((ours - theirs).flatten(1) / scale).abs().max())


def same_as(
    function: Function,
    reference: Function,
    inputs: Tensor,
    what: str,
    tolerance: float = 1e-4,
) -> list[Finding]:
    """Check whether values and gradients are those of a reference.

    Args:
        function: What is examined.
        reference: Right for these inputs.
        inputs: One row per input.
        what: What these inputs are, in the plural, for the sentence.
        tolerance: Largest distance, relative to the row's largest value.

    Returns:
        A finding for the values, and one for the gradients.
    """
    ours, theirs = (value_and_gradient(each, inputs) for each in (function, reference))
    if ours[0].shape != theirs[0].shape:
        seen = f"The shape is {tuple(ours[0].shape)}, not {tuple(theirs[0].shape)}."
        return [Finding(seen, False, "Keep the shape of the result.")]
    findings = []
    for kind, one, other in zip(("values", "gradients"), ours, theirs, strict=True):
        far = _farthest(one, other)
        ok = far <= tolerance
        seen = f"For {what}, the {kind} are off by up to {far:.2%}."
        if math.isnan(far):
            seen = f"For {what}, the {kind} are not all finite."
        remedy = f"For {what} they should be as before."
        findings.append(Finding(seen, ok, remedy))
    return findings
