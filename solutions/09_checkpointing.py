# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Solutions · Lesson 09, checkpointing
#
# One way to solve each exercise of [lesson 09](../notebooks/09_checkpointing.ipynb), why it works, and another way. Try them yourself first: a wrong attempt
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

course_utils.start("09", written_for="0.1")

# %%
import os
from collections import deque

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.nn import functional as F

from course_utils import check
from course_utils.data import ImageDataModule
from course_utils.hardware import quiet_trainer

# %% [markdown]
# The network of the lesson:


# %%
class DigitNet(L.LightningModule):
    """One hidden layer: images (batch, channel, height, width) to one logit per class."""

    def __init__(self, dropout=0.0):
        super().__init__()
        size, classes = ImageDataModule().num_features, ImageDataModule().num_classes
        pixels = [nn.Flatten(), nn.LayerNorm(size, elementwise_affine=False)]
        hidden = [nn.Linear(size, 128), nn.ReLU(), nn.Dropout(dropout)]
        self.net = nn.Sequential(*pixels, *hidden, nn.Linear(128, classes))

    def forward(self, images):
        return self.net(images)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=3e-3)


# %% [markdown]
# ## 9.1 Room for two files
#
# Two files with two tasks, so two callbacks. The first keeps the epoch with the highest accuracy: `mode="max"`, because the default would keep the lowest. The second monitors nothing, saves after every
# training epoch, and keeps the newest file. With validation once per epoch, as in the exercise, it would save every epoch without `save_on_train_epoch_end=True`, too; with any other interval it would not.
#
# Tempting and wrong: `mode="max"` alone. Then the best epoch is right, and `last.ckpt` still waits for the next best one. Wrong for other validation intervals: `save_on_train_epoch_end=True` on the first callback, which would then
# judge new weights by an old score.


# %% tags=["solution"]
def room_for_two(folder):
    best = ModelCheckpoint(dirpath=folder, monitor="val_acc", mode="max")
    last = ModelCheckpoint(
        dirpath=folder,
        filename="last",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    return [best, last]


# %%
check("9.1", room_for_two)

# %% [markdown]
# **Another way.** A callback of your own. `trainer.save_checkpoint` writes everything that is needed to resume. It is a `Checkpoint`, so that it gets its turn after all other callbacks, and saves their newest state.

# %%
from lightning.pytorch.callbacks import Checkpoint


class KeepsTwo(Checkpoint):
    def __init__(self, folder):
        self.folder, self.best = folder, -1.0

    def on_train_epoch_end(self, trainer, pl_module):
        accuracy = float(trainer.callback_metrics["val_acc"])
        if accuracy > self.best:
            self.best = accuracy
            trainer.save_checkpoint(f"{self.folder}/best.ckpt")
        trainer.save_checkpoint(f"{self.folder}/last.ckpt")

    def state_dict(self):
        return {"best": self.best}

    def load_state_dict(self, state):
        self.best = state["best"]


def with_its_own_callback(folder):
    return [KeepsTwo(folder)]


check("9.1", with_its_own_callback)

# %% [markdown]
# Its own state goes into the file, too: without the last two methods, the first epoch after resuming would count as the best. That is also why `last.ckpt` is written last: it must know the
# newest best. This callback, too, counts on validation once per epoch.
#
# ## 9.2 A job that is started again and again
#
# Save at the end of every training epoch under a fixed name, and begin with that file. `save_on_train_epoch_end=True` keeps the bits equal when validation is added later, at any interval. `ckpt_path="last"` looks in the folder of the callback for a file whose name begins with `last`. The first call finds none, and trains
# from the start: the one case in which that is right. A complete run is resumed, too, and makes no more updates.
#
# Tempting and wrong: `save_on_exception=True` alone. A killed process raises no exception.


# %% tags=["solution"]
def job(model, loader, folder):
    last = ModelCheckpoint(
        dirpath=folder,
        filename="last",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    options = quiet_trainer(accelerator="cpu", enable_checkpointing=True)
    trainer = L.Trainer(max_epochs=4, callbacks=[last], **options)
    trainer.fit(model, loader, ckpt_path="last")


# %%
check("9.2", job)

# %% [markdown]
# **Another way.** Ask for the file yourself. Then your own line says when a run starts from scratch. (With a wrong path it still does, without a warning.)


# %%
def asks_for_the_file(model, loader, folder):
    file = os.path.join(folder, "newest.ckpt")
    saves = ModelCheckpoint(
        dirpath=folder,
        filename="newest",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    options = quiet_trainer(accelerator="cpu", enable_checkpointing=True)
    trainer = L.Trainer(max_epochs=4, callbacks=[saves], **options)
    trainer.fit(model, loader, ckpt_path=file if os.path.exists(file) else None)


check("9.2", asks_for_the_file)

# %% [markdown]
# ## 9.3 A window of losses
#
# A `deque` cannot be read with `weights_only=True`, a list can. And a list has no `maxlen`: put the values into a new window when they are loaded.
#
# Tempting and wrong: `self.recent = checkpoint["recent"]`, after a list was saved. It loads. From then on the window grows and grows, and no error says so.


# %% tags=["solution"]
class DividesByRecent(DigitNet):
    def __init__(self):
        super().__init__()
        self.recent = deque(maxlen=8)

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.recent.append(loss.item())
        return loss / np.mean(self.recent)

    def on_save_checkpoint(self, checkpoint):
        checkpoint["recent"] = list(self.recent)

    def on_load_checkpoint(self, checkpoint):
        self.recent = deque(checkpoint["recent"], maxlen=8)


# %%
check("9.3", DividesByRecent)

# %% [markdown]
# **Another way.** A buffer of eight numbers and a count, both tensors. No hooks are needed.


# %%
class WindowInBuffers(DigitNet):
    def __init__(self):
        super().__init__()
        self.register_buffer("recent", torch.zeros(8, dtype=torch.float64))
        self.register_buffer("count", torch.tensor(0))

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.recent[self.count % 8] = loss.item()
        self.count += 1
        return loss / (self.recent.sum() / self.count.clamp(max=8)).float()


check("9.3", WindowInBuffers)
