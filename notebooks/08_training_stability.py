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
# One bad batch throws the weights far away. A learning rate is too large for the first steps. Eight layers train, and the first of them stands still. A run goes on for
# an hour after its best moment. At the end of this lesson you can
#
# - limit a gradient without bending it, and choose the limit;
# - tell a learning rate that is too large from one that only comes too early;
# - read gradient norms at the right moment, layer by layer;
# - stop a run in time, and walk away with its best weights.
#
# **You need** to know what a `LightningModule` and a `Trainer` are. New here? [Start here](00_start_here.ipynb) takes fifteen minutes.
#
# **Time** 35 minutes of reading and running, 30 minutes of exercises. All cells together run in less than half a minute on two CPU cores.

# %% tags=["setup"]
try:
    import course_utils
except ModuleNotFoundError:  # opened alone, as on Colab: fetch the helpers, keep torch
    from IPython import get_ipython

    get_ipython().run_line_magic("pip", 'install -q "lightning-course-utils==0.1.*"')
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
from course_utils.measure import MetricCurve, accuracy

# %% [markdown]
# One data module and one small classifier come back through the lesson, with 7,000 training images. Images have the shape `(batch, channel, height, width)` and values from 0 to 1. Its optimizer is
# plain SGD (the deeper and wider networks of 8.2 to 8.4 use Adam): each update subtracts the gradient times the learning rate, so a gradient that is 100 times too long makes a step that is 100 times too long.

# %%
digits = ImageDataModule(batch_size=64, train_size=7000)


class DigitClassifier(L.LightningModule):
    """One hidden layer: images of shape (batch, 1, 28, 28) to logits of shape (batch, 10)."""

    def __init__(self, lr=0.3):
        super().__init__()
        self.lr = lr
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10)
        )

    def forward(self, images):
        return self.net(images)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr)


