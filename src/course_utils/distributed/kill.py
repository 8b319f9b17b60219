"""Kill a run midway, as a power cut would, without harming the notebook's process."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

from course_utils.distributed.errors import NotKilledError, ProcessError
from course_utils.distributed.launch import run_processes
from course_utils.distributed.tempdir import temporary_folder

# Names the file that a process creates just before it kills itself, which tells a
# wanted kill from a crash. Set only inside `run_until_killed`.
MARKER_VARIABLE = "COURSE_KILL_MARKER"


def kill_this_process() -> None:
    """Kill this process immediately: no exception, no clean-up, nothing is saved.

    Raises:
        RuntimeError: Outside of `run_until_killed`, where it would kill the notebook.
    """
    marker = os.environ.get(MARKER_VARIABLE)
    if marker is None:
        raise RuntimeError(
            "Expected to be inside `run_until_killed` but got this notebook's own "
            "process, which must keep running; pass the run to `run_until_killed`."
        )
    Path(marker).touch()
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def run_until_killed(
    work: Callable[[], object], *, timeout_seconds: float = 60
) -> None:
    """Run ``work`` in a separate process until it calls `kill_this_process`.

    On Linux without a GPU the process is a fork, elsewhere a fresh Python; either way
    it uses one thread and no GPU. Only the files that it wrote remain.

    Args:
        work: Called without arguments in the other process.
        timeout_seconds: The process is killed after this time, which is an error.

    Raises:
        NotKilledError: If ``work`` returns before it is killed.
        ProcessError: If ``work`` raises before it is killed.
        ProcessTimeoutError: If time runs out.
    """
    with temporary_folder("killed") as folder:
        marker = folder / "killed"

        def marked_work() -> None:
            os.environ[MARKER_VARIABLE] = str(marker)
            work()

        try:
            run_processes(marked_work, processes=1, timeout_seconds=timeout_seconds)
        except ProcessError:
            if marker.exists():
                return
            raise
    raise NotKilledError("Expected `work` to be killed but it ran to completion.")
