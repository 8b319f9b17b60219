# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 03 · Will the model you load be the model you saved?
#
# A checkpoint holds every weight of a network, to the last bit. Is that enough to get the network back? In this lesson you save, load and resume models,
# and compare what comes back with what you saved. At the end you can
#
# - reload any model of yours from its file alone, with the settings it was trained with;
# - say which settings may go into that file, and which make it unreadable;
# - tell whether the learning rate in your table is the one that was used.
#
# **You need** to know what a `LightningModule` and a `Trainer` are. New here? [Start here](00_start_here.ipynb) takes ten minutes.
#
# **Time** 30 minutes of reading and running, 23 minutes of exercises. All cells together run in less than half a minute on two CPU cores.

# %% tags=["setup"]
try:
    import course_utils
except ModuleNotFoundError:  # opened alone, as on Colab: fetch the helpers, keep torch
    from IPython import get_ipython

    get_ipython().run_line_magic("pip", 'install -q "lightning-course-utils==0.1.*"')
    import course_utils

course_utils.start("03", written_for="0.1")

# %%
import lightning as L
import torch
from torch import nn
from torch.nn import functional as F

from course_utils import check, claim, contrast, hint, solution
from course_utils.data import ImageDataModule
from course_utils.hardware import quiet_trainer

# %% [markdown]
# One data module and one small network serve the whole lesson. Images have the shape `(batch, channel, height, width)` and values from 0 to 1. Note the last
# method: the optimizer reads its learning rate from an attribute. `quiet_trainer()` only keeps a Trainer silent: no progress bar, no files.

# %%
digits = ImageDataModule(batch_size=64)


class DigitNet(L.LightningModule):
    """One hidden layer: images of shape (batch, 1, 28, 28) to logits of shape (batch, 10)."""

    def __init__(self, dropout=0.0):
        super().__init__()
        hidden = [nn.Linear(784, 64), nn.ReLU(), nn.Dropout(dropout)]
        self.net = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(64, 10))
        self.lr = 1e-3

    def forward(self, images):
        return self.net(images)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


# %% [markdown]
# ## 3.1 Save the hyperparameters
#
# Someone photographed digits on a blackboard: light strokes on dark ground. The network gets an option `invert` that turns them into dark strokes on
# light ground. You train with `invert=True`, some dropout and a higher learning rate, and save a checkpoint. The class keeps these settings as attributes,
# `self.invert = invert`, and each argument has a default. A week later you call `load_from_checkpoint(path)`.
#
# **Predict before you run.** The loaded model is
#
# - **a** as accurate as before: the file holds the weights, and the weights are the model;
# - **b** not there: loading stops with an error, because the settings are missing;
# - **c** there, but no better than a guess, and nothing says so.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# The data first: the same digits, inverted as bytes from 0 to 255 (`scaled` makes them floats from 0 to 1). A pixel says how much ink there is: 0 is light, 255 is dark. Then the network that can turn them back. Its
# attribute `invert` is set by the two versions below.

# %%
from torch.utils.data import DataLoader, TensorDataset

from course_utils.data import scaled

board = 255 - digits.test_images
photos = TensorDataset(scaled(255 - digits.train_images), digits.train_labels)
photo_loader = DataLoader(photos, batch_size=64, shuffle=True)


class ReadsPhotos(DigitNet):
    def prepare(self, images):
        return 1 - images if self.invert else images

    def forward(self, images):
        return self.net(self.prepare(images))


# %% [markdown]
# ### Bad: the settings live in attributes only


# %% tags=["bad"]
class KeepsAttributes(ReadsPhotos):
    def __init__(self, invert=False, dropout=0.0, lr=1e-3):
        super().__init__(dropout)
        self.invert, self.lr = invert, lr


# %% [markdown]
# ### Good: one call writes them into every checkpoint


# %% tags=["good"]
class SavesHyperparameters(ReadsPhotos):
    def __init__(self, invert=False, dropout=0.0, lr=1e-3):
        super().__init__(dropout)
        self.save_hyperparameters()
        self.invert, self.lr = invert, lr


