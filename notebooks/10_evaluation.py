# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 10 · Will the number you report hold on new data?
#
# Training is over, you call `trainer.test`, and a number appears. Which weights did it score? And would other images give the same number? In this lesson you
# measure both. By the end you can
#
# - say which epoch's weights a test has scored, and make it score the ones that you mean;
# - choose among models without spoiling the number that you will report;
# - seal a test set, and say how far a result on it can be trusted.
#
# **You need** to know what a `LightningModule` and a `Trainer` are. New here? [Start here](00_start_here.ipynb) takes fifteen minutes.
#
# **Time** 25 minutes of reading and running, 15 minutes of exercises. All cells together run in less than half a minute on two CPU cores.

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

course_utils.start("10", written_for="0.1")

# %%
import lightning as L
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from course_utils import check, claim, contrast, hint, solution, try_guard
from course_utils.data import ImageDataModule, scaled
from course_utils.hardware import quiet_trainer

# %% [markdown]
# One small classifier serves the whole lesson. Its *buffer* `age` counts epochs. A buffer is saved and loaded with the weights, so each checkpoint tells how
# long it was trained. `LayerNorm` brings each image to mean 0 and variance 1. `quiet_trainer()` holds the options that keep a Trainer silent. Folded cells only measure; click on one to open it.


# %%
class Classifier(L.LightningModule):
    """One hidden layer: images (batch, channel, height, width) to one logit per class."""

    def __init__(self):
        super().__init__()
        size, classes = ImageDataModule().num_features, ImageDataModule().num_classes
        pixels = [nn.Flatten(), nn.LayerNorm(size, elementwise_affine=False)]
        hidden = [nn.Linear(size, 256), nn.ReLU()]
        self.net = nn.Sequential(*pixels, *hidden, nn.Linear(256, classes))
        self.register_buffer("age", torch.tensor(0.0))

    def on_train_epoch_start(self):
        self.age += 1

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self.net(images), labels)

    def log_scores(self, split, batch):
        images, labels = batch
        logits = self.net(images)
        self.log(f"{split}_loss", F.cross_entropy(logits, labels))
        self.log(f"{split}_acc", (logits.argmax(1) == labels).float().mean())

    def validation_step(self, batch, batch_idx):
        self.log_scores("val", batch)

    def test_step(self, batch, batch_idx):
        self.log_scores("test", batch)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=3e-3)


# %% [markdown]
# ## 10.1 Keep training and test apart
#
# You train for 20 epochs. A `ModelCheckpoint` watches the validation loss and keeps the weights of the epoch where it is lowest. Then you write a line found in many scripts:
# `trainer.test(model, datamodule=data)`.
#
# **Predict before you run.** That line tests the weights of
#
# - **a** the epoch with the lowest validation loss;
# - **b** the last epoch;
# - **c** no epoch: with a checkpoint at hand, Lightning stops and demands a `ckpt_path`.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# ### Bad: test the model


# %% tags=["bad"]
def tests_the_model(trainer, model, data):
    [scores] = trainer.test(model, datamodule=data, verbose=False)
    return scores


# %% [markdown]
# ### Good: test the best checkpoint


# %% tags=["good"]
def tests_the_best(trainer, model, data):
    [scores] = trainer.test(model, datamodule=data, ckpt_path="best", verbose=False)
    return scores


# %% [markdown]
# ### The contrast
#
# The data is bad on purpose, so that the effect is large: 1,000 training images, three out of five with a random label. Validation and test labels are right. Both runs train alike, from the same seed.
# The test with `ckpt_path` loads that file into `model`, so `model.age` tells afterwards which epoch was tested.


# %% tags=["apparatus"]
# Random labels for three fifths of the training images, the same ones every time.
class Mislabelled(ImageDataModule):
    def train_dataloader(self):
        generator = torch.Generator().manual_seed(self.seed)
        labels = self.train_labels.clone()
        wrong = torch.rand(len(labels), generator=generator) < 0.6
        drawn = torch.randint(10, (len(labels),), generator=generator)
        labels[wrong] = drawn[wrong]
        pairs = TensorDataset(self.train_images, labels)
        return DataLoader(pairs, batch_size=64, shuffle=True)


