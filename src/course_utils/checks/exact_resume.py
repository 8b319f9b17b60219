"""Does a resumed run end as if it had never been interrupted?"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from course_utils.checks.finding import Finding
from course_utils.checks.interrupted_run import Build, Place, Run, run
from course_utils.checks.learner_code import LearnerError
from course_utils.checks.run_trace import coverage
from course_utils.checks.weights_only import unloadable_values

_RANDOMNESS = "A random generator was not put back, or not at the right moment."
_ORDER = "Let seed and epoch decide the order, and go on at the batch that is due."


def _loads(file: Path, place: Place) -> Finding:
    asked = f"the checkpoint of {place}"
    # Trusted: this process wrote the file a moment ago.
    heavy = unloadable_values(torch.load(file, map_location="cpu", weights_only=False))
    if not heavy:
        return Finding("The checkpoint loads.", True, asked=asked)
    named = [f"{name or 'a value'} is a {kind}" for name, kind in heavy.items()]
    seen = f"The checkpoint does not load by default: {', '.join(named)}."
    remedy = "Save plain values: tensors, numbers, text, and lists or dicts of them."
    return Finding(seen, False, remedy, asked=asked)


def _samples(whole: Run, resumed: Run, place: Place) -> Finding:
    asked = f"the samples after {place}"
    expected, seen = whole.trace.samples[resumed.trace.start :], resumed.trace.samples
    if seen == expected:
        return Finding(f"After {place} the samples are those due.", True, asked=asked)
    if len(seen) != len(expected):
        text = f"{len(seen)} batches follow {place} instead of {len(expected)}."
        return Finding(text, False, "Begin with the batch that is due.", asked=asked)
    pairs = zip(expected, seen, strict=True)
    wrong = next(i for i, (due, got) in enumerate(pairs, 1) if due != got)
    found = coverage(whole.trace, resumed.trace)
    text = f"Batch {wrong} after {place} has other samples than those due"
    # In an epoch that is cut, those that are left were not all due.
    never = 0 if whole.trace.cut else found.never
    if found.twice or never:
        text += f"; {found.twice} come a second time in this epoch"
        text += "" if whole.trace.cut else f", {never} never"
    return Finding(f"{text}.", False, _ORDER, asked=asked)


def _bits(whole: Run, resumed: Run, place: Place, remedy: str) -> Finding:
    asked = f"the weights of a run resumed at {place}"
    differ = [
        name
        for name, tensor in whole.state.items()
        if name not in resumed.state or not torch.equal(tensor, resumed.state[name])
    ]
    if not differ:
        return Finding(
            f"Resumed at {place}, the run ends with the same bits.", True, asked=asked
        )
    seen = (
        f"Resumed at {place}, the run ends with {len(differ)} of {len(whole.state)} "
        "tensors different from those of a run that goes through."
    )
    return Finding(seen, False, remedy, asked=asked)


def resumes_exactly(
    build: Build,
    places: Sequence[Place],
    *,
    remedy: str = _RANDOMNESS,
    **trainer: Any,
) -> Iterator[Finding]:
    """Check whether a run resumed at each place continues as if uninterrupted.

    One run goes through and writes a checkpoint at each place. From each of them a
    new run resumes, with everything rebuilt under another seed, as in a new process.

    Args:
        build: Returns a new module, a new data module and new callbacks.
        places: Where the run is interrupted.
        remedy: The next step if the samples are right and the weights are not.
        **trainer: Arguments of the Trainer, for example ``max_epochs``.

    Yields:
        For each place, whether the checkpoint loads, the samples are those due, and
        the weights and buffers end with the same bits.

    Raises:
        LearnerError: If training raises, or a place is never reached.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        files = {place: Path(folder, f"{i}.ckpt") for i, place in enumerate(places)}
        whole = run(build, 1, save=files, **trainer)
        for number, (place, file) in enumerate(files.items()):
            if not file.exists():
                raise LearnerError(f"Training ended before {place}.")
            yield _loads(file, place)
            resumed = run(build, 100 + number, resume=file, **trainer)
            yield _samples(whole, resumed, place)
            yield _bits(whole, resumed, place, remedy)
