# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 07 · Where did the memory go?
#
# "Out of memory" comes without an explanation, so people work through a list of tips. Some save half of your memory, some nothing. In this lesson you count instead of guessing. By the end you can
#
# - say what a training step holds, byte by byte, and which part is worth attacking;
# - choose the tool that shrinks that part, and name its price;
# - find what a run holds on to from step to step.
#
# **You need** to know what a `LightningModule` and a `Trainer` are. New here? [Start here](00_start_here.ipynb) takes fifteen minutes.
#
# **Time** 40 minutes of reading and running, 40 minutes of exercises. All cells together run in less than half a minute on two CPU cores. Two sittings: 7.1 and 7.2, then 7.3 to 7.5.

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

course_utils.start("07", written_for="0.1")

# %%
import lightning as L
import torch
from torch import nn
from torch.nn import functional as F

from course_utils import check, claim, contrast, hint, solution, try_guard
from course_utils.data import ImageDataModule, scaled
from course_utils.experiments.plots import Bars, Lines, Stacks
from course_utils.hardware import quiet_trainer

# %% [markdown]
# We use two networks: a small convolutional net with few weights and many activations, and a wide MLP (multilayer perceptron) with the reverse. Images have the shape `(batch, channel, height, width)`. `quiet_trainer()` holds the options that keep a Trainer silent.

# %%
data = ImageDataModule(batch_size=64)


class Classifier(L.LightningModule):
    """Images of shape (batch, channel, height, width) to logits (batch, classes)."""

    channels, height, width = ImageDataModule().image_shape
    classes = ImageDataModule().num_classes

    def forward(self, images):
        return self.net(images)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


# %%
class ConvNet(Classifier):
    def __init__(self):
        super().__init__()
        first = nn.Conv2d(self.channels, 8, 3, padding=1)
        second = nn.Conv2d(8, 8, 3, padding=1)
        cells = 8 * (self.height // 4) * (self.width // 4)
        head = [nn.MaxPool2d(4), nn.Flatten(), nn.Linear(cells, self.classes)]
        self.net = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), *head)


class WideMLP(Classifier):
    def __init__(self):
        super().__init__()
        pixels = self.channels * self.height * self.width
        hidden = [nn.Linear(pixels, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU()]
        self.net = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(1024, self.classes))


# %% [markdown]
# ## What a training step holds
#
# Four parts are yours to choose: the **weights**, a **gradient** for each of them, the **optimizer's state** (Adam keeps two averages per weight), and what autograd **saves for backward**: the activations that the backward pass needs. The callback `TrainingMemory` adds up their bytes.

# %%
from course_utils.measure import TrainingMemory


def two_steps(model, **options):
    memory = TrainingMemory()
    options = quiet_trainer(max_steps=2, callbacks=[memory], **options)
    L.Trainer(**options).fit(model, datamodule=data)
    return memory.megabytes()  # of 2^20 bytes


for name, megabytes in two_steps(ConvNet()).items():
    print(f"{name:24}{megabytes:.3f}")

# %% [markdown]
# Which of the four is large? Ask that before you follow any tip.
#
# On a GPU, `torch.cuda.max_memory_allocated()` also counts the batch, temporary tensors and the libraries' workspaces: all that PyTorch's allocator hands out. The card sees what the allocator has *reserved*, plus the CUDA context; "out of memory" is about those (7.4).
#
# ## 7.1 Mixed precision, counted over the whole step
#
# `precision="bf16-mixed"` makes matrix products and convolutions work on `bfloat16`, numbers of two bytes instead of four. "It halves the memory", says the tip. You try it on both networks, with batches of 128 images, and count the *whole* step.
#
# **Predict before you run.** The whole step shrinks to about a half
#
# - **a** for both networks: the tip is right;
# - **b** for neither: weights, gradients and Adam's state keep four bytes;
# - **c** for the conv net only: the MLP's step does not shrink at all.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# ### Bad: four bytes for every number

# %% tags=["bad"]
full = {"precision": "32-true"}

# %% [markdown]
# ### Good: two bytes where it is safe

# %% tags=["good"]
mixed = {"precision": "bf16-mixed"}

# %% [markdown]
# ### The contrast
#
# The folded cell also takes the peak of *all* tensors, temporary ones included (`MemoryTrace`). The parts peak at different moments, so this peak can lie below their sum.

# %% tags=["apparatus"]
# Counts the parts of a step, and the peak of all tensors, for both networks.
from course_utils.measure import MemoryTrace


def both_networks(options):
    data.batch_size, found = 128, {}
    for name, model in {"conv net": ConvNet(), "wide MLP": WideMLP()}.items():
        with MemoryTrace() as trace:
            parts = two_steps(model, **options)
        *fixed, saved = parts.values()
        found[f"{name}, whole step (MB)"] = sum(parts.values())
        found[f"{name}, weights to optimizer state (MB)"] = sum(fixed)
        found[f"{name}, saved for backward (MB)"] = saved
        found[f"{name}, peak of all tensors (MB)"] = trace.peak / 2**20
        found[name] = list(parts.values())
    data.batch_size = 64
    return found


parts = ["weights", "gradients", "optimizer state", "saved for backward"]
title = "Two-byte products halve the conv net's step, not the MLP's"
plot = Stacks(title, parts, ["conv net", "wide MLP"], "bytes of one step (MB)")

# %% tags=["contrast"]
result = contrast(
    "7.1",
    both_networks,
    bad=full,
    good=mixed,
    names=("32-true", "bf16-mixed"),
    prediction=prediction,
    figure=plot,
)

# %% tags=["claim"]
text = "the training step of a small convolutional net takes at least 1.4 times the bytes in 32-true that it takes in bf16-mixed"
claim("7.1", text, result.times("conv net, whole step (MB)") >= 1.4)
text = "the training step of a wide MLP does not shrink under bf16-mixed in batches of 128 images"
claim("7.1", text, result.gain("wide MLP, whole step (MB)") >= 0)

