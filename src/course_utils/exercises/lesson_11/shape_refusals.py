"""Does a module refuse a batch of a wrong shape before it learns from it?"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import lightning as L
import torch
from torch import Tensor

from course_utils.checks.finding import Finding
from course_utils.checks.fit import fit
from course_utils.checks.learner_code import LearnerError
from course_utils.measure import OptimizerSteps, UpdateLog
from course_utils.measure.optimizer_recorder import OptimizerRecorder

Build = Callable[[], L.LightningModule]
Loss = Callable[[L.LightningModule, Any], Tensor]

_BY_ACCIDENT = (NameError, AttributeError, ImportError, SyntaxError, SystemExit)


def _norm(gradients: Mapping[Tensor, Tensor]) -> Tensor:
    return torch.cat([each.flatten() for each in gradients.values()]).norm()


class _Gradients(L.Callback):
    """Compare loss and gradients of each batch with those that it should have.

    The gradients are those that the optimizers use, no matter who calls them: the same
    for automatic and manual optimization, and for one optimizer or several.
    """

    def __init__(self, truth: Loss) -> None:
        self.truth = truth
        self.steps: list[dict[Tensor, Tensor]] = []
        self.faults: list[str] = []

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, *_: Any
    ) -> None:
        self.steps.clear()
        self.loss = self.truth(pl_module, batch)
        weights = list(pl_module.parameters())
        grads = torch.autograd.grad(self.loss, weights, allow_unused=True)
        self.due = {w: g for w, g in zip(weights, grads, strict=True) if g is not None}

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, *_: Any
    ) -> None:
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if isinstance(loss, Tensor) and not torch.allclose(loss, self.loss, rtol=1e-4):
            self.faults.append(f"the loss is {loss:.3f}, it was {self.loss:.3f}")
        used = {weight: g for step in self.steps for weight, g in step.items()}
        if not used:
            self.faults.append("the weights do not change")
        elif not all(
            w in used and torch.allclose(used[w], g, rtol=1e-3, atol=1e-6)
            for w, g in self.due.items()
        ):
            self.faults.append(
                f"the optimizer used a gradient of norm {_norm(used):.3f}, that of the "
                f"loss has {_norm(self.due):.3f}"
            )


def _used(optimizer: torch.optim.Optimizer) -> dict[Tensor, Tensor]:
    weights = [w for group in optimizer.param_groups for w in group["params"]]
    return {w: w.grad.clone() for w in weights if w.grad is not None}


def learns_from(
    build: Build, batches: Mapping[str, Any], truth: Loss
) -> Iterator[Finding]:
    """Check that each batch is accepted, and trains with the loss that it should have.

    Each is used twice: what one step leaves behind shows in the next.

    Args:
        build: Makes a module.
        batches: Right batches by what they are, for example ``"16 images"``.
        truth: Returns the loss that a module should have on a batch, a scalar.
    """
    for name, batch in batches.items():
        gradients = _Gradients(truth)
        with OptimizerRecorder(_used) as recorder:
            recorder.values = gradients.steps
            try:
                fit(build(), [batch, batch], callbacks=[gradients])
            except LearnerError as error:
                seen = f"With a right batch, {name}: {error}"
                yield Finding(seen, False, "Refuse wrong shapes only.")
                continue
        fault = next(iter(gradients.faults), "")
        seen = f"With a right batch, {name}, {fault}."
        remedy = "A right batch should train as before, with (losses * weights).mean()."
        yield Finding(seen, not fault, remedy)


def refuses(build: Build, batches: Mapping[str, Any], right: Any) -> Iterator[Finding]:
    """Check that each batch raises before the optimizer uses it.

    Args:
        build: Makes a module.
        batches: Wrong batches by what they are, for example
            ``"weights of shape (16, 1)"``.
        right: A right batch; each wrong one comes first, and after this one.
    """
    for name, batch in batches.items():
        yield _refusal(build(), f"A batch with {name}", [batch])
        yield _refusal(build(), f"After a right batch, one with {name}", [right, batch])


class _StepsBefore(L.Callback):
    """Note how many optimizer steps there were when each batch began."""

    def __init__(self, steps: OptimizerSteps) -> None:
        self.steps = steps
        self.counts: list[int] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self.counts.append(self.steps.count)


def _refusal(module: L.LightningModule, what: str, batches: Sequence[Any]) -> Finding:
    log = UpdateLog()
    with OptimizerSteps() as steps:
        before = _StepsBefore(steps)
        try:
            fit(module, batches, callbacks=[log, before])
        except LearnerError as error:
            began = len(before.counts) == len(batches)
            return _judge_error(what, error, began and steps.count > before.counts[-1])
    trained = log.changed[len(batches) - 1 :] == [True]
    how = "trained the model" if trained else "was left out without a word"
    return Finding(f"{what} {how}.", False, "Raise an error before the loss is used.")


def _judge_error(what: str, error: LearnerError, stepped: bool) -> Finding:
    if isinstance(error.__cause__, _BY_ACCIDENT):
        seen = f"{what} was refused by accident: {error}"
        return Finding(seen, False, "Raise an error of your own.")
    seen = f"{what} was refused after the optimizer had stepped."
    return Finding(seen, not stepped, "Look at the shapes first.")
