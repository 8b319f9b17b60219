# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 06 · Five tools, and the bugs that each one misses
#
# Five switches of the Trainer find bugs in seconds, if you know what each of them sees. In this lesson you plant bugs on
# purpose. By the end you can
#
# - choose the tool that finds a given bug in seconds;
# - say what each tool misses, and what it costs;
# - write a smoke test and a "does it learn at all?" test for your own project.
#
# **You need** to know what a `LightningModule` and a `Trainer` are. New here?
# [Start here](00_start_here.ipynb) takes fifteen minutes.
#
# **Time** 40 minutes of reading and running, 43 minutes of exercises. All cells together run in about half a minute
# on two CPU cores. Two sittings: 6.1 to 6.3, then 6.4 and 6.5.

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
import lightning as L
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset, TensorDataset

from course_utils import check, claim, contrast, hint, solution, try_guard
from course_utils.data import ImageDataModule, scaled
from course_utils.hardware import quiet_trainer

# %% [markdown]
# `ImageDataModule` holds the images: shape `(batch, channel, height, width)`, bytes that it scales to values from 0 to 1
# (so does `scaled`). `quiet_trainer` returns options for a `Trainer` that prints nothing. Bugs will be planted in this
# small, healthy classifier; its `LayerNorm` gives every image a mean of 0 and a standard deviation of 1.

# %%
data = ImageDataModule(train_size=7000, batch_size=64)


class ImageClassifier(L.LightningModule):
    """Images of shape (batch, channel, height, width) to one logit per class."""

    def __init__(self, hidden=64):
        super().__init__()
        size, classes = data.num_features, data.num_classes
        standard = nn.LayerNorm(size, elementwise_affine=False)
        layers = [nn.Flatten(), standard, nn.Linear(size, hidden), nn.ReLU()]
        self.net = nn.Sequential(*layers, nn.Linear(hidden, classes))

    def forward(self, images):
        return self.net(images)

    def training_step(self, batch, batch_idx):
        images, labels, *_ = batch  # some loaders deliver more
        logits = self(images)
        accuracy = (logits.argmax(1) == labels).float().mean()
        self.log("train_acc", accuracy, on_step=False, on_epoch=True)
        return F.cross_entropy(logits, labels)

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        self.log("val_loss", F.cross_entropy(self(images), labels))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=3e-3)


# %% [markdown]
# ## 6.1 Dry-run with fast_dev_run
#
# A run takes all night and crashes on its last line. `fast_dev_run=True` promises to spare you that: it trains on one
# batch, validates on one batch, and ends.
#
# We plant a crash in six places, one at a time: in `training_step`, in `validation_step`, at the end of the epoch, at
# the end of training, while saving the checkpoint, and in a `forward` that cannot take the last, smaller batch.
#
# **Predict before you run.** How many of the six does the dry run find?
#
# - **a** all six: it runs the whole program, only shorter;
# - **b** four;
# - **c** two, those in the steps: an epoch that is cut off after one batch has no end.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %% tags=["apparatus"]
# A network that cannot take a smaller last batch.
class ExpectsFullBatches(ImageClassifier):
    def forward(self, images):
        return self.net(images.view(64, *data.image_shape))


# %% [markdown]
# ### Bad: start the long run and wait


# %% tags=["bad"]
def long_run(**options):
    return L.Trainer(max_epochs=1, **options)


# %% [markdown]
# ### Good: a dry run first


# %% tags=["good"]
def dry_run(**options):
    return L.Trainer(max_epochs=1, fast_dev_run=True, **options)


# %% [markdown]
# ### The contrast
#
# The folded cells only measure; click to open one. They train all six modules and note after how many batches each
# crash came.

# %% tags=["apparatus"]
# Plants a crash in a hook, trains, and returns whether and when it came.
from tempfile import TemporaryDirectory

hooks = ["training_step", "validation_step", "on_train_epoch_end", "on_train_end"]
places = [*hooks, "on_save_checkpoint", "smaller last batch"]


def crash(self, batch=None, batch_idx=None):
    raise RuntimeError("planted")


def planted_in(hook):
    return type("Planted", (ImageClassifier,), {hook: crash})


def crash_after(model, make_trainer):
    with TemporaryDirectory() as folder:
        saving = {"enable_checkpointing": True, "default_root_dir": folder}
        trainer = make_trainer(**quiet_trainer(**saving))
        try:
            trainer.fit(model, datamodule=data)
            crashed = False
        except RuntimeError:
            crashed = True
    return crashed, trainer.fit_loop.epoch_loop.batch_progress.total.ready


# %% tags=["apparatus"]
# Hunts for all six crashes with one kind of Trainer.
def hunt(make_trainer):
    models = [*(planted_in(hook)() for hook in places[:5]), ExpectsFullBatches()]
    cells, batches_run, found = {}, 0, 0
    for place, model in zip(places, models):
        crashed, batches = crash_after(model, make_trainer)
        late = f"batch {batches}" if batches > 1 else "at once"
        cells[place] = late if crashed else "not found"
        batches_run, found = batches_run + batches, found + crashed
    return {**cells, "crashes found": found, "batches run in all": batches_run}


# %% tags=["apparatus"]
# The figure of the contrast.
from course_utils.experiments.plots import Bars, Cells, Lines, StackedBars

title = "The dry run finds four of six crashes, all of them at once"
plot = Cells(title, places, fine="at once")


# %% tags=["contrast"]
result = contrast(
    "6.1", hunt, bad=long_run, good=dry_run, prediction=prediction, figure=plot
)

# %% tags=["claim"]
four, six = result.good["crashes found"], result.bad["crashes found"]
text = "fast_dev_run finds crashes in both steps and at the end of epoch and run"
claim("6.1", text, four == 4)
text = "a full epoch also finds crashes at a checkpoint and in a smaller last batch"
claim("6.1", text, six == 6)
text = "to find planted crashes, full epochs run at least 50 times as many batches as fast_dev_run"
claim("6.1", text, result.times("batches run in all") >= 50)

# %% [markdown]
# **Why.** A dry run is an epoch of one batch, with the hooks of an epoch. It leaves out all other batches, loggers,
# checkpoints and early stopping (so a misspelt `monitor` passes, too). Lightning admits half of that in an info
# message, which this notebook mutes: "Logging and checkpointing is suppressed." The long run, too, finds
# `validation_step` at once: it first validates two batches (the *sanity check*).
#
# Does it train on its batch, or only look at it?

