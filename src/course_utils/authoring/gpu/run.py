"""Run notebooks on the GPU one after the other, and keep the record after each."""

import dataclasses
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell

from course_utils import hardware, jsonl, settings, syllabus
from course_utils.authoring import environment
from course_utils.authoring.evidence.execute_task import execute_task
from course_utils.authoring.evidence.tasks import (
    Outcome,
    Task,
    code_digest,
    require_claims,
)
from course_utils.authoring.gpu import record
from course_utils.authoring.gpu.record import Row
from course_utils.authoring.notebook_files import read_notebook
from course_utils.data.locate import chosen_name, locate
from course_utils.experiments import machine
from course_utils.syllabus import Lesson

FOLDERS = ("notebooks", "solutions")
PACKAGES = ("torch", "lightning", "torchvision", "torchmetrics")
# Appended to the copy that runs: only the kernel itself knows what it held on the GPU.
LAST_CELL = """\
import json
from pathlib import Path
from course_utils import hardware
Path({file!r}).write_text(json.dumps([
    hardware.profile().accelerator, hardware.peak_gpu_memory()
]))"""


def setup() -> dict[str, Any]:
    """Return what all rows of a record share: the card, versions, data and seed.

    Raises:
        ValueError: If no GPU can be used here, or a setting is wrong.
    """
    if hardware.profile() != hardware.GPU:
        raise ValueError(f"Nothing is measured without a GPU. {machine.gpu()}.")
    data = chosen_name()
    locate(data)
    return {
        **hardware.gpu_details(),
        "machine": str(environment.this_machine()),
        "versions": environment.versions(*PACKAGES),
        "data": data,
        "seed": settings.seed(),
    }


def _device_faults(file: Path) -> tuple[dict[str, float], str]:
    """Return the kernel's peaks and why its run was none on a GPU, or ``""``."""
    if not file.is_file():
        return {}, ""  # a cell before the last one failed
    accelerator, peaks = json.loads(file.read_text("utf-8"))
    fault = "" if accelerator == "gpu" else "Its kernel could not use the GPU."
    return peaks, fault


def _unsolved(lesson: Lesson, progress: Path) -> str:
    """Return which of a lesson's solutions the checks do not accept, or ``""``."""
    verdicts: dict[str, set[str]] = {each.id: set() for each in lesson.practices}
    for event in jsonl.read(progress, dict, skip_damaged=True):
        if event["event"] == "exercise":
            verdicts.setdefault(event["practice"], set()).add(event["outcome"])
    wrong = [name for name, found in verdicts.items() if found != {"correct"}]
    return f"Not judged correct: the solution to {', '.join(wrong)}." if wrong else ""


def _row(outcome: Outcome, megabytes: dict[str, float]) -> Row:
    return {
        "code": outcome.task.code,
        "date": outcome.date,
        "seconds": outcome.seconds,
        "megabytes": megabytes,
        "failure": outcome.failure,
        "claims": [claim.to_json() for claim in outcome.claims],
        "pairs": [vars(pair) for pair in outcome.pairs],
    }


def run_notebook(path: Path, lesson: Lesson, seed: int, cell_seconds: int) -> Row:
    """Run a copy of a stored notebook in a clean kernel; the file is left alone.

    Args:
        path: In ``notebooks/`` or ``solutions/``.
        lesson: What it teaches or solves.
        seed: Seed of its experiments.
        cell_seconds: Limit for one cell.
    """
    notebook = read_notebook(path)
    task = Task(lesson.id, seed, code=code_digest(notebook))
    with tempfile.TemporaryDirectory() as scratch:
        peaks, progress = Path(scratch, "peaks.json"), Path(scratch, "progress.jsonl")
        notebook.cells.append(new_code_cell(LAST_CELL.format(file=str(peaks))))
        outcome = execute_task(
            task,
            nbformat.writes(notebook),
            variables={"COURSE_PROGRESS_FILE": str(progress)},
            timeout_seconds=cell_seconds,
        )
        megabytes, fault = _device_faults(peaks)
        if path.parent.name == "solutions":
            fault = fault or _unsolved(lesson, progress)
    if not outcome.failure:
        outcome = dataclasses.replace(outcome, failure=fault)
    if path.parent.name == "notebooks":
        outcome = require_claims(outcome)
    return _row(outcome, megabytes)


