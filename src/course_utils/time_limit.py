"""Stop code that does not end by itself."""

import contextlib
import ctypes
import signal
import threading
from collections.abc import Callable, Iterator


class TimeLimitReached(BaseException):
    """Raised in the main thread when time is up.

    Not an ``Exception``: code that catches every exception must not swallow it.
    """


def _raise(*_: object) -> None:
    raise TimeLimitReached


def _alarm(seconds: float) -> Callable[[], None]:
    previous = signal.signal(signal.SIGALRM, _raise)
    # Again every second, should the first one be swallowed on its way.
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)

    def cancel() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)

    return cancel


def _timer(seconds: float) -> Callable[[], None]:
    """Return a canceller of a timer for systems and threads without SIGALRM."""
    thread = ctypes.c_ulong(threading.get_ident())
    timer = threading.Timer(
        seconds,
        lambda: ctypes.pythonapi.PyThreadState_SetAsyncExc(
            thread, ctypes.py_object(TimeLimitReached)
        ),
    )
    timer.daemon = True
    timer.start()
    return timer.cancel


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeLimitReached` if the block is still running after ``seconds``.

    It interrupts Python code. Inside one long call into C it has to wait for its end.

    Example:
        >>> with time_limit(0.05):
        ...     while True:
        ...         pass
        Traceback (most recent call last):
        course_utils.time_limit.TimeLimitReached
    """
    main = threading.current_thread() is threading.main_thread()
    cancel = _alarm(seconds) if main and hasattr(signal, "SIGALRM") else _timer(seconds)
    try:
        yield
    finally:
        cancel()
