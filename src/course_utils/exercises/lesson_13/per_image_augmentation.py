"""Does a transform of a batch treat each image differently, and all of them at once?"""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from course_utils.checks.finding import Finding
from course_utils.checks.global_rngs import scramble_global_rngs
from course_utils.checks.learner_code import (
    LearnerError,
    is_learners,
    learners_code,
)
from course_utils.measure import Operations

Transform = Callable[[Tensor], Tensor]


def apply(transform: Transform, images: Tensor, seed: int = 0) -> Tensor:
    """Return what ``transform`` makes of a copy of ``images``, seeded.

    Args:
        transform: The learner's.
        images: Shape ``(batch, channel, height, width)``.
        seed: Of Python's, NumPy's and torch's generators.

    Raises:
        LearnerError: If it raises, or returns no tensor.
    """
    scramble_global_rngs(seed)
    with learners_code("The transform"), torch.no_grad():
        result: Any = transform(images.clone())
    if not isinstance(result, Tensor):
        raise LearnerError(
            f"Expected a tensor of images but got {type(result).__name__}; return one."
        )
    return result


def keeps_form(transform: Transform, images: Tensor) -> Finding:
    """Check that shape and dtype stay, for batches of several sizes."""
    remedy = "Return images of the shape and dtype you got."
    for count in (len(images), 3, 1):
        given = images[:count]
        made = apply(transform, given)
        if (made.shape, made.dtype) != (given.shape, given.dtype):
            shapes = f"{tuple(given.shape)} became {tuple(made.shape)}"
            dtypes = f"{given.dtype} became {made.dtype}".replace("torch.", "")
            seen = shapes if made.shape != given.shape else dtypes
            return Finding(f"{seen}.", False, remedy)
    return Finding("Shape and dtype stay.", True)


def keeps_input(transform: Transform, images: Tensor) -> Finding:
    """Check that the images that went in are not changed."""
    given = images.clone()
    with learners_code("The transform"), torch.no_grad():
        transform(given)
    kept = torch.equal(given, images)
    seen = "The images that went in changed."
    remedy = "Write into a new tensor: the caller may need these images again."
    return Finding(seen, kept, remedy)


def differs_per_image(
    transform: Transform, image: Tensor, *, least: int, count: int = 64
) -> Finding:
    """Check that equal images of one batch come out differently.

    Args:
        transform: The learner's.
        image: Shape ``(channel, height, width)``.
        least: Different results that there must be.
        count: Copies of the image in the batch.
    """
    made = apply(transform, image.expand(count, *image.shape))
    distinct = len(made.flatten(1).unique(dim=0))
    if distinct == 1:
        changed = not torch.equal(made[0], image)
        seen = f"All {count} came out the same{'' if changed else ', unchanged'}."
        remedy = "Draw one random number for each image, not one for the batch."
        return Finding(seen, False, remedy)
    seen = f"{count} equal images came out in {distinct} ways."
    remedy = "Draw one random number for each image, from the whole range."
    return Finding(seen, distinct >= least, remedy)


def draws_for_one_image(
    transform: Transform, image: Tensor, *, least: int, calls: int = 200
) -> Finding:
    """Check that a batch of one image comes out differently from call to call.

    Args:
        transform: The learner's.
        image: Shape ``(1, channel, height, width)``.
        least: Different results that there must be.
        calls: How often it is called.
    """
    made = torch.cat([apply(transform, image, seed) for seed in range(calls)])
    distinct = len(made.flatten(1).unique(dim=0))
    seen = f"{calls} batches of one image came out in {distinct} ways."
    remedy = "Draw from the whole range, however many images there are."
    return Finding(seen, distinct >= least, remedy)


def differs_per_call(transform: Transform, images: Tensor) -> Finding:
    """Check that other random numbers give another result."""
    first, second = (apply(transform, images, seed) for seed in (1, 2))
    remedy = "Draw the random numbers at each call, from torch's generator."
    differs = not torch.equal(first, second)
    return Finding("Two calls gave the same images.", differs, remedy)


class _Lines:
    """Count the lines of the learner's code that run in a ``with`` block.

    Attributes:
        count: Lines so far; each round of a loop counts from the start.
    """

    def __enter__(self) -> "_Lines":
        self.count = 0
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _trace(self, frame: Any, event: str, arg: Any) -> Any:
        if not is_learners(frame.f_code.co_filename):
            return None
        self.count += event == "line"
        return self._trace


def _work(transform: Transform, images: Tensor) -> dict[str, int]:
    with Operations() as operations, _Lines() as lines:
        apply(transform, images)
    return {
        "torch operations": sum(operations.counts.values()),
        "lines of your code": lines.count,
    }


