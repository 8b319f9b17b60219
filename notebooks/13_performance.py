# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 13 · Four switches that should make training faster
#
# More workers, benchmark mode, the largest batch that fits, faster loading: all four are on lists of tips, and the first three can also make training slower or worse. Here you measure them. By the end you can
#
# - say what your training waits for, and choose workers for that;
# - decide on benchmark mode, and keep it from leaking into the next run;
# - read the batch-size finder's answer as a limit, not as advice;
# - load and augment a whole batch at once, and still treat every image differently.
#
# **You need** a `LightningDataModule` and a `Trainer`, as in [lesson 1](01_code_organization.ipynb). [Lesson 6](06_debugging.ipynb) has the profiler, which finds *what* is slow.
#
# **Time** 30 minutes of reading and running, 30 minutes of exercises. All cells together run in less than half a minute on two CPU cores.
#
# Two sittings: 13.1 and 13.2 first, 13.3 and 13.4 another day.

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

course_utils.start("13", written_for="0.1")

# %%
import time

import lightning as L
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, default_convert

from course_utils import check, claim, contrast, hint, solution
from course_utils.data import ImageDataModule, scaled
from course_utils.hardware import quiet_trainer

# %% [markdown]
# `ImageDataModule` holds the images, bytes of shape `(batch, channel, height, width)`; `scaled` makes them floats from 0 to 1. `quiet_trainer()` holds the options that keep a Trainer silent.

# %%
data = ImageDataModule(train_size=3500)


class ImageClassifier(L.LightningModule):
    """Images of shape (batch, channel, height, width) to one logit per class."""

    def __init__(self):
        super().__init__()
        hidden = [nn.Flatten(), nn.Linear(data.num_features, 64), nn.ReLU()]
        self.net = nn.Sequential(*hidden, nn.Linear(64, data.num_classes))

    def forward(self, images):
        return self.net(images)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=3e-4)


# %% [markdown]
# ## 13.1 Choose workers by the clock
#
# A worker is a process that prepares batches while the main process trains. You try two workers on three sets of 96 images:
#
# - **slow storage**: an image arrives after 3 milliseconds, as from a network disk;
# - **heavy transform**: an image is enlarged, warped and reduced again, which keeps a CPU core busy; the training step waits for a GPU meanwhile;
# - **memory**: an image is simply there.
#
# You time the second epoch, when the workers have started; for memory, both epochs as well.
#
# **Predict before you run.** With two workers
#
# - **a** only slow storage gets faster: a worker that computes takes the core from the main process;
# - **b** slow storage and transform get faster, and two epochs from memory take about as long as without workers;
# - **c** slow storage and transform get faster, and two epochs from memory take at least half as long again.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# ### Bad: the main process prepares every batch


# %% tags=["bad"]
def no_workers(dataset):
    return DataLoader(dataset, batch_size=16, shuffle=True)


# %% [markdown]
# ### Good: two processes prepare them


# %% tags=["good"]
def two_workers(dataset):
    options = {"num_workers": 2, "persistent_workers": True}
    return DataLoader(dataset, batch_size=16, shuffle=True, **options)


# %% [markdown]
# ### The contrast
#
# We stage the GPU: a step that sleeps leaves the CPU as idle as one that waits for a GPU. So these runs use the CPU.


# %%
class WaitsForGPU(ImageClassifier):
    waits = 0.0  # seconds

    def training_step(self, batch, batch_idx):
        time.sleep(self.waits)
        return super().training_step(batch, batch_idx)


def train(loader, waits=0.0, max_epochs=2, **options):
    model = WaitsForGPU()
    model.waits = waits
    options = quiet_trainer(accelerator="cpu", max_epochs=max_epochs, **options)
    L.Trainer(**options).fit(model, loader)


# %% [markdown]
# **Folded cells** only measure; click to open one. The first makes the data sets with `SlowStorage`. The second
# trains all six pairs in turn, three times; `contrast` shows medians.

# %% tags=["apparatus"]
# Three data sets; a step waits as long as it takes to transform a batch.
from statistics import median

from torchvision.transforms import v2

from course_utils.data import SlowStorage
from course_utils.measure import seconds

few = scaled(data.train_images[:96]), data.train_labels[:96]
slow = SlowStorage(*few, milliseconds=3)
larger, back = v2.Resize(128), v2.Resize(data.image_shape[1:])
warp = v2.Compose([larger, v2.RandomPerspective(p=1.0), back])
heavy = SlowStorage(*few, transform=warp)
memory = SlowStorage(*few)
[of_a_batch] = seconds(
    {"batch": lambda: [heavy[i] for i in range(16)]}, repeats=5
).values()
cases = {
    "slow storage": (slow, 0.0),
    "heavy transform": (heavy, median(of_a_batch)),
    "memory": (memory, 0.0),
}

