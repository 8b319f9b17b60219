# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 09 · What is left when the run is killed?
#
# The power fails, memory runs out, the cluster's time limit is up: sooner or later a long run is killed. What you lose was decided long before, by a few lines that
# nobody tested. In this lesson you kill training runs, look at what is on the disk, and start them again. At the end you can
#
# - keep the newest and the best weights of any run, and prove that you do;
# - resume a killed run so that it ends with the same bits as one that was never killed;
# - say which of your own variables come back, which start anew, and which make the file unreadable.
#
# **You need** to know what a `LightningModule` and a `Trainer` are. New here? [Start here](00_start_here.ipynb) takes fifteen minutes.
#
# **Time** 35 minutes of reading and running, 23 minutes of exercises. All cells together run in less than half a minute on two CPU cores.

# %% tags=["setup"]
try:
    import course_utils
except ModuleNotFoundError:  # opened alone, as on Colab: fetch the helpers, keep torch
    from IPython import get_ipython

    get_ipython().run_line_magic("pip", 'install -q "lightning-course-utils==0.1.*"')
    import course_utils

course_utils.start("09", written_for="0.1")

# %%
import lightning as L
import torch
from torch import nn
from torch.nn import functional as F

from course_utils import check, claim, contrast, hint, solution
from course_utils.data import ImageDataModule
from course_utils.hardware import quiet_trainer

# %% [markdown]
# One small network serves the whole lesson. Images have the shape `(batch, channel, height, width)` and values from 0 to 1. `LayerNorm` brings each image to mean 0 and variance 1. `quiet_trainer()` keeps a Trainer silent, and
# saves nothing unless asked: `enable_checkpointing=True` asks.

# %%
digits = ImageDataModule()


class DigitNet(L.LightningModule):
    """One hidden layer: images of shape (batch, 1, 28, 28) to logits of shape (batch, 10)."""

    def __init__(self, dropout=0.0):
        super().__init__()
        pixels = [nn.Flatten(), nn.LayerNorm(784, elementwise_affine=False)]
        hidden = [nn.Linear(784, 128), nn.ReLU(), nn.Dropout(dropout)]
        self.net = nn.Sequential(*pixels, *hidden, nn.Linear(128, 10))

    def forward(self, images):
        return self.net(images)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        logits = self(images)
        self.log("val_loss", F.cross_entropy(logits, labels))
        self.log("val_acc", (logits.argmax(1) == labels).float().mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=3e-3)


# %% [markdown]
# ## 9.1 Keep the best and the last
#
# After a kill you want two files: the newest, to go on, and the best, to use. A popular list of tips gets both from one callback:
# `ModelCheckpoint(monitor="val_loss", save_top_k=2, save_last=True)`. It keeps the two files with the lowest validation loss, and one more, `last.ckpt`. Behind `save_last=True` the list
# has the comment "Always save last for resuming".
#
# Here 500 digits, three in five of them with a random label, are learned for 20 epochs. The network soon begins to learn the random labels by heart, so the validation loss
# falls, and then rises. Suppose that the power fails right after epoch 20.
#
# **Predict before you run.** Then `last.ckpt`
#
# - **a** comes from epoch 20, as its name says;
# - **b** does not exist: it is written when training ends;
# - **c** comes from some epoch before.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %%
from torch.utils.data import DataLoader, TensorDataset

from course_utils.data import scaled

noisy_labels = digits.train_labels[:500].clone()
noisy_labels[:300] = torch.randint(0, 10, (300,))
noisy_set = TensorDataset(scaled(digits.train_images[:500]), noisy_labels)
noisy_loader = DataLoader(noisy_set, batch_size=50, shuffle=True)
val_batch = scaled(digits.val_images), digits.val_labels
val_loader = DataLoader([val_batch], batch_size=None)  # all images in one batch

# %% [markdown]
# ### Bad: one callback for both


# %% tags=["bad"]
from lightning.pytorch.callbacks import ModelCheckpoint


def one_for_both(folder):
    return [
        ModelCheckpoint(
            dirpath=folder, monitor="val_loss", save_top_k=2, save_last=True
        )
    ]


# %% [markdown]
# ### Good: one callback for each
#
# Without `monitor`, a `ModelCheckpoint` has no opinion: it saves every epoch and keeps the newest file. (`enable_version_counter=False` gives this file
# the same name each time, even if there is one from an earlier run.)


