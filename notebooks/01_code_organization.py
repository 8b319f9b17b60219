# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 01 · A project that follows its settings
#
# A small project: a network that updates its own weights, two scripts that each split the images, layers that are built inside the class. Nothing looks wrong. Then three ordinary requests arrive, and none of them is carried
# out as asked. In this lesson you take the project apart into a data module, a model and a Trainer. By the end you can
#
# - write a module that obeys every flag of the Trainer, on one device and on two;
# - split data so that a validation image is never trained on, in whichever script and however often the split is made;
# - build models from parts that can be exchanged and reused, and prove that a frozen part has not changed.
#
# **You need** to know what a `LightningModule` and a `Trainer` are. New here? [Start here](00_start_here.ipynb) takes fifteen minutes and explains how an experiment is read.
#
# **Time** 30 minutes of reading and running, 24 minutes of exercises. All cells together run in less than half a minute on two CPU cores.
#
# Two sittings: 1.1 and 1.2 first, 1.3 another day.

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
import warnings

import lightning as L
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset, random_split

from course_utils import check, claim, contrast, hint, solution
from course_utils.data import ImageDataModule, scaled
from course_utils.hardware import quiet_trainer

# %% [markdown]
# ## The project, before
#
# `ImageDataModule` holds the images of the course, bytes from 0 to 255; `scaled` turns them into floats from 0 to 1. We take 1,000 labelled images, and a network whose sizes come from the data.

# %%
data = ImageDataModule()
labelled = TensorDataset(scaled(data.train_images[:1000]), data.train_labels[:1000])


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
# The three requests:
#
# 1. "Our GPU is small. Collect the gradients of four batches before each update." (1.1)
# 2. "Evaluate the model again next week." (1.2)
# 3. "A colleague has trained a better encoder. Use it instead of ours." (1.3)
#
# ## 1.1 Separate research from engineering
#
# The first request is one flag: `accumulate_grad_batches=4`. A second flag limits the gradient norm: `gradient_clip_val=0.05`. The epoch has
# 16 batches. How many updates does a module make if it steps its optimizer itself and returns `None` from `configure_optimizers`?
#
# **Predict before you run.**
#
# - **a** none: without an optimizer to hold back, the Trainer stops with an error;
# - **b** 4: the Trainer keeps the gradients until the fourth batch, and warns that the module steps by itself;
# - **c** 16: one per batch, with warnings, but without an error.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# ### Bad: the module steps its optimizer itself


# %% tags=["bad"]
class StepsItself(ImageClassifier):
    def __init__(self):
        super().__init__()
        self.optimizer = torch.optim.Adam(self.parameters(), lr=3e-3)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def configure_optimizers(self):
        return None


# %% [markdown]
# ### Good: the module hands over loss and optimizer


# %% tags=["good"]
class HandsOver(ImageClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=3e-3)


# %% [markdown]
# ### The contrast
#
# `train` is one epoch. `quiet_trainer()` holds the options that keep a Trainer silent: no progress bar, no files. After it comes a **folded cell**. Folded cells only measure; click to open one. This one counts the updates
# of every optimizer in the process, measures the gradient norm at each update, and opens a checkpoint of each run.

# %%
from course_utils.experiments.plots import Bars, Lines


def train(model, **flags):
    trainer = L.Trainer(max_epochs=1, **quiet_trainer(**flags))
    trainer.fit(model, DataLoader(labelled, batch_size=64, shuffle=True))
    return trainer


# %% tags=["apparatus"]
# Trains with both flags; counts updates, gradient norms and what a checkpoint keeps.
import tempfile

from course_utils.measure import UpdateLog, flat_weights


def parameters_with_saved_state(trainer):
    with tempfile.TemporaryDirectory() as folder:
        trainer.save_checkpoint(f"{folder}/last.ckpt")
        saved = torch.load(f"{folder}/last.ckpt", weights_only=True)
    return sum(len(each.get("state", {})) for each in saved["optimizer_states"])


def train_with_both_flags(module_class):
    log = UpdateLog()
    flags = {"accumulate_grad_batches": 4, "gradient_clip_val": 0.05}
    trainer = train(module_class(), callbacks=[log], **flags)
    return {
        "batches": len(log.so_far),
        "updates": log.so_far[-1],
        "largest gradient norm": max(log.norms),
        "weight tensors with saved optimizer state": parameters_with_saved_state(
            trainer
        ),
        "updates so far": log.so_far,
    }


