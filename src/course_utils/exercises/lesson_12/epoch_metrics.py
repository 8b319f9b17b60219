"""Is the number that a module reports for an epoch the number of that epoch?"""

from collections.abc import Callable, Sequence

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import learners_code
from course_utils.hardware import quiet_trainer

TOLERANCE = 1e-5
Batches = Sequence[tuple[Tensor, Tensor]]


def epoch_values(
    module: L.LightningModule, epochs: Sequence[Batches], name: str
) -> list[float | None]:
    """Validate one epoch after the other; return what callbacks see of ``name``.

    Args:
        module: Has a ``validation_step``; the same object serves all epochs.
        epochs: Ready-made batches of each epoch; their sizes may differ.
        name: Name that the metric is logged under; ``None`` stands for "not there".

    Raises:
        LearnerError: If validation raises.
    """
    values = []
    for batches in epochs:
        trainer = L.Trainer(**quiet_trainer(accelerator="cpu"))
        loader = DataLoader(list(batches), batch_size=None)
        with learners_code("Validation"):
            trainer.validate(module, loader, verbose=False)
        value = trainer.callback_metrics.get(name)
        values.append(None if value is None else float(value))
    return values


def reports_each_epoch(
    module: L.LightningModule,
    epochs: Sequence[Batches],
    name: str,
    score: Callable[[Tensor, Tensor], float],
    mistakes: dict[str, Callable[[Sequence[Batches]], float]],
) -> list[Finding]:
    """Ask of every epoch whether ``name`` is the score over all its images.

    Args:
        module: Has a ``validation_step`` and logs ``name``.
        epochs: Ready-made batches of each epoch.
        name: Name that the metric is logged under.
        score: Exact score from images and labels of an epoch.
        mistakes: What a value means that equals a known wrong one: sentences, each
            with a function of the epochs so far.
    """
    findings = []
    for number, value in enumerate(epoch_values(module, epochs, name), start=1):
        done = epochs[:number]
        if value is None:
            seen = f"Callbacks find no {name!r} after epoch {number}."
            remedy = f'Log it with self.log("{name}", ...).'
            findings.append(Finding(seen, False, remedy))
            continue
        truth = exact(done[-1], score)
        seen = f"After epoch {number} {name} is {value:.3f}, exact is {truth:.3f}."
        why = [
            sentence
            for sentence, wrong in mistakes.items()
            if abs(wrong(done) - value) <= TOLERANCE
        ]
        remedy = why[0] if why else "Count over all images of the epoch, then divide."
        findings.append(Finding(seen, abs(value - truth) <= TOLERANCE, remedy))
    return findings


def exact(batches: Batches, score: Callable[[Tensor, Tensor], float]) -> float:
    """Return the score over all images of the batches at once."""
    images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    return score(images, labels)
