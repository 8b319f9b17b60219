# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 08 · Four ways to keep a run on its feet
#
# One bad batch throws the weights far away. A learning rate breaks the network in its first steps. The logged gradient norm is not the one used. A run stops in time, and keeps the wrong weights. By the end of this lesson you can
#
# - limit the length of a gradient without changing its direction, and choose the limit for your optimizer;
# - tell a learning rate that is too large from one that comes too early;
# - read gradient norms at the right moment, layer by layer;
# - stop a run in time, and use its best weights.
#
# **You need** to know what a `LightningModule` and a `Trainer` are. New here? [Start here](00_start_here.ipynb) takes fifteen minutes and explains how an experiment is read.
#
# **Time** 35 minutes of reading and running, 30 minutes of exercises. All cells together run in less than half a minute on two CPU cores.
#
# Two sittings: 8.1 and 8.2 first, 8.3 and 8.4 another day.

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

course_utils.start("08", written_for="0.1")

# %%
import lightning as L
import torch
from torch import nn
from torch.nn import functional as F

from course_utils import check, claim, contrast, hint, solution
from course_utils.data import ImageDataModule
from course_utils.hardware import quiet_trainer

# %% [markdown]
# One data module and one small network return throughout the lesson. It trains with plain SGD: a gradient that is 100 times too long makes a step that is 100 times too long.

# %%
data = ImageDataModule(batch_size=64, train_size=5000)


class ImageClassifier(L.LightningModule):
    """Images of shape (batch, channel, height, width) to one logit per class."""

    def __init__(self, lr=0.1):
        super().__init__()
        self.lr = lr
        hidden = [nn.Linear(data.num_features, 64), nn.ReLU()]
        self.net = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(64, data.num_classes))

    def forward(self, images):
        return self.net(images)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr)


