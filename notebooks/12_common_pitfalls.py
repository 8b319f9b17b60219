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
# A loss curve that jitters. A metric with three decimals. A run that ends on time. All three can come from code that is broken. In this lesson
# you meet five mistakes that show nothing where people look, and at the end you can
#
# - name the symptom of each, and look for it in your own code;
# - repair it, and prove by a measurement that it is gone;
# - say when the "mistake" is the right thing to do.
#
# **You need** to know what a `LightningModule` and a `Trainer` are. New here? [Start here](00_start_here.ipynb) takes fifteen minutes.
#
# **Time** 30 minutes of reading and running, 30 minutes of exercises. All cells together run in less than half a minute on two CPU cores.

# %% tags=["setup"]
try:
    import course_utils
except ModuleNotFoundError:  # opened alone, as on Colab: fetch the helpers, keep torch
    from IPython import get_ipython

    get_ipython().run_line_magic("pip", 'install -q "lightning-course-utils==0.1.*"')
    import course_utils

course_utils.start("12", written_for="0.1")

# %%
import lightning as L
import torch
from torch import nn
from torch.nn import functional as F

from course_utils import check, claim, contrast, hint, solution
from course_utils.data import ImageDataModule
from course_utils.hardware import quiet_trainer

# %% [markdown]
# One data module and one small classifier serve the whole lesson. The data module delivers batches of images and labels; images have the shape
# `(batch, channel, height, width)` and values from 0 to 1. `quiet_trainer()` holds the options that keep a Trainer silent.

# %%
digits = ImageDataModule(batch_size=64)


