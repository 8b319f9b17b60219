"""Helpers of the course: they hide measuring, never the practice that is taught."""

import logging
import os
import sys

from course_utils._lazy import lazy
from course_utils._version import __version__

_HOMES = {
    "check": "exercises.api",
    "claim": "experiments.claims",
    "contrast": "experiments.contrast",
    "hint": "exercises.api",
    "solution": "exercises.api",
}
__all__ = ["__version__", "start", *_HOMES]  # noqa: PLE0604
__getattr__ = lazy(__name__, _HOMES)


def start(lesson: str, *, written_for: str) -> None:
    """Make this kernel quiet and comparable, and print what the lesson runs on.

    Call it first. Tensors are computed on one thread from then on, so that results do
    not depend on the number of cores and a forked process cannot wait for a thread
    that it does not have.

    Args:
        lesson: Lesson id, for example ``"12"``.
        written_for: Version of these helpers that the notebook was written for,
            as ``"major.minor"``.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    # With a read-only home, Matplotlib logs a long warning about its fallback cache.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from course_utils.experiments import kernel

    kernel.start(lesson, written_for)
