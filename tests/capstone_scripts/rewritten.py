"""Lesson 14's script as another person would write it: other names, other structure.

Whole batches, a normalizing layer, torchmetrics, a schedule of straight lines, and
`trainer.test`. All sixteen symptoms are gone; nothing but the four names is shared.
"""

import types

import lightning as L
import torch
import torchmetrics
from lightning.pytorch import callbacks
from torch import nn

from course_utils.data import open_dataset, scaled
from course_utils.hardware import quiet_trainer


class Batches(torch.utils.data.Dataset):
    def __init__(self, pixels, targets, holes):
        self.pixels, self.targets, self.holes = pixels, targets, holes

    def __len__(self):
        return self.targets.numel()

    def __getitems__(self, wanted):
        pixels = scaled(self.pixels[wanted]).unsqueeze(1)
        if self.holes:
            corner = torch.randint(0, 20, (len(wanted), 2, 1, 1))
            line = torch.arange(28)
            rows, columns = line.view(1, 28, 1), line.view(1, 1, 28)
            inside = (rows >= corner[:, 0]) & (rows < corner[:, 0] + 8)
            inside = inside & (columns >= corner[:, 1]) & (columns < corner[:, 1] + 8)
            pixels = pixels.masked_fill(inside.unsqueeze(1), 0.0)
        return pixels, self.targets[wanted]


class Source(L.LightningDataModule):
    def __init__(self, seed):
        super().__init__()
        half = open_dataset(train=True)
        order = torch.randperm(1500, generator=torch.Generator().manual_seed(seed))
        mine, held_out = order[:1200], order[1200:]
        self.fit = Batches(half.data[mine], half.targets[mine], holes=True)
        self.val = Batches(half.data[held_out], half.targets[held_out], holes=False)

    def _serve(self, part, **options):
        return torch.utils.data.DataLoader(
            part, batch_size=25, collate_fn=lambda batch: batch, **options
        )

    def train_dataloader(self):
        return self._serve(self.fit, shuffle=True)

    def val_dataloader(self):
        return self._serve(self.val)

    def test_dataloader(self):
        half = open_dataset(train=False)
        return self._serve(Batches(half.data[:900], half.targets[:900], holes=False))


class Normalize(nn.Module):
    def __init__(self):
        super().__init__()
        self.moments = nn.Buffer(torch.zeros(3))  # sum, sum of squares, count

    def forward(self, x):
        if self.training:
            mean_of = torch.stack([x.sum(), x.square().sum(), torch.tensor(x.numel())])
            self.moments = self.moments + mean_of
        total, squares, count = self.moments
        mean = total / count.clamp(min=1)
        return (x - mean) / (squares / count.clamp(min=1) - mean**2 + 1e-3).sqrt()


class Wide(L.LightningModule):
    def __init__(self, **hparams):
        super().__init__()
        self.save_hyperparameters()
        body = [nn.Flatten(), nn.Linear(784, 200), nn.GELU()]
        drop = nn.Dropout(hparams["dropout"])
        self.layers = nn.Sequential(Normalize(), *body, drop, nn.Linear(200, 10))
        self.right = torchmetrics.Accuracy("multiclass", num_classes=10)

    def forward(self, x):
        return self.layers(x)

    def training_step(self, batch):
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch):
        self.log("held_out", nn.functional.cross_entropy(self(batch[0]), batch[1]))

    def test_step(self, batch):
        self.right(self(batch[0]), batch[1])
        self.log("right", self.right)

    def configure_optimizers(self):
        adam = torch.optim.AdamW(self.parameters(), lr=self.hparams["lr"])
        total = self.trainer.estimated_stepping_batches

        def line(done):
            return min((done + 1) / (0.2 * total), (total - done) / (0.8 * total), 1.0)

        plan = torch.optim.lr_scheduler.LambdaLR(adam, line)
        return {
            "optimizer": adam,
            "lr_scheduler": {"scheduler": plan, "interval": "step"},
        }


def make_data(seed):
    return Source(seed)


def make_model(lr=2e-3, dropout=0.2):
    return Wide(lr=lr, dropout=dropout)


def evaluate(model, loader):
    right = seen = 0
    with torch.inference_mode():
        model.train(False)
        for x, y in loader:
            right, seen = right + int((model(x).argmax(-1) == y).sum()), seen + len(y)
    return right / seen


def train(folder, seed=0, max_epochs=6, resume=None, data=None):
    L.seed_everything(seed, verbose=False)
    model, data = make_model(), data if data is not None else make_data(seed)
    watchers = [
        callbacks.ModelCheckpoint(folder, monitor="held_out", filename="top"),
        callbacks.ModelCheckpoint(folder, filename="now", enable_version_counter=False),
        callbacks.EarlyStopping("held_out", patience=3),
    ]
    options = quiet_trainer(accelerator="cpu", enable_checkpointing=True)
    trainer = L.Trainer(
        max_epochs=max_epochs, callbacks=watchers, gradient_clip_val=0.9, **options
    )
    trainer.fit(model, datamodule=data, ckpt_path=resume)
    [scores] = trainer.test(model, data, ckpt_path="best", verbose=False)
    top = watchers[0].best_model_path
    return types.SimpleNamespace(
        model=model, accuracy=scores["right"], checkpoint=top, note="any object will do"
    )
