"""The exercises of lesson 11, code quality."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from course_utils.checks.finding import Finding
from course_utils.checks.sample_data import (
    lesson_images,
    new_instance,
    quiet_function,
)
from course_utils.exercises.exercise import Exercise
from course_utils.exercises.lesson_11.docstring_examples import (
    examples_allow,
    examples_notice,
    examples_pass,
)
from course_utils.exercises.lesson_11.live_properties import (
    is_none_without_training,
    lets_lr_find_assign,
    reads_cheaply,
    stays_true,
    tells_the_rate,
)
from course_utils.exercises.lesson_11.shape_refusals import learns_from, refuses

# 11.1 ---------------------------------------------------------------------------


def _weighted(count: int, *shape: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return images, labels, and weights from 0.1 to 1 of the given shape."""
    total = torch.Size(shape).numel()
    return *lesson_images(count), torch.linspace(0.1, 1.0, total).view(shape)


def _weighted_loss(module: L.LightningModule, batch: tuple[Tensor, ...]) -> Tensor:
    images, labels, weights = batch
    losses = F.cross_entropy(module(images), labels, reduction="none")
    return (losses * weights).mean()


def refuses_other_weights(answer: Any) -> Iterator[Finding]:
    """Examine exercise 11.1: weights that fit, then weights that only broadcast."""
    build = partial(new_instance, answer)
    right = {f"{n} image{'s' * (n > 1)}": _weighted(n, n) for n in (16, 7, 1)}
    yield from learns_from(build, right, _weighted_loss)
    shapes = {
        16: [(16, 1), (1, 16), (1,), (), (16, 16)],
        1: [(1, 1), ()],
        7: [(7, 1), (1, 1, 7)],
    }
    for count, each in shapes.items():
        wrong = {
            f"weights of shape {shape} for {count} image{'s' * (count > 1)}": _weighted(
                count, *shape
            )
            for shape in each
        }
        yield from refuses(build, wrong, _weighted(count, count))


_11_1 = Exercise(
    practice="11.1",
    examine=refuses_other_weights,
    hints=(
        "What shape has `losses * weights` if weights has the shape (16, 1)?",
        "The hints of `loss` can say which shapes belong together, if `checked` reads "
        "them. A plain `if` with an error does it as well.",
        "Put @checked above `loss`, and write labels and weights as PerImage; the "
        'result is Annotated[Tensor, ""].',
    ),
    reason="One weight per image, or an error before anything is learned.",
)

# 11.2 ---------------------------------------------------------------------------


def _top(logits: Tensor, k: int) -> Tensor:
    return logits.topk(k, dim=1).indices


_MUTANTS = {
    "returns the labels of the smallest logits": lambda logits, k: _top(-logits, k),
    "returns the right labels, the smallest first": lambda logits, k: _top(
        logits, k
    ).flip(1),
    "returns the logits, not the labels": lambda logits, k: logits.topk(k, 1).values,
    "counts labels from 1": lambda logits, k: _top(logits, k) + 1,
    "returns one label, whatever k is": lambda logits, k: _top(logits, 1),
    "looks at the size of logits and not at their sign": lambda logits, k: _top(
        logits.abs(), k
    ),
    "gives every image the labels of the first": lambda logits, k: _top(
        logits[:1], k
    ).expand(len(logits), k),
}
_VARIANTS = {
    "sorts": lambda logits, k: logits.argsort(1, descending=True)[:, :k],
}


def _still_right(function: Callable[..., Any]) -> Finding:
    """Check that the learner left the code of the function as it was."""
    logits = torch.randn(5, 10, generator=torch.Generator().manual_seed(0))
    pairs = [(function(logits, k), _top(logits, k)) for k in (1, 3, 10)]
    ok = all(isinstance(a, Tensor) and torch.equal(a, b) for a, b in pairs)
    seen = "The function no longer returns top labels."
    return Finding(seen, ok, "Put its code back; only the docstring should change.")


def shows_what_it_does(answer: Any) -> Iterator[Finding]:
    """Examine exercise 11.2: run the learner's examples with versions of the function.

    Raises:
        LearnerError: If ``answer`` is no function.
    """
    yield _still_right(quiet_function(answer))
    yield examples_pass(answer)
    yield from examples_notice(answer, _MUTANTS)
    yield from examples_allow(answer, _VARIANTS)


_11_2 = Exercise(
    practice="11.2",
    examine=shows_what_it_does,
    hints=(
        "Which input would you type in to convince a colleague? You know its answer.",
        "Take two images with different answers, and a negative logit that is large "
        "without its sign.",
        "Try torch.tensor([[0.0, 3.0, 1.0], [2.0, 1.0, -5.0]]) with k=2, and write "
        "below it what Python prints.",
    ),
    reason="Every way to be wrong changes what the example prints.",
)

# 11.3 ---------------------------------------------------------------------------


def _bytes(module: nn.Module) -> int:
    tensors = [*module.parameters(), *module.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _new_head(module: L.LightningModule) -> None:
    module.head = nn.Linear(64, 3)


def _add_buffer(module: L.LightningModule) -> None:
    module.register_buffer("mean_image", torch.zeros(784), persistent=False)


def _add_parameter(module: L.LightningModule) -> None:
    module.scale = nn.Parameter(torch.ones(10))


def _nest(module: L.LightningModule) -> None:
    # Batch norm counts batches in an integer of 8 bytes, whatever half() does.
    module.deep = nn.ModuleDict({"part": nn.Sequential(nn.BatchNorm1d(64))})


def _tie(module: L.LightningModule) -> None:
    module.again = module.head


def _freeze(module: L.LightningModule) -> None:
    module.encoder.requires_grad_(False)


_CHANGES = {
    "with another head": _new_head,
    "with a buffer that is not saved": _add_buffer,
    "after half()": lambda module: module.half(),
    "with a part used twice": _tie,
    "with a frozen encoder": _freeze,
    "after float()": lambda module: module.float(),
    "with a parameter outside its parts": _add_parameter,
    "with a part inside a part": _nest,
}


def knows_itself(answer: Any) -> Iterator[Finding]:
    """Examine exercise 11.3: change the module, train it, and read both each time."""
    yield from stays_true(
        new_instance(answer),
        "size_in_bytes",
        _bytes,
        _CHANGES,
        rule="It should be the memory of all parameters and buffers, at any time.",
    )
    yield reads_cheaply(new_instance(answer), "size_in_bytes")
    loader = DataLoader(TensorDataset(*lesson_images(128)), batch_size=16)
    yield tells_the_rate(new_instance(answer), loader, "current_lr")
    yield from is_none_without_training(new_instance(answer), loader, "current_lr")
    yield lets_lr_find_assign(new_instance(answer), loader)


_11_3 = Exercise(
    practice="11.3",
    examine=knows_itself,
    hints=(
        "Which two lines of `__init__` store what is true at one moment only?",
        "A tensor has element_size(): 4 bytes for float32, 2 for half. Without a "
        "Trainer, self.trainer raises a RuntimeError; one that only predicts has an "
        "empty list of optimizers.",
        "Write two properties. The size sums numel() * element_size() over parameters "
        "and buffers. The rate is self.trainer.optimizers[0].param_groups[0]['lr'], "
        "or None if there is a RuntimeError or no optimizer.",
    ),
    reason="Both come from the tensors and the optimizer whenever they are read.",
)

EXERCISES = (_11_1, _11_2, _11_3)
