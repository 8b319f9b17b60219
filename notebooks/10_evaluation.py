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
# measure both. At the end you can
#
# - say which epoch's weights a test has scored, and make it score the ones that you mean;
# - choose among models without spoiling the number that you will report;
# - seal a test set, and say how far a result on it can be trusted.
#
# **You need** to know what a `LightningModule` and a `Trainer` are. New here? [Start here](00_start_here.ipynb) takes fifteen minutes.
#
# **Time** 25 minutes of reading and running, 15 minutes of exercises. All cells together run in less than half a minute on two CPU cores.

# %% tags=["setup"]
try:
    import course_utils
except ModuleNotFoundError:  # opened alone, as on Colab: fetch the helpers, keep torch
    from IPython import get_ipython

    get_ipython().run_line_magic("pip", 'install -q "lightning-course-utils==0.1.*"')
    import course_utils

course_utils.start("10", written_for="0.1")

# %%
import lightning as L
import torch
from torch import nn
from torch.nn import functional as F

from course_utils import check, claim, contrast, hint, solution
from course_utils.data import ImageDataModule, scaled
from course_utils.hardware import quiet_trainer

# %% [markdown]
# One small classifier serves the whole lesson. Its *buffer* `age` counts epochs. A buffer is saved and loaded with the weights, so weights always know how
# long they were trained.


# %%
class DigitClassifier(L.LightningModule):
    """One hidden layer: images of shape (batch, 1, 28, 28) to logits of shape (batch, 10)."""

    def __init__(self):
        super().__init__()
        hidden = [nn.Linear(784, 256), nn.ReLU()]
        self.net = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(256, 10))
        self.register_buffer("age", torch.tensor(0.0))

    def on_train_epoch_start(self):
        self.age += 1

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self.net(images), labels)

    def accuracy(self, batch):
        images, labels = batch
        return (self.net(images).argmax(1) == labels).float().mean()

    def validation_step(self, batch, batch_idx):
        self.log("val_acc", self.accuracy(batch))

    def test_step(self, batch, batch_idx):
        self.log("test_acc", self.accuracy(batch))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=3e-3)


# %% [markdown]
# The data is bad on purpose, so that the effect is large: few images, and many of their labels are wrong. Three of five training labels are drawn by lot. Validation and test labels are
# right.

# %%
from torch.utils.data import DataLoader, TensorDataset


class MislabelledDigits(ImageDataModule):
    """Random labels for three fifths of the training images, the same each time."""

    def train_dataloader(self):
        generator = torch.Generator().manual_seed(self.seed)
        labels = self.train_labels.clone()
        wrong = torch.rand(len(labels), generator=generator) < 0.6
        drawn = torch.randint(10, (len(labels),), generator=generator)
        labels[wrong] = drawn[wrong]
        pairs = TensorDataset(self.train_images, labels)
        return DataLoader(pairs, batch_size=64, shuffle=True)


digits = MislabelledDigits(train_size=600, batch_size=250)

# %% [markdown]
# ## 10.1 Keep training and test apart
#
# You train for 20 epochs. A `ModelCheckpoint` watches the validation accuracy and keeps the weights of its highest epoch. Then you write a line that you have
# seen many times: `trainer.test(model, datamodule=digits)`.
#
# **Predict before you run.** That line tests the weights of
#
# - **a** the epoch with the highest validation accuracy;
# - **b** the last epoch;
# - **c** no epoch: with a checkpoint at hand, Lightning asks you which weights you mean.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# ### Bad: test the model


# %% tags=["bad"]
def tests_the_model(trainer, model, data):
    [found] = trainer.test(model, datamodule=data, verbose=False)
    return found["test_acc"]


# %% [markdown]
# ### Good: test the best checkpoint


# %% tags=["good"]
def tests_the_best(trainer, model, data):
    [found] = trainer.test(model, datamodule=data, ckpt_path="best", verbose=False)
    return found["test_acc"]


