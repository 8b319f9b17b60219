"""Does the gradient that reaches each weight say anything about the labels?"""

from collections.abc import Callable

import lightning as L
import torch
from torch import Tensor

from course_utils.checks.finding import Finding
from course_utils.checks.fit import fit
from course_utils.formatting import first_names


def _adds_to(total: Tensor) -> Callable[[Tensor], None]:
    def add(gradient: Tensor) -> None:
        total.add_(gradient.detach())

    return add


def _raw_gradients(
    module: L.LightningModule, images: Tensor, labels: Tensor
) -> dict[str, Tensor]:
    """Train on one batch; return what backward passes bring to each weight matrix.

    It is seen before it is added to ``.grad``, so that no hook can change it.
    """
    matrices = {n: p for n, p in module.named_parameters() if p.ndim > 1}
    sums = {name: torch.zeros_like(param) for name, param in matrices.items()}
    for name, param in matrices.items():
        if param.requires_grad:
            param.register_hook(_adds_to(sums[name]))
    torch.manual_seed(0)  # dropout must drop the same, whatever the labels
    fit(module, [(images, labels)])
    return sums


def labels_reach_weights(
    make: Callable[[], L.LightningModule],
    images: Tensor,
    labels: Tensor,
    others: Tensor,
    least: float = 1e-3,
) -> Finding:
    """Check that other labels change the gradient of every weight matrix.

    A penalty on the weights gives each of them a gradient, too, whatever the labels.

    Args:
        make: Returns a new module, the same each time.
        images: One batch.
        labels: Its labels.
        others: Labels that all differ from those.
        least: Smallest change that counts, as a share of the largest one.
    """
    first, second = (
        _raw_gradients(make(), images, which) for which in (labels, others)
    )
    changes = {name: (first[name] - second[name]).norm().item() for name in first}
    largest = max(changes.values(), default=0.0)
    same = [name for name, change in changes.items() if change <= least * largest]
    seen = "Every gradient depends on the labels."
    if same:
        seen = f"The gradient of {first_names(same)} hardly depends on the labels."
    remedy = (
        "Let the error of the predictions reach it; a penalty or a factor is no "
        "substitute."
    )
    return Finding(seen, not same, remedy)
