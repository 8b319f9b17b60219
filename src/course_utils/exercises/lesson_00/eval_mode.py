"""Does a measurement use evaluation mode, and leave the module as it found it?"""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import LearnerError

Score = Callable[[nn.Module, Tensor, Tensor], float]

MODE = {True: "training mode", False: "evaluation mode"}


def _run(score: Score, module: nn.Module, images: Tensor, labels: Tensor) -> float:
    torch.manual_seed(0)
    value = score(module, images.clone(), labels.clone())
    if isinstance(value, str | bool) or not hasattr(value, "__float__"):
        raise LearnerError(f"Expected it to return a number but got {value!r}.")
    return float(value)


def measures_in_eval_mode(
    score: Score, module: nn.Module, images: Tensor, labels: Tensor, truth: float
) -> Finding:
    """Check whether ``score`` is ``truth`` for a ``module`` in training mode."""
    modes: list[tuple[str, bool]] = []

    def look(part: nn.Module, _: Any) -> None:
        modes.append((type(part).__name__, part.training))

    # For parts of any module: an answer may measure with a copy.
    with register_module_forward_pre_hook(look):
        value = _run(score, copy.deepcopy(module).train(), images, labels)
    training = sorted({name for name, mode in modes if mode})
    seen = (
        f"It returned {value:.3f} for a model in training mode; the exact value is "
        f"{truth:.3f}. While it measured, "
    )
    remedy = "Measure with every part in evaluation mode."
    if not training:
        seen += "all parts were in evaluation mode."
        remedy = "Return the share of images that are classified correctly."
    elif all(mode for _, mode in modes):
        seen += "the model was in training mode."
    else:
        seen += f"these parts were in training mode: {', '.join(training)}."
    return Finding(seen, abs(value - truth) < 1e-6, remedy)


def _set_modes(module: nn.Module, modes: list[bool]) -> nn.Module:
    for part, mode in zip(module.modules(), modes, strict=True):
        part.training = mode
    return module


def keeps_modes(
    score: Score, module: nn.Module, images: Tensor, labels: Tensor
) -> Iterator[Finding]:
    """Check whether ``score`` leaves each part of a module in the mode it came in.

    All parts come in one mode, then each part, at any depth, alone in the other one.
    """
    names = [name for name, _ in module.named_modules()]
    arrivals = {f"in {word}": [mode] * len(names) for mode, word in MODE.items()}
    for i, name in enumerate(names):
        for mode, word in MODE.items():
            how = f"in {MODE[not mode]}, with only {name or 'its root'} in {word}"
            arrivals[how] = [(j == i) == mode for j in range(len(names))]
    for how, before in arrivals.items():
        arrived = _set_modes(copy.deepcopy(module), before)
        _run(score, arrived, images, labels)
        after = [part.training for part in arrived.modules()]
        changed = [
            f"{name or 'its root'} in {MODE[now]}"
            for name, was, now in zip(names, before, after, strict=True)
            if now != was
        ]
        if len(changed) == len(names) and len(set(after)) == 1:
            changed = [f"every part in {MODE[after[0]]}"]
        seen = f"A model that came {how} left with {', '.join(changed)}."
        remedy = "Give each part, at any depth, back the mode it came in."
        yield Finding(seen, not changed, remedy)


def keeps_tensors(
    score: Score, module: nn.Module, images: Tensor, labels: Tensor
) -> Finding:
    """Check whether ``score`` leaves weights, buffers and gradients as they were."""
    arrived = copy.deepcopy(module).train()
    before = copy.deepcopy(arrived.state_dict())
    _run(score, arrived, images, labels)
    after = arrived.state_dict()
    faults = {
        "changed values": [n for n in before if not torch.equal(before[n], after[n])],
        "got a gradient": [
            n for n, p in arrived.named_parameters() if p.grad is not None
        ],
        "no longer require one": [
            n for n, p in arrived.named_parameters() if not p.requires_grad
        ],
    }
    seen = "; ".join(f"{', '.join(who)} {what}" for what, who in faults.items() if who)
    remedy = "Measuring needs a forward pass only."
    return Finding(f"After measuring: {seen}.", not seen, remedy)
