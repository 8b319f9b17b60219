"""Does a run stop after the right check, and keep its best weights?"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint
from torch.utils.data import DataLoader

from course_utils.checks.finding import Finding
from course_utils.checks.fit import fit
from course_utils.checks.scripted_metric import (
    MakeCallbacks,
    ScriptedMetric,
    callbacks_for,
)


@dataclass(frozen=True)
class ScriptedRun:
    """How a scripted run ended.

    Attributes:
        checks: Validation runs until it stopped.
        kept: After which check the kept weights were saved, 0 if none were kept.
        files: Checkpoints in the folder.
    """

    checks: int
    kept: int
    files: int


def _kept(callbacks: Sequence[L.Callback], folder: str) -> tuple[int, int]:
    """Return the check of the best file, and how many files there are."""
    files = sorted(Path(folder).rglob("*.ckpt"))
    best = [getattr(callback, "best_model_path", "") for callback in callbacks]
    paths = [Path(path) for path in best if path and Path(path) in files] or files
    if not paths:
        return 0, 0
    states = torch.load(paths[0], weights_only=False)["state_dict"]
    return int(states["checks"]), len(files)


def scripted_run(
    make: MakeCallbacks, name: str, script: Sequence[float], checks_per_epoch: int = 1
) -> ScriptedRun:
    """Train with the learner's callbacks on the CPU while a metric follows a script.

    Args:
        make: Gets a folder and returns callbacks.
        name: Name of the metric.
        script: Its values, one per validation run; whole epochs.
        checks_per_epoch: Validation runs per epoch.

    Raises:
        LearnerError: If ``make`` or training raises, or returns no callbacks.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as root:
        folder = str(Path(folder).resolve())
        callbacks, module = callbacks_for(make, folder), ScriptedMetric(name, script)
        fit(
            module,
            DataLoader(torch.ones(checks_per_epoch, 1)),
            DataLoader(torch.ones(1, 1)),
            callbacks=callbacks,
            enable_checkpointing=any(isinstance(c, Checkpoint) for c in callbacks),
            default_root_dir=root,
            max_epochs=len(script) // checks_per_epoch,
            val_check_interval=1 / checks_per_epoch,
            num_sanity_val_steps=0,
        )
        return ScriptedRun(int(module.checks), *_kept(callbacks, folder))


def last_check(script: Sequence[float], patience: int, mode: str) -> int:
    """Return after how many checks a run should stop.

    Example:
        >>> last_check([3, 2, 2, 2, 1], patience=2, mode="min")
        4
        >>> last_check([3, 2, 1], patience=2, mode="min")
        3
    """
    sign = 1 if mode == "max" else -1
    best, waited = -float("inf"), 0
    for number, value in enumerate(script, start=1):
        improved = sign * value > best
        best = max(best, sign * value)
        waited = 0 if improved else waited + 1
        if waited == patience:
            return number
    return len(script)


def best_check(script: Sequence[float], mode: str, checks: int) -> int:
    """Return which of the first ``checks`` was the first best, counted from 1."""
    seen = list(script[:checks])
    return 1 + seen.index(max(seen) if mode == "max" else min(seen))


def stops_in_time(
    run: ScriptedRun, script: Sequence[float], patience: int, mode: str, epochs: int
) -> Finding:
    """Check that the run stopped after ``patience`` checks without a new best.

    Args:
        run: From `scripted_run`.
        script: The metric of each check.
        patience: Checks without improvement after which it should stop.
        mode: ``"max"`` or ``"min"``.
        epochs: The patience in epochs; a mistake names it.
    """
    wanted = last_check(script, patience, mode)
    other = "min" if mode == "max" else "max"
    # With mode and patience wrong at once, the mode is the first thing to mend.
    opposite = {last_check(script, waits, other) for waits in (epochs, patience, 3)}
    stopped = run.checks < len(script)
    when = f"stopped after {run.checks}" if stopped else "never stopped"
    should = "run to its end" if wanted == len(script) else f"stop after {wanted}"
    seen = f"Of {len(script)} checks, the run {when}; it should {should}."
    limit = f"{epochs} epochs without a new best, which are {patience} checks"
    remedy = f"Stop after {limit}."
    if run.checks == last_check(script, epochs, mode):
        remedy = "Patience counts validation checks, not epochs."
    elif run.checks in opposite:
        remedy = f'The best value of this metric is the {mode}imum: set mode="{mode}".'
    return Finding(seen, run.checks == wanted, remedy)


def keeps_the_best(run: ScriptedRun, script: Sequence[float], mode: str) -> Finding:
    """Check that the weights of the best check are in the folder.

    Args:
        run: From `scripted_run`; where it stopped is not judged.
        script: The metric of each check.
        mode: ``"max"`` or ``"min"``.
    """
    best = best_check(script, mode, run.checks)
    if not run.files:
        seen = "No checkpoint is in the folder."
        remedy = "EarlyStopping keeps no weights: add a ModelCheckpoint for the folder."
        return Finding(seen, False, remedy)
    seen = f"The weights kept are those of check {run.kept}; the best was check {best}."
    remedy = f'Monitor the same metric with mode="{mode}", at every check.'
    return Finding(seen, run.kept == best, remedy)
