"""Does a logged value belong to its own stage and epoch, and to nothing else?"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from course_utils.checks.finding import Finding
from course_utils.checks.known_mistakes import value_is
from course_utils.checks.metrics import not_logged

Ends = Sequence[dict[str, float]]


def _mean(*parts: Tensor) -> float:
    return float(torch.cat(parts).float().mean())


def _mistakes(
    train: Tensor, vals: Sequence[Tensor], cut: Sequence[int]
) -> dict[str, float]:
    """Return what the value of the last of ``vals`` is after well-known mistakes."""
    now, batches = vals[-1], vals[-1].split(list(cut))
    return {
        "Training values are still in it; use one object per stage.": _mean(train, now),
        "Values of earlier epochs are still in it; start each epoch empty.": (
            _mean(*vals)
        ),
        "Training values and those of earlier epochs are still in it; use one object "
        "per stage, and start each epoch empty.": _mean(*[train] * len(vals), *vals),
        "This is the value of the training batches.": _mean(train),
        "This is the value of the last batch.": _mean(batches[-1]),
        "Each batch has the same vote, whatever its size.": sum(map(_mean, batches))
        / len(batches),
    }


def validation_values(
    ends: Ends,
    name: str,
    train: Tensor,
    vals: Sequence[Tensor],
    cut: Sequence[int],
    more: Sequence[dict[str, float]] | None = None,
) -> Iterator[Finding]:
    """Check for each epoch whether a metric is the mean over its validation images.

    Args:
        ends: What callbacks saw at the end of each epoch.
        name: Of the metric.
        train: Its values for the training images, shape ``(n,)``.
        vals: Its values for the validation images of each epoch.
        cut: Sizes of the validation batches.
        more: Other known mistakes of each epoch.
    """
    for epoch, metrics in enumerate(ends):
        if name not in metrics:
            yield not_logged(name, metrics)
            continue
        value, truth = metrics[name], _mean(vals[epoch])
        known = _mistakes(train, vals[: epoch + 1], cut)
        yield value_is(
            value,
            truth,
            {**known, **(more[epoch] if more else {})},
            seen=f"After epoch {epoch} {name} is {value:.3f}; "
            f"the exact value is {truth:.3f}.",
            otherwise="It should be the mean over this epoch's validation images.",
            tolerance=1e-4,
        )


def training_values(
    ends: Ends, name: str, losses: Sequence[Sequence[Sequence[float]]]
) -> Iterator[Finding]:
    """Check for each epoch whether a metric is a training loss: of a batch, or a mean.

    Args:
        ends: What callbacks saw at the end of each epoch.
        name: Of the metric.
        losses: The loss of each batch by epoch, in every way it was found.
    """
    for epoch, metrics in enumerate(ends):
        if name not in metrics:
            yield not_logged(name, metrics)
            continue
        value = metrics[name]
        ranges = [(min(way[epoch]), max(way[epoch])) for way in losses]
        fine = any(low - 1e-4 <= value <= high + 1e-4 for low, high in ranges)
        low, high = ranges[0] if ranges else (value, value)
        seen = f"After epoch {epoch} {name} is {value:.3f}; the training batches' "
        seen += f"losses are {low:.3f} to {high:.3f}."
        yield Finding(seen, fine or not ranges, "Log the loss in training_step.")
