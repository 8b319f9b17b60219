"""Loaders over a tenth of the data, fair and unfair, the same and another.

Learners' answers of many styles are in `test_exercises_lesson_06`.
"""

import random

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Subset, TensorDataset

from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_06.fixed_subset import is_a_fixed_fraction, numbered

COUNTS = [40, 30, 20, 10]  # 100 images: ten at most
FAIR = [0, 1, 2, 3, 40, 41, 42, 70, 71, 90]


def loader_of(chosen, shuffle=True):
    return lambda dataset: DataLoader(Subset(dataset, chosen), 4, shuffle=shuffle)


class Drifts(torch.utils.data.Sampler):
    """Shows other images from the third epoch on."""

    def __init__(self):
        self.epoch = 0

    def __iter__(self):
        self.epoch += 1
        start = 4 if self.epoch > 2 else 0
        order = torch.randperm(10)
        return iter([[start, 1, 2, 3, 40, 41, 42, 70, 71, 90][i] for i in order])

    def __len__(self):
        return 10


def other_call(dataset):
    other_call.calls = getattr(other_call, "calls", 0) + 1
    return loader_of([*FAIR[:-1], 90 + other_call.calls])(dataset)


def reseeds(dataset):
    torch.manual_seed(0)
    return loader_of(FAIR)(dataset)


def reseeds_numpy(dataset):
    np.random.seed(0)
    return loader_of(FAIR)(dataset)


def reseeds_python(dataset):
    random.seed(0)
    return loader_of(FAIR)(dataset)


def draws(dataset):
    torch.rand(1)
    return loader_of(FAIR)(dataset)


def mixed_up(dataset):
    images, labels = dataset.tensors
    few = TensorDataset(images[FAIR], labels[FAIR].flip(0))
    return DataLoader(few, 4, shuffle=True)


UNFAIR = {
    "too many": (loader_of([*FAIR, 91]), "An epoch has"),
    "too few": (loader_of([0, 40, 70, 90]), "An epoch has"),
    "twice": (loader_of([*FAIR[:-1], 90, 0][1:] + [90]), "An epoch has"),
    "one image twice": (loader_of([0, 0, *FAIR[2:]]), "images come twice in an epoch."),
    "mixed up": (mixed_up, "Labels and images are mixed up."),
    "a class is missing": (loader_of([*FAIR[:-1], 72]), "classes are in it."),
    "another set in the third epoch": (
        lambda dataset: DataLoader(dataset, 4, sampler=Drifts()),
        "different sets of images.",
    ),
    "another set in the second call": (other_call, "A second call shows other images."),
    "reseeds everything": (reseeds, "The call changes the global random state."),
    "reseeds NumPy": (reseeds_numpy, "The call changes the global random state."),
    "reseeds Python": (reseeds_python, "The call changes the global random state."),
    "draws from everybody's generator": (
        draws,
        "The call changes the global random state.",
    ),
    "no shuffling": (loader_of(FAIR, shuffle=False), "different orders."),
}


@pytest.mark.parametrize(
    "make", [loader_of(FAIR), loader_of(FAIR[::-1])], ids=["subset", "reversed"]
)
def test_a_fair_tenth_has_no_fault(make):
    assert [f for f in is_a_fixed_fraction(make, COUNTS) if not f.ok] == []


def test_a_list_of_ready_made_batches_is_a_loader_too():
    def batches(dataset):
        order = torch.tensor(FAIR)

        class Loader:
            def __iter__(self):
                chosen = order[torch.randperm(len(order))]
                parts = [tensor[chosen].split(3) for tensor in dataset.tensors]
                yield from zip(*parts, strict=True)

        return Loader()

    assert [f for f in is_a_fixed_fraction(batches, COUNTS) if not f.ok] == []


@pytest.mark.parametrize(("make", "said"), UNFAIR.values(), ids=UNFAIR)
def test_the_first_fault_is_the_telling_one(make, said):
    faults = [f for f in is_a_fixed_fraction(make, COUNTS) if not f.ok]
    assert said in faults[0].seen
    assert faults[0].remedy


def test_an_empty_loader_and_none_are_the_learners_errors():
    with pytest.raises(LearnerError, match="The loader is empty"):
        list(is_a_fixed_fraction(loader_of([], shuffle=False), COUNTS))
    with pytest.raises(LearnerError, match="The loader raised TypeError"):
        list(is_a_fixed_fraction(lambda dataset: None, COUNTS))


def test_images_carry_their_number_and_labels_are_in_order():
    images, labels = numbered([2, 1]).tensors
    assert images.shape == (3, 1, 2, 2)
    assert images[:, 0, 1, 1].tolist() == [0, 1, 2]
    assert labels.tolist() == [0, 0, 1]
