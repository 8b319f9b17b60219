"""The stranger's script: copied for editing, shown, run, repaired."""

import contextlib
import io
import os
import runpy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import lightning as L

from course_utils.capstone.display import show_code, show_difference
from course_utils.capstone.repairs import read_repairs, repaired
from course_utils.capstone.script import put_copy, source_of
from course_utils.checks.learner_code import (
    LearnerError,
    learners_code,
    temporary_folder,
)
from course_utils.checks.time_limit import TimeLimitReached, time_limit
from course_utils.experiments import preserve_global_state

ORIGINAL = Path(__file__).with_name("train_demand.py")
REPAIRS = read_repairs(Path(__file__).with_name("repairs.diff"))
# How the check finds each of them; the last is not a fault of this script.
FOUND_BY = {"4.2": "reading", "10.1": "reading", "2.1": "running", "12.5": "running"}
FOUND_BY |= {"12.4": "reading, and it is not one"}
YOURS = Path("my_check") / ORIGINAL.name
SECONDS = 120.0
PARTS = {
    "data": ("# What a kilowatt-hour", "class Demand"),
    "model": ("class Demand", "def main"),
    "training": ("def main", "if __name__"),
}


@dataclass
class Ran:
    """One whole run of a script.

    Attributes:
        updates: Steps of the optimizers, of all fits together.
        tested: The metrics of its last test, by name.
        said: What it printed.
    """

    updates: int = 0
    tested: dict[str, float] = field(default_factory=dict)
    said: str = ""


def copy_script() -> Path:
    """Put a copy of the script beside the notebook and return its path.

    A copy that is there already stays as it is.
    """
    return put_copy(ORIGINAL, YOURS.parent)


def show_script(part: str) -> None:
    """Show one part of the script as the course gave it.

    Args:
        part: ``"data"``, ``"model"`` or ``"training"``.

    Raises:
        ValueError: If there is no such part.
    """
    if part not in PARTS:
        raise ValueError(f"Expected one of {', '.join(PARTS)} but got {part!r}.")
    text, (first, behind) = ORIGINAL.read_text("utf-8"), PARTS[part]
    show_code(text[text.index(first) : text.index(behind)])


def show_repair(practice: str) -> None:
    """Show the lines that one repair removes (-) and adds (+)."""
    before = ORIGINAL.read_text("utf-8")
    show_difference(before, repaired(before, practice, repairs=REPAIRS))


def write_solution(path: Path, without: str = "") -> Path:
    """Write the script with its repairs to ``path``, and return it.

    Args:
        path: The new file.
        without: A practice whose repair is left out; ``""``: all are made.
    """
    chosen = [practice for practice in REPAIRS if practice != without]
    text = repaired(ORIGINAL.read_text("utf-8"), *chosen, repairs=REPAIRS)
    path.write_text(text, encoding="utf-8")
    return path


def ran(path: str | Path = YOURS) -> Ran:
    """Run a script whole, in a temporary folder, and return what it did.

    It runs on the CPU, unless it names an accelerator: on a GPU the first script stops,
    which is for the check to say.

    Raises:
        LearnerError: If it is missing, raises, or does not end.
    """
    path = Path(path).absolute()
    source_of(path)
    found, printed = Ran(), io.StringIO()
    fit, test = L.Trainer.fit, L.Trainer.test

    def watched_fit(trainer: L.Trainer, *args: Any, **options: Any) -> None:
        fit(trainer, *args, **options)
        found.updates += trainer.global_step

    def watched_test(trainer: L.Trainer, *args: Any, **options: Any) -> Any:
        metrics = test(trainer, *args, **options)
        found.tested = {name: float(v) for each in metrics for name, v in each.items()}
        return metrics

    watched = mock.patch.multiple(L.Trainer, fit=watched_fit, test=watched_test)
    # Lightning's own variable for an argument that is not given.
    on_the_cpu = mock.patch.dict(os.environ, PL_TRAINER_ACCELERATOR="cpu")
    try:
        with (
            preserve_global_state(),
            time_limit(SECONDS),
            temporary_folder(),
            watched,
            on_the_cpu,
            learners_code(path.name),
            contextlib.redirect_stdout(printed),
        ):
            runpy.run_path(str(path), run_name="__main__")
    except TimeLimitReached as error:
        raise LearnerError(
            f"{path.name} was still running after {SECONDS:.0f} seconds."
        ) from error
    found.said = printed.getvalue().strip()
    return found


def run_script(path: str | Path = YOURS) -> None:
    """Run a script whole, in a temporary folder, and show what it prints."""
    try:
        print(ran(path).said)
    except LearnerError as error:
        print(error)
