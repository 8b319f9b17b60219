# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 09 · What is left when the run is killed?
#
# The power fails, memory runs out, the time limit is up: sooner or later a long run is killed. What you lose was decided long before, by a few lines that are rarely
# tested. By the end of this lesson you can
#
# - keep the newest and the best weights of any run, and prove that you do;
# - resume a killed run so that it ends with the same bits as one that was never killed;
# - say which of your own variables come back, which start over, and which make the file unreadable.
#
# **You need** to know what a `LightningModule` and a `Trainer` are. New here? [Start here](00_start_here.ipynb) takes fifteen minutes.
#
# **Time** 35 minutes of reading and running, 23 minutes of exercises. All cells together run in less than half a minute on two CPU cores under Linux. On other systems, and with a GPU, add
# a few seconds for each of four new processes.
#
# Two sittings: 9.1 and 9.2 first, 9.3 and the recipe another day.

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

course_utils.start("09", written_for="0.1")

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader, TensorDataset

from course_utils import check, claim, contrast, hint, solution, try_guard
from course_utils.data import ImageDataModule, scaled
from course_utils.experiments.plots import Lines
from course_utils.hardware import quiet_trainer

# %% [markdown]
# One small network serves the whole lesson. `ImageDataModule` holds the images as bytes; `scaled` makes them floats from 0 to 1. `LayerNorm` brings each image to mean 0 and
# variance 1. `quiet_trainer()` returns options that keep a Trainer silent; it saves files only with `enable_checkpointing=True`.

# %%
data = ImageDataModule()


class DigitNet(L.LightningModule):
    """One hidden layer: images (batch, channel, height, width) to one logit per class."""

    def __init__(self, dropout=0.0):
        super().__init__()
        size, classes = ImageDataModule().num_features, ImageDataModule().num_classes
        pixels = [nn.Flatten(), nn.LayerNorm(size, elementwise_affine=False)]
        hidden = [nn.Linear(size, 128), nn.ReLU(), nn.Dropout(dropout)]
        self.net = nn.Sequential(*pixels, *hidden, nn.Linear(128, classes))

    def forward(self, images):
        return self.net(images)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        logits = self(images)
        self.log("val_loss", F.cross_entropy(logits, labels))
        self.log("val_acc", (logits.argmax(1) == labels).float().mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=3e-3)


# %% [markdown]
# ## 9.1 Keep the best and the last
#
# After a kill you want two files: the newest, to continue from, and the best, to use. A popular list of tips gets both from one callback, which monitors the validation loss, keeps the best epochs and says
# `save_last=True`, with the comment "Always save last for resuming".
#
# Here a network learns 500 images for 20 epochs. Three in five labels are random, and once it memorizes them, the validation loss
# rises. The power fails right after epoch 20.
#
# **Predict before you run.** The file `last.ckpt` that is left
#
# - **a** comes from epoch 20, as its name says;
# - **b** does not exist: it is written when training ends;
# - **c** comes from an earlier epoch.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
def fit(model, callbacks, loader, **flags):
    options = quiet_trainer(enable_checkpointing=True, callbacks=callbacks, **flags)
    L.Trainer(**options).fit(model, loader, val_loader)


# %% [markdown]
# ### Bad: one callback for both


# %% tags=["bad"]
def one_for_both(folder):
    return [ModelCheckpoint(folder, monitor="val_loss", save_top_k=2, save_last=True)]


# %% [markdown]
# ### Good: one callback for each
#
# Without `monitor`, a `ModelCheckpoint` keeps the newest file. `save_on_train_epoch_end=True` makes it save after every training epoch. `enable_version_counter=False` gives the file
# the same name each time, even if there is one from an earlier run.


# %% tags=["good"]
def newest(folder):
    return ModelCheckpoint(
        dirpath=folder,
        filename="last",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )


def one_for_each(folder):
    best = ModelCheckpoint(folder, monitor="val_loss", save_top_k=2)
    return [best, newest(folder)]


# %% [markdown]
# ### The contrast
#
# A kill leaves what is on the disk at that moment. So the folded cells need not kill twenty runs: they train once, open `last.ckpt` after every epoch, and note how many updates are in it.


# %% tags=["apparatus"]
# The images: 500 with noisy labels, 2,000 with clean ones; all of validation at once.
def loader_of(images, labels, batch_size=50):
    return DataLoader(TensorDataset(scaled(images), labels), batch_size, shuffle=True)


noisy_labels = data.train_labels[:500].clone()
noisy_labels[:300] = torch.randint(0, data.num_classes, (300,))
noisy = loader_of(data.train_images[:500], noisy_labels)
clean = loader_of(data.train_images[-2000:], data.train_labels[-2000:])
val_batch = scaled(data.val_images), data.val_labels
val_loader = DataLoader([val_batch], batch_size=None)
test = data.test_images, data.test_labels

# %% tags=["apparatus"]
# Trains once; after every epoch, reads from last.ckpt what a kill would leave.
import os
from contextlib import suppress

from lightning.pytorch.callbacks import Checkpoint

from course_utils.measure import accuracy


class ReadsTheDisk(Checkpoint):  # as a Checkpoint, it runs after those that save
    def __init__(self, file):
        self.file, self.epochs = file, []

    def on_train_epoch_end(self, trainer, pl_module):
        found = os.path.exists(self.file)
        updates = torch.load(self.file)["global_step"] if found else 0
        self.epochs.append(updates / trainer.num_training_batches)


def epochs_on_disk(make_callbacks, loader, **flags):
    model = DigitNet()
    with TemporaryDirectory() as folder:
        callbacks, disk = make_callbacks(folder), ReadsTheDisk(f"{folder}/last.ckpt")
        fit(model, [*callbacks, disk], loader, **flags)
        best = callbacks[0].best_model_path
        best = DigitNet.load_from_checkpoint(best) if best else model
    behind = [done - there for done, there in enumerate(disk.epochs, start=1)]
    return disk.epochs, behind, model, best


# %% tags=["apparatus"]
# What the contrast measures, and its figure.
@torch.no_grad()
def test_loss(model):
    model.to("cpu").eval()
    return F.cross_entropy(model(scaled(test[0])), test[1]).item()


def kill_after_any_epoch(make_callbacks, loader=noisy, epochs=20):
    kept, behind, model, best = epochs_on_disk(
        make_callbacks, loader, max_epochs=epochs
    )
    return {
        "epoch of last.ckpt": kept,
        f"epochs lost after {epochs}": behind[-1],
        "most epochs ever lost": max(behind),
        "test loss, newest weights": test_loss(model),
        "test loss, best weights": test_loss(best),
        "test accuracy, newest weights": accuracy(model, *test),
        "test accuracy, best weights": accuracy(best, *test),
    }


plot = Lines(
    "save_last=True falls behind once the loss stops improving",
    "epoch of last.ckpt",
    x="epochs finished",
    y="epoch of last.ckpt",
)

