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
# course you do not have to believe anybody. Each of its 47 practices is an experiment: a bad and a good version, trained on real digits on your own
# machine, and a measured difference.
#
# This page takes ten minutes, and its exercise five. At the end you can
#
# - run an experiment and predict its outcome;
# - read a contrast and a claim;
# - have an exercise checked, and get a hint.
#
# **You need** Python, and to have seen a neural network in PyTorch. No GPU, no download.
#
# **How to run a cell.** Click on it and press <kbd>Shift</kbd> + <kbd>Enter</kbd>. The first one loads the libraries and takes a few seconds.

# %% tags=["setup"]
try:
    import course_utils
except ModuleNotFoundError:  # opened alone, as on Colab: fetch the helpers, keep torch
    from IPython import get_ipython

    get_ipython().run_line_magic("pip", 'install -q "lightning-course-utils==0.1.*"')
    import course_utils

course_utils.start("00", written_for="0.1")

# %% [markdown]
# The lines above say which data is in use. The digits are real MNIST images that come with the course, so everything works without a network. `start` also sets the seed of all random
# numbers, and mutes Lightning's tips and warnings to keep the pages calm. In your own projects, read them.
#
# **Is this machine ready?** The next cell looks at its packages, memory, disk, data and settings. What is not as it should be gets a line that says what to do.

# %%
course_utils.doctor()

# %% [markdown]
# ## 0.1 Switch to evaluation mode before you measure
#
# Every practice begins with a question. Here is a small classifier with dropout: while it trains, a random half of its hidden units is switched off.

# %%
import lightning as L
import torch
from torch import nn
from torch.nn import functional as F

from course_utils.data import ImageDataModule, scaled
from course_utils.hardware import quiet_trainer

# %%
digits = ImageDataModule(batch_size=64)


class DropoutClassifier(L.LightningModule):
    """Images of shape (batch, 1, 28, 28) to logits of shape (batch, 10)."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(),
            nn.Linear(784, 64),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(64, 10),
        )

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
L.Trainer(max_epochs=2, **quiet_trainer()).fit(model, datamodule=digits)
model.cpu()

images = scaled(digits.test_images)
labels = digits.test_labels

# %% [markdown]
# The model is trained. Now you measure its accuracy on the test images, twenty times, and forget one thing: to switch the model from training mode to
# evaluation mode.
#
# **Predict before you run.** Put your answer into the cell below, as a letter in quotes. Guessing is fine; a wrong guess is what you will remember. Compared with
# evaluation mode, the accuracy in training mode is
#
# - **a** the same: over many images, dropout averages out;
# - **b** higher: the model was trained that way;
# - **c** lower, and a bit different each time.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %% [markdown]
# ### Bad: measured in the mode that the model happens to be in


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
# `contrast` runs both versions from the same random state and shows them side by side. Orange and dashed is always bad, blue and solid is always good.

# %%
from course_utils import contrast
from course_utils.experiments.plots import Lines


def measure(accuracy):
    model.train()  # the mode in which `fit` leaves it
    repeats = [accuracy(model) for _ in range(20)]
    return {
        "mean accuracy": sum(repeats) / len(repeats),
        "different results": len(set(repeats)) > 1,
        "accuracy": repeats,
    }


# %% tags=["contrast"]
result = contrast(
    "0.1",
    bad=lambda: measure(accuracy_as_is),
    good=lambda: measure(accuracy_in_eval_mode),
    prediction=prediction,
    figure=Lines(
        "In training mode the same model scores lower, and the score jitters",
        "accuracy",
        x="repeat",
        y="test accuracy",
    ),
)

# %% [markdown]
# Below the figure you find its numbers as a table, if you prefer to read them.
#
# Then comes the claim: one sentence that the measurement has to keep. A check mark means it held in *your* run. We run every claim with many seeds, and a claim that breaks
# turns our tests red.

# %% tags=["claim"]
from course_utils import claim

claim(
    "0.1",
    "training mode costs at least 2 points of accuracy",
    result.gain("mean accuracy"),
    at_least=0.02,
)
claim(
    "0.1",
    "evaluation mode gives the same number each time",
    result.good.number("different results"),
    equals=False,
)

# %% [markdown]
# **Why.** Dropout is part of training: it removes units at random so that the others learn to do without them. In evaluation mode all units work. Batch
# normalization, too, computes different things in the two modes.
#
# **When the bad version is right.** Every practice ends with this question, because a rule without its limits is only half a rule. Here: if you *want* to see how much the answers vary.
# Repeated predictions with dropout on show how sure a model is of a digit.

# %%
model.train()
with torch.no_grad():
    votes = torch.stack([model(images[:1]).argmax(1) for _ in range(50)])
print(
    "different answers for the first digit:",
    "yes" if votes.unique().numel() > 1 else "no",
)

# %% [markdown]
# And inside a Trainer you need not think of it: `trainer.validate` and `trainer.test` switch to evaluation mode and back.
#
# ### Your turn · Measure and leave no trace
#
# Each practice has an exercise. It is checked by *running* your code, so every solution that works is right, however it looks.
#
# The function below measures in the mode the model happens to be in. Make it measure in evaluation mode, **and** leave every part of the
# model in the mode in which it came. Careful: some parts of a model may be in training mode and others not. *(5 minutes)*


# %% tags=["exercise"]
def tidy_accuracy(model, images, labels):
    with torch.no_grad():
        preds = model(images).argmax(1)
    return (preds == labels).float().mean().item()


# %%
from course_utils import check, hint, solution

check("0.1", tidy_accuracy)

# %% [markdown]
# Before you change anything the answer is *not attempted*. After your change it is *correct*, or it names the next step. If you are stuck, remove the `#` below and
# run the cell. There are three hints, each bigger than the one before. `solution("0.1")` shows one way to do it.

# %%
# hint("0.1")

# %% [markdown]
# ## Where to go from here
#
# - The lessons are in this folder, in the order of their numbers. In a hurry? [Lesson 12](12_common_pitfalls.ipynb) holds five bugs that look fine on your machine.
# - In a terminal, `.venv/bin/course status` (Windows: `.venv\Scripts\course status`; with conda: `course status`) shows what you have predicted and solved. It is a file on this machine; nothing is sent anywhere.
# - The solutions of all exercises, explained, are in the folder `solutions`.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin: [the record](../src/course_utils/records/evidence.md#lesson-00).
#
# **Sources** Srivastava and others, [Dropout](https://jmlr.org/papers/v15/srivastava14a.html) (2014); Gal and Ghahramani, [Dropout as a Bayesian
# approximation](https://proceedings.mlr.press/v48/gal16.html) (2016); MNIST by LeCun, Cortes and Burges.
