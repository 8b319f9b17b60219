# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Solutions · Lesson 03, hyperparameters
#
# One way to solve each exercise of [lesson 03](../notebooks/03_hyperparameters.ipynb), why it works, and another way. Try them yourself first: a wrong attempt
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

course_utils.start("03", written_for="0.1")

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
class SmallNet(L.LightningModule):
    """One hidden layer: images to logits of shape (batch, classes)."""

    def __init__(self, dropout=0.0):
        super().__init__()
        sizes = ImageDataModule()
        hidden = [nn.Linear(sizes.num_features, 64), nn.ReLU(), nn.Dropout(dropout)]
        classify = nn.Linear(64, sizes.num_classes)
        self.net = nn.Sequential(nn.Flatten(), *hidden, classify)
        self.lr = 1e-3

    def forward(self, images):
        return self.net(images)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


# %% [markdown]
# ## 3.1 The call is there, and the model still changes
#
# In the starter, `ink` was divided by 255 before the call, so the file held the quotient. Loading gave that to `__init__`, which divided it once more. Called first,
# `save_hyperparameters` writes down what was *asked for*, and `__init__` can be asked again.
#
# Tempting and wrong: `ignore=["ink"]`. The quotient is out of the file then, and so is the setting: loading takes the default.


# %% tags=["solution"]
class SeesInk(SmallNet):
    def __init__(self, ink=128, lr=1e-3):
        super().__init__()
        self.save_hyperparameters()
        self.ink, self.lr = ink / 255, lr

    def forward(self, images):
        return self.net((images > self.ink).float())


# %%
check("3.1", SeesInk)

# %% [markdown]
# **Another way.** Leave the argument as it is, and compute where it is used. Then the place of the call does not matter.


# %%
class ComparesGreyLevels(SmallNet):
    def __init__(self, ink=128, lr=1e-3):
        super().__init__()
        self.lr = lr
        self.save_hyperparameters()

    def forward(self, images):
        return self.net((255 * images > self.hparams.ink).float())


check("3.1", ComparesGreyLevels)

# %% [markdown]
# ## 3.2 A sweep that can be loaded
#
# Three arguments, three treatments. The encoder is an object that everybody who loads has to have: ignore it. The rate is a setting of a type that does not
# load: make it a float. The activation is a setting, too, and a function cannot become a number; but its name is text, and `getattr(torch, "tanh")` finds it again.
# Note the default of the inner `getattr`: when the file is loaded, `activation` arrives as a name, and stays one.
#
# Tempting and wrong: `ignore=["encoder", "activation"]`. It loads, and a network that was trained with `tanh` computes with `relu` from then on.


# %% tags=["solution"]
class Swept(SmallNet):
    def __init__(self, encoder, activation=torch.relu, lr=1e-3):
        super().__init__()
        lr = float(lr)
        activation = getattr(activation, "__name__", activation)  # a name stays a name
        self.save_hyperparameters(ignore=["encoder"])
        self.activation, self.lr = getattr(torch, activation), lr
        self.encoder, self.net = encoder, nn.Linear(64, 10)

    def forward(self, images):
        return self.net(self.activation(self.encoder(images)))


# %%
check("3.2", Swept)

# %% [markdown]
# **Another way.** Keep a table of the activations that you support. A typing error then fails at once, with the list of what is available.

# %%
ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}


class LooksItUp(SmallNet):
    def __init__(self, encoder, activation="relu", lr=1e-3):
        super().__init__()
        names = {function: name for name, function in ACTIVATIONS.items()}
        activation, lr = names.get(activation, activation), float(lr)
        self.save_hyperparameters("activation", "lr")
        self.encoder, self.net, self.lr = encoder, nn.Linear(64, 10), lr

    def forward(self, images):
        activation = ACTIVATIONS[self.hparams.activation]
        return self.net(activation(self.encoder(images)))


check("3.2", LooksItUp)

# %% [markdown]
# ## 3.3 A resumed run that listens
#
# `configure_optimizers` serves a new run. When a run is resumed, the state from the file comes on top of it, old rate and old weight decay included.
# `on_train_start` is called after that, and before the first step. It changes the *settings* of the groups and leaves the averages alone.
#
# Tempting and wrong: the same lines in `on_fit_start`. It sounds right, and runs too early: the file's state is put in afterwards.


# %% tags=["solution"]
class Listens(SmallNet):
    def __init__(self, lr=1e-3, weight_decay=0.01):
        super().__init__()
        self.save_hyperparameters()

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), **self.hparams)

    def on_train_start(self):
        for group in self.optimizers().param_groups:
            group.update(self.hparams)


# %%
check("3.3", Listens)

# %% [markdown]
# **Another way.** Change the settings inside the checkpoint, before Lightning puts them into the optimizer. A hook sees the file's content first.


# %%
class EditsTheCheckpoint(SmallNet):
    def __init__(self, lr=1e-3, weight_decay=0.01):
        super().__init__()
        self.save_hyperparameters()

    def configure_optimizers(self):
        wanted = {"lr": self.hparams.lr, "weight_decay": self.hparams.weight_decay}
        return torch.optim.AdamW(self.parameters(), **wanted)

    def on_load_checkpoint(self, checkpoint):
        for state in checkpoint.get("optimizer_states", []):
            for group in state["param_groups"]:
                group.update(self.hparams)


check("3.3", EditsTheCheckpoint)
