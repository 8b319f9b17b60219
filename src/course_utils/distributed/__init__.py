"""Run a function in other processes: start, wait, collect or kill, or say why not."""

from course_utils.distributed.errors import ProcessError, ProcessTimeoutError
from course_utils.distributed.kill import kill_this_process, run_until_killed
from course_utils.distributed.launch import run_processes

__all__ = [
    "ProcessError",
    "ProcessTimeoutError",
    "kill_this_process",
    "run_processes",
    "run_until_killed",
]
