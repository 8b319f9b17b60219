"""A pytest plugin beside nbval: what each notebook costs, held against its budget.

Seconds are the wall-clock time of the kernel's start and of every cell. They are scaled
by a reference workload of fixed size, timed in this process before, between and after
the notebooks: `scaled = seconds * REFERENCE_SECONDS / median(reference times)`. A
machine half as fast needs twice the seconds for both, and the scaled time stays.

Megabytes (10^6 bytes) are the peak of the kernel's resident memory, as the system
recorded it (Linux: VmHWM; Windows: peak working set), or the largest sample of the
kernel plus what its child processes hold for themselves alone, if that is more. macOS
records no peak for another process, so there the samples, one every 0.2 s, are all.

Per notebook two test items are added, which run last: it was executed 1..n when it was
stored (nbval passes a notebook that never was), and it is within its budget, or at
most a fifth above it: a busy machine's noise. The committed record is above none. With
`COURSE_BUDGET_RECORD=file` the scaled seconds of every cell are written there as JSON,
beside what the file says of notebooks that did not run.
What has moved against the committed record is printed.
"""

import datetime
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import pytest

from course_utils import syllabus
from course_utils.authoring import budgets
from course_utils.authoring.budgets import RunTime
from course_utils.authoring.compare_outputs import code_cells
from course_utils.authoring.environment import this_machine
from course_utils.authoring.notebook_files import read_notebook
from course_utils.authoring.pytest_kernels import KERNELS
from course_utils.ready_kernel.adopted import AdoptedProcess

FOLDERS = ("notebooks", "solutions")
# Median on the machine for which budgets are stated: 2 cores, no GPU, otherwise idle.
REFERENCE_SECONDS = 0.075
_FIRST_REFERENCES = 3  # then one after each notebook
_SAMPLE_SECONDS = 0.2


class Budget(NamedTuple):
    """What one notebook may cost: scaled seconds, and megabytes of peak memory."""

    seconds: float
    megabytes: float


def reference_seconds() -> float:
    """Time a fixed piece of work: about half in the interpreter, half in matrices."""
    matrix = np.ones((512, 512), dtype=np.float32)
    began = time.perf_counter()
    total = 0
    for number in range(1_000_000):
        total += number % 7
    for _ in range(10):
        matrix = matrix @ matrix / 512
    return time.perf_counter() - began


def budget_of(path: Path) -> Budget | None:
    """Return the budget that the syllabus grants the notebook, or None."""
    for lesson in syllabus.load().lessons:
        if lesson.file == path.stem and path.parent.name in FOLDERS and lesson.ready:
            solution = path.parent.name == "solutions"
            seconds = lesson.solution_seconds if solution else lesson.seconds
            return Budget(seconds, lesson.megabytes)
    return None


