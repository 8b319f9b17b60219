"""``course data``: which data sets are here, and how another one gets here."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from course_utils.cli.terminal import (
    FAILED,
    INTERRUPTED,
    check_environment,
    complain,
    console,
    new_table,
    one_sentence,
    sign,
)
from course_utils.data.cache import DataError
from course_utils.data.locate import chosen_name, locate, open_dataset, own_folder
from course_utils.data.sources import SOURCES, checked_name

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


def _place(name: str) -> str:
    if name == "embedded":
        return "ships with the course"
    try:
        return str(locate(name))
    except DataError:
        return f"not here; get it with `course data {name}`"


def _show() -> None:
    on, used, table = console(), chosen_name(), new_table()
    table.add_column("in use", justify="center")
    table.add_column("name", no_wrap=True)
    table.add_column("where", overflow="fold")
    for name in SOURCES:
        mark = sign(on, "✓", "yes") if name == used else ""
        table.add_row(mark, name, _place(name))
    on.print(table)
    on.print(
        "COURSE_DATA chooses another one; COURSE_DATA_DIR names a folder of your own.",
        soft_wrap=True,
    )


def _whole(name: str) -> Path | None:
    """Return where a readable copy lies; None if a download is what it takes.

    Raises:
        DataError: If the learner's own folder holds a damaged copy, which hides any
            other.
    """
    try:
        root = locate(name)
    except DataError:
        return None
    try:
        for train in (True, False):
            open_dataset(name, root, train)
    except DataError:
        if own_folder() is not None:
            raise
        return None
    return root


def _agreed(name: str, yes: bool) -> bool:
    """Print what to know first; return whether the learner still wants it."""
    from course_utils.data.download import warning_before_download

    warning = warning_before_download(name)
    if not warning:
        return True
    typer.echo(warning)
    try:
        return yes or typer.confirm(f"Download {SOURCES[name].title} now?")
    except typer.Abort:  # no terminal to answer on, or Ctrl-C
        typer.echo()
        return False


def _bar(on: "Console") -> "Progress":
    from rich import progress

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(20),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
        console=on,
    )


def _fetch(name: str) -> Path:
    from course_utils.data.download import download

    on = console(stderr=True)
    if not on.is_terminal:
        return download(name, progress=None)
    with _bar(on) as bar:
        task = bar.add_task(name, total=None)

        def on_bytes(done: int, total: int) -> None:
            if done == 0:  # the next file: its rate and time left start anew
                bar.reset(task, total=total or None)
            bar.update(task, completed=done)

        return download(name, progress=on_bytes)


def _get(name: str, yes: bool) -> None:
    title = SOURCES[name].title
    root = None if name == "embedded" else _whole(name)
    if root is not None:
        typer.echo(f"{title} is here already: {root}")
        return
    if not _agreed(name, yes):
        complain("Nothing was downloaded; `--yes` answers the question beforehand.")
        raise typer.Exit(FAILED)
    root = _fetch(name)
    typer.echo(f"{title} is here: {root}\nUse it with COURSE_DATA={name}.")


def data(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help=f"What to download: {', '.join(list(SOURCES)[1:])}."
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Download without being asked again.")
    ] = False,
) -> None:
    """Show which data sets are here and which is in use, or download one."""
    with one_sentence():
        check_environment()
        if name is None:
            _show()
            return
        try:
            _get(checked_name(name), yes)
        except KeyboardInterrupt:
            complain("Stopped. Nothing is left of the unfinished download.")
            raise typer.Exit(INTERRUPTED) from None
