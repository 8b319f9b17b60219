# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Solutions · Lesson 05, reproducibility
#
# One way to solve each exercise of [lesson 05](../notebooks/05_reproducibility.ipynb), why it works, and another way. Try them yourself first: a wrong attempt
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

course_utils.start("05", written_for="0.1")

# %%
import lightning as L
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from course_utils import check
from course_utils.data import ImageDataModule, scaled
from course_utils.hardware import quiet_trainer

# %% [markdown]
# The small network of the lesson, with its three kinds of draws:


# %%
class DigitNet(L.LightningModule):
    """One hidden layer: images (batch, channel, height, width) to logits (batch, 10)."""

    def __init__(self):
        super().__init__()
        size = ImageDataModule().num_features
        hidden = [nn.Linear(size, 64), nn.ReLU(), nn.Dropout(0.2)]
        self.net = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(64, 10))

    def forward(self, images):
        return self.net(images)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        brightness = np.random.uniform(0.8, 1.2)
        return F.cross_entropy(self(images * brightness), labels)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


# %% [markdown]
# ## 5.1 Three leaks
#
# The model draws its first weights before the seed is set. `np.random.permutation` and the brightness draw from NumPy, which `torch.manual_seed` does not seed. And `ORDER` outlives the call: the
# second call continues where the first one stopped. The last leak does not show if you start the script twice, only if you call the function twice, as a search over settings does.
#
# Tempting and wrong: `L.seed_everything(42)`. Two runs agree then, whatever seed they are given, and five repetitions are five copies of one.


# %% tags=["solution"]
def train(seed):
    L.seed_everything(seed, verbose=False)
    model = DigitNet()
    data = ImageDataModule(train_size=640)
    kept = np.random.permutation(640)[:320]  # half of the images
    images, labels = scaled(data.train_images[kept]), data.train_labels[kept]
    dataset = TensorDataset(images, labels)
    order = torch.Generator().manual_seed(seed)
    loader = DataLoader(dataset, batch_size=32, shuffle=True, generator=order)
    L.Trainer(max_epochs=1, **quiet_trainer()).fit(model, loader)
    return model


# %%
check("5.1", train)

# %% [markdown]
# **Another way.** Leave the loader's generator out: without one, the order is drawn from the global generator, which is seeded by now. And hand the choice of images a generator of its own.


# %%
def trains_with_one_generator(seed):
    L.seed_everything(seed, verbose=False)
    data, model = ImageDataModule(train_size=640), DigitNet()
    kept = np.random.default_rng(seed).permutation(640)[:320]
    dataset = TensorDataset(scaled(data.train_images[kept]), data.train_labels[kept])
    loader = DataLoader(dataset, batch_size=32, shuffle=True)
    L.Trainer(max_epochs=1, **quiet_trainer()).fit(model, loader)
    return model


check("5.1", trains_with_one_generator)

# %% [markdown]
# ## 5.2 A table without a race
#
# Reading `table[left, right]` is harmless. Its *gradient* is not: it adds one vector for each pair of pixels to the row of that pair, two threads at once. `F.embedding` reads rows of a table with two dimensions, and
# sums its gradient in one order. So make one row number out of two: `8 * left + right`.
#
# Tempting and wrong: to flatten the table and keep the brackets, `self.table.flatten(0, 1)[pair]`. It is the same operation.


# %% tags=["solution"]
class PairTable(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(0.1 * torch.randn(8, 8, 16))
        self.out = nn.Linear(14 * 13 * 16, 10)

    def forward(self, images):
        levels = (F.avg_pool2d(images, 2) * 7).round().long()
        pair = 8 * levels[..., :-1] + levels[..., 1:]
        return self.out(F.embedding(pair, self.table.flatten(0, 1)).flatten(1))


# %%
check("5.2", PairTable)

# %% [markdown]
# **Another way.** Turn each pair into a row of zeros with a single one, and multiply. A matrix product of fixed shapes sums in one order as well. It needs 64 numbers for each pair of pixels.


# %%
class MultipliesOneHot(PairTable):
    def forward(self, images):
        levels = (F.avg_pool2d(images, 2) * 7).round().long()
        pair = 8 * levels[..., :-1] + levels[..., 1:]
        chosen = F.one_hot(pair, 64).float() @ self.table.flatten(0, 1)
        return self.out(chosen.flatten(1))


check("5.2", MultipliesOneHot)

# %% [markdown]
# ## 5.3 A generator of its own
#
# A generator is an object of NumPy, and a file that is read as weights only cannot contain such an object. Its *state* is a dict of text and whole numbers. Setting it in `on_load_checkpoint` is early enough here, since nothing else
# draws from this generator.
#
# Tempting and wrong: a new `default_rng(0)` after loading. The run repeats the noise of its first steps.


# %% tags=["solution"]
class AddsItsOwnNoise(DigitNet):
    def __init__(self):
        super().__init__()
        self.rng = np.random.default_rng(0)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        noise = torch.from_numpy(self.rng.normal(0, 0.3, images.shape)).float()
        return F.cross_entropy(self(images + noise), labels)

    def on_save_checkpoint(self, checkpoint):
        checkpoint["rng"] = self.rng.bit_generator.state

    def on_load_checkpoint(self, checkpoint):
        self.rng.bit_generator.state = checkpoint["rng"]


# %%
check("5.3", AddsItsOwnNoise)

# %% [markdown]
# **Another way.** Keep no state at all: let the number of the step decide the noise. Lightning counts steps and restores the count.


# %%
class NoiseFromTheStep(DigitNet):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        generator = torch.Generator().manual_seed(self.trainer.global_step)
        noise = 0.3 * torch.randn(images.shape, generator=generator)
        return F.cross_entropy(self(images + noise.to(self.device)), labels)


check("5.3", NoiseFromTheStep)