mislabelled = Mislabelled(train_size=1000, batch_size=250)

# %% tags=["apparatus"]
# Train with a ModelCheckpoint, then test; keep the validation loss of each epoch.
from tempfile import TemporaryDirectory

from lightning.pytorch.callbacks import ModelCheckpoint

from course_utils.measure import EpochEnds


def fit_and(test, model_class=Classifier, data=mislabelled, epochs=20):
    model, ends = model_class(), EpochEnds()
    with TemporaryDirectory() as folder:
        best = ModelCheckpoint(folder, monitor="val_loss")
        options = quiet_trainer(enable_checkpointing=True, callbacks=[best, ends])
        trainer = L.Trainer(max_epochs=epochs, **options)
        trainer.fit(model, datamodule=data)
        scores = test(trainer, model, data)
    return {
        "epoch tested": float(model.age),
        "test loss": scores["test_loss"],
        "test accuracy": scores["test_acc"],
        "validation loss": ends.values("val_loss"),
    }


# %% [markdown]
# The two lines in the figure are the validation loss and lie on top of each other. The large marks are what the test scored. Watch at which epochs they stand.

# %% tags=["contrast"]
from course_utils.experiments.plots import Lines

result = contrast(
    "10.1",
    fit_and,
    bad=tests_the_model,
    good=tests_the_best,
    prediction=prediction,
    figure=Lines(
        "The plain call tests the weights that training ended with",
        "validation loss",
        x="epoch",
        y="loss (nats)",
        point=("epoch tested", "test loss"),
    ),
)

# %% tags=["claim"]
text = "trainer.test(model) without ckpt_path tests the last of 20 epochs, although a ModelCheckpoint has kept the best one"
claim("10.1", text, result.bad["epoch tested"] == 20)
text = "after 20 epochs on labels of which three fifths are random, the last weights have a test loss at least 1.3 times that of the weights with the lowest validation loss"
claim("10.1", text, result.times("test loss") >= 1.3)

# %% [markdown]
# **Why.** You handed over a model, so Lightning tests that model, with the weights it has. `ModelCheckpoint`
# writes files; it never puts one back into the model. And Lightning says nothing: it cannot know that you meant the file. So say it: `ckpt_path="best"`. Loading the file yourself does the same:
# `trainer.test(Classifier.load_from_checkpoint(callback.best_model_path), datamodule=data)`.
#
# **`"best"` is a name, not a promise.** It stands for whatever the checkpoint callback holds. Here three callbacks watch one ordinary run: 2,000 images with their own labels, 10 epochs. The folded cell then scores on validation images what each of them calls the best, and
# what Lightning loads if you give it neither a model nor a path.

# %% tags=["apparatus"]
# Train once with three checkpoint callbacks; validate what each of them calls the best.
from pathlib import Path

from course_utils.library_messages import collect_messages

asked = {
    "monitor, no mode": {"monitor": "val_acc"},
    "no monitor": {},
    "monitor and mode": {"monitor": "val_acc", "mode": "max"},
}
desk, clean = TemporaryDirectory(), ImageDataModule(train_size=2000)
kept = [ModelCheckpoint(Path(desk.name, name), **asked[name]) for name in asked]
options = quiet_trainer(enable_checkpointing=True, callbacks=kept)
trainer, model = L.Trainer(max_epochs=10, **options), Classifier()
trainer.fit(model, datamodule=clean)

