# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 04 · Curves that mean what they say
#
# A logged number is more than a picture. Callbacks read it: it decides when a run stops, which checkpoint is kept, how fast the weights move. So a number
# that means something else than its name says does damage. At the end of this lesson you can
#
# - say, for each number you log, over which images and which processes it is a mean;
# - read a logger's file, and find the one batch that was broken by its step;
# - choose names that neither callbacks nor files confuse;
# - see the learning rate that was applied, not the one you wrote.
#
# **You need** to know what a `LightningModule` and a `Trainer` are. New here? [Start here](00_start_here.ipynb) takes ten minutes.
#
# **Time** 35 minutes of reading and running, 29 minutes of exercises. All cells together run in less than half a minute on two CPU cores.

# %% tags=["setup"]
try:
    import course_utils
except ModuleNotFoundError:  # opened alone, as on Colab: fetch the helpers, keep torch
    from IPython import get_ipython

    get_ipython().run_line_magic("pip", 'install -q "lightning-course-utils==0.1.*"')
    import course_utils

course_utils.start("04", written_for="0.1")

# %%
import lightning as L
import torch
from torch import nn
from torch.nn import functional as F

from course_utils import check, claim, contrast, hint, solution
from course_utils.data import ImageDataModule
from course_utils.hardware import quiet_trainer

# %% [markdown]
# One small classifier serves the whole lesson. Images have the shape `(batch, channel, height, width)` and values from 0 to 1. `quiet_trainer()` holds the options that keep a
# Trainer silent: one device, no logger, no files. What we add to them is what an experiment is about.


# %%
class DigitClassifier(L.LightningModule):
    """One hidden layer: images of shape (batch, 1, 28, 28) to logits of shape (batch, 10)."""

    def __init__(self, lr=1e-3):
        super().__init__()
        self.lr = lr
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10)
        )

    def forward(self, images):
        return self.net(images)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


# %% [markdown]
# ## 4.1 Log steps and epochs
#
# `self.log("train_loss", loss)` in every training step: the line that everybody writes. `EarlyStopping` looks at `train_loss` after each epoch and, with `patience=1`, ends the run
# as soon as it is no new low. Which number does it look at?
#
# **Predict before you run.** At the end of an epoch, `train_loss` is
#
# - **a** the mean loss of the epoch;
# - **b** the loss of the last batch;
# - **c** the mean of the steps since the logger's last row.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %% [markdown]
# ### Bad: only steps are logged