# %% tags=["good"]
def one_for_each(folder):
    best = ModelCheckpoint(dirpath=folder, monitor="val_loss", save_top_k=2)
    last = ModelCheckpoint(
        dirpath=folder, filename="last", enable_version_counter=False
    )
    return [best, last]


# %% [markdown]
# ### The contrast
#
# A kill leaves what is on the disk at that moment. So there is no need to kill twenty runs: after each epoch `LooksAt` opens the file and notes which epoch it comes from. (As
# a `Checkpoint`, it gets its turn after the others have saved.) The files go to a temporary folder.

# %%
from tempfile import TemporaryDirectory

from lightning.pytorch.callbacks import Checkpoint

from course_utils.experiments.plots import Lines
from course_utils.measure import accuracy


class LooksAt(Checkpoint):
    def __init__(self, file):
        self.file, self.epochs = file, []

    def on_train_epoch_end(self, trainer, pl_module):
        epoch = torch.load(self.file)["epoch"]  # counted from 0
        self.epochs.append(epoch + 1.0)


# %%
def train(make_callbacks, epochs=20):
    model = DigitNet()
    with TemporaryDirectory() as folder:
        callbacks, look = make_callbacks(folder), LooksAt(f"{folder}/last.ckpt")
        options = quiet_trainer(enable_checkpointing=True)
        trainer = L.Trainer(max_epochs=epochs, callbacks=[*callbacks, look], **options)
        trainer.fit(model, noisy_loader, val_loader)
        look.on_train_epoch_end(trainer, model)  # once more, when training has ended
        best = DigitNet.load_from_checkpoint(callbacks[0].best_model_path)
    *kept, at_the_end = look.epochs
    behind = [finished - epoch for finished, epoch in enumerate(kept, start=1)]
    return {
        "epoch of last.ckpt": kept,
        "epochs lost after 20": behind[-1],
        "epochs lost at the normal end": epochs - at_the_end,
        "most epochs ever lost": max(behind),
        "accuracy, newest weights": accuracy(model, *test),
        "accuracy, best weights": accuracy(best, *test),
    }


test = digits.test_images, digits.test_labels

# %% tags=["contrast"]
result = contrast(
    "9.1",
    bad=lambda: train(one_for_both),
    good=lambda: train(one_for_each),
    prediction=prediction,
    figure=Lines(
        "save_last=True falls behind once the loss stops improving",
        "epoch of last.ckpt",
        x="epochs finished",
        y="epoch of last.ckpt",
    ),
)

# %% tags=["claim"]
claim(
    "9.1",
    "with save_last, at least 6 of 20 epochs are lost",
    result.bad.number("epochs lost after 20"),
    at_least=6,
)
claim(
    "9.1",
    "with a callback of its own, not one epoch is lost, whenever the kill comes",
    result.good.number("most epochs ever lost"),
    equals=0,
)
best, newest = "accuracy, best weights", "accuracy, newest weights"
claim(
    "9.1",
    "the best weights are at least 6 points more accurate than the newest",
    result.good.number(best) - result.good.number(newest),
    at_least=0.06,
)

# %% [markdown]
# **Why.** `save_last=True` is not always the last, whatever its name and that comment say. Lightning's documentation promises less: "a `last.ckpt` copy whenever a checkpoint file gets saved". So
# `last.ckpt` is written only in an epoch in which the same callback also wrote a top-k file. As long as the loss improves, that is every epoch, and so it works whenever somebody tries it
# for a few epochs. Once the loss rises, nothing gets into the best two, and `last.ckpt` stands still: the flat line in the figure. Even the normal end of training does not write it again (see the second row).
#
# The third claim is the reason to keep *two* kinds of files. The newest weights are the ones to go on from. They are not the ones to use.
#
# It can be worse. `save_top_k=0, save_last=True` reads like "only the last one, please". Two runs of three epochs, one of which dies in the last of them:

# %%
import os
from contextlib import suppress


class DiesInEpoch3(L.Callback):
    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 2:
            raise RuntimeError("out of memory")


# %%
def files_left(*more, **options):
    with TemporaryDirectory() as folder:
        callbacks = [ModelCheckpoint(dirpath=folder, **options), *more]
        quiet = quiet_trainer(enable_checkpointing=True, callbacks=callbacks)
        with suppress(RuntimeError):
            L.Trainer(max_epochs=3, **quiet).fit(DigitNet(), noisy_loader, val_loader)
        return sorted(os.listdir(folder))


