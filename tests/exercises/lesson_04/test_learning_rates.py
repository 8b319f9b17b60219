"""Schedules that are applied as planned and ones that are not."""

import lightning as L
import pytest
import torch
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader

from course_utils.checks.fit import settings_by_group
from course_utils.exercises.lesson_04.learning_rates import (
    falls_on_a_line,
    same_rates_in_two_processes,
)

LOADER = DataLoader(torch.ones(8, 1), batch_size=2)


class Net(L.LightningModule):
    def __init__(self, schedule=None):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.schedule = schedule

    def training_step(self, batch, batch_idx):
        return (self.weight * batch).sum()

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=1.0)
        made = self.schedule and self.schedule(self, optimizer)
        return [optimizer], [made] if made else []


def updates(module):
    return module.trainer.estimated_stepping_batches


def linear(module, optimizer):
    n = updates(module)
    return {"scheduler": lr_scheduler.PolynomialLR(optimizer, n), "interval": "step"}


def one_cycle(module, optimizer):
    cycle = lr_scheduler.OneCycleLR(optimizer, 1.0, int(updates(module)))
    return {"scheduler": cycle, "interval": "step"}


def by_batch(module, optimizer):
    return {**linear(module, optimizer), "frequency": 2}


def halving(module, optimizer):
    return {"scheduler": lr_scheduler.StepLR(optimizer, 1, 0.5), "interval": "step"}


TABLE = {  # schedule: is it a line to zero, and what is said if not
    "linear": (linear, True, "all 8 rates are as planned."),
    "one cycle": (one_cycle, False, "the first update had the rate 0.0400 instead of"),
    "every second": (by_batch, False, "update 8 of 8 had the rate 0.6250 instead"),
    "halving": (halving, False, "update 3 of 8 had the rate 0.2500 instead of 0.7500"),
}


@pytest.mark.parametrize(("schedule", "ok", "said"), TABLE.values(), ids=TABLE)
def test_a_schedule_is_held_against_its_plan(schedule, ok, said):
    [group] = settings_by_group(Net(schedule), LOADER, max_epochs=2)
    rates = [rate for _, rate, _ in group]
    finding = falls_on_a_line(rates, 1.0, "2 epochs")
    assert said in f"{finding.seen} {finding.remedy}"
    assert finding.ok is ok


@pytest.mark.parametrize(("updates", "ok"), [(0, False), (1, True)])
def test_one_update_begins_a_line_and_none_is_no_line(updates, ok):
    assert falls_on_a_line([1.0] * updates, 1.0, "1 epoch").ok is ok


class Plateau(Net):
    def __init__(self, sync):
        super().__init__()
        self.sync = sync

    def on_train_epoch_end(self):
        sign = 1 if self.global_rank else -1  # it rises here, and falls there
        loss = float(10 + sign * self.trainer.current_epoch)
        self.log("loss", loss, sync_dist=self.sync)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=1.0)
        plateau = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
        schedule = {"scheduler": plateau, "monitor": "loss"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}


@pytest.mark.parametrize(("sync", "apart"), [(True, 0), (False, 4)])
def test_a_plateau_on_an_unsynced_loss_parts_the_processes(sync, apart):
    finding = same_rates_in_two_processes(Plateau(sync), LOADER, max_epochs=4)
    assert finding.ok is sync
    assert f"differ in {apart} of 8 updates." in finding.seen