# %% tags=["apparatus"]
# Trains every case with and without workers, in turns; keeps seconds per epoch.
from collections import defaultdict

from course_utils.experiments.plots import Bars


class EpochClock(L.Callback):
    def on_fit_start(self, trainer, pl_module):
        self.times = [time.perf_counter()]

    def on_train_epoch_end(self, trainer, pl_module):
        self.times.append(time.perf_counter())


timed = defaultdict(lambda: defaultdict(list))
for _ in range(3):
    for name, (dataset, waits) in cases.items():
        for version in (no_workers, two_workers):
            clock = EpochClock()
            train(version(dataset), waits, callbacks=[clock])
            start, first, second = clock.times
            timed[version][f"{name}: second epoch"].append(second - first)
            timed[version][f"{name}: both epochs"].append(second - start)


def medians(version):
    return {name: median(times) for name, times in timed[version].items()}


# %% tags=["contrast"]
bars = [f"{name}: second epoch" for name in cases] + ["memory: both epochs"]
title = "Workers help where the loop waits for data"
result = contrast(
    "13.1",
    medians,
    bad=no_workers,
    good=two_workers,
    prediction=prediction,
    figure=Bars(title, bars, "seconds"),
)

# %% tags=["claim"]
text = "where the training step leaves the CPU idle, an epoch with a heavy transform takes longer without workers than with two that have started"
claim("13.1", text, result.times("heavy transform: second epoch") > 1)

# %% tags=["apparatus"]
# Two more claims about the contrast.
text = "without workers, an epoch from slow storage takes at least a quarter longer than with two workers that have started"
claim("13.1", text, result.times("slow storage: second epoch") >= 1.25)
text = "two epochs of a small data set in memory take at least half as long again with two workers, their start included, as without"
claim("13.1", text, 1 / result.times("memory: both epochs") >= 1.5)

# %% [markdown]
# **Why.** A process that sleeps needs no core, so any number of workers can wait at once. A transform needs one: while the main process waits for a GPU, it leaves a core free for a worker. From memory
# there is nothing to wait for, and the price remains: processes start, and batches travel between them.
#
# Storage and transform are staged. Ordinary costs per image (the JPEG is an enlarged image of this lesson):

# %% tags=["apparatus"]
# Milliseconds per image: memory, the transform, and a JPEG of ordinary size.
import io

from PIL import Image

photo = io.BytesIO()
picture = data.train_images[0][:1].expand(3, -1, -1).permute(1, 2, 0).numpy()
Image.fromarray(picture).resize((224, 224)).save(photo, "JPEG")
ways = {
    "from memory": lambda: memory[0],
    "the heavy transform": lambda: heavy[0],
    "decoding a JPEG of 224 x 224 pixels": lambda: Image.open(photo).convert("RGB"),
}
of_an_image = {name: median(t) for name, t in seconds(ways, repeats=30).items()}
for name, each in of_an_image.items():
    print(f"{name}: {1000 * each:.2f} ms")
print(f"2,000 such JPEGs: {2000 * each:.1f} s per epoch")

# %% [markdown]
# Decoding is work of the second kind: compare it with your training step. For the exercise: by default, every epoch starts new workers.

# %% tags=["apparatus"]
# Counts the worker processes of three epochs, with and without persistent_workers.
from course_utils.measure import worker_processes

started = {
    keep: len(
        worker_processes(
            DataLoader(memory, 48, num_workers=2, persistent_workers=keep), epochs=3
        )
    )
    for keep in (False, True)
}
print(f"2 workers, 3 epochs: {started[False]} processes")
print(f"persistent_workers=True: {started[True]} processes")
text = (
    "a data loader whose workers do not persist starts all of them again in every epoch"
)
claim("13.1", text, started[False], equals=6)
text = "a data loader with persistent_workers=True starts its workers once"
claim("13.1", text, started[True], equals=2)

# %% [markdown]
# **Scope.** One training process; with several, each starts its own workers. Starting costs least where processes are forked (Linux up to Python 3.13). Workers that compute share the cores that are free.
#
# **When the bad version is right.** For data in memory, short debugging runs, breakpoints in the dataset, and steps so long that loading does not matter: ask the profiler.
#
# ### Your turn · A loader for any number of workers
#
# This loader starts its workers again in every epoch. With `persistent_workers=True`, `workers=0` (for debugging) stops with an error.
# Make the function serve both: workers, if there are any, stay for all epochs. Batches of 16, shuffled, every sample once per epoch, as now. *(5 minutes)*


