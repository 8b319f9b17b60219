"""Does each update apply the planned learning rate, and is it what is logged?"""

from collections.abc import Callable, Sequence
from typing import Any

import lightning as L
from torch.utils.data import DataLoader

from course_utils.checks.finding import Finding
from course_utils.checks.fit import applied_rates
from course_utils.checks.several_processes import in_processes
from course_utils.measure import InMemoryLogger


def rates_follow(
    rates: Sequence[float], plan: Callable[[int, int], float], slack: float, run: str
) -> Finding:
    """Check whether each update's rate is the planned one.

    Args:
        rates: The rates applied, one per update.
        plan: Rate of update ``i`` (from 0) out of ``n``.
        slack: Difference that is allowed.
        run: The run in words, for the message, for example ``"2 epochs"``.
    """
    count = len(rates)
    if not count:
        return Finding(f"In {run} there was no update.", False, "Train.")
    planned = [plan(i, count) for i in range(count)]
    off = [i for i in range(count) if abs(rates[i] - planned[i]) > slack]
    if not off:
        return Finding(f"In {run} all {count} rates are as planned.", True)
    distinct = len(set(rates))
    there = f"there were {distinct} rates" if distinct > 1 else "there was 1 rate"
    seen = (
        f"In {run} update {off[0] + 1} of {count} had the rate {rates[off[0]]:.4f} "
        f"instead of {planned[off[0]]:.4f}; {there}."
    )
    remedy = "Count the updates of the whole run: total steps, not batches or epochs."
    if distinct == 1:
        remedy = "Return a scheduler that changes it."
    elif distinct < count / 2:
        remedy = 'A scheduler steps once an epoch unless its "interval" is "step".'
    return Finding(seen, False, remedy)


def rates_are_logged(
    rates: Sequence[float], logger: InMemoryLogger, name: str
) -> Finding:
    """Check whether the logger got, as ``name``, the rate that each update applied."""
    values = logger.values(name)
    if len(values) != len(rates):
        seen = f"The logger got {name!r} {len(values)} times in {len(rates)} updates."
        return Finding(seen, False, f'Call self.log("{name}", ...) in each step.')
    slack = 1e-6 * max(rates, default=0.0)
    late = all(
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