# %% tags=["apparatus"]
# Compares the weights before and after a dry run.
import copy

model = ImageClassifier()
before = copy.deepcopy(model)
dry_run(**quiet_trainer()).fit(model, datamodule=data)
pairs = zip(before.parameters(), model.cpu().parameters())
changed = sum(not torch.equal(one, other) for one, other in pairs)
print(
    "weight tensors changed by the dry run:", changed, "of", len([*model.parameters()])
)
claim("6.1", "fast_dev_run trains the model that it is given", changed, equals=4)

# %% [markdown]
# It trains. Build a new model, seeded again, for the real run.
#
# **Scope.** Lightning 2.6, CPU or GPU, any validation interval. Several processes: each dry-runs one batch of its own
# share. `fast_dev_run=7` takes the first seven batches, still not the last. Only the crashes are staged.
#
# **When the bad version is right.** When the run is short. And one that costs days deserves more than a dry run: your
# first exercise.
#
# ### Your turn · A smoke test that sees more
#
# Write `smoke_test(model, loader)`. It trains for *at most five steps* and raises an exception if anything is wrong. It
# must notice four things: a crash at the end of the epoch, a last batch that is too small for the network, a checkpoint
# that cannot be saved, and training that changes no weight. A healthy model passes, and keeps its weights. The loader
# may hold hundreds of batches of a `TensorDataset`. *(10 minutes)*


# %% tags=["exercise"]
def smoke_test(model, loader):
    trainer = L.Trainer(fast_dev_run=True, **quiet_trainer())
    trainer.fit(model, loader)


# %%
check("6.1", smoke_test)

# %% [markdown]
# Stuck? `hint("6.1")` gives a nudge, the second call a bigger one. `solution("6.1")` shows one way to do it, with its
# reason.

# %%
# hint("6.1")

# %% [markdown]
# ### Take along
#
# A dry run of a second model, then the Trainer for the real run. They share the callbacks in `flags`.


# %% tags=["guard"]
def trainer_after_dry_run(make_model, datamodule, **flags):
    thrown_away = make_model()
    L.Trainer(**{**flags, "fast_dev_run": True}).fit(thrown_away, datamodule=datamodule)
    return L.Trainer(**flags)


# %% tags=["apparatus"]
# Tries the guard on a module that crashes at the end of the epoch, and on a healthy one.
flags = quiet_trainer(max_epochs=1)
try_guard(
    "6.1",
    bad=lambda: trainer_after_dry_run(planted_in("on_train_epoch_end"), data, **flags),
    good=lambda: trainer_after_dry_run(ImageClassifier, data, **flags),
)

# %% [markdown]
# ## 6.2 Limit the batches
#
# You own 7,000 labelled images. Would 70 have been enough? `limit_train_batches=0.1` uses ten percent of the data, says
# a popular list of tips. So you set 0.01 and train for 200 epochs, on a loader that shuffles.
#
# **Predict.** How many different images does the model see in these 200 epochs?
#
# - **a** 70, the same one percent again and again;
# - **b** about 1,000: the portions overlap more and more;
# - **c** more than 5,000.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% tags=["apparatus"]
# Images and labels, and the number of every image.
numbers = torch.arange(7000)
labelled = TensorDataset(scaled(data.train_images), data.train_labels, numbers)


# %% [markdown]
# ### Bad: the limit as a way to use less data


# %% tags=["bad"]
def limits_the_batches(model, **options):
    loader = DataLoader(labelled, batch_size=70, shuffle=True)
    trainer = L.Trainer(max_epochs=200, limit_train_batches=0.01, **options)
    trainer.fit(model, loader)


# %% [markdown]
# ### Good: a fixed subset


# %% tags=["good"]
def draws_a_subset(model, **options):
    chosen = Subset(labelled, torch.randperm(7000)[:70].tolist())
    loader = DataLoader(chosen, batch_size=70, shuffle=True)
    trainer = L.Trainer(max_epochs=200, **options)
    trainer.fit(model, loader)


# %% [markdown]
# ### The contrast
#
# Both train on one batch of 70 images per epoch. The folded cell counts the different images.

# %% tags=["apparatus"]
# Trains, and counts the different images seen.
from course_utils.measure import accuracy

guess = 1 / data.num_classes


def test_accuracy(model):
    return accuracy(model, data.test_images, data.test_labels)


class SeenImages(L.Callback):
    def __init__(self):
        self.ids, self.curve = set(), []

    def on_train_batch_end(self, trainer, model, outputs, batch, batch_idx):
        self.ids.update(batch[2].tolist())

    def on_train_epoch_end(self, trainer, model):
        self.curve.append(len(self.ids))


def count_images(train):
    model, seen = ImageClassifier(), SeenImages()
    train(model, **quiet_trainer(callbacks=[seen]))
    return {
        "images per epoch": seen.curve[0],
        "images in all": float(seen.curve[-1]),
        "test accuracy": test_accuracy(model),
        "images seen": seen.curve,
    }


title = "One percent of the batches, again and again, is most of the data"
plot = Lines(title, "images seen", x="epoch", y="different images seen")


# %% tags=["contrast"]
result = contrast(
    "6.2",
    count_images,
    bad=limits_the_batches,
    good=draws_a_subset,
    prediction=prediction,
    figure=plot,
)

# %% tags=["claim"]
many, fixed = result.bad["images in all"], result.good["images in all"]
text = "two hundred epochs, each limited to one percent of the shuffled batches, show most images"
claim("6.2", text, many >= 0.6 * 7000)
claim("6.2", "a drawn subset of one percent is the same in every epoch", fixed == 70)
lead = result.bad["test accuracy"] - guess
text = "two hundred epochs under a limit of one percent of the shuffled batches beat two hundred on a fixed subset of that size"
claim("6.2", text, -result.gain("test accuracy") / lead >= 0.08)

# %% [markdown]
# **Why.** `limit_train_batches` limits the *batches of an epoch*, and the loader shuffles all images again in every
# epoch. The accuracy is too good, and says nothing about 70 images.
#
# This limit is staged. Here is the tenth from the popular tip, for ten epochs:

# %% tags=["apparatus"]
# Measures the ordinary size, and then the unshuffled case: images ordered by class.
seen = SeenImages()
options = quiet_trainer(max_epochs=10, limit_train_batches=0.1, callbacks=[seen])
loader = DataLoader(labelled, batch_size=70, shuffle=True)
L.Trainer(**options).fit(ImageClassifier(), loader)
share = len(seen.ids) / 7000
print(f"share of all images seen: {share:.2f}")
text = "ten epochs, each limited to a tenth of the shuffled batches, show more than half of the images"
claim("6.2", text, share, at_least=0.5)

by_class = Subset(labelled, data.train_labels.argsort(stable=True).tolist())
seen = SeenImages()
options = quiet_trainer(max_epochs=5, limit_train_batches=0.02, callbacks=[seen])
L.Trainer(**options).fit(ImageClassifier(), DataLoader(by_class, batch_size=70))
classes = len(data.train_labels[list(seen.ids)].unique())
print("unshuffled and ordered by class, classes seen:", classes, "of", data.num_classes)

# %% [markdown]
# The last line is the opposite fault. Without shuffling, the limit takes the *first* batches: of files ordered by class,
# a single class. `limit_val_batches` works like this, as validation loaders rarely shuffle.
#
# **Scope.** Loaders that shuffle, on CPU or GPU, in one process or several; also limits in whole numbers, such as 2.
#
# **When the bad version is right.** When you rehearse. Two epochs of two batches run the whole program, with loggers and
# checkpoints, and get further than a dry run: there is a *second* epoch.
#
# ### Your turn · A tenth that is always the same tenth
#
# Write `tenth(dataset)`. It returns a loader over five to ten percent of the images: the same ones in every epoch and in
# every call, with every class in it, even a rare one. The order changes from epoch to epoch, and the global random
# state stays as it was. `dataset` is a `TensorDataset` of images and labels, ordered by class.
# *(7 minutes)*


