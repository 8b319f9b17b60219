"""Where the loader that lesson 05 shows resumes exactly, and where it does not."""

import lightning as L
import numpy as np
import pytest
import torch
from learner import lesson_names
from torch.utils.data import DataLoader, Dataset, TensorDataset

from course_utils.checks import Place, resumes_exactly
from course_utils.checks.sample_data import lesson_images

NAMES = lesson_names("05_reproducibility")
DATA = TensorDataset(*lesson_images(160))
VALIDATION = TensorDataset(*lesson_images(20, start=160))
PER_EPOCH = 10
WITHIN, END = Place("batch", 13), Place("epoch", 1)
VALIDATED = Place("validation", 1)


class Validated(NAMES["SavesRandomState"]):
    def validation_step(self, batch, batch_idx):
        self.log("val_loss", self(batch[0]).mean())


class RandomlyBrightened(Dataset):
    def __len__(self):
        return len(DATA)

    def __getitem__(self, index):
        image, label = DATA[index]
        return image * (1 + 0.1 * np.random.uniform()), label


def keeps_place(dataset, **options):
    generator = torch.Generator()
    order = NAMES["SeedsEveryEpoch"](dataset, generator=generator)
    return NAMES["KeepsItsPlace"](
        dataset, 16, sampler=order, generator=generator, **options
    )


class Data(L.LightningDataModule):
    def __init__(self, train):
        super().__init__()
        self.train_dataloader = lambda: train
        self.val_dataloader = lambda: DataLoader(VALIDATION, 20)


def is_exact(place, dataset=DATA, loader=keeps_place, **trainer):
    options = {"num_workers": trainer.pop("num_workers", 0)}

    def build():
        return Validated(), Data(loader(dataset, **options)), []

    found = resumes_exactly(build, [place], **{"max_epochs": 2, **trainer})
    return all([each.ok for each in found])


def shuffles(dataset, **options):
    return DataLoader(dataset, 16, shuffle=True, **options)


@pytest.mark.parametrize("place", [WITHIN, END, VALIDATED], ids=str)
def test_it_is_exact_within_an_epoch_at_its_end_and_after_a_validation(place):
    assert is_exact(place)


def test_it_is_exact_if_validation_interrupts_the_epoch():
    assert is_exact(WITHIN, val_check_interval=0.25)


def test_the_usual_loader_is_exact_at_the_end_of_an_epoch_only():
    places = [END, WITHIN, VALIDATED]
    exact = [is_exact(place, loader=shuffles) for place in places]
    assert exact == [True, False, False]


@pytest.mark.parametrize(("num_workers", "exact"), [(2, True), (0, False)])
def test_random_augmentation_is_replayed_in_workers_only(num_workers, exact):
    augmented = RandomlyBrightened()
    assert is_exact(WITHIN, augmented, num_workers=num_workers) is exact


def test_gradients_that_were_collected_are_lost():
    within = [Place("batch", n) for n in (12, 13)]  # an update after every fourth
    options = {"accumulate_grad_batches": 4, "limit_val_batches": 0}
    assert [is_exact(place, **options) for place in within] == [False, False]
    assert is_exact(Place("batch", 14), **options)  # 4 + 4 + 2, then 4


def test_with_limited_batches_the_next_epoch_begins_elsewhere():
    assert not is_exact(END, limit_train_batches=7)
