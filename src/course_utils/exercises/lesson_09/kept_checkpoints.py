"""Which checkpoints does a killed run leave: the last, the best, not too many?"""

from collections.abc import Sequence

from course_utils.checks.finding import Finding
from course_utils.exercises.lesson_09.files_after_kill import SavedCheckpoint


def _newest(left: Sequence[SavedCheckpoint]) -> int:
    return max((each.epoch for each in left if each.resumable), default=0)


def keeps_the_last(left: Sequence[SavedCheckpoint], finished: int) -> Finding:
    """Ask whether a run killed after ``finished`` epochs can go on from the last one.

    Args:
        left: What `checkpoints_after_kill` found.
        finished: Epochs that had come to their end.
    """
    killed = f"Killed after {finished} epochs, the run leaves"
    newest = _newest(left)
    if newest >= finished:
        return Finding(f"{killed} its last epoch.", True)
    if any(each.epoch >= finished for each in left):
        seen = f"{killed} its last weights without what is needed to go on."
        return Finding(seen, False, "Leave save_weights_only out.")
    seen = f"{killed} nothing newer than epoch {newest} to go on from."
    seen = seen if newest else f"{killed} nothing to go on from."
    remedy = "Save every epoch, whatever its score, with a callback that monitors none."
    return Finding(seen, False, remedy)


def keeps_the_best(
    left: Sequence[SavedCheckpoint], scores: Sequence[float], mode: str = "max"
) -> Finding:
    """Ask whether the weights of the best epoch are there.

    Args:
        left: What `checkpoints_after_kill` found.
        scores: What validation logged, one an epoch.
        mode: ``"max"`` if more is better, else ``"min"``.
    """
    top, bottom = (max, min) if mode == "max" else (min, max)
    best, worst = scores.index(top(scores)) + 1, scores.index(bottom(scores)) + 1
    kept = {each.epoch for each in left if each.whole}
    if best in kept:
        return Finding("The best epoch is kept.", True)
    seen = f"The best epoch, {best} of {len(scores)}, is not kept"
    if worst in kept and worst != len(scores):
        seen += f", but the worst, {worst}, is."
        return Finding(seen, False, "Is less better, or more? See `mode`.")
    remedy = "Monitor the metric, so that the file of the best epoch stays."
    return Finding(f"{seen}.", False, remedy)


def keeps_few(left: Sequence[SavedCheckpoint], most: int) -> Finding:
    """Ask whether the disk holds at most ``most`` checkpoints."""
    count = len(left)
    seen = f"The disk holds {count} checkpoint{'' if count == 1 else 's'}."
    if count <= most:
        return Finding(seen, True)
    return Finding(seen, False, f"There is room for {most}: save_top_k=1.")