# %% [markdown]
# ## 8.1 Clip gradients by norm
#
# One batch in 25 comes from a different scanner, and its pixels were not divided by 255. A popular list of tips says: `gradient_clip_val=1.0`, with `gradient_clip_algorithm` set to `"norm"` or `"value"`. Does it matter which?
#
# **Predict before you run.** With `"value"` and 1.0, the longest gradient that the optimizer gets in an epoch has a norm of
#
# - **a** at most 1: that is the limit;
# - **b** more than 1, at most 75: few entries of a gradient are large;
# - **c** more than 75.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
class MeetsAnotherScanner(ImageClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        if batch_idx % 25 == 4:
            images = 255 * images  # as if they had not been scaled
        return super().training_step((images, labels), batch_idx)


# %% [markdown]
# ### Bad: clip each entry of the gradient


# %% tags=["bad"]
def by_value():
    return {"gradient_clip_val": 1.0, "gradient_clip_algorithm": "value"}


# %% [markdown]
# ### Good: clip the length of the gradient


# %% tags=["good"]
def by_norm():
    return {"gradient_clip_val": 1.0, "gradient_clip_algorithm": "norm"}


# %% [markdown]
# ### The contrast
#
# The same network, the same batches, one epoch. `quiet_trainer()` keeps a Trainer silent. The folded cells measure the norm (the root of the sum of squares) of the gradient that the optimizer used at each update,
# and the *lead over guessing*: test accuracy minus that of a guess. Watch the spikes.

# %% tags=["apparatus"]
# Trains one epoch with a way of clipping; measures gradient norms and test accuracy.
from course_utils.experiments.plots import Lines
from course_utils.measure import UpdateLog, accuracy


def lead(model):
    score = accuracy(model, data.test_images, data.test_labels)
    return score - 1 / data.num_classes


def train_clipped(clipping, model_class=MeetsAnotherScanner, images=data):
    model, log = model_class(), UpdateLog()
    options = quiet_trainer(callbacks=[log], **clipping())
    L.Trainer(max_epochs=1, **options).fit(model, datamodule=images)
    return {
        "longest gradient used": max(log.norms),
        "lead over guessing": lead(model),
        "gradient norm": log.norms,
    }


# %% tags=["apparatus"]
# The figure of the contrast.
plot = Lines(
    "Clipped by value, the gradients of broken batches stay far above 1",
    "gradient norm",
    x="update",
    y="norm of the gradient used",
    log=True,
)

# %% tags=["contrast"]
result = contrast(
    "8.1",
    train_clipped,
    bad=by_value,
    good=by_norm,
    prediction=prediction,
    figure=plot,
)

# %% tags=["claim"]
longest = "longest gradient used"
text = "where some batches are not scaled, a gradient clipped by value to 1 still reaches a norm above 75"
claim("8.1", text, result.bad[longest] >= 75)
text = "clipped by norm to 1, every gradient has a norm of at most 1"
claim("8.1", text, result.good[longest] <= 1.001)
share = result.bad["lead over guessing"] / result.good["lead over guessing"]
text = "where some batches are not scaled, SGD clipped by value loses a tenth or more of the lead over guessing that it has when clipped by norm"
claim("8.1", text, share <= 0.9)

# %% [markdown]
# **Why.** `"value"` looks at each entry alone and cuts it to the range from -1 to 1. This network has over 50,000 weights, one entry each. If 10,000 of them are cut to 1, the norm is still 100, the root of 10,000. `"norm"` shortens
# the whole gradient, all entries by the same factor. The harm outlasts the broken batch: its long step throws the weights far away, so the next gradients are long, too.
#
# **How large a limit?** That depends on the optimizer. The folded cell trains with SGD and with Adam, and also clips by norm to 0.003, far below the usual norm.


# %% tags=["apparatus"]
# Trains with SGD and with Adam under four ways of clipping; then without broken batches.
def from_the_seed(run, *args):
    """Start every run with the same random numbers, and put the generators back."""
    with torch.random.fork_rng():
        torch.manual_seed(data.seed)
        return run(*args)


class AdamMeetsAnotherScanner(MeetsAnotherScanner):
    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


ways = {"unclipped": dict, "by value, 1": by_value, "by norm, 1": by_norm}
ways["by norm, 0.003"] = lambda: {"gradient_clip_val": 0.003}
both = {"SGD": MeetsAnotherScanner, "Adam": AdamMeetsAnotherScanner}
leads = {}
for way, clipping in ways.items():
    for name, model_class in both.items():
        run = from_the_seed(train_clipped, clipping, model_class)
        leads[name, way] = run["lead over guessing"]
    row = ", ".join(f"{name} {leads[name, way]:.3f}" for name in both)
    print(f"{way}: {row}")

# %% tags=["apparatus"]
# Three claims about the table.
of_norm = {way: leads["SGD", way] / leads["SGD", "by norm, 1"] for way in ways}
text = "SGD whose gradients are clipped far below their usual norm loses half or more of the lead over guessing that it has when clipped by norm to 1"
claim("8.1", text, of_norm["by norm, 0.003"], at_most=0.5)
of_norm = {way: leads["Adam", way] / leads["Adam", "by norm, 1"] for way in ways}
text = "Adam whose gradients are clipped far below their usual norm keeps three quarters or more of the lead over guessing that it has when clipped by norm to 1"
claim("8.1", text, of_norm["by norm, 0.003"], at_least=0.75)
text = "where some batches are not scaled, Adam clipped by value loses a tenth or more of the lead over guessing that it has when clipped by norm"
claim("8.1", text, of_norm["by value, 1"], at_most=0.9)

# %% [markdown]
# With SGD, a limit below the usual norm shortens *every* step, and the run crawls. So look at the norms first (8.3 says how), and put the limit a little above the usual ones. Adam divides each gradient by its usual size anyway, so the exact limit hardly matters; clipping by value does harm there, too.
#
# The broken batches stage the effect. An ordinary run has 2,000 shuffled images and all of them scaled:

# %% tags=["apparatus"]
# Trains without broken batches: what is left of the difference?
few = ImageDataModule(batch_size=64, train_size=2000)
for way in (by_value, by_norm):
    run = from_the_seed(train_clipped, way, ImageClassifier, few)
    print(f"{way.__name__}: lead over guessing {run['lead over guessing']:.3f}")

# %% [markdown]
# They lie close together: you notice the wrong algorithm only with a broken batch.
#
# **Scope.** CPU or GPU, one process; with DDP, clipping comes after the processes have averaged their gradients. The Trainer refuses `gradient_clip_val` under manual optimization and, in Lightning 2.6, with
# `precision="16-mixed"` and a *fused* optimizer (8.3).
#
# **When the bad version is right.** When a bound for each entry matters more than the direction, and the limit is small enough for the number of entries. Without long gradients you need neither.
#
# ### Your turn · Clip by hand, over two batches
#
# Under manual optimization you call the optimizer yourself. The module below collects the gradients of two batches for each update. Make every update use a gradient with a norm of at most 1, in the direction of
# both batches together. Leave short gradients as they are. *(8 minutes)*


# %% tags=["exercise"]
class ClipsByHand(ImageClassifier):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        images, labels = batch
        optimizer = self.optimizers()
        loss = F.cross_entropy(self(images), labels) / 2
        self.manual_backward(loss)
        nn.utils.clip_grad_value_(self.parameters(), 1.0)
        if batch_idx % 2 == 1:
            optimizer.step()
            optimizer.zero_grad()


# %%
check("8.1", ClipsByHand)

# %% [markdown]
# Stuck? `hint("8.1")` gives a nudge, the second call a bigger one. `solution("8.1")` shows one way to do it, with its reason.

# %%
# hint("8.1")

# %% [markdown]
# ### Take along
#
# A callback that checks what the optimizer used, *after* clipping. For a test run: on a GPU it waits for the device once per update. Not for `precision="16-mixed"`: an update that the scaler skips fails the check.


# %% tags=["guard"]
class KeepsTheLimit(L.Callback):
    def on_before_zero_grad(self, trainer, module, optimizer):
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        assert norm <= 1.001, f"Expected a norm of at most 1 but got {norm:.2f}."


# %% tags=["apparatus"]
# Tries the guard on both versions.
from course_utils import try_guard


def guarded(make_options, guard, module_class, images=data, **options):
    options = quiet_trainer(callbacks=[guard()], **make_options(), **options)
    L.Trainer(max_epochs=1, **options).fit(module_class(), datamodule=images)


short = {"limit_train_batches": 10}
try_guard(
    "8.1",
    bad=lambda: guarded(by_value, KeepsTheLimit, MeetsAnotherScanner, **short),
    good=lambda: guarded(by_norm, KeepsTheLimit, MeetsAnotherScanner, **short),
)

# %% [markdown]
# ### Going further
#
# **What else clipping by value changes:** the direction. Here is a gradient with three entries, clipped both ways:


# %%
def after(clip):
    weight = nn.Parameter(torch.zeros(3))
    weight.grad = torch.tensor([30.0, 4.0, 0.1])
    clip(weight, 1.0)
    return [f"{entry:.3f}" for entry in weight.grad]


print("by value:", after(nn.utils.clip_grad_value_))
print("by norm: ", after(nn.utils.clip_grad_norm_))

# %% [markdown]
# By value, the first two entries became equal: the step no longer goes straight downhill.
#
# **What clipping does not cure.** A single `nan` in a gradient makes the norm `nan`, and every entry is multiplied by the limit divided by the norm:

# %%
weight = nn.Parameter(torch.zeros(4))
weight.grad = torch.tensor([0.1, torch.nan, 0.2, 0.3])
print("nan entries before:", int(weight.grad.isnan().sum()))
nn.utils.clip_grad_norm_(weight, 1.0)
print("nan entries after: ", int(weight.grad.isnan().sum()))

# %% [markdown]
# Lesson [06](06_debugging.ipynb) finds the operation that a `nan` comes from.
#
# ## 8.2 Warm up the learning rate
#
# Six residual blocks, each of which adds to its input and normalizes the sum, as in the first transformers. The optimizer is Adam, its learning rate falls almost to zero along a cosine. (The network is in the folded cell.) If you
# start at a large rate, the run is lost within a few steps. Is the rate too large, or does it come too early?
#
# *Warm-up* lets the rate rise to its peak first, here during the first half of the updates. We train with four peak rates, each twice the one before. A peak rate *works* if the run reaches three quarters of the best lead over guessing.
#
# **Predict.** Warm-up raises the highest peak rate that still works
#
# - **a** hardly at all: Adam adapts the size of its steps by itself;
# - **b** to at most twice the rate: large rates come later, and do the same harm;
# - **c** to more than twice the rate.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %% tags=["apparatus"]
# The six blocks, and the network that is made of them.
class Block(nn.Module):
    """Adds to its input, then normalizes: shape (batch, 96) to (batch, 96)."""

    def __init__(self):
        super().__init__()
        self.change = nn.Sequential(nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, 96))
        self.norm = nn.LayerNorm(96)

    def forward(self, features):
        return self.norm(features + self.change(features))


