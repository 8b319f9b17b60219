"""Lesson 14's script in layers: base classes, callbacks of the model, named batches.

What the model normalizes by is saved by its hooks; `Trainer.test` makes the report.
"""

import dataclasses
from typing import NamedTuple

import lightning.pytorch as pl
import torch
import torchmetrics
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import Tensor, nn, optim
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from course_utils.data import open_dataset, scaled
from course_utils.hardware import quiet_trainer


class Digits(NamedTuple):
    images: Tensor
    labels: Tensor


@dataclasses.dataclass
class Outcome:
    model: pl.LightningModule
    accuracy: float
    checkpoint: str


def erased(samples):
    digits = whole(samples)
    for image in digits.images:
        top, left = torch.randint(0, 20, (2,)).tolist()
        image[:, top : top + 8, left : left + 8] = 0.0
    return digits


def whole(samples):
    images, labels = zip(*samples, strict=True)
    return Digits(scaled(torch.stack(images).unsqueeze(1)), torch.stack(labels))


class PoolData(pl.LightningDataModule):
    """One pool, dealt out to all three sets."""

    def __init__(self, seed: int):
        super().__init__()
        source = open_dataset(train=True)
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(3000, generator=generator)
        images, labels = source.data[order], source.targets[order]
        self.sets = {
            "train": TensorDataset(images[:1500], labels[:1500]),
            "val": TensorDataset(images[1500:2000], labels[1500:2000]),
            "test": TensorDataset(images[2000:], labels[2000:]),
        }

    def train_dataloader(self):
        chosen = BatchSampler(RandomSampler(self.sets["train"]), 64, drop_last=False)
        return DataLoader(self.sets["train"], batch_sampler=chosen, collate_fn=erased)

    def val_dataloader(self):
        return DataLoader(self.sets["val"], batch_size=64, collate_fn=whole)

    def test_dataloader(self):
        return DataLoader(self.sets["test"], batch_size=64, collate_fn=whole)


class Classifier(pl.LightningModule):
    """What any classifier of images does here."""

    def __init__(self):
        super().__init__()
        self.loss = nn.CrossEntropyLoss()
        self.accuracy = torchmetrics.classification.MulticlassAccuracy(
            10, average="micro"
        )

    def training_step(self, batch):
        loss = self.loss(self(batch.images), batch.labels)
        self.log("train/loss", loss, batch_size=len(batch.labels))
        return {"loss": loss}

    def validation_step(self, batch):
        loss = self.loss(self(batch.images), batch.labels)
        self.log("val/loss", loss, batch_size=len(batch.labels))

    def test_step(self, batch):
        self.accuracy(self(batch.images), batch.labels)
        self.log("test/accuracy", self.accuracy, batch_size=len(batch.labels))


class Clipped(Classifier):
    def configure_gradient_clipping(self, optimizer, **_):
        grads = [p.grad for p in self.parameters() if p.grad is not None]
        norm = torch.stack([grad.norm() for grad in grads]).norm()
        for grad in grads:
            grad.div_(max(1.0, norm.item() / 0.8))


class Network(Clipped):
    def __init__(self, *, lr: float, dropout: float):
        super().__init__()
        self.save_hyperparameters()
        self.statistics = [0.0, 1e-8, 0]  # sum, sum of squares, count
        self.body = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Dropout(dropout)
        )
        self.head = nn.Linear(128, 10)

    def on_save_checkpoint(self, checkpoint):
        checkpoint["statistics"] = list(self.statistics)

    def on_load_checkpoint(self, checkpoint):
        self.statistics = list(checkpoint["statistics"])

    def forward(self, images):
        if self.training and torch.is_grad_enabled():
            found = images.sum(), images.square().sum(), torch.tensor(images.numel())
            pairs = zip(self.statistics, found, strict=True)
            self.statistics = [old + new.item() for old, new in pairs]
        total, squares, count = self.statistics
        mean = total / max(count, 1)
        deviation = max(squares / max(count, 1) - mean**2, 1e-4) ** 0.5
        return self.head(self.body((images - mean) / deviation))

    def configure_callbacks(self):
        best = ModelCheckpoint(monitor="val/loss", filename="best", dirpath=self.folder)
        newest = ModelCheckpoint(
            dirpath=self.folder, filename="newest", enable_version_counter=False
        )
        return [newest, EarlyStopping("val/loss", patience=3), best]

    def configure_optimizers(self):
        decay, rest = [], []
        for weight in self.parameters():
            (decay if weight.ndim > 1 else rest).append(weight)
        groups = [{"params": decay, "weight_decay": 1e-4}, {"params": rest}]
        adam = optim.AdamW(groups, lr=self.hparams.lr)
        total = int(self.trainer.estimated_stepping_batches)
        rise = optim.lr_scheduler.LinearLR(adam, 0.1, 1.0, total // 5)
        fall = optim.lr_scheduler.CosineAnnealingLR(adam, total - total // 5)
        both = optim.lr_scheduler.SequentialLR(adam, [rise, fall], [total // 5])
        return [adam], [{"scheduler": both, "interval": "step", "frequency": 1}]


def make_data(seed):
    return PoolData(seed)


def make_model(lr=2e-3, dropout=0.25):
    return Network(lr=lr, dropout=dropout)


def evaluate(model, loader):
    class Report(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.model, self.right = model, torchmetrics.MeanMetric()

        def validation_step(self, batch):
            self.right.update(
                (self.model(batch.images).argmax(1) == batch.labels) * 1.0
            )

    report = Report()
    pl.Trainer(**quiet_trainer(accelerator="cpu")).validate(
        report, loader, verbose=False
    )
    return report.right.compute().item()


def train(folder, seed=0, max_epochs=8, resume=None, data=None):
    pl.seed_everything(seed, verbose=False)
    model = make_model()
    model.folder = folder
    trainer = pl.Trainer(
        max_epochs=max_epochs,
        **quiet_trainer(accelerator="cpu", enable_checkpointing=True),
    )
    data = make_data(seed) if data is None else data
    trainer.fit(model, datamodule=data, ckpt_path=resume)
    best = trainer.checkpoint_callbacks[-1].best_model_path
    [scores] = trainer.test(model, datamodule=data, ckpt_path=best, verbose=False)
    return Outcome(model, scores["test/accuracy"], best)