# %% [markdown]
# ## 8.1 Clip gradients by norm
#
# One batch in 25 comes from another scanner, and nobody divided its pixels by 255. Its gradient is far longer than usual. The Trainer can clip gradients,
# and a popular list of tips says: `gradient_clip_val=1.0`, with `gradient_clip_algorithm` `"norm"` or `"value"`. Is it all the same?
#
# **Predict before you run.** With `"value"` and 1.0, the longest gradient that the optimizer gets in an epoch has a norm of
#
# - **a** at most 1: that is the limit;
# - **b** a little more, below 10: few entries of a gradient are large;
# - **c** more than 75.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
class MeetsAnotherScanner(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        if batch_idx % 25 == 24:
            images = 255 * images  # as if nobody had scaled them
        return super().training_step((images, labels), batch_idx)


# %% [markdown]
# ### Bad: clip each entry of the gradient

# %% tags=["bad"]
by_value = {"gradient_clip_val": 1.0, "gradient_clip_algorithm": "value"}

# %% [markdown]
# ### Good: clip the length of the gradient

# %% tags=["good"]
by_norm = {"gradient_clip_val": 1.0, "gradient_clip_algorithm": "norm"}

# %% [markdown]
# ### The contrast
#
# The same network, the same batches, one epoch. `UpdateLog` notes, at each update, the norm of the gradient that the optimizer really used: the square root of the sum of
# all its squared entries. The axis is logarithmic. Watch the spikes.

# %%
from course_utils.experiments.plots import Lines
from course_utils.measure import UpdateLog


def train_with(clipping):
    model, log = MeetsAnotherScanner(), UpdateLog()
    options = quiet_trainer(callbacks=[log], **clipping)
    L.Trainer(max_epochs=1, **options).fit(model, datamodule=digits)
    return {
        "test accuracy": accuracy(model, digits.test_images, digits.test_labels),
        "longest gradient used": max(log.norms),
        "gradient norm": log.norms,
    }


# %% tags=["contrast"]
result = contrast(
    "8.1",
    bad=lambda: train_with(by_value),
    good=lambda: train_with(by_norm),
    prediction=prediction,
    figure=Lines(
        "Clipped by value, the gradients of broken batches stay far above 1",
        "gradient norm",
        x="update",
        y="norm of the gradient used",
        log=True,
    ),
)

# %% tags=["claim"]
claim(
    "8.1",
    "clipped by value to 1, a gradient still has a norm above 75",
    result.bad.number("longest gradient used"),
    at_least=75,
)
claim(
    "8.1",
    "clipped by norm, none is longer than 1",
    result.good.number("longest gradient used"),
    at_most=1.001,
)
claim(
    "8.1",
    "and that is worth at least 30 points of accuracy",
    result.gain("test accuracy"),
    at_least=0.3,
)

# %% [markdown]
# **Why.** `"value"` looks at each entry alone and cuts it to the range from -1 to 1. This network has tens of thousands of them. If 10,000 are cut to 1, the norm is still 100, the root of 10,000.
# `"norm"` looks at the gradient as one arrow and shortens it, all entries by the same factor. And the harm outlasts the broken batch: its
# long step throws the weights far away, so the gradients of the ordinary batches after it are long, too. Watch what both do to a gradient with three entries:


# %%
def after(clip):
    weight = nn.Parameter(torch.zeros(3))
    weight.grad = torch.tensor([30.0, 4.0, 0.1])
    clip(weight, 1.0)
    return [f"{entry:.3f}" for entry in weight.grad]


entries = sum(weight.numel() for weight in DigitClassifier().parameters())
print("entries of the network's gradient:", entries)
print("by value:", after(nn.utils.clip_grad_value_))
print("by norm: ", after(nn.utils.clip_grad_norm_))

# %% [markdown]
# By value, the first two entries became equal: the arrow now points elsewhere, and the step no longer goes straight downhill. By norm, the entries keep their proportions.
#
# **How large a limit?** Three more runs: no clipping, a limit of 0.003 by norm, a limit of 0.003 by value. `from_the_seed` does outside of `contrast` what `contrast` does for its two versions: each run
# starts with the same random numbers, and afterwards the generators are put back.


# %%
def from_the_seed(run, *args, **options):
    with torch.random.fork_rng():  # puts the generators back
        torch.manual_seed(digits.seed)
        return run(*args, **options)


small_norm = {"gradient_clip_val": 0.003, "gradient_clip_algorithm": "norm"}
small_value = {"gradient_clip_val": 0.003, "gradient_clip_algorithm": "value"}
runs = {"unclipped": {}, "norm 0.003": small_norm, "value 0.003": small_value}
scores = {}
for name, clipping in runs.items():
    scores[name] = from_the_seed(train_with, clipping)["test accuracy"]
    print(f"{name + ':':<12} accuracy {scores[name]:.3f}")

# %% tags=["claim"]
good = result.good.number("test accuracy")
claim("8.1", "unclipped, the run is lost", good - scores["unclipped"], at_least=0.4)
claim("8.1", "so is one clipped too short", good - scores["norm 0.003"], at_least=0.3)
claim("8.1", "a small value saves it", scores["value 0.003"], at_least=0.6)

# %% [markdown]
# With SGD, a limit below the usual norm shortens *every* step, and the run crawls. Our limit of 1 is at the edge: in the figure the good curve lies on it most of the time, so many ordinary steps are shortened,
# too, if only a little. So look at the norms first (8.3 says how), and put the limit a little above the usual ones.
#
# **What clipping does not cure.** One `nan` in a gradient makes the norm `nan`. Every entry is multiplied by the limit divided by it:

# %%
weight = nn.Parameter(torch.zeros(4))
weight.grad = torch.tensor([0.1, torch.nan, 0.2, 0.3])
print("nan entries before:", int(weight.grad.isnan().sum()))
nn.utils.clip_grad_norm_(weight, 1.0)
print("nan entries after: ", int(weight.grad.isnan().sum()))

# %% [markdown]
# **When the bad version is right.** By value is fine when its limit is small enough for the number of entries, as the run with 0.003 shows, and when the direction matters less than a bound for
# each weight. Clipping by norm costs one pass over all gradients. And if no gradient is ever too long, you need neither.
#
# ### Your turn · Clip by hand, over two batches
#
# Under manual optimization you call the optimizer yourself, and the Trainer refuses `gradient_clip_val`. The module below collects the gradients of two batches for each update.
# Make every update use a gradient of norm 1 at most, in the direction of both batches together. Leave short gradients as they are. *(8 minutes)*


# %% tags=["exercise"]
class ClipsByHand(DigitClassifier):
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
# ## 8.2 Warm up the learning rate
#
# Here is a deeper network: six residual blocks, each of which adds something to its input and normalizes the sum, as in the first transformers. In front of them, a `LayerNorm` without weights brings each image to mean 0 and variance 1. Its optimizer is Adam. You
# try a peak learning rate of 0.04, and the loss jumps up in the first steps. Is the rate too large, or does it come too early?
#
# Two schedules share the peak and the end. One starts at 0.04 and falls along a cosine to zero: *annealing*. The other rises to 0.04 first, then falls: *warm-up*, then annealing.
#
# **Predict.** After three epochs, the run without warm-up
#
# - **a** is close to guessing: what the first steps broke, the small rates at the end do not repair;
# - **b** is a few points behind: the small rates at the end make up for most of it;
# - **c** is level: Adam adapts the size of its steps by itself.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
class Block(nn.Module):
    """Adds to its input, then normalizes: shape (batch, 96) to (batch, 96)."""

    def __init__(self):
        super().__init__()
        self.change = nn.Sequential(nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, 96))
        self.norm = nn.LayerNorm(96)

    def forward(self, features):
        return self.norm(features + self.change(features))


