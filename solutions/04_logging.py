# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Solutions · Lesson 04, logging
#
# One way to solve each exercise of [lesson 04](../notebooks/04_logging.ipynb), why it works, and another way. Try them yourself first: a wrong attempt
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

course_utils.start("04", written_for="0.1")

# %%
import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.nn import functional as F

from course_utils import check
from course_utils.data import ImageDataModule

NUM_FEATURES = ImageDataModule().num_features

# %% [markdown]
# The network of the lesson:


# %%
class Classifier(L.LightningModule):
    """One hidden layer: images to logits of shape (batch, 10)."""

    def __init__(self, lr=1e-3):
        super().__init__()
        self.lr = lr
        hidden = [nn.Linear(NUM_FEATURES, 64), nn.ReLU()]
        self.net = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(64, 10))

    def forward(self, images):
        return self.net(images)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


# %% [markdown]
# ## 4.1 Two curves from one line
#
# `on_step=True` hands every loss to the logger, `on_epoch=True` keeps a sum weighted by batch size and starts again in every epoch. With both, Lightning adds `_step` and
# `_epoch` to the name.
#
# Tempting and wrong: to log the same value under both names. The names look right, and `train_loss_epoch` is the loss of the last batch.


# %% tags=["solution"]
class LogsTwoCurves(Classifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        return loss


# %%
check("4.1", LogsTwoCurves)

# %% [markdown]
# **Another way.** Keep the sum and the count yourself. It is what `on_epoch=True` does for you.


# %%
class KeepsSumAndCount(Classifier):
    def on_train_epoch_start(self):
        self.total = self.count = 0

    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.log("train_loss_step", loss)
        self.total += loss.item() * len(labels)
        self.count += len(labels)
        return loss

    def on_train_epoch_end(self):
        self.log("train_loss_epoch", self.total / self.count)


check("4.1", KeepsSumAndCount)

# %% [markdown]
# ## 4.2 Keep the best, under a name you can read
#
# Three names for three numbers, so `monitor="val/acc"` can mean only one. `mode="max"`, because more accuracy is better: the default, `"min"`, keeps the worst epoch and says nothing. And
# `auto_insert_metric_name=False`, because otherwise the metric's name goes into the file's name, slash and all.
#
# Tempting and wrong: `filename="{epoch}-{acc:.2f}"` without a slash. No metric is called `acc`, so every file says `acc=0.00`, again without a word.


# %% tags=["solution"]
class KeepsTheBest(Classifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        logits = self(images)
        self.log("val/loss", F.cross_entropy(logits, labels))
        self.log("val/acc", (logits.argmax(1) == labels).float().mean())

    def configure_callbacks(self):
        best = ModelCheckpoint(
            monitor="val/acc",
            mode="max",
            filename="epoch={epoch}-acc={val/acc:.2f}",
            auto_insert_metric_name=False,
        )
        return [best]


# %%
check("4.2", KeepsTheBest)

# %% [markdown]
# **Another way.** `log_dict` with a helper that puts the prefix in front, so that no step can forget it.


# %%
class PutsAPrefix(Classifier):
    def report(self, prefix, batch):
        images, labels = batch
        logits = self(images)
        loss = F.cross_entropy(logits, labels)
        acc = (logits.argmax(1) == labels).float().mean()
        self.log_dict({f"{prefix}/loss": loss, f"{prefix}/acc": acc})
        return loss

    def training_step(self, batch, batch_idx):
        return self.report("train", batch)

    def validation_step(self, batch, batch_idx):
        self.report("val", batch)

    def configure_callbacks(self):
        name = "{epoch:02d}_{val/acc:.3f}"
        options = {"mode": "max", "auto_insert_metric_name": False}
        return ModelCheckpoint(monitor="val/acc", filename=name, **options)


check("4.2", PutsAPrefix)

# %% [markdown]
# ## 4.3 A mean, a maximum and a count
#
# `reduce_fx` says how the values of batches become one, and `sync_dist=True` combines the processes by the same rule. Without `reduce_fx` everything becomes a mean: the mean of
# maxima is no maximum, and the mean of counts is no count.
#
# Tempting and wrong: `rank_zero_only=True`, which sounds tidy. It reports the first file and leaves the second out.


# %% tags=["solution"]
class ReportsThree(Classifier):
    def validation_step(self, batch, batch_idx):
        images, labels = batch
        logits = self(images)
        losses = F.cross_entropy(logits, labels, reduction="none")
        errors = (logits.argmax(1) != labels).float()
        self.log("val_loss", losses.mean(), sync_dist=True)
        self.log("val_worst", losses.max(), reduce_fx="max", sync_dist=True)
        self.log("val_errors", errors.sum(), reduce_fx="sum", sync_dist=True)


# %%
check("4.3", ReportsThree)

# %% [markdown]
# **Another way.** torchmetrics has an object for each rule. They also survive an odd number of images, which the mean of `self.log` does not today.

# %%
from torchmetrics import MaxMetric, MeanMetric, SumMetric


class ReportsObjects(Classifier):
    def __init__(self):
        super().__init__()
        self.mean, self.worst, self.errors = MeanMetric(), MaxMetric(), SumMetric()

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        logits = self(images)
        losses = F.cross_entropy(logits, labels, reduction="none")
        self.mean(losses)
        self.worst(losses)
        self.errors(logits.argmax(1) != labels)
        self.log("val_loss", self.mean)
        self.log("val_worst", self.worst)
        self.log("val_errors", self.errors)


check("4.3", ReportsObjects)

# %% [markdown]
# ## 4.4 A straight line to zero
#
# `estimated_stepping_batches` knows epochs, batches, accumulation and the number of processes, so the line fits any run. `"interval": "step"` steps it after each update. The rate
# is read in `training_step`, before the update that applies it.
#
# Tempting and wrong: to log in `on_train_batch_end`. By then the scheduler has stepped, and what you log is the rate of the next update.


# %% tags=["solution"]
class FallsToZero(Classifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        self.log("lr", self.optimizers().param_groups[0]["lr"])
        return F.cross_entropy(self(images), labels)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.LinearLR(
            optimizer,
            start_factor=1.0,
            end_factor=0.0,
            total_iters=self.trainer.estimated_stepping_batches,
        )
        schedule = {"scheduler": scheduler, "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}


# %%
check("4.4", FallsToZero)

# %% [markdown]
# **Another way.** A `LambdaLR` turns any formula into a schedule, and `on_before_optimizer_step` is called right before each update, with the optimizer in hand.


# %%
class FollowsAFormula(Classifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def on_before_optimizer_step(self, optimizer):
        self.log("lr", optimizer.param_groups[0]["lr"])

    def configure_optimizers(self):
        updates = self.trainer.estimated_stepping_batches
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        line = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: 1 - i / updates)
        return [optimizer], [{"scheduler": line, "interval": "step"}]


check("4.4", FollowsAFormula)
