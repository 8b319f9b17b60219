"""Does a module use the part it was given, and leave a frozen part as it was?"""

from collections.abc import Mapping, Sequence
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from course_utils.checks.finding import Finding
from course_utils.checks.sample_data import output_of
from course_utils.checks.weight_updates import updates


class Calls:
    """What copies of a part share.

    Attributes:
        count: Calls so far.
        factor: What outputs are multiplied by.
    """

    def __init__(self) -> None:
        """Start at zero calls, and change no output."""
        self.count = 0
        self.factor = 1.0

    def __deepcopy__(self, memo: dict[int, Any]) -> "Calls":
        """Return itself: the copy of a part counts for the part."""
        return self


class CountedEncoder(nn.Module):
    """An encoder that no one has seen: images ``(n, 1, 28, 28)`` to ``(n, features)``.

    Attributes:
        calls: Counts forward passes, those of copies included.
    """

    def __init__(self, body: nn.Module) -> None:
        """Keep the layers."""
        super().__init__()
        self.calls = Calls()
        self.body = body

    def forward(self, images: Tensor) -> Tensor:
        """Return features."""
        self.calls.count += 1
        return self.calls.factor * self.body(images)


class _CountsImages(nn.Module):
    """A layer of no known kind whose buffer follows the batches in training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, features: Tensor) -> Tensor:
        if self.training:
            self.seen += len(features)
        return features


def flat_encoder(features: int, pixels: int = 784) -> CountedEncoder:
    """Return an encoder with batch normalization, weights from the global generator."""
    layers = [nn.Linear(pixels, features), nn.BatchNorm1d(features), nn.ReLU()]
    return CountedEncoder(nn.Sequential(nn.Flatten(), *layers))


def nested_encoder(features: int) -> CountedEncoder:
    """Return a convolutional encoder with parts inside parts, dropout among them."""
    block = nn.Sequential(nn.Conv2d(1, 4, 5, 4), nn.BatchNorm2d(4), _CountsImages())
    body = nn.Sequential(block, nn.ReLU(), nn.Dropout(0.1), nn.Flatten())
    return CountedEncoder(nn.Sequential(body, nn.Linear(4 * 36, features)))


def uses_part(
    module: L.LightningModule, part: CountedEncoder, images: Tensor
) -> Finding:
    """Check whether ``module`` computes its output from what ``part`` returns.

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
    part.calls.factor = -1.0
    try:
        moved = not torch.equal(output_of(module, images), output)
    finally:
        part.calls.factor = 1.0
    seen = "The output does not depend on the given part."
    return Finding(seen, moved, "Compute the output from what the part returns.")


def changed_since(
    given: Mapping[str, Tensor], module: L.LightningModule, part: nn.Module
) -> list[str]:
    """Return the tensors of ``part``, or of its copies in ``module``, that differ.

    Args:
        given: The part's state when it was handed over.
        module: May hold ``part`` itself or copies of it.
        part: What was handed over.
    """
    inside = [each for each in module.modules() if type(each) is type(part)]
    states = [each.state_dict() for each in (part, *inside)]
    changed = {
        name
        for state in states
        for name, tensor in given.items()
        if name not in state or not torch.equal(state[name], tensor)
    }
    return sorted(changed)


def stays_frozen(
    given: Mapping[str, Tensor],
    module: L.LightningModule,
    part: nn.Module,
    batches: Sequence[Any],
) -> Finding:
    """Check whether building and training leave every tensor of ``part`` bit-identical.

    Args:
        given: The part's state when it was handed over.
        module: Is trained on the CPU; it may hold ``part`` itself or copies of it.
        part: Weights and buffers are compared.
        batches: Ready-made batches in the form that ``training_step`` expects.

    Raises:
        LearnerError: If training raises.
    """
    if changed := changed_since(given, module, part):
        seen = f"__init__ changed {', '.join(changed)} of the part."
        return Finding(seen, False, "Take the part over with the values it has.")
    updates(module, batches)
    changed = changed_since(given, module, part)
    weights = {name for name, _ in part.named_parameters()}
    remedies = []
    if weights & set(changed):
        remedies.append("Freeze its weights: requires_grad_(False) on the part.")
    if set(changed) - weights:
        remedies.append(
            "Buffers follow the batches in training mode: the part has to be in "
            "evaluation mode, as a whole, while the rest trains."
        )
    seen = f"Training changed {', '.join(changed)} of the part."
    return Finding(seen, not changed, " ".join(remedies))