class DeepClassifier(ImageClassifier):
    def __init__(self, lr):
        super().__init__(lr)
        first = nn.LayerNorm(data.num_features, elementwise_affine=False)
        blocks = [Block() for _ in range(6)]
        narrow, last = nn.Linear(data.num_features, 96), nn.Linear(96, data.num_classes)
        self.net = nn.Sequential(nn.Flatten(), first, narrow, *blocks, last)


# %% [markdown]
# ### Bad: the rate starts at its peak


# %% tags=["bad"]
class StartsAtThePeak(DeepClassifier):
    warm_up = 0.0  # share of the updates

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters())
        scheduler = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=self.lr,
            total_steps=self.trainer.estimated_stepping_batches,
            pct_start=self.warm_up,
            cycle_momentum=False,
        )
        schedule = {"scheduler": scheduler, "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}


# %% [markdown]
# ### Good: the rate warms up


# %% tags=["good"]
class WarmsUp(StartsAtThePeak):
    warm_up = 0.5


# %% [markdown]
# `OneCycleLR` starts a warm-up at a 25th of the peak. `estimated_stepping_batches` counts the updates of the whole run. Without `"interval": "step"`, Lightning steps a scheduler once per *epoch*. `cycle_momentum=False` keeps
# Adam's first beta constant.
#
# ### The contrast
#
# The folded cell trains each version with the four peak rates, and draws a third curve: warm-up over a *tenth* of the run, a common setting. It interpolates between rates.

# %% tags=["apparatus"]
# Trains with four peak rates.
rates = (0.005, 0.01, 0.02, 0.04)
images = ImageDataModule(batch_size=64, train_size=4000)


def train_deep(version, rate):
    model = version(rate)
    L.Trainer(max_epochs=2, **quiet_trainer()).fit(model, datamodule=images)
    return lead(model)


def sweep(version):
    leads = [from_the_seed(train_deep, version, rate) for rate in rates]
    return {
        "best lead over guessing": max(leads),
        "mean lead over four peak rates": sum(leads) / len(leads),
        "lead over guessing": leads,
    }


# %% tags=["apparatus"]
# Finds the highest peak rate that works; a third version warms up for a shorter time.
def highest_rate(result, least):
    """Return where the curve falls below ``least``, interpolated between two rates."""
    leads = result["lead over guessing"]
    for i, (a, b) in enumerate(zip(leads, leads[1:])):
        if b < least:
            return rates[i] * 2 ** max((a - least) / (a - b), 0)
    return rates[-1]


class WarmsUpForATenth(WarmsUp):
    warm_up = 0.1


# %% tags=["contrast"]
result = contrast(
    "8.2", sweep, bad=StartsAtThePeak, good=WarmsUp, prediction=prediction
)

# %% tags=["apparatus"]
# Adds the third curve, draws all three, and prints the highest rates that work.
from course_utils.experiments.plots import show

third = {"WarmsUpForATenth": sweep(WarmsUpForATenth)}
curves = {**result.versions, **third}
plot = Lines(
    "Warm-up widens the range of peak rates that work",
    "lead over guessing",
    x="peak learning rate",
    y="test accuracy above guessing",
    at=rates,
    log_x=True,
)
show(plot, curves)
best = {name: max(curve[plot.name]) for name, curve in curves.items()}
highest = {
    name: highest_rate(each, 0.75 * max(best.values())) for name, each in curves.items()
}
for name, rate in highest.items():
    print(f"{name}: works up to {rate:.4f}")
none, half, _ = highest.values()

# %% tags=["claim"]
text = "for a deep network that normalizes after each block, trained with Adam, warm-up over half of the run more than doubles the highest peak rate that works"
claim("8.2", text, half / none, above=2)
mean_lead = "mean lead over four peak rates"
text = "for a deep network that normalizes after each block, trained with Adam, warm-up over half of the run raises the lead over guessing, averaged over four peak rates, by a tenth or more"
claim("8.2", text, result.times(mean_lead) <= 0.9)

# %% [markdown]
# **Why.** Adam divides each gradient by an estimate of its usual size. In the first update it knows only this one gradient, which is divided by its own size. What remains is its sign. So the first step moves each of these weights by the whole rate:

# %%
weight = nn.Parameter(torch.zeros(3))
weight.grad = torch.tensor([30.0, -4.0, 0.001])
torch.optim.Adam([weight], lr=0.02).step()
print("first step:", [f"{entry:.3f}" for entry in weight])
block = Block().change[0].weight
print(f"median weight of a new block: {block.abs().median():.3f}")

# %% [markdown]
# That is a large part of a median weight, and all six blocks take such a step at once. With warm-up the first rate is 25 times smaller.
#
# **A lower rate, or warm-up?** Read the figure from the left. At the lowest rate the three curves lie close together, and their best points are almost equally high:

# %% tags=["apparatus"]
# Compares the best rate without warm-up with the best of all runs.
text = "for a deep network that normalizes after each block, trained with Adam, the best of four peak rates without warm-up reaches three quarters or more of the best lead over guessing with warm-up"
claim("8.2", text, best["StartsAtThePeak"] / max(best.values()), at_least=0.75)

# %% [markdown]
# So if you can try several rates, try a lower one first. Warm-up buys room for error, which pays where one run takes days. How far warm-up over a tenth of the run moves the edge differs between data sets and seeds. Over half of the
# run it has its price: the rate is below its peak for so long.
#
# These runs are shuffled, with Adam's default betas.
#
# **Scope.** CPU or GPU. Measured in one process, with Adam, in a network that normalizes *after* the sum; most transformers today normalize before the block, which makes warm-up less necessary (Xiong et al., below). `OneCycleLR` has a fixed length: it raises an error
# if the run continues after its end.
#
# **When the bad version is right.** With a low peak rate, as the left of the figure shows, or when you resume with the state of the optimizer, whose averages are full.
#
# ### Your turn · A warm-up that counts updates
#
# The module below should train with SGD and a momentum of 0.9. The rate should rise during the first quarter of all updates to 0.1, then fall to zero at the end of the run, for any number of epochs, and even when the
# Trainer accumulates batches. Leave the momentum unchanged. *(8 minutes)*


# %% tags=["exercise"]
class RisesAndFalls(ImageClassifier):
    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=0.1, total_steps=300, pct_start=0.25
        )
        return [optimizer], [scheduler]


