"""Does a training step leave its batch alone, and still train?"""

import copy
from typing import Any

import lightning as L
import torch

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import learners_code
from course_utils.checks.training_step import step, tensors_in


def batch_untouched(module: L.LightningModule, batch: Any) -> Finding:
    """Check that a training step leaves every tensor of its batch as it was."""
    before = copy.deepcopy(batch)
    step(module, batch)
    pairs = zip(tensors_in(before), tensors_in(batch), strict=True)
    changed = sum(not torch.equal(old, new) for old, new in pairs)
    seen = f"The step changed {changed} of the batch's tensors."
    remedy = "Work on a tensor of your own: two names for one memory change together."
    return Finding(seen, not changed, remedy)


def loss_trains(module: L.LightningModule, batch: Any) -> Finding:
    """Check that the loss of a step has a gradient that reaches the weights."""
    loss, _ = step(module, batch)
    module.zero_grad()
    if loss.requires_grad:
        with learners_code("The backward pass"):
            loss.backward()
    reached = any(p.grad is not None and p.grad.any() for p in module.parameters())
    seen = "The loss has no gradient for the weights."
    return Finding(seen, reached, "Return the loss undetached.")
