"""``course data``: show which data sets are on this machine, or download one."""

from pathlib import Path
from typing import Annotated

import typer

from course_utils.cli import terminal
from course_utils.data.cache import DataError
from course_utils.data.locate import chosen_name, learner_folder, locate, open_dataset
from course_utils.data.sources import SOURCES, validate_name


def _describe_place(name: str) -> str:
    if name == "embedded":
        return "ships with the course"
    try:
        return str(locate(name))
    except DataError:
        return f"not here; get it with `course data {name}`"


def _show_datasets() -> None:
    on, in_use = terminal.console(), chosen_name()
    table = terminal.new_table({"in use": "center", "name": "left", "where": "fold"})
    for name in SOURCES:
        mark = terminal.sign(on, "✓", "yes") if name == in_use else ""
        table.add_row(mark, name, _describe_place(name))
    on.print(table)
    on.print(
        "COURSE_DATA chooses another one; COURSE_DATA_DIR names a folder of your own.",
        soft_wrap=True,
    )


def _find_readable(name: str) -> Path | None:
    """Return the folder of a readable copy; None if it must be downloaded.

    Raises:
        DataError: If the learner's own folder holds a damaged copy: a download would
            not help, because that folder takes precedence.
    """
    try:
        root = locate(name)
    except DataError:
        return None
    try:
        for train in (True, False):
            open_dataset(name, train=train, root=root)
    except DataError:
        if learner_folder() is not None:
            raise
        return None
    return root


def _confirm(name: str, yes: bool) -> bool:
    """Print the warning, if any; return whether the learner wants the download."""
    warning = SOURCES[name].warning
    if not warning:
        return True
    typer.echo(warning)
    try:
        return yes or typer.confirm(f"Download {SOURCES[name].title} now?")
    except typer.Abort:  # no terminal to answer on, or Ctrl-C
        typer.echo()
        return False


def _download(name: str) -> Path:
    from rich import progress

    from course_utils.data.download import download

    on = terminal.console(stderr=True)
    if not on.is_terminal:
        return download(name, progress=None)
    with progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(20),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
        console=on,
    ) as bar:
        task = bar.add_task(name, total=None)

        def on_bytes(done: int, total: int) -> None:
            if done == 0:  # the next file: start its rate and time left again
                bar.reset(task, total=total or None)
            bar.update(task, completed=done)

        return download(name, progress=on_bytes)


def _get_dataset(name: str, yes: bool) -> None:
    title = SOURCES[name].title
    root = None if name == "embedded" else _find_readable(name)
    if root is not None:
        typer.echo(f"{title} is here already: {root}")
        return
    if not _confirm(name, yes):
        terminal.complain("Nothing was downloaded; `--yes` skips the question.")
        raise typer.Exit(terminal.FAILED)
    root = _download(name)
    typer.echo(f"{title} is here: {root}\nUse it with COURSE_DATA={name}.")


def data(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help=f"What to download: {', '.join(list(SOURCES)[1:])}."
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Download without asking.")
    ] = False,
) -> None:
    """Show which data sets are here and which is in use, or download one."""
    with terminal.one_sentence():
        terminal.check_environment()
        if name is None:
            _show_datasets()
            return
        try:
            _get_dataset(validate_name(name), yes)
        except KeyboardInterrupt:
            terminal.complain("Stopped. The unfinished download was removed.")
            raise typer.Exit(terminal.INTERRUPTED) from None
