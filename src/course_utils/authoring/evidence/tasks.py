"""One run of a lesson as a task, its outcome, and the file that keeps outcomes."""

import contextlib
import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from course_utils import jsonl
from course_utils.authoring.evidence.claim_records import Pair, Record

_BESIDE = {"predict", "exercise"}  # tags of cells that no claim depends on


@dataclass(frozen=True)
class Task:
    """One lesson under one seed, on one data set.

    Attributes:
        lesson: Lesson id, for example ``"12"``.
        seed: Seed of its experiments.
        data: Name of the data set, as in ``COURSE_DATA``; with ``":all"`` behind it,
            all of its images instead of as many as the embedded data has; ``""`` for
            what the environment says.
        cores: CPU cores that the kernel may use; 0 for all.
        code: What `code_digest` says of the lesson's cells.
    """

    lesson: str
    seed: int
    data: str = ""
    cores: int = 0
    code: str = ""

    def environment(self) -> dict[str, str]:
        """Return the variables that make a kernel run this task."""
        name, _, images = self.data.partition(":")
        data = {"COURSE_DATA": name, "COURSE_IMAGES": images} if name else {}
        return {"COURSE_SEED": str(self.seed), "COURSE_PROGRESS_FILE": "", **data}


@dataclass(frozen=True)
class Outcome:
    """What came of a task.

    Attributes:
        task: The task.
        claims: The claims that were made, in order.
        pairs: The measurements of its contrasts, in order.
        failure: Why the run counts as failed, in one sentence; ``""`` if it does not.
        seconds: Wall-clock time from the kernel's start to its end.
        versions: Package to version.
        machine: What it ran on, in a few words.
        date: When it ended, as ``YYYY-MM-DD``.
    """

    task: Task
    claims: tuple[Record, ...] = ()
    pairs: tuple[Pair, ...] = ()
    failure: str = ""
    seconds: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)
    machine: str = ""
    date: str = ""

    @property
    def ok(self) -> bool:
        """Whether the lesson ran to its end and all of its claims hold."""
        return not self.failure and all(claim.holds for claim in self.claims)


def code_digest(notebook: dict[str, Any]) -> str:
    """Return a fingerprint of the code that a lesson's claims depend on.

    Text, outputs, predictions and exercises do not count, nor does where a cell ends.

    Args:
        notebook: A notebook in nbformat 4.
    """
    lines = [
        line
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
        and not _BESIDE & set(cell["metadata"].get("tags", []))
        for line in "".join(cell["source"]).splitlines()
        if line.strip()
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def to_line(outcome: Outcome) -> str:
    """Return the outcome as one line of JSON."""
    return json.dumps(asdict(outcome), ensure_ascii=False) + "\n"


def from_line(line: str) -> Outcome:
    """Return what `to_line` wrote.

    Raises:
        ValueError: If it is something else.
    """
    try:
        entry = json.loads(line)
        parts = {
            "task": Task(**entry["task"]),
            "claims": tuple(Record(**each) for each in entry["claims"]),
            "pairs": tuple(Pair(**each) for each in entry["pairs"]),
        }
        return Outcome(**{**entry, **parts})
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(
            f"Expected the outcome of a run but got {line[:40]!r}."
        ) from error


def append(file: Path, outcome: Outcome) -> None:
    """Add the outcome to ``file`` as one line, whole or not at all.

    Raises:
        OSError: If there is no room for it; what was in the file stays.
    """
    jsonl.append(file, asdict(outcome))


def read_lines(file: Path) -> list[Outcome]:
    """Return the outcomes in ``file``, in order; none if there is no file.

    A line that broke off, as a power cut leaves it, costs that run.
    """
    if not file.exists():
        return []
    found = []
    for line in file.read_text("utf-8", errors="replace").split("\n"):
        with contextlib.suppress(ValueError):
            found.append(from_line(line))
    return found


def kept(outcomes: Iterable[Outcome], tasks: Iterable[Task]) -> dict[Task, Outcome]:
    """Return the outcomes of these tasks; the last one of a task counts.

    A run that failed, other than by a claim that does not hold, is none.
    """
    wanted = set(tasks)
    return {
        outcome.task: outcome
        for outcome in outcomes
        if outcome.task in wanted and not outcome.failure
    }
