# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Solutions · Lesson 02, device agnosticism
#
# One way to solve each exercise of [lesson 02](../notebooks/02_device_agnosticism.ipynb), why it works, and another way. Try them yourself first.

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

course_utils.start("02", written_for="0.1")

# %%
import lightning as L
import torch
from torch import nn
from torch.nn import functional as F

from course_utils import check
from course_utils.data import ImageDataModule

# %% [markdown]
# The network of the lesson:


# %%
class ImageClassifier(L.LightningModule):
    """One hidden layer: images to logits of shape (batch, classes)."""

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


# %% [markdown]
# ## 2.1 Classify without a Trainer
#
# The Trainer moves a batch before *its* steps. A method that you call yourself gets the images as they are. The module knows its place, `self.device`: that is where
# the images have to be. The answer goes back to the CPU, where the caller is.
#
# Tempting and wrong: `self.cpu()` in the first line. The answer is right, but the model has left its GPU, for every later caller.


# %% tags=["solution"]
class ClassifiesUploads(ImageClassifier):
    def classify(self, images):
        with torch.no_grad():
            logits = self(images.to(self.device))
        return logits.argmax(1).cpu()


# %%
check("2.1", ClassifiesUploads)

# %% [markdown]
# **Another way.** Ask a weight instead of the module. This works in a plain `nn.Module`, too, which has no `device`.


# %%
class AsksAWeight(ImageClassifier):
    def classify(self, images):
        where = next(self.parameters()).device
        with torch.inference_mode():
            return self(images.to(where)).max(dim=1).indices.to("cpu")


check("2.1", AsksAWeight)

# %% [markdown]
# ## 2.2 A noise layer, written from its specification
#
# Shape and device come from the images, and so does the dtype, unless it is one that cannot hold noise. Bytes plus float32 gives float32.
#
# Tempting and wrong: `torch.randn(images.shape).type_as(images)`. It runs on every device. But the CPU draws the noise, it is copied in every step, and on bytes most of it
# becomes zero. `torch.randn_like(images)` is right for floating-point images; for bytes it raises an error.


# %% tags=["solution"]
class AddsNoise(nn.Module):
    def __init__(self, amount):
        super().__init__()
        self.amount = amount

    def forward(self, images):
        dtype = images.dtype if images.is_floating_point() else torch.float32
        noise = torch.randn(images.shape, device=images.device, dtype=dtype)
        return images + self.amount * noise


# %%
check("2.2", AddsNoise)

# %% [markdown]
# **Another way.** Convert the bytes first; then `randn_like` takes all three from the images.


# %%
class ConvertsFirst(AddsNoise):
    def forward(self, images):
        if not images.is_floating_point():
            images = images.float()
        return images + self.amount * torch.randn_like(images)


check("2.2", ConvertsFirst)

# %% [markdown]
# ## 2.3 What was learned, and what is constant
#
# Both tensors must move, so both are buffers. The counts were learned: without them a reloaded model predicts differently. The window is made in `__init__` anyway,
# so `persistent=False` keeps it out of the file.
#
# Tempting and wrong: `.to(self.device)` wherever the two are used. Then the step runs on every device, and the counts are still lost on saving.


# %% tags=["solution"]
class KnowsWhatIsCommon(ImageClassifier):
    def __init__(self):
        super().__init__()
        self.register_buffer("counts", torch.ones(10))
        window = torch.zeros(ImageDataModule().image_shape[1:])
        self.register_buffer("window", window, persistent=False)
        self.window[2:-2, 2:-2] = 1

    def forward(self, images):
        shares = self.counts / self.counts.sum()
        return super().forward(images * self.window) + shares.log()

    def training_step(self, batch, batch_idx):
        images, labels = batch
        self.counts += F.one_hot(labels, 10).sum(0)
        return F.cross_entropy(self(images), labels)


# %%
check("2.3", KnowsWhatIsCommon)

# %% [markdown]
# **Another way.** `nn.Buffer` is the short spelling. And a constant this simple can be made again in every step, on the device of the images.


# %%
class PadsAWindow(ImageClassifier):
    def __init__(self):
        super().__init__()
        self.counts = nn.Buffer(torch.ones(10))

    def forward(self, images):
        window = F.pad(torch.ones_like(images[0, 0, 2:-2, 2:-2]), (2, 2, 2, 2))
        shares = self.counts / self.counts.sum()
        return super().forward(images * window) + shares.log()

    def training_step(self, batch, batch_idx):
        images, labels = batch
        self.counts += F.one_hot(labels, 10).sum(0)
        return F.cross_entropy(self(images), labels)


check("2.3", PadsAWindow)
