import os
import sys
import warnings

import lightning as L
import pytest
import torch

from course_utils import hardware


@pytest.fixture(autouse=True)
def _this_machine(monkeypatch):
    for name in ("COLAB_RELEASE_TAG", "BINDER_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("cuda", "accelerator", "data"),
    [(False, "cpu", "embedded"), (True, "gpu", "mnist")],
)
def test_cuda_alone_decides_the_profile(monkeypatch, cuda, accelerator, data):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    profile = hardware.profile()
    assert (profile.accelerator, profile.data) == (accelerator, data)


def test_colab_binder_and_this_machine_are_distinguished(monkeypatch):
    assert hardware.place() == "this machine"
    monkeypatch.setenv("BINDER_SERVICE_HOST", "10.0.0.1")
    assert hardware.place() == "Binder"
    monkeypatch.setitem(sys.modules, "google.colab", sys)
    assert hardware.place() == "Colab"


def test_colab_is_recognized_before_its_module_is_imported(monkeypatch):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
    assert hardware.place() == "Colab"


class Ones(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def training_step(self, batch, batch_idx):
        return self.layer(batch).mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_a_quiet_trainer_leaves_no_file_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trainer = L.Trainer(max_epochs=1, **hardware.quiet_trainer())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(Ones(), torch.utils.data.DataLoader(torch.ones(4, 2)))
    assert trainer.global_step == 4
    assert os.listdir(tmp_path) == []


def test_a_change_replaces_or_extends_the_quiet_settings():
    quiet = hardware.quiet_trainer(devices=2, max_epochs=3)
    assert (quiet["devices"], quiet["max_epochs"]) == (2, 3)
    assert quiet["logger"] is False
    assert hardware.quiet_trainer()["devices"] == 1
