"""The exercises of lesson 07, memory."""

import copy
from collections.abc import Iterator
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from course_utils.checks.finding import Finding
from course_utils.checks.fit import fit
from course_utils.checks.learner_code import CannotCheck, LearnerError, learners_code
from course_utils.checks.sample_data import (
    in_batches,
    lesson_images,
    new_instance,
    output_of,
    quiet_function,
)
from course_utils.exercises.exercise import Exercise
from course_utils.exercises.lesson_07.accumulation import uses_mean_gradients
from course_utils.exercises.lesson_07.memory_growth import keeps_little_memory
from course_utils.exercises.lesson_07.saved_for_backward import (
    adds_few_operations,
    cost_of_step,
    lowers_the_peak,
    same_gradients,
    saved_for_backward,
)
from course_utils.measure import flat_weights

# 7.1 ----------------------------------------------------------------------------


def _conv_net() -> list[nn.Module]:
    layers = nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Dropout()
    return [*layers, nn.Flatten()]


def _wide_net() -> list[nn.Module]:
    layers = nn.Flatten(), nn.Linear(144, 96), nn.ReLU(), nn.Linear(96, 96), nn.Tanh()
    return [*layers, nn.Linear(96, 10)]


def _large_first_layer() -> list[nn.Module]:
    # Autograd saves no copy of these weights: the images need no gradient.
    return [nn.Flatten(), nn.Linear(144, 256), nn.Tanh(), nn.Linear(256, 10)]


_NETS = {  # none is near its break-even
    "a wide MLP and 4 images": (_wide_net, 4),
    "a conv net and 4 images": (_conv_net, 4),
    "a wide MLP and 512 images": (_wide_net, 512),
    "an MLP with a large first layer and 64 images": (_large_first_layer, 64),
}
_PRECISIONS = ("32-true", "bf16-mixed")


def _changes(net: nn.Module, before: nn.Module) -> list[str]:
    """Return in words what is different in ``net``."""
    properties = {
        "the type of its weights": lambda p: p.dtype,
        "its gradients": lambda p: p.grad is None,
        "what it trains": lambda p: p.requires_grad,
    }
    pairs = list(zip(net.parameters(), before.parameters(), strict=True))
    modes = zip(net.modules(), before.modules(), strict=True)
    found = [
        name
        for name, read in properties.items()
        if any(read(now) != read(then) for now, then in pairs)
    ]
    if any(now.training != then.training for now, then in modes):
        found.append("its training mode")
    if not found and not all(torch.equal(now, then) for now, then in pairs):
        found.append("its weights")
    return found


def chooses_the_precision(answer: Any) -> Iterator[Finding]:
    """Examine exercise 7.1: three kinds of networks, small batches and large."""
    choose = quiet_function(answer)
    for name, (layers, count) in _NETS.items():
        torch.manual_seed(0)
        net, images = nn.Sequential(*layers()), torch.rand(count, 1, 12, 12)
        net[1].eval()  # one part in another mode, which must survive
        before = copy.deepcopy(net)
        chosen = choose(net, images)
        changes = _changes(net, before)
        seen = f"Your function changed the network: {', '.join(changes)}."
        remedy = "Run forward passes only, and leave the network as it was."
        yield Finding(seen, not changes, remedy)
        cost = {p: saved_for_backward(net, images, p) for p in _PRECISIONS}
        told = " and ".join(f"{p} {size / 1024:.1f} KB" for p, size in cost.items())
        seen = f"For {name} it returned {chosen!r}; {told} are saved."
        ok = chosen == min(cost, key=cost.__getitem__)
        remedy = "Count both, in a forward pass whose result still exists."
        yield Finding(seen, ok, remedy)


_7_1 = Exercise(
    practice="7.1",
    examine=chooses_the_precision,
    hints=(
        "Run the network twice, once in each precision, and count both times.",
        "torch.autocast(images.device.type, dtype=torch.bfloat16) does for a block "
        "what bf16-mixed does for a step. The weights exist anyway: ignore them.",
        "with SavedTensors(ignore=net.parameters()) as mixed, torch.autocast(...): "
        "net(images). The same without autocast, then compare the peaks.",
    ),
    reason="It counts both for the network and the batch at hand.",
)

# 7.2 ----------------------------------------------------------------------------