# %% [markdown]
# `contrast` runs both versions from the same random state and shows them side by side: orange and dashed is bad, blue and solid is good. Below the figure
# stands **what Lightning says**: its warnings, which the page otherwise mutes. Read them first.

# %% tags=["contrast"]
title = "Asked for one update per four batches, StepsItself makes four"
result = contrast(
    "1.1",
    train_with_both_flags,
    bad=StepsItself,
    good=HandsOver,
    prediction=prediction,
    figure=Lines(title, "updates so far", x="batch", y="updates so far"),
)

# %% [markdown]
# A **claim** is one sentence that the measurement has to confirm; a check mark means that it held in your run. We run every claim with many seeds and data sets.

# %% tags=["claim"]
claim(
    "1.1",
    "with accumulate_grad_batches=4, a module that steps its own optimizer makes four times the updates asked for",
    result.times("updates") == 4,
)

# %% [markdown]
# **Why.** These flags act where the Trainer calls `backward`, `step` and `zero_grad`. A module that calls them itself goes around the flags. Lightning
# takes a step that returns `None` to mean "skip this batch". So it skips 16 batches, and the module has already learned from each of them.
#
# The libraries did say so, three times. "Will run with no optimizer" is true of the Trainer and wrong about the module. "No gradient clipping will occur" is the finding of this experiment. There was no error, though, and in most projects
# the warnings scroll by. Another cost shows only later: a checkpoint of `StepsItself` holds no optimizer state, so a resumed run has to start Adam from zero.
#
# The run is an ordinary one, shuffled and with default settings; only the limit of 0.05 is strict. Without the two flags you would notice nothing: the first folded cell trains both versions without them. The second turns the rest of what you have just read into claims.


# %% tags=["apparatus"]
# Trains both versions without the flags, and compares their weights.
def weights_without_flags(module_class):
    torch.manual_seed(0)
    model = module_class()
    train(model)
    return flat_weights(model)


pair = [weights_without_flags(each) for each in (StepsItself, HandsOver)]
claim(
    "1.1",
    "with neither accumulation nor clipping, a module that steps its own optimizer ends with the same weights, bit by bit, as one that returns its loss",
    torch.equal(*pair),
)

# %% tags=["apparatus"]
# Four more claims about the contrast.
claim(
    "1.1",
    "with gradient_clip_val, the gradients of a module that steps its own optimizer exceed the limit tenfold",
    result.bad["largest gradient norm"] >= 10 * 0.05,
)
claim(
    "1.1",
    "a module that returns its loss keeps the limit of gradient_clip_val",
    result.good["largest gradient norm"] <= 0.0501,
)
claim(
    "1.1",
    "a checkpoint of a module that steps its own optimizer holds no optimizer state",
    result.bad["weight tensors with saved optimizer state"] == 0,
)
claim(
    "1.1",
    "Lightning warns that a module whose configure_optimizers returns None runs with no optimizer",
    result.bad.says("no optimizer"),
)

# %% [markdown]
# **Scope.** Silent in one process, on CPU or GPU, for flags that act on gradients or updates. Flags that act elsewhere, such as `max_epochs`, work in both versions. In several processes Lightning (2.6) refuses a step that returns `None`, so there an error reveals the habit.
#
# **When the bad version is right.** If one step needs several optimizers (GANs), several updates (meta-learning) or two backward passes (sharpness-aware minimization), the steps have to be yours.
# Lightning has *manual optimization* for that: set `automatic_optimization = False`. The Trainer then refuses the two flags with an error instead of ignoring them. One duty remains, `self.manual_backward(loss)`; it is explained under *Going further*.
#
# ### Your turn · Give the Trainer its work back
#
# This module, written years ago for a small GPU, accumulates, clips and steps by hand. Make it obey `accumulate_grad_batches` and `gradient_clip_val` of any Trainer, on one
# device and on two. Keep SGD with its momentum. *(6 minutes)*