# %%
check("8.2", RisesAndFalls)

# %%
# hint("8.2")

# %% [markdown]
# ### Take along
#
# A callback for one optimizer. It stops a run in its second update if the rate does not rise, for example because the scheduler steps once per epoch.


# %% tags=["guard"]
class RequiresWarmUp(L.Callback):
    def on_before_optimizer_step(self, trainer, module, optimizer):
        rate = optimizer.param_groups[0]["lr"]
        if trainer.global_step == 1:
            assert rate > self.first, "Expected a rising rate."
        self.first = rate


# %% tags=["apparatus"]
# Tries the guard on both versions.
def guarded_rates(version):
    guarded(dict, RequiresWarmUp, lambda: version(0.01), images, **short)


try_guard(
    "8.2",
    bad=lambda: guarded_rates(StartsAtThePeak),
    good=lambda: guarded_rates(WarmsUp),
)

# %% [markdown]
# ### Going further
#
# **Why a later peak does less harm.** By then, Adam's averages know which gradients only change their sign from batch to batch, and such weights move less:


# %% tags=["apparatus"]
# Measures a step of one weight matrix at the peak rate, with and without warm-up.
class WatchesABlock(L.Callback):
    def on_train_start(self, trainer, module):
        self.rates, self.steps, self.before = [], [], self.weight(module)

    def weight(self, module):
        return module.net[5].change[0].weight.detach().clone()

    def on_before_zero_grad(self, trainer, module, optimizer):
        self.rates.append(optimizer.param_groups[0]["lr"])

    def on_train_batch_end(self, trainer, module, *_):
        after = self.weight(module)
        self.steps.append((after - self.before).abs().median())
        self.before = after


def step_at_the_peak(version, rate=0.01):
    watch = WatchesABlock()
    options = quiet_trainer(callbacks=[watch])
    L.Trainer(max_epochs=1, **options).fit(version(rate), datamodule=images)
    peak = watch.rates.index(max(watch.rates))
    return watch.steps[peak].item() / watch.rates[peak]


first, later = (from_the_seed(step_at_the_peak, v) for v in (StartsAtThePeak, WarmsUp))
print(f"median step at the peak rate: {first:.3f} of it, after warm-up {later:.3f}")
text = "without warm-up, Adam's first step moves the median weight by almost the whole learning rate"
claim("8.2", text, first, at_least=0.8)
text = "after warm-up, a step of Adam at the peak rate moves the median weight by less than half as much as a first step at that rate"
claim("8.2", text, later / first, at_most=0.5)

# %% [markdown]
# **Second sitting.** 8.3 and 8.4 use the network and the helpers from above: in a new kernel, run all cells up to here first.

