# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Solutions of lesson 07 · Where did the memory go?
#
# Each exercise of [lesson 07](../notebooks/07_memory.ipynb), solved and explained, in two ways. Try them yourself first.

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
from torch.utils.checkpoint import checkpoint

from course_utils import check
from course_utils.data import ImageDataModule
from course_utils.measure import SavedTensors

# %% [markdown]
# The networks of the lesson:


# %%
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
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(cells, self.classes))


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
# ## 7.1 Choose the precision by counting
#
# Run the network once in each precision, and compare what autograd saved. The weights are ignored: they exist anyway. Their two-byte copies are another memory, so they count, as they should.
#
# Tempting and wrong: to count without `ignore`. Then the four-byte weights count as well, and half precision always wins.


# %% tags=["solution"]
def cheaper_precision(net, images):
    with SavedTensors(ignore=net.parameters()) as full:
        net(images)
    autocast = torch.autocast(images.device.type, dtype=torch.bfloat16)
    with SavedTensors(ignore=net.parameters()) as mixed, autocast:
        net(images)
    return "bf16-mixed" if mixed.peak < full.peak else "32-true"


# %%
check("7.1", cheaper_precision)

# %% [markdown]
# **Another way.** Without a helper: `saved_tensors_hooks` hands you every tensor that autograd saves. One that is saved twice counts once, by its address.


# %%
def counts_with_hooks(net, images):
    def saved_bytes(**autocast):
        sizes = {weight.data_ptr(): 0 for weight in net.parameters()}
        alive = []  # so that no address is used twice

        def note(tensor):
            alive.append(tensor.detach())
            sizes.setdefault(tensor.data_ptr(), tensor.nbytes)
            return tensor

        hooks = torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor)
        with hooks, torch.autocast(images.device.type, torch.bfloat16, **autocast):
            net(images)
        return sum(sizes.values())

    mixed, full = saved_bytes(), saved_bytes(enabled=False)
    return "bf16-mixed" if mixed < full else "32-true"


check("7.1", counts_with_hooks)

# %% [markdown]
# ## 7.2 A leftover that counts in full
#
# Lightning divides every loss by four. So a loss in a group of `size` batches needs the factor `4 / size`: 1 in a full group, more in the last.
#
# Tempting and wrong: to correct the gradient in `on_after_backward`. That hook runs after every batch, on gradients that were corrected before.


# %% tags=["solution"]
class CountsTheLeftover(ConvNet):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        first = batch_idx // 4 * 4
        size = min(4, self.trainer.num_training_batches - first)
        return F.cross_entropy(self(images), labels) * 4 / size


# %%
check("7.2", CountsTheLeftover)

# %% [markdown]
# **Another way.** Accumulate by yourself, with manual optimization: add up, count, divide once before the update. Then leave `accumulate_grad_batches` out of the
# Trainer: with manual optimization Lightning refuses it.


# %%
class DividesByItsCount(ConvNet):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.waiting = 0

    def training_step(self, batch, batch_idx):
        images, labels = batch
        self.manual_backward(F.cross_entropy(self(images), labels))
        self.waiting += 1
        if self.waiting == 4 or self.trainer.is_last_batch:
            for weight in self.parameters():
                weight.grad /= self.waiting
            self.optimizers().step()
            self.optimizers().zero_grad()
            self.waiting = 0


check("7.2", DividesByItsCount)

# %% [markdown]
# ## 7.3 Recompute what is cheap
#
# The first stage holds nearly all of the bytes, the second makes nearly all of the operations. So checkpoint the first, in groups: three groups of three keep three inputs, and bring three blocks back at a time.
#
# Tempting and wrong: one checkpoint around the whole first stage. Little is saved for backward then, and at the start of its backward pass everything is back.


# %% tags=["solution"]
class RecomputesTheCheap(TwoStages):
    def forward(self, images):
        hidden = self.stem(images)
        for i in range(0, len(self.large), 3):
            group = nn.Sequential(*self.large[i : i + 3])
            hidden = checkpoint(group, hidden, use_reentrant=False)
        hidden = self.shrink(hidden)
        for block in self.small:
            hidden = block(hidden)
        return self.head(hidden)


