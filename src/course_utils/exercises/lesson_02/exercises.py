"""The exercises of lesson 02, device agnosticism."""

import math
from collections.abc import Iterator
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from course_utils.checks.devices import EVERYWHERE, result_on, runs_on
from course_utils.checks.fake_gpus import simulated_gpus
from course_utils.checks.fake_tensors import simulated_tensors
from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import LearnerError, learners_code
from course_utils.checks.sample_data import (
    class_of,
    digits,
    in_batches,
    logits_of,
    new_instance,
)
from course_utils.checks.single_step import attach
from course_utils.checks.weight_updates import updates
from course_utils.exercises.exercise import Exercise
from course_utils.exercises.lesson_02.saving import survives_saving
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
    return classes


def _classifies(answer: Any) -> Finding:
    images, _ = digits(16)
    found = _classify(answer, images)
    expected = logits_of(new_instance(answer), images).argmax(1)
    seen = "On the CPU, classify does not return the class with the largest logit."
    right = found.shape == expected.shape and torch.equal(found.cpu(), expected)
    return Finding(seen, right, "Return one class an image.")


def _stays(module: nn.Module) -> None:
    """Make it a mistake to move ``module`` or a part of it from now on."""

    def refuse(*_: Any, **__: Any) -> None:
        raise LearnerError("classify moves the module. Move the images instead.")

    for part in module.modules():
        part._apply = refuse


def _classifies_on(answer: Any, device: str) -> Finding:
    """Classify with a module on ``device`` of images on the CPU."""
    module, images = new_instance(answer), digits(16)[0]

    def run() -> torch.device:
        _stays(module.to(device))
        return module.classify(images).device

    finding, place = result_on(device, run, "classify")
    if finding is not None:
        return finding
    seen = f"With the module on {device}, the classes come back on {place}."
    return Finding(seen, place.type == "cpu", "Move the result to the CPU.")


def classifies_anywhere(answer: Any) -> Iterator[Finding]:
    """Examine exercise 2.1: images on the CPU, the module anywhere."""
    yield _classifies(answer)
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
        "logits = self(images.to(self.device)), and in the end logits.argmax(1).cpu().",
    ),
    reason="Outside a Trainer you move the images, to wherever the module is.",
)

# 2.2 ----------------------------------------------------------------------------


def _layer(answer: Any, amount: float) -> nn.Module:
    layer_class = class_of(answer, nn.Module)
    with learners_code("__init__"):
        return layer_class(amount)


def _noise(answer: Any, amount: float = 0.5) -> tuple[Tensor, Tensor]:
    """Return what two calls of a layer add to the same images, and check its form."""
    images = digits(64)[0]
    layer, given = _layer(answer, amount), images.clone()
    with learners_code("forward"):
        outputs = [layer(images), layer(images)]
    for output in outputs:
        if not isinstance(output, Tensor) or output.shape != images.shape:
            got = tuple(getattr(output, "shape", ())) or type(output).__name__
            expected = tuple(images.shape)
            raise LearnerError(f"forward returned {got}, expected images {expected}.")
    if not torch.equal(images, given):
        raise LearnerError("forward changed the images it was given; add, not add_.")
    return outputs[0] - images, outputs[1] - images


def _adds_noise(answer: Any) -> Iterator[Finding]:
    first, second = _noise(answer)
    spread, mean = first.std().item(), first.mean().item()
    seen = f"With amount 0.5, the noise has mean {mean:.2f} and deviation {spread:.2f}."
    right = abs(spread - 0.5) < 0.05 and abs(mean) < 0.05
    remedy = "Add amount times standard normal noise."
    yield Finding(seen, right, remedy)
    differs = not torch.equal(first, second)
    seen = "Two calls add the same noise."
    yield Finding(seen, differs, "Draw the noise in forward.")
    alike = torch.allclose(first[0], first[1], atol=1e-5)
    seen = "All images of a batch get the same noise."
    yield Finding(seen, not alike, "Draw noise of the images' shape.")


def _on_gpu(answer: Any, device: str) -> Finding:
    layer, images = _layer(answer, 0.5), digits(64)[0]

    def run() -> Tensor:
        return layer.to(device)(images.to(device))

    finding, output = result_on(device, run, "forward")
    if finding is not None:
        return finding
    seen = f"With images on {device}, the result is on {output.device}."
    ok = output.device == torch.device(device)
    return Finding(seen, ok, "Leave the images where they are.")


