"""Run a function in two processes: start, wait, collect, or say why not."""

from course_utils.processes.errors import ProcessError, ProcessTimeoutError
from course_utils.processes.run import run_processes

__all__ = ["ProcessError", "ProcessTimeoutError", "run_processes"]
