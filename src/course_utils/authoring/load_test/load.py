"""Many learners' kernels on one Jupyter server, running one lesson at the same time."""

import asyncio
import functools
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import nbformat
import psutil

from course_utils.authoring.cell_progress import OnCell
from course_utils.authoring.compare_outputs import ENVIRONMENT, SANITIZE, sanitizer
from course_utils.authoring.load_test.learner import Learner, Lesson, learn
from course_utils.authoring.load_test.record import Load
from course_utils.authoring.load_test.server import Server, serving
from course_utils.authoring.load_test.usage import (
    Memory,
    Peak,
    ProcessorTime,
    check_measurable,
    processor_time,
)

LIMIT = 1800.0
MOST = 64


def summary(learners: Sequence[Learner], peak: Memory, used: ProcessorTime) -> Load:
    """Return the sums of one load.

    Args:
        learners: All learners.
        peak: Memory at its peak.
        used: Processor time of server and kernels, from start to end.
    """
    seconds = [learner.seconds for learner in learners]
    return Load(
        learners=len(learners),
        finished=sum(learner.finished for learner in learners),
        right=sum(learner.right for learner in learners),
        median_seconds=round(statistics.median(seconds), 1),
        slowest_seconds=round(max(seconds), 1),
        processor_seconds=round((used.kernels + used.server) / len(learners), 1),
        kernels_megabytes=round(peak.kernels, 1),
        private_megabytes=round(peak.private, 1),
        server_megabytes=round(peak.server, 1),
    )


def _folders(root: Path, notebook: Path, count: int) -> list[str]:
    """Give each learner a folder with a copy of the notebook; return their names."""
    names = [f"learner_{number:02}" for number in range(1, count + 1)]
    for name in names:
        (root / name).mkdir()
        shutil.copy(notebook, root / name)
    return names


class _Room:
    """Learners who leave together, when the last one is done."""

    def __init__(self, people: Iterable[int], on_last: Callable[[], None]) -> None:
        self._inside = set(people)
        self._all_done = asyncio.Event()
        self._on_last = on_last

    def done(self, person: int) -> None:
        """Count ``person`` as done; a second time it changes nothing."""
        self._inside.discard(person)
        if not self._inside and not self._all_done.is_set():
            self._on_last()
            self._all_done.set()

    async def stay(self, person: int) -> None:
        """Count ``person`` as done, and return when all are."""
        self.done(person)
        await self._all_done.wait()


async def _attend(
    server: Server,
    lesson: Lesson,
    folders: Sequence[str],
    stagger: float,
    on_cell: OnCell,
) -> tuple[list[Learner], Memory]:
    places = range(len(folders))
    cells_done = [0] * len(folders)

    async def one(place: int) -> Learner:
        def told(done: int, total: int) -> None:
            cells_done[place] = done
            on_cell(sum(cells_done), total * len(folders))

        stay = functools.partial(room.stay, place)
        try:
            await asyncio.sleep(stagger * place / len(folders))
            return await learn(server, lesson, place + 1, folders[place], stay, told)
        finally:
            room.done(place)

    with Peak(psutil.Process(server.pid)) as peak:
        room = _Room(places, on_last=peak.sample)
        learners = await asyncio.gather(*map(one, places))
    return learners, peak.memory


def check(notebook: Path, count: int, stagger: float) -> None:
    """Look at what a load needs before it begins.

    Raises:
        ValueError: If it is too many learners, or something is not there.
    """
    check_measurable()
    if not 1 <= count <= MOST:
        raise ValueError(f"Expected from 1 to {MOST} learners but got {count}.")
    if not 0 <= stagger < LIMIT:
        raise ValueError(
            f"Expected a stagger from 0 to {LIMIT:g} seconds but got {stagger:g}."
        )
    if not notebook.is_file():
        raise ValueError(f"Expected {notebook} to be there: run `make sync`.")


def measure(
    notebook: Path,
    course: Path,
    count: int,
    *,
    stagger: float = 0.0,
    limit: float = LIMIT,
    on_cell: OnCell = lambda done, total: None,
) -> tuple[Load, tuple[str, ...]]:
    """Run ``notebook`` in ``count`` kernels of one new server, all at once.

    Each learner has a folder, a copy of the notebook and a kernel. All kernels stay
    until the last learner is done. Nothing is written outside a temporary folder.

    Args:
        notebook: An executed notebook; its outputs are the right ones.
        course: The course's folder.
        count: How many learners.
        stagger: Seconds over which their starts are spread evenly.
        limit: Seconds after which a learner's cell is given up.
        on_cell: Called with (code cells done, code cells in total) of all learners.

    Returns:
        The sums, and one sentence for each learner who did not get the right outputs.

    Raises:
        ValueError: If the load cannot be run at all.
        RuntimeError: If the server does not start.
    """
    check(notebook, count, stagger)
    stored = nbformat.read(notebook, as_version=4)
    lesson = Lesson(stored, sanitizer(course / SANITIZE), limit)
    with tempfile.TemporaryDirectory() as scratch:
        root, home, cache = (Path(scratch, name) for name in ("root", "home", "cache"))
        root.mkdir()
        home.mkdir()
        folders = _folders(root, notebook, count)
        environment = {**ENVIRONMENT, "COURSE_CACHE_DIR": str(cache)}
        with serving(root, home, environment) as server:
            learners, peak = asyncio.run(
                _attend(server, lesson, folders, stagger, on_cell)
            )
            used = processor_time(psutil.Process(server.pid))
    remarks = tuple(learner.remark for learner in learners if learner.remark)
    return summary(learners, peak, used), remarks