paths = {name: each.best_model_path for name, each in zip(asked, kept)}
paths = {"no model, no path": None, **paths}  # all read before anything is loaded
epoch_of, loaded = {}, {}
with collect_messages() as messages:
    for name, path in paths.items():
        given = model if path else None
        [found] = trainer.validate(given, clean, ckpt_path=path, verbose=False)
        epoch_of[name], loaded[name] = float(model.age), str(trainer.ckpt_path)
        print(f"{name}: epoch {epoch_of[name]:.1f}, accuracy {found['val_acc']:.3f}")
print(*messages, sep="\n")

# %% tags=["apparatus"]
# Three claims on that run.
first = loaded["no model, no path"] == paths["monitor, no mode"]
text = "of three ModelCheckpoint callbacks, the first in the list decides what a call without a model and a path loads"
claim("10.1", text, first)
text = "a ModelCheckpoint without a monitor calls the newest of 10 epochs the best"
claim("10.1", text, epoch_of["no monitor"], equals=10)
text = "asked for the best of several ModelCheckpoint callbacks without a model and a path, Lightning warns that it takes the first"
claim("10.1", text, any("multiple `ModelCheckpoint`" in str(m) for m in messages))

# %% [markdown]
# Without `mode="max"`, lower counts as better, so the epoch with the *lowest* accuracy is kept. Without a monitor, as in the Trainer's default callback, the newest file is the best. Of several callbacks the first in the list is asked: Lightning warns about that, but only when it has to choose for you, and
# not about the missing mode. If you have more than one, name the file: `ckpt_path=callback.best_model_path`. Read that path *before* you load anything: loading a checkpoint also puts the callbacks back to what they held when it was written.
#
# **The ordinary size.** With wrong labels, the last epoch was far from the best. With right ones, as in the run above, they are closer:


# %% tags=["apparatus"]
# Test last and best of 20 epochs on right labels, then of 10 with a cosine schedule.
class CoolsDown(Classifier):
    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
        return [optimizer], [cosine]


def last_and_best(trainer, model, data):
    tests = [tests_the_model, tests_the_best]
    last, best = ([*test(trainer, model, data).values()] for test in tests)
    return dict(zip(["test_loss", "test_acc"], zip(last, best)))


constant = fit_and(last_and_best, Classifier, clean)
cooled = fit_and(last_and_best, CoolsDown, clean, epochs=10)
for name, run in {"constant rate": constant, "cosine": cooled}.items():
    for score in ("test loss", "test accuracy"):
        last, best = run[score]
        print(f"{name}, {score}: last {last:.3f}, best {best:.3f}")
last, best = cooled["test accuracy"]
text = "after 10 epochs with a cosine schedule on 2,000 images with right labels, the last epoch is at most 2 points of test accuracy behind the epoch with the lowest validation loss"
claim("10.1", text, best - last, at_most=0.02)

# %% [markdown]
# **Scope.** Lightning 2.6, one process or several, any device; the Trainer that ran `fit`. In a new Trainer `ckpt_path="best"` stops with an error: name the file. "Best" means the best of the epochs that were validated.
#
# **When the bad version is right.** If a schedule lets the learning rate fall to zero, the last epoch is what the schedule was made for: the cosine lines above. Testing it loses little, and one thing is gained: no choice was made on the validation images, so their accuracy
# is an honest number, too (10.2). Decide on "last" *before* you train. The good version costs a file, rewritten at each new best epoch, and validation images that cannot be
# trained on.
#
# ### Your turn · Two checkpoints, one of them meant
#
# This run keeps two checkpoints: the newest, to go on after a crash, and the best on validation. It asks for `ckpt_path="best"`, yet tests other weights. Make it return
# the test accuracy of the weights with the highest validation accuracy. Keep both checkpoints, and read the test images once. *(two lines, 6 minutes)*


# %% tags=["exercise"]
def train_and_test(model, data, folder):
    newest = ModelCheckpoint(folder, filename="newest")  # to go on after a crash
    best = ModelCheckpoint(folder, filename="best", monitor="val_acc")
    options = quiet_trainer(enable_checkpointing=True, callbacks=[newest, best])
    trainer = L.Trainer(max_epochs=6, **options)
    trainer.fit(model, datamodule=data)
    found = trainer.test(model, datamodule=data, ckpt_path="best", verbose=False)
    return found[0]["test_acc"]


