# ruff: noqa: D102, D103, D105, D107
"""Train a small network on handwritten digits, keep its best weights, report how good.

The scoreboard of lesson 14 uses these names. What is inside them is yours to change.

- ``make_data(seed)``: a LightningDataModule. Its loaders for training, validation and
  test deliver batches of images, float, ``(batch, 1, 28, 28)``, 0 to 1, and labels, so
  that any model can be tried on them. Each training image gets its own blank patch, a
  different one in each epoch.
- ``make_model(lr, dropout)``: a LightningModule that turns such images into logits. Its
  learning rate rises to ``lr`` early in a run and falls towards 0 until the end.
- ``evaluate(model, loader)``: the share of the loader's images it classifies correctly.
- ``train(folder, seed, max_epochs, resume, data)``: a Result. A Trainer trains on the
  CPU, on ``data`` or on ``make_data(seed)``; continues from the checkpoint ``resume``,
  if there is one; shortens the gradient to a norm of 1 or less without turning it;
  stops when the validation loss has not fallen for three epochs; has the best and the
  newest checkpoint in ``folder`` after each epoch.
"""

from dataclasses import dataclass
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, random_split
from torchvision.transforms import v2

from course_utils.data import open_dataset
from course_utils.hardware import quiet_trainer


@dataclass(frozen=True)
class Result:
    """The trained model, the accuracy to report, the file with the best weights."""

    model: L.LightningModule
    accuracy: float
    checkpoint: str


class DigitSet(Dataset):
    """Digits and labels; with ``erase``, a patch of each digit is set to 0."""

    def __init__(self, digits, labels, erase=False):
        self.digits, self.labels, self.erase = digits, labels, erase
        self.steps = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])

    def __len__(self):
        return len(self.digits)

    def __getitem__(self, index):
        digit = self.digits[index]
        if self.erase:
            row, column = torch.randint(0, 20, (2,)).tolist()
            digit[row : row + 8, column : column + 8] = 0
        return self.steps(Image.fromarray(digit.numpy())), self.labels[index]


class DigitData(L.LightningDataModule):
    """2,000 digits to train and validate on, 1,000 others for the test."""

    def __init__(self, seed):
        super().__init__()
        self.seed = seed

    def read(self, train, count):
        source = open_dataset("embedded", train=train)
        return source.data[:count], source.targets[:count]

    def setup(self, stage=None):
        digits, labels = self.read(train=True, count=2000)
        train, val = random_split(range(2000), [0.75, 0.25])
        self.train_set = DigitSet(digits[list(train)], labels[list(train)], erase=True)
        self.val_set = DigitSet(digits[list(val)], labels[list(val)])
        self.test_set = DigitSet(*self.read(train=False, count=1000))

    def loader(self, digits, shuffle=False):
        return DataLoader(digits, batch_size=32, shuffle=shuffle)

    def train_dataloader(self):
        return self.loader(self.train_set, shuffle=True)

    def val_dataloader(self):
        return self.loader(self.val_set)

    def test_dataloader(self):
        return self.loader(self.test_set)


class DigitModel(L.LightningModule):
    """One hidden layer; normalizes its input by the running mean and deviation."""

    def __init__(self, lr=5e-3, dropout=0.25):
        super().__init__()
        self.lr = lr
        self.mean = torch.tensor(0.5)
        self.std = torch.tensor(0.5)
        self.shifted_losses = []
        self.net = nn.Sequential(
            nn.Flatten(),
            nn.Linear(784, 128),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(128, 10),
        )

    def forward(self, images):
        return self.net((images - self.mean) / self.std)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        self.mean = 0.9 * self.mean + 0.1 * images.mean()
        self.std = 0.9 * self.std + 0.1 * images.std()
        shifted = self(images.roll(2, dims=-1))
        self.shifted_losses.append(F.cross_entropy(shifted, labels))
        loss = F.cross_entropy(self(images), labels)
        self.log("loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        logits = self(images)
        self.log("loss", F.cross_entropy(logits, labels))
        self.log("accuracy", (logits.argmax(1) == labels).float().mean())

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=5e-3)
        steps = self.trainer.estimated_stepping_batches
        plan = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
        return [optimizer], [plan]


def make_data(seed):
    return DigitData(seed)


def make_model(lr=5e-3, dropout=0.25):
    return DigitModel(lr, dropout)


@torch.no_grad()
def evaluate(model, loader):
    shares = []
    for images, labels in loader:
        right = (model(images).argmax(1) == labels).float()
        shares.append(right.mean())
    return torch.stack(shares).mean().item()


def train(folder, seed=0, max_epochs=8, resume=None, data=None):
    data = data or make_data(seed)
    model = make_model()
    L.seed_everything(seed, verbose=False)
    best = ModelCheckpoint(folder, filename="best", monitor="accuracy")
    stop = EarlyStopping("loss", patience=3)
    trainer = L.Trainer(
        max_epochs=max_epochs,
        callbacks=[best, stop],
        gradient_clip_val=1.0,
        gradient_clip_algorithm="value",
        **quiet_trainer(accelerator="cpu", enable_checkpointing=True),
    )
    if resume:
        model.load_state_dict(torch.load(resume)["state_dict"])
    trainer.fit(model, data)
    data.setup("validate")
    accuracy = evaluate(model, data.val_dataloader())
    return Result(model, accuracy, best.best_model_path)


if __name__ == "__main__":
    result = train(Path("runs"))
    print(f"accuracy {result.accuracy:.3f}, best weights: {result.checkpoint}")
