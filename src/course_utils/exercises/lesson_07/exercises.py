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

from course_utils.checks.applied_gradients import FixedWeights
from course_utils.checks.finding import Finding
from course_utils.checks.fit import fit
from course_utils.checks.learner_code import LearnerError, learners_code
from course_utils.checks.sample_data import (
    in_batches,
    lesson_images,
    new_instance,
    output_of,
    quiet_function,
)
from course_utils.exercises.exercise import Exercise
from course_utils.exercises.lesson_07.accumulation import uses_mean_gradients
from course_utils.exercises.lesson_07.memory_growth import growth_per_step
from course_utils.exercises.lesson_07.saved_for_backward import (
    adds_few_operations,
    cost_of_step,
    lowers_the_peak,
    same_gradients,
    saved_for_backward,
)
from course_utils.measure import OptimizerRecorder, flat_weights

# 7.1 ----------------------------------------------------------------------------


def _conv_net() -> list[nn.Module]:
    layers = nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Dropout()
    return [*layers, nn.Flatten()]


def _wide_net() -> list[nn.Module]:
    layers = nn.Flatten(), nn.Linear(144, 96), nn.ReLU(), nn.Linear(96, 96), nn.Tanh()
    return [*layers, nn.Linear(96, 10)]


def _deep_conv_net() -> list[nn.Module]:
    layers = nn.Conv2d(1, 64, 3), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.ReLU()
    return [*layers, nn.Flatten(), nn.Linear(64 * 64, 10)]


def _wider_net() -> list[nn.Module]:
    layers = nn.Flatten(), nn.Linear(144, 512), nn.ReLU(), nn.Linear(512, 512)
    return [*layers, nn.ReLU(), nn.Linear(512, 10)]


def _large_first_layer() -> list[nn.Module]:
    # Autograd saves no copy of these weights: the images need no gradient.
    return [nn.Flatten(), nn.Linear(144, 256), nn.Tanh(), nn.Linear(256, 10)]


def _normalized_conv_net() -> list[nn.Module]:
    # Autograd saves the weights of the normalization themselves, in both precisions.
    layers = nn.Conv2d(1, 4, 3), nn.LayerNorm((4, 10, 10)), nn.Conv2d(4, 4, 3)
    return [*layers, nn.Flatten()]


_NETS = {  # none is near its break-even
    "a wide MLP and 4 images": (_wide_net, 4),
    "a conv net and 4 images": (_conv_net, 4),
    "a wide MLP and 512 images": (_wide_net, 512),
    "an MLP with a large first layer and 64 images": (_large_first_layer, 64),
    "a conv net of many channels and 1 image": (_deep_conv_net, 1),
    "a wider MLP and 80 images": (_wider_net, 80),
    "a conv net with layer normalization and 1 image": (_normalized_conv_net, 1),
}
_PRECISIONS = ("32-true", "bf16-mixed")


def _changes(net: nn.Module, before: nn.Module) -> list[str]:
    """Return in words what is different in ``net``."""

    def read(network: nn.Module) -> dict[str, Any]:
        parts, params = list(network.modules()), list(network.parameters())
        return {
            "its layers": [str(part) for part in parts],
            "the type of its weights": [p.dtype for p in params],
            "its gradients": [p.grad is None for p in params],
            "what it trains": [p.requires_grad for p in params],
            "its training mode": [part.training for part in parts],
            "its hooks": [
                len(hooks)
                for part in parts
                for hooks in (part._forward_hooks, part._forward_pre_hooks)
            ],
        }

    now, then = read(net), read(before)
    found = [name for name in now if now[name] != then[name]]
    if not found and not all(map(torch.equal, net.parameters(), before.parameters())):
        found.append("its weights")
    return found


def chooses_the_precision(answer: Any) -> Iterator[Finding]:
    """Examine exercise 7.1: several kinds of networks, small batches and large."""
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
        remedy = "Count both, in a forward pass whose result still exists; leave the "
        remedy += "weights out, they exist anyway."
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
    """Examine exercise 7.2: epochs of 6, 8, 9 and 3 batches in groups of four."""
    for count in (6, 8, 9, 3):
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


