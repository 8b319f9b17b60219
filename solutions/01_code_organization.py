# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Solutions · Lesson 01, code organization
#
# One way to solve each exercise of [lesson 01](../notebooks/01_code_organization.ipynb), why it works, and another way. Try them yourself first: a wrong attempt
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

course_utils.start("01", written_for="0.1")

# %%
import lightning as L
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset, TensorDataset, random_split

from course_utils import check
from course_utils.data import ImageDataModule

# %% [markdown]
# The network of the first exercise:


# %%
class ImageClassifier(L.LightningModule):
    """Images of shape (batch, channel, height, width) to one logit per class."""

    def __init__(self):
        super().__init__()
        sizes = ImageDataModule()
        hidden = [nn.Linear(sizes.num_features, 128), nn.ReLU()]
        hidden += [nn.Linear(128, 32), nn.ReLU(), nn.Linear(32, sizes.num_classes)]
        self.layers = nn.Sequential(nn.Flatten(), *hidden)

    def forward(self, images):
        return self.layers(images)


# %% [markdown]
# ## 1.1 Give the Trainer its work back
#
# Ask of each line of the starter: what is learned, or how is it trained? Two lines say what: the forward pass and the loss. One says with which optimizer. Everything else is the
# Trainer's work, so it goes, and the solution is mostly deletion.
#
# Tempting and wrong: to keep the loop and read `self.trainer.accumulate_grad_batches` in it. That obeys one flag of many. The gradient limit, mixed precision and a second device are
# still ignored.


# %% tags=["solution"]
class ObeysTheTrainer(ImageClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)


# %%
check("1.1", ObeysTheTrainer)

# %% [markdown]
# **Another way.** The optimizer may still be built in `__init__`, as long as it is handed over. It is the stepping that was wrong, not the owning. The loss may come in a dictionary.


# %%
class KeepsItsOptimizer(ImageClassifier):
    def __init__(self):
        super().__init__()
        self.sgd = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return {"loss": F.cross_entropy(self(images), labels)}

    def configure_optimizers(self):
        return self.sgd


check("1.1", KeepsItsOptimizer)

# %% [markdown]
# ## 1.2 A split that stays the same
#
# Two repairs and a completion. The dataset moves from `prepare_data`, which runs in one process per node, to `setup`. The split gets a generator with a seed. The third part gets its loader.
#
# Tempting and wrong: `torch.manual_seed(0)` in front of `random_split`. The split is stable then. But `setup` now restarts the random numbers of the whole process, and ten runs under ten
# seeds all shuffle alike.


# %% tags=["solution"]
class StableData(L.LightningDataModule):
    def __init__(self, images, labels):
        super().__init__()
        self.images, self.labels = images, labels

    def setup(self, stage):
        dataset = TensorDataset(self.images, self.labels)
        generator = torch.Generator().manual_seed(0)
        self.train_set, self.val_set, self.test_set = random_split(
            dataset, [0.7, 0.15, 0.15], generator=generator
        )

    def train_dataloader(self):
        return DataLoader(self.train_set, batch_size=64, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val_set, batch_size=64)

    def test_dataloader(self):
        return DataLoader(self.test_set, batch_size=64)


# %%
check("1.2", StableData)

# %% [markdown]
# **Another way.** No randomness at all. Of every twenty scans, fourteen train, three validate, three test. That is fair if the order of the scans means nothing; if they were sorted by day or by
# writer, it would not be.


# %%
class EveryTwentieth(L.LightningDataModule):
    def __init__(self, images, labels):
        super().__init__()
        self.dataset = TensorDataset(images, labels)
        self.place = torch.arange(len(images)) % 20

    def _loader(self, places, shuffle=False):
        chosen = torch.isin(self.place, torch.tensor(places)).nonzero()[:, 0]
        return DataLoader(Subset(self.dataset, chosen.tolist()), 64, shuffle=shuffle)

    def train_dataloader(self):
        return self._loader(range(14), shuffle=True)

    def val_dataloader(self):
        return self._loader(range(14, 17))

    def test_dataloader(self):
        return self._loader(range(17, 20))


check("1.2", EveryTwentieth)

# %% [markdown]
# ## 1.3 An encoder from anywhere, frozen to the bit
#
# Three decisions. The encoder comes in as an argument and is never built here. It is frozen twice: no gradients, so that no optimizer moves its weights, and evaluation mode, so that running
# statistics stay as they are. The new layer asks for `features` inputs, not for a number that happens to fit one encoder.
#
# Tempting and wrong: to give only the head's parameters to the optimizer and call it frozen. The weights stay, but an encoder with batch normalization still changes with every batch.


# %% tags=["solution"]
class ReusesAnEncoder(L.LightningModule):
    def __init__(self, encoder, features):
        super().__init__()
        self.encoder = encoder.requires_grad_(False).eval()
        self.head = nn.Linear(features, 10)

    def forward(self, images):
        return self.head(self.encoder(images))

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def configure_optimizers(self):
        return torch.optim.Adam(self.head.parameters(), lr=1e-2)


# %%
check("1.3", ReusesAnEncoder)

# %% [markdown]
# **Another way.** Override `train`, which Lightning and you call to switch modes. The encoder then stays in evaluation mode even if `model.train()` is called on the whole model. And no
# gradient is computed without need.


# %%
class StaysInEvaluationMode(L.LightningModule):
    def __init__(self, encoder, features):
        super().__init__()
        self.encoder = encoder
        self.head = nn.Sequential(nn.Linear(features, 64), nn.ReLU(), nn.Linear(64, 10))
        self.train()

    def train(self, mode=True):
        super().train(mode)
        self.encoder.eval()
        return self

    def forward(self, images):
        with torch.no_grad():
            features = self.encoder(images)
        return self.head(features)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def configure_optimizers(self):
        return torch.optim.Adam(self.head.parameters(), lr=1e-2)


check("1.3", StaysInEvaluationMode)
