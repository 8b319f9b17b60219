"""Answers to the exercises of lesson 13, right and wrong, and what each is told."""

import pytest
import torch
from learner import answer, assert_correct, assert_incorrect, each_answer, judged

from course_utils.exercises import api
from course_utils.exercises.lesson_13.per_image_augmentation import (
    draws_independently,
    keeps_form,
)
from course_utils.exercises.lesson_13.tunable_batch_size import finds_and_delivers

LOADER = """
def make_loader(dataset, workers):
    return DataLoader(dataset, {})
"""
RIGHT_13_1 = {
    "a comparison": LOADER.format(
        "16, shuffle=True, num_workers=workers, persistent_workers=workers != 0"
    ),
    "two returns": """
def make_loader(dataset, workers):
    if workers == 0:
        return DataLoader(dataset, batch_size=16, shuffle=True)
    return DataLoader(
        dataset, batch_size=16, shuffle=True, num_workers=workers,
        persistent_workers=True, prefetch_factor=4,
    )
""",
    "its own sampler": """
def make_loader(dataset, workers):
    order = torch.utils.data.RandomSampler(dataset)
    keep = {"persistent_workers": True} if workers else {}
    return DataLoader(dataset, 16, sampler=order, num_workers=workers, **keep)
""",
    "a class that is called": """
class Loader(DataLoader):
    def __init__(self, dataset, workers):
        super().__init__(
            dataset, 16, True, num_workers=workers, persistent_workers=workers > 0
        )
""",
    "partial": """
from functools import partial
def make(size, dataset, workers):
    keep = dict(num_workers=workers, persistent_workers=workers > 0)
    return DataLoader(dataset, batch_size=size, shuffle=True, **keep)
answer = partial(make, 16)
""",
    "a batch sampler": """
def make_loader(dataset, workers):
    order = torch.utils.data.RandomSampler(dataset)
    batches = torch.utils.data.BatchSampler(order, 16, drop_last=False)
    keep = dict(num_workers=workers, persistent_workers=workers > 0)
    return DataLoader(dataset, batch_sampler=batches, **keep)
""",
    "a subclass": """
def make_loader(dataset, workers):
    class Loader(DataLoader):
        pass
    return Loader(dataset, 16, True, num_workers=workers,
                  persistent_workers=bool(workers))
""",
}
WRONG_13_1 = {
    "always persistent": (
        LOADER.format("16, True, num_workers=workers, persistent_workers=True"),
        "The loader with 0 workers raised ValueError: persistent_workers option needs",
    ),
    "only another order of the arguments": (
        LOADER.format("num_workers=workers, shuffle=True, batch_size=16"),
        "3 epochs were served by 9 different worker processes. Keep the workers alive",
    ),
    "no workers at all": (
        LOADER.format("16, True"),
        "Asked for 3 workers, an epoch was served by 0.",
    ),
    "at most two": (
        LOADER.format(
            "16, True, num_workers=min(workers, 2), persistent_workers=workers > 0"
        ),
        "Asked for 3 workers, an epoch was served by 2. Pass `workers` to the DataLoad",
    ),
    "persistent only if there are several": (
        LOADER.format("16, True, num_workers=workers, persistent_workers=workers > 1"),
        "3 epochs were served by 3 different worker processes. Keep the workers alive",
    ),
    "shuffled once": (
        """
def make_loader(dataset, workers):
    order = torch.randperm(len(dataset)).tolist()
    shuffled = torch.utils.data.Subset(dataset, order)
    return DataLoader(shuffled, 16, num_workers=workers,
                      persistent_workers=workers > 0)
""",
        "Two epochs come in the same order. Shuffle the training samples.",
    ),
    "always two": (
        LOADER.format("16, True, num_workers=2, persistent_workers=True"),
        "Asked for 0 workers, an epoch was served by 2.",
    ),
    "at least one": (
        LOADER.format("16, True, num_workers=max(workers, 1), persistent_workers=True"),
        "Asked for 0 workers, an epoch was served by 1.",
    ),
    "drops the last batch": (
        LOADER.format(
            "16, True, num_workers=workers, persistent_workers=workers > 0, "
            "drop_last=True"
        ),
        "An epoch delivers 64 of 72 samples.",
    ),
    "in order": (
        LOADER.format("16, num_workers=workers, persistent_workers=workers > 0"),
        "Two epochs come in the same order. Shuffle the training samples.",
    ),
    "draws with replacement": (
        """
def make_loader(dataset, workers):
    order = torch.utils.data.RandomSampler(dataset, replacement=True)
    return DataLoader(dataset, 16, sampler=order, num_workers=workers,
                      persistent_workers=workers > 0)
""",
        "Deliver every sample once in each epoch",
    ),
    "other batches": (
        LOADER.format("32, True, num_workers=workers, persistent_workers=workers > 0"),
        "The batches hold 8 and 32 samples. Keep batch_size=16.",
    ),
    "returns nothing": (
        "def make_loader(dataset, workers):\n    DataLoader(dataset, 16)",
        "Expected a DataLoader but got NoneType; return one.",
    ),
    "raises": (
        "def make_loader(dataset, workers):\n    return dataset.images",
        "raised AttributeError: 'TensorDataset' object has no attribute 'images' (line",
    ),
}


