# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 02 · Does it run on a device you do not have?
#
# You write a model on a laptop. A colleague trains it on the second GPU of a server, another one on a CPU, and next year somebody loads the file you saved. Will it
# run? Most guides answer with rules. In this lesson you ask the module itself, on GPUs that are not there. At the end you can
#
# - try one `training_step` on a CPU, a first and a second GPU without owning a GPU, and say what such a test cannot see;
# - create tensors on the right device, without copying a byte;
# - keep what a module has learned when it is saved, and leave out what it can make again.
#
# **You need** to know what a `LightningModule` and a `Trainer` are. New here? [Start here](00_start_here.ipynb) takes ten minutes. No GPU.
#
# **Time** 25 minutes of reading and running, 23 minutes of exercises. All cells together run in less than half a minute on two CPU cores.

# %% tags=["setup"]
try:
    import course_utils
except ModuleNotFoundError:  # opened alone, as on Colab: fetch the helpers, keep torch
    from IPython import get_ipython

    get_ipython().run_line_magic("pip", 'install -q "lightning-course-utils==0.1.*"')
    import course_utils

course_utils.start("02", written_for="0.1")

# %%
import lightning as L
import torch
from torch import nn
from torch.nn import functional as F

from course_utils import check, claim, contrast, hint, solution
from course_utils.data import ImageDataModule, scaled
from course_utils.hardware import quiet_trainer

# %% [markdown]
# One data module and one small classifier serve the first two practices. Images have the shape `(batch, channel, height, width)` and values from 0 to 1.

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
# ## 2.1 Name no device
#
# Here is a famous line: `device = "cuda:0" if torch.cuda.is_available() else "cpu"`. Tutorials call it device-agnostic, and it looks the part: it asks before it
# moves anything. Somebody puts it into a `training_step`.
#
# **Predict before you run.** Four places: a machine without a GPU; the CPU of a machine with two GPUs (`accelerator="cpu"`, say for debugging); its first GPU; its
# second GPU (`devices=[1]`). The step runs
#
# - **a** in all four;
# - **b** in three, all but the second GPU;
# - **c** in two of them.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %% [markdown]
# ### Bad: the step chooses a device


# %% tags=["bad"]
class ChoosesADevice(DigitClassifier):
    def training_step(self, batch, batch_idx):
        device = "cuda:0" if torch.cuda.is_available() else "cpu"
        images, labels = (part.to(device) for part in batch)
        return F.cross_entropy(self(images), labels)


# %% [markdown]
# ### Good: the step takes the batch where it is


# %% tags=["good"]
class TakesItAsItComes(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)


# %% [markdown]
# ### How to try a GPU that is not there
#
# PyTorch's compiler has to know what a program does before it runs it. For that it has *fake tensors*: they have a shape, a dtype and a device, but no memory and
# no values. An operation on them computes the shape of its result and checks devices, as the real one does. For that, no GPU has to exist.
#
# `simulated_tensors` switches this on for a block. Watch where the product lives, and what a factor from the other GPU does.

# %%
from course_utils.checks import simulated_tensors

with simulated_tensors("cuda:1"):
    images = torch.rand(64, 784, device="cuda:1")
    logits = images @ torch.rand(784, 10, device="cuda:1")
    print("shape:", tuple(logits.shape), "device:", logits.device)
    try:
        images @ torch.rand(784, 10, device="cuda:0")
    except RuntimeError as error:
        print(error)

# %% [markdown]
# A product on the second of two GPUs, and the error for mixing the two. A real machine raises it, too, though its words may differ.
#
# Two helpers build on this. `simulated_gpus(2)` lets your code find two GPUs when it asks `torch.cuda.is_available()`. `runs_on` moves a module and a batch as Lightning
# would, and runs one training step with the hooks before it. Where your machine has what you ask for, the step really runs; elsewhere it is pretended. You get a *finding*: `ok` is
# `True`, `False` (the step fails because of its devices) or `None` (it cannot be decided), `seen` says what happened. Any other error is raised as usual.

# %%
from course_utils.checks import runs_on, simulated_gpus

