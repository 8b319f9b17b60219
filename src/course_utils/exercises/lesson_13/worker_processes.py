"""Which processes load the data, and do they persist from epoch to epoch?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import LearnerError, learners_code
from course_utils.measure.workers import child_workers

MakeLoader = Callable[[Dataset[Any], int], DataLoader[Any]]


@dataclass(frozen=True)
class Epoch:
    """One pass over a loader.

    Attributes:
        labels: What each batch delivered, in order.
        workers: Ids of the processes that served it.
    """

    labels: tuple[tuple[int, ...], ...]
    workers: frozenset[int]

    @property
    def order(self) -> tuple[int, ...]:
        """The labels of all batches, one after the other."""
        return tuple(label for batch in self.labels for label in batch)


def _pass(loader: DataLoader[Any], before: set[int]) -> Epoch:
    labels: list[tuple[int, ...]] = []
    ids: set[int] = set()
    for batch in loader:
        labels.append(tuple(int(label) for label in batch[1]))
        ids = ids or child_workers() - before
    return Epoch(tuple(labels), frozenset(ids))


def passes(make: MakeLoader, size: int, workers: int, epochs: int) -> list[Epoch]:
    """Iterate over the loader of the learner's function and return what it delivered.

    Args:
        make: Takes a dataset and a number of workers.
        size: Samples in the dataset.
        workers: Is passed to it.
        epochs: How often.

    Raises:
        LearnerError: If making the loader or iterating over it raises.
    """
    # Each sample is its index, as a value of shape (1,) and as a label.
    dataset = TensorDataset(torch.arange(float(size))[:, None], torch.arange(size))
    with learners_code(f"The loader with {workers} workers"):
        loader = make(dataset, workers)
    if not hasattr(loader, "__iter__"):
        raise LearnerError(
            f"Expected a DataLoader but got {type(loader).__name__}; return one."
        )
    before = child_workers()
    with learners_code(f"The loader with {workers} workers"):
        return [_pass(loader, before) for _ in range(epochs)]


def workers_persist(make: MakeLoader, workers: int, epochs: int = 3) -> Finding:
    """Check that the same worker processes serve every epoch.

    Args:
        make: Takes a dataset and a number of workers; returns a loader.
        workers: Number of workers, 0 for none.
        epochs: Passes over one loader.
    """
    found = passes(make, 64, workers, epochs)
    counts = {len(each.workers) for each in found}
    if counts != {workers}:
        seen = f"Asked for {workers} workers, an epoch was served by {max(counts)}."
        return Finding(seen, False, "Pass `workers` to the DataLoader.")
    distinct = len(frozenset().union(*(each.workers for each in found)))
    seen = f"{epochs} epochs were served by {distinct} different worker processes."
    remedy = "Keep the workers alive between epochs."
    return Finding(seen, distinct == workers, remedy)


def serves_all(
    make: MakeLoader, workers: int, *, batch_size: int, size: int = 72
) -> list[Finding]:
    """Check that each epoch has all samples once, in another order, in full batches.

    Args:
        make: Takes a dataset and a number of workers; returns a loader.
        workers: Is passed to it.
        batch_size: Samples that a batch should have; the last may be smaller.
        size: Samples in the dataset, not a multiple of ``batch_size``.
    """
    epochs = passes(make, size, workers, 2)
    sizes = [len(batch) for batch in epochs[0].labels]
    rest = [size % batch_size] if size % batch_size else []
    orders = [each.order for each in epochs]
    return [
        Finding(
            _missing(orders, size),
            all(sorted(order) == list(range(size)) for order in orders),
            "Deliver every sample once in each epoch, also the last few.",
        ),
        Finding(
            f"The batches hold {' and '.join(map(str, sorted(set(sizes))))} samples.",
            sizes == [batch_size] * (size // batch_size) + rest,
            f"Keep batch_size={batch_size}.",
        ),
        Finding(
            "Two epochs come in the same order.",
            orders[0] != orders[1] and orders[0] != tuple(range(size)),
            "Shuffle the training samples.",
        ),
    ]


def _missing(orders: Sequence[Sequence[int]], size: int) -> str:
    least = min(len(set(order)) for order in orders)
    most = max(len(order) for order in orders)
    if most > size:
        return f"An epoch delivers {most} samples of {size}: some come twice."
    return f"An epoch delivers {least} of {size} samples."
