"""Is there something between one linear layer and the next?"""

from typing import Any

import torch
from torch import Tensor, nn

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import learners_code
from course_utils.measure import evaluation_mode

_ALLOWED = 1  # a linear layer may refine features on their way to the head


def linear_pairs(module: nn.Module, images: Tensor) -> int:
    """Return how many linear layers get exactly what another one returned.

    Args:
        module: Is run once, without gradients and in evaluation mode.
        images: What its forward pass gets.

    Raises:
        LearnerError: If the forward pass raises.
    """
    given: list[Tensor] = []
    pairs = 0

    def compare(layer: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        nonlocal pairs
        pairs += any(torch.equal(args[0], earlier) for earlier in given)
        given.append(output)

    layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    handles = [layer.register_forward_hook(compare) for layer in layers]
    try:
        with torch.no_grad(), evaluation_mode(module), learners_code("forward"):
            module(images)
    finally:
        for handle in handles:
            handle.remove()
    return pairs


def has_activations(module: nn.Module, images: Tensor) -> Finding:
    """Check that activations stand between the linear layers.

    Args:
        module: Is run once, in evaluation mode.
        images: What its forward pass gets.
    """
    pairs = linear_pairs(module, images)
    seen = f"{pairs} linear layers follow another one directly."
    remedy = "Without an activation in between, they are one layer: put one there."
    return Finding(seen, pairs <= _ALLOWED, remedy)
