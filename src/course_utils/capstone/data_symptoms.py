"""Symptoms in the data: leaks between the parts, erased digits, slow loading.

They look at the batches that the script's loaders deliver, and at what `SpyCallback`
saw of them during training.
"""

import functools
import itertools
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from course_utils.capstone import script
from course_utils.capstone.observed_run import time_limited
from course_utils.capstone.runs import Runs
from course_utils.capstone.spy_callback import digests, stacked
from course_utils.checks import scramble_global_rngs
from course_utils.checks.finding import Finding
from course_utils.data import open_dataset, scaled

LEAST_SPEED_UP = 2.0
PATCH_TAKES = (0.05, 0.25)  # share of an image's ink, on average
MOST_WHOLE = 0.3  # share of images whose patch falls on blank paper
ENOUGH = 20  # images per batch, so that some have ink at each place in the middle
BATCHES = 10  # timed
REPEATS = 5


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


@dataclass(frozen=True)
class Overlaps:
    """How much the three sets share; what is shared may have a patch in one of them.

    Attributes:
        val_in_train: Share of the validation images that are trained on.
        val_after_restart: The same for those of a second data module of this seed.
        test_in_train: Share of the test images that are trained on.
        test_in_val: Share of the test images that are validated on.
        test_digests: The test images.
    """

    val_in_train: float
    val_after_restart: float
    test_in_train: float
    test_in_val: float
    test_digests: set[int]


def overlaps(runs: Runs) -> Overlaps:
    """Compare the images of all three sets; use as ``runs.once``."""
    with time_limited("make_data"):
        scramble_global_rngs(1)
        data = _set_up(runs.script, runs.seed)
        train, val = _images(data, "train"), _images(data, "val")
        data.setup("validate")  # a Trainer sets up once per stage
        later = _images(data, "val")
        data.setup("test")
        test = _images(data, "test")
        scramble_global_rngs(2)  # a resumed run starts from another random state
        other = _images(_set_up(runs.script, runs.seed), "val")
    return Overlaps(
        max(seen_before(train, each) for each in (val, later)),
        seen_before(train, other),
        seen_before(train, test),
        max(seen_before(each, test) for each in (val, later)),
        digests(test),
    )


def split_is_fixed(runs: Runs) -> Finding:
    """Check that no validation image is trained on, in this run or the next (1.2)."""
    found = runs.once(overlaps)
    if found.val_in_train:
        return Finding(
            "We compared the training images with the validation images before and "
            "after training: they should have none in common, but "
            f"{100 * found.val_in_train:.1f} % of the validation images had been "
            "trained on.",
            False,
        )
    if found.val_after_restart:
        return Finding(
            "We made the data a second time with the same seed, as a resumed run does: "
            "no validation image should have been trained on before the restart, but "
            f"{100 * found.val_after_restart:.1f} % had been.",
            False,
        )
    return Finding(
        "We compared the training images with the validation images, also after a "
        "restart: they have none in common.",
        True,
    )


@functools.cache
def _originals() -> set[int]:
    source = open_dataset("embedded", train=True)
    return digests(scaled(source.data.unsqueeze(1)))


def digits_stay_intact(runs: Runs) -> Finding:
    """Check that each image loses its own patch, and only for once (12.5)."""
    spy = runs.full.spy
    first, last = spy.ink[0], spy.ink[-1]
    left = last / first
    if spy.repeated > 0.5:
        return Finding(
            "We compared the training images of the first two epochs: their patches "
            f"should differ, but {100 * spy.repeated:.1f} % of the images are the same "
            "in both.",
            False,
        )
    least, most = PATCH_TAKES
    taken = 1 - first / stacked(runs.batches["val"])[0].mean().item()
    if left > 0.9 and not least < taken < most:
        return Finding(
            "We compared the training images with the validation images: a patch of 8 "
            "by 8 pixels should take about a tenth of the ink, but "
            f"{100 * max(taken, 0.0):.1f} % is missing.",
            False,
        )
    whole = len(spy.whole & _originals()) / len(spy.whole)
    if left > 0.9 and whole > MOST_WHOLE:
        return Finding(
            "We looked for the patch in each training image: only a few should look "
            "untouched, where it falls on blank paper, but "
            f"{100 * whole:.1f} % do.",
            False,
        )
    seen = "We compared the training images of the first and the last epoch: "
    if left > 0.9:
        return Finding(
            f"{seen}they have the same amount of ink ({100 * left:.1f} %).", True
        )
    return Finding(
        f"{seen}each should miss one patch in both, but in the last epoch only "
        f"{100 * left:.1f} % of the ink is left.",
        False,
    )


def loading_seconds(runs: Runs) -> list[float]:
    """Return the seconds per training image: the first script's, and this one's.

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
            images, start = 0, clock()
            for batch in itertools.islice(loader, BATCHES):
                images += len(batch[1])  # a batch may have any size
            return (clock() - start) / images

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
    """Check that images load much faster than in the first script (13.4)."""
    before, now = runs.once(loading_seconds)
    fast = before / now >= LEAST_SPEED_UP
    if fast and one_patch_for_all(runs.batches["train"]):
        return Finding(
            "We looked for places that are blank in all images of a batch: each image "
            "should miss a patch of its own, but all of a batch miss the same one.",
            False,
        )
    seen = "We timed the training loader: "
    taken = f"{1e3 * now:.3f} ms, {before / now:.1f} times as fast"
    if fast:
        return Finding(
            f"{seen}an image takes {taken} as in the script you were given.", True
        )
    return Finding(
        f"{seen}an image should load at least twice as fast as in the script you were "
        f"given, but it takes {taken}.",
        False,
    )