# %% tags=["apparatus"]
# More claims: on the peak of all tensors, and on what precisions do not do.
text = "with temporary tensors counted, a small convolutional net peaks at least 1.3 times higher in 32-true than in bf16-mixed"
claim("7.1", text, result.times("conv net, peak of all tensors (MB)") >= 1.3)
text = "with temporary tensors counted, bf16-mixed lowers the peak of a wide MLP in batches of 128 by less than a fifth"
claim("7.1", text, result.times("wide MLP, peak of all tensors (MB)") <= 1.25)
text = "weights, gradients and optimizer state of an MLP take the same bytes in bf16-mixed as in 32-true"
claim("7.1", text, result.gain("wide MLP, weights to optimizer state (MB)") == 0)
asked = L.Trainer(**quiet_trainer(accelerator="cpu", precision="16-mixed"))
text = "asked for 16-mixed on a CPU, Lightning trains in bf16-mixed"
claim("7.1", text, asked.precision == "bf16-mixed")

# %% [markdown]
# **Why.** Weights, gradients and Adam's state keep four bytes per number: 16 per weight. The products work on two-byte *copies* of weights and activations, made by `torch.autocast`. A saved activation gives two bytes back; a copied weight takes two until its backward pass. So the share of saved activations in the whole decides. The conv net's step is little else; in the MLP's they are a thin slice, and the copies outweigh the gain.
#
# Batches of 128 are ordinary. In larger ones the slice grows:

# %% tags=["apparatus"]
# Counts the MLP's whole step again, in batches of 1,024 images.
data.batch_size = 1024
large = {
    name: sum(two_steps(WideMLP(), precision=name).values()) for name in result.versions
}
data.batch_size = 64
for name, megabytes in large.items():
    print(f"wide MLP, batches of 1024, {name:10} {megabytes:6.1f} MB")
text = "the training step of a wide MLP does shrink under bf16-mixed in batches of 1,024 images"
claim("7.1", text, large["32-true"] / large["bf16-mixed"], at_least=1.04)

# %% [markdown]
# **On a GPU** bytes are not the main reason to switch, speed is. Tensor cores multiply two-byte numbers several times faster than float32, by the manufacturer's figures. They also take TF32, float32 with a shorter fraction: PyTorch allows it in convolutions by default, in matrix products after `torch.set_float32_matmul_precision("high")`. So compare `bf16-mixed` with TF32. The folded cell trains a ResNet-18 in four precisions on a GPU; without one it prints our record.

# %% tags=["apparatus"]
# Measures on a GPU where there is one; elsewhere asks the record.
from course_utils.exercises.lesson_07 import cache_on_gpu, speed_on_gpu

print(speed_on_gpu())

# %% [markdown]
# **Scope.** Bytes counted on a CPU; under DDP, every process holds all four parts. Tensor cores take float16 since the V100, bfloat16 since the A100. `16-mixed` has a small range, so Lightning scales the loss. On a CPU Lightning (2.6) turns it into `bf16-mixed`, and warns.
#
# **When the bad version is right.** When the step does not shrink *and* is not faster, or an operation of yours needs float32's digits: autocast knows that losses do, and cannot know your own.
#
# ### Your turn · Choose the precision by counting
#
# Write a function that gets a network without batch normalization, and a batch for it. It returns `"32-true"` or `"bf16-mixed"`, whichever saves fewer bytes for backward, and leaves the network as it was. `SavedTensors` counts inside a `with` block: `with SavedTensors(ignore=net.parameters()) as saved`, then `saved.peak`. *(8 minutes)*

# %% tags=["apparatus"]
# Brings in the counter for the exercise.
from course_utils.measure import SavedTensors


# %% tags=["exercise"]
def cheaper_precision(net, images):
    """Return "32-true" or "bf16-mixed", whichever saves fewer bytes for backward."""
    return "bf16-mixed"


# %%
check("7.1", cheaper_precision)

# %% [markdown]
# Stuck? `hint("7.1")` gives a nudge, the second call a bigger one. `solution("7.1")` shows one way to do it, with its reason.

# %%
# hint("7.1")

# %% [markdown]
# ### Take along
#
# A callback for a precision that was forgotten or replaced:


# %% tags=["guard"]
class RequiresPrecision(L.Callback):
    def on_fit_start(self, trainer, pl_module):
        got = trainer.precision
        assert got == "bf16-mixed", f"Expected bf16-mixed but got {got}."


# %% tags=["apparatus"]
# Tries the guard on both versions.
def guarded(options):
    options = quiet_trainer(max_steps=2, callbacks=[RequiresPrecision()], **options)
    L.Trainer(**options).fit(ConvNet(), datamodule=data)


try_guard("7.1", bad=lambda: guarded(full), good=lambda: guarded(mixed))

# %% [markdown]
# ## 7.2 Accumulate gradients
#
# Your settings were found with batches of 256 images, and 256 no longer fit. You can train with batches of 64, or with batches of 64 and `accumulate_grad_batches=4`: then the Trainer adds up four gradients before it updates the weights.
#
# **Predict.** After an epoch, compared with a run with batches of 256, the weights of the run that accumulates
#
# - **a** are the same, up to rounding;
# - **b** have moved four times as far: the gradients of four batches are added up;
# - **c** took a different path: four small batches are noisier than a large one.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# ### Bad: the batch that fits

# %% tags=["bad"]
shrinks = {"accumulate_grad_batches": 1}

# %% [markdown]
# ### Good: four of them per update

# %% tags=["good"]
accumulates = {"accumulate_grad_batches": 4}

# %% [markdown]
# ### The contrast
#
# All runs see the same 1,024 images in the same order, from the same weights. It is an ordinary run, if a short one. We update by SGD: Adam can turn the rounding error of a tiny gradient into a whole step.


# %%
class MovesBySGD(ConvNet):
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)


# %% [markdown]
# The folded cells also train with batches of 256, and measure how far a version is from that: the 2-norm of the difference of all weights, relative to how far the run with 256 moved.

# %% tags=["apparatus"]
# Trains an epoch and keeps the weights after every 256 images.
from course_utils.experiments import preserve_global_state
from course_utils.measure import flat_weights


