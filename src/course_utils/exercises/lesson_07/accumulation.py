"""Does an accumulated gradient equal that of the large batch?"""

import copy
from collections.abc import Sequence

import lightning as L
import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils.checks.finding import Finding
from course_utils.checks.fit import fit
from course_utils.checks.learner_code import learners_code
from course_utils.measure import OptimizerRecorder

Batches = Sequence[tuple[Tensor, Tensor]]
SLACK = 1e-3  # of the gradient's norm


def _gradient(module: L.LightningModule) -> Tensor:
    pairs = [(p, p.grad) for p in module.parameters()]
    flat = [(torch.zeros_like(p) if g is None else g).flatten() for p, g in pairs]
    return torch.cat(flat).clone()


def gradients_of_updates(
    module: L.LightningModule, batches: Batches, group: int
) -> list[Tensor]:
    """Train one epoch and return the gradient of each update, as one vector.

    The learning rate is 0, so that all updates see the same weights. A module with
    manual optimization accumulates by itself; for others the Trainer does.

    Args:
        module: Is trained on the CPU.
        batches: Ready-made batches of images and labels.
        group: Batches per update.

    Raises:
        LearnerError: If training raises.
    """
    module.configure_optimizers = lambda: torch.optim.SGD(module.parameters(), lr=0.0)
    by_trainer = {"accumulate_grad_batches": group}
    with OptimizerRecorder(lambda _: _gradient(module)) as recorder:
        fit(module, batches, **by_trainer if module.automatic_optimization else {})
    return recorder.values


def mean_gradient(module: L.LightningModule, batches: Batches) -> Tensor:
    """Return the gradient of the mean cross-entropy of all images at once."""
    whole = copy.deepcopy(module).train()
    whole.zero_grad()
    images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    with torch.enable_grad(), learners_code("forward"):
        F.cross_entropy(whole(images), labels).backward()
    return _gradient(whole)


def _judge_update(used: Tensor, mean: Tensor, which: str, full: bool) -> Finding:
    ratio = float(used @ mean / (mean @ mean))
    ok = bool((used - mean).norm() <= SLACK * mean.norm())
    seen = f"{which} used {ratio:.2f} times the mean gradient of its batches."
    if abs(ratio - 1) < 0.005:  # as long along the mean, and yet another vector
        seen = f"{which} did not use the mean gradient of its batches."
    by_hand = "Divide the last group by its own number of batches."
    by_trainer = "Leave full groups to the Trainer: it divides by the right number."
    return Finding(seen, ok, by_trainer if full else by_hand)


def uses_mean_gradients(
    module: L.LightningModule, batches: Batches, group: int
) -> list[Finding]:
    """Check that each update uses the mean gradient of the images in its group.

    Args:
        module: Is trained for an epoch whose last group may be smaller; its loss is the
            cross-entropy of ``forward(images)``.
        batches: Ready-made batches, all of the same size.
        group: Batches per update.

    Raises:
        LearnerError: If training raises.
    """
    groups = [batches[i : i + group] for i in range(0, len(batches), group)]
    means = [mean_gradient(module, each) for each in groups]
    used = gradients_of_updates(module, batches, group)
    seen = f"{len(batches)} batches made {len(used)} updates instead of {len(groups)}."
    remedy = f"Update after every {group} batches, and after the last batch."
    findings = [Finding(seen, len(used) == len(groups), remedy)]
    for i, (gradient, mean) in enumerate(zip(used, means, strict=False)):
        which = f"With {len(batches)} batches, update {i + 1} of {len(groups)}"
        full = len(groups[i]) == group
        findings.append(_judge_update(gradient, mean, which, full))
    return findings
