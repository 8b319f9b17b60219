# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Solutions · Lesson 10, evaluation
#
# One way to solve each exercise of [lesson 10](../notebooks/10_evaluation.ipynb), why it works, and another way. Try them yourself first: a wrong attempt
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

course_utils.start("10", written_for="0.1")

# %%
import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from course_utils import check
from course_utils.hardware import quiet_trainer

# %% [markdown]
# ## 10.1 Two checkpoints, one of them meant
#
# Two slips, and neither makes a sound. `ckpt_path="best"` asks the *first* checkpoint callback. That one has no monitor, so it calls the newest file the best. And `best` has no `mode`: less counts as
# better, so it keeps the epoch with the lowest accuracy. Repair one slip alone, and the number is still wrong.
#
# The path names the file that you mean, whatever the order of the callbacks.


# %% tags=["solution"]
def train_and_test(model, data, folder):
    newest = ModelCheckpoint(folder, filename="newest")  # to go on after a crash
    best = ModelCheckpoint(folder, filename="best", monitor="val_acc", mode="max")
    options = quiet_trainer(enable_checkpointing=True, callbacks=[newest, best])
    trainer = L.Trainer(max_epochs=6, **options)
    trainer.fit(model, datamodule=data)
    file = best.best_model_path
    found = trainer.test(model, datamodule=data, ckpt_path=file, verbose=False)
    return found[0]["test_acc"]


# %%
check("10.1", train_and_test)

# %% [markdown]
# **Another way.** Put the callback that chooses first, and `"best"` means it. Shorter, but the order of a list now carries a meaning, so it deserves a comment.


# %%
def chooser_first(model, data, folder):
    best = ModelCheckpoint(folder, filename="best", monitor="val_acc", mode="max")
    newest = ModelCheckpoint(folder, filename="newest")
    callbacks = [best, newest]  # ckpt_path="best" asks the first
    options = quiet_trainer(enable_checkpointing=True, callbacks=callbacks)
    trainer = L.Trainer(max_epochs=6, **options)
    trainer.fit(model, datamodule=data)
    found = trainer.test(model, datamodule=data, ckpt_path="best", verbose=False)
    return found[0]["test_acc"]


check("10.1", chooser_first)

# %% [markdown]
# ## 10.2 Choose, test once, say how sure you are
#
# `trainer.validate` returns its numbers in the same form as `trainer.test`, so the choice moves to the validation images by changing three words. Then there is one network left, and
# one test.
#
# `len(test_loader.dataset)` is the number of images; `len(test_loader)` would be the number of batches.


# %% tags=["solution"]
def publish(models, val_loader, test_loader):
    trainer = L.Trainer(**quiet_trainer())
    vals = [trainer.validate(model, val_loader, verbose=False) for model in models]
    accuracies = [found[0]["val_acc"] for found in vals]
    best = accuracies.index(max(accuracies))
    [found] = trainer.test(models[best], test_loader, verbose=False)
    accuracy, count = found["test_acc"], len(test_loader.dataset)
    plus_minus = 1.96 * (accuracy * (1 - accuracy) / count) ** 0.5
    return best, accuracy, plus_minus


# %%
check("10.2", publish)

# %% [markdown]
# **Another way.** Count by hand, without a Trainer, and use Wilson's interval, which stays sensible when nearly all images are right. One list of right and wrong for all
# images, so a small last batch has no extra vote.


# %%
@torch.no_grad()
def is_right(model, loader):
    model.eval()
    right = [model(images).argmax(1) == labels for images, labels in loader]
    return torch.cat(right).float()


def publish_by_hand(models, val_loader, test_loader):
    vals = torch.stack([is_right(model, val_loader).mean() for model in models])
    best = int(vals.argmax())
    right = is_right(models[best], test_loader)
    share, count, z = right.mean().item(), len(right), 1.96
    spread = share * (1 - share) / count + z**2 / (4 * count**2)
    margin = z * spread**0.5 / (1 + z**2 / count)
    return best, share, margin


check("10.2", publish_by_hand)