_BASE, _PARTS = "TwoStages", ("stem", "large", "shrink", "small", "head")


class _Plain(L.LightningModule):
    """The two stages of a module one after the other, nothing recomputed."""

    def __init__(self, module: Any) -> None:
        super().__init__()
        stages = [module.stem, *module.large, module.shrink, *module.small]
        self.layers = nn.Sequential(*stages, module.head)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return F.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.0)


def _plain_network(answer: Any, module: L.LightningModule) -> _Plain:
    """Return the network that the lesson gave, with the weights of ``module``.

    A learner may group the layers in another way, so it is built from the base class.
    """
    base = next((each for each in answer.__mro__ if each.__name__ == _BASE), None)
    given = new_instance(base) if base else module
    if missing := [name for name in _PARTS if not hasattr(given, name)]:
        raise LearnerError(f"There is no self.{missing[0]}; extend {_BASE}.")
    return _Plain(given)


def _same_values(module: nn.Module, plain: nn.Module) -> list[Tensor]:
    """Return the weights of ``module`` in the order of those of ``plain``."""
    mine, given = list(module.parameters()), list(plain.parameters())
    found = [[p for p in mine if torch.equal(p, each)] for each in given]
    if lost := found.count([]):
        raise LearnerError(
            f"{lost} of {len(given)} weight tensors of {_BASE} are gone or have other "
            "values. Keep all its layers as they are."
        )
    return [same[0] for same in found]


def checkpoints_the_cheap_stage(answer: Any) -> Iterator[Finding]:
    """Examine exercise 7.3: gradients, peak and operations of one step."""
    module, batch = new_instance(answer), lesson_images(8)
    network = _plain_network(answer, module)
    weights = _same_values(module, network)
    plain = cost_of_step(network, batch, list(network.parameters()))
    cost = cost_of_step(module, batch, weights)
    yield same_gradients(cost, plain)
    yield lowers_the_peak(cost, plain, 0.6)
    yield adds_few_operations(cost, plain, 0.1)
    pair = output_of(module, batch[0]), output_of(network, batch[0])
    seen = "In evaluation mode, the network returns different logits than before."
    yield Finding(seen, torch.allclose(*pair, atol=1e-5), "Compute the same layers.")


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


def _memory_of(entries: list[Any]) -> int:
    """Return the bytes of all memory that the entries are in, wholly or in part."""
    sizes = {}
    for each in entries:
        while isinstance(each, np.ndarray) and each.base is not None:
            each = each.base  # of an array that is a view, also of a tensor
        if isinstance(each, Tensor):
            sizes[each.untyped_storage().data_ptr()] = each.untyped_storage().nbytes()
        else:
            sizes[id(each)] = getattr(each, "nbytes", 0)
    return sum(sizes.values())


def _keeps_few_bytes(
    module: Any, grows: float, count: int, image: Tensor
) -> Iterator[Finding]:
    """Check what the images kept weigh, and then what each step leaves.

    Args:
        module: Has kept one image of each batch.
        grows: Bytes that each step leaves.
        count: Batches.
        image: One image; three times its bytes are allowed.
    """
    held, own = _memory_of(list(module.worst)), count * image.nbytes
    seen = f"The {count} images in worst keep {held / 1024:.1f} KB of memory; they are "
    seen += f"{own / 1024:.1f} KB."
    view = "A part of a batch is a view, and keeps the whole batch: clone it."
    yield Finding(seen, held <= 3 * own, view)
    seen = f"Each step leaves {grows / 1024:.1f} KB; {3 * image.nbytes / 1024:.1f} KB "
    kept = [*module.worst, *module.scores]
    remedy = "Keep nothing else of a batch: a graph or a view is larger than it looks."
    if any(isinstance(each, Tensor) and each.grad_fn is not None for each in kept):
        remedy = "An entry has a grad_fn: something still holds a graph, detach it."
    yield Finding(f"{seen}would do.", grows <= 3 * image.nbytes, remedy)