class DeepClassifier(DigitClassifier):
    def __init__(self, lr=0.04):
        super().__init__(lr)
        blocks = [Block() for _ in range(6)]
        pixels = [nn.Flatten(), nn.LayerNorm(784, elementwise_affine=False)]
        self.net = nn.Sequential(
            *pixels, nn.Linear(784, 96), *blocks, nn.Linear(96, 10)
        )


# %% [markdown]
# ### Bad: the rate starts at its peak


# %% tags=["bad"]
class StartsAtThePeak(DeepClassifier):
    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=self.lr)
        updates = self.trainer.estimated_stepping_batches
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)
        schedule = {"scheduler": scheduler, "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}


# %% [markdown]
# ### Good: the rate warms up


# %% tags=["good"]
class WarmsUp(DeepClassifier):
    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters())
        updates = self.trainer.estimated_stepping_batches
        scheduler = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.lr, updates, pct_start=0.5, cycle_momentum=False
        )
        schedule = {"scheduler": scheduler, "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}


# %% [markdown]
# `OneCycleLR` spends half of the updates on the way up, the rest on a cosine down to almost zero. `estimated_stepping_batches` is the number of updates of the whole run, and
# `"interval": "step"` lets the scheduler step after each of them.
#
# ### The contrast
#
# Three epochs each, in batches of 256. Watch the loss in the first updates and in the last.

# %%
large_batches = ImageDataModule(batch_size=256, train_size=7000)


def train_on(model, data=large_batches, epochs=3):
    curve = MetricCurve("train_loss")
    trainer = L.Trainer(max_epochs=epochs, **quiet_trainer(callbacks=[curve]))
    trainer.fit(model, datamodule=data)
    return {
        "test accuracy": accuracy(model, digits.test_images, digits.test_labels),
        "largest loss": max(curve.values),
        "train loss": curve.values,
    }


# %% tags=["contrast"]
result = contrast(
    "8.2",
    bad=lambda: train_on(StartsAtThePeak()),
    good=lambda: train_on(WarmsUp()),
    prediction=prediction,
    figure=Lines(
        "Without warm-up the loss jumps, and no small rate repairs it",
        "train loss",
        x="update",
        y="cross-entropy loss (nats)",
    ),
)

# %% tags=["claim"]
claim(
    "8.2",
    "warm-up is worth at least 50 points of accuracy",
    result.gain("test accuracy"),
    at_least=0.5,
)


# %% [markdown]
# Both anneal, the good version in its second half only. Is it the way up that helps? Two more runs that do not anneal: a constant rate, and a warm-up after which the rate stays. (`LinearLR` takes
# factors of the peak rate; it starts at the 25th part, as before.)


# %%
class StaysAtThePeak(DeepClassifier):
    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


class WarmsUpAndStays(DeepClassifier):
    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=self.lr)
        rise = int(0.5 * self.trainer.estimated_stepping_batches)
        scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / 25, 1.0, rise)
        schedule = {"scheduler": scheduler, "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}


# %%
def accuracy_of(make_model):
    return from_the_seed(lambda: train_on(make_model()))["test accuracy"]


constant, warm_only = map(accuracy_of, (StaysAtThePeak, WarmsUpAndStays))
print(f"neither:          {constant:.3f}")
print(f"annealing alone:  {result.bad.number('test accuracy'):.3f}")
print(f"warm-up alone:    {warm_only:.3f}")
print(f"both:             {result.good.number('test accuracy'):.3f}")
claim("8.2", "warm-up alone rescues the run", warm_only - constant, at_least=0.5)

# %% [markdown]
# **Why.** Adam divides each gradient by an estimate of its usual size. In the first update there is no *usual* yet, only one gradient, which is divided by its own size. What remains is its
# sign. So the first step moves every weight by the whole learning rate, however small its gradient. Let us watch the weights of the third block, in both versions. `AppliedRates` notes the
# rate of each update.

# %%
from itertools import pairwise

from course_utils.measure import AppliedRates


class ThirdBlock(L.Callback):
    def on_fit_start(self, trainer, model):
        self.weights = []

    def on_train_batch_start(self, trainer, model, *_):
        self.weights.append(model.net[5].change[0].weight.detach().clone())


def watch(make_model):
    block = ThirdBlock()
    trainer = L.Trainer(max_epochs=3, **quiet_trainer(callbacks=[block]))
    with AppliedRates() as rates:
        from_the_seed(lambda: trainer.fit(make_model(), datamodule=large_batches))
    sizes = [weight.abs().median().item() for weight in block.weights]
    steps = [(b - a).abs().median().item() for a, b in pairwise(block.weights)]
    return sizes, steps, rates.values


# %%
sizes, steps, rates = watch(StartsAtThePeak)
first, growth = steps[0] / rates[0], sizes[5] / sizes[0]
print(f"no warm-up: weights of {sizes[0]:.3f}, after five updates {sizes[5]:.3f}")
print(f"the first step is {first:.3f} times the rate of {rates[0]:.3f}")
sizes, steps, rates = watch(WarmsUp)
peak = rates.index(max(rates))
at_peak = steps[peak] / rates[peak]
print(f"warm-up: the first rate is {rates[0]:.4f}; at the peak of {rates[peak]:.3f}")
print(f"a step is {at_peak:.3f} times the rate")

# %% tags=["claim"]
claim("8.2", "Adam's first step is about as long as the rate", first, at_least=0.8)
claim(
    "8.2",
    "without warm-up the weights grow by a third or more in five updates",
    growth,
    at_least=4 / 3,
)
claim(
    "8.2",
    "after warm-up a step is a quarter of the rate or less",
    at_peak,
    at_most=0.25,
)

# %% [markdown]
# (All are medians over the weights of one matrix.) Without warm-up, the first step is almost as long as the weights themselves, and after five updates they are about twice as large. The other blocks do the same at once, each on the
# assumption that the others stay. What comes out is another network, and a bad one. With warm-up, the first rate is 25 times smaller. When the peak comes, Adam's averages know which gradients only change their sign from
# batch to batch, and such weights hardly move.
#
# **The trap in the scheduler.** `OneCycleLR` takes over: it ignores the `lr` of the optimizer and starts at a 25th of the peak. It counts its own steps, and Lightning steps a
# scheduler once an *epoch* unless you say `"interval": "step"`. We leave that out and note the rate of every update:


# %%
class StepsOnceAnEpoch(WarmsUp):
    def configure_optimizers(self):
        configured = super().configure_optimizers()
        del configured["lr_scheduler"]["interval"]
        return configured


# %%
by_step = max(rates)
_, _, rates = watch(StepsOnceAnEpoch)
by_epoch = max(rates)
print(f"by step, the largest rate is  {by_step:.4f}")
print(f"by epoch, the largest rate is {by_epoch:.4f}")
claim(
    "8.2",
    "by epoch, the rate never gets near its peak",
    by_epoch / by_step,
    at_most=0.1,
)

# %% [markdown]
# The cycle has a fixed length: let the run go on after its end, and `OneCycleLR` raises an error. And it also turns the momentum (in Adam, the first beta) down and up again unless you write
# `cycle_momentum=False`, as we did, so that the rate is the only difference.
#
# **When the bad version is right.** Warm-up makes a rate usable that is too large for the start. A smaller rate does not need it. Here is the bad version again with a tenth of the peak:

# %%
smaller = accuracy_of(lambda: StartsAtThePeak(lr=0.004))
behind = result.good.number("test accuracy") - smaller
print(f"a tenth of the rate, no warm-up: {smaller:.3f}")
claim("8.2", "a tenth of the rate needs no warm-up", behind, at_most=0.02)

# %% [markdown]
# It is not behind the run with warm-up. So on a network that trains as quickly as this one, try a smaller rate first. Warm-up pays where you cannot try ten rates, because one run takes days, and where the network is fragile at the
# start: deep, with the normalization after the sum, as here. Most transformers today normalize *before* the block, which makes the start milder. Warm-up costs a schedule that has to know the length of the run.
#
# ### Your turn · A warm-up that counts updates
#
# The module below shall train with SGD and a momentum of 0.9. The rate should rise during the first quarter of all updates to 0.1, then fall to zero at the end of the run, for any number of
# epochs, and also when the Trainer accumulates batches. The momentum shall stay. *(8 minutes)*


# %% tags=["exercise"]
class RisesAndFalls(DigitClassifier):
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
# ## 8.3 Monitor gradients
#
# To choose a limit for clipping, you want to know how long gradients usually are. A popular list of tips logs them in `on_after_backward`. You also use
# `accumulate_grad_batches=4`, so that four batches make one update. You log the norm and read its mean over the epoch.
#
# **Predict.** Compared with the mean norm of the gradients that the optimizer uses, the logged mean is
#
# - **a** four times as large;
# - **b** about two thirds of it;
# - **c** the same: a gradient is a gradient, whoever looks at it.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# ### Bad: look after each backward pass

# %% tags=["bad"]
from lightning.pytorch.utilities import grad_norm


class LooksAfterBackward(DigitClassifier):
    def on_after_backward(self):
        norms = grad_norm(self, norm_type=2)
        total = norms["grad_2.0_norm_total"]
        self.log("grad_norm", total, on_step=True, on_epoch=True)


# %% [markdown]
# ### Good: look before each optimizer step


# %% tags=["good"]
class LooksBeforeTheStep(DigitClassifier):
    def on_before_optimizer_step(self, optimizer):
        norms = grad_norm(self, norm_type=2)
        total = norms["grad_2.0_norm_total"]
        self.log("grad_norm", total, on_step=True, on_epoch=True)


# %% [markdown]
# ### The contrast
#
# Ten updates of four batches each. `NewestNorm` notes after each batch what a callback or a progress bar would show, from the first update on. `UpdateLog` knows what the optimizer used. Watch whether the two
# curves lie on each other.

# %%
from statistics import mean

from course_utils.experiments.plots import Panels


class NewestNorm(L.Callback):
    def on_fit_start(self, trainer, model):
        self.values = []

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step:
            self.values.append(float(trainer.callback_metrics["grad_norm_step"]))


# %%
def monitor(model, **flags):
    log, newest = UpdateLog(), NewestNorm()
    options = quiet_trainer(callbacks=[log, newest], **flags)
    trainer = L.Trainer(max_epochs=1, limit_train_batches=40, **options)
    trainer.fit(model, datamodule=digits)
    logged = float(trainer.callback_metrics["grad_norm_epoch"])
    return {
        "mean norm, logged": logged,
        "mean norm, used": mean(log.norms),
        "logged / used": logged / mean(log.norms),
        "logged": newest.values,
        "used by the optimizer": [log.norms[n - 1] for n in log.so_far if n],
    }


# %% tags=["contrast"]
result = contrast(
    "8.3",
    bad=lambda: monitor(LooksAfterBackward(), accumulate_grad_batches=4),
    good=lambda: monitor(LooksBeforeTheStep(), accumulate_grad_batches=4),
    prediction=prediction,
    figure=Panels(
        "After backward, three looks in four see an unfinished sum",
        ["logged", "used by the optimizer"],
        x="batch, from the first update on",
        y="gradient norm",
    ),
)

# %% tags=["claim"]
claim(
    "8.3",
    "after backward, the mean is at most 85 % of the truth",
    result.bad.number("logged / used"),
    at_most=0.85,
)
claim(
    "8.3",
    "before the step it is the truth",
    abs(result.good.number("logged / used") - 1),
    at_most=1e-4,
)

# %% [markdown]
# **Why.** `on_after_backward` runs after every batch. PyTorch adds each gradient to those of the batches before, so the first look sees a quarter of the sum, the second a half, and only the
# fourth sees what the optimizer gets. Hence the saw. `on_before_optimizer_step` runs once an update, when the sum is complete.
#
# (The *step* curve of a logger escapes: Lightning writes no row while it accumulates, so every row falls on a complete sum. The mean and everything that callbacks read do not escape.)
#
# There is a second trap. With `precision="16-mixed"`, Lightning multiplies the loss by a large factor, so that small gradients survive 16 bits, and divides the gradients just before the step. It happens on GPUs; the
# scaler also exists for the CPU, so we can look:

# %%
from lightning.pytorch.plugins import MixedPrecision


def under_half_precision(make_model):
    scaler = torch.amp.GradScaler("cpu", init_scale=2**16)
    half = {"plugins": [MixedPrecision("16-mixed", "cpu", scaler)]}
    run = from_the_seed(lambda: monitor(make_model(), accelerator="cpu", **half))
    return run["logged / used"]


seen_after, seen_before = map(
    under_half_precision, (LooksAfterBackward, LooksBeforeTheStep)
)
print(f"after backward:  {seen_after:.1f} times the gradient used")
print(f"before the step: {seen_before:.1f} times")
claim(
    "8.3",
    "after backward, half precision shows a scaled norm",
    seen_after,
    at_least=1e4,
)

# %% [markdown]
# ### What norms tell: the gradient that vanishes
#
# Two deep networks, eight layers each, differ in their activation: sigmoid or ReLU. One trains, one does not, and the loss alone does not say why. `NormsByLayer` looks in the right hook, layer by layer.


# %%
class NormsByLayer(DigitClassifier):
    def __init__(self, activation):
        super().__init__(lr=1e-3)
        hidden = [nn.Sequential(nn.Linear(64, 64), activation()) for _ in range(6)]
        first = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), activation())
        self.net = nn.Sequential(first, *hidden, nn.Linear(64, 10))
        self.seen = []

    def on_before_optimizer_step(self, optimizer):
        layers = [layer for layer in self.modules() if isinstance(layer, nn.Linear)]
        self.seen.append([layer.weight.grad.norm().item() for layer in layers])

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


