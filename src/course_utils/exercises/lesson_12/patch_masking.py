"""Does a training step hide a patch from the network, and from nobody else?"""

import copy
from dataclasses import dataclass

import lightning as L
import torch
from torch import Tensor

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import CannotCheck
from course_utils.checks.training_step import step

SMALLEST = 9  # pixels of the smallest hole that counts as a patch


def _two_valued(shape: tuple[int, int, int, int]) -> Tensor:
    """Return images of which a random half of the pixels is dark, the rest bright.

    Dark is 0.05 and bright 0.95: whatever hides a pixel shows, and turning each into
    the other leaves the mean of every image as it is.
    """
    generator = torch.Generator().manual_seed(0)
    order = torch.rand(shape, generator=generator).flatten(1).argsort(1).view(shape)
    return torch.where(order < order[0].numel() // 2, 0.05, 0.95)


def _copy(module: L.LightningModule) -> L.LightningModule:
    try:
        return copy.deepcopy(module)  # with random generators of its own
    except Exception:
        return module


@dataclass(frozen=True)
class _Hidden:
    """One step on images: what the network saw, and which pixels it did not."""

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


def _hide(module: L.LightningModule, images: Tensor, seed: int) -> _Hidden:
    _, inverse = _run(_copy(module), 1 - images, seed)
    loss, saw = _run(module, images, seed)
    return _Hidden(images, saw, torch.isclose(saw, inverse, atol=1e-4), loss)


def _holes(hidden: _Hidden) -> int:
    """Return in how many images a patch is hidden, and no more than a half."""
    sizes = hidden.hole.flatten(1).sum(1)
    return int(((sizes >= SMALLEST) & (sizes <= hidden.hole[0].numel() / 2)).sum())


def _loss_knows(module: L.LightningModule, hidden: _Hidden) -> bool:
    """Return whether the loss changes when only the hidden pixels do.

    They are inverted or, for a filling that depends on their mean, put in reverse.
    """
    turned = hidden.images.clone()
    for image, hole in zip(turned, hidden.hole, strict=True):
        image[hole] = image[hole].flip(0)
    inverted = torch.where(hidden.hole, 1 - hidden.images, hidden.images)
    for images in (inverted, turned):
        loss, saw = _run(_copy(module), images, 0)
        same_input = torch.allclose(saw, hidden.saw, atol=1e-5)
        if same_input and not torch.allclose(loss, hidden.loss, rtol=1e-5, atol=0):
            return True
    return False


def hides_a_patch(
    module: L.LightningModule, shape: tuple[int, int, int, int] = (16, 1, 28, 28)
) -> list[Finding]:
    """Ask whether the network sees a moving hole that the target does not have.

    A pixel is hidden if inverting it does not change what the network sees. So it may
    be filled with anything, and the images may be scaled or made noisy besides.

    Args:
        module: A module whose ``training_step`` hides a patch of its images.
        shape: Shape of the batch of images.
    """
    images = _two_valued(shape)
    original = _copy(module)
    steps = [_hide(module, images, seed) for seed in range(4)]
    fewest = min(steps, key=_holes)
    mixed = not fewest.hole.any() and not torch.equal(fewest.saw, images)
    varies = any(not torch.equal(steps[0].hole, each.hole) for each in steps[1:])
    # The copy's generators stand where they stood in the first step.
    knows = _loss_knows(original, steps[0])
    return [
        Finding(
            "What the network sees depends on every pixel."
            if mixed
            else f"The network saw a hidden patch in {_holes(fewest)} of "
            f"{shape[0]} images.",
            _holes(fewest) == shape[0],
            "Replace the pixels of the patch, do not mix them."
            if mixed
            else "Hide a patch in each image, and give the network what is left.",
        ),
        Finding(
            "It moves." if varies else "The hole is always in the same place.",
            varies,
            "Draw the place anew in each step.",
        ),
        Finding(
            "The loss knows the hidden pixels."
            if knows
            else "The loss does not change when the hidden pixels do: "
            "the target has the hole, too.",
            knows,
            "Compare with the complete images.",
        ),
    ]
