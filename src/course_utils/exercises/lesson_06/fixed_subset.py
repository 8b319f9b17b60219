"""Is a loader over a part of the data the same part, and a fair one, every time?"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from course_utils.checks.finding import Finding
from course_utils.checks.global_rngs import global_rng_states, scramble_global_rngs
from course_utils.checks.learner_code import LearnerError, learners_code

MakeLoader = Callable[[TensorDataset], Any]
GENERATOR = "Draw from its own generator: torch.Generator().manual_seed(0)."
ANEW = "Make and seed the generator inside the function: each call starts over."


def numbered(counts: list[int]) -> TensorDataset:
    """Return images that carry their own number, and labels ordered by class.

    Args:
        counts: Images of each class.

    Returns:
        Images of shape ``(n, 1, 2, 2)``, float32; labels of shape ``(n,)``, int64.
    """
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    numbers = torch.arange(len(labels), dtype=torch.float32)
    return TensorDataset(numbers.view(-1, 1, 1, 1).expand(-1, 1, 2, 2).clone(), labels)


def _epoch(loader: Any) -> tuple[list[int], Tensor]:
    """Return the numbers of the images of one epoch, and their labels."""
    numbers, labels = [], []
    with learners_code("The loader"):
        for images, targets in loader:
            numbers += images.flatten(1)[:, 0].round().long().tolist()
            labels.append(targets)
    if not numbers:
        raise LearnerError("The loader is empty; return a DataLoader over the images.")
    return numbers, torch.cat(labels)


def _first_look(
    epoch: tuple[list[int], Tensor], dataset: TensorDataset, share: float
) -> Iterator[Finding]:
    (numbers, labels), total = epoch, len(dataset)
    most = int(share * total)
    count = len(numbers)
    seen = f"An epoch has {count} of {total} images; {share:.0%} are {most}."
    fits = most // 2 <= count <= most
    yield Finding(seen, fits, f"Take {most} at most, and at least half of it.")
    twice = count - len(set(numbers))
    seen = f"{twice} images come twice in an epoch."
    yield Finding(seen, not twice, "Draw without replacement.")
    right = bool((dataset.tensors[1][numbers] == labels).all())
    yield Finding("Labels and images are mixed up.", right, "Keep pairs.")
    classes = int(dataset.tensors[1].max()) + 1
    found = len(labels.unique())
    seen = f"{found} of {classes} classes are in it."
    remedy = "Draw within each class, at least one image of each."
    yield Finding(seen, found == classes, remedy)


def _drops(loader: Any) -> bool:
    sampler = getattr(loader, "batch_sampler", None)
    return getattr(sampler, "drop_last", False) is True


def _same_again(
    make_loader: MakeLoader, counts: list[int], sets: set[frozenset[int]]
) -> Finding:
    """Check that a call in another random state chooses one of ``sets``, too.

    If not, one more call in that state tells what decides: the global generators, or
    what the first calls have left.
    """

    def chosen() -> frozenset[int]:
        scramble_global_rngs(2)
        return frozenset(_epoch(make_loader(numbered(counts)))[0])  # an equal data set

    again = chosen()
    if again in sets or again == chosen():
        seen = "A second call shows different images."
        return Finding(seen, again in sets, GENERATOR)
    seen = (
        "A second call shows different images, even from the same global random state."
    )
    return Finding(seen, False, ANEW)


def is_a_fixed_fraction(
    make_loader: MakeLoader, counts: list[int], share: float = 0.1
) -> Iterator[Finding]:
    """Check size, classes, the same images each time, and another order.

    Args:
        make_loader: Makes a loader over a part of a data set.
        counts: Images of each class in the data set, which is ordered by class.
        share: Largest part allowed.
    """
    dataset = numbered(counts)
    scramble_global_rngs(1)
    before = global_rng_states()
    loader = make_loader(dataset)
    untouched = before == global_rng_states()
    epochs = [_epoch(loader) for _ in range(3)]
    yield from _first_look(epochs[0], dataset, share)
    sets = {frozenset(numbers) for numbers, _ in epochs}
    seen = f"Three epochs show {len(sets)} different sets of images."
    remedy = "Choose once."
    if _drops(loader):
        remedy = "drop_last=True drops others each time; deliver the last batch, too."
    yield Finding(seen, len(sets) == 1, remedy)
    yield _same_again(make_loader, counts, sets)
    seen = "The call changes the global random state."
    yield Finding(seen, untouched, GENERATOR)
    orders = {tuple(numbers) for numbers, _ in epochs}
    seen = f"Three epochs have {len(orders)} different orders."
    yield Finding(seen, len(orders) == 3, "Shuffle the loader.")