# %% tags=["exercise"]
class ObeysTheTrainer(ImageClassifier):
    def __init__(self):
        super().__init__()
        self.optimizer = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        loss.backward()
        if (batch_idx + 1) % 4 == 0:  # larger batches for our small GPU
            nn.utils.clip_grad_norm_(self.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()

    def configure_optimizers(self):
        return None


# %%
check("1.1", ObeysTheTrainer)

# %% [markdown]
# Stuck? `hint("1.1")` gives a nudge, the second call a bigger one. `solution("1.1")` shows one way to do it, with its reason.

# %%
# hint("1.1")

# %% [markdown]
# ### Take along
#
# Each practice ends with a **guard**: a few lines to paste into your project, which raise an error where the bad version would carry on. This one turns the warnings that you have just read into errors.


# %% tags=["guard"]
def fit_strictly(trainer, model, loader):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*returned `None`")
        trainer.fit(model, loader)


# %% tags=["apparatus"]
# Tries the guard on both versions.
from course_utils import try_guard


def try_strictly(module_class):
    trainer = L.Trainer(max_epochs=1, **quiet_trainer())
    fit_strictly(trainer, module_class(), DataLoader(labelled, batch_size=64))


try_guard(
    "1.1", bad=lambda: try_strictly(StepsItself), good=lambda: try_strictly(HandsOver)
)

# %% [markdown]
# ### Going further
#
# **The version that you may have read about.** The usual warning against this habit shows a step that updates the weights *and* returns the loss. That version is harmless, because it crashes in the first batch: Lightning runs backward through a graph that is already used up.


# %% tags=["raises-exception"]
class StepsAndReturns(StepsItself):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss


train(StepsAndReturns())

# %% [markdown]
# **Manual optimization on two devices.** Backward has to go through `self.manual_backward(loss)`. Here is what happens without it when two processes train one model, each on its half of the images.


# %%
class CallsBackward(HandsOver):
    automatic_optimization = False

    def backward_of(self, loss):
        loss.backward()

    def training_step(self, batch, batch_idx):
        images, labels = batch
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.backward_of(F.cross_entropy(self(images), labels))
        optimizer.step()


class CallsManualBackward(CallsBackward):
    def backward_of(self, loss):
        self.manual_backward(loss)


# %% [markdown]
# `run_processes` starts two processes and returns what each of them returned. They run on the CPU, because every machine has one, with the same code as on two GPUs: only the backend that carries the gradients differs (Gloo, not NCCL). Each
# process returns the weights of its replica; after every update the two should be equal.

# %% tags=["apparatus"]
# Trains in two processes and compares the weights of the two replicas.
from course_utils.distributed import run_processes


def distance_of_replicas(model_class):
    def work():
        model = model_class()
        train(model, accelerator="cpu", devices=2, strategy="ddp")
        return flat_weights(model)

    first, second = run_processes(work)
    return (first - second).abs().max().item()


claim(
    "1.1",
    "under manual optimization with loss.backward(), the replicas of two processes drift apart",
    distance_of_replicas(CallsBackward),
    at_least=0.01,
)
claim(
    "1.1",
    "under manual optimization with self.manual_backward(), the replicas of two processes stay equal bit by bit",
    distance_of_replicas(CallsManualBackward),
    equals=0,
)

# %% [markdown]
# `manual_backward` is where the processes average their gradients. Without it, two models train side by side, each on half of the data, and only the first is
# saved.
#
# ## 1.2 Keep the data and its split in a data module
#
# Two scripts. `fit.py` sets a seed, builds the network, splits the images into 800 and 200, and trains on the 800. A week later `evaluate.py` sets the *same* seed, splits the same images
# in the same way, builds the network with the trained weights, and validates on the 200.
#
# **Predict.** The accuracy that `evaluate.py` reports is
#
# - **a** fair: the same seed, so the same split;
# - **b** too high: about four out of five of its images were trained on;
# - **c** slightly too high: about one out of five of its images was trained on.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# ### Bad: each script makes the split


# %% tags=["bad"]
def loader_in_fit_script():
    train_set, _ = random_split(labelled, [800, 200])
    return DataLoader(train_set, batch_size=64, shuffle=True)


def loader_in_evaluate_script():
    _, val_set = random_split(labelled, [800, 200])
    return DataLoader(val_set, batch_size=200)


# %% [markdown]
# ### Good: one data module makes it, with its own seed


# %% tags=["good"]
class OneSplit(L.LightningDataModule):
    def setup(self, stage):
        generator = torch.Generator().manual_seed(0)
        self.train_set, self.val_set = random_split(labelled, [800, 200], generator)

    def train_dataloader(self):
        return DataLoader(self.train_set, batch_size=64, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val_set, batch_size=200)


# %% [markdown]
# ### The contrast
#
# The folded cells are the two scripts as described above, and the measurement. The test images, which neither script touches, say what the accuracy really is.


# %% tags=["apparatus"]
# The two scripts.
class ValidatedClassifier(HandsOver):
    def validation_step(self, batch, batch_idx):
        images, labels = batch
        self.log("val_acc", (self(images).argmax(1) == labels).float().mean())


def fit_script(train_data):
    L.seed_everything(data.seed, verbose=False)
    model = ValidatedClassifier()
    trainer = L.Trainer(max_epochs=25, limit_val_batches=0, **quiet_trainer())
    trainer.fit(model, train_data())
    return model.cpu(), trainer.train_dataloader.dataset.indices


def evaluate_script(weights, val_data):
    L.seed_everything(data.seed, verbose=False)
    images = val_data()
    model = ValidatedClassifier()
    model.load_state_dict(weights)
    trainer = L.Trainer(**quiet_trainer())
    [reported] = trainer.validate(model, images, verbose=False)
    return reported["val_acc"], trainer.val_dataloaders.dataset.indices


# %% tags=["apparatus"]
# Runs both scripts; counts the validation images trained on, measures accuracy.
from course_utils.measure import accuracy


def test_accuracy(model):
    return accuracy(model.cpu(), data.test_images, data.test_labels)


def run_both_scripts(train_data, val_data):
    model, trained_on = fit_script(train_data)
    reported, validated_on = evaluate_script(model.state_dict(), val_data)
    leaked = len(set(trained_on) & set(validated_on))
    return {
        "validation images": len(validated_on),
        "of these trained on": leaked,
        "reported accuracy": reported,
        "test accuracy": test_accuracy(model),
    }


# %% tags=["contrast"]
title = "With a split in each script, the report is too good"
result = contrast(
    "1.2",
    bad=lambda: run_both_scripts(loader_in_fit_script, loader_in_evaluate_script),
    good=lambda: run_both_scripts(OneSplit, OneSplit),
    names=("a split in each script", "one data module"),
    prediction=prediction,
    figure=Bars(title, ["reported accuracy", "test accuracy"], "accuracy"),
)

# %% tags=["claim"]
claim(
    "1.2",
    "if two scripts with the same seed each split the images, after different random draws, most validation images had been trained on",
    result.bad["of these trained on"] >= 110,
)
claim(
    "1.2",
    "a validation set whose images were mostly trained on reports at least 3 points more accuracy than the test images",
    result.bad["reported accuracy"] - result.bad["test accuracy"] >= 0.03,
)

# %% [markdown]
# **Why.** `random_split` draws from the global random state. Both scripts start it from the same seed, but `fit.py` has drawn the network's weights before it splits, and `evaluate.py` has not. Add or remove one line that draws random numbers
# above the split, and the split changes. Four out of five images go into any training part, so about four of five validation images had been trained on. Lightning cannot know, and says nothing.
#
# `OneSplit` lives in one place, and its generator makes the split depend on the images and one number. A `torch.manual_seed` in front of `random_split` would do that too, and would also decide every shuffle and dropout after it.
#
# **The class alone is not enough.** `setup` runs once for every call of `fit`, `validate`, `test` and `predict`, and in every process. Without the generator, each call draws a different split:


# %%
class SplitsInSetup(OneSplit):
    def setup(self, stage):
        self.train_set, self.val_set = random_split(labelled, [800, 200])


# %% tags=["apparatus"]
# Fits and validates with one data module; counts the validation images trained on.
def leaked_between_calls(data_class):
    torch.manual_seed(data.seed)
    module, model = data_class(), ValidatedClassifier()
    trainer = L.Trainer(fast_dev_run=True, **quiet_trainer())
    trainer.fit(model, datamodule=module)
    trained_on = set(module.train_set.indices)
    trainer.validate(model, datamodule=module, verbose=False)
    return len(trained_on & set(module.val_set.indices))


leaked = {each: leaked_between_calls(each) for each in (SplitsInSetup, OneSplit)}
for data_class, images in leaked.items():
    print(f"{data_class.__name__}: {images} of 200 validation images trained on")
claim(
    "1.2",
    "a data module whose setup splits from the global random state validates mostly on images that it has trained on",
    leaked[SplitsInSetup],
    at_least=110,
)
claim(
    "1.2",
    "a data module that splits from its own seeded generator does not validate on any image that it has trained on",
    leaked[OneSplit] + result.good["of these trained on"] == 0,
)

# %% [markdown]
# The contrast is an ordinary run: shuffled batches, default settings. With more images the report is less wrong; the share of leaked images stays the same.
#
# **Scope.** One process or several, CPU or GPU. In several processes each one calls `setup` and needs the same split; `prepare_data` runs once per node by default, and what it assigns to `self` is
# missing in the other processes. So keep state in `setup`.
#
# **When the bad version is right.** Loaders passed straight to `fit` are fine if one script fits and validates: one split is made, and nothing leaks. A shared function with a seeded generator is fine, too. For cross-validation
# you *want* a different split every time, together with a new model. A data module costs a class; it pays as soon as a second script, process or person needs the same split.
#
# ### Your turn · A split that stays the same
#
# Complete this data module. It gets images and labels and makes three parts: 70 % to train, 15 % to validate, 15 % to test, each with its loader. Every instance makes the same
# parts, however often `setup` is called and even where `prepare_data` never ran. The split neither depends on the global random state nor seeds it. Training batches are shuffled. *(8 minutes)*


# %% tags=["exercise"]
class StableData(L.LightningDataModule):
    def __init__(self, images, labels):
        super().__init__()
        self.images, self.labels = images, labels

    def prepare_data(self):
        self.dataset = TensorDataset(self.images, self.labels)

    def setup(self, stage):
        self.train_set, self.val_set = random_split(self.dataset, [0.85, 0.15])

    def train_dataloader(self):
        return DataLoader(self.train_set, batch_size=64, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val_set, batch_size=64)


# %%
check("1.2", StableData)

# %%
# hint("1.2")

# %% [markdown]
# ### Take along
#
# Ask twice for the validation images, and require the same answer.


# %% tags=["guard"]
def assert_same_split(make_val_loader):
    first, second = (set(make_val_loader().dataset.indices) for _ in range(2))
    new = len(second - first)
    assert not new, f"{new} validation images differ from those of the first call"


# %% tags=["apparatus"]
# Tries the guard on the loader of the script and on the data module.
def loader_of_data_module():
    module = OneSplit()
    module.setup("validate")
    return module.val_dataloader()


try_guard(
    "1.2",
    bad=lambda: assert_same_split(loader_in_evaluate_script),
    good=lambda: assert_same_split(loader_of_data_module),
)

# %% [markdown]
# ### Going further
#
# **What `stage` is for.** It names the call: `"fit"`, `"validate"`, `"test"` or `"predict"`. A data module that reads large files uses it to read only what the call needs.


# %%
class ReadsWhatIsNeeded(OneSplit):
    def setup(self, stage):
        print("setup for", stage.upper())
        if stage in ("fit", "validate"):
            super().setup(stage)
        else:
            self.test_set = TensorDataset(scaled(data.test_images), data.test_labels)


module, model = ReadsWhatIsNeeded(), HandsOver()
trainer = L.Trainer(fast_dev_run=True, **quiet_trainer())
for _ in range(2):
    trainer.fit(model, datamodule=module)

# %% [markdown]
# Two calls of `fit`, two setups: a data module that keeps what it has read saves the second one.
#
# **The trap in `prepare_data`.** It is for downloads. Two processes, and an attribute that only one of them has:


# %%
class RemembersInPrepareData(OneSplit):
    def prepare_data(self):
        self.mean_value = labelled.tensors[0].mean()


def mean_value_is_there():
    module = RemembersInPrepareData()
    options = quiet_trainer(accelerator="cpu", devices=2, strategy="ddp")
    L.Trainer(fast_dev_run=True, **options).fit(HandsOver(), datamodule=module)
    return hasattr(module, "mean_value")


print("in the first process and in the second:", run_processes(mean_value_is_there))

# %% [markdown]
# **Second sitting.** Run all cells above once more; the rest builds on `HandsOver`, `OneSplit` and `data`.
#
# ## 1.3 Keep models modular
#
# The third request. Colleagues have trained encoders on 4,000 images; you have 100 labelled ones. You want to take over an encoder, freeze it, and train only a new last layer on the hundred.
# There are three encoders to try: one with exactly the layers of our network, one with wider layers, one with convolutions.
#
# Our class builds its layers itself, so it is *filled*: `self.load_state_dict(trained.state_dict(), strict=False)`. It says `strict=False` because the last layer is new anyway. In the colleagues' checkpoints the
# tensors have names such as `encoder.1.weight`; in ours, `layers.1.weight`.
#
# **Predict.** Of the three encoders,
#
# - **a** none raises an error;
# - **b** two raise an error, the wider one and the one with convolutions: their shapes do not fit;
# - **c** all three raise an error: the names do not fit.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# ### Bad: a network that builds its layers, filled by name


# %% tags=["bad"]
class FilledByName(HandsOver):
    def __init__(self, trained):
        super().__init__()
        self.load_state_dict(trained.state_dict(), strict=False)
        self.layers[:-1].requires_grad_(False)


# %% [markdown]
# ### Good: a network that takes its encoder


# %% tags=["good"]
class TakesAnEncoder(L.LightningModule):
    def __init__(self, encoder, features):
        super().__init__()
        self.encoder, self.features = encoder, features
        self.head = nn.Linear(features, data.num_classes)

    def forward(self, images):
        return self.head(self.encoder(images))

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=3e-3)


