"""Does a smoke test notice planted bugs, cheaply and without a trace?"""

import copy
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import lightning as L
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import LearnerError, temporary_folder

SmokeTest = Callable[[L.LightningModule, Any], Any]


class Sound(L.LightningModule):
    """A small, healthy classifier that counts its training steps.

    Attributes:
        steps: One entry per step; copies of the module share the list.
    """

    steps: list[int]

    def __init__(self) -> None:
        """Start untrained."""
        super().__init__()
        self.net = nn.Linear(8, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return logits of shape ``(batch, 3)``."""
        return self.net(inputs)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        """Return the loss."""
        self.steps.append(batch_idx)
        inputs, labels = batch
        return F.cross_entropy(self(inputs), labels)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return plain SGD."""
        return torch.optim.SGD(self.parameters(), lr=0.1)


class FirstLayerFrozen(Sound):
    """A healthy classifier of which one layer does not learn."""

    def __init__(self) -> None:
        """Freeze the first of two layers."""
        super().__init__()
        frozen = nn.Linear(8, 5).requires_grad_(False)
        self.net = nn.Sequential(frozen, nn.Linear(5, 3))


class Normalized(Sound):
    """A healthy classifier with batch normalization, which takes two inputs or more."""

    def __init__(self) -> None:
        """Normalize the inputs."""
        super().__init__()
        self.net = nn.Sequential(nn.BatchNorm1d(8), nn.Linear(8, 3))


class _CrashesAtTheEnd(Sound):
    def on_train_epoch_end(self) -> None:
        raise RuntimeError("planted: the end of the epoch")


class _NeedsTwo(Normalized):
    """Is healthy, too, but for the loader's last batch."""


class _CannotBeSaved(Sound):
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["transform"] = lambda inputs: inputs


class _LearnsNothing(Sound):
    def training_step(self, batch: Any, batch_idx: int) -> None:
        super().training_step(batch, batch_idx)


class _StepsNowhere(Sound):
    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.0)


_COMPARE = "Compare the weights before and after, and raise if they are equal."
# What is planted, the module, and what a test does that notices it.
PLANTED = (
    ("a crash at the end of the epoch", _CrashesAtTheEnd, "Run an epoch to its end."),
    (
        "a network that cannot take a last batch of one image",
        _NeedsTwo,
        "Let the loader's last batch be among those you train on.",
    ),
    (
        "a checkpoint that cannot be saved",
        _CannotBeSaved,
        "A dry run saves none: call trainer.save_checkpoint into a temporary folder.",
    ),
    (
        "training that changes no weight",
        _LearnsNothing,
        _COMPARE,
    ),
    ("a learning rate of 0, which changes no weight", _StepsNowhere, _COMPARE),
)


def built(kind: type[Sound]) -> Sound:
    """Return a new instance with its own list of steps."""
    torch.manual_seed(0)
    return type(kind.__name__, (kind,), {"steps": []})()


def loader_with_a_rest(
    batches: int = 250, size: int = 4, rest: int = 1
) -> DataLoader[Any]:
    """Return a shuffled loader over batches of one size; the last holds ``rest``."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(size * (batches - 1) + rest, 8, generator=generator)
    labels = inputs[:, :3].argmax(1)
    return DataLoader(TensorDataset(inputs, labels), batch_size=size, shuffle=True)


def _healthy(
    smoke_test: SmokeTest, kind: type[Sound], what: str, loader: Any, most: int
) -> Iterator[Finding]:
    model = built(kind)
    before = copy.deepcopy(dict(model.named_parameters()))
    try:
        smoke_test(model, loader)
    except LearnerError as error:
        seen = f"{what} does not pass: {error}"
        yield Finding(seen, False, "It must pass.")
        return
    steps = len(model.steps)
    seen = f"The test trained for {steps} steps."
    yield Finding(seen, 1 <= steps <= most, f"1 to {most} are allowed.")
    kept = all(torch.equal(before[k], v) for k, v in model.named_parameters())
    seen = "The weights are changed afterwards."
    yield Finding(seen, kept, "Test a copy: copy.deepcopy(model).")


def notices_planted_bugs(smoke_test: SmokeTest, most: int = 5) -> Iterator[Finding]:
    """Run a smoke test on a healthy model, then on broken ones.

    Args:
        smoke_test: Takes a model and a loader; raises if something is wrong. Errors
            arrive as `LearnerError`.
        most: Training steps that it may make.
    """
    with temporary_folder():  # where a checkpoint without a folder ends up
        many, few = loader_with_a_rest(), loader_with_a_rest(70, size=6)
        yield from _healthy(smoke_test, Sound, "A healthy model", many, most)
        half = "A healthy model whose first layer is frozen"
        yield from _healthy(smoke_test, FirstLayerFrozen, half, few, most)
        normed = "A healthy model with batch normalization and a last batch of 3 images"
        three = loader_with_a_rest(20, size=8, rest=3)
        yield from _healthy(smoke_test, Normalized, normed, three, most)
        loaders = itertools.cycle([few, many])
        for planted, kind, remedy in PLANTED:
            model = built(kind)
            try:
                smoke_test(model, next(loaders))
                noticed = False
            except LearnerError:
                noticed = True
            steps = len(model.steps)
            seen = f"It lets through: {planted}."
            yield Finding(seen, noticed, remedy)
            seen = f"On {planted} it trained for {steps} steps."
            yield Finding(seen, steps <= most, f"At most {most}.")