def counts_the_leftover(answer: Any) -> Iterator[Finding]:
    """Examine exercise 7.2: epochs of 8, 6, 5 and 3 batches in groups of four."""
    for count in (6, 8, 5, 3):
        batches = in_batches(lesson_images(8 * count), 8)
        yield from uses_mean_gradients(new_instance(answer), batches, 4)


_7_2 = Exercise(
    practice="7.2",
    examine=counts_the_leftover,
    hints=(
        "By what does Lightning divide the last group, and how many batches are in it?",
        "The first batch of a group has the index batch_idx // 4 * 4. How many batches "
        "are there from it to the end of the epoch, and how many of them in its group?",
        "size = min(4, self.trainer.num_training_batches - batch_idx // 4 * 4). Then "
        "return loss * 4 / size.",
    ),
    reason="Each update uses the mean gradient of its own group, however small it is.",
)

# 7.3 ----------------------------------------------------------------------------


_BLOCKS = (9, 3)  # of the large and of the small stage


class _Plain(L.LightningModule):
    """The two stages of a module one after the other, nothing recomputed."""

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.module = module
        stages = [module.stem, *module.large, module.shrink, *module.small]
        self.layers = [*stages, module.head]

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        hidden, labels = batch
        for layer in self.layers:
            hidden = layer(hidden)
        return F.cross_entropy(hidden, labels)


def checkpoints_the_cheap_stage(answer: Any) -> Iterator[Finding]:
    """Examine exercise 7.3: gradients, peak and operations of one step."""
    module, batch = new_instance(answer), lesson_images(8)
    for name in ("stem", "large", "shrink", "small", "head"):
        if not hasattr(module, name):
            raise CannotCheck(f"The check needs self.{name}; keep the base class.")
    if (blocks := (len(module.large), len(module.small))) != _BLOCKS:
        raise LearnerError(
            f"The stages have {blocks[0]} and {blocks[1]} blocks; there were "
            f"{_BLOCKS[0]} and {_BLOCKS[1]}. Keep all layers of the base class."
        )
    module.train()
    plain = cost_of_step(_Plain(module), batch)
    cost = cost_of_step(module, batch)
    yield same_gradients(cost, plain)
    yield lowers_the_peak(cost, plain, 0.6)
    yield adds_few_operations(cost, plain, 0.1)
    output_of(module, batch[0])  # it must also predict


_7_3 = Exercise(
    practice="7.3",
    examine=checkpoints_the_cheap_stage,
    hints=(
        "Which of the two stages holds the memory, and which makes the operations?",
        "Checkpoint the first stage only. One checkpoint around all of it would bring "
        "everything back at once: how large should a group be?",
        "Three groups of three: for i in (0, 3, 6): group = "
        "nn.Sequential(*self.large[i : i + 3]); hidden = checkpoint(group, hidden, "
        "use_reentrant=False).",
    ),
    reason="Large activations are computed again, expensive operations are not.",
)

# 7.4 ----------------------------------------------------------------------------


def _worst_of(
    module: L.LightningModule, loader: DataLoader[Any]
) -> list[tuple[Tensor, float]]:
    """Return the image with the highest loss of each batch, and that loss."""
    found = []
    for images, labels in loader:
        with torch.no_grad(), learners_code("forward"):
            losses = F.cross_entropy(module(images), labels, reduction="none")
        found.append((images[losses.argmax()], losses.max().item()))
    return found


def _same_images(kept: Any, truth: list[tuple[Tensor, float]]) -> bool:
    kept = list(kept)
    return len(kept) == len(truth) and all(
        isinstance(image, Tensor | np.ndarray)
        and torch.equal(torch.as_tensor(image), right)
        for image, (right, _) in zip(kept, truth, strict=True)
    )


def keeps_the_worst(answer: Any) -> Iterator[Finding]:
    """Examine exercise 7.4: what is kept of ten batches, and the memory it takes."""
    module = new_instance(answer)
    images, labels = lesson_images(160)
    loader = DataLoader(TensorDataset(images, labels), batch_size=16)
    truth = _worst_of(module, loader)
    batch_bytes = images[:16].nbytes
    little = keeps_little_memory(module, loader, 3 * images[0].nbytes, batch_bytes)
    for name in ("worst", "scores"):
        if not hasattr(module, name):
            raise LearnerError(f"There is no self.{name}; keep both lists.")
    with learners_code("Reading worst and scores"):
        right = _same_images(module.worst, truth)
        scores = [torch.as_tensor(score).detach().item() for score in module.scores]
    close = len(scores) == len(truth) and all(
        abs(score - best) < 1e-4 for score, (_, best) in zip(scores, truth, strict=True)
    )
    count = len(module.worst)
    others = ", not the images with the highest loss" if count == len(truth) else ""
    seen = f"After {len(truth)} batches, worst has {count} entries{others}."
    yield Finding(seen, right, "Keep one image of each batch, in its own shape.")
    seen = "scores are not the highest loss of each batch."
    yield Finding(seen, close, "Keep one loss of each batch.")
    yield little
    before = flat_weights(module)
    again = new_instance(answer)  # at its own learning rate
    fit(again, loader)
    moved = not torch.equal(before, flat_weights(again))
    yield Finding("The weights stay as they are.", moved, "Return a loss.")