def handed_over(trained):
    return TakesAnEncoder(trained.encoder.requires_grad_(False), trained.features)


# %% [markdown]
# ### The contrast
#
# The first folded cell makes the colleagues' three models: they, too, are instances of `TakesAnEncoder`. The second gives a copy of each to both versions, compares tensors, trains the last layer, and measures.


# %% tags=["apparatus"]
# The colleagues' models: three encoders, trained on 4,000 images.
def make_encoder(width=128, features=32):
    hidden = [nn.Linear(data.num_features, width), nn.ReLU()]
    hidden += [nn.Linear(width, features), nn.ReLU()]
    return nn.Sequential(nn.Flatten(), *hidden)


def make_convolutions():
    layers = [nn.Conv2d(data.image_shape[0], 16, 3, stride=2), nn.ReLU()]
    layers += [nn.Conv2d(16, 8, 3, stride=2), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten())


def fit(model, images, labels, epochs, batch_size):
    loader = DataLoader(TensorDataset(scaled(images), labels), batch_size, shuffle=True)
    L.Trainer(max_epochs=epochs, **quiet_trainer()).fit(model, loader)
    return model.cpu()


trained = {}
for name, encoder in {
    "same layers": make_encoder(),
    "wider layers": make_encoder(256, 64),
    "convolutions": make_convolutions(),
}.items():
    features = encoder(labelled.tensors[0][:1]).shape[1]
    trained[name] = TakesAnEncoder(encoder, features)
    fit(trained[name], data.train_images[:4000], data.train_labels[:4000], 3, 128)


