"""What does the CPU have to do for a training step on a GPU?"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from lightning import LightningModule

from course_utils.checks.fake_tensors import simulated_tensors
from course_utils.checks.learner_code import learners_code
from course_utils.checks.single_step import attach, attached_step
from course_utils.measure import Operations


@dataclass(frozen=True)
class CpuWork:
    """What one training step leaves to the CPU, beside starting the GPU's work.

    Attributes:
        drawn: Random numbers drawn on the CPU.
        copied_bytes: Bytes copied from one device to another.
    """

    drawn: int
    copied_bytes: int


def _counted(run: Callable[..., Any], operations: Operations) -> Callable[..., Any]:
    @functools.wraps(run)
    def counted(*args: Any, **kwargs: Any) -> Any:
        with operations:
            return run(*args, **kwargs)

    return counted


def cpu_work_of_step(
    module: LightningModule, batch: Any, device: str = "cuda:0"
) -> CpuWork:
    """Return what ``training_step`` has the CPU draw and copy when it runs on a GPU.

    The GPU is simulated, so the numbers are a fact of the code, not of the machine. It
    sees copies that are asked for; a tensor of one value that an operation reads from
    the CPU is not counted, nor is the delivery of the batch.

    Args:
        module: A fresh module; it is unusable afterwards.
        batch: A batch on the CPU, as the loader delivers it.
        device: The GPU.

    Raises:
        LearnerError: If the step raises, for whatever reason.
    """
    operations = Operations()
    with learners_code("training_step"):
        attach(module)
        module.training_step = _counted(module.training_step, operations)
        with simulated_tensors(device):
            attached_step(module, batch, torch.device(device))
    return CpuWork(operations.drawn_on_cpu, operations.copied_bytes)
