"""Two ways of starting a process of a run: fork this one, or start a fresh Python."""

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
from typing import Any, Literal

import cloudpickle

from course_utils.distributed.errors import Process
from course_utils.distributed.worker import LIFELINE, Mailbox, redirect, serve

Method = Literal["fork", "fresh"]
ENTRY = "from course_utils.distributed.worker import main; main()"


@dataclass(frozen=True)
class Seat:
    """What one rank is given on its way.

    Attributes:
        mailbox: Where it leaves result, error and log.
        names: Environment variables that make it a member of the group.
        lifeline: Read end of a pipe that closes when the parent lets go or dies.
        hold: Write end of that pipe, the parent's.
    """

    mailbox: Mailbox
    names: dict[str, str]
    lifeline: int
    hold: int


@dataclass
class Forked:
    """A forked child of this process, under the names that `Popen` uses."""

    pid: int
    _code: int | None = field(default=None, repr=False)

    def _collect(self, flags: int) -> int | None:
        if self._code is None:
            pid, status = os.waitpid(self.pid, flags)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code

    def poll(self) -> int | None:
        """Return the exit code, or None while the child runs."""
        return self._collect(os.WNOHANG)

    def kill(self) -> None:
        """Send SIGKILL; SIGTERM does not end a child that hangs in a collective."""
        if self._code is None:
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Wait for the child to end and return its exit code."""
        return self._collect(0) or 0


def choose_method() -> Method:
    """Return ``"fork"`` where forking is safe, else ``"fresh"``.

    A forked process can use neither an accelerator nor, once the parent used one,
    autograd, and it cannot join a second process group. Only Linux forks safely.
    """
    if sys.platform != "linux":
        return "fresh"
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return "fork"
    accelerated = torch.cuda.is_available() or torch.accelerator.is_available()
    grouped = torch.distributed.is_available() and torch.distributed.is_initialized()
    return "fresh" if accelerated or grouped else "fork"


def _forget_parent(rank: int) -> None:
    """Undo what torch and Lightning took from the parent when they were imported."""
    if torch := sys.modules.get("torch"):
        # The parent's OpenMP threads do not exist here; an operation that counts on
        # them waits for ever.
        torch.set_num_threads(1)
    if rank_zero := sys.modules.get("lightning_utilities.core.rank_zero"):
        rank_zero.rank_zero_only.rank = rank
    # A copy of a kernel counts as interactive, where Lightning refuses "ddp".
    sys.__dict__.pop("ps1", None)
    for module in list(sys.modules.values()):
        if "_IS_INTERACTIVE" in getattr(module, "__dict__", {}):
            module.__dict__["_IS_INTERACTIVE"] = False


def _take(seat: Seat) -> None:
    """Turn a forked copy of the parent into a rank."""
    os.setpgid(0, 0)  # an interrupt of the kernel's group is the parent's to handle
    redirect(seat.mailbox.log)
    os.dup2(seat.lifeline, LIFELINE)
    os.close(seat.hold)  # else the child would keep its own lifeline alive
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    os.environ.update(seat.names)
    _forget_parent(seat.mailbox.rank)


def _fork_quietly() -> int:
    with warnings.catch_warnings():
        # Python 3.12 warns of threads; the child uses none of the parent's.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def fork(work: Callable[[], object], seat: Seat) -> Forked:
    """Start one rank as a copy of this process."""
    # An interrupt between the fork and the `try` would run the kernel's code twice.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        if pid := _fork_quietly():
            return Forked(pid)
        try:
            _take(seat)
            serve(work, seat.mailbox, forked=True)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def pack(work: Callable[[], object], mailbox: Mailbox) -> None:
    """Write ``work`` for fresh processes, by value if it was defined in a notebook.

    Raises:
        TypeError: If ``work`` uses something that cannot be pickled.
    """
    try:
        mailbox.work.write_bytes(cloudpickle.dumps(work))
    except (TypeError, ValueError, RuntimeError, pickle.PicklingError) as error:
        raise TypeError(
            "Expected `work` to use only what can be pickled for a fresh process but "
            f"got: {error}. Create files, locks and generators inside `work`."
        ) from error


def fresh(work: Callable[[], object], seat: Seat) -> "subprocess.Popen[bytes]":
    """Start one rank as a new Python; it loads the work that `pack` wrote."""
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    mailbox = seat.mailbox
    with mailbox.log.open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-c", ENTRY, str(mailbox.folder), str(mailbox.rank)],
            # The log is UTF-8, whatever the locale: a print must not fail in a rank.
            env={
                **os.environ,
                **seat.names,
                "PYTHONPATH": path,
                "PYTHONIOENCODING": "utf-8:replace",
            },
            stdin=seat.lifeline,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=os.name != "nt",
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )


def end(process: Process) -> None:
    """Kill a process and the data loader workers of its group, and wait for it."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
