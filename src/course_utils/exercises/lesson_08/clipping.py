"""Is the gradient of each update short enough, and does it keep its direction?"""

from collections.abc import Sequence

from course_utils.checks.finding import Finding
from course_utils.exercises.lesson_08.used_gradients import UsedGradient

_ROUNDING = 1.001


def _is_short(used: Sequence[UsedGradient], limit: float) -> Finding:
    number, longest = max(enumerate(used, 1), key=lambda pair: pair[1].norm)
    seen = f"The gradient of update {number} of {len(used)} has a norm of "
    seen += f"{longest.norm:.3f}."
    remedy = "Clip the norm of all gradients together, after the last backward pass."
    return Finding(seen, longest.norm <= limit * _ROUNDING, remedy)


def _keeps_direction(used: Sequence[UsedGradient], least: float) -> Finding:
    number, turned = min(enumerate(used, 1), key=lambda pair: pair[1].cosine)
    seen = (
        f"The gradient of update {number} of {len(used)} points elsewhere than what "
        f"its backward passes added up (cosine {turned.cosine:.3f})."
    )
    remedy = (
        "Scale all gradients by one factor, once, when all batches of the update are "
        "added up, and begin the next update with zero_grad."
    )
    return Finding(seen, turned.cosine >= least, remedy)


def _is_unclipped(used: UsedGradient) -> bool:
    """Return whether the norm is that of the sum or mean over all passes."""
    allowed = (used.raw_norm, used.raw_norm / max(used.passes, 1))
    return any(norm / _ROUNDING <= used.norm <= norm * _ROUNDING for norm in allowed)


def _leaves_short_ones(used: Sequence[UsedGradient], limit: float) -> Finding:
    short = [each for each in used if 0 < each.raw_norm < 0.9 * limit]
    if not short:
        return Finding("No gradient was short.", None, "Ask with other batches.")
    changed = [each for each in short if not _is_unclipped(each)]
    if not changed:
        return Finding(f"All {len(short)} short gradients are untouched.", True)
    first = changed[0]
    seen = (
        f"A gradient of norm {first.raw_norm:.3f} was given {first.norm:.3f}; it was "
        "short enough."
    )
    return Finding(seen, False, "Shorten the ones above the limit only.")


def clips_by_norm(
    used: Sequence[UsedGradient], limit: float, least_cosine: float = 0.9999
) -> list[Finding]:
    """Check each update's gradient: short, in its direction, unchanged if it was short.

    Args:
        used: From `used_gradients`; some of the raw norms should be above ``limit``
            and some below.
        limit: The largest norm allowed.
        least_cosine: How far a direction may turn; below 1 for rounding.
    """
    if not used:
        seen = "The optimizer made no update."
        return [Finding(seen, False, "Call step, or return the loss.")]
    return [
        _is_short(used, limit),
        _keeps_direction(used, least_cosine),
        _leaves_short_ones(used, limit),
    ]
