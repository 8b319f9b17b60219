"""The record of a load test: what was measured, where, when and with what."""

import datetime
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

from course_utils import ready_kernel
from course_utils.authoring.environment import Machine, this_machine, versions

COMMITTED = "records/learners.json"
_PACKAGES = ("torch", "lightning", "jupyter_server", "ipykernel", "nbclient")


@dataclass(frozen=True)
class Load:
    """What one number of learners needed.

    Attributes:
        learners: Number of learners.
        finished: How many of them ran every cell.
        right: How many of them got the outputs stored in the notebook.
        median_seconds: Median time from a kernel's start to the end of the last cell.
        slowest_seconds: The longest such time.
        processor_seconds: Processor time per learner.
        kernels_megabytes: Memory of all kernels at the peak; shared pages count once.
        private_megabytes: The part of it that no two processes share.
        server_megabytes: Memory of one Jupyter server: without kernels, but in the
            record of 2026-11-27 while it served all of them.
    """

    learners: int
    finished: int
    right: int
    median_seconds: float
    slowest_seconds: float
    processor_seconds: float
    kernels_megabytes: float
    private_megabytes: float
    server_megabytes: float

    @property
    def good(self) -> bool:
        """Whether all learners finished with the stored outputs."""
        return self.finished == self.right == self.learners


@dataclass(frozen=True)
class Record:
    """One load test.

    Attributes:
        date: Day of the measurement, such as ``2026-01-31``.
        lesson: Id of the lesson that was run.
        machine: Where it was measured.
        loads: One per number of learners, in ascending order.
        versions: Of Python and of the packages that matter.
        kernel: How kernels started: ``"ordinary"`` or ``"ready"``.
    """

    date: str
    lesson: str
    machine: Machine
    loads: tuple[Load, ...]
    versions: dict[str, str]
    kernel: str = "ordinary"


def new_record(lesson: str, loads: Sequence[Load]) -> Record:
    """Return the record of loads measured on this machine today."""
    return Record(
        date=datetime.date.today().isoformat(),
        lesson=lesson,
        machine=this_machine(),
        loads=tuple(sorted(loads, key=lambda load: load.learners)),
        versions=versions(*_PACKAGES),
        kernel="ready" if ready_kernel.are_chosen() else "ordinary",
    )


def write(record: Record, file: Path) -> None:
    """Write ``record`` as indented JSON, so that a diff shows what changed."""
    text = json.dumps(asdict(record), indent=2, ensure_ascii=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text + "\n", "utf-8")


def parse(text: str) -> Record:
    """Return the record that `write` wrote."""
    entry = json.loads(text)
    loads = tuple(Load(**load) for load in entry.pop("loads"))
    return Record(machine=Machine(**entry.pop("machine")), loads=loads, **entry)


def committed() -> Record:
    """Return the record that ships with the course."""
    return parse(resources.files("course_utils").joinpath(COMMITTED).read_text("utf-8"))
