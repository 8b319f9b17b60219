"""Does a module train on any device? Fake tensors stand in for a device that is absent.

On a machine with a CUDA device the real one is used.
"""

import contextlib
import copy
import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightning import LightningDataModule, LightningModule

from course_utils.checks.fake_gpus import is_here, simulated_gpu_count
from course_utils.checks.fake_tensors import (
    TensorValues,
    is_device_fault,
    simulated_tensors,
    why_undecided,
)
from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import LearnerError, learners_code, silenced
from course_utils.checks.single_step import attach, attached_step

Values = Sequence[tuple[str, Any]]
EVERYWHERE = ("cpu", "cuda:0", "cuda:1")


def _is_real(device: str) -> bool:
    """Return whether to ask the device itself, which a simulation may forbid."""
    return is_here(device) and simulated_gpu_count() in (
        None,
        torch.cuda.device_count(),
    )


def _current(device: str) -> contextlib.AbstractContextManager[Any]:
    """Make a GPU the current one, as a Trainer does."""
    if torch.device(device).type == "cuda":
        return torch.cuda.device(device)
    return contextlib.nullcontext()


def _really(device: str, run: Callable[[], Any]) -> Any:
    with _current(device):
        result = run()
        if isinstance(result, torch.Tensor) and result.requires_grad:
            result.sum().backward()
    return result


def _on(
    device: str, run: Callable[[], Any], values: Values, current: int | None
) -> Any:
    if _is_real(device):
        cuda = torch.device(device).type == "cuda" and current is not None
        return _really(f"cuda:{current}" if cuda else device, run)
    with simulated_tensors(device, values, current):
        return run()


def _place(device: str) -> str:
    beside = device == "cpu" and simulated_gpu_count()
    return "the cpu of a machine with GPUs" if beside else device


def _judge_error(error: LearnerError, what: str, device: str) -> Finding | None:
    """Return what an error says about devices, None if it is about something else."""
    cause = error.__cause__
    if cause is None:
        return None
    gap = "" if _is_real(device) else why_undecided(cause)
    if gap:
        seen = f"Undecided for {device}: {what} {gap}."
        return Finding(seen, None, "Try it on the real device.")
    if not is_device_fault(cause):
        return None
    first = str(cause).splitlines()[0].rstrip(".!")
    seen = f"It fails on {_place(device)}: {first}."
    return Finding(seen, False, "Use the device that the module is on.")


def result_on(
    device: str,
    run: Callable[[], Any],
    what: str,
    values: Values = (),
    current: int | None = None,
) -> tuple[Finding | None, Any]:
    """Run something on a device, real or simulated.

    Args:
        device: For example ``"cpu"``, ``"cuda:0"``, ``"cuda:1"``.
        run: Moves what it needs to the device and returns a result.
        what: Its name, for messages, for example ``"training_step"``.
        values: What it reads from tensors, for a simulated device, see `TensorValues`.
        current: The current GPU; by default that of ``device``, as under a Trainer.

    Returns:
        A finding if it did not get to its end for reasons of devices, else None; and
        the result, whose tensors have no values on a simulated device.

    Raises:
        LearnerError: If it fails for another reason.
    """
    try:
        with learners_code(what):
            return None, _on(device, run, values, current)
    except LearnerError as error:
        finding = _judge_error(error, what, device)
        if finding is None:
            raise
        return finding, None


def values_read(run: Callable[[], Any]) -> Values:
    """Return what ``run`` reads from tensors on the CPU, up to an error."""
    with (
        contextlib.suppress(Exception),
        silenced(),
        warnings.catch_warnings(),
        TensorValues() as read,
    ):
        warnings.simplefilter("ignore")
        run()
    return read.values


def _step_of_copies(module: LightningModule, batch: Any, data: Any) -> None:
    module, batch = copy.deepcopy((module, batch))
    attached_step(attach(module, data), batch, torch.device("cpu"))


def values_of_step(
    module: LightningModule, batch: Any, data: LightningDataModule | None = None
) -> Values:
    """Return what a training step of a copy reads from tensors, on the CPU."""
    return values_read(functools.partial(_step_of_copies, module, batch, data))


def runs_on(
    module: LightningModule,
    batch: Any,
    device: str,
    *,
    values: Values = (),
    data: LightningDataModule | None = None,
) -> Finding:
    """Check whether one training step of ``module`` runs on ``device``.

    Module and batch are moved the way Lightning moves them, its hooks included. On a
    device that is absent tensors are simulated, and there is no backward pass.

    Args:
        module: A fresh module; it is unusable afterwards.
        batch: A batch on the CPU, as the loader delivers it.
        device: For example ``"cpu"``, ``"cuda:0"``, ``"cuda:1"``.
        values: What a step on an absent device reads from its tensors, see
            `values_of_step`; without, one that needs a value is undecided.
        data: The data module that the batch is from, if the module may ask for it.

    Returns:
        A finding; undecided if the step needs what simulated tensors do not have.

    Raises:
        LearnerError: If the step fails for a reason other than devices.
    """
    target = torch.device(device)
    with learners_code("setup"):
        attach(module, data)
    finding, loss = result_on(
        device, lambda: attached_step(module, batch, target), "training_step", values
    )
    return finding or _judge_loss(module, loss, target)


def _judge_loss(module: LightningModule, loss: Any, device: torch.device) -> Finding:
    if loss is None and not module.automatic_optimization:
        return Finding(f"The step runs on {device}.", True)
    if not isinstance(loss, torch.Tensor):
        seen = f"The step returned {type(loss).__name__} instead of a loss."
        return Finding(seen, False, "Return the loss.")
    if loss.device != device:
        seen = f"On {device} the loss is computed on {loss.device}."
        return Finding(seen, False, "Compute it where the Trainer puts the module.")
    return Finding(f"The step runs on {device}.", True)