# %% tags=["apparatus"]
# Gives each encoder to a version, trains the last layer on 100 images, measures.
import copy

hundred = data.train_images[-100:], data.train_labels[-100:]


def arrived(model, encoder):
    mine = list(model.parameters())
    return sum(
        any(torch.equal(theirs, each) for each in mine)
        for theirs in encoder.parameters()
    )


def swap_encoders(version):
    found = {"errors": 0, "encoder tensors that arrived": 0}
    for name, colleague in trained.items():
        torch.manual_seed(data.seed)  # the same random layers for all three
        try:
            model = version(copy.deepcopy(colleague))
        except RuntimeError:  # what load_state_dict raises
            found["errors"] += 1
            continue
        found["encoder tensors that arrived"] += arrived(model, colleague.encoder)
        fit(model, *hundred, epochs=30, batch_size=20)
        found[name] = test_accuracy(model)
    mean = sum(found.get(name, 0) for name in trained) / len(trained)
    return {**found, "lead over guessing": mean - 1 / data.num_classes}


# %% tags=["contrast"]
title = "Filled by name, a network works as if no encoder had come"
result = contrast(
    "1.3",
    swap_encoders,
    bad=FilledByName,
    good=handed_over,
    names=("filled by name", "handed over"),
    prediction=prediction,
    figure=Bars(title, list(trained), "test accuracy"),
)