# %% tags=["exercise"]
def make_loader(dataset, workers):
    return DataLoader(dataset, batch_size=16, shuffle=True, num_workers=workers)


# %%
check("13.1", make_loader)

# %% [markdown]
# Stuck? `hint("13.1")` gives a nudge, the second call a bigger one; `solution("13.1")` shows one way to do it.

# %%
# hint("13.1")

# %% [markdown]
# ### Take along
#
# Lightning's `SimpleProfiler` times every wait for a batch. Train with `L.Trainer(profiler=profiler)`, then call this guard. It leaves out the first batch, for which workers start. (On a GPU, steps may return early: profile a long run.)


# %% tags=["guard"]
def assert_little_waiting(profiler):
    taken = profiler.recorded_durations.items()
    total = {name: sum(times[1:]) for name, times in taken}
    waiting = total["[_TrainingEpochLoop].train_dataloader_next"]
    share = waiting / (waiting + total["run_training_batch"])
    assert share < 0.4, "Expected less than 40 % of the time spent waiting for data."


# %% tags=["apparatus"]
# Tries the guard on both versions: slow storage, and a step that waits for a GPU.
from lightning.pytorch.profilers import SimpleProfiler

from course_utils import try_guard


def profiled(version):
    profiler, slower = SimpleProfiler(), SlowStorage(*few, milliseconds=6)
    train(version(slower), waits=0.08, max_epochs=1, profiler=profiler)
    assert_little_waiting(profiler)


try_guard("13.1", bad=lambda: profiled(no_workers), good=lambda: profiled(two_workers))

# %% [markdown]
# ### Going further · `pin_memory`
#
# It often appears beside `num_workers` in lists of tips. It copies each batch to page-locked memory, from where a GPU can fetch it while the CPU continues: Lightning moves batches to a GPU with `non_blocking=True`. What that gains on a GPU we have not measured. Watch what it does without one.

# %%
import warnings

with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    [(images, _)] = DataLoader(memory, batch_size=96, pin_memory=True)
print("a GPU:", torch.cuda.is_available(), "· the batch is pinned:", images.is_pinned())
for each in warned:
    print(each.message)

# %% [markdown]
# ## 13.2 Turn benchmark mode off again
#
# With `benchmark=True` cuDNN, NVIDIA's library for convolutions, tries several algorithms for every new input size, and keeps the fastest. Images of one size pay for that search once, images of many sizes again and again.
#
# You use `L.Trainer(benchmark=True)` for one run, on images of one size. Later in the notebook you train on images of many sizes, with a new Trainer that does not mention it.
#
# **Predict.** In the second run benchmark mode is
#
# - **a** off: each Trainer starts from the default, which is `False`;
# - **b** on: the first Trainer's setting outlives it;
# - **c** on as long as the first Trainer exists, off once Python has deleted it.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# ### Bad: the second Trainer does not mention it


# %% tags=["bad"]
def does_not_mention_it(**options):
    return L.Trainer(**options)


# %% [markdown]
# ### Good: the second Trainer says what it needs


# %% tags=["good"]
def says_false(**options):
    return L.Trainer(benchmark=False, **options)


# %% [markdown]
# ### The contrast
#
# A convolutional network, since cuDNN serves convolutions. It takes images of any size.


# %%
class ConvClassifier(ImageClassifier):
    def __init__(self):
        super().__init__()
        layers = [nn.Conv2d(data.image_shape[0], 16, 3), nn.ReLU()]
        layers += [nn.Conv2d(16, 32, 3), nn.ReLU()]
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        self.net = nn.Sequential(*layers, nn.Linear(32, data.num_classes))


# %% [markdown]
# The folded cells train twice: 10 batches of one size with benchmark mode, then 20 batches with the version's Trainer, each of a size that is new to the process. A callback counts the steps in benchmark mode.

# %% tags=["apparatus"]
# Batches of given sizes; a callback that counts the steps in benchmark mode.
import itertools
import random

every_size = list(itertools.product(range(28, 52), repeat=2))
new_sizes = iter(random.Random(0).sample(every_size, len(every_size)))
first_images, first_labels = scaled(data.train_images[:8]), data.train_labels[:8]


def batches(sizes):
    resized = [(F.interpolate(first_images, size), first_labels) for size in sizes]
    return DataLoader(resized, batch_size=None)


class StepsInBenchmarkMode(L.Callback):
    steps = 0

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.steps += torch.backends.cudnn.benchmark


# %% tags=["apparatus"]
# Trains two runs; counts the steps in benchmark mode, times the second run.
def warm_up():
    for on in (True, False):  # loads kernels that the first version would pay for
        trainer = L.Trainer(max_epochs=1, benchmark=on, **quiet_trainer())
        trainer.fit(ConvClassifier(), batches(itertools.islice(new_sizes, 5)))