batch = (scaled(digits.test_images[:8]), digits.test_labels[:8])

with simulated_gpus(2):
    print(runs_on(TakesItAsItComes(), batch, "cuda:1").seen)

# %% [markdown]
# ### The contrast
#
# Each version trains for real where there is no GPU, then visits all four places: a device, and the number of GPUs that the code finds when it asks. Watch the accuracy
# first: it is why nobody notices.

# %%
from course_utils.experiments.plots import Cells
from course_utils.measure import accuracy

PLACES = {
    "CPU, no GPU": ("cpu", 0),
    "CPU beside GPUs": ("cpu", 2),
    "first GPU": ("cuda:0", 2),
    "second GPU": ("cuda:1", 2),
}


def visit(model_class):
    cells = {}
    for place, (device, gpus) in PLACES.items():
        with simulated_gpus(gpus):
            finding = runs_on(model_class(), batch, device)
        cells[place] = "runs" if finding.ok else "fails"
    return cells


# %%
def train_and_visit(model_class):
    model = model_class()
    trainer = L.Trainer(max_epochs=1, **quiet_trainer(accelerator="cpu"))
    with simulated_gpus(0):
        trainer.fit(model, datamodule=digits)
    cells = visit(model_class)
    return {
        "test accuracy": accuracy(model, digits.test_images, digits.test_labels),
        **cells,
        "places where it runs": list(cells.values()).count("runs"),
    }


# %% tags=["contrast"]
result = contrast(
    "2.1",
    bad=lambda: train_and_visit(ChoosesADevice),
    good=lambda: train_and_visit(TakesItAsItComes),
    prediction=prediction,
    figure=Cells(
        "Choosing a device works in two places out of four",
        list(PLACES),
        fine="runs",
    ),
)

# %% tags=["claim"]
claim(
    "2.1",
    "the step that chooses a device runs in two of four places",
    result.bad.number("places where it runs"),
    equals=2,
)
claim(
    "2.1",
    "the step that takes the batch as it comes runs in all four",
    result.good.number("places where it runs"),
    equals=4,
)
claim(
    "2.1",
    "without a GPU, both train to the same accuracy",
    result.gain("test accuracy"),
    equals=0,
)

# %% [markdown]
# **Why.** The line asks what the *machine* has. The question is where the *module* is. Before the step, the Trainer has put weights and batch on one device; the
# line carries the batch away from there. It does no harm in exactly two places: where there is no GPU, and where the module is on the first one.
#
# What about the bare `.cuda()`, without a number? It has the worst reputation of all. Before you run the cell: same two places?


# %%
class CallsCuda(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images.cuda()), labels.cuda())


for place, cell in visit(CallsCuda).items():
    print(f"{place:16} {cell}")

# %% [markdown]
# It runs on the second GPU. `.cuda()` means the *current* GPU, and a Trainer makes its own GPU the current one before it calls your code (`torch.cuda.set_device` in
# Lightning's CUDA accelerator). So the old rule "`.cuda()` is always the first GPU" holds in a loop of your own, not inside a Trainer. It still fails on every CPU,
# and on accelerators that PyTorch does not call `cuda`, such as Apple's `mps`.
#
# Other guides recommend `images.to(self.device)`. That is harmless and does nothing: the batch is there already, and `.to` hands back the same tensor.

# %%
images, labels = batch
print("the same tensor:", images.to(images.device) is images)

# %% [markdown]
# ### What pretending cannot see
#
# A fake tensor has no values, so a step that branches on a value cannot be followed. The probe then says so instead of guessing.


