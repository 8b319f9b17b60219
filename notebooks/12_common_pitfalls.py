# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 12 · Five bugs that look fine on your machine
#
# A logged loss, a metric with three decimals, a run that ends without an error: all three can come from broken code. Here
# are five such mistakes. By the end you can
#
# - name the symptom of each, and look for it in your own code;
# - repair it, and show by a measurement that it is gone;
# - say when the "mistake" is the right thing to do.
#
# **You need** to know what a `LightningModule` and a `Trainer` are. New here? [Start here](00_start_here.ipynb) takes fifteen minutes.
#
# **Time** 35 minutes of reading and running, 30 minutes of exercises. All cells together run in less than half a minute on two CPU cores.
#
# Two sittings: 12.1 and 12.2 first, 12.3 to 12.5 another day.

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

course_utils.start("12", written_for="0.1")

# %%
import warnings

import lightning as L
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from course_utils import check, claim, contrast, hint, solution, try_guard
from course_utils.data import ImageDataModule, scaled
from course_utils.hardware import quiet_trainer

# %% [markdown]
# `scaled` turns the stored bytes into values from 0 to 1; `quiet_trainer()` holds the options that keep a Trainer silent. Folded cells only measure.

# %%
data = ImageDataModule(batch_size=64)


class DigitClassifier(L.LightningModule):
    """One hidden layer: images (batch, channel, height, width) to one logit per class."""

    def __init__(self):
        super().__init__()
        sizes = ImageDataModule()
        hidden = [nn.Linear(sizes.num_features, 64), nn.ReLU()]
        self.net = nn.Sequential(
            nn.Flatten(), *hidden, nn.Linear(64, sizes.num_classes)
        )

    def forward(self, images):
        return self.net(images)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


def fit(model, *callbacks):
    trainer = L.Trainer(max_epochs=2, callbacks=[*callbacks], **quiet_trainer())
    trainer.fit(model, datamodule=data)
    return trainer


# %% [markdown]
# ## 12.1 Return the loss
#
# `training_step` computes a loss and logs it, and does not return it. You look at the step counter to see whether anything happened.
#
# **Predict before you run.** After two epochs without `return loss`, `trainer.global_step` says
#
# - **a** 0: nothing was updated, so nothing is counted;
# - **b** as much as with `return loss`;
# - **c** nothing: an error stops the first step.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %% [markdown]
# ### Bad: the loss is logged and dropped


