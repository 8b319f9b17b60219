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
# "Out of memory" comes without an explanation. So people try what a list of tips says: half precision, smaller batches, checkpointing, an emptied cache. Some of these tips save half of
# your memory. Some save nothing, and some cost memory in another place. In this lesson you count instead of guessing, and at the end you can
#
# - say what a training step holds, byte by byte, and which part is worth attacking;
# - choose the tool that shrinks that part, and name its price;
# - find what a run holds on to from step to step.
#
# **You need** to know what a `LightningModule` and a `Trainer` are. New here? [Start here](00_start_here.ipynb) takes fifteen minutes.
#
# **Time** 35 minutes of reading and running, 40 minutes of exercises. All cells together run in less than half a minute on two CPU cores.

# %% tags=["setup"]
try:
    import course_utils
except ModuleNotFoundError:  # opened alone, as on Colab: fetch the helpers, keep torch
    from IPython import get_ipython

    get_ipython().run_line_magic("pip", 'install -q "lightning-course-utils==0.1.*"')
    import course_utils

course_utils.start("07", written_for="0.1")

# %%
import lightning as L
import torch
from torch import nn
from torch.nn import functional as F

from course_utils import check, claim, contrast, hint, solution
from course_utils.data import ImageDataModule, scaled
from course_utils.hardware import quiet_trainer

# %% [markdown]
# One data module and two networks serve the lesson: a small convolutional net, which has few weights and many activations, and a wide MLP (multilayer perceptron), which is the
# other way round. Images have the shape `(batch, channel, height, width)`. `quiet_trainer()` holds the options that keep a Trainer silent.

# %%
data = ImageDataModule(batch_size=64)


