"""Gradients that say something about the labels, and gradients that do not."""

import copy

import lightning as L
import torch
from torch import nn
from torch.nn import functional as F

from course_utils.exercises.lesson_08.labels_reach_weights import heeds_the_labels

torch.manual_seed(0)
IMAGES, LABELS = torch.randn(32, 8), torch.randint(3, (32,))


class Net(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(8, 8), nn.Linear(8, 3)
        self.drop = nn.Dropout()

    def forward(self, inputs):
        return self.head(self.drop(self.first(inputs).relu()))

    def training_step(self, batch, batch_idx):
        return F.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class OnlyAPenalty(Net):
    def forward(self, inputs):
        return self.head(self.first(inputs).detach())

    def training_step(self, batch, batch_idx):
        penalty = sum(param.square().sum() for param in self.parameters())
        return super().training_step(batch, batch_idx) + penalty


class ByHand(OnlyAPenalty):
    def on_before_optimizer_step(self, optimizer):
        self.first.weight.grad = torch.randn(8, 8)


class Frozen(Net):
    def __init__(self):
        super().__init__()
        self.first.requires_grad_(False)


class Manual(Net):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        self.manual_backward(super().training_step(batch, batch_idx))
        self.optimizers().step()


def asked(kind):
    def make():
        torch.manual_seed(0)
        return kind()

    return heeds_the_labels(make, IMAGES, LABELS, (LABELS + 1) % 3)


def test_the_error_of_predictions_reaches_every_weight():
    assert asked(Net).ok
    assert asked(Manual).ok


def test_what_ignores_the_labels_is_named():
    for kind in (OnlyAPenalty, ByHand, Frozen):
        finding = asked(kind)
        assert finding.ok is False
        assert "first.weight hardly depends" in finding.seen
        assert "head" not in finding.seen


def test_two_runs_with_the_same_labels_are_the_same():
    torch.manual_seed(0)
    net = Net()
    finding = heeds_the_labels(lambda: copy.deepcopy(net), IMAGES, LABELS, LABELS)
    assert finding.ok is False  # dropout drops the same, so nothing differs
