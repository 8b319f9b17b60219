"""What exercise 1.2 cannot show: no test loader, rarer leaks, the course's own data."""

import lightning as L
import numpy as np
import pytest
import torch
from torch.utils.data import (
    DataLoader,
    TensorDataset,
    random_split,
)

from course_utils.data.data_module import ImageDataModule
from course_utils.exercises.lesson_01.data_splits import (
    leaves_randomness_alone,
    parts,
    shuffles,
    splits_hold,
)

SAMPLES = TensorDataset(torch.arange(100.0).view(100, 1), torch.arange(100) % 10)


class Base(L.LightningDataModule):
    def split(self, generator=None):
        options = {} if generator is None else {"generator": generator}
        self.train_set, self.val_set = random_split(SAMPLES, [80, 20], **options)

    def train_dataloader(self):
        return DataLoader(self.train_set, 16, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val_set, 16)


class Seeded(Base):
    def setup(self, stage):
        self.split(torch.Generator().manual_seed(0))


class WithTest(Seeded):
    def test_dataloader(self):
        return DataLoader(TensorDataset(torch.arange(200.0, 220.0).view(20, 1)), 16)


class SeedsNumpy(Base):
    def setup(self, stage):
        np.random.seed(0)
        self.split(torch.Generator().manual_seed(0))


class SeedOfTheInstance(Base):
    def setup(self, stage):
        self.split(torch.Generator().manual_seed(id(self) % 2**31))


@pytest.mark.parametrize(("build", "count"), [(Seeded, 4), (WithTest, 7)])
def test_a_split_that_depends_on_a_seed_alone_holds(build, count):
    findings = list(splits_hold(build))
    assert [finding.ok for finding in findings] == [True] * count, findings


def test_a_split_that_depends_on_the_instance_leaks():
    first = next(each for each in splits_hold(SeedOfTheInstance) if not each.ok)
    assert first.seen.startswith("In another instance ")


def test_the_data_module_of_the_course_holds():
    def build():
        return ImageDataModule("embedded", train_size=300, val_size=50, seed=1)

    assert all(finding.ok for finding in splits_hold(build))
    assert leaves_randomness_alone(build).ok
    assert shuffles(build).ok


def test_a_setup_that_seeds_numpy_is_told():
    finding = leaves_randomness_alone(SeedsNumpy)
    assert finding.ok is False
    assert finding.seen == "setup seeds a global random generator."


def test_the_parts_of_a_stage_have_the_names_of_its_loaders():
    assert {name: len(part) for name, part in parts(Seeded(), "fit").items()} == {
        "train": 80,
        "val": 20,
    }
