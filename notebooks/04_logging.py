# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 04 · Curves that mean what they say
#
# A logged number is more than a picture. Callbacks read it: it decides when a run stops, which checkpoint is kept, how fast the weights move. A number
# that is not what its name says does damage. By the end of this lesson you can
#
# - say, for each number you log, which images and which processes it is a mean of;
# - find the step at which one batch was broken;
# - choose names that confuse neither callbacks nor files;
# - see the learning rate that was applied, not the one you asked for.
#
# **You need** to know what a `LightningModule` and a `Trainer` are. New here? [Start here](00_start_here.ipynb) takes fifteen minutes.
#
# **Time** 35 minutes of reading and running, 29 minutes of exercises. Two sittings: 4.1 and 4.2, then 4.3 and 4.4. All cells together run in less than half a minute on two CPU cores.

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

course_utils.start("04", written_for="0.1")

# %%
import lightning as L
import torch
from torch import nn
from torch.nn import functional as F

from course_utils import check, claim, contrast, hint, solution, try_guard
from course_utils.data import ImageDataModule
from course_utils.hardware import quiet_trainer

NUM_FEATURES = ImageDataModule().num_features

# %% [markdown]
# One small classifier serves the whole lesson. Images have the shape `(batch, channel, height, width)` and values from 0 to 1. `quiet_trainer()` holds the options that keep a
# Trainer silent: one device, no logger, no files. What we add to them is what an experiment is about. Folded cells only measure; click on one to open it.


# %%
class Classifier(L.LightningModule):
    """One hidden layer: images to logits of shape (batch, 10)."""

    def __init__(self, lr=1e-3):
        super().__init__()
        self.lr = lr
        hidden = [nn.Linear(NUM_FEATURES, 64), nn.ReLU()]
        self.net = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(64, 10))

    def forward(self, images):
        return self.net(images)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


# %% [markdown]
# ## 4.1 Log steps and epochs
#
# `self.log("train_loss", loss)` in the training step: the line that everybody writes. `EarlyStopping` reads `train_loss` after each epoch and, with `patience=1`, ends the run
# as soon as the value is not a new low. Which number does it read?
#
# **Predict before you run.** At the end of an epoch, `train_loss` is
#
# - **a** the mean loss of the epoch;
# - **b** the loss of the last batch;
# - **c** the mean loss since the logger last wrote a row.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %% [markdown]
# ### Bad: only steps are logged