# %% tags=["claim"]
claim(
    "1.3",
    "a new last layer on frozen layers that were filled under different names reaches at most half the lead over guessing that it reaches on frozen encoders handed over as objects",
    result.times("lead over guessing") <= 0.5,
)

# %% [markdown]
# **Why.** `load_state_dict` matches by *name*. `encoder.1.weight` and `layers.1.weight` have nothing in common, and `strict=False` lets both pass, as missing and as unexpected. Shapes are compared only where names agree; there, a wrong shape is an
# error even with `strict=False`. So all three networks froze the same random layers of their own, and their three bars agree to the last digit. The only sign was the return value: both lists of names, which nothing in the class reads.
#
# An encoder handed over as an object brings its weights along. The class has no sizes of the encoder in it, so not a line of `TakesAnEncoder` changed for three encoders. `FilledByName` would have to be rewritten for each. `self.encoder = Encoder()`, often
# shown as the good version, names the part but still chooses it inside.
#
# The freezing and the hundred images show the effect at its largest. In an ordinary run nothing is frozen, and there are more images:

# %% tags=["apparatus"]
# Two more claims; then the first encoder again: nothing frozen, 2,000 images.
claim(
    "1.3",
    "load_state_dict with strict=False raises no error for three encoders whose tensors have different names, two of them with different shapes",
    result.bad["errors"] == 0,
)
claim(
    "1.3",
    "not one tensor of an encoder arrives if a network whose tensors have different names is filled with strict=False",
    result.bad["encoder tensors that arrived"] == 0,
)
for name, version in {
    "filled by name": FilledByName,
    "handed over": handed_over,
}.items():
    torch.manual_seed(data.seed)
    model = version(copy.deepcopy(trained["same layers"])).requires_grad_(True)
    fit(model, data.train_images[-2000:], data.train_labels[-2000:], 5, 64)
    print(f"{name}: test accuracy {test_accuracy(model):.3f}")