# %% tags=["bad"]
class LogsTheLoss(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.log("train_loss", loss)


# %% [markdown]
# ### Good: the loss is logged and returned


# %% tags=["good"]
class ReturnsTheLoss(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.log("train_loss", loss)
        return loss


# %% [markdown]
# ### The contrast
#
# An ordinary run: two epochs, shuffled, default settings. The folded cell keeps the logged loss of every batch and looks for weights that changed. Watch the orange curve, then the row *steps reported*.

# %% tags=["apparatus"]
# Trains a version; keeps its loss curve, its step count and which weights changed.
import math

from course_utils.measure import MetricCurve


def train(model_class):
    model, curve = model_class(), MetricCurve("train_loss")
    before = [weight.clone() for weight in model.parameters()]
    trainer = fit(model, curve)
    pairs = zip(before, model.cpu().parameters(), strict=True)
    guessing = math.log(data.num_classes)
    last_epoch = curve.values[len(curve.values) // 2 :]
    return {
        "steps reported": trainer.global_step,
        "weight tensors changed": sum(not torch.equal(a, b) for a, b in pairs),
        "mean loss of the last epoch": sum(last_epoch) / len(last_epoch),
        "loss of guessing": guessing,
        "train loss": curve.values,
    }


# %% tags=["apparatus"]
# The figure of the contrast.
from course_utils.experiments.plots import Lines

plot = Lines(
    "Without `return`, the loss stays at ln 10, the loss of guessing",
    "train loss",
    x="batch",
    y="loss (nats)",
    level="loss of guessing",
)

# %% tags=["contrast"]
versions = {"bad": LogsTheLoss, "good": ReturnsTheLoss}
result = contrast("12.1", train, **versions, prediction=prediction, figure=plot)

# %% tags=["claim"]
text = "in two epochs in which every training_step returns None, not a single weight tensor changes"
claim("12.1", text, result.bad["weight tensors changed"] == 0)
text = "global_step counts as many steps if every training_step returns None as if it returns its loss"
claim("12.1", text, result.gain("steps reported") == 0)

# %% [markdown]
# **Why.** To Lightning, a `training_step` that returns `None` says: skip this batch. It runs no backward pass. Without gradients the optimizer changes nothing, but the step is counted. The loss stays around ln 10 = 2.303, the cross-entropy of a network that gives each of ten classes the same probability. Remember this level.
#
# Lightning warns once, in the first such step: you may have meant it. ([1.1](01_code_organization.ipynb) has the same warning about a module that *does* learn.) A learning rate schedule continues, too. Two processes stop with an error:

# %% tags=["apparatus"]
# Trains LogsTheLoss with a schedule, then in two processes; a dict instead of the loss.
from course_utils.distributed import run_processes


class DecaysTheRate(LogsTheLoss):
    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        halved = torch.optim.lr_scheduler.StepLR(optimizer, step_size=20, gamma=0.5)
        return [optimizer], [{"scheduler": halved, "interval": "step"}]


class ReturnsADict(ReturnsTheLoss):
    def training_step(self, batch, batch_idx):
        return {"loss": super().training_step(batch, batch_idx), "note": "for you"}


group = fit(DecaysTheRate()).optimizers[0].param_groups[0]
print(f"learning rate: from {group['initial_lr']:.1e} to {group['lr']:.1e}")
two = quiet_trainer(accelerator="cpu", devices=2, strategy="ddp")
refusal = "no error"
try:
    run_processes(lambda: L.Trainer(max_epochs=1, **two).fit(LogsTheLoss(), data))
except RuntimeError as error:
    refusal = str(error).partition(": ")[2].splitlines()[0]
print("two processes:", refusal)
in_a_dict = train(ReturnsADict)["weight tensors changed"]

# %% tags=["apparatus"]
# Five more claims.
text = "if training_step returns None, the mean loss of the second epoch is within a tenth of the logarithm of the number of classes"
ratio = result.bad["mean loss of the last epoch"] / math.log(data.num_classes)
claim("12.1", text, abs(ratio - 1), at_most=0.1)
text = "Lightning warns of a training_step that returns None"
claim("12.1", text, result.bad.says("`training_step` returned `None`"))
text = "a learning rate schedule that counts steps continues while every training_step returns None"
claim("12.1", text, group["lr"] / group["initial_lr"], at_most=0.1)
text = "in two processes, Lightning refuses a training_step that returns None"
claim("12.1", text, "returning None" in refusal)
text = "a training_step may return its loss in a dict, under the key loss"
claim("12.1", text, in_a_dict == result.good["weight tensors changed"])

# %% [markdown]
# **Scope.** One process, CPU or GPU: only the warning. Several processes: an error (Lightning 2.6). Manual optimization: Lightning expects no loss back. A new network stays near ln 10 if the classes are balanced, a pretrained network near its first loss.
#
# **When the bad version is right.** In one process, `None` is how you leave out a batch. (`return {"loss": loss}` is fine, too.)
#
# ### Your turn · Skip the broken batches, train on the rest
#
# A scanner sometimes delivers `nan` pixels, which would turn every weight into `nan`. The step below should skip such a batch and
# train on all others. Repair it. *(one line, 5 minutes)*


# %% tags=["exercise"]
class SkipsBrokenBatches(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        if loss.isfinite():
            self.log("train_loss", loss)


# %%
check("12.1", SkipsBrokenBatches)

# %% [markdown]
# Stuck? `hint("12.1")` gives a nudge, the second call a bigger one. `solution("12.1")` shows one way to do it, with its reason.

# %%
# hint("12.1")

# %% [markdown]
# ### Take along
#
# A callback that stops a run if ten steps in a row return `None` (not for manual optimization).


# %% tags=["guard"]
class RequiresALoss(L.Callback):
    skipped = 0

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.skipped = 0 if outputs else self.skipped + 1
        assert self.skipped < 10, "training_step returned None ten times in a row"


# %% tags=["apparatus"]
# Tries the guard on both versions.
try_guard(
    "12.1",
    bad=lambda: fit(LogsTheLoss(), RequiresALoss()),
    good=lambda: fit(ReturnsTheLoss(), RequiresALoss()),
)

# %% [markdown]
# ## 12.2 Sync metrics across processes
#
# You validate on two GPUs. Lightning starts two processes and deals out the images in turn. You call
# `self.log("val_acc", acc)`. ([4.3](04_logging.ipynb) shows a run that *acts* on such a number.)
#
# This is staged: one of two cameras was mounted upside down. The validation set is 400 images twice, in the order upright, upside down, upright, upside down.
#
# **Predict.** As `val_acc`, `trainer.validate` shows
#
# - **a** the accuracy on the upright images alone;
# - **b** the accuracy on all images: Lightning gathers what `self.log` is given;
# - **c** two accuracies, one per process.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# ### Bad: each process logs for itself


# %% tags=["bad"]
class LogsForItself(DigitClassifier):
    def validation_step(self, batch, batch_idx):
        images, labels = batch
        acc = (self(images).argmax(1) == labels).float().mean()
        self.log("val_acc", acc)


# %% [markdown]
# ### Good: the processes average before they report


# %% tags=["good"]
class LogsTheAverage(DigitClassifier):
    def validation_step(self, batch, batch_idx):
        images, labels = batch
        acc = (self(images).argmax(1) == labels).float().mean()
        self.log("val_acc", acc, sync_dist=True)


# %% [markdown]
# ### The contrast
#
# Two processes, each with an ordinary Trainer (`devices=2`, `strategy="ddp"`), run on the CPU, because every machine has one. Both versions use the same trained weights. The truth is the accuracy on all images.

# %% tags=["apparatus"]
# One trained classifier, and a validation set of upright and upside-down images in turn.
trained = ReturnsTheLoss()
fit(trained)
trained.cpu()

upright = scaled(data.test_images[:400])
upside_down = upright.flip(-2, -1)
twice = torch.stack([upright, upside_down], dim=1).flatten(0, 1)  # in turn
val_set = TensorDataset(twice, data.test_labels[:400].repeat_interleave(2))


# %% tags=["apparatus"]
# Validates in two processes, and compares with the accuracy on all images.
def validate_in_two(model, make_loader=lambda: DataLoader(val_set, batch_size=32)):
    model.load_state_dict(trained.state_dict())

    def work():
        return L.Trainer(**two).validate(model, make_loader(), verbose=False)[0]

    return run_processes(work)


@torch.no_grad()
def is_right(images, labels):
    return (trained(images).argmax(1) == labels).float()


def compare(model_class):
    ranks = validate_in_two(model_class())
    first, second = (metrics["val_acc"] for metrics in ranks)
    truth = is_right(*val_set.tensors).mean().item()
    lead = truth - 1 / data.num_classes
    return {
        "first process": first,
        "second process": second,
        "true accuracy": truth,
        "error": abs(first - truth),
        "error as a share of the lead over guessing": abs(first - truth) / lead,
    }


# %% tags=["apparatus"]
# The figure of the contrast.
from course_utils.experiments.plots import Bars

plot = Bars(
    "Unsynced, each process knows its own half; you read the first",
    ["first process", "second process"],
    "accuracy",
    reference="true accuracy",
)

# %% tags=["contrast"]
versions = {"bad": LogsForItself, "good": LogsTheAverage}
result = contrast("12.2", compare, **versions, prediction=prediction, figure=plot)

# %% tags=["claim"]
text = "with upright and upside-down images dealt alternately to two processes, an accuracy logged without sync_dist is wrong by a tenth of its true lead over guessing or more"
off = result.bad["error as a share of the lead over guessing"]
claim("12.2", text, off >= 0.1)
text = "with sync_dist=True, two processes that see equally many images report the accuracy on all images"
claim("12.2", text, result.good["error"] <= 1e-6)

# %% [markdown]
# **Why.** Each process computes the accuracy of its own images. The table of `validate` and the logger show rank 0, the first process. `sync_dist=True` averages over the processes when the epoch ends.
#
# Lightning recommends `sync_dist=True`, to the bad version only. Both get a warning about the distributed sampler: with an odd number of images it repeats one. For a number that you publish, use `devices=1`.
#
# **In an ordinary run** the halves are alike. The folded cell deals out 2,000 shuffled test images, 200 times:

# %% tags=["apparatus"]
# Deals 2,000 shuffled images to two processes, 200 times: by how much is rank 0 off?
right = is_right(scaled(data.test_images[:2000]), data.test_labels[:2000])
deals = [right[torch.randperm(len(right))][::2].mean() for _ in range(200)]
points = 100 * (torch.stack(deals) - right.mean()).abs()
print(
    f"rank 0 is off by {points.median():.1f} points (median), {points.max():.1f} at most"
)
text = "with shuffled images, two thousand of them, the accuracy of one of two processes is off by less than two points in most deals"
claim("12.2", text, points.median().item(), below=2)

# %% [markdown]
# The error is many points in the contrast and about half a point in an ordinary run: too little to notice, and enough to make the wrong one of two models look better.
#
# **An average is not always enough.** Accuracy is a mean over images. Macro F1 (the default of `multiclass_f1_score`) divides by counts that differ between classes and batches. Logged in two ways:

# %%
from torchmetrics.classification import MulticlassF1Score
from torchmetrics.functional.classification import multiclass_f1_score


class LogsF1Twice(DigitClassifier):
    def __init__(self):
        super().__init__()
        self.f1 = MulticlassF1Score(num_classes=data.num_classes)

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        logits = self(images)
        batch_f1 = multiclass_f1_score(logits, labels, data.num_classes)
        self.log("mean_of_f1", batch_f1, sync_dist=True)
        self.f1(logits, labels)
        self.log("f1", self.f1)


# %% tags=["apparatus"]
# Validates in two processes, and compares with the F1 of all images at once.
with torch.no_grad():
    logits = trained(twice)
exact = multiclass_f1_score(logits, val_set.tensors[1], data.num_classes).item()
logged = validate_in_two(LogsF1Twice())[0]
print(f"all images at once:       {exact:.3f}")
print(f"synced mean of batch F1:  {logged['mean_of_f1']:.3f}")
print(f"torchmetrics object:      {logged['f1']:.3f}")
text = "in two processes, one with upright and one with upside-down images, the synced mean of the macro F1 of batches of 32 images differs from the macro F1 of all images by half a point or more"
claim("12.2", text, abs(logged["mean_of_f1"] - exact), at_least=0.005)
text = "in two processes, a torchmetrics object reports the macro F1 of all images"
claim("12.2", text, abs(logged["f1"] - exact), at_most=1e-6)
text = "Lightning recommends sync_dist for a metric that two processes log without it"
line = "self.log('val_acc', ..., sync_dist=True)"
claim("12.2", text, result.bad.says(line) and not result.good.says(line))

# %% [markdown]
# The object adds up counts over batches and processes, and divides once. It syncs by itself.
#
# **Scope.** Two processes or more, CPU or GPU. The average is exact if all processes see equally many images and none twice. With shards of your own, Lightning 2.6 rounds the
# number of images and can report an accuracy above 1 ([4.3](04_logging.ipynb), *Going further*).
#
# **When the bad version is right.** For a value that is the same in all processes, such as a learning rate, syncing costs communication and gains nothing. For a step metric it makes all processes wait in every step.
#
# ### Your turn · An exact F1 from two processes
#
# Make `val_f1` the macro F1 of the whole validation set, in one process and in two. *(8 minutes)*


# %% tags=["exercise"]
class ReportsF1(DigitClassifier):
    def __init__(self):
        super().__init__()

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        f1 = multiclass_f1_score(self(images), labels, num_classes=10)
        self.log("val_f1", f1, sync_dist=True)


# %%
check("12.2", ReportsF1)

# %%
# hint("12.2")

# %% [markdown]
# ### Take along
#
# Turn the warning into an error. A process warns once per name, so call this before `fit` or any other validation:


# %% tags=["guard"]
def validate_strictly(trainer, model, loader):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*sync_dist=True")
        return trainer.validate(model, loader, verbose=False)


# %% tags=["apparatus"]
# Tries the guard on both versions, in two processes.
def try_strictly(model_class):
    model, loader = model_class(), DataLoader(val_set, batch_size=64)
    run_processes(lambda: validate_strictly(L.Trainer(**two), model, loader))


try_guard(
    "12.2",
    bad=lambda: try_strictly(LogsForItself),
    good=lambda: try_strictly(LogsTheAverage),
)

# %% [markdown]
# **Second sitting.** In a new kernel, run all cells above once more; the rest builds on `DigitClassifier`, `data` and `trained`.
#
# ## 12.3 Leave the device to Lightning
#
# Name no device: that was [2.1](02_device_agnosticism.ipynb). Lightning moves each batch to the module's device before your step gets it. Every batch? Here are five ways to pack images and labels (the fifth: NumPy arrays in the tuple), and a step that reads them.

# %%
from dataclasses import dataclass
from typing import Any, NamedTuple


class InATuple(NamedTuple):
    images: Any
    labels: Any


@dataclass
class InADataclass:
    images: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True)
class InAFrozenDataclass:
    images: torch.Tensor
    labels: torch.Tensor


class InAnObject:
    def __init__(self, images, labels):
        self.images, self.labels = images, labels


# %%
class ReadsTheFields(DigitClassifier):
    def training_step(self, batch, batch_idx):
        return F.cross_entropy(self(batch.images), batch.labels)


# %% [markdown]
# **Predict.** Of the five, Lightning moves
#
# - **a** four, all but the NumPy arrays: it finds tensors wherever they are held;
# - **b** three: the tuple and both dataclasses;
# - **c** two.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %% [markdown]
# ### Bad: the loader delivers batches as they were packed


# %% tags=["bad"]
def delivers_as_packed(batch):
    return batch


# %% [markdown]
# ### Good: the collate function ends with a tuple of tensors


# %% tags=["good"]
def delivers_a_tuple(batch):
    return InATuple(torch.as_tensor(batch.images), torch.as_tensor(batch.labels))


# %% [markdown]
# ### The contrast
#
# The folded cells train a step on the CPU, then try it on a GPU, real or simulated ([2.1](02_device_agnosticism.ipynb)).

# %% tags=["apparatus"]
# Packs a batch in five ways; trains a step on the CPU, tries it on a GPU.
from course_utils.checks import runs_on
from course_utils.experiments.plots import Cells

images, labels = scaled(data.test_images[:32]), data.test_labels[:32]
PACKED = {
    "tuple": InATuple(images, labels),
    "dataclass": InADataclass(images, labels),
    "frozen dataclass": InAFrozenDataclass(images, labels),
    "object": InAnObject(images, labels),
    "NumPy arrays": InATuple(images.numpy(), labels.numpy()),
}


# %% tags=["apparatus"]
# What becomes of each batch if the loader ends with a version.
def outcome(batch, version):
    trainer = L.Trainer(max_steps=1, **quiet_trainer(accelerator="cpu"))
    loader = DataLoader([batch], batch_size=None, collate_fn=version)
    try:
        trainer.fit(ReadsTheFields(), loader)
    except (TypeError, ValueError):
        return "error, also on a CPU"
    on_gpu = runs_on(ReadsTheFields(), version(batch), "cuda:0")
    return "moved" if on_gpu.ok else "left behind"


def try_all(version):
    outcomes = {name: outcome(batch, version) for name, batch in PACKED.items()}
    return {**outcomes, "moved": list(outcomes.values()).count("moved")}


# The figure of the contrast.
title = "Lightning moves two of five; one is left behind without a warning"
plot = Cells(title, list(PACKED), "moved")

# %% tags=["contrast"]
versions = {"bad": delivers_as_packed, "good": delivers_a_tuple}
result = contrast("12.3", try_all, **versions, prediction=prediction, figure=plot)

# %% tags=["claim"]
text = "of a tuple, a dataclass, a frozen dataclass, an object of a class without a method `to` and NumPy arrays in a tuple, Lightning moves only two to the GPU"
claim("12.3", text, result.bad["moved"] == 2)

# %% [markdown]
# **Why.** Lightning looks for tensors in tuples, lists, dicts and dataclasses, and for anything that has a method `to`. It does not look into other objects. It cannot assign the moved tensors to a frozen dataclass, so it raises an error; an array is not a
# tensor, so the first layer raises one. Both happen on any device, with the first batch. The plain object trains on a CPU, without a warning. On a GPU you read this:


# %% tags=["apparatus"]
# The plain object on a GPU; the same class with a method `to`; three more claims.
class MovesItself(InAnObject):
    def to(self, device):
        return MovesItself(self.images.to(device), self.labels.to(device))


finding = runs_on(ReadsTheFields(), PACKED["object"], "cuda:0")
print(finding.seen)
text = "a step whose batch is an object of a class without a method `to` trains on a CPU and fails on a GPU"
claim("12.3", text, result.bad["object"] == "left behind")
text = "a tuple, a dataclass, a frozen dataclass, an object of a class without a method `to` and NumPy arrays are all moved if the collate function makes a tuple of tensors of them"
claim("12.3", text, result.good["moved"] == 5)
text = "Lightning moves a batch whose class has a method `to`"
with_to = outcome(MovesItself(images, labels), delivers_as_packed)
claim("12.3", text, with_to == "moved")

# %% [markdown]
# So, in this order: a tuple, dict or ordinary dataclass; a method `to(self, device)` in your class; for a class that you cannot change, the hook `transfer_batch_to_device` of your module. (The default collate function turns arrays into tensors.)
#
# **Scope.** One process or several; the plain object fails on every device but the CPU (Lightning 2.6). A tensor that you create in the step is not moved either: [2.2](02_device_agnosticism.ipynb).
#
# **When the bad version is right.** For tensors that should stay on the CPU, say the targets of a metric that runs there. And in a loop without a Trainer you move batches yourself.
#
# ### Your turn · A batch that Lightning cannot move
#
# A loader delivers objects with `images` and `labels`, of a class without `to` that you cannot change. The module trains on CUDA only. Make it
# train on any device. *(6 minutes)*


# %% tags=["exercise"]
class TrainsOnScans(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch.images.cuda(), batch.labels.cuda()
        return F.cross_entropy(self(images), labels)


# %%
check("12.3", TrainsOnScans)

# %%
# hint("12.3")

# %% [markdown]
# ### Take along
#
# A test that needs no GPU: the `meta` device stores no values. Replace `images` by each field of your batch.


# %% tags=["guard"]
def assert_moves(module, batch):
    moved = module.transfer_batch_to_device(batch, torch.device("meta"), 0)
    assert moved.images.is_meta, f"{type(batch).__name__} stays on the CPU"


# %% tags=["apparatus"]
# Tries the guard on the plain object, as it was packed and made a tuple.
plain = PACKED["object"]
try_guard(
    "12.3",
    bad=lambda: assert_moves(ReadsTheFields(), delivers_as_packed(plain)),
    good=lambda: assert_moves(ReadsTheFields(), delivers_a_tuple(plain)),
)

# %% [markdown]
# ## 12.4 Log with self.log
#
# Collect the accuracy of each batch in a list, and take the mean at the end of the epoch. The validation set has 129 images, in batches of 128.
# This is staged: the last image is one that the network gets wrong.
#
# **Predict.** The mean of the list is
#
# - **a** the true accuracy: a mean of means is a mean;
# - **b** about half of the true accuracy;
# - **c** true to within a point: one image of 129 counts for little.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# ### Bad: a list, and its mean


# %% tags=["bad"]
class CollectsInAList(DigitClassifier):
    def on_validation_epoch_start(self):
        self.accs = []

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        self.accs.append((self(images).argmax(1) == labels).float().mean())

    def on_validation_epoch_end(self):
        self.reported = torch.stack(self.accs).mean().item()


# %% [markdown]
# ### Good: `self.log`


# %% tags=["good"]
class LogsWithLightning(DigitClassifier):
    def validation_step(self, batch, batch_idx):
        images, labels = batch
        self.log("val_acc", (self(images).argmax(1) == labels).float().mean())


# %% [markdown]
# ### The contrast
#
# Both versions use the trained weights of 12.2. A bar is a batch, as wide as its share in the mean and as high as its accuracy; the dotted line is the mean.

# %% tags=["apparatus"]
# 129 images, the last one classified wrongly; validates with any loader.
right = is_right(scaled(data.test_images[:1000]), data.test_labels[:1000])
wrong = 128 + int((right[128:] == 0).nonzero()[0, 0])
chosen = [*range(128), wrong]
small_val = TensorDataset(scaled(data.test_images[chosen]), data.test_labels[chosen])
right = right[chosen]


def validate(model_class, batch_size=128):
    model = model_class()
    model.load_state_dict(trained.state_dict())
    trainer = L.Trainer(**quiet_trainer())
    trainer.validate(model, DataLoader(small_val, batch_size), verbose=False)
    logged = trainer.callback_metrics
    return float(logged.get("val_acc", math.nan)), getattr(model, "reported", math.nan)


# %% tags=["apparatus"]
# Compares what was reported with the truth, and says which share each batch had.
def report(model_class):
    logged, listed = validate(model_class)
    seen = not math.isnan(logged)
    reported, truth = logged if seen else listed, right.mean().item()
    return {
        "reported accuracy": reported,
        "true accuracy": truth,
        "error": abs(reported - truth),
        "reported / true": reported / truth,
        "seen by callbacks": seen,
        "share": [128, 1] if seen else [1, 1],
        "batch accuracy": [batch.mean() for batch in right.split(128)],
    }


# %% tags=["apparatus"]
# The figure of the contrast.
from course_utils.experiments.plots import WeightsInMean

plot = WeightsInMean(
    "In the mean of the list, one image has half of the vote",
    weights="share",
    values="batch accuracy",
    mean="reported accuracy",
    y="accuracy of the batch",
)

# %% tags=["contrast"]
versions = {"bad": CollectsInAList, "good": LogsWithLightning}
result = contrast("12.4", report, **versions, prediction=prediction, figure=plot)

# %% tags=["claim"]
text = "if a batch of one wrong answer follows a full batch, the mean of the batch accuracies is little more than half of the true accuracy"
claim("12.4", text, result.bad["reported / true"] <= 0.51)
text = "self.log in validation_step reports the true accuracy for batches of different size, if a batch is images and labels"
claim("12.4", text, result.good["error"] <= 1e-6)

# %% [markdown]
# **Why.** The list gives each batch one vote, so a single image decides half of the result. `self.log` weights each batch by its size. Lightning says nothing: it does not know of the list. Nor do callbacks and the logger, as the last row shows. (What a list costs in memory: [7.4](07_memory.ipynb).)
#
# **In an ordinary run** the last batch is larger. Here are 2,000 test images in batches of 128, shuffled 200 times:

# %% tags=["apparatus"]
# By how much is the mean of batch means off, for 2,000 shuffled images?
many = is_right(scaled(data.test_images[:2000]), data.test_labels[:2000])


def mean_of_batch_means():
    batches = many[torch.randperm(len(many))].split(128)
    return torch.stack([batch.mean() for batch in batches]).mean()


means = torch.stack([mean_of_batch_means() for _ in range(200)])
points = 100 * (means - many.mean()).abs()
print(
    f"the list is off by {points.median():.2f} points (median), {points.max():.2f} at most"
)
text = "for two thousand shuffled images in batches of 128, the mean of batch accuracies is off by less than half a point in most orders"
claim("12.4", text, points.median().item(), below=0.5)

# %% [markdown]
# That is too little to notice. A smaller validation set or last batch makes it larger.
#
# **But where does `self.log` get the size?** It guesses: the first dimension of the first tensor that it finds. Take texts, with the tokens of a batch joined into one long row. Three short texts, all answered
# correctly, make the first batch; one long text, answered wrongly, is the second. The truth is 0.75.

# %%
batches = [
    {"tokens": torch.zeros(10), "is_right": torch.tensor([1.0, 1.0, 1.0])},
    {"tokens": torch.zeros(30), "is_right": torch.tensor([0.0])},
]


class GuessesTheSize(L.LightningModule):
    def validation_step(self, batch, batch_idx):
        self.log("val_acc", batch["is_right"].mean())


class GivesTheSize(L.LightningModule):
    def validation_step(self, batch, batch_idx):
        size = len(batch["is_right"])
        self.log("val_acc", batch["is_right"].mean(), batch_size=size)


# %% tags=["apparatus"]
# Validates both; prints what is logged, and Lightning's warnings.
def logged_by(model_class):
    trainer = L.Trainer(**quiet_trainer())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loader = DataLoader(batches, batch_size=None)
        [metrics] = trainer.validate(model_class(), loader, verbose=False)
    said = [str(each.message) for each in caught if "batch_size" in str(each.message)]
    print(f"{model_class.__name__}: val_acc {metrics['val_acc']:.2f}")
    print(f"    Lightning says: {said[0]}" if said else "    Lightning says nothing.")
    return metrics["val_acc"], bool(said)


guessed, warned = logged_by(GuessesTheSize)
given, warned_too = logged_by(GivesTheSize)
text = "if the first tensor of a dict batch is a row of tokens, self.log weights by tokens: a quarter where three quarters are right"
claim("12.4", text, guessed, equals=0.25)
text = "with batch_size=, self.log reports the share of right answers, also if the batch begins with a row of tokens"
claim("12.4", text, given, equals=0.75)
text = "Lightning warns if it guesses the batch size from tensors of different length, and not if batch_size= is given"
claim("12.4", text, warned and not warned_too)

# %% [markdown]
# Weighted by tokens, the wrong answer counts for 30 of 40. The warning names the remedy: give `batch_size=` wherever a batch is more than images and labels. (If all tensors agree on a wrong size, the guess is silent.)
#
# **Scope.** CPU or GPU, one process, a value that is a mean over the samples of a batch. In `training_step`, `self.log` without `on_epoch=True` reports only the last batch ([4.1](04_logging.ipynb)).
#
# **When the bad version is right.** When you need all values and not their mean, as for a histogram. Collect one value per image, detached, and empty the list in every epoch.
#
# ### Your turn · One honest number per epoch
#
# Make `val_acc` right for batches of any size and in every epoch. Callbacks must find it under this name. *(6 minutes)*


# %% tags=["exercise"]
class ReportsAccuracy(DigitClassifier):
    def __init__(self):
        super().__init__()
        self.accs = []

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        acc = (self(images).argmax(1) == labels).float().mean()
        self.accs.append(acc)

    def on_validation_epoch_end(self):
        self.log("val_acc", torch.stack(self.accs).mean())


# %%
check("12.4", ReportsAccuracy)

# %%
# hint("12.4")

# %% [markdown]
# ### Take along
#
# The same images must give the same number with any batch size. `validate` takes a batch size and returns what you report:


# %% tags=["guard"]
def assert_free_of_batch_size(validate, sizes=(128, 50)):
    first, second = (validate(size) for size in sizes)
    assert abs(first - second) < 1e-4, f"batch size matters: {first:.3f}, {second:.3f}"


# %% tags=["apparatus"]
# Tries the guard on both versions.
try_guard(
    "12.4",
    bad=lambda: assert_free_of_batch_size(
        lambda size: validate(CollectsInAList, size)[1]
    ),
    good=lambda: assert_free_of_batch_size(
        lambda size: validate(LogsWithLightning, size)[0]
    ),
)

# %% [markdown]
# ## 12.5 Leave the batch as it came
#
# A denoiser learns to undo noise: add noise to an image, reconstruct, compare with the clean image. To save memory, the step adds the noise in place. Old
# advice says: "Never change a batch in place, it corrupts your dataset."
#
# **Predict.** With the noise added in place,
#
# - **a** the dataset is corrupted: each epoch adds noise to the noise;
# - **b** the dataset is intact, and the denoiser learns just as well: the network sees the same noisy image;
# - **c** the dataset is intact, and the denoiser learns the wrong thing.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
class Denoiser(L.LightningModule):
    """Images to images, each flattened to one row."""

    def __init__(self):
        super().__init__()
        channels = ImageDataModule().image_shape[0]
        hidden = [nn.Conv2d(channels, 8, 5, padding=2), nn.ReLU()]
        last = nn.Conv2d(8, channels, 5, padding=2)
        self.net = nn.Sequential(*hidden, last, nn.Flatten())

    def forward(self, images):
        return self.net(images)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=5e-3)


# %% [markdown]
# ### Bad: the noise is added in place


# %% tags=["bad"]
class AddsInPlace(Denoiser):
    def training_step(self, batch, batch_idx):
        images, _ = batch
        noisy = images
        noisy += 0.5 * torch.randn_like(images)
        loss = F.mse_loss(self(noisy), images.flatten(1))
        self.log("train_loss", loss)
        return loss


# %% [markdown]
# ### Good: the noise makes a new tensor


# %% tags=["good"]
class MakesANewTensor(Denoiser):
    def training_step(self, batch, batch_idx):
        images, _ = batch
        noisy = images
        noisy = noisy + 0.5 * torch.randn_like(images)
        loss = F.mse_loss(self(noisy), images.flatten(1))
        self.log("train_loss", loss)
        return loss


# %% [markdown]
# ### The contrast
#
# An ordinary run: three shuffled epochs of 2,000 images. Then each version restores noisy test images.


# %% tags=["apparatus"]
# Trains a denoiser, restores noisy test images, and looks for changes in the dataset.
def restore(model_class):
    model, curve = model_class(), MetricCurve("train_loss")
    images, labels = scaled(data.train_images[:2000]), data.train_labels[:2000]
    before = images.clone()
    loader = DataLoader(TensorDataset(images, labels), batch_size=64, shuffle=True)
    L.Trainer(max_epochs=3, callbacks=[curve], **quiet_trainer()).fit(model, loader)
    clean = scaled(data.test_images[:500])
    noisy = clean + 0.5 * torch.randn_like(clean)
    with torch.no_grad():
        restored = model.cpu()(noisy).view_as(clean)
    return {
        "squared error": F.mse_loss(restored, clean),
        "first training loss": curve.values[0],
        "last training loss": curve.values[-1],
        "images changed in the dataset": int(
            (before != images).flatten(1).any(1).sum()
        ),
        "clean": clean[:10],
        "noisy": noisy[:10],
        "restored": restored[:10],
    }


# %% tags=["apparatus"]
# The figure of the contrast.
from course_utils.experiments.plots import Images

plot = Images(
    "Trained in place, the denoiser keeps the noise",
    inputs=["clean", "noisy"],
    outputs="restored",
    score="squared error",
)

# %% tags=["contrast"]
versions = {"bad": AddsInPlace, "good": MakesANewTensor}
result = contrast("12.5", restore, **versions, prediction=prediction, figure=plot)

# %% tags=["claim"]
text = "a denoiser whose step adds the noise in place ends with at least 3 times the squared error of one that adds it to a new tensor"
claim("12.5", text, result.times("squared error") >= 3)
text = "a step that changes its batch in place leaves the dataset as it was, if the default collate function made the batch"
claim("12.5", text, result.bad["images changed in the dataset"] == 0)

# %% [markdown]
# **Why.** `noisy = images` gives the same tensor a second name. `+=` changes it under both names. So the target is noisy, too, and the best answer is to keep the noise. The training loss falls all the same, as the table shows, and Lightning says nothing.
#
# The dataset survives because the loader's *collate function* stacks single images into a *new* tensor. Where it does not, the old advice is right (*Going further*).

# %% tags=["apparatus"]
# One more claim.
text = "the training loss of a denoiser whose step adds the noise in place falls to half or less"
fall = result.bad["last training loss"] / result.bad["first training loss"]
claim("12.5", text, fall <= 0.5)

# %% [markdown]
# **Scope.** One process or several, CPU or GPU. A batch moved from the CPU to a GPU is a copy, so the dataset is safe; the target is wrong all the same.
#
# **When the bad version is right.** For a tensor that you made yourself and nothing else
# reads: `noise = torch.randn_like(images); noise *= 0.5` saves the memory of one tensor. The rule is about tensors that you were *given*.
#
# ### Your turn · Hide a patch, not the target
#
# This module learns to fill in a hidden patch, and hides it in the target as well. Repair it: the network must see the hole, the loss must compare
# with the complete image, and the batch must stay as it came. *(5 minutes)*


# %% tags=["exercise"]
class FillsTheHole(Denoiser):
    def training_step(self, batch, batch_idx):
        images, _ = batch
        row, column = torch.randint(0, 20, (2,)).tolist()
        patched = images
        patched[:, :, row : row + 8, column : column + 8] = 0
        return F.mse_loss(self(patched), images.flatten(1))


# %%
check("12.5", FillsTheHole)

# %%
# hint("12.5")

# %% [markdown]
# ### Take along
#
# A callback for a short run, as it copies every batch. It expects a tuple or a list of tensors; `nan` counts as equal to `nan`.


# %% tags=["guard"]
class RequiresUntouchedBatch(L.Callback):
    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.before = [tensor.clone() for tensor in batch]

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        same = {"rtol": 0, "atol": 0, "equal_nan": True, "msg": "the batch changed"}
        torch.testing.assert_close(list(batch), self.before, **same)


# %% tags=["apparatus"]
# Tries the guard on both versions; one image is nan, which is no change.
def try_untouched(model_class):
    images, labels = scaled(data.train_images[:64]), data.train_labels[:64]
    images[0] = math.nan
    loader = DataLoader(TensorDataset(images, labels), batch_size=32)
    trainer = quiet_trainer(max_epochs=1, callbacks=[RequiresUntouchedBatch()])
    L.Trainer(**trainer).fit(model_class(), loader)


try_guard(
    "12.5",
    bad=lambda: try_untouched(AddsInPlace),
    good=lambda: try_untouched(MakesANewTensor),
)

# %% [markdown]
# ### Going further · Batches that share memory with the dataset
#
# A dataset that delivers ready-made batches as slices, with `batch_size=None`, makes no copies. On a CPU:


# %%
class Views(torch.utils.data.Dataset):
    """Ready-made batches: slices that share the memory of `images`."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images) // 64

    def __getitem__(self, i):
        return self.images[64 * i : 64 * (i + 1)], 0


# %% tags=["apparatus"]
# One epoch on the CPU, in place, on batches that are views.
images = scaled(data.train_images[:640])
before = images.clone()
loader = DataLoader(Views(images), batch_size=None)
L.Trainer(max_epochs=1, **quiet_trainer(accelerator="cpu")).fit(AddsInPlace(), loader)
changed = int((images != before).flatten(1).any(1).sum())
print("images changed in the dataset:", changed, "of", len(images))
text = "on a CPU, a step that changes its batch in place changes every image of a dataset that delivers slices of one tensor"
claim("12.5", text, changed, equals=640)

# %% [markdown]
# ## Symptoms
#
# | You see | Look at |
# |---|---|
# | steps are counted, and the loss stays near ln(number of classes) | 12.1 |
# | a metric changes with the number of GPUs | 12.2 |
# | the logged F1 differs from the one that you compute afterwards | 12.2 |
# | what works on the CPU fails on the GPU: tensors on two devices | 12.3 |
# | a validation metric changes with the batch size | 12.4 |
# | Lightning warns that it infers `batch_size` from an ambiguous collection | 12.4 |
# | the training loss falls, and the outputs look like the inputs | 12.5 |
#
# ## Take away
#
# A checklist for your own code:
#
# - [ ] `training_step` returns the loss, and the loss falls.
# - [ ] Metrics from several processes are synced; what is not a mean over samples, such as F1, is a torchmetrics object.
# - [ ] Batches are tuples, dicts or ordinary dataclasses of tensors; a class of my own has a method `to`.
# - [ ] Means over an epoch come from `self.log`, with `batch_size=` if the batch is more than images and labels.
# - [ ] My step does not change a tensor that it was given.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin: [the record](../src/course_utils/records/evidence.md#lesson-12).
#
# **Sources** Lightning's documentation on [logging](https://lightning.ai/docs/pytorch/stable/extensions/logging.html),
# [the LightningModule](https://lightning.ai/docs/pytorch/stable/common/lightning_module.html) and
# [hardware-agnostic training](https://lightning.ai/docs/pytorch/stable/accelerators/accelerator_prepare.html); torchmetrics on
# [Lightning](https://lightning.ai/docs/torchmetrics/stable/pages/lightning.html); MNIST by LeCun, Cortes and Burges.
#
# Next: [lesson 13](13_performance.ipynb), or the [solutions](../solutions/12_common_pitfalls.ipynb) of this one.

# %% tags=["own-code"]
# This lesson's questions, asked of your own code: name it in place of None.
my_module, my_data = None, None  # "my_package.model:MyModel", "my_package.data:MyData"
course_utils.check_my(my_module, my_data, select="12.*")