def keeps_the_worst(answer: Any) -> Iterator[Finding]:
    """Examine exercise 7.4: what is kept of 10 and 13 batches, and its memory."""
    for count, size in ((10, 16), (13, 12)):
        module, data = new_instance(answer), lesson_images(count * size)
        loader = DataLoader(TensorDataset(*data), batch_size=size)
        truth = _worst_of(module, loader)
        if count == 10:
            grows = growth_per_step(module, loader)
        else:  # once is enough to see what a step leaves
            fit(module, loader, callbacks=[FixedWeights()])
        for name in ("worst", "scores"):
            if not hasattr(module, name):
                raise LearnerError(f"There is no self.{name}; keep both lists.")
        with learners_code("Reading worst and scores"):
            right = _same_images(module.worst, truth)
            scores = [torch.as_tensor(each).detach().item() for each in module.scores]
            kept = len(module.worst)
        close = len(scores) == count and all(
            abs(score - best) < 1e-4
            for score, (_, best) in zip(scores, truth, strict=True)
        )
        shapes = {tuple(getattr(each, "shape", ())) for each in module.worst}
        own = tuple(data[0][0].shape)
        others = ", not the images with the highest loss" if kept == count else ""
        if kept == count and (other := sorted(shapes - {own})):
            others = f", one of shape {other[0]}; an image's is {own}"
        entries = f"{kept} {'entry' if kept == 1 else 'entries'}"
        seen = f"After {count} batches, worst has {entries}{others}."
        yield Finding(seen, right, "Keep one image of each batch, in its own shape.")
        seen = "scores are not the highest loss of each batch."
        yield Finding(seen, close, "Keep one loss of each batch.")
        yield from _keeps_few_bytes(module, grows, count, data[0][0])
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
        "self.worst.append(images[losses.argmax()].clone()), and "
        "losses.max().detach().",
    ),
    reason="A clone has a memory of its own, so the rest of the batch can go.",
)

# 7.5 ----------------------------------------------------------------------------


_DIGITS = 5e-4  # three decimal places


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


def _trains_in_two_bytes(updates: list[tuple[set[torch.dtype], bool]]) -> list[Finding]:
    """Check each update: the types of the weights, and whether it has a gradient."""
    kinds = {str(kind) for kinds, _ in updates for kind in kinds}
    types = sorted(kinds - {"torch.bfloat16"})
    seen = f"The network's weights are {', '.join(types)}, not all bfloat16 any more."
    remedy = "Only the two statistics need more; leave the network in two bytes."
    learns = any(has_gradient for _, has_gradient in updates)
    return [
        Finding("No update uses a gradient.", learns, "Return the loss."),
        Finding(seen, not types, remedy),
    ]


def keeps_exact_statistics(answer: Any) -> Iterator[Finding]:
    """Examine exercise 7.5: 24 batches of two sizes, with ``bf16-true``."""
    module, batches = new_instance(answer), _uneven_batches()

    def read(*_: torch.optim.Optimizer) -> tuple[set[torch.dtype], bool]:
        params = list(module.parameters())
        has_gradient = any(p.grad is not None and bool(p.grad.any()) for p in params)
        return {p.dtype for p in params}, has_gradient

    with OptimizerRecorder(read) as recorder:
        fit(module, batches, precision="bf16-true")
    yield from _trains_in_two_bytes([*recorder.values, (read()[0], False)])
    with learners_code("Reading seen and brightness"):
        count, mean = float(module.seen), float(module.brightness)
        kind = getattr(module.seen, "dtype", type(module.seen).__name__)
    total = sum(len(images) for images, _ in batches)
    seen = f"After {total} images, seen is {count:.0f} ({kind})."
    remedy = "Count every image, in a type that counts exactly: not one of floats, "
    remedy += "which become bfloat16, too."
    yield Finding(seen, count == total, remedy)
    truth = torch.cat([images for images, _ in batches]).double().mean().item()
    seen = f"brightness is {mean:.4f}, the exact value is {truth:.4f}."
    by_batch = sum(images.double().mean().item() for images, _ in batches)
    remedy = "Compute and keep it in a type with more digits, as a Python number."
    if abs(mean - by_batch / len(batches)) < _DIGITS:
        remedy = "It is the mean of the batches' means: let each image count the same."
    yield Finding(seen, abs(mean - truth) < _DIGITS, remedy)


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