def _recorded_peak(process: psutil.Process) -> int:
    if sys.platform == "linux":
        status = Path(f"/proc/{process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    memory = process.memory_info()
    return getattr(memory, "peak_wset", memory.rss)


def _sampled(process: psutil.Process) -> int:
    # Unique pages of the children: what they share with the kernel counts once.
    own = process.memory_info().rss
    for child in process.children(recursive=True):
        with suppress(psutil.Error):  # it ended in between
            own += child.memory_full_info().uss
    return own


def megabytes_now(process: psutil.Process) -> float:
    """Return the largest memory known of ``process`` by now; 0.0 if it has ended."""
    try:
        return max(_recorded_peak(process), _sampled(process)) / 1e6
    except (psutil.Error, OSError, IndexError):
        return 0.0


class _Watch:
    """Samples the memory of one kernel from a thread until it is stopped."""

    def __init__(self, pid: int, cost: RunTime) -> None:
        self._process, self._cost = psutil.Process(pid), cost
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def look(self) -> None:
        now = megabytes_now(self._process)
        self._cost.megabytes = max(self._cost.megabytes, now)

    def _run(self) -> None:
        while not self._stopped.wait(_SAMPLE_SECONDS):
            self.look()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()


def _order_problem(path: Path) -> str:
    """Say how the execution counts differ from 1..n, or return ``""``."""
    notebook = read_notebook(path)
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if not counts:
        return "has no code cell."
    if counts != list(range(1, len(counts) + 1)):
        return (
            "was not executed from top to bottom before it was stored: expected "
            f"execution counts 1 to {len(counts)} but got {counts}. "
            "Run `make sync`."
        )
    return ""


class FactsOfNotebook(pytest.File):
    """Holds the two items of one notebook."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield the check of the stored run and the check of the budget."""
        checks = {
            "executed in order": _order_problem,
            "within budget": self.config.stash[LEDGER].budget_problem,
        }
        for name, check in checks.items():
            yield _Fact.from_parent(self, name=name, check=check)


class _Fact(pytest.Item):
    """Fails with what ``check`` says of the notebook, unless that is ``""``."""

    def __init__(self, *, check: Callable[[Path], str], **rest: Any) -> None:
        super().__init__(**rest)
        self._check = check

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"{_name(self.path)}: {self.name}"

    def runtest(self) -> None:
        if problem := self._check(self.path):
            pytest.fail(f"{_name(self.path)} {problem}", pytrace=False)


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@dataclass(eq=False)
class Ledger:
    """All costs of one pytest session; nbval's cells are timed by its hooks."""

    costs: dict[Path, RunTime] = field(default_factory=dict)
    references: list[float] = field(default_factory=list)
    _expected: dict[Path, int] = field(default_factory=dict)
    _watches: dict[Path, _Watch] = field(default_factory=dict)

    def is_complete(self, path: Path) -> bool:
        """Return whether every code cell of the notebook ran."""
        cost = self.costs.get(path)
        return cost is not None and len(cost.cell_seconds) == self._expected[path]

    @property
    def _factor(self) -> float:
        """Seconds on the reference machine for each second here."""
        return REFERENCE_SECONDS / statistics.median(self.references)

    def scaled(self, path: Path) -> float:
        """Return the seconds that the notebook takes on the reference machine."""
        return self.costs[path].seconds * self._factor

    def budget_problem(self, path: Path) -> str:
        """Say how this session's measurements exceed the budget, or return ``""``."""
        budget = budget_of(path)
        if budget is None:
            return (
                "has no budget. Give its lesson seconds, solution_seconds and "
                "megabytes in src/course_utils/syllabus.toml."
            )
        if not self.is_complete(path):
            pytest.skip("not all of its cells ran in this session")
        over = self.excess(path, budget)
        return over and f"is over its budget: {over}."

    def excess(self, path: Path, budget: Budget) -> str:
        """Say what is over ``budget``, or return ``""``."""
        cost, seconds = self.costs[path], self.scaled(path)
        parts = []
        noise = budgets.SHARE * budget.seconds
        if seconds > budget.seconds + noise:
            longest = max(cost.cell_seconds)
            slowest = cost.cell_seconds.index(longest)
            parts.append(
                f"{seconds:.1f} s (scaled from {cost.seconds:.1f} s) where "
                f"{budget.seconds:g} s are allowed; its slowest cell is Cell {slowest} "
                f"with {longest:.1f} s"
            )
        if cost.megabytes > budget.megabytes:
            parts.append(
                f"{cost.megabytes:,.0f} MB where {budget.megabytes:,.0f} MB are allowed"
            )
        return "; and ".join(parts)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        """Time the start of a kernel, and begin to watch it."""
        if not _is_cell(item) or item.path in self.costs:
            return (yield)
        if not self.references:
            self.references += [reference_seconds() for _ in range(_FIRST_REFERENCES)]
        self._expected[item.path] = len(code_cells(item.parent.nb))
        cost = self.costs[item.path] = RunTime()
        began = time.perf_counter()
        result = yield
        cost.start_seconds = time.perf_counter() - began
        provisioner = item.parent.kernel.km.provisioner
        if isinstance(provisioner.process, AdoptedProcess):
            cost.kernel = "ready"
        self._watches[item.path] = _Watch(provisioner.pid, cost)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Time a cell, and look at the kernel's memory after it."""
        if not _is_cell(item):
            return (yield)
        began = time.perf_counter()
        try:
            return (yield)
        finally:
            seconds = time.perf_counter() - began
            self.costs[item.path].cell_seconds.append(seconds)
            if item.path in self._watches:
                self._watches[item.path].look()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Iterator[None]:
        """Stop watching before nbval ends the kernel with its last cell."""
        stays = nextitem is not None and nextitem.parent is item.parent
        if stays or not _is_cell(item):
            return (yield)
        if watch := self._watches.pop(item.path, None):
            watch.stop()
        result = yield
        self.references.append(reference_seconds())
        return result

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Run the two facts of every notebook last: cells and references are in."""
        items.sort(key=lambda item: isinstance(item, _Fact))

    def pytest_collect_file(
        self, file_path: Path, parent: pytest.Collector
    ) -> pytest.Collector | None:
        """Add the two facts to each notebook of the course that nbval collects."""
        options = parent.config.option
        validates = any(getattr(options, o, False) for o in ("nbval", "nbval_lax"))
        if validates and file_path.suffix == ".ipynb":
            return FactsOfNotebook.from_parent(parent, path=file_path)
        return None

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Keep --doctest-modules from importing, that is running, the lessons."""
        inside = collection_path.parent.name in FOLDERS
        return True if inside and collection_path.suffix == ".py" else None

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> None:
        """Print what every notebook cost."""
        if not self.costs:
            return
        here = statistics.median(self.references)
        terminalreporter.section("notebooks and their budgets")
        for line in self._table():
            terminalreporter.write_line(line)
        terminalreporter.write_line(
            f"reference workload: {here:.3f} s here, {REFERENCE_SECONDS:.3f} s where "
            "budgets are stated; scaled = seconds * their ratio"
        )
        if kernels := terminalreporter.config.stash.get(KERNELS, None):
            for line in kernels.lines():
                terminalreporter.write_line(line)
        changes = budgets.moved(budgets.load(), self._run_times())
        terminalreporter.write_line(
            "moved since the record (scaled): " + ("" if changes else "nothing")
        )
        for line in changes:
            terminalreporter.write_line(f"  {line}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the record that COURSE_BUDGET_RECORD asks for, if all ran alone."""
        target = os.environ.get("COURSE_BUDGET_RECORD")
        alone = not hasattr(session.config, "workerinput")  # no process of xdist
        if target and self.costs and alone:
            file = Path(target)
            before = json.loads(file.read_text()) if file.exists() else None
            file.write_text(self._record(budgets.parse(before) if before else {}))

    def _table(self) -> Iterator[str]:
        yield (
            f"{'notebook':36}{'cells':>6}{'seconds':>9}{'scaled':>8}{'budget':>8}"
            f"{'MB':>7}{'budget':>8}"
        )
        for path, cost in self.costs.items():
            budget = budget_of(path)
            seconds = f"{budget.seconds:g}" if budget else "none"
            megabytes = f"{budget.megabytes:,.0f}" if budget else "none"
            over = budget is None or self.excess(path, budget)
            yield (
                f"{_name(path):36}{len(cost.cell_seconds):>6}{cost.seconds:>9.1f}"
                f"{self.scaled(path):>8.1f}{seconds:>8}"
                f"{cost.megabytes:>7,.0f}{megabytes:>8}{'  OVER' if over else ''}"
            )

    def _run_times(self) -> dict[str, RunTime]:
        return {
            _name(path): RunTime(
                round(cost.start_seconds * self._factor, 3),
                [round(each * self._factor, 3) for each in cost.cell_seconds],
                round(cost.megabytes, 1),
                cost.kernel,
            )
            for path, cost in self.costs.items()
            if self.is_complete(path)
        }

    def _record(self, before: dict[str, RunTime]) -> str:
        """Return JSON, one notebook per line; one that did not run stays as it was."""
        times = sorted({**before, **self._run_times()}.items())
        lines = [
            f"{json.dumps(name)}: {json.dumps(asdict(each))}" for name, each in times
        ]
        head = {
            "date": datetime.date.today().isoformat(),
            "machine": str(this_machine()),
            "reference_seconds": round(statistics.median(self.references), 4),
            "reference_nominal": REFERENCE_SECONDS,
        }
        notebooks = ",\n".join(lines)
        return f'{json.dumps(head)[:-1]}, "notebooks": {{\n{notebooks}\n}}}}\n'


LEDGER = pytest.StashKey[Ledger]()


def _is_cell(item: pytest.Item) -> bool:
    # By name: nbval may be absent where only `src` is tested.
    return type(item).__name__ == "IPyNbCell"


def register(config: pytest.Config) -> None:
    """Put the plugin to work in this session."""
    config.stash[LEDGER] = Ledger()
    config.pluginmanager.register(config.stash[LEDGER], "course-budgets")
