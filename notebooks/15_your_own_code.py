# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 15 · What would these measurements say of your own code?
#
# The course is over, but its questions are not. They can be asked of any LightningModule: a stranger's, and yours. By the end of this lesson you have
#
# - had a script checked, and predicted what reading it shows and what only running it shows;
# - mended four faults, and answered a finding that is not a fault;
# - a list of what the check cannot see, and why;
# - the check in your terminal, in your tests, and on your own module.
#
# **You need** some of the lessons before this one: each finding names its lesson. No practice here is new.
#
# **Time** 15 minutes to read and run, 25 minutes to mend. All cells together run in less than half a minute on two CPU cores.

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

course_utils.start("15", written_for="0.1")

# %% [markdown]
# ## Step 1 · A script from a stranger
#
# It forecasts what it costs to power a building for an hour, from temperature and clock. Your copy lies beside this notebook; open it in another tab, as you will mend that file. (It is shown here as you got it; yours may look different by now.)

# %%
from course_utils import own_code

script = own_code.copy_script()

# %% [markdown]
# First the data. The stranger knows that a loader of single samples is slow, and serves slices of whole days.

# %%
own_code.show_script("data")

# %% [markdown]
# The model learns from the price of its mistakes: a kilowatt-hour too many is expensive in the evening.

# %%
own_code.show_script("model")

# %% [markdown]
# The training keeps the best weights, stops in time, and tests on days that were never seen.

# %%
own_code.show_script("training")

# %% [markdown]
# Run it as the stranger did, on a CPU, in a folder that is removed afterwards:

# %%
own_code.run_script()

# %% [markdown]
# No error, no warning, and a number. Is it a good one? Nothing here says so.
#
# **Predict before you run.** The script has four faults, and one place that looks like a fault and is not one in this script. Of these five places, the check
#
# - **a** reads all five: each of them is in the text;
# - **b** reads three, the harmless one among them, and finds the other two only by running the script;
# - **c** finds the four faults, and stays silent about the place that is not one.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %%
from course_utils import check_my

found = check_my(script)
found

# %% [markdown]
# ## Step 2 · Read the findings
#
# In the script as you got it, **b** is right. Each row is a place, with what was seen there, what to do, and the lesson that measured it.
#
# - **read** means: seen in the text, without running anything. That takes milliseconds, and needs no data.
# - **run** means: seen when the script ran, up to its first `fit`, and then on four of its batches, in a process of its own that may change no file of yours. A GPU is simulated, so that this machine need not have one.
# - **error**: it stops, or its result is wrong. **warning**: wrong under a condition that the sentence names. **note**: worth a look.
#
# Why did two of them have to run? A rule reads the steps of a module, not every function that they call, nor where a tensor that they use was made. Follow `standardized` and `PRICES` with your eyes: you can read them, because you know where to look. And why
# are three only read? One batch does not show which weights are tested, or what a callback watches at the end of an epoch.
#
# A finding is a question, too: is it a fault *here*? The check knows the rule, you know the data.

# %%
report = found.report
print("practices found:", len({each.practice for each in report.findings}))
print("asked by running, and kept:", len(set(report.kept)))
print("could not be asked:", len({each.practice for each in report.unasked}))

# %% [markdown]
# What could not be asked is never left out silently: the fold below the table has each practice with its reason. The others were read, and nothing was found.
#
# ## Step 3 · Mend it
#
# ### Your turn · No finding, and still trained
#
# Mend `my_check/train_demand.py`, save it, and run the next cell; do one finding at a time. Where a finding is not a fault in this script, answer it at the end of its line, with the practice in brackets and your reason after it:
#
# ```python
# total = sum(parts)  # course: ignore[4.3] this never runs in two processes
# ```
#
# The checker wants no finding left and no fault hidden by a comment. Then it runs your whole script, which must still train, and forecast better. *(25 minutes)*

# %%
own_code.check_script()

# %% [markdown]
# Stuck? Each finding has three hints, from a nudge to nearly the repair: call it with the practice of the finding, once more for the next.

# %%
# own_code.hint("4.2")

