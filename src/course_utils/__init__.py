"""Helpers of the course: they hide measuring, never the practice that is taught."""

import logging
import os
import sys

__version__ = "0.1.0"


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
    # Where the home cannot be written, Matplotlib would tell at length that it manages.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from course_utils import kernel

    kernel.start(lesson, written_for)