# %% tags=["contrast"]
result = contrast(
    "9.1",
    kill_after_any_epoch,
    bad=one_for_both,
    good=one_for_each,
    prediction=prediction,
    figure=plot,
)

# %% tags=["claim"]
text = "save_last=True beside a monitored loss that rises leaves a last.ckpt that is at least six of twenty epochs old"
claim("9.1", text, result.bad["epochs lost after 20"] >= 6)
text = "a checkpoint callback without monitor and with save_on_train_epoch_end=True leaves the newest epoch whenever the run is killed between two epochs"
claim("9.1", text, result.good["most epochs ever lost"] == 0)

# %% [markdown]
# **Why.** Lightning's documentation promises less than the comment: "a `last.ckpt` copy whenever a checkpoint file gets saved". A callback that saves
# after epochs writes `last.ckpt` only if it also wrote a top-k file. While the loss improves, it does so every time, and a short trial works.
# Once the loss rises, nothing gets into the best two, and `last.ckpt` stays as it is: the flat line in the figure. Lightning says nothing.
#
# The two test losses are the reason to keep two kinds of files: the newest weights are there to continue from, not to use. (Monitor what you care about: the lowest loss need not be the highest accuracy. For an accuracy say `mode="max"`; the default is `"min"`.)
#
# The random labels are staged. An ordinary run has 2,000 images with their own labels:

# %% tags=["apparatus"]
# An ordinary run with save_last=True; and one claim more about the contrast.
ordinary = kill_after_any_epoch(one_for_both, clean)
print(f"epochs lost after 20: {ordinary['epochs lost after 20']:.0f}")
for weights in ("newest", "best"):
    name = f"test accuracy, {weights} weights"
    print(f"{name}: {ordinary[name]:.3f}")
text = "after training on labels of which three in five are random, the newest weights have a test loss at least 1.1 times that of the weights with the lowest validation loss"
newest_loss = result.good["test loss, newest weights"]
claim("9.1", text, newest_loss / result.good["test loss, best weights"] >= 1.1)

# %% [markdown]
# The accuracies are close now, but a kill still costs epochs.
#
# **Every epoch?** By default a `ModelCheckpoint` saves after every training epoch only if validation runs exactly once per epoch, or if there is none and `check_val_every_n_epoch` is 1. Otherwise it waits for a validation, so the good version sets
# `save_on_train_epoch_end=True`. Two other validation intervals, without the option and with it:


# %% tags=["apparatus"]
# Reads the disk for two validation intervals, without and with the option.
def newest_by_default(folder):
    return [ModelCheckpoint(folder, filename="last", enable_version_counter=False)]


def newest_after_every_epoch(folder):
    return [newest(folder)]


intervals = {"every fifth epoch": {"check_val_every_n_epoch": 5}}
intervals["after 7 of 10 batches"] = {"val_check_interval": 7}
lost = {}
for name, flags in intervals.items():
    for make in (newest_by_default, newest_after_every_epoch):
        behind = epochs_on_disk(make, noisy, max_epochs=7, **flags)[1]
        lost[name, make] = max(behind)
        print(f"{name}, {make.__name__}: {max(behind):.1f} epochs lost at most")
text = "by default, with validation every fifth epoch, a checkpoint callback without monitor loses up to four whole epochs"
claim("9.1", text, lost["every fifth epoch", newest_by_default], equals=4)
text = "by default, with validation within the epoch, a checkpoint callback without monitor leaves a file from within the epoch"
claim("9.1", text, lost["after 7 of 10 batches", newest_by_default], above=0)
text = "with save_on_train_epoch_end=True, a checkpoint callback without monitor leaves every finished epoch, whether validation runs every fifth epoch or within the epoch"
claim("9.1", text, sum(lost[name, newest_after_every_epoch] for name in intervals) == 0)

# %% [markdown]
# Leave the option out of the callback that *monitors*: it would judge new weights by the score of an older validation (*Going further*).
#
# **Scope.** Lightning 2.6, any device, one process; any validation interval with `save_on_train_epoch_end=True`. A kill *within* an epoch still costs what that epoch has done. The [recipe](#One-recipe-to-paste) limits that.
#
# **When the bad version is right.** When the callback saves every epoch anyway: with `save_top_k=-1`, which keeps all files, or without `monitor`. Writing a file every epoch takes time:
# if the model is large or the epoch short, set `every_n_epochs`.


# %% tags=["apparatus"]
# Two callbacks beside which save_last=True is what it says; validation once per epoch.
def keeps_all(folder):
    options = {"monitor": "val_loss", "save_top_k": -1, "save_last": True}
    return [ModelCheckpoint(folder, **options)]


def monitors_nothing(folder):
    return [ModelCheckpoint(folder, save_last=True)]


for make, when in ((keeps_all, "save_top_k=-1"), (monitors_nothing, "no monitor")):
    lost = max(epochs_on_disk(make, noisy, max_epochs=10)[1])
    text = f"with {when} and validation once per epoch, save_last=True leaves the newest epoch"
    claim("9.1", text, lost, equals=0)

# %% [markdown]
# ### Your turn · Room for two files
#
# Validation runs once per epoch and logs an accuracy, `val_acc`. The disk has room for two checkpoints. Return callbacks that keep the best epoch and the newest, whenever the run is killed.
# The check scripts the accuracy and looks at the disk in the middle of an epoch. *(7 minutes)*


# %% tags=["exercise"]
def room_for_two(folder):
    return [ModelCheckpoint(dirpath=folder, monitor="val_acc", save_last=True)]


# %%
check("9.1", room_for_two)

# %% [markdown]
# Stuck? `hint("9.1")` gives a nudge, the second call a bigger one. `solution("9.1")` shows one way to do it, with its reason.

# %%
# hint("9.1")

# %% [markdown]
# ### Take along
#
# When an epoch starts, the one before must be on the disk. (`mmap=True` reads the counter, not the weights.)


# %% tags=["guard"]
class RequiresTheNewest(L.Callback):
    def on_train_epoch_start(self, trainer, pl_module):
        files = Path(trainer.checkpoint_callback.dirpath).glob("*.ckpt")
        steps = [torch.load(file, mmap=True)["global_step"] for file in files]
        kept = trainer.global_step in (0, *steps)
        assert kept, "a kill now would cost at least one finished epoch"


# %% tags=["apparatus"]
# Tries the guard on both versions.
def try_newest(make_callbacks):
    with TemporaryDirectory() as folder:
        callbacks = [RequiresTheNewest(), *make_callbacks(folder)]
        fit(DigitNet(), callbacks, noisy, max_epochs=20)


try_guard(
    "9.1", bad=lambda: try_newest(one_for_both), good=lambda: try_newest(one_for_each)
)

# %% [markdown]
# ### Going further
#
# **It can be worse.** `save_top_k=0, save_last=True` reads like "only the last one, please". Two runs of three epochs, one of which dies in its last epoch:


# %%
class DiesInEpoch3(L.Callback):
    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 2:
            raise RuntimeError("out of memory")