# %% [markdown]
# When it is mended, the check also says what the script prints: what does the same forecast cost now? Which of the repairs was worth most? Undo one at a time, run `own_code.run_script()`, and see.
#
# ## Step 4 · What the check cannot see
#
# No finding does not mean no fault. It cannot see
#
# - **what is left to you.** For five of the 47 practices neither a rule nor a run decides: in the fold they are *left to you*, with the reason. How each of the others is asked stands in [a table](../site/check.md).
# - **what takes more than four batches**, or more than an epoch: overfitting, a schedule over many epochs, memory that grows slowly.
# - **a real GPU, and two processes.** Where tensors are is simulated. Speed, memory and half precision are not, and what ranks do to each other is only read.
# - **what your data know.** That a patient is in training and in test, that labels are shifted by one: no name in the text says so.
# - **what is not reached.** `fit` runs the steps of training and validation. `test_step` and `predict_step` are only read, and so is everything after the first `fit` of a script.
# - **what is in no code.** Options of the Trainer that come from a YAML file are not read.
#
# So keep the measurements that you learned to make, and the guards that stay in your tests: `from course_utils.guards import assert_eval_mode`, and one for each practice of the course.

# %% [markdown]
# ## Step 5 · Let it ask every day
#
# **In a terminal.** A module by its name, with its data; or a script, a notebook, or a folder, which is only read.
#
# ```
# course check my_package.model:MyModel --data my_package.data:MyData
# course check src --select "4.*,12.*"
# course check src --fix
# ```
#
# `--fix` rewrites what can be repaired without a decision from you, and says which files. The exit status is 1 if anything but notes is found, so a job in CI fails on it. `--json` is for programs, `--sarif` for code hosts, which show each finding beside its line.
#
# **In pytest.** `pytest --lightning-checks my_package.model:MyModel` adds a test for each practice. Or ask in a test of your own:
#
# ```python
# def test_my_model_keeps_the_practices(lightning_checks):
#     report = lightning_checks("my_package.model:MyModel", data="my_package.data:MyData")
#     assert not report.fails
# ```
#
# **In pre-commit.** Changed files are read before each commit; nothing is run. In `.pre-commit-config.yaml`:
#
# ```yaml
# - repo: https://github.com/OWNER/NAME  # where you have the course from
#   rev: main
#   hooks:
#     - id: course-check
# ```
#
# **Settings** go in `pyproject.toml`, for all of these and for `check_my`:
#
# ```toml
# [tool.course]
# module = "my_package.model:MyModel"  # what each run of pytest asks
# data = "my_package.data:MyData"
# ignore = ["13.*"]
# exclude = ["legacy/*"]
# seconds = 60
# ```

# %% [markdown]
# ## Step 6 · Your own module
#
# Name it in place of `None`: as text, or as a class that you have imported or written in a cell. Names are looked up from the folder of this notebook, so for a project elsewhere, run `%cd` with its folder first.
# Without data it is read, and asked only what a module shows on its own; with data, a few batches of them are enough.

# %% tags=["own-code"]
my_module = None  # for example "my_package.model:MyModel", "train.py", or MyModel
my_data = None  # for example "my_package.data:MyData", or a loader
check_my(my_module, my_data)

# %% [markdown]
# Forty findings at once are no help. Begin with the errors, then with one lesson: `check_my(my_module, my_data, select="4.*")` is the last cell of lesson 4, and each lesson ends with its own. What you answer with a comment
# needs a reason that you will still believe in a year.
#
# **When to leave it out.** For a notebook of one afternoon, run its questions in your head. What reads every commit costs every commit: choose the few practices that have cost you a week, and select those.
#
# ## Take away
#
# - [ ] I have asked my own module, with its data, and read what could not be asked.
# - [ ] Each finding is mended, or answered at its line with the practice and a reason.
# - [ ] What the check cannot see has a guard or a measurement of mine.
# - [ ] It runs in CI with the practices that matter to us, and fails when one is broken.
#
# **Sources** [SARIF 2.1.0](https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html); pre-commit on [its configuration](https://pre-commit.com/#adding-pre-commit-plugins-to-your-project); pytest on
# [plugins](https://docs.pytest.org/en/stable/how-to/plugins.html). What was found in other people's code, and how much of it was right, is [on record](../site/check.md).
#
# The [solution](../solutions/15_your_own_code.ipynb) mends the script line by line.