# %% [markdown]
# ### The contrast
#
# Both train for one epoch with the same settings. `save_and_load` writes a checkpoint into a temporary folder and loads it from there: a new object, made
# from the file alone. `accuracy` counts right answers on test photos. Watch two rows of the table: *weight tensors that differ*, and *accuracy after*.

# %%
from tempfile import TemporaryDirectory

from course_utils.experiments.plots import Bars
from course_utils.measure import accuracy


def save_and_load(model, model_class=None, **arguments):
    with TemporaryDirectory() as folder:
        path = f"{folder}/model.ckpt"
        model.trainer.save_checkpoint(path)
        return (model_class or type(model)).load_from_checkpoint(path, **arguments)


# %%
def train(model):
    L.Trainer(max_epochs=1, **quiet_trainer()).fit(model, photo_loader)
    return model.cpu().eval()


def before_and_after(model):
    loaded = save_and_load(train(model)).eval()
    pairs = zip(model.parameters(), loaded.parameters())
    images = scaled(board[:1000])
    return {
        "accuracy before": accuracy(model, board, digits.test_labels),
        "accuracy after": accuracy(loaded, board, digits.test_labels),
        "weight tensors that differ": sum(not torch.equal(a, b) for a, b in pairs),
        "images with other logits": int((model(images) != loaded(images)).any(1).sum()),
        "learning rate after": loaded.lr,
        "photo": images[:10],
        "seen in training": model.prepare(images[:10]),
        "seen after": loaded.prepare(images[:10]),
    }


# %% tags=["contrast"]
settings = {"invert": True, "dropout": 0.2, "lr": 3e-3}
result = contrast(
    "3.1",
    bad=lambda: before_and_after(KeepsAttributes(**settings)),
    good=lambda: before_and_after(SavesHyperparameters(**settings)),
    prediction=prediction,
    figure=Bars(
        "Same weights, lost settings: the loaded model is wrong",
        ["accuracy before", "accuracy after"],
        "accuracy on photos of a blackboard",
    ),
)

# %% tags=["claim"]
claim(
    "3.1",
    "without saved settings, loading costs at least 50 points of accuracy",
    result.gain("accuracy after"),
    at_least=0.5,
)
claim(
    "3.1",
    "although every weight tensor came back",
    result.bad.number("weight tensors that differ"),
    equals=0,
)
claim(
    "3.1",
    "with saved settings, every logit is the same to the last bit",
    result.good.number("images with other logits"),
    equals=0,
)

# %% [markdown]
# Not one weight tensor differs, and the bad model answers no better than a guess, which would be right for one photo in ten. It can do far worse than that,
# because it takes the ground for the stroke.
#
# **Why.** What a checkpoint keeps of a module is its *tensors* (parameters and buffers), and the option `invert` is not a tensor. When Lightning loads the file it first calls `__init__`, and
# takes the arguments from the hyperparameters in the file. If there are none, Python takes the defaults. Then the weights are filled in. They fit, so nobody
# complains. `show` draws a second picture of the same result: what the loaded networks get to see.

# %%
from course_utils.experiments.plots import Images, show

images = Images(
    "The weights expect light ground, the bad network sees dark",
    inputs=["photo", "seen in training"],
    outputs="seen after",
    score="accuracy after",
)
show(images, result)

# %% [markdown]
# The learning rate went back to its default too, and so did the dropout. That you would notice only when you train on.
#
# `save_hyperparameters()` looks at the arguments of the `__init__` that calls it, *with the values that they have at that moment*. So call it before you
# change any of them.
#
# **A loud failure is better than a silent one.** Guides tend to show the bad version without default values. Then it is not silent at all. Nobody can
# forget an argument that Python insists on:

# %% tags=["raises-exception"]
kept = train(KeepsAttributes(**settings))


class HasNoDefaults(ReadsPhotos):
    def __init__(self, invert, dropout, lr):
        super().__init__(dropout)
        self.invert, self.lr = invert, lr


save_and_load(kept, HasNoDefaults)

