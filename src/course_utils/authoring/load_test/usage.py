"""What a server and its kernels take: memory while they run, processor time after."""

import contextlib
import threading
from dataclasses import dataclass
from types import TracebackType

import psutil

_MEGABYTE = 2**20


@dataclass(frozen=True)
class Memory:
    """Memory at one moment, in megabytes.

    Attributes:
        kernels: Of all kernels with their child processes. A page that several
            processes share counts once: each has its part of it (Linux's PSS).
        private: That part of it that no two processes share (USS).
        server: Of the server itself, its part of shared pages included.
    """

    kernels: float = 0.0
    private: float = 0.0
    server: float = 0.0

    @property
    def total(self) -> float:
        """Memory of the server and of all kernels."""
        return self.kernels + self.server


@dataclass(frozen=True)
class ProcessorTime:
    """Seconds of processor time so far.

    Attributes:
        kernels: Of all kernels that have ended, with their child processes.
        server: Of the server itself.
    """

    kernels: float
    server: float


def check_measurable() -> None:
    """Look for what only Linux tells: how many processes share a page.

    Raises:
        ValueError: If this system does not.
    """
    if not psutil.LINUX:
        raise ValueError(
            "Expected Linux, which tells what memory processes share, as on most "
            "servers: run the load test there."
        )


def memory(server: psutil.Process) -> Memory:
    """Return the memory of ``server`` and of its child processes at this moment."""
    kernels = private = 0.0
    for process in server.children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has just ended
            used = process.memory_full_info()
            kernels += used.pss / _MEGABYTE
            private += used.uss / _MEGABYTE
    return Memory(kernels, private, server.memory_full_info().pss / _MEGABYTE)


def processor_time(server: psutil.Process) -> ProcessorTime:
    """Return processor time until now; a kernel counts from the moment it has ended."""
    times = server.cpu_times()
    return ProcessorTime(
        times.children_user + times.children_system, times.user + times.system
    )


class Peak:
    """Follow the memory of a server and its kernels inside a ``with`` block.

    Attributes:
        memory: The sample with the largest total so far.
        samples: How many were taken.
    """

    def __init__(self, server: psutil.Process, every: float = 1.0) -> None:
        """Take a sample of ``server`` and its children each ``every`` seconds."""
        self.memory = Memory()
        self.samples = 0
        self._server = server
        self._every = every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def sample(self) -> None:
        """Take a sample now."""
        with contextlib.suppress(psutil.Error):  # the server has ended
            now = memory(self._server)
            self.memory = max(self.memory, now, key=lambda each: each.total)
            self.samples += 1

    def _follow(self) -> None:
        while not self._over.wait(self._every):
            self.sample()

    def __enter__(self) -> "Peak":
        """Begin to take samples."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take no more samples."""
        self._over.set()
        self._thread.join()
