# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 05 · Same code, same data, same seed: the same network?
#
# You train a network, and tomorrow you train it again. A colleague does the same on her machine. Your run breaks down at night, and you resume it. Which of these networks
# are equal, to the last bit? In this lesson you measure the distance between two runs, step by step, and at the end you can
#
# - make two runs end with the same bits, and name what a seed does not decide;
# - find an operation that gives other bits each time, although everything is seeded;
# - resume an interrupted run so that nobody can tell it was interrupted, and prove it.
#
# **You need** to know what a `LightningModule`, a `Trainer` and a checkpoint are. New here? [Start here](00_start_here.ipynb) takes fifteen minutes.
#
# **Time** 30 minutes of reading and running, 24 minutes of exercises. All cells together run in less than half a minute on two CPU cores.

# %% tags=["setup"]
try:
    import course_utils
except ModuleNotFoundError:  # opened alone, as on Colab: fetch the helpers, keep torch
    from IPython import get_ipython

    get_ipython().run_line_magic("pip", 'install -q "lightning-course-utils==0.1.*"')
    import course_utils

course_utils.start("05", written_for="0.1")

# %%
import lightning as L
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from course_utils import check, claim, contrast, hint, solution
from course_utils.data import ImageDataModule
from course_utils.hardware import quiet_trainer

# %% [markdown]
# Images have the shape `(batch, channel, height, width)` and values from 0 to 1. The small network below draws random numbers in three places: `nn.Linear` draws its first
# weights, dropout draws which values to drop, and `training_step` asks NumPy for a brightness. A fourth draw hides in the data module, which shuffles its training images each epoch.
# All runs are on the CPU, also where there is a GPU: which operations are deterministic depends on the device.

# %%
QUIET = quiet_trainer(accelerator="cpu")
digits = ImageDataModule(batch_size=64, train_size=3200)


class DigitNet(L.LightningModule):
    """One hidden layer: images of shape (batch, 1, 28, 28) to logits of shape (batch, 10)."""

    def __init__(self):
        super().__init__()
        hidden = [nn.Linear(784, 64), nn.ReLU(), nn.Dropout(0.2)]
        self.net = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(64, 10))

    def forward(self, images):
        return self.net(images)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        brightness = np.random.uniform(0.8, 1.2)
        return F.cross_entropy(self(images * brightness), labels)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


# %% [markdown]
# ## 5.1 Seed everything, in time
#
# `L.seed_everything(42)` seeds the generators of Python, NumPy and torch. In many scripts it stands where the training starts: right above `trainer.fit`, and below the line that
# builds the model. From there on, everything is drawn from seeded generators: the order of the images, the dropout, the brightness. You run such a script twice.
#
# **Predict before you run.** Compared step by step, the weights of the two runs are
#
# - **a** the same to the last bit: all of the training was seeded;
# - **b** different at first, and pulled together by equal batches and equal dropout;
# - **c** different at first, and further and further apart.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# A script starts in a new process, whose generators are in a state of their own. `scramble_global_rngs` puts this process into such a state. `RunTrace` is a callback that keeps the weights
# before the first step and after each one, and `distances` compares two of them: the 2-norm of the difference, 0 if all bits are the same.

# %%
from course_utils.checks import RunTrace, distances, scramble_global_rngs


def fit(model):
    trace = RunTrace()
    trainer = L.Trainer(max_epochs=1, callbacks=[trace], **QUIET)
    trainer.fit(model, datamodule=digits)
    return model.cpu().eval(), trace


# %% [markdown]
# ### Bad: the seed comes after the model


# %% tags=["bad"]
def seeds_the_training():
    model = DigitNet()
    L.seed_everything(42, verbose=False)
    return fit(model)


# %% [markdown]
# ### Good: the seed comes first


# %% tags=["good"]
def seeds_everything():
    L.seed_everything(42, verbose=False)
    model = DigitNet()
    return fit(model)


# %% [markdown]
# ### The contrast
#
# `run_twice` runs a script in two "processes", and compares. Watch the curves, then the last rows: does it matter? The last one is a share, from 0 to 1.

# %%
from course_utils.data import scaled
from course_utils.experiments.plots import Lines

test_images = scaled(digits.test_images)  # bytes from 0 to 255, made floats from 0 to 1


