# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 06 · Five tools, and the bug that each one finds
#
# Most debugging of a training run is waiting: for the epoch to end, for the loss to fall, for the crash to come again. Five switches of the Trainer save the wait, if
# you know which one to use. In this lesson you plant bugs on purpose, and at the end you can
#
# - choose the tool that finds a given bug in seconds;
# - say what each tool does not see, and what it costs;
# - build a smoke test of your own that sees more.
#
# **You need** to know what a `LightningModule` and a `Trainer` are. New here? [Start here](00_start_here.ipynb) takes fifteen minutes.
#
# **Time** 35 minutes of reading and running, 36 minutes of exercises. All cells together run in less than half a minute on two CPU cores.

# %% tags=["setup"]
try:
    import course_utils
except ModuleNotFoundError:  # opened alone, as on Colab: fetch the helpers, keep torch
    from IPython import get_ipython

    get_ipython().run_line_magic("pip", 'install -q "lightning-course-utils==0.1.*"')
    import course_utils

course_utils.start("06", written_for="0.1")

# %%
import lightning as L
import torch
from torch import nn
from torch.nn import functional as F

from course_utils import check, claim, contrast, hint, solution
from course_utils.data import ImageDataModule
from course_utils.hardware import quiet_trainer

# %% [markdown]
# 7,000 digits and one small, healthy classifier serve the whole lesson. Bugs will be planted in it, and in what feeds it. `quiet_trainer()` holds the options that keep a Trainer
# silent.

# %%
digits = ImageDataModule(train_size=7000, batch_size=64)