# %%
only_last = {"save_top_k": 0, "save_last": True}
after_a_crash = files_left(DiesInEpoch3(), **only_last)
print("after a normal end:", files_left(**only_last))
print("after a crash:     ", after_a_crash)
left = len(after_a_crash)
claim("9.1", "only save_last leaves no file after a crash", left, equals=0)

# %% [markdown]
# With nothing to keep, `last.ckpt` is written once, when training ends. A run that ends does not need it.
#
# ### Two more ways to keep the wrong file
#
# `mode` says whether less is better, and its default is `"min"`. And a file name is a template in which a misspelt metric is no error:


# %%
class NotesAccuracy(L.Callback):
    def __init__(self):
        self.scores = []

    def on_train_epoch_end(self, trainer, pl_module):
        self.scores.append(float(trainer.callback_metrics["val_acc"]))


notes = NotesAccuracy()
with TemporaryDirectory() as folder:
    keeps = ModelCheckpoint(folder, monitor="val_acc")  # no mode
    options = quiet_trainer(enable_checkpointing=True, callbacks=[keeps, notes])
    L.Trainer(max_epochs=5, **options).fit(DigitNet(), noisy_loader, val_loader)

# %%
excess = float(keeps.best_model_score) - min(notes.scores)
claim("9.1", "the default mode keeps the least accurate epoch", excess, equals=0)
print("a misspelt metric:", files_left(filename="{epoch}-{val_los:.2f}"))

# %% [markdown]
# The third epoch, counted from 0, and a name that reads like a perfect loss: what was not logged is filled in as 0.
#
# **When the bad version is right.** When the callback saves in every epoch anyway: with `save_top_k=-1`, which keeps all files, or without `monitor`. Then `save_last=True` is what it says:


# %%
def keeps_all(folder):
    options = {"monitor": "val_loss", "save_top_k": -1, "save_last": True}
    return [ModelCheckpoint(dirpath=folder, **options)]


def monitors_nothing(folder):
    return [ModelCheckpoint(dirpath=folder, save_last=True)]


for make_callbacks in (keeps_all, monitors_nothing):
    lost = train(make_callbacks, epochs=10)["most epochs ever lost"]
    claim("9.1", f"{make_callbacks.__name__}: save_last is the last", lost, equals=0)

# %% [markdown]
# The good version has a price: its second callback writes a file in every epoch. If that hurts, because the model is large or the epoch short, save less often with `every_n_epochs`. You choose how much
# work a kill may cost.
#
# ### Your turn · Room for two files
#
# Validation logs an accuracy, `val_acc`. The disk has room for two checkpoints. Return callbacks that keep the best epoch and the newest, whenever the run is killed.
# The check scripts the accuracy, epoch by epoch, and looks at the disk in the midst of an epoch. *(7 minutes)*


# %% tags=["exercise"]
def room_for_two(folder):
    return [ModelCheckpoint(dirpath=folder, monitor="val_acc", save_last=True)]


# %%
check("9.1", room_for_two)

# %% [markdown]
# Stuck? `hint("9.1")` gives a nudge, the second call a bigger one. `solution("9.1")` shows one way to do it, with its reason.

# %%
# hint("9.1")

# %% [markdown]
# ## 9.2 Resume, do not restart
#
# The run takes 4 epochs of 32 updates, 128 in all. The learning rate follows one cycle: it rises, then falls to almost nothing at update 128. After update 80, in the third epoch, the process is
# killed. The newest file is from the end of the second epoch, update 64.
#
# You load the model from that file, `Model.load_from_checkpoint(path)`, and call `trainer.fit(model)` with the Trainer of before, `max_epochs=4`.
#
# **Predict.** How many updates follow?
#
# - **a** 128: it begins at the first epoch;
# - **b** 64: the file knows that two of four epochs are done;
# - **c** 48: it goes on where it was killed.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# Dropout and the order of the images are random, and Lightning does not save the state of the random generator. So this module does it, in two hooks that Lightning calls. (Lesson 05 looks at such
# hooks closely.)

# %%
train_images, train_labels = digits.train_images[:1024], digits.train_labels[:1024]
train_set = TensorDataset(scaled(train_images), train_labels)
loader = DataLoader(train_set, batch_size=32, shuffle=True)


class OneCycle(DigitNet):
    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters())
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=1e-2, total_steps=self.trainer.estimated_stepping_batches
        )
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    def on_save_checkpoint(self, checkpoint):
        checkpoint["random_state"] = torch.get_rng_state()

    def on_load_checkpoint(self, checkpoint):
        torch.set_rng_state(checkpoint["random_state"])


