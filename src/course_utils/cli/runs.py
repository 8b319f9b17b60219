"""Lessons executed one after the other, each in a clean kernel, with their claims."""

import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from course_utils.cli.terminal import FAILED, INTERRUPTED, complain, console
from course_utils.evidence import Record, read
from course_utils.syllabus import Lesson

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


@dataclass(frozen=True)
class Run:
    """One execution of one lesson.

    Attributes:
        lesson: The lesson.
        seed: Seed of its experiments.
        records: The claims that it made, in order.
        failure: Why the run counts as failed, in one sentence; ``""`` if it does not.
    """

    lesson: Lesson
    seed: int
    records: tuple[Record, ...]
    failure: str

    @property
    def ok(self) -> bool:
        """Whether the lesson ran to its end and all of its claims hold."""
        return not self.failure and all(record.holds for record in self.records)


@dataclass(frozen=True)
class Session:
    """Several runs.

    Attributes:
        runs: Those that came to an end, in order.
        interrupted: Whether Ctrl-C kept the others from it.
    """

    runs: tuple[Run, ...]
    interrupted: bool


def _unclaimed(lesson: Lesson, records: Sequence[Record]) -> str:
    # A lesson that claims nothing would otherwise hold all of its claims.
    claimed = {record.practice for record in records}
    missing = [each.id for each in lesson.practices if each.id not in claimed]
    return f"No claim was made for {', '.join(missing)}." if missing else ""


def _execute(
    notebook: Path, seed: int, file: Path, on_cell: Callable[[int, int], None]
) -> str:
    import asyncio

    from course_utils.notebooks import execute  # 3 s that --help need not wait for

    if not notebook.is_file():
        return f"There is no {notebook.name}: run `make sync`, which makes it."
    environment = {
        "COURSE_EVIDENCE": str(file),
        "COURSE_PROGRESS_FILE": "",
        "COURSE_SEED": str(seed),
    }
    try:
        return execute(notebook, environment=environment, on_cell=on_cell).failure
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    except (ValueError, RuntimeError, OSError, AttributeError) as error:
        # After Ctrl-C nbclient may end the kernel twice, and find none to end.
        if isinstance(error, AttributeError) and "NoneType" in str(error):
            raise KeyboardInterrupt from None
        return f"{notebook.name} could not be run: {error}"


def run_lesson(
    lesson: Lesson,
    seed: int,
    folder: Path,
    keep: Path | None,
    on_cell: Callable[[int, int], None],
) -> Run:
    """Return the outcome of one lesson in a clean kernel; no notebook is changed.

    Args:
        lesson: The lesson.
        seed: Seed of its experiments.
        folder: The course's folder.
        keep: File that the claims are appended to as soon as the lesson has ended.
        on_cell: Called with (code cells done, code cells in total).

    Raises:
        KeyboardInterrupt: If the user stopped it; nothing is appended then.
    """
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "claims.jsonl")
        notebook = folder / "notebooks" / f"{lesson.file}.ipynb"
        failure = _execute(notebook, seed, file, on_cell)
        try:
            records = read(file)
        except ValueError as error:
            records, failure = (), failure or str(error)
        if keep is not None and file.exists():
            with keep.open("ab", buffering=0) as lines:
                lines.write(file.read_bytes())
    return Run(lesson, seed, records, failure or _unclaimed(lesson, records))


def _finished(run: Run) -> str:
    kept = sum(record.holds for record in run.records)
    line = f"{run.lesson.id} {run.lesson.title}, seed {run.seed}: "
    line += f"{kept} of {len(run.records)} claims hold."
    return f"{line} {run.failure}".rstrip()


def _progress(on: "Console") -> "Progress":
    from rich import progress

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(20),
        progress.MofNCompleteColumn(),
        progress.TextColumn("cells"),
        progress.TimeElapsedColumn(),
        console=on,
        transient=True,
        disable=not on.is_terminal,
    )


def run_all(
    plan: Sequence[tuple[Lesson, int]], folder: Path, keep: Path | None = None
) -> Session:
    """Run lessons under seeds, with a progress bar and a line for each on stderr.

    Args:
        plan: Pairs of lesson and seed.
        folder: The course's folder.
        keep: File that the claims of each finished lesson are appended to.
    """
    # What nbclient's ended futures say after Ctrl-C is no news to a learner.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    on = console(stderr=True)
    runs: list[Run] = []
    with _progress(on) as bar:
        task = bar.add_task("")

        def on_cell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        try:
            for place, (lesson, seed) in enumerate(plan, start=1):
                name = f"{lesson.id} seed {seed} ({place} of {len(plan)})"
                bar.reset(task, description=name, total=None)
                runs.append(run_lesson(lesson, seed, folder, keep, on_cell))
                on.print(_finished(runs[-1]), soft_wrap=True)
        except KeyboardInterrupt:
            return Session(tuple(runs), interrupted=True)
    return Session(tuple(runs), interrupted=False)


def end(session: Session, holds: bool) -> None:
    """Leave the command: status 0 if all holds, 1 if not, 130 after Ctrl-C."""
    if session.interrupted:
        complain("Stopped. The lesson that was running is not counted.")
        raise typer.Exit(INTERRUPTED)
    if not holds:
        raise typer.Exit(FAILED)
