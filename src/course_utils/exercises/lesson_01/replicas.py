"""Do the copies of a module stay equal when two processes train it?"""

from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from course_utils.checks.finding import Finding
from course_utils.checks.fit import fit
from course_utils.checks.several_processes import in_processes
from course_utils.measure import flat_weights


def replicas(
    build: Callable[[], L.LightningModule],
    dataset: Dataset[Any],
    batch_size: int = 16,
    processes: int = 2,
) -> list[Tensor]:
    """Train one epoch in several processes and return each one's weights as a vector.

    Args:
        build: Makes the module, in each process.
        dataset: Samples; each process gets its share, as on several GPUs.
        batch_size: Samples in a batch of one process.
        processes: How many, on the CPU with gloo.

    Raises:
        LearnerError: If training raises or the processes wait for each other.
        CannotCheck: If no second process can be started.
    """

    def work() -> Tensor:
        torch.manual_seed(0)
        module = build()
        fit(module, DataLoader(dataset, batch_size), devices=processes, strategy="ddp")
        return flat_weights(module)

    return in_processes(work, processes)


def replicas_agree(
    build: Callable[[], L.LightningModule], dataset: Dataset[Any], **options: int
) -> Finding:
    """Check whether all processes end with the same weights, to the bit.

    Arguments and errors are those of `replicas`.
    """
    first, *others = replicas(build, dataset, **options)
    processes = 1 + len(others)
    distance = max((first - other).abs().max().item() for other in others)
    agree = all(torch.equal(first, other) for other in others)
    asked = f"weights in {processes} processes"
    if agree:
        return Finding("All processes end with the same weights.", True, asked=asked)
    seen = f"With {processes} processes the weights end up to {distance:.4f} apart."
    remedy = "Let Lightning run backward: it averages the gradients of all processes."
    return Finding(seen, False, remedy, asked=asked)
