"""Does the learning rate rise to its peak in time, and then fall to zero?"""

from collections.abc import Sequence

from course_utils.checks.finding import Finding
from course_utils.measure import OptimizerRecorder

_COUNT = "Count the updates of the whole run: total steps, not batches or epochs."
_BY_EPOCH = 'A scheduler steps once an epoch unless its "interval" is "step".'


def applied_momenta() -> OptimizerRecorder:
    """Return a recorder of the momentum of every optimizer step in a ``with`` block.

    Its ``values`` are those of the first parameter group, 0 without a momentum.
    """
    return OptimizerRecorder(
        lambda optimizer: float(optimizer.param_groups[0].get("momentum", 0.0))
    )


def _is_hill(rates: Sequence[float], top: int, slack: float) -> bool:
    steps = [b - a for a, b in zip(rates, rates[1:], strict=False)]
    rises = all(step >= -slack for step in steps[:top])
    return rises and all(step <= slack for step in steps[top:])


def _judge_shape(rates: Sequence[float], peak: float, run: str) -> Finding:
    distinct = len(set(rates))
    if distinct == 1:
        seen = f"In {run} the rate is {rates[0]:.4f} in all {len(rates)} updates."
        remedy = "Return a scheduler that changes it."
        return Finding(seen, False, f"{remedy} {_BY_EPOCH}")
    if distinct < len(rates) / 2 and rates[0] == rates[1]:
        seen = f"In {run} there are {distinct} rates in {len(rates)} updates."
        return Finding(seen, False, _BY_EPOCH)
    top = max(rates)
    if abs(top - peak) > 0.03 * peak:
        seen = f"In {run} the largest rate is {top:.4f} instead of {peak:.4f}."
        remedy = _COUNT if top < peak else "Lower the peak."
        return Finding(seen, False, remedy)
    if not _is_hill(rates, rates.index(top), 0.001 * peak):
        seen = f"In {run} the rate does not rise once and fall once."
        return Finding(seen, False, _COUNT)
    return Finding(f"In {run} the rate rises to {top:.4f} and falls.", True)


def _judge_peak(rates: Sequence[float], share: float, run: str) -> Finding:
    count, place = len(rates), rates.index(max(rates))
    off = abs(place - share * count)
    seen = (
        f"In {run} the peak comes in update {place + 1} of {count}; wanted is "
        f"{100 * share:.0f} % of the way."
    )
    return Finding(seen, off <= max(1.6, 0.04 * count), _COUNT)


def _judge_ends(
    rates: Sequence[float], peak: float, share: float, run: str
) -> list[Finding]:
    start = f"In {run} the first rate is {rates[0]:.4f}."
    end = f"In {run} the last rate is {rates[-1]:.4f}."
    # Two ways of counting are right: zero in the last update, or after it.
    slack = peak * max(0.02, 1.6 / (len(rates) * (1 - share)))
    low = rates[0] <= peak / 2
    fall = "Let it fall after the peak." if rates[-1] == max(rates) else _COUNT
    return [
        Finding(start, low, "Begin far below the peak."),
        Finding(end, rates[-1] <= slack, fall),
    ]


def rate_warms_up(
    rates: Sequence[float], peak: float, share: float, run: str
) -> list[Finding]:
    """Check that the rate rises to ``peak`` in time, then falls to about zero.

    It may rise and fall along a line or a cosine.

    Args:
        rates: The rates applied, one per update; see `applied_rates`.
        peak: The largest rate wanted.
        share: Where in the run it is wanted, in 0..1.
        run: The run in words, for the message, for example ``"2 epochs"``.
    """
    if not rates:
        seen = f"In {run} there was no update."
        return [Finding(seen, False, "Train.")]
    shape = _judge_shape(rates, peak, run)
    if not shape.ok:
        return [shape]
    place = _judge_peak(rates, share, run)
    return [shape, place, *_judge_ends(rates, peak, share, run)]


def momentum_stays(momenta: Sequence[float], value: float, run: str) -> Finding:
    """Check that every update has the momentum ``value``.

    Args:
        momenta: The momenta applied, one per update; see `applied_momenta`.
        value: The momentum wanted.
        run: The run in words, for the message.
    """
    low, high = min(momenta, default=0.0), max(momenta, default=0.0)
    seen = f"In {run} the momentum goes from {low:.3f} to {high:.3f}."
    remedy = "OneCycleLR also turns the momentum unless cycle_momentum is False."
    if low == high:
        seen = f"In {run} the momentum is {low:.3f}."
        remedy = f"Train with SGD and momentum={value}."
    ok = abs(low - value) < 1e-6 and abs(high - value) < 1e-6
    return Finding(seen, ok, remedy)
