# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Solutions · Lesson 11, code quality
#
# One way to solve each exercise of [lesson 11](../notebooks/11_code_quality.ipynb), why it works, and another way. Try them yourself first: a wrong attempt
# teaches more than a right solution that you read.

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

course_utils.start("11", written_for="0.1")

# %%
from typing import Annotated

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import check
from course_utils.data import ImageDataModule
from course_utils.measure import checked

PerImage = Annotated[Tensor, "batch"]
Scalar = Annotated[Tensor, ""]
data = ImageDataModule()

# %% [markdown]
# The two networks that the exercises build on:


# %%
class DigitClassifier(L.LightningModule):
    """Images of shape (batch, channel, height, width) to one logit per class.

    Args:
        hidden: Width of the hidden layer.
        learning_rate: Step size of Adam; with a schedule, the highest one.
    """

    def __init__(self, hidden: int = 64, learning_rate: float = 1e-3) -> None:
        super().__init__()
        self.save_hyperparameters()
        layers = [nn.Flatten(), nn.Linear(data.num_features, hidden), nn.ReLU()]
        self.encoder = nn.Sequential(*layers)
        self.head = nn.Linear(hidden, data.num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.encoder(images))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        return torch.optim.Adam(self.parameters(), lr=self.hparams["learning_rate"])


# %%
class OneCycle(DigitClassifier):
    def configure_optimizers(self) -> OptimizerLRScheduler:
        peak = self.hparams["learning_rate"]
        steps = int(self.trainer.estimated_stepping_batches)
        optimizer = torch.optim.Adam(self.trainable, lr=peak)
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, steps)
        return [optimizer], [{"scheduler": cycle, "interval": "step"}]


# %%
class LooksItUp(OneCycle):
    @property
    def trainable(self) -> list[nn.Parameter]:
        return [p for p in self.parameters() if p.requires_grad]


# %% [markdown]
# ## 11.1 Refuse weights that count for nothing
#
# `losses` has the shape `(batch,)`. Times weights of shape `(batch, 1)` it becomes `(batch, batch)`, each loss times each weight, and the mean of that is the mean loss times the mean
# weight. No image counts more than another. The hints below say that there is one label and one weight per image, of *the same* images, since both say `batch`.
#
# Tempting and wrong: `weights.flatten()`. It repairs this loader silently. The next one may deliver 16 weights as a square of 4 times 4, in an unknown order.


# %% tags=["solution"]
class WeighsImages(DigitClassifier):
    @checked
    def loss(self, logits: Tensor, labels: PerImage, weights: PerImage) -> Scalar:
        losses = F.cross_entropy(logits, labels, reduction="none")
        return (losses * weights).mean()

    def training_step(self, batch, batch_idx):
        images, labels, weights = batch
        return self.loss(self(images), labels, weights)


# %%
check("11.1", WeighsImages)

# %% [markdown]
# **Another way.** Without hints: two lines of Python do the same for one pair of tensors.


# %%
class ComparesTheShapes(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels, weights = batch
        if weights.shape != labels.shape:
            raise ValueError(f"weights have the shape {tuple(weights.shape)}")
        losses = F.cross_entropy(self(images), labels, reduction="none")
        return (losses * weights).mean()


check("11.1", ComparesTheShapes)

# %% [markdown]
# ## 11.2 An example that no wrong version passes
#
# Ask of each way to be wrong: what would I have to type in to see it? Two images, so that rows cannot be mixed up. More than one label, so that the order shows. A negative logit that is
# large without its sign. And all logits of an image different, since the order of equal ones is not specified.


# %% tags=["solution"]
def top_labels(logits: Tensor, k: int) -> Tensor:
    """Return the labels of the k largest logits of each image, the largest first.

    Example:
        >>> logits = torch.tensor([[0.0, 3.0, 1.0], [2.0, 1.0, -5.0]])
        >>> top_labels(logits, 2).tolist()
        [[1, 2], [0, 1]]
    """
    return logits.topk(k, dim=1).indices


# %%
check("11.2", top_labels)


# %% [markdown]
# **Another way.** State the rule instead of a case: fetched by these labels, the logits are the sorted ones. It tells a reader less, and covers more.


# %%
def top_labels(logits: Tensor, k: int) -> Tensor:
    """Return the labels of the k largest logits of each image, the largest first.

    Example:
        >>> logits = torch.randn(50, 10)
        >>> fetched = logits.gather(1, top_labels(logits, 4))
        >>> torch.equal(fetched, logits.sort(descending=True).values[:, :4])
        True
    """
    return logits.topk(k, dim=1).indices


check("11.2", top_labels)

# %% [markdown]
# ## 11.3 Two numbers that stay true
#
# Memory is what the tensors hold now, so ask the tensors: how many numbers, and how many bytes each. The rate is what the optimizer will apply, so ask the optimizer. Before `fit` there is no Trainer, and
# `self.trainer` says so with a `RuntimeError`. In `predict` there is one, without optimizers. The name `learning_rate` stays with the setting in `hparams`, where `lr_find` assigns its result.
#
# Tempting and wrong: `return self.optimizers().param_groups[0]["lr"]`. Without a Trainer it raises. In `predict`, `self.optimizers()` is an empty list, a list has no `param_groups`, and the message
# says that your module has no attribute `current_lr`.


# %% tags=["solution"]
class KnowsItself(LooksItUp):
    @property
    def size_in_bytes(self) -> int:
        tensors = [*self.parameters(), *self.buffers()]
        return sum(each.numel() * each.element_size() for each in tensors)

    @property
    def current_lr(self) -> float | None:
        try:
            optimizers = self.trainer.optimizers
        except RuntimeError:  # no Trainer
            return None
        return optimizers[0].param_groups[0]["lr"] if optimizers else None


# %%
check("11.3", KnowsItself)

# %% [markdown]
# **Another way.** Keep the *optimizer*, not its number. The reference does not go stale: every training run calls `configure_optimizers`, which stores the optimizer of that run.


# %%
class KeepsTheOptimizer(LooksItUp):
    used = None

    @property
    def size_in_bytes(self) -> int:
        return sum(each.nbytes for each in [*self.parameters(), *self.buffers()])

    @property
    def current_lr(self) -> float | None:
        return self.used.param_groups[0]["lr"] if self.used else None

    def configure_optimizers(self):
        optimizers, schedulers = super().configure_optimizers()
        self.used = optimizers[0]
        return optimizers, schedulers

    def teardown(self, stage):  # a Trainer that only predicts makes none
        self.used = None


check("11.3", KeepsTheOptimizer)
