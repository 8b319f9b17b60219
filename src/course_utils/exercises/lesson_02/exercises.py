"""The exercises of lesson 02, device agnosticism."""

from collections.abc import Iterator
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn

from course_utils.checks.devices import (
    EVERYWHERE,
    result_on,
    runs_on,
    values_of_step,
    values_read,
)
from course_utils.checks.fake_gpus import simulated_gpus
from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import LearnerError, learners_code
from course_utils.checks.sample_data import (
    class_of,
    digits,
    in_batches,
    lesson_images,
    logits_of,
    new_instance,
)
from course_utils.checks.training_step import inputs_seen
from course_utils.checks.weight_updates import updates
from course_utils.exercises.exercise import Exercise
from course_utils.exercises.lesson_02.saving import stored, survives_saving
from course_utils.measure import Operations

GPUS = EVERYWHERE[1:]


def _decided_first(findings: list[Finding]) -> list[Finding]:
    """Put what could not be decided last, so that a known fault comes first."""
    return sorted(findings, key=lambda finding: finding.ok is None)


# 2.1 ----------------------------------------------------------------------------


def _classify(answer: Any, images: Tensor) -> Tensor:
    with learners_code("classify"):
        classes = new_instance(answer).classify(images)
    if not isinstance(classes, Tensor):
        kind = type(classes).__name__
        raise LearnerError(f"classify returned {kind}; return a tensor of classes.")
    return classes.cpu()


def _classifies(answer: Any, count: int) -> Iterator[Finding]:
    images, _ = lesson_images(count)
    found = _classify(answer, images)
    expected = logits_of(new_instance(answer), images).argmax(1)
    seen = f"For {count} images classify returns the shape {tuple(found.shape)}."
    yield Finding(seen, found.shape == expected.shape, "Return one class per image.")
    seen = "On the CPU, classify does not return the class with the largest logit."
    right = bool((found == expected).all())
    yield Finding(seen, right, "Return the number of that class.")


def _homes(module: nn.Module) -> list[torch.device]:
    return [tensor.device for tensor in (*module.parameters(), *module.buffers())]


def _classifies_on(answer: Any, device: str) -> Finding:
    """Classify with a module on ``device`` of images on the CPU."""
    module, images = new_instance(answer), lesson_images(16)[0]

    def run() -> tuple[torch.device, list[torch.device], list[torch.device]]:
        homes = _homes(module.to(device))
        place = module.classify(images).device
        return place, homes, _homes(module)

    values = values_read(lambda: _classify(answer, images))
    finding, result = result_on(device, run, "classify", values, current=0)
    if finding is not None:
        return finding
    place, before, after = result
    if before != after:
        moved = next(now for was, now in zip(before, after, strict=True) if was != now)
        seen = f"classify leaves the module on {moved}; it had been on {device}."
        return Finding(seen, False, "Move the images, not the module.")
    seen = f"With the module on {device}, the classes come back on {place}."
    return Finding(seen, place.type == "cpu", "Move the result to the CPU.")


def classifies_anywhere(answer: Any) -> Iterator[Finding]:
    """Examine exercise 2.1: images on the CPU, the module anywhere, no Trainer."""
    for count in (16, 1):
        yield from _classifies(answer, count)
    findings = [_classifies_on(answer, device) for device in EVERYWHERE]
    with simulated_gpus(2):
        findings.append(_classifies_on(answer, "cpu"))
    yield from _decided_first(findings)


_2_1 = Exercise(
    practice="2.1",
    examine=classifies_anywhere,
    hints=(
        "No Trainer calls it, so nothing moves the images. Where must they be?",
        "The module knows where it is: self.device. The caller expects classes on the "
        "CPU.",
        "logits = self(images.to(self.device)), and finally logits.argmax(1).cpu().",
    ),
    reason="Outside a Trainer you move the images, to wherever the module is.",
)

# 2.2 ----------------------------------------------------------------------------

# The share of normal noise that is farther than two deviations from its mean.
_FAR = 0.0455
_ALIKE = {
    "All images of a batch": (0,),
    "All pixels of an image": (2, 3),
    "All rows of an image": (2,),
    "All columns of an image": (3,),
}