# %% [markdown]
# ### Bad: load the weights, then fit


# %% tags=["bad"]
def restart(trainer, path):
    model = OneCycle.load_from_checkpoint(path, dropout=0.2)
    trainer.fit(model, loader)
    return model


# %% [markdown]
# ### Good: give the file to `fit`


# %% tags=["good"]
def resume(trainer, path):
    model = OneCycle(dropout=0.2)
    trainer.fit(model, loader, ckpt_path=path)
    return model


# %% [markdown]
# ### The contrast
#
# This time the kill is real. `run_until_killed` starts a second process, so that your notebook survives, and `kill_this_process` ends that process at once: on Linux and macOS with SIGKILL, the signal that no program can
# catch. No exception, no `finally`, no last hook. What remains are the files, among them the rate of each update, which `NotesRates` appends line by line.

# %%
from functools import cache
from itertools import pairwise

from course_utils.distributed import kill_this_process, run_until_killed


class PowerCut(L.Callback):
    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == 80:
            kill_this_process()


# %%
class NotesRates(L.Callback):
    def __init__(self, file):
        self.file = file

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        with open(self.file, "a") as lines:
            rate = optimizer.param_groups[0]["lr"]
            lines.write(f"{trainer.current_epoch + 1} {rate}\n")


# %%
def new_trainer(folder, *more):
    last = ModelCheckpoint(
        dirpath=folder, filename="last", enable_version_counter=False
    )
    callbacks = [last, NotesRates(f"{folder}/rates.txt"), *more]
    options = quiet_trainer(accelerator="cpu", enable_checkpointing=True)
    return L.Trainer(max_epochs=4, callbacks=callbacks, **options)


# %%
def first_run(folder, seed, *more):
    L.seed_everything(seed, verbose=False)
    model = OneCycle(dropout=0.2)
    new_trainer(folder, *more).fit(model, loader)
    return model


# %% [markdown]
# Pull the plug once, and look at what is left:


# %%
def updates_noted(folder):
    """Return epoch and learning rate of each update that the file tells of."""
    with open(f"{folder}/rates.txt") as lines:
        return [tuple(map(float, line.split())) for line in lines]


with TemporaryDirectory() as folder:
    run_until_killed(lambda: first_run(folder, 0, PowerCut()))
    made = len(updates_noted(folder))
    saved = torch.load(f"{folder}/last.ckpt")["global_step"]
    print(f"{made} updates were made, the file holds {saved}")
    print("on the disk:", *sorted(os.listdir(folder)))

# %% [markdown]
# Sixteen updates are lost and must be made again. If the second run goes on from update 64, and draws the same random numbers as the first one did after it, then it ends as if nothing had happened.
#
# `kill_and` kills a run, then starts again in its own way, under another seed: a new process does not know the old random state. At last it compares the weights, bit for bit, with those of a run
# that was never killed.


# %%
def bits(model):
    """Return the bytes of each weight tensor."""
    return [each.detach().numpy().tobytes() for each in model.parameters()]


# %%
@cache
def bits_without_a_kill(seed):
    with TemporaryDirectory() as folder:
        return bits(first_run(folder, seed))


def kill_and(start_again):
    seed = torch.initial_seed()
    expected = bits_without_a_kill(seed)
    with TemporaryDirectory() as folder:
        run_until_killed(lambda: first_run(folder, seed, PowerCut()))
        before = len(updates_noted(folder))
        L.seed_everything(seed + 1, verbose=False)
        model = start_again(new_trainer(folder), f"{folder}/last.ckpt")
        epochs, rates = zip(*updates_noted(folder))
    after, pairs = rates[before:], zip(bits(model), expected)
    return {
        "updates before the kill": before,
        "updates after it": len(after),
        "first epoch after it": int(epochs[before]),
        "updates with a rising rate": sum(b > a for a, b in pairwise(after)),
        "weight tensors that differ": sum(a != b for a, b in pairs),
        "test accuracy": accuracy(model, *test),
        "rates": rates,
    }


# %% tags=["contrast"]
result = contrast(
    "9.2",
    bad=lambda: kill_and(restart),
    good=lambda: kill_and(resume),
    prediction=prediction,
    figure=Lines(
        "Resumed, the cycle goes on; restarted, it begins again",
        "rates",
        x="update, in the order in which they were made",
        y="learning rate",
    ),
)