# %% [markdown]
# **When the bad version is right.** When the settings are kept elsewhere, say in a configuration file that you trust. Then give them again: what you pass to
# `load_from_checkpoint` goes to `__init__`.

# %%
given_again = save_and_load(kept, **settings)
forgotten = save_and_load(kept)
print(f"given again: accuracy {accuracy(given_again, board, digits.test_labels):.3f}")
print(f"forgotten:   accuracy {accuracy(forgotten, board, digits.test_labels):.3f}")

# %% [markdown]
# And the good version has a price: from now on, the *names* of your arguments are part of a file format. Suppose that somebody renames `invert` to
# `inverted`, and loads a file from before. Is there an error?


# %%
class RenamesAnArgument(ReadsPhotos):
    def __init__(self, inverted=False, dropout=0.0, lr=1e-3):
        super().__init__(dropout)
        self.save_hyperparameters()
        self.invert, self.lr = inverted, lr


renamed = save_and_load(train(SavesHyperparameters(**settings)), RenamesAnArgument)
print("inverted:", renamed.hparams.inverted)
after_renaming = accuracy(renamed, board, digits.test_labels)
lost = result.good.number("accuracy after") - after_renaming
claim("3.1", "renaming an argument costs at least 50 points, too", lost, at_least=0.5)

# %% [markdown]
# There is none. Lightning drops a hyperparameter that `__init__` does not know, and the new name gets its default.
#
# ### Your turn · The call is there, and the model still changes
#
# `ink` is a grey level from 0 to 255: only pixels above it count as ink. The class saves its hyperparameters, trains well, loads without a word, and sees other
# ink than before. Repair it. *(one line to move or change, 5 minutes)*


# %% tags=["exercise"]
class SeesInk(DigitNet):
    def __init__(self, ink=128, lr=1e-3):
        super().__init__()
        ink = ink / 255  # images have values from 0 to 1
        self.save_hyperparameters()
        self.ink, self.lr = ink, lr

    def forward(self, images):
        return self.net((images > self.ink).float())


# %%
check("3.1", SeesInk)

# %% [markdown]
# Stuck? `hint("3.1")` gives a nudge, the second call a bigger one. `solution("3.1")` shows one way to do it, with its reason.

# %%
# hint("3.1")

# %% [markdown]
# ## 3.2 Leave objects out of the hyperparameters
#
# Not every argument is a number. This module is given a network to build on, and the dataset to train on. One call saves all arguments, so it saves those, too. You
# may know the advice to leave them out, "because they cannot be pickled".
#
# **Predict.** With a network and a dataset among the hyperparameters,
#
# - **a** saving stops with an error: neither can be pickled;
# - **b** training and saving work, and the file cannot be loaded;
# - **c** everything works, the file is merely larger.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %%
train_set = TensorDataset(
    scaled(digits.train_images[:2000]), digits.train_labels[:2000]
)


def make_encoder():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU())


def new_arguments():
    return {"encoder": make_encoder(), "dataset": train_set}


class BuildsOnAnEncoder(DigitNet):
    def __init__(self, encoder, dataset, lr):
        super().__init__()
        self.net = nn.Sequential(encoder, nn.Linear(64, 10))
        self.dataset, self.lr = dataset, lr

    def train_dataloader(self):
        return DataLoader(self.dataset, batch_size=64, shuffle=True)


# %% [markdown]
# ### Bad: every argument is saved


# %% tags=["bad"]
class SavesEverything(BuildsOnAnEncoder):
    def __init__(self, encoder, dataset, lr=1e-3):
        super().__init__(encoder, dataset, lr)
        self.save_hyperparameters()


# %% [markdown]
# ### Good: settings are saved, objects are not


# %% tags=["good"]
class SavesSettings(BuildsOnAnEncoder):
    def __init__(self, encoder, dataset, lr=1e-3):
        super().__init__(encoder, dataset, lr)
        self.save_hyperparameters(ignore=["encoder", "dataset"])