# %%
check("10.1", train_and_test)

# %% [markdown]
# Stuck? `hint("10.1")` gives a nudge, the second call a bigger one. `solution("10.1")` shows one way to do it, with its reason.

# %%
# hint("10.1")

# %% [markdown]
# ### Take along
#
# A callback for the Trainer. It stops a test of the weights in memory; a test that names a file passes. Leave it out where you test the last weights on purpose, or a model that you have loaded yourself.


# %% tags=["guard"]
class TestsAFile(L.Callback):
    def on_test_start(self, trainer, pl_module):
        assert trainer.ckpt_path, "testing the weights in memory, not a checkpoint"


# %% tags=["apparatus"]
# Try the guard after one epoch.
def test_with_guard(test):
    with TemporaryDirectory() as folder:
        best = ModelCheckpoint(folder, monitor="val_loss")
        callbacks = [best, TestsAFile()]
        options = quiet_trainer(enable_checkpointing=True, callbacks=callbacks)
        trainer, model = L.Trainer(max_epochs=1, **options), Classifier()
        trainer.fit(model, mislabelled)
        test(trainer, model, mislabelled)


try_guard(
    "10.1",
    bad=lambda: test_with_guard(tests_the_model),
    good=lambda: test_with_guard(tests_the_best),
)

# %% [markdown]
# ### Going further · A seal on the test set
#
# How often may you test? "Only once", the usual advice says. Nothing enforces it: `trainer.test` runs as often as you call it. If it matters to you, build it into the data module, where the Trainer gets its data. This one breaks a seal, a file, when it
# hands out its test images. `touch(exist_ok=False)` creates the file, or fails if it exists.


# %%
class Sealed(ImageDataModule):
    def __init__(self, seal, **settings):
        super().__init__(**settings)
        self.seal = Path(seal)

    def test_dataloader(self):
        try:
            self.seal.touch(exist_ok=False)
        except FileExistsError:
            raise RuntimeError(
                "The test set was opened before. Choose on validation images."
            ) from None
        return super().test_dataloader()


seal = Path(desk.name, "test_set_opened")  # in a project: beside the data
sealed = Sealed(seal, train_size=600)
L.Trainer(**quiet_trainer()).test(model, datamodule=sealed, verbose=False)
print("seal broken:", seal.exists())

# %% [markdown]
# The second time, from a different Trainer:

# %% tags=["raises-exception"]
L.Trainer(**quiet_trainer()).test(model, datamodule=sealed, verbose=False)

# %% [markdown]
# It is a seal, not a lock. You can delete the file and test again, but not by accident. (With several processes,
# let only rank 0 break it.) This lesson opens its own test set again and again, because the test set is its subject; its accuracies are demonstrations, not
# results.
#
# ## 10.2 Select on validation
#
# You have trained 20 networks. They differ only in their random numbers: first weights and order of images. You have 100 validation and 100 test images that none of them was trained on. You score all 20 on the test images, take
# the best one, and report its accuracy.
#
# A single draw of 100 images proves nothing, so we repeat it 1,000 times, with different images from one large pool. All other images of the pool give the true
# accuracy of the network that was taken.
#
# **Predict.** Averaged over the draws,
#
# - **a** the report is right, as none of the networks was trained on those images;
# - **b** the report is too high, and the network taken is worse than one chosen on the validation images;
# - **c** the report is too high, but the network taken is as good as one chosen on the validation images.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# In each draw, both versions get two lists of 20 accuracies, one from 100 validation images and one from 100 test images. They return the number of the network they take.
#
# ### Bad: the test images choose


# %% tags=["bad"]
def chooses_on_test(val_scores, test_scores):
    return test_scores.argmax()


