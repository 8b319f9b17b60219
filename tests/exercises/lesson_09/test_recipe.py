"""The recipe of lesson 09, as its cell has it: killed, stopped, and started again."""

import os
import re
import signal
import sys
from datetime import timedelta
from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.pytorch.trainer.states import TrainerFn
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from course_utils.distributed import (
    kill_this_process,
    run_processes,
    run_until_killed,
)
from course_utils.hardware import quiet_trainer

LESSON = Path(__file__).parents[3] / "notebooks" / "09_checkpointing.py"
EPOCHS, BATCHES = 4, 8
AT = 2 * BATCHES + 3  # updates: in the middle of the third epoch


def recipe_source() -> str:
    cells = re.split(r"^# %%.*\n", LESSON.read_text("utf-8"), flags=re.MULTILINE)
    [source] = [cell for cell in cells if cell.startswith("# Recipe: ")]
    return source


def recipe():
    # As a part of `__main__` its classes travel to a fresh process by their code.
    names = {"__name__": "__main__"}
    exec(recipe_source(), names)
    return names


class Net(L.LightningModule):
    def __init__(self):
        super().__init__()
        layers = nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 2)
        self.net, self.updates = nn.Sequential(*layers), 0

    def training_step(self, batch, batch_idx):
        return F.cross_entropy(self.net(batch[0]), batch[1])

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", F.cross_entropy(self.net(batch[0]), batch[1]))

    def on_before_optimizer_step(self, optimizer):
        self.updates += 1

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=0.01)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1)]


class At(L.Callback):
    def __init__(self, act, updates=AT):
        self.act, self.updates = act, updates

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == self.updates:
            self.act()


def a_loader():
    features = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
    dataset = TensorDataset(features, (features.sum(1) > 0).long())
    return DataLoader(dataset, batch_size=64 // BATCHES, shuffle=True)


def train(folder, seed, *more, every=timedelta(minutes=30), **flags):
    """Run the job as the recipe's comment says; return weights, updates, trainer."""
    L.seed_everything(seed, verbose=False)
    model, loader = Net(), a_loader()
    callbacks = [*recipe()["checkpoints"](folder, "val_loss", "min", every), *more]
    options = quiet_trainer(accelerator="cpu", enable_checkpointing=True, **flags)
    trainer = L.Trainer(max_epochs=EPOCHS, callbacks=callbacks, **options)
    trainer.fit(model, loader, loader, ckpt_path="last")
    weights = nn.utils.parameters_to_vector(model.parameters()).detach()
    return weights, model.updates, trainer


def updates_in_files(folder):
    return {
        file.stem: torch.load(file)["global_step"]
        for file in sorted(Path(folder).glob("last*.ckpt"))
    }


def test_it_fits_a_screen_and_needs_nothing_of_the_course():
    source = recipe_source()
    assert sum(bool(line.strip()) for line in source.splitlines()) <= 25
    assert "course_utils" not in source


@pytest.mark.parametrize(
    "flags",
    [{}, {"val_check_interval": 0.25}, {"check_val_every_n_epoch": 3}],
    ids=str,
)
def test_killed_and_started_again_it_ends_with_the_same_bits(tmp_path, flags):
    expected, _, _ = train(tmp_path / "whole", 1, **flags)
    killed = tmp_path / "killed"
    run_until_killed(lambda: train(killed, 1, At(kill_this_process), **flags))
    assert updates_in_files(killed) == {"last-epoch": 2 * BATCHES}
    weights, updates, _ = train(killed, 2, **flags)
    assert updates == 2 * BATCHES
    assert torch.equal(weights, expected)
    assert train(killed, 3, **flags)[1] == 0


def stop_by_sigterm(folder):
    # The process is told to end by SIGTERM, and Lightning ends it by an exception.
    with pytest.raises(SystemExit):
        train(folder, 1, At(lambda: os.kill(os.getpid(), signal.SIGTERM)))


@pytest.mark.skipif(sys.platform == "win32", reason="Lightning handles no SIGTERM")
def test_stopped_by_sigterm_it_loses_no_update(tmp_path):
    run_processes(lambda: stop_by_sigterm(tmp_path), processes=1)
    assert updates_in_files(tmp_path)["last-within-epoch"] == AT
    _, updates, trainer = train(tmp_path, 2)
    assert (updates, trainer.global_step) == (EPOCHS * BATCHES - AT, EPOCHS * BATCHES)


def raise_out_of_memory():
    raise RuntimeError("out of memory")


def test_stopped_by_an_exception_it_loses_no_update(tmp_path):
    with pytest.raises(RuntimeError, match="out of memory"):
        train(tmp_path, 1, At(raise_out_of_memory))
    files = updates_in_files(tmp_path)
    assert files == {"last-epoch": 2 * BATCHES, "last-within-epoch": AT}
    assert train(tmp_path, 2)[1] == EPOCHS * BATCHES - AT


def test_within_an_epoch_it_saves_when_the_interval_is_over(tmp_path):
    run_until_killed(
        lambda: train(tmp_path, 1, At(kill_this_process), every=timedelta(0))
    )
    # `At` acts before the checkpoints of the same update are written.
    assert updates_in_files(tmp_path)["last-within-epoch"] == AT - 1


def test_the_best_weights_are_those_with_the_lowest_loss(tmp_path):
    _, _, trainer = train(tmp_path, 1)
    [best] = tmp_path.glob("best*.ckpt")
    assert trainer.checkpoint_callback.best_model_path == str(best)
    saved = torch.load(best)["state_dict"]
    model = Net()
    model.load_state_dict(saved)
    options = quiet_trainer(accelerator="cpu")
    [found] = L.Trainer(**options).validate(model, a_loader(), verbose=False)
    score = trainer.checkpoint_callback.best_model_score
    assert found["val_loss"] == pytest.approx(float(score), rel=1e-4)


@pytest.mark.parametrize(("gpus", "put_back"), [(2, [1, 2]), (1, [1]), (0, [])])
def test_the_states_of_the_gpus_that_are_there_are_put_back(
    monkeypatch, gpus, put_back
):
    seen, checkpoint = [], {}
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: [1, 2])
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", seen.extend)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    callback = recipe()["KeepsRandomState"]()
    trainer = L.Trainer(**quiet_trainer(accelerator="cpu"))
    trainer.state.fn = TrainerFn.FITTING
    callback.on_save_checkpoint(trainer, None, checkpoint)
    callback.on_load_checkpoint(trainer, None, checkpoint)
    assert seen == put_back


def validates(file):
    callbacks = [recipe()["KeepsRandomState"]()]
    trainer = L.Trainer(**quiet_trainer(accelerator="cpu", callbacks=callbacks))
    trainer.validate(Net(), a_loader(), ckpt_path=file, verbose=False)


@pytest.mark.parametrize("use", [Net.load_from_checkpoint, validates])
def test_using_the_model_leaves_the_random_numbers_alone(tmp_path, use):
    train(tmp_path, 1)
    drawn = []
    for seed in (5, 6):
        torch.manual_seed(seed)
        use(tmp_path / "last-epoch.ckpt")
        drawn.append(torch.rand(4))
    assert not torch.equal(*drawn)
