"""How sure a few dozen seeds make us: intervals and margins without a distribution."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
THIN = 0.2  # of the worst effect
LOWER = ("at_least", "above")  # kinds of bounds that too small an effect breaks


@dataclass(frozen=True)
class Interval:
    """A median and the ends of its confidence interval, in the unit of the values."""

    low: float
    median: float
    high: float


def _coverage(count: int, rank: int) -> float:
    """Return how likely the median lies from the rank-th smallest to the largest."""
    below = sum(math.comb(count, i) for i in range(rank))
    return 1 - 2 * below / 2**count


def median_interval(values: Sequence[float]) -> Interval:
    """Return the median and its interval between two order statistics.

    Whatever the distribution, each value lies below its median with probability 1/2.
    So the number of values below it is binomial, and the k-th smallest and k-th
    largest value enclose the median with a probability that can be counted. The
    largest k that leaves at least `CONFIDENCE` is taken (Conover, *Practical
    Nonparametric Statistics*, section 3.2). Fewer than six values are too few for any:
    then the ends are the smallest and the largest.

    Raises:
        ValueError: If there are no values.

    Example:
        >>> median_interval([3, 1, 2, 6, 5, 4])
        Interval(low=1, median=3.5, high=6)
    """
    if not values:
        raise ValueError("Expected at least one value but got none.")
    ordered, count = sorted(values), len(values)
    ranks = range(1, count // 2 + 1)
    sure = (rank for rank in ranks if _coverage(count, rank) >= CONFIDENCE)
    rank = max(sure, default=1)
    return Interval(ordered[rank - 1], statistics.median(ordered), ordered[-rank])


def margin(worst: float, kind: str, threshold: float) -> float | None:
    """Return the distance from the bound to the worst effect, as a share of the latter.

    Args:
        worst: The effect nearest to breaking the claim.
        kind: ``"at_least"``, ``"at_most"``, ``"above"``, ``"below"`` or ``"equals"``.
        threshold: The bound, in the unit of ``worst``.

    Returns:
        A share, negative if the claim is broken; None for ``"equals"``, which has no
        room for one, and for a worst effect of 0 that is not the bound.

    Example:
        >>> margin(0.5, "at_least", 0.3), margin(2.0, "at_most", 3.0)
        (0.4, 0.5)
    """
    if kind == "equals" or (worst == 0 and threshold != 0):
        return None
    if worst == threshold:
        return 0.0
    room = worst - threshold if kind in LOWER else threshold - worst
    return room / abs(worst)


def thin(share: float | None) -> bool:
    """Return whether a margin leaves less than a fifth of the worst effect."""
    return share is not None and share < THIN
