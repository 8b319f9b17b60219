# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 13 · Four switches that should make training faster
#
# More workers. Benchmark mode. The largest batch that fits. A faster way to load. All four are on lists of tips, and none is worth flipping unseen. In this
# lesson you put them to the test, and at the end you can
#
# - say what your training waits for, and choose workers for that;
# - turn on benchmark mode without leaving it on for the next run;
# - read the batch-size finder's answer as a limit, not as advice;
# - load and augment a whole batch at once, and still treat every image differently.
#
# **You need** a `LightningDataModule` and a `Trainer`, as in [lesson 1](01_code_organization.ipynb). To find *what* is slow, [lesson 6](06_debugging.ipynb) has the profiler.
#
# **Time** 25 minutes of reading and running, 28 minutes of exercises. All cells together run in less than half a minute on two CPU cores.

# %% tags=["setup"]
try:
    import course_utils
except ModuleNotFoundError:  # opened alone, as on Colab: fetch the helpers, keep torch
    from IPython import get_ipython

    get_ipython().run_line_magic("pip", 'install -q "lightning-course-utils==0.1.*"')
    import course_utils

course_utils.start("13", written_for="0.1")

# %%
import lightning as L
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from course_utils import check, claim, contrast, hint, solution
from course_utils.data import ImageDataModule, scaled
from course_utils.hardware import quiet_trainer

# %% [markdown]
# One small classifier serves the whole lesson. Its images have the shape `(batch, channel, height, width)`.

# %%
digits = ImageDataModule(batch_size=64)
pixels = digits.test_images[0].numel()


