"""The inside of one worker process: do the work, write the outcome to a file.

It imports neither torch nor Lightning, so that a failing import of either is
reported like any other error of the work.
"""

import json
import os
import pickle
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import NoReturn

import cloudpickle

from course_utils.environment import use_short_sockets
from course_utils.library_messages import collect_messages

# File descriptor 0, standard input, is a pipe of which only the parent holds the write
# end. The system closes that end however the parent dies, SIGKILL included, and the
# worker's blocking read returns: that is how a worker notices that it is an orphan.
PARENT_PIPE = 0
LINGER_SECONDS = 2.0
DISK_FULL = 74  # exit code (EX_IOERR in sysexits.h): the outcome cannot be written


class WorkerFiles:
    """The files through which one worker and its parent exchange data.

    Attributes:
        folder: Folder shared by all processes of a run.
        rank: Number of the worker, from 0.
        result: The pickled return value, present once the work has returned.
        error: JSON with type, message and time, present after an exception.
        log: Everything that the worker wrote to its standard output and error.
        said: One line of JSON per warning; exists if the parent wants to have them.
        work: The pickled work of fresh processes, one file for all ranks.
    """

    def __init__(self, folder: Path, rank: int) -> None:
        """Name the files; none is created."""
        self.folder, self.rank = folder, rank
        self.result = folder / f"{rank}.result"
        self.error = folder / f"{rank}.error"
        self.log = folder / f"{rank}.log"
        self.said = folder / f"{rank}.said"
        self.work = folder / "work.pickle"


def _write_atomically(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)  # the parent, which polls, sees the whole file or none


def _write_error(files: WorkerFiles, error: BaseException, returned: str = "") -> None:
    # The exception itself is not sent: it may not be picklable, or its class may be
    # missing in the parent. Type, message and log are all that the parent reports.
    report = {
        "type": type(error).__name__,
        "message": str(error),
        "returned": returned,
        "time": time.monotonic(),  # shared by all processes and never set back
    }
    _write_atomically(files.error, json.dumps(report).encode())
    traceback.print_exception(type(error), error, error.__traceback__)


def _pickle(value: object, by_reference: bool) -> bytes:
    if by_reference:
        # Plain pickle names a class of `__main__`, so the parent gets instances of
        # its own class; cloudpickle would send a copy of the class.
        with suppress(Exception):
            return pickle.dumps(value)
    return cloudpickle.dumps(value)


def _kill_own_group() -> None:
    """Kill this process and the data loader workers that it may have started."""
    # Only as the leader of its group: else the kernel and its parents would die, too.
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def _end_with_parent(folder: Path) -> None:
    with suppress(OSError):
        os.read(PARENT_PIPE, 1)  # returns when the parent closes the pipe or dies
    shutil.rmtree(folder, ignore_errors=True)  # a parent that was killed cannot
    _kill_own_group()


def redirect_output(log: Path) -> None:
    """Send all output of a forked process to ``log``, also through old references.

    A kernel's ``sys.stdout`` writes to sockets that belong to the parent, and logging
    handlers keep references to it: its methods are replaced, not only its name.
    """
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    stream = open(  # noqa: SIM115
        1, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False
    )
    for old in (sys.stdout, sys.stderr):
        with suppress(AttributeError):
            old.write, old.flush = stream.write, stream.flush
    sys.stdout = sys.stderr = stream


def _write_outcome(
    work: Callable[[], object], files: WorkerFiles, forked: bool
) -> None:
    """Write what ``work`` returned or raised to ``files``.

    Raises:
        OSError: If the disk is full.
    """
    collecting = collect_messages(files.said) if files.said.exists() else nullcontext()
    try:
        with collecting:
            value = work()
    except BaseException as error:  # Lightning turns an interrupt into SystemExit
        _write_error(files, error)
        return
    try:
        content = _pickle(value, by_reference=forked)
    except Exception as error:
        _write_error(files, error, returned=type(value).__name__)
        return
    _write_atomically(files.result, content)


def run_worker(
    work: Callable[[], object], files: WorkerFiles, *, forked: bool
) -> NoReturn:
    """Run ``work``, write its result or its error, and end the process.

    A forked process shares ``__main__`` with its parent.
    """
    folder = (files.folder,)
    threading.Thread(target=_end_with_parent, args=folder, daemon=True).start()
    try:
        _write_outcome(work, files, forked)
    except OSError:
        os._exit(DISK_FULL)
    # A slower rank may still need this one's sockets, so stay for a moment. Not for
    # ever: a rank that waits in a collective for this one should soon get an error.
    time.sleep(LINGER_SECONDS)
    os._exit(0)  # no exit handlers: a forked process inherited those of the kernel


def main() -> NoReturn:
    """Run as a fresh process; the command line names the folder and the rank."""
    files = WorkerFiles(Path(sys.argv[1]), int(sys.argv[2]))
    use_short_sockets()
    run_worker(lambda: pickle.loads(files.work.read_bytes())(), files, forked=False)
