# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Solutions · Lesson 12, common pitfalls
#
# One way to solve each exercise of [lesson 12](../notebooks/12_common_pitfalls.ipynb), why it works, and another way. Try them yourself first: a wrong attempt
# teaches more than a right solution that you read.

# %% tags=["setup"]
# Starts the notebook. Opened alone, it first fetches the helpers of the course.
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

HELPERS = ""  # where a published copy of this notebook gets the course's helpers
said = "this copy names no place to fetch them from"
if not find_spec("course_utils"):  # opened alone: perhaps in a clone, not installed
    sys.path.append(str(Path("../src").resolve()))
if HELPERS and not find_spec("course_utils"):  # the helpers alone; nothing is replaced
    install = [sys.executable, "-m", "pip", "install", "-qq", "--no-deps", HELPERS]
    told = subprocess.run(install, capture_output=True, text=True).stderr.splitlines()
    said = next((line for line in told if "WARNING" not in line), "no word from pip")
    said = said.split(">: ")[-1].strip(" )'")
if not find_spec("course_utils"):
    raise ModuleNotFoundError(
        f"Found no helpers of the course here ({said}): open the "
        "lesson from the course's published copy, with a network; or inside a clone of "
        "the course; or first run `%pip install --no-deps FOLDER_OF_A_CLONE`."
    )
import course_utils

course_utils.start("12", written_for="0.1")

# %%
import lightning as L
import torch
from torch import nn
from torch.nn import functional as F
from torchmetrics.classification import MulticlassF1Score

from course_utils import check
from course_utils.data import ImageDataModule

# %% [markdown]
# The two networks of the lesson:


# %%
class DigitClassifier(L.LightningModule):
    """One hidden layer: images (batch, channel, height, width) to one logit per class."""

    def __init__(self):
        super().__init__()
        sizes = ImageDataModule()
        hidden = [nn.Linear(sizes.num_features, 64), nn.ReLU()]
        self.net = nn.Sequential(
            nn.Flatten(), *hidden, nn.Linear(64, sizes.num_classes)
        )

    def forward(self, images):
        return self.net(images)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


# %%
class Denoiser(L.LightningModule):
    """Images to images, each flattened to one row."""

    def __init__(self):
        super().__init__()
        channels = ImageDataModule().image_shape[0]
        hidden = [nn.Conv2d(channels, 8, 5, padding=2), nn.ReLU()]
        last = nn.Conv2d(8, channels, 5, padding=2)
        self.net = nn.Sequential(*hidden, last, nn.Flatten())

    def forward(self, images):
        return self.net(images)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=5e-3)


# %% [markdown]
# ## 12.1 Skip the broken batches, train on the rest
#
# Lightning reads the return value: a loss means "train", `None` means "skip". So the `if` that already decides what is logged also decides what is returned.
#
# Tempting and wrong: `return loss.nan_to_num()`. The loss is finite then, but its gradient is `0 * nan`, which is `nan`, and so are all weights after one step.