# %% [markdown]
# ### Good: the validation images choose


# %% tags=["good"]
def chooses_on_validation(val_scores, test_scores):
    return val_scores.argmax()


# %% [markdown]
# ### The contrast
#
# The first folded cell trains the networks on 300 images and notes for each of the 4,000 images of the pool which networks are right. The second draws images at random and counts. Both versions report the same kind of number: the accuracy of the
# network they took, on the 100 test images.

# %% tags=["apparatus"]
# Train 20 networks; right[i, j] is 1 where network i is right about image j of the pool.
plenty = ImageDataModule()
images, labels = scaled(plenty.train_images), plenty.train_labels
few = DataLoader(TensorDataset(images[:300], labels[:300]), batch_size=30, shuffle=True)
pool, truth = images[300:4300], labels[300:4300]


@torch.no_grad()
def is_right():
    model = Classifier()
    L.Trainer(max_epochs=3, **quiet_trainer()).fit(model, few)
    return (model.cpu().net(pool).argmax(1) == truth).float()


right = torch.stack([is_right() for _ in range(20)])
totals = right.sum(1)  # of each network, in the whole pool


# %% tags=["apparatus"]
# Repeat the story: draw images, let a version choose, compare its report with the truth.
def many_draws(choose, count=100, networks=20, draws=1000):
    reports, truths, pool_size = [], [], right.shape[1]
    for _ in range(draws):
        drawn = torch.randperm(pool_size)[: 2 * count].split(count)
        several = torch.randperm(len(right))[:networks]
        val, test = (right[several][:, part].mean(1) for part in drawn)
        chosen = choose(val, test)
        rest = totals[several[chosen]] - count * (val[chosen] + test[chosen])
        reports.append(test[chosen])
        truths.append(rest / (pool_size - 2 * count))
    return torch.stack(reports), torch.stack(truths)


def honesty(choose):
    reports, truths = many_draws(choose)
    errors = 100 * (reports - truths)
    return {
        "reported accuracy": reports.mean(),
        "true accuracy": truths.mean(),
        "mean error (points)": errors.mean(),
        "reports that are too high (%)": 100 * (errors > 0).float().mean(),
        "error of each report": errors,
    }


# %% [markdown]
# Watch first where the two means stand, then how wide both histograms are.

# %% tags=["contrast"]
from course_utils.experiments.plots import Histogram

result = contrast(
    "10.2",
    honesty,
    bad=chooses_on_test,
    good=chooses_on_validation,
    prediction=prediction,
    figure=Histogram(
        "Scored on the images that chose it, a network looks too good",
        name="error of each report",
        x="reported minus true accuracy (points)",
        y="draws",
        reference_name="no error",
    ),
)

# %% tags=["claim"]
error = "mean error (points)"
text = "the best of 20 networks that differ only in their random numbers, chosen and scored on the same 100 test images, is reported 1.5 points or more too high on average"
claim("10.2", text, result.bad[error] >= 1.5)
text = "of 20 networks that differ only in their random numbers, the one chosen on 100 validation images and scored on 100 test images is reported at most 1 point too high or too low on average"
claim("10.2", text, abs(result.good[error]), at_most=1)
text = "of 20 networks that differ only in their random numbers, the one chosen on 100 test images and the one chosen on 100 validation images have the same true accuracy on average, to a point"
claim("10.2", text, abs(result.gain("true accuracy")), at_most=0.01)

# %% [markdown]
# **Why.** A test accuracy has two parts: how good the network is, and how well these 100 images happen to suit it. The highest of 20 test accuracies is high
# in both. Its luck belongs to those images and does not come back on new ones. The images trained no network, and still they took part: they made the choice.
#
# The validation accuracy of the chosen network is too high in just the same way. But you do not report it. The test images had no say, so their luck goes either way.
#
# The third claim may surprise you. Choosing on test images does not pick worse networks. Only the *number* is spoiled. And not every draw shows it: read the last row of the table. From a single draw you cannot tell.
#
# **In an ordinary project** there are fewer candidates and more images. Luck grows with the number of things that you try, and shrinks with the number of images:

