"""The command ``course``: open, run, measure and follow the course."""

from typing import Annotated

import typer

from course_utils._version import __version__
from course_utils.cli import (
    check,
    class_,
    data,
    doctor,
    evidence,
    lab,
    load,
    renew,
    run,
    schedule,
    stamp,
    status,
    terminal,
)

app = typer.Typer(
    help="A notebook course on PyTorch Lightning that measures what it claims.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"course {__version__}")
        raise typer.Exit


@app.callback()
def _prepare(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    terminal.replace_unencodable()


for command in (
    lab.lab,
    renew.reset,
    renew.update,
    run.run,
    check.check,
    evidence.evidence,
    status.status,
    schedule.schedule,
    data.data,
    doctor.doctor,
    load.load,
    stamp.stamp,
):
    app.command()(command)
app.add_typer(class_.app, name="class")
