"""The exercises of lesson 06, debugging."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from course_utils.checks.finding import Finding
from course_utils.checks.sample_data import quiet_function
from course_utils.exercises.exercise import Exercise
from course_utils.exercises.lesson_06.finite_gradients import (
    Function,
    finite_gradients,
    same_as,
    value_and_gradient,
)
from course_utils.exercises.lesson_06.fixed_subset import is_a_fixed_fraction
from course_utils.exercises.lesson_06.memory_tests import tells_who_memorizes
from course_utils.exercises.lesson_06.planted_bugs import notices_planted_bugs
from course_utils.exercises.lesson_06.slowest_part import names_the_slowest

# 6.1 ----------------------------------------------------------------------------


def notices_four_bugs(answer: Any) -> Iterator[Finding]:
    """Examine exercise 6.1 with a healthy model and broken ones."""
    yield from notices_planted_bugs(quiet_function(answer))


_6_1 = Exercise(
    practice="6.1",
    examine=notices_four_bugs,
    hints=(
        "Three of the four are outside a dry run's view: which batch does it use, what "
        "does it never write, and what does it not look at?",
        "The Trainer trains on any loader: a Subset of loader.dataset with one full "
        "batch and the rest is enough. trainer.save_checkpoint writes a checkpoint.",
        "On copy.deepcopy(model): rest = len(loader.dataset) % loader.batch_size; fit "
        "on DataLoader(Subset(loader.dataset, range(loader.batch_size + rest)), "
        "loader.batch_size); save into a TemporaryDirectory; raise if all parameters "
        "equal those of model.",
    ),
    reason="Two batches, one checkpoint and one comparison find all four bugs.",
)

# 6.2 ----------------------------------------------------------------------------

_COUNTS = (
    [90, 80, 75, 70, 70, 65, 60, 50, 30, 10],
    [4, 129, 60, 60, 60, 33, 29, 20, 19, 9, 15, 12],
)


def takes_a_fair_tenth(answer: Any) -> Iterator[Finding]:
    """Examine exercise 6.2 with two sets of images, each with a rare class."""
    for counts in _COUNTS:
        yield from is_a_fixed_fraction(quiet_function(answer), counts)


_6_2 = Exercise(
    practice="6.2",
    examine=takes_a_fair_tenth,
    hints=(
        "Two things are left to chance here: which images are drawn, and whether a "
        "rare class is among them.",
        "torch.randperm takes a generator. And you may draw within each class: "
        "(labels == c).nonzero() are its places.",
        "For each class: places = (labels == c).nonzero().flatten(); take "
        "max(1, len(places) // 10) of them, in the order of "
        "torch.randperm(len(places), generator=torch.Generator().manual_seed(0)).",
    ),
    reason=(
        "Its own generator fixes the choice, drawing by class keeps the rare "
        "ones, and shuffling is left to the loader."
    ),
)

# 6.3 ----------------------------------------------------------------------------


def _reference(features: Tensor) -> Tensor:
    return features / features.square().sum(dim=1, keepdim=True).sqrt()


def _with_zero_rows(rows: Tensor, zero: list[int]) -> Tensor:
    return rows.index_fill(0, torch.tensor(zero), 0.0)


def has_finite_gradients(answer: Any) -> Iterator[Finding]:
    """Examine exercise 6.3 with zero rows among ordinary, faint and bright ones.

    Some entries of the other rows are zero, too, and rows are of two lengths.
    """
    unit_length = quiet_function(answer)
    generator = torch.Generator().manual_seed(0)
    for (count, length), zero in (((12, 5), [2, 7]), ((7, 9), [0, 3, 6])):
        rows = torch.randn(count, length, generator=generator)
        rows[1, 1:3] = 0
        for scale, kind in ((1.0, "ordinary"), (1e-11, "faint"), (1e6, "bright")):
            yield from same_as(unit_length, _reference, rows * scale, f"{kind} rows")
        yield from _leaves_zeros(unit_length, _with_zero_rows(rows, zero), zero)
    alone = torch.zeros(1, 5)
    yield finite_gradients(unit_length, alone, "a single row of zeros")
    yield finite_gradients(unit_length, alone.expand(3, 5), "rows of zeros only")
    yield from same_as(unit_length, _reference, alone + 2, "a single row")


def _leaves_zeros(
    unit_length: Function, mixed: Tensor, zero: list[int]
) -> Iterator[Finding]:
    """Check rows of which some are zero: the gradients, the zeros, and the others."""
    count = len(mixed)
    yield finite_gradients(
        unit_length, mixed, f"{count} rows of which {len(zero)} are zero"
    )
    values, _ = value_and_gradient(unit_length, mixed)
    seen = f"Of {count} rows, {len(zero)} of them zero, it returns {len(values)}."
    yield Finding(seen, len(values) == count, "Return every row.")
    seen = "A row of zeros does not stay zero."
    yield Finding(seen, not values[zero].any(), "Let zeros be zeros.")
    kept = torch.tensor([row for row in range(count) if row not in zero])
    yield from same_as(
        lambda part: unit_length(mixed.index_put((kept,), part))[kept],
        _reference,
        mixed[kept],
        "rows beside a zero row",
    )


_6_3 = Exercise(
    practice="6.3",
    examine=has_finite_gradients,
    hints=(
        "Which two operations in it have no finite slope at a row of zeros?",
        "Choose before you compute: give the root and the division a harmless number "
        "where the row is zero.",
        "squares = features.square().sum(dim=1, keepdim=True); safe = "
        "torch.where(squares > 0, squares, 1.0); return features / safe.sqrt().",
    ),
    reason=(
        "A zero row is divided by one, so neither the root nor the division ever sees "
        "a zero; all other rows are computed as before."
    ),
)

# 6.4 ----------------------------------------------------------------------------


def tells_memorizing_apart(answer: Any) -> Iterator[Finding]:
    """Examine exercise 6.4 with healthy and broken modules, and one-class batches."""
    yield from tells_who_memorizes(quiet_function(answer))


_6_4 = Exercise(
    practice="6.4",
    examine=tells_memorizing_apart,
    hints=(
        "Three things are missing: which images are in the batch, how much of it is "
        "right in the end, and what to do if it holds one class.",
        "batch = next(iter(loader)) is one batch, and DataLoader([batch], "
        "batch_size=None) is a loader that delivers only it. After the training, "
        "trainer.callback_metrics holds what the module logged.",
        'images, labels = batch; if len(labels.unique()) < 2, raise ValueError("one '
        'class"). Fit for 100 epochs on the loader of one batch, without '
        'overfit_batches; return bool(trainer.callback_metrics["train_acc"] >= 0.95).',
    ),
    reason=(
        "One batch is drawn as the loader draws it, its classes are counted before it "
        "is trusted, and only a batch that is known by heart passes."
    ),
    seconds=180,  # more than a thousand short epochs, on a busy machine, too
)

# 6.5 ----------------------------------------------------------------------------

_SLOW = [
    {"loading": 16, "forward": 3},
    {"forward": 16, "backward": 3},
    {"optimizer": 16, "forward": 4},
    {"backward": 16, "loading": 3},
]


def names_the_slowest_part(answer: Any) -> Iterator[Finding]:
    """Examine exercise 6.5 with four loops, each slow in another part."""
    yield from names_the_slowest(quiet_function(answer), _SLOW)


_6_5 = Exercise(
    practice="6.5",
    examine=names_the_slowest_part,
    hints=(
        "Print the names that the profiler recorded. Which of them contain others?",
        "limit_train_batches keeps it short. optimizer_step calls training_step and "
        "backward: what is the optimizer's own?",
        "times = {action.split('.')[-1]: sum(each) for action, each in "
        "profiler.recorded_durations.items()}. The optimizer's own time is "
        "times['optimizer_step'] - times['training_step'] - times['backward'].",
    ),
    reason=(
        "Ten batches are enough, each part is counted alone, and what remains of "
        "optimizer_step is the optimizer's."
    ),
)

EXERCISES = (_6_1, _6_2, _6_3, _6_4, _6_5)
