"""Lesson 14's script with a convolution, two batches per update, and own callbacks.

The report counts a confusion matrix; the best epoch is the most accurate one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning import LightningDataModule, LightningModule, Trainer, seed_everything
from lightning.pytorch import callbacks
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from course_utils import hardware
from course_utils.data import open_dataset


class Loader:
    """Makes batches without Dataset or DataLoader."""

    def __init__(self, images: Tensor, labels: Tensor, training: bool = False):
        self.images, self.labels, self.training = images, labels, training

    def __len__(self) -> int:
        return -(-len(self.labels) // 24)

    def __iter__(self) -> Iterator[list[Tensor]]:
        count = len(self.labels)
        order = torch.randperm(count) if self.training else torch.arange(count)
        for chosen in order.split(24):
            images = self.images[chosen].float().unsqueeze(1) * (1 / 255)
            if self.training:
                for image in images:
                    top, left = torch.randint(0, 20, (2,)).tolist()
                    image[0].narrow(0, top, 8).narrow(1, left, 8).zero_()
            yield [images, self.labels[chosen]]


class Sorted(LightningDataModule):
    """Splits by the remainder of the index; the seed turns the wheel."""

    def __init__(self, seed: int):
        super().__init__()
        self.turn = seed % 5

    def setup(self, stage: str | None = None) -> None:
        old, new = open_dataset(train=True), open_dataset(train=False)
        digits, labels = old.data[:1200], old.targets[:1200]
        held_out = torch.arange(1200) % 5 == self.turn
        self.loaders = {
            "train": Loader(digits[~held_out], labels[~held_out], training=True),
            "val": Loader(digits[held_out], labels[held_out]),
            "test": Loader(new.data[:500], new.targets[:500]),
        }

    def train_dataloader(self) -> Loader:
        return self.loaders["train"]

    def val_dataloader(self) -> Loader:
        return self.loaders["val"]

    def test_dataloader(self) -> Loader:
        return self.loaders["test"]


class Convolution(LightningModule):
    def __init__(self, lr: float, dropout: float):
        super().__init__()
        self.save_hyperparameters()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 5, stride=2),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(1152, 10),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)

    def _step(self, batch: Any, stage: str) -> Tensor:
        images, labels = batch
        logits = self(images)
        loss = cross_entropy(logits, labels)
        right = (logits.argmax(1) == labels).float().mean()
        names = {f"{stage}_loss": loss, f"{stage}_right": right}
        self.log_dict(names, on_step=False, on_epoch=True, batch_size=len(labels))
        return loss

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self._step(batch, "train")

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self._step(batch, "val")

    def configure_optimizers(self) -> Any:
        adam = torch.optim.NAdam(self.parameters(), lr=self.hparams.lr)
        updates = self.trainer.estimated_stepping_batches
        plan = torch.optim.lr_scheduler.OneCycleLR(
            adam, max_lr=self.hparams.lr, total_steps=int(updates) + 1, pct_start=0.2
        )
        return {
            "optimizer": adam,
            "lr_scheduler": {"scheduler": plan, "interval": "step"},
        }


class Patience(callbacks.Callback):
    """Ends a run whose validation loss has not fallen for three epochs."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def state_dict(self) -> dict[str, Any]:
        return {"losses": self.losses}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.losses = state["losses"]

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.losses.append(trainer.callback_metrics["val_loss"].item())
        before = self.losses[:-3]
        trainer.should_stop = bool(before) and min(self.losses[-3:]) >= min(before)


@dataclass
class Report:
    model: LightningModule
    accuracy: Tensor
    checkpoint: Path


def make_data(seed: int) -> Sorted:
    return Sorted(seed)


def make_model(lr: float = 4e-3, dropout: float = 0.1) -> Convolution:
    return Convolution(lr, dropout)


def evaluate(model: LightningModule, loader: Any) -> Tensor:
    table, modes = torch.zeros(10, 10), {m: m.training for m in model.modules()}
    model.eval()
    with torch.no_grad():
        for images, labels in iter(loader):
            told = one_hot(model(images).argmax(1), 10).float()
            table += one_hot(labels, 10).float().T @ told
    for module, mode in modes.items():
        module.training = mode
    return table.trace() / table.sum()


def train(
    folder: str,
    seed: int = 0,
    max_epochs: int = 8,
    resume: str | None = None,
    data: LightningDataModule | None = None,
) -> Report:
    data = data if data else make_data(seed)
    seed_everything(seed, verbose=False)
    best = callbacks.ModelCheckpoint(
        dirpath=folder,
        filename="{epoch}-{val_right:.2f}",
        monitor="val_right",
        mode="max",
        auto_insert_metric_name=False,
    )
    newest = callbacks.ModelCheckpoint(
        dirpath=Path(folder, "newest"), save_top_k=1, every_n_epochs=1, monitor=None
    )
    trainer = Trainer(
        accumulate_grad_batches=2,
        gradient_clip_val=1,
        gradient_clip_algorithm="norm",
        max_epochs=max_epochs,
        callbacks=[newest, best, Patience()],
        **hardware.quiet_trainer(accelerator="cpu", enable_checkpointing=True),
    )
    model = make_model()
    trainer.fit(model=model, datamodule=data, ckpt_path=resume)
    state = torch.load(best.best_model_path, weights_only=True)["state_dict"]
    model.load_state_dict(state)
    return Report(
        model, evaluate(model, data.test_dataloader()), Path(best.best_model_path)
    )
