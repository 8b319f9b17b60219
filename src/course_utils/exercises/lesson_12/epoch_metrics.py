"""Is the number that a module reports for an epoch the number of that epoch?"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import lightning as L
import torch
from torch import Tensor

from course_utils.checks.finding import Finding
from course_utils.checks.fit import fit, loader_of
from course_utils.checks.known_mistakes import value_is
from course_utils.checks.metrics import not_logged, reported

Batches = Sequence[tuple[Tensor, Tensor]]
Score = Callable[[Tensor, Tensor], float]


def reports_each_epoch(
    module: L.LightningModule,
    epochs: Sequence[Batches],
    name: str,
    score: Score,
    mistakes: Mapping[str, Callable[[Sequence[Batches]], float]],
    *,
    otherwise: str,
) -> Iterator[Finding]:
    """Check for every epoch that ``name`` is the score over all its images.

    Args:
        module: Has a ``validation_step`` and logs ``name``; the same object serves all
            epochs.
        epochs: Ready-made batches of each epoch; their sizes may differ.
        name: Name that the metric is logged under.
        score: Exact score from images and labels of an epoch.
        mistakes: What a value means that equals a known wrong one: sentences, each
            with a function of the epochs so far.
        otherwise: The remedy for other wrong values.

    Raises:
        LearnerError: If validation raises.
    """
    for number, batches in enumerate(epochs, start=1):
        metrics = reported(module, loader_of(batches))
        if name not in metrics:
            yield not_logged(name, metrics)
            continue
        value, truth = metrics[name], exact(batches, score)
        yield value_is(
            value,
            truth,
            {why: wrong(epochs[:number]) for why, wrong in mistakes.items()},
            seen=f"After epoch {number} {name} is {value:.3f}, the exact value is "
            f"{truth:.3f}.",
            otherwise=otherwise,
        )


def leaves_training_out(
    module: L.LightningModule,
    train: Batches,
    epoch: Batches,
    name: str,
    score: Score,
) -> Iterator[Finding]:
    """Check that ``name`` is the score of the validation images also during ``fit``.

    Args:
        module: Is trained; one without a ``training_step`` passes.
        train: Ready-made training batches.
        epoch: Ready-made validation batches.
        name: Name that the metric is logged under.
        score: Exact score from images and labels, for the weights after training.

    Raises:
        LearnerError: If training or validation raises.
    """
    if type(module).training_step is L.LightningModule.training_step:
        return
    metrics = fit(module, train, loader_of(epoch)).callback_metrics
    if name not in metrics:
        yield not_logged(name, metrics)
        return
    value, truth = float(metrics[name]), exact(epoch, score)
    seen = f"During fit {name} is {value:.3f}, the exact value is {truth:.3f}."
    remedy = "No other images may count: use one metric object for each stage."
    yield value_is(value, truth, {}, seen=seen, otherwise=remedy)


def pooled(epochs: Sequence[Batches]) -> Batches:
    """Return the batches of several epochs as those of one."""
    return [batch for epoch in epochs for batch in epoch]


def exact(batches: Batches, score: Score) -> float:
    """Return the score over all images of the batches at once."""
    images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    return score(images, labels)