# %% tags=["solution"]
class SkipsBrokenBatches(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        if loss.isfinite():
            self.log("train_loss", loss)
            return loss
        return None


# %%
check("12.1", SkipsBrokenBatches)

# %% [markdown]
# **Another way.** Look at the pixels instead of the loss, and skip the forward pass.


# %%
class LooksAtThePixels(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        if not images.isfinite().all():
            return None
        return {"loss": F.cross_entropy(self(images), labels)}


check("12.1", LooksAtThePixels)

# %% [markdown]
# ## 12.2 An exact F1 from two processes
#
# F1 is a ratio of counts. The torchmetrics object collects the counts of all batches, adds up those of both processes, and divides once. Log the *object*: if
# you log what calling it returns, you log the score of one batch again.


# %% tags=["solution"]
class ReportsF1(DigitClassifier):
    def __init__(self):
        super().__init__()
        self.f1 = MulticlassF1Score(num_classes=10)

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        self.f1(self(images), labels)
        self.log("val_f1", self.f1)


# %%
check("12.2", ReportsF1)

# %% [markdown]
# **Another way.** Gather predictions and labels of all processes at the end of the epoch, and compute the score once. It needs the memory of all
# predictions, and equally many images in every process.

# %%
from torchmetrics.functional.classification import multiclass_f1_score


class GathersEverything(DigitClassifier):
    def on_validation_epoch_start(self):
        self.logits, self.labels = [], []

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        self.logits.append(self(images).detach())
        self.labels.append(labels)

    def on_validation_epoch_end(self):
        logits = self.all_gather(torch.cat(self.logits)).reshape(-1, 10)
        labels = self.all_gather(torch.cat(self.labels)).reshape(-1)
        self.log("val_f1", multiclass_f1_score(logits, labels, num_classes=10))


check("12.2", GathersEverything)

# %% [markdown]
# ## 12.3 A batch that Lightning cannot move
#
# `transfer_batch_to_device` is the hook in which Lightning moves a batch. For a class that it does not know, it leaves the batch alone, so you take over.
#
# Tempting and wrong: to delete `.cuda()` and stop there. On a CPU everything works, and on the first GPU the batch stays behind.


# %% tags=["solution"]
class TrainsOnScans(DigitClassifier):
    def transfer_batch_to_device(self, batch, device, dataloader_idx):
        batch.images = batch.images.to(device)
        batch.labels = batch.labels.to(device)
        return batch

    def training_step(self, batch, batch_idx):
        return F.cross_entropy(self(batch.images), batch.labels)


# %%
check("12.3", TrainsOnScans)

# %% [markdown]
# **Another way.** Before the transfer, turn the object into something that Lightning can move: a tuple.


# %%
class UnpacksFirst(DigitClassifier):
    def on_before_batch_transfer(self, batch, dataloader_idx):
        return batch.images, batch.labels

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)


check("12.3", UnpacksFirst)

# %% [markdown]
# ## 12.4 One honest number per epoch
#
# The starter has two bugs. A batch of three images has the same vote as one of forty, and the list is never emptied, so the second epoch's number still
# counts the first. `self.log` inside `validation_step` repairs both: it weights by batch size and starts every epoch at zero.


# %% tags=["solution"]
class ReportsAccuracy(DigitClassifier):
    def validation_step(self, batch, batch_idx):
        images, labels = batch
        acc = (self(images).argmax(1) == labels).float().mean()
        self.log("val_acc", acc)


# %%
check("12.4", ReportsAccuracy)

# %% [markdown]
# **Another way.** Count right answers and images yourself, divide once, and start every epoch at zero.


# %%
class CountsItself(DigitClassifier):
    def on_validation_epoch_start(self):
        self.right = self.seen = 0

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        self.right += (self(images).argmax(1) == labels).sum().item()
        self.seen += len(labels)

    def on_validation_epoch_end(self):
        self.log("val_acc", self.right / self.seen)


check("12.4", CountsItself)

# %% [markdown]
# ## 12.5 Hide a patch, not the target
#
# `patched = images` makes a second name, not a second tensor. `clone` makes a second tensor. The hole is in the copy; batch and target stay complete.
#
# Tempting and wrong: `patched = images[:]`. A slice is a view, and a view shares the memory.


# %% tags=["solution"]
class FillsTheHole(Denoiser):
    def training_step(self, batch, batch_idx):
        images, _ = batch
        row, column = torch.randint(0, 20, (2,)).tolist()
        patched = images.clone()
        patched[:, :, row : row + 8, column : column + 8] = 0
        return F.mse_loss(self(patched), images.flatten(1))


# %%
check("12.5", FillsTheHole)

# %% [markdown]
# **Another way.** Multiply by a mask. The product is a new tensor, so nothing can go wrong.


# %%
class MultipliesByAMask(Denoiser):
    def training_step(self, batch, batch_idx):
        images, _ = batch
        row, column = torch.randint(0, 20, (2,)).tolist()
        mask = torch.ones_like(images)
        mask[:, :, row : row + 8, column : column + 8] = 0
        return F.mse_loss(self(images * mask), images.flatten(1))


check("12.5", MultipliesByAMask)
