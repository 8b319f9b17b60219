"""What does a training run log, step by step and at the end of an epoch?"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import lightning as L

from course_utils.checks.finding import Finding
from course_utils.checks.fit import fit
from course_utils.checks.known_mistakes import TOLERANCE, value_is
from course_utils.checks.learner_code import CannotCheck
from course_utils.exercises.lesson_04.step_losses import StepLosses
from course_utils.measure import EpochEnds, InMemoryLogger


@dataclass(frozen=True)
class TrainingLog:
    """What a run did, and what it said about it.

    Attributes:
        losses: The loss of each batch, one list per epoch; in every way it was found.
        sizes: The number of samples in each batch, one list per epoch.
        logger: What the logger got.
        ends: What callbacks saw at the end of each epoch, by metric name.
    """

    losses: list[list[list[float]]]
    sizes: list[list[int]]
    logger: InMemoryLogger
    ends: list[dict[str, float]]


def training_log(
    module: L.LightningModule, batches: Sequence[Any], epochs: int = 2
) -> TrainingLog:
    """Train on the CPU with a logger that gets every step, and return what it got.

    Args:
        module: Is trained.
        batches: Ready-made batches in the form that ``training_step`` expects.
        epochs: How often they are gone through.

    Raises:
        LearnerError: If training raises.
        CannotCheck: If the losses cannot be found.
    """
    losses, ends, logger = StepLosses(), EpochEnds(), InMemoryLogger()
    fit(
        module,
        batches,
        logger=logger,
        callbacks=[losses, ends],
        max_epochs=epochs,
        log_every_n_steps=1,
    )
    if not losses.ways():
        raise CannotCheck(
            "The check finds no loss: training_step returns none, self.manual_backward "
            "gets none, and there is no forward(images)."
        )
    return TrainingLog(losses.ways(), losses.sizes, logger, ends.metrics)


def _close(values: Sequence[float], others: Sequence[float]) -> bool:
    return len(values) == len(others) and all(
        abs(a - b) <= TOLERANCE for a, b in zip(values, others, strict=True)
    )


def logs_each_step(log: TrainingLog, name: str) -> Finding:
    """Check whether the logger got the loss of every batch as ``name``."""
    values, steps = log.logger.values(name), sum(map(len, log.sizes))
    if not values:
        known = ", ".join(dict.fromkeys(n for _, row in log.logger.rows for n in row))
        seen = f"The logger got no {name!r}; it got {known or 'nothing'}."
        return Finding(seen, False, f"Log every step as {name!r}.")
    if len(values) != steps:
        seen = f"The logger got {name!r} {len(values)} times in {steps} steps."
        return Finding(seen, False, "Log it in each step, with on_step=True.")
    same = any(_close(values, [*chain(*losses)]) for losses in log.losses)
    seen = f"The logger got {name!r} in each step, but not the loss of that batch."
    if same:
        seen = f"The logger got {name!r} in each step."
    return Finding(seen, same, "Log the loss of the batch as it is.")


def _mean(losses: Sequence[float], sizes: Sequence[int]) -> float:
    """Return the mean loss over the samples of all batches."""
    pairs = zip(losses, sizes, strict=True)
    return sum(loss * size for loss, size in pairs) / sum(sizes)


def _mistakes(
    losses: list[list[float]], sizes: list[list[int]], epoch: int
) -> dict[str, float]:
    now, so_far = losses[epoch], [*chain(*losses[: epoch + 1])]
    return {
        "This is the loss of the last batch.": now[-1],
        "Each batch has the same vote, even the small one.": sum(now) / len(now),
        "Earlier epochs are still in it; start each epoch empty.": _mean(
            so_far, [*chain(*sizes[: epoch + 1])]
        ),
        "Earlier epochs are still in it, and each batch has the same vote.": (
            sum(so_far) / len(so_far)
        ),
        "This is the mean of the epoch before.": _mean(
            losses[epoch - 1], sizes[epoch - 1]
        ),
        "This is a sum over the batches, not a mean.": sum(now),
    }


def logs_the_epoch_mean(log: TrainingLog, name: str) -> list[Finding]:
    """Check for every epoch whether ``name`` is the mean loss over its samples."""
    findings = []
    for epoch, metrics in enumerate(log.ends):
        after = f"After epoch {epoch + 1}"
        if name not in metrics:
            known = ", ".join(metrics) or "nothing"
            seen = f"{after} callbacks find no {name!r}, only {known}."
            remedy = f"Log the mean of the epoch as {name!r}."
            findings.append(Finding(seen, False, remedy))
            continue
        value = metrics[name]
        truths = [_mean(losses[epoch], log.sizes[epoch]) for losses in log.losses]
        at = min(range(len(truths)), key=lambda way: abs(truths[way] - value))
        finding = value_is(
            value,
            truths[at],
            _mistakes(log.losses[at], log.sizes, epoch),
            seen=f"{after} {name} is {value:.3f}; the exact value is {truths[at]:.3f}.",
            otherwise="Average over the samples of the epoch.",
        )
        findings.append(finding)
    return findings