# %%
from statistics import median

from course_utils.experiments.plots import show


def look_inside(activation):
    def run():
        model = NormsByLayer(activation)
        return model, train_on(model, digits, epochs=1)

    model, measured = from_the_seed(run)
    by_layer = tuple(map(median, zip(*model.seen)))  # over all updates
    total = median(sum(n**2 for n in norms) ** 0.5 for norms in model.seen)
    return {**measured, "by layer": by_layer, "total": total}


sigmoid, relu = look_inside(nn.Sigmoid), look_inside(nn.ReLU)

# %% [markdown]
# In the figure, *bad* is sigmoid and *good* is ReLU. One point is the median norm of a layer's weight gradient over the epoch, on a logarithmic axis. Read it from right to left, as the backward pass runs.

# %%
picture = Lines(
    "On its way through the sigmoids the gradient all but vanishes",
    "by layer",
    x="layer",
    y="median gradient norm",
    log=True,
)
show(picture, {"bad": sigmoid, "good": relu})
print(f"total norm: sigmoid {sigmoid['total']:.3f}, ReLU {relu['total']:.3f}")
print(
    f"accuracy: sigmoid {sigmoid['test accuracy']:.3f}, "
    f"ReLU {relu['test accuracy']:.3f}"
)

# %% tags=["claim"]
share = sigmoid["by layer"][0] / sigmoid["by layer"][-1]
claim("8.3", "less than a ten thousandth arrives at the first", share, at_most=1e-4)
gain = relu["test accuracy"] - sigmoid["test accuracy"]
claim("8.3", "and ReLU is at least 15 points better", gain, at_least=0.15)
claim("8.3", "although the total looks healthy", sigmoid["total"], at_least=0.2)