def run_twice(script):
    runs = []
    for state in torch.randint(2**31, (2,)).tolist():
        scramble_global_rngs(state)  # as a new process would
        runs.append(script())
    (first, trace), (second, other) = runs
    answers, others = [m(test_images).argmax(1) for m in (first, second)]
    return {
        "distance": distances(trace, other),
        "distance at the end": distances(trace, other)[-1],
        "the same bits": all(map(torch.equal, trace.weights, other.weights)),
        "accuracy, first run": (answers == digits.test_labels).float().mean(),
        "accuracy, second run": (others == digits.test_labels).float().mean(),
        "share answered differently": (answers != others).float().mean(),
    }


# %% tags=["contrast"]
result = contrast(
    "5.1",
    bad=lambda: run_twice(seeds_the_training),
    good=lambda: run_twice(seeds_everything),
    prediction=prediction,
    figure=Lines(
        "Seeded after the model, two runs start apart and drift on",
        "distance",
        x="training step",
        y="distance of the weights (2-norm)",
        first=0,
    ),
)

# %% tags=["claim"]
start, *_, end = result.bad.measured["distance"]
claim(
    "5.1",
    "seeded too late, two runs end further apart than they started, by 1 or more",
    end - start,
    at_least=1.0,
)
claim(
    "5.1",
    "seeded in time, they end with the same bits",
    result.good.number("distance at the end"),
    equals=0,
)

# %% [markdown]
# **Why.** The first weights were drawn before the seed was set. Equal batches do not pull two networks together: there are many good solutions, and each network walks on from its own
# start. The accuracies hardly differ, so the two runs look alike in your table. The networks are not: they answer some test digits differently.
#
# **A seed fixes a sequence of numbers, not who draws which.** Let one more number be drawn between the model and the training, as a new layer or a look at a random sample would do.
# The seed is in time, and the first weights are equal. (`preserve_global_state` puts back what a block changes: random states, threads, modes. `contrast` does that, too.)

# %%
from course_utils.experiments import preserve_global_state


def draws_one_more():
    L.seed_everything(42, verbose=False)
    model = DigitNet()
    torch.rand(1)
    return fit(model)


with preserve_global_state():
    apart = distances(seeds_everything()[1], draws_one_more()[1])
claim("5.1", "one more draw: the same first weights", apart[0], equals=0)
claim("5.1", "and a distance of 1 or more at the end", apart[-1], at_least=1.0)

# %% [markdown]
# Every later draw from torch's generator got another number, so the images came in another order. That is why a seed does not carry over to a changed program, and why comparing two variants *under the same seed*
# does not make the comparison fair: compare over several seeds.
#
# **What else decides, although no seed knows it?** First, the *number of workers*: processes of the loader, each with generators of its own. `RandomNumbers` is a dataset whose items are three random
# numbers, one from each of Python, NumPy and torch, as a random augmentation would draw them.

# %%
from torch.utils.data import DataLoader, TensorDataset

from course_utils.exercises.lesson_05 import RandomNumbers


def drawn_with(workers):
    with preserve_global_state():
        L.seed_everything(42, verbose=False)
        loader = DataLoader(RandomNumbers(8), batch_size=4, num_workers=workers)
        return set(torch.cat(list(loader)).flatten().tolist())


two, again, none = drawn_with(2), drawn_with(2), drawn_with(0)
claim("5.1", "two workers, twice: all 24 numbers again", len(two & again), equals=24)
claim("5.1", "two workers, then none: not one number", len(two & none), equals=0)

# %% [markdown]
# So `num_workers` belongs to the settings that you write down. (You often see `seed_everything(42, workers=True)`. In one training process PyTorch seeds the generators of its workers
# anyway, as you just saw; the option matters when several processes train together.)
#
# Second, the *hash seed* of Python: in each new process, sets of strings come in another order. `list(set(names))` as a list of classes swaps your labels from run to run.

# %%
import os
import subprocess
import sys

code = "import random; random.seed(42); print(*set('abcdefghijklmnopqrst'))"


def order_of_a_set(hash_seed):
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    return done.stdout


print("hash seed 1, twice: same order", order_of_a_set("1") == order_of_a_set("1"))
print("hash seeds 1 and 2: same order", order_of_a_set("1") == order_of_a_set("2"))