# %% [markdown]
# Training repairs most of the damage. What remains is small enough to pass for bad luck with the seed, and the colleagues' work is lost all the same.
#
# **Frozen means every bit.** `requires_grad_(False)` stops the weights. Batch normalization has more than weights; the folded helper trains a new last layer for one epoch and lists what changed in the encoder:


# %% tags=["apparatus"]
# Which tensors of an encoder change while a new last layer is trained.
def changed_by_training(encoder):
    before = {name: each.clone() for name, each in encoder.state_dict().items()}
    fit(TakesAnEncoder(encoder, 32), *hundred, epochs=1, batch_size=20)
    after = encoder.state_dict()
    return [name for name in before if not torch.equal(before[name], after[name])]


# %%
encoder = nn.Sequential(make_encoder(), nn.BatchNorm1d(32)).requires_grad_(False)
print("no gradients:       ", changed_by_training(encoder))
print("and evaluation mode:", changed_by_training(encoder.eval()))

# %% [markdown]
# In training mode, running mean and variance follow the batches, with or without gradients. In evaluation mode they stay. Since version 2.2, Lightning's `fit` leaves every part in the mode that you gave it. It then warns of modules "in eval mode at the start of training"; here that is intended.
#
# **Scope.** One process or several, CPU or GPU; weights that are matched by name, also by `load_from_checkpoint(strict=False)`. With `strict=True`, the default, all three encoders are refused with an error.
#
# **When the bad version is right.** One block is fine for a first experiment: parts pay when a second model needs one of them. And if you must load by name, because the file is all you have, load it with `strict=True` into a part with the same names, or read what `load_state_dict` returns.
#
# ### Your turn · An encoder from anywhere, frozen to the bit
#
# Write this class from its specification:
#
# - `ReusesAnEncoder(encoder, features)` takes an encoder that maps images to `features` numbers each, and classifies ten digits with a new last layer;
# - `forward(images)` returns the logits, and training lowers the cross-entropy;
# - training does not change a bit of the encoder, whatever layers it has.
#
# *(10 minutes)*


# %% tags=["exercise"]
class ReusesAnEncoder(L.LightningModule):
    def __init__(self, encoder, features):
        super().__init__()


# %%
check("1.3", ReusesAnEncoder)

# %%
# hint("1.3")

# %% [markdown]
# ### Take along
#
# If you load by name, let the tensors that found no place stop you.


