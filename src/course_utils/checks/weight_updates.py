"""What training with a real Trainer does to the weights, batch by batch."""

from collections.abc import Sequence
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils.checks.finding import Finding
from course_utils.checks.fit import fit
from course_utils.checks.learner_code import has_forward, learners_code
from course_utils.measure import InMemoryLogger, UpdateLog, evaluation_mode

Batches = Sequence[tuple[Tensor, Tensor]]


def updates(module: L.LightningModule, batches: Sequence[Any]) -> UpdateLog:
    """Train one epoch on ``batches``, on the CPU, and return what each one did.

    Args:
        module: Is trained.
        batches: Ready-made batches in the form that ``training_step`` expects.

    Raises:
        LearnerError: If training raises.
    """
    log = UpdateLog()
    fit(module, batches, callbacks=[log], logger=InMemoryLogger())
    return log


@torch.no_grad()
def _cross_entropy(module: L.LightningModule, batches: Batches) -> float:
    with learners_code("forward"), evaluation_mode(module):
        losses = [F.cross_entropy(module(images), labels) for images, labels in batches]
    return float(sum(losses)) / len(losses)


def lowers_cross_entropy(
    module: L.LightningModule, batches: Batches, rounds: int = 3
) -> Finding:
    """Check whether training lowers the cross-entropy of the batches it trains on.

    Any loss, augmentation or optimizer that learns the labels will do. A module
    without ``forward`` passes.

    Args:
        module: Is trained; its forward pass maps images to logits.
        batches: Images and labels, all of them usable.
        rounds: How often each batch is used.
    """
    if not has_forward(module):
        return Finding("There is no forward pass to ask.", True)
    before = _cross_entropy(module, batches)
    updates(module, [*batches] * rounds)
    after = _cross_entropy(module, batches)
    seen = "Training makes the cross-entropy of the training images larger."
    if after == before:
        seen = "Training leaves the cross-entropy of the training images as it is."
    remedy = (
        "Training has to lower it: the loss falls when labels are predicted better."
    )
    return Finding(seen, after < before, remedy)
