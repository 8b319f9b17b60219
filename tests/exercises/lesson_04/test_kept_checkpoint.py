"""Checkpoint callbacks, what they keep of a scripted run, and where."""

import os

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from course_utils.exercises.lesson_04.kept_checkpoint import kept_checkpoint

SCRIPT = [0.5, 0.9, 0.2, 0.7]


class Net(L.LightningModule):
    """Logs what its validation batch holds."""

    def __init__(self, options):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.options = options

    def training_step(self, batch, batch_idx):
        return self.weight.sum()

    def validation_step(self, batch, batch_idx):
        self.log("val/acc", batch.mean())

    def configure_callbacks(self):
        return [ModelCheckpoint(**self.options)]


def kept(**options):
    batches = [torch.zeros(2)]
    return kept_checkpoint(
        Net(options), batches, [[torch.full((2,), x)] for x in SCRIPT]
    )


PLAIN = {"filename": "e={epoch}_{val/acc:.1f}", "auto_insert_metric_name": False}
TABLE = {
    "none": ({"save_top_k": 0}, -1, ""),
    "two kept": (
        {"monitor": "val/acc", "mode": "max", "save_top_k": 2},
        1,
        "e=1_0.9.ckpt",
    ),
    "own folder": (
        {"monitor": "val/acc", "mode": "max", "dirpath": "mine"},
        1,
        "e=1_0.9.ckpt",
    ),
}


@pytest.mark.parametrize(("options", "epoch", "name"), TABLE.values(), ids=TABLE)
def test_a_checkpoint_callback_keeps(options, epoch, name):
    found = kept(**{**PLAIN, **options})
    assert (found.epoch, found.name) == (epoch, name)


def test_the_metrics_follow_the_script():
    seen = [table["val/acc"] for table in kept().ends]
    assert seen == pytest.approx(SCRIPT)


def test_no_file_is_left_and_the_folder_is_as_before(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept(dirpath="mine")
    assert os.listdir(tmp_path) == []
