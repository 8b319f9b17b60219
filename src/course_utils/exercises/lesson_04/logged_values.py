"""What does a training run log, step by step and at the end of an epoch?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import lightning as L

from course_utils.checks.finding import Finding
from course_utils.checks.fit import fit
from course_utils.checks.known_mistakes import TOLERANCE, value_is
from course_utils.checks.training_step import tensors_in
from course_utils.measure import EpochEnds, InMemoryLogger


@dataclass(frozen=True)
class TrainingLog:
    """What a run did, and what it said about it.

    Attributes:
        losses: The loss of each batch, one tuple per epoch.
        sizes: The number of samples in each batch, one tuple per epoch.
        logger: What the logger got.
        ends: What callbacks saw at the end of each epoch, by metric name.
    """

    losses: tuple[tuple[float, ...], ...]
    sizes: tuple[tuple[int, ...], ...]
    logger: InMemoryLogger
    ends: tuple[dict[str, float], ...]

    def mean(self, epoch: int) -> float:
        """Return the mean loss over the samples of an epoch."""
        pairs = list(zip(self.losses[epoch], self.sizes[epoch], strict=True))
        return sum(loss * size for loss, size in pairs) / sum(self.sizes[epoch])


class _Losses(L.Callback):
    def __init__(self) -> None:
        self.losses: list[list[float]] = []
        self.sizes: list[list[int]] = []

    def on_train_epoch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule
    ) -> None:
        self.losses.append([])
        self.sizes.append([])

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        self.losses[-1].append(float("nan") if loss is None else float(loss))
        self.sizes[-1].append(len(tensors_in(batch)[0]))


def training_log(
    module: L.LightningModule, batches: Sequence[Any], epochs: int = 2
) -> TrainingLog:
    """Train on the CPU with a logger that gets every step, and return what it got.

    Args:
        module: Is trained; its step returns the loss.
        batches: Ready-made batches in the form that ``training_step`` expects.
        epochs: How often they are gone through.

    Raises:
        LearnerError: If training raises.
    """
    losses, ends, logger = _Losses(), EpochEnds(), InMemoryLogger()
    fit(
        module,
        batches,
        logger=logger,
        callbacks=[losses, ends],
        max_epochs=epochs,
        log_every_n_steps=1,
    )
    return TrainingLog(
        tuple(map(tuple, losses.losses)),
        tuple(map(tuple, losses.sizes)),
        logger,
        tuple(ends.metrics),
    )


def _close(values: Sequence[float], others: Sequence[float]) -> bool:
    return len(values) == len(others) and all(
        abs(a - b) <= TOLERANCE for a, b in zip(values, others, strict=True)
    )


def logs_each_step(log: TrainingLog, name: str) -> Finding:
    """Check whether the logger got the loss of every batch as ``name``."""
    values, losses = log.logger.values(name), [x for epoch in log.losses for x in epoch]
    if not values:
        known = ", ".join(dict.fromkeys(n for _, row in log.logger.rows for n in row))
        seen = f"The logger got no {name!r}; it got {known or 'nothing'}."
        return Finding(seen, False, f"Log every step as {name!r}.")
    if len(values) != len(losses):
        seen = f"The logger got {name!r} {len(values)} times in {len(losses)} steps."
        return Finding(seen, False, "Log it in each step, with on_step=True.")
    same = _close(values, losses)
    seen = f"The logger got {name!r} in each step, but not the loss of that batch."
    if same:
        seen = f"The logger got {name!r} in each step."
    return Finding(seen, same, "Log the loss of the batch as it is.")


def _mistakes(log: TrainingLog, epoch: int) -> dict[str, float]:
    losses = log.losses[epoch]
    so_far = [x for each in log.losses[: epoch + 1] for x in each]
    sizes = [n for each in log.sizes[: epoch + 1] for n in each]
    pooled = sum(x * n for x, n in zip(so_far, sizes, strict=True)) / sum(sizes)
    return {
        "This is the loss of the last batch.": losses[-1],
        "Each batch has the same vote, also the small one.": sum(losses) / len(losses),
        "The first epoch is still in it; start each epoch empty.": pooled,
        "The first epoch is still in the list; clear it.": sum(so_far) / len(so_far),
    }


def logs_the_epoch_mean(log: TrainingLog, name: str) -> list[Finding]:
    """Check for every epoch whether ``name`` is the mean loss over its samples."""
    findings = []
    for epoch, metrics in enumerate(log.ends):
        after = f"After epoch {epoch + 1}"
        if name not in metrics:
            seen = (
                f"{after} there is no {name!r}, only {', '.join(metrics) or 'nothing'}."
            )
            remedy = f"Log the mean of the epoch as {name!r}."
            findings.append(Finding(seen, False, remedy))
            continue
        value, truth = metrics[name], log.mean(epoch)
        finding = value_is(
            value,
            truth,
            _mistakes(log, epoch),
            seen=f"{after} {name} is {value:.3f}; the exact value is {truth:.3f}.",
            otherwise="Average over the samples of the epoch.",
        )
        findings.append(finding)
    return findings
