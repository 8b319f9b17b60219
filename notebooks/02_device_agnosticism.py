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
# You write a model on a laptop. A colleague trains it on the second GPU of a server, and next year someone loads the file you saved. Will it
# run? In this lesson you ask the module itself, on GPUs that are not there. By the end you can
#
# - try a `training_step` on GPUs without owning one, and say what such a test cannot see;
# - create tensors on the right device, and say what the wrong one costs;
# - keep what a module has learned when it is saved, and leave out what it can rebuild.
#
# **You need** to know what a `LightningModule` and a `Trainer` are. New here? [Start here](00_start_here.ipynb) takes fifteen minutes. You do not need a GPU.
#
# **Time** 30 minutes of reading and running, 24 minutes of exercises. All cells together run in less than half a minute on two CPU cores. Two sittings: 2.1 and 2.2,
# then 2.3.

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

course_utils.start("02", written_for="0.1")

# %%
import lightning as L
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from course_utils import check, claim, contrast, hint, solution, try_guard
from course_utils.data import ImageDataModule
from course_utils.hardware import quiet_trainer

# %% [markdown]
# One data module, one small classifier and one way to train it. Images have the shape `(batch, channel, height, width)` and reach the step with values
# from 0 to 1. `quiet_trainer` returns the arguments of a `Trainer` that prints and writes nothing; the CPU is where every bad version can train.

# %%
data = ImageDataModule(batch_size=64)


class ImageClassifier(L.LightningModule):
    """One hidden layer: images to logits of shape (batch, classes)."""

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


def trained(model_class):
    model = model_class()
    trainer = L.Trainer(max_epochs=1, **quiet_trainer(accelerator="cpu"))
    trainer.fit(model, datamodule=data)
    return model


# %% [markdown]
# ## 2.1 Name no device
#
# Here is a famous line: `device = "cuda:0" if torch.cuda.is_available() else "cpu"`. Tutorials call it device-agnostic, and it looks the part: it asks before it
# moves anything. Suppose it appears in a `training_step`.
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
class ChoosesADevice(ImageClassifier):
    def training_step(self, batch, batch_idx):
        device = "cuda:0" if torch.cuda.is_available() else "cpu"
        images, labels = (part.to(device) for part in batch)
        return F.cross_entropy(self(images), labels)


# %% [markdown]
# ### Good: the step takes the batch where it is


# %% tags=["good"]
class TakesItAsItComes(ImageClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)


# %% [markdown]
# ### How to try a GPU that is not there
#
# PyTorch's compiler works with *fake tensors*: they have a shape, a dtype and a device, but no memory and
# no values. An operation on them computes the shape of its result and checks devices, as the real one does.
#
# Two helpers imitate a machine with GPUs. `simulated_gpus(2)` lets your code find two GPUs when it asks `torch.cuda.is_available()`. `runs_on` moves a module and a batch as
# Lightning would, then runs the step; on a machine that has these GPUs, it runs on the real ones. You get a *finding*: `ok` is
# `True`, `False` (the step fails because of its devices) or `None` (it cannot be decided), and `seen` says what happened.

# %%
from course_utils.checks import runs_on, simulated_gpus

batch = next(iter(data.test_dataloader()))
batch = data.on_after_batch_transfer(batch, 0)  # bytes to values from 0 to 1
with simulated_gpus(2):
    print(runs_on(TakesItAsItComes(), batch, "cuda:1").seen)

# %% [markdown]
# ### The contrast
#
# The folded cell trains each version for real, on a CPU without a GPU beside it. Then it takes new instances
# to all four places. Look at the accuracy first: it is why the habit goes unnoticed.

# %% tags=["apparatus"]
# Trains a version on a machine without a GPU, then tries its step in four places.
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


def train_and_visit(model_class):
    with simulated_gpus(0):
        model = trained(model_class)
    cells = visit(model_class)
    return {
        "places where it fails": list(cells.values()).count("fails"),
        **cells,
        "test accuracy": accuracy(model, data.test_images, data.test_labels),
    }


# %% tags=["contrast"]
result = contrast(
    "2.1",
    train_and_visit,
    bad=ChoosesADevice,
    good=TakesItAsItComes,
    prediction=prediction,
    figure=Cells("The step that asks first fails in two places", list(PLACES), "runs"),
)

