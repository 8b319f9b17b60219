"""Asked of the data: is the split the same each time, and who waits for whom?"""

import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

from torch.utils.data import DataLoader, Subset

from course_utils.checks.global_rngs import scramble_global_rngs
from course_utils.checks.learner_code import CannotCheck
from course_utils.own_code.delivery import loaders_in, loaders_of
from course_utils.own_code.questions import Saw
from course_utils.own_code.registry import question
from course_utils.own_code.subject import Subject, place_of


def _indices(loader: Any) -> set[int]:
    dataset = next((each.dataset for each in loaders_in(loader)), None)
    if not isinstance(dataset, Subset):
        raise CannotCheck("its data sets are no `Subset` with indices to compare.")
    return {int(index) for index in dataset.indices}


@question("1.2", "error")
def split_is_the_same(subject: Subject) -> Iterator[Saw]:
    """Ask whether two data modules validate on the same samples."""
    if subject.make_data is None:
        raise CannotCheck(
            "it takes a LightningDataModule that can be built again, --data."
        )
    found = []
    for seed in (1, 2):
        scramble_global_rngs(seed)
        data = subject.make_data()
        found.append([_indices(each) for each in loaders_of(data)])
    (train, val), (_, other) = found
    file, line = place_of(type(data), "setup")
    if val != other:
        yield Saw(
            f"Built a second time, the data module validates on {len(other - val)} of "
            f"{len(other)} samples that are others.",
            "Split with a generator of its own: `torch.Generator().manual_seed(0)`.",
            file,
            line,
        )


def _seconds(run: Any) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


@question("6.5", "note")
def data_arrive_in_time(subject: Subject) -> Iterator[Saw]:
    """Ask whether a training step is done long before its batch."""
    loader, batches = subject.loader, subject.batches()
    if not isinstance(loader, DataLoader):
        raise CannotCheck("it takes a DataLoader.")
    count = len(batches)
    reading = iter(loader)
    next(reading, None)  # the first batch pays for the start
    to_read = _seconds(lambda: list(islice(reading, count - 1))) / max(count - 1, 1)
    module = subject.new()
    # One batch of validation: a schedule may wait for what it logs.
    to_train = _seconds(lambda: subject.fit(module, limit_val_batches=1)) / count
    share = to_read / (to_read + to_train)
    if share > 0.75:
        yield Saw(
            f"Reading a batch takes {share:.0%} of the time of a step even on this "
            "CPU: a GPU will wait for data.",
            "Prepare data once, load whole batches, or use workers; measure which.",
        )
