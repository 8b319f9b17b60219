"""Does a module refuse a batch of a wrong shape before it learns from it?"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import lightning as L
import torch

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import LearnerError, learners_code
from course_utils.checks.single_step import attach, attached_step
from course_utils.checks.weight_updates import updates
from course_utils.measure import OptimizerSteps

Build = Callable[[], L.LightningModule]

_BY_ACCIDENT = (NameError, AttributeError, ImportError, SyntaxError)


def accepts(build: Build, batches: Mapping[str, Any]) -> Iterator[Finding]:
    """Ask whether each batch is accepted and changes the weights.

    Args:
        build: Makes a module.
        batches: Right batches by what they are, for example ``"16 images"``.
    """
    for name, batch in batches.items():
        asked, remedy = f"a right batch, {name}", "Refuse wrong shapes only."
        try:
            [update] = updates(build(), [batch])
        except LearnerError as error:
            yield Finding(f"With {asked}: {error}", False, remedy)
            continue
        seen = f"With {asked}, the weights {'' if update.changed else 'do not '}change."
        yield Finding(seen, update.changed, "Return the loss of a right batch.")


def refuses(build: Build, batches: Mapping[str, Any]) -> Iterator[Finding]:
    """Ask whether each batch raises before the optimizer makes a step.

    Args:
        build: Makes a module.
        batches: Wrong batches by what they are, for example
            ``"weights of shape (16, 1)"``.
    """
    for name, batch in batches.items():
        yield _refusal(build(), name, batch)


def _refusal(module: L.LightningModule, name: str, batch: Any) -> Finding:
    asked, remedy = f"a batch with {name}", "Raise an error before the loss is used."
    with OptimizerSteps() as steps:
        try:
            [update] = updates(module, [batch])
        except LearnerError as error:
            return _reason(asked, error, steps.count)
    seen = f"{asked.capitalize()} trained the model."
    if not update.changed:
        seen = f"{asked.capitalize()} was left out without a word."
    return Finding(seen, False, remedy)


def _reason(asked: str, error: LearnerError, steps: int) -> Finding:
    cause = error.__cause__
    if isinstance(cause, _BY_ACCIDENT):
        seen = f"{asked.capitalize()} was refused by accident: {error}"
        return Finding(seen, False, "Raise an error of your own.")
    if steps:
        seen = f"{asked.capitalize()} was refused after the optimizer had stepped."
        return Finding(seen, False, "Look at the shapes first.")
    return Finding(f"{asked.capitalize()} is refused.", True)


def loss_equals(
    build: Build, batch: Any, truth: Callable[[L.LightningModule], torch.Tensor]
) -> Finding:
    """Ask whether the loss of one batch is what it should be.

    Args:
        build: Makes a module.
        batch: A right batch.
        truth: Returns the loss that the module should return, a scalar.

    Raises:
        LearnerError: If the step raises.
    """
    module = attach(build())
    with learners_code("training_step"):
        loss = attached_step(module, batch, torch.device("cpu"))
    with torch.no_grad():
        wanted = truth(module)
    if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
        seen = "training_step returned no scalar loss."
        return Finding(seen, False, "Return the loss, one number.")
    ok = torch.allclose(loss.detach().view(()), wanted, rtol=1e-4)
    seen = f"The loss of a right batch is {loss.item():.3f}, it was {wanted:.3f}."
    return Finding(seen, ok, "Check the shapes, keep the loss.")