# %%
class HalvesALargeLoss(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        return loss / 2 if loss > 3 else loss


finding = runs_on(HalvesALargeLoss(), batch, "cuda:0")
print(finding.seen)
print(finding.remedy)

# %% [markdown]
# Nor can it see whether the memory suffices, how fast the step is, or what a real device lacks: Apple's `mps`, for one, has no float64. There is no backward pass. And
# `DEVICE = ...` at the top of a file is computed before anything is pretended, so it names a device of the machine you are sitting at. The probe is a quick test that finds
# the common fault; it does not replace a run on the real thing.
#
# **When the bad version is right.** In a script of your own, with a plain loop and no Trainer, the famous line belongs at the top: *one* device for model and
# batch, chosen once. (`torch.accelerator`, since PyTorch 2.6, chooses among GPUs of any make.)

# %%
device = "cuda:0" if torch.cuda.is_available() else "cpu"
model = DigitClassifier().to(device)
images, labels = (part.to(device) for part in batch)
loss = F.cross_entropy(model(images), labels)
print("model and loss on one device:", loss.device == model.device)

# %% [markdown]
# ### Your turn · Classify without a Trainer
#
# A web service calls `classify` with images on the CPU, wherever the model happens to be, and expects the classes on the CPU: a tensor with one number for each image.
# No Trainer is involved, so nobody moves anything. Repair the method for any device. *(6 minutes)*


# %% tags=["exercise"]
class ClassifiesUploads(DigitClassifier):
    def classify(self, images):
        with torch.no_grad():
            logits = self(images.cuda())
        return logits.argmax(1)


# %%
check("2.1", ClassifiesUploads)

# %% [markdown]
# Stuck? `hint("2.1")` gives a nudge, the second call a bigger one. `solution("2.1")` shows one way to do it, with its reason.

# %%
# hint("2.1")

# %% [markdown]
# ## 2.2 Create tensors where the module is
#
# The batch arrives on the right device. A tensor that *you* create is your own business: here, noise that is added to the images. Some guides show
# this line as the good one: `torch.randn(images.shape).to(self.device)`.
#
# **Predict.** On a GPU, in each step, that line
#
# - **a** creates the noise on the GPU: `.to` tells torch where it goes;
# - **b** creates it on the CPU and copies every byte of it;
# - **c** raises an error: there is a moment when noise and images are on two devices.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %% [markdown]
# ### Bad: created on the CPU, then moved


# %% tags=["bad"]
class MovesTheNoise(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        noise = torch.randn(images.shape).to(self.device)
        return F.cross_entropy(self(images + 0.3 * noise), labels)


# %% [markdown]
# ### Good: created where the module is


# %% tags=["good"]
class CreatesItThere(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        noise = torch.randn(images.shape, device=self.device)
        return F.cross_entropy(self(images + 0.3 * noise), labels)


# %% [markdown]
# ### The contrast
#
# Both train on the real CPU. Then `copied_in_step` counts bytes on a pretended GPU: those that Lightning copies to deliver a batch, and those that the step copies
# itself. A count of bytes needs no values, so fake tensors are enough.

# %%
from course_utils.exercises.lesson_02 import copied_in_step
from course_utils.experiments.plots import Bars

MEGABYTE = 2**20
large_batch = (scaled(digits.test_images[:256]), digits.test_labels[:256])


# %%
def train_and_count(model_class):
    model = model_class()
    trainer = L.Trainer(max_epochs=1, **quiet_trainer(accelerator="cpu"))
    trainer.fit(model, datamodule=digits)
    delivered, in_step = copied_in_step(model_class(), large_batch)
    return {
        "test accuracy": accuracy(model, digits.test_images, digits.test_labels),
        "runs on a GPU": bool(runs_on(model_class(), batch, "cuda:0").ok),
        "bytes copied by the step": in_step,
        "copied by the step": in_step / MEGABYTE,
        "the batch itself": delivered / MEGABYTE,
    }


# %% tags=["contrast"]
result = contrast(
    "2.2",
    bad=lambda: train_and_count(MovesTheNoise),
    good=lambda: train_and_count(CreatesItThere),
    prediction=prediction,
    figure=Bars(
        "Noise that is moved is as heavy a load as the batch itself",
        ["copied by the step"],
        "megabytes from CPU to GPU, per batch of 256",
        reference="the batch itself",
    ),
)

# %% tags=["claim"]
claim(
    "2.2",
    "the moved noise travels, four bytes for every pixel",
    result.bad.number("bytes copied by the step"),
    equals=4 * large_batch[0].numel(),
)
claim(
    "2.2",
    "created in place, nothing travels",
    result.good.number("bytes copied by the step"),
    equals=0,
)
claim(
    "2.2",
    "on the CPU both train to the same accuracy",
    result.gain("test accuracy"),
    equals=0,
)

# %% [markdown]
# **Why.** Python evaluates from the inside out: `torch.randn(images.shape)` is complete, on the CPU, before `.to` is called. So the CPU draws the numbers, and they travel
# to the GPU in every step. Nothing is wrong with the result. On a CPU `.to` does nothing at all, so your laptop will not tell you.
#
# There are four common ways to write it. `Operations` counts the bytes that each of them copies; watch the two that start with a CPU tensor.

# %%
from course_utils.measure import Operations

ways = {
    ".to(device)": lambda images: torch.randn(images.shape).to(images.device),
    ".type_as(images)": lambda images: torch.randn(images.shape).type_as(images),
    "device=...": lambda images: torch.randn(images.shape, device=images.device),
    "randn_like(images)": lambda images: torch.randn_like(images),
}
for name, make_noise in ways.items():
    with simulated_tensors("cuda:0"):
        images = torch.empty(256, 1, 28, 28, device="cuda:0")
        with Operations() as operations:
            make_noise(images)
    print(f"{name:20} {operations.copied_bytes} bytes")

# %% [markdown]
# `type_as` has one more surprise. It takes over the dtype of the images as well as their device. On images that are still bytes, your noise becomes bytes, too, and
# everything between -1 and 1 is cut to zero.

# %%
raw_images = digits.test_images[:256]
noise = torch.randn(raw_images.shape).type_as(raw_images)
print("dtype of the noise:", noise.dtype)
zeros = (noise == 0).float().mean().item()
print(f"share of zeros:     {zeros:.2f}")
claim("2.2", "on bytes, type_as makes more than half of it zero", zeros, at_least=0.5)

# %% [markdown]
# And one trap of `self.device`: it tells where the module is *now*. While `__init__` runs, no Trainer has moved anything yet.


# %%
class AsksTooEarly(DigitClassifier):
    def __init__(self):
        super().__init__()
        self.in_init = self.device


model = AsksTooEarly()
with simulated_tensors("cuda:1"):
    model.to("cuda:1")
    print("in __init__:", model.in_init, "· after the move:", model.device)

# %% [markdown]
# So `self.device` belongs in steps and hooks. A tensor that is created in `__init__` needs the next practice. And a plain `nn.Module` has no `device` at all: there, ask a tensor
# that is at hand, such as the images.
#
# **When the bad version is right.** When the numbers must be the same on every machine. A GPU draws other numbers from the same seed than a CPU does; noise from a CPU
# generator, moved to `device` (from the end of 2.1), is the same everywhere. It costs the copy.

# %%
seeded = torch.Generator().manual_seed(0)
noise = torch.randn(2, 3, generator=seeded).to(device)
again = torch.randn(2, 3, generator=seeded.manual_seed(0)).to(device)
print("the same seed, the same numbers:", torch.equal(noise, again))

# %% [markdown]
# ### Your turn · A noise layer, written from its specification
#
# `AddsNoise(amount)` is a layer, a plain `nn.Module`. Its `forward(images)` returns the images plus `amount` times standard normal noise,
#
# - drawn anew for every pixel of every image in every call;
# - on any device, without copying a byte;
# - in the dtype of the images, be it float32, float64 or bfloat16;
# - and the images it was given stay as they are.
#
# Write its `forward`. *(7 minutes)*


# %% tags=["exercise"]
class AddsNoise(nn.Module):
    def __init__(self, amount):
        super().__init__()
        self.amount = amount

    def forward(self, images):
        return images


# %%
check("2.2", AddsNoise)

# %%
# hint("2.2")

# %% [markdown]
# ## 2.3 Register buffers
#
# Some tensors are no weights, and yet belong to the model: a running mean, a table, a mask. "Register them as buffers, so that they move to the GPU", says the rule. You have no
# GPU, so you keep a plain attribute for now.
#
# For this practice the images are inverted: ink is 0, paper is 1. The network standardizes its input by a running mean and a running standard
# deviation, which it updates while it trains. You train it on 7,000 images, measure its accuracy, save a checkpoint, and load it into a fresh instance.
#
# **Predict.** After reloading, the accuracy is
#
# - **a** the same: a checkpoint holds the whole module;
# - **b** not to be had: loading stops with an error about missing keys;
# - **c** far lower, and no error is raised.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %%
from torch.utils.data import DataLoader, TensorDataset

images, labels = digits.train_images[:7000], digits.train_labels[:7000]
paper = TensorDataset(1 - scaled(images), labels)
paper_loader = DataLoader(paper, batch_size=64, shuffle=True)


class Standardizes(TakesItAsItComes):
    """Tracks mean and deviation of all pixels; a subclass says how they are kept."""

    def forward(self, images):
        if self.training:
            self.mean.lerp_(images.mean(), 0.1)
            self.std.lerp_(images.std(), 0.1)
        return self.net((images - self.mean) / self.std)


# %% [markdown]
# `lerp_(value, 0.1)` moves a tensor a tenth of the way towards a value.
#
# ### Bad: plain attributes


# %% tags=["bad"]
class KeepsAttributes(Standardizes):
    def __init__(self):
        super().__init__()
        self.mean = torch.zeros(1)
        self.std = torch.ones(1)


# %% [markdown]
# ### Good: buffers


# %% tags=["good"]
class RegistersBuffers(Standardizes):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(1))
        self.register_buffer("std", torch.ones(1))


# %% [markdown]
# ### The contrast
#
# Train, save, load, and measure both models. Everything happens on the CPU.

# %%
import tempfile

paper_images = 1 - scaled(digits.test_images)


@torch.no_grad()
def score(model):
    """Accuracy on the test images, on white paper."""
    preds = model.eval()(paper_images).argmax(1)
    return (preds == digits.test_labels).float().mean().item()


def save_and_reload(model):
    trainer = L.Trainer(max_epochs=1, **quiet_trainer(accelerator="cpu"))
    trainer.fit(model, paper_loader)
    with tempfile.TemporaryDirectory() as folder:
        trainer.save_checkpoint(f"{folder}/model.ckpt")
        reloaded = type(model).load_from_checkpoint(f"{folder}/model.ckpt")
    before, after = score(model), score(reloaded)
    return {
        "before saving": before,
        "after reloading": after,
        "lost": before - after,
        "runs on a GPU": bool(runs_on(type(model)(), batch, "cuda:0").ok),
    }


# %% tags=["contrast"]
result = contrast(
    "2.3",
    bad=lambda: save_and_reload(KeepsAttributes()),
    good=lambda: save_and_reload(RegistersBuffers()),
    prediction=prediction,
    figure=Bars(
        "A reload loses plain attributes, and accuracy with them",
        ["before saving", "after reloading"],
        "test accuracy",
    ),
)

# %% tags=["claim"]
claim(
    "2.3",
    "a reload costs plain attributes at least 30 points of accuracy",
    result.bad.number("lost"),
    at_least=0.3,
)
claim(
    "2.3",
    "with buffers, it costs nothing",
    result.good.number("lost"),
    equals=0,
)

# %% [markdown]
# **Why.** A checkpoint does not hold the module. It holds its `state_dict`: parameters and buffers. A plain attribute is neither. The fresh instance starts with
# mean 0 and deviation 1, the weights expect standardized images, and no key is missing, because none was ever there.
#
# The row *runs on a GPU* shows the famous reason: the plain attribute stays on the CPU when the weights move. On a GPU you get
# an error at once. On a CPU you get a wrong number, later.
#
# ### Four ways to keep a tensor
#
# Moving and saving are two questions. Watch which kind gives which answer.

# %%
module = nn.Module()
module.plain = torch.zeros(1)
module.register_buffer("buffer", torch.zeros(1))
module.register_buffer("unsaved", torch.zeros(1), persistent=False)
module.frozen = nn.Parameter(torch.zeros(1), requires_grad=False)

with simulated_tensors("cuda:0"):
    module.to("cuda:0")
    for name in ("plain", "buffer", "unsaved", "frozen"):
        moves = getattr(module, name).device.type == "cuda"
        saved = name in module.state_dict()
        print(f"{name:8} moves: {moves!s:6} saved: {saved}")

# %% [markdown]
# A buffer with `persistent=False` moves and is not saved: right for a constant that `__init__` can make again, such as a mask. A frozen parameter does both, but shows up in
# `parameters()`, where optimizers and parameter counts find it. Since PyTorch 2.5 there is a shorter spelling, `self.mean = nn.Buffer(torch.zeros(1))`.
#
# Tensors hide well: in a list, a dict, an object of your own. `survives_saving` asks any module of yours whether a reload changes its answers. What it finds in
# attributes, lists and dicts it names. Here, one
# batch in training mode updates both statistics before the question is put.

# %%
from course_utils.exercises.lesson_02 import survives_saving


class HidesThemInADict(Standardizes):
    def __init__(self):
        super().__init__()
        self.kept = {"mean": torch.zeros(1), "std": torch.ones(1)}

    mean = property(lambda self: self.kept["mean"])
    std = property(lambda self: self.kept["std"])


model = HidesThemInADict()
model(paper_images[:64])
finding, reloaded = survives_saving(model, lambda module: module(paper_images[:64]))
print(finding.seen)

# %% [markdown]
# **When the bad version is right.** A Python number needs no device: `self.momentum = 0.1` is fine (that it is not *saved* is the subject of
# [lesson 03](03_hyperparameters.ipynb)). And a saved buffer has a price: it becomes part of the file format. A class that gains one can no longer load its old checkpoints, unless you
# pass `strict=False` and know what you are doing.

# %%
old = KeepsAttributes().state_dict()
outcome = RegistersBuffers().load_state_dict(old, strict=False)
print("missing from the old file:", outcome.missing_keys)

# %% [markdown]
# With several processes (DDP, the usual way to train on many GPUs), the buffers of the first process are sent to all others before each forward pass. Running statistics are
# then those of *its* images.
#
# ### Your turn · What was learned, and what is constant
#
# This classifier knows that some digits are more common: it counts labels while it trains, and adds the log of each class's share to its logits. It looks at the images
# through a window, a mask that hides the border. Make it
#
# - train on any device;
# - predict the same after a reload, to the last bit;
# - waste no space in the checkpoint on the window, which never changes.
#
# *(10 minutes)*


# %% tags=["exercise"]
class KnowsWhatIsCommon(DigitClassifier):
    def __init__(self):
        super().__init__()
        self.counts = torch.ones(10)
        self.window = torch.zeros(28, 28)
        self.window[2:26, 2:26] = 1

    def forward(self, images):
        shares = self.counts / self.counts.sum()
        return super().forward(images * self.window) + shares.log()

    def training_step(self, batch, batch_idx):
        images, labels = batch
        self.counts += F.one_hot(labels, 10).sum(0)
        return F.cross_entropy(self(images), labels)


# %%
check("2.3", KnowsWhatIsCommon)

# %%
# hint("2.3")

# %% [markdown]
# ## Take away
#
# A checklist for your own code:
#
# - [ ] No device has a name in a `LightningModule`; the batch is used where it arrives.
# - [ ] A method that is called without a Trainer moves its input to `self.device`.
# - [ ] New tensors are born on their device: `device=`, or a function that ends in `_like`.
# - [ ] What a module knows besides its weights is a buffer; constants are buffers with `persistent=False`.
# - [ ] A reload gives the same predictions. You have tried it.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin: [the record](../src/course_utils/records/evidence.md#lesson-02).
#
# **Sources** Lightning on [hardware-agnostic training](https://lightning.ai/docs/pytorch/stable/accelerators/accelerator_prepare.html); PyTorch on
# [fake tensors](https://docs.pytorch.org/docs/stable/torch.compiler_fake_tensor.html) and on
# [buffers](https://docs.pytorch.org/docs/stable/generated/torch.nn.parameter.Buffer.html); MNIST by LeCun, Cortes and Burges.
#
# Next: **lesson 03**, hyperparameters, or look at the [solutions](../solutions/02_device_agnosticism.ipynb) of this one.