# %% tags=["apparatus"]
# Repeat the bad version with fewer networks, and with more images.
luck = {}
for networks, count in [(1, 100), (5, 100), (20, 100), (5, 1000), (20, 1000)]:
    reports, truths = many_draws(chooses_on_test, count, networks, draws=500)
    luck[networks, count] = 100 * (reports - truths).mean()
    points = f"mean error {luck[networks, count]:+.1f} points"
    print(f"best of {networks} on {count} test images: {points}")

less = luck[20, 100] - luck[20, 1000]
text = "for the best of 20 networks that differ only in their random numbers, 1,000 test images instead of 100 take away at least 1 point of the average error"
claim("10.2", text, less, at_least=1.0)

# %% [markdown]
# With 1,000 images about a point or less is left, which is still enough to pass for an improvement. And networks are not the only thing you choose. Each learning rate, each stopping epoch, each idea that you kept because "the test accuracy went up" is one more try.
#
# **Scope.** Any score, any device. The size depends on the number of tries, the number of images, and how alike the candidates are: if one is far better than the rest, luck does not decide.
#
# **When the bad version is right.** When you need only the choice, not a number. Then all images may choose. Here the test images join in, and the mean over the draws is
# the true accuracy of what was chosen:


# %% tags=["apparatus"]
# Let validation and test images choose together.
def chooses_on_both(val_scores, test_scores):
    return (val_scores + test_scores).argmax()


for choose in (chooses_on_validation, chooses_on_both):
    truths = many_draws(choose)[1]
    print(f"{choose.__name__}: true accuracy {truths.mean():.4f}")

# %% [markdown]
# With twice as many images, the choice is about as good or a little better. That is what the good version costs: the images that report cannot choose.
#
# **How sure can you be?** The good histogram is centred, and it is wide: 100 images are few. If a share $p$ of $n$ images is right, the true share lies within a *margin* of
# $1.96 \sqrt{p(1-p)/n}$ for about 95 of 100 draws. The root is the standard error, and 95 % of a normal distribution lie within 1.96 standard deviations. This holds for independent images from the source that you report on. (For $p$ close to 0 or 1, or very few images, use Wilson's interval.)


# %%
def margin(share, count):
    """Half the width of the 95 % interval for `share` of `count` images."""
    return 1.96 * (share * (1 - share) / count) ** 0.5


print("0.90 on   100 images: ±", f"{margin(0.9, 100):.3f}")
print("0.90 on 10000 images: ±", f"{margin(0.9, 10000):.3f}")

# %% [markdown]
# ### Your turn · Choose, test once, say how sure you are
#
# `publish` gets trained networks and two loaders. It should return the index of the network to publish, its accuracy on the test images as a share from 0 to 1, and the 95 % margin
# of that accuracy. The networks log `val_acc` in `trainer.validate` and `test_acc` in `trainer.test`. No test image may be read before the choice, and none twice. *(9 minutes)*


# %% tags=["exercise"]
def publish(models, val_loader, test_loader):
    trainer = L.Trainer(**quiet_trainer())
    tests = [trainer.test(model, test_loader, verbose=False) for model in models]
    accuracies = [found[0]["test_acc"] for found in tests]
    best = accuracies.index(max(accuracies))
    plus_minus = 0.0
    return best, accuracies[best], plus_minus


# %%
check("10.2", publish)

# %%
# hint("10.2")

# %% [markdown]
# ### Take along
#
# Hand this to your code in place of the test set until nothing is left to choose: as the dataset of the test loader, or as the list of scores. Code that reads it stops.


# %% tags=["guard"]
class Untouched:
    def read(self, *_):
        raise AssertionError("the test set is read before the choice is made")

    __getattr__ = __getitem__ = __iter__ = __len__ = read


