"""How many bytes does a training step copy between the CPU and a GPU?"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from lightning import LightningModule

from course_utils.checks.fake_tensors import simulated_tensors
from course_utils.checks.learner_code import learners_code
from course_utils.checks.single_step import attach, attached_step
from course_utils.measure import Operations


def _counted(run: Callable[..., Any], operations: Operations) -> Callable[..., Any]:
    @functools.wraps(run)
    def counted(*args: Any, **kwargs: Any) -> Any:
        with operations:
            return run(*args, **kwargs)

    return counted


def copied_in_step(
    module: LightningModule, batch: Any, device: str = "cuda:0"
) -> tuple[int, int]:
    """Return the bytes that one batch makes travel, in its delivery and in the step.

    The GPU is simulated, so the number is a fact of the code, not of the machine. It
    sees copies that are asked for; a tensor of one value that an operation reads from
    the CPU is not counted.

    Args:
        module: A fresh module; it is unusable afterwards.
        batch: A batch on the CPU, as the loader delivers it.
        device: The GPU.

    Returns:
        Bytes that Lightning copied to deliver the batch, and bytes that
        ``training_step`` copied by itself.

    Raises:
        LearnerError: If the step raises, for whatever reason.
    """
    delivery, step = Operations(), Operations()
    with learners_code("training_step"):
        attach(module)
        deliver, train = module.transfer_batch_to_device, module.training_step
        module.transfer_batch_to_device = _counted(deliver, delivery)
        module.training_step = _counted(train, step)
        with simulated_tensors(device):
            attached_step(module, batch, torch.device(device))
    return delivery.copied_bytes, step.copied_bytes