_7_4 = Exercise(
    practice="7.4",
    examine=keeps_the_worst,
    hints=(
        "Both lists hold tensors. For each: does it have a memory of its own?",
        "images[i] is a view: it shares the memory of the whole batch. detach makes a "
        "view, too. Which call copies?",
        "self.worst.append(images[losses.argmax()].clone()), and losses.max().item().",
    ),
    reason="A clone has a memory of its own, so the rest of the batch can go.",
)

# 7.5 ----------------------------------------------------------------------------


def _pale(count: int) -> tuple[Tensor, Tensor]:
    """Return images from 1/2 in steps of 1/256, which are exact in bfloat16.

    Their mean is not: it lies 0.4 steps above a number that bfloat16 can represent.
    """
    images, labels = lesson_images(count)
    steps = (63 * images).round().flatten()
    raised = int((0.4 - steps.mean().item()) % 1 * len(steps))
    steps[:raised] += 1
    return 1 / 2 + steps.view_as(images) / 256, labels


def _uneven_batches() -> list[tuple[Tensor, Tensor]]:
    """Return 12 batches of 33 pale images, then 12 smaller and a little brighter.

    A mean kept in bfloat16 does not follow such a small step.
    """
    (images, labels), (fewer, their_labels) = _pale(33), _pale(17)
    return [(images, labels)] * 12 + [(fewer + 1 / 64, their_labels)] * 12


def _network_still_trains(module: L.LightningModule, before: Tensor) -> list[Finding]:
    types = {p.dtype for p in module.parameters()}
    seen = "The network's weights are not all bfloat16 any more."
    remedy = "Only the two statistics need more; leave the network in two bytes."
    moved = not torch.equal(flat_weights(module), before)
    return [
        Finding(seen, types == {torch.bfloat16}, remedy),
        Finding("The weights stay as they are.", moved, "Return the loss."),
    ]


def keeps_exact_statistics(answer: Any) -> Iterator[Finding]:
    """Examine exercise 7.5: 24 batches of two sizes, with ``bf16-true``."""
    module, batches = new_instance(answer), _uneven_batches()
    module.configure_optimizers = lambda: torch.optim.SGD(module.parameters(), lr=0.1)
    before = flat_weights(module).bfloat16()
    fit(module, batches, precision="bf16-true")
    yield from _network_still_trains(module, before)
    with learners_code("Reading seen and brightness"):
        count, mean = float(module.seen), float(module.brightness)
    total = sum(len(images) for images, _ in batches)
    seen = f"After {total} images, seen is {count:.0f}."
    remedy = "A buffer of floats becomes bfloat16, too. What type counts exactly?"
    yield Finding(seen, count == total, remedy)
    truth = torch.cat([images for images, _ in batches]).double().mean().item()
    seen = f"brightness is {mean:.4f}, the exact value is {truth:.4f}."
    remedy = (
        "Compute and keep the mean in a type with more digits, as a Python number, "
        "and let each image count the same."
    )
    yield Finding(seen, abs(mean - truth) < 5e-4, remedy)


_7_5 = Exercise(
    practice="7.5",
    examine=keeps_exact_statistics,
    hints=(
        "bf16-true converts every float in the module. Are the buffers floats?",
        "Integer tensors stay as they are; Python numbers are not converted at all. "
        "The images arrive in bfloat16: take their mean in float32.",
        "self.seen = 0 and self.brightness = 0.0 in __init__; in the step, "
        "images.float().mean().item().",
    ),
    reason="Python numbers are not converted, and the mean is taken in four bytes.",
)

EXERCISES = (_7_1, _7_2, _7_3, _7_4, _7_5)
