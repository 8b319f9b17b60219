"""Accumulated gradients that equal the large batch's, and ones that do not."""

import lightning as L
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_utils.exercises.lesson_07.accumulation import (
    accumulates,
    gradients_used,
    mean_gradient,
)


def batches(count, size=4):
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(count * size, 5, generator=generator)
    labels = torch.randint(0, 3, (count * size,), generator=generator)
    return list(zip(images.split(size), labels.split(size), strict=True))


class Net(L.LightningModule):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Linear(5, 3)

    def forward(self, images):
        return self.net(images)

    def loss(self, batch):
        return F.cross_entropy(self(batch[0]), batch[1])

    def training_step(self, batch, batch_idx):
        return self.loss(batch)


class Scaled(Net):
    def training_step(self, batch, batch_idx):
        size = min(4, self.trainer.num_training_batches - batch_idx // 4 * 4)
        return self.loss(batch) * 4 / size


class Summed(Net):
    def training_step(self, batch, batch_idx):
        return F.cross_entropy(self(batch[0]), batch[1], reduction="sum")


class Normalized(Net):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.BatchNorm1d(5), nn.Linear(5, 3))


class Reversed(Net):
    def training_step(self, batch, batch_idx):
        return -self.loss(batch)


class Manual(Net):
    every = 4
    rest = True

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.n = 0

    def training_step(self, batch, batch_idx):
        self.manual_backward(self.loss(batch))
        self.n += 1
        if self.n == self.every or (self.rest and self.trainer.is_last_batch):
            for p in self.parameters():
                p.grad /= self.n
            self.optimizers().step()
            self.optimizers().zero_grad()
            self.n = 0


class Forgets(Manual):
    rest = False


class TooOften(Manual):
    every = 2


class NeverZeroes(Manual):
    def training_step(self, batch, batch_idx):
        self.manual_backward(self.loss(batch) / 4)
        if batch_idx % 4 == 3:
            self.optimizers().step()


FOUR_GROUPS = {  # module and batches: faults found
    "full groups": (Net, 8, []),
    "a leftover": (Net, 6, ["update 2 of 2 used 0.50 times"]),
    "only a leftover": (Net, 1, ["update 1 of 1 used 0.25 times"]),
    "scaled": (Scaled, 6, []),
    "scaled, full": (Scaled, 8, []),
    "by hand": (Manual, 6, []),
    "by hand, forgets": (Forgets, 6, ["6 batches made 1 updates instead of 2."]),
    "by hand, too often": (
        TooOften,
        4,
        ["4 batches made 2 updates instead of 1.", "update 1 of 1"],
    ),
    "by hand, never zeroes": (NeverZeroes, 8, ["update 2 of 2"]),
    "summed": (Summed, 4, ["update 1 of 1 used 4.00 times"]),
    "reversed": (Reversed, 4, ["update 1 of 1 used -1.00 times"]),
    "normalized": (Normalized, 4, ["update 1 of 1"]),
}


@pytest.mark.parametrize(
    ("module", "count", "faults"), FOUR_GROUPS.values(), ids=FOUR_GROUPS
)
def test_each_update_is_held_against_the_large_batch(module, count, faults):
    found = [each for each in accumulates(module(), batches(count), 4) if not each.ok]
    assert len(found) == len(faults)
    for finding, fault in zip(found, faults, strict=True):
        assert fault in finding.seen


def test_the_remedy_tells_a_leftover_from_a_full_group():
    leftover = accumulates(Net(), batches(5), 4)[-1]
    assert leftover.remedy == "Divide the last group by its own number of batches."
    full = accumulates(Summed(), batches(4), 4)[-1]
    assert full.remedy.startswith("Leave full groups to the Trainer")


def test_the_mean_gradient_is_that_of_pencil_and_paper():
    module, [(images, labels)] = Net(), batches(1, size=12)
    errors = module(images).softmax(1) - F.one_hot(labels, 3)
    weight = (errors.T @ images / 12).flatten()
    truth = torch.cat([weight, errors.mean(0)])
    parts = list(zip(images.split(4), labels.split(4), strict=True))
    assert torch.allclose(mean_gradient(module, parts), truth, atol=1e-6)
    [used] = gradients_used(module, parts, 3)
    assert torch.allclose(used, truth, atol=1e-6)


def test_nothing_is_noted_after_the_run():
    module = Net()
    used = gradients_used(module, batches(4), 4)
    torch.optim.SGD(module.parameters(), lr=0.1).step()
    assert len(used) == 1