class KeepsWeights(L.Callback):
    def on_train_start(self, trainer, pl_module):
        self.kept, self.seen = [flat_weights(pl_module)], 0

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.seen += len(batch[1])
        if self.seen % 256 == 0:
            self.kept.append(flat_weights(pl_module))


def from_the_seed(run, *args, **options):
    with preserve_global_state():
        torch.manual_seed(data.seed)
        return run(*args, **options)


def train(model_class, batch_size, **options):
    weights, memory = KeepsWeights(), TrainingMemory()
    images = ImageDataModule(batch_size=batch_size, train_size=1024)
    callbacks = [weights, memory]
    trainer = L.Trainer(max_epochs=1, **quiet_trainer(callbacks=callbacks, **options))
    trainer.fit(model_class(), datamodule=images)
    return weights.kept, memory.megabytes(), trainer.global_step


# %% tags=["apparatus"]
# Compares a version with the run in batches of 256.
def against_256(options):
    goal, at_once, _ = from_the_seed(train, MovesBySGD, 256)
    kept, megabytes, updates = from_the_seed(train, MovesBySGD, 64, **options)
    way = (goal[-1] - goal[0]).norm()
    apart = [float((a - b).norm() / way) for a, b in zip(kept, goal)]
    saved = "saved for backward (MB)"
    return {
        "updates": updates,
        "relative distance from the run with 256, at the end": apart[-1],
        saved: megabytes[saved],
        "saved for backward, share of 256 at once": megabytes[saved] / at_once[saved],
        "distance": apart,
    }


plot = Lines(
    "Four accumulated batches stay on the path of the large one",
    "distance",
    at=[0, 256, 512, 768, 1024],
    x="images seen",
    y="relative distance of the weights",
)

# %% tags=["contrast"]
result = contrast(
    "7.2",
    against_256,
    bad=shrinks,
    good=accumulates,
    names=("64 per update", "4 × 64 per update"),
    prediction=prediction,
    figure=plot,
)

# %% tags=["claim"]
end = "relative distance from the run with 256, at the end"
text = "without BatchNorm, if every batch has equally many terms, four accumulated batches of 64 end where batches of 256 end, to within a fiftieth of the distance that those move"
claim("7.2", text, result.good[end] <= 0.02)
text = "at the same learning rate, batches of 64 without accumulation end farther from where batches of 256 end than those move in all"
claim("7.2", text, result.bad[end] >= 1)

# %% tags=["apparatus"]
# A claim about the memory.
share = result.good["saved for backward, share of 256 at once"]
text = "four accumulated batches of 64 save at most 0.3 times the bytes for backward that a batch of 256 saves"
claim("7.2", text, share <= 0.3)

# %% [markdown]
# **Why.** The gradient of a mean over 256 images is the mean of the gradients of its quarters. Lightning divides each loss by four, PyTorch adds gradients up: nothing is approximated. Small batches alone make four updates where there was one, a different run that needs its own learning rate.
#
# Three conditions hide in that. The folded cells break them one by one, and compare an accumulated gradient with that of the same images taken at once (batches of 64 unless the table says otherwise).
#
# 1. *The loss of an image does not depend on its neighbours.* Batch normalization uses the mean of its batch.
# 2. *The group is complete.* Five batches are a group of four and a leftover, whose gradient Lightning (2.6) divides by four as well.
# 3. *Every batch has the same number of terms in its mean.* Ignored padding (`ignore_index`), class weights and a smaller last batch break that. Here four batches know 2, 4, 8 and 16 of their labels.
#
# The class repairs the third: it adds losses up, and divides by the terms of the whole group, counted beforehand.


# %%
class DividesByTheGroup(MovesBySGD):
    terms = 0.0  # known labels in the whole group, divided by its batches

    def training_step(self, batch, batch_idx):
        images, labels = batch
        losses = F.cross_entropy(self(images), labels, ignore_index=-1, reduction="sum")
        return losses / self.terms


# %% tags=["apparatus"]
# Compares the gradient of an update with that of its images at once: the gradients.
from torch.utils.data import DataLoader


class IgnoresUnknown(MovesBySGD):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels, ignore_index=-1)


class WithBatchNorm(MovesBySGD):
    def __init__(self):
        super().__init__()
        self.net.insert(1, nn.BatchNorm2d(8))


class WeighsClasses(MovesBySGD):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        weight = torch.where(torch.arange(self.classes) == 0, 10.0, 1.0)
        return F.cross_entropy(self(images), labels, weight.to(images.device))


class KeepsGradient(L.Callback):
    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        grads = [p.grad.detach().flatten().cpu() for p in pl_module.parameters()]
        self.gradient = torch.cat(grads)


def gradient(model_class, batches, group):
    keeps = KeepsGradient()
    options = {"accumulate_grad_batches": group, "callbacks": [keeps]}
    loader = DataLoader(batches, batch_size=None)
    L.Trainer(max_steps=1, **quiet_trainer(**options)).fit(model_class(), loader)
    return keeps.gradient


# %% tags=["apparatus"]
# Compares the gradient of an update with that of its images at once: the cases.
def gradient_error(model_class, labels, sizes=(64,) * 4, group=4, at_once=None):
    images = scaled(data.train_images[: sum(sizes)])
    parts = zip(images.split(sizes), labels[: sum(sizes)].split(sizes))
    whole = [(images, labels[: sum(sizes)])]
    right = from_the_seed(gradient, at_once or model_class, whole, 1)
    got = from_the_seed(gradient, model_class, list(parts), group)
    return float((got - right).norm() / right.norm())


