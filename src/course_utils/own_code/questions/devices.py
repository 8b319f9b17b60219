"""Asked of a pretended GPU, and of the batch on its way there."""

import contextlib
from collections.abc import Iterator
from typing import Any

import lightning as L
import torch
from torch import Tensor

from course_utils.checks.devices import runs_on, values_of_step
from course_utils.checks.fake_gpus import simulated_gpus
from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import CannotCheck, LearnerError
from course_utils.own_code.questions import Saw
from course_utils.own_code.registry import question
from course_utils.own_code.subject import Subject, overrides, place_of


def _built(subject: Subject, gpus: int) -> Iterator[L.LightningModule]:
    """Yield a module that was built here, and one built where there are GPUs."""
    yield subject.new()
    with contextlib.suppress(LearnerError):  # it moves itself at once: there is none
        with simulated_gpus(gpus, gpus - 1):
            module = subject.new()
        yield module


def _fault_on(subject: Subject, batch: Any, gpu: int) -> Finding | None:
    """Return what is wrong on a pretended GPU, wherever the module was built.

    Raises:
        CannotCheck: If that cannot be said.
        LearnerError: If the step stops for a reason other than devices.
    """
    data, found = subject.data, []
    values = values_of_step(subject.new(), batch, data)
    for module in _built(subject, gpu + 1):
        found.append(runs_on(module, batch, f"cuda:{gpu}", values=values, data=data))
        if found[-1].ok is None:
            raise CannotCheck(found[-1].seen)
        if found[-1].ok:
            return None
    return found[0]


@question("2.1")
def runs_anywhere(subject: Subject) -> Iterator[Saw]:
    """Ask whether a training step runs on a GPU.

    On the second of two, and on one alone: what a simulation takes for the first GPU by
    itself stops on the second only. So does ``"cuda:0"``, which can be read.
    """
    fitted = subject.fitted  # what stops a step on the CPU, too, is not about devices
    skipped = fitted.watch.skipped
    if not fitted.module.automatic_optimization:
        skipped = [False]
    if all(skipped):
        raise CannotCheck("its step returns no loss.")
    batch = subject.batches()[skipped.index(False)]
    try:
        found = _fault_on(subject, batch, 1) and _fault_on(subject, batch, 0)
    except LearnerError as error:  # it runs on the CPU, as we know
        reason = f"a pretended GPU cannot follow the step: {error}"
        raise CannotCheck(reason) from error
    if found:
        file, line = place_of(type(subject.new()), "training_step")
        yield Saw(f"On a GPU: {found.seen}", found.remedy, file, line)


_MOVES = "transfer_batch_to_device"


def _left_behind(moved: Any, depth: int = 0) -> Iterator[str]:
    """Yield what of a batch that was moved to the meta device is not there."""
    if isinstance(moved, Tensor):
        if not moved.is_meta:
            yield "a tensor"
    elif callable(getattr(moved, "to", None)):
        return  # it knows what of it belongs where, as packed sequences do
    elif isinstance(moved, dict):
        for each in moved.values():
            yield from _left_behind(each, depth)
    elif isinstance(moved, list | tuple):
        for each in moved:
            yield from _left_behind(each, depth)
    elif hasattr(moved, "__dict__") and depth < 2:
        found = [s for v in vars(moved).values() for s in _left_behind(v, depth + 1)]
        if found:
            yield f"the tensors of `{type(moved).__name__}`"


@question("12.3")
def batch_is_moved(subject: Subject) -> Iterator[Saw]:
    """Ask whether Lightning moves the whole batch to a device."""
    batch, module = subject.batches()[0], subject.new()
    if overrides(module, _MOVES) or (subject.data and overrides(subject.data, _MOVES)):
        raise CannotCheck("it moves its batches itself; 2.1 looks at where they go.")
    try:
        moved = module.transfer_batch_to_device(batch, torch.device("meta"), 0)
    except Exception as error:
        raise CannotCheck(f"the batch cannot be moved for a try: {error}.") from error
    left = dict.fromkeys(_left_behind(moved))
    if left:
        file, line = place_of(type(module), _MOVES)
        yield Saw(
            f"Lightning does not move {', '.join(left)}: they stay on the CPU.",
            "Deliver tuples, dicts or dataclasses of tensors, or override "
            "`transfer_batch_to_device`.",
            file,
            line,
        )