# %% [markdown]
# ### The contrast
#
# Both runs train alike, from the same seed. `EpochEnds` notes the validation accuracy of each epoch. A test with `ckpt_path` puts the weights of that file into `model`, so `model.age` says afterwards
# which epoch was tested. The thin lines in the figure are the validation accuracy, one line on top of the other; the large marks are what the test has scored. Watch where they stand.

# %%
from tempfile import TemporaryDirectory

from lightning.pytorch.callbacks import ModelCheckpoint

from course_utils.experiments.plots import Lines
from course_utils.measure import EpochEnds


def fit_and(test, model, data=digits, epochs=20):
    ends = EpochEnds()
    with TemporaryDirectory() as folder:
        best = ModelCheckpoint(folder, monitor="val_acc", mode="max")
        options = quiet_trainer(enable_checkpointing=True, callbacks=[best, ends])
        trainer = L.Trainer(max_epochs=epochs, **options)
        trainer.fit(model, datamodule=data)
        accuracy = test(trainer, model, data)
    return {
        "highest validation accuracy": best.best_model_score,
        "epoch tested": float(model.age),
        "test accuracy": accuracy,
        "validation accuracy": ends.values("val_acc"),
    }


# %% tags=["contrast"]
result = contrast(
    "10.1",
    bad=lambda: fit_and(tests_the_model, DigitClassifier()),
    good=lambda: fit_and(tests_the_best, DigitClassifier()),
    prediction=prediction,
    figure=Lines(
        "The plain call tests the weights that training ended with",
        "validation accuracy",
        x="epoch",
        y="accuracy",
        point=("epoch tested", "test accuracy"),
    ),
)

# %% tags=["claim"]
claim(
    "10.1",
    "the plain call tests the last of 20 epochs",
    result.bad.number("epoch tested"),
    equals=20,
)
claim(
    "10.1",
    "the best checkpoint scores at least 5 points more on the test images",
    result.gain("test accuracy"),
    at_least=0.05,
)

# %% [markdown]
# **Why.** `trainer.test(model)` tests the last weights, whatever your checkpoint callback has kept. You handed over a model, so Lightning tests that model, with the weights it has. `ModelCheckpoint`
# writes files; it never reads one back. A popular list of tips says: train, then `trainer.test(model, datamodule=dm)`, and calls it the test before you publish. As a way to test the model you
# chose, that is wrong. Say which weights you mean: `ckpt_path="best"`.
#
# (Without a model, `trainer.test(datamodule=dm)` does load the best one, and says so in a warning. A call whose meaning changes with an argument that you left out is a
# trap for your colleagues.)
#
# **`"best"` is a name, not a promise.** It stands for whatever the checkpoint callback holds. We let three callbacks watch one run, and score what each of them calls the best on
# validation images; the test set has no part in this.

# %%
from pathlib import Path

asked = {
    "monitor, no mode": {"monitor": "val_acc"},
    "no monitor": {},
    "monitor and mode": {"monitor": "val_acc", "mode": "max"},
}
desk = TemporaryDirectory()  # for the files of this section
kept = [ModelCheckpoint(Path(desk.name, name), **asked[name]) for name in asked]
options = quiet_trainer(enable_checkpointing=True, callbacks=kept)
trainer, model = L.Trainer(max_epochs=20, **options), DigitClassifier()
trainer.fit(model, datamodule=digits)

# %% [markdown]
# First comes the call without a model and without a path, then each callback's path:

# %%
paths = {"no model, no path": None}
paths |= {name: each.best_model_path for name, each in zip(asked, kept)}
epoch_of = {}
for name, path in paths.items():
    given = model if path else None
    [found] = trainer.validate(given, digits, ckpt_path=path, verbose=False)
    epoch_of[name] = float(model.age)
    print(f"{name}: epoch {epoch_of[name]:.1f}, accuracy {found['val_acc']:.3f}")

# %% tags=["claim"]
first = epoch_of["no model, no path"] - epoch_of["monitor, no mode"]
claim("10.1", "of three callbacks the first decides", first, equals=0)
newest = epoch_of["no monitor"]
claim("10.1", "without a monitor the newest is the best", newest, equals=20)

