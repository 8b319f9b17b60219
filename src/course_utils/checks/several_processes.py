"""Run a learner's code in several processes, as on several GPUs."""

import re
from collections.abc import Callable
from typing import TypeVar

from course_utils.checks.learner_code import CannotCheck, LearnerError
from course_utils.distributed import ProcessError, ProcessTimeoutError, run_processes

TIMEOUT_SECONDS = 40.0
Result = TypeVar("Result")


def without_wrapper(message: str) -> str:
    """Remove our own error class and, where any rank may be first, its number."""
    message = re.sub(r"^Rank \d+ raised LearnerError: ", "", message)
    return message.replace(" raised LearnerError (", " failed (")


def in_processes(work: Callable[[], Result], processes: int = 2) -> list[Result]:
    """Run ``work`` in several processes and return what it returned in each, by rank.

    Raises:
        LearnerError: If ``work`` raises, or the processes wait for each other.
        CannotCheck: If no second process can be started, or ``work`` cannot be sent
            to it.
    """
    try:
        return run_processes(work, processes=processes, timeout_seconds=TIMEOUT_SECONDS)
    except (ProcessError, ProcessTimeoutError) as error:
        said = without_wrapper(str(error))
        raise LearnerError(f"With {processes} processes: {said}") from error
    except (OSError, TypeError) as error:
        said = str(error).rstrip(".")
        raise CannotCheck(f"No second process could be started: {said}.") from error