class DigitClassifier(L.LightningModule):
    """One hidden layer: images of shape (batch, 1, 28, 28) to logits of shape (batch, 10)."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10)
        )

    def forward(self, images):
        return self.net(images)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


# %% [markdown]
# ## 12.1 Return the loss
#
# `training_step` computes a loss and logs it. One line is missing: nothing hands the loss back to Lightning. You look at the step counter
# to see whether anything happened.
#
# **Predict before you run.** After two epochs without `return loss`, `trainer.global_step` says
#
# - **a** 0: nothing was updated, so nothing is counted;
# - **b** as much as with `return loss`;
# - **c** nothing: an error stops the very first step.

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
# Both train for two epochs from the same seed on the same digits. `MetricCurve` notes the logged loss after every batch, `accuracy` counts right
# answers on the test images. Watch the loss curves first, then the row *steps reported*.

# %%
from course_utils.experiments.plots import Lines
from course_utils.measure import MetricCurve, accuracy


def train(model):
    before = [weight.clone() for weight in model.parameters()]
    curve = MetricCurve("train_loss")
    trainer = L.Trainer(max_epochs=2, callbacks=[curve], **quiet_trainer())
    trainer.fit(model, datamodule=digits)
    model.cpu()
    changed = [not torch.equal(a, b) for a, b in zip(before, model.parameters())]
    return {
        "test accuracy": accuracy(model, digits.test_images, digits.test_labels),
        "steps reported": trainer.global_step,
        "weight tensors changed": sum(changed),
        "train loss": curve.values,
    }


# %% tags=["contrast"]
result = contrast(
    "12.1",
    bad=lambda: train(LogsTheLoss()),
    good=lambda: train(ReturnsTheLoss()),
    prediction=prediction,
    figure=Lines(
        "Without `return`, the loss jitters like any other, and never falls",
        "train loss",
        x="batch",
        y="cross-entropy loss",
    ),
)

# %% tags=["claim"]
claim(
    "12.1",
    "forgetting the return costs at least 50 points of accuracy",
    result.gain("test accuracy"),
    at_least=0.5,
)
claim(
    "12.1",
    "not one weight tensor changes",
    result.bad.number("weight tensors changed"),
    equals=0,
)
claim(
    "12.1",
    "and the step counter does not notice",
    result.gain("steps reported"),
    equals=0,
)

# %% [markdown]
# **Why.** To Lightning, a `training_step` that returns `None` says: skip this batch. So there is no backward pass and no update. The step counter
# counts all the same. The loss still jitters, because each batch is scored by the same untrained
# weights: some batches are easier than others. Lightning does warn, once, in the first such step; this notebook mutes warnings; elsewhere a progress bar easily hides them.
#
# **The symptom to look for:** a loss that has noise but no slope.
#
# **When the bad version is right.** Returning `None` on purpose is how you leave a batch out, for example one with broken pixels. (With several
# processes that does not work: the others wait for your gradients.) Two more ways are fine: `return {"loss": loss}` is as good as `return loss`,
# and under manual optimization, where you call the optimizer yourself, Lightning expects nothing back. The next cell shows the first of them at work.


# %%
class ReturnsADict(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.log("train_loss", loss)
        return {"loss": loss, "note": "anything else you need in a callback"}


print("weight tensors changed:", train(ReturnsADict())["weight tensors changed"])

# %% [markdown]
# ### Your turn · Skip the broken batches, train on the rest
#
# A scanner sometimes delivers a batch with `nan` pixels. One such batch would turn every weight into `nan`. The step below wants to skip it, and to
# train on all others. It has the bug of this practice. Repair it. *(one line, 5 minutes)*


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
# ## 12.2 Sync metrics across processes
#
# You validate on two GPUs. Lightning starts two processes and deals out the validation set like cards: one image to the first process, one to the second. You log the
# accuracy, as always, and read one number.
#
# To see it without a GPU, we start two processes on the CPU: the same code, slower hardware. The validation set holds 400 digits twice: clean, noisy, clean, noisy, and
# so on. So the first process gets all the clean ones.
#
# **Predict.** The accuracy that you read is
#
# - **a** that of the clean digits, far too good;
# - **b** that of all digits: Lightning gathers metrics by itself;
# - **c** that of the process that ends last, so it changes from run to run.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %%
from torch.utils.data import DataLoader, TensorDataset

from course_utils.data import scaled

clean = scaled(digits.test_images[:400])  # bytes from 0 to 255, made floats from 0 to 1
noisy = (clean + torch.randn_like(clean)).clamp(0, 1)
twice = torch.stack([clean, noisy], dim=1).flatten(0, 1)  # clean, noisy, clean, ...
val_set = TensorDataset(twice, digits.test_labels[:400].repeat_interleave(2))
val_loader = DataLoader(val_set, batch_size=64)

# %% [markdown]
# Both versions use the weights of one trained classifier, so only the logging differs.

# %%
trained = ReturnsTheLoss()
train(trained)
weights = trained.state_dict()

# %% [markdown]
# ### Bad: each process logs for itself


# %% tags=["bad"]
class LogsForItself(DigitClassifier):
    def validation_step(self, batch, batch_idx):
        images, labels = batch
        acc = (self(images).argmax(1) == labels).float().mean()
        self.log("val_acc", acc)


# %% [markdown]
# ### Good: the processes average before they log


# %% tags=["good"]
class LogsTheAverage(DigitClassifier):
    def validation_step(self, batch, batch_idx):
        images, labels = batch
        acc = (self(images).argmax(1) == labels).float().mean()
        self.log("val_acc", acc, sync_dist=True)


# %% [markdown]
# ### The contrast
#
# `run_processes` starts two processes and returns what each of them returned. Inside stands an ordinary `Trainer` with `devices=2` and
# `strategy="ddp"` (distributed data parallel), as on a machine with two GPUs. `report` compares the first process, whose number you read, with the truth: all images in one process.

# %%
from course_utils.distributed import run_processes
from course_utils.experiments.plots import Bars


def validate_in_two(model):
    model.load_state_dict(weights)
    options = quiet_trainer(accelerator="cpu", devices=2, strategy="ddp")

    def work():
        return L.Trainer(**options).validate(model, val_loader, verbose=False)[0]

    return run_processes(work)


def report(model):
    truth = (trained(twice).argmax(1) == val_set.tensors[1]).float().mean().item()
    first, second = [metrics["val_acc"] for metrics in validate_in_two(model)]
    return {
        "first process": first,
        "second process": second,
        "true accuracy": truth,
        "error": abs(first - truth),
    }


# %% tags=["contrast"]
result = contrast(
    "12.2",
    bad=lambda: report(LogsForItself()),
    good=lambda: report(LogsTheAverage()),
    prediction=prediction,
    figure=Bars(
        "Unsynced, each process knows its own half; you read the first",
        ["first process", "second process"],
        "accuracy",
        reference="true accuracy",
    ),
)

# %% tags=["claim"]
claim(
    "12.2",
    "the unsynced accuracy is at least 10 points off",
    -result.gain("error"),
    at_least=0.1,
)
claim(
    "12.2",
    "the synced accuracy is what one process measures",
    result.good.number("error"),
    at_most=1e-6,
)

# %% [markdown]
# **Why.** Each process computes its own accuracy, over the images that it was dealt. Logger, progress bar and callbacks that write files work in rank 0, the first process, so that
# is the number you read. `sync_dist=True` averages over the processes when the epoch ends, weighted by the images that each one saw. (Lightning recommends it in a
# warning that is easy to miss; it is muted here.)
#
# An average is not always enough. Accuracy divides by the number of images, and Lightning knows that number. The macro F1, the mean of the F1 of each class, divides by counts that
# differ from batch to batch. Weighting cannot repair its mean. Watch three numbers: the F1 of all images at once, the synced mean of batch scores, and a
# torchmetrics object.

# %%
from torchmetrics.classification import MulticlassF1Score
from torchmetrics.functional.classification import multiclass_f1_score


class TwoWaysOfF1(DigitClassifier):
    def __init__(self):
        super().__init__()
        self.f1 = MulticlassF1Score(num_classes=10)

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        logits = self(images)
        batch_f1 = multiclass_f1_score(logits, labels, num_classes=10)
        self.log("mean_of_f1", batch_f1, sync_dist=True)
        self.f1(logits, labels)
        self.log("f1", self.f1)


# %%
exact = multiclass_f1_score(trained(twice), val_set.tensors[1], num_classes=10).item()
logged = validate_in_two(TwoWaysOfF1())[0]
print(f"all images at once:  {exact:.3f}")
print(f"synced batch scores: {logged['mean_of_f1']:.3f}")
print(f"torchmetrics object: {logged['f1']:.3f}")

# %% tags=["claim"]
claim(
    "12.2",
    "the synced mean of batch F1 is wrong by a point or more",
    abs(logged["mean_of_f1"] - exact),
    at_least=0.01,
)
claim(
    "12.2",
    "a torchmetrics object reports the exact F1",
    abs(logged["f1"] - exact),
    at_most=1e-6,
)

# %% [markdown]
# The object collects counts, adds them up over both processes, and divides once. It syncs by itself: no `sync_dist` needed.
#
# One limit remains. 800 images divide by two. With an odd number Lightning's sampler deals one image twice, so that no process waits in vain, and then even the object counts it
# twice. Take a number that you publish from one process: `devices=1`.
#
# **When the bad version is right.** In one process, `sync_dist` changes nothing. For a value that is the same everywhere, such as a learning rate, it costs a
# message and brings nothing. And every synced *step* metric makes all processes wait for each other in every step: sync what you report once an epoch.
#
# ### Your turn · An exact F1 from two processes
#
# The module below logs the mean of batch scores. Make `val_f1` the macro F1 of the whole validation set, whether one process or two compute
# it. The check runs both. *(8 minutes)*


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
# ## 12.3 Leave the device to Lightning
#
# `images.to("cuda:0")` is in countless tutorials. Here is a step with it, and one without.
#
# You need no GPU to test it. PyTorch can compute on *fake tensors*: they have a shape and a device but no numbers, and follow the rules of real devices.
# `runs_on` runs a training step that way, up to the loss.
#
# **Predict.** Suppose you have a CPU and two GPUs, and put the whole model on one of the three. The step with `"cuda:0"` runs on
#
# - **a** all three: PyTorch moves what it needs;
# - **b** both GPUs: tensors travel between GPUs by themselves;
# - **c** the first GPU only.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# ### Bad: the step names the device


# %% tags=["bad"]
class NamesTheDevice(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        images, labels = images.to("cuda:0"), labels.to("cuda:0")
        return F.cross_entropy(self(images), labels)


# %% [markdown]
# ### Good: the step uses the batch where it is


# %% tags=["good"]
class UsesTheBatch(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)


# %% [markdown]
# ### The contrast
#
# Three questions for each version: does it *really train* on this machine's CPU, and would a step run on a first and on a second GPU? In this figure the colour says
# whether it runs.

# %%
from course_utils.checks import is_device_fault, runs_on
from course_utils.experiments.plots import Cells


def trains_on_cpu(model):
    trainer = L.Trainer(max_epochs=1, **quiet_trainer(accelerator="cpu"))
    try:
        trainer.fit(model, datamodule=digits)
    except (RuntimeError, AssertionError) as error:
        if not is_device_fault(error):
            raise
        return False
    return True


batch = (scaled(digits.test_images[:8]), digits.test_labels[:8])


def tour(model_class):
    found = {"cpu": trains_on_cpu(model_class())}
    for device in ("cuda:0", "cuda:1"):
        found[device] = bool(runs_on(model_class(), batch, device).ok)
    cells = {device: "runs" if ok else "fails" for device, ok in found.items()}
    return {**cells, "devices that work": sum(found.values())}


# %% tags=["contrast"]
result = contrast(
    "12.3",
    bad=lambda: tour(NamesTheDevice),
    good=lambda: tour(UsesTheBatch),
    prediction=prediction,
    figure=Cells(
        "A step that names a device runs on that device only",
        ["cpu", "cuda:0", "cuda:1"],
        fine="runs",
    ),
)

# %% tags=["claim"]
claim(
    "12.3",
    "naming the device leaves one device of three",
    result.bad.number("devices that work"),
    equals=1,
)
claim(
    "12.3",
    "leaving it to Lightning, all three work",
    result.good.number("devices that work"),
    equals=3,
)

# %%
print(runs_on(NamesTheDevice(), batch, "cuda:1").seen)

# %% [markdown]
# **Why.** `"cuda:0"` is the first GPU, whatever device the module is on. On the second GPU the weights are on `cuda:1` and the images on `cuda:0`, and PyTorch refuses to multiply
# them: that is the sentence above. On a machine without a GPU there is no `cuda:0` to copy to. On a machine with one GPU all is well, and so nobody removes the line. (A bare `.cuda()` is
# a little better: it means the GPU that the Trainer made the current one. It still fails without a GPU.)
#
# Before each step, Lightning moves the batch to the module's device. That leaves you almost nothing to do. Almost: it knows how to move some types and leaves others where they are, without a
# word. Which ones? We ask its own function to move each batch to another device, the data-less `meta` device.

# %%
from dataclasses import dataclass

from lightning.pytorch.utilities import move_data_to_device


@dataclass
class Labelled:
    images: torch.Tensor


class Plain:
    def __init__(self, images):
        self.images = images


ones = torch.ones(2)
print("in a dict:     ", move_data_to_device({"x": ones}, "meta")["x"].device)
print(
    "in a dataclass: ",
    move_data_to_device(Labelled(torch.ones(2)), "meta").images.device,
)
print(
    "in an object:   ", move_data_to_device(Plain(torch.ones(2)), "meta").images.device
)

# %% [markdown]
# The tensor in the plain object stayed on the CPU. For such a batch, write a method `to(self, device)` for its class, or override
# `transfer_batch_to_device` in your module.
#
# **When the bad version is right.** In a script of your own with a plain loop and no Lightning, you move the batch yourself: `images.to(device)` with one
# `device` chosen at the top. And in a `LightningModule`, a tensor that *you* create still needs a place: `torch.zeros(10, device=self.device)`.
#
# ### Your turn · A batch that Lightning cannot move
#
# This loader delivers objects of a class that you cannot change: no `to`, no dataclass. The module trains on GPUs only. Make it
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
# ## 12.4 Log with self.log
#
# Collect the accuracy of each batch in a list, take the mean at the end of the epoch: three lines, and you see what you do. Here the
# validation set has 129 images and the loader makes batches of 128. The images are noisy, and the classifier is often wrong about them.
#
# **Predict.** The mean of the list, against the true accuracy, is
#
# - **a** the same: a mean of means is a mean;
# - **b** off by more than ten points;
# - **c** off in the third decimal: rounding.

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
        acc = (self(images).argmax(1) == labels).float().mean()
        self.accs.append(acc)

    def on_validation_epoch_end(self):
        self.reported = torch.stack(self.accs).mean()


# %% [markdown]
# ### Good: `self.log`


# %% tags=["good"]
class LogsWithLightning(DigitClassifier):
    def validation_step(self, batch, batch_idx):
        images, labels = batch
        acc = (self(images).argmax(1) == labels).float().mean()
        self.log("val_acc", acc)


# %% [markdown]
# ### The contrast
#
# Both versions use the same weights and the same 129 images, with noise added. `epoch_accuracy` validates and returns what was reported, beside the truth. In the figure each frame is a batch, as wide as its share in the mean, and filled
# up to its accuracy; the dotted line is the mean.

# %%
from course_utils.experiments.plots import WeightsInMean

grainy = (clean[:129] + 0.4 * torch.randn_like(clean[:129])).clamp(0, 1)
small_val = TensorDataset(grainy, digits.test_labels[:129])


def epoch_accuracy(model, share_of):
    model.load_state_dict(weights)
    trainer = L.Trainer(**quiet_trainer(accelerator="cpu"))
    trainer.validate(model, DataLoader(small_val, batch_size=128), verbose=False)
    logged = trainer.callback_metrics
    images, labels = small_val.tensors
    right = (trained(images).argmax(1) == labels).float()
    reported = float(logged["val_acc"] if "val_acc" in logged else model.reported)
    return {
        "reported accuracy": reported,
        "true accuracy": right.mean(),
        "error": abs(reported - right.mean()),
        "seen by callbacks": "val_acc" in logged,
        "share": [share_of(batch) for batch in right.split(128)],
        "batch accuracy": [batch.mean() for batch in right.split(128)],
    }


# %% tags=["contrast"]
result = contrast(
    "12.4",
    bad=lambda: epoch_accuracy(CollectsInAList(), share_of=lambda batch: 1),
    good=lambda: epoch_accuracy(LogsWithLightning(), share_of=len),
    prediction=prediction,
    figure=WeightsInMean(
        "In the mean of a list, one image has half of the vote",
        weights="share",
        values="batch accuracy",
        mean="reported accuracy",
        y="accuracy of the batch",
    ),
)

# %% tags=["claim"]
claim(
    "12.4",
    "the mean of the list is at least 10 points off",
    -result.gain("error"),
    at_least=0.1,
)
claim(
    "12.4",
    "self.log reports the true accuracy",
    result.good.number("error"),
    at_most=1e-6,
)

# %% [markdown]
# **Why.** 129 images make batches of 128 and 1. The list gives each batch one vote, so a single image decides half of the result. `self.log` takes the
# batch size from the batch and weights by it.
#
# The row *seen by callbacks* shows the second cost. `EarlyStopping`, `ModelCheckpoint` and the logger read what `self.log` wrote. They cannot see your list.
#
# You may have read a third reason: "the list keeps every graph in memory". Let us count. `SavedTensors` adds up the memory that autograd holds for backward passes to come. We keep a list of
# returned losses, then a list of a second loss that is only watched:

# %%
from course_utils.measure import SavedTensors


class KeepsTensors(DigitClassifier):
    def __init__(self, keep):
        super().__init__()
        self.keep, self.kept = keep, []

    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        watched = F.cross_entropy(self(1 - images), labels)
        self.kept.append({"loss": loss, "watched": watched}[self.keep])
        return loss


# %%
def megabytes_kept(keep):
    model = KeepsTensors(keep)
    with SavedTensors(ignore=model.parameters()) as saved:
        trainer = L.Trainer(max_epochs=1, limit_train_batches=40, **quiet_trainer())
        trainer.fit(model, datamodule=digits)
    return saved.live / 2**20


print(f"list of losses:  {megabytes_kept('loss'):.1f} MB of activations kept")
watched = megabytes_kept("watched")
print(f"list of watched: {watched:.1f} MB of activations kept")
claim("12.4", "a watched loss keeps its activations", watched, at_least=1.0)

# %% [markdown]
# True for a loss that never gets a backward pass, false for the one you return: its backward pass frees the activations. `self.log` detaches what it keeps; in a list of your own, write
# `.detach()`.
#
# **When the bad version is right.** When you need all values rather than their mean: a histogram of losses, the predictions of an epoch. Collect one value an image
# (`reduction="none"`), detached, empty the list each epoch, and join it with `torch.cat` before you average.
#
# ### Your turn · One honest number an epoch
#
# This module reports `val_acc` itself. Make the number right for batches of any size and for every epoch, and let callbacks see it under the same
# name. *(6 minutes)*


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
# ## 12.5 Leave the batch as it came
#
# A denoiser learns to undo noise: add noise to the image, reconstruct, compare with the clean image. To save memory, someone adds the noise in place. You
# may know the advice "never change a batch in place, it corrupts your dataset". Is that what happens?
#
# **Predict.** With the noise added in place,
#
# - **a** the dataset is corrupted: each epoch adds noise to the noise;
# - **b** nothing changes: each batch is a copy, and copies may be changed;
# - **c** the dataset is intact, and the denoiser learns the wrong thing.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
class Denoiser(L.LightningModule):
    """Images of shape (batch, 1, 28, 28) to images of shape (batch, 784)."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 784)
        )

    def forward(self, images):
        return self.net(images)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=2e-3)


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
# Each version trains for four epochs, then restores noisy test digits. `restore` compares the result with the clean digits, and the dataset with a copy made before.

