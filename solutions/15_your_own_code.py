# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Solution · Lesson 15, your own code
#
# The script of [lesson 15](../notebooks/15_your_own_code.ipynb), mended: four faults, and one finding that is answered. Lines with `-` go, lines with `+` come. Try it yourself first: your own code comes without such a page.

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

# %%
from course_utils import own_code

# %% [markdown]
# **4.2, read.** Both steps logged `cost`. At the end of an epoch the mean of training is written last, so the two callbacks watched a curve that falls as long as one trains: nothing was ever stopped, and the best epoch was the one that fits
# the training days best. With names of their own, the callbacks can be told which one to read.

# %%
own_code.show_repair("4.2")

# %% [markdown]
# **10.1, read.** `ModelCheckpoint` kept the best weights in a file, and nobody read that file: `test` got the model as the last epoch had left it. What is reported should be what is kept.

# %%
own_code.show_repair("10.1")

# %% [markdown]
# **2.1, run.** `PRICES` is made when the file is imported, on the CPU, and belongs to nobody. On a GPU the module and its batch move, this tensor stays, and the step stops. A buffer moves with its module; `persistent=False` keeps a constant out of the
# checkpoints. On a machine without a GPU, only a simulated one can say so.

# %%
own_code.show_repair("2.1")

# %% [markdown]
# **12.5, run.** `Days` serves slices, and a slice shares its memory with the tensor that it is cut from. So `-=` wrote into the data themselves: in the second epoch they were standardized twice, and after a few epochs the temperature was gone, from training and
# from validation alike. No curve showed it. Only the test days, which are read once, were still as they should be, and the model had never seen any like them.

# %%
own_code.show_repair("12.5")

# %% [markdown]
# **12.4, read, and no fault here.** A mean of means differs from the mean where batches differ in size ([12.4](../notebooks/12_common_pitfalls.ipynb)). Here a batch of validation is a whole day, always, and the worst day is wanted as well as the mean one.
# The reason stands where the next reader will look for it, and names the practice: whatever else is ever wrong in that line will still be found.

# %%
own_code.show_repair("12.4")

# %% [markdown]
# ## All together
#
# The checker finds nothing, sees nothing hidden, and runs the script whole. It ends with what the script printed.

# %% tags=["solution"]
from pathlib import Path
from tempfile import TemporaryDirectory

with TemporaryDirectory() as folder:
    mended = own_code.write_solution(Path(folder) / "train_demand.py")
    own_code.check_script(mended)

# %% [markdown]
# The same forecast, on the same days. Which repair did it? Here one fault at a time is put back into the mended script:

# %% tags=["apparatus"]
# Runs the mended script with one of its faults put back, for each of the four.
with TemporaryDirectory() as folder:
    for fault in ("4.2", "10.1", "2.1", "12.5"):
        print(f"with {fault:>4}:", end=" ")
        path = Path(folder) / "train_demand.py"
        own_code.run_script(own_code.write_solution(path, without=fault))

# %% [markdown]
# One repair is worth nearly all of it, and it is one that cannot be read in any step. That the others change little here, in either direction, is luck: the days for training and for validation are alike, the last epoch happens to be nearly the best, and this machine computes on its CPU.
# They are what goes wrong with the next data, the next patience, and the next machine.
#
# **Another way.** The checker asks what the script does. For 2.1, a plain list of prices from which the step makes a tensor with `device=self.device` is right as well. For 12.5, `(rows[:, 0] - 11) / 9`
# stacked beside the second column makes a new tensor without `clone`; better still, standardize once, when the days are read. For 10.1, `ckpt_path=trainer.checkpoint_callback.best_model_path` says the same. And 12.4 may be mended like any other: `self.log("val/cost", cost)` already is the mean over all hours, so the line can go.
