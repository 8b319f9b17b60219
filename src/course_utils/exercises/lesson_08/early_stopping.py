"""Does a run stop after the right check, and keep its best weights?"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping, ModelCheckpoint
from torch.utils.data import DataLoader

from course_utils.checks.finding import Finding
from course_utils.checks.fit import fit
from course_utils.checks.scripted_metric import (
    MakeCallbacks,
    ScriptedMetric,
    callbacks_for,
    loaded,
    scripted_state,
)


@dataclass(frozen=True)
class ScriptedRun:
    """How a scripted run ended.

    Attributes:
        checks: Validation runs until it stopped.
        kept: The checks whose weights are in the files kept as the best; 0 for weights
            that no check has judged.
        files: Checkpoints in the folder.
        settings: What an `EarlyStopping` among the callbacks is set to, in words.
    """

    checks: int
    kept: frozenset[int]
    files: int
    settings: str = ""


def _settings(callbacks: Sequence[L.Callback]) -> str:
    """Return a sentence with the settings of the first `EarlyStopping`, or none."""
    for each in callbacks:
        if isinstance(each, EarlyStopping):
            delta = each.min_delta * (1 if each.mode == "max" else -1)
            beside = f", min_delta={delta}" if delta else ""
            told = f'patience={each.patience}, mode="{each.mode}"{beside}'
            return f" EarlyStopping has {told}."
    return ""


def _kept_as_best(callbacks: Sequence[L.Callback], files: Sequence[Path]) -> set[Path]:
    """Return the files that a callback or their being the only one names the best."""
    if len(files) == 1 or any(
        type(each) not in (ModelCheckpoint, EarlyStopping) for each in callbacks
    ):
        return set(files)
    savers = [each for each in callbacks if isinstance(each, ModelCheckpoint)]
    best = {Path(each.best_model_path).resolve() for each in savers if each.monitor}
    return best & set(files)


def scripted_run(
    make: MakeCallbacks,
    name: str,
    script: Sequence[float],
    checks_per_epoch: int = 1,
    batches_per_check: int = 1,
) -> ScriptedRun:
    """Train with the learner's callbacks on the CPU while a metric follows a script.

    Args:
        make: Gets a folder and returns callbacks.
        name: Name of the metric.
        script: Its values, one per validation run; whole epochs.
        checks_per_epoch: Validation runs per epoch.
        batches_per_check: Training batches between them.

    Raises:
        LearnerError: If ``make`` or training raises, or returns no callbacks.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as root:
        folder = str(Path(folder).resolve())
        callbacks, module = callbacks_for(make, folder), ScriptedMetric(name, script)
        fit(
            module,
            DataLoader(torch.ones(checks_per_epoch * batches_per_check, 1)),
            DataLoader(torch.ones(1, 1)),
            callbacks=callbacks,
            enable_checkpointing=any(isinstance(c, Checkpoint) for c in callbacks),
            default_root_dir=root,
            max_epochs=len(script) // checks_per_epoch,
            val_check_interval=1 / checks_per_epoch,
            num_sanity_val_steps=0,
        )
        found = [file for file in Path(folder).rglob("*") if file.is_file()]
        states = {f: state for f in found if (state := scripted_state(loaded(f)))}
        check_of = {weight: i for i, weight in enumerate(module.judged, start=1)}
        kept = frozenset(
            check_of.get(float(states[file]["weight"]), 0)
            for file in _kept_as_best(callbacks, list(states))
        )
        return ScriptedRun(int(module.checks), kept, len(states), _settings(callbacks))


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


def best_checks(script: Sequence[float], mode: str, checks: int) -> list[int]:
    """Return which of the first ``checks`` were the best, counted from 1."""
    seen = list(script[:checks])
    best = max(seen) if mode == "max" else min(seen)
    return [number for number, value in enumerate(seen, start=1) if value == best]


def stops_in_time(
    run: ScriptedRun, script: Sequence[float], patience: int, mode: str, epochs: int
) -> Finding:
    """Check that the run stopped after ``patience`` checks without a new best.

    Args:
        run: From `scripted_run`.
        script: The metric of each check.
        patience: Checks without improvement after which it should stop.
        mode: ``"max"`` or ``"min"``.
        epochs: The patience in epochs; the remedy names it.
    """
    wanted = last_check(script, patience, mode)
    stopped = run.checks < len(script)
    when = f"stopped after {run.checks}" if stopped else "never stopped"
    should = "run to its end" if wanted == len(script) else f"stop after {wanted}"
    seen = f"Of {len(script)} checks, the run {when}; it should {should}.{run.settings}"
    high = "high" if mode == "max" else "low"
    remedy = f"Stop after {epochs} epochs without a new {high}, which are {patience} "
    remedy += f"checks; the {high}er, the better."
    return Finding(seen, run.checks == wanted, remedy)


def keeps_the_best(run: ScriptedRun, script: Sequence[float], mode: str) -> Finding:
    """Check that the weights of the best check are in the folder.

    Args:
        run: From `scripted_run`; where it stopped is not judged.
        script: The metric of each check.
        mode: ``"max"`` or ``"min"``.
    """
    best = best_checks(script, mode, run.checks)
    high = "highest" if mode == "max" else "lowest"
    remedy = f"Keep the weights that were judged by the {high} value."
    if not run.files:
        seen = "No checkpoint is in the folder."
        remedy = "EarlyStopping keeps no weights: save the best ones into the folder."
        return Finding(seen, False, remedy)
    if not run.kept:
        seen = f"Nothing says which of the {run.files} checkpoints is the best."
        return Finding(seen, False, remedy)
    kept = max(run.kept)
    seen = f"The weights kept are those of check {kept}; the best was check {best[0]}."
    if not kept:
        seen = f"The weights kept are from no check; the best was check {best[0]}."
    return Finding(seen, bool(run.kept.intersection(best)), remedy)
