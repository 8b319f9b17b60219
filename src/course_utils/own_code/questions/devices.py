"""Asked of a pretended GPU, and of the batch on its way there."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from course_utils.checks.devices import runs_on
from course_utils.checks.learner_code import CannotCheck, LearnerError
from course_utils.own_code.questions import Saw
from course_utils.own_code.registry import question
from course_utils.own_code.subject import Subject, overrides, place_of


@question("2.1")
def runs_anywhere(subject: Subject) -> Iterator[Saw]:
    """Ask whether a training step runs on the second of two GPUs."""
    fitted = subject.fitted  # what stops a step on the CPU, too, is not about devices
    skipped = fitted.watch.skipped
    if not fitted.module.automatic_optimization:
        skipped = [False]
    if all(skipped):
        raise CannotCheck("its step returns no loss.")
    batch = subject.batches()[skipped.index(False)]
    try:
        data = subject.data
        found = runs_on(subject.new(), batch, "cuda:1", with_values=True, data=data)
    except LearnerError as error:  # it runs on the CPU, as we know
        reason = f"a pretended GPU cannot follow the step: {error}"
        raise CannotCheck(reason) from error
    if found.ok is None:
        raise CannotCheck(found.seen)
    if not found.ok:
        file, line = place_of(type(subject.new()), "training_step")
        yield Saw(f"On a second GPU: {found.seen}", found.remedy, file, line)


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
