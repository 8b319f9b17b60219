"""Does a test of memorizing tell healthy modules from broken ones?"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import LearnerError

Ask = Callable[[L.LightningModule, Any], Any]
MOST_STEPS = 200
SIZE, CLASSES = 48, 6  # of a batch, and of the labels


class Memorizes(L.LightningModule):
    """A small classifier that learns a batch by heart, and notes what it is fed.

    Attributes:
        steps: Training steps so far.
        batches: The batches seen, each as the sorted numbers of its samples.
    """

    def __init__(self) -> None:
        """Start untrained."""
        super().__init__()
        self.hidden, self.last = nn.Linear(16, 24), nn.Linear(24, CLASSES)
        self.steps, self.batches = 0, set[tuple[float, ...]]()

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits of shape ``(batch, 6)``."""
        return self.last(self.hidden(inputs).relu())

    def pair(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Return the inputs and labels to learn from."""
        return batch[0], batch[1]

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Log ``train_acc`` and return the loss.

        Raises:
            LearnerError: In the first step that is one too many.
        """
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise LearnerError(f"It trained for more than {MOST_STEPS} steps.")
        self.batches.add(tuple(sorted(batch[0][:, 0].tolist())))
        inputs, labels = self.pair(batch)
        logits = self(inputs)
        right = (logits.argmax(1) == labels).float().mean()
        self.log("train_acc", right, on_step=False, on_epoch=True)
        return F.cross_entropy(logits, labels)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.parameters(), lr=0.03)


class _Detaches(Memorizes):
    # Three features that do not learn: too few for a last layer to know a batch by.
    def forward(self, inputs: Tensor) -> Tensor:
        return self.last(self.hidden(inputs).relu().detach()[:, :3].repeat(1, 8))


class _Reorders(Memorizes):
    def pair(self, batch: Any) -> tuple[Tensor, Tensor]:
        return batch[0][torch.randperm(len(batch[0]))], batch[1]


def _loader(labels: Tensor, shuffle: bool) -> DataLoader[Any]:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(len(labels), 16, generator=generator)
    return DataLoader(TensorDataset(inputs, labels), SIZE, shuffle=shuffle)


def _labels(classes: int, ordered: bool = False) -> Tensor:
    """Return labels of twelve batches, drawn, or ordered by class."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(classes, (12 * SIZE,), generator=generator)
    return drawn.sort().values if ordered else drawn


@dataclass(frozen=True)
class _Case:
    """A module, a loader, and the answers that are wrong for it."""

    what: str
    kind: type[Memorizes]
    loader: DataLoader[Any]
    wrong: frozenset[str]
    remedy: str


def _in_part(wrong: int) -> DataLoader[Any]:
    """Return a loader of one batch that at most ``SIZE - wrong`` can be right about.

    Pairs of equal inputs have different labels.
    """
    inputs, labels = _loader(_labels(CLASSES)[:SIZE], shuffle=False).dataset.tensors
    for first in range(0, 2 * wrong, 2):
        inputs[first + 1] = inputs[first]
        labels[first + 1] = (labels[first] + 1) % CLASSES
    return DataLoader(TensorDataset(inputs, labels), SIZE)


_ONE_CLASS = "Count the classes in the very batch that you train on."
_BY_HEART = "Train on one batch until it is known; 100 steps or more are enough."
_LOOK = "Look at how much of the batch is right in the end."


def _cases() -> Iterator[_Case]:
    mixed, ordered = _labels(CLASSES), _labels(CLASSES, ordered=True)
    not_true, not_false = frozenset(["False", "raises"]), frozenset(["True", "raises"])
    for shuffle, how, kind, bug in (
        (True, "shuffled", _Detaches, "detached layer"),
        (False, "not shuffled", _Reorders, "false order"),
    ):
        loader = _loader(mixed, shuffle)
        yield _Case(f"a healthy module, {how}", Memorizes, loader, not_true, _BY_HEART)
        what = f"a module with a {bug}, {how}"
        yield _Case(what, kind, loader, not_false, _LOOK)
    for errors, bad in ((3, not_false), (2, not_true)):
        right = SIZE - errors
        what = f"a healthy module that can get {right} of a batch of {SIZE} right"
        share = f"They are {right / SIZE:.1%} of it, and 95 % is required."
        yield _Case(what, Memorizes, _in_part(errors), bad, share)
    two = _loader(_labels(2), shuffle=True)
    few = "Two classes are enough; refuse fewer."
    yield _Case("a healthy module on two classes", Memorizes, two, not_true, few)
    one = frozenset(["True", "False"])
    in_order = _loader(ordered, shuffle=False)
    for kind, name in ((Memorizes, "healthy"), (_Detaches, "broken")):
        what = f"a {name} module on a batch of one class"
        yield _Case(what, kind, in_order, one, f"Raise a ValueError. {_ONE_CLASS}")
    # Which batch is taken is open: the loader's next, or the first of the data set.
    mixed_up = _loader(ordered, shuffle=True)
    what = "a {} module, shuffled data that is ordered by class"
    true, false = frozenset(["True"]), frozenset(["False"])
    yield _Case(what.format("broken"), _Detaches, mixed_up, true, _ONE_CLASS)
    yield _Case(what.format("healthy"), Memorizes, mixed_up, false, _BY_HEART)


def _said(ask: Ask, module: Memorizes, loader: DataLoader[Any]) -> str:
    """Return ``"True"``, ``"False"``, ``"raises"`` a ValueError, or what else it was.

    Raises:
        LearnerError: If another error is raised.
    """
    try:
        answer = ask(module, loader)
    except LearnerError as error:
        if isinstance(error.__cause__, ValueError):
            return "raises"
        raise
    # A tensor or NumPy's bool says it, too.
    plain = answer.item() if hasattr(answer, "item") else answer
    return str(plain) if isinstance(plain, bool) else repr(answer)


def tells_who_memorizes(ask: Ask) -> Iterator[Finding]:
    """Examine a test of memorizing with healthy and broken modules.

    Args:
        ask: Takes a module and a loader; returns whether a batch is learned by heart,
            or raises a ValueError, which arrives as `LearnerError`.
    """
    for case in _cases():
        torch.manual_seed(0)
        module = case.kind()
        said = _said(ask, module, case.loader)
        seen = f"To {case.what} it says {said}."
        if said == "raises":
            seen = f"To {case.what} it raises a ValueError."
        known = said in ("True", "False", "raises")
        remedy = case.remedy if known else "Return True or False."
        yield Finding(seen, known and said not in case.wrong, remedy)
        if said != "raises":
            yield _trained_on_one_batch(case.what, module)


def _trained_on_one_batch(what: str, module: Memorizes) -> Finding:
    count = len(module.batches)
    seen = f"{what[0].upper()}{what[1:]}, was trained on {count} different batches."
    remedy = "Train on a single batch, the same one in every step."
    return Finding(seen, count == 1, remedy)
