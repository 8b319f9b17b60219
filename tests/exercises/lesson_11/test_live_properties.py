"""Attributes that stay true when a module changes, and ones that go stale."""

import functools

import lightning as L
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_11.live_properties import (
    is_none_without_training,
    read,
    reads_cheaply,
    stays_true,
    tells_the_rate,
)

LOADER = DataLoader(TensorDataset(torch.ones(4, 2), torch.ones(4)), batch_size=1)


class Base(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(2, 1)

    def forward(self, x):
        return self.head(x)

    def training_step(self, batch, batch_idx):
        return self(batch[0]).sum()

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=1.0)
        halves = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
        return [optimizer], [{"scheduler": halves, "interval": "step"}]


def truth(module):
    return sum(p.numel() for p in module.parameters())


class Recounts(Base):
    @property
    def weights(self):
        return sum(p.numel() for p in self.parameters())


class CountsWithNumpy(Base):
    @property
    def weights(self):
        import numpy as np

        return sum(np.prod(p.shape) for p in self.parameters())


class CountsTheState(Base):
    @property
    def weights(self):
        return sum(each.numel() for each in self.state_dict().values())


class Copies(Base):
    @property
    def weights(self):
        return nn.utils.parameters_to_vector(self.parameters()).numel()


class Remembers(Base):
    @property
    def weights(self):
        self.last = truth(self)
        return self.last


class Notes(Base):
    def __init__(self):
        super().__init__()
        self.weights = truth(self)


class ReadsANote(Notes):
    noted = 3

    @property
    def weights(self):
        return self.noted

    @weights.setter
    def weights(self, value):
        self.noted = value


class Caches(Base):
    @functools.cached_property
    def weights(self):
        return truth(self)


class ALittleOff(Base):
    @property
    def weights(self):
        return truth(self) + 0.001


def bigger(module):
    module.head = nn.Linear(2, 5)


CHANGES = {"with a bigger head": bigger, "after half()": lambda module: module.half()}
COUNTS = {  # module: right at first, with a bigger head, after half(); is it cheap
    Recounts: ([True, True, True], True),
    CountsWithNumpy: ([True, True, True], True),
    CountsTheState: ([True, True, True], True),
    Copies: ([True, True, True], False),
    Remembers: ([True, True, True], False),
    Notes: ([True, False, False], True),
    ReadsANote: ([True, False, False], True),
    Caches: ([True, False, False], False),
    ALittleOff: ([False, False, False], True),
}


@pytest.mark.parametrize(("build", "expected"), COUNTS.items())
def test_an_attribute_is_compared_with_a_recount_after_each_change(build, expected):
    findings = list(stays_true(build(), "weights", truth, CHANGES))
    assert [finding.ok for finding in findings] == expected[0]
    assert reads_cheaply(build(), "weights").ok is expected[1]


def test_the_message_names_both_numbers():
    _, finding, _ = stays_true(Notes(), "weights", truth, CHANGES)
    assert finding.seen == "With a bigger head weights says 3; it is 15."


def test_an_error_inside_a_property_comes_with_its_own_text():
    class Misspells(Base):
        @property
        def weights(self):
            return self.haed.weight.numel()

    with pytest.raises(LearnerError, match="has no attribute 'haed'"):
        read(Misspells(), "weights")


def test_a_missing_attribute_and_a_method_are_told():
    class Method(Base):
        def weights(self):
            return truth(self)

    with pytest.raises(LearnerError, match="has no attribute 'weights'"):
        read(Base(), "weights")
    with pytest.raises(LearnerError, match="but it is a method; put @property above"):
        read(Method(), "weights")


class AsksTheOptimizer(Base):
    @property
    def rate(self):
        found = self._trainer.optimizers if self._trainer else []
        return found[0].param_groups[0]["lr"] if found else None


class KeepsTheOptimizer(Base):
    made = None

    def configure_optimizers(self):
        made = super().configure_optimizers()
        self.made = made[0][0]
        return made

    @property
    def rate(self):
        return self.made.param_groups[0]["lr"] if self.made else None


class SaysTheFirst(Base):
    rate = 1.0


class SaysText(Base):
    rate = "1.0"


class NeedsATrainer(Base):
    @property
    def rate(self):
        return self.optimizers().param_groups[0]["lr"]


RATES = {  # module: right in training, what is said
    AsksTheOptimizer: (True, "rate was right at all updates."),
    KeepsTheOptimizer: (True, "rate was right at all updates."),
    NeedsATrainer: (True, "rate was right at all updates."),
    SaysTheFirst: (False, "wrong at 3 of 4 updates: before update 2 it said 1.00000"),
    SaysText: (False, "wrong at 4 of 4 updates: before update 1 it said '1.0'"),
}


@pytest.mark.parametrize(("build", "expected"), RATES.items())
def test_a_rate_is_compared_with_the_one_that_is_applied(build, expected):
    finding = tells_the_rate(build(), LOADER, "rate", epochs=1)
    assert (finding.ok, expected[1] in finding.seen) == (expected[0], True), finding


@pytest.mark.parametrize("build", [AsksTheOptimizer, KeepsTheOptimizer])
def test_without_training_there_is_no_rate(build):
    assert all(f.ok for f in is_none_without_training(build(), LOADER, "rate"))


def test_a_rate_without_training_is_told():
    findings = list(is_none_without_training(SaysTheFirst(), LOADER, "rate"))
    assert [finding.ok for finding in findings] == [False, False]
    assert findings[0].seen == "Without a Trainer rate says 1.0; it is None."
    with pytest.raises(LearnerError, match="Reading rate raised RuntimeError: "):
        list(is_none_without_training(NeedsATrainer(), LOADER, "rate"))