def train_two_runs(make_trainer):
    warm_up()
    once, again = StepsInBenchmarkMode(), StepsInBenchmarkMode()
    options = quiet_trainer(max_epochs=1)
    trainer = L.Trainer(benchmark=True, callbacks=[once], **options)
    trainer.fit(ConvClassifier(), batches([(28, 28)] * 10))
    del trainer
    loader = batches(itertools.islice(new_sizes, 20))
    trainer = make_trainer(callbacks=[again], **options)
    run = {"second": lambda: trainer.fit(ConvClassifier(), loader)}
    [[spent]] = seconds(run, repeats=1).values()
    return {
        "first run: steps in benchmark mode": once.steps,
        "second run: steps in benchmark mode": again.steps,
        "second run: seconds": spent,
    }


# %% tags=["contrast"]
result = contrast(
    "13.2",
    train_two_runs,
    bad=does_not_mention_it,
    good=says_false,
    prediction=prediction,
)

# %% tags=["claim"]
text = "after a run with benchmark=True, a Trainer that mentions neither benchmark nor deterministic trains every step in benchmark mode"
claim("13.2", text, result.bad["second run: steps in benchmark mode"] == 20)
text = "after a run with benchmark=True, a Trainer that says benchmark=False trains no step in benchmark mode"
claim("13.2", text, result.good["second run: steps in benchmark mode"] == 0)

# %% [markdown]
# **Why.** The option sets `torch.backends.cudnn.benchmark`, one switch for the whole process, when the Trainer is *built*. A Trainer that is not given `benchmark` leaves the switch alone, and nothing puts it back: neither the end of
# `fit` nor the deletion of the Trainer. (`contrast` does.) Lightning says nothing.
#
# What does it gain or cost? On a CPU nothing: cuDNN runs on NVIDIA's GPUs only, and the row *second run: seconds* shows noise. On a GPU that row includes every search. Our record:

# %% tags=["apparatus"]
# What the record of a GPU says.
from course_utils.experiments import gpu_line

print(gpu_line("13.2", "second run: seconds"))

# %% [markdown]
# Only the sizes are staged. For images of one size, time your own network both ways.
#
# **Scope.** One switch per process. The leak is the same on CPU and GPU, the effect on speed is not. `deterministic=True` turns the mode off, unless you ask for both ([5.2](05_reproducibility.ipynb)).
#
# **When the bad version is right.** In a script that trains once. The leak matters where one process trains twice: notebooks, sweeps, tests.
#
# ### Your turn · Decide, and leave the switch as you found it
#
# The function trains one epoch, always in benchmark mode, and then turns it off. Change it: benchmark mode is on if the images of all batches have the same height and width (the number of images per batch may differ), and off otherwise. Afterwards the switch is
# what it was before, even if training stops with an error. *(8 minutes)*


# %% tags=["exercise"]
def train_one_epoch(model, loader):
    options = quiet_trainer(accelerator="cpu", max_epochs=1)
    L.Trainer(benchmark=True, **options).fit(model, loader)
    torch.backends.cudnn.benchmark = False


# %%
check("13.2", train_one_epoch)

# %%
# hint("13.2")

# %% [markdown]
# ### Take along
#
# A callback that knows which mode a run needs.


# %% tags=["guard"]
class NeedsBenchmarkMode(L.Callback):
    def __init__(self, needed):
        self.needed = needed

    def on_train_batch_start(self, *_):
        on = torch.backends.cudnn.benchmark
        assert on == self.needed, f"Expected benchmark={self.needed} but it is {on}."


# %% tags=["apparatus"]
# Tries the guard on both versions, after a Trainer with benchmark mode.
def guarded(make_trainer):
    L.Trainer(benchmark=True, **quiet_trainer())
    guards = [NeedsBenchmarkMode(False)]
    trainer = make_trainer(max_epochs=1, callbacks=guards, **quiet_trainer())
    trainer.fit(ConvClassifier(), batches([(28, 28), (30, 30)]))


try_guard(
    "13.2", bad=lambda: guarded(does_not_mention_it), good=lambda: guarded(says_false)
)

# %% [markdown]
# ### Going further · Two Trainers, built before either runs
#
# The mode in force is that of the Trainer that set the switch last, not of the one that runs.

# %%
from course_utils.experiments import preserve_global_state

with preserve_global_state():  # puts the switch back at the end
    fast = L.Trainer(benchmark=True, max_epochs=1, **quiet_trainer())
    slow_but_sure = L.Trainer(deterministic=True, **quiet_trainer())
    watch = StepsInBenchmarkMode()
    fast.callbacks.append(watch)
    fast.fit(ConvClassifier(), batches([(28, 28)] * 10))