# %% tags=["guard"]
def load_all(model, state):
    missing, unexpected = model.load_state_dict(state, strict=False)
    print("left as they were:", missing)
    assert not unexpected, f"no place for {len(unexpected)} tensors: {unexpected[:2]}"


# %% tags=["apparatus"]
# Tries the guard on the old network and on one with the same parts.
state = trained["same layers"].state_dict()
try_guard(
    "1.3",
    bad=lambda: load_all(HandsOver(), state),
    good=lambda: load_all(TakesAnEncoder(make_encoder(), 32), state),
)

# %% [markdown]
# ### Going further · The project, after
#
# Three parts, each with one concern. The data module knows which images are used for what. The model knows what is learned, with a part that can be exchanged. The Trainer knows how the training runs.

# %%
colleague = trained["convolutions"]
model = TakesAnEncoder(colleague.encoder, colleague.features)
trainer = L.Trainer(max_epochs=10, accumulate_grad_batches=4, **quiet_trainer())
trainer.fit(model, datamodule=OneSplit())
print(f"test accuracy: {test_accuracy(model):.3f}")

# %% [markdown]
# All three requests, each in one place: a flag, a data module, an argument. The other lessons build on this project. They take their images from `ImageDataModule`, which is `OneSplit` for several data sets, and their modules look like `HandsOver`.
#
# ### Going further · Probes
#
# The checks of your exercises use *probes*: functions that run a module and report what they saw. They work on your own modules, outside this course too.

# %%
from course_utils.exercises.lesson_01 import (
    obeys_accumulation,
    obeys_clipping,
    replicas_agree,
    splits_hold,
)

batches = list(DataLoader(labelled, batch_size=64))[:8]
print(obeys_accumulation(HandsOver, batches, every=4))
print(obeys_clipping(HandsOver, batches, norm=0.05))
print(replicas_agree(HandsOver, TensorDataset(*batches[0])))
for finding in splits_hold(OneSplit):
    print(finding)

# %% [markdown]
# ## Symptoms
#
# What you see at work, and where to look:
#
# | You see | Look at |
# |---|---|
# | `accumulate_grad_batches` or `gradient_clip_val` changes nothing | 1.1 |
# | Lightning warns that the fit runs with no optimizer, yet the loss falls | 1.1 |
# | validation accuracy is far better than the accuracy on new data | 1.2 |
# | an attribute set in `prepare_data` is missing on the second GPU | 1.2 |
# | a pretrained model does no better than a random one | 1.3 |
# | a frozen encoder gives different outputs after training | 1.3 |
#
# ## Take away
#
# A checklist for your own code:
#
# - [ ] `training_step` returns the loss, `configure_optimizers` returns the optimizer; the module does not call `backward`, `step`, `zero_grad` or a clipping function.
# - [ ] Manual optimization where one step needs several optimizers, updates or backward passes, and then with `self.manual_backward`.
# - [ ] The split is made in one place, from its own generator; nothing is assigned to `self` in `prepare_data`.
# - [ ] Parts are handed in, not created inside; what `load_state_dict(strict=False)` returns is read.
# - [ ] A frozen part has no gradients *and* is in evaluation mode.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin: [the record](../src/course_utils/records/evidence.md#lesson-01).
#
# **Sources** Lightning's documentation on [manual optimization](https://lightning.ai/docs/pytorch/stable/model/manual_optimization.html),
# [the data module](https://lightning.ai/docs/pytorch/stable/data/datamodule.html) and
# [transfer learning](https://lightning.ai/docs/pytorch/stable/advanced/transfer_learning.html); PyTorch's documentation of
# [load_state_dict](https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.load_state_dict); MNIST by LeCun, Cortes and Burges.
#
# Next: [lesson 02](02_device_agnosticism.ipynb) moves this project to any device. Checkpoints and what they keep come back in [lesson 03](03_hyperparameters.ipynb) and [lesson 09](09_checkpointing.ipynb), seeds in
# [lesson 05](05_reproducibility.ipynb). The [solutions](../solutions/01_code_organization.ipynb) of this lesson are explained, too.

# %% tags=["own-code"]
# This lesson's questions, asked of your own code: name it in place of None.
my_module, my_data = None, None  # "my_package.model:MyModel", "my_package.data:MyData"
course_utils.check_my(my_module, my_data, select="1.*")
