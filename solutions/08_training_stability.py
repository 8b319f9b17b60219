# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Solutions · Lesson 08, training stability
#
# One way to solve each exercise of [lesson 08](../notebooks/08_training_stability.ipynb), why it works, and another way. Try them yourself first: a wrong attempt
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

course_utils.start("08", written_for="0.1")

# %%
import lightning as L
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import nn
from torch.nn import functional as F

from course_utils import check
from course_utils.data import ImageDataModule

# %% [markdown]
# The classifier of the lesson:

# %%
data = ImageDataModule()


class ImageClassifier(L.LightningModule):
    """Images of shape (batch, channel, height, width) to one logit per class."""

    def __init__(self, lr=0.1):
        super().__init__()
        self.lr = lr
        hidden = [nn.Linear(data.num_features, 64), nn.ReLU()]
        self.net = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(64, data.num_classes))

    def forward(self, images):
        return self.net(images)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr)


# %% [markdown]
# ## 8.1 Clip by hand, over two batches
#
# The starter has two bugs. It clips by value, which lets a long gradient through and bends it. It also clips after each batch, so that a part of the sum is shortened before the rest is added.
# Clip once, by norm, when the sum is complete.
#
# Tempting and wrong: to clip by norm after *each* batch. No gradient is too long then, but the first batch's share is smaller than it should be, and the direction is not that of both.


# %% tags=["solution"]
class ClipsByHand(ImageClassifier):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        images, labels = batch
        optimizer = self.optimizers()
        loss = F.cross_entropy(self(images), labels) / 2
        self.manual_backward(loss)
        if batch_idx % 2 == 1:
            nn.utils.clip_grad_norm_(self.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()


# %%
check("8.1", ClipsByHand)

# %% [markdown]
# **Another way.** Lightning has a method for it, `clip_gradients`. It takes the optimizer, so in a module with two optimizers you can give each its own limit.


# %%
class ClipsWithLightning(ClipsByHand):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        optimizer = self.optimizers()
        if batch_idx % 2 == 0:
            optimizer.zero_grad()
        self.manual_backward(F.cross_entropy(self(images), labels) / 2)
        if batch_idx % 2 == 1:
            self.clip_gradients(optimizer, 1.0, gradient_clip_algorithm="norm")
            optimizer.step()


check("8.1", ClipsWithLightning)

# %% [markdown]
# ## 8.2 A warm-up that counts updates
#
# Three things have to fit: how many updates there are, how often the scheduler steps, and what it changes. `estimated_stepping_batches` knows epochs, batches and accumulation. A scheduler in a
# dictionary with `"interval": "step"` steps after each update. And `cycle_momentum=False` leaves the momentum at 0.9.
#
# Tempting and wrong: `max_epochs * len(loader)`. It counts batches. Under accumulation there are fewer updates, and the run ends while the rate is still high.


# %% tags=["solution"]
class RisesAndFalls(ImageClassifier):
    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
        updates = self.trainer.estimated_stepping_batches
        scheduler = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, 0.1, updates, pct_start=0.25, cycle_momentum=False
        )
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]


# %%
check("8.2", RisesAndFalls)

# %% [markdown]
# **Another way.** Write the shape as a function of the update: a factor on `lr`, here along two straight lines. `LambdaLR` knows nothing of momentum.


# %%
class AlongTwoLines(ImageClassifier):
    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
        updates = self.trainer.estimated_stepping_batches
        rise = updates // 4

        def factor(update):
            return min((update + 1) / rise, (updates - update) / (updates - rise))

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]


check("8.2", AlongTwoLines)

# %% [markdown]
# ## 8.3 Let the gradient reach every layer
#
# Three faults, three symptoms. `.detach()` cuts the graph: the encoder's `.grad` is `None`. `.round()` is flat between its jumps: the gradient of `refine` is exactly zero. Six sigmoids in a
# row: the gradient of the first hidden layer is there, and only a tiny share of that of the head.
#
# Tempting and wrong: to add a tiny multiple of every weight to the loss, so that nothing is `None` or zero. The gradient that arrives then says nothing about the images.


# %% tags=["solution"]
class LosesItsGradients(ImageClassifier):
    def __init__(self):
        super().__init__()
        first = nn.Linear(data.num_features, 64)
        self.encoder = nn.Sequential(nn.Flatten(), first, nn.ReLU())
        hidden = [nn.Sequential(nn.Linear(64, 64), nn.ReLU()) for _ in range(6)]
        self.net = nn.Sequential(*hidden)
        self.refine = nn.Linear(64, 64)
        self.head = nn.Linear(64, data.num_classes)

    def forward(self, images):
        features = self.encoder(images)
        features = self.net(features)
        features = features + self.refine(features)
        return self.head(features)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


# %%
check("8.3", LosesItsGradients)

# %% [markdown]
# **Another way.** Keep the sigmoids and give the gradient a way around them: each layer *adds* to its input. The slope of that path is one.


# %%
class AroundTheSigmoids(LosesItsGradients):
    def __init__(self):
        super().__init__()
        hidden = [nn.Sequential(nn.Linear(64, 64), nn.Sigmoid()) for _ in range(6)]
        self.net = nn.ModuleList(hidden)

    def forward(self, images):
        features = self.encoder(images)
        for layer in self.net:
            features = features + layer(features)
        return self.head(features + self.refine(features))


check("8.3", AroundTheSigmoids)

# %% [markdown]
# ## 8.4 A patience of two epochs
#
# Validation runs four times an epoch, so two epochs are eight checks. Both callbacks look for the *smallest* value unless you write `mode="max"`. And `EarlyStopping` keeps no weights, so a
# `ModelCheckpoint` stands beside it.
#
# Tempting and wrong: `mode="max"` for one of the two. Then the run stops at the right moment and has kept its worst weights.


# %% tags=["solution"]
def callbacks(folder):
    stop = EarlyStopping("val_acc", patience=8, mode="max")
    keep_best = ModelCheckpoint(folder, monitor="val_acc", mode="max")
    return [stop, keep_best]


# %%
check("8.4", callbacks)

# %% [markdown]
# **Another way.** Your own callback, which stops the run through `trainer.should_stop`, and saves at each new high.


# %%
class StopsAndKeeps(L.Callback):
    def __init__(self, folder):
        self.file = f"{folder}/best.ckpt"
        self.best, self.waited = float("-inf"), 0

    def on_validation_end(self, trainer, model):
        score = trainer.callback_metrics["val_acc"].item()
        self.waited += 1
        if score > self.best:
            self.best, self.waited = score, 0
            trainer.save_checkpoint(self.file)
        if self.waited == 8:
            trainer.should_stop = True


def one_callback(folder):
    return [StopsAndKeeps(folder)]


check("8.4", one_callback)