# %% tags=["bad"]
class LogsSteps(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.log("train_loss", loss)
        return loss


# %% [markdown]
# ### Good: steps and epochs are logged


# %% tags=["good"]
class LogsStepsAndEpochs(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        return loss


# %% [markdown]
# ### The contrast
#
# Both train on 100 digits in batches of 4, for at most 15 epochs. Two helpers look on. `InMemoryLogger` is a logger that keeps its rows in memory. `EpochEnds` keeps
# what `EarlyStopping` finds at the end of each epoch.

# %%
from itertools import pairwise

from lightning.pytorch.callbacks import EarlyStopping

from course_utils.experiments.plots import Panels
from course_utils.measure import EpochEnds, InMemoryLogger

few = ImageDataModule(batch_size=4, train_size=100)


def train_while_it_improves(model):
    book, seen, stop = (
        InMemoryLogger(),
        EpochEnds(),
        EarlyStopping("train_loss", patience=1),
    )
    options = quiet_trainer(logger=book, callbacks=[seen, stop])
    trainer = L.Trainer(max_epochs=15, log_every_n_steps=1, **options)
    trainer.fit(model, datamodule=few)
    watched = seen.values("train_loss")
    return {
        "epochs trained": float(trainer.current_epoch),
        "times it got worse": float(sum(b > a for a, b in pairwise(watched))),
        "seen by EarlyStopping": watched,
        "each batch": book.values("train_loss") + book.values("train_loss_step"),
    }


# %% [markdown]
# Watch where the green curve runs: through the grey cloud, or from one grey point to another.

# %% tags=["contrast"]
result = contrast(
    "4.1",
    bad=lambda: train_while_it_improves(LogsSteps(lr=5e-4)),
    good=lambda: train_while_it_improves(LogsStepsAndEpochs(lr=5e-4)),
    prediction=prediction,
    figure=Panels(
        "Logged by step, one batch decides when training stops",
        ["seen by EarlyStopping"],
        x="epoch",
        y="training loss (nats)",
        cloud="each batch",
        end="training ends",
    ),
)

# %% tags=["claim"]
claim(
    "4.1",
    "logged by step, the run ends at least 4 epochs early",
    result.gain("epochs trained"),
    at_least=4,
)
claim(
    "4.1",
    "the mean of the epoch fell every time",
    result.good.number("times it got worse"),
    equals=0,
)

# %% [markdown]
# **Why.** In `training_step`, `self.log` means `on_step=True, on_epoch=False` unless you say more. (In `validation_step` it is the other way round.) The name
# then holds the newest value: at the end of an epoch, the loss of one batch of 4 digits. An easy batch at the end of one epoch makes the next epoch look bad.
# While the loss falls fast, the good curve lies high in the cloud: each point is drawn at the end of its epoch, and is the mean of all of it.
#
# With both switched on, Lightning keeps a sum and a count as well, and you get three names. Here is what a logger stores. `CSVLogger` writes a file; we write it to
# a folder that is removed again, for two epochs of four steps.

# %%
import tempfile
from pathlib import Path

from lightning.pytorch.loggers import CSVLogger


def csv_file(every):
    with tempfile.TemporaryDirectory() as folder:
        logger = CSVLogger(folder)
        options = quiet_trainer(logger=logger, log_every_n_steps=every)
        trainer = L.Trainer(max_epochs=2, limit_train_batches=4, **options)
        trainer.fit(LogsStepsAndEpochs(), datamodule=few)
        return Path(logger.log_dir, "metrics.csv").read_text()


print(csv_file(every=2))

# %% [markdown]
# One row each second step, one at the end of each epoch, with holes where a column has nothing to say. `step` counts optimizer steps from 0. `train_loss_step` and
# `train_loss_epoch` are two columns; callbacks find the mean under the plain name, too.
#
# **TensorBoard** would draw one chart for each column, with `step` as its horizontal axis: a jagged line and a smooth one. A name with a slash puts its
# chart into a section, named by what stands before the slash; more in 4.2.
#
# Now the default, one row each 50 steps. How many values of `train_loss_step` does this run leave?

# %%
header, *rows = csv_file(every=50).splitlines()
print("columns:", header)
print("rows:", len(rows))

# %% [markdown]
# None, not even a column; the two rows are the epochs. A run shorter than `log_every_n_steps` has no step curve. Set it to fit your run.
#
# **When the bad version is right.** The step curve alone shows what happened *when*. Below, one batch out of 150 has wrong labels. Look for it among the steps of its epoch, then among the means of the epochs.


# %%
class OneBrokenBatch(LogsStepsAndEpochs):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        if self.global_step == 70:
            labels = (labels + 1) % 10
        return super().training_step((images, labels), batch_idx)


# %%
book = InMemoryLogger()
many = ImageDataModule(batch_size=64, train_size=3200)
options = quiet_trainer(logger=book, log_every_n_steps=1)
L.Trainer(max_epochs=3, **options).fit(OneBrokenBatch(), datamodule=many)
its_epoch = book.values("train_loss_step")[50:100]
broken = its_epoch.pop(20)  # step 70
print(f"broken batch: {broken:.3f}, worst of the others: {max(its_epoch):.3f}")
print("epoch means:", *(f"{mean:.3f}" for mean in book.values("train_loss_epoch")))
claim("4.1", "by step it stands out", broken / max(its_epoch), at_least=2)
ratios = [b / a for a, b in pairwise(book.values("train_loss_epoch"))]
claim("4.1", "by epoch nothing is seen: the mean falls", max(ratios), at_most=1)

# %% [markdown]
# So log both, and let callbacks watch the mean. What it costs: a row in a file each `log_every_n_steps`, and one addition in each step.
#
# ### Your turn · Two curves from one line
#
# The module below keeps a list of losses to report their mean. The mean is wrong in two ways, and single steps are not logged at all. The logger should
# get the loss of each step as `train_loss_step`, and callbacks the exact mean of each epoch as `train_loss_epoch`. *(5 minutes)*


# %% tags=["exercise"]
class LogsTwoCurves(DigitClassifier):
    def __init__(self):
        super().__init__()
        self.losses = []

    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.losses.append(loss.detach())
        return loss

    def on_train_epoch_end(self):
        self.log("train_loss_epoch", torch.stack(self.losses).mean())


# %%
check("4.1", LogsTwoCurves)

# %% [markdown]
# Stuck? `hint("4.1")` gives a nudge, the second call a bigger one. `solution("4.1")` shows one way to do it, with its reason.

# %%
# hint("4.1")

# %% [markdown]
# ## 4.2 Give metrics structured names
#
# The loss is called `loss`. You log its mean over the epoch, in `training_step` and in `validation_step`. `EarlyStopping` and `ModelCheckpoint` are to
# watch the validation loss, so you write `monitor="loss"`.
#
# **Predict.** At the end of an epoch they read
#
# - **a** the validation loss: validation comes after the training batches, so it is logged last;
# - **b** nothing: a name used twice raises an error;
# - **c** the training loss.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %% [markdown]
# ### Bad: one name for two numbers


# %% tags=["bad"]
class OneNameForTwo(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.log("loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        self.log("loss", F.cross_entropy(self(images), labels))


# %% [markdown]
# ### Good: the name says which split


# %% tags=["good"]
class NamesTheSplit(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        self.log("val/loss", F.cross_entropy(self(images), labels))


# %% [markdown]
# ### The contrast
#
# 100 digits are so few that the model soon learns them by heart, mistakes included: they were labelled in a hurry, and every third label is wrong; those for validation are right. So the validation
# loss falls, then climbs. `Witness` computes it after each epoch, whatever the names are (`scaled` turns bytes into values from 0 to 1). `ModelCheckpoint` keeps the weights that it takes for the best.

# %%
from lightning.pytorch.callbacks import ModelCheckpoint

from course_utils.data import scaled

small = ImageDataModule(batch_size=20, train_size=100, val_size=500)
small.train_labels[::3] = (small.train_labels[::3] + 1) % 10


class Witness(L.Callback):
    def on_fit_start(self, trainer, model):
        self.losses = []

    @torch.no_grad()
    def on_train_epoch_end(self, trainer, model):
        logits = model(scaled(small.val_images).to(model.device)).cpu()
        self.losses.append(F.cross_entropy(logits, small.val_labels))


# %%
def train_and_keep_the_best(model, name):
    seen, witness = EpochEnds(), Witness()
    with tempfile.TemporaryDirectory() as folder:
        keep = ModelCheckpoint(folder, monitor=name)
        callbacks = [seen, witness, keep, EarlyStopping(name, patience=3)]
        options = quiet_trainer(enable_checkpointing=True, callbacks=callbacks)
        trainer = L.Trainer(max_epochs=20, **options)
        trainer.fit(model, datamodule=small)
        kept = torch.load(keep.best_model_path, weights_only=True)["epoch"]
    lowest, of_the_kept = min(witness.losses), witness.losses[kept]
    return {
        "epochs trained": float(trainer.current_epoch),
        "lowest validation loss": lowest,
        "validation loss of the kept model": of_the_kept,
        "above the lowest by (%)": 100 * (of_the_kept / lowest - 1),
        "watched": seen.values(name),
        "validation loss": witness.losses,
    }


# %% [markdown]
# Watch the green curve: does it lie on the validation loss, or go a way of its own?

# %% tags=["contrast"]
result = contrast(
    "4.2",
    bad=lambda: train_and_keep_the_best(OneNameForTwo(lr=5e-3), "loss"),
    good=lambda: train_and_keep_the_best(NamesTheSplit(lr=5e-3), "val/loss"),
    prediction=prediction,
    figure=Panels(
        "Sharing a name, the callbacks watch a loss that only falls",
        ["watched", "validation loss"],
        x="epoch",
        y="loss (nats)",
        end="training ends",
    ),
)

# %% tags=["claim"]
claim(
    "4.2",
    "sharing a name, the run does not stop early",
    result.bad.number("epochs trained"),
    equals=20,
)
claim(
    "4.2",
    "and keeps a model whose validation loss is at least 5 % above the lowest",
    result.bad.number("above the lowest by (%)"),
    at_least=5,
)
claim(
    "4.2",
    "with two names the best is kept",
    result.good.number("above the lowest by (%)"),
    equals=0,
)

# %% [markdown]
# **Why.** Callbacks look a name up in one table, `trainer.callback_metrics`. Both steps write there, and the later one wins. Validation runs at the end of an epoch,
# then the training epoch is closed and its mean is written: over the validation loss. At that moment the two callbacks read.
#
# So a name should say what it is a number *of*. `train/loss` and `val/loss` do, and `train_loss` and `val_loss` do as well. The slash adds one thing: TensorBoard and other
# viewers group charts by what stands before it. And it has a price. Watch what it does in the name of a checkpoint file:


# %%
def checkpoint_name(**options):
    with tempfile.TemporaryDirectory() as folder:
        keep = ModelCheckpoint(folder, monitor="val/loss", **options)
        options = quiet_trainer(enable_checkpointing=True, callbacks=[keep])
        L.Trainer(max_epochs=1, **options).fit(NamesTheSplit(), datamodule=small)
        return Path(keep.best_model_path).relative_to(Path(folder).resolve()).as_posix()


print(checkpoint_name(filename="{epoch}-{val/loss:.2f}"))
plain = "epoch={epoch}-val_loss={val/loss:.2f}"
print(checkpoint_name(filename=plain, auto_insert_metric_name=False))

# %% [markdown]
# The first is a file `loss=….ckpt` in a folder `epoch=0-val`, made without a word. Each epoch that is saved gets a folder of its own. (Each call trains a new model, so the two losses differ a little.) With `auto_insert_metric_name=False` only the value
# is filled in, and you write the words around it.
#
# **When the bad version is right.** A name without a split is fine for what has no split, such as a learning rate. And if you log to no viewer that groups
# charts, an underscore says as much as a slash and never makes a folder. What being good costs: a rename is a new curve, and old runs keep the old name. So choose
# early.
#
# ### Your turn · Keep the best, under a name you can read
#
# Log `train/loss`, `val/loss` and `val/acc`. Keep the epoch with the best `val/acc`, in a file that lies directly in the folder of checkpoints and shows epoch and
# accuracy, like `epoch=2-acc=0.87.ckpt`. The module brings its own checkpoint callback: Lightning asks `configure_callbacks` for it. *(8 minutes)*


# %% tags=["exercise"]
class KeepsTheBest(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.log("loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        logits = self(images)
        self.log("loss", F.cross_entropy(logits, labels))
        self.log("acc", (logits.argmax(1) == labels).float().mean())

    def configure_callbacks(self):
        return [ModelCheckpoint(filename="{epoch}-{acc:.2f}")]


# %%
check("4.2", KeepsTheBest)

# %%
# hint("4.2")

# %% [markdown]
# ## 4.3 Sync metrics across processes
#
# Two processes train one model. Each computes gradients on its own images, DDP averages them, and both apply the same update: the weights stay equal. The
# validation images lie in two files, one for each process. The second file was labelled in a hurry: every second label is wrong. A scheduler lowers the
# learning rate when `val_loss` does not improve.
#
# **Predict.** After eight epochs, with `val_loss` logged as always, the weights of the two processes are
#
# - **a** equal: the gradients are averaged in every step;
# - **b** different;
# - **c** equal, because Lightning shares what a scheduler monitors.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
class TrainsWithPlateau(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
        schedule = {"scheduler": plateau, "monitor": "val_loss"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}


# %% [markdown]
# ### Bad: each process logs for itself


# %% tags=["bad"]
class LogsForItself(TrainsWithPlateau):
    def validation_step(self, batch, batch_idx):
        images, labels = batch
        self.log("val_loss", F.cross_entropy(self(images), labels))


# %% [markdown]
# ### Good: the processes agree on the value


# %% tags=["good"]
class LogsTogether(TrainsWithPlateau):
    def validation_step(self, batch, batch_idx):
        images, labels = batch
        self.log("val_loss", F.cross_entropy(self(images), labels), sync_dist=True)


# %% [markdown]
# ### The contrast
#
# `TwoFiles` gives each process its own file, as data sets made of many files do. A process finds its number, the rank, and the number of processes in the environment.

# %%
import os

from torch.utils.data import DataLoader, IterableDataset, TensorDataset


class TwoFiles(IterableDataset):
    def __init__(self, images, labels, first):
        self.files = [
            (images[:first], labels[:first]),
            (images[first:], labels[first:]),
        ]

    def __iter__(self):
        rank = int(os.environ.get("RANK", 0))
        world = int(os.environ.get("WORLD_SIZE", 1))
        for images, labels in self.files[rank::world]:
            yield from zip(images, labels)


# %%
data = ImageDataModule(train_size=640, val_size=400)
train_loader = DataLoader(
    TensorDataset(scaled(data.train_images), data.train_labels), batch_size=32
)
val_images, val_labels = scaled(data.val_images), data.val_labels.clone()
val_labels[200::2] = (val_labels[200::2] + 1) % 10  # the second file
val_loader = DataLoader(TwoFiles(val_images, val_labels, 200), batch_size=10)

# %% [markdown]
# `run_processes` starts two processes on the CPU and returns what each of them returned. Inside stands an ordinary `Trainer`, as on a machine with two GPUs. Watch
# the two learning rates in the table, then the distance between the two sets of weights.

# %%
from course_utils.distributed import run_processes

two = quiet_trainer(accelerator="cpu", devices=2, strategy="ddp")


def train_in_two(model):
    def work():
        seen = EpochEnds()
        trainer = L.Trainer(max_epochs=8, callbacks=[seen], **two)
        trainer.fit(model, train_loader, val_loader)
        weights = torch.cat([p.detach().flatten() for p in model.parameters()])
        return (
            seen.values("val_loss"),
            trainer.optimizers[0].param_groups[0]["lr"],
            weights,
        )

    (losses_0, lr_0, weights_0), (losses_1, lr_1, weights_1) = run_processes(work)
    return {
        "final learning rate of rank 0": lr_0,
        "final learning rate of rank 1": lr_1,
        "learning rates apart by the factor": max(lr_0, lr_1) / min(lr_0, lr_1),
        "weights apart by up to": (weights_0 - weights_1).abs().max(),
        "rank 0": losses_0,
        "rank 1": losses_1,
    }


# %% tags=["contrast"]
result = contrast(
    "4.3",
    bad=lambda: train_in_two(LogsForItself()),
    good=lambda: train_in_two(LogsTogether()),
    prediction=prediction,
    figure=Panels(
        "Unsynced, the two processes believe in two validation losses",
        ["rank 0", "rank 1"],
        x="epoch",
        y="val_loss (nats)",
    ),
)

# %% tags=["claim"]
claim(
    "4.3",
    "unsynced, the learning rates end a factor of 50 apart or more",
    result.bad.number("learning rates apart by the factor"),
    at_least=50,
)
claim(
    "4.3",
    "and the replicas have drifted apart",
    result.bad.number("weights apart by up to"),
    at_least=0.05,
)
claim(
    "4.3",
    "synced, they are equal to the last bit",
    result.good.number("weights apart by up to"),
    equals=0,
)

# %% [markdown]
# **Why.** `self.log` keeps a value in its own process. Rank 1 soon sees its loss rise, because a confident model pays dearly for a wrong label, and lowers its learning rate. Rank
# 0 sees its loss fall and goes on. They apply the same gradients with different rates, and from then on they are two models. Each computes
# gradients at its own weights, and DDP averages them all the same. No error is raised. Lightning warns once, "It is recommended to use `self.log('val_loss', ..., sync_dist=True)`",
# which is easy to miss in a long log (the course hides it). Only rank 0 is saved and reported.
#
# `EarlyStopping` and `ModelCheckpoint` are safer, not safe. The processes vote: one is enough to stop, all must agree to replace the best checkpoint. So they do
# the same, but each judges by its own number. What decides something should be the same number everywhere.
#
# You may have read that `sync_dist=True` is "proper aggregation". It is a mean weighted by batch size, no more. A loss or an accuracy is a mean over images, so that is right. An F1 is not: it
# has other counts in its denominator. Each process validates with batches of 10 and returns what it would report:

# %%
from torchmetrics.classification import MulticlassF1Score
from torchmetrics.functional.classification import multiclass_f1_score


class ThreeWaysOfF1(TrainsWithPlateau):
    def __init__(self):
        super().__init__()
        self.f1 = MulticlassF1Score(num_classes=10)

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        logits = self(images)
        batch_f1 = multiclass_f1_score(logits, labels, num_classes=10)
        self.log("val_loss", F.cross_entropy(logits, labels), sync_dist=True)
        self.log("alone", batch_f1)
        self.log("synced", batch_f1, sync_dist=True)
        self.f1(logits, labels)
        self.log("object", self.f1)


# %%
model = ThreeWaysOfF1()
L.Trainer(max_epochs=4, **quiet_trainer(accelerator="cpu")).fit(
    model, train_loader, val_loader
)


def validate_in_two(model, loader):
    def work():
        return L.Trainer(**two).validate(model, loader, verbose=False)[0]

    return run_processes(work)


exact = multiclass_f1_score(model(val_images), val_labels, num_classes=10).item()
ranks = validate_in_two(model, val_loader)
print("          rank 0   rank 1   exact")
for name in ("alone", "synced", "object"):
    print(f"{name:8}  {ranks[0][name]:.4f}   {ranks[1][name]:.4f}   {exact:.4f}")

# %%
claim(
    "4.3",
    "a synced batch F1 is the same everywhere, and wrong by 3 points or more",
    abs(ranks[0]["synced"] - exact),
    at_least=0.03,
)
claim(
    "4.3",
    "a torchmetrics object is exact on both ranks",
    max(abs(rank["object"] - exact) for rank in ranks),
    at_most=1e-6,
)

# %% [markdown]
# `alone` is a mean over the batches of one process, `synced` over those of both. The object keeps counts, adds them up over batches and processes, and divides once. It syncs by itself. ([Lesson 12](12_common_pitfalls.ipynb) has the short version of this, and an exercise.)
#
# Even a mean can go wrong today. Lightning (2.6.6 here) keeps the number of images as a whole number and averages that, too, rounding down. Five images in files of 3 and 2, all classified correctly,
# should give an accuracy of one:


# %%
class AlwaysRight(DigitClassifier):
    def validation_step(self, batch, batch_idx):
        self.log("acc", torch.tensor(1.0), sync_dist=True)


odd_loader = DataLoader(TwoFiles(val_images[:5], val_labels[:5], 3), batch_size=8)
print(f"accuracy: {validate_in_two(AlwaysRight(), odd_loader)[0]['acc']:.3f}")

# %% [markdown]
# 2.5 images on average became 2. This is [issue 21859](https://github.com/Lightning-AI/pytorch-lightning/issues/21859); if you read 1.000 above, your version has fixed it. Until then, validate on a number
# of images that the processes divide evenly, or log a torchmetrics object. Such numbers also spare you the other trap: a distributed sampler repeats images to fill up, and what is repeated counts twice.
#
# **When the bad version is right.** In one process, `sync_dist` changes nothing. In several, it costs messages: all processes wait for each other. Let us count them, for
# five metrics in ten training steps of each process. A message is a call of `all_reduce`, which adds up a tensor over the processes; for the count we put our own function in its place. (DDP averages gradients in
# C++, where we don't see it.)


# %%
class LogsFive(DigitClassifier):
    def __init__(self, **how):
        super().__init__()
        self.how = how

    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        for i in range(5):
            self.log(f"metric {i}", loss, **self.how)
        return loss


# %%
def messages(**how):
    def work():
        calls, real = [], torch.distributed.all_reduce

        def counted(*args, **options):
            calls.append(1)
            return real(*args, **options)

        torch.distributed.all_reduce = counted
        L.Trainer(max_epochs=1, **two).fit(LogsFive(**how), train_loader)
        return len(calls)

    return run_processes(work)[0]


print("not synced:          ", messages(sync_dist=False))
print("synced in every step:", messages(sync_dist=True))
by_epoch = {"on_step": False, "on_epoch": True}
print("synced once an epoch:", messages(sync_dist=True, **by_epoch))

# %% [markdown]
# Two messages are Lightning's own. The rest is one for each metric and step, against two for each metric and epoch: its sum and its count. So leave the step curve unsynced. One process's
# values are noisier than the mean of two, which does no harm as long as nothing is decided by them.
#
# ### Your turn · A mean, a maximum and a count
#
# This module reports the mean loss, the loss of the hardest image and the number of wrong answers. Make all three right, whether one process or two validate. The check uses files of
# different length. *(8 minutes)*


# %% tags=["exercise"]
class ReportsThree(DigitClassifier):
    def validation_step(self, batch, batch_idx):
        images, labels = batch
        logits = self(images)
        losses = F.cross_entropy(logits, labels, reduction="none")
        errors = (logits.argmax(1) != labels).float()
        self.log("val_loss", losses.mean())
        self.log("val_worst", losses.max())
        self.log("val_errors", errors.sum())


# %%
check("4.3", ReportsThree)

# %%
# hint("4.3")

# %% [markdown]
# ## 4.4 Monitor the learning rate
#
# You want a one-cycle schedule: in 100 updates, which are two epochs, the learning rate climbs to 0.1 and falls to nearly zero. PyTorch's `OneCycleLR` does that, and you
# hand it to Lightning.
#
# **Predict.** The learning rate
#
# - **a** follows the cycle: Lightning steps the scheduler after each update;
# - **b** never comes near its peak;
# - **c** goes through the cycle twice, once in each epoch.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %% [markdown]
# ### Bad: the scheduler is handed over as it is
#
# `OneCycleLR` sets the rate from the first update on, so `SGD` gets none.


# %% tags=["bad"]
class HandsOverTheScheduler(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters())
        updates = int(self.trainer.estimated_stepping_batches)
        cycle = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=0.1, total_steps=updates, pct_start=0.2
        )
        return {"optimizer": optimizer, "lr_scheduler": cycle}


# %% [markdown]
# ### Good: Lightning is told when to step it


# %% tags=["good"]
class SaysWhenToStep(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters())
        updates = int(self.trainer.estimated_stepping_batches)
        cycle = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=0.1, total_steps=updates, pct_start=0.2
        )
        schedule = {"scheduler": cycle, "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}


# %% [markdown]
# ### The contrast
#
# `LearningRateMonitor` logs the rate that the optimizer has. It needs a logger. Without one it raises an error, and this is what you see in a script that
# worked before you switched the logger off:

# %% tags=["raises-exception"]
from lightning.pytorch.callbacks import LearningRateMonitor

trainer = L.Trainer(callbacks=[LearningRateMonitor()], **quiet_trainer())
trainer.fit(SaysWhenToStep(), datamodule=many)

# %% [markdown]
# With a logger, even one that writes no file, it keeps all rates in `lrs`. As a second opinion, `AppliedRates` hooks into the optimizer and notes the rate of every
# update.

# %%
from course_utils.experiments.plots import Lines
from course_utils.measure import AppliedRates, accuracy


def train_and_monitor(model):
    monitor = LearningRateMonitor("step")
    options = quiet_trainer(logger=InMemoryLogger(), callbacks=[monitor])
    trainer = L.Trainer(max_epochs=2, log_every_n_steps=1, **options)
    with AppliedRates() as applied:
        trainer.fit(model, datamodule=many)
    rates = monitor.lrs["lr-SGD"]
    return {
        "updates": len(applied.values),
        "distinct learning rates": len(set(rates)),
        "highest learning rate": max(rates),
        "monitor and optimizer agree": rates == applied.values,
        "test accuracy": accuracy(model.cpu(), many.test_images, many.test_labels),
        "learning rate": rates,
    }


# %% tags=["contrast"]
result = contrast(
    "4.4",
    bad=lambda: train_and_monitor(HandsOverTheScheduler()),
    good=lambda: train_and_monitor(SaysWhenToStep()),
    prediction=prediction,
    figure=Lines(
        "Stepped once an epoch, the cycle never gets going",
        "learning rate",
        x="update",
        y="learning rate",
    ),
)

# %% tags=["claim"]
claim(
    "4.4",
    "stepped once an epoch, there are 2 learning rates in 2 epochs",
    result.bad.number("distinct learning rates"),
    equals=2,
)
claim(
    "4.4",
    "the highest is less than a tenth of the peak",
    result.times("highest learning rate"),
    at_most=0.1,
)
claim(
    "4.4",
    "which costs at least 5 points of accuracy",
    result.gain("test accuracy"),
    at_least=0.05,
)

# %% [markdown]
# **Why.** Lightning steps a scheduler once an *epoch*, unless its dictionary says `"interval": "step"`. `OneCycleLR` was told of 100 steps and got 2, so it never left the
# foot of the hill. Nothing is wrong enough for an error: the model learns, only less. One look at the learning rate tells.
#
# The monitor has two habits that you should know. It works without any scheduler, and it writes only when the logger does: every `log_every_n_steps` updates. With the
# default of 50, what is left of 100 updates?

# %%
monitor = LearningRateMonitor("step")
options = quiet_trainer(logger=InMemoryLogger(), callbacks=[monitor])
L.Trainer(max_epochs=2, **options).fit(SaysWhenToStep(), datamodule=many)
print("values of the learning rate:", len(monitor.lrs["lr-SGD"]))
print("highest seen:", f"{max(monitor.lrs['lr-SGD']):.3f}")

# %% [markdown]
# Two values, both after the peak. The curve in your viewer would be a line between them, and the cycle would not be seen.
#
# **When the bad version is right.** When the schedule is meant in epochs. `StepLR(optimizer, step_size=1, gamma=0.5)` halves the rate after each epoch. Say
# `"interval": "step"` there, and it halves it after each update:


# %%
class Halves(SaysWhenToStep):
    def __init__(self, interval):
        super().__init__()
        self.interval = interval

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        halve = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
        schedule = {"scheduler": halve, "interval": self.interval}
        return {"optimizer": optimizer, "lr_scheduler": schedule}


for interval in ("epoch", "step"):
    measured = train_and_monitor(Halves(interval))
    last, reached = measured["learning rate"][-1], measured["test accuracy"]
    print(f"{interval:5}  last learning rate {last:.1e}  test accuracy {reached:.3f}")

# %% [markdown]
# Halved after each update, the rate soon moves nothing, and the model has learned little. Here the default was right.
#
# ### Your turn · A straight line to zero
#
# Write it from a specification. The learning rate is 0.1 in the first update and falls on a straight line, to reach zero with the last update or right after it. This must hold for any number of epochs and batches, and when gradients
# are accumulated over several batches. And every update logs its rate as `lr`, so that a logger has it without a monitor. *(8 minutes)*


# %% tags=["exercise"]
class FallsToZero(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.LinearLR(
            optimizer, start_factor=1.0, end_factor=0.0, total_iters=100
        )
        return {"optimizer": optimizer, "lr_scheduler": scheduler}


# %%
check("4.4", FallsToZero)

# %%
# hint("4.4")

# %% [markdown]
# ## Take away
#
# A checklist for your own code:
#
# - [ ] A training metric that something watches has `on_epoch=True`; `log_every_n_steps` fits the length of the run.
# - [ ] Every name says which split it is of. A slash stays out of file names: `auto_insert_metric_name=False`.
# - [ ] What decides something (scheduler, early stopping, checkpoint) is logged with `sync_dist=True`; what is no mean over images, such as F1, is a torchmetrics object.
# - [ ] Step metrics are not synced.
# - [ ] Each scheduler has its `"interval"`, and you have looked at the learning rate that was applied.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin: [the record](../src/course_utils/records/evidence.md#lesson-04).
#
# **Sources** Lightning's documentation on [logging](https://lightning.ai/docs/pytorch/stable/extensions/logging.html),
# [LearningRateMonitor](https://lightning.ai/docs/pytorch/stable/api/lightning.pytorch.callbacks.LearningRateMonitor.html) and
# [ModelCheckpoint](https://lightning.ai/docs/pytorch/stable/api/lightning.pytorch.callbacks.ModelCheckpoint.html); torchmetrics on
# [Lightning](https://lightning.ai/docs/torchmetrics/stable/pages/lightning.html); L. Smith and N. Topin on [super-convergence](https://arxiv.org/abs/1708.07120), where the one-cycle schedule is from;
# MNIST by LeCun, Cortes and Burges.
#
# Next: **lesson 05**, or look at the [solutions](../solutions/04_logging.ipynb) of this one.