# %% tags=["exercise"]
def tenth(dataset):
    chosen = torch.randperm(len(dataset))[: len(dataset) // 10]
    return DataLoader(Subset(dataset, chosen.tolist()), batch_size=16, shuffle=True)


# %%
check("6.2", tenth)

# %%
# hint("6.2")

# %% [markdown]
# ### Take along
#
# A callback that refuses a limit left over from a rehearsal. (For a single loader that has a length.)


# %% tags=["guard"]
class UsesAllBatches(L.Callback):
    def on_train_start(self, trainer, pl_module):
        used, there = trainer.num_training_batches, len(trainer.train_dataloader)
        assert used == there, f"{used} of {there} batches per epoch: draw a Subset."


# %% tags=["apparatus"]
# Tries the guard on both versions, in a single step.
guarded = quiet_trainer(max_steps=1, callbacks=[UsesAllBatches()])
try_guard(
    "6.2",
    bad=lambda: limits_the_batches(ImageClassifier(), **guarded),
    good=lambda: draws_a_subset(ImageClassifier(), **guarded),
)

# %% [markdown]
# ### Going further
#
# **Mind the decimal point.** `1` is a number of batches, `1.0` is all of them. A muted info message says so:

# %%
for limit in (1, 1.0):
    trainer = L.Trainer(max_epochs=1, limit_train_batches=limit, **quiet_trainer())
    trainer.fit(ImageClassifier(), DataLoader(labelled, batch_size=70))
    kind = type(limit).__name__
    print(f"limit of one as {kind:5}: {trainer.global_step} batches per epoch")

# %% [markdown]
# **A rehearsal finds what a dry run cannot.** This sampler is meant to show hard images first from the second epoch on, and
# its author mistyped a name.

# %%
from torch.utils.data import Sampler


class HardOnesFirst(Sampler):
    def __init__(self):
        self.losses, self.epoch = torch.rand(7000), 0

    def __len__(self):
        return len(self.losses)

    def __iter__(self):
        self.epoch += 1
        if self.epoch == 1:
            return iter(torch.randperm(7000).tolist())
        return iter(self.loss.argsort(descending=True).tolist())


# %%
def rehearse(**flags):
    loader = DataLoader(labelled, batch_size=64, sampler=HardOnesFirst())
    try:
        L.Trainer(**flags, **quiet_trainer()).fit(ImageClassifier(), loader)
    except AttributeError as error:
        return error
    return "no error"


print("dry run:   ", rehearse(fast_dev_run=True))
print("two by two:", rehearse(max_epochs=2, limit_train_batches=2))

# %% [markdown]
# ## 6.3 Detect anomalies
#
# This classifier looks at edges, `sqrt(across² + down²)`, after a learned `gain`, and at the mean brightness of every
# channel. In a flat area both differences are 0, and so is the edge: to be safe, `torch.where` puts a 0 there.


# %%
def root(squares):
    return torch.where(squares > 0, squares.sqrt(), 0.0)


class SeesEdges(ImageClassifier):
    def __init__(self, root):
        super().__init__()
        self.root, self.gain = root, nn.Parameter(torch.ones(1))
        channel, height, width = data.image_shape
        size = channel + channel * (height - 1) * (width - 1)
        layers = nn.Linear(size, 64), nn.ReLU(), nn.Linear(64, data.num_classes)
        self.net = nn.Sequential(*layers)

    def forward(self, images):
        x = self.gain * images
        across = x[..., 1:, 1:] - x[..., 1:, :-1]
        down = x[..., 1:, 1:] - x[..., :-1, 1:]
        edges = self.root(across**2 + down**2).flatten(1)
        return self.net(torch.cat([images.mean(dim=(2, 3)), edges], dim=1))


# %% [markdown]
# The gain becomes `nan` in the first step and stays so.
#
# **Predict.** In the two epochs that follow, the test accuracy
#
# - **a** rises above guessing, though less than it should;
# - **b** is that of guessing, because the loss is `nan`;
# - **c** is that of guessing, because the loss stays where it was.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %% [markdown]
# ### Bad: train without a check


# %% tags=["bad"]
def unchecked(**options):
    return L.Trainer(max_epochs=2, **options)


# %% [markdown]
# ### Good: `detect_anomaly=True`


# %% tags=["good"]
def checked(**options):
    return L.Trainer(max_epochs=2, detect_anomaly=True, **options)


# %% [markdown]
# ### The contrast
#
# If the Trainer complains, you mend the root and train again; if it does not, you have no reason to. In `mended`, zeros
# go around the root. The folded cell tests the network every 20 batches.


# %%
def mended(squares):
    positive = torch.where(squares > 0, squares, 1.0)
    return torch.where(squares > 0, positive.sqrt(), 0.0)


# %% tags=["apparatus"]
# Trains, mends what the Trainer complains of, and follows loss and test accuracy.
class Follows(L.Callback):
    def __init__(self):
        self.accuracies, self.losses = [], []

    def on_train_batch_end(self, trainer, model, outputs, batch, batch_idx):
        self.losses.append(outputs["loss"].detach())
        if trainer.global_step % 20 == 0:
            self.accuracies.append(test_accuracy(model))


def debug(make_trainer):
    model, seen, complaint = SeesEdges(root), Follows(), "nothing"
    try:
        make_trainer(**quiet_trainer(callbacks=[seen])).fit(model, datamodule=data)
    except RuntimeError as error:
        complaint = str(error).split("'")[1]
        model = SeesEdges(mended)
        unchecked(**quiet_trainer(callbacks=[seen])).fit(model, datamodule=data)
    return {
        "the Trainer complains of": complaint,
        "weights that are nan": sum(int(p.isnan().sum()) for p in model.parameters()),
        "losses that are nan": int(torch.stack(seen.losses).isnan().sum()),
        "test accuracy": test_accuracy(model),
        "accuracy so far": seen.accuracies,
    }


# %% tags=["apparatus"]
# The figure of the contrast.
title = "With a nan in the gain the network still learns, far too little"
axes = {"x": "training batch", "y": "test accuracy", "at": range(20, 221, 20)}
plot = Lines(title, "accuracy so far", **axes)

# %% tags=["contrast"]
result = contrast(
    "6.3", debug, bad=unchecked, good=checked, prediction=prediction, figure=plot
)

# %% tags=["claim"]
one, silent = result.bad["weights that are nan"], result.bad["losses that are nan"]
text = "trained through a square root at zero behind torch.where, a network keeps one nan weight"
claim("6.3", text, one == 1)
claim("6.3", "with a nan weight behind torch.where, no loss is nan", silent == 0)
bad, good = result.bad["test accuracy"] - guess, result.good["test accuracy"] - guess
text = "with a nan weight behind torch.where, a network still beats guessing"
claim("6.3", text, bad >= 0.02)
text = "a nan weight behind torch.where costs a network a quarter or more of its lead over guessing"
claim("6.3", text, bad / good <= 0.75)

# %% [markdown]
# **Why.** `torch.where` chooses between two results after both were computed, and the backward pass goes through both.
# It multiplies the gradient of the branch that was not chosen, 0, by the slope of the root at 0, which is infinite:
# `0 * inf` is `nan`. From then on `squares > 0` is false everywhere, since no comparison with `nan` is true. Every edge
# becomes 0, and only the brightness is left: the line that was meant to make things safe hides the accident.
#
# Unchecked, no library says a word. Checked, the error names the operation, and PyTorch's warning shows the line:

# %% tags=["apparatus"]
# Prints the error, and the last line of our code in PyTorch's warning.
import warnings

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    try:
        checked(**quiet_trainer()).fit(SeesEdges(root), datamodule=data)
    except RuntimeError as error:
        print(error)
lines = "\n".join(str(each.message) for each in caught).splitlines()
print(next(line.strip() for line in reversed(lines) if "sqrt()" in line))

# %% [markdown]
# **Scope.** Tried on a CPU, in one process: the same in `bf16-mixed`. Clipping by norm makes the bug loud, since one
# `nan` spreads to all weights; a gradient scaler (`16-mixed`) skips every such step, so no weight moves. The accident is
# staged, the size ordinary.
#
# **When the bad version is right.** Nearly always: the check is slow (*Going further*). Switch it on when a loss
# or a weight turns `nan`, or when a module with roots, logarithms or divisions learns worse than it should.
#
# ### Your turn · Unit length, even for a zero row
#
# `unit_length` divides each row of features by its length. A row of zeros stays zero. The values are right, but the
# gradient of a zero row is `nan`. Repair it: all gradients finite, and for every other row the same values and gradients
# as now, even if its values are as faint as `1e-11`. *(6 minutes)*


# %% tags=["exercise"]
def unit_length(features):
    length = features.square().sum(dim=1, keepdim=True).sqrt()
    return torch.where(length > 0, features / length, 0.0)


# %%
check("6.3", unit_length)

# %%
# hint("6.3")

# %% [markdown]
# ### Take along
#
# One look per epoch tells you when to switch anomaly detection on.


# %% tags=["guard"]
class RefusesNan(L.Callback):
    def on_train_epoch_end(self, trainer, pl_module):
        for name, weight in pl_module.named_parameters():
            assert weight.isfinite().all(), f"{name} is not finite: detect_anomaly=True"


# %% tags=["apparatus"]
# Tries the guard on the root and on the mended root.
def two_guarded_steps(root):
    options = quiet_trainer(limit_train_batches=2, callbacks=[RefusesNan()])
    unchecked(**options).fit(SeesEdges(root), datamodule=data)


try_guard(
    "6.3", bad=lambda: two_guarded_steps(root), good=lambda: two_guarded_steps(mended)
)

# %% [markdown]
# ### Going further
#
# **What does the check cost?** We train with and without it, alternately. To name the line, it
# notes the stack of calls at every operation.

# %% tags=["apparatus"]
# Times both Trainers in turns.
from statistics import median

from course_utils.measure import seconds


def short_run(make_trainer):
    trainer = make_trainer(limit_train_batches=10, **quiet_trainer())
    trainer.fit(SeesEdges(mended), DataLoader(labelled, batch_size=64))


runs = {f.__name__: lambda f=f: short_run(f) for f in (unchecked, checked)}
took = seconds(runs, repeats=3)
slower = median(took["checked"]) / median(took["unchecked"])
print(f"with the check, training takes {slower:.1f} times as long")
claim("6.3", "detect_anomaly=True makes training slower", slower, at_least=1.2)

# %% [markdown]
# **What you may have read:** "It detects NaN and Inf." It detects only `nan`, and only in the backward pass. This
# gradient is infinite, and passes:

# %%
zero = torch.zeros(1, requires_grad=True)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the mode announces itself
    with torch.autograd.detect_anomaly():
        zero.sqrt().backward()
print("the gradient is", zero.grad.item())

# %% [markdown]
# **Second sitting.** In a new kernel, first run the cells up to here.

# %% [markdown]
# ## 6.4 Overfit a small batch
#
# Does this module learn at all? On fresh images, a mediocre accuracy may be a bug, or all that a small network can do.
# On images that it sees over and over, a healthy module gets everything right. `overfit_batches=2` repeats the same two
# batches. If the accuracy never reaches 1, look for a bug.
#
# Here are four modules with a silent bug.


# %%
class DetachesALayer(ImageClassifier):
    def forward(self, images):
        hidden = self.net[:-1](images)
        return self.net[-1](hidden.detach())  # from the days when it was frozen


class ForgetsALayer(ImageClassifier):
    def configure_optimizers(self):
        return torch.optim.Adam(self.net[-1].parameters(), lr=3e-3)


class ReordersImages(ImageClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        images = images[torch.randperm(len(images))]  # and not the labels
        return super().training_step((images, labels), batch_idx)


class TakesNeighboursLabel(ImageClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        return super().training_step((images, labels.roll(1)), batch_idx)


# %% [markdown]
# **Predict.** One of the four *passes*: it reaches an accuracy of 1 on the two batches. Which one?
#
# - **a** `DetachesALayer`: its last layer adapts;
# - **b** `ForgetsALayer`: the gradient reaches every layer;
# - **c** `ReordersImages`: images and labels are the same in every epoch;
# - **d** `TakesNeighboursLabel`: the neighbour is the same in every epoch.

# %% tags=["predict"]
prediction = None  # "a", "b", "c" or "d"


# %% [markdown]
# ### Bad: two fresh batches per epoch


# %% tags=["bad"]
def fresh_batches(**options):
    return L.Trainer(max_epochs=40, limit_train_batches=2, **options)


# %% [markdown]
# ### Good: the same two batches


# %% tags=["good"]
def same_batches(**options):
    return L.Trainer(max_epochs=40, overfit_batches=2, **options)


# %% [markdown]
# ### The contrast
#
# The folded cells train all five until an epoch of 192 images is entirely right, for 40 epochs at most. A bar of 40
# means: it never was.

# %% tags=["apparatus"]
# Trains until the training accuracy of an epoch is 1, and counts the epochs.
train_set = TensorDataset(scaled(data.train_images), data.train_labels)
bugs = [DetachesALayer, ForgetsALayer, ReordersImages, TakesNeighboursLabel]
candidates = {"healthy": ImageClassifier, **{bug.__name__: bug for bug in bugs}}


class StopsAtOne(L.Callback):
    def __init__(self):
        self.curve = []

    def on_train_epoch_end(self, trainer, pl_module):
        self.curve.append(float(trainer.callback_metrics["train_acc"]))
        trainer.should_stop = self.curve[-1] == 1


def learn(module_class, make_trainer, dataset=train_set, **order):
    model, stop = module_class(), StopsAtOne()
    loader = DataLoader(dataset, batch_size=96, **(order or {"shuffle": True}))
    trainer = make_trainer(**quiet_trainer(callbacks=[stop]))
    trainer.fit(model, loader)
    return model, stop.curve, trainer


# %% tags=["apparatus"]
# Compares the five modules.
def compare(make_trainer):
    runs = {n: learn(each, make_trainer) for n, each in candidates.items()}
    curves = {name: curve for name, (_, curve, _) in runs.items()}
    detached, wrong = curves["DetachesALayer"], runs["TakesNeighboursLabel"][0]
    return {
        **{name: float(len(curve)) for name, curve in curves.items()},
        "modules that reach 1": sum(curve[-1] == 1 for curve in curves.values()),
        "DetachesALayer, accuracy after 20 epochs": detached[19],
        "DetachesALayer, accuracy after 40 epochs": detached[39],
        "TakesNeighboursLabel, last accuracy": curves["TakesNeighboursLabel"][-1],
        "TakesNeighboursLabel, test accuracy": test_accuracy(wrong),
        "last epoch": 40.0,
    }


title = "On the same two batches, a healthy module passes; three bugs do not"
unit = "epochs until the training accuracy is 1"
plot = Bars(title, list(candidates), unit, reference="last epoch", whole=True)


# %% tags=["contrast"]
result = contrast(
    "6.4",
    compare,
    bad=fresh_batches,
    good=same_batches,
    prediction=prediction,
    figure=plot,
)

# %% tags=["claim"]
text = (
    "on batches that overfit_batches repeats, a healthy module soon reaches accuracy 1"
)
claim("6.4", text, result.good["healthy"] <= 30)
text = "within 40 epochs on two batches of 96, a small network with a detached layer, a forgotten layer, or reordered images does not reach accuracy 1 under overfit_batches"
claim("6.4", text, min(result.good[bug.__name__] for bug in bugs[:3]) == 40)

# %% tags=["apparatus"]
# Three more claims about the contrast.
none, wrong = result.bad["modules that reach 1"], result.good["TakesNeighboursLabel"]
claim(
    "6.4",
    "trained on two fresh batches per epoch for 40 epochs, even a healthy module stays below accuracy 1",
    none == 0,
)
claim("6.4", "overfit_batches passes a module that learns wrong labels", wrong <= 36)
test = result.good["TakesNeighboursLabel, test accuracy"]
text = "wrong labels that were learned by heart are worth nothing on new images"
claim("6.4", text, test <= 0.25)

# %% [markdown]
# **Why.** On fresh batches all five bars are equal and decide nothing. On repeated images you know the goal beforehand,
# because even a small network can memorize. A module that misses it has weights that do not learn, an unfit loss, or
# targets that change. Fix the number of epochs, too: in the table `DetachesALayer` is still rising. In a much wider network, or on
# a few images, its last layer gets there on its own.
#
# Passing is necessary, not sufficient: wrong labels can be memorized, too. Only new images can tell.
#
# Lightning warns in the good version: it turns shuffling off. So you get the *first* batches of the data set. Test
# `DetachesALayer` on files ordered by class:

# %%
in_order = Subset(train_set, data.train_labels.argsort(stable=True).tolist())
images, labels = next(iter(DataLoader(in_order, batch_size=96)))
print("classes in the first batch:", len(labels.unique()))

# %% tags=["apparatus"]
# Tests the detached module on images ordered by class; then asks for another sampler.
from torch.utils.data import WeightedRandomSampler

_, curve, _ = learn(DetachesALayer, same_batches, in_order)
print(f"DetachesALayer: accuracy {curve[-1]:.2f} after {float(len(curve)):.1f} epochs")
text = "on data ordered by class, overfit_batches passes a module with a detached layer"
claim("6.4", text, len(curve), at_most=26)
draws = WeightedRandomSampler(torch.ones(7000), 7000)
_, _, trainer = learn(ImageClassifier, same_batches, sampler=draws)
print("asked for a WeightedRandomSampler, got a", end=" ")
print(type(trainer.train_dataloader.sampler).__name__)

# %% [markdown]
# The broken module passes: on one class, the bias of the last layer is enough. `shuffle=True` is overridden, and so is a
# sampler that balances classes. Before you believe a pass, **print the classes in the batch**.
#
# **Scope.** Lightning 2.6, CPU or GPU. Several processes: each repeats the first batches of its own share. Dropout,
# augmentation, weight decay and small steps can keep a healthy module below 1: avoid them. Only the bugs are staged.
#
# **When the bad version is right.** Once the test is passed: wrong labels show on fresh batches (row *last accuracy*).
#
# ### Your turn · A test that cannot be fooled by one class
#
# Write `learns_by_heart(module, loader)`. It trains the module on *one* batch, again and again, for at most 200 steps,
# and returns `True` if the module then gets at least 95 % of that batch right, else `False`. If that batch holds fewer
# than two classes, it raises a `ValueError` instead. Modules log `train_acc` as ours do. The loader may shuffle or not;
# its data may be ordered by class. *(12 minutes)*


# %% tags=["exercise"]
def learns_by_heart(module, loader):
    trainer = L.Trainer(max_epochs=100, overfit_batches=1, **quiet_trainer())
    trainer.fit(module, loader)
    return True


# %%
check("6.4", learns_by_heart)

# %%
# hint("6.4")

# %% [markdown]
# ### Take along
#
# A callback for every Trainer with `overfit_batches`. It expects batches of inputs and labels.


# %% tags=["guard"]
class RefusesOneClass(L.Callback):
    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.overfit_batches:
            classes = batch[1].unique().numel()
            assert classes > 1, "one class in the batch: a pass would prove nothing"


# %% tags=["apparatus"]
# Tries the guard on images ordered by class, and on the usual ones.
def guarded_test(dataset):
    trainer = same_batches(**quiet_trainer(callbacks=[RefusesOneClass()]))
    trainer.fit(ImageClassifier(), DataLoader(dataset, batch_size=64, shuffle=True))


try_guard(
    "6.4", bad=lambda: guarded_test(in_order), good=lambda: guarded_test(train_set)
)

# %% [markdown]
# ### Going further
#
# **What the Trainer validates on** meanwhile: the first batches of the *validation* loader. It does not look again at
# the images that were learned.

# %%
watched = {"training": set(), "validation": set()}


class Watches(ImageClassifier):
    def training_step(self, batch, batch_idx):
        watched["training"].add(batch[0].sum().item())
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch, batch_idx):
        watched["validation"].add(batch[0].sum().item())


L.Trainer(max_epochs=3, overfit_batches=2, **quiet_trainer()).fit(Watches(), data)
print("batches trained on:", len(watched["training"]))
print("batches validated on:", len(watched["validation"]))
print("batches in both:", len(watched["training"] & watched["validation"]))

# %% [markdown]
# ## 6.5 Profile before you optimize
#
# Training is too slow. The images are old scans, so each is prepared when it is loaded: its contrast is stretched, its
# histogram evened out, and it is straightened, by two degrees. The network has 64 hidden units. Surely 8 would do?
#
# **Predict.** With a network an eighth as wide, training takes
#
# - **a** at least three quarters of the time it took;
# - **b** about half;
# - **c** about an eighth.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %%
from torchvision.transforms.v2 import functional as V


def prepare(images):  # one image, or many at once
    return V.rotate(V.equalize(V.autocontrast(images)), 2) / 255


# %% tags=["apparatus"]
# A data set that prepares an image when it is asked for it.
from torch.utils.data import Dataset


class PreparesEachImage(Dataset):
    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return prepare(self.images[index]), self.labels[index]


# %%
scans, scan_labels = data.train_images[:256], data.train_labels[:256]


def as_it_was():
    return ImageClassifier(), PreparesEachImage(scans, scan_labels)


# %% [markdown]
# ### Bad: optimize what you suspect


# %% tags=["bad"]
def shrinks_the_network():
    return ImageClassifier(hidden=8), PreparesEachImage(scans, scan_labels)


# %% [markdown]
# ### Good: ask the profiler, then optimize the largest part
#
# `profiler="simple"` times every part of the loop. Its report comes through Lightning's logger, which this notebook
# mutes, so we print it.

# %%
model, dataset = as_it_was()
trainer = L.Trainer(max_epochs=1, profiler="simple", **quiet_trainer())
trainer.fit(model, DataLoader(dataset, batch_size=128, shuffle=True))
report = trainer.profiler.summary()

# %% tags=["apparatus"]
# Prints the rows of the report that matter here, in the order of the loop, narrower.
asked = ["Action", "run_training_epoch", "train_dataloader_next", "run_training_batch"]
asked += ["batch_to_device", "optimizer_step", "training_step", "backward"]
rows = [[c.strip() for c in row.split("|")[1:-1]] for row in report.splitlines()]
for name in asked:
    for action, mean, calls, total, percent in filter(None, rows):
        if action.split(".")[-1] == name:
            action = action.split("]")[-1].lstrip(".")
            print(f"{action:36} {mean:>17} {calls:>9} {total:>14} {percent:>12}")

# %% [markdown]
# Read it from the outside in. The epoch contains the waits for a batch (`train_dataloader_next`) and the work on it
# (`run_training_batch`); that contains `optimizer_step`, which contains the forward pass (`training_step`) and the backward
# pass. `batch_to_device`, the copy to the device, is a row of its own. Rows overlap: compare only what lies side by
# side. The verdict: loading. So prepare all images once, together, by the same function.


# %% tags=["good"]
def prepares_once():
    return ImageClassifier(), TensorDataset(prepare(scans), scan_labels)


# %% [markdown]
# ### The contrast
#
# The folded cells time four epochs of each change, preparation included, alternating with the original program. The bars
# show the time per batch as a percentage of the original's. `optimizer_step` without forward and backward counts as the optimizer's.

# %% tags=["apparatus"]
# Reads the five parts of the loop from a profiler, which waits for the GPU if there is one.
from lightning.pytorch.profilers import SimpleProfiler

names = ["loading", "copy to the device", "forward", "backward", "optimizer"]


class WaitingProfiler(SimpleProfiler):
    def start(self, action_name):
        super().start(self.wait(action_name))

    def stop(self, action_name):
        super().stop(self.wait(action_name))

    def wait(self, action_name):
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        return action_name


def parts(profiler):
    """Return median seconds per batch, by part of the loop."""
    found = {}
    for action, each in profiler.recorded_durations.items():
        found[action.split(".")[-1]] = median(each)
    loading, copying = found["train_dataloader_next"], found["batch_to_device"]
    forward, backward = found["training_step"], found["backward"]
    rest = found["optimizer_step"] - forward - backward
    return dict(zip(names, (loading, copying, forward, backward, rest)))


# %% tags=["apparatus"]
# Measures a change against the program as it was, in turns.
def train(build, profiler):
    model, dataset = build()
    trainer = L.Trainer(max_epochs=4, profiler=profiler, **quiet_trainer())
    trainer.fit(model, DataLoader(dataset, batch_size=128, shuffle=True))


def measure(change):
    builds = {"before": as_it_was, "after": change}
    profilers = {name: WaitingProfiler() for name in builds}
    runs = {n: lambda n=n: train(builds[n], profilers[n]) for n in builds}
    took = {name: median(each) for name, each in seconds(runs, repeats=3).items()}
    before, after = (parts(profilers[name]) for name in builds)
    whole = sum(before.values())
    return {
        "largest part before": max(before, key=before.get),
        "its share": max(before.values()) / whole,
        "times as fast": took["before"] / took["after"],
        "before": [100 * each / whole for each in before.values()],
        "after": [100 * each / whole for each in after.values()],
    }


title = "The loop waits for its images, at both widths of the network"
unit = "time per batch, in percent of the time before the change"
plot = StackedBars(title, names, before="before", after="after", unit=unit)


# %% tags=["contrast"]
result = contrast(
    "6.5",
    measure,
    bad=shrinks_the_network,
    good=prepares_once,
    prediction=prediction,
    figure=plot,
)

# %% tags=["claim"]
share, faster = result.good["its share"], result.good["times as fast"]
text = "with images prepared one by one, loading takes most of the time of a training batch"
claim("6.5", text, share >= 0.5)
text = "preparing all images once makes four epochs at least twice as fast, where each was prepared whenever loaded"
claim("6.5", text, faster >= 2)
ratio = faster / result.bad["times as fast"]
text = "where loading leads, a narrower network helps far less than preparing the images once"
claim("6.5", text, ratio >= 1.75)

# %% [markdown]
# **Why.** A part that takes a tenth of the time can save a tenth at most (Amdahl's law). Preparing an image is a chain
# of tiny operations, each with the cost of a call from Python, and the old program repeats it in every epoch. Prepared
# together and once, the images pay that cost a single time. (*Times as fast* compares whole runs, preparation included, so
# it gains less than the bars.) Does the fast program
# learn the same? And what is known of a GPU?

# %% tags=["apparatus"]
# Trains both programs from one seed and compares the weights; then quotes the record.
from course_utils.experiments import gpu_line
from course_utils.measure import flat_weights


def trained_weights(build):
    torch.manual_seed(0)
    model, dataset = build()
    trainer = L.Trainer(max_epochs=2, **quiet_trainer())
    trainer.fit(model, DataLoader(dataset, batch_size=128, shuffle=True))
    return flat_weights(model)


same = torch.equal(*map(trained_weights, (as_it_was, prepares_once)))
text = "on a CPU, prepared once or image by image, training ends with the same bits"
claim("6.5", text, same)
print(gpu_line("6.5", "times as fast"))

# %% [markdown]
# **Scope.** One process, automatic optimization (in manual, `training_step` contains all the work), `num_workers=0`;
# with workers, `train_dataloader_next` is the time *waited*, not worked. On a GPU a call returns before its work is
# done, and `profiler="simple"` does not wait: forward and backward show the time to *start* the work, and the rest
# turns up wherever Python waits. Such loading is ordinary.
#
# **When the bad version is right.** When trying is cheaper than measuring. When the profile is flat, only a
# smaller problem or a better machine helps.
#
# ### Your turn · Name the slowest part
#
# Write `slowest_part(model, loader)`. It returns `"loading"`, `"forward"`, `"backward"` or `"optimizer"`, whichever takes
# longest, where *forward* is all of `training_step`. It may train on at most 20 batches; the loader may hold thousands.
# *(8 minutes)*


# %% tags=["exercise"]
def slowest_part(model, loader):
    profiler = SimpleProfiler()
    trainer = L.Trainer(max_epochs=1, profiler=profiler, **quiet_trainer())
    trainer.fit(model, loader)
    times = {name: sum(each) for name, each in profiler.recorded_durations.items()}
    return max(times, key=times.get)


# %%
check("6.5", slowest_part)

# %%
# hint("6.5")

# %% [markdown]
# ### Take along
#
# Call this with `trainer.profiler` after a hundred batches or so with `profiler="simple"`.


# %% tags=["guard"]
def assert_not_waiting(profiler, most=0.5):
    rows = profiler.recorded_durations.items()
    took = {action.split(".")[-1]: sum(each) for action, each in rows}
    share = took["train_dataloader_next"] / took["run_training_epoch"]
    assert share < most, f"a share of {share:.2f} of the epoch waits for data"


# %% tags=["apparatus"]
# Tries the guard on both versions.
def profiled(build):
    profiler = SimpleProfiler()
    train(build, profiler)
    return profiler


try_guard(
    "6.5",
    bad=lambda: assert_not_waiting(profiled(shrinks_the_network)),
    good=lambda: assert_not_waiting(profiled(prepares_once)),
)

# %% [markdown]
# `"advanced"` names every Python function, `"pytorch"` every operation, both at a higher cost.
# [Lesson 13](13_performance.ipynb) is about making the loop faster.
#
# ### Going further
#
# **Which tool finds which bug?** We try each tool, at a cheap setting, on the bugs of this lesson, and on the
# healthy module for false alarms. A raised error counts as found. Two tools raise nothing and need a judge: learning
# by heart has failed below 0.95, and loading is too slow if it takes more than 0.6 of the loop. *Rehearsal* is two epochs of two
# batches; *combined* is a rehearsal with anomaly detection.


# %% tags=["apparatus"]
# Eight cases: module, data set, sampler.
class HasANanWeight(ImageClassifier):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, images):
        x = self.gain * images
        return self.net(images + root((x[..., 1:, 1:] - x[..., 1:, :-1]) ** 2).mean())


raw = PreparesEachImage(data.train_images, data.train_labels)
at_the_end = planted_in("on_train_epoch_end")
cases = {
    "no bug": (ImageClassifier, train_set, None),
    "crash at the epoch's end": (at_the_end, train_set, None),
    "crash in the second epoch": (ImageClassifier, train_set, HardOnesFirst),
    "nan in one weight": (HasANanWeight, train_set, None),
    "detached layer": (DetachesALayer, train_set, None),
    "the same, data ordered by class": (DetachesALayer, in_order, None),
    "neighbour's labels": (TakesNeighboursLabel, train_set, None),
    "slow loading": (ImageClassifier, raw, None),
}


# %% tags=["apparatus"]
# Six tools: the Trainer's flags, and what judges the run.
def not_by_heart(trainer):
    return trainer.callback_metrics["train_acc"] < 0.95


def waits_for_images(trainer):
    found = parts(trainer.profiler)
    return found["loading"] > 0.6 * sum(found.values())


rehearsal = dict(max_epochs=2, limit_train_batches=2)
together = dict(rehearsal, detect_anomaly=True)
tools = {
    "dry run": (dict(fast_dev_run=True), None),
    "rehearsal": (rehearsal, None),
    "anomalies": (dict(max_steps=4, detect_anomaly=True), None),
    "overfit": (dict(max_epochs=26, overfit_batches=2), not_by_heart),
    "profiler": (dict(max_epochs=1, limit_train_batches=8), waits_for_images),
    "combined": (together, None),
}


# %% tags=["apparatus"]
# Runs one tool on one case.
def outcome(tool, case):
    (flags, judge), (module_class, dataset, sampler) = tools[tool], cases[case]
    order = {"sampler": sampler()} if sampler else {"shuffle": True}
    loader = DataLoader(dataset, batch_size=64, **order)
    trainer = L.Trainer(profiler=WaitingProfiler(), **flags, **quiet_trainer())
    try:
        trainer.fit(module_class(), loader)
        found = bool(judge and judge(trainer))
    except (RuntimeError, AttributeError):
        found = True
    return "found" if found else "–"


# %% tags=["apparatus"]
# Lets every tool loose on every case, and draws the grid.
from course_utils.experiments.plots import show

torch.manual_seed(0)
grid = {tool: {case: outcome(tool, case) for case in cases} for tool in tools}
title = "The tools complement each other, and two bugs escape all of them"
show(Cells(title, list(cases), fine="found"), grid)
found_by = {c: [t for t in tools if grid[t][c] == "found"] for c in cases}
print("false alarms:", len(found_by.pop("no bug")))
print("found by no tool:", ", ".join(case for case in found_by if not found_by[case]))
combined = sum("combined" in found for found in found_by.values())
print("found by the combined rehearsal:", combined, "of", len(found_by))

# %% [markdown]
# We chose the bugs so that each tool has something to find: the grid shows what a tool *sees*, not how common
# such bugs are. Two escape everything: a broken module on one-class batches, which printing the classes reveals, and
# wrong labels, which only new images reveal.

# %% [markdown]
# ## Symptoms
#
# What you see at work, and where to look:
#
# | You see | Look at |
# |---|---|
# | a run crashes after hours, in code that runs once per epoch | 6.1 |
# | a model "trained on one percent of the data" is surprisingly good | 6.2 |
# | a quick run on part of the data sees one class only | 6.2 |
# | the loss falls far less than it should, and the network has roots, logarithms or divisions | 6.3 |
# | accuracy is mediocre, and you cannot tell a bug from a small network | 6.4 |
# | a module passes `overfit_batches`, yet learns nothing on all data | 6.4 |
# | a smaller network does not train faster | 6.5 |
# | in the profiler's report, `optimizer_step` takes longest | 6.5 |
#
# ## Take away
#
# A checklist for your own code:
#
# - [ ] Every change goes through `fast_dev_run=True`, with a model that is thrown away.
# - [ ] Before a long run, a rehearsal: two epochs of two batches, with checkpoints, loggers, and the last batch in it.
# - [ ] Less data means a fixed, drawn subset, not `limit_train_batches`; and `1` is not `1.0`.
# - [ ] A `nan` anywhere: `detect_anomaly=True` for a few batches, then off.
# - [ ] A new module learns a few batches by heart, and I print the classes in these batches.
# - [ ] Nothing is made faster before a profile says what is slow; on a GPU, by a profiler that waits.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin:
# [the record](../src/course_utils/records/evidence.md#lesson-06).
#
# **Sources** Lightning's documentation on
# [debugging](https://lightning.ai/docs/pytorch/stable/debug/debugging_basic.html),
# [profiling](https://lightning.ai/docs/pytorch/stable/tuning/profiler_basic.html) and the
# [Trainer](https://lightning.ai/docs/pytorch/stable/common/trainer.html); PyTorch on
# [anomaly detection](https://docs.pytorch.org/docs/stable/autograd.html#anomaly-detection); A. Karpathy,
# [A recipe for training neural networks](https://karpathy.github.io/2019/04/25/recipe/); MNIST by LeCun, Cortes and
# Burges.
#
# Seeds come from [lesson 05](05_reproducibility.ipynb); checkpoints, which a dry run leaves out, come back in
# [lesson 09](09_checkpointing.ipynb). Next: [lesson 07](07_memory.ipynb), or look at the
# [solutions](../solutions/06_debugging.ipynb) of this one.

# %% tags=["own-code"]
# This lesson's questions, asked of your own code: name it in place of None.
my_module, my_data = None, None  # "my_package.model:MyModel", "my_package.data:MyData"
course_utils.check_my(my_module, my_data, select="6.*")