BEFORE = """
def train_one_epoch(model, loader):
    switch = torch.backends.cudnn
    fixed = len({images.shape[1:] for images, _ in loader}) == 1
    options = quiet_trainer(accelerator="cpu", max_epochs=1)
"""
FIT = "L.Trainer(benchmark=fixed, **options).fit(model, loader)"
SAFELY = f"""
    before = switch.benchmark
    try:
        {FIT}
    finally:
        switch.benchmark = before
"""
RIGHT_13_2 = {
    "sets it by hand": BEFORE
    + """
    before, switch.benchmark = switch.benchmark, fixed
    try:
        L.Trainer(**options).fit(model, loader)
    finally:
        switch.benchmark = before
""",
    "the library's context manager": BEFORE
    + f"""
    with switch.flags(enabled=switch.enabled, benchmark=fixed):
        {FIT}
""",
    "an exit stack": BEFORE
    + f"""
    import contextlib
    with contextlib.ExitStack() as stack:
        stack.callback(setattr, switch, "benchmark", switch.benchmark)
        {FIT}
""",
    "wraps the error": BEFORE
    + f"""
    before = switch.benchmark
    try:
        {FIT}
    except Exception as error:
        raise RuntimeError("training stopped") from error
    finally:
        switch.benchmark = before
""",
    "a decorator": """
import functools
def keeps_the_switch(function):
    @functools.wraps(function)
    def wrapped(*args):
        before = torch.backends.cudnn.benchmark
        try:
            return function(*args)
        finally:
            torch.backends.cudnn.benchmark = before
    return wrapped

@keeps_the_switch
"""
    + BEFORE.strip()
    + f"\n    {FIT}",
    "a callable object": """
class Train:
    def __enter__(self):
        self.before = torch.backends.cudnn.benchmark
    def __exit__(self, *error):
        torch.backends.cudnn.benchmark = self.before
    def __call__(self, model, loader):
        sizes = [tuple(x.shape[-2:]) for x, _ in loader]
        options = quiet_trainer(accelerator="cpu", max_epochs=1)
        with self:
            fixed = all(size == sizes[0] for size in sizes)
            L.Trainer(benchmark=fixed, **options).fit(model, loader)
answer = Train()
""",
    "catches and raises again": BEFORE
    + f"""
    before = switch.benchmark
    try:
        {FIT}
    except Exception:
        switch.benchmark = before
        raise
    switch.benchmark = before
""",
    "asks the dataset": BEFORE.replace(
        "images.shape[1:] for images, _ in loader",
        "image.shape for image, _ in loader.dataset",
    )
    + SAFELY,
}
ALWAYS_ON = BEFORE.replace("fixed = len", "fixed = True or len")
WRONG_13_2 = {
    "always on": (
        ALWAYS_ON + SAFELY,
        "With batches of 4 x 16, 8 x 8, 16 x 4 pixels, benchmark mode is on and the",
    ),
    "the same in other words": (
        ALWAYS_ON + f"    {FIT}\n    switch.benchmark = not True",
        "Look at height and width of all batches, and ask for `benchmark=False` where",
    ),
    "always off": (
        BEFORE.replace("== 1", "== 9") + SAFELY,
        "All images have one size, and benchmark mode is off while the model trains.",
    ),
    "counts the images of a batch": (
        BEFORE.replace("images.shape[1:]", "images.shape") + SAFELY,
        "Train with benchmark mode on; a smaller last batch does not matter.",
    ),
    "looks at the height": (
        BEFORE.replace("shape[1:]", "shape[2]") + SAFELY,
        "With batches of 8 x 8, 8 x 9, 8 x 8 pixels, benchmark mode is on",
    ),
    "looks at the width": (
        BEFORE.replace("shape[1:]", "shape[3]") + SAFELY,
        "With batches of 9 x 8, 9 x 8, 8 x 8 pixels, benchmark mode is on",
    ),
    "counts pixels": (
        BEFORE.replace("images.shape[1:]", "images[0].numel()") + SAFELY,
        "With batches of 4 x 16, 8 x 8, 16 x 4 pixels, benchmark mode is on",
    ),
    "looks at the first two batches": (
        BEFORE.replace("in loader}", "in list(loader)[:2]}") + SAFELY,
        "With batches of 9 x 8, 9 x 8, 8 x 8 pixels, benchmark mode is on",
    ),
    "compares the first batch with the last": (
        BEFORE.replace("in loader}", "in list(loader)[::2]}") + SAFELY,
        "With batches of 8 x 8, 8 x 9, 8 x 8 pixels, benchmark mode is on",
    ),
    "does not mention it": (
        BEFORE + SAFELY.replace("benchmark=fixed", "benchmark=fixed or None"),
        "benchmark mode was already on and the model trains in it.",
    ),
    "turns it off afterwards": (
        BEFORE + f"    {FIT}\n    switch.benchmark = False",
        "It was on before; after training it is off. Afterwards it should be what it w",
    ),
    "no finally": (
        BEFORE + f"    old = switch.benchmark\n    {FIT}\n    switch.benchmark = old",
        "It was off before; after training failed with a ValueError it is on. Restore ",
    ),
    "expects one kind of error": (
        BEFORE
        + f"""
    before = switch.benchmark
    try:
        {FIT}
    except RuntimeError:
        switch.benchmark = before
        raise
    switch.benchmark = before
""",
        "It was off before; after training failed with a ValueError it is on. Restore ",
    ),
    "expects two kinds of errors": (
        BEFORE
        + f"""
    before = switch.benchmark
    try:
        {FIT}
    except (RuntimeError, ValueError):
        switch.benchmark = before
        raise
    switch.benchmark = before
""",
        "It was on before; after training failed with a KeyError it is off. Restore it",
    ),
    "returns in its finally": (
        BEFORE
        + f"""
    before = switch.benchmark
    try:
        {FIT}
    finally:
        switch.benchmark = before
        return None
""",
        "The error of training did not come through.",
    ),
    "restores only what was on": (
        BEFORE
        + f"""
    before = switch.benchmark
    try:
        {FIT}
    finally:
        switch.benchmark |= before
""",
        "It was off before; after training it is on. Afterwards it should be what it w",
    ),
    "toggles": (
        BEFORE
        + f"""
    try:
        {FIT}
    finally:
        switch.benchmark = not switch.benchmark
""",
        "It was on before; after training it is off.",
    ),
    "swallows the error": (
        BEFORE
        + f"""
    old = switch.benchmark
    try:
        {FIT}
    except Exception:
        pass
    switch.benchmark = old
""",
        "The error of training did not come through. Tidy up, and let the error pass.",
    ),
    "notes it too late": (
        BEFORE
        + f"""
    try:
        {FIT}
    finally:
        before = switch.benchmark
        switch.benchmark = before
""",
        "It was off before; after training it is on.",
    ),
    "trains nothing": (
        BEFORE + "    return L.Trainer(benchmark=fixed, **options)",
        "The function trained on 0 of 3 batches.",
    ),
    "two epochs": (
        BEFORE.replace("epochs=1", "epochs=2") + f"    {FIT}",
        "The function trained on after one epoch. Fit the model on the loader, for one",
    ),
    "without a limit": (
        BEFORE.replace(", max_epochs=1", "") + f"    {FIT}",
        "The function trained on after one epoch. Fit the model on the loader, for one",
    ),
    "one batch": (
        BEFORE + f"    {FIT.replace('=fixed,', '=fixed, limit_train_batches=1,')}",
        "The function trained on 1 of 3 batches.",
    ),
    "raises": (
        BEFORE + "    switch.brenchmark",
        "The function raised AttributeError",
    ),
}


