"""Symptoms in the data: leaks between the parts, erased digits, slow loading.

They look at the batches that the script's loaders deliver, and at what `SpyCallback`
saw of them during training.
"""

import itertools
import time
from typing import Any

import torch
from torch import Tensor

from course_utils.capstone import script
from course_utils.capstone.observed_run import time_limited
from course_utils.capstone.runs import Runs
from course_utils.capstone.spy_callback import stacked
from course_utils.checks import scramble_global_rngs
from course_utils.checks.finding import Finding

LEAST_SPEED_UP = 2.0
PATCH_TAKES = (0.05, 0.25)  # share of an image's ink, on average
ENOUGH = 20  # images per batch, so that some have ink at each place in the middle
BATCHES = 10  # timed
REPEATS = 8


def seen_before(train: Tensor, others: Tensor) -> float:
    """Return the share of ``others`` that is in ``train``, with a patch set to 0.

    Args:
        train: Shape ``(n, 1, 28, 28)``; parts of an image may be 0.
        others: Shape ``(k, 1, 28, 28)``, whole images.
    """
    train, others = train.flatten(1), others.flatten(1)
    own = (train * train).sum(1, keepdim=True)
    # If t is v with holes then t·v = t·t. One matrix product finds the few pairs for
    # which that holds; comparing all n·k pairs pixel by pixel would take gigabytes.
    close = (train @ others.T - own).abs() < 1e-3 * own + 1e-3
    pairs = close.nonzero()
    t, v = train[pairs[:, 0]], others[pairs[:, 1]]
    same = ((t - v).abs().lt(1e-4) | t.eq(0)).all(1) & t.any(1)
    return len(pairs[same][:, 1].unique()) / len(others)


def _images(data: Any, name: str) -> Tensor:
    return stacked(list(getattr(data, f"{name}_dataloader")()))[0]


def _set_up(module: Any, seed: int) -> Any:
    """Return the script's data module, ready for training."""
    data = module.make_data(seed)
    data.prepare_data()
    data.setup("fit")
    return data


def split_is_fixed(runs: Runs) -> Finding:
    """Check that no validation image is trained on, in this run or the next (1.2)."""
    with time_limited("make_data"):
        scramble_global_rngs(1)
        data = _set_up(runs.script, runs.seed)
        train, val = _images(data, "train"), _images(data, "val")
        data.setup("validate")  # a Trainer sets up once per stage
        later = _images(data, "val")
        scramble_global_rngs(2)  # a resumed run starts from another random state
        other = _images(_set_up(runs.script, runs.seed), "val")
    now, then, elsewhere = (seen_before(train, each) for each in (val, later, other))
    worst = max(now, then)
    seen = f"{100 * worst:.1f} % of the validation images had been trained on."
    remedy = ""
    if not worst and elsewhere:
        seen = f"After a restart {100 * elsewhere:.1f} % of the validation images are"
        seen += " images trained on before."
        remedy = "Within one object the split holds; make it hold in the next one, too."
    return Finding(seen, not max(worst, elsewhere), remedy)


def digits_stay_intact(runs: Runs) -> Finding:
    """Check that erasing a patch leaves the stored digits as they are (12.5)."""
    spy = runs.full.spy
    first, last = spy.ink[0], spy.ink[-1]
    left = last / first
    if spy.repeated > 0.5:
        seen = "Every epoch trains on the same images as the one before."
        remedy = "The patch is gone, or never changes; keep it, and keep the digits."
        return Finding(seen, False, remedy)
    least, most = PATCH_TAKES
    taken = 1 - first / stacked(runs.batches["val"])[0].mean().item()
    if left > 0.9 and not least < taken < most:
        seen = f"The patch takes {100 * taken:.1f} % of the ink of an image."
        remedy = "The digits stay whole; now mind the size of the patch, 8 by 8 pixels."
        return Finding(seen, False, remedy)
    seen = (
        f"In the last epoch a training image has {100 * left:.1f} % of its first ink."
    )
    return Finding(seen, left > 0.9)


def loading_seconds(runs: Runs) -> list[float]:
    """Return the seconds for ten training batches: the first script's, and this one's.

    The scripts take turns and the fastest turn counts, so that another process that
    wakes up in between slows neither. Processor seconds are counted for the same
    reason; wall seconds only if a loader has workers, whose work is done elsewhere.
    """
    torch.manual_seed(runs.seed)
    with time_limited("train_dataloader"):
        loaders = [
            _set_up(module, runs.seed).train_dataloader()
            for module in (script.load(script.ORIGINAL), runs.script)
        ]
        workers = any(getattr(each, "num_workers", 0) for each in loaders)
        clock = time.perf_counter if workers else time.process_time

        def load(loader: Any) -> float:
            start = clock()
            for _ in itertools.islice(loader, BATCHES):
                pass
            return clock() - start

        turns = [[load(loader) for loader in loaders] for _ in range(REPEATS)]
    return [min(times) for times in zip(*turns, strict=True)]


def one_patch_for_all(batches: list[Any]) -> bool:
    """Return whether the images of some batch have a blank patch in common.

    In the middle of a batch of digits every place has the ink of some of them, unless
    all of them were erased there.
    """
    middles = [images[:, 0, 8:20, 8:20] for images, _ in batches]
    blank = [m.amax(0).lt(0.1).float().mean() for m in middles if len(m) >= ENOUGH]
    return max(blank, default=torch.tensor(0.0)).item() > 0.1


def loads_fast(runs: Runs) -> Finding:
    """Check that batches are made much faster than in the first script (13.4)."""
    before, now = runs.once(loading_seconds)
    digits, times = BATCHES * len(runs.batches["train"][0][1]), before / now
    fast = times >= LEAST_SPEED_UP
    if fast and one_patch_for_all(runs.batches["train"]):
        seen = "All images of a batch lose the same patch."
        remedy = "It loads fast now; draw a patch for every image."
        return Finding(seen, False, remedy)
    seen = (
        f"A training image takes {1e3 * now / digits:.3f} ms to load, "
        f"{times:.1f} times as fast as in the script you were given."
    )
    return Finding(seen, fast)
