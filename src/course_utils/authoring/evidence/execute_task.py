"""Execute a task in a clean kernel and collect what it recorded."""

import datetime
import platform
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import nbformat
import psutil

from course_utils.authoring.evidence.claim_records import Findings, read
from course_utils.authoring.evidence.tasks import Outcome, Task
from course_utils.distributed.errors import MAKE_ROOM

PACKAGES = ("torch", "torchvision", "lightning", "torchmetrics", "numpy")
OnCell = Callable[[int, int], None]


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.split(":", 1)[1] for line in lines if line.startswith("model name"))
    return next(named, platform.machine()).strip()


def machine() -> str:
    """Return system, processor, cores and memory, and nothing that names a machine."""
    gigabytes = psutil.virtual_memory().total / 2**30
    return (
        f"{platform.system()} {platform.machine()}, {_cpu_name()}, "
        f"{psutil.cpu_count()} cores, {gigabytes:.0f} GB"
    )


def versions() -> dict[str, str]:
    """Return the versions that a measurement may depend on."""
    found = {name: metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **found}


@contextmanager
def only_cores(cores: int) -> Iterator[None]:
    """Keep this thread, and every process it starts, on so many CPU cores.

    Args:
        cores: Their number; 0 for all that the thread may use now.

    Raises:
        ValueError: If there are fewer, or the system cannot do it.
    """
    if not cores:
        yield
        return
    import os

    if not hasattr(os, "sched_setaffinity"):
        raise ValueError(
            "Expected Linux, which can keep a process on some cores: leave --cores out."
        )
    usable = os.sched_getaffinity(0)
    if cores > len(usable):
        raise ValueError(
            f"Expected --cores to be at most {len(usable)} but got {cores}."
        )
    os.sched_setaffinity(0, sorted(usable)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, usable)


def _not_run(task: Task, error: Exception) -> str:
    return f"Lesson {task.lesson} could not be run: {error}"


def _execute(
    task: Task, notebook: str, folder: Path, file: Path, on_cell: OnCell | None
) -> tuple[str, float]:
    from course_utils.authoring.execute import execute_notebook  # 3 s, not for --help

    environment = {**task.environment(), "COURSE_EVIDENCE": str(file)}
    try:
        with only_cores(task.cores):
            run = execute_notebook(
                nbformat.reads(notebook, as_version=4),
                folder,
                environment=environment,
                on_cell=on_cell,
            )
    except (ValueError, RuntimeError, OSError) as error:
        return _not_run(task, error), 0.0
    return run.failure, run.seconds


def _collect(
    task: Task, notebook: str, folder: Path | None, on_cell: OnCell | None
) -> tuple[Findings, str, float]:
    """Return what a task recorded, why it failed or ``""``, and its seconds.

    Raises:
        OSError: If there is no room for what it records.
    """
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "claims.jsonl")
        home = folder or Path(scratch)
        failure, seconds = _execute(task, notebook, home, file, on_cell)
        try:
            return read(file), failure, seconds
        except ValueError as error:
            return Findings(), failure or str(error), seconds


def perform(
    task: Task,
    notebook: str,
    folder: Path | None = None,
    on_cell: OnCell | None = None,
) -> Outcome:
    """Return the outcome of a task; the stored notebook is left alone.

    Args:
        task: What to run.
        notebook: The lesson's notebook, as the text of its file.
        folder: Working directory of the kernel; by default an empty one.
        on_cell: Called with (code cells done, code cells in total).

    Raises:
        KeyboardInterrupt: If the user stopped it.
    """
    try:
        found, failure, seconds = _collect(task, notebook, folder, on_cell)
    except OSError as error:
        failure = f"{_not_run(task, error)}: {MAKE_ROOM}."
        found, seconds = Findings(), 0.0
    return Outcome(
        task=task,
        claims=found.claims,
        pairs=found.pairs,
        failure=failure,
        seconds=round(seconds, 2),
        versions=versions(),
        machine=machine(),
        date=datetime.date.today().isoformat(),
    )
