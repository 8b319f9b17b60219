"""What exercise 6.2 cannot show of the check behind it."""

import pytest
import torch
from torch.utils.data import DataLoader, Subset

from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_06.fixed_subset import is_a_fixed_fraction, numbered

COUNTS = [40, 30, 20, 10]  # 100 images: ten at most
FAIR = [0, 1, 2, 3, 40, 41, 42, 70, 71, 90]


def loader_of(chosen):
    return lambda dataset: DataLoader(Subset(dataset, chosen), 4, shuffle=True)


def drifts(dataset):
    """Show other images from the third epoch on."""
    epochs = iter([FAIR, FAIR, [4, *FAIR[1:]]])

    class Sampler(torch.utils.data.Sampler):
        def __iter__(self):
            chosen = next(epochs)
            return iter([chosen[i] for i in torch.randperm(10)])

        def __len__(self):
            return 10

    return DataLoader(dataset, 4, sampler=Sampler())


def draws(dataset):
    torch.rand(1)
    return loader_of(FAIR)(dataset)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (loader_of([*FAIR, 91]), "An epoch has 11 of 100 images; 10% are 10."),
        (drifts, "Three epochs show 2 different sets of images."),
        (draws, "The call changes the global random state."),
    ],
    ids=["too many", "another set in the third epoch", "draws globally"],
)
def test_the_first_fault_is_the_telling_one(make, said):
    faults = [f.seen for f in is_a_fixed_fraction(make, COUNTS) if not f.ok]
    assert faults[0] == said


def test_an_empty_loader_is_the_learners_error():
    with pytest.raises(LearnerError, match="The loader is empty"):
        list(is_a_fixed_fraction(lambda dataset: DataLoader([]), COUNTS))


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


def test_images_carry_their_number_and_labels_are_in_order():
    images, labels = numbered([2, 1]).tensors
    assert images.shape == (3, 1, 2, 2)
    assert images[:, 0, 1, 1].tolist() == [0, 1, 2]
    assert labels.tolist() == [0, 0, 1]
