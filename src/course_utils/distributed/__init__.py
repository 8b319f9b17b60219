"""Run a function in other processes and get its results, its error, or kill it."""

from course_utils.distributed.errors import (
    NotKilledError,
    ProcessError,
    ProcessTimeoutError,
)
from course_utils.distributed.kill import kill_this_process, run_until_killed
from course_utils.distributed.launch import run_processes

__all__ = [
    "NotKilledError",
    "ProcessError",
    "ProcessTimeoutError",
    "kill_this_process",
    "run_processes",
    "run_until_killed",
]