# %% [markdown]
# The slope of a sigmoid is at most a quarter. Seven of them in a row multiply to less than a ten thousandth, and small weights make it worse. The total norm does not show it: it is almost all last layer. So log the total
# always, and the layers when a deep network does not learn.
#
# One thing no norm shows: a layer that is not used. Its gradient is not zero, it does not exist, and `grad_norm` leaves it out without a word:


# %%
class ForgetsALayer(DigitClassifier):
    def __init__(self):
        super().__init__()
        self.extra = nn.Linear(10, 10)  # the forward pass never asks for it


model = ForgetsALayer()
images, labels = digits.train_images[:64] / 255, digits.train_labels[:64]
F.cross_entropy(model(images), labels).backward()
names = grad_norm(model, norm_type=2)
print("weight tensors:", len(list(model.parameters())))
print("norms:", len(names) - 1)  # one of the entries is the total

# %% [markdown]
# **When the bad version is right.** Without accumulation and in full precision, both hooks see the same gradient. Let us see:

# %%
plain = monitor(LooksAfterBackward())
claim(
    "8.3",
    "one batch an update: both agree",
    abs(plain["logged / used"] - 1),
    at_most=1e-4,
)

# %% [markdown]
# Both run *before* clipping, which is what you want: you see how long a gradient was, not where it was cut. What it costs: a pass over all gradients, and a logged number. One total in each step is cheap;
# a norm for each tensor in each step is many small operations, so log those every hundredth step.
#
# ### Your turn · Let the gradient reach every layer
#
# This deep network learns little. Three faults keep the gradient from some of its layers. Find them (the tools above help), and repair them. Keep all layers, which have nine weight
# matrices, and an activation, of whatever kind, after each of the hidden ones. *(8 minutes)*


