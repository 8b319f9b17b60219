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
    """Check that each batch is accepted and changes the weights.

    Args:
        build: Makes a module.
        batches: Right batches by what they are, for example ``"16 images"``.
    """
    for name, batch in batches.items():
        try:
            [update] = updates(build(), [batch])
        except LearnerError as error:
            seen = f"With a right batch, {name}: {error}"
            yield Finding(seen, False, "Refuse wrong shapes only.")
            continue
        seen = f"With a right batch, {name}, the weights do not change."
        yield Finding(seen, update.changed, "Return the loss of a right batch.")


def refuses(build: Build, batches: Mapping[str, Any]) -> Iterator[Finding]:
    """Check that each batch raises before the optimizer makes a step.

    Args:
        build: Makes a module.
        batches: Wrong batches by what they are, for example
            ``"weights of shape (16, 1)"``.
    """
    for name, batch in batches.items():
        yield _refusal(build(), f"A batch with {name}", batch)


def _refusal(module: L.LightningModule, what: str, batch: Any) -> Finding:
    with OptimizerSteps() as steps:
        try:
            [update] = updates(module, [batch])
        except LearnerError as error:
            return _judge_error(what, error, steps.count)
    how = "trained the model" if update.changed else "was left out without a word"
    return Finding(f"{what} {how}.", False, "Raise an error before the loss is used.")


def _judge_error(what: str, error: LearnerError, steps: int) -> Finding:
    if isinstance(error.__cause__, _BY_ACCIDENT):
        seen = f"{what} was refused by accident: {error}"
        return Finding(seen, False, "Raise an error of your own.")
    seen = f"{what} was refused after the optimizer had stepped."
    return Finding(seen, not steps, "Look at the shapes first.")


def loss_equals(
    build: Build, batch: Any, truth: Callable[[L.LightningModule], torch.Tensor]
) -> Finding:
    """Check that the loss of one batch is what it should be.

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
