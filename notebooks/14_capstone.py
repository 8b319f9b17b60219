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
# A colleague leaves the company and leaves you a script. It trains a small network on handwritten digits. There is no error and no warning that anybody reads, and the accuracy it
# prints is a number one can live with. Your job is to take it over. At the end you have
#
# - found sixteen bad practices by their symptoms, in code that somebody else wrote;
# - repaired them one by one, and seen on a scoreboard what each repair brings;
# - a script whose file you can ship, whose number you can report, and whose run you can resume.
#
# **You need** the lessons before this one, or most of them. Each symptom belongs to a practice of lessons 00 to 13.
#
# **Time** 10 minutes to read and run, 60 minutes or more to repair. All cells together run in less than a minute on two CPU cores.

# %% tags=["setup"]
try:
    import course_utils
except ModuleNotFoundError:  # opened alone, as on Colab: fetch the helpers, keep torch
    from IPython import get_ipython

    get_ipython().run_line_magic("pip", 'install -q "lightning-course-utils==0.1.*"')
    import course_utils

course_utils.start("14", written_for="0.1")

# %% [markdown]
# The next cell puts a copy of the script into a folder beside this notebook. Open it in another tab: in JupyterLab's file browser, on Colab behind the folder icon. You will edit
# that file and save it; this notebook stays as it is.

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
# **Predict before you run.** Somebody loads that file, as one does, with `load_from_checkpoint`, and tries it on 1,000 digits that no part of the script has ever seen. Compared with
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
# The scoreboard runs your file and looks for sixteen symptoms. It judges by what the script *does*, never by how it is written. So use any names and any style you like, as long as the four functions in the
# script's first lines keep their promises. Each line is in one of three states: *left* (nobody has said what it is), *found* (you suspect the right practice) and *repaired* (the symptom is gone).
#
# 1. Read a part of the script, look at its figure, and at the lines of the scoreboard.
# 2. Add the practices that you suspect to the list below. A wrong suspect costs nothing.
# 3. Repair your copy, save it, run the scoreboard again. It reads the file anew each time; a change takes some seconds, an unchanged file none.
#
# One repair at a time: then the scoreboard tells you what *this* one did. A half-finished repair gets a sentence on what is still missing.

# %% tags=["exercise"]
suspects = []  # ids of practices, for example ["4.3", "11.1"]

# %%
# capstone.catalogue()  # all practices and their ids

# %% [markdown]
# ## Round 1 · The data
#
# The part of the script that reads, splits and delivers digits. (It is shown as you got it; your copy may look different by now.)

# %%
capstone.show_part("data")

# %% [markdown]
# Every training image should lose a patch of its own, eight by eight pixels, set to 0, and another one in each epoch. That is an augmentation: the network must not rely on a single stroke. Here are ten
# images that the network was trained on in the first epoch, and ten of the last. (Dark is 1, blank paper is 0.)

# %%
capstone.picture("data")

# %% [markdown]
# Three lines of the scoreboard are about the data. Which images are in which part? What does an image go through on its way, and how often?

# %%
capstone.scoreboard(suspects=suspects, part="data")

# %% [markdown]
# Stuck? `capstone.hint(1)` is a nudge on the first line, `capstone.hint(1, level=2)` says more, level 3 is nearly the repair.

# %%
# capstone.hint(1)

# %% [markdown]
# ## Round 2 · The model
#
# The network, and what it computes and logs in each step.

# %%
capstone.show_part("model")

# %% [markdown]
# We train such a model for a moment, save it, load it, and show both the same new digits:

# %%
capstone.picture("model")

# %% [markdown]
# What does the file not know? What does the model keep that it should not? And who reads what it logs?

# %%
capstone.scoreboard(suspects=suspects, part="model")

# %%
# capstone.hint(4)

# %% [markdown]
# ## Round 3 · The training
#
# The optimizer and its plan. `train` is shown with the evaluation below; seed, callbacks, Trainer and resuming belong to this round.

# %%
capstone.show_part("training")

# %% [markdown]
# `OneCycleLR` promises a learning rate that rises, peaks at `max_lr`, and falls to nearly nothing. This is what the optimizer applied in a run of four short epochs, ten updates each:

# %%
capstone.picture("training")

# %% [markdown]
# Six lines. Some can be read off the code, others only from what a run leaves behind: look into the folder of a run, stop one half-way, resume it.

# %%
capstone.scoreboard(suspects=suspects, part="training")

# %%
# capstone.hint(8)

# %% [markdown]
# ## Round 4 · The evaluation
#
# How the number is made that goes into the report. Of *which* images, of *which* weights, counted how? Its figure is the one at the top: what the script reports is not what it ships.

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
# **When the bad version is right.** This script is a demonstration, and some of its faults are harmless in other circumstances. A view may be changed in place if nobody reads it again. Nobody needs a resumable
# run of three seconds. A hard-coded learning rate is fine until somebody asks for another one. The question is never "does the rule say so", it is "what would I see if it were wrong", and you now have sixteen ways
# to look.
#
# ## Take away
#
# Take a script of your own and ask of it what the scoreboard asked of this one:
#
# - [ ] Is a validation image ever trained on, in this run or in a resumed one? Are the data the same after an epoch as before it?
# - [ ] Saved, loaded, shown the same input: are the outputs equal, and the settings, too?
# - [ ] Does memory stay level from the first to the last batch?
# - [ ] Do learning rate, gradient norm and early stop do what you think, measured at the optimizer?
# - [ ] Two runs with one seed: the same weights? A crash half-way: the same number of updates?
# - [ ] Is the number in the report that of the file, on images nobody has chosen by?
#
# **Sources** Each line belongs to a lesson: its practice id, shown once you have found it, begins with the lesson's number. MNIST by LeCun, Cortes and Burges.
#
# Done, or curious? The [solution](../solutions/14_capstone.ipynb) repairs the script line by line.