# %%
from course_utils.experiments.plots import Images


def restore(model):
    clean = scaled(digits.test_images)
    noisy = clean + 0.5 * torch.randn_like(clean)
    images, labels = scaled(digits.train_images[:4000]), digits.train_labels[:4000]
    before = images.clone()
    loader = DataLoader(TensorDataset(images, labels), batch_size=64, shuffle=True)
    curve = MetricCurve("train_loss")
    L.Trainer(max_epochs=4, callbacks=[curve], **quiet_trainer()).fit(model, loader)
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


# %% tags=["contrast"]
result = contrast(
    "12.5",
    bad=lambda: restore(AddsInPlace()),
    good=lambda: restore(MakesANewTensor()),
    prediction=prediction,
    figure=Images(
        "Trained in place, the denoiser puts noise back",
        inputs=["clean", "noisy"],
        outputs="restored",
        score="squared error",
    ),
)

# %% tags=["claim"]
claim(
    "12.5",
    "in place, the squared error is at least 1.3 times as large",
    result.times("squared error"),
    at_least=1.3,
)
claim(
    "12.5",
    "and the dataset is untouched",
    result.bad.number("images changed in the dataset"),
    equals=0,
)

# %% [markdown]
# **Why.** `noisy = images` gives the same tensor a second name. `+=` changes it under both names. So the target is noisy, too, and the network
# is asked to reproduce noise. Its training loss falls all the same, as the table shows.
#
# The dataset survives because the loader's default *collate function*, which makes a batch of single images, stacks them into a *new* tensor. Deliver views instead of copies, and the famous advice
# becomes true:


