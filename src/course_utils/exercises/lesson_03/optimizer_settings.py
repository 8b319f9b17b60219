"""Which settings does the optimizer use in every step of a real Trainer?"""

import copy
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook

from course_utils.checks.finding import Finding
from course_utils.checks.fit import fit
from course_utils.checks.learner_code import learners_code
from course_utils.experiments import preserve_global_state
from course_utils.measure import OptimizerRecorder

ModuleClass = type[L.LightningModule]
Settings = Mapping[str, float]


@dataclass(frozen=True)
class Step:
    """One optimizer step.

    Attributes:
        optimizer: Name of the optimizer's class.
        groups: Settings that it used, for each parameter group; ``params`` holds the
            weights' numbers of dimensions.
        remembered: Steps that Adam's averages are made of, this one included; 0 for an
            optimizer that does not count.
    """

    optimizer: str
    groups: tuple[Mapping[str, Any], ...]
    remembered: int


def _step(optimizer: Optimizer) -> Step | None:
    """Return what a step used, None if it had no gradient: torch skips the weights."""
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    if all(weight.grad is None for weight in weights):
        return None
    groups = [
        {**group, "params": [weight.ndim for weight in group["params"]]}
        for group in optimizer.param_groups
    ]
    counts = [int(s["step"]) for s in optimizer.state.values() if "step" in s]
    return Step(type(optimizer).__name__, tuple(groups), max(counts, default=0))


def _averages(optimizer: Optimizer) -> list[Tensor]:
    """Return copies of what Adam remembers of each weight's gradients, in order."""
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    return [
        torch.as_tensor(optimizer.state[weight][name]).clone()
        for weight in weights
        for name in ("step", "exp_avg", "exp_avg_sq")
        if name in optimizer.state.get(weight, {})
    ]


class _FirstAverages:
    """Collect what each optimizer remembers just before its first step."""

    def __init__(self) -> None:
        self.values: list[Tensor] = []
        self._known: set[int] = set()

    def __call__(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if id(optimizer) not in self._known:
            self._known.add(id(optimizer))
            self.values += _averages(optimizer)


def _fit(
    module_class: ModuleClass,
    settings: Settings,
    batches: Sequence[Any],
    epochs: int,
    checkpoint: Path | None = None,
) -> tuple[L.LightningModule, list[Step]]:
    L.seed_everything(0, verbose=False)
    with learners_code("__init__"):
        module = module_class(**copy.deepcopy(dict(settings)))
    with OptimizerRecorder(_step) as steps:
        fit(module, batches, ckpt_path=checkpoint, max_epochs=epochs)
    return module, steps.values


def _disagreement(steps: Sequence[Step], expected: Settings) -> str:
    """Return what a step used instead of what was asked, ``""`` if all agree."""
    for step in steps:
        for group in step.groups:
            for name, asked in expected.items():
                used = float(group.get(name, math.nan))
                if name == "weight_decay" and not used and max(group["params"]) < 2:
                    continue  # biases and norms are often left without
                if not math.isclose(used, asked, rel_tol=1e-6):
                    return f"{name}={asked:g} was asked for, but {name}={used:g} used"
    return ""


def obeys_settings(
    module_class: ModuleClass,
    settings: Mapping[str, Any],
    batches: Sequence[Any],
    used: Settings | None = None,
) -> Finding:
    """Check whether each step of a new run uses the settings asked for.

    Args:
        module_class: Is built with ``settings`` and trained on the CPU.
        settings: Arguments named as in the optimizer, for example ``lr``; choose values
            that no one would write into code.
        batches: Ready-made batches.
        used: Those that the optimizer has to use, if there are others among them.
    """
    with preserve_global_state():
        _, steps = _fit(module_class, settings, batches, epochs=1)
    loss = "Return the loss from training_step."
    if not steps:
        return Finding("No optimizer step had a gradient.", False, loss)
    wrong = _disagreement(steps, used or settings)
    seen = f"In a new run {wrong}."
    remedy = "Each step has to use the values that __init__ was given."
    return Finding(seen, not wrong, remedy)


def obeys_when_resumed(
    module_class: ModuleClass,
    first: Settings,
    then: Settings,
    batches: Sequence[Any],
) -> list[Finding]:
    """Check whether a run resumed with other settings uses them and forgets nothing.

    Args:
        module_class: Is trained with ``first``, then resumed with ``then``.
        first: Arguments of the run that is saved, named as in the optimizer.
        then: Arguments of the run that resumes it, one epoch longer.
        batches: Ready-made batches.
    """
    with preserve_global_state(), tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "run.ckpt")
        module, _ = _fit(module_class, first, batches, epochs=1)
        expected = [t for each in module.trainer.optimizers for t in _averages(each)]
        with learners_code("save_checkpoint"):
            module.trainer.save_checkpoint(file)
        first_averages = _FirstAverages()
        with register_optimizer_step_pre_hook(first_averages):
            _, steps = _fit(module_class, then, batches, epochs=2, checkpoint=file)
    settings = _resumed_settings(steps, then)
    return [settings, _resumed_memory(expected, first_averages.values)]


def _resumed_settings(steps: Sequence[Step], then: Settings) -> Finding:
    if not steps:
        remedy = "Leave the epoch and the loop's progress to Lightning."
        return Finding("The resumed run took no step.", False, remedy)
    wrong = _disagreement(steps, then)
    seen = f"In a resumed run {wrong}."
    remedy = (
        "The optimizer's old settings come from the file; set the new ones after that, "
        "before the first step."
    )
    return Finding(seen, not wrong, remedy)


def _resumed_memory(before: Sequence[Tensor], after: Sequence[Tensor]) -> Finding:
    kept = len(before) == len(after) and all(map(torch.equal, before, after))
    seen = "The resumed optimizer has forgotten the steps before: its averages restart."
    if any(each.any() for each in after):
        seen = "The resumed optimizer's averages are not those of the run before."
    return Finding(seen, kept, "Change its settings and keep its state.")


def uses_adam(
    module_class: ModuleClass, settings: Settings, batches: Sequence[Any]
) -> Finding:
    """Check whether every step is made by an optimizer that keeps averages as Adam."""
    with preserve_global_state():
        _, steps = _fit(module_class, settings, batches, epochs=1)
    other = next((step.optimizer for step in steps if not step.remembered), "")
    seen = f"{other} keeps no averages of the gradients."
    return Finding(seen, not other, "The task asks for Adam, or one of its kind.")
