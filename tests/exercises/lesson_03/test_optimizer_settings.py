"""What exercise 3.3 cannot show: several groups, schedules, manual optimization."""

import lightning as L
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_03.optimizer_settings import (
    _step,
    obeys_settings,
    obeys_when_resumed,
)
from course_utils.measure import OptimizerRecorder

pytestmark = pytest.mark.slow

FIRST = {"lr": 0.02, "weight_decay": 0.1}
THEN = {"lr": 0.003, "weight_decay": 0.3}
BATCHES = [(torch.randn(8, 6), torch.arange(8) % 3) for _ in range(3)]


class Net(L.LightningModule):
    def __init__(self, lr=1e-3, weight_decay=0.0):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Linear(6, 3)

    def training_step(self, batch, batch_idx):
        return F.cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), **self.hparams)

    def set_again(self):
        for group in self.optimizers().param_groups:
            group.update(self.hparams)


class SetsOnTrainStart(Net):
    def on_train_start(self):
        self.set_again()


class SetsInTheStep(Net):
    def training_step(self, batch, batch_idx):
        self.set_again()
        return super().training_step(batch, batch_idx)


class TwoGroups(SetsOnTrainStart):
    def configure_optimizers(self):
        groups = [{"params": [p]} for p in self.parameters()]
        return torch.optim.Adam(groups, **self.hparams)


class PlainDescent(SetsOnTrainStart):
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), **self.hparams)


class SetsTooLate(Net):
    def on_train_batch_end(self, outputs, batch, batch_idx):
        self.set_again()


class SetsOneGroup(TwoGroups):
    def on_train_start(self):
        self.optimizers().param_groups[0].update(self.hparams)


class ClearsTheState(SetsOnTrainStart):
    def on_load_checkpoint(self, checkpoint):
        checkpoint["optimizer_states"][0]["state"] = {}


class Schedules(Net):
    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


class ReturnsNothing(Net):
    def training_step(self, batch, batch_idx):
        return None


class Manual(Net):
    def __init__(self, lr=1e-3, weight_decay=0.0):
        super().__init__(lr, weight_decay)
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.optimizers().zero_grad()
        self.manual_backward(loss)
        self.optimizers().step()


OBEY = (TwoGroups, PlainDescent, SetsInTheStep, Manual)
DISOBEY = {
    Schedules: "lr=0.02 was asked for, but lr=0.01 used",
}
LISTEN = (
    SetsInTheStep,
    TwoGroups,
    PlainDescent,
)
DO_NOT_LISTEN = {
    SetsTooLate: "lr=0.003 was asked for, but lr=0.02 used",
    SetsOneGroup: "lr=0.003 was asked for, but lr=0.02 used",
    ClearsTheState: "has forgotten the steps before",
}


def name(module_class):
    return getattr(module_class, "__name__", "")


@pytest.mark.parametrize("module_class", OBEY, ids=name)
def test_a_new_run_obeys(module_class):
    assert obeys_settings(module_class, FIRST, BATCHES).ok


@pytest.mark.parametrize(("module_class", "words"), DISOBEY.items(), ids=name)
def test_a_new_run_disobeys(module_class, words):
    found = obeys_settings(module_class, FIRST, BATCHES)
    assert (found.ok, words in str(found)) == (False, True), found


def test_a_step_without_loss_is_no_obedience():
    found = obeys_settings(ReturnsNothing, FIRST, BATCHES)
    assert not found.ok


@pytest.mark.parametrize("module_class", LISTEN, ids=name)
def test_a_resumed_run_listens(module_class):
    found = obeys_when_resumed(module_class, FIRST, THEN, BATCHES)
    assert all(each.ok for each in found), [str(each) for each in found]


@pytest.mark.parametrize(("module_class", "words"), DO_NOT_LISTEN.items(), ids=name)
def test_a_resumed_run_does_not_listen(module_class, words):
    found = obeys_when_resumed(module_class, FIRST, THEN, BATCHES)
    bad = [str(each) for each in found if not each.ok]
    assert len(bad) == 1
    assert words in bad[0]


def test_an_error_while_resuming_is_told():
    class Raises(Net):
        def on_load_checkpoint(self, checkpoint):
            raise KeyError("momentum")

    with pytest.raises(LearnerError, match="Resuming raised KeyError: 'momentum'"):
        obeys_when_resumed(Raises, FIRST, THEN, BATCHES)


def test_steps_are_counted_as_the_optimizer_counts_them():
    weight = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.Adam([weight], lr=0.5)
    with OptimizerRecorder(_step) as steps:
        for _ in range(3):
            weight.grad = torch.ones(2)
            optimizer.step()
            optimizer.param_groups[0]["lr"] /= 2
    weight.grad = torch.ones(2)
    optimizer.step()
    assert [step.remembered for step in steps.values] == [1, 2, 3]
    assert [step.groups[0]["lr"] for step in steps.values] == [0.5, 0.25, 0.125]
