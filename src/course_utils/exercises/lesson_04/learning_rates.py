"""Does each update apply the planned learning rate, and is it what is logged?"""

from collections.abc import Sequence
from typing import Any

import lightning as L
from torch.utils.data import DataLoader

from course_utils.checks.finding import Finding
from course_utils.checks.fit import applied_rates
from course_utils.checks.several_processes import in_processes
from course_utils.measure import InMemoryLogger

EVERY_UPDATE = "It should fall with every update"


def _is_line(rates: Sequence[float], start: float, end: float) -> bool:
    """Return whether rates fall from ``start`` to zero at update ``end``, from 0."""
    return all(
        abs(rate - start * max(0.0, 1 - i / end)) <= 1e-3 * start
        for i, rate in enumerate(rates)
    )


def falls_on_a_line(rates: Sequence[float], start: float, run: str) -> Finding:
    """Check whether rates fall on a straight line to zero, in the last update or after.

    Args:
        rates: The rates applied, one per update.
        start: Rate of the first update.
        run: The run in words, for the message, for example ``"2 epochs"``.
    """
    count, distinct = len(rates), len(set(rates))
    if not count:
        return Finding(f"In {run} there was no update.", False, "Train.")
    if any(_is_line(rates, start, end) for end in (count, max(count - 1, 1))):
        return Finding(f"In {run} all {count} rates are as planned.", True)
    if abs(rates[0] - start) > 1e-3 * start:
        seen = f"In {run} the first update had the rate {rates[0]:.4f}"
        return Finding(f"{seen} instead of {start:.4f}.", False, f"Begin at {start}.")
    if distinct == 1:
        seen = f"In {run} all {count} updates had the rate {start}."
        return Finding(seen, False, f"{EVERY_UPDATE}.")
    drop = start - rates[1]
    if drop > 0 and _is_line(rates, start, start / drop):
        seen = f"In {run} the line reaches zero after {start / drop:.0f} updates; "
        remedy = "Count the updates of the whole run: epochs, batches, accumulation."
        return Finding(f"{seen}there were {count}.", False, remedy)
    if distinct < count / 2:
        seen = f"In {run} there were {distinct} rates in {count} updates."
        remedy = f"{EVERY_UPDATE}; Lightning steps a scheduler once an epoch unless its"
        return Finding(seen, False, f'{remedy} "interval" is "step".')
    planned = [start * (1 - i / count) for i in range(count)]
    off = max(range(count), key=lambda i: abs(rates[i] - planned[i]))
    seen = f"In {run} update {off + 1} of {count} had the rate {rates[off]:.4f} "
    seen += f"instead of {planned[off]:.4f}."
    return Finding(seen, False, "Let it fall by the same amount in each update.")


def rates_are_logged(
    rates: Sequence[float], logger: InMemoryLogger, name: str
) -> Finding:
    """Check whether the logger got, as ``name``, the rate that each update applied."""
    values = logger.values(name)
    if len(values) != len(rates):
        seen = f"The logger got {name!r} {len(values)} times in {len(rates)} updates"
        known = ", ".join({n: 0 for _, row in logger.rows for n in row if n != "epoch"})
        seen += f"; it got {known}." if known and not values else "."
        return Finding(seen, False, f'Call self.log("{name}", ...) in each step.')
    slack = 1e-6 * max(rates, default=0.0)
    late = len(rates) > 1 and all(
        abs(value - rate) <= slack
        for value, rate in zip(values, rates[1:], strict=False)
    )
    same = all(abs(v - r) <= slack for v, r in zip(values, rates, strict=True))
    if same:
        return Finding(f"The logger got every rate as {name!r}.", True)
    seen = f"What the logger got as {name!r} is not the rate that was applied."
    remedy = "Read it from the optimizer's param_groups in training_step."
    if late:
        remedy = "It is the next update's rate: log before the scheduler steps."
    return Finding(seen, False, remedy)


def same_rates_in_two_processes(
    module: L.LightningModule, loader: DataLoader[Any], **trainer: Any
) -> Finding:
    """Check whether two processes apply the same rate in every update.

    Replicas with different rates drift apart, although DDP averages their gradients.

    Raises:
        LearnerError: If training raises or the processes wait for each other.
        CannotCheck: If no second process can be started.
    """

    def work() -> list[float]:
        return applied_rates(module, loader, devices=2, strategy="ddp", **trainer)

    first, second = in_processes(work)
    apart = sum(a != b for a, b in zip(first, second, strict=True))
    seen = f"The processes' learning rates differ in {apart} of {len(first)} updates."
    remedy = "Let the scheduler monitor a metric that is logged with sync_dist=True."
    return Finding(seen, not apart, remedy)