# %% [markdown]
# ### The contrast
#
# Five steps, each tried: pickle the two arguments, train, save, load, resume. Encoder and dataset are given again when the file is loaded, in both versions. Watch where the first
# one fails.

# %%
import os
import pickle


def attempt(action):
    try:
        action()
    except Exception as error:
        return type(error).__name__
    return "works"


# %%
def life_of(model_class):
    done = {"pickle": attempt(lambda: pickle.dumps(new_arguments()))}
    model = model_class(**new_arguments())
    trainer = L.Trainer(max_epochs=1, **quiet_trainer())
    done["train"] = attempt(lambda: trainer.fit(model))
    with TemporaryDirectory() as folder:
        path = f"{folder}/model.ckpt"
        done["save"] = attempt(lambda: trainer.save_checkpoint(path))
        size = os.path.getsize(path) / 1e6
        done["load"] = attempt(
            lambda: model_class.load_from_checkpoint(path, **new_arguments())
        )
        longer = L.Trainer(max_epochs=2, **quiet_trainer())
        done["resume"] = attempt(
            lambda: longer.fit(model_class(**new_arguments()), ckpt_path=path)
        )
    return {**done, "file (MB)": size}


# %% tags=["contrast"]
from course_utils.experiments.plots import Cells

result = contrast(
    "3.2",
    bad=lambda: life_of(SavesEverything),
    good=lambda: life_of(SavesSettings),
    prediction=prediction,
    figure=Cells(
        "It can be pickled, trained and saved. It cannot be loaded",
        ["pickle", "train", "save", "load", "resume"],
    ),
)

# %%
size = Bars("The dataset travels in the file", ["file (MB)"], "checkpoint (megabytes)")
show(size, result)

# %% tags=["claim"]
steps = ["pickle", "train", "save", "load", "resume"]
works = [result.bad.measured[step] == "works" for step in steps]
claim(
    "3.2",
    "a network and a dataset can be pickled, trained and saved",
    sum(works[:3]),
    equals=3,
)
claim("3.2", "the file can neither be loaded nor resumed", sum(works[3:]), equals=0)
claim(
    "3.2",
    "with ignore, all five steps work",
    sum(result.good.measured[step] == "works" for step in steps),
    equals=5,
)
claim(
    "3.2",
    "a dataset of 2000 images makes the file at least 5 times larger",
    result.times("file (MB)"),
    at_least=5.0,
)

# %% [markdown]
# Up to saving, both versions work. Then the bad file can be neither loaded nor resumed, although encoder and dataset were given again.
#
# **Why.** The reason that guides give is out of date. Networks and datasets *can* be pickled. But unpickling may run any code, so somebody who sends you a
# checkpoint could run code on your machine. Since PyTorch 2.6, `torch.load` therefore reads by default with `weights_only=True`: tensors, numbers, text,
# containers of them, and little else. Lightning follows that default from version 2.6 on. The check comes at *loading*. That is the unkind part: the night's
# training is over, the file is there, and it cannot be read.
#
# (Lightning warns when a hyperparameter is a network; the first cell of this notebook turns such warnings off. It says nothing about any of the types below.)
#
# ### What may go into the hyperparameters?
#
# `ignore` is for objects that you give again. A learning rate is a setting, so it has to stay. We put one value of each type through a checkpoint as it comes.
# Types that may fail also go through it made plain, as the arrow says. Take a guess for the first row before you run it.

# %%
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

import numpy as np

Ink = Enum("Ink", ["CHALK", "PEN"])


@dataclass
class Size:
    width: int = 28


def name_of(thing):
    return getattr(thing, "name", None) or thing.__name__


# %%
to_be_made_plain = {
    "a rate from np.logspace → float": (np.logspace(-4, -2, 3)[1], float),
    "NumPy array → list": (np.arange(3), np.ndarray.tolist),
    "Path → str": (Path("digits"), str),
    "Enum → its name": (Ink.CHALK, name_of),
    "dataclass → dict": (Size(), asdict),
    "range → list": (range(3), list),
    "class → its name": (nn.ReLU, name_of),
    "function → its name": (torch.relu, name_of),
}
plain_already = {
    "int, float, bool, None": [1, 0.1, True, None],
    "str": "relu",
    "list, tuple, set, dict": [[1], (1, 2), {1}, {"a": 1}],
    "tensor": torch.ones(2),
    "torch.dtype, torch.device": [torch.float32, torch.device("cpu")],
}


