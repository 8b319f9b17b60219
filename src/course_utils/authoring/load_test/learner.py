"""One learner: a kernel on the server, and all code cells of a lesson, once."""

import contextlib
import copy
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from tornado.httpclient import HTTPClientError

from course_utils.authoring.cell_progress import Follower, OnCell, one_line, why
from course_utils.authoring.compare_outputs import differing
from course_utils.authoring.load_test.remote import RemoteKernel, remote_kernel
from course_utils.authoring.load_test.server import Server


@dataclass(frozen=True)
class Learner:
    """What one learner got.

    Attributes:
        number: Counted from 1.
        seconds: From the request for a kernel to the end of the last cell that ran.
        failure: Why the lesson did not come to its end, in one sentence, or ``""``.
        differing: The code cells, counted from 1, whose outputs are not the stored
            ones; empty if the lesson did not come to its end.
    """

    number: int
    seconds: float
    failure: str
    differing: tuple[int, ...]

    @property
    def finished(self) -> bool:
        """Whether every cell ran."""
        return not self.failure

    @property
    def right(self) -> bool:
        """Whether every cell ran and shows what the stored notebook shows."""
        return self.finished and not self.differing

    @property
    def remark(self) -> str:
        """What went wrong, in one sentence, or ``""``."""
        if self.failure:
            return f"Learner {self.number}: {self.failure}"
        if not self.differing:
            return ""
        cells = ", ".join(map(str, self.differing))
        return f"Learner {self.number}: other outputs than stored in code cell {cells}."


@dataclass(frozen=True)
class Lesson:
    """What every learner of a load runs.

    Attributes:
        stored: The notebook with the outputs that are right.
        sanitize: Hides measurements in a text.
        limit: Seconds after which no cell of any learner goes on.
    """

    stored: NotebookNode
    sanitize: Callable[[str], str]
    limit: float


class _Client(NotebookClient):
    @contextlib.asynccontextmanager
    async def async_setup_kernel(self, **_: Any) -> AsyncIterator[None]:
        # The kernel is there. nbclient would also take over Ctrl-C, for one kernel.
        yield


async def _run(
    kernel: RemoteKernel, notebook: NotebookNode, lesson: Lesson, at: Follower
) -> str:
    deadline = time.monotonic() + lesson.limit
    client = _Client(
        notebook,
        timeout_func=lambda cell: max(1, round(deadline - time.monotonic())),
        record_timing=False,
        coalesce_streams=True,
        on_cell_execute=at.started,
        on_cell_executed=at.finished,
    )
    client.kc = kernel
    try:
        await client.async_execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        return why(error, at, f"the {lesson.limit:g} seconds of the whole lesson")
    return ""


async def learn(
    server: Server,
    lesson: Lesson,
    number: int,
    folder: str,
    stay: Callable[[], Awaitable[None]],
    on_cell: OnCell,
) -> Learner:
    """Return what a learner got who ran the lesson in a new kernel.

    Args:
        server: The server.
        lesson: What is run.
        number: The learner's number, counted from 1.
        folder: The learner's folder, below the server's root.
        stay: Waited for before the kernel is ended: who is done first reads on.
        on_cell: Called with (code cells done, code cells in total).
    """
    notebook = copy.deepcopy(lesson.stored)
    at = Follower(notebook, on_cell)
    began = time.perf_counter()
    try:
        async with remote_kernel(server, folder) as kernel:
            failure = await _run(kernel, notebook, lesson, at)
            seconds = time.perf_counter() - began
            await stay()
    except (HTTPClientError, RuntimeError, OSError) as error:
        if at.number:  # the kernel had started, so this is no fault of the server
            raise
        reason = one_line(str(error)) or type(error).__name__
        seconds = time.perf_counter() - began
        return Learner(number, seconds, f"no kernel was started: {reason}.", ())
    cells = () if failure else differing(lesson.stored, notebook, lesson.sanitize)
    return Learner(number, seconds, failure, cells)
