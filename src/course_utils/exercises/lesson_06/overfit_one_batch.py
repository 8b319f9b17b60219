"""Can a module learn one batch by heart? One that cannot has a training bug."""

import lightning as L
import torch
from torch import Tensor

from course_utils.checks.finding import Finding
from course_utils.checks.fit import fit
from course_utils.checks.learner_code import has_forward, learners_code
from course_utils.measure import evaluation_mode

GOAL = 0.98


def _copies(module: torch.nn.Module) -> dict[str, Tensor]:
    named = module.named_parameters()
    return {name: weight.detach().cpu().clone() for name, weight in named}


def learning_weights(module: torch.nn.Module, before: dict[str, Tensor]) -> int:
    """Return how many weights are in tensors that changed since ``before``."""
    after = _copies(module)
    return sum(
        weight.numel()
        for name, weight in after.items()
        if name in before and not torch.equal(weight, before[name])
    )


@torch.no_grad()
def _share_right(module: L.LightningModule, batch: tuple[Tensor, Tensor]) -> float:
    images, labels = batch
    with learners_code("forward"), evaluation_mode(module):
        return (module(images).argmax(1) == labels).float().mean().item()


def overfits(
    module: L.LightningModule,
    batch: tuple[Tensor, Tensor],
    steps: int = 200,
    weights: int = 0,
) -> list[Finding]:
    """Train on one batch, again and again, and ask what was learned.

    Without dropout and the like, a healthy module with more weights than it needs
    reaches an accuracy of 1 (Karpathy, "A recipe for training neural networks").

    Args:
        module: Is trained, with its own step and optimizer; ``forward`` returns logits.
        batch: Images and labels. It should be hard enough that a last layer on random
            features does not learn it in that many steps.
        steps: How often the batch is used.
        weights: How many weights have to be in tensors that change.

    Returns:
        Whether weights learn, and whether the batch is known by heart.

    Raises:
        LearnerError: If training raises.
    """
    if not has_forward(module):
        seen = "There is no forward pass to ask."
        return [Finding(seen, None, "Write forward(images).")]
    before = _copies(module)
    repeated = [tuple(part.clone() for part in batch) for _ in range(steps)]
    fit(module, repeated)
    return [
        _learning(learning_weights(module, before), before, weights),
        _by_heart(_share_right(module, batch), steps),
    ]


def _learning(learned: int, before: dict[str, Tensor], wanted: int) -> Finding:
    total = sum(weight.numel() for weight in before.values())
    seen = f"{learned:,} weights learn; the optimizer could know {total:,}."
    remedy = (
        "Weights learn if the module knows them, the optimizer has them and the "
        "gradient reaches them."
    )
    ok = learned >= max(wanted, 1)
    return Finding(seen, ok, remedy)


def _by_heart(right: float, steps: int) -> Finding:
    seen = (
        f"After {steps} steps on the same batch its accuracy is {right:.2f}; by heart "
        "it is 1."
    )
    remedy = (
        "Look at what the loss compares: do image and label belong together, is the "
        "loss computed over the classes, and does it use what forward returns?"
    )
    ok = right >= GOAL
    return Finding(seen, ok, remedy)