known = data.train_labels[:256].clone()
drawn = torch.rand(4, 64, generator=torch.Generator().manual_seed(data.seed))
order = drawn.argsort(dim=1).argsort(dim=1)  # of the labels of each batch, at random
kept = order < torch.tensor([[2], [4], [8], [16]])
unknown = torch.where(kept.flatten(), known, -1)
DividesByTheGroup.terms = (unknown >= 0).sum().item() / 4
errors = {
    "nothing broken": gradient_error(MovesBySGD, known),
    "1 BatchNorm, batches of 4": gradient_error(WithBatchNorm, known, (4,) * 4),
    "2 a leftover batch": gradient_error(MovesBySGD, known, sizes=(64,)),
    "3 unequal numbers of labels": gradient_error(IgnoresUnknown, unknown),
    "3 class weights, batches of 16": gradient_error(WeighsClasses, known, (16,) * 4),
    "3 last batch of 16": gradient_error(MovesBySGD, known, sizes=(64, 64, 64, 16)),
    "3 repaired": gradient_error(DividesByTheGroup, unknown, at_once=IgnoresUnknown),
}
for name, error in errors.items():
    print(f"{name:30} relative error of the gradient {error:.3f}")

# %% tags=["apparatus"]
# What the cases claim.
text = "if every batch has equally many terms, an accumulated gradient is that of the same images at once, up to a hundredth"
claim("7.2", text, errors["nothing broken"], at_most=0.01)
text = "with BatchNorm and batches of 4, an accumulated gradient differs from that of the same images at once"
claim("7.2", text, errors["1 BatchNorm, batches of 4"], at_least=0.03)
text = "with accumulate_grad_batches=4, Lightning divides the gradient of a leftover batch by four as well"
claim("7.2", text, abs(errors["2 a leftover batch"] - 0.75), at_most=0.01)
text = "if four batches of 64 know 2, 4, 8 and 16 of their labels, the accumulated gradient differs by more than a fifth from that of the same images at once"
claim("7.2", text, errors["3 unequal numbers of labels"], at_least=0.2)
text = "losses added up and divided by the terms of the whole group accumulate to the gradient of the same images at once"
claim("7.2", text, errors["3 repaired"], at_most=0.01)

# %% [markdown]
# The third is the expensive one: language models train on padded text, and [training libraries had this bug until 2024](https://huggingface.co/blog/gradient_accumulation).
#
# **Scope.** Measured on a CPU in float32. Several processes are averaged in the same way, so the third condition also concerns their shares. A GPU's convolutions may use TF32, hence our bounds of a hundredth.
#
# **When the bad version is right.** When you may choose a new learning rate: small batches make more updates from the same images. And if 256 fit, do not accumulate: it takes four passes where one would do.
#
# ### Your turn · A leftover that counts in full
#
# This module is trained with `Trainer(accumulate_grad_batches=4)`, and an epoch may have any number of batches. Make each update use the mean gradient of the batches in its group, even
# when the last group is smaller. `self.trainer.num_training_batches` says how many batches an epoch has. *(10 minutes)*


# %% tags=["exercise"]
class CountsTheLeftover(ConvNet):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)


# %%
check("7.2", CountsTheLeftover)

# %%
# hint("7.2")

# %% [markdown]
# ### Take along
#
# A callback that checks the size of an update: batch, times accumulation, times processes. (For a single loader of known length; a smaller last batch passes.)


# %% tags=["guard"]
class UpdatesBy256(L.Callback):
    def on_train_start(self, trainer, pl_module):
        size = trainer.train_dataloader.batch_size * trainer.accumulate_grad_batches
        assert size * trainer.world_size == 256, f"An update uses {size} images."
        left = trainer.num_training_batches % trainer.accumulate_grad_batches
        assert not left, f"The last update has {left} batches, divided as if complete."


# %% tags=["apparatus"]
# Tries the guard on both versions.
def epoch_of_1024(options):
    trainer = L.Trainer(
        max_epochs=1, **quiet_trainer(callbacks=[UpdatesBy256()], **options)
    )
    trainer.fit(MovesBySGD(), ImageDataModule(batch_size=64, train_size=1024))


try_guard(
    "7.2", bad=lambda: epoch_of_1024(shrinks), good=lambda: epoch_of_1024(accumulates)
)

# %% [markdown]
# **Second sitting.** In a new kernel, run the cells above first.
#
# ## 7.3 Checkpoint activations
#
# A deep network saves the activations of every block until the backward pass. Checkpointing keeps only what goes *into* a block, and computes the rest again, block by block. (The files of [lesson 09](09_checkpointing.ipynb) are something else.)
#
# The network is torchvision's vision transformer in a small size: eight blocks, in which dropout zeroes a random tenth of the activations. You train it with and without checkpointing: on the CPU, since we compare bits, and with `deterministic=True` ([5.2](05_reproducibility.ipynb)).
#
# **Predict.** Five updates later, compared with training that keeps everything, the weights are
#
# - **a** different: computed again, dropout zeroes other activations;
# - **b** the same, to the last bit;
# - **c** the same up to rounding.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% tags=["apparatus"]
# Builds the network: a vision transformer for images of the data in use.
from torchvision.models import VisionTransformer


class SmallTransformer(Classifier):
    def __init__(self):
        super().__init__()
        self.net = VisionTransformer(
            image_size=self.height,
            patch_size=self.height // 4,
            num_layers=8,
            num_heads=4,
            hidden_dim=64,
            mlp_dim=256,
            dropout=0.1,
            num_classes=self.classes,
        )

    def forward(self, images):
        return self.net(images.expand(-1, 3, -1, -1))  # it takes three channels


# %% [markdown]
# ### Bad: keep everything


# %% tags=["bad"]
class KeepsEverything(SmallTransformer):
    """The blocks as torchvision made them, in `net.encoder.layers`."""


# %% [markdown]
# ### Good: keep what goes into each block
#
# You did not write this model, but you can wrap its blocks. `checkpoint(function, hidden)` computes `function(hidden)` and keeps `hidden` only. Take `use_reentrant=False`: the older way gives a block no gradient if its input has none.


# %% tags=["good"]
from torch.utils.checkpoint import checkpoint


class Recomputed(nn.Sequential):
    def forward(self, hidden):
        return checkpoint(super().forward, hidden, use_reentrant=False)


class RecomputesBlocks(SmallTransformer):
    def __init__(self):
        super().__init__()
        blocks = self.net.encoder.layers
        self.net.encoder.layers = nn.Sequential(*map(Recomputed, blocks))


# %% [markdown]
# ### The contrast
#
# `MemoryTrace` follows every tensor of one step, and counts the floating-point operations of products and convolutions. See how high each curve rises, and how far to the right it goes.

