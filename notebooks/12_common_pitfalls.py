# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 12 · Five bugs that train without a word
#
# A loss curve that jitters. A metric with four decimals. A run that ends on time. All three can come from a model that is broken. In this lesson
# you meet five mistakes that raise no error where you look, and at the end you can
#
# - name the symptom of each, and look for it in your own code;
# - repair it, and prove by a measurement that it is gone;
# - say when the "mistake" is the right thing to do.
#
# **You need** to know what a `LightningModule` and a `Trainer` are. New here? [Start here](00_start_here.ipynb) takes ten minutes.
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

from course_utils.claims import claim
from course_utils.contrast import contrast
from course_utils.data import ImageDataModule
from course_utils.exercises import check, hint, solution
from course_utils.hardware import quiet_trainer

# %% [markdown]
# One data module and one small classifier serve the whole lesson. The data module delivers batches of images and labels; images have the shape
# `(batch, channel, height, width)` and values from 0 to 1.

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
# `training_step` computes a loss and logs it. The logger stores it, the progress bar shows it. One line is missing: nothing hands the loss back to
# Lightning. What happens?
#
# **Predict before you run.** After two epochs without `return loss`, the classifier is
#
# - **a** about as accurate as the other one: Lightning uses the loss that was logged;
# - **b** no better than a guess;
# - **c** never trained: Lightning stops with an error in the first step.

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
from course_utils.figures import Curves
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
    figure=Curves(
        "Without `return`, the loss jitters like any other, and never falls",
        "train loss",
        x="batch",
        y="training loss (nats)",
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
    result.bad.measured["weight tensors changed"],
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
# counts all the same, and a dry run with `fast_dev_run=True` passes. The loss still jitters, because each batch is scored by the same untrained
# weights: some batches are easier than others. A warning is printed, once per kernel, where a progress bar soon hides it.
#
# **The symptom to look for:** a loss that has noise but no slope.
#
# **When the bad version is right.** Returning `None` on purpose is how you leave a batch out, for example one with broken pixels. (With several
# processes that does not work: the others wait for your gradients.) Two more ways are fine: `return {"loss": loss}` is as good as `return loss`,
# and under manual optimization Lightning expects nothing back. The next cell shows the first of them at work.


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
# You validate on two GPUs. Lightning starts two processes; each gets every second image of the validation set. You log the accuracy, as always, and one
# number appears. Whose is it?
#
# To see it without a GPU, we start two processes on the CPU: the same code, the same communication, slower hardware. The validation set holds
# 400 digits twice: clean, then noisy, clean, noisy, and so on.
#
# **Predict.** The accuracy that Lightning reports is
#
# - **a** that of the clean digits only;
# - **b** the mean over all digits;
# - **c** two numbers, one from each process.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %%
from torch.utils.data import DataLoader, TensorDataset

from course_utils.data import scaled

clean = scaled(digits.test_images[:400])
noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
noisy = (clean + noise).clamp(0, 1)
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
# `strategy="ddp"`, as on a machine with two GPUs. The truth comes from one process that sees all images.

# %%
from course_utils.figures import Bars
from course_utils.processes import run_processes


def validate_in_two(model, name="val_acc"):
    model.load_state_dict(weights, strict=False)
    options = quiet_trainer(accelerator="cpu", devices=2, strategy="ddp")

    def work():
        return L.Trainer(**options).validate(model, val_loader, verbose=False)[0]

    return run_processes(work)[0][name]


def report(model):
    truth = (trained(twice).argmax(1) == val_set.tensors[1]).float().mean().item()
    reported = validate_in_two(model)
    return {
        "reported accuracy": reported,
        "true accuracy": truth,
        "error": abs(reported - truth),
    }


# %% tags=["contrast"]
result = contrast(
    "12.2",
    bad=lambda: report(LogsForItself()),
    good=lambda: report(LogsTheAverage()),
    prediction=prediction,
    figure=Bars(
        "Unsynced, you read the half that one process saw",
        ["reported accuracy"],
        "accuracy, two processes",
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
    result.good.measured["error"],
    at_most=1e-6,
)

# %% [markdown]
# **Why.** `self.log` keeps a value in its own process, and only rank 0, the first process, reports. Its sampler gave it every second image, here the
# clean ones. `sync_dist=True` averages over the processes when the epoch ends.
#
# An average is not always what you want. Accuracy averages well if each process saw equally many images. A macro F1 does not: it is a
# ratio of counts, and the mean of ratios is not the ratio of the sums. Watch what `sync_dist=True` makes of it, and what a torchmetrics object makes of it.

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
with_sync = abs(validate_in_two(TwoWaysOfF1(), "mean_of_f1") - exact)
with_object = abs(validate_in_two(TwoWaysOfF1(), "f1") - exact)
claim(
    "12.2",
    "sync_dist leaves a batch F1 wrong by a point or more",
    with_sync,
    at_least=0.01,
)
claim("12.2", "a torchmetrics object reports the exact F1", with_object, at_most=1e-6)

# %% [markdown]
# The object collects counts, adds them up over both processes, and divides once. It syncs by itself: no `sync_dist` needed.
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
# `images.to("cuda:0")` is in countless tutorials. On a machine with one GPU it works, so nobody removes it. Here is a step with it, and one without.
#
# You need no GPU to test it. PyTorch can compute on *pretended* tensors: they have a shape and a device but no numbers, and follow the rules of real devices.
# `runs_on` trains one step that way.
#
# **Predict.** Of the three devices `cpu`, `cuda:0` and `cuda:1`, the step with `"cuda:0"` runs on
#
# - **a** none of them without a GPU;
# - **b** both GPUs;
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
# Three questions for each version: does it *really train* on this machine's CPU, and would a step run on a first and on a second GPU?

# %%
from course_utils.figures import Matrix
from course_utils.probes.devices import is_device_fault, runs_on


def trains_on_cpu(model):
    trainer = L.Trainer(max_epochs=1, **quiet_trainer(accelerator="cpu"))
    try:
        trainer.fit(model, datamodule=digits)
    except (RuntimeError, AssertionError) as error:
        return not is_device_fault(error)
    return True


def tour(model_class):
    batch = (scaled(digits.test_images[:8]), digits.test_labels[:8])
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
    figure=Matrix(
        "A step that names a device runs on that device only",
        ["cpu", "cuda:0", "cuda:1"],
    ),
)

# %% tags=["claim"]
claim(
    "12.3",
    "naming the device leaves one device of three",
    result.bad.measured["devices that work"],
    equals=1,
)
claim(
    "12.3",
    "leaving it to Lightning, all three work",
    result.good.measured["devices that work"],
    equals=3,
)

# %% [markdown]
# **Why.** `"cuda:0"` is the first GPU, whatever device the module is on. The weights are on `cuda:1`, the images on `cuda:0`, and PyTorch refuses to multiply
# them. Before each step, Lightning moves the batch to the module's device. There is nothing left for you to do. (A bare `.cuda()` means the GPU that the
# Trainer made the current one. It fails where there is no GPU.)
#
# Almost nothing. Lightning knows how to move some types and leaves others where they are, without a word. Which ones? We ask its own function to move each
# batch to another device, the data-less `meta` device.

# %%
from dataclasses import dataclass

from lightning.pytorch.utilities import move_data_to_device


@dataclass
class Labelled:
    images: torch.Tensor


class Plain:
    def __init__(self, images):
        self.images = images


moved = move_data_to_device({"in a dict": torch.ones(2)}, "meta")["in a dict"]
print("in a dict:      ", moved.device)
print(
    "in a dataclass: ",
    move_data_to_device(Labelled(torch.ones(2)), "meta").images.device,
)
print(
    "in an object:   ", move_data_to_device(Plain(torch.ones(2)), "meta").images.device
)

# %% [markdown]
# The tensor in the plain object stayed on the CPU. NumPy arrays stay, too. For such a batch, write a method `to(self, device)` for its class, or override
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
# validation set has 129 images and the loader makes batches of 128.
#
# **Predict.** The mean of the list, against the true accuracy, is
#
# - **a** the same: a mean of means is a mean;
# - **b** off by more than two points;
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
# Same weights, same 129 images. Watch the width of the bars: it is the share that a batch has in the mean.

# %%
from course_utils.figures import Shares

small_val = TensorDataset(scaled(digits.val_images[:129]), digits.val_labels[:129])


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
    figure=Shares(
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
    "the mean of the list is at least 2 points off",
    -result.gain("error"),
    at_least=0.02,
)
claim(
    "12.4",
    "self.log reports the true accuracy",
    result.good.measured["error"],
    at_most=1e-6,
)

# %% [markdown]
# **Why.** 129 images make batches of 128 and 1. The list gives each batch one vote, so a single image decides half of the result. `self.log` takes the
# batch size from the batch and weights by it.
#
# The row *seen by callbacks* is the second loss. `EarlyStopping`, `ModelCheckpoint` and the logger read what `self.log` wrote. They cannot see your list.
#
# You may have read a third reason: "the list keeps every graph in memory". Let us count. A list of returned losses, and a list of a second loss that is only
# watched:

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
# Half true, then. The backward pass frees the activations of the loss you return. A tensor that never gets a backward pass keeps all of them, batch after
# batch. `self.log` detaches; so does `.detach()`.
#
# **When the bad version is right.** When you need all values rather than their mean: a histogram of losses, the predictions of an epoch. Collect
# them detached, clear the list each epoch, and `torch.cat` before you average.
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
        return F.mse_loss(self(noisy), images.flatten(1))


# %% [markdown]
# ### Good: the noise makes a new tensor


# %% tags=["good"]
class MakesANewTensor(Denoiser):
    def training_step(self, batch, batch_idx):
        images, _ = batch
        noisy = images
        noisy = noisy + 0.5 * torch.randn_like(images)
        return F.mse_loss(self(noisy), images.flatten(1))


# %% [markdown]
# ### The contrast
#
# Each version trains for four epochs, then restores noisy test digits. We compare with the clean ones, and we compare the dataset with a copy made before.

# %%
from course_utils.figures import Images


def restore(model):
    clean = scaled(digits.test_images)
    noisy = clean + 0.5 * torch.randn_like(clean)
    train_set = TensorDataset(scaled(digits.train_images[:4000]))
    before = train_set.tensors[0].clone()
    pairs = DataLoader(
        TensorDataset(*train_set.tensors, digits.train_labels[:4000]), 64, shuffle=True
    )
    L.Trainer(max_epochs=4, **quiet_trainer()).fit(model, pairs)
    with torch.no_grad():
        restored = model.cpu()(noisy).view_as(clean)
    return {
        "squared error": F.mse_loss(restored, clean),
        "images changed in the dataset": int(
            (before != train_set.tensors[0]).flatten(1).any(1).sum()
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
    "in place, the squared error is at least 1.3 times larger",
    result.times("squared error"),
    at_least=1.3,
)
claim(
    "12.5",
    "and the dataset is untouched",
    result.bad.measured["images changed in the dataset"],
    equals=0,
)

# %% [markdown]
# **Why.** `noisy = images` gives the same tensor a second name. `+=` changes it under both names. So the target is noisy, too, and the network
# is asked to reproduce noise. The loss goes down all the same.
#
# The dataset survives because the default collate function stacks images into a *new* tensor. Deliver views instead of copies, and the famous advice
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
# - [ ] A metric reported from several processes is synced; a ratio such as F1 is a torchmetrics object.
# - [ ] No `.cuda()`, no `"cuda:0"`; a batch type of your own knows how to move.
# - [ ] Epoch numbers come from `self.log`; lists hold detached tensors.
# - [ ] Nothing changes a tensor that it was given.
#
# **Sources** Lightning's documentation on [logging](https://lightning.ai/docs/pytorch/stable/extensions/logging.html),
# [the LightningModule](https://lightning.ai/docs/pytorch/stable/common/lightning_module.html) and
# [hardware-agnostic training](https://lightning.ai/docs/pytorch/stable/accelerators/accelerator_prepare.html); torchmetrics on
# [Lightning](https://lightning.ai/docs/torchmetrics/stable/pages/lightning.html); MNIST by LeCun, Cortes and Burges.
#
# Next: **lesson 13**, or look at the [solutions](../solutions/12_common_pitfalls.ipynb) of this one.
