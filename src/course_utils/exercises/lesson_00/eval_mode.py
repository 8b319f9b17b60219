"""Does a measurement leave the module as it found it?"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import learners_code

Score = Callable[[nn.Module, Tensor, Tensor], float]


def _modes(module: nn.Module) -> list[bool]:
    return [part.training for part in module.modules()]


def _run(score: Score, module: nn.Module, images: Tensor, labels: Tensor) -> float:
    with learners_code("Your function"):
        value = score(module, images, labels)
        if isinstance(value, Tensor):
            value = value.item()
        if not isinstance(value, int | float):
            raise TypeError(f"expected it to return a number but got {value!r}")
    return float(value)


def measures_in_eval_mode(
    score: Score, module: nn.Module, images: Tensor, labels: Tensor, truth: float
) -> Finding:
    """Check whether ``score`` is ``truth`` for a ``module`` in training mode."""
    value = _run(score, copy.deepcopy(module).train(), images, labels)
    seen = (
        f"It returned {value:.3f} for a model in training mode; the exact value is "
        f"{truth:.3f}."
    )
    remedy = "Switch the model to evaluation mode first."
    return Finding(seen, abs(value - truth) < 1e-6, remedy)


def leaves_no_trace(
    score: Score, module: nn.Module, images: Tensor, labels: Tensor
) -> list[Finding]:
    """Check whether ``score`` leaves modes, tensors and gradients as they were.

    Three arrivals are tried: all parts in training mode, all in evaluation mode, and
    the first child alone in evaluation mode, as a frozen encoder would be.
    """
    arrivals = {
        "in training mode": copy.deepcopy(module).train(),
        "in evaluation mode": copy.deepcopy(module).eval(),
        "with one part in evaluation mode": copy.deepcopy(module).train(),
    }
    next(arrivals["with one part in evaluation mode"].children()).eval()
    findings = []
    for how, arrived in arrivals.items():
        before = _modes(arrived)
        _run(score, arrived, images, labels)
        kept = _modes(arrived) == before
        seen = f"A model that came {how} did not leave that way."
        remedy = "Save the mode of each part first, and restore it afterwards."
        findings.append(Finding(seen, kept, remedy))
    return [*findings, _same_tensors(score, module, images, labels)]


def _same_tensors(
    score: Score, module: nn.Module, images: Tensor, labels: Tensor
) -> Finding:
    arrived = copy.deepcopy(module).train()
    before = copy.deepcopy(arrived.state_dict())
    _run(score, arrived, images, labels)
    after = arrived.state_dict()
    same = all(torch.equal(before[name], after[name]) for name in before)
    gradients = any(p.grad is not None for p in arrived.parameters())
    frozen = not all(p.requires_grad for p in arrived.parameters())
    seen = "Weights, buffers or gradients changed while you measured."
    remedy = "Measuring needs a forward pass only."
    ok = same and not gradients and not frozen
    return Finding(seen, ok, remedy)