# %% tags=["claim"]
fails = "places where it fails"
text = "a step that picks cuda:0 if it finds a GPU fails on the CPU beside it and on a second GPU"
claim("2.1", text, result.bad[fails] == 2)
text = "a step that keeps its batch where the Trainer put it runs on the CPU and on either GPU"
claim("2.1", text, result.good[fails] == 0)
text = "without a GPU, a step that picks a device trains to the accuracy of one that does not"
claim("2.1", text, result.gain("test accuracy") == 0)

# %% [markdown]
# **Why.** The line asks what the *machine* has. The question is where the *module* is. Before the step, the Trainer has put weights and batch on one device; the
# line carries the batch away from there. It does no harm on a machine without a GPU, or on the first GPU. Lightning says
# nothing: it does not read your step.
#
# **Scope.** Several processes on one machine: each has its own GPU, and all but the first are covered by the row *second GPU*. A scheduler may show each process only its own GPU
# (`CUDA_VISIBLE_DEVICES`); that GPU is then `cuda:0`, and the line does no harm. NVIDIA and AMD GPUs are `cuda` to
# PyTorch; with a module on Apple's `mps`, the line picks the CPU.
#
# What about the bare `.cuda()`, without a number? Before you run the cell: in which places does it run?


# %%
class CallsCuda(ImageClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images.cuda()), labels.cuda())


print(visit(CallsCuda))

# %% [markdown]
# It runs on the second GPU. `.cuda()` means the *current* GPU, and a Trainer makes its own GPU the current one before it calls your code (`torch.cuda.set_device` in
# Lightning's CUDA accelerator). So the old rule "`.cuda()` is the first GPU" does not hold inside a Trainer. It still fails on a CPU.
#
# Other guides recommend `images.to(self.device)`. In a step that does nothing: the batch is there already, and `.to` returns the same tensor.
# (A batch of a class of your own, without a `.to`, stays on the CPU: write `transfer_batch_to_device`.)
#
# **When the bad version is right.** In your own script, with a plain loop and no Trainer, the famous line belongs at the top: *one* device for model and
# batch, chosen once.
#
# ### Your turn · Classify without a Trainer
#
# A web service calls `classify` with images on the CPU, wherever the model happens to be, and expects the classes on the CPU: a tensor with one number per image.
# There is no Trainer, so nothing moves the images for you. Repair the method for any device. *(6 minutes)*


# %% tags=["exercise"]
class ClassifiesUploads(ImageClassifier):
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
# ### Take along
#
# A test that reads the code of a step and refuses the name of a device in it. It needs neither a GPU nor this course. It does not follow the functions that the step calls:
# give it those as well.

# %% tags=["guard"]
import inspect
import re


def assert_names_no_device(step):
    names = r"""\.cuda\(|["'](?:cuda|cpu|mps)(?::[^"']*)?["']"""
    named = re.findall(names, inspect.getsource(step))
    assert not named, f"{step.__qualname__} names a device: {named}"


# %% tags=["apparatus"]
# Tries the guard on both versions.
try_guard(
    "2.1",
    bad=lambda: assert_names_no_device(ChoosesADevice.training_step),
    good=lambda: assert_names_no_device(TakesItAsItComes.training_step),
)

# %% [markdown]
# ### Going further · What a simulation cannot see
#
# A fake tensor has no values, so a step that branches on a value cannot be followed. `runs_on` then says so instead of guessing.


