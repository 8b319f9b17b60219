"""``course load``: how many learners one machine can handle."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from course_utils.cli import runs, terminal
from course_utils.cli.folder import chosen_lessons, course_folder

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from course_utils.authoring.cell_progress import OnCell
    from course_utils.authoring.load_test.record import Load


def counts(text: str) -> list[int]:
    """Return the numbers of learners in ``text``, each once, in ascending order.

    Raises:
        ValueError: If one of them is not a whole number.

    Example:
        >>> counts("4,1, 4")
        [1, 4]
    """
    try:
        return sorted({int(part) for part in text.split(",")})
    except ValueError as error:
        raise ValueError(
            "Expected --learners to be whole numbers separated by commas, such as "
            f"1,4,8,12, but got {text!r}."
        ) from error


def why_too_many(loads: Sequence["Load"], count: int, free_megabytes: float) -> str:
    """Return why ``count`` learners do not fit into the free memory, or ``""``.

    Args:
        loads: Those measured so far; without any, the memory per learner is unknown.
        count: Learners of the next load.
        free_megabytes: Memory available to them.
    """
    if not loads:
        return ""
    needed = count * loads[-1].kernels_megabytes / loads[-1].learners
    if needed <= free_megabytes:
        return ""
    return (
        f"{count} learners need about {needed:,.0f} MB but only {free_megabytes:,.0f} "
        "MB are free: close other programs, or choose fewer --learners."
    )


@contextlib.contextmanager
def _progress(count: int) -> Iterator["OnCell"]:
    name = "1 learner" if count == 1 else f"{count} learners"
    with runs.new_progress("cells") as bar:
        row = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(row, completed=done, total=total)


def loads_table(loads: Sequence["Load"], on: "Console") -> "Table":
    """Return one row per number of learners."""
    table = terminal.new_table({})  # headings of two words may break
    heads = ("learners", "done", "right", "median s", "slowest s", "CPU s each")
    for name in (*heads, "kernels MB", "server MB"):
        table.add_column(name, justify="right")
    table.add_column("good", justify="center")
    for load in loads:
        seconds = (load.median_seconds, load.slowest_seconds, load.processor_seconds)
        table.add_row(
            *map(str, (load.learners, load.finished, load.right)),
            *(f"{number:.1f}" for number in seconds),
            f"{load.kernels_megabytes:,.0f}",
            f"{load.server_megabytes:,.0f}",
            terminal.verdict(on, load.good),
        )
    return table


def _measure_all(notebook: Path, folder: Path, learners: Sequence[int]) -> list["Load"]:
    """Return the loads that could be measured; print on stderr what went wrong."""
    import psutil

    from course_utils.authoring.load_test.load import measure

    loads: list[Load] = []
    try:
        for count in learners:
            free = psutil.virtual_memory().available / 2**20
            if reason := why_too_many(loads, count, free):
                terminal.complain(reason)
                break
            with _progress(count) as on_cell:
                load, remarks = measure(notebook, folder, count, on_cell)
            loads.append(load)
            for remark in remarks:
                terminal.complain(remark)
    except KeyboardInterrupt:
        terminal.complain("Stopped. All kernels have ended; nothing was recorded.")
        raise typer.Exit(terminal.INTERRUPTED) from None
    except RuntimeError as error:
        terminal.complain(str(error))
        raise typer.Exit(terminal.FAILED) from None
    return loads


def load(
    lesson: Annotated[
        str, typer.Argument(metavar="LESSON", help="The lesson that all learners run.")
    ] = "12",
    learners: Annotated[
        str,
        typer.Option(metavar="N,N,...", help="How many at once, load by load."),
    ] = "1,4,8,12",
    record: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="Write a good result here."),
    ] = None,
) -> None:
    """Run a lesson for many learners at once, and measure what a server needs.

    Each learner has a kernel; the memory of a Jupyter server is measured separately.
    Exit status 0: all learners finished, with the outputs that are stored.
    """
    with terminal.one_sentence():
        terminal.check_environment()
        (chosen,), folder = chosen_lessons([lesson]), course_folder()
        notebook = folder / "notebooks" / f"{chosen.file}.ipynb"
        numbers = counts(learners)
        terminal.check_installed("jupyter_server", "a Jupyter server", "jupyterlab")
        terminal.check_can_execute()
        from course_utils.authoring.load_test.load import check

        for count in numbers:
            check(notebook, count)
        if record is not None:
            terminal.check_writable(record, "--record")
    loads = _measure_all(notebook, folder, numbers)
    on = terminal.console()
    on.print(loads_table(loads, on))
    if len(loads) < len(numbers) or not all(each.good for each in loads):
        raise typer.Exit(terminal.FAILED)
    if record is not None:
        from course_utils.authoring.load_test.record import new_record, write

        write(new_record(chosen.id, loads), record)