# %% [markdown]
# ## 8.3 Monitor gradients
#
# How long are your gradients usually? A popular list of tips logs their norm in `on_after_backward`. You use `accumulate_grad_batches=4`, so that four batches make one update, and read the mean over the epoch.
#
# **Predict.** Compared with the mean norm of the gradients that the optimizer uses, the logged mean is
#
# - **a** about a quarter: each look sees one batch out of four;
# - **b** between 60 and 90 percent: each look sees a different share;
# - **c** the same: Lightning logs while the gradients are complete.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
class LogsItsNorm(ImageClassifier):
    def log_norm(self):
        gradients = [p.grad for p in self.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        self.log("grad_norm", norm, on_step=True, on_epoch=True)


# %% [markdown]
# ### Bad: look after each backward pass


# %% tags=["bad"]
class LooksAfterBackward(LogsItsNorm):
    def on_after_backward(self):
        self.log_norm()


# %% [markdown]
# ### Good: look before each optimizer step


# %% tags=["good"]
class LooksBeforeTheStep(LogsItsNorm):
    def on_before_optimizer_step(self, optimizer):
        self.log_norm()


# %% [markdown]
# ### The contrast
#
# Ten updates of four batches each. The folded cell notes after each batch the newest logged norm, and the norm that the optimizer used. Do the curves coincide?

# %% tags=["apparatus"]
# Trains ten updates; compares the norm that is logged with the one that is used.
from statistics import mean

from course_utils.experiments.plots import Panels


class NewestNorm(L.Callback):
    def on_fit_start(self, trainer, module):
        self.values = []

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step:
            self.values.append(float(trainer.callback_metrics["grad_norm_step"]))


def monitor(version, accumulate=4, **flags):
    log, newest = UpdateLog(), NewestNorm()
    flags |= {"callbacks": [log, newest], "accumulate_grad_batches": accumulate}
    flags = {"max_epochs": 1, "limit_train_batches": 40, **flags}
    trainer = L.Trainer(**quiet_trainer(**flags))
    trainer.fit(version(), datamodule=data)
    logged = float(trainer.callback_metrics["grad_norm_epoch"])
    return {
        "mean norm, logged": logged,
        "mean norm, used": mean(log.norms),
        "logged / used": logged / mean(log.norms),
        "logged": newest.values,
        "used by the optimizer": [log.norms[n - 1] for n in log.so_far if n],
    }


# %% tags=["apparatus"]
# The figure of the contrast.
plot = Panels(
    "After backward, three looks in four see an incomplete sum",
    ["logged", "used by the optimizer"],
    x="batch, from the first update on",
    y="gradient norm",
)

# %% tags=["contrast"]
result = contrast(
    "8.3",
    monitor,
    bad=LooksAfterBackward,
    good=LooksBeforeTheStep,
    prediction=prediction,
    figure=plot,
)

# %% tags=["claim"]
text = "while four batches make one update, the mean norm logged in on_after_backward is at most 90 percent of the mean norm used"
claim("8.3", text, result.bad["logged / used"] <= 0.9)
text = "while four batches make one update, the mean norm logged in on_before_optimizer_step is the mean norm used"
claim("8.3", text, abs(result.good["logged / used"] - 1), at_most=1e-4)

# %% [markdown]
# **Why.** `on_after_backward` runs after every batch. PyTorch adds each gradient to those of the batches before, so the first look sees a quarter of the sum, the second a half, and only the fourth sees what the optimizer gets. Hence the
# sawtooth. `on_before_optimizer_step` runs once per update, when the sum is complete. The run is an ordinary one that accumulates; with one batch per update both hooks agree:

# %% tags=["apparatus"]
# Looks after backward without accumulation, in full precision.
plain = from_the_seed(monitor, LooksAfterBackward, 1)["logged / used"]
text = "with one batch per update and in full precision, the mean norm logged in on_after_backward is the mean norm used"
claim("8.3", text, abs(plain - 1), at_most=1e-4)

# %% [markdown]
# Both hooks run before clipping: you see the norm that the limit is compared with.
#
# **Layer by layer.** Lightning's `grad_norm` returns one norm per parameter. The folded cell compares the first and the last layer of two new networks, which differ in their activation:

# %%
from lightning.pytorch.utilities import grad_norm


def deep_network(activation):
    hidden = [nn.Sequential(nn.Linear(64, 64), activation()) for _ in range(6)]
    first = nn.Sequential(nn.Linear(data.num_features, 64), activation())
    return nn.Sequential(nn.Flatten(), first, *hidden, nn.Linear(64, data.num_classes))


def norms(network):
    images, labels = data.train_images[:64] / 255, data.train_labels[:64]
    F.cross_entropy(network(images), labels).backward()
    return grad_norm(network, norm_type=2)


# %% tags=["apparatus"]
# Compares the first weight matrix with the last, for both activations.
def arrives(activation):
    found = norms(deep_network(activation))
    first, last = (found[f"grad_2.0_norm/{n}.weight"] for n in ("1.0", "8"))
    return (first / last).item()


sigmoid, relu = (from_the_seed(arrives, each) for each in (nn.Sigmoid, nn.ReLU))
print(f"first / last layer: sigmoid {sigmoid:.1e}, ReLU {relu:.1e}")
text = "in a new network of eight layers with sigmoids, the gradient norm of the first layer is less than a ten thousandth of that of the last"
claim("8.3", text, sigmoid, at_most=1e-4)
text = "in a new network of eight layers, ReLU lets at least a thousand times as much of the gradient through to the first layer as sigmoid"
claim("8.3", text, relu / sigmoid, at_least=1e3)

# %% [markdown]
# The slope of a sigmoid is at most a quarter. Seven of them in a row multiply to less than a ten-thousandth.
#
# **Scope.** Measured on the CPU, in one process. Exact without a gradient scaler, so in 32 bits and in bfloat16. **Under `precision="16-mixed"`** `on_after_backward` sees gradients multiplied by a large factor, and so does
# `on_before_optimizer_step` **if the optimizer is fused** (*Going further*). On a GPU, `grad_norm` waits for the device once per weight tensor, as `.item()` would; `get_total_norm` does not wait. So log layers only every hundredth step.
#
# **When the bad version is right.** With one batch per update and without a scaler, as measured above; and where you want the gradient of every single batch.
#
# ### Your turn · Let the gradient reach every layer
#
# This deep network learns little. Three faults keep the gradient from some of its layers. Find them (`norms` helps: look for missing entries and zeros), and repair them. Keep all nine weight matrices,
# and an activation of any kind after each layer but `refine` and `head`. *(8 minutes)*


# %% tags=["exercise"]
class LosesItsGradients(ImageClassifier):
    def __init__(self):
        super().__init__()
        first = nn.Linear(data.num_features, 64)
        self.encoder = nn.Sequential(nn.Flatten(), first, nn.ReLU())
        hidden = [nn.Sequential(nn.Linear(64, 64), nn.Sigmoid()) for _ in range(6)]
        self.net = nn.Sequential(*hidden)
        self.refine = nn.Linear(64, 64)
        self.head = nn.Linear(64, data.num_classes)

    def forward(self, images):
        features = self.encoder(images).detach()
        features = self.net(features)
        features = features + self.refine(features).round()
        return self.head(features)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


# %%
check("8.3", LosesItsGradients)

# %%
# hint("8.3")

# %% [markdown]
# ### Take along
#
# A callback for a test run: after every batch, `grad_norm_step` must be the norm of the latest update. Lightning uses this name if you log `grad_norm` with `on_step` *and* `on_epoch`. With a limit of infinity, `clip_grad_norm_` clips nothing and returns the norm.


# %% tags=["guard"]
class ComparesTheNorm(L.Callback):
    def on_before_optimizer_step(self, trainer, module, optimizer):
        self.norm = nn.utils.clip_grad_norm_(module.parameters(), torch.inf)

    def on_train_batch_end(self, trainer, *_):
        logged = trainer.callback_metrics.get("grad_norm_step")
        assert logged == getattr(self, "norm", None), f"Not the norm used: {logged}."


# %% tags=["apparatus"]
# Tries the guard on both versions.
def accumulates():
    return {"accumulate_grad_batches": 4, "limit_train_batches": 8}


try_guard(
    "8.3",
    bad=lambda: guarded(accumulates, ComparesTheNorm, LooksAfterBackward),
    good=lambda: guarded(accumulates, ComparesTheNorm, LooksBeforeTheStep),
)

# %% [markdown]
# ### Going further
#
# **Half precision.** With `precision="16-mixed"`, Lightning multiplies the loss by a large factor, so that small gradients survive in 16 bits. Before the step it divides the gradients again, unless the optimizer is *fused*: a fused
# optimizer divides inside its own step, which is after the hook. The scaler also exists for the CPU, so the cell runs there on every machine.


# %%
from lightning.pytorch.plugins import MixedPrecision


class LooksBeforeAFusedStep(LooksBeforeTheStep):
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr, fused=True)


