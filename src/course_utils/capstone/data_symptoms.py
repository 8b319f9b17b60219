"""Symptoms in the data: who sees what, how often it changes, how long it takes."""

import itertools
import time
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from course_utils.capstone import script
from course_utils.capstone.observed_run import limited
from course_utils.capstone.runs import Runs
from course_utils.capstone.spy_callback import stacked
from course_utils.checks.finding import Finding
from course_utils.checks.global_rngs import scramble_global_rngs

LEAST_SPEED_UP = 2.0
PATCH_TAKES = (0.05, 0.25)  # share of an image's ink, on the mean
ENOUGH = 20  # images of a batch, of which some have ink at each place in the middle
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
    # If t is v with holes then t·v = t·t; so few pairs are left to compare.
    close = (train @ others.T - own).abs() < 1e-3 * own + 1e-3
    pairs = close.nonzero()
    t, v = train[pairs[:, 0]], others[pairs[:, 1]]
    same = ((t - v).abs().lt(1e-4) | t.eq(0)).all(1) & t.any(1)
    return len(pairs[same][:, 1].unique()) / len(others)


def _images(data: Any, name: str) -> Tensor:
    return stacked(list(getattr(data, f"{name}_dataloader")()))[0]


def _new(runs: Runs, state: int) -> Any:
    scramble_global_rngs(state)
    data = runs.script.make_data(runs.seed)
    data.prepare_data()
    data.setup("fit")
    return data


def split_once(runs: Runs) -> Finding:
    """Ask whether validation images had been trained on (practice 1.2)."""
    with limited("make_data"):
        data = _new(runs, 1)
        train, val = _images(data, "train"), _images(data, "val")
        data.setup("validate")
        later, other = _images(data, "val"), _images(_new(runs, 2), "val")
    now, then, elsewhere = (seen_before(train, each) for each in (val, later, other))
    worst = max(now, then)
    seen = f"{100 * worst:.1f} % of the validation images had been trained on."
    remedy = ""
    if not worst and elsewhere:
        seen = f"After a restart {100 * elsewhere:.1f} % of the validation images are"
        seen += " images trained on before."
        remedy = "Within one object the split holds; make it hold in the next one, too."
    return Finding(seen, not max(worst, elsewhere), remedy)


def digits_stay_whole(runs: Runs) -> Finding:
    """Ask whether the training images stay as they are over epochs (12.5)."""
    watch = runs.full.watch
    first, last = watch.ink[0], watch.ink[-1]
    left, remedy = last / first, ""
    seen = (
        f"In the last epoch a training image has {100 * left:.1f} % of its first ink."
    )
    if watch.repeated > 0.5:
        seen = "Every epoch trains on the same images as the one before."
        remedy = "The patch is gone, or never changes; keep it, and keep the digits."
        return Finding(seen, False, remedy)
    least, most = PATCH_TAKES
    taken = 1 - first / stacked(runs.batches["val"])[0].mean().item()
    if left > 0.9 and not least < taken < most:
        seen = f"The patch takes {100 * taken:.1f} % of the ink of an image."
        remedy = "The digits stay whole; now mind the size of the patch, 8 by 8 pixels."
        return Finding(seen, False, remedy)
    return Finding(seen, left > 0.9, remedy)


def loading_seconds(*scripts: ModuleType, seed: int) -> list[float]:
    """Return the least seconds that each script needs for ten training batches.

    Scripts take turns. Seconds of the processor are counted, so that a busy machine
    slows nobody; wall seconds only if a loader has workers, whose work is elsewhere.
    """
    loaders = {}
    for number, each in enumerate(scripts):
        with limited("train_dataloader"):
            data = each.make_data(seed)
            data.prepare_data()
            data.setup("fit")
            loaders[number] = data.train_dataloader()

    workers = any(getattr(each, "num_workers", 0) for each in loaders.values())
    clock = time.perf_counter if workers else time.process_time

    def load(number: int) -> float:
        start = clock()
        for _ in itertools.islice(loaders[number], BATCHES):
            pass
        return clock() - start

    with limited("train_dataloader"):
        turns = [[load(number) for number in loaders] for _ in range(REPEATS)]
    return [min(times) for times in zip(*turns, strict=True)]


def loading(runs: Runs) -> list[float]:
    """Return the seconds for ten batches: the first script's, and this one's."""
    return runs.once("loading", lambda: _against_original(runs))


def _against_original(runs: Runs) -> list[float]:
    torch.manual_seed(runs.seed)
    original = script.load(script.ORIGINAL)
    return loading_seconds(original, runs.script, seed=runs.seed)


def one_patch_for_all(batches: list[Any]) -> bool:
    """Return whether the images of some batch have a blank patch in common.

    In the middle of a batch of digits every place has the ink of some of them, unless
    all of them were erased there.
    """
    middles = [images[:, 0, 8:20, 8:20] for images, _ in batches]
    blank = [m.amax(0).lt(0.1).float().mean() for m in middles if len(m) >= ENOUGH]
    return max(blank, default=torch.tensor(0.0)).item() > 0.1


def loads_fast(runs: Runs) -> Finding:
    """Ask whether batches are made much faster than in the first script (13.4)."""
    before, now = loading(runs)
    digits, times = BATCHES * len(runs.batches["train"][0][1]), before / now
    seen = (
        f"A training image takes {1e3 * now / digits:.3f} ms to load, "
        f"{times:.1f} times as fast as in the script you were given."
    )
    fast = times >= LEAST_SPEED_UP
    if fast and one_patch_for_all(runs.batches["train"]):
        seen = "All images of a batch lose the same patch."
        remedy = "It loads fast now; draw a patch for every image."
        return Finding(seen, False, remedy)
    return Finding(seen, fast)
