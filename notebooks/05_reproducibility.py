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
# You train a network today, and again tomorrow. A colleague trains it on two GPUs. Your run breaks off at night, and
# you resume it. Which of these networks are the same? In this lesson you compare runs, down to the last bit, and by the
# end you can
#
# - make two runs of a script give the same predictions, and say what a seed does not decide;
# - find out why two seeded runs still differ, and stop it;
# - resume an interrupted run so that no measurement can tell it was interrupted, and test that.
#
# **You need** to know what a `LightningModule`, a `Trainer` and a checkpoint are. New here?
# [Start here](00_start_here.ipynb) takes fifteen minutes.
#
# **Time** 30 minutes of reading and running, 24 minutes of exercises. All cells together run in less than half a minute
# on two CPU cores. Two sittings: 5.1 and 5.2, then 5.3.

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

course_utils.start("05", written_for="0.1")

# %%
import os
from itertools import islice

import lightning as L
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from course_utils import check, claim, contrast, hint, solution, try_guard
from course_utils.data import ImageDataModule, scaled
from course_utils.experiments.plots import Lines
from course_utils.hardware import quiet_trainer

# %% [markdown]
# `ImageDataModule` holds the images: shape `(batch, channel, height, width)`, as bytes, which it scales
# to values from 0 to 1 (so does `scaled`). `quiet_trainer` returns options for a `Trainer` that prints nothing. The
# small network below draws random numbers in three places: `nn.Linear` draws its first weights, dropout draws which
# values to drop, and `training_step` asks NumPy for a brightness. And the data module shuffles its training images
# every epoch.
#
# All runs use the CPU, even where there is a GPU: this lesson compares bits, and which operations repeat them depends
# on the device (5.2).

# %%
QUIET = quiet_trainer(accelerator="cpu")
data = ImageDataModule(batch_size=64, train_size=3200)


class DigitNet(L.LightningModule):
    """One hidden layer: images (batch, channel, height, width) to logits (batch, 10)."""

    def __init__(self):
        super().__init__()
        size = ImageDataModule().num_features
        hidden = [nn.Linear(size, 64), nn.ReLU(), nn.Dropout(0.2)]
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
# `L.seed_everything(42)` seeds the generators of Python, NumPy and PyTorch. In many scripts it stands where the
# training starts: right above `trainer.fit`, and below the line that builds the model. From there on everything is
# drawn from seeded generators: the order of the images, the dropout, the brightness. You run such a script twice.
#
# **Predict before you run.** How many test images do the two networks answer differently?
#
# - **a** none: the whole training was seeded;
# - **b** some, but fewer than one in a hundred: the same batches in the same order lead to nearly the same network;
# - **c** more than one in twenty-five.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
def fit(model, *callbacks):
    L.Trainer(max_epochs=1, callbacks=[*callbacks], **QUIET).fit(model, data)
    return model


# %% [markdown]
# ### Bad: the seed comes after the model


# %% tags=["bad"]
def seeds_the_training(*callbacks):
    model = DigitNet()
    L.seed_everything(42, verbose=False)
    return fit(model, *callbacks)


# %% [markdown]
# ### Good: the seed comes first


# %% tags=["good"]
def seeds_everything(*callbacks):
    L.seed_everything(42, verbose=False)
    model = DigitNet()
    return fit(model, *callbacks)


# %% [markdown]
# ### The contrast
#
# The folded cells run a script twice. Before each run they put all generators into a different state, as a new process
# would. Every five steps they compare the two networks' answers to the test images. This is an ordinary run:
# shuffled, a few thousand images, default settings.

# %% tags=["apparatus"]
# Runs a script in two "processes" and compares answers and weights.
from course_utils import checks
from course_utils.experiments import preserve_global_state

test_images = scaled(data.test_images)  # bytes from 0 to 255, made floats from 0 to 1


