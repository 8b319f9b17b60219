"""Is the gradient of each update short enough, and does it still point downhill?"""

from collections.abc import Sequence

from course_utils.checks.finding import Finding
from course_utils.exercises.lesson_08.used_gradients import UsedGradient

_ROUNDING = 1.001


def _number(of: int, count: int) -> str:
    return f"update {of + 1} of {count}"


def _too_long(used: Sequence[UsedGradient], limit: float) -> Finding:
    longest = max(range(len(used)), key=lambda i: used[i].norm)
    norm = used[longest].norm
    where = _number(longest, len(used))
    seen = f"The gradient of {where} has a norm of {norm:.3f}."
    remedy = "Clip the norm of all gradients together, after the last backward pass."
    return Finding(seen, norm <= limit * _ROUNDING, remedy)


def _bent(used: Sequence[UsedGradient], least: float) -> Finding:
    most = min(range(len(used)), key=lambda i: used[i].cosine)
    seen = (
        f"The gradient of {_number(most, len(used))} points elsewhere than what its "
        f"backward passes added up (cosine {used[most].cosine:.3f})."
    )
    remedy = (
        "Scale all gradients by one factor, once, when all batches of the update are "
        "added up, and begin the next update with zero_grad."
    )
    return Finding(seen, used[most].cosine >= least, remedy)


def _is_as_it_was(used: UsedGradient) -> bool:
    """Averaging over the passes is no clipping."""
    allowed = (used.raw_norm, used.raw_norm / max(used.passes, 1))
    return any(norm / _ROUNDING <= used.norm <= norm * _ROUNDING for norm in allowed)


def _untouched(used: Sequence[UsedGradient], limit: float) -> Finding:
    short = [each for each in used if 0 < each.raw_norm < 0.9 * limit]
    if not short:
        return Finding("No gradient was short.", None, "Ask with other batches.")
    changed = [each for each in short if not _is_as_it_was(each)]
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
    """Ask whether each update's gradient is short, unbent, and untouched if short.

    Args:
        used: From `used_gradients`; some of the raw norms should be above ``limit``
            and some below.
        limit: The largest norm allowed.
        least_cosine: How far a direction may turn; below 1 for rounding.
    """
    if not used:
        seen = "The optimizer made no update."
        return [Finding(seen, False, "Call step, or return the loss.")]
    return [_too_long(used, limit), _bent(used, least_cosine), _untouched(used, limit)]
