"""From a record to a machine: memory and cores for a class of any size."""

import math
from dataclasses import dataclass

from course_utils import syllabus
from course_utils.authoring.load_test.record import Load, Record

SLACK = 2.0  # everybody at once may take this many times as long as one alone
BUSY = 0.5  # share of their time that cores may be busy on average in a class
CLASSES = (10, 30, 100)
_GIGABYTE = 1024  # megabytes


@dataclass(frozen=True)
class Need:
    """What a number of learners needs.

    Attributes:
        learners: How many.
        kernels_gigabytes: Memory of their kernels.
        measured: Whether that memory was measured; all else is computed.
        servers_gigabytes: Memory of their servers, one for each as on a JupyterHub.
        cores_at_once: Cores with which all run the lesson at once in `SLACK` times the
            time of one alone.
        cores_in_class: Cores for a class that runs the lesson's cells as it reads.
    """

    learners: int
    kernels_gigabytes: float
    measured: bool
    servers_gigabytes: float
    cores_at_once: int
    cores_in_class: int


def alone(record: Record) -> Load:
    """Return the load of one learner, which the others are compared with.

    Raises:
        ValueError: If it was not measured.
    """
    for load in record.loads:
        if load.learners == 1:
            return load
    raise ValueError("Expected a record with one learner alone, but it holds none.")


def running_share(record: Record) -> float:
    """Return the share of the lesson's time in which a learner's cells run."""
    minutes = syllabus.load().lesson(record.lesson).teaching_minutes
    return alone(record).median_seconds / (60 * minutes)


def processor_seconds(record: Record) -> float:
    """Return processor time for one learner, at the load where it was largest."""
    return max(load.processor_seconds for load in record.loads)


def _kernels(record: Record, learners: int) -> tuple[float, bool]:
    known = {load.learners: load.kernels_megabytes for load in record.loads}
    if learners in known:
        return known[learners], True
    largest = record.loads[-1]
    private = largest.private_megabytes / largest.learners
    more = learners - largest.learners
    return largest.kernels_megabytes + more * private, False


def need(record: Record, learners: int) -> Need:
    """Return what ``learners`` need, measured where it was, else computed."""
    kernels, measured = _kernels(record, learners)
    lone = alone(record)
    work = learners * processor_seconds(record)
    at_once = math.ceil(work / (SLACK * lone.median_seconds))
    average = work * running_share(record) / lone.median_seconds
    fewest = record.machine.cores  # one learner alone had these
    return Need(
        learners=learners,
        kernels_gigabytes=kernels / _GIGABYTE,
        measured=measured,
        servers_gigabytes=learners * lone.server_megabytes / _GIGABYTE,
        cores_at_once=max(fewest, at_once),
        cores_in_class=max(fewest, math.ceil(average / BUSY)),
    )
