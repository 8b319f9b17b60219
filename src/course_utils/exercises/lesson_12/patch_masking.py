"""Does a training step hide a patch from the network, and only from the network?"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import lightning as L
import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import CannotCheck
from course_utils.checks.training_step import step

SIDE = 3  # pixels: the smallest square that counts as a patch


def _two_valued(shape: tuple[int, int, int, int]) -> Tensor:
    """Return images of which a random half of the pixels is dark, the rest bright.

    Dark is 0.05 and bright 0.95: no filling equals a pixel by chance, and exchanging
    the two leaves the mean of every image as it is.
    """
    generator = torch.Generator().manual_seed(0)
    order = torch.rand(shape, generator=generator).flatten(1).argsort(1).view(shape)
    return torch.where(order < order[0].numel() // 2, 0.05, 0.95)


def _copy(module: L.LightningModule) -> L.LightningModule:
    """Return a copy whose random generators, if it has some, are copies too."""
    try:
        return copy.deepcopy(module)
    except Exception:  # a module may hold what cannot be copied, and mask all the same
        return module


@dataclass(frozen=True)
class _Step:
    """One step on images.

    Attributes:
        images: What the step got, ``(batch, channel, height, width)``.
        saw: What the network saw of them, of the same shape.
        hole: Which pixels it did not see, boolean.
        loss: What the step returned.
    """

    images: Tensor
    saw: Tensor
    hole: Tensor
    loss: Tensor


def _run(module: L.LightningModule, images: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    labels = torch.zeros(len(images), dtype=torch.int64)
    loss, saw = step(module, (images.clone(), labels), seed)
    if saw is None:
        raise CannotCheck(
            "The check watches what goes into networks and saw nothing; call yours "
            "as self(images)."
        )
    return loss.detach(), saw


def _masked_step(module: L.LightningModule, images: Tensor, seed: int) -> _Step:
    # The copy draws the same random numbers, so its patch lies in the same place: a
    # pixel that looks the same to the network, dark or bright, is hidden from it.
    _, inverse = _run(_copy(module), 1 - images, seed)
    loss, saw = _run(module, images, seed)
    return _Step(images, saw, torch.isclose(saw, inverse, atol=1e-4), loss)


def _patches(step: _Step) -> int:
    """Return in how many images a patch is hidden, and at most half of the pixels.

    Hidden pixels make a patch if most of them belong to a hidden square.
    """
    hole = step.hole.float()
    full = F.avg_pool2d(hole, SIDE, stride=1) > 0.999
    squares = F.max_pool2d(F.pad(full.float(), [SIDE - 1] * 4), SIDE, stride=1)
    sizes, inside = (each.flatten(1).sum(1) for each in (hole, squares))
    patch = (sizes > 0) & (2 * inside >= sizes) & (2 * sizes <= hole[0].numel())
    return int(patch.sum())


def _loss_knows(module: L.LightningModule, first: _Step) -> bool:
    """Return whether the loss changes when only the hidden pixels do.

    They are inverted or, for a filling that depends on their mean, put in reverse.
    """
    turned = first.images.clone()
    for image, hole in zip(turned, first.hole, strict=True):
        image[hole] = image[hole].flip(0)
    inverted = torch.where(first.hole, 1 - first.images, first.images)
    for images in (inverted, turned):
        loss, saw = _run(_copy(module), images, 0)
        # If the network sees something else, a new loss says nothing about the target.
        same_input = torch.allclose(saw, first.saw, atol=1e-5)
        if same_input and not torch.allclose(loss, first.loss, rtol=1e-5, atol=0):
            return True
    return False


def _hides(steps: Sequence[_Step]) -> Finding:
    fewest = min(steps, key=_patches)
    count, images = _patches(fewest), len(fewest.images)
    if not fewest.hole.any() and not torch.equal(fewest.saw, fewest.images):
        seen = "What the network sees depends on every pixel."
        return Finding(seen, False, "Replace the pixels of the patch, do not mix them.")
    seen = f"The network saw a hidden patch in {count} of {images} images."
    remedy = "Hide a patch in each image, and give the network what is left."
    return Finding(seen, count == images, remedy)


def hides_a_patch(
    module: L.LightningModule, shape: tuple[int, int, int, int] = (16, 1, 28, 28)
) -> list[Finding]:
    """Check that the network sees a moving hole that the target does not have.

    A pixel is hidden if inverting it does not change what the network sees. So it may
    be filled with anything, and the images may be scaled or made noisy besides.

    Args:
        module: A module whose ``training_step`` hides a patch of its images.
        shape: Shape of the batch of images.
    """
    images = _two_valued(shape)
    original = _copy(module)  # its generators stay as they are before the first step
    steps = [_masked_step(module, images, seed) for seed in range(4)]
    moves = any(not torch.equal(steps[0].hole, each.hole) for each in steps[1:])
    return [
        _hides(steps),
        Finding(
            "The hole is always in the same place.",
            moves,
            "Draw a new place in each step.",
        ),
        Finding(
            "The loss does not change when the hidden pixels do: the target has the "
            "hole, too.",
            _loss_knows(original, steps[0]),
            "Compare with the complete images.",
        ),
    ]