def needs_no_loop(transform: Transform, image: Tensor) -> Iterator[Finding]:
    """Check that 64 images take about as much work in Python as 8.

    A loop over images shows in the calls of torch, or, if it uses NumPy or lists, in
    the lines that run.

    Args:
        transform: The learner's.
        image: Shape ``(channel, height, width)``.
    """
    few, many = (
        _work(transform, image.expand(count, *image.shape)) for count in (8, 64)
    )
    for what in few:
        seen = f"8 images take {few[what]} {what}, 64 images take {many[what]}."
        remedy = "Work on the whole batch; use no loop over images."
        yield Finding(seen, many[what] - few[what] < (64 - 8) / 2, remedy)


def moves_sideways(transform: Transform, images: Tensor, most: int) -> Finding:
    """Check that each image comes out moved by -most to most pixels and unchanged.

    What leaves on one side may come back on the other or be lost.

    Args:
        transform: The learner's.
        images: Shape ``(batch, channel, height, width)``, floats; with columns at both
            sides that are empty, the two ways agree.
        most: Pixels.
    """
    made = apply(transform, images)
    ways = range(-most, most + 1)
    near = torch.stack([_near(made, images.roll(way, -1)) for way in ways])
    strays = int((~near.any(0)).sum())
    if strays:
        seen = f"{strays} of {len(images)} images are not their input, moved sideways."
        remedy = f"Move each image by a whole number of pixels, from -{most} to {most}."
        return Finding(seen, False, remedy)
    used = int(near.any(1).sum())
    seen = f"The images moved by {used} of {len(ways)} possible numbers of pixels."
    remedy = f"Draw from all of -{most} to {most}."
    return Finding(seen, used == len(ways), remedy)


def draws_evenly(
    transform: Transform, image: Tensor, most: int, each: int = 700
) -> Finding:
    """Check that every number of pixels from -most to most is equally likely.

    Args:
        transform: The learner's; moves images sideways.
        image: Gives the shape, ``(channel, height, width)``.
        most: Pixels.
        each: Images that should move by each number.
    """
    numbers = range(-most, most + 1)
    moved = _moved(transform, image, each * len(numbers))
    counts = {number: int((moved == number).sum()) for number in numbers}
    rare, often = min(counts, key=counts.get), max(counts, key=counts.get)
    seen = (
        f"Of {len(moved)} equal images {counts[rare]} moved by {rare} and "
        f"{counts[often]} by {often}."
    )
    even = 0.8 * each < counts[rare] and counts[often] < 1.2 * each
    remedy = f"Draw every number from -{most} to {most} equally often."
    return Finding(seen, even, remedy)


def draws_independently(
    transform: Transform, image: Tensor, most: int, count: int = 4902
) -> Finding:
    """Check that one image's number of pixels says nothing about another's.

    Of pairs of independent images, one in ``2 * most + 1`` moves by the same number. A
    single draw for two images shows where they stand: as neighbours, next but one, or
    in the two halves of a batch.

    Args:
        transform: The learner's; moves images sideways.
        image: Gives the shape, ``(channel, height, width)``.
        most: Pixels.
        count: Images in the batch. Half of it is no multiple of 7: numbers that are
            counted on from image to image must not look independent at that distance.
    """
    ways = 2 * most + 1
    moved = _moved(transform, image, count)
    pairs = {"neighbours": 1, "next but one": 2, "half a batch apart": count // 2}
    shares = {
        pair: float((moved[lag:] == moved[:-lag]).float().mean())
        for pair, lag in pairs.items()
    }
    odd = max(shares, key=lambda pair: abs(shares[pair] - 1 / ways))
    seen = f"Of pairs of images ({odd}) {shares[odd]:.0%} moved by the same number."
    chance = 0.8 < shares[odd] * ways < 1.2
    remedy = f"Draw a separate number for each image; then 1 pair in {ways} agrees."
    return Finding(seen, chance, remedy)


def _moved(transform: Transform, image: Tensor, count: int) -> Tensor:
    """Return by how many pixels each of ``count`` equal images moves, ``(count,)``."""
    middle = image.shape[-1] // 2
    line = torch.zeros_like(image)
    line[..., middle] = 1
    made = apply(transform, line.expand(count, *image.shape))
    return made.flatten(1, -2).sum(1).argmax(1) - middle


def _near(images: Tensor, others: Tensor) -> Tensor:
    """Return for each pair whether they agree, up to rounding."""
    return (images - others).abs().flatten(1).amax(1) < 1e-3