class Classifier(L.LightningModule):
    """Images of shape (batch, channel, height, width) to logits of shape (batch, 10)."""

    channels, height, width = ImageDataModule().image_shape

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
        self.net = nn.Sequential(
            nn.Conv2d(self.channels, 8, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(4),
            nn.Flatten(),
            nn.Linear(8 * (self.height // 4) * (self.width // 4), 10),
        )


# %%
class WideMLP(Classifier):
    def __init__(self):
        super().__init__()
        pixels = self.channels * self.height * self.width
        self.net = nn.Sequential(
            nn.Flatten(),
            nn.Linear(pixels, 1024),
            nn.ReLU(),
            nn.Linear(1024, 1024),
            nn.ReLU(),
            nn.Linear(1024, 10),
        )


# %% [markdown]
# ## What a training step holds
#
# Four things: the **weights**, a **gradient** for each of them, the **optimizer's state** (Adam keeps two averages for each weight), and what autograd **saves for backward**: the
# activations from which the backward pass computes gradients. `TrainingMemory` is a callback that adds up the bytes of each. Watch which of the four is large.

# %%
from course_utils.measure import TrainingMemory


def memory_of(model, batch_size, **options):
    memory = TrainingMemory()
    data.batch_size = batch_size
    options = quiet_trainer(max_epochs=1, limit_train_batches=1, **options)
    L.Trainer(callbacks=[memory], **options).fit(model, datamodule=data)
    return memory.megabytes()


for name, megabytes in memory_of(ConvNet(), batch_size=64).items():
    print(f"{name:24}{megabytes:.3f}")

# %% [markdown]
# The conv net's weights are next to nothing, its activations are nearly all. What does the operating system say?

# %%
from course_utils.measure import peak_megabytes

print(f"peak of this process: {peak_megabytes():.1f} MB")
if torch.cuda.is_available():
    print(f"peak on the GPU: {torch.cuda.max_memory_allocated() / 2**20:.1f} MB")

# %% [markdown]
# The process's peak is the number that a memory limit is held against, so you must know it. But it counts Python, torch's libraries and the images as well, it never goes down, and it
# cannot tell which line was to blame. On a GPU, `torch.cuda.max_memory_allocated()` is better: it counts tensors only, and `torch.cuda.reset_peak_memory_stats()` starts it
# anew. In this lesson we count tensors, so that you see the same numbers on any machine.
#
# ## 7.1 Mixed precision, where activations dominate
#
# `precision="bf16-mixed"` makes matrix products and convolutions work on `bfloat16`, numbers of two bytes instead of four. "It halves the memory", says the tip. You try it on the wide MLP with batches
# of 16 images.
#
# **Predict before you run.** What autograd saves for backward
#
# - **a** becomes half as large;
# - **b** stays as it is: an MLP is mostly weights, and those keep four bytes;
# - **c** becomes several times larger.

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
# Both precisions train the conv net, then the wide MLP at four batch sizes. Look at the conv net in the table first, then at the MLP, then at both ends of the curves.

# %%
from course_utils.experiments.plots import Lines

sizes = [16, 64, 256, 1024]
per_image = data.test_images[0].numel() + 1024 + 1024  # activations saved
copied = 1024 * 1024 + 1024 * 10  # weights of layers two and three


def both_networks(options):
    conv = memory_of(ConvNet(), 16, **options)
    wide = [memory_of(WideMLP(), size, **options) for size in sizes]
    saved = [megabytes["saved for backward (MB)"] for megabytes in wide]
    return {
        "conv net, batches of 16 (MB)": conv["saved for backward (MB)"],
        "wide MLP, batches of 16 (MB)": saved[0],
        "wide MLP, batches of 1024 (MB)": saved[-1],
        "weights of the MLP (MB)": wide[0]["weights (MB)"],
        "batch sizes": sizes,
        "saved": saved,
        "break-even (images)": float(copied / per_image),
    }


# %% tags=["contrast"]
result = contrast(
    "7.1",
    bad=lambda: both_networks(full),
    good=lambda: both_networks(mixed),
    prediction=prediction,
    figure=Lines(
        "A wide MLP pays for half precision until the batch is large",
        "saved",
        at="batch sizes",
        x="images in a batch",
        y="saved for backward (MB)",
        log=True,
        log_x=True,
        reference="break-even (images)",
    ),
)

# %% tags=["claim"]
claim(
    "7.1",
    "the conv net keeps at least 1.4 times as many bytes in full precision",
    result.times("conv net, batches of 16 (MB)"),
    at_least=1.4,
)
claim(
    "7.1",
    "with small batches, the MLP keeps at least 4 times as many in half precision",
    1 / result.times("wide MLP, batches of 16 (MB)"),
    at_least=4,
)
claim(
    "7.1",
    "with large batches it keeps at least 2 MB less",
    result.gain("wide MLP, batches of 1024 (MB)"),
    at_most=-2,
)
claim(
    "7.1",
    "the weights themselves stay as they are",
    result.gain("weights of the MLP (MB)"),
    equals=0,
)

# %% [markdown]
# **Why.** The weights keep four bytes in both versions. Before a product, autocast, the part of PyTorch behind `bf16-mixed`, makes a two-byte *copy* of the weight, and the backward pass
# needs that copy. So each activation gives two bytes back, and each copied weight takes two. You break even when a batch has as many activations as copied weights: that is the dotted
# line, computed from the layers' sizes, and the measured curves cross close to it. (The first layer's copy does not count: nobody needs a gradient for pixels, so it is not saved.)
#
# Not everything becomes two bytes. Autocast keeps a list: products run in bfloat16, and what needs precision, such as a loss, in float32.

# %%
layer = nn.Linear(4, 4)
with torch.autocast("cpu", dtype=torch.bfloat16):
    product = layer(torch.ones(1, 4))
    print("weight:", layer.weight.dtype)
    print("product:", product.dtype)
    print("loss:", F.cross_entropy(product, torch.tensor([0])).dtype)

# %% [markdown]
# **When the bad version is right.** When weights outnumber the activations of a batch. And where the hardware has no units for two-byte products, because making the copies takes time, too. Whether yours
# has them, only a measurement on it tells: a CPU's answer is not a GPU's.
#
# Two names are easily confused. `16-mixed` uses `float16`, which has a small range, so Lightning scales the loss to keep small gradients from becoming zero. `bf16-mixed` has the range of
# float32 and needs no scaling. What it needs is hardware made for it. A popular list of tips writes both into one call, `Trainer(precision="16-mixed", precision="bf16-mixed")`: Python refuses to read that. And on a CPU, Lightning
# replaces one by the other:

# %%
asked = L.Trainer(**quiet_trainer(accelerator="cpu", precision="16-mixed"))
print("asked for 16-mixed, got", asked.precision)

# %% [markdown]
# ### Your turn · Choose the precision by counting
#
# Write a function that is given a network without batch normalization, and a batch for it. It returns `"32-true"` or `"bf16-mixed"`, whichever saves fewer bytes for backward, and leaves the network as it was. `SavedTensors`
# counts what autograd saves inside a `with` block: `with SavedTensors(ignore=net.parameters()) as saved`, then `saved.peak`. *(8 minutes)*

# %%
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
# ## 7.2 Accumulate gradients
#
# You want the updates of a batch of 256, and 256 images do not fit. So you make batches of 64, and let the Trainer add up the gradients of four before it updates the weights.
#
# **Predict.** After an epoch, compared with real batches of 256, the weights
#
# - **a** are the same, up to rounding;
# - **b** have moved four times as far: the gradients of four batches are added up;
# - **c** took another path: four small batches are noisier than a large one.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# ### Bad: all images at once

# %% tags=["bad"]
at_once = {"batch_size": 256, "accumulate_grad_batches": 1}

# %% [markdown]
# ### Good: a quarter at a time

# %% tags=["good"]
in_quarters = {"batch_size": 64, "accumulate_grad_batches": 4}

# %% [markdown]
# ### The contrast
#
# Both train on the same 1024 images, in the same order, from the same weights. Watch which of the four bars changes, and in the table how many updates each version made.

# %%
from course_utils.experiments.plots import Bars

PARTS = ["weights (MB)", "gradients (MB)", "optimizer state (MB)"]
PARTS += ["saved for backward (MB)"]


def weights_of(model):
    return nn.utils.parameters_to_vector(model.parameters()).detach().cpu()


def train(model, batch_size, train_size=1024, callbacks=(), **options):
    memory = TrainingMemory()
    images = ImageDataModule(batch_size=batch_size, train_size=train_size)
    options = quiet_trainer(max_epochs=1, **options)
    trainer = L.Trainer(callbacks=[memory, *callbacks], **options)
    trainer.fit(model, datamodule=images)
    updates, end = trainer.global_step, weights_of(model)[None]
    return {**memory.megabytes(), "updates": updates, "end": end}


# %% tags=["contrast"]
result = contrast(
    "7.2",
    bad=lambda: train(ConvNet(), **at_once),
    good=lambda: train(ConvNet(), **in_quarters),
    prediction=prediction,
    figure=Bars(
        "Accumulation quarters the activations, nothing else", PARTS, "memory (MB)"
    ),
)


# %% [markdown]
# How far apart are the weights? We take the length (the 2-norm) of the difference of all weights, and compare it with that of a third run: batches of 64, each with its own update.
# `from_the_seed` does outside of `contrast` what `contrast` does for its two versions: every run starts with the same random numbers, and afterwards the generators are put back.


# %%
def apart(one, other):
    return (one - other).norm().item()


def from_the_seed(run, *args, **options):
    with torch.random.fork_rng():  # puts the generators back
        torch.manual_seed(data.seed)
        return run(*args, **options)


def end_of(model, **how):
    return from_the_seed(lambda: train(model(), **how)["end"])


single = {"batch_size": 64, "accumulate_grad_batches": 1}
difference = apart(result.bad.extras["end"], result.good.extras["end"])
without = apart(end_of(ConvNet, **at_once), end_of(ConvNet, **single))
print(f"256 at once against four times 64: {difference:.1e}")
print(f"256 at once against 64 alone:      {without:.1e}")

# %% tags=["claim"]
claim(
    "7.2",
    "four accumulated batches end where one large batch ends",
    difference,
    at_most=1e-3,
)
claim("7.2", "without accumulation the weights end elsewhere", without, at_least=0.1)
claim(
    "7.2",
    "at once, more than three times as many bytes are saved for backward",
    result.times("saved for backward (MB)"),
    at_least=3,
)
claim(
    "7.2",
    "gradients and optimizer state do not shrink",
    result.gain("gradients (MB)") + result.gain("optimizer state (MB)"),
    equals=0,
)

# %% [markdown]
# The accumulated run ends where the large batch ends, up to rounding; without accumulation the end is another one.
#
# **Why.** The gradient of a mean over 256 images is the mean of the gradients of its four quarters. Lightning divides each loss by four, and PyTorch adds gradients up until someone sets them to
# zero. Nothing in that is an approximation. But look at what it needs: the loss of an image must not depend on its neighbours. Batch normalization breaks that, because it normalizes by the mean of the
# batch that it sees.


# %%
class WithBatchNorm(ConvNet):
    def __init__(self):
        super().__init__()
        self.net.insert(1, nn.BatchNorm2d(8))


normalized = apart(
    end_of(WithBatchNorm, **at_once), end_of(WithBatchNorm, **in_quarters)
)
print(f"with batch normalization: {normalized:.1e} apart")
claim("7.2", "with BatchNorm the two end elsewhere", normalized, at_least=5e-3)

# %% [markdown]
# That is no rounding any more.
#
# The second exception hides at the end of the epoch. An epoch of five batches has one group of four, and one batch left over. Lightning updates the weights with it, too. By what is its gradient
# divided? `UpdateLog` notes the size (the 2-norm) of the gradient at each update. We train on one batch, once as it is and once as the leftover of a group of four.

# %%
from course_utils.measure import UpdateLog


def gradient_norm(group):
    log, options = UpdateLog(), {"accumulate_grad_batches": group}
    from_the_seed(lambda: train(ConvNet(), 64, 64, callbacks=[log], **options))
    return log.norms[0]


ratio = gradient_norm(group=4) / gradient_norm(group=1)
print(f"gradient of the leftover batch: {ratio:.3f} of what it should be")
claim("7.2", "it is divided by four all the same", abs(ratio - 0.25), at_most=1e-4)

# %% [markdown]
# One weak update an epoch rarely matters. It matters more when an epoch has few updates: in an epoch of five batches, it is one of two.
#
# **When the bad version is right.** If the large batch fits, use it: one pass over 256 images keeps the hardware busier than four passes over 64. And ask first whether you want large batches at all. The
# run without accumulation made four times as many updates from the same images.
#
# ### Your turn · A leftover that counts in full
#
# This module is trained with `Trainer(accumulate_grad_batches=4)`, and an epoch may have any number of batches. Make each update use the mean gradient of the batches in its group, also
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
# ## 7.3 Checkpoint activations
#
# A deep network saves the activations of every layer, from the first to the last, until the backward pass comes. Activation checkpointing keeps only a few of them. The backward pass computes the others
# again, group by group. (It has nothing to do with the checkpoint files of lesson 09.)
#
# The network below has dropout in each of its twelve blocks: a random tenth of the activations is set to zero.
#
# **Predict.** Ten updates later, compared with training that keeps everything, the weights are
#
# - **a** different: computed again, dropout zeroes other activations;
# - **b** the same, to the last bit;
# - **c** the same up to rounding.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
class Deep(Classifier):
    """A stem, three groups of four blocks, and a head."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(self.channels, 8, 3, padding=1)
        self.groups = nn.ModuleList(self.group(blocks=4) for _ in range(3))
        cells = 8 * (self.height // 4) * (self.width // 4)
        self.head = nn.Sequential(nn.MaxPool2d(4), nn.Flatten(), nn.Linear(cells, 10))

    def group(self, blocks):
        return nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Dropout(0.1))
                for _ in range(blocks)
            )
        )


# %% [markdown]
# ### Bad: keep everything


# %% tags=["bad"]
class KeepsEverything(Deep):
    def forward(self, images):
        hidden = self.stem(images)
        for group in self.groups:
            hidden = group(hidden)
        return self.head(hidden)


# %% [markdown]
# ### Good: keep what goes into each group
#
# `checkpoint(group, hidden)` computes `group(hidden)` and keeps `hidden` only. PyTorch has two ways to do that and wants you to choose: take `use_reentrant=False`. The older way, `True`, gives a group no
# gradient if its input has none.

# %% tags=["good"]
from torch.utils.checkpoint import checkpoint


class RecomputesGroups(Deep):
    def forward(self, images):
        hidden = self.stem(images)
        for group in self.groups:
            hidden = checkpoint(group, hidden, use_reentrant=False)
        return self.head(hidden)


# %% [markdown]
# ### The contrast
#
# `SavedTensors` counts what waits for the backward pass. That is not enough here: what is computed again takes memory, too. `MemoryTrace` follows *every* tensor of one step, forward and backward, and counts
# the floating-point operations as they are done. So the figure shows both sides of the bargain: how high each curve rises, and how far it goes to the right.

# %%
from course_utils.measure import MemoryTrace

images, labels = scaled(data.train_images[:32]), data.train_labels[:32]


def one_step(model):
    with MemoryTrace() as trace:
        F.cross_entropy(model(images), labels).backward()
    model.zero_grad()
    return trace


def step_and_training(model):
    trace = one_step(model)
    flops, held = zip(*trace.bytes_by_flops)
    trained = train(model, 32, train_size=320)
    return {
        "peak of the step (MB)": trace.peak / 2**20,
        "saved for backward (MB)": trained["saved for backward (MB)"],
        "operations (million)": trace.flops / 1e6,
        "done": [count / 1e6 for count in flops],
        "held": [size / 2**20 for size in held],
        "end": trained["end"],
    }


# %% tags=["contrast"]
result = contrast(
    "7.3",
    bad=lambda: step_and_training(KeepsEverything()),
    good=lambda: step_and_training(RecomputesGroups()),
    prediction=prediction,
    figure=Lines(
        "Recomputing buys a lower peak with a longer step",
        "held",
        at="done",
        x="floating-point operations done (million)",
        y="tensors held (MB)",
    ),
)

# %% tags=["claim"]
claim(
    "7.3",
    "keeping everything has at least 1.8 times the peak",
    result.times("peak of the step (MB)"),
    at_least=1.8,
)
claim(
    "7.3",
    "recomputing needs at most 1.4 times the operations",
    1 / result.times("operations (million)"),
    at_most=1.4,
)
claim(
    "7.3",
    "and all weights end the same, to the last bit",
    (result.bad.extras["end"] != result.good.extras["end"]).sum().item(),
    equals=0,
)

# %% [markdown]
# **Why.** The forward pass ends where the bad curve is highest. From there on the good curve has three bumps, one a group: it is computed again just before its backward pass, and let go after it.
# A training step costs one forward pass and a backward pass of twice its operations. With recomputation the forward pass runs twice, so three becomes four. Before it computes a group again, `checkpoint` puts the random generators back to where they were, so dropout zeroes the same
# activations.
#
# Look at the two memory rows of the table again. What is *saved for backward* shrinks far more than the *peak*. A measurement that stops after the forward pass is too kind to checkpointing. Its *peak* is what
# counts. Take this one, which keeps a single input for all three groups:


# %%
class RecomputesAllAtOnce(Deep):
    def forward(self, images):
        hidden = self.stem(images)
        hidden = checkpoint(nn.Sequential(*self.groups), hidden, use_reentrant=False)
        return self.head(hidden)


peak = one_step(RecomputesAllAtOnce()).peak / 2**20
print(f"one checkpoint around all groups, peak: {peak:.1f} MB")
share = peak / result.bad.number("peak of the step (MB)")
claim("7.3", "its peak is at least three quarters", share, at_least=0.75)

# %% [markdown]
# When its backward pass begins, all activations are there again, at once. The memory you need is that of the inputs kept, plus that of the largest group.
#
# **What changes after all.** Code in a group runs twice, and so do its side effects. Batch normalization updates its running statistics twice a step:

# %%
norm = nn.BatchNorm2d(8)
hidden = torch.randn(4, 8, 5, 5, requires_grad=True)
checkpoint(norm, hidden, use_reentrant=False).sum().backward()
print("batches counted in one step:", norm.num_batches_tracked.item())

# %% [markdown]
# **When the bad version is right.** When it fits. You pay with a third more operations in every step, for a batch that would have run anyway.
#
# A trap in a popular tip: call `gradient_checkpointing_enable()` on a pretrained transformer of the `transformers` library, and you are done. There, checkpointing works in training mode only, `from_pretrained` returns the model in evaluation mode,
# and Lightning leaves the mode of your modules as it finds it. Nothing is saved. All you hear is Lightning's general warning that modules are in evaluation mode; it does not mention memory. Call `.train()`, and look at the bytes.
#
# ### Your turn · Recompute what is cheap
#
# The first stage of this network works on full-size images: large activations, cheap convolutions (`groups=8`: each channel for itself). The second works on small maps with many channels: small activations, and
# nearly all of the operations. Bring the peak of a step to 60 % or less, with at most 10 % more operations, and the same gradients. *(10 minutes)*


# %%
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
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(cells, 10))


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
# ## 7.4 Let go of what you collect
#
# You want to know how sure the network is on noisy images, so each step computes that as well, and puts it in a list for the end of the epoch. It is not part of the loss. A tip says: clear such lists in
# `on_train_epoch_end`, then call `torch.cuda.empty_cache()`. You do, and train for three epochs of eight batches.
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
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


# %% [markdown]
# ### Bad: collect, and clear at the end of the epoch


# %% tags=["bad"]
class CollectsGraphs(WatchesNoise):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.collected.append(self.confidence(images))
        return loss


# %% [markdown]
# ### Good: collect detached values


# %% tags=["good"]
class CollectsValues(WatchesNoise):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.collected.append(self.confidence(images).detach())
        return loss


# %% [markdown]
# ### The contrast
#
# `TrainingMemory` notes after each batch what is still held. Watch the shape of the curves.


# %%
def held_over_steps(model):
    memory = TrainingMemory()
    data.batch_size = 64
    options = quiet_trainer(max_epochs=3, limit_train_batches=8)
    L.Trainer(callbacks=[memory], **options).fit(model, datamodule=data)
    return {
        "most saved at one time (MB)": memory.saved / 2**20,
        "held after the last batch (MB)": memory.held[-1] / 2**20,
        "mean confidence": model.mean_confidence,
        "held": [size / 2**20 for size in memory.held],
    }


# %% tags=["contrast"]
result = contrast(
    "7.4",
    bad=lambda: held_over_steps(CollectsGraphs()),
    good=lambda: held_over_steps(CollectsValues()),
    prediction=prediction,
    figure=Lines(
        "Cleared once an epoch, the list holds an epoch of activations",
        "held",
        x="batch",
        y="still saved for backward (MB)",
    ),
)

# %% tags=["claim"]
claim(
    "7.4",
    "collecting graphs needs at least 3 times the memory",
    result.times("most saved at one time (MB)"),
    at_least=3,
)
claim(
    "7.4",
    "detached, nothing is left after a step",
    result.good.number("held after the last batch (MB)"),
    equals=0,
)
claim(
    "7.4",
    "the reported value is the same",
    abs(result.gain("mean confidence")),
    at_most=1e-6,
)

# %% [markdown]
# **Why.** A tensor made from weights remembers how it was made: its graph, with all the activations that a backward pass would need. For the loss that backward pass comes, and frees them. For the confidence it never comes, so
# one number of four bytes keeps the activations of a whole batch. Clearing the list works, but too late: the peak has been reached by then. With eight batches you see a sawtooth, with eight thousand an error.
#
# `empty_cache` does not help. It returns to the GPU's driver what no tensor uses; what a tensor holds, it leaves. (The tip clears `self.training_step_outputs`, a list that nobody makes but
# you. Copied into a module without it, the tip raises `AttributeError`.)
#
# Better still: never build the graph. `torch.no_grad()` around the computation keeps its activations from being saved at all.


# %%
class BuildsNoGraph(WatchesNoise):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        with torch.no_grad():
            self.collected.append(self.confidence(images))
        return loss


most = held_over_steps(BuildsNoGraph())["most saved at one time (MB)"]
detached = result.good.number("most saved at one time (MB)")
print(f"detached: {detached:.1f} MB, without a graph: {most:.1f} MB")
claim("7.4", "without a graph, the peak is lower still", detached / most, at_least=1.5)

# %% [markdown]
# **When the bad version is right.** When you will call `backward` on what you keep: a loss that needs the last three steps, as in truncated backpropagation through time. Then you need the graphs, and their bytes.
#
# ### Your turn · A gallery of the worst
#
# This module keeps the image with the highest loss of each batch, and that loss, to look at them later. It holds far more than one image a batch. Find out why, and repair it: after `n` batches `worst` has
# `n` images of shape `(channel, height, width)`, and `scores` has `n` losses. *(6 minutes)*


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
# ## 7.5 Choose the data type
#
# `bf16-mixed` keeps the weights in four bytes. `precision="bf16-true"` goes all the way: weights, gradients and optimizer state have two. You fine-tune a trained network with it, gently, at a learning rate of one hundred-thousandth.
# In four bytes, the loss falls in each of four epochs.
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
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(pixels, 128), nn.ReLU(), nn.Linear(128, 10)
        )

    def forward(self, images):
        return self.net(images.to(self.dtype))  # they come in float32, see below

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate)


# %%
small = ImageDataModule(batch_size=64, train_size=2000)


def fit(model, epochs, **options):
    options = quiet_trainer(max_epochs=epochs, **options)
    L.Trainer(**options).fit(model, datamodule=small)
    return model.cpu()


trained = from_the_seed(
    lambda: fit(FineTuned(learning_rate=1e-3), epochs=1, limit_train_batches=32)
)
start = trained.state_dict()

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
# Both start from the same trained weights. The loss on the test images is computed in float32, after each epoch. A weight has *changed* if it differs from what training started with: in two bytes, that
# is the rounded weight. Watch the memory rows, then what the last two rows say about it.

# %%
from copy import deepcopy


@torch.no_grad()
def test_loss(model):
    model = deepcopy(model).cpu().float()
    return F.cross_entropy(model(scaled(small.test_images)), small.test_labels).item()


class TestLosses(L.Callback):
    def __init__(self):
        self.values = []

    def on_train_epoch_end(self, trainer, model):
        self.values.append(test_loss(model.net))


# %%
def fine_tune(learning_rate=1e-5, **options):
    model = FineTuned(learning_rate)
    model.load_state_dict(start)
    losses, memory = TestLosses(), TrainingMemory()
    fit(model, epochs=4, callbacks=[losses, memory], **options)
    before = weights_of(trained).to(model.dtype)
    return {
        **memory.megabytes(),
        "share of weights changed": (weights_of(model) != before).float().mean(),
        "fall of the loss (nats)": test_loss(trained.net) - losses.values[-1],
        "test loss": [test_loss(trained.net), *losses.values],
    }


# %% tags=["contrast"]
result = contrast(
    "7.5",
    bad=lambda: fine_tune(**all_half),
    good=lambda: fine_tune(**half_products),
    prediction=prediction,
    figure=Lines(
        "With two-byte weights, fine-tuning hardly moves",
        "test loss",
        x="test: the first before training, one after each epoch",
        y="cross-entropy loss (nats)",
    ),
)

# %% tags=["claim"]
claim(
    "7.5",
    "with two-byte weights, less than an eighth of them changes",
    result.bad.number("share of weights changed"),
    at_most=0.125,
)
claim(
    "7.5",
    "with four-byte weights, at least four times as many",
    1 / result.times("share of weights changed"),
    at_least=4,
)
claim(
    "7.5",
    "two-byte weights get less than a third of the fall of the loss",
    result.times("fall of the loss (nats)"),
    at_most=0.33,
)
claim(
    "7.5",
    "though they do need far fewer bytes for the optimizer state",
    1 / result.times("optimizer state (MB)"),
    at_least=1.5,
)

# %% [markdown]
# **Why.** bfloat16 keeps the range of float32, and has eight bits for the digits: two or three decimal digits. A change that is small against its weight is rounded away, at every step, and
# nothing adds up:

# %%
weight = torch.tensor(1.0, dtype=torch.bfloat16)
for _ in range(100):
    weight += 0.003
print("one, plus 0.003, a hundred times:", weight.item())
count = torch.tensor(256.0, dtype=torch.bfloat16)
print("256 plus 1:", int(count + 1))

# %% [markdown]
# That is why mixed precision exists: products in two bytes, and weights in four, so that small changes add up. (float16 is more precise than bfloat16, and its range is so small that gradients become zero. Do not use `16-true` to train.)
#
# Another tip says: write `.to(torch.bfloat16)` in `__init__`. Then nobody converts the images, and the first product raises. The Trainer's `precision` does both sides: it converts the module, and float images that a loader
# delivers. (The loaders of this course deliver whole numbers from 0 to 255. The data module scales them on the device, after that conversion, so `FineTuned` converts them itself.)


# %%
class ConvertsItself(ConvNet):
    def __init__(self):
        super().__init__()
        self.net.to(torch.bfloat16)


try:
    memory_of(ConvertsItself(), batch_size=16)
except RuntimeError as error:
    print(f"{type(error).__name__}: {error}")

# %% [markdown]
# **When the bad version is right.** To predict: half of the memory for weights that nobody changes. And to train with large steps, as at the start of a training run. The same network, with a hundred times the learning rate:


# %%
def fall_at_large_steps(precision):
    tuned = from_the_seed(fine_tune, 1e-3, **precision)
    return tuned["fall of the loss (nats)"]


coarse, fine = map(fall_at_large_steps, (all_half, half_products))
print(f"fall of the loss at 1e-3: {coarse:.3f} in bf16-true, {fine:.3f} in bf16-mixed")
claim("7.5", "with large steps, little is lost", coarse / fine, at_least=0.7)

# %% [markdown]
# ### Your turn · A counter that counts on
#
# This module is trained with `precision="bf16-true"`. `seen` should count the images, and `brightness` be the mean of all pixels seen, right to three decimal places. Both go wrong, without an error. Repair them; the network
# stays in two bytes. *(6 minutes)*


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
# ## Take away
#
# A checklist for your own code:
#
# - [ ] You know which of the four is large: weights, gradients, optimizer state, or what is saved for backward. Attack that one.
# - [ ] Mixed precision shrinks activations and copies weights. You looked at the bytes before you switched.
# - [ ] Accumulation equals the large batch, unless the network has batch normalization, and except for the leftover at the end of an epoch.
# - [ ] Checkpoint in groups, where activations are large and operations cheap. Measure the peak of the whole step.
# - [ ] What outlives a step is detached; what is never differentiated is computed under `torch.no_grad()`; a part of a batch is cloned.
# - [ ] Weights that change by small steps have four bytes.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin: [the record](../src/course_utils/records/evidence.md#lesson-07).
#
# **Sources** PyTorch on [autocast](https://docs.pytorch.org/docs/stable/amp.html), [checkpointing](https://docs.pytorch.org/docs/stable/checkpoint.html) and
# [saved tensors](https://docs.pytorch.org/tutorials/intermediate/autograd_saved_tensors_hooks_tutorial.html); Lightning on [precision](https://lightning.ai/docs/pytorch/stable/common/precision_basic.html) and
# [accumulation](https://lightning.ai/docs/pytorch/stable/advanced/training_tricks.html), and its [issue 19987](https://github.com/Lightning-AI/pytorch-lightning/issues/19987) on the leftover; Chen and others, *Training Deep Nets with
# Sublinear Memory Cost* (2016); MNIST by LeCun, Cortes and Burges.
#
# Next: [lesson 08](08_training_stability.ipynb), or look at the [solutions](../solutions/07_memory.ipynb) of this one.