# %% tags=["bad"]
class LogsSteps(Classifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.log("train_loss", loss)
        return loss


# %% [markdown]
# ### Good: steps and epochs are logged


# %% tags=["good"]
class LogsStepsAndEpochs(Classifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.log("train_loss", loss, on_step=True, on_epoch=True, prog_bar=True)
        return loss


# %% [markdown]
# `prog_bar=True` also shows the value beside the progress bar, which this course switches off.
#
# ### The contrast
#
# This effect is staged: 200 images in batches of 4, a small learning rate, at most 15 epochs, so that single batches differ a lot. The folded cell trains with `EarlyStopping`. It keeps
# what the callback read (`EpochEnds`) and every row of the log (`InMemoryLogger`).

# %% tags=["apparatus"]
# Train with EarlyStopping on train_loss; keep what it read, and the loss of every batch.
from itertools import pairwise

from lightning.pytorch.callbacks import EarlyStopping

from course_utils.experiments.plots import Lines, Panels
from course_utils.measure import EpochEnds, InMemoryLogger

few = ImageDataModule(batch_size=4, train_size=200)


def train_while_it_improves(version, data=few, lr=1e-4, patience=1):
    log, seen = InMemoryLogger(), EpochEnds()
    stop = EarlyStopping("train_loss", patience=patience)
    options = quiet_trainer(logger=log, callbacks=[seen, stop])
    trainer = L.Trainer(max_epochs=15, log_every_n_steps=1, **options)
    trainer.fit(version(lr), datamodule=data)
    read = seen.values("train_loss")
    return {
        "epochs trained": trainer.current_epoch,
        "epochs that looked worse": sum(b > a for a, b in pairwise(read)),
        "read by EarlyStopping": read,
        "each batch": log.values("train_loss") + log.values("train_loss_step"),
    }


# %% [markdown]
# Watch where the green curve runs: from one grey point to another, or through the middle of the grey cloud.

# %% tags=["contrast"]
result = contrast(
    "4.1",
    train_while_it_improves,
    bad=LogsSteps,
    good=LogsStepsAndEpochs,
    prediction=prediction,
    figure=Panels(
        "Logged by step, one batch decides when training stops",
        ["read by EarlyStopping"],
        x="epoch",
        y="training loss (nats)",
        cloud="each batch",
        end="training ends",
    ),
)

# %% tags=["claim"]
early = result.gain("epochs trained")
text = "with batches of 4 and patience=1, a run stopped by the loss of its last batch ends 4 epochs early or more"
claim("4.1", text, early >= 4)
worse = result.good["epochs that looked worse"]
text = "with batches of 4, the mean training loss of each epoch is lower than that of the epoch before"
claim("4.1", text, worse == 0)

# %% [markdown]
# **Why.** In `training_step`, `self.log` means `on_step=True, on_epoch=False` unless you say more. (In `validation_step` it is the other way round.) The name
# then holds the newest value: at the end of an epoch, the loss of one batch of 4 images. An easy batch at the end of one epoch makes the next epoch look bad.
#
# With both switched on, Lightning also keeps a sum and a count, and the logger gets two columns, `train_loss_step` and
# `train_loss_epoch`. Callbacks find the mean under the plain name, too.
#
# **In an ordinary run** (2,000 images in batches of 64, learning rate 0.001, `patience=3`) one bad reading no longer ends the run. But the last batch has only the 16 images left over, and still makes some epochs look worse:

# %% tags=["apparatus"]
# Train both versions in the ordinary run.
ordinary = ImageDataModule(train_size=2000)
for version in (LogsSteps, LogsStepsAndEpochs):
    measured = train_while_it_improves(version, ordinary, lr=1e-3, patience=3)
    worse = measured["epochs that looked worse"] / (measured["epochs trained"] - 1)
    print(f"{version.__name__}: looked worse after {100 * worse:.1f} % of the epochs,")
    print(f"    trained for {float(measured['epochs trained']):.1f} of 15")

# %% [markdown]
# **Scope.** CPU or GPU, for what reads a training metric at the end of an epoch; the noise grows as batches shrink. If validation does not run exactly once per epoch, `EarlyStopping` reads right after it. Then the plain
# name holds the last batch's loss in both versions, unless you pass `check_on_train_epoch_end=True` (for `ModelCheckpoint`, `save_on_train_epoch_end=True`). With several processes, each has the mean of its own images (4.3).
#
# **When the bad version is right.** The step curve shows *when* something happened. Below, the images of one batch out of 150 are inverted. Look for it among the steps of its epoch, then among the means of the epochs.


# %% tags=["apparatus"]
# Invert the images of one batch.
class OneBrokenBatch(LogsStepsAndEpochs):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        if self.global_step == 70:
            images = 1 - images
        return super().training_step((images, labels), batch_idx)


# %% tags=["apparatus"]
# Train for 3 epochs of 50 steps; compare the broken batch with the others of its epoch.
log, many = InMemoryLogger(), ImageDataModule(batch_size=64, train_size=3200)
options = quiet_trainer(logger=log, log_every_n_steps=1)
L.Trainer(max_epochs=3, **options).fit(OneBrokenBatch(), datamodule=many)
others = log.values("train_loss_step")[50:100]
broken = others.pop(20)  # step 70
means = log.values("train_loss_epoch")
print(f"broken batch: {broken:.3f}, worst of the others: {max(others):.3f}")
print("epoch means:", *(f"{mean:.3f}" for mean in means))
claim(
    "4.1",
    "the loss of one batch of inverted images stands 10 % above all others of its epoch",
    broken / max(others),
    at_least=1.1,
)
claim(
    "4.1",
    "in the epoch means one batch of inverted images goes unseen: they fall",
    max(b / a for a, b in pairwise(means)),
    at_most=1,
)

# %% [markdown]
# So log both, and let callbacks watch the mean. But a run with fewer steps than `log_every_n_steps`, 50 by default, has no step curve at all:

# %% tags=["apparatus"]
# Train for two epochs of 10 batches with the default log_every_n_steps.
short = ImageDataModule(train_size=640)  # 10 batches of 64
log = InMemoryLogger()
L.Trainer(max_epochs=2, **quiet_trainer(logger=log)).fit(LogsStepsAndEpochs(), short)
print("values of train_loss_step:", len(log.values("train_loss_step")))
print("values of train_loss_epoch:", len(log.values("train_loss_epoch")))

# %% [markdown]
# Outside this course, whose kernel mutes warnings, the cell above prints: "The number of training batches (10) is smaller than the logging interval Trainer(log_every_n_steps=50)." It
# compares the interval with one *epoch*: a long run of short epochs gets the warning as well, and has a step curve with few points.
#
# ### Your turn · Two curves from one line
#
# The module below keeps a list of losses to report their mean. The mean is wrong in two ways, and single steps are not logged at all. The logger should
# get the loss of every step as `train_loss_step`, and callbacks the exact mean of each epoch as `train_loss_epoch`. *(5 minutes)*


# %% tags=["exercise"]
class LogsTwoCurves(Classifier):
    def __init__(self):
        super().__init__()
        self.losses = []

    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.losses.append(loss.detach())
        return loss

    def on_train_epoch_end(self):
        self.log("train_loss_epoch", torch.stack(self.losses).mean())


# %%
check("4.1", LogsTwoCurves)

# %% [markdown]
# Stuck? `hint("4.1")` gives a nudge, the second call a bigger one. `solution("4.1")` shows one way to do it, with its reason.

# %%
# hint("4.1")

# %% [markdown]
# ### Take along
#
# A metric logged by step and by epoch has two more names, which end in `_step` and `_epoch`. If a callback monitors a training metric, ask for both after the first epoch. (A metric
# logged with `on_step=False, on_epoch=True` is a mean too, but it has no step curve: leave the guard out there.)


# %% tags=["guard"]
def assert_by_step_and_epoch(trainer, name="train_loss"):
    missing = {f"{name}_step", f"{name}_epoch"} - trainer.callback_metrics.keys()
    assert not missing, f"{name} is not logged both by step and by epoch"


# %% tags=["apparatus"]
# Try the guard after one epoch of each version.
def after_one_epoch(version):
    trainer = L.Trainer(max_epochs=1, **quiet_trainer())
    trainer.fit(version(), datamodule=short)
    assert_by_step_and_epoch(trainer)


try_guard(
    "4.1",
    bad=lambda: after_one_epoch(LogsSteps),
    good=lambda: after_one_epoch(LogsStepsAndEpochs),
)

# %% [markdown]
# ## 4.2 Give metrics structured names
#
# The loss is called `loss`. You log its mean over the epoch, in `training_step` and in `validation_step`. `EarlyStopping` and `ModelCheckpoint` are to
# watch the validation loss, so you write `monitor="loss"`.
#
# **Predict.** At the end of an epoch they read
#
# - **a** the validation loss: validation comes after the training batches, so it is logged last;
# - **b** nothing: using a name twice is an error;
# - **c** the training loss.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %% [markdown]
# ### Bad: one name for two numbers


# %% tags=["bad"]
class OneNameForTwo(Classifier):
    names = "loss", "loss"

    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.log(self.names[0], loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        self.log(self.names[1], F.cross_entropy(self(images), labels))


# %% [markdown]
# ### Good: the name says which split


# %% tags=["good"]
class NamesTheSplit(OneNameForTwo):
    names = "train/loss", "val/loss"


# %% [markdown]
# ### The contrast
#
# Staged again, so that the two losses part within seconds: 100 training images, and every third of their labels is wrong. The model soon memorizes them, mistakes included, so the validation
# loss falls, then climbs. The folded cell computes it after each epoch, independently of all names, and asks which epoch `ModelCheckpoint` kept.

# %% tags=["apparatus"]
# Train with both callbacks; compare the kept checkpoint with the lowest validation loss.
import tempfile

from lightning.pytorch.callbacks import ModelCheckpoint

from course_utils.data import scaled

small = ImageDataModule(batch_size=20, train_size=100, val_size=500)
small.train_labels[::3] = (small.train_labels[::3] + 1) % 10


class ValidationLoss(L.Callback):
    def on_fit_start(self, trainer, model):
        self.values = []

    @torch.no_grad()
    def on_train_epoch_end(self, trainer, model):
        data = trainer.datamodule
        logits = model(scaled(data.val_images).to(model.device)).cpu()
        self.values.append(F.cross_entropy(logits, data.val_labels).item())


# %% tags=["apparatus"]
# What both versions go through.
def train_and_keep_the_best(version, data=small, lr=5e-3, **flags):
    seen, truth, name = EpochEnds(), ValidationLoss(), version.names[1]
    with tempfile.TemporaryDirectory() as folder:
        keep = ModelCheckpoint(folder, monitor=name)
        callbacks = [seen, truth, keep, EarlyStopping(name, patience=3)]
        options = quiet_trainer(enable_checkpointing=True, callbacks=callbacks, **flags)
        trainer = L.Trainer(max_epochs=20, **options)
        trainer.fit(version(lr), datamodule=data)
        kept = torch.load(keep.best_model_path, weights_only=True)["epoch"]
    return {
        "epochs trained": trainer.current_epoch,
        "lowest validation loss": min(truth.values),
        "validation loss of the kept model": truth.values[kept],
        "above the lowest by (%)": 100 * (truth.values[kept] / min(truth.values) - 1),
        "read by the callbacks": seen.values(name),
        "validation loss": truth.values,
    }


# %% [markdown]
# Watch the green curve: does it follow the validation loss?

# %% tags=["contrast"]
result = contrast(
    "4.2",
    train_and_keep_the_best,
    bad=OneNameForTwo,
    good=NamesTheSplit,
    prediction=prediction,
    figure=Panels(
        "Sharing a name, the callbacks read a loss that only falls",
        ["read by the callbacks", "validation loss"],
        x="epoch",
        y="loss (nats)",
        end="training ends",
    ),
)

# %% tags=["claim"]
above = "above the lowest by (%)"
claim(
    "4.2",
    "monitoring a name that training and validation share keeps a model whose "
    "validation loss is 3 % or more above the lowest",
    result.bad[above] >= 3,
)
best = result.good[above] == 0
claim("4.2", "monitoring val/loss keeps the model of lowest validation loss", best)

# %% [markdown]
# **Why.** Callbacks look a name up in one table, `trainer.callback_metrics`. Both steps write there, and the later one wins. Validation runs at the end of an epoch,
# then the training epoch is closed and its mean overwrites the validation loss. Only after that do the two callbacks read. They take a lower value for a better one, unless their argument `mode` is `"max"`.
#
# A name should say what it is a number *of*. `train/loss` and `val/loss` do, and so do `train_loss` and `val_loss`. The slash adds one thing: TensorBoard and other
# viewers group charts by what stands before it.
#
# **In an ordinary run** (2,000 images with correct labels, batches of 64, learning rate 0.001) the two losses fall together for a while, and the mistake costs less, or nothing yet:

# %% tags=["apparatus"]
# Train the version with one name in the ordinary run.
measured = train_and_keep_the_best(OneNameForTwo, ordinary, lr=1e-3)
print(
    f"kept model above the lowest loss by {measured['above the lowest by (%)']:.1f} %"
)

# %% [markdown]
# **Scope.** One process or several, CPU or GPU, if training logs a mean over the epoch *and validation has its default interval*. If `training_step` logs steps only, nothing overwrites the validation loss. If validation runs twice per epoch, `EarlyStopping` reads right after it, before the training mean is written. The
# version with one name, which trained for all 20 epochs above, then stops early:


# %% tags=["apparatus"]
# Train the version with one name, validating twice per epoch.
halves = train_and_keep_the_best(OneNameForTwo, val_check_interval=0.5)
print(f"epochs trained when validating twice per epoch: {halves['epochs trained']}")

# %% [markdown]
# So which of the two losses a shared name means depends on how training logs it, and on a flag of the Trainer.
#
# **When the bad version is right.** A name without a split is fine for what has no split, such as a learning rate. And if your viewer does not group
# charts, an underscore says as much as a slash. Renaming has its price, too: it starts a new curve, and old runs keep the old name. Choose
# early.
#
# ### Your turn · Keep the best, under a name you can read
#
# In a checkpoint's file name, a slash makes a folder: `filename="{epoch}-{val/loss:.2f}"` gives `epoch=0-val/loss=1.23.ckpt`. With `auto_insert_metric_name=False` only the values are filled in, and you write the words around them.
#
# Log `train/loss`, `val/loss` and `val/acc`. Keep the epoch with the best `val/acc`, in a file that lies directly in the folder of checkpoints and shows epoch and
# accuracy, like `epoch=2-acc=0.87.ckpt`. The module brings its own checkpoint callback: Lightning asks `configure_callbacks` for it. *(8 minutes)*


# %% tags=["exercise"]
class KeepsTheBest(Classifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.log("loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        logits = self(images)
        self.log("loss", F.cross_entropy(logits, labels))
        self.log("acc", (logits.argmax(1) == labels).float().mean())

    def configure_callbacks(self):
        return [ModelCheckpoint(filename="{epoch}-{acc:.2f}")]


# %%
check("4.2", KeepsTheBest)

# %%
# hint("4.2")

# %% [markdown]
# ### Take along
#
# A callback for the Trainer: what another callback monitors must begin with its split (`step` and `epoch`, which Lightning offers itself, have none). What a scheduler monitors, it does not see.


# %% tags=["guard"]
class MonitoredNamesSaySplit(L.Callback):
    def on_fit_start(self, trainer, pl_module):
        for callback in trainer.callbacks:
            name = getattr(callback, "monitor", None) or "step"
            split = name.startswith(("train", "val", "step", "epoch"))
            assert split, f"{name!r} of which split?"


# %% tags=["apparatus"]
# Try the guard in a Trainer that monitors the name of each version.
def fit_with_guard(version):
    callbacks = [EarlyStopping(version.names[1]), MonitoredNamesSaySplit()]
    options = quiet_trainer(callbacks=callbacks)
    L.Trainer(max_epochs=1, **options).fit(version(), datamodule=small)


try_guard(
    "4.2",
    bad=lambda: fit_with_guard(OneNameForTwo),
    good=lambda: fit_with_guard(NamesTheSplit),
)

# %% [markdown]
# **Second sitting.** A good place for a break. What follows needs the cells up to here: run them again if you come back to a new kernel.
#
# ## 4.3 Sync metrics across processes
#
# Two processes train one model. Each computes gradients on its own images, DDP averages them, and both apply the same update: the weights stay equal. The
# validation images lie in two files, one per process, and every second label in the second file is wrong. A scheduler lowers the
# learning rate when `val_loss` does not improve.
#
# **Predict.** After eight epochs, with `val_loss` logged as usual, the weights of the two processes are
#
# - **a** equal: the gradients are averaged in every step;
# - **b** different;
# - **c** equal, because Lightning shares what a scheduler monitors.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
class TrainsWithPlateau(LogsStepsAndEpochs):
    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
        schedule = {"scheduler": plateau, "monitor": "val_loss"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}


# %% [markdown]
# ### Bad: each process logs for itself


# %% tags=["bad"]
class LogsForItself(TrainsWithPlateau):
    def validation_step(self, batch, batch_idx):
        images, labels = batch
        self.log("val_loss", F.cross_entropy(self(images), labels))


# %% [markdown]
# ### Good: the processes agree on the value


# %% tags=["good"]
class LogsTogether(TrainsWithPlateau):
    def validation_step(self, batch, batch_idx):
        images, labels = batch
        self.log("val_loss", F.cross_entropy(self(images), labels), sync_dist=True)


# %% [markdown]
# ### The contrast
#
# The folded cell builds the two files, as in data sets made of many files, and starts two processes with `run_processes`. An ordinary `Trainer` runs inside, on the CPU, because every machine has one. Watch
# the two learning rates in the table, then the distance between the two sets of weights.

# %% tags=["apparatus"]
# Two files of validation images, one per process; train in two processes, compare them.
import os

from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from course_utils.distributed import run_processes


class TwoFiles(IterableDataset):
    def __init__(self, images, labels, first):
        self.files = [
            (images[:first], labels[:first]),
            (images[first:], labels[first:]),
        ]

    def __iter__(self):
        rank = int(os.environ.get("RANK", 0))
        world = int(os.environ.get("WORLD_SIZE", 1))
        for images, labels in self.files[rank::world]:
            yield from zip(images, labels)


# %% tags=["apparatus"]
# The loaders, and the options for two processes.
data = ImageDataModule(train_size=640, val_size=400)
train_set = TensorDataset(scaled(data.train_images), data.train_labels)
train_loader = DataLoader(train_set, batch_size=32)
val_images, val_labels = scaled(data.val_images), data.val_labels
wrong_labels = val_labels.clone()
wrong_labels[200::2] = (wrong_labels[200::2] + 1) % 10  # in the second file
val_loader = DataLoader(TwoFiles(val_images, wrong_labels, 200), batch_size=10)
two = quiet_trainer(accelerator="cpu", devices=2, strategy="ddp")


# %% tags=["apparatus"]
# Train in two processes; return what each of them saw, and its weights.
def train_in_two(version, loader=val_loader):
    model = version()

    def work():
        seen = EpochEnds()
        trainer = L.Trainer(max_epochs=8, callbacks=[seen], **two)
        trainer.fit(model, train_loader, loader)
        weights = torch.cat([p.detach().flatten() for p in model.parameters()])
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        return seen.values("val_loss"), rate, weights

    (losses_0, lr_0, weights_0), (losses_1, lr_1, weights_1) = run_processes(work)
    return {
        "final learning rate of rank 0": lr_0,
        "final learning rate of rank 1": lr_1,
        "learning rates differ by the factor": max(lr_0, lr_1) / min(lr_0, lr_1),
        "weights differ by up to": (weights_0 - weights_1).abs().max(),
        "rank 0": losses_0,
        "rank 1": losses_1,
    }


# %% tags=["contrast"]
result = contrast(
    "4.3",
    train_in_two,
    bad=LogsForItself,
    good=LogsTogether,
    prediction=prediction,
    figure=Panels(
        "Without sync, each process has a validation loss of its own",
        ["rank 0", "rank 1"],
        x="epoch",
        y="val_loss (nats)",
    ),
)

# %% tags=["claim"]
apart = "weights differ by up to"
claim("4.3", "without sync_dist two replicas drift apart", result.bad[apart] >= 0.01)
claim("4.3", "with sync_dist two replicas stay equal", result.good[apart] == 0)
text = "Lightning recommends sync_dist for a validation loss that two processes log without it"
line = "self.log('val_loss', ..., sync_dist=True)"
claim("4.3", text, result.bad.says(line) and not result.good.says(line))

# %% [markdown]
# **Why.** `self.log` keeps a value in its own process. Rank 1 soon sees its loss rise, because a wrong label costs more the more confident the model is, and lowers its learning rate. Rank
# 0 sees a different loss, and lowers its own rate later or not at all. They apply the same gradients at different rates, and from then on they are two models. Nothing raises an error. Lightning does warn, in the lines
# under the figure, easily missed in a long log. (`train_loss` has an unsynced mean in both versions; nothing reads it here.) Only rank 0 writes checkpoints and logs.
#
# `sync_dist=True` combines the processes as `self.log` combines batches: by their mean, unless its argument `reduce_fx` names a different reduction.
#
# `EarlyStopping` and `ModelCheckpoint` are safer, though not safe. The processes vote: one is enough to stop, all must agree to replace the best checkpoint. So they act
# alike, but each votes by its own number. What decides something should be the same number everywhere.
#
# **In an ordinary run** the second file is labelled as well as the first. Then the losses differ only because the images do. That is enough: once a loss stops falling on one rank alone, only that rank lowers its learning rate. The gap after eight epochs (two equal rates mean that no such epoch has come yet):

# %% tags=["apparatus"]
# Train the unsynced version on two files of correct labels.
fair_loader = DataLoader(TwoFiles(val_images, val_labels, 200), batch_size=10)
measured = train_in_two(LogsForItself, fair_loader)
gap = abs(measured["rank 0"][-1] / measured["rank 1"][-1] - 1)
print(f"the two validation losses differ by {100 * gap:.1f} %; learning rates:")
print(
    *(f"rank {r}: {measured[f'final learning rate of rank {r}']:.1e}" for r in (0, 1))
)

# %% [markdown]
# **Scope.** Two processes or more, on CPU or GPU, for numbers that decide something. Measured with DDP on the CPU. In one process `sync_dist` changes nothing.
#
# **When the bad version is right.** For the step curve of a training loss. Syncing it costs a message per metric and step, while all processes wait for each other; syncing a mean costs two messages per metric and *epoch*. One process's
# step values are noisier than the mean of two, which does no harm as long as nothing is decided by them. One `self.log` with `on_step=True, on_epoch=True, sync_dist=True` syncs every step as well; two calls, under two names, sync the mean alone.
#
# ### Your turn · A mean, a maximum and a count
#
# This module reports the mean loss, the loss of the hardest image and the number of wrong answers. Make all three right, whether one process or two validate. The check uses files of
# different length. *(8 minutes)*


# %% tags=["exercise"]
class ReportsThree(Classifier):
    def validation_step(self, batch, batch_idx):
        images, labels = batch
        logits = self(images)
        losses = F.cross_entropy(logits, labels, reduction="none")
        errors = (logits.argmax(1) != labels).float()
        self.log("val_loss", losses.mean())
        self.log("val_worst", losses.max())
        self.log("val_errors", errors.sum())


# %%
check("4.3", ReportsThree)

# %%
# hint("4.3")

# %% [markdown]
# ### Take along
#
# Call this where a number is about to decide something, in every process. It raises in all of them if they disagree. In one process it does nothing.


# %% tags=["guard"]
def assert_equal_on_all_ranks(trainer, name):
    value = trainer.callback_metrics[name].detach().to(trainer.strategy.root_device)
    values = trainer.strategy.all_gather(value).flatten()
    equal = torch.allclose(values, values[:1], rtol=0, atol=0, equal_nan=True)
    assert equal, f"{name} differs between ranks"


# %% tags=["apparatus"]
# Try the guard at the end of one epoch in two processes.
class Guarded(L.Callback):
    def on_train_epoch_end(self, trainer, pl_module):
        assert_equal_on_all_ranks(trainer, "val_loss")


def one_epoch_in_two(version):
    model = version()
    options = {**two, "callbacks": [Guarded()], "max_epochs": 1}
    run_processes(lambda: L.Trainer(**options).fit(model, train_loader, val_loader))


try_guard(
    "4.3",
    bad=lambda: one_epoch_in_two(LogsForItself),
    good=lambda: one_epoch_in_two(LogsTogether),
)

# %% [markdown]
# ### Going further · A mean is not always the answer
#
# `sync_dist=True` takes a mean weighted by batch size, no more. A loss or an accuracy is a mean over images, so that is right. An F1 is not: each batch
# has different counts in its denominator. Each process validates with batches of 10 and returns what it would report:

# %%
from torchmetrics.classification import MulticlassF1Score
from torchmetrics.functional.classification import multiclass_f1_score


class ThreeWaysOfF1(TrainsWithPlateau):
    def __init__(self):
        super().__init__()
        self.f1 = MulticlassF1Score(num_classes=10)

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        logits = self(images)
        batch_f1 = multiclass_f1_score(logits, labels, num_classes=10)
        self.log("val_loss", F.cross_entropy(logits, labels), sync_dist=True)
        self.log("alone", batch_f1)
        self.log("synced", batch_f1, sync_dist=True)
        self.f1(logits, labels)
        self.log("object", self.f1)


# %% tags=["apparatus"]
# Train for 4 epochs, validate in two processes, compare with the F1 over all images.
model = ThreeWaysOfF1()
options = quiet_trainer(accelerator="cpu", max_epochs=4)
L.Trainer(**options).fit(model, train_loader, val_loader)


def validate_in_two(model, loader):
    def work():
        return L.Trainer(**two).validate(model, loader, verbose=False)[0]

    return run_processes(work)


exact = multiclass_f1_score(model(val_images), wrong_labels, num_classes=10).item()
ranks = validate_in_two(model, val_loader)
print("          rank 0   rank 1   exact")
for name in ("alone", "synced", "object"):
    print(f"{name:8}  {ranks[0][name]:.4f}   {ranks[1][name]:.4f}   {exact:.4f}")

# %%
claim(
    "4.3",
    "a torchmetrics object gives the exact F1 on both ranks",
    max(abs(rank["object"] - exact) for rank in ranks),
    at_most=1e-6,
)

# %% [markdown]
# `alone` is a mean over the batches of one process, `synced` over those of both: equal on both ranks, and still not the F1 of all images. The object keeps counts, adds them up over batches and processes, and divides once. It syncs by itself. ([Lesson 12](12_common_pitfalls.ipynb) has the short version of this, and an exercise.)
#
# Even a mean can go wrong today. Lightning averages the number of images, too, as a whole number, and rounds it down. Five images in files of 3 and 2, all classified correctly,
# should give an accuracy of one:


# %%
class AlwaysRight(Classifier):
    def validation_step(self, batch, batch_idx):
        self.log("acc", torch.tensor(1.0), sync_dist=True)


odd_loader = DataLoader(TwoFiles(val_images[:5], val_labels[:5], 3), batch_size=8)
print(f"accuracy: {validate_in_two(AlwaysRight(), odd_loader)[0]['acc']:.3f}")

# %% [markdown]
# 2.5 images on average became 2. This is [issue 21859](https://github.com/Lightning-AI/pytorch-lightning/issues/21859), in Lightning 2.6.6; if you read 1.000 above, your version has fixed it. Until then, validate on a number
# of images that is divisible by the number of processes, or log a torchmetrics object. The first also avoids a second trap: a distributed sampler repeats images to fill up, and what is repeated counts twice.
#
# ## 4.4 Say when the learning rate changes, and monitor it
#
# You want a one-cycle schedule: in 100 updates, which are two epochs, the learning rate climbs to 0.1 and falls to nearly zero. PyTorch's `OneCycleLR` does that, and you
# hand it to Lightning.
#
# **Predict.** The learning rate
#
# - **a** follows the cycle: Lightning steps the scheduler after each update;
# - **b** never comes near its peak;
# - **c** goes through the cycle twice, once per epoch.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
class OneCycle(LogsStepsAndEpochs):
    def one_cycle(self, optimizer):
        updates = int(self.trainer.estimated_stepping_batches)
        return torch.optim.lr_scheduler.OneCycleLR(
            optimizer, 0.1, updates, pct_start=0.2, cycle_momentum=False
        )


# %% [markdown]
# ### Bad: the scheduler is handed over as it is


# %% tags=["bad"]
class HandsOverTheScheduler(OneCycle):
    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters())
        return {"optimizer": optimizer, "lr_scheduler": self.one_cycle(optimizer)}


# %% [markdown]
# ### Good: the dictionary says when to step it


# %% tags=["good"]
class SaysWhenToStep(OneCycle):
    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters())
        schedule = {"scheduler": self.one_cycle(optimizer), "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}


# %% [markdown]
# ### The contrast
#
# `estimated_stepping_batches` is the number of updates in the whole fit, as the Trainer plans it. `LearningRateMonitor` logs the rate that the optimizer has. It needs a logger, and keeps all rates in `lrs`. As a second opinion, the folded cell also hooks into the optimizer (`AppliedRates`) and notes the rate of every
# update. Nothing is staged here: 3,200 images, batches of 64, two epochs.

# %% tags=["apparatus"]
# Train for two epochs; keep the rates that the monitor saw and those that were applied.
from lightning.pytorch.callbacks import LearningRateMonitor

from course_utils.measure import AppliedRates, accuracy


def train_and_monitor(version):
    monitor = LearningRateMonitor("step")
    options = quiet_trainer(logger=InMemoryLogger(), callbacks=[monitor])
    trainer = L.Trainer(max_epochs=2, log_every_n_steps=1, **options)
    model = version()
    with AppliedRates() as applied:
        trainer.fit(model, datamodule=many)
    rates = monitor.lrs["lr-SGD"]
    reached = accuracy(model.cpu(), many.test_images, many.test_labels)
    return {
        "updates": len(applied.values),
        "distinct learning rates": len(set(rates)),
        "highest learning rate": max(rates),
        "monitor and optimizer agree": rates == applied.values,
        "test accuracy": reached,
        "lead over guessing": reached - 0.1,
        "learning rate": rates,
    }


# %% tags=["contrast"]
result = contrast(
    "4.4",
    train_and_monitor,
    bad=HandsOverTheScheduler,
    good=SaysWhenToStep,
    prediction=prediction,
    figure=Lines(
        "Stepped once per epoch, the cycle never gets going",
        "learning rate",
        x="update",
        y="learning rate",
    ),
)

# %% tags=["claim"]
rates = result.bad["distinct learning rates"]
claim("4.4", "OneCycleLR stepped by epoch has 2 rates in 2 epochs", rates == 2)
lost = 1 - result.times("lead over guessing")
text = "OneCycleLR stepped by epoch costs 5 % or more of the lead over guessing in 2 epochs"
claim("4.4", text, lost >= 0.05)

# %% [markdown]
# **Why.** Lightning steps a scheduler once per *epoch*, unless its dictionary says `"interval": "step"`. `OneCycleLR` expected 100 steps and got 2, so the rate
# hardly rose. Lightning neither raises an error nor warns, and the model learns, only less. One look at the learning rate shows it.
#
# But the monitor writes only when the logger does, every `log_every_n_steps` updates. With the
# default of 50, what is left of 100 updates?

# %% tags=["apparatus"]
# Monitor the good version with the default log_every_n_steps.
monitor = LearningRateMonitor("step")
options = quiet_trainer(logger=InMemoryLogger(), callbacks=[monitor])
L.Trainer(max_epochs=2, **options).fit(SaysWhenToStep(), datamodule=many)
print("values of the learning rate:", len(monitor.lrs["lr-SGD"]))
print("highest seen:", f"{max(monitor.lrs['lr-SGD']):.3f}")

# %% [markdown]
# Two values, both after the peak: a chart of them would show a falling line.
#
# **Scope.** Automatic optimization, CPU or GPU, one process or several. In manual optimization you step the scheduler yourself.
#
# **When the bad version is right.** When the schedule is meant in epochs. `StepLR(optimizer, step_size=1, gamma=0.5)` halves the rate after each epoch. With
# `"interval": "step"` it would halve it after each update, and the rate would soon be close to zero.
#
# ### Your turn · A straight line to zero
#
# Write it from a specification. The learning rate is 0.1 in the first update and falls in a straight line, reaching zero with the last update or right after it. This must hold for any number of epochs and batches, and when gradients
# are accumulated over several batches. And every update logs its rate as `lr`, so that a logger has it without a monitor; an optimizer keeps it in `optimizer.param_groups[0]["lr"]`. *(8 minutes)*


# %% tags=["exercise"]
class FallsToZero(Classifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.LinearLR(
            optimizer, start_factor=1.0, end_factor=0.0, total_iters=100
        )
        return {"optimizer": optimizer, "lr_scheduler": scheduler}


# %%
check("4.4", FallsToZero)

# %%
# hint("4.4")

# %% [markdown]
# ### Take along
#
# `OneCycleLR` keeps the number of updates it expects in `total_steps`. Compare that with what the Trainer will do. Schedules without `total_steps` are let through.


# %% tags=["guard"]
class SchedulerIsStepped(L.Callback):
    def on_train_start(self, trainer, pl_module):
        for config in trainer.lr_scheduler_configs:
            steps = getattr(config.scheduler, "total_steps", 0)
            late = config.interval == "epoch" and steps > max(trainer.max_epochs, 0)
            assert not late, f"a schedule of {steps} steps is stepped by epoch"


# %% tags=["apparatus"]
# Try the guard in a short fit of each version.
def fit_with_scheduler_guard(version):
    options = quiet_trainer(callbacks=[SchedulerIsStepped()])
    L.Trainer(max_epochs=2, **options).fit(version(), datamodule=short)


try_guard(
    "4.4",
    bad=lambda: fit_with_scheduler_guard(HandsOverTheScheduler),
    good=lambda: fit_with_scheduler_guard(SaysWhenToStep),
)

# %% [markdown]
# ## Symptoms
#
# | You see | Look at |
# |---|---|
# | a run stops early although its loss curve still falls | 4.1 |
# | a spike in training cannot be found in the epoch curve | 4.1 |
# | the logger has no step curve at all | 4.1 |
# | the "best" checkpoint is the last one, and overfitted | 4.2 |
# | checkpoints lie in odd sub-folders | 4.2 |
# | processes disagree on the learning rate, or replicas drift apart | 4.3 |
# | the metric changes with the number of GPUs | 4.3 |
# | a schedule has no effect, or the loss stands still after a few updates | 4.4 |
#
# ## Take away
#
# A checklist for your own code:
#
# - [ ] A training metric that something watches has `on_epoch=True`; `log_every_n_steps` fits the length of the run.
# - [ ] The name of a metric says which split it belongs to. A slash stays out of file names: `auto_insert_metric_name=False`.
# - [ ] What decides something (scheduler, early stopping, checkpoint) is logged with `sync_dist=True`; a maximum or a sum has its `reduce_fx`; a number such as F1, which is none of these, is a torchmetrics object.
# - [ ] Step metrics are not synced.
# - [ ] Each scheduler has its `"interval"`, and you have looked at the learning rate that was applied.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin: [the record](../src/course_utils/records/evidence.md#lesson-04).
#
# **Sources** Lightning's documentation on [logging](https://lightning.ai/docs/pytorch/stable/extensions/logging.html),
# [LearningRateMonitor](https://lightning.ai/docs/pytorch/stable/api/lightning.pytorch.callbacks.LearningRateMonitor.html) and
# [ModelCheckpoint](https://lightning.ai/docs/pytorch/stable/api/lightning.pytorch.callbacks.ModelCheckpoint.html); torchmetrics on
# [Lightning](https://lightning.ai/docs/torchmetrics/stable/pages/lightning.html); L. Smith and N. Topin on [super-convergence](https://arxiv.org/abs/1708.07120), where the one-cycle schedule comes from;
# MNIST by LeCun, Cortes and Burges.
#
# Next: [lesson 05](05_reproducibility.ipynb), on runs that can be repeated to the last bit; or look at the [solutions](../solutions/04_logging.ipynb) of this one.

# %% tags=["own-code"]
# This lesson's questions, asked of your own code: name it in place of None.
my_module, my_data = None, None  # "my_package.model:MyModel", "my_package.data:MyData"
course_utils.check_my(my_module, my_data, select="4.*")
