"""Does the learning rate rise to its peak in time, and then fall to zero?"""

from collections.abc import Sequence
from math import isnan

from course_utils.checks.finding import Finding
from course_utils.checks.fit import Setting

_RULE = (
    "Rise during the first quarter of all updates of the run, then fall to zero; the "
    "number of updates depends on epochs, batches and accumulation."
)
# Of the peak; and the share of a run that may end with it: curves arrive flat.
_ZERO, _ARRIVED = 1e-3, 0.15
_EACH_UPDATE = (
    "Change it with every update: a scheduler steps once per epoch unless its "
    '"interval" is "step".'
)


def _is_hill(rates: Sequence[float], top: int, slack: float) -> bool:
    steps = [b - a for a, b in zip(rates, rates[1:], strict=False)]
    return all(step > 0 for step in steps[:top]) and all(
        step <= slack for step in steps[top:]
    )


def _top(rates: Sequence[float]) -> int:
    """Return where the largest rate is reached, but for rounding."""
    return next(i for i, rate in enumerate(rates) if rate >= max(rates) * (1 - 1e-6))


def _judge_shape(rates: Sequence[float], peak: float, run: str) -> Finding:
    distinct = len(set(rates))
    top = next((rate for rate in rates if isnan(rate)), max(rates))
    if distinct == 1:
        seen = f"In {run} the rate is {rates[0]:.4f} in all {len(rates)} updates."
        return Finding(seen, False, _EACH_UPDATE)
    if distinct < len(rates) / 2 and rates[0] == rates[1]:
        seen = f"In {run} there are {distinct} rates in {len(rates)} updates."
        return Finding(seen, False, _EACH_UPDATE)
    if not abs(top - peak) <= 0.03 * peak:
        seen = f"In {run} the largest rate is {top:.4f} instead of {peak:.4f}."
        return Finding(seen, False, _RULE)
    if not _is_hill(rates, _top(rates), 0.001 * peak):
        seen = f"In {run} the rate does not rise once and fall once."
        return Finding(seen, False, _RULE)
    return Finding(f"In {run} the rate rises to {top:.4f} and falls.", True)


def _judge_peak(rates: Sequence[float], share: float, run: str) -> Finding:
    count, place = len(rates), _top(rates)
    late = place - share * count
    seen = (
        f"In {run} the peak comes in update {place + 1} of {count}; it should "
        f"come at {100 * share:.0f} % of the way."
    )
    # Counted from 1 and rounded down, it comes almost two updates early.
    ok = -2.0 < late <= 1.6
    return Finding(seen, ok, _RULE)


def _judge_ends(
    rates: Sequence[float], peak: float, share: float, run: str
) -> list[Finding]:
    start = f"In {run} the first rate is {rates[0]:.4f}."
    end = f"In {run} the last rate is {rates[-1]:.4f}."
    # Two ways of counting are right: zero in the last update, or after it.
    slack = peak * max(0.02, 1.6 / (len(rates) * (1 - share)))
    low = rates[0] <= peak / 2 * (1 + 1e-6)
    return [
        Finding(start, low, "Begin far below the peak."),
        Finding(end, -1e-9 <= rates[-1] <= slack, _RULE),
    ]


def _judge_fall(rates: Sequence[float], peak: float, run: str) -> Finding:
    """Check that the rate is not zero long before the end of the run."""
    at_zero = [rate <= _ZERO * peak for rate in rates[_top(rates) :]]
    left = next((i for i, zero in enumerate(reversed(at_zero)) if not zero), 0)
    count = len(rates)
    seen = f"In {run} the rate is zero in the last {left} of {count} updates."
    ok = left <= max(2.0, _ARRIVED * count)
    return Finding(seen, ok, "Let it reach zero at the end of the run, not before.")


def rate_warms_up(
    rates: Sequence[float], peak: float, share: float, run: str
) -> list[Finding]:
    """Check that the rate rises to ``peak`` in time, then falls to about zero.

    It may rise and fall along a line or a cosine.

    Args:
        rates: The rates applied, one per update.
        peak: The largest rate wanted.
        share: Where in the run it is wanted, in 0..1.
        run: The run in words, for the message, for example ``"2 epochs"``.
    """
    shape = _judge_shape(rates, peak, run)
    if not shape.ok:
        return [shape]
    place, fall = _judge_peak(rates, share, run), _judge_fall(rates, peak, run)
    return [shape, place, *_judge_ends(rates, peak, share, run), fall]


def _momentum_stays(group: Sequence[Setting], value: float, run: str) -> Finding:
    momenta = [momentum for _, _, momentum in group]
    low, high = min(momenta), max(momenta)
    seen = f"In {run} the momentum goes from {low:.3f} to {high:.3f}."
    remedy = (
        f"Keep it at {value}: OneCycleLR changes it too unless cycle_momentum=False."
    )
    if low == high:
        seen = f"In {run} the momentum is {low:.3f}."
        remedy = f"Train with SGD and momentum={value}."
    ok = abs(low - value) < 1e-6 and abs(high - value) < 1e-6
    return Finding(seen, ok, remedy)


def sgd_warms_up(
    groups: Sequence[Sequence[Setting]],
    *,
    peak: float,
    share: float,
    momentum: float,
    run: str,
) -> list[Finding]:
    """Check that SGD trains all groups with the same rise and fall, and one momentum.

    Args:
        groups: From `settings_by_group`.
        peak: The largest rate wanted.
        share: Where in the run it is wanted, in 0..1.
        momentum: The one wanted in every update.
        run: The run in words, for the message.
    """
    if not groups:
        seen = f"In {run} there was no update."
        return [Finding(seen, False, "Train.")]
    kinds = [kind for group in groups for kind, _, _ in group]
    other = next((kind for kind in kinds if kind != "SGD"), "SGD")
    seen = f"In {run} the optimizer is {other}."
    findings = [Finding(seen, other == "SGD", f"Train with SGD, momentum={momentum}.")]
    for number, group in enumerate(groups, start=1):
        name = run if len(groups) == 1 else f"{run}, for parameter group {number},"
        rates = [rate for _, rate, _ in group]
        findings += rate_warms_up(rates, peak, share, name)
        findings.append(_momentum_stays(group, momentum, name))
    return findings
