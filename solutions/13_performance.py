# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Solutions · Lesson 13, performance
#
# One way to solve each exercise of [lesson 13](../notebooks/13_performance.ipynb), why it works, and another way. Try them yourself first: a wrong attempt
# teaches more than a right solution that you read.

# %% tags=["setup"]
try:
    import course_utils
except ModuleNotFoundError:  # opened alone, as on Colab: fetch the helpers, keep torch
    from IPython import get_ipython

    get_ipython().run_line_magic("pip", 'install -q "lightning-course-utils==0.1.*"')
    import course_utils

course_utils.start("13", written_for="0.1")

# %%
import lightning as L
import torch
from torch.utils.data import DataLoader

from course_utils import check
from course_utils.hardware import quiet_trainer

# %% [markdown]
# ## 13.1 A loader for any number of workers
#
# Workers that do not exist cannot persist, and PyTorch says so with an error. So the option depends on the number.
#
# Tempting and wrong: `persistent_workers=True` with `num_workers=max(workers, 1)`. Whoever asks for no workers wants none, for example to set a breakpoint in the dataset.


# %% tags=["solution"]
def make_loader(dataset, workers):
    return DataLoader(
        dataset,
        batch_size=16,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )


# %%
check("13.1", make_loader)

# %% [markdown]
# **Another way.** Collect the options first, which pays when there are more of them that make sense only with workers, such as `prefetch_factor`:


# %%
def make_loader(dataset, workers):
    options = {"batch_size": 16, "shuffle": True}
    if workers:
        options |= {"num_workers": workers, "persistent_workers": True}
    return DataLoader(dataset, **options)


# %%
check("13.1", make_loader)

# %% [markdown]
# ## 13.2 Leave the switch as you found it
#
# Note the value, use yours, put the old one back. `finally` runs whether `fit` succeeds or raises, and the error goes on to the caller afterwards.


# %% tags=["solution"]
def train_with_benchmark(model, loader):
    before = torch.backends.cudnn.benchmark
    options = quiet_trainer(accelerator="cpu", max_epochs=1)
    try:
        L.Trainer(benchmark=True, **options).fit(model, loader)
    finally:
        torch.backends.cudnn.benchmark = before


# %%
check("13.2", train_with_benchmark)

# %% [markdown]
# **Another way.** A context manager does the noting and the putting back. This one restores every sticky switch, the seed among them, so it suits experiments more than a training script:

# %%
from course_utils.experiments import preserve_global_state


def train_with_benchmark(model, loader):
    options = quiet_trainer(accelerator="cpu", max_epochs=1)
    with preserve_global_state():
        L.Trainer(benchmark=True, **options).fit(model, loader)


# %%
check("13.2", train_with_benchmark)

# %% [markdown]
# ## 13.3 A data module that the finder can tune
#
# The starter had the attribute, but built its loader once, in `__init__`, with the size of that moment. The finder set the attribute, asked again, and got the old loader. Memory never seemed to run out.


# %% tags=["solution"]
class TunableData(L.LightningDataModule):
    def __init__(self, dataset, batch_size=32):
        super().__init__()
        self.batch_size = batch_size
        self.dataset = dataset

    def train_dataloader(self):
        return DataLoader(self.dataset, batch_size=self.batch_size, shuffle=True)


# %%
check("13.3", TunableData)

# %% [markdown]
# **Another way.** The finder also looks for the name in `self.hparams`, so `save_hyperparameters` will do.


# %%
class TunableData(L.LightningDataModule):
    def __init__(self, dataset, batch_size=32):
        super().__init__()
        self.save_hyperparameters("batch_size")
        self.dataset = dataset

    def train_dataloader(self):
        size = self.hparams.batch_size
        return DataLoader(self.dataset, batch_size=size, shuffle=True)


# %%
check("13.3", TunableData)

# %% [markdown]
# ## 13.4 Every image its own shift
#
# One draw of shape `(batch, 1)` gives every image its number. Subtracted from the columns 0, 1, 2, … it says for each image which column goes where, and `gather` fetches them all in one operation.
#
# Tempting and wrong: `torch.stack([image.roll(...) for image in images])`. Every image gets its own shift, but 64 images take 64 rolls: the Python of one-by-one loading is back.


# %% tags=["solution"]
def shift_each(images):
    batch, _, _, width = images.shape
    pixels = torch.randint(-3, 4, (batch, 1), device=images.device)
    columns = (torch.arange(width, device=images.device) - pixels) % width
    return images.gather(3, columns[:, None, None, :].expand_as(images))


# %%
check("13.4", shift_each)

# %% [markdown]
# **Another way.** Compute all seven shifts of the whole batch, and let each image choose its own. Seven operations, however large the batch.


# %%
def shift_each(images):
    moved = torch.stack([images.roll(pixels, dims=3) for pixels in range(-3, 4)])
    choice = torch.randint(7, (len(images),), device=images.device)
    return moved[choice, torch.arange(len(images), device=images.device)]


# %%
check("13.4", shift_each)
