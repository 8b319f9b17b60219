"""One run of a lesson as a task, and its outcome."""

import hashlib
import re
from dataclasses import dataclass, field, replace
from typing import Any

from course_utils import syllabus
from course_utils.experiments.claims import Claim, Pair

# Tags of cells that no claim depends on.
_BESIDE = {"setup", "predict", "exercise", "own-code"}
# One statement, over several lines if its names stand in parentheses.
_IMPORT = re.compile(
    r"^[ \t]*(?:import|from [\w.]+ import) (?:\([^)]*\))?.*$", re.MULTILINE
)


@dataclass(frozen=True)
class Task:
    """One lesson under one seed, on one data set.

    Attributes:
        lesson: Lesson id, for example ``"12"``.
        seed: Seed of its experiments.
        data: Name of the data set, as in ``COURSE_DATA``; with ``":all"`` behind it,
            all of its images instead of as many as the embedded data has; ``""`` for
            what the environment says.
        code: What `code_digest` says of the lesson's cells.
    """

    lesson: str
    seed: int
    data: str = ""
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
    claims: tuple[Claim, ...] = ()
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

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as one line of a file of runs holds it."""
        claims = [each.to_json() for each in self.claims]
        pairs = [*map(vars, self.pairs)]
        return {**vars(self), "task": vars(self.task), "claims": claims, "pairs": pairs}

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> "Outcome":
        """Return the outcome that `to_json` wrote."""
        parts = {
            "task": Task(**entry["task"]),
            "claims": tuple(map(Claim.from_json, entry["claims"])),
            "pairs": tuple(map(Pair.from_json, entry["pairs"])),
        }
        return cls(**{**entry, **parts})


def code_digest(notebook: dict[str, Any]) -> str:
    """Return a fingerprint of the code that a lesson's claims depend on.

    Text, outputs, setup, predictions, exercises and the reader's own module do not
    count, nor does where a cell ends. Nor do imports: in which module a helper lives is
    not part of an experiment. What a lesson imports it also uses, by the name that
    remains in the fingerprint.

    Args:
        notebook: A notebook in nbformat 4.
    """
    cells = [
        "".join(cell["source"])
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
        and not _BESIDE & set(cell["metadata"].get("tags", []))
    ]
    code = _IMPORT.sub("", "\n".join(cells))
    lines = [line for line in code.splitlines() if line.strip()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def require_claims(outcome: Outcome) -> Outcome:
    """Return the outcome, as a failure if a practice of its lesson made no claim."""
    # A lesson that claims nothing would otherwise hold all of its claims.
    lesson = syllabus.load().lesson(outcome.task.lesson)
    claimed = {claim.practice for claim in outcome.claims}
    missing = [each.id for each in lesson.practices if each.id not in claimed]
    if outcome.failure or not missing:
        return outcome
    return replace(outcome, failure=f"No claim was made for {', '.join(missing)}.")
