"""Helpers of the course: they hide measuring, never the practice that is taught.

A lesson imports `start`, `contrast`, `claim`, `check`, `hint`, `solution` and
`try_guard` from here, and what it measures and draws from the rooms:
`course_utils.data`, ``.distributed``, ``.measure``, ``.experiments``,
``.experiments.plots``, ``.checks``, ``.capstone``, ``.own_code``, and
``.exercises.lesson_NN``; settings of the machine from ``.hardware`` and ``.settings``.
A room's ``__all__`` lists its public names. Modules inside a room may change. For your
own code there are `check_my`, and ``.guards``.
"""

import logging
import os
import sys

from course_utils._lazy import lazy
from course_utils._version import __version__

_HOMES = {
    "check": "exercises.api",
    "check_my": "own_code.kernel",
    "claim": "experiments.claims",
    "contrast": "experiments.contrast",
    "doctor": "experiments.doctor",
    "hint": "exercises.api",
    "solution": "exercises.api",
    "try_guard": "experiments.guards",
}
__all__ = ["__version__", "start", *_HOMES]  # noqa: PLE0604
__getattr__ = lazy(__name__, _HOMES)


def start(lesson: str, *, written_for: str) -> None:
    """Silence the libraries, fix seed and threads, and print what the lesson runs on.

    Packages that are missing, as on Colab, are fetched before; none is replaced.

    Call it first. From then on torch computes on one thread, so that results do not
    depend on the number of cores, and a forked process cannot wait for a thread that
    exists only in its parent.

    Args:
        lesson: Lesson id, for example ``"12"``.
        written_for: Version of these helpers that the notebook was written for,
            as ``"major.minor"``.

    Raises:
        course_utils.packages.PackagesError: If a package is missing and cannot be had.
    """
    from course_utils import environment, packages

    packages.fetch_missing()
    if "torch" not in sys.modules:  # which reads the variable once, at its import
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    # With a read-only home, Matplotlib logs a long warning about its fallback cache.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    remarks = environment.isolate()  # Lightning reads its rank when it is imported
    remarks.append(packages.unmeasured())
    from course_utils.experiments import kernel

    kernel.start(lesson, written_for, remarks)