# %% tags=["claim"]
claim(
    "9.2",
    "resumed, not one bit differs from the run that was never killed",
    result.good.number("weight tensors that differ"),
    equals=0,
)
claim(
    "9.2",
    "restarted, all four weight tensors differ",
    result.bad.number("weight tensors that differ"),
    equals=4,
)

# %% tags=["claim"]
claim(
    "9.2",
    "restarting makes 64 updates more than resuming",
    -result.gain("updates after it"),
    equals=64,
)
claim(
    "9.2",
    "resumed, the rate falls on to the end",
    result.good.number("updates with a rising rate"),
    equals=0,
)

# %% [markdown]
# After the kill at update 80 the good curve steps back to update 64, repeats the 16 updates that were lost, and goes on to the end: the same bits as without a kill. The bad curve makes the whole cycle
# once more.
#
# **Why.** A checkpoint holds weights, the optimizer's averages, the schedule's position, epoch and step, and the state of callbacks. `load_from_checkpoint` is made for *using* a model: it
# takes the weights, calls the module's own hook, and leaves the rest. `fit(ckpt_path=...)` takes everything.
#
# Look at *test accuracy*, too: the two are close, although the restarted run had twice as many updates after the kill. It is just not the experiment that you planned, and no table says so.
#
# ### Four ways to resume that do not do what you think


# %%
def try_to_resume(model_class=DigitNet, batches=loader, epochs=2, **saving):
    """Train one epoch with a ModelCheckpoint, then go on; return model and outcome."""
    with TemporaryDirectory() as folder:
        ckpt_path = saving.pop("ckpt_path", f"{folder}/file.ckpt")
        saves = ModelCheckpoint(dirpath=folder, filename="file", **saving)
        options = quiet_trainer(enable_checkpointing=True, callbacks=[saves])
        L.Trainer(max_epochs=1, **options).fit(model_class(), batches)
        model = model_class()
        options["callbacks"] = [ModelCheckpoint(dirpath=folder)]
        trainer = L.Trainer(max_epochs=epochs, **options)
        try:
            trainer.fit(model, batches, ckpt_path=ckpt_path)
        except Exception as error:
            return model, f"stopped by {type(error).__name__}"
    return model, "went on"


# %%
class CountsUpdates(DigitNet):
    updates = 0

    def on_before_optimizer_step(self, optimizer):
        self.updates += 1


def updates(**changes):
    return try_to_resume(CountsUpdates, **changes)[0].updates


# %%
print("a whole file, 2 epochs:  ", updates(), "updates")
print("the run was complete:    ", updates(epochs=1), "updates")
print("'last', but no such file:", updates(ckpt_path="last"), "updates")
print("save_weights_only:       ", try_to_resume(save_weights_only=True)[1])

# %% [markdown]
# Only the first one went on: 32 updates, the second epoch. A complete run has nothing left to do: for more epochs, ask for more. `ckpt_path="last"` looks for a file whose name begins with `last`; without one
# it trains all epochs from scratch. Lightning warns, and this notebook mutes warnings. And a file with weights only cannot be resumed, which you learn when you try.
#
# The fourth way: a file from the middle of an epoch. Ten batches of 64 images come in fixed order, and the file is saved after the sixth. The module notes which images it sees.


# %%
class NotesImages(DigitNet):
    def __init__(self):
        super().__init__()
        self.seen = set()

    def training_step(self, batch, batch_idx):
        *batch, numbers = batch
        self.seen.update(numbers.tolist())
        return super().training_step(batch, batch_idx)


# %%
numbered = TensorDataset(*train_set[:640], torch.arange(640))
in_order = DataLoader(numbered, batch_size=64)
model, _ = try_to_resume(NotesImages, in_order, epochs=1, every_n_train_steps=6)
before = set(range(6 * 64))
print("images seen after resuming:", len(model.seen))
print("of these seen before:      ", len(model.seen & before))
never = set(range(640)) - before - model.seen
claim(
    "9.2", "a file from mid-epoch leaves 256 of 640 images out", len(never), equals=256
)

# %% [markdown]
# Lightning knows that four batches are left, and takes the *first* four, again: the loader does not remember where it was. So save at the end of an epoch. If epochs last for days, you need a data loader that saves its own
# position (`StatefulDataLoader` of torchdata; Lightning calls its `state_dict`).
#
# **When the bad version is right.** For *fine-tuning*: other data, a new schedule, a new count of epochs. There the optimizer's averages and the old position would be in the way, and `load_from_checkpoint` plus `fit`
# is what you want. Then a file with weights only does, too. To be able to resume costs disk:


# %%
def megabytes(**saving):
    with TemporaryDirectory() as folder:
        saves = ModelCheckpoint(dirpath=folder, filename="file", **saving)
        options = quiet_trainer(enable_checkpointing=True, callbacks=[saves])
        options["limit_train_batches"] = 1
        L.Trainer(max_epochs=1, **options).fit(DigitNet(), loader)
        return os.path.getsize(f"{folder}/file.ckpt") / 1e6


ratio = megabytes() / megabytes(save_weights_only=True)
print(f"a resumable file is {ratio:.1f} times as large")
claim("9.2", "to be able to resume costs at least twice the disk", ratio, at_least=2.0)

# %% [markdown]
# Adam keeps two averages for each weight, hence the factor.
#
# ### Your turn · A job that is started again and again
#
# A cluster kills your job when its time is up, and starts it anew: the same call, `job(model, loader, folder)`, with a new model. What is in `folder` is all that remains. Write the job so that, however often it was
# killed, its 4 epochs end with the weights of a run that was never killed, and a further call trains no more. The model saves torch's random state in hooks, as `OneCycle` does. The check kills a process, twice. *(8 minutes)*


# %% tags=["exercise"]
def job(model, loader, folder):
    trainer = L.Trainer(max_epochs=4, **quiet_trainer(accelerator="cpu"))
    trainer.fit(model, loader)
    trainer.save_checkpoint(f"{folder}/model.ckpt")


# %%
check("9.2", job)

# %%
# hint("9.2")

# %% [markdown]
# ## 9.3 Save your own state
#
# Some digits are harder than others. This module gives a class more weight in the loss the more errors it made lately: after each batch, the new class weights are
# 98 % of the old ones plus 2 % of the errors counted. They begin at one for each class.
#
# Two epochs are over, the run is resumed with `ckpt_path`, and all that 9.2 listed comes back.
#
# **Predict.** The first step after resuming uses
#
# - **a** the class weights of the step before: they are a tensor of the module;
# - **b** ones, and nothing says so;
# - **c** nothing: resuming stops, because the file does not hold them.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
class WeighsClasses(DigitNet):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        logits = self(images)
        loss = F.cross_entropy(logits, labels, weight=self.class_weights)
        wrong = (logits.argmax(1) != labels).float()
        errors = torch.bincount(labels, wrong, minlength=10)
        self.class_weights = 0.98 * self.class_weights + 0.02 * errors
        return loss


# %% [markdown]
# ### Bad: an attribute


# %% tags=["bad"]
class KeepsAnAttribute(WeighsClasses):
    def __init__(self):
        super().__init__()
        self.class_weights = torch.ones(10)


# %% [markdown]
# ### Good: a buffer


# %% tags=["good"]
class RegistersABuffer(WeighsClasses):
    def __init__(self):
        super().__init__()
        self.register_buffer("class_weights", torch.ones(10))


# %% [markdown]
# ### The contrast
#
# Nothing is random here: the images come in a fixed order, and there is no dropout. `stop_and_resume` trains two epochs, saves, and lets a new module go on from the file for two more. Beside it, one run goes through
# all four epochs. The figure follows the largest class weight, compared with the mean of all ten.

# %%
import copy

ordered = DataLoader(train_set, batch_size=64)


class NotesWeights(L.Callback):
    def __init__(self):
        self.largest = []

    def on_train_start(self, trainer, pl_module):
        self.at_start = pl_module.class_weights.tolist()

    def on_train_batch_end(self, trainer, pl_module, *_):
        weights = pl_module.class_weights
        self.largest.append(float(weights.max() / weights.mean()))


def fit(model, epochs, notes, path=None):
    options = quiet_trainer(accelerator="cpu", callbacks=[notes])
    trainer = L.Trainer(max_epochs=epochs, **options)
    trainer.fit(model, ordered, ckpt_path=path)
    return trainer


# %%
def stop_and_resume(model_class):
    model, notes = model_class(), NotesWeights()
    through = copy.deepcopy(model)
    fit(through, 4, NotesWeights())
    trainer = fit(model, 2, notes)
    with TemporaryDirectory() as folder:
        trainer.save_checkpoint(f"{folder}/run.ckpt")
        resumed = model_class()
        fit(resumed, 4, notes, f"{folder}/run.ckpt")
    pairs = zip(resumed.parameters(), through.parameters())
    return {
        "class weights that are one at resuming": notes.at_start.count(1.0),
        "largest / mean at update 32": notes.largest[31],
        "largest / mean at update 33": notes.largest[32],
        "weight tensors that differ": sum(not torch.equal(a, b) for a, b in pairs),
        "largest": notes.largest,
    }


