# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Start here · How this course proves what it says
#
# "Always call `eval()`." "Never use `.cuda()`." You have read such rules a hundred times. How much do they matter, and when are they wrong? In this
# course you need not take anyone's word for it. Each of its 47 practices is an experiment: a bad and a good version, trained on real images on your own
# machine, and a measured difference.
#
# This page takes fifteen minutes, and its exercise five. By the end you can
#
# - predict the outcome of an experiment, and run it;
# - read a contrast and a claim, and say how far the claim reaches;
# - have an exercise checked, and get a hint.
#
# **You need** Python, and to have seen a neural network in PyTorch. No GPU, no download.
#
# **How to run a cell.** Click on it and press <kbd>Shift</kbd> + <kbd>Enter</kbd>. The first one loads the libraries and takes a few seconds.

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

course_utils.start("00", written_for="0.1")

# %% [markdown]
# The cell above is folded, like all code that is not part of the lesson; a click on its dots opens it. Its lines say which device and which data are in use. Unless you choose other data, the images are real MNIST digits that come with the course, so everything works without a network.
# It also fixes the seed of all random numbers, and mutes Lightning's tips and warnings; wherever they matter, the lesson shows them.
#
# **Is this machine ready?** The next cell looks at its packages, memory, disk, data and settings. Where something is off, it says what to do.

# %%
course_utils.doctor()

# %% [markdown]
# ## A model to measure
#
# Here is a small classifier with dropout: while it trains, a random half of its hidden units is switched off.

# %%
import lightning as L
import torch
from torch import nn
from torch.nn import functional as F

from course_utils.data import ImageDataModule, scaled
from course_utils.hardware import quiet_trainer

data = ImageDataModule(batch_size=64)


# %%
class DropoutClassifier(L.LightningModule):
    """Images of shape (batch, channel, height, width) to logits, (batch, 10)."""

    def __init__(self):
        super().__init__()
        hidden = [nn.Linear(data.num_features, 64), nn.ReLU(), nn.Dropout(0.5)]
        self.net = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(64, 10))

    def forward(self, images):
        return self.net(images)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


# %% [markdown]
# `quiet_trainer()` holds the options that keep a Trainer silent: no progress bar, no files. What remains in the call is what the lesson is about. The test images are bytes from 0 to 255;
# `scaled` makes them floats from 0 to 1, as the data module does with its batches.

# %%
model = DropoutClassifier()
L.Trainer(max_epochs=2, **quiet_trainer()).fit(model, datamodule=data)
model.cpu()  # if it trained on a GPU: the images below are on the CPU

images, labels = scaled(data.test_images), data.test_labels

# %% [markdown]
# ## 0.1 Switch to evaluation mode before you measure
#
# Every practice begins with a question. The model is trained; now you measure its accuracy on the test images, twenty times, and forget one thing: to switch the model from training mode to
# evaluation mode.
#
# **Predict before you run.** Put your answer into the cell below, as a letter in quotes. Guessing is fine; a wrong guess is what you will remember. Compared with
# evaluation mode, the accuracy in training mode is
#
# - **a** the same on average, with some noise: over thousands of images, dropout averages out;
# - **b** higher: this is the mode that the model was trained in;
# - **c** lower on average, with some noise.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %% [markdown]
# ### Bad: measured in whatever mode the model is in


# %% tags=["bad"]
@torch.no_grad()
def accuracy_as_is(model):
    preds = model(images).argmax(1)
    return (preds == labels).float().mean().item()


# %% [markdown]
# ### Good: measured in evaluation mode


# %% tags=["good"]
@torch.no_grad()
def accuracy_in_eval_mode(model):
    model.eval()
    preds = model(images).argmax(1)
    return (preds == labels).float().mean().item()


# %% [markdown]
# ### The contrast
#
# The next cell is folded, because it only measures: it calls one of the two functions twenty times. Code like this stands behind every experiment, one click away. The practice itself is
# in the cells above it, in full view.


# %% tags=["apparatus"]
# Measure one version twenty times, from the mode in which `fit` leaves the model.
def repeat(accuracy):
    model.train()
    repeats = [accuracy(model) for _ in range(20)]
    mean = sum(repeats) / len(repeats)
    return {
        "mean accuracy": mean,
        "lead over guessing": mean - 0.1,
        "one result in 20 repeats": len(set(repeats)) == 1,
        "accuracy": repeats,
    }


# %% [markdown]
# `contrast` runs both versions from the same random state and shows them side by side. The bad version is orange and dashed (in bars, hatched), the good one blue and solid.

# %% tags=["contrast"]
from course_utils import contrast
from course_utils.experiments.plots import Lines

result = contrast(
    "0.1",
    repeat,
    bad=accuracy_as_is,
    good=accuracy_in_eval_mode,
    prediction=prediction,
    figure=Lines(
        "In training mode the same model scores lower, and the score jitters",
        "accuracy",
        x="repeat",
        y="test accuracy",
    ),
)

# %% [markdown]
# Below the figure you find its numbers as a table, what Lightning and PyTorch said about each version, the answer to the question, and how sure we are of the difference: over 30 seeds, not over yours alone.
#
# Then comes the claim: a sentence that the measurement has to confirm. A check mark means it held in *your* run. We run every claim with many seeds and on several data sets, and a claim that breaks
# turns our tests red.