text = "a Trainer with benchmark=True trains without benchmark mode if a Trainer with deterministic=True was built after it"
claim("13.2", text, watch.steps, equals=0)

# %% [markdown]
# **Second sitting.** In a new kernel, run the cells above first.
#
# ## 13.3 Treat the batch-size finder's answer as a limit
#
# Lightning's `Tuner` can look for a batch size: it doubles the size until memory runs out, and returns the last that fitted. Tips call the result *optimal*. You let it run, and train two
# epochs on 3,500 images with the size that it sets.
#
# **Predict.** The *lead* is accuracy minus that of guessing. Compared with batches of 64, the same model with the same learning rate has after two epochs
#
# - **a** about the same lead: both see every image twice;
# - **b** a larger lead: a large batch has a gradient with less noise;
# - **c** at most 60 % of it.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# ### Bad: train with the largest size that fits


# %% tags=["bad"]
from lightning.pytorch.tuner import Tuner


def largest_that_fits(data):
    trainer = L.Trainer(max_epochs=1, **quiet_trainer())
    Tuner(trainer).scale_batch_size(ImageClassifier(), datamodule=data)
    return data.batch_size


# %% [markdown]
# ### Good: train with batches of 64


# %% tags=["good"]
def enough_updates(data):
    return 64


# %% [markdown]
# ### The contrast
#
# The finder sets `batch_size` of the data module, which makes its loader with it.

# %%
from copy import copy

from course_utils.measure import accuracy


def train_with(choose):
    few = copy(data)  # its own batch size, the same images in memory
    few.batch_size = choose(few)
    L.seed_everything(few.seed, verbose=False)  # the finder has drawn random numbers
    model, trainer = ImageClassifier(), L.Trainer(max_epochs=2, **quiet_trainer())
    trainer.fit(model, datamodule=few)
    correct = accuracy(model, few.test_images, few.test_labels)
    return {
        "batch size": few.batch_size,
        "updates": trainer.global_step,
        "lead over guessing": correct - 1 / few.num_classes,
    }


# %% tags=["contrast"]
result = contrast(
    "13.3",
    train_with,
    bad=largest_that_fits,
    good=enough_updates,
    prediction=prediction,
)

# %% [markdown]
# The folded cell trains with both sizes once more, and with two between them, and times all four.

# %% tags=["apparatus"]
# Lead over guessing for four batch sizes, and seconds of training.
from course_utils.experiments.plots import Lines, show

sizes, leads = [64, 256, 1024, int(result.bad["batch size"])], {}


def keep_lead(size):
    leads[size] = float(train_with(lambda data: size)["lead over guessing"])


calls = {size: lambda s=size: keep_lead(s) for size in sizes}
spent = {size: median(each) for size, each in seconds(calls, repeats=1).items()}
title = "Two epochs: the larger the batch, the less is learned"
axes = {"x": "batch size (logarithmic)", "y": "lead over guessing, accuracy"}
picture = Lines(title, "lead", at=sizes, log_x=True, **axes)
show(picture, {"two epochs": {"lead": list(leads.values())}})
for size in sizes:
    print(f"batches of {size}: {spent[64] / spent[size]:.1f} times as fast as of 64")

# %% tags=["claim"]
text = "where memory holds the whole training set of 3,500 images, a classifier trained for two epochs at one learning rate with the batch size that the finder returned reaches at most 60 % of the lead over guessing that batches of 64 reach"
claim("13.3", text, result.times("lead over guessing") <= 0.6)

# %% [markdown]
# **Why.** Two epochs are two looks at every image, but the model improves by *updates*, one per batch. Larger batches need fewer calls, so an epoch is faster, up to a point.
#
# The finder answers a different question: what fits? 4,096 is the first doubling that takes all 3,500 images: memory did not run out, the images did. With more images it stops at `max_val` (8,192 by default) and returns that size *untried* (or the next power of two, if `max_val` is not one).
# `mode="binsearch"` searches on between the last size that fitted and the first that did not, then takes off a `margin` of 5 %: a size that just fits may fail on a later batch. Below, a model pretends to have memory for 100 images.


# %% tags=["apparatus"]
# Runs the finder on a model that pretends to run out of memory.
class OutOfMemory(ImageClassifier):
    def __init__(self, limit):
        super().__init__()
        self.limit, self.largest = limit, 0

    def training_step(self, batch, batch_idx):
        if len(batch[1]) > self.limit:
            raise RuntimeError("CUDA out of memory.")
        self.largest = max(self.largest, len(batch[1]))
        return super().training_step(batch, batch_idx)


