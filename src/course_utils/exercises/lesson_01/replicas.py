"""Do the copies of a module stay equal when two processes train it?"""

from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import CannotCheck, LearnerError, learners_code
from course_utils.checks.weight_updates import flat_weights
from course_utils.distributed import ProcessError, ProcessTimeoutError, run_processes
from course_utils.hardware import quiet_trainer

TIMEOUT_SECONDS = 40.0


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
        options = quiet_trainer(accelerator="cpu", devices=processes, strategy="ddp")
        trainer = L.Trainer(max_epochs=1, **options)
        with learners_code("Training"):
            trainer.fit(module, DataLoader(dataset, batch_size))
        return flat_weights(module)

    try:
        return run_processes(work, processes=processes, timeout_seconds=TIMEOUT_SECONDS)
    except (ProcessError, ProcessTimeoutError) as error:
        _, _, told = str(error).rpartition("raised LearnerError: ")
        raise LearnerError(f"With {processes} processes: {told}") from error
    except OSError as error:
        raise CannotCheck(f"No second process could be started: {error}.") from error


def replicas_agree(
    build: Callable[[], L.LightningModule],
    dataset: Dataset[Any],
    batch_size: int = 16,
    processes: int = 2,
) -> Finding:
    """Ask whether all processes end with the same weights, to the bit.

    The arguments are those of `replicas`.

    Raises:
        LearnerError: If training raises or the processes wait for each other.
        CannotCheck: If no second process can be started.
    """
    first, *others = replicas(build, dataset, batch_size, processes)
    distance = max((first - other).abs().max().item() for other in others)
    agree = all(torch.equal(first, other) for other in others)
    asked = f"weights in {processes} processes"
    if agree:
        return Finding(asked, "All processes end with the same weights.", True)
    seen = f"With {processes} processes the weights end up to {distance:.4f} apart."
    remedy = "Let Lightning run backward: it averages the gradients of all processes."
    return Finding(asked, seen, False, remedy)