def _layer(answer: Any, amount: float) -> nn.Module:
    layer_class = class_of(answer, nn.Module)
    with learners_code("__init__"):
        return layer_class(amount)


def _noise(layer: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return what two calls of a layer add to the same images, and check its form."""
    given = images.clone()
    with learners_code("forward"):
        outputs = [layer(images), layer(images)]
    for output in outputs:
        if not isinstance(output, Tensor) or output.shape != images.shape:
            got = tuple(getattr(output, "shape", ())) or type(output).__name__
            expected = tuple(images.shape)
            raise LearnerError(f"forward returned {got}, expected images {expected}.")
        if output.dtype != images.dtype:
            raise LearnerError(
                f"Images of {images.dtype} come out as {output.dtype}; keep the dtype."
            )
    if not torch.equal(images, given):
        raise LearnerError("forward changed the images it was given; add, not add_.")
    return outputs[0].detach() - images, outputs[1].detach() - images


def _adds_noise(
    answer: Any, amount: float, images: Tensor, training: bool
) -> Iterator[Finding]:
    layer = _layer(answer, amount).train(training)
    first, second = _noise(layer, images)
    mode = "training" if training else "evaluation"
    seen = f"In {mode} mode forward returns the images without noise."
    yield Finding(seen, bool(first.any()), "Every call adds noise, in either mode.")
    differs = not torch.equal(first, second)
    yield Finding("Two calls add the same noise.", differs, "Draw it in every call.")
    remedy = "Draw a number of its own for each pixel of each image."
    for what, axes in _ALIKE.items():
        gap = (first - first.mean(axes, keepdim=True)).abs().max()
        yield Finding(f"{what} get the same noise.", bool(gap > 1e-3 * amount), remedy)
    black = first[images == 0]  # where no rounding of a sum hides equal numbers
    own = len(black.abs().unique())
    seen = f"The noise of {len(black)} black pixels has only {own} different values."
    yield Finding(seen, own > 0.9 * len(black), remedy)
    mean, spread = first.mean().item(), first.std().item()
    seen = (
        f"With amount {amount:g}, the noise has mean {mean:.2f} and deviation "
        f"{spread:.2f}."
    )
    right = max(abs(mean), abs(spread - amount)) < 0.04 * amount
    yield Finding(seen, right, "Add amount times standard normal noise.")
    far = (first.abs() > 2 * amount).float().mean().item()
    seen = (
        f"{far:.1%} of the noise is farther than two deviations from 0; of normal "
        f"noise it is {_FAR:.1%}."
    )
    yield Finding(seen, abs(far - _FAR) < 0.006, "Draw it from a normal distribution.")


def _bytes(count: int) -> Tensor:
    return (255 * digits(count)[0]).round().to(torch.uint8)


def _on_gpu(answer: Any, device: str, images: Tensor) -> Finding:
    """Check where a result is and what was copied for it; no Trainer runs."""
    layer = _layer(answer, 0.5)

    def run() -> tuple[torch.device, int]:
        there, given = layer.to(device), images.to(device)
        with Operations() as operations:
            output = there(given)
        return output.device, operations.copied_bytes

    values = values_read(lambda: _layer(answer, 0.5)(images))
    finding, result = result_on(device, run, "forward", values, current=0)
    if finding is not None:
        return finding
    place, copied = result
    if place != torch.device(device):
        seen = f"With images on {device}, the result is on {place}."
        return Finding(seen, False, "Leave the images where they are.")
    seen = f"For a batch of {len(images)} images, {copied} bytes travel to the GPU."
    remedy = "Create the noise where the images are, do not move it there."
    return Finding(seen, copied == 0, remedy)


def _keeps(answer: Any, dtype: torch.dtype) -> Finding:
    with learners_code("forward"):
        output = _layer(answer, 0.5)(digits(8)[0].to(dtype))
    seen = f"Images of {dtype} come out as {output.dtype}."
    remedy = "Draw the noise in the dtype of the images."
    return Finding(seen, output.dtype == dtype, remedy)


def _keeps_noise_of_bytes(answer: Any) -> Finding:
    images = _bytes(64)
    with learners_code("forward, given images of uint8,"):
        output = _layer(answer, 0.5)(images)
    if output.dtype != torch.float32:
        seen = f"Images of torch.uint8 come out as {output.dtype}."
        return Finding(seen, False, "Bytes cannot hold the noise: return float32.")
    spread = (output.detach() - images).std().item()
    seen = f"On images of torch.uint8, the noise has deviation {spread:.2f}, not 0.50."
    remedy = "Draw the noise in float32; in uint8 it has no fractions."
    return Finding(seen, abs(spread - 0.5) < 0.02, remedy)


def adds_noise_anywhere(answer: Any) -> Iterator[Finding]:
    """Examine exercise 2.2: what is added, on which device, in which dtype, copied."""
    torch.manual_seed(0)
    yield from _adds_noise(answer, 0.5, digits(64)[0], training=True)
    cut = digits(40, start=64)[0][..., 2:26, :].contiguous()
    yield from _adds_noise(answer, 0.2, cut, training=False)
    findings = [_on_gpu(answer, device, digits(64)[0]) for device in GPUS]
    findings += [_keeps(answer, each) for each in (torch.bfloat16, torch.float64)]
    yield from _decided_first(findings)
    yield _keeps_noise_of_bytes(answer)
    yield _on_gpu(answer, GPUS[0], _bytes(64))


_2_2 = Exercise(
    practice="2.2",
    examine=adds_noise_anywhere,
    hints=(
        "A plain nn.Module has no self.device. Which tensor in forward has one?",
        "torch.randn takes device= and dtype=; the images have both. Which dtype suits "
        "noise if the images are bytes? images.is_floating_point() tells them apart.",
        "dtype = images.dtype if images.is_floating_point() else torch.float32, then "
        "torch.randn(images.shape, device=images.device, dtype=dtype).",
    ),
    reason="Shape and device come from the images; the dtype must hold the noise.",
)

# 2.3 ----------------------------------------------------------------------------


def _labels() -> Tensor:
    """Return 64 labels, each class another number of times."""
    counts = torch.tensor([1, 2, 3, 4, 5, 6, 7, 8, 9, 19])
    return torch.arange(10).repeat_interleave(counts)


def _counts_shift_the_logits(answer: Any) -> Finding:
    """Train at a learning rate of 0: what changes the logits then are the counts."""
    module, (images, _), labels = new_instance(answer), lesson_images(64), _labels()
    with learners_code("configure_optimizers"):
        weights = [each for each in module.parameters() if each.requires_grad]
        module.configure_optimizers = lambda: torch.optim.SGD(weights, lr=0.0)
    before = logits_of(module, images)
    updates(module, in_batches((images, labels), 16))
    after = logits_of(module, images)
    shift, counts = after - before, (labels.bincount() + 1).float()
    expected = (counts / counts.sum() * 10).log().expand(64, -1)
    if torch.allclose(after.exp().sum(1), torch.ones(64)):  # log-probabilities
        shift, expected = shift - shift[:, :1], expected - expected[:, :1]
    right = torch.allclose(shift, expected, atol=1e-3)
    seen = (
        "After training on 64 labels the logits are not raised by the log of each "
        "class's share."
    )
    return Finding(seen, right, "Count every label once, and add the log of the share.")


def _starts_unlearned(answer: Any) -> Finding:
    """Check that what one instance has learned is not in another one from the start."""
    images = lesson_images(16)[0]
    before = logits_of(new_instance(answer), images)
    _trained(answer)
    same = torch.equal(logits_of(new_instance(answer), images), before)
    seen = "A new instance starts with what another one has counted."
    remedy = "Keep the counts in the instance: another process has only that."
    return Finding(seen, same, remedy)


def _window_hides_the_border(answer: Any) -> Iterator[Finding]:
    module, images = new_instance(answer), lesson_images(8)[0]
    height, width = images.shape[-2:]
    inside = torch.zeros(height, width)
    inside[2:-2, 2:-2] = 1
    plain = logits_of(module, images)

    def sees(pixels: Tensor) -> bool:
        painted = images.masked_fill(pixels.bool(), 0.7)
        return not torch.equal(logits_of(module, painted), plain)

    seen = "The logits change with the two outermost rows and columns of pixels."
    yield Finding(seen, not sees(1 - inside), "Keep the window: it hides them.")
    within = slice(2, -2)
    for edge in ((2, within), (-3, within), (within, 2)):
        pixels = torch.zeros(height, width)
        pixels[edge] = 1
        seen = "The logits do not change with the pixels at the edge of the window."
        remedy = "The window hides two rows and columns on each side, no more."
        yield Finding(seen, sees(pixels), remedy)
    bright = images / 2 + 0.25  # no pixel is black
    size = images.shape
    with learners_code("forward"), torch.enable_grad(), inputs_seen(size) as got:
        module(bright)
    # The module itself is given the whole images; a mask in a weight is not seen.
    behind = [each for each in got if not torch.equal(each, bright)]
    same = any(torch.allclose(each, bright * inside) for each in behind)
    seen = "Within the window the network gets values that the images do not have."
    yield Finding(seen, same or not behind, "Hide the border, and leave the rest.")


def _trained(answer: Any) -> L.LightningModule:
    module, (images, labels) = new_instance(answer), lesson_images(64)
    labels = torch.where(labels > 4, 3, labels)  # one class is far more common
    updates(module, in_batches((images, labels), 16))
    return module


def _arrays(value: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors, arrays and lists of numbers in a checkpoint, by their key."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _arrays(each, str(key))
    elif isinstance(value, Tensor | np.ndarray | bytes):
        value = np.frombuffer(value, np.uint8) if isinstance(value, bytes) else value
        yield name, torch.as_tensor(value).float()
    elif isinstance(value, list | tuple):
        try:
            yield name, torch.tensor(value, dtype=torch.float32)
        except (TypeError, ValueError):
            for each in value:
                yield from _arrays(each, name)


def _stores_no_window(answer: Any, module: L.LightningModule) -> Finding:
    """Check that nothing of the window's size is stored that is no learned value.

    That is what training does not change, or what begins with zeros and ones alone.
    """
    fresh = dict(_arrays(stored(new_instance(answer))))
    height = lesson_images(1)[0].shape[-2]
    waste = []
    for name, value in _arrays(stored(module)):
        start = fresh.get(name)
        if start is None or start.shape != value.shape or value.numel() < height:
            continue
        if torch.equal(start, value) or start.unique().tolist() == [0, 1]:
            waste.append(f"{name} with {value.numel()} numbers")
    seen = f"The checkpoint holds {', '.join(waste)}, which nothing has to learn."
    remedy = "The window is a constant: let it move, but do not save it."
    return Finding(seen, not waste, remedy)


def counts_survive(answer: Any) -> Iterator[Finding]:
    """Examine exercise 2.3: at work, after a reload, on GPUs, in the checkpoint."""
    yield _counts_shift_the_logits(answer)
    yield _starts_unlearned(answer)
    yield from _window_hides_the_border(answer)
    module, images = _trained(answer), lesson_images(64, start=64)[0]
    survived, _ = survives_saving(module, lambda each: each(images))
    yield survived
    batch = lesson_images(16)
    values = values_of_step(new_instance(answer), batch)
    steps = [
        runs_on(new_instance(answer), batch, device, values=values)
        for device in EVERYWHERE
    ]
    yield from _decided_first([*steps, _stores_no_window(answer, module)])


_2_3 = Exercise(
    practice="2.3",
    examine=counts_survive,
    hints=(
        "Which of the two tensors can a new instance not know without a checkpoint?",
        "Both must move with the module: register_buffer. One of them need not be "
        "stored: persistent=False.",
        'self.register_buffer("counts", torch.ones(10)), and for the window '
        'self.register_buffer("window", torch.zeros(28, 28), persistent=False).',
    ),
    reason="Both buffers move; only what was learned takes space in the checkpoint.",
)

EXERCISES = (_2_1, _2_2, _2_3)
