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
# **You need** to know what a `LightningModule` and a `Trainer` are. New here? [Start here](00_start_here.ipynb) takes fifteen minutes.
#
# **Time** 30 minutes of reading and running, 23 minutes of exercises. Two sittings: 3.1, then 3.2 and 3.3. All cells together run in less than half a minute on two CPU cores.

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

from course_utils import check, claim, contrast, hint, solution, try_guard
from course_utils.data import ImageDataModule
from course_utils.hardware import quiet_trainer

data = ImageDataModule(batch_size=64)

# %% [markdown]
# One data module and one small network serve the whole lesson. Images have the shape `(batch, channel, height, width)` and values from 0 to 1. Note the last
# method: the optimizer reads its learning rate from an attribute. `quiet_trainer()` only keeps a Trainer silent: no progress bar, no files. Folded cells only measure; click on one to open it.


# %%
class SmallNet(L.LightningModule):
    """One hidden layer: images to logits of shape (batch, 10)."""

    def __init__(self, dropout=0.0):
        super().__init__()
        size = ImageDataModule().num_features
        hidden = [nn.Linear(size, 64), nn.ReLU(), nn.Dropout(dropout)]
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
# Your images arrive as negatives: dark is light and light is dark. The network gets an option `invert` that turns them back.
# You train with `invert=True`, some dropout and a higher learning rate, and save a checkpoint. The class keeps these settings as attributes,
# `self.invert = invert`, and each argument has a default. A week later you call `load_from_checkpoint(path)`.
#
# **Predict before you run.** What comes back?
#
# - **a** all weights, and the old accuracy: settings matter for training, the weights are the model;
# - **b** nothing: loading stops with an error that names the missing settings;
# - **c** all weights, and an accuracy near that of guessing;
# - **d** new random weights: without its settings, the file does not fit.

# %% tags=["predict"]
prediction = None  # "a", "b", "c" or "d"


# %%
class ReadsNegatives(SmallNet):
    def prepare(self, images):
        return 1 - images if self.invert else images

    def forward(self, images):
        return self.net(self.prepare(images))


# %% [markdown]
# ### Bad: the settings live in attributes only


# %% tags=["bad"]
class KeepsAttributes(ReadsNegatives):
    def __init__(self, invert=False, dropout=0.0, lr=1e-3):
        super().__init__(dropout)
        self.invert, self.lr = invert, lr


# %% [markdown]
# ### Good: one call writes them into every checkpoint


# %% tags=["good"]
class SavesHyperparameters(ReadsNegatives):
    def __init__(self, invert=False, dropout=0.0, lr=1e-3):
        super().__init__(dropout)
        self.save_hyperparameters()
        self.invert, self.lr = invert, lr


# %% [markdown]
# ### The contrast
#
# Both train for one epoch with the same settings. The folded cells save a checkpoint into a temporary folder and load it from there: a new object, made
# from the file alone. Watch two rows of the table: *weight tensors that differ*, and *accuracy after*.

# %% tags=["apparatus"]
# The negatives, as bytes and as floats; a checkpoint saved and loaded again.
from tempfile import TemporaryDirectory

from torch.utils.data import DataLoader, TensorDataset

from course_utils.data import scaled
from course_utils.experiments.plots import Bars, Cells, Images, Sweep, show
from course_utils.measure import accuracy

negatives = 255 - data.test_images
train_set = TensorDataset(scaled(255 - data.train_images), data.train_labels)
train_loader = DataLoader(train_set, batch_size=64, shuffle=True)


def save_and_load(model, model_class=None, **arguments):
    with TemporaryDirectory() as folder:
        path = f"{folder}/model.ckpt"
        model.trainer.save_checkpoint(path)
        return (model_class or type(model)).load_from_checkpoint(path, **arguments)


# %% tags=["apparatus"]
# Train a version with settings that are not the defaults; compare it before and after.
settings = {"invert": True, "dropout": 0.2, "lr": 3e-3}


def train(model):
    L.Trainer(max_epochs=1, **quiet_trainer()).fit(model, train_loader)
    return model.cpu().eval()