DATA = """
class TunableData(L.LightningDataModule):
    def __init__(self, dataset, batch_size=32):
        super().__init__()
        self.dataset = dataset
"""
LOADS = """
    def train_dataloader(self):
        return DataLoader(self.dataset, batch_size={}, shuffle=True)
"""
RIGHT_13_3 = {
    "all hyperparameters": DATA
    + "        self.save_hyperparameters(ignore='dataset')\n"
    + LOADS.format("self.hparams['batch_size']"),
    "a property": DATA
    + """
        self._size = batch_size
    @property
    def batch_size(self):
        return self._size
    @batch_size.setter
    def batch_size(self, size):
        self._size = size
"""
    + LOADS.format("self._size"),
    "drops the last, loads for predictions too": DATA
    + "        self.batch_size = batch_size\n"
    + LOADS.format("self.batch_size, drop_last=True")
    + LOADS.format("self.batch_size").replace("train_", "predict_"),
    "setup": DATA
    + """
        self.batch_size = batch_size
    def setup(self, stage):
        if stage == "fit":
            self.train = self.dataset
"""
    + LOADS.format("self.batch_size").replace("self.dataset", "self.train"),
    "asks the Trainer": DATA
    + "        self.batch_size = batch_size\n"
    + LOADS.format("self.batch_size // self.trainer.world_size"),
    "a function that makes one": DATA
    + "        self.batch_size = batch_size\n"
    + LOADS.format("self.batch_size")
    + "def make(dataset, batch_size=32):\n    return TunableData(dataset, batch_size)",
    "a base class between": DATA
    + LOADS.format("self.batch_size")
    + """
class Tunable(TunableData):
    def __init__(self, dataset, batch_size=32):
        super().__init__(dataset)
        self.batch_size = batch_size
""",
    "a batch sampler": DATA
    + """
        self.batch_size = batch_size
    def train_dataloader(self):
        order = torch.utils.data.RandomSampler(self.dataset)
        batches = torch.utils.data.BatchSampler(order, self.batch_size, False)
        return DataLoader(self.dataset, batch_sampler=batches)
""",
}
WRONG_13_3 = {
    "loader built in setup": (
        DATA
        + """
        self.batch_size = batch_size
    def setup(self, stage):
        self.loader = DataLoader(self.dataset, self.batch_size, shuffle=True)
    def train_dataloader(self):
        return self.loader
""",
        "With room for 100 samples the finder found",
    ),
    "shuffled once": (
        DATA
        + """
        self.batch_size = batch_size
        order = torch.randperm(len(dataset)).tolist()
        self.dataset = torch.utils.data.Subset(dataset, order)
"""
        + LOADS.format("self.batch_size").replace(", shuffle=True", ""),
        "Two epochs come in the same order. Shuffle the samples in every epoch.",
    ),
    "loader built in setup, once": (
        DATA
        + """
        self.batch_size = batch_size
        self.loader = None
    def train_dataloader(self):
        if self.loader is None:
            self.loader = DataLoader(self.dataset, self.batch_size, shuffle=True)
        return self.loader
""",
        "With room for 100 samples the finder found",
    ),
    "a fixed size": (
        DATA + "        self.batch_size = batch_size\n" + LOADS.format("32"),
        "With room for 100 samples the finder found",
    ),
    "another name": (
        DATA + "        self.size = batch_size\n" + LOADS.format("self.size"),
        "MisconfigurationException",
    ),
    "the size of the constructor, by closure": (
        DATA
        + """
        self.batch_size = batch_size
        self.make = lambda: DataLoader(dataset, batch_size, shuffle=True)
    def train_dataloader(self):
        return self.make()
""",
        "With room for 100 samples the finder found",
    ),
    "forgets the user": (
        DATA + "        self.batch_size = 32\n" + LOADS.format("self.batch_size"),
        "With batch_size=48 the loader delivers batches of 32. Keep the size",
    ),
    "a lower limit of its own": (
        DATA
        + "        self.batch_size = batch_size\n"
        + LOADS.format("max(self.batch_size, 16)"),
        "With batch_size=7 the loader delivers batches of 16.",
    ),
    "the same order in every epoch": (
        DATA
        + "        self.batch_size = batch_size\n"
        + LOADS.format("self.batch_size").replace(", shuffle=True", ""),
        "Two epochs come in the same order. Shuffle the samples in every epoch.",
    ),
    "one fewer": (
        DATA
        + "        self.batch_size = batch_size\n"
        + LOADS.format("max(self.batch_size - 1, 1)"),
        "The finder found 64, the loader delivers batches of 63. It should deliver",
    ),
    "an upper limit of its own": (
        DATA
        + "        self.batch_size = batch_size\n"
        + LOADS.format("min(self.batch_size, 128)"),
        "With room for 300 samples the finder found",
    ),
    "raises": (
        DATA + LOADS.format("self.batch_size"),
        "MisconfigurationException",
    ),
}


