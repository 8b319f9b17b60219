"""Does a job that is killed and called again end as if it had never been killed?"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from course_utils.checks.finding import Finding
from course_utils.exercises.lesson_09.killed_job import (
    BATCHES,
    EPOCHS,
    Job,
    Update,
    call_job,
)

KILL_AFTER = 8  # updates that a call has made: in the middle of an epoch


def _trains_all(whole: Sequence[Update]) -> Finding:
    seen = f"Never killed, the job makes {len(whole)} updates; {EPOCHS} epochs of "
    seen += f"{BATCHES} were asked for."
    remedy = "Train all epochs of the loader."
    return Finding(seen, len(whole) == EPOCHS * BATCHES, remedy)


def _trains_no_more(again: Sequence[Update]) -> Finding:
    count = len(again)
    seen = f"A further call, after all epochs are done, makes {count} more updates."
    remedy = "Give the file of the complete run to fit, with the same max_epochs."
    return Finding(seen, not count, remedy)


def _leaves_files(first: Sequence[Update], files: Path) -> Finding:
    if not first:
        seen = "With an empty folder, the job made no updates: it knows of other files."
        return Finding(seen, False, "Read and write in `folder` alone.")
    seen = f"Killed in epoch {first[-1].epoch} of {EPOCHS}, the job leaves no file in "
    seen += "its folder."
    remedy = "Save at the end of each epoch: ModelCheckpoint(dirpath=folder, ...)."
    return Finding(seen, any(files.iterdir()), remedy)


def _resumes(calls: Sequence[Sequence[Update]], whole: Sequence[Update]) -> Finding:
    """Compare where each call begins with the first epoch that was not complete."""
    for before, after in zip(calls, calls[1:], strict=False):
        due = before[-1].epoch  # it was killed in the middle of this epoch
        first = after[0].epoch if after else None
        killed = f"Killed in epoch {due} of {EPOCHS}, the job"
        if first is None:
            seen = f"{killed} made no more updates when it was called again."
            return Finding(seen, False, "Train the epochs that are left.")
        if first != due:
            seen = f"{killed} went on with epoch {first} when it was called again."
            remedy = "Save each epoch, and give the newest file to fit(ckpt_path=...)."
            return Finding(seen, False, remedy)
        if after[0].samples != whole[(due - 1) * BATCHES].samples:
            seen = f"{killed} did not go on with the first batch of that epoch."
            remedy = "Save at the end of each epoch, and resume with all that is saved."
            return Finding(seen, False, remedy)
    return Finding("Each call resumes with the epoch that was cut.", True)


def _same_weights(last: Sequence[Update], whole: Sequence[Update]) -> Finding:
    same = bool(last) and last[-1].weights == whole[-1].weights
    seen = "Killed twice, the job ends with other weights than one that was never "
    remedy = "Resume optimizer, schedule and random state, too: fit(ckpt_path=...)."
    return Finding(f"{seen}killed.", same, remedy)


def ends_as_if_never_killed(job: Job) -> Iterator[Finding]:
    """Check that a job that is killed twice ends like one that goes through.

    Each call is another process with another seed; the kills are real.

    Args:
        job: Gets a new module, a shuffling loader and a folder, and trains 4 epochs.

    Yields:
        Findings on whether it trains all epochs, leaves files when it is killed,
        resumes where it was cut, ends with the same bits, and whether a further call
        leaves the weights alone.

    Raises:
        LearnerError: If the job raises.
        CannotCheck: If no process can be started.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        through, killed = Path(name, "through"), Path(name, "killed")
        through.mkdir()
        killed.mkdir()
        whole = call_job(job, through, 1, None)
        trains_all = _trains_all(whole)
        yield trains_all
        if not trains_all.ok:
            return
        calls = [call_job(job, killed, 1, KILL_AFTER)]
        leaves_files = _leaves_files(calls[0], killed / "files")
        yield leaves_files
        if not leaves_files.ok:
            return
        calls.append(call_job(job, killed, 2, KILL_AFTER))
        calls.append(call_job(job, killed, 3, None))
        same_weights = _same_weights(calls[-1], whole)
        # Where it resumes is left open, but one that begins again would never end.
        if not same_weights.ok or calls[-1][0].epoch == 1:
            yield _resumes(calls, whole)
        yield same_weights
        yield _trains_no_more(call_job(job, through, 4, None))
