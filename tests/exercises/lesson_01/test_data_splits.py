"""Which ways of splitting leak, and what is said about each."""

import lightning as L
import numpy as np
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    SequentialSampler,
    Subset,
    TensorDataset,
    random_split,
)

from course_utils.checks.learner_code import CannotCheck, LearnerError
from course_utils.checks.sample_digests import digests
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


class SeededInInit(Base):
    def __init__(self):
        super().__init__()
        self.split(torch.Generator().manual_seed(0))


class DropsTheLastBatch(Seeded):
    def train_dataloader(self):
        return DataLoader(self.train_set, 16, shuffle=True, drop_last=True)


class ByNumpy(Base):
    def setup(self, stage):
        order = np.random.default_rng(0).permutation(100).tolist()
        self.train_set, self.val_set = (
            Subset(SAMPLES, order[:80]),
            Subset(SAMPLES, order[80:]),
        )


class WithTest(Seeded):
    def test_dataloader(self):
        return DataLoader(TensorDataset(torch.arange(200.0, 220.0).view(20, 1)), 16)


class Anew(Base):
    def setup(self, stage):
        self.split()


class OncePerInstance(Base):
    def setup(self, stage):
        if not hasattr(self, "val_set"):
            self.split()


class InPrepareData(Base):
    def prepare_data(self):
        self.split(torch.Generator().manual_seed(0))


class SeedsGlobally(Base):
    def setup(self, stage):
        torch.manual_seed(0)
        self.split()


class SeedsNumpy(Base):
    def setup(self, stage):
        np.random.seed(0)
        self.split(torch.Generator().manual_seed(0))


class SeedOfTheInstance(Base):
    def setup(self, stage):
        self.split(torch.Generator().manual_seed(id(self) % 2**31))


class Overlaps(Seeded):
    def val_dataloader(self):
        return DataLoader(Subset(SAMPLES, range(20)), 16)


class TestsOnTraining(Seeded):
    def test_dataloader(self):
        return DataLoader(self.train_set, 16)


class TestsOnValidation(Seeded):
    def test_dataloader(self):
        return DataLoader(self.val_set, 16)


class EmptyVal(Seeded):
    def val_dataloader(self):
        return DataLoader(Subset(SAMPLES, []), 16)


HOLD = (Seeded, SeededInInit, DropsTheLastBatch, ByNumpy, WithTest, SeedsGlobally)


@pytest.mark.parametrize("build", HOLD)
def test_a_split_that_depends_on_a_seed_alone_holds(build):
    findings = list(splits_hold(build))
    assert all(finding.ok is True for finding in findings), [*map(str, findings)]
    assert len(findings) == (7 if build is WithTest else 4)


LEAK = {
    Anew: "of 20 validation samples of a later stage had been trained on. Draw the",
    OncePerInstance: "In another instance ",
    SeedOfTheInstance: "In another instance ",
    Overlaps: "of 20 validation samples had been trained on. Give each sample to one",
    TestsOnTraining: "80 of 80 test samples had been trained on. Give each sample to",
    TestsOnValidation: "20 of 20 test samples are validation samples. Give each",
}


@pytest.mark.parametrize(("build", "words"), LEAK.items())
def test_a_leak_is_counted(build, words):
    first = next(each for each in splits_hold(build) if each.ok is not True)
    assert first.ok is False
    assert words in str(first)


def test_state_that_only_prepare_data_made_is_missing_elsewhere():
    with pytest.raises(LearnerError, match="prepare_data was not called, train_da"):
        list(splits_hold(InPrepareData))


def test_a_part_without_samples_is_named():
    with pytest.raises(LearnerError, match="val_dataloader delivers no samples."):
        list(splits_hold(EmptyVal))


def test_an_error_in_setup_is_named_with_its_stage():
    class Broken(Base):
        def setup(self, stage):
            raise KeyError(stage)

    with pytest.raises(LearnerError, match=r"setup\('fit'\) raised KeyError: 'fit'"):
        list(splits_hold(Broken))


def test_the_data_module_of_the_course_holds():
    def build():
        return ImageDataModule("embedded", train_size=300, val_size=50, seed=1)

    assert all(finding.ok for finding in splits_hold(build))
    assert leaves_randomness_alone(build).ok
    assert shuffles(build).ok


@pytest.mark.parametrize("build", [Seeded, SeededInInit, ByNumpy, Anew])
def test_a_setup_without_a_global_seed_leaves_randomness_alone(build):
    assert leaves_randomness_alone(build).ok is True


@pytest.mark.parametrize("build", [SeedsGlobally, SeedsNumpy])
def test_a_setup_that_seeds_a_global_generator_is_told(build):
    finding = leaves_randomness_alone(build)
    assert (finding.ok, finding.seen) == (
        False,
        "setup seeds a global random generator.",
    )


def test_a_training_loader_in_fixed_order_is_told():
    class Fixed(Seeded):
        def train_dataloader(self):
            return DataLoader(self.train_set, 16)

    assert shuffles(Seeded).ok is True
    finding = shuffles(Fixed)
    assert str(finding).endswith(
        "Two epochs of training come in the same order. Give the training loader "
        "shuffle=True."
    )


def test_a_digest_is_that_of_the_bytes_of_a_sample():
    import hashlib

    loader = DataLoader(SAMPLES, 3)
    expected = [hashlib.sha1(np.float32(i).tobytes()).digest() for i in range(100)]
    assert digests(loader) == expected
    assert digests([{"x": row} for row in SAMPLES.tensors[0].split(7)]) == expected


def test_a_batch_sampler_of_ones_own_is_followed():
    sampler = BatchSampler(SequentialSampler(range(10)), 4, drop_last=True)
    loader = DataLoader(SAMPLES, batch_sampler=sampler)
    assert len(digests(loader)) == 10
    assert len(digests(DataLoader(SAMPLES, batch_size=None))) == 100


def test_batches_without_tensors_cannot_be_checked():
    with pytest.raises(CannotCheck, match="the batches hold none"):
        digests(["text"])


def test_the_parts_of_a_stage_have_the_names_of_its_loaders():
    assert {name: len(part) for name, part in parts(Seeded(), "fit").items()} == {
        "train": 80,
        "val": 20,
    }