def files_left(*more, **options):
    with TemporaryDirectory() as folder:
        callbacks = [ModelCheckpoint(folder, **options), *more]
        with suppress(RuntimeError):
            fit(DigitNet(), callbacks, noisy, max_epochs=3)
        return sorted(os.listdir(folder))


# %%
only_last = {"save_top_k": 0, "save_last": True}
after_a_crash = files_left(DiesInEpoch3(), **only_last)
print("after a normal end:", files_left(**only_last))
print("after a crash:     ", after_a_crash)
text = "save_top_k=0 with save_last=True leaves no file after a crash"
claim("9.1", text, len(after_a_crash), equals=0)

# %% [markdown]
# With nothing to keep, `last.ckpt` is written once, when training ends: too late.
#
# **Three more ways to keep the wrong file.** `mode` is forgotten. A file name is a template in which a misspelt metric is not an error. And with validation every second epoch, a callback that monitors a metric and saves after every
# epoch takes an old score for that of the new weights:


# %%
class NotesAccuracy(L.Callback):
    def __init__(self):
        self.scores = []

    def on_train_epoch_end(self, trainer, pl_module):
        self.scores.append(float(trainer.callback_metrics["val_acc"]))


notes = NotesAccuracy()
with TemporaryDirectory() as folder:
    keeps = ModelCheckpoint(folder, monitor="val_acc")  # no mode
    fit(DigitNet(), [keeps, notes], noisy, max_epochs=5)

# %%
excess = float(keeps.best_model_score) - min(notes.scores)
text = "monitoring an accuracy with the default mode keeps the least accurate epoch"
claim("9.1", text, excess, equals=0)
print("a misspelt metric:", files_left(filename="{epoch}-{val_los:.2f}"))

# %%
with TemporaryDirectory() as folder:
    all_files = {"monitor": "val_loss", "save_top_k": -1}
    keeps = ModelCheckpoint(folder, **all_files, save_on_train_epoch_end=True)
    fit(DigitNet(), [keeps], noisy, max_epochs=5, check_val_every_n_epoch=2)
    scores = len({float(each) for each in keeps.best_k_models.values()})
    print(f"{len(keeps.best_k_models)} files were judged by {scores} scores")

# %% [markdown]
# The second file name reads like a perfect loss: what was not logged is filled in as 0. In the third case, every second file carries the score of the epoch before it.
#
# **Ask your own callbacks.** The check of the exercise works on your own code, too. It scripts a metric, epoch by epoch, and looks at what a kill would leave.

# %%
from course_utils.exercises.lesson_09 import (
    checkpoints_after_kill,
    keeps_the_best,
    keeps_the_last,
)

scores = [0.9, 0.5, 0.4, 0.6, 0.7, 0.8]  # a loss: the third epoch is the best
for make_callbacks in (one_for_both, one_for_each):
    left = checkpoints_after_kill(make_callbacks, "val_loss", scores)
    print(f"{make_callbacks.__name__}:", keeps_the_last(left, finished=6).seen)
    print(" " * 13, keeps_the_best(left, scores, mode="min").seen)

# %% [markdown]
# ## 9.2 Resume, do not restart
#
# The run takes 4 epochs of 32 updates, 128 in all. The learning rate follows one cycle: it rises, then falls to almost nothing at update 128. After update 80, in the third epoch, the process is
# killed. The newest file is from the end of the second epoch, update 64.
#
# You load the model with `Model.load_from_checkpoint(path)` and call `trainer.fit(model)` with the same Trainer options, `max_epochs=4`.
#
# **Predict.** How many updates follow?
#
# - **a** 128: it begins at the first epoch;
# - **b** 64: the file knows that two of four epochs are done;
# - **c** 48: it continues where it was killed.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
class OneCycle(DigitNet):
    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters())
        total = self.trainer.estimated_stepping_batches
        schedule = OneCycleLR(optimizer, max_lr=1e-2, total_steps=total)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


# %% [markdown]
# Dropout and the order of the images are random, and Lightning does not save the state of the random generators. This callback does, for the CPU and for all CUDA devices (without one, the list is empty). Both versions use it.


# %%
class KeepsRandomState(L.Callback):
    def on_save_checkpoint(self, trainer, pl_module, checkpoint):
        checkpoint["cpu_rng"] = torch.get_rng_state()
        checkpoint["cuda_rng"] = torch.cuda.get_rng_state_all()

    def on_load_checkpoint(self, trainer, pl_module, checkpoint):
        if trainer.state.fn == "fit":  # not when it validates, tests or predicts
            torch.set_rng_state(checkpoint["cpu_rng"])
            states = checkpoint["cuda_rng"][: torch.cuda.device_count()]
            torch.cuda.set_rng_state_all(states)


# %% [markdown]
# ### Bad: load the weights, then fit


# %% tags=["bad"]
def restart(trainer, path):
    model = OneCycle.load_from_checkpoint(path, dropout=0.2)
    trainer.fit(model, loader)
    return model


# %% [markdown]
# ### Good: give the file to `fit`


# %% tags=["good"]
def resume(trainer, path):
    model = OneCycle(dropout=0.2)
    trainer.fit(model, loader, ckpt_path=path)
    return model


# %% [markdown]
# ### The contrast
#
# This time the kill is real. The folded cells start a second process and end it with SIGKILL (on Linux and macOS), a signal that no program can
# catch.
#
# Then your notebook starts again from the files, under a different seed, as a new process would. At the end the weights are compared, bit for bit, with those of a run that was never killed; all runs use the CPU for that ([5.2](05_reproducibility.ipynb)).

# %% tags=["apparatus"]
# The Trainer of both versions, a callback that notes rates, one that kills.
from course_utils.distributed import kill_this_process, run_until_killed

train_images, train_labels = data.train_images[:1024], data.train_labels[:1024]
train_set = TensorDataset(scaled(train_images), train_labels)
loader = DataLoader(train_set, batch_size=32, shuffle=True)


class NotesRates(L.Callback):
    def __init__(self, file):
        self.file = file

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        with open(self.file, "a") as lines:
            rate = optimizer.param_groups[0]["lr"]
            lines.write(f"{trainer.current_epoch + 1} {rate}\n")


class PowerCut(L.Callback):
    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == 80:
            kill_this_process()


# %%
def new_trainer(folder, *more):
    callbacks = [KeepsRandomState(), newest(folder), *more]
    options = quiet_trainer(accelerator="cpu", enable_checkpointing=True)
    return L.Trainer(max_epochs=4, callbacks=callbacks, **options)


# %% tags=["apparatus"]
# Kills a run, starts again, compares bits with a run that was never killed.
from functools import cache
from itertools import pairwise


def bits(model):
    """Return the bytes of each weight tensor."""
    return [each.detach().cpu().numpy().tobytes() for each in model.parameters()]


def first_run(folder, seed, *more):
    L.seed_everything(seed, verbose=False)
    model = OneCycle(dropout=0.2)
    notes = NotesRates(f"{folder}/rates.txt")
    new_trainer(folder, notes, *more).fit(model, loader)
    return model