# %% [markdown]
# Three callbacks, each with its own idea of "best", and no error from any of them. Without `mode="max"` less counts as better, so the epoch with the *lowest* accuracy is kept. Without a
# monitor the newest file is "the best". And of several callbacks the first in the list is asked. So with more than one, hand over the path yourself:
# `ckpt_path=callback.best_model_path`. (Read the paths before you load anything, as above: loading a checkpoint also puts the callbacks back to what they held when it was written.)
#
# **How often may you test?** "Only once", says the same list. Who sees to it?

# %%
trainer = L.Trainer(**quiet_trainer())
done = [trainer.test(model, datamodule=digits, verbose=False) for _ in range(5)]
print("tests in a row:", len(done))

# %% [markdown]
# Nobody. If it matters to you, build it in, and best where all trainers of all notebooks pass: where the data is handed out. This data module breaks a seal, a file, when it
# hands out its test images. `touch(exist_ok=False)` creates the file, or fails if it is there.


# %%
class SealedDigits(MislabelledDigits):
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


# %%
seal = Path(desk.name, "test_set_opened")  # in a project: beside the data
sealed = SealedDigits(seal, train_size=600)
L.Trainer(**quiet_trainer()).test(model, datamodule=sealed, verbose=False)
print("seal broken:", seal.exists())

# %% [markdown]
# The second time, from another Trainer:

# %% tags=["raises-exception"]
L.Trainer(**quiet_trainer()).test(model, datamodule=sealed, verbose=False)

# %% [markdown]
# It is a seal, not a lock. Whoever deletes the file can test again, and knows what they did. That is the point: a slip becomes a decision. (With several processes,
# let rank 0 alone break it. This lesson opens its own test set again and again, because the test set is what it is about; its accuracies are demonstrations, not
# results.)
#
# **When the bad version is right.** If the learning rate falls to zero by a schedule, the last epoch is what the schedule was made for. The next run has right labels and a cosine
# schedule. How far apart are last and best?


# %%
class CoolsDown(DigitClassifier):
    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
        return [optimizer], [cosine]


def last_and_best(trainer, model, data):
    last = tests_the_model(trainer, model, data)
    return [last, tests_the_best(trainer, model, data)]


clean = ImageDataModule(train_size=1000, batch_size=64)
last, best = fit_and(last_and_best, CoolsDown(), clean, epochs=10)["test accuracy"]
print(f"last {last:.3f}, best {best:.3f}")
claim(
    "10.1", "last and best differ by at most 2 points", abs(best - last), at_most=0.02
)

# %% [markdown]
# Nothing is lost by testing the last, and something is won: no choice was made on the validation images, so their accuracy is an honest number, too. (Why a choice spoils
# a number is the next section.) Decide for "last" *before* you train. What being good costs: a file for each new best epoch, and validation images that cannot be
# trained on.
#
# ### Your turn · Two checkpoints, one of them meant
#
# This run keeps two checkpoints: the newest, to go on after a crash, and the best on validation. It asks for `ckpt_path="best"`. Yet it reports a poor number. Make it return
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
# ## 10.2 Select on validation
#
# You have trained 20 networks. They differ only in their random numbers: first weights and order of images. You have 100 test images that none of them was trained on. You score all 20 on them, take
# the best one, and report its accuracy.
#
# One draw of 100 images proves nothing, so we repeat the whole story 1,000 times, each time with other test images from one large pool. All other images of the pool tell the true
# accuracy of the network that was taken.
#
# **Predict.** On average over the draws, the reported accuracy is
#
# - **a** too good by 2 to 6 points;
# - **b** right: none of the networks was trained on those images;
# - **c** too good by more than 10 points: the best of 20 is a big exception.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# Twenty networks train on 300 images, then classify the 4,000 images of the pool. `right` holds a 1 where a network is right about an image, else a 0. All that
# follows is counting in this table.

