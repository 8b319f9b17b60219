"""Lesson 14's script in functions: a ready-made data module, closures, partials.

Large batches, SGD, every epoch kept, a schedule of the step's number.
"""

import functools
import math
from collections import namedtuple

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

from course_utils.data import open_dataset
from course_utils.hardware import quiet_trainer

Result = namedtuple("Result", "model accuracy checkpoint")


@functools.cache
def floats(train, count):
    source = open_dataset(train=train)
    return source.data[:count, None] / 255.0, source.targets[:count]


def with_patches(samples):
    images, labels = torch.utils.data.default_collate(samples)
    corners = torch.randint(0, 20, (len(images), 2, 1))
    rows, columns = (
        (line >= corner) & (line < corner + 8)
        for line, corner in zip([torch.arange(28)] * 2, corners.unbind(1), strict=True)
    )
    hole = rows[:, None, :, None] & columns[:, None, None, :]
    return torch.where(hole, 0.0, images), labels


def make_data(seed):
    everything = TensorDataset(*floats(True, 2000))
    order = torch.randperm(2000, generator=torch.Generator().manual_seed(seed)).tolist()
    data = L.LightningDataModule()
    for name, part, options in (
        ("train", Subset(everything, order[500:]), {"collate_fn": with_patches}),
        ("val", Subset(everything, order[:500]), {}),
        ("test", TensorDataset(*floats(False, 1000)), {}),
    ):
        loader = DataLoader(part, 128, shuffle=name == "train", **options)
        setattr(data, f"{name}_dataloader", functools.partial(lambda it: it, loader))
    return data


def share_of_lr(total, step):
    return math.sin(math.pi * ((step + 1) / (total + 1)) ** 0.6) ** 2


class Plain(L.LightningModule):
    """Nothing but the network; what it does comes from elsewhere."""

    def __init__(self, lr, dropout):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            nn.BatchNorm2d(1),
            nn.Flatten(),
            nn.Linear(784, 100),
            nn.Tanh(),
            nn.Dropout(dropout),
            nn.Linear(100, 10),
        )
        self.criterion = nn.CrossEntropyLoss()

    def forward(self, images):
        return self.net(images)

    def training_step(self, batch):
        return self.criterion(self.net(batch[0]), batch[1])

    def validation_step(self, batch):
        self.log("held_out", self.criterion(self.net(batch[0]), batch[1]))

    def configure_optimizers(self):
        sgd = torch.optim.SGD(
            self.parameters(), self.hparams["lr"], momentum=0.9, nesterov=True
        )
        share = functools.partial(share_of_lr, self.trainer.estimated_stepping_batches)
        plan = torch.optim.lr_scheduler.LambdaLR(sgd, share)
        return [sgd], [{"scheduler": plan, "interval": "step"}]


class Unit(Callback):
    """Makes no gradient longer than 1."""

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        nn.utils.clip_grad_norm_(pl_module.parameters(), max_norm=1.0)


def make_model(lr=0.05, dropout=0.2):
    return Plain(lr, dropout)


def evaluate(model, loader):
    model = model.eval()
    with torch.inference_mode():
        pairs = [(model(images).argmax(dim=1), labels) for images, labels in loader]
    predicted, labels = map(torch.cat, zip(*pairs, strict=True))
    return predicted.eq(labels).double().mean().item()


def train(folder, seed=0, max_epochs=10, resume=None, data=None):
    L.seed_everything(seed, verbose=False)
    keep = ModelCheckpoint(folder, "{epoch}", monitor="held_out", save_top_k=-1)
    trainer = L.Trainer(
        max_epochs=max_epochs,
        callbacks=[EarlyStopping(monitor="held_out", patience=3), Unit(), keep],
        **quiet_trainer(accelerator="cpu", enable_checkpointing=True),
    )
    model, data = make_model(), data or make_data(seed)
    trainer.fit(model, data, ckpt_path=resume)
    best = Plain.load_from_checkpoint(keep.best_model_path)
    return Result(best, evaluate(best, data.test_dataloader()), keep.best_model_path)
