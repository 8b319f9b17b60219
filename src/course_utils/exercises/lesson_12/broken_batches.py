"""Does training skip a batch with broken pixels, and no other?"""

from collections.abc import Collection, Sequence
from typing import Any

import lightning as L

from course_utils.checks.finding import Finding
from course_utils.checks.weight_updates import updates


def skips_only(
    module: L.LightningModule, batches: Sequence[Any], broken: Collection[int]
) -> list[Finding]:
    """Check that training skips the broken batches, and no other.

    Args:
        module: Is trained.
        batches: Ready-made batches, the broken ones with ``nan`` pixels.
        broken: Indices of the broken batches.
    """
    done = updates(module, batches)
    if len(done.changed) < len(batches):
        seen = f"Training stopped after {len(done.changed)} of {len(batches)} batches."
        remedy = "Leave out the broken batch, and continue with the next one."
        return [Finding(seen, False, remedy)]
    good = [changed for i, changed in enumerate(done.changed) if i not in broken]
    trained = sum(good)
    return [
        Finding(
            "After a batch with nan pixels the weights are nan.",
            all(done.finite[i] for i in broken),
            "Let nothing of a broken batch reach the weights.",
        ),
        Finding(
            f"The weights changed on {trained} of {len(good)} good batches.",
            trained == len(good),
            "Train on every batch that is not broken.",
        ),
        Finding(
            "The weights changed on a batch with nan pixels.",
            not any(done.changed[i] for i in broken),
            "Skip the whole batch: repair nothing in it, make no step.",
        ),
    ]
