# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 14 · It trains, it looks fine, and sixteen things are wrong with it
#
# A colleague leaves the company and leaves you a script. It trains a small network on handwritten digits (those shipped with the course, even if you chose other images for the lessons). There is no error and no warning that anybody reads, and the accuracy it
# prints is a number one can live with. Your job is to take it over. By the end you have
#
# - found sixteen bad practices by their symptoms, in code that you did not write;
# - repaired them one by one, and seen on a scoreboard what each repair gains;
# - a script whose file you can ship, whose number you can report, and whose run you can resume.
#
# **You need** the lessons before this one, or most of them. Each symptom belongs to a practice of lessons 00 to 13.
#
# **Time** 10 minutes to read and run, 60 minutes or more to repair: four sittings of 15 to 20 minutes. All cells together run in less than a minute on two CPU cores.
#
# | sitting | what you do | lines of the scoreboard |
# |---|---|---|
# | 1 | a first look, and round 1: the data | 1 to 3 |
# | 2 | round 2: the model | 4 to 7 |
# | 3 | round 3: the training | 8 to 13 |
# | 4 | round 4: the evaluation, and the whole scoreboard | 14 to 16 |
#
# Nothing is lost between them. Your script is a separate file that the course never overwrites, `course status` remembers how much you have repaired, and your list of suspects is in this notebook: save it. **To come
# back,** run the cells up to *Round 1*, then those of the round where you stopped. (Colab deletes its files when it disconnects: download your `train_digits.py` first, and upload it into a folder `my_capstone` before you continue.)

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

# %% [markdown]
# The next cell puts a copy of the script into a folder beside this notebook, or finds the copy that you have already edited. Open it in another tab: in JupyterLab's file browser, on Colab behind the folder icon. You will edit
# that file and save it; the code in this notebook stays as it is.

# %%
from course_utils import capstone

copy = capstone.copy_script()

# %% [markdown]
# ## It trains, it looks fine
#
# Run it, as your colleague did.

# %%
_ = capstone.run()

# %% [markdown]
# A small network, 1,500 training digits, a few seconds: nothing to be ashamed of. `best.ckpt` lies in the folder that `train` was given, ready to be shipped.
#
# **Predict before you run.** A user of your model loads that file with `load_from_checkpoint` and tries it on 1,000 digits that no part of the script has ever seen. Compared with
# the accuracy above, the file achieves
#
# - **a** about as much, give or take two points;
# - **b** some points less: every validation is a bit too kind;
# - **c** less than half.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %%
capstone.picture("evaluation")

# %% [markdown]
# In the script as you got it, **c** is right: the file has less than half of the accuracy that the report claims. No single line is to blame. Several bad practices each do their part, and
# some of them hide others.
#
# ## How to play
#
# The scoreboard runs your file and looks for sixteen symptoms. Each line says what was done to your script, what should have happened, and what happened. It judges by what the script *does*, never by how it is written.
# So use any names and any style you like, as long as the four functions keep the promises that the script's first lines make. Each line is in one of three states: *left* (not found yet), *found* (you suspect
# the right practice) and *repaired* (the symptom is gone).
#
# 1. Read a part of the script, look at its figure, and at the lines of the scoreboard.
# 2. Add the practices that you suspect to the list below. A wrong suspect costs nothing.
# 3. Repair your copy, save it, run the scoreboard again. It reads the file again each time; that takes less than half a minute after a change and no time without one.
#
# Make one repair at a time: then the scoreboard tells you what *this* one did. After half a repair the line says what is still wrong.

# %% tags=["exercise"]
suspects = []  # ids of practices, for example ["4.3", "11.1"]

# %%
# capstone.catalogue()  # all practices and their ids

# %% [markdown]
# **Hard mode, if you like.** The four rounds tell you where to look. For more of a challenge, read the whole script in your editor and skip the rounds: remove the `#` below, and you get one list of all that is still
# wrong, without numbers or parts. You can change back at any time.

# %%
# capstone.scoreboard(suspects=suspects, hard=True)

# %% [markdown]
# ## Round 1 · The data (first sitting)
#
# The part of the script that reads, splits and delivers digits. (It is shown as you got it; your copy may look different by now.)

# %%
capstone.show_part("data")

# %% [markdown]
# Each training image should lose its own patch, eight by eight pixels, set to 0, and a different one in each epoch. That is an augmentation: the network must not rely on a single stroke. Here are ten
# images that the network was trained on in the first epoch, and ten of the last. (Dark is 1, blank paper is 0.)

# %%
capstone.picture("data")