class RecordsAnswers(L.Callback):
    def on_train_start(self, trainer, pl_module):
        self.answers, self.weights = [], []
        self.on_train_batch_end(trainer, pl_module, None, None, -1)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if (batch_idx + 1) % 5 == 0:
            pl_module.eval()
            with torch.no_grad():
                self.answers.append(pl_module(test_images).argmax(1))
            pl_module.train()
            vector = nn.utils.parameters_to_vector(pl_module.parameters())
            self.weights.append(vector.detach().clone())


# %% tags=["apparatus"]
# Measures by how much two runs of a script differ.
def relative_distance(first, second):
    """Norm of the difference over the mean norm; 1.4 (the root of 2) if unrelated."""
    return float((first - second).norm() / (first.norm() * second.norm()).sqrt())


def share_that_differs(first, second):
    return float((first != second).float().mean())


def run_twice(script):
    first, second = RecordsAnswers(), RecordsAnswers()
    for watch in (first, second):
        checks.scramble_global_rngs(torch.randint(2**31, ()).item())
        script(watch)
    shares = list(map(share_that_differs, first.answers, second.answers))
    pairs = list(map(relative_distance, first.weights, second.weights))
    right = [
        (w.answers[-1] == data.test_labels).float().mean() for w in (first, second)
    ]
    return {
        "share answered differently": shares,
        "answered differently, at the end": shares[-1],
        "test accuracy, first run": right[0],
        "test accuracy, second run": right[1],
        "relative distance of the weights, first": pairs[0],
        "relative distance of the weights, last": pairs[-1],
    }


# %% tags=["apparatus"]
# The figure of the contrast.
plot = Lines(
    "Seeded after the model, two runs answer differently",
    "share answered differently",
    x="training step",
    y="share of test images",
    at=range(0, 51, 5),
)

# %% tags=["contrast"]
result = contrast(
    "5.1",
    run_twice,
    bad=seeds_the_training,
    good=seeds_everything,
    prediction=prediction,
    figure=plot,
)

# %% tags=["claim"]
late = result.bad["answered differently, at the end"]
early = result.good["answered differently, at the end"]
claim("5.1", "seeded after the model, two runs answer images differently", late >= 0.04)
claim("5.1", "seeded before the model, two runs answer all images alike", early == 0)

# %% [markdown]
# **Why.** The first weights were drawn before the seed was set. The two networks learn the same task, so
# their answers become more alike, and a table of accuracies tends to show two similar numbers. Their weights stay unrelated: a
# relative distance of about 1.4, the root of 2, is that of two independent random vectors, and it hardly changes.
# Nothing warns.
#
# **Now with two processes.** Every training process runs your script, so each calls `seed_everything(42)`. That makes
# the first weights equal, as it should. But a loader's workers take their seeds from the process that starts them. Do
# the workers of two GPUs draw the same "random" augmentations?
#
# `RandomNumbers` is a dataset whose items are three random numbers, one from each of Python, NumPy and PyTorch, as a
# random augmentation would draw them: 48 per process here. `run_processes` starts two processes as `torchrun` would and
# returns what each of them returned.

# %% tags=["apparatus"]
# A module that records what it is trained on, and options for two processes.
from course_utils.distributed import run_processes
from course_utils.exercises.lesson_05 import RandomNumbers

TWO_PROCESSES = {**QUIET, "devices": 2, "strategy": "ddp", "max_epochs": 1}


