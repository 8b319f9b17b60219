"""Does a training step hide a patch from the network, and only from the network?"""

import copy
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.module import register_module_forward_pre_hook

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import CannotCheck
from course_utils.checks.training_step import is_network_input, step

SIDE = 3  # pixels: the smallest square that counts as a patch
DEEPEST = 2  # part of a part of the network, which may hide the patch itself


def _two_valued(shape: Sequence[int]) -> Tensor:
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
        depth: Whose input that is, see `course_utils.checks.training_step.step`.
    """

    images: Tensor
    saw: Tensor
    hole: Tensor
    loss: Tensor
    depth: int


def _run(
    module: L.LightningModule, images: Tensor, seed: int, depth: int
) -> tuple[Tensor, Tensor]:
    labels = torch.zeros(len(images), dtype=torch.int64)
    loss, saw = step(module, (images.clone(), labels), seed, depth)
    if saw is None:
        raise CannotCheck(
            "The check watches what goes into networks and saw nothing; call yours "
            "as self(images)."
        )
    return loss, saw


def _masked_step(
    module: L.LightningModule, images: Tensor, seed: int, depth: int
) -> _Step:
    # The copy draws the same random numbers, so its patch lies in the same place: a
    # pixel that looks the same to the network, dark or bright, is hidden from it.
    _, inverse = _run(_copy(module), 1 - images, seed, depth)
    loss, saw = _run(module, images, seed, depth)
    return _Step(images, saw, torch.isclose(saw, inverse, atol=1e-4), loss, depth)


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


def _turned(step: _Step) -> Tensor:
    """Return the images with their hidden pixels in reverse order.

    Their mean stays as it was, for a filling that depends on it.
    """
    turned = step.images.clone()
    for image, hole in zip(turned, step.hole, strict=True):
        image[hole] = image[hole].flip(0)
    return turned


def _loss_knows(module: L.LightningModule, first: _Step) -> bool:
    """Return whether the loss changes when only the hidden pixels do."""
    inverted = torch.where(first.hole, 1 - first.images, first.images)
    for images in (inverted, _turned(first)):
        loss, saw = _run(_copy(module), images, 0, first.depth)
        # If the network sees something else, a new loss says nothing about the target.
        same_input = torch.allclose(saw, first.saw, atol=1e-5)
        if same_input and not torch.allclose(loss, first.loss, rtol=1e-5, atol=0):
            return True
    return False


@contextmanager
def _gradient_at_input(count: int, depth: int) -> Iterator[list[Tensor]]:
    """Collect what the network gets, ``count`` values, as a leaf of the graph."""
    inputs: list[Tensor] = []
    depths = itertools.count()

    def cut(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if inputs or not is_network_input(module, args, count) or next(depths) < depth:
            return None
        inputs.append(args[0].detach().clone().requires_grad_())
        return (inputs[0].clone(), *args[1:])  # it may be changed in place

    handle = register_module_forward_pre_hook(cut)
    try:
        yield inputs
    finally:
        handle.remove()


def _pull(
    module: L.LightningModule, images: Tensor, depth: int
) -> tuple[Tensor, Tensor]:
    """Return into which direction the loss pulls the first image, and what was seen.

    Raises:
        RuntimeError: If the loss has no gradient, or no longer.
    """
    with _gradient_at_input(images.numel(), depth) as inputs:
        loss, saw = _run(_copy(module), images, 0, depth)
    [gradient] = torch.autograd.grad(loss, inputs)
    return F.normalize(gradient[0].flatten(), dim=0), saw


def _mixes_images(module: L.LightningModule, first: _Step) -> bool:
    """Return whether an image is compared with others: shapes that broadcast do that.

    Then the hidden pixels of the others, which no network sees, change what the loss
    asks of it. Only the direction counts: the root of a loss has another length.
    """
    others = torch.cat([first.images[:1], _turned(first)[1:]])
    try:
        before, saw = _pull(module, first.images, first.depth)
        after, same = _pull(module, others, first.depth)
    except RuntimeError:  # whether there is a gradient is another question
        return False
    return torch.allclose(saw, same, atol=1e-5) and bool((before - after).norm() > 1e-3)


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
    module: L.LightningModule, shape: Sequence[int] = (16, 1, 28, 28)
) -> list[Finding]:
    """Check that the network sees a moving hole that the target does not have.

    A pixel is hidden if inverting it does not change what the network sees. So it may
    be filled with anything, and the images may be scaled or made noisy besides. The
    network may hide it itself, before its first layer.

    Args:
        module: A module whose ``training_step`` hides a patch of its images.
        shape: Shape of the batch of images.
    """
    images = _two_valued(shape)
    original = _copy(module)  # its generators stay as they are before the first step

    def steps_at(depth: int) -> list[_Step]:
        twin = _copy(original)
        return [_masked_step(twin, images, seed, depth) for seed in range(4)]

    steps = steps_at(0)
    if not _hides(steps).ok:
        deeper = map(steps_at, range(1, DEEPEST + 1))
        steps = next((each for each in deeper if _hides(each).ok), steps)
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
        Finding(
            "What the loss asks of one image depends on the hidden pixels of others.",
            not _mixes_images(original, steps[0]),
            "Compare each image with itself: two tensors of the same shape.",
        ),
    ]
