"""Say in one sentence why a process of a run failed, and what to do about it."""

import json
import signal
from dataclasses import dataclass
from typing import Any, Protocol

from course_utils.distributed.worker import NO_ROOM, Mailbox

LOG_LINES = 20
LONELY = (
    "it waited for a process that had already ended; a common cause: only one process "
    "called a collective, such as `self.log(..., sync_dist=True)` or `all_reduce`"
)
MAKE_ROOM = "make room on that disk, or set TMPDIR to a folder with room"
# What follows these words in a message names files, addresses and ports.
REMEDIES = {
    "Connection closed by peer": LONELY,
    "Connection reset by peer": LONELY,
    "Broken pipe": LONELY,
    "Unable to handle autograd's threading": (
        'backward ran before the fork; pass `method="fresh"`'
    ),
    "Cannot re-initialize CUDA": 'use `accelerator="cpu"` or pass `method="fresh"`',
    "deserialize object on a CUDA": "move what `work` uses to the CPU before the run",
    "EADDRINUSE": "another program took the port meanwhile; run it again",
}


class Process(Protocol):
    """What a run needs of a process; `subprocess.Popen` has it."""

    pid: int

    def poll(self) -> int | None:
        """Return the exit code, minus the signal's number if killed, else None."""

    def kill(self) -> None:
        """End the process, whatever it is doing."""

    def wait(self) -> int:
        """Wait for the end and return the exit code."""


class ProcessError(RuntimeError):
    """A process of a run failed.

    Attributes:
        log: The last lines that the failing process wrote; Python 3.11 and later
            show them below the traceback.
    """

    def __init__(self, message: str, log: str = "") -> None:
        """Keep sentence and log apart: the sentence is the same every time."""
        super().__init__(message)
        self.log = log
        if log and hasattr(self, "add_note"):
            self.add_note(log)


class ProcessTimeoutError(ProcessError, TimeoutError):
    """The processes of a run did not finish in time and were killed."""


@dataclass(frozen=True)
class Rank:
    """One started process and where it leaves its answer."""

    mailbox: Mailbox
    process: Process

    @property
    def number(self) -> int:
        """Number of the process, from 0."""
        return self.mailbox.rank

    def done(self) -> bool:
        """Return whether the result has arrived."""
        return self.mailbox.result.exists()

    def raised(self) -> bool:
        """Return whether an exception was reported."""
        return self.mailbox.error.exists()

    def died(self) -> bool:
        """Return whether the process ended without a word."""
        # The exit code first: the process may write its result and then end.
        return self.process.poll() is not None and not (self.done() or self.raised())

    def report(self) -> dict[str, Any]:
        """Return type, message, time and type of the return value of the exception."""
        return json.loads(self.mailbox.error.read_bytes())

    def log(self) -> str:
        """Return the last lines that the process wrote, or an empty string."""
        text = self.mailbox.log.read_text("utf-8", errors="replace")
        lines = text.splitlines()[-LOG_LINES:]
        return (
            "\n".join([f"Last output of rank {self.number}:", *lines]) if lines else ""
        )


def _death(rank: Rank) -> str:
    code = rank.process.poll() or 0
    if code == NO_ROOM:
        return (
            f"Expected rank {rank.number} to leave its result in {rank.mailbox.folder} "
            f"but it could not write there: {MAKE_ROOM}."
        )
    how = f"ended with exit code {code}"
    if code < 0:
        how = f"was killed by {signal.Signals(-code).name}"
    if code == -9:
        how += ", which often means that memory ran out"
    return f"Expected rank {rank.number} to return a result but it {how}."


def _exception(rank: Rank) -> str:
    report = rank.report()
    message = report["message"]
    if report["returned"]:
        return (
            f"Expected rank {rank.number} to return something that can be pickled but "
            f"got `{report['returned']}` ({message.splitlines()[0]}). Return numbers, "
            "lists, tensors or a state_dict."
        )
    raised = f"Rank {rank.number} raised {report['type']}"
    for symptom, remedy in REMEDIES.items():
        if symptom in message:
            return f"{raised} ({symptom}): {remedy}."
    first = message.strip().partition("\n")[0].rstrip(".")
    return f"{raised}: {first}." if first else f"{raised}."


def failure(ranks: list[Rank]) -> ProcessError | None:
    """Return the error of the rank that failed first, or None if none failed.

    A silent death comes before any exception: it breaks the connections of the
    others, which then raise.
    """
    for rank in ranks:
        if rank.died():
            return ProcessError(_death(rank), rank.log())
    raised = [rank for rank in ranks if rank.raised()]
    if not raised:
        return None
    first = min(raised, key=lambda rank: rank.report()["time"])
    return ProcessError(_exception(first), first.log())


def timeout(ranks: list[Rank], seconds: float) -> ProcessTimeoutError:
    """Return the error for ranks that did not finish within ``seconds``."""
    running = [rank for rank in ranks if not rank.done()]
    every = "both" if len(ranks) == 2 else f"all {len(ranks)}"
    names = " and ".join(f"rank {rank.number}" for rank in running)
    return ProcessTimeoutError(
        f"Expected {every} processes to finish within {seconds:g} s but {names} had "
        "not. A common cause: only one process called a collective, such as "
        "`self.log(..., sync_dist=True)`, and waits for the other. If the work is just "
        "long, raise `timeout_seconds`.",
        "\n".join(rank.log() for rank in running),
    )