class DigitClassifier(L.LightningModule):
    """One hidden layer: images of shape (batch, channel, height, width) to logits (batch, 10)."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(pixels, 64), nn.ReLU(), nn.Linear(64, 10)
        )

    def forward(self, images):
        return self.net(images)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


# %% [markdown]
# ## 13.1 Choose workers by the clock
#
# A worker is a process that prepares batches while the main process trains. Say you have two CPU cores, and two sets of 128 digits. One lies on slow storage: each image arrives after
# 3 milliseconds, as from a network disk. The other lies in memory. You set `num_workers=4` for both: twice as many workers as cores.
#
# **Predict before you run.** Four workers make two epochs
#
# - **a** not faster for either: there are only two cores;
# - **b** faster for the slow storage, and no different for the memory;
# - **c** faster for the slow storage, and several times slower for the memory.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# ### Bad: the main process waits for every image


# %% tags=["bad"]
def no_workers(dataset):
    return DataLoader(dataset, batch_size=32, shuffle=True)


# %% [markdown]
# ### Good: four processes wait in its place


# %% tags=["good"]
def four_workers(dataset):
    return DataLoader(
        dataset, batch_size=32, shuffle=True, num_workers=4, persistent_workers=True
    )


# %% [markdown]
# ### The contrast
#
# Two epochs each: slow storage and memory, with and without workers. `seconds` runs the four in turns, so a moment in which the machine is busy hits all of them. The callback notes
# the seconds of every epoch but the first, in which the workers start. We compare medians. `SlowStorage` sleeps before it hands out an image; it lives in a module, because a worker that starts
# afresh cannot unpickle a class of a notebook. Watch the last pair of bars.

# %%
import time
from statistics import median

from course_utils.data import SlowStorage
from course_utils.experiments.plots import Bars
from course_utils.measure import seconds

few, labels = scaled(digits.train_images[:128]), digits.train_labels[:128]
slow = SlowStorage(few, labels, milliseconds=3)
memory = SlowStorage(few, labels)


class LaterEpochs(L.Callback):
    def __init__(self):
        self.seconds = []

    def on_train_epoch_start(self, trainer, pl_module):
        self.start = time.perf_counter()

    def on_train_epoch_end(self, trainer, pl_module):
        if trainer.current_epoch > 0:
            self.seconds.append(time.perf_counter() - self.start)


# %%
def fit(make_loader, dataset, clock):
    options = quiet_trainer(accelerator="cpu", callbacks=[clock])
    trainer = L.Trainer(max_epochs=2, **options)
    trainer.fit(DigitClassifier(), make_loader(dataset))


clocks = {
    (dataset, make_loader): LaterEpochs()
    for dataset in (slow, memory)
    for make_loader in (no_workers, four_workers)
}
runs = {
    (dataset, make_loader): lambda d=dataset, m=make_loader: fit(m, d, clocks[d, m])
    for dataset, make_loader in clocks
}
whole = seconds(runs, repeats=3)


# %%
def medians(make_loader):
    return {
        "slow: a later epoch": median(clocks[slow, make_loader].seconds),
        "slow: both epochs": median(whole[slow, make_loader]),
        "memory: both epochs": median(whole[memory, make_loader]),
    }


# %% tags=["contrast"]
result = contrast(
    "13.1",
    bad=lambda: medians(no_workers),
    good=lambda: medians(four_workers),
    prediction=prediction,
    figure=Bars(
        "Four workers shorten the wait for slow storage; for memory they cost time",
        ["slow: a later epoch", "slow: both epochs", "memory: both epochs"],
        "seconds",
    ),
)

# %% tags=["claim"]
claim(
    "13.1",
    "a later epoch from slow storage takes at least half as long again without workers",
    result.times("slow: a later epoch"),
    at_least=1.5,
)
claim(
    "13.1",
    "from memory, the same four workers make training take at least twice as long",
    1 / result.times("memory: both epochs"),
    at_least=2,
)

# %% [markdown]
# **Why.** A process that sleeps needs no processor. Four workers wait for four images at once, on any number of cores. (PyTorch warns about more workers than cores. It thinks of work,
# not of waiting.) From memory there is nothing to wait for. What is left is the price: starting four processes, and sending every batch from one process to another. So the good version is good for slow storage only.
#
# The start is paid again in each epoch, unless the workers stay. Watch the number of processes that served three epochs.

# %%
from course_utils.measure import worker_processes

forgetful = DataLoader(memory, batch_size=32, num_workers=2)
faithful = DataLoader(memory, batch_size=32, num_workers=2, persistent_workers=True)
counts = [len(worker_processes(loader, epochs=3)) for loader in (forgetful, faithful)]
print("worker processes in 3 epochs:", counts[0])
print("with persistent_workers=True:", counts[1])

# %% tags=["claim"]
claim(
    "13.1", "workers that do not persist start anew in every epoch", counts[0], equals=6
)
claim("13.1", "persistent workers start once", counts[1], equals=2)

# %% [markdown]
# `pin_memory=True` often stands beside `num_workers` in lists of tips. It keeps each batch at a fixed place in memory, from where a GPU can fetch it faster. Watch what it does without a GPU.

# %%
import warnings

with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    [(images, _)] = DataLoader(memory, batch_size=128, pin_memory=True)
print("a GPU:", torch.cuda.is_available(), "· the batch is pinned:", images.is_pinned())
for each in warned:
    print(each.message)

# %% [markdown]
# **When the bad version is right.** No workers is right for data in memory, for short debugging runs, and wherever the transforms are not what the loop waits for: ask the profiler
# of [lesson 6](06_debugging.ipynb). Workers that *compute* gain nothing once the cores are busy; only waiting comes free.
#
# ### Your turn · A loader for any number of workers
#
# A colleague's loader starts its workers anew in every epoch. She added `persistent_workers=True`, and then `workers=0`, which she uses for debugging, stopped with an error. So she took it out again.
# Make the function serve both: workers, if there are any, stay for all epochs. Batches of 16, shuffled, every sample once an epoch, as now. *(5 minutes)*


# %% tags=["exercise"]
def make_loader(dataset, workers):
    return DataLoader(dataset, batch_size=16, shuffle=True, num_workers=workers)


# %%
check("13.1", make_loader)

# %% [markdown]
# Stuck? `hint("13.1")` gives a nudge, the second call a bigger one. `solution("13.1")` shows one way to do it, with its reason.

# %%
# hint("13.1")

# %% [markdown]
# ## 13.2 Turn benchmark mode off again
#
# With `benchmark=True` cuDNN, NVIDIA's library for convolutions, tries several algorithms when it meets a new input size, and keeps the fastest. For images of one size that should pay. For images of
# ever new sizes it tries again and again.
#
# So you use it for one run: `L.Trainer(benchmark=True)`. Later, in the same notebook, you train on images of many sizes, with a new Trainer that says nothing about it.
#
# **Predict.** In the second run benchmark mode is
#
# - **a** off: that is the default of a new Trainer;
# - **b** on: the first Trainer's wish outlives it;
# - **c** on as long as the first Trainer exists, off once Python has deleted it.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# ### Bad: the second Trainer says nothing

# %% tags=["bad"]
says_nothing = {}

# %% [markdown]
# ### Good: the second Trainer says what it wants

# %% tags=["good"]
says_off = {"benchmark": False}

# %% [markdown]
# ### The contrast
#
# Both versions train twice: first with benchmark mode, then with the options above. The callback looks at the switch while the model trains. Watch *on in the second run*.


# %%
class SwitchWatch(L.Callback):
    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.on = torch.backends.cudnn.benchmark


def train_twice(second_options):
    seen = []
    for options in ({"benchmark": True}, second_options):
        watch = SwitchWatch()
        quiet = quiet_trainer(callbacks=[watch], max_steps=20)
        trainer = L.Trainer(**options, **quiet)
        trainer.fit(DigitClassifier(), datamodule=digits)
        del trainer
        seen.append(watch.on)
    return {"on in the first run": seen[0], "on in the second run": seen[1]}


# %% tags=["contrast"]
result = contrast(
    "13.2",
    bad=lambda: train_twice(says_nothing),
    good=lambda: train_twice(says_off),
    prediction=prediction,
)

# %% tags=["claim"]
claim(
    "13.2",
    "a Trainer that says nothing trains in the benchmark mode of an earlier one",
    result.bad.number("on in the second run"),
    equals=1,
)
claim(
    "13.2",
    "a Trainer that says benchmark=False trains without it",
    result.good.number("on in the second run"),
    equals=0,
)

# %% [markdown]
# **Why.** The option sets `torch.backends.cudnn.benchmark`, one switch for the whole process. A Trainer without a wish leaves the switch as it is. Nobody puts it back: not the end of
# `fit`, not the deletion of the Trainer. (`contrast` does, or this notebook would go on with it.) Only `benchmark=False` and `deterministic=True` turn it off.
#
# And what does the switch bring? On a CPU, nothing: there is no cuDNN to ask. The next cell trains twice from the same seed and compares the weights.

# %%
from course_utils.experiments import preserve_global_state


def weights_after_training(**options):
    with preserve_global_state():  # puts seed and switch back at the end
        L.seed_everything(0, verbose=False)
        model = DigitClassifier()
        quiet = quiet_trainer(accelerator="cpu", max_steps=20)
        L.Trainer(**options, **quiet).fit(model, datamodule=digits)
        return list(model.parameters())


pairs = zip(weights_after_training(), weights_after_training(benchmark=True))
different = sum(not torch.equal(without, with_it) for without, with_it in pairs)
print("weight tensors that differ:", different)

# %% tags=["claim"]
claim("13.2", "on a CPU benchmark mode changes no weight", different, equals=0)

# %% [markdown]
# With a GPU, the next cell times the switch: a convolution on images of one size, and on images of 20 sizes. Without one it says so. We had no GPU when we wrote this, so we give you no number: measure yours.

# %%
from functools import partial


def convolve(conv, sizes):
    for size in sizes:
        conv(torch.randn(16, 64, size, size, device="cuda"))


if torch.cuda.is_available():
    conv = nn.Conv2d(64, 64, 3, device="cuda")
    for name, sizes in {"one size": [64] * 20, "20 sizes": range(44, 64)}.items():
        times = {}
        for on in (False, True):
            with torch.backends.cudnn.flags(enabled=True, benchmark=on):
                runs = seconds({name: partial(convolve, conv, sizes)}, repeats=5)
            times[on] = median(runs[name])
        print(f"{name}: off takes {times[False] / times[True]:.2f} times as long as on")
else:
    print("no GPU here, nothing to time")

# %% [markdown]
# **When the bad version is right.** In a script that trains once and ends, the switch ends with it. The leak matters in notebooks, in sweeps, in tests: wherever one process trains twice.
#
# ### Your turn · Leave the switch as you found it
#
# The function trains with benchmark mode and then turns it off. But what if it had been on before? And what if training stops with an error? Change it so that the switch is afterwards what it
# was before, in every case. *(6 minutes)*


# %% tags=["exercise"]
def train_with_benchmark(model, loader):
    options = quiet_trainer(accelerator="cpu", max_epochs=1)
    L.Trainer(benchmark=True, **options).fit(model, loader)
    torch.backends.cudnn.benchmark = False


# %%
check("13.2", train_with_benchmark)

# %%
# hint("13.2")

# %% [markdown]
# ## 13.3 Treat the batch-size finder's answer as a limit
#
# Lightning's `Tuner` can look for a batch size: it doubles the size until memory runs out, and stays with the last that fitted. Tips call the result *optimal*. You let it run, it sets the size, and you train two
# epochs on 3,500 images with it: same model, same learning rate, same images.
#
# **Predict.** Compared with batches of 64, the accuracy after two epochs is
#
# - **a** the same, give or take a point: both see every image twice;
# - **b** better: a large batch has a gradient with less noise;
# - **c** at most 60 % of it.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# ### Bad: train with the largest size that fits


# %% tags=["bad"]
from lightning.pytorch.tuner import Tuner


def largest_that_fits(data):
    trainer = L.Trainer(max_epochs=1, **quiet_trainer(accelerator="cpu"))
    Tuner(trainer).scale_batch_size(DigitClassifier(), datamodule=data)
    return data.batch_size


# %% [markdown]
# ### Good: train with batches of 64


# %% tags=["good"]
def enough_updates(data):
    return 64


# %% [markdown]
# ### The contrast
#
# The data module obeys its attribute `batch_size`; the finder sets it. Watch how long the two curves are, then how high the accuracy gets.

# %%
from course_utils.experiments.plots import Lines
from course_utils.measure import MetricCurve, accuracy


def train(choose):
    data = ImageDataModule(batch_size=64, train_size=3500)
    data.batch_size = choose(data)
    L.seed_everything(data.seed, verbose=False)  # the finder has drawn random numbers
    model, curve = DigitClassifier(), MetricCurve("train_loss")
    options = quiet_trainer(accelerator="cpu", callbacks=[curve])
    L.Trainer(max_epochs=2, **options).fit(model, datamodule=data)
    return {
        "test accuracy": accuracy(model, data.test_images, data.test_labels),
        "batch size": data.batch_size,
        "updates": len(curve.values),
        "train loss": curve.values,
    }


# %% tags=["contrast"]
result = contrast(
    "13.3",
    bad=lambda: train(largest_that_fits),
    good=lambda: train(enough_updates),
    prediction=prediction,
    figure=Lines(
        "The largest batch is the whole training set: two updates, and training is over",
        "train loss",
        x="update (logarithmic)",
        y="cross-entropy loss",
        log_x=True,
    ),
)

# %% tags=["claim"]
claim(
    "13.3",
    "with the found batch size, training reaches at most 60 % of the accuracy",
    result.times("test accuracy"),
    at_most=0.6,
)

# %% [markdown]
# **Why.** Two epochs are two looks at every image, but the model improves by *updates*. One batch, one update. A batch of everything makes one update an epoch.
#
# The finder answers another question: what fits? And even that only up to a point. Look at the number: it is the first doubling that takes all 3,500 images at once. Memory never ran out
# here; the images did.
#
# With more images the finder stops at `max_val`, its own upper limit, and returns that last size untried. The next model shows it, on all images of this lesson: it notes the largest batch
# that it gets, and pretends to run out of memory above a limit.


# %%
class HungryClassifier(DigitClassifier):
    def __init__(self, limit):
        super().__init__()
        self.limit, self.largest = limit, 0

    def training_step(self, batch, batch_idx):
        self.largest = max(self.largest, len(batch[1]))
        if len(batch[1]) > self.limit:
            raise RuntimeError("CUDA out of memory.")
        return super().training_step(batch, batch_idx)


for limit in (100, 100_000):
    data, model = ImageDataModule(batch_size=64), HungryClassifier(limit)
    trainer = L.Trainer(max_epochs=1, **quiet_trainer(accelerator="cpu"))
    found = Tuner(trainer).scale_batch_size(model, datamodule=data)
    print(f"room for {limit} images: largest tried {model.largest}, found {found}")

# %% [markdown]
# **When the bad version is right.** On a GPU that is mostly idle, larger batches bring more images a second, up to a point. Then give training back its updates: more epochs, or a higher learning rate
# with a warm-up ([lesson 8](08_training_stability.ipynb)). Count in updates, not in epochs. The next cell measures what size does to speed here, and what the same number of images then costs in accuracy.

# %%
sizes = (64, 256, 1024)
scores = {size: train(lambda data, s=size: s)["test accuracy"] for size in sizes}
epochs = {size: lambda s=size: train(lambda data: s) for size in sizes}
times = {size: median(each) for size, each in seconds(epochs, repeats=3).items()}
for size in sizes:
    speed = times[64] / times[size]
    print(f"batches of {size}: speed x {speed:.1f}, accuracy {scores[size]:.3f}")

# %% [markdown]
# The same images in larger batches are fewer calls, so an epoch is shorter. They are fewer updates, too, so it teaches less.
#
# ### Your turn · A data module that the finder can tune
#
# The finder sets an attribute `batch_size` and asks for the training loader again. This data module takes no notice. Repair it: the finder must find the limit, and the loader must deliver it.
# A size that a user hands over must count, too. *(7 minutes)*


# %% tags=["exercise"]
class TunableData(L.LightningDataModule):
    def __init__(self, dataset, batch_size=32):
        super().__init__()
        self.batch_size = batch_size
        self.loader = DataLoader(dataset, batch_size=batch_size, shuffle=True)

    def train_dataloader(self):
        return self.loader


# %%
check("13.3", TunableData)

# %%
# hint("13.3")

# %% [markdown]
# ## 13.4 Load batches, not images
#
# A popular recipe makes each image a tensor with `ToTensor()`, one at a time, and hopes for a faster image library. Your digits are in memory as bytes already. How much of the epoch goes into handing them over one by one?
#
# **Predict.** The same epoch, the same batches, but each batch is fetched and scaled at once, is
#
# - **a** clearly faster, and ends with the same weights to the last bit;
# - **b** clearly faster, and ends with slightly different weights: the arithmetic differs;
# - **c** hardly faster: the network takes most of the time.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# ### Bad: an image at a time

# %%
from PIL import Image
from torchvision.transforms import ToTensor

bytes_, targets = digits.train_images[:3000], digits.train_labels[:3000]


# %% tags=["bad"]
class OneByOne(torch.utils.data.Dataset):
    def __init__(self):
        self.transform = ToTensor()

    def __len__(self):
        return len(bytes_)

    def __getitem__(self, i):
        image = Image.fromarray(bytes_[i].permute(1, 2, 0).squeeze(2).numpy())
        return self.transform(image), targets[i]


# %% [markdown]
# ### Good: a batch at a time
#
# A loader that finds `__getitems__` asks for all indices of a batch at once. The bytes travel to the device, a quarter of the size of floats, and are scaled there, in `on_after_batch_transfer`.


# %% tags=["good"]
class ByTheBatch(torch.utils.data.Dataset):
    def __len__(self):
        return len(bytes_)

    def __getitems__(self, indices):
        return bytes_[indices], targets[indices]


class ScalesOnDevice(DigitClassifier):
    def on_after_batch_transfer(self, batch, dataloader_idx):
        images, labels = batch
        return images.float() / 255, labels


# %% [markdown]
# ### The contrast
#
# Both train one epoch on the same 3,000 images in the same order, in turns, three times. A second pair of runs only goes through the loaders, and trains nothing. At the end we compare the two networks weight by weight.

# %%
from course_utils.settings import seed


def epoch(model_class, loader):
    L.seed_everything(seed(), verbose=False)
    model = model_class()
    L.Trainer(max_epochs=1, **quiet_trainer(accelerator="cpu")).fit(model, loader)
    return model


one_by_one = DataLoader(OneByOne(), batch_size=128, shuffle=True)
by_the_batch = DataLoader(
    ByTheBatch(), batch_size=128, shuffle=True, collate_fn=lambda batch: batch
)
versions = {
    ("epoch", "bad"): lambda: epoch(DigitClassifier, one_by_one),
    ("epoch", "good"): lambda: epoch(ScalesOnDevice, by_the_batch),
    ("loading", "bad"): lambda: [None for _ in one_by_one],
    ("loading", "good"): lambda: [None for _ in by_the_batch],
}
with preserve_global_state():
    timed = {run: median(times) for run, times in seconds(versions, repeats=3).items()}


# %%
def report(version):
    model = versions["epoch", version]()
    return {
        "loading alone": timed["loading", version],
        "whole epoch": timed["epoch", version],
        "test accuracy": accuracy(model, digits.test_images, digits.test_labels),
    }


# %% tags=["contrast"]
result = contrast(
    "13.4",
    bad=lambda: report("bad"),
    good=lambda: report("good"),
    prediction=prediction,
    figure=Bars(
        "Loading batches takes a small part of the time that single images take",
        ["loading alone", "whole epoch"],
        "seconds for 3,000 images",
    ),
)

# %% tags=["claim"]
claim(
    "13.4",
    "loading single images takes at least five times as long",
    result.times("loading alone"),
    at_least=5,
)
claim(
    "13.4",
    "and the whole epoch at least a third longer",
    result.times("whole epoch"),
    at_least=4 / 3,
)

# %%
weights = [list(versions["epoch", name]().parameters()) for name in ("bad", "good")]
different = sum(not torch.equal(one, other) for one, other in zip(*weights))
claim("13.4", "both end with the same weights to the last bit", different, equals=0)

# %% [markdown]
# **Why.** A picture object, a conversion, a copy, a scaled tensor, and a stack for every batch: four steps of Python for every image, and one more. By the batch, one indexing operation fetches all bytes, and one division scales them.
# It is the same division of the same bytes, so the bits agree.
#
# (Tips of a few years ago name faster ways to read image files. They are not today's answer: `pillow-simd` has to be compiled on your machine, and `torchvision.io.decode_jpeg` with its relatives is deprecated in
# favour of another library, `torchcodec`. Our digits need no decoding at all. Where JPEG files are what you wait for, decode them once, and keep the bytes.)
#
# `on_after_batch_transfer` runs in validation and in tests as well. For scaling that is right. What only training images go through does not belong there, unless it asks `self.trainer.training` first.
#
# One trap waits behind "a batch at a time". Augmentation is random, and random *per image*. Hand a batch to a transform of torchvision, and count how many different pictures come out of eight equal digits.

# %%
from torchvision.transforms import v2

eight = scaled(digits.test_images[:1]).expand(8, -1, -1, -1)
rotate = v2.RandomRotation(30)
with preserve_global_state():
    torch.manual_seed(0)
    at_once = rotate(eight)
    one_at_a_time = torch.stack([rotate(image) for image in eight])
print("rotated as a batch:", len(at_once.unique(dim=0)), "different picture")
print("rotated one by one:", len(one_at_a_time.unique(dim=0)), "different pictures")

# %% [markdown]
# As a batch, all eight get the same angle: the transform draws once a call. Augment this way and your model sees one rotation a batch. The exercise does it right: one draw for each image, one operation for the batch.
#
# **When the bad version is right.** Images of different sizes, or too many for the memory, must come one at a time: then workers ([13.1](#13.1-Choose-workers-by-the-clock)) share the work. And where an epoch takes a minute anyway, plain
# code is worth more than a saved second.
#
# ### Your turn · Every image its own shift
#
# `shift_each` gets a batch of shape `(batch, channel, height, width)` and moves all images sideways by the same number of pixels, from −3 to 3. Give each image a number of its own, all seven equally likely, without a loop over images. What leaves on one side may
# come back on the other, or be lost. *(10 minutes)*


# %% tags=["exercise"]
def shift_each(images):
    pixels = int(torch.randint(-3, 4, (1,)))
    return images.roll(pixels, dims=-1)


# %%
check("13.4", shift_each)

# %%
# hint("13.4")

# %% [markdown]
# ## Take away
#
# A checklist for your own code:
#
# - [ ] Workers are there because the loop waits for storage, and a measurement says so; they persist.
# - [ ] A Trainer that needs benchmark mode off says `benchmark=False`, and one that turns it on leaves it as it was.
# - [ ] The batch size leaves enough updates; what fits in memory is only its upper limit.
# - [ ] Data in memory comes a batch at a time, as bytes, and is scaled on the device.
# - [ ] Augmentation draws for every image.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin: [the record](../src/course_utils/records/evidence.md#lesson-13).
#
# **Sources** PyTorch's documentation on [data loading](https://docs.pytorch.org/docs/stable/data.html) and
# [cuDNN's switches](https://docs.pytorch.org/docs/stable/backends.html); Lightning's on the [batch-size finder](https://lightning.ai/docs/pytorch/stable/advanced/training_tricks.html) and
# [speed](https://lightning.ai/docs/pytorch/stable/advanced/speed.html); torchvision's on [transforms](https://docs.pytorch.org/vision/stable/transforms.html); MNIST by LeCun, Cortes and Burges.
#
# Next: the [capstone](14_capstone.ipynb), or look at the [solutions](../solutions/13_performance.ipynb) of this lesson.