def before_and_after(version):
    model = train(version(**settings))
    loaded = save_and_load(model).cpu().eval()
    pairs = zip(model.parameters(), loaded.parameters())
    images = scaled(negatives[:1000])
    after = accuracy(loaded, negatives, data.test_labels)
    return {
        "accuracy before": accuracy(model, negatives, data.test_labels),
        "accuracy after": after,
        "lead over guessing after": after - 0.1,
        "weight tensors that differ": sum(not torch.equal(a, b) for a, b in pairs),
        "images with different logits": (model(images) != loaded(images)).any(1).sum(),
        "learning rate after": loaded.lr,
        "image": images[:10],
        "seen in training": model.prepare(images[:10]),
        "seen after": loaded.prepare(images[:10]),
    }


# %% tags=["contrast"]
result = contrast(
    "3.1",
    before_and_after,
    bad=KeepsAttributes,
    good=SavesHyperparameters,
    prediction=prediction,
    figure=Bars(
        "Same weights, lost settings: the loaded model is wrong",
        ["accuracy before", "accuracy after"],
        "accuracy on negatives",
    ),
)

# %% tags=["claim"]
lost = 1 - result.times("lead over guessing after")
claim(
    "3.1",
    "a reload without saved settings costs half of the lead over guessing",
    lost >= 0.5,
)
differ = result.bad["weight tensors that differ"]
claim("3.1", "a reload without saved settings brings every weight back", differ == 0)
changed = result.good["images with different logits"]
claim("3.1", "a reload with saved settings changes no logit", changed == 0)

# %% [markdown]
# **Why.** What a checkpoint keeps of a module is its *tensors* (parameters and buffers), and the option `invert` is not a tensor. When Lightning loads the file it first calls `__init__`, and
# takes the arguments from the hyperparameters in the file. If there are none, Python takes the defaults. Then the weights are filled in. They fit, so nothing
# complains. Here is what the loaded networks get to see:

# %% tags=["apparatus"]
# The same ten images: as they arrive, as seen in training, as seen after the reload.
images = Images(
    "The weights expect positives, the bad network sees negatives",
    inputs=["image", "seen in training"],
    outputs="seen after",
    score="accuracy after",
)
show(images, result)

# %% [markdown]
# The learning rate went back to its default too, and so did the dropout. That you would notice only when you train on. Nothing here is staged: any setting with a default is lost this way; how much it costs depends on the setting.
#
# `save_hyperparameters()` saves the arguments of the `__init__` that calls it, *with the values that they have at that moment*. If a base class makes the call, the arguments of the subclass are saved with them.
#
# **Scope.** Any device, any number of processes, every way of making the file: a checkpoint callback, `save_checkpoint`, `ckpt_path`.
#
# **When the bad version is right.** When the settings are kept elsewhere, say in a configuration file that you trust. Then pass them again: what you give to
# `load_from_checkpoint` goes to `__init__`. Or leave out the defaults: an argument that Python insists on cannot be forgotten silently.
#
# The good version has a price: from now on, the *names* of your arguments are part of a file format. Rename `invert` to
# `inverted`, load an old file, and Lightning drops the hyperparameter that `__init__` does not know. The new name gets its default.


# %% tags=["apparatus"]
# Pass the settings again; forget them; rename an argument.
class RenamesAnArgument(ReadsNegatives):
    def __init__(self, inverted=False, dropout=0.0, lr=1e-3):
        super().__init__(dropout)
        self.save_hyperparameters()
        self.invert, self.lr = inverted, lr


kept, saved = (train(v(**settings)) for v in (KeepsAttributes, SavesHyperparameters))
reloaded = {
    "settings given again": save_and_load(kept, **settings),
    "settings forgotten": save_and_load(kept),
    "an argument renamed": save_and_load(saved, RenamesAnArgument),
}
for name, model in reloaded.items():
    print(f"{name}: accuracy {accuracy(model, negatives, data.test_labels):.3f}")