# %% tags=["contrast"]
result = contrast(
    "9.3",
    bad=lambda: stop_and_resume(KeepsAnAttribute),
    good=lambda: stop_and_resume(RegistersABuffer),
    prediction=prediction,
    figure=Lines(
        "Resumed after update 32, the attribute begins anew",
        "largest",
        x="update",
        y="largest class weight / mean",
    ),
)

# %% tags=["claim"]
claim(
    "9.3",
    "the attribute starts with ten ones again",
    result.bad.number("class weights that are one at resuming"),
    equals=10,
)
claim(
    "9.3",
    "and so all four weight tensors end different",
    result.bad.number("weight tensors that differ"),
    equals=4,
)
claim(
    "9.3",
    "with a buffer, the resumed run ends with the bits of one that went through",
    result.good.number("weight tensors that differ"),
    equals=0,
)

# %% [markdown]
# **Why.** Lightning saves what `state_dict()` returns, and PyTorch puts parameters and *buffers* there. A tensor in a plain attribute is neither. Nobody misses it when the file is loaded, because `__init__`
# has made a new one. (To assign a tensor to the name of a buffer, as the step does, leaves it a buffer.)
#
# A buffer must be a tensor. Two more ways carry anything: Lightning's hooks, and PyTorch's *extra state*, which works in every `nn.Module`, also deep inside your network.


# %%
class UsesHooks(KeepsAnAttribute):
    def on_save_checkpoint(self, checkpoint):
        checkpoint["class_weights"] = self.class_weights

    def on_load_checkpoint(self, checkpoint):
        self.class_weights = checkpoint["class_weights"]


# %%
class UsesExtraState(KeepsAnAttribute):
    def get_extra_state(self):
        return {"class_weights": self.class_weights}

    def set_extra_state(self, state):
        self.class_weights = state["class_weights"]


# %%
for model_class in (UsesHooks, UsesExtraState):
    differ = stop_and_resume(model_class)["weight tensors that differ"]
    claim("9.3", f"{model_class.__name__}: the same bits", differ, equals=0)

# %% [markdown]
# Choose the buffer for tensors: it also moves to the GPU with the module. Callbacks and data modules have `state_dict` and `load_state_dict` for the same purpose.
#
# ### Really anything?
#
# A history of losses, the best score so far, the time of the start: we put values of many types through the hooks. Each row saves, then resumes. Take a guess for the first row before you run it.

# %%
import random
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import datetime
from pathlib import Path

import numpy as np

values = {
    "NumPy number, as from np.mean": np.mean([0.5, 0.7]),
    "NumPy array": np.ones(3),
    "np.random.get_state()": np.random.get_state(),
    "deque": deque([0.5], maxlen=20),
    "defaultdict": defaultdict(int, seen=1),
    "Path": Path("digits"),
    "datetime": datetime(2026, 1, 1),
    "int, float, str, bool, None": [1, 0.5, "digits", True, None],
    "list, tuple, dict, set": [[1], (1, 2), {"a": 1}, {1}],
    "OrderedDict, Counter": [OrderedDict(a=1), Counter("aab")],
    "tensor, torch.get_rng_state()": [torch.ones(2), torch.get_rng_state()],
    "random.getstate()": random.getstate(),
}


# %%
class Carries(DigitNet):
    value = None

    def on_save_checkpoint(self, checkpoint):
        checkpoint["value"] = self.value


def attempt(action):
    try:
        action()
    except Exception as error:
        return type(error).__name__
    return "works"


def carry(value, **options):
    model, quiet = Carries(), quiet_trainer(accelerator="cpu", limit_train_batches=1)
    model.value = value
    first, second = (L.Trainer(max_epochs=n, **quiet) for n in (1, 2))
    first.fit(model, ordered)
    with TemporaryDirectory() as folder:
        path = f"{folder}/run.ckpt"
        saved = attempt(lambda: first.save_checkpoint(path))
        again = {"ckpt_path": path, **options}
        return saved, attempt(lambda: second.fit(Carries(), ordered, **again))


# %%
from course_utils.experiments.plots import Cells, show

outcomes = {name: carry(value) for name, value in values.items()}
saved = {name: saved for name, (saved, _) in outcomes.items()}
resumed = {name: resumed for name, (_, resumed) in outcomes.items()}
grid = Cells("All twelve can be saved. Seven do not come back", list(values))
show(grid, {"save": saved, "resume": resumed})