@cache
def bits_without_a_kill(seed):
    with TemporaryDirectory() as folder:
        return bits(first_run(folder, seed))


def rates_noted(folder):
    """Return epoch and learning rate of every update that the file tells of."""
    lines = Path(folder, "rates.txt").read_text().splitlines()
    return [tuple(map(float, line.split())) for line in lines]


# %% tags=["apparatus"]
# What the contrast measures.
def kill_and_start(start_again):
    seed = torch.initial_seed()
    expected = bits_without_a_kill(seed)
    with TemporaryDirectory() as folder:
        run_until_killed(lambda: first_run(folder, seed, PowerCut()))
        before = len(rates_noted(folder))
        L.seed_everything(seed + 1, verbose=False)
        trainer = new_trainer(folder, NotesRates(f"{folder}/rates.txt"))
        model = start_again(trainer, f"{folder}/last.ckpt")
        epochs, rates = zip(*rates_noted(folder))
    after, pairs = rates[before:], zip(bits(model), expected)
    return {
        "updates before the kill": before,
        "updates after it": len(after),
        "first epoch after it": int(epochs[before]),
        "updates with a rising rate": sum(b > a for a, b in pairwise(after)),
        "weight tensors that differ": sum(a != b for a, b in pairs),
        "test accuracy": accuracy(model, *test),
        "rates": rates,
    }


# %% tags=["apparatus"]
# The figure of the contrast.
plot = Lines(
    "Resumed, the cycle continues; restarted, it begins again",
    "rates",
    x="update, in the order in which they were made",
    y="learning rate",
)

# %% tags=["contrast"]
result = contrast(
    "9.2", kill_and_start, bad=restart, good=resume, prediction=prediction, figure=plot
)

# %% tags=["claim"]
text = "on the CPU, a run with dropout and shuffling that was killed and resumed by ckpt_path from a file of an epoch's end ends with the bits of one that was never killed, if a callback saves the random state"
claim("9.2", text, result.good["weight tensors that differ"] == 0)
text = "restarting a run of four epochs, killed in its third, from the loaded weights makes twice as many updates as resuming it"
claim("9.2", text, result.times("updates after it") == 2)

# %% [markdown]
# After the kill the good curve steps back to update 64, repeats the 16 updates that were lost, and continues to the end. The bad curve goes through the whole cycle again. Lightning says nothing.
#
# **Why.** A checkpoint holds weights, the optimizer's averages, the schedule's position, epoch and step, and the state of callbacks. `load_from_checkpoint` is made for *using* a model: it
# takes the weights and calls the module's own hook. `fit(ckpt_path=...)` takes everything.
#
# This is an ordinary run, and the two accuracies are close. The restarted one is not the experiment that you planned.
#
# **Bit for bit?** Yes, if the file is from the end of a training epoch. With other validation intervals that takes `save_on_train_epoch_end=True`, as in 9.1. The folded cells try two of them.


# %% tags=["apparatus"]
# Stops a run within an epoch and resumes it, for two intervals, without and with it.


class StopsAt(L.Callback):
    def __init__(self, updates):
        self.updates = updates

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == self.updates:
            raise RuntimeError("stopped")


# %% tags=["apparatus"]
# Trains from a file if there is one; compares a run that was stopped with a whole one.
eight = DataLoader(TensorDataset(*train_set[:256]), batch_size=32, shuffle=True)


def trained(make, folder, seed, *more, path=None, **flags):
    L.seed_everything(seed, verbose=False)
    model, callbacks = DigitNet(0.2), [KeepsRandomState(), *make(folder), *more]
    quiet = quiet_trainer(accelerator="cpu", enable_checkpointing=True, **flags)
    with suppress(RuntimeError):
        trainer = L.Trainer(max_epochs=5, callbacks=callbacks, **quiet)
        trainer.fit(model, eight, val_loader, ckpt_path=path)
    return bits(model)


def tensors_that_differ(make, **flags):
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        whole = trained(make, one, 1, **flags)
        trained(make, other, 1, StopsAt(29), **flags)
        again = trained(make, other, 2, path=f"{other}/last.ckpt", **flags)
    return sum(a != b for a, b in zip(whole, again))


# %% tags=["apparatus"]
# The claims of the cell above, and two more about the contrast.
intervals = {"four times per epoch": {"val_check_interval": 0.25}}
intervals["every second epoch"] = {"check_val_every_n_epoch": 2}
for name, flags in intervals.items():
    count = tensors_that_differ(newest_by_default, **flags)
    text = f"with dropout, shuffling and validation {name}, a run stopped within an epoch and resumed from a file saved by default does not end with the bits of an uninterrupted one"
    claim("9.2", text, count, equals=4)
    count = tensors_that_differ(newest_after_every_epoch, **flags)
    text = f"with dropout, shuffling and validation {name}, a run stopped within an epoch and resumed from a file saved with save_on_train_epoch_end=True ends with the bits of an uninterrupted one"
    claim("9.2", text, count, equals=0)
text = "a run that is killed and restarted from the loaded weights ends with all weight tensors different from those of a run that was never killed"
claim("9.2", text, result.bad["weight tensors that differ"] == 4)
text = "resumed after its one-cycle learning rate has peaked, a run's rate only falls"
claim("9.2", text, result.good["updates with a rising rate"] == 0)

# %% [markdown]
# **More epochs than planned?** A finished run resumes and makes no more updates, unless `max_epochs` is larger. But a OneCycle schedule comes back with its old length: after that, Lightning stops with `ValueError: Tried to step …
# times` (*Going further*).
#
# **Scope.** CPU, one process, Lightning 2.6, files from the end of a training epoch. On a GPU, where we have not measured it, dropout draws from CUDA's generator, which the callback saves; you also need
# deterministic operations. With several processes, all get the state of the first. If you draw from NumPy or Python's `random`, save those states, too ([5.3](05_reproducibility.ipynb)). With `persistent_workers=True` a new loader draws once more, and the bits differ.
#
# **When the bad version is right.** For *fine-tuning*: other data, a new schedule, a different number of epochs. A weights-only file is enough for that. Being able to resume costs disk space, since Adam keeps two averages per weight:


# %% tags=["apparatus"]
# Compares the sizes of two files.
def megabytes(**saving):
    with TemporaryDirectory() as folder:
        saves = ModelCheckpoint(folder, filename="file", **saving)
        fit(DigitNet(), [saves], loader, max_epochs=1, limit_train_batches=1)
        return os.path.getsize(f"{folder}/file.ckpt") / 1e6


ratio = megabytes() / megabytes(save_weights_only=True)
print(f"a resumable file is {ratio:.1f} times as large")
text = "with Adam, a resumable file takes at least twice the disk space of one with weights only"
claim("9.2", text, ratio, at_least=2.0)

# %% [markdown]
# ### Your turn · A job that is started again and again
#
# A cluster kills your job when its time is up, and starts it again: the same call, `job(model, loader, folder)`, with a new model. What is in `folder` is all that remains. Write the job so that, however often it was
# killed, its 4 epochs end with the weights of a run that was never killed, and a further call makes no more updates. There is no validation, and the model saves and restores the CPU's random state itself. The check kills a process, twice. *(8 minutes)*


