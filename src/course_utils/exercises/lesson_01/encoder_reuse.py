"""Does a module use the part it was given, and leave a frozen part as it was?"""

import copy
from collections.abc import Sequence
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from course_utils.checks.finding import Finding
from course_utils.checks.sample_data import output_of
from course_utils.checks.weight_updates import updates


class Calls:
    """A counter that copies of its owner share.

    Attributes:
        count: Calls so far.
    """

    def __init__(self) -> None:
        """Start at zero."""
        self.count = 0

    def __deepcopy__(self, memo: dict[int, Any]) -> "Calls":
        """Return itself: the copy of a part counts for the part."""
        return self


class CountedEncoder(nn.Module):
    """An encoder that no one has seen: images ``(n, 1, 28, 28)`` to ``(n, features)``.

    It holds batch normalization, whose running statistics change in training mode
    even when no weight may.

    Attributes:
        calls: Counts forward passes, those of copies included.
    """

    def __init__(self, features: int, pixels: int = 784) -> None:
        """Draw weights from the global generator."""
        super().__init__()
        self.calls = Calls()
        self.mix = nn.Linear(pixels, features)
        self.norm = nn.BatchNorm1d(features)

    def forward(self, images: Tensor) -> Tensor:
        """Return features from 0 up."""
        self.calls.count += 1
        return self.norm(self.mix(images.flatten(1))).relu()


def _incarnations(module: nn.Module, part: nn.Module) -> list[nn.Module]:
    """Return ``part`` and its copies inside ``module``."""
    inside = [each for each in module.modules() if type(each) is type(part)]
    return [part, *(each for each in inside if each is not part)]


def uses_part(
    module: L.LightningModule, part: CountedEncoder, images: Tensor
) -> Finding:
    """Check whether the output of ``module`` comes through ``part``.

    The part is called, and other weights in it make another output.

    Args:
        module: Was built around ``part`` or a copy of it.
        part: A part that counts its calls; is left as it was.
        images: Shape ``(n, channel, height, width)``.

    Raises:
        LearnerError: If the forward pass raises.
    """
    before = part.calls.count
    output = output_of(module, images)
    if part.calls.count == before:
        seen = "The forward pass never calls the part that was handed over."
        return Finding(seen, False, "Keep it in __init__, call it in forward.")
    copies = _incarnations(module, part)
    kept = [copy.deepcopy(each.state_dict()) for each in copies]
    for each in copies:
        nn.init.normal_(each.mix.weight)
    moved = not torch.equal(output_of(module, images), output)
    for each, state in zip(copies, kept, strict=True):
        each.load_state_dict(state)
    seen = "The output does not depend on the given part."
    remedy = "Compute the output from what the part returns."
    return Finding(seen, moved, remedy)


def stays_frozen(
    module: L.LightningModule, part: nn.Module, batches: Sequence[Any]
) -> Finding:
    """Check whether an epoch of training leaves every tensor of ``part`` bit-identical.

    Args:
        module: Is trained on the CPU; it may hold ``part`` itself or copies of it.
        part: Weights and buffers are compared.
        batches: Ready-made batches in the form that ``training_step`` expects.

    Raises:
        LearnerError: If training raises.
    """
    copies = _incarnations(module, part)
    before = [copy.deepcopy(each.state_dict()) for each in copies]
    updates(module, batches)
    changed = sorted(
        {
            name
            for each, state in zip(copies, before, strict=True)
            for name, tensor in each.state_dict().items()
            if not torch.equal(tensor, state[name])
        }
    )
    if not changed:
        return Finding("Training left every bit of it.", True)
    weights = {name for name, _ in part.named_parameters()}
    remedy = "Freeze its weights: requires_grad_(False) on the part."
    if not weights & set(changed):
        remedy = (
            "These are buffers that training mode updates: put the part into "
            "evaluation mode."
        )
    seen = f"Training changed {', '.join(changed)} of the part."
    return Finding(seen, False, remedy)
