"""Two ways to start a worker: fork this process, or start a fresh Python.

A fork is ready at once and shares the notebook's objects and classes, but it inherits
the parent's state and only the thread that forked; `_reset_inherited_state` repairs
what torch and Lightning derived from that. A fresh process starts clean and works on
every system, at the price of its imports and of pickling ``work``.
"""

import os
import pickle
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import cloudpickle

from course_utils.distributed.worker import (
    PARENT_PIPE,
    WorkerFiles,
    redirect_output,
    run_worker,
)

Method = Literal["fork", "fresh"]
ENTRY = "from course_utils.distributed.worker import main; main()"


@dataclass(frozen=True)
class WorkerSetup:
    """What one worker is started with.

    Attributes:
        files: Where it writes result, error and log.
        environment: Variables that make it a member of the process group.
        parent_pipe: Read end of a pipe that closes when the parent is done or dies.
        write_end: Write end of that pipe, for the parent alone.
    """

    files: WorkerFiles
    environment: dict[str, str]
    parent_pipe: int
    write_end: int


@dataclass
class ForkedProcess:
    """A forked child of this process, with the methods of `Popen` that a run needs."""

    pid: int
    _code: int | None = field(default=None, repr=False)

    def _reap(self, flags: int) -> int | None:
        if self._code is None:  # a second `waitpid` would raise ChildProcessError
            pid, status = os.waitpid(self.pid, flags)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code

    def poll(self) -> int | None:
        """Return the exit code (minus the signal's number if killed), or None."""
        return self._reap(os.WNOHANG)

    def kill(self) -> None:
        """Send SIGKILL; SIGTERM does not end a child that hangs in a collective."""
        if self._code is None:  # once reaped, the pid may belong to another process
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Wait for the child to end and return its exit code."""
        return self._reap(0) or 0


Process = ForkedProcess | subprocess.Popen[bytes]


def _autograd_has_threads() -> bool:
    """Return whether autograd started threads for devices: a fork would lack them.

    It does so in the first backward pass after torch saw a GPU, or a fake tensor that
    claims to be on one.
    """
    for name in Path("/proc/self/task").glob("*/comm"):
        with suppress(OSError):  # a thread may end meanwhile
            if name.read_text().startswith("pt_autograd"):
                return True
    return False


def choose_method() -> Method:
    """Return ``"fork"`` where forking is safe, else ``"fresh"``.

    A forked process cannot use an accelerator, nor autograd once the parent has used
    an accelerator, and it cannot join a second process group. macOS has fork, but its
    system libraries may crash after it.
    """
    if sys.platform != "linux":
        return "fresh"
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return "fork"
    accelerated = torch.cuda.is_available() or torch.accelerator.is_available()
    grouped = torch.distributed.is_available() and torch.distributed.is_initialized()
    unsafe = accelerated or grouped or _autograd_has_threads()
    return "fresh" if unsafe else "fork"


def _reset_inherited_state(rank: int) -> None:
    """Correct what torch and Lightning concluded in the parent when imported there."""
    if torch := sys.modules.get("torch"):
        # A fork copies only the thread that called it. torch still counts on the
        # parent's OpenMP threads, and a parallel operation would wait for them for
        # ever.
        torch.set_num_threads(1)
    if rank_zero := sys.modules.get("lightning_utilities.core.rank_zero"):
        # Read from the environment at import; else every rank would log as rank 0.
        rank_zero.rank_zero_only.rank = rank
    # A copy of a kernel counts as interactive, where Lightning refuses "ddp".
    sys.__dict__.pop("ps1", None)
    for module in list(sys.modules.values()):
        if "_IS_INTERACTIVE" in getattr(module, "__dict__", {}):
            module.__dict__["_IS_INTERACTIVE"] = False


def _become_worker(setup: WorkerSetup) -> None:
    """Turn a forked copy of the parent into a worker."""
    # A process group for this worker and its data loader workers: they can be killed
    # together, and Ctrl-C, sent to the kernel's group, is left to the parent.
    os.setpgid(0, 0)
    redirect_output(setup.files.log)
    os.dup2(setup.parent_pipe, PARENT_PIPE)
    # The pipe closes with its last write end: a copy kept here would keep it open.
    os.close(setup.write_end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    os.environ.update(setup.environment)
    _reset_inherited_state(setup.files.rank)


def _fork_without_warning() -> int:
    with warnings.catch_warnings():
        # Python 3.12 warns that the parent has threads; the child uses none of them.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def start_fork(work: Callable[[], object], setup: WorkerSetup) -> ForkedProcess:
    """Start one worker as a copy of this process."""
    # SIGINT is blocked until the child is inside `try`: an interrupt before that would
    # unwind the child's copy of the stack, which is the kernel's, and run its code in
    # two processes.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        if pid := _fork_without_warning():
            return ForkedProcess(pid)
        try:
            _become_worker(setup)
            run_worker(work, setup.files, forked=True)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)  # never return into the kernel's code
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def pickle_work(work: Callable[[], object], files: WorkerFiles) -> None:
    """Write ``work`` for fresh processes, by value if it was defined in a notebook.

    Raises:
        TypeError: If ``work`` uses something that cannot be pickled.
    """
    try:
        files.work.write_bytes(cloudpickle.dumps(work))
    except (TypeError, ValueError, RuntimeError, pickle.PicklingError) as error:
        raise TypeError(
            "Expected `work` to use only what can be pickled for a fresh process but "
            f"got: {error}. Create files, locks and generators inside `work`."
        ) from error


def start_fresh(
    work: Callable[[], object], setup: WorkerSetup
) -> "subprocess.Popen[bytes]":
    """Start one worker as a new Python; it loads the work that `pickle_work` wrote."""
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    files = setup.files
    with files.log.open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-c", ENTRY, str(files.folder), str(files.rank)],
            # The log is UTF-8 whatever the locale: a print must not fail in a worker.
            env={
                **os.environ,
                **setup.environment,
                "PYTHONPATH": path,
                "PYTHONIOENCODING": "utf-8:replace",
            },
            stdin=setup.parent_pipe,  # file descriptor 0, which is PARENT_PIPE
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=os.name != "nt",  # its own group, as for a fork
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )


def kill_group(process: Process) -> None:
    """Kill a worker and the data loader workers of its group, and wait for it.

    The whole group, because a killed worker cannot stop its data loader workers, which
    notice only after seconds that they are orphans.
    """
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()  # also where there are no groups, or a fork has not set its own yet
    process.wait()
