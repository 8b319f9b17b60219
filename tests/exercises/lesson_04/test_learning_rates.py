"""Schedules that are applied as planned and ones that are not."""

import lightning as L
import pytest
import torch
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader

from course_utils.checks.fit import applied_rates
from course_utils.exercises.lesson_04.learning_rates import (
    rates_are_logged,
    rates_follow,
    same_rates_in_two_processes,
)
from course_utils.measure import AppliedRates, InMemoryLogger

LOADER = DataLoader(torch.ones(8, 1), batch_size=2)


class Net(L.LightningModule):
    def __init__(self, schedule=None, log=None):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.schedule, self.how = schedule, log

    def training_step(self, batch, batch_idx):
        if self.how == "applied":
            self.log("lr", self.optimizers().param_groups[0]["lr"])
        if self.how == "constant":
            self.log("lr", 1.0)
        return (self.weight * batch).sum()

    def on_train_batch_end(self, *_):
        if self.how == "late":
            self.log("lr", self.optimizers().param_groups[0]["lr"])

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


def per_epoch(module, optimizer):
    return linear(module, optimizer)["scheduler"]


def too_long(module, optimizer):
    polynomial = lr_scheduler.PolynomialLR(optimizer, 100)
    return {"scheduler": polynomial, "interval": "step"}


def by_batch(module, optimizer):
    return {**linear(module, optimizer), "frequency": 2}


def halving(module, optimizer):
    return {"scheduler": lr_scheduler.StepLR(optimizer, 1, 0.5), "interval": "step"}


def plan(i, n):
    return 1 - i / n


TABLE = {  # schedule: is it a line to zero, and what is said if not
    "linear": (linear, True, "all 8 rates are as planned."),
    "one cycle": (one_cycle, False, "update 1 of 8 had the rate 0.0400 instead"),
    "per epoch": (per_epoch, False, 'unless its "interval" is "step".'),
    "too long": (too_long, False, "Count the updates of the whole run"),
    "every second": (by_batch, False, "update 2 of 8 had the rate 1.0000"),
    "halving": (halving, False, "update 2 of 8 had the rate 0.5000"),
    "none": (None, False, "there was 1 rate. Return a scheduler that changes it."),
}


@pytest.mark.parametrize(("schedule", "ok", "said"), TABLE.values(), ids=TABLE)
def test_a_schedule_is_held_against_its_plan(schedule, ok, said):
    rates = applied_rates(Net(schedule), LOADER, max_epochs=2)
    finding = rates_follow(rates, plan, 1e-6, "2 epochs")
    assert finding.ok is ok
    assert said in f"{finding.seen} {finding.remedy}"


@pytest.mark.parametrize("schedule", [linear, one_cycle])
def test_applied_rates_are_those_of_a_plain_loop(schedule):
    class Stub:
        class trainer:
            estimated_stepping_batches = 8

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    scheduler = schedule(Stub, optimizer)["scheduler"]
    truth = []
    for _ in range(8):
        truth.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert applied_rates(Net(schedule), LOADER, max_epochs=2) == pytest.approx(truth)


def test_accumulated_batches_make_one_update():
    rates = applied_rates(Net(linear), LOADER, max_epochs=2, accumulate_grad_batches=2)
    assert rates == pytest.approx([1, 0.75, 0.5, 0.25])


def test_nothing_is_noted_after_the_block():
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.25)
    with AppliedRates() as rates:
        optimizer.step()
    optimizer.step()
    assert rates.values == [0.25]


def test_a_run_without_updates_is_no_schedule():
    assert rates_follow([], plan, 1.0, "1 epoch").ok is False


LOGS = {
    "applied": (True, "The logger got every rate as 'lr'."),
    "late": (False, "It is the next update's rate"),
    "constant": (False, "Read it from the optimizer's param_groups"),
    None: (False, "The logger got 'lr' 0 times in 8 updates."),
}


@pytest.mark.parametrize("how", LOGS)
def test_what_is_logged_is_held_against_what_was_applied(how):
    ok, said = LOGS[how]
    book = InMemoryLogger()
    rates = applied_rates(Net(linear, how), LOADER, book, max_epochs=2)
    finding = rates_are_logged(rates, book, "lr")
    assert finding.ok is ok
    assert said in f"{finding.seen} {finding.remedy}"


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


def test_a_module_without_an_optimizer_applies_no_rate():
    class NoOptimizer(Net):
        def configure_optimizers(self):
            return None

    assert applied_rates(NoOptimizer(), LOADER, max_epochs=1) == []