# %% [markdown]
# Python reads that variable when it starts, so `seed_everything` comes too late for it. Use `sorted(set(names))`.
#
# **When the bad version is right.** When you want to know how much chance there is in a result, you need runs that differ. Then give each its own seed, and keep the seeds: runs that differ
# *and* can be repeated. A network that only works with 42 does not work.
#
# ### Your turn · Three leaks
#
# `train` gets a seed and returns a trained network. It should depend on that seed and on nothing else: called twice with 3 it must return the same bits, also within one process, and
# called with 4 others. It leaks in three places. *(three lines, 6 minutes)*

# %% tags=["exercise"]
ORDER = torch.Generator().manual_seed(0)


def train(seed):
    model = DigitNet()
    torch.manual_seed(seed)
    data = ImageDataModule(train_size=640)
    kept = np.random.permutation(640)[:320]  # half of the images
    images, labels = scaled(data.train_images[kept]), data.train_labels[kept]
    dataset = TensorDataset(images, labels)
    loader = DataLoader(dataset, batch_size=32, shuffle=True, generator=ORDER)
    L.Trainer(max_epochs=1, **quiet_trainer()).fit(model, loader)
    return model


# %%
check("5.1", train)

# %% [markdown]
# Stuck? `hint("5.1")` gives a nudge, the second call a bigger one. `solution("5.1")` shows one way to do it, with its reason.

# %%
# hint("5.1")

# %% [markdown]
# ## 5.2 Ask for deterministic operations
#
# A seed decides what is drawn. Does it decide what is *computed*? Apart from its first weights, this network draws nothing. It reduces images to 14 × 14 pixels, looks up a learned vector for the grey level
# of each pixel, and feeds all of them to one layer. You train it twice, one run after the other, from one seed and on one machine. PyTorch may use two threads in each run.
#
# **Predict.** The two runs
#
# - **a** have the same bits: same seed, same program, same machine;
# - **b** differ by a rounding error in the first steps, and drift apart from there;
# - **c** have the same bits until rounding errors pile up, some hundred steps later.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
class GreyTable(L.LightningModule):
    """A vector for each of 16 grey levels: images (batch, 1, 28, 28) to logits (batch, 10)."""

    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(0.1 * torch.randn(16, 16))
        self.out = nn.Linear(14 * 14 * 16, 10)

    def forward(self, images):
        levels = (F.avg_pool2d(images, 2) * 15).round().long()
        return self.out(self.table[levels].flatten(1))

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.3)


# %% [markdown]
# ### Bad: any operation will do


# %% tags=["bad"]
def takes_any_operation(**options):
    return L.Trainer(**options)


# %% [markdown]
# ### Good: the Trainer asks for deterministic operations


# %% tags=["good"]
def asks_for_deterministic(**options):
    return L.Trainer(deterministic=True, **options)


# %% [markdown]
# ### The contrast
#
# Each version runs twice for twenty steps, with large batches. The figure's vertical axis is logarithmic, with a place for 0 below.

# %%
many = ImageDataModule(batch_size=512)


def train_twice(make_trainer):
    torch.set_num_threads(2)
    seed, traces = torch.randint(2**31, ()).item(), [RunTrace(), RunTrace()]
    for trace in traces:
        L.seed_everything(seed, verbose=False)
        trainer = make_trainer(max_steps=20, callbacks=[trace], **QUIET)
        trainer.fit(GreyTable(), datamodule=many)
    apart = distances(*traces)
    return {
        "distance": apart,
        "distance after 20 steps": apart[-1],
        "same bits at the start": apart[0] == 0,
        "same bits at the end": apart[-1] == 0,
    }


# %% tags=["contrast"]
result = contrast(
    "5.2",
    bad=lambda: train_twice(takes_any_operation),
    good=lambda: train_twice(asks_for_deterministic),
    prediction=prediction,
    figure=Lines(
        "One seed, two threads: rounding errors by chance, and they grow",
        "distance",
        x="training step",
        y="distance of the weights (2-norm)",
        first=0,
        smallest=1e-9,
    ),
)

# %% tags=["claim"]
apart = result.bad.measured["distance"]
first = next((d for d in apart if d), float("nan"))
claim("5.2", "two threads, one seed: the weights differ", max(apart[:5]), at_least=1e-9)
claim("5.2", "and the difference grows tenfold or more", apart[-1] / first, at_least=10)
claim(
    "5.2",
    "with deterministic operations they have the same bits",
    result.good.number("distance after 20 steps"),
    equals=0,
)