# %% tags=["apparatus"]
# Follows all tensors of one step, on the device of this machine.
from course_utils.hardware import profile

device = "cuda" if profile().accelerator == "gpu" else "cpu"
images = scaled(data.train_images[:32]).to(device)
labels = data.train_labels[:32].to(device)


def one_step(model):
    model = model.to(device)
    own = list(model.parameters())
    with MemoryTrace() as trace, SavedTensors(ignore=own) as saved:
        loss = F.cross_entropy(model(images), labels)
        waiting = saved.live
        loss.backward()
    flops, held = zip(*trace.bytes_by_flops)
    return {
        "peak of the step (MB)": trace.peak / 2**20,
        "saved for backward (MB)": waiting / 2**20,
        "operations (million)": trace.flops / 1e6,
        "done": [count / 1e6 for count in flops],
        "held": [size / 2**20 for size in held],
    }


# %% tags=["apparatus"]
# Trains both versions from one seed; then the figure.
def last_weights(model_class):
    model, few = model_class(), ImageDataModule(batch_size=32, train_size=160)
    options = quiet_trainer(max_epochs=1, accelerator="cpu", deterministic=True)
    L.Trainer(**options).fit(model, datamodule=few)
    return flat_weights(model)[None]


def step_and_training(model_class):
    found = one_step(model_class())
    return {**found, "end": from_the_seed(last_weights, model_class)}


plot = Lines(
    "Recomputing buys a lower peak with a longer step",
    "held",
    at="done",
    x="floating-point operations done (million)",
    y="tensors held (MB)",
)

# %% tags=["contrast"]
result = contrast(
    "7.3",
    step_and_training,
    bad=KeepsEverything,
    good=RecomputesBlocks,
    prediction=prediction,
    figure=plot,
)

# %% tags=["claim"]
text = "a vision transformer that keeps all activations peaks at least 3 times higher than one that recomputes each block"
claim("7.3", text, result.times("peak of the step (MB)") >= 3)
text = "a vision transformer that recomputes its blocks needs at most 1.4 times the operations"
claim("7.3", text, 1 / result.times("operations (million)") <= 1.4)
text = "on a CPU with deterministic=True, a vision transformer with dropout ends with the same bits with and without checkpointing"
differ = result.bad.extras["end"] != result.good.extras["end"]
claim("7.3", text, differ.sum().item(), equals=0)

# %% [markdown]
# **Why.** Both forward passes end where the first curve is highest. Then the other curve has eight bumps: each block is computed again just before its backward pass, and released after it. A backward pass costs twice the operations of a forward pass; with a second forward pass, three becomes four. Before it computes a block again, `checkpoint` restores the random generators, so dropout zeroes the same activations.
#
# Now compare the two memory rows. If less is *saved*, is the *peak* lower? Put one checkpoint around all eight blocks, `Recomputed(*blocks)`:


# %% tags=["apparatus"]
# Measures one step with one checkpoint around everything.
class RecomputesAllAtOnce(SmallTransformer):
    def __init__(self):
        super().__init__()
        self.net.encoder.layers = Recomputed(*self.net.encoder.layers)


once = from_the_seed(lambda: one_step(RecomputesAllAtOnce()))
for name in ("saved for backward (MB)", "peak of the step (MB)"):
    print(f"all at once, {name}: {once[name]:.3f}")
share = once["peak of the step (MB)"] / result.bad["peak of the step (MB)"]
text = "one checkpoint around all blocks of a vision transformer leaves at least three quarters of the peak"
claim("7.3", text, share >= 0.75)
text = "one checkpoint around all blocks saves less for backward than one per block"
less = once["saved for backward (MB)"] / result.good["saved for backward (MB)"]
claim("7.3", text, less <= 0.8)

# %% [markdown]
# When its backward pass begins, all activations come back at once. You need memory for the inputs kept, plus all of the largest group: measure the peak of a whole step. (This one is ordinary.)
#
# **Scope.** The trade of bytes for operations: any device; how much depends on its kernels. The bits: one process on a CPU, PyTorch 2. On a GPU two runs need not agree to the last bit, checkpointed or not; we have not measured it. Names in the `state_dict` change with the wrapper.
#
# **When the bad version is right.** When it fits. You pay a third more operations in every step.
#
# ### Your turn · Recompute what is cheap
#
# The first stage of this network (unfold it) has full-size images: a `stem`, nine blocks in `large`, large activations, cheap convolutions. After `shrink`, three blocks in `small` have small activations and nearly all operations. Then comes the `head`. Bring the peak of a step to 60 % or less, with at most 10 % more operations, and the same gradients. *(10 minutes)*


