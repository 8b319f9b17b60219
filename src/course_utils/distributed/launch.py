"""Run a function of a notebook in several processes, as torchrun would."""

import os
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from course_utils import library_messages
from course_utils.distributed.environment import free_port, worker_environment
from course_utils.distributed.errors import (
    ProcessError,
    Worker,
    first_failure,
    timeout_error,
)
from course_utils.distributed.start_methods import (
    Method,
    WorkerSetup,
    choose_method,
    kill_group,
    pickle_work,
    start_fork,
    start_fresh,
)
from course_utils.distributed.tempdir import report_disk_full, temporary_folder
from course_utils.distributed.worker import WorkerFiles

T = TypeVar("T")

POLL_SECONDS = 0.02
GRACE_SECONDS = 0.3


def _check_arguments(
    work: object, processes: int, seconds: float, method: str | None
) -> None:
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
def _start_workers(
    work: Callable[[], object], folder: Path, processes: int, method: Method
) -> Iterator[list[Worker]]:
    start = start_fork if method == "fork" else start_fresh
    parent_pipe, write_end = os.pipe()
    workers: list[Worker] = []
    try:
        with free_port() as port:
            for rank in range(processes):
                files = WorkerFiles(folder, rank)
                if library_messages.is_collecting():
                    files.said.touch()
                variables = worker_environment(rank, processes, port)
                setup = WorkerSetup(files, variables, parent_pipe, write_end)
                workers.append(Worker(files, start(work, setup)))
            yield workers
    finally:
        # First the pipe: closing it also ends a worker that was started but, because
        # of an interrupt, is not in the list.
        os.close(write_end)
        os.close(parent_pipe)
        for worker in workers:
            kill_group(worker.process)


def _wait(workers: list[Worker], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not all(worker.finished() for worker in workers):
        if error := first_failure(workers):
            # Rank 1 may report a broken connection a moment before rank 0, whose
            # death broke it, shows as dead. Look again before naming a culprit.
            if len(workers) > 1:
                time.sleep(GRACE_SECONDS)
            raise first_failure(workers) or error
        if time.monotonic() > deadline:
            raise timeout_error(workers, seconds)
        time.sleep(POLL_SECONDS)


def _load_result(worker: Worker) -> object:
    try:
        return pickle.loads(worker.files.result.read_bytes())
    except Exception as error:
        raise ProcessError(
            f"Expected rank {worker.rank} to return something that can be unpickled "
            f"but got {type(error).__name__}: {error}. Return numbers, lists, tensors "
            "or a state_dict.",
            worker.log(),
        ) from error


def run_processes(
    work: Callable[[], T],
    *,
    processes: int = 2,
    timeout_seconds: float = 60,
    method: Method | None = None,
) -> list[T]:
    """Return what ``work`` returns in each of several processes, rank 0 first.

    Each process gets the environment variables that torchrun would set, so an ordinary
    ``Trainer(accelerator="cpu", devices=2, strategy="ddp")`` inside ``work`` joins
    the others through gloo on this machine, without a GPU. Each uses one thread.

    There are two start methods. A *fork* (quick) copies this process with all its
    objects and needs Linux without an accelerator. A *fresh* process (slow: it imports
    everything again) is a new Python that gets ``work`` pickled, like a script: it is
    used on Windows and macOS, with a GPU, and inside a process group.

    Nothing is seeded: forked processes all continue the random state of this one, and
    fresh ones start from a random state, so seed inside ``work``. What the processes
    print appears only in the error report; their warnings reach `contrast`, also those
    of a process that fails. This process's environment, random state and process groups
    are left unchanged, and no process outlives the call.

    Args:
        work: Called without arguments in each process. Changes it makes to objects
            stay in its process; return what you want to see.
        processes: Number of processes, which is also ``devices`` of the Trainer.
        timeout_seconds: All are killed after this time, including a fresh process's
            imports.
        method: ``"fork"``, ``"fresh"``, or None to choose what is safe here.

    Raises:
        ProcessError: If a process raises, dies, or returns what cannot be pickled,
            or the disk for temporary files is full.
        ProcessTimeoutError: If time runs out; it is also a ``TimeoutError``.
        TypeError: If ``work`` is not callable or cannot be pickled for a fresh process.
        ValueError: If an argument is out of range or forking is impossible here.

    Example:
        >>> import os
        >>> run_processes(lambda: int(os.environ["RANK"]))
        [0, 1]
    """
    _check_arguments(work, processes, timeout_seconds, method)
    chosen = method or choose_method()
    with temporary_folder("processes") as folder:
        if chosen == "fresh":
            with report_disk_full():
                pickle_work(work, WorkerFiles(folder, 0))
        with _start_workers(work, folder, processes, chosen) as workers:
            try:
                _wait(workers, timeout_seconds)
                return [_load_result(each) for each in workers]  # type: ignore[misc]
            finally:
                library_messages.add_from_processes(each.files.said for each in workers)