# %%
plenty = ImageDataModule()
images, labels = scaled(plenty.train_images), plenty.train_labels
few = DataLoader(TensorDataset(images[:300], labels[:300]), batch_size=30, shuffle=True)
pool, truth = images[300:4300], labels[300:4300]


@torch.no_grad()
def is_right():
    model = DigitClassifier()
    L.Trainer(max_epochs=3, **quiet_trainer()).fit(model, few)
    return (model.cpu().net(pool).argmax(1) == truth).float()


right = torch.stack([is_right() for _ in range(20)])
totals = right.sum(1)  # of each network, in the whole pool
print("networks and images:", *right.shape)

# %% [markdown]
# A *draw* deals the pool out by lot: 100 validation images, 100 test images, and the rest. Each version gets two lists of 20 accuracies and says which network it takes.
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
# Both versions see the same draws and report the same kind of number: the accuracy of the chosen network on the 100 test images. Watch the mean, then the width.

# %%
from course_utils.experiments.plots import Histogram


def many_draws(choose, count=100, networks=20, draws=1000):
    """What was reported, and what was true: one accuracy a draw."""
    reports, truths, pool_size = [], [], right.shape[1]
    for _ in range(draws):
        dealt = torch.randperm(pool_size)[: 2 * count].split(count)
        val, test = (right[:networks, part].mean(1) for part in dealt)
        chosen = choose(val, test)
        rest = totals[chosen] - count * (val[chosen] + test[chosen])
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
        "reports that are too good (%)": 100 * (errors > 0).float().mean(),
        "error of each report": errors,
    }


