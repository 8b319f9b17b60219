"""Which settings does the optimizer use in every step of a real Trainer?"""

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
from torch.optim import Optimizer

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
        groups: Settings that it used, for each parameter group.
        remembered: Steps that Adam's averages are made of, this one included; 0 for an
            optimizer that does not count.
    """

    groups: tuple[Mapping[str, Any], ...]
    remembered: int


def _step(optimizer: Optimizer) -> Step | None:
    """Return what a step used, None if it had no gradient: torch skips the weights."""
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    if all(weight.grad is None for weight in weights):
        return None
    groups = ({**group, "params": ()} for group in optimizer.param_groups)
    counts = [int(s["step"]) for s in optimizer.state.values() if "step" in s]
    return Step(tuple(groups), max(counts, default=0))


def _fit(
    module_class: ModuleClass,
    settings: Settings,
    batches: Sequence[Any],
    epochs: int,
    checkpoint: Path | None = None,
) -> tuple[L.LightningModule, list[Step]]:
    L.seed_everything(0, verbose=False)
    with learners_code("__init__"):
        module = module_class(**settings)
    with OptimizerRecorder(_step) as steps:
        fit(module, batches, ckpt_path=checkpoint, max_epochs=epochs)
    return module, steps.values


def _disagreement(steps: Sequence[Step], expected: Settings) -> str:
    """Return what a step used instead of what was asked, ``""`` if all agree."""
    for step in steps:
        for group in step.groups:
            for name, asked in expected.items():
                used = float(group.get(name, math.nan))
                if not math.isclose(used, asked, rel_tol=1e-6):
                    return f"{name}={asked:g} was asked for, but {name}={used:g} used"
    return ""


def obeys_settings(
    module_class: ModuleClass, settings: Settings, batches: Sequence[Any]
) -> Finding:
    """Check whether each step of a new run uses the settings asked for.

    Args:
        module_class: Is built with ``settings`` and trained on the CPU.
        settings: Arguments named as in the optimizer, for example ``lr``; choose values
            that no one would write into code.
        batches: Ready-made batches.
    """
    with preserve_global_state():
        _, steps = _fit(module_class, settings, batches, epochs=1)
    loss = "Return the loss from training_step."
    if not steps:
        return Finding("No optimizer step had a gradient.", False, loss)
    wrong = _disagreement(steps, settings)
    seen = f"In a new run {wrong}."
    remedy = "Build the optimizer from self.hparams."
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
        module, before = _fit(module_class, first, batches, epochs=1)
        with learners_code("save_checkpoint"):
            module.trainer.save_checkpoint(file)
        _, steps = _fit(module_class, then, batches, epochs=2, checkpoint=file)
    return [_resumed_settings(steps, then), _resumed_memory(before, steps)]


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


def _resumed_memory(before: Sequence[Step], steps: Sequence[Step]) -> Finding:
    expected = before[-1].remembered + 1 if before and before[-1].remembered else 0
    kept = not expected or not steps or steps[0].remembered == expected
    seen = "The resumed optimizer has forgotten the steps before: its averages restart."
    return Finding(seen, kept, "Change its settings and keep its state.")