class RecordsNumbers(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.weight, self.drawn = nn.Parameter(torch.zeros(())), set()

    def training_step(self, batch, batch_idx):
        self.drawn |= set(batch.flatten().tolist())
        return self.weight * batch.mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


# %%
def drawn_by_both(num_workers, **seeding):
    def train():
        L.seed_everything(42, **seeding, verbose=False)
        loader = DataLoader(RandomNumbers(32), 4, num_workers=num_workers)
        model = RecordsNumbers()
        L.Trainer(**TWO_PROCESSES).fit(model, loader)
        return model.drawn

    first, second = run_processes(train)
    return len(first & second)


# %% tags=["claim"]
plain, workers = drawn_by_both(2), drawn_by_both(2, workers=True)
claim("5.1", "by default two processes' loader workers draw alike", plain, equals=48)
claim(
    "5.1", "with workers=True two processes' workers share no draw", workers, equals=0
)

# %% [markdown]
# By default both processes draw the very same numbers: your second GPU crops, flips and brightens its
# images exactly as the first one does, and you get half of the variety that you pay for. `workers=True` mixes the rank
# into the seed of every worker.
#
# **Scope.** The place of the seed matters in one process and in several, on CPU and GPU. `workers=True` matters
# with several processes and `num_workers` above 0, and only there.
#
# **When the bad version is right.** To learn how much of a result is chance, you need runs that differ. Then give every
# run its own seed, set it first, and keep it: the runs differ *and* can be repeated. A network that only works with 42
# does not work.
#
# ### Your turn · Three leaks
#
# `train` gets a seed and returns a trained network. It should depend on that seed alone: called twice with 3 it must
# return the same bits, also within one process; called with 4 it must return different ones. It leaks in three places.
# *(three lines, 6 minutes)*

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
# ### Take along
#
# A test for your project. `train` builds a model, trains it for a few steps and returns it:


# %% tags=["guard"]
def assert_repeatable(train):
    first = train().state_dict()
    second = train().state_dict()
    same = [torch.equal(first[name], second[name]) for name in first]
    assert all(same), f"{same.count(False)} of {len(same)} tensors differ"


# %% tags=["apparatus"]
# Tries the guard on both versions.
try_guard(
    "5.1",
    bad=lambda: assert_repeatable(seeds_the_training),
    good=lambda: assert_repeatable(seeds_everything),
)

# %% [markdown]
# ### Going further
#
# **A seed fixes a sequence of numbers, not who draws which.** Draw one more number between the model and the training,
# as a new layer or a look at a random sample would. (`preserve_global_state` puts back what a block changes: random
# states, threads, modes. `contrast` does that, too.)


# %%
def draws_one_more(*callbacks):
    L.seed_everything(42, verbose=False)
    model = DigitNet()
    torch.rand(1)
    return fit(model, *callbacks)


# %% tags=["apparatus"]
# Compares a seeded run with one that draws one number more.
one, other = RecordsAnswers(), RecordsAnswers()
with preserve_global_state():
    seeds_everything(one), draws_one_more(other)
apart = list(map(relative_distance, one.weights, other.weights))

# %%
claim(
    "5.1",
    "one more draw between model and training leaves the first weights as they were",
    apart[0],
    equals=0,
)
claim(
    "5.1",
    "one more draw between model and training changes the last weights",
    apart[-1],
    above=0.01,
)

# %% [markdown]
# Every later draw got a different number, so the images came in a different order. That is why a seed
# does not carry over to a changed program, and why comparing two variants *under the same seed* does not make the
# comparison fair: compare over several seeds.
#
# **`workers=True` acts only in workers.** With `num_workers=0` the two processes from above stay in step:

# %%
none = drawn_by_both(0, workers=True)
claim(
    "5.1",
    "without loader workers, two processes draw alike in spite of workers=True",
    none,
    equals=48,
)

# %% [markdown]
# **The number of workers** counts, too: every worker has generators of its own.


# %%
def drawn_with(workers):
    with preserve_global_state():
        L.seed_everything(42, verbose=False)
        loader = DataLoader(RandomNumbers(8), batch_size=4, num_workers=workers)
        return set(torch.cat(list(loader)).flatten().tolist())


two, again, none = drawn_with(2), drawn_with(2), drawn_with(0)
claim(
    "5.1", "two loader workers draw the same numbers twice", len(two & again), equals=24
)
claim("5.1", "two loader workers and none share no number", len(two & none), equals=0)

# %% [markdown]
# **And the hash seed of Python:** in every new process, sets of strings come in a different order.
# `list(set(names))` as a list of classes swaps your labels from run to run.

# %%
import subprocess
import sys

code = "import random; random.seed(42); print(*set('abcdefghijklmnopqrst'))"


def order_of_a_set(hash_seed):
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-S", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    return done.stdout


print("hash seed 1, twice: same order", order_of_a_set("1") == order_of_a_set("1"))
print("hash seeds 1 and 2: same order", order_of_a_set("1") == order_of_a_set("2"))

# %% [markdown]
# Python reads that variable when it starts, so `seed_everything` comes too late for it. Use
# `sorted(set(names))`.

# %% [markdown]
# ## 5.2 Ask for deterministic operations
#
# A seed decides what is drawn. Does it decide what is *computed*? Apart from its first weights, this network draws
# nothing but the order of its images. It shrinks images to half their height and width, looks up a learned vector for
# the level of every pixel, and feeds all of them to one layer. You train it twice, one run after the other, from one
# seed, on one machine, with two threads.
#
# **Predict.** The two runs
#
# - **a** have the same bits: same seed, same program, same machine;
# - **b** differ by a rounding error in the first steps, and drift apart from there;
# - **c** have the same bits until rounding errors pile up, a hundred or so steps later.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
class LevelTable(L.LightningModule):
    """A vector for each of 16 levels: images (batch, channel, height, width) to logits."""

    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(0.1 * torch.randn(16, 16))
        self.out = nn.Linear(data.num_features // 4 * 16, data.num_classes)

    def forward(self, images):
        levels = (F.avg_pool2d(images, 2) * 15).round().long()
        return self.out(self.table[levels].flatten(1))

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


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
# The folded cell trains twice for fifteen steps, from one seed and on two threads. The figure's vertical axis is
# logarithmic, with a place for 0 at the bottom.

# %% tags=["apparatus"]
# Trains twice from one seed, and compares weights after every step, and answers.
many = ImageDataModule(batch_size=256)


def train_twice(make_trainer):
    torch.set_num_threads(2)
    seed, traces, answers = torch.randint(2**31, ()).item(), [], []
    for _ in range(2):
        L.seed_everything(seed, verbose=False)
        traces.append(checks.RunTrace())
        model = LevelTable()
        trainer = make_trainer(max_steps=15, callbacks=traces[-1:], **QUIET)
        trainer.fit(model, datamodule=many)
        answers.append(model(test_images).argmax(1))
    apart = list(map(relative_distance, *(trace.weights for trace in traces)))
    return {
        "relative distance": apart,
        "relative distance, at the end": apart[-1],
        "same bits at the start": apart[0] == 0,
        "same bits at the end": apart[-1] == 0,
        "share answered differently": share_that_differs(*answers),
    }


# %% tags=["apparatus"]
# The figure of the contrast.
plot = Lines(
    "One seed, two threads: rounding errors by chance, and they grow",
    "relative distance",
    x="training step",
    y="relative distance of the weights",
    first=0,
    smallest=1e-10,
)

# %% tags=["contrast"]
result = contrast(
    "5.2",
    train_twice,
    bad=takes_any_operation,
    good=asks_for_deterministic,
    prediction=prediction,
    figure=plot,
)

# %% tags=["claim"]
first = next((d for d in result.bad["relative distance"] if d), 0)
last = result.bad["relative distance, at the end"]
claim("5.2", "two seeded runs that index a table end with different bits", last > 0)
claim("5.2", "indexing a table, two runs first differ by rounding", first, at_most=1e-6)
claim("5.2", "two seeded runs that index a table then drift apart", last / first >= 3)
last = result.good["relative distance, at the end"]
claim("5.2", "with deterministic=True two seeded runs keep the same bits", last == 0)

# %% [markdown]
# Both curves begin at 0: the same first weights. The bad one leaves it within the first few steps, by
# about as much as a float rounds, and then grows, since every step starts from weights that already differ. Nothing
# warns.
#
# **Why.** Float addition rounds, so the *order* of a sum decides its last bits. The gradient of a table row is a sum
# over all pixels that looked it up, and two threads add to it at once, each when it gets there: a *race*. No seed
# decides who is first. `deterministic=True` makes PyTorch use one fixed order, and an operation that has no
# deterministic version *raises*:

# %% tags=["raises-exception"]
L.Trainer(deterministic=True, **QUIET)
pooled, places = F.max_pool2d(test_images[:2], 2, return_indices=True)
F.max_unpool2d(pooled, places, 2)

# %% [markdown]
# (`deterministic="warn"` warns instead.) You may meet the advice to call
# `torch.use_deterministic_algorithms(True)`, to pass `benchmark=False` and to set `CUBLAS_WORKSPACE_CONFIG`. The
# Trainer does all three, and for the whole process: a later `Trainer()` without the flag leaves them on.

# %% tags=["apparatus"]
# Prints what deterministic=True has set, after a Trainer that does not mention it.
L.Trainer(**QUIET)
print("deterministic operations:", torch.are_deterministic_algorithms_enabled())
print("cuDNN looks for the fastest:", torch.backends.cudnn.benchmark)
print("CUBLAS_WORKSPACE_CONFIG:", os.environ["CUBLAS_WORKSPACE_CONFIG"])
_ = L.Trainer(deterministic=False, **QUIET)  # off again

# %% [markdown]
# **The ordinary size.** The table is staged: most operations on a CPU repeat their bits by themselves,
# and the network of 5.1 needed no flag. Even here, the row *share answered differently* shows that no answer changes,
# or hardly one. What suffers is not the accuracy but the proof that two runs are the same.
#
# **On a GPU** (PyTorch's documentation; not measured here) more operations race. Convolutions, `index_add`,
# `scatter_add` and the gradient of `nn.Embedding` have a deterministic version; the gradients of bilinear
# `interpolate`, `AdaptiveAvgPool2d` and `CTCLoss` have none and raise. cuBLAS repeats its matrix products only with a
# fixed workspace, hence the variable: build the Trainer before your first computation on the GPU. And with
# `benchmark=True`, cuDNN picks whichever algorithm was fastest in its trial, which need not be the same one tomorrow.
#
# **Scope.** One machine: same versions, same device, same number of threads and processes. The flag promises nothing
# across two.
#
# **When the bad version is right.** Most of the time. PyTorch's documentation warns that deterministic versions are
# often slower, and an operation that raises must be replaced. Ask for determinism when you debug, when you compare two
# versions bit by bit, or when you must prove what you trained.
#
# ### Your turn · A table without a race
#
# When the flag raises, or costs too much, you replace the operation. This network looks up a vector for every *pair* of
# neighbours in a row of a 28 × 28 image. Rewrite `forward` so that it computes the same and its gradient has the same
# bits every time, on two threads, **with deterministic mode off**. `table` and `out` stay as they are.
# *(two lines, 8 minutes)*


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
# ### Take along
#
# A callback for runs that must be repeatable: it stops a Trainer that was built without the flag.


# %% tags=["guard"]
class RequiresDeterminism(L.Callback):
    def on_fit_start(self, trainer, pl_module):
        on = torch.are_deterministic_algorithms_enabled()
        assert on, "Expected Trainer(deterministic=True)."
        assert not torch.backends.cudnn.benchmark, "Expected benchmark=False."


# %% tags=["apparatus"]
# Tries the guard on both versions.
def two_guarded_steps(make_trainer):
    trainer = make_trainer(max_steps=2, callbacks=[RequiresDeterminism()], **QUIET)
    trainer.fit(LevelTable(), datamodule=many)


try_guard(
    "5.2",
    bad=lambda: two_guarded_steps(takes_any_operation),
    good=lambda: two_guarded_steps(asks_for_deterministic),
)

# %% [markdown]
# ### Going further
#
# An order can also change without any race: a different number of threads cuts a sum into different parts. The result
# differs, and is repeatable.

# %%
numbers = torch.randn(50, 100_000)


def sums(threads):
    with preserve_global_state():
        torch.set_num_threads(threads)
        return [row.sum().item() for row in numbers]


one, two, again = sums(1), sums(2), sums(2)
equal = sum(a == b for a, b in zip(two, again))
claim("5.2", "two threads compute the same sums twice", equal, equals=50)
other = sum(a != b for a, b in zip(one, two))
claim(
    "5.2", "one thread and two compute some sums with different bits", other, at_least=5
)

# %% [markdown]
# So write down the number of threads, like the number of workers. A seed does not carry over to a machine
# with a different number of cores.
#
# **Second sitting.** 5.3 uses the network, the data and the measuring cells from above: in a new kernel, run all cells
# up to here first.

# %% [markdown]
# ## 5.3 Save the random state, and the place in the data
#
# A run of three epochs breaks off in the middle of the second. You resume it from a checkpoint, in a new process.
# Lightning's checkpoint holds weights, optimizers and counters, but not the state of any random generator. A popular
# recipe adds it: save the random states in `on_save_checkpoint`, restore them in `on_load_checkpoint`.
#
# **Predict.** With the recipe, the resumed run sees, in what is left of the second epoch,
#
# - **a** some images that it had seen before the interruption, and others not at all;
# - **b** the images that are left, in a different order;
# - **c** the images that are left, in the order in which they would have come.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
class SavesRandomState(DigitNet):
    def on_save_checkpoint(self, checkpoint):
        name, keys, *rest = np.random.get_state()
        checkpoint["numpy"] = (name, keys.tolist(), *rest)
        checkpoint["torch"] = torch.get_rng_state()

    def on_load_checkpoint(self, checkpoint):
        np.random.set_state(checkpoint["numpy"])
        torch.set_rng_state(checkpoint["torch"])


# %% [markdown]
# Both versions train this module; they differ in the loader. (Often the recipe saves `np.random.get_state()` as it is.
# That state holds an array, and such a file does not load: [3.2](03_hyperparameters.ipynb). If you draw from them, add
# the states of Python, `random.getstate()`, and CUDA, `torch.cuda.get_rng_state_all()`.)
#
# ### Bad: the usual loader


# %% tags=["bad"]
def shuffles(dataset):
    return DataLoader(dataset, batch_size=64, shuffle=True)


# %% [markdown]
# ### Good: a loader that knows its place
#
# The *order* depends on the epoch alone: Lightning calls a sampler's `set_epoch` before every epoch, and this one then
# seeds the generator from which sampler and loader draw. The *loader* counts what it delivered, and skips as much when
# it continues. Lightning saves and restores the state of a loader that has `state_dict` and `load_state_dict`.


# %% tags=["good"]
class SeedsEveryEpoch(RandomSampler):
    def set_epoch(self, epoch):
        self.generator.manual_seed(42_000 + epoch)


class KeepsItsPlace(DataLoader):
    delivered = 0  # batches

    def __iter__(self):
        seen = self.delivered % len(self)
        for batch in islice(super().__iter__(), seen, None):
            self.delivered += 1
            yield batch

    def state_dict(self):
        return {"delivered": self.delivered}

    def load_state_dict(self, state):
        self.delivered = state["delivered"]


def keeps_place(dataset):
    generator = torch.Generator()
    order = SeedsEveryEpoch(dataset, generator=generator)
    return KeepsItsPlace(dataset, 64, sampler=order, generator=generator)


# %% [markdown]
# ### The contrast
#
# The folded cells train three epochs of 20 batches without a break, and write a checkpoint after step 30 along the way.
# Then they build everything again, under a different seed, and resume with `trainer.fit(model, loader, ckpt_path=...)`.
# In the second epoch, half of the images were still to come. This is an ordinary run, too.

# %% tags=["apparatus"]
# Trains without a break, and resumes from a checkpoint of that run.
from tempfile import TemporaryDirectory

from lightning.pytorch.callbacks import ModelCheckpoint

train_set = TensorDataset(scaled(data.train_images[:1280]), data.train_labels[:1280])


def train_and_save(make_loader, folder, seed, every=30, options=QUIET, **resume):
    L.seed_everything(seed, verbose=False)
    trace = checks.RunTrace()
    keep = ModelCheckpoint(folder, "{step}", save_top_k=-1, every_n_train_steps=every)
    options = {**options, "enable_checkpointing": True, "max_epochs": 3}
    trainer = L.Trainer(callbacks=[trace, keep], **options)
    model = SavesRandomState()
    trainer.fit(model, make_loader(train_set), **resume)
    return model.eval(), trace


# %% tags=["apparatus"]
# Measures how far a resumed run is from the one without a break.
def resume(make_loader):
    seed, other = torch.randint(2**31, (2,)).tolist()
    with TemporaryDirectory() as folder:
        model, whole = train_and_save(make_loader, folder, seed)
        path = f"{folder}/step=30.ckpt"
        again, resumed = train_and_save(make_loader, folder, other, ckpt_path=path)
    images = checks.coverage(whole, resumed)
    apart = list(map(relative_distance, whole.weights[30:], resumed.weights))
    answers = [each(test_images).argmax(1) for each in (model, again)]
    return {
        "relative distance": apart,
        "relative distance, at the end": apart[-1],
        "share of the images left that never came": images.never / images.due,
        "share of the images left replaced by old ones": images.twice / images.due,
        "same batches in the same order": whole.samples[30:] == resumed.samples,
        "share answered differently": share_that_differs(*answers),
    }


# %% tags=["apparatus"]
# The figure of the contrast.
plot = Lines(
    "Random state alone: the resumed run takes a different course",
    "relative distance",
    x="training step after the interruption",
    y="relative distance of the weights",
    first=0,
)

# %% tags=["contrast"]
result = contrast(
    "5.3", resume, bad=shuffles, good=keeps_place, prediction=prediction, figure=plot
)

# %% tags=["claim"]
missed = result.bad["share of the images left that never came"]
distance = result.good["relative distance, at the end"]
claim("5.3", "a run resumed with shuffle=True omits images of its epoch", missed >= 0.3)
claim("5.3", "a run whose loader keeps its place resumes exactly", distance == 0)
claim("5.3", "Lightning warns of a shuffled resume", result.bad.says("not resumable"))

# %% [markdown]
# **Why.** `shuffle=True` draws the order of an epoch when the epoch begins. The resumed run draws a new
# order, and Lightning, which knows that ten batches are left, takes the first ten of *that*. About half of the images
# left are among them by chance; the others are replaced by images that were seen already. No random state repairs that:
# what is missing is a place in an order.
#
# This time Lightning warns, and only about the bad version: the dataloader is *not resumable*. It checks whether the loader
# *has* `state_dict` and `load_state_dict`, not whether they work: two empty methods silence it. So test yours, as in
# *Take along*.
#
# **Scope.** CPU, Lightning 2.6, one process: exact at every place where we saved (within an epoch, at its end, after a
# validation), also with random augmentation in workers. Not exact: random augmentation with `num_workers=0`, since
# skipped images draw too; `limit_train_batches`; a checkpoint between accumulated gradients, which it does not hold.
# Several processes: exact if all of them and the resumed run use the same seed (*Going further*). Skipping costs the
# time to load the skipped images.
#
# **When the bad version is right.** A run that took a different course is not a worse one. If you resume at the ends of
# epochs, where no order is cut in two, or report means over several seeds, the usual loader will do. Exactness is for
# long runs that break off often, for a bug that shows after a day, and for tests.
#
# ### Your turn · A generator of its own
#
# This module draws its noise from its own NumPy generator. The check adds a loader that keeps its place, and restores
# the *global* generators, so order, dropout and brightness are taken care of. Make its runs resumable, to the last bit.
# *(two lines, 10 minutes)*


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
# ### Take along
#
# A test for the loader of your project: a second loader, given the state of the first, must deliver what comes next.


# %% tags=["guard"]
def assert_continues(make_loader):
    first, second = make_loader(), make_loader()
    batches = iter(first)
    next(batches)
    second.load_state_dict(first.state_dict())
    assert all(map(torch.equal, next(iter(second)), next(batches))), "a wrong batch"


# %% tags=["apparatus"]
# Tries the guard on both versions.
try_guard(
    "5.3",
    bad=lambda: assert_continues(lambda: shuffles(train_set)),
    good=lambda: assert_continues(lambda: keeps_place(train_set)),
)

# %% [markdown]
# ### Going further
#
# **At the very end of an epoch** Lightning 2.6 does not call `load_state_dict`. Our loader then begins at 0, which is
# right there: the epoch comes from `set_epoch`, and only the place within it from the file.
#
# **Two processes** each get half of every batch order: Lightning puts in its own sampler, which draws the order from
# your seed and the epoch. We interrupt after step 15 of 30, in the middle of the second epoch.


# %% tags=["apparatus"]
# Resumes a run of two processes, and compares the weights of each of them.
def resumed_by_two(make_loader, seed, other):
    options = {**TWO_PROCESSES, "max_epochs": 3}

    def last_weights(folder, seed, **resume):
        def work():
            _, trace = train_and_save(make_loader, folder, seed, 15, options, **resume)
            return trace.weights[-1]

        return run_processes(work)

    with TemporaryDirectory() as folder:
        whole = last_weights(folder, seed)
        path = f"{folder}/step=15.ckpt"
        resumed = last_weights(folder, other, ckpt_path=path)
    return all(map(torch.equal, whole, resumed))


# %%
usual = resumed_by_two(shuffles, seed=1, other=1)
same, different = (resumed_by_two(keeps_place, 1, other) for other in (1, 2))
claim("5.3", "two processes with shuffle=True do not resume exactly", usual, equals=0)
claim(
    "5.3",
    "two processes resume exactly with a kept place and the same seed",
    same,
    equals=1,
)
claim(
    "5.3",
    "two processes do not resume exactly with a kept place and a new seed",
    different,
    equals=0,
)

# %% [markdown]
# ## Symptoms
#
# What you see at work, and where to look:
#
# | You see | Look at |
# |---|---|
# | two runs with the same seed reach similar accuracies but give different predictions | 5.1 |
# | augmented batches look the same on all GPUs | 5.1 |
# | two runs with everything seeded differ in the last digits of the loss | 5.2 |
# | a run stops with "does not have a deterministic implementation" | 5.2 |
# | a resumed run leaves the curve of the run that it continues | 5.3 |
# | Lightning warns that your dataloader is not resumable | 5.3 |
#
# ## Take away
#
# A checklist for your own code:
#
# - [ ] The seed is set before the first draw, so before the model is built; generators of my own are made inside the run.
# - [ ] With several processes and workers: `seed_everything(seed, workers=True)`.
# - [ ] Beside the seed I write down: number of workers, number of threads, versions. Sets of strings are sorted.
# - [ ] I compare variants over several seeds, never under one.
# - [ ] Where bits count, `deterministic=True`; I know that it holds for the whole process.
# - [ ] If resuming must be exact: the random state is saved as plain values, the order depends on the epoch, the loader knows its place, and a test compares the batches.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin:
# [the record](../src/course_utils/records/evidence.md#lesson-05).
#
# **Sources** PyTorch on [reproducibility](https://docs.pytorch.org/docs/stable/notes/randomness.html) and on
# [deterministic operations](https://docs.pytorch.org/docs/stable/generated/torch.use_deterministic_algorithms.html);
# Lightning on [`seed_everything`](https://lightning.ai/docs/pytorch/stable/common/trainer.html#reproducibility) and
# [saving state in callbacks and data modules](https://lightning.ai/docs/pytorch/stable/extensions/callbacks_state.html);
# MNIST by LeCun, Cortes and Burges.
#
# Checkpoints come back in [lesson 09](09_checkpointing.ipynb), processes in [12.2](12_common_pitfalls.ipynb). Next:
# [lesson 06](06_debugging.ipynb), or look at the [solutions](../solutions/05_reproducibility.ipynb) of this one.

# %% tags=["own-code"]
# This lesson's questions, asked of your own code: name it in place of None.
my_module, my_data = None, None  # "my_package.model:MyModel", "my_package.data:MyData"
course_utils.check_my(my_module, my_data, select="5.*")