# %% [markdown]
# ### Your turn · The call is there, and the model still changes
#
# `ink` is a grey level from 0 to 255: only pixels above it count as ink. The class saves its hyperparameters, trains well, loads without complaint, and sees different
# ink than before. Repair it. *(one line to move or change, 5 minutes)*


# %% tags=["exercise"]
class SeesInk(SmallNet):
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
# ### Take along
#
# A test for any module: reload it with settings that are *not* its defaults, and compare the answers. A default cannot get lost.


# %% tags=["guard"]
def assert_survives_reload(model, path, images):
    model.eval()
    loaded = type(model).load_from_checkpoint(path, map_location="cpu").eval()
    equal = torch.equal(loaded(images), model.cpu()(images))
    assert equal, f"{type(model).__name__} answers differently after a reload"


# %% tags=["apparatus"]
# Try the guard on both versions.
def reload_with_guard(model):
    with TemporaryDirectory() as folder:
        model.trainer.save_checkpoint(f"{folder}/model.ckpt")
        path = f"{folder}/model.ckpt"
        assert_survives_reload(model, path, scaled(negatives[:10]))


try_guard(
    "3.1",
    bad=lambda: reload_with_guard(kept),
    good=lambda: reload_with_guard(saved),
)

# %% [markdown]
# **Second sitting.** A good place for a break. What follows needs the cells up to here: run them again if you come back to a new kernel.
#
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
class BuildsOnAnEncoder(SmallNet):
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
# The folded cell tries five steps: pickle the two arguments, train on 2,000 images, save, load, resume. Encoder and dataset are given again when the file is loaded, in both versions. Watch where the first
# one fails, and read what Lightning said before that.

# %% tags=["apparatus"]
# Try five steps of a checkpoint's life; note which of them work.
import os
import pickle

STEPS = ["pickle", "train", "save", "load", "resume"]
part = TensorDataset(scaled(data.train_images[:2000]), data.train_labels[:2000])


def new_arguments():
    encoder = [nn.Flatten(), nn.Linear(data.num_features, 64), nn.ReLU()]
    return {"encoder": nn.Sequential(*encoder), "dataset": part}


def attempt(action):
    try:
        action()
    except Exception as error:
        return type(error).__name__
    return "works"


# %% tags=["apparatus"]
# What both versions go through.
def life_of(version):
    def new(epochs):
        trainer = L.Trainer(max_epochs=epochs, **quiet_trainer())
        return version(**new_arguments()), trainer

    done = {"pickle": attempt(lambda: pickle.dumps(new_arguments()))}
    model, trainer = new(epochs=1)
    done["train"] = attempt(lambda: trainer.fit(model))
    with TemporaryDirectory() as folder:
        path = f"{folder}/model.ckpt"
        done["save"] = attempt(lambda: trainer.save_checkpoint(path))
        size = os.path.getsize(path) / 1e6
        load = version.load_from_checkpoint
        done["load"] = attempt(lambda: load(path, **new_arguments()))
        model, longer = new(epochs=2)
        done["resume"] = attempt(lambda: longer.fit(model, ckpt_path=path))
    works = [done[step] == "works" for step in STEPS]
    counts = {"steps that work": sum(works), "of them before loading": sum(works[:3])}
    return {**done, **counts, "file (MB)": size}


# %% tags=["contrast"]
result = contrast(
    "3.2",
    life_of,
    bad=SavesEverything,
    good=SavesSettings,
    prediction=prediction,
    figure=Cells("It can be pickled, trained and saved. It cannot be loaded", STEPS),
)

# %% tags=["claim"]
bad, good = (each["steps that work"] for each in (result.bad, result.good))
early = result.bad["of them before loading"]
claim("3.2", "a network among the hyperparameters can be saved", early == 3)
claim("3.2", "a checkpoint with a network in it is not loaded or resumed", bad == 3)
claim("3.2", "with ignore, all five steps work", good == 5)
larger = result.times("file (MB)")
claim("3.2", "a dataset of 2000 images makes the file 5 times larger", larger >= 5)