def first_norm(version, **flags):
    run = monitor(version, 1, accelerator="cpu", limit_train_batches=1, **flags)
    return run["mean norm, logged"]


def in_half_precision(version, **flags):
    scaler = torch.amp.GradScaler("cpu", init_scale=2**16)
    half = MixedPrecision("16-mixed", "cpu", scaler)
    return first_norm(version, plugins=[half], **flags)


# %% tags=["apparatus"]
# Compares the norm of one batch under a scaler with its norm in full precision.
def times_too_long(version):
    half = from_the_seed(in_half_precision, version)
    return half / from_the_seed(first_norm, version)


after, before, fused = map(
    times_too_long, (LooksAfterBackward, LooksBeforeTheStep, LooksBeforeAFusedStep)
)
print(f"after backward:          {after:.1f} times the norm in full precision")
print(f"before the step:         {before:.1f} times")
print(f"before the step, fused:  {fused:.1f} times")
text = "under a gradient scaler, the norm seen in on_after_backward is at least ten thousand times that in full precision"
claim("8.3", text, after, at_least=1e4)
text = "under a gradient scaler, the norm seen in on_before_optimizer_step is that in full precision if the optimizer is not fused"
claim("8.3", text, abs(before - 1), at_most=0.05)
text = "under a gradient scaler, the norm seen in on_before_optimizer_step is at least ten thousand times that in full precision if the optimizer is fused"
claim("8.3", text, fused, at_least=1e4)

# %% [markdown]
# For the same reason Lightning cannot clip for a fused optimizer under a scaler. It says so, with an error:

# %% tags=["raises-exception"]
in_half_precision(LooksBeforeAFusedStep, gradient_clip_val=1.0)

# %% [markdown]
# Use bfloat16, which needs no scaler, or an optimizer with `fused=False`. The guard above does not see this fault: it compares two scaled norms.
#
# ## 8.4 Stop early, and keep the best weights
#
# 500 training images, and three in five of their labels were guessed; those of the validation images are right. `EarlyStopping("val_loss", patience=10)` ends the run when the validation loss has not improved
# ten times in a row. Then you go on to predict with the model.
#
# **Predict.** The test loss of the model in memory, compared with that of the best weights of the run, is
#
# - **a** the same: the callback puts the best weights back;
# - **b** less than 10 percent higher: ten epochs after the best one change little;
# - **c** at least 10 percent higher.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% tags=["apparatus"]
# Builds the training images with guessed labels, and the validation images.
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from course_utils.data import scaled


