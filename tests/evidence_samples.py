"""Outcomes for the tests of evidence, made by hand."""

from course_utils.authoring.evidence.tasks import Outcome, Task
from course_utils.experiments.claims import Claim, Pair


def claim(measured, *, holds=True, practice="1.1", text="large", **changes):
    """Return a claim of at least 0.5."""
    entry = {"bad": 0, "good": 1, "kind": "at_least", "threshold": 0.5, **changes}
    return Claim(practice, text, measured=measured, holds=holds, **entry)


def outcome(*claims, seed=0, lesson="01", data="embedded", pairs=(), **changes):
    """Return a run of lesson 01."""
    task = Task(lesson, seed, data, code="abc")
    return Outcome(task, tuple(claims), tuple(pairs), date="2026-11-26", **changes)


def run(seed, gain, bad=1.0, **changes):
    """Return a run with one claim about a contrast: good is ``bad + gain``."""
    practice = changes.pop("practice", "1.1")
    sides = {"bad": bad, "good": bad + gain}
    made = claim(
        gain, holds=gain >= 0.5, practice=practice, measurement="accuracy", **sides
    )
    pair = Pair(practice, "accuracy", **sides)
    return outcome(made, seed=seed, pairs=[pair], **changes)
