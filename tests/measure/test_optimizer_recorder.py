"""What the log notes of optimizers, whoever owns and calls them."""

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader

from course_utils.hardware import quiet_trainer
from course_utils.measure import OptimizerSteps, UpdateLog


class Weight(L.LightningModule):
    """One weight; the loss of a batch is weight times batch, so its gradient is 3."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([1.0]))

    def training_step(self, batch, batch_idx):
        return (self.weight * batch).sum()

    def configure_optimizers(self):
        return torch.optim.SGD([self.weight], lr=0.5)


class OwnsItsOptimizer(Weight):
    def training_step(self, batch, batch_idx):
        optimizer = torch.optim.SGD([self.weight], lr=0.5)
        optimizer.zero_grad()
        super().training_step(batch, batch_idx).backward()
        optimizer.step()

    def configure_optimizers(self):
        return None


class Fails(Weight):
    def training_step(self, batch, batch_idx):
        raise RuntimeError("broken")


def log_of(module, batches=4, **flags):
    log = UpdateLog()
    options = quiet_trainer(accelerator="cpu", max_epochs=1, callbacks=[log], **flags)
    L.Trainer(**options).fit(module, DataLoader([torch.tensor(3.0)] * batches, None))
    return log


def test_every_batch_is_an_update_with_the_gradient_by_hand():
    log = log_of(Weight())
    assert (log.norms, log.so_far) == ([3.0] * 4, [1, 2, 3, 4])
    assert log.changed == [True] * 4


def test_under_accumulation_gradients_are_averaged_and_updates_rarer():
    log = log_of(Weight(), accumulate_grad_batches=2)
    assert (log.norms, log.so_far) == ([3.0, 3.0], [0, 1, 1, 2])
    assert log.changed == [False, True, False, True]


def test_clipping_is_seen_as_the_optimizer_sees_it():
    assert log_of(Weight(), gradient_clip_val=0.5).norms == pytest.approx([0.5] * 4)


def test_an_optimizer_of_the_module_is_heard_and_the_stand_in_is_not():
    log = log_of(OwnsItsOptimizer())
    assert (log.norms, log.so_far) == ([3.0] * 4, [1, 2, 3, 4])


def assert_deaf(log):
    before = list(log.norms)
    weight = torch.nn.Parameter(torch.ones(1))
    weight.sum().backward()
    torch.optim.SGD([weight], lr=0.1).step()
    assert log.norms == before


def test_nothing_is_heard_after_the_fit():
    assert_deaf(log_of(Weight()))


def test_nothing_is_heard_after_a_fit_that_failed():
    log = UpdateLog()
    options = quiet_trainer(accelerator="cpu", max_epochs=1, callbacks=[log])
    with pytest.raises(RuntimeError, match="broken"):
        L.Trainer(**options).fit(Fails(), DataLoader([torch.tensor(3.0)], None))
    assert_deaf(log)


class Clips(torch.optim.SGD):
    """Its step calls that of its base."""

    def step(self, closure=None):
        return super().step(closure)


class Two(torch.optim.SGD):
    """Steps another optimizer of other weights in its own step."""

    def step(self, closure=None):
        self.other.step()
        return super().step(closure)


@pytest.mark.parametrize("base_was_made", [False, True])
def test_a_step_that_calls_the_step_of_its_base_counts_once(base_was_made):
    base = type("Base", (Clips,), {"step": lambda self: torch.optim.SGD.step(self)})
    sub = type("Sub", (base,), {"step": lambda self: base.step(self)})
    weight = torch.nn.Parameter(torch.ones(1))
    if base_was_made:
        base([weight], lr=0.1)
    optimizer = sub([weight], lr=0.1)
    with OptimizerSteps() as steps:
        optimizer.step()
        optimizer.step()
    assert steps.count == 2


def test_a_step_inside_the_step_of_other_weights_counts_as_well():
    first, second = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))
    optimizer = Two([first], lr=0.1)
    optimizer.other = torch.optim.SGD([second], lr=0.1)
    with OptimizerSteps() as steps:
        optimizer.step()
    assert steps.count == 2