# %%
check("7.3", RecomputesTheCheap)

# %% [markdown]
# **Another way.** `checkpoint_sequential` makes the groups for you. It computes the last group plainly: that group's backward pass comes first, and would bring all of it back at once.

# %%
from torch.utils.checkpoint import checkpoint_sequential


class RecomputesInSegments(TwoStages):
    def forward(self, images):
        hidden = self.stem(images)
        large = nn.Sequential(*self.large)
        hidden = checkpoint_sequential(large, 3, hidden, use_reentrant=False)
        hidden = nn.Sequential(self.shrink, *self.small)(hidden)
        return self.head(hidden)


check("7.3", RecomputesInSegments)

# %% [markdown]
# ## 7.4 A gallery of the worst
#
# `images[i]` looks like one image, and is a window on the memory of the whole batch. As long as the window is open, the batch stays. `clone` makes a tensor with a memory of its own.
#
# Tempting and wrong: `.detach()` on both. It cuts a graph, and an image has none. The score is nearly harmless: the backward pass has freed the activations behind it. Detach it all the same. `.item()` would give a Python number, but on a GPU it makes the program wait for the result in every step.


# %% tags=["solution"]
class KeepsTheWorst(ConvNet):
    def __init__(self):
        super().__init__()
        self.worst, self.scores = [], []

    def training_step(self, batch, batch_idx):
        images, labels = batch
        losses = F.cross_entropy(self(images), labels, reduction="none")
        self.worst.append(images[losses.argmax()].clone())
        self.scores.append(losses.max().detach())
        return losses.mean()


# %%
check("7.4", KeepsTheWorst)

# %% [markdown]
# **Another way.** Index with a list instead of a number: that copies, too. And move image and score to the CPU, where there is usually more room; on a GPU each step then waits for the copy.


# %%
class CopiesByIndexing(ConvNet):
    def __init__(self):
        super().__init__()
        self.worst, self.scores = [], []

    def training_step(self, batch, batch_idx):
        images, labels = batch
        losses = F.cross_entropy(self(images), labels, reduction="none")
        score, place = losses.detach().max(dim=0)
        [image] = images[[place.item()]].cpu()
        self.worst.append(image)
        self.scores.append(score.item())
        return losses.mean()


check("7.4", CopiesByIndexing)

# %% [markdown]
# ## 7.5 A counter that counts on
#
# `bf16-true` converts all floats of the module, buffers included, and images that a loader delivers as floats. In bfloat16 there is no 257: above 256 only every second whole number exists, above 512 every fourth. Python's numbers are not
# touched, so keep the statistics in them. And convert the images back before you take a mean.
#
# Tempting and wrong: to repair the counter only. The mean is still kept in two bytes, and small changes of it are rounded away.


# %% tags=["solution"]
class KnowsItsData(FineTuned):
    def __init__(self):
        super().__init__()
        self.seen, self.brightness = 0, 0.0

    def training_step(self, batch, batch_idx):
        images, labels = batch
        self.seen += len(images)
        mean = images.float().mean().item()
        self.brightness += (mean - self.brightness) * len(images) / self.seen
        return F.cross_entropy(self(images), labels)


# %%
check("7.5", KnowsItsData)

# %% [markdown]
# **Another way.** Keep buffers, so that checkpoints hold them, and make them whole numbers: those are not converted. The pixels are added up in millionths.


# %%
class CountsInMillionths(FineTuned):
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.register_buffer("millionths", torch.zeros((), dtype=torch.int64))

    @property
    def brightness(self):
        return self.millionths.item() / 1e6 / self.seen.item()

    def training_step(self, batch, batch_idx):
        images, labels = batch
        self.seen += len(images)
        total = images.double().mean() * len(images)
        self.millionths += (total * 1e6).round().long()
        return F.cross_entropy(self(images), labels)


check("7.5", CountsInMillionths)