# %% tags=["apparatus"]
# Builds the network of the exercise.
class TwoStages(Classifier):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(self.channels, 8, 3, padding=1)
        self.large = nn.ModuleList(
            nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.GELU())
            for _ in range(9)
        )
        self.shrink = nn.Sequential(nn.MaxPool2d(4), nn.Conv2d(8, 64, 1))
        self.small = nn.ModuleList(
            nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()) for _ in range(3)
        )
        cells = 64 * (self.height // 4) * (self.width // 4)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(cells, self.classes))


# %% tags=["exercise"]
class RecomputesTheCheap(TwoStages):
    def forward(self, images):
        hidden = self.stem(images)
        for block in self.large:
            hidden = block(hidden)
        hidden = self.shrink(hidden)
        for block in self.small:
            hidden = block(hidden)
        return self.head(hidden)


# %%
check("7.3", RecomputesTheCheap)

# %%
# hint("7.3")

# %% [markdown]
# ### Take along
#
# A test that checkpointing takes effect at all: some libraries skip it in evaluation mode without a word. It counts what a forward pass saves, weights included.


# %% tags=["guard"]
def assert_saves_at_most(megabytes, model, images):
    sizes = {}
    hooks = torch.autograd.graph.saved_tensors_hooks
    with hooks(lambda t: sizes.update({t.data_ptr(): t.nbytes}) or t, lambda t: t):
        _ = model(images)
    assert sum(sizes.values()) < megabytes * 2**20, "Too much is saved for backward."


# %% tags=["apparatus"]
# Tries the guard on both versions.
try_guard(
    "7.3",
    bad=lambda: assert_saves_at_most(8, KeepsEverything().to(device), images),
    good=lambda: assert_saves_at_most(8, RecomputesBlocks().to(device), images),
)

# %% [markdown]
# ### Going further
#
# Code in a checkpoint runs twice, and so do its side effects. In this layer of torchvision's ResNet-18, batch normalization updates its running statistics twice per step. The weights do not notice, since in training the
# statistics come from the batch; the evaluation does.

# %%
from torchvision.models import resnet18

layer = resnet18(weights=None).layer1
hidden = torch.randn(4, 64, 7, 7, requires_grad=True)
checkpoint(layer, hidden, use_reentrant=False).sum().backward()
counted = layer[0].bn1.num_batches_tracked.item()
text = "in a checkpointed layer of a ResNet-18, batch normalization counts every batch twice"
claim("7.3", text, counted, equals=2)

# %% [markdown]
# ## 7.4 Let go of what you collect
#
# You want to know how sure the network is on noisy images. Each step computes that as well, and appends it to a list for the end of the epoch. A tip says: clear the list in `on_train_epoch_end`, then call `torch.cuda.empty_cache()`. You train for three epochs of eight batches.
#
# **Predict.** The bytes that are still saved for backward after each step
#
# - **a** stay at zero: the backward pass frees what the step saved;
# - **b** rise with every step, and fall when the list is cleared;
# - **c** rise through all three epochs: clearing a list frees no tensors.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
class WatchesNoise(ConvNet):
    def __init__(self):
        super().__init__()
        self.collected = []

    def confidence(self, images):
        noisy = images + 0.1 * torch.randn_like(images)
        return self(noisy).softmax(1).amax(1).mean()

    def on_train_epoch_end(self):
        self.mean_confidence = torch.stack(self.collected).mean().item()
        self.collected.clear()
        torch.cuda.empty_cache()  # without a GPU it does nothing


# %% [markdown]
# ### Bad: collect, and clear at the end of the epoch


# %% tags=["bad"]
class CollectsGraphs(WatchesNoise):
    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.collected.append(self.confidence(batch[0]))
        return loss


# %% [markdown]
# ### Good: collect detached values


# %% tags=["good"]
class CollectsValues(WatchesNoise):
    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.collected.append(self.confidence(batch[0]).detach())
        return loss


# %% [markdown]
# ### The contrast
#
# The folded cell notes after each batch what is still held.


# %% tags=["apparatus"]
# Trains for three epochs, and notes what each batch leaves.
def held_over_steps(model_class, **options):
    model, memory = model_class(), TrainingMemory()
    options = {"max_epochs": 3, "limit_train_batches": 8, **options}
    options["callbacks"] = [memory, *options.get("callbacks", ())]
    L.Trainer(**quiet_trainer(**options)).fit(model, datamodule=data)
    return {
        "most saved at one time (MB)": memory.saved / 2**20,
        "held after the last batch (MB)": memory.held[-1] / 2**20,
        "mean confidence": model.mean_confidence,
        "held": [size / 2**20 for size in memory.held],
    }


plot = Lines(
    "Cleared once per epoch, the list holds an epoch of activations",
    "held",
    x="batch",
    y="still saved for backward (MB)",
)

# %% tags=["contrast"]
result = contrast(
    "7.4",
    held_over_steps,
    bad=CollectsGraphs,
    good=CollectsValues,
    prediction=prediction,
    figure=plot,
)

# %% tags=["claim"]
most = "most saved at one time (MB)"
text = "a list of undetached values, cleared after every 8 batches, takes at least 3 times the memory of detached ones"
claim("7.4", text, result.times(most) >= 3)
text = "with detached values in the list, nothing is left for backward after a step"
claim("7.4", text, result.good["held after the last batch (MB)"] == 0)

# %% tags=["apparatus"]
# A claim about the value that is collected.
text = "detached or not, the reported mean of the collected values is the same"
claim("7.4", text, abs(result.gain("mean confidence")), at_most=1e-3)

# %% [markdown]
# **Why.** A tensor made from weights keeps its graph, with all activations that a backward pass would need. For the loss that pass comes, and frees them. For the confidence it never comes, so one number of four bytes keeps the activations of a batch. Clearing comes after the peak. Eight batches make a small sawtooth; it grows with the batches of an epoch.
#
# Better still, compute the confidence under `torch.no_grad()`: then no graph is built.


# %% tags=["apparatus"]
# Measures the version without a graph.
class BuildsNoGraph(WatchesNoise):
    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        with torch.no_grad():
            self.collected.append(self.confidence(batch[0]))
        return loss


without = from_the_seed(held_over_steps, BuildsNoGraph)
print(f"detached: {result.good[most]:.1f} MB, without a graph: {without[most]:.1f} MB")
text = "a training step with a side computation holds less under torch.no_grad() than detached afterwards, by a factor of 1.5 or more"
claim("7.4", text, result.good[most] / without[most] >= 1.5)

# %% [markdown]
# **Scope.** CPU or GPU, each process for itself. On a GPU `empty_cache` does not help: it returns unused memory only (*Going further*).
#
# **When the bad version is right.** When you will call `backward` on what you keep, as in truncated backpropagation through time.
#
# ### Your turn · A gallery of the worst
#
# This module keeps the image with the highest loss of each batch, and that loss. It holds far more than one image per batch, this time not because of a graph. Find out why, and repair it: after `n` batches `worst` has `n` images of shape `(channel, height, width)`, and `scores` has `n` losses. *(6 minutes)*


# %% tags=["exercise"]
class KeepsTheWorst(ConvNet):
    def __init__(self):
        super().__init__()
        self.worst, self.scores = [], []

    def training_step(self, batch, batch_idx):
        images, labels = batch
        losses = F.cross_entropy(self(images), labels, reduction="none")
        self.worst.append(images[losses.argmax()])
        self.scores.append(losses.max())
        return losses.mean()


# %%
check("7.4", KeepsTheWorst)

# %%
# hint("7.4")

# %% [markdown]
# ### Take along
#
# A callback that searches the attributes of the module and of its parts after every batch, lists and dicts included.


# %% tags=["guard"]
class HoldsNoGraph(L.Callback):
    def on_train_batch_end(self, trainer, pl_module, *_):
        parts = [vars(module) for module in pl_module.modules()]
        held = torch.utils._pytree.tree_leaves(parts)
        graphs = [t for t in held if getattr(t, "grad_fn", None) is not None]
        assert not graphs, f"The module holds {len(graphs)} graph(s)."


# %% tags=["apparatus"]
# Tries the guard on both versions.
watched = {"max_epochs": 1, "callbacks": [HoldsNoGraph()]}
try_guard(
    "7.4",
    bad=lambda: held_over_steps(CollectsGraphs, **watched),
    good=lambda: held_over_steps(CollectsValues, **watched),
)

# %% [markdown]
# ### Going further · What `empty_cache` does
#
# PyTorch keeps the blocks of deleted tensors for later: `memory_allocated` falls, `memory_reserved` stays. `empty_cache` gives unused blocks back to the driver; memory that a live tensor holds stays allocated, so the list is beyond its reach. Blocks go back in whole segments: between live tensors (*fragmentation*) much stays reserved. It helps other processes on the card, and between phases with blocks of different sizes. So says PyTorch's documentation; on a GPU the next cell shows it:

# %%
print(cache_on_gpu())

# %% [markdown]
# ## 7.5 Choose the data type
#
# `bf16-mixed` keeps the weights in four bytes. With `precision="bf16-true"` weights, gradients and optimizer state take two. You fine-tune a trained network with it, gently: learning rate 1e-5, four epochs.
#
# **Predict.** With `bf16-true`, the part of the weights that four epochs change is
#
# - **a** less than an eighth;
# - **b** about a half: rounding up saves what rounding down loses;
# - **c** nearly all: each change is only a little less precise.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
class FineTuned(Classifier):
    def __init__(self, learning_rate=1e-5):
        super().__init__()
        self.learning_rate = learning_rate
        pixels = self.channels * self.height * self.width
        hidden = [nn.Linear(pixels, 128), nn.ReLU(), nn.Linear(128, self.classes)]
        self.net = nn.Sequential(nn.Flatten(), *hidden)

    def forward(self, images):
        return self.net(images.to(self.dtype))  # the data module delivers float32

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate)