def find(limit, **options):
    model, trainer = OutOfMemory(limit), L.Trainer(max_epochs=1, **quiet_trainer())
    found = Tuner(trainer).scale_batch_size(model, datamodule=copy(data), **options)
    print(
        f"room for {limit}, {options}: found {found}, largest that ran {model.largest}"
    )
    return found, model.largest


power = find(100)[0]
search = find(100, mode="binsearch")[0], find(100, mode="binsearch", margin=0.0)[0]
untried = find(100_000, max_val=512)

# %% tags=["apparatus"]
# Four claims about the finder.
text = "if memory suffices and the training set is smaller than max_val, the batch-size finder returns a size that holds the whole training set"
claim("13.3", text, result.bad["batch size"] == 4096)
text = "with memory for a hundred images, the batch-size finder's default mode, started from 2, returns a power of two"
claim("13.3", text, power, equals=64)
text = "with memory for a hundred images, the batch-size finder's binsearch finds a hundred, and takes off its margin of five"
claim("13.3", text, search == (95, 100))
text = "if memory and images suffice, the batch-size finder's default mode returns a max_val of 512 without having tried it"
claim("13.3", text, untried == (512, 256))

# %% [markdown]
# This is an ordinary run, with one learning rate for all sizes.
#
# **Scope.** A fixed number of epochs; CPU or GPU; one process. `margin` and `max_val` exist since Lightning 2.6.
#
# **When the bad version is right.** For validation and prediction (`method="validate"`), where no update is made. And a GPU that is mostly idle may process larger batches faster. Then give training its updates back: more epochs, or a higher learning rate
# with a warm-up ([lesson 8](08_training_stability.ipynb)). Count in updates, not in epochs.
#
# ### Your turn · A data module that the finder can tune
#
# The finder sets an attribute `batch_size` and asks for the training loader again. This data module takes no notice. Repair it: the finder must find the limit, and the loader must deliver it.
# A size that a user hands over must count, too. *(7 minutes)*


# %% tags=["exercise"]
class TunableData(L.LightningDataModule):
    def __init__(self, dataset, batch_size=32):
        super().__init__()
        self.batch_size = batch_size
        self.loader = DataLoader(dataset, batch_size=batch_size, shuffle=True)

    def train_dataloader(self):
        return self.loader


# %%
check("13.3", TunableData)

# %%
# hint("13.3")

# %% [markdown]
# ### Take along
#
# The Trainer estimates the updates before it starts (not for manual optimization). Choose the number for your own model.


# %% tags=["guard"]
class EnoughUpdates(L.Callback):
    def on_fit_start(self, trainer, pl_module):
        updates = trainer.estimated_stepping_batches
        assert updates >= 100, f"Expected at least 100 updates but there are {updates}."


# %% tags=["apparatus"]
# Tries the guard on both versions.
def guarded_size(choose):
    few = copy(data)
    few.batch_size = choose(few)
    options = quiet_trainer(max_epochs=2, callbacks=[EnoughUpdates()])
    L.Trainer(**options).fit(ImageClassifier(), datamodule=few)


try_guard(
    "13.3",
    bad=lambda: guarded_size(largest_that_fits),
    good=lambda: guarded_size(enough_updates),
)

# %% [markdown]
# ## 13.4 Load batches, not images
#
# A popular recipe turns one image at a time into a tensor, with `ToTensor()`. torchvision's own MNIST works this way: its images are tensors in memory, and `MNIST.__getitem__` makes a PIL image from one, which `ToTensor` turns back. How much of the epoch goes into that?
#
# **Predict.** On a CPU, the same epoch with each batch fetched and scaled at once is
#
# - **a** clearly faster, and ends with the same weights to the last bit;
# - **b** clearly faster, and ends with slightly different weights: the arithmetic differs;
# - **c** hardly faster: the network takes most of the time.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# ### Bad: one image at a time

# %%
from PIL import Image
from torchvision.transforms import ToTensor

pixels, targets = data.train_images[:2000], data.train_labels[:2000]


# %% tags=["bad"]
class OneByOne(torch.utils.data.Dataset):
    def __len__(self):
        return len(pixels)

    def __getitem__(self, i):
        image = Image.fromarray(pixels[i].permute(1, 2, 0).squeeze(2).numpy())
        return ToTensor()(image), targets[i]


def one_by_one():
    return ImageClassifier(), DataLoader(OneByOne(), batch_size=128, shuffle=True)


# %% [markdown]
# ### Good: one batch at a time
#
# A loader that finds `__getitems__` asks for all indices of a batch at once, so there is nothing to stack: `default_convert` leaves tensors as they are. (A lambda would do the same, but fails where workers are spawned, as on macOS and Windows: it does not pickle.) The bytes travel to the device, a quarter of the size of floats, and are scaled there.