# %% tags=["exercise"]
class DeepAndDeaf(DigitClassifier):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU())
        hidden = [nn.Sequential(nn.Linear(64, 64), nn.Sigmoid()) for _ in range(6)]
        self.net = nn.Sequential(*hidden)
        self.refine = nn.Linear(64, 64)
        self.head = nn.Linear(64, 10)

    def forward(self, images):
        features = self.encoder(images).detach()
        features = self.net(features)
        features = features + self.refine(features).round()
        return self.head(features)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


# %%
check("8.3", DeepAndDeaf)

# %%
# hint("8.3")

# %% [markdown]
# ## 8.4 Stop early
#
# 500 training digits, and somebody guessed three in five of their labels; those of the validation images are right. A network learns the rule first, then the guesses by heart. `EarlyStopping("val_loss", patience=10)` ends the run when the
# validation loss has not improved ten times in a row. It stops long before the sixty epochs are over.
#
# **Predict.** The weights that the model holds when the run has stopped are
#
# - **a** the best of the run: this is what the callback is for;
# - **b** at least 5 % worse, in validation loss, than the best ones;
# - **c** worse than those after sixty epochs, which are more thoroughly trained.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %%
from torch.utils.data import DataLoader, TensorDataset

from course_utils.data import scaled

few = ImageDataModule(train_size=500, val_size=1000)
dice = torch.Generator().manual_seed(few.seed)
guessed = torch.rand(500, generator=dice) < 0.6
guesses = torch.randint(10, (500,), generator=dice)
labels = torch.where(guessed, guesses, few.train_labels)
train_set = TensorDataset(scaled(few.train_images), labels)
train_loader = DataLoader(train_set, batch_size=125, shuffle=True)
val_batch = scaled(few.val_images), few.val_labels
val_loader = DataLoader([val_batch], batch_size=None)  # all 1,000 in one batch