# %% [markdown]
# ### Bad: two bytes for everything

# %% tags=["bad"]
all_half = {"precision": "bf16-true"}

# %% [markdown]
# ### Good: two bytes for products, four for weights

# %% tags=["good"]
half_products = {"precision": "bf16-mixed"}

# %% [markdown]
# ### The contrast
#
# Both start from the same weights, trained on 2,000 images. A weight has *changed* if it differs from what fine-tuning started with (in two bytes: the rounded weight). Watch the memory row, then the last two.

# %% tags=["apparatus"]
# Trains, and computes the loss on the test images after each epoch.
from copy import deepcopy

small = ImageDataModule(batch_size=64, train_size=2000)


@torch.no_grad()
def test_loss(model):
    model = deepcopy(model).cpu().float()
    return F.cross_entropy(model(scaled(small.test_images)), small.test_labels).item()


class TestLosses(L.Callback):
    def __init__(self):
        self.values = []

    def on_train_epoch_end(self, trainer, model):
        self.values.append(test_loss(model.net))


def fit(model, epochs, **options):
    options = quiet_trainer(max_epochs=epochs, **options)
    L.Trainer(**options).fit(model, datamodule=small)
    return model.cpu()


trained = from_the_seed(lambda: fit(FineTuned(learning_rate=1e-3), epochs=1))


# %% tags=["apparatus"]
# Fine-tunes, and measures what changed.
def fine_tune(precision, learning_rate=1e-5):
    model = FineTuned(learning_rate)
    model.load_state_dict(trained.state_dict())
    losses, memory = TestLosses(), TrainingMemory()
    fit(model, epochs=4, callbacks=[losses, memory], **precision)
    before = flat_weights(trained).to(model.dtype)
    start = test_loss(trained.net)
    return {
        "weights, gradients, optimizer (MB)": sum(
            list(memory.megabytes().values())[:3]
        ),
        "share of weights changed": (flat_weights(model) != before).float().mean(),
        "fall of the loss": start - losses.values[-1],
        "test loss": [start, *losses.values],
    }


plot = Lines(
    "With two-byte weights, gentle fine-tuning falls behind",
    "test loss",
    x="epochs of fine-tuning",
    y="cross-entropy on test images",
    first=0,
)

# %% tags=["contrast"]
result = contrast(
    "7.5",
    fine_tune,
    bad=all_half,
    good=half_products,
    names=("bf16-true", "bf16-mixed"),
    prediction=prediction,
    figure=plot,
)

# %% tags=["claim"]
text = "fine-tuned with two-byte weights at a learning rate of 1e-5, less than an eighth of them changes"
claim("7.5", text, result.bad["share of weights changed"] <= 0.125)
text = "fine-tuned at 1e-5 with two-byte weights, the loss falls by less than 0.7 of what it falls with four-byte weights"
claim("7.5", text, result.times("fall of the loss") <= 0.7)

# %% tags=["apparatus"]
# A claim about the bytes.
text = "two-byte weights, with their gradients and optimizer state, take half of the bytes of four-byte ones"
claim("7.5", text, result.times("weights, gradients, optimizer (MB)") <= 0.6)

# %% [markdown]
# **Why.** bfloat16 has the range of float32 and only two or three decimal digits. A change that is small against its weight is rounded away, at every step, and nothing adds up:

# %%
one, many = torch.tensor([1.0, 256.0], dtype=torch.bfloat16)
print("1 plus 0.003:", (one + 0.003).item())
print("256 plus 1:", int(many + 1))

