"""Does a function name the part of the training loop that is slowest?"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import LearnerError

PARTS = ("loading", "forward", "backward", "optimizer")
BATCH = 4
Ask = Callable[[L.LightningModule, Any], Any]
Milliseconds = Mapping[str, float]


class _SlowDataset(Dataset[tuple[Tensor, Tensor]]):
    def __init__(self, milliseconds: float) -> None:
        self.seconds = milliseconds / 1000 / BATCH

    def __len__(self) -> int:
        return 4000

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        time.sleep(self.seconds)
        return torch.full((3,), index / 4000), torch.ones(1)


class _SlowBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loss: Tensor, seconds: float) -> Tensor:
        ctx.seconds = seconds
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        time.sleep(ctx.seconds)
        return gradients[0], None


class _SlowSGD(torch.optim.SGD):
    seconds = 0.0

    def step(self, closure: Any = None) -> Any:
        loss = super().step(closure)
        time.sleep(self.seconds)
        return loss


class Slowed(L.LightningModule):
    """A module whose parts sleep; it refuses to train on more than ``most`` batches."""

    def __init__(self, milliseconds: Milliseconds, most: int) -> None:
        """Sleep for so many milliseconds a batch in each part."""
        super().__init__()
        self.net = nn.Linear(3, 1)
        self.sleeps = {part: milliseconds.get(part, 0) / 1000 for part in PARTS}
        self.most, self.batches = most, 0

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the loss.

        Raises:
            LearnerError: In the first batch that is one too many.
        """
        self.batches += 1
        if self.batches > self.most:
            raise LearnerError(
                f"Training went on after {self.most} batches; limit them."
            )
        time.sleep(self.sleeps["forward"])
        inputs, targets = batch
        loss = (self.net(inputs) - targets).square().mean()
        return _SlowBackward.apply(loss, self.sleeps["backward"])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return an optimizer that sleeps in each step."""
        optimizer = _SlowSGD(self.parameters(), lr=0.01)
        optimizer.seconds = self.sleeps["optimizer"]
        return optimizer


def _in_words(times: Milliseconds) -> str:
    parts = [f"{part} {value:.0f} ms" for part, value in times.items()]
    return " and ".join(parts)


def _answer(ask: Ask, times: Milliseconds, most: int) -> Any:
    loader = DataLoader(_SlowDataset(times.get("loading", 0)), batch_size=BATCH)
    return ask(Slowed(times, most), loader)


def names_the_slowest(
    ask: Ask, cases: Sequence[Milliseconds], most: int = 20
) -> Iterator[Finding]:
    """Run a function on loops in which known parts sleep.

    Args:
        ask: Takes a module and a loader, returns one of `PARTS`.
        cases: Milliseconds that each part sleeps in every batch, the rest are fast. Far
            enough apart, so that a busy machine does not change their order.
        most: Batches that it may train on.
    """
    for times in cases:
        truth = max(times, key=lambda part: times[part])
        said = _answer(ask, times, most)
        if said != truth and said in PARTS:  # a stall of the machine is no mistake
            said = _answer(ask, times, most)
        seen = f"Where a batch takes {_in_words(times)}, it says {said!r}."
        remedy = f"Return one of {', '.join(PARTS)}."
        if said in PARTS:
            remedy = (
                "Compare time spent in each part alone; optimizer_step contains the "
                "forward and the backward pass."
            )
        yield Finding(seen, said == truth, remedy)