# %%
class Holds(DigitNet):
    def __init__(self, setting):
        super().__init__()
        self.save_hyperparameters()


def comes_back(setting, model_class=Holds):
    model = model_class(setting)
    L.Trainer(max_steps=1, **quiet_trainer(accelerator="cpu")).fit(model, digits)
    return attempt(lambda: save_and_load(model))


as_it_comes = {name: comes_back(value) for name, (value, _) in to_be_made_plain.items()}
made_plain = {
    name: comes_back(to(value)) for name, (value, to) in to_be_made_plain.items()
}
as_it_comes |= {name: comes_back(value) for name, value in plain_already.items()}

# %%
grid = Cells("Plain values load, these eight types do not", list(as_it_comes))
show(grid, {"as it comes": as_it_comes, "made plain": made_plain})

# %% tags=["claim"]
fails = [name for name in to_be_made_plain if as_it_comes[name] != "works"]
claim("3.2", "eight common types of settings do not load", len(fails), equals=8)
healed = sum(made_plain[name] == "works" for name in fails)
claim("3.2", "made plain, all eight do", healed, equals=8)

# %% [markdown]
# The first row is the one that hurts. A number from NumPy looks like a float, prints like a float, and *is* a float to `isinstance`. Sweep over `np.logspace`, and none
# of your runs can be loaded. Will `ignore=["lr"]` help?


# %%
class IgnoresItsRate(DigitNet):
    def __init__(self, lr=1e-3):
        super().__init__()
        self.save_hyperparameters(ignore=["lr"])
        self.lr = lr


for lr in (np.logspace(-4, -2, 3)[1], float(np.logspace(-4, -2, 3)[1])):
    print(f"{type(lr).__name__:8} {comes_back(lr, IgnoresItsRate)}")

# %% [markdown]
# It does not. The checkpoint holds the optimizer's state as well, and the optimizer holds the rate. What helps is one line at the top of `__init__`, before anything uses
# the value: `lr = float(lr)`. It changes the type and keeps the meaning, so a second time does no harm. Such a change must come before `save_hyperparameters`, for the file
# keeps the value of that moment. It is the exception to the rule of 3.1: the meaning stays.
#
# **When the bad version is right.** For a file that you wrote yourself on this machine, you may lift the guard. All of it comes back, network and dataset included:

# %%
trusting = SavesEverything(make_encoder(), train_set)
L.Trainer(max_epochs=1, **quiet_trainer()).fit(trusting)
loaded = save_and_load(trusting, weights_only=False)
print("images that came out of the checkpoint:", len(loaded.hparams.dataset))

# %% [markdown]
# Never do that with a file from the internet. Lightning does it unasked when the path begins with `http`: pass `weights_only=True` there. And `ignore` has its price: whoever loads the file must have the encoder. Its *weights* need not be right,
# they are in the file; its *shape* must be.
#
# ### Your turn · A sweep that can be loaded
#
# The sweep hands over an encoder, an activation function such as `torch.tanh`, and a rate from `np.logspace`. Change `__init__` so that
# `Swept.load_from_checkpoint(path, encoder=encoder)` works, and brings back activation and rate without being told. *(four lines, two of them new; 8 minutes)*


# %% tags=["exercise"]
class Swept(DigitNet):
    def __init__(self, encoder, activation=torch.relu, lr=1e-3):
        super().__init__()
        self.save_hyperparameters()
        self.activation, self.lr = activation, lr
        self.encoder, self.net = encoder, nn.Linear(64, 10)

    def forward(self, images):
        return self.net(self.activation(self.encoder(images)))


# %%
check("3.2", Swept)

# %%
# hint("3.2")

