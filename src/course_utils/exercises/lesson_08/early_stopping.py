"""Does a run stop after the right check, and keep its best weights?"""

from collections.abc import Sequence

from course_utils.checks.finding import Finding
from course_utils.exercises.lesson_08.scripted_metric import ScriptedRun


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
    """Ask whether the run stopped after ``patience`` checks without a new best.

    Args:
        run: From `scripted_run`.
        script: The metric of each check.
        patience: Checks without improvement after which it should stop.
        mode: ``"max"`` or ``"min"``.
        epochs: The patience in epochs; a mistake names it.
    """
    wanted = last_check(script, patience, mode)
    other = "min" if mode == "max" else "max"
    opposite = {last_check(script, waits, other) for waits in (epochs, patience, 3)}
    when = (
        "never stopped" if run.checks == len(script) else f"stopped after {run.checks}"
    )
    should = "run to its end" if wanted == len(script) else f"stop after {wanted}"
    seen = f"Of {len(script)} checks, the run {when}; it should {should}."
    remedy = (
        f"Stop after {epochs} epochs without a new best, which are {patience} checks."
    )
    if run.checks == last_check(script, epochs, mode):
        remedy = "Patience counts validation checks, not epochs."
    elif run.checks in opposite:
        remedy = f'The best value of this metric is the {mode}imum: set mode="{mode}".'
    f"the end of a run of {len(script)} checks"
    return Finding(seen, run.checks == wanted, remedy)


def keeps_the_best(run: ScriptedRun, script: Sequence[float], mode: str) -> Finding:
    """Ask whether the weights of the best check are in the folder.

    Args:
        run: From `scripted_run`; where it stopped is not judged.
        script: The metric of each check.
        mode: ``"max"`` or ``"min"``.
    """
    best = best_check(script, mode, run.checks)
    ok = run.kept == best
    if not run.files:
        seen = "No checkpoint is in the folder."
        remedy = "EarlyStopping keeps no weights: add a ModelCheckpoint for the folder."
        return Finding(seen, False, remedy)
    seen = f"The weights kept are those of check {run.kept}; the best was check {best}."
    remedy = f'Monitor the same metric with mode="{mode}", at every check.'
    return Finding(seen, ok, remedy)
