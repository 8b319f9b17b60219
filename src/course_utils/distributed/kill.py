"""Kill a run in its midst, as a power cut would, without harm to this process."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

from course_utils.distributed.errors import ProcessError
from course_utils.distributed.launch import run_processes
from course_utils.distributed.start_methods import Method
from course_utils.distributed.tempdir import temporary_folder

MARK = "COURSE_KILL_MARK"  # set only inside a process that may be killed


def kill_this_process() -> None:
    """End this process at once: no exception, no clean-up, nothing more is saved.

    Raises:
        RuntimeError: Outside of `run_until_killed`, where it would end the notebook.
    """
    mark = os.environ.get(MARK)
    if mark is None:
        raise RuntimeError(
            "Expected to be inside `run_until_killed` but got this notebook's own "
            "process, which must live on; pass the run to `run_until_killed`."
        )
    Path(mark).touch()
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def run_until_killed(
    work: Callable[[], object],
    *,
    timeout_seconds: float = 60,
    method: Method | None = None,
) -> None:
    """Run ``work`` in a process of its own, until it calls `kill_this_process`.

    On Linux without a GPU the process is a fork, elsewhere a fresh Python; either way
    it uses one thread and no GPU. What it wrote to files is all that remains of it.

    Args:
        work: Called without arguments in the other process.
        timeout_seconds: The process is killed after this time, which is an error.
        method: As for `run_processes`.

    Raises:
        ProcessError: If ``work`` returns or raises before it is killed.
        ProcessTimeoutError: If time runs out.
    """
    with temporary_folder("killed") as folder:
        mark = folder / "killed"

        def marked() -> None:
            os.environ[MARK] = str(mark)
            work()

        try:
            run_processes(
                marked, processes=1, timeout_seconds=timeout_seconds, method=method
            )
        except ProcessError:
            if mark.exists():
                return
            raise
    raise ProcessError("Expected `work` to be killed but it came to its end.")
