import lightning as L
import pytest
from torch.utils.data import DataLoader

from course_utils.exercises.lesson_13.tunable_batch_size import (
    found_and_delivered,
    size_that_user_asks_for,
)


class Obeys(L.LightningDataModule):
    def __init__(self, dataset, batch_size=32):
        super().__init__()
        self.dataset, self.batch_size = dataset, batch_size

    def train_dataloader(self):
        return DataLoader(self.dataset, self.batch_size)


class Fixed(Obeys):
    def train_dataloader(self):
        return DataLoader(self.dataset, 32)


class OneLess(Obeys):
    def train_dataloader(self):
        return DataLoader(self.dataset, max(self.batch_size - 1, 1))


@pytest.mark.parametrize(("limit", "best"), [(100, 64), (128, 128), (300, 256)])
def test_the_finder_finds_the_largest_power_of_two_that_fits(limit, best):
    found, delivered = found_and_delivered(Obeys, limit)
    assert found.ok
    assert delivered.ok
    assert delivered.seen.startswith(f"The finder found {best},")


def test_a_module_with_a_fixed_size_lets_the_finder_run_to_its_own_limit():
    found, delivered = found_and_delivered(Fixed, 100)
    assert found.ok is False
    assert delivered.ok is False


def test_a_loader_of_another_size_than_found_is_seen():
    _, delivered = found_and_delivered(OneLess, 100)
    assert delivered.ok is False


@pytest.mark.parametrize(
    ("make", "ok"), [(Obeys, True), (Fixed, False), (OneLess, False)]
)
def test_the_users_size_must_be_delivered(make, ok):
    assert size_that_user_asks_for(make, 48).ok is ok
