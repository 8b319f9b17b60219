"""Run one lesson in many kernels at the same time and measure what they take.

The kernels are started here and not by a Jupyter server: a server only relays their
messages, and its memory does not depend on what they do. It is measured by itself.
"""

import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
from nbformat import NotebookNode

from course_utils import ready_kernel
from course_utils.authoring.cell_progress import OnCell
from course_utils.authoring.compare_outputs import (
    ENVIRONMENT,
    SANITIZE,
    differing_cells,
    sanitizer,
)
from course_utils.authoring.execute import ExecutedNotebook, execute_notebook
from course_utils.authoring.load_test.record import Load
from course_utils.authoring.load_test.server import server_megabytes
from course_utils.authoring.notebook_files import read_notebook

MOST = 64
LIMIT = 1800  # seconds for one cell, which all learners may be running at once
SAMPLE_SECONDS = 1.0
_MEGABYTE = 2**20

Memory = tuple[float, float]


def kernel_memory() -> Memory:
    """Return the memory of all child processes in MB: the total and its private part.

    In the total, a page that several processes share counts once (Linux's PSS); the
    private part is what no two processes share (USS).
    """
    total = private = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has just ended
            used = process.memory_full_info()
            total += used.pss / _MEGABYTE
            private += used.uss / _MEGABYTE
    return total, private


def _processor_seconds() -> float:
    """Return the processor time of all child processes that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def _learn(
    stored: NotebookNode, folder: Path, everyone: threading.Barrier, on_cell: OnCell
) -> ExecutedNotebook:
    """Execute a notebook; its seconds end with the last cell that ran."""
    folder.mkdir()
    times = [time.perf_counter()]

    def follow(done: int, total: int) -> None:
        times.append(time.perf_counter())
        on_cell(done, total)
        if done == total:
            # The kernel ends only when all learners are done: in a class, those who
            # finish early keep the notebook open.
            with suppress(threading.BrokenBarrierError):
                everyone.wait()

    try:
        run = execute_notebook(
            stored,
            folder,
            environment={**ENVIRONMENT, "COURSE_CACHE_DIR": str(folder.parent)},
            on_cell=follow,
            timeout_seconds=LIMIT,
        )
    finally:
        everyone.abort()  # a learner whose lesson failed never reaches the barrier
    return replace(run, seconds=times[-1] - times[0])


def _kill_kernels() -> None:
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            process.kill()


def learn_together(
    stored: NotebookNode, folder: Path, count: int, on_cell: OnCell
) -> tuple[list[ExecutedNotebook], Memory, Memory | None]:
    """Run a notebook in as many kernels at once as there are learners.

    Args:
        stored: The notebook.
        folder: Where each gets a folder of its own.
        count: Number of learners.
        on_cell: Called with (code cells done, code cells in total) of all learners.

    Returns:
        The executions, the memory at its peak, and that after the last cell of all; it
        is None if a learner did not come so far.
    """
    samples: list[Memory] = [kernel_memory()]
    at_end: list[Memory] = []
    cells_done = [0] * count
    everyone = threading.Barrier(count, lambda: at_end.append(kernel_memory()))

    def learn(place: int) -> ExecutedNotebook:
        def follow(done: int, total: int) -> None:
            cells_done[place] = done
            on_cell(sum(cells_done), total * count)

        return _learn(stored, folder / f"learner_{place + 1:02}", everyone, follow)

    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(learn, place) for place in range(count)]
        try:
            while wait(futures, SAMPLE_SECONDS).not_done:
                samples.append(kernel_memory())
        except KeyboardInterrupt:
            # Threads cannot be interrupted, but each ends with its kernel. Repeated,
            # because some may be starting one just now.
            everyone.abort()
            while wait(futures, 0.1).not_done:
                _kill_kernels()
            raise
    runs = [future.result() for future in futures]
    return runs, max(samples + at_end), at_end[0] if at_end else None


def remarks_on(
    stored: NotebookNode,
    runs: Sequence[ExecutedNotebook],
    sanitize: Callable[[str], str],
) -> list[str]:
    """Return one sentence per learner, ``""`` for one with the stored outputs.

    Args:
        stored: The notebook with the correct outputs.
        runs: Its executions.
        sanitize: What hides the measurements of a text.
    """
    remarks = []
    for number, run in enumerate(runs, start=1):
        remark = run.failure
        if not remark and (cells := differing_cells(stored, run.notebook, sanitize)):
            numbers = ", ".join(map(str, cells))
            remark = f"other outputs than stored in code cell {numbers}."
        remarks.append(remark and f"Learner {number}: {remark}")
    return remarks


def summarize(
    runs: Sequence[ExecutedNotebook],
    remarks: Sequence[str],
    memory: Memory,
    processor_seconds: float,
    server: float,
) -> Load:
    """Return the record of one load.

    Args:
        runs: Executions of all learners.
        remarks: What went wrong with each, or ``""``.
        memory: Of all kernels at the peak, total and private, in MB.
        processor_seconds: Of all kernels.
        server: Memory of a Jupyter server in MB.
    """
    seconds = [run.seconds for run in runs]
    return Load(
        learners=len(runs),
        finished=sum(run.ok for run in runs),
        right=sum(not remark for remark in remarks),
        median_seconds=round(statistics.median(seconds), 1),
        slowest_seconds=round(max(seconds), 1),
        processor_seconds=round(processor_seconds / len(runs), 1),
        kernels_megabytes=round(memory[0], 1),
        private_megabytes=round(memory[1], 1),
        server_megabytes=round(server, 1),
    )


def check(notebook: Path, count: int) -> None:
    """Check what a load needs before it begins.

    Raises:
        ValueError: If there are too many learners, or something is missing.
    """
    if not psutil.LINUX:
        raise ValueError(
            "Expected Linux, which reports the memory that processes share, as on most "
            "servers: run the load test there."
        )
    if not 1 <= count <= MOST:
        raise ValueError(f"Expected from 1 to {MOST} learners but got {count}.")
    if not notebook.is_file():
        raise ValueError(f"Expected {notebook} to be there: run `make sync`.")


def measure(
    notebook: Path,
    course: Path,
    count: int,
    on_cell: OnCell = lambda done, total: None,
) -> tuple[Load, tuple[str, ...]]:
    """Run ``notebook`` in ``count`` kernels at once.

    All kernels stay until the last learner is done. Nothing is written outside a
    temporary folder.

    Args:
        notebook: An executed notebook with the correct outputs.
        course: The course's folder.
        count: Number of learners.
        on_cell: Called with (code cells done, code cells in total) of all learners.

    Returns:
        The record, and one sentence for each learner with a failure or other outputs.

    Raises:
        ValueError: If the load cannot be run at all.
        RuntimeError: If a kernel or the server does not start.
    """
    check(notebook, count)
    stored = read_notebook(notebook)
    server = server_megabytes()
    ready_kernel.begin(wait=True)  # as a server has it before learners come
    before = _processor_seconds()
    with tempfile.TemporaryDirectory() as folder:
        runs, memory, _ = learn_together(stored, Path(folder), count, on_cell)
    used = _processor_seconds() - before
    remarks = remarks_on(stored, runs, sanitizer(course / SANITIZE))
    load = summarize(runs, remarks, memory, used, server)
    return load, tuple(filter(None, remarks))
