# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Solution · Lesson 14, the capstone
#
# Sixteen repairs of the script of [lesson 14](../notebooks/14_capstone.ipynb), each alone, then all of them on the scoreboard. Lines with `-` go, lines with `+` come. Try it yourself first: the point is
# the way from a symptom to its cause, and here you only see the end of it.

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

course_utils.start("14", written_for="0.1")

# %%
from course_utils import capstone

# %% [markdown]
# ## Round 1 · The data
#
# **Line 1, practice 1.2.** A Trainer calls `setup` for each stage, and here every call draws another split. A validation set that is drawn after training consists mostly of training images. A generator
# of its own, with a fixed seed, makes the split a property of the data: the same in each stage, in each process, and after a restart.

# %%
capstone.show_repair("1.2")

# %% [markdown]
# **Line 2, practice 12.5.** `self.digits[index]` is a view. The patch is erased in the data set itself, and stays erased. Each epoch adds another patch, until there is little left to learn. A copy of one
# image costs next to nothing.

# %%
capstone.show_repair("12.5")

# %% [markdown]
# **Line 3, practice 13.4.** Each image went through a PIL image and two transforms, one image at a time. Stacked first, a whole batch is converted by one division. (Loading without Python between the images at all,
# with `__getitems__`, is faster still.)

# %%
capstone.show_repair("13.4")

# %% [markdown]
# ## Round 2 · The model
#
# **Line 4, practice 2.3.** `forward` needs the running mean and deviation, but a plain tensor is not in `state_dict()`. The file has the weights and forgets what they were trained to see. A buffer is saved, loaded
# and moved with the module. `self.mean = ...` in the training step then sets the buffer.

# %%
capstone.show_repair("2.3")

# %% [markdown]
# **Line 5, practice 3.1.** Without the hyperparameters in the file, `load_from_checkpoint` builds the model with its defaults. Nothing complains, because every default fits.

# %%
capstone.show_repair("3.1")

# %% [markdown]
# **Line 6, practice 7.4.** The loss of the shifted digits is only watched. It never gets a backward pass, so each element of the list keeps the activations of its batch. Without a graph there is
# nothing to keep; `.detach()` would do as well.

# %%
capstone.show_repair("7.4")

# %% [markdown]
# **Line 7, practice 4.2.** Both steps logged `loss`. At the end of an epoch the mean of the training loss is written last, so the early stop followed a curve that always falls. With distinct names it can be told
# which one to watch.

# %%
capstone.show_repair("4.2")

# %% [markdown]
# ## Round 3 · The training
#
# **Line 8, practice 3.3.** Two numbers were written into `configure_optimizers`. Changing only the optimizer's would change nothing: OneCycleLR sets the rate from its own `max_lr`.

# %%
capstone.show_repair("3.3")

# %% [markdown]
# **Line 9, practice 4.4.** The plan has as many steps as the run has updates, and Lightning took one step per epoch. So most of the plan was never reached: the learning rate hardly got off the ground.

# %%
capstone.show_repair("4.4")

# %% [markdown]
# **Line 10, practice 5.1.** The first random numbers of a run are its initial weights. Seed before they are drawn.

# %%
capstone.show_repair("5.1")

# %% [markdown]
# **Line 11, practice 8.1.** A vector of 100,000 numbers can be long although each of them is small, so clipping by value left the norm free. A smaller value would bound the norm too, but turn the gradient, since it shortens
# only the largest numbers. Clipping by norm, the default, bounds the whole vector and keeps its direction.

# %%
capstone.show_repair("8.1")

# %% [markdown]
# **Line 12, practice 9.1.** `mode` is `"min"` by default: of all epochs, the one with the *lowest* accuracy was kept. The second callback has no monitor and so keeps the newest epoch, for the day when the power
# fails. `save_last=True` on the first one would not be enough: it saves only when a new best is saved.

# %%
capstone.show_repair("9.1")

# %% [markdown]
# **Line 13, practice 9.2.** Weights alone do not make a run. The optimizer's moments, the plan and the epoch are in the same file, and `ckpt_path` restores them all.

# %%
capstone.show_repair("9.2")

# %% [markdown]
# ## Round 4 · The evaluation
#
# **Line 14, practice 0.1.** `fit` leaves the model in training mode, so dropout went on while `evaluate` counted.

# %%
capstone.show_repair("0.1")

# %% [markdown]
# **Line 15, practice 12.4.** The mean of the batches' means gives a batch of one image the same vote as a batch of 128. Collect one number per image; a torchmetrics object is another way.

# %%
capstone.show_repair("12.4")

# %% [markdown]
# **Line 16, practice 10.1.** The validation images have chosen the best epoch and stopped the run, so they cannot be the judge. The test set is read once, at the end, with the weights that are shipped.
# It must stay apart to be worth anything: the scoreboard also compares its images with those of the other two sets, and watches that the model is given none of them during training.

# %%
capstone.show_repair("10.1")

# %% [markdown]
# ## All together
#
# The repairs do not depend on each other, so they can be applied in any order. `write_solution` writes the repaired script into a file; the scoreboard does not know where it comes from.

# %% tags=["solution"]
from pathlib import Path
from tempfile import TemporaryDirectory

from course_utils.capstone import YOURS, write_solution

with TemporaryDirectory() as folder:
    solved = write_solution(Path(folder) / "train_digits.py")
    board = capstone.scoreboard(solved)
    capstone.picture("data", solved)
    capstone.picture("training", solved)
    capstone.picture("evaluation", solved)

board

# %% [markdown]
# What the script reports is now close to what its file achieves, on images that had no part in training or in any choice. The gain in one place:

# %% tags=["claim"]
from course_utils import claim

before, after = board.measured("accuracy of the file that it ships")
claim(
    "14", "the file gains at least 45 points of accuracy", after - before, at_least=0.45
)
before, after = board.measured("milliseconds to load an image")
claim("14", "an image loads at least twice as fast", before / after, at_least=2.0)
before, after = board.measured("megabytes of graphs held at the end")
claim("14", "at least 30 megabytes are let go", before - after, at_least=30.0)
before, after = board.measured("epochs trained after a crash, where 2.0 are missing")
claim("14", "after a crash only the missing epochs are trained", after, equals=2)

# %% [markdown]
# **Another way.** The scoreboard judges what a script does, so scripts in very different styles pass, too: whole batches by `__getitems__`, a normalizing layer instead of two buffers, `get_extra_state`, manual optimization,
# `trainer.test(ckpt_path="best")`, a torchmetrics object, callbacks that come with the model. Five such rewrites are among the tests of this course, in `tests/capstone_scripts`.
#
# The script, repaired:

# %%
capstone.show_solution()
