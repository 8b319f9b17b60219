"""``course check``: the questions of the course, asked of your own code."""

import json
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from course_utils.cli import terminal

if TYPE_CHECKING:
    from course_utils.own_code.report import Report
    from course_utils.own_code.settings import Settings
    from course_utils.own_code.targets import Target

Targets = Annotated[
    list[str],
    typer.Argument(
        metavar="TARGET",
        help="pkg.module:Class, a script, a notebook, or a folder, which is only read.",
    ),
]
Data = Annotated[
    str,
    typer.Option(help="Where data come from, as pkg.module:Name: a "
                 "LightningDataModule, a loader, or a function that returns one."),
]  # fmt: skip
Select = Annotated[str, typer.Option(help="Practices to look for, such as 4.3,12.*")]
Ignore = Annotated[str, typer.Option(help="Practices to leave out, such as 4.3,12.*")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
AsSarif = Annotated[
    bool, typer.Option("--sarif", help="Print the report as SARIF 2.1.0.")
]
Run = Annotated[
    bool,
    typer.Option("--run/--no-run", help="Run code on a few batches, or only read it."),
]
Fix = Annotated[
    bool,
    typer.Option(
        "--fix", help="Rewrite what can be repaired without a decision of yours."
    ),
]


def _settings(select: str, ignore: str, data: str) -> "Settings":
    from course_utils.own_code.settings import load_settings

    found = load_settings(Path.cwd())
    found = found.narrowed(select, ignore, ("--select", "--ignore"))
    return replace(found, data=data or found.data)


def _read(targets: list["Target"], settings: "Settings", fix: bool) -> "Report":
    from course_utils.own_code.named import read_named

    report, edits = read_named(targets, settings)
    if fix and edits:
        from course_utils.own_code.fix import repair

        for path in repair(edits):
            terminal.complain(f"Rewritten: {path}")
        report, _ = read_named(targets, settings)
    return report


def _print(report: "Report", as_json: bool, as_sarif: bool) -> None:
    if as_json:
        typer.echo(json.dumps(report.to_dict(), indent=1, ensure_ascii=False))
    elif as_sarif:
        from course_utils.own_code.output.sarif import to_sarif

        typer.echo(json.dumps(to_sarif(report), indent=1, ensure_ascii=False))
    else:
        from course_utils.own_code.output.text import show

        show(report, terminal.console())


def check(
    targets: Targets,
    data: Data = "",
    select: Select = "",
    ignore: Ignore = "",
    as_json: AsJson = False,
    as_sarif: AsSarif = False,
    fix: Fix = False,
    run: Run = True,
) -> None:
    """Ask your own code the questions of the course.

    It is read. What is named as pkg.module:Class, and a script or notebook that fits,
    is also run on a few batches, in a process that may change no file of yours.

    Exit status 0: nothing is found, or notes only. 1: something is. 2: nothing is, but
    some code could not be read, or stopped when it ran.

    A finding is answered at its line by `# course: ignore[4.3] reason`. Settings stand
    in pyproject.toml, in the table tool.course.
    """
    # As for Ctrl-C, so that what it has started ends with it.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with terminal.one_sentence():
        from course_utils.own_code.report import joined
        from course_utils.own_code.targets import parse

        if fix:
            from course_utils.own_code.fix import check_libcst

            check_libcst()
        settings = _settings(select, ignore, data)
        chosen = [parse(each) for each in targets]
        report = _read(chosen, settings, fix)
        if run:
            from course_utils.own_code.named import run_named

            report = joined(report, run_named(chosen, settings))
    _print(report, as_json, as_sarif)
    if report.fails:
        raise typer.Exit(terminal.FAILED)
    if report.stopped:
        raise typer.Exit(terminal.MISUSED)