class DigitClassifier(L.LightningModule):
    """One hidden layer: images of shape (batch, 1, 28, 28) to logits of shape (batch, 10)."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10)
        )

    def forward(self, images):
        return self.net(images)

    def training_step(self, batch, batch_idx):
        images, labels, *_ = batch  # some loaders deliver more
        logits = self(images)
        self.log("train_acc", (logits.argmax(1) == labels).float().mean())
        return F.cross_entropy(logits, labels)

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        self.log("val_loss", F.cross_entropy(self(images), labels))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=3e-3)


# %% [markdown]
# ## 6.1 Dry-run with fast_dev_run
#
# A run of a whole night crashes in its last line of code. `fast_dev_run=True` promises to spare you that: one training batch, one validation batch, every hook.
#
# We plant a crash in six places, one at a time: in `training_step`, in `validation_step`, at the end of the epoch, at the end of training, where the checkpoint is
# saved, and in a `forward` that cannot take the last, smaller batch of the epoch.
#
# **Predict before you run.** The dry run finds
#
# - **a** all six, for it runs the whole program once;
# - **b** four of them;
# - **c** two, those in the steps: an epoch of one batch has no end.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
def crash(self, batch=None, batch_idx=None):
    raise RuntimeError("planted")


def planted_in(hook):
    return type("Planted", (DigitClassifier,), {hook: crash})()


class ExpectsFullBatches(DigitClassifier):
    def forward(self, images):
        return self.net(images.view(64, 784))


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
# `hunt` trains each of the six modules and notes how many batches had been started when the crash came. *At once* means: not more than one.

# %%
from tempfile import TemporaryDirectory

from torch.utils.data import DataLoader

from course_utils.experiments.plots import Cells

hooks = ["training_step", "validation_step", "on_train_epoch_end", "on_train_end"]
places = [*hooks, "on_save_checkpoint", "smaller last batch"]


def crash_after(model, make_trainer):
    with TemporaryDirectory() as folder:
        saving = {"enable_checkpointing": True, "default_root_dir": folder}
        trainer = make_trainer(**quiet_trainer(**saving))
        try:
            trainer.fit(model, datamodule=digits)
            crashed = False
        except RuntimeError:
            crashed = True
    return crashed, trainer.fit_loop.epoch_loop.batch_progress.total.ready


# %%
def hunt(make_trainer):
    models = [*map(planted_in, places[:5]), ExpectsFullBatches()]
    cells, batches_run, found = {}, 0, 0
    for place, model in zip(places, models):
        crashed, batches = crash_after(model, make_trainer)
        late = f"batch {batches}" if batches > 1 else "at once"
        cells[place] = late if crashed else "not found"
        batches_run, found = batches_run + batches, found + crashed
    return {**cells, "bugs found": found, "batches run in all": batches_run}


# %% tags=["contrast"]
result = contrast(
    "6.1",
    bad=lambda: hunt(long_run),
    good=lambda: hunt(dry_run),
    prediction=prediction,
    figure=Cells(
        "The dry run finds four of six bugs, each of them at once",
        places,
        columns=["the long run (bad)", "the dry run (good)"],
        fine="at once",
    ),
)

# %% tags=["claim"]
claim("6.1", "the dry run finds four bugs", result.good.number("bugs found"), equals=4)
claim("6.1", "the long run finds all six", result.bad.number("bugs found"), equals=6)
claim(
    "6.1",
    "but trains on at least 50 times as many batches",
    result.times("batches run in all"),
    at_least=50,
)

# %% [markdown]
# **Why.** A dry run is an epoch of one batch. All hooks of the epoch run, so a bug at the end is met as soon as one at the start. It leaves out what costs time or
# writes files: loggers, checkpoints, early stopping, all other batches. Bugs that live there stay. (A crash in `validation_step` is found early in any case: before training, Lightning
# tries two validation batches, its *sanity check*.)
#
# One more thing. Is the batch of a dry run trained on, or only looked at?

# %%
import copy

model = DigitClassifier()
before = copy.deepcopy(model)
L.Trainer(fast_dev_run=True, **quiet_trainer()).fit(model, datamodule=digits)
pairs = zip(before.parameters(), model.parameters())
changed = [not torch.equal(a, b.cpu()) for a, b in pairs]
print("weight tensors changed by the dry run:", sum(changed), "of", len(changed))

# %% [markdown]
# It is a real update of the real weights. Seed again and build a new model for the real run, or it begins with weights that nobody can make a second time.
#
# **When the bad version is right.** When the run is short, simply run it: it sees everything, also checkpoints. And a run that costs days deserves more than a dry run. That is your first
# exercise.
#
# ### Your turn · A smoke test that sees more
#
# Write `smoke_test(model, loader)`. It trains for *at most five steps* and raises an exception if anything is wrong. It must notice four things: a crash at the
# end of the epoch, a last batch that is too small for the network, a checkpoint that cannot be saved, and training that changes no weight. A healthy model passes, and keeps its weights. The
# loader may hold hundreds of batches. *(10 minutes)*


# %% tags=["exercise"]
def smoke_test(model, loader):
    trainer = L.Trainer(fast_dev_run=True, **quiet_trainer())
    trainer.fit(model, loader)


# %%
check("6.1", smoke_test)

# %% [markdown]
# Stuck? `hint("6.1")` gives a nudge, the second call a bigger one. `solution("6.1")` shows one way to do it, with its reason.

# %%
# hint("6.1")

# %% [markdown]
# ## 6.2 Limit the batches
#
# You own 7,000 labelled images. Would 140 have been enough? A popular list of tips says that `limit_train_batches=0.1` uses only ten percent of the data. You want two percent, so you set 0.02
# and train for 100 epochs, on a loader that shuffles.
#
# **Predict.** How many different images does the model see in these 100 epochs?
#
# - **a** 140, the same two percent again and again;
# - **b** about 1,000: the portions overlap more and more;
# - **c** more than 5,000.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %%
from torch.utils.data import Subset, TensorDataset

from course_utils.data import scaled

ids = torch.arange(7000)
labelled = TensorDataset(scaled(digits.train_images), digits.train_labels, ids)


# %% [markdown]
# ### Bad: the limit as a way to use less data


# %% tags=["bad"]
def train_on_a_limit(model, callback):
    loader = DataLoader(labelled, batch_size=70, shuffle=True)
    trainer = L.Trainer(
        max_epochs=100,
        limit_train_batches=0.02,
        callbacks=[callback],
        **quiet_trainer(),
    )
    trainer.fit(model, loader)


# %% [markdown]
# ### Good: a fixed subset


# %% tags=["good"]
def train_on_a_subset(model, callback):
    chosen = Subset(labelled, torch.randperm(7000)[:140].tolist())
    loader = DataLoader(chosen, batch_size=70, shuffle=True)
    trainer = L.Trainer(max_epochs=100, callbacks=[callback], **quiet_trainer())
    trainer.fit(model, loader)


# %% [markdown]
# ### The contrast
#
# Both train on two batches of 70 images an epoch. `SeenImages` remembers the number of every image that came by.

# %%
from course_utils.experiments.plots import Lines
from course_utils.measure import accuracy


class SeenImages(L.Callback):
    def __init__(self):
        self.ids, self.curve = set(), []

    def on_train_batch_end(self, trainer, model, outputs, batch, batch_idx):
        self.ids.update(batch[2].tolist())

    def on_train_epoch_end(self, trainer, model):
        self.curve.append(len(self.ids))


def would_140_do(train):
    model, seen = DigitClassifier(), SeenImages()
    train(model, seen)
    return {
        "images an epoch": seen.curve[0],
        "images in all": float(seen.curve[-1]),
        "test accuracy": accuracy(model, digits.test_images, digits.test_labels),
        "images seen": seen.curve,
    }


# %% tags=["contrast"]
result = contrast(
    "6.2",
    bad=lambda: would_140_do(train_on_a_limit),
    good=lambda: would_140_do(train_on_a_subset),
    prediction=prediction,
    figure=Lines(
        "Two percent of the batches, again and again, are most of the data",
        "images seen",
        x="epoch",
        y="different images seen",
    ),
)

# %% tags=["claim"]
claim(
    "6.2",
    "the limit lets more than half of the 7,000 images through",
    result.bad.number("images in all"),
    at_least=3500,
)
claim(
    "6.2",
    "the subset stays at 140",
    result.good.number("images in all"),
    equals=140,
)
claim(
    "6.2",
    "and the accuracy on the limit is at least 6 points too good",
    -result.gain("test accuracy"),
    at_least=0.06,
)

# %% [markdown]
# **Why.** `limit_train_batches` limits the *batches of an epoch*. The loader shuffles all images anew in each epoch, so it is two other batches each time. The model of the bad version has
# seen most of your data, in small portions. It says nothing about 140 images.
#
# Unshuffled, the limit has the opposite fault. This loader delivers the images ordered by class, as folders of images often are:

# %%
by_class = Subset(labelled, digits.train_labels.argsort(stable=True).tolist())
seen = SeenImages()
trainer = L.Trainer(
    max_epochs=5, limit_train_batches=0.02, callbacks=[seen], **quiet_trainer()
)
trainer.fit(DigitClassifier(), DataLoader(by_class, batch_size=70))
classes = digits.train_labels[list(seen.ids)].unique()
print("classes seen:", len(classes), "of 10")

# %% [markdown]
# And mind the decimal point. `1` is a number of batches, `1.0` is all of them:

# %%
for limit in (1, 1.0):
    flags = {"max_epochs": 1, "limit_train_batches": limit}
    trainer = L.Trainer(**flags, **quiet_trainer())
    trainer.fit(DigitClassifier(), DataLoader(labelled, batch_size=70))
    kind = type(limit).__name__
    print(f"limit of one as {kind:5}: {trainer.global_step} batches an epoch")

# %% [markdown]
# **When the bad version is right.** When you rehearse. A limit of two batches and two epochs goes through the whole program in a blink, and further than a dry run does: there is
# a *second* epoch. This sampler wants to show hard images first from the second epoch on, and its author mistyped a name.

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
        L.Trainer(**flags, **quiet_trainer()).fit(DigitClassifier(), loader)
    except AttributeError as error:
        return error
    return "no error"


print("dry run:  ", rehearse(fast_dev_run=True))
print("two by two:", rehearse(max_epochs=2, limit_train_batches=2))

# %% [markdown]
# ### Your turn · A tenth that is always the same tenth
#
# Write `tenth(dataset)`. It returns a loader over at most ten percent of the images, and not much less: the same ones in every epoch and in every call, with each class in it, also a rare one. The
# order changes from epoch to epoch, and the global random state stays as it was. `dataset` is a `TensorDataset` of images and labels, ordered by class. *(7 minutes)*


# %% tags=["exercise"]
def tenth(dataset):
    chosen = torch.randperm(len(dataset))[: len(dataset) // 10]
    return DataLoader(Subset(dataset, chosen.tolist()), batch_size=16, shuffle=True)


# %%
check("6.2", tenth)

# %%
# hint("6.2")

# %% [markdown]
# ## 6.3 Detect anomalies
#
# This classifier looks at a digit through 57 numbers: its brightness, and the contrast (the standard deviation) of each row and column of pixels,
# after a learned `gain`. Many rows are empty. Their variance is 0, and to be safe `torch.where` puts a 0 there.


# %%
def contrast_of(images, dim):
    variance = images.var(dim=dim).flatten(1)
    return torch.where(variance > 0, variance.sqrt(), 0.0)


class SeesContrast(DigitClassifier):
    def __init__(self, contrast_of):
        super().__init__()
        self.contrast_of = contrast_of
        self.gain = nn.Parameter(torch.ones(1))
        self.net = nn.Sequential(nn.Linear(1 + 56, 64), nn.ReLU(), nn.Linear(64, 10))

    def forward(self, images):
        brightness = images.mean(dim=(2, 3))
        scaled = images * self.gain
        contrasts = [self.contrast_of(scaled, dim) for dim in (2, 3)]
        return self.net(torch.cat([brightness, *contrasts], dim=1))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-2)


# %% [markdown]
# The gain becomes `nan` in the first backward pass, and remains `nan`.
#
# **Predict.** The loss of the batches that follow
#
# - **a** falls, more slowly than it should;
# - **b** is `nan`;
# - **c** stays where it was: nothing can be learned.

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
# If the Trainer complains, you read the complaint, mend the square root, and train again. If not, you have no reason to. In `mended`, empty rows go
# around the root instead of through it.

# %%
from course_utils.measure import MetricCurve


def mended(images, dim):
    variance = images.var(dim=dim).flatten(1)
    positive = torch.where(variance > 0, variance, 1.0)
    return torch.where(variance > 0, positive.sqrt(), 0.0)


class LogsItsLoss(SeesContrast):
    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.log("train_loss", loss)
        return loss


# %%
def debug(make_trainer):
    model, complaint = LogsItsLoss(contrast_of), "nothing"
    curve = MetricCurve("train_loss")
    try:
        make_trainer(**quiet_trainer(callbacks=[curve])).fit(model, datamodule=digits)
    except RuntimeError as error:
        complaint = str(error)
        model = LogsItsLoss(mended)
        unchecked(**quiet_trainer(callbacks=[curve])).fit(model, datamodule=digits)
    return {
        "the Trainer says": complaint,
        "weights that are nan": sum(int(p.isnan().sum()) for p in model.parameters()),
        "test accuracy": accuracy(model, digits.test_images, digits.test_labels),
        "train loss": curve.values,
    }


# %% tags=["contrast"]
result = contrast(
    "6.3",
    bad=lambda: debug(unchecked),
    good=lambda: debug(checked),
    prediction=prediction,
    figure=Lines(
        "With a nan in the gain the loss falls all the same",
        "train loss",
        x="batch",
        y="cross-entropy loss",
    ),
)

# %% tags=["claim"]
claim(
    "6.3",
    "unnoticed, one weight of many is nan",
    result.bad.number("weights that are nan"),
    equals=1,
)
claim(
    "6.3",
    "and costs at least 25 points of accuracy",
    result.gain("test accuracy"),
    at_least=0.25,
)

# %% [markdown]
# **Why.** `torch.where` chooses between two results, after both were computed. The backward pass goes through both, too. It multiplies the gradient 0 of the branch that was not
# chosen by the slope of the root at 0, which is infinite: `0 * inf` is `nan`. From then on `variance > 0` is false, for no `nan` is larger than 0, and every contrast is 0. So the
# very line that was to make things safe hides the accident. The network goes on with the brightness alone, and its loss falls.
#
# Anomaly detection checks each gradient as it is computed, names the operation in the error, and warns with the line that made it:

# %%
import warnings

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    try:
        checked(**quiet_trainer()).fit(SeesContrast(contrast_of), datamodule=digits)
    except RuntimeError as error:
        print(error)
lines = "\n".join(str(each.message) for each in caught).splitlines()
print(next(line.strip() for line in reversed(lines) if "sqrt()" in line))

# %% [markdown]
# What does the check cost? We train for two epochs of ten batches with and without it, in turns, and compare the medians.

# %%
from statistics import median

from course_utils.measure import seconds


def short_run(make_trainer):
    trainer = make_trainer(limit_train_batches=10, **quiet_trainer())
    trainer.fit(SeesContrast(mended), DataLoader(labelled, batch_size=64))


runs = {f.__name__: lambda f=f: short_run(f) for f in (unchecked, checked)}
took = seconds(runs, repeats=3)
slower = median(took["checked"]) / median(took["unchecked"])
print(f"with the check, training takes {slower:.1f} times as long")
claim("6.3", "that is at least 1.5 times", slower, at_least=1.5)

# %% [markdown]
# To name the line, it notes the whole stack of calls at every operation. The deeper the stack, the dearer: in a notebook more than in a script.
#
# **What you may have read.** "It detects NaN and Inf." Only `nan`, and only in the backward pass. This gradient is infinite, and nobody minds:

# %%
zero = torch.zeros(1, requires_grad=True)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the mode announces itself
    with torch.autograd.detect_anomaly():
        zero.sqrt().backward()
print("the gradient is", zero.grad.item())

# %% [markdown]
# **When the bad version is right.** Nearly always. The check is for the hunt; a healthy run should not pay for it. Switch it on when a loss turns `nan`, when weights do,
# or when a module with roots, logarithms and divisions learns worse than it should. And switch it off again.
#
# ### Your turn · Length one, also for nothing
#
# `unit_length` divides each row of features by its length. A row of zeros stays zero. The values are right, but the gradient of a zero row is `nan`. Repair it: all gradients
# finite, and for every other row the same values and gradients as now, also if its values are as faint as `1e-11`. *(6 minutes)*


# %% tags=["exercise"]
def unit_length(features):
    length = features.square().sum(dim=1, keepdim=True).sqrt()
    return torch.where(length > 0, features / length, 0.0)


# %%
check("6.3", unit_length)

# %%
# hint("6.3")

# %% [markdown]
# ## 6.4 Overfit a small batch
#
# Two modules with a silent bug. In one a `.detach()` was left behind in the network, from the days when its first layer was frozen. In the other a mistake in the data gives each image
# the label of its neighbour in the batch.
#
# A healthy module can learn a few batches by heart: an accuracy of 1 is no art on images that it sees again and again. `overfit_batches=2` trains on the same two batches, epoch after epoch.
#
# **Predict.** Who reaches an accuracy of 0.9 on the two batches, of 96 images each, within 50 epochs?
#
# - **a** neither of the two;
# - **b** the one with `.detach()`: its last layer adapts;
# - **c** the one with the wrong labels.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
class StopsTheGradient(DigitClassifier):
    def forward(self, images):
        hidden = self.net[:3](images)
        return self.net[3](hidden.detach())


class TakesTheNeighboursLabel(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        return super().training_step((images, labels.roll(1)), batch_idx)


# %% [markdown]
# ### Bad: train as usual, and judge the curve


# %% tags=["bad"]
def as_usual(**options):
    return L.Trainer(max_epochs=50, limit_train_batches=2, **options)


# %% [markdown]
# ### Good: the same two batches


# %% tags=["good"]
def by_heart(**options):
    return L.Trainer(max_epochs=50, overfit_batches=2, **options)


# %% [markdown]
# ### The contrast
#
# Both train for 50 epochs of two batches, each time on two others out of all data, or on the same 192 images. On the left, cover the curve called *healthy*: would you
# know that the one below it, *detached*, has a bug?

# %%
from course_utils.experiments.plots import Panels

train_set = TensorDataset(scaled(digits.train_images), digits.train_labels)
candidates = {
    "healthy": DigitClassifier,
    "detached": StopsTheGradient,
    "wrong labels": TakesTheNeighboursLabel,
}


def compare(make_trainer):
    measured = {}
    for name, model_class in candidates.items():
        model, curve = model_class(), MetricCurve("train_acc")
        trainer = make_trainer(**quiet_trainer(callbacks=[curve]))
        trainer.fit(model, DataLoader(train_set, batch_size=96, shuffle=True))
        epochs = torch.tensor(curve.values).view(50, 2).mean(dim=1)
        test = accuracy(model, digits.test_images, digits.test_labels)
        measured |= {f"{name}: at the end": epochs[-1], f"{name}: on test": test}
        measured[name] = epochs
    return measured


# %% tags=["contrast"]
result = contrast(
    "6.4",
    bad=lambda: compare(as_usual),
    good=lambda: compare(by_heart),
    prediction=prediction,
    figure=Panels(
        "By heart, the detached module stays behind; wrong labels do not",
        list(candidates),
        x="epoch of two batches",
        y="training accuracy",
    ),
)

# %% tags=["claim"]
healthy, detached, wrong = [
    result.good.number(f"{name}: at the end") for name in candidates
]
claim(
    "6.4",
    "the healthy module misses at most one image of a hundred",
    1 - healthy,
    at_most=0.01,
)
claim(
    "6.4",
    "the detached one misses at least one of five",
    1 - detached,
    at_least=0.2,
)

# %%
claim("6.4", "wrong labels are learned just as well", wrong, at_least=0.9)
claim(
    "6.4",
    "at least 50 points better than on all data",
    result.gain("wrong labels: at the end"),
    at_least=0.5,
)
claim(
    "6.4",
    "and are worth nothing on test images",
    result.good.number("wrong labels: on test"),
    at_most=0.25,
)

# %% [markdown]
# **Why.** What the detached module reaches on fresh images may be a bug, or all that a small network can do. Without a healthy twin you cannot tell. On images that repeat you know the goal
# beforehand, for memory needs no talent. Whoever misses it in the epochs that a healthy module
# needs, and some more, has weights that do not learn, a loss that does not fit, or targets that change while it looks. (Fix the number of epochs beforehand: the detached curve still rises.)
#
# The other way round, a module that reaches the goal is not proven right. `overfit_batches` turns shuffling off, so the neighbour is the same in every epoch, and a wrong label is as easy to
# memorize as a right one. Only fresh images tell: 1 is *necessary, not sufficient*.
#
# And mind what the Trainer validates on: the first batches of the *validation* loader. It is no second look at the images that were learned.

# %%
watched = {"training": set(), "validation": set()}


class Watches(DigitClassifier):
    def training_step(self, batch, batch_idx):
        watched["training"].add(batch[0].sum().item())
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch, batch_idx):
        watched["validation"].add(batch[0].sum().item())


by_heart(**quiet_trainer()).fit(Watches(), datamodule=digits)
shared = watched["training"] & watched["validation"]
print("batches trained on:", len(watched["training"]))
print("batches validated on:", len(watched["validation"]))
print("batches in both:", len(shared))

# %% [markdown]
# **When the bad version is right.** Strong regularization (dropout, augmentation, weight decay) keeps a healthy module from learning by heart. Switch it off for the test, or lower the goal.
# And once the test is passed, a training curve on all data is what you want: it finds the wrong labels.
#
# ### Your turn · Learn a batch by heart
#
# This module has two hidden layers and cannot learn even one batch. There are two bugs. Repair both, and keep both hidden layers. *(5 minutes)*


# %% tags=["exercise"]
class LearnsByHeart(DigitClassifier):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(784, 64), nn.Linear(64, 64)]
        self.net = nn.Linear(64, 10)

    def forward(self, images):
        hidden = images.flatten(1)
        for layer in self.layers:
            hidden = layer(hidden).relu()
        return self.net(hidden)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        images = images[torch.randperm(len(images))]  # another order in each step
        return F.cross_entropy(self(images), labels)


# %%
check("6.4", LearnsByHeart)

# %%
# hint("6.4")

# %% [markdown]
# ## 6.5 Profile before you optimize
#
# Training is too slow. The images are old scans, so each one is prepared when it is loaded: its contrast is stretched, its histogram evened out, its values normalized. The network has 128 hidden
# units. Surely 16 would do?
#
# **Predict.** With a network an eighth as wide, an epoch takes
#
# - **a** at least three quarters of the time it took;
# - **b** about half;
# - **c** about an eighth.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %%
from torch.utils.data import Dataset
from torchvision.transforms.v2 import functional as V


def prepare(images):  # one image, or many at once
    evened = V.equalize(V.autocontrast(images))
    return V.normalize(V.to_dtype(evened, torch.float32, scale=True), [0.13], [0.31])


class PreparesEachImage(Dataset):
    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return prepare(self.images[index]), self.labels[index]


class SizedClassifier(DigitClassifier):
    def __init__(self, hidden):
        super().__init__()
        layers = nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, 10)
        self.net = nn.Sequential(nn.Flatten(), *layers)


scans, labels = digits.train_images[:512], digits.train_labels[:512]


def as_it_was():
    return SizedClassifier(hidden=128), PreparesEachImage(scans, labels)


# %% [markdown]
# ### Bad: optimize what you suspect


# %% tags=["bad"]
def shrink_the_network():
    return SizedClassifier(hidden=16), PreparesEachImage(scans, labels)


# %% [markdown]
# ### Good: ask the profiler, then optimize the largest part
#
# `SimpleProfiler` notes how long each part of the loop takes. It says: loading. So all images are prepared once, together, by the same function.


# %% tags=["good"]
def prepare_once():
    return SizedClassifier(hidden=128), TensorDataset(prepare(scans), labels)


# %% [markdown]
# ### The contrast
#
# Each change is measured against the program as it was, in turns, three epochs each, preparation included. The rows that `parts` reads overlap: `optimizer_step` contains the forward and the backward pass. What
# remains of it is counted as the optimizer's: its step, and what the Trainer does around it.

# %%
from lightning.pytorch.profilers import SimpleProfiler

from course_utils.experiments.plots import StackedBars


def epoch(build, profiler=None):
    model, dataset = build()
    trainer = L.Trainer(max_epochs=1, profiler=profiler, **quiet_trainer())
    trainer.fit(model, DataLoader(dataset, batch_size=128, shuffle=True))


def parts(profiler):
    """Return median milliseconds a batch, by part of the loop."""
    found = {}
    for action, each in profiler.recorded_durations.items():
        found[action.split(".")[-1]] = 1000 * median(each)
    forward, backward = found["training_step"], found["backward"]
    optimizer = found["optimizer_step"] - forward - backward
    loading = found["train_dataloader_next"]
    return dict(
        loading=loading, forward=forward, backward=backward, optimizer=optimizer
    )


# %%
def measure(change):
    builds = {"before": as_it_was, "after": change}
    profilers = {name: SimpleProfiler() for name in builds}
    runs = {n: lambda n=n: epoch(builds[n], profilers[n]) for n in builds}
    took = {name: median(each) for name, each in seconds(runs, repeats=3).items()}
    before, after = parts(profilers["before"]), parts(profilers["after"])
    return {
        "largest part before": max(before, key=before.get),
        "its share": max(before.values()) / sum(before.values()),
        "times as fast": took["before"] / took["after"],
        "before": list(before.values()),
        "after": list(after.values()),
    }


# %% tags=["contrast"]
result = contrast(
    "6.5",
    bad=lambda: measure(shrink_the_network),
    good=lambda: measure(prepare_once),
    prediction=prediction,
    figure=StackedBars(
        "The loop waits for its images, whatever the size of the network",
        ["loading", "forward", "backward", "optimizer"],
        before="before",
        after="after",
        unit="milliseconds a batch",
    ),
)

# %% tags=["claim"]
claim(
    "6.5",
    "loading takes more than half of the loop",
    result.good.number("its share"),
    at_least=0.5,
)
claim(
    "6.5",
    "preparing once makes an epoch at least 2.5 times as fast",
    result.good.number("times as fast"),
    at_least=2.5,
)
claim(
    "6.5",
    "and helps at least twice as much as the small network",
    result.good.number("times as fast") / result.bad.number("times as fast"),
    at_least=2,
)

# %% [markdown]
# **Why.** A part that takes a tenth of the time can save a tenth at most, however clever you are (Amdahl's law). Preparing an image is a chain of tiny operations, each with the cost of a call from
# Python, times 128 a batch. The same chain on all images at once pays that cost once. (The bars show one batch. *Times as fast* compares whole epochs, which also prepare the images
# and set up a Trainer, so it gains less than the bars.) Did we change what is learned? We train both, from the same seed:

# %%
curves = []
for build in (as_it_was, prepare_once):
    torch.manual_seed(0)
    model, dataset = build()
    curve = MetricCurve("train_acc")
    trainer = L.Trainer(max_epochs=2, callbacks=[curve], **quiet_trainer())
    trainer.fit(model, DataLoader(dataset, batch_size=128, shuffle=True))
    curves.append(curve.values)
claim("6.5", "the fast program learns the same", curves[0] == curves[1], equals=True)

# %% [markdown]
# Usually you write `profiler="simple"` and read its report at the end of the run. Lightning sends it through its logger, so where that is muted, as in this notebook, you see nothing:
# take `recorded_durations`. `"advanced"` names each Python function, `"pytorch"` each operation, at a higher cost. On a GPU, a call returns before its work is done; a clock in Python then books the wait
# where it happens to wait.
#
# **When the bad version is right.** When the experiment is cheaper than the measurement: change one thing, look at the clock, done. And when the profile is flat, with no part above the others, only a smaller problem
# helps: a smaller network, fewer images, a better machine.
#
# ### Your turn · Name the slowest part
#
# Write `slowest_part(model, loader)`. It returns `"loading"`, `"forward"`, `"backward"` or `"optimizer"`, whichever takes longest, where *forward* is all of `training_step`. It may train on at most 20
# batches; the loader may hold thousands. *(8 minutes)*


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
# ## Five tools, five bugs
#
# Which tool finds which bug? We let each tool, at its cheapest setting, loose on one bug from each section, and on the healthy module to hear of false alarms. An error counts as
# found. Two tools need a judge, since they raise nothing: learning by heart has failed below 0.95, and loading is too slow if it takes longer than the rest.


# %%
class CrashesAtTheEnd(DigitClassifier):
    def on_train_epoch_end(self):
        raise RuntimeError("planted")


class HasANanWeight(DigitClassifier):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))
        self.extra = nn.Linear(28, 10)

    def forward(self, images):
        return self.net(images) + self.extra(contrast_of(images * self.gain, 3))


raw = digits.train_images, digits.train_labels
bugs = {
    "none": (DigitClassifier, train_set, None),
    "crash at\nepoch's end": (CrashesAtTheEnd, train_set, None),
    "second\nepoch": (DigitClassifier, train_set, HardOnesFirst),
    "nan in\none weight": (HasANanWeight, train_set, None),
    "detached\nlayer": (StopsTheGradient, train_set, None),
    "slow\nloading": (DigitClassifier, PreparesEachImage(*raw), None),
}


# %%
def not_by_heart(trainer):
    return trainer.callback_metrics["train_acc"] < 0.95


def waits_for_images(trainer):
    found = parts(trainer.profiler)
    return found["loading"] > sum(found.values()) / 2


def no_judge(trainer):
    return False


tools = {
    "fast_dev_run": (dict(fast_dev_run=True), no_judge),
    "limited batches": (dict(max_epochs=2, limit_train_batches=2), no_judge),
    "detect_anomaly": (dict(max_steps=4, detect_anomaly=True), no_judge),
    "overfit_batches": (dict(max_epochs=20, overfit_batches=2), not_by_heart),
    "profiler": (dict(max_epochs=1, limit_train_batches=8), waits_for_images),
}


# %%
def outcome(tool, bug):
    (flags, judge), (model_class, dataset, sampler) = tools[tool], bugs[bug]
    order = {"sampler": sampler()} if sampler else {"shuffle": True}
    loader = DataLoader(dataset, batch_size=64, **order)
    trainer = L.Trainer(profiler=SimpleProfiler(), **flags, **quiet_trainer())
    try:
        trainer.fit(model_class(), loader)
        found = judge(trainer)
    except (RuntimeError, AttributeError):
        found = True
    batches = trainer.fit_loop.epoch_loop.batch_progress.total.ready
    return f"batch {batches}" if found else "–"


# %%
from course_utils.experiments.plots import show

torch.manual_seed(0)
cells = {tool: [outcome(tool, bug) for bug in bugs] for tool in tools}
title = "All tools find the crash; every other bug is found by one"
columns = dict(zip(bugs, zip(*cells.values())))
by_bug = {bug: dict(zip(tools, column)) for bug, column in columns.items()}
show(Cells(title, list(tools), fine=""), by_bug)

# %%
finders = {bug: sum(cell != "–" for cell in column) for bug, column in columns.items()}
for bug, count in finders.items():
    print(f"{bug.replace(chr(10), ' '):20} found by {count} of 5 tools")

# %% [markdown]
# A cell says after how many batches the bug was found. The crash is found by every tool; the dry run is the cheapest way. Every other bug escapes four tools of five. Run longer, some would find more:
# two epochs with anomaly detection would meet the bug of the second epoch. That is a rehearsal with anomaly detection: the tools combine.
#
# ## Take away
#
# A checklist for your own code:
#
# - [ ] Every change goes through `fast_dev_run=True`, with a model that is thrown away.
# - [ ] Before a long run, a rehearsal: two epochs of two batches, with checkpoints and loggers on, and the last batch of the data in it.
# - [ ] Less data means a fixed, drawn subset, not `limit_train_batches`; and `1` is not `1.0`.
# - [ ] A `nan` anywhere: `detect_anomaly=True` for a few batches, then off.
# - [ ] A new module learns a few batches by heart before it sees them all.
# - [ ] Nothing is made faster before a profile says what is slow.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin: [the record](../src/course_utils/records/evidence.md#lesson-06).
#
# **Sources** Lightning's documentation on [debugging](https://lightning.ai/docs/pytorch/stable/debug/debugging_basic.html),
# [profiling](https://lightning.ai/docs/pytorch/stable/tuning/profiler_basic.html) and the
# [Trainer](https://lightning.ai/docs/pytorch/stable/common/trainer.html); PyTorch on
# [anomaly detection](https://docs.pytorch.org/docs/stable/autograd.html#anomaly-detection); A. Karpathy,
# [A recipe for training neural networks](https://karpathy.github.io/2019/04/25/recipe/); MNIST by LeCun, Cortes and Burges.
#
# Next: [lesson 07](07_memory.ipynb), or look at the [solutions](../solutions/06_debugging.ipynb) of this one.