# %% [markdown]
# ## 3.3 Build the optimizer from the hyperparameters
#
# You try five learning rates, each in a run from the same seed. The rate is an argument, it is saved, and your logger shows five rows with five rates. But
# `configure_optimizers` still says `lr=1e-3`, as in the first draft.
#
# **Predict.** The five accuracies are
#
# - **a** the same, to the last digit;
# - **b** close, but not the same: two trainings never agree to the last digit;
# - **c** not there: Lightning complains that a hyperparameter is never used.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
class SavesItsRate(DigitNet):
    def __init__(self, lr=1e-3):
        super().__init__()
        self.save_hyperparameters()


# %% [markdown]
# ### Bad: the optimizer has a number of its own


# %% tags=["bad"]
class HardCodesTheRate(SavesItsRate):
    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


# %% [markdown]
# ### Good: the optimizer reads the hyperparameters


# %% tags=["good"]
class ReadsTheRate(SavesItsRate):
    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)


# %% [markdown]
# ### The contrast
#
# A sweep is a loop. After each run we ask the optimizer which rate it used, and count how many *different* models came out.

# %%
from course_utils.experiments.plots import Sweep


def sweep(model_class, rates=(1e-4, 1e-3, 1e-2, 1e-1, 1.0)):
    used, scores, models = [], [], set()
    seed = torch.initial_seed()
    for lr in rates:
        L.seed_everything(seed, verbose=False)
        model = model_class(lr=lr)
        trainer = L.Trainer(max_epochs=1, limit_train_batches=60, **quiet_trainer())
        trainer.fit(model, digits)
        used.append(trainer.optimizers[0].param_groups[0]["lr"])
        scores.append(accuracy(model.cpu(), digits.test_images, digits.test_labels))
        models.add(
            nn.utils.parameters_to_vector(model.parameters()).detach().numpy().tobytes()
        )
    return {
        "asked": rates,
        "used": used,
        "accuracy": scores,
        "runs": len(rates),
        "different models": len(models),
        "best minus worst accuracy": max(scores) - min(scores),
    }


# %% tags=["contrast"]
result = contrast(
    "3.3",
    bad=lambda: sweep(HardCodesTheRate),
    good=lambda: sweep(ReadsTheRate),
    prediction=prediction,
    figure=Sweep(
        "Five rates asked for, one used: the sweep measured nothing",
        asked="asked",
        used="used",
        score="accuracy",
        setting="learning rate",
    ),
)

# %% tags=["claim"]
claim(
    "3.3",
    "five runs with a hard-coded rate train one and the same model",
    result.bad.number("different models"),
    equals=1,
)
claim(
    "3.3",
    "reading the hyperparameters, they train five",
    result.good.number("different models"),
    equals=5,
)
claim(
    "3.3",
    "and the rate decides over at least 50 points of accuracy",
    result.good.number("best minus worst accuracy"),
    at_least=0.5,
)

# %% [markdown]
# Five rates asked for, one model trained: the accuracies of the bad version agree to the last digit, because the runs do.
#
# **Why.** `self.hparams` is a record, not a wire. Nothing connects a hyperparameter with the thing that it names, until your code reads it. The same holds for Lightning's
# learning-rate finder: it writes its suggestion into `self.lr` and `hparams.lr`, where they exist, and an optimizer that does not look there goes on as before.
#
# It works the other way round, too. Code can read a hyperparameter that nobody saved. That happens when snippets are put together: here one
# saves three arguments, and the next reads a fourth.


# %% tags=["raises-exception"]
class ReadsAFourth(L.LightningModule):
    def __init__(self, learning_rate, hidden_dim, dropout):
        super().__init__()
        self.save_hyperparameters()
        self.layer = nn.Linear(hidden_dim, 10)

    def configure_optimizers(self):
        wanted = {"lr": self.hparams.learning_rate}
        wanted["weight_decay"] = self.hparams.weight_decay
        return torch.optim.Adam(self.parameters(), **wanted)


ReadsAFourth(learning_rate=1e-3, hidden_dim=64, dropout=0.1).configure_optimizers()