# %% tags=["good"]
class ByTheBatch(OneByOne):
    def __getitems__(self, indices):
        return pixels[indices], targets[indices]


class ScalesOnDevice(ImageClassifier):
    def on_after_batch_transfer(self, batch, dataloader_idx):
        images, labels = batch
        return images.float() / 255, labels


def by_the_batch():
    options = {"shuffle": True, "collate_fn": default_convert}
    return ScalesOnDevice(), DataLoader(ByTheBatch(), batch_size=128, **options)


# %% [markdown]
# ### The contrast
#
# The folded cell times an epoch and the loading alone, three times, on the CPU to compare bits; `contrast` shows medians.

# %% tags=["apparatus"]
# Times both versions in turns; contrast then shows the medians.
from course_utils.settings import seed


def epoch(version):
    L.seed_everything(seed(), verbose=False)
    model, loader = version()
    L.Trainer(**quiet_trainer(accelerator="cpu", max_epochs=1)).fit(model, loader)
    return model


def load(version):
    return sum(len(labels) for _, labels in version()[1])


calls = {
    (name, version): lambda v=version, run=run: run(v)
    for name, run in {"whole epoch": epoch, "loading alone": load}.items()
    for version in (one_by_one, by_the_batch)
}
with preserve_global_state():
    taken = {call: median(times) for call, times in seconds(calls, repeats=3).items()}
trained = {}


def report(version):
    trained[version] = epoch(version)
    return {
        "loading alone": taken["loading alone", version],
        "whole epoch": taken["whole epoch", version],
        "accuracy": accuracy(trained[version], data.test_images, data.test_labels),
    }


# %% tags=["contrast"]
title = "Loaded by the batch, images take a fraction of the time"
result = contrast(
    "13.4",
    report,
    bad=one_by_one,
    good=by_the_batch,
    prediction=prediction,
    figure=Bars(title, ["loading alone", "whole epoch"], "seconds for 2,000 images"),
)

# %% tags=["claim"]
text = "loading images in memory one by one, through PIL, takes at least five times as long as loading them by the batch"
claim("13.4", text, result.times("loading alone") >= 5)

# %% tags=["apparatus"]
# Two more claims about the contrast.
text = "with a small network, a whole training epoch takes at least a third longer if images are loaded one by one"
claim("13.4", text, result.times("whole epoch") >= 4 / 3)
one, other = (list(model.parameters()) for model in trained.values())
text = "on a CPU, training on images loaded one by one and by the batch ends with the same weights to the last bit"
claim("13.4", text, all(map(torch.equal, one, other)))

# %% [markdown]
# **Why.** One by one, each image costs a PIL image, a conversion, a copy and a division. By the batch, one indexing operation fetches all bytes, and one division scales them. It is the same division of the same bytes, so on a CPU the bits agree.
#
# The network is *small*. Where it takes longer, loading is a smaller part. The convolutional network of 13.2, on 512 images:


# %% tags=["apparatus"]
# Times an epoch of the convolutional network with both loaders, in turns.
class ConvScalesOnDevice(ConvClassifier):
    on_after_batch_transfer = ScalesOnDevice.on_after_batch_transfer


def conv_epoch(version):
    loader = version()[1]
    model = {one_by_one: ConvClassifier, by_the_batch: ConvScalesOnDevice}[version]()
    options = quiet_trainer(accelerator="cpu", max_epochs=1, limit_train_batches=4)
    L.Trainer(**options).fit(model, loader)


conv = seconds({v: lambda v=v: conv_epoch(v) for v in (one_by_one, by_the_batch)}, 3)
ratio = median(conv[one_by_one]) / median(conv[by_the_batch])
print(f"convolutional network: {ratio:.2f} times as long with one image at a time")

# %% [markdown]
# One trap is left: augmentation should be random *per image*. Hand eight equal images to a transform of torchvision as one batch, and count the different pictures.

# %%
eight = scaled(data.test_images[:1]).expand(8, -1, -1, -1)
rotate = v2.RandomRotation(30)
print("rotated as a batch, different pictures:", len(rotate(eight).unique(dim=0)))

# %% tags=["apparatus"]
# The same one by one; and a claim.
single = torch.stack([rotate(image) for image in eight]).unique(dim=0)
print("rotated one by one, different pictures:", len(single))
text = (
    "RandomRotation of torchvision, given a batch, turns all images by the same angle"
)
claim("13.4", text, len(rotate(eight).unique(dim=0)), equals=1)

