"""Can a module learn one batch by heart? One that cannot has a training bug."""

import lightning as L
import torch
from torch import Tensor

from course_utils.checks.finding import Finding
from course_utils.checks.fit import fit
from course_utils.checks.learner_code import has_forward
from course_utils.checks.sample_data import output_of, share_correct

GOAL = 0.98


def _copies(module: torch.nn.Module) -> dict[str, Tensor]:
    named = module.named_parameters()
    return {name: weight.detach().cpu().clone() for name, weight in named}


def _learned(module: torch.nn.Module, before: dict[str, Tensor]) -> list[Tensor]:
    """Return the weights that changed since ``before``."""
    after = _copies(module).items()
    return [w for name, w in after if name in before and not w.equal(before[name])]


def overfits(
    module: L.LightningModule,
    batch: tuple[Tensor, Tensor],
    steps: int = 200,
    layers: int = 1,
    rounds: int = 3,
) -> list[Finding]:
    """Train on one batch, again and again, and ask what was learned.

    Without dropout and the like, a healthy module with more weights than it needs
    reaches an accuracy of 1 (Karpathy, "A recipe for training neural networks").

    Args:
        module: Is trained, with its own step and optimizer; ``forward`` returns logits.
        batch: Images and labels.
        steps: How often the batch is used in each round.
        layers: How many layers with weights have to learn.
        rounds: Most rounds; none follows one after which the batch is known, so that a
            slower optimizer has its time.

    Returns:
        Whether weights learn, whether enough layers do, and whether the batch is known
        by heart.

    Raises:
        LearnerError: If training raises.
    """
    if not has_forward(module):
        seen = "There is no forward pass to ask."
        return [Finding(seen, None, "Write forward(images).")]
    before, done = _copies(module), 0
    for _ in range(rounds):
        fit(module, [tuple(part.clone() for part in batch) for _ in range(steps)])
        done += steps
        right = share_correct(output_of(module, batch[0]), batch[1])
        learning = _weights(module, before), _layers(module, before, layers)
        if right >= GOAL or not all(finding.ok for finding in learning):
            break
    return [*learning, _by_heart(right, done)]


def _weights(module: torch.nn.Module, before: dict[str, Tensor]) -> Finding:
    count = sum(weight.numel() for weight in _learned(module, before))
    total = sum(weight.numel() for weight in before.values())
    seen = f"{count:,} weights learn, of {total:,} that the module knows."
    remedy = "Weights learn if the optimizer has them and the gradient reaches them."
    return Finding(seen, count > 0, remedy)


def _layers(module: torch.nn.Module, before: dict[str, Tensor], wanted: int) -> Finding:
    count = sum(weight.ndim > 1 for weight in _learned(module, before))
    total = sum(weight.ndim > 1 for weight in before.values())
    are = "layer with weights learns" if count == 1 else "layers with weights learn"
    seen = f"{count} {are}, of {total} that the module knows."
    remedy = (
        f"{wanted} should learn: the module must know them, the optimizer have them, "
        "and the gradient reach them."
    )
    return Finding(seen, count >= wanted, remedy)


def _by_heart(right: float, steps: int) -> Finding:
    seen = (
        f"After {steps} steps on the same batch its accuracy is {right:.2f}; by heart "
        "it is 1."
    )
    remedy = (
        "Look at what the loss compares: do image and label belong together, is the "
        "loss computed over the classes, and does it use what forward returns?"
    )
    return Finding(seen, right >= GOAL, remedy)