def _keeps(answer: Any, dtype: torch.dtype) -> Finding:
    with learners_code("forward"):
        output = _layer(answer, 0.5)(digits(8)[0].to(dtype))
    seen = f"Images of {dtype} come out as {output.dtype}."
    remedy = "Draw the noise in the dtype of the images."
    return Finding(seen, output.dtype == dtype, remedy)


def _copies(answer: Any) -> Finding:
    layer, images = _layer(answer, 0.5), digits(64)[0]
    with learners_code("forward"), simulated_tensors("cuda:0"):
        layer, there = layer.to("cuda:0"), images.to("cuda:0")
        with Operations() as operations:
            layer(there)
    copied = operations.copied_bytes
    seen = f"For a batch of {len(images)} images, {copied} bytes travel to the GPU."
    remedy = "Create the noise where the images are, do not move it there."
    return Finding(seen, copied == 0, remedy)


def adds_noise_anywhere(answer: Any) -> Iterator[Finding]:
    """Examine exercise 2.2: what is added, on which device, in which dtype, copied."""
    torch.manual_seed(0)
    yield from _adds_noise(answer)
    findings = [_on_gpu(answer, device) for device in GPUS]
    yield from _decided_first(findings)
    yield _keeps(answer, torch.bfloat16)
    yield _keeps(answer, torch.float64)
    yield _copies(answer)


_2_2 = Exercise(
    practice="2.2",
    examine=adds_noise_anywhere,
    hints=(
        "A plain nn.Module has no self.device. Which tensor in forward has one?",
        "torch.randn takes device= and dtype=; the images have both. Or look for a "
        "function whose name ends in _like.",
        "return images + self.amount * torch.randn_like(images)",
    ),
    reason="The noise takes shape, dtype and device from the images it is made for.",
)

# 2.3 ----------------------------------------------------------------------------

WINDOW = 28 * 28


def _counts_shift_the_logits(answer: Any) -> Finding:
    """Show 32 images labelled 3: the logit of 3 gains the log of its share."""
    module, images = new_instance(answer), digits(32)[0]
    labels = torch.full((32,), 3)
    before = logits_of(module, images)
    with learners_code("training_step"):
        attach(module).training_step((images, labels), 0)
    shift = logits_of(module, images) - before
    gap = shift[:, 3] - shift[:, 4]
    right = torch.allclose(gap, torch.full_like(gap, math.log(33)), atol=1e-3)
    seen = "After 32 labels of one class, its logit is not raised by log(33)."
    remedy = "Keep counting the labels, and adding the log of the shares."
    return Finding(seen, right, remedy)


def _window_hides_the_border(answer: Any) -> Finding:
    module, images = new_instance(answer), digits(8)[0]
    framed = images.clone()
    framed[:, :, 0] = 1
    blind = torch.equal(logits_of(module, images), logits_of(module, framed))
    framed = images.clone()
    framed[:, :, 14] = 1
    sees = not torch.equal(logits_of(module, images), logits_of(module, framed))
    seen = "The window does not do its work: border hidden, middle seen."
    return Finding(seen, blind and sees, "Keep multiplying the images by the window.")


def _trained(answer: Any) -> L.LightningModule:
    module, (images, labels) = new_instance(answer), digits(64)
    labels = torch.where(labels > 4, 3, labels)  # one class is far more common
    updates(module, in_batches((images, labels), 16))
    return module


def _stores_no_window(module: L.LightningModule) -> Finding:
    learned = sum(p.numel() for p in module.parameters() if p.requires_grad)
    tensors = [t for t in module.state_dict().values() if isinstance(t, Tensor)]
    stored = sum(tensor.numel() for tensor in tensors)
    seen = f"The checkpoint holds {stored - learned} numbers besides the weights."
    remedy = "The window is a constant: let it move, but do not save it."
    return Finding(seen, stored - learned < WINDOW, remedy)


def counts_survive(answer: Any) -> Iterator[Finding]:
    """Examine exercise 2.3: at work, after a reload, on GPUs, in the checkpoint."""
    yield _counts_shift_the_logits(answer)
    yield _window_hides_the_border(answer)
    module, images = _trained(answer), digits(64, start=64)[0]
    survived, _ = survives_saving(module, lambda each: each(images))
    yield survived
    steps = [runs_on(new_instance(answer), digits(16), device) for device in EVERYWHERE]
    yield from _decided_first([*steps, _stores_no_window(module)])


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
