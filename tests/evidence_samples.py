"""Outcomes for the tests of evidence, made by hand."""

from course_utils.authoring.evidence.claim_records import Pair, Record
from course_utils.authoring.evidence.tasks import Outcome, Task


def record(measured, *, seed=0, holds=True, practice="1.1", text="large", **changes):
    """Return a claim of at least 0.5."""
    entry = {"bad": 0, "good": 1, "kind": "at_least", "threshold": 0.5, **changes}
    return Record(practice, text, measured, holds=holds, seed=seed, **entry)


def outcome(*claims, seed=0, lesson="01", data="embedded", pairs=(), **changes):
    """Return a run of lesson 01."""
    task = Task(lesson, seed, data, code="abc", **changes.pop("task", {}))
    return Outcome(task, tuple(claims), tuple(pairs), date="2026-11-26", **changes)


def run(seed, gain, bad=1.0, **changes):
    """Return a run with one claim about a contrast: good is ``bad + gain``."""
    practice = changes.pop("practice", "1.1")
    claim = record(
        gain,
        seed=seed,
        holds=gain >= 0.5,
        practice=practice,
        bad=bad,
        good=bad + gain,
        measurement="accuracy",
    )
    pair = Pair(practice, "accuracy", bad, bad + gain)
    return outcome(claim, seed=seed, pairs=[pair], **changes)