# %% [markdown]
# Both curves begin at 0: the same first weights. The good one stays there. The bad one leaves it within the first few steps, by about as much as a float rounds, and then the distance
# grows, since each step starts from weights that already differ. No seed can prevent it.
#
# **Why.** Float addition rounds, so the *order* of a sum decides its last bits. An order can change in two ways. The harmless one: another number of threads cuts a sum
# into other parts. The result is another one, but the same each time.

# %%
numbers = torch.randn(50, 100_000)


def sums(threads):
    with preserve_global_state():
        torch.set_num_threads(threads)
        return [row.sum().item() for row in numbers]


one, two, again = sums(1), sums(2), sums(2)
equal = sum(a == b for a, b in zip(two, again))
claim("5.2", "two threads, twice: the same 50 sums", equal, equals=50)
other = sum(a != b for a, b in zip(one, two))
claim("5.2", "one thread or two: other bits in 5 sums or more", other, at_least=5)

# %% [markdown]
# So write down the number of threads, like the number of workers. A seed does not carry over to a machine with another number of cores.
#
# The harmful way is a *race*. The gradient of a table row is a sum over all pixels that looked it up. Two threads add to it at once, each when it gets there, so the order is another one each time.
# `deterministic=True` makes PyTorch use one fixed order. The promise has a second half: an operation that has no deterministic version *raises*.

# %% tags=["raises-exception"]
with preserve_global_state():
    torch.use_deterministic_algorithms(True)  # what deterministic=True calls
    pooled, places = F.max_pool2d(test_images[:2], 2, return_indices=True)
    F.max_unpool2d(pooled, places, 2)

# %% [markdown]
# `deterministic="warn"` warns instead. And note what else that call is: a setting of the whole process. A later Trainer that does not mention it leaves it on.

# %%
with preserve_global_state():
    L.Trainer(deterministic=True, **QUIET)
    L.Trainer(**QUIET)
    print("after a Trainer without it:", torch.are_deterministic_algorithms_enabled())
    L.Trainer(deterministic=False, **QUIET)
    print("after deterministic=False:", torch.are_deterministic_algorithms_enabled())

# %% [markdown]
# You may meet the advice to call `torch.use_deterministic_algorithms(True)` yourself, and to pass `benchmark=False` as well. With `deterministic=True`, Lightning does both.
#
# **When the bad version is right.** Most of the time. Most operations on a CPU are deterministic by themselves: the network of 5.1 needed no flag. PyTorch's documentation warns that deterministic versions
# are often slower, and an operation that raises must be replaced. Ask for it when you debug, when you compare two versions bit by bit, or when you must be able to prove what you trained.
#
# ### Your turn · A table without a race
#
# This network looks up a vector for each *pair* of neighbours in a row. Rewrite `forward` so that it computes the same and its gradient has the same bits each time, on two threads,
# **with deterministic mode off**. `table` and `out` stay as they are. *(two lines, 8 minutes)*