# %% tags=["claim"]
from course_utils import claim

kept = result.bad["lead over guessing"] / result.good["lead over guessing"]
claim(
    "0.1",
    "training mode costs a classifier that drops half of its hidden units 3 % or more of its lead over guessing",
    1 - kept >= 0.03,
)
claim(
    "0.1",
    "in evaluation mode, 20 measurements of a dropout classifier give one result",
    result.good["one result in 20 repeats"],
)

# %% [markdown]
# **Why.** Dropout is part of training: it removes units at random so that the others learn to do without them. In evaluation mode all units work. Batch
# normalization, too, computes different things in the two modes.
#
# **Scope.** Every *Why* ends with a line like this one; it says how far the rule reaches. Here: modules with a part that behaves differently in training mode, on any device, measured by a loop of your own. In
# `validation_step`, `test_step` and `predict_step` the Trainer has switched to evaluation mode already, and it switches back afterwards; in `training_step` and in the training hooks (`on_train_…`) it has not.
#
# **When the bad version is right.** Every practice asks this question, because a rule without its limits is only half a rule. Here: if you *want* to see how much the answers vary.
# Repeated predictions with dropout switched on show how sure a model is of an image.

# %% tags=["apparatus"]
# Predict 100 images 50 times with dropout on; do any get different answers?
model.train()
with torch.no_grad():
    votes = torch.stack([model(images[:100]).argmax(1) for _ in range(50)])
split = (votes != votes[0]).any(0)
print("images on which 50 predictions disagree:", "some" if split.any() else "none")

# %% [markdown]
# ### Your turn · Measure and leave no trace
#
# Each practice has an exercise. It is checked by *running* your code, so every solution that works is right, however it looks.
#
# A measurement has a second duty. A model that is left in evaluation mode stays in it: `trainer.fit` does not switch it back, so it would train without dropout. (Lightning says so in a warning.)
#
# The function below measures in the mode the model happens to be in. Make it measure in evaluation mode, **and** leave every part of the
# model in the mode it came in. Careful: some parts of a model may be in training mode and others not. *(5 minutes)*


# %% tags=["exercise"]
def tidy_accuracy(model, images, labels):
    with torch.no_grad():
        preds = model(images).argmax(1)
    return (preds == labels).float().mean().item()


# %%
from course_utils import check, hint, solution

check("0.1", tidy_accuracy)

# %% [markdown]
# Before you change anything the answer is *not attempted*. After your change it is *correct*, or the message names the next step. If you are stuck, remove the `#` below and
# run the cell. There are three hints, each more explicit than the one before. `solution("0.1")` shows one way to do it.

# %%
# hint("0.1")

# %% [markdown]
# ### Take along
#
# Each practice ends with a guard: a few lines to paste into a project of your own. Call this one at the start of a measurement; it raises an error if a part is in training mode.


# %% tags=["guard"]
def assert_eval_mode(model):
    training = [name for name, part in model.named_modules() if part.training]
    assert not training, f"{len(training)} parts are still in training mode"


# %% tags=["apparatus"]
# Try the guard on the model in training mode and in evaluation mode.
from course_utils import try_guard

try_guard(
    "0.1",
    bad=lambda: assert_eval_mode(model.train()),
    good=lambda: assert_eval_mode(model.eval()),
)

# %% [markdown]
# ## Symptoms
#
# Each lesson closes with a table like this one. Start from it when something looks odd at work; [one page](../site/symptoms.md) has the tables of all lessons.
#
# | You see | Look at |
# |---|---|
# | the same model gives a different score every time you measure it | 0.1 |
# | your own evaluation loop reports less than `trainer.test` | 0.1 |
#
# ## Where to go from here
#
# - [Lesson 01](01_code_organization.ipynb) comes next; the others follow in the order of their numbers. In a hurry? [Lesson 12](12_common_pitfalls.ipynb) holds five bugs that look fine on your machine.
# - The last cell of each lesson checks a module of your own against its practices, and [lesson 15](15_your_own_code.ipynb), the last one, against all of them.
# - **One lesson at a time.** An open lesson keeps about 0.6 GB of memory, even when its tab is closed, until its kernel is shut down: *File* > *Close and Shut Down Notebook*, or the panel *Running* (the round icon at the left edge).
# - This is your own copy, so change what you like. `course reset 00` makes a fresh copy of a lesson and keeps yours beside it. When a new version of the course is out, `course update` does the same with what is new.
# - `course status` shows what you have predicted and solved. It is a file on this machine; nothing is sent anywhere. Type such commands in a terminal (*File* > *New* > *Terminal*), or in a cell as `!course status`.
# - The solutions of all exercises, explained, are in the folder `solutions`.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin: [the record](../src/course_utils/records/evidence.md#lesson-00).
#
# **Sources** Srivastava and others, [Dropout](https://jmlr.org/papers/v15/srivastava14a.html) (2014); Gal and Ghahramani, [Dropout as a Bayesian
# approximation](https://proceedings.mlr.press/v48/gal16.html) (2016); MNIST by LeCun, Cortes and Burges.