# %% tags=["exercise"]
def job(model, loader, folder):
    trainer = L.Trainer(max_epochs=4, **quiet_trainer(accelerator="cpu"))
    trainer.fit(model, loader)
    trainer.save_checkpoint(f"{folder}/model.ckpt")


# %%
check("9.2", job)

# %%
# hint("9.2")

# %% [markdown]
# ### Take along
#
# This callback refuses to start from scratch in a folder that holds a `last*.ckpt`:


# %% tags=["guard"]
class RefusesToRestart(L.Callback):
    def on_train_start(self, trainer, pl_module):
        folder = trainer.checkpoint_callback.dirpath
        found = [file.name for file in Path(folder).glob("last*.ckpt")]
        assert trainer.global_step or not found, f"resume from {found}, or move it"


# %% tags=["apparatus"]
# Tries the guard on both versions.
def try_restart(start_again):
    with TemporaryDirectory() as folder:
        with suppress(RuntimeError):
            stopped = new_trainer(folder, StopsAt(40))
            stopped.fit(OneCycle(dropout=0.2), loader)
        trainer = new_trainer(folder, RefusesToRestart(), StopsAt(66))
        with suppress(RuntimeError):
            start_again(trainer, f"{folder}/last.ckpt")


try_guard("9.2", bad=lambda: try_restart(restart), good=lambda: try_restart(resume))

# %% [markdown]
# ### Going further
#
# **Why a callback?** Many projects have these two hooks in the module. For `fit` they work. But `load_from_checkpoint` calls the module's hook as well, so a program that only uses the model loses its own random state:


# %%
class RestoresInTheModule(DigitNet):
    def on_save_checkpoint(self, checkpoint):
        checkpoint["cpu_rng"] = torch.get_rng_state()

    def on_load_checkpoint(self, checkpoint):
        torch.set_rng_state(checkpoint["cpu_rng"])


# %% tags=["apparatus"]
# Two programs with different seeds load a model; do they draw the same numbers then?
def draws_after_loading(model_class, *callbacks):
    drawn = []
    with TemporaryDirectory() as folder:
        saves = [newest(folder), *callbacks]
        fit(model_class(), saves, loader, max_epochs=1, limit_train_batches=1)
        for seed in (5, 6):
            torch.manual_seed(seed)
            model_class.load_from_checkpoint(f"{folder}/last.ckpt")
            drawn.append(torch.rand(8))
    return int((drawn[0] == drawn[1]).sum())


text = "after load_from_checkpoint of a module that restores the random state in its own hook, two programs with different seeds draw the same numbers"
claim("9.2", text, draws_after_loading(RestoresInTheModule), equals=8)
text = "load_from_checkpoint leaves the random numbers alone if a callback restores the random state"
claim("9.2", text, draws_after_loading(DigitNet, KeepsRandomState()), equals=0)

# %% [markdown]
# The callback's hook belongs to a Trainer, and asks what the Trainer is about to do. `on_train_start` would be too late: by then Lightning has started the loader, which draws as well.
#
# **Ways to resume that do not do what you think:**


# %% tags=["apparatus"]
# Trains one epoch with a ModelCheckpoint, then resumes; returns model and outcome.
def try_to_resume(model_class=DigitNet, batches=loader, epochs=2, **saving):
    with TemporaryDirectory() as folder:
        ckpt_path = saving.pop("ckpt_path", f"{folder}/file.ckpt")
        saves = ModelCheckpoint(folder, filename="file", **saving)
        options = quiet_trainer(enable_checkpointing=True)
        L.Trainer(max_epochs=1, callbacks=[saves], **options).fit(
            model_class(), batches
        )
        model, again = model_class(), ModelCheckpoint(folder)
        trainer = L.Trainer(max_epochs=epochs, callbacks=[again], **options)
        try:
            trainer.fit(model, batches, ckpt_path=ckpt_path)
        except Exception as error:
            return model, f"{type(error).__name__}: {str(error).split('.')[0]}"
    return model, "resumed"


class CountsUpdates(DigitNet):
    updates = 0

    def on_before_optimizer_step(self, optimizer):
        self.updates += 1


def updates(**changes):
    return try_to_resume(CountsUpdates, **changes)[0].updates


# %%
print("a whole file, 2 epochs:  ", updates(), "updates")
print("the run was complete:    ", updates(epochs=1), "updates")
print("'last', but no such file:", updates(ckpt_path="last"), "updates")
prolonged = try_to_resume(OneCycle)[1]
print("OneCycle, one epoch more:", prolonged)
weights_only = try_to_resume(save_weights_only=True)[1]
print("save_weights_only:       ", weights_only.split(":")[0])

# %% tags=["claim"]
text = "a finished run whose module has a OneCycle schedule cannot be resumed for one epoch more"
claim("9.2", text, "Tried to step" in prolonged)
text = "a file with weights only cannot be given to fit as ckpt_path"
claim("9.2", text, weights_only != "resumed")

# %% [markdown]
# Only the first one continued: 32 updates, the second epoch. `ckpt_path="last"` looks in the folders of the checkpoint callbacks for a file whose name begins with `last`; without one
# it trains all epochs from scratch, with a warning. A file with weights only fails when you resume.
#
# **A file from the middle of an epoch.** Ten batches of 64 images come in a fixed order, and the file is saved after the sixth.


# %%
class NotesImages(DigitNet):
    def __init__(self):
        super().__init__()
        self.seen = set()

    def training_step(self, batch, batch_idx):
        *batch, numbers = batch
        self.seen.update(numbers.tolist())
        return super().training_step(batch, batch_idx)


# %%
numbered = TensorDataset(*train_set[:640], torch.arange(640))
in_order = DataLoader(numbered, batch_size=64)
model, _ = try_to_resume(NotesImages, in_order, epochs=1, every_n_train_steps=6)
before = set(range(6 * 64))
print("images seen after resuming:", len(model.seen))
print("of these seen before:      ", len(model.seen & before))
never = set(range(640)) - before - model.seen
text = "an epoch resumed from a file saved after six of ten batches leaves four tenths of the images out, if the loader does not keep its place"
claim("9.2", text, len(never) / 640, equals=0.4)

# %% [markdown]
# Lightning knows that four batches are left, and takes the *first* four, again: the loader does not remember where it was. [5.3](05_reproducibility.ipynb) builds a loader that does. torchdata's `StatefulDataLoader` is made for it, too. But at the end of an
# epoch Lightning 2.6 does not call its `load_state_dict`, so test it in both places: within an epoch and at the end.

