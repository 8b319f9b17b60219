"""Does a module train on any device? Asked without that device.

PyTorch's ``FakeTensorMode`` runs operations on tensors that have a shape, a dtype and a
device, but no memory. It applies the rules and the wording of real devices, so that
``cuda:1`` can be pretended on a machine without a GPU. It is semi-private; its use
stays in this module.
"""

from collections.abc import Callable
from typing import Any

import torch
from lightning import LightningModule
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import (
    GuardOnDataDependentSymNode,
    ShapeEnv,
)

from course_utils.probes.finding import Finding

# What torch says when tensors live on different devices, or on one it does not have.
_DEVICE_FAULTS = (
    "same device",
    "two devices",
    "either on cpu or",
    "found no nvidia driver",
    "not compiled with cuda",
    "no cuda gpus",
    "invalid device ordinal",
)


def is_device_fault(error: Exception) -> bool:
    """Return whether ``error`` is about the device of a tensor."""
    return any(words in str(error).lower() for words in _DEVICE_FAULTS)


def pretended_step(
    module: LightningModule, batch: Any, device: str, dataloader_idx: int = 0
) -> torch.Tensor:
    """Run ``training_step`` on ``device`` without needing it, as a Trainer would.

    Module and batch are moved the way Lightning moves them, its batch hooks included.
    The module is unusable afterwards.

    Returns:
        The loss, a fake tensor on the device where it ended up.
    """
    target = torch.device(device)
    with FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True):
        module = module.to(target)
        batch = module.on_before_batch_transfer(batch, dataloader_idx)
        batch = module.transfer_batch_to_device(batch, target, dataloader_idx)
        batch = module.on_after_batch_transfer(batch, dataloader_idx)
        output = module.training_step(batch, 0)
    return output["loss"] if isinstance(output, dict) else output


def runs_on(module: LightningModule, batch: Any, device: str) -> Finding:
    """Ask whether one training step of ``module`` runs on ``device``.

    Args:
        module: A fresh module; it is unusable afterwards.
        batch: A batch on the CPU, as the loader delivers it.
        device: For example ``"cpu"``, ``"cuda:0"``, ``"cuda:1"``.

    Returns:
        A finding; undecided if the step branches on the values of tensors.

    Raises:
        Exception: Any error of the step that is not about devices.
    """
    asked = f"a training step on {device}"
    try:
        loss = pretended_step(module, batch, device)
    except GuardOnDataDependentSymNode:
        seen = "The step branches on values, which pretended tensors do not have."
        return Finding(asked, seen, None, "Try it on the real device.")
    except (RuntimeError, AssertionError) as error:
        if not is_device_fault(error):
            raise
        seen = f"The step fails on {device}: {str(error).splitlines()[0].rstrip('.!')}."
        return Finding(asked, seen, False, "Use the device that the module is on.")
    if loss.device != torch.device(device):
        seen = f"On {device} the loss is computed on {loss.device}."
        return Finding(asked, seen, False, "Leave the batch where Lightning put it.")
    return Finding(asked, f"The step runs on {device}.", True)


def runs_everywhere(
    module_class: Callable[[], LightningModule],
    batch: Callable[[], Any],
    devices: tuple[str, ...] = ("cpu", "cuda:0", "cuda:1"),
) -> list[Finding]:
    """Ask `runs_on` for each device, with a fresh module and batch each time."""
    return [runs_on(module_class(), batch(), device) for device in devices]
