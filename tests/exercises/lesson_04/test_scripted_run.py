"""Checkpoint callbacks, what they keep of a scripted run, and where."""

import os

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from course_utils.exercises.lesson_04.scripted_run import Kept, scripted_run

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

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)


def run(**options):
    validations = [[torch.full((2,), x)] for x in SCRIPT]
    module = Net(options)
    result = scripted_run(module, [torch.zeros(2)] * 2, validations)
    assert module.weight.item() == 1
    return result


PLAIN = {"filename": "e={epoch}_{val/acc:.1f}", "auto_insert_metric_name": False}
WATCH = {"monitor": "val/acc", "mode": "max"}
TABLE = {
    "none": ({"save_top_k": 0}, []),
    "two kept": ({**WATCH, "save_top_k": 2}, [Kept(1, "e=1_0.9.ckpt", False)]),
    "own folder": ({**WATCH, "dirpath": "mine"}, [Kept(1, "e=1_0.9.ckpt", False)]),
    "each step": (
        {**WATCH, "every_n_train_steps": 1},
        [Kept(2, "e=2_0.9.ckpt", True)],
    ),
}


@pytest.mark.parametrize(("options", "kept"), TABLE.values(), ids=TABLE)
def test_a_checkpoint_callback_keeps(options, kept):
    assert run(**{**PLAIN, **options}).kept == kept


def test_the_metrics_follow_the_script():
    seen = [table["val/acc"] for table in run().ends]
    assert seen == pytest.approx(SCRIPT)


def test_no_file_is_left_and_the_folder_is_as_before(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(dirpath="mine")
    assert os.listdir(tmp_path) == []
