"""The memory and the cores that a class of any size needs, from a record."""

import math
from dataclasses import dataclass

from course_utils import syllabus
from course_utils.authoring.load_test.record import Load, Record

SLACK = 2.0  # all at once may take this many times as long as one learner alone
BUSY = 0.5  # share of the time that cores may be busy on average in a class
CLASSES = (10, 30, 100)
_GIGABYTE = 1024  # megabytes


@dataclass(frozen=True)
class Need:
    """What a number of learners needs.

    Attributes:
        learners: Number of learners.
        kernels_gigabytes: Memory of their kernels.
        measured: Whether that memory was measured; everything else is computed.
        servers_gigabytes: Memory of their servers, one per learner as on a JupyterHub.
        cores_at_once: Cores on which all learners at once take `SLACK` times as long as
            one alone.
        cores_in_class: Cores for a class whose learners read between the cells.
    """

    learners: int
    kernels_gigabytes: float
    measured: bool
    servers_gigabytes: float
    cores_at_once: int
    cores_in_class: int


def load_of_one(record: Record) -> Load:
    """Return the load of one learner, with which the others are compared.

    Raises:
        ValueError: If it was not measured.
    """
    for load in record.loads:
        if load.learners == 1:
            return load
    raise ValueError("Expected a record with one learner alone, but got none.")


def running_share(record: Record) -> float:
    """Return the share of the lesson's minutes during which cells run."""
    minutes = syllabus.load().lesson(record.lesson).teaching_minutes
    return load_of_one(record).median_seconds / (60 * minutes)


def processor_seconds(record: Record) -> float:
    """Return the processor time per learner at the load where it was largest."""
    return max(load.processor_seconds for load in record.loads)


def _kernels(record: Record, learners: int) -> tuple[float, bool]:
    known = {load.learners: load.kernels_megabytes for load in record.loads}
    if learners in known:
        return known[learners], True
    largest = record.loads[-1]
    private = largest.private_megabytes / largest.learners
    further = learners - largest.learners
    return largest.kernels_megabytes + further * private, False


def compute_need(record: Record, learners: int) -> Need:
    """Return what ``learners`` need, measured if possible, otherwise computed."""
    kernels, measured = _kernels(record, learners)
    alone = load_of_one(record)
    work = learners * processor_seconds(record)
    at_once = math.ceil(work / (SLACK * alone.median_seconds))
    average = work * running_share(record) / alone.median_seconds
    fewest = record.machine.cores  # the times of one learner alone hold for these
    return Need(
        learners=learners,
        kernels_gigabytes=kernels / _GIGABYTE,
        measured=measured,
        servers_gigabytes=learners * alone.server_megabytes / _GIGABYTE,
        cores_at_once=max(fewest, at_once),
        cores_in_class=max(fewest, math.ceil(average / BUSY)),
    )