# %% tags=["exercise"]
class PairTable(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(0.1 * torch.randn(8, 8, 16))
        self.out = nn.Linear(14 * 13 * 16, 10)

    def forward(self, images):
        levels = (F.avg_pool2d(images, 2) * 7).round().long()
        left, right = levels[..., :-1], levels[..., 1:]
        return self.out(self.table[left, right].flatten(1))


# %%
check("5.2", PairTable)

# %%
# hint("5.2")

# %% [markdown]
# ## 5.3 Save the random state, and the place in the data
#
# A run of three epochs is interrupted in the middle of the second. You resume it from a checkpoint, in a new process. A checkpoint of Lightning holds weights, optimizers and counters, but no state of a random
# generator. So a popular list of tips gives a recipe: save all random states in `on_save_checkpoint`, restore them in `on_load_checkpoint`. Suppose that it loads (as printed, it does not; that
# comes first).
#
# **Predict.** With the recipe, the resumed run sees, in what is left of the second epoch,
#
# - **a** some images that it had seen before the interruption, and others not at all;
# - **b** the images that are left, in another order;
# - **c** the images that are left, in the order in which they would have come.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# The data: 1,280 images, so 20 batches an epoch, and a validation set. The usual data module, with `shuffle=True`:

# %%
from lightning.pytorch.callbacks import ModelCheckpoint

images, labels = scaled(digits.train_images[:1280]), digits.train_labels[:1280]
train_set = TensorDataset(images, labels)
val_set = TensorDataset(scaled(digits.val_images[:200]), digits.val_labels[:200])


class Shuffles(L.LightningDataModule):
    def train_dataloader(self):
        return DataLoader(train_set, batch_size=64, shuffle=True)

    def val_dataloader(self):
        return DataLoader(val_set, batch_size=100)


class ValidatedNet(DigitNet):
    def validation_step(self, batch, batch_idx):
        images, labels = batch
        self.log("val_loss", F.cross_entropy(self(images), labels))


# %% [markdown]
# `whole_and_resumed` trains once without a break, and writes a checkpoint after step 30 in passing. Then it builds everything anew, under another seed, and goes on from that file: what a new process
# would do. `build` returns module, data module and callbacks.

# %%
from tempfile import TemporaryDirectory


def train_all(build, folder, seed, **resume):
    L.seed_everything(seed, verbose=False)
    model, data_module, callbacks = build()
    keep = ModelCheckpoint(folder, "{step}", save_top_k=-1, every_n_train_steps=30)
    trace = RunTrace()
    options = {**QUIET, "enable_checkpointing": True, "max_epochs": 3}
    trainer = L.Trainer(callbacks=[*callbacks, trace, keep], **options)
    trainer.fit(model, datamodule=data_module, **resume)
    return trace


def whole_and_resumed(build):
    seed, other = torch.randint(2**31, (2,)).tolist()
    with TemporaryDirectory() as folder:
        whole = train_all(build, f"{folder}/whole", seed)
        path = f"{folder}/whole/step=30.ckpt"
        return whole, train_all(build, f"{folder}/more", other, ckpt_path=path)


# %% [markdown]
# Now the recipe as the list prints it. `unloadable_values` names the values in a checkpoint that do not load:

# %%
from pickle import UnpicklingError

from course_utils.checks import unloadable_values


class Recipe(ValidatedNet):
    def on_save_checkpoint(self, checkpoint):
        checkpoint["rng"] = {"torch": torch.get_rng_state()}
        checkpoint["rng"]["numpy"] = np.random.get_state()

    def on_load_checkpoint(self, checkpoint):
        torch.set_rng_state(checkpoint["rng"]["torch"])
        np.random.set_state(checkpoint["rng"]["numpy"])


# %%
try:
    with preserve_global_state():
        whole_and_resumed(lambda: (Recipe(), Shuffles(), []))
except UnpicklingError as error:
    print("UnpicklingError:", str(error).split(".")[0])
print(
    "what does not load:", unloadable_values({"NumPy's state": np.random.get_state()})
)

# %% [markdown]
# Saving works, so you learn this on the day when you need the file. NumPy's state contains an array, and since PyTorch 2.6 a checkpoint is read by default as *weights only*: tensors, numbers, text and
# containers of them. A NumPy array is none of these. Tell Lightning to trust the file, `trainer.fit(..., weights_only=False)`, or better, save plain values:

# %%
import random


def random_state():
    name, keys, *rest = np.random.get_state()
    state = {"torch": torch.get_rng_state(), "python": random.getstate()}
    state["numpy"] = (name, keys.tolist(), *rest)
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def restore(state):
    torch.set_rng_state(state["torch"])
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])


# %% [markdown]
# ### Bad: the recipe, in plain values


# %% tags=["bad"]
class SavesRandomState(ValidatedNet):
    def on_save_checkpoint(self, checkpoint):
        checkpoint["rng"] = random_state()

    def on_load_checkpoint(self, checkpoint):
        restore(checkpoint["rng"])


def recipe():
    return SavesRandomState(), Shuffles(), []


# %% [markdown]
# ### Good: the order has a place to go on from, the state comes back when training starts
#
# Three parts. A *sampler* whose order depends on seed and epoch alone, and can begin anywhere:

# %% tags=["good"]
from torch.utils.data import Sampler


class EpochSampler(Sampler):
    def __init__(self, size, seed):
        self.size, self.seed, self.epoch, self.start = size, seed, 0, 0

    def __len__(self):
        return self.size

    def set_epoch(self, epoch):  # Lightning calls it before each epoch
        self.epoch = epoch

    def __iter__(self):
        generator = torch.Generator().manual_seed(1000 * self.seed + self.epoch)
        order = torch.randperm(self.size, generator=generator).tolist()
        start, self.start = self.start, 0  # the next epoch begins at 0
        return iter(order[start:])


# %% [markdown]
# A *data module* that saves how many batches it has delivered. Its loader gets a generator of its own: each time a loader starts, it draws a number, and here it does not draw it from the global generator.


