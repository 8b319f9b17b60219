"""Run a function of a notebook in two processes, as torchrun would."""

import os
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from course_utils.distributed.environment import environment, free_port
from course_utils.distributed.errors import ProcessError, Rank, failure, timeout
from course_utils.distributed.start_methods import (
    Method,
    Seat,
    choose_method,
    end,
    fork,
    fresh,
    pack,
)
from course_utils.distributed.tempdir import no_room_is_told, temporary_folder
from course_utils.distributed.worker import Mailbox

T = TypeVar("T")

POLL_SECONDS = 0.02
GRACE_SECONDS = 0.3


def _check(work: object, processes: int, seconds: float, method: str | None) -> None:
    if not callable(work):
        raise TypeError(
            f"Expected `work` to be a function but got {type(work).__name__}; pass "
            "`work`, not `work()`."
        )
    if processes < 1:
        raise ValueError(f"Expected `processes` to be at least 1 but got {processes}.")
    if not seconds > 0:
        raise ValueError(f"Expected `timeout_seconds` above 0 but got {seconds}.")
    if method not in (None, "fork", "fresh"):
        raise ValueError(
            f"Expected `method` to be 'fork', 'fresh' or None but got {method!r}."
        )
    if method == "fork" and sys.platform != "linux":
        raise ValueError(
            f"Expected Linux for `method='fork'` but got {sys.platform}; leave "
            "`method` out."
        )


@contextmanager
def _started(
    work: Callable[[], object], folder: Path, processes: int, method: Method
) -> Iterator[list[Rank]]:
    start = fork if method == "fork" else fresh
    lifeline, hold = os.pipe()
    ranks: list[Rank] = []
    try:
        with free_port() as port:
            for rank in range(processes):
                names = environment(rank, processes, port)
                seat = Seat(Mailbox(folder, rank), names, lifeline, hold)
                ranks.append(Rank(seat.mailbox, start(work, seat)))
            yield ranks
    finally:
        # First the pipe: it also ends a process that an interrupt kept off the list.
        os.close(hold)
        os.close(lifeline)
        for rank in ranks:
            end(rank.process)


def _wait(ranks: list[Rank], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not all(rank.done() for rank in ranks):
        if error := failure(ranks):
            if len(ranks) > 1:  # the cause may show after its consequence
                time.sleep(GRACE_SECONDS)
            raise failure(ranks) or error
        if time.monotonic() > deadline:
            raise timeout(ranks, seconds)
        time.sleep(POLL_SECONDS)


def _result(rank: Rank) -> object:
    try:
        return pickle.loads(rank.mailbox.result.read_bytes())
    except Exception as error:
        raise ProcessError(
            f"Expected rank {rank.number} to return something that can be unpickled "
            f"but got {type(error).__name__}: {error}. Return numbers, lists, tensors "
            "or a state_dict.",
            rank.log(),
        ) from error


def run_processes(
    work: Callable[[], T],
    *,
    processes: int = 2,
    timeout_seconds: float = 60,
    method: Method | None = None,
) -> list[T]:
    """Return what ``work`` returns in each of several processes, rank 0 first.

    Each process finds the environment that torchrun would give it, so an ordinary
    ``Trainer(accelerator="cpu", devices=2, strategy="ddp")`` inside ``work`` joins
    the others through gloo on this machine, without a GPU. Each uses one thread.

    There are two ways of starting. A *fork* (quick) copies this process with all its
    objects and needs Linux without an accelerator. A *fresh* process (as long as the
    imports take) is a new Python that gets ``work`` pickled, like a script: it is
    used on Windows and macOS, with a GPU, and inside a process group.

    Nothing is seeded: forked processes all continue the random state of this one,
    fresh ones draw their own, so seed inside ``work``. What the processes print
    reaches only the error report. This process's environment, random state and process
    groups stay as they are, and no process outlives the call.

    Args:
        work: Called without arguments in each process. Changes it makes to objects
            stay in its process; return what you want to see.
        processes: Number of processes, which is also ``devices`` of the Trainer.
        timeout_seconds: All are killed after this time, including a fresh process's
            imports.
        method: ``"fork"``, ``"fresh"``, or None to choose what is safe here.

    Raises:
        ProcessError: If a process raises, dies, or returns what cannot be pickled,
            or there is no room for temporary files.
        ProcessTimeoutError: If time runs out; it is also a ``TimeoutError``.
        TypeError: If ``work`` is not callable or cannot be pickled for a fresh process.
        ValueError: If an argument is out of range or forking is impossible here.

    Example:
        >>> import os
        >>> run_processes(lambda: int(os.environ["RANK"]))
        [0, 1]
    """
    _check(work, processes, timeout_seconds, method)
    chosen = method or choose_method()
    with temporary_folder("processes") as folder:
        if chosen == "fresh":
            with no_room_is_told():
                pack(work, Mailbox(folder, 0))
        with _started(work, folder, processes, chosen) as ranks:
            _wait(ranks, timeout_seconds)
            return [_result(rank) for rank in ranks]  # type: ignore[misc]
