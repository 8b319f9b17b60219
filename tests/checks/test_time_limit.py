import contextlib
import signal
import threading
import time

import pytest

from course_utils.checks import time_limit as module
from course_utils.checks.time_limit import TimeLimitReached, time_limit

posix = pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="has no SIGALRM")


def spin(seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def in_a_thread(work) -> list[str]:
    """Run ``work`` in another thread and return the names of what it raised."""
    raised = []

    def catch() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(type(error).__name__)

    thread = threading.Thread(target=catch)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    return raised


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.2)


def test_a_loop_without_end_is_stopped():
    with pytest.raises(TimeLimitReached), time_limit(0.05):
        spin()


@posix
def test_sleep_is_stopped():
    with pytest.raises(TimeLimitReached), time_limit(0.05):
        time.sleep(20)


def test_what_ends_in_time_is_left_alone():
    with time_limit(0.1):
        done = True
    spin(0.2)
    assert done


def test_an_error_inside_comes_out_unchanged():
    with pytest.raises(KeyError, match="mine"), time_limit(5):
        raise KeyError("mine")


def swallows_exceptions(limit: float = 0.05) -> None:
    with time_limit(limit), contextlib.suppress(Exception):
        spin()


def swallows_everything_once(limit: float = 0.05) -> None:
    with time_limit(limit):
        with contextlib.suppress(BaseException):
            spin()
        spin()


def test_except_exception_does_not_swallow_it():
    with pytest.raises(TimeLimitReached):
        swallows_exceptions()
    assert not issubclass(TimeLimitReached, Exception)


def test_swallowed_once_it_comes_again(impatient):
    with pytest.raises(TimeLimitReached):
        swallows_everything_once()


def test_it_comes_again_in_another_thread_too(impatient):
    assert in_a_thread(swallows_everything_once) == ["TimeLimitReached"]


def test_a_loop_in_another_thread_is_stopped():
    assert in_a_thread(swallows_exceptions) == ["TimeLimitReached"]


def test_what_ends_in_time_in_another_thread_is_left_alone(impatient):
    def work() -> None:
        for _ in range(50):  # the limit runs out about when the block ends
            with contextlib.suppress(TimeLimitReached), time_limit(0.003):
                spin(0.003)
        spin(0.2)

    assert in_a_thread(work) == []


def test_no_clock_outlives_its_block():
    before = threading.active_count()

    def work() -> None:
        with time_limit(60):
            assert threading.active_count() == before + 2  # this thread, its clock

    assert in_a_thread(work) == []
    end = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.01)
    assert threading.active_count() == before


@posix
def test_the_previous_handler_is_put_back_also_after_a_stop():
    def mine(*_):
        raise AssertionError("must not be called")

    old = signal.signal(signal.SIGALRM, mine)
    try:
        with contextlib.suppress(TimeLimitReached), time_limit(0.02):
            spin()
        assert signal.getsignal(signal.SIGALRM) is mine
        with time_limit(5):
            assert signal.getsignal(signal.SIGALRM) is not mine
        assert signal.getsignal(signal.SIGALRM) is mine
    finally:
        signal.signal(signal.SIGALRM, old)


@posix
def test_an_outer_limit_holds_after_an_inner_one_ended():
    def work() -> None:
        with time_limit(0.2):
            with time_limit(10):
                pass
            spin()

    with pytest.raises(TimeLimitReached):
        work()


@posix
def test_an_alarm_clock_that_ran_before_goes_on():
    before = signal.setitimer(signal.ITIMER_REAL, 100)  # pytest-timeout may use it
    try:
        with time_limit(1):
            pass
        left, _ = signal.getitimer(signal.ITIMER_REAL)
        assert 50 < left <= 100
    finally:
        signal.setitimer(signal.ITIMER_REAL, *before)


@posix
def test_no_alarm_is_left_whenever_the_block_ends(impatient):
    before = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        for _ in range(100):  # the limit runs out about when the block ends
            with contextlib.suppress(TimeLimitReached), time_limit(0.002):
                spin(0.002)
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, *before)


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_limit_that_is_none_is_refused(seconds):
    with pytest.raises(ValueError, match="Expected `seconds` above 0"):
        time_limit(seconds).__enter__()
