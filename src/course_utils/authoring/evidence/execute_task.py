"""Execute a task in a clean kernel and collect what it recorded."""

import datetime
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nbformat

from course_utils import jsonl
from course_utils.authoring import environment
from course_utils.authoring.evidence.tasks import Outcome, Task
from course_utils.distributed.errors import MAKE_ROOM
from course_utils.experiments.claims import Claim, Pair

PACKAGES = ("torch", "torchvision", "lightning", "torchmetrics", "numpy")
OnCell = Callable[[int, int], None]


def _not_run(task: Task, error: Exception) -> str:
    return f"Lesson {task.lesson} could not be run: {error}"


def claim_or_pair(entry: dict[str, Any]) -> Claim | Pair:
    """Return what a line of a kernel's file holds."""
    return Claim.from_json(entry) if "text" in entry else Pair.from_json(entry)


def _collect(
    task: Task,
    notebook: str,
    folder: Path | None,
    on_cell: OnCell | None,
    variables: Mapping[str, str],
    timeout_seconds: int,
) -> tuple[list[Claim | Pair], str, float]:
    """Return what a task recorded, why it failed or ``""``, and its seconds.

    Raises:
        OSError: If there is no room for what it records.
    """
    from course_utils.authoring.execute import execute_notebook  # 3 s, not for --help

    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "claims.jsonl")
        try:
            run = execute_notebook(
                nbformat.reads(notebook, as_version=4),
                folder or Path(scratch),
                environment={
                    **task.environment(),
                    **variables,
                    "COURSE_EVIDENCE": str(file),
                },
                on_cell=on_cell,
                timeout_seconds=timeout_seconds,
            )
            failure, seconds = run.failure, run.seconds
        except (ValueError, RuntimeError, OSError) as error:
            failure, seconds = _not_run(task, error), 0.0
        try:
            return jsonl.read(file, claim_or_pair), failure, seconds
        except ValueError as error:
            return [], failure or str(error), seconds


def execute_task(
    task: Task,
    notebook: str,
    folder: Path | None = None,
    on_cell: OnCell | None = None,
    *,
    variables: Mapping[str, str] | None = None,
    timeout_seconds: int = 600,
) -> Outcome:
    """Return the outcome of a task; the stored notebook is left alone.

    Args:
        task: What to run.
        notebook: The lesson's notebook, as the text of its file.
        folder: Working directory of the kernel; by default an empty one.
        on_cell: Called with (code cells done, code cells in total).
        variables: Environment variables that replace or extend the task's.
        timeout_seconds: Limit for one cell.

    Raises:
        KeyboardInterrupt: If the user stopped it.
    """
    try:
        found, failure, seconds = _collect(
            task, notebook, folder, on_cell, variables or {}, timeout_seconds
        )
    except OSError as error:
        found, failure, seconds = [], f"{_not_run(task, error)}: {MAKE_ROOM}.", 0.0
    return Outcome(
        task=task,
        claims=tuple(each for each in found if isinstance(each, Claim)),
        pairs=tuple(each for each in found if isinstance(each, Pair)),
        failure=failure,
        seconds=round(seconds, 2),
        versions=environment.versions(*PACKAGES),
        machine=str(environment.this_machine()),
        date=datetime.date.today().isoformat(),
    )
