# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Solutions · Lesson 13, performance
#
# One way to solve each exercise of [lesson 13](../notebooks/13_performance.ipynb), why it works, and another way. Try them yourself first: a wrong attempt
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

course_utils.start("13", written_for="0.1")

# %%
import lightning as L
import torch
from torch.utils.data import DataLoader

from course_utils import check
from course_utils.hardware import quiet_trainer

# %% [markdown]
# ## 13.1 A loader for any number of workers
#
# Workers that do not exist cannot persist, and PyTorch says so with an error. So the option depends on the number.
#
# Tempting and wrong: `persistent_workers=True` with `num_workers=max(workers, 1)`. A user who asks for no workers wants none, for example to set a breakpoint in the dataset.


# %% tags=["solution"]
def make_loader(dataset, workers):
    return DataLoader(
        dataset,
        batch_size=16,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )


# %%
check("13.1", make_loader)

# %% [markdown]
# **Another way.** Collect the options first, which pays when there are more of them that make sense only with workers, such as `prefetch_factor`:


# %%
def make_loader(dataset, workers):
    options = {"batch_size": 16, "shuffle": True}
    if workers:
        options |= {"num_workers": workers, "persistent_workers": True}
    return DataLoader(dataset, **options)


# %%
check("13.1", make_loader)

# %% [markdown]
# ## 13.2 Decide, and leave the switch as you found it
#
# What decides is the shape of an image, without the number of images in a batch: a smaller last batch costs one more search, and that is all. `benchmark=False` has to be said, since the switch may be on. Save its value, use yours, restore it.
# `finally` runs whether `fit` succeeds or raises, and the error passes on to the caller afterwards.
#
# Tempting and wrong: `benchmark=None` for several sizes. It leaves the switch alone, and that is the leak.


# %% tags=["solution"]
def train_one_epoch(model, loader):
    sizes = {images.shape[1:] for images, _ in loader}
    before = torch.backends.cudnn.benchmark
    options = quiet_trainer(accelerator="cpu", max_epochs=1)
    try:
        L.Trainer(benchmark=len(sizes) == 1, **options).fit(model, loader)
    finally:
        torch.backends.cudnn.benchmark = before


# %%
check("13.2", train_one_epoch)

# %% [markdown]
# **Another way.** PyTorch's own context manager saves and restores the switch. And where every image can be asked, the dataset knows the sizes before anything is loaded:


# %%
def train_one_epoch(model, loader):
    first, *others = (image.shape for image, _ in loader.dataset)
    fixed = all(shape == first for shape in others)
    options = quiet_trainer(accelerator="cpu", max_epochs=1)
    with torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled):
        L.Trainer(benchmark=fixed, **options).fit(model, loader)


# %%
check("13.2", train_one_epoch)

# %% [markdown]
# ## 13.3 A data module that the finder can tune
#
# The starter had the attribute, but built its loader once, in `__init__`, with the size of that moment. The finder set the attribute, asked again, and got the old loader. Memory never seemed to run out.


# %% tags=["solution"]
class TunableData(L.LightningDataModule):
    def __init__(self, dataset, batch_size=32):
        super().__init__()
        self.batch_size = batch_size
        self.dataset = dataset

    def train_dataloader(self):
        return DataLoader(self.dataset, batch_size=self.batch_size, shuffle=True)


# %%
check("13.3", TunableData)

# %% [markdown]
# **Another way.** The finder also looks for the name in `self.hparams`, so `save_hyperparameters` will do.


# %%
class TunableData(L.LightningDataModule):
    def __init__(self, dataset, batch_size=32):
        super().__init__()
        self.save_hyperparameters("batch_size")
        self.dataset = dataset

    def train_dataloader(self):
        size = self.hparams.batch_size
        return DataLoader(self.dataset, batch_size=size, shuffle=True)


# %%
check("13.3", TunableData)

# %% [markdown]
# ## 13.4 Every image its own shift
#
# One draw of shape `(batch, 1)` gives every image its number. Subtracted from the columns 0, 1, 2, … it says for each image which column goes where, and `gather` fetches them all in one operation.
#
# Tempting and wrong: `torch.stack([image.roll(...) for image in images])`. Every image gets its own shift, but 64 images take 64 rolls: the Python of one-by-one loading is back.


# %% tags=["solution"]
def shift_each(images):
    batch, _, _, width = images.shape
    pixels = torch.randint(-3, 4, (batch, 1), device=images.device)
    columns = (torch.arange(width, device=images.device) - pixels) % width
    return images.gather(3, columns[:, None, None, :].expand_as(images))


# %%
check("13.4", shift_each)

# %% [markdown]
# **Another way.** Compute all seven shifts of the whole batch, and let each image choose its own. Seven operations, however large the batch.


# %%
def shift_each(images):
    moved = torch.stack([images.roll(pixels, dims=3) for pixels in range(-3, 4)])
    choice = torch.randint(7, (len(images),), device=images.device)
    return moved[choice, torch.arange(len(images), device=images.device)]


# %%
check("13.4", shift_each)
