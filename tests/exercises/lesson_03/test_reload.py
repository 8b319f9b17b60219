"""What exercises 3.1 and 3.2 cannot show of the reload behind them."""

import random

import lightning as L
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_utils.checks.learner_code import CannotCheck, LearnerError
from course_utils.exercises.lesson_03.reload import survives_reload

pytestmark = pytest.mark.slow

SETTINGS = {"scale": 3.0, "dropout": 0.5, "lr": 0.02, "weight_decay": 0.1}
BATCHES = [
    (
        torch.randn(8, 6, generator=torch.Generator().manual_seed(i)),
        torch.arange(8) % 3,
    )
    for i in range(3)
]


class Net(L.LightningModule):
    def build(self, scale=1.0, dropout=0.0, lr=1e-3, weight_decay=0.0):
        self.scale, self.lr, self.weight_decay = scale, lr, weight_decay
        self.net = nn.Sequential(
            nn.Linear(6, 8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 3)
        )

    def forward(self, inputs):
        return self.net((self.scale * inputs).sin())

    def training_step(self, batch, batch_idx):
        inputs, labels = batch
        loss = F.cross_entropy(self(inputs), labels)
        self.log("loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.AdamW(
            self.parameters(), lr=self.lr, weight_decay=self.weight_decay
        )


class SavesFirst(Net):
    def __init__(self, scale=1.0, dropout=0.0, lr=1e-3, weight_decay=0.0):
        super().__init__()
        self.save_hyperparameters()
        self.build(scale, dropout, lr, weight_decay)


class TakesKeywords(Net):
    def __init__(self, **settings):
        super().__init__()
        self.save_hyperparameters()
        self.build(**settings)


class Inherits(SavesFirst):
    pass


class Schedules(SavesFirst):
    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        total = self.trainer.estimated_stepping_batches
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.lr, total)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


class KeepsAFrozenPart(SavesFirst):
    def __init__(self, scale=1.0, dropout=0.0, lr=1e-3, weight_decay=0.0):
        super().__init__(scale, dropout, lr, weight_decay)
        self.net[0].requires_grad_(False).eval()


class DrawsWithPython(SavesFirst):
    def training_step(self, batch, batch_idx):
        inputs, labels = batch
        noisy = inputs + random.random() * np.random.rand()
        return super().training_step((noisy, labels), batch_idx)


class KeepsOwnState(Net):
    def __init__(self, scale=1.0, dropout=0.0, lr=1e-3, weight_decay=0.0):
        super().__init__()
        self.save_hyperparameters(ignore="scale")
        self.build(scale, dropout, lr, weight_decay)

    def on_save_checkpoint(self, checkpoint):
        checkpoint["scale"] = self.scale

    def on_load_checkpoint(self, checkpoint):
        self.scale = checkpoint["scale"]


class LosesTheDecay(Net):
    def __init__(self, scale=1.0, dropout=0.0, lr=1e-3, weight_decay=0.0):
        super().__init__()
        self.save_hyperparameters("scale", "dropout", "lr")
        self.build(scale, dropout, lr, weight_decay)


class LosesTheDropout(Net):
    def __init__(self, scale=1.0, dropout=0.0, lr=1e-3, weight_decay=0.0):
        super().__init__()
        self.save_hyperparameters(ignore="dropout")
        self.build(scale, dropout, lr, weight_decay)


class HasNoDefaults(Net):
    def __init__(self, scale, dropout, lr, weight_decay):
        super().__init__()
        self.build(scale, dropout, lr, weight_decay)


class ReadsTheWorld(SavesFirst):
    built = 0

    def __init__(self, scale=1.0, dropout=0.0, lr=1e-3, weight_decay=0.0):
        ReadsTheWorld.built += 1
        super().__init__(scale + ReadsTheWorld.built, dropout, lr, weight_decay)


class GrowsOnLoading(Net):
    def __init__(self, scale=1.0, dropout=0.0, lr=1e-3, weight_decay=0.0):
        super().__init__()
        self.save_hyperparameters("scale", "dropout", "weight_decay")
        self.build(scale, dropout, lr, weight_decay)
        if lr != 1e-3:
            self.net[3] = nn.Linear(8, 5)


SURVIVE = (
    SavesFirst,
    TakesKeywords,
    Inherits,
    Schedules,
    KeepsAFrozenPart,
    DrawsWithPython,
    KeepsOwnState,
)
CHANGE = {
    LosesTheDecay: "had weight_decay=0.1, after loading weight_decay=0.0.",
    LosesTheDropout: "do not end with the same weights. dropout is not in the file",
    HasNoDefaults: "raised TypeError: HasNoDefaults.__init__() missing 4 required",
    ReadsTheWorld: "outputs for the same inputs differ. All arguments are in the file",
    GrowsOnLoading: "size mismatch for net.3.weight",
}


def name(value):
    return getattr(value, "__name__", "")


def fault(findings):
    bad = [finding for finding in findings if not finding.ok]
    return str(bad[0]) if bad else ""


@pytest.mark.parametrize("module_class", SURVIVE, ids=name)
def test_a_module_survives(module_class):
    found = list(survives_reload(module_class, SETTINGS, BATCHES))
    assert fault(found) == ""
    assert len(found) == 5


@pytest.mark.parametrize(("module_class", "words"), CHANGE.items(), ids=name)
def test_a_module_comes_back_changed(module_class, words):
    assert words in fault(survives_reload(module_class, SETTINGS, BATCHES))


class OnAnEncoder(Net):
    def __init__(self, encoder, lr=1e-3):
        super().__init__()
        self.save_hyperparameters(ignore=["encoder"])
        self.build(lr=lr)
        self.net = nn.Sequential(encoder, nn.Linear(8, 3))


class KeepsTheEncoder(OnAnEncoder):
    def __init__(self, encoder, lr=1e-3):
        super().__init__(encoder, lr)
        self.save_hyperparameters()


def test_an_encoder_in_the_file_is_named():
    settings = {"encoder": nn.Linear(6, 8), "lr": 0.02}
    said = fault(survives_reload(KeepsTheEncoder, settings, BATCHES, ["encoder"]))
    assert "does not load by default: encoder is a torch.Linear. Save a plain" in said


def test_training_that_raises_is_told():
    class Raises(SavesFirst):
        def training_step(self, batch, batch_idx):
            raise KeyError("no such key")

    with pytest.raises(LearnerError, match="Training raised KeyError"):
        list(survives_reload(Raises, SETTINGS, BATCHES))


def test_a_module_without_forward_cannot_be_compared():
    class Silent(SavesFirst):
        forward = L.LightningModule.forward

    with pytest.raises(CannotCheck, match="needs a forward pass"):
        list(survives_reload(Silent, SETTINGS, BATCHES))


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    torch.manual_seed(5)
    before = torch.get_rng_state()
    encoder = nn.Linear(6, 8)
    weight = encoder.weight.detach().clone()
    torch.set_rng_state(before)
    settings = {"encoder": encoder, "lr": 0.02}
    list(survives_reload(OnAnEncoder, settings, BATCHES, ["encoder"]))
    assert list(tmp_path.iterdir()) == []
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(encoder.weight, weight)