def describe(name: str, row: Row) -> str:
    """Return a line that says how a notebook did, and one for each broken claim."""
    claims = row["claims"]
    kept = sum(claim["holds"] for claim in claims)
    peak = row["megabytes"].get("allocated")
    parts = [f"{row['seconds']:.1f} s"]
    if peak is not None:
        parts.append(f"{peak:.0f} MB")
    if claims:
        parts.append(f"{kept} of {len(claims)} claims hold")
    lines = [f"{name}: {', '.join(parts)}. {row['failure']}".rstrip()]
    for claim in claims:
        if not claim["holds"]:
            bound = f"{claim['kind'].replace('_', ' ')} {claim['threshold']}"
            measured = f"measured {claim.get('measured')}, {bound}"
            lines.append(f"    ✗ {claim['practice']} {claim['text']}: {measured}")
    return "\n".join(lines)


@dataclasses.dataclass
class Plan:
    """Which notebooks to run, and the record to which each adds its row.

    Attributes:
        file: The record.
        setup: What `setup` returned.
        rows: Of the notebooks that ran before under this setup.
        left: The notebooks to run, in order, with their lessons.
        wanted: Names of all notebooks that were asked for.
    """

    file: Path
    setup: dict[str, Any]
    rows: dict[str, Row]
    left: dict[Path, Lesson]
    wanted: list[str]

    def carry_out(self, cell_seconds: int) -> bool:
        """Run what is left; return whether all that was asked for ran well.

        Raises:
            OSError: If the record cannot be written.
            KeyboardInterrupt: If the user stopped it.
        """
        print(
            f"{self.setup['card']}, data: {self.setup['data']}. "
            f"{len(self.left)} of {len(self.wanted)} notebooks to run.",
            flush=True,
        )
        for path, lesson in self.left.items():
            name = _name(path)
            row = run_notebook(path, lesson, self.setup["seed"], cell_seconds)
            self.rows[name] = row
            record.write(self.file, self.setup, self.rows)
            print(describe(name, row), flush=True)
        failed = [name for name in self.wanted if not record.ran_well(self.rows[name])]
        held = "All ran, and every claim holds."
        print(f"Failed: {', '.join(failed)}." if failed else held)
        return not failed


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def _earlier_rows(file: Path, here: dict[str, Any], some: bool) -> dict[str, Row]:
    """Return the rows of a record that was made under the same setup.

    Raises:
        ValueError: If it was made under another one and only ``some`` notebooks are
            asked for: the others' rows would be lost.
    """
    before, rows = record.read(file)
    changed = [name for name in here if before.get(name) != here[name]]
    if not rows or not changed:
        return rows
    news = "; ".join(f"{n} was {before.get(n)}, is {here[n]}" for n in changed)
    if some:
        raise ValueError(
            f"Expected the card and the versions of {file} but {news}: run all "
            "lessons, or give another file with --record."
        )
    print(f"All is measured again, since {news}.")
    return {}


def make_plan(
    root: Path, file: Path, lessons: Sequence[str] = (), again: bool = False
) -> Plan:
    """Return what is to be run; nothing is written yet.

    Args:
        root: The course's folder.
        file: The record, which may exist.
        lessons: Ids of lessons; without any, all.
        again: Run also what ran well before.

    Raises:
        ValueError: If nothing can be measured here, in one sentence.
    """
    course = syllabus.load()
    chosen = [course.lesson(name) for name in lessons] or course.ready
    here = setup()
    paths = {
        root / folder / f"{lesson.file}.ipynb": lesson
        for lesson in chosen
        for folder in FOLDERS
    }
    for path in paths:
        if not path.is_file():
            raise ValueError(f"There is no {_name(path)}.ipynb: run `make sync`.")
    rows = _earlier_rows(file, here, bool(lessons))
    done = {
        path
        for path in paths
        if (row := rows.get(_name(path)))
        and record.ran_well(row)
        and row["code"] == code_digest(read_notebook(path))
    }
    left = [path for path in paths if again or path not in done]
    # First what never ran, so that a notebook which fails cannot keep the others out.
    left.sort(key=lambda path: _name(path) in rows)
    return Plan(
        file=file,
        setup=here,
        rows=rows,
        left={path: paths[path] for path in left},
        wanted=[_name(path) for path in paths],
    )