def loaders(count, share_guessed):
    few = ImageDataModule(train_size=count, val_size=1000)
    dice = torch.Generator().manual_seed(few.seed)
    guessed = torch.rand(count, generator=dice) < share_guessed
    guesses = torch.randint(few.num_classes, (count,), generator=dice)
    labels = torch.where(guessed, guesses, few.train_labels)
    train_set = TensorDataset(scaled(few.train_images), labels)
    val_batch = scaled(few.val_images), few.val_labels
    val_loader = DataLoader([val_batch], batch_size=None)  # all in one batch
    quarters = BatchSampler(RandomSampler(train_set), count // 4, drop_last=False)
    return DataLoader(train_set, batch_size=None, sampler=quarters), val_loader


# %%
class WideClassifier(ImageClassifier):
    def __init__(self):
        super().__init__(lr=3e-3)
        first = nn.LayerNorm(data.num_features, elementwise_affine=False)
        wide, last = nn.Linear(data.num_features, 256), nn.Linear(256, data.num_classes)
        self.net = nn.Sequential(nn.Flatten(), first, wide, nn.ReLU(), last)

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        self.log("val_loss", F.cross_entropy(self(images), labels))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


# %% [markdown]
# ### Bad: stop, and use the weights in memory

# %% tags=["bad"]
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint


def uses_the_last(fit, folder):
    return fit([EarlyStopping("val_loss", patience=10)])


# %% [markdown]
# ### Good: stop, and load the best weights


# %% tags=["good"]
def uses_the_best(fit, folder):
    keep_best = ModelCheckpoint(folder, monitor="val_loss")
    fit([EarlyStopping("val_loss", patience=10), keep_best])
    return WideClassifier.load_from_checkpoint(keep_best.best_model_path)


# %% [markdown]
# ### The contrast
#
# The folded cells hand each version a folder and a function `fit(callbacks)`, which trains for up to sixty epochs and returns the model in memory. The large mark in the figure is the epoch whose weights a version uses.

# %% tags=["apparatus"]
# Trains up to sixty epochs; computes a loss.
import tempfile
from functools import partial

from course_utils.measure import EpochEnds


def fit(images, ends, folder, callbacks):
    model = WideClassifier()
    keep = any(isinstance(each, ModelCheckpoint) for each in callbacks)
    options = quiet_trainer(callbacks=[*callbacks, ends], enable_checkpointing=keep)
    L.Trainer(max_epochs=60, **options).fit(model, *images)
    return model


@torch.no_grad()
def loss_of(model, images, labels):
    return F.cross_entropy(model.cpu().eval()(images), labels).item()


# %% tags=["apparatus"]
# Trains a version, and measures the model that it returns.
def stop_and_use(version, count=500, share_guessed=0.6):
    ends, images = EpochEnds(), loaders(count, share_guessed)
    with tempfile.TemporaryDirectory() as folder:
        model = version(partial(fit, images, ends, folder), folder)
    losses = ends.values("val_loss")
    [val_batch] = images[1].dataset
    own = loss_of(model, *val_batch)
    used = min(range(len(losses)), key=lambda i: abs(losses[i] - own))
    return {
        "epochs trained": float(len(losses)),
        "epoch of the weights used": float(used + 1),
        "test loss": loss_of(model, scaled(data.test_images), data.test_labels),
        "test accuracy": accuracy(model, data.test_images, data.test_labels),
        "weights used": losses[used],
        "validation loss": losses,
    }


# %% tags=["apparatus"]
# The figure of the contrast.
plot = Lines(
    "The run stops long after its best epoch",
    "validation loss",
    x="epoch",
    y="validation loss (nats)",
    point=("epoch of the weights used", "weights used"),
)

# %% tags=["contrast"]
result = contrast(
    "8.4",
    stop_and_use,
    bad=uses_the_last,
    good=uses_the_best,
    prediction=prediction,
    figure=plot,
)

# %% tags=["claim"]
text = "where many labels are wrong, the weights in memory after EarlyStopping with a patience of ten have a test loss at least 10 percent above that of the best weights"
claim("8.4", text, result.times("test loss") >= 1.1)

# %% [markdown]
# **Why.** A network learns the rule first, then memorizes the guesses. The callback waits for ten checks without an improvement. Training continues meanwhile, and stops with the weights of the tenth. `EarlyStopping` does not keep weights. `ModelCheckpoint` with a
# `monitor` keeps them: load `best_model_path`. (The checkpoint that a Trainer writes by default has no `monitor`: it holds the weights of the last validation.)
#
# **Patience counts validation runs,** not epochs. The folded cell counts the epochs with a patience of 3, while the loss gets worse every time. A validation loss of `nan` ends the run at once.


# %% tags=["apparatus"]
# Counts epochs until a patience of 3 runs out; looks at what the default checkpoint keeps.
class OnlyGetsWorse(WideClassifier):
    def __init__(self, losses=range(1, 100)):
        super().__init__()
        self.losses = iter(losses)

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", float(next(self.losses)))


def batches_trained(model, **flags):
    stop = EarlyStopping("val_loss", patience=3)
    options = quiet_trainer(callbacks=[stop], num_sanity_val_steps=0, **flags)
    trainer = L.Trainer(max_epochs=60, **options)
    trainer.fit(model, *loaders(500, 0.6))
    return trainer.global_step


often = batches_trained(OnlyGetsWorse(), val_check_interval=0.25)
each = batches_trained(OnlyGetsWorse())
seldom = batches_trained(OnlyGetsWorse(), check_val_every_n_epoch=5)
broken = batches_trained(OnlyGetsWorse([3, 2, torch.nan, 1]))
runs = {"4 times per epoch": often, "once per epoch": each, "every fifth epoch": seldom}
for name, batches in runs.items():
    print(f"validation {name}: {batches // 4} epochs")
text = "where the validation loss never improves, EarlyStopping trains five times as long with validation in every fifth epoch as with validation in every epoch"
claim("8.4", text, seldom / each, equals=5)
text = "a validation loss of nan ends a run with EarlyStopping at that check, with patience left"
claim("8.4", text, broken // 4, equals=3)

# %% tags=["apparatus"]
# Checks which weights the Trainer's own checkpoint keeps.
from course_utils.measure import flat_weights


def default_checkpoint_is_the_last():
    with tempfile.TemporaryDirectory() as folder:
        options = quiet_trainer(enable_checkpointing=True, default_root_dir=folder)
        options["callbacks"] = [EarlyStopping("val_loss", patience=3)]
        trainer, model = L.Trainer(max_epochs=60, **options), WideClassifier()
        trainer.fit(model, *loaders(500, 0.6))
        path = trainer.checkpoint_callback.best_model_path
        kept = WideClassifier.load_from_checkpoint(path)
    return torch.equal(flat_weights(kept), flat_weights(model))


text = "the checkpoint that a Trainer writes by default holds the weights of the last validation"
claim("8.4", text, default_checkpoint_is_the_last())

# %% [markdown]
# The wrong labels stage the effect. Here is an ordinary run, 2,000 images with their own labels:

# %% tags=["apparatus"]
# Measures both versions on 2,000 images with right labels.
for version in (uses_the_last, uses_the_best):
    run = from_the_seed(stop_and_use, version, 2000, 0.0)
    print(
        f"{version.__name__}: test loss {run['test loss']:.3f}, "
        f"accuracy {run['test accuracy']:.3f}"
    )

# %% [markdown]
# The loss differs a little, the accuracy hardly. So monitor the metric that you report.
#
# **Scope.** CPU or GPU, one process; in several, log the metric with `sync_dist=True`, or each process judges its own part of the images. How long the patience lasts depends on `val_check_interval` and `check_val_every_n_epoch`. The default of both callbacks is
# `mode="min"`.
#
# **When the bad version is right.** When the two are equally accurate, as in the ordinary run. And do not stop early at all when a schedule needs its end, as in 8.2.
#
# ### Your turn · A patience of two epochs
#
# The check trains with a Trainer that validates four times per epoch, and a module that logs `val_acc`. Return the callbacks that end the run once `val_acc` has not reached a new high for two whole epochs, and that keep the best weights in `folder`. *(6 minutes)*


# %% tags=["exercise"]
def callbacks(folder):
    return [EarlyStopping("val_acc", patience=2)]


# %%
check("8.4", callbacks)

# %%
# hint("8.4")

# %% [markdown]
# ### Take along
#
# A callback that refuses to train when the run stops early and nothing keeps the best weights.


# %% tags=["guard"]
class RequiresABestCheckpoint(L.Callback):
    def on_fit_start(self, trainer, module):
        keepers = [each for each in trainer.checkpoint_callbacks if each.save_top_k]
        kept = {(each.monitor, each.mode) for each in keepers}
        for stop in trainer.early_stopping_callbacks:
            assert (stop.monitor, stop.mode) in kept, f"Keep the best {stop.monitor}."


# %% tags=["apparatus"]
# Tries the guard on both versions.
def guarded_stop(version):
    with tempfile.TemporaryDirectory() as folder:
        run = partial(fit, loaders(500, 0.6), RequiresABestCheckpoint(), folder)
        version(run, folder)


try_guard(
    "8.4",
    bad=lambda: guarded_stop(uses_the_last),
    good=lambda: guarded_stop(uses_the_best),
)

# %% [markdown]
# ## Symptoms
#
# What you see at work, and where to look:
#
# | You see | Look at |
# |---|---|
# | the loss jumps in the middle of a run and never comes back | 8.1 |
# | with clipping on, SGD hardly learns | 8.1 |
# | the loss jumps in the first few steps and stays high | 8.2 |
# | a learning rate from a paper does not work for your network | 8.2 |
# | the logged gradient norm is lower than you expect, or tens of thousands of times higher | 8.3 |
# | "does not allow for gradient clipping because it performs unscaling of gradients internally" | 8.3 |
# | a deep network does not learn, and the loss does not say why | 8.3 |
# | the tested model is worse than the best value in the log | 8.4 |
# | early stopping waits far more epochs than its patience | 8.4 |
#
# ## Take away
#
# A checklist for your own code:
#
# - [ ] Gradients are clipped by norm. With SGD, the limit is a little above the usual norm; with Adam it matters less.
# - [ ] A loss that jumps in the first steps gets a smaller rate, or a warm-up if I cannot try several; the scheduler steps with each update.
# - [ ] Norms are read in `on_before_optimizer_step`, without a gradient scaler or with an optimizer that is not fused; if a deep network does not learn, layer by layer.
# - [ ] Every parameter gets a gradient: none is missing, none vanishes.
# - [ ] `EarlyStopping` comes with a `ModelCheckpoint` that has the same `monitor` and `mode`, and I load its best weights. Patience is counted in validation runs.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin: [the record](../src/course_utils/records/evidence.md#lesson-08).
#
# **Sources** Lightning's documentation on [gradient clipping and accumulation](https://lightning.ai/docs/pytorch/stable/advanced/training_tricks.html),
# [hooks](https://lightning.ai/docs/pytorch/stable/common/lightning_module.html#hooks) and [early stopping](https://lightning.ai/docs/pytorch/stable/common/early_stopping.html);
# Pascanu, Mikolov, Bengio, [On the difficulty of training recurrent neural networks](https://arxiv.org/abs/1211.5063); Xiong et al., [On layer normalization in the transformer
# architecture](https://arxiv.org/abs/2002.04745); Smith and Topin, [Super-convergence](https://arxiv.org/abs/1708.07120); MNIST by LeCun, Cortes and Burges.
#
# Accumulation comes from [lesson 07](07_memory.ipynb). Next: [lesson 09](09_checkpointing.ipynb) on checkpoints, or look at the [solutions](../solutions/08_training_stability.ipynb) of this one.

# %% tags=["own-code"]
# This lesson's questions, asked of your own code: name it in place of None.
my_module, my_data = None, None  # "my_package.model:MyModel", "my_package.data:MyData"
course_utils.check_my(my_module, my_data, select="8.*")
