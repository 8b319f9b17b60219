# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Solutions · Lesson 06, debugging
#
# One way to solve each exercise of [lesson 06](../notebooks/06_debugging.ipynb), why it works, and another way. Try them yourself first: a wrong attempt
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

course_utils.start("06", written_for="0.1")

# %%
import copy
from statistics import median
from tempfile import TemporaryDirectory

import lightning as L
import torch
from lightning.pytorch.profilers import SimpleProfiler
from torch.utils.data import DataLoader, Subset

from course_utils import check
from course_utils.hardware import quiet_trainer

# %% [markdown]
# ## 6.1 A smoke test that sees more
#
# Two batches are enough, if they are a full one and the last, smaller one. A smaller loader over the same data set
# delivers exactly these, and fetches nothing else, which matters when images come from a disk. The rest is what a dry
# run leaves out: write a checkpoint, and look whether training did anything. All of it happens to a copy.
#
# Tempting and wrong: `fast_dev_run=5`. It takes the first five batches of 250, never the last, and writes nothing.


# %% tags=["solution"]
def smoke_test(model, loader):
    trained = copy.deepcopy(model)
    rest = len(loader.dataset) % loader.batch_size
    first = Subset(loader.dataset, range(loader.batch_size + rest))
    few = DataLoader(first, loader.batch_size, collate_fn=loader.collate_fn)
    trainer = L.Trainer(max_epochs=1, **quiet_trainer())
    trainer.fit(trained, few)
    with TemporaryDirectory() as folder:
        trainer.save_checkpoint(f"{folder}/smoke.ckpt")
    pairs = zip(model.parameters(), trained.cpu().parameters())
    if all(torch.equal(before.cpu(), after) for before, after in pairs):
        raise RuntimeError("training changes no weight")


# %%
check("6.1", smoke_test)

# %% [markdown]
# **Another way.** Take the batches as the loader delivers them, and keep the first and the last: that needs no data
# set to cut from, but reads all of the data once. `batch_size=None` says "do not batch them again". It tests
# the model itself: the weights are kept beforehand and put back afterwards, error or not.

# %%
from torch.nn.utils import parameters_to_vector


def tests_in_place(model, loader):
    ends = 0, len(loader) - 1
    few = [batch for i, batch in enumerate(loader) if i in ends]
    few = DataLoader(few, batch_size=None)
    saved = copy.deepcopy(model.state_dict())
    before = parameters_to_vector(model.parameters()).clone()
    trainer = L.Trainer(max_epochs=1, **quiet_trainer(accelerator="cpu"))
    try:
        trainer.fit(model, few)
        with TemporaryDirectory() as folder:
            trainer.save_checkpoint(f"{folder}/smoke.ckpt")
        assert not torch.equal(before, parameters_to_vector(model.parameters()))
    finally:
        model.load_state_dict(saved)


check("6.1", tests_in_place)

# %% [markdown]
# ## 6.2 A tenth that is always the same tenth
#
# The starter leaves two things to chance. *Which images?* The global random state decides, so each call draws different ones. *Which classes?* A class of ten images is missing from a tenth more often than you think. A generator of its own answers the first, a draw within each class the second. The order within an epoch may stay random.
#
# Tempting and wrong: `torch.manual_seed(0)` in the function. The choice is fixed then, and so is everything random that comes after the call.


