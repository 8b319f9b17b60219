"""Does training skip a batch with broken pixels, and no other?"""

from collections.abc import Sequence
from typing import Any

import lightning as L

from course_utils.checks.finding import Finding
from course_utils.checks.weight_updates import updates


def skips_only(
    module: L.LightningModule, batches: Sequence[Any], broken: int
) -> list[Finding]:
    """Check that training skips the batch number ``broken``, and no other.

    Args:
        module: Is trained.
        batches: Ready-made batches, the broken one with ``nan`` pixels.
        broken: Index of the broken batch.
    """
    done = updates(module, batches)
    if len(done) < len(batches):
        seen = f"Training stopped after {len(done)} of {len(batches)} batches."
        remedy = "Leave out the broken batch, and continue with the next one."
        return [Finding(seen, False, remedy)]
    good = [update for i, update in enumerate(done) if i != broken]
    trained = sum(update.changed for update in good)
    return [
        Finding(
            "After the batch with nan pixels the weights are nan.",
            done[broken].finite,
            "Let nothing of a broken batch reach the backward pass.",
        ),
        Finding(
            f"The weights changed on {trained} of {len(good)} good batches.",
            trained == len(good),
            "Hand the loss of a good batch to Lightning.",
        ),
        Finding(
            "The batch with nan pixels was used for training.",
            not done[broken].changed,
            "Skip the whole batch; do not repair it.",
        ),
    ]