# %% [markdown]
# Three lines of the scoreboard are about the data. Which images are in which set? What is done to an image before it reaches the model, and how often?

# %%
capstone.scoreboard(suspects=suspects, part="data")

# %% [markdown]
# Stuck? `capstone.hint(1)` is a nudge on the first line, `capstone.hint(1, level=2)` says more, level 3 is nearly the repair. When the three lines are repaired, the first sitting is over.

# %%
# capstone.hint(1)

# %% [markdown]
# ## Round 2 · The model (second sitting)
#
# The network, and what it computes and logs in each step. (Coming back? First run the cells up to *Round 1*.)

# %%
capstone.show_part("model")

# %% [markdown]
# We train such a model for 30 batches, save it, load it, and give both the same new digits:

# %%
capstone.picture("model")

# %% [markdown]
# What is missing in the file? What does the model keep that it should not? And what reads the values that it logs?

# %%
capstone.scoreboard(suspects=suspects, part="model")

# %%
# capstone.hint(4)

# %% [markdown]
# ## Round 3 · The training (third sitting)
#
# The optimizer and its learning-rate schedule, and the function `train`: seed, callbacks, Trainer and resuming belong to this round, its last lines to the next one.

# %%
capstone.show_part("training")

# %% [markdown]
# `OneCycleLR` promises a learning rate that rises, peaks at `max_lr`, and falls to nearly nothing. This is what the optimizer applied in a run of four short epochs, ten updates each:

# %%
capstone.picture("training")

# %% [markdown]
# Six lines. Some faults are visible in the code above, others only in what a run leaves behind: look into the folder of a run, stop a run half-way, resume it.

# %%
capstone.scoreboard(suspects=suspects, part="training")

# %%
# capstone.hint(8)

# %% [markdown]
# ## Round 4 · The evaluation (fourth sitting)
#
# The function `evaluate`, and `train` once more: its last lines compute the number that goes into the report. For *which* images, with *which* weights, counted how? Its figure is the one at the top: what the script
# reports is not what it ships.

# %%
capstone.show_part("evaluation")

# %%
capstone.scoreboard(suspects=suspects, part="evaluation")

# %%
# capstone.hint(14)

# %% [markdown]
# ## The scoreboard
#
# All lines, and what your repairs gain: accuracy, time, memory, and whether a run survives a crash. When the last line is repaired, run the cells at the top again, and look once more at what the
# script reports and what its file achieves.

# %%
capstone.scoreboard(suspects=suspects)

# %% [markdown]
# **When the bad version is right.** This script is a demonstration, and some of its faults are harmless in other circumstances. A view may be changed in place if it is not read again. A run of three seconds
# need not be resumable. A hard-coded learning rate is fine until you want to change it. The question is not "does the rule say so" but "what would I see if it were wrong", and you now have sixteen ways
# to look.
#
# ## Take away
#
# Take a script of your own and check what the scoreboard checked here. The lesson in brackets has the practice, and a guard under *Take along* that keeps checking.
#
# - [ ] Is a validation image ever trained on, in this run or in a resumed one? Are the data the same after an epoch as before it? ([1](01_code_organization.ipynb), [12](12_common_pitfalls.ipynb))
# - [ ] When a model is saved, loaded and given the same input, are its outputs the same, and its settings? ([2](02_device_agnosticism.ipynb), [3](03_hyperparameters.ipynb))
# - [ ] Does memory stay level from the first to the last batch? ([7](07_memory.ipynb))
# - [ ] Do learning rate, gradient and early stopping do what you think, measured at the optimizer? ([3](03_hyperparameters.ipynb), [4](04_logging.ipynb), [8](08_training_stability.ipynb))
# - [ ] Do two runs with the same seed have the same weights? Does a resumed run train only what is missing? ([5](05_reproducibility.ipynb), [9](09_checkpointing.ipynb))
# - [ ] Does the number in the report belong to the weights in the file, and to images that had no part in training or in any choice? ([10](10_evaluation.ipynb))
#
# **Sources** Each line belongs to a lesson: its practice id, shown once you have found it, begins with the lesson's number. MNIST by LeCun, Cortes and Burges.
#
# Done, or curious? The [solution](../solutions/14_capstone.ipynb) repairs the script line by line. Next: [your own code](15_your_own_code.ipynb), checked by a command.

# %% tags=["own-code"]
# All questions of the course, asked of your own code: name it in place of None.
my_module, my_data = None, None  # "my_package.model:MyModel", "my_package.data:MyData"
course_utils.check_my(my_module, my_data)
