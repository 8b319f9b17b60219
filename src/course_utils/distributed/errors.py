"""Explain in one sentence why a worker failed, and what to do about it."""

import json
import signal
from dataclasses import dataclass
from typing import Any

from course_utils.distributed.start_methods import Process
from course_utils.distributed.worker import DISK_FULL, WorkerFiles

LOG_LINES = 20
PARTNER_ENDED = (
    "it waited for a process that had already ended; a common cause: only one process "
    "called a collective, such as `self.log(..., sync_dist=True)` or `all_reduce`"
)
MAKE_ROOM = "make room on that disk, or set TMPDIR to a folder with room"
# Symptom in an exception's message to its remedy. The rest of such a message names
# files, addresses and ports, which differ from run to run, and is left out.
REMEDIES = {
    "Connection closed by peer": PARTNER_ENDED,
    "Connection reset by peer": PARTNER_ENDED,
    "Broken pipe": PARTNER_ENDED,
    "Unable to handle autograd's threading": (
        'backward ran before the fork; pass `method="fresh"`'
    ),
    "Cannot re-initialize CUDA": 'use `accelerator="cpu"` or pass `method="fresh"`',
    "deserialize object on a CUDA": "move what `work` uses to the CPU before the run",
    "EADDRINUSE": "another program took the port meanwhile; run it again",
}


class ProcessError(RuntimeError):
    """A worker process failed.

    Attributes:
        log: The last lines that the failing process wrote; Python 3.11 and later
            show them below the traceback.
    """

    def __init__(self, message: str, log: str = "") -> None:
        """Keep the sentence, which is the same in every run, apart from the log."""
        super().__init__(message)
        self.log = log
        if log and hasattr(self, "add_note"):
            self.add_note(log)


class ProcessTimeoutError(ProcessError, TimeoutError):
    """The workers did not finish in time and were killed."""


class NotKilledError(ProcessError):
    """The work of `run_until_killed` returned before it was killed."""


@dataclass(frozen=True)
class Worker:
    """One started process and the files that it writes."""

    files: WorkerFiles
    process: Process

    @property
    def rank(self) -> int:
        """Number of the worker, from 0."""
        return self.files.rank

    def finished(self) -> bool:
        """Return whether the result has arrived."""
        return self.files.result.exists()

    def raised(self) -> bool:
        """Return whether an exception was reported."""
        return self.files.error.exists()

    def died(self) -> bool:
        """Return whether the process ended without a result or an error."""
        # The exit code first: in the other order, a process that writes its result
        # and ends between the two questions would count as dead.
        ended = self.process.poll() is not None
        return ended and not (self.finished() or self.raised())

    def report(self) -> dict[str, Any]:
        """Return the exception: type, message, time, type of an unpicklable result."""
        return json.loads(self.files.error.read_bytes())

    def log(self) -> str:
        """Return the last lines of the process's output, or an empty string."""
        log = self.files.log  # not there before the process has begun
        text = log.read_text("utf-8", errors="replace") if log.exists() else ""
        lines = text.splitlines()[-LOG_LINES:]
        return "\n".join([f"Last output of rank {self.rank}:", *lines]) if lines else ""


def _describe_death(worker: Worker) -> str:
    code = worker.process.poll() or 0
    if code == DISK_FULL:
        return (
            f"Expected rank {worker.rank} to write its result to {worker.files.folder} "
            f"but it could not write there: {MAKE_ROOM}."
        )
    how = f"ended with exit code {code}"
    if code < 0:
        how = f"was killed by {signal.Signals(-code).name}"
    if code == -9:
        how += ", which often means that memory ran out"
    return f"Expected rank {worker.rank} to return a result but it {how}."


def _describe_exception(worker: Worker) -> str:
    report = worker.report()
    message = report["message"]
    if report["returned"]:
        return (
            f"Expected rank {worker.rank} to return something that can be pickled but "
            f"got `{report['returned']}` ({message.splitlines()[0]}). Return numbers, "
            "lists, tensors or a state_dict."
        )
    raised = f"Rank {worker.rank} raised {report['type']}"
    for symptom, remedy in REMEDIES.items():
        if symptom in message:
            return f"{raised} ({symptom}): {remedy}."
    first = message.strip().partition("\n")[0].rstrip(".")
    return f"{raised}: {first}." if first else f"{raised}."


def first_failure(workers: list[Worker]) -> ProcessError | None:
    """Return the error of the worker that failed first, or None if none failed.

    A worker that died takes precedence over any exception: its death breaks the
    connections of the others, which then raise.
    """
    for worker in workers:
        if worker.died():
            return ProcessError(_describe_death(worker), worker.log())
    raised = [worker for worker in workers if worker.raised()]
    if not raised:
        return None
    first = min(raised, key=lambda worker: worker.report()["time"])
    return ProcessError(_describe_exception(first), first.log())


def timeout_error(workers: list[Worker], seconds: float) -> ProcessTimeoutError:
    """Return the error for workers that did not finish within ``seconds``."""
    running = [worker for worker in workers if not worker.finished()]
    every = "both" if len(workers) == 2 else f"all {len(workers)}"
    names = " and ".join(f"rank {worker.rank}" for worker in running)
    return ProcessTimeoutError(
        f"Expected {every} processes to finish within {seconds:g} s but {names} had "
        "not. A common cause: only one process called a collective, such as "
        "`self.log(..., sync_dist=True)`, and waits for the other. If the work is just "
        "long, raise `timeout_seconds`.",
        "\n".join(worker.log() for worker in running),
    )