SHIFT = "def shift_each(images):\n    width = images.shape[-1]\n"
RIGHT_13_4 = {
    "grid_sample": SHIFT
    + """
    pixels = torch.randint(-3, 4, (len(images),)).float()
    theta = torch.eye(2, 3).repeat(len(images), 1, 1)
    theta[:, 0, 2] = 2 * pixels / width
    grid = F.affine_grid(theta, images.shape, align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)
""",
    "windows of a padded batch": SHIFT
    + """
    windows = F.pad(images, (3, 3)).unfold(3, width, 1)
    start = torch.randint(0, 7, (len(images),))
    return windows[torch.arange(len(images)), :, :, start]
""",
    "take_along_dim": SHIFT
    + """
    pixels = (torch.rand(len(images), 1, 1, 1) * 7).floor().long() - 3
    columns = (torch.arange(width) + pixels) % width
    return torch.take_along_dim(images, columns, dim=3)
""",
    "NumPy": SHIFT
    + """
    pixels = np.random.randint(-3, 4, (len(images), 1, 1, 1))
    columns = (np.arange(width) - pixels) % width
    return torch.from_numpy(np.take_along_axis(images.numpy(), columns, 3))
""",
    "vmap": SHIFT
    + """
    pixels = torch.tensor(random.choices(range(-3, 4), k=len(images)))
    def shift(image, n):
        return image[..., (torch.arange(width) - n) % width]
    return torch.vmap(shift)(images, pixels)
""",
    "a module": """
class ShiftEach(nn.Module):
    def forward(self, images):
        pixels = torch.multinomial(torch.ones(7), len(images), True).view(-1, 1, 1, 1)
        columns = torch.arange(images.shape[-1]) - pixels + 3
        return torch.take_along_dim(images, columns % images.shape[-1], 3)
answer = ShiftEach()
""",
    "seven masks": SHIFT
    + """
    pixels = torch.randint(-3, 4, (len(images), 1, 1, 1))
    result = images
    for way in (-3, -2, -1, 1, 2, 3):
        result = torch.where(pixels == way, images.roll(way, 3), result)
    return result
""",
}
WRONG_13_4 = {
    "only renamed": (
        "def shift_each(images):\n    n = int(torch.randint(-3, 4, (1,)))\n"
        "    return torch.roll(images, n, dims=3)",
        "All 64 came out the same. Draw one random number for each image",
    ),
    "returns the input": (
        "def shift_each(images):\n    return images",
        "All 64 came out the same, unchanged.",
    ),
    "a loop": (
        SHIFT
        + """
    ways = torch.randint(-3, 4, (len(images),)).tolist()
    return torch.stack([x.roll(w, -1) for x, w in zip(images, ways)])
""",
        "64 images take 68. Work on the whole batch; use no loop over images.",
    ),
    "one call for each image": (
        "def shift_each(images):\n"
        "    return torch.cat([x.roll(int(torch.randint(-3, 4, (1,))), -1)[None]"
        " for x in images])",
        "Work on the whole batch; use no loop over images.",
    ),
    "a loop of NumPy": (
        """
def shift_each(images):
    pixels = np.random.randint(-3, 4, len(images))
    rolled = [np.roll(x, n, -1) for x, n in zip(images.numpy(), pixels)]
    return torch.from_numpy(np.stack(rolled))
""",
        "8 images take 12 lines of your code, 64 images take 68. Work on the whole bat",
    ),
    "a loop that draws": (
        SHIFT
        + """
    pixels = torch.tensor([random.randint(-3, 3) for _ in images.tolist()])
    columns = (torch.arange(width) + pixels.view(-1, 1, 1, 1)) % width
    return torch.take_along_dim(images, columns, 3)
""",
        "lines of your code, 64 images take",
    ),
    "takes the height for the width": (
        SHIFT.replace("[-1]", "[2]")
        + """
    pixels = torch.randint(-3, 4, (len(images), 1, 1, 1))
    return torch.take_along_dim(images, (torch.arange(width) + pixels) % width, 3)
""",
        "(140, 3, 24, 26) became (140, 3, 24, 24).",
    ),
    "deals the numbers out": (
        SHIFT
        + """
    pixels = (torch.randperm(len(images)) % 7 - 3).view(-1, 1, 1, 1)
    return torch.take_along_dim(images, (torch.arange(width) + pixels) % width, 3)
""",
        "200 batches of one image came out in 1 ways. Draw from the whole range, howev",
    ),
    "never stays": (
        SHIFT
        + """
    ways = torch.tensor([-3, -2, -1, 1, 2, 3])
    pixels = ways[torch.randint(0, 6, (len(images), 1, 1, 1))]
    return torch.take_along_dim(images, (torch.arange(width) + pixels) % width, 3)
""",
        "64 equal images came out in 6 ways.",
    ),
    "rounds normal numbers": (
        SHIFT
        + """
    pixels = torch.randn(len(images), 1, 1, 1).mul(1.5).round().clamp(-3, 3).long()
    return torch.take_along_dim(images, (torch.arange(width) + pixels) % width, 3)
""",
        "Draw every number from -3 to 3 equally often.",
    ),
    "only two ways": (
        SHIFT
        + """
    pixels = torch.randint(0, 2, (len(images), 1, 1, 1)) * 6 - 3
    return torch.take_along_dim(images, (torch.arange(width) + pixels) % width, 3)
""",
        "64 equal images came out in 2 ways.",
    ),
    "every row of its own": (
        SHIFT
        + """
    pixels = torch.randint(-3, 4, (len(images), 1, images.shape[2], 1))
    return torch.take_along_dim(images, (torch.arange(width) + pixels) % width, 3)
""",
        "images are not their input, moved sideways.",
    ),
    "too far": (
        SHIFT
        + """
    pixels = torch.randint(-5, 6, (len(images), 1, 1, 1))
    return torch.take_along_dim(images, (torch.arange(width) + pixels) % width, 3)
""",
        "Move each image by a whole number of pixels, from -3 to 3.",
    ),
    "up and down": (
        SHIFT
        + """
    pixels = torch.randint(-3, 4, (len(images), 1, 1, 1))
    height = images.shape[2]
    rows = (torch.arange(height).view(-1, 1) + pixels) % height
    return torch.take_along_dim(images, rows, 2)
""",
        "images are not their input, moved sideways.",
    ),
    "shifts by position, not by chance": (
        SHIFT
        + """
    pixels = (torch.arange(len(images)) % 7 - 3).view(-1, 1, 1, 1)
    return torch.take_along_dim(images, (torch.arange(width) + pixels) % width, 3)
""",
        "Two calls gave the same images. Draw the random numbers at each call",
    ),
    "a generator that starts anew": (
        SHIFT
        + """
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(-3, 4, (len(images), 1, 1, 1), generator=generator)
    return torch.take_along_dim(images, (torch.arange(width) + pixels) % width, 3)
""",
        "Two calls gave the same images.",
    ),
    "neighbours share a number": (
        SHIFT
        + """
    half = torch.randint(-3, 4, ((len(images) + 1) // 2,))
    pixels = half.repeat_interleave(2)[: len(images)].view(-1, 1, 1, 1)
    return torch.take_along_dim(images, (torch.arange(width) + pixels) % width, 3)
""",
        "(neighbours) 57% moved by the same number. Draw a separate number for each",
    ),
    "the second half repeats the first": (
        SHIFT
        + """
    half = torch.randint(-3, 4, ((len(images) + 1) // 2,))
    pixels = half.repeat(2)[: len(images)].view(-1, 1, 1, 1)
    return torch.take_along_dim(images, (torch.arange(width) + pixels) % width, 3)
""",
        "(half a batch apart) 100% moved by the same number.",
    ),
    "one draw, counted on": (
        SHIFT
        + """
    numbers = torch.randint(0, 7, (1,)) + torch.arange(len(images))
    pixels = (numbers % 7 - 3).view(-1, 1, 1, 1)
    return torch.take_along_dim(images, (torch.arange(width) + pixels) % width, 3)
""",
        "(neighbours) 0% moved by the same number.",
    ),
    "in place": (
        SHIFT
        + """
    pixels = torch.randint(-3, 4, (len(images), 1, 1, 1))
    columns = (torch.arange(width) + pixels) % width
    images[:] = torch.take_along_dim(images, columns, 3)
    return images
""",
        "The images that went in changed. Write into a new tensor",
    ),
    "noise": (
        "def shift_each(images):\n    return images + torch.randn_like(images)",
        "images are not their input, moved sideways.",
    ),
    "loses the last of an odd number": (
        "def shift_each(images):\n    return images[: len(images) // 2 * 2]",
        "(3, 1, 28, 28) became (2, 1, 28, 28).",
    ),
    "returns a list": (
        "def shift_each(images):\n    return list(images)",
        "Expected a tensor of images but got list; return one.",
    ),
    "flattens": (
        "def shift_each(images):\n    return images.flatten(1)",
        "(140, 1, 28, 28) became (140, 784). Return images of the shape",
    ),
    "another dtype": (
        "def shift_each(images):\n    return images.half()",
        "float32 became float16.",
    ),
    "rounds, so that the ends are rare": (
        SHIFT
        + """
    pixels = (torch.rand(len(images), 1, 1, 1) * 6 - 3).round().long()
    return torch.take_along_dim(images, (torch.arange(width) + pixels) % width, 3)
""",
        "Draw every number from -3 to 3 equally often.",
    ),
    "knows one channel": (
        SHIFT
        + """
    pixels = torch.randint(-3, 4, (len(images), 1))
    columns = (torch.arange(width) - pixels) % width
    columns = columns.view(-1, 1, 1, width).expand(-1, 1, images.shape[2], -1)
    return images.gather(3, columns)
""",
        "(140, 3, 24, 26) became (140, 1, 24, 26).",
    ),
    "every channel of its own": (
        SHIFT
        + """
    pixels = torch.randint(-3, 4, (*images.shape[:2], 1, 1))
    return torch.take_along_dim(images, (torch.arange(width) + pixels) % width, 3)
""",
        "images are not their input, moved sideways.",
    ),
    "returns nothing": (
        "def shift_each(images):\n    images.roll(1, 3)",
        "Expected a tensor of images but got NoneType; return one.",
    ),
    "raises": (
        "def shift_each(images):\n    return images.gather(3, images)",
        "The transform raised RuntimeError",
    ),
}