# %% tags=["apparatus"]
# Try the guard: it stands in for the test accuracies.
scores = totals / right.shape[1]
try_guard(
    "10.2",
    bad=lambda: chooses_on_test(scores, Untouched()),
    good=lambda: chooses_on_validation(scores, Untouched()),
)

# %% [markdown]
# ### Going further · Does the margin hold?
#
# We have the draws to try it on. How many of 100 intervals miss the true accuracy?


# %%
def misses(choose):
    reports, truths = many_draws(choose, draws=2000)
    missed = (reports - truths).abs() > margin(reports, 100)
    return 100 * missed.float().mean().item()


on_test, on_validation = misses(chooses_on_test), misses(chooses_on_validation)
print(f"chosen on test: {on_test:.1f} %, on validation: {on_validation:.1f} % miss")
text = "the 95 % interval of an accuracy on 100 test images misses the true one in at most 10 % of the draws if validation images chose the network"
claim("10.2", text, on_validation, at_most=10)

# %% [markdown]
# For an honest report the interval keeps what it promises, or nearly. An interval around a number that was chosen for its height misses more often.
#
# - **Tiny data.** 50 images cannot be split in three. In *cross-validation* each part is left out once, and scored by networks that were trained on the others. Choose by its mean. As a report on
#   the winner it is too high, for the reason above; *nested* cross-validation repeats the choice inside each fold and gives an honest number.
# - **Leaderboards.** The top entry of many is partly lucky. So good leaderboards keep a second, private half for the end.
# - **Large test sets.** With tens of thousands of images there is little luck left. When researchers collected new test images for ImageNet, accuracies fell, but they found
#   little sign that years of choosing on the old ones was the reason.
#
# ## Symptoms
#
# | You see | Look at |
# |---|---|
# | the test result is far worse than the best validation result in the log | 10.1 |
# | `ckpt_path="best"` loads the newest weights, or the worst | 10.1 |
# | Lightning warns about multiple `ModelCheckpoint` callbacks | 10.1 |
# | a model scores worse on new data than in your report | 10.2 |
# | the winner of a sweep loses its lead on the next test set | 10.2 |
#
# ## Take away
#
# Choose on validation, load the best weights, test once, say how sure you are. A checklist for your own code:
#
# - [ ] Every `trainer.test` says which weights it means: `ckpt_path="best"`, or better the `best_model_path` of the callback that chose.
# - [ ] That callback has a `monitor` and the right `mode`, and comes first if there are several.
# - [ ] No test image takes part in a choice: of the epoch, of the learning rate, of the network.
# - [ ] The test set is sealed until nothing is left to choose.
# - [ ] The report gives the accuracy, the number of test images and the margin.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin: [the record](../src/course_utils/records/evidence.md#lesson-10).
#
# **Sources** Lightning's documentation on [the Trainer](https://lightning.ai/docs/pytorch/stable/common/trainer.html),
# [testing](https://lightning.ai/docs/pytorch/stable/common/evaluation_intermediate.html) and
# [ModelCheckpoint](https://lightning.ai/docs/pytorch/stable/api/lightning.pytorch.callbacks.ModelCheckpoint.html); G. Cawley and N. Talbot on
# [selection bias](https://jmlr.org/papers/v11/cawley10a.html); B. Recht and others on [new test images for ImageNet](https://arxiv.org/abs/1902.10811); MNIST by LeCun, Cortes and Burges.
#
# Next: [lesson 11](11_code_quality.ipynb), on hints, examples and properties that find your bugs; or look at the [solutions](../solutions/10_evaluation.ipynb) of this one. Checkpoints for resuming are the subject of [lesson 9](09_checkpointing.ipynb).

# %% tags=["own-code"]
# This lesson's questions, asked of your own code: name it in place of None.
my_module, my_data = None, None  # "my_package.model:MyModel", "my_package.data:MyData"
course_utils.check_my(my_module, my_data, select="10.*")
