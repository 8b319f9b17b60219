"""Lesson 14's script by hand: manual optimization, own clipping, one own callback.

The running mean and deviation are an extra state, the rate is set batch by batch.
"""

import math
from pathlib import Path
from types import SimpleNamespace

import lightning as L
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from course_utils.data import open_dataset
from course_utils.hardware import quiet_trainer


class Indexed(Dataset):
    def __init__(self, source, indices, patch=False):
        self.source, self.indices, self.patch = source, indices, patch

    def __len__(self):
        return len(self.indices)

    def __getitem__(self, position):
        i = self.indices[position]
        image = self.source.data[i].float().div(255).unsqueeze(0)
        if self.patch:
            top, left = (int(each) for each in torch.randint(21, (2,)))
            image[:, top : top + 8, left : left + 8] = 0
        return image, self.source.targets[i]


class HandMadeData(L.LightningDataModule):
    def __init__(self, seed):
        super().__init__()
        self.save_hyperparameters()

    def prepare_data(self):
        open_dataset(train=True)

    def setup(self, stage):
        if stage == "test":
            self.parts = {"test": Indexed(open_dataset(train=False), range(800))}
        elif stage == "fit":
            generator = torch.Generator().manual_seed(self.hparams.seed + 17)
            order = torch.randperm(2000, generator=generator).tolist()
            source = open_dataset(train=True)
            self.parts = {
                "train": Indexed(source, order[400:], patch=True),
                "val": Indexed(source, order[:400]),
            }

    def train_dataloader(self):
        return DataLoader(self.parts["train"], 40, shuffle=True, drop_last=True)

    def val_dataloader(self):
        return DataLoader(self.parts["val"], 150)

    def test_dataloader(self):
        return DataLoader(self.parts["test"], 150)


class HandMade(L.LightningModule):
    def __init__(self, lr, dropout):
        super().__init__()
        self.save_hyperparameters()
        self.automatic_optimization = False
        self.mean, self.std = torch.tensor(0.5), torch.tensor(0.5)
        self.hidden, self.out = nn.Linear(784, 128), nn.Linear(128, 10)
        self.watched = []

    def get_extra_state(self):
        return {"mean": self.mean, "std": self.std, "note": ["running"]}

    def set_extra_state(self, state):
        self.mean, self.std = state["mean"], state["std"]

    def forward(self, images):
        x = ((images - self.mean) / self.std).flatten(1)
        x = F.dropout(self.hidden(x).relu(), self.hparams.dropout, self.training)
        return self.out(x)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        optimizer = self.optimizers()
        self.mean = self.mean.lerp(images.mean(), 0.1)
        self.std = self.std.lerp(images.std(), 0.1)
        loss = F.cross_entropy(self(images), labels)
        self.watched.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters(), 0.5)
        total = self.trainer.max_epochs * self.trainer.num_training_batches
        done = self.trainer.current_epoch * self.trainer.num_training_batches
        part = (done + batch_idx + 1) / (total + 1)
        for group in optimizer.param_groups:
            group["lr"] = self.hparams.lr * math.sin(math.pi * part**0.5)
        optimizer.step()

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", F.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.RMSprop(self.parameters(), lr=self.hparams.lr)


class Keeper(L.Callback):
    """Keeps the best and the newest, and stops."""

    def __init__(self, folder):
        self.folder, self.lowest, self.waited = Path(folder), math.inf, 0

    def on_validation_end(self, trainer, pl_module):
        if trainer.sanity_checking:
            return
        trainer.save_checkpoint(self.folder / "newest.pt")
        loss = float(trainer.callback_metrics["val/loss"])
        self.waited += 1
        if loss < self.lowest:
            self.lowest, self.waited = loss, 0
            trainer.save_checkpoint(self.folder / "best.pt")
        trainer.should_stop = self.waited == 3


def make_data(seed):
    return HandMadeData(seed)


def make_model(lr=1e-3, dropout=0.3):
    return HandMade(lr, dropout)


@torch.no_grad()
def evaluate(model, loader):
    model.eval()
    right = sum((model(images).argmax(1) == y).sum().item() for images, y in loader)
    assert loader.batch_size
    assert len(loader) == math.ceil(len(loader.dataset) / loader.batch_size)
    return right / len(loader.dataset)


def train(folder, seed=0, max_epochs=8, resume=None, data=None):
    torch.manual_seed(seed)
    model, data = make_model(), data or make_data(seed)
    options = quiet_trainer(accelerator="cpu")
    trainer = L.Trainer(max_epochs=max_epochs, callbacks=[Keeper(folder)], **options)
    trainer.fit(model, data, ckpt_path=resume, weights_only=False)
    model = HandMade.load_from_checkpoint(Path(folder, "best.pt"))
    data.setup("test")
    accuracy = evaluate(model, data.test_dataloader())
    return SimpleNamespace(
        model=model, accuracy=accuracy, checkpoint=Path(folder, "best.pt")
    )
