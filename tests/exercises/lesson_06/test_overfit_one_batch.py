"""What exercise 6.4 cannot show of the check behind it."""

import lightning as L
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_utils.exercises.lesson_06.overfit_one_batch import overfits

pytestmark = pytest.mark.slow

INPUTS = torch.randn(192, 64, generator=torch.Generator().manual_seed(0))
LABELS = torch.randint(10, (192,), generator=torch.Generator().manual_seed(1))
HIDDEN = 64 * 80 + 80
LAST = 80 * 10 + 10


class Healthy(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.hidden, self.last = nn.Linear(64, 80), nn.Linear(80, 10)

    def forward(self, inputs):
        return self.last(self.hidden(inputs).relu())

    def training_step(self, batch, batch_idx):
        return F.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-2)


class ReturnsADict(Healthy):
    def training_step(self, batch, batch_idx):
        loss = F.cross_entropy(self(batch[0]), batch[1], reduction="sum")
        return {"loss": loss}


class BySGD(Healthy):
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.5, momentum=0.9)


class ByHand(Healthy):
    automatic_optimization = False

    def training_step(self, batch, batch_idx):
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(super().training_step(batch, batch_idx))
        optimizer.step()


class Climbs(Healthy):
    def training_step(self, batch, batch_idx):
        return -super().training_step(batch, batch_idx)


class HardlyMoves(Healthy):
    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-6)


class OnlyLooksRight(Healthy):
    """Its loss falls to nothing, for it is not that of the labels."""

    def training_step(self, batch, batch_idx):
        return self(batch[0]).square().mean()


SOUND = [Healthy, ReturnsADict, BySGD, ByHand]


def findings(kind, **options):
    torch.manual_seed(0)
    return overfits(kind(), (INPUTS, LABELS), steps=120, **options)


@pytest.mark.parametrize("kind", SOUND)
def test_a_sound_module_learns_the_batch_by_heart(kind):
    found = findings(kind, layers=2)
    assert [(each.ok, each.remedy) for each in found] == [(True, "")] * 3
    assert "its accuracy is 1.00" in found[-1].seen


@pytest.mark.parametrize("kind", [Climbs, HardlyMoves, OnlyLooksRight])
def test_a_stuck_module_does_not_though_its_weights_learn(kind):
    learning, layers, by_heart = findings(kind, rounds=1)
    assert by_heart.ok is False
    assert learning.seen.startswith(f"{HIDDEN + LAST:,} weights learn")
    assert learning.ok is True
    assert layers.ok is True


def test_too_few_learning_layers_are_a_fault_though_the_batch_is_known():
    assert [each.ok for each in findings(Healthy, layers=3)] == [True, False, True]


def test_a_slow_optimizer_gets_its_time():
    class Slow(Healthy):
        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    by_heart = findings(Slow)[-1]
    assert by_heart.ok
    assert not by_heart.seen.startswith("After 120 steps")


def test_the_batch_stays_as_it_was():
    before = INPUTS.clone()

    class Spoils(Healthy):
        def training_step(self, batch, batch_idx):
            batch[0].zero_()
            return super().training_step(batch, batch_idx)

    assert findings(Spoils)[-1].ok is False
    assert torch.equal(INPUTS, before)


def test_without_a_forward_pass_nothing_is_decided():
    class Headless(L.LightningModule):
        pass

    assert [finding.ok for finding in findings(Headless)] == [None]


def test_a_frozen_part_stays_in_evaluation_mode():
    module = Healthy()
    module.frozen = nn.Dropout().eval()
    overfits(module, (INPUTS, LABELS), steps=1, rounds=1)
    assert (module.training, module.frozen.training) == (True, False)
