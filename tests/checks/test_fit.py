"""Training runs quietly on the CPU, with what the Trainer is told."""

import lightning as L
import pytest
import torch
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader

from course_utils.checks.fit import applied_rates, fit
from course_utils.checks.learner_code import LearnerError

LOADER = DataLoader(torch.ones(8, 1), batch_size=2)


class Net(L.LightningModule):
    """One weight, whose rate falls in a line to zero."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def training_step(self, batch, batch_idx):
        return (self.weight * batch).sum()

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=1.0)
        updates = self.trainer.estimated_stepping_batches
        line = lr_scheduler.PolynomialLR(optimizer, updates)
        return [optimizer], [{"scheduler": line, "interval": "step"}]


class NoOptimizer(Net):
    def configure_optimizers(self):
        return None


class Raises(Net):
    def training_step(self, batch, batch_idx):
        raise KeyError("lost")

    def on_load_checkpoint(self, checkpoint):
        raise KeyError("found")


def test_ready_made_batches_train_for_one_epoch_in_silence(capfd):
    trainer = fit(Net(), [torch.ones(3, 1)] * 5)
    assert (trainer.global_step, trainer.current_epoch) == (5, 1)
    assert capfd.readouterr().out == ""


def test_a_loader_is_used_as_it_is_and_options_reach_the_trainer():
    assert fit(Net(), LOADER, max_epochs=3, limit_train_batches=2).global_step == 6


def test_errors_are_the_learners_and_say_whether_the_run_was_resumed(tmp_path):
    with pytest.raises(LearnerError, match="Training raised KeyError: 'lost'"):
        fit(Raises(), LOADER)
    file = tmp_path / "net.ckpt"
    fit(Net(), LOADER).save_checkpoint(file)
    with pytest.raises(LearnerError, match="Resuming raised KeyError: 'found'"):
        fit(Raises(), LOADER, ckpt_path=file, max_epochs=2)


def test_applied_rates_are_those_of_a_plain_loop():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    scheduler = lr_scheduler.PolynomialLR(optimizer, 8)
    truth = []
    for _ in range(8):
        truth.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert applied_rates(Net(), LOADER, max_epochs=2) == pytest.approx(truth)


def test_accumulated_batches_make_one_update():
    rates = applied_rates(Net(), LOADER, max_epochs=2, accumulate_grad_batches=2)
    assert rates == pytest.approx([1, 0.75, 0.5, 0.25])


def test_a_module_without_an_optimizer_applies_no_rate():
    assert applied_rates(NoOptimizer(), LOADER, max_epochs=1) == []
