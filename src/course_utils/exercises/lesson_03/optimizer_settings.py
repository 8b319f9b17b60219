"""Which settings does the optimizer use? Asked of every step of a real Trainer."""

import contextlib
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.data import DataLoader

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import learners_code
from course_utils.experiments.global_state import preserved
from course_utils.hardware import quiet_trainer

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


@contextlib.contextmanager
def optimizer_steps() -> Iterator[list[Step]]:
    """Collect every optimizer step of the block that had a gradient.

    Read after the step, since Lightning runs ``training_step`` inside it, which may
    still change a setting.
    """
    steps: list[Step] = []

    def note(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        weights = [p for group in optimizer.param_groups for p in group["params"]]
        if all(weight.grad is None for weight in weights):
            return  # the loss never came: torch skips every weight
        groups = ({**group, "params": ()} for group in optimizer.param_groups)
        counts = [int(s["step"]) for s in optimizer.state.values() if "step" in s]
        steps.append(Step(tuple(groups), max(counts, default=0)))

    handle = register_optimizer_step_post_hook(note)
    try:
        yield steps
    finally:
        handle.remove()


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
    options = quiet_trainer(accelerator="cpu", max_epochs=epochs)
    loader = DataLoader(list(batches), batch_size=None)
    with learners_code("Training"), optimizer_steps() as steps:
        L.Trainer(**options).fit(module, loader, ckpt_path=checkpoint)
    return module, steps


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
    """Ask whether each step of a new run uses the settings asked for.

    Args:
        module_class: Is built with ``settings`` and trained on the CPU.
        settings: Arguments named as in the optimizer, for example ``lr``; choose values
            that nobody would write into code.
        batches: Ready-made batches.
    """
    asked = "the optimizer of a new run"
    with preserved():
        _, steps = _fit(module_class, settings, batches, epochs=1)
    loss = "Return the loss from training_step."
    if not steps:
        return Finding(asked, "No optimizer step had a gradient.", False, loss)
    wrong = _disagreement(steps, settings)
    seen = f"In a new run {wrong}." if wrong else "A new run uses what was asked for."
    remedy = "Build the optimizer from self.hparams." if wrong else ""
    return Finding(asked, seen, not wrong, remedy)


def obeys_when_resumed(
    module_class: ModuleClass,
    first: Settings,
    then: Settings,
    batches: Sequence[Any],
) -> list[Finding]:
    """Ask whether a run resumed with other settings uses them, and goes on.

    Args:
        module_class: Is trained with ``first``, then resumed with ``then``.
        first: Arguments of the run that is saved, named as in the optimizer.
        then: Arguments of the run that resumes it, one epoch longer.
        batches: Ready-made batches.
    """
    with preserved(), tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "run.ckpt")
        module, before = _fit(module_class, first, batches, epochs=1)
        with learners_code("save_checkpoint"):
            module.trainer.save_checkpoint(file)
        _, steps = _fit(module_class, then, batches, epochs=2, checkpoint=file)
    return [_resumed_settings(steps, then), _resumed_memory(before, steps)]


def _resumed_settings(steps: Sequence[Step], then: Settings) -> Finding:
    asked = "the optimizer of a resumed run"
    if not steps:
        remedy = "Leave the epoch and the loop's progress to Lightning."
        return Finding(asked, "The resumed run took no step.", False, remedy)
    wrong = _disagreement(steps, then)
    seen = f"In a resumed run {wrong}." if wrong else "A resumed run uses the new ones."
    remedy = (
        "The optimizer's old settings come from the file; set the new ones after that, "
        "before the first step."
    )
    return Finding(asked, seen, not wrong, remedy if wrong else "")


def _resumed_memory(before: Sequence[Step], steps: Sequence[Step]) -> Finding:
    asked = "the optimizer's memory"
    expected = before[-1].remembered + 1 if before and before[-1].remembered else 0
    if not expected or not steps or steps[0].remembered == expected:
        return Finding(asked, "The optimizer goes on with what it remembers.", True)
    seen = "The resumed optimizer has forgotten the steps before: "
    seen += "its averages start anew."
    remedy = "Change its settings and keep its state."
    return Finding(asked, seen, False, remedy)