# %% [markdown]
# **Second sitting.** Run all cells above once more; the rest builds on `DigitNet`, `data`, `train_set` and 9.2's helpers.
#
# ## 9.3 Save your own state
#
# Some classes are harder than others. This module gives a class more weight in the loss the more errors it made lately: after each batch, the new class weights are
# 98 % of the old ones plus 2 % of the errors counted. They begin at one for every class.
#
# After two epochs the run is resumed with `ckpt_path`, and all that 9.2 listed comes back.
#
# **Predict.** On the CPU, the first step after resuming uses
#
# - **a** the class weights of the step before: they are a tensor of the module;
# - **b** ones, without a warning;
# - **c** nothing: resuming stops, because the file does not hold them.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
class WeighsClasses(DigitNet):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        logits = self(images)
        loss = F.cross_entropy(logits, labels, weight=self.class_weights)
        wrong = (logits.argmax(1) != labels).float()
        errors = torch.bincount(labels, wrong, minlength=data.num_classes)
        self.class_weights = 0.98 * self.class_weights + 0.02 * errors
        return loss


# %% [markdown]
# ### Bad: an attribute


# %% tags=["bad"]
class KeepsAnAttribute(WeighsClasses):
    def __init__(self):
        super().__init__()
        self.class_weights = torch.ones(data.num_classes)


# %% [markdown]
# ### Good: a buffer


# %% tags=["good"]
class RegistersABuffer(WeighsClasses):
    def __init__(self):
        super().__init__()
        self.register_buffer("class_weights", torch.ones(data.num_classes))


# %% [markdown]
# ### The contrast
#
# Nothing is random here: the images come in a fixed order, and there is no dropout. The folded cells train two epochs, save, and let a new module continue from the file for two more. A second run trains
# all four epochs without a break. The figure follows the largest class weight, divided by the mean of all.


# %% tags=["apparatus"]
# Trains in a fixed order, from a file if there is one.
def fit_in_order(model, epochs, path=None, *callbacks):
    options = quiet_trainer(accelerator="cpu", callbacks=[*callbacks])
    trainer = L.Trainer(max_epochs=epochs, **options)
    trainer.fit(model, ordered, ckpt_path=path)
    return trainer


# %% tags=["apparatus"]
# Trains two epochs, resumes for two more, compares with a run of four; the figure.
import copy

ordered = DataLoader(train_set, batch_size=64)


class NotesWeights(L.Callback):
    def __init__(self):
        self.largest = []

    def on_train_start(self, trainer, pl_module):
        self.at_start = pl_module.class_weights.tolist()

    def on_train_batch_end(self, trainer, pl_module, *_):
        weights = pl_module.class_weights
        self.largest.append(float(weights.max() / weights.mean()))


plot = Lines(
    "Resumed after update 32, the attribute is back at ones",
    "largest",
    x="update",
    y="largest class weight / mean",
)


# %% tags=["apparatus"]
# What the contrast measures.
def stop_and_resume(model_class):
    model, notes = model_class(), NotesWeights()
    through = copy.deepcopy(model)
    fit_in_order(through, 4)
    trainer = fit_in_order(model, 2, None, notes)
    with TemporaryDirectory() as folder:
        trainer.save_checkpoint(f"{folder}/run.ckpt")
        resumed = model_class()
        fit_in_order(resumed, 4, f"{folder}/run.ckpt", notes)
    pairs = zip(resumed.parameters(), through.parameters())
    return {
        "class weights that are one at resuming": notes.at_start.count(1.0),
        "largest / mean at update 32": notes.largest[31],
        "largest / mean at update 33": notes.largest[32],
        "weight tensors that differ": sum(not torch.equal(a, b) for a, b in pairs),
        "test accuracy": accuracy(resumed, *test),
        "test accuracy without a break": accuracy(through, *test),
        "largest": notes.largest,
    }


# %% tags=["contrast"]
result = contrast(
    "9.3",
    stop_and_resume,
    bad=KeepsAnAttribute,
    good=RegistersABuffer,
    prediction=prediction,
    figure=plot,
)

# %% tags=["claim"]
text = "resumed on the CPU, a tensor in a plain attribute is back at the value from __init__"
name = "class weights that are one at resuming"
claim("9.3", text, result.bad[name] == data.num_classes)
text = "a run without randomness whose statistics are in a buffer resumes bit-identical to an uninterrupted run"
claim("9.3", text, result.good["weight tensors that differ"] == 0)

# %% [markdown]
# **Why.** Lightning saves what `state_dict()` returns, and PyTorch puts parameters and *buffers* there. A tensor in a plain attribute is neither. Nothing is missing when the file is loaded, because `__init__`
# has made a new tensor, so Lightning says nothing. (Assigning a tensor to the name of a buffer, as the step does, leaves it a buffer.) The run is ordinary but for its fixed order, and the table shows how little its accuracy tells.
#
# A buffer must be a tensor. Lightning's hooks carry more:


# %%
class UsesHooks(KeepsAnAttribute):
    def on_save_checkpoint(self, checkpoint):
        checkpoint["class_weights"] = self.class_weights

    def on_load_checkpoint(self, checkpoint):
        self.class_weights = checkpoint["class_weights"]


# %% tags=["apparatus"]
# Resumes with the hooks; and two claims more.
differ = stop_and_resume(UsesHooks)["weight tensors that differ"]
text = "a run without randomness whose statistics go through the module's checkpoint hooks resumes bit-identical to an uninterrupted run"
claim("9.3", text, differ, equals=0)
text = "if class weights in a plain attribute start over, the resumed run ends with all weight tensors different from those of an uninterrupted run"
claim("9.3", text, result.bad["weight tensors that differ"] == 4)

# %% [markdown]
# For tensors choose the buffer: it also moves to the GPU. Callbacks and data modules have `state_dict` and `load_state_dict` for the same purpose.
#
# **Which values?** The folded cells put twelve kinds of values through the hooks: numbers, lists, arrays, paths, times. Each is saved, then resumed. How many come back?

# %% tags=["apparatus"]
# Twelve kinds of values.
import random
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import datetime

import numpy as np

values = {
    "NumPy number, as from np.mean": np.mean([0.5, 0.7]),
    "NumPy array": np.ones(3),
    "np.random.get_state()": np.random.get_state(),
    "deque": deque([0.5], maxlen=20),
    "defaultdict": defaultdict(int, seen=1),
    "Path": Path("images"),
    "datetime": datetime(2026, 1, 1),
    "int, float, str, bool, None": [1, 0.5, "images", True, None],
    "list, tuple, dict, set": [[1], (1, 2), {"a": 1}, {1}],
    "OrderedDict, Counter": [OrderedDict(a=1), Counter("aab")],
    "tensor, torch.get_rng_state()": [torch.ones(2), torch.get_rng_state()],
    "random.getstate()": random.getstate(),
}


# %% tags=["apparatus"]
# Saves a value through the hook of a module, then resumes.
class Carries(DigitNet):
    value = None

    def on_save_checkpoint(self, checkpoint):
        checkpoint["value"] = self.value


def attempt(action):
    try:
        action()
    except Exception as error:
        return type(error).__name__
    return "works"


