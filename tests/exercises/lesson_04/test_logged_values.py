"""What exercise 4.1 cannot show of the check behind it."""

import lightning as L
import pytest
import torch
from torch.nn import functional as F

from course_utils.exercises.lesson_04.logged_values import (
    logs_each_step,
    logs_the_epoch_mean,
    training_log,
)

IMAGES = torch.rand(11, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(11) % 3
BATCHES = [*zip(IMAGES.split([5, 5, 1]), LABELS.split([5, 5, 1]), strict=True)]


class Net(L.LightningModule):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.net = torch.nn.Linear(4, 3)
        self.losses = []

    def training_step(self, batch, batch_idx):
        loss = F.cross_entropy(self.net(batch[0]), batch[1])
        self.tell(loss, batch_idx)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.5)


class Both(Net):
    def tell(self, loss, i):
        self.log("loss", loss, on_step=True, on_epoch=True)


class SkipsTheFirst(Net):
    def tell(self, loss, i):
        self.log("loss_epoch", loss, on_step=False, on_epoch=True)
        if i:
            self.log("loss_step", loss)


class Default(Net):
    def tell(self, loss, i):
        self.log("loss", loss)


class Rounded(Net):
    def tell(self, loss, i):
        self.log("loss", loss.round(decimals=2), on_step=True, on_epoch=True)


class Summed(Net):
    def tell(self, loss, i):
        self.log("loss_step", loss)
        self.log("loss_epoch", loss, on_step=False, on_epoch=True, reduce_fx="sum")


class Silent(Net):
    def tell(self, loss, i):
        pass


FINE = "got 'loss_step' in each step."
MEAN = "Average over the samples of the epoch."
TABLE = [  # class, what is said of steps, what of epochs ("" if right)
    (Both, FINE, ""),
    (Default, "The logger got no 'loss_step'; it got loss, epoch.", "only loss."),
    (SkipsTheFirst, "The logger got 'loss_step' 4 times in 6 steps.", ""),
    (Rounded, "in each step, but not the loss of that batch.", MEAN),
    (Summed, FINE, "This is a sum over the batches, not a mean."),
    (Silent, "The logger got no 'loss_step'; it got nothing.", "only nothing."),
]


@pytest.mark.parametrize(("kind", "steps", "epochs"), TABLE)
def test_a_module_is_told_what_it_logs(kind, steps, epochs):
    log = training_log(kind(), BATCHES)
    by_step = logs_each_step(log, "loss_step")
    assert steps in by_step.seen
    assert by_step.ok is (steps == FINE)
    means = logs_the_epoch_mean(log, "loss_epoch")
    assert [m.ok for m in means] == [not epochs] * 2, means
    assert epochs in f"{means[0].seen} {means[0].remedy}"


def test_the_mean_of_a_log_is_that_of_its_samples():
    class Still(Both):
        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.0)

    module = Still()
    truth = F.cross_entropy(module.net(IMAGES), LABELS).item()
    log = training_log(module, BATCHES, epochs=1)
    [value] = [finding for finding in logs_the_epoch_mean(log, "loss_epoch")]
    assert f"the exact value is {truth:.3f}." in value.seen
    assert log.sizes == [[5, 5, 1]]
