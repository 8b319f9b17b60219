"""Does an accumulated gradient equal that of the large batch?"""

from collections.abc import Iterator, Sequence

import lightning as L
import torch
from torch import Tensor

from course_utils.checks.applied_gradients import (
    applied_gradients,
    losses_and_gradients,
    merged,
)
from course_utils.checks.finding import Finding

Batches = Sequence[tuple[Tensor, Tensor]]
EPOCHS = 2
SLACK = 1e-3  # of the gradient's norm


def mean_gradient(module: L.LightningModule, batches: Batches) -> Tensor:
    """Return the gradient of the mean cross-entropy of all images at once."""
    images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    return losses_and_gradients(module, [(images, labels)])[0][1]


def _judge_update(used: Tensor, mean: Tensor, which: str, remedy: str) -> Finding:
    ratio = float(used @ mean / (mean @ mean))
    ok = bool((used - mean).norm() <= SLACK * mean.norm())
    seen = f"{which} used {ratio:.2f} times the mean gradient of its batches."
    if abs(ratio - 1) < 0.005:  # as long along the mean, and yet another vector
        seen = f"{which} did not use the mean gradient of its batches."
    if not used.isfinite().all():
        seen = f"{which} used a gradient that is not finite."
    return Finding(seen, ok, remedy)


def uses_mean_gradients(
    module: L.LightningModule, batches: Batches, group: int
) -> Iterator[Finding]:
    """Check that each update uses the mean gradient of the images in its group.

    A module with manual optimization accumulates by itself; else the Trainer does.

    Args:
        module: Is trained for two epochs whose last group may be smaller; its loss is
            the cross-entropy of ``forward(images)``.
        batches: Ready-made batches of an epoch, all of the same size.
        group: Batches per update.

    Raises:
        LearnerError: If training raises.
    """
    groups = [batches[i : i + group] for i in range(0, len(batches), group)]
    means = [mean_gradient(module, each) for each in groups] * EPOCHS
    automatic = module.automatic_optimization
    options = {"accumulate_grad_batches": group} if automatic else {}
    used = merged(applied_gradients(module, batches, max_epochs=EPOCHS, **options))
    run = f"{EPOCHS} epochs of {len(batches)} batches"
    seen = f"{run} made {len(used)} updates instead of {len(means)}."
    remedy = (
        f"Update after every {group} batches, and after the last batch of an epoch."
    )
    yield Finding(seen, len(used) == len(means), remedy)
    by_trainer = f"; the Trainer divides each loss by {group}" if automatic else ""
    for i, (update, mean) in enumerate(zip(used, means, strict=True), start=1):
        size = len(groups[(i - 1) % len(groups)])
        counted = f"{size} batch{'es' if size > 1 else ''}"
        remedy = f"Use the mean of its {counted}{by_trainer}."
        which = f"In {run}, update {i} of {len(means)}"
        yield _judge_update(update.gradient, mean, which, remedy)