@pytest.mark.parametrize("practice", ["13.1", "13.2", "13.3", "13.4"])
def test_what_is_no_function_is_told_so(practice):
    result = api.judge(api.find(practice), 3)
    assert result.status == "incorrect"
    assert "got int; hand it over without calling it." in result.message


@each_answer(
    "practice, source",
    {"13.1": RIGHT_13_1, "13.2": RIGHT_13_2, "13.3": RIGHT_13_3, "13.4": RIGHT_13_4},
)
def test_a_right_answer_is_accepted(practice, source):
    assert_correct(practice, source)


@each_answer(
    "practice, source, message",
    {"13.1": WRONG_13_1, "13.2": WRONG_13_2, "13.3": WRONG_13_3, "13.4": WRONG_13_4},
)
def test_a_wrong_answer_is_told_its_mistake(practice, source, message):
    assert_incorrect(practice, source, message)


def test_13_2_a_check_leaves_benchmark_mode_of_this_process_alone():
    assert torch.backends.cudnn.benchmark is False
    judged("13.2", BEFORE + f"    {FIT}")
    assert torch.backends.cudnn.benchmark is False


def test_13_3_the_finder_finds_a_power_of_two_that_just_fits():
    right = answer(RIGHT_13_3["all hyperparameters"], "13_performance")
    found, delivered = finds_and_delivers(right, 128)
    assert (found.ok, delivered.ok) == (True, True)
    assert delivered.seen.startswith("The finder found 128,")


def test_13_3_a_search_that_fails_leaves_no_file_in_the_learners_folder(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    size = "self.batch_size if self.batch_size < 8 else 1 / 0"
    fails = DATA + "        self.batch_size = batch_size\n" + LOADS.format(size)
    assert_incorrect("13.3", fails, "The batch-size finder raised ZeroDivisionError")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seed", range(5))
def test_13_4_independent_draws_pass_whatever_the_seed(seed):
    def shift_each(images):
        torch.manual_seed(seed)
        return answer(RIGHT_13_4["take_along_dim"])(images)

    assert draws_independently(shift_each, torch.zeros(1, 8, 12), 3).ok


def test_13_4_a_transform_gets_a_copy_of_the_images():
    images = torch.ones(8, 1, 8, 12)
    keeps_form(torch.Tensor.zero_, images)
    assert images.all()