def carry(value, **options):
    model, quiet = Carries(), quiet_trainer(accelerator="cpu", limit_train_batches=1)
    model.value = value
    first, second = (L.Trainer(max_epochs=n, **quiet) for n in (1, 2))
    first.fit(model, ordered)
    with TemporaryDirectory() as folder:
        path = f"{folder}/run.ckpt"
        saved = attempt(lambda: first.save_checkpoint(path))
        again = {"ckpt_path": path, **options}
        return saved, attempt(lambda: second.fit(Carries(), ordered, **again))


# %% tags=["apparatus"]
# The figure, and its claims.
from course_utils.experiments.plots import Cells, show

outcomes = {name: carry(value) for name, value in values.items()}
saved = {name: saved for name, (saved, _) in outcomes.items()}
resumed = {name: resumed for name, (_, resumed) in outcomes.items()}
grid = Cells("All twelve can be saved. Seven do not come back", list(values))
show(grid, {"save": saved, "resume": resumed})
text = (
    "all twelve kinds of values that the lesson tries can be saved in a checkpoint hook"
)
claim("9.3", text, list(saved.values()).count("works"), equals=12)
text = "seven of the twelve kinds of values saved in a checkpoint hook make the file unreadable by default, NumPy arrays and deques among them"
claim("9.3", text, list(resumed.values()).count("UnpicklingError"), equals=7)

# %% [markdown]
# Loading fails, and only when you resume. One such value makes the whole file unreadable. Since PyTorch 2.6 and Lightning 2.6, files are
# read with `weights_only=True`, because unpickling can run any code ([3.2](03_hyperparameters.ipynb)). Make values plain before they are saved: `float(x)`, `x.tolist()`, `list(d)`, `str(path)`. An existing
# file is not lost: if you wrote it yourself, `fit(..., weights_only=False)` reads it.
#
# **Scope.** CPU, as measured; one process (of several, the file holds the first one's state). On a GPU the plain attribute stays on the CPU, and the first step stops with an error about devices ([2.3](02_device_agnosticism.ipynb)); if you fix that with
# `.to(self.device)`, resuming is back to ones without a warning.
#
# **When the bad version is right.** When the value can be computed again, such as a cache, or should start over, such as a timer; `register_buffer(..., persistent=False)` moves a tensor to the device but not into the file.
# And a buffer has a price: older files do not fit any more (*Going further*).
#
# ### Your turn · A window of losses
#
# This module divides each loss by the mean of the last eight. It saves the window, and the file cannot be resumed. Make a resumed run bit-identical to an uninterrupted one, without `weights_only=False`. *(8 minutes)*


# %% tags=["exercise"]
class DividesByRecent(DigitNet):
    def __init__(self):
        super().__init__()
        self.recent = deque(maxlen=8)

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.recent.append(loss.item())
        return loss / np.mean(self.recent)

    def on_save_checkpoint(self, checkpoint):
        checkpoint["recent"] = self.recent

    def on_load_checkpoint(self, checkpoint):
        self.recent = checkpoint["recent"]


# %%
check("9.3", DividesByRecent)

# %%
# hint("9.3")

# %% [markdown]
# ### Take along
#
# For a test: no part of the module keeps a tensor in a plain attribute. (It does not look into lists, and does not know your hooks.)


# %% tags=["guard"]
def assert_saves_its_tensors(module):
    parts = [vars(part).items() for part in module.modules()]
    loose = [name for part in parts for name, x in part if isinstance(x, torch.Tensor)]
    assert not loose, f"tensors that no checkpoint holds: {loose}"


# %% tags=["apparatus"]
# Tries the guard on both versions.
try_guard(
    "9.3",
    bad=lambda: assert_saves_its_tensors(KeepsAnAttribute()),
    good=lambda: assert_saves_its_tensors(RegistersABuffer()),
)

# %% [markdown]
# ### Going further
#
# **PyTorch's extra state** works in every `nn.Module`, even deep inside your network, where Lightning's hooks are not called:


# %%
class UsesExtraState(KeepsAnAttribute):
    def get_extra_state(self):
        return {"class_weights": self.class_weights}

    def set_extra_state(self, state):
        self.class_weights = state["class_weights"]


differ = stop_and_resume(UsesExtraState)["weight tensors that differ"]
text = "a run without randomness whose statistics are the module's extra state resumes bit-identical to an uninterrupted run"
claim("9.3", text, differ, equals=0)
trusting = carry(np.ones(3), weights_only=False)[1]
print("a NumPy array, with weights_only=False:", trusting)

# %% [markdown]
# **The same attribute on a GPU** ([2.1](02_device_agnosticism.ipynb) explains `runs_on`):

# %% tags=["apparatus"]
# Takes one step of each version to a GPU, simulated if there is none.
from course_utils.checks import runs_on, simulated_gpus

batch = next(iter(ordered))
with simulated_gpus(max(torch.cuda.device_count(), 1)):
    found = runs_on(KeepsAnAttribute(), batch, "cuda:0")
print(found.seen)
text = "on a GPU, a step that uses a tensor in a plain attribute stops with an error about devices"
claim("9.3", text, found.ok is False)

# %% [markdown]
# **Files from before the buffer** have no `class_weights`, and loading says so:

# %% tags=["raises-exception"]
RegistersABuffer().load_state_dict(KeepsAnAttribute().state_dict())

# %% [markdown]
# To take the rest of an old file on purpose, call `load_state_dict(..., strict=False)`. For `load_from_checkpoint` and `fit(ckpt_path=...)`, set `self.strict_loading = False` in the module's `__init__`; PyTorch's
# own `load_state_dict` does not read that attribute. Either way the class weights begin as ones.


# %%
class TakesOldFiles(RegistersABuffer):
    def __init__(self):
        super().__init__()
        self.strict_loading = False


# %% tags=["apparatus"]
# Three ways to load the old file.
def loads_old_file(action):
    with TemporaryDirectory() as folder:
        trainer = fit_in_order(KeepsAnAttribute(), 1)
        trainer.save_checkpoint(f"{folder}/old.ckpt")
        return attempt(lambda: action(f"{folder}/old.ckpt"))


loading = {
    "load_state_dict": lambda file: TakesOldFiles().load_state_dict(
        torch.load(file)["state_dict"]
    ),
    "load_from_checkpoint": TakesOldFiles.load_from_checkpoint,
    "fit(ckpt_path=...)": lambda file: fit_in_order(TakesOldFiles(), 2, file),
}
found = {name: loads_old_file(action) for name, action in loading.items()}
print(found)
text = "strict_loading=False lets fit and load_from_checkpoint take a file without a buffer, but not load_state_dict"
claim("9.3", text, list(found.values()) == ["RuntimeError", "works", "works"])

# %% [markdown]
# ## One recipe to paste
#
# All of it in one cell: it keeps the best weights, the newest epoch and, for epochs that last for hours, a file every half hour (`train_time_interval`). The third file is also written when the run stops with an exception
# (`save_on_exception`, since Lightning 2.5.3), with Ctrl-C, or with SIGTERM, which many clusters send before they kill: Lightning turns it into an exception after the current batch.

