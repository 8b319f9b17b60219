"""Does a gradient flow to every parameter?"""

from collections.abc import Sequence
from typing import Any

import lightning as L
from torch.optim import Optimizer

from course_utils.checks.finding import Finding
from course_utils.checks.fit import fit
from course_utils.formatting import first_names
from course_utils.measure import OptimizerRecorder

Norms = dict[str, float | None]


def gradient_norms(module: L.LightningModule, batches: Sequence[Any]) -> Norms:
    """Train one epoch on the CPU and return how much gradient each parameter gets.

    Args:
        module: Is trained.
        batches: Ready-made batches in the form that ``training_step`` expects.

    Returns:
        Name of each parameter and the largest 2-norm that its gradient had in any
        update; ``None`` if it never had a gradient. Frozen parameters are left out.

    Raises:
        LearnerError: If training raises.
    """
    named = {n: p for n, p in module.named_parameters() if p.requires_grad}
    norms: Norms = dict.fromkeys(named)

    def compare(_: Optimizer) -> None:
        for name, param in named.items():
            if param.grad is not None:
                norms[name] = max(param.grad.norm().item(), norms[name] or 0.0)

    with OptimizerRecorder(compare):
        fit(module, batches)
    return norms


def _none(norms: Norms) -> Finding:
    without = [name for name, norm in norms.items() if norm is None]
    seen = f"No gradient reaches {first_names(without)}." if without else "All get one."
    remedy = (
        "Let the loss depend on what they compute: use it, and do not detach it on "
        "the way."
    )
    return Finding(seen, not without, remedy)


def _zero(norms: Norms) -> Finding:
    zero = [name for name, norm in norms.items() if norm == 0]
    seen = f"The gradient of {first_names(zero)} is zero." if zero else "None is zero."
    remedy = "The loss must change with what they compute: no factor 0, no steps."
    return Finding(seen, not zero, remedy)


def _vanishing(module: L.LightningModule, norms: Norms, least: float) -> Finding:
    # A bias before a normalization has no effect and rightly no gradient.
    matrices = {n: norms[n] for n, p in module.named_parameters() if norms.get(n)}
    matrices = {n: v for n, v in matrices.items() if module.get_parameter(n).ndim > 1}
    if not matrices:
        return Finding("There is no weight matrix.", None)
    largest = max(matrices.values())
    faint = [name for name, norm in matrices.items() if norm < least * largest]
    share = min(matrices.values()) / largest
    seen = f"The faintest gradient is {share:.1e} times the strongest"
    seen += f": {first_names(faint)}." if faint else "."
    remedy = "Let more of it through: look at every operation on its way back."
    return Finding(seen, not faint, remedy)


def gradients_flow(
    module: L.LightningModule, batches: Sequence[Any], least: float = 1e-3
) -> list[Finding]:
    """Check that every parameter gets a gradient, not zero, that has not vanished.

    Args:
        module: Is trained on ``batches`` for one epoch.
        batches: Ready-made batches; one or two are enough.
        least: Smallest share of the largest norm among weight matrices (parameters
            of two or more dimensions) that is still a gradient.

    Raises:
        LearnerError: If training raises.
    """
    norms = gradient_norms(module, batches)
    if not any(norms.values()):
        seen = "No parameter gets a gradient."
        remedy = "Return a loss that depends on the forward pass."
        return [Finding(seen, False, remedy)]
    return [_none(norms), _zero(norms), _vanishing(module, norms, least)]