# %% tags=["solution"]
def tenth(dataset):
    labels = dataset.tensors[1]
    generator = torch.Generator().manual_seed(0)
    chosen = []
    for label in labels.unique():
        places = (labels == label).nonzero().flatten()
        order = torch.randperm(len(places), generator=generator)
        chosen += places[order[: max(1, len(places) // 10)]].tolist()
    return DataLoader(Subset(dataset, chosen), batch_size=16, shuffle=True)


# %%
check("6.2", tenth)

# %% [markdown]
# **Another way.** Every tenth image. In a data set ordered by class that is a draw within each class, without any chance: places 0, 10, 20 and so on. A class of fewer than ten images may be skipped, so
# its first image is added, and to keep to the limit the largest class gives up one.


# %%
def every_tenth(dataset):
    labels = dataset.tensors[1]
    chosen = set(range(0, len(labels) - 9, 10))
    for label in labels.unique():
        places = (labels == label).nonzero().flatten().tolist()
        if not chosen & set(places):
            largest = labels[list(chosen)].mode().values
            chosen.remove(next(i for i in sorted(chosen) if labels[i] == largest))
            chosen.add(places[0])
    return DataLoader(Subset(dataset, sorted(chosen)), batch_size=16, shuffle=True)


check("6.2", every_tenth)

# %% [markdown]
# ## 6.3 Unit length, even for a zero row
#
# At a row of zeros, two operations have no finite slope: the root and the division. `torch.where` after them is too late, since the backward pass goes through the branch that was not
# chosen. So the choice comes first: where there is no length, divide by one.
#
# Tempting and wrong: a small number under the root, `(squares + 1e-6).sqrt()`. The gradient is finite, and faint rows come out far too short.


# %% tags=["solution"]
def unit_length(features):
    squares = features.square().sum(dim=1, keepdim=True)
    safe = torch.where(squares > 0, squares, 1.0)
    return features / safe.sqrt()


# %%
check("6.3", unit_length)

# %% [markdown]
# **Another way.** Compute only the rows that have a length, and leave the others zero.


# %%
def only_where_needed(features):
    rows = features.abs().amax(dim=1) > 0
    lengths = features[rows].square().sum(dim=1, keepdim=True).sqrt()
    return (features * 0).index_put((rows,), features[rows] / lengths)


check("6.3", only_where_needed)

# %% [markdown]
# ## 6.4 A test that cannot be fooled by one class
#
# `overfit_batches` takes the first batch in the order of the data set. The loader's own next batch is drawn as training
# draws it, and then you hold it in your hand: count its classes, and train on a loader that delivers nothing else.
#
# Tempting and wrong: to count the classes in `next(iter(loader))` and then train with `overfit_batches=1`. If the loader
# shuffles data that is ordered by class, you have looked at one batch and trained on another, of one class.


# %% tags=["solution"]
def learns_by_heart(module, loader):
    batch = next(iter(loader))
    if len(batch[1].unique()) < 2:
        raise ValueError("one class in the batch: nothing would be proved")
    trainer = L.Trainer(max_epochs=100, **quiet_trainer())
    trainer.fit(module, DataLoader([batch], batch_size=None))
    return bool(trainer.callback_metrics["train_acc"] >= 0.95)


# %%
check("6.4", learns_by_heart)

# %% [markdown]
# **Another way.** Keep `overfit_batches`, and ask the Trainer what it used: after the training, its loader holds the
# sampler that was put in. It asks the trained module itself, so nothing has to be logged.

# %%


def asks_the_trainer(module, loader):
    trainer = L.Trainer(max_epochs=100, overfit_batches=1, **quiet_trainer())
    trainer.fit(module, loader)
    inputs, labels = next(iter(trainer.train_dataloader))
    if labels.unique().numel() < 2:
        raise ValueError("one class in the batch: draw it from all classes")
    module.eval()
    right = module(inputs.to(module.device)).argmax(1).cpu() == labels
    return right.float().mean().item() >= 0.95


check("6.4", asks_the_trainer)

# %% [markdown]
# ## 6.5 Name the slowest part
#
# The profiler's rows overlap: `run_training_epoch` contains everything, `optimizer_step` contains the forward and the backward pass, because Lightning hands both to the optimizer as a closure. The
# largest row is therefore always an outer one. Compare what lies side by side.
#
# Tempting and wrong: to take the four rows as they are. Then the optimizer always takes longer than forward and backward together.


# %% tags=["solution"]
def slowest_part(model, loader):
    profiler = SimpleProfiler()
    limits = {"max_epochs": 1, "limit_train_batches": 10}
    trainer = L.Trainer(profiler=profiler, **limits, **quiet_trainer())
    trainer.fit(model, loader)
    recorded = profiler.recorded_durations.items()
    times = {name.split(".")[-1]: median(each) for name, each in recorded}
    forward, backward = times["training_step"], times["backward"]
    own = {
        "loading": times["train_dataloader_next"],
        "forward": forward,
        "backward": backward,
        "optimizer": times["optimizer_step"] - forward - backward,
    }
    return max(own, key=own.get)


# %%
check("6.5", slowest_part)

# %% [markdown]
# **Another way.** A callback with a stopwatch. Each hook ends one part and begins the next.

# %%
import time
from collections import Counter


class Stopwatch(L.Callback):
    def __init__(self):
        self.times, self.last = Counter(), None

    def lap(self, part):
        now = time.perf_counter()
        if self.last is not None:
            self.times[part] += now - self.last
        self.last = now

    def on_train_batch_start(self, *_):
        self.lap("loading")

    def on_before_backward(self, *_):
        self.lap("forward")

    def on_after_backward(self, *_):
        self.lap("backward")

    def on_train_batch_end(self, *_):
        self.lap("optimizer")


# %%
def by_stopwatch(model, loader):
    watch = Stopwatch()
    limits = {"max_epochs": 1, "limit_train_batches": 10, "callbacks": [watch]}
    L.Trainer(**limits, **quiet_trainer()).fit(model, loader)
    return watch.times.most_common(1)[0][0]


check("6.5", by_stopwatch)
