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
try:
    import course_utils
except ModuleNotFoundError:  # opened alone, as on Colab: fetch the helpers, keep torch
    from IPython import get_ipython

    get_ipython().run_line_magic("pip", 'install -q "lightning-course-utils==0.1.*"')
    import course_utils

course_utils.start("02", written_for="0.1")

# %%
import lightning as L
import torch
from torch import nn
from torch.nn import functional as F

from course_utils import check

# %% [markdown]
# The network of the lesson:


# %%
class DigitClassifier(L.LightningModule):
    """One hidden layer: images of shape (batch, 1, 28, 28) to logits of shape (batch, 10)."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10)
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
# Tempting and wrong: `self.cpu()` in the first line. The answer is right, but the model has left its GPU, for everybody who uses it afterwards.


# %% tags=["solution"]
class ClassifiesUploads(DigitClassifier):
    def classify(self, images):
        with torch.no_grad():
            logits = self(images.to(self.device))
        return logits.argmax(1).cpu()


# %%
check("2.1", ClassifiesUploads)

# %% [markdown]
# **Another way.** Ask a weight instead of the module. This works in a plain `nn.Module`, too, which has no `device`.


# %%
class AsksAWeight(DigitClassifier):
    def classify(self, images):
        where = next(self.parameters()).device
        with torch.inference_mode():
            return self(images.to(where)).max(dim=1).indices.to("cpu")


check("2.1", AsksAWeight)

# %% [markdown]
# ## 2.2 A noise layer, written from its specification
#
# `randn_like` takes everything from the images: shape, dtype and device. Nothing is left to forget.
#
# Tempting and wrong: `torch.randn(images.shape).type_as(images)`. It gives the right device and the right dtype, so it runs everywhere. But the noise is drawn on the CPU and
# travels in every step.


# %% tags=["solution"]
class AddsNoise(nn.Module):
    def __init__(self, amount):
        super().__init__()
        self.amount = amount

    def forward(self, images):
        return images + self.amount * torch.randn_like(images)


# %%
check("2.2", AddsNoise)

# %% [markdown]
# **Another way.** Name device and dtype one by one. It is longer, and the way to go when the new tensor has another shape than the old one.


# %%
class NamesEverything(AddsNoise):
    def forward(self, images):
        noise = torch.randn(images.shape, device=images.device, dtype=images.dtype)
        return torch.add(images, noise, alpha=self.amount)


check("2.2", NamesEverything)

# %% [markdown]
# ## 2.3 What was learned, and what is constant
#
# Both tensors must move, so both are buffers. The counts were learned: without them a reloaded model predicts something else. The window is made in `__init__` anyway,
# so `persistent=False` keeps it out of the file.
#
# Tempting and wrong: `.to(self.device)` wherever the two are used. Then the step runs on every device, and the counts are still lost on saving.


# %% tags=["solution"]
class KnowsWhatIsCommon(DigitClassifier):
    def __init__(self):
        super().__init__()
        self.register_buffer("counts", torch.ones(10))
        self.register_buffer("window", torch.zeros(28, 28), persistent=False)
        self.window[2:26, 2:26] = 1

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
# **Another way.** `nn.Buffer` is the short spelling. And a constant this simple can be made anew in each step, on the device of the images.


# %%
class PadsAWindow(DigitClassifier):
    def __init__(self):
        super().__init__()
        self.counts = nn.Buffer(torch.ones(10))

    def forward(self, images):
        window = F.pad(torch.ones(24, 24, device=images.device), (2, 2, 2, 2))
        shares = self.counts / self.counts.sum()
        return super().forward(images * window) + shares.log()

    def training_step(self, batch, batch_idx):
        images, labels = batch
        self.counts += F.one_hot(labels, 10).sum(0)
        return F.cross_entropy(self(images), labels)


check("2.3", PadsAWindow)