# %% [markdown]
# Up to saving, both versions work. Then the bad file can be neither loaded nor resumed, although encoder and dataset were given again.
#
# **Why.** The reason that guides give is out of date. Networks and datasets *can* be pickled. But unpickling may run any code, so a
# checkpoint from a stranger could run code on your machine. Since PyTorch 2.6, `torch.load` therefore reads by default with `weights_only=True`: tensors, numbers, text,
# containers of them, and little else. The check comes at *loading*. That is the unkind part: the night's
# training is over, the file is there, and it cannot be read. Lightning warns about the network, not about the dataset, and about none of the types below.
#
# `ignore` is for objects that you give again. A learning rate is a setting, so it has to stay. The folded cells put one value of each type through a checkpoint as it comes;
# types that fail also go through it made plain, as the arrow says.

# %% tags=["apparatus"]
# One value of each type: as it comes, and what makes it plain.
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

import numpy as np

Tone = Enum("Tone", ["DARK", "LIGHT"])


@dataclass
class Size:
    width: int = 28


def name_of(thing):
    return getattr(thing, "name", None) or thing.__name__


# %% tags=["apparatus"]
# The values.
to_be_made_plain = {
    "a rate from np.logspace → float": (np.logspace(-4, -2, 3)[1], float),
    "NumPy array → list": (np.arange(3), np.ndarray.tolist),
    "Path → str": (Path("images"), str),
    "Enum → its name": (Tone.DARK, name_of),
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


# %% tags=["apparatus"]
# Save and load a module with each of them.
class Holds(SmallNet):
    def __init__(self, setting):
        super().__init__()
        self.save_hyperparameters()


def comes_back(setting, model_class=Holds):
    model = model_class(setting)
    L.Trainer(max_steps=1, **quiet_trainer()).fit(model, train_loader)
    return attempt(lambda: save_and_load(model))


as_it_comes = {name: comes_back(value) for name, (value, _) in to_be_made_plain.items()}
made_plain = {
    name: comes_back(to(value)) for name, (value, to) in to_be_made_plain.items()
}
as_it_comes |= {name: comes_back(value) for name, value in plain_already.items()}
grid = Cells("Plain values load, these eight types do not", list(as_it_comes))
show(grid, {"as it comes": as_it_comes, "made plain": made_plain})

# %% tags=["apparatus"]
# Count them.
fails = [name for name in to_be_made_plain if as_it_comes[name] != "works"]
claim("3.2", "eight common types of settings do not load", len(fails), equals=8)
healed = sum(made_plain[name] == "works" for name in fails)
claim("3.2", "eight common types of settings load once made plain", healed, equals=8)

# %% [markdown]
# The first row is the one that hurts. A number from NumPy looks like a float, prints like a float, and *is* a float to `isinstance`. Sweep over `np.logspace`, and none
# of your runs can be loaded. `ignore=["lr"]` does not help: the checkpoint holds the optimizer's state as well, and the optimizer holds the rate. What helps is one line at the top of `__init__`, before anything uses
# the value: `lr = float(lr)`.
#
# **Scope.** PyTorch 2.6 or newer, and Lightning 2.6 or newer, which follows its default for local files; one process or several, any device. Lightning loads without the guard when the path begins with `http`: pass `weights_only=True` there.
#
# **When the bad version is right.** For a file that you wrote yourself, `load_from_checkpoint(path, weights_only=False)` lifts the guard, and all of it comes back, network and dataset included. Never do that with a file from a stranger. And `ignore` has its price: you must have the encoder when you load the file. Its *weights* need not be right,
# they are in the file; its *shape* must be.
#
# ### Your turn · A sweep that can be loaded
#
# The sweep hands over an encoder, an activation function such as `torch.tanh`, and a rate from `np.logspace`. Change `__init__` so that
# `Swept.load_from_checkpoint(path, encoder=encoder)` works, and brings back activation and rate although they are not passed again. *(four lines, two of them new; 8 minutes)*


# %% tags=["exercise"]
class Swept(SmallNet):
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
# ### Take along
#
# Run this before the night's training, not after it. It reads the hyperparameters the way `torch.load` will.


# %% tags=["guard"]
import io


def assert_hparams_load(model):
    buffer = io.BytesIO()
    torch.save(dict(model.hparams), buffer)
    buffer.seek(0)
    torch.load(buffer, weights_only=True)  # raises UnpicklingError


# %% tags=["apparatus"]
# Try the guard on both versions.
try_guard(
    "3.2",
    bad=lambda: assert_hparams_load(SavesEverything(**new_arguments())),
    good=lambda: assert_hparams_load(SavesSettings(**new_arguments())),
)

# %% [markdown]
# ## 3.3 Build the optimizer from the hyperparameters
#
# You try five learning rates from 0.0001 to 1, each in a run from the same seed. The rate is an argument, it is saved, and your logger shows five rows with five rates. The method
# `configure_optimizers` is older than that argument.
#
# **Predict.** The five test accuracies
#
# - **a** are the same, to the last digit;
# - **b** differ by a point or two, as two trainings do;
# - **c** are not there: Lightning complains about a hyperparameter that is never used.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
class SavesItsRate(SmallNet):
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
# A sweep is a loop; the folded cell runs it. After each run it asks the optimizer which rate it used, and counts how many *different* models came out.


# %% tags=["apparatus"]
# Train with five rates from one seed; compare the rates used and the models.
def sweep(version, rates=(1e-4, 1e-3, 1e-2, 1e-1, 1.0)):
    used, scores, models = [], [], set()
    seed = torch.initial_seed()
    for lr in rates:
        L.seed_everything(seed, verbose=False)
        model = version(lr=lr)
        trainer = L.Trainer(max_epochs=1, limit_train_batches=60, **quiet_trainer())
        trainer.fit(model, data)
        used.append(trainer.optimizers[0].param_groups[0]["lr"])
        scores.append(accuracy(model.cpu(), data.test_images, data.test_labels))
        weights = nn.utils.parameters_to_vector(model.parameters())
        models.add(weights.detach().numpy().tobytes())
    return {
        "asked": rates,
        "used": used,
        "accuracy": scores,
        "different models": len(models),
        "best accuracy": max(scores),
        "worst accuracy": min(scores),
        "lead lost by the worst rate": 1 - (min(scores) - 0.1) / (max(scores) - 0.1),
    }


# %% tags=["contrast"]
result = contrast(
    "3.3",
    sweep,
    bad=HardCodesTheRate,
    good=ReadsTheRate,
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
bad, good = (each["different models"] for each in (result.bad, result.good))
claim("3.3", "five runs with a hard-coded rate train a single model", bad == 1)
claim("3.3", "five runs that read hparams.lr train five models", good == 5)
lost = result.good["lead lost by the worst rate"]
claim("3.3", "the worst of five rates loses half of the best one's lead", lost >= 0.5)

# %% [markdown]
# Five rates asked for, one model trained: the accuracies of the bad version agree to the last digit, because the runs do.
#
# **Why.** `self.hparams` only records values; nothing uses one of them unless your code reads it. The same holds for Lightning's
# learning-rate finder: it writes its suggestion into `self.lr` and `hparams.lr`, where they exist, and an optimizer that does not look there keeps its own.
#
# Reading is not always enough, though. The loss has stopped falling. You stop the run, and resume it from its checkpoint with a hundredth of the learning rate:

# %%
first, resumed = ReadsTheRate(lr=1e-2), ReadsTheRate(lr=1e-4)
short = {"limit_train_batches": 10, **quiet_trainer()}
trainer, longer = (L.Trainer(max_epochs=epochs, **short) for epochs in (1, 2))
trainer.fit(first, data)
with TemporaryDirectory() as folder:
    trainer.save_checkpoint(f"{folder}/run.ckpt")
    longer.fit(resumed, data, ckpt_path=f"{folder}/run.ckpt")

# %% tags=["apparatus"]
# Compare what the hyperparameters say with what the optimizer used.
used = longer.optimizers[0].param_groups[0]["lr"]
print(f"hyperparameters say: {resumed.hparams.lr:.4f}")
print(f"the optimizer used:  {used:.4f}")
kept = used / first.hparams.lr
claim("3.3", "a run resumed with a new rate keeps the old rate", kept, equals=1.0)

# %% [markdown]
# Your table shows the new rate, your weights felt the old one. A checkpoint holds the optimizer's state, and a rate is part of it. Resuming with `ckpt_path` means to continue as if
# nothing had happened: Lightning first calls `configure_optimizers`, then puts the saved state on top.
#
# **Scope.** Any optimizer, any device, one process or several. The resume part holds for `ckpt_path`; `load_from_checkpoint` restores no optimizer.
#
# **When the bad version is right.** A number that you will never tune may stand in the code: Adam's `betas`, an `eps`. Each argument is one more thing that a reader must
# think about. And if a *schedule* sets the rate, `hparams.lr` is at most its peak; [lesson 04](04_logging.ipynb) shows how to log the rate as it was applied.
#
# ### Your turn · A resumed run that listens
#
# Write a module whose optimizer uses the `lr` and the `weight_decay` asked for. In a new run. And in a run resumed by `ckpt_path` with *other* values: there the
# new values count from the first step on, while Adam keeps the averages it has collected. *(from a specification, 10 minutes)*


# %% tags=["exercise"]
class Listens(SmallNet):
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
# ### Take along
#
# A callback that compares the rate in use with the one on record, at the first step of every run, resumed or new.


# %% tags=["guard"]
class RateIsTheOneOnRecord(L.Callback):
    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        used = trainer.optimizers[0].param_groups[0]["lr"]
        asked = pl_module.hparams.lr
        assert batch_idx or used == asked, f"hparams say {asked}, the optimizer {used}"


# %% tags=["apparatus"]
# Try the guard on both versions, at a rate that the code does not name.
def fit_with_guard(version):
    options = quiet_trainer(max_steps=1, callbacks=[RateIsTheOneOnRecord()])
    L.Trainer(**options).fit(version(lr=1e-2), data)


try_guard(
    "3.3",
    bad=lambda: fit_with_guard(HardCodesTheRate),
    good=lambda: fit_with_guard(ReadsTheRate),
)

# %% [markdown]
# ### Going further · Ask your own module
#
# The check behind exercise 3.1 works on any `LightningModule`. It trains a module, reloads it, compares, and trains both once more.
# Choose settings that differ from the defaults.

# %%
from course_utils.exercises.lesson_03 import survives_reload

batches = list(train_loader)[:4]
for finding in survives_reload(SavesHyperparameters, settings, batches):
    print(finding)

# %% [markdown]
# ## Symptoms
#
# | You see | Look at |
# |---|---|
# | a loaded model scores far below what it scored in training | 3.1 |
# | after a rename, old checkpoints load and predict nonsense | 3.1 |
# | `UnpicklingError: Weights only load failed` | 3.2 |
# | checkpoints are many times larger than the model | 3.2 |
# | all runs of a sweep score exactly the same | 3.3 |
# | a resumed run ignores the new learning rate | 3.3 |
#
# ## Take away
#
# A checklist for your own code:
#
# - [ ] `save_hyperparameters()` comes before any argument changes its meaning.
# - [ ] I have loaded a checkpoint of *this* class with settings that are not the defaults.
# - [ ] Networks, datasets and other objects are in `ignore`.
# - [ ] What is saved is plain, and made so before the call: `float(lr)`, not a number from NumPy; a name, not a function.
# - [ ] The optimizer reads `self.hparams`, and everything it reads is an argument.
# - [ ] After resuming with a different rate, I looked at the optimizer, not at the table.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin: [the record](../src/course_utils/records/evidence.md#lesson-03).
#
# **Sources** Lightning's documentation on [checkpoints and hyperparameters](https://lightning.ai/docs/pytorch/stable/common/checkpointing_basic.html);
# PyTorch's on [`torch.load` and `weights_only`](https://docs.pytorch.org/docs/stable/notes/serialization.html); MNIST by LeCun, Cortes and Burges.
#
# Next: [lesson 04](04_logging.ipynb), on curves that mean what they say; or look at the [solutions](../solutions/03_hyperparameters.ipynb) of this one.