# %%
class WideClassifier(DigitClassifier):
    def __init__(self):
        super().__init__(lr=8e-3)
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10)
        )

    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        self.log("val_loss", F.cross_entropy(self(images), labels))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


# %% [markdown]
# ### Bad: train to the end

# %% tags=["bad"]
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint


def to_the_end(folder):
    return [ModelCheckpoint(folder, monitor="val_loss")]


# %% [markdown]
# ### Good: stop when it no longer improves


# %% tags=["good"]
def in_time(folder):
    keep_best = ModelCheckpoint(folder, monitor="val_loss")
    return [keep_best, EarlyStopping("val_loss", patience=10)]


# %% [markdown]
# ### The contrast
#
# Both keep the best weights in a file. *At the end* means the weights in memory when `fit` returns, *best* those in the file. Watch where each validation loss has its lowest
# point, and where it ends.

# %%
import tempfile

from course_utils.measure import EpochEnds


def train_up_to_sixty(make_callbacks):
    model, ends = WideClassifier(), EpochEnds()
    test = digits.test_images, digits.test_labels
    with tempfile.TemporaryDirectory() as folder:
        callbacks = [*make_callbacks(folder), ends]
        options = quiet_trainer(callbacks=callbacks, enable_checkpointing=True)
        L.Trainer(max_epochs=60, **options).fit(model, train_loader, val_loader)
        at_end = accuracy(model, *test)
        best = WideClassifier.load_from_checkpoint(callbacks[0].best_model_path)
    val_losses = ends.values("val_loss")
    return {
        "epochs trained": float(len(val_losses)),
        "test accuracy at the end": at_end,
        "test accuracy of the best": accuracy(best, *test),
        "validation loss, end / best": val_losses[-1] / min(val_losses),
        "training loss": ends.values("train_loss"),
        "validation loss": val_losses,
    }


# %% tags=["contrast"]
result = contrast(
    "8.4",
    bad=lambda: train_up_to_sixty(to_the_end),
    good=lambda: train_up_to_sixty(in_time),
    prediction=prediction,
    figure=Panels(
        "The validation loss turns up early, the rest is learned by heart",
        ["training loss", "validation loss"],
        x="epoch",
        y="loss (nats)",
        end="training ends",
    ),
)

# %% tags=["claim"]
claim(
    "8.4",
    "stopping early saves half of the epochs or more",
    result.times("epochs trained"),
    at_least=2,
)
claim(
    "8.4",
    "and costs nothing: the best weights are the same",
    result.gain("test accuracy of the best"),
    equals=0,
)
claim(
    "8.4",
    "the weights in memory are at least 5 % worse than the best",
    result.good.number("validation loss, end / best"),
    at_least=1.05,
)
lost = result.good.number("test accuracy of the best") - result.good.number(
    "test accuracy at the end"
)
claim("8.4", "which costs 5 points of accuracy or more", lost, at_least=0.05)