# %%
class HalvesALargeLoss(ImageClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        return loss / 2 if loss > 3 else loss


finding = runs_on(HalvesALargeLoss(), batch, "cuda:0")
print(finding.seen)
print(finding.remedy)

# %% [markdown]
# Nor can it see whether the memory suffices, how fast the step is, or what a real device lacks: Apple's `mps`, for example, has no float64. There is no backward pass. And
# `DEVICE = ...` at the top of a file is computed before anything is simulated, so it names a device of the machine you are sitting at. `runs_on` is a quick test that finds
# the common fault; it does not replace a run on the real device.

# %% [markdown]
# ## 2.2 Create tensors where the module is
#
# The batch arrives on the right device. A tensor that *you* create is not moved for you: here, noise that is added to the images. Some guides
# recommend this line: `torch.randn(images.shape).to(self.device)`.
#
# **Predict.** The module trains on a GPU. In every step, that line makes the CPU
#
# - **a** do next to nothing: `.to` tells torch where to draw the noise;
# - **b** draw the noise and copy it, and the draw takes longer than copying as many bytes in memory;
# - **c** draw the noise and copy it, and copying as many bytes in memory takes longer than the draw.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %% [markdown]
# ### Bad: created on the CPU, then moved


# %% tags=["bad"]
class MovesTheNoise(ImageClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        noise = torch.randn(images.shape).to(self.device)
        return F.cross_entropy(self(images + 0.3 * noise), labels)


# %% [markdown]
# ### Good: created where the module is


# %% tags=["good"]
class CreatesItThere(ImageClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        noise = torch.randn(images.shape, device=self.device)
        return F.cross_entropy(self(images + 0.3 * noise), labels)


# %% [markdown]
# ### The contrast
#
# The first folded cell runs a step on a simulated GPU, and counts the random numbers that the CPU draws and the bytes that the step copies. Then it times exactly
# that work on your CPU: draw and copy in turn, a hundred times each, and takes medians. The second one times the whole
# step, forward and backward, on the device that *you* have, in turn with a step without noise.

# %% tags=["apparatus"]
# Counts what a step on a simulated GPU leaves to the CPU, then times that work.
from statistics import median

from course_utils.exercises.lesson_02 import cpu_work_of_step
from course_utils.measure import seconds

PARTS = ["draw (µs)", "copy (µs)"]
large_batch = (data.test_images[:256] / 255, data.test_labels[:256])


def cpu_work(model_class):
    work = cpu_work_of_step(model_class(), large_batch)
    source = torch.ones(work.copied_bytes // 4)  # float32: four bytes per number
    target = torch.zeros_like(source)
    torch.set_num_threads(1)  # as many as a draw uses; contrast puts it back
    times = seconds(
        {"draw": lambda: torch.randn(work.drawn), "copy": lambda: target.copy_(source)},
        repeats=100,
    )
    return {
        "share drawn by the CPU": work.drawn / large_batch[0].numel(),
        "bytes copied": work.copied_bytes,
        "draw (µs)": 1e6 * median(times["draw"]) if work.drawn else 0.0,
        "copy (µs)": 1e6 * median(times["copy"]) if work.copied_bytes else 0.0,
    }


# %% tags=["apparatus"]
# Times a whole step on the device of this machine, in turn with one without noise.
from course_utils.experiments.plots import Bars
from course_utils.hardware import profile

own_device = "cuda:0" if profile().accelerator == "gpu" else "cpu"


def run_step(model, parts):
    model.zero_grad()
    model.training_step(parts, 0).backward()


def time_the_step(model_class):
    parts = [part.to(own_device) for part in large_batch]
    noisy, plain = (each().to(own_device) for each in (model_class, TakesItAsItComes))
    steps = {
        "noisy": lambda: run_step(noisy, parts),
        "plain": lambda: run_step(plain, parts),
    }
    seconds(steps, repeats=3)  # the first runs warm up
    noisy_time, plain_time = map(median, seconds(steps, repeats=40).values())
    model = trained(model_class)
    return {
        **cpu_work(model_class),
        "step, times one without noise": noisy_time / plain_time,
        "test accuracy": accuracy(model, data.test_images, data.test_labels),
    }


# %% tags=["contrast"]
result = contrast(
    "2.2",
    time_the_step,
    bad=MovesTheNoise,
    good=CreatesItThere,
    prediction=prediction,
    figure=Bars("The draw outweighs the copy", PARTS, "microseconds on one CPU thread"),
)

# %% tags=["claim"]
text = "when a step moves its noise to a GPU, the CPU has drawn all of the noise"
claim("2.2", text, result.bad["share drawn by the CPU"] == 1)
text = "when a step creates its noise on the GPU, the CPU draws nothing and nothing is copied"
claim(
    "2.2",
    text,
    result.good["share drawn by the CPU"] + result.good["bytes copied"] == 0,
)
text = "one CPU thread takes three times as long or more to draw normal noise for 256 images as to copy it in memory"
claim("2.2", text, result.bad["draw (µs)"] / result.bad["copy (µs)"] >= 3)
text = "in training on a CPU, noise that is moved and noise created in place give the same accuracy"
claim("2.2", text, result.gain("test accuracy") == 0)

# %% [markdown]
# **Why.** Python evaluates from the inside out: `torch.randn(images.shape)` is complete, on the CPU, before `.to` is called. The copy has the bad reputation, but the draw takes
# longer: it computes every number, while a copy in memory only moves them. On a CPU `.to` does nothing, and both versions do the same work:
# see the row *step, times one without noise*. Your laptop will not tell you, and Lightning says nothing.
#
# The batch is an ordinary one. But the copy timed here stays in memory, and a real one crosses a bus to the GPU. Compare the rate at which your CPU draws
# with that of your card's bus (PCI Express 3.0 with 16 lanes: 15.8 GB per second on paper, less from unpinned memory).

# %% tags=["apparatus"]
# Divides the bytes of the noise by the time of the draw.
rate = 4 * large_batch[0].numel() / result.bad["draw (µs)"] / 1000
print(f"noise that this CPU draws: {rate:.1f} GB per second")

# %% [markdown]
# What does the step gain on a GPU? On a machine with one, the row *step, times one without noise* shows it; the next line is what our record says.

# %% tags=["apparatus"]
# What the record of a GPU says.
from course_utils.experiments import gpu_line

print(gpu_line("2.2", "step, times one without noise"))

# %% [markdown]
# **Scope.** Training on a GPU, in one process or several. A GPU that is still busy with earlier work may hide part of the cost; for a handful of numbers there is little to save.
#
# A third spelling is popular: `type_as`. On a GPU it draws and copies like `.to`, and it takes the *dtype* of the images as well as their device. Many loaders
# deliver images as bytes. What is left of the noise then?

# %%
noise = torch.randn(10_000).type_as(data.test_images)
zeros = (noise == 0).float().mean().item()
print(noise.dtype, "share of zeros:", round(zeros, 2))
text = "given images of bytes, type_as turns more than half of standard normal noise into zeros"
claim("2.2", text, zeros, at_least=0.5)

# %% [markdown]
# The noise became bytes, too, and everything between -1 and 1 was cut to zero, without an error or a warning.
#
# **When the bad version is right.** When the numbers must be the same with and without a GPU. [PyTorch does not promise](https://docs.pytorch.org/docs/stable/notes/randomness.html)
# that a GPU draws what a CPU draws from the same seed. Noise that the CPU draws does not change with the device.
#
# ### Your turn · A noise layer, written from its specification
#
# `AddsNoise(amount)` is a layer, a plain `nn.Module`, which has no `self.device`. Its `forward(images)` returns the images plus `amount` times standard normal noise,
#
# - drawn separately for every pixel of every image in every call;
# - on any device, without copying a byte between devices;
# - in the dtype of the images if that is float32, float64 or bfloat16. If they are bytes, the result is float32, and the noise keeps its fractions;
# - and leaves the images it was given as they are.
#
# Write its `forward`. *(8 minutes)*


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
# ### Take along
#
# A mode that stops a step when it moves a tensor. Run one training step under it, with module and batch on a GPU:
# `with NothingMoves(): model.training_step(batch, 0)`. It also stops
# `torch.tensor([...], device=...)`, which copies from the CPU: a constant belongs in a buffer (2.3).


# %% tags=["guard"]
class NothingMoves(torch.utils._python_dispatch.TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func.__name__ in ("_to_copy.default", "copy_.default"):  # (x,), (to, x)
            assert args[:2][-1].device == result.device, f"moved to {result.device}"
        return result


# %% tags=["apparatus"]
# Tries the guard on both versions, on a simulated GPU.
from course_utils.checks import simulated_tensors


def step_without_moves(model_class):
    model = model_class()
    with simulated_tensors("cuda:0"):
        parts = [part.to("cuda:0") for part in batch]
        model.to("cuda:0")
        with NothingMoves():
            model.training_step(parts, 0)


try_guard(
    "2.2",
    bad=lambda: step_without_moves(MovesTheNoise),
    good=lambda: step_without_moves(CreatesItThere),
)

# %% [markdown]
# ### Going further · Four spellings, and a question asked too early
#
# The same noise in four common spellings, on a simulated GPU. `Operations` counts what the CPU draws and what is copied.

# %% tags=["apparatus"]
# Counts what each spelling leaves to the CPU for a batch of 256 on a simulated GPU.
from course_utils.measure import Operations

spellings = {
    ".to(device)": lambda images: torch.randn(images.shape).to(images.device),
    ".type_as(images)": lambda images: torch.randn(images.shape).type_as(images),
    "device=...": lambda images: torch.randn(images.shape, device=images.device),
    "randn_like(images)": lambda images: torch.randn_like(images),
}
for name, make_noise in spellings.items():
    with simulated_tensors("cuda:0"):
        images = torch.empty(large_batch[0].shape, device="cuda:0")
        with Operations() as operations:
            make_noise(images)
    print(
        f"{name:20} CPU draws {operations.drawn_on_cpu} numbers, "
        f"{operations.copied_bytes} bytes are copied"
    )

# %% [markdown]
# `self.device` has a trap, too: it says where the module is *now*. While `__init__` runs, no Trainer has moved anything yet. (And when a LightningModule is a part of a plain
# `nn.Module` that is moved, its `self.device` is not updated.)


# %%
class AsksTooEarly(ImageClassifier):
    def __init__(self):
        super().__init__()
        self.in_init = self.device


model = AsksTooEarly()
with simulated_tensors("cuda:1"):
    model.to("cuda:1")
    print("in __init__:", model.in_init, "· after the move:", model.device)

# %% [markdown]
# So `self.device` belongs in steps and hooks. A tensor that is created in `__init__` needs the next practice.

# %% [markdown]
# **Second sitting.** In a new kernel, run the cells above first.
#
# ## 2.3 Register buffers
#
# Some tensors are not weights, and yet belong to the model: a running mean, a table, a mask. "Register them as buffers, so that they move to the GPU", says the rule. You have no
# GPU, so you keep a plain attribute for now.
#
# The images come from a camera whose raw values do not start at 0 but at a *black level*, here 512. The network standardizes its input by a running mean and a running standard
# deviation, which it updates while it trains. You train it on 7,000 images, measure its accuracy, save a checkpoint, and load it into a new instance.
#
# **Predict.** After reloading, the accuracy is
#
# - **a** the same: a checkpoint holds the whole module;
# - **b** unknown: loading stops with an error about missing keys;
# - **c** far lower, and no error is raised.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
class Standardizes(TakesItAsItComes):
    """Tracks mean and deviation of all pixels; a subclass says how they are kept."""

    def forward(self, images):
        if self.training:  # go a tenth of the way towards this batch
            self.mean.lerp_(images.mean(), 0.1)
            self.std.lerp_(images.std(), 0.1)
        return self.net((images - self.mean) / self.std)


# %% [markdown]
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
# Train, save, load. The folded cell makes the raw images and measures the model before and after.

# %%
import tempfile


def train_and_reload(model, images, labels):
    loader = DataLoader(TensorDataset(images, labels), batch_size=64, shuffle=True)
    trainer = L.Trainer(max_epochs=1, **quiet_trainer(accelerator="cpu"))
    trainer.fit(model, loader)
    with tempfile.TemporaryDirectory() as folder:
        trainer.save_checkpoint(f"{folder}/model.ckpt")
        return type(model).load_from_checkpoint(f"{folder}/model.ckpt")


# %% tags=["apparatus"]
# Makes raw images; measures a model before and after a reload.
def raw(images):
    return 512 + images.float()


@torch.no_grad()
def score(model, images):
    preds = model.eval()(images).argmax(1)
    return (preds == data.test_labels).float().mean().item()


def save_and_measure(model_class, form=raw, count=7000):
    model, test_images = model_class(), form(data.test_images)
    train_images = form(data.train_images[:count])
    reloaded = train_and_reload(model, train_images, data.train_labels[:count])
    before, after = score(model, test_images), score(reloaded, test_images)
    lead = before - 1 / data.num_classes
    return {
        "accuracy lost": before - after,
        "share of its lead over guessing": (before - after) / lead,
        "saved": before,
        "reloaded": after,
        "runs on a GPU": bool(runs_on(model_class(), batch, "cuda:0").ok),
    }


# %% tags=["contrast"]
result = contrast(
    "2.3",
    save_and_measure,
    bad=KeepsAttributes,
    good=RegistersBuffers,
    prediction=prediction,
    figure=Bars("A reload loses plain attributes", ["saved", "reloaded"], "accuracy"),
)

# %% tags=["claim"]
text = "with images that start at 512 and their statistics in plain attributes, a reload costs half of the lead over guessing or more"
claim("2.3", text, result.bad["share of its lead over guessing"] >= 0.5)
text = "with images that start at 512 and their statistics in buffers, a reload costs no accuracy"
claim("2.3", text, result.good["accuracy lost"] == 0)

# %% [markdown]
# **Why.** A checkpoint does not hold the module. Of its tensors it holds the `state_dict`: parameters and buffers. A plain attribute is neither. The new instance starts with
# mean 0 and deviation 1, the weights expect standardized images, and no key is missing, because none was ever saved. Lightning says nothing.
#
# The black level makes the drop large: the statistics end far from 0 and 1. How large is it with 2,000 ordinary images, scaled to values from 0 to 1?

# %% tags=["apparatus"]
# Measures the bad version again, on ordinary images.
ordinary = save_and_measure(KeepsAttributes, lambda images: images / 255, count=2000)
print(f"plain attributes, ordinary images: saved {ordinary['saved']:.3f}, ", end="")
print(f"reloaded {ordinary['reloaded']:.3f}")

# %% [markdown]
# With the digits that come with the course the drop is much smaller, and easily blamed on the data.
#
# ### Four ways to keep a tensor
#
# Moving and saving are two questions. The folded cell puts both to a plain tensor, a buffer, a buffer with `persistent=False` (*unsaved*), and a frozen `nn.Parameter`.

# %% tags=["apparatus"]
# Asks of four attributes whether they move to a simulated GPU, and are saved.
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
# A buffer with `persistent=False` moves and is not saved: right for a constant that `__init__` can rebuild, such as a mask. A frozen parameter does both, but shows up in
# `parameters()`, where optimizers and parameter counts find it.
#
# The row *runs on a GPU* shows the famous reason: the plain attribute stays on the CPU when the weights move. With the shape `(1,)` of this lesson that is an error. A tensor
# with *no* dimensions raises no error: a GPU takes it for a number. Nothing then warns you that it is not saved.

# %% tags=["apparatus"]
# Subtracts two CPU tensors from images on a simulated GPU.
with simulated_tensors("cuda:0"):
    images = torch.ones(64, 10, device="cuda:0")
    print("images - torch.tensor(0.5) is on", (images - torch.tensor(0.5)).device)
    try:
        images - torch.zeros(1)
    except RuntimeError as error:
        print("images - torch.zeros(1):", error)

# %% [markdown]
# **Scope.** Lost on saving: any device, any number of processes. The error on a GPU: tensors with a dimension. Under DDP, the usual way to train on many GPUs, the buffers of
# the first process are sent to all others before each forward pass (`broadcast_buffers=True`), so running statistics are those of *its* images. Since PyTorch 2.5 there is a
# shorter spelling: `self.mean = nn.Buffer(torch.zeros(1))`.
#
# **When the bad version is right.** A Python number needs no device: `self.momentum = 0.1` is fine (that it is not *saved* is the subject of
# [lesson 03](03_hyperparameters.ipynb)). And a saved buffer has a price: it becomes part of the file format. A class that gains one can no longer load its old checkpoints, unless you
# pass `strict=False` and decide what the new buffer starts with.
#
# ### Your turn · What was learned, and what is constant
#
# This classifier knows that some classes are more common: it counts labels while it trains, and adds the log of each class's share to its logits. It looks at the images
# through a window, a mask that hides the border. Make it
#
# - train on any device;
# - predict the same after a reload, to the last bit;
# - waste no space in the checkpoint on the window, which never changes.
#
# *(10 minutes)*


# %% tags=["exercise"]
class KnowsWhatIsCommon(ImageClassifier):
    def __init__(self):
        super().__init__()
        self.counts = torch.ones(10)
        self.window = torch.zeros(ImageDataModule().image_shape[1:])
        self.window[2:-2, 2:-2] = 1

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
# ### Take along
#
# A test for every module: a fresh instance with the same `state_dict` predicts the same. Give it a *trained* model; an untrained one has nothing to lose. Keep all three on the
# CPU; both models end in evaluation mode.


# %% tags=["guard"]
def assert_reload_keeps_predictions(model, fresh, images):
    fresh.load_state_dict(model.state_dict())
    same = torch.equal(model.eval()(images), fresh.eval()(images))
    assert same, "after a reload, the predictions differ"


# %% tags=["apparatus"]
# Tries the guard on both versions; one batch in training mode updates the statistics.
def try_a_reload(model_class):
    model, images = model_class(), raw(data.test_images[:64])
    model(images)
    assert_reload_keeps_predictions(model, model_class(), images)


try_guard(
    "2.3",
    bad=lambda: try_a_reload(KeepsAttributes),
    good=lambda: try_a_reload(RegistersBuffers),
)

# %% [markdown]
# ### Going further · Tensors that hide
#
# Tensors hide well: in a list, a dict, an object of your own. `survives_saving` asks any module whether a reload changes its answers, and names what it finds
# in attributes, lists and dicts.

# %%
from course_utils.exercises.lesson_02 import survives_saving


class HidesThemInADict(Standardizes):
    def __init__(self):
        super().__init__()
        self.kept = {"mean": torch.zeros(1), "std": torch.ones(1)}

    mean = property(lambda self: self.kept["mean"])
    std = property(lambda self: self.kept["std"])


model, images = HidesThemInADict(), raw(data.test_images[:64])
model(images)  # in training mode: updates both statistics
finding, reloaded = survives_saving(model, lambda module: module(images))
print(finding.seen)

# %% [markdown]
# And this is what `strict=False` reports when the file is older than the buffers:

# %%
old = KeepsAttributes().state_dict()
outcome = RegistersBuffers().load_state_dict(old, strict=False)
print("missing from the old file:", outcome.missing_keys)

# %% [markdown]
# ## Symptoms
#
# | You see | Look at |
# |---|---|
# | training runs on the laptop, and stops on the second GPU of a server: "Expected all tensors to be on the same device" | 2.1 |
# | the GPU waits while one CPU core is busy in `training_step` | 2.2 |
# | noise that is added to images consists mostly of zeros | 2.2 |
# | a loaded checkpoint scores far below what was measured before saving, without an error | 2.3 |
# | a tensor in an attribute is still on the CPU after the module was moved | 2.3 |
#
# ## Take away
#
# A checklist for your own code:
#
# - [ ] No device is named in a `LightningModule`; the batch is used where it arrives.
# - [ ] A method that is called without a Trainer moves its input to `self.device`.
# - [ ] New tensors are created on their device, with `device=` or a function that ends in `_like`, and in a dtype that holds them.
# - [ ] What a module knows besides its weights is a buffer; constants are buffers with `persistent=False`.
# - [ ] A reload gives the same predictions. You have tried it.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin: [the record](../src/course_utils/records/evidence.md#lesson-02).
#
# **Sources** Lightning on [hardware-agnostic training](https://lightning.ai/docs/pytorch/stable/accelerators/accelerator_prepare.html); PyTorch on
# [fake tensors](https://docs.pytorch.org/docs/stable/torch.compiler_fake_tensor.html) and on
# [buffers](https://docs.pytorch.org/docs/stable/generated/torch.nn.parameter.Buffer.html); MNIST by LeCun, Cortes and Burges.
#
# Next: [lesson 03](03_hyperparameters.ipynb), on what a checkpoint knows besides its tensors. [Lesson 12](12_common_pitfalls.ipynb) returns to 2.1, and
# [lesson 13](13_performance.ipynb) to the time of a step. Or look at the [solutions](../solutions/02_device_agnosticism.ipynb) of this one.

# %% tags=["own-code"]
# This lesson's questions, asked of your own code: name it in place of None.
my_module, my_data = None, None  # "my_package.model:MyModel", "my_package.data:MyData"
course_utils.check_my(my_module, my_data, select="2.*")
