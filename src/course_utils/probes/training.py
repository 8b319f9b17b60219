"""What does training do to the weights, batch by batch? Asked with a real Trainer."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from course_utils.hardware import quiet_trainer
from course_utils.probes.finding import Finding
from course_utils.probes.running import learners_code


@dataclass(frozen=True)
class Update:
    """What one batch did to the weights.

    Attributes:
        changed: Whether any weight changed.
        finite: Whether all weights are finite afterwards.
    """

    changed: bool
    finite: bool


def flat_weights(module: torch.nn.Module) -> Tensor:
    """Return a copy of all parameters as one vector."""
    return torch.cat([p.detach().flatten().cpu() for p in module.parameters()]).clone()


class _Watch(L.Callback):
    def __init__(self) -> None:
        self.updates: list[Update] = []

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.weights = flat_weights(pl_module)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any
    ) -> None:
        weights = flat_weights(pl_module)
        changed = not torch.equal(weights, self.weights)
        self.updates.append(Update(changed, bool(weights.isfinite().all())))
        self.weights = weights


def updates(module: L.LightningModule, batches: Sequence[Any]) -> list[Update]:
    """Train one epoch on ``batches``, on the CPU, and return what each one did.

    Args:
        module: Is trained.
        batches: Ready-made batches in the form that ``training_step`` expects.

    Raises:
        LearnerError: If training raises.
    """
    watch = _Watch()
    options = quiet_trainer(accelerator="cpu", callbacks=[watch], max_epochs=1)
    with learners_code("Training"):
        L.Trainer(**options).fit(module, DataLoader(list(batches), batch_size=None))
    return watch.updates


def skips_only(
    module: L.LightningModule, batches: Sequence[Any], broken: int
) -> list[Finding]:
    """Ask whether training skips the batch number ``broken``, and no other.

    Args:
        module: Is trained.
        batches: Ready-made batches, the broken one with ``nan`` pixels.
        broken: Index of the broken batch.
    """
    done = updates(module, batches)
    good = [update for i, update in enumerate(done) if i != broken]
    trained = sum(update.changed for update in good)
    return [
        Finding(
            "weights after the broken batch",
            "The weights are finite."
            if done[broken].finite
            else "After the batch with nan pixels the weights are nan.",
            done[broken].finite,
            "Let nothing of a broken batch reach the backward pass.",
        ),
        Finding(
            "updates on good batches",
            f"The weights changed on {trained} of {len(good)} good batches.",
            trained == len(good),
            "Hand the loss of a good batch to Lightning.",
        ),
        Finding(
            "the broken batch",
            "It was used for training." if done[broken].changed else "It was left out.",
            not done[broken].changed,
            "Skip it: repaired pixels are not the digits that the labels name.",
        ),
    ]


def learns_by_cross_entropy(
    module: L.LightningModule, batches: Sequence[tuple[Tensor, Tensor]]
) -> Finding:
    """Ask whether training moves the weights as plain cross-entropy would.

    An ordinary loop over a copy, with the module's own optimizer, is the reference.

    Args:
        module: Is trained; its forward pass maps images to logits.
        batches: Images and labels, all of them usable.
    """
    reference = copy.deepcopy(module)
    optimizer = reference.configure_optimizers()
    asked = "the direction of the updates"
    if not isinstance(optimizer, Optimizer):
        return Finding(asked, "There is a scheduler: no simple reference.", True)
    for images, labels in batches:
        optimizer.zero_grad()
        F.cross_entropy(reference(images), labels).backward()
        optimizer.step()
    updates(module, batches)
    same = torch.allclose(flat_weights(module), flat_weights(reference), atol=1e-5)
    seen = "They follow" if same else "The weights change, but do not follow"
    return Finding(
        asked,
        f"{seen} the gradient of the cross-entropy loss.",
        same,
        "Return the loss itself, not a copy or a multiple of it.",
    )