# %% tags=["contrast"]
result = contrast(
    "10.2",
    bad=lambda: honesty(chooses_on_test),
    good=lambda: honesty(chooses_on_validation),
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
claim(
    "10.2",
    "choosing on the test images makes the report at least 2 points too good",
    result.bad.number("mean error (points)"),
    at_least=2.0,
)
claim(
    "10.2",
    "choosing on validation images, the mean error is below 1 point",
    abs(result.good.number("mean error (points)")),
    at_most=1.0,
)
claim(
    "10.2",
    "and the network that is chosen is as good either way",
    abs(result.gain("true accuracy")),
    at_most=0.01,
)

# %% [markdown]
# **Why.** A test accuracy is made of two parts: how good the network is, and how well the 100 images happen to suit it. The highest of 20 test accuracies is high
# in both. Its luck belongs to those images and does not come back on new ones. Nothing was trained on the test images, and yet they took part: they made the choice.
#
# The validation accuracy of the chosen network is too good in just the same way. But you do not report it. The test images had no say, so their luck goes either way.
#
# The third claim may surprise you. Choosing on test images does not pick worse networks. Only the *number* is spoiled.
#
# Not every draw shows it. Look at the last row of the table: there are draws in which the bad report is too low. Who sees one draw cannot know.
#
# **How much luck is there?** It grows with the number of things that you try, and shrinks with the number of images:

# %%
luck = {}
for networks, count in [(1, 100), (5, 100), (20, 100), (20, 1000)]:
    reports, truths = many_draws(chooses_on_test, count, networks, draws=500)
    luck[networks, count] = 100 * (reports - truths).mean().item()
    points = f"mean error {luck[networks, count]:+.1f} points"
    print(f"best of {networks} on {count} test images: {points}")

less = luck[20, 100] - luck[20, 1000]
claim("10.2", "ten times the images take away at least 1 point", less, at_least=1.0)

# %% [markdown]
# A network is not the only thing that one chooses. Each learning rate, each stopping epoch, each idea that you kept because "the test accuracy went up" is one more try.
#
# **How sure can you be?** The good histogram is centred, and it is wide. 100 images are few. If a share $p$ of $n$ images is right, the true share lies within a *margin* of
# $1.96 \sqrt{p(1-p)/n}$ for about 95 of 100 draws: the root is the standard error, and 1.96 of them to either side hold 95 % of a normal distribution. (For $p$ close to 0 or 1, or very few images, use Wilson's interval.)


# %%
def margin(share, count):
    """Half the width of the 95 % interval for `share` of `count` images."""
    return 1.96 * (share * (1 - share) / count) ** 0.5


for count in (100, 1000, 10000):
    print(
        f"0.90 on {count} images: plus or minus {100 * margin(0.9, count):.1f} points"
    )

# %% [markdown]
# Is that true? We have the draws to try it on. How many of 100 intervals miss the true accuracy?


# %%
def misses(choose):
    reports, truths = many_draws(choose, draws=2000)
    missed = (reports - truths).abs() > margin(reports, 100)
    return 100 * missed.float().mean().item()


on_test, on_validation = misses(chooses_on_test), misses(chooses_on_validation)
print(f"chosen on test: {on_test:.1f} %, on validation: {on_validation:.1f} % miss")
claim("10.2", "an honest interval misses in at most 10 %", on_validation, at_most=10)
times = on_test / on_validation
claim("10.2", "the other one misses at least 1.5 times as often", times, at_least=1.5)

# %% [markdown]
# For an honest report the interval keeps what it promises, or nearly. An interval around a number that luck has chosen knows nothing of the choice.
#
# **When the bad version is right.** When you need the choice and no number. Then all images may choose. Here the test images join in, and the mean over the draws is
# the true accuracy of what was chosen:


# %%
def chooses_on_both(val_scores, test_scores):
    return (val_scores + test_scores).argmax()


for choose in (chooses_on_validation, chooses_on_both):
    truths = many_draws(choose)[1]
    print(f"{choose.__name__}: true accuracy {truths.mean():.4f}")

# %% [markdown]
# Twice the images choose a little better, or as well. That is what being good costs: the images that report cannot choose.
#
# - **Tiny data.** 50 images cannot be split in three. In *cross-validation* each part is left out once, and scored by networks that were trained on the others. Its mean may choose. As a report on
#   the winner it is too good, for the reason above; *nested* cross-validation chooses anew inside each fold and gives an honest number.
# - **Leaderboards.** The top entry of many is partly lucky. So good ones keep a second, private half for the end.
# - **Large test sets.** With tens of thousands of images there is little luck left. When researchers collected new test images for ImageNet, accuracies fell, but they found
#   hardly a sign that years of choosing on the old ones was the reason.
#
# ### Your turn · Choose, test once, say how sure you are
#
# `publish` gets trained networks and two loaders. It should return the index of the network to publish, its accuracy on the test images as a share from 0 to 1, and the margin of
# that accuracy. The networks log `val_acc` and `test_acc`. No test image may be read before the choice, and none twice. *(9 minutes)*


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
# ## Take away
#
# Choose on validation, load the best weights, test once, say how sure you are. A checklist for your own code:
#
# - [ ] Every `trainer.test` says which weights it means: `ckpt_path="best"`, or better the `best_model_path` of the callback that chose.
# - [ ] That callback has a `monitor` and the right `mode`, and comes first if there are several.
# - [ ] No test image takes part in a choice: not of the epoch, nor of the learning rate, nor of the network.
# - [ ] The test set is sealed until nothing is left to choose.
# - [ ] Beside the accuracy stand the number of test images and the margin.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin: [the record](../src/course_utils/records/evidence.md#lesson-10).
#
# **Sources** Lightning's documentation on [the Trainer](https://lightning.ai/docs/pytorch/stable/common/trainer.html),
# [testing](https://lightning.ai/docs/pytorch/stable/common/evaluation_intermediate.html) and
# [ModelCheckpoint](https://lightning.ai/docs/pytorch/stable/api/lightning.pytorch.callbacks.ModelCheckpoint.html); G. Cawley and N. Talbot on
# [selection bias](https://jmlr.org/papers/v11/cawley10a.html); B. Recht and others on [new test images for ImageNet](https://arxiv.org/abs/1902.10811); MNIST by LeCun, Cortes and Burges.
#
# Next: **lesson 11**, or look at the [solutions](../solutions/10_evaluation.ipynb) of this one.