# %%
class Views(torch.utils.data.Dataset):
    """Ready-made batches: slices that share the memory of `images`."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images) // 64

    def __getitem__(self, i):
        return self.images[64 * i : 64 * (i + 1)], 0


# %%
images = scaled(digits.train_images[:640])
before = images.clone()
loader = DataLoader(Views(images), batch_size=None)
L.Trainer(max_epochs=1, **quiet_trainer(accelerator="cpu")).fit(AddsInPlace(), loader)
changed = int((images != before).flatten(1).any(1).sum())
print("images changed in the dataset:", changed, "of", len(images))

# %% [markdown]
# **When the bad version is right.** An in-place operation saves one tensor of memory. It is fine on a tensor that you made yourself and nobody else
# reads: `noise = torch.randn_like(images); noise *= 0.5`. The rule is about tensors that you were *given*.
#
# ### Your turn · Hide a patch, not the target
#
# This module learns to fill in a hidden patch. It hides the patch in the target as well. Repair it: the network must see the hole, the loss must compare
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
# ## Take away
#
# A checklist for your own code:
#
# - [ ] `training_step` returns the loss, and the loss curve has a slope.
# - [ ] A metric reported from several processes is synced; one that does not divide by the number of images, such as F1, is a torchmetrics object.
# - [ ] No `.cuda()`, no `"cuda:0"`; a batch type of your own knows how to move.
# - [ ] Means over an epoch come from `self.log`; lists hold detached tensors.
# - [ ] Nothing changes a tensor that it was given.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin: [the record](../src/course_utils/records/evidence.md#lesson-12).
#
# **Sources** Lightning's documentation on [logging](https://lightning.ai/docs/pytorch/stable/extensions/logging.html),
# [the LightningModule](https://lightning.ai/docs/pytorch/stable/common/lightning_module.html) and
# [hardware-agnostic training](https://lightning.ai/docs/pytorch/stable/accelerators/accelerator_prepare.html); torchmetrics on
# [Lightning](https://lightning.ai/docs/torchmetrics/stable/pages/lightning.html); MNIST by LeCun, Cortes and Burges.
#
# Next: **lesson 13**, or look at the [solutions](../solutions/12_common_pitfalls.ipynb) of this one.
