"""The command ``course``: open, run, measure and follow the course."""

import typer

from course_utils.cli import (
    data,
    doctor,
    evidence,
    lab,
    load,
    run,
    schedule,
    status,
    terminal,
)

app = typer.Typer(
    help="A notebook course on PyTorch Lightning that measures what it claims.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.callback()(terminal.replace_unencodable)
for command in (
    lab.lab,
    run.run,
    evidence.evidence,
    status.status,
    schedule.schedule,
    data.data,
    doctor.doctor,
    load.load,
):
    app.command()(command)
