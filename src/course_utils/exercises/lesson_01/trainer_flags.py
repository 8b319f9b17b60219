"""Does a module obey the flags of a real Trainer?"""

from collections.abc import Callable, Sequence
from typing import Any

import lightning as L

from course_utils.checks.finding import Finding
from course_utils.checks.fit import fit
from course_utils.measure import UpdateLog

Build = Callable[[], L.LightningModule]

_LEAVE_IT = (
    "Return the loss, return the optimizer from configure_optimizers, and leave "
    "zero_grad, backward and step to the Trainer."
)
_NO_UPDATE = (
    "Return the loss from training_step and the optimizer from configure_optimizers."
)


def logged_fit(build: Build, batches: Sequence[Any], **flags: Any) -> UpdateLog:
    """Train a fresh module for one epoch under ``flags`` and return its updates.

    Args:
        build: Makes the module.
        batches: Ready-made batches in the form that ``training_step`` expects.
        **flags: What is asked of the Trainer, ``accumulate_grad_batches=4`` for
            example.

    Raises:
        LearnerError: If training raises.
    """
    log = UpdateLog()
    fit(build(), batches, callbacks=[log], **flags)
    return log


def _wanted(batches: int, every: int) -> list[bool]:
    """Return after which batches Lightning updates: every n-th, and the last."""
    return [(i + 1) % every == 0 or i + 1 == batches for i in range(batches)]


def obeys_accumulation(build: Build, batches: Sequence[Any], every: int = 4) -> Finding:
    """Check whether weights change once every ``every`` batches, as the Trainer asks.

    Args:
        build: Makes a module with one optimizer.
        batches: Ready-made batches; after the last one there is an update, too.
        every: Value of ``accumulate_grad_batches``; 1 asks for an update per batch.

    Raises:
        LearnerError: If training raises.
    """
    log = logged_fit(build, batches, accumulate_grad_batches=every)
    wanted = _wanted(len(batches), every)
    made = len(log.norms)
    seen = (
        f"With accumulate_grad_batches={every} the optimizer made {made} updates in "
        f"{len(batches)} batches; the Trainer asked for {sum(wanted)}."
    )
    if made == sum(wanted) and log.changed != wanted:
        seen = (
            f"With accumulate_grad_batches={every} the weights change at other batches "
            "than the Trainer asked for."
        )
    ok = made == sum(wanted) and log.changed == wanted
    remedy = _LEAVE_IT if made or any(log.changed) else _NO_UPDATE
    return Finding(seen, ok, remedy, asked=f"updates every {every} batches")


def obeys_clipping(build: Build, batches: Sequence[Any], norm: float = 0.05) -> Finding:
    """Check whether no update uses a gradient longer than ``gradient_clip_val``.

    Args:
        build: Makes a module.
        batches: Ready-made batches with gradients longer than ``norm``.
        norm: Value of ``gradient_clip_val``, well below the usual norm.

    Returns:
        A finding; undecided if the gradients are short without the flag.

    Raises:
        LearnerError: If training raises.
    """
    asked = f"gradient norm under gradient_clip_val={norm}"
    log = logged_fit(build, batches, gradient_clip_val=norm)
    if not log.norms:
        return Finding("The optimizer made no update.", False, _NO_UPDATE, asked=asked)
    largest, limit = max(log.norms), norm * 1.001  # rounding
    seen = f"With gradient_clip_val={norm} the largest gradient norm is {largest:.3f}."
    if largest > limit:
        return Finding(seen, False, _LEAVE_IT, asked=asked)
    if max(logged_fit(build, batches).norms, default=0.0) <= limit:
        remedy = f"Ask again with a norm below {norm}."
        return Finding(
            "The gradients are as short unclipped.", None, remedy, asked=asked
        )
    return Finding(seen, True, asked=asked)
