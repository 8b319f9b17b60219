"""Stop code that does not end by itself."""

import contextlib
import ctypes
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

AGAIN_SECONDS = 1.0  # should the first one be swallowed on its way


class TimeLimitReached(BaseException):
    """Raised in the thread that is limited when time is up.

    Not an ``Exception``: code that catches every exception must not swallow it.
    """


def _raise(*_: object) -> None:
    raise TimeLimitReached


class _Alarm:
    """The system's alarm clock; one that was running before continues afterwards."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._start = time.monotonic()
        self._left = self._interval = 0.0
        self._previous: Any = signal.getsignal(signal.SIGALRM) or signal.SIG_DFL

    def start(self) -> None:
        signal.signal(signal.SIGALRM, _raise)
        self._left, self._interval = signal.setitimer(
            signal.ITIMER_REAL, self._seconds, AGAIN_SECONDS
        )

    def stop(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._previous)
        if self._left:
            rest = self._left - (time.monotonic() - self._start)
            signal.setitimer(signal.ITIMER_REAL, max(rest, 1e-3), self._interval)


class _Watcher:
    """A clock in a thread, for systems and threads without SIGALRM."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._limited = ctypes.c_ulong(threading.get_ident())
        self._over = threading.Event()
        self._lock = threading.Lock()

    def _throw(self, error: Any) -> None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(self._limited, error)

    def _watch(self) -> None:
        wait = self._seconds
        while not self._over.wait(wait):
            with self._lock:
                if not self._over.is_set():
                    self._throw(ctypes.py_object(TimeLimitReached))
            wait = AGAIN_SECONDS

    def start(self) -> None:
        threading.Thread(target=self._watch, daemon=True).start()

    def stop(self) -> None:
        self._over.set()
        with self._lock:
            self._throw(None)  # one that is on its way must not arrive later


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeLimitReached` if the block is still running after ``seconds``.

    It interrupts Python code. Inside one long call into C it has to wait for its end.

    Raises:
        ValueError: If ``seconds`` is not above 0.

    Example:
        >>> with time_limit(0.05):
        ...     while True:
        ...         pass
        Traceback (most recent call last):
        course_utils.checks.time_limit.TimeLimitReached
    """
    if not seconds > 0:
        raise ValueError(f"Expected `seconds` above 0 but got {seconds}.")
    main = threading.current_thread() is threading.main_thread()
    clock = (_Alarm if main and hasattr(signal, "SIGALRM") else _Watcher)(seconds)
    try:
        try:
            clock.start()
            yield
        finally:
            clock.stop()
    finally:  # should time be up while it was being stopped
        clock.stop()
