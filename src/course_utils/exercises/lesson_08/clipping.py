"""Is the gradient of each update short enough, and does it keep its direction?"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from course_utils.checks.finding import Finding

_ROUNDING = 1.001


@dataclass(frozen=True)
class Update:
    """One update of the weights.

    Attributes:
        used: The gradient that the optimizer used, as one vector.
        due: The mean gradient of the batches since the previous update.
        batches: How many they are.
    """

    used: Tensor
    due: Tensor
    batches: int

    @property
    def cosine(self) -> float:
        """Of the angle between the two gradients; 1 is the same direction."""
        pair = self.used.double(), self.due.double()
        return F.cosine_similarity(*pair, dim=0).item()


def _collects(updates: Sequence[Update], batches: int, every: int) -> Finding:
    """Check that an update comes after every ``every`` of all ``batches``."""
    seen = f"There are {len(updates)} updates in {batches} batches."
    numbers = [update.batches for update in updates]
    other = next((i for i, n in enumerate(numbers) if n != every), None)
    if len(updates) == batches // every and other is not None:
        seen = f"Update {other + 1} comes after batch {sum(numbers[: other + 1])}."
    remedy = f"Update after every {every} batches, with the gradients of all of them."
    return Finding(seen, len(updates) == batches // every and other is None, remedy)


def _is_short(updates: Sequence[Update], limit: float) -> Finding:
    norms = [update.used.norm().item() for update in updates]
    longest = max(norms)
    seen = f"The gradient of update {norms.index(longest) + 1} of {len(norms)} has a "
    seen += f"norm of {longest:.3f}."
    remedy = "Clip the norm of all gradients together, after the last backward pass."
    return Finding(seen, longest <= limit * _ROUNDING, remedy)


def _keeps_direction(updates: Sequence[Update], least: float) -> Finding:
    cosines = [update.cosine for update in updates]
    turned = min(cosines)
    seen = (
        f"The gradient of update {cosines.index(turned) + 1} of {len(cosines)} points "
        f"in a different direction from the sum over its batches (cosine {turned:.3f})."
    )
    remedy = (
        "Add up all its batches, each counted the same, scale all gradients by one "
        "factor, and begin the next update with zero_grad."
    )
    return Finding(seen, turned >= least, remedy)


def _leaves_short_ones(updates: Sequence[Update], limit: float, scale: int) -> Finding:
    for update in updates:
        raw, used = scale * update.due.norm().item(), update.used.norm().item()
        unchanged = raw / _ROUNDING <= used <= raw * _ROUNDING
        if raw < 0.9 * limit and not unchanged:
            seen = f"A gradient of norm {raw:.3f} was given {used:.3f}; it was short "
            return Finding(f"{seen}enough.", False, "Shorten only those above 1.")
    return Finding("Short gradients are untouched.", True)


def clips_by_norm(
    updates: Sequence[Update],
    limit: float,
    *,
    batches: int,
    every: int,
    least_cosine: float = 0.9999,
) -> list[Finding]:
    """Check each update's gradient: short, in its direction, unchanged if it was short.

    The mean over the batches is as good as their sum.

    Args:
        updates: Those of one run; some of the gradients due should be above ``limit``
            and some below.
        limit: The largest norm allowed.
        batches: Batches of the run.
        every: Batches per update.
        least_cosine: How far a direction may turn; below 1 for rounding.
    """
    collects = _collects(updates, batches, every)
    if not collects.ok:
        return [collects]
    leave = [_leaves_short_ones(updates, limit, scale) for scale in (1, every)]
    return [
        _is_short(updates, limit),
        _keeps_direction(updates, least_cosine),
        next((finding for finding in leave if finding.ok), leave[0]),
    ]