# %% tags=["claim"]
saves = sum(each == "works" for each in saved.values())
claim("9.3", "all twelve rows can be saved", saves, equals=12)
fails = sum(each == "UnpicklingError" for each in resumed.values())
claim("9.3", "seven of them make the file unreadable", fails, equals=7)

# %% [markdown]
# The file says no, and says it late. One such value, and the *whole* file cannot be resumed: not the weights, not the optimizer. A popular list of tips saves `np.random.get_state()` in this very hook. Until recently that was fine. Since PyTorch 2.6 and Lightning 2.6, files are
# read with `weights_only=True`, because unpickling can run any code. (Lesson 03 has a similar table for hyperparameters.) Make values plain before they are saved: `float(x)`, `x.tolist()`, `list(d)`, `str(path)`.
#
# Is a file lost, then? Not if you wrote it yourself: trust it, and say so.

# %%
trusting = carry(np.ones(3), weights_only=False)[1]
print("a NumPy array, with weights_only=False:", trusting)

# %% [markdown]
# **When the bad version is right.** When the value can be computed anew, such as a cache, or should start anew, such as a timer. For a tensor that moves to the device but not into the file, there is
# `register_buffer(..., persistent=False)`. And the good version has a price: the names in the file become a format. Older files have no `class_weights`, and loading says so:

# %% tags=["raises-exception"]
RegistersABuffer().load_state_dict(KeepsAnAttribute().state_dict())

# %% [markdown]
# To take the rest of an old file on purpose, set `self.strict_loading = False` in the module. Then the class weights begin as ones, and you know it.
#
# ### Your turn · A window of losses
#
# This module divides each loss by the mean of the last eight. It saves the window, and the file cannot be resumed. Make a resumed run end with the bits of one that went through, with Lightning's defaults. *(8 minutes)*


# %% tags=["exercise"]
class DividesByRecent(DigitNet):
    def __init__(self):
        super().__init__()
        self.recent = deque(maxlen=8)

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.recent.append(loss.item())
        return loss / np.mean(self.recent)

    def on_save_checkpoint(self, checkpoint):
        checkpoint["recent"] = self.recent

    def on_load_checkpoint(self, checkpoint):
        self.recent = checkpoint["recent"]


# %%
check("9.3", DividesByRecent)

# %%
# hint("9.3")

# %% [markdown]
# ## Ask your own callbacks
#
# The checks of this lesson ask questions that you can put to your own code. This one scripts a metric, epoch by epoch, and looks at what a kill would leave.

# %%
from course_utils.exercises.lesson_09 import (
    checkpoints_after_kill,
    keeps_the_best,
    keeps_the_last,
)

scores = [0.9, 0.5, 0.4, 0.6, 0.7, 0.8]  # a loss: the third epoch is the best
for make_callbacks in (one_for_both, one_for_each):
    left = checkpoints_after_kill(make_callbacks, "val_loss", scores)
    print(f"{make_callbacks.__name__}:", keeps_the_last(left, finished=6).seen)
    print(" " * 13, keeps_the_best(left, scores, mode="min").seen)

# %% [markdown]
# ## Take away
#
# A checklist for your own code:
#
# - [ ] One `ModelCheckpoint` monitors the metric, with the right `mode`; another monitors nothing and keeps the newest file. `save_last=True` alone does not.
# - [ ] I have killed a run of mine, on purpose, and looked at what it left.
# - [ ] A run goes on with `fit(ckpt_path=...)`; `load_from_checkpoint` is for using a model, and for fine-tuning.
# - [ ] `ckpt_path="last"` found a file: the epoch counter says so.
# - [ ] What a module learns outside its parameters is a buffer, or goes through hooks as plain values.
# - [ ] A short run of mine, resumed, ends with the same bits as one that went through.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin: [the record](../src/course_utils/records/evidence.md#lesson-09).
#
# **Sources** Lightning's documentation on [checkpoints](https://lightning.ai/docs/pytorch/stable/common/checkpointing_intermediate.html) and
# [`ModelCheckpoint`](https://lightning.ai/docs/pytorch/stable/api/lightning.pytorch.callbacks.ModelCheckpoint.html);
# PyTorch's on [`torch.load` and `weights_only`](https://docs.pytorch.org/docs/stable/notes/serialization.html); MNIST by LeCun, Cortes and Burges.
#
# Next: **lesson 10**, or look at the [solutions](../solutions/09_checkpointing.ipynb) of this one.
