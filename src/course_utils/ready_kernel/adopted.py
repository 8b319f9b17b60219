"""A kernel as its server sees it: a child that it did not start itself."""

import ctypes
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_SET_CHILD_SUBREAPER, _GET_CHILD_SUBREAPER = 36, 37  # <linux/prctl.h>
_one_at_a_time = threading.Lock()


@contextmanager
def adopting() -> Iterator[None]:
    """Let orphans among this process's descendants become its children, for a moment.

    Raises:
        OSError: If the system refuses.
    """
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    before = ctypes.c_int()
    with _one_at_a_time:
        prctl(_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0)
        if prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "cannot adopt processes")
        try:
            yield
        finally:
            prctl(_SET_CHILD_SUBREAPER, before.value, 0, 0, 0)


class AdoptedProcess:
    """What `LocalProvisioner` uses of a ``subprocess.Popen``.

    Attributes:
        pid: Process id; of its process group, too.
        returncode: None while it runs; then its exit status, or minus the signal that
            ended it.
    """

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        """Take charge of child ``pid``."""
        self.pid = pid
        self.returncode: int | None = None
        self._lock = threading.Lock()

    def _reap(self, options: int) -> int | None:
        with self._lock:
            if self.returncode is None:
                try:
                    pid, status = os.waitpid(self.pid, options)
                except ChildProcessError:  # somebody else has waited for it
                    pid, status = self.pid, 0
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
            return self.returncode

    def poll(self) -> int | None:
        """Return the exit status, or None while the process runs."""
        return self._reap(os.WNOHANG)

    def wait(self) -> int | None:
        """Return the exit status as soon as there is one."""
        return self._reap(0)

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask the process to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process."""
        self.send_signal(signal.SIGKILL)