# %% [markdown]
# So mixed precision keeps weights in four bytes. (Some do not change there either: mostly those of MNIST's always-black pixels.) If four do not fit, some optimizers round at random, up or down in proportion (*stochastic rounding*), or keep four-byte weights in CPU memory.
#
# The small steps stage the effect, and the loss moves little. An ordinary run takes a hundred times the learning rate:

# %% tags=["apparatus"]
# Fine-tunes with ordinary steps, in both precisions.
falls = [
    from_the_seed(fine_tune, each, 1e-3)["fall of the loss"]
    for each in (all_half, half_products)
]
print(
    f"fall of the loss at 1e-3: {falls[0]:.3f} in bf16-true, {falls[1]:.3f} in bf16-mixed"
)
text = "at an ordinary learning rate of 1e-3, two-byte weights get at least half of the fall of the loss"
claim("7.5", text, falls[0] / falls[1], at_least=0.5)

# %% [markdown]
# **Scope.** Adam on a CPU, one process. The rounding is the type's, on any device, for steps that are small against the weights. float16 has more digits, and so small a range that gradients become zero: do not train with `16-true`.
#
# **When the bad version is right.** For inference: half the memory, and the weights are not updated. And for training with large steps, as just seen.
#
# ### Your turn · A counter that counts on
#
# This module is trained with `precision="bf16-true"`. `seen` should count the images, and `brightness` be the mean of all pixels seen, right to three decimal places. Both go wrong without an error. Repair them; the network stays in two bytes. *(6 minutes)*


# %% tags=["exercise"]
class KnowsItsData(FineTuned):
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("brightness", torch.zeros(()))

    def training_step(self, batch, batch_idx):
        images, labels = batch
        self.seen += len(images)
        self.brightness += (images.mean() - self.brightness) * len(images) / self.seen
        return F.cross_entropy(self(images), labels)


# %%
check("7.5", KnowsItsData)

# %%
# hint("7.5")

# %% [markdown]
# ### Take along
#
# A callback that stops a run whose trained weights are not float32.


# %% tags=["guard"]
class TrainsInFourBytes(L.Callback):
    def on_train_start(self, trainer, pl_module):
        kinds = {p.dtype for p in pl_module.parameters() if p.requires_grad}
        assert kinds == {torch.float32}, f"The weights to train are {kinds}."


# %% tags=["apparatus"]
# Tries the guard on both versions.
stops = {"callbacks": [TrainsInFourBytes()], "max_steps": 2}
try_guard(
    "7.5",
    bad=lambda: fit(FineTuned(), 1, **stops, **all_half),
    good=lambda: fit(FineTuned(), 1, **stops, **half_products),
)

# %% [markdown]
# ### Going further
#
# You may read: write `.to(torch.bfloat16)` in `__init__`. That converts the weights and not the images, and the first product raises. The Trainer's `precision` does both sides: it converts the module, and the float images that a loader delivers. (This course's loaders deliver bytes, so
# `FineTuned` converts its images itself.)


# %% tags=["raises-exception"]
class ConvertsItself(ConvNet):
    def __init__(self):
        super().__init__()
        self.net.to(torch.bfloat16)


two_steps(ConvertsItself())

# %% [markdown]
# ## Symptoms
#
# What you see at work, and where to look:
#
# | You see | Look at |
# |---|---|
# | "half precision" and the memory of the run is as large as before | 7.1 |
# | a run asked for 16-mixed and reports bf16-mixed | 7.1 |
# | settings from a paper stop working when the batch has to be smaller | 7.2 |
# | with accumulated gradients, a language model trains worse than with large batches | 7.2 |
# | out of memory in the very first step | 7.3 |
# | gradient checkpointing is on, and the memory stays where it was | 7.3 |
# | memory grows from step to step, until a run fails hours later | 7.4 |
# | nvidia-smi shows far more memory than your tensors take | 7.4 |
# | fine-tuning in bf16-true changes almost nothing | 7.5 |
# | a counter in the model stops at 256 | 7.5 |
#
# ## Take away
#
# A checklist for your own code:
#
# - [ ] I know which of the four is large: weights, gradients, optimizer state, or what is saved for backward. I attack that one.
# - [ ] Mixed precision: I counted the whole step, and timed it on my card against TF32.
# - [ ] Accumulated gradients equal the large batch without BatchNorm, without a leftover, with equally many terms per batch. Otherwise I divide by the terms of the group.
# - [ ] I checkpoint where activations are large and operations cheap, and measure the peak of the whole step.
# - [ ] What outlives a step is detached; what is never differentiated is computed under `torch.no_grad()`; a part of a batch is cloned.
# - [ ] Weights that change by small steps have four bytes.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin: [the record](../src/course_utils/records/evidence.md#lesson-07).
#
# **Sources** PyTorch on [autocast](https://docs.pytorch.org/docs/stable/amp.html), [TF32 and other CUDA semantics](https://docs.pytorch.org/docs/stable/notes/cuda.html), [checkpointing](https://docs.pytorch.org/docs/stable/checkpoint.html) and
# [saved tensors](https://docs.pytorch.org/tutorials/intermediate/autograd_saved_tensors_hooks_tutorial.html); Lightning on [precision](https://lightning.ai/docs/pytorch/stable/common/precision_basic.html) and
# [accumulation](https://lightning.ai/docs/pytorch/stable/advanced/training_tricks.html), and its [issue 19987](https://github.com/Lightning-AI/pytorch-lightning/issues/19987) on the leftover; Chen and others, *Training Deep Nets with
# Sublinear Memory Cost* (2016); MNIST by LeCun, Cortes and Burges.
#
# Accumulation began in [1.1](01_code_organization.ipynb), determinism in [5.2](05_reproducibility.ipynb); speed comes back in [lesson 13](13_performance.ipynb). Next: [lesson 08](08_training_stability.ipynb), or look at the [solutions](../solutions/07_memory.ipynb) of this one.

# %% tags=["own-code"]
# This lesson's questions, asked of your own code: name it in place of None.
my_module, my_data = None, None  # "my_package.model:MyModel", "my_package.data:MyData"
course_utils.check_my(my_module, my_data, select="7.*")