# %% tags=["good"]
class KeepsItsPlace(Shuffles):
    def __init__(self, batch_size=64):
        super().__init__()
        self.batch_size = batch_size
        self.sampler = EpochSampler(len(train_set), seed=42)
        self.own = torch.Generator()

    def train_dataloader(self):
        options = {"sampler": self.sampler, "generator": self.own}
        return DataLoader(train_set, self.batch_size, **options)

    def state_dict(self):
        batches = self.trainer.fit_loop.epoch_loop.batch_progress.total.ready
        return {"batches": batches}

    def load_state_dict(self, state):
        per_epoch = -(-len(train_set) // self.batch_size)  # rounded up
        self.sampler.epoch, batch = divmod(state["batches"], per_epoch)
        self.sampler.start = batch * self.batch_size


# %% [markdown]
# And a *callback* that restores the random state at the last moment, after Lightning has built loaders and everything else that draws:


# %% tags=["good"]
class KeepsRandomState(L.Callback):
    loaded = None

    def state_dict(self):
        return random_state()

    def load_state_dict(self, state):
        self.loaded = state

    def on_train_start(self, trainer, pl_module):
        if self.loaded is not None:
            restore(self.loaded)
            self.loaded = None


def exact():
    return ValidatedNet(), KeepsItsPlace(), [KeepsRandomState()]


# %% [markdown]
# ### The contrast
#
# The curve is the distance between the resumed run and the one without a break, from the interruption on. `coverage` compares the images of the second epoch. Ten batches, 640 images, were still to come.

# %%
from course_utils.checks import coverage


def interrupt(build):
    whole, resumed = whole_and_resumed(build)
    second_epoch = coverage(whole, resumed)
    apart = distances(whole, resumed)
    return {
        "distance": apart,
        "distance at the end": apart[-1],
        "steps after the interruption": len(resumed.samples),
        "of 100 images left, seen before": 100 * second_epoch.twice / second_epoch.due,
        "of 100 images left, never seen": 100 * second_epoch.never / second_epoch.due,
        "batches in order": "yes" if whole.samples[30:] == resumed.samples else "no",
    }


# %% tags=["contrast"]
result = contrast(
    "5.3",
    bad=lambda: interrupt(recipe),
    good=lambda: interrupt(exact),
    prediction=prediction,
    figure=Lines(
        "Random state alone: the resumed run goes another way",
        "distance",
        x="training step after the interruption",
        y="distance of the weights (2-norm)",
        first=0,
    ),
)

# %% tags=["claim"]
claim(
    "5.3",
    "with the recipe, 30 of 100 images left in the epoch never come",
    result.bad.number("of 100 images left, never seen"),
    at_least=30,
)
claim(
    "5.3",
    "with all three parts, none is left out",
    result.good.number("of 100 images left, never seen"),
    equals=0,
)
claim(
    "5.3",
    "and the resumed run ends with the same bits as one without a break",
    result.good.number("distance at the end"),
    equals=0,
)

# %% [markdown]
# **Why.** `shuffle=True` draws the order of an epoch when the epoch begins. The resumed run draws a new one, and Lightning, which knows that ten batches are left, takes the first ten of *it*.
# Of the images left, about half come by chance; in the place of the others come images that were seen already. No random state repairs that: what is missing is a place in an order.
#
# And which of the three parts could be left out? We leave out one at a time, interrupt at three places, and ask the probe that will also examine your exercise. It compares samples and bits.


# %%
from course_utils.checks import Place, resumes_exactly


class ForgetsItsPlace(KeepsItsPlace):
    def load_state_dict(self, state):
        pass


class DrawsFromTheGlobalGenerator(KeepsItsPlace):
    def __init__(self):
        super().__init__()
        self.own = None


# %%
def verdicts(build, places, **options):
    with preserve_global_state():
        findings = list(resumes_exactly(build, places, max_epochs=2, **options))
    failed = [finding.asked for finding in findings if not finding.ok]
    at = {place: [each for each in failed if str(place) in each] for place in places}
    return ["differs" if at[place] else "exact" for place in places]


def no_place():
    return ValidatedNet(), ForgetsItsPlace(), [KeepsRandomState()]


def no_generator():
    return ValidatedNet(), DrawsFromTheGlobalGenerator(), [KeepsRandomState()]


def no_callback():
    return ValidatedNet(), KeepsItsPlace(), []


# %% [markdown]
# The columns: interrupted within an epoch, at the end of one, and after a validation.

# %%
found = {}
places = [Place("batch", 30), Place("epoch", 1), Place("validation", 1)]
for build in (recipe, no_place, no_generator, no_callback, exact):
    found[build.__name__] = verdicts(build, places)
    print(f"{build.__name__:14}", *(f"{each:9}" for each in found[build.__name__]))

# %% tags=["claim"]
claim(
    "5.3",
    "all three parts: exact at three places",
    found["exact"].count("exact"),
    equals=3,
)
least = min(each.count("differs") for name, each in found.items() if name != "exact")
claim("5.3", "leave one out, and one place or more differs", least, at_least=1)

# %% [markdown]
# The recipe is exact at the end of an epoch, where the next order is yet to be drawn. After a validation it is not: Lightning starts the loader while it sets up, after `on_load_checkpoint`, and that
# draws a number which the run without a break did not draw there. `no_generator` fails at the place where the recipe succeeds: after the end of an epoch, the run without a break starts its loader anew, and so draws a number; the
# resumed run has drawn it already, before its state came back. The last row is the only one that you can rely on.
#
# Where do even all three parts fail? At a checkpoint in the middle of *accumulated* gradients, since a checkpoint holds no gradients. `accumulate_grad_batches=4` makes an update after batch 28 and after batch 32:

# %%
places = [Place("batch", batch) for batch in (28, 30, 32)]
for place, each in zip(places, verdicts(exact, places, accumulate_grad_batches=4)):
    print(f"{place}: {each}")

# %% [markdown]
# And at random augmentation in *workers*: they have drawn ahead when the checkpoint is written. There, let seed, epoch and index of an image decide its augmentation, as the sampler does for the order.
#
# **When the bad version is right.** A network that went another way after an interruption need not be a worse one: its images come again in the next epoch. If you resume at the end of epochs and report means over several seeds, the
# recipe, or no recipe, will do. Exactness is for long runs that break off often, for hunting a bug that shows after a day, and for tests. (A ready-made loader that saves its place is
# `StatefulDataLoader` of torchdata; ask it with the probe above before you rely on it.)
#
# ### Your turn · A generator of its own
#
# This module draws its noise from a NumPy generator that belongs to it. Data module and callback are those of the good version, so order, dropout and brightness are taken care of. Make its
# runs resumable, to the last bit. *(two lines, 10 minutes)*


# %% tags=["exercise"]
class AddsItsOwnNoise(DigitNet):
    def __init__(self):
        super().__init__()
        self.rng = np.random.default_rng(0)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        noise = torch.from_numpy(self.rng.normal(0, 0.3, images.shape)).float()
        return F.cross_entropy(self(images + noise), labels)

    def on_save_checkpoint(self, checkpoint):
        checkpoint["rng"] = self.rng

    def on_load_checkpoint(self, checkpoint):
        self.rng = checkpoint["rng"]


# %%
check("5.3", AddsItsOwnNoise)

# %%
# hint("5.3")

# %% [markdown]
# ## Take away
#
# A checklist for your own code:
#
# - [ ] The seed is set before the first draw, so before the model is built; generators of my own are made inside the run.
# - [ ] Beside the seed I write down: number of workers, number of threads, versions. Sets of strings are sorted.
# - [ ] I compare variants over several seeds, never under one.
# - [ ] Where bits count, `deterministic=True`; I know that it holds for the whole process.
# - [ ] What goes into a checkpoint is plain, and I have loaded it once.
# - [ ] If resuming must be exact: the order has a place, the loader a generator, and the random state comes back in `on_train_start`. A test compares bits and samples.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin: [the record](../src/course_utils/records/evidence.md#lesson-05).
#
# **Sources** PyTorch on [reproducibility](https://docs.pytorch.org/docs/stable/notes/randomness.html), on
# [deterministic operations](https://docs.pytorch.org/docs/stable/generated/torch.use_deterministic_algorithms.html) and on
# [`weights_only`](https://docs.pytorch.org/docs/stable/notes/serialization.html); Lightning on
# [`seed_everything`](https://lightning.ai/docs/pytorch/stable/common/trainer.html#reproducibility) and
# [saving state in callbacks and data modules](https://lightning.ai/docs/pytorch/stable/extensions/callbacks_state.html); MNIST by LeCun, Cortes and Burges.
#
# Next: [lesson 06](06_debugging.ipynb), or look at the [solutions](../solutions/05_reproducibility.ipynb) of this one.