# %% [markdown]
# **Why.** To know that ten checks in a row were no better, the callback has to wait for ten checks. Training goes on meanwhile, and it stops with the weights of the tenth. `EarlyStopping` keeps no
# weights. `ModelCheckpoint` does: load `best_model_path` afterwards.
#
# **What patience counts.** Not epochs: *checks*, that is validation runs. The next module reports a loss that gets worse every time. With a patience of 3, how many epochs does it train?


# %%
class OnlyGetsWorse(WideClassifier):
    def __init__(self, losses=range(1, 100)):
        super().__init__()
        self.losses = iter(losses)

    def on_validation_epoch_end(self):
        self.log("val_loss", float(next(self.losses)))

    def validation_step(self, batch, batch_idx):
        pass


def train_until_stopped(model, **flags):
    stop = EarlyStopping("val_loss", patience=3)
    options = quiet_trainer(callbacks=[stop], num_sanity_val_steps=0, **flags)
    trainer = L.Trainer(max_epochs=60, **options)
    trainer.fit(model, train_loader, val_loader)
    return trainer.global_step  # 4 in an epoch


# %%
each = train_until_stopped(OnlyGetsWorse())
often = train_until_stopped(OnlyGetsWorse(), val_check_interval=0.25)
seldom = train_until_stopped(OnlyGetsWorse(), check_val_every_n_epoch=5)
print("validation after each epoch, updates: ", each)
print("validation 4 times an epoch, updates: ", often)
print("validation each 5th epoch, updates:   ", seldom)
broken = train_until_stopped(OnlyGetsWorse([3, 2, torch.nan, 1]))
print("nan in the third check, updates:      ", broken)

# %% [markdown]
# Four checks in each of the first three runs: the first, which is the best, and three that are not. That is four epochs, one epoch, or twenty. And a validation loss of `nan` ends the run at once, whatever the patience
# (`check_finite=False` turns that off).
#
# **When the bad version is right.** When the schedule needs its end. A run with `OneCycleLR` makes its last progress while the rate falls to zero; stop it half-way, and you have paid for the large rates
# without the harvest. And when there are so many images that the validation loss never turns up, as in most large language models, which see each text about once. Choose the patience larger than the noise
# of the metric: a small validation set jitters.
#
# ### Your turn · A patience of two epochs
#
# The check trains with a Trainer that validates four times an epoch, and a module that logs `val_acc`. Return the callbacks that end the run once `val_acc` has seen no new high for two whole epochs, and that
# keep the best weights in `folder`. *(6 minutes)*


# %% tags=["exercise"]
def callbacks(folder):
    return [EarlyStopping("val_acc", patience=2)]


# %%
check("8.4", callbacks)

# %%
# hint("8.4")

# %% [markdown]
# ## Take away
#
# A checklist for your own code:
#
# - [ ] Gradients are clipped by norm, with a limit a little above the usual norm.
# - [ ] A loss that jumps in the first steps gets a warm-up, or a smaller rate; the scheduler steps with each update.
# - [ ] Norms are read in `on_before_optimizer_step`; if a deep network does not learn, layer by layer.
# - [ ] Every parameter gets a gradient: none is missing, none vanishes.
# - [ ] `EarlyStopping` comes with a `ModelCheckpoint`; its patience is counted in validation checks, and its `mode` fits the metric.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin: [the record](../src/course_utils/records/evidence.md#lesson-08).
#
# **Sources** Lightning's documentation on [gradient clipping and accumulation](https://lightning.ai/docs/pytorch/stable/advanced/training_tricks.html),
# [hooks](https://lightning.ai/docs/pytorch/stable/common/lightning_module.html#hooks) and [early stopping](https://lightning.ai/docs/pytorch/stable/common/early_stopping.html);
# Pascanu, Mikolov, Bengio, [On the difficulty of training recurrent neural networks](https://arxiv.org/abs/1211.5063); Xiong et al., [On layer normalization in the transformer
# architecture](https://arxiv.org/abs/2002.04745); Smith and Topin, [Super-convergence](https://arxiv.org/abs/1708.07120); MNIST by LeCun, Cortes and Burges.
#
# Next: [lesson 09](09_checkpointing.ipynb), or look at the [solutions](../solutions/08_training_stability.ipynb) of this one.