# %%
# Recipe: trainer = L.Trainer(callbacks=checkpoints("runs/1", "val_loss", "min"), ...)
#         trainer.fit(model, data, ckpt_path="last")  # resumes from the newest file
from datetime import timedelta

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint


class KeepsRandomState(L.Callback):
    def on_save_checkpoint(self, trainer, pl_module, checkpoint):
        checkpoint["cpu_rng"] = torch.get_rng_state()
        checkpoint["cuda_rng"] = torch.cuda.get_rng_state_all()

    def on_load_checkpoint(self, trainer, pl_module, checkpoint):
        if trainer.state.fn == "fit":
            torch.set_rng_state(checkpoint["cpu_rng"])
            states = checkpoint["cuda_rng"][: torch.cuda.device_count()]
            torch.cuda.set_rng_state_all(states)


def checkpoints(folder, monitor, mode, every=timedelta(minutes=30)):
    same = {"dirpath": folder, "enable_version_counter": False}
    best = ModelCheckpoint(folder, "best-{epoch}", monitor=monitor, mode=mode)
    epoch = ModelCheckpoint(filename="last-epoch", save_on_train_epoch_end=True, **same)
    timed = {"train_time_interval": every, "save_on_exception": True}
    within = ModelCheckpoint(filename="last-within-epoch", **timed, **same)
    return [KeepsRandomState(), best, epoch, within]


# %% [markdown]
# Two names begin with `last`, so `ckpt_path="last"` takes the newer file. The folded cells test the recipe: one run gets SIGKILL in its third epoch, a second one SIGTERM. The same call then starts each again.

# %% tags=["apparatus"]
# A job that uses the recipe; signals that hit it after a number of updates.
import signal

from course_utils.distributed import run_processes


class Hit(L.Callback):
    def __init__(self, hit):
        self.hit = hit

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == 80:
            self.hit()


def recipe_job(folder, seed, *more):
    L.seed_everything(seed, verbose=False)
    model = OneCycle(dropout=0.2)
    callbacks = [*checkpoints(folder, "val_loss", "min"), *more]
    quiet = quiet_trainer(accelerator="cpu", enable_checkpointing=True)
    trainer = L.Trainer(max_epochs=4, callbacks=callbacks, **quiet)
    trainer.fit(model, loader, val_loader, ckpt_path="last")
    return bits(model), trainer.global_step


def files_of(folder):
    files = sorted(Path(folder).glob("last*.ckpt"))
    return {file.stem: torch.load(file)["global_step"] for file in files}


# %% tags=["apparatus"]
# Kills the job with SIGKILL, or stops it with SIGTERM, and starts it again.
def stopped_by_sigterm(folder):
    try:
        recipe_job(folder, 1, Hit(lambda: os.kill(os.getpid(), signal.SIGTERM)))
    except SystemExit as stop:
        return stop.code
    return "not stopped"


with TemporaryDirectory() as whole, TemporaryDirectory() as killed:
    expected, _ = recipe_job(whole, 1)
    run_until_killed(lambda: recipe_job(killed, 1, Hit(kill_this_process)))
    print("after SIGKILL, updates in the files:", files_of(killed))
    ended, _ = recipe_job(killed, 2)
text = "on the CPU, a run with the recipe that was killed by SIGKILL and started again ends with the bits of one that was never killed"
claim("9.2", text, ended == expected)

with TemporaryDirectory() as folder:
    code = run_processes(lambda: stopped_by_sigterm(folder), processes=1)[0]
    print("after SIGTERM, updates in the files:", files_of(folder))
    left = max(files_of(folder).values())
    print("exit code:", code or 0)
    print("started again, updates in all:", recipe_job(folder, 2)[1])
text = "on the CPU, a run with the recipe that was stopped by SIGTERM loses no update"
claim("9.2", text, left, equals=80)

# %% [markdown]
# After SIGKILL the newest epoch is left, and the resumed run ends with the same bits. After SIGTERM no update is lost, but a file from within an epoch leaves images out, unless the loader keeps its place ([5.3](05_reproducibility.ipynb)). If bits matter more to you than minutes,
# or if your own code raised the exception, resume from `last-epoch.ckpt`.
#
# **Scope.** One process, Lightning 2.6; SIGTERM on Linux and macOS only.
#
# ### Going further
#
# **The scheduler's view.** With Lightning 2.6 a process ends with exit code 0 after SIGTERM, as printed above, so a scheduler may take the job for finished. On SLURM, Lightning saves and requeues by itself if the cluster sends SIGUSR1 (its documentation; not tried here). Lightning's own `OnExceptionCheckpoint` is an alternative to the third
# callback; it deletes its file at the next normal end.

# %% [markdown]
# ## Symptoms
#
# What you see at work, and where to look:
#
# | You see | Look at |
# |---|---|
# | the newest checkpoint is hours older than the end of the run | 9.1 |
# | after a crash the folder of checkpoints is empty | 9.1 |
# | the file called best has one of the worst scores | 9.1 |
# | after resuming, the learning rate starts from the beginning | 9.2 |
# | resuming for more epochs stops with "Tried to step … times" | 9.2 |
# | resuming repeats some images of the epoch and omits others | 9.2 |
# | a loss that was weighted or normalized by running statistics jumps after resuming | 9.3 |
# | resuming stops with `UnpicklingError: Weights only load failed` | 9.3 |
#
# ## Take away
#
# A checklist for your own code:
#
# - [ ] One `ModelCheckpoint` monitors the metric, with the right `mode`; a second one monitors nothing and saves on train epoch end.
# - [ ] I have killed a run of mine on purpose and looked at what it left.
# - [ ] A run continues with `fit(ckpt_path=...)`; `load_from_checkpoint` is for using and fine-tuning a model.
# - [ ] The random state of CPU and CUDA is saved, and restored only when the Trainer fits.
# - [ ] What a module learns outside its parameters is a buffer, or goes through hooks as plain values.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin: [the record](../src/course_utils/records/evidence.md#lesson-09).
#
# **Sources** Lightning's documentation on [checkpoints](https://lightning.ai/docs/pytorch/stable/common/checkpointing_intermediate.html) and
# [`ModelCheckpoint`](https://lightning.ai/docs/pytorch/stable/api/lightning.pytorch.callbacks.ModelCheckpoint.html);
# PyTorch's on [`torch.load` and `weights_only`](https://docs.pytorch.org/docs/stable/notes/serialization.html); MNIST by LeCun, Cortes and Burges.
#
# [Lesson 05](05_reproducibility.ipynb) is about random states, [lesson 03](03_hyperparameters.ipynb) about hyperparameters in the file. Next: [lesson 10](10_evaluation.ipynb), or look at the [solutions](../solutions/09_checkpointing.ipynb) of this one.

# %% tags=["own-code"]
# This lesson's questions, asked of your own code: name it in place of None.
my_module, my_data = None, None  # "my_package.model:MyModel", "my_package.data:MyData"
course_utils.check_my(my_module, my_data, select="9.*")