# %% [markdown]
# The transform draws one angle per call. The exercise does it right: one draw per image, one operation per batch.
#
# **Scope.** Images of one size that fit into memory. On a GPU the last bit may differ: there PyTorch multiplies by the reciprocal of 255. `on_after_batch_transfer` also runs in validation and testing: right for scaling, wrong for augmentation, unless it asks `self.trainer.training`.
#
# **When the bad version is right.** Images of different sizes, or too many for memory, come one at a time: then workers ([13.1](#13.1-Choose-workers-by-the-clock)) share the work. And plain code is worth more than a saved second.
#
# ### Your turn · Every image its own shift
#
# `shift_each` gets a batch of shape `(batch, channel, height, width)` and moves all images sideways by the same number of pixels, from −3 to 3. Give each image a number of its own, all seven equally likely, without a loop over images. What leaves on one side may
# come back on the other, or be lost. *(10 minutes)*


# %% tags=["exercise"]
def shift_each(images):
    pixels = int(torch.randint(-3, 4, (1,)))
    return images.roll(pixels, dims=-1)


# %%
check("13.4", shift_each)

# %%
# hint("13.4")

# %% [markdown]
# ### Take along
#
# Look at what your loader hands out. (A `Subset` always has `__getitems__`: look at the dataset inside it.)


# %% tags=["guard"]
def assert_batches_of_bytes(loader):
    assert hasattr(loader.dataset, "__getitems__"), "Images are read one by one."
    images, _ = next(iter(loader))
    assert images.dtype == torch.uint8, f"Expected bytes but got {images.dtype}."


# %% tags=["apparatus"]
# Tries the guard on both loaders.
try_guard(
    "13.4",
    bad=lambda: assert_batches_of_bytes(one_by_one()[1]),
    good=lambda: assert_batches_of_bytes(by_the_batch()[1]),
)

# %% [markdown]
# ### Going further · Image files
#
# Your images need no decoding. Where JPEG files are what you wait for (13.1 timed one), decode them once and keep the bytes. Tips from a few years ago name faster libraries: `pillow-simd` has to be compiled on your machine, and
# `torchvision.io.decode_jpeg` is deprecated since torchvision 0.29, in favour of a separate library, `torchcodec`. And the popular `Normalize` after `ToTensor` is one more operation per image, which can be done per batch:

# %%
steps = {
    "per image": lambda: [v2.functional.normalize(x, [0.5], [0.25]) for x in few[0]],
    "per batch": lambda: (few[0] - 0.5) / 0.25,
}
for name, times in seconds(steps, repeats=5).items():
    print(f"normalize 96 images {name}: {1000 * median(times):.2f} ms")

# %% [markdown]
# ## Symptoms
#
# What you see at work, and where to look:
#
# | You see | Look at |
# |---|---|
# | the GPU is busy for a moment, then idle, again and again | 13.1 |
# | every epoch starts with a pause, or training is slower with workers | 13.1 |
# | the same run is slower in a notebook than in a fresh process | 13.2 |
# | after the batch-size finder, the loss hardly falls any more | 13.3 |
# | training runs out of memory with the batch size that the finder found | 13.3 |
# | one CPU core is fully used while a small network trains | 13.4 |
# | augmented images of one batch are all turned or shifted alike | 13.4 |
#
# ## Take away
#
# A checklist for your own code:
#
# - [ ] Workers are there because the loop waits for storage or for transforms, and a measurement says so; they persist.
# - [ ] A Trainer that needs benchmark mode off says `benchmark=False`, and code that turns it on puts the switch back.
# - [ ] The batch size leaves enough updates; what fits in memory is only its upper limit.
# - [ ] Data in memory comes by the batch, as bytes, and is scaled on the device.
# - [ ] Augmentation draws for every image.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin: [the record](../src/course_utils/records/evidence.md#lesson-13).
#
# **Sources** PyTorch's documentation on [data loading](https://docs.pytorch.org/docs/stable/data.html) and
# [cuDNN's switches](https://docs.pytorch.org/docs/stable/backends.html); Lightning's on the [batch-size finder](https://lightning.ai/docs/pytorch/stable/advanced/training_tricks.html); torchvision's on [transforms](https://docs.pytorch.org/vision/stable/transforms.html).
#
# What fills the memory is the subject of [lesson 7](07_memory.ipynb). Next: the [capstone](14_capstone.ipynb), or the [solutions](../solutions/13_performance.ipynb) of this lesson.

# %% tags=["own-code"]
# This lesson's questions, asked of your own code: name it in place of None.
my_module, my_data = None, None  # "my_package.model:MyModel", "my_package.data:MyData"
course_utils.check_my(my_module, my_data, select="13.*")