# %% [markdown]
# At least it is loud. `weight_decay` has to be an argument of `__init__`; then it is saved like the others.
#
# ### A rate that you asked for, and did not get
#
# The loss has stopped falling. You stop the run, and resume it from its checkpoint with a hundredth of the learning rate. The optimizer reads the
# hyperparameters, as it should.

# %%
first = ReadsTheRate(lr=1e-2)
trainer = L.Trainer(max_epochs=1, limit_train_batches=10, **quiet_trainer())
trainer.fit(first, digits)

resumed = ReadsTheRate(lr=1e-4)
longer = L.Trainer(max_epochs=2, limit_train_batches=10, **quiet_trainer())
with TemporaryDirectory() as folder:
    trainer.save_checkpoint(f"{folder}/run.ckpt")
    longer.fit(resumed, digits, ckpt_path=f"{folder}/run.ckpt")

# %%
used = longer.optimizers[0].param_groups[0]["lr"]
print(f"hyperparameters say: {resumed.hparams.lr:.4f}")
print(f"the optimizer used:  {used:.4f}")
claim("3.3", "a resumed run keeps the old rate", used / first.hparams.lr, equals=1.0)

# %% [markdown]
# Your table shows the new rate, your weights felt the old one. A checkpoint holds the optimizer's state, and a rate is part of it. `ckpt_path` promises to go on as if
# nothing had happened, and keeps that promise: first it calls `configure_optimizers`, then it puts the saved state on top.
#
# **When the bad version is right.** A number that nobody will ever tune may stand in the code: Adam's `betas`, an `eps`. Each argument is one more thing that a reader must
# think about. And if a *schedule* sets the rate, `hparams.lr` is at most its peak; lesson 04 shows how to log the rate as it was applied.
#
# ### Your turn · A resumed run that listens
#
# Write a module whose optimizer uses the `lr` and the `weight_decay` asked for. In a new run. And in a run resumed by `ckpt_path` with *other* values: there the
# new values count from the first step on, while Adam keeps the averages it has collected. *(from a specification, 10 minutes)*


# %% tags=["exercise"]
class Listens(DigitNet):
    def __init__(self, lr=1e-3, weight_decay=0.01):
        super().__init__()
        self.save_hyperparameters()

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=1e-3)


# %%
check("3.3", Listens)

# %%
# hint("3.3")

# %% [markdown]
# ## Ask your own module
#
# The checks of this lesson ask questions that you can put to any `LightningModule`. This one trains a module, reloads it, compares, and trains both once more.
# Choose settings that differ from the defaults: a default cannot get lost.


# %%
from course_utils.exercises.lesson_03 import survives_reload


class Mine(ReadsPhotos):
    def __init__(self, invert=False, dropout=0.0, lr=1e-3):
        super().__init__(dropout)
        self.save_hyperparameters()
        self.invert, self.lr = invert, lr


batches = list(photo_loader)[:4]
for finding in survives_reload(Mine, settings, batches):
    print(finding)

# %% [markdown]
# ## Take away
#
# A checklist for your own code:
#
# - [ ] `save_hyperparameters()` comes before any argument changes its meaning.
# - [ ] I have loaded a checkpoint of *this* class with settings that are not the defaults.
# - [ ] Networks, datasets and other objects are in `ignore`.
# - [ ] What is saved is plain, and made so before the call: `float(lr)`, not a number from NumPy; a name, not a function.
# - [ ] The optimizer reads `self.hparams`, and everything it reads is an argument.
# - [ ] After resuming with another rate, I looked at the optimizer, not at the table.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin: [the record](../src/course_utils/records/evidence.md#lesson-03).
#
# **Sources** Lightning's documentation on [checkpoints and hyperparameters](https://lightning.ai/docs/pytorch/stable/common/checkpointing_basic.html);
# PyTorch's on [`torch.load` and `weights_only`](https://docs.pytorch.org/docs/stable/notes/serialization.html); MNIST by LeCun, Cortes and Burges.
#
# Next: **lesson 04**, or look at the [solutions](../solutions/03_hyperparameters.ipynb) of this one.
